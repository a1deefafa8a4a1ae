//! What is wrong with a recipe, where, and what to write instead.

use crate::source::Span;

/// How bad it is: only errors stop a compilation.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Severity {
    Error,
    Warning,
    Advice,
}

impl Severity {
    /// The word that stands before a message in short and JSON output.
    pub fn word(self) -> &'static str {
        match self {
            Severity::Error => "error",
            Severity::Warning => "warning",
            Severity::Advice => "advice",
        }
    }
}

/// A place, and what it is.
#[derive(Clone, Debug)]
pub struct Label {
    pub span: Span,
    pub text: String,
}

/// Text that can be put in place of a span to cure the diagnostic.
#[derive(Clone, Debug)]
pub struct Fix {
    pub span: Span,
    pub replacement: String,
}

/// One complaint. The headline says what is wrong in the reader's terms, each label says what its
/// place *is*, the help gives a line that can be pasted. The first label is the main place.
#[derive(Clone, Debug)]
pub struct Diagnostic {
    /// A slug, such as `unknown-name`, that `aurorac explain` knows.
    pub code: &'static str,
    pub severity: Severity,
    pub message: String,
    pub labels: Vec<Label>,
    pub help: Option<String>,
    pub fix: Option<Fix>,
}

impl Diagnostic {
    pub fn new(severity: Severity, code: &'static str, message: impl Into<String>) -> Self {
        Diagnostic { code, severity, message: message.into(), labels: Vec::new(), help: None, fix: None }
    }

    pub fn error(code: &'static str, message: impl Into<String>) -> Self {
        Self::new(Severity::Error, code, message)
    }

    pub fn warning(code: &'static str, message: impl Into<String>) -> Self {
        Self::new(Severity::Warning, code, message)
    }

    pub fn advice(code: &'static str, message: impl Into<String>) -> Self {
        Self::new(Severity::Advice, code, message)
    }

    pub fn label(mut self, span: Span, text: impl Into<String>) -> Self {
        self.labels.push(Label { span, text: text.into() });
        self
    }

    pub fn help(mut self, text: impl Into<String>) -> Self {
        self.help = Some(text.into());
        self
    }

    pub fn fix(mut self, span: Span, replacement: impl Into<String>) -> Self {
        self.fix = Some(Fix { span, replacement: replacement.into() });
        self
    }

    /// By place, then by code and message; those without a place come first.
    fn order(&self) -> (Option<(u32, u32)>, &'static str, &str) {
        (self.labels.first().map(|label| (label.span.start, label.span.end)), self.code, &self.message)
    }
}

/// The diagnostics of a compilation, in the order found until sorted.
#[derive(Clone, Debug, Default)]
pub struct Diagnostics {
    list: Vec<Diagnostic>,
}

impl Diagnostics {
    pub fn new() -> Self {
        Self::default()
    }

    pub fn push(&mut self, diagnostic: Diagnostic) {
        self.list.push(diagnostic);
    }

    pub fn has_errors(&self) -> bool {
        self.list.iter().any(|diagnostic| diagnostic.severity == Severity::Error)
    }

    pub fn iter(&self) -> std::slice::Iter<'_, Diagnostic> {
        self.list.iter()
    }

    pub fn len(&self) -> usize {
        self.list.len()
    }

    pub fn is_empty(&self) -> bool {
        self.list.is_empty()
    }

    /// Orders by the place of the first label; equal places keep the order of code and message.
    pub fn sort(&mut self) {
        self.list.sort_by(|a, b| a.order().cmp(&b.order()));
    }

    /// Drops diagnostics that say the same about the same place as an earlier one.
    pub fn dedup(&mut self) {
        let mut seen = std::collections::BTreeSet::new();
        self.list.retain(|diagnostic| {
            let (place, code, message) = diagnostic.order();
            seen.insert((place, code, message.to_string()))
        });
    }
}

impl Extend<Diagnostic> for Diagnostics {
    fn extend<T: IntoIterator<Item = Diagnostic>>(&mut self, more: T) {
        self.list.extend(more);
    }
}

impl IntoIterator for Diagnostics {
    type Item = Diagnostic;
    type IntoIter = std::vec::IntoIter<Diagnostic>;

    fn into_iter(self) -> Self::IntoIter {
        self.list.into_iter()
    }
}

impl<'a> IntoIterator for &'a Diagnostics {
    type Item = &'a Diagnostic;
    type IntoIter = std::slice::Iter<'a, Diagnostic>;

    fn into_iter(self) -> Self::IntoIter {
        self.list.iter()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn sorts_by_first_label_and_drops_repeats() {
        let at =
            |start, message: &str| Diagnostic::error("x", message).label(Span::new(start, start + 1), "");
        let mut list = Diagnostics::new();
        list.extend([at(7, "late"), at(2, "early"), at(7, "late"), at(7, "also")]);
        list.sort();
        list.dedup();
        let messages: Vec<_> = list.iter().map(|diagnostic| diagnostic.message.as_str()).collect();
        assert_eq!(messages, ["early", "also", "late"]);
    }

    #[test]
    fn warnings_are_not_errors() {
        let mut list = Diagnostics::new();
        list.push(Diagnostic::warning("w", "careful"));
        assert!(!list.has_errors());
        list.push(Diagnostic::error("e", "wrong"));
        assert!(list.has_errors());
    }
}
