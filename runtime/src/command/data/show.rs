//! `aurorac data show FIELD`: a map of one field at one time, as a picture and in numbers.

use std::path::{Path, PathBuf};

use aurora_grammar::nearest;
use jiff::Timestamp;
use ndarray::{Array2, Array3, Axis};
use serde::Serialize;

use super::get::instant;
use super::{is_store, store_of};
use crate::data::source::units::to_si;
use crate::data::source::{Sources, What, Where};
use crate::data::store::Store;
use crate::report::{MapField, picture};
use crate::run::{Failure, Format};
use crate::talk::say;

#[derive(Clone, Debug, clap::Args)]
pub struct Arguments {
    /// A name of the recipe, or of the file: refc, "TMP:2 m above ground"
    field: String,
    /// The time, for instance 2024-05-20T18:00Z; of a file with one time that one
    #[arg(long, value_parser = time)]
    at: Option<Timestamp>,
    /// The level, for instance "500 hPa"; of model levels the number
    #[arg(long)]
    level: Option<String>,
    /// A recipe whose store is prepared, a store, or a file (GRIB2, NetCDF, Zarr); the one recipe of this folder by default
    #[arg(long, value_name = "RECIPE|STORE|FILE")]
    from: Option<PathBuf>,
    /// Where the map goes, a PNG
    #[arg(long, value_name = "FILE.png")]
    output: Option<PathBuf>,
    /// How the numbers are said
    #[arg(long, value_enum, default_value_t)]
    format: Format,
}

fn time(text: &str) -> Result<Timestamp, String> {
    instant(text, 0)
}

type Places = Box<dyn Fn(usize, usize) -> Option<(f64, f64)>>;

/// One plane, with what it is.
struct Plane {
    values: Array2<f32>,
    name: String,
    units: Option<String>,
    time: Option<Timestamp>,
    level: Option<f64>,
    pressure: bool,
    echo: bool,
    /// Degrees north and east of a point, where they are known.
    place: Places,
}

/// The numbers of a plane, as `--format json` prints them.
#[derive(Debug, Serialize)]
struct Numbers {
    field: String,
    from: String,
    time: Option<Timestamp>,
    level: Option<f64>,
    units: Option<String>,
    rows: usize,
    columns: usize,
    missing: usize,
    mean: Option<f64>,
    minimum: Option<Extreme>,
    maximum: Option<Extreme>,
    output: Option<PathBuf>,
}

#[derive(Debug, Serialize)]
struct Extreme {
    value: f32,
    row: usize,
    column: usize,
    latitude: Option<f64>,
    longitude: Option<f64>,
}

pub fn run(arguments: &Arguments) -> Result<(), Failure> {
    let from = match &arguments.from {
        Some(path) => path.clone(),
        None => only_recipe()?,
    };
    let recipe = from.extension().is_some_and(|extension| extension == "aurora");
    let plane = match recipe || is_store(&from) {
        true => of_store(&store_of(&from, arguments.format)?.0, arguments)?,
        false => of_file(&from, arguments)?,
    };
    let output = arguments.output.as_deref().map(|path| draw(&plane, path)).transpose()?;
    let numbers = numbers(&plane, &from, output);
    match arguments.format {
        Format::Json => crate::command::print(&format!("{}\n", serde_json::to_string_pretty(&numbers)?)),
        _ => crate::command::print(&told(&numbers, plane.pressure)),
    }
}

/// The one recipe of the current folder.
fn only_recipe() -> Result<PathBuf, Failure> {
    let recipe = |path: &PathBuf| path.extension().is_some_and(|extension| extension == "aurora");
    let found: Vec<PathBuf> =
        std::fs::read_dir(".")?.flatten().map(|entry| entry.path()).filter(recipe).collect();
    match found.as_slice() {
        [one] => Ok(one.clone()),
        _ => Err(Failure::because("from where is wanted: --from RECIPE, or a store, or a file")),
    }
}

