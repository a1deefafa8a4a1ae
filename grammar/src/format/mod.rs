//! The formatter: the same recipe, laid out as the samples are.
//!
//! It moves blanks and line ends only. Every number, unit and string stays as it was spelt, every comment
//! keeps its place, and a line end that the writer chose within a formula is kept; lines that grew too long
//! are broken where they may be. A file that cannot be read is refused, so nothing is ever lost.

mod cells;
mod leaves;
mod prepare;
mod write;

use crate::diagnostic::Diagnostics;
use crate::layout;
use crate::parse::parse;
use crate::source::SourceMap;
use crate::token::{Kind, tokens};
use crate::tree::File;

/// The widest line that is not broken, in characters.
const WIDEST: usize = 110;
/// The widest variable or derived field that keeps its block on its line: a library's variables read as a table.
const WIDEST_ROW: usize = 160;
/// The column, after the indent, that a clause's values begin in.
const VALUES: usize = 12;

/// Lays a recipe out. Reading the result gives an equal tree, its comments are the same in the same order,
/// and formatting it again changes nothing.
///
/// # Errors
/// What is wrong with the text, when it cannot be read without error; places are bytes of `text`.
pub fn format(text: &str) -> Result<String, Diagnostics> {
    let (tree, diagnostics) = read(text);
    if diagnostics.has_errors() {
        return Err(diagnostics);
    }
    let mut shown = text.to_string();
    // A second pass finds nothing to do but where a break made another line of its group shorter.
    for _ in 0..4 {
        let Some(next) = once(&shown) else { return Ok(text.to_string()) };
        if next == shown {
            break;
        }
        shown = next;
    }
    // Never trusted: what does not say the same is not handed out.
    let (again, complaints) = read(&shown);
    let same = complaints.is_empty() && again == tree && comments(&shown) == comments(text);
    Ok(if same { shown } else { text.to_string() })
}

fn read(text: &str) -> (File, Diagnostics) {
    let mut sources = SourceMap::new();
    let file = sources.add("", text);
    let mut diagnostics = Diagnostics::new();
    let tree = parse(file, &sources, &mut diagnostics);
    (tree, diagnostics)
}

/// One pass over a text that can be read.
fn once(text: &str) -> Option<String> {
    let mut complaints = Vec::new();
    let lines = layout::lines(text, 0, &mut complaints);
    if !complaints.is_empty() {
        return None;
    }
    write::Writer::new(text).file(&lines)
}

/// The comments of a text in order, without the blanks at their ends.
fn comments(text: &str) -> Vec<&str> {
    let found = tokens(text).into_iter().filter(|token| token.kind == Kind::Comment);
    found.map(|token| text[token.start..token.end].trim_end()).collect()
}
