//! What is wrong with which file, as far as the client has been told.

use std::collections::{BTreeMap, BTreeSet};

use aurora_compiler::editor::{Analysis, Place};
use aurora_grammar::{Diagnostic, Severity, Span};
use serde_json::{Value, json};

use super::address;
use super::documents::{Documents, LARGEST};
use super::place::{self, Ranges};
use super::position::Encoding;

/// As many diagnostics of one text are told at a time, the first ones.
const MOST: usize = 1000;

/// What each open text says about each file: a recipe may find a mistake in its parent or in a library.
#[derive(Debug, Default)]
pub struct Board {
    said: BTreeMap<String, BTreeMap<String, Vec<Value>>>,
}

impl Board {
    /// Takes over what a text says now, or nothing if it is closed; gives the addresses to be published.
    pub fn update(
        &mut self,
        documents: &Documents,
        name: &str,
        encoding: Encoding,
        trouble: Option<String>,
        unopened: Option<String>,
    ) -> BTreeSet<String> {
        let before = self.said.remove(name).unwrap_or_default();
        let mut now: BTreeMap<String, Vec<Value>> = BTreeMap::new();
        if let Some(document) = documents.get(name) {
            let own = now.entry(document.uri.clone()).or_default();
            if let Some(reason) = trouble {
                own.push(plain("site.toml", &reason));
            }
            if document.text.len() > LARGEST {
                own.push(plain("aurorac", "this text is too long to be checked while it is written"));
            } else if let Some(analysis) = &document.analysis {
                let ranges = Ranges::new(analysis, encoding);
                for diagnostic in analysis.diagnostics.iter().take(MOST) {
                    let place = main_place(analysis, diagnostic);
                    let uri = place::uri(documents, &place.file).unwrap_or_else(|| document.uri.clone());
                    let said = described(documents, &ranges, diagnostic, unopened.as_deref());
                    now.entry(uri).or_default().push(said);
                }
            }
        }
        let mut changed: BTreeSet<String> = before.into_keys().collect();
        changed.extend(now.keys().cloned());
        if documents.get(name).is_some() {
            self.said.insert(name.to_string(), now);
        }
        changed
    }

    /// All that any text says about a file, each thing once.
    pub fn all(&self, uri: &str) -> Vec<&Value> {
        let mut seen = BTreeSet::new();
        let all = self.said.values().filter_map(|said| said.get(uri)).flatten();
        all.filter(|value| seen.insert(value.to_string())).collect()
    }
}

/// A diagnostic of the first line that is not the compiler's.
fn plain(source: &str, message: &str) -> Value {
    let start = json!({ "line": 0, "character": 0 });
    json!({ "range": { "start": start, "end": start }, "severity": 1, "source": source, "message": message })
}

/// The place of the first label; without one, the start of the text.
fn main_place(analysis: &Analysis, diagnostic: &Diagnostic) -> Place {
    let start = analysis.sources.base(analysis.file);
    let span = diagnostic.labels.first().map_or(Span::new(start, start), |label| label.span);
    let nowhere = || Place { file: analysis.sources.name(analysis.file).to_string(), start: 0, end: 0 };
    analysis.place(span).unwrap_or_else(nowhere)
}

/// `Diagnostic`: the headline, what the first place is and the help as its message, the other places as related.
pub fn described(
    documents: &Documents,
    ranges: &Ranges<'_>,
    diagnostic: &Diagnostic,
    unopened: Option<&str>,
) -> Value {
    let analysis = ranges.analysis;
    let mut message = diagnostic.message.clone();
    if let Some(reason) = unopened.filter(|_| diagnostic.code == "unknown-archive") {
        message = reason.to_string();
    }
    if let Some(label) = diagnostic.labels.first().filter(|label| !label.text.is_empty()) {
        message.push_str(&format!("\n{}", label.text));
    }
    if let Some(help) = &diagnostic.help {
        message.push_str(&format!("\nhelp: {help}"));
    }
    let related: Vec<Value> = diagnostic
        .labels
        .iter()
        .skip(1)
        .filter_map(|label| {
            let place = analysis.place(label.span)?;
            let location = ranges.location(documents, &place)?;
            Some(json!({ "location": location, "message": label.text }))
        })
        .collect();
    let severity = match diagnostic.severity {
        Severity::Error => 1,
        Severity::Warning => 2,
        Severity::Advice => 3,
    };
    let mut value = json!({
        "range": ranges.of(&main_place(analysis, diagnostic)),
        "severity": severity,
        "code": diagnostic.code,
        "source": "aurorac",
        "message": message,
    });
    if let Some(fields) = value.as_object_mut() {
        if !related.is_empty() {
            fields.insert("relatedInformation".to_string(), json!(related));
        }
        if let Some(page) = documents.shelf.explanation(diagnostic.code) {
            fields.insert("codeDescription".to_string(), json!({ "href": address::uri_of(&page) }));
        }
        if diagnostic.code == "unused-loss" {
            fields.insert("tags".to_string(), json!([1])); // unnecessary: shown faded
        }
    }
    value
}