fn of_store(store: &Store, arguments: &Arguments) -> Result<Plane, Failure> {
    let names: Vec<&str> = store.fields().map(|field| field.name.as_str()).collect();
    let Some(field) = store.fields().find(|field| field.name == arguments.field) else {
        return Err(unknown(&arguments.field, &names, &store.path().display().to_string()));
    };
    let still = field.support == aurora_compiler::plan::data::SupportPlan::Static;
    let times = store.times();
    let number = match arguments.at {
        _ if still => 0,
        Some(time) => {
            times.iter().position(|known| *known == time).ok_or_else(|| no_time(Some(time), times))?
        }
        None if times.len() == 1 => 0,
        None => return Err(no_time(None, times)),
    };
    let set = match &field.support {
        aurora_compiler::plan::data::SupportPlan::Levels(set) => store.plan().levels.get(set),
        _ => None,
    };
    let pressure = set.is_some_and(|set| set.coordinate == "pressure");
    let levels = set.map(|set| set.values.as_slice());
    let level = level(levels, pressure, arguments.level.as_deref())?;
    let (latitude, longitude) = (store.latitude().clone(), store.longitude().clone());
    Ok(Plane {
        values: plane(&store.read(&field.name, number)?, level),
        name: field.name.clone(),
        units: Some(field.units.clone()),
        time: times.get(number).copied().filter(|_| !still),
        level: levels.and_then(|levels| levels.get(level).copied()),
        pressure,
        echo: field.quantity == "reflectivity",
        place: Box::new(move |row, column| {
            let at = (row, column);
            Some((f64::from(*latitude.get(at)?), f64::from(*longitude.get(at)?)))
        }),
    })
}

fn of_file(path: &Path, arguments: &Arguments) -> Result<Plane, Failure> {
    let sources = Sources::open(&[path.to_path_buf()])?;
    let wanted = arguments.field.to_lowercase();
    let whole = |name: &str| name.to_lowercase() == wanted;
    // `refc` for `REFC:entire atmosphere`, if there is one only.
    let begins = |name: &str| name.to_lowercase().split(':').next() == Some(wanted.as_str());
    let beginning: Vec<_> = sources.all().filter(|(_, offer)| begins(&offer.name)).collect();
    let alone = match beginning.as_slice() {
        [(found, _)] => Some(*found),
        _ => None,
    };
    let Some(found) = sources.find(|offer| whole(&offer.name)).or(alone) else {
        let names: Vec<&str> = match beginning.is_empty() {
            true => sources.all().map(|(_, offer)| offer.name.as_str()).collect(),
            false => beginning.iter().map(|(_, offer)| offer.name.as_str()).collect(),
        };
        return Err(unknown(&arguments.field, &names, &path.display().to_string()));
    };
    let offer = sources.offer(found);
    let time = match (arguments.at, offer.times.as_slice()) {
        (_, []) => None,
        (Some(time), times) if times.contains(&time) || sources.has(found, Some(time)) => Some(time),
        (None, [one]) => Some(*one),
        (at, times) => return Err(no_time(at, times)),
    };
    let (levels, pressure) = match &offer.place {
        Where::Pressure(levels) => (Some(levels.as_slice()), true),
        Where::Model(levels) => (Some(levels.as_slice()), false),
        _ => (None, false),
    };
    let level = level(levels, pressure, arguments.level.as_deref())?;
    let place = sources.place().clone();
    Ok(Plane {
        values: plane(&sources.read(found, time)?, level),
        name: offer.name.clone(),
        units: offer.what.map(|what| units(what).to_string()),
        time,
        level: levels.and_then(|levels| levels.get(level).copied()),
        pressure,
        echo: offer.name.to_uppercase().starts_with("REF"),
        place: Box::new(move |row, column| place.at(row, column)),
    })
}

