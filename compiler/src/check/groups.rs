//! Groups of weights: what a phase trains and how, by which optimiser, in which precision.

use std::collections::BTreeMap;

use aurora_grammar::tree::{Chain, Clause, Expr, ExprKind, Name, Part};
use aurora_grammar::{Diagnostic, Span, nearest};

use super::clauses::Clauses;
use super::numbers::only_value;
use super::{Checker, bare_name};
use crate::plan::training::{AdamW, Adapter, AdapterSteps};
use crate::vocabulary::GROUPS;

/// Ranks of low-rank updates; a higher one is not low.
const HIGHEST_RANK: usize = 1_024;
const STEPS: [(&str, AdapterSteps); 3] =
    [("all", AdapterSteps::All), ("first", AdapterSteps::First), ("each", AdapterSteps::Each)];
const LORA: &str = "backbone by lora(rank = 8)";

impl Checker<'_> {
    /// The groups that a phase trains, and those of them that learn by low-rank updates.
    pub(super) fn groups(&mut self, clause: &Clause) -> (Vec<String>, Vec<Adapter>) {
        let mut groups: Vec<String> = Vec::new();
        let mut adapters = Vec::new();
        for chain in &clause.values {
            let Some((name, adapter)) = self.trained(chain) else { continue };
            if groups.contains(&name.text) {
                let message = format!("`{}` stands here twice", name.text);
                self.error_with_help("repeated-name", message, (name.span, "again"), "keep one of them");
                continue;
            }
            groups.push(name.text);
            adapters.extend(adapter);
        }
        (groups, adapters)
    }

    /// `backbone`, or `backbone by lora(rank = 8)`.
    fn trained(&mut self, chain: &Chain) -> Option<(Name, Option<Adapter>)> {
        if let Some(name) = only_value(chain).and_then(bare_name) {
            return self.group(&name).then_some((name, None));
        }
        let parts = match &chain.parts[..] {
            [Part::Value(group), Part::Joint(by), Part::Value(Expr { kind, span })] if by.text == "by" => {
                bare_name(group).map(|name| (name, kind, *span))
            }
            _ => None,
        };
        let Some((name, ExprKind::Call { function, inputs }, span)) = parts else {
            self.error_with_help(
                "wrong-argument",
                "`train` takes groups of weights",
                (chain.span, "this is none"),
                format!("for instance: train  new, {LORA}"),
            );
            return None;
        };
        if !self.group(&name) {
            return None;
        }
        if function.text != "lora" {
            let message = format!("there is no way to adapt weights called `{}`", function.text);
            let mut diagnostic = Diagnostic::error("unknown-name", message).label(function.span, "not found");
            diagnostic = match nearest(&function.text, ["lora"]) {
                Some(near) => diagnostic.help(format!("did you mean `{near}`?")).fix(function.span, near),
                None => diagnostic.help(format!("there is `lora`: train  {LORA}")),
            };
            self.diagnostics.push(diagnostic);
            return None;
        }
        let mut given = self.arguments(function, inputs);
        let rank = given.whole(self, "rank");
        let alpha = given.number(self, "alpha");
        let steps = given.optional("steps");
        given.finish(self);
        let steps = steps.map_or(Some(AdapterSteps::All), |steps| self.adapter_steps(&steps));
        let Some(rank) = rank.filter(|rank| (1..=HIGHEST_RANK).contains(rank)) else {
            if !self.diagnostics.has_errors() || rank.is_some() || !inputs.iter().any(|i| i.label.is_some()) {
                self.error_with_help(
                    "missing-argument",
                    format!("`lora` needs a rank between 1 and {HIGHEST_RANK}"),
                    (span, "of which rank?"),
                    format!("for instance: train  {LORA}"),
                );
            }
            return None;
        };
        let alpha = alpha.unwrap_or(rank as f64);
        if !alpha.is_finite() || alpha <= 0.0 {
            self.error_with_help(
                "wrong-argument",
                "`alpha` is a positive number",
                (span, "this is none"),
                format!("for instance: lora(rank = {rank}, alpha = {rank})"),
            );
            return None;
        }
        let group = name.text.clone();
        Some((name, Some(Adapter { group, rank, alpha, steps: steps? })))
    }

    fn adapter_steps(&mut self, expr: &Expr) -> Option<AdapterSteps> {
        let word = match &expr.kind {
            ExprKind::Path(word) => word.as_str(),
            _ => "",
        };
        let found = STEPS.iter().find(|(name, _)| *name == word).map(|(_, steps)| *steps);
        if found.is_none() {
            self.error_with_help(
                "wrong-argument",
                "`steps` says which steps of a rollout have updates",
                (expr.span, "not understood"),
                "`all` has one update for all steps, `first` one for the first step only, `each` one for each step",
            );
        }
        found
    }

    /// Whether there is such a group of weights; a diagnostic if not.
    pub(super) fn group(&mut self, name: &Name) -> bool {
        let heads = self.heads();
        let known: Vec<&str> =
            GROUPS.iter().map(|g| g.word).chain(heads.iter().map(|head| head.text.as_str())).collect();
        if known.contains(&name.text.as_str()) {
            return true;
        }
        let message = format!("there is no group of weights called `{}`", name.text);
        let mut diagnostic = Diagnostic::error("unknown-name", message).label(name.span, "not found");
        diagnostic = match nearest(&name.text, known.iter().copied()) {
            Some(near) => diagnostic.help(format!("did you mean `{near}`?")).fix(name.span, near),
            None => diagnostic.help(format!("there are {}", known.join(", "))),
        };
        self.diagnostics.push(diagnostic);
        false
    }

    /// The names of all heads.
    pub(super) fn heads(&self) -> Vec<Name> {
        self.resolved.blocks_of("head").filter_map(|block| block.name.clone()).collect()
    }

    /// The phase's optimiser and those of single groups.
    pub(super) fn optimisers(
        &mut self,
        clauses: &Clauses,
        train: &[String],
    ) -> Option<(AdamW, BTreeMap<String, AdamW>)> {
        clauses.require(self, "optimise", "adamw(rate = 3e-4)")?;
        let mut common: Option<(AdamW, Span)> = None;
        let mut groups = BTreeMap::new();
        let chains: Vec<Chain> = clauses.all("optimise").flat_map(|c| c.values.clone()).collect();
        for chain in &chains {
            let (group, value) = match &chain.parts[..] {
                [Part::Value(value)] => (None, value),
                [Part::Value(group), Part::Joint(by), Part::Value(value)] if by.text == "by" => {
                    (Some(bare_name(group)?), value)
                }
                _ => {
                    self.error_with_help(
                        "wrong-argument",
                        "`optimise` takes an optimiser, for all that learns or for one group",
                        (chain.span, "here"),
                        "for instance: optimise  new by adamw(rate = 1e-3)",
                    );
                    return None;
                }
            };
            let optimiser = self.optimiser(value)?;
            match group {
                None => match &common {
                    Some((_, first)) => {
                        self.diagnostics.push(
                            Diagnostic::error(
                                "repeated-clause",
                                "two optimisers are given for all that learns",
                            )
                            .label(chain.span, "again")
                            .label(*first, "first")
                            .help("say which group one of them is for: optimise  new by adamw(rate = 1e-3)"),
                        );
                    }
                    None => common = Some((optimiser, chain.span)),
                },
                Some(group) => {
                    if !self.group(&group) {
                        return None;
                    }
                    if !train.contains(&group.text) && !train.is_empty() {
                        let message = format!("this phase does not train `{}`", group.text);
                        self.error_with_help(
                            "wrong-argument",
                            message,
                            (group.span, "nothing to optimise"),
                            format!("it trains {}", train.join(", ")),
                        );
                    }
                    if groups.insert(group.text.clone(), optimiser).is_some() {
                        let message = format!("`{}` has two optimisers", group.text);
                        self.error_with_help("repeated-clause", message, (group.span, "again"), "keep one");
                    }
                }
            }
        }
        let Some((common, _)) = common else {
            self.error_with_help(
                "missing-clause",
                "an optimiser for all that learns is missing",
                (clauses.opened, "only single groups have one"),
                "add: optimise  adamw(rate = 3e-4)",
            );
            return None;
        };
        Some((common, groups))
    }

    /// `bf16 of backbone, decoder`.
    pub(super) fn precision(&mut self, clause: &Clause) -> Vec<String> {
        let mut names = Vec::new();
        let mut chains = clause.values.iter();
        let first = chains.next().and_then(|chain| match &chain.parts[..] {
            [Part::Value(Expr { kind: ExprKind::Path(number), .. }), Part::Joint(of), Part::Value(group)]
                if number == "bf16" && of.text == "of" =>
            {
                bare_name(group)
            }
            _ => None,
        });
        let rest = chains.map(|chain| only_value(chain).and_then(bare_name));
        for name in std::iter::once(first).chain(rest) {
            let Some(name) = name else {
                self.error_with_help(
                    "wrong-argument",
                    "`precision` says which groups are computed in numbers of 16 bits",
                    (clause.span, "here"),
                    "for instance: precision  bf16 of backbone",
                );
                return Vec::new();
            };
            if self.group(&name) && !names.contains(&name.text) {
                names.push(name.text);
            }
        }
        names.sort();
        names
    }
}
