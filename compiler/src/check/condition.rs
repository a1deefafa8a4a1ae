//! `when = truth(refc) >= 35 dBZ`: where an error counts. A condition asks the truth only, so a model
//! cannot escape an error by predicting something else.

use aurora_grammar::tree::{Expr, ExprKind, Input, ItemKind};
use aurora_grammar::{Diagnostic, Span};

use super::Checker;
use crate::lower::input_name;
use crate::plan::training::{Condition, ErrorTerm};
use crate::resolve::{RECIPE, ScopeId};
use crate::typed::TypedKind;
use crate::types::Support;

impl Checker<'_> {
    /// A relation between true values, kept as the kernel `when.N`; `word` is what it is written behind.
    pub(super) fn condition(&mut self, scope: ScopeId, relation: &Expr, word: &str) -> Option<Condition> {
        let plain = self.without_truth(scope, relation, false, word)?;
        let typed = self.expression(scope, &plain)?;
        if !matches!(typed.kind, TypedKind::Compare(..)) {
            self.error_with_help(
                "not-a-relation",
                format!("`{word}` takes a relation"),
                (relation.span, "compares nothing"),
                "for instance: truth(refc) >= 35 dBZ",
            );
            return None;
        }
        let inputs: Vec<String> = typed.variables().iter().map(|id| input_name(id).to_string()).collect();
        if inputs.is_empty() {
            self.error_with_help(
                "wrong-argument",
                "this condition speaks of no field",
                (relation.span, "the same everywhere"),
                "for instance: truth(refc) >= 35 dBZ",
            );
            return None;
        }
        let kernel = format!("when.{}", self.checked.conditions.len() + 1);
        self.checked.conditions.insert(kernel.clone(), typed);
        Some(Condition { kernel, inputs, written: relation.to_string() })
    }

    /// A condition on levels chooses among levels, so the field must have the same ones.
    pub(super) fn covers(&mut self, when: &Condition, terms: &[ErrorTerm], span: Span) -> Option<()> {
        let condition = self.checked.conditions.get(&when.kernel)?.clone();
        let Support::Levels(set) = &condition.ty.support else { return Some(()) };
        for term in terms {
            let expr = Expr { kind: ExprKind::Path(term.field.clone()), span };
            let field = self.expression(RECIPE, &expr)?;
            if field.ty.support != Support::Levels(set.clone()) {
                let message =
                    format!("`{}` is on {}, but its condition on levels", term.field, field.ty.support);
                self.diagnostics.push(
                    Diagnostic::error("level-mismatch", message)
                        .label(condition.span, format!("on `{}`", condition.ty.support))
                        .help("ask the truth at one level, for instance: truth(t at 500 hPa) <= 260 K"),
                );
                return None;
            }
        }
        Some(())
    }

    /// The expression with `truth(x)` replaced by `x`; fields outside `truth` are refused.
    fn without_truth(&mut self, scope: ScopeId, expr: &Expr, inside: bool, word: &str) -> Option<Expr> {
        let mut expr = expr.clone();
        match &mut expr.kind {
            ExprKind::Call { function, inputs } if function.text == "truth" => {
                let [Input { label: None, value }] = &inputs[..] else {
                    self.error_with_help(
                        "wrong-argument",
                        "`truth` takes one field",
                        (expr.span, "here"),
                        "for instance: truth(refc)",
                    );
                    return None;
                };
                return self.without_truth(scope, value, true, word);
            }
            ExprKind::Call { inputs, .. } => {
                for input in inputs {
                    input.value = self.without_truth(scope, &input.value, inside, word)?;
                }
            }
            ExprKind::Path(name) if !inside && self.is_field(scope, name) => {
                let help = format!("write truth({name})");
                let message = format!("`{word}` asks the truth, not the prediction");
                self.error_with_help("wrong-argument", message, (expr.span, "which of the two?"), help);
                return None;
            }
            ExprKind::Relation { left, right, .. } | ExprKind::Binary { left, right, .. } => {
                **left = self.without_truth(scope, left, inside, word)?;
                **right = self.without_truth(scope, right, inside, word)?;
            }
            ExprKind::At { value, .. } | ExprKind::Over { value, .. } | ExprKind::As { value, .. } => {
                **value = self.without_truth(scope, value, inside, word)?;
            }
            ExprKind::Negate(value) | ExprKind::Power { base: value, .. } => {
                **value = self.without_truth(scope, value, inside, word)?;
            }
            _ => {}
        }
        Some(expr)
    }

    fn is_field(&mut self, scope: ScopeId, name: &str) -> bool {
        let Some(definition) = self.resolved.lookup(scope, name).cloned() else { return false };
        match definition.item.kind {
            ItemKind::Variable { .. } => true,
            ItemKind::Derive { ref parameters, .. } if parameters.is_empty() => {
                self.derived(&definition).is_some_and(|derived| derived.value.constant().is_none())
            }
            _ => false,
        }
    }
}
