//! GRIB2 messages written as NCEP writes HRRR's: one field a message, on a Lambert grid scanned from the south-west, packed
//! simply (5.0) or as groups of second differences (5.3).
//!
//! The encoders on crates.io know no differences and no binary scale (grib 0.20), or do not write at all (gribberish
//! 1.9); HRRR's files have both.
//!
//! Source: WMO Manual on Codes, FM 92 GRIB edition 2, templates 3.30, 4.0, 4.8, 5.0, 5.3.

use jiff::Timestamp;
use jiff::tz::TimeZone;

use super::product::{Cell, Code};
use super::words::{Level, When};

mod pack;

pub use pack::{Packed, Packing};

/// NCEP, and its number for HRRR's forecasts.
const CENTRE: u16 = 7;
const PROCESS: u8 = 83;

/// A Lambert grid with one true latitude, degrees and metres, winds along its rows and columns.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Lambert {
    pub width: u32,
    pub height: u32,
    /// Of the south-western point.
    pub latitude: f64,
    pub longitude: f64,
    pub true_latitude: f64,
    pub central_longitude: f64,
    pub spacing: f64,
}

/// What a message says besides its values.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct About {
    pub code: Code,
    pub level: Level,
    /// The upper bound of a layer stands first, as in some of HRRR's.
    pub reversed: bool,
    pub run: Timestamp,
    pub when: When,
}

/// The whole message. `values` go from south to north, each row from west to east, and are all finite.
///
/// # Errors
/// A sentence that says what GRIB cannot hold.
pub fn message(about: &About, grid: &Lambert, packing: Packing, values: &[f32]) -> Result<Vec<u8>, String> {
    let points = u64::from(grid.width) * u64::from(grid.height);
    if points != values.len() as u64 || points > u64::from(u32::MAX) {
        return Err(format!("{} values for {points} points", values.len()));
    }
    let packed = pack::pack(packing, values)?;
    let mut out = b"GRIB\xff\xff".to_vec();
    out.extend([about.code.discipline, 2]);
    out.extend([0; 8]);
    section(&mut out, 1, identification(about));
    section(&mut out, 3, lambert(grid));
    section(&mut out, 4, product(about)?);
    section(&mut out, 5, packed.description);
    section(&mut out, 6, vec![255]);
    section(&mut out, 7, packed.data);
    out.extend(b"7777");
    let length = out.len() as u64;
    out[8..16].copy_from_slice(&length.to_be_bytes());
    Ok(out)
}

fn section(out: &mut Vec<u8>, number: u8, body: Vec<u8>) {
    out.extend((body.len() as u32 + 5).to_be_bytes());
    out.push(number);
    out.extend(body);
}

/// Section 1: NCEP, tables of version 2 with local ones of version 1, analyses or forecasts in operations.
fn identification(about: &About) -> Vec<u8> {
    let mut body = CENTRE.to_be_bytes().to_vec();
    body.extend([0, 0, 2, 1, 1]);
    body.extend(date(about.run));
    body.extend([0, u8::from(about.when.ahead > 0)]);
    body
}

/// Year in two bytes, month, day, hour, minute, second.
fn date(time: Timestamp) -> Vec<u8> {
    let time = time.to_zoned(TimeZone::UTC);
    let mut body = (time.year() as u16).to_be_bytes().to_vec();
    body.extend([time.month(), time.day(), time.hour(), time.minute(), time.second()].map(|part| part as u8));
    body
}

fn lambert(grid: &Lambert) -> Vec<u8> {
    // The sphere of 6371.229 km needs no figures.
    const EARTH: [u8; 16] = {
        let mut earth = [0; 16];
        earth[0] = 6;
        earth
    };
    let micro = |degrees: f64| signed((degrees * 1e6).round() as i64, 4);
    let east = |degrees: f64| micro(degrees.rem_euclid(360.0));
    let mut body = vec![0];
    body.extend((grid.width * grid.height).to_be_bytes());
    body.extend([0, 0, 0, 30]);
    body.extend(EARTH);
    body.extend(grid.width.to_be_bytes());
    body.extend(grid.height.to_be_bytes());
    body.extend(micro(grid.latitude));
    body.extend(east(grid.longitude));
    body.push(0x08);
    body.extend(micro(grid.true_latitude));
    body.extend(east(grid.central_longitude));
    let metres = ((grid.spacing * 1e3).round() as u32).to_be_bytes();
    body.extend(metres);
    body.extend(metres);
    body.extend([0, 0x40]);
    body.extend(micro(grid.true_latitude));
    body.extend(micro(grid.true_latitude));
    body.extend(micro(-90.0));
    body.extend([0; 4]);
    body
}

