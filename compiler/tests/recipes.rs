//! The six recipes, one for each way to fine-tune Aurora on HRRR: each compiles without a word, and its plan says
//! what was asked for. No data are at hand here, nor checkpoints: `std.hrrr` says what the archive holds.

mod desk;

use aurora_compiler::{Plan, explain};
use desk::planned;

/// The pages that `aurorac plan` prints, so that a change of any number in them is seen.
#[test]
fn the_plans_are_those_that_were_reviewed() {
    let snapshots = concat!(env!("CARGO_MANIFEST_DIR"), "/../tests/tests/snapshots/plan");
    for name in ["1-extend", "2-levels", "3-head", "4-scales", "5-physics", "6-ensemble"] {
        let plan = planned(&format!("{name}.aurora"));
        insta::with_settings!({
            snapshot_path => snapshots,
            prepend_module_to_snapshot => false,
            omit_expression => true,
        }, {
            insta::assert_snapshot!(format!("{name}.explained"), explain::plan(&plan));
        });
    }
}

/// Fixed centre and spread of a field, in its own unit.
fn scale(plan: &Plan, named: &str) -> (Option<f64>, Option<f64>) {
    let role = plan.roles.iter().find(|role| role.named == named).unwrap_or_else(|| panic!("no `{named}`"));
    (role.centre, role.spread)
}

#[test]
fn extend_has_the_surface_variables_and_statistics_that_were_asked_for() {
    let plan = planned("1-extend.aurora");
    assert_eq!(plan.model.surface, ["2t", "10u", "10v", "msl", "cape", "cin", "refc", "hlcy", "mxuphl"]);
    assert_eq!(plan.model.statics, ["lsm", "z"]);
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

#[test]
fn levels_conditions_on_thirteen_levels_and_predicts_storms_on_each() {
    let plan = planned("2-levels.aurora");
    let thirteen =
        [50.0, 100.0, 150.0, 200.0, 250.0, 300.0, 400.0, 500.0, 600.0, 700.0, 850.0, 925.0, 1000.0];
    assert_eq!(plan.model.levels, thirteen);
    assert_eq!(plan.model.options.level_condition.as_deref(), Some(&thirteen[..]));
    assert!(plan.model.stabilise_level_aggregation);
    assert_eq!(plan.model.surface, ["2t", "10u", "10v", "msl", "cape", "cin"]);
    let mut levels = plan.model.atmosphere.clone();
    levels.sort();
    assert_eq!(levels, ["q", "refl", "t", "u", "v", "w", "z"]);
    assert_eq!(plan.model.statics, ["lsm", "z"]);
}

#[test]
fn head_has_a_decoder_for_storms_and_a_modulated_perceiver_of_its_own() {
    let plan = planned("3-head.aurora");
    let json = serde_json::to_value(&plan.model.options.heads).expect("as JSON");
    let heads = json.as_array().expect("heads").clone();
    let of = |name: &str| heads.iter().find(|head| head["name"] == name).expect("a head").clone();
    let named = |head: &serde_json::Value| -> Vec<String> {
        let fields = head["predicts"].as_array().expect("fields");
        fields.iter().map(|field| field["named"].as_str().expect("a name").to_string()).collect()
    };
    let convective = of("convective");
    assert_eq!(named(&convective), ["refc", "cape", "cin", "hlcy", "mxuphl", "ustm", "vstm"]);
    assert!(convective["layers"].to_string().contains("unet"), "{convective}");
    let updraughts = of("updraughts");
    assert_eq!(named(&updraughts), ["w", "refl"]);
    // The recipe writes `warm` before it amends the inherited `adapt`.
    let phases: Vec<&str> = plan.training.phases.iter().map(|phase| phase.name.as_str()).collect();
    assert_eq!(phases, ["warm", "adapt"]);
    assert!(updraughts["layers"].to_string().contains("perceiver"), "{updraughts}");
    assert!(updraughts["layers"].to_string().contains("\"modulate\":true"), "{updraughts}");
}

#[test]
fn scales_has_the_window_patch_and_depths_and_trains_on_three_scales_at_once() {
    let plan = planned("4-scales.aurora");
    assert_eq!(plan.model.window, [2, 8, 16]);
    assert_eq!(plan.model.patch, 2);
    assert_eq!(plan.model.encoder_depths, [8, 12, 10]);
    assert_eq!(plan.model.decoder_depths, [10, 12, 8]);
    let mixed = plan.training.phases.iter().find(|phase| phase.name == "mixed").expect("a phase");
    let scales: Vec<f64> = mixed.scales.iter().map(|share| share.spacing).collect();
    assert_eq!(scales, [3e3, 6e3, 12e3]);
    for name in ["2t", "10u", "10v", "msl", "cape", "cin", "refc"] {
        assert!(plan.model.surface.iter().any(|s| s == name), "{name}");
    }
}

#[test]
fn physics_penalises_instability_updraughts_and_storm_motion_and_keeps_ranges() {
    let plan = planned("5-physics.aurora");
    for name in ["consistent", "inhibited", "lofted", "steered_u", "steered_v"] {
        assert!(plan.training.constraints.contains_key(name), "{name} is not penalised");
    }
    let range = |field: &str| plan.data.fields.iter().find(|f| f.name == field).expect("a field").range;
    assert_eq!(range("sbcape").0, Some(0.0));
    assert_eq!(range("refc"), (Some(-10.0), Some(80.0)));
}

#[test]
fn ensemble_has_three_specialists_over_one_backbone() {
    let plan = planned("6-ensemble.aurora");
    let ensemble = plan.ensemble.as_ref().expect("an ensemble");
    let json = serde_json::to_value(ensemble).expect("as JSON");
    let members = json["members"].as_array().expect("members");
    let names: Vec<&str> = members.iter().filter_map(|member| member["name"].as_str()).collect();
    assert_eq!(names, ["kinematic", "reflectivity", "thermodynamic"]);
    assert_eq!(json["shares"], serde_json::json!(["backbone"]));
    assert!(json["blend"].to_string().contains("owner"), "{json}");
}

/// Until 2021-12-21 smoke came in micrograms under the code of kilograms.
#[test]
fn smoke_begins_when_its_unit_is_right() {
    for name in ["smoke", "smoke8m"] {
        for (from, late) in [("2021-06-01", true), ("2021-12-21", true), ("2021-12-22", false)] {
            let text = format!(
                "aurora 1.0\nrecipe probe \"Smoke\" extends \"1-extend.aurora\"\n\nuse std.hrrr ({name})\n\n\
                 amend model {{\n    prognostic  t, u, v, q, z, t2m, u10, v10, msl, sbcape, sbcin, refc, srh3, uh, {name}\n}}\n\n\
                 amend data {{\n    train  {from} .. 2022-12-24\n}}\n"
            );
            let said = desk::drawn(&desk::beside_the_recipes(&text));
            assert_eq!(said.contains("field-appears-late"), late, "{name} {from}: {said}");
        }
    }
}
