//! The words that an editor colours, by what they are. All are read from the tables that the compiler itself
//! goes by: `compiler/tests/editors.rs` writes them into `grammar/editors/` and fails when they drift apart.

use std::collections::{BTreeMap, BTreeSet};

use crate::check::function_words;
use crate::plan::evaluation::Score;
use crate::vocabulary;

/// The kinds of words, each with its words in alphabetical order:
///
/// - `items`: begin an item or a block (`derive`, `phase`)
/// - `clauses`: begin a line of a block (`batch`, `score`)
/// - `joints`: join values (`of`, `within`)
/// - `others`: have a meaning of their own (`scan`, `where`)
/// - `functions`: intrinsic functions and measures of a loss (`clamp`, `mae`)
/// - `scores`: scores of an evaluation (`csi`)
#[must_use]
pub fn words() -> BTreeMap<&'static str, Vec<&'static str>> {
    let items = vocabulary::ITEMS.iter().map(|word| word.word);
    let blocks = vocabulary::BLOCKS.iter().map(|block| block.word);
    let clauses = vocabulary::BLOCKS.iter().flat_map(|block| block.clauses).map(|clause| clause.word);
    BTreeMap::from([
        ("clauses", sorted(clauses)),
        ("functions", sorted(function_words())),
        ("items", sorted(items.chain(blocks))),
        ("joints", sorted(vocabulary::JOINTS.iter().copied())),
        ("others", sorted(vocabulary::OTHERS.iter().copied())),
        ("scores", sorted(Score::WORDS.into_iter().map(|(word, _)| word))),
    ])
}

fn sorted(words: impl Iterator<Item = &'static str>) -> Vec<&'static str> {
    words.collect::<BTreeSet<_>>().into_iter().collect()
}
