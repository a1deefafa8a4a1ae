//! Columns: neighbouring lines of one kind are aligned on what they have in common.

use std::collections::BTreeMap;

use super::leaves::{Class, Leaf, apart};

/// A value wider than this does not push the titles behind it to the right.
const WIDE_VALUE: usize = 24;
/// A cell wider than this does not push what follows in the other lines.
const WIDE: usize = 60;

/// What a column begins with, in the order in which they stand in a line.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum Key {
    Colon,
    On,
    Equals,
    Bracket,
    From,
    Held,
    Title,
    Brace,
}

impl Key {
    /// Blanks before the column, behind the widest cell.
    fn gap(self) -> usize {
        if matches!(self, Key::Colon | Key::Equals | Key::Bracket) { 1 } else { 2 }
    }
}

/// Where the cells of a line begin: the leaf, and the column's key.
pub(super) type Cells = Vec<(usize, Key)>;

/// The cells of a line that begins with `word`, as far as they stand in the usual order.
pub(super) fn cells(text: &str, word: &str, leaves: &[Leaf], braced: bool) -> Cells {
    let mut found: Cells = Vec::new();
    for (index, leaf) in leaves.iter().enumerate().skip(1).filter(|(_, leaf)| leaf.depth == 0) {
        let shown = &text[leaf.range.clone()];
        let key = match (word, leaf.class, shown) {
            ("variable" | "derive" | "levels" | "constraint", Class::Colon, _) => Key::Colon,
            ("variable" | "derive", Class::Word, "on") => Key::On,
            ("derive" | "levels" | "quantity" | "loss" | "", Class::Equals, "=") => Key::Equals,
            ("use", Class::Open, _) => Key::Bracket,
            ("variable", Class::Word, "from") => Key::From,
            ("constraint", Class::Word, "within" | "always") => Key::Held,
            ("variable" | "derive" | "quantity", Class::Title, _) => Key::Title,
            _ => continue,
        };
        if found.last().is_none_or(|(_, last)| *last < key) {
            found.push((index, key));
        }
    }
    if braced {
        found.push((leaves.len(), Key::Brace));
    }
    found
}

/// One line of a group: its leaves, its cells, and the leaf that a line end of the source stands before.
pub(super) struct Row<'a> {
    pub leaves: &'a [Leaf],
    pub cells: &'a Cells,
    pub broken: Option<usize>,
}

/// For each row the columns of its cells, counted from where its line begins: the leaf, and the column.
pub(super) fn columns(text: &str, rows: &[Row<'_>]) -> Vec<BTreeMap<usize, usize>> {
    let mut found = vec![BTreeMap::new(); rows.len()];
    if rows.len() < 2 {
        return found;
    }
    // For each row: the first leaf of the cell that is open, and the column where it begins.
    let mut open = vec![(0usize, 0usize); rows.len()];
    for key in [Key::Colon, Key::On, Key::Equals, Key::Bracket, Key::From, Key::Held, Key::Title, Key::Brace]
    {
        let ends: Vec<Option<(usize, usize, bool)>> = rows
            .iter()
            .zip(&open)
            .map(|(row, (first, start))| {
                let (index, _) = *row.cells.iter().find(|(_, k)| *k == key)?;
                // Behind a line end there is no column to keep; the cell just before it still counts.
                if row.broken.is_some_and(|broken| broken < index) {
                    return None;
                }
                let width = width(text, row.leaves.get(*first..index)?);
                let spread = matches!(key, Key::From)
                    && row.leaves[*first..index]
                        .iter()
                        .any(|leaf| leaf.class == Class::Comma && leaf.depth == 0);
                let soft = spread || width > if key == Key::Title { WIDE_VALUE } else { WIDE };
                Some((index, start + width, soft))
            })
            .collect();
        let widest = ends.iter().flatten().filter(|(_, _, soft)| !soft).map(|(_, end, _)| *end).max();
        for (row, end) in ends.iter().enumerate() {
            let Some((index, end, _)) = *end else { continue };
            let column = widest.map_or(0, |widest| widest + key.gap()).max(end + key.gap());
            found[row].insert(index, column);
            open[row] = (index, column);
        }
    }
    found
}

/// The width of leaves on one line, in characters.
pub(super) fn width(text: &str, leaves: &[Leaf]) -> usize {
    let mut total = 0;
    let mut before: Option<Class> = None;
    for leaf in leaves {
        total += usize::from(before.is_some_and(|before| apart(before, leaf.class)));
        total += text[leaf.range.clone()].chars().count();
        before = Some(leaf.class);
    }
    total
}
