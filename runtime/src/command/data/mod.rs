//! `aurorac data prepare RECIPE`, `aurorac data get RECIPE`, `aurorac data inspect FILE`.

use std::path::{Path, PathBuf};
use std::sync::Arc;

use aurora_compiler::Plan;
use clap::Subcommand;

use super::RecipeArgument;
use crate::data::inspect::inspect;
use crate::data::prepare::Inventory;
use crate::data::store::Store;
use crate::run::{Failure, Format, Recipe};
use crate::talk::tell;
use crate::train::interrupt::Interrupt;

mod get;
mod report;
mod show;

#[derive(Debug, Subcommand)]
pub enum Word {
    /// Turn an archive into the training store of a recipe
    Prepare(RecipeArgument),
    /// Fetch what a recipe reads of an archive on a server
    Get(get::Arguments),
    /// Write what is in a training store, what is not and why, as a page with pictures
    Report(report::Arguments),
    /// Show one field at one time, as a map and in numbers
    Show(show::Arguments),
    /// Say what a GRIB2, NetCDF or Zarr file holds
    Inspect {
        /// The file
        file: PathBuf,
        /// How it is said
        #[arg(long, value_enum, default_value_t)]
        format: Format,
    },
}

pub fn run(word: Word) -> Result<(), Failure> {
    match word {
        Word::Prepare(argument) => prepare(&argument),
        Word::Get(arguments) => get::run(&arguments),
        Word::Report(arguments) => report::run(&arguments),
        Word::Show(arguments) => show::run(&arguments),
        Word::Inspect { file, format } => {
            let inspection = inspect(&file)?;
            match format {
                Format::Json => super::print(&format!("{}\n", serde_json::to_string_pretty(&inspection)?)),
                _ => super::print(&inspection.to_string()),
            }
        }
    }
}

/// Whether a training store lies there.
fn is_store(path: &Path) -> bool {
    path.is_dir() && crate::data::layout::describe(path).is_ok()
}

/// The prepared store of a recipe with the recipe's plan, or the store that lies in a folder.
fn store_of(from: &Path, format: Format) -> Result<(Arc<Store>, Option<Plan>), Failure> {
    if is_store(from) {
        return Ok((Arc::new(Store::open(from)?), None));
    }
    let recipe = Recipe::open_for_data(from, format)?;
    match recipe.prepared()? {
        Some(store) => Ok((store, Some(recipe.plan))),
        None => Err(Failure::because(format!(
            "the data of {} are not prepared yet: aurorac data prepare {}",
            recipe.path.display(),
            recipe.path.display()
        ))),
    }
}

fn prepare(argument: &RecipeArgument) -> Result<(), Failure> {
    let recipe = Recipe::open(&argument.recipe, argument.format)?;
    crate::unbuilt::refuse(&recipe.plan)?;
    recipe.set_threads()?;
    let (store, inventory) = recipe.prepare(&Interrupt::watch()?)?;
    let state = if inventory.reused { "already whole" } else { "prepared" };
    tell(&format!("{state}: {} times, {} fields\n", inventory.usable(), inventory.fields.len()));
    tell(&findings(&inventory));
    super::print(&format!("{}\n", store.path().display()))
}

/// A line for whatever a person should look at: absent times, missing values, values out of range.
pub(super) fn findings(inventory: &Inventory) -> String {
    let mut text = String::new();
    let absent = inventory.absent().count();
    if absent > 0 {
        text.push_str(&format!("{absent} times are absent from the archive\n"));
    }
    for (name, field) in &inventory.fields {
        if field.outside > 0 || field.missing > 0 {
            text.push_str(&format!(
                "{name}: of {} values {} lie outside their range, {} are missing\n",
                field.values, field.outside, field.missing
            ));
        }
    }
    text
}
