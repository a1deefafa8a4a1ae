//! `base "FILE"`: the checkpoint whose weights are the start.

use aurora_grammar::tree::{Clause, ExprKind};
use aurora_grammar::{Diagnostic, Span, nearest};

use super::Checker;
use super::numbers::single;
use crate::plan::model::{Preset, Published};
use crate::site::{CheckpointHeader, Site};

/// A checkpoint of which the weights are known, by its header or by its class.
#[derive(Clone, Debug)]
pub struct BaseChoice {
    pub name: String,
    pub span: Span,
    /// The class, of a published file.
    pub published: Option<Preset>,
    pub header: Option<CheckpointHeader>,
}

impl Checker<'_> {
    pub(super) fn base(&mut self, clause: &Clause, site: &dyn Site) -> Option<BaseChoice> {
        let Some(ExprKind::Text(name)) = single(clause).map(|value| &value.kind) else {
            self.error_with_help(
                "wrong-argument",
                "`base` takes the name of a checkpoint, in quotes",
                (clause.span, "here"),
                "for instance: base  \"microsoft/aurora:aurora-0.25-pretrained.ckpt\"",
            );
            return None;
        };
        let span = single(clause).map_or(clause.span, |value| value.span);
        let header = match site.checkpoint(name) {
            None => None,
            Some(Ok(header)) => Some(header),
            Some(Err(reason)) => {
                self.error_with_help(
                    "unreadable-base",
                    format!("the checkpoint `{name}` cannot be read: {reason}"),
                    (span, "is at hand, but no checkpoint"),
                    "a checkpoint is a file of torch (.ckpt, .pt) or of safetensors; fetch it again if it was cut short",
                );
                return None;
            }
        };
        let published = Published::find(name).map(|one| one.preset);
        if published.is_none() && header.is_none() {
            self.unknown_base(name, span);
            return None;
        }
        Some(BaseChoice { name: name.clone(), span, published, header })
    }

    fn unknown_base(&mut self, name: &str, span: Span) {
        let message = format!("there is no checkpoint `{name}`");
        let diagnostic = Diagnostic::error("unknown-base", message)
            .label(span, "not at hand, and none of the published ones");
        let known: Vec<String> = Published::names().collect();
        self.diagnostics.push(match nearest(name, known.iter().map(String::as_str)) {
            Some(near) => {
                diagnostic.help(format!("did you mean `{near}`?")).fix(span, format!("\"{near}\""))
            }
            None => diagnostic.help(format!(
                "put the file beside the recipe or name its folder in site.toml (checkpoints = \"…\"); published are {}",
                known.join(", ")
            )),
        });
    }
}
