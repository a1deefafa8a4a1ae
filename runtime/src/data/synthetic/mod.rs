//! The archive `synthetic`: a small convective world that is computed, not stored.
//!
//! Every hour is a pure function of (seed, time), so any hour can be made without the others, and it has the same
//! bytes on every machine with IEEE arithmetic: random draws are addressed ChaCha8 streams, elementary functions are
//! this module's own.
//!
//! - **Grid** `plains`: Lambert conformal centred on 38.5° N 97.5° W, 64 by 64 points 12 km apart, row 0 north.
//!   Winds are *earth-relative* (towards east and north).
//! - **Times**: hourly from 2020-01-01T00Z to 2029-12-31T23Z.
//! - **Levels**: 50, 100, 150, 200, 250, 300, 400, 500, 600, 700, 850, 925, 1000 hPa, in this order.
//! - **Environment** ([`sounding`], [`flow`]): the sounding of Weisman and Klemp (1982) with a moisture cap of 11 to
//!   16 g/kg (9 to 17.5 within the waves), cooled at night, under a hodograph of 10 to 35 m/s of shear; thermal waves of 250 to 400 km that drift
//!   with the mean wind; heights in hydrostatic balance with temperature and humidity.
//! - **Storms** ([`storm`]): cells born where air is buoyant, more of them in the afternoon and on the warm side of the
//!   leading wave; they grow, last and decay within six hours, drift with the 0–6 km mean wind and, in strong shear, split into a
//!   right- and a left-mover with Bunkers motion. Each has an echo, an anvil, an updraught bounded by
//!   √(2 CAPE), rotation, a warm core, moistened air and a cold pool with outflow ([`footprint`], [`hour`]).
//!
//! It is a world to learn on, not one to forecast with: there is no dynamics in it beyond what is said here.

pub mod arithmetic;
pub mod draw;
pub mod flow;
pub mod footprint;
pub mod hour;
pub mod sounding;
pub mod storm;
#[cfg(test)]
mod tests;

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex};

use aurora_compiler::plan::data::{GridPlan, Projection};
use jiff::Timestamp;
use ndarray::Array3;

use self::hour::World;
use super::archive::{Archive, ArchiveField, Available, DataError};
use super::grid::Grid;

/// Pressure levels in Pa, in the order of the arrays.
pub const LEVELS: [f64; 13] = [
    5_000.0, 10_000.0, 15_000.0, 20_000.0, 25_000.0, 30_000.0, 40_000.0, 50_000.0, 60_000.0, 70_000.0,
    85_000.0, 92_500.0, 100_000.0,
];

/// Seconds since 1970 of the first hour, 2020-01-01T00Z, and of the last, 2029-12-31T23Z.
pub const FIRST: i64 = 1_577_836_800;
pub const LAST: i64 = 1_893_452_400;
/// The seed of the built-in world. Another seed would be another archive.
pub const SEED: u64 = 1982;
/// Hours kept decoded: enough for every thread of a preparation to come back to its hour for the next field.
const KEPT: usize = 64;

/// A field the archive offers.
#[derive(Clone, Copy, Debug)]
pub struct Offered {
    pub from: &'static str,
    pub units: &'static str,
    pub levels: bool,
    pub description: &'static str,
}

const fn offered(
    from: &'static str,
    units: &'static str,
    levels: bool,
    description: &'static str,
) -> Offered {
    Offered { from, units, levels, description }
}

