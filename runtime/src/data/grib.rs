//! GRIB edition 2: what a file holds, and the values of each field.
//!
//! The walk trusts nothing: a message's length must fit the file, its last four bytes must be `7777`, every
//! section must fit the message, and every count is checked before memory is asked for. Fields are known by
//! numbers (discipline, category, number, surfaces), never by short names: see [`names`].
//!
//! **Why not a crate alone.** Of the 1096 fields of the test data gribberish 1.9 passes over 126 that are not the first of their
//! message; grib 0.20 finds them all but refuses eleven, among them those whose bitmap is an earlier field's (code
//! 254), and neither can be told the most memory that a damaged file may ask for. What a core decodes, in
//! millions of values a second (`cargo bench -p aurora-runtime --bench decode`, on memory that was touched before):
//!
//! | field | packing | here | gribberish | grib |
//! |---|---|---|---|---|
//! | HRRR, TMP | 5.3 | 380 | 95 | 73 |
//! | HRRR, HPBL | 5.3 | 351 | 71 | 66 |
//! | HRRR, UGRD | 5.0 | 927 | 79 | 207 |
//! | HRRR's grid, temperature | 5.42 | 112 | 116 | 42 |
//!
//! So plain and complex packing are decoded here, CCSDS by gribberish, JPEG 2000 and PNG by libraries of their own.
//!
//! **Memory.** A walk takes no more than the descriptions it reads. A constant field, and one of a few bits, is kept as
//! its description until its values are asked for; then its points may be up to [`MOST_POINTS`] if its bytes back them,
//! and up to [`MOST_THIN_POINTS`] (256 MiB) if the values take more than [`MOST_GROWTH`] times its bytes. What knows
//! which grid it expects, as an archive does, compares the grids first and asks for nothing larger.
//!
//! Source: WMO Manual on Codes, FM 92 GRIB edition 2, sections 0 to 8 and templates 3.x, 4.x, 5.x.

use std::borrow::Cow;
use std::fmt;
use std::fs::File;
use std::io::{BufReader, Cursor, Read, Seek, SeekFrom};
use std::ops::Range;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use ndarray::{Array2, ArrayViewMut2};

use super::files::Files;

pub mod complex;
pub mod corners;
mod ellipsoid;
pub mod encode;
pub mod grid;
pub mod names;
pub mod octets;
pub mod packing;
pub mod product;
mod remote;
mod walk;
pub mod words;

pub use grid::Grid;
pub use packing::{Number, Packing};
pub use product::Product;

/// The most points a field may claim: 268 million, ten times the largest national composite. A file that asks
/// for more is taken to be damaged, not obeyed.
pub const MOST_POINTS: u64 = 1 << 28;

/// The most points a field may claim whose values take more than [`MOST_GROWTH`] times its bytes: 33 million, so that
/// a national composite of which almost nothing is rain can be read and a few damaged bytes ask for 256 MiB at most.
pub const MOST_THIN_POINTS: u64 = 1 << 25;
/// How many times the bytes of a field its values may take without being counted.
pub const MOST_GROWTH: u64 = 16;

/// GRIB2 that has been walked through, from a file here or elsewhere or from bytes; values are read on demand.
#[derive(Clone, Debug)]
pub struct Grib {
    path: PathBuf,
    source: Source,
    bytes: u64,
    fields: Vec<Field>,
    messages: usize,
    skipped: u64,
}

/// Where the bytes are.
#[derive(Clone, Debug)]
enum Source {
    Disk,
    Memory(Arc<[u8]>),
    Elsewhere(Arc<dyn Files>, String),
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
    /// The whole message in the file.
    whole: Range<u64>,
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
    /// Walks a file and reads the description of every field.
    ///
    /// # Errors
    /// Anything that is not a sound GRIB2 file: no message at all, edition 1, a message cut short, a missing
    /// `7777`, sections that do not fit.
    pub fn open(path: &Path) -> Result<Self, GribError> {
        let io = |error: std::io::Error| GribError {
            path: path.to_owned(),
            place: None,
            problem: Problem::Read(crate::talk::reason(&error)),
        };
        let file = File::open(path).map_err(io)?;
        let length = file.metadata().map_err(io)?.len();
        let walked = walk::walk(&mut BufReader::new(file), path, length, 0)?;
        Ok(Self::of(path.to_owned(), Source::Disk, length, walked))
    }

    /// Walks some messages of a file that are at hand, without the rest of it. `name` is the file and `offset` the place
    /// of the bytes in it, for what is said about them.
    ///
    /// # Errors
    /// As [`Grib::open`].
    pub fn of_bytes(name: &Path, bytes: Vec<u8>, offset: u64) -> Result<Self, GribError> {
        let walked = walk::walk(&mut Cursor::new(&bytes), name, bytes.len() as u64, offset)?;
        let length = bytes.len() as u64;
        Ok(Self::of(name.to_owned(), Source::Memory(bytes.into()), length, walked))
    }

