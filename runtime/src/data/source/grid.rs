//! Where the points of a table lie: its latitudes and longitudes, as lines or as maps, and the grid mapping behind them.

use std::collections::BTreeMap;

use ndarray::{Array2, ArrayD, Axis, Ix2};

use super::place::Mapping;
use super::table::Table;
use super::units::to_si;
use super::{Coordinates as Points, Place};
use crate::data::netcdf::{Attribute, Coordinates, coordinates};

/// The dimensions of rows and columns, and the variables that hold latitude and longitude.
pub(super) struct Grid {
    pub rows: String,
    pub columns: String,
    pub latitude: String,
    pub longitude: String,
}

/// The pair of latitude and longitude on which most variables lie.
pub(super) fn grid(table: &dyn Table) -> Result<Grid, String> {
    let mut best: Option<(usize, Grid)> = None;
    for Coordinates { latitude, longitude, dimensions } in coordinates(table.variables()) {
        let held =
            table.variables().iter().filter(|variable| variable.dimensions.ends_with(&dimensions)).count();
        if best.as_ref().is_none_or(|(most, _)| held > *most) {
            let [rows, columns] = dimensions;
            let (latitude, longitude) = (latitude.name.clone(), longitude.name.clone());
            best = Some((held, Grid { rows, columns, latitude, longitude }));
        }
    }
    best.map(|(_, grid)| grid).ok_or_else(|| {
        "it has no coordinates with units `degrees_north` and `degrees_east` (CF section 4.1)".to_string()
    })
}

/// The place, and whether the file's rows and columns are turned over for it.
pub(super) fn place(table: &dyn Table, grid: &Grid) -> Result<(Place, (bool, bool)), String> {
    let read = |name: &str| -> Result<ArrayD<f64>, String> {
        let mut values = table.read(name)?;
        // WRF repeats them for each time.
        while values.ndim() > 2 {
            if values.len_of(Axis(0)) == 0 {
                return Err(format!("`{name}` is empty"));
            }
            values = values.index_axis_move(Axis(0), 0);
        }
        Ok(values)
    };
    let (latitude, longitude) = (read(&grid.latitude)?, read(&grid.longitude)?);
    if latitude.is_empty() || longitude.is_empty() {
        return Err(format!("`{}` or `{}` is empty", grid.latitude, grid.longitude));
    }
    if latitude.iter().chain(longitude.iter()).any(|value| !value.is_finite()) {
        return Err(format!("`{}` or `{}` has missing values", grid.latitude, grid.longitude));
    }
    let (coordinates, flipped, (height, width)) = match (latitude.ndim(), longitude.ndim()) {
        (1, 1) => {
            let line = |values: ArrayD<f64>| values.into_iter().collect::<Vec<f64>>();
            let (mut latitude, mut longitude) = (line(latitude), line(longitude));
            let upward = latitude.first() < latitude.last();
            // Eastward or westward is told by the first step: the date line may lie between.
            let westward = longitude
                .get(1)
                .is_some_and(|second| (second - longitude[0] + 180.0).rem_euclid(360.0) - 180.0 < 0.0);
            if upward {
                latitude.reverse();
            }
            if westward {
                longitude.reverse();
            }
            let size = (latitude.len(), longitude.len());
            (Points::Regular { latitude, longitude }, (upward, westward), size)
        }
        _ => {
            let map = |values: ArrayD<f64>| {
                values
                    .into_dimensionality::<Ix2>()
                    .map_err(|_| "latitude and longitude are no maps".to_string())
            };
            let (mut latitude, mut longitude): (Array2<f64>, Array2<f64>) = (map(latitude)?, map(longitude)?);
            if latitude.dim() != longitude.dim() {
                return Err("latitude and longitude have different shapes".into());
            }
            let size = latitude.dim();
            let upward = latitude[(0, 0)] < latitude[(size.0 - 1, 0)];
            if upward {
                latitude.invert_axis(Axis(0));
                longitude.invert_axis(Axis(0));
            }
            let plain = |values: Array2<f64>| values.as_standard_layout().into_owned();
            (Points::Curved { latitude: plain(latitude), longitude: plain(longitude) }, (upward, false), size)
        }
    };
    let mapping = mapping(table, grid, flipped);
    let place = Place { height, width, coordinates: Some(coordinates), mapping, angle: None };
    Ok((place, flipped))
}

/// The grid mapping that the file names, as it is, with its axes in metres.
fn mapping(table: &dyn Table, grid: &Grid, flipped: (bool, bool)) -> Option<Mapping> {
    let named = table.variables().iter().find_map(|variable| variable.text("grid_mapping"))?;
    let variable = table.variable(named.split([':', ' ']).next()?)?;
    let attributes: BTreeMap<String, Attribute> = variable
        .attributes
        .iter()
        .filter(|(name, _)| !name.starts_with('_'))
        .map(|(n, v)| (n.clone(), v.clone()))
        .collect();
    attributes.get("grid_mapping_name")?;
    let axis = |name: &str, turned: bool| {
        let variable = table.variable(name).filter(|variable| variable.text("units").is_some())?;
        let to = to_si(variable.text("units")?).filter(|to| to.offset == 0.0)?;
        let mut values: Vec<f64> = table.read(name).ok()?.iter().map(|value| to.apply(*value)).collect();
        if turned {
            values.reverse();
        }
        Some(values)
    };
    let axes = (grid.latitude != grid.rows)
        .then(|| axis(&grid.columns, flipped.1).zip(axis(&grid.rows, flipped.0)))
        .flatten();
    Some(Mapping { attributes, axes })
}
