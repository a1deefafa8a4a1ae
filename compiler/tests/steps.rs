//! Steps are ramps in losses, and only there.

#[path = "../../tests/tests/world/mod.rs"]
mod world;

use aurora_compiler::compile;
use aurora_compiler::kernel::interpret::interpret;
use aurora_compiler::kernel::ir::Module;
use ndarray::Array2;
use world::{QUICKSTART, World, drawn};

/// The quickstart with one more derived field and its error in a loss; its kernels, and whether a loss without gradient is
/// warned of.
fn with(derived: &str) -> (Module, bool) {
    let text = format!(
        "aurora 1.0\nrecipe steps \"Steps\" extends \"quickstart.aurora\"\n\n{derived}\namend loss storms = mae(refc) + mae(strong)\n"
    );
    let compilation = compile("steps.aurora", &text, &World::new());
    let drawn = drawn(&compilation);
    let module = compilation.result.unwrap_or_else(|| panic!("{drawn}")).1;
    (module, drawn.contains("zero-gradient"))
}

fn values(module: &Module, name: &str, of: &[f64]) -> Vec<f64> {
    let kernel = module.kernel(name).unwrap_or_else(|| panic!("no kernel {name}"));
    let input = Array2::from_shape_vec((1, of.len()), of.to_vec()).unwrap();
    let inputs: Vec<_> = kernel.inputs.iter().map(|_| input.view()).collect();
    interpret(kernel, &inputs, of.len()).unwrap()[0].iter().copied().collect()
}

#[test]
fn a_step_is_a_ramp_in_losses_only() {
    assert!(QUICKSTART.contains("refc"));
    let (module, warned) = with("derive strong : index on column = step(refc, from = 30 dBZ)");
    assert!(!warned);
    let places = [20.0, 27.0, 28.5, 30.0, 31.5, 33.0, 50.0];
    assert_eq!(values(&module, "strong", &places), [0.0, 0.0, 0.0, 1.0, 1.0, 1.0, 1.0]);
    let ramp = values(&module, "loss.strong", &places);
    for (found, expected) in ramp.iter().zip([0.0, 0.0, 0.25, 0.5, 0.75, 1.0, 1.0]) {
        assert!((found - expected).abs() < 1e-12, "{ramp:?}");
    }
}

#[test]
fn what_decides_stays_a_step() {
    let (module, _) = with(
        "derive strong : index on column\n  = choose(step(refc, from = 30 dBZ) > 0.2, (refc - 0 dBZ) / 1 dB, 0) * step(refc, from = 28 dBZ)",
    );
    assert_eq!(values(&module, "strong", &[29.0, 30.0]), [0.0, 30.0]);
    let soft = values(&module, "loss.strong", &[29.0, 30.0]);
    assert_eq!(soft[0], 0.0);
    assert!((soft[1] - 30.0 * (2.0 / 5.6 + 0.5)).abs() < 1e-9, "{soft:?}");
}

#[test]
fn what_has_no_width_stays_a_step_and_is_warned_of() {
    for derived in [
        "derive strong : index on surface = step(t2m, from = 300 K)",
        "derive strong : index on column = step(refc, from = 0 dBZ)",
        "derive strong : index on column = choose(refc >= 30 dBZ, 1, 0)",
    ] {
        let (module, warned) = with(derived);
        assert!(warned, "{derived}");
        assert!(module.kernel("loss.strong").is_none() && module.kernel("strong").is_some());
    }
}
