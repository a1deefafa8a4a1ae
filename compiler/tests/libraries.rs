//! The libraries: each parses without a word, and everything they hold can be used.

mod desk;

use std::collections::BTreeSet;

use aurora_compiler::library::LIBRARIES;
use aurora_grammar::tree::{Item, ItemKind, Parameter};
use aurora_grammar::{Diagnostics, Severity, SourceMap, parse, render};
use desk::{beside_the_recipes, drawn};

fn items(name: &str, text: &str) -> Vec<Item> {
    let (mut sources, mut diagnostics) = (SourceMap::new(), Diagnostics::new());
    let file = sources.add(name, text);
    let parsed = parse(file, &sources, &mut diagnostics);
    let style = render::Style { color: false, width: 120, unicode: true };
    assert!(diagnostics.is_empty(), "{}", render::human(&diagnostics, &sources, style));
    parsed.items
}

#[test]
fn every_library_is_read_without_complaint() {
    for (name, text) in LIBRARIES {
        assert!(!items(name, text).is_empty(), "{name} is empty");
    }
}

/// Each variable, field, function and relation, alone brought into a recipe and used. Functions are called with fields of just the
/// types that they declare.
#[test]
fn everything_in_a_library_can_be_used() {
    let mut wrong = String::new();
    let mut used = 0;
    for (library, text) in LIBRARIES {
        for item in items(library, text) {
            let (name, parameters) = match &item.kind {
                ItemKind::Variable { name, .. } | ItemKind::Constraint { name, .. } => (&name.text, &[][..]),
                ItemKind::Derive { name, parameters, .. } => (&name.text, &parameters[..]),
                _ => continue,
            };
            used += 1;
            let probe = match &item.kind {
                ItemKind::Constraint { .. } => constrained(name),
                _ if library == "std.constraints" => beside_constraints(name, parameters),
                _ => recipe(library, name, parameters),
            };
            let compilation = beside_the_recipes(&probe);
            if compilation.diagnostics.iter().any(|d| d.severity == Severity::Error) {
                wrong += &format!("---- {library} {name}\n{probe}\n{}", drawn(&compilation));
            }
        }
    }
    assert!(wrong.is_empty(), "{wrong}");
    println!("{used} items");
}

/// Constraints speak of more than any archive has: a recipe with all of it.
const CONSTRAINED: &str = include_str!("desk/constrained.aurora");

fn with_constraint(name: &str, items: &str, minimised: &str) -> String {
    // The latitude is a static field of that recipe.
    let with_latitude = if name == "latitude" { name.to_string() } else { format!("latitude, {name}") };
    let using = format!("use std.constraints ({with_latitude})\n{items}");
    CONSTRAINED.replace("use std.constraints\n", &using).replace("WEIGHTED", minimised)
}

/// A recipe that minimises one relation and knows no other.
fn constrained(name: &str) -> String {
    with_constraint(name, "", &format!("0.01 * {name}"))
}

/// A recipe that uses one field or function of std.constraints.
fn beside_constraints(name: &str, parameters: &[Parameter]) -> String {
    let (variables, call) = called(name, parameters);
    with_constraint(name, &format!("{variables}derive probed = {call}\nloss l = mae(t)\n"), "l")
}

/// Fields for the parameters of a function, and the call; of what has none, its name.
fn called(name: &str, parameters: &[Parameter]) -> (String, String) {
    let mut arguments = Vec::new();
    let mut variables = String::new();
    for (at, parameter) in parameters.iter().enumerate() {
        let support = parameter.ty.support.as_ref().map_or("surface", |support| &support.name.text);
        variables +=
            &format!("variable a{at} : {} on {support} from \"X{at}\"\n", parameter.ty.quantity.text);
        arguments.push(format!("a{at}"));
    }
    let call =
        if arguments.is_empty() { name.to_string() } else { format!("{name}({})", arguments.join(", ")) };
    (variables, call)
}

