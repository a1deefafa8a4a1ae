//! How a training store lies on disk: one Zarr v3 group that xarray opens, one sharded array per field.
//!
//! An inner chunk is one time with all levels and a tile of the grid (353 by 257 points of HRRR's 1059 by 1799); a shard is
//! the file of a field over a stretch of consecutive times. Chunks are compressed (blosc, zstd, bytes shuffled) and carry
//! a checksum (crc32c).
//!
//! All that says how a store is laid out, coordinates included, follows from the plan and is written first, so that many
//! processes can fill one store without speaking to one another. Beside the arrays, in `.aurorac/`, lies what has been
//! written (`journal.rs`) and, once all of it has, the inventory.

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
use super::blosc;
use super::grid::Grid;
use super::journal::{Status, TimeRecord};
use super::shard::TileCodec;

/// Changes whenever what this module writes changes; part of a store's digest.
pub const FORMAT: &str = "aurorac training store 4";
/// Sides of an inner chunk in points: the longest, and what is aimed at where a side is longer than that.
const LONGEST: usize = 384;
const SIDE: usize = 256;

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

/// The fields that a store of this plan holds.
#[must_use]
pub fn stored_fields(plan: &DataPlan) -> Vec<StoredField> {
    let kept = plan.fields.iter().map(|field| field.kept).chain(plan.derived.iter().map(|field| field.kept));
    all_fields(plan).into_iter().zip(kept).filter(|(_, kept)| *kept).map(|(field, _)| field).collect()
}

/// The plan's fields in the order in which they are read and derived.
#[must_use]
pub fn all_fields(plan: &DataPlan) -> Vec<StoredField> {
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

/// Rows and columns of an inner chunk on a grid of so many.
#[must_use]
pub fn tile(rows: usize, columns: usize) -> (usize, usize) {
    (side(rows), side(columns))
}

/// The side of an inner chunk on a grid of so many points: the divisor nearest to 256, else parts of nearly one size.
fn side(size: usize) -> usize {
    if size <= LONGEST {
        return size.max(1);
    }
    let divisors = (SIDE * 3 / 4..=LONGEST).filter(|side| size.is_multiple_of(*side));
    let nearest = divisors.min_by_key(|side| side.abs_diff(SIDE));
    nearest.unwrap_or_else(|| size.div_ceil(size.div_ceil(SIDE)))
}

/// The name of a level set's dimension: `level` if the plan has only one, else `level_NAME`.
fn level_dimension(plan: &DataPlan, set: &str) -> String {
    if plan.levels.len() == 1 { "level".into() } else { format!("level_{set}") }
}

/// Creates the array of a field for `times` times in shards of `shard` times.
///
/// # Errors
/// Storage that cannot be written.
fn create_field(
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
        let tile = side(size);
        dimension(name, size, size.div_ceil(tile) * tile, tile);
    }
    let codec = TileCodec::new(depth, (height, width), tile(height, width));
    let mut builder = ArrayBuilder::new(shape, outer, data_type::float32(), f32::NAN);
    builder
        .subchunk_shape(inner)
        .bytes_to_bytes_codecs(vec![compression(field, codec.block())?, Arc::new(Crc32cCodec::new())])
        .dimension_names(Some(names))
        .attributes(attributes(field));
    finish(&builder, storage, &field.name)
}

