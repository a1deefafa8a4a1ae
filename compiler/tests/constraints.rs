//! std.constraints: every relation compiles in a recipe, holds where it is made to hold, and is broken by as much as
//! worked out by hand where it is not; and all of them have a derivative.

mod constraint_support;

use std::collections::BTreeMap;

use aurora_compiler::kernel::adjoint::value_and_gradient;
use aurora_compiler::kernel::interpret::{Extent, interpret_on};
use aurora_compiler::kernel::ir::{Kernel, Module};
use constraint_support::{GAS_DRY, GRAVITY};
use ndarray::Array2;

const GRID: &str = "lambert(lat = 38.5 deg, lon = -97.5 deg, size = [24, 24], spacing = 12 km)";

/// All that the library has, by name.
fn names() -> Vec<String> {
    let library = aurora_compiler::explain::library::library("std.constraints").unwrap();
    library.others.iter().map(|entry| entry.name.clone()).collect()
}

fn module(names: &[String]) -> Module {
    constraint_support::module(GRID, &PRESSURES, names)
}

#[test]
fn every_constraint_can_be_minimised() {
    let names = names();
    assert!(names.len() >= 18, "{names:?}");
    let module = module(&names);
    for name in &names {
        assert!(module.kernel(&format!("constraint.{name}")).is_some(), "{name}");
    }
}

// ---- states of the atmosphere ----------------------------------------------------------------------

const SIDE: usize = 24;
const SPACING: f64 = 12_000.0;
const PRESSURES: [f64; 7] = [1000e2, 850e2, 700e2, 500e2, 300e2, 200e2, 100e2];
const LATITUDE: f64 = 0.7;
/// Of the angle by which the grid is turned.
const TURNED: (f64, f64) = (0.8, 0.6);

/// Fields by name: (levels, points), row 0 in the north.
type State = BTreeMap<String, Array2<f64>>;

fn coriolis() -> f64 {
    1.4584e-4 * LATITUDE.sin()
}

/// Metres to the right and up from the grid's south-western point.
fn place(point: usize) -> (f64, f64) {
    ((point % SIDE) as f64 * SPACING, (SIDE - 1 - point / SIDE) as f64 * SPACING)
}

fn column(of: impl Fn(f64, f64, f64) -> f64) -> Array2<f64> {
    Array2::from_shape_fn((PRESSURES.len(), SIDE * SIDE), |(level, point)| {
        let (x, y) = place(point);
        of(PRESSURES[level], x, y)
    })
}

fn cell(of: impl Fn(f64, f64) -> f64) -> Array2<f64> {
    Array2::from_shape_fn((1, SIDE * SIDE), |(_, point)| {
        let (x, y) = place(point);
        of(x, y)
    })
}

/// Winds along the grid's axes as the winds towards east and north that they are.
fn set_winds(state: &mut State, x: &Array2<f64>, y: &Array2<f64>) {
    state.insert("u".into(), x * TURNED.0 + y * TURNED.1);
    state.insert("v".into(), y * TURNED.0 - x * TURNED.1);
}

/// A quiet, dry day.
fn quiet() -> State {
    let mut state = State::new();
    let height = |p: f64| 44_330.0 * (1.0 - (p / 1013.25e2).powf(0.19));
    state.insert("t".into(), column(|p, _, _| (288.0 - 0.0065 * height(p)).max(215.0)));
    state.insert("z".into(), column(|p, _, _| GRAVITY * height(p)));
    for name in ["q", "u", "v", "w", "omega", "rain_ratio", "snow_ratio", "graupel_ratio"] {
        state.insert(name.into(), column(|_, _, _| 0.0));
    }
    state.insert("refl".into(), column(|_, _, _| -30.0));
    let cells = [
        ("t2m", 288.0),
        ("q2m", 0.0),
        ("u10", 0.0),
        ("v10", 0.0),
        ("sp", 1013.25e2),
        ("orog", 0.0),
        ("refc", 0.0),
        ("sbcape", 0.0),
        ("sbcin", 0.0),
        ("mucape", 0.0),
        ("srh3", 0.0),
        ("ustm", 0.0),
        ("vstm", 0.0),
        ("water_before", 0.0),
        ("evaporation", 0.0),
        ("rain", 0.0),
        ("latitude", LATITUDE),
        ("rotation_cosine", TURNED.0),
        ("rotation_sine", TURNED.1),
    ];
    for (name, number) in cells {
        state.insert(name.into(), cell(|_, _| number));
    }
    state
}

