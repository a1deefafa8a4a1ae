//! Files and folders that are whole or not there: written beside, flushed to disk, then renamed.

use std::fs::{self, File};
use std::io::{self, Write};
use std::path::Path;

/// Writes a file so that whoever looks sees the old bytes or the new ones, never a part.
pub fn write(path: &Path, bytes: &[u8]) -> io::Result<()> {
    let folder = parent(path);
    fs::create_dir_all(folder)?;
    let mut temporary = tempfile::Builder::new().prefix(".writing-").tempfile_in(folder)?;
    temporary.write_all(bytes)?;
    temporary.as_file().sync_all()?;
    temporary.persist(path).map_err(|error| error.error)?;
    sync_folder(folder)
}

/// Makes a folder by filling a temporary one beside it and renaming that. What stood there before is
/// replaced only when the new one is whole.
pub fn folder<E: From<io::Error>>(path: &Path, fill: impl FnOnce(&Path) -> Result<(), E>) -> Result<(), E> {
    let above = parent(path);
    fs::create_dir_all(above)?;
    let temporary = tempfile::Builder::new().prefix(".writing-").tempdir_in(above)?;
    fill(temporary.path())?;
    for entry in fs::read_dir(temporary.path())? {
        let entry = entry?;
        if entry.file_type()?.is_file() {
            File::open(entry.path())?.sync_all()?;
        }
    }
    sync_folder(temporary.path())?;
    let filled = temporary.keep();
    if path.exists() {
        let old = tempfile::Builder::new().prefix(".replaced-").tempdir_in(above)?;
        fs::rename(path, old.path().join("old"))?;
    }
    fs::rename(&filled, path)?;
    sync_folder(above)?;
    Ok(())
}

/// Removes what an interrupted write left behind.
pub fn clean(folder: &Path) -> io::Result<()> {
    if !folder.is_dir() {
        return Ok(());
    }
    for entry in fs::read_dir(folder)? {
        let entry = entry?;
        let name = entry.file_name();
        let name = name.to_string_lossy();
        if name.starts_with(".writing-") || name.starts_with(".replaced-") {
            if entry.file_type()?.is_dir() {
                fs::remove_dir_all(entry.path())?;
            } else {
                fs::remove_file(entry.path())?;
            }
        }
    }
    Ok(())
}

fn parent(path: &Path) -> &Path {
    match path.parent() {
        Some(parent) if !parent.as_os_str().is_empty() => parent,
        _ => Path::new("."),
    }
}

fn sync_folder(folder: &Path) -> io::Result<()> {
    File::open(folder)?.sync_all()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_folder_is_replaced_whole_and_leaves_nothing_behind() {
        let root = tempfile::tempdir().unwrap();
        let path = root.path().join("state");
        for text in ["one", "two"] {
            folder::<io::Error>(&path, |inside| fs::write(inside.join("a"), text)).unwrap();
            assert_eq!(fs::read_to_string(path.join("a")).unwrap(), text);
        }
        let failed = folder::<io::Error>(&path, |inside| {
            fs::write(inside.join("a"), "three")?;
            Err(io::Error::other("stopped"))
        });
        assert!(failed.is_err());
        assert_eq!(fs::read_to_string(path.join("a")).unwrap(), "two");
        assert_eq!(fs::read_dir(root.path()).unwrap().count(), 1);
        fs::create_dir(root.path().join(".writing-left")).unwrap();
        clean(root.path()).unwrap();
        assert_eq!(fs::read_dir(root.path()).unwrap().count(), 1);
    }
}
