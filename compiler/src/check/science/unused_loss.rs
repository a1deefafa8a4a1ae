//! # unused-loss
//!
//! A loss or a constraint is defined, and no phase minimises or watches it.
//!
//! Most often its name was forgotten in `minimise` when a phase was rewritten, and a run of days learns
//! without the very term it was meant to test. A constraint that is only to be scored belongs in a
//! `score violation of …`.
//!
//! Wrong:
//!
//! ```aurora
//! loss storms = mae(refc)
//!
//! phase adapt { minimise  weather }
//! ```
//!
//! Right:
//!
//! ```aurora
//! loss storms = mae(refc)
//!
//! phase adapt { minimise  weather + 0.5 * storms }
//! ```

use aurora_grammar::Diagnostic;
use aurora_grammar::tree::{ConstraintMode, ItemKind};

use crate::check::Checker;
use crate::plan::evaluation::Score;
use crate::resolve::RECIPE;

impl Checker<'_> {
    pub(super) fn unused_losses(&mut self) {
        let mut used: Vec<String> = Vec::new();
        for phase in &self.checked.phases {
            used.extend(phase.minimise.iter().map(|(_, name)| name.clone()));
            used.extend(phase.stop.iter().map(|stop| stop.loss.clone()));
        }
        let scores = self.checked.evaluations.iter().flat_map(|evaluation| &evaluation.scores);
        used.extend(scores.filter(|s| s.score == Score::Violation).map(|s| s.field.clone()));
        // What a used loss is made of is used.
        let mut at = 0;
        while let Some(name) = used.get(at).cloned() {
            at += 1;
            let Some(definition) = self.resolved.lookup(RECIPE, &name) else { continue };
            let ItemKind::Loss { value, bindings, .. } = &definition.item.kind else { continue };
            for expr in bindings.iter().map(|binding| &binding.value).chain([value]) {
                names(expr, &mut used);
            }
        }
        let unused: Vec<_> = self
            .resolved
            .definitions
            .values()
            .filter(|d| d.library.is_none() && !used.contains(&d.name.text))
            .filter_map(|d| match d.item.kind {
                ItemKind::Loss { .. } => Some(("loss", d.name.clone())),
                // What always holds is projected, whether or not it is scored.
                ItemKind::Constraint { mode: ConstraintMode::Always(_), .. } => None,
                ItemKind::Constraint { .. } => Some(("constraint", d.name.clone())),
                _ => None,
            })
            .collect();
        for (kind, name) in unused {
            self.diagnostics.push(
                Diagnostic::warning("unused-loss", format!("no phase minimises the {kind} `{}`", name.text))
                    .label(name.span, "never used")
                    .help(if kind == "loss" {
                        "name it in a `minimise` clause, or take it out".to_string()
                    } else {
                        format!("name it in `minimise`, or score it: score  violation of {}", name.text)
                    }),
            );
        }
    }
}

/// Every new name in an expression.
fn names(expr: &aurora_grammar::tree::Expr, found: &mut Vec<String>) {
    use aurora_grammar::tree::ExprKind;
    match &expr.kind {
        ExprKind::Path(name) if !found.contains(name) => found.push(name.clone()),
        ExprKind::Binary { left, right, .. } => {
            names(left, found);
            names(right, found);
        }
        ExprKind::Negate(inner) => names(inner, found),
        _ => {}
    }
}
