//! Whether two spellings mean the same unit: those of recipes (`kg/m^2/s`) and those of files (`kg m-2 s-1`,
//! `kg m**-2 s**-1`).

use aurora_compiler::units::{Unit, parse};

/// What files write where the compiler has another word.
const WORDS: [(&str, &str); 13] = [
    ("", "1"),
    ("-", "1"),
    ("(0-1)", "1"),
    ("fraction", "1"),
    ("dB", "dBZ"),
    ("dbz", "dBZ"),
    ("kelvin", "K"),
    ("degK", "K"),
    ("pascal", "Pa"),
    ("metre", "m"),
    ("meter", "m"),
    ("metres", "m"),
    ("meters", "m"),
];

/// Products that are written without a space.
const GLUED: [(&str, &str); 7] = [
    ("ms", "m s"),
    ("kgkg", "kg kg"),
    ("Jkg", "J kg"),
    ("Pas", "Pa s"),
    ("kgm", "kg m"),
    ("Wm", "W m"),
    ("m2s", "m2 s"),
];

/// Whether `a` and `b` are one unit at one scale, as far as both can be read.
#[must_use]
pub fn same_unit(a: &str, b: &str) -> bool {
    if a.trim() == b.trim() {
        return true;
    }
    let (Some(a), Some(b)) = (read(a), read(b)) else { return false };
    let near = |one: f64, other: f64| (one - other).abs() <= 1e-9 * one.abs().max(other.abs());
    a.dimension == b.dimension && a.scale == b.scale && near(a.factor, b.factor) && near(a.offset, b.offset)
}

/// A unit in the spelling of a file or of a recipe.
fn read(text: &str) -> Option<Unit> {
    let text = text.trim().replace("**", "^");
    let word = |text: &str| {
        WORDS
            .iter()
            .find(|(file, _)| *file == text)
            .map_or_else(|| text.to_string(), |(_, ours)| (*ours).into())
    };
    if let Ok(unit) = parse(&word(&text)) {
        return Some(unit);
    }
    let glued = |(glue, parts): &(&str, &str)| {
        let power = text.strip_prefix(glue)?;
        power.starts_with(['-', '^']).then(|| format!("{parts}{power}"))
    };
    let text = GLUED.iter().find_map(glued).unwrap_or(text);
    let (mut spelt, mut sign) = (String::new(), "");
    let mut rest = text.as_str();
    while !rest.is_empty() {
        let between = |c: char| c.is_whitespace() || matches!(c, '.' | '*' | '·' | '/');
        let end = rest.find(between).unwrap_or(rest.len());
        if end > 0 {
            let part = &rest[..end];
            let power =
                part.find(|c: char| c.is_ascii_digit() || matches!(c, '-' | '+' | '^')).filter(|at| *at > 0);
            let (base, power) = part.split_at(power.unwrap_or(part.len()));
            let power = power.trim_start_matches(['^', '+']);
            spelt.push_str(sign);
            spelt.push_str(&word(base));
            if !power.is_empty() {
                spelt.push('^');
                spelt.push_str(power);
            }
            sign = "*";
        }
        let Some(next) = rest[end..].chars().next() else { break };
        if next == '/' {
            sign = "/";
        }
        rest = &rest[end + next.len_utf8()..];
    }
    parse(&spelt).ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn spellings_agree_and_scales_do_not() {
        for (a, b) in [
            ("m s-1", "m/s"),
            ("ms-1", "m/s"),
            ("m s**-1", "m/s"),
            ("m.s-1", "m/s"),
            ("J/kg", "m^2/s^2"),
            ("m2 s-2", "J kg**-1"),
            ("kg kg**-1", "1"),
            ("kgkg-1", "kg/kg"),
            ("(0-1)", "1"),
            ("gpm", "m"),
            ("metres", "m"),
            ("dB", "dBZ"),
            ("s**-1", "1/s"),
            ("Pa s-1", "Pa/s"),
            ("W m-2", "W/m^2"),
            ("W m**-2", "W/m^2"),
            ("kg m-3", "kg/m^3"),
            ("kg m-2 s-1", "kg/m^2/s"),
            ("kg m**-2 s**-1", "kg/m^2/s"),
            ("m-2 s-1", "1/m^2/s"),
        ] {
            assert!(same_unit(a, b) && same_unit(b, a), "{a} and {b}");
        }
        for (a, b) in
            [("hPa", "Pa"), ("K", "degC"), ("%", "1"), ("m", "km"), ("kg m-2", "kg m-3"), ("code", "1")]
        {
            assert!(!same_unit(a, b), "{a} and {b}");
        }
    }

    /// Every field of std.hrrr is kept in the unit in which its archive gives it.
    #[test]
    fn the_fields_of_hrrr_come_in_their_units() {
        use crate::data::archive::hrrr::catalogue;
        use crate::data::grib::names;
        use crate::data::grib::product::Code;

        let text = include_str!("../../../recipes/std/hrrr.aurora");
        let physics = include_str!("../../../recipes/std/physics.aurora");
        let quantities: std::collections::BTreeMap<&str, &str> = physics
            .lines()
            .filter_map(|line| line.strip_prefix("quantity ")?.split_once('='))
            .map(|(name, rest)| (name.trim(), rest.split('"').next().unwrap_or_default().trim()))
            .collect();
        let mut seen = 0;
        for line in text.lines().filter_map(|line| line.strip_prefix("variable ")) {
            let (name, rest) = line.split_once(':').unwrap();
            let quantity = rest.split_whitespace().next().unwrap();
            let from = line.split("from \"").nth(1).unwrap().split('"').next().unwrap();
            let parameter = from.split(':').next().unwrap();
            let kept = quantities.get(quantity).unwrap_or_else(|| panic!("{quantity}"));
            let codes: Vec<Code> = names::codes(parameter);
            assert!(!codes.is_empty(), "{from}");
            for code in codes {
                let units = names::look_up(code, 7).unwrap().units;
                let given = catalogue::in_si(units).0;
                assert!(same_unit(kept, given), "{name}: kept in {kept}, but {from} comes in {given}");
                seen += 1;
            }
        }
        assert!(seen > 90, "{seen}");
    }
}
