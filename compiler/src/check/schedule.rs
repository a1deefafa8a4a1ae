//! `optimise adamw(rate = 1e-3 -> 1e-5, shape = cosine, clip = 1)`.

use aurora_grammar::Diagnostic;
use aurora_grammar::nearest;
use aurora_grammar::tree::{Expr, ExprKind};

use super::Checker;
use super::loss::plain;
use crate::plan::training::{AdamW, Schedule, Shape};

const SHAPES: [(&str, Shape); 3] =
    [("constant", Shape::Constant), ("linear", Shape::Linear), ("cosine", Shape::Cosine)];

impl Checker<'_> {
    pub(super) fn optimiser(&mut self, written: &Expr) -> Option<AdamW> {
        let ExprKind::Call { function, inputs } = &written.kind else {
            self.error_with_help(
                "wrong-argument",
                "`optimise` takes an optimiser",
                (written.span, "here"),
                "for instance: optimise  adamw(rate = 3e-4)",
            );
            return None;
        };
        if function.text != "adamw" {
            self.error_with_help(
                "unknown-name",
                format!("there is no optimiser `{}`", function.text),
                (function.span, "not found"),
                "there is `adamw`",
            );
            return None;
        }
        let mut given = self.arguments(function, inputs);
        let rate = given.optional("rate");
        let shape = given.optional("shape");
        let warmup = given.whole(self, "warmup").unwrap_or(0);
        let clip = given.number(self, "clip");
        let weight_decay = given.number(self, "weight_decay").unwrap_or(0.0);
        let beta1 = given.number(self, "beta1").unwrap_or(0.9);
        let beta2 = given.number(self, "beta2").unwrap_or(0.999);
        let epsilon = given.number(self, "epsilon").unwrap_or(1e-8);
        given.finish(self);
        let Some(rate) = rate else {
            self.error_with_help(
                "missing-argument",
                "`adamw` needs a rate",
                (written.span, "no rate here"),
                "for instance: adamw(rate = 3e-4)",
            );
            return None;
        };
        let (from, to) = self.ends(&rate)?;
        let shape = match shape {
            None if from == to => Shape::Constant,
            None => Shape::Cosine,
            Some(shape) => self.shape(&shape)?,
        };
        if (shape == Shape::Constant) != (from == to) {
            let help = "write `rate = a` for a constant one, `rate = a -> b` with another shape";
            let message = "the rate and its shape contradict each other";
            self.error_with_help("wrong-argument", message, (rate.span, "changes or not?"), help);
            return None;
        }
        let positive = [Some(from), Some(epsilon), clip].into_iter().flatten().all(|v| v > 0.0);
        let shares = [beta1, beta2].iter().all(|b| (0.0..1.0).contains(b));
        if !positive || to < 0.0 || weight_decay < 0.0 || !shares {
            self.error_with_help(
                "wrong-argument",
                "these numbers do not make an optimiser",
                (written.span, "here"),
                "rate, epsilon and clip are positive, weight_decay not negative, beta1 and beta2 in 0 .. 1",
            );
            return None;
        }
        Some(AdamW { rate: Schedule { from, to, shape, warmup }, beta1, beta2, epsilon, weight_decay, clip })
    }

    /// `a`, or `a -> b`.
    fn ends(&mut self, expr: &Expr) -> Option<(f64, f64)> {
        let ends = match &expr.kind {
            ExprKind::Range { start, end, towards: true } => plain(start).zip(plain(end)),
            _ => plain(expr).map(|v| (v, v)),
        };
        if ends.is_none() {
            self.error_with_help(
                "wrong-argument",
                "a rate is a number or `a -> b`",
                (expr.span, "this is neither"),
                "for instance: rate = 3e-4 -> 1e-6",
            );
        }
        ends
    }

    fn shape(&mut self, expr: &Expr) -> Option<Shape> {
        let word = match &expr.kind {
            ExprKind::Path(word) => word.as_str(),
            _ => "",
        };
        let found = SHAPES.iter().find(|(name, _)| *name == word).map(|(_, shape)| *shape);
        if found.is_none() {
            let names = SHAPES.map(|(name, _)| name);
            let mut diagnostic = Diagnostic::error("unknown-name", format!("there is no shape `{word}`"))
                .label(expr.span, "not found");
            diagnostic = match nearest(word, names) {
                Some(near) => diagnostic.help(format!("did you mean `{near}`?")).fix(expr.span, near),
                None => diagnostic.help(format!("there are {}", names.join(", "))),
            };
            self.diagnostics.push(diagnostic);
        }
        found
    }
}
