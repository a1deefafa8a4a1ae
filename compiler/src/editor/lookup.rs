//! Words of the language by where they stand.

use crate::vocabulary::{self, Word, values};

/// The word of a block, as a word of the language.
pub fn block_word(word: &str) -> Option<&'static Word> {
    static WORDS: std::sync::OnceLock<Vec<Word>> = std::sync::OnceLock::new();
    let words = WORDS.get_or_init(|| {
        let as_word = |b: &vocabulary::BlockKind| Word { word: b.word, says: b.says, example: "" };
        vocabulary::BLOCKS.iter().filter(|b| !matches!(b.word, "variable" | "levels")).map(as_word).collect()
    });
    words.iter().find(|known| known.word == word)
}

/// A clause of a block.
pub fn clause_word(block: &str, word: &str) -> Option<&'static Word> {
    vocabulary::block(block)?.clauses.iter().find(|clause| clause.word == word)
}

/// A word that may stand as a value.
pub fn value_word(word: &str) -> Option<&'static Word> {
    [
        values::FUNCTIONS,
        values::MEASURES,
        values::ROLES,
        vocabulary::GROUPS,
        values::ARCHITECTURES,
        values::LAYERS,
        values::OPTIMISERS,
        values::SHAPES,
        values::ADAPTERS,
        values::BLENDS,
        values::BASELINES,
        vocabulary::STRATA,
        values::PROJECTIONS,
        values::SUPPORTS,
    ]
    .into_iter()
    .find_map(|table| values::find(table, word))
}
