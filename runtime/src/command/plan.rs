//! `aurorac plan RECIPE`: what will happen, before anything does.

use super::{RecipeArgument, look};
use crate::run::{Failure, Format, Recipe};
use crate::talk::tell;

pub fn run(argument: &RecipeArgument) -> Result<(), Failure> {
    let recipe = Recipe::open_for_data(&argument.recipe, argument.format)?;
    match argument.format {
        Format::Json => super::print(&format!("{}\n", serde_json::to_string_pretty(&recipe.plan)?)),
        Format::Human => {
            let machine = aurora_compiler::Site::machine(&recipe.site);
            super::print(
                &aurora_compiler::explain::page(&recipe.plan, machine.as_ref()).draw(look::stdout()),
            )?;
            let archive = &recipe.plan.data.archive;
            if aurora_compiler::Site::archive(&recipe.site, archive).is_none() {
                tell(&format!(
                    "the archive `{archive}` is not at hand: its fields and times are taken from the library std.{archive}"
                ));
            }
            Ok(())
        }
        Format::Short => super::print(&format!(
            "{} {} {} weights, {} phases\n",
            recipe.plan.name,
            recipe.plan.hash,
            recipe.plan.model.parameters().total,
            recipe.plan.training.phases.len()
        )),
    }
}
