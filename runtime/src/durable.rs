//! Files and folders that are whole or not there: written beside, flushed to disk, then renamed.

use std::fs::{self, File};
use std::io::{self, Seek, Write};
use std::path::{Path, PathBuf};

use tempfile::{Builder, NamedTempFile, TempDir};

/// Prefix of what is being written.
const WRITING: &str = ".writing-";
/// Nothing that is still being written is as old as this.
const LEFT: std::time::Duration = std::time::Duration::from_hours(1);
/// Prefix of a folder that holds, under its own name, what is being replaced.
const REPLACED: &str = ".replaced-";

/// Writes a file so that whoever looks sees the old bytes or the new ones, never a part.
///
/// # Errors
/// With the path in the message, as for [`folder`].
pub fn write(path: &Path, bytes: &[u8]) -> io::Result<()> {
    write_unnamed(path, bytes).map_err(|error| named(path, error))
}

fn write_unnamed(path: &Path, bytes: &[u8]) -> io::Result<()> {
    let folder = parent(path);
    fs::create_dir_all(folder)?;
    let mut temporary = builder(WRITING, 0o666).tempfile_in(folder)?;
    temporary.write_all(bytes)?;
    temporary.as_file().sync_all()?;
    temporary.persist(path).map_err(|error| error.error)?;
    sync_folder(folder)
}

/// Writes the parts of a file by way of a name of its own in the folder `ways` on the same disk: of several processes that
/// write the same file each is whole, and the last one stays.
///
/// # Errors
/// Without the path.
pub fn write_by(ways: &Path, path: &Path, parts: &[Vec<u8>]) -> io::Result<()> {
    persevering(|| {
        fs::create_dir_all(parent(path))?;
        let mut temporary = way(ways)?;
        parts.iter().try_for_each(|part| temporary.write_all(part))?;
        landed(temporary, path)
    })
}

/// Gives a file that is never written again a second name in place of whatever stands there; where the disk knows no second
/// names, or none for files of others, a copy by way of the folder `ways`.
///
/// # Errors
/// Without the path; a file that is not there.
pub fn link_by(ways: &Path, from: &Path, path: &Path) -> io::Result<()> {
    fs::create_dir_all(parent(path))?;
    match fs::remove_file(path) {
        Err(error) if error.kind() != io::ErrorKind::NotFound => return Err(error),
        _ => {}
    }
    if fs::hard_link(from, path).is_ok() {
        return sync_folder(parent(path));
    }
    let mut whole = File::open(from)?;
    persevering(|| {
        let mut temporary = way(ways)?;
        whole.rewind()?;
        io::copy(&mut whole, &mut temporary)?;
        landed(temporary, path)
    })
}

fn way(ways: &Path) -> io::Result<NamedTempFile> {
    fs::create_dir_all(ways)?;
    builder(WRITING, 0o666).tempfile_in(ways)
}

fn landed(temporary: NamedTempFile, path: &Path) -> io::Result<()> {
    temporary.as_file().sync_all()?;
    // Nobody reads it soon: the system's memory stays for other files.
    #[cfg(target_os = "linux")]
    let _ = rustix::fs::fadvise(temporary.as_file(), 0, None, rustix::fs::Advice::DontNeed);
    temporary.persist(path).map_err(|error| error.error)?;
    sync_folder(parent(path))
}

/// Another process that believes all to be written may have cleaned up meanwhile.
fn persevering(mut write: impl FnMut() -> io::Result<()>) -> io::Result<()> {
    for _ in 0..3 {
        match write() {
            Err(error) if error.kind() == io::ErrorKind::NotFound => {}
            ended => return ended,
        }
    }
    write()
}

/// As [`folder`], but what stands there already stays, whoever made it: of several processes that make the same folder one
/// succeeds, and the others find it made.
pub fn new_folder<E: From<io::Error>>(
    path: &Path,
    fill: impl FnOnce(&Path) -> Result<(), E>,
) -> Result<(), E> {
    let above = parent(path);
    let named = |error| named(path, error);
    fs::create_dir_all(above).map_err(named)?;
    let temporary = builder(WRITING, 0o777).tempdir_in(above).map_err(named)?;
    fill(temporary.path())?;
    sync_all(temporary.path()).map_err(named)?;
    match fs::rename(temporary.path(), path) {
        Ok(()) => {
            let _ = temporary.keep();
            Ok(sync_folder(above).map_err(named)?)
        }
        // A folder that is not empty is not replaced.
        Err(_) if path.is_dir() => Ok(()),
        Err(error) => Err(named(error).into()),
    }
}

