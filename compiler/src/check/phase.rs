//! `phase NAME { }`: how long, what learns, and what it is made to minimise.

use aurora_grammar::tree::{BlockItem, Chain, Clause, Expr, ExprKind, ItemKind, Operator};
use aurora_grammar::{Diagnostic, nearest};

use super::clauses::Clauses;
use super::loss::plain;
use super::numbers::{only_value, single};
use super::{Checker, bare_name};
use crate::plan::training::{Length, PhasePlan};
use crate::resolve::RECIPE;

const LATER: [&str; 6] = ["scale", "tile", "favour", "stop", "average", "precision"];
const GROUPS: [&str; 4] = ["new", "encoder", "backbone", "decoder"];

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
        for kind in ["ensemble", "member"] {
            let first = self.resolved.blocks_of(kind).next().map(|b| b.kind.span);
            if let Some(span) = first {
                self.not_yet(&format!("`{kind}`"), span);
            }
        }
        for block in &blocks {
            if let Some(phase) = self.phase(block) {
                self.checked.phases.push(phase);
            }
        }
        self.unused_losses();
    }

    fn phase(&mut self, block: &BlockItem) -> Option<PhasePlan> {
        let clauses = self.block_clauses(block);
        for word in LATER {
            if let Some(clause) = clauses.get(word) {
                self.not_yet(&format!("`{word}`"), clause.span);
            }
        }
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
        let train = clauses.require(self, "train", "new").map(|c| self.groups(&c));
        let optimiser = self.only_optimiser(&clauses);
        let minimise = clauses.require(self, "minimise", "weather").and_then(|c| self.minimised(&c));
        let rollout = match clauses.get("rollout") {
            None => 1,
            Some(clause) if single(clause).is_some_and(|v| matches!(v.kind, ExprKind::Range { .. })) => {
                self.not_yet("a rollout that grows", clause.span);
                return None;
            }
            Some(clause) => self.count(&clause.clone(), &["step", "steps"])?,
        };
        self.enough_samples(&clauses, rollout, batch);
        Some(PhasePlan {
            name: name.text.clone(),
            title: block.title.as_ref().map(|t| t.text.clone()),
            length: length?,
            batch: batch?,
            rollout,
            train: train?,
            optimiser: optimiser?,
            minimise: minimise?,
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
    fn count(&mut self, clause: &Clause, units: &[&str]) -> Option<usize> {
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

    fn groups(&mut self, clause: &Clause) -> Vec<String> {
        let mut groups = Vec::new();
        for chain in &clause.values {
            let Some(name) = self.group(chain) else { continue };
            if !groups.contains(&name) {
                groups.push(name);
            }
        }
        groups
    }

    fn group(&mut self, chain: &Chain) -> Option<String> {
        let Some(name) = only_value(chain).and_then(bare_name) else {
            self.not_yet("adapting a group by something", chain.span);
            return None;
        };
        if GROUPS.contains(&name.text.as_str()) {
            return Some(name.text);
        }
        let message = format!("there is no group of weights called `{}`", name.text);
        let mut diagnostic = Diagnostic::error("unknown-name", message).label(name.span, "not found");
        diagnostic = match nearest(&name.text, GROUPS) {
            Some(near) => diagnostic.help(format!("did you mean `{near}`?")).fix(name.span, near),
            None => diagnostic.help(format!("there are {}", GROUPS.join(", "))),
        };
        self.diagnostics.push(diagnostic);
        None
    }

    fn only_optimiser(&mut self, clauses: &Clauses) -> Option<crate::plan::training::AdamW> {
        let first = clauses.require(self, "optimise", "adamw(rate = 3e-4)")?;
        if let Some(second) = clauses.all("optimise").nth(1) {
            self.not_yet("a rate for one group", second.span);
        }
        self.optimiser(&first)
    }

    /// `a + 0.5 * b` over losses and constraints.
    fn minimised(&mut self, clause: &Clause) -> Option<Vec<(f64, String)>> {
        let value = match &clause.values[..] {
            [chain] => only_value(chain).cloned(),
            _ => None,
        };
        let Some(value) = value else {
            self.error_with_help(
                "wrong-argument",
                "`minimise` takes a weighted sum of losses",
                (clause.span, "here"),
                "for instance: minimise  weather + 0.5 * storms",
            );
            return None;
        };
        let terms = self.weighted(&value)?;
        if terms.iter().all(|(weight, _)| weight.is_finite()) {
            return Some(terms);
        }
        let help = "the largest number is about 1e308";
        self.error_with_help(
            "wrong-argument",
            "these weights are too large",
            (value.span, "no finite number"),
            help,
        );
        None
    }

    fn weighted(&mut self, expr: &Expr) -> Option<Vec<(f64, String)>> {
        match &expr.kind {
            ExprKind::Binary { operator: Operator::Add, left, right } => {
                let left = self.weighted(left);
                let right = self.weighted(right);
                let mut all = left?;
                all.extend(right?);
                Some(all)
            }
            ExprKind::Binary { operator: Operator::Multiply, left, right } => {
                match (plain(left), plain(right)) {
                    (Some(weight), _) if weight >= 0.0 => Some(times(self.weighted(right)?, weight)),
                    (_, Some(weight)) if weight >= 0.0 => Some(times(self.weighted(left)?, weight)),
                    _ => self.no_weight(expr),
                }
            }
            ExprKind::Path(name) => self.minimisable(name, expr).map(|name| vec![(1.0, name)]),
            _ => self.no_weight(expr),
        }
    }

    fn no_weight(&mut self, expr: &Expr) -> Option<Vec<(f64, String)>> {
        self.error_with_help(
            "wrong-argument",
            "`minimise` takes a weighted sum of losses and constraints",
            (expr.span, "neither a name nor a weight times a name"),
            "give this a name: loss NAME = …",
        );
        None
    }

    /// The name of a loss, or of a constraint that has a tolerance.
    fn minimisable(&mut self, name: &str, expr: &Expr) -> Option<String> {
        let Some(definition) = self.resolved.lookup(RECIPE, name).cloned() else {
            self.unknown(RECIPE, name, expr.span, "");
            return None;
        };
        match &definition.item.kind {
            ItemKind::Loss { .. } => Some(name.to_string()),
            ItemKind::Constraint { .. } => {
                let constraint = self.constraint(&definition)?;
                if constraint.tolerance.is_none() {
                    self.diagnostics.push(
                        Diagnostic::error(
                            "no-tolerance",
                            format!("`{name}` has no tolerance to be penalised by"),
                        )
                        .label(expr.span, "named in `minimise`")
                        .label(definition.name.span, "defined here")
                        .help("add `within TOLERANCE` to the constraint"),
                    );
                    return None;
                }
                let predicted = constraint.violation.variables().iter().all(|id| self.has_role(id));
                if !predicted && !self.roles_uncertain() {
                    let message = format!("`{name}` speaks of fields that are not predicted");
                    self.diagnostics.push(
                        Diagnostic::error("not-predicted", message)
                            .label(expr.span, "cannot be penalised")
                            .label(definition.name.span, "defined here")
                            .help("name every field it needs in `prognostic`"),
                    );
                    return None;
                }
                Some(name.to_string())
            }
            _ => {
                self.diagnostics.push(
                    Diagnostic::error("not-a-loss", format!("`{name}` is no loss"))
                        .label(expr.span, "cannot be minimised")
                        .label(definition.name.span, "defined here")
                        .help(format!("take its error: loss NAME = mae({name})")),
                );
                None
            }
        }
    }

    fn unused_losses(&mut self) {
        let used: Vec<String> =
            self.checked.phases.iter().flat_map(|p| p.minimise.iter().map(|(_, n)| n.clone())).collect();
        if self.checked.phases.is_empty() || self.diagnostics.has_errors() {
            return;
        }
        let unused: Vec<_> = self
            .resolved
            .definitions
            .values()
            .filter(|d| d.library.is_none() && !used.contains(&d.name.text))
            .filter_map(|d| match d.item.kind {
                ItemKind::Loss { .. } => Some(("loss", d.name.clone())),
                ItemKind::Constraint { .. } => Some(("constraint", d.name.clone())),
                _ => None,
            })
            .collect();
        for (kind, name) in unused {
            self.diagnostics.push(
                Diagnostic::warning("unused-loss", format!("no phase minimises the {kind} `{}`", name.text))
                    .label(name.span, "never used")
                    .help("name it in a `minimise` clause, or take it out"),
            );
        }
    }
}

fn times(mut terms: Vec<(f64, String)>, factor: f64) -> Vec<(f64, String)> {
    terms.iter_mut().for_each(|(weight, _)| *weight *= factor);
    terms
}
