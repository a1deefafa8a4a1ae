//! A recipe written over the input of a command, for a library to work on: the standard names `t`, `q`, `u`, `v`, `hgt`,
//! `z` on the levels that the files hold, `t2m`, `q2m`, `u10`, `v10`, `sp` near the ground, `orog`. Humidity is brought
//! to specific humidity by the functions of `std.physics`, whatever form the files have it in.

use std::collections::BTreeMap;

use super::DeriveError;
use super::bind::{Bound, Origin};
use crate::data::source::{Found, Offer, Sources, What, Where};

/// A recipe over files.
#[derive(Clone, Debug, Default)]
pub struct Written {
    pub text: String,
    /// The recipe's variables that the files have.
    pub bound: BTreeMap<String, Bound>,
    /// Those that they have not, with what they are.
    pub absent: BTreeMap<String, &'static str>,
    /// What a person should know.
    pub notes: Vec<String>,
}

/// The levels on which a library works.
enum Levels {
    /// Pa, in the order of the file that has them first.
    Pressure(Vec<f64>),
    /// How many, and whether the file has the highest first.
    Model(usize, bool),
    None,
}

/// The forms of humidity, the best first, with how specific humidity is made of them.
const HUMIDITY: [What; 4] =
    [What::SpecificHumidity, What::MixingRatio, What::Dewpoint, What::RelativeHumidity];

/// Writes the recipe that says what the files hold.
///
/// # Errors
/// Winds that cannot be turned to east and north, pressures of a model that cannot be read.
pub fn write(sources: &Sources) -> Result<Written, DeriveError> {
    let mut written = Written::default();
    let levels = levels(sources, &mut written)?;
    let mut text = String::from("aurora 1.0\nrecipe derived \"What the input holds\"\n\n");
    text.push_str("use std.physics (saturation_pressure, g0, Rd)\n\n");
    text.push_str(&match &levels {
        Levels::Pressure(values) => {
            let list: Vec<String> = values.iter().map(|value| decimal(value / 100.0)).collect();
            format!("levels pl : pressure = [{}] hPa {{\n    height  hgt - orog\n}}\n", list.join(", "))
        }
        Levels::Model(count, _) => {
            format!("levels pl : index = 1 .. {count} {{\n    pressure  p\n    height  hgt - orog\n}}\n")
        }
        // Whatever is on levels will be said to be absent.
        Levels::None => "levels pl : pressure = [1000, 500] hPa {\n    height  hgt - orog\n}\n".into(),
    });
    let mut writer = Writer { sources, levels, written: &mut written, text };
    writer.grid();
    writer.upper_air()?;
    writer.ground()?;
    written.text = std::mem::take(&mut writer.text);
    Ok(written)
}

/// A number that the language reads.
fn decimal(value: f64) -> String {
    let rounded = (value * 1e4).round() / 1e4;
    format!("{rounded}")
}

/// Whether a field is one of those that a column needs on levels.
fn of_column(what: What) -> bool {
    !matches!(what, What::Pressure | What::Vertical | What::Omega)
}

/// The levels that all fields of the column share: those of the model if it says where they lie, else of pressure.
fn levels(sources: &Sources, written: &mut Written) -> Result<Levels, DeriveError> {
    let on_model =
        |what: What| sources.find(|offer| offer.what == Some(what) && matches!(offer.place, Where::Model(_)));
    let humid = |find: &dyn Fn(What) -> Option<Found>| HUMIDITY.iter().find_map(|what| find(*what));
    if let (Some(temperature), Some(_), Some(pressure)) =
        (on_model(What::Temperature), humid(&on_model), on_model(What::Pressure))
    {
        let depth = sources.offer(temperature).place.depth();
        if depth >= 2 && sources.offer(pressure).place == sources.offer(temperature).place {
            let time = sources.offer(pressure).times.first().copied();
            let values = sources.read(pressure, time)?;
            let mean = |level: usize| values.index_axis(ndarray::Axis(0), level).iter().copied().sum::<f32>();
            return Ok(Levels::Model(depth, mean(0) < mean(depth - 1)));
        }
    }
    // Of each field the set with most levels.
    let sets: Vec<(String, Vec<f64>)> = sources
        .all()
        .filter(|(_, offer)| offer.what.is_some_and(of_column) && offer.cell.is_none())
        .filter_map(|(_, offer)| match &offer.place {
            Where::Pressure(levels) if levels.len() > 1 => Some((offer.name.clone(), levels.clone())),
            _ => None,
        })
        .collect();
    let Some((_, longest)) = sets.iter().max_by_key(|(_, levels)| levels.len()) else {
        return Ok(Levels::None);
    };
    let everywhere =
        |level: &f64| sets.iter().all(|(_, levels)| levels.iter().any(|one| (one - level).abs() < 0.5));
    let common: Vec<f64> = longest.iter().copied().filter(everywhere).collect();
    if common.len() < longest.len() {
        let dropped: Vec<String> =
            longest.iter().filter(|level| !everywhere(level)).map(|level| decimal(level / 100.0)).collect();
        written.notes.push(format!("not every field is on {} hPa: left out", dropped.join(", ")));
    }
    Ok(if common.len() > 1 { Levels::Pressure(common) } else { Levels::None })
}

