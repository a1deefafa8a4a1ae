//! What a library derives of what there is: the names that it offers, which of them are given out unasked, and those that can be
//! made of the fields at hand.

use std::collections::{BTreeMap, BTreeSet};

use aurora_compiler::explain::library::{Entry, Library, library};
use aurora_compiler::kernel::ir::Module;
use aurora_compiler::plan::data::SupportPlan;
use aurora_compiler::plan::derivation::{Derivable, Derivation, Sifted, derivable, sift};
use aurora_grammar::nearest;

use super::DeriveError;
use super::compute::needed;
use super::over::Written;
use crate::site::Site;

/// What of a library can be made of the input.
#[derive(Debug)]
pub struct Made {
    pub plan: Derivation,
    pub module: Module,
    /// The parameters to be given out.
    pub outputs: BTreeSet<String>,
    /// Parameters of the library that cannot be made, and why.
    pub left_out: Vec<(String, String)>,
}

/// A library and all that can be asked of it.
#[derive(Clone, Debug)]
pub struct Shelf {
    pub name: String,
    /// What it derives itself, then what its parts derive, then what the other libraries derive that it uses: each
    /// with the name of the library that has it.
    pub offered: Vec<(String, Entry)>,
}

/// The library called `name`.
///
/// # Errors
/// There is none of that name.
pub fn named(name: &str) -> Result<Shelf, DeriveError> {
    let first = library(name).ok_or_else(|| {
        let all = aurora_compiler::explain::library::all();
        let names: Vec<&str> = all.iter().map(|(name, _)| name.as_str()).collect();
        // `severe` for `std.severe`.
        let part = || names.iter().copied().find(|known| known.ends_with(&format!(".{name}")));
        let hint = match nearest(name, names.iter().copied()).or_else(part) {
            Some(near) => format!("did you mean `{near}`?"),
            None => format!("there are {}; a recipe is named by its file", names.join(", ")),
        };
        DeriveError(format!("there is neither a recipe nor a library `{name}`; {hint}"))
    })?;
    let mut found: Vec<Library> = Vec::new();
    let mut seen: BTreeSet<String> = BTreeSet::from([first.name.clone()]);
    let mut next = vec![first];
    while let Some(library) = next.pop() {
        // The first that is used comes next.
        let uses = library.uses.iter().rev().filter(|name| seen.insert((*name).clone()));
        next.extend(uses.filter_map(|name| self::library(name)));
        found.push(library);
    }
    let is_part = |library: &Library| library.name == name || library.name.starts_with(&format!("{name}."));
    let (parts, others): (Vec<Library>, Vec<Library>) = found.into_iter().partition(is_part);
    let mut offered: Vec<(String, Entry)> = Vec::new();
    let mut names: BTreeSet<String> = BTreeSet::new();
    for library in parts.into_iter().chain(others) {
        let fresh = library.derived.into_iter().filter(|entry| names.insert(entry.name.clone()));
        offered.extend(fresh.map(|entry| (library.name.clone(), entry)));
    }
    Ok(Shelf { name: name.to_string(), offered })
}

/// Beginnings of the names of what parameters are worked out from: it is made if it is asked for, and not of itself.
const STEPS: [&str; 12] = [
    "turn_",
    "low_wind_",
    "shear",
    "inflow_found",
    "inflow_low",
    "inflow_high",
    "deep",
    "effective_top",
    "effective_mean_",
    "p_sfc",
    "p_top",
    "deviation",
];

/// Whether a derived field is given out without being asked for: one value for each column, and no mere step to another.
fn is_parameter(name: &str, entry: &Entry, library: &str) -> bool {
    let support = entry.support.as_deref().unwrap_or_default();
    let single = ["column", "surface", "static"].iter().any(|word| support.starts_with(word));
    let step = STEPS.iter().any(|step| entry.name.starts_with(step))
        || entry.name.starts_with("ml_")
        || entry.name.starts_with("mu_");
    // A library is asked for what it says itself, and for what the parts of it say: std.severe for std.severe.wind.
    let part = name == library || name.starts_with(&format!("{library}."));
    single && !step && part
}

/// The names that a command asks for, each one that the library derives; its parameters if none is asked for.
///
/// # Errors
/// A name that the library does not derive.
pub fn wanted(shelf: &Shelf, only: &[String]) -> Result<Vec<String>, DeriveError> {
    let names = || shelf.offered.iter().map(|(_, entry)| entry.name.as_str());
    if let Some(unknown) = only.iter().find(|name| !names().any(|known| known == **name)) {
        let hint = match nearest(unknown, names()) {
            Some(near) => format!("did you mean `{near}`?"),
            None => format!("it derives {}", names().collect::<Vec<_>>().join(", ")),
        };
        return Err(DeriveError(format!("{} derives nothing called `{unknown}`; {hint}", shelf.name)));
    }
    if !only.is_empty() {
        return Ok(only.to_vec());
    }
    let parameters = shelf.offered.iter().filter(|(name, entry)| is_parameter(name, entry, &shelf.name));
    Ok(parameters.map(|(_, entry)| entry.name.clone()).collect())
}

