//! The six recipes, one for each way to fine-tune Aurora on HRRR: each compiles without a word, and its plan says
//! what was asked for. No data are at hand here, nor checkpoints: `std.hrrr` says what the archive holds.

use aurora_compiler::site::{ArchiveIndex, Site};
use aurora_compiler::{Compilation, Plan, compile};
use aurora_grammar::render;

const EXTEND: &str = include_str!("../../recipes/1-extend.aurora");
const LEVELS: &str = include_str!("../../recipes/2-levels.aurora");
const HEAD: &str = include_str!("../../recipes/3-head.aurora");
const SCALES: &str = include_str!("../../recipes/4-scales.aurora");
const PHYSICS: &str = include_str!("../../recipes/5-physics.aurora");
const ENSEMBLE: &str = include_str!("../../recipes/6-ensemble.aurora");

/// A machine that has the recipes, and nothing else.
struct Desk;

impl Site for Desk {
    fn recipe(&self, _: &str, path: &str) -> Result<(String, String), String> {
        let text = match path {
            "1-extend.aurora" => EXTEND,
            "3-head.aurora" => HEAD,
            _ => return Err(format!("{path}: no such file")),
        };
        Ok((path.into(), text.into()))
    }

    fn archive(&self, _: &str) -> Option<ArchiveIndex> {
        None
    }

    fn archives(&self) -> Vec<String> {
        Vec::new()
    }
}

fn drawn(compilation: &Compilation) -> String {
    let style = render::Style { color: false, width: 110, unicode: true };
    render::human(&compilation.diagnostics, &compilation.sources, style)
}

/// The plan of a recipe that must compile without error or warning.
fn planned(name: &str, text: &str) -> Plan {
    let compilation = compile(name, text, &Desk);
    assert!(compilation.diagnostics.is_empty(), "{}", drawn(&compilation));
    compilation.result.expect("a plan").0
}

/// Fixed centre and spread of a field, in its own unit.
fn scale(plan: &Plan, named: &str) -> (Option<f64>, Option<f64>) {
    let role = plan.roles.iter().find(|role| role.named == named).unwrap_or_else(|| panic!("no `{named}`"));
    (role.centre, role.spread)
}

#[test]
fn extend_has_the_surface_variables_and_statistics_that_were_asked_for() {
    let plan = planned("1-extend.aurora", EXTEND);
    assert_eq!(plan.model.surface, ["2t", "10u", "10v", "msl", "cape", "cin", "refc", "hlcy", "mxuphl"]);
    assert_eq!(plan.model.statics, ["lsm", "z", "slt"]);
    let mut levels = plan.model.atmosphere.clone();
    levels.sort();
    assert_eq!(levels, ["q", "t", "u", "v", "z"]);
    assert!(plan.model.stabilise_level_aggregation);
    for (named, centre, spread) in [
        ("cape", 1000.0, 1500.0),
        ("cin", -50.0, 100.0),
        ("refc", 20.0, 30.0),
        ("hlcy", 100.0, 200.0),
        ("mxuphl", 50.0, 100.0),
    ] {
        assert_eq!(scale(&plan, named), (Some(centre), Some(spread)), "{named}");
    }
    assert_eq!(scale(&plan, "2t"), (None, None));
}
