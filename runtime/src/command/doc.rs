//! `aurorac doc LIBRARY`: what a library holds; without a name, which libraries there are.

use aurora_compiler::explain::library;
use aurora_grammar::nearest;
use serde_json::json;

use super::look;
use crate::run::{Failure, Format};

#[derive(Clone, Debug, clap::Args)]
pub struct Arguments {
    /// The library, for instance std.physics
    pub library: Option<String>,
    /// How it is shown
    #[arg(long, value_enum, default_value_t)]
    pub format: Format,
}

pub fn run(arguments: &Arguments) -> Result<(), Failure> {
    let Some(name) = &arguments.library else { return all(arguments.format) };
    let Some(library) = library::library(name) else {
        let all = library::all();
        let names = all.iter().map(|(name, _)| name.as_str());
        let rest = match nearest(name, names.clone()) {
            Some(near) => format!("did you mean `{near}`?"),
            None => format!("there are {}", names.collect::<Vec<_>>().join(", ")),
        };
        return Err(Failure::because(format!("there is no library `{name}`; {rest}")));
    };
    super::print(&match arguments.format {
        Format::Json => format!("{}\n", serde_json::to_string_pretty(&library)?),
        _ => library::page(&library).draw(look::stdout()),
    })
}

fn all(format: Format) -> Result<(), Failure> {
    let all = library::all();
    let width = all.iter().map(|(name, _)| name.len()).max().unwrap_or(0);
    super::print(&match format {
        Format::Json => {
            let list: Vec<_> =
                all.iter().map(|(name, title)| json!({ "name": name, "title": title })).collect();
            format!("{}\n", serde_json::to_string_pretty(&list)?)
        }
        _ => all.iter().map(|(name, title)| format!("{name:<width$}  {title}\n")).collect(),
    })
}
