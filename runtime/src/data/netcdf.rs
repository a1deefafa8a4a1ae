//! NetCDF: classic (CDF-1, 2, 5) and NetCDF-4 (HDF5), read with a library written in Rust.
//!
//! Values come unpacked: `_FillValue`, `missing_value` and `valid_range` become NaN first, then
//! `stored · scale_factor + add_offset` (CF conventions 1.11, sections 2.5 and 8.1).

use std::collections::BTreeMap;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::path::{Path, PathBuf};

use jiff::civil::DateTime;
use jiff::tz::TimeZone;
use jiff::{SignedDuration, Timestamp};
use ndarray::ArrayD;
use netcdf_reader::{NcAttrValue, NcFile, NcFormat, NcOpenOptions, NcSliceInfo, NcSliceInfoElem, NcType};

/// The most values one variable may claim, 268 million (2 GiB as f64). A file that asks for more is refused.
pub const MOST_VALUES: u64 = 1 << 28;

/// An open NetCDF file with its contents listed.
pub struct NetCdf {
    path: PathBuf,
    bytes: u64,
    file: NcFile,
    pub dimensions: Vec<Dimension>,
    pub variables: Vec<Variable>,
    pub attributes: BTreeMap<String, Attribute>,
}

/// A dimension of the root group.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Dimension {
    pub name: String,
    pub size: u64,
    pub unlimited: bool,
}

/// A variable, described.
#[derive(Clone, Debug, PartialEq)]
pub struct Variable {
    pub name: String,
    /// Names of its dimensions, slowest first.
    pub dimensions: Vec<String>,
    pub shape: Vec<u64>,
    /// `float32`, `int16`, `char`...
    pub kind: String,
    pub numeric: bool,
    pub attributes: BTreeMap<String, Attribute>,
}

/// A latitude and a longitude, and the dimensions of rows and columns that they count.
#[derive(Clone, Debug)]
pub struct Coordinates<'a> {
    pub latitude: &'a Variable,
    pub longitude: &'a Variable,
    pub dimensions: [String; 2],
}

/// Pairs of latitude and longitude, told by their units or standard names: two of one dimension each, or two of the same two
/// dimensions (with time before them in WRF files).
pub fn coordinates(variables: &[Variable]) -> Vec<Coordinates<'_>> {
    let is = |variable: &&Variable, words: [&str; 2]| {
        let units = variable.text("units").unwrap_or_default().to_lowercase().replace('_', " ");
        variable.numeric
            && (units.starts_with("degree") && words.iter().any(|word| units.ends_with(word))
                || variable.text("standard_name") == Some(words[1]))
    };
    let mut found = Vec::new();
    for latitude in variables.iter().filter(|variable| is(variable, ["north", "latitude"])) {
        for longitude in variables.iter().filter(|variable| is(variable, ["east", "longitude"])) {
            let dimensions = match (&latitude.dimensions[..], &longitude.dimensions[..]) {
                ([rows], [columns]) if rows != columns => [rows.clone(), columns.clone()],
                (one, two) if one == two && one.len() >= 2 => {
                    [one[one.len() - 2].clone(), one[one.len() - 1].clone()]
                }
                _ => continue,
            };
            found.push(Coordinates { latitude, longitude, dimensions });
        }
    }
    found
}

/// An attribute: text or numbers.
#[derive(Clone, Debug, PartialEq)]
pub enum Attribute {
    Text(String),
    Numbers(Vec<f64>),
}

/// What is wrong with a NetCDF file.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{path}: {problem}", path = path.display())]
pub struct NetCdfError {
    pub path: PathBuf,
    pub problem: String,
}

