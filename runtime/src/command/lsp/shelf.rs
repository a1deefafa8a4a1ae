//! Texts that the compiler carries, as files that any editor can open: read-only, in the user's cache folder,
//! under a name that changes with what is in them.

use std::cell::RefCell;
use std::collections::BTreeMap;
use std::fs;
use std::path::{Path, PathBuf};

use aurora_compiler::library::LIBRARIES;
use aurora_compiler::manual;

use crate::durable;

/// The shelf, and what is known to stand on it.
#[derive(Debug, Default)]
pub struct Shelf {
    known: RefCell<BTreeMap<String, Option<PathBuf>>>,
}

impl Shelf {
    /// The file of a library, written if it is not there yet; nothing where nothing can be written.
    pub fn library(&self, name: &str) -> Option<PathBuf> {
        let (_, text) = LIBRARIES.iter().find(|(known, _)| *known == name)?;
        self.file(&format!("{}.aurora", name.replace('.', "/")), text)
    }

    /// The file of the manual's page about a code.
    pub fn explanation(&self, code: &str) -> Option<PathBuf> {
        self.file(&format!("explain/{code}.md"), manual::page(code)?)
    }

    fn file(&self, name: &str, text: &str) -> Option<PathBuf> {
        if let Some(known) = self.known.borrow().get(name)
            && known.as_ref().is_none_or(|path| path.is_file())
        {
            return known.clone();
        }
        // One folder for each version of the compiler, so that no two write over each other.
        let path =
            folder().map(|folder| folder.join(version()).join(name)).and_then(|path| page(&path, text));
        self.known.borrow_mut().insert(name.to_string(), path.clone());
        path
    }
}

/// What changes whenever a library does.
fn version() -> String {
    let mut hash = blake3::Hasher::new();
    for (name, text) in LIBRARIES {
        hash.update(name.as_bytes()).update(text.as_bytes());
    }
    hash.finalize().to_hex()[..16].to_string()
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
