//! Columns that are no ordinary soundings: what `std.severe` makes of each, by every executor.

use std::collections::BTreeMap;

use crate::recipe::{Columns, Executor, Level, fields};
use crate::report::Report;

type Found = BTreeMap<String, Vec<f64>>;

/// Everything that is a number of every column.
const ALWAYS: [&str; 32] = [
    "sbcape",
    "sbcin",
    "mlcape",
    "mlcin",
    "mucape",
    "mucin",
    "lcl_height",
    "mllcl_height",
    "lcl_pressure",
    "sbcape3km",
    "dcape",
    "ebwd",
    "esrh",
    "bulk_shear1",
    "bulk_shear6",
    "bulk_shear8",
    "right_mover_u",
    "left_mover_v",
    "srh500",
    "srh1",
    "srh3",
    "critical_angle",
    "brn_shear",
    "brn",
    "vgp",
    "pwat",
    "ehi1",
    "scp",
    "scp_cin",
    "stp",
    "stp_cin",
    "stp_effective",
];

/// A column of 25 hPa between levels up to 100 hPa: 30 °C and a dewpoint of 21 °C at the ground, 7.3 K/km up to 12 km, moist
/// below 2 km, with a wind that veers and strengthens.
fn warm() -> Vec<Level> {
    column(
        1000e2,
        100e2,
        |z| 303.15 - 0.0073 * z.min(12e3),
        |z, t| (t - 9.0 - 0.004 * (z - 1500.0).max(0.0)).max(t - 40.0),
    )
}

fn column(bottom: f64, top: f64, t: impl Fn(f64) -> f64, td: impl Fn(f64, f64) -> f64) -> Vec<Level> {
    let (mut z, mut p) = (0.0, bottom);
    let mut levels = Vec::new();
    while p > top - 1.0 {
        let here = t(z);
        let angle = (180.0 + 90.0 * (z / 6e3_f64).min(1.0)).to_radians();
        let speed = 5.0 + 25.0 * (z / 8e3_f64).min(1.2);
        levels.push([p, z, here, td(z, here), -speed * angle.sin(), -speed * angle.cos()]);
        z += 287.05 * here / 9.80665 * (p / (p - 25e2)).ln();
        p -= 25e2;
    }
    levels
}

fn changed(change: impl Fn(&mut Vec<Level>)) -> Vec<Level> {
    let mut levels = warm();
    change(&mut levels);
    levels
}

/// Every case in turn: the usual column first.
fn cases() -> Vec<(&'static str, Vec<Level>)> {
    vec![
        ("usual", warm()),
        ("superadiabatic surface layer", changed(|levels| levels[0][2] += 4.0)),
        ("saturated surface", changed(|levels| levels[0][3] = levels[0][2])),
        ("dry column", changed(|levels| levels.iter_mut().for_each(|level| level[3] = 60.0))),
        ("condensation level above the top", {
            changed(|levels| {
                levels.truncate(7);
                levels.iter_mut().for_each(|level| level[3] = level[2] - 35.0);
            })
        }),
        (
            "no level of free convection",
            column(1000e2, 100e2, |z| 300.0 - 0.002 * z.min(12e3), |_, t| t - 5.0),
        ),
        ("two buoyant layers", {
            changed(|levels| {
                for level in levels.iter_mut().filter(|level| (5e3..6.2e3).contains(&level[1])) {
                    level[2] += 12.0;
                }
            })
        }),
        ("equilibrium level above the top", changed(|levels| levels.truncate(29))),
        ("a level twice, two exchanged", {
            changed(|levels| {
                levels.insert(5, levels[5]);
                levels.swap(20, 21);
            })
        }),
        ("ground at 800 hPa", column(800e2, 100e2, |z| 298.0 - 0.0075 * z.min(10e3), |_, t| t - 9.0)),
        ("calm", changed(|levels| levels.iter_mut().for_each(|level| (level[4], level[5]) = (0.0, 0.0)))),
        ("top below 6 km", changed(|levels| levels.truncate(18))),
    ]
}

/// Runs all, on one executor.
pub fn check(executor: Executor, report: &mut Report) {
    let cases = cases();
    let columns = Columns::of(&cases.iter().map(|(_, levels)| levels.clone()).collect::<Vec<_>>());
    let mut names: Vec<&str> = ALWAYS.to_vec();
    names.extend(["lfc_height", "el_height"]);
    let found = fields(&columns, &[], &names, executor);
    let bottom =
        fields(&columns, &["std.severe.bottom"], &["sbcape", "sbcin", "el_height", "lfc_height"], executor);
    for (number, (name, levels)) in cases.iter().enumerate() {
        let one = |field: &str| found[field][number];
        let missing: Vec<&str> = ALWAYS.iter().copied().filter(|field| !one(field).is_finite()).collect();
        let label = format!("{name}, {executor:?}");
        report.holds(&label, missing.is_empty(), &format!("no number is missing, {missing:?} are"));
        let signs = one("sbcape") >= 0.0 && one("sbcin") <= 0.0 && one("mlcape") >= 0.0 && one("scp") >= 0.0;
        report.holds(&label, signs, "CAPE and composites are not negative, CIN is not positive");
        let (holds, what) = expected(name, levels, &found, &bottom, number);
        report.holds(&label, holds, &what);
    }
    missing_level(executor, report);
}

