//! Places of an analysis as the protocol has them.

use std::cell::RefCell;
use std::collections::BTreeMap;
use std::path::Path;
use std::rc::Rc;

use aurora_compiler::editor::{Analysis, Place};
use lsp_types::Range;
use serde_json::{Value, json};

use super::address;
use super::documents::Documents;
use super::position::{Encoding, Lines};

/// The address of a file of an analysis: as the editor spells it if it is open there, on the shelf if it is a
/// library; nothing if no editor could open it.
pub fn uri(documents: &Documents, file: &str) -> Option<String> {
    if let Some(open) = documents.get(file) {
        return Some(open.uri.clone());
    }
    if let Some(library) = Analysis::library_of(file) {
        return documents.shelf.library(library).map(|path| address::uri_of(&path));
    }
    Some(address::uri_of(Path::new(file)))
}

/// Ranges of places of one analysis. The lines of each file are counted once.
#[derive(Debug)]
pub struct Ranges<'a> {
    pub analysis: &'a Analysis,
    pub encoding: Encoding,
    lines: RefCell<BTreeMap<String, Rc<Lines<'a>>>>,
}

impl<'a> Ranges<'a> {
    pub fn new(analysis: &'a Analysis, encoding: Encoding) -> Self {
        Ranges { analysis, encoding, lines: RefCell::default() }
    }

    /// The lines of a file.
    pub fn lines(&self, file: &str) -> Rc<Lines<'a>> {
        if let Some(known) = self.lines.borrow().get(file) {
            return Rc::clone(known);
        }
        let sources = &self.analysis.sources;
        let id = sources.files().find(|id| sources.name(*id) == file);
        let lines = Rc::new(Lines::new(id.map_or("", |id| sources.text(id)), self.encoding));
        self.lines.borrow_mut().insert(file.to_string(), Rc::clone(&lines));
        lines
    }

    /// The range of a place.
    pub fn of(&self, place: &Place) -> Range {
        self.lines(&place.file).range(place.range())
    }

    /// `Location`.
    pub fn location(&self, documents: &Documents, place: &Place) -> Option<Value> {
        let uri = uri(documents, &place.file)?;
        Some(json!({ "uri": uri, "range": self.of(place) }))
    }
}

/// A `WorkspaceEdit` of new texts for ranges of files.
#[derive(Debug, Default)]
pub struct Edits {
    by_uri: BTreeMap<String, Vec<(Range, String)>>,
}

impl Edits {
    /// Adds a change, once however often it is added.
    pub fn add(&mut self, uri: String, range: Range, text: &str) {
        let edits = self.by_uri.entry(uri).or_default();
        if !edits.iter().any(|(other, _)| *other == range) {
            edits.push((range, text.to_string()));
        }
    }

    pub fn finish(self) -> Value {
        let edit = |(range, text): (Range, String)| json!({ "range": range, "newText": text });
        let changes: serde_json::Map<String, Value> = self
            .by_uri
            .into_iter()
            .map(|(uri, edits)| (uri, edits.into_iter().map(edit).collect()))
            .collect();
        json!({ "changes": changes })
    }
}
