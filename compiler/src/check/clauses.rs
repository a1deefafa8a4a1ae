//! The clauses of a block: each known, each once unless it may repeat.

use aurora_grammar::tree::{Block, BlockItem, Clause, Entry, Item};
use aurora_grammar::{Diagnostic, Span, nearest};

use super::Checker;
use crate::vocabulary;

/// Clauses that may stand many times in a block.
pub(crate) const REPEATED: [&str; 7] = ["score", "favour", "optimise", "region", "fill", "reject", "debias"];

/// The clauses of a block by word.
#[derive(Debug)]
pub struct Clauses {
    pub entries: Vec<Clause>,
    /// Where the block was opened, for messages about what is missing.
    pub opened: Span,
    kind: String,
    /// A clause was not understood; it may be any that seems to be missing.
    lost: bool,
}

impl Checker<'_> {
    /// Sorts a block's entries, complaining about words that have no place in it.
    pub(super) fn clauses(&mut self, kind: &str, block: &Block) -> Clauses {
        let known = &vocabulary::clauses(kind)[..];
        let mut clauses =
            Clauses { entries: Vec::new(), opened: block.span, kind: kind.to_string(), lost: false };
        for entry in &block.entries {
            match entry {
                Entry::Item(item) => self.misplaced(kind, item),
                Entry::Clause(clause) => self.sort_in(&mut clauses, block, clause, known),
            }
        }
        clauses
    }

    pub(super) fn block_clauses(&mut self, block: &BlockItem) -> Clauses {
        let mut clauses = self.clauses(&block.kind.text, &block.block);
        clauses.opened = block.name.as_ref().map_or(block.kind.span, |name| block.kind.span.to(name.span));
        clauses
    }

    fn sort_in(&mut self, clauses: &mut Clauses, block: &Block, clause: &Clause, known: &[&str]) {
        let word = clause.word.text.as_str();
        if !known.contains(&word) {
            let message = format!("`{}` is not a clause of `{}`", word, clauses.kind);
            let mut diagnostic =
                Diagnostic::error("unknown-clause", message).label(clause.word.span, "not understood here");
            diagnostic = match nearest(word, known.iter().copied()) {
                Some(near) => diagnostic.help(format!("did you mean `{near}`?")).fix(clause.word.span, near),
                None => diagnostic.help(format!("`{}` takes {}", clauses.kind, known.join(", "))),
            };
            self.diagnostics.push(diagnostic);
            // Read it as the clause that was probably meant, so that its absence is no second mistake.
            let given = |word: &str| {
                block.entries.iter().any(|e| matches!(e, Entry::Clause(c) if c.word.text == word))
            };
            match nearest(word, known.iter().copied()).filter(|near| !given(near)) {
                Some(near) => {
                    let mut meant = clause.clone();
                    meant.word.text = near.to_string();
                    clauses.entries.push(meant);
                }
                None => clauses.lost = true,
            }
            return;
        }
        let first = clauses.entries.iter().find(|c| c.word.text == word);
        if let Some(first) = first.filter(|_| !REPEATED.contains(&word)) {
            self.diagnostics.push(
                Diagnostic::error("repeated-clause", format!("`{word}` stands here twice"))
                    .label(clause.word.span, "again")
                    .label(first.word.span, "first")
                    .help("keep one of them"),
            );
            return;
        }
        clauses.entries.push(clause.clone());
    }

    fn misplaced(&mut self, kind: &str, item: &Item) {
        self.error_with_help(
            "misplaced-item",
            format!("this has no place inside `{kind}`"),
            (item.span, "an item of its own"),
            format!("move it behind the `}}` of `{kind}`"),
        );
    }
}

impl Clauses {
    /// The clause with this word, if it was written.
    pub fn get(&self, word: &str) -> Option<&Clause> {
        self.entries.iter().find(|c| c.word.text == word)
    }

    pub fn all<'a>(&'a self, word: &'a str) -> impl Iterator<Item = &'a Clause> {
        self.entries.iter().filter(move |c| c.word.text == word)
    }

    /// The clause with this word; its absence is a diagnostic that shows how to write it.
    pub(super) fn require(&self, checker: &mut Checker<'_>, word: &str, example: &str) -> Option<Clause> {
        let found = self.get(word).cloned();
        if found.is_none() && !self.lost {
            let message = format!("`{}` needs a clause `{word}`", self.kind);
            checker.error_with_help(
                "missing-clause",
                message,
                (self.opened, "not given"),
                format!("for instance: {word}  {example}"),
            );
        }
        found
    }
}
