//! `aurorac build RECIPE`: writes the artefact and prints its folder.

use super::RecipeArgument;
use crate::run::{Failure, Recipe};

pub fn run(argument: &RecipeArgument) -> Result<(), Failure> {
    let recipe = Recipe::open(&argument.recipe, argument.format)?;
    let path = recipe.build()?;
    super::print(&format!("{}\n", path.display()))
}
