//! The formatter: what it makes of recipes, and what it never does.

mod common;

use aurora_grammar::format;
use common::{RECIPES, read, sound};
use proptest::prelude::*;

/// The comments of a text; none of the texts here has a `#` in a string.
fn comments(text: &str) -> Vec<String> {
    text.lines().filter_map(|line| Some(line[line.find('#')?..].trim_end().to_string())).collect()
}

/// Formats a text that can be read, and judges the result.
fn formatted(text: &str) -> String {
    let shown = format(text).expect("can be read");
    assert_eq!(sound(&shown), sound(text), "{text}\n────\n{shown}");
    assert_eq!(comments(&shown), comments(text), "{text}\n────\n{shown}");
    assert_eq!(format(&shown).expect("can be read"), shown, "{text}\n────\n{shown}");
    assert!(shown.lines().all(|line| line.trim_end() == line && !line.contains('\t')), "{shown}");
    assert!(!shown.contains("\n\n\n") && shown.ends_with('\n') && !shown.ends_with("\n\n"), "{shown}");
    shown
}

#[test]
fn recipes_are_laid_out_as_they_should_be() {
    for (name, text) in RECIPES {
        insta::assert_snapshot!(format!("format__{name}"), formatted(text));
    }
}
