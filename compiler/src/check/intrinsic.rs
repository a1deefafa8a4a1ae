//! The intrinsic functions, each with its type rule. Everything else is written in the language.

use aurora_grammar::Span;
use aurora_grammar::tree::{ExprKind, Input, Name};

use super::Checker;
use super::expression::{Locals, node};
use crate::dimension::Dimension;
use crate::resolve::ScopeId;
use crate::typed::{Binary, Typed, TypedKind, Unary};
use crate::types::FieldType;
use crate::units::Scale;

/// The functions the compiler knows itself.
pub const INTRINSICS: [&str; 31] = [
    "abs", "atan2", "choose", "clamp", "cos", "ddt", "ddx", "ddy", "decibel", "each", "exp", "height",
    "here", "hypot", "index", "integral", "join", "last", "linear", "log", "max", "mean", "min", "pressure",
    "previous", "ramp", "sin", "slope", "sqrt", "step", "truth",
];

/// One decibel is the tenth of a power of ten.
const NEPERS_PER_DECIBEL: f64 = std::f64::consts::LN_10 / 10.0;
/// 1 mm⁶/m³, to which 0 dBZ refers, in m³.
const REFERENCE: f64 = 1e-18;

impl Checker<'_> {
    pub(super) fn intrinsic(
        &mut self,
        scope: ScopeId,
        locals: &Locals,
        function: &Name,
        inputs: &[Input],
        span: Span,
    ) -> Option<Typed> {
        let name = function.text.as_str();
        match name {
            "ramp" | "clamp" => return self.between(scope, locals, function, inputs, span),
            "step" => return self.step(scope, locals, function, inputs, span),
            "slope" => return self.slope(scope, locals, inputs, span),
            "each" => return self.each(scope, locals, inputs, span),
            _ => {}
        }
        let values = self.plain_inputs(scope, locals, inputs)?;
        match (name, &values[..]) {
            ("abs", [x]) => {
                self.refuse_point(x, "made positive")?;
                Some(unary(Unary::Absolute, x, x.ty.clone(), span))
            }
            ("sqrt", [x]) => self.square_root(x, span),
            ("exp" | "log", [x]) => {
                self.refuse_units(x, name)?;
                let op = if name == "exp" { Unary::Exponential } else { Unary::Logarithm };
                if name == "log" {
                    self.is_positive(x)?;
                }
                Some(unary(op, x, anonymous(x), span))
            }
            ("sin" | "cos", [x]) => {
                self.refuse_units(x, name)?;
                let op = if name == "sin" { Unary::Sine } else { Unary::Cosine };
                Some(unary(op, x, anonymous(x), span))
            }
            ("atan2", [y, x]) => {
                self.alike(y, x)?;
                let support = self.broadcast(y, x)?;
                let ty = FieldType { support, ..FieldType::number() };
                Some(node(TypedKind::Binary(Binary::ArcTangent, y.clone(), x.clone()), ty, span))
            }
            ("min" | "max", [first, rest @ ..]) if !rest.is_empty() => {
                let op = if name == "min" { Binary::Minimum } else { Binary::Maximum };
                let mut result = first.clone();
                for next in rest {
                    result = self.sum(op, &result, next, span)?;
                }
                Some(result)
            }
            ("hypot", [x, y]) => self.hypotenuse(x, y, span),
            ("previous", [x]) => self.previous(locals, x, span),
            ("choose", [mask, then, otherwise]) => self.choose(mask, then, otherwise, span),
            ("here", [x]) => self.here(x, span),
            ("join", [ground, above]) => self.join(ground, above, span),
            ("last", [walk]) => self.last(walk, span),
            ("pressure" | "height" | "index", [levels]) => self.coordinate_of(name, levels, span),
            ("linear", [x]) => self.linear(x, span),
            ("decibel", [x]) => self.decibel(x, span),
            ("ddx" | "ddy" | "ddt", [x]) => self.difference(name, x, span),
            ("mean" | "integral", _) | ("min" | "max", [_]) => {
                self.error_with_help(
                    "wrong-argument",
                    format!("`{name}` needs a layer"),
                    (span, "over which levels?"),
                    format!("for instance: {name}(t over 500 .. 1000 hPa)"),
                );
                None
            }
            _ => {
                let message = format!("`{name}` does not take {} inputs", values.len());
                self.error_with_help(
                    "wrong-argument",
                    message,
                    (span, "called here"),
                    "for instance: abs(x), exp(x), log(x), sqrt(x), hypot(x, y), atan2(y, x), min(x, y), choose(x > y, a, b)",
                );
                None
            }
        }
    }

    fn square_root(&mut self, x: &Typed, span: Span) -> Option<Typed> {
        self.refuse_point(x, "rooted")?;
        let Some(dimension) = x.ty.dimension.power(0.5) else {
            let message = format!("{} has no root", x.ty.spoken());
            self.error_with_help(
                "unit-mismatch",
                message,
                (x.span, "its units are no square"),
                "divide it by a scale first",
            );
            return None;
        };
        self.is_not_negative(x, "rooted")?;
        let ty = FieldType { dimension, ..anonymous(x) };
        Some(unary(Unary::SquareRoot, x, ty, span))
    }

    /// √(x² + y²): of two components, whatever their quantities are called.
    fn hypotenuse(&mut self, x: &Typed, y: &Typed, span: Span) -> Option<Typed> {
        self.alike(x, y)?;
        self.refuse_point(x, "squared")?;
        self.refuse_point(y, "squared")?;
        self.same_cell(x, y)?;
        let support = self.broadcast(x, y)?;
        let square = |v: &Typed| -> Typed {
            let dimension = v.ty.dimension.times(v.ty.dimension);
            node(
                TypedKind::Binary(Binary::Multiply, v.clone(), v.clone()),
                FieldType { dimension, ..anonymous(v) },
                span,
            )
        };
        let ty = FieldType { support, cell: x.ty.cell.or(y.ty.cell), ..anonymous(x) };
        let squared = FieldType { dimension: x.ty.dimension.times(x.ty.dimension), ..ty.clone() };
        let sum = node(TypedKind::Binary(Binary::Add, square(x), square(y)), squared, span);
        Some(unary(Unary::SquareRoot, &sum, ty, span))
    }

    /// `choose(x > y, a, b)` is a where the condition holds, else b. What is not chosen does not matter, missing or not.
    fn choose(&mut self, mask: &Typed, then: &Typed, otherwise: &Typed, span: Span) -> Option<Typed> {
        self.refuse_units(mask, "choose")?;
        self.agree_in(then, otherwise, "an alternative to", Some(span))?;
        let support = self.broadcast(then, otherwise)?;
        let same = then.ty.scale == otherwise.ty.scale;
        let points = |scale: Scale| matches!(scale, Scale::Affine | Scale::Ratio);
        let fits = same || points(then.ty.scale) && points(otherwise.ty.scale);
        if !fits {
            let help = "make both values in dBZ, or both differences in dB";
            let message = "a value in dBZ and a difference in dB are no alternatives";
            self.error_with_help("logarithmic-arithmetic", message, (span, "one of each"), help);
            return None;
        }
        let ty = FieldType {
            quantity: then.ty.quantity.clone().or_else(|| otherwise.ty.quantity.clone()),
            scale: if same && then.ty.scale != Scale::Affine { then.ty.scale } else { Scale::Ratio },
            support,
            layer: None,
            cell: then.ty.cell.or(otherwise.ty.cell),
            ..then.ty.clone()
        };
        let whole = self.broadcast(mask, &node(TypedKind::Constant(0.0), ty.clone(), span))?;
        let ty = FieldType { support: whole, ..ty };
        let (mask, then, otherwise) = (mask.clone(), then.clone(), otherwise.clone());
        Some(node(TypedKind::Select { mask, then, otherwise }, ty, span))
    }

    /// From dBZ to mm⁶/m³: 10^(x/10).
    fn linear(&mut self, x: &Typed, span: Span) -> Option<Typed> {
        if x.ty.scale != Scale::Logarithmic {
            self.error_with_help(
                "logarithmic-arithmetic",
                "`linear` takes a value on a logarithmic scale",
                (x.span, &format!("this is {}", x.ty.spoken())),
                "for instance: linear(refc)",
            );
            return None;
        }
        let ty = FieldType { scale: Scale::Ratio, layer: x.ty.layer, ..anonymous(x) };
        let share = FieldType { dimension: Dimension::NONE, ..ty.clone() };
        let nepers = times(x, NEPERS_PER_DECIBEL, share.clone(), span);
        let ratio = unary(Unary::Exponential, &nepers, share, span);
        Some(times(&ratio, REFERENCE, ty, span))
    }

    /// From mm⁶/m³ back to dBZ: 10 log₁₀ x.
    fn decibel(&mut self, x: &Typed, span: Span) -> Option<Typed> {
        let volume = Dimension::LENGTH.power(3.0)?;
        if x.ty.dimension != volume || x.ty.scale != Scale::Ratio {
            self.error_with_help(
                "unit-mismatch",
                "`decibel` takes a reflectivity factor in mm^6/m^3",
                (x.span, &format!("this is {}", x.ty.spoken())),
                "for instance: decibel(linear(refc) + 10 mm^6/m^3)",
            );
            return None;
        }
        self.is_positive(x)?;
        let share = FieldType { dimension: Dimension::NONE, ..anonymous(x) };
        let ratio = times(x, 1.0 / REFERENCE, share.clone(), span);
        let log = unary(Unary::Logarithm, &ratio, share, span);
        let quantity =
            self.resolved.quantities.contains_key("reflectivity").then(|| "reflectivity".to_string());
        let ty = FieldType { quantity, dimension: volume, scale: Scale::Logarithmic, ..anonymous(x) };
        Some(times(&log, 1.0 / NEPERS_PER_DECIBEL, ty, span))
    }

    fn alike(&mut self, x: &Typed, y: &Typed) -> Option<()> {
        if x.ty.dimension == y.ty.dimension { Some(()) } else { self.agree(x, y, "combined with") }
    }

    /// `ramp(x, a -> b)` is 0 at a and 1 at b, linear between; `clamp(x, a .. b)` keeps x within.
    fn between(
        &mut self,
        scope: ScopeId,
        locals: &Locals,
        function: &Name,
        inputs: &[Input],
        span: Span,
    ) -> Option<Typed> {
        let [Input { label: None, value: x }, Input { label: None, value: range }] = inputs else {
            let shape = if function.text == "ramp" { "ramp(x, a -> b)" } else { "clamp(x, a .. b)" };
            let message = format!("`{}` takes a field and two ends", function.text);
            self.error_with_help("wrong-argument", message, (span, "called here"), format!("write: {shape}"));
            return None;
        };
        let ExprKind::Range { start, end, .. } = &range.kind else {
            self.error_with_help(
                "wrong-argument",
                "two ends are wanted here",
                (range.span, "this is one value"),
                "for instance 0 .. 1",
            );
            return None;
        };
        let x = self.expression_with(scope, locals, x)?;
        let start = super::numbers::with_unit_of(start, end);
        let a = self.expression_with(scope, locals, &start)?;
        let b = self.expression_with(scope, locals, end)?;
        if let (Some(low), Some(high)) = (a.constant(), b.constant())
            && (if function.text == "clamp" { low > high } else { low == high })
        {
            let message = if function.text == "clamp" {
                "this range ends before it begins"
            } else {
                "a ramp needs two ends that differ"
            };
            self.error_with_help(
                "empty-range",
                message,
                (range.span, "empty"),
                "for instance: clamp(x, 0 .. 1), ramp(x, 2 km -> 1 km)",
            );
            return None;
        }
        if function.text == "clamp" {
            let low = self.sum(Binary::Maximum, &x, &a, span)?;
            return self.sum(Binary::Minimum, &low, &b, span);
        }
        let above = self.sum(Binary::Subtract, &x, &a, span)?;
        let width = self.sum(Binary::Subtract, &b, &a, span)?;
        let ty = FieldType { support: self.broadcast(&above, &width)?, ..FieldType::number() };
        let share = node(TypedKind::Binary(Binary::Divide, above, width), ty.clone(), span);
        let positive = self.positive_part(&share);
        let one = node(TypedKind::Constant(1.0), FieldType::number(), span);
        Some(node(TypedKind::Binary(Binary::Minimum, positive, one), ty, span))
    }

    /// `step(x, from = a)` is 1 where x ≥ a, else 0.
    fn step(
        &mut self,
        scope: ScopeId,
        locals: &Locals,
        function: &Name,
        inputs: &[Input],
        span: Span,
    ) -> Option<Typed> {
        let (plain, labelled): (Vec<_>, Vec<_>) = inputs.iter().cloned().partition(|i| i.label.is_none());
        let mut arguments = self.arguments(function, &labelled);
        let from = arguments.optional("from");
        arguments.finish(self);
        let ([x], Some(from)) = (&plain[..], from) else {
            self.error_with_help(
                "wrong-argument",
                "`step` takes a field and where it steps",
                (span, "called here"),
                "write: step(x, from = a)",
            );
            return None;
        };
        let x = self.expression_with(scope, locals, &x.value)?;
        let from = self.expression_with(scope, locals, &from)?;
        self.agree(&x, &from, "compared with")?;
        let support = self.broadcast(&x, &from)?;
        let ty = FieldType { support, ..FieldType::number() };
        Some(node(TypedKind::Step(x, from), ty, span))
    }
}

pub(super) fn unary(op: Unary, x: &Typed, ty: FieldType, span: Span) -> Typed {
    node(TypedKind::Unary(op, x.clone()), ty, span)
}

/// The value times a number, as a value of that type.
pub(super) fn times(x: &Typed, factor: f64, ty: FieldType, span: Span) -> Typed {
    let factor = node(TypedKind::Constant(factor), FieldType::number(), span);
    node(TypedKind::Binary(Binary::Multiply, x.clone(), factor), ty, span)
}

/// The type without its kind, its place in the column and its range.
pub(super) fn anonymous(x: &Typed) -> FieldType {
    FieldType { quantity: None, layer: None, range: crate::range::UNKNOWN, ..x.ty.clone() }
}
