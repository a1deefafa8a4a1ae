//! Texts that the compiler carries, as files that any editor can open: read-only, in the user's cache folder,
//! under a name that changes with what is in them.

use std::fs;
use std::path::{Path, PathBuf};

use aurora_compiler::library::LIBRARIES;

use crate::durable;

/// The file of a library, written if it is not there yet; nothing where nothing can be written.
pub fn library(name: &str) -> Option<PathBuf> {
    let (_, text) = LIBRARIES.iter().find(|(known, _)| *known == name)?;
    let mut hash = blake3::Hasher::new();
    for (name, text) in LIBRARIES {
        hash.update(name.as_bytes()).update(text.as_bytes());
    }
    let version = hash.finalize().to_hex()[..16].to_string();
    let file = format!("{}.aurora", name.replace('.', "/"));
    page(&folder()?.join("library").join(version).join(file), text)
}

/// Where the user's caches lie, as the system has it.
fn folder() -> Option<PathBuf> {
    let set = |name: &str| std::env::var_os(name).map(PathBuf::from).filter(|path| path.is_absolute());
    let caches = if cfg!(windows) {
        set("LOCALAPPDATA")
    } else if cfg!(target_os = "macos") {
        set("XDG_CACHE_HOME").or_else(|| set("HOME").map(|home| home.join("Library/Caches")))
    } else {
        set("XDG_CACHE_HOME").or_else(|| set("HOME").map(|home| home.join(".cache")))
    };
    caches.map(|caches| caches.join("aurorac"))
}

/// A read-only file with this text.
fn page(path: &Path, text: &str) -> Option<PathBuf> {
    if fs::read(path).is_ok_and(|there| there == text.as_bytes()) {
        return Some(path.to_path_buf());
    }
    durable::write(path, text.as_bytes()).ok()?;
    let mut rights = fs::metadata(path).ok()?.permissions();
    rights.set_readonly(true);
    fs::set_permissions(path, rights).ok()?;
    Some(path.to_path_buf())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_page_is_whole_read_only_and_restored() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("a/b.aurora");
        for _ in 0..2 {
            assert_eq!(page(&path, "text"), Some(path.clone()));
            assert_eq!(fs::read_to_string(&path).unwrap(), "text");
            assert!(fs::metadata(&path).unwrap().permissions().readonly());
        }
        // Somebody wrote over it in spite of its rights.
        fs::remove_file(&path).unwrap();
        fs::write(&path, "other").unwrap();
        page(&path, "text").unwrap();
        assert_eq!(fs::read_to_string(&path).unwrap(), "text");
    }
}
