//! What is written after `:`: quantities and units, supports, cells, ranges.

use std::collections::BTreeSet;

use aurora_grammar::tree::{self, Bound, Expr, ExprKind, ItemKind, Name};
use aurora_grammar::{Diagnostic, nearest};

use super::Checker;
use super::numbers::with_unit;
use crate::resolve::ScopeId;
use crate::types::{FieldType, Support};
use crate::units::{self, Scale, Unit};

impl Checker<'_> {
    /// A unit by its spelling, or a diagnostic and nothing.
    pub(super) fn unit(&mut self, name: &Name) -> Option<Unit> {
        units::parse(&name.text).map_err(|part| self.unknown_unit(name, &part)).ok()
    }

    fn unknown_unit(&mut self, name: &Name, part: &str) {
        let mut diagnostic = Diagnostic::error("unknown-unit", format!("`{part}` is not a unit known here"))
            .label(name.span, "read as a unit, for it follows a number");
        let long =
            units::LONG.iter().find(|(long, _)| long.eq_ignore_ascii_case(part)).map(|(_, unit)| *unit);
        diagnostic = match long.or_else(|| nearest(part, units::KNOWN)) {
            Some(near) => {
                let whole = name.text.replacen(part, near, 1);
                diagnostic.help(format!("did you mean `{near}`?")).fix(name.span, whole)
            }
            None => diagnostic.help(format!("among others there are {}", units::KNOWN.join(", "))),
        };
        self.diagnostics.push(diagnostic);
    }

    /// The unit of a declared quantity and its spelling.
    pub(super) fn quantity(&mut self, name: &Name) -> Option<(Unit, String)> {
        let Some(definition) = self.resolved.quantities.get(&name.text) else {
            let message = format!("there is no quantity `{}`", name.text);
            let mut diagnostic =
                Diagnostic::error("unknown-quantity", message).label(name.span, "not a declared quantity");
            let known = self.resolved.quantities.keys().map(String::as_str);
            if let Some(near) = nearest(&name.text, known) {
                diagnostic = diagnostic.help(format!("did you mean `{near}`?")).fix(name.span, near);
            } else {
                diagnostic = diagnostic.help(format!("declare it: quantity {} = UNIT", name.text));
            }
            self.diagnostics.push(diagnostic);
            return None;
        };
        let ItemKind::Quantity { unit, .. } = definition.item.kind.clone() else { return None };
        let parsed = self.unit(&unit)?;
        if parsed.factor != 1.0 || parsed.offset != 0.0 {
            // Values are kept and computed in SI, so this unit is also their label.
            self.error_with_help(
                "wrong-argument",
                "a quantity is declared in SI units",
                (unit.span, "numbers may be written in it, values are not kept in it"),
                format!(
                    "for instance: quantity {} = {}",
                    name.text,
                    parsed.dimension.to_string().replace(' ', "*")
                ),
            );
            return None;
        }
        Some((parsed, unit.text))
    }

    /// What was written after `:`.
    pub(super) fn field_type(&mut self, scope: ScopeId, ty: &tree::Type) -> Option<FieldType> {
        let (unit, _) = self.quantity(&ty.quantity)?;
        let support = match &ty.support {
            None => Support::Constant,
            Some(support) => self.support(scope, support)?,
        };
        let cell = ty.cell.as_ref().map(|cell| {
            let over = match &cell.over.kind {
                ExprKind::Measure { value, unit } => {
                    format!("{value} {}", unit.as_ref().map_or("", |u| u.text.as_str()))
                }
                _ => String::new(),
            };
            format!("{} over {over}", cell.method.text)
        });
        let mut result = FieldType {
            quantity: Some(ty.quantity.text.clone()),
            dimension: unit.dimension,
            scale: if unit.scale == Scale::Affine { Scale::Ratio } else { unit.scale },
            support,
            cell,
            range: (None, None),
        };
        result.range = self.bound(scope, ty.bound.as_ref(), &result);
        Some(result)
    }

    fn support(&mut self, scope: ScopeId, support: &tree::Support) -> Option<Support> {
        match support.name.text.as_str() {
            "static" => return Some(Support::Static),
            "surface" => return Some(Support::Surface),
            "column" => return Some(Support::Column),
            _ => {}
        }
        let found = self
            .resolved
            .lookup(scope, &support.name.text)
            .filter(|d| matches!(d.item.kind, ItemKind::Levels { .. }));
        match found {
            Some(definition) => Some(Support::Levels(definition.id.clone())),
            None => {
                let message = format!("`{}` is no place where fields live", support.name.text);
                // What is not brought in cannot be meant.
                let visible: BTreeSet<&str> = self.resolved.visible(scope).collect();
                let levels: Vec<String> = self
                    .checked
                    .levels
                    .keys()
                    .filter(|id| visible.contains(id.rsplit('.').next().unwrap_or(id)))
                    .map(|id| id.rsplit('.').next().unwrap_or(id).to_string())
                    .collect();
                let places =
                    ["static", "surface", "column"].into_iter().chain(levels.iter().map(String::as_str));
                let mut diagnostic = Diagnostic::error("unknown-name", message)
                    .label(support.name.span, "neither static, surface, column nor a set of levels")
                    .help(
                        "define it: levels NAME : pressure = [1000, 850, 500] hPa, or bring it in with `use`",
                    );
                if let Some(near) = nearest(&support.name.text, places) {
                    diagnostic =
                        diagnostic.help(format!("did you mean `{near}`?")).fix(support.name.span, near);
                }
                self.diagnostics.push(diagnostic);
                None
            }
        }
    }

    fn bound(&mut self, scope: ScopeId, bound: Option<&Bound>, ty: &FieldType) -> (Option<f64>, Option<f64>) {
        use aurora_grammar::tree::Comparison::*;
        match bound {
            None => (None, None),
            Some(Bound::Compare { comparison, value }) => {
                let value = self.limit(scope, value, ty);
                match comparison {
                    GreaterEqual | Greater => (value, None),
                    LessEqual | Less => (None, value),
                    Equal => (value, value),
                }
            }
            Some(Bound::In(range)) => match &range.kind {
                ExprKind::Range { start, end, .. } => {
                    let end_unit = match &end.kind {
                        ExprKind::Measure { unit, .. } => unit.clone(),
                        _ => None,
                    };
                    let start = with_unit(start, end_unit.as_ref());
                    let (low, high) = (self.limit(scope, &start, ty), self.limit(scope, end, ty));
                    if let (Some(l), Some(h)) = (low, high)
                        && l > h
                    {
                        self.diagnostics.push(
                            Diagnostic::error("empty-range", "this range is empty")
                                .label(range.span, "begins above its end")
                                .help("turn its two ends round")
                                .fix(range.span, format!("{end} .. {start}")),
                        );
                    }
                    (low, high)
                }
                _ => (None, None),
            },
        }
    }

    /// One end of a range. A bare zero needs no unit.
    fn limit(&mut self, scope: ScopeId, expr: &Expr, ty: &FieldType) -> Option<f64> {
        let typed = self.expression(scope, expr)?;
        let value = typed.constant();
        if value.is_none() {
            self.error_with_help(
                "not-constant",
                "a range is between numbers",
                (expr.span, "not known before the data are"),
                "for instance: in 180 .. 340 K",
            );
        }
        if value != Some(0.0) && !self.agree_to(ty, &typed) {
            return None;
        }
        value
    }
}
