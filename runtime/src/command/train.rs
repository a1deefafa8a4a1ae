//! `aurorac train RECIPE`: prepares data if need be, trains, evaluates, reports.

use super::RecipeArgument;
use crate::device;
use crate::run::{Failure, Recipe};
use crate::talk::tell;
use crate::train::interrupt::Interrupt;
use crate::train::{Outcome, Trainer};

#[derive(Clone, Debug, clap::Args)]
pub struct Arguments {
    #[command(flatten)]
    pub recipe: RecipeArgument,
    /// Seed of the fresh weights and of the order of samples
    #[arg(long, default_value_t = 0)]
    pub seed: u64,
}

pub fn run(arguments: &Arguments) -> Result<(), Failure> {
    let recipe = Recipe::open_with_base(&arguments.recipe.recipe, arguments.recipe.format)?;
    crate::unbuilt::refuse(&recipe.plan)?;
    recipe.set_threads()?;
    let device = device::open(recipe.site.device()).map_err(Failure::because)?;
    let interrupt = Interrupt::watch()?;
    let (store, inventory) = recipe.prepare(&interrupt)?;
    tell(&super::data::findings(&inventory));
    let run = recipe.run(arguments.seed);
    // Written once: a run that another process holds, or that is another recipe's, is left as it is.
    if !run.join("artefact").exists() {
        recipe.write_artefact(&run.join("artefact"))?;
    }
    let trainer = Trainer {
        plan: &recipe.plan,
        kernels: &recipe.kernels,
        store,
        base: recipe.base_file()?,
        device,
        seed: arguments.seed,
        run,
        checkpoint_every: recipe.site.checkpoint_every(),
        recompute: recipe.site.recompute(),
        micro_batch: recipe.site.micro_batch(),
        interrupt: interrupt.clone(),
    };
    match trainer.train()? {
        Outcome::Interrupted(code) => Err(Failure::Signal(code)),
        Outcome::Finished(..) => {
            super::evaluate::evaluate(&recipe, arguments.seed, &interrupt)?;
            super::report::report(&recipe, arguments.seed)
        }
    }
}
