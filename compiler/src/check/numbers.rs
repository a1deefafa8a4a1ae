//! Numbers as written: measures, lists and counts, with the units that they share.

use aurora_grammar::Span;
use aurora_grammar::tree::{self, Chain, Expr, ExprKind, Name, Part};

use super::Checker;
use crate::units::{self, Unit};

impl Checker<'_> {
    /// Numbers of a list, a range of whole numbers or a single one, in SI, each with its unit.
    pub(super) fn numbers(&mut self, expr: &Expr) -> Option<Vec<(f64, Unit, Span)>> {
        match &expr.kind {
            ExprKind::List { items, unit } => {
                let shared = match unit {
                    Some(name) => Some((self.unit(name)?, name.clone())),
                    None => None,
                };
                let mut numbers = Vec::new();
                for item in items {
                    let item = with_unit(item, shared.as_ref().map(|(_, name)| name));
                    numbers.extend(self.numbers(&item)?);
                }
                Some(numbers)
            }
            ExprKind::Range { start, end, .. } => {
                let end = self.numbers(end)?;
                let start = self.numbers(start)?;
                let (first, last, unit) = (start.first()?.0, end.first()?.0, end.first()?.1);
                if !unit.dimension.is_none()
                    || first.fract() != 0.0
                    || last.fract() != 0.0
                    || last - first > 1e4
                {
                    self.error_with_help(
                        "not-a-list",
                        "`..` counts whole numbers here",
                        (expr.span, "these are not"),
                        "write a list instead, for instance [0, 12, 24] km",
                    );
                    return None;
                }
                let (first, last) = (first as i64, last as i64);
                Some((first..=last).map(|n| (n as f64, unit, expr.span)).collect())
            }
            ExprKind::Measure { value, unit } => {
                let unit = match unit {
                    Some(name) => self.unit(name)?,
                    None => units::parse("1").ok()?,
                };
                Some(vec![(unit.to_si(*value), unit, expr.span)])
            }
            ExprKind::Negate(inner) => {
                let inner = self.numbers(inner)?;
                Some(inner.into_iter().map(|(v, unit, span)| (-v, unit, span)).collect())
            }
            _ => {
                self.error_with_help(
                    "not-a-number",
                    "numbers are wanted here",
                    (expr.span, "this is something else"),
                    "for instance 35 dBZ, or [20, 35] dBZ",
                );
                None
            }
        }
    }
}

/// A bare number takes the unit that stands after the bracket or at the right end.
pub(super) fn with_unit(expr: &Expr, shared: Option<&Name>) -> Expr {
    let mut expr = expr.clone();
    match &mut expr.kind {
        ExprKind::Measure { unit, .. } if unit.is_none() => *unit = shared.cloned(),
        ExprKind::Negate(inner) => **inner = with_unit(inner, shared),
        _ => {}
    }
    expr
}

/// The left end of a range with the unit of the right end, if it has none of its own.
pub(super) fn with_unit_of(start: &Expr, end: &Expr) -> Expr {
    let shared = match &end.kind {
        ExprKind::Measure { unit, .. } => unit.as_ref(),
        ExprKind::Negate(inner) => match &inner.kind {
            ExprKind::Measure { unit, .. } => unit.as_ref(),
            _ => None,
        },
        _ => None,
    };
    with_unit(start, shared)
}

/// The only value of a clause that has just one.
pub(super) fn single(clause: &tree::Clause) -> Option<&Expr> {
    match &clause.values[..] {
        [chain] => only_value(chain),
        _ => None,
    }
}

/// The only value of a chain that has no little words.
pub(super) fn only_value(chain: &Chain) -> Option<&Expr> {
    match &chain.parts[..] {
        [Part::Value(value)] => Some(value),
        _ => None,
    }
}
