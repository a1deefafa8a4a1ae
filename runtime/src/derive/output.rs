//! Results as a dataset of CF variables, written as NetCDF (classic, so that every reader has it) or Zarr version 3.

use std::collections::BTreeMap;
use std::path::Path;
use std::sync::Arc;

use aurora_compiler::plan::data::{DerivedPlan, LevelsPlan, SupportPlan};
use jiff::Timestamp;
use netcdf_writer::{NcAttrValue, NcFileBuilder, NcWriteOptions};
use serde_json::{Map, Value, json};
use zarrs::array::builder::ArrayBuilderFillValue;
use zarrs::array::codec::{BloscCodec, BloscCompressionLevel, BloscCompressor, BloscShuffleMode};
use zarrs::array::{ArrayBuilder, ArrayMetadataOptions, data_type};
use zarrs::filesystem::FilesystemStore;
use zarrs::group::{GroupBuilder, GroupMetadataOptions};

use super::DeriveError;
use super::compute::Computed;
use super::metadata::{long_name, standard_name, udunits};
use crate::data::netcdf::Attribute;
use crate::data::source::{Coordinates, Place};
use crate::durable;

/// Longest side of a chunk of a Zarr array, in points.
const TILE: usize = 256;

/// Variables with dimensions and attributes, in the order in which they are written.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Dataset {
    pub dimensions: Vec<(String, usize)>,
    pub variables: Vec<Variable>,
    pub attributes: BTreeMap<String, Attribute>,
}

#[derive(Clone, Debug, PartialEq)]
pub struct Variable {
    pub name: String,
    /// Names of dimensions of the dataset, slowest first.
    pub dimensions: Vec<String>,
    pub values: Values,
    pub attributes: BTreeMap<String, Attribute>,
}

#[derive(Clone, Debug, PartialEq)]
pub enum Values {
    Single(Vec<f32>),
    Double(Vec<f64>),
    Integer(Vec<i32>),
}

/// What a dataset is made of besides the values.
#[derive(Clone, Copy, Debug)]
pub struct About<'a> {
    pub place: &'a Place,
    pub derived: &'a [DerivedPlan],
    pub levels: &'a BTreeMap<String, LevelsPlan>,
    pub titles: &'a BTreeMap<String, String>,
    pub reference: Option<Timestamp>,
    pub title: &'a str,
    /// How it was made: the command, for `history`.
    pub source: &'a str,
}

impl Dataset {
    /// Puts results together.
    #[must_use]
    pub fn new(computed: &Computed, about: About<'_>) -> Dataset {
        let mut dataset = Dataset::default();
        let text = |text: &str| Attribute::Text(text.to_string());
        for (name, value) in [("Conventions", "CF-1.11"), ("title", about.title), ("source", about.source)] {
            dataset.attributes.insert(name.to_string(), text(value));
        }
        let (rows, columns) = dataset.place(about.place);
        dataset.clock(&computed.times, about.reference);
        let mapped = about.place.mapping.is_some();
        for field in about.derived {
            let Some(values) = computed.fields.get(&field.name) else { continue };
            let mut dimensions = Vec::new();
            let fixed = field.support == SupportPlan::Static || computed.times.is_empty();
            if !fixed {
                dimensions.push("time".to_string());
            }
            if let SupportPlan::Levels(set) = &field.support {
                let depth = values.first().map_or(0, |array| array.dim().0);
                dimensions.push(dataset.level(set, depth, about.levels.get(set)));
            }
            dimensions.extend([rows.clone(), columns.clone()]);
            let count = if fixed { 1 } else { values.len() };
            let flat: Vec<f32> = values.iter().take(count).flat_map(|array| array.iter().copied()).collect();
            let mut attributes = BTreeMap::from([
                ("units".to_string(), Attribute::Text(udunits(&field.units))),
                ("long_name".to_string(), Attribute::Text(long_name(field, about.titles.get(&field.name)))),
            ]);
            if let Some(name) = standard_name(field) {
                attributes.insert("standard_name".into(), text(name));
            }
            let curved = (rows == "y" && about.place.coordinates.is_some()).then_some("latitude longitude");
            let run = about.reference.map(|_| "reference_time");
            let others: Vec<&str> = curved.into_iter().chain(run).collect();
            if !others.is_empty() {
                attributes.insert("coordinates".into(), text(&others.join(" ")));
            }
            if mapped {
                attributes.insert("grid_mapping".into(), text("crs"));
            }
            let name = dataset.free_name(&field.name);
            dataset.variables.push(Variable { name, dimensions, values: Values::Single(flat), attributes });
        }
        dataset
    }

    /// A field that is called as a coordinate gets another name.
    fn free_name(&self, name: &str) -> String {
        let taken = |name: &str| self.variables.iter().any(|variable| variable.name == name);
        if taken(name) { format!("{name}_derived") } else { name.to_string() }
    }

