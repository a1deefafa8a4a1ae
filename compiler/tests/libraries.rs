//! The libraries: each parses without a word, and everything they hold can be used.

use aurora_compiler::library::LIBRARIES;
use aurora_grammar::{Diagnostics, SourceMap, parse, render};

#[test]
fn every_library_is_read_without_complaint() {
    for (name, text) in LIBRARIES {
        let (mut sources, mut diagnostics) = (SourceMap::new(), Diagnostics::new());
        let file = sources.add(name, text);
        parse(file, &sources, &mut diagnostics);
        let style = render::Style { color: false, width: 120, unicode: true };
        assert!(diagnostics.is_empty(), "{}", render::human(&diagnostics, &sources, style));
    }
}
