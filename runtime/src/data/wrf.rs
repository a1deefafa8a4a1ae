//! Output of WRF as an archive: fields on pressure levels and at the surface, north up, winds east and north.
//!
//! WRF keeps pressure and geopotential as base state plus perturbation, temperature as potential temperature
//! less 300 K, humidity as mixing ratio, and winds on the faces of its cells (Arakawa C). From these come
//! - pressure p = P + PB in Pa,
//! - temperature (T + 300 K) · (p / 1000 hPa)^(2/7), WRF's own R/cp,
//! - specific humidity q = r / (1 + r),
//! - winds averaged from the two faces to the centre and turned by COSALPHA and SINALPHA where the file has
//!   them; on a Mercator map the rows run due east, the angle is 0 and nothing is turned,
//! - geopotential height (PH + PHB) / g0, averaged from the two faces; without PH and PHB, hydrostatically from
//!   the ground (see [`hydrostatic`]).
//!
//! The archive offers those usual pressure levels that lie inside every column at every time, so that nothing is
//! extrapolated: the grid has no holes. Source: Skamarock et al., *A Description of the Advanced Research WRF
//! Model Version 4* (NCAR/TN-556+STR), chapters 2 and 3.

use std::path::Path;
use std::sync::{Arc, Mutex, PoisonError};

use jiff::Timestamp;
use ndarray::{Array2, Array3, ArrayD, Axis, Ix2, Ix3, Zip, s};

use super::archive::{Archive, ArchiveField, Available, DataError};
use super::grid::Grid;
use super::netcdf::NetCdf;
use super::vertical::{Columns, Outside, inside_everywhere};

mod place;

/// R/cp of dry air, 287 / 1004.5 in WRF.
const KAPPA: f64 = 2.0 / 7.0;
/// Gas constant of dry air, J/(kg K).
const DRY_AIR: f64 = 287.0;
/// WRF's gravity, which makes heights of geopotential in its files, m/s².
const WRF_GRAVITY: f64 = 9.81;
/// Standard gravity, which defines geopotential height, m/s².
const STANDARD_GRAVITY: f64 = 9.806_65;

/// The pressure levels an archive may offer, in Pa.
const USUAL: [f64; 26] = [
    5_000.0, 7_000.0, 10_000.0, 15_000.0, 20_000.0, 25_000.0, 30_000.0, 35_000.0, 40_000.0, 45_000.0,
    50_000.0, 55_000.0, 60_000.0, 65_000.0, 70_000.0, 75_000.0, 77_500.0, 80_000.0, 82_500.0, 85_000.0,
    87_500.0, 90_000.0, 92_500.0, 95_000.0, 97_500.0, 100_000.0,
];

/// A file of WRF output.
#[derive(Debug)]
pub struct Wrf {
    file: NetCdf,
    identity: String,
    grid: Grid,
    times: Available,
    levels: Vec<f64>,
    /// Absent where the map's rows run due east.
    rotation: Option<place::Rotation>,
    /// The columns of the hour read last: every field on levels needs them.
    columns: Mutex<Option<(u64, Arc<Columns>)>>,
}

impl Wrf {
    /// Opens a `wrfout` file and finds which pressure levels all its columns hold.
    ///
    /// # Errors
    /// A file that is not WRF output, whose times are uneven, whose projection or winds this program cannot
    /// place.
    pub fn open(path: &Path) -> Result<Self, DataError> {
        let file = NetCdf::open(path).map_err(|error| DataError::Archive(error.to_string()))?;
        let lacking: Vec<_> = ["T", "P", "PB", "QVAPOR", "U", "V", "XLAT", "XLONG", "Times"]
            .into_iter()
            .filter(|name| file.variable(name).is_none())
            .collect();
        if !lacking.is_empty() {
            return Err(refuse(
                &file,
                format!("not output of WRF's model: it has no {}", lacking.join(", ")),
            ));
        }
        // With this option some versions keep the potential temperature of moist air under the same name.
        if file.number("USE_THETA_M") == Some(1.0) && file.variable("THM").is_none() {
            return Err(refuse(
                &file,
                "USE_THETA_M = 1 without THM: whether T is of moist air cannot be told",
            ));
        }
        let times = times(&file)?;
        let grid = place::grid(&file)?;
        let rotation = place::rotation(&file)?;
        let identity = format!("wrf {}", digest(path)?);
        let mut wrf =
            Wrf { file, identity, grid, times, levels: Vec::new(), rotation, columns: Mutex::default() };
        wrf.levels = wrf.common_levels()?;
        Ok(wrf)
    }

