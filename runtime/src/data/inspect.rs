//! What a file holds, in a table: `aurorac data inspect FILE [--format json]`.
//!
//! Every field is read to the end and its least, mean and greatest value told, so that a table without a
//! complaint also says that the file can be read.

use std::fmt;
use std::fs::File;
use std::io::Read;
use std::path::{Path, PathBuf};

use jiff::Timestamp;
use serde::Serialize;

mod grib;
mod netcdf;
mod table;
mod zarr;

/// A file and what it holds.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct Inspection {
    pub file: PathBuf,
    /// `GRIB2`, `NetCDF-4 (HDF5)`, `Zarr v3`...
    pub format: String,
    pub bytes: u64,
    /// `181 fields in 181 messages`.
    pub contents: String,
    pub grids: Vec<GridSummary>,
    pub fields: Vec<FieldSummary>,
    /// What else a person should know.
    pub notes: Vec<String>,
}

/// A horizontal grid.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct GridSummary {
    /// `Lambert conformal (template 3.30)`.
    pub name: String,
    /// What sets the projection, in words.
    pub projection: Option<String>,
    pub columns: Option<u64>,
    pub rows: Option<u64>,
    pub points: u64,
    /// Between columns and between rows, in `spacing_unit`.
    pub spacing: Option<(f64, f64)>,
    pub spacing_unit: Option<&'static str>,
    /// `south to north`, as the file has it; aurorac always turns fields north up.
    pub row_order: Option<&'static str>,
    /// `grid` if U and V lie along rows and columns, `earth` if they point east and north.
    pub winds: Option<&'static str>,
    pub corners: Option<Corners>,
}

/// (latitude, longitude) in degrees, longitude from 0 to 360.
#[derive(Clone, Copy, Debug, PartialEq, Serialize)]
pub struct Corners {
    pub south_west: (f64, f64),
    pub south_east: (f64, f64),
    pub north_west: (f64, f64),
    pub north_east: (f64, f64),
}

/// One field: a GRIB field, a NetCDF variable, a Zarr array.
#[derive(Clone, Debug, Default, PartialEq, Serialize)]
pub struct FieldSummary {
    /// Number of the message in a GRIB file (`12.2`: second field of message 12).
    pub number: Option<String>,
    pub name: String,
    /// `0.2.220`: discipline, category, number.
    pub code: Option<String>,
    pub level: Option<String>,
    /// Sizes, slowest dimension first.
    pub shape: Vec<u64>,
    pub reference: Option<Timestamp>,
    pub valid: Option<Times>,
    /// `max over 1 h`; absent for an instantaneous field.
    pub cell: Option<String>,
    pub units: Option<String>,
    pub minimum: Option<f64>,
    pub mean: Option<f64>,
    pub maximum: Option<f64>,
    pub missing: Option<u64>,
    /// How values are stored.
    pub packing: Option<String>,
    /// Index into [`Inspection::grids`].
    pub grid: Option<usize>,
    /// Why the values cannot be read.
    pub problem: Option<String>,
}

/// One or more instants.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
pub struct Times {
    pub first: Timestamp,
    pub last: Timestamp,
    pub count: usize,
}

/// Why a file cannot be inspected.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum InspectError {
    #[error("{path}: {reason}", path = path.display())]
    File { path: PathBuf, reason: String },
    #[error("{path}: neither GRIB2 nor NetCDF nor a Zarr folder; it begins with {start}", path = path.display())]
    Format { path: PathBuf, start: String },
    #[error(transparent)]
    Grib(#[from] super::grib::GribError),
    #[error(transparent)]
    NetCdf(#[from] super::netcdf::NetCdfError),
}

/// Looks into a GRIB2 file, a NetCDF file or a Zarr folder. What it is is told from its bytes, not its name.
///
/// # Errors
/// A file that cannot be opened, is of another kind, or is damaged as a whole. A single field that cannot be
/// read is told in its [`FieldSummary::problem`] and does not hide the others.
pub fn inspect(path: &Path) -> Result<Inspection, InspectError> {
    let fail =
        |reason: std::io::Error| InspectError::File { path: path.to_owned(), reason: reason.to_string() };
    if std::fs::metadata(path).map_err(fail)?.is_dir() {
        return zarr::inspect(path);
    }
    let mut start = Vec::new();
    File::open(path).map_err(fail)?.take(1024).read_to_end(&mut start).map_err(fail)?;
    if start.starts_with(b"CDF") || start.starts_with(b"\x89HDF") {
        return netcdf::inspect(path);
    }
    // A telecommunication header may stand before the first message.
    if start.is_empty() || start.windows(4).any(|window| window == b"GRIB") {
        return grib::inspect(path);
    }
    if start.starts_with(b"\x1f\x8b") {
        let reason = "compressed with gzip: unpack it first".to_owned();
        return Err(InspectError::File { path: path.to_owned(), reason });
    }
    Err(InspectError::Format { path: path.to_owned(), start: quoted(&start) })
}

impl Inspection {
    /// The fields whose values cannot be read.
    pub fn problems(&self) -> impl Iterator<Item = &FieldSummary> {
        self.fields.iter().filter(|field| field.problem.is_some())
    }
}

impl fmt::Display for Inspection {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        table::write(self, out)
    }
}

impl FieldSummary {
    /// Fills in the statistics of `values`; whatever is not finite counts as missing.
    fn measure(&mut self, values: impl Iterator<Item = f64>) {
        let (mut minimum, mut maximum, mut sum) = (f64::INFINITY, f64::NEG_INFINITY, 0.0);
        let (mut count, mut missing) = (0u64, 0u64);
        for value in values {
            if value.is_finite() {
                minimum = minimum.min(value);
                maximum = maximum.max(value);
                sum += value;
                count += 1;
            } else {
                missing += 1;
            }
        }
        self.missing = Some(missing);
        if count > 0 {
            self.minimum = Some(minimum);
            self.mean = Some(sum / count as f64);
            self.maximum = Some(maximum);
        }
    }
}

impl Times {
    fn of(times: &[Timestamp]) -> Option<Self> {
        Some(Times { first: *times.first()?, last: *times.last()?, count: times.len() })
    }
}

/// The first bytes, printable ones as they are.
fn quoted(bytes: &[u8]) -> String {
    let shown: String =
        bytes.iter().take(8).flat_map(|&byte| std::ascii::escape_default(byte)).map(char::from).collect();
    format!("`{shown}`")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn statistics_pass_over_missing_values() {
        let mut field = FieldSummary::default();
        field.measure([2.0, f64::NAN, 4.0].into_iter());
        assert_eq!(
            (field.minimum, field.mean, field.maximum, field.missing),
            (Some(2.0), Some(3.0), Some(4.0), Some(1))
        );
    }
}
