//! How long a recipe takes: `check` is from its text to its diagnostics (the plan and kernels come with
//! them), `build` is that, the artefact's files as text, and its kernels compiled to machine code.
//!
//! `cargo bench -p aurora-compiler --bench compile`

#[path = "../../tests/tests/world/mod.rs"]
mod world;

use std::hint::black_box;

use aurora_compiler::kernel::jit::Compiled;
use aurora_compiler::{artefact, compile};
use criterion::{Criterion, criterion_group, criterion_main};
use world::{QUICKSTART, WRF_SAMPLE, World};

fn recipes(criterion: &mut Criterion) {
    let world = World::new();
    for (name, text) in [("quickstart", QUICKSTART), ("wrf-sample", WRF_SAMPLE)] {
        criterion.bench_function(&format!("check {name}"), |bencher| {
            bencher.iter(|| compile(name, black_box(text), &world).diagnostics.len());
        });
        criterion.bench_function(&format!("build {name}"), |bencher| {
            bencher.iter(|| {
                let compilation = compile(name, black_box(text), &world);
                let Some((plan, module)) = &compilation.result else { panic!("{name} does not compile") };
                let files = artefact::files(
                    plan,
                    module,
                    &compilation.canonical,
                    &compilation.lock(&world).expect("a lock"),
                );
                let code: usize = module
                    .kernels
                    .iter()
                    .map(|kernel| Compiled::new(kernel).map_or(0, |compiled| compiled.code_size()))
                    .sum();
                (files.len(), code)
            });
        });
    }
}

criterion_group! {
    name = benches;
    config = Criterion::default().sample_size(20);
    targets = recipes
}
criterion_main!(benches);