/// Writes time, levels, latitude, longitude and the projection's x and y.
///
/// # Errors
/// Storage that cannot be written.
fn write_coordinates(
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
    let status = json!({"long_name": "what became of the time", "flag_values": [0, 1, 2, 3, 4],
        "flag_meanings": "pending present filled absent rejected"});
    create(storage, "status", &[times.len()], &["time"], data_type::int8(), 0_i8.into(), status)?;
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

/// How a store was laid out: what `zarr.json` says of it.
#[derive(Clone, Debug)]
pub struct Description {
    pub digest: String,
    /// The identity of the archive.
    pub archive: String,
    pub plan: DataPlan,
    /// Times in a stretch.
    pub shard: usize,
    /// All times, present or not.
    pub times: Vec<Timestamp>,
}

impl Description {
    /// How many stretches of times there are.
    #[must_use]
    pub fn stretches(&self) -> usize {
        self.times.len().div_ceil(self.shard.max(1))
    }

    /// The times of one of them.
    #[must_use]
    pub fn stretch(&self, number: usize) -> &[Timestamp] {
        let end = self.times.len();
        &self.times[(number * self.shard).min(end)..((number + 1) * self.shard).min(end)]
    }
}

/// Writes all that is known before any field is read into an empty folder: arrays without chunks, and coordinates.
///
/// # Errors
/// A folder that cannot be written.
pub fn create_store(directory: &Path, description: &Description, grid: &Grid) -> Result<(), DataError> {
    let failed =
        |reason: String| DataError::Archive(format!("the store's description cannot be written: {reason}"));
    let plan = &description.plan;
    let storage = Arc::new(FilesystemStore::new(directory).map_err(|error| failed(error.to_string()))?);
    write_coordinates(&storage, plan, grid, &description.times)?;
    for field in stored_fields(plan) {
        create_field(&storage, plan, &field, description.times.len(), description.shard)?;
    }
    let mut arrays = Map::new();
    let mut names: Vec<_> = std::fs::read_dir(directory)
        .and_then(Iterator::collect::<Result<Vec<_>, _>>)
        .map_err(|error| failed(error.to_string()))?
        .iter()
        .map(|entry| entry.file_name().to_string_lossy().into_owned())
        .collect();
    names.sort();
    for name in names {
        let text = std::fs::read(directory.join(&name).join("zarr.json"));
        let metadata: Option<Value> = text.ok().and_then(|text| serde_json::from_slice(&text).ok());
        arrays.extend(metadata.map(|metadata| (name, metadata)));
    }
    let group = json!({
        "zarr_format": 3,
        "node_type": "group",
        "attributes": {
            "Conventions": "CF-1.11",
            "title": format!("Training store of the archive {}", plan.archive),
            "aurorac": {"format": FORMAT, "digest": description.digest, "archive": description.archive,
                "shard": description.shard, "plan": plan},
        },
        // So that readers need not look into every folder.
        "consolidated_metadata": {"kind": "inline", "must_understand": false, "metadata": arrays},
    });
    let text = serde_json::to_vec_pretty(&group).map_err(|error| failed(error.to_string()))?;
    std::fs::write(directory.join("zarr.json"), text).map_err(|error| failed(error.to_string()))
}

/// What `zarr.json` says of a store.
///
/// # Errors
/// A folder that is no store of this format.
pub fn describe(directory: &Path) -> Result<Description, DataError> {
    let broken = |reason: String| DataError::Store { path: directory.to_path_buf(), reason };
    let path = directory.join("zarr.json");
    let text = std::fs::read(&path)
        .map_err(|error| broken(format!("its zarr.json cannot be read: {}", crate::talk::reason(&error))))?;
    let group: Value =
        serde_json::from_slice(&text).map_err(|error| broken(format!("zarr.json: {error}")))?;
    let described = &group["attributes"]["aurorac"];
    if described.is_null() {
        return Err(broken("it is no Zarr group that `aurorac data prepare` wrote".into()));
    }
    if described["format"] != FORMAT {
        return Err(broken(format!(
            "it is {}, this version reads {FORMAT}; prepare it again",
            described["format"]
        )));
    }
    let plan: DataPlan =
        serde_json::from_value(described["plan"].clone()).map_err(|error| broken(error.to_string()))?;
    let text = |name: &str| described[name].as_str().unwrap_or_default().to_string();
    let times = super::prepare::selected_times(&plan);
    let shard = described["shard"].as_u64().and_then(|shard| usize::try_from(shard).ok());
    let shard = shard.filter(|shard| (1..=times.len().max(1)).contains(shard));
    let shard = shard.ok_or_else(|| broken("it does not say how many times a file has".into()))?;
    Ok(Description { digest: text("digest"), archive: text("archive"), plan, shard, times })
}

/// Fills `status(time)`: what became of each time, as CF flags.
///
/// # Errors
/// Storage that cannot be written.
pub fn write_status(directory: &Path, times: &[TimeRecord]) -> Result<(), DataError> {
    let code = |time: &TimeRecord| match time.status {
        Status::Present => 1_i8,
        Status::Filled { .. } => 2,
        Status::Absent { .. } => 3,
        Status::Rejected => 4,
    };
    let storage = FilesystemStore::new(directory).map_err(|error| DataError::Archive(error.to_string()))?;
    let array = Array::open(Arc::new(storage), "/status")
        .map_err(|error| DataError::Archive(format!("the store's array `status`: {error}")))?;
    store_all(&array, "status", times.iter().map(code).collect())
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

/// How a tile is compressed in blocks of so many bytes, before its checksum is added; `blosc.rs` does it.
///
/// # Errors
/// A codec that cannot be made.
pub(super) fn compression(field: &StoredField, block: usize) -> Result<Arc<BloscCodec>, DataError> {
    let failed =
        |reason: String| DataError::Archive(format!("`{}` cannot be compressed: {reason}", field.name));
    let level =
        BloscCompressionLevel::try_from(blosc::LEVEL).map_err(|level| failed(format!("no level {level}")))?;
    BloscCodec::new(BloscCompressor::Zstd, level, Some(block), BloscShuffleMode::Shuffle, Some(4))
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
