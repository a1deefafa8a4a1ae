//! Codes and surfaces in words: the names forecasters know from wgrib2 and the HRRR inventories.
//!
//! Names are for people; nothing is ever looked for by name. A code the table lacks prints as its numbers.
//! Codes of 192 and above are each centre's own; those here are NCEP's and hold for its files only.
//!
//! Source: WMO code tables 4.2 and 4.5; NCEP's local additions.

use super::product::{Code, Surface};

/// NCEP, whose local codes the table knows.
const NCEP: u16 = 7;
/// NSSL, whose MRMS products are their own discipline.
const NSSL: u16 = 161;

/// A code in words.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Entry {
    code: [u8; 3],
    /// wgrib2's name.
    pub name: &'static str,
    /// The unit values come in.
    pub units: &'static str,
}

/// The entry for a code as the centre uses it.
pub fn look_up(code: Code, centre: u16) -> Option<&'static Entry> {
    let code = [code.discipline, code.category, code.number];
    let owner = match code {
        [209, ..] => Some(NSSL),
        _ if code.iter().any(|&part| part >= 192) => Some(NCEP),
        _ => None,
    };
    if owner.is_some_and(|owner| owner != centre) {
        return None;
    }
    TABLE.binary_search_by(|entry| entry.code.cmp(&code)).ok().map(|index| &TABLE[index])
}

/// Every code that wgrib2 calls by a name in NCEP's files, lowest first.
pub fn codes(name: &str) -> Vec<Code> {
    let of = |entry: &Entry| {
        let [discipline, category, number] = entry.code;
        Code { discipline, category, number }
    };
    TABLE.iter().filter(|entry| entry.name == name && entry.code[0] != 209).map(of).collect()
}

const fn entry(code: [u8; 3], name: &'static str, units: &'static str) -> Entry {
    Entry { code, name, units }
}

