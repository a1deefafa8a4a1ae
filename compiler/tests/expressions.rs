//! Expressions of the language, from their text to numbers: each derive is compiled to its kernel, which the
//! interpreter runs in double precision on a column made up here. What it has to give is known by hand.

#[path = "../../tests/tests/world/mod.rs"]
mod world;

use aurora_compiler::kernel::interpret::interpret;
use aurora_compiler::kernel::ir::Module;
use ndarray::Array2;
use world::{QUICKSTART, compiled, drawn};

/// The levels of `std.synthetic`, in Pa, as they are stored.
const PL: [f64; 13] = [5e3, 10e3, 15e3, 20e3, 25e3, 30e3, 40e3, 50e3, 60e3, 70e3, 85e3, 92.5e3, 100e3];

/// Quickstart with more items.
fn module(items: &str) -> Module {
    let text = QUICKSTART.replace("pl, t, u, v, q, z,", "pl, few, t, u, v, q, z, hgt, sp, q2m,");
    let compilation = compiled("recipe.aurora", &format!("{text}\n{items}\n"));
    let drawn = drawn(&compilation);
    compilation.result.unwrap_or_else(|| panic!("{drawn}")).1
}

/// What kernel `x` gives in one column, of inputs by name.
fn value(items: &str, inputs: &[(&str, &[f64])]) -> Vec<f64> {
    run(&module(items), "x", inputs)
}

fn run(module: &Module, name: &str, inputs: &[(&str, &[f64])]) -> Vec<f64> {
    let kernel = module.kernel(name).unwrap_or_else(|| panic!("no kernel {name} in\n{module}"));
    let arrays: Vec<Array2<f64>> = kernel
        .inputs
        .iter()
        .map(|input| {
            let (_, values) = inputs
                .iter()
                .find(|(name, _)| *name == input.name)
                .unwrap_or_else(|| panic!("{} is not given", input.name));
            Array2::from_shape_vec((values.len(), 1), values.to_vec()).unwrap()
        })
        .collect();
    let views: Vec<_> = arrays.iter().map(|array| array.view()).collect();
    let outputs = interpret(kernel, &views, 1).unwrap_or_else(|error| panic!("{error}\n{module}"));
    outputs[0].iter().copied().collect()
}

fn on_levels(f: impl Fn(f64) -> f64) -> Vec<f64> {
    PL.iter().map(|p| f(*p)).collect()
}

#[track_caller]
fn near(found: &[f64], expected: &[f64], tolerance: f64) {
    assert_eq!(found.len(), expected.len());
    for (a, b) in found.iter().zip(expected) {
        assert!((a - b).abs() <= tolerance * b.abs().max(1e-30), "{found:?} is not {expected:?}");
    }
}

#[test]
fn a_dry_parcel_keeps_its_potential_temperature() {
    // dT = κ T d ln p; over each layer T grows by the factor (p/p')^κ, which a step may write as a closed form.
    let scan = "derive x : temperature on pl = scan pl upward from sp {
    start  tp = t2m
    step   tp = tp * exp(0.2857 * log(here / previous))
}";
    let (surface, t0) = (97_000.0, 300.0);
    let expected = on_levels(|p| if p <= surface { t0 * (p / surface).powf(0.2857) } else { t0 });
    near(&value(scan, &[("sp", &[surface]), ("t2m", &[t0])]), &expected, 1e-12);
    // A surface that is a level, and one above and below all of them.
    for surface in [85e3, 103e3, 4e3] {
        let expected = on_levels(|p| if p <= surface { t0 * (p / surface).powf(0.2857) } else { t0 });
        near(&value(scan, &[("sp", &[surface]), ("t2m", &[t0])]), &expected, 1e-12);
    }
}

#[test]
fn a_walk_downward_begins_at_the_top() {
    // Counts the levels it has come past, and carries a second state that it does not give.
    let scan = "derive x : index on pl = scan pl downward from 300 hPa {
    start  n = 0
    start  twice = 0
    step   n = twice / 2 + 1
    step   twice = twice + 2
} + 0 * t / 1 K";
    let expected = on_levels(|p| {
        if p >= 30e3 { f64::from(PL.iter().filter(|q| **q >= 30e3 && **q <= p).count() as u32) } else { 0.0 }
    });
    near(&value(scan, &[("t", &[280.0; 13])]), &expected, 1e-15);
    // Without a beginning the walk has the whole column, and nothing before the first level.
    let scan = "derive x : pressure on pl = scan pl upward {
    start  way = 0 hPa
    step   way = way + (previous - here) + 0 * t / 1 K * 1 Pa
}";
    near(&value(scan, &[("t", &[280.0; 13])]), &on_levels(|p| 100e3 - p), 1e-15);
}

