//! Files of variables by the CF conventions as an archive: one file, a folder of NetCDF files that follow one another in
//! time, or a Zarr store (version 2 or 3), which may lie on a server; ERA5 as the Climate Data Store or ARCO have it, and
//! whatever is like it.
//!
//! What a variable is, where it lies and when is told by its standard name, its own name, its coordinates and units
//! (`data::source`). It is offered under its own name and, where it is known, under those of ECMWF (`2t`, `z:surface`) and of
//! NCEP's inventories (`TMP:2 m above ground`), so that std.era5 fits files of any naming. Values come in SI, unpacked,
//! missing ones as NaN; the first latitude is the northernmost whatever the file has.

use std::collections::BTreeSet;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use aurora_compiler::plan::data::{GridPlan, Projection};
use jiff::Timestamp;
use ndarray::Array3;

use super::{Archive, ArchiveField, Available, DataError, Request};
use crate::data::files::{Files, Wanted};
use crate::data::grid::{EARTH_RADIUS, Grid};
use crate::data::netcdf::Attribute;
use crate::data::source::{Coordinates, Found, Offer, Place, Sources, What, Where};

#[cfg(test)]
mod tests;

/// The archive.
#[derive(Debug)]
pub struct Cf {
    name: String,
    sources: Sources,
    /// The server it is on.
    files: Option<Arc<dyn Files>>,
    grid: Grid,
    times: Available,
    present: BTreeSet<Timestamp>,
    /// Every name with what it stands for; some fields have several.
    fields: Vec<(ArchiveField, Found)>,
    identity: String,
}

/// Counts what reading a field means: a store that was made of another meaning is not taken for one of this.
const MEANING: u32 = 2;

/// What ECMWF calls fields that are known by their names only: the name of the variable, ECMWF's short one.
const COMMON: [(&str, &str); 24] = [
    ("100m_u_component_of_wind", "100u"),
    ("100m_v_component_of_wind", "100v"),
    ("u100", "100u"),
    ("v100", "100v"),
    ("air_pressure_at_mean_sea_level", "msl"),
    ("mean_sea_level_pressure", "msl"),
    ("air_pressure_at_sea_level", "msl"),
    ("skin_temperature", "skt"),
    ("boundary_layer_height", "blh"),
    ("atmosphere_boundary_layer_thickness", "blh"),
    ("total_precipitation", "tp"),
    ("convective_available_potential_energy", "cape"),
    ("atmosphere_convective_available_potential_energy", "cape"),
    ("convective_inhibition", "cin"),
    ("total_column_water_vapour", "tcwv"),
    ("atmosphere_mass_content_of_water_vapor", "tcwv"),
    ("total_cloud_cover", "tcc"),
    ("cloud_area_fraction", "tcc"),
    ("land_sea_mask", "lsm"),
    ("land_binary_mask", "lsm"),
    ("soil_type", "slt"),
    ("sea_surface_temperature", "sst"),
    ("sea_ice_cover", "ci"),
    ("snow_depth", "sd"),
];

impl Cf {
    /// Opens a file, a Zarr folder, or all NetCDF files of a folder.
    ///
    /// # Errors
    /// What cannot be read, files on different grids, a grid that no recipe can name, uneven times.
    pub fn open(name: &str, path: &Path) -> Result<Cf, DataError> {
        let sources = Sources::open(&inputs(path)?).map_err(|error| DataError::Archive(error.to_string()))?;
        Cf::of(name, sources, None, &path.display().to_string())
    }

    /// A Zarr store on a server.
    ///
    /// # Errors
    /// As [`Cf::open`]; a server that does not tell which arrays it has.
    pub fn served(name: &str, files: Arc<dyn Files>) -> Result<Cf, DataError> {
        let sources = Sources::served(&files).map_err(|error| DataError::Archive(error.to_string()))?;
        let place = files.place();
        Cf::of(name, sources, Some(files), &place)
    }

