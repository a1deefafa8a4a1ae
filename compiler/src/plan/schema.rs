//! The JSON form of a plan: its schema, and reading it back.

use serde_json::Value;

use super::{Plan, SCHEMA};

/// The JSON Schema (draft 2020-12) of `plan.json`, as committed in `docs/schema/plan-1.json`.
pub fn schema() -> Value {
    let mut schema = Value::from(schemars::schema_for!(Plan));
    if let Some(object) = schema.as_object_mut() {
        object.insert("$id".into(), Value::from(SCHEMA));
    }
    schema
}

/// Reads `plan.json`.
///
/// # Errors
/// A sentence: no JSON, a plan of another version of the schema, or not what the schema says.
pub fn read(text: &str) -> Result<Plan, String> {
    let value: Value = serde_json::from_str(text).map_err(|error| format!("no JSON: {error}"))?;
    match value.get("schema").and_then(Value::as_str) {
        Some(SCHEMA) => {}
        Some(other) => {
            return Err(format!(
                "a plan of the schema `{other}`, but this aurorac reads `{SCHEMA}`: build it again"
            ));
        }
        None => return Err(format!("no plan: it does not say `\"schema\": \"{SCHEMA}\"`")),
    }
    serde_json::from_value(value).map_err(|error| format!("not what `{SCHEMA}` says: {error}"))
}