impl NetCdf {
    /// Opens the file and lists what the root group holds.
    ///
    /// # Errors
    /// A file that is not NetCDF, or is damaged.
    pub fn open(path: &Path) -> Result<Self, NetCdfError> {
        let fail = |problem: String| NetCdfError { path: path.to_owned(), problem };
        let bytes = std::fs::metadata(path).map_err(|error| fail(error.to_string()))?.len();
        if bytes == 0 {
            return Err(fail("the file is empty".into()));
        }
        let listing = guarded(|| {
            let options = NcOpenOptions { max_read_bytes: MOST_VALUES as usize * 8, ..Default::default() };
            let file = NcFile::open_with_options(path, options)?;
            let dimensions = file.dimensions()?.iter().map(dimension).collect();
            let variables = file.variables()?.iter().map(variable).collect();
            let attributes = attributes(file.global_attributes()?);
            Ok((file, dimensions, variables, attributes))
        });
        let (file, dimensions, variables, attributes) = listing.map_err(fail)?;
        Ok(NetCdf { path: path.to_owned(), bytes, file, dimensions, variables, attributes })
    }

    pub fn path(&self) -> &Path {
        &self.path
    }

    /// Size of the file in bytes.
    pub fn bytes(&self) -> u64 {
        self.bytes
    }

    /// `NetCDF classic, 64-bit offsets`.
    pub fn format(&self) -> &'static str {
        match self.file.format() {
            NcFormat::Classic => "NetCDF classic",
            NcFormat::Offset64 => "NetCDF classic, 64-bit offsets",
            NcFormat::Cdf5 => "NetCDF classic, 64-bit data",
            NcFormat::Nc4 => "NetCDF-4 (HDF5)",
            NcFormat::Nc4Classic => "NetCDF-4 (HDF5), classic model",
        }
    }

    pub fn variable(&self, name: &str) -> Option<&Variable> {
        self.variables.iter().find(|variable| variable.name == name)
    }

    /// A global attribute's first number.
    pub fn number(&self, name: &str) -> Option<f64> {
        self.attributes.get(name).and_then(Attribute::number)
    }

    /// All values of a variable, unpacked, missing ones as NaN.
    ///
    /// # Errors
    /// No such variable, one of text, one larger than the file could hold, damaged data.
    pub fn read(&self, name: &str) -> Result<ArrayD<f64>, NetCdfError> {
        let variable = self.find(name)?;
        self.check_size(name, variable.shape.iter().copied())?;
        guarded(|| self.file.read_variable_unpacked_masked(name)).map_err(|problem| self.fail(name, problem))
    }

    /// The values of a variable at one index of its first dimension, which is dropped.
    ///
    /// # Errors
    /// Those of [`NetCdf::read`]; an index past the end.
    pub fn read_at(&self, name: &str, index: u64) -> Result<ArrayD<f64>, NetCdfError> {
        let variable = self.find(name)?;
        let Some((&first, rest)) = variable.shape.split_first() else {
            return Err(self.fail(name, "has no dimensions"));
        };
        if index >= first {
            return Err(self.fail(name, format!("has {first} entries, not {}", index + 1)));
        }
        self.check_size(name, rest.iter().copied())?;
        let mut selections = vec![NcSliceInfoElem::Index(index)];
        selections.extend(rest.iter().map(|&end| NcSliceInfoElem::Slice { start: 0, end, step: 1 }));
        let selection = NcSliceInfo { selections };
        guarded(|| self.file.read_variable_slice_unpacked_masked(name, &selection))
            .map_err(|problem| self.fail(name, problem))
    }

    /// [`NetCdf::read`] in single precision.
    ///
    /// # Errors
    /// Those of [`NetCdf::read`].
    pub fn read_f32(&self, name: &str) -> Result<ArrayD<f32>, NetCdfError> {
        Ok(self.read(name)?.mapv(|value| value as f32))
    }

    /// A variable of characters as one string per entry.
    ///
    /// # Errors
    /// No such variable, or one of numbers.
    pub fn read_text(&self, name: &str) -> Result<Vec<String>, NetCdfError> {
        let variable = self.find(name)?;
        self.check_size(name, variable.shape.iter().copied())?;
        guarded(|| self.file.read_variable_as_strings(name)).map_err(|problem| self.fail(name, problem))
    }

    /// The instants of a time coordinate: CF's `minutes since 2005-08-28 00:00:00`, or WRF's `Times` in text.
    ///
    /// # Errors
    /// A variable that is neither, a calendar other than the common one.
    pub fn times(&self, name: &str) -> Result<Vec<Timestamp>, NetCdfError> {
        let variable = self.find(name)?;
        if variable.kind == "char" {
            let texts = self.read_text(name)?;
            let parse =
                |text: &String| instant(text).ok_or_else(|| self.fail(name, format!("`{text}` is no time")));
            return texts.iter().map(parse).collect();
        }
        let values: Vec<f64> = self.read(name)?.iter().copied().collect();
        instants(&values, variable).map_err(|problem| self.fail(name, problem))
    }

    fn find(&self, name: &str) -> Result<&Variable, NetCdfError> {
        self.variable(name).ok_or_else(|| {
            let names: Vec<_> = self.variables.iter().map(|variable| variable.name.as_str()).collect();
            self.fail(name, format!("there is no such variable; the file has {}", names.join(", ")))
        })
    }

    /// Refuses a claim beyond reason before memory is asked for. A compressed file may hold more values than
    /// bytes, but not 4096 times more.
    fn check_size(&self, name: &str, shape: impl Iterator<Item = u64>) -> Result<(), NetCdfError> {
        let values = shape.fold(1u64, u64::saturating_mul);
        if values > MOST_VALUES || values > self.bytes.saturating_mul(4096) {
            return Err(self.fail(name, format!("claims {values} values in a file of {} bytes", self.bytes)));
        }
        Ok(())
    }

    fn fail(&self, name: &str, problem: impl std::fmt::Display) -> NetCdfError {
        NetCdfError { path: self.path.clone(), problem: format!("variable `{name}`: {problem}") }
    }
}

