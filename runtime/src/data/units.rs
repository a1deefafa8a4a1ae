//! Whether two spellings mean the same unit.

/// Spellings of one unit, one line each, without spaces.
const SAME: [&[&str]; 10] = [
    &["1", "kg/kg", "kgkg-1", "kgkg**-1", "kg.kg-1", "-", "(0-1)"],
    &["m/s", "ms-1", "ms**-1", "m.s-1", "ms^-1"],
    &["m^2/s^2", "J/kg", "m2/s2", "m2s-2", "m**2s**-2", "Jkg-1", "Jkg**-1", "J.kg-1"],
    &["m", "gpm", "metre", "meter", "metres", "meters"],
    &["K", "kelvin", "degK"],
    &["Pa", "pascal", "N/m^2"],
    &["Pa/s", "Pas-1", "Pas**-1"],
    &["dBZ", "dbz", "dB"],
    &["1/s", "s-1", "s**-1", "s^-1"],
    &["kg/m^2", "kgm-2", "kgm**-2", "kg.m-2"],
];

/// Whether `a` and `b` are one unit at one scale, as far as this table knows.
#[must_use]
pub fn same_unit(a: &str, b: &str) -> bool {
    let plain = |unit: &str| unit.chars().filter(|c| !c.is_whitespace()).collect::<String>();
    let (a, b) = (plain(a), plain(b));
    a == b || SAME.iter().any(|names| names.contains(&a.as_str()) && names.contains(&b.as_str()))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn spellings_agree_and_scales_do_not() {
        assert!(same_unit("m s-1", "m/s"));
        assert!(same_unit("J/kg", "m^2/s^2"));
        assert!(same_unit("kg kg**-1", "1"));
        assert!(!same_unit("hPa", "Pa"));
        assert!(!same_unit("K", "degC"));
    }
}
