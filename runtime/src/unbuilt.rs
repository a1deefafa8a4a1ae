//! What the language says and the compiler plans, but this version cannot run yet: refused before anything
//! is prepared or trained, never ignored. When a part is built, its line here goes.

use aurora_compiler::Plan;

use crate::run::Failure;

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

/// Every part of the plan that no code runs yet, in words.
fn unbuilt(plan: &Plan) -> Vec<String> {
    plan.model.not_built()
}
