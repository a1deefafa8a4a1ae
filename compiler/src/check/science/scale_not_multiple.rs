//! # scale-not-multiple
//!
//! A scale is no whole multiple of the grid's spacing.
//!
//! A coarser field is made by averaging whole cells: three by three cells of 4 km are one of 12 km. For
//! 10 km, cells would have to be cut, and what is averaged would differ from place to place: a pattern in
//! the data that the network learns before it learns the weather.
//!
//! Wrong, on a grid of 3 km:
//!
//! ```aurora
//! phase coarse { scale  10 km }
//! ```
//!
//! Right:
//!
//! ```aurora
//! phase coarse { scale  9 km }
//! ```

use aurora_grammar::{Diagnostic, Span};

use crate::check::Checker;

impl Checker<'_> {
    /// A scale in metres is a whole multiple of the grid's spacing. `whole` says that its unit stands within the
    /// span, and not behind a list's bracket.
    pub(in crate::check) fn scale_is_multiple(&mut self, metres: f64, span: Span, whole: bool) {
        let grid = self.checked.data.as_ref().and_then(|data| self.checked.grids.get(&data.grid));
        let Some(grid) = grid.cloned() else { return };
        let factor = metres / grid.spacing;
        // Spacings are written in metres or kilometres: a millionth is rounding, not meaning.
        if (factor - factor.round()).abs() < 1e-6 && factor > 0.5 {
            return;
        }
        let near = factor.round().max(1.0) * grid.spacing / 1000.0;
        let id = self.checked.data.as_ref().map(|data| data.grid.clone()).unwrap_or_default();
        let message = format!(
            "{} km is no whole multiple of the {} km between two points of `{}`",
            metres / 1000.0,
            grid.spacing / 1000.0,
            grid.name
        );
        let mut diagnostic =
            Diagnostic::error("scale-not-multiple", message).label(span, "cells would have to be cut");
        if let Some(definition) = self.resolved.definitions.get(&id) {
            diagnostic = diagnostic.label(definition.name.span, "the grid");
        }
        diagnostic = diagnostic.help(format!("the nearest is {near} km"));
        self.diagnostics.push(if whole { diagnostic.fix(span, format!("{near} km")) } else { diagnostic });
    }
}
