//! The work of a preparation: a plan checked against an archive, then read, derived, counted and written shard by
//! shard. Times of a shard are computed in parallel; what is counted is merged in the order of time.

use std::collections::{BTreeMap, BTreeSet};
use std::path::Path;
use std::sync::Arc;

use aurora_compiler::plan::data::{DataPlan, FieldPlan, SupportPlan};
use jiff::Timestamp;
use ndarray::{Array3, ArrayView3};
use rayon::prelude::*;
use serde_json::json;
use zarrs::array::Array;
use zarrs::filesystem::FilesystemStore;
use zarrs::group::GroupBuilder;

use super::archive::{Archive, ArchiveField, DataError, Request};
use super::layout::{self, FORMAT, StoredField, stored_fields};
use super::of_grid;
use super::prepare::{Deriver, Inventory, Progress, selected_times, within};
use super::statistics::FieldStatistics;
use super::units::same_unit;

/// Longest shard in time steps, and the memory (bytes) that the fields of one shard may take while it is made.
const SHARD: usize = 24;
const SHARD_MEMORY: usize = 512 << 20;

/// Everything checked, ready to be written.
pub(super) struct Work<'a> {
    plan: &'a DataPlan,
    archive: &'a dyn Archive,
    derive: &'a dyn Deriver,
    fields: Vec<StoredField>,
    depths: Vec<usize>,
    /// For each read field: which of the archive's levels, in the plan's order.
    levels: Vec<Option<Vec<usize>>>,
    times: Vec<Timestamp>,
    absent: Vec<Timestamp>,
}

impl<'a> Work<'a> {
    /// Checks the plan against the archive.
    pub(super) fn new(
        plan: &'a DataPlan,
        archive: &'a dyn Archive,
        derive: &'a dyn Deriver,
    ) -> Result<Self, DataError> {
        let grid = archive.grid().plan;
        let (mine, theirs) = (&plan.grid, &grid);
        if (mine.width, mine.height, mine.spacing) != (theirs.width, theirs.height, theirs.spacing)
            || mine.projection != theirs.projection
        {
            return Err(DataError::Plan(format!(
                "the recipe's grid `{}` ({} by {} points, {} m apart, {:?}) is not the grid `{}` of the archive `{}` ({} by {} points, {} m apart, {:?})",
                mine.name,
                mine.width,
                mine.height,
                mine.spacing,
                mine.projection,
                theirs.name,
                archive.name(),
                theirs.width,
                theirs.height,
                theirs.spacing,
                theirs.projection,
            )));
        }
        if plan.every <= 0 {
            return Err(DataError::Plan(format!("`every {} s` is not a step forward in time", plan.every)));
        }
        let fields = stored_fields(plan);
        let depths = fields.iter().map(|field| layout::depth(plan, field)).collect::<Result<_, _>>()?;
        check_names(plan, &fields)?;
        let offered = archive.fields();
        let (levels, wrong): (Vec<_>, Vec<_>) = plan
            .fields
            .iter()
            .map(|field| select(plan, archive.name(), field, &offered))
            .partition(Result::is_ok);
        let wrong: Vec<String> =
            wrong.into_iter().filter_map(Result::err).map(|error| error.to_string()).collect();
        if !wrong.is_empty() {
            return Err(DataError::Plan(wrong.join("\n")));
        }
        let (times, absent): (Vec<_>, Vec<_>) =
            selected_times(plan).into_iter().partition(|time| archive.has(*time));
        if times.is_empty() {
            let range = archive.times();
            return Err(DataError::Plan(format!(
                "the archive `{}` has none of the {} times of the splits; it reaches from {} to {}",
                archive.name(),
                absent.len(),
                range.from,
                range.to
            )));
        }
        let levels = levels.into_iter().filter_map(Result::ok).collect();
        Ok(Self { plan, archive, derive, fields, depths, levels, times, absent })
    }

