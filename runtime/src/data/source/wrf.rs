//! Output of WRF on its own levels, and what its preprocessor (metgrid) makes for it. Winds are turned to east and
//! north here, for these files say by which angle.

use std::path::Path;
use std::sync::Arc;

use jiff::Timestamp;
use ndarray::{Array2, Array3, Axis, Ix2, Ix3, s};

use super::what::{What, Where};
use super::{Coordinates, Offer, Place, Source};
use crate::data::archive::Archive;
use crate::data::netcdf::NetCdf;
use crate::data::wrf::{Quantity, Wrf};

/// Whether the file is output of the model.
pub(super) fn is_model(file: &NetCdf) -> bool {
    ["T", "P", "PB", "QVAPOR", "XLAT"].iter().all(|name| file.variable(name).is_some())
}

/// Whether the file is made by metgrid.
pub(super) fn is_metgrid(file: &NetCdf) -> bool {
    ["TT", "PRES", "GHT", "XLAT_M"].iter().all(|name| file.variable(name).is_some())
        && file.dimensions.iter().any(|dimension| dimension.name == "num_metgrid_levels")
}

// ---- the model -------------------------------------------------------------------------------------

#[derive(Debug)]
struct Model {
    wrf: Wrf,
    place: Place,
    offers: Vec<Offer>,
    ways: Vec<Way>,
    times: Vec<Timestamp>,
}

#[derive(Debug)]
enum Way {
    Levels(Quantity),
    Pressure,
    Vertical,
    Surface(&'static str),
    /// As the archive `wrf` has it: on levels of pressure, interpolated.
    Archive(String),
}

pub(super) fn model(path: &Path) -> Result<impl Source + use<>, String> {
    let wrf = Wrf::open(path).map_err(|error| error.to_string())?;
    let grid = wrf.grid();
    let (height, width) = grid.latitude.dim();
    let coordinates = Coordinates::Curved { latitude: grid.latitude, longitude: grid.longitude };
    let place = Place { height, width, coordinates: Some(coordinates), mapping: None, angle: None };
    let available = wrf.times();
    let mut times = Vec::new();
    let mut next = available.from.as_second();
    while next <= available.to.as_second() {
        times.extend(Timestamp::from_second(next).ok());
        next = next.saturating_add(available.every.max(1));
    }
    let count = wrf.model_depth();
    let on_levels = || Where::Model((1..=count).map(|level| level as f64).collect());
    let mut model = Model { wrf, place, offers: Vec::new(), ways: Vec::new(), times };
    let three = [
        ("T", What::Temperature, Way::Levels(Quantity::Temperature)),
        ("QVAPOR", What::SpecificHumidity, Way::Levels(Quantity::Humidity)),
        ("U", What::Eastward, Way::Levels(Quantity::Eastward)),
        ("V", What::Northward, Way::Levels(Quantity::Northward)),
        ("PH", What::Height, Way::Levels(Quantity::Height)),
        ("P", What::Pressure, Way::Pressure),
    ];
    for (name, what, way) in three {
        model.offer(name, what, on_levels(), way);
    }
    if model.wrf.holds("W") {
        model.offer("W", What::Vertical, on_levels(), Way::Vertical);
    }
    let two = [
        ("T2", What::Temperature, Where::Above(2.0)),
        ("Q2", What::SpecificHumidity, Where::Above(2.0)),
        ("U10", What::Eastward, Where::Above(10.0)),
        ("V10", What::Northward, Where::Above(10.0)),
        ("PSFC", What::Pressure, Where::Surface),
        ("HGT", What::Height, Where::Surface),
    ];
    for (name, what, place) in two {
        if model.wrf.holds(name) {
            model.offer(name, what, place, Way::Surface(name));
        }
    }
    let interpolated = model.wrf.fields().into_iter().filter_map(|field| Some((field.from, field.levels?)));
    for (from, levels) in interpolated.collect::<Vec<_>>() {
        let what = match from.as_str() {
            "TMP" => What::Temperature,
            "SPFH" => What::SpecificHumidity,
            "UGRD" => What::Eastward,
            "VGRD" => What::Northward,
            _ => What::Height,
        };
        model.offer(&from, what, Where::Pressure(levels), Way::Archive(from.clone()));
    }
    Ok(model)
}

impl Model {
    fn offer(&mut self, name: &str, what: What, place: Where, way: Way) {
        self.offers.push(Offer {
            name: name.to_string(),
            what: Some(what),
            place,
            cell: None,
            along_grid: false,
            times: Arc::new(self.times.clone()),
        });
        self.ways.push(way);
    }
}

impl Source for Model {
    fn format(&self) -> String {
        "NetCDF (WRF)".into()
    }

    fn place(&self) -> &Place {
        &self.place
    }

    fn offers(&self) -> &[Offer] {
        &self.offers
    }

    fn reference(&self) -> Option<Timestamp> {
        None
    }

