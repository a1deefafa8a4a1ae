//! A small state of the atmosphere, written in every form that `derive` reads, without the code that reads them.

use std::collections::BTreeMap;
use std::path::Path;

use aurora_runtime::data::netcdf::Attribute;
use aurora_runtime::derive::output::{Dataset, Values, Variable};

use super::files::File;

pub const ROWS: usize = 3;
pub const COLUMNS: usize = 4;
/// hPa.
pub const LEVELS: [f64; 6] = [1000.0, 925.0, 850.0, 700.0, 500.0, 300.0];
pub const TIME: &str = "2023-07-22T06:00:00Z";

/// One field: its code in GRIB, the name of a variable with its unit, the name of a tensor.
pub struct Field {
    pub code: [u8; 3],
    pub variable: &'static str,
    pub standard: &'static str,
    pub units: &'static str,
    pub tensor: &'static str,
    /// Type of the first surface in GRIB, and its value.
    pub surface: (u8, u32),
    /// Powers of ten by which the whole numbers of GRIB are divided.
    pub scale: u8,
    /// The least whole number of each level.
    pub base: &'static [u32],
}

/// From the bottom up as [`LEVELS`].
pub const UPPER: [Field; 5] = [
    field(
        [0, 0, 0],
        "temperature",
        "air_temperature",
        "K",
        "atmos.t",
        1,
        &[2950, 2910, 2870, 2780, 2600, 2290],
    ),
    field(
        [0, 1, 0],
        "humidity",
        "specific_humidity",
        "kg kg-1",
        "atmos.q",
        5,
        &[1400, 1250, 1000, 500, 150, 20],
    ),
    field([0, 2, 2], "u", "eastward_wind", "m s-1", "atmos.u", 1, &[20, 60, 110, 170, 240, 300]),
    field([0, 2, 3], "v", "northward_wind", "m s-1", "atmos.v", 1, &[50, 90, 100, 90, 80, 70]),
    field([0, 3, 5], "gh", "geopotential_height", "m", "atmos.hgt", 0, &[110, 780, 1500, 3100, 5800, 9500]),
];

pub const GROUND: [Field; 6] = [
    near([0, 0, 0], "t2m", "air_temperature", "K", "surf.2t", (103, 2), 1, &[2960]),
    near([0, 1, 0], "q2m", "specific_humidity", "kg kg-1", "surf.q2m", (103, 2), 5, &[1500]),
    near([0, 2, 2], "u10", "eastward_wind", "m s-1", "surf.10u", (103, 10), 1, &[10]),
    near([0, 2, 3], "v10", "northward_wind", "m s-1", "surf.10v", (103, 10), 1, &[40]),
    near([0, 3, 0], "sp", "surface_air_pressure", "Pa", "surf.sp", (1, 0), 0, &[98_000]),
    near([0, 3, 5], "orog", "surface_altitude", "m", "static.orog", (1, 0), 0, &[250]),
];

const fn field(
    code: [u8; 3],
    variable: &'static str,
    standard: &'static str,
    units: &'static str,
    tensor: &'static str,
    scale: u8,
    base: &'static [u32],
) -> Field {
    Field { code, variable, standard, units, tensor, surface: (100, 0), scale, base }
}

#[allow(clippy::too_many_arguments)]
const fn near(
    code: [u8; 3],
    variable: &'static str,
    standard: &'static str,
    units: &'static str,
    tensor: &'static str,
    surface: (u8, u32),
    scale: u8,
    base: &'static [u32],
) -> Field {
    Field { code, variable, standard, units, tensor, surface, scale, base }
}

/// What GRIB adds to the least number at a point; rows from the north.
fn step(row: usize, column: usize) -> u8 {
    (5 * row + 3 * column) as u8
}

impl Field {
    /// In SI, row 0 in the north, levels as they are given.
    pub fn values(&self) -> Vec<f32> {
        let mut values = Vec::new();
        for base in self.base {
            for row in 0..ROWS {
                for column in 0..COLUMNS {
                    let whole = f64::from(*base) + f64::from(step(row, column));
                    values.push((whole / 10f64.powi(i32::from(self.scale))) as f32);
                }
            }
        }
        values
    }
}

pub fn all() -> impl Iterator<Item = &'static Field> {
    UPPER.iter().chain(&GROUND)
}

// ---- GRIB ------------------------------------------------------------------------------------------

/// Messages in simple packing of 8 bits on a grid of latitude and longitude, rows from the south as HRRR has them.
pub fn grib(leave_out: &[&str]) -> Vec<u8> {
    let mut bytes = Vec::new();
    for field in all().filter(|field| !leave_out.contains(&field.variable)) {
        for (level, base) in field.base.iter().enumerate() {
            let (kind, value) = match field.surface {
                (100, _) => (100, (LEVELS[level] * 100.0) as u32),
                other => other,
            };
            bytes.extend(message(field, *base, kind, value));
        }
    }
    bytes
}

