//! What of which tool is compared with what of `std.severe`, and how close it has to be.
//!
//! Tolerances are those that the stage was given (winds 0.05; CAPE by tool), and for what it gives none, of what the tools
//! differ in by their conventions; docs/src/derived-parameters.md has a sentence on each.

/// One value of a tool.
#[derive(Clone, Copy, Debug)]
pub struct Check {
    /// In the file.
    pub key: &'static str,
    /// Of a vector.
    pub component: Option<usize>,
    /// Of `std.severe`.
    pub field: &'static str,
    /// From SI to the unit of the file.
    pub factor: f64,
    pub tolerance: Tolerance,
}

impl Check {
    pub fn name(&self) -> String {
        let part = self.component.map_or(String::new(), |part| format!("[{part}]"));
        format!("{}{part}", self.key)
    }
}

/// How far two values may be from each other.
#[derive(Clone, Copy, Debug)]
pub enum Tolerance {
    Within(f64),
    /// The greater of an amount and a share of their value.
    Larger(f64, f64),
}

impl Tolerance {
    pub fn of(self, theirs: f64) -> f64 {
        match self {
            Tolerance::Within(amount) => amount,
            Tolerance::Larger(amount, share) => amount.max(share * theirs.abs()),
        }
    }
}

/// A tool, found in a file by a part of its name, and the libraries that do as it does.
#[derive(Clone, Copy, Debug)]
pub struct Tool {
    pub label: &'static str,
    pub options: &'static [&'static str],
    checks: &'static [&'static [Check]],
}

impl Tool {
    pub fn checks(&self) -> impl Iterator<Item = &'static Check> {
        self.checks.iter().copied().flatten()
    }
}

const fn scalar(key: &'static str, field: &'static str, factor: f64, tolerance: Tolerance) -> Check {
    Check { key, component: None, field, factor, tolerance }
}

const fn part(key: &'static str, component: usize, field: &'static str, tolerance: Tolerance) -> Check {
    Check { key, component: Some(component), field, factor: 1.0, tolerance }
}

use Tolerance::{Larger, Within};

const WIND: Tolerance = Within(0.05);
const SHARPLIB: Tolerance = Larger(40.0, 0.03);
const WOBUS: Tolerance = Larger(20.0, 0.02);
const METPY: Tolerance = Larger(110.0, 0.05);
/// J/kg; how the area below a parcel's cloud base is summed is worth more than a share of what is mostly small.
const CIN: Tolerance = Larger(3.0, 0.12);

/// m; a level is a level.
const LEVEL: Tolerance = Within(0.01);
/// J/kg; ascents differ by a few tenths of a per cent over the few hundred hPa of a descent.
const DESCENT: Tolerance = Larger(2.0, 0.004);
/// m/s; of a layer that ends half-way to the equilibrium level, about which tools differ by 1 hPa, and in a strong shear.
const HALF_WAY: Tolerance = Within(0.1);
const EFFECTIVE_HELICITY: Tolerance = Within(0.25);
/// Of a product of CAPE, by a per cent, and mostly of helicity and shear.
const COMPOSITE: Tolerance = Larger(0.02, 0.02);

/// Of the downdraught and the effective layer.
const EFFECTIVE: [Check; 8] = [
    scalar("DCAPE", "dcape", 1.0, DESCENT),
    scalar("EIL_found", "inflow_found", 1.0, LEVEL),
    scalar("EIL_base_m", "inflow_base", 1.0, LEVEL),
    scalar("EIL_top_m", "inflow_top", 1.0, LEVEL),
    scalar("EBWD", "ebwd", 1.0, HALF_WAY),
    part("eff_RM", 0, "effective_right_u", WIND),
    part("eff_RM", 1, "effective_right_v", WIND),
    scalar("ESRH", "esrh", 1.0, EFFECTIVE_HELICITY),
];

const COMPOSITES: [Check; 3] = [
    scalar("SCP", "scp", 1.0, COMPOSITE),
    scalar("STP_eff", "stp_effective", 1.0, COMPOSITE),
    scalar("SHIP", "ship", 1.0, COMPOSITE),
];