#[test]
fn newtons_steps_find_a_root() {
    let root = "derive x : temperature on surface = iterate 6 {
    start  guess = t2m
    step   guess = (guess + t2m * 1 K / guess) / 2
}";
    // x² = 300 K · 1 K.
    near(&value(root, &[("t2m", &[300.0])]), &[300f64.sqrt()], 3e-2);
    let root = root.replace("iterate 6", "iterate 12");
    near(&value(&root, &[("t2m", &[300.0])]), &[300f64.sqrt()], 1e-14);
}

#[test]
fn layers_whose_ends_are_fields_are_exact_for_what_is_linear() {
    let between = |a: f64, b: f64| 2.0 * (b - a) + 3e-5 * (b * b - a * a) / 2.0;
    let q = on_levels(|p| 2.0 + 3e-5 * p);
    let inputs: [(&str, &[f64]); 2] = [("q", &q), ("sp", &[93_000.0])];
    let layer = "derive x : pressure on column = integral(q over 612 hPa .. sp)";
    near(&value(layer, &inputs), &[between(61_200.0, 93_000.0)], 1e-12);
    // Whichever end is written first.
    let turned = "derive x : pressure on column = integral(q over sp .. 612 hPa)";
    near(&value(turned, &inputs), &value(layer, &inputs), 0.0);
    let mean = "derive x : specific_humidity on column = mean(q over 612 hPa .. sp)";
    near(&value(mean, &inputs), &[between(61_200.0, 93_000.0) / 31_800.0], 1e-12);
    let most = "derive x : specific_humidity on column = max(q over 612 hPa .. sp)";
    near(&value(most, &inputs), &[2.0 + 3e-5 * 93_000.0], 1e-12);
}

#[test]
fn a_layer_is_measured_along_what_it_says() {
    // q = ln p, so that ∫ q d ln p = (b² − a²)/2 of logarithms.
    let q = on_levels(f64::ln);
    let exact = |a: f64, b: f64| (b.ln().powi(2) - a.ln().powi(2)) / 2.0;
    for (from, to, inputs) in [("300 hPa", "850 hPa", 85e3), ("300 hPa", "sp", 91e3)] {
        let text = format!(
            "derive x : index on column = integral(q over {from} .. {to}, in log(pl)) + 0 * sp / 1 Pa"
        );
        near(&value(&text, &[("q", &q), ("sp", &[inputs])]), &[exact(30e3, inputs)], 1e-12);
    }
    // Ends in metres, measured along pressure: the ends are looked up on the way.
    let items = "levels mine : pressure = [1000, 850, 700, 500] hPa { height  zm }
variable zm : height on mine from \"HGT\"
variable qm : specific_humidity >= 0 on mine from \"SPFH\"
derive x : pressure on column = integral(qm over 0 .. 1 km, in mine)";
    // Height linear in ln p between levels: 1 km lies in the lowest layer, of 1.5 km, at p = 1000 (850/1000)^(2/3) hPa.
    let top = 1e5 * (0.85f64).powf(2.0 / 3.0);
    // The lookup is linear in height, so it is p itself that is taken as linear: p = 1000 − 150 · 2/3 hPa.
    let linear = 1e5 - 15e3 * 2.0 / 3.0;
    let found = value(items, &[("zm", &[0.0, 1500.0, 3000.0, 5500.0]), ("qm", &[1.0; 4])]);
    near(&found, &[1e5 - linear], 1e-12);
    assert!((linear - top).abs() < 500.0);
}

