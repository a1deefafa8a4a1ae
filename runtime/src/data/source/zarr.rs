//! A Zarr store, version 2 or 3, in a folder or on a server, as a table of variables with CF attributes.

use std::collections::BTreeMap;
use std::path::Path;
use std::sync::Arc;

use base64::Engine;
use base64::prelude::BASE64_STANDARD;
use jiff::Timestamp;
use ndarray::{ArrayD, IxDyn};
use serde_json::Value;
use zarrs::array::{Array, ArraySubset};

use super::cf::Cf;
use super::hierarchy::{Described, Hierarchy};
use super::storage::Storage;
use super::table::Table;
use super::values::{Trouble, chunks, opened, values};
use crate::data::files::{Files, Folder, Wanted};
use crate::data::netcdf::{Attribute, MOST_VALUES, Variable, instants};

/// Of a folder.
pub(super) fn open(path: &Path) -> Result<Cf<Zarr>, String> {
    served(&(Arc::new(Folder::new(path)) as Arc<dyn Files>))
}

/// Of any place.
pub(super) fn served(files: &Arc<dyn Files>) -> Result<Cf<Zarr>, String> {
    Cf::new(Zarr::open(files)?)
}

#[derive(Debug)]
pub(super) struct Zarr {
    storage: Arc<Storage>,
    three: bool,
    variables: Vec<Variable>,
    /// By name; what cannot be opened is an error when it is read.
    arrays: BTreeMap<String, Result<Array<Storage>, String>>,
}

impl Zarr {
    fn open(files: &Arc<dyn Files>) -> Result<Zarr, String> {
        let Hierarchy { three, arrays: described } = Hierarchy::of(files)?;
        let storage = Arc::new(Storage::new(Arc::clone(files), ""));
        let (mut variables, mut arrays) = (Vec::new(), BTreeMap::new());
        for (name, array) in described {
            let Some(variable) = describe(&name, &array) else { continue };
            variables.push(variable);
            arrays.insert(name.clone(), opened(&storage, &name, array.metadata));
        }
        Ok(Zarr { storage, three, variables, arrays })
    }

    /// Where all of an array begins and how far it reaches, or one entry of its first dimension.
    fn slice(&self, name: &str, index: Option<u64>) -> Result<(Vec<u64>, Vec<u64>), String> {
        let mut shape = self.variable(name).map(|variable| variable.shape.clone()).unwrap_or_default();
        let mut start = vec![0; shape.len()];
        match (index, shape.first_mut(), start.first_mut()) {
            (None, ..) => {}
            (Some(index), Some(size), Some(first)) if index < *size => (*size, *first) = (1, index),
            (Some(index), ..) => return Err(format!("`{name}` has no entry {}", index + 1)),
        }
        Ok((start, shape))
    }

    /// An array, and a part of it.
    fn of(&self, name: &str, start: &[u64], shape: &[u64]) -> Result<(&Array<Storage>, ArraySubset), String> {
        let array = self.arrays.get(name).ok_or_else(|| format!("there is no array `{name}`"))?;
        let array = array.as_ref().map_err(String::clone)?;
        let subset = ArraySubset::new_with_start_shape(start.to_vec(), shape.to_vec())
            .map_err(|error| error.to_string())?;
        Ok((array, subset))
    }

    /// The values of a part, unpacked, missing ones as NaN; its shape is the subset's.
    fn part(&self, name: &str, start: &[u64], shape: &[u64]) -> Result<ArrayD<f64>, String> {
        let variable = self.variable(name).ok_or_else(|| format!("there is no array `{name}`"))?;
        if shape.iter().copied().fold(1u64, u64::saturating_mul) > MOST_VALUES {
            return Err(format!("`{name}` has too many values"));
        }
        let (array, subset) = self.of(name, start, shape)?;
        let values = values(&self.storage, array, &subset, &variable.kind).map_err(Trouble::told)?;
        let number = |name: &str| variable.attributes.get(name).and_then(Attribute::number);
        // A mark that single precision cannot hold stands in the array as the nearest number that it can.
        let held = |mark: f64| if variable.kind == "float32" { f64::from(mark as f32) } else { mark };
        let absent: Vec<f64> =
            ["_FillValue", "missing_value"].iter().filter_map(|name| number(name)).map(held).collect();
        let (factor, offset) = (number("scale_factor").unwrap_or(1.0), number("add_offset").unwrap_or(0.0));
        let unpack = |value: f64| if absent.contains(&value) { f64::NAN } else { value * factor + offset };
        let shape: Vec<usize> = shape.iter().map(|size| *size as usize).collect();
        ArrayD::from_shape_vec(IxDyn(&shape), values.into_iter().map(unpack).collect())
            .map_err(|error| error.to_string())
    }
}

