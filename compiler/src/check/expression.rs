//! Expressions: names become fields, numbers become SI, and every `+` joins like with like.

use std::rc::Rc;

use aurora_grammar::tree::{Binding, Comparison, Expr, ExprKind, ItemKind, Name, Operator};
use aurora_grammar::{Diagnostic, Span};

use super::{Checker, bare_name};
use crate::resolve::ScopeId;
use crate::typed::{Binary, Typed, TypedExpr, TypedKind, Unary};
use crate::types::{FieldType, Support};
use crate::units::{self, Scale};

/// Names that a `where` or a function's parameters bring, innermost last.
pub type Locals = Vec<(String, Typed)>;

impl Checker<'_> {
    pub(super) fn expression(&mut self, scope: ScopeId, expr: &Expr) -> Option<Typed> {
        self.expression_with(scope, &Vec::new(), expr)
    }

    /// The expression with its `where` bindings, each of which may use those before it.
    pub(super) fn with_bindings(
        &mut self,
        scope: ScopeId,
        mut locals: Locals,
        bindings: &[Binding],
        value: &Expr,
    ) -> Option<Typed> {
        self.bind(scope, &mut locals, bindings)?;
        self.expression_with(scope, &locals, value)
    }

    pub(super) fn bind(&mut self, scope: ScopeId, locals: &mut Locals, bindings: &[Binding]) -> Option<()> {
        for binding in bindings {
            let value = self.expression_with(scope, locals, &binding.value)?;
            locals.push((binding.name.text.clone(), value));
        }
        Some(())
    }

    pub(super) fn expression_with(&mut self, scope: ScopeId, locals: &Locals, expr: &Expr) -> Option<Typed> {
        match &expr.kind {
            ExprKind::Measure { value, unit } => self.measure(*value, unit.as_ref(), expr.span),
            ExprKind::Path(name) => self.name(scope, locals, name, expr.span),
            ExprKind::Negate(inner) => {
                let inner = self.expression_with(scope, locals, inner)?;
                self.refuse_logarithmic(&inner, "negated")?;
                let ty = FieldType { range: (None, None), ..inner.ty.clone() };
                Some(node(TypedKind::Unary(Unary::Negate, inner), ty, expr.span))
            }
            ExprKind::Binary { operator, left, right } => {
                let left = self.expression_with(scope, locals, left);
                let right = self.expression_with(scope, locals, right);
                self.binary(*operator, &left?, &right?, expr.span)
            }
            ExprKind::Power { base, exponent } => {
                let base = self.expression_with(scope, locals, base)?;
                self.power(&base, *exponent, expr.span)
            }
            ExprKind::Relation { left, comparison, right } => {
                let left = self.expression_with(scope, locals, left);
                let right = self.expression_with(scope, locals, right);
                self.compare(*comparison, &left?, &right?, expr.span)
            }
            ExprKind::At { value, place } => {
                let value = self.expression_with(scope, locals, value)?;
                self.at(scope, locals, &value, place, expr.span)
            }
            ExprKind::Call { function, inputs } => self.call(scope, locals, function, inputs, expr.span),
            ExprKind::Over { .. } => {
                self.error_with_help(
                    "misplaced-over",
                    "`over` stands inside mean, max, min or integral",
                    (expr.span, "not inside one"),
                    "for instance: max(w over 2 km .. 5 km)",
                );
                None
            }
            ExprKind::Scan { .. } => {
                self.not_yet("`scan`", expr.span);
                None
            }
            ExprKind::Iterate { .. } => {
                self.not_yet("`iterate`", expr.span);
                None
            }
            ExprKind::Date(_) | ExprKind::Text(_) | ExprKind::List { .. } | ExprKind::Range { .. } => {
                self.error_with_help(
                    "not-a-field",
                    "a field or a number is wanted here",
                    (expr.span, "this is neither"),
                    "for instance t2m, or 273.15 K",
                );
                None
            }
        }
    }

    fn measure(&mut self, value: f64, unit: Option<&Name>, span: Span) -> Option<Typed> {
        let mut ty = FieldType::number();
        let mut si = value;
        if let Some(name) = unit {
            let unit = self.unit(name)?;
            ty.dimension = unit.dimension;
            ty.scale = if unit.scale == Scale::Affine { Scale::Ratio } else { unit.scale };
            si = unit.to_si(value);
        }
        let unit = unit.map(|u| u.text.clone());
        Some(Rc::new(TypedExpr::new(TypedKind::Constant(si), ty, span, unit)))
    }

    fn name(&mut self, scope: ScopeId, locals: &Locals, name: &str, span: Span) -> Option<Typed> {
        if let Some((_, value)) = locals.iter().rev().find(|(n, _)| n == name) {
            return Some(at_span(value, span));
        }
        let Some(definition) = self.resolved.lookup(scope, name).cloned() else {
            self.unknown(scope, name, span, "");
            return None;
        };
        match &definition.item.kind {
            ItemKind::Variable { .. } => {
                let variable = self.variable(&definition)?;
                Some(node(TypedKind::Variable(definition.id), variable.ty, span))
            }
            ItemKind::Derive { parameters, .. } if parameters.is_empty() => {
                let derived = self.derived(&definition)?;
                if self.has_role(&definition.id) {
                    return Some(node(TypedKind::Variable(definition.id), derived.ty, span));
                }
                let value = &derived.value;
                let kind = match &value.kind {
                    TypedKind::Constant(c) => TypedKind::Constant(*c),
                    TypedKind::Variable(id) => TypedKind::Variable(id.clone()),
                    // Shared as it is, so that it is lowered once; only its type may be narrower.
                    _ => {
                        return Some(if value.ty == derived.ty {
                            value.clone()
                        } else {
                            retype(value, derived.ty)
                        });
                    }
                };
                Some(node(kind, derived.ty, span))
            }
            ItemKind::Levels { coordinate, .. } => {
                let (unit, _) = self.quantity(&coordinate.clone())?;
                let ty = FieldType {
                    quantity: Some(coordinate.text.clone()),
                    dimension: unit.dimension,
                    support: Support::Levels(definition.id.clone()),
                    ..FieldType::number()
                };
                Some(node(TypedKind::Coordinate(definition.id), ty, span))
            }
            _ => {
                let message = format!("`{name}` is not a field");
                self.diagnostics.push(
                    Diagnostic::error("not-a-field", message)
                        .label(span, "used as one")
                        .label(definition.name.span, "defined here")
                        .help("a field is a `variable` or a `derive`"),
                );
                None
            }
        }
    }

    fn binary(&mut self, operator: Operator, left: &Typed, right: &Typed, span: Span) -> Option<Typed> {
        match operator {
            Operator::Add => self.sum(Binary::Add, left, right, span),
            Operator::Subtract => self.sum(Binary::Subtract, left, right, span),
            Operator::Multiply | Operator::Divide => {
                self.refuse_logarithmic(left, "multiplied or divided")?;
                self.refuse_logarithmic(right, "multiplied or divided")?;
                let support = self.broadcast(left, right, span)?;
                let divide = operator == Operator::Divide;
                let (a, b) = (&left.ty, &right.ty);
                let dimension =
                    if divide { a.dimension.over(b.dimension) } else { a.dimension.times(b.dimension) };
                // A plain number leaves the kind of the other factor alone.
                let quantity = match (&a.quantity, &b.quantity) {
                    (Some(q), None) if b.dimension.is_none() => Some(q.clone()),
                    (None, Some(q)) if a.dimension.is_none() && !divide => Some(q.clone()),
                    _ => None,
                };
                let scale = if a.scale == Scale::Decibel || b.scale == Scale::Decibel {
                    if !divide || b.scale != Scale::Decibel { Scale::Decibel } else { Scale::Ratio }
                } else {
                    Scale::Ratio
                };
                let cell = a.cell.clone().or_else(|| b.cell.clone());
                let ty = FieldType { quantity, dimension, scale, support, cell, range: (None, None) };
                let op = if divide { Binary::Divide } else { Binary::Multiply };
                Some(node(TypedKind::Binary(op, left.clone(), right.clone()), ty, span))
            }
        }
    }

    /// `+`, `-`, `min`, `max`: both sides of one quantity.
    pub(super) fn sum(&mut self, op: Binary, left: &Typed, right: &Typed, span: Span) -> Option<Typed> {
        self.agree(left, right, verb(op))?;
        let support = self.broadcast(left, right, span)?;
        let (a, b) = (&left.ty, &right.ty);
        use Scale::{Decibel, Logarithmic, Ratio};
        let scale = match (op, a.scale, b.scale) {
            (Binary::Minimum | Binary::Maximum, s, t) if s == t => s,
            (Binary::Add, Logarithmic, Decibel) | (Binary::Add, Decibel, Logarithmic) => Logarithmic,
            (Binary::Subtract, Logarithmic, Decibel) => Logarithmic,
            (Binary::Subtract, Logarithmic, Logarithmic) => Decibel,
            (_, Decibel, Decibel) => Decibel,
            (_, Ratio, Ratio) => Ratio,
            _ => {
                self.diagnostics.push(
                    Diagnostic::error("logarithmic-sum", "two values on a logarithmic scale cannot be added")
                        .label(span, "dBZ + dBZ is no reflectivity")
                        .help("a difference of two is in dB, and dBZ + dB is dBZ"),
                );
                return None;
            }
        };
        let ty = FieldType {
            quantity: a.quantity.clone().or_else(|| b.quantity.clone()),
            dimension: a.dimension,
            scale,
            support,
            cell: a.cell.clone().or_else(|| b.cell.clone()),
            range: (None, None),
        };
        Some(node(TypedKind::Binary(op, left.clone(), right.clone()), ty, span))
    }

    fn compare(&mut self, comparison: Comparison, left: &Typed, right: &Typed, span: Span) -> Option<Typed> {
        self.agree(left, right, "compared with")?;
        let support = self.broadcast(left, right, span)?;
        let ty = FieldType { support, ..FieldType::number() };
        Some(node(TypedKind::Compare(comparison, left.clone(), right.clone()), ty, span))
    }

    fn power(&mut self, base: &Typed, exponent: f64, span: Span) -> Option<Typed> {
        self.refuse_logarithmic(base, "raised to a power")?;
        let Some(dimension) = base.ty.dimension.power(exponent) else {
            let message = format!("{} to the power {exponent} has no units", base.ty.spoken());
            self.error_with_help("unit-mismatch", message, (span, "here"), "make it a plain number first");
            return None;
        };
        let ty = FieldType { quantity: None, dimension, range: (None, None), ..base.ty.clone() };
        let power = node(TypedKind::Constant(exponent), FieldType::number(), span);
        Some(node(TypedKind::Binary(Binary::Power, base.clone(), power), ty, span))
    }

    /// Both sides measure the same thing in the same way.
    pub(super) fn agree(&mut self, left: &Typed, right: &Typed, verb: &str) -> Option<()> {
        let (a, b) = (&left.ty, &right.ty);
        let mismatch = match (&a.quantity, &b.quantity) {
            _ if a.dimension != b.dimension => Some("unit-mismatch"),
            (Some(x), Some(y)) if x != y => Some("quantity-mismatch"),
            (Some(_), None) if self.foreign_spelling(a, right) => Some("quantity-mismatch"),
            (None, Some(_)) if self.foreign_spelling(b, left) => Some("quantity-mismatch"),
            _ => None,
        };
        if let Some(code) = mismatch {
            self.mismatch(code, left, right, verb);
            return None;
        }
        if let (Some(x), Some(y)) = (&a.cell, &b.cell)
            && x != y
        {
            self.diagnostics.push(
                Diagnostic::error("cell-mismatch", format!("{x} and {y} are different things"))
                    .label(left.span, x.clone())
                    .label(right.span, y.clone())
                    .help("use each by itself, or variables of one kind: both a maximum over 1 h, or both instantaneous"),
            );
            return None;
        }
        Some(())
    }

    /// Whether a number of the right dimension is spelt in a unit that belongs to another kind: `J/kg`
    /// is energy, so 2500 J/kg is no helicity although J/kg = m²/s².
    fn foreign_spelling(&mut self, ty: &FieldType, number: &Typed) -> bool {
        let (Some(quantity), Some(spelt)) = (&ty.quantity, &number.unit) else { return false };
        let Some(definition) = self.resolved.quantities.get(quantity) else { return false };
        let ItemKind::Quantity { unit, .. } = &definition.item.kind else { return false };
        let energy = |unit: &str| {
            unit.split(['/', '*']).any(|atom| matches!(atom.split('^').next(), Some("J" | "kJ" | "W" | "kW")))
        };
        energy(spelt) && !energy(&unit.text)
    }

    fn mismatch(&mut self, code: &'static str, left: &Typed, right: &Typed, verb: &str) {
        let name = |t: &Typed| match &t.unit {
            Some(unit) => format!("a value in {unit}"),
            None => t.ty.spoken(),
        };
        let (a, b) = (name(left), name(right));
        let same = left.ty.dimension == right.ty.dimension;
        let mut diagnostic = Diagnostic::error(code, format!("{a} cannot be {verb} {b}"));
        if same {
            diagnostic = diagnostic
                .label(left.span, format!("this is {a}"))
                .label(right.span, format!("this is {b}: the units agree, the quantities do not"));
        } else {
            diagnostic = diagnostic
                .label(left.span, format!("in {}", self.units_spoken(&left.ty)))
                .label(right.span, format!("in {}", self.units_spoken(&right.ty)));
        }
        for side in [left, right] {
            if let Some((text, span)) = self.declared_as(side) {
                diagnostic = diagnostic.label(span, text);
            }
        }
        let written = [(left, right), (right, left)].into_iter().find_map(|(field, number)| {
            let unit = number.unit.as_ref().filter(|_| same)?;
            let quantity = field.ty.quantity.as_ref()?;
            let ItemKind::Quantity { unit: own, .. } = &self.resolved.quantities.get(quantity)?.item.kind
            else {
                return None;
            };
            let number = number.constant()? / units::parse(&own.text).ok()?.factor;
            Some(format!("{quantity} is written in {}, not in {unit}: {number} {}", own.text, own.text))
        });
        diagnostic = match written {
            Some(help) => diagnostic.help(help),
            None if same => diagnostic.help("to combine them as numbers, divide each by a scale of its own"),
            None => diagnostic.help(match (left.ty.quantity.as_ref(), right.unit.as_ref()) {
                (Some(_), Some(_)) => format!("write the number in {}", self.units_spoken(&left.ty)),
                _ => "both sides must measure the same thing".to_string(),
            }),
        };
        self.diagnostics.push(diagnostic);
    }

    /// The unit in which a value is kept, as it is written.
    pub(super) fn units_spoken(&self, ty: &FieldType) -> String {
        match ty.scale {
            Scale::Logarithmic => return "dBZ".to_string(),
            Scale::Decibel => return "dB".to_string(),
            Scale::Ratio | Scale::Affine => {}
        }
        let declared = ty.quantity.as_ref().and_then(|quantity| self.resolved.quantities.get(quantity));
        match declared.map(|definition| &definition.item.kind) {
            Some(ItemKind::Quantity { unit, .. }) if unit.text != "1" => unit.text.clone(),
            _ if ty.dimension.is_none() => "plain numbers".to_string(),
            _ => ty.dimension.to_string(),
        }
    }

    /// Where a variable's kind is declared.
    fn declared_as(&self, side: &Typed) -> Option<(String, Span)> {
        let TypedKind::Variable(id) = &side.kind else { return None };
        let definition = self.resolved.definitions.get(id)?;
        let ItemKind::Variable { ty: Some(ty), .. } = &definition.item.kind else { return None };
        Some((format!("{} is {}", definition.name.text, ty.quantity.text), ty.quantity.span))
    }

    /// Whether a value fits a type; a diagnostic if not.
    pub(super) fn agree_to(&mut self, ty: &FieldType, value: &Typed) -> bool {
        let pattern = node(TypedKind::Constant(0.0), ty.clone(), value.span);
        self.agree(&pattern, value, "given as").is_some()
    }

    pub(super) fn broadcast(&mut self, left: &Typed, right: &Typed, _span: Span) -> Option<Support> {
        let support = left.ty.support.broadcast(&right.ty.support);
        if support.is_none() {
            let count = |support: &Support| match support {
                Support::Levels(id) => self.checked.levels.get(id).map_or(0, |l| l.values.len()),
                _ => 0,
            };
            let text = |t: &Typed| format!("on `{}`, {} levels", t.ty.support, count(&t.ty.support));
            self.diagnostics.push(
                Diagnostic::error("level-mismatch", "these two fields live on different levels")
                    .label(left.span, text(left))
                    .label(right.span, text(right))
                    .help("bring one to the other with `at`"),
            );
        }
        support
    }

    pub(super) fn refuse_logarithmic(&mut self, value: &Typed, verb: &str) -> Option<()> {
        if value.ty.scale == Scale::Logarithmic {
            self.error_with_help(
                "logarithmic-arithmetic",
                format!("a value on a logarithmic scale cannot be {verb}"),
                (value.span, "in dBZ"),
                "subtract a reference first; the difference in dB can be scaled",
            );
            return None;
        }
        Some(())
    }

    /// A plain number is needed, as by `exp` and `log`.
    pub(super) fn refuse_units(&mut self, value: &Typed, function: &str) -> Option<()> {
        if !value.ty.is_plain_number() {
            self.error_with_help(
                "unit-mismatch",
                format!("`{function}` takes a plain number, not {}", value.ty.spoken()),
                (value.span, "has units"),
                "divide it by a scale first, for instance `/ 1000 hPa`",
            );
            return None;
        }
        Some(())
    }

    pub(super) fn node_unary(&mut self, op: Unary, value: &Typed, ty: FieldType) -> Typed {
        node(TypedKind::Unary(op, value.clone()), ty, value.span)
    }

    /// `max(x, 0)`, in the units of x.
    pub(super) fn positive_part(&mut self, value: &Typed) -> Typed {
        let zero = node(
            TypedKind::Constant(0.0),
            FieldType { support: Support::Constant, ..value.ty.clone() },
            value.span,
        );
        node(TypedKind::Binary(Binary::Maximum, value.clone(), zero), value.ty.clone(), value.span)
    }

    /// The definition behind an expression that is only a name.
    pub(super) fn named(&self, scope: ScopeId, expr: &Expr) -> Option<crate::resolve::Definition> {
        let name = bare_name(expr)?;
        self.resolved.lookup(scope, &name.text).cloned()
    }
}

pub(super) fn node(kind: TypedKind, ty: FieldType, span: Span) -> Typed {
    Rc::new(TypedExpr::new(kind, ty, span, None))
}

/// The same value, pointed at where it is used.
fn at_span(value: &Typed, span: Span) -> Typed {
    match &value.kind {
        TypedKind::Constant(c) => {
            Rc::new(TypedExpr::new(TypedKind::Constant(*c), value.ty.clone(), span, value.unit.clone()))
        }
        TypedKind::Variable(id) => node(TypedKind::Variable(id.clone()), value.ty.clone(), span),
        _ => value.clone(),
    }
}

/// The same value under the type it was declared with; the shared node stays whole.
fn retype(value: &Typed, ty: FieldType) -> Typed {
    node(TypedKind::Same(value.clone()), ty, value.span)
}

fn verb(op: Binary) -> &'static str {
    match op {
        Binary::Add => "added to",
        Binary::Subtract => "subtracted from",
        _ => "compared with",
    }
}