pub const TOOLS: [Tool; 3] = [
    Tool {
        label: "cm1",
        options: &[],
        checks: &[
            &[
                scalar("SBCAPE", "sbcape", 1.0, SHARPLIB),
                scalar("MLCAPE", "mlcape", 1.0, SHARPLIB),
                scalar("MUCAPE", "mucape", 1.0, SHARPLIB),
                scalar("SBCIN", "sbcin", 1.0, CIN),
                scalar("MLCIN", "mlcin", 1.0, CIN),
                scalar("MUCIN", "mucin", 1.0, CIN),
                scalar("SBLCL_Pa", "lcl_pressure", 1.0, Within(1.0)),
                scalar("MLLCL_Pa", "mllcl_pressure", 1.0, Within(20.0)),
                scalar("SBEL_Pa", "el_pressure", 1.0, Within(300.0)),
                scalar("MLEL_Pa", "mlel_pressure", 1.0, Within(300.0)),
                scalar("MUEL_Pa", "muel_pressure", 1.0, Within(300.0)),
                part("bunkers_RM", 0, "right_mover_u", WIND),
                part("bunkers_RM", 1, "right_mover_v", WIND),
                part("bunkers_LM", 0, "left_mover_u", WIND),
                part("bunkers_LM", 1, "left_mover_v", WIND),
                scalar("shr1000_u", "shear1_u", 1.0, WIND),
                scalar("shr1000_v", "shear1_v", 1.0, WIND),
                scalar("shr6000_u", "shear6_u", 1.0, WIND),
                scalar("shr6000_v", "shear6_v", 1.0, WIND),
                scalar("SRH1000", "srh1", 1.0, WIND),
                scalar("SRH3000", "srh3", 1.0, WIND),
                scalar("LR_0_3km", "lr03", 1000.0, Within(0.01)),
                scalar("LR_700_500", "lr75", 1000.0, Within(0.01)),
            ],
            &EFFECTIVE,
            &COMPOSITES,
        ],
    },
    Tool {
        label: "wobus",
        options: &["std.severe.wobus"],
        checks: &[
            &[
                scalar("SBCAPE", "sbcape", 1.0, WOBUS),
                scalar("MLCAPE", "mlcape", 1.0, WOBUS),
                scalar("MUCAPE", "mucape", 1.0, WOBUS),
            ],
            &EFFECTIVE,
            &COMPOSITES,
        ],
    },
    Tool {
        label: "MetPy",
        options: &["std.constants.metpy", "std.severe.romps", "std.severe.bottom"],
        checks: &[
            &[
                scalar("SBCAPE", "sbcape", 1.0, METPY),
                scalar("MLCAPE", "mlcape", 1.0, METPY),
                scalar("MUCAPE", "mucape", 1.0, METPY),
                scalar("SBCIN", "sbcin", 1.0, CIN),
                scalar("LCL_hPa", "lcl_pressure", 0.01, Within(1e-3)),
                scalar("theta_e_sfc_K", "theta_e_sfc", 1.0, Within(1e-3)),
                // Over the density of water that MetPy divides by.
                scalar("PWAT_mm", "pwat", 1.0 / 0.999_97, Within(1e-3)),
                part("bunkers_RM", 0, "right_mover_u", WIND),
                part("bunkers_RM", 1, "right_mover_v", WIND),
                part("bunkers_LM", 0, "left_mover_u", WIND),
                part("bunkers_LM", 1, "left_mover_v", WIND),
                part("mean_wind_0_6", 0, "mean_wind_u", WIND),
                part("mean_wind_0_6", 1, "mean_wind_v", WIND),
                scalar("shr1000_u", "shear1_u", 1.0, WIND),
                scalar("shr1000_v", "shear1_v", 1.0, WIND),
                scalar("shr6000_u", "shear6_u", 1.0, WIND),
                scalar("shr6000_v", "shear6_v", 1.0, WIND),
                scalar("SRH1000", "srh1", 1.0, WIND),
                scalar("SRH3000", "srh3", 1.0, WIND),
                scalar("critical_angle", "critical_angle", 180.0 / std::f64::consts::PI, Within(0.5)),
            ],
            &EFFECTIVE,
        ],
    },
];

/// Values outside their tolerance, by sounding, tool and key, with the convention that explains them. The page on derived parameters has
/// the same list.
const EXCUSED: [(&str, &str, &str, &str); 2] =
    [("93101300.CRP", "MetPy", "EIL_top_m", METPY_FAILS), ("93101300.CRP", "MetPy", "ESRH", METPY_FAILS)];
const METPY_FAILS: &str = "MetPy has no CAPE for the parcels of this sounding's second and third level, the most unstable one among them";

/// Why a value need not agree: what the list above says, or the file itself of a tool that failed.
pub fn excused<'a>(sounding: &str, caveat: &'a str, tool: &str, key: &str) -> Option<&'a str> {
    let known = EXCUSED
        .iter()
        .find(|(name, whose, what, _)| sounding.contains(name) && tool.contains(whose) && *what == key);
    if let Some((_, _, _, why)) = known {
        return Some(why);
    }
    let first = tool.split(' ').next().unwrap_or(tool);
    (caveat.starts_with(first) && caveat.contains(key) && caveat.contains("failure")).then_some(caveat)
}