/// In the order of the codes. VUCSH and VVCSH are by the WMO's table shears in s-1; in NCEP's files they are differences of
/// winds in m s-1, as every message of them shows.
const TABLE: &[Entry] = &[
    entry([0, 0, 0], "TMP", "K"),
    entry([0, 0, 1], "VTMP", "K"),
    entry([0, 0, 2], "POT", "K"),
    entry([0, 0, 3], "EPOT", "K"),
    entry([0, 0, 4], "TMAX", "K"),
    entry([0, 0, 5], "TMIN", "K"),
    entry([0, 0, 6], "DPT", "K"),
    entry([0, 0, 10], "LHTFL", "W m-2"),
    entry([0, 0, 11], "SHTFL", "W m-2"),
    entry([0, 1, 0], "SPFH", "kg kg-1"),
    entry([0, 1, 1], "RH", "%"),
    entry([0, 1, 2], "MIXR", "kg kg-1"),
    entry([0, 1, 3], "PWAT", "kg m-2"),
    entry([0, 1, 7], "PRATE", "kg m-2 s-1"),
    entry([0, 1, 8], "APCP", "kg m-2"),
    entry([0, 1, 9], "NCPCP", "kg m-2"),
    entry([0, 1, 10], "ACPCP", "kg m-2"),
    entry([0, 1, 11], "SNOD", "m"),
    entry([0, 1, 13], "WEASD", "kg m-2"),
    entry([0, 1, 19], "PTYPE", "code"),
    entry([0, 1, 22], "CLMR", "kg kg-1"),
    entry([0, 1, 23], "ICMR", "kg kg-1"),
    entry([0, 1, 24], "RWMR", "kg kg-1"),
    entry([0, 1, 25], "SNMR", "kg kg-1"),
    entry([0, 1, 29], "ASNOW", "m"),
    entry([0, 1, 31], "HAIL", "m"),
    entry([0, 1, 32], "GRLE", "kg kg-1"),
    entry([0, 1, 33], "CRAIN", "code"),
    entry([0, 1, 34], "CFRZR", "code"),
    entry([0, 1, 35], "CICEP", "code"),
    entry([0, 1, 36], "CSNOW", "code"),
    entry([0, 1, 39], "CPOFP", "%"),
    entry([0, 1, 42], "SNOWC", "%"),
    entry([0, 1, 61], "SDEN", "kg m-3"),
    entry([0, 1, 69], "TCOLW", "kg m-2"),
    entry([0, 1, 70], "TCOLI", "kg m-2"),
    entry([0, 1, 74], "TCOLG", "kg m-2"),
    entry([0, 1, 82], "CIMIXR", "kg kg-1"),
    entry([0, 1, 192], "CRAIN", "code"),
    entry([0, 1, 193], "CFRZR", "code"),
    entry([0, 1, 194], "CICEP", "code"),
    entry([0, 1, 195], "CSNOW", "code"),
    entry([0, 1, 196], "CPRAT", "kg m-2 s-1"),
    entry([0, 1, 200], "PEVPR", "W m-2"),
    entry([0, 1, 225], "FRZR", "kg m-2"),
    entry([0, 1, 227], "FROZR", "kg m-2"),
    entry([0, 1, 242], "RHPW", "%"),
    entry([0, 2, 0], "WDIR", "degree"),
    entry([0, 2, 1], "WIND", "m s-1"),
    entry([0, 2, 2], "UGRD", "m s-1"),
    entry([0, 2, 3], "VGRD", "m s-1"),
    entry([0, 2, 8], "VVEL", "Pa s-1"),
    entry([0, 2, 9], "DZDT", "m s-1"),
    entry([0, 2, 10], "ABSV", "s-1"),
    entry([0, 2, 12], "RELV", "s-1"),
    entry([0, 2, 15], "VUCSH", "m s-1"),
    entry([0, 2, 16], "VVCSH", "m s-1"),
    entry([0, 2, 17], "UFLX", "N m-2"),
    entry([0, 2, 18], "VFLX", "N m-2"),
    entry([0, 2, 22], "GUST", "m s-1"),
    entry([0, 2, 27], "USTM", "m s-1"),
    entry([0, 2, 28], "VSTM", "m s-1"),
    entry([0, 2, 30], "FRICV", "m s-1"),
    entry([0, 2, 192], "VWSH", "s-1"),
    entry([0, 2, 194], "USTM", "m s-1"),
    entry([0, 2, 195], "VSTM", "m s-1"),
    entry([0, 2, 197], "FRICV", "m s-1"),
    entry([0, 2, 220], "MAXUVV", "m s-1"),
    entry([0, 2, 221], "MAXDVV", "m s-1"),
    entry([0, 2, 222], "MAXUW", "m s-1"),
    entry([0, 2, 223], "MAXVW", "m s-1"),
    entry([0, 2, 224], "VRATE", "m2 s-1"),
    entry([0, 3, 0], "PRES", "Pa"),
    entry([0, 3, 1], "PRMSL", "Pa"),
    entry([0, 3, 3], "ICAHT", "m"),
    entry([0, 3, 4], "GP", "m2 s-2"),
    entry([0, 3, 5], "HGT", "gpm"),
    entry([0, 3, 9], "GPA", "gpm"),
    entry([0, 3, 18], "HPBL", "m"),
    entry([0, 3, 192], "MSLET", "Pa"),
    entry([0, 3, 193], "5WAVH", "gpm"),
    entry([0, 3, 194], "U-GWD", "N m-2"),
    entry([0, 3, 195], "V-GWD", "N m-2"),
    entry([0, 3, 196], "HPBL", "m"),
    entry([0, 3, 197], "5WAVA", "gpm"),
    entry([0, 3, 198], "MSLMA", "Pa"),
    entry([0, 3, 200], "PLPL", "Pa"),
    entry([0, 3, 205], "LAYTH", "m"),
    entry([0, 4, 7], "DSWRF", "W m-2"),
    entry([0, 4, 8], "USWRF", "W m-2"),
    entry([0, 4, 192], "DSWRF", "W m-2"),
    entry([0, 4, 193], "USWRF", "W m-2"),
    entry([0, 4, 200], "VBDSF", "W m-2"),
    entry([0, 4, 201], "VDDSF", "W m-2"),
    entry([0, 5, 3], "DLWRF", "W m-2"),
    entry([0, 5, 4], "ULWRF", "W m-2"),
    entry([0, 5, 192], "DLWRF", "W m-2"),
    entry([0, 5, 193], "ULWRF", "W m-2"),
    entry([0, 6, 1], "TCDC", "%"),
    entry([0, 6, 3], "LCDC", "%"),
    entry([0, 6, 4], "MCDC", "%"),
    entry([0, 6, 5], "HCDC", "%"),
    entry([0, 6, 6], "CWAT", "kg m-2"),
    entry([0, 6, 193], "CWORK", "J kg-1"),
    entry([0, 6, 201], "SUNSD", "s"),
    entry([0, 7, 0], "PLI", "K"),
    entry([0, 7, 6], "CAPE", "J kg-1"),
    entry([0, 7, 7], "CIN", "J kg-1"),
    entry([0, 7, 8], "HLCY", "m2 s-2"),
    entry([0, 7, 10], "LFTX", "K"),
    entry([0, 7, 11], "4LFTX", "K"),
    entry([0, 7, 192], "LFTX", "K"),
    entry([0, 7, 193], "4LFTX", "K"),
    entry([0, 7, 198], "LAI", "1"),
    entry([0, 7, 199], "MXUPHL", "m2 s-2"),
    entry([0, 7, 200], "MNUPHL", "m2 s-2"),
    entry([0, 7, 204], "EFHL", "m2 s-2"),
    entry([0, 7, 205], "ESP", "1"),
    entry([0, 7, 206], "CANGLE", "degree"),
    entry([0, 14, 0], "TOZNE", "DU"),
    entry([0, 14, 192], "O3MR", "kg kg-1"),
    entry([0, 14, 193], "OZCON", "ppb"),
    entry([0, 15, 3], "VIL", "kg m-2"),
    entry([0, 16, 3], "RETOP", "m"),
    entry([0, 16, 4], "REFD", "dB"),
    entry([0, 16, 5], "REFC", "dB"),
    entry([0, 16, 195], "REFD", "dB"),
    entry([0, 16, 196], "REFC", "dB"),
    entry([0, 16, 197], "RETOP", "m"),
    entry([0, 16, 198], "MAXREF", "dB"),
    entry([0, 17, 0], "LTNGSD", "m-2 s-1"),
    entry([0, 17, 192], "LTNG", "1"),
    entry([0, 19, 0], "VIS", "m"),
    entry([0, 19, 1], "ALBDO", "%"),
    entry([0, 19, 11], "TKE", "J kg-1"),
    entry([0, 20, 0], "MASSDEN", "kg m-3"),
    entry([0, 20, 1], "COLMD", "kg m-2"),
    entry([0, 20, 102], "AOTK", "1"),
    entry([1, 0, 5], "BGRUN", "kg m-2"),
    entry([1, 0, 6], "SSRUN", "kg m-2"),
    entry([2, 0, 0], "LAND", "1"),
    entry([2, 0, 1], "SFCR", "m"),
    entry([2, 0, 2], "TSOIL", "K"),
    entry([2, 0, 4], "VEG", "%"),
    entry([2, 0, 5], "WATR", "kg m-2"),
    entry([2, 0, 10], "GFLUX", "W m-2"),
    entry([2, 0, 11], "MSTAV", "%"),
    entry([2, 0, 13], "CNWAT", "kg m-2"),
    entry([2, 0, 28], "LAI", "1"),
    entry([2, 0, 192], "SOILW", "1"),
    entry([2, 0, 193], "GFLUX", "W m-2"),
    entry([2, 0, 194], "MSTAV", "%"),
    entry([2, 0, 196], "CNWAT", "kg m-2"),
    entry([2, 0, 198], "VGTYP", "1"),
    entry([2, 0, 201], "WILT", "1"),
    entry([2, 3, 0], "SOTYP", "1"),
    entry([2, 3, 203], "FLDCP", "1"),
    entry([3, 192, 1], "SBT123", "K"),
    entry([3, 192, 2], "SBT124", "K"),
    entry([3, 192, 7], "SBT113", "K"),
    entry([3, 192, 8], "SBT114", "K"),
    entry([10, 2, 0], "ICEC", "1"),
    entry([209, 3, 57], "ReflectivityAtLowestAltitude", "dBZ"),
    entry([209, 10, 0], "MergedReflectivityQCComposite", "dBZ"),
];

