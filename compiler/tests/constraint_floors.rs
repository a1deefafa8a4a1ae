//! What std.constraints leaves on analyses: the floor of each relation, on the NAM and GFS fields of `data/cases3d`, with NCEP's own CAPE,
//! helicity and storm motion. A tolerance below its floor would ask a network to be better than the truth.
//!
//! The files are found through `$AURORAC_TEST_DATA`; without it the test says so and is skipped.

mod constraint_support;
#[path = "../../tests/src/npz.rs"]
mod npz;

use std::collections::BTreeMap;
use std::path::PathBuf;

use aurora_compiler::kernel::interpret::{Extent, interpret_on};
use constraint_support::{GAS_DRY, GRAVITY};
use ndarray::Array2;
use npz::Array;

const NAM: &str = "nam211_20180917T00_f000";
const GFS: [&str; 2] = ["gfs2p5_20111008_f072", "gfs2p5_20110110T12_f120"];

/// What can be asked of a file of columns, and what of one on a grid in metres.
const OF_COLUMNS: [&str; 10] = [
    "positive_humidity",
    "saturated",
    "hydrostatic",
    "hydrostatic_outside_storms",
    "cape_of_its_air",
    "cin_of_its_air",
    "inhibited",
    "lifted",
    "turning",
    "steered",
];
const OF_GRIDS: [&str; 3] = ["geostrophic", "thermal_wind", "continuity"];

/// Root mean squares in tolerances, as measured: relation, NAM, GFS 2011-10-08, GFS 2011-01-10; NaN where the file has no such field.
const FLOORS: [(&str, [f64; 3]); 13] = [
    ("positive_humidity", [0.0, 0.0, 0.0]),
    ("saturated", [0.196, 0.0, 0.0]),
    ("hydrostatic", [0.425, 0.305, 0.238]),
    ("hydrostatic_outside_storms", [0.425, 0.305, 0.238]),
    ("cape_of_its_air", [0.725, 0.714, 0.749]),
    ("cin_of_its_air", [0.819, 0.818, 0.726]),
    ("inhibited", [0.424, 0.608, 0.703]),
    ("lifted", [0.0, 0.0, 0.0]),
    ("turning", [0.002, 0.006, 0.001]),
    ("steered", [f64::NAN, 0.501, 0.643]),
    ("geostrophic", [0.499, f64::NAN, f64::NAN]),
    ("thermal_wind", [0.411, f64::NAN, f64::NAN]),
    ("continuity", [0.333, f64::NAN, f64::NAN]),
];

/// Of the grid, kernels know the spacing only.
const GRID: &str = "lambert(lat = 25 deg, lon = -95 deg, size = [96, 96], spacing = 81.2705 km)";

struct Case {
    arrays: BTreeMap<String, Array>,
    rows: usize,
    columns: usize,
    /// Pa, downwards in pressure.
    levels: Vec<f64>,
}

impl Case {
    fn open(path: &std::path::Path) -> Self {
        let arrays = npz::read(path).unwrap();
        let shape = arrays["t"].shape.clone();
        let levels: Vec<f64> =
            arrays["gh_levels_hPa"].values.iter().map(|p| p * 100.0).filter(|p| *p >= 100e2).collect();
        Case { arrays, rows: shape[1], columns: shape[2], levels }
    }

    fn is_nam(&self) -> bool {
        !self.arrays.keys().any(|key| key.starts_with("sfc/ustm"))
    }

    fn points(&self) -> usize {
        self.rows * self.columns
    }

    /// Row 0 in the north.
    fn placed(&self, values: &[f64]) -> Vec<f64> {
        let latitude = &self.arrays["sfc/lat"].values;
        if latitude[0] > latitude[(self.rows - 1) * self.columns] {
            return values.to_vec();
        }
        values.chunks(self.columns).rev().flatten().copied().collect()
    }

