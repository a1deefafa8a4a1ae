//! The small files of `tests/fixtures/small`, which `tests/reference/small.py` makes: a field of 12 x 9 points in each
//! packing of GRIB2, and in NetCDF.

use std::path::{Path, PathBuf};

use serde_json::Value;

/// A file, its bytes, and what ecCodes or netCDF4 read from it; missing points are NaN.
#[derive(Clone, Debug)]
pub struct Small {
    pub name: String,
    pub path: PathBuf,
    pub bytes: Vec<u8>,
    pub values: Vec<f64>,
}

/// All of them whose names end so, in one order everywhere.
pub fn files(end: &str) -> Vec<Small> {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("fixtures/small");
    let text = std::fs::read_to_string(folder.join("values.json")).expect("values.json");
    let all: serde_json::Map<String, Value> = serde_json::from_str(&text).expect("JSON");
    let small = |(name, values): (String, Value)| {
        let path = folder.join(&name);
        let values = values.as_array().expect("a list").iter();
        Small {
            bytes: std::fs::read(&path).expect("a file"),
            values: values.map(|value| value.as_f64().unwrap_or(f64::NAN)).collect(),
            name,
            path,
        }
    };
    let mut found: Vec<Small> = all.into_iter().map(small).filter(|one| one.name.ends_with(end)).collect();
    found.sort_by(|one, other| one.name.cmp(&other.name));
    assert!(!found.is_empty(), "no {end}");
    found
}
