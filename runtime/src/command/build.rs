//! `aurorac build RECIPE`: writes the artefact and `aurora.lock`, and prints the artefact's folder.

use std::fs;
use std::io::ErrorKind;
use std::path::{Path, PathBuf};

use aurora_compiler::lock::{self, Drift, Lock, LockFile};

use super::RecipeArgument;
use crate::durable;
use crate::run::{Failure, Recipe};

#[derive(Clone, Debug, clap::Args)]
pub struct Arguments {
    #[command(flatten)]
    pub recipe: RecipeArgument,
    /// Refuse if anything differs from aurora.lock, and write nothing then
    #[arg(long)]
    pub locked: bool,
}

pub fn run(arguments: &Arguments) -> Result<(), Failure> {
    let recipe = Recipe::open_with_base_if_any(&arguments.recipe.recipe, arguments.recipe.format)?;
    let now = recipe.lock();
    if arguments.recipe.recipe.is_dir() {
        // An artefact holds its own lock, which was written once and for all.
        if arguments.locked {
            let path = arguments.recipe.recipe.join("lock");
            agree(&recipe, &artefact_lock(&path)?, &now, &path)?;
        }
    } else {
        let path = beside(&recipe.path);
        let mut file = read(&path)?;
        if arguments.locked {
            match file.as_ref().and_then(|file| file.recipes.get(&recipe.plan.name)) {
                Some(locked) => agree(&recipe, locked, &now, &path)?,
                None => return Err(Failure::because(nothing_locked(&recipe, &path))),
            }
        } else {
            let file = file.get_or_insert_default();
            file.update(&recipe.plan.name, &now);
            let artefact = recipe.build()?;
            write(&path, file)?;
            return super::print(&format!("{}\n", artefact.display()));
        }
    }
    let artefact = recipe.build()?;
    super::print(&format!("{}\n", artefact.display()))
}

/// `aurora.lock` in the recipe's folder.
pub fn beside(recipe: &Path) -> PathBuf {
    recipe.with_file_name(lock::FILE)
}

/// Reads a lock file; nothing if there is none.
///
/// # Errors
/// It cannot be read, is none, or is of a newer version.
pub fn read(path: &Path) -> Result<Option<LockFile>, Failure> {
    let text = match fs::read_to_string(path) {
        Err(error) if error.kind() == ErrorKind::NotFound => return Ok(None),
        read => {
            read.map_err(|error| Failure::because(format!("{} cannot be read: {error}", path.display())))?
        }
    };
    let file = LockFile::read(&text);
    file.map(Some).map_err(|reason| Failure::because(format!("{}: {reason}", path.display())))
}

/// Writes a lock file, unless it says the same already.
pub fn write(path: &Path, file: &LockFile) -> Result<(), Failure> {
    let text = file.text();
    if fs::read_to_string(path).is_ok_and(|old| old == text) {
        return Ok(());
    }
    Ok(durable::write(path, text.as_bytes())?)
}

fn artefact_lock(path: &Path) -> Result<Lock, Failure> {
    let text = fs::read_to_string(path)
        .map_err(|error| Failure::because(format!("{} cannot be read: {error}", path.display())))?;
    Lock::read(&text).map_err(|reason| Failure::because(format!("{}: {reason}", path.display())))
}

fn agree(recipe: &Recipe, locked: &Lock, now: &Lock, path: &Path) -> Result<(), Failure> {
    let drift = locked.drift(now);
    if drift.is_empty() {
        return Ok(());
    }
    Err(Failure::because(drifted(recipe, &drift, path)))
}

fn drifted(recipe: &Recipe, drift: &[Drift], path: &Path) -> String {
    let items: String = drift.iter().map(|item| format!("\n  {item}")).collect();
    format!(
        "`{}` is not what {} holds, and nothing was written:{items}\nif that is meant, run `aurorac build {}` without --locked",
        recipe.plan.name,
        path.display(),
        recipe.path.display()
    )
}

fn nothing_locked(recipe: &Recipe, path: &Path) -> String {
    format!(
        "{} holds nothing about `{}`; write it with `aurorac build {}`",
        path.display(),
        recipe.plan.name,
        recipe.path.display()
    )
}