    /// A field on the shared levels, NaN where the file has none.
    fn column(&self, name: &str) -> Array2<f64> {
        let own = &self.arrays[&format!("{name}_levels_hPa")].values;
        let values = &self.arrays[name].values;
        let mut field = Array2::from_elem((self.levels.len(), self.points()), f64::NAN);
        for (level, p) in self.levels.iter().enumerate() {
            if let Some(place) = own.iter().position(|own| (own * 100.0 - p).abs() < 1.0) {
                let plane = self.placed(&values[place * self.points()..(place + 1) * self.points()]);
                field.row_mut(level).assign(&ndarray::Array1::from(plane));
            }
        }
        field
    }

    fn cell(&self, start: &str) -> Option<Array2<f64>> {
        let (_, array) = self.arrays.iter().find(|(key, _)| key.starts_with(start))?;
        Array2::from_shape_vec((1, self.points()), self.placed(&array.values)).ok()
    }

    /// By the names of the recipe. NAM has relative humidity over water, GFS over ice below -20 degC, and between in proportion.
    fn state(&self) -> BTreeMap<String, Array2<f64>> {
        let over_ice = !self.is_nam();
        let humid = |share: f64, t: f64, p: f64| {
            let (water, ice) = (
                611.2 * (17.67 * (t - 273.15) / (t - 29.65)).exp(),
                611.2 * (21.8746 * (t - 273.15) / (t - 7.66)).exp(),
            );
            let frozen = if over_ice { ((273.16 - t) / 20.0).clamp(0.0, 1.0) } else { 0.0 };
            let e = (share * (water + frozen * (ice - water))).min(0.5 * p);
            0.62195691 * e / (p - (1.0 - 0.62195691) * e)
        };
        let (t, share, sp) = (self.column("t"), self.column("r"), self.cell("sfc/sp|").unwrap());
        let q = Array2::from_shape_fn(t.dim(), |(level, point)| {
            humid(share[[level, point]] / 100.0, t[[level, point]], self.levels[level])
        });
        // NCEP's vertical wind is omega; that in m/s is what it is of air in hydrostatic balance.
        let omega = self.column("w");
        let w = Array2::from_shape_fn(t.dim(), |(level, point)| {
            let warmth = t[[level, point]] * (1.0 + 0.608 * q[[level, point]]);
            -omega[[level, point]] * GAS_DRY * warmth / (self.levels[level] * GRAVITY)
        });
        let t2m = self.cell("sfc/2t|").unwrap();
        let q2m = self.cell("sfc/2sh|").unwrap_or_else(|| {
            let share = self.cell("sfc/2r|").unwrap();
            Array2::from_shape_fn(t2m.dim(), |at| humid(share[at] / 100.0, t2m[at], sp[at]))
        });
        let absent = || Array2::from_elem((1, self.points()), f64::NAN);
        let radians = self.cell("sfc/lat").unwrap().mapv(f64::to_radians);
        [
            ("t", t),
            ("q", q),
            ("u", self.column("u")),
            ("v", self.column("v")),
            ("omega", omega),
            ("w", w),
            ("z", self.column("gh") * GRAVITY),
            ("t2m", t2m),
            ("q2m", q2m),
            ("sp", sp),
            ("latitude", radians),
            ("u10", self.cell("sfc/10u|").unwrap()),
            ("v10", self.cell("sfc/10v|").unwrap()),
            ("orog", self.cell("sfc/orog|").unwrap()),
            ("sbcape", self.cell("sfc/cape|surface|").unwrap()),
            ("sbcin", self.cell("sfc/cin|surface|").unwrap()),
            ("mucape", self.cell("sfc/cape|pressureFromGroundLayer|18000-0").unwrap()),
            ("srh3", self.cell("sfc/hlcy|heightAboveGroundLayer|3000-0").unwrap()),
            ("ustm", self.cell("sfc/ustm|").unwrap_or_else(absent)),
            ("vstm", self.cell("sfc/vstm|").unwrap_or_else(absent)),
            // The winds of the file blow along its grid.
            ("rotation_cosine", Array2::ones((1, self.points()))),
            ("rotation_sine", Array2::zeros((1, self.points()))),
        ]
        .into_iter()
        .map(|(name, field)| (name.to_string(), field))
        .collect()
    }

