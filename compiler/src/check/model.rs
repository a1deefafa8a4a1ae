//! `model { }`: the architecture, the step, and the role of each variable.

use aurora_grammar::tree::{Chain, Expr, ExprKind, Input, Name};
use aurora_grammar::{Diagnostic, Span, nearest};

use super::clauses::Clauses;
use super::evaluation::spoken_time;
use super::numbers::only_value;
use super::{Checker, bare_name};
use crate::resolve::{Definition, RECIPE};
use crate::types::Support;

/// What `model` says, before grid and levels are filled in.
#[derive(Clone, Debug)]
pub struct ModelChoice {
    pub preset: Preset,
    pub patch: Option<usize>,
    pub embed: Option<usize>,
    pub depths: Option<Vec<usize>>,
    pub decoder_depths: Option<Vec<usize>>,
    pub heads: Option<Vec<usize>>,
    pub decoder_heads: Option<Vec<usize>>,
    pub perceiver_heads: Option<usize>,
    pub window: Option<Vec<usize>>,
    pub latent_levels: Option<usize>,
    pub mlp_ratio: Option<f64>,
    pub decoder_mlp_ratio: Option<f64>,
    pub encoder_perceiver_depth: Option<usize>,
    pub decoder_perceiver_depth: Option<usize>,
    pub stabilise: bool,
    /// Seconds.
    pub step: i64,
    pub history: usize,
    /// Ids of variables and derived fields.
    pub prognostic: Vec<String>,
    pub statics: Vec<String>,
    /// The `model` block's name, for messages.
    pub span: Span,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Preset {
    Pretrained,
    Small,
}

const LATER: [&str; 3] = ["base", "diagnostic", "forcing"];

impl Checker<'_> {
    pub(super) fn model(&mut self, _site: &dyn crate::site::Site) {
        let Some(block) = self.resolved.blocks_of("model").next().cloned() else {
            self.diagnostics.push(
                Diagnostic::error("missing-block", "this recipe names no model")
                    .label(self.recipe_span(), "no `model { }` block")
                    .help("add: model { architecture aurora.small  step 1 h  prognostic …  static … }"),
            );
            return;
        };
        let clauses = self.block_clauses(&block);
        for word in LATER {
            if let Some(clause) = clauses.get(word) {
                self.not_yet(&format!("`{word}`"), clause.span);
            }
        }
        let step = clauses.require(self, "step", "1 h").and_then(|c| self.duration(&c));
        let history = self.history(&clauses);
        let prognostic = clauses.require(self, "prognostic", "t, u, v, q, z, t2m");
        let prognostic = prognostic.map(|c| self.role(&c.values, false)).unwrap_or_default();
        let statics = clauses.require(self, "static", "orog");
        let statics = statics.map(|c| self.role(&c.values, true)).unwrap_or_default();
        let Some(step) = step else { return };
        let mut choice = ModelChoice {
            preset: Preset::Pretrained,
            patch: None,
            embed: None,
            depths: None,
            decoder_depths: None,
            heads: None,
            decoder_heads: None,
            perceiver_heads: None,
            window: None,
            latent_levels: None,
            mlp_ratio: None,
            decoder_mlp_ratio: None,
            encoder_perceiver_depth: None,
            decoder_perceiver_depth: None,
            stabilise: false,
            step,
            history,
            prognostic,
            statics,
            span: clauses.opened,
        };
        self.architecture(&clauses, &mut choice);
        self.step_fits_cadence(&clauses, step);
        self.checked.model = Some(choice);
    }

    fn history(&mut self, clauses: &Clauses) -> usize {
        let Some(clause) = clauses.get("history") else { return 2 };
        let value = match &clause.values[..] {
            [chain] => only_value(chain),
            _ => None,
        };
        match value.map(|v| &v.kind) {
            Some(ExprKind::Measure { value, unit: Some(unit) })
                if matches!(unit.text.as_str(), "step" | "steps") && [1.0, 2.0, 3.0].contains(value) =>
            {
                *value as usize
            }
            _ => {
                self.error_with_help(
                    "wrong-argument",
                    "`history` takes one to three steps",
                    (clause.span, "here"),
                    "for instance: history  2 steps",
                );
                2
            }
        }
    }

