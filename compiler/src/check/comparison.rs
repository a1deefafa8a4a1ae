//! `mean(abs(refc - truth(refc))) / 10 dB`: a loss written out, as the mean of a kernel over prediction and truth.

use aurora_grammar::tree::{Expr, ExprKind, Input, ItemKind, Operator};
use aurora_grammar::{Diagnostic, Span};

use super::expression::Locals;
use super::{Checker, bare_name};
use crate::lower::{TRUTH, input_name};
use crate::plan::training::{Condition, ErrorTerm, Measure};
use crate::resolve::ScopeId;
use crate::typed::{Typed, TypedExpr, TypedKind};
use crate::types::Support;

impl Checker<'_> {
    /// The expression as one error term, if it averages something over the field; nothing said if it does not.
    pub(super) fn comparison(&mut self, scope: ScopeId, expr: &Expr) -> Option<Option<Vec<ErrorTerm>>> {
        // A plain weight stays a weight.
        if let ExprKind::Binary { operator: Operator::Multiply | Operator::Divide, left, right } = &expr.kind
            && (super::loss::plain(left).is_some() || super::loss::plain(right).is_some())
        {
            return None;
        }
        let inner = averaged(expr)?;
        Some(self.mean_term(scope, expr, &inner))
    }

    fn mean_term(&mut self, scope: ScopeId, whole: &Expr, inner: &Expr) -> Option<Vec<ErrorTerm>> {
        let mut locals = Locals::new();
        let rewritten = self.with_truth(scope, inner, &mut locals)?;
        let typed = self.expression_with(scope, &locals, &rewritten)?;
        if !typed.ty.is_plain_number() {
            let units = self.units_spoken(&typed.ty);
            let label = format!("{} [{units}]", typed.ty.spoken());
            let field = typed.variables().first().map_or("x".to_string(), |id| input_name(id).to_string());
            let text = self.example_scale(&units);
            self.error_with_help(
                "loss-has-units",
                format!("a loss must be a plain number, but this one is in {units}"),
                (whole.span, &label),
                format!(
                    "`mae({field})` divides by {field}'s spread over the training split; or divide by a scale of \
                     your own, as in:\n  mean(abs({field} - truth({field}))) / {text}"
                ),
            );
            return None;
        }
        let variables = typed.variables();
        let predicted: Vec<&String> = variables.iter().filter(|id| !id.starts_with(TRUTH)).collect();
        let Some(first) = predicted.iter().find(|id| self.is_predicted(id)) else {
            self.error_with_help(
                "not-predicted",
                "nothing that the model predicts stands in this loss",
                (whole.span, "the same whatever the model does"),
                "compare a prediction with the truth, for instance: mean(abs(refc - truth(refc))) / 10 dB",
            );
            return None;
        };
        if let Some(other) =
            predicted.iter().find(|id| !self.has_role(id)).filter(|_| !self.roles_uncertain())
        {
            let message = format!("`{}` is neither fed to nor predicted by this model", input_name(other));
            self.error_with_help(
                "not-predicted",
                message,
                (whole.span, "needs it"),
                format!("name it in `model`, or ask the truth: truth({})", input_name(other)),
            );
            return None;
        }
        let field = input_name(first).to_string();
        let kernel = format!("error.{}", self.checked.conditions.len() + 1);
        let inputs = variables.iter().map(|id| crate::lower::sided_name(id)).collect();
        self.checked.conditions.insert(kernel.clone(), typed);
        Some(vec![ErrorTerm {
            weight: 1.0,
            measure: Measure::Expression,
            field,
            when: None,
            scale: None,
            expression: Some(Condition { kernel, inputs, written: whole.to_string() }),
        }])
    }

    /// `10 dB`, or one of whatever it is measured in.
    fn example_scale(&self, units: &str) -> String {
        if units == "dB" { "10 dB".to_string() } else { format!("1 {}", units.replace(' ', "*")) }
    }

    /// The expression with every field inside `truth( )` replaced by a local that stands for its true value.
    fn with_truth(&mut self, scope: ScopeId, expr: &Expr, locals: &mut Locals) -> Option<Expr> {
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
                return self.true_fields(scope, value, locals);
            }
            ExprKind::Call { inputs, .. } => {
                for input in inputs {
                    input.value = self.with_truth(scope, &input.value, locals)?;
                }
            }
            ExprKind::Relation { left, right, .. } | ExprKind::Binary { left, right, .. } => {
                **left = self.with_truth(scope, left, locals)?;
                **right = self.with_truth(scope, right, locals)?;
            }
            ExprKind::At { value, .. } | ExprKind::Over { value, .. } => {
                **value = self.with_truth(scope, value, locals)?;
            }
            ExprKind::Negate(value) | ExprKind::Power { base: value, .. } => {
                **value = self.with_truth(scope, value, locals)?;
            }
            _ => {}
        }
        Some(expr)
    }

    /// Inside `truth( )`: names of fields become locals.
    fn true_fields(&mut self, scope: ScopeId, expr: &Expr, locals: &mut Locals) -> Option<Expr> {
        let mut expr = expr.clone();
        match &mut expr.kind {
            ExprKind::Path(name) => {
                if let Some(local) = self.true_field(scope, name, expr.span)? {
                    let known = format!("truth of {name}");
                    locals.push((known.clone(), local));
                    *name = known;
                }
            }
            ExprKind::Call { inputs, .. } => {
                for input in inputs {
                    input.value = self.true_fields(scope, &input.value, locals)?;
                }
            }
            ExprKind::Relation { left, right, .. } | ExprKind::Binary { left, right, .. } => {
                **left = self.true_fields(scope, left, locals)?;
                **right = self.true_fields(scope, right, locals)?;
            }
            ExprKind::At { value, .. } | ExprKind::Over { value, .. } | ExprKind::As { value, .. } => {
                **value = self.true_fields(scope, value, locals)?;
            }
            ExprKind::Negate(value) | ExprKind::Power { base: value, .. } => {
                **value = self.true_fields(scope, value, locals)?;
            }
            _ => {}
        }
        Some(expr)
    }

    /// The true value of a variable or a derived field, as an input of its own; nothing for what is no field.
    fn true_field(&mut self, scope: ScopeId, name: &str, span: Span) -> Option<Option<Typed>> {
        let Some(definition) = self.resolved.lookup(scope, name).cloned() else {
            return Some(None); // a unit's, a level's or a wrong name: judged with the rest
        };
        let plain = match &definition.item.kind {
            ItemKind::Variable { .. } => true,
            ItemKind::Derive { parameters, .. } => parameters.is_empty(),
            _ => false,
        };
        if !plain {
            return Some(None);
        }
        let written = Expr { kind: ExprKind::Path(name.to_string()), span };
        let typed = self.expression(scope, &written)?;
        if typed.constant().is_some() || typed.ty.support == Support::Constant {
            return Some(None);
        }
        let kind = TypedKind::Variable(format!("{TRUTH}{}", definition.id));
        Some(Some(std::rc::Rc::new(TypedExpr::new(kind, typed.ty.clone(), span, None))))
    }

    /// Whether the model predicts a field with this id.
    fn is_predicted(&self, id: &str) -> bool {
        self.roles_uncertain() || self.has_predicted_role(id)
    }
}

