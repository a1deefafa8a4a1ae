//! `head NAME { }`: another decoder, what it reads, predicts and is built of.

use aurora_grammar::tree::{BlockItem, Chain, Clause, Expr, ExprKind, Input, Name, Part as Piece};
use aurora_grammar::{Diagnostic, Span, nearest};

use super::clauses::Clauses;
use super::role::Cast;
use super::{Checker, bare_name};
use crate::lower::input_name;
use crate::plan::head::{HeadField, HeadPlan, Layers};
use crate::resolve::RECIPE;
use crate::types::Support;

/// Names a head may not have: they are groups of weights already, or what heads read.
const TAKEN: [&str; 5] = ["new", "encoder", "backbone", "decoder", "latent"];
const LAYERS: [&str; 4] = ["perceiver", "conv", "unet", "mlp"];
/// No layer is wider, no head deeper: far above any use, and safe to multiply.
const WIDEST: usize = 16_384;
const DEEPEST: usize = 64;
/// A U-Net halves the grid at each stage, and doubles its width.
const MOST_HALVINGS: usize = 8;
const MOST_QUANTILES: usize = 999;

impl Checker<'_> {
    /// All heads in the order of their names, for the order of the text does not matter.
    pub(super) fn head_plans(&mut self, cast: &[Cast]) -> Vec<(HeadPlan, Span)> {
        let blocks: Vec<BlockItem> = self.resolved.blocks_of("head").cloned().collect();
        let mut heads: Vec<(HeadPlan, Span)> = Vec::new();
        let mut claimed: Vec<(String, Name, String)> = Vec::new();
        for block in &blocks {
            let Some(head) = self.head(block, cast, &mut claimed) else { continue };
            let span = block.name.as_ref().map_or(block.kind.span, |name| block.kind.span.to(name.span));
            heads.push((head, span));
        }
        heads.sort_by(|(a, _), (b, _)| a.name.cmp(&b.name));
        heads
    }

    fn head(
        &mut self,
        block: &BlockItem,
        cast: &[Cast],
        claimed: &mut Vec<(String, Name, String)>,
    ) -> Option<HeadPlan> {
        let clauses = self.block_clauses(block);
        let Some(name) = &block.name else {
            let help = "for instance: head convective { … }";
            self.error_with_help("missing-name", "a head has a name", (block.kind.span, "which head?"), help);
            return None;
        };
        if TAKEN.contains(&name.text.as_str()) {
            let message = format!("no head can be called `{}`", name.text);
            let label = (name.span, "has a meaning of its own in `train` or `reads`");
            self.error_with_help("already-defined", message, label, "for instance: head convective { … }");
            return None;
        }
        let reads = clauses.require(self, "reads", "latent").map(|clause| self.head_reads(&clause, cast));
        let layers = self.layers(&clauses);
        let predicts = clauses.require(self, "predicts", "refc, sbcape")?;
        let quantiles = self.quantiles(&predicts);
        let fields = self.head_predicts(&predicts, name, cast, claimed);
        let (layers, layers_span) = layers?;
        if matches!(layers, Layers::Perceiver { .. }) {
            self.perceiver_fits(&fields, layers_span, reads.as_deref().unwrap_or_default(), &clauses);
        }
        if matches!(layers, Layers::Perceiver { modulate: true, .. }) {
            self.modulation_fits(&fields, layers_span, cast);
        }
        let fields = fields.into_iter().map(|(field, _)| field).collect();
        Some(HeadPlan { name: name.text.clone(), reads: reads?, predicts: fields, quantiles, layers })
    }

    /// `latent`, and fields of the newest input.
    fn head_reads(&mut self, clause: &Clause, cast: &[Cast]) -> Vec<HeadField> {
        let (mut fields, mut latent): (Vec<HeadField>, bool) = (Vec::new(), false);
        for chain in &clause.values {
            let Some(name) = self.plain_name(chain) else { return fields };
            if name.text == "latent" {
                latent = true;
                continue;
            }
            let Some(definition) = self.resolved.lookup(RECIPE, &name.text).cloned() else {
                self.unknown(RECIPE, &name.text, name.span, "");
                continue;
            };
            match cast.iter().find(|one| one.id == definition.id) {
                Some(one) if one.part.fed() => fields.extend(self.head_field(&definition.id)),
                other => {
                    let message = format!("`{}` is not among the model's inputs", name.text);
                    let help = match other {
                        Some(_) => {
                            "a diagnostic field is predicted only; make it prognostic, or read another"
                        }
                        None => "name it in `prognostic`, `forcing` or `static`",
                    };
                    self.error_with_help("wrong-role", message, (name.span, "cannot be read"), help);
                }
            }
        }
        if !latent {
            self.error_with_help(
                "wrong-argument",
                "a head reads the backbone's output",
                (clause.span, "`latent` is missing"),
                "for instance: reads  latent, refc",
            );
        }
        fields
    }

    fn plain_name(&mut self, chain: &Chain) -> Option<Name> {
        let name = match &chain.parts[..] {
            [Piece::Value(value)] => bare_name(value),
            _ => None,
        };
        if name.is_none() {
            let help = "for instance: reads  latent, refc";
            self.error_with_help(
                "wrong-argument",
                "names are wanted here",
                (chain.span, "this is none"),
                help,
            );
        }
        name
    }

    /// The fields it predicts, each of them predicted by the model and by no other head.
    fn head_predicts(
        &mut self,
        clause: &Clause,
        head: &Name,
        cast: &[Cast],
        claimed: &mut Vec<(String, Name, String)>,
    ) -> Vec<(HeadField, Span)> {
        let mut fields = Vec::new();
        for chain in &clause.values {
            let Some(Piece::Value(value)) = chain.parts.first() else { continue };
            let Some(name) = bare_name(value) else {
                let help = "for instance: predicts  refc, sbcape";
                self.error_with_help(
                    "wrong-argument",
                    "names are wanted here",
                    (value.span, "this is none"),
                    help,
                );
                continue;
            };
            let Some(definition) = self.resolved.lookup(RECIPE, &name.text).cloned() else {
                self.unknown(RECIPE, &name.text, name.span, "");
                continue;
            };
            let role = cast.iter().find(|one| one.id == definition.id);
            if !role.is_some_and(|one| one.part.predicted()) {
                let message = format!("the model does not predict `{}`", name.text);
                let mut diagnostic =
                    Diagnostic::error("not-predicted", message).label(name.span, "predicted by this head");
                if let Some(one) = role {
                    diagnostic = diagnostic.label(one.name.span, format!("but {} here", one.part.word()));
                }
                self.diagnostics
                    .push(diagnostic.help(format!("give it a role in `model`: diagnostic  {}", name.text)));
                continue;
            }
            if let Some((_, other, owner)) = claimed.iter().find(|(id, _, _)| *id == definition.id) {
                let whose = if *owner == head.text { "this head".to_string() } else { format!("`{owner}`") };
                self.diagnostics.push(
                    Diagnostic::error("claimed-twice", format!("`{}` is predicted twice", name.text))
                        .label(name.span, format!("by `{}` here", head.text))
                        .label(other.span, format!("by {whose} here"))
                        .help("what a head predicts it predicts alone: take it out of one of them"),
                );
                continue;
            }
            claimed.push((definition.id.clone(), name.clone(), head.text.clone()));
            fields.extend(self.head_field(&definition.id).map(|field| (field, name.span)));
        }
        fields
    }

    fn head_field(&self, id: &str) -> Option<HeadField> {
        let (variable, derived) = (self.checked.variables.get(id), self.checked.derived.get(id));
        let ty = variable.map(|v| &v.ty).or_else(|| derived.map(|d| &d.ty))?;
        let named = variable.map(|v| &v.named).or_else(|| derived.map(|d| &d.named)).cloned().flatten();
        let field = input_name(id).to_string();
        Some(HeadField {
            named: named.unwrap_or_else(|| field.clone()),
            field,
            levels: matches!(ty.support, Support::Levels(_)),
        })
    }

    /// `predicts refc, sbcape as quantiles(9)`: said once, at the end, for all.
    fn quantiles(&mut self, clause: &Clause) -> Option<usize> {
        let last = clause.values.len().saturating_sub(1);
        for (at, chain) in clause.values.iter().enumerate() {
            let [_, rest @ ..] = &chain.parts[..] else { continue };
            if rest.is_empty() {
                continue;
            }
            if let [Piece::Joint(joint), Piece::Value(Expr { kind: ExprKind::Call { function, inputs }, .. })] =
                rest
                && joint.text == "as"
                && function.text == "quantiles"
                && let [Input { label: None, value }] = &inputs[..]
                && let Some(count) = super::arguments::whole_number(value)
                && (2..=MOST_QUANTILES).contains(&count)
                && at == last
            {
                return Some(count);
            }
            self.error_with_help(
                "wrong-argument",
                "only `as quantiles(N)` may follow the fields, at the end and for all of them",
                (chain.span, "here"),
                format!("for instance: predicts  refc as quantiles(9), with 2 to {MOST_QUANTILES} of them"),
            );
            return None;
        }
        None
    }

    /// A Perceiver head asks the latent levels once for each pressure level; it has nothing to ask for a
    /// surface.
    fn perceiver_fits(
        &mut self,
        fields: &[(HeadField, Span)],
        layers: Span,
        reads: &[HeadField],
        clauses: &Clauses,
    ) {
        if let Some((field, span)) = fields.iter().find(|(field, _)| !field.levels) {
            let on_levels: Vec<&str> =
                fields.iter().filter(|(f, _)| f.levels).map(|(f, _)| f.field.as_str()).collect();
            let help = match &on_levels[..] {
                [] => "take it out, for Aurora's own decoder has a layer for each surface variable; or let the head \
                       be layers  unet(width = 96, depth = 3)"
                    .to_string(),
                kept => format!(
                    "let it predict what is on levels (predicts  {}), and leave the rest to Aurora's own decoder or \
                     to a head with layers  unet(width = 96, depth = 3)",
                    kept.join(", ")
                ),
            };
            self.diagnostics.push(
                Diagnostic::error(
                    "surface-in-perceiver",
                    format!("`{}` is a surface variable in a perceiver head for levels", field.field),
                )
                .label(*span, "one value per column")
                .label(layers, "asks the latent state once for each pressure level")
                .help(help),
            );
        } else if let (Some(first), Some(clause)) = (reads.first(), clauses.get("reads")) {
            self.error_with_help(
                "wrong-argument",
                format!("a perceiver head reads `latent` alone, not `{}`", first.field),
                (clause.span, "fields of the input beside it"),
                "write `reads  latent`, or let the head be of conv, unet or mlp layers",
            );
        }
    }

    /// A correction to the newest state needs one: what is predicted only has none.
    fn modulation_fits(&mut self, fields: &[(HeadField, Span)], layers: Span, cast: &[Cast]) {
        let fed =
            |field: &HeadField| cast.iter().any(|one| input_name(&one.id) == field.field && one.part.fed());
        let Some((field, span)) = fields.iter().find(|(field, _)| !fed(field)) else { return };
        self.diagnostics.push(
            Diagnostic::error("wrong-role", format!("`{}` has no last state to be corrected", field.field))
                .label(*span, "predicted only, never fed")
                .label(layers, "gives corrections to the last state")
                .help(format!(
                    "feed it too (prognostic  {}), or let a head of its own predict it without: layers  perceiver",
                    field.field
                )),
        );
    }

    fn layers(&mut self, clauses: &Clauses) -> Option<(Layers, Span)> {
        let clause = clauses.require(self, "layers", "unet(width = 96, depth = 3)")?;
        let value = self.value_of(&clause, "unet(width = 96, depth = 3)")?;
        let (name, inputs) = match &value.kind {
            ExprKind::Call { function, inputs } => (function.clone(), inputs.clone()),
            ExprKind::Path(text) => (Name { text: text.clone(), span: value.span }, Vec::new()),
            _ => {
                let help = format!("one of {}", LAYERS.join(", "));
                self.error_with_help(
                    "wrong-argument",
                    "layers have a name",
                    (value.span, "this is none"),
                    help,
                );
                return None;
            }
        };
        if !LAYERS.contains(&name.text.as_str()) {
            let message = format!("there are no layers called `{}`", name.text);
            let diagnostic = Diagnostic::error("unknown-name", message).label(name.span, "not found");
            self.diagnostics.push(match nearest(&name.text, LAYERS) {
                Some(near) => diagnostic.help(format!("did you mean `{near}`?")).fix(name.span, near),
                None => diagnostic.help(format!("there are {}", LAYERS.join(", "))),
            });
            return None;
        }
        let mut given = self.arguments(&name, &inputs);
        let layers = if name.text == "perceiver" {
            let modulate = match given.optional("modulate") {
                None => false,
                Some(value) => {
                    matches!(&value.kind, ExprKind::Path(text) if text == "true") || self.is_not_false(&value)
                }
            };
            let depth = given.whole(self, "depth").unwrap_or(1);
            let mlp_ratio = given.number(self, "mlp_ratio").unwrap_or(2.0);
            Layers::Perceiver { depth, mlp_ratio, modulate }
        } else {
            let (width, depth) = (given.whole(self, "width"), given.whole(self, "depth"));
            let (Some(width), Some(depth)) = (width, depth) else {
                if inputs.len() < 2 {
                    let message = format!("`{}` needs `width` and `depth`", name.text);
                    let help = format!("for instance: layers  {}(width = 96, depth = 3)", name.text);
                    self.error_with_help("missing-argument", message, (value.span, "not given"), help);
                } else {
                    given.finish(self);
                }
                return None;
            };
            match name.text.as_str() {
                "conv" => Layers::Conv { width, depth },
                "unet" => Layers::Unet { width, depth },
                _ => Layers::Mlp { width, depth },
            }
        };
        given.finish(self);
        self.sensible(layers, value.span).then_some((layers, value.span))
    }

    /// Says so if it is neither `true` nor `false`.
    fn is_not_false(&mut self, value: &Expr) -> bool {
        if !matches!(&value.kind, ExprKind::Path(text) if text == "false") {
            self.error_with_help(
                "wrong-argument",
                "`modulate` is `true` or `false`",
                (value.span, "neither"),
                "for instance: perceiver(modulate = true)",
            );
        }
        false
    }

    fn sensible(&mut self, layers: Layers, span: Span) -> bool {
        let reason = match layers {
            Layers::Perceiver { depth, mlp_ratio, .. } => {
                let sound = (1..=DEEPEST).contains(&depth) && mlp_ratio > 0.0 && mlp_ratio <= 64.0;
                (!sound).then(|| {
                    format!("a perceiver has 1 to {DEEPEST} layers and a ratio above 0 and up to 64")
                })
            }
            Layers::Unet { width, depth } => {
                let sound = (1..=WIDEST).contains(&width) && (1..=MOST_HALVINGS).contains(&depth);
                (!sound).then(|| format!("a U-Net is 1 to {WIDEST} wide and 1 to {MOST_HALVINGS} deep"))
            }
            Layers::Conv { width, depth } | Layers::Mlp { width, depth } => {
                let sound = (1..=WIDEST).contains(&width) && (1..=DEEPEST).contains(&depth);
                (!sound).then(|| format!("layers are 1 to {WIDEST} wide and 1 to {DEEPEST} deep"))
            }
        };
        if let Some(reason) = &reason {
            let help = "for instance: unet(width = 96, depth = 3)";
            self.error_with_help("wrong-argument", reason.clone(), (span, "here"), help);
        }
        reason.is_none()
    }
}
