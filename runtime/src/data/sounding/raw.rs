//! The form of SPC's archive, which SHARPpy reads and writes: hPa, m, °C, °C, degrees, knots between `%RAW%` and
//! `%END%`, and above them, after `%TITLE%`, a station, a time `yymmdd/hhmm` and perhaps where it lies.

use jiff::Timestamp;
use jiff::civil::DateTime;
use jiff::tz::TimeZone;

use super::{KNOT, Problem, Raw, Values, number, row};

pub(super) fn read(lines: &[&str]) -> Result<Raw, Problem> {
    let find = |mark: &str| lines.iter().position(|line| line.trim().eq_ignore_ascii_case(mark));
    let start = find("%RAW%").ok_or((None, "there is no `%RAW%`".to_string()))?;
    let end = find("%END%").filter(|end| *end > start).ok_or_else(|| {
        (Some(lines.len()), "the file ends before `%END%`: it was cut short, fetch it again".to_string())
    })?;
    let mut raw = Raw::default();
    let title = find("%TITLE%").map_or(0, |line| line + 1);
    for line in lines.get(title..start).unwrap_or_default() {
        describe(line, &mut raw);
    }
    for (index, line) in lines.iter().enumerate().take(end).skip(start + 1) {
        if line.trim().is_empty() {
            continue;
        }
        let numbers: Vec<&str> = match line.contains(',') {
            true => line.split(',').collect(),
            false => line.split_whitespace().collect(),
        };
        if numbers.len() < 6 {
            let what = format!(
                "{} numbers, but pressure, height, temperature, dewpoint, direction and speed are wanted",
                numbers.len()
            );
            return Err((Some(index + 1), what));
        }
        let mut values = [None; 6];
        for (value, text) in values.iter_mut().zip(&numbers) {
            *value =
                number(text).map_err(|()| (Some(index + 1), format!("`{}` is no number", text.trim())))?;
        }
        let [pressure, height, temperature, dewpoint, direction, speed] = values;
        let speed = speed.map(|speed| speed * KNOT);
        let values = Values { pressure, height, temperature, dewpoint, direction, speed };
        raw.rows.extend(row(index + 1, values)?);
    }
    Ok(raw)
}

/// A line of the title: ` OUN   110524/1800 35.18,-97.44`, or its parts on lines of their own.
fn describe(line: &str, raw: &mut Raw) {
    if line.contains("LEVEL") || line.trim_matches(['-', ' ']).is_empty() {
        return;
    }
    let mut words = Vec::new();
    for word in line.split_whitespace() {
        match (time(word), place(word)) {
            (Some(time), _) => raw.time = raw.time.or(Some(time)),
            (None, Some(place)) => raw.place = raw.place.or(Some(place)),
            (None, None) => words.push(word.rsplit('/').next().unwrap_or(word)),
        }
    }
    if !words.is_empty() && raw.title.is_none() {
        raw.title = Some(words.join(" "));
    }
}

/// `110524/1800`, in UTC; years from 50 on are of the last century.
pub(super) fn time(word: &str) -> Option<Timestamp> {
    let (day, hour) = word.split_once('/')?;
    let digits = |text: &str| text.bytes().all(|byte| byte.is_ascii_digit());
    if day.len() != 6 || hour.len() < 2 || hour.len() > 4 || !digits(day) || !digits(hour) {
        return None;
    }
    let part = |text: &str| text.parse::<i8>().ok();
    let year = i16::from(part(day.get(..2)?)?);
    let year = if year < 50 { 2000 + year } else { 1900 + year };
    let minute = hour.get(2..).filter(|text| !text.is_empty()).map_or(Some(0), part)?;
    let (month, day) = (part(day.get(2..4)?)?, part(day.get(4..6)?)?);
    let date = DateTime::new(year, month, day, part(hour.get(..2)?)?, minute, 0, 0).ok()?;
    date.to_zoned(TimeZone::UTC).ok().map(|zoned| zoned.timestamp())
}

/// `36.25,-86.56` or `37.57;-100.13`.
fn place(word: &str) -> Option<(f64, f64)> {
    let (latitude, longitude) = word.split_once([',', ';'])?;
    let (latitude, longitude): (f64, f64) = (latitude.parse().ok()?, longitude.parse().ok()?);
    (latitude.abs() <= 90.0 && longitude.abs() <= 360.0).then_some((latitude, longitude))
}
