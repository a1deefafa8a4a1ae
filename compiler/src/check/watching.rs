//! `favour`, `stop` and `average`: which samples are drawn more often, when to end, and which weights are kept.

use aurora_grammar::Span;
use aurora_grammar::tree::{Chain, Clause, Expr, ExprKind, ItemKind, Part};

use super::Checker;
use super::clauses::Clauses;
use super::numbers::single;
use crate::plan::training::{Favour, Stop};
use crate::resolve::RECIPE;

const FAVOUR: &str = "favour  truth(refc) >= 35 dBZ in 70 % of samples";
const STOP: &str = "stop  when storms stalls for 3 epochs";

impl Checker<'_> {
    pub(super) fn favours(&mut self, phase: &str, clauses: &Clauses) -> Vec<Favour> {
        let chains: Vec<Chain> = clauses.all("favour").flat_map(|c| c.values.clone()).collect();
        let mut favours: Vec<Favour> = Vec::new();
        for chain in &chains {
            let name = format!("favour.{phase}.{}", favours.len() + 1);
            let Some(favour) = self.favour(chain, name) else { continue };
            favours.push(favour);
            let sum: f64 = favours.iter().map(|favour| favour.share).sum();
            if sum > 1.0 + 1e-9 {
                let message = format!("{} % of the samples are more than there are", (sum * 100.0).round());
                let help = "the shares of all `favour` clauses add up to at most 100 %";
                self.error_with_help("wrong-argument", message, (chain.span, "too many with this one"), help);
                break;
            }
        }
        favours
    }

    fn favour(&mut self, chain: &Chain, name: String) -> Option<Favour> {
        let [
            Part::Value(relation),
            Part::Joint(in_),
            Part::Value(share),
            Part::Joint(of),
            Part::Value(Expr { kind: ExprKind::Path(samples), span }),
        ] = &chain.parts[..]
        else {
            return self.no_favour(chain.span);
        };
        if (in_.text.as_str(), of.text.as_str()) != ("in", "of") {
            return self.no_favour(chain.span);
        }
        match samples.as_str() {
            "samples" | "train" => {}
            "validate" | "test" => {
                let word = Expr { kind: ExprKind::Path(samples.clone()), span: *span };
                self.only_train(&word, "the choice of samples by `favour`")?;
            }
            _ => return self.no_favour(chain.span),
        }
        let numbers = self.numbers(share)?;
        let share = match numbers[..] {
            [(share, unit, _)] if unit.dimension.is_none() && share > 0.0 && share <= 1.0 => share,
            _ => {
                self.error_with_help(
                    "wrong-argument",
                    "a share of the samples lies between 0 and 100 %",
                    (share.span, "this does not"),
                    format!("for instance: {FAVOUR}"),
                );
                return None;
            }
        };
        let mut condition = self.condition(RECIPE, relation, "favour")?;
        // Under a name of its own, so that a phase before it does not change the names of what comes after.
        let typed = self.checked.conditions.remove(&condition.kernel)?;
        condition.kernel = name.clone();
        self.checked.conditions.insert(name, typed);
        Some(Favour { condition, share })
    }

    fn no_favour(&mut self, span: Span) -> Option<Favour> {
        self.error_with_help(
            "wrong-argument",
            "`favour` says what holds in which share of the samples",
            (span, "here"),
            format!("for instance: {FAVOUR}"),
        );
        None
    }

    /// `when storms stalls for 3 epochs`.
    pub(super) fn stop(&mut self, clause: &Clause) -> Option<Stop> {
        let [Chain { parts, span }] = &clause.values[..] else { return self.no_stop(clause.span) };
        let (parts, watched) = match &parts[..] {
            [front @ .., Part::Joint(on), Part::Value(split)] if on.text == "on" => (front, Some(split)),
            whole => (whole, None),
        };
        let [
            Part::Joint(when),
            Part::Value(loss),
            Part::Value(Expr { kind: ExprKind::Path(stalls), .. }),
            Part::Joint(for_),
            Part::Value(count),
        ] = parts
        else {
            return self.no_stop(*span);
        };
        let words = (when.text.as_str(), stalls.as_str(), for_.text.as_str());
        let (ExprKind::Path(name), ExprKind::Measure { value, unit: Some(unit) }) = (&loss.kind, &count.kind)
        else {
            return self.no_stop(*span);
        };
        let epochs = matches!(unit.text.as_str(), "epoch" | "epochs")
            && value.fract() == 0.0
            && (1.0..=1e6).contains(value);
        if words != ("when", "stalls", "for") || !epochs {
            return self.no_stop(*span);
        }
        let Some(definition) = self.resolved.lookup(RECIPE, name).cloned() else {
            self.unknown(RECIPE, name, loss.span, "");
            return None;
        };
        if !matches!(definition.item.kind, ItemKind::Loss { .. }) {
            self.diagnostics.push(
                aurora_grammar::Diagnostic::error("not-a-loss", format!("`{name}` is no loss"))
                    .label(loss.span, "cannot be watched")
                    .label(definition.name.span, "defined here")
                    .help(format!("for instance: {STOP}")),
            );
            return None;
        }
        if let Some(split) = watched {
            self.only_validate(split)?;
        }
        if self.checked.data.as_ref().is_some_and(|data| data.validate.is_none()) {
            self.error_with_help(
                "missing-split",
                "`data` names no `validate` split to watch",
                (clause.span, "stalls over what?"),
                "add to `data`: validate  DATE .. DATE",
            );
            return None;
        }
        Some(Stop { loss: name.clone(), epochs: *value as usize })
    }

    fn no_stop(&mut self, span: Span) -> Option<Stop> {
        self.error_with_help(
            "wrong-argument",
            "`stop` says which loss has to stall for how long",
            (span, "here"),
            format!("for instance: {STOP}"),
        );
        None
    }

    /// `ema(0.999)`: the decay of the average.
    pub(super) fn average(&mut self, clause: &Clause) -> Option<f64> {
        let decay = match single(clause).map(|value| &value.kind) {
            Some(ExprKind::Call { function, inputs }) if function.text == "ema" => match &inputs[..] {
                [input] if input.label.is_none() => super::loss::plain(&input.value),
                _ => None,
            },
            _ => None,
        };
        let decay = decay.filter(|decay| *decay > 0.0 && *decay < 1.0);
        if decay.is_none() {
            self.error_with_help(
                "wrong-argument",
                "`average` takes a moving average with a decay between 0 and 1",
                (clause.span, "here"),
                "for instance: average  ema(0.999)",
            );
        }
        decay
    }
}
