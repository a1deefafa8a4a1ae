//! `aurorac explain CODE` teaches a diagnostic; `aurorac explain NAME [RECIPE]` shows what a name is, with `--kernel` what
//! becomes of it.

use std::path::PathBuf;

use aurora_compiler::explain::{code, kernel, name};
use aurora_compiler::manual;
use serde_json::json;

use super::look;
use crate::run::{Failure, Format, compiled};
use crate::site::Site;

#[derive(Clone, Debug, clap::Args)]
pub struct Arguments {
    /// A diagnostic's code, or a name: a field, a function, a quantity, a unit, a clause, a score; all codes if
    /// left out
    pub name: Option<String>,
    /// The recipe in which the name is looked up
    pub recipe: Option<PathBuf>,
    /// The kernel behind it: before and after the passes, its machine code, and what shares a kernel with it
    #[arg(long, requires = "name")]
    pub kernel: bool,
    /// How it is shown
    #[arg(long, value_enum, default_value_t)]
    pub format: Format,
}

pub fn run(arguments: &Arguments) -> Result<(), Failure> {
    let Some(asked) = &arguments.name else { return codes(arguments.format) };
    if arguments.kernel {
        return kernels(asked, arguments);
    }
    if let Some(page) = manual::page(asked) {
        return super::print(&match arguments.format {
            Format::Json => {
                format!("{}\n", serde_json::to_string_pretty(&json!({ "code": asked, "page": page }))?)
            }
            _ => code::page(asked, look::stdout()).unwrap_or_default(),
        });
    }
    let compilation = arguments.recipe.as_ref().map(|path| compiled(path, Format::Short)).transpose()?;
    let place = compilation.as_ref().map(|(compilation, _)| name::Place {
        resolved: &compilation.resolved,
        checked: &compilation.checked,
        kernels: compilation.result.as_ref().map(|(_, kernels)| kernels),
    });
    let meanings = name::meanings(asked, place);
    if meanings.is_empty() {
        let near = name::suggestion(asked, place);
        let near = near.map_or(String::new(), |near| format!("; did you mean `{near}`?"));
        return Err(Failure::because(format!("nothing is called `{asked}`{near}")));
    }
    super::print(&match arguments.format {
        Format::Json => format!("{}\n", serde_json::to_string_pretty(&meanings)?),
        Format::Human => name::pages(&meanings, look::stdout()),
        Format::Short => {
            meanings.iter().map(|meaning| format!("{}: {}\n", meaning.name, meaning.kind)).collect()
        }
    })
}

fn kernels(asked: &str, arguments: &Arguments) -> Result<(), Failure> {
    let pages = match &arguments.recipe {
        None => kernel::in_libraries(asked, &Site::default()).map_err(|why| {
            let near = name::suggestion(asked, None).filter(|near| near != asked);
            let near = near.map_or(String::new(), |near| format!("; did you mean `{near}`?"));
            Failure::because(format!("{why}{near}"))
        })?,
        Some(path) => {
            let (compilation, _) = compiled(path, Format::Short)?;
            let Some((plan, kernels)) = &compilation.result else {
                return Err(Failure::because(format!("{} has no plan", path.display())));
            };
            let place = name::Place {
                resolved: &compilation.resolved,
                checked: &compilation.checked,
                kernels: Some(kernels),
            };
            let page = kernel::in_recipe(asked, place, plan, &path.display().to_string());
            vec![page.map_err(Failure::because)?]
        }
    };
    super::print(&match arguments.format {
        Format::Json => format!("{}\n", serde_json::to_string_pretty(&pages)?),
        Format::Human => kernel::pages(&pages, look::stdout()),
        Format::Short => pages
            .iter()
            .map(|page| {
                let (meaning, shape, machine) = (&page.meaning, &page.after, &page.machine);
                format!(
                    "{}: {}: {} instructions, {} alive, {} loops, {} bytes\n",
                    meaning.name, meaning.kind, shape.instructions, shape.live, shape.loops, machine.bytes
                )
            })
            .collect(),
    })
}

fn codes(format: Format) -> Result<(), Failure> {
    super::print(&match format {
        Format::Json => format!("{}\n", serde_json::to_string_pretty(&manual::codes())?),
        _ => manual::codes().iter().map(|code| format!("{code}\n")).collect(),
    })
}
