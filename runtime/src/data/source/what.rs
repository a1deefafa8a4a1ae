//! What a field of a file is, whatever the file calls it: by the numbers of GRIB, by CF's standard names, by the names
//! that models and tools commonly give, and by what the archives of the standard library call it.

use crate::data::grib::product::Code;

/// What is measured.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum What {
    Temperature,
    Dewpoint,
    SpecificHumidity,
    MixingRatio,
    RelativeHumidity,
    Eastward,
    Northward,
    /// Height above mean sea level: geopotential height on levels, orography at the ground.
    Height,
    Geopotential,
    Pressure,
    /// Upward, in m/s.
    Vertical,
    /// The vertical wind of pressure, in Pa/s.
    Omega,
}

/// Where a field lies in the vertical.
#[derive(Clone, Debug, PartialEq)]
pub enum Where {
    /// On levels of pressure, in Pa, in the order of the file.
    Pressure(Vec<f64>),
    /// On the levels of a model, by their numbers, in the order of the file.
    Model(Vec<f64>),
    /// At the ground.
    Surface,
    /// Metres above the ground.
    Above(f64),
    /// Anything else, in the words of GRIB's inventories, for instance `entire atmosphere`.
    Other(String),
}

impl Where {
    /// Levels, 1 if it has none.
    pub fn depth(&self) -> usize {
        match self {
            Where::Pressure(levels) | Where::Model(levels) => levels.len(),
            _ => 1,
        }
    }

    pub fn on_levels(&self) -> bool {
        matches!(self, Where::Pressure(_) | Where::Model(_))
    }
}

/// Fields of the ground that do not change, by the names of ECMWF, CF and NCEP, in lower case.
const STATIC: [&str; 36] = [
    "lsm",
    "land_sea_mask",
    "land_binary_mask",
    "land_area_fraction",
    "land:surface",
    "slt",
    "soil_type",
    "sdor",
    "standard_deviation_of_orography",
    "anor",
    "angle_of_sub_gridscale_orography",
    "isor",
    "anisotropy_of_sub_gridscale_orography",
    "slor",
    "slope_of_sub_gridscale_orography",
    "sdfor",
    "standard_deviation_of_filtered_subgrid_orography",
    "cl",
    "lake_cover",
    "dl",
    "lake_depth",
    "lake_total_depth",
    "cvl",
    "low_vegetation_cover",
    "cvh",
    "high_vegetation_cover",
    "tvl",
    "type_of_low_vegetation",
    "tvh",
    "type_of_high_vegetation",
    "vgtyp:surface",
    "orog",
    "orography",
    "sftlf",
    "geopotential_at_surface",
    "wmb",
];

/// Whether a field is known not to change, so that one time of it stands for all.
pub fn is_static(name: &str, what: Option<What>, place: &Where) -> bool {
    let ground = *place == Where::Surface && matches!(what, Some(What::Height | What::Geopotential));
    ground || STATIC.contains(&name.to_ascii_lowercase().as_str())
}

/// GRIB's numbers of what is known here.
const CODES: [([u8; 3], What); 12] = [
    ([0, 0, 0], What::Temperature),
    ([0, 0, 6], What::Dewpoint),
    ([0, 1, 0], What::SpecificHumidity),
    ([0, 1, 1], What::RelativeHumidity),
    ([0, 1, 2], What::MixingRatio),
    ([0, 2, 2], What::Eastward),
    ([0, 2, 3], What::Northward),
    ([0, 2, 8], What::Omega),
    ([0, 2, 9], What::Vertical),
    ([0, 3, 0], What::Pressure),
    ([0, 3, 4], What::Geopotential),
    ([0, 3, 5], What::Height),
];

/// CF standard names (table 86).
const STANDARD: [(&str, What); 21] = [
    ("air_temperature", What::Temperature),
    ("dew_point_temperature", What::Dewpoint),
    ("specific_humidity", What::SpecificHumidity),
    ("surface_specific_humidity", What::SpecificHumidity),
    ("humidity_mixing_ratio", What::MixingRatio),
    ("relative_humidity", What::RelativeHumidity),
    ("eastward_wind", What::Eastward),
    ("northward_wind", What::Northward),
    ("x_wind", What::Eastward),
    ("y_wind", What::Northward),
    ("grid_eastward_wind", What::Eastward),
    ("grid_northward_wind", What::Northward),
    ("geopotential_height", What::Height),
    ("surface_altitude", What::Height),
    ("altitude", What::Height),
    ("geopotential", What::Geopotential),
    ("surface_geopotential", What::Geopotential),
    ("air_pressure", What::Pressure),
    ("surface_air_pressure", What::Pressure),
    ("upward_air_velocity", What::Vertical),
    ("lagrangian_tendency_of_air_pressure", What::Omega),
];

/// Where a name alone says that a field lies.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum Hint {
    None,
    Surface,
    Above(f64),
}