    /// Coordinates of the points; gives the names of the dimensions of rows and columns.
    fn place(&mut self, place: &Place) -> (String, String) {
        let regular = matches!(place.coordinates, Some(Coordinates::Regular { .. }));
        let (rows, columns) = if regular { ("latitude", "longitude") } else { ("y", "x") };
        self.dimensions.push((rows.to_string(), place.height));
        self.dimensions.push((columns.to_string(), place.width));
        let both = || vec![rows.to_string(), columns.to_string()];
        let (latitude, longitude, over) = match &place.coordinates {
            Some(Coordinates::Regular { latitude, longitude }) => {
                (latitude.clone(), longitude.clone(), (vec![rows.to_string()], vec![columns.to_string()]))
            }
            Some(Coordinates::Curved { latitude, longitude }) => {
                (latitude.iter().copied().collect(), longitude.iter().copied().collect(), (both(), both()))
            }
            None => return (rows.to_string(), columns.to_string()),
        };
        self.coordinate(
            "latitude",
            over.0,
            latitude,
            &[("units", "degrees_north"), ("standard_name", "latitude")],
        );
        self.coordinate(
            "longitude",
            over.1,
            longitude,
            &[("units", "degrees_east"), ("standard_name", "longitude")],
        );
        if let Some(mapping) = &place.mapping {
            self.variables.push(Variable {
                name: "crs".into(),
                dimensions: Vec::new(),
                values: Values::Integer(vec![0]),
                attributes: mapping.attributes.clone(),
            });
            if let (Some((x, y)), false) = (&mapping.axes, regular) {
                for (name, values) in [("x", x), ("y", y)] {
                    let standard = format!("projection_{name}_coordinate");
                    let words = [
                        ("units", "m"),
                        ("standard_name", standard.as_str()),
                        ("axis", &name.to_uppercase()),
                    ];
                    self.coordinate(name, vec![name.to_string()], values.clone(), &words);
                }
            }
        }
        (rows.to_string(), columns.to_string())
    }

    fn clock(&mut self, times: &[Timestamp], reference: Option<Timestamp>) {
        let words = |standard| {
            [
                ("units", "seconds since 1970-01-01T00:00:00Z"),
                ("standard_name", standard),
                ("calendar", "proleptic_gregorian"),
            ]
        };
        if !times.is_empty() {
            let seconds = times.iter().map(|time| time.as_second() as f64).collect();
            self.dimensions.push(("time".into(), times.len()));
            self.coordinate("time", vec!["time".into()], seconds, &words("time"));
        }
        if let Some(reference) = reference {
            let seconds = vec![reference.as_second() as f64];
            self.coordinate("reference_time", Vec::new(), seconds, &words("forecast_reference_time"));
        }
    }

    /// The dimension of a set of levels, with its coordinate.
    fn level(&mut self, set: &str, depth: usize, plan: Option<&LevelsPlan>) -> String {
        let name = format!("level_{set}");
        if self.dimensions.iter().any(|(known, _)| *known == name) {
            return name;
        }
        self.dimensions.push((name.clone(), depth));
        let coordinate = plan.map_or("index", |plan| plan.coordinate.as_str());
        let values = match plan {
            Some(plan) if plan.values.len() == depth => plan.values.clone(),
            _ => (0..depth).map(|level| level as f64).collect(),
        };
        let words: &[(&str, &str)] = match coordinate {
            "pressure" => {
                &[("units", "Pa"), ("standard_name", "air_pressure"), ("positive", "down"), ("axis", "Z")]
            }
            "height" => &[("units", "m"), ("standard_name", "height"), ("positive", "up"), ("axis", "Z")],
            _ => &[("units", "1"), ("long_name", "number of the level"), ("positive", "up"), ("axis", "Z")],
        };
        self.coordinate(&name, vec![name.clone()], values, words);
        name
    }

    fn coordinate(&mut self, name: &str, dimensions: Vec<String>, values: Vec<f64>, words: &[(&str, &str)]) {
        let attributes = words
            .iter()
            .map(|(name, value)| ((*name).to_string(), Attribute::Text((*value).to_string())))
            .collect();
        let values = Values::Double(values);
        self.variables.push(Variable { name: name.to_string(), dimensions, values, attributes });
    }

    fn shape(&self, variable: &Variable) -> Vec<u64> {
        let size = |name: &String| {
            self.dimensions.iter().find(|(known, _)| known == name).map_or(0, |(_, size)| *size as u64)
        };
        variable.dimensions.iter().map(size).collect()
    }