impl std::fmt::Debug for NetCdf {
    fn fmt(&self, out: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        out.debug_struct("NetCdf").field("path", &self.path).field("variables", &self.variables).finish()
    }
}

impl Variable {
    /// An attribute's text.
    pub fn text(&self, name: &str) -> Option<&str> {
        match self.attributes.get(name)? {
            Attribute::Text(text) => Some(text.trim()),
            Attribute::Numbers(_) => None,
        }
    }
}

impl Attribute {
    /// The first number.
    pub fn number(&self) -> Option<f64> {
        match self {
            Attribute::Numbers(numbers) => numbers.first().copied(),
            Attribute::Text(_) => None,
        }
    }
}

/// The library checks what it reads, but a file is any bytes at all: should a damaged one still bring it to a
/// panic, that is a statement about the file and becomes an error like the others.
fn guarded<T>(read: impl FnOnce() -> netcdf_reader::Result<T>) -> Result<T, String> {
    match catch_unwind(AssertUnwindSafe(read)) {
        Ok(Ok(value)) => Ok(value),
        Ok(Err(netcdf_reader::Error::InvalidMagic)) => Err("this is not a NetCDF file".into()),
        Ok(Err(error)) => Err(format!("cannot be read: {error}")),
        Err(_) => Err("damaged beyond reading".into()),
    }
}

fn dimension(dimension: &netcdf_reader::NcDimension) -> Dimension {
    Dimension { name: dimension.name.clone(), size: dimension.size, unlimited: dimension.is_unlimited }
}

fn variable(variable: &netcdf_reader::NcVariable) -> Variable {
    let (kind, numeric) = kind(variable.dtype());
    Variable {
        name: variable.name().to_owned(),
        dimensions: variable.dimensions().iter().map(|dimension| dimension.name.clone()).collect(),
        shape: variable.shape(),
        kind: kind.to_owned(),
        numeric,
        attributes: attributes(variable.attributes()),
    }
}

fn attributes(list: &[netcdf_reader::NcAttribute]) -> BTreeMap<String, Attribute> {
    let value = |value: &NcAttrValue| match (value.as_string(), value.as_f64_vec()) {
        (Some(text), _) => Some(Attribute::Text(text)),
        (None, Some(numbers)) => Some(Attribute::Numbers(numbers)),
        (None, None) => None,
    };
    list.iter().filter_map(|attribute| Some((attribute.name.clone(), value(&attribute.value)?))).collect()
}

