//! `loss NAME = EXPR`: a weighted sum of errors, each a plain number.

use aurora_grammar::tree::{Expr, ExprKind, ItemKind, Operator};
use aurora_grammar::{Diagnostic, Span, nearest};

use super::{Checker, bare_name};
use crate::plan::training::{ErrorTerm, LossPlan, Measure};
use crate::resolve::{Definition, RECIPE, ScopeId};

const MEASURES: [&str; 3] = ["mae", "mse", "huber"];
const LATER: [&str; 3] = ["crps", "spectral", "fss"];

impl Checker<'_> {
    pub(super) fn loss(&mut self, definition: &Definition) {
        let ItemKind::Loss { value, bindings, .. } = &definition.item.kind else { return };
        if let Some(binding) = bindings.first() {
            self.not_yet("`where` in a loss", binding.name.span);
            return;
        }
        if let Some(terms) = self.errors(definition.scope, value) {
            if terms.iter().any(|term| !term.weight.is_finite()) {
                let message = format!("the weights of `{}` are too large", definition.name.text);
                let help = "the largest number is about 1e308";
                self.error_with_help("wrong-argument", message, (value.span, "no finite number"), help);
                return;
            }
            if terms.iter().any(|term| term.weight < 0.0) {
                let message = format!("`{}` would be made small by a large error", definition.name.text);
                let help = "a loss adds errors up: take the minus out";
                self.error_with_help("wrong-argument", message, (value.span, "a negative weight"), help);
                return;
            }
            self.checked.losses.insert(definition.name.text.clone(), LossPlan { terms });
        }
    }

    /// The expression as a weighted sum of errors.
    fn errors(&mut self, scope: ScopeId, expr: &Expr) -> Option<Vec<ErrorTerm>> {
        match &expr.kind {
            ExprKind::Binary { operator: operator @ (Operator::Add | Operator::Subtract), left, right } => {
                let mut terms = self.errors(scope, left)?;
                let sign = if *operator == Operator::Add { 1.0 } else { -1.0 };
                terms.extend(scaled(self.errors(scope, right)?, sign));
                Some(terms)
            }
            ExprKind::Binary { operator: Operator::Multiply, left, right } => {
                if let Some(weight) = plain(left) {
                    return Some(scaled(self.errors(scope, right)?, weight));
                }
                if let Some(weight) = plain(right) {
                    return Some(scaled(self.errors(scope, left)?, weight));
                }
                self.not_linear(expr.span)
            }
            ExprKind::Binary { operator: Operator::Divide, left, right } => match plain(right) {
                Some(weight) if weight != 0.0 => Some(scaled(self.errors(scope, left)?, 1.0 / weight)),
                Some(_) => {
                    self.error_with_help(
                        "wrong-argument",
                        "an error cannot be divided by zero",
                        (right.span, "zero"),
                        "to leave a term out, take it out",
                    );
                    None
                }
                None => self.not_linear(expr.span),
            },
            ExprKind::Call { function, inputs } if MEASURES.contains(&function.text.as_str()) => {
                let (field, labelled) = match inputs.split_first() {
                    Some((first, rest)) if first.label.is_none() => (&first.value, rest),
                    _ => {
                        let message = format!("`{}` needs a field", function.text);
                        let help = format!("for instance: {}(refc)", function.text);
                        self.error_with_help("wrong-argument", message, (expr.span, "of what?"), help);
                        return None;
                    }
                };
                let mut arguments = self.arguments(function, labelled);
                if let Some(value) = arguments.optional("scale") {
                    self.not_yet(&format!("`scale` in `{}`", function.text), value.span);
                    return None;
                }
                let when = match arguments.optional("when") {
                    Some(relation) => Some(self.condition(scope, &relation)?),
                    None => None,
                };
                let measure = match function.text.as_str() {
                    "mae" => Measure::Mae,
                    "mse" => Measure::Mse,
                    _ => match arguments.number(self, "delta") {
                        Some(delta) if delta > 0.0 => Measure::Huber { delta },
                        _ => {
                            self.error_with_help(
                                "missing-argument",
                                "`huber` needs a positive `delta`",
                                (expr.span, "where does it turn from square to straight?"),
                                "in spreads of the field, for instance: huber(refc, delta = 1)",
                            );
                            return None;
                        }
                    },
                };
                arguments.finish(self);
                let mut terms = self.error_terms(scope, measure, field)?;
                if let Some(when) = &when {
                    self.covers(when, &terms, expr.span)?;
                }
                terms.iter_mut().for_each(|term| term.when.clone_from(&when));
                Some(terms)
            }
            ExprKind::Call { function, .. } if LATER.contains(&function.text.as_str()) => {
                self.not_yet(&format!("`{}`", function.text), expr.span);
                None
            }
            ExprKind::Call { function, .. }
                if self.resolved.lookup(scope, &function.text).is_none()
                    && !super::function::INTRINSICS.contains(&function.text.as_str()) =>
            {
                let message = format!("there is no error measure `{}`", function.text);
                let mut diagnostic =
                    Diagnostic::error("unknown-name", message).label(function.span, "not found");
                diagnostic = match nearest(&function.text, MEASURES) {
                    Some(near) => diagnostic.help(format!("did you mean `{near}`?")).fix(function.span, near),
                    None => diagnostic.help("a loss is built of mae, mse and huber"),
                };
                self.diagnostics.push(diagnostic);
                None
            }
            _ => self.not_a_loss(scope, expr),
        }
    }

    /// One term for a field; for a role, one for each of its variables with equal shares.
    fn error_terms(&mut self, scope: ScopeId, measure: Measure, field: &Expr) -> Option<Vec<ErrorTerm>> {
        let Some(name) = bare_name(field) else {
            // Its type first: a mismatch inside is the better message.
            let typed = self.expression(scope, field)?;
            let message = format!("this is {}, but it has no name", typed.ty.spoken());
            self.error_with_help(
                "unnamed-field",
                message,
                (field.span, "errors are taken of named fields"),
                "write `derive NAME = …` and take the error of NAME",
            );
            return None;
        };
        if name.text == "prognostic" {
            let names = self.role_names("prognostic");
            let weight = 1.0 / names.len().max(1) as f64;
            return Some(
                names.into_iter().map(|field| ErrorTerm { weight, measure, field, when: None }).collect(),
            );
        }
        let definition = match self.resolved.lookup(scope, &name.text) {
            Some(definition) => definition.clone(),
            None => {
                self.unknown(scope, &name.text, name.span, "");
                return None;
            }
        };
        let typed = self.expression(scope, field)?;
        if typed.constant().is_some()
            || !matches!(definition.item.kind, ItemKind::Variable { .. } | ItemKind::Derive { .. })
        {
            self.error_with_help(
                "not-a-field",
                format!("`{}` is no field, so it has no error", name.text),
                (name.span, "never predicted"),
                "take the error of a variable or of a derived field",
            );
            return None;
        }
        if !self.predicted(&definition) {
            let message = format!("`{}` is not predicted by this model", name.text);
            self.error_with_help(
                "not-predicted",
                message,
                (name.span, "nothing to compare with the truth"),
                "name it, or all that it is derived from, in `prognostic`",
            );
            return None;
        }
        Some(vec![ErrorTerm { weight: 1.0, measure, field: name.text, when: None }])
    }

    /// Whether the model yields it, itself or through all it is derived from.
    pub(super) fn predicted(&self, definition: &Definition) -> bool {
        self.roles_uncertain()
            || self.is_in("prognostic", &definition.id)
            || self.is_in("diagnostic", &definition.id)
            || self.checked.derived.get(&definition.id).is_some_and(|derived| {
                let inputs = derived.value.variables();
                inputs.iter().all(|id| self.has_role(id))
                    && inputs.iter().any(|id| self.is_in("prognostic", id) || self.is_in("diagnostic", id))
            })
    }

    /// Whether the roles cannot be told, because something is wrong with them that has been complained of.
    pub(super) fn roles_uncertain(&self) -> bool {
        let names = self.role_names("prognostic");
        names.is_empty() || names.iter().any(|name| self.resolved.lookup(RECIPE, name).is_none())
    }

    /// Whether a field with this id is fed to or predicted by the model under its own name.
    pub(super) fn has_role(&self, id: &str) -> bool {
        ["prognostic", "diagnostic", "forcing", "static"].iter().any(|role| self.is_in(role, id))
    }

    fn is_in(&self, role: &str, id: &str) -> bool {
        let names = self.role_names(role);
        names.iter().any(|name| self.resolved.lookup(RECIPE, name).is_some_and(|d| d.id == id))
    }

    /// Names written in a clause of `model`.
    pub(super) fn role_names(&self, role: &str) -> Vec<String> {
        use aurora_grammar::tree::{Entry, Part};
        let Some(model) = self.resolved.blocks_of("model").next() else { return Vec::new() };
        let clauses = model.block.entries.iter().filter_map(|entry| match entry {
            Entry::Clause(clause) if clause.word.text == role => Some(clause),
            _ => None,
        });
        clauses
            .flat_map(|clause| &clause.values)
            .filter_map(|chain| match &chain.parts[..] {
                [Part::Value(value)] => bare_name(value).map(|name| name.text),
                _ => None,
            })
            .collect()
    }

    /// Anything else: work out its type to say what is wrong with it.
    fn not_a_loss(&mut self, scope: ScopeId, expr: &Expr) -> Option<Vec<ErrorTerm>> {
        if let Some(definition) = self.named(scope, expr)
            && matches!(definition.item.kind, ItemKind::Loss { .. })
        {
            if !self.enter(&definition) {
                return None;
            }
            self.loss(&definition);
            self.open.pop();
            return self.checked.losses.get(&definition.name.text).map(|loss| loss.terms.clone());
        }
        let typed = self.expression(scope, expr)?;
        let message = format!("a loss must be one plain number, but this is {}", typed.ty.spoken());
        self.error_with_help(
            "loss-has-units",
            message,
            (expr.span, "not an error measure"),
            "`mae(x)` compares prediction with truth and divides by the spread over the training split",
        );
        None
    }

    fn not_linear(&mut self, span: Span) -> Option<Vec<ErrorTerm>> {
        self.error_with_help(
            "loss-not-linear",
            "a loss is a weighted sum of errors",
            (span, "neither side is a plain number"),
            "for instance: 2 * mae(refc) + 0.5 * mae(t)",
        );
        None
    }
}

/// A plain number, as a weight.
pub(super) fn plain(expr: &Expr) -> Option<f64> {
    match &expr.kind {
        ExprKind::Measure { value, unit: None } => Some(*value),
        ExprKind::Negate(inner) => plain(inner).map(|v| -v),
        _ => None,
    }
}

fn scaled(mut terms: Vec<ErrorTerm>, factor: f64) -> Vec<ErrorTerm> {
    terms.iter_mut().for_each(|term| term.weight *= factor);
    terms
}
