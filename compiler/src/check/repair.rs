//! `fill`, `reject` and `debias`: what is done about data that are missing or wrong.

use aurora_grammar::tree::{Chain, Clause, Comparison, Expr, ExprKind, ItemKind, Part};
use aurora_grammar::{Diagnostic, Span, nearest};

use super::Checker;
use super::clauses::Clauses;
use super::evaluation::spoken_time;
use crate::dimension::Dimension;
use crate::plan::data::{DebiasPlan, GapMethod, GapPlan, RepairPlan};
use crate::resolve::RECIPE;
use crate::site::Site;
use crate::vocabulary;

/// Longer gaps are weather that nobody saw.
const LONGEST_GAP: f64 = 86_400.0;
/// Wider holes are too.
const WIDEST_HOLE: f64 = 10_000.0;
const FILL: &str = "fill  gaps <= 2 h by linear, or fill  holes <= 3 cells";
const DEBIAS: &str = "debias  t2m against rtma.t2m by quantiles(50)";

impl Checker<'_> {
    pub(super) fn repair(&mut self, clauses: &Clauses, every: Option<i64>, site: &dyn Site) -> RepairPlan {
        let mut plan = RepairPlan::default();
        for clause in clauses.all("fill") {
            clause.values.iter().for_each(|chain| {
                self.fill(chain, every, &mut plan);
            });
        }
        for clause in clauses.all("reject") {
            clause.values.iter().for_each(|chain| self.reject(chain, &mut plan));
        }
        // In the order of the table, so that theirs in the text does not matter.
        plan.reject.sort_by_key(|word| vocabulary::REJECTS.iter().position(|known| known.word == word));
        for clause in clauses.all("debias") {
            if let Some(debias) = self.debias(clause, site) {
                self.once(plan.debias.iter().any(|d| d.field == debias.field), clause.span, "debias");
                plan.debias.push(debias);
            }
        }
        plan.debias.sort_by(|a, b| a.field.cmp(&b.field));
        plan
    }

    fn once(&mut self, twice: bool, span: Span, what: &str) {
        if twice {
            let message = format!("this {what} stands here twice");
            self.error_with_help("repeated-clause", message, (span, "again"), "keep one of them");
        }
    }

    /// `gaps <= 2 h by linear` or `holes <= 3 cells`.
    fn fill(&mut self, chain: &Chain, every: Option<i64>, plan: &mut RepairPlan) -> Option<()> {
        let Some(Part::Value(Expr { kind: ExprKind::Relation { left, comparison, right }, .. })) =
            chain.parts.first()
        else {
            return self.no_fill(chain.span);
        };
        let (ExprKind::Path(what), Comparison::LessEqual) = (&left.kind, comparison) else {
            return self.no_fill(chain.span);
        };
        match (what.as_str(), &chain.parts[1..]) {
            ("gaps", [Part::Joint(by), Part::Value(method)]) if by.text == "by" => {
                let numbers = self.numbers(right)?;
                let longest = match numbers[..] {
                    [(seconds, unit, _)]
                        if unit.dimension == Dimension::TIME && (1.0..=LONGEST_GAP).contains(&seconds) =>
                    {
                        seconds as i64
                    }
                    _ => {
                        self.error_with_help(
                            "wrong-argument",
                            "a gap is closed up to a length of at most a day",
                            (right.span, "not such a time"),
                            format!("for instance: {FILL}"),
                        );
                        return None;
                    }
                };
                if let Some(every) = every.filter(|every| longest < *every) {
                    let message = format!(
                        "no gap is as short as this: fields are {} apart, so one that is missing leaves {}",
                        spoken_time(every),
                        spoken_time(every)
                    );
                    let help = format!("for instance: fill  gaps <= {} by linear", spoken_time(2 * every));
                    self.error_with_help("wrong-argument", message, (right.span, "shorter"), help);
                    return None;
                }
                let method = self.gap_method(method)?;
                self.once(plan.gaps.is_some(), chain.span, "fill");
                plan.gaps = Some(GapPlan { longest, method });
            }
            ("holes", []) => {
                let ExprKind::Measure { value, unit: Some(unit) } = &right.kind else {
                    return self.no_fill(chain.span);
                };
                let cells = matches!(unit.text.as_str(), "cell" | "cells");
                if !cells || value.fract() != 0.0 || !(1.0..=WIDEST_HOLE).contains(value) {
                    return self.no_fill(chain.span);
                }
                self.once(plan.holes.is_some(), chain.span, "fill");
                plan.holes = Some(*value as usize);
            }
            _ => return self.no_fill(chain.span),
        }
        Some(())
    }

    fn no_fill(&mut self, span: Span) -> Option<()> {
        self.error_with_help(
            "wrong-argument",
            "`fill` closes gaps in time or holes in space, up to a size",
            (span, "neither"),
            format!("for instance: {FILL}"),
        );
        None
    }

    fn gap_method(&mut self, expr: &Expr) -> Option<GapMethod> {
        let word = match &expr.kind {
            ExprKind::Path(word) => word.as_str(),
            _ => "",
        };
        match word {
            "linear" => Some(GapMethod::Linear),
            "nearest" => Some(GapMethod::Nearest),
            "persistence" => Some(GapMethod::Persistence),
            _ => {
                self.unknown_word("way to fill a gap", word, expr.span, vocabulary::GAP_METHODS);
                None
            }
        }
    }

    /// Says that a word is none of a table's.
    pub(super) fn unknown_word(
        &mut self,
        what: &str,
        word: &str,
        span: Span,
        known: &'static [vocabulary::Word],
    ) {
        let words = known.iter().map(|known| known.word);
        let message = if word.is_empty() {
            format!("this is no {what}")
        } else {
            format!("there is no {what} `{word}`")
        };
        let mut diagnostic = Diagnostic::error("unknown-name", message).label(span, "not found");
        diagnostic = match nearest(word, words.clone()) {
            Some(near) => diagnostic.help(format!("did you mean `{near}`?")).fix(span, near),
            None => diagnostic.help(format!("there are {}", words.collect::<Vec<_>>().join(", "))),
        };
        self.diagnostics.push(diagnostic);
    }

    /// `outside range`, or the word of a check.
    fn reject(&mut self, chain: &Chain, plan: &mut RepairPlan) {
        let words: Vec<(&str, Span)> = chain
            .parts
            .iter()
            .map(|part| match part {
                Part::Value(Expr { kind: ExprKind::Path(word), span }) => (word.as_str(), *span),
                _ => ("", chain.span),
            })
            .collect();
        let (word, span) = match words[..] {
            [("outside", _), ("range", span)] => ("range", span),
            [(word, span)] if word != "range" => (word, span),
            _ => ("", chain.span),
        };
        match vocabulary::REJECTS.iter().find(|known| known.word == word) {
            Some(known) => {
                self.once(plan.reject.iter().any(|given| given == known.word), span, "check");
                plan.reject.push(known.word.to_string());
            }
            None => self.unknown_word("check", word, span, vocabulary::REJECTS),
        }
    }

    /// `t2m against rtma.t2m by quantiles(50)`.
    fn debias(&mut self, clause: &Clause, site: &dyn Site) -> Option<DebiasPlan> {
        let [chain] = &clause.values[..] else { return self.no_debias(clause.span) };
        let [
            Part::Value(field),
            Part::Joint(against),
            Part::Value(other),
            Part::Joint(by),
            Part::Value(method),
        ] = &chain.parts[..]
        else {
            return self.no_debias(chain.span);
        };
        let (ExprKind::Path(field_name), ExprKind::Path(other_name)) = (&field.kind, &other.kind) else {
            return self.no_debias(chain.span);
        };
        let ExprKind::Call { function, inputs } = &method.kind else { return self.no_debias(method.span) };
        if (against.text.as_str(), by.text.as_str(), function.text.as_str()) != ("against", "by", "quantiles")
        {
            return self.no_debias(chain.span);
        }
        let mut inputs = inputs.clone();
        let first = (!inputs.is_empty() && inputs[0].label.is_none()).then(|| inputs.remove(0).value);
        let mut arguments = self.arguments(function, &inputs);
        if let Some(split) = arguments.optional("on") {
            self.only_train(&split, "the quantiles of `debias`")?;
        }
        arguments.finish(self);
        let quantiles = first.as_ref().and_then(super::arguments::whole_number).filter(|n| *n >= 2);
        let Some(quantiles) = quantiles else {
            let message = "`quantiles` takes a whole number of at least two";
            self.error_with_help(
                "wrong-argument",
                message,
                (method.span, "here"),
                format!("for instance: {DEBIAS}"),
            );
            return None;
        };
        let definition = self.variable_named(field_name, field.span)?;
        let variable = self.variable(&definition)?;
        let Some((archive, other_field)) = other_name.split_once('.') else {
            return self.no_debias(other.span);
        };
        if !self.known_archive(archive, other.span, site) {
            return None;
        }
        let better = self.variable_named(other_field, other.span)?;
        let better = self.variable(&better)?;
        if better.ty.quantity != variable.ty.quantity || better.ty.support != variable.ty.support {
            let spoken = |v: &super::Variable| format!("{} on {}", v.ty.spoken(), v.ty.support);
            let (a, b) = (spoken(&variable), spoken(&better));
            self.diagnostics.push(
                Diagnostic::error("quantity-mismatch", format!("{a} cannot be brought to {b}"))
                    .label(field.span, a)
                    .label(other.span, b)
                    .help("the better field measures the same thing in the same place"),
            );
            return None;
        }
        self.field_exists(&better, archive, other.span, site)?;
        Some(DebiasPlan {
            field: crate::lower::input_name(&variable.id).to_string(),
            against_archive: archive.to_string(),
            against_from: better.from,
            quantiles,
        })
    }

    fn variable_named(&mut self, name: &str, span: Span) -> Option<crate::resolve::Definition> {
        let Some(definition) = self.resolved.lookup(RECIPE, name).cloned() else {
            self.unknown(RECIPE, name, span, "");
            return None;
        };
        if matches!(definition.item.kind, ItemKind::Variable { .. }) {
            return Some(definition);
        }
        self.diagnostics.push(
            Diagnostic::error("not-a-field", format!("`{name}` is no field of an archive"))
                .label(span, "nothing to correct")
                .label(definition.name.span, "defined here")
                .help("correct the variables it is derived from"),
        );
        None
    }

    fn no_debias(&mut self, span: Span) -> Option<DebiasPlan> {
        self.error_with_help(
            "wrong-argument",
            "`debias` corrects a field against a better one by quantiles",
            (span, "here"),
            format!("for instance: {DEBIAS}"),
        );
        None
    }
}