/// Warm and moist below, with winds that turn and strengthen with height, different from place to place.
fn stormy() -> State {
    let mut state = quiet();
    let height = |p: f64| 44_330.0 * (1.0 - (p / 1013.25e2).powf(0.19));
    let wave = |x: f64, y: f64| (x / 90e3).sin() + (y / 70e3).cos();
    state.insert("t".into(), column(|p, x, y| (301.0 - 0.0074 * height(p) + 0.6 * wave(x, y)).max(212.0)));
    state.insert("q".into(), column(|p, x, y| 0.0145 * (p / 1000e2).powi(3) * (1.0 + 0.05 * wave(y, x))));
    state.insert("z".into(), column(|p, x, y| GRAVITY * (height(p) * 1.03 + 9.0 * wave(x, y))));
    let x = column(|p, x, y| -4.0 + 0.004 * height(p) + 2.0 * wave(y, x));
    let y = column(|p, x, y| 9.0 * (1.0 - (-height(p) / 1500.0).exp()) + 2.0 * wave(x, y));
    set_winds(&mut state, &x, &y);
    state.insert("w".into(), column(|p, x, y| 18.0 * (p / 1000e2) * (1.0 - p / 1000e2) * wave(x, y)));
    state.insert("omega".into(), column(|p, x, y| -6.0 * (p / 1000e2) * (1.0 - p / 1000e2) * wave(x, y)));
    state.insert("rain_ratio".into(), column(|p, x, _| 1e-3 * (p / 1000e2) * (x / 50e3).sin().abs()));
    state.insert("refl".into(), column(|_, x, y| 20.0 + 15.0 * wave(x, y)));
    let cells = [
        ("t2m", 303.0),
        ("q2m", 0.016),
        ("u10", -3.0),
        ("v10", 2.0),
        ("refc", 48.0),
        ("sbcape", 1500.0),
        ("sbcin", -40.0),
        ("mucape", 1800.0),
        ("srh3", 220.0),
        ("ustm", 9.0),
        ("vstm", -2.0),
        ("water_before", 28.0),
        ("evaporation", 4e-5),
        ("rain", 8e-4),
    ];
    for (name, number) in cells {
        state.insert(name.into(), cell(|x, y| number * (1.0 + 0.02 * wave(x, y))));
    }
    state
}

fn run(kernel: &Kernel, state: &State) -> Vec<Array2<f64>> {
    let inputs: Vec<_> = kernel.inputs.iter().map(|input| state[&input.name].view()).collect();
    interpret_on(kernel, &inputs, Extent { rows: SIDE, columns: SIDE }).unwrap()
}

struct Relations(Module);

impl Relations {
    fn all() -> Self {
        Self(module(&names()))
    }

    fn kernel(&self, name: &str) -> &Kernel {
        self.0.kernel(&format!("constraint.{name}")).unwrap()
    }

    /// By how many tolerances a relation is broken.
    fn broken(&self, name: &str, state: &State) -> Array2<f64> {
        run(self.kernel(name), state).remove(0)
    }

    #[track_caller]
    fn holds(&self, name: &str, state: &State) {
        let most = self.broken(name, state).iter().copied().fold(0.0, f64::max);
        assert!(most < 1e-4, "{name} is broken by {most} tolerances");
    }

