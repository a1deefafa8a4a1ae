//! `aurorac predict RECIPE --checkpoint C --input B --output P [--steps N]`.

use std::path::PathBuf;

use super::RecipeArgument;
use crate::device;
use crate::predict::fit::fit;
use crate::predict::{batch_file, opened};
use crate::run::{Failure, Recipe};

#[derive(Clone, Debug, clap::Args)]
pub struct Arguments {
    #[command(flatten)]
    pub recipe: RecipeArgument,
    /// A run's folder, one of its checkpoints, or a file of weights (.ckpt, .safetensors); several files that hold the
    /// weights together are given one by one
    #[arg(long, required = true)]
    pub checkpoint: Vec<PathBuf>,
    /// A batch file (safetensors)
    #[arg(long)]
    pub input: PathBuf,
    /// Where the forecast goes (safetensors)
    #[arg(long)]
    pub output: PathBuf,
    /// Steps to forecast
    #[arg(long, default_value_t = 1, value_parser = clap::value_parser!(u32).range(1..=10_000))]
    pub steps: u32,
    /// Hours to forecast within each step, of a model that takes any: 2,4,6
    #[arg(long, value_delimiter = ',', value_parser = hours)]
    pub lead_times: Vec<f32>,
}

fn hours(text: &str) -> Result<f32, String> {
    let hours = text.trim().parse::<f32>().ok().filter(|hours| hours.is_finite() && *hours > 0.0);
    hours.ok_or_else(|| "it is no number of hours".to_string())
}

pub fn run(arguments: &Arguments) -> Result<(), Failure> {
    let recipe = Recipe::open(&arguments.recipe.recipe, arguments.recipe.format)?;
    let weights = recipe.checkpoints(&arguments.checkpoint)?;
    if !weights.iter().all(|path| path.is_file()) {
        // A run of what cannot be trained is none; of a file of weights only the model matters.
        crate::unbuilt::refuse(&recipe.plan)?;
    }
    recipe.set_threads()?;
    let device = device::open(recipe.site.device()).map_err(Failure::because)?;
    let forecaster = opened(&recipe.plan, &weights, &device)?;
    let batch = batch_file::open(&arguments.input, &device)?;
    let trained = !forecaster.data.is_empty();
    fit(&recipe.plan, &batch.batch, trained).map_err(|reason| {
        Failure::because(format!("the batch file {} does not fit: {reason}", arguments.input.display()))
    })?;
    let forecast = forecaster.forecast_of(&batch, arguments.steps as usize, &arguments.lead_times)?;
    batch_file::write(&arguments.output, &forecast)?;
    super::print(&format!("{}\n", arguments.output.display()))
}
