//! `aurorac evaluate RECIPE`: scores a trained run against the truth and writes `scores.jsonl`.

use std::io::IsTerminal;

use indicatif::{ProgressBar, ProgressStyle};

use super::train::Arguments;
use crate::device;
use crate::durable;
use crate::evaluate::judge::judge;
use crate::evaluate::{table, write_rows};
use crate::predict::forecaster;
use crate::run::{Failure, Recipe};
use crate::talk::say;
use crate::train::interrupt::Interrupt;

/// Scores of a run.
pub const SCORES: &str = "scores.jsonl";
/// The pictures that belong to them.
pub const MAPS: &str = "maps.json";

pub fn run(arguments: &Arguments) -> Result<(), Failure> {
    let recipe = Recipe::open(&arguments.recipe.recipe, arguments.recipe.format)?;
    crate::unbuilt::refuse(&recipe.plan)?;
    recipe.set_threads()?;
    evaluate(&recipe, arguments.seed, &Interrupt::watch()?)
}

/// Scores the newest checkpoint of a run; the table goes to stdout. A signal ends it with nothing written.
pub fn evaluate(recipe: &Recipe, seed: u64, interrupt: &Interrupt) -> Result<(), Failure> {
    let device = device::open(recipe.site.device()).map_err(Failure::because)?;
    let run = recipe.run(seed);
    if recipe.plan.evaluations.is_empty() {
        say("this recipe evaluates nothing; add `evaluate NAME on test { … }` to score it");
    }
    let forecaster = forecaster(&recipe.plan, &run, &device)?;
    let (store, inventory) = recipe.prepare(interrupt)?;
    if forecaster.data != inventory.digest {
        return Err(Failure::because(format!(
            "the archive `{}` or its derived fields have changed since {} was trained; train anew",
            recipe.plan.data.archive,
            run.display()
        )));
    }
    let mut rows = Vec::new();
    let mut maps = Vec::new();
    for evaluation in &recipe.plan.evaluations {
        let bar = std::io::stderr().is_terminal().then(|| {
            let template = "{prefix}  {bar:32} {pos}/{len} forecasts  {eta} left";
            let style =
                ProgressStyle::with_template(template).unwrap_or_else(|_| ProgressStyle::default_bar());
            ProgressBar::new(0).with_style(style).with_prefix(evaluation.name.clone())
        });
        let judgement = judge(
            &recipe.plan,
            &recipe.kernels,
            evaluation,
            &store,
            &forecaster,
            &device,
            &mut |done, total| {
                if let Some(bar) = &bar {
                    bar.set_length(total as u64);
                    bar.set_position(done as u64);
                }
                interrupt.code().map_or(Ok(()), |code| Err(Failure::Signal(code)))
            },
        )?;
        if let Some(bar) = &bar {
            bar.finish_and_clear();
        }
        rows.extend(judgement.rows);
        maps.extend(judgement.maps);
    }
    let mut lines = Vec::new();
    write_rows(&mut lines, &rows)?;
    durable::write(&run.join(SCORES), &lines)?;
    durable::write(&run.join(MAPS), serde_json::to_string(&maps)?.as_bytes())?;
    let color = std::io::stdout().is_terminal() && std::env::var_os("NO_COLOR").is_none_or(|v| v.is_empty());
    if rows.is_empty() { Ok(()) } else { super::print(&table(&rows, color)) }
}
