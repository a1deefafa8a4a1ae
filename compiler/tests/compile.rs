//! Whole recipes through the whole compiler, in a world made for the test.

use aurora_compiler::site::{ArchiveIndex, Site};
use aurora_compiler::{artefact, compile, explain};
use aurora_grammar::render;

/// A site with one archive and a few recipes to extend.
struct Fake {
    recipes: Vec<(&'static str, String)>,
}

impl Site for Fake {
    fn recipe(&self, _from: &str, path: &str) -> Result<(String, String), String> {
        let found = self.recipes.iter().find(|(name, _)| *name == path);
        found.map(|(name, text)| (name.to_string(), text.clone())).ok_or_else(|| "no such file".to_string())
    }

    fn archive(&self, name: &str) -> Option<ArchiveIndex> {
        let time = |text: &str| text.parse().unwrap();
        (name == "synthetic").then(|| ArchiveIndex {
            fields: Vec::new(),
            from: time("2020-01-01T00:00:00Z"),
            to: time("2020-12-31T23:00:00Z"),
        })
    }

    fn archives(&self) -> Vec<String> {
        vec!["synthetic".to_string()]
    }
}

const QUICKSTART: &str = include_str!("../../recipes/quickstart.aurora");

fn world() -> Fake {
    Fake { recipes: vec![("quickstart.aurora", QUICKSTART.to_string())] }
}

/// The codes and drawn messages of a recipe.
fn messages(text: &str) -> (Vec<&'static str>, String) {
    let compilation = compile("recipe.aurora", text, &world());
    let codes = compilation.diagnostics.iter().map(|d| d.code).collect();
    let style = render::Style { color: false, width: 100, unicode: true };
    (codes, render::human(&compilation.diagnostics, &compilation.sources, style))
}

fn hash(text: &str) -> String {
    let compilation = compile("recipe.aurora", text, &world());
    let (_, drawn) = messages(text);
    compilation.result.unwrap_or_else(|| panic!("{drawn}")).0.hash
}

#[test]
fn quickstart_compiles_and_its_plan_says_what_happens() {
    let compilation = compile("quickstart.aurora", QUICKSTART, &world());
    let (codes, drawn) = messages(QUICKSTART);
    assert!(codes.is_empty(), "{drawn}");
    let (plan, module) = compilation.result.unwrap();
    println!("{}", explain::plan(&plan));
    println!("{module}");
    println!("{}", compilation.canonical);
    for file in artefact::files(&plan, &module, &compilation.canonical) {
        println!("{} {}", file.name, file.text.len());
    }
}
