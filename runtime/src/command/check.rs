//! `aurorac check RECIPE`: says what is wrong, or nothing.

use super::RecipeArgument;
use crate::run::{Failure, Recipe};

pub fn run(argument: &RecipeArgument) -> Result<(), Failure> {
    Recipe::open(&argument.recipe, argument.format).map(|_| ())
}