fn message(field: &Field, base: u32, kind: u8, value: u32) -> Vec<u8> {
    let mut sections = Vec::new();
    let mut section = |number: u8, body: &[u8]| {
        sections.extend((body.len() as u32 + 5).to_be_bytes());
        sections.push(number);
        sections.extend(body);
    };
    section(1, &[0, 7, 0, 0, 2, 1, 1, 0x07, 0xe7, 7, 22, 6, 0, 0, 0, 1]);
    let points = (ROWS * COLUMNS) as u32;
    let mut grid = vec![0];
    grid.extend(points.to_be_bytes());
    grid.extend([0, 0, 0, 0, 6]);
    grid.resize(25, 0);
    for word in [COLUMNS as u32, ROWS as u32, 0, 0xffff_ffff, 40_000_000, 260_000_000] {
        grid.extend(word.to_be_bytes());
    }
    grid.push(48);
    for word in [42_000_000u32, 263_000_000, 1_000_000, 1_000_000] {
        grid.extend(word.to_be_bytes());
    }
    grid.push(0x40);
    section(3, &grid);
    let mut product = vec![0, 0, 0, 0, field.code[1], field.code[2], 2, 0, 0, 0, 0, 0, 1, 0, 0, 0, 0];
    product.extend([kind, 0]);
    product.extend(value.to_be_bytes());
    product.extend([255; 6]);
    section(4, &product);
    let mut packing = points.to_be_bytes().to_vec();
    packing.extend([0, 0]);
    packing.extend((base as f32).to_be_bytes());
    packing.extend([0, 0, 0, field.scale, 8, 0]);
    section(5, &packing);
    section(6, &[255]);
    let south_first: Vec<u8> =
        (0..ROWS).rev().flat_map(|row| (0..COLUMNS).map(move |column| step(row, column))).collect();
    section(7, &south_first);
    let mut bytes = b"GRIB\0\0\0\x02".to_vec();
    bytes[6] = field.code[0];
    bytes.extend((sections.len() as u64 + 20).to_be_bytes());
    bytes.extend(&sections);
    bytes.extend(b"7777");
    bytes
}

// ---- variables -------------------------------------------------------------------------------------

/// The state as variables with CF attributes, rows from the south, levels from the top, pressure in hPa.
pub fn dataset() -> Dataset {
    let words = |list: &[(&str, &str)]| -> BTreeMap<String, Attribute> {
        list.iter().map(|(name, value)| ((*name).into(), Attribute::Text((*value).into()))).collect()
    };
    let line = |name: &str, values: Vec<f64>, attributes: &[(&str, &str)]| Variable {
        name: name.into(),
        dimensions: vec![name.into()],
        values: Values::Double(values),
        attributes: words(attributes),
    };
    let mut set = Dataset {
        dimensions: vec![
            ("time".into(), 1),
            ("plev".into(), LEVELS.len()),
            ("lat".into(), ROWS),
            ("lon".into(), COLUMNS),
        ],
        ..Dataset::default()
    };
    let hours = [("units", "hours since 2023-07-22 00:00:00"), ("standard_name", "time")];
    set.variables.push(line("time", vec![6.0], &hours));
    let down: Vec<f64> = LEVELS.iter().rev().copied().collect();
    set.variables.push(line("plev", down, &[("units", "hPa"), ("standard_name", "air_pressure")]));
    set.variables.push(line("lat", vec![40.0, 41.0, 42.0], &[("units", "degrees_north")]));
    set.variables.push(line("lon", vec![260.0, 261.0, 262.0, 263.0], &[("units", "degrees_east")]));
    for field in all() {
        set.variables
            .push(variable(field, words(&[("units", field.units), ("standard_name", field.standard)])));
    }
    set
}

fn variable(field: &Field, attributes: BTreeMap<String, Attribute>) -> Variable {
    let on_levels = field.base.len() > 1;
    let names: &[&str] = if on_levels { &["time", "plev", "lat", "lon"] } else { &["time", "lat", "lon"] };
    let values = field.values();
    let mut turned = Vec::new();
    for level in (0..field.base.len()).rev() {
        for row in (0..ROWS).rev() {
            let start = (level * ROWS + row) * COLUMNS;
            turned.extend(&values[start..start + COLUMNS]);
        }
    }
    Variable {
        name: field.variable.into(),
        dimensions: names.iter().map(|name| (*name).to_string()).collect(),
        values: Values::Single(turned),
        attributes,
    }
}

// ---- a batch file ----------------------------------------------------------------------------------

pub fn batch(path: &Path) {
    let mut file = File::default();
    file.tensors.insert("lat".into(), (vec![ROWS], vec![42.0, 41.0, 40.0]));
    file.tensors.insert("lon".into(), (vec![COLUMNS], vec![260.0, 261.0, 262.0, 263.0]));
    for field in all() {
        let shape = match field.tensor.split('.').next() {
            Some("atmos") => vec![1, 1, LEVELS.len(), ROWS, COLUMNS],
            Some("surf") => vec![1, 1, ROWS, COLUMNS],
            _ => vec![ROWS, COLUMNS],
        };
        file.tensors.insert(field.tensor.into(), (shape, field.values()));
    }
    let levels: Vec<String> = LEVELS.iter().map(f64::to_string).collect();
    file.metadata.insert("levels".into(), levels.join(","));
    file.metadata.insert("time".into(), TIME.into());
    file.write(path);
}