impl Table for Zarr {
    fn format(&self) -> String {
        if self.three { "Zarr v3".into() } else { "Zarr v2".into() }
    }

    fn variables(&self) -> &[Variable] {
        &self.variables
    }

    fn read(&self, name: &str) -> Result<ArrayD<f64>, String> {
        let (start, shape) = self.slice(name, None)?;
        self.part(name, &start, &shape)
    }

    fn read_at(&self, name: &str, index: u64) -> Result<ArrayD<f64>, String> {
        let (start, shape) = self.slice(name, Some(index))?;
        Ok(self.part(name, &start, &shape)?.index_axis_move(ndarray::Axis(0), 0))
    }

    fn stretches(&self, name: &str, index: Option<u64>) -> Result<Vec<Wanted>, String> {
        let (start, shape) = self.slice(name, index)?;
        let (array, subset) = self.of(name, &start, &shape)?;
        let mut wanted = Vec::new();
        for key in chunks(array, &subset)? {
            // A chunk that is not there is fill values.
            wanted.extend(self.storage.stretch(&key).map_err(|error| error.to_string())?);
        }
        Ok(wanted)
    }

    fn times(&self, name: &str) -> Result<Vec<Timestamp>, String> {
        let variable = self.variable(name).ok_or_else(|| format!("there is no array `{name}`"))?;
        let values: Vec<f64> = self.read(name)?.iter().copied().collect();
        instants(&values, variable)
    }
}

/// An array as a variable; nothing if its metadata are none.
pub(in crate::data) fn describe(name: &str, array: &Described) -> Option<Variable> {
    let Described { metadata, attributes } = array;
    let shape: Vec<u64> = metadata.get("shape")?.as_array()?.iter().filter_map(Value::as_u64).collect();
    let names = metadata.get("dimension_names").or_else(|| attributes.get("_ARRAY_DIMENSIONS"));
    let mut dimensions: Vec<String> = names
        .and_then(Value::as_array)
        .map(|names| names.iter().map(|name| name.as_str().unwrap_or_default().to_string()).collect())
        .unwrap_or_default();
    dimensions.resize(shape.len(), String::new());
    let kind = metadata.get("data_type").or_else(|| metadata.get("dtype")).and_then(Value::as_str);
    let kind = plain_kind(kind.unwrap_or_default());
    let mut known: BTreeMap<String, Attribute> = BTreeMap::new();
    for (name, value) in attributes {
        known.extend(attribute(value).map(|value| (name.clone(), value)));
    }
    let float = kind.starts_with("float");
    if float && let Some(fill) = known.get("_FillValue").and_then(in_base64) {
        known.insert("_FillValue".into(), fill);
    }
    // Version 2 has no missing values but its fill. Whole numbers that are packed have it there too; of others it may be
    // a zero that means zero.
    let packed = ["scale_factor", "add_offset"].iter().any(|name| known.contains_key(*name));
    if metadata.get("zarr_format").and_then(Value::as_u64) == Some(2)
        && let Some(fill) = metadata.get("fill_value").and_then(attribute)
        && (float || packed)
    {
        known.entry("_FillValue".into()).or_insert(fill);
    }
    let numeric = ["float", "int", "uint"].iter().any(|start| kind.starts_with(start));
    Some(Variable { name: name.to_string(), dimensions, shape, kind, numeric, attributes: known })
}

/// xarray writes the mark for missing of a float, in version 3, as the eight bytes of a double in base64.
fn in_base64(attribute: &Attribute) -> Option<Attribute> {
    let Attribute::Text(text) = attribute else { return None };
    let bytes = BASE64_STANDARD.decode(text.trim()).ok()?;
    let bytes: [u8; 8] = bytes.try_into().ok()?;
    Some(Attribute::Numbers(vec![f64::from_le_bytes(bytes)]))
}

fn attribute(value: &Value) -> Option<Attribute> {
    match value {
        Value::String(text) => Some(Attribute::Text(text.clone())),
        Value::Number(number) => Some(Attribute::Numbers(vec![number.as_f64()?])),
        Value::Array(list) => {
            let numbers: Option<Vec<f64>> = list.iter().map(Value::as_f64).collect();
            Some(Attribute::Numbers(numbers?))
        }
        _ => None,
    }
}

/// `<f4` of version 2 is `float32` of version 3.
pub(in crate::data) fn plain_kind(kind: &str) -> String {
    let short = kind.trim_start_matches(['<', '>', '|', '=']);
    match short {
        "f2" => "float16",
        "f4" => "float32",
        "f8" => "float64",
        "i1" => "int8",
        "i2" => "int16",
        "i4" => "int32",
        "i8" => "int64",
        "u1" => "uint8",
        "u2" => "uint16",
        "u4" => "uint32",
        "u8" => "uint64",
        other => other,
    }
    .to_string()
}
