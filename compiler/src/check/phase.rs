//! `phase NAME { }`: how long, at which scale, what learns, and what it is made to minimise.

use aurora_grammar::tree::{BlockItem, Clause, Expr, ExprKind, Name, Part};
use aurora_grammar::{Diagnostic, Span};

use super::Checker;
use super::clauses::Clauses;
use super::numbers::single;
use crate::dimension::Dimension;
use crate::plan::training::{Length, PhasePlan, ScaleShare};

/// Steps that a model is fed back into itself, at most.
const LONGEST_ROLLOUT: usize = 1_000;

impl Checker<'_> {
    pub(super) fn phases(&mut self) {
        let blocks: Vec<BlockItem> = self.resolved.blocks_of("phase").cloned().collect();
        if blocks.is_empty() {
            self.diagnostics.push(
                Diagnostic::error("missing-block", "this recipe trains nothing")
                    .label(self.recipe_span(), "no `phase NAME { }` block")
                    .help("add: phase learn { for 4 epochs  batch 16  train new  optimise adamw(rate = 3e-4)  minimise … }"),
            );
        }
        for block in &blocks {
            if let Some(phase) = self.phase(block) {
                self.checked.phases.push(phase);
            }
        }
    }

    fn phase(&mut self, block: &BlockItem) -> Option<PhasePlan> {
        let clauses = self.block_clauses(block);
        let Some(name) = &block.name else {
            self.error_with_help(
                "missing-name",
                "a phase has a name",
                (block.kind.span, "which phase?"),
                "for instance: phase learn { … }",
            );
            return None;
        };
        let length = clauses.require(self, "for", "4 epochs").and_then(|c| self.length(&c));
        let batch = clauses.require(self, "batch", "16").and_then(|c| self.count(&c, &[]));
        let groups = clauses.require(self, "train", "new").map(|c| self.groups(&c));
        let (train, adapters) = groups.unwrap_or_default();
        let optimisers = self.optimisers(&clauses, &train);
        let minimise = clauses.require(self, "minimise", "weather").and_then(|c| self.minimised(&c));
        let rollout = match clauses.get("rollout").cloned() {
            None => Some((1, None)),
            Some(clause) => self.rollout(&clause),
        };
        let scales = clauses.get("scale").cloned().map(|c| self.scales(&c)).unwrap_or_default();
        let tile = clauses.get("tile").cloned().and_then(|c| self.tile(&c, &scales));
        let favour = self.favours(&name.text, &clauses);
        let stop = clauses.get("stop").cloned().and_then(|c| self.stop(&c));
        let average = clauses.get("average").cloned().and_then(|c| self.average(&c));
        let bf16 = clauses.get("precision").cloned().map(|c| self.precision(&c)).unwrap_or_default();
        let (rollout, rollout_from) = rollout?;
        self.enough_samples(&clauses, rollout, batch);
        let (optimiser, optimisers) = optimisers?;
        Some(PhasePlan {
            name: name.text.clone(),
            title: block.title.as_ref().map(|t| t.text.clone()),
            length: length?,
            batch: batch?,
            rollout,
            rollout_from,
            train,
            adapters,
            optimiser,
            optimisers,
            minimise: minimise?,
            scales,
            tile,
            favour,
            stop,
            average,
            bf16,
        })
    }

    /// Train and validate hold at least one sample, train at least one batch.
    fn enough_samples(&mut self, clauses: &Clauses, rollout: usize, batch: Option<usize>) {
        let span = clauses.get("rollout").map_or(clauses.opened, |clause| clause.span);
        if self.checked.data.as_ref().is_some_and(|data| data.validate.is_some()) {
            self.samples_of("validate", rollout, span);
        }
        let Some(samples) = self.samples_of("train", rollout, span) else { return };
        if let (Some(batch), Some(clause)) = (batch.filter(|b| *b > samples), clauses.get("batch")) {
            let message = format!("a batch of {batch} cannot be made of {samples} samples");
            let help = format!("for instance: batch  {}", samples.min(16));
            self.error_with_help("wrong-argument", message, (clause.span, "more than `train` holds"), help);
        }
    }

    fn length(&mut self, clause: &Clause) -> Option<Length> {
        if let Some(Expr { kind: ExprKind::Measure { value, unit: Some(unit) }, .. }) = single(clause)
            && value.fract() == 0.0
            && (1.0..1e9).contains(value)
        {
            match unit.text.as_str() {
                "epoch" | "epochs" => return Some(Length::Epochs(*value as usize)),
                "step" | "steps" => return Some(Length::Steps(*value as usize)),
                _ => {}
            }
        }
        self.error_with_help(
            "wrong-argument",
            "`for` counts epochs or steps",
            (clause.span, "here"),
            "for instance: for  4 epochs",
        );
        None
    }

    /// A whole number of at least one, with one of these units or none.
    pub(super) fn count(&mut self, clause: &Clause, units: &[&str]) -> Option<usize> {
        if let Some(Expr { kind: ExprKind::Measure { value, unit }, .. }) = single(clause)
            && value.fract() == 0.0
            && (1.0..1e6).contains(value)
            && unit.as_ref().map_or(units.is_empty(), |u| units.contains(&u.text.as_str()))
        {
            return Some(*value as usize);
        }
        let word = &clause.word.text;
        let unit = units.last().map_or(String::new(), |u| format!(" {u}"));
        self.error_with_help(
            "wrong-argument",
            format!("`{word}` takes a whole number"),
            (clause.span, "here"),
            format!("for instance: {word}  2{unit}"),
        );
        None
    }

    /// `2 steps`, or `1 -> 6 steps`: the most, and where it begins if it grows.
    fn rollout(&mut self, clause: &Clause) -> Option<(usize, Option<usize>)> {
        let whole = |value: f64| {
            (value.fract() == 0.0 && (1.0..=LONGEST_ROLLOUT as f64).contains(&value))
                .then_some(value as usize)
        };
        let steps =
            |unit: &Option<Name>| unit.as_ref().is_some_and(|u| matches!(u.text.as_str(), "step" | "steps"));
        let found = match single(clause).map(|value| &value.kind) {
            Some(ExprKind::Measure { value, unit }) if steps(unit) => whole(*value).map(|n| (n, None)),
            Some(ExprKind::Range { start, end, towards: true }) => match (&start.kind, &end.kind) {
                (ExprKind::Measure { value: from, unit: None }, ExprKind::Measure { value: to, unit })
                    if steps(unit) && from <= to =>
                {
                    whole(*from).zip(whole(*to)).map(|(from, to)| (to, (from < to).then_some(from)))
                }
                _ => None,
            },
            _ => None,
        };
        if found.is_none() {
            self.error_with_help(
                "wrong-argument",
                format!("`rollout` takes between 1 and {LONGEST_ROLLOUT} steps, or a number that grows"),
                (clause.span, "here"),
                "for instance: rollout  2 steps, or rollout  1 -> 6 steps",
            );
        }
        found
    }

    /// `12 km`, or `[3, 6, 12] km weighted [2, 1, 1]`: grid spacings and their shares.
    fn scales(&mut self, clause: &Clause) -> Vec<ScaleShare> {
        let (lengths, weights) = match &clause.values[..] {
            [chain] => match &chain.parts[..] {
                [Part::Value(lengths)] => (lengths, None),
                [Part::Value(lengths), Part::Value(word), Part::Value(weights)] if matches!(&word.kind, ExprKind::Path(word) if word == "weighted") => {
                    (lengths, Some(weights))
                }
                _ => return self.no_scale(chain.span),
            },
            _ => return self.no_scale(clause.span),
        };
        let Some(numbers) = self.numbers(lengths) else { return Vec::new() };
        let mut scales: Vec<ScaleShare> = Vec::new();
        for (metres, unit, span) in numbers {
            if unit.dimension != Dimension::LENGTH || !metres.is_finite() || metres <= 0.0 {
                self.error_with_help(
                    "unit-mismatch",
                    "a scale is a length",
                    (span, "this is none"),
                    "for instance: scale  12 km",
                );
                return Vec::new();
            }
            if scales.iter().any(|scale| scale.spacing == metres) {
                self.error_with_help(
                    "repeated-name",
                    "this scale stands here twice",
                    (span, "again"),
                    "keep one",
                );
                return Vec::new();
            }
            let whole = !matches!(lengths.kind, ExprKind::List { .. });
            self.scale_is_multiple(metres, span, whole);
            scales.push(ScaleShare { spacing: metres, share: 1.0 });
        }
        if let Some(weights) = weights {
            let given = self.numbers(weights).unwrap_or_default();
            let plain =
                given.iter().all(|(w, unit, _)| unit.dimension.is_none() && w.is_finite() && *w > 0.0);
            if given.len() != scales.len() || !plain {
                let message = format!("{} scales have {} weights, each positive", scales.len(), scales.len());
                self.error_with_help(
                    "wrong-argument",
                    message,
                    (weights.span, "not such weights"),
                    "for instance: scale  [3, 6, 12] km weighted [2, 1, 1]",
                );
                return Vec::new();
            }
            scales.iter_mut().zip(given).for_each(|(scale, (weight, ..))| scale.share = weight);
        }
        let sum: f64 = scales.iter().map(|scale| scale.share).sum();
        scales.iter_mut().for_each(|scale| scale.share /= sum);
        scales
    }

    fn no_scale(&mut self, span: Span) -> Vec<ScaleShare> {
        self.error_with_help(
            "wrong-argument",
            "`scale` takes a grid spacing, or several with weights",
            (span, "here"),
            "for instance: scale  [3, 6, 12] km weighted [2, 1, 1]",
        );
        Vec::new()
    }

    /// `512 by 512`, rows by columns; no larger than the grid at the coarsest of its scales.
    fn tile(&mut self, clause: &Clause, scales: &[ScaleShare]) -> Option<[usize; 2]> {
        let whole = |part: &Part| match part {
            Part::Value(value) => super::arguments::whole_number(value).filter(|n| *n > 0),
            Part::Joint(_) => None,
        };
        let sides = match &clause.values[..] {
            [chain] => match &chain.parts[..] {
                [rows, Part::Joint(by), columns] if by.text == "by" => whole(rows).zip(whole(columns)),
                _ => None,
            },
            _ => None,
        };
        let Some((rows, columns)) = sides else {
            self.error_with_help(
                "wrong-argument",
                "`tile` takes rows and columns",
                (clause.span, "here"),
                "for instance: tile  512 by 512",
            );
            return None;
        };
        let span = clause.values.first().map_or(clause.span, |chain| chain.span);
        self.tile_fits(rows, columns, scales, span);
        Some([rows, columns])
    }
}
