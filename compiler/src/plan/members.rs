//! The members of an ensemble as plans, and their kernels beside the enclosing recipe's.

use aurora_grammar::Diagnostics;

use super::Plan;
use super::assemble::one;
use super::ensemble::{EnsemblePlan, MemberPlan};
use crate::canonical;
use crate::check::{Checked, EnsembleChoice};
use crate::kernel::ir::{Kernel, Module};
use crate::resolve::Resolved;

/// Plans every member; kernels that differ from those in the module are added to it.
pub fn ensemble(
    choice: &EnsembleChoice,
    resolved: &Resolved,
    checked: &Checked,
    module: &mut Module,
    diagnostics: &mut Diagnostics,
) -> Option<EnsemblePlan> {
    let mut members = Vec::new();
    for (member, (name, known)) in resolved.members.iter().zip(&checked.members) {
        let hash = canonical::hash(&member.resolved);
        let (mut plan, kernels) = one(&member.resolved, known, &hash, diagnostics)?;
        for kernel in kernels.kernels {
            let old = kernel.name.clone();
            let new = place(module, kernel, name);
            if new != old {
                rename(&mut plan, &old, &new);
            }
        }
        members.push(MemberPlan { name: name.clone(), plan: Box::new(plan) });
    }
    let (name, shares, blend) = (choice.name.clone(), choice.shares.clone(), choice.blend.clone());
    Some(EnsemblePlan { name, shares, members, blend })
}

/// Puts a kernel into the module unless the same one is there, under a name of its own if another has its
/// name; gives the name under which it is found.
fn place(module: &mut Module, mut kernel: Kernel, member: &str) -> String {
    match module.kernel(&kernel.name) {
        Some(known) if *known == kernel => return kernel.name,
        Some(_) => kernel.name = format!("{}.{member}", kernel.name),
        None => {}
    }
    let name = kernel.name.clone();
    module.kernels.push(kernel);
    name
}

/// The plan with one kernel under another name.
fn rename(plan: &mut Plan, old: &str, new: &str) {
    let swap = |name: &mut String| {
        if name == old {
            *name = new.to_string();
        }
    };
    plan.data.derived.iter_mut().for_each(|derived| swap(&mut derived.kernel));
    plan.training.constraints.values_mut().for_each(|constraint| swap(&mut constraint.kernel));
    for loss in plan.training.losses.values_mut() {
        for term in &mut loss.terms {
            term.when.iter_mut().chain(&mut term.expression).for_each(|c| swap(&mut c.kernel));
        }
    }
    for phase in &mut plan.training.phases {
        phase.favour.iter_mut().for_each(|favour| swap(&mut favour.condition.kernel));
    }
}
