//! `aurorac predict RECIPE --checkpoint C --input B --output P [--steps N]`.

use std::path::PathBuf;

use super::RecipeArgument;
use crate::device;
use crate::predict::fit::fit;
use crate::predict::{batch_file, forecaster};
use crate::run::{Failure, Recipe};

#[derive(Clone, Debug, clap::Args)]
pub struct Arguments {
    #[command(flatten)]
    pub recipe: RecipeArgument,
    /// A run's folder, or one of its checkpoints
    #[arg(long)]
    pub checkpoint: PathBuf,
    /// A batch file (safetensors)
    #[arg(long)]
    pub input: PathBuf,
    /// Where the forecast goes (safetensors)
    #[arg(long)]
    pub output: PathBuf,
    /// Steps to forecast
    #[arg(long, default_value_t = 1, value_parser = clap::value_parser!(u32).range(1..=10_000))]
    pub steps: u32,
}

pub fn run(arguments: &Arguments) -> Result<(), Failure> {
    let recipe = Recipe::open(&arguments.recipe.recipe, arguments.recipe.format)?;
    crate::unbuilt::refuse(&recipe.plan)?;
    recipe.set_threads()?;
    let device = device::open(recipe.site.device()).map_err(Failure::because)?;
    let forecaster = forecaster(&recipe.plan, &arguments.checkpoint, &device)?;
    let batch = batch_file::read(&arguments.input, &device)?;
    fit(&recipe.plan, &batch).map_err(|reason| {
        Failure::because(format!("the batch file {} does not fit: {reason}", arguments.input.display()))
    })?;
    let forecast = forecaster.forecast(&batch, arguments.steps as usize)?;
    batch_file::write(&arguments.output, &forecast)?;
    super::print(&format!("{}\n", arguments.output.display()))
}
