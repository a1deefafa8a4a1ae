//! From the units of files to SI, in which all kernels reckon.

/// `value · factor + offset` is in SI.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct ToSi {
    pub factor: f64,
    pub offset: f64,
}

const ONE: ToSi = ToSi { factor: 1.0, offset: 0.0 };
/// A metre of water in kg/m².
pub const WATER: ToSi = ToSi { factor: 1000.0, offset: 0.0 };

/// Spellings without spaces, `**` and `^`, in lower case.
const TABLE: [(&[&str], ToSi); 15] = [
    (
        &[
            "",
            "1",
            "k",
            "kelvin",
            "degk",
            "pa",
            "pascal",
            "pascals",
            "m",
            "gpm",
            "metre",
            "meter",
            "metres",
            "meters",
            "metersmsl",
            "m/s",
            "ms-1",
            "meter/second",
            "m2/s2",
            "m2s-2",
            "j/kg",
            "jkg-1",
            "kg/kg",
            "kgkg-1",
            "pa/s",
            "pas-1",
            "1/s",
            "s-1",
            "dbz",
            "db",
            "kg/m2",
            "kgm-2",
            "kg/m3",
            "kgm-3",
            "rad",
            "radian",
            "s",
            "w/m2",
            "wm-2",
            "(0-1)",
            "fraction",
            "kgm-2s-1",
            "proportion",
            "none",
            "dimensionless",
            "~",
            "j/m2",
            "jm-2",
        ],
        ONE,
    ),
    (
        &[
            "c",
            "degc",
            "celsius",
            "degreec",
            "degreesc",
            "degreecelsius",
            "degreescelsius",
            "degree_celsius",
            "°c",
        ],
        ToSi { factor: 1.0, offset: 273.15 },
    ),
    (&["f", "degf", "fahrenheit"], ToSi { factor: 5.0 / 9.0, offset: 273.15 - 32.0 * 5.0 / 9.0 }),
    (
        &["hpa", "mb", "mbar", "millibar", "millibars", "hectopascal", "hectopascals"],
        ToSi { factor: 100.0, offset: 0.0 },
    ),
    (&["kpa"], ToSi { factor: 1000.0, offset: 0.0 }),
    (&["%", "percent"], ToSi { factor: 0.01, offset: 0.0 }),
    (&["g/kg", "gkg-1"], ToSi { factor: 1e-3, offset: 0.0 }),
    (&["kt", "kts", "knot", "knots"], ToSi { factor: 1852.0 / 3600.0, offset: 0.0 }),
    (&["km"], ToSi { factor: 1000.0, offset: 0.0 }),
    (&["dam", "gpdam", "dagpm"], ToSi { factor: 10.0, offset: 0.0 }),
    (&["mm"], ONE),
    (&["mofwaterequivalent"], WATER),
    (&["degree", "degrees", "deg"], ToSi { factor: std::f64::consts::PI / 180.0, offset: 0.0 }),
    (&["in", "inch", "inches"], ToSi { factor: 25.4, offset: 0.0 }),
    (&["km/h", "kmh-1"], ToSi { factor: 1.0 / 3.6, offset: 0.0 }),
];

/// How a unit is brought to SI; nothing if it is not known. Depths of water are in kg/m², as 1 mm is 1 kg/m².
pub fn to_si(unit: &str) -> Option<ToSi> {
    let plain: String = unit
        .chars()
        .filter(|c| !c.is_whitespace() && *c != '^' && *c != '*' && *c != '.')
        .flat_map(char::to_lowercase)
        .collect();
    if is_code(unit) {
        return Some(ONE);
    }
    TABLE.iter().find(|(names, _)| names.contains(&plain.as_str())).map(|(_, to)| *to)
}

/// `(Code table 4.213)`: numbers of classes.
fn is_code(unit: &str) -> bool {
    unit.trim().to_ascii_lowercase().starts_with("(code table")
}

/// The unit of SI to which [`to_si`] brings a unit: itself, if nothing is changed.
pub fn in_si(unit: &str) -> String {
    let unit = unit.trim();
    let same = |other: &str| to_si(unit).is_some_and(|to| to_si(other) == Some(to));
    let known = [("hPa", "Pa"), ("degC", "K"), ("degF", "K"), ("%", "1"), ("g/kg", "kg/kg"), ("kt", "m/s")];
    let more = [("km/h", "m/s"), ("dam", "m"), ("inch", "kg/m^2"), ("degree", "rad")];
    match (unit, unit.to_ascii_lowercase().as_str()) {
        ("" | "~", _) | (_, "dimensionless" | "proportion" | "none") => "1".into(),
        _ if is_code(unit) => "1".into(),
        (_, "mm" | "m of water equivalent") => "kg/m^2".into(),
        (_, "km") => "m".into(),
        (_, "kpa") => "Pa".into(),
        _ => known
            .iter()
            .chain(&more)
            .find(|(other, _)| same(other))
            .map_or_else(|| unit.to_string(), |(_, si)| (*si).to_string()),
    }
}

impl ToSi {
    pub fn apply(self, value: f64) -> f64 {
        value * self.factor + self.offset
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn common_spellings() {
        let si = |unit: &str, value: f64| to_si(unit).map(|to| to.apply(value));
        assert_eq!(si("degC", 0.0), Some(273.15));
        assert!((si("degF", 212.0).unwrap() - 373.15).abs() < 1e-12);
        assert_eq!(si("millibars", 850.0), Some(85_000.0));
        assert_eq!(si("%", 50.0), Some(0.5));
        for unit in ["m s**-1", "m s-1", "m/s", "K", "m**2 s**-2", "kg kg-1", "J kg**-1"] {
            assert_eq!(si(unit, 7.0), Some(7.0), "{unit}");
        }
        assert_eq!(si("furlong", 1.0), None);
        // As ECMWF writes them.
        for unit in ["~", "(Code table 4.213)", "dimensionless", "J m**-2"] {
            assert_eq!(si(unit, 3.0), Some(3.0), "{unit}");
        }
        assert_eq!(si("m of water equivalent", 0.5), Some(500.0));
        for (unit, si) in [
            ("millibars", "Pa"),
            ("%", "1"),
            ("celsius", "K"),
            ("J kg-1", "J kg-1"),
            ("", "1"),
            ("mm", "kg/m^2"),
            ("~", "1"),
            ("(Code table 4.213)", "1"),
            ("dimensionless", "1"),
            ("m of water equivalent", "kg/m^2"),
        ] {
            assert_eq!(in_si(unit), si, "{unit}");
        }
    }
}
