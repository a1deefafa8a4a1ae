//! `constraint NAME : A <= B`, held `within` a tolerance, `always`, or only watched.

use aurora_grammar::Span;
use aurora_grammar::tree::{self, ExprKind, ItemKind};

use super::{Checker, Constraint, Projection};
use crate::resolve::Definition;
use crate::typed::{Binary, Typed, Unary};

impl Checker<'_> {
    /// `A <= B within C`, as the amount by which it is broken.
    pub(super) fn constraint(&mut self, definition: &Definition) -> Option<Constraint> {
        if let Some(constraint) = self.checked.constraints.get(&definition.id) {
            return Some(constraint.clone());
        }
        if !self.failed.insert(definition.id.clone()) {
            return None; // it was tried before, and complained of
        }
        let ItemKind::Constraint { relation, mode, bindings, .. } = &definition.item.kind else {
            return None;
        };
        // The grammar admits nothing but a relation here.
        let ExprKind::Relation { left, comparison, right } = &relation.kind else { return None };
        let scope = definition.scope;
        let mut locals = Vec::new();
        self.bind(scope, &mut locals, bindings)?;
        let left = self.expression_with(scope, &locals, left)?;
        let right = self.expression_with(scope, &locals, right)?;
        self.agree(&left, &right, "compared with")?;
        let difference = self.broken_by((&left, *comparison, &right), relation.span)?;
        let mut projection: Option<Projection> = None;
        let tolerance = match mode {
            tree::ConstraintMode::Watched => None,
            tree::ConstraintMode::Always(span) => {
                let name = &definition.name.text;
                projection = Some(self.projection(name, (&left, *comparison, &right), *span)?);
                None
            }
            tree::ConstraintMode::Within(expr) => {
                let tolerance = self.expression_with(scope, &locals, expr)?;
                self.is_difference("a tolerance", &tolerance)?;
                self.agree(&difference, &tolerance, "held within")?;
                let value = tolerance.constant().filter(|v| *v > 0.0 && v.is_finite());
                if value.is_none() {
                    self.error_with_help(
                        "wrong-argument",
                        "a tolerance is a positive number",
                        (expr.span, "this is none"),
                        "by how much the relation may fail before it counts, for instance: within 0.5 g/kg",
                    );
                    return None;
                }
                self.has_gradient(&difference, relation.span);
                value
            }
        };
        let constraint = Constraint {
            id: definition.id.clone(),
            violation: difference,
            tolerance,
            projection,
            span: definition.name.span,
        };
        self.checked.constraints.insert(definition.id.clone(), constraint.clone());
        Some(constraint)
    }

    /// By how much a relation is broken, 0 where it holds.
    fn broken_by(
        &mut self,
        (left, comparison, right): (&Typed, tree::Comparison, &Typed),
        span: Span,
    ) -> Option<Typed> {
        use tree::Comparison::{Equal, Greater, GreaterEqual};
        let (a, b) = match comparison {
            GreaterEqual | Greater => (right, left),
            _ => (left, right),
        };
        let difference = self.sum(Binary::Subtract, a, b, span)?;
        Some(match comparison {
            Equal => {
                let ty = difference.ty.clone();
                self.node_unary(Unary::Absolute, &difference, ty)
            }
            _ => self.positive_part(&difference),
        })
    }
}
