//! The design's own recipes, under `recipes/variants/`: each way of varying an experiment, as chains of `extends`.

mod desk;

use desk::{drawn, repository};

#[test]
fn every_variant_compiles() {
    let mut wrong = String::new();
    for name in ["extend", "vertical", "head", "multiscale", "physics", "ensemble"] {
        let compilation = desk::compiled(&repository(&format!("recipes/variants/{name}.aurora")));
        if compilation.result.is_none() || !compilation.diagnostics.is_empty() {
            wrong += &format!("---- {name}\n{}", drawn(&compilation));
        }
    }
    assert!(wrong.is_empty(), "{wrong}");
}
