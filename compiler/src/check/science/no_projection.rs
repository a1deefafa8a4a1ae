//! # no-projection
//!
//! A relation that is to hold `always` cannot be made to hold.
//!
//! `always` is kept by moving a prediction to the nearest value that is allowed: humidity above saturation is cut
//! to saturation. That works for a bound on *one* predicted field by things that are known when it is
//! predicted. A relation that ties fields together over a whole column has no such nearest value that is
//! cheap to find, and an equation leaves nothing to predict: write it as a `derive`. Give the relation a
//! tolerance instead and name it in `minimise`; then training makes it hold as well as it can.
//!
//! Wrong:
//!
//! ```aurora
//! constraint hydrostatic : slope(z, log(pl)) = -Rd * tv    always
//! ```
//!
//! Right:
//!
//! ```aurora
//! constraint hydrostatic : slope(z, log(pl)) = -Rd * tv    within 150 m^2/s^2
//! constraint unsaturated : q <= 1.02 * saturation(t, pl)   always
//! ```

use std::collections::BTreeSet;

use aurora_grammar::tree::Comparison;
use aurora_grammar::{Diagnostic, Span};

use crate::check::{Checker, Projection};
use crate::lower::input_name;
use crate::typed::{Typed, TypedExpr, TypedKind};

impl Checker<'_> {
    /// The bound that a relation sets to one prediction; a diagnostic if it is none.
    pub(in crate::check) fn projection(
        &mut self,
        name: &str,
        (left, comparison, right): (&Typed, Comparison, &Typed),
        always: Span,
    ) -> Option<Projection> {
        let predicted = |side: &Typed| match &side.kind {
            TypedKind::Variable(id) if self.has_predicted_role(id) => Some(id.clone()),
            _ => None,
        };
        let rises = matches!(comparison, Comparison::GreaterEqual | Comparison::Greater);
        // (field, bound, the bound is the greatest value that is allowed)
        let candidates =
            [(predicted(left), right, !rises, left.span), (predicted(right), left, rises, right.span)];
        let equation = comparison == Comparison::Equal;
        let free = candidates.iter().find_map(|(id, bound, upper, _)| {
            let id = id.as_ref()?;
            let apart = !bound.variables().contains(id) && same_place(self, id, bound);
            (apart && !equation).then(|| Projection {
                field: id.clone(),
                bound: (*bound).clone(),
                upper: *upper,
            })
        });
        let Some(projection) = free else {
            self.refuse_projection(name, (left, right), always, equation);
            return None;
        };
        if let Some(circle) = self.projected_circle(&projection) {
            let message = format!(
                "`{}` and `{}` would bound each other",
                input_name(&projection.field),
                input_name(&circle)
            );
            let help = "let one of the two be held within a tolerance";
            self.error_with_help("no-projection", message, (always, "which of the two gives way?"), help);
            return None;
        }
        Some(projection)
    }

    fn refuse_projection(
        &mut self,
        name: &str,
        (left, right): (&Typed, &Typed),
        always: Span,
        equation: bool,
    ) {
        let side = if left.variables().is_empty() { right } else { left };
        let fields: Vec<String> = [left, right]
            .iter()
            .flat_map(|side| side.variables())
            .map(|id| format!("`{}`", input_name(&id)))
            .collect();
        let mut fields: Vec<String> = fields;
        fields.sort();
        fields.dedup();
        let columns = [left, right].iter().any(|side| looks_along(side, &mut BTreeSet::new()));
        let ties = match (&fields[..], columns) {
            ([one], false) => format!("a relation of {one} with itself"),
            (_, true) => format!("ties {} together along the column", fields.join(", ")),
            _ => format!("ties {} together", fields.join(", ")),
        };
        let ties = if equation && !columns { format!("{ties}, as an equation") } else { ties };
        let tolerance = self.spelt(&left.ty);
        self.diagnostics.push(
            Diagnostic::error("no-projection", "this relation cannot be made to hold exactly")
                .label(side.span, ties)
                .label(always, "only a bound on one prediction can be projected")
                .help(format!(
                    "give it a tolerance and name it in `minimise`:\n  constraint {name} : …    within 1{tolerance}"
                )),
        );
    }

    /// A field that is already projected by a bound that needs this one.
    fn projected_circle(&self, new: &Projection) -> Option<String> {
        let projections: Vec<&Projection> =
            self.checked.constraints.values().filter_map(|c| c.projection.as_ref()).collect();
        let mut open = new.bound.variables();
        let mut seen = Vec::new();
        while let Some(id) = open.pop() {
            if id == new.field {
                return seen.first().cloned().or(Some(id));
            }
            if seen.contains(&id) {
                continue;
            }
            for projection in projections.iter().filter(|p| p.field == id) {
                open.extend(projection.bound.variables());
            }
            seen.push(id);
        }
        None
    }
}

/// A bound has a value wherever the field has one, and nowhere more.
fn same_place(checker: &Checker<'_>, id: &str, bound: &Typed) -> bool {
    let support = match (checker.checked.variables.get(id), checker.checked.derived.get(id)) {
        (Some(variable), _) => &variable.ty.support,
        (_, Some(derived)) => &derived.ty.support,
        _ => return false,
    };
    match (support.levels(), bound.ty.support.levels()) {
        (_, None) => true,
        (own, other) => own == other,
    }
}

/// Whether neighbouring levels or points are tied together somewhere in it.
fn looks_along(value: &TypedExpr, seen: &mut BTreeSet<*const TypedExpr>) -> bool {
    if !seen.insert(std::ptr::from_ref(value)) {
        return false;
    }
    let mut found = matches!(
        value.kind,
        TypedKind::Shift { .. }
            | TypedKind::Weighted { .. }
            | TypedKind::Extreme { .. }
            | TypedKind::Interpolate { .. }
            | TypedKind::Layer { .. }
            | TypedKind::Scan { .. }
            | TypedKind::Each { .. }
            | TypedKind::Difference { .. }
    );
    value.kind.each(|part| found = found || looks_along(part, seen));
    found
}
