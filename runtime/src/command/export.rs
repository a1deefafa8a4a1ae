//! `aurorac export RECIPE --checkpoint C --output F.ckpt|F.safetensors`: weights for Microsoft's own package.

use std::path::PathBuf;

use super::RecipeArgument;
use crate::device;
use crate::predict::weights;
use crate::run::{Failure, Recipe};

#[derive(Clone, Debug, clap::Args)]
pub struct Arguments {
    #[command(flatten)]
    pub recipe: RecipeArgument,
    /// A run's folder, one of its checkpoints, or a file of weights (.ckpt, .safetensors); several files that hold the
    /// weights together are given one by one
    #[arg(long, required = true)]
    pub checkpoint: Vec<PathBuf>,
    /// Where the weights go: NAME.ckpt for torch, NAME.safetensors
    #[arg(long)]
    pub output: PathBuf,
}

pub fn run(arguments: &Arguments) -> Result<(), Failure> {
    let recipe = Recipe::open(&arguments.recipe.recipe, arguments.recipe.format)?;
    let known = ["ckpt", "pt", "pth", "safetensors"];
    if !arguments.output.extension().is_some_and(|end| known.iter().any(|one| end == *one)) {
        return Err(Failure::because(format!(
            "{}: weights are written to NAME.ckpt or NAME.safetensors",
            arguments.output.display()
        )));
    }
    recipe.set_threads()?;
    let device = device::open(recipe.site.device()).map_err(Failure::because)?;
    weights(&recipe.plan, &recipe.checkpoints(&arguments.checkpoint)?, &device)?.export(&arguments.output)?;
    super::print(&format!("{}\n", arguments.output.display()))
}
