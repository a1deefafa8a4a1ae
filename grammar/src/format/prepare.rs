//! What a logical line is, before it is written: its rule, its leaves, and what its block holds.

use crate::forms;
use crate::layout::Line;
use crate::parse::{Rule, word_of};

use super::leaves::{Class, Leaf, leaves};

/// Where lines stand, and so what they are.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Place {
    /// Outside every block.
    File,
    /// In a block of clauses whose values begin in this column, counted from the indent.
    Clauses(usize),
    /// In `where { }`.
    Bindings,
    /// In a `scan` or `iterate`.
    States,
}

/// A line that can be written.
pub(super) struct Prepared<'a> {
    pub line: &'a Line,
    pub leaves: Vec<Leaf>,
    /// What neighbours must share to be aligned: the line's word, or nothing in `where { }`.
    pub word: &'a str,
    pub is_clause: bool,
    /// The leaf where another piece of the line begins than in the source, for a line end stands there.
    pub broken: Option<usize>,
    /// A comment stands within the line or in its blocks.
    pub commented: bool,
}

/// Reads a line by the rule that its place and first word ask for.
pub(super) fn prepare<'a>(text: &'a str, line: &'a Line, place: Place) -> Option<Prepared<'a>> {
    let start = line.text.start;
    let first = word_of(&text[line.text.clone()]);
    let (word, from) = match first {
        "amend" if !matches!(place, Place::Bindings | Place::States) => {
            let behind = start + first.len();
            let rest = text.get(behind..line.text.end)?;
            let from = behind + (rest.len() - rest.trim_start().len());
            (word_of(&text[from..line.text.end]), from)
        }
        _ => (first, start),
    };
    let is_item = first == "amend"
        || matches!(first, "drop" | "member")
        || line.block.is_some() && forms::BLOCKS.contains(&first);
    let rule = match place {
        Place::Bindings => Rule::binding_line,
        Place::States => Rule::state_line,
        Place::Clauses(_) if !is_item => Rule::clause_line,
        _ => item_rule(word)?,
    };
    let leaves = leaves(text, rule, start, from..line.text.end)?;
    let broken = leaves
        .windows(2)
        .position(|pair| text[pair[0].range.end..pair[1].range.start].contains(['\n', '\r']));
    let commented = leaves.windows(2).any(|pair| text[pair[0].range.end..pair[1].range.start].contains('#'));
    Some(Prepared {
        line,
        word: if place == Place::Bindings { "" } else { first },
        is_clause: rule == Rule::clause_line,
        broken: broken.map(|before| before + 1),
        commented,
        leaves,
    })
}

fn item_rule(word: &str) -> Option<Rule> {
    Some(match word {
        "aurora" => Rule::edition_line,
        "recipe" | "library" => Rule::header_line,
        "use" => Rule::use_line,
        "drop" => Rule::drop_line,
        "grid" => Rule::grid_line,
        "levels" => Rule::levels_line,
        "quantity" => Rule::quantity_line,
        "variable" => Rule::variable_line,
        "derive" => Rule::derive_line,
        "constraint" => Rule::constraint_line,
        "loss" => Rule::loss_line,
        _ if forms::BLOCKS.contains(&word) => Rule::block_line,
        _ => return None,
    })
}

impl Prepared<'_> {
    /// Whether its block is one of names, `where { }`.
    pub fn explains(&self, text: &str) -> bool {
        self.leaves.last().is_some_and(|leaf| &text[leaf.range.clone()] == "where")
    }

    /// Whether such lines stand among each other like a table's rows.
    pub fn tabular(&self) -> bool {
        matches!(self.word, "variable" | "derive")
    }

    /// Where a line that grew too long may be broken before a leaf: the looser the break, the smaller.
    pub fn looseness(&self, text: &str, index: usize) -> Option<usize> {
        let leaf = self.leaves.get(index)?;
        let before = self.leaves.get(index.checked_sub(1)?)?;
        if index < 2 || matches!(self.word, "variable" | "quantity" | "aurora" | "drop") {
            return None;
        }
        let shown = &text[leaf.range.clone()];
        let item = !self.is_clause && leaf.depth == 0;
        match (before.class, leaf.class) {
            (_, Class::Equals) if item && self.word == "derive" => Some(0),
            (_, Class::Word) if item && matches!(shown, "within" | "always" | "extends") => Some(0),
            (Class::Comma, _) => Some(2 * leaf.depth + 1),
            (_, Class::Add) => Some(2 * leaf.depth + 1),
            (_, Class::Multiply) if shown != "^" => Some(2 * leaf.depth + 2),
            _ => None,
        }
    }
}