/// A recipe that uses one name of a library.
fn recipe(library: &str, name: &str, parameters: &[Parameter]) -> String {
    // What a library leaves to the recipe, it finds here.
    let world = match library {
        "std.hrrr" | "std.physics" => {
            "std.hrrr (conus, pl, t, u, v, q, z, t2m, u10, v10, zs, orog, sbcape, mucape, srh1, srh3, lcl)"
        }
        "std.era5" => "std.era5 (global, pl, t, u, v, q, z, t2m, u10, v10, zs)",
        "std.aurora" => "std.aurora (t, u, v, q, z, t2m, zs)",
        "std.synthetic" => "std.synthetic (plains, pl, t, u, v, q, z, t2m, orog)",
        _ if library.starts_with("std.severe") || library.starts_with("std.constants") => {
            "std.synthetic (plains, pl, t, u, v, q, z, t2m, q2m, u10, v10, sp, orog)"
        }
        _ => "std.wrf (t, u, v, q, z, t2m, orog)",
    };
    let own = match library {
        "std.aurora" => {
            "grid g = latlon(north = 90 deg, west = 0 deg, size = [1440, 721], spacing = 0.25 deg)\n"
        }
        "std.severe" | "std.severe.parcel" | "std.severe.profile" => {
            "use std.severe.profile (profile)\nvariable w : vertical_wind on pl from \"W\"\n"
        }
        "std.wrf" => {
            "grid g = mercator(lat = 20 deg, lon = 140 deg, size = [64, 64], spacing = 9 km)\n\
                      levels pl : pressure = [500, 700, 850] hPa\n"
        }
        _ => "",
    };
    let (grid, archive) = match library {
        "std.hrrr" | "std.physics" => ("conus", "hrrr"),
        "std.era5" => ("global", "era5"),
        "std.synthetic" => ("plains", "synthetic"),
        _ if library.starts_with("std.severe") || library.starts_with("std.constants") => {
            ("plains", "synthetic")
        }
        "std.aurora" => ("g", "era5"),
        _ => ("g", "wrf"),
    };
    let ground = if world.contains("zs") { "zs" } else { "orog" };
    let (variables, call) = called(name, parameters);
    format!(
        "aurora 1.0\nrecipe probe \"\"\nuse {world}\nuse {library} ({name})\n{own}{variables}\n\
         derive probed = {call}\n\n\
         data {{\n archive {archive}\n grid {grid}\n every 1 h\n train 2022-01-01 .. 2022-03-01\n}}\n\
         model {{\n architecture aurora.small\n step 1 h\n prognostic t, u, v, q, z, t2m\n static {ground}\n}}\n\
         loss l = mae(prognostic)\n\
         phase p {{\n tile 64 by 64\n for 1 epochs\n batch 1\n train new\n optimise adamw(rate = 1e-3)\n minimise l\n}}\n"
    )
}

/// One name means one thing: a recipe may use both whole.
#[test]
fn physics_and_severe_weather_do_not_share_a_name() {
    let defined = |library: &str| -> BTreeSet<String> {
        let (name, text) = LIBRARIES.iter().find(|(name, _)| *name == library).expect("a library");
        let names = items(name, text).into_iter().filter_map(|item| match item.kind {
            ItemKind::Variable { name, .. }
            | ItemKind::Derive { name, .. }
            | ItemKind::Constraint { name, .. } => Some(name.text),
            _ => None,
        });
        names.collect()
    };
    let physics = defined("std.physics");
    for (library, _) in LIBRARIES.iter().filter(|(name, _)| {
        name.starts_with("std.severe") || name.starts_with("std.constants") || *name == "std.constraints"
    }) {
        let both: Vec<String> = defined(library).intersection(&physics).cloned().collect();
        assert!(both.is_empty(), "std.physics and {library} both define {both:?}");
    }
    let one = recipe("std.severe", "stp", &[]);
    let text = one.replace("use std.severe (stp)\n", "use std.severe\nuse std.physics\n");
    assert_ne!(one, text);
    let compilation = beside_the_recipes(&text);
    assert!(compilation.result.is_some(), "{}", drawn(&compilation));
}
