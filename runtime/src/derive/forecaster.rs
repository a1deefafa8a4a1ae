//! Numbers in the units forecasters speak in: shear in knots and m/s, lapse rates in °C/km, precipitable water in mm.

use aurora_compiler::plan::data::DerivedPlan;

use crate::data::sounding::{FREEZING, KNOT};

/// A value in its unit, and the same in a second one where two are usual.
#[derive(Clone, Debug, PartialEq)]
pub struct Shown {
    pub value: f64,
    pub unit: &'static str,
    pub digits: usize,
    pub other: Option<(f64, &'static str, usize)>,
}

/// How a derived value in SI is shown.
pub fn shown(field: &DerivedPlan, value: f64) -> Shown {
    let plain = |value, unit, digits| Shown { value, unit, digits, other: None };
    let difference = field.quantity == "temperature_difference";
    match field.units.as_str() {
        "J/kg" => plain(value, "J/kg", 0),
        "m^2/s^2" => plain(value, "m²/s²", 0),
        "m/s" => Shown { other: Some((value, "m/s", 1)), ..plain(value / KNOT, "kt", 0) },
        "K" if difference => plain(value, "°C", 1),
        "K" if field.name.contains("theta") => plain(value, "K", 1),
        "K" => plain(value - FREEZING, "°C", 1),
        "K/m" => plain(value * 1000.0, "°C/km", 1),
        "Pa" => plain(value / 100.0, "hPa", 0),
        "kg/m^2" => Shown { other: Some((value / 25.4, "in", 2)), ..plain(value, "mm", 1) },
        "kg/kg" => plain(value * 1000.0, "g/kg", 1),
        "rad" => plain(value.to_degrees(), "°", 0),
        "m" => plain(value, "m", 0),
        "1/s" => plain(value * 1000.0, "10⁻³/s", 1),
        "dBZ" => plain(value, "dBZ", 1),
        _ => plain(value, "", 1),
    }
}

impl Shown {
    /// The number alone, `—` where it is not defined.
    pub fn number(&self) -> String {
        number(self.value, self.digits)
    }

    /// `11.3 m/s`, where there is a second unit.
    pub fn second(&self) -> Option<String> {
        self.other.map(|(value, unit, digits)| format!("{} {unit}", number(value, digits)))
    }
}

fn number(value: f64, digits: usize) -> String {
    if !value.is_finite() {
        return "—".into();
    }
    let text = format!("{value:.digits$}");
    // No minus before zero.
    let zero = text.trim_start_matches('-').chars().all(|c| c == '0' || c == '.');
    if zero { text.trim_start_matches('-').to_string() } else { text }
}

/// The direction from which a wind blows, in degrees from 1 to 360, and its speed.
pub fn direction(u: f64, v: f64) -> (f64, f64) {
    let from = (-u).atan2(-v).to_degrees().rem_euclid(360.0);
    (if from < 0.5 { from + 360.0 } else { from }, u.hypot(v))
}

/// What forecasters call a parameter of std.severe; nothing for names that say it themselves or are not known.
pub fn label(name: &str) -> Option<&'static str> {
    LABELS.iter().find(|(known, _)| *known == name).map(|(_, label)| *label)
}

/// The two components of a wind go by the name that they share.
const LABELS: [(&str, &str); 57] = [
    ("cape", "CAPE"),
    ("cin", "CIN"),
    ("cape3km", "CAPE 0–3 km"),
    ("lcl_height", "LCL"),
    ("lfc_height", "LFC"),
    ("el_height", "EL"),
    ("lcl_pressure", "LCL"),
    ("lfc_pressure", "LFC"),
    ("el_pressure", "EL"),
    ("dcape", "Downdraught CAPE"),
    ("inflow_base", "Inflow base"),
    ("inflow_top", "Inflow top"),
    ("ebwd", "Effective shear"),
    ("esrh", "Effective SRH"),
    ("bulk_shear1", "Shear 0–1 km"),
    ("bulk_shear3", "Shear 0–3 km"),
    ("bulk_shear6", "Shear 0–6 km"),
    ("bulk_shear8", "Shear 0–8 km"),
    ("speed06", "Shear 0–6 km"),
    ("shear05", "Shear vector 0–500 m"),
    ("shear1", "Shear vector 0–1 km"),
    ("shear3", "Shear vector 0–3 km"),
    ("shear6", "Shear vector 0–6 km"),
    ("shear8", "Shear vector 0–8 km"),
    ("mean_wind", "Mean wind"),
    ("low_wind", "Mean wind 0–500 m"),
    ("right_mover", "Bunkers right"),
    ("left_mover", "Bunkers left"),
    ("effective_right", "Right, effective"),
    ("effective_left", "Left, effective"),
    ("srh500", "SRH 0–500 m"),
    ("srh1", "SRH 0–1 km"),
    ("srh3", "SRH 0–3 km"),
    ("left_srh500", "SRH left 0–500 m"),
    ("left_srh1", "SRH left 0–1 km"),
    ("left_srh3", "SRH left 0–3 km"),
    ("critical_angle", "Critical angle"),
    ("brn_shear", "BRN shear"),
    ("brn", "Bulk Richardson no."),
    ("lr03", "Lapse rate 0–3 km"),
    ("lr36", "Lapse rate 3–6 km"),
    ("lr75", "Lapse rate 700–500"),
    ("lr85", "Lapse rate 850–500"),
    ("pwat", "Precipitable water"),
    ("freezing_height", "Freezing level"),
    ("wet_bulb_zero", "Wet-bulb zero"),
    ("ehi1", "EHI 0–1 km"),
    ("ehi3", "EHI 0–3 km"),
    ("vgp", "Vorticity gen. (VGP)"),
    ("scp", "Supercell (SCP)"),
    ("scp_cin", "SCP with CIN"),
    ("stp", "Tornado (STP fixed)"),
    ("stp_cin", "STP fixed with CIN"),
    ("stp_effective", "STP effective"),
    ("ship", "Large hail (SHIP)"),
    ("updraught_helicity", "Updraught helicity"),
    ("theta_e_difference", "θe difference"),
];

#[cfg(test)]
mod tests {
    use aurora_compiler::plan::data::SupportPlan;

    use super::*;

    fn field(name: &str, units: &str) -> DerivedPlan {
        DerivedPlan {
            name: name.into(),
            kernel: name.into(),
            inputs: Vec::new(),
            quantity: String::new(),
            units: units.into(),
            support: SupportPlan::Column,
            range: (None, None),
            kept: true,
        }
    }

    #[test]
    fn units_of_forecasters() {
        let shear = shown(&field("shear6", "m/s"), 20.0);
        assert_eq!((shear.number(), shear.second()), ("39".to_string(), Some("20.0 m/s".to_string())));
        assert_eq!(shown(&field("mlcin", "J/kg"), -0.2).number(), "0");
        assert_eq!(shown(&field("lapse", "K/m"), 0.0075).number(), "7.5");
        assert_eq!(shown(&field("stp", "1"), f64::NAN).number(), "—");
    }

    #[test]
    fn winds_come_from_somewhere() {
        assert_eq!(direction(0.0, -10.0), (360.0, 10.0));
        let (from, _) = direction(10.0, 0.0);
        assert!((from - 270.0).abs() < 1e-9);
    }
}
