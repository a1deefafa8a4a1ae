//! How the University of Utah lays HRRR-Zarr out, and its names in NCEP's words.
//!
//! `{sfc,prs}/YYYYMMDD/YYYYMMDD_HHz_{anl,fcst}.zarr` are hierarchies of version 2, in each an array
//! `LEVEL/PARAMETER/LEVEL/PARAMETER`. Levels are those of the inventories without blanks and with `_` for `-`, and some
//! of their own; parameters carry the period that they are over: `MXUPHL_1hr_max_fcst`.

use std::collections::BTreeSet;
use std::sync::Arc;

use jiff::ToSpan;
use jiff::civil::{Date, date};

use crate::data::archive::hrrr::layout::{FileOf, Naming, Product, start};
use crate::data::files::{FileError, Files};
use crate::data::grib::product::Cell;
use crate::data::grib::words::Level;

/// There is nothing on the model's own levels.
const PRODUCTS: [Product; 2] = [Product::Surface, Product::Pressure];

/// The names of the University of Utah.
#[derive(Clone, Copy, Debug)]
pub struct Utah;

impl Utah {
    /// The hierarchy that holds what a file of HRRR does. All hours of a forecast lie in one.
    pub fn path(file: &FileOf) -> String {
        let (product, day, hour) =
            (file.product.name(), file.run.strftime("%Y%m%d"), file.run.strftime("%H"));
        let kind = if file.lead == 0 { "anl" } else { "fcst" };
        format!("{product}/{day}/{day}_{hour}z_{kind}.zarr")
    }

    /// From the name of a hierarchy in the folder of a day; of a forecast its first hour stands for all.
    fn read(product: Product, day: Date, name: &str) -> Option<FileOf> {
        let rest = name.strip_prefix(&day.strftime("%Y%m%d").to_string())?.strip_prefix('_')?;
        let (hour, kind) = rest.split_once("z_")?;
        let lead = match kind {
            "anl.zarr" => 0,
            "fcst.zarr" => 1,
            _ => return None,
        };
        let hour = (hour.len() == 2).then(|| hour.parse::<i64>().ok()).flatten().filter(|hour| *hour < 24)?;
        let run = start(day)?.checked_add(hour.hours()).ok()?;
        Some(FileOf { run, product, lead })
    }
}

impl Naming for Utah {
    /// HRRR's own archive has nothing before.
    fn since(&self) -> Date {
        date(2014, 9, 30)
    }

    /// All hours of a forecast lie in one hierarchy.
    fn listed(&self, file: &FileOf) -> FileOf {
        FileOf { lead: file.lead.min(1), ..*file }
    }

    fn days(&self, files: &Arc<dyn Files>) -> Result<Vec<Date>, FileError> {
        let folders = files.folders(Product::Surface.name())?;
        Ok(folders.iter().filter_map(|name| Date::strptime("%Y%m%d", name).ok()).collect())
    }

    fn of(&self, files: &Arc<dyn Files>, date: Date) -> Result<BTreeSet<FileOf>, FileError> {
        let mut found = BTreeSet::new();
        for product in PRODUCTS {
            let names = files.folders(&format!("{}/{}", product.name(), date.strftime("%Y%m%d")))?;
            found.extend(names.iter().filter_map(|name| Utah::read(product, date, name)));
        }
        Ok(found)
    }
}

/// Levels that are not spelt as in the inventories.
const OWN: [(&str, &str); 2] = [
    ("entire_atmosphere_single_layer", "entire atmosphere (considered as a single layer)"),
    ("no_level", "level of free convection"),
];

/// A level, and its words in an inventory: `5000_2000m_above_ground` is `5000-2000 m above ground`.
pub fn level(name: &str) -> Option<(Level, String)> {
    let read = |words: String| Level::read(&words).map(|level| (level, words));
    if let Some((_, words)) = OWN.iter().find(|(own, _)| *own == name) {
        return read((*words).to_string());
    }
    // Some spell them with capitals.
    let words = name.replace("_Above_", "_above_").replace("_Ground", "_ground");
    if let Some(found) = read(words.replace('_', " ")) {
        return Some(found);
    }
    if let Some((one, two)) = words.split_once("___") {
        return read(format!("{} - {}", apart(one)?, apart(two)?));
    }
    read(apart(&words)?)
}

