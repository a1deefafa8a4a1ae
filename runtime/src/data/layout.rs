//! How a training store lies on disk: one Zarr v3 group that xarray opens, one sharded array per field.
//!
//! An inner chunk is one time with all levels and a tile of the grid of at most 256 by 256 points; a shard holds
//! consecutive times. Chunks are compressed (blosc, zstd, bytes shuffled) and carry a checksum (crc32c).

use std::path::Path;
use std::sync::Arc;

use aurora_compiler::plan::data::{DataPlan, SupportPlan};
use jiff::Timestamp;
use serde_json::{Map, Value, json};
use zarrs::array::CodecOptions;
use zarrs::array::builder::ArrayBuilderFillValue;
use zarrs::array::codec::{
    BloscCodec, BloscCompressionLevel, BloscCompressor, BloscShuffleMode, Crc32cCodec,
};
use zarrs::array::{Array, ArrayBuilder, ArrayMetadataOptions, DataType, data_type};
use zarrs::filesystem::FilesystemStore;

use super::archive::DataError;
use super::grid::Grid;

/// Changes whenever what this module writes changes; part of a store's digest.
pub const FORMAT: &str = "aurorac training store 1";
/// Longest side of an inner chunk, in points.
const TILE: usize = 256;

/// One field of the store, read or derived.
#[derive(Clone, Debug, PartialEq)]
pub struct StoredField {
    pub name: String,
    pub quantity: String,
    pub units: String,
    pub support: SupportPlan,
    pub cell: Option<String>,
    pub range: (Option<f64>, Option<f64>),
}

/// The plan's fields in the order in which they are read and derived.
#[must_use]
pub fn stored_fields(plan: &DataPlan) -> Vec<StoredField> {
    let read = plan.fields.iter().map(|field| StoredField {
        name: field.name.clone(),
        quantity: field.quantity.clone(),
        units: field.units.clone(),
        support: field.support.clone(),
        cell: field.cell.clone(),
        range: field.range,
    });
    let derived = plan.derived.iter().map(|field| StoredField {
        name: field.name.clone(),
        quantity: field.quantity.clone(),
        units: field.units.clone(),
        support: field.support.clone(),
        cell: None,
        range: field.range,
    });
    read.chain(derived).collect()
}

/// Number of levels of a field: 1 without a level set.
///
/// # Errors
/// A level set the plan does not define, or one without levels.
pub fn depth(plan: &DataPlan, field: &StoredField) -> Result<usize, DataError> {
    match &field.support {
        SupportPlan::Levels(set) => match plan.levels.get(set) {
            Some(levels) if !levels.values.is_empty() => Ok(levels.values.len()),
            Some(_) => {
                Err(DataError::Plan(format!("the level set `{set}` of `{}` has no levels", field.name)))
            }
            None => Err(DataError::Plan(format!(
                "`{}` is on the level set `{set}`, which the plan lacks",
                field.name
            ))),
        },
        _ => Ok(1),
    }
}

/// The name of a level set's dimension: `level` if the plan has only one, else `level_NAME`.
fn level_dimension(plan: &DataPlan, set: &str) -> String {
    if plan.levels.len() == 1 { "level".into() } else { format!("level_{set}") }
}

/// Creates the array of a field for `times` times in shards of `shard` times.
///
/// # Errors
/// Storage that cannot be written.
pub fn create_field(
    storage: &Arc<FilesystemStore>,
    plan: &DataPlan,
    field: &StoredField,
    times: usize,
    shard: usize,
) -> Result<Array<FilesystemStore>, DataError> {
    let depth = depth(plan, field)?;
    let (height, width) = (plan.grid.height, plan.grid.width);
    let (mut shape, mut outer, mut inner, mut names) = (Vec::new(), Vec::new(), Vec::new(), Vec::new());
    let mut dimension = |name: &str, size: usize, shard: usize, chunk: usize| {
        names.push(name.to_owned());
        shape.push(size as u64);
        outer.push(shard as u64);
        inner.push(chunk as u64);
    };
    if field.support != SupportPlan::Static {
        dimension("time", times, shard, 1);
    }
    if let SupportPlan::Levels(set) = &field.support {
        dimension(&level_dimension(plan, set), depth, depth, depth);
    }
    for (name, size) in [("y", height), ("x", width)] {
        // A shard is a whole number of tiles.
        let tile = size.min(TILE);
        dimension(name, size, size.div_ceil(tile) * tile, tile);
    }
    let mut builder = ArrayBuilder::new(shape, outer, data_type::float32(), f32::NAN);
    builder
        .subchunk_shape(inner)
        .bytes_to_bytes_codecs(vec![compression(field, 4)?, Arc::new(Crc32cCodec::new())])
        .dimension_names(Some(names))
        .attributes(attributes(field));
    finish(&builder, storage, &field.name)
}

