//! A library's parameters of one sounding: a table, JSON, and a diagram.

use std::path::Path;

use serde_json::{Map, Value, json};

use super::Arguments;
use crate::command::look;
use crate::data::sounding::Sounding;
use crate::derive::ascent::{Ascent, ascent, is_single};
use crate::derive::forecaster::shown;
use crate::derive::{library, table};
use crate::durable;
use crate::report::skewt;
use crate::run::{Failure, Format};
use crate::talk::say;

pub fn run(name: &str, path: &Path, arguments: &Arguments) -> Result<(), Failure> {
    let library = library::named(name)?;
    library::wanted(&library, &arguments.only)?;
    if let Some(output) = &arguments.output
        && output.extension().is_none_or(|extension| extension != "svg")
    {
        let message =
            format!("a sounding is drawn as SVG: --output {}", output.with_extension("svg").display());
        return Err(Failure::because(message));
    }
    let sounding = Sounding::read(path)?;
    let made = ascent(&library, &arguments.only, &sounding)?;
    if let Some(output) = &arguments.output {
        // The diagram shows what it knows, whatever the table was asked for.
        let all = if arguments.only.is_empty() { made.clone() } else { ascent(&library, &[], &sounding)? };
        durable::write(output, skewt::draw(&sounding, &all).as_bytes())?;
    }
    match arguments.recipe.format {
        Format::Json => {
            super::super::print(&format!("{}\n", serde_json::to_string_pretty(&told(&sounding, &made))?))?
        }
        _ => super::super::print(&table::draw(&sounding, &made, look::stdout()))?,
    }
    if let Some(output) = &arguments.output {
        say(&output.display().to_string());
    }
    Ok(())
}

/// Values in SI and in forecasters' units; null where a parameter is not defined.
fn told(sounding: &Sounding, made: &Ascent) -> Value {
    let finite = |value: f64| if value.is_finite() { json!(value) } else { Value::Null };
    let parameters: Map<String, Value> = made
        .parameters
        .iter()
        .map(|parameter| {
            let values: Vec<Value> = parameter.values.iter().map(|value| finite(f64::from(*value))).collect();
            let mut entry = json!({
                "title": parameter.title,
                "quantity": parameter.plan.quantity,
                "units": parameter.plan.units,
            });
            if is_single(parameter) {
                let value = f64::from(parameter.values[0]);
                let shown = shown(&parameter.plan, value);
                entry["value"] = finite(value);
                entry["shown"] = json!({ "value": finite(shown.value), "unit": shown.unit });
            } else {
                entry["values"] = json!(values);
            }
            (parameter.plan.name.clone(), entry)
        })
        .collect();
    let left_out: Map<String, Value> =
        made.left_out.iter().map(|(name, why)| (name.clone(), json!(why))).collect();
    let ground = sounding.levels.first();
    json!({
        "title": sounding.title,
        "time": sounding.time.map(|time| time.to_string()),
        "latitude": sounding.place.map(|place| place.0),
        "longitude": sounding.place.map(|place| place.1),
        "levels": sounding.levels.len(),
        "ground": ground.map(|ground| json!({ "pressure": ground.pressure, "height": ground.height })),
        "notes": sounding.notes,
        "parameters": parameters,
        "left_out": left_out,
    })
}
