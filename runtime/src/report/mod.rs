//! The report of a run: one HTML file with scores, curves and maps, readable without a network.
//!
//! What always holds: the same input gives the same bytes; nothing is loaded from anywhere else; all text of the
//! input is escaped; what is missing or undefined is said in words.

mod chart;
mod colour;
mod curves;
pub mod data;
mod diagram;
mod grid_values;
mod headline;
mod map;
mod page;
mod score_table;
pub mod skewt;

use std::io::Write;
use std::path::Path;

use ndarray::Array2;
use serde::{Deserialize, Serialize};

use crate::evaluate::ScoreRow;

pub use headline::{Headline, headline};
pub use map::picture;

/// Everything a report shows.
#[derive(Debug, Clone, Default)]
pub struct ReportInput {
    /// Heading of the page.
    pub title: String,
    /// Name of the recipe.
    pub name: String,
    /// Hash of the plan, in hexadecimal.
    pub hash: String,
    /// The recipe as written.
    pub recipe_text: String,
    /// Facts in the order to be shown, such as ("parameters", "1.2 million").
    pub facts: Vec<(String, String)>,
    /// Points of the training curves, in the order of the training.
    pub losses: Vec<LossPoint>,
    /// Scores, as in `scores.jsonl`.
    pub scores: Vec<ScoreRow>,
    /// Maps, one row per valid time and lead.
    pub maps: Vec<MapRow>,
    /// Latitude of each cell of the maps in degrees north, (rows, columns).
    pub latitude: Option<Array2<f64>>,
    /// Longitude of each cell of the maps in degrees east, (rows, columns).
    pub longitude: Option<Array2<f64>>,
    /// What went wrong or limits the run, a sentence each.
    pub problems: Vec<String>,
    /// Commands that produce this report again, in order.
    pub reproduce: Vec<String>,
}

/// One value of one training curve.
#[derive(Debug, Clone, PartialEq)]
pub struct LossPoint {
    /// Phase of the training.
    pub phase: String,
    /// Optimiser step.
    pub step: u64,
    /// `train` or `validate`.
    pub split: String,
    /// Name of the loss or of its term.
    pub name: String,
    /// Its value.
    pub value: f64,
}

/// Maps of one valid time side by side, on one colour scale.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct MapRow {
    /// Valid time and lead in words.
    pub caption: String,
    /// The maps.
    pub panels: Vec<Panel>,
    /// What they show.
    pub field: MapField,
}

/// One map.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Panel {
    /// `truth`, `forecast`, `persistence` or the like.
    pub label: String,
    /// Values, (rows, columns); NaN where missing.
    #[serde(with = "grid_values")]
    pub values: Array2<f32>,
}

/// What a map shows, which decides its colours.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum MapField {
    /// Radar reflectivity in dBZ, in the steps of 5 dBZ the National Weather Service uses.
    Reflectivity,
    /// Any other field, from its smallest to its largest value.
    Continuous {
        /// Units of the field.
        units: String,
        /// Name of the field.
        label: String,
    },
}

/// Why a report could not be made.
#[derive(Debug, thiserror::Error)]
pub enum ReportError {
    /// A curve could not be drawn.
    #[error("could not draw a chart: {0}")]
    Chart(String),
    /// A map could not be encoded.
    #[error("could not encode a map: {0}")]
    Map(#[from] png::EncodingError),
    /// The file could not be written.
    #[error("could not write the report {path}: {error}; is the disk full or the folder read-only?")]
    Write {
        /// The file.
        path: String,
        /// What the system said.
        error: std::io::Error,
    },
}

/// The report as one HTML text.
///
/// # Errors
/// [`ReportError::Chart`] or [`ReportError::Map`] if a drawing fails.
pub fn html(input: &ReportInput) -> Result<String, ReportError> {
    Ok(page::page(input)?.into_string())
}

/// Writes the report: to a temporary file beside `path`, which is synced and then renamed.
///
/// # Errors
/// As [`html`], and [`ReportError::Write`].
pub fn write(path: &Path, input: &ReportInput) -> Result<(), ReportError> {
    let text = html(input)?;
    write_whole(path, text.as_bytes())
        .map_err(|error| ReportError::Write { path: path.display().to_string(), error })
}

fn write_whole(path: &Path, bytes: &[u8]) -> std::io::Result<()> {
    let folder = path.parent().filter(|folder| !folder.as_os_str().is_empty()).unwrap_or(Path::new("."));
    let mut builder = tempfile::Builder::new();
    #[cfg(unix)]
    builder.permissions(std::os::unix::fs::PermissionsExt::from_mode(0o666));
    let mut file = builder.prefix(".report").suffix(".html").tempfile_in(folder)?;
    file.write_all(bytes)?;
    file.as_file().sync_all()?;
    file.persist(path)?;
    Ok(())
}

#[cfg(test)]
mod tests;
