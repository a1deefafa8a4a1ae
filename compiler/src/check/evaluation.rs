//! `evaluate NAME on SPLIT { }`: at which lead times, against what, told apart by what.

use aurora_grammar::tree::{BlockItem, Clause, Expr, ExprKind, Name, Part};
use aurora_grammar::{Diagnostic, nearest};

use super::clauses::Clauses;
use super::numbers::{only_value, single};
use super::split::SPLITS;
use super::{Checker, bare_name};
use crate::dimension::Dimension;
use crate::plan::evaluation::{Confidence, EvaluationPlan};
use crate::site::Site;
use crate::vocabulary;

/// Steps ahead that an evaluation may go.
const MOST_LEADS: i64 = 10_000;
/// What the model can be compared with, besides an archive's forecasts.
const BASELINES: [&str; 2] = ["persistence", "climatology"];
/// Blocks of a bootstrap are at most this long, in seconds.
const LONGEST_BLOCK: f64 = 366.0 * 86_400.0;

impl Checker<'_> {
    pub(super) fn evaluations(&mut self, site: &dyn Site) {
        let blocks: Vec<BlockItem> = self.resolved.blocks_of("evaluate").cloned().collect();
        for block in &blocks {
            if let Some(evaluation) = self.evaluation(block, site) {
                self.checked.evaluations.push(evaluation);
            }
        }
    }

    fn evaluation(&mut self, block: &BlockItem, site: &dyn Site) -> Option<EvaluationPlan> {
        let clauses = self.block_clauses(block);
        let name = block.name.as_ref().map_or_else(|| "evaluation".to_string(), |n| n.text.clone());
        let split = self.split_name(block)?;
        let leads = clauses.require(self, "lead", "1 .. 12 h").and_then(|c| self.leads(&c));
        let mut scores = Vec::new();
        for clause in clauses.all("score") {
            scores.extend(self.scores(&name, clause));
        }
        if scores.is_empty() && !self.diagnostics.has_errors() {
            self.error_with_help(
                "missing-clause",
                "nothing is scored here",
                (clauses.opened, "no `score` clause"),
                "for instance: score  rmse of t2m",
            );
        }
        self.events_are_seen(&split, site);
        let against = self.baselines(&clauses, site);
        let by = clauses.get("by").cloned().map(|c| self.strata(&c)).unwrap_or_default();
        let confidence = clauses.get("confidence").cloned().and_then(|c| self.confidence(&c));
        if let (Some(clause), Some(last)) = (clauses.get("lead"), leads.as_ref().and_then(|l| l.last())) {
            self.samples_of(&split, *last, clause.span);
        }
        Some(EvaluationPlan { name, split, leads: leads?, scores, against, by, confidence })
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
        self.known_split(on, "nothing to evaluate on").then(|| on.text.clone())
    }

    /// Whether a name is that of a split that `data` gives; a diagnostic if not.
    pub(super) fn known_split(&mut self, name: &Name, label: &str) -> bool {
        if !SPLITS.contains(&name.text.as_str()) {
            let mut diagnostic =
                Diagnostic::error("unknown-name", format!("there is no split `{}`", name.text))
                    .label(name.span, "not found");
            diagnostic = match nearest(&name.text, SPLITS) {
                Some(near) => diagnostic.help(format!("did you mean `{near}`?")).fix(name.span, near),
                None => diagnostic.help("there are train, validate and test"),
            };
            self.diagnostics.push(diagnostic);
            return false;
        }
        let given = self.checked.data.as_ref().is_none_or(|data| match name.text.as_str() {
            "validate" => data.validate.is_some(),
            "test" => data.test.is_some(),
            _ => true,
        });
        if !given {
            let message = format!("`data` names no `{}` split", name.text);
            let help = format!("add to `data`: {}  DATE .. DATE", name.text);
            self.error_with_help("missing-split", message, (name.span, label), help);
        }
        given
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
                // Nothing is forecast at the start itself, and least of all before it.
                let nothing = (first <= 0).then_some(first);
                let between = (1..=MOST_LEADS).map(|n| n.saturating_mul(step));
                nothing.into_iter().chain(between.filter(|s| (first..=last).contains(s))).collect()
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

    /// `persistence, climatology, hrrr.forecast`.
    fn baselines(&mut self, clauses: &Clauses, site: &dyn Site) -> Vec<String> {
        let Some(clause) = clauses.get("against").cloned() else {
            self.no_baseline(clauses.opened);
            return Vec::new();
        };
        let mut baselines: Vec<String> = Vec::new();
        for chain in &clause.values {
            let Some(name) = only_value(chain).and_then(bare_name) else {
                self.error_with_help(
                    "wrong-argument",
                    "`against` names what the model has to beat",
                    (chain.span, "this is no name"),
                    "for instance: against  persistence, hrrr.forecast",
                );
                continue;
            };
            if baselines.contains(&name.text) {
                let message = format!("`{}` stands here twice", name.text);
                self.error_with_help("repeated-name", message, (name.span, "again"), "keep one of them");
                continue;
            }
            if self.is_baseline(&name, site) {
                baselines.push(name.text);
            }
        }
        baselines
    }

    fn is_baseline(&mut self, name: &Name, site: &dyn Site) -> bool {
        if BASELINES.contains(&name.text.as_str()) {
            return true;
        }
        if let Some((archive, what)) = name.text.split_once('.') {
            if what == "forecast" {
                return self.known_archive(archive, name.span, site);
            }
            let message = format!("an archive has forecasts to compare with, and no `{what}`");
            self.diagnostics.push(
                Diagnostic::error("unknown-name", message)
                    .label(name.span, "not found")
                    .help(format!("write `{archive}.forecast`"))
                    .fix(name.span, format!("{archive}.forecast")),
            );
            return false;
        }
        let message = format!("there is no baseline `{}`", name.text);
        let mut diagnostic = Diagnostic::error("unknown-name", message).label(name.span, "not found");
        diagnostic = match nearest(&name.text, BASELINES) {
            Some(near) => diagnostic.help(format!("did you mean `{near}`?")).fix(name.span, near),
            None => diagnostic.help("there are persistence, climatology and ARCHIVE.forecast"),
        };
        self.diagnostics.push(diagnostic);
        false
    }

    /// `member, region, month`, in the order of the table.
    fn strata(&mut self, clause: &Clause) -> Vec<String> {
        let mut strata: Vec<String> = Vec::new();
        for chain in &clause.values {
            let (word, span) = match only_value(chain) {
                Some(Expr { kind: ExprKind::Path(word), span }) => (word.as_str(), *span),
                _ => ("", chain.span),
            };
            if !vocabulary::STRATA.iter().any(|known| known.word == word) {
                self.unknown_word("way to tell scores apart", word, span, vocabulary::STRATA);
                continue;
            }
            if strata.iter().any(|given| given == word) {
                let message = format!("`{word}` stands here twice");
                self.error_with_help("repeated-name", message, (span, "again"), "keep one of them");
                continue;
            }
            if word == "member" && self.resolved.members.is_empty() {
                self.error_with_help(
                    "no-ensemble",
                    "this recipe has no members to tell apart",
                    (span, "of which ensemble?"),
                    "add: ensemble NAME { member a, b, c  blends mean }",
                );
                continue;
            }
            if word == "region" && !self.has_regions() {
                self.error_with_help(
                    "wrong-argument",
                    "neither `data` nor a member names a region",
                    (span, "which regions?"),
                    "add to `data`: region  lat 30 .. 45 deg, lon -105 .. -92 deg",
                );
                continue;
            }
            strata.push(word.to_string());
        }
        strata.sort_by_key(|word| vocabulary::STRATA.iter().position(|known| known.word == word));
        strata
    }

    fn has_regions(&self) -> bool {
        let own = self.checked.data.iter();
        let members = self.checked.members.iter().filter_map(|(_, member)| member.data.as_ref());
        own.chain(members).any(|data| !data.sampling.regions.is_empty())
    }

    /// `none`, `95 %`, or `95 % over 5 d`.
    fn confidence(&mut self, clause: &Clause) -> Option<Confidence> {
        if matches!(single(clause).map(|value| &value.kind), Some(ExprKind::Path(word)) if word == "none") {
            return Some(Confidence::None);
        }
        let (level, block) = match &clause.values[..] {
            [chain] => match &chain.parts[..] {
                [Part::Value(level)] => (Some(level), None),
                [Part::Value(level), Part::Joint(over), Part::Value(block)] if over.text == "over" => {
                    (Some(level), Some(block))
                }
                _ => (None, None),
            },
            _ => (None, None),
        };
        let plain = |value: &Expr| matches!(value.kind, ExprKind::Measure { .. });
        if let Some(level) = level.filter(|level| plain(level) && block.is_none_or(plain)) {
            let level = match self.numbers(level)?[..] {
                [(share, unit, _)] if unit.dimension.is_none() && share > 0.0 && share < 1.0 => Some(share),
                _ => None,
            };
            let seconds = match block {
                None => Some(86_400),
                Some(block) => match self.numbers(block)?[..] {
                    [(seconds, unit, _)]
                        if unit.dimension == Dimension::TIME && (1.0..=LONGEST_BLOCK).contains(&seconds) =>
                    {
                        Some(seconds as i64)
                    }
                    _ => None,
                },
            };
            if let (Some(level), Some(block)) = (level, seconds) {
                return Some(Confidence::Blocks { level, block });
            }
        }
        self.error_with_help(
            "wrong-argument",
            "`confidence` takes a level, and the length of the blocks that are resampled",
            (clause.values.first().map_or(clause.span, |chain| chain.span), "here"),
            "for instance: confidence  95 % over 5 d, or confidence  none",
        );
        None
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
