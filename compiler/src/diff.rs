//! What differs between two plans. Plans are compared, never texts: a comment, another order of items or
//! another spelling of a unit is no difference; a library's changed constant is one.
//!
//! Lists of things with names are compared name by name, so an inserted phase is one addition, and weights
//! are summed up: how many tensors came, went or changed their shape.

use std::collections::{BTreeMap, BTreeSet};
use std::fmt::Write;

use aurora_grammar::Style;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use serde_json::{Map, Value, json};

use crate::explain::Tone;
use crate::explain::page_paint as paint;
use crate::kernel::ir::Module;
use crate::plan::Plan;

/// The version of the JSON form.
pub const SCHEMA: &str = "aurora-diff/1";

/// All differences between two plans, in the order of the plan.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct Difference {
    /// `aurora-diff/1`
    pub schema: String,
    pub before: Side,
    pub after: Side,
    /// Empty if the plans say the same.
    pub changes: Vec<Change>,
}

/// One of the two recipes.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct Side {
    pub name: String,
    /// BLAKE3 of the recipe.
    pub hash: String,
}

/// One thing that differs.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct Change {
    /// Where in the plan, for instance `phases.adapt.batch`.
    pub path: String,
    pub kind: Kind,
    /// As in `plan.json`; absent if added. Tensors are summed up: `{ "tensors": 12, "weights": 4100 }`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub before: Option<Value>,
    /// As in `plan.json`; absent if removed.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub after: Option<Value>,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum Kind {
    Added,
    Removed,
    Changed,
}

/// Compares two plans with their kernels.
pub fn compare(before: (&Plan, &Module), after: (&Plan, &Module)) -> Difference {
    let mut changes = Vec::new();
    values("", &sections(before.0), &sections(after.0), &mut changes);
    tensors(before.0, after.0, &mut changes);
    kernels(before.1, after.1, &mut changes);
    let side = |plan: &Plan| Side { name: plan.name.clone(), hash: plan.hash.clone() };
    Difference { schema: SCHEMA.to_string(), before: side(before.0), after: side(after.0), changes }
}

/// The plan under the words of a recipe: `phases`, not `training.phases`.
fn sections(plan: &Plan) -> Value {
    let Ok(Value::Object(mut whole)) = serde_json::to_value(plan) else { return Value::Null };
    let mut out = Map::new();
    let take = |from: &mut Map<String, Value>, names: &[&str]| -> Map<String, Value> {
        names.iter().filter_map(|name| Some(((*name).to_string(), from.shift_remove(*name)?))).collect()
    };
    let recipe = take(&mut whole, &["name", "title"]);
    take(&mut whole, &["schema", "hash"]);
    out.insert("recipe".into(), Value::Object(recipe));
    for (inside, lifted) in [
        ("data", &["fields", "derived", "levels"][..]),
        ("training", &["losses", "constraints", "phases"][..]),
    ] {
        let Some(Value::Object(mut inner)) = whole.shift_remove(inside) else { continue };
        let parts = take(&mut inner, lifted);
        if !inner.is_empty() {
            out.insert(inside.to_string(), Value::Object(inner));
        }
        out.extend(parts);
    }
    out.extend(whole);
    Value::Object(out)
}

fn values(path: &str, before: &Value, after: &Value, changes: &mut Vec<Change>) {
    if before == after {
        return;
    }
    match (table(before), table(after)) {
        (Some(before), Some(after)) => tables(path, &before, &after, changes),
        _ => changes.push(change(path, Some(before), Some(after))),
    }
}

fn tables(path: &str, before: &Map<String, Value>, after: &Map<String, Value>, changes: &mut Vec<Change>) {
    let own = |name: &str| if path.is_empty() { name.to_string() } else { format!("{path}.{name}") };
    let new = after.keys().filter(|name| !before.contains_key(*name));
    let count = changes.len();
    for name in before.keys().chain(new) {
        let there = |side: &Map<String, Value>| side.get(name).filter(|value| !value.is_null()).cloned();
        match (there(before), there(after)) {
            (Some(before), Some(after)) => values(&own(name), &before, &after, changes),
            (None, None) => {}
            (before, after) => changes.push(change(&own(name), before.as_ref(), after.as_ref())),
        }
    }
    if changes.len() == count && !before.keys().eq(after.keys()) {
        let order = |side: &Map<String, Value>| Value::from(side.keys().cloned().collect::<Vec<_>>());
        let (before, after) = (order(before), order(after));
        changes.push(change(&own("order"), Some(&before), Some(&after)));
    }
}