    /// The same number of tolerances everywhere, or where it is asked for.
    #[track_caller]
    fn is_broken_by(&self, name: &str, state: &State, expected: f64, at: impl Fn(usize, usize) -> bool) {
        for ((level, point), found) in self.broken(name, state).indexed_iter() {
            let wanted = if at(level, point) { expected } else { 0.0 };
            assert!(
                (found - wanted).abs() < 1e-4 * wanted.abs().max(1.0),
                "{name} {level} {point}: {found}, not {wanted}"
            );
        }
    }
}

fn anywhere(_: usize, _: usize) -> bool {
    true
}

fn with(name: &str, field: Array2<f64>) -> State {
    let mut state = quiet();
    state.insert(name.into(), field);
    state
}

fn bolton(t: f64) -> f64 {
    611.2 * (17.67 * (t - 273.15) / (t - 29.65)).exp()
}

// ---- what holds and what does not --------------------------------------------------------------------

#[test]
fn humidity_has_its_bounds() {
    let relations = Relations::all();
    relations.holds("positive_humidity", &quiet());
    let negative = with("q", column(|_, _, _| -0.05e-3));
    relations.is_broken_by("positive_humidity", &negative, 0.5, anywhere);
    // Saturated over water, and a tenth more: by 0.09 / 0.05.
    let state = quiet();
    let saturated = |share: f64| {
        Array2::from_shape_fn((PRESSURES.len(), SIDE * SIDE), |(level, point)| {
            let (t, p) = (state["t"][[level, point]], PRESSURES[level]);
            let e = share * bolton(t);
            0.62195691 * e / (p - (1.0 - 0.62195691) * e)
        })
    };
    let warm = |level: usize, point: usize| state["t"][[level, point]] > 243.0;
    let over = with("q", saturated(1.1));
    let broken = relations.broken("saturated", &over);
    for ((level, point), found) in broken.indexed_iter().filter(|((level, point), _)| warm(*level, *point)) {
        assert!((found - 1.8).abs() < 1e-3, "{level} {point} {found}");
    }
    // What is saturated over water is beyond saturation over ice: at 215 K by its ratio.
    let cold = PRESSURES.len() - 1;
    let t = state["t"][[cold, 0]];
    let ice = 611.2 * (21.8746 * (t - 273.15) / (t - 7.66)).exp();
    let at = relations.broken("saturated", &with("q", saturated(1.0)));
    assert!((at[[cold, 0]] - (bolton(t) / ice - 1.01) / 0.05).abs() < 1e-2, "{}", at[[cold, 0]]);
    let dry = with("q", saturated(0.4));
    relations.holds("saturated", &dry);
}

#[test]
fn layers_are_as_thick_as_they_are_warm() {
    let relations = Relations::all();
    let mut state = stormy();
    // Built up from the lowest level by the very relation.
    let tv = |level: usize, point: usize| {
        let (t, q) = (state["t"][[level, point]], state["q"][[level, point]]);
        let r = q / (1.0 - q);
        t * (1.0 + r / 0.62195691) / (1.0 + r)
    };
    let mut z = column(|_, _, _| 1000.0);
    for level in 1..PRESSURES.len() {
        for point in 0..SIDE * SIDE {
            let mean = 0.5 * (tv(level - 1, point) + tv(level, point));
            let thick = GAS_DRY * mean * (PRESSURES[level - 1] / PRESSURES[level]).ln();
            z[[level, point]] = z[[level - 1, point]] + thick;
        }
    }
    state.insert("z".into(), z.clone());
    relations.holds("hydrostatic", &state);
    relations.holds("hydrostatic_outside_storms", &state);
    // One level 25 m too high: the layer below too thick, the one above too thin.
    z.row_mut(3).mapv_inplace(|z| z + 25.0 * GRAVITY);
    state.insert("z".into(), z);
    relations.is_broken_by("hydrostatic", &state, 2.5, |level, _| level == 3 || level == 4);
    state.insert("w".into(), column(|p, _, _| if p == PRESSURES[3] { -5.5 } else { 4.0 }));
    relations.is_broken_by("hydrostatic_outside_storms", &state, 2.5, |level, _| level == 4);
}

