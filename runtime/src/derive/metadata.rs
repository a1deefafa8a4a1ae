//! What NetCDF and Zarr say of a derived field, by the CF conventions: units as UDUNITS spells them, a long name, and a
//! standard name where the table has one for just this.

use aurora_compiler::plan::data::{DerivedPlan, SupportPlan};

/// The standard name of a field, if CF's table (version 92) has it.
pub fn standard_name(field: &DerivedPlan) -> Option<&'static str> {
    // Of a parcel from the surface, and of any other.
    let parcel = |rest: &str| field.name.strip_suffix(rest).filter(|parcel| PARCELS.contains(parcel));
    let surface = |parcel: &str| matches!(parcel, "sb" | "");
    for (suffix, unit, general, of_surface) in OF_PARCELS {
        if let Some(parcel) = parcel(suffix).filter(|_| field.units == unit) {
            return Some(if surface(parcel) { of_surface } else { general });
        }
    }
    let on_levels = matches!(field.support, SupportPlan::Levels(_));
    let by_name = NAMED.iter().find(|(name, unit, _)| *name == field.name && *unit == field.units);
    let by_quantity = || QUANTITIES.iter().find(|(quantity, _)| *quantity == field.quantity && on_levels);
    by_name.map(|(.., standard)| *standard).or_else(|| by_quantity().map(|(_, standard)| *standard))
}

/// The parcels of std.severe, by the beginnings of names.
const PARCELS: [&str; 4] = ["sb", "ml", "mu", ""];

const OF_PARCELS: [(&str, &str, &str, &str); 4] = [
    (
        "cape",
        "J/kg",
        "atmosphere_convective_available_potential_energy",
        "atmosphere_convective_available_potential_energy_wrt_surface",
    ),
    ("cin", "J/kg", "atmosphere_convective_inhibition", "atmosphere_convective_inhibition_wrt_surface"),
    ("lfc", "m", "atmosphere_level_of_free_convection", "atmosphere_level_of_free_convection_wrt_surface"),
    (
        "lcl_height",
        "m",
        "atmosphere_lifting_condensation_level",
        "atmosphere_lifting_condensation_level_wrt_surface",
    ),
];

const NAMED: [(&str, &str, &str); 6] = [
    ("pwat", "kg/m^2", "atmosphere_mass_content_of_water_vapor"),
    ("theta", "K", "air_potential_temperature"),
    ("theta_e", "K", "air_equivalent_potential_temperature"),
    ("tv", "K", "virtual_temperature"),
    ("wet_bulb", "K", "wet_bulb_temperature"),
    ("dewpoint", "K", "dew_point_temperature"),
];

/// Of fields on levels.
const QUANTITIES: [(&str, &str); 5] = [
    ("eastward_wind", "eastward_wind"),
    ("northward_wind", "northward_wind"),
    ("specific_humidity", "specific_humidity"),
    ("geopotential", "geopotential"),
    ("relative_humidity", "relative_humidity"),
];

/// `J/kg/K` as `J kg-1 K-1`, `m^2/s^2` as `m2 s-2`.
pub fn udunits(unit: &str) -> String {
    let mut parts = Vec::new();
    for (index, part) in unit.split('/').enumerate() {
        for factor in part.split('*').filter(|factor| !factor.is_empty() && *factor != "1") {
            let (name, power) = factor.split_once('^').unwrap_or((factor, "1"));
            let power: i32 = power.parse().unwrap_or(1);
            let power = if index == 0 { power } else { -power };
            parts.push(if power == 1 { name.to_string() } else { format!("{name}{power}") });
        }
    }
    if parts.is_empty() { "1".into() } else { parts.join(" ") }
}

/// The title of a field, else its name in words.
pub fn long_name(field: &DerivedPlan, title: Option<&String>) -> String {
    let text = title.map_or_else(|| field.name.replace('_', " "), Clone::clone);
    text.trim().to_string()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn units_as_udunits_spells_them() {
        for (ours, theirs) in [
            ("J/kg", "J kg-1"),
            ("m^2/s^2", "m2 s-2"),
            ("1", "1"),
            ("K/m", "K m-1"),
            ("kg/m^2/s", "kg m-2 s-1"),
            ("1/s", "s-1"),
            ("m/s*Pa", "m s-1 Pa-1"),
            ("Pa", "Pa"),
        ] {
            assert_eq!(udunits(ours), theirs);
        }
    }

    #[test]
    fn names_of_the_table_and_no_others() {
        let field = |name: &str, units: &str| DerivedPlan {
            name: name.into(),
            kernel: name.into(),
            inputs: Vec::new(),
            quantity: "buoyant_energy".into(),
            units: units.into(),
            support: SupportPlan::Column,
            range: (None, None),
            kept: true,
        };
        assert_eq!(
            standard_name(&field("sbcape", "J/kg")),
            Some("atmosphere_convective_available_potential_energy_wrt_surface")
        );
        assert_eq!(
            standard_name(&field("mlcape", "J/kg")),
            Some("atmosphere_convective_available_potential_energy")
        );
        assert_eq!(standard_name(&field("mllcl_height", "Pa")), None);
        assert_eq!(standard_name(&field("stp", "1")), None);
    }
}
