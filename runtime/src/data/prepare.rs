//! `data prepare`: from an archive and a data plan to a whole training store, or nothing.
//!
//! The store is built in a temporary directory beside its place (`.aurorac-building-…`, which a killed process leaves
//! behind and the next preparation removes) and renamed into it when every byte is on disk. A store of the same plan, archive
//! and kernels is left alone.

use std::collections::{BTreeMap, BTreeSet};
use std::path::Path;

use aurora_compiler::plan::data::{DataPlan, DerivedPlan, TimeRange};
use jiff::Timestamp;
use ndarray::{Array3, ArrayView3};
use serde::{Deserialize, Serialize};
use serde_json::json;

use super::archive::{Archive, DataError};
use super::layout::FORMAT;
use super::statistics::FieldStatistics;
use super::store::Store;
use super::work::Work;

/// Prefix of a directory in which a store is being built.
const BUILDING: &str = ".aurorac-building-";
/// The file in it that its process holds locked.
const HELD: &str = "held";

/// Computes derived fields; the compiler's kernels stand behind it.
pub trait Deriver: Sync {
    /// What distinguishes these kernels from others under the same names, for instance a digest of their text.
    fn identity(&self) -> String;

    /// These derived fields at one time, by name, (C, H, W) each, C = 1 without levels; `fields` holds what they are derived
    /// from, likewise, those among `derived` aside.
    ///
    /// # Errors
    /// A field that is missing or has another shape than its kernel expects.
    fn derive(
        &self,
        derived: &[&DerivedPlan],
        fields: &BTreeMap<String, ArrayView3<'_, f32>>,
    ) -> Result<BTreeMap<String, Array3<f32>>, DataError>;
}

/// For plans without derived fields; refuses any.
#[derive(Clone, Copy, Debug)]
pub struct NoDeriver;

impl Deriver for NoDeriver {
    fn identity(&self) -> String {
        "none".into()
    }

    fn derive(
        &self,
        derived: &[&DerivedPlan],
        _: &BTreeMap<String, ArrayView3<'_, f32>>,
    ) -> Result<BTreeMap<String, Array3<f32>>, DataError> {
        match derived.first() {
            None => Ok(BTreeMap::new()),
            Some(plan) => {
                Err(DataError::Derive { field: plan.name.clone(), reason: "no kernel computes it".into() })
            }
        }
    }
}

/// How far a preparation is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Progress {
    /// Times written, of `total`.
    pub done: usize,
    pub total: usize,
}

/// What a preparation found.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Inventory {
    /// Hex BLAKE3 of format, plan, archive and kernels.
    pub digest: String,
    /// Times written.
    pub times: usize,
    /// Times the splits ask for and the archive lacks.
    pub absent: Vec<Timestamp>,
    pub fields: BTreeMap<String, FieldInventory>,
    /// Over the training split.
    pub statistics: BTreeMap<String, FieldStatistics>,
    /// Whether a store that was already whole has been kept.
    #[serde(skip)]
    pub reused: bool,
}

/// Counts of one field's values, over all times.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct FieldInventory {
    pub values: u64,
    /// Finite but outside the field's range.
    pub outside: u64,
    /// Not finite.
    pub missing: u64,
}

