//! `aurorac diff A B`: what differs between two plans.

use std::path::PathBuf;

use aurora_compiler::diff;

use super::look;
use crate::run::{Failure, Format, Recipe};
use crate::talk::say;

#[derive(Clone, Debug, clap::Args)]
pub struct Arguments {
    /// A .aurora file, or the folder of an artefact
    pub before: PathBuf,
    /// Another
    pub after: PathBuf,
    /// How differences and diagnostics are shown
    #[arg(long, value_enum, default_value_t)]
    pub format: Format,
    /// End as `diff` does: 0 the same, 1 different, 2 trouble
    #[arg(long)]
    pub exit_code: bool,
}

pub fn run(arguments: &Arguments) -> Result<(), Failure> {
    match compared(arguments) {
        Err(Failure::Wrong(message)) if arguments.exit_code => {
            if let Some(message) = message {
                say(&format!("error: {message}"));
            }
            Err(Failure::Code(2))
        }
        Ok(same) if arguments.exit_code && !same => Err(Failure::Code(1)),
        other => other.map(|_| ()),
    }
}

/// Prints the differences and says whether there are none.
fn compared(arguments: &Arguments) -> Result<bool, Failure> {
    let before = Recipe::open_for_data(&arguments.before, arguments.format)?;
    let after = Recipe::open_for_data(&arguments.after, arguments.format)?;
    let difference = diff::compare((&before.plan, &before.kernels), (&after.plan, &after.kernels));
    let text = match arguments.format {
        Format::Json => format!("{}\n", serde_json::to_string_pretty(&difference)?),
        Format::Human => diff::human(&difference, look::stdout()),
        Format::Short => difference.changes.iter().map(|change| format!("{}\n", change.path)).collect(),
    };
    super::print(&text)?;
    Ok(difference.changes.is_empty())
}
