//! `score csi, ets of refc at [20, 35] dBZ within [0, 12] km`: what is scored, of what, where.

use aurora_grammar::tree::{Chain, Clause, Comparison, Expr, ExprKind, ItemKind, Name, Part};
use aurora_grammar::{Diagnostic, nearest};

use super::{Checker, bare_name};
use crate::dimension::Dimension;
use crate::lower::input_name;
use crate::plan::evaluation::{Score, ScorePlan, Subject};
use crate::plan::training::{Condition, ErrorTerm};
use crate::resolve::RECIPE;
use crate::typed::{Typed, TypedKind};
use crate::types::Support;
use crate::units;

/// Bins of a reliability diagram if the recipe does not say.
const BINS: usize = 10;
const MOST_BINS: f64 = 1_000.0;

/// What stands after the little words of a score.
#[derive(Default)]
struct Parts<'a> {
    at: Option<&'a Expr>,
    within: Option<&'a Expr>,
    bins: Option<&'a Expr>,
}

/// What stands behind `of`.
#[derive(Clone, Debug)]
enum Of {
    Name(Name),
    /// `chance(refc >= 40 dBZ)`: the relation.
    Chance(Expr),
}

impl Checker<'_> {
    /// `csi, ets of refc at [20, 35] dBZ within [0, 12] km`: the words before `of` share what follows,
    /// and so do the fields after it.
    pub(super) fn scores(&mut self, evaluation: &str, clause: &Clause) -> Vec<ScorePlan> {
        let mut words: Vec<Name> = Vec::new();
        let mut subjects: Vec<Of> = Vec::new();
        let mut tail: Parts<'_> = Parts::default();
        let mut seen_of = false;
        for chain in &clause.values {
            match self.score_chain(chain, &mut seen_of, &mut words, &mut subjects) {
                Some(parts) => {
                    tail.at = tail.at.or(parts.at);
                    tail.within = tail.within.or(parts.within);
                    tail.bins = tail.bins.or(parts.bins);
                }
                None => return Vec::new(),
            }
        }
        if !seen_of || subjects.is_empty() {
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
            for of in &subjects {
                plans.extend(self.score_plan(evaluation, score, word, of, &tail));
            }
        }
        plans
    }

    fn score_chain<'c>(
        &mut self,
        chain: &'c Chain,
        seen_of: &mut bool,
        words: &mut Vec<Name>,
        subjects: &mut Vec<Of>,
    ) -> Option<Parts<'c>> {
        let mut parts = Parts::default();
        let mut joint = None;
        for part in &chain.parts {
            let value = match part {
                Part::Joint(name) => {
                    *seen_of |= name.text == "of";
                    joint = Some(name.clone());
                    continue;
                }
                Part::Value(value) => value,
            };
            match joint.as_ref().map(|j: &Name| j.text.as_str()) {
                None | Some("of") => {
                    let (of, at) = self.score_subject(value)?;
                    if let Some(at) = at {
                        self.part_once("at", &mut parts.at, at)?;
                    }
                    match of {
                        Of::Name(name) if !*seen_of => words.push(name),
                        of => subjects.push(of),
                    }
                }
                Some("at") => self.part_once("at", &mut parts.at, value)?,
                Some("within") => self.part_once("within", &mut parts.within, value)?,
                Some("in") => self.part_once("in", &mut parts.bins, value)?,
                Some(other) => {
                    let message = format!("`{other}` has no meaning in a score");
                    let help =
                        "a score has `of` FIELD, `at` thresholds or levels, `within` distances and `in` bins";
                    self.error_with_help("wrong-argument", message, (chain.span, "not understood"), help);
                    return None;
                }
            }
        }
        Some(parts)
    }

    /// The second `at` of a score would silently take the place of the first.
    fn part_once<'c>(&mut self, word: &str, slot: &mut Option<&'c Expr>, value: &'c Expr) -> Option<()> {
        if let Some(first) = slot.replace(value) {
            self.diagnostics.push(
                Diagnostic::error("wrong-argument", format!("this score has two `{word}`"))
                    .label(value.span, "again")
                    .label(first.span, "first")
                    .help(format!("make one list of them: {word} [20, 35] dBZ, say; or write another score")),
            );
            return None;
        }
        Some(())
    }

    /// A name, perhaps with its place, or `chance(relation)`.
    fn score_subject<'c>(&mut self, value: &'c Expr) -> Option<(Of, Option<&'c Expr>)> {
        if let ExprKind::Call { function, inputs } = &value.kind
            && function.text == "chance"
            && let [input] = &inputs[..]
            && matches!(input.value.kind, ExprKind::Relation { .. })
        {
            return Some((Of::Chance(input.value.clone()), None));
        }
        if let Some((name, at)) = split_at(value) {
            return Some((Of::Name(name), at));
        }
        let chance = matches!(&value.kind, ExprKind::Call { function, .. } if function.text == "chance");
        self.error_with_help(
            "wrong-argument",
            if chance { "`chance` takes a relation" } else { "a name is wanted here" },
            (value.span, "this is none"),
            if chance {
                "for instance: score  reliability of chance(refc >= 40 dBZ) in 10 bins"
            } else {
                "give it one: derive NAME = …"
            },
        );
        None
    }

    fn score_word(&mut self, word: &Name) -> Option<Score> {
        if let Some((_, score)) = Score::WORDS.iter().find(|(name, _)| *name == word.text) {
            return Some(*score);
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

    fn score_plan(
        &mut self,
        evaluation: &str,
        score: Score,
        word: &Name,
        of: &Of,
        tail: &Parts<'_>,
    ) -> Option<ScorePlan> {
        if !matches!((score.subject(), of), (Subject::Chance, Of::Name(_))) {
            self.fitting(score, word, tail)?;
        }
        match (score.subject(), of) {
            (Subject::Chance, Of::Chance(relation)) => self.chance_plan(evaluation, score, relation, tail),
            (Subject::Chance, Of::Name(name)) => {
                let message = format!("`{}` judges chances, and `{}` is none", word.text, name.text);
                let help = format!("for instance: {} of chance({} >= 40 dBZ)", word.text, name.text);
                self.error_with_help("wrong-argument", message, (name.span, "of which event?"), help);
                None
            }
            (_, Of::Chance(relation)) => {
                let message = format!("`{}` judges values, not chances", word.text);
                let help = "reliability, brier and roc judge chances";
                self.error_with_help("wrong-argument", message, (relation.span, "a chance"), help);
                None
            }
            (Subject::Constraint, Of::Name(name)) => self.violation_plan(name),
            (_, Of::Name(name)) => self.field_plan(score, word, name, tail),
        }
    }

    /// Whether a score takes what is written behind it.
    fn fitting(&mut self, score: Score, word: &Name, tail: &Parts<'_>) -> Option<()> {
        let unused = match tail {
            Parts { bins: Some(bins), .. } if score != Score::Reliability => {
                Some((bins.span, "and has no bins", "take it out, or score `reliability` in bins"))
            }
            Parts { within: Some(within), .. } if !score.has_neighbourhood() => {
                Some((within.span, "and has no neighbourhood", "take it out, or score `fss` within it"))
            }
            Parts { at: Some(at), .. }
                if matches!(score.subject(), Subject::Chance | Subject::Constraint) =>
            {
                Some((at.span, "and takes no threshold", "take the `at` out"))
            }
            _ => None,
        };
        let Some((span, why, help)) = unused else { return Some(()) };
        let does = match score.subject() {
            Subject::Values => "compares value with value",
            Subject::Events => "counts events or objects",
            Subject::Chance => "compares a chance with what happened",
            Subject::Distribution => "judges a distribution",
            Subject::Constraint => "measures how far a relation is broken",
        };
        let message = format!("`{}` {does} {why}", word.text);
        self.error_with_help("wrong-argument", message, (span, "not used"), help);
        None
    }

    fn field_plan(&mut self, score: Score, word: &Name, field: &Name, tail: &Parts<'_>) -> Option<ScorePlan> {
        let expr = Expr { kind: ExprKind::Path(field.text.clone()), span: field.span };
        let typed = self.expression(RECIPE, &expr)?;
        let definition = self.resolved.lookup(RECIPE, &field.text)?.clone();
        let units = self.units_of(&definition.id);
        let mut plan = empty_plan(score, field.text.clone(), units);
        if score.needs_threshold() {
            plan.thresholds = self.thresholds(word, &typed, tail.at)?;
            plan.scales = match tail.within {
                Some(within) => self.lengths(within)?,
                None if score.has_neighbourhood() => vec![0.0],
                None => Vec::new(),
            };
            for (item, threshold) in listed(tail.at).iter().zip(&plan.thresholds) {
                self.threshold_is_seen(field, &typed, item, *threshold);
            }
        } else {
            plan.levels = self.score_levels(field, &typed, tail.at)?;
        }
        // Last, so that a wrong threshold is told as such.
        if !self.predicted(&definition) {
            let message = format!("`{}` is not predicted by this model", field.text);
            self.error_with_help(
                "not-predicted",
                message,
                (field.span, "cannot be scored"),
                "name it, or all that it is derived from, in `prognostic` or `diagnostic`",
            );
            return None;
        }
        if score.subject() == Subject::Distribution {
            let ids = std::slice::from_ref(&definition.id);
            self.distribution(ids, !self.resolved.members.is_empty(), word.span, &word.text)?;
        }
        Some(plan)
    }

    /// `chance(refc >= 40 dBZ)`, kept as the kernel `event.EVALUATION.N`.
    fn chance_plan(
        &mut self,
        evaluation: &str,
        score: Score,
        relation: &Expr,
        tail: &Parts<'_>,
    ) -> Option<ScorePlan> {
        let typed = self.expression(RECIPE, relation)?;
        if !matches!(typed.kind, TypedKind::Compare(..)) {
            return None;
        }
        let variables = typed.variables();
        let Some(first) = variables.iter().find(|id| self.predicted_id(id)) else {
            self.error_with_help(
                "not-predicted",
                "nothing that the model predicts stands in this event",
                (relation.span, "no chance to judge"),
                "for instance: chance(refc >= 40 dBZ)",
            );
            return None;
        };
        self.distribution(&variables, !self.resolved.members.is_empty(), relation.span, "chance")?;
        let bins = match (score, tail.bins) {
            (Score::Reliability, None) => Some(BINS),
            (Score::Reliability, Some(bins)) => Some(self.bins(bins)?),
            _ => None,
        };
        if let ExprKind::Relation { left, comparison, right } = &relation.kind
            && matches!(comparison, Comparison::Greater | Comparison::GreaterEqual)
            && let Some(name) = bare_name(left)
        {
            let (field, threshold) = (self.expression(RECIPE, left)?, self.expression(RECIPE, right)?);
            if let Some(value) = threshold.constant() {
                self.threshold_is_seen(&name, &field, right, value);
            }
        }
        let (field, units) = (input_name(first).to_string(), self.units_of(first));
        // One kernel for all scores of one event.
        let prefix = format!("event.{evaluation}.");
        let own = || self.checked.conditions.iter().filter(|(key, _)| key.starts_with(&prefix));
        let same = own().find(|(_, known)| known.span == typed.span);
        let kernel = same.map_or_else(|| format!("{prefix}{}", own().count() + 1), |(key, _)| key.clone());
        let inputs = variables.iter().map(|id| input_name(id).to_string()).collect();
        self.checked.conditions.insert(kernel.clone(), typed);
        let event = Some(Condition { kernel, inputs, written: relation.to_string() });
        Some(ScorePlan { event, bins, ..empty_plan(score, field, units) })
    }

    /// Whether a field is predicted, by this model or by a member.
    fn predicted_id(&self, id: &str) -> bool {
        self.resolved.definitions.get(id).is_some_and(|definition| self.predicted(definition))
    }

    fn bins(&mut self, bins: &Expr) -> Option<usize> {
        match &bins.kind {
            ExprKind::Measure { value, unit: Some(unit) }
                if matches!(unit.text.as_str(), "bin" | "bins")
                    && value.fract() == 0.0
                    && (2.0..=MOST_BINS).contains(value) =>
            {
                Some(*value as usize)
            }
            _ => {
                self.error_with_help(
                    "wrong-argument",
                    "a reliability diagram has a number of bins, two at least",
                    (bins.span, "this is none"),
                    "for instance: reliability of chance(refc >= 40 dBZ) in 10 bins",
                );
                None
            }
        }
    }

    fn violation_plan(&mut self, name: &Name) -> Option<ScorePlan> {
        let Some(definition) = self.resolved.lookup(RECIPE, &name.text).cloned() else {
            self.unknown(RECIPE, &name.text, name.span, "");
            return None;
        };
        if !matches!(definition.item.kind, ItemKind::Constraint { .. }) {
            self.diagnostics.push(
                Diagnostic::error("wrong-argument", format!("`{}` is no constraint", name.text))
                    .label(name.span, "cannot be violated")
                    .label(definition.name.span, "defined here")
                    .help("`violation` is of a constraint; rmse, bias and mae are of fields"),
            );
            return None;
        }
        let constraint = self.constraint(&definition)?;
        if let Some(id) = constraint.violation.variables().iter().find(|id| !self.has_role(id))
            && !self.roles_uncertain()
        {
            let message = format!("`{}` speaks of `{}`, which is not predicted", name.text, input_name(id));
            self.diagnostics.push(
                Diagnostic::error("not-predicted", message)
                    .label(name.span, "cannot be scored")
                    .label(definition.name.span, "defined here")
                    .help("name every field it needs in `model`"),
            );
            return None;
        }
        Some(empty_plan(Score::Violation, name.text.clone(), "1".to_string()))
    }

    /// Whether a measure of distributions has one to judge in training, where a single model learns.
    pub(super) fn has_distribution(&mut self, terms: &[ErrorTerm], span: aurora_grammar::Span) -> bool {
        let ids: Vec<String> = terms
            .iter()
            .filter_map(|term| self.resolved.lookup(RECIPE, &term.field).map(|d| d.id.clone()))
            .collect();
        self.distribution(&ids, false, span, "crps").is_some()
    }

    /// A distribution is an ensemble's, or that of a head which predicts quantiles.
    fn distribution(
        &mut self,
        ids: &[String],
        ensemble: bool,
        span: aurora_grammar::Span,
        word: &str,
    ) -> Option<()> {
        let quantiles = self.quantile_fields();
        let Some(without) = ids.iter().find(|id| !quantiles.contains(id)).filter(|_| !ensemble) else {
            return Some(());
        };
        let field = input_name(without);
        let message =
            format!("`{word}` needs a distribution, but this model predicts one value of `{field}`");
        let label = "judges more than one value";
        let help = format!(
            "let a head predict quantiles: predicts  {field} as quantiles(9){}",
            if word == "crps" { "" } else { ", or make it an `ensemble`" }
        );
        self.error_with_help("no-distribution", message, (span, label), help);
        None
    }

    /// Ids of the fields that a head predicts `as quantiles(…)`.
    fn quantile_fields(&self) -> Vec<String> {
        use aurora_grammar::tree::Entry;
        let heads = self.resolved.blocks_of("head").flat_map(|head| &head.block.entries);
        let predicts = heads.filter_map(|entry| match entry {
            Entry::Clause(clause) if clause.word.text == "predicts" => Some(&clause.values),
            _ => None,
        });
        // Said once, at the end, for all.
        let quantiles = |values: &&Vec<Chain>| {
            values.last().is_some_and(|chain| {
                matches!(&chain.parts[..], [
                    Part::Value(_),
                    Part::Joint(as_),
                    Part::Value(Expr { kind: ExprKind::Call { function, .. }, .. }),
                ] if as_.text == "as" && function.text == "quantiles")
            })
        };
        let names = predicts.filter(quantiles).flatten().filter_map(|chain| match chain.parts.first() {
            Some(Part::Value(name)) => bare_name(name),
            _ => None,
        });
        names.filter_map(|name| Some(self.resolved.lookup(RECIPE, &name.text)?.id.clone())).collect()
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
        let items = listed(Some(at));
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
}

fn empty_plan(score: Score, field: String, units: String) -> ScorePlan {
    let (levels, thresholds, scales) = (Vec::new(), Vec::new(), Vec::new());
    ScorePlan { score, field, units, levels, thresholds, scales, event: None, bins: None }
}

/// The items of a list, each with the unit behind the bracket; of anything else, itself.
fn listed(at: Option<&Expr>) -> Vec<Expr> {
    match at.map(|at| &at.kind) {
        Some(ExprKind::List { items, unit }) => {
            items.iter().map(|i| super::numbers::with_unit(i, unit.as_ref())).collect()
        }
        _ => at.cloned().into_iter().collect(),
    }
}

/// `t at 500 hPa`, which the grammar reads as one expression, as its name and its place.
fn split_at(value: &Expr) -> Option<(Name, Option<&Expr>)> {
    match &value.kind {
        ExprKind::At { value, place } => Some((bare_name(value)?, Some(&**place))),
        _ => Some((bare_name(value)?, None)),
    }
}
