//! `loss NAME = EXPR`: a weighted sum of errors, each a plain number.

use aurora_grammar::tree::{Binding, Entry, Expr, ExprKind, Input, ItemKind, Name, Operator};
use aurora_grammar::{Diagnostic, Span, nearest};

use super::comparison::{asks_truth, not_averaged};
use super::numbers::only_value;
use super::{Checker, bare_name};
use crate::dimension::Dimension;
use crate::plan::training::{ErrorTerm, LossPlan, Measure};
use crate::resolve::{Definition, RECIPE, Resolved, ScopeId};

pub(super) const MEASURES: [&str; 6] = ["mae", "mse", "huber", "crps", "spectral", "fss"];
/// Roles whose variables a measure may be taken of.
const ROLES: [&str; 2] = ["prognostic", "diagnostic"];
/// Errors in one loss: losses may use losses, and none may grow without bound.
const MOST_TERMS: usize = 10_000;

impl Checker<'_> {
    pub(super) fn loss(&mut self, definition: &Definition) {
        let ItemKind::Loss { value, bindings, .. } = &definition.item.kind else { return };
        if self.failed.contains(&definition.id) {
            return; // it was tried before, and complained of
        }
        let Some(value) = &self.written_out(value, bindings) else { return };
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
        } else {
            self.failed.insert(definition.id.clone());
        }
    }

    /// The expression with its `where` bindings written out, each of which may use those before it.
    fn written_out(&mut self, value: &Expr, bindings: &[Binding]) -> Option<Expr> {
        let mut known: Vec<(String, Expr)> = Vec::new();
        let mut size = 0;
        for binding in bindings {
            let inner = substitute(&binding.value, &known, &mut size)?;
            known.push((binding.name.text.clone(), inner));
        }
        let written = substitute(value, &known, &mut size).filter(|_| size <= MOST_TERMS);
        if written.is_none() {
            self.too_many(value.span);
        }
        written
    }

    fn too_many(&mut self, span: Span) {
        let message = format!("this loss has more than {MOST_TERMS} errors when it is written out");
        self.error_with_help("too-deep", message, (span, "too many"), "use fewer losses within losses");
    }

    /// The expression as a weighted sum of errors.
    fn errors(&mut self, scope: ScopeId, expr: &Expr) -> Option<Vec<ErrorTerm>> {
        if let Some(terms) = self.comparison(scope, expr) {
            return terms;
        }
        let sum = matches!(&expr.kind, ExprKind::Binary { operator: Operator::Add | Operator::Subtract, left, right } if is_error(left) || is_error(right));
        if !sum && asks_truth(expr) {
            self.diagnostics.push(not_averaged(expr));
            return None;
        }
        match &expr.kind {
            ExprKind::Binary { operator: operator @ (Operator::Add | Operator::Subtract), left, right } => {
                let mut terms = self.errors(scope, left)?;
                let sign = if *operator == Operator::Add { 1.0 } else { -1.0 };
                terms.extend(scaled(self.errors(scope, right)?, sign));
                if terms.len() > MOST_TERMS {
                    self.too_many(expr.span);
                    return None;
                }
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
                self.measured(scope, expr, function, inputs)
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
                    None => diagnostic.help(format!("a loss is built of {}", MEASURES.join(", "))),
                };
                self.diagnostics.push(diagnostic);
                None
            }
            _ => self.not_a_loss(scope, expr),
        }
    }

    /// `mae(refc, when = …, scale = 6 km)` and its like.
    fn measured(
        &mut self,
        scope: ScopeId,
        expr: &Expr,
        function: &Name,
        inputs: &[Input],
    ) -> Option<Vec<ErrorTerm>> {
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
        let scale = match arguments.optional("scale") {
            Some(value) => Some(self.length_of("scale", &value)?),
            None => None,
        };
        if let (Some(metres), Some(value)) = (scale, labelled.iter().find(|i| labelled_as(i, "scale"))) {
            self.scale_is_multiple(metres, value.value.span, true);
        }
        let when = match arguments.optional("when") {
            Some(relation) => Some(self.condition(scope, &relation, "when")?),
            None => None,
        };
        let measure = match function.text.as_str() {
            "mae" => Measure::Mae,
            "mse" => Measure::Mse,
            "huber" => match arguments.number(self, "delta") {
                Some(delta) if delta > 0.0 && delta.is_finite() => Measure::Huber { delta },
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
            "crps" => Measure::Crps,
            "spectral" => match arguments.optional("below") {
                Some(below) => Measure::Spectral { below: self.length_of("below", &below)? },
                None => return self.lacks(expr.span, "spectral", "below", "spectral(refc, below = 48 km)"),
            },
            _ => {
                let (above, within) = (arguments.optional("above"), arguments.optional("within"));
                let example = "fss(refc, above = 30 dBZ, within = 24 km)";
                let Some(above) = above else { return self.lacks(expr.span, "fss", "above", example) };
                let Some(within) = within else { return self.lacks(expr.span, "fss", "within", example) };
                let within = self.length_of("within", &within)?;
                Measure::Fss { above: self.above(scope, field, &above)?, within }
            }
        };
        arguments.finish(self);
        let mut terms = self.error_terms(scope, measure, field)?;
        if measure == Measure::Crps && !self.has_distribution(&terms, expr.span) {
            return None;
        }
        if let Some(when) = &when {
            self.covers(when, &terms, expr.span)?;
        }
        terms.iter_mut().for_each(|term| {
            term.when.clone_from(&when);
            term.scale = scale;
        });
        Some(terms)
    }

    fn lacks<T>(&mut self, span: Span, function: &str, label: &str, example: &str) -> Option<T> {
        let message = format!("`{function}` needs `{label}`");
        self.error_with_help(
            "missing-argument",
            message,
            (span, "not given"),
            format!("for instance: {example}"),
        );
        None
    }

    /// A positive length in metres.
    fn length_of(&mut self, label: &str, value: &Expr) -> Option<f64> {
        match self.numbers(value)?[..] {
            [(metres, unit, _)]
                if unit.dimension == Dimension::LENGTH && metres > 0.0 && metres.is_finite() =>
            {
                Some(metres)
            }
            _ => {
                let message = format!("`{label}` is a length");
                self.error_with_help(
                    "wrong-argument",
                    message,
                    (value.span, "this is none"),
                    format!("for instance: {label} = 12 km"),
                );
                None
            }
        }
    }

    /// A threshold of a field, in the field's units.
    fn above(&mut self, scope: ScopeId, field: &Expr, above: &Expr) -> Option<f64> {
        let (field, typed) = (self.expression(scope, field)?, self.expression(scope, above)?);
        self.agree(&field, &typed, "compared with")?;
        let value = typed.constant();
        if value.is_none() {
            self.error_with_help(
                "not-constant",
                "a threshold is a number",
                (above.span, "not known before the data are"),
                "for instance: above = 30 dBZ",
            );
        }
        value
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
        if ROLES.contains(&name.text.as_str()) && self.resolved.lookup(scope, &name.text).is_none() {
            let names = self.role_names(&name.text);
            if names.is_empty() && !self.roles_uncertain() {
                let message = format!("this model has no {} variables", name.text);
                let help = format!("name some in `model`: {}  refc, sbcape", name.text);
                self.error_with_help("not-predicted", message, (name.span, "none"), help);
                return None;
            }
            let weight = 1.0 / names.len().max(1) as f64;
            return Some(names.into_iter().map(|field| term(weight, measure, field)).collect());
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
                "name it, or all that it is derived from, in `prognostic` or `diagnostic`",
            );
            return None;
        }
        if let Some(value) = self.checked.derived.get(&definition.id).map(|derived| derived.value.clone()) {
            self.has_gradient(&value, name.span);
        }
        Some(vec![term(1.0, measure, name.text)])
    }

    /// Whether the model, or a member of its ensemble, yields it, itself or through all it is derived from.
    pub(super) fn predicted(&self, definition: &Definition) -> bool {
        self.roles_uncertain()
            || self.has_predicted_role(&definition.id)
            || self.by_a_member(&definition.id)
            || self.checked.derived.get(&definition.id).is_some_and(|derived| {
                let inputs = derived.value.variables();
                inputs.iter().all(|id| self.has_role(id))
                    && inputs.iter().any(|id| self.has_predicted_role(id))
            })
    }

    /// Whether the roles cannot be told, because something is wrong with them that has been complained of.
    pub(super) fn roles_uncertain(&self) -> bool {
        let names = self.role_names("prognostic");
        names.is_empty() || names.iter().any(|name| self.resolved.lookup(RECIPE, name).is_none())
    }

    /// Whether a field with this id is fed to or predicted by the model under its own name.
    pub(super) fn has_role(&self, id: &str) -> bool {
        self.has_predicted_role(id) || self.is_in("static", id) || self.is_in("forcing", id)
    }

    /// Whether a field with this id is predicted by the model under its own name.
    pub(super) fn has_predicted_role(&self, id: &str) -> bool {
        ROLES.iter().any(|role| self.is_in(role, id))
    }

    pub(super) fn is_in(&self, role: &str, id: &str) -> bool {
        let names = self.role_names(role);
        names.iter().any(|name| self.resolved.lookup(RECIPE, name).is_some_and(|d| d.id == id))
    }

    /// Names written in a clause of `model`.
    pub(super) fn role_names(&self, role: &str) -> Vec<String> {
        names_in_role(self.resolved, role)
    }

    /// Anything else: work out its type to say what is wrong with it.
    fn not_a_loss(&mut self, scope: ScopeId, expr: &Expr) -> Option<Vec<ErrorTerm>> {
        if let Some(definition) = self.named(scope, expr)
            && matches!(definition.item.kind, ItemKind::Loss { .. })
        {
            if !self.checked.losses.contains_key(&definition.name.text) {
                if !self.enter(&definition) {
                    return None;
                }
                self.loss(&definition);
                self.open.pop();
            }
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

/// Names written in a clause of a recipe's `model`.
pub(super) fn names_in_role(resolved: &Resolved, role: &str) -> Vec<String> {
    let Some(model) = resolved.blocks_of("model").next() else { return Vec::new() };
    let clauses = model.block.entries.iter().filter_map(|entry| match entry {
        Entry::Clause(clause) if clause.word.text == role => Some(clause),
        _ => None,
    });
    clauses
        .flat_map(|clause| &clause.values)
        .filter_map(|chain| only_value(chain).and_then(bare_name).map(|name| name.text))
        .collect()
}

/// Whether a measure or a mean stands in an expression.
fn is_error(expr: &Expr) -> bool {
    match &expr.kind {
        ExprKind::Call { function, .. } => {
            function.text == "mean" || MEASURES.contains(&function.text.as_str())
        }
        ExprKind::Binary { left, right, .. } => is_error(left) || is_error(right),
        ExprKind::Negate(inner) => is_error(inner),
        _ => false,
    }
}

fn term(weight: f64, measure: Measure, field: String) -> ErrorTerm {
    ErrorTerm { weight, measure, field, when: None, scale: None, expression: None }
}

fn labelled_as(input: &Input, label: &str) -> bool {
    input.label.as_ref().is_some_and(|given| given.text == label)
}

/// The expression with names replaced by what they stand for; nothing if it grows too long.
fn substitute(expr: &Expr, known: &[(String, Expr)], size: &mut usize) -> Option<Expr> {
    *size += 1;
    if *size > MOST_TERMS {
        return None;
    }
    let mut expr = expr.clone();
    match &mut expr.kind {
        ExprKind::Path(name) => {
            if let Some((_, value)) = known.iter().rev().find(|(known, _)| known == name) {
                return substitute(value, &[], size);
            }
        }
        ExprKind::Call { inputs, .. } => {
            for input in inputs {
                input.value = substitute(&input.value, known, size)?;
            }
        }
        ExprKind::Relation { left, right, .. } | ExprKind::Binary { left, right, .. } => {
            **left = substitute(left, known, size)?;
            **right = substitute(right, known, size)?;
        }
        ExprKind::At { value, .. } | ExprKind::Over { value, .. } => {
            **value = substitute(value, known, size)?;
        }
        ExprKind::Negate(value) | ExprKind::Power { base: value, .. } => {
            **value = substitute(value, known, size)?;
        }
        _ => {}
    }
    Some(expr)
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
