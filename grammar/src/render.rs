//! Diagnostics for people, for editors and for programs.

use std::fmt;

use miette::{
    GraphicalReportHandler, GraphicalTheme, LabeledSpan, MietteDiagnostic, Severity as Shade, SourceCode,
    ThemeCharacters, ThemeStyles,
};
use serde::Serialize;

use crate::diagnostic::{Diagnostic, Diagnostics, Severity};
use crate::source::{SourceMap, Span};

/// How [`human`] draws.
#[derive(Clone, Copy, Debug)]
pub struct Style {
    pub color: bool,
    /// Columns to wrap at.
    pub width: usize,
    /// Box-drawing characters; else plain ASCII.
    pub unicode: bool,
}

impl Default for Style {
    fn default() -> Self {
        Style { color: false, width: 100, unicode: true }
    }
}

/// Draws each diagnostic with the lines it points at.
pub fn human(diagnostics: &Diagnostics, sources: &SourceMap, style: Style) -> String {
    let handler = GraphicalReportHandler::new_themed(theme(style))
        .with_width(style.width.max(20))
        .with_links(false)
        .without_syntax_highlighting();
    let mut drawn = String::new();
    for diagnostic in diagnostics {
        let report = Drawn { diagnostic: labelled(diagnostic, sources), sources };
        let mut one = String::new();
        if !drawable(diagnostic, sources) || handler.render_report(&mut one, &report).is_err() {
            one = short_line(diagnostic, sources) + "\n";
        }
        for line in one.lines().skip_while(|line| line.trim().is_empty()) {
            drawn.push_str(line.trim_end());
            drawn.push('\n');
        }
        drawn.push('\n');
    }
    drawn
}

fn theme(style: Style) -> GraphicalTheme {
    GraphicalTheme {
        characters: if style.unicode { ThemeCharacters::unicode() } else { ThemeCharacters::ascii() },
        styles: if style.color { ThemeStyles::ansi() } else { ThemeStyles::none() },
    }
}

/// A diagnostic as miette wants it: with the texts it points into.
struct Drawn<'a> {
    diagnostic: MietteDiagnostic,
    sources: &'a SourceMap,
}

impl fmt::Debug for Drawn<'_> {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.diagnostic.fmt(out)
    }
}

impl fmt::Display for Drawn<'_> {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.diagnostic.fmt(out)
    }
}

impl std::error::Error for Drawn<'_> {}

impl miette::Diagnostic for Drawn<'_> {
    fn code<'a>(&'a self) -> Option<Box<dyn fmt::Display + 'a>> {
        self.diagnostic.code()
    }

    fn severity(&self) -> Option<Shade> {
        self.diagnostic.severity()
    }

    fn help<'a>(&'a self) -> Option<Box<dyn fmt::Display + 'a>> {
        self.diagnostic.help()
    }

    fn labels(&self) -> Option<Box<dyn Iterator<Item = LabeledSpan> + '_>> {
        self.diagnostic.labels()
    }

    fn source_code(&self) -> Option<&dyn SourceCode> {
        Some(self.sources)
    }
}

fn labelled(diagnostic: &Diagnostic, sources: &SourceMap) -> MietteDiagnostic {
    let severity = match diagnostic.severity {
        Severity::Error => Shade::Error,
        Severity::Warning => Shade::Warning,
        Severity::Advice => Shade::Advice,
    };
    let labels = diagnostic.labels.iter().enumerate().map(|(index, label)| {
        let (start, end) = visible(label.span, sources);
        let span = (start, end.saturating_sub(start));
        let text = Some(label.text.clone()).filter(|text| !text.is_empty());
        if index == 0 {
            LabeledSpan::new_primary_with_span(text, span)
        } else {
            LabeledSpan::new_with_span(text, span)
        }
    });
    let made = MietteDiagnostic::new(&diagnostic.message)
        .with_code(diagnostic.code)
        .with_severity(severity)
        .with_labels(labels);
    match &diagnostic.help {
        Some(help) => made.with_help(help),
        None => made,
    }
}

/// Labels further along their line than this are not drawn. No one could read the picture, and
/// formatting panics at a width of 65 536.
const WIDEST: usize = 10_000;

