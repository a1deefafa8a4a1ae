//! # rare-event
//!
//! A threshold is so high that the split holds next to no event, or none at all.
//!
//! With ten events, one lucky hit changes CSI by a tenth, and the confidence interval spans the table. Below
//! about a hundred, a ranking of models is noise. A threshold beyond the declared range of a variable is
//! never seen.
//!
//! Wrong, for a `refc` declared `in -10 .. 75 dBZ`:
//!
//! ```aurora
//! score       csi of refc at 80 dBZ
//! ```
//!
//! Right:
//!
//! ```aurora
//! score       csi of refc at [20, 35, 50] dBZ
//! ```

use aurora_grammar::Diagnostic;
use aurora_grammar::tree::{Expr, Name};

use crate::check::Checker;
use crate::typed::Typed;

/// Fewer events leave a score without meaning.
const FEW: u64 = 100;

impl Checker<'_> {
    /// Warns of a threshold, in the field's units, above which the field's type says nothing can be.
    pub(in crate::check) fn threshold_is_seen(
        &mut self,
        field: &Name,
        typed: &Typed,
        written: &Expr,
        threshold: f64,
    ) {
        let Some(definition) = self.resolved.lookup(crate::resolve::RECIPE, &field.text).cloned() else {
            return;
        };
        let declared = self.checked.variables.get(&definition.id).map(|variable| variable.ty.range);
        let (low, high) = declared.unwrap_or(typed.ty.range);
        let never = high.is_some_and(|high| threshold > high);
        let always = low.is_some_and(|low| threshold < low);
        if never || always {
            let what = if never { "no value" } else { "every value" };
            let message = format!("{what} of `{}` reaches this threshold", field.text);
            let range = match (low, high) {
                (Some(low), Some(high)) => {
                    format!("declared in {low} .. {high} {}", self.units_of(&definition.id))
                }
                (Some(low), None) => format!("declared >= {low} {}", self.units_of(&definition.id)),
                (None, Some(high)) => format!("declared <= {high} {}", self.units_of(&definition.id)),
                (None, None) => String::new(),
            };
            let label = if never { "never seen" } else { "always reached" };
            self.diagnostics.push(
                Diagnostic::warning("rare-event", message)
                    .label(written.span, label)
                    .label(definition.name.span, range)
                    .help(
                        "choose a threshold within the range, one that a hundred points of the split reach",
                    ),
            );
            return;
        }
        self.pending_events.push(crate::check::PendingEvent {
            id: definition.id,
            name: field.text.clone(),
            span: written.span,
            threshold,
        });
    }

    /// Warns of thresholds that the archive's own counts show to be rare in a split.
    pub(in crate::check) fn events_are_seen(&mut self, split: &str, site: &dyn crate::site::Site) {
        let events = std::mem::take(&mut self.pending_events);
        let Some(data) = self.checked.data.clone() else { return };
        let range = match split {
            "validate" => data.validate,
            "test" => data.test,
            _ => Some(data.train),
        };
        let Some(range) = range else { return };
        for event in events {
            let Some(variable) = self.checked.variables.get(&event.id) else { continue };
            let count = site.count_above(&data.archive, &variable.from, event.threshold, range);
            let Some(count) = count.filter(|count| *count < FEW) else { continue };
            let times = if count == 1 { "once".to_string() } else { format!("{count} times") };
            let message = format!("`{}` reaches this threshold only {times} in all of `{split}`", event.name);
            self.diagnostics.push(
                Diagnostic::warning("rare-event", message)
                    .label(event.span, format!("fewer than {FEW} points"))
                    .help("a score of so few events says little: choose a lower threshold or a longer split"),
            );
        }
    }
}
