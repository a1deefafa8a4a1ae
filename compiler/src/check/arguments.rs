//! The labelled inputs of a call such as `adamw(rate = 1e-3 -> 1e-5, clip = 1)`.

use aurora_grammar::tree::{Expr, ExprKind, Input, Name};
use aurora_grammar::{Diagnostic, Span, nearest};

use super::Checker;
use crate::dimension::Dimension;

/// Inputs not yet taken; `finish` complains about those nobody asked for.
#[derive(Debug)]
pub struct Arguments {
    function: Name,
    inputs: Vec<Input>,
    asked: Vec<&'static str>,
}

impl Checker<'_> {
    pub(super) fn arguments(&mut self, function: &Name, inputs: &[Input]) -> Arguments {
        Arguments { function: function.clone(), inputs: inputs.to_vec(), asked: Vec::new() }
    }
}

impl Arguments {
    /// The input with this label, if it was given.
    pub fn optional(&mut self, label: &'static str) -> Option<Expr> {
        self.asked.push(label);
        let at = self.inputs.iter().position(|i| i.label.as_ref().is_some_and(|l| l.text == label))?;
        Some(self.inputs.remove(at).value)
    }

    /// A number with units of this dimension, in SI; missing or wrong is a diagnostic.
    pub(super) fn measure(
        &mut self,
        checker: &mut Checker<'_>,
        label: &'static str,
        dimension: Dimension,
    ) -> Option<f64> {
        let Some(expr) = self.optional(label) else {
            let message = format!("`{}` needs `{label}`", self.function.text);
            let example = match label {
                "lat" => "lat = 38.5 deg",
                "lon" => "lon = -97.5 deg",
                _ => "spacing = 6 km",
            };
            let help = format!("for instance: {example}");
            checker.error_with_help("missing-argument", message, (self.function.span, "not given"), help);
            return None;
        };
        let numbers = checker.numbers(&expr)?;
        let [(value, unit, span)] = numbers[..] else {
            let message = format!("`{label}` is one number");
            checker.error_with_help(
                "wrong-argument",
                message,
                (expr.span, "this is a list"),
                "keep one of them",
            );
            return None;
        };
        if unit.dimension != dimension {
            let message = format!("`{label}` is measured in {dimension}");
            let help =
                if dimension == Dimension::LENGTH { "for instance 6 km" } else { "for instance 38.5 deg" };
            checker.error_with_help(
                "unit-mismatch",
                message,
                (span, &format!("in {}", unit.dimension)),
                help,
            );
            return None;
        }
        Some(value)
    }

    /// A plain number, if given.
    pub(super) fn number(&mut self, checker: &mut Checker<'_>, label: &'static str) -> Option<f64> {
        let expr = self.optional(label)?;
        match &expr.kind {
            ExprKind::Measure { value, unit: None } => Some(*value),
            _ => {
                checker.error_with_help(
                    "wrong-argument",
                    format!("`{label}` is a plain number"),
                    (expr.span, "this is none"),
                    format!("for instance: {label} = 1"),
                );
                None
            }
        }
    }

    /// One whole number, if given.
    pub(super) fn whole(&mut self, checker: &mut Checker<'_>, label: &'static str) -> Option<usize> {
        let expr = self.optional(label)?;
        let whole = whole_number(&expr);
        if whole.is_none() {
            checker.error_with_help(
                "wrong-argument",
                format!("`{label}` is a whole number up to {LARGEST}"),
                (expr.span, "this is none"),
                format!("for instance: {label} = 4"),
            );
        }
        whole
    }

    /// A list of whole numbers, if given.
    pub(super) fn whole_numbers(
        &mut self,
        checker: &mut Checker<'_>,
        label: &'static str,
    ) -> Option<Vec<usize>> {
        let expr = self.optional(label)?;
        let numbers = match &expr.kind {
            ExprKind::List { items, unit: None } => items.iter().map(whole_number).collect(),
            _ => whole_number(&expr).map(|n| vec![n]),
        };
        if numbers.is_none() {
            checker.error_with_help(
                "wrong-argument",
                format!("`{label}` is a list of whole numbers up to {LARGEST}"),
                (expr.span, "this is none"),
                format!("for instance: {label} = [2, 2]"),
            );
        }
        numbers
    }

    /// Says which of the remaining inputs nothing understands.
    pub(super) fn finish(self, checker: &mut Checker<'_>) {
        for input in &self.inputs {
            let Some(label) = &input.label else {
                self.complain(checker, input.value.span, "every input here has a name", None);
                continue;
            };
            let message = format!("`{}` has no input `{}`", self.function.text, label.text);
            let near = nearest(&label.text, self.asked.iter().copied());
            self.complain(checker, label.span, &message, near);
        }
    }

    fn complain(&self, checker: &mut Checker<'_>, span: Span, message: &str, near: Option<&str>) {
        let mut diagnostic =
            Diagnostic::error("unknown-argument", message.to_string()).label(span, "not understood");
        diagnostic = match near {
            Some(near) => diagnostic.help(format!("did you mean `{near}`?")).fix(span, near),
            None => diagnostic.help(format!("it takes {}", self.asked.join(", "))),
        };
        checker.diagnostics.push(diagnostic);
    }
}

/// No size, depth, width or count is larger, so that no product of a few of them overflows.
const LARGEST: f64 = 100_000.0;

/// A non-negative whole number without unit, of at most [`LARGEST`].
pub fn whole_number(expr: &Expr) -> Option<usize> {
    match &expr.kind {
        ExprKind::Measure { value, unit: None }
            if value.fract() == 0.0 && (0.0..=LARGEST).contains(value) =>
        {
            Some(*value as usize)
        }
        _ => None,
    }
}
