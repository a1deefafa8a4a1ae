//! Calls: the intrinsic functions, each with its type rule, and the functions written in the language.

use aurora_grammar::tree::{ExprKind, Input, ItemKind, Name, Parameter};
use aurora_grammar::{Diagnostic, Span, nearest};

use super::Checker;
use super::expression::{Locals, node};
use super::fields::MOST_OPERATIONS;
pub use super::intrinsic::INTRINSICS;
use crate::range;
use crate::resolve::{Definition, ScopeId};
use crate::typed::{Typed, TypedKind};
use crate::types::{FieldType, Support};
use crate::units::Scale;

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
        if let Some((Input { label: None, value }, rest)) = inputs.split_first()
            && let ExprKind::Over { value, extent } = &value.kind
        {
            let value = self.expression_with(scope, locals, value)?;
            let measure = self.measure_of_layer(scope, locals, function, rest)?;
            return self.over(scope, locals, (function, span), &value, (extent, measure));
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
        // Borrowed from the resolved recipe, not from the checker: an item may be large.
        let resolved = self.resolved;
        match resolved.lookup(scope, name) {
            Some(definition) => self.user_function(scope, locals, definition, function, inputs, span),
            None => {
                let visible: Vec<&str> = self.resolved.visible(scope).collect();
                let near = nearest(name, visible.into_iter().chain(INTRINSICS));
                let mut diagnostic =
                    Diagnostic::error("unknown-name", format!("there is no function `{name}`"))
                        .label(function.span, "not found");
                diagnostic = match near {
                    None if let Some((library, _)) = super::library_with(name) => {
                        diagnostic.help(format!("{library} has it: use {library} ({name})"))
                    }
                    Some(near) => diagnostic.help(format!("did you mean `{near}`?")).fix(function.span, near),
                    None => diagnostic.help(format!("the compiler itself knows {}", INTRINSICS.join(", "))),
                };
                self.diagnostics.push(diagnostic);
                None
            }
        }
    }

    pub(super) fn plain_inputs(
        &mut self,
        scope: ScopeId,
        locals: &Locals,
        inputs: &[Input],
    ) -> Option<Vec<Typed>> {
        let mut values = Vec::with_capacity(inputs.len());
        for input in inputs {
            if let Some(label) = &input.label {
                self.diagnostics.push(
                    Diagnostic::error("unknown-argument", format!("no input is called `{}`", label.text))
                        .label(label.span, "not understood")
                        .help("write the value alone")
                        .fix(label.span.to(input.value.span), input.value.to_string()),
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
            self.diagnostics.push(
                Diagnostic::error("not-a-function", message)
                    .label(span, "called here")
                    .help("write its name alone")
                    .fix(span, function.text.clone()),
            );
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
        if result.depth > MOST_OPERATIONS {
            self.too_long(&function.text, span);
            return None;
        }
        let Some(ty) = ty else { return Some(result) };
        let declared = self.field_type(definition.scope, ty)?;
        self.fits(definition.scope, &declared, ty.span, &result)?;
        self.declared(&declared, result, span)
    }

    /// A value under the type it is declared with: its kind, its place and cell if they are written, and the range
    /// that is both computed and declared. What is declared on levels has a value on each.
    pub(super) fn declared(&mut self, declared: &FieldType, value: Typed, span: Span) -> Option<Typed> {
        let value = self.spread(&declared.support, value, span)?;
        let support = match declared.support {
            Support::Constant => value.ty.support.clone(),
            _ => declared.support.clone(),
        };
        let ty = FieldType {
            support,
            layer: declared.layer.or(value.ty.layer),
            cell: declared.cell.or(value.ty.cell),
            range: range::both(declared.range, value.ty.range),
            ..declared.clone()
        };
        Some(if ty == value.ty { value } else { node(TypedKind::Same(value), ty, span) })
    }

    /// One value per column, repeated on every level if that is where it is declared.
    fn spread(&mut self, support: &Support, value: Typed, span: Span) -> Option<Typed> {
        let Support::Levels(id) = support else { return Some(value) };
        if value.ty.support == *support {
            return Some(value);
        }
        let count = self.checked.levels.get(id)?.values.len();
        let on_levels = FieldType { support: support.clone(), ..FieldType::number() };
        let ones = node(TypedKind::PerLevel(vec![1.0; count]), on_levels, span);
        let ty = FieldType { support: support.clone(), ..value.ty.clone() };
        Some(node(TypedKind::Binary(crate::typed::Binary::Multiply, value, ones), ty, span))
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
                let values: Vec<String> =
                    inputs[bound.len()..].iter().map(|input| input.value.to_string()).collect();
                let last = inputs.last().map_or(input.value.span, |input| input.value.span);
                self.diagnostics.push(
                    Diagnostic::error("unknown-argument", message)
                        .label(label.span, "no name here")
                        .help("write the value alone")
                        .fix(label.span.to(last), values.join(", ")),
                );
                return None;
            }
            let value = self.expression_with(scope, locals, &input.value)?;
            let wanted = self.field_type(definition.scope, &parameter.ty)?;
            let value = self.passed(&wanted, parameter, value)?;
            bound.push((parameter.name.text.clone(), value));
        }
        Some(bound)
    }

    /// An argument as the parameter sees it: of its kind, on its support if it names one.
    fn passed(&mut self, wanted: &FieldType, parameter: &Parameter, value: Typed) -> Option<Typed> {
        let pattern = FieldType { support: Support::Constant, ..wanted.clone() };
        let pattern = node(TypedKind::Constant(0.0), pattern, parameter.ty.span);
        self.agree(&value, &pattern, "passed as")?;
        let (named, actual) = (&wanted.support, &value.ty.support);
        let fits = *named == Support::Constant || named.broadcast(actual).as_ref() == Some(named);
        if !fits {
            let name = &parameter.name.text;
            let shown = self.name_of(&value).unwrap_or_else(|| "…".to_string());
            self.diagnostics.push(
                Diagnostic::error(
                    "level-mismatch",
                    format!("`{name}` is a field on {named}, not on {actual}"),
                )
                .label(value.span, format!("on {actual}"))
                .label(parameter.ty.span, format!("on {named}"))
                .help(match named {
                    Support::Levels(_) => format!("bring it there: `{shown} at {named}`"),
                    _ => format!("choose a level, for instance `{shown} at 500 hPa`"),
                }),
            );
            return None;
        }
        let quantity = value.ty.quantity.clone().or_else(|| wanted.quantity.clone());
        let span = value.span;
        let value = self.spread(named, value, span)?;
        if quantity == value.ty.quantity && wanted.range == range::UNKNOWN {
            return Some(value);
        }
        let ty = FieldType { quantity, range: range::both(wanted.range, value.ty.range), ..value.ty.clone() };
        // A number keeps its spelling, and a variable its name, for messages.
        Some(match value.kind {
            TypedKind::Constant(_) | TypedKind::Variable(_) => value,
            _ => node(TypedKind::Same(value), ty, span),
        })
    }

    pub(super) fn too_long(&mut self, name: &str, span: Span) {
        self.error_with_help(
            "too-deep",
            format!("`{name}` is too long a chain of operations"),
            (span, "together with all that it is derived from"),
            format!("at most {MOST_OPERATIONS} operations may need one another's results"),
        );
    }

    /// Checks a function nobody calls, with parameters of just the declared types.
    pub(super) fn function_alone(&mut self, definition: &Definition) {
        let ItemKind::Derive { parameters, ty, value, bindings, .. } = &definition.item.kind else { return };
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
            let mut typed = self.with_bindings(definition.scope, locals, bindings, value);
            self.open.pop();
            if let (Some(body), Some(ty)) = (&typed, ty) {
                let declared = self.field_type(definition.scope, ty);
                let fits =
                    declared.and_then(|declared| self.fits(definition.scope, &declared, ty.span, body));
                typed = typed.filter(|_| fits.is_some());
            }
            if typed.is_none() {
                self.failed.insert(definition.id.clone());
            }
        }
    }
}
