//! Splits: two dates each, no hour in two of them, and all within what the archive holds.

use aurora_grammar::tree::{Clause, Expr, ExprKind};
use aurora_grammar::{Diagnostic, Span};
use jiff::civil::{Date, DateTime};
use jiff::tz::TimeZone;
use jiff::{SignedDuration, Timestamp};

use super::Checker;
use super::numbers::only_value;
use crate::plan::data::TimeRange;
use crate::site::Site;

/// The splits, in the order in which they are used.
pub(super) const SPLITS: [&str; 3] = ["train", "validate", "test"];

/// A split and where its two ends stand.
pub(super) struct Written {
    pub name: &'static str,
    pub range: TimeRange,
    pub start: Span,
    pub end: Span,
}

impl Checker<'_> {
    pub(super) fn split(&mut self, name: &'static str, clause: &Clause) -> Option<Written> {
        let value = match &clause.values[..] {
            [chain] => only_value(chain),
            _ => None,
        };
        let Some(Expr { kind: ExprKind::Range { start, end, .. }, span }) = value else {
            self.error_with_help(
                "wrong-argument",
                format!("`{name}` takes two dates"),
                (clause.span, "here"),
                format!("for instance: {name}  2019-01-01 .. 2022-12-24"),
            );
            return None;
        };
        let from = self.instant(start, false)?;
        let to = self.instant(end, true)?;
        if to < from {
            self.diagnostics.push(
                Diagnostic::error("empty-range", format!("`{name}` ends before it begins"))
                    .label(*span, "no day lies within")
                    .help("turn the two dates round")
                    .fix(*span, format!("{end} .. {start}")),
            );
            return None;
        }
        Some(Written { name, range: TimeRange { from, to }, start: start.span, end: end.span })
    }

    /// A date is its first instant, or as an end its last second; with a time it is that time, in UTC.
    fn instant(&mut self, expr: &Expr, last: bool) -> Option<Timestamp> {
        let parsed = match &expr.kind {
            ExprKind::Date(text) => match text.strip_suffix('Z') {
                Some(time) => time.parse::<DateTime>().ok(),
                None => text
                    .parse::<Date>()
                    .ok()
                    .map(|d| if last { d.at(23, 59, 59, 0) } else { d.at(0, 0, 0, 0) }),
            },
            _ => None,
        };
        let instant = parsed.and_then(|t| t.to_zoned(TimeZone::UTC).ok()).map(|z| z.timestamp());
        if instant.is_none() {
            self.error_with_help(
                "not-a-date",
                "this is not a date",
                (expr.span, "no such day"),
                "write 2019-01-31, or 2019-01-31T06:00Z",
            );
        }
        instant
    }

    pub(super) fn within_archive(&mut self, archive: &str, site: &dyn Site, splits: &[&Written]) {
        let Some(index) = site.archive(archive) else { return };
        for split in splits {
            let (bound, span, text) = if split.range.from < index.from {
                (index.from, split.start, "begins with")
            } else if split.range.to.duration_since(index.to) > SignedDuration::from_hours(24) {
                (index.to, split.end, "ends with")
            } else {
                continue;
            };
            let message = format!("`{}` reaches beyond the archive `{archive}`", split.name);
            self.error_with_help(
                "beyond-archive",
                message,
                (span, "no data here"),
                format!("the archive {text} {bound}"),
            );
        }
    }
}