    /// The pressure levels offered, in Pa, the highest first.
    pub fn levels(&self) -> &[f64] {
        &self.levels
    }

    /// How many levels the model has.
    pub(super) fn model_depth(&self) -> u64 {
        self.file.variable("P").and_then(|variable| variable.shape.get(1).copied()).unwrap_or(0)
    }

    /// Upward wind on model levels in m/s, (K, H, W) as in the file: the mean of the faces below and above.
    pub(super) fn vertical_wind(&self, index: u64) -> Result<Array3<f64>, DataError> {
        Ok(centred(&self.volume("W", index)?, Axis(0)))
    }

    /// Whether the file has a variable.
    pub(super) fn holds(&self, name: &str) -> bool {
        self.file.variable(name).is_some()
    }

    fn common_levels(&self) -> Result<Vec<f64>, DataError> {
        let count = self.file.variable("P").and_then(|variable| variable.shape.first().copied()).unwrap_or(0);
        let mut levels = USUAL.to_vec();
        for index in 0..count {
            levels = inside_everywhere(self.pressure(index)?.view(), &levels)
                .map_err(|error| self.refuse(error))?;
        }
        Ok(levels)
    }

    /// Pressure on model levels in Pa, (K, H, W) as in the file.
    pub(super) fn pressure(&self, index: u64) -> Result<Array3<f64>, DataError> {
        Ok(self.volume("P", index)? + self.volume("PB", index)?)
    }

    /// A field on model levels, (K, H, W) as in the file.
    pub(super) fn model_levels(&self, quantity: Quantity, index: u64) -> Result<Array3<f64>, DataError> {
        Ok(match quantity {
            Quantity::Temperature => temperature(&self.volume("T", index)?, &self.pressure(index)?),
            Quantity::Humidity => self.volume("QVAPOR", index)?.mapv(specific),
            Quantity::Eastward => self.winds(index)?.0,
            Quantity::Northward => self.winds(index)?.1,
            Quantity::Height => self.geopotential(index)?.mapv(|value| value / STANDARD_GRAVITY),
        })
    }

    fn winds(&self, index: u64) -> Result<(Array3<f64>, Array3<f64>), DataError> {
        let u = centred(&self.volume("U", index)?, Axis(2));
        let v = centred(&self.volume("V", index)?, Axis(1));
        if u.dim() != v.dim() {
            return Err(self.refuse("U and V do not have the shapes of a staggered grid"));
        }
        let Some((cosine, sine)) = &self.rotation else { return Ok((u, v)) };
        Ok((&u * cosine - &v * sine, &v * cosine + &u * sine))
    }

    fn geopotential(&self, index: u64) -> Result<Array3<f64>, DataError> {
        if self.file.variable("PH").is_some() && self.file.variable("PHB").is_some() {
            return Ok(centred(&(self.volume("PH", index)? + self.volume("PHB", index)?), Axis(0)));
        }
        let pressure = self.pressure(index)?;
        let temperature = temperature(&self.volume("T", index)?, &pressure);
        let humidity = self.volume("QVAPOR", index)?.mapv(specific);
        let ground = self.area("HGT", index)?.mapv(|height| height * WRF_GRAVITY);
        Ok(hydrostatic(&pressure, &temperature, &humidity, &ground, &self.area("PSFC", index)?))
    }

