//! The tables of the University of Wyoming: columns of fixed width under `PRES HGHT TEMP DWPT … DRCT SKNT`, blank
//! where nothing was measured, with the units on the next line, and what is known of the station before or after.

use jiff::Timestamp;
use jiff::civil::DateTime;
use jiff::tz::TimeZone;

use super::{KNOT, Problem, Raw, Values, number, raw, row};

/// The line that names the columns.
pub(super) fn header(lines: &[&str]) -> Option<usize> {
    lines.iter().position(|line| {
        let words: Vec<&str> = line.split_whitespace().collect();
        ["PRES", "TEMP", "DWPT"].iter().all(|name| words.contains(name))
    })
}

pub(super) fn read(lines: &[&str], header: usize) -> Result<Raw, Problem> {
    let columns = columns(lines.get(header).copied().unwrap_or_default());
    let units = lines.get(header + 1).copied().unwrap_or_default();
    let metres = units.contains("m/s") || columns.iter().any(|(name, _)| name == "SPED");
    let mut raw = Raw::default();
    for line in lines.get(..header).unwrap_or_default() {
        describe(line, &mut raw);
    }
    for (index, line) in lines.iter().enumerate().skip(header + 1) {
        let rule = line.trim().starts_with("---");
        if rule || line.trim().is_empty() || (index == header + 1 && line.contains("hPa")) {
            continue;
        }
        // What follows the table begins with a letter: the station, and indices made of the sounding.
        if line.trim().starts_with(|first: char| first.is_ascii_alphabetic() || first == '<') {
            lines.iter().skip(index).for_each(|line| station(line, &mut raw));
            break;
        }
        let mut values = Values::default();
        for (place, (name, end)) in columns.iter().enumerate() {
            let start =
                place.checked_sub(1).and_then(|before| columns.get(before)).map_or(0, |(_, end)| *end);
            let Some(field) = field(&mut values, name) else { continue };
            // A short line lacks its last columns.
            let text = line.get(start..(*end).min(line.len())).unwrap_or_default();
            *field = number(text).map_err(|()| {
                (Some(index + 1), format!("`{}` is no number in the column {name}", text.trim()))
            })?;
        }
        let factor = if metres { 1.0 } else { KNOT };
        values.speed = values.speed.map(|speed| speed * factor);
        raw.rows.extend(row(index + 1, values)?);
    }
    Ok(raw)
}

/// Names of the columns, and where each ends: numbers stand flush right under the last letter.
fn columns(line: &str) -> Vec<(String, usize)> {
    let mut columns = Vec::new();
    let mut end = 0;
    for word in line.split_whitespace() {
        let start = line.get(end..).and_then(|rest| rest.find(word)).map_or(end, |at| end + at);
        end = start + word.len();
        columns.push((word.to_string(), end));
    }
    columns
}

fn field<'a>(values: &'a mut Values, name: &str) -> Option<&'a mut Option<f64>> {
    Some(match name {
        "PRES" => &mut values.pressure,
        "HGHT" => &mut values.height,
        "TEMP" => &mut values.temperature,
        "DWPT" => &mut values.dewpoint,
        "DRCT" => &mut values.direction,
        "SKNT" | "SPED" => &mut values.speed,
        _ => return None,
    })
}

/// `72357 OUN Norman Observations at 12Z 22 May 2011`.
fn describe(line: &str, raw: &mut Raw) {
    let Some((name, when)) = line.split_once(" Observations at ") else { return };
    raw.title = Some(name.trim().to_string());
    let words: Vec<&str> = when.split_whitespace().collect();
    let [hour, day, month, year] = words[..] else { return };
    const MONTHS: [&str; 12] =
        ["jan", "feb", "mar", "apr", "may", "jun", "jul", "aug", "sep", "oct", "nov", "dec"];
    let month = month.to_ascii_lowercase();
    let month = MONTHS.iter().position(|name| month.starts_with(name));
    let instant = || {
        let hour = hour.trim_end_matches('Z').parse().ok()?;
        let date =
            DateTime::new(year.parse().ok()?, month? as i8 + 1, day.parse().ok()?, hour, 0, 0, 0).ok()?;
        date.to_zoned(TimeZone::UTC).ok().map(|zoned| zoned.timestamp())
    };
    let instant: Option<Timestamp> = instant();
    raw.time = raw.time.or(instant);
}

/// `Station latitude: 35.18`, `Observation time: 110522/1200`.
fn station(line: &str, raw: &mut Raw) {
    let Some((what, value)) = line.split_once(':') else { return };
    let value = value.trim();
    match what.trim() {
        "Station identifier" if raw.title.is_none() => raw.title = Some(value.to_string()),
        "Observation time" => raw.time = raw.time.or(raw::time(value)),
        "Station latitude" => {
            if let Ok(latitude) = value.parse() {
                raw.place = Some((latitude, raw.place.map_or(f64::NAN, |place| place.1)));
            }
        }
        "Station longitude" => {
            if let Ok(longitude) = value.parse() {
                raw.place = Some((raw.place.map_or(f64::NAN, |place| place.0), longitude));
            }
        }
        _ => {}
    }
}