/// The parameters of a library that the input allows.
///
/// # Errors
/// One of `only` cannot be made, or nothing can.
pub fn make(shelf: &Shelf, only: &[String], written: &Written, have: &str) -> Result<Made, DeriveError> {
    let wanted = wanted(shelf, only)?;
    let mut left_out: Vec<(String, String)> = Vec::new();
    let mut kept: Vec<String> = wanted.clone();
    let mut derived = compile(shelf, &wanted, written);
    if let Some(why) = derived.complaint() {
        Sifted { kept, left_out } = sift(&wanted, why, &|names| compile(shelf, names, written).complaint());
        derived = compile(shelf, &kept, written);
    }
    if let Some((name, why)) = left_out.first().filter(|_| !only.is_empty()) {
        return Err(DeriveError(format!("`{name}` cannot be made: {why}")));
    }
    let (plan, module) = match (derived.result, kept.is_empty()) {
        (Some(result), false) => result,
        _ => {
            let why =
                left_out.first().map_or_else(|| "it derives nothing".to_string(), |(_, why)| why.clone());
            return Err(DeriveError(format!("nothing of {} can be made: {why}", shelf.name)));
        }
    };
    let mut outputs = BTreeSet::new();
    // Of what cannot be made that which lacks least.
    let mut closest: Option<(usize, String)> = None;
    for name in &kept {
        let Some(field) = plan.derived.iter().find(|field| field.name == *name) else { continue };
        // Whole columns are only given out if they are asked for.
        if only.is_empty() && matches!(field.support, SupportPlan::Levels(_)) {
            continue;
        }
        let lacks = lacking(&plan, name, written);
        let why = format!("needs {}, which the input lacks", listed(&lacks));
        match only {
            _ if lacks.is_empty() => drop(outputs.insert(name.clone())),
            [] => {
                if closest.as_ref().is_none_or(|(least, _)| lacks.len() < *least) {
                    closest = Some((lacks.len(), format!("`{name}` {why}")));
                }
                left_out.push((name.clone(), why));
            }
            _ => return Err(DeriveError(format!("`{name}` {why}; it has {have}"))),
        }
    }
    if outputs.is_empty() {
        let first = || left_out.first().map(|(name, why)| format!("`{name}`: {why}"));
        let why = closest.map(|(_, why)| why).or_else(first);
        let why = why.unwrap_or_else(|| "what it derives are constants".into());
        return Err(DeriveError(format!(
            "nothing of {} can be made: {why}; the input has {have}",
            shelf.name
        )));
    }
    Ok(Made { plan, module, outputs, left_out })
}

fn compile(shelf: &Shelf, names: &[String], written: &Written) -> Derivable {
    let mut text = format!("{}\n", written.text);
    let mut used: BTreeMap<&str, Vec<&str>> = BTreeMap::from([(shelf.name.as_str(), Vec::new())]);
    for name in names {
        if let Some((holder, _)) = shelf.offered.iter().find(|(_, entry)| entry.name == *name) {
            used.entry(holder).or_default().push(name);
        }
    }
    for (holder, names) in used.into_iter().filter(|(_, names)| !names.is_empty()) {
        text.push_str(&format!("use {holder} ({})\n", names.join(", ")));
    }
    derivable(&format!("{} over the input", shelf.name), &text, &Site::default(), names)
}

/// What a parameter needs that is not there: ``the pressure at the ground (`sp`)``.
fn lacking(plan: &Derivation, name: &str, written: &Written) -> Vec<String> {
    let fields = needed(plan, &BTreeSet::from([name.to_string()]));
    let reads: BTreeSet<&str> =
        fields.iter().flat_map(|field| field.inputs.iter().map(String::as_str)).collect();
    plan.fields
        .iter()
        .filter(|field| reads.contains(field.name.as_str()) && !written.bound.contains_key(&field.name))
        .map(|field| {
            let what = written.absent.get(&field.name).copied().unwrap_or("a field");
            format!("{what} (`{}`)", field.name)
        })
        .collect()
}

/// `a, b and c`
fn listed(words: &[String]) -> String {
    match words {
        [before @ .., last] if !before.is_empty() => format!("{} and {last}", before.join(", ")),
        _ => words.concat(),
    }
}
