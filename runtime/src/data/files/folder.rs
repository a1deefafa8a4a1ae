//! A folder of this machine.

use std::fs::File;
use std::io::{ErrorKind, Read, Seek, SeekFrom};
use std::ops::Range;
use std::path::{Path, PathBuf};

use super::{FileError, Files};
use crate::talk::reason;

/// Files below a folder.
#[derive(Clone, Debug)]
pub struct Folder {
    root: PathBuf,
}

impl Folder {
    #[must_use]
    pub fn new(root: &Path) -> Self {
        Self { root: root.to_path_buf() }
    }

    fn error(&self, path: &str, error: &std::io::Error) -> FileError {
        FileError { place: self.place(), path: path.into(), reason: reason(error) }
    }

    fn gather(
        &self,
        folder: &Path,
        below: &str,
        files: &mut Vec<(String, Option<u64>)>,
    ) -> std::io::Result<()> {
        for entry in std::fs::read_dir(folder)? {
            let entry = entry?;
            let name = format!("{below}{}", entry.file_name().to_string_lossy());
            // A link to nothing, or a file or folder that has gone since: the others are there all the same.
            let Some(about) = there(std::fs::metadata(entry.path()))? else { continue };
            if about.is_dir() {
                there(self.gather(&entry.path(), &format!("{name}/"), files))?;
            } else {
                files.push((name, Some(about.len())));
            }
        }
        Ok(())
    }
}

/// Nothing for what is not there.
fn there<T>(result: std::io::Result<T>) -> std::io::Result<Option<T>> {
    match result {
        Ok(found) => Ok(Some(found)),
        Err(error) if error.kind() == ErrorKind::NotFound => Ok(None),
        Err(error) => Err(error),
    }
}

impl Files for Folder {
    fn place(&self) -> String {
        self.root.display().to_string()
    }

    fn length(&self, path: &str) -> Result<Option<u64>, FileError> {
        match std::fs::metadata(self.root.join(path)) {
            Ok(about) if about.is_file() => Ok(Some(about.len())),
            Ok(_) => Ok(None),
            Err(error) if matches!(error.kind(), ErrorKind::NotFound | ErrorKind::NotADirectory) => Ok(None),
            Err(error) => Err(self.error(path, &error)),
        }
    }

    fn read(&self, path: &str, range: Range<u64>) -> Result<Vec<u8>, FileError> {
        let read = || -> std::io::Result<Vec<u8>> {
            let mut file = File::open(self.root.join(path))?;
            let length = file.metadata()?.len();
            if range.start > range.end || range.end > length {
                let wanted = format!("it has {length} bytes, so none at {} to {}", range.start, range.end);
                return Err(std::io::Error::other(wanted));
            }
            file.seek(SeekFrom::Start(range.start))?;
            let wanted = range.end - range.start;
            let mut bytes = Vec::with_capacity(wanted as usize);
            // It may be cut short while it is read.
            match file.take(wanted).read_to_end(&mut bytes)? as u64 == wanted {
                true => Ok(bytes),
                false => Err(ErrorKind::UnexpectedEof.into()),
            }
        };
        read().map_err(|error| self.error(path, &error))
    }

    fn folders(&self, folder: &str) -> Result<Vec<String>, FileError> {
        let names = || -> std::io::Result<Vec<String>> {
            let mut names = Vec::new();
            let entries = there(std::fs::read_dir(self.root.join(folder)))?;
            for entry in entries.into_iter().flatten() {
                let entry = entry?;
                if there(std::fs::metadata(entry.path()))?.is_some_and(|about| about.is_dir()) {
                    names.push(entry.file_name().to_string_lossy().into_owned());
                }
            }
            names.sort();
            Ok(names)
        };
        names().map_err(|error| self.error(folder, &error))
    }

    fn list(&self, folder: &str) -> Result<Vec<(String, Option<u64>)>, FileError> {
        let mut files = Vec::new();
        let below =
            if folder.is_empty() || folder.ends_with('/') { folder.into() } else { format!("{folder}/") };
        there(self.gather(&self.root.join(folder), &below, &mut files))
            .map_err(|error| self.error(folder, &error))?;
        files.sort();
        Ok(files)
    }
}

#[cfg(all(test, unix))]
mod tests {
    use super::*;

    #[test]
    fn a_link_to_nothing_hides_no_file() {
        let folder = tempfile::tempdir().unwrap();
        for name in ["a/1", "b/2", "c/3"] {
            let path = folder.path().join(name);
            std::fs::create_dir_all(path.parent().unwrap()).unwrap();
            std::fs::write(path, name).unwrap();
        }
        std::os::unix::fs::symlink("gone", folder.path().join("b/0")).unwrap();
        let names = |below: &str| -> Vec<String> {
            let list = Folder::new(folder.path()).list(below).unwrap();
            list.into_iter().map(|(name, _)| name).collect()
        };
        assert_eq!(names(""), ["a/1", "b/2", "c/3"]);
        assert_eq!(names("b"), ["b/2"]);
        assert!(names("none").is_empty());
    }
}