/// Makes a folder by filling a temporary one beside it and renaming that. What stood there before is
/// replaced only when the new one is whole.
pub fn folder<E: From<io::Error>>(path: &Path, fill: impl FnOnce(&Path) -> Result<(), E>) -> Result<(), E> {
    let above = parent(path);
    let named = |error| named(path, error);
    fs::create_dir_all(above).map_err(named)?;
    let temporary = builder(WRITING, 0o777).tempdir_in(above).map_err(named)?;
    fill(temporary.path())?;
    put_in_place(temporary, path, above).map_err(named)?;
    Ok(())
}

fn put_in_place(temporary: TempDir, path: &Path, above: &Path) -> io::Result<()> {
    sync_all(temporary.path())?;
    // Dropped last: until the new one stands, `clean` finds the old one here under its name.
    let mut old = None;
    if path.exists() {
        let place = builder(REPLACED, 0o777).tempdir_in(above)?;
        fs::rename(path, place.path().join(path.file_name().unwrap_or_default()))?;
        old = Some(place);
    }
    if let Err(error) = fs::rename(temporary.path(), path) {
        if let Some(place) = old {
            fs::rename(place.path().join(path.file_name().unwrap_or_default()), path)?;
        }
        return Err(error);
    }
    let _ = temporary.keep();
    sync_folder(above)
}

/// Waits until all files below a folder are on disk.
fn sync_all(folder: &Path) -> io::Result<()> {
    for entry in fs::read_dir(folder)? {
        let entry = entry?;
        let kind = entry.file_type()?;
        if kind.is_dir() {
            sync_all(&entry.path())?;
        } else if kind.is_file() {
            File::open(entry.path())?.sync_all()?;
        }
    }
    sync_folder(folder)
}

/// Removes a folder at once: whoever looks sees all of it or nothing.
pub fn remove(path: &Path) -> io::Result<()> {
    let trash = builder(WRITING, 0o777).tempdir_in(parent(path))?;
    fs::rename(path, trash.path().join("removed"))?;
    trash.close()
}

/// What interrupted writes have left behind in a folder, an hour ago or earlier.
pub fn leftovers(folder: &Path) -> io::Result<Vec<PathBuf>> {
    let mut found = Vec::new();
    for entry in fs::read_dir(folder)? {
        let entry = entry?;
        let old = entry.metadata()?.modified()?.elapsed().is_ok_and(|age| age > LEFT);
        if old && entry.file_name().to_string_lossy().starts_with(WRITING) {
            found.push(entry.path());
        }
    }
    Ok(found)
}

/// Removes what an interrupted write left behind, and puts back what was about to be replaced.
pub fn clean(folder: &Path) -> io::Result<()> {
    if !folder.is_dir() {
        return Ok(());
    }
    for entry in fs::read_dir(folder)? {
        let entry = entry?;
        let name = entry.file_name();
        let name = name.to_string_lossy();
        if name.starts_with(REPLACED) {
            for old in fs::read_dir(entry.path())? {
                let old = old?;
                let place = folder.join(old.file_name());
                if !place.exists() {
                    fs::rename(old.path(), place)?;
                }
            }
        }
        if name.starts_with(WRITING) || name.starts_with(REPLACED) {
            if entry.file_type()?.is_dir() {
                fs::remove_dir_all(entry.path())?;
            } else {
                fs::remove_file(entry.path())?;
            }
        }
    }
    Ok(())
}

/// A maker of temporary files or folders with the rights of any new one (the user's umask takes its part),
/// for they are there to stay.
fn builder(prefix: &'static str, mode: u32) -> Builder<'static, 'static> {
    let mut builder = Builder::new();
    builder.prefix(prefix);
    #[cfg(unix)]
    builder.permissions(std::os::unix::fs::PermissionsExt::from_mode(mode));
    #[cfg(not(unix))]
    let _ = mode;
    builder
}

