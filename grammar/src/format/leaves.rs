//! The words and marks of one logical line, as the grammar tells them apart: a number with its exponent,
//! a unit or a date is one leaf however many characters it is made of.

use std::ops::Range;

use pest::Parser;
use pest::iterators::Pair;

use crate::parse::{Grammar, Rule};

/// What a leaf is to the blanks around it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Class {
    Word,
    /// A bracket that belongs to the name before it.
    Tight,
    Open,
    Close,
    Comma,
    Colon,
    /// `=` and the comparisons.
    Equals,
    /// The `-` of a negative value.
    Sign,
    /// `+` and `-` between two values.
    Add,
    /// `*`, `/` and `^`.
    Multiply,
    /// A title in quotes.
    Title,
    /// The block of a `scan` or `iterate`.
    Inner,
}

/// A word or mark of a line: its bytes of the text and the brackets around it.
#[derive(Clone, Debug)]
pub(super) struct Leaf {
    pub range: Range<usize>,
    pub class: Class,
    pub depth: usize,
}

/// The leaves of a line that fits a rule. `text` is the file's, `line` the part that the rule reads, and
/// `start` where the leaves begin: at an `amend`, perhaps, before that part.
pub(super) fn leaves(text: &str, rule: Rule, start: usize, line: Range<usize>) -> Option<Vec<Leaf>> {
    let pairs = Grammar::parse(rule, text.get(line.clone())?).ok()?;
    let mut gatherer = Gatherer { text, base: line.start, end: start, depth: 0, found: Vec::new() };
    for pair in pairs {
        gatherer.gather(pair, rule);
    }
    gatherer.words_before(line.end);
    Some(gatherer.found)
}

struct Gatherer<'a> {
    text: &'a str,
    base: usize,
    /// Where the last leaf ends.
    end: usize,
    depth: usize,
    found: Vec<Leaf>,
}

impl Gatherer<'_> {
    fn gather(&mut self, pair: Pair<'_, Rule>, parent: Rule) {
        let rule = pair.as_rule();
        let span = pair.as_span();
        let mut inner = pair.into_inner().peekable();
        if rule == Rule::EOI {
            return;
        }
        if inner.peek().is_none() {
            let range = self.base + span.start()..self.base + span.end();
            if !range.is_empty() {
                self.words_before(range.start);
                self.leaf(range, class(rule, parent));
            }
            return;
        }
        for part in inner {
            self.gather(part, rule);
        }
    }

    fn leaf(&mut self, range: Range<usize>, class: Class) {
        if class == Class::Close {
            self.depth = self.depth.saturating_sub(1);
        }
        self.end = range.end;
        self.found.push(Leaf { range, class, depth: self.depth });
        if matches!(class, Class::Open | Class::Tight) {
            self.depth += 1;
        }
    }

    /// The words that the grammar spells out itself make no pairs: `derive`, `use`, `amend`.
    fn words_before(&mut self, limit: usize) {
        let mut at = self.end;
        while let Some(rest) = self.text.get(at..limit) {
            let blank = rest.len() - rest.trim_start_matches([' ', '\t', '\n', '\r', '\u{FEFF}']).len();
            let rest = &rest[blank..];
            let stop = |c: char| c.is_whitespace() || c == '#';
            match rest.find(stop).unwrap_or(rest.len()) {
                0 if rest.starts_with('#') => {
                    at += blank + rest.find(['\n', '\r']).unwrap_or(rest.len());
                }
                0 => return,
                length => {
                    let start = at + blank;
                    self.leaf(start..start + length, Class::Word);
                    at = start + length;
                }
            }
        }
    }
}

fn class(rule: Rule, parent: Rule) -> Class {
    match rule {
        Rule::open if matches!(parent, Rule::inputs | Rule::support | Rule::parameters) => Class::Tight,
        Rule::open | Rule::open_list => Class::Open,
        Rule::close | Rule::close_list => Class::Close,
        Rule::comma => Class::Comma,
        Rule::colon => Class::Colon,
        Rule::equals | Rule::comparison | Rule::limit => Class::Equals,
        Rule::minus if matches!(parent, Rule::factor | Rule::signed) => Class::Sign,
        Rule::plus | Rule::minus => Class::Add,
        Rule::times | Rule::divide | Rule::caret => Class::Multiply,
        Rule::string if parent == Rule::title => Class::Title,
        Rule::braces => Class::Inner,
        _ => Class::Word,
    }
}

/// Whether a blank stands between two leaves on one line.
pub(super) fn apart(before: Class, after: Class) -> bool {
    !(matches!(before, Class::Open | Class::Tight | Class::Sign)
        || matches!(after, Class::Close | Class::Comma | Class::Tight))
}
