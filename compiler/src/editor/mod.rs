//! What an editor asks about a text, answered without I/O: what a name is, what may stand here, where something
//! is defined and used, what it would be to rename it.
//!
//! Offsets of the questions count in the recipe's own text; spans of the answers are those of the analysis'
//! [`SourceMap`], for an answer may lie in a parent or in a library ([`Analysis::place`] turns them around).
//! Every question has an answer for every text: one that does not parse, too.

mod complete;
mod context;
mod describe;
mod lookup;
mod measure;
mod navigate;
mod occurrence;
mod offer;
mod rename;
mod symbols;

use std::cell::OnceCell;
use std::collections::BTreeSet;
use std::ops::Range;

use aurora_grammar::tree::{File, HeaderKind};
use aurora_grammar::{Diagnostics, FileId, SourceMap, Span, parse};

use crate::check::{self, Checked};
use crate::compile::{Compilation, compile};
use crate::library;
use crate::resolve::{RECIPE, Resolved, ScopeId};
use crate::site::{Nowhere, Site};

pub use complete::{Completion, Kind, complete};
pub use describe::{Hover, hover};
pub use navigate::{Reference, definition, references, uses_of};
pub use occurrence::{Occurrence, Target};
pub use rename::{Refusal, renamable, rename};
pub use symbols::{Symbol, SymbolKind, symbols};

/// A text and all that the compiler found in it.
#[derive(Debug)]
pub struct Analysis {
    pub sources: SourceMap,
    /// The text itself.
    pub file: FileId,
    /// What could be parsed of it.
    pub tree: File,
    pub resolved: Resolved,
    pub checked: Checked,
    pub diagnostics: Diagnostics,
    /// The archives of the site.
    pub archives: Vec<String>,
    /// Every name of the text, in order.
    occurrences: Vec<Occurrence>,
    /// Types of what is in scope without being used; computed when first asked for.
    typed: OnceCell<Checked>,
}

/// Where a span lies: the name of the file and the bytes of its text.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Place {
    pub file: String,
    pub start: usize,
    pub end: usize,
}

impl Place {
    #[must_use]
    pub fn range(&self) -> Range<usize> {
        self.start..self.end
    }
}

/// Compiles a text as far as it goes and keeps what is needed to answer questions about it.
#[must_use]
pub fn analyse(name: &str, text: &str, site: &dyn Site) -> Analysis {
    let Compilation { sources, file, resolved, checked, diagnostics, .. } = compile(name, text, site);
    let tree = parse(file, &sources, &mut Diagnostics::new());
    let is_library = tree.header.as_ref().is_some_and(|header| header.kind == HeaderKind::Library);
    let mut kept = Diagnostics::new();
    // A library that is looked at is no mistake.
    kept.extend(diagnostics.into_iter().filter(|d| !(is_library && d.code == "library-as-recipe")));
    let occurrences = occurrence::of(&tree, &sources, &resolved, RECIPE);
    Analysis {
        archives: site.archives(),
        sources,
        file,
        tree,
        resolved,
        checked,
        diagnostics: kept,
        occurrences,
        typed: OnceCell::new(),
    }
}

impl Analysis {
    /// The text that was analysed.
    #[must_use]
    pub fn text(&self) -> &str {
        self.sources.text(self.file)
    }

    /// Where a span lies; nothing for one that lies in no file.
    #[must_use]
    pub fn place(&self, span: Span) -> Option<Place> {
        let file = self.sources.file(span)?;
        let base = self.sources.base(file);
        let length = self.sources.text(file).len();
        let start = (span.start as usize).saturating_sub(base).min(length);
        let end = (span.end as usize).saturating_sub(base).clamp(start, length);
        Some(Place { file: self.sources.name(file).to_string(), start, end })
    }

    /// The library whose text goes by this name in [`Place::file`], such as `std/physics.aurora`.
    #[must_use]
    pub fn library_of(file: &str) -> Option<&'static str> {
        library::LIBRARIES
            .iter()
            .map(|(name, _)| *name)
            .find(|name| file.strip_suffix(".aurora").is_some_and(|stem| stem.replace('/', ".") == **name))
    }

    /// The names of all files that had to be read, the text itself first.
    #[must_use]
    pub fn files(&self) -> Vec<&str> {
        self.sources.files().map(|file| self.sources.name(file)).collect()
    }

    /// What stands at an offset of the text.
    #[must_use]
    pub fn at(&self, offset: usize) -> Option<&Occurrence> {
        let at = self.sources.base(self.file).saturating_add(offset);
        let holds = |o: &&Occurrence| o.span.start as usize <= at && at <= o.span.end as usize;
        // Behind a word the word is meant, unless another begins there; of two, the narrower.
        let width = |o: &&Occurrence| (o.span.end - o.span.start, o.span.end as usize == at);
        self.occurrences.iter().filter(holds).min_by_key(width)
    }

    /// Every name of a file of the analysis.
    fn occurrences_in(&self, file: FileId) -> Vec<Occurrence> {
        if file == self.file {
            return self.occurrences.clone();
        }
        let tree = parse(file, &self.sources, &mut Diagnostics::new());
        occurrence::of(&tree, &self.sources, &self.resolved, self.scope_of(file))
    }

    /// The scope in which the names of a file are read.
    fn scope_of(&self, file: FileId) -> ScopeId {
        let Some(library) = Analysis::library_of(self.sources.name(file)) else { return RECIPE };
        let mut all = self.resolved.definitions.values();
        all.find(|d| d.library.as_deref() == Some(library)).map_or(RECIPE, |d| d.scope)
    }

    /// The check of everything in scope, used or not. What is wrong with it is not told again.
    fn typed(&self) -> &Checked {
        self.typed.get_or_init(|| {
            let mut all = self.resolved.clone();
            all.blocks.clear();
            all.members.clear();
            let visible: BTreeSet<&String> =
                self.resolved.scopes.first().map(|scope| scope.names.values().collect()).unwrap_or_default();
            // The check types what the recipe itself defines; so everything it sees becomes its own.
            for definition in all.definitions.values_mut().filter(|d| visible.contains(&d.id)) {
                definition.library = None;
            }
            check::check(&all, &Nowhere, &mut Diagnostics::new())
        })
    }
}

#[cfg(test)]
mod tests;