/// Writes time, levels, latitude, longitude and the projection's x and y.
///
/// # Errors
/// Storage that cannot be written.
pub fn write_coordinates(
    storage: &Arc<FilesystemStore>,
    plan: &DataPlan,
    grid: &Grid,
    times: &[Timestamp],
) -> Result<(), DataError> {
    let seconds: Vec<i64> = times.iter().map(|time| time.as_second()).collect();
    let time = json!({"standard_name": "time", "long_name": "time", "axis": "T", "calendar": "proleptic_gregorian",
        "units": "seconds since 1970-01-01T00:00:00Z"});
    let array = create(storage, "time", &[times.len()], &["time"], data_type::int64(), 0_i64.into(), time)?;
    store_all(&array, "time", seconds)?;
    for (set, levels) in &plan.levels {
        let (units, name) = match levels.coordinate.as_str() {
            "pressure" => ("Pa", Some("air_pressure")),
            "height" => ("m", Some("height")),
            _ => ("1", None),
        };
        let mut level =
            json!({"units": units, "long_name": format!("{} of `{set}`", levels.coordinate), "axis": "Z"});
        if let Some(name) = name {
            level["standard_name"] = json!(name);
            level["positive"] = json!(if name == "height" { "up" } else { "down" });
        }
        let dimension = level_dimension(plan, set);
        let array = create(
            storage,
            &dimension,
            &[levels.values.len()],
            &[dimension.as_str()],
            data_type::float64(),
            f64::NAN.into(),
            level,
        )?;
        store_all(&array, &dimension, levels.values.clone())?;
    }
    let shape = [plan.grid.height, plan.grid.width];
    for (name, units, values) in
        [("latitude", "degrees_north", &grid.latitude), ("longitude", "degrees_east", &grid.longitude)]
    {
        let described = json!({"standard_name": name, "long_name": name, "units": units});
        let array =
            create(storage, name, &shape, &["y", "x"], data_type::float32(), f32::NAN.into(), described)?;
        store_all(&array, name, values.iter().map(|degrees| *degrees as f32).collect::<Vec<f32>>())?;
    }
    let axes: [(&str, Vec<f64>); 2] = [
        ("x", (0..plan.grid.width).map(|column| grid.position(0, column).0).collect()),
        ("y", (0..plan.grid.height).map(|row| grid.position(row, 0).1).collect()),
    ];
    for (name, values) in axes {
        let described = json!({"standard_name": format!("projection_{name}_coordinate"), "units": "m",
            "axis": name.to_uppercase(), "long_name": format!("{name} of the projection")});
        let array = create(
            storage,
            name,
            &[values.len()],
            &[name],
            data_type::float64(),
            f64::NAN.into(),
            described,
        )?;
        store_all(&array, name, values)?;
    }
    Ok(())
}

/// An array of one chunk.
fn create(
    storage: &Arc<FilesystemStore>,
    name: &str,
    shape: &[usize],
    dimensions: &[&str],
    kind: DataType,
    fill: ArrayBuilderFillValue,
    described: Value,
) -> Result<Array<FilesystemStore>, DataError> {
    let shape: Vec<u64> = shape.iter().map(|size| *size as u64).collect();
    let mut builder = ArrayBuilder::new(shape.clone(), shape, kind, fill);
    let attributes = described.as_object().cloned().unwrap_or_default();
    builder
        .bytes_to_bytes_codecs(vec![Arc::new(Crc32cCodec::new())])
        .dimension_names(Some(dimensions.iter().map(|name| (*name).to_owned())))
        .attributes(attributes);
    finish(&builder, storage, name)
}

