//! # stats-leak
//!
//! Something that shapes the model or its inputs looks at a split that it may not see.
//!
//! Normalisation, bias correction and the choice of samples may see `train` only; early stopping and the
//! weights of a blend may see `validate`, never `test`. Statistics over all years put the test years' warm
//! anomaly into every input, and a run that stops when `test` is best has been tuned on it: the one number
//! that was to be honest is not.
//!
//! Wrong:
//!
//! ```aurora
//! amend variable sbcape { spread  deviation(sbcape, on = test) }
//! debias t2m against rtma.t2m by quantiles(50, on = test)
//! blends skill(test)
//! stop when storms stalls for 3 epochs on test
//! ```
//!
//! Right:
//!
//! ```aurora
//! amend variable sbcape { spread  deviation(sbcape, on = train) }
//! debias t2m against rtma.t2m by quantiles(50)
//! blends skill(validate)
//! stop when storms stalls for 3 epochs
//! ```

use aurora_grammar::tree::{Clause, Expr, ExprKind, Input};
use aurora_grammar::{Diagnostic, Span, nearest};

use crate::check::split::SPLITS;
use crate::check::{Checker, bare_name};

impl Checker<'_> {
    /// A split that `what` may see: `train`. Another is told of.
    pub(in crate::check) fn only_train(&mut self, split: &Expr, what: &str) -> Option<()> {
        self.only(split, "train", what)
    }

    /// A split that may choose among trained weights: `validate`.
    pub(in crate::check) fn only_validate(&mut self, split: &Expr) -> Option<()> {
        self.only(split, "validate", "a choice among trained weights")
    }

    fn only(&mut self, split: &Expr, allowed: &'static str, what: &str) -> Option<()> {
        let name = match &split.kind {
            ExprKind::Path(name) => name.as_str(),
            _ => "",
        };
        if name == allowed {
            return Some(());
        }
        if !SPLITS.contains(&name) {
            let message = if name.is_empty() {
                "this is no split".into()
            } else {
                format!("there is no split `{name}`")
            };
            let mut diagnostic = Diagnostic::error("unknown-name", message).label(split.span, "not found");
            diagnostic = match nearest(name, SPLITS) {
                Some(near) => diagnostic.help(format!("did you mean `{near}`?")),
                None => diagnostic.help(format!("write `{allowed}`")).fix(split.span, allowed),
            };
            self.diagnostics.push(diagnostic);
            return None;
        }
        let kept = match name {
            "test" => "kept for judging",
            "validate" => "kept for watching",
            _ => "learnt from, so it flatters",
        };
        let message = format!("{what} may see `{allowed}` only, and this looks at `{name}`");
        let mut diagnostic = Diagnostic::error("stats-leak", message).label(split.span, kept);
        if let Some(span) = self.split_span(name) {
            diagnostic = diagnostic.label(span, format!("`{name}`"));
        }
        self.diagnostics.push(diagnostic.help(format!("write `{allowed}`")).fix(split.span, allowed));
        None
    }

    /// Where `data` gives a split.
    fn split_span(&self, name: &str) -> Option<Span> {
        use aurora_grammar::tree::Entry;
        self.resolved.blocks_of("data").next()?.block.entries.iter().find_map(|entry| match entry {
            Entry::Clause(clause) if clause.word.text == name => Some(clause.span),
            _ => None,
        })
    }

    /// `centre mean(sbcape)`, `spread deviation(sbcape, on = train)`: what holds without a word, said. Whether
    /// the clause was one of these.
    pub(in crate::check) fn statistic(&mut self, variable: &str, clause: &Clause, value: &Expr) -> bool {
        let ExprKind::Call { function, inputs } = &value.kind else { return false };
        let wanted = match clause.word.text.as_str() {
            "centre" => "mean",
            "spread" => "deviation",
            _ => return false,
        };
        let own = match &inputs[..] {
            [Input { label: None, value }, ..] => bare_name(value).is_some_and(|name| name.text == variable),
            _ => false,
        };
        if !own || function.text != wanted {
            return false;
        }
        let mut arguments = self.arguments(function, &inputs[1..]);
        if let Some(split) = arguments.optional("on") {
            let _ = self.only_train(&split, "normalisation");
        }
        arguments.finish(self);
        true
    }
}
