//! What the files of a synthetic HRRR hold, in the words of its inventories.

use crate::data::archive::hrrr::catalogue::blank_at_start;
use crate::data::grib::encode::Packing;
use crate::data::grib::names;
use crate::data::grib::product::{Cell, Code};
use crate::data::grib::words::Level;

/// Pressure levels of wrfprs in hPa.
pub const LEVELS: [u32; 39] = [
    50, 75, 100, 125, 150, 175, 200, 225, 250, 275, 300, 325, 350, 375, 400, 425, 450, 475, 500, 525, 550,
    575, 600, 625, 650, 675, 700, 725, 750, 775, 800, 825, 850, 875, 900, 925, 950, 975, 1000,
];

/// Parameters on them, with E.
pub const UPPER: [(&str, i16); 6] =
    [("HGT", -4), ("TMP", -4), ("SPFH", -20), ("VVEL", -7), ("UGRD", -4), ("VGRD", -4)];

/// A record of wrfsfc.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Line {
    /// As in an inventory; an upper bound that stands first stands first in the message.
    pub parameter: &'static str,
    pub level: &'static str,
    /// Code table 4.10, for what is over the hour before.
    pub process: Option<u8>,
    pub packing: Packing,
}

const fn line(parameter: &'static str, level: &'static str, binary: i16) -> Line {
    Line { parameter, level, process: None, packing: Packing::Differences { binary } }
}

const fn plain(parameter: &'static str, level: &'static str, binary: i16) -> Line {
    Line { parameter, level, process: None, packing: Packing::Simple { binary } }
}

const fn over(parameter: &'static str, level: &'static str, process: u8, binary: i16) -> Line {
    Line { parameter, level, process: Some(process), packing: Packing::Differences { binary } }
}

/// wrfsfc in its order. What is over an hour is a placeholder in f00 and there in f01, and so is what begins with the run.
pub const SURFACE: [Line; 48] = [
    line("REFC", "entire atmosphere", -4),
    line("REFD", "1000 m above ground", -4),
    line("GUST", "surface", -4),
    over("MAXUVV", "100-1000 mb above ground", 2, -4),
    over("MAXDVV", "100-1000 mb above ground", 2, -4),
    line("MSLMA", "mean sea level", 0),
    over("MAXREF", "1000 m above ground", 2, -4),
    over("MXUPHL", "5000-2000 m above ground", 2, -4),
    over("MNUPHL", "5000-2000 m above ground", 3, -4),
    over("MXUPHL", "2000-0 m above ground", 2, -4),
    over("MNUPHL", "2000-0 m above ground", 3, -4),
    over("MXUPHL", "3000-0 m above ground", 2, -4),
    over("MNUPHL", "3000-0 m above ground", 3, -4),
    line("PRES", "surface", 0),
    line("HGT", "surface", -4),
    line("TMP", "surface", -4),
    line("TMP", "2 m above ground", -4),
    line("POT", "2 m above ground", -4),
    line("SPFH", "2 m above ground", -20),
    line("DPT", "2 m above ground", -4),
    line("RH", "2 m above ground", -4),
    plain("UGRD", "10 m above ground", -4),
    plain("VGRD", "10 m above ground", -4),
    over("WIND", "10 m above ground", 2, -4),
    line("PRATE", "surface", -22),
    over("APCP", "surface", 1, -8),
    line("VGTYP", "surface", 0),
    line("CAPE", "surface", 0),
    line("CIN", "surface", -3),
    line("PWAT", "entire atmosphere (considered as a single layer)", -4),
    line("TCDC", "entire atmosphere", 0),
    line("HLCY", "3000-0 m above ground", -3),
    line("HLCY", "1000-0 m above ground", -3),
    line("USTM", "0-6000 m above ground", -4),
    line("VSTM", "0-6000 m above ground", -4),
    plain("VUCSH", "0-1000 m above ground", -4),
    plain("VVCSH", "0-1000 m above ground", -4),
    plain("VUCSH", "0-6000 m above ground", -4),
    plain("VVCSH", "0-6000 m above ground", -4),
    line("CAPE", "180-0 mb above ground", 0),
    line("CIN", "180-0 mb above ground", -3),
    line("HPBL", "surface", -4),
    line("CAPE", "90-0 mb above ground", 0),
    line("CIN", "90-0 mb above ground", -3),
    line("CAPE", "255-0 mb above ground", 0),
    line("CIN", "255-0 mb above ground", -3),
    line("CAPE", "0-3000 m above ground", 0),
    line("LAND", "surface", 0),
];

/// Of wrfsubh, which has each at every quarter of an hour: fields of [`SURFACE`], and what is over the quarter (code table
/// 4.10).
pub const QUARTERS: [(&str, Option<u8>); 13] = [
    ("TMP:2 m above ground", None),
    ("DPT:2 m above ground", None),
    ("SPFH:2 m above ground", None),
    ("UGRD:10 m above ground", None),
    ("VGRD:10 m above ground", None),
    ("WIND:10 m above ground", Some(0)),
    ("PRES:surface", None),
    ("PRATE:surface", None),
    ("REFC:entire atmosphere", None),
    ("GUST:surface", None),
    ("REFD:1000 m above ground", None),
    ("HGT:surface", None),
    ("APCP:surface", Some(1)),
];

impl Line {
    pub fn name(&self) -> String {
        format!("{}:{}", self.parameter, self.level)
    }

    /// The surface, and whether its upper bound stands first.
    pub fn surface(&self) -> Option<(Level, bool)> {
        let level = Level::read(self.level)?;
        Some((level, level.words(false).as_deref() != Some(self.level)))
    }

    /// Whether it is a placeholder in f00, so that f01 is read for it.
    pub fn blank_at_start(&self) -> bool {
        self.process.is_some() || blank_at_start(self.parameter, self.level)
    }

    pub fn cell(&self) -> Option<Cell> {
        self.process.map(|process| Cell { process, seconds: 3600 })
    }
}

/// The code that HRRR uses of those with a name: NCEP's own where there is one, but not for the height of the
/// boundary layer.
pub fn code(parameter: &str) -> Option<Code> {
    let codes = names::codes(parameter);
    if parameter == "HPBL" { codes.first() } else { codes.last() }.copied()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_line_has_a_code_and_a_surface() {
        for line in SURFACE {
            assert!(code(line.parameter).is_some() && line.surface().is_some(), "{}", line.name());
        }
        assert!(UPPER.iter().all(|(parameter, _)| code(parameter).is_some()));
        assert_eq!(code("REFC").map(|code| code.number), Some(196));
    }
}
