//! The standard library, written in the language and carried inside the compiler.

/// Every library by name, in alphabetical order.
pub const LIBRARIES: [(&str, &str); 24] = [
    ("std.aurora", include_str!("../../recipes/std/aurora.aurora")),
    ("std.constants.metpy", include_str!("../../recipes/std/constants/metpy.aurora")),
    ("std.constants.sharplib", include_str!("../../recipes/std/constants/sharplib.aurora")),
    ("std.constants.wrf", include_str!("../../recipes/std/constants/wrf.aurora")),
    ("std.constraints", include_str!("../../recipes/std/constraints.aurora")),
    ("std.era5", include_str!("../../recipes/std/era5.aurora")),
    ("std.hrrr", include_str!("../../recipes/std/hrrr.aurora")),
    ("std.physics", include_str!("../../recipes/std/physics.aurora")),
    ("std.severe", include_str!("../../recipes/std/severe.aurora")),
    ("std.severe.bolton", include_str!("../../recipes/std/severe/bolton.aurora")),
    ("std.severe.bottom", include_str!("../../recipes/std/severe/bottom.aurora")),
    ("std.severe.composite", include_str!("../../recipes/std/severe/composite.aurora")),
    ("std.severe.environment", include_str!("../../recipes/std/severe/environment.aurora")),
    ("std.severe.inversion", include_str!("../../recipes/std/severe/inversion.aurora")),
    ("std.severe.largest", include_str!("../../recipes/std/severe/largest.aurora")),
    ("std.severe.parcel", include_str!("../../recipes/std/severe/parcel.aurora")),
    ("std.severe.profile", include_str!("../../recipes/std/severe/profile.aurora")),
    ("std.severe.rk4", include_str!("../../recipes/std/severe/rk4.aurora")),
    ("std.severe.romps", include_str!("../../recipes/std/severe/romps.aurora")),
    ("std.severe.thermodynamics", include_str!("../../recipes/std/severe/thermodynamics.aurora")),
    ("std.severe.wind", include_str!("../../recipes/std/severe/wind.aurora")),
    ("std.severe.wobus", include_str!("../../recipes/std/severe/wobus.aurora")),
    ("std.synthetic", include_str!("../../recipes/std/synthetic.aurora")),
    ("std.wrf", include_str!("../../recipes/std/wrf.aurora")),
];

/// The text of a library.
pub fn text(name: &str) -> Option<&'static str> {
    LIBRARIES.iter().find(|(n, _)| *n == name).map(|(_, text)| *text)
}

/// Whether `std.NAME` describes an archive of that name, so that a recipe on it can be checked where its data
/// are not at hand.
pub fn describes_archive(name: &str) -> bool {
    !matches!(name, "aurora" | "constraints" | "physics" | "severe")
        && !name.contains('.')
        && text(&format!("std.{name}")).is_some()
}