    fn architecture(&mut self, clauses: &Clauses, choice: &mut ModelChoice) {
        let Some(clause) = clauses.require(self, "architecture", "aurora.small") else { return };
        choice.span = clause.span;
        let Some(value) = self.value_of(&clause, "aurora.small") else { return };
        let (name, inputs): (Name, Vec<Input>) = match &value.kind {
            ExprKind::Call { function, inputs } => (function.clone(), inputs.clone()),
            ExprKind::Path(text) => (Name { text: text.clone(), span: value.span }, Vec::new()),
            _ => {
                self.error_with_help(
                    "wrong-argument",
                    "an architecture has a name",
                    (value.span, "this is none"),
                    "for instance: architecture  aurora.small",
                );
                return;
            }
        };
        choice.preset = match name.text.as_str() {
            "aurora" | "aurora.pretrained" => Preset::Pretrained,
            "aurora.small" => Preset::Small,
            "aurora.high_res"
            | "aurora.air_pollution"
            | "aurora.wave"
            | "aurora.v1p5"
            | "aurora.v1p5_ensemble" => {
                self.not_yet(&format!("`{}`", name.text), name.span);
                return;
            }
            other => {
                let known = ["aurora", "aurora.pretrained", "aurora.small"];
                let message = format!("there is no architecture `{other}`");
                let mut diagnostic = Diagnostic::error("unknown-name", message).label(name.span, "not found");
                diagnostic = match nearest(other, known) {
                    Some(near) => diagnostic.help(format!("did you mean `{near}`?")).fix(name.span, near),
                    None => diagnostic.help(format!("there are {}", known.join(", "))),
                };
                self.diagnostics.push(diagnostic);
                return;
            }
        };
        let mut given = self.arguments(&name, &inputs);
        choice.patch = given.whole(self, "patch");
        choice.embed = given.whole(self, "embed");
        choice.depths = given.whole_numbers(self, "depths");
        choice.decoder_depths = given.whole_numbers(self, "decoder_depths");
        choice.heads = given.whole_numbers(self, "heads");
        choice.decoder_heads = given.whole_numbers(self, "decoder_heads");
        choice.perceiver_heads = given.whole(self, "perceiver_heads");
        choice.window = given.whole_numbers(self, "window");
        choice.latent_levels = given.whole(self, "latent_levels");
        choice.mlp_ratio = given.number(self, "mlp_ratio");
        choice.decoder_mlp_ratio = given.number(self, "decoder_mlp_ratio");
        choice.encoder_perceiver_depth = given.whole(self, "encoder_perceiver_depth");
        choice.decoder_perceiver_depth = given.whole(self, "decoder_perceiver_depth");
        if let Some(value) = given.optional("stabilise") {
            choice.stabilise = self.truth_value(&value);
        }
        for later in ["condition", "drop_path", "drop_rate", "dynamic", "stochastic"] {
            if let Some(value) = given.optional(later) {
                self.not_yet(&format!("`{later}`"), value.span);
            }
        }
        given.finish(self);
    }

    fn truth_value(&mut self, value: &Expr) -> bool {
        match &value.kind {
            ExprKind::Path(text) if text == "true" || text == "false" => text == "true",
            _ => {
                self.error_with_help(
                    "wrong-argument",
                    "`true` or `false` is wanted here",
                    (value.span, "neither"),
                    "stabilise = true",
                );
                false
            }
        }
    }

    /// The fields of one role, each known and with a place where this role may live.
    fn role(&mut self, values: &[Chain], is_static: bool) -> Vec<String> {
        let mut ids: Vec<String> = Vec::new();
        for chain in values {
            let Some(value) = only_value(chain) else {
                self.error_with_help(
                    "wrong-argument",
                    "names are wanted here",
                    (chain.span, "more than a name"),
                    "separate names by commas: t, u, v",
                );
                continue;
            };
            let Some(name) = bare_name(value) else {
                self.error_with_help(
                    "wrong-argument",
                    "a name is wanted here",
                    (value.span, "this is something else"),
                    "give it one: derive NAME = …",
                );
                continue;
            };
            let Some(definition) = self.resolved.lookup(RECIPE, &name.text).cloned() else {
                self.unknown(RECIPE, &name.text, name.span, "");
                continue;
            };
            if ids.contains(&definition.id) {
                let message = format!("`{}` stands here twice", name.text);
                self.error_with_help("repeated-name", message, (name.span, "again"), "take one of them out");
                continue;
            }
            if self.has_place(&definition, &name, is_static) {
                ids.push(definition.id);
            }
        }
        ids
    }

    fn has_place(&mut self, definition: &Definition, name: &Name, is_static: bool) -> bool {
        let Some(expr) =
            self.expression(RECIPE, &Expr { kind: ExprKind::Path(name.text.clone()), span: name.span })
        else {
            return false;
        };
        let support = expr.ty.support.clone();
        let fits = match support {
            Support::Static => is_static,
            Support::Constant => false,
            _ => !is_static,
        };
        if !fits {
            let message = if is_static {
                format!("`{}` changes with time", name.text)
            } else {
                format!("`{}` does not change with time", name.text)
            };
            self.diagnostics.push(
                Diagnostic::error("wrong-role", message)
                    .label(name.span, format!("on {support}"))
                    .label(definition.name.span, "defined here")
                    .help(if is_static { "name it in `prognostic`" } else { "name it in `static`" }),
            );
        }
        fits
    }

    /// The model's step is the archive's cadence (other multiples come with other samplings).
    fn step_fits_cadence(&mut self, clauses: &Clauses, step: i64) {
        let Some(every) = self.checked.data.as_ref().map(|d| d.every) else { return };
        if step % every != 0 {
            let span = clauses.get("step").map_or(clauses.opened, |c| c.span);
            let message = format!(
                "a step of {} is no multiple of the {} between two fields",
                spoken_time(step),
                spoken_time(every)
            );
            self.error_with_help(
                "step-not-multiple",
                message,
                (span, "no field at the end of this step"),
                format!("for instance: step  {}", spoken_time(every)),
            );
        }
    }
}