fn drawable(diagnostic: &Diagnostic, sources: &SourceMap) -> bool {
    let near = |file, offset: u32| {
        let text = sources.text(file).as_bytes();
        let at = (offset as usize - sources.base(file)).min(text.len());
        at < WIDEST || text[at - WIDEST..at].contains(&b'\n')
    };
    diagnostic.labels.iter().all(|label| {
        let Some(file) = sources.file(label.span) else { return true };
        near(file, label.span.start) && near(file, label.span.end.max(label.span.start))
    })
}

/// miette draws nothing at the very end of a text; a label there moves onto the last character.
fn visible(span: Span, sources: &SourceMap) -> (usize, usize) {
    let (start, end) = (span.start as usize, span.end as usize);
    let Some(file) = sources.file(span) else { return (start, end) };
    let (text, base) = (sources.text(file), sources.base(file));
    match text.chars().next_back() {
        Some(last) if start == base + text.len() && last != '\n' => (start - last.len_utf8(), start),
        _ => (start, end),
    }
}

/// One line for each: `file:line:column: error[code]: message (help)`.
pub fn short(diagnostics: &Diagnostics, sources: &SourceMap) -> String {
    diagnostics.iter().map(|diagnostic| short_line(diagnostic, sources) + "\n").collect()
}

fn short_line(diagnostic: &Diagnostic, sources: &SourceMap) -> String {
    let place = diagnostic.labels.first().and_then(|label| sources.locate(label.span));
    let place = place.map_or(String::new(), |at| format!("{}:{}:{}: ", at.file, at.line, at.column));
    let help = diagnostic.help.as_deref().map_or(String::new(), |help| {
        format!(" ({})", help.split_whitespace().collect::<Vec<_>>().join(" "))
    });
    format!("{place}{}[{}]: {}{help}", diagnostic.severity.word(), diagnostic.code, diagnostic.message)
}

/// One JSON object a line for each diagnostic.
///
/// Always there: `code`, `severity` (`error`, `warning` or `advice`), `message`, `labels`. Where the
/// diagnostic has a place: `file`, `line`, `column`, `end_line`, `end_column` of its first label,
/// lines and columns from 1, columns in characters, the end behind the last character. Where they
/// are given: `help`, and `fix` with a `replacement` for its own `file`, `line` … `end_column`.
/// A label has its `text` and its place.
pub fn json(diagnostics: &Diagnostics, sources: &SourceMap) -> String {
    let mut lines = String::new();
    for diagnostic in diagnostics {
        let place = diagnostic.labels.first().and_then(|label| Place::of(label.span, sources));
        let labels = diagnostic
            .labels
            .iter()
            .map(|label| WithText { text: &label.text, place: Place::of(label.span, sources) });
        let fix = diagnostic.fix.as_ref().map(|fix| WithReplacement {
            replacement: &fix.replacement,
            place: Place::of(fix.span, sources),
        });
        let record = Record {
            code: diagnostic.code,
            severity: diagnostic.severity.word(),
            message: &diagnostic.message,
            place,
            labels: labels.collect(),
            help: diagnostic.help.as_deref(),
            fix,
        };
        // Strings and numbers always have a JSON form.
        lines.push_str(&serde_json::to_string(&record).unwrap_or_default());
        lines.push('\n');
    }
    lines
}

#[derive(Serialize)]
struct Record<'a> {
    code: &'a str,
    severity: &'a str,
    message: &'a str,
    #[serde(flatten)]
    place: Option<Place<'a>>,
    labels: Vec<WithText<'a>>,
    #[serde(skip_serializing_if = "Option::is_none")]
    help: Option<&'a str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    fix: Option<WithReplacement<'a>>,
}

#[derive(Serialize)]
struct WithText<'a> {
    text: &'a str,
    #[serde(flatten)]
    place: Option<Place<'a>>,
}

#[derive(Serialize)]
struct WithReplacement<'a> {
    replacement: &'a str,
    #[serde(flatten)]
    place: Option<Place<'a>>,
}

#[derive(Serialize)]
struct Place<'a> {
    file: &'a str,
    line: usize,
    column: usize,
    end_line: usize,
    end_column: usize,
}

impl<'a> Place<'a> {
    fn of(span: Span, sources: &'a SourceMap) -> Option<Self> {
        let start = sources.locate(span)?;
        let end = sources.locate(Span { start: span.end, end: span.end })?;
        Some(Place {
            file: start.file,
            line: start.line,
            column: start.column,
            end_line: end.line,
            end_column: end.column,
        })
    }
}