/// What has parts with names: an object, or a list whose items tell theirs.
fn table(value: &Value) -> Option<Map<String, Value>> {
    match value {
        Value::Object(object) => Some(object.clone()),
        Value::Array(items) => {
            let mut table = Map::new();
            for item in items {
                let (key, part) = keyed(item)?;
                let mut free = key.clone();
                let mut times = 1;
                while table.contains_key(&free) {
                    times += 1;
                    free = format!("{key} ({times})");
                }
                table.insert(free, part);
            }
            Some(table)
        }
        _ => None,
    }
}

/// The name of a list's item, and what else it says.
fn keyed(item: &Value) -> Option<(String, Value)> {
    match item {
        Value::String(name) => Some((name.clone(), Value::Bool(true))),
        // `[0.5, "storms"]`: a weighted name.
        Value::Array(pair) => match &pair[..] {
            [weight @ Value::Number(_), Value::String(name)] => Some((name.clone(), weight.clone())),
            _ => None,
        },
        Value::Object(object) => {
            let text = |key: &str| object.get(key).and_then(Value::as_str);
            let word = text("score").or_else(|| text("measure"));
            let name = match (word, text("field"), text("name")) {
                (Some(word), Some(field), _) => format!("{word} of {field}"),
                (_, Some(field), None) => field.to_string(),
                (_, _, Some(name)) => name.to_string(),
                _ => return None,
            };
            Some((name, item.clone()))
        }
        _ => None,
    }
}

fn change(path: &str, before: Option<&Value>, after: Option<&Value>) -> Change {
    let kind = match (before, after) {
        (None, _) => Kind::Added,
        (_, None) => Kind::Removed,
        _ => Kind::Changed,
    };
    Change { path: path.to_string(), kind, before: before.cloned(), after: after.cloned() }
}

fn tensors(before: &Plan, after: &Plan, changes: &mut Vec<Change>) {
    type Shapes = BTreeMap<String, Vec<usize>>;
    let (old, new): (Shapes, Shapes) =
        (before.model.tensors().into_iter().collect(), after.model.tensors().into_iter().collect());
    let sum = |tensors: &[&Vec<usize>]| {
        let weights: usize = tensors.iter().map(|shape| shape.iter().product::<usize>()).sum();
        (!tensors.is_empty()).then(|| json!({ "tensors": tensors.len(), "weights": weights }))
    };
    let only = |of: &Shapes, not: &Shapes| {
        let own: Vec<&Vec<usize>> =
            of.iter().filter(|(name, _)| !not.contains_key(*name)).map(|(_, s)| s).collect();
        sum(&own)
    };
    if let Some(gone) = only(&old, &new) {
        changes.push(change("weights.tensors", Some(&gone), None));
    }
    if let Some(come) = only(&new, &old) {
        changes.push(change("weights.tensors", None, Some(&come)));
    }
    let pairs: Vec<(&Vec<usize>, &Vec<usize>)> = old
        .iter()
        .filter_map(|(name, shape)| Some((shape, new.get(name)?)))
        .filter(|(a, b)| a != b)
        .collect();
    let sides: (Vec<_>, Vec<_>) = pairs.into_iter().unzip();
    if let (Some(old), Some(new)) = (sum(&sides.0), sum(&sides.1)) {
        changes.push(change("weights.tensors.shape", Some(&old), Some(&new)));
    }
}

fn kernels(before: &Module, after: &Module, changes: &mut Vec<Change>) {
    let texts = |module: &Module| -> BTreeMap<String, String> {
        let text = |kernel: &crate::kernel::ir::Kernel| Module { kernels: vec![kernel.clone()] }.to_string();
        module.kernels.iter().map(|kernel| (kernel.name.clone(), text(kernel))).collect()
    };
    let (old, new) = (texts(before), texts(after));
    let names: BTreeSet<&String> = old.keys().chain(new.keys()).collect();
    for name in names {
        let text = |side: &BTreeMap<String, String>| side.get(name).cloned().map(Value::from);
        let (old, new) = (text(&old), text(&new));
        if old != new {
            changes.push(change(&format!("kernels.{name}"), old.as_ref(), new.as_ref()));
        }
    }
}

// ---- for people ------------------------------------------------------------------------------------