fn kind(kind: &NcType) -> (&'static str, bool) {
    match kind {
        NcType::Byte => ("int8", true),
        NcType::Short => ("int16", true),
        NcType::Int => ("int32", true),
        NcType::Int64 => ("int64", true),
        NcType::UByte => ("uint8", true),
        NcType::UShort => ("uint16", true),
        NcType::UInt => ("uint32", true),
        NcType::UInt64 => ("uint64", true),
        NcType::Float => ("float32", true),
        NcType::Double => ("float64", true),
        NcType::Char => ("char", false),
        NcType::String => ("string", false),
        _ => ("compound", false),
    }
}

/// The instants that the values of a coordinate of time stand for, by its attributes `units` and `calendar`.
///
/// # Errors
/// Units that are none of time since an instant, a calendar other than the common one, a value beyond all times.
pub fn instants(values: &[f64], variable: &Variable) -> Result<Vec<Timestamp>, String> {
    let units = variable.text("units").unwrap_or_default();
    let calendar = variable.text("calendar").unwrap_or("standard").to_lowercase();
    if !matches!(calendar.as_str(), "standard" | "gregorian" | "proleptic_gregorian") {
        return Err(format!("the calendar `{calendar}` is not read"));
    }
    let (step, start) =
        since(units).ok_or_else(|| format!("`{units}` is not a unit of time since an instant"))?;
    let place = |&value: &f64| {
        let nanoseconds = (value * step * 1e9).round();
        (nanoseconds.abs() < 9e18)
            .then(|| start.checked_add(SignedDuration::from_nanos(nanoseconds as i64)).ok())
            .flatten()
            .ok_or_else(|| format!("{value} {units} is no time"))
    };
    values.iter().map(place).collect()
}

/// `Hour since 2021-01-30T12:00:00Z`: the step in seconds and the start.
fn since(units: &str) -> Option<(f64, Timestamp)> {
    let (unit, start) = units.split_once(" since ")?;
    let step = match unit.trim().to_lowercase().trim_end_matches('s') {
        "second" | "sec" | "" => 1.0,
        "minute" | "min" => 60.0,
        "hour" | "hr" | "h" => 3600.0,
        "day" | "d" => 86_400.0,
        _ => return None,
    };
    Some((step, instant(start)?))
}

/// `2005-08-28_12:00:00`, `2021-01-30T12:00:00Z`, `1900-01-01 00:00:0.0`, `2010-10-26`.
fn instant(text: &str) -> Option<Timestamp> {
    let text = text.trim().trim_end_matches('\0').replace('_', " ");
    if let Ok(instant) = text.replacen(' ', "T", 1).parse::<Timestamp>() {
        return Some(instant);
    }
    let text = text.trim_end_matches("UTC").trim_end_matches('Z').trim();
    let (date, time) = text.split_once([' ', 'T']).unwrap_or((text, "0:0:0"));
    let mut day = date.splitn(3, '-').map(|part| part.parse::<i16>().ok());
    let mut clock = time.splitn(3, ':').map(|part| part.trim().parse::<f64>().ok());
    let (year, month, day) = (day.next()??, day.next()??, day.next()??);
    let mut part = || clock.next().unwrap_or(Some(0.0)).filter(|value| (0.0..60.0).contains(value));
    let (hour, minute, second) = (part()?, part()?, part()?);
    DateTime::new(year, month as i8, day as i8, hour as i8, minute as i8, second as i8, 0)
        .ok()?
        .to_zoned(TimeZone::UTC)
        .ok()
        .map(|zoned| zoned.timestamp())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn instants_as_files_write_them() {
        let noon: Timestamp = "2005-08-28T12:00:00Z".parse().unwrap();
        for text in
            ["2005-08-28_12:00:00", "2005-08-28T12:00:00Z", "2005-08-28 12:00:0.0", "2005-8-28 12:00 UTC"]
        {
            assert_eq!(instant(text), Some(noon), "{text}");
        }
        assert_eq!(instant("2005-08-28T12:00:00+00:00"), Some(noon));
        assert_eq!(instant("2005-13-28"), None);
        assert_eq!(instant("tomorrow"), None);
        assert_eq!(since("Hour since 2021-01-30T12:00:00Z").map(|(step, _)| step), Some(3600.0));
        assert_eq!(since("months since 2021-01-30"), None);
    }
}