    /// Walks a file of a place, reading of it only what describes its fields.
    ///
    /// # Errors
    /// As [`Grib::open`]; a place that cannot be read.
    pub fn of_files(files: &Arc<dyn Files>, path: &str) -> Result<Self, GribError> {
        let name = PathBuf::from(format!("{}/{path}", files.place()));
        let fail =
            |reason: String| GribError { path: name.clone(), place: None, problem: Problem::Read(reason) };
        let length = files
            .length(path)
            .map_err(|error| fail(error.reason))?
            .ok_or_else(|| fail("it is not there".into()))?;
        let walked = walk::walk(&mut remote::Reader::new(files.as_ref(), path, length), &name, length, 0)?;
        Ok(Self::of(name, Source::Elsewhere(Arc::clone(files), path.to_owned()), length, walked))
    }

    fn of(path: PathBuf, source: Source, bytes: u64, walked: walk::Walked) -> Self {
        let walk::Walked { fields, messages, skipped } = walked;
        Grib { path, source, bytes, fields, messages, skipped }
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

    /// The values of a field in the order of the file (see [`Grid::scanning`]), missing points as NaN; in single
    /// precision they are those of double precision, rounded.
    ///
    /// # Errors
    /// A packing this program does not read, or data that contradict their own description.
    pub fn values<N: Number>(&self, field: &Field) -> Result<Vec<N>, GribError> {
        let fail = |problem| self.fail(field, problem);
        field.fits::<N>().map_err(fail)?;
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
        let mut image = Array2::zeros(field.grid.shape.map_or((0, 0), |(columns, rows)| (rows, columns)));
        self.image_into(field, image.view_mut())?;
        Ok(image)
    }

    /// As [`Grib::image`], into a plane of (height, width).
    ///
    /// # Errors
    /// Those of [`Grib::image`]; a plane of another shape.
    pub fn image_into(&self, field: &Field, mut plane: ArrayViewMut2<'_, f32>) -> Result<(), GribError> {
        let one_each = matches!(field.bitmap, Bitmap::None) && field.packing.values == field.grid.points;
        if let Some(mut rows) = field.grid.rows(plane.view_mut()).filter(|_| one_each) {
            let fail = |problem| self.fail(field, problem);
            field.fits::<f32>().map_err(fail)?;
            let data = self.read(field, &field.data)?;
            return packing::unpack_by(&field.packing, &data, &mut |part| rows.take(part)).map_err(fail);
        }
        let values = self.values(field)?;
        field.grid.turn(values, plane).map_err(|what| self.fail(field, Problem::Unsupported(what)))
    }

    fn fail(&self, field: &Field, problem: Problem) -> GribError {
        GribError { path: self.path.clone(), place: Some((field.message, field.offset)), problem }
    }

    /// Opening the file anew for each read costs microseconds and lets many threads read at once.
    fn read(&self, field: &Field, range: &Range<u64>) -> Result<Cow<'_, [u8]>, GribError> {
        let disk = || -> std::io::Result<Vec<u8>> {
            let mut file = File::open(&self.path)?;
            file.seek(SeekFrom::Start(range.start))?;
            let mut bytes = vec![0; (range.end - range.start) as usize];
            file.read_exact(&mut bytes)?;
            Ok(bytes)
        };
        let bytes = match &self.source {
            Source::Disk => disk().map(Cow::from).map_err(|error| error.to_string()),
            Source::Memory(bytes) => bytes
                .get(range.start as usize..range.end as usize)
                .map(Cow::from)
                .ok_or_else(|| "its bytes are not at hand".to_string()),
            Source::Elsewhere(files, path) => {
                files.read(path, range.clone()).map(Cow::from).map_err(|error| error.reason)
            }
        };
        bytes.map_err(|reason| self.fail(field, Problem::Read(reason)))
    }
}

impl Field {
    /// The value of a field that is the same at every point: such a field is kept in a few bytes, whatever its grid.
    pub fn constant(&self) -> Option<f64> {
        matches!(self.bitmap, Bitmap::None).then(|| self.packing.constant()).flatten()
    }

    /// Whether the values may be asked for: what takes many times its bytes does so only up to a limit.
    pub fn fits<N>(&self) -> Result<(), Problem> {
        let bitmap = match &self.bitmap {
            Bitmap::Here(range) => range.end - range.start,
            _ => 0,
        };
        let bytes = self.data.end - self.data.start + bitmap;
        let points = self.grid.points;
        let size = points.saturating_mul(size_of::<N>() as u64);
        match points > MOST_THIN_POINTS && size > bytes.saturating_mul(MOST_GROWTH) {
            false => Ok(()),
            true => Err(Problem::Damaged(format!("{points} points in {bytes} bytes of data"))),
        }
    }

    /// `12` or, where the message holds several fields, `12.2`.
    pub fn number(&self) -> String {
        if self.part == 1 { self.message.to_string() } else { format!("{}.{}", self.message, self.part) }
    }

    /// Where its message lies in the file.
    pub fn bytes(&self) -> Range<u64> {
        self.whole.clone()
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
