//! Where something is defined, and where it is used.

use aurora_grammar::Span;

use super::occurrence::Target;
use super::{Analysis, Place};
use crate::resolve::RECIPE;

/// A place where a name stands.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Reference {
    pub place: Place,
    /// The name is given here.
    pub defines: bool,
}

/// Where the word at an offset is defined: the name in its definition, or the whole of a parent or a library.
#[must_use]
pub fn definition(analysis: &Analysis, offset: usize) -> Option<Place> {
    let target = &analysis.at(offset)?.target;
    match target {
        Target::Parent(path) => parent(analysis, path),
        Target::Library(name) => library(analysis, name),
        _ => analysis.place(analysis.defined_at(target)?),
    }
}

/// The recipe that is extended is the second file that was read.
fn parent(analysis: &Analysis, path: &str) -> Option<Place> {
    let last = |name: &str| name.rsplit(['/', '\\']).next().unwrap_or_default().to_string();
    let mut others = analysis.sources.files().map(|file| analysis.sources.name(file)).skip(1);
    let file = others.find(|name| last(name) == last(path))?;
    Some(Place { file: file.to_string(), start: 0, end: 0 })
}

fn library(analysis: &Analysis, name: &str) -> Option<Place> {
    let mut files = analysis.sources.files().map(|file| analysis.sources.name(file));
    let file = files.find(|file| Analysis::library_of(file) == Some(name))?;
    Some(Place { file: file.to_string(), start: 0, end: 0 })
}

/// Every use of what stands at an offset, in the recipe, its parents and the libraries, in order.
#[must_use]
pub fn references(analysis: &Analysis, offset: usize) -> Vec<Reference> {
    match analysis.at(offset) {
        Some(found) => analysis.uses(&found.target),
        None => Vec::new(),
    }
}

/// The uses of what is defined at a place, as seen from another recipe: one that extends it, perhaps.
#[must_use]
pub fn uses_of(analysis: &Analysis, place: &Place) -> Vec<Reference> {
    let Some(file) = analysis.sources.files().find(|file| analysis.sources.name(*file) == place.file) else {
        return Vec::new();
    };
    let start = analysis.sources.base(file) + place.start;
    let all = analysis.occurrences_in(file);
    let found = all.into_iter().find(|o| o.defines && o.span.start as usize == start);
    found.map(|found| analysis.uses(&found.target)).unwrap_or_default()
}

impl Analysis {
    /// The name in the definition of a target.
    pub(super) fn defined_at(&self, target: &Target) -> Option<Span> {
        match target {
            Target::Definition(id) => match self.resolved.definitions.get(id) {
                Some(definition) => Some(definition.name.span),
                None => self.given_at(target), // dropped, or its block could not be read
            },
            Target::Quantity(name) => self.resolved.quantities.get(name).map(|d| d.name.span),
            Target::Block(..) => self.given_at(target),
            Target::Local(name, at) => Some(Span::new(*at as usize, *at as usize + name.len())),
            Target::Library(_) | Target::Parent(_) | Target::Unit(_) | Target::Word(..) => None,
        }
    }

    /// The place where a name of the recipe or its parents is given, by looking through the files.
    fn given_at(&self, target: &Target) -> Option<Span> {
        self.sources
            .files()
            .filter(|file| Analysis::library_of(self.sources.name(*file)).is_none())
            .find_map(|file| self.occurrences_in(file).into_iter().find(|o| o.defines && o.target == *target))
            .map(|found| found.span)
    }

    /// Every place where a target is meant.
    pub(super) fn uses(&self, target: &Target) -> Vec<Reference> {
        if matches!(target, Target::Unit(_) | Target::Word(..)) {
            return Vec::new();
        }
        let mut found = Vec::new();
        for file in self.sources.files() {
            for occurrence in self.occurrences_in(file).into_iter().filter(|o| o.target == *target) {
                let Some(place) = self.place(occurrence.span) else { continue };
                found.push(Reference { place, defines: occurrence.defines });
            }
        }
        found.sort();
        found.dedup();
        found
    }

    /// Whether a name stands for something in the recipe already.
    #[must_use]
    pub fn is_taken(&self, name: &str) -> bool {
        self.resolved.lookup(RECIPE, name).is_some() || self.resolved.quantities.contains_key(name)
    }
}