/// The error with the path that could not be written.
pub fn named(path: &Path, error: io::Error) -> io::Error {
    io::Error::new(error.kind(), format!("cannot write {}: {error}", path.display()))
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

    /// Killed between its two renames, a replacement has moved the old folder away and not yet put the new one.
    #[test]
    fn what_was_about_to_be_replaced_is_put_back() {
        let root = tempfile::tempdir().unwrap();
        let moved = root.path().join(".replaced-left/state");
        fs::create_dir_all(&moved).unwrap();
        fs::write(moved.join("a"), "old").unwrap();
        fs::create_dir(root.path().join(".writing-left")).unwrap();
        clean(root.path()).unwrap();
        assert_eq!(fs::read_to_string(root.path().join("state/a")).unwrap(), "old");
        assert_eq!(fs::read_dir(root.path()).unwrap().count(), 1);
        remove(&root.path().join("state")).unwrap();
        assert_eq!(fs::read_dir(root.path()).unwrap().count(), 0);
    }

    /// Written over and over by several at once, a file is always one of those that were written.
    #[test]
    fn a_file_that_many_write_is_whole() {
        let root = tempfile::tempdir().unwrap();
        let (ways, path) = (root.path().join("ways"), root.path().join("a/b/c"));
        std::thread::scope(|scope| {
            for letter in *b"abcd" {
                let (ways, path) = (&ways, &path);
                scope.spawn(move || {
                    for number in 0..20 {
                        write_by(ways, path, &[vec![letter; 5000], vec![letter; 7]]).unwrap();
                        // One of them believes now and then that all is written.
                        if letter == b'a' && number % 8 == 0 {
                            let _ = fs::remove_dir_all(ways);
                        }
                        let read = fs::read(path).unwrap();
                        assert!(read.len() == 5007 && read.iter().all(|byte| *byte == read[0]));
                    }
                });
            }
        });
    }

    /// A second name stands for the same bytes, in place of what was there, and stays when the first is written again.
    #[test]
    fn a_file_has_two_names() {
        let root = tempfile::tempdir().unwrap();
        let [ways, from, path] = ["ways", "from", "deep/to"].map(|name| root.path().join(name));
        assert_eq!(link_by(&ways, &from, &path).unwrap_err().kind(), io::ErrorKind::NotFound);
        fs::write(&from, "one").unwrap();
        for _ in 0..2 {
            link_by(&ways, &from, &path).unwrap();
            assert_eq!(fs::read_to_string(&path).unwrap(), "one");
            fs::remove_file(&path).unwrap();
            fs::write(&path, "other").unwrap();
        }
        link_by(&ways, &from, &path).unwrap();
        write_by(&ways, &from, &[b"two".to_vec()]).unwrap();
        assert_eq!(fs::read_to_string(&path).unwrap(), "one");
        // Another disk, as a rule, where no second name is possible.
        let elsewhere = if Path::new("/dev/shm").is_dir() { "/dev/shm".into() } else { std::env::temp_dir() };
        let elsewhere = tempfile::tempdir_in(elsewhere).unwrap();
        fs::write(elsewhere.path().join("far"), "three").unwrap();
        link_by(&ways, &elsewhere.path().join("far"), &path).unwrap();
        drop(elsewhere);
        assert_eq!(fs::read_to_string(&path).unwrap(), "three");
        assert_eq!(fs::read_dir(&ways).unwrap().count(), 0);
    }

    #[cfg(unix)]
    #[test]
    fn files_and_folders_have_the_rights_of_any_other() {
        use std::os::unix::fs::PermissionsExt;
        let root = tempfile::tempdir().unwrap();
        let mode = |name: &str| fs::metadata(root.path().join(name)).unwrap().permissions().mode() & 0o777;
        fs::write(root.path().join("plain"), "").unwrap();
        fs::create_dir(root.path().join("plain_folder")).unwrap();
        write(&root.path().join("file"), b"").unwrap();
        folder::<io::Error>(&root.path().join("folder"), |_| Ok(())).unwrap();
        assert_eq!((mode("file"), mode("folder")), (mode("plain"), mode("plain_folder")));
    }
}