    /// A surface field, (H, W) as in the file.
    pub(super) fn surface(&self, name: &str, index: u64) -> Result<Array2<f64>, DataError> {
        let wind = |first: bool| -> Result<Array2<f64>, DataError> {
            let (u, v) = (self.area("U10", index)?, self.area("V10", index)?);
            let Some((cosine, sine)) = &self.rotation else { return Ok(if first { u } else { v }) };
            Ok(if first { &u * cosine - &v * sine } else { &v * cosine + &u * sine })
        };
        match name {
            "U10" => wind(true),
            "V10" => wind(false),
            "Q2" => Ok(self.area("Q2", index)?.mapv(specific)),
            name => self.area(name, index),
        }
    }

    fn columns(&self, index: u64) -> Result<Arc<Columns>, DataError> {
        let lock = || self.columns.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some((kept, columns)) = &*lock()
            && *kept == index
        {
            return Ok(Arc::clone(columns));
        }
        let pressure = self.pressure(index)?;
        let columns = Columns::new(pressure.view(), &self.levels, Outside::Missing)
            .map_err(|error| self.refuse(error))?;
        let columns = Arc::new(columns);
        *lock() = Some((index, Arc::clone(&columns)));
        Ok(columns)
    }

    fn volume(&self, name: &str, index: u64) -> Result<Array3<f64>, DataError> {
        let values = self.at(name, index)?;
        values.into_dimensionality::<Ix3>().map_err(|_| self.refuse(format!("{name} has no levels")))
    }

    fn area(&self, name: &str, index: u64) -> Result<Array2<f64>, DataError> {
        let values = self.at(name, index)?;
        values.into_dimensionality::<Ix2>().map_err(|_| self.refuse(format!("{name} is not a map")))
    }

    fn at(&self, name: &str, index: u64) -> Result<ArrayD<f64>, DataError> {
        self.file.read_at(name, index).map_err(|error| DataError::Archive(error.to_string()))
    }

    fn refuse(&self, reason: impl std::fmt::Display) -> DataError {
        refuse(&self.file, reason)
    }
}

impl Archive for Wrf {
    fn name(&self) -> &str {
        "wrf"
    }

    fn identity(&self) -> String {
        self.identity.clone()
    }

    fn fields(&self) -> Vec<ArchiveField> {
        let has = |names: &[&str]| names.iter().all(|name| self.file.variable(name).is_some());
        let levels = LEVELS
            .iter()
            .filter(|(_, quantity, ..)| {
                *quantity != Quantity::Height || has(&["PH", "PHB"]) || has(&["HGT", "PSFC"])
            })
            .filter(|_| !self.levels.is_empty())
            .map(|(from, _, units, description)| (from, units, Some(self.levels.clone()), description));
        let surface = SURFACE
            .iter()
            .filter(|(_, variable, ..)| match *variable {
                "U10" | "V10" => has(&["U10", "V10"]),
                variable => has(&[variable]),
            })
            .map(|(from, _, units, description)| (from, units, None, description));
        levels
            .chain(surface)
            .map(|(from, units, levels, description)| ArchiveField {
                from: (*from).into(),
                units: (*units).into(),
                levels,
                description: (*description).into(),
            })
            .collect()
    }

    fn grid(&self) -> Grid {
        self.grid.clone()
    }

    fn times(&self) -> Available {
        self.times
    }