fn finish(
    builder: &ArrayBuilder,
    storage: &Arc<FilesystemStore>,
    name: &str,
) -> Result<Array<FilesystemStore>, DataError> {
    let failed = |reason: String| {
        DataError::Archive(format!("the store's array `{name}` cannot be written: {reason}"))
    };
    // Written even where all is missing, so that a chunk that is not there is always an error.
    let options = CodecOptions::default().with_store_empty_chunks(true);
    let array = builder
        .build(Arc::clone(storage), &format!("/{name}"))
        .map_err(|error| failed(error.to_string()))?
        .with_codec_options(options);
    let metadata = ArrayMetadataOptions::default().with_include_zarrs_metadata(false);
    array.store_metadata_opt(&metadata).map_err(|error| failed(error.to_string()))?;
    Ok(array)
}

fn store_all<T: zarrs::array::Element>(
    array: &Array<FilesystemStore>,
    name: &str,
    values: Vec<T>,
) -> Result<(), DataError> {
    let origin = vec![0; array.dimensionality()];
    array
        .store_chunk(&origin, values)
        .map_err(|error| DataError::Archive(format!("the store's array `{name}` cannot be written: {error}")))
}

fn compression(field: &StoredField, size: usize) -> Result<Arc<BloscCodec>, DataError> {
    let failed =
        |reason: String| DataError::Archive(format!("`{}` cannot be compressed: {reason}", field.name));
    let level = BloscCompressionLevel::try_from(4).map_err(|level| failed(format!("no level {level}")))?;
    BloscCodec::new(BloscCompressor::Zstd, level, None, BloscShuffleMode::Shuffle, Some(size))
        .map(Arc::new)
        .map_err(|error| failed(error.to_string()))
}

/// CF attributes of a field.
fn attributes(field: &StoredField) -> Map<String, Value> {
    let mut map = Map::new();
    map.insert("units".into(), json!(field.units));
    map.insert("long_name".into(), json!(field.quantity.replace('_', " ")));
    if let Some(name) = standard_name(field) {
        map.insert("standard_name".into(), json!(name));
    }
    if let Some(cell) = &field.cell {
        map.insert("comment".into(), json!(format!("time cell: {cell}")));
    }
    if let Some(low) = field.range.0 {
        map.insert("valid_min".into(), json!(low));
    }
    if let Some(high) = field.range.1 {
        map.insert("valid_max".into(), json!(high));
    }
    map.insert("coordinates".into(), json!("latitude longitude"));
    map
}

/// The CF standard name of a quantity, where there is one.
fn standard_name(field: &StoredField) -> Option<&'static str> {
    Some(match (field.quantity.as_str(), &field.support) {
        ("temperature", _) => "air_temperature",
        ("eastward_wind", _) => "eastward_wind",
        ("northward_wind", _) => "northward_wind",
        ("specific_humidity", _) => "specific_humidity",
        ("geopotential", _) => "geopotential",
        ("height", SupportPlan::Levels(_)) => "geopotential_height",
        ("height", SupportPlan::Static) => "surface_altitude",
        ("pressure", _) => "air_pressure",
        ("vertical_wind", _) => "upward_air_velocity",
        ("reflectivity", _) => "equivalent_reflectivity_factor",
        _ => return None,
    })
}

/// Size of everything below a directory in bytes.
///
/// # Errors
/// A directory that cannot be listed.
pub fn size_on_disk(directory: &Path) -> std::io::Result<u64> {
    let mut sum = 0;
    for entry in std::fs::read_dir(directory)? {
        let entry = entry?;
        let kind = entry.file_type()?;
        sum += if kind.is_dir() { size_on_disk(&entry.path())? } else { entry.metadata()?.len() };
    }
    Ok(sum)
}
