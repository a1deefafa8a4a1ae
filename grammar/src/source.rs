//! Every file of a compilation in one space of offsets, so a single diagnostic can point into several.

use miette::{MietteError, MietteSpanContents, SourceCode, SourceSpan, SpanContents};

/// A stretch of text, in bytes, counted over all files of a [`SourceMap`].
///
/// Spans are always equal to each other: trees that say the same are the same, wherever they stand.
#[derive(Clone, Copy, Debug, Default)]
pub struct Span {
    pub start: u32,
    pub end: u32,
}

impl PartialEq for Span {
    fn eq(&self, _: &Self) -> bool {
        true
    }
}
impl Eq for Span {}

impl Span {
    pub fn new(start: usize, end: usize) -> Self {
        Span { start: start as u32, end: end as u32 }
    }

    /// The smallest span that holds both.
    pub fn to(self, other: Span) -> Span {
        Span { start: self.start.min(other.start), end: self.end.max(other.end) }
    }
}

/// One file of a [`SourceMap`].
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct FileId(u32);

/// Where something stands, for people: lines and columns count from 1, columns in characters.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Location<'a> {
    pub file: &'a str,
    pub line: usize,
    pub column: usize,
}

/// The texts of a compilation, each at its own base offset, four gibibytes in all at most.
///
/// Between two files lies one byte that belongs to neither, so an empty span at the end of one file
/// never means the start of the next.
#[derive(Debug, Default)]
pub struct SourceMap {
    files: Vec<Source>,
}

#[derive(Debug)]
struct Source {
    name: String,
    text: String,
    base: usize,
    /// Where each line begins, in bytes of the text.
    lines: Vec<usize>,
}

impl Source {
    fn end(&self) -> usize {
        self.base + self.text.len()
    }

    /// The line, from 0, that holds a byte of the text.
    fn line(&self, at: usize) -> usize {
        self.lines.partition_point(|start| *start <= at).saturating_sub(1)
    }
}

impl SourceMap {
    pub fn new() -> Self {
        Self::default()
    }

    pub fn add(&mut self, name: impl Into<String>, text: impl Into<String>) -> FileId {
        let base = self.files.last().map_or(0, |last| last.end() + 1);
        let text = text.into();
        let lines = std::iter::once(0).chain(text.match_indices('\n').map(|(at, _)| at + 1)).collect();
        self.files.push(Source { name: name.into(), text, base, lines });
        FileId((self.files.len() - 1) as u32)
    }

    /// Every file, in the order added.
    pub fn files(&self) -> impl Iterator<Item = FileId> + use<> {
        (0..self.files.len()).map(|index| FileId(index as u32))
    }

    /// The text of a file, or nothing if the id is of another map.
    pub fn text(&self, file: FileId) -> &str {
        self.files.get(file.0 as usize).map_or("", |source| &source.text)
    }

    pub fn name(&self, file: FileId) -> &str {
        self.files.get(file.0 as usize).map_or("", |source| &source.name)
    }

    /// The offset of the first byte of a file.
    pub fn base(&self, file: FileId) -> usize {
        self.files.get(file.0 as usize).map_or(0, |source| source.base)
    }

    /// The file that a span starts in.
    pub fn file(&self, span: Span) -> Option<FileId> {
        self.find(span.start as usize).map(|index| FileId(index as u32))
    }

    /// Where a span starts.
    pub fn locate(&self, span: Span) -> Option<Location<'_>> {
        let source = &self.files[self.find(span.start as usize)?];
        let at = floor(&source.text, span.start as usize - source.base);
        let line = source.line(at);
        let column = source.text[source.lines[line]..at].chars().count() + 1;
        Some(Location { file: &source.name, line: line + 1, column })
    }

    /// The text of a span; empty where the span lies in no file or crosses two.
    pub fn slice(&self, span: Span) -> &str {
        self.find(span.start as usize)
            .and_then(|index| {
                let source = &self.files[index];
                let end = (span.end as usize).checked_sub(source.base)?;
                source.text.get(span.start as usize - source.base..end)
            })
            .unwrap_or("")
    }

    fn find(&self, offset: usize) -> Option<usize> {
        let index = self.files.partition_point(|source| source.base <= offset).checked_sub(1)?;
        (offset <= self.files[index].end()).then_some(index)
    }
}

/// More lines than this between two labels, and they are drawn as two snippets.
const TALLEST_SNIPPET: usize = 4;

impl SourceCode for SourceMap {
    /// Refuses a span that crosses files or is too tall; miette then falls back to one snippet a label.
    fn read_span<'a>(
        &'a self,
        span: &SourceSpan,
        _lines_before: usize,
        _lines_after: usize,
    ) -> Result<Box<dyn SpanContents<'a> + 'a>, MietteError> {
        let source = &self.files[self.find(span.offset()).ok_or(MietteError::OutOfBounds)?];
        let text = &source.text;
        let start = span.offset() - source.base;
        let end = start + span.len();
        if end > text.len() {
            return Err(MietteError::OutOfBounds);
        }
        let (start, end) = (floor(text, start), floor(text, end));
        let line = source.line(start);
        let from = source.lines[line];
        // With its line end, so that a label just behind the last word is drawn.
        let to = text[end..].find('\n').map_or(text.len(), |newline| end + newline + 1);
        if source.line(end) - line > TALLEST_SNIPPET {
            return Err(MietteError::OutOfBounds);
        }
        Ok(Box::new(MietteSpanContents::new_named(
            source.name.clone(),
            &text.as_bytes()[from..to],
            (source.base + from, to - from).into(),
            line,
            start - from,
            1,
        )))
    }
}

/// The nearest character boundary at or before `at`.
fn floor(text: &str, at: usize) -> usize {
    let mut at = at.min(text.len());
    while !text.is_char_boundary(at) {
        at -= 1;
    }
    at
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn locates_in_the_right_file_and_counts_characters() {
        let mut sources = SourceMap::new();
        let first = sources.add("a.aurora", "°° x\n");
        let second = sources.add("b.aurora", "one\nzwölf y");
        let x = sources.base(first) + 5;
        let y = sources.base(second) + 11;
        assert_eq!(
            sources.locate(Span::new(x, x + 1)),
            Some(Location { file: "a.aurora", line: 1, column: 4 })
        );
        assert_eq!(
            sources.locate(Span::new(y, y + 1)),
            Some(Location { file: "b.aurora", line: 2, column: 7 })
        );
        assert_eq!(sources.slice(Span::new(y - 7, y + 1)), "zwölf y");
        assert_eq!(sources.file(Span::new(y, y)), Some(second));
    }

    #[test]
    fn a_span_outside_every_file_has_no_place() {
        let mut sources = SourceMap::new();
        let file = sources.add("a.aurora", "x");
        let other = sources.add("b.aurora", "y");
        assert_eq!(sources.locate(Span::new(99, 100)), None);
        assert_eq!(sources.slice(Span::new(sources.base(file), sources.base(other) + 1)), "");
    }
}