/// What the values of a file are in, once they are read.
fn units(what: What) -> &'static str {
    match what {
        What::Temperature | What::Dewpoint => "K",
        What::SpecificHumidity | What::MixingRatio => "kg/kg",
        What::RelativeHumidity => "1",
        What::Eastward | What::Northward | What::Vertical => "m/s",
        What::Height => "m",
        What::Geopotential => "m^2/s^2",
        What::Pressure => "Pa",
        What::Omega => "Pa/s",
    }
}

fn unknown(name: &str, names: &[&str], place: &str) -> Failure {
    let hint = match nearest(name, names.iter().copied()) {
        Some(near) => format!("did you mean `{near}`?"),
        None if names.is_empty() => "it has no fields".to_string(),
        None => format!("it has {}", names.join(", ")),
    };
    Failure::because(format!("{place} has no field `{name}`; {hint}"))
}

fn no_time(at: Option<Timestamp>, times: &[Timestamp]) -> Failure {
    let ends = match (times.first(), times.last()) {
        (Some(first), Some(last)) if first != last => {
            format!("there are {} from {first} to {last}", times.len())
        }
        (Some(only), _) => format!("there is {only}"),
        _ => "there are none".to_string(),
    };
    Failure::because(match at {
        Some(at) => format!("there is no field at {at}: of times {ends}"),
        None => format!(
            "a time is wanted: of times {ends}, for instance --at {}",
            times.first().map(ToString::to_string).unwrap_or_default()
        ),
    })
}

/// The place of the level that is asked for.
fn level(levels: Option<&[f64]>, pressure: bool, asked: Option<&str>) -> Result<usize, Failure> {
    let Some(levels) = levels else {
        return match asked {
            Some(asked) => Err(Failure::because(format!("the field has no levels, so none at {asked}"))),
            None => Ok(0),
        };
    };
    let held = || {
        let words: Vec<String> = levels.iter().map(|value| spoken(*value, pressure)).collect();
        words.join(", ")
    };
    let Some(asked) = asked else {
        return match levels {
            [_] => Ok(0),
            _ => Err(Failure::because(format!(
                "a level is wanted, for instance --level \"{}\": there are {}",
                levels.first().map(|value| spoken(*value, pressure)).unwrap_or_default(),
                held()
            ))),
        };
    };
    let text = asked.trim();
    let split = text.find(|letter: char| letter.is_ascii_alphabetic()).unwrap_or(text.len());
    let (number, unit) = text.split_at(split);
    let value = number.trim().parse::<f64>().ok();
    // A bare number is of hPa, as levels are spoken of.
    let unit = match unit.trim() {
        "" if pressure => "hPa",
        "" => "1",
        unit => unit,
    };
    let value = value.zip(to_si(unit)).map(|(value, to)| to.apply(value));
    let near =
        |wanted: f64| levels.iter().position(|level| (level - wanted).abs() <= 1e-6 * wanted.abs().max(1.0));
    value
        .and_then(near)
        .ok_or_else(|| Failure::because(format!("there is no level {asked}: there are {}", held())))
}

fn spoken(value: f64, pressure: bool) -> String {
    if pressure { format!("{} hPa", value / 100.0) } else { format!("{value}") }
}

fn plane(values: &Array3<f32>, level: usize) -> Array2<f32> {
    if level < values.dim().0 { values.index_axis(Axis(0), level).to_owned() } else { Array2::zeros((0, 0)) }
}

/// Writes the map, whole or not at all.
fn draw(plane: &Plane, path: &Path) -> Result<PathBuf, Failure> {
    if path.extension().is_none_or(|extension| extension != "png") {
        return Err(Failure::because(format!(
            "{}: a map is a PNG, and its name ends in .png",
            path.display()
        )));
    }
    let field = match plane.echo {
        true => MapField::Reflectivity,
        false => {
            MapField::Continuous { units: plane.units.clone().unwrap_or_default(), label: plane.name.clone() }
        }
    };
    let Some(bytes) = picture(plane.values.view(), &field)? else {
        return Err(Failure::because(format!("`{}` has no points to paint", plane.name)));
    };
    crate::durable::write(path, &bytes)?;
    say(match plane.echo {
        true => {
            "north is up; reflectivity in the colours of the National Weather Service from 5 dBZ; missing points are grey"
        }
        false => "north is up; dark violet is the least value, yellow the largest; missing points are grey",
    });
    Ok(path.to_path_buf())
}

