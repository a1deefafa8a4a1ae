//! Where a WRF file's points lie, and which way its winds point.

use aurora_compiler::plan::data::{GridPlan, Projection};
use ndarray::{Array2, Axis, Ix2};

use super::refuse;
use crate::data::archive::DataError;
use crate::data::grid::{EARTH_RADIUS, Grid};
use crate::data::netcdf::NetCdf;

/// WRF's Earth radius in metres.
const WRF_RADIUS: f64 = 6_370_000.0;

/// Cosine and sine of the angle from east to the grid's rows, (H, W) as in the file.
pub(super) type Rotation = (Array2<f64>, Array2<f64>);

/// The grid in the house's terms. Its coordinates are the file's own; its projection must reproduce them to a
/// hundredth of the spacing, or the file is refused.
pub(super) fn grid(file: &NetCdf) -> Result<Grid, DataError> {
    let read = |name: &str| -> Result<Array2<f64>, DataError> {
        let values = file.read_at(name, 0).map_err(|error| DataError::Archive(error.to_string()))?;
        let mut values =
            values.into_dimensionality::<Ix2>().map_err(|_| refuse(file, format!("{name} is not a map")))?;
        values.invert_axis(Axis(0));
        Ok(values)
    };
    let latitude = read("XLAT")?;
    let longitude = read("XLONG")?.mapv(|value| value.rem_euclid(360.0));
    let (height, width) = latitude.dim();
    if height == 0 || width == 0 || longitude.dim() != (height, width) {
        return Err(refuse(file, "XLAT and XLONG do not fit each other"));
    }
    let number =
        |name: &str| file.number(name).ok_or_else(|| refuse(file, format!("it has no attribute {name}")));
    let (projection, spacing) = match number("MAP_PROJ")? as i64 {
        1 => {
            let (first, second) = (number("TRUELAT1")?, number("TRUELAT2")?);
            if first != second {
                return Err(refuse(file, "Lambert with two true latitudes is not supported, only with one"));
            }
            let longitude = number("STAND_LON")?;
            (Projection::Lambert { latitude: first, longitude }, number("DX")? * EARTH_RADIUS / WRF_RADIUS)
        }
        3 => mercator(number("DX")?, number("TRUELAT1")?, &latitude, &longitude),
        other => return Err(refuse(file, format!("its projection (MAP_PROJ {other}) is not supported"))),
    };
    let plan = GridPlan { name: "wrf".into(), projection, width, height, spacing, southwest: None };
    let ideal = Grid::new(&plan)?;
    let projection = &plan.projection;
    let mut worst = 0.0f64;
    for (index, &north) in latitude.indexed_iter() {
        let across = (ideal.longitude[index] - longitude[index] + 180.0).rem_euclid(360.0) - 180.0;
        let east = across * north.to_radians().cos();
        worst = worst.max((ideal.latitude[index] - north).hypot(east).to_radians() * EARTH_RADIUS);
    }
    if worst > spacing / 100.0 {
        return Err(refuse(
            file,
            format!(
                "its points lie up to {worst:.0} m from those of {projection:?} centred there, {spacing:.0} m apart"
            ),
        ));
    }
    let plain = |values: Array2<f64>| values.as_standard_layout().into_owned();
    Ok(Grid { latitude: plain(latitude), longitude: plain(longitude), ..ideal })
}

/// A Mercator map true at one latitude is a Mercator map true at any other with another spacing: here at its own
/// centre, on the house's sphere, so that cells keep their size in degrees. Centre and spacing are rounded to
/// 0.0001 degrees and 1 m, some ten metres on the ground, so that a recipe can name the grid.
fn mercator(
    spacing: f64,
    true_latitude: f64,
    latitude: &Array2<f64>,
    longitude: &Array2<f64>,
) -> (Projection, f64) {
    let (height, width) = latitude.dim();
    let isometric = |degrees: f64| (std::f64::consts::FRAC_PI_4 + degrees.to_radians() / 2.0).tan().ln();
    let middle = (isometric(latitude[[0, 0]]) + isometric(latitude[[height - 1, 0]])) / 2.0;
    let centre = (2.0 * middle.exp().atan()).to_degrees() - 90.0;
    // Longitudes may pass from 360 to 0 within the grid.
    let across = (longitude[[0, width - 1]] - longitude[[0, 0]]).rem_euclid(360.0);
    let step = spacing / (WRF_RADIUS * true_latitude.to_radians().cos());
    let spacing = EARTH_RADIUS * centre.to_radians().cos() * step;
    let round = |degrees: f64| (degrees * 1e4).round() / 1e4;
    let longitude = (longitude[[0, 0]] + across / 2.0).rem_euclid(360.0);
    (Projection::Mercator { latitude: round(centre), longitude: round(longitude) }, spacing.round())
}

/// COSALPHA and SINALPHA, or nothing where the map's rows run due east.
pub(super) fn rotation(file: &NetCdf) -> Result<Option<Rotation>, DataError> {
    let has = |name| file.variable(name).is_some();
    if !has("COSALPHA") || !has("SINALPHA") {
        return match file.number("MAP_PROJ") {
            Some(3.0) => Ok(None),
            _ => Err(refuse(
                file,
                "without COSALPHA and SINALPHA its winds cannot be turned to east and north",
            )),
        };
    }
    let read = |name: &str| -> Result<Array2<f64>, DataError> {
        let values = file.read_at(name, 0).map_err(|error| DataError::Archive(error.to_string()))?;
        values.into_dimensionality::<Ix2>().map_err(|_| refuse(file, format!("{name} is not a map")))
    };
    Ok(Some((read("COSALPHA")?, read("SINALPHA")?)))
}
