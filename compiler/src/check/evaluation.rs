//! `evaluate NAME on SPLIT { }`: which scores of which fields, at which lead times, against what.

use aurora_grammar::tree::{BlockItem, Chain, Clause, Expr, ExprKind, Name, Part};
use aurora_grammar::{Diagnostic, nearest};

use super::clauses::Clauses;
use super::numbers::only_value;
use super::{Checker, bare_name};
use crate::dimension::Dimension;
use crate::plan::evaluation::{EvaluationPlan, Score, ScorePlan};
use crate::resolve::RECIPE;
use crate::typed::Typed;
use crate::types::Support;
use crate::units;

const SPLITS: [&str; 3] = ["train", "validate", "test"];
const LATER: [&str; 7] = ["reliability", "sal", "crps", "spread", "violation", "roc", "spectra"];

/// What stands after the little words of a score.
#[derive(Default)]
struct Parts<'a> {
    at: Option<&'a Expr>,
    within: Option<&'a Expr>,
}

/// Steps ahead that an evaluation may go.
const MOST_LEADS: i64 = 10_000;

impl Checker<'_> {
    pub(super) fn evaluations(&mut self) {
        let blocks: Vec<BlockItem> = self.resolved.blocks_of("evaluate").cloned().collect();
        for block in &blocks {
            if let Some(evaluation) = self.evaluation(block) {
                self.checked.evaluations.push(evaluation);
            }
        }
    }

    fn evaluation(&mut self, block: &BlockItem) -> Option<EvaluationPlan> {
        let clauses = self.block_clauses(block);
        if let Some(clause) = clauses.get("by") {
            self.not_yet("`by`", clause.span);
        }
        let name = block.name.as_ref().map_or_else(|| "evaluation".to_string(), |n| n.text.clone());
        let split = self.split_name(block)?;
        let leads = clauses.require(self, "lead", "1 .. 12 h").and_then(|c| self.leads(&c));
        let mut scores = Vec::new();
        for clause in clauses.all("score") {
            scores.extend(self.scores(clause));
        }
        if scores.is_empty() && !self.diagnostics.has_errors() {
            self.error_with_help(
                "missing-clause",
                "nothing is scored here",
                (clauses.opened, "no `score` clause"),
                "for instance: score  rmse of t2m",
            );
        }
        let against = self.baselines(&clauses);
        if let (Some(clause), Some(last)) = (clauses.get("lead"), leads.as_ref().and_then(|l| l.last())) {
            self.samples_of(&split, *last, clause.span);
        }
        Some(EvaluationPlan { name, split, leads: leads?, scores, against })
    }

    fn split_name(&mut self, block: &BlockItem) -> Option<String> {
        let Some(on) = &block.on else {
            self.error_with_help(
                "missing-split",
                "an evaluation says on which split",
                (block.kind.span, "on which?"),
                "for instance: evaluate convection on test { … }",
            );
            return None;
        };
        if !SPLITS.contains(&on.text.as_str()) {
            let mut diagnostic =
                Diagnostic::error("unknown-name", format!("there is no split `{}`", on.text))
                    .label(on.span, "not found");
            diagnostic = match nearest(&on.text, SPLITS) {
                Some(near) => diagnostic.help(format!("did you mean `{near}`?")).fix(on.span, near),
                None => diagnostic.help("there are train, validate and test"),
            };
            self.diagnostics.push(diagnostic);
            return None;
        }
        let given = self.checked.data.as_ref().is_none_or(|data| match on.text.as_str() {
            "validate" => data.validate.is_some(),
            "test" => data.test.is_some(),
            _ => true,
        });
        if !given {
            let message = format!("`data` names no `{}` split", on.text);
            self.error_with_help(
                "missing-split",
                message,
                (on.span, "nothing to evaluate on"),
                format!("add to `data`: {}  DATE .. DATE", on.text),
            );
            return None;
        }
        Some(on.text.clone())
    }

    /// Lead times as steps of the model.
    fn leads(&mut self, clause: &Clause) -> Option<Vec<usize>> {
        let step = self.checked.model.as_ref()?.step;
        let value = self.value_of(clause, "1 .. 6 h")?;
        let seconds: Vec<i64> = match &value.kind {
            ExprKind::Range { start, end, .. } => {
                let shared = match &end.kind {
                    ExprKind::Measure { unit, .. } => unit.clone(),
                    _ => None,
                };
                let first = self.time(&super::numbers::with_unit(start, shared.as_ref()))?;
                let last = self.time(end)?;
                (1..=MOST_LEADS)
                    .map(|n| n.saturating_mul(step))
                    .filter(|s| (first..=last).contains(s))
                    .collect()
            }
            ExprKind::List { items, unit } => {
                let items: Vec<Expr> =
                    items.iter().map(|i| super::numbers::with_unit(i, unit.as_ref())).collect();
                items.iter().map(|item| self.time(item)).collect::<Option<_>>()?
            }
            _ => vec![self.time(&value)?],
        };
        let whole = seconds.iter().all(|s| *s > 0 && s % step == 0 && s / step <= MOST_LEADS);
        if seconds.is_empty() || !whole {
            self.error_with_help(
                "wrong-argument",
                format!("lead times are multiples of the model's step of {}", spoken_time(step)),
                (value.span, if seconds.is_empty() { "no such time lies within" } else { "not such a time" }),
                format!("for instance: lead  {}", spoken_time(step)),
            );
            return None;
        }
        let mut leads: Vec<usize> = seconds.iter().map(|s| (s / step) as usize).collect();
        leads.sort_unstable();
        leads.dedup();
        Some(leads)
    }

    fn time(&mut self, expr: &Expr) -> Option<i64> {
        let numbers = self.numbers(expr)?;
        match numbers[..] {
            [(seconds, unit, _)] if unit.dimension == Dimension::TIME => Some(seconds.round() as i64),
            _ => {
                self.error_with_help(
                    "unit-mismatch",
                    "a lead time is a time",
                    (expr.span, "this is none"),
                    "for instance: lead  1 .. 6 h",
                );
                None
            }
        }
    }

    /// `csi, ets of refc at [20, 35] dBZ within [0, 12] km`: the words before `of` share what follows,
    /// and so do the fields after it.
    fn scores(&mut self, clause: &Clause) -> Vec<ScorePlan> {
        let mut words: Vec<Name> = Vec::new();
        let mut fields: Vec<Name> = Vec::new();
        let mut tail: Parts<'_> = Parts::default();
        let mut seen_of = false;
        for chain in &clause.values {
            match self.score_chain(chain, &mut seen_of, &mut words, &mut fields) {
                Some(parts) => {
                    tail.at = tail.at.or(parts.at);
                    tail.within = tail.within.or(parts.within);
                }
                None => return Vec::new(),
            }
        }
        if !seen_of || fields.is_empty() {
            self.error_with_help(
                "wrong-argument",
                "a score is `SCORE of FIELD`",
                (clause.span, "of what?"),
                "for instance: score  rmse of t at 500 hPa",
            );
            return Vec::new();
        }
        let mut plans = Vec::new();
        for word in &words {
            let Some(score) = self.score_word(word) else { continue };
            for field in &fields {
                plans.extend(self.score_plan(score, word, field, &tail));
            }
        }
        plans
    }

    fn score_chain<'c>(
        &mut self,
        chain: &'c Chain,
        seen_of: &mut bool,
        words: &mut Vec<Name>,
        fields: &mut Vec<Name>,
    ) -> Option<Parts<'c>> {
        let mut parts = Parts::default();
        let mut joint = None;
        for part in &chain.parts {
            match part {
                Part::Joint(name) => {
                    *seen_of |= name.text == "of";
                    joint = Some(name.clone());
                }
                Part::Value(value) => match joint.as_ref().map(|j: &Name| j.text.as_str()) {
                    None | Some("of") => {
                        let Some((name, at)) = split_at(value) else {
                            self.error_with_help(
                                "wrong-argument",
                                "a name is wanted here",
                                (value.span, "this is none"),
                                "give it one: derive NAME = …",
                            );
                            return None;
                        };
                        parts.at = parts.at.or(at);
                        if *seen_of { fields.push(name) } else { words.push(name) }
                    }
                    Some("at") => parts.at = Some(value),
                    Some("within") => parts.within = Some(value),
                    Some(other) => {
                        self.not_yet(&format!("`{other}` in a score"), chain.span);
                        return None;
                    }
                },
            }
        }
        Some(parts)
    }

    fn score_word(&mut self, word: &Name) -> Option<Score> {
        if let Some((_, score)) = Score::WORDS.iter().find(|(name, _)| *name == word.text) {
            return Some(*score);
        }
        if LATER.contains(&word.text.as_str()) {
            self.not_yet(&format!("the score `{}`", word.text), word.span);
            return None;
        }
        let known = Score::WORDS.map(|(name, _)| name);
        let mut diagnostic = Diagnostic::error("unknown-name", format!("there is no score `{}`", word.text))
            .label(word.span, "not found");
        diagnostic = match nearest(&word.text, known) {
            Some(near) => diagnostic.help(format!("did you mean `{near}`?")).fix(word.span, near),
            None => diagnostic.help(format!("there are {}", known.join(", "))),
        };
        self.diagnostics.push(diagnostic);
        None
    }

    fn score_plan(&mut self, score: Score, word: &Name, field: &Name, tail: &Parts<'_>) -> Option<ScorePlan> {
        let expr = Expr { kind: ExprKind::Path(field.text.clone()), span: field.span };
        let typed = self.expression(RECIPE, &expr)?;
        let definition = self.resolved.lookup(RECIPE, &field.text)?.clone();
        let units = self.units_of(&definition.id);
        let mut plan = ScorePlan {
            score,
            field: field.text.clone(),
            units,
            levels: Vec::new(),
            thresholds: Vec::new(),
            scales: Vec::new(),
        };
        if score.needs_threshold() {
            plan.thresholds = self.thresholds(word, &typed, tail.at)?;
            plan.scales = match tail.within {
                Some(within) if score == Score::Fss => self.lengths(within)?,
                Some(within) => {
                    self.not_yet(&format!("`within` in the score `{}`", word.text), within.span);
                    return None;
                }
                None => vec![0.0],
            };
        } else {
            plan.levels = self.score_levels(field, &typed, tail.at)?;
            if let Some(within) = tail.within {
                let message = format!("`{}` compares value with value and has no neighbourhood", word.text);
                self.error_with_help(
                    "wrong-argument",
                    message,
                    (within.span, "not used"),
                    "take it out, or score `fss` within it",
                );
                return None;
            }
        }
        // Last, so that a wrong threshold is told as such.
        if !self.predicted(&definition) {
            let message = format!("`{}` is not predicted by this model", field.text);
            self.error_with_help(
                "not-predicted",
                message,
                (field.span, "cannot be scored"),
                "name it, or all that it is derived from, in `prognostic`",
            );
            return None;
        }
        Some(plan)
    }

    pub(super) fn units_of(&self, id: &str) -> String {
        let variable = self.checked.variables.get(id).map(|v| v.units.clone());
        variable.or_else(|| self.checked.derived.get(id).map(|d| d.units.clone())).unwrap_or_default()
    }

    fn thresholds(&mut self, word: &Name, field: &Typed, at: Option<&Expr>) -> Option<Vec<f64>> {
        let Some(at) = at else {
            self.error_with_help(
                "missing-threshold",
                format!("`{}` counts events and needs a threshold", word.text),
                (word.span, "above which value?"),
                format!("for instance: {} of refc at 35 dBZ", word.text),
            );
            return None;
        };
        let items: Vec<Expr> = match &at.kind {
            ExprKind::List { items, unit } => {
                items.iter().map(|i| super::numbers::with_unit(i, unit.as_ref())).collect()
            }
            _ => vec![at.clone()],
        };
        let mut thresholds = Vec::new();
        for item in &items {
            let typed = self.expression(RECIPE, item)?;
            self.agree(field, &typed, "compared with")?;
            let value = typed.constant();
            if value.is_none() {
                self.error_with_help(
                    "not-constant",
                    "a threshold is a number",
                    (item.span, "not known before the data are"),
                    "for instance: at 35 dBZ",
                );
            }
            thresholds.push(value?);
        }
        Some(thresholds)
    }

    fn lengths(&mut self, within: &Expr) -> Option<Vec<f64>> {
        let mut lengths = Vec::new();
        for (metres, unit, span) in self.numbers(within)? {
            if unit.dimension != Dimension::LENGTH && metres != 0.0 {
                self.error_with_help(
                    "unit-mismatch",
                    "the width of a neighbourhood is a length",
                    (span, "this is none"),
                    "for instance: within [0, 12] km",
                );
                return None;
            }
            if metres < 0.0 {
                self.error_with_help(
                    "wrong-argument",
                    "the width of a neighbourhood is not negative",
                    (span, "this is"),
                    "for instance: within [0, 12] km",
                );
                return None;
            }
            lengths.push(metres);
        }
        Some(lengths)
    }

    fn score_levels(&mut self, name: &Name, field: &Typed, at: Option<&Expr>) -> Option<Vec<usize>> {
        let Support::Levels(id) = &field.ty.support else {
            if let Some(at) = at {
                let message = format!("`{}` has no levels: one value per column only", name.text);
                self.error_with_help(
                    "level-mismatch",
                    message,
                    (at.span, "no level to choose"),
                    "take the `at` out; a threshold goes with csi, pod, far, ets or fss",
                );
                return None;
            }
            return Some(Vec::new());
        };
        let levels = self.checked.levels.get(id)?.clone();
        let Some(at) = at else { return Some((0..levels.values.len()).collect()) };
        let unit_dimension =
            units::parse(if levels.coordinate == "pressure" { "Pa" } else { "m" }).ok()?.dimension;
        let mut indices = Vec::new();
        for (value, unit, span) in self.numbers(at)? {
            let found = levels.values.iter().position(|l| (l - value).abs() < 1e-6 * l.abs().max(1.0));
            match found.filter(|_| unit.dimension == unit_dimension) {
                Some(index) => indices.push(index),
                None => {
                    self.error_with_help(
                        "outside-levels",
                        format!("this is none of the levels of `{}`", name.text),
                        (span, "not found"),
                        format!("they are {}", super::column::listed(&levels)),
                    );
                    return None;
                }
            }
        }
        Some(indices)
    }

    fn baselines(&mut self, clauses: &Clauses) -> Vec<String> {
        let Some(clause) = clauses.get("against").cloned() else {
            self.diagnostics.push(
                Diagnostic::warning("no-baseline", "this evaluation compares with nothing")
                    .label(clauses.opened, "no `against` clause")
                    .help("add: against  persistence"),
            );
            return Vec::new();
        };
        let mut baselines = Vec::new();
        for chain in &clause.values {
            match only_value(chain).and_then(bare_name) {
                Some(name) if name.text == "persistence" => baselines.push(name.text),
                Some(name) if nearest(&name.text, ["persistence"]).is_some() => {
                    self.diagnostics.push(
                        Diagnostic::error("unknown-name", format!("there is no baseline `{}`", name.text))
                            .label(name.span, "not found")
                            .help("did you mean `persistence`?")
                            .fix(name.span, "persistence"),
                    );
                }
                _ => self.not_yet("a baseline other than persistence", chain.span),
            }
        }
        baselines
    }
}

/// `3600` as `1 h`.
pub(super) fn spoken_time(seconds: i64) -> String {
    match seconds {
        s if s % 3600 == 0 => format!("{} h", s / 3600),
        s if s % 60 == 0 => format!("{} min", s / 60),
        s => format!("{s} s"),
    }
}

/// `t at 500 hPa`, which the grammar reads as one expression, as its name and its place.
fn split_at(value: &Expr) -> Option<(Name, Option<&Expr>)> {
    match &value.kind {
        ExprKind::At { value, place } => Some((bare_name(value)?, Some(&**place))),
        _ => Some((bare_name(value)?, None)),
    }
}
