//! The grid of the archive: as messages describe it, and as a recipe does.

use std::path::Path;
use std::sync::Arc;

use aurora_compiler::plan::data::{GridPlan, Projection};

use super::index::Index;
use super::layout::Domain;
use super::unread;
use crate::data::archive::DataError;
use crate::data::files::Files;
use crate::data::grib::grid::Kind;
use crate::data::grib::{self, Grib};

/// How far apart corners of one grid may lie, in degrees of a great circle: in 2018 HRRR's moved by 60 m, a fiftieth of
/// the distance of its points.
const CORNER: f64 = 1e-3;

/// Whether two messages lie on one grid.
pub(super) fn same(one: &grib::Grid, other: &grib::Grid) -> bool {
    let bare = |grid: &grib::Grid| grib::Grid { first: None, corners: None, ..grid.clone() };
    let near = |(one, other): (&(f64, f64), &(f64, f64))| {
        let east = (one.1 - other.1 + 180.0).rem_euclid(360.0) - 180.0;
        (one.0 - other.0).abs() < CORNER && (east * one.0.to_radians().cos()).abs() < CORNER
    };
    let placed = match (&one.corners, &other.corners) {
        (Some(one), Some(other)) => one.iter().zip(other).all(near),
        _ => one.corners == other.corners && one.first == other.first,
    };
    placed && bare(one) == bare(other)
}

/// The grid of a file's first message, and what tells the file from any other.
pub(super) fn first_message(
    files: &Arc<dyn Files>,
    path: &str,
    index: &Index,
) -> Result<(grib::Grid, String), DataError> {
    let nothing = || DataError::Archive(format!("{}/{path}: no record", files.place()));
    let record = index.records.first().ok_or_else(nothing)?;
    let bytes = files.read(path, record.bytes.clone()).map_err(unread)?;
    let mut hash = blake3::Hasher::new();
    for record in &index.records {
        hash.update(&record.bytes.start.to_le_bytes());
    }
    hash.update(&bytes);
    let file = format!("{}/{path}", files.place());
    let message = Grib::of_bytes(Path::new(&file), bytes, record.bytes.start)
        .map_err(|error| DataError::Archive(error.to_string()))?;
    let field = message.fields().first().ok_or_else(nothing)?;
    Ok(((*field.grid).clone(), hash.finalize().to_hex().to_string()))
}

/// The grid as a recipe names it: a cone or a plane that touches the sphere of HRRR, points as far apart one way as the
/// other.
pub(super) fn plan(grid: &grib::Grid, domain: Domain) -> Result<GridPlan, String> {
    let degrees = |value: f64| (value * 1e6).round() / 1e6;
    let east = |value: f64| degrees((value + 180.0).rem_euclid(360.0) - 180.0);
    let projection = match grid.kind {
        Kind::Lambert { longitude, first, second } if first == second => {
            Projection::Lambert { latitude: first, longitude: east(longitude) }
        }
        Kind::PolarStereographic { true_latitude, longitude, north: true } => {
            Projection::Stereographic { latitude: true_latitude, longitude: east(longitude) }
        }
        _ => return Err(format!("its grid is {}, which HRRR's are not", grid.name())),
    };
    if grid.earth != grib::grid::Earth::Sphere(crate::data::grid::EARTH_RADIUS) {
        return Err("its Earth is not the sphere of 6371229 m".into());
    }
    let (Some((width, height)), Some((across, up)), Some([(south, west), ..])) =
        (grid.shape, grid.spacing, grid.corners)
    else {
        return Err("its grid has no rows and columns".into());
    };
    if across != up {
        return Err(format!("its points are {across} m apart one way and {up} m the other"));
    }
    let southwest = Some([degrees(south), east(west)]);
    Ok(GridPlan { name: domain.name().into(), projection, width, height, spacing: across, southwest })
}
