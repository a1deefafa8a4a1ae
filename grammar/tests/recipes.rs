//! Good recipes: they are read without complaint, and their canonical text says the same.

mod common;

use aurora_grammar::print;
use common::{RECIPES, sound};

#[test]
fn every_recipe_is_read_without_complaint() {
    for (name, text) in RECIPES {
        let tree = sound(text);
        assert!(tree.edition.is_some() && tree.header.is_some() && tree.items.len() > 1, "{name}");
    }
}

#[test]
fn canonical_text_says_the_same_and_is_its_own_canonical_text() {
    for (name, text) in RECIPES {
        let tree = sound(text);
        let printed = print(&tree);
        let again = sound(&printed);
        assert_eq!(again, tree, "{name}:\n{printed}");
        assert_eq!(print(&again), printed, "{name}");
    }
}

#[test]
fn canonical_text_looks_as_it_should() {
    for (name, text) in RECIPES.iter().filter(|(name, _)| ["extend", "quantities", "rarer"].contains(name)) {
        insta::assert_snapshot!(*name, print(&sound(text)));
    }
}

#[test]
fn line_ends_and_byte_order_marks_do_not_matter() {
    let text = RECIPES[0].1;
    assert_eq!(sound(&format!("\u{FEFF}{}", text.replace('\n', "\r\n"))), sound(text));
    assert_eq!(sound(text.trim_end()), sound(text));
}

#[test]
fn balanced_blocks_need_no_indentation() {
    let text = RECIPES[0].1;
    let flat: String = text.lines().map(|line| line.trim_start().to_string() + "\n").collect();
    assert_eq!(sound(&flat), sound(text));
}
