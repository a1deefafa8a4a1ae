//! The words of wgrib2's inventories, which stand in the `.idx` files beside the archives of NCEP, and in `from`:
//! levels (`3000-0 m above ground`) and times (`7-8 hour max fcst`), read and written.
//!
//! Source: the inventories themselves; WMO code tables 4.4, 4.5 and 4.10.

use super::product::{Cell, Product, Surface};

/// A surface or a layer, so that two spellings of one compare equal: bounds ascend, and surfaces that need no value
/// have none.
#[derive(Clone, Copy, Debug, PartialEq, PartialOrd)]
pub struct Level {
    /// Code table 4.5.
    pub kind: u8,
    pub low: Option<f64>,
    pub high: Option<f64>,
}

/// When a field holds, in seconds after the reference time of its run.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct When {
    /// The end of the interval, if there is one.
    pub ahead: i64,
    pub cell: Option<Cell>,
}

/// Surfaces without a value. Of two kinds with one name the first is written.
const FIXED: [(u8, &str); 29] = [
    (1, "surface"),
    (2, "cloud base"),
    (3, "cloud top"),
    (4, "0C isotherm"),
    (5, "level of adiabatic condensation from sfc"),
    (6, "max wind"),
    (7, "tropopause"),
    (8, "top of atmosphere"),
    (10, "entire atmosphere"),
    (14, "level of free convection"),
    (101, "mean sea level"),
    (200, "entire atmosphere (considered as a single layer)"),
    (204, "highest tropospheric freezing level"),
    (206, "grid scale cloud bottom level"),
    (207, "grid scale cloud top level"),
    (211, "boundary layer cloud layer"),
    (214, "low cloud layer"),
    (215, "cloud ceiling"),
    (220, "planetary boundary layer"),
    (222, "middle cloud bottom level"),
    (223, "middle cloud top level"),
    (224, "middle cloud layer"),
    (232, "high cloud bottom level"),
    (233, "high cloud top level"),
    (234, "high cloud layer"),
    (242, "convective cloud bottom level"),
    (243, "convective cloud top level"),
    (244, "convective cloud layer"),
    (247, "equilibrium level"),
];

/// Surfaces with a value: the kind, how many of its unit the number counts, the words for one and for a layer.
const MEASURED: [(u8, f64, &str, &str); 11] = [
    (20, 1.0, "K level", "K layer"),
    (100, 100.0, "mb", "mb"),
    (102, 1.0, "m above mean sea level", "m above mean sea level"),
    (103, 1.0, "m above ground", "m above ground"),
    (104, 1.0, "sigma level", "sigma layer"),
    (105, 1.0, "hybrid level", "hybrid layer"),
    (106, 1.0, "m underground", "m underground"),
    (106, 1.0, "m below ground", "m below ground"),
    (107, 1.0, "K isentropic level", "K isentropic layer"),
    (108, 100.0, "mb above ground", "mb above ground"),
    (151, 1.0, "soil level", "soil layer"),
];

impl Level {
    /// `2 m above ground`, `3000-0 m above ground`, `500 mb`, `261 K level - 256 K level`, `surface`.
    pub fn read(text: &str) -> Option<Level> {
        if let Some((kind, _)) = FIXED.iter().find(|(_, name)| *name == text) {
            return Some(Level { kind: *kind, low: None, high: None });
        }
        if let Some((one, two)) = text.split_once(" - ") {
            let (one, two) = (Level::read(one)?, Level::read(two)?);
            let single = one.high.is_none() && two.high.is_none() && one.kind == two.kind;
            return single.then(|| Level::layer(one.kind, one.low?, two.low?)).flatten();
        }
        let (numbers, words) = text.split_once(' ')?;
        // The dash between two numbers, not a sign before one.
        let dash = numbers.char_indices().skip(1).find(|(_, letter)| *letter == '-').map(|(at, _)| at);
        let number = |text: &str| text.parse::<f64>().ok().filter(|value| value.is_finite());
        let (first, second) = match dash {
            Some(at) => (number(&numbers[..at])?, Some(number(&numbers[at + 1..])?)),
            None => (number(numbers)?, None),
        };
        let named = |(_, _, single, layer): &&(u8, f64, &str, &str)| {
            if second.is_some() { *layer == words } else { *single == words }
        };
        let (kind, scale, ..) = MEASURED.iter().find(named)?;
        match second {
            Some(second) => Level::layer(*kind, first * scale, second * scale),
            None => Some(Level { kind: *kind, low: Some(first * scale), high: None }),
        }
    }

