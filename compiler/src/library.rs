//! The standard library, written in the language and carried inside the compiler.

/// Every library by name, in alphabetical order.
pub const LIBRARIES: [(&str, &str); 3] = [
    ("std.physics", include_str!("../../recipes/std/physics.aurora")),
    ("std.synthetic", include_str!("../../recipes/std/synthetic.aurora")),
    ("std.wrf", include_str!("../../recipes/std/wrf.aurora")),
];

/// The text of a library.
pub fn text(name: &str) -> Option<&'static str> {
    LIBRARIES.iter().find(|(n, _)| *n == name).map(|(_, text)| *text)
}