/// What is averaged, if the expression is `mean(X)` or that times or over something that is no error: the
/// factor goes inside, for the mean is linear.
fn averaged(expr: &Expr) -> Option<Expr> {
    match &expr.kind {
        ExprKind::Call { function, inputs } if function.text == "mean" => match &inputs[..] {
            [Input { label: None, value }] if !matches!(value.kind, ExprKind::Over { .. }) => {
                Some(value.clone())
            }
            _ => None,
        },
        ExprKind::Binary { operator: operator @ (Operator::Multiply | Operator::Divide), left, right } => {
            let factor = |side: &Expr| {
                super::loss::plain(side).is_some()
                    || bare_name(side).is_some()
                    || matches!(side.kind, ExprKind::Measure { .. })
            };
            let (left, right) = if factor(right) {
                (averaged(left)?, (**right).clone())
            } else if factor(left) && *operator == Operator::Multiply {
                ((**left).clone(), averaged(right)?)
            } else {
                return None;
            };
            let kind = ExprKind::Binary { operator: *operator, left: Box::new(left), right: Box::new(right) };
            Some(Expr { kind, span: expr.span })
        }
        _ => None,
    }
}

/// Whether the truth is asked outside of any measure or mean.
pub(super) fn asks_truth(expr: &Expr) -> bool {
    match &expr.kind {
        ExprKind::Call { function, inputs } => {
            let name = function.text.as_str();
            let measure = name == "mean" || super::loss::MEASURES.contains(&name);
            name == "truth" || !measure && inputs.iter().any(|input| asks_truth(&input.value))
        }
        ExprKind::Relation { left, right, .. } | ExprKind::Binary { left, right, .. } => {
            asks_truth(left) || asks_truth(right)
        }
        ExprKind::At { value, .. }
        | ExprKind::Over { value, .. }
        | ExprKind::Negate(value)
        | ExprKind::Power { base: value, .. } => asks_truth(value),
        _ => false,
    }
}

/// A loss that has a value at each point, such as `abs(refc - truth(refc))`, and is no number yet.
pub(super) fn not_averaged(expr: &Expr) -> Diagnostic {
    Diagnostic::error("loss-has-units", "a loss is one number, but this has a value at each point")
        .label(expr.span, "not averaged")
        .help("take its mean: mean(…), and divide it by a scale if it has units")
}