/// A level in words: `surface`, `2 m above ground`, `500 hPa`, `0-3000 m above ground`, `180-0`-style layers with
/// the lower value first.
pub fn level(first: Surface, second: Option<Surface>) -> String {
    match (second, measure(first.kind)) {
        (Some(second), Some((scale, unit, place))) if second.kind == first.kind => {
            let value = |surface: Surface| surface.value.map_or("?".into(), |value| number(value * scale));
            join(&format!("{}-{}", value(first), value(second)), unit, place)
        }
        (Some(second), _) if second.kind == first.kind && second.value == first.value => named(first),
        (Some(second), _) => format!("{} to {}", named(first), named(second)),
        (None, _) => named(first),
    }
}

fn named(surface: Surface) -> String {
    match (measure(surface.kind), surface.value) {
        (Some((scale, unit, place)), Some(value)) => join(&number(value * scale), unit, place),
        (Some((_, _, place)), None) => place.trim().to_owned(),
        (None, value) => match (fixed(surface.kind), value) {
            (Some(name), _) => name.to_owned(),
            (None, Some(value)) => format!("surface {} of {}", surface.kind, number(value)),
            (None, None) => format!("surface {}", surface.kind),
        },
    }
}

fn join(value: &str, unit: &str, place: &str) -> String {
    [value, unit, place].into_iter().filter(|part| !part.is_empty()).collect::<Vec<_>>().join(" ")
}

