//! Blocks within expressions: which `{` belongs to a `scan` or an `iterate`, and not to the line it
//! stands in.

use std::collections::BTreeMap;

use crate::forms;
use crate::layout::joined;
use crate::token::{Kind, Token};

/// For each `{` that opens the block of a `scan` or an `iterate`, the token of that word.
pub(crate) fn inner_blocks(text: &str, tokens: &[Token], next: &[usize]) -> BTreeMap<usize, usize> {
    let mut found = BTreeMap::new();
    let mut around = vec![Waiting::default()];
    // The last token that is neither a line end nor a comment.
    let mut before: Option<Token> = None;
    // Whether that one is a word that begins an item, and so names what follows.
    let mut names = false;
    for (index, token) in tokens.iter().enumerate() {
        let inside = around.len() > 1;
        let Some(waiting) = around.last_mut() else { break };
        match token.kind {
            Kind::Comment => continue,
            Kind::Newline => {
                let after = next.get(index).and_then(|next| tokens.get(*next));
                let goes_on = before.zip(after).is_some_and(|(before, after)| joined(text, before, *after));
                if waiting.brackets == 0 && !goes_on {
                    waiting.words.clear();
                }
                continue;
            }
            Kind::Mark(';') if waiting.brackets == 0 => waiting.words.clear(),
            Kind::Open if !waiting.words.is_empty() => waiting.brackets += 1,
            Kind::Close => waiting.brackets = waiting.brackets.saturating_sub(1),
            Kind::OpenBrace => {
                match waiting.words.pop() {
                    Some(word) => drop(found.insert(index, word)),
                    None => *waiting = Waiting::default(),
                }
                around.push(Waiting::default());
            }
            Kind::CloseBrace if inside => drop(around.pop()),
            Kind::Word => {
                let word = &text[token.start..token.end];
                if begins(text, before.filter(|_| !names), *token) {
                    waiting.words.push(index);
                } else if word == "where" || first(tokens, index) && forms::is_item_word(word) {
                    *waiting = Waiting::default();
                }
            }
            _ => {}
        }
        names = token.kind == Kind::Word
            && forms::is_item_word(&text[token.start..token.end])
            && (names || first(tokens, index));
        before = Some(*token);
    }
    found
}

/// The `scan`s and `iterate`s of a line whose block is still to come.
#[derive(Default)]
struct Waiting {
    words: Vec<usize>,
    /// Brackets opened since the first of them.
    brackets: usize,
}

/// Whether a token begins a line, or would if each line were written on its own.
fn first(tokens: &[Token], index: usize) -> bool {
    let ends = |kind| matches!(kind, Kind::Newline | Kind::OpenBrace | Kind::CloseBrace | Kind::Mark(';'));
    index.checked_sub(1).is_none_or(|before| ends(tokens[before].kind))
}

/// Whether such a word stands where a value may, and not as the name of an item.
fn begins(text: &str, before: Option<Token>, token: Token) -> bool {
    let named = |token: Token| &text[token.start..token.end];
    let Some(before) = before.filter(|_| forms::WALKS.contains(&named(token))) else { return false };
    match before.kind {
        Kind::Mark('.') => text[..before.end].ends_with(".."),
        _ => true,
    }
}