#[test]
fn winds_are_in_balance_with_pressure_and_warmth() {
    let relations = Relations::all();
    let (gx, gy) = (1.5e-3, -0.9e-3);
    let mut state = quiet();
    state.insert("z".into(), column(|p, x, y| 5000.0 * (1000e2 / p) + gx * x + gy * y));
    let geostrophic = (column(|_, _, _| -gy / coriolis()), column(|_, _, _| gx / coriolis()));
    set_winds(&mut state, &geostrophic.0, &geostrophic.1);
    relations.holds("geostrophic", &state);
    // 6 m/s too fast, where there is no friction.
    set_winds(&mut state, &(&geostrophic.0 + 6.0), &geostrophic.1);
    let expected = 6.0 * coriolis() / 5e-4;
    relations.is_broken_by("geostrophic", &state, expected, |level, _| PRESSURES[level] <= 850e2);
    // Where the wind turns as fast as the earth, the weight is exp(-(1 / 0.3)^2), and of the same wind next to nothing is asked.
    let spin = coriolis();
    let turning = (column(|_, _, y| -0.5 * spin * y), column(|_, x, _| 0.5 * spin * x));
    set_winds(&mut state, &turning.0, &turning.1);
    let broken = relations.broken("geostrophic", &state);
    let by_hand = |point: usize| {
        let (x, y) = place(point);
        let (wx, wy) = (-0.5 * spin * y, 0.5 * spin * x);
        let (ax, ay) = (gx - coriolis() * wy, gy + coriolis() * wx);
        (-(1.0_f64 / 0.3).powi(2)).exp() * ax.hypot(ay) / 5e-4
    };
    for point in 0..SIDE * SIDE {
        assert!((broken[[3, point]] - by_hand(point)).abs() < 1e-6 + 1e-4 * by_hand(point), "{point}");
    }
    // Thermal wind: temperature linear in space, wind linear in log p.
    let (tx, ty) = (4e-6, -7e-6);
    let mut state = quiet();
    state.insert("t".into(), column(|_, x, y| 260.0 + tx * x + ty * y));
    let wind = |g: f64| column(move |p, _, _| GAS_DRY / coriolis() * g * p.ln());
    set_winds(&mut state, &wind(ty), &wind(-tx));
    relations.holds("thermal_wind", &state);
    set_winds(&mut state, &column(|_, _, _| 0.0), &column(|_, _, _| 0.0));
    let expected = GAS_DRY * tx.hypot(ty) / 3e-3;
    relations.is_broken_by("thermal_wind", &state, expected, |level, _| PRESSURES[level] <= 850e2);
}

#[test]
fn mass_is_kept() {
    let relations = Relations::all();
    let (a, b) = (2e-5, 1e-5);
    let mut state = quiet();
    set_winds(&mut state, &column(|_, x, _| a * x), &column(|_, _, y| b * y));
    relations.is_broken_by("continuity", &state, (a + b) / 5e-5, anywhere);
    state.insert("omega".into(), column(|p, _, _| -(a + b) * p));
    relations.holds("continuity", &state);
    // Two vertical winds of one air.
    let mut state = quiet();
    let density = |level: usize, t: f64| PRESSURES[level] / (GAS_DRY * t);
    state.insert("w".into(), column(|_, x, _| x / 50e3));
    let omega = Array2::from_shape_fn((PRESSURES.len(), SIDE * SIDE), |(level, point)| {
        -density(level, state["t"][[level, point]]) * GRAVITY * state["w"][[level, point]]
    });
    state.insert("omega".into(), &omega + 0.0);
    relations.holds("one_vertical_wind", &state);
    state.insert("omega".into(), &omega + 3.0);
    relations.is_broken_by("one_vertical_wind", &state, 3.0, anywhere);
}