    /// Writes all arrays, then the group's metadata, which alone makes the directory a store.
    pub(super) fn write(
        &self,
        directory: &Path,
        digest: String,
        progress: &mut dyn FnMut(Progress),
    ) -> Result<Inventory, DataError> {
        let storage = Arc::new(FilesystemStore::new(directory).map_err(|error| DataError::Store {
            path: directory.to_path_buf(),
            reason: error.to_string(),
        })?);
        layout::write_coordinates(&storage, self.plan, &self.archive.grid(), &self.times)?;
        let shard = self.shard();
        let arrays: Vec<Array<FilesystemStore>> = self
            .fields
            .iter()
            .map(|field| layout::create_field(&storage, self.plan, field, self.times.len(), shard))
            .collect::<Result<_, _>>()?;
        let mut inventory = Inventory {
            digest,
            times: self.times.len(),
            absent: self.absent.clone(),
            fields: BTreeMap::new(),
            statistics: BTreeMap::new(),
            reused: false,
        };
        let statics = self.statics(&arrays, &mut inventory)?;
        for (number, times) in self.times.chunks(shard).enumerate() {
            let hours: Vec<Vec<Array3<f32>>> =
                times.par_iter().map(|time| self.at(*time, &statics)).collect::<Result<_, _>>()?;
            self.count(times, &hours, &mut inventory);
            arrays.par_iter().enumerate().try_for_each(|(index, array)| {
                if self.fields[index].support == SupportPlan::Static {
                    return Ok(());
                }
                store_shard(array, &self.fields[index].name, number, &hours, index)
            })?;
            progress(Progress {
                done: (number * shard + times.len()).min(self.times.len()),
                total: self.times.len(),
            });
        }
        self.finish(&storage, &inventory)?;
        Ok(inventory)
    }

    /// Times per shard: at most a day, fewer where a day of fields would not fit the memory set aside.
    fn shard(&self) -> usize {
        let per_time: usize =
            self.depths.iter().sum::<usize>() * self.plan.grid.width * self.plan.grid.height * 4;
        (SHARD_MEMORY / per_time.max(1)).clamp(1, SHARD).min(self.times.len())
    }

    /// Reads, derives and writes what does not change; the other fields' places stay empty.
    fn statics(
        &self,
        arrays: &[Array<FilesystemStore>],
        inventory: &mut Inventory,
    ) -> Result<Vec<Option<Array3<f32>>>, DataError> {
        let mut statics: Vec<Option<Array3<f32>>> = vec![None; self.fields.len()];
        let time = self.times[0];
        for (index, place) in statics.iter_mut().enumerate().take(self.plan.fields.len()) {
            if self.fields[index].support == SupportPlan::Static {
                *place = Some(self.read(index, time)?);
            }
        }
        self.derive(&mut statics, time, |support| *support == SupportPlan::Static)?;
        for (index, field) in statics.iter().enumerate() {
            let Some(field) = field else { continue };
            let hour = vec![field.clone()];
            tally(inventory, &self.fields[index], field);
            inventory.statistics.insert(self.fields[index].name.clone(), FieldStatistics::of(field.view()));
            store_shard(&arrays[index], &self.fields[index].name, 0, std::slice::from_ref(&hour), 0)?;
        }
        Ok(statics)
    }

    /// All fields at one time, static ones included.
    fn at(&self, time: Timestamp, statics: &[Option<Array3<f32>>]) -> Result<Vec<Array3<f32>>, DataError> {
        let mut values = statics.to_vec();
        for (index, place) in values.iter_mut().enumerate().take(self.plan.fields.len()) {
            if place.is_none() {
                *place = Some(self.read(index, time)?);
            }
        }
        self.derive(&mut values, time, |support| *support != SupportPlan::Static)?;
        Ok(values.into_iter().flatten().collect())
    }

