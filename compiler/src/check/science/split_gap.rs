//! # split-gap
//!
//! Two splits follow each other with less than a week between them.
//!
//! The weather of one day is much like that of the day before: a ridge that stands over the plains in the
//! last hours of `train` still stands there in the first of `validate`. Scores from such days are better
//! than the model is. A week is about as long as the atmosphere remembers.
//!
//! Wrong:
//!
//! ```aurora
//! train       2019-01-01 .. 2022-12-31
//! validate    2023-01-01 .. 2023-06-23
//! ```
//!
//! Right:
//!
//! ```aurora
//! train       2019-01-01 .. 2022-12-24
//! validate    2023-01-01 .. 2023-06-23
//! ```

use aurora_grammar::Diagnostic;
use jiff::SignedDuration;

use crate::check::Checker;
use crate::check::split::Written;

/// How far apart splits had better be, for weather is correlated from day to day.
pub(super) const GAP: SignedDuration = SignedDuration::from_hours(7 * 24);

impl Checker<'_> {
    pub(super) fn narrow_gap(&mut self, first: &Written, second: &Written, gap: SignedDuration) {
        let message = format!("only {} h lie between `{}` and `{}`", gap.as_hours(), first.name, second.name);
        self.diagnostics.push(
            Diagnostic::warning("split-gap", message)
                .label(first.end, format!("`{}` ends here", first.name))
                .label(second.start, format!("`{}` starts here", second.name))
                .help("leave a week between splits, for weather is correlated from day to day"),
        );
    }
}