    /// Writes it as NetCDF, whole or not at all: the classic format, with wider offsets where it is large.
    ///
    /// # Errors
    /// What cannot be written.
    pub fn write_netcdf(&self, path: &Path) -> Result<(), DeriveError> {
        let fail =
            |error: netcdf_writer::Error| DeriveError(format!("cannot write {}: {error}", path.display()));
        let mut file = NcFileBuilder::new();
        let mut ids = BTreeMap::new();
        for (name, size) in &self.dimensions {
            ids.insert(name.clone(), file.add_dimension(name, *size as u64).map_err(fail)?);
        }
        for (name, value) in &self.attributes {
            file.add_attribute(name, netcdf_value(value)).map_err(fail)?;
        }
        for variable in &self.variables {
            let over: Vec<_> = variable.dimensions.iter().filter_map(|name| ids.get(name).copied()).collect();
            let id = match &variable.values {
                Values::Single(_) => file.add_variable::<f32>(&variable.name, &over),
                Values::Double(_) => file.add_variable::<f64>(&variable.name, &over),
                Values::Integer(_) => file.add_variable::<i32>(&variable.name, &over),
            }
            .map_err(fail)?;
            if matches!(variable.values, Values::Single(_)) {
                file.set_variable_fill_value(id, f32::NAN).map_err(fail)?;
            }
            for (name, value) in &variable.attributes {
                file.add_variable_attribute(id, name, netcdf_value(value)).map_err(fail)?;
            }
            match &variable.values {
                Values::Single(values) => file.write_variable(id, values),
                Values::Double(values) => file.write_variable(id, values),
                Values::Integer(values) => file.write_variable(id, values),
            }
            .map_err(fail)?;
        }
        let (_, bytes) = file.to_vec(NcWriteOptions::default()).map_err(fail)?;
        durable::write(path, &bytes).map_err(|error| DeriveError(error.to_string()))
    }

    /// Writes it as a Zarr group of version 3, whole or not at all.
    ///
    /// # Errors
    /// What cannot be written.
    pub fn write_zarr(&self, path: &Path) -> Result<(), DeriveError> {
        durable::folder(path, |folder| self.fill_zarr(folder).map_err(std::io::Error::other))
            .map_err(|error| DeriveError(error.to_string()))
    }

    fn fill_zarr(&self, folder: &Path) -> Result<(), DeriveError> {
        let store = Arc::new(FilesystemStore::new(folder).map_err(|error| DeriveError(error.to_string()))?);
        let mut group = GroupBuilder::new();
        group.attributes(zarr_attributes(&self.attributes));
        let group = group.build(store.clone(), "/").map_err(|error| DeriveError(error.to_string()))?;
        let options = GroupMetadataOptions::default();
        group.store_metadata_opt(&options).map_err(|error| DeriveError(error.to_string()))?;
        for variable in &self.variables {
            self.zarr_array(&store, variable)
                .map_err(|reason| DeriveError(format!("`{}` cannot be written: {reason}", variable.name)))?;
        }
        Ok(())
    }

    fn zarr_array(&self, store: &Arc<FilesystemStore>, variable: &Variable) -> Result<(), String> {
        let shape = self.shape(variable);
        let last = shape.len().saturating_sub(2);
        // One time, all levels, a tile; coordinates in one piece.
        let data = matches!(variable.values, Values::Single(_));
        let timed = variable.dimensions.first().is_some_and(|name| name == "time");
        let chunk = |axis: usize, size: u64| match axis {
            _ if !data => size,
            0 if timed => 1,
            axis if axis >= last => size.min(TILE as u64),
            _ => size,
        };
        let chunks: Vec<u64> =
            shape.iter().enumerate().map(|(axis, size)| chunk(axis, (*size).max(1)).max(1)).collect();
        let (kind, fill): (_, ArrayBuilderFillValue) = match &variable.values {
            Values::Single(_) => (data_type::float32(), f32::NAN.into()),
            Values::Double(_) => (data_type::float64(), f64::NAN.into()),
            Values::Integer(_) => (data_type::int32(), 0_i32.into()),
        };
        let mut builder = ArrayBuilder::new(shape, chunks, kind, fill);
        let level = BloscCompressionLevel::try_from(4).map_err(|level| format!("no level {level}"))?;
        let size = if data { 4 } else { 8 };
        if !variable.dimensions.is_empty() {
            let blosc =
                BloscCodec::new(BloscCompressor::Zstd, level, None, BloscShuffleMode::Shuffle, Some(size));
            builder.bytes_to_bytes_codecs(vec![Arc::new(blosc.map_err(|error| error.to_string())?)]);
        }
        builder
            .dimension_names(Some(variable.dimensions.clone()))
            .attributes(zarr_attributes(&variable.attributes));
        let array = builder
            .build(store.clone(), &format!("/{}", variable.name))
            .map_err(|error| error.to_string())?;
        let options = ArrayMetadataOptions::default().with_include_zarrs_metadata(false);
        array.store_metadata_opt(&options).map_err(|error| error.to_string())?;
        let all = array.subset_all();
        match &variable.values {
            Values::Single(values) => array.store_array_subset(&all, values.clone()),
            Values::Double(values) => array.store_array_subset(&all, values.clone()),
            Values::Integer(values) => array.store_array_subset(&all, values.clone()),
        }
        .map_err(|error| error.to_string())
    }
}

fn netcdf_value(value: &Attribute) -> NcAttrValue {
    match value {
        Attribute::Text(text) => NcAttrValue::Chars(text.clone()),
        Attribute::Numbers(numbers) => NcAttrValue::Doubles(numbers.clone()),
    }
}

fn zarr_attributes(attributes: &BTreeMap<String, Attribute>) -> Map<String, Value> {
    let value = |value: &Attribute| match value {
        Attribute::Text(text) => json!(text),
        Attribute::Numbers(numbers) => match numbers[..] {
            [one] => json!(one),
            _ => json!(numbers),
        },
    };
    attributes.iter().map(|(name, held)| (name.clone(), value(held))).collect()
}