    fn of(name: &str, sources: Sources, files: Option<Arc<dyn Files>>, place: &str) -> Result<Cf, DataError> {
        let fail = |reason: String| DataError::Archive(format!("{place}: {reason}"));
        let grid = Grid::new(&plan(sources.place()).map_err(fail)?)?;
        let present: BTreeSet<Timestamp> = sources.times().into_iter().collect();
        let times = available(&present).map_err(fail)?;
        let fields = fields(&sources);
        let identity = identity(&sources, &fields, times.from)?;
        Ok(Cf { name: name.to_string(), sources, files, grid, times, present, fields, identity })
    }

    fn found(&self, from: &str) -> Result<Found, DataError> {
        if let Some((_, found)) = self.fields.iter().find(|(field, _)| field.from == from) {
            return Ok(*found);
        }
        let offered: Vec<String> = self.fields.iter().map(|(field, _)| format!("`{}`", field.from)).collect();
        let left_out: Vec<String> = self.left_out().iter().map(|note| format!("; {note}")).collect();
        Err(DataError::UnknownField {
            archive: self.name.clone(),
            field: from.to_string(),
            offered: offered.join(", ") + &left_out.concat(),
        })
    }
}

/// The files of a place: itself, or those of a folder that end in `.nc`, by name.
fn inputs(path: &Path) -> Result<Vec<PathBuf>, DataError> {
    let unread = |source| DataError::File { what: "cannot read", path: path.to_path_buf(), source };
    let zarr = ["zarr.json", ".zgroup", ".zmetadata"].iter().any(|name| path.join(name).is_file());
    if zarr || !std::fs::metadata(path).map_err(unread)?.is_dir() {
        return Ok(vec![path.to_path_buf()]);
    }
    let mut files = Vec::new();
    for entry in std::fs::read_dir(path).map_err(unread)? {
        let file = entry.map_err(unread)?.path();
        let netcdf = file.extension().is_some_and(|ending| ending == "nc" || ending == "nc4");
        files.extend(netcdf.then_some(file));
    }
    files.sort();
    match files.is_empty() {
        true => Err(DataError::Archive(format!(
            "{}: neither a Zarr store nor NetCDF files (*.nc)",
            path.display()
        ))),
        false => Ok(files),
    }
}

fn available(present: &BTreeSet<Timestamp>) -> Result<Available, String> {
    let (Some(from), Some(to)) = (present.first().copied(), present.last().copied()) else {
        return Err("no variable of it has times".into());
    };
    let seconds: Vec<i64> = present.iter().map(|time| time.as_second()).collect();
    // Months that are missing leave gaps, but every time lies on the same steps.
    let every = seconds.windows(2).map(|two| two[1] - two[0]).min().unwrap_or(3600);
    match seconds.iter().find(|second| (**second - from.as_second()) % every != 0) {
        Some(_) => Err(format!("its times are uneven: {every} s apart, and otherwise")),
        None => Ok(Available { from, to, every }),
    }
}

/// The grid as a recipe names it.
fn plan(place: &Place) -> Result<GridPlan, String> {
    let (width, height) = (place.width, place.height);
    let of = |projection, spacing, southwest| GridPlan {
        name: "grid".into(),
        projection,
        width,
        height,
        spacing,
        southwest,
    };
    let degrees = |value: f64| (value * 1e6).round() / 1e6;
    if let Some(Coordinates::Regular { latitude, longitude }) = &place.coordinates {
        let (Some(north), Some(west), Some(second)) = (latitude.first(), longitude.first(), longitude.get(1))
        else {
            return Err("a grid of one column".into());
        };
        let step = degrees(step_of(*west, *second, longitude));
        // Files keep coordinates in single precision: a thousandth of a degree is no other grid.
        let near = |index: usize, value: f64, first: f64, sign: f64| {
            let apart = (value - first - sign * step * index as f64 + 180.0).rem_euclid(360.0) - 180.0;
            apart.abs() < 1e-3
        };
        let even = latitude.iter().enumerate().all(|(row, value)| near(row, *value, *north, -1.0))
            && longitude.iter().enumerate().all(|(column, value)| near(column, *value, *west, 1.0));
        if !even || step <= 0.0 {
            return Err("its latitudes and longitudes are not evenly spaced, or not alike".into());
        }
        let projection = Projection::LatLon { north: degrees(*north), west: degrees(*west), step };
        return Ok(of(projection, step.to_radians() * EARTH_RADIUS, None));
    }
    let spacing = place
        .spacing()
        .ok_or("where its points lie on the map is not said, or they are not evenly spaced")?;
    let spacing = (spacing * 1e3).round() / 1e3;
    let projection = mapped(place)?;
    let southwest = place
        .at(height.saturating_sub(1), 0)
        .map(|(north, east)| [degrees(north), degrees((east + 180.0).rem_euclid(360.0) - 180.0)]);
    Ok(of(projection, spacing, southwest))
}