/// Section 4: template 4.0 at an instant, 4.8 over a period.
fn product(about: &About) -> Result<Vec<u8>, String> {
    let When { ahead, cell } = about.when;
    let start = ahead - cell.map_or(0, |cell| cell.seconds);
    // Code table 4.4.
    let (unit, one) = if start % 3600 == 0 && ahead % 3600 == 0 { (1, 3600) } else { (0, 60) };
    if start % one != 0 || ahead % one != 0 || start < 0 {
        return Err(format!("{} is no whole number of minutes", about.when.words()));
    }
    let template: u16 = if cell.is_some() { 8 } else { 0 };
    let mut body = vec![0, 0];
    body.extend(template.to_be_bytes());
    body.extend([
        about.code.category,
        about.code.number,
        if ahead > 0 { 2 } else { 0 },
        0,
        PROCESS,
        0,
        0,
        0,
        unit,
    ]);
    body.extend(((start / one) as u32).to_be_bytes());
    let (low, high) = about.level.surfaces();
    let (first, second) = match high {
        Some(high) if about.reversed => (high, Some(low)),
        other => (low, other),
    };
    for surface in [Some(first), second] {
        body.push(surface.map_or(255, |surface| surface.kind));
        match surface {
            None => body.extend([0xff; 5]),
            Some(surface) => body.extend(scaled(surface.value.unwrap_or(0.0))?),
        }
    }
    if let Some(Cell { process, seconds }) = cell {
        body.extend(date(later(about.run, ahead)?));
        body.extend([1, 0, 0, 0, 0, process, 2, unit]);
        body.extend(((seconds / one) as u32).to_be_bytes());
        body.extend([255, 0, 0, 0, 0]);
    }
    Ok(body)
}

fn later(time: Timestamp, seconds: i64) -> Result<Timestamp, String> {
    Timestamp::from_second(time.as_second() + seconds).map_err(|error| error.to_string())
}

/// A value with as few decimals as it has, at most six.
fn scaled(value: f64) -> Result<Vec<u8>, String> {
    for decimals in 0..=6i32 {
        let whole = value * 10f64.powi(decimals);
        if (whole - whole.round()).abs() < 1e-6 && whole.abs() < f64::from(i32::MAX) {
            let mut body = vec![decimals as u8];
            body.extend(signed(whole.round() as i64, 4));
            return Ok(body);
        }
    }
    Err(format!("{value} is no value of a surface"))
}

/// Sign and magnitude; the magnitude is known to fit.
fn signed(value: i64, bytes: usize) -> Vec<u8> {
    let sign = if value < 0 { 1u64 << (8 * bytes - 1) } else { 0 };
    (sign | value.unsigned_abs()).to_be_bytes()[8 - bytes..].to_vec()
}

#[cfg(test)]
mod tests {
    use super::super::Grib;
    use super::super::grid::Kind;
    use super::*;

    fn grid() -> Lambert {
        Lambert {
            width: 50,
            height: 40,
            latitude: 21.138_123,
            longitude: -122.719_528,
            true_latitude: 38.5,
            central_longitude: -97.5,
            spacing: 3000.0,
        }
    }

    fn about(level: &str, when: &str) -> About {
        About {
            code: Code { discipline: 0, category: 7, number: 199 },
            level: Level::read(level).unwrap(),
            reversed: true,
            run: "2020-05-19T23:00:00Z".parse().unwrap(),
            when: When::read(when).unwrap(),
        }
    }

    fn wavy(scale: f64) -> Vec<f32> {
        let at = |index: usize| {
            let (x, y) = ((index % 50) as f64, (index / 50) as f64);
            let jump = if x > 30.0 && y > 20.0 { 80.0 } else { 0.0 };
            (scale * ((x / 7.0).sin() * (y / 5.0).cos() * 20.0 + 0.3 * x + jump) + 250.0) as f32
        };
        (0..2000).map(at).collect()
    }

