//! `aurorac data prepare RECIPE [--part I/N]` and `aurorac data merge-stats RECIPE`.

use std::path::{Path, PathBuf};

use aurora_compiler::lock::LockFile;
use serde::Serialize;

use super::super::build;
use super::findings;
use crate::data::layout::{all_fields, depth, size_on_disk, stored_fields};
use crate::data::prepare::{Inventory, Share, merge, selected_times};
use crate::run::{Failure, Format, Recipe};
use crate::talk::{say, tell};
use crate::train::interrupt::Interrupt;

#[derive(Clone, Debug, clap::Args)]
pub struct Arguments {
    #[command(flatten)]
    recipe: super::RecipeArgument,
    /// Only a share of the times, for instance 3/12; `data merge-stats` makes the store whole when all shares are done
    #[arg(long, value_name = "I/N")]
    part: Option<Share>,
}

/// What `--format json` prints.
#[derive(Debug, Serialize)]
struct Outcome<'a> {
    store: &'a Path,
    bytes: u64,
    /// Whether all of it was there already.
    reused: bool,
    #[serde(skip_serializing_if = "Option::is_none")]
    inventory: Option<&'a Inventory>,
}

pub fn run(arguments: &Arguments) -> Result<(), Failure> {
    let recipe = Recipe::open(&arguments.recipe.recipe, arguments.recipe.format)?;
    recipe.set_threads()?;
    let interrupt = Interrupt::watch()?;
    estimate(&recipe, arguments.part)?;
    let Some(share) = arguments.part else {
        let (store, inventory) = recipe.prepare(&interrupt)?;
        remember(&recipe, &inventory)?;
        return told(store.path(), &inventory, arguments.recipe.format);
    };
    let (path, written) = recipe.prepare_share(share, &interrupt)?;
    if arguments.recipe.format == Format::Json {
        let outcome = Outcome {
            store: &path,
            bytes: size_on_disk(&path).unwrap_or(0),
            reused: !written,
            inventory: None,
        };
        return super::super::print(&format!("{}\n", serde_json::to_string(&outcome)?));
    }
    let state = if written { "prepared" } else { "already there" };
    say(&format!(
        "share {} of {} {state}; when all are, `aurorac data merge-stats {}` makes the store whole",
        share.part,
        share.of,
        arguments.recipe.recipe.display()
    ));
    super::super::print(&format!("{}\n", path.display()))
}

/// Joins what shares have prepared.
pub fn join(argument: &super::RecipeArgument) -> Result<(), Failure> {
    let recipe = Recipe::open(&argument.recipe, argument.format)?;
    let path = recipe.store_path()?;
    let inventory = merge(&path)?;
    remember(&recipe, &inventory)?;
    told(&path, &inventory, argument.format)
}

fn told(path: &Path, inventory: &Inventory, format: Format) -> Result<(), Failure> {
    if format == Format::Json {
        let bytes = size_on_disk(path).unwrap_or(0);
        let outcome = Outcome { store: path, bytes, reused: inventory.reused, inventory: Some(inventory) };
        return super::super::print(&format!("{}\n", serde_json::to_string(&outcome)?));
    }
    let state = if inventory.reused { "already whole" } else { "prepared" };
    tell(&format!("{state}: {} times, {} fields\n", inventory.usable(), inventory.fields.len()));
    tell(&findings(inventory));
    super::super::print(&format!("{}\n", path.display()))
}

/// What is about to be read and written.
fn estimate(recipe: &Recipe, share: Option<Share>) -> Result<(), Failure> {
    let data = &recipe.plan.data;
    let planes = |fields: Vec<crate::data::layout::StoredField>| -> Result<usize, Failure> {
        let depths: Result<Vec<usize>, _> = fields.iter().map(|field| depth(data, field)).collect();
        Ok(depths?.iter().sum())
    };
    let (all, kept) = (planes(all_fields(data))?, planes(stored_fields(data))?);
    let times = selected_times(data).len() / share.map_or(1, |share| share.of);
    let points = data.grid.width * data.grid.height;
    let bytes = |planes: usize| (planes * points * 4) as u64;
    say(&format!(
        "{times} times of {} by {} points: {all} planes are read or derived at each, {kept} kept; {} in memory at a time, \
         at most {} on disk, less what compression saves",
        data.grid.height,
        data.grid.width,
        indicatif::HumanBytes(3 * bytes(all)),
        indicatif::HumanBytes(bytes(kept) * times as u64)
    ));
    Ok(())
}

/// Writes what was learnt from the training split into `aurora.lock`.
pub fn remember(recipe: &Recipe, inventory: &Inventory) -> Result<(), Failure> {
    let path: PathBuf = build::beside(&recipe.path);
    let mut file: LockFile = build::read(&path)?.unwrap_or_default();
    let name = &recipe.plan.name;
    if !file.recipes.contains_key(name) {
        file.update(name, &recipe.lock());
    }
    let Some(lock) = file.recipes.get_mut(name) else { return Ok(()) };
    lock.statistics = statistics(inventory);
    build::write(&path, &file)
}

/// Mean and spread, level by level, under the digest of the data they are of.
fn statistics(inventory: &Inventory) -> toml::Table {
    let mut table = toml::Table::new();
    table.insert("data".into(), inventory.content.clone().into());
    for (name, statistics) in &inventory.statistics {
        let list = |of: fn(&crate::data::statistics::Moments) -> f64| -> toml::Value {
            statistics.levels.iter().map(|moments| toml::Value::Float(of(moments))).collect::<Vec<_>>().into()
        };
        let mut field = toml::Table::new();
        field.insert("mean".into(), list(|moments| moments.mean));
        field.insert("spread".into(), list(crate::data::statistics::Moments::deviation));
        table.insert(name.clone(), field.into());
    }
    table
}
