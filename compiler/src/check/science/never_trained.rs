//! # never-trained
//!
//! Fresh weights that no phase trains: a head, or a part of a model that starts from nothing.
//!
//! Whatever `train` does not name is frozen. That is right for weights that a checkpoint brings and fatal for
//! random ones: the head draws noise, the loss of it never falls, and the run looks busy. A low-rank update
//! (`by lora`) does not help, for it leaves the random weights beneath it as they are.
//!
//! Wrong:
//!
//! ```aurora
//! head convective { reads latent  predicts refc  layers unet(width = 96, depth = 3) }
//!
//! phase adapt { train  backbone by lora(rank = 8) }
//! ```
//!
//! Right:
//!
//! ```aurora
//! phase adapt { train  convective, backbone by lora(rank = 8) }
//! ```

use aurora_grammar::tree::{Clause, Entry, Name};
use aurora_grammar::{Diagnostic, Span};

use crate::check::Checker;

/// What a model is made of, besides its heads.
const PARTS: [&str; 3] = ["encoder", "backbone", "decoder"];

impl Checker<'_> {
    pub(super) fn never_trained(&mut self) {
        let learns = |group: &str| {
            self.checked.phases.iter().any(|phase| {
                phase.train.iter().any(|g| g == group) && !phase.adapters.iter().any(|a| a.group == group)
            })
        };
        if learns("new") {
            return;
        }
        let heads: Vec<Name> = self.heads().into_iter().filter(|head| !learns(&head.text)).collect();
        let parts: Vec<&str> = PARTS.into_iter().filter(|part| !learns(part)).collect();
        for head in heads {
            let block = self.resolved.blocks_of("head").find(|b| b.name.as_ref() == Some(&head));
            let span = block.map_or(head.span, |block| block.kind.span.to(head.span));
            let message = format!("no phase trains the head `{}`: its weights stay random", head.text);
            let diagnostic = Diagnostic::warning("never-trained", message).label(span, "fresh weights");
            let diagnostic = self.with_train_clauses(diagnostic);
            self.diagnostics.push(diagnostic.help(format!("add `{}` to a `train` clause", head.text)));
        }
        let model = self.resolved.blocks_of("model").next();
        let base = model.and_then(|model| {
            model.block.entries.iter().find_map(|entry| match entry {
                Entry::Clause(clause) if clause.word.text == "base" => Some(clause.span),
                _ => None,
            })
        });
        // With a base, only its header tells what is new.
        if base.is_some() || parts.is_empty() {
            return;
        }
        let span = model.map_or_else(Span::default, |model| model.kind.span);
        let names: Vec<String> = parts.iter().map(|part| format!("`{part}`")).collect();
        let them = if parts.len() == 1 { "its weights stay" } else { "their weights stay" };
        let message = format!("no phase trains the {}: {them} random", names.join(", "));
        let diagnostic = Diagnostic::warning("never-trained", message)
            .label(span, "starts from fresh weights, for it has no `base`");
        let diagnostic = self.with_train_clauses(diagnostic);
        self.diagnostics.push(diagnostic.help("add `new` to a `train` clause"));
    }

    /// A label for the `train` clause of each phase.
    fn with_train_clauses(&self, mut diagnostic: Diagnostic) -> Diagnostic {
        for phase in self.resolved.blocks_of("phase") {
            let clause: Option<&Clause> = phase.block.entries.iter().find_map(|entry| match entry {
                Entry::Clause(clause) if clause.word.text == "train" => Some(clause),
                _ => None,
            });
            if let (Some(clause), Some(name)) = (clause, &phase.name) {
                diagnostic = diagnostic.label(clause.span, format!("phase {}", name.text));
            }
        }
        diagnostic
    }
}