/// The step of longitudes, taken over all of them: single precision is too coarse for the difference of two.
fn step_of(west: f64, second: f64, longitude: &[f64]) -> f64 {
    let rough = (second - west).rem_euclid(360.0);
    let (Some(last), steps) = (longitude.last(), longitude.len().saturating_sub(1).max(1) as f64) else {
        return rough;
    };
    let turns = ((rough * steps - (last - west)) / 360.0).round();
    (last - west + 360.0 * turns) / steps
}

/// CF's grid mapping (appendix F), of the kinds that recipes have.
fn mapped(place: &Place) -> Result<Projection, String> {
    let attributes = &place.mapping.as_ref().ok_or("it has no grid mapping")?.attributes;
    let number = |name: &str| attributes.get(name).and_then(Attribute::number);
    let kind = match attributes.get("grid_mapping_name") {
        Some(Attribute::Text(kind)) => kind.as_str(),
        _ => "?",
    };
    let parallels: Vec<f64> = match attributes.get("standard_parallel") {
        Some(Attribute::Numbers(numbers)) => numbers.clone(),
        _ => Vec::new(),
    };
    let one = parallels.first().filter(|first| parallels.iter().all(|other| other == *first));
    let projection = match kind {
        "lambert_conformal_conic" => one
            .zip(number("longitude_of_central_meridian"))
            .map(|(latitude, longitude)| Projection::Lambert { latitude: *latitude, longitude }),
        "polar_stereographic" => one
            .zip(number("straight_vertical_longitude_from_pole"))
            .map(|(latitude, longitude)| Projection::Stereographic { latitude: *latitude, longitude }),
        "mercator" => one
            .zip(number("longitude_of_projection_origin"))
            .map(|(latitude, longitude)| Projection::Mercator { latitude: *latitude, longitude }),
        _ => None,
    };
    projection.ok_or_else(|| format!("its grid mapping `{kind}` is not one that recipes have"))
}

/// Every name of every field, the first that has it.
fn fields(sources: &Sources) -> Vec<(ArchiveField, Found)> {
    let mut list: Vec<(ArchiveField, Found)> = Vec::new();
    // By what they are first: `z` is the geopotential on levels before any variable that a file calls so.
    for by_what in [true, false] {
        for (found, offer) in sources.all() {
            let Some(units) = sources.units(found) else { continue };
            let names = if by_what { known_names(offer) } else { own_names(offer) };
            for from in names.into_iter().filter(|name| !name.is_empty()) {
                if list.iter().any(|(field, _)| field.from == from) {
                    continue;
                }
                let levels = match &offer.place {
                    Where::Pressure(levels) | Where::Model(levels) => Some(levels.clone()),
                    _ => None,
                };
                let description = format!("`{}` of {}", offer.name, sources.formats());
                list.push((ArchiveField { from, units: units.clone(), levels, description }, found));
            }
        }
    }
    list
}

