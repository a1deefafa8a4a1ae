//! # field-appears-late
//!
//! A variable's record begins after `train` does.
//!
//! Archives grow: HRRR gained fields with each of its versions, in 2016, 2018 and December 2020. Asked for
//! an hour before, some readers give zeros and some nothing; the mean and spread over `train` are then those
//! of the zeros. `since DATE` in a variable's block, or the archive's own index, says when it begins.
//!
//! Wrong, for a field that came on 2020-12-02:
//!
//! ```aurora
//! train       2019-01-01 .. 2022-12-24
//! ```
//!
//! Right:
//!
//! ```aurora
//! train       2020-12-02 .. 2022-12-24
//! ```

use aurora_grammar::Diagnostic;
use aurora_grammar::Span;
use aurora_grammar::tree::{Entry, Expr, ExprKind, ItemKind};
use jiff::civil::Date;
use jiff::tz::TimeZone;

use crate::check::numbers::single;
use crate::check::{Checker, DataChoice, Variable};
use crate::lower::input_name;
use crate::site::Site;

impl Checker<'_> {
    pub(super) fn appears_in_time(&mut self, variable: &Variable, data: &DataChoice, site: &dyn Site) {
        let index = site.archive(&data.archive);
        let field = index.iter().flat_map(|index| &index.fields).find(|field| field.from == variable.from);
        let indexed =
            field.and_then(|field| field.since).map(|since| (since.to_zoned(TimeZone::UTC).date(), None));
        let written = self.since(variable).map(|(date, span)| (date, Some(span)));
        let Some((date, span)) = written.or(indexed) else { return };
        let first = data.train.from.to_zoned(TimeZone::UTC).date();
        if first >= date {
            return;
        }
        let name = input_name(&variable.id);
        let message =
            format!("`{}` has no `{name}` before {date}, but `train` starts on {first}", data.archive);
        let (label, text) = match span {
            Some(span) => (span, "carried from here on".to_string()),
            None => (variable.span, format!("carried since {date}")),
        };
        let mut diagnostic = Diagnostic::error("field-appears-late", message)
            .label(data.train_span, "starts here")
            .label(label, text);
        diagnostic = if data.train.to.to_zoned(TimeZone::UTC).date() > date {
            diagnostic
                .help(format!("start `train` on {date}, or leave `{name}` out"))
                .fix(data.train_span, date.to_string())
        } else {
            diagnostic.help(format!("choose later splits, or leave `{name}` out"))
        };
        self.diagnostics.push(diagnostic);
    }

    /// The day from which a variable's block says it is carried, and where it says so.
    fn since(&self, variable: &Variable) -> Option<(Date, Span)> {
        let definition = self.resolved.definitions.get(&variable.id)?;
        let ItemKind::Variable { block: Some(block), .. } = &definition.item.kind else { return None };
        block.entries.iter().find_map(|entry| match entry {
            Entry::Clause(clause) if clause.word.text == "since" => match single(clause)? {
                Expr { kind: ExprKind::Date(text), span } => Some((text.get(..10)?.parse().ok()?, *span)),
                _ => None,
            },
            _ => None,
        })
    }
}
