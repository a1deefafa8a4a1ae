//! A machine that has the recipes of the repository and no data: `std.hrrr` says what the archive holds.
#![allow(dead_code)] // each test uses its own part

use std::path::{Path, PathBuf};

use aurora_compiler::site::{ArchiveIndex, Site};
use aurora_compiler::{Compilation, Plan, compile};
use aurora_grammar::render;

/// A path within the repository.
pub fn repository(path: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("..").join(path)
}

/// The folder of a recipe, in which those lie that it extends; and the built-in world.
pub struct Desk(pub PathBuf);

impl Site for Desk {
    fn recipe(&self, _: &str, path: &str) -> Result<(String, String), String> {
        let text = std::fs::read_to_string(self.0.join(path)).map_err(|error| error.to_string())?;
        Ok((path.into(), text))
    }

    fn archive(&self, name: &str) -> Option<ArchiveIndex> {
        let (from, to) = ("2000-01-01T00:00:00Z".parse().ok()?, "2029-12-31T23:00:00Z".parse().ok()?);
        ["synthetic", "wrf"].contains(&name).then_some(ArchiveIndex {
            fields: Vec::new(),
            from,
            to,
            left_out: Vec::new(),
        })
    }

    fn archives(&self) -> Vec<String> {
        vec!["synthetic".into()]
    }
}

/// What becomes of a recipe of the repository.
pub fn compiled(path: &Path) -> Compilation {
    let text = std::fs::read_to_string(path).unwrap_or_else(|error| panic!("{}: {error}", path.display()));
    let name = path.file_name().map_or_else(String::new, |name| name.to_string_lossy().into_owned());
    compile(&name, &text, &Desk(path.parent().unwrap_or(Path::new("")).to_path_buf()))
}

/// What becomes of a text beside the six recipes.
pub fn beside_the_recipes(text: &str) -> Compilation {
    compile("probe.aurora", text, &Desk(repository("recipes")))
}

/// The plan of one of the six recipes, which must compile without error or warning.
pub fn planned(name: &str) -> Plan {
    let compilation = compiled(&repository("recipes").join(name));
    assert!(compilation.diagnostics.is_empty(), "{}", drawn(&compilation));
    compilation.result.expect("a plan").0
}

/// What the compiler says, without colour.
pub fn drawn(compilation: &Compilation) -> String {
    let style = render::Style { color: false, width: 110, unicode: true };
    render::human(&compilation.diagnostics, &compilation.sources, style)
}
