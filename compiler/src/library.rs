//! The standard library, written in the language and carried inside the compiler.

/// Every library by name, in alphabetical order.
pub const LIBRARIES: [(&str, &str); 6] = [
    ("std.aurora", include_str!("../../recipes/std/aurora.aurora")),
    ("std.era5", include_str!("../../recipes/std/era5.aurora")),
    ("std.hrrr", include_str!("../../recipes/std/hrrr.aurora")),
    ("std.physics", include_str!("../../recipes/std/physics.aurora")),
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
    !matches!(name, "aurora" | "physics") && text(&format!("std.{name}")).is_some()
}
