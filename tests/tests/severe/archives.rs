//! `std.severe` over the archives: recipes that use it compile, say what they lack, and take no notice of levels below the ground.

use std::collections::BTreeMap;

use aurora_compiler::kernel::interpret::interpret;
use ndarray::Array2;

use crate::recipe::{complaint, module};

fn recipe(archive: &str, grid: &str, names: &str, items: &str) -> String {
    format!(
        "aurora 1.0\nrecipe archives \"Severe weather over an archive\"\n\nuse std.{archive} ({names})\n{items}\n\n\
         data {{\n    archive {archive}\n    grid {grid}\n    every 1 h\n    train 2021-01-01 .. 2021-03-01\n}}\n\
         model {{\n    architecture aurora.small\n    step 1 h\n    prognostic t, u, v, q, z, t2m\n    static orog\n}}\n\
         loss l = mae(prognostic)\n\
         phase p {{\n    tile 64 by 64\n    for 1 epochs\n    batch 1\n    train new\n    optimise adamw(rate = 1e-3)\n    minimise l\n}}\n"
    )
}

const SYNTHETIC: &str = "plains, pl, t, u, v, q, z, t2m, q2m, u10, v10, sp, orog";
const WANTED: &str = "use std.severe (mlcape, srh3, stp)\n\
                      derive a = mlcape\nderive b = srh3\nderive c = stp\n";

#[test]
fn recipes_over_archives_compile() {
    let hrrr = "conus, pl, t, u, v, q, z, t2m, q2m, u10, v10, sp, orog";
    for text in [recipe("synthetic", "plains", SYNTHETIC, WANTED), recipe("hrrr", "conus", hrrr, WANTED)] {
        let module = module(&text);
        for name in ["a", "b", "c"] {
            assert!(module.kernel(name).is_some(), "no kernel {name}");
        }
    }
}

/// Every option in place of the usual one.
#[test]
fn options_are_libraries() {
    let kernel = |option: &str| {
        let items = format!("{option}\n{WANTED}");
        module(&recipe("synthetic", "plains", SYNTHETIC, &items)).kernel("a").expect("a kernel").to_string()
    };
    let usual = kernel("");
    for option in [
        "use std.severe.wobus",
        "use std.severe.inversion (moist_step)",
        "use std.severe.romps",
        "use std.severe.bottom",
        "use std.constants.metpy",
        "use std.constants.wrf",
    ] {
        assert_ne!(kernel(option), usual, "{option} changes nothing");
    }
    for usual_again in ["use std.severe.rk4", "use std.severe.largest", "use std.constants.sharplib"] {
        assert_eq!(kernel(usual_again), usual, "{usual_again}");
    }
}

#[test]
fn what_is_missing_is_named() {
    let said = complaint(&recipe("synthetic", "plains", &SYNTHETIC.replace("q2m, ", ""), WANTED));
    assert!(said.contains("nothing called `q2m` is in scope"), "{said}");
    assert!(said.contains("use std.synthetic (q2m)") || said.contains("q2m"), "{said}");
}

/// The ground is at 850 hPa and 1500 m: what the archive has at 1000 and 925 hPa does not matter.
#[test]
fn levels_below_the_ground_do_not_matter() {
    let text = recipe(
        "synthetic",
        "plains",
        SYNTHETIC,
        &format!(
            "{WANTED}use std.severe (sbcape, right_mover_u)\nderive d = sbcape\nderive e = right_mover_u\n"
        ),
    );
    let module = module(&text);
    let pressures = [50., 100., 150., 200., 250., 300., 400., 500., 600., 700., 850., 925., 1000.];
    let column = |garbage: f64| -> BTreeMap<&str, Vec<f64>> {
        let height = |p: f64| 1500.0 + 7800.0 * (850.0f64 / p).ln();
        let of = |value: &dyn Fn(f64) -> f64| -> Vec<f64> {
            pressures.iter().map(|p| if *p < 851.0 { value(*p) } else { garbage * value(*p) }).collect()
        };
        BTreeMap::from([
            ("t", of(&|p| (300.0 - 0.0078 * (height(p) - 1500.0)).max(210.0))),
            ("q", of(&|p| 0.013 * (p / 850.0).powi(3))),
            ("u", of(&|p| 5.0 + 0.003 * (height(p) - 1500.0))),
            ("v", of(&|p| 12.0 * (p / 850.0))),
            ("z", of(&|p| 9.80665 * height(p))),
            ("t2m", vec![301.0]),
            ("q2m", vec![0.014]),
            ("u10", vec![2.0]),
            ("v10", vec![8.0]),
            ("sp", vec![85_200.0]),
            ("orog", vec![1480.0]),
        ])
    };
    let value = |kernel: &str, fields: &BTreeMap<&str, Vec<f64>>| -> f64 {
        let kernel = module.kernel(kernel).expect("a kernel");
        let arrays: Vec<Array2<f64>> = kernel
            .inputs
            .iter()
            .map(|input| {
                let values =
                    fields.get(input.name.as_str()).unwrap_or_else(|| panic!("{}", input.name)).clone();
                Array2::from_shape_vec((values.len(), 1), values).expect("shape")
            })
            .collect();
        let views: Vec<_> = arrays.iter().map(|array| array.view()).collect();
        interpret(kernel, &views, 1).expect("interpreted")[0][[0, 0]]
    };
    let (as_it_is, otherwise) = (column(1.0), column(1.07));
    for name in ["a", "b", "c", "d", "e"] {
        let (one, other) = (value(name, &as_it_is), value(name, &otherwise));
        println!("{name}: {one}");
        assert!(one.is_finite() && one == other, "{name}: {one} and {other}");
    }
    assert!(value("d", &as_it_is) > 100.0);
}
