//! `minimise weather + 0.5 * storms`: a weighted sum of losses and constraints.

use aurora_grammar::Diagnostic;
use aurora_grammar::tree::{Clause, Expr, ExprKind, ItemKind, Operator};

use super::Checker;
use super::loss::plain;
use super::numbers::only_value;
use crate::resolve::RECIPE;

impl Checker<'_> {
    /// `a + 0.5 * b` over losses and constraints.
    pub(super) fn minimised(&mut self, clause: &Clause) -> Option<Vec<(f64, String)>> {
        let value = match &clause.values[..] {
            [chain] => only_value(chain).cloned(),
            _ => None,
        };
        let Some(value) = value else {
            self.error_with_help(
                "wrong-argument",
                "`minimise` takes a weighted sum of losses",
                (clause.span, "here"),
                "for instance: minimise  weather + 0.5 * storms",
            );
            return None;
        };
        let terms = self.weighted(&value)?;
        if terms.iter().all(|(weight, _)| weight.is_finite()) {
            return Some(terms);
        }
        let help = "the largest number is about 1e308";
        self.error_with_help(
            "wrong-argument",
            "these weights are too large",
            (value.span, "no finite number"),
            help,
        );
        None
    }

    fn weighted(&mut self, expr: &Expr) -> Option<Vec<(f64, String)>> {
        match &expr.kind {
            ExprKind::Binary { operator: Operator::Add, left, right } => {
                let left = self.weighted(left);
                let right = self.weighted(right);
                let mut all = left?;
                all.extend(right?);
                Some(all)
            }
            ExprKind::Binary { operator: Operator::Multiply, left, right } => {
                match (plain(left), plain(right)) {
                    (Some(weight), _) if weight >= 0.0 => Some(times(self.weighted(right)?, weight)),
                    (_, Some(weight)) if weight >= 0.0 => Some(times(self.weighted(left)?, weight)),
                    _ => self.no_weight(expr),
                }
            }
            ExprKind::Path(name) => self.minimisable(name, expr).map(|name| vec![(1.0, name)]),
            _ => self.no_weight(expr),
        }
    }

    fn no_weight(&mut self, expr: &Expr) -> Option<Vec<(f64, String)>> {
        self.error_with_help(
            "wrong-argument",
            "`minimise` takes a weighted sum of losses and constraints",
            (expr.span, "neither a name nor a weight times a name"),
            "give this a name: loss NAME = …",
        );
        None
    }

    /// The name of a loss, or of a constraint that has a tolerance.
    fn minimisable(&mut self, name: &str, expr: &Expr) -> Option<String> {
        let Some(definition) = self.resolved.lookup(RECIPE, name).cloned() else {
            self.unknown(RECIPE, name, expr.span, "");
            return None;
        };
        match &definition.item.kind {
            ItemKind::Loss { .. } => Some(name.to_string()),
            ItemKind::Constraint { .. } => {
                let constraint = self.constraint(&definition)?;
                if constraint.tolerance.is_none() {
                    self.diagnostics.push(
                        Diagnostic::error(
                            "no-tolerance",
                            format!("`{name}` has no tolerance to be penalised by"),
                        )
                        .label(expr.span, "named in `minimise`")
                        .label(definition.name.span, "defined here")
                        .help("add `within TOLERANCE` to the constraint"),
                    );
                    return None;
                }
                let predicted = constraint.violation.variables().iter().all(|id| self.has_role(id));
                if !predicted && !self.roles_uncertain() {
                    let message = format!("`{name}` speaks of fields that are not predicted");
                    self.diagnostics.push(
                        Diagnostic::error("not-predicted", message)
                            .label(expr.span, "cannot be penalised")
                            .label(definition.name.span, "defined here")
                            .help("name every field it needs in `prognostic`"),
                    );
                    return None;
                }
                Some(name.to_string())
            }
            _ => {
                self.diagnostics.push(
                    Diagnostic::error("not-a-loss", format!("`{name}` is no loss"))
                        .label(expr.span, "cannot be minimised")
                        .label(definition.name.span, "defined here")
                        .help(format!("take its error: loss NAME = mae({name})")),
                );
                None
            }
        }
    }
}

fn times(mut terms: Vec<(f64, String)>, factor: f64) -> Vec<(f64, String)> {
    terms.iter_mut().for_each(|(weight, _)| *weight *= factor);
    terms
}
