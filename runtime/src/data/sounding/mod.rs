//! One ascent of a balloon, read from the text forms that forecasters pass around.
//!
//! Read are the form of SPC and SHARPpy (`%TITLE%`, `%RAW%` … `%END%`), the tables of the University of Wyoming, old
//! and new, and any table of columns separated by commas whose first line names them. What is missing is mended as
//! [`mend`] says; every mending is told in [`Sounding::notes`].

use std::fs;
use std::path::{Path, PathBuf};

use jiff::Timestamp;

use crate::talk::reason;

mod mend;
mod named;
mod raw;
mod wyoming;

/// A knot in m/s, exactly.
pub const KNOT: f64 = 1852.0 / 3600.0;
/// 0 °C in K.
pub const FREEZING: f64 = 273.15;
/// A file larger than this is no sounding.
const MOST_BYTES: u64 = 16 << 20;

/// A sounding: the ground first, pressure falling and height rising from level to level.
#[derive(Clone, Debug, PartialEq)]
pub struct Sounding {
    /// What the file calls itself, else its name.
    pub title: String,
    pub time: Option<Timestamp>,
    /// Latitude and longitude in degrees.
    pub place: Option<(f64, f64)>,
    pub levels: Vec<Level>,
    /// Whether it measured any wind. If not, all winds are zero and stand for nothing.
    pub winds: bool,
    /// What was missing, and what was done about it.
    pub notes: Vec<String>,
}

/// One level, whole.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Level {
    /// Pa.
    pub pressure: f64,
    /// m above mean sea level.
    pub height: f64,
    /// K.
    pub temperature: f64,
    /// K, at most the temperature; over water.
    pub dewpoint: f64,
    /// m/s towards the east.
    pub u: f64,
    /// m/s towards the north.
    pub v: f64,
}

/// A line of the file: what is absent is missing. Units as of [`Level`]; wind as (u, v).
#[derive(Clone, Copy, Debug, Default, PartialEq)]
struct Row {
    line: usize,
    pressure: f64,
    height: Option<f64>,
    temperature: Option<f64>,
    dewpoint: Option<f64>,
    wind: Option<(f64, f64)>,
}

/// What a reader of one form found.
#[derive(Debug, Default)]
struct Raw {
    title: Option<String>,
    time: Option<Timestamp>,
    place: Option<(f64, f64)>,
    rows: Vec<Row>,
}

/// What is wrong with a sounding, and on which line.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub struct SoundingError {
    pub path: PathBuf,
    /// From 1; absent where the whole file is meant.
    pub line: Option<usize>,
    pub problem: String,
}

impl std::fmt::Display for SoundingError {
    fn fmt(&self, out: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(out, "{}:", self.path.display())?;
        if let Some(line) = self.line {
            write!(out, "{line}:")?;
        }
        write!(out, " {}", self.problem)
    }
}

/// A problem, and the line it is on if it is on one.
type Problem = (Option<usize>, String);

impl Sounding {
    /// Reads a file of any of the forms.
    ///
    /// # Errors
    /// A file that cannot be read, is of none of the forms, has a value that cannot be, or too few levels.
    pub fn read(path: &Path) -> Result<Sounding, SoundingError> {
        let fail = |(line, problem): Problem| SoundingError { path: path.to_owned(), line, problem };
        let size = fs::metadata(path).map_err(|error| fail((None, reason(&error))))?.len();
        if size > MOST_BYTES {
            return Err(fail((None, format!("{size} bytes are too many for a sounding"))));
        }
        let bytes = fs::read(path).map_err(|error| fail((None, reason(&error))))?;
        let name = path.file_name().map(|name| name.to_string_lossy().into_owned()).unwrap_or_default();
        parse(&bytes, &name).map_err(fail)
    }

    /// When and where it was, and from which ground, as far as the file tells: the time in the form given, the pressure of the
    /// ground with so many decimals.
    #[must_use]
    pub fn whereabouts(&self, form_of_time: &str, decimals: usize) -> Vec<String> {
        let time = self.time.map(|time| time.strftime(form_of_time).to_string());
        let place = self.place.map(|(latitude, longitude)| {
            let side = |value: f64, names: [char; 2]| {
                format!("{:.2}° {}", value.abs(), names[usize::from(value < 0.0)])
            };
            format!("{}, {}", side(latitude, ['N', 'S']), side(longitude, ['E', 'W']))
        });
        let ground = self.levels.first().map(|ground| {
            format!("ground {:.0} m, {:.decimals$} hPa", ground.height, ground.pressure / 100.0)
        });
        [time, place, ground].into_iter().flatten().collect()
    }

    /// Metres above the ground of a level.
    pub fn above_ground(&self, level: &Level) -> f64 {
        level.height - self.levels.first().map_or(0.0, |ground| ground.height)
    }
}

