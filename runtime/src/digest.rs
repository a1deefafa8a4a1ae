//! Digests of large files, remembered: gigabytes are read once, and again only when the file has changed.

use std::collections::BTreeMap;
use std::fs;
use std::io;
use std::path::Path;
use std::time::UNIX_EPOCH;

use serde::{Deserialize, Serialize};

use crate::durable;

/// What was found the last time, by the file's whole path.
type Known = BTreeMap<String, Entry>;

#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
struct Entry {
    bytes: u64,
    /// Nanoseconds since 1970.
    modified: u128,
    digest: String,
}

/// BLAKE3 of a file, in hexadecimal; remembered in `folder` while length and time of change stay the same.
///
/// # Errors
/// A file that cannot be read. A memory that cannot be written only costs time.
pub fn of(path: &Path, folder: &Path) -> io::Result<String> {
    let metadata = fs::metadata(path)?;
    let since = metadata.modified()?.duration_since(UNIX_EPOCH).unwrap_or_default();
    let (bytes, modified) = (metadata.len(), since.as_nanos());
    let memory = folder.join("digests.json");
    let key = fs::canonicalize(path)?.display().to_string();
    let mut known: Known =
        fs::read(&memory).ok().and_then(|text| serde_json::from_slice(&text).ok()).unwrap_or_default();
    if let Some(entry) = known.get(&key).filter(|one| one.bytes == bytes && one.modified == modified) {
        return Ok(entry.digest.clone());
    }
    let mut hasher = blake3::Hasher::new();
    io::copy(&mut fs::File::open(path)?, &mut hasher)?;
    let digest = hasher.finalize().to_hex().to_string();
    known.insert(key, Entry { bytes, modified, digest: digest.clone() });
    if let Ok(text) = serde_json::to_vec_pretty(&known) {
        let _ = fs::create_dir_all(folder).and_then(|()| durable::write(&memory, &text));
    }
    Ok(digest)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_file_is_read_again_when_it_has_changed() {
        let folder = tempfile::tempdir().unwrap();
        let file = folder.path().join("weights");
        fs::write(&file, b"one").unwrap();
        let one = of(&file, folder.path()).unwrap();
        assert_eq!(one, blake3::hash(b"one").to_hex().to_string());
        assert_eq!(of(&file, folder.path()).unwrap(), one);
        fs::write(&file, b"other").unwrap();
        assert_ne!(of(&file, folder.path()).unwrap(), one);
        assert!(of(&folder.path().join("absent"), folder.path()).is_err());
    }
}
