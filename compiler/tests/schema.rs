//! The JSON forms that other programs read: their schemas are committed, and change only on purpose.
//!
//! After a change that is meant, write them anew with `UPDATE_SCHEMAS=1 cargo test -p aurora-compiler --test schema`;
//! if a reader of the old form would misread the new one, its version and the file's name change too.

#[path = "../../tests/tests/world/mod.rs"]
mod world;

use std::path::Path;

use aurora_compiler::diff::{self, Difference};
use aurora_compiler::explain::kernel::KernelPage;
use aurora_compiler::explain::library::Library;
use aurora_compiler::plan::schema;
use aurora_grammar::Style;
use serde_json::{Value, json};
use world::{QUICKSTART, compiled};

fn committed(name: &str, schema: &Value) {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("../docs/schema").join(name);
    let text = serde_json::to_string_pretty(schema).expect("a schema") + "\n";
    if std::env::var_os("UPDATE_SCHEMAS").is_some() {
        std::fs::write(&path, &text).expect("written");
    }
    let there = std::fs::read_to_string(&path).unwrap_or_default();
    assert!(there == text, "{name} is not what the types say; see the head of this file");
}

#[test]
fn schemas_are_those_committed() {
    committed("plan-1.json", &schema::schema());
    committed("diff-1.json", &Value::from(schemars::schema_for!(Difference)));
    committed("kernel-1.json", &Value::from(schemars::schema_for!(KernelPage)));
    committed("library-1.json", &Value::from(schemars::schema_for!(Library)));
}

#[test]
fn a_plan_is_read_back_and_another_version_is_refused() {
    let (plan, _) = compiled("quickstart.aurora", QUICKSTART).result.expect("compiled");
    let text = serde_json::to_string(&plan).expect("a plan");
    assert_eq!(schema::read(&text), Ok(plan));
    for (change, said) in [
        (text.replacen("aurora-plan/1", "aurora-plan/2", 1), "`aurora-plan/2`"),
        (text.replacen("\"schema\"", "\"scheme\"", 1), "no plan"),
        (text.replacen("\"history\":2", "\"history\":\"two\"", 1), "not what `aurora-plan/1` says"),
        (text[1..].to_string(), "no JSON"),
    ] {
        let error = schema::read(&change).unwrap_err();
        assert!(error.contains(said), "{error}");
    }
}

/// Every key of a plan is described, so the schema says what the plan says.
#[test]
fn the_schema_knows_every_key_of_a_plan() {
    let (plan, _) = compiled("quickstart.aurora", QUICKSTART).result.expect("compiled");
    let schema = schema::schema();
    let value = serde_json::to_value(&plan).expect("a plan");
    let keys =
        |value: &Value| value.as_object().map(|o| o.keys().cloned().collect::<Vec<_>>()).unwrap_or_default();
    for key in keys(&value) {
        assert!(schema["properties"].get(&key).is_some(), "{key}");
    }
    for (name, part) in [("DataPlan", "data"), ("ModelPlan", "model"), ("TrainingPlan", "training")] {
        for key in keys(&value[part]) {
            assert!(schema["$defs"][name]["properties"].get(&key).is_some(), "{name}.{key}");
        }
    }
}

fn difference(before: &str, after: &str) -> Difference {
    let one = |text: &str| compiled("recipe.aurora", text).result.expect("compiled");
    let ((a, ka), (b, kb)) = (one(before), one(after));
    diff::compare((&a, &ka), (&b, &kb))
}

#[test]
fn a_difference_names_what_differs_and_nothing_else() {
    assert_eq!(difference(QUICKSTART, &format!("{QUICKSTART}\n# a remark\n")).changes, []);
    assert_eq!(difference(QUICKSTART, &QUICKSTART.replace("1 h\n", "60 min\n")).changes, []);
    let other = QUICKSTART.replace("batch       2", "batch       4").replace("+ 0.01 * unsaturated", "");
    let found = difference(QUICKSTART, &other.replace("constraint unsaturated", "constraint watched"));
    let said: Vec<(&str, Option<&Value>, Option<&Value>)> =
        found.changes.iter().map(|c| (c.path.as_str(), c.before.as_ref(), c.after.as_ref())).collect();
    assert!(said.contains(&("phases.learn.batch", Some(&json!(2)), Some(&json!(4)))), "{said:#?}");
    assert!(said.contains(&("phases.learn.minimise.unsaturated", Some(&json!(0.01)), None)), "{said:#?}");
    assert!(
        said.iter().all(|(path, _, _)| {
            ["phases.", "constraints.", "kernels.constraint"].iter().any(|start| path.starts_with(start))
        }),
        "{said:#?}"
    );
    let drawn = diff::human(&found, Style { color: false, width: 80, unicode: true });
    assert!(
        drawn.lines().any(|line| line.starts_with("~ phases.learn.batch") && line.ends_with("2 → 4")),
        "{drawn}"
    );
    assert!(drawn.lines().any(|line| line.starts_with("- phases.learn.minimise.unsaturated")), "{drawn}");
}

/// Weights are summed up, not listed.
#[test]
fn tensors_are_summed_up() {
    let deeper = QUICKSTART.replace("depths = [2, 2]", "depths = [2, 4]");
    let found = difference(QUICKSTART, &deeper);
    let tensors: Vec<_> = found.changes.iter().filter(|c| c.path.starts_with("weights.")).collect();
    assert_eq!(tensors.len(), 1, "{tensors:#?}");
    assert!(tensors[0].after.as_ref().is_some_and(|sum| sum["tensors"].as_u64() > Some(10)), "{tensors:#?}");
    let back = difference(&deeper, QUICKSTART);
    assert!(back.changes.iter().any(|c| c.path == "weights.tensors" && c.after.is_none()));
    let wider = QUICKSTART.replace("embed = 64", "embed = 128");
    assert!(difference(QUICKSTART, &wider).changes.iter().any(|c| c.path == "weights.tensors.shape"));
}