/// Reads the bytes of a file called `name`.
fn parse(bytes: &[u8], name: &str) -> Result<Sounding, Problem> {
    if bytes.iter().all(u8::is_ascii_whitespace) {
        return Err((None, "the file is empty".into()));
    }
    if bytes.contains(&0) {
        return Err((None, "this is no text: a sounding is read from text, fields from --input".into()));
    }
    // Names of stations may be in any alphabet; numbers are in ASCII.
    let text = String::from_utf8_lossy(bytes);
    let lines: Vec<&str> = text.lines().map(str::trim_end).collect();
    let raw = if lines.iter().any(|line| line.trim().eq_ignore_ascii_case("%RAW%")) {
        raw::read(&lines)?
    } else if let Some(header) = wyoming::header(&lines) {
        wyoming::read(&lines, header)?
    } else if let Some(header) = named::header(&lines) {
        named::read(&lines, header)?
    } else {
        return Err((
            None,
            "not a sounding: there is no `%RAW%` (SPC, SHARPpy), no line `PRES HGHT TEMP DWPT …` (Wyoming) and no \
             line that names columns, such as `pressure,height,temperature,dewpoint,direction,speed`"
                .into(),
        ));
    };
    mend::whole(raw, name)
}

/// A number, or nothing where the file says that it is missing: blank, -9999, `M`, `nan` and the like.
fn number(text: &str) -> Result<Option<f64>, ()> {
    let text = text.trim();
    let absent = ["", "m", "-", "--", "na", "nan", "none", "null", "*", "///"];
    if absent.contains(&text.to_ascii_lowercase().as_str()) {
        return Ok(None);
    }
    let value: f64 = text.parse().map_err(|_| ())?;
    let absent = value <= -998.9 || [99_999.0, 999_999.0].contains(&value);
    Ok((value.is_finite() && !absent).then_some(value))
}

/// Checks one line and brings it to SI: pressure in hPa, temperatures in °C, wind from `direction` degrees at
/// `speed` m/s. Nothing for a line without pressure.
fn row(line: usize, values: Values) -> Result<Option<Row>, Problem> {
    let Some(pressure) = values.pressure else { return Ok(None) };
    let refuse = |what: String| Err((Some(line), what));
    if !(0.001..=1100.0).contains(&pressure) {
        return refuse(format!("{pressure} hPa is no pressure of the atmosphere"));
    }
    for (name, value) in [("temperature", values.temperature), ("dewpoint", values.dewpoint)] {
        if let Some(value) = value.filter(|value| !(-150.0..=70.0).contains(value)) {
            return refuse(format!("{value} °C is no {name} of the atmosphere"));
        }
    }
    if let Some(height) = values.height.filter(|height| !(-1000.0..=80_000.0).contains(height)) {
        return refuse(format!("{height} m is no height of a sounding"));
    }
    if let Some(speed) = values.speed.filter(|speed| !(0.0..=200.0).contains(speed)) {
        return refuse(format!("{speed:.1} m/s is no speed of the wind"));
    }
    if let Some(direction) = values.direction.filter(|direction| !(0.0..=360.0).contains(direction)) {
        return refuse(format!("{direction} degrees is no direction of the wind"));
    }
    let wind = match (values.direction, values.speed) {
        (_, Some(0.0)) => Some((0.0, 0.0)),
        (Some(direction), Some(speed)) => {
            let (sine, cosine) = direction.to_radians().sin_cos();
            Some((-speed * sine, -speed * cosine))
        }
        _ => None,
    };
    Ok(Some(Row {
        line,
        pressure: pressure * 100.0,
        height: values.height,
        temperature: values.temperature.map(|value| value + FREEZING),
        dewpoint: values.dewpoint.map(|value| value + FREEZING),
        wind,
    }))
}

/// A line's numbers in hPa, m, °C, degrees and m/s.
#[derive(Clone, Copy, Debug, Default)]
struct Values {
    pressure: Option<f64>,
    height: Option<f64>,
    temperature: Option<f64>,
    dewpoint: Option<f64>,
    direction: Option<f64>,
    speed: Option<f64>,
}

#[cfg(test)]
mod tests {
    use super::*;

    const RAW: &str = "%TITLE%\n OUN   110524/1800 35.18,-97.44\n\n   LEVEL HGHT TEMP DWPT WDIR WSPD\n---\n%RAW%\n\
        1000.00, 25.00, -9999.00, -9999.00, -9999.00, -9999.00\n964.00, 357.00, 25.80, 21.20, 160.00, 10.00\n\
        953.00, 455.59, 24.20, 20.80, -9999.00, -9999.00\n925.00, 710.00, 21.60, 20.90, 180.00, 20.00\n\
        850.00, 1400.00, 18.00, -9999.00, 200.00, 30.00\n%END%\nanything\n";

