//! The data plan: which fields of which archive, on which grid and levels, at which times.

use std::collections::BTreeMap;

use jiff::Timestamp;
use serde::{Deserialize, Serialize};

/// Everything `data prepare` needs to know. Names are the recipe's; all maps and lists are ordered.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, schemars::JsonSchema)]
pub struct DataPlan {
    /// `archive synthetic`: the name of the archive; where it lies is the site's affair.
    pub archive: String,
    pub grid: GridPlan,
    /// Level sets by name.
    pub levels: BTreeMap<String, LevelsPlan>,
    /// Seconds between two samples (`every 1 h`).
    pub every: i64,
    pub train: TimeRange,
    pub validate: Option<TimeRange>,
    pub test: Option<TimeRange>,
    /// Fields read from the archive.
    pub fields: Vec<FieldPlan>,
    /// Fields computed from others, in an order in which each needs only earlier ones.
    pub derived: Vec<DerivedPlan>,
    /// The part of the grid and of the year that samples are taken from.
    #[serde(default, skip_serializing_if = "is_default")]
    pub sampling: SamplingPlan,
    /// What is done about data that are missing or wrong.
    #[serde(default, skip_serializing_if = "is_default")]
    pub repair: RepairPlan,
}

/// Which points and times of the splits are used; all of them by default.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize, schemars::JsonSchema)]
pub struct SamplingPlan {
    /// `archive hrrr.f00`: only analyses are read. Without it, fields over a period come from forecasts.
    #[serde(default, skip_serializing_if = "is_default")]
    pub analyses_only: bool,
    /// A point is used if it lies in one of these; everywhere if there are none.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub regions: Vec<RegionPlan>,
    /// Months of the year, 1 to 12, ascending; all if there are none.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub months: Vec<u8>,
}

/// A box in degrees north and east, both ends included. Where `west > east` it crosses the date line.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize, schemars::JsonSchema)]
pub struct RegionPlan {
    pub south: f64,
    pub north: f64,
    pub west: f64,
    pub east: f64,
}

/// What is done about data that are missing or wrong; nothing by default.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize, schemars::JsonSchema)]
pub struct RepairPlan {
    /// Times that are missing, filled from their neighbours in time.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub gaps: Option<GapPlan>,
    /// Missing points are filled from around them if no more than this many lie together.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub holes: Option<usize>,
    /// Checks by their words in [`crate::vocabulary::REJECTS`]; a time that fails one is left out.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub reject: Vec<String>,
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub debias: Vec<DebiasPlan>,
}

/// Gaps of at most `longest` seconds between two times that are there.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, schemars::JsonSchema)]
pub struct GapPlan {
    pub longest: i64,
    pub method: GapMethod,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, schemars::JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum GapMethod {
    /// On the straight line between the neighbours.
    Linear,
    /// As the nearer neighbour.
    Nearest,
    /// As the earlier neighbour.
    Persistence,
}

/// A field whose distribution is brought to that of a better one, quantile by quantile, over `train`.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, schemars::JsonSchema)]
pub struct DebiasPlan {
    pub field: String,
    pub against_archive: String,
    /// What that archive calls the field.
    pub against_from: String,
    pub quantiles: usize,
}

fn yes() -> bool {
    true
}

fn is_yes(value: &bool) -> bool {
    *value
}

fn is_default<T: Default + PartialEq>(value: &T) -> bool {
    *value == T::default()
}

/// A horizontal grid: a projection with its parameters, row 0 in the north.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, schemars::JsonSchema)]
pub struct GridPlan {
    pub name: String,
    pub projection: Projection,
    /// Cells from west to east.
    pub width: usize,
    /// Cells from north to south.
    pub height: usize,
    /// Distance between neighbouring points in metres; on a grid of latitude and longitude, at the equator.
    pub spacing: f64,
    /// Latitude and longitude in degrees of the south-western point, where it is known; else the grid lies
    /// around the centre of its projection.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub southwest: Option<[f64; 2]>,
}

impl GridPlan {
    /// Whether the easternmost column is a neighbour of the westernmost one.
    #[must_use]
    pub fn wraps(&self) -> bool {
        matches!(self.projection, Projection::LatLon { step, .. } if step * self.width as f64 > 360.0 - step / 2.0)
    }
}

#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, schemars::JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum Projection {
    /// Lambert conformal, one standard parallel, centred on (latitude, longitude) in degrees.
    Lambert { latitude: f64, longitude: f64 },
    /// Mercator, true at `latitude`, centred on (latitude, longitude) in degrees.
    Mercator { latitude: f64, longitude: f64 },
    /// Polar stereographic seen from the north, true at `latitude`, `longitude` pointing down, in degrees.
    Stereographic { latitude: f64, longitude: f64 },
    /// Latitude and longitude themselves: the first point and the step of both, in degrees.
    LatLon { north: f64, west: f64, step: f64 },
}

#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, schemars::JsonSchema)]
pub struct LevelsPlan {
    /// `pressure`, `height` or `index`.
    pub coordinate: String,
    /// In SI units (Pa, m, 1), in the order written.
    pub values: Vec<f64>,
}

/// From the first instant to the last, both included.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, schemars::JsonSchema)]
pub struct TimeRange {
    pub from: Timestamp,
    pub to: Timestamp,
}

#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, schemars::JsonSchema)]
pub struct FieldPlan {
    pub name: String,
    /// What the archive calls it, for instance `REFC:entire atmosphere`.
    pub from: String,
    pub quantity: String,
    /// The canonical unit its values are kept in, for instance `K`.
    pub units: String,
    pub support: SupportPlan,
    /// `max over 1 h`, absent if instantaneous.
    pub cell: Option<String>,
    /// Physical range in `units`; an open end is absent.
    pub range: (Option<f64>, Option<f64>),
    /// Whether the training store keeps it; if not, others are derived from it and that is all.
    #[serde(default = "yes", skip_serializing_if = "is_yes")]
    pub kept: bool,
}

#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, schemars::JsonSchema)]
pub struct DerivedPlan {
    pub name: String,
    /// The kernel of the artefact's module that computes it.
    pub kernel: String,
    /// What the kernel reads, in the kernel's order.
    pub inputs: Vec<String>,
    pub quantity: String,
    pub units: String,
    pub support: SupportPlan,
    pub range: (Option<f64>, Option<f64>),
    /// As [`FieldPlan::kept`].
    #[serde(default = "yes", skip_serializing_if = "is_yes")]
    pub kept: bool,
}

#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, schemars::JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum SupportPlan {
    /// (H, W), constant in time.
    Static,
    /// (H, W) at each time.
    Surface,
    /// (H, W) at each time, one value for a column.
    Column,
    /// (C, H, W) at each time, on this level set.
    Levels(String),
}
