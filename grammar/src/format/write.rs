//! Writing: indents, columns, breaks, and every comment where it was.

use std::collections::BTreeMap;
use std::ops::Range;

use crate::layout::{Body, Line};
use crate::token::{Kind, Token, tokens};

use super::cells::{self, Row, cells};
use super::leaves::{Class, apart};
use super::prepare::{Place, Prepared, prepare};
use super::{VALUES, WIDEST, WIDEST_ROW};

pub(super) struct Writer<'a> {
    text: &'a str,
    /// Line ends and comments.
    marks: Vec<Token>,
    out: String,
    /// Where the line being written begins in `out`.
    line_start: usize,
    /// Its indent.
    indent: usize,
}

/// Columns asked for before leaves of a line, counted from its indent.
type Columns = BTreeMap<usize, usize>;

impl<'a> Writer<'a> {
    pub fn new(text: &'a str) -> Self {
        let marks = tokens(text)
            .into_iter()
            .filter(|token| matches!(token.kind, Kind::Newline | Kind::Comment))
            .collect();
        Writer { text, marks, out: String::new(), line_start: 0, indent: 0 }
    }

    /// The whole file; nothing if a line of it cannot be read.
    pub fn file(mut self, lines: &[Line]) -> Option<String> {
        self.entries(lines, 0..self.text.len(), 0, Place::File)?;
        if !self.out.is_empty() {
            self.out.push('\n');
        }
        Some(self.out)
    }

    // ---- lines of a block ----------------------------------------------------

    /// Writes the lines that stand between two bytes of the text, each on a line of its own.
    fn entries(&mut self, lines: &[Line], within: Range<usize>, indent: usize, place: Place) -> Option<()> {
        let text = self.text;
        let prepared: Vec<_> = lines.iter().map(|line| prepare(text, line, place)).collect::<Option<_>>()?;
        let columns = self.columns(&prepared, indent, place);
        let mut cursor = within.start;
        let mut first = true;
        for (shown, columns) in prepared.iter().zip(&columns) {
            let blank = self.comments(cursor..shown.line.text.start, indent, first);
            let first_written = first && self.out.is_empty();
            if !first_written {
                self.newline(indent, blank && !(first && self.at_opening()));
            }
            self.line(shown, indent, columns, place)?;
            cursor = end(shown.line);
            first = false;
        }
        self.comments(cursor..within.end, indent, first);
        Some(())
    }

    /// Nothing but the opening of a block stands before.
    fn at_opening(&self) -> bool {
        self.out.is_empty() || self.out.ends_with('{')
    }

    /// Writes the comments between two bytes; says whether a blank line follows them.
    fn comments(&mut self, within: Range<usize>, indent: usize, first: bool) -> bool {
        let mut ends = 0;
        let mut beginning = first && within.start == 0;
        for mark in self.marks_in(within) {
            if mark.kind == Kind::Newline {
                ends += 1;
                continue;
            }
            let comment = self.text[mark.start..mark.end].trim_end();
            if beginning {
                self.out.push_str(comment);
            } else if ends == 0 {
                self.push("  ");
                self.out.push_str(comment);
            } else {
                let blank = ends > 1 && !self.at_opening();
                self.newline(indent, blank);
                self.out.push_str(comment);
            }
            beginning = false;
            ends = 0;
        }
        ends > 1
    }

    fn marks_in(&self, within: Range<usize>) -> Vec<Token> {
        let from = self.marks.partition_point(|mark| mark.start < within.start);
        let to = self.marks.partition_point(|mark| mark.start < within.end);
        self.marks[from..to.max(from)].to_vec()
    }

    fn newline(&mut self, indent: usize, blank: bool) {
        self.out.truncate(self.out.trim_end_matches(' ').len());
        self.out.push_str(if blank { "\n\n" } else { "\n" });
        self.line_start = self.out.len();
        self.indent = indent;
        self.pad(indent);
    }

    fn pad(&mut self, blanks: usize) {
        self.out.extend(std::iter::repeat_n(' ', blanks));
    }

    fn push(&mut self, text: &str) {
        self.out.push_str(text);
    }

    /// The column, from 0, in which the next character will stand.
    fn column(&self) -> usize {
        self.out[self.line_start..].chars().count()
    }

    // ---- columns -------------------------------------------------------------