/// Every field, named as HRRR names it where HRRR has it.
pub const FIELDS: [Offered; 17] = [
    offered("TMP", "K", true, "Air temperature"),
    offered("UGRD", "m/s", true, "Wind towards the east"),
    offered("VGRD", "m/s", true, "Wind towards the north"),
    offered("SPFH", "kg/kg", true, "Specific humidity"),
    offered("HGT", "m", true, "Geopotential height"),
    offered("TMP:2 m above ground", "K", false, "Air temperature at 2 m"),
    offered("SPFH:2 m above ground", "kg/kg", false, "Specific humidity at 2 m"),
    offered("UGRD:10 m above ground", "m/s", false, "Wind towards the east at 10 m"),
    offered("VGRD:10 m above ground", "m/s", false, "Wind towards the north at 10 m"),
    offered("MSLMA:mean sea level", "Pa", false, "Pressure reduced to mean sea level"),
    offered("PRES:surface", "Pa", false, "Pressure at the ground"),
    offered("REFC:entire atmosphere", "dBZ", false, "Composite reflectivity, -10 dBZ without echo"),
    offered("UPDRAFT:entire atmosphere", "m/s", false, "Strongest updraught of the column (not in HRRR)"),
    offered(
        "MXUPHL:5000-2000 m above ground",
        "m^2/s^2",
        false,
        "Largest updraught helicity of the past hour",
    ),
    offered("MNUPHL:5000-2000 m above ground", "m^2/s^2", false, "Least updraught helicity of the past hour"),
    offered("CAPE:255-0 mb above ground", "J/kg", false, "Buoyant energy of the air between the storms"),
    offered("HGT:surface", "m", false, "Height of the ground"),
];

/// The archive. Cheap to make; hours are computed when they are read and the latest few are kept.
#[derive(Debug)]
pub struct Synthetic {
    world: World,
    kept: Mutex<BTreeMap<i64, Arc<Vec<Array3<f32>>>>>,
}

impl Synthetic {
    /// The world of a seed.
    #[must_use]
    pub fn new(seed: u64) -> Self {
        Self { world: World::new(seed, plains()), kept: Mutex::new(BTreeMap::new()) }
    }

    /// The generator behind the archive.
    #[must_use]
    pub fn world(&self) -> &World {
        &self.world
    }

    /// All fields of an hour, in the order of [`FIELDS`].
    fn hour(&self, seconds: i64) -> Arc<Vec<Array3<f32>>> {
        let lock = || self.kept.lock().unwrap_or_else(std::sync::PoisonError::into_inner);
        if let Some(hour) = lock().get(&seconds) {
            return Arc::clone(hour);
        }
        let hour = Arc::new(self.world.hour((seconds - FIRST) as f64));
        let mut kept = lock();
        if kept.len() >= KEPT {
            // Readers go forward in time: the hour furthest behind goes first.
            kept.pop_first();
        }
        kept.insert(seconds, Arc::clone(&hour));
        hour
    }
}

/// The grid of the archive.
#[must_use]
pub fn plains() -> Grid {
    let plan = GridPlan {
        name: "plains".into(),
        southwest: None,
        projection: Projection::Lambert { latitude: 38.5, longitude: -97.5 },
        width: 64,
        height: 64,
        spacing: 12_000.0,
    };
    Grid::new(&plan).expect("the constants above are a grid")
}

impl Archive for Synthetic {
    fn name(&self) -> &str {
        "synthetic"
    }

    fn identity(&self) -> String {
        format!("synthetic version 2 seed {}", self.world.seed)
    }

    fn fields(&self) -> Vec<ArchiveField> {
        FIELDS
            .iter()
            .map(|field| ArchiveField {
                from: field.from.into(),
                units: field.units.into(),
                levels: field.levels.then(|| LEVELS.to_vec()),
                description: field.description.into(),
            })
            .collect()
    }

    fn grid(&self) -> Grid {
        self.world.grid.clone()
    }

    fn times(&self) -> Available {
        let at = |seconds| Timestamp::from_second(seconds).unwrap_or(Timestamp::UNIX_EPOCH);
        Available { from: at(FIRST), to: at(LAST), every: 3600 }
    }

    fn read(&self, from: &str, time: Timestamp) -> Result<Array3<f32>, DataError> {
        let Some(position) = FIELDS.iter().position(|field| field.from == from) else {
            let offered: Vec<String> = FIELDS.iter().map(|field| format!("`{}`", field.from)).collect();
            return Err(DataError::UnknownField {
                archive: "synthetic".into(),
                field: from.into(),
                offered: offered.join(", "),
            });
        };
        let times = self.times();
        if !times.contains(time) {
            let Available { from, to, every } = times;
            return Err(DataError::UnknownTime { archive: "synthetic".into(), time, every, from, to });
        }
        Ok(self.hour(time.as_second())[position].clone())
    }
}