#[test]
fn water_is_kept() {
    let relations = Relations::all();
    let mut state = quiet();
    let (a, evaporation, rain, q) = (1e-5, 2e-4, 5e-4, 4e-3);
    state.insert("q".into(), column(|_, _, _| q));
    set_winds(&mut state, &column(|_, x, _| a * x), &column(|_, _, _| 3.0));
    let water = q * 900e2 / GRAVITY;
    state.insert("evaporation".into(), cell(|_, _| evaporation));
    state.insert("rain".into(), cell(|_, _| rain));
    let before = water + 3600.0 * (a * water - evaporation + rain);
    state.insert("water_before".into(), cell(|_, _| before));
    relations.holds("moisture", &state);
    state.insert("water_before".into(), cell(|_, _| before - 7.2));
    relations.is_broken_by("moisture", &state, 2.0, anywhere);
}

#[test]
fn cape_and_cin_are_those_of_the_air() {
    let relations = Relations::all();
    let mut state = stormy();
    state.insert("sbcape".into(), cell(|_, _| 0.0));
    state.insert("sbcin".into(), cell(|_, _| 0.0));
    // |0 - E| / (1 + E / 2500) is what is broken; so E is known.
    let cape = relations.broken("cape_of_its_air", &state).mapv(|broken| {
        let scaled = 250.0 * broken;
        scaled / (1.0 - scaled / 2500.0)
    });
    let range = cape.iter().fold((f64::MAX, f64::MIN), |(low, high), cape| (low.min(*cape), high.max(*cape)));
    assert!(range.0 > 1000.0 && range.1 < 8000.0, "{range:?}");
    let cin = relations.broken("cin_of_its_air", &state) * -50.0;
    state.insert("sbcape".into(), cape.clone());
    state.insert("sbcin".into(), cin.clone());
    relations.holds("cape_of_its_air", &state);
    relations.holds("cin_of_its_air", &state);
    state.insert("sbcape".into(), &cape + (250.0 + &cape * 0.1));
    state.insert("sbcin".into(), &cin - 100.0);
    relations.is_broken_by("cape_of_its_air", &state, 1.0, anywhere);
    relations.is_broken_by("cin_of_its_air", &state, 2.0, anywhere);
    // Nothing to hold down where nothing rises; all of it where much does.
    let mut state = quiet();
    state.insert("sbcin".into(), cell(|_, _| -50.0));
    relations.is_broken_by("inhibited", &state, 2.0, anywhere);
    state.insert("sbcape".into(), cell(|_, _| 50.0));
    relations.holds("inhibited", &state);
}

#[test]
fn updraughts_are_as_strong_as_they_can_and_must_be() {
    let relations = Relations::all();
    let mut state = quiet();
    state.insert("mucape".into(), cell(|_, _| 199.5));
    state.insert("w".into(), column(|p, _, _| if p == 500e2 { 40.0 } else { 1.0 }));
    relations.is_broken_by("lifted", &state, (40.0 - 20.0 - 5.0) / 5.0, anywhere);
    state.insert("mucape".into(), cell(|_, _| 1000.0));
    relations.holds("lifted", &state);
    state.insert("refc".into(), cell(|_, _| 65.0));
    relations.holds("lofted", &state);
    state.insert("w".into(), column(|_, _, _| 5.0));
    relations.is_broken_by("lofted", &state, 4.0, anywhere);
    state.insert("refc".into(), cell(|_, _| 39.0));
    relations.holds("lofted", &state);
}

