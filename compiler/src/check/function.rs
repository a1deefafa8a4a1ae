//! Calls: the intrinsic functions, each with its type rule, and the functions written in the language.

use aurora_grammar::tree::{ExprKind, Input, ItemKind, Name, Parameter};
use aurora_grammar::{Diagnostic, Span, nearest};

use super::Checker;
use super::expression::{Locals, node};
use crate::resolve::{Definition, ScopeId};
use crate::typed::{Binary, Typed, TypedKind, Unary};
use crate::types::{FieldType, Support};
use crate::units::Scale;

/// The functions the compiler knows itself; everything else is written in the language.
pub const INTRINSICS: [&str; 13] = [
    "abs", "clamp", "exp", "hypot", "integral", "log", "max", "mean", "min", "ramp", "sqrt", "step", "truth",
];

/// Calls of functions that are written out for one recipe.
const MOST_CALLS: usize = 10_000;

/// Functions that have a meaning in a loss only.
pub(super) const LOSS_ONLY: [&str; 7] = ["mae", "mse", "huber", "crps", "spectral", "fss", "truth"];

impl Checker<'_> {
    pub(super) fn call(
        &mut self,
        scope: ScopeId,
        locals: &Locals,
        function: &Name,
        inputs: &[Input],
        span: Span,
    ) -> Option<Typed> {
        let name = function.text.as_str();
        if let [Input { label: None, value }] = inputs
            && let ExprKind::Over { value, extent } = &value.kind
        {
            let value = self.expression_with(scope, locals, value)?;
            return self.over(scope, locals, function, &value, extent, span);
        }
        if LOSS_ONLY.contains(&name) {
            self.error_with_help(
                "misplaced-loss",
                format!("`{name}` has a meaning in a loss only"),
                (span, "not in a loss"),
                format!(
                    "for instance: loss NAME = {}",
                    if name == "truth" { "mae(refc)".into() } else { format!("{name}(refc)") }
                ),
            );
            return None;
        }
        if INTRINSICS.contains(&name) {
            return self.intrinsic(scope, locals, function, inputs, span);
        }
        match self.resolved.lookup(scope, name).cloned() {
            Some(definition) => self.user_function(scope, locals, &definition, function, inputs, span),
            None => {
                let visible: Vec<&str> = self.resolved.visible(scope).collect();
                let near = nearest(name, visible.into_iter().chain(INTRINSICS));
                let mut diagnostic =
                    Diagnostic::error("unknown-name", format!("there is no function `{name}`"))
                        .label(function.span, "not found");
                diagnostic = match near {
                    Some(near) => diagnostic.help(format!("did you mean `{near}`?")).fix(function.span, near),
                    None => diagnostic.help(format!("the compiler itself knows {}", INTRINSICS.join(", "))),
                };
                self.diagnostics.push(diagnostic);
                None
            }
        }
    }

    fn intrinsic(
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
            _ => {}
        }
        let values = self.plain_inputs(scope, locals, inputs)?;
        match (name, &values[..]) {
            ("abs", [x]) => {
                self.refuse_logarithmic(x, "made positive")?;
                Some(self.unary(Unary::Absolute, x, x.ty.clone(), span))
            }
            ("sqrt", [x]) => {
                self.refuse_logarithmic(x, "rooted")?;
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
                let ty = FieldType { quantity: None, dimension, ..x.ty.clone() };
                Some(self.unary(Unary::SquareRoot, x, ty, span))
            }
            ("exp" | "log", [x]) => {
                self.refuse_units(x, name)?;
                let op = if name == "exp" { Unary::Exponential } else { Unary::Logarithm };
                let ty = FieldType { quantity: None, ..x.ty.clone() };
                Some(self.unary(op, x, ty, span))
            }
            ("min" | "max", [first, rest @ ..]) if !rest.is_empty() => {
                let op = if name == "min" { Binary::Minimum } else { Binary::Maximum };
                let mut result = first.clone();
                for next in rest {
                    result = self.sum(op, &result, next, span)?;
                }
                Some(result)
            }
            ("hypot", [x, y]) => {
                if x.ty.dimension != y.ty.dimension {
                    self.agree(x, y, "combined with")?;
                }
                self.refuse_logarithmic(x, "squared")?;
                let support = self.broadcast(x, y, span)?;
                let square = |v: &Typed| {
                    let ty = FieldType { quantity: None, range: (None, None), ..v.ty.clone() };
                    node(TypedKind::Binary(Binary::Multiply, v.clone(), v.clone()), ty, span)
                };
                let ty = FieldType { quantity: None, support, range: (None, None), ..x.ty.clone() };
                let sum = node(TypedKind::Binary(Binary::Add, square(x), square(y)), ty.clone(), span);
                Some(self.unary(Unary::SquareRoot, &sum, ty, span))
            }
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
                    "for instance: abs(x), exp(x), log(x), sqrt(x), hypot(x, y), min(x, y), max(x, y)",
                );
                None
            }
        }
    }

    fn unary(&mut self, op: Unary, x: &Typed, ty: FieldType, span: Span) -> Typed {
        node(TypedKind::Unary(op, x.clone()), FieldType { range: (None, None), ..ty }, span)
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
        let shared = match &end.kind {
            ExprKind::Measure { unit, .. } => unit.clone(),
            _ => None,
        };
        let a = self.expression_with(scope, locals, &super::numbers::with_unit(start, shared.as_ref()))?;
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
        let ty = FieldType { support: above.ty.support.clone(), ..FieldType::number() };
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
        let support = self.broadcast(&x, &from, span)?;
        let ty = FieldType { support, ..FieldType::number() };
        let at_least = aurora_grammar::tree::Comparison::GreaterEqual;
        Some(node(TypedKind::Compare(at_least, x, from), ty, span))
    }

    fn plain_inputs(&mut self, scope: ScopeId, locals: &Locals, inputs: &[Input]) -> Option<Vec<Typed>> {
        let mut values = Vec::with_capacity(inputs.len());
        for input in inputs {
            if let Some(label) = &input.label {
                self.error_with_help(
                    "unknown-argument",
                    format!("no input is called `{}`", label.text),
                    (label.span, "not understood"),
                    "write the value alone",
                );
                return None;
            }
            values.push(self.expression_with(scope, locals, &input.value));
        }
        values.into_iter().collect()
    }

    /// A `derive` with parameters, inlined where it is used.
    fn user_function(
        &mut self,
        scope: ScopeId,
        locals: &Locals,
        definition: &Definition,
        function: &Name,
        inputs: &[Input],
        span: Span,
    ) -> Option<Typed> {
        let ItemKind::Derive { parameters, ty, value, bindings, .. } = &definition.item.kind else {
            self.diagnostics.push(
                Diagnostic::error("not-a-function", format!("`{}` is not a function", function.text))
                    .label(function.span, "called here")
                    .label(definition.name.span, "defined here")
                    .help(format!("write its name alone: {}", function.text)),
            );
            return None;
        };
        if parameters.is_empty() {
            let message = format!("`{}` takes no inputs", function.text);
            self.error_with_help("not-a-function", message, (span, "called here"), "write its name alone");
            return None;
        }
        if self.failed.contains(&definition.id) {
            return None;
        }
        let arguments = self.bind_parameters(scope, locals, definition, parameters, inputs, span)?;
        self.inlined += 1;
        if self.inlined > MOST_CALLS {
            self.too_many_calls(span);
            return None;
        }
        if !self.enter(definition) {
            return None;
        }
        let result = self.with_bindings(definition.scope, arguments, bindings, value);
        self.open.pop();
        let result = result?;
        let Some(ty) = ty else { return Some(result) };
        let declared = self.field_type(definition.scope, ty)?;
        if declared.dimension != result.ty.dimension {
            let message = format!("`{}` is declared as {}", function.text, declared.spoken());
            self.diagnostics.push(
                Diagnostic::error("unit-mismatch", message)
                    .label(ty.span, format!("in {}", declared.dimension))
                    .label(value.span, format!("its value is in {}", result.ty.dimension)),
            );
            return None;
        }
        let ty = FieldType { support: result.ty.support.clone(), ..declared };
        Some(node(TypedKind::Same(result), ty, span))
    }

    /// Functions are inlined, and functions of functions of functions can grow without end: refused once.
    fn too_many_calls(&mut self, span: Span) {
        if self.inlined > MOST_CALLS + 1 {
            return;
        }
        self.error_with_help(
            "too-deep",
            "this recipe calls its functions too often",
            (span, "not followed from here on"),
            format!(
                "functions are written out where they are called, {MOST_CALLS} times at most; \
                     give a value that is used often a name: derive NAME = …"
            ),
        );
    }

    fn bind_parameters(
        &mut self,
        scope: ScopeId,
        locals: &Locals,
        definition: &Definition,
        parameters: &[Parameter],
        inputs: &[Input],
        span: Span,
    ) -> Option<Locals> {
        if inputs.len() != parameters.len() {
            let names: Vec<&str> = parameters.iter().map(|p| p.name.text.as_str()).collect();
            let message = format!(
                "`{}` takes {} inputs ({}), not {}",
                definition.name.text,
                parameters.len(),
                names.join(", "),
                inputs.len()
            );
            let help = format!("for instance: {}({})", definition.name.text, names.join(", "));
            self.error_with_help("wrong-argument", message, (span, "called here"), help);
            return None;
        }
        let mut bound = Vec::new();
        for (parameter, input) in parameters.iter().zip(inputs) {
            if let Some(label) = &input.label {
                let message =
                    format!("the inputs of `{}` are told apart by their order", definition.name.text);
                self.error_with_help(
                    "unknown-argument",
                    message,
                    (label.span, "no name here"),
                    "write the value alone",
                );
                return None;
            }
            let value = self.expression_with(scope, locals, &input.value)?;
            let wanted = self.field_type(definition.scope, &parameter.ty)?;
            let pattern = node(TypedKind::Constant(0.0), wanted, parameter.ty.span);
            self.agree(&value, &pattern, "passed as")?;
            bound.push((parameter.name.text.clone(), value));
        }
        Some(bound)
    }

    /// Checks a function nobody calls, with parameters of just the declared types.
    pub(super) fn function_alone(&mut self, definition: &Definition) {
        let ItemKind::Derive { parameters, value, bindings, .. } = &definition.item.kind else { return };
        let mut locals = Vec::new();
        for parameter in parameters {
            let Some(mut ty) = self.field_type(definition.scope, &parameter.ty) else { return };
            if ty.support == Support::Constant {
                ty.support = Support::Surface;
            }
            let scale = if ty.scale == Scale::Affine { Scale::Ratio } else { ty.scale };
            let ty = FieldType { scale, ..ty };
            let stand_in = TypedKind::Variable(format!("parameter {}", parameter.name.text));
            locals.push((parameter.name.text.clone(), node(stand_in, ty, parameter.name.span)));
        }
        if self.enter(definition) {
            let typed = self.with_bindings(definition.scope, locals, bindings, value);
            self.open.pop();
            if typed.is_none() {
                self.failed.insert(definition.id.clone());
            }
        }
    }
}
