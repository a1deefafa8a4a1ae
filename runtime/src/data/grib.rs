//! GRIB edition 2: what a file holds, and the values of each field.
//!
//! The walk trusts nothing: a message's length must fit the file, its last four bytes must be `7777`, every
//! section must fit the message, and every count is checked before memory is asked for. Fields are known by
//! numbers (discipline, category, number, surfaces), never by short names: see [`names`].
//!
//! Source: WMO Manual on Codes, FM 92 GRIB edition 2, sections 0 to 8 and templates 3.x, 4.x, 5.x.

use std::fmt;
use std::fs::File;
use std::io::{Read, Seek, SeekFrom};
use std::ops::Range;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use ndarray::Array2;

pub mod complex;
pub mod corners;
mod ellipsoid;
pub mod grid;
pub mod names;
pub mod octets;
pub mod packing;
pub mod product;
mod walk;

pub use grid::Grid;
pub use packing::Packing;
pub use product::Product;

/// The most points a field may claim: 268 million, ten times the largest national composite. A file that asks
/// for more is taken to be damaged, not obeyed.
pub const MOST_POINTS: u64 = 1 << 28;

/// A GRIB2 file that has been walked through; values are read on demand.
#[derive(Clone, Debug)]
pub struct Grib {
    path: PathBuf,
    bytes: u64,
    fields: Vec<Field>,
    messages: usize,
    skipped: u64,
}

/// One field: one product on one grid. A message may hold several (U and V together).
#[derive(Clone, Debug)]
pub struct Field {
    /// Number of the message in the file, from 1.
    pub message: usize,
    /// Number of the field in its message, from 1.
    pub part: usize,
    /// Where the message begins in the file.
    pub offset: u64,
    /// Originating centre (common code table C-11; 7 is NCEP).
    pub centre: u16,
    pub product: Product,
    pub grid: Arc<Grid>,
    pub packing: Packing,
    bitmap: Bitmap,
    data: Range<u64>,
}

/// Where the bitmap lies that says which grid points carry a value.
#[derive(Clone, Debug)]
pub(crate) enum Bitmap {
    /// Every point has a value.
    None,
    /// Bits in the file.
    Here(Range<u64>),
    /// A bitmap the centre keeps in its own tables; the values cannot be placed.
    Elsewhere(u8),
}

impl Grib {
    /// Walks the file and reads the description of every field.
    ///
    /// # Errors
    /// Anything that is not a sound GRIB2 file: no message at all, edition 1, a message cut short, a missing
    /// `7777`, sections that do not fit.
    pub fn open(path: &Path) -> Result<Self, GribError> {
        walk::walk(path)
    }

    pub fn path(&self) -> &Path {
        &self.path
    }

    /// Size of the file in bytes.
    pub fn bytes(&self) -> u64 {
        self.bytes
    }

    /// Number of messages, which is at most the number of fields.
    pub fn messages(&self) -> usize {
        self.messages
    }

    /// Bytes outside any message (telecommunication headers, padding).
    pub fn skipped(&self) -> u64 {
        self.skipped
    }

    pub fn fields(&self) -> &[Field] {
        &self.fields
    }

    /// The values of a field in the order of the file (see [`Grid::scanning`]), missing points as NaN.
    ///
    /// # Errors
    /// A packing this program does not read, or data that contradict their own description.
    pub fn values(&self, field: &Field) -> Result<Vec<f64>, GribError> {
        let fail = |problem| self.fail(field, problem);
        let data = self.read(field, &field.data)?;
        let unpacked = packing::unpack(&field.packing, &data).map_err(fail)?;
        let bits = match &field.bitmap {
            Bitmap::None if unpacked.len() as u64 == field.grid.points => return Ok(unpacked),
            Bitmap::None => {
                return Err(fail(Problem::Damaged(format!(
                    "{} values for {} grid points and no bitmap",
                    unpacked.len(),
                    field.grid.points
                ))));
            }
            Bitmap::Here(range) => self.read(field, range)?,
            Bitmap::Elsewhere(code) => {
                return Err(fail(Problem::Unsupported(format!(
                    "bitmap {code} is one the centre keeps in its own tables"
                ))));
            }
        };
        packing::spread(&unpacked, &bits, field.grid.points).map_err(fail)
    }

    /// The values of a field as (height, width), row 0 in the north, columns from west to east.
    ///
    /// # Errors
    /// Those of [`Grib::values`]; a grid without rows and columns (reduced or unknown).
    pub fn image(&self, field: &Field) -> Result<Array2<f32>, GribError> {
        let values = self.values(field)?;
        field.grid.image(&values).map_err(|what| self.fail(field, Problem::Unsupported(what)))
    }

    fn fail(&self, field: &Field, problem: Problem) -> GribError {
        GribError { path: self.path.clone(), place: Some((field.message, field.offset)), problem }
    }

    /// Opening the file anew for each read costs microseconds and lets many threads read at once.
    fn read(&self, field: &Field, range: &Range<u64>) -> Result<Vec<u8>, GribError> {
        let read = || -> std::io::Result<Vec<u8>> {
            let mut file = File::open(&self.path)?;
            file.seek(SeekFrom::Start(range.start))?;
            let mut bytes = vec![0; (range.end - range.start) as usize];
            file.read_exact(&mut bytes)?;
            Ok(bytes)
        };
        read().map_err(|error| self.fail(field, Problem::Read(error.to_string())))
    }
}

impl Field {
    /// `12` or, where the message holds several fields, `12.2`.
    pub fn number(&self) -> String {
        if self.part == 1 { self.message.to_string() } else { format!("{}.{}", self.message, self.part) }
    }

    /// The name forecasters know (`REFC`), or the code (`0.2.220`) where the table has none.
    pub fn name(&self) -> String {
        match names::look_up(self.product.code, self.centre) {
            Some(entry) => entry.name.to_owned(),
            None => self.product.code.to_string(),
        }
    }

    /// The unit the values come in, where the table knows the code.
    pub fn units(&self) -> Option<&'static str> {
        names::look_up(self.product.code, self.centre).map(|entry| entry.units)
    }
}

/// What is wrong with a GRIB file, and where.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub struct GribError {
    pub path: PathBuf,
    /// The message's number, from 1, and its place in the file.
    pub place: Option<(usize, u64)>,
    pub problem: Problem,
}

impl fmt::Display for GribError {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(out, "{}: ", self.path.display())?;
        if let Some((message, offset)) = self.place {
            write!(out, "message {message} (at byte {offset}): ")?;
        }
        write!(out, "{}", self.problem)
    }
}

/// What can be wrong with a GRIB file or one of its messages.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Problem {
    #[error("{0}")]
    Read(String),
    #[error("the file is empty")]
    Empty,
    #[error("no GRIB message in {0} bytes: this is not a GRIB file")]
    NotGrib(u64),
    #[error(
        "GRIB edition {0} is not read, only edition 2: convert the file first, for instance with `cdo -f grb2 copy` or `grib_set -s edition=2`"
    )]
    Edition(u8),
    #[error("the message says {needed} bytes but the file has {left} left: it was cut short, fetch it again")]
    CutShort { needed: u64, left: u64 },
    #[error("the message does not end in `7777`: it is damaged or its length is wrong, fetch it again")]
    NoEnd,
    #[error("damaged: {0}")]
    Damaged(String),
    #[error("not read: {0}")]
    Unsupported(String),
}
