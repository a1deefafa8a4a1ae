//! What the compiler decides: plans as people read them and as the runtime does, and kernels whose numbers
//! are compared with the same formula worked out by hand.
//!
//! Kernels run in the interpreter in f64. Tolerances are a few units in the last place of the longest sum
//! (1e-12, relative): both sides do the same operations, perhaps in another order.

mod world;

use aurora_compiler::kernel::interpret::interpret;
use aurora_compiler::kernel::ir::{Kernel, Module};
use aurora_compiler::{artefact, explain};
use ndarray::Array2;
use world::{QUICKSTART, WRF_SAMPLE, World, compiled};

const SNAPSHOTS: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/../tests/tests/snapshots/plan");
/// The levels of `std.synthetic`, in Pa.
const LEVELS: [f64; 13] = [5e3, 1e4, 15e3, 2e4, 25e3, 3e4, 4e4, 5e4, 6e4, 7e4, 85e3, 925e2, 1e5];
const G0: f64 = 9.80665;

fn snapshot(name: &str, text: &str) {
    insta::with_settings!({
        snapshot_path => SNAPSHOTS,
        prepend_module_to_snapshot => false,
        omit_expression => true,
    }, {
        insta::assert_snapshot!(name, text);
    });
}

#[test]
fn plans_say_what_will_happen() {
    for (name, text) in [("quickstart", QUICKSTART), ("wrf-sample", WRF_SAMPLE)] {
        let compilation = compiled(&format!("{name}.aurora"), text);
        let (plan, module) = compilation.result.as_ref().expect("compiled");
        snapshot(&format!("{name}.explained"), &explain::plan(plan));
        let lock = compilation.lock(&World::new()).expect("compiled");
        for file in artefact::files(plan, module, &compilation.canonical, &lock) {
            if file.name != "graph.json" && file.name != "lock" {
                snapshot(&format!("{name}.{}", file.name), &file.text);
            }
        }
    }
}

#[test]
fn every_form_of_derive_becomes_a_kernel() {
    for name in ["level", "layer", "named_parts", "functions", "bounded", "coordinate", "shared"] {
        let path = format!("{}/../tests/plan/{name}.aurora", env!("CARGO_MANIFEST_DIR"));
        let text = std::fs::read_to_string(&path).unwrap_or_else(|error| panic!("{path}: {error}"));
        let module = module(name, &text);
        // Those of the recipe itself; the quickstart's are in its own snapshot.
        let own = |kernel: &&Kernel| text.contains(&format!("derive {} ", kernel.name));
        let kernels = module.kernels.iter().filter(own).cloned().collect();
        snapshot(&format!("derive-{name}"), &format!("{}\n----\n{}", text.trim_end(), Module { kernels }));
    }
}

fn module(name: &str, text: &str) -> Module {
    compiled(&format!("{name}.aurora"), text).result.expect("compiled").1
}

/// The kernel of a derive written into a recipe that extends the quickstart.
fn kernel(uses: &str, derive: &str) -> Kernel {
    let text =
        format!("aurora 1.0\nrecipe probe extends \"quickstart.aurora\"\n{uses}\nderive probe {derive}\n");
    module("probe", &text).kernel("probe").cloned().expect("a kernel of its own")
}

/// Runs a kernel on one column; inputs by name, one number each for fields without levels.
fn run(kernel: &Kernel, inputs: &[(&str, &[f64])]) -> Vec<f64> {
    let arrays: Vec<Array2<f64>> = kernel
        .inputs
        .iter()
        .map(|input| {
            let (_, values) = inputs.iter().find(|(name, _)| *name == input.name).expect("an input");
            Array2::from_shape_vec((values.len(), 1), values.to_vec()).expect("a column")
        })
        .collect();
    let views: Vec<_> = arrays.iter().map(|array| array.view()).collect();
    interpret(kernel, &views, 1).expect("runs").remove(0).into_raw_vec_and_offset().0
}

fn close(found: &[f64], expected: &[f64]) {
    assert_eq!(found.len(), expected.len());
    for (a, b) in found.iter().zip(expected) {
        assert!((a - b).abs() <= 1e-12 * b.abs().max(1e-300), "{found:?} is not {expected:?}");
    }
}

/// A profile with curvature, so that nothing comes out right by luck.
fn profile(f: impl Fn(f64) -> f64) -> Vec<f64> {
    LEVELS.iter().map(|p| f(*p)).collect()
}

fn temperature() -> Vec<f64> {
    profile(|p| 300.0 * (p / 1e5).powf(0.19))
}

fn humidity() -> Vec<f64> {
    profile(|p| 0.016 * (p / 1e5).powi(3))
}

#[test]
fn saturation_is_that_of_bolton() {
    let t = temperature();
    let expected: Vec<f64> = t
        .iter()
        .zip(LEVELS)
        .map(|(t, p)| {
            let e = (611.2 * (17.67 * (t - 273.15) / (t - 29.65)).exp()).min(0.5 * p);
            0.622 * e / (p - 0.378 * e)
        })
        .collect();
    let kernel = kernel("", ": specific_humidity on pl = saturation(t, pl)");
    close(&run(&kernel, &[("t", &t)]), &expected);
    // A value known from tables: 20 degrees, 1000 hPa: 14.6 to 14.7 g/kg.
    let warm = run(&kernel, &[("t", &[293.15; 13])]);
    assert!((0.0145..0.0148).contains(&warm[12]), "{}", warm[12]);
}