    /// The columns of every line, group by group: neighbours of one kind with no blank line between.
    fn columns(&self, lines: &[Prepared<'_>], indent: usize, place: Place) -> Vec<Columns> {
        let braced = |shown: &Prepared<'_>| {
            shown.tabular() && !shown.explains(self.text) && self.flat_block(shown, indent, place).is_some()
        };
        let cells: Vec<_> = lines.iter().map(|l| cells(self.text, l.word, &l.leaves, braced(l))).collect();
        let mut found = Vec::new();
        while found.len() < lines.len() {
            let start = found.len();
            let mut stop = start + 1;
            while stop < lines.len() && self.belong(&lines[stop - 1], &lines[stop]) {
                stop += 1;
            }
            let rows: Vec<_> = lines[start..stop]
                .iter()
                .zip(&cells[start..stop])
                .map(|(shown, cells)| Row { leaves: &shown.leaves, cells, broken: shown.broken })
                .collect();
            found.extend(cells::columns(self.text, &rows));
        }
        found
    }

    /// Whether two lines are aligned with one another. Functions stand alone, for their heads are long;
    /// constants and fields are two kinds of `derive`.
    fn belong(&self, before: &Prepared<'_>, after: &Prepared<'_>) -> bool {
        let between = end(before.line)..after.line.text.start;
        let mut ends = 0;
        for mark in self.marks_in(between) {
            ends = if mark.kind == Kind::Newline { ends + 1 } else { 0 };
            if ends > 1 {
                return false;
            }
        }
        let derive = |shown: &Prepared<'_>| shown.word == "derive";
        let third = |shown: &Prepared<'_>| shown.leaves.get(2).map(|leaf| leaf.class);
        let alone = |shown: &Prepared<'_>| {
            derive(shown) && (third(shown) == Some(Class::Tight) || shown.explains(self.text))
        };
        let alike = !derive(after) || third(before) == third(after);
        before.word == after.word && alike && !alone(before) && !alone(after)
    }

    // ---- one line ------------------------------------------------------------

    fn line(&mut self, shown: &Prepared<'_>, indent: usize, columns: &Columns, place: Place) -> Option<()> {
        let mut inner = shown.line.inner.iter();
        let mut anchors: Vec<usize> = Vec::new();
        let mut equals: Option<usize> = None;
        let wraps = !shown.commented && !self.trailed(shown.line);
        for (index, leaf) in shown.leaves.iter().enumerate() {
            if let Some(before) = index.checked_sub(1).and_then(|before| shown.leaves.get(before)) {
                if leaf.class == Class::Close {
                    anchors.truncate(leaf.depth + 1);
                }
                let closes = leaf.class == Class::Close;
                let to = self.continued(shown, index, indent, place, anchors.last().copied(), equals);
                let hanging = closes && self.opens_line_end(shown, index);
                let to = if hanging { to.saturating_sub(4) } else { to };
                let gap = before.range.end..leaf.range.start;
                let room = if wraps { self.room(shown, index) } else { None };
                self.between(gap, to, columns.get(&index).map(|c| indent + c), blanks(shown, index), room);
                if closes {
                    anchors.pop();
                }
            }
            if index == 1 && shown.is_clause {
                let values = if let Place::Clauses(values) = place { values } else { VALUES };
                let gap = (indent + values).saturating_sub(self.column());
                self.pad(gap);
            }
            if index == 1 && place == Place::States {
                let gap = (self.indent + 7).saturating_sub(self.column());
                self.pad(gap);
            }
            if leaf.class == Class::Equals && leaf.depth == 0 && equals.is_none() {
                equals = Some(self.column());
            }
            match leaf.class {
                Class::Inner => self.inner(inner.next()?)?,
                _ => self.push(&self.text[leaf.range.clone()]),
            }
            if matches!(leaf.class, Class::Open | Class::Tight) {
                let breaks = shown
                    .leaves
                    .get(index + 1)
                    .is_some_and(|next| self.text[leaf.range.end..next.range.start].contains(['\n', '\r']));
                anchors.push(if breaks { self.indent + 4 } else { self.column() });
            }
        }
        match &shown.line.block {
            Some(body) => self.block(shown, body, indent, columns, place),
            None => Some(()),
        }
    }

    /// A comment stands behind the line, on its last line.
    fn trailed(&self, line: &Line) -> bool {
        let from = self.marks.partition_point(|mark| mark.start < line.text.end);
        self.marks.get(from).is_some_and(|mark| mark.kind == Kind::Comment)
    }

    /// Whether the bracket that closes at a leaf was followed by a line end.
    fn opens_line_end(&self, shown: &Prepared<'_>, close: usize) -> bool {
        let depth = shown.leaves[close].depth;
        let open = shown.leaves[..close]
            .iter()
            .rposition(|leaf| leaf.depth == depth && matches!(leaf.class, Class::Open | Class::Tight));
        open.and_then(|open| Some((shown.leaves.get(open)?, shown.leaves.get(open + 1)?)))
            .is_some_and(|(open, next)| self.text[open.range.end..next.range.start].contains(['\n', '\r']))
    }

    /// The indent of a line's piece that begins with a leaf.
    fn continued(
        &self,
        shown: &Prepared<'_>,
        index: usize,
        indent: usize,
        place: Place,
        anchor: Option<usize>,
        equals: Option<usize>,
    ) -> usize {
        if let Some(anchor) = anchor {
            return anchor;
        }
        if let (true, Place::Clauses(values)) = (shown.is_clause, place) {
            return indent + values;
        }
        let operates = |class| matches!(class, Class::Add | Class::Multiply);
        match equals {
            Some(equals) if operates(shown.leaves[index].class) => equals,
            Some(equals) if operates(shown.leaves[index - 1].class) => equals + 2,
            _ => indent + 2,
        }
    }

    /// How wide the piece is that a break before a leaf would move, where there may be one: up to the next
    /// break as loose, or to the line end that the writer chose.
    fn room(&self, shown: &Prepared<'_>, index: usize) -> Option<usize> {
        let looseness = shown.looseness(self.text, index)?;
        let mut width = 0;
        for next in index..shown.leaves.len() {
            let leaf = &shown.leaves[next];
            if next > index {
                let before = &shown.leaves[next - 1];
                let as_loose = shown.looseness(self.text, next).is_some_and(|other| other <= looseness);
                let broken = self.text[before.range.end..leaf.range.start].contains(['\n', '\r']);
                if as_loose || broken || leaf.class == Class::Inner {
                    break;
                }
                width += usize::from(apart(before.class, leaf.class));
            }
            width += self.text[leaf.range.clone()].chars().count();
            if width > WIDEST {
                break;
            }
        }
        Some(width)
    }

    /// What stands between two leaves: comments, a line end, or blanks up to a column.
    fn between(
        &mut self,
        gap: Range<usize>,
        to: usize,
        column: Option<usize>,
        blanks: usize,
        room: Option<usize>,
    ) {
        let marks = self.marks_in(gap);
        if marks.is_empty() {
            if let Some(column) = column {
                let blanks = column.saturating_sub(self.column()).max(blanks);
                return self.pad(blanks);
            }
            let here = self.column();
            let too_wide = room.is_some_and(|room| here + blanks + room > WIDEST && to < here);
            return if too_wide { self.newline(to, false) } else { self.pad(blanks) };
        }
        let mut ended = false;
        for mark in marks {
            if mark.kind == Kind::Newline {
                ended = true;
                continue;
            }
            if ended {
                self.newline(to, false);
            } else {
                self.push("  ");
            }
            let comment = self.text[mark.start..mark.end].trim_end();
            self.push(comment);
            ended = false;
        }
        self.newline(to, false);
    }

    // ---- blocks --------------------------------------------------------------

    fn block(
        &mut self,
        shown: &Prepared<'_>,
        body: &Body,
        indent: usize,
        columns: &Columns,
        place: Place,
    ) -> Option<()> {
        let head = shown.line.text.end..body.span.start;
        let comments = self.marks_in(head.clone()).iter().any(|mark| mark.kind == Kind::Comment);
        if comments {
            self.comments(head, indent, false);
            self.newline(self.indent, false);
        } else if let Some(column) = columns.get(&shown.leaves.len()) {
            let blanks = (indent + column).saturating_sub(self.column()).max(1);
            self.pad(blanks);
        } else {
            self.push(" ");
        }
        let widest = if shown.tabular() { WIDEST_ROW } else { WIDEST };
        if !comments
            && let Some(flat) = self.flat_block(shown, indent, place)
            && self.column() + flat.chars().count() <= widest
        {
            self.push(&flat);
            return Some(());
        }
        let at = self.indent;
        let inside = self.inside(shown, place, at);
        // Behind a `where` on a line of its own the names are indented by two, as it was itself.
        let step = if at > indent { 2 } else { 4 };
        self.open(body, at, at + step, inside)
    }

    /// Where the lines of a line's block stand.
    fn inside(&self, shown: &Prepared<'_>, place: Place, indent: usize) -> Place {
        if shown.explains(self.text) {
            return Place::Bindings;
        }
        let body = shown.line.block.as_ref();
        let named = |word: &str| shown.leaves.iter().take(2).any(|l| &self.text[l.range.clone()] == word);
        if place == Place::File && indent == 0 && !["variable", "levels", "derive"].into_iter().any(named) {
            return Place::Clauses(VALUES);
        }
        let word = |line: &Line| {
            let text = &self.text[line.text.clone()];
            crate::parse::word_of(text).len()
        };
        let is_clause = |line: &&Line| {
            let word = crate::parse::word_of(&self.text[line.text.clone()]);
            line.block.is_none() && !matches!(word, "member" | "drop" | "amend")
        };
        let widest = body.map_or(0, |body| body.lines.iter().filter(is_clause).map(word).max().unwrap_or(0));
        Place::Clauses((widest + 2).min(VALUES))
    }

    /// The block of a `scan` or `iterate`.
    fn inner(&mut self, body: &Body) -> Option<()> {
        if let Some(flat) = self.flat_body(body, Place::States)
            && self.column() + flat.chars().count() <= WIDEST
        {
            self.push(&flat);
            return Some(());
        }
        let begins_with_equals = self.out[self.line_start..].trim_start().starts_with("= ");
        let base = self.indent + if begins_with_equals { 2 } else { 0 };
        self.open(body, base, base + 4, Place::States)
    }

    /// A block over several lines.
    fn open(&mut self, body: &Body, outer: usize, indent: usize, place: Place) -> Option<()> {
        self.push("{");
        let close = body.span.end.saturating_sub(1);
        self.entries(&body.lines, body.span.start + 1..close, indent, place)?;
        self.newline(outer, false);
        self.push("}");
        Some(())
    }

    /// A block on one line, `{ … }`, if that is how it was written and no comment is in the way.
    fn flat_block(&self, shown: &Prepared<'_>, indent: usize, place: Place) -> Option<String> {
        self.flat_body(shown.line.block.as_ref()?, self.inside(shown, place, indent))
    }

    fn flat_body(&self, body: &Body, place: Place) -> Option<String> {
        let marks = self.marks_in(body.span.clone());
        let empty = body.lines.is_empty() && marks.iter().all(|mark| mark.kind == Kind::Newline);
        if empty {
            return Some("{ }".to_string());
        }
        if !marks.is_empty() || body.span.len() > 4 * WIDEST {
            return None;
        }
        let place = if matches!(place, Place::Clauses(_)) { Place::Clauses(0) } else { place };
        let lines: Option<Vec<_>> = body.lines.iter().map(|line| self.flat(line, place)).collect();
        Some(format!("{{ {} }}", lines?.join("; ")))
    }

    fn flat(&self, line: &Line, place: Place) -> Option<String> {
        let shown = prepare(self.text, line, place)?;
        let mut out = String::new();
        let mut inner = line.inner.iter();
        for (index, leaf) in shown.leaves.iter().enumerate() {
            let before = index.checked_sub(1).and_then(|before| shown.leaves.get(before));
            if before.is_some_and(|before| apart(before.class, leaf.class)) {
                out.push(' ');
            }
            match leaf.class {
                Class::Inner => out.push_str(&self.flat_body(inner.next()?, Place::States)?),
                _ => out.push_str(&self.text[leaf.range.clone()]),
            }
        }
        if let Some(body) = &line.block {
            let inside = if shown.explains(self.text) { Place::Bindings } else { Place::Clauses(0) };
            out.push(' ');
            out.push_str(&self.flat_body(body, inside)?);
        }
        Some(out)
    }
}

/// The blanks before a leaf that stands in no column.
fn blanks(shown: &Prepared<'_>, index: usize) -> usize {
    let leaf = &shown.leaves[index];
    let titled = leaf.class == Class::Title && shown.leaves.iter().any(|leaf| leaf.class == Class::Equals);
    let before = shown.leaves.get(index.wrapping_sub(1)).map(|before| before.class);
    usize::from(before.is_some_and(|before| apart(before, leaf.class))) + usize::from(titled)
}

fn end(line: &Line) -> usize {
    line.block.as_ref().map_or(line.text.end, |block| block.span.end)
}