fn known_names(offer: &Offer) -> Vec<String> {
    let Some(what) = offer.what else { return Vec::new() };
    // ECMWF's letter or name, and NCEP's.
    let (letter, parameter) = match what {
        What::Temperature => ("t", "TMP"),
        What::Dewpoint => ("d", "DPT"),
        What::SpecificHumidity => ("q", "SPFH"),
        What::MixingRatio => ("", "MIXR"),
        What::RelativeHumidity => ("r", "RH"),
        What::Eastward => ("u", "UGRD"),
        What::Northward => ("v", "VGRD"),
        What::Height => ("gh", "HGT"),
        What::Geopotential => ("z", "GP"),
        What::Pressure => ("pres", "PRES"),
        What::Vertical => ("", "DZDT"),
        What::Omega => ("w", "VVEL"),
    };
    match &offer.place {
        Where::Pressure(_) | Where::Model(_) => vec![letter.into(), parameter.into()],
        Where::Above(metres) => {
            let letter = if what == What::SpecificHumidity { "sh" } else { letter };
            let short = if letter.is_empty() { String::new() } else { format!("{metres}{letter}") };
            vec![short, format!("{parameter}:{metres} m above ground")]
        }
        Where::Surface => {
            let short = match what {
                What::Pressure => "sp",
                What::Geopotential => "z:surface",
                What::Height => "orog",
                What::Temperature => "skt",
                _ => "",
            };
            vec![short.into(), format!("{parameter}:surface")]
        }
        Where::Other(_) => Vec::new(),
    }
}

fn own_names(offer: &Offer) -> Vec<String> {
    let common = COMMON.iter().find(|(name, _)| offer.name.eq_ignore_ascii_case(name));
    vec![offer.name.clone(), common.map_or_else(String::new, |(_, short)| (*short).to_string())]
}

/// By what the files offer and the values of one field at the first time: they tell one archive from another and stay
/// when later times come.
fn identity(
    sources: &Sources,
    fields: &[(ArchiveField, Found)],
    from: Timestamp,
) -> Result<String, DataError> {
    let mut hash = blake3::Hasher::new();
    hash.update(format!("{:?}", (sources.place().height, sources.place().width)).as_bytes());
    for (field, _) in fields {
        hash.update(field.from.as_bytes());
    }
    let changes = |found: Found| !sources.offer(found).times.is_empty() && !sources.is_fixed(found);
    let changing = fields.iter().find(|(_, found)| changes(*found));
    if let Some((field, found)) = changing.filter(|(_, found)| sources.has(*found, Some(from))) {
        let values =
            sources.read(*found, Some(from)).map_err(|error| DataError::Archive(error.to_string()))?;
        hash.update(field.from.as_bytes());
        for value in &values {
            hash.update(&value.to_le_bytes());
        }
    }
    Ok(format!("cf {MEANING} since {from} {}", hash.finalize().to_hex()))
}

impl Archive for Cf {
    fn name(&self) -> &str {
        &self.name
    }

    fn identity(&self) -> String {
        self.identity.clone()
    }

    fn fields(&self) -> Vec<ArchiveField> {
        self.fields.iter().map(|(field, _)| field.clone()).collect()
    }

    fn grid(&self) -> Grid {
        self.grid.clone()
    }

    fn times(&self) -> Available {
        self.times
    }

    fn left_out(&self) -> Vec<String> {
        self.sources.notes()
    }

    fn has(&self, time: Timestamp) -> bool {
        self.present.contains(&time)
    }

    fn absence(&self, wanted: &[Request<'_>], time: Timestamp) -> Option<String> {
        if !self.has(time) {
            return Some(format!("the archive `{}` has nothing at {time}", self.name));
        }
        let lacks = |request: &&Request<'_>| {
            let found = self.fields.iter().find(|(field, _)| field.from == request.from);
            // What has one time only is no series with a gap: reading it says what is wrong.
            found.is_some_and(|(_, found)| {
                !self.sources.has(*found, Some(time)) && self.sources.times_of(*found).len() > 1
            })
        };
        let missing = wanted.iter().find(lacks)?;
        Some(format!("the archive `{}` has no `{}` at {time}", self.name, missing.from))
    }

    fn files(&self) -> Option<Arc<dyn Files>> {
        self.files.clone()
    }

    fn records(&self, wanted: &[Request<'_>], time: Timestamp) -> Result<Vec<Wanted>, DataError> {
        let mut records = Vec::new();
        for request in wanted {
            let found = self.found(request.from)?;
            let of_field = self.sources.stretches(found, Some(time));
            records.extend(of_field.map_err(|error| DataError::Archive(error.to_string()))?);
        }
        Ok(records)
    }

    fn read(&self, from: &str, time: Timestamp) -> Result<Array3<f32>, DataError> {
        let found = self.found(from)?;
        self.sources.read(found, Some(time)).map_err(|error| DataError::Archive(error.to_string()))
    }
}
