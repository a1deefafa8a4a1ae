//! A NetCDF file's variables.

use std::path::Path;

use jiff::Timestamp;

use super::{Corners, FieldSummary, GridSummary, InspectError, Inspection, Times};
use crate::data::netcdf::{Coordinates, NetCdf, NetCdfError, Variable, coordinates};

pub(super) fn inspect(path: &Path) -> Result<Inspection, InspectError> {
    let file = NetCdf::open(path)?;
    let found = grids(&file)?;
    let clocks = clocks(&file);
    let fields: Vec<_> =
        file.variables.iter().map(|variable| summary(&file, variable, &found, &clocks)).collect();
    let mut notes = Vec::new();
    let sizes: Vec<_> =
        file.dimensions.iter().map(|dimension| format!("{} {}", dimension.name, dimension.size)).collect();
    if !sizes.is_empty() {
        notes.push(format!("dimensions: {}", sizes.join(", ")));
    }
    if let Some(crate::data::netcdf::Attribute::Text(title)) =
        file.attributes.get("title").or_else(|| file.attributes.get("TITLE"))
    {
        notes.push(format!("title: {}", title.trim()));
    }
    Ok(Inspection {
        file: path.to_owned(),
        format: file.format().into(),
        bytes: file.bytes(),
        contents: format!("{} variables", fields.len()),
        grids: found.into_iter().map(|grid| grid.summary).collect(),
        fields,
        notes,
    })
}

/// A grid and the dimensions (rows, columns) of the variables that lie on it.
struct Found {
    dimensions: [String; 2],
    summary: GridSummary,
}

fn summary(
    file: &NetCdf,
    variable: &Variable,
    grids: &[Found],
    clocks: &[(String, Vec<Timestamp>)],
) -> FieldSummary {
    let last_two = variable.dimensions.len().checked_sub(2).map(|start| &variable.dimensions[start..]);
    let grid = last_two.and_then(|pair| grids.iter().position(|grid| grid.dimensions[..] == *pair));
    let clock =
        variable.dimensions.first().and_then(|name| clocks.iter().find(|(dimension, _)| dimension == name));
    let mut summary = FieldSummary {
        name: variable.name.clone(),
        level: level(file, variable, grid.is_some(), clock.is_some()),
        shape: variable.shape.clone(),
        valid: clock.and_then(|(_, times)| Times::of(times)),
        cell: variable.text("cell_methods").map(str::to_owned),
        units: variable.text("units").filter(|units| !units.is_empty()).map(str::to_owned),
        packing: Some(variable.kind.clone()),
        grid,
        ..FieldSummary::default()
    };
    if variable.numeric {
        match file.read(&variable.name) {
            Ok(values) => summary.measure(values.iter().copied()),
            Err(error) => summary.problem = Some(error.problem),
        }
    }
    summary
}

/// The dimensions that are neither time nor the grid: `isobaric 26: 1000 to 100000 Pa`.
fn level(file: &NetCdf, variable: &Variable, on_grid: bool, timed: bool) -> Option<String> {
    let end = variable.dimensions.len() - if on_grid { 2 } else { 0 };
    let rest = variable.dimensions.get(usize::from(timed).min(end)..end)?;
    let sizes = variable.shape.get(usize::from(timed).min(end)..end)?;
    let words: Vec<_> = rest.iter().zip(sizes).map(|(name, size)| dimension(file, name, *size)).collect();
    (!words.is_empty() && !variable.dimensions.contains(&variable.name)).then(|| words.join(", "))
}

fn dimension(file: &NetCdf, name: &str, size: u64) -> String {
    let values = file.variable(name).filter(|variable| variable.numeric && variable.shape.len() == 1);
    let range = values.and_then(|variable| {
        let values = file.read(name).ok()?;
        let units = variable.text("units").unwrap_or_default();
        let (first, last) = (values.iter().next()?, values.iter().last()?);
        Some(if size == 1 {
            format!("{name} {first} {units}")
        } else {
            format!("{name} {size}: {first} to {last} {units}")
        })
    });
    range.map_or_else(|| format!("{name} {size}"), |text| text.trim_end().to_owned())
}

/// Time coordinates by the dimension they count; WRF's text `Times` stands for its own dimension.
fn clocks(file: &NetCdf) -> Vec<(String, Vec<Timestamp>)> {
    let is_clock = |variable: &&Variable| {
        variable.name == "Times" || variable.text("units").is_some_and(|units| units.contains(" since "))
    };
    let read =
        |variable: &Variable| Some((variable.dimensions.first()?.clone(), file.times(&variable.name).ok()?));
    file.variables.iter().filter(is_clock).filter_map(read).collect()
}