    fn layer(kind: u8, one: f64, two: f64) -> Option<Level> {
        Some(Level { kind, low: Some(one.min(two)), high: Some(one.max(two)) })
    }

    /// Where a product of GRIB lies.
    pub fn of(product: &Product) -> Option<Level> {
        let (first, second) = product.level?;
        let plain = FIXED.iter().any(|(kind, _)| *kind == first.kind);
        match second {
            _ if plain && second.is_none_or(|second| second.kind == first.kind || second.kind == 8) => {
                Some(Level { kind: first.kind, low: None, high: None })
            }
            Some(second) if second.kind == first.kind => {
                Level::layer(first.kind, first.value?, second.value?)
            }
            Some(_) => None,
            None => Some(Level { kind: first.kind, low: Some(first.value?), high: None }),
        }
    }

    /// Whether both are one, to a millionth.
    pub fn same(&self, other: &Level) -> bool {
        let near = |one: Option<f64>, two: Option<f64>| match (one, two) {
            (Some(one), Some(two)) => (one - two).abs() <= 1e-6 * one.abs().max(two.abs()).max(1e-3),
            (None, None) => true,
            _ => false,
        };
        self.kind == other.kind && near(self.low, other.low) && near(self.high, other.high)
    }

    /// In wgrib2's words; `reversed` puts the upper bound of a layer first. Nothing for kinds without words.
    pub fn words(&self, reversed: bool) -> Option<String> {
        if let Some((_, name)) = FIXED.iter().find(|(kind, _)| *kind == self.kind) {
            return Some((*name).to_string());
        }
        let (_, scale, single, layer) = MEASURED.iter().find(|(kind, ..)| *kind == self.kind)?;
        let number = |value: f64| format!("{}", ((value / scale) * 1e6).round() / 1e6);
        let low = self.low?;
        Some(match self.high {
            None => format!("{} {single}", number(low)),
            Some(high) => {
                let (one, two) = if reversed { (high, low) } else { (low, high) };
                match self.kind {
                    20 => format!("{} {single} - {} {single}", number(one), number(two)),
                    _ => format!("{}-{} {layer}", number(one), number(two)),
                }
            }
        })
    }

    /// The surfaces of GRIB, lower first.
    pub fn surfaces(&self) -> (Surface, Option<Surface>) {
        let of = |value: Option<f64>| Surface { kind: self.kind, value };
        (of(self.low), self.high.map(|high| of(Some(high))))
    }
}

impl When {
    /// `anl`, `8 hour fcst`, `15 min fcst`, `7-8 hour max fcst`, `0-1 day acc fcst`.
    pub fn read(text: &str) -> Option<When> {
        if text == "anl" {
            return Some(When { ahead: 0, cell: None });
        }
        let words: Vec<&str> = text.split(' ').collect();
        let (range, unit, process) = match words.as_slice() {
            [range, unit, "fcst"] => (*range, *unit, None),
            [range, unit, process, "fcst"] => (*range, *unit, Some(*process)),
            _ => return None,
        };
        let one = match unit {
            "sec" => 1,
            "min" => 60,
            "hour" => 3600,
            "day" => 86_400,
            _ => return None,
        };
        let seconds = |text: &str| text.parse::<i32>().ok().map(|count| i64::from(count) * one);
        let process = match process {
            None => return Some(When { ahead: seconds(range)?, cell: None }),
            Some("ave") => 0,
            Some("acc") => 1,
            Some("max") => 2,
            Some("min") => 3,
            Some(_) => return None,
        };
        let (start, end) = range.split_once('-')?;
        let (start, end) = (seconds(start)?, seconds(end)?);
        (end >= start).then_some(When { ahead: end, cell: Some(Cell { process, seconds: end - start }) })
    }

    /// When a product of GRIB holds.
    pub fn of(product: &Product) -> Option<When> {
        let ahead = product.valid?.as_second() - product.reference.as_second();
        Some(When { ahead, cell: product.cell })
    }

