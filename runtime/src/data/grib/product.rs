//! What a field is (section 4): its code, its surfaces, its times.

use std::fmt;

use jiff::civil::DateTime;
use jiff::tz::TimeZone;
use jiff::{SignedDuration, Timestamp};
use serde::Serialize;

use super::Problem;
use super::octets::{scaled, signed, unsigned};

/// Discipline, category and number: what a field is, whatever anybody calls it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize)]
pub struct Code {
    pub discipline: u8,
    pub category: u8,
    pub number: u8,
}

impl fmt::Display for Code {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(out, "{}.{}.{}", self.discipline, self.category, self.number)
    }
}

/// A fixed surface (code table 4.5), with its value in the table's unit.
#[derive(Clone, Copy, Debug, PartialEq, Serialize)]
pub struct Surface {
    pub kind: u8,
    pub value: Option<f64>,
}

/// A field's identity in space and time.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct Product {
    pub code: Code,
    /// Number of the product definition template.
    pub template: u16,
    /// The surface, or the two that bound a layer with the lower value first: files write them either way.
    pub level: Option<(Surface, Option<Surface>)>,
    /// The run, or the time of the observation.
    pub reference: Timestamp,
    /// When the field holds; the end of the interval where there is one.
    pub valid: Option<Timestamp>,
    /// What was done over which interval, if the field is not instantaneous.
    pub cell: Option<Cell>,
    /// Member of an ensemble, a probability, and the like, in words.
    pub kind: Option<String>,
}

/// A statistic over the time before [`Product::valid`].
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
pub struct Cell {
    /// Code table 4.10: 0 mean, 1 sum, 2 maximum, 3 minimum...
    pub process: u8,
    /// Length of the interval in seconds, from the given times.
    pub seconds: i64,
}

impl Product {
    pub(super) fn read(discipline: u8, identification: &[u8], section: &[u8]) -> Result<Self, Problem> {
        let short = || Problem::Damaged("section 4 is too short".into());
        let reference = date(identification, 12)
            .ok_or_else(|| Problem::Damaged("section 1 has no possible reference time".into()))?;
        let byte = |offset: usize| section.get(offset).copied().ok_or_else(short);
        let template = unsigned(section, 7, 2).ok_or_else(short)? as u16;
        let code = Code { discipline, category: byte(9)?, number: byte(10)? };
        let mut product =
            Product { code, template, level: None, reference, valid: None, cell: None, kind: None };
        if !known(template) {
            return Ok(product);
        }
        let ahead = signed(section, 18, 4).ok_or_else(short)?;
        let start = seconds(byte(17)?, ahead).and_then(|ahead| later(reference, ahead));
        product.level = level(section);
        product.kind = kind(template, section);
        product.valid = start;
        if let Some(at) = interval_offset(template) {
            let end = date(section, at)
                .ok_or_else(|| Problem::Damaged("section 4 has no possible end time".into()))?;
            let process = byte(at + 12)?;
            let length = start.map_or(0, |start| end.as_second() - start.as_second());
            product.valid = Some(end);
            product.cell = (length > 0 || process != 255).then_some(Cell { process, seconds: length });
        }
        Ok(product)
    }

    /// `2 m above ground`, `0-3000 m above ground`, `500 hPa`.
    pub fn level_name(&self) -> String {
        match self.level {
            Some((first, second)) => super::names::level(first, second),
            None => "?".into(),
        }
    }

    /// `max over 1 h`.
    pub fn cell_name(&self) -> Option<String> {
        self.cell.map(|cell| cell.to_string())
    }
}

impl fmt::Display for Cell {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        let process = match self.process {
            0 => "mean",
            1 => "sum",
            2 => "max",
            3 => "min",
            4 => "difference",
            5 => "rms",
            6 => "standard deviation",
            8 => "difference from start",
            other => return write!(out, "statistic {other} over {}", duration(self.seconds)),
        };
        write!(out, "{process} over {}", duration(self.seconds))
    }
}

/// `15 min`, `1 h`, `12 h`, `3 d`.
pub fn duration(seconds: i64) -> String {
    match seconds {
        s if s % 3600 == 0 && s.abs() < 172_800 => format!("{} h", s / 3600),
        s if s % 86_400 == 0 => format!("{} d", s / 86_400),
        s if s % 3600 == 0 => format!("{} h", s / 3600),
        s if s % 60 == 0 => format!("{} min", s / 60),
        s => format!("{s} s"),
    }
}

/// Templates whose first 34 bytes are laid out like template 4.0.
fn known(template: u16) -> bool {
    matches!(template, 0..=15 | 60 | 61)
}

/// Where the end of the interval stands, for templates of intervals.
fn interval_offset(template: u16) -> Option<usize> {
    match template {
        8 => Some(34),
        9 => Some(47),
        10 => Some(35),
        11 => Some(37),
        12 => Some(36),
        _ => None,
    }
}

fn kind(template: u16, section: &[u8]) -> Option<String> {
    let byte = |offset: usize| section.get(offset).copied();
    match template {
        1 | 11 => Some(format!("member {} of {}", byte(35)?, byte(36)?)),
        2 | 12 => Some(format!("derived from {} members (type {})", byte(35)?, byte(34)?)),
        5 | 9 => Some(format!("probability (type {})", byte(36)?)),
        6 | 10 => Some(format!("percentile {}", byte(34)?)),
        _ => None,
    }
}

fn level(section: &[u8]) -> Option<(Surface, Option<Surface>)> {
    let surface = |at: usize| Some(Surface { kind: *section.get(at)?, value: scaled(section, at + 1) });
    let (first, second) = (surface(22)?, surface(28)?);
    if second.kind == 255 {
        return Some((first, None));
    }
    let turned =
        first.kind == second.kind && matches!((first.value, second.value), (Some(a), Some(b)) if a > b);
    Some(if turned { (second, Some(first)) } else { (first, Some(second)) })
}

/// Year (2 bytes), month, day, hour, minute, second.
fn date(bytes: &[u8], at: usize) -> Option<Timestamp> {
    let year = unsigned(bytes, at, 2)? as i16;
    let part = |index: usize| bytes.get(at + 1 + index).map(|&value| value as i8);
    // Some centres write second 60 or hour 24; those dates are refused by the calendar, and rightly.
    let date = DateTime::new(year, part(1)?, part(2)?, part(3)?, part(4)?, part(5)?, 0).ok()?;
    date.to_zoned(TimeZone::UTC).ok().map(|zoned| zoned.timestamp())
}

/// A span in seconds (code table 4.4); months and years have none.
fn seconds(unit: u8, count: i64) -> Option<i64> {
    let one = match unit {
        0 => 60,
        1 => 3600,
        2 => 86_400,
        10 => 3 * 3600,
        11 => 6 * 3600,
        12 => 12 * 3600,
        13 => 1,
        _ => return None,
    };
    count.checked_mul(one)
}

fn later(time: Timestamp, seconds: i64) -> Option<Timestamp> {
    time.checked_add(SignedDuration::from_secs(seconds)).ok()
}