/// The grids on which something may lie, each told by its first pair of coordinates; where time stands before them, by the first time.
fn grids(file: &NetCdf) -> Result<Vec<Found>, NetCdfError> {
    let mut found: Vec<Found> = Vec::new();
    for Coordinates { latitude, longitude, dimensions } in coordinates(&file.variables) {
        if found.iter().any(|grid| grid.dimensions == dimensions) {
            continue;
        }
        let summary = if latitude.dimensions.len() == 1 {
            regular(file, &latitude.name, &longitude.name)?
        } else {
            curved(file, &latitude.name, &longitude.name)?
        };
        found.extend(summary.map(|summary| Found { dimensions, summary }));
    }
    Ok(found)
}

fn regular(file: &NetCdf, latitude: &str, longitude: &str) -> Result<Option<GridSummary>, NetCdfError> {
    let (north, east) = (file.read(latitude)?, file.read(longitude)?);
    let (north, east): (Vec<f64>, Vec<f64>) =
        (north.iter().copied().collect(), east.iter().copied().collect());
    let ends = |values: &[f64]| Some((*values.first()?, *values.last()?));
    let (Some((first, last)), Some((west, right))) = (ends(&north), ends(&east)) else { return Ok(None) };
    let spacing = step(&east).zip(step(&north));
    let place = |latitude: f64, longitude: f64| (latitude, longitude.rem_euclid(360.0));
    let (south, top) = (first.min(last), first.max(last));
    Ok(Some(GridSummary {
        name: "latitude-longitude".into(),
        projection: Some(format!("coordinates {latitude}, {longitude}")),
        columns: Some(east.len() as u64),
        rows: Some(north.len() as u64),
        points: (east.len() * north.len()) as u64,
        spacing,
        spacing_unit: spacing.map(|_| "degrees"),
        row_order: Some(if first < last { "south to north" } else { "north to south" }),
        winds: None,
        corners: Some(Corners {
            south_west: place(south, west),
            south_east: place(south, right),
            north_west: place(top, west),
            north_east: place(top, right),
        }),
    }))
}

/// The common distance of evenly spaced values, to a thousandth of it.
fn step(values: &[f64]) -> Option<f64> {
    let step =
        (values.last()? - values.first()?) / (values.len().checked_sub(1).filter(|&count| count > 0)? as f64);
    let even = values.windows(2).all(|pair| (pair[1] - pair[0] - step).abs() <= step.abs() * 1e-3);
    even.then_some((step.abs() * 1e6).round() / 1e6)
}

fn curved(file: &NetCdf, latitude: &str, longitude: &str) -> Result<Option<GridSummary>, NetCdfError> {
    let (north, east) = (file.read(latitude)?, file.read(longitude)?);
    let shape = north.shape().to_vec();
    let [.., rows, columns] = shape[..] else { return Ok(None) };
    if rows == 0 || columns == 0 || north.len() < rows * columns {
        return Ok(None);
    }
    let (north, east): (Vec<f64>, Vec<f64>) =
        (north.iter().copied().collect(), east.iter().copied().collect());
    let at = |row: usize, column: usize| {
        let index = row * columns + column;
        (north[index], east[index].rem_euclid(360.0))
    };
    let upward = at(0, 0).0 < at(rows - 1, 0).0;
    let (south, top) = if upward { (0, rows - 1) } else { (rows - 1, 0) };
    let metres = file.number("DX").zip(file.number("DY"));
    Ok(Some(GridSummary {
        name: projection_name(file).unwrap_or("curved").into(),
        projection: Some(format!("coordinates {latitude}, {longitude}")),
        columns: Some(columns as u64),
        rows: Some(rows as u64),
        points: (rows * columns) as u64,
        spacing: metres,
        spacing_unit: metres.map(|_| "m"),
        row_order: Some(if upward { "south to north" } else { "north to south" }),
        winds: projection_name(file).map(|_| "grid"),
        corners: Some(Corners {
            south_west: at(south, 0),
            south_east: at(south, columns - 1),
            north_west: at(top, 0),
            north_east: at(top, columns - 1),
        }),
    }))
}

/// WRF's code of its map; its winds lie along the grid.
fn projection_name(file: &NetCdf) -> Option<&'static str> {
    match file.number("MAP_PROJ")? as i64 {
        1 => Some("Lambert conformal (WRF)"),
        2 => Some("polar stereographic (WRF)"),
        3 => Some("Mercator (WRF)"),
        6 => Some("latitude-longitude (WRF)"),
        _ => None,
    }
}