/// Names without a place of their own, in lower case.
const BARE: [(&str, What); 53] = [
    ("t", What::Temperature),
    ("ta", What::Temperature),
    ("tt", What::Temperature),
    ("tk", What::Temperature),
    ("tmp", What::Temperature),
    ("temp", What::Temperature),
    ("temperature", What::Temperature),
    ("td", What::Dewpoint),
    ("dpt", What::Dewpoint),
    ("dewpoint", What::Dewpoint),
    ("dewpoint_temperature", What::Dewpoint),
    ("q", What::SpecificHumidity),
    ("hus", What::SpecificHumidity),
    ("qv", What::SpecificHumidity),
    ("spfh", What::SpecificHumidity),
    ("shum", What::SpecificHumidity),
    ("specific_humidity", What::SpecificHumidity),
    ("mixr", What::MixingRatio),
    ("mixing_ratio", What::MixingRatio),
    ("humidity_mixing_ratio", What::MixingRatio),
    ("qvapor", What::MixingRatio),
    ("r", What::RelativeHumidity),
    ("rh", What::RelativeHumidity),
    ("hur", What::RelativeHumidity),
    ("relative_humidity", What::RelativeHumidity),
    ("u", What::Eastward),
    ("ua", What::Eastward),
    ("uu", What::Eastward),
    ("ugrd", What::Eastward),
    ("u-component_of_wind", What::Eastward),
    ("u_component_of_wind", What::Eastward),
    ("v", What::Northward),
    ("va", What::Northward),
    ("vv", What::Northward),
    ("vgrd", What::Northward),
    ("v-component_of_wind", What::Northward),
    ("v_component_of_wind", What::Northward),
    ("gh", What::Height),
    ("zg", What::Height),
    ("hgt", What::Height),
    ("ght", What::Height),
    ("geopotential_height", What::Height),
    ("z", What::Geopotential),
    ("geopotential", What::Geopotential),
    ("pres", What::Pressure),
    ("pressure", What::Pressure),
    ("w", What::Vertical),
    ("wa", What::Vertical),
    ("dzdt", What::Vertical),
    ("omega", What::Omega),
    ("wap", What::Omega),
    ("vvel", What::Omega),
    ("vertical_velocity_pressure", What::Omega),
];

/// Names that say where, in lower case.
const PLACED: [(&str, What, Hint); 46] = [
    ("t2m", What::Temperature, Hint::Above(2.0)),
    ("2t", What::Temperature, Hint::Above(2.0)),
    ("t2", What::Temperature, Hint::Above(2.0)),
    ("tas", What::Temperature, Hint::Above(2.0)),
    ("tmp2m", What::Temperature, Hint::Above(2.0)),
    ("temperature_2m", What::Temperature, Hint::Above(2.0)),
    ("2m_temperature", What::Temperature, Hint::Above(2.0)),
    ("d2m", What::Dewpoint, Hint::Above(2.0)),
    ("2d", What::Dewpoint, Hint::Above(2.0)),
    ("td2", What::Dewpoint, Hint::Above(2.0)),
    ("td2m", What::Dewpoint, Hint::Above(2.0)),
    ("tdps", What::Dewpoint, Hint::Above(2.0)),
    ("dpt2m", What::Dewpoint, Hint::Above(2.0)),
    ("dew_point_temperature_2m", What::Dewpoint, Hint::Above(2.0)),
    ("2m_dewpoint_temperature", What::Dewpoint, Hint::Above(2.0)),
    ("q2m", What::SpecificHumidity, Hint::Above(2.0)),
    ("sh2", What::SpecificHumidity, Hint::Above(2.0)),
    ("2sh", What::SpecificHumidity, Hint::Above(2.0)),
    ("huss", What::SpecificHumidity, Hint::Above(2.0)),
    ("specific_humidity_2m", What::SpecificHumidity, Hint::Above(2.0)),
    ("rh2m", What::RelativeHumidity, Hint::Above(2.0)),
    ("r2", What::RelativeHumidity, Hint::Above(2.0)),
    ("2r", What::RelativeHumidity, Hint::Above(2.0)),
    ("hurs", What::RelativeHumidity, Hint::Above(2.0)),
    ("relative_humidity_2m", What::RelativeHumidity, Hint::Above(2.0)),
    ("u10", What::Eastward, Hint::Above(10.0)),
    ("10u", What::Eastward, Hint::Above(10.0)),
    ("u10m", What::Eastward, Hint::Above(10.0)),
    ("uas", What::Eastward, Hint::Above(10.0)),
    ("wind_u_10m", What::Eastward, Hint::Above(10.0)),
    ("10m_u_component_of_wind", What::Eastward, Hint::Above(10.0)),
    ("v10", What::Northward, Hint::Above(10.0)),
    ("10v", What::Northward, Hint::Above(10.0)),
    ("v10m", What::Northward, Hint::Above(10.0)),
    ("vas", What::Northward, Hint::Above(10.0)),
    ("wind_v_10m", What::Northward, Hint::Above(10.0)),
    ("10m_v_component_of_wind", What::Northward, Hint::Above(10.0)),
    ("sp", What::Pressure, Hint::Surface),
    ("ps", What::Pressure, Hint::Surface),
    ("psfc", What::Pressure, Hint::Surface),
    ("surface_pressure", What::Pressure, Hint::Surface),
    ("pressure_surface", What::Pressure, Hint::Surface),
    ("orog", What::Height, Hint::Surface),
    ("orography", What::Height, Hint::Surface),
    ("zs", What::Geopotential, Hint::Surface),
    ("geopotential_at_surface", What::Geopotential, Hint::Surface),
];

