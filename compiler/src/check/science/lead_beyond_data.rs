//! # lead-beyond-data
//!
//! A split is shorter than one sample: history, and as many steps ahead as are asked for.
//!
//! A sample needs its inputs and the truth of every step it looks ahead, all within one split and one
//! unbroken stretch of its months. A lead time of 48 hours on a split of two days leaves not one start, and
//! the table of scores would stay empty.
//!
//! Wrong:
//!
//! ```aurora
//! test        2023-07-01 .. 2023-07-01
//! ```
//!
//! ```aurora
//! evaluate convection on test { lead  1 .. 48 h }
//! ```
//!
//! Right:
//!
//! ```aurora
//! test        2023-07-01 .. 2023-09-30
//! ```

use aurora_grammar::Span;

use crate::check::Checker;
use crate::check::sampling::stretches;
use crate::plan::data::TimeRange;

impl Checker<'_> {
    /// How many samples of the model's history and `targets` steps a split holds; none is a diagnostic.
    pub(in crate::check) fn samples_of(&mut self, split: &str, targets: usize, span: Span) -> Option<usize> {
        let (data, model) = (self.checked.data.as_ref()?, self.checked.model.as_ref()?);
        let range = match split {
            "validate" => data.validate?,
            "test" => data.test?,
            _ => data.train,
        };
        let runs = stretches(range, &data.sampling.months);
        let length = |run: &TimeRange| run.to.duration_since(run.from).as_secs();
        let steps = i64::try_from(model.history - 1 + targets).unwrap_or(i64::MAX);
        let reach = steps.saturating_mul(model.step);
        let within = runs.iter().map(length).filter(|length| reach <= *length);
        let samples: i64 = within.map(|length| (length - reach) / data.every + 1).sum();
        if samples > 0 {
            return usize::try_from(samples).ok();
        }
        // No stretch at all has been told of with the months.
        let length = runs.iter().map(length).max()?;
        let message = format!(
            "`{split}` is shorter than one sample: {} h of {} h",
            length / 3600 + 1,
            reach / 3600 + 1
        );
        let label = format!("history and {targets} step{} ahead", if targets == 1 { "" } else { "s" });
        self.error_with_help(
            "lead-beyond-data",
            message,
            (span, &label),
            format!("make `{split}` longer, or look less far ahead"),
        );
        None
    }
}