    fn read(&self, offer: usize, time: Option<Timestamp>) -> Result<Array3<f32>, String> {
        let time = time.or(self.times.first().copied()).ok_or("it has no times")?;
        let index =
            self.times.iter().position(|known| *known == time).ok_or("it is not there at that time")?;
        let told = |error: crate::data::archive::DataError| error.to_string();
        let values = match &self.ways[offer] {
            Way::Archive(from) => return self.wrf.read(from, time).map_err(told),
            Way::Levels(quantity) => self.wrf.model_levels(*quantity, index as u64).map_err(told)?,
            Way::Pressure => self.wrf.pressure(index as u64).map_err(told)?,
            Way::Vertical => self.wrf.vertical_wind(index as u64).map_err(told)?,
            Way::Surface(name) => self.wrf.surface(name, index as u64).map_err(told)?.insert_axis(Axis(0)),
        };
        let mut values = values.mapv(|value| value as f32);
        // South is first in the file.
        values.invert_axis(Axis(1));
        Ok(values.as_standard_layout().into_owned())
    }
}

// ---- metgrid ---------------------------------------------------------------------------------------

/// The first of metgrid's levels is the ground: temperature and humidity at 2 m, wind at 10 m, pressure at the surface.
#[derive(Debug)]
struct Metgrid {
    file: NetCdf,
    place: Place,
    offers: Vec<Offer>,
    /// The variable, and whether its first level is meant.
    ways: Vec<(&'static str, bool)>,
    times: Vec<Timestamp>,
}

pub(super) fn metgrid(file: NetCdf) -> Result<impl Source, String> {
    let path = file.path().display().to_string();
    let times = file.times("Times").map_err(|error| error.to_string())?;
    let map = |name: &str| -> Result<Array2<f64>, String> {
        let values = file.read_at(name, 0).map_err(|error| error.to_string())?;
        let mut values =
            values.into_dimensionality::<Ix2>().map_err(|_| format!("{path}: {name} is not a map"))?;
        values.invert_axis(Axis(0));
        Ok(values.as_standard_layout().into_owned())
    };
    let (latitude, longitude) = (map("XLAT_M")?, map("XLONG_M")?);
    let (height, width) = latitude.dim();
    let angle = if file.variable("COSALPHA").is_some() && file.variable("SINALPHA").is_some() {
        let (cosine, sine) = (map("COSALPHA")?, map("SINALPHA")?);
        Some(ndarray::Zip::from(&cosine).and(&sine).map_collect(|c, s| (-s).atan2(*c) as f32))
    } else {
        None
    };
    let depth = file.variable("TT").and_then(|variable| variable.shape.get(1).copied()).unwrap_or(0);
    if depth < 3 {
        return Err(format!("{path}: {depth} levels are too few"));
    }
    let coordinates = Some(Coordinates::Curved { latitude, longitude });
    let place = Place { height, width, coordinates, mapping: None, angle };
    let (mut offers, mut ways) = (Vec::new(), Vec::new());
    let fields = [
        ("TT", What::Temperature, Some(Where::Above(2.0))),
        ("RH", What::RelativeHumidity, Some(Where::Above(2.0))),
        ("SPECHUMD", What::SpecificHumidity, Some(Where::Above(2.0))),
        ("UU", What::Eastward, Some(Where::Above(10.0))),
        ("VV", What::Northward, Some(Where::Above(10.0))),
        ("PRES", What::Pressure, Some(Where::Surface)),
        ("GHT", What::Height, Some(Where::Surface)),
    ];
    for (name, what, ground) in fields {
        if file.variable(name).is_none() {
            continue;
        }
        let levels = Where::Model((1..depth).map(|level| level as f64).collect());
        let wind = matches!(what, What::Eastward | What::Northward);
        for (place, first) in [(Some(levels), false), (ground, true)] {
            let Some(place) = place else { continue };
            offers.push(Offer {
                name: name.to_string(),
                what: Some(what),
                place,
                cell: None,
                along_grid: wind,
                times: Arc::new(times.clone()),
            });
            ways.push((name, first));
        }
    }
    Ok(Metgrid { file, place, offers, ways, times })
}

impl Source for Metgrid {
    fn format(&self) -> String {
        "NetCDF (metgrid)".into()
    }

    fn place(&self) -> &Place {
        &self.place
    }

    fn offers(&self) -> &[Offer] {
        &self.offers
    }

    fn read(&self, offer: usize, time: Option<Timestamp>) -> Result<Array3<f32>, String> {
        let (name, ground) = self.ways[offer];
        let index = match time {
            Some(time) => {
                self.times.iter().position(|known| *known == time).ok_or("it is not there at that time")?
            }
            None => 0,
        };
        let values = self.file.read_at(name, index as u64).map_err(|error| error.problem)?;
        let values = values.into_dimensionality::<Ix3>().map_err(|_| "it has no levels".to_string())?;
        let mut values = match name {
            "UU" => crate::data::wrf::centred(&values, Axis(2)),
            "VV" => crate::data::wrf::centred(&values, Axis(1)),
            _ => values,
        };
        if name == "RH" {
            values.mapv_inplace(|value| value / 100.0);
        }
        let part = if ground { values.slice(s![0..1, .., ..]) } else { values.slice(s![1.., .., ..]) };
        let mut values = part.mapv(|value| value as f32);
        values.invert_axis(Axis(1));
        Ok(values.as_standard_layout().into_owned())
    }
}
