//! # zero-gradient
//!
//! A loss asks for something that no small change of the prediction changes.
//!
//! Comparisons are 0 or 1, and flat everywhere else: their gradient is zero almost everywhere, so a loss of nothing but
//! them teaches the network nothing, however long it runs. They do no harm as a factor of something that has a
//! slope, nor in `when` and in scores. Where the threshold itself is to be learnt, give it a width.
//!
//! `step(x, from = a)` has a width where it stands in a loss: there it rises from 0 at 0.9 a to 1 at 1.1 a, of the
//! prediction and of the truth alike, and stays a step in fields, scores and maps. Of a temperature, of which a
//! fifth is no small part, at a = 0, and of a threshold that is itself a field, it is a step in losses too.
//!
//! Wrong:
//!
//! ```aurora
//! derive severe : index on column = choose(sbcape >= 1000 J/kg, 1, 0)
//! loss storms = mae(severe)
//! ```
//!
//! Right:
//!
//! ```aurora
//! derive severe : index on column = ramp(sbcape, 500 J/kg -> 1500 J/kg)
//! loss storms = mae(severe)
//! ```

use std::collections::{BTreeMap, BTreeSet};

use aurora_grammar::{Diagnostic, Span};

use crate::check::Checker;
use crate::soften::is_softened;
use crate::typed::{Typed, TypedExpr, TypedKind};

impl Checker<'_> {
    /// Warns of a field or a relation in a loss that has no gradient.
    pub(in crate::check) fn has_gradient(&mut self, value: &Typed, used: Span) {
        let Some(step) = zero_gradient(value) else { return };
        self.diagnostics.push(
            Diagnostic::warning(
                "zero-gradient",
                "this loss teaches nothing: its gradient is zero almost everywhere",
            )
            .label(used, "in a loss")
            .label(step, "flat on both sides of its threshold")
            .help("give the threshold a width, for instance: ramp(x, a -> b)"),
        );
    }
}

/// The step or comparison because of which an expression's gradient is zero almost everywhere; nothing if it has one,
/// or if it depends on no field at all.
pub fn zero_gradient(value: &Typed) -> Option<Span> {
    if value.variables().is_empty() || slopes(value, &mut BTreeMap::new()) {
        return None;
    }
    first_step(value, &mut BTreeSet::new())
}

/// Whether a small change of some variable changes the value.
fn slopes(value: &TypedExpr, done: &mut BTreeMap<*const TypedExpr, bool>) -> bool {
    let key = std::ptr::from_ref(value);
    if let Some(known) = done.get(&key) {
        return *known;
    }
    let found = match &value.kind {
        TypedKind::Variable(_) => true,
        TypedKind::Compare(..) => false,
        TypedKind::Step(x, from) => is_softened(x, from) && slopes(x, done),
        TypedKind::Select { then, otherwise, .. } => slopes(then, done) || slopes(otherwise, done),
        kind => {
            let mut any = false;
            kind.each(|part| any = any || slopes(part, done));
            any
        }
    };
    done.insert(key, found);
    found
}

fn first_step(value: &TypedExpr, seen: &mut BTreeSet<*const TypedExpr>) -> Option<Span> {
    if matches!(value.kind, TypedKind::Compare(..) | TypedKind::Step(..)) {
        return Some(value.span);
    }
    if !seen.insert(std::ptr::from_ref(value)) {
        return None;
    }
    let mut found = None;
    value.kind.each(|part| {
        if found.is_none() {
            found = first_step(part, seen);
        }
    });
    found
}