/// A line for each change, sections apart.
pub fn human(difference: &Difference, style: Style) -> String {
    let mut out = String::new();
    let side = |side: &Side| format!("{} {}", side.name, &side.hash[..8.min(side.hash.len())]);
    let (before, after) = (side(&difference.before), side(&difference.after));
    if difference.changes.is_empty() {
        let _ = writeln!(out, "no difference between the plans of {before} and {after}");
        return out;
    }
    paint(Tone::Faint, &format!("{before} → {after}"), style, &mut out);
    out.push('\n');
    let widest = difference.changes.iter().map(|c| c.path.chars().count()).max().unwrap_or(0).min(40);
    let mut section = "";
    for change in &difference.changes {
        let own = change.path.split('.').next().unwrap_or_default();
        if own != section {
            out.push('\n');
            section = own;
        }
        let (mark, tone) = match change.kind {
            Kind::Added => ('+', Tone::Added),
            Kind::Removed => ('-', Tone::Removed),
            Kind::Changed => ('~', Tone::Changed),
        };
        paint(tone, &format!("{mark} {:<widest$}", change.path), style, &mut out);
        let room = style.width.saturating_sub(widest + 4).max(24);
        let text = match (&change.before, &change.after) {
            _ if change.path.starts_with("kernels.") => instructions(change),
            (Some(before), Some(after)) => {
                let room = room.saturating_sub(3) / 2;
                format!("{} → {}", short(before, room), short(after, room))
            }
            (Some(Value::Bool(true)), _) | (_, Some(Value::Bool(true))) => String::new(),
            (Some(value), None) | (None, Some(value)) => short(value, room),
            (None, None) => String::new(),
        };
        let _ = writeln!(out, "{}{text}", if text.is_empty() { "" } else { "  " });
    }
    out.lines().map(|line| format!("{}\n", line.trim_end())).collect()
}

fn instructions(change: &Change) -> String {
    let count = |value: &Option<Value>| {
        value
            .as_ref()
            .and_then(Value::as_str)
            .map_or(0, |text| text.lines().filter(|l| l.contains('%')).count())
    };
    match (count(&change.before), count(&change.after)) {
        (0, n) | (n, 0) => format!("{n} instructions"),
        (a, b) if a == b => format!("{a} instructions, other numbers or names"),
        (a, b) => format!("{a} → {b} instructions"),
    }
}

/// A value in a few words, at most `room` columns.
fn short(value: &Value, room: usize) -> String {
    let text = plain(value);
    if text.chars().count() <= room {
        return text;
    }
    text.chars().take(room.saturating_sub(1)).chain(['…']).collect()
}

fn plain(value: &Value) -> String {
    match value {
        Value::Null => "nothing".to_string(),
        Value::Bool(b) => if *b { "yes" } else { "no" }.to_string(),
        Value::String(text) => text.clone(),
        Value::Number(number) => {
            let text = number.to_string();
            text.strip_suffix(".0").map_or(text.clone(), str::to_string)
        }
        Value::Array(items) => format!("[{}]", items.iter().map(plain).collect::<Vec<_>>().join(", ")),
        Value::Object(object) => {
            let part = |(name, value): (&String, &Value)| {
                (!value.is_null()).then(|| format!("{name} {}", plain(value)))
            };
            object.iter().filter_map(part).collect::<Vec<_>>().join(", ")
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn changes(before: Value, after: Value) -> Vec<String> {
        let mut found = Vec::new();
        values("", &before, &after, &mut found);
        let text = |side: &Option<Value>| side.as_ref().map(plain).unwrap_or_default();
        found
            .iter()
            .map(|c| format!("{:?} {} {}→{}", c.kind, c.path, text(&c.before), text(&c.after)))
            .collect()
    }

    #[test]
    fn lists_of_named_things_go_by_name() {
        let before = json!({ "phases": [{ "name": "a", "batch": 2 }, { "name": "b", "batch": 2 }] });
        let after = json!({ "phases": [{ "name": "new" }, { "name": "a", "batch": 4 }, { "name": "b", "batch": 2 }] });
        assert_eq!(
            changes(before.clone(), after),
            ["Changed phases.a.batch 2→4", "Added phases.new →name new"]
        );
        let turned = json!({ "phases": [{ "name": "b", "batch": 2 }, { "name": "a", "batch": 2 }] });
        assert_eq!(changes(before.clone(), turned), ["Changed phases.order [a, b]→[b, a]"]);
        assert!(changes(before.clone(), before).is_empty());
    }

    #[test]
    fn weighted_names_scores_and_absent_values() {
        let before = json!({ "sum": [[1.0, "a"], [0.5, "b"]], "scores": [{ "score": "csi", "field": "r", "at": [1.0] }], "gone": null });
        let after = json!({ "sum": [[1.0, "a"], [0.25, "b"], [2.0, "c"]], "scores": [{ "score": "csi", "field": "r", "at": [2.0] }] });
        assert_eq!(
            changes(before, after),
            ["Changed sum.b 0.5→0.25", "Added sum.c →2", "Changed scores.csi of r.at [1]→[2]"]
        );
    }
}
