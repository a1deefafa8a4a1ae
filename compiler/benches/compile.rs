//! How long a recipe takes: `check` is from its text to its diagnostics (the plan and kernels come with
//! them), `build` is that, the artefact's files as text, and its kernels compiled to machine code.
//!
//! `cargo bench -p aurora-compiler --bench compile`

#[path = "../tests/desk/mod.rs"]
mod desk;

use aurora_compiler::artefact;
use aurora_compiler::kernel::jit::Compiled;
use criterion::{Criterion, criterion_group, criterion_main};

/// As in the command.
#[global_allocator]
static ALLOCATOR: mimalloc::MiMalloc = mimalloc::MiMalloc;

/// The six, and the two that run on data at hand.
const RECIPES: [&str; 8] =
    ["quickstart", "wrf-sample", "1-extend", "2-levels", "3-head", "4-scales", "5-physics", "6-ensemble"];

fn recipes(criterion: &mut Criterion) {
    for name in RECIPES {
        let path = desk::repository("recipes").join(format!("{name}.aurora"));
        criterion.bench_function(&format!("check {name}"), |bencher| {
            bencher.iter(|| desk::compiled(&path).diagnostics.len());
        });
        criterion.bench_function(&format!("build {name}"), |bencher| {
            bencher.iter(|| {
                let compilation = desk::compiled(&path);
                let Some((plan, module)) = &compilation.result else { panic!("{name} does not compile") };
                let lock = compilation.lock(&desk::Desk(desk::repository("recipes"))).expect("a lock");
                let files = artefact::files(plan, module, &compilation.canonical, &lock);
                // What no machine code is made for is interpreted.
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
