//! `aurorac data report RECIPE|STORE`: what is in a training store, as a page with pictures and as JSON.

use std::collections::BTreeMap;
use std::path::PathBuf;

use super::store_of;
use crate::report::data::DataReport;
use crate::run::{Failure, Format};

#[derive(Clone, Debug, clap::Args)]
pub struct Arguments {
    /// A recipe whose store is prepared, or a store
    #[arg(value_name = "RECIPE|STORE")]
    from: PathBuf,
    /// Where the page goes; beside the store by default
    #[arg(long, value_name = "FILE.html")]
    output: Option<PathBuf>,
    /// With json the report itself is printed, and no page is written unless --output names it
    #[arg(long, value_enum, default_value_t)]
    format: Format,
}

pub fn run(arguments: &Arguments) -> Result<(), Failure> {
    let (store, plan) = store_of(&arguments.from, arguments.format)?;
    let named: BTreeMap<String, String> = plan.as_ref().map_or_else(BTreeMap::new, |plan| {
        plan.roles.iter().map(|role| (role.field.clone(), role.named.clone())).collect()
    });
    let title = match &plan {
        Some(plan) => plan.title.clone().unwrap_or_else(|| plan.name.clone()),
        None => store.path().file_name().unwrap_or_default().to_string_lossy().into_owned(),
    };
    let report = DataReport::of(&store, &title, &named)?;
    let json = matches!(arguments.format, Format::Json);
    let page = match &arguments.output {
        Some(path) => Some(path.clone()),
        None if json => None,
        None => Some(store.path().with_extension("html")),
    };
    if let Some(path) = &page {
        report.write(path)?;
    }
    match (json, page) {
        (true, _) => crate::command::print(&format!("{}\n", serde_json::to_string_pretty(&report)?)),
        (false, Some(path)) => crate::command::print(&format!("{}\n", path.display())),
        (false, None) => Ok(()),
    }
}
