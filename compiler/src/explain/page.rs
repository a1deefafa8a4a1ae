//! A page of sections with a title in the margin, wrapped to a width, coloured if wanted.

use aurora_grammar::Style;

/// Columns of the margin, in which a section's title stands.
const MARGIN: usize = 14;
/// Pages narrower than this are not wrapped any further.
const NARROWEST: usize = 40;

/// How a piece of text is meant.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Tone {
    Plain,
    /// Names and headings.
    Strong,
    /// What is only for orientation.
    Faint,
    /// `+`, kept by the reader as new.
    Added,
    /// `-` or `–`.
    Removed,
    /// `~`.
    Changed,
    Warning,
}

/// One line: pieces of text, each with its tone. Pieces are wrapped at their blanks.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Line {
    pieces: Vec<(Tone, String)>,
    /// Columns by which what is wrapped is set in.
    hang: usize,
}

impl Line {
    pub fn new(text: impl Into<String>) -> Line {
        Line::default().plain(text)
    }

    pub fn plain(self, text: impl Into<String>) -> Line {
        self.with(Tone::Plain, text)
    }

    pub fn with(mut self, tone: Tone, text: impl Into<String>) -> Line {
        self.pieces.push((tone, text.into()));
        self
    }

    /// What does not fit goes on `columns` to the right.
    pub fn hanging(mut self, columns: usize) -> Line {
        self.hang = columns;
        self
    }
}

/// A title and its lines.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Section {
    pub title: &'static str,
    pub lines: Vec<Line>,
}

impl Section {
    pub fn new(title: &'static str, lines: Vec<Line>) -> Section {
        Section { title, lines }
    }
}

/// A headline and its sections; those without lines are left out.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Page {
    pub head: Line,
    /// At the right end of the headline, if there is room.
    pub mark: String,
    pub sections: Vec<Section>,
}

impl Page {
    /// The page as text, each line ended.
    pub fn draw(&self, style: Style) -> String {
        let width = style.width.max(NARROWEST);
        let mut out = String::new();
        let mut head = Line::clone(&self.head);
        let used: usize = head.pieces.iter().map(|(_, text)| text.chars().count()).sum();
        let mark = self.mark.chars().count();
        if !self.mark.is_empty() && used + 2 + mark <= width {
            head = head.plain(" ".repeat(width - used - mark)).with(Tone::Faint, self.mark.clone());
            draw(&head, 0, usize::MAX, style, &mut out);
        } else {
            draw(&head.hanging(2), 0, width, style, &mut out);
            if !self.mark.is_empty() {
                draw(&Line::new("  ").with(Tone::Faint, self.mark.clone()), 0, width, style, &mut out);
            }
        }
        for section in self.sections.iter().filter(|section| !section.lines.is_empty()) {
            for (index, line) in section.lines.iter().enumerate() {
                let title = if index == 0 { section.title } else { "" };
                out.push_str("  ");
                paint(Tone::Strong, title, style, &mut out);
                let blanks = MARGIN.saturating_sub(2 + title.chars().count()).max(1);
                out.push_str(&" ".repeat(blanks));
                draw(line, MARGIN, width, style, &mut out);
            }
        }
        out
    }
}

/// Puts a line down from column `from`, breaking it before the word that would pass `width`.
fn draw(line: &Line, from: usize, width: usize, style: Style, out: &mut String) {
    let mut column = from;
    let start = out.len();
    for (tone, text) in &line.pieces {
        let mut piece = String::new();
        for word in words(text) {
            let length = word.trim_end().chars().count();
            if column + length > width && column > from + line.hang {
                paint(*tone, piece.trim_end(), style, out);
                piece.clear();
                trim(out, start);
                out.push('\n');
                column = from + line.hang;
                out.push_str(&" ".repeat(column));
                let word = word.trim_start();
                piece.push_str(word);
                column += word.chars().count();
                continue;
            }
            piece.push_str(word);
            column += word.chars().count();
        }
        paint(*tone, &piece, style, out);
    }
    trim(out, start);
    out.push('\n');
}

/// Takes blanks off the end, but not what stood there before.
fn trim(out: &mut String, start: usize) {
    let end = out[start..].trim_end_matches(' ').len();
    out.truncate(start + end);
}

/// Words with the blanks behind them.
fn words(text: &str) -> impl Iterator<Item = &str> {
    let mut rest = text;
    std::iter::from_fn(move || {
        if rest.is_empty() {
            return None;
        }
        let blanks = rest.len() - rest.trim_start_matches(' ').len();
        let end = rest[blanks..].find(' ').map_or(rest.len(), |at| blanks + at);
        let end = end + (rest[end..].len() - rest[end..].trim_start_matches(' ').len());
        let (word, behind) = rest.split_at(end);
        rest = behind;
        Some(word)
    })
}

pub(crate) fn paint(tone: Tone, text: &str, style: Style, out: &mut String) {
    let code = match tone {
        Tone::Plain => "",
        Tone::Strong => "1",
        Tone::Faint => "2",
        Tone::Added => "32",
        Tone::Removed => "31",
        Tone::Changed | Tone::Warning => "33",
    };
    if !style.color || code.is_empty() || text.trim().is_empty() {
        out.push_str(text);
        return;
    }
    out.push_str(&format!("\u{1b}[{code}m{text}\u{1b}[0m"));
}

#[cfg(test)]
mod tests {
    use super::*;

    fn page() -> Page {
        Page {
            head: Line::default().with(Tone::Strong, "name").plain("  a title"),
            mark: "blake3 12345678…".into(),
            sections: vec![
                Section::new("empty", Vec::new()),
                Section::new(
                    "weights",
                    vec![
                        Line::default()
                            .with(Tone::Added, "+ 12")
                            .plain(" fresh: one, two, three, four, five, six"),
                        Line::new("second"),
                    ],
                ),
            ],
        }
    }

    #[test]
    fn wraps_between_words_under_its_section() {
        let drawn = page().draw(Style { color: false, width: 40, unicode: true });
        let expected = "name  a title           blake3 12345678…\n  weights     + 12 fresh: one, two, \n              three, four, five, six\n              second\n";
        assert_eq!(drawn, expected.replace(", \n", ",\n"));
        assert!(drawn.lines().all(|line| line.chars().count() <= 40));
    }

    #[test]
    fn colour_is_added_and_nothing_else() {
        let style = |color| Style { color, width: 60, unicode: true };
        let coloured = page().draw(style(true));
        assert!(coloured.contains("\u{1b}[32m+ 12\u{1b}[0m"));
        let mut plain = coloured;
        for code in ["0", "1", "2", "32"] {
            plain = plain.replace(&format!("\u{1b}[{code}m"), "");
        }
        assert_eq!(plain, page().draw(style(false)));
    }
}
