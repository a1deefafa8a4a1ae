//! # no-baseline
//!
//! An evaluation has no `against`: it compares the model with nothing.
//!
//! An error of 1.8 K says little by itself. Whether it is good is decided by what costs nothing:
//! yesterday's field carried forward (`persistence`), the mean of many years (`climatology`), or the forecast
//! that the archive holds (`hrrr.forecast`). At one hour, persistence beats many a network.
//!
//! Wrong:
//!
//! ```aurora
//! evaluate convection on test {
//!     lead        1 .. 12 h
//!     score       rmse of t2m
//! }
//! ```
//!
//! Right:
//!
//! ```aurora
//! evaluate convection on test {
//!     lead        1 .. 12 h
//!     score       rmse of t2m
//!     against     persistence, hrrr.forecast
//! }
//! ```

use aurora_grammar::{Diagnostic, Span};

use crate::check::Checker;

impl Checker<'_> {
    pub(in crate::check) fn no_baseline(&mut self, evaluation: Span) {
        self.diagnostics.push(
            Diagnostic::warning("no-baseline", "this evaluation compares with nothing")
                .label(evaluation, "no `against` clause")
                .help("add: against  persistence"),
        );
    }
}
