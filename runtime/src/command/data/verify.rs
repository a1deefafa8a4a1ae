//! `aurorac data verify RECIPE|STORE`, `aurorac data stats RECIPE|STORE`: what a store holds, and whether it still does.

use std::fmt::Write;
use std::path::PathBuf;

use serde::Serialize;

use super::folder_of;
use crate::data::layout::{StoredField, describe, stored_fields};
use crate::data::prepare::{Inventory, read_inventory};
use crate::data::statistics::SHARES;
use crate::data::store::verify::{strike, verify};
use crate::run::{Failure, Format};
use crate::talk::say;

#[derive(Clone, Debug, clap::Args)]
pub struct Arguments {
    /// A .aurora file, or the folder of a store
    pub(super) of: PathBuf,
    /// Forget damaged files, so that the next `data prepare` writes them again
    #[arg(long)]
    drop: bool,
    /// How it is said
    #[arg(long, value_enum, default_value_t)]
    format: Format,
}

#[derive(Clone, Debug, clap::Args)]
pub struct StatsArguments {
    /// A .aurora file, or the folder of a store
    of: PathBuf,
    /// Only these fields
    fields: Vec<String>,
    /// How it is said
    #[arg(long, value_enum, default_value_t)]
    format: Format,
}

pub fn run(arguments: &Arguments) -> Result<(), Failure> {
    let (path, _) = folder_of(&arguments.of, arguments.format)?;
    let found = verify(&path)?;
    if arguments.drop && !found.damaged.is_empty() {
        strike(&path, &found.damaged)?;
    }
    if arguments.format == Format::Json {
        super::super::print(&format!("{}\n", serde_json::to_string_pretty(&found)?))?;
    } else {
        for damage in &found.damaged {
            say(&format!("{}: {}", path.join(&damage.file).display(), damage.reason));
        }
        if found.unfinished > 0 {
            say(&format!("{} stretches of time are not prepared yet", found.unfinished));
        }
        let size = indicatif::HumanBytes(found.bytes);
        let sound = found.files - found.damaged.len();
        super::super::print(&format!("{sound} of {} files are sound ({size})\n", found.files))?;
        if !found.damaged.is_empty() {
            let forgotten = "they are forgotten: the next `aurorac data prepare` writes them again";
            let hint = "`--drop` forgets them, so that the next `aurorac data prepare` writes them again";
            say(if arguments.drop { forgotten } else { hint });
        }
    }
    if found.damaged.is_empty() { Ok(()) } else { Err(Failure::Wrong(None)) }
}

/// Statistics of one level, as `--format json` prints them.
#[derive(Debug, Serialize)]
struct Row {
    field: String,
    units: String,
    #[serde(skip_serializing_if = "Option::is_none")]
    level: Option<f64>,
    count: u64,
    mean: f64,
    spread: f64,
    minimum: f64,
    maximum: f64,
    /// At 0.01, 0.1, 1, 5, 25, 50, 75, 95, 99, 99.9 and 99.99 %.
    quantiles: Vec<f64>,
    /// Spread of the change from one time to the next.
    #[serde(skip_serializing_if = "Option::is_none")]
    change: Option<f64>,
}

pub fn stats(arguments: &StatsArguments) -> Result<(), Failure> {
    let (path, _) = folder_of(&arguments.of, arguments.format)?;
    let description = describe(&path)?;
    let inventory = read_inventory(&path)?.ok_or_else(|| {
        Failure::because("its preparation was not finished; `aurorac data prepare` goes on with it")
    })?;
    let fields = stored_fields(&description.plan);
    if let Some(unknown) = arguments.fields.iter().find(|name| !fields.iter().any(|f| f.name == **name)) {
        let known: Vec<&str> = fields.iter().map(|field| field.name.as_str()).collect();
        return Err(Failure::because(format!(
            "the store has no field `{unknown}`; it has {}",
            known.join(", ")
        )));
    }
    let wanted = |field: &&StoredField| arguments.fields.is_empty() || arguments.fields.contains(&field.name);
    let rows: Vec<Row> =
        fields.iter().filter(wanted).flat_map(|field| rows(field, &description.plan, &inventory)).collect();
    if arguments.format == Format::Json {
        return super::super::print(&format!("{}\n", serde_json::to_string_pretty(&rows)?));
    }
    super::super::print(&table(&rows))
}

fn rows(
    field: &StoredField,
    plan: &aurora_compiler::plan::data::DataPlan,
    inventory: &Inventory,
) -> Vec<Row> {
    let Some(statistics) = inventory.statistics.get(&field.name) else { return Vec::new() };
    let levels = match &field.support {
        aurora_compiler::plan::data::SupportPlan::Levels(set) => plan.levels.get(set),
        _ => None,
    };
    let row = |(index, moments): (usize, &crate::data::statistics::Moments)| Row {
        field: field.name.clone(),
        units: field.units.clone(),
        level: levels.and_then(|levels| levels.values.get(index)).copied(),
        count: moments.count,
        mean: moments.mean,
        spread: moments.deviation(),
        minimum: moments.minimum,
        maximum: moments.maximum,
        quantiles: statistics.quantiles.get(index).cloned().unwrap_or_default(),
        change: statistics.changes.get(index).map(crate::data::statistics::Moments::deviation),
    };
    statistics.levels.iter().enumerate().map(row).collect()
}

fn table(rows: &[Row]) -> String {
    let median = SHARES.iter().position(|share| *share == 0.5).unwrap_or(0);
    let ends = [0.01, 0.99].map(|end| SHARES.iter().position(|share| *share == end).unwrap_or(0));
    let mut text = format!(
        "{:<12} {:>9} {:>11} {:>11} {:>11} {:>11} {:>11} {:>11} {:>11} {:>11}  units\n",
        "field", "level", "mean", "spread", "min", "1 %", "median", "99 %", "max", "change"
    );
    for row in rows {
        let level = row.level.map_or(String::new(), |level| format!("{level}"));
        let number = |value: f64| match value.abs() {
            0.0 => "0".to_string(),
            size if (1e-3..1e6).contains(&size) => format!("{value:.4}"),
            _ => format!("{value:.3e}"),
        };
        let quantile = |place: usize| row.quantiles.get(place).map_or(String::new(), |value| number(*value));
        let change = row.change.map_or(String::new(), number);
        let _ = writeln!(
            text,
            "{:<12} {level:>9} {:>11} {:>11} {:>11} {:>11} {:>11} {:>11} {:>11} {change:>11}  {}",
            row.field,
            number(row.mean),
            number(row.spread),
            number(row.minimum),
            quantile(ends[0]),
            quantile(median),
            quantile(ends[1]),
            number(row.maximum),
            row.units
        );
    }
    text
}
