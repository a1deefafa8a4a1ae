//! `aurorac data gc [RECIPE…] [--delete]`: stores that no recipe uses, and what was fetched for them.

use std::collections::{BTreeMap, BTreeSet};
use std::path::{Path, PathBuf};

use serde::Serialize;

use crate::data::layout::{describe, size_on_disk};
use crate::durable;
use crate::run::{Failure, Format, Recipe};
use crate::site::Site;
use crate::talk::say;

#[derive(Clone, Debug, clap::Args)]
pub struct Arguments {
    /// Recipes whose stores are kept; all .aurora files below this folder if none is named
    recipes: Vec<PathBuf>,
    /// Remove them; without it they are only listed
    #[arg(long)]
    delete: bool,
    /// How it is said
    #[arg(long, value_enum, default_value_t)]
    format: Format,
}

/// A store and what becomes of it.
#[derive(Debug, Serialize)]
struct Found {
    store: PathBuf,
    bytes: u64,
    archive: String,
    used: bool,
}

pub fn run(arguments: &Arguments) -> Result<(), Failure> {
    let recipes = match arguments.recipes.as_slice() {
        [] => below(Path::new("."))?,
        named => named.to_vec(),
    };
    let mut folders = BTreeSet::new();
    let mut used = BTreeSet::new();
    for path in &recipes {
        let Ok(recipe) = Recipe::open_for_data(path, Format::Short) else {
            // What a recipe that is wrong would use is not known, so nothing may go.
            return Err(Failure::because(format!(
                "{} does not compile, so the store it uses is not known; mend it or name the recipes to keep",
                path.display()
            )));
        };
        folders.insert(recipe.site.stores());
        match recipe.store_path() {
            Ok(store) => drop(used.insert(store)),
            Err(_) => say(&format!("{}: its archive is not here, so it uses no store here", path.display())),
        }
    }
    if folders.is_empty() {
        folders.insert(Site::find(None).map_err(Failure::because)?.stores());
    }
    let mut found = Vec::new();
    for folder in &folders {
        for entry in std::fs::read_dir(folder).into_iter().flatten().flatten() {
            let store = entry.path();
            // Only what this program has made is ever removed.
            let Ok(description) = describe(&store) else { continue };
            let bytes = size_on_disk(&store).unwrap_or(0);
            let archive = description.plan.archive;
            found.push(Found { used: used.contains(&store), store, bytes, archive });
        }
    }
    for store in folders.iter().flat_map(|folder| durable::leftovers(folder).unwrap_or_default()) {
        let bytes = size_on_disk(&store).unwrap_or(0);
        found.push(Found { store, bytes, archive: "not finished".into(), used: false });
    }
    found.sort_by(|a, b| a.store.cmp(&b.store));
    let unused: Vec<&Path> = found.iter().filter(|one| !one.used).map(|one| one.store.as_path()).collect();
    let freed = only_in(&unused);
    if arguments.delete {
        for store in unused {
            durable::remove(store)?;
        }
    }
    told(&found, freed, arguments)
}

fn told(found: &[Found], freed: u64, arguments: &Arguments) -> Result<(), Failure> {
    if arguments.format == Format::Json {
        return super::super::print(&format!("{}\n", serde_json::to_string_pretty(found)?));
    }
    let mut text = String::new();
    for one in found {
        let state = match (one.used, arguments.delete) {
            (true, _) => "used",
            (false, true) => "removed",
            (false, false) => "unused",
        };
        let size = indicatif::HumanBytes(one.bytes).to_string();
        text.push_str(&format!("{state:<8} {size:>12}  {}  ({})\n", one.store.display(), one.archive));
    }
    super::super::print(&text)?;
    if found.iter().any(|one| !one.used) && !arguments.delete {
        say(&format!("`--delete` removes what is unused, which frees {}", indicatif::HumanBytes(freed)));
    }
    Ok(())
}

/// Bytes that lie in these folders only: stores that have grown share files with those that they have grown from.
fn only_in(folders: &[&Path]) -> u64 {
    let mut files = BTreeMap::new();
    for folder in folders {
        // What cannot be listed is not counted.
        let _ = count(folder, &mut files);
    }
    files.into_values().filter(|(_, names, seen)| seen >= names).map(|(bytes, _, _)| bytes).sum()
}

/// By a file's number on its disk: its bytes, how many names it has, and how many of them have been seen.
type Files = BTreeMap<(u64, u64), (u64, u64, u64)>;

#[cfg(unix)]
fn count(folder: &Path, files: &mut Files) -> std::io::Result<()> {
    use std::os::unix::fs::MetadataExt;
    for entry in std::fs::read_dir(folder)? {
        let entry = entry?;
        let about = entry.metadata()?;
        if about.is_dir() {
            count(&entry.path(), files)?;
        } else {
            files.entry((about.dev(), about.ino())).or_insert((about.len(), about.nlink(), 0)).2 += 1;
        }
    }
    Ok(())
}

/// Without numbers of files each counts.
#[cfg(not(unix))]
fn count(folder: &Path, files: &mut Files) -> std::io::Result<()> {
    let bytes = size_on_disk(folder)?;
    files.insert((0, files.len() as u64), (bytes, 1, 1));
    Ok(())
}

/// The recipes below a folder, hidden folders and runs aside.
fn below(folder: &Path) -> Result<Vec<PathBuf>, Failure> {
    let mut recipes = Vec::new();
    for entry in std::fs::read_dir(folder)? {
        let path = entry?.path();
        let name = path.file_name().map(|name| name.to_string_lossy().into_owned()).unwrap_or_default();
        let skipped = name.starts_with('.') || matches!(name.as_str(), "build" | "runs" | "target" | "std");
        if path.is_dir() && !skipped {
            recipes.extend(below(&path)?);
        } else if path.extension().is_some_and(|ending| ending == "aurora") {
            let text = std::fs::read_to_string(&path).unwrap_or_default();
            // Libraries have no data of their own.
            if text.lines().any(|line| line.trim_start().starts_with("recipe ")) {
                recipes.push(path);
            }
        }
    }
    recipes.sort();
    Ok(recipes)
}
