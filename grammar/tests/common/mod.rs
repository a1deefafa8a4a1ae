//! Recipes to test with, and a reader that keeps what it needs to show mistakes.

#![allow(dead_code, unreachable_pub)]

use aurora_grammar::tree::File;
use aurora_grammar::{Diagnostics, SourceMap, Style, parse, render};

/// A text that was read.
pub struct Read {
    pub tree: File,
    pub sources: SourceMap,
    pub diagnostics: Diagnostics,
}

pub fn read(text: &str) -> Read {
    let mut sources = SourceMap::new();
    let file = sources.add("test.aurora", text);
    let mut diagnostics = Diagnostics::new();
    let tree = parse(file, &sources, &mut diagnostics);
    Read { tree, sources, diagnostics }
}

impl Read {
    pub fn human(&self) -> String {
        render::human(&self.diagnostics, &self.sources, Style::default())
    }

    pub fn codes(&self) -> Vec<&'static str> {
        self.diagnostics.iter().map(|diagnostic| diagnostic.code).collect()
    }
}

/// The tree of a text that must be without fault.
pub fn sound(text: &str) -> File {
    let read = read(text);
    assert!(read.diagnostics.is_empty(), "{text}\n{}", read.human());
    read.tree
}

/// Recipes that use every part of the language.
pub const RECIPES: &[(&str, &str)] = &[
    ("extend", include_str!("../recipes/extend.aurora")),
    ("vertical", include_str!("../recipes/vertical.aurora")),
    ("head", include_str!("../recipes/head.aurora")),
    ("multiscale", include_str!("../recipes/multiscale.aurora")),
    ("physics", include_str!("../recipes/physics.aurora")),
    ("ensemble", include_str!("../recipes/ensemble.aurora")),
    ("library", include_str!("../recipes/library.aurora")),
    ("quantities", include_str!("../recipes/quantities.aurora")),
    ("walks", include_str!("../recipes/walks.aurora")),
    ("gaps", include_str!("../recipes/gaps.aurora")),
    ("sketch_physics", include_str!("../recipes/sketch_physics.aurora")),
    ("rarer", include_str!("../recipes/rarer.aurora")),
];
