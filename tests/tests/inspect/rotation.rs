//! Winds along HRRR's grid, turned to earth-relative and back by the kernels of std.physics, as preparing a store runs them.

use std::collections::BTreeMap;
use std::path::PathBuf;

use aurora_compiler::plan::data::{GridPlan, Projection};
use aurora_compiler::plan::derivation::derivable;
use aurora_runtime::data::grid::Grid;
use aurora_runtime::data::kernels::Kernels;
use aurora_runtime::data::of_grid;
use aurora_runtime::data::source::Sources;
use ndarray::{Array3, ArrayView3};

use super::world::World;
use super::*;

const THERE_AND_BACK: &str = r#"
aurora 1.0
recipe turned "There and back"

use std.physics (eastward, northward, wind_x, wind_y)

variable ux : x_wind  on surface  from "x"
variable vy : y_wind  on surface  from "y"

derive east      : eastward_wind   on surface = eastward(ux, vy)
derive north     : northward_wind  on surface = northward(ux, vy)
derive along     : x_wind          on surface = wind_x(east, north)
derive across    : y_wind          on surface = wind_y(east, north)
"#;

/// The one field of a file, (1, H, W).
fn only(path: PathBuf) -> Array3<f32> {
    let sources = Sources::open(&[path]).expect("a file");
    let (found, offer) = sources.all().next().expect("a field");
    let time = offer.times.first().copied();
    sources.read(found, time).expect("values")
}

#[test]
fn winds_of_hrrr_are_turned_and_turned_back() {
    let Some(folder) = data() else { return };
    // U at 10 m, and the shear's second component of the same hour: two real fields of HRRR on its own axes.
    let along = only(folder.join("hrrr/hrrr.t06z.wrfsfcf01-UGRD.grib2"));
    let across = only(folder.join("hrrr/hrrr.t06z.wrfsfcf01-missing-zeros.grib2"));
    let grid = Grid::new(&GridPlan {
        name: "conus".into(),
        projection: Projection::Lambert { latitude: 38.5, longitude: -97.5 },
        width: 1799,
        height: 1059,
        spacing: 3000.0,
        southwest: Some([21.138_123, -122.719_528]),
    })
    .expect("a grid");
    let compiled = derivable("turned", THERE_AND_BACK, &World::new(), &[]);
    let (plan, module) = compiled.result.as_ref().unwrap_or_else(|| panic!("{:?}", compiled.complaint()));
    let kernels = Kernels::new(module, &plan.derived).expect("kernels");
    let inputs: BTreeMap<String, Array3<f32>> = plan
        .fields
        .iter()
        .map(|field| {
            let values = match field.from.as_str() {
                "x" => along.clone(),
                "y" => across.clone(),
                from => of_grid::values(from, &grid).expect("of the grid"),
            };
            (field.name.clone(), values)
        })
        .collect();
    let views: BTreeMap<String, ArrayView3<'_, f32>> =
        inputs.iter().map(|(name, values)| (name.clone(), values.view())).collect();
    let made = kernels.derive_all(&views).expect("winds");

    // There: against the rotation written out in double precision, with the angle sin(38.5°) (λ + 97.5°).
    let mut worst = 0.0f64;
    for ((_, row, column), east) in made["east"].indexed_iter() {
        let at = [0, row, column];
        let (x, y) = (f64::from(along[at]), f64::from(across[at]));
        let angle = 38.5f64.to_radians().sin() * (grid.longitude[[row, column]] - 262.5).to_radians();
        worst = worst.max((f64::from(*east) - (x * angle.cos() + y * angle.sin())).abs());
        worst = worst.max((f64::from(made["north"][at]) - (y * angle.cos() - x * angle.sin())).abs());
    }
    let range = |values: &Array3<f32>| {
        let ends = values.iter().fold((f32::MAX, f32::MIN), |ends, x| (ends.0.min(*x), ends.1.max(*x)));
        f64::from(ends.1 - ends.0)
    };
    let size = range(&along).max(range(&across));
    assert!(size > 20.0 && worst < 1e-6 * size, "{worst} of {size}");

    // And back: what the archive had.
    for (name, truth) in [("along", &along), ("across", &across)] {
        let worst = made[name].iter().zip(truth).map(|(a, b)| f64::from((a - b).abs())).fold(0.0, f64::max);
        println!("{name}: {worst:e} m/s of {} m/s", range(truth));
        assert!(worst < 1e-5 * range(truth), "{name}: {worst}");
    }
    let turned = (&made["east"] - &along).iter().map(|change| change.abs()).fold(0.0, f32::max);
    assert!(turned > 2.0, "a wind at the edge changes by its own size: {turned}");
}
