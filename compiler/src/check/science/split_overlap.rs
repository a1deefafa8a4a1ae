//! # split-overlap
//!
//! The same hours stand in two splits, for instance in `train` and in `validate`.
//!
//! A model that was trained on the hours it is judged by has seen the answers. Its scores are then those
//! of memory, and the first new storm shows it. In practice it happens when one split is lengthened by a
//! month and the next is forgotten: validation falls beautifully, and operations do not.
//!
//! Wrong:
//!
//! ```aurora
//! train       2019-01-01 .. 2022-12-31
//! validate    2022-12-01 .. 2023-06-23
//! ```
//!
//! Right, with a week between the two, for weather is correlated from day to day:
//!
//! ```aurora
//! train       2019-01-01 .. 2022-12-31
//! validate    2023-01-08 .. 2023-06-23
//! ```

use aurora_grammar::Diagnostic;
use jiff::tz::TimeZone;
use jiff::{SignedDuration, Timestamp};

use super::split_gap::GAP;
use crate::check::Checker;
use crate::check::split::Written;

impl Checker<'_> {
    /// Splits share no hour and lie a week apart.
    pub(in crate::check) fn overlaps(&mut self, splits: &[&Written]) {
        for (i, a) in splits.iter().enumerate() {
            for b in &splits[i + 1..] {
                let (first, second) = if a.range.from <= b.range.from { (a, b) } else { (b, a) };
                let shared_end = first.range.to.min(second.range.to);
                let gap = second.range.from.duration_since(first.range.to);
                if shared_end >= second.range.from {
                    self.overlap(first, second, shared_end);
                } else if gap < GAP - SignedDuration::from_secs(1) {
                    self.narrow_gap(first, second, gap);
                }
            }
        }
    }

    fn overlap(&mut self, first: &Written, second: &Written, shared_end: Timestamp) {
        let shared = shared_end.duration_since(second.range.from).as_hours();
        let shared = if shared >= 23 {
            let days = (shared + 1) / 24;
            format!("{days} day{} {}", if days == 1 { "" } else { "s" }, if days == 1 { "is" } else { "are" })
        } else {
            format!("{} hours are", shared + 1)
        };
        let message = format!("{shared} in both `{}` and `{}`", first.name, second.name);
        // The first midnight that is a week later.
        let after = first.range.to.checked_add(GAP + SignedDuration::from_hours(24)).ok();
        let start = after.filter(|start| *start < second.range.to).map(|s| s.to_zoned(TimeZone::UTC).date());
        let mut diagnostic = Diagnostic::error("split-overlap", message)
            .label(first.end, format!("`{}` ends here", first.name))
            .label(second.start, format!("`{}` starts here", second.name));
        diagnostic = if let Some(start) = start {
            diagnostic
                .help(format!(
                    "leave a week between splits, for weather is correlated from day to day:\n  \
                     {:<12}{start} .. {}",
                    second.name,
                    second.range.to.to_zoned(TimeZone::UTC).date()
                ))
                .fix(second.start, start.to_string())
        } else {
            diagnostic.help("choose other dates for one of them; leave a week between splits")
        };
        self.diagnostics.push(diagnostic);
    }
}