    fn request(&self, index: usize) -> Request<'_> {
        let field = &self.plan.fields[index];
        Request { from: &field.from, cell: field.cell.as_deref(), levels: self.levels[index].as_deref() }
    }

    /// One field at one time as it is read, its levels selected.
    fn read(&self, index: usize, time: Timestamp) -> Result<Array3<f32>, DataError> {
        let field = &self.plan.fields[index];
        let of_grid =
            of_grid::units(&field.from).and_then(|_| of_grid::values(&field.from, &self.archive.grid()));
        let value = match of_grid {
            Some(values) => values,
            None => self.archive.fetch(&self.request(index), time)?,
        };
        self.whole(index, value, time)
    }

    /// Fills the places of the derived fields with these supports, all at once.
    fn derive(
        &self,
        values: &mut [Option<Array3<f32>>],
        time: Timestamp,
        chosen: impl Fn(&SupportPlan) -> bool,
    ) -> Result<(), DataError> {
        let wanted: Vec<_> = self.plan.derived.iter().filter(|plan| chosen(&plan.support)).collect();
        if wanted.is_empty() {
            return Ok(());
        }
        let there = self.fields.iter().zip(values.iter());
        let given: BTreeMap<String, ArrayView3<'_, f32>> =
            there.filter_map(|(field, value)| Some((field.name.clone(), value.as_ref()?.view()))).collect();
        for (place, plan) in wanted.iter().enumerate() {
            let there =
                |name: &String| given.contains_key(name) || wanted[..place].iter().any(|p| p.name == *name);
            if let Some(name) = plan.inputs.iter().find(|name| !there(name)) {
                let reason = format!("its input `{name}` is not computed before it");
                return Err(DataError::Derive { field: plan.name.clone(), reason });
            }
        }
        let mut done = self.derive.derive(&wanted, &given)?;
        for (index, field) in self.fields.iter().enumerate().skip(self.plan.fields.len()) {
            if let Some(value) = done.remove(&field.name) {
                values[index] = Some(self.whole(index, value, time)?);
            } else if chosen(&field.support) {
                let reason = "it was not computed".to_string();
                return Err(DataError::Derive { field: field.name.clone(), reason });
            }
        }
        Ok(())
    }

    /// The field, if it has the shape that the plan says.
    fn whole(&self, index: usize, value: Array3<f32>, time: Timestamp) -> Result<Array3<f32>, DataError> {
        let expected = (self.depths[index], self.plan.grid.height, self.plan.grid.width);
        if value.dim() != expected {
            return Err(DataError::Archive(format!(
                "`{}` at {time} has the shape {:?} instead of {expected:?}",
                self.fields[index].name,
                value.dim()
            )));
        }
        Ok(value)
    }

    /// Adds a shard to the counts and, where it lies in the training split, to the statistics; in order of time.
    fn count(&self, times: &[Timestamp], hours: &[Vec<Array3<f32>>], inventory: &mut Inventory) {
        for (index, field) in self.fields.iter().enumerate() {
            if field.support == SupportPlan::Static {
                continue;
            }
            let parts: Vec<FieldStatistics> =
                hours.par_iter().map(|hour| FieldStatistics::of(hour[index].view())).collect();
            let sum = inventory.statistics.entry(field.name.clone()).or_default();
            for (time, part) in times.iter().zip(&parts) {
                if within(&self.plan.train, *time) {
                    sum.merge(part);
                }
            }
            for hour in hours {
                tally(inventory, field, &hour[index]);
            }
        }
    }

    fn finish(&self, storage: &Arc<FilesystemStore>, inventory: &Inventory) -> Result<(), DataError> {
        let failed = |reason: String| {
            DataError::Archive(format!("the store's description cannot be written: {reason}"))
        };
        let mut group =
            GroupBuilder::new().build(Arc::clone(storage), "/").map_err(|error| failed(error.to_string()))?;
        let attributes = group.attributes_mut();
        attributes.insert("Conventions".into(), json!("CF-1.11"));
        attributes
            .insert("title".into(), json!(format!("Training store of the archive {}", self.plan.archive)));
        attributes.insert(
            "aurorac".into(),
            json!({"format": FORMAT, "whole": true, "archive": self.archive.identity(), "plan": self.plan,
                "inventory": inventory}),
        );
        group.store_metadata().map_err(|error| failed(error.to_string()))
    }
}

/// Two fields of one name, or a name the store itself uses.
fn check_names(plan: &DataPlan, fields: &[StoredField]) -> Result<(), DataError> {
    let mut names: BTreeSet<String> =
        ["time", "level", "latitude", "longitude", "x", "y"].map(String::from).into();
    names.extend(plan.levels.keys().map(|set| format!("level_{set}")));
    for field in fields {
        let plain = field.name.chars().all(|c| c.is_alphanumeric() || c == '_');
        if !plain || field.name.is_empty() || !names.insert(field.name.clone()) {
            return Err(DataError::Plan(format!(
                "a store cannot hold a field `{}`: the name is taken or no name",
                field.name
            )));
        }
    }
    Ok(())
}