/// By GRIB's numbers.
pub fn by_code(code: Code) -> Option<What> {
    let code = [code.discipline, code.category, code.number];
    CODES.iter().find(|(known, _)| *known == code).map(|(_, what)| *what)
}

/// By CF's standard name, and whether it lies at the ground by that name.
pub fn by_standard_name(name: &str) -> Option<(What, Hint)> {
    let what = STANDARD.iter().find(|(known, _)| *known == name).map(|(_, what)| *what)?;
    let surface = name.starts_with("surface_");
    Some((what, if surface { Hint::Surface } else { Hint::None }))
}

/// By a name as models and tools give it, of whatever case; endings that NetCDF-Java and wgrib2 append say where.
pub fn by_name(name: &str) -> Option<(What, Hint)> {
    let name = name.to_ascii_lowercase();
    if let Some((_, what, hint)) = PLACED.iter().find(|(known, ..)| *known == name) {
        return Some((*what, *hint));
    }
    const ENDINGS: [(&str, Hint); 6] = [
        ("_isobaric", Hint::None),
        ("_hybrid", Hint::None),
        ("_height_above_ground", Hint::None),
        ("_surface", Hint::Surface),
        ("_2maboveground", Hint::Above(2.0)),
        ("_10maboveground", Hint::Above(10.0)),
    ];
    let ending = ENDINGS.iter().find_map(|(ending, hint)| Some((name.strip_suffix(ending)?, *hint)));
    let (bare, hint) = ending.unwrap_or((&name, Hint::None));
    BARE.iter().find(|(known, _)| *known == bare).map(|(_, what)| (*what, hint))
}

/// What the `from` of a library speaks of: `TMP`, `TMP:2 m above ground` of the inventories of NCEP, `2t`, `z:surface`
/// of ECMWF. On levels it has no place of its own.
pub fn by_from(from: &str) -> Option<(What, Hint)> {
    let (name, level) = from.split_once(':').unwrap_or((from, ""));
    let (what, hint) = by_name(name)?;
    let place = match level.trim() {
        "" => hint,
        "surface" => Hint::Surface,
        other => Hint::Above(other.strip_suffix("m above ground")?.trim().parse().ok()?),
    };
    Some((what, place))
}

/// `1000-0 m above ground`, `0-1000 m above ground` and `255-0 mb above ground` in one spelling: the lower number first,
/// hPa for mb.
pub fn plain_level(level: &str) -> String {
    let level = level.trim().replace(" mb", " hPa");
    let level = level.strip_suffix(" (considered as a single layer)").unwrap_or(&level).to_string();
    let Some((range, rest)) = level.split_once(' ') else { return level };
    let ends = range
        .split_once('-')
        .and_then(|(one, two)| Some((one, two, one.parse::<f64>().ok()?, two.parse::<f64>().ok()?)));
    match ends {
        Some((one, two, first, second)) if first > second => format!("{two}-{one} {rest}"),
        _ => level,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn one_field_by_many_names() {
        for name in ["TMP_2maboveground", "T2", "2t", "t2m", "tas"] {
            assert_eq!(by_name(name), Some((What::Temperature, Hint::Above(2.0))), "{name}");
        }
        assert_eq!(by_name("u-component_of_wind_isobaric"), Some((What::Eastward, Hint::None)));
        assert_eq!(by_name("HGT_surface"), Some((What::Height, Hint::Surface)));
        assert_eq!(by_name("albedo"), None);
        assert_eq!(by_standard_name("surface_air_pressure"), Some((What::Pressure, Hint::Surface)));
        assert_eq!(by_from("UGRD:10 m above ground"), Some((What::Eastward, Hint::Above(10.0))));
        assert_eq!(by_from("z:surface"), Some((What::Geopotential, Hint::Surface)));
        assert_eq!(by_from("TMP"), Some((What::Temperature, Hint::None)));
        assert_eq!(by_from("REFC:entire atmosphere"), None);
    }

    #[test]
    fn layers_in_one_spelling() {
        assert_eq!(plain_level("1000-0 m above ground"), "0-1000 m above ground");
        assert_eq!(plain_level("0-180 hPa above ground"), "0-180 hPa above ground");
        assert_eq!(plain_level("255-0 mb above ground"), "0-255 hPa above ground");
        assert_eq!(plain_level("entire atmosphere (considered as a single layer)"), "entire atmosphere");
        assert_eq!(plain_level("500 mb"), "500 hPa");
    }
}
