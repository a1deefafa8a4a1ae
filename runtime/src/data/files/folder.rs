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

    fn gather(&self, folder: &Path, below: &str, files: &mut Vec<(String, u64)>) -> std::io::Result<()> {
        for entry in std::fs::read_dir(folder)? {
            let entry = entry?;
            let name = format!("{below}{}", entry.file_name().to_string_lossy());
            let about = std::fs::metadata(entry.path())?;
            if about.is_dir() {
                self.gather(&entry.path(), &format!("{name}/"), files)?;
            } else {
                files.push((name, about.len()));
            }
        }
        Ok(())
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
            let mut bytes = vec![0; (range.end - range.start) as usize];
            file.read_exact(&mut bytes)?;
            Ok(bytes)
        };
        read().map_err(|error| self.error(path, &error))
    }

    fn list(&self, folder: &str) -> Result<Vec<(String, u64)>, FileError> {
        let mut files = Vec::new();
        let below =
            if folder.is_empty() || folder.ends_with('/') { folder.into() } else { format!("{folder}/") };
        match self.gather(&self.root.join(folder), &below, &mut files) {
            Err(error) if !matches!(error.kind(), ErrorKind::NotFound) => Err(self.error(folder, &error)),
            _ => {
                files.sort();
                Ok(files)
            }
        }
    }
}
