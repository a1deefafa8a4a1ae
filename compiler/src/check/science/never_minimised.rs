//! # never-minimised
//!
//! A variable is predicted, and no loss that a phase minimises speaks of it.
//!
//! Its decoder then never hears what is wanted, and the field it draws is what the random start gives, beside
//! others that are right. It happens when a variable is added to `prognostic` or `diagnostic` and the loss is
//! a sum of names. A prognostic one is fed back, too, and spoils the rest from the second step on.
//!
//! Wrong:
//!
//! ```aurora
//! model { diagnostic  refc, sbcape }
//! loss storms = mae(refc)
//! ```
//!
//! Right:
//!
//! ```aurora
//! model { diagnostic  refc, sbcape }
//! loss storms = mae(diagnostic)
//! ```

use aurora_grammar::Diagnostic;
use aurora_grammar::tree::{Entry, Name};

use crate::check::numbers::only_value;
use crate::check::{Checker, bare_name};
use crate::lower::bare_id;
use crate::resolve::RECIPE;

impl Checker<'_> {
    pub(super) fn never_minimised(&mut self) {
        let minimised = self.minimised_ids();
        let forgotten: Vec<Name> = self
            .predicted_words()
            .into_iter()
            .filter(|name| {
                let definition = self.resolved.lookup(RECIPE, &name.text);
                definition.is_some_and(|definition| !minimised.contains(&definition.id))
            })
            .collect();
        let Some(first) = forgotten.first() else { return };
        let names: Vec<String> = forgotten.iter().map(|name| format!("`{}`", name.text)).collect();
        let message = match &names[..] {
            [one] => format!("{one} is predicted, but no phase minimises its error"),
            _ => format!("{} are predicted, but no phase minimises their errors", names.join(", ")),
        };
        let mut diagnostic = Diagnostic::warning("never-minimised", message);
        for name in &forgotten {
            diagnostic = diagnostic.label(name.span, "stays what the start gives");
        }
        self.diagnostics
            .push(diagnostic.help(format!("add it to a loss that is minimised: … + mae({})", first.text)));
    }

    /// Ids of all fields that a minimised loss or constraint speaks of, through whatever is derived.
    fn minimised_ids(&self) -> Vec<String> {
        let mut ids: Vec<String> = Vec::new();
        let names = self.checked.phases.iter().flat_map(|phase| &phase.minimise);
        for (weight, name) in names {
            if *weight == 0.0 {
                continue;
            }
            if let Some(loss) = self.checked.losses.get(name) {
                for term in &loss.terms {
                    ids.extend(self.resolved.lookup(RECIPE, &term.field).map(|d| d.id.clone()));
                    let kernel =
                        term.expression.as_ref().and_then(|e| self.checked.conditions.get(&e.kernel));
                    ids.extend(kernel.iter().flat_map(|k| k.variables()).filter(|id| bare_id(id) == id));
                }
            }
            let constraint =
                self.resolved.lookup(RECIPE, name).and_then(|d| self.checked.constraints.get(&d.id));
            ids.extend(constraint.iter().flat_map(|c| c.violation.variables()));
        }
        let mut at = 0;
        while let Some(id) = ids.get(at).cloned() {
            at += 1;
            if let Some(derived) = self.checked.derived.get(&id) {
                let more: Vec<String> =
                    derived.value.variables().into_iter().filter(|id| !ids.contains(id)).collect();
                ids.extend(more);
            }
        }
        ids
    }

    /// The names in `prognostic` and `diagnostic`, as written.
    pub(super) fn predicted_words(&self) -> Vec<Name> {
        let Some(model) = self.resolved.blocks_of("model").next() else { return Vec::new() };
        let clauses = model.block.entries.iter().filter_map(|entry| match entry {
            Entry::Clause(clause) => Some(clause),
            Entry::Item(_) => None,
        });
        clauses
            .filter(|clause| matches!(clause.word.text.as_str(), "prognostic" | "diagnostic"))
            .flat_map(|clause| &clause.values)
            .filter_map(|chain| only_value(chain).and_then(bare_name))
            .collect()
    }
}