struct Writer<'a> {
    sources: &'a Sources,
    levels: Levels,
    written: &'a mut Written,
    text: String,
}

impl Writer<'_> {
    /// How far points are apart, for derivatives across the grid, and how it is turned.
    fn grid(&mut self) {
        let place = self.sources.place();
        let centre = place.at(place.height / 2, place.width / 2);
        if let (Some(spacing), Some((latitude, longitude))) = (place.spacing(), centre) {
            let longitude = (longitude + 180.0).rem_euclid(360.0) - 180.0;
            self.text.push_str(&format!(
                "grid map = lambert(lat = {} deg, lon = {} deg, size = [{}, {}], spacing = {} m)\ndata {{\n    grid map\n}}\n",
                decimal(latitude),
                decimal(longitude),
                place.width,
                place.height,
                decimal(spacing)
            ));
        }
        let is_known = place.rotation().is_some();
        for (name, from) in [("rotation_cosine", Origin::Cosine), ("rotation_sine", Origin::Sine)] {
            match is_known {
                true => {
                    drop(self.written.bound.insert(name.into(), Bound { from, levels: None, turn: None }))
                }
                false => drop(self.written.absent.insert(name.into(), "how the grid is turned")),
            }
        }
    }

    /// Temperature, humidity, winds, height and geopotential on the levels.
    fn upper_air(&mut self) -> Result<(), DeriveError> {
        if matches!(self.levels, Levels::Model(..)) {
            let found = self.on_levels(What::Pressure);
            self.variable("p", "pressure", "pl", "pressure on the levels", found);
        }
        let found = self.on_levels(What::Temperature);
        self.variable("t", "temperature", "pl", "temperature on levels", found);
        for (name, what, kind, words) in [
            ("u", What::Eastward, "eastward_wind", "wind on levels"),
            ("v", What::Northward, "northward_wind", "wind on levels"),
        ] {
            let found = self.on_levels(what);
            self.wind(name, kind, "pl", words, found)?;
        }
        match (self.on_levels(What::Height), self.on_levels(What::Geopotential)) {
            (None, Some(found)) => {
                self.variable("z", "geopotential", "pl", "geopotential on levels", Some(found));
                self.text.push_str("derive hgt : height on pl = z / g0\n");
            }
            (found, _) => {
                self.variable("hgt", "height", "pl", "geopotential height on levels", found);
                self.text.push_str("derive z : geopotential on pl = g0 * hgt\n");
            }
        }
        let pressure = if matches!(self.levels, Levels::Model(..)) { "p" } else { "pl" };
        match (self.on_levels(What::Vertical), self.on_levels(What::Omega)) {
            (None, Some(found)) => {
                self.variable("omega", "pressure_velocity", "pl", "vertical wind on levels", Some(found));
                let density = format!("({pressure} / (Rd * t * (1 + 0.608 * q)))");
                self.text.push_str(&format!("derive w : vertical_wind on pl = -omega / (g0 * {density})\n"));
            }
            (found, _) => self.variable("w", "vertical_wind", "pl", "vertical wind on levels", found),
        }
        let humidity = HUMIDITY.map(|what| self.on_levels(what));
        self.humidity("q", "pl", "t", pressure, "humidity on levels", humidity);
        Ok(())
    }

    /// What there is near the ground.
    fn ground(&mut self) -> Result<(), DeriveError> {
        let above = |what: What, metres: f64| {
            self.sources.find(|offer| instantaneous(offer, what) && offer.place == Where::Above(metres))
        };
        let surface = |what: What| {
            self.sources.find(|offer| instantaneous(offer, what) && offer.place == Where::Surface)
        };
        let (sp, t2m) = (surface(What::Pressure), above(What::Temperature, 2.0));
        let (u10, v10) = (above(What::Eastward, 10.0), above(What::Northward, 10.0));
        let humidity = HUMIDITY.map(|what| above(what, 2.0));
        let (height, geopotential) = (surface(What::Height), surface(What::Geopotential));
        self.variable("sp", "pressure", "surface", "the pressure at the ground", sp);
        self.variable("t2m", "temperature", "surface(2 m)", "temperature at 2 m", t2m);
        self.wind("u10", "eastward_wind", "surface(10 m)", "wind at 10 m", u10)?;
        self.wind("v10", "northward_wind", "surface(10 m)", "wind at 10 m", v10)?;
        self.humidity("q2m", "surface(2 m)", "t2m", "sp", "humidity at 2 m", humidity);
        match (height, geopotential) {
            (None, Some(found)) => {
                self.variable("zs", "geopotential", "static", "geopotential of the ground", Some(found));
                self.text.push_str("derive orog : height on static = zs / g0\n");
            }
            (found, _) => self.variable("orog", "height", "static", "the height of the ground", found),
        }
        Ok(())
    }

    /// A field of the column on the chosen levels.
    fn on_levels(&self, what: What) -> Option<Bound> {
        let fits = |offer: &Offer| {
            instantaneous(offer, what)
                && match (&offer.place, &self.levels) {
                    (Where::Pressure(held), Levels::Pressure(wanted)) => {
                        wanted.iter().all(|level| held.iter().any(|one| (one - level).abs() < 0.5))
                    }
                    (Where::Model(held), Levels::Model(count, _)) => held.len() == *count,
                    _ => false,
                }
        };
        let found = self.sources.find(fits)?;
        let levels = match (&self.sources.offer(found).place, &self.levels) {
            (Where::Pressure(held), Levels::Pressure(wanted)) => wanted
                .iter()
                .map(|level| held.iter().position(|one| (one - level).abs() < 0.5))
                .collect::<Option<Vec<usize>>>(),
            (Where::Model(held), Levels::Model(_, true)) => Some((0..held.len()).rev().collect()),
            _ => None,
        };
        Some(Bound { levels, ..Bound::plain(found) })
    }

    /// Declares a variable, whether or not the files have it.
    fn variable(
        &mut self,
        name: &str,
        kind: &str,
        support: &str,
        words: &'static str,
        found: impl Into<Place>,
    ) {
        self.text.push_str(&format!("variable {name} : {kind} on {support} from \"{name}\"\n"));
        match found.into().0 {
            Some(bound) => drop(self.written.bound.insert(name.to_string(), bound)),
            None => drop(self.written.absent.insert(name.to_string(), words)),
        }
    }

    fn wind(
        &mut self,
        name: &str,
        kind: &str,
        support: &str,
        words: &'static str,
        found: impl Into<Place>,
    ) -> Result<(), DeriveError> {
        let bound = match found.into().0 {
            Some(Bound { from: Origin::Field(found), levels, .. }) => {
                Some(Bound { levels, ..Bound::wind(self.sources, found, true)? })
            }
            other => other,
        };
        self.variable(name, kind, support, words, bound);
        Ok(())
    }

    /// Specific humidity as the files have it, or made of what they have.
    fn humidity<F: Into<Place>>(
        &mut self,
        name: &str,
        support: &str,
        temperature: &str,
        pressure: &str,
        words: &'static str,
        found: [F; 4],
    ) {
        let [specific, ratio, dewpoint, relative] = found.map(|found| found.into().0);
        let of_vapour = |vapour: &str| {
            format!(
                "0.622 * min({vapour}, 0.5 * {pressure}) / ({pressure} - 0.378 * min({vapour}, 0.5 * {pressure}))"
            )
        };
        let (raw, kind, bound, value) = match (specific, ratio, dewpoint, relative) {
            (None, Some(bound), ..) => {
                ("ratio", "mixing_ratio", bound, format!("ratio_{name} / (1 + ratio_{name})"))
            }
            (None, None, Some(bound), _) => (
                "dewpoint",
                "temperature",
                bound,
                of_vapour(&format!("saturation_pressure(dewpoint_{name})")),
            ),
            (None, None, None, Some(bound)) => {
                self.written.notes.push(format!("{words}: from relative humidity, taken as over water"));
                let vapour = format!("relative_{name} * saturation_pressure({temperature})");
                ("relative", "relative_humidity", bound, of_vapour(&vapour))
            }
            (specific, ..) => return self.variable(name, "specific_humidity", support, words, specific),
        };
        self.variable(&format!("{raw}_{name}"), kind, support, words, Some(bound));
        self.text.push_str(&format!("derive {name} : specific_humidity on {support} = {value}\n"));
    }
}

fn instantaneous(offer: &Offer, what: What) -> bool {
    offer.what == Some(what) && offer.cell.is_none()
}

/// A field that may be there, found or already bound.
struct Place(Option<Bound>);

impl From<Option<Bound>> for Place {
    fn from(bound: Option<Bound>) -> Place {
        Place(bound)
    }
}

impl From<Option<Found>> for Place {
    fn from(found: Option<Found>) -> Place {
        Place(found.map(Bound::plain))
    }
}
