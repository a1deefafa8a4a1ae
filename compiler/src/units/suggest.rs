//! Which unit was probably meant.

use aurora_grammar::nearest;

use super::{normal, table};

/// The unit that a piece of text was probably meant to be: its name written out, or the nearest spelling,
/// prefixes included (`hPaa` is near to `hPa`).
pub fn suggest(part: &str) -> Option<String> {
    let part = normal(part);
    // An exponent stays as it is.
    let (atom, exponent) = match part.find(|c: char| c == '^' || "⁻⁰¹²³⁴⁵⁶⁷⁸⁹".contains(c))
    {
        Some(at) => part.split_at(at),
        None => (part.as_str(), ""),
    };
    if table::named(atom).is_some() {
        return None;
    }
    let long = LONG.iter().find(|(long, _)| long.eq_ignore_ascii_case(atom)).map(|(_, unit)| *unit);
    if let Some(unit) = long.or_else(|| nearest(atom, KNOWN)) {
        return Some(format!("{unit}{exponent}"));
    }
    let every: Vec<String> = table::every_name().collect();
    let near = nearest(atom, every.iter().map(String::as_str))?;
    Some(format!("{near}{exponent}"))
}

/// Names that people write out, and the unit that is meant.
const LONG: [(&str, &str); 38] = [
    ("second", "s"),
    ("seconds", "s"),
    ("sec", "s"),
    ("minute", "min"),
    ("minutes", "min"),
    ("mins", "min"),
    ("hour", "h"),
    ("hours", "h"),
    ("hr", "h"),
    ("hrs", "h"),
    ("days", "d"),
    ("weeks", "week"),
    ("degree", "deg"),
    ("degrees", "deg"),
    ("radian", "rad"),
    ("radians", "rad"),
    ("kelvin", "K"),
    ("celsius", "degC"),
    ("fahrenheit", "degF"),
    ("C", "degC"),
    ("F", "degF"),
    ("meter", "m"),
    ("meters", "m"),
    ("metre", "m"),
    ("metres", "m"),
    ("kilometer", "km"),
    ("kilometers", "km"),
    ("kilometre", "km"),
    ("kilometres", "km"),
    ("feet", "ft"),
    ("foot", "ft"),
    ("mile", "mi"),
    ("miles", "mi"),
    ("millibar", "mbar"),
    ("millibars", "mbar"),
    ("pascal", "Pa"),
    ("joule", "J"),
    ("percent", "%"),
];

/// The units that recipes use most, for messages.
pub const KNOWN: [&str; 35] = [
    "1", "%", "rad", "deg", "kg", "g", "m", "km", "gpm", "mm", "cm", "ft", "mi", "nmi", "s", "min", "h", "d",
    "K", "degC", "degF", "Pa", "hPa", "kPa", "mb", "mbar", "N", "J", "kJ", "W", "Hz", "kt", "dBZ", "dB",
    "g/kg",
];

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn typing_errors_lead_to_the_unit_that_was_meant() {
        for (typed, meant) in [
            ("hPaa", "hPa"),
            ("hpa", "hPa"),
            ("KM", "km"),
            ("dbz", "dBZ"),
            ("hours", "h"),
            ("C", "degC"),
            ("MPaa", "MPa"),
            ("seconds^2", "s^2"),
            ("knotts", "knots"),
            ("millibars", "mbar"),
        ] {
            assert_eq!(suggest(typed).as_deref(), Some(meant), "{typed}");
        }
        assert_eq!(suggest("hPa"), None);
        assert_eq!(suggest("furlong"), None);
    }

    #[test]
    fn what_is_suggested_is_a_unit() {
        for (_, unit) in LONG {
            assert!(super::super::parse(unit).is_ok(), "{unit}");
        }
        for unit in KNOWN {
            assert!(super::super::parse(unit).is_ok(), "{unit}");
        }
    }
}