    /// Half a step of the packing, and what f32 keeps of the value.
    #[test]
    fn values_come_back_within_half_a_step() {
        for (values, binary) in [(wavy(1.0), -4), (wavy(-300.0), 0), (wavy(0.01), -20), (wavy(1.0), 6)] {
            for packing in [Packing::Simple { binary }, Packing::Differences { binary }] {
                let bytes = message(
                    &about("5000-2000 m above ground", "0-1 hour max fcst"),
                    &grid(),
                    packing,
                    &values,
                )
                .unwrap();
                let grib = Grib::of_bytes("made".as_ref(), bytes, 0).unwrap();
                let field = &grib.fields()[0];
                assert_eq!(field.product.cell_name().as_deref(), Some("max over 1 h"));
                assert_eq!(field.product.level_name(), "2000-5000 m above ground");
                assert_eq!(field.product.valid.unwrap().to_string(), "2020-05-20T00:00:00Z");
                assert_eq!(field.grid.kind, Kind::Lambert { longitude: 262.5, first: 38.5, second: 38.5 });
                assert_eq!(field.grid.winds_along_grid, Some(true));
                let read = grib.values::<f32>(field).unwrap();
                for (read, value) in read.iter().zip(&values) {
                    let allowed = 0.5 * 2f32.powi(i32::from(binary)) + 1e-6 * value.abs();
                    assert!((read - value).abs() <= allowed, "{packing:?}: {read} {value}");
                }
            }
        }
    }

    #[test]
    fn quarters_of_an_hour_are_counted_in_minutes() {
        for (when, valid) in
            [("15 min fcst", "23:15"), ("15-30 min max fcst", "23:30"), ("40-45 min ave fcst", "23:45")]
        {
            let about = about("2000-0 m above ground", when);
            let bytes = message(&about, &grid(), Packing::Simple { binary: 0 }, &[7.0; 2000]).unwrap();
            let grib = Grib::of_bytes("made".as_ref(), bytes, 0).unwrap();
            let product = &grib.fields()[0].product;
            assert_eq!(When::of(product), Some(about.when));
            assert_eq!(product.valid.unwrap().to_string(), format!("2020-05-19T{valid}:00Z"));
        }
        let odd = About { when: When { ahead: 70, cell: None }, ..about("surface", "anl") };
        assert!(message(&odd, &grid(), Packing::Simple { binary: 0 }, &[7.0; 2000]).is_err());
    }

    #[test]
    fn a_constant_takes_no_bits() {
        let placeholder = about("2000-0 m above ground", "0-0 day max fcst");
        let bytes =
            message(&placeholder, &grid(), Packing::Differences { binary: -4 }, &[-10.0; 2000]).unwrap();
        assert_eq!(bytes.len(), 212);
        let grib = Grib::of_bytes("made".as_ref(), bytes, 0).unwrap();
        assert_eq!(grib.fields()[0].constant(), Some(-10.0));
        assert_eq!(grib.values::<f32>(&grib.fields()[0]).unwrap(), [-10.0; 2000]);
        assert!(message(&placeholder, &grid(), Packing::Simple { binary: 0 }, &[f32::NAN; 2000]).is_err());
        assert!(message(&placeholder, &grid(), Packing::Simple { binary: 0 }, &[0.0; 3]).is_err());
    }

    /// A message of some hundred bytes may be constant over a large grid, and is then told as that; its values are
    /// refused beyond 33 million points, for they would take a million times its bytes.
    #[test]
    fn few_bytes_get_no_memory() {
        let placeholder = about("2000-0 m above ground", "0-0 day max fcst");
        let packing = Packing::Simple { binary: 0 };
        let bytes = message(&placeholder, &grid(), packing, &[7.0; 2000]).unwrap();
        // Sections 3 and 5 begin at bytes 37 and 176.
        let claiming = |columns: u32, rows: u32| {
            let mut bytes = bytes.clone();
            for (at, number) in [(43, columns * rows), (67, columns), (71, rows), (181, columns * rows)] {
                bytes[at..at + 4].copy_from_slice(&number.to_be_bytes());
            }
            Grib::of_bytes("made".as_ref(), bytes, 0).unwrap()
        };
        let fair = claiming(1799, 1059);
        assert_eq!(fair.values::<f32>(&fair.fields()[0]).unwrap().len(), 1_905_141);
        let large = claiming(16_384, 8192);
        assert_eq!(large.fields()[0].constant(), Some(7.0));
        let error = large.values::<f32>(&large.fields()[0]).unwrap_err();
        assert!(error.to_string().contains("134217728 points in 0 bytes"), "{error}");
    }
}
