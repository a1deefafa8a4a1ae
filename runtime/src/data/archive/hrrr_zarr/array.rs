//! One layer of a field out of an array, and the coordinates beside it.

use std::sync::Arc;

use ndarray::{ArrayViewMut2, Zip};
use zarrs::array::ArraySubset;
use zarrs::storage::StoreKey;

use super::contents::Contents;
use crate::data::files::{Files, Wanted};
use crate::data::netcdf::{MOST_VALUES, instants};
use crate::data::source::hierarchy::Described;
use crate::data::source::storage::Storage;
use crate::data::source::values::{Trouble, chunks, opened, values};
use crate::data::source::zarr::{describe, plain_kind};

/// An array of a hierarchy, and the part of it that is one hour.
pub struct Layer {
    storage: Arc<Storage>,
    array: zarrs::array::Array<Storage>,
    kind: String,
    subset: ArraySubset,
    keys: Vec<StoreKey>,
}

impl Layer {
    /// The hour `lead` of the array `path`, which lies on a grid of (rows, columns).
    ///
    /// # Errors
    /// What the array is that it should not be.
    pub fn open(
        files: &Arc<dyn Files>,
        contents: &Contents,
        path: &str,
        described: Described,
        lead: u8,
        (height, width): (usize, usize),
    ) -> Result<Layer, String> {
        let storage = Arc::new(Storage::new(Arc::clone(files), &contents.path));
        let kind = kind(&described);
        let array = opened(&storage, path, described.metadata)?;
        let (rows, columns) = (height as u64, width as u64);
        let start = match *array.shape() {
            [up, across] if (up, across) == (rows, columns) && lead == 0 => vec![0, 0],
            [hours, up, across] if (up, across) == (rows, columns) => {
                let hour = u64::from(lead.max(1)) - 1;
                if hour >= hours {
                    return Err(format!("the array has {hours} hours only"));
                }
                vec![hour, 0, 0]
            }
            ref shape => {
                return Err(format!(
                    "the array has the shape {shape:?}, where {height} rows and {width} columns are wanted"
                ));
            }
        };
        let shape = if start.len() == 2 { vec![rows, columns] } else { vec![1, rows, columns] };
        let subset = ArraySubset::new_with_start_shape(start, shape).map_err(|error| error.to_string())?;
        let keys = chunks(&array, &subset)?;
        storage.list(path, &keys);
        Ok(Layer { storage, array, kind, subset, keys })
    }

    /// The files that hold it; none of a chunk that was never written.
    ///
    /// # Errors
    /// The place cannot be asked.
    pub fn stretches(&self) -> Result<Vec<Wanted>, String> {
        let mut wanted = Vec::new();
        for key in &self.keys {
            wanted.extend(self.storage.stretch(key).map_err(|error| error.to_string())?);
        }
        Ok(wanted)
    }

    /// Whether any of its chunks is there: what has been named but never written would be fill values everywhere.
    ///
    /// # Errors
    /// The place cannot be asked.
    pub fn written(&self) -> Result<bool, String> {
        for key in &self.keys {
            if self.storage.stretch(key).map_err(|error| error.to_string())?.is_some() {
                return Ok(true);
            }
        }
        Ok(false)
    }

    /// The values, whose first row is the southernmost, into a plane whose first is the northernmost.
    pub fn read(&self, mut plane: ArrayViewMut2<'_, f32>) -> Result<(), Trouble> {
        let values = values(&self.storage, &self.array, &self.subset, &self.kind)?;
        if values.iter().any(|value| value.is_infinite()) {
            let reason = format!("it has infinities: values that {} does not hold", self.kind);
            return Err(Trouble::Damaged { files: Vec::new(), reason });
        }
        let width = plane.ncols();
        for (mut row, values) in plane.rows_mut().into_iter().rev().zip(values.chunks(width)) {
            Zip::from(&mut row).and(values).for_each(|held, value| *held = *value as f32);
        }
        Ok(())
    }
}

fn kind(described: &Described) -> String {
    let kind = described.metadata.get("dtype").and_then(serde_json::Value::as_str);
    plain_kind(kind.unwrap_or_default())
}

/// All values of a coordinate beside an array; nothing if it is not there.
pub fn coordinate(
    files: &Arc<dyn Files>,
    contents: &Contents,
    path: &str,
) -> Result<Option<Vec<f64>>, String> {
    let Some(described) = contents.described(files, path)? else { return Ok(None) };
    let storage = Arc::new(Storage::new(Arc::clone(files), &contents.path));
    let kind = kind(&described);
    let array = opened(&storage, path, described.metadata)?;
    if array.shape().iter().copied().fold(1, u64::saturating_mul) > MOST_VALUES {
        return Err(format!("`{path}` has too many values"));
    }
    let all = ArraySubset::new_with_shape(array.shape().to_vec());
    values(&storage, &array, &all, &kind).map(Some).map_err(Trouble::told)
}

/// The run that a coordinate names; nothing if it is not there or of no form that is known.
pub fn run(
    files: &Arc<dyn Files>,
    contents: &Contents,
    path: &str,
) -> Result<Option<jiff::Timestamp>, String> {
    let Some(described) = contents.described(files, path)? else { return Ok(None) };
    let Some(variable) = describe(path, &described).filter(|variable| variable.numeric) else {
        return Ok(None);
    };
    let Some(values) = coordinate(files, contents, path)? else { return Ok(None) };
    Ok(instants(&values, &variable).ok().and_then(|instants| instants.first().copied()))
}
