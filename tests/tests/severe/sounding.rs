//! Files of observed soundings with the values of other tools: `{"soundings": [{"name", "pressure_hPa", "height_m_msl",
//! "temperature_C", "dewpoint_C", "wind_dir_deg", "wind_speed_kt", "values": {TOOL: {KEY: NUMBER}}}]}`.

use std::collections::BTreeMap;

use serde_json::Value;

use crate::criteria::{self, Check, TOOLS};
use crate::recipe::{Columns, Executor, Level, fields};
use crate::report::Report;

const KNOT: f64 = 1852.0 / 3600.0;

/// A sounding as it stands in its file.
pub struct Sounding {
    pub name: String,
    pub levels: Vec<Level>,
    pub values: Value,
    pub caveat: String,
}

impl Sounding {
    /// # Errors
    /// A sounding that lacks a list, or whose lists differ in length.
    pub fn new(value: &Value) -> Result<Sounding, String> {
        let name = value["name"].as_str().ok_or("a sounding without a name")?.to_string();
        let list = |key: &str| -> Result<Vec<f64>, String> {
            let list = value[key].as_array().ok_or_else(|| format!("{name} has no {key}"))?;
            Ok(list.iter().map(|number| number.as_f64().unwrap_or(f64::NAN)).collect())
        };
        let (p, z, t) = (list("pressure_hPa")?, list("height_m_msl")?, list("temperature_C")?);
        let (td, direction, speed) = (list("dewpoint_C")?, list("wind_dir_deg")?, list("wind_speed_kt")?);
        if [&z, &t, &td, &direction, &speed].iter().any(|other| other.len() != p.len()) || p.is_empty() {
            return Err(format!("{name}: its lists differ in length"));
        }
        let level = |k: usize| -> Level {
            let (sine, cosine) = direction[k].to_radians().sin_cos();
            let speed = speed[k] * KNOT;
            [p[k] * 100.0, z[k] - z[0], t[k] + 273.15, td[k] + 273.15, -speed * sine, -speed * cosine]
        };
        let levels = (0..p.len()).map(level).collect();
        let caveat = value["caveat"].as_str().unwrap_or_default().to_string();
        Ok(Sounding { name, levels, values: value["values"].clone(), caveat })
    }
}

/// # Errors
/// What is no list of soundings.
pub fn all(file: &Value) -> Result<Vec<Sounding>, String> {
    file["soundings"].as_array().ok_or("no list of soundings")?.iter().map(Sounding::new).collect()
}

/// Every value of every tool beside that of `std.severe` with the options that match the tool.
pub fn compare(soundings: &[Sounding], executor: Executor, report: &mut Report) {
    let columns = Columns::of(&soundings.iter().map(|one| one.levels.clone()).collect::<Vec<_>>());
    for tool in &TOOLS {
        let known = |check: &&'static Check| {
            let of = |one: &Sounding| {
                tool_values(&one.values, tool.label).map(|(_, values)| !values[check.key].is_null())
            };
            soundings.iter().any(|one| of(one) == Some(true))
        };
        let checks: Vec<&Check> = tool.checks().filter(known).collect();
        let mut names: Vec<&str> = checks.iter().map(|check| check.field).collect();
        names.sort_unstable();
        names.dedup();
        let found = fields(&columns, tool.options, &names, executor);
        for (number, sounding) in soundings.iter().enumerate() {
            let Some((label, values)) = tool_values(&sounding.values, tool.label) else { continue };
            one(sounding, &label, values, (&checks, number, &found), report);
        }
    }
}

fn tool_values<'a>(values: &'a Value, label: &str) -> Option<(String, &'a Value)> {
    let known = values.as_object()?.iter().find(|(name, _)| name.contains(label))?;
    Some((known.0.clone(), known.1))
}

fn one(
    sounding: &Sounding,
    tool: &str,
    values: &Value,
    (checks, number, found): (&[&Check], usize, &BTreeMap<String, Vec<f64>>),
    report: &mut Report,
) {
    for check in checks {
        let theirs = match check.component {
            None => values[check.key].as_f64(),
            Some(part) => values[check.key][part].as_f64(),
        };
        // What no sounding of the file has was not computed.
        let Some(theirs) = theirs else { continue };
        let ours = found[check.field][number] * check.factor;
        let name = format!("{} {tool} {}", sounding.name, check.name());
        if let Some(why) = criteria::excused(&sounding.name, &sounding.caveat, tool, check.key) {
            report.told(&name, ours, theirs, why);
        } else {
            report.compared(&name, ours, theirs, check.tolerance.of(theirs));
        }
    }
}