    /// The root mean square of each relation over all that lies above the ground, in tolerances.
    fn floors(&self, names: &[&str]) -> BTreeMap<String, f64> {
        let module = constraint_support::module(GRID, &self.levels, names);
        let state = self.state();
        let mut floors = BTreeMap::new();
        for name in names {
            let kernel = module.kernel(&format!("constraint.{name}")).unwrap();
            let inputs: Vec<_> = kernel.inputs.iter().map(|input| state[&input.name].view()).collect();
            let extent = Extent { rows: self.rows, columns: self.columns };
            let broken = interpret_on(kernel, &inputs, extent).unwrap().remove(0);
            let above = |level: usize, point: usize| {
                // A layer is above the ground if its lower level is.
                let lower = if name.starts_with("hydrostatic") { level.saturating_sub(1) } else { level };
                broken.nrows() == 1 || self.levels[lower] < state["sp"][[0, point]] - 1e3
            };
            let inside = |point: usize| {
                let (row, column) = (point / self.columns, point % self.columns);
                !kernel.is_stencil() || row % (self.rows - 1) != 0 && column % (self.columns - 1) != 0
            };
            let squares: Vec<f64> = broken
                .indexed_iter()
                .filter(|((level, point), value)| {
                    value.is_finite() && above(*level, *point) && inside(*point)
                })
                .map(|(_, value)| value * value)
                .collect();
            if !squares.is_empty() {
                let mean = squares.iter().sum::<f64>() / squares.len() as f64;
                floors.insert((*name).to_string(), mean.sqrt());
            }
        }
        floors
    }
}

#[test]
fn no_tolerance_is_below_its_floor() {
    let Some(root) = std::env::var_os("AURORAC_TEST_DATA").map(PathBuf::from) else {
        println!("skipped: $AURORAC_TEST_DATA is not set");
        return;
    };
    let open = |name: &str| Case::open(&root.join(format!("data/cases3d/{name}.npz")));
    let all: Vec<&str> = OF_COLUMNS.into_iter().chain(OF_GRIDS).collect();
    let mut measured = vec![open(NAM).floors(&all)];
    measured.extend(GFS.map(|name| open(name).floors(&OF_COLUMNS)));
    for name in &all {
        let found: Vec<String> = measured
            .iter()
            .map(|floors| floors.get(*name).map_or("      -".into(), |floor| format!("{floor:7.3}")))
            .collect();
        println!("{name:<20} {}", found.join(" "));
    }
    assert_eq!(FLOORS.map(|(name, _)| name).to_vec(), all);
    for (name, floors) in FLOORS {
        for (found, floor) in measured.iter().map(|found| found.get(name).copied()).zip(floors) {
            match found {
                None => assert!(floor.is_nan(), "{name} was not measured"),
                Some(found) => {
                    assert!((found - floor).abs() <= 0.02 * floor + 1e-3, "{name}: {found}, not {floor}");
                    assert!(found < 1.0, "{name} asks for more than analyses have");
                }
            }
        }
    }
}

/// Composites of HRRR and of MRMS: the strongest echo of each file, as ecCodes reads it, is within the limit.
#[test]
fn no_echo_is_beyond_the_limit() {
    let Some(root) = std::env::var_os("AURORAC_TEST_DATA").map(PathBuf::from) else {
        println!("skipped: $AURORAC_TEST_DATA is not set");
        return;
    };
    let reference = std::fs::read_to_string(root.join("data/REFERENCE.json")).unwrap();
    let reference: serde_json::Value = serde_json::from_str(&reference).unwrap();
    let module = constraint_support::module(GRID, &[1000e2, 500e2], &["echo_limit"]);
    let kernel = module.kernel("constraint.echo_limit").unwrap();
    for name in [
        "hrrr/hrrr.wrfsubhf.sample.grib2",
        "mrms/MRMS_MergedReflectivityQCComposite_00.50_20220704-110040.grib2",
    ] {
        let strongest = reference[name]["messages"][0]["max"].as_f64().unwrap();
        let broken = |echo: f64| {
            let echo = Array2::from_elem((1, 1), echo);
            interpret_on(kernel, &[echo.view()], Extent { rows: 1, columns: 1 }).unwrap()[0][[0, 0]]
        };
        println!("{name}: {strongest} dBZ");
        assert!(strongest > 60.0 && broken(strongest) == 0.0 && broken(80.0) == 1.0);
    }
}
