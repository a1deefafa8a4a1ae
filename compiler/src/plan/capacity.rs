//! Whether each phase fits into the memory of the device that `site.toml` names.

use aurora_grammar::tree::Entry;
use aurora_grammar::{Diagnostic, Diagnostics, Span};

use super::Plan;
use super::resources::{Demand, bytes_spoken, remedies};
use crate::check::Checked;
use crate::resolve::Resolved;

/// Refuses the first phase that does not fit; nothing then. Without a memory to compare with, all fit.
pub fn fits(
    resolved: &Resolved,
    checked: &Checked,
    plan: &Plan,
    diagnostics: &mut Diagnostics,
) -> Option<()> {
    let Some(machine) = &checked.machine else { return Some(()) };
    let Some(memory) = machine.memory_bytes else { return Some(()) };
    for phase in &plan.training.phases {
        let demand = Demand::of(plan, phase, Some(machine));
        let needs = demand.memory(&plan.model);
        if needs.total() <= memory {
            continue;
        }
        let message = format!(
            "the phase `{}` needs {} of memory, and {} has {}",
            phase.name,
            bytes_spoken(needs.total()),
            machine.device,
            bytes_spoken(memory)
        );
        let ways = remedies(plan, &demand, memory);
        let help = if ways.is_empty() {
            "neither recomputation nor smaller tiles would do: train fewer weights (`train  backbone by lora(rank = \
             8)`), take a smaller architecture or a larger device"
                .to_string()
        } else {
            ways.join("; ")
        };
        let place = place(resolved, &phase.name, "batch").or_else(|| place(resolved, &phase.name, "train"));
        let share = format!(
            "weights {} · gradients {} · optimiser {} · activations {} · process {} ({} of {} samples at a time on {} by {} points)",
            bytes_spoken(needs.weights),
            bytes_spoken(needs.gradients),
            bytes_spoken(needs.optimiser),
            bytes_spoken(needs.activations),
            bytes_spoken(needs.process),
            demand.micro_batch,
            demand.batch,
            demand.height,
            demand.width,
        );
        let mut diagnostic = Diagnostic::error("does-not-fit", message);
        if let Some(place) = place {
            diagnostic = diagnostic.label(place, share);
        }
        diagnostics.push(diagnostic.help(help));
        return None;
    }
    Some(())
}

/// Where a clause of the phase stands.
fn place(resolved: &Resolved, phase: &str, word: &str) -> Option<Span> {
    let block = resolved
        .blocks_of("phase")
        .find(|block| block.name.as_ref().is_some_and(|name| name.text == phase))?;
    block.block.entries.iter().find_map(|entry| match entry {
        Entry::Clause(clause) if clause.word.text == word => Some(clause.span),
        _ => None,
    })
}