    fn read(&self, from: &str, time: Timestamp) -> Result<Array3<f32>, DataError> {
        let fields = self.fields();
        if !fields.iter().any(|field| field.from == from) {
            let offered: Vec<_> = fields.iter().map(|field| format!("`{}`", field.from)).collect();
            return Err(DataError::UnknownField {
                archive: self.name().into(),
                field: from.into(),
                offered: offered.join(", "),
            });
        }
        let Available { from: first, to, every } = self.times;
        if !self.times.contains(time) {
            return Err(DataError::UnknownTime { archive: self.name().into(), time, every, from: first, to });
        }
        let index = ((time.as_second() - first.as_second()) / every) as u64;
        let mut values = if let Some((_, quantity, ..)) = LEVELS.iter().find(|(name, ..)| *name == from) {
            let field = self.model_levels(*quantity, index)?.mapv(|value| value as f32);
            self.columns(index)?.apply(field.view()).map_err(|error| self.refuse(error))?
        } else {
            let variable =
                SURFACE.iter().find(|(name, ..)| *name == from).map_or(from, |(_, variable, ..)| variable);
            self.surface(variable, index)?.mapv(|value| value as f32).insert_axis(Axis(0))
        };
        // South is first in the file, north is first here.
        values.invert_axis(Axis(1));
        Ok(values.as_standard_layout().into_owned())
    }
}

/// What is offered on levels.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Quantity {
    Temperature,
    Humidity,
    Eastward,
    Northward,
    Height,
}

/// Name, what it is, unit, description.
const LEVELS: [(&str, Quantity, &str, &str); 5] = [
    ("TMP", Quantity::Temperature, "K", "Air temperature"),
    ("UGRD", Quantity::Eastward, "m/s", "Wind towards the east"),
    ("VGRD", Quantity::Northward, "m/s", "Wind towards the north"),
    ("SPFH", Quantity::Humidity, "kg/kg", "Specific humidity"),
    ("HGT", Quantity::Height, "m", "Geopotential height"),
];

/// Name, WRF's variable, unit, description.
const SURFACE: [(&str, &str, &str, &str); 6] = [
    ("TMP:2 m above ground", "T2", "K", "Air temperature at 2 m"),
    ("SPFH:2 m above ground", "Q2", "kg/kg", "Specific humidity at 2 m"),
    ("UGRD:10 m above ground", "U10", "m/s", "Wind towards the east at 10 m"),
    ("VGRD:10 m above ground", "V10", "m/s", "Wind towards the north at 10 m"),
    ("PRES:surface", "PSFC", "Pa", "Pressure at the ground"),
    ("HGT:surface", "HGT", "m", "Height of the ground"),
];

/// Kelvin, from WRF's potential temperature less 300 K and pressure in Pa.
fn temperature(theta: &Array3<f64>, pressure: &Array3<f64>) -> Array3<f64> {
    let mut temperature = theta.clone();
    Zip::from(&mut temperature)
        .and(pressure)
        .for_each(|value, &p| *value = (*value + 300.0) * (p / 1e5).powf(KAPPA));
    temperature
}

/// Specific humidity from the mixing ratio, both in kg/kg.
fn specific(mixing_ratio: f64) -> f64 {
    mixing_ratio / (1.0 + mixing_ratio)
}

/// The mean of neighbours along an axis: from the faces of cells to their centres.
pub(super) fn centred(field: &Array3<f64>, axis: Axis) -> Array3<f64> {
    let count = field.len_of(axis);
    if count == 0 {
        return field.clone();
    }
    let mut centred = field.slice_axis(axis, (0..count - 1).into()).to_owned();
    centred += &field.slice_axis(axis, (1..count).into());
    centred / 2.0
}

/// Geopotential on model levels, in m²/s², from the ground's (H, W) upward: between two levels
/// Φ₂ - Φ₁ = R · T̄v · ln(p₁/p₂) with the mean of both virtual temperatures Tv = T (1 + 0.608 q), and below the
/// lowest level its own Tv from the surface pressure (H, W). Arrays are (K, H, W), the lowest level first.
pub fn hydrostatic(
    pressure: &Array3<f64>,
    temperature: &Array3<f64>,
    humidity: &Array3<f64>,
    ground: &Array2<f64>,
    surface_pressure: &Array2<f64>,
) -> Array3<f64> {
    let virtual_temperature = temperature * &humidity.mapv(|q| 1.0 + 0.608 * q);
    let mut geopotential = Array3::zeros(pressure.raw_dim());
    for level in 0..pressure.len_of(Axis(0)) {
        let below = level.saturating_sub(1);
        let mean = (&virtual_temperature.slice(s![level, .., ..])
            + &virtual_temperature.slice(s![below, .., ..]))
            / 2.0;
        let (base, from) = match level {
            0 => (ground.clone(), surface_pressure.clone()),
            _ => (
                geopotential.slice(s![below, .., ..]).to_owned(),
                pressure.slice(s![below, .., ..]).to_owned(),
            ),
        };
        let ratio = (from / pressure.slice(s![level, .., ..])).mapv(f64::ln);
        geopotential.slice_mut(s![level, .., ..]).assign(&(base + mean * ratio * DRY_AIR));
    }
    geopotential
}

