//! Tables of columns with separators whose first line names them, with units after an underscore or in brackets:
//! `pressure_hPa,geopotential height_m,temperature_C,…` as Wyoming gives them out now, or `pres,hght,tmpc,dwpc,drct,sknt`.

use super::{FREEZING, KNOT, Problem, Raw, Values, number, row};

/// What a column holds.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Column {
    Pressure,
    Height,
    Temperature,
    Dewpoint,
    Direction,
    Speed,
    Latitude,
    Longitude,
    Other,
}

/// The line that names at least pressure and temperature.
pub(super) fn header(lines: &[&str]) -> Option<usize> {
    let first =
        lines.iter().position(|line| !line.trim().is_empty() && !line.trim_start().starts_with('#'))?;
    let columns: Vec<Column> = split(lines[first]).iter().map(|name| column(name)).collect();
    let has = |wanted| columns.contains(&wanted);
    (has(Column::Pressure) && has(Column::Temperature)).then_some(first)
}

pub(super) fn read(lines: &[&str], header: usize) -> Result<Raw, Problem> {
    let names = split(lines.get(header).copied().unwrap_or_default());
    let mut raw = Raw::default();
    for (index, line) in lines.iter().enumerate().skip(header + 1) {
        let line = line.trim();
        if line.is_empty() || line.starts_with('#') {
            continue;
        }
        let cells = split(line);
        if cells.len() != names.len() {
            let what = format!("{} columns, but the first line names {}", cells.len(), names.len());
            return Err((Some(index + 1), what));
        }
        let mut values = Values::default();
        let (mut latitude, mut longitude) = (None, None);
        for (name, cell) in names.iter().zip(&cells) {
            let kind = column(name);
            if kind == Column::Other {
                continue;
            }
            let value = number(cell)
                .map_err(|()| (Some(index + 1), format!("`{cell}` is no number in the column `{name}`")))?;
            let unit = unit(name);
            match kind {
                Column::Pressure if unit == "pa" => values.pressure = value.map(|value| value / 100.0),
                Column::Pressure => values.pressure = value,
                Column::Height => values.height = value,
                Column::Temperature => values.temperature = value.map(|value| celsius(value, &unit)),
                Column::Dewpoint => values.dewpoint = value.map(|value| celsius(value, &unit)),
                Column::Direction => values.direction = value,
                Column::Speed => {
                    let knots = unit.starts_with("kt") || unit.starts_with("kn") || name.contains("sknt");
                    values.speed = value.map(|value| if knots { value * KNOT } else { value });
                }
                Column::Latitude => latitude = value,
                Column::Longitude => longitude = value,
                Column::Other => {}
            }
        }
        raw.place = raw.place.or(latitude.zip(longitude));
        raw.rows.extend(row(index + 1, values)?);
    }
    Ok(raw)
}

fn split(line: &str) -> Vec<String> {
    let separator = [',', ';', '\t'].into_iter().find(|separator| line.contains(*separator));
    let clean = |cell: &str| cell.trim().trim_matches('"').trim().to_ascii_lowercase();
    match separator {
        Some(separator) => line.split(separator).map(clean).collect(),
        None => line.split_whitespace().map(clean).collect(),
    }
}

/// The letters after the name: `hpa` of `pressure_hPa`, `pressure (hPa)` and `pressure [hPa]`.
fn unit(name: &str) -> String {
    let after = name.rsplit(['_', '(', '[']).next().unwrap_or_default();
    if after == name { String::new() } else { after.trim_matches([')', ']', ' ']).to_string() }
}

fn celsius(value: f64, unit: &str) -> f64 {
    if matches!(unit, "k" | "kelvin") { value - FREEZING } else { value }
}

fn column(name: &str) -> Column {
    let name = name.split(['_', '(', '[']).next().unwrap_or_default().trim();
    match name {
        "pressure" | "pres" | "press" | "p" | "mb" | "hpa" | "level" => Column::Pressure,
        "height" | "geopotential height" | "hght" | "hgt" | "z" | "gph" | "altitude" | "alt" => {
            Column::Height
        }
        "temperature" | "temp" | "tmpc" | "t" | "tair" => Column::Temperature,
        "dewpoint"
        | "dew point"
        | "dew point temperature"
        | "dewpoint temperature"
        | "dwpt"
        | "dwpc"
        | "td" => Column::Dewpoint,
        "direction" | "wind direction" | "drct" | "wdir" | "dir" | "wd" => Column::Direction,
        "speed" | "wind speed" | "sknt" | "wspd" | "spd" | "ws" => Column::Speed,
        "latitude" | "lat" => Column::Latitude,
        "longitude" | "lon" => Column::Longitude,
        _ => Column::Other,
    }
}