#[test]
fn a_field_is_brought_to_another_set_or_place() {
    // Linear in ln p between levels, on any levels.
    let f = |p: f64| 250.0 + 10.0 * (p / 5e4).ln();
    let t = on_levels(f);
    let exact: Vec<f64> = [30e3, 50e3, 70e3, 85e3].iter().map(|p| f(*p)).collect();
    near(&value("derive x : temperature on few = t at few", &[("t", &t)]), &exact, 1e-13);
    near(&value("derive x : temperature on column = t at 620 hPa", &[("t", &t)]), &[f(62e3)], 1e-13);
    let place = "derive x : temperature on column = t at sp";
    near(&value(place, &[("t", &t), ("sp", &[61e3])]), &[f(61e3)], 1e-12);
    assert!(value(place, &[("t", &t), ("sp", &[101e3])])[0].is_nan(), "nothing is extrapolated");
    // Through a coordinate that is a field: heights of pressure levels, and pressures of counted ones.
    let items = "levels agl : height = [500, 2000] m
levels counted : index = 1 .. 4 { pressure  pc }
levels mine : pressure = [1000, 850, 700, 500] hPa { height  zm }
variable zm : height on mine from \"HGT\"
variable tm : temperature on mine from \"TMP\"
variable pc : pressure on counted from \"PRES\"
variable tc : temperature on counted from \"TMPC\"
derive x : temperature on agl = tm at agl
derive y : temperature on mine = tc at mine
derive w : temperature on column = tm at 1 km";
    let module = module(items);
    let (zm, tm) = ([100.0, 1500.0, 3000.0, 5500.0], [300.0, 286.0, 271.0, 250.0]);
    let inputs: [(&str, &[f64]); 2] = [("zm", &zm), ("tm", &tm)];
    near(&run(&module, "x", &inputs), &[296.0, 281.0], 1e-13);
    near(&run(&module, "w", &inputs), &[291.0], 1e-13);
    let pc = [101e3, 90e3, 60e3, 40e3];
    let tc: Vec<f64> = pc.iter().map(|p| f(*p)).collect();
    let exact: Vec<f64> = [100e3, 85e3, 70e3, 50e3].iter().map(|p| f(*p)).collect();
    near(&run(&module, "y", &[("pc", &pc), ("tc", &tc)]), &exact, 1e-12);
    // Below the ground the lowest level's value, above the top nothing.
    let pc = [80e3, 70e3, 60e3, 52e3];
    let tc: Vec<f64> = pc.iter().map(|p| f(*p)).collect();
    let found = run(&module, "y", &[("pc", &pc), ("tc", &tc)]);
    near(&found[..3], &[f(80e3), f(80e3), f(70e3)], 1e-12);
    assert!(found[3].is_nan(), "nothing is known above the top");
    let zm = [700.0, 1500.0, 3000.0, 5500.0];
    let found = run(&module, "x", &[("zm", &zm), ("tm", &tm)]);
    near(&found, &[300.0, 281.0], 1e-13);
    // From the top down, as some archives store them.
    let (pc, tc) = ([52e3, 60e3, 70e3, 80e3], [f(52e3), f(60e3), f(70e3), f(80e3)]);
    near(&run(&module, "y", &[("pc", &pc), ("tc", &tc)])[..3], &[f(80e3), f(80e3), f(70e3)], 1e-12);
}

/// Pressure of levels of height, from that at the ground upward: the weight of each layer by the mean of its ends' temperatures.
/// With it fields of height come to levels of pressure. (The hypsometric equation: Wallace and Hobbs 2006, 3.24.)
#[test]
fn pressure_follows_from_height() {
    let items = "levels agl : height = [2, 500, 1000, 2000, 3000, 4500, 6000, 8000] m
variable ta : temperature in 170 .. 330 K on agl from \"TMPA\"
derive pa : pressure on agl
  = scan agl upward from 0 m {
        start  p     = sp
        start  below = t2m
        warmth = 0.5 * (ta + below)
        step   p     = p * exp(-9.80665 m/s^2 / 287.05 J/kg/K * (here - previous) / warmth)
        step   below = ta
    }
levels air : index = above_ground(agl) { pressure  join(sp, pa) }
levels wanted : pressure = [850, 700, 500] hPa
derive t_air : temperature on air = join(t2m, ta)
derive x : temperature on wanted = t_air at wanted";
    let module = module(items);
    let heights = [2.0, 500.0, 1000.0, 2000.0, 3000.0, 4500.0, 6000.0, 8000.0];
    let scale = 9.806_65 / 287.05;
    let (ground, warm) = (97_000.0, 290.0);
    // As warm everywhere, exact.
    let same: Vec<f64> = heights.iter().map(|z| ground * f64::exp(-scale * z / warm)).collect();
    let inputs: [(&str, &[f64]); 3] = [("sp", &[ground]), ("t2m", &[warm]), ("ta", &[warm; 8])];
    near(&run(&module, "pa", &inputs), &same, 1e-13);
    // Colder by 6.5 K a kilometre, p = p0 (T/T0)^(g / R / 6.5 K/km): what layers of 2 km make of it adds up to 1.3e-4.
    let cold: Vec<f64> = heights.iter().map(|z| warm - 0.0065 * z).collect();
    let exact: Vec<f64> = cold.iter().map(|t| ground * (t / warm).powf(scale / 0.0065)).collect();
    let inputs: [(&str, &[f64]); 3] = [("sp", &[ground]), ("t2m", &[warm]), ("ta", &cold)];
    let found = run(&module, "pa", &inputs);
    near(&found, &exact, 2e-4);
    // Temperature is a power of pressure: linear in its logarithm to 0.1 K in layers of 2 km.
    let inputs: [(&str, &[f64]); 4] = [("sp", &[ground]), ("t2m", &[warm]), ("ta", &cold), ("pa", &found)];
    let expected = [85e3, 70e3, 50e3].map(|p: f64| warm * (p / ground).powf(0.0065 / scale));
    near(&run(&module, "x", &inputs), &expected, 0.1 / 280.0);
}

