//! A file of named variables with dimensions, before anybody knows what they are; and when its times are.

use std::collections::BTreeMap;
use std::sync::Arc;

use jiff::Timestamp;
use ndarray::ArrayD;

use crate::data::files::Wanted;
use crate::data::netcdf::{NetCdf, Variable};

/// A file of variables.
pub(super) trait Table: std::fmt::Debug + Send + Sync {
    fn format(&self) -> String;

    fn variables(&self) -> &[Variable];

    /// All values, unpacked, missing ones as NaN.
    fn read(&self, name: &str) -> Result<ArrayD<f64>, String>;

    /// The values at one index of the first dimension, which is dropped.
    fn read_at(&self, name: &str, index: u64) -> Result<ArrayD<f64>, String>;

    /// The bytes that reading all of a variable, or one index of it, needs; none where they are read where they lie.
    fn stretches(&self, _name: &str, _index: Option<u64>) -> Result<Vec<Wanted>, String> {
        Ok(Vec::new())
    }

    /// The instants of a coordinate of time.
    fn times(&self, name: &str) -> Result<Vec<Timestamp>, String>;

    fn variable(&self, name: &str) -> Option<&Variable> {
        self.variables().iter().find(|variable| variable.name == name)
    }
}

#[derive(Debug)]
pub(super) struct Netcdf(pub NetCdf);

impl Table for Netcdf {
    fn format(&self) -> String {
        self.0.format().to_string()
    }

    fn variables(&self) -> &[Variable] {
        &self.0.variables
    }

    fn read(&self, name: &str) -> Result<ArrayD<f64>, String> {
        self.0.read(name).map_err(|error| error.problem)
    }

    fn read_at(&self, name: &str, index: u64) -> Result<ArrayD<f64>, String> {
        self.0.read_at(name, index).map_err(|error| error.problem)
    }

    fn times(&self, name: &str) -> Result<Vec<Timestamp>, String> {
        self.0.times(name).map_err(|error| error.problem)
    }
}

/// Coordinates of time by the dimension they count.
pub(super) fn clocks(table: &dyn Table) -> BTreeMap<String, Arc<Vec<Timestamp>>> {
    let is_clock = |variable: &&Variable| {
        variable.dimensions.len() <= 2
            && (variable.name == "Times" || variable.text("units").is_some_and(|units| units.contains(" since ")))
            // The run's own time counts no dimension of its own.
            && variable.text("standard_name") != Some("forecast_reference_time")
    };
    let mut clocks = BTreeMap::new();
    for variable in table.variables().iter().filter(is_clock) {
        let Some(dimension) = variable.dimensions.first() else { continue };
        // `time(time)` before another clock of the same dimension.
        if clocks.contains_key(dimension) && variable.name != *dimension {
            continue;
        }
        if let Ok(times) = table.times(&variable.name) {
            clocks.insert(dimension.clone(), Arc::new(times));
        }
    }
    clocks
}

/// When a forecast began, if the file says so.
pub(super) fn reference(table: &dyn Table) -> Option<Timestamp> {
    let variable = table.variables().iter().find(|variable| {
        variable.text("standard_name") == Some("forecast_reference_time")
            && variable.shape.iter().all(|size| *size == 1)
    })?;
    table.times(&variable.name).ok()?.first().copied()
}