/// Makes the store, or finds it made.
///
/// # Errors
/// A plan the archive cannot serve (all wrong fields and levels in one message), an archive that cannot be read, a
/// directory that cannot be written or that holds something else than a store.
pub fn prepare(
    plan: &DataPlan,
    archive: &dyn Archive,
    derive: &dyn Deriver,
    directory: &Path,
    progress: &mut dyn FnMut(Progress),
) -> Result<Inventory, DataError> {
    let digest = digest(plan, archive, derive);
    if let Ok(store) = Store::open(directory)
        && store.inventory().digest == digest
    {
        return Ok(Inventory { reused: true, ..store.inventory().clone() });
    }
    refuse_foreign(directory)?;
    let work = Work::new(plan, archive, derive)?;
    let parent = match directory.parent() {
        Some(parent) if !parent.as_os_str().is_empty() => parent,
        _ => Path::new("."),
    };
    let file = |what, path: &Path| {
        let path = path.to_path_buf();
        move |source| DataError::File { what, path, source }
    };
    std::fs::create_dir_all(parent).map_err(file("cannot create", parent))?;
    sweep(parent);
    let building = tempfile::Builder::new()
        .prefix(BUILDING)
        .tempdir_in(parent)
        .map_err(file("cannot create a directory in", parent))?;
    // Held as long as this process lives, by which others know that the directory is in use.
    let held = std::fs::File::create(building.path().join(HELD))
        .map_err(file("cannot write in", building.path()))?;
    let _ = held.try_lock();
    // One folder deeper, so that the store gets the rights of any new folder and not those of a temporary one.
    let whole = building.path().join("store");
    std::fs::create_dir(&whole).map_err(file("cannot create", &whole))?;
    let inventory = work.write(&whole, digest, progress)?;
    synchronise(&whole).map_err(file("cannot write", &whole))?;
    let old = building.path().join("old");
    let replaces = directory.exists();
    if replaces {
        std::fs::rename(directory, &old).map_err(file("cannot move away", directory))?;
    }
    if let Err(source) = std::fs::rename(&whole, directory) {
        if replaces {
            std::fs::rename(&old, directory).map_err(file("cannot put back", directory))?;
        }
        return Err(file("cannot put in place", directory)(source));
    }
    std::fs::File::open(parent).and_then(|parent| parent.sync_all()).map_err(file("cannot write", parent))?;
    Ok(inventory)
}

/// The times of all splits, each once, in order.
#[must_use]
pub fn selected_times(plan: &DataPlan) -> Vec<Timestamp> {
    let mut times = BTreeSet::new();
    for range in [Some(plan.train), plan.validate, plan.test].into_iter().flatten() {
        let mut second = range.from.as_second();
        while plan.every > 0 && second <= range.to.as_second() {
            times.extend(Timestamp::from_second(second));
            second += plan.every;
        }
    }
    times.into_iter().collect()
}

/// Whether a time lies in a split.
#[must_use]
pub fn within(range: &TimeRange, time: Timestamp) -> bool {
    range.from <= time && time <= range.to
}

/// What a store is of, in hexadecimal: format, plan, archive and kernels.
pub fn digest(plan: &DataPlan, archive: &dyn Archive, derive: &dyn Deriver) -> String {
    let text = json!([FORMAT, plan, archive.identity(), derive.identity()]).to_string();
    blake3::hash(text.as_bytes()).to_hex().to_string()
}

/// Removes what killed preparations have left in a directory of stores; what cannot be removed stays.
fn sweep(parent: &Path) {
    for entry in std::fs::read_dir(parent).into_iter().flatten().flatten() {
        let left = entry.file_name().to_string_lossy().starts_with(BUILDING);
        let free = || std::fs::File::open(entry.path().join(HELD)).is_ok_and(|held| held.try_lock().is_ok());
        if left && free() {
            let _ = std::fs::remove_dir_all(entry.path());
        }
    }
}

/// A directory with anything else than a store in it is not replaced.
fn refuse_foreign(directory: &Path) -> Result<(), DataError> {
    let Ok(mut entries) = std::fs::read_dir(directory) else { return Ok(()) };
    if entries.next().is_none() || Store::looks_like_one(directory) {
        return Ok(());
    }
    Err(DataError::Store {
        path: directory.to_path_buf(),
        reason: "it holds other files, which preparing would delete; choose an empty or a new directory"
            .into(),
    })
}

/// Makes sure every file below a directory is on disk.
fn synchronise(directory: &Path) -> std::io::Result<()> {
    for entry in std::fs::read_dir(directory)? {
        let entry = entry?;
        if entry.file_type()?.is_dir() {
            synchronise(&entry.path())?;
        } else {
            std::fs::File::open(entry.path())?.sync_all()?;
        }
    }
    std::fs::File::open(directory)?.sync_all()
}