    const WYOMING: &str = "72357 OUN Norman Observations at 12Z 22 May 2011\n\n-----------------------------------------------------------------------------\n   \
         PRES   HGHT   TEMP   DWPT   RELH   MIXR   DRCT   SKNT   THTA   THTE   THTV\n    hPa     m      C      C      %    g/kg    \
         deg   knot     K      K      K \n-----------------------------------------------------------------------------\n 1000.0     \
         36                                                               \n  966.0    345   22.2   21.0     93  16.50    180      7  298.3  \
         346.4  301.2\n  953.0    462   21.4   20.7     96  16.42    184     16  298.6  346.6  301.6\n  936.9    610   20.8   20.5     98  \
         16.52    190     28  299.5  347.9  302.5\n";

    fn read(text: &str) -> Result<Sounding, Problem> {
        parse(text.as_bytes(), "name.txt")
    }

    #[test]
    fn the_form_of_spc() {
        let sounding = read(RAW).unwrap();
        assert_eq!(sounding.title, "OUN");
        assert_eq!(sounding.time, "2011-05-24T18:00:00Z".parse().ok());
        assert_eq!(sounding.place, Some((35.18, -97.44)));
        let pressures: Vec<f64> = sounding.levels.iter().map(|level| level.pressure).collect();
        assert_eq!(pressures, [96_400.0, 95_300.0, 92_500.0, 85_000.0]);
        let ground = sounding.levels[0];
        assert_eq!(ground.temperature, 25.8 + FREEZING);
        // From the south-south-east: towards the west and the north.
        assert!((ground.u + 10.0 * KNOT * 160f64.to_radians().sin()).abs() < 1e-12 && ground.v > 0.0);
        // Wind between two levels, by height.
        let part = (455.59 - 357.0) / (710.0 - 357.0);
        let top = sounding.levels[2];
        assert!((sounding.levels[1].u - (ground.u + part * (top.u - ground.u))).abs() < 1e-12);
        assert!(sounding.notes.iter().any(|note| note.contains("dewpoint")), "{:?}", sounding.notes);
    }

    #[test]
    fn the_form_of_wyoming() {
        let sounding = read(WYOMING).unwrap();
        assert_eq!(sounding.title, "72357 OUN Norman");
        assert_eq!(sounding.time, "2011-05-22T12:00:00Z".parse().ok());
        assert_eq!(sounding.levels.len(), 3);
        assert_eq!(sounding.levels[0].height, 345.0);
        assert!((sounding.levels[0].v - 7.0 * KNOT).abs() < 1e-12);
    }

    #[test]
    fn columns_by_name() {
        let text = "time,longitude,latitude,pressure_hPa,geopotential height_m,temperature_C,dew point temperature_C,wind direction_degree,wind \
                    speed_m/s\n2024-05-01 00:01:00,-97.44,35.18,960.0,357,25.0,20.0,180,5.0\n2024-05-01 00:02:00,-97.44,35.18,900.0,920,20.0,18.0,200,10\n\
                    2024-05-01 00:03:00,-97.44,35.18,850.0,1400,17.0,15.0,220,15\n";
        let sounding = read(text).unwrap();
        assert_eq!(sounding.levels.len(), 3);
        assert!((sounding.levels[0].v - 5.0).abs() < 1e-12, "{:?}", sounding.levels[0]);
        assert_eq!(sounding.place, Some((35.18, -97.44)));
    }

    #[test]
    fn mistakes_name_their_line() {
        let wrong = |from: &str, to: &str| read(&RAW.replace(from, to)).unwrap_err();
        assert_eq!(wrong("25.80", "hot").0, Some(8));
        assert_eq!(wrong("964.00", "9640.0").0, Some(8));
        assert_eq!(wrong("25.80", "258.0").0, Some(8));
        assert!(wrong("%END%\n", "").1.contains("cut short"));
        assert!(read("").unwrap_err().1.contains("empty"));
        assert!(read("hello\nworld\n").unwrap_err().1.contains("not a sounding"));
        let few: String =
            RAW.lines().filter(|line| !line.starts_with("9")).map(|l| format!("{l}\n")).collect();
        assert!(read(&few).unwrap_err().1.contains("levels"), "{few}");
        assert!(parse(b"GRIB\0\0", "x").unwrap_err().1.contains("no text"));
    }

    #[test]
    fn what_is_missing_is_said_in_many_ways() {
        for text in ["", " ", "-9999.00", "M", "nan", "-999.0", "99999"] {
            assert_eq!(number(text), Ok(None), "{text}");
        }
        assert_eq!(number(" -99.9 "), Ok(Some(-99.9)));
        assert_eq!(number("1O.0"), Err(()));
    }
}
