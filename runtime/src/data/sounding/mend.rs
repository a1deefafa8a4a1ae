//! From lines with gaps to whole levels.
//!
//! - A level without temperature is dropped; if it has a wind, that wind serves its neighbours.
//! - Winds between two that were measured are interpolated by their components in height, as they are between levels
//!   everywhere, so that a level more changes no shear and no helicity; dewpoints in ln p. Above the last wind that one
//!   is held; above the last dewpoint the air is taken as dry.
//! - Heights that are missing follow from hydrostatics, from below.
//! - Of two levels at one pressure the first counts; a level that is not higher than the one below is dropped.
//!
//! The lowest level with temperature and dewpoint is the ground.

use super::{Level, Problem, Raw, Row, Sounding};

/// Gas constant of dry air over standard gravity, m/K.
const SCALE: f64 = 287.05 / 9.806_65;
/// More levels than this are thinned: parameters do not feel them, and no kernel should be so long.
const MOST_LEVELS: usize = 1000;
/// A dewpoint of air that is dry for all purposes, K.
const DRY: f64 = 173.15;

pub(super) fn whole(raw: Raw, name: &str) -> Result<Sounding, Problem> {
    let mut notes = Vec::new();
    let mut rows = raw.rows;
    rows.sort_by(|one, two| two.pressure.total_cmp(&one.pressure));
    // Merged, for some files give temperature and wind of one pressure on two lines.
    let mut merged: Vec<Row> = Vec::new();
    for row in rows {
        match merged.last_mut().filter(|last| last.pressure == row.pressure) {
            Some(last) => {
                last.height = last.height.or(row.height);
                if last.temperature.is_none() {
                    (last.temperature, last.dewpoint) = (row.temperature, row.dewpoint);
                }
                last.wind = last.wind.or(row.wind);
            }
            None => merged.push(row),
        }
    }
    let heights = merged.iter().all(|row| row.height.is_some());
    let along: &dyn Fn(&Row) -> f64 = match heights {
        true => &|row| -row.height.unwrap_or(0.0),
        false => &|row| row.pressure.ln(),
    };
    let winds: Vec<(f64, [f64; 2])> =
        merged.iter().filter_map(|row| row.wind.map(|(u, v)| (along(row), [u, v]))).collect();
    let dewpoints: Vec<(f64, [f64; 1])> = merged
        .iter()
        .filter_map(|row| Some((row.pressure.ln(), [row.temperature.and(row.dewpoint)?])))
        .collect();
    let ground = merged.iter().position(|row| row.temperature.is_some() && row.dewpoint.is_some());
    let warm: Vec<Row> = merged
        .into_iter()
        .skip(ground.unwrap_or(usize::MAX))
        .filter(|row| row.temperature.is_some())
        .collect();
    let mut levels = levels(&warm, &winds, along, &dewpoints, &mut notes);
    if levels.len() < 3 {
        let what = format!(
            "{} levels with pressure, temperature and dewpoint; a sounding needs three at least",
            levels.len()
        );
        return Err((warm.last().map(|row| row.line), what));
    }
    if levels.len() > MOST_LEVELS {
        let every = levels.len().div_ceil(MOST_LEVELS);
        notes.push(format!("{} levels: one in {every} is used", levels.len()));
        levels = levels.into_iter().step_by(every).collect();
    }
    let title = raw.title.filter(|title| !title.is_empty()).unwrap_or_else(|| name.to_string());
    let place = raw.place.filter(|(latitude, longitude)| latitude.is_finite() && longitude.is_finite());
    Ok(Sounding { title, time: raw.time, place, levels, winds: !winds.is_empty(), notes })
}

/// Where a wind was measured, and the wind: towards east and north.
type Wind = (f64, [f64; 2]);

fn levels(
    rows: &[Row],
    winds: &[Wind],
    along: &dyn Fn(&Row) -> f64,
    dewpoints: &[(f64, [f64; 1])],
    notes: &mut Vec<String>,
) -> Vec<Level> {
    let (mut dry, mut calm, mut computed, mut sunk) = (0, 0, 0, 0);
    let mut levels: Vec<Level> = Vec::new();
    for row in rows {
        let Some(temperature) = row.temperature else { continue };
        let at = row.pressure.ln();
        let dewpoint = match row.dewpoint.or_else(|| between(dewpoints, at).map(|[value]| value)) {
            Some(value) => value.min(temperature),
            None => {
                dry += 1;
                DRY.min(temperature)
            }
        };
        let wind = match row.wind {
            Some((u, v)) => [u, v],
            None => between(winds, along(row)).unwrap_or_else(|| {
                calm += 1;
                nearest(winds, along(row))
            }),
        };
        let below = levels.last();
        let height = match (row.height, below) {
            (Some(height), _) => height,
            (None, None) => 0.0,
            (None, Some(below)) => {
                computed += 1;
                let mean = (virtual_temperature(below) + moist(temperature, dewpoint, row.pressure)) / 2.0;
                below.height + SCALE * mean * (below.pressure / row.pressure).ln()
            }
        };
        if below.is_some_and(|below| height <= below.height) {
            sunk += 1;
            continue;
        }
        let [u, v] = wind;
        levels.push(Level { pressure: row.pressure, height, temperature, dewpoint, u, v });
    }
    let mut note = |count: usize, what: &str| {
        if count > 0 {
            notes.push(format!("{count} {} {what}", if count == 1 { "level" } else { "levels" }));
        }
    };
    note(dry, "above the last dewpoint: taken as dry");
    note(if winds.is_empty() { 0 } else { calm }, "beyond the measured winds: the nearest wind is held");
    note(computed, "without height: worked out by hydrostatics");
    note(sunk, "not higher than the level below: dropped");
    levels
}

/// Linear between the two that lie around; nothing outside of them. `known` falls in its first number.
fn between<const N: usize>(known: &[(f64, [f64; N])], at: f64) -> Option<[f64; N]> {
    let pair = known.windows(2).find(|pair| pair[0].0 >= at && at >= pair[1].0)?;
    let ((low, below), (high, above)) = (pair[0], pair[1]);
    let part = if low > high { (low - at) / (low - high) } else { 0.0 };
    Some(std::array::from_fn(|index| below[index] + part * (above[index] - below[index])))
}

/// The value of the nearest; zeros if none is known.
fn nearest<const N: usize>(known: &[(f64, [f64; N])], at: f64) -> [f64; N] {
    let distance = |entry: &&(f64, [f64; N])| (entry.0 - at).abs();
    known.iter().min_by(|one, two| distance(one).total_cmp(&distance(two))).map_or([0.0; N], |entry| entry.1)
}

fn virtual_temperature(level: &Level) -> f64 {
    moist(level.temperature, level.dewpoint, level.pressure)
}

/// Virtual temperature in K, by Bolton's (1980) vapour pressure.
fn moist(temperature: f64, dewpoint: f64, pressure: f64) -> f64 {
    let vapour = (611.2 * (17.67 * (dewpoint - 273.15) / (dewpoint - 29.65)).exp()).min(pressure / 2.0);
    let ratio = 0.622 * vapour / (pressure - vapour);
    temperature * (1.0 + ratio / 0.622) / (1.0 + ratio)
}
