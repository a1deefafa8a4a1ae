//! `aurorac data WORD`: from an archive to a training store, and what is in either.

use std::path::{Path, PathBuf};
use std::sync::Arc;

use aurora_compiler::Plan;
use clap::Subcommand;

use super::RecipeArgument;
use crate::data::inspect::inspect;
use crate::data::journal::Status;
use crate::data::prepare::Inventory;
use crate::data::store::Store;
use crate::run::{Failure, Format, Recipe};

mod gc;
mod get;
mod prepare;
mod report;
mod show;
mod synthesize;
mod verify;

#[derive(Debug, Subcommand)]
pub enum Word {
    /// Turn an archive into the training store of a recipe
    Prepare(prepare::Arguments),
    /// Join what shares (`prepare --part I/N`) have prepared
    MergeStats(RecipeArgument),
    /// Say whether every file of a store is what was written
    Verify(verify::Arguments),
    /// Tell the statistics of the training split
    Stats(verify::StatsArguments),
    /// List or remove stores that no recipe uses
    Gc(gc::Arguments),
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
    /// Write the synthetic world as files of HRRR
    Synthesize(synthesize::Arguments),
}

pub fn run(word: Word) -> Result<(), Failure> {
    match word {
        Word::Gc(arguments) => gc::run(&arguments),
        Word::MergeStats(argument) => prepare::join(&argument),
        Word::Prepare(arguments) => prepare::run(&arguments),
        Word::Stats(arguments) => verify::stats(&arguments),
        Word::Verify(arguments) => verify::run(&arguments),
        Word::Get(arguments) => get::run(&arguments),
        Word::Report(arguments) => report::run(&arguments),
        Word::Show(arguments) => show::run(&arguments),
        Word::Synthesize(arguments) => synthesize::run(&arguments),
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

/// The folder of a store: that of a recipe, or the one that is named, with the recipe's plan.
fn folder_of(from: &Path, format: Format) -> Result<(PathBuf, Option<Plan>), Failure> {
    if is_store(from) {
        return Ok((from.to_path_buf(), None));
    }
    let recipe = Recipe::open_for_data(from, format)?;
    let folder = recipe.store_path()?;
    if !is_store(&folder) {
        let path = recipe.path.display();
        let message = format!("the data of {path} are not prepared yet: aurorac data prepare {path}");
        return Err(Failure::because(message));
    }
    Ok((folder, Some(recipe.plan)))
}

/// The whole store of a recipe, or that in a folder, with the recipe's plan.
fn store_of(from: &Path, format: Format) -> Result<(Arc<Store>, Option<Plan>), Failure> {
    let (folder, plan) = folder_of(from, format)?;
    Ok((Arc::new(Store::open(&folder)?), plan))
}

/// A line for whatever a person should look at: absent times, missing values, values out of range.
pub(super) fn findings(inventory: &Inventory) -> String {
    let mut text = String::new();
    let absent = inventory.absent().count();
    if absent > 0 {
        text.push_str(&format!("{absent} times are absent from the archive\n"));
    }
    let rejected = inventory.rejected().count();
    if rejected > 0 {
        text.push_str(&format!("{rejected} times are rejected\n"));
    }
    let filled = inventory.times.iter().filter(|time| matches!(time.status, Status::Filled { .. })).count();
    if filled > 0 {
        text.push_str(&format!("{filled} times are made from their neighbours\n"));
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
