//! Expressions: names become fields, numbers become SI, and every `+` joins like with like.

use std::rc::Rc;

use aurora_grammar::tree::{Binding, Comparison, Expr, ExprKind, ItemKind, Name, Operator};
use aurora_grammar::{Diagnostic, Span};

use super::walk::{Lines, ScanForm};
use super::{Checker, bare_name};
use crate::range;
use crate::resolve::ScopeId;
use crate::typed::{Binary, Typed, TypedExpr, TypedKind, Unary};
use crate::types::{FieldType, Support};
use crate::units::Scale;

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
                if let Some(number) = self.below_zero(&inner, expr.span) {
                    return Some(number);
                }
                self.refuse_point(&inner, "negated")?;
                let ty = inner.ty.clone();
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
            ExprKind::Scan { levels, direction, from, states, bindings, steps } => {
                let lines = Lines { states, bindings, steps };
                let form = ScanForm { levels, direction, from: from.as_deref(), lines };
                self.scan(scope, locals, &form, expr.span)
            }
            ExprKind::Iterate { count, states, bindings, steps } => {
                self.iterate(scope, locals, count, Lines { states, bindings, steps }, expr.span)
            }
            ExprKind::As { value, quantity } => {
                let value = self.expression_with(scope, locals, value)?;
                let Some(quantity) = bare_name(quantity) else {
                    let help = "for instance: srh3 as buoyant_energy";
                    let label = (quantity.span, "this is none");
                    self.error_with_help("wrong-argument", "behind `as` stands a quantity", label, help);
                    return None;
                };
                self.reinterpreted(&value, &quantity, expr.span)
            }
            ExprKind::Over { .. } => {
                self.error_with_help(
                    "misplaced-over",
                    "`over` stands inside mean, max, min or integral",
                    (expr.span, "not inside one"),
                    "for instance: max(w over 2 km .. 5 km)",
                );
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
            ty.scale = unit.scale;
            si = unit.to_si(value);
        }
        let unit = unit.map(|u| u.text.clone());
        Some(Rc::new(TypedExpr::new(TypedKind::Constant(si), ty, span, unit)))
    }

    fn name(&mut self, scope: ScopeId, locals: &Locals, name: &str, span: Span) -> Option<Typed> {
        if let Some((_, value)) = locals.iter().rev().find(|(n, _)| n == name) {
            return Some(at_span(value, span));
        }
        let resolved = self.resolved;
        if let Some((walk, state)) = name.split_once('.')
            && let Some(walk) = self.walk_named(scope, locals, walk, span)
        {
            return self.state_of(&walk?, state, span);
        }
        let Some(definition) = resolved.lookup(scope, name) else {
            self.unknown(scope, name, span, "");
            return None;
        };
        match &definition.item.kind {
            ItemKind::Variable { .. } => {
                let variable = self.variable(definition)?;
                Some(node(TypedKind::Variable(definition.id.clone()), variable.ty, span))
            }
            ItemKind::Derive { parameters, .. } if parameters.is_empty() => {
                let derived = self.derived(definition)?;
                if self.has_role(&definition.id) {
                    return Some(node(TypedKind::Variable(definition.id.clone()), derived.ty, span));
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
                let values = self.checked.levels.get(&definition.id).map(|levels| &levels.values[..]);
                let range = values.unwrap_or_default().iter().map(|v| range::exactly(*v)).reduce(range::hull);
                let ty = FieldType {
                    quantity: Some(coordinate.text.clone()),
                    dimension: unit.dimension,
                    support: Support::Levels(definition.id.clone()),
                    range: range.unwrap_or(range::UNKNOWN),
                    ..FieldType::number()
                };
                Some(node(TypedKind::Coordinate(definition.id.clone()), ty, span))
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

    /// What stands before the dot of `walk.state`, if it is known; within, nothing if it is known to be wrong.
    fn walk_named(
        &mut self,
        scope: ScopeId,
        locals: &Locals,
        name: &str,
        span: Span,
    ) -> Option<Option<Typed>> {
        if let Some((_, value)) = locals.iter().rev().find(|(n, _)| n == name) {
            return Some(Some(value.clone()));
        }
        let definition = self.resolved.lookup(scope, name)?;
        match &definition.item.kind {
            ItemKind::Derive { parameters, .. } if parameters.is_empty() => {
                Some(self.derived(definition).map(|derived| at_span(&derived.value, span)))
            }
            _ => None,
        }
    }

    fn binary(&mut self, operator: Operator, left: &Typed, right: &Typed, span: Span) -> Option<Typed> {
        match operator {
            Operator::Add => self.sum(Binary::Add, left, right, span),
            Operator::Subtract => self.sum(Binary::Subtract, left, right, span),
            Operator::Multiply | Operator::Divide => {
                self.product(operator == Operator::Divide, left, right, span)
            }
        }
    }

    fn product(&mut self, divide: bool, left: &Typed, right: &Typed, span: Span) -> Option<Typed> {
        self.refuse_point(left, "multiplied or divided")?;
        self.refuse_point(right, "multiplied or divided")?;
        let support = self.broadcast(left, right)?;
        let (a, b) = (&left.ty, &right.ty);
        let dimension = if divide { a.dimension.over(b.dimension) } else { a.dimension.times(b.dimension) };
        // A plain number leaves the kind of the other factor alone.
        let quantity = match (&a.quantity, &b.quantity) {
            (Some(q), None) if b.dimension.is_none() => Some(q.clone()),
            (None, Some(q)) if a.dimension.is_none() && !divide => Some(q.clone()),
            _ => None,
        };
        let decibel = |ty: &FieldType| ty.scale == Scale::Decibel;
        let scale =
            if (decibel(a) || decibel(b)) && !(divide && decibel(b)) { Scale::Decibel } else { Scale::Ratio };
        // What stands for two different intervals stands for neither.
        let cell = match (a.cell, b.cell) {
            (Some(x), Some(y)) if x != y => None,
            (x, y) => x.or(y),
        };
        let ty = FieldType { quantity, dimension, scale, support, cell, ..FieldType::number() };
        let op = if divide { Binary::Divide } else { Binary::Multiply };
        if divide {
            self.divisor_is_not_zero(right)?;
        }
        Some(node(TypedKind::Binary(op, left.clone(), right.clone()), ty, span))
    }

    /// `+`, `-`, `min`, `max`: both sides of one quantity.
    pub(super) fn sum(&mut self, op: Binary, left: &Typed, right: &Typed, span: Span) -> Option<Typed> {
        self.agree_in(left, right, verb(op), Some(span))?;
        let support = self.broadcast(left, right)?;
        let (a, b) = (&left.ty, &right.ty);
        let Some(scale) = sum_scale(op, a.scale, b.scale) else {
            if a.scale == Scale::Affine || b.scale == Scale::Affine {
                self.error_with_help(
                    "affine-sum",
                    "a temperature in °C or °F is a point on its scale, not an amount to add",
                    (span, "point + point is no temperature"),
                    "write the amount in kelvin: `t + 5 K`, not `t + 5 degC`",
                );
                return None;
            }
            self.error_with_help(
                "logarithmic-sum",
                "two values on a logarithmic scale cannot be added",
                (span, "dBZ + dBZ is no reflectivity"),
                "a difference of two is in dB, and dBZ + dB is dBZ",
            );
            return None;
        };
        let ty = FieldType {
            quantity: a.quantity.clone().or_else(|| b.quantity.clone()),
            dimension: a.dimension,
            scale,
            support,
            cell: a.cell.or(b.cell),
            ..FieldType::number()
        };
        Some(node(TypedKind::Binary(op, left.clone(), right.clone()), ty, span))
    }

    fn compare(&mut self, comparison: Comparison, left: &Typed, right: &Typed, span: Span) -> Option<Typed> {
        self.agree_in(left, right, "compared with", Some(span))?;
        let support = self.broadcast(left, right)?;
        let ty = FieldType { support, ..FieldType::number() };
        Some(node(TypedKind::Compare(comparison, left.clone(), right.clone()), ty, span))
    }

    fn power(&mut self, base: &Typed, exponent: f64, span: Span) -> Option<Typed> {
        self.refuse_point(base, "raised to a power")?;
        let Some(dimension) = base.ty.dimension.power(exponent) else {
            let message = format!("{} to the power {exponent} has no units", base.ty.spoken());
            self.error_with_help("unit-mismatch", message, (span, "here"), "make it a plain number first");
            return None;
        };
        if exponent < 0.0 {
            self.divisor_is_not_zero(base)?;
        }
        if exponent.fract() != 0.0 {
            self.is_not_negative(base, "raised to a broken power")?;
        }
        let ty = FieldType { quantity: None, dimension, layer: None, ..base.ty.clone() };
        let power = node(TypedKind::Constant(exponent), FieldType::number(), span);
        Some(node(TypedKind::Binary(Binary::Power, base.clone(), power), ty, span))
    }

    /// `srh3 as buoyant_energy`: the same numbers, knowingly taken for another quantity of the same dimension.
    fn reinterpreted(&mut self, value: &Typed, quantity: &Name, span: Span) -> Option<Typed> {
        let (unit, _) = self.quantity(quantity)?;
        let same_scale = (unit.scale == Scale::Logarithmic) == (value.ty.scale == Scale::Logarithmic);
        if unit.dimension != value.ty.dimension || !same_scale {
            let own = self.unit_of(&quantity.text).unwrap_or_default();
            let message =
                format!("{} cannot be taken for {}: the units differ", value.ty.spoken(), quantity.text);
            self.diagnostics.push(
                Diagnostic::error("unit-mismatch", message)
                    .label(value.span, format!("in {}", self.units_spoken(&value.ty)))
                    .label(quantity.span, format!("in {}", crate::units::pretty(&own)))
                    .help("`as` changes what a number is called, not its units: multiply or divide first"),
            );
            return None;
        }
        let scale = if unit.scale == Scale::Affine { Scale::Ratio } else { unit.scale };
        let ty = FieldType { quantity: Some(quantity.text.clone()), scale, ..value.ty.clone() };
        Some(node(TypedKind::Same(value.clone()), ty, span))
    }

    /// `-5 degC` is a number below zero on that scale, not the negative of a point.
    fn below_zero(&self, value: &Typed, span: Span) -> Option<Typed> {
        let spelt = value.unit.as_ref().filter(|_| value.ty.scale == Scale::Affine)?;
        let unit = crate::units::parse(spelt).ok()?;
        let si = unit.to_si(-unit.from_si(value.constant()?));
        let kind = TypedKind::Constant(si);
        Some(Rc::new(TypedExpr::new(kind, value.ty.clone(), span, value.unit.clone())))
    }

    /// Points on a scale, in °C or dBZ, cannot be scaled.
    pub(super) fn refuse_point(&mut self, value: &Typed, verb: &str) -> Option<()> {
        if value.ty.scale == Scale::Affine {
            self.error_with_help(
                "affine-arithmetic",
                format!("a temperature in °C or °F cannot be {verb}"),
                (value.span, "its zero is a convention"),
                "write it in kelvin, or subtract a reference first: `t - 0 degC` is a difference in K",
            );
            return None;
        }
        self.refuse_logarithmic(value, verb)
    }

    pub(super) fn refuse_logarithmic(&mut self, value: &Typed, verb: &str) -> Option<()> {
        if value.ty.scale == Scale::Logarithmic {
            self.error_with_help(
                "logarithmic-arithmetic",
                format!("a value on a logarithmic scale cannot be {verb}"),
                (value.span, "in dBZ"),
                "subtract a reference first, for the difference in dB can be scaled; or leave the scale: `linear(refc)` is in mm^6/m^3",
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
        TypedKind::Variable(_) | TypedKind::Coordinate(_) | TypedKind::State { .. } => {
            node(value.kind.clone(), value.ty.clone(), span)
        }
        _ => value.clone(),
    }
}

/// The same value under the type it was declared with; the shared node stays whole.
fn retype(value: &Typed, ty: FieldType) -> Typed {
    node(TypedKind::Same(value.clone()), ty, value.span)
}

/// On which scale a sum is; nothing if there is none. Point − point is a difference, point ± difference a point.
fn sum_scale(op: Binary, a: Scale, b: Scale) -> Option<Scale> {
    use Scale::{Affine, Decibel, Logarithmic, Ratio};
    Some(match (op, a, b) {
        (Binary::Minimum | Binary::Maximum, Affine | Ratio, Affine | Ratio) => Ratio,
        (Binary::Minimum | Binary::Maximum, s, t) if s == t => s,
        (Binary::Add, Logarithmic, Decibel) | (Binary::Add, Decibel, Logarithmic) => Logarithmic,
        (Binary::Subtract, Logarithmic, Decibel) => Logarithmic,
        (Binary::Subtract, Logarithmic, Logarithmic) => Decibel,
        (Binary::Subtract, Affine | Ratio, Affine | Ratio) => Ratio,
        (_, Decibel, Decibel) => Decibel,
        (_, Ratio, Ratio) => Ratio,
        _ => return None,
    })
}

fn verb(op: Binary) -> &'static str {
    match op {
        Binary::Add => "added to",
        Binary::Subtract => "subtracted from",
        _ => "compared with",
    }
}