/// `0.5_0.8_sigma_layer` as `0.5-0.8 sigma layer`, `261K_level` as `261 K level`.
fn apart(name: &str) -> Option<String> {
    let number = |text: &str| {
        let end = text.find(|letter: char| !letter.is_ascii_digit() && letter != '.').unwrap_or(text.len());
        (end > 0).then(|| (text[..end].to_string(), text[end..].to_string()))
    };
    let (first, rest) = number(name)?;
    let (numbers, unit) = match rest.strip_prefix('_').and_then(number) {
        Some((second, unit)) => (format!("{first}-{second}"), unit),
        None => (first, rest),
    };
    Some(format!("{numbers} {}", unit.trim_start_matches('_').replace('_', " ")))
}

/// A parameter without the period that it is over, and that. What is over the whole run so far is not read.
pub fn parameter(name: &str) -> Option<(&str, Option<Cell>)> {
    let Some(rest) = name.strip_suffix("_fcst") else { return Some((name, None)) };
    let (rest, process) = rest.rsplit_once('_')?;
    let process = match process {
        "ave" => 0,
        "acc" => 1,
        "max" => 2,
        "min" => 3,
        _ => return None,
    };
    let (parameter, hours) = rest.rsplit_once('_')?;
    let hours = hours.strip_suffix("hr")?.parse::<i64>().ok().filter(|hours| (1..=48).contains(hours))?;
    Some((parameter, Some(Cell { process, seconds: hours * 3600 })))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn levels_are_those_of_the_inventories() {
        for (name, words) in [
            ("2m_above_ground", "2 m above ground"),
            ("4000m_Above_Ground", "4000 m above ground"),
            ("surface", "surface"),
            ("entire_atmosphere", "entire atmosphere"),
            ("entire_atmosphere_single_layer", "entire atmosphere (considered as a single layer)"),
            ("mean_sea_level", "mean sea level"),
            ("0C_isotherm", "0C isotherm"),
            ("500mb", "500 mb"),
            ("5000_2000m_above_ground", "5000-2000 m above ground"),
            ("0_6000m_above_ground", "0-6000 m above ground"),
            ("255_0mb_above_ground", "255-0 mb above ground"),
            ("500_1000mb", "500-1000 mb"),
            ("0.5_0.8_sigma_layer", "0.5-0.8 sigma layer"),
            ("0.1_sigma_level", "0.1 sigma level"),
            ("261K_level___256K_level", "261 K level - 256 K level"),
            ("263K_level", "263 K level"),
            ("0m_underground", "0 m underground"),
            ("level_of_adiabatic_condensation_from_sfc", "level of adiabatic condensation from sfc"),
            ("no_level", "level of free convection"),
            ("cloud_top", "cloud top"),
        ] {
            let (level, found) = level(name).unwrap_or_else(|| panic!("{name}"));
            assert_eq!((found.as_str(), Level::read(words)), (words, Some(level)), "{name}");
        }
        for name in ["", "2m", "_", "2m_above_everything", "1_2_3mb"] {
            assert_eq!(level(name), None, "{name}");
        }
    }

    #[test]
    fn parameters_say_over_which_hours() {
        assert_eq!(parameter("TMP"), Some(("TMP", None)));
        let hour = |process| Some(Cell { process, seconds: 3600 });
        assert_eq!(parameter("MXUPHL_1hr_max_fcst"), Some(("MXUPHL", hour(2))));
        assert_eq!(parameter("MNUPHL_1hr_min_fcst"), Some(("MNUPHL", hour(3))));
        assert_eq!(parameter("APCP_1hr_acc_fcst"), Some(("APCP", hour(1))));
        assert_eq!(parameter("DZDT_1hr_ave_fcst"), Some(("DZDT", hour(0))));
        for name in ["APCP_acc_fcst", "MXUPHL_max_fcst", "X_1hr_odd_fcst", "X_0hr_max_fcst", "_fcst"] {
            assert_eq!(parameter(name), None, "{name}");
        }
    }

    #[test]
    fn paths_there_and_back() {
        let run: jiff::Timestamp = "2020-05-20T03:00:00Z".parse().unwrap();
        for (lead, name) in [(0, "20200520_03z_anl.zarr"), (1, "20200520_03z_fcst.zarr")] {
            let file = FileOf { run, product: Product::Pressure, lead };
            assert_eq!(Utah::path(&file), format!("prs/20200520/{name}"));
            assert_eq!(Utah::read(Product::Pressure, date(2020, 5, 20), name), Some(file));
        }
        for name in
            ["20200521_03z_anl.zarr", "20200520_24z_anl.zarr", "20200520_3z_anl.zarr", "20200520_03z_x.zarr"]
        {
            assert_eq!(Utah::read(Product::Surface, date(2020, 5, 20), name), None, "{name}");
        }
    }
}