/// What is known of a case by hand.
fn expected(name: &str, levels: &[Level], found: &Found, bottom: &Found, number: usize) -> (bool, String) {
    let one = |field: &str| found[field][number];
    let usual = |field: &str| found[field][0];
    let top = levels.last().map_or(f64::NAN, |level| level[1]);
    let said = |fields: &[&str]| -> String {
        fields.iter().map(|field| format!("{field} {:.3}", one(field))).collect::<Vec<_>>().join(", ")
    };
    match name {
        "usual" => {
            let holds =
                one("sbcape") > 2000.0 && one("scp") > 1.0 && one("lfc_height") >= one("lcl_height") - 1.0;
            (holds, format!("a supercell's air: {}", said(&["sbcape", "scp", "lcl_height", "lfc_height"])))
        }
        "superadiabatic surface layer" => {
            let holds = one("sbcape") > usual("sbcape") && one("lfc_height") >= one("lcl_height") - 1.0;
            (
                holds,
                format!(
                    "what is buoyant below the cloud does not count: {}",
                    said(&["sbcape", "lfc_height"])
                ),
            )
        }
        "saturated surface" => {
            let holds = (one("lcl_pressure") - 1000e2).abs() < 0.02 && one("lcl_height").abs() < 0.01;
            (holds, format!("cloud from the ground on: {}", said(&["lcl_pressure", "lcl_height"])))
        }
        "dry column" => {
            let holds =
                one("sbcape") == 0.0 && one("sbcin") == 0.0 && one("pwat") < 1e-3 && one("stp") == 0.0;
            (holds, format!("nothing condenses: {}", said(&["sbcape", "sbcin", "pwat", "stp"])))
        }
        "condensation level above the top" => {
            let holds = one("sbcape") == 0.0 && (one("lcl_height") - top).abs() < 1.0;
            (holds, format!("no cloud in the column: {}", said(&["sbcape", "lcl_height"])))
        }
        "no level of free convection" => {
            let holds =
                one("mucape") == 0.0 && one("mucin") == 0.0 && one("scp") == 0.0 && one("stp_cin") == 0.0;
            let none = one("lfc_height").is_nan() && one("el_height").is_nan();
            (
                holds && none,
                format!("neither CAPE nor CIN nor levels: {}", said(&["mucape", "mucin", "lfc_height"])),
            )
        }
        "two buoyant layers" => {
            let (largest, net) = (one("sbcape"), bottom["sbcape"][number]);
            let holds = largest < usual("sbcape")
                && bottom["lfc_height"][number] < one("lfc_height") + 1.0
                && bottom["el_height"][number] >= one("el_height") - 1.0
                && (largest - net).abs() > 1.0;
            let [low, high] = ["lfc_height", "el_height"].map(|field| bottom[field][number]);
            (
                holds,
                format!(
                    "{}; from the lowest {low:.0} m to the highest {high:.0} m net {net:.1}",
                    said(&["sbcape", "lfc_height", "el_height"])
                ),
            )
        }
        "equilibrium level above the top" => {
            let holds = (one("el_height") - top).abs() < 0.01 && one("sbcape") > 0.0;
            (holds, format!("summed to the top at {top:.1} m: {}", said(&["sbcape", "el_height"])))
        }
        "a level twice, two exchanged" => {
            let holds = (one("sbcape") - usual("sbcape")).abs() < 0.02 * usual("sbcape");
            (holds, format!("as without: {} beside {:.1}", said(&["sbcape"]), usual("sbcape")))
        }
        "ground at 800 hPa" => {
            let holds = one("mlcape") > 0.0 && one("mlcape") < one("sbcape");
            (holds, format!("the lowest 100 hPa begin there: {}", said(&["sbcape", "mlcape"])))
        }
        "calm" => {
            let still =
                ["srh1", "srh3", "bulk_shear6", "brn_shear"].iter().all(|field| one(field).abs() < 1e-5);
            (still && one("scp") == 0.0, format!("no helicity: {}", said(&["srh3", "bulk_shear6", "scp"])))
        }
        _ => {
            let [first, last] = [levels[0], levels[levels.len() - 1]];
            let shear = (last[4] - first[4]).hypot(last[5] - first[5]);
            let holds = (one("bulk_shear6") - shear).abs() < 1e-3;
            (
                holds,
                format!("the last wind stands for those above: {}", said(&["bulk_shear6", "right_mover_u"])),
            )
        }
    }
}

/// A level without a value makes its own column's results missing, and no other's.
fn missing_level(executor: Executor, report: &mut Report) {
    let mut hole = warm();
    hole[10][2] = f64::NAN;
    let names = ["sbcape", "mlcin", "mucape", "esrh", "scp", "stp"];
    let winds = ["srh3", "right_mover_u"];
    let mut holed = warm();
    holed[3][4] = f64::NAN;
    let columns = Columns::of(&[warm(), hole, warm(), holed, warm()]);
    let found = fields(&columns, &[], &[&names[..], &winds[..]].concat(), executor);
    for name in names {
        let values = &found[name];
        let holds =
            values[1].is_nan() && values[0].is_finite() && values[0] == values[2] && values[0] == values[4];
        report.holds(&format!("missing level, {executor:?} {name}"), holds, &format!("{values:?}"));
    }
    for name in winds {
        let values = &found[name];
        let holds =
            values[3].is_nan() && values[0].is_finite() && values[0] == values[1] && values[0] == values[4];
        report.holds(&format!("missing wind, {executor:?} {name}"), holds, &format!("{values:?}"));
    }
}
