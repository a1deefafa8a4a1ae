//! `aurorac plan RECIPE`: what will happen, before anything does.

use super::RecipeArgument;
use crate::run::{Failure, Format, Recipe};

pub fn run(argument: &RecipeArgument) -> Result<(), Failure> {
    let recipe = Recipe::open(&argument.recipe, argument.format)?;
    match argument.format {
        Format::Json => super::print(&format!("{}\n", serde_json::to_string_pretty(&recipe.plan)?)),
        _ => super::print(&aurora_compiler::explain::plan(&recipe.plan)),
    }
}