#[test]
fn slopes_are_exact_for_parabolas_on_uneven_levels() {
    let f = |p: f64| 300.0 + 2e-3 * p - 0.9e-8 * p * p;
    let slope = |p: f64| 2e-3 - 1.8e-8 * p;
    let found = value("derive x = slope(t, pl)", &[("t", &on_levels(f))]);
    near(&found, &on_levels(slope), 1e-9);
    // In the logarithm, and along a coordinate that is a field.
    let g = |p: f64| 5.0 * p.ln().powi(2) - 3.0 * p.ln();
    let found = value("derive x = slope(t, log(pl))", &[("t", &on_levels(g))]);
    near(&found, &on_levels(|p| 10.0 * p.ln() - 3.0), 1e-9);
    let heights = on_levels(|p| 44_330.0 * (1.0 - (p / 101_325.0).powf(0.19)));
    let t = heights.iter().map(|z| 290.0 - 6e-3 * z + 1e-7 * z * z).collect::<Vec<_>>();
    let exact: Vec<f64> = heights.iter().map(|z| -6e-3 + 2e-7 * z).collect();
    near(&value("derive x = slope(t, hgt)", &[("t", &t), ("hgt", &heights)]), &exact, 1e-9);
    // Two levels have one slope.
    let two = "levels two : pressure = [850, 500] hPa
variable tt : temperature on two from \"TMP\"
derive x = slope(tt, two)";
    near(&value(two, &[("tt", &[280.0, 250.0])]), &[30.0 / 35_000.0; 2], 1e-13);
}

#[test]
fn the_logarithmic_scale_is_left_and_entered() {
    let inputs: [(&str, &[f64]); 1] = [("refc", &[30.0])];
    let linear = "derive x = linear(refc) / 1 mm^6/m^3";
    near(&value(linear, &inputs), &[1000.0], 1e-12);
    let back = "derive x : reflectivity on column = decibel(linear(refc) + 9000 mm^6/m^3)";
    near(&value(back, &inputs), &[40.0], 1e-12);
}

#[test]
fn intrinsics_give_what_they_say() {
    let t: [(&str, &[f64]); 1] = [("t2m", &[300.0])];
    for (expression, expected) in [
        ("sin(t2m / 300 K)", 1f64.sin()),
        ("cos(t2m / 300 K)", 1f64.cos()),
        ("atan2(t2m, 300 K)", std::f64::consts::FRAC_PI_4),
        ("choose(t2m > 290 K, 1, 2)", 1.0),
        ("ramp(t2m, 310 K -> 290 K)", 0.5),
        ("clamp(t2m / 100 K, 0 .. 1)", 1.0),
        ("step(t2m, from = 300 K)", 1.0),
        ("(t2m - 27 degC) / 1 K", -0.15),
        ("(t2m - -10 degC) / 1 K", 36.85),
        ("max(t2m, 30 degC) / 1 K", 303.15),
        ("(t2m as temperature) / 300 K", 1.0),
        ("(t2m / 300 K) ^ 2", 1.0),
    ] {
        let found = value(&format!("derive x : index on surface = {expression}"), &t);
        assert!((found[0] - expected).abs() < 1e-9, "{expression} is {found:?}, not {expected}");
    }
}

#[test]
fn across_the_grid_differences_are_per_metre() {
    let module = module("derive x = ddx(u10) + ddy(v10)");
    let kernel = module.kernel("x").unwrap().clone();
    let text = Module { kernels: vec![kernel] }.to_string();
    // The grid's points lie 12 km apart.
    assert!(text.contains(&format!("constant {:?}", 1.0 / 12_000.0)), "{text}");
    assert_eq!(text.matches("difference").count(), 2, "{text}");
}

#[test]
fn what_is_declared_on_levels_has_a_value_on_each() {
    let found = value("derive x : temperature on pl = t2m", &[("t2m", &[300.0])]);
    near(&found, &[300.0; 13], 0.0);
}

#[test]
fn functions_take_any_support_unless_they_say() {
    let items = "derive warmer(a : temperature) : temperature = a + 1 K
derive lowest(a : temperature on pl) : temperature on column = a at 1000 hPa
derive x : temperature on column = lowest(warmer(t)) - 2 * (warmer(t2m) - t2m)";
    let found = value(items, &[("t", &on_levels(|p| p / 500.0)), ("t2m", &[280.0])]);
    near(&found, &[199.0], 1e-13);
}
