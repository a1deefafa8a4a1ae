//! The page of a plan on everything a recipe may ask for: it speaks of each part, and keeps to its width.

#[path = "../../tests/tests/world/mod.rs"]
mod world;

use aurora_compiler::{compile, explain};
use aurora_grammar::Style;
use world::{World, drawn};

fn recipes() -> Vec<(String, String)> {
    let folder = std::path::Path::new(env!("CARGO_MANIFEST_DIR")).join("../recipes");
    let mut found = Vec::new();
    for entry in std::fs::read_dir(folder).expect("the recipes") {
        let path = entry.expect("an entry").path();
        if path.extension().is_some_and(|extension| extension == "aurora") {
            let name = path.file_name().and_then(|name| name.to_str()).expect("a name").to_string();
            found.push((name, std::fs::read_to_string(&path).expect("a recipe")));
        }
    }
    found.sort();
    found
}

#[test]
fn every_part_has_its_section() {
    let world = recipes().iter().fold(World::new(), |world, (name, text)| world.with(name, text));
    let mut seen = String::new();
    for (name, text) in recipes() {
        let compilation = compile(&name, &text, &world);
        let Some((plan, _)) = &compilation.result else { panic!("{}", drawn(&compilation)) };
        for width in [80, 100, 140] {
            let page = explain::page(plan, None).draw(Style { color: false, width, unicode: true });
            for line in page.lines() {
                assert!(
                    line.chars().count() <= width && line.trim_end() == line,
                    "{name} at {width}: {line}"
                );
            }
            if width == 100 {
                println!("{page}");
                seen.push_str(&page);
            }
        }
        let ensemble = plan.ensemble.is_some();
        assert_eq!(explain::plan(plan).contains("\n  ensemble"), ensemble, "{name}");
        let heads = !plan.model.options.heads.is_empty();
        assert_eq!(explain::plan(plan).contains("\n  heads"), heads, "{name}");
        assert_eq!(explain::plan(plan).contains(" kept of "), plan.base.is_some(), "{name}");
    }
    for word in ["  heads", "  ensemble", " kept of ", " fresh: ", "lora ", "  resources", "activations"] {
        assert!(seen.contains(word), "no recipe shows `{word}`");
    }
}