/// Surfaces that carry a value: factor to the unit shown, the unit, and where it is counted from.
fn measure(kind: u8) -> Option<(f64, &'static str, &'static str)> {
    Some(match kind {
        20 => (1.0, "K", "isotherm"),
        100 => (0.01, "hPa", ""),
        102 => (1.0, "m", "above mean sea level"),
        103 => (1.0, "m", "above ground"),
        104 => (1.0, "", "sigma"),
        105 => (1.0, "", "hybrid level"),
        106 => (1.0, "m", "below ground"),
        107 => (1.0, "K", "isentropic"),
        108 => (0.01, "hPa", "above ground"),
        109 => (1e6, "PVU", "surface"),
        151 => (1.0, "", "soil level"),
        _ => return None,
    })
}

/// Surfaces that need no value.
fn fixed(kind: u8) -> Option<&'static str> {
    Some(match kind {
        1 => "surface",
        2 => "cloud base",
        3 => "cloud top",
        4 => "0 C isotherm",
        5 => "adiabatic condensation level",
        6 => "max wind",
        7 => "tropopause",
        8 => "top of atmosphere",
        10 | 200 => "entire atmosphere",
        14 => "level of free convection",
        101 => "mean sea level",
        204 => "highest freezing level",
        206 => "grid scale cloud bottom",
        207 => "grid scale cloud top",
        211 => "boundary layer cloud layer",
        212 => "low cloud bottom",
        213 => "low cloud top",
        214 => "low cloud layer",
        215 => "cloud ceiling",
        220 => "planetary boundary layer",
        222 => "middle cloud bottom",
        223 => "middle cloud top",
        224 => "middle cloud layer",
        232 => "high cloud bottom",
        233 => "high cloud top",
        234 => "high cloud layer",
        242 => "convective cloud bottom",
        243 => "convective cloud top",
        244 => "convective cloud layer",
        247 => "equilibrium level",
        _ => return None,
    })
}

/// Without noise digits: `0.995`, `1000`, `2.5`.
fn number(value: f64) -> String {
    let rounded = (value * 1e6).round() / 1e6;
    if rounded == 0.0 { "0".into() } else { format!("{rounded}") }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_table_is_in_order() {
        assert!(TABLE.windows(2).all(|pair| pair[0].code < pair[1].code));
    }

    /// NCEP's post-processor writes these under the WMO's numbers, older files under its own.
    #[test]
    fn names_have_the_numbers_of_both_tables() {
        let numbers = |name: &str| -> Vec<String> { codes(name).iter().map(Code::to_string).collect() };
        assert_eq!(numbers("RETOP"), ["0.16.3", "0.16.197"]);
        assert_eq!(numbers("GFLUX"), ["2.0.10", "2.0.193"]);
        assert_eq!(numbers("CNWAT"), ["2.0.13", "2.0.196"]);
        assert_eq!(numbers("LAI"), ["0.7.198", "2.0.28"]);
    }

    #[test]
    fn local_codes_belong_to_their_centre() {
        let code = Code { discipline: 0, category: 1, number: 193 };
        assert_eq!(look_up(code, 7).map(|entry| entry.name), Some("CFRZR"));
        assert_eq!(look_up(code, 98), None);
    }

    #[test]
    fn levels_in_words() {
        let at = |kind, value| Surface { kind, value: Some(value) };
        assert_eq!(level(at(103, 2.0), None), "2 m above ground");
        assert_eq!(level(at(100, 50_000.0), None), "500 hPa");
        assert_eq!(level(at(103, 0.0), Some(at(103, 3000.0))), "0-3000 m above ground");
        assert_eq!(level(at(108, 0.0), Some(at(108, 18_000.0))), "0-180 hPa above ground");
        assert_eq!(level(Surface { kind: 1, value: Some(0.0) }, None), "surface");
        assert_eq!(level(at(10, 0.0), Some(at(10, 0.0))), "entire atmosphere");
        assert_eq!(level(at(231, 4.0), None), "surface 231 of 4");
    }
}