fn times(file: &NetCdf) -> Result<Available, DataError> {
    let times = file.times("Times").map_err(|error| DataError::Archive(error.to_string()))?;
    let (Some(&from), Some(&to)) = (times.first(), times.last()) else {
        return Err(refuse(file, "it holds no times"));
    };
    let step = |pair: &[Timestamp]| pair[1].as_second() - pair[0].as_second();
    // A single time has no step; an hour stands for it.
    let every = times.windows(2).map(step).next().unwrap_or(3600);
    if every <= 0 || times.windows(2).any(|pair| step(pair) != every) {
        return Err(refuse(file, "its times are not evenly spaced"));
    }
    Ok(Available { from, to, every })
}

fn digest(path: &Path) -> Result<String, DataError> {
    let fail = |source| DataError::File { what: "cannot read", path: path.to_owned(), source };
    let mut hasher = blake3::Hasher::new();
    let mut file = std::fs::File::open(path).map_err(fail)?;
    std::io::copy(&mut file, &mut hasher).map_err(fail)?;
    Ok(hasher.finalize().to_hex()[..16].to_owned())
}

fn refuse(file: &NetCdf, reason: impl std::fmt::Display) -> DataError {
    DataError::Archive(format!("{}: {reason}", file.path().display()))
}

#[cfg(test)]
mod tests {
    use super::*;

    /// In an atmosphere of one temperature heights are R T ln(p0/p) exactly, whatever the levels.
    #[test]
    fn isothermal_heights() {
        let pressure =
            Array3::from_shape_fn((6, 2, 2), |(k, row, _)| 99_000.0 * 0.7f64.powi(k as i32) - row as f64);
        let temperature = Array3::from_elem((6, 2, 2), 250.0);
        let dry = Array3::zeros((6, 2, 2));
        let ground = Array2::from_elem((2, 2), 1962.0);
        let surface = Array2::from_elem((2, 2), 100_000.0);
        let geopotential = hydrostatic(&pressure, &temperature, &dry, &ground, &surface);
        Zip::from(&geopotential).and(&pressure).for_each(|&value, &p| {
            let exact = 1962.0 + DRY_AIR * 250.0 * (100_000.0 / p).ln();
            assert!((value - exact).abs() < 1e-9 * exact, "{value} {exact}");
        });
    }

    #[test]
    fn faces_to_centres() {
        let faces = Array3::from_shape_fn((1, 2, 4), |(_, row, column)| (row * 10 + column * column) as f64);
        let centres = centred(&faces, Axis(2));
        assert_eq!(centres.into_raw_vec_and_offset().0, [0.5, 2.5, 6.5, 10.5, 12.5, 16.5]);
    }

    #[test]
    fn potential_temperature_at_1000_hpa_is_temperature() {
        let theta = Array3::from_elem((1, 1, 2), -10.0);
        let pressure = Array3::from_shape_vec((1, 1, 2), vec![1e5, 5e4]).unwrap();
        let temperature = temperature(&theta, &pressure);
        assert_eq!(temperature[[0, 0, 0]], 290.0);
        assert!((temperature[[0, 0, 1]] - 290.0 * 0.5f64.powf(2.0 / 7.0)).abs() < 1e-12);
    }
}