fn numbers(plane: &Plane, from: &Path, output: Option<PathBuf>) -> Numbers {
    let (mut count, mut sum) = (0usize, 0.0f64);
    let mut ends: Option<[((usize, usize), f32); 2]> = None;
    for (at, value) in plane.values.indexed_iter().filter(|(_, value)| value.is_finite()) {
        count += 1;
        sum += f64::from(*value);
        let [least, most] = ends.unwrap_or([(at, *value); 2]);
        ends = Some([
            if *value < least.1 { (at, *value) } else { least },
            if *value > most.1 { (at, *value) } else { most },
        ]);
    }
    let extreme = |((row, column), value): ((usize, usize), f32)| {
        let place = (plane.place)(row, column);
        Extreme {
            value,
            row,
            column,
            latitude: place.map(|place| place.0),
            longitude: place.map(|place| (place.1 + 180.0).rem_euclid(360.0) - 180.0),
        }
    };
    Numbers {
        field: plane.name.clone(),
        from: from.display().to_string(),
        time: plane.time,
        level: plane.level,
        units: plane.units.clone(),
        rows: plane.values.nrows(),
        columns: plane.values.ncols(),
        missing: plane.values.len() - count,
        mean: (count > 0).then(|| sum / count as f64),
        minimum: ends.map(|ends| extreme(ends[0])),
        maximum: ends.map(|ends| extreme(ends[1])),
        output,
    }
}

fn told(numbers: &Numbers, pressure: bool) -> String {
    let units = numbers.units.as_deref().filter(|units| *units != "1").unwrap_or("");
    let mut text = numbers.field.clone();
    if let Some(level) = numbers.level {
        text += &format!(" at {}", spoken(level, pressure));
    }
    if let Some(time) = numbers.time {
        text += &format!(", {time}");
    }
    text += &format!(
        "\n{} rows, {} columns, {} points missing\n",
        numbers.rows, numbers.columns, numbers.missing
    );
    if let (Some(least), Some(mean), Some(most)) = (&numbers.minimum, numbers.mean, &numbers.maximum) {
        for (name, extreme) in [("least", least), ("largest", most)] {
            let place = match (extreme.latitude, extreme.longitude) {
                (Some(latitude), Some(longitude)) => format!("{latitude:.3} N {longitude:.3} E"),
                _ => format!("row {}, column {}", extreme.row, extreme.column),
            };
            text += &format!(
                "{name:8}{:>12} {units}  {place}\n",
                crate::evaluate::table::number(f64::from(extreme.value))
            );
        }
        text += &format!("{:8}{:>12} {units}\n", "mean", crate::evaluate::table::number(mean));
    }
    if let Some(path) = &numbers.output {
        text += &format!("{}\n", path.display());
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn levels_are_found_as_people_write_them() {
        let pl = [50_000.0, 85_000.0];
        let at = |asked: &str| level(Some(&pl), true, Some(asked)).ok();
        assert_eq!(at("500 hPa"), Some(0));
        assert_eq!(at("850hPa"), Some(1));
        assert_eq!(at("85000 Pa"), Some(1));
        assert_eq!(at("500"), Some(0));
        assert_eq!(at("510 hPa"), None);
        assert_eq!(at("high"), None);
        assert_eq!(level(Some(&[1.0, 2.0]), false, Some("2")).ok(), Some(1));
        assert!(level(Some(&pl), true, None).is_err() && level(None, false, Some("500 hPa")).is_err());
        assert_eq!(level(None, false, None).ok(), Some(0));
    }

    /// A minus sign and an exponent are of the number.
    #[test]
    fn numbers_of_levels() {
        assert_eq!(level(Some(&[-3.0]), false, Some("-3")).ok(), Some(0));
    }
}
