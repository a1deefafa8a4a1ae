//! What the language says and the compiler plans, but this version cannot run yet: refused before anything
//! is prepared or trained, never ignored. When a part is built, its line here goes.

use aurora_compiler::Plan;

use crate::run::Failure;
use crate::site::Site;

/// Refuses a plan that asks for what cannot be run yet.
///
/// # Errors
/// A sentence for each such part.
pub fn refuse(plan: &Plan) -> Result<(), Failure> {
    let missing = unbuilt(plan);
    if missing.is_empty() {
        return Ok(());
    }
    let list: Vec<String> = missing.iter().map(|what| format!("\n  - {what}")).collect();
    Err(Failure::because(format!(
        "this recipe compiles, and `aurorac plan` explains it, but this version cannot run it yet; it needs{}",
        list.concat()
    )))
}

/// Refuses settings of `site.toml` that training cannot follow yet.
///
/// # Errors
/// A sentence that names the line.
pub fn refuse_settings(site: &Site) -> Result<(), Failure> {
    let line = match (site.recompute(), site.micro_batch()) {
        (true, _) => "recompute = true",
        (false, Some(_)) => "micro_batch",
        (false, None) => return Ok(()),
    };
    Err(Failure::because(format!(
        "site.toml asks for `{line}`, which `aurorac plan` counts with, but this version cannot train that way yet"
    )))
}

/// Every part of the plan that no code runs yet, in words.
fn unbuilt(plan: &Plan) -> Vec<String> {
    let mut missing = plan.model.not_built();
    if let Some(base) = &plan.base {
        missing.push(format!("the weights of a checkpoint to start from (base \"{}\")", base.name));
    }
    missing
}