#[test]
fn echoes_are_made_of_water() {
    let relations = Relations::all();
    relations.holds("echo_of_its_water", &quiet());
    let mut state = quiet();
    state.insert("refl".into(), column(|_, _, _| -20.0));
    relations.is_broken_by("echo_of_its_water", &state, 2.0, anywhere);
    // A gram of rain for each kilogram: 3.63e9 (rho q)^1.75.
    state.insert("rain_ratio".into(), column(|_, _, _| 1e-3));
    let t = state["t"].clone();
    let echo = Array2::from_shape_fn(t.dim(), |(level, point)| {
        let density = PRESSURES[level] / (GAS_DRY * t[[level, point]]);
        10.0 * (3.63e9 * (density * 1e-3_f64).powf(1.75)).log10()
    });
    state.insert("refl".into(), echo);
    relations.holds("echo_of_its_water", &state);
    relations.is_broken_by("echo_limit", &with("refc", cell(|_, _| 82.0)), 2.0, anywhere);
    relations.holds("echo_limit", &with("refc", cell(|_, _| 77.0)));
}

#[test]
fn storms_go_where_they_go_and_turn_no_more_than_their_winds() {
    let relations = Relations::all();
    // In a wind that is the same everywhere, all three motions are that wind.
    let mut state = quiet();
    for (name, number) in [("u", 12.0), ("v", 5.0)] {
        state.insert(name.into(), column(|_, _, _| number));
    }
    for (name, number) in [("u10", 12.0), ("v10", 5.0), ("ustm", 12.0), ("vstm", 5.0)] {
        state.insert(name.into(), cell(|_, _| number));
    }
    relations.holds("steered", &state);
    relations.holds("turning", &state);
    state.insert("vstm".into(), cell(|_, _| 25.0));
    relations.is_broken_by("steered", &state, (20.0 - 3.0_f64.ln()) / 5.0, anywhere);
    state.insert("srh3".into(), cell(|_, _| -100.0));
    relations.is_broken_by("turning", &state, 2.0, anywhere);
    // A straight hodograph of 25 m/s over 6 km: deviation 7.5 m/s to the right, so the storm-relative wind is that far at least.
    let height = |p: f64| 44_330.0 * (1.0 - (p / 1013.25e2).powf(0.19));
    let mut state = quiet();
    state.insert("u".into(), column(|p, _, _| 25.0 * height(p) / 6000.0));
    state.insert("srh3".into(), cell(|_, _| 12.5 * 7.5));
    relations.holds("turning", &state);
    state.insert("srh3".into(), cell(|_, _| 800.0));
    assert!(relations.broken("turning", &state).iter().all(|broken| *broken > 5.0));
}

/// A loss is the mean of squares, so each relation must say which way is better: its own change is finite where it is broken, and
/// for all that no neighbour matters to, so is its derivative, to every field that it reads.
#[test]
fn all_have_a_finite_derivative() {
    let relations = Relations::all();
    let (quiet, stormy) = (quiet(), stormy());
    let mut broken = 0;
    for name in names() {
        let kernel = relations.kernel(&name);
        for state in [&quiet, &stormy] {
            let values = relations.broken(&name, state);
            assert!(values.iter().all(|value| value.is_finite() && *value >= 0.0), "{name}");
            if kernel.is_stencil() {
                continue;
            }
            let inputs: Vec<&str> = kernel.inputs.iter().map(|input| input.name.as_str()).collect();
            let both = value_and_gradient(kernel, &[&kernel.outputs[0].name], &inputs).unwrap();
            let found = run(&both, state);
            for (output, numbers) in both.outputs.iter().zip(&found) {
                assert!(numbers.iter().all(|number| number.is_finite()), "{name}: {}", output.name);
            }
            let moves = found[1..].iter().any(|gradient| gradient.iter().any(|number| *number != 0.0));
            assert!(
                moves || values.iter().all(|value| *value == 0.0),
                "{name} is broken and nothing can be done about it"
            );
        }
        broken += usize::from(relations.broken(&name, &stormy).iter().any(|value| *value > 0.0));
    }
    // The stormy state was made by hand, so it keeps to little.
    assert!(broken > 8, "{broken}");
}