/// Finds a field in the archive and the places of its levels there.
pub(super) fn select(
    plan: &DataPlan,
    archive: &str,
    field: &FieldPlan,
    offered: &[ArchiveField],
) -> Result<Option<Vec<usize>>, DataError> {
    if let Some(units) = of_grid::units(&field.from) {
        return match (&field.support, same_unit(&field.units, units)) {
            (SupportPlan::Static, true) => Ok(None),
            _ => Err(DataError::Plan(format!(
                "`{}` belongs to the grid: `{}` is static and in {units}",
                field.name, field.from
            ))),
        };
    }
    let Some(found) = offered.iter().find(|candidate| candidate.from == field.from) else {
        let names: Vec<String> = offered.iter().map(|field| format!("`{}`", field.from)).collect();
        return Err(DataError::UnknownField {
            archive: archive.into(),
            field: field.from.clone(),
            offered: names.join(", "),
        });
    };
    if !same_unit(&field.units, &found.units) {
        return Err(DataError::Plan(format!(
            "`{}` is kept in {}, but the archive `{archive}` has `{}` in {}",
            field.name, field.units, field.from, found.units
        )));
    }
    match (&field.support, &found.levels) {
        (SupportPlan::Levels(set), Some(levels)) => {
            let wanted = plan.levels.get(set).map(|set| set.values.as_slice()).unwrap_or_default();
            let places = wanted.iter().map(|value| {
                levels.iter().position(|level| (level - value).abs() <= 1e-6 * value.abs()).ok_or_else(|| {
                    let offered: Vec<String> = levels.iter().map(f64::to_string).collect();
                    DataError::UnknownLevel {
                        archive: archive.into(),
                        field: field.name.clone(),
                        wanted: *value,
                        offered: offered.join(", "),
                    }
                })
            });
            places.collect::<Result<_, _>>().map(Some)
        }
        (SupportPlan::Levels(set), None) => Err(DataError::Plan(format!(
            "`{}` is on the levels `{set}`, but `{}` of the archive `{archive}` has no levels",
            field.name, field.from
        ))),
        (_, Some(_)) => Err(DataError::Plan(format!(
            "`{}` has no levels, but `{}` of the archive `{archive}` has; write `on` a level set",
            field.name, field.from
        ))),
        (_, None) => Ok(None),
    }
}

fn tally(inventory: &mut Inventory, field: &StoredField, array: &Array3<f32>) {
    let counts = inventory.fields.entry(field.name.clone()).or_default();
    // A bound that f32 cannot hold is met by the nearest f32.
    let low = field.range.0.map_or(f32::NEG_INFINITY, |low| low as f32);
    let high = field.range.1.map_or(f32::INFINITY, |high| high as f32);
    for value in array {
        counts.values += 1;
        counts.missing += u64::from(!value.is_finite());
        counts.outside += u64::from(value.is_finite() && !(low..=high).contains(value));
    }
}

/// Writes one shard of one field; what the shard has beyond the times and the grid is missing.
fn store_shard(
    array: &Array<FilesystemStore>,
    name: &str,
    number: usize,
    hours: &[Vec<Array3<f32>>],
    index: usize,
) -> Result<(), DataError> {
    let failed =
        |reason: String| DataError::Archive(format!("the field `{name}` cannot be written: {reason}"));
    let mut chunk = vec![0; array.dimensionality()];
    if array.dimensionality() > 2 {
        chunk[0] = number as u64;
    }
    let shape = array.chunk_shape_usize(&chunk).map_err(|error| failed(error.to_string()))?;
    let (height, width) = (shape[shape.len() - 2], shape[shape.len() - 1]);
    let depth = hours.first().map_or(1, |hour| hour[index].dim().0);
    let mut values = vec![f32::NAN; shape.iter().product()];
    for (time, hour) in hours.iter().enumerate() {
        for (level, plane) in hour[index].outer_iter().enumerate() {
            for (row, line) in plane.outer_iter().enumerate() {
                let start = ((time * depth + level) * height + row) * width;
                for (cell, value) in values[start..start + line.len()].iter_mut().zip(line) {
                    *cell = *value;
                }
            }
        }
    }
    array.store_chunk(&chunk, values).map_err(|error| failed(error.to_string()))
}
