//! Fields: `variable` from the archive, `derive` from other fields.

use aurora_grammar::Diagnostic;
use aurora_grammar::tree::{Block, Expr, ExprKind, ItemKind, Part};

use super::{Checker, Derived, Variable};
use crate::range;
use crate::resolve::{Definition, ScopeId};
use crate::types::{FieldType, Support};
use crate::units::Scale;

/// Definitions that need others that need others: so deep and no deeper, for the compiler follows them
/// by recursion and no input may exhaust its stack.
const DEEPEST: usize = 64;
/// For the same reason, operations that need one another's results.
pub(super) const MOST_OPERATIONS: usize = 1_000;

impl Checker<'_> {
    /// A field of the archive, typed once.
    pub(super) fn variable(&mut self, definition: &Definition) -> Option<Variable> {
        if let Some(variable) = self.checked.variables.get(&definition.id) {
            return Some(variable.clone());
        }
        if !self.failed.insert(definition.id.clone()) {
            return None; // it was tried before, and complained of
        }
        let ItemKind::Variable { ty, from, block, .. } = &definition.item.kind else { return None };
        let Some(ty) = ty else {
            self.error_with_help(
                "missing-type",
                format!("the variable `{}` needs a type", definition.name.text),
                (definition.name.span, "measures what, and where?"),
                format!(
                    "for instance: variable {} : temperature on surface(2 m) from \"FIELD\"",
                    definition.name.text
                ),
            );
            return None;
        };
        let (_, units) = self.quantity(&ty.quantity)?;
        let typed = self.field_type(definition.scope, ty)?;
        if typed.support == Support::Constant {
            self.error_with_help(
                "missing-support",
                "a variable lives somewhere",
                (ty.span, "on which levels?"),
                "add `on static`, `on surface(2 m)`, `on column` or `on LEVELS`",
            );
            return None;
        }
        let from = from.as_ref().unwrap_or(&definition.name).text.clone();
        let mut variable = Variable { from, ..plain(definition, typed, units) };
        if let Some(block) = block {
            self.variable_block(definition.scope, block, &mut variable);
        }
        self.as_archived(definition, &variable)?;
        self.checked.variables.insert(definition.id.clone(), variable.clone());
        Some(variable)
    }

    fn variable_block(&mut self, scope: ScopeId, block: &Block, variable: &mut Variable) {
        let clauses = self.clauses("variable", block);
        for entry in &clauses.entries {
            let Some(Part::Value(value)) = entry.values.first().and_then(|c| c.parts.first()) else {
                continue;
            };
            if self.statistic(crate::lower::input_name(&variable.id), entry, value) {
                continue;
            }
            match (entry.word.text.as_str(), &value.kind) {
                ("since", _) => variable.since = self.first_day(value),
                ("named", ExprKind::Text(text)) => variable.named = Some(text.clone()),
                ("named", _) => {
                    self.error(
                        "wrong-argument",
                        "`named` takes a text",
                        value.span,
                        "for instance named \"2t\"",
                    );
                }
                (word @ ("centre" | "spread"), ExprKind::List { .. }) => {
                    let Some(list) = self.for_each_level(word, value, variable) else { continue };
                    match word {
                        "centre" => variable.centres = list,
                        _ => variable.spreads = list,
                    }
                }
                (word, _) => {
                    let Some(typed) = self.expression(scope, value) else { continue };
                    if word == "spread" && self.is_difference("a spread", &typed).is_none() {
                        continue;
                    }
                    let constant = typed.constant();
                    if constant.is_none() || word == "spread" && constant.is_some_and(|c| c <= 0.0) {
                        let reason = if word == "spread" {
                            "a spread is a positive number"
                        } else {
                            "a centre is a number"
                        };
                        let help = format!(
                            "in the unit of the variable, for instance: {word} 10 {}",
                            variable.units
                        );
                        self.error_with_help("wrong-argument", reason, (value.span, "this is none"), help);
                        continue;
                    }
                    let mut wanted = variable.ty.clone();
                    if word == "spread" && wanted.scale == Scale::Logarithmic {
                        wanted.scale = Scale::Decibel;
                    }
                    if typed.constant() != Some(0.0) && !self.agree_to(&wanted, &typed) {
                        continue;
                    }
                    if word == "centre" {
                        variable.centre = typed.constant();
                    } else {
                        variable.spread = typed.constant();
                    }
                }
            }
        }
    }

    /// `centre [250, 270, 280] K`: a number for each level of the variable, in their order.
    fn for_each_level(&mut self, word: &str, value: &Expr, variable: &Variable) -> Option<Vec<f64>> {
        let numbers = self.numbers(value)?;
        let levels = match &variable.ty.support {
            Support::Levels(set) => self.checked.levels.get(set).map_or(0, |set| set.values.len()),
            _ => 1,
        };
        let foreign = numbers.iter().any(|(number, unit, _)| {
            unit.dimension != variable.ty.dimension && !(unit.dimension.is_none() && *number == 0.0)
        });
        let reason = if numbers.len() != levels {
            format!("{} numbers for {levels} levels", numbers.len())
        } else if foreign {
            format!("not in {}", variable.units)
        } else if word == "spread" && numbers.iter().any(|(number, ..)| *number <= 0.0) {
            "a spread is a positive number".to_string()
        } else if matches!(variable.ty.scale, Scale::Ratio | Scale::Affine) {
            return Some(numbers.into_iter().map(|(number, ..)| number).collect());
        } else {
            "of logarithmic fields one number is given".to_string()
        };
        let help = format!("one number for each level, in their order: {word} [1, 2, 3] {}", variable.units);
        let message = format!("this is no {word} of `{}`", crate::lower::input_name(&variable.id));
        self.error_with_help("wrong-argument", message, (value.span, &reason), help);
        None
    }

    /// A derived field without parameters, typed once. Recursion is refused.
    pub(super) fn derived(&mut self, definition: &Definition) -> Option<Derived> {
        if let Some(derived) = self.checked.derived.get(&definition.id) {
            return Some(derived.clone());
        }
        if self.failed.contains(&definition.id) {
            return None;
        }
        // A field is the same wherever it is used: it does not see the level at hand.
        let eaches = std::mem::take(&mut self.eaches);
        let derived = self.derive_once(definition);
        self.eaches = eaches;
        match &derived {
            Some(derived) => {
                self.checked.derived.insert(definition.id.clone(), derived.clone());
            }
            None => {
                self.failed.insert(definition.id.clone());
            }
        }
        derived
    }

    fn derive_once(&mut self, definition: &Definition) -> Option<Derived> {
        let ItemKind::Derive { ty, value, bindings, block, .. } = &definition.item.kind else { return None };
        if !self.enter(definition) {
            return None;
        }
        let typed = self.with_bindings(definition.scope, Vec::new(), bindings, value);
        self.open.pop();
        let typed = typed?;
        if typed.depth > MOST_OPERATIONS {
            self.too_long(&definition.name.text, definition.name.span);
            return None;
        }
        let (value, declared, units) = match ty {
            None => {
                let units = typed.ty.quantity.as_ref().and_then(|quantity| self.unit_of(quantity));
                let units = units.unwrap_or_else(|| typed.ty.dimension.to_string());
                (typed, range::UNKNOWN, units)
            }
            Some(written) => {
                let declared = self.field_type(definition.scope, written)?;
                let (_, units) = self.quantity(&written.quantity)?;
                self.fits(definition.scope, &declared, written.span, &typed)?;
                let range = declared.range;
                (self.declared(&declared, typed, value.span)?, range, units)
            }
        };
        let mut said = plain(definition, value.ty.clone(), units);
        if let Some(block) = block {
            self.variable_block(definition.scope, block, &mut said);
        }
        let Variable { id, ty, units, named, centre, spread, centres, spreads, span, .. } = said;
        Some(Derived { id, ty, declared, units, value, named, centre, spread, centres, spreads, span })
    }

    /// Marks a definition as being worked out; says so if it already is.
    pub(super) fn enter(&mut self, definition: &Definition) -> bool {
        if self.open.contains(&definition.id) {
            self.recursion(definition);
            return false;
        }
        if self.open.len() >= DEEPEST {
            self.error_with_help(
                "too-deep",
                format!("`{}` needs too many others that need others", definition.name.text),
                (definition.name.span, "not followed from here on"),
                format!("a chain of definitions may have {DEEPEST} links"),
            );
            return false;
        }
        self.open.push(definition.id.clone());
        true
    }

    /// Says once of a whole circle of definitions that it is one.
    fn recursion(&mut self, definition: &Definition) {
        let from = self.open.iter().position(|id| *id == definition.id).unwrap_or(0);
        let circle: Vec<String> = self.open[from..].to_vec();
        if circle.iter().any(|id| self.failed.contains(id)) {
            return;
        }
        let message = format!("`{}` is defined by itself", definition.name.text);
        let mut diagnostic = Diagnostic::error("recursion", message);
        for (at, id) in circle.iter().enumerate() {
            let Some(one) = self.resolved.definitions.get(id) else { continue };
            let next =
                circle.get(at + 1).and_then(|id| self.resolved.definitions.get(id)).unwrap_or(definition);
            let text = match circle.len() {
                1 => "needs its own value".to_string(),
                _ => format!("needs `{}`", next.name.text),
            };
            diagnostic = diagnostic.label(one.name.span, text);
        }
        self.failed.extend(circle);
        self.diagnostics
            .push(diagnostic.help("a definition may use others, never itself, not even by way of others"));
    }

    /// `since 2018-07-12`.
    fn first_day(&mut self, value: &Expr) -> Option<jiff::Timestamp> {
        let day = match &value.kind {
            ExprKind::Date(text) => text.get(..10).and_then(|day| day.parse::<jiff::civil::Date>().ok()),
            _ => None,
        };
        let first = day.and_then(|day| day.to_zoned(jiff::tz::TimeZone::UTC).ok());
        if first.is_none() {
            let label = (value.span, "this is none");
            self.error_with_help(
                "not-a-date",
                "`since` takes a date",
                label,
                "for instance: since 2018-07-12",
            );
        }
        first.map(|day| day.timestamp())
    }
}

/// A field of which no block has said anything yet.
fn plain(definition: &Definition, ty: FieldType, units: String) -> Variable {
    Variable {
        id: definition.id.clone(),
        ty,
        from: String::new(),
        units,
        named: None,
        centre: None,
        spread: None,
        centres: Vec::new(),
        spreads: Vec::new(),
        since: None,
        span: definition.name.span,
    }
}