    /// In wgrib2's words.
    pub fn words(&self) -> String {
        let whole = |one: i64| (self.ahead - self.seconds()) % one == 0 && self.ahead % one == 0;
        self.counted(match self.cell {
            Some(_) if whole(86_400) => (86_400, "day"),
            _ if whole(3600) => (3600, "hour"),
            _ => (60, "min"),
        })
    }

    /// As wgrib2 lists a message that counts minutes: `60 min fcst`, `45-60 min acc fcst`.
    pub fn minutes(&self) -> String {
        self.counted((60, "min"))
    }

    /// Length of what it is over.
    fn seconds(&self) -> i64 {
        self.cell.map_or(0, |cell| cell.seconds)
    }

    fn counted(&self, (one, name): (i64, &str)) -> String {
        match self.cell {
            None if self.ahead == 0 => "anl".into(),
            None => format!("{} {name} fcst", self.ahead / one),
            Some(Cell { process, seconds }) => {
                let start = self.ahead - seconds;
                let process = match process {
                    0 => "ave",
                    1 => "acc",
                    2 => "max",
                    _ => "min",
                };
                format!("{}-{} {name} {process} fcst", start / one, self.ahead / one)
            }
        }
    }
}

impl Cell {
    /// `max over 1 h`, as a recipe has it.
    pub fn read(text: &str) -> Option<Cell> {
        let (process, length) = text.split_once(" over ")?;
        let process = match process {
            "mean" => 0,
            "sum" => 1,
            "max" => 2,
            "min" => 3,
            _ => return None,
        };
        let (count, unit) = length.split_once(' ')?;
        let one = match unit {
            "s" => 1,
            "min" => 60,
            "h" => 3600,
            "d" => 86_400,
            _ => return None,
        };
        Some(Cell { process, seconds: count.parse::<i64>().ok()?.checked_mul(one)? })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn levels_there_and_back() {
        for text in [
            "surface",
            "2 m above ground",
            "1013.2 mb",
            "500 mb",
            "entire atmosphere",
            "entire atmosphere (considered as a single layer)",
            "0.5-0.8 sigma layer",
            "100-1000 mb above ground",
            "1 hybrid level",
            "263 K level",
            "0 m underground",
        ] {
            assert_eq!(Level::read(text).and_then(|level| level.words(false)).as_deref(), Some(text));
        }
        for text in ["3000-0 m above ground", "261 K level - 256 K level", "180-0 mb above ground"] {
            assert_eq!(Level::read(text).and_then(|level| level.words(true)).as_deref(), Some(text));
        }
        assert_eq!(Level::read("0-3000 m above ground"), Level::read("3000-0 m above ground"));
        for text in ["2 metres above ground", "surfaces", "x mb", "1-2-3 mb", "inf mb", "500", "- mb", ""] {
            assert_eq!(Level::read(text), None, "{text}");
        }
    }

    #[test]
    fn times_there_and_back() {
        for text in [
            "anl",
            "8 hour fcst",
            "24 hour fcst",
            "15 min fcst",
            "7-8 hour max fcst",
            "0-0 day max fcst",
            "0-1 day acc fcst",
            "15-30 min acc fcst",
            "70-75 min ave fcst",
        ] {
            assert_eq!(When::read(text).map(|when| when.words()).as_deref(), Some(text));
        }
        for text in ["60 min fcst", "15 min fcst", "45-60 min acc fcst", "0-60 min max fcst", "anl"] {
            assert_eq!(When::read(text).map(|when| when.minutes()).as_deref(), Some(text));
        }
        assert_eq!(When::read("60 min fcst"), When::read("1 hour fcst"));
        let cell = Some(Cell { process: 2, seconds: 3600 });
        assert_eq!(When::read("7-8 hour max fcst"), Some(When { ahead: 28_800, cell }));
        assert_eq!(Cell::read("max over 1 h"), cell);
        for text in
            ["", "fcst", "8 hours fcst", "8-7 hour max fcst", "99999999999999 hour fcst", "7-8 hour odd fcst"]
        {
            assert_eq!(When::read(text), None, "{text}");
        }
    }
}