#[test]
fn a_constraint_counts_its_violation_in_tolerances() {
    let module = module("quickstart", QUICKSTART);
    let kernel = module.kernel("constraint.unsaturated").expect("penalised");
    let saturated =
        run(&self::kernel("", ": specific_humidity on pl = saturation(t, pl)"), &[("t", &temperature())]);
    let wet: Vec<f64> = saturated.iter().map(|q| 1.02 * q + 0.001).collect();
    let dry: Vec<f64> = saturated.iter().map(|q| 0.9 * q).collect();
    for (q, expected) in [(wet, 2.0), (dry, 0.0)] {
        for violation in run(kernel, &[("q", &q), ("t", &temperature())]) {
            assert!((violation - expected).abs() < 1e-9, "{violation} tolerances, not {expected}");
        }
    }
}

/// Trapezoids between the levels, and beyond the last level inside the layer up to its end.
#[test]
fn integrals_are_trapezoids() {
    let q = humidity();
    let trapezoids = |from: usize, to: usize| -> f64 {
        (from..to).map(|i| (q[i] + q[i + 1]) / 2.0 * (LEVELS[i + 1] - LEVELS[i])).sum()
    };
    let pwat = kernel("", ": precipitable_water on column = integral(q over 300 .. 1000 hPa) / g0");
    close(&run(&pwat, &[("q", &q)]), &[trapezoids(5, 12) / G0]);
    // From 650 to 800 hPa: half of one layer and two thirds of the next, linear in pressure within each.
    let at = |p: f64, i: usize| q[i] + (q[i + 1] - q[i]) * (p - LEVELS[i]) / (LEVELS[i + 1] - LEVELS[i]);
    let clipped = (at(65e3, 8) + q[9]) / 2.0 * 5e3 + (q[9] + at(8e4, 9)) / 2.0 * 1e4;
    let mean = kernel("", ": specific_humidity on column = mean(q over 650 .. 800 hPa)");
    close(&run(&mean, &[("q", &q)]), &[clipped / 15e3]);
    let integral = kernel("", "= integral(q over 800 .. 650 hPa)");
    close(&run(&integral, &[("q", &q)]), &[clipped]);
}

#[test]
fn extremes_are_over_the_levels_inside() {
    let mut t = temperature();
    t[3] = 500.0; // 200 hPa: outside both layers
    t[8] = 150.0; // 600 hPa
    t[9] = 400.0; // 700 hPa
    let most = kernel("", ": temperature on column = max(t over 250 .. 1000 hPa)");
    close(&run(&most, &[("t", &t)]), &[400.0]);
    let least = kernel("", ": temperature on column = min(t over 250 .. 650 hPa)");
    close(&run(&least, &[("t", &t)]), &[150.0]);
}

#[test]
fn a_level_between_levels_is_linear_in_the_logarithm_of_pressure() {
    let t = temperature();
    let share = ((775e2_f64).ln() - (7e4_f64).ln()) / ((85e3_f64).ln() - (7e4_f64).ln());
    let between = kernel("", ": temperature on column = t at 775 hPa");
    close(&run(&between, &[("t", &t)]), &[t[9] + share * (t[10] - t[9])]);
    let exact = kernel("", ": temperature on column = t at 850 hPa");
    // What is missing on other levels does not matter.
    let mut holes = vec![f64::NAN; 13];
    holes[10] = 285.0;
    close(&run(&exact, &[("t", &holes)]), &[285.0]);
}

#[test]
fn ramps_clamps_and_steps_at_their_edges() {
    let down = kernel("", "= ramp(t2m, 300 K -> 280 K)");
    let clamped = kernel("", ": temperature on surface = clamp(t2m, 280 .. 300 K)");
    let step = kernel("", "= step(t2m, from = 290 K)");
    for (t, ramp, clamp, above) in [
        (270.0, 1.0, 280.0, 0.0),
        (280.0, 1.0, 280.0, 0.0),
        (285.0, 0.75, 285.0, 0.0),
        (290.0, 0.5, 290.0, 1.0),
        (300.0, 0.0, 300.0, 1.0),
        (310.0, 0.0, 300.0, 1.0),
    ] {
        assert_eq!(run(&down, &[("t2m", &[t])]), [ramp]);
        assert_eq!(run(&clamped, &[("t2m", &[t])]), [clamp]);
        assert_eq!(run(&step, &[("t2m", &[t])]), [above]);
    }
    for kernel in [down, clamped] {
        assert!(run(&kernel, &[("t2m", &[f64::NAN])])[0].is_nan(), "missing stays missing");
    }
}

#[test]
fn winds_powers_and_units() {
    let speed = kernel("", ": wind_speed on surface = hypot(u10, v10)");
    close(&run(&speed, &[("u10", &[3.0]), ("v10", &[-4.0])]), &[5.0]);
    let celsius = kernel("", "= (t2m - 20 degC) / 10 K");
    close(&run(&celsius, &[("t2m", &[303.15])]), &[1.0]);
    let mixed = kernel("", "= (u10 / 36 km/h) ^ 2 - (v10 / 10 m/s) ^ 0.5");
    close(&run(&mixed, &[("u10", &[20.0]), ("v10", &[40.0])]), &[2.0]);
    let warmer = kernel("", "= (refc - 35 dBZ) / 10 dB");
    close(&run(&warmer, &[("refc", &[50.0])]), &[1.5]);
    let theta = kernel(
        "use std.physics (potential_temperature)",
        ": temperature on pl = potential_temperature(t, pl)",
    );
    let t = temperature();
    let expected: Vec<f64> = t.iter().zip(LEVELS).map(|(t, p)| t * (0.2857 * (1e5 / p).ln()).exp()).collect();
    close(&run(&theta, &[("t", &t)]), &expected);
}
