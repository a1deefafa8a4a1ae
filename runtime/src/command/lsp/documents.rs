//! The texts that are open, and the world as the compiler sees it with them in it.

use std::cell::RefCell;
use std::collections::BTreeMap;
use std::fs;
use std::path::{Path, PathBuf};

use aurora_compiler::editor::Analysis;
use aurora_compiler::plan::data::TimeRange;
use aurora_compiler::site::{ArchiveIndex, CheckpointHeader, MachineProfile, Site};

use super::address;
use super::shelf::Shelf;
use crate::model::checkpoint;
use crate::site::Site as Machine;

/// A longer text is not looked at, for a check would no longer keep pace with the typing.
pub const LARGEST: usize = 1 << 20;

/// A text that is open in the editor.
#[derive(Debug)]
pub struct Document {
    /// As the editor spells it.
    pub uri: String,
    pub version: i32,
    pub text: String,
    /// Of the newest text, or nothing while that has not been looked at.
    pub analysis: Option<Analysis>,
}

/// The open texts by name: the path of a file, or the address of what is none.
#[derive(Debug, Default)]
pub struct Documents {
    open: BTreeMap<String, Document>,
    /// Files for what is carried in the compiler.
    pub shelf: Shelf,
}

impl Documents {
    /// The name of an address.
    pub fn name(uri: &str) -> String {
        address::path_of(uri).map_or_else(|| uri.to_string(), |path| path.to_string_lossy().into_owned())
    }

    pub fn open(&mut self, document: Document) {
        self.open.insert(Documents::name(&document.uri), document);
    }

    pub fn close(&mut self, name: &str) -> Option<Document> {
        self.open.remove(name)
    }

    pub fn get(&self, name: &str) -> Option<&Document> {
        self.open.get(name)
    }

    pub fn get_mut(&mut self, name: &str) -> Option<&mut Document> {
        self.open.get_mut(name)
    }

    pub fn names(&self) -> Vec<String> {
        self.open.keys().cloned().collect()
    }

    /// One whose newest text has not been looked at.
    pub fn stale(&self) -> Option<String> {
        self.open.iter().find(|(_, document)| document.analysis.is_none()).map(|(name, _)| name.clone())
    }

    /// Forgets what was found in a text and in all that read it.
    pub fn touch(&mut self, name: &str) {
        for (other, document) in &mut self.open {
            let reads = |analysis: &Analysis| analysis.files().iter().skip(1).any(|file| *file == name);
            if other == name || document.analysis.as_ref().is_some_and(reads) {
                document.analysis = None;
            }
        }
    }

    /// Forgets what was found in any text: a file may have changed.
    pub fn touch_all(&mut self) {
        for document in self.open.values_mut() {
            document.analysis = None;
        }
    }
}

/// What archives hold, by the folder whose `site.toml` names them; asked for once, for that may read large files.
pub type Archives = RefCell<BTreeMap<(PathBuf, String), Option<ArchiveIndex>>>;

/// This machine, with the texts that are open in place of those on disk.
#[derive(Debug)]
pub struct Desk<'a> {
    pub machine: &'a Machine,
    pub folder: PathBuf,
    pub documents: &'a Documents,
    pub archives: &'a Archives,
}

impl Site for Desk<'_> {
    fn recipe(&self, from: &str, path: &str) -> Result<(String, String), String> {
        let file = address::plain(&Path::new(from).parent().unwrap_or(Path::new("")).join(path));
        let name = file.to_string_lossy().into_owned();
        match self.documents.get(&name) {
            Some(open) => Ok((name, open.text.clone())),
            None => Ok((name, text_of(&file)?)),
        }
    }

    fn archive(&self, name: &str) -> Option<ArchiveIndex> {
        let key = (self.folder.clone(), name.to_string());
        if let Some(known) = self.archives.borrow().get(&key) {
            return known.clone();
        }
        let index = self.machine.archive(name);
        self.archives.borrow_mut().insert(key, index.clone());
        index
    }

    fn archives(&self) -> Vec<String> {
        self.machine.archives()
    }

    fn count_above(&self, archive: &str, from: &str, threshold: f64, range: TimeRange) -> Option<u64> {
        self.machine.count_above(archive, from, threshold, range)
    }

    /// Without the digest, which takes reading the whole of a large file.
    fn checkpoint(&self, name: &str) -> Option<Result<CheckpointHeader, String>> {
        let path = self.machine.checkpoint_file(name)?;
        let header = checkpoint::header(&path).map(|mut tensors| {
            tensors.sort_by(|a, b| a.name.cmp(&b.name));
            CheckpointHeader { digest: String::new(), tensors }
        });
        Some(header.map_err(|error| error.to_string()))
    }

    fn machine(&self) -> Option<MachineProfile> {
        self.machine.machine()
    }
}

/// The text of a recipe on disk.
///
/// # Errors
/// A sentence that says why it cannot be read.
pub fn text_of(file: &Path) -> Result<String, String> {
    let why = |reason: &str| format!("{}: {reason}", file.display());
    let about = fs::metadata(file).map_err(|error| why(&error.to_string()))?;
    if !about.is_file() {
        return Err(why("this is no file"));
    }
    if about.len() > LARGEST as u64 {
        return Err(why("this is too large for a recipe"));
    }
    fs::read_to_string(file).map_err(|error| why(&error.to_string()))
}
