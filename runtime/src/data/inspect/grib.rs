//! A GRIB2 file's fields.

use std::path::Path;

use rayon::prelude::*;

use super::{Corners, FieldSummary, GridSummary, InspectError, Inspection, Times};
use crate::data::grib::grid::{Earth, Kind};
use crate::data::grib::{Field, Grib, Grid};

pub(super) fn inspect(path: &Path) -> Result<Inspection, InspectError> {
    let grib = Grib::open(path)?;
    let mut grids: Vec<&Grid> = Vec::new();
    let mut indices = Vec::new();
    for field in grib.fields() {
        let known = grids.iter().position(|grid| **grid == *field.grid);
        indices.push(known.unwrap_or(grids.len()));
        if known.is_none() {
            grids.push(&field.grid);
        }
    }
    let fields = grib
        .fields()
        .par_iter()
        .zip(&indices)
        .map(|(field, &grid)| summary(&grib, field, grid))
        .collect::<Vec<_>>();
    let mut notes = Vec::new();
    if grib.skipped() > 0 {
        notes.push(format!("{} bytes outside any message", grib.skipped()));
    }
    if grib.fields().iter().any(|field| field.product.cell.is_some_and(|cell| cell.seconds == 0)) {
        notes.push("fields over 0 h are placeholders of the first time step: do not train on them".into());
    }
    Ok(Inspection {
        file: path.to_owned(),
        format: "GRIB2".into(),
        bytes: grib.bytes(),
        contents: format!("{} in {}", count(fields.len(), "field"), count(grib.messages(), "message")),
        grids: grids.into_iter().map(grid).collect(),
        fields,
        notes,
    })
}

fn summary(grib: &Grib, field: &Field, grid: usize) -> FieldSummary {
    let product = &field.product;
    let shape = match field.grid.shape {
        Some((columns, rows)) => vec![rows as u64, columns as u64],
        None => vec![field.grid.points],
    };
    let level = match &product.kind {
        Some(kind) => format!("{}, {kind}", product.level_name()),
        None => product.level_name(),
    };
    let mut summary = FieldSummary {
        number: Some(field.number()),
        name: field.name(),
        code: Some(product.code.to_string()),
        level: Some(level),
        shape,
        reference: Some(product.reference),
        valid: product.valid.map(|valid| Times { first: valid, last: valid, count: 1 }),
        cell: product.cell_name(),
        units: field.units().map(str::to_owned),
        packing: Some(field.packing.name()),
        grid: Some(grid),
        ..FieldSummary::default()
    };
    // A constant field takes no memory: a few bytes may say that it has very many points.
    match field.constant() {
        Some(value) => summary.measure(std::iter::repeat_n(value, field.grid.points as usize)),
        None => match grib.values::<f64>(field) {
            Ok(values) => summary.measure(values.into_iter()),
            Err(error) => summary.problem = Some(error.problem.to_string()),
        },
    }
    summary
}

fn grid(grid: &Grid) -> GridSummary {
    let metres =
        matches!(grid.kind, Kind::Lambert { .. } | Kind::Mercator { .. } | Kind::PolarStereographic { .. });
    GridSummary {
        name: grid.name(),
        projection: projection(grid),
        columns: grid.shape.map(|(columns, _)| columns as u64),
        rows: grid.shape.map(|(_, rows)| rows as u64),
        points: grid.points,
        spacing: grid.spacing,
        spacing_unit: grid.spacing.map(|_| if metres { "m" } else { "degrees" }),
        row_order: grid
            .scanning
            .map(|mode| if mode & 0x40 == 0 { "north to south" } else { "south to north" }),
        winds: grid.winds_along_grid.map(|along| if along { "grid" } else { "earth" }),
        corners: grid.corners.map(|[south_west, south_east, north_west, north_east]| Corners {
            south_west,
            south_east,
            north_west,
            north_east,
        }),
    }
}

fn projection(grid: &Grid) -> Option<String> {
    let what = match grid.kind {
        Kind::Lambert { longitude, first, second } if first == second => {
            format!("true at {first} N, centred on {longitude} E")
        }
        Kind::Lambert { longitude, first, second } => {
            format!("true at {first} and {second} N, centred on {longitude} E")
        }
        Kind::Mercator { true_latitude } => format!("true at {true_latitude} N"),
        Kind::PolarStereographic { true_latitude, longitude, north } => {
            let pole = if north { "north" } else { "south" };
            format!("{pole} pole, true at {true_latitude} N, centred on {longitude} E")
        }
        Kind::Rotated { pole_latitude, pole_longitude, .. } => {
            format!("south pole at {pole_latitude} N, {pole_longitude} E")
        }
        Kind::RotatedNcep { latitude, longitude } => format!("centred on {latitude} N, {longitude} E"),
        Kind::Gaussian { parallels } => format!("{parallels} parallels from pole to equator"),
        Kind::LatitudeLongitude | Kind::Unknown => return None,
    };
    match grid.earth {
        Earth::Sphere(radius) => Some(format!("{what}, sphere of {radius} m")),
        Earth::Spheroid { code, .. } => Some(format!("{what}, spheroid {code}")),
        Earth::Unknown => Some(what),
    }
}

fn count(number: usize, noun: &str) -> String {
    if number == 1 { format!("1 {noun}") } else { format!("{number} {noun}s") }
}
