//! WRF output as an archive, against sums done here point by point in double precision.

use aurora_runtime::data::archive::{Archive, DataError};
use aurora_runtime::data::grid::Grid;
use aurora_runtime::data::wrf::{Wrf, hydrostatic};

use super::*;

fn open() -> Option<(Wrf, NetCdf)> {
    let path = data()?.join("netcdf3d/mercator_sample.nc");
    Some((Wrf::open(&path).expect("an archive"), NetCdf::open(&path).expect("readable")))
}

#[test]
fn it_offers_what_the_file_holds() {
    let Some((wrf, _)) = open() else { return };
    let times = wrf.times();
    assert_eq!(times.from.to_string(), "2005-08-28T12:00:00Z");
    assert_eq!((times.to.as_second() - times.from.as_second(), times.every), (9 * 3600, 3 * 3600));
    // The lowest centre of a cell anywhere lies between 950 and 925 hPa, in the hurricane; the highest
    // reaches just above 550 hPa.
    let hectopascals: Vec<_> = wrf.levels().iter().map(|level| level / 100.0).collect();
    assert_eq!(
        hectopascals,
        [550.0, 600.0, 650.0, 700.0, 750.0, 775.0, 800.0, 825.0, 850.0, 875.0, 900.0, 925.0]
    );
    let names: Vec<_> = wrf.fields().into_iter().map(|field| field.from).collect();
    assert_eq!(names.len(), 11, "{names:?}");
    for name in &names {
        let values = wrf.read(name, times.to).expect(name);
        assert!(values.iter().all(|value| value.is_finite()), "{name}");
        let levels = if name.contains(':') { 1 } else { 12 };
        assert_eq!(values.dim(), (levels, 48, 48), "{name}");
    }
    assert!(matches!(wrf.read("CAPE", times.to), Err(DataError::UnknownField { .. })));
    let later = times.to.checked_add(jiff::SignedDuration::from_hours(3)).expect("a time");
    assert!(matches!(wrf.read("TMP", later), Err(DataError::UnknownTime { .. })));
}

/// The projection written down for the grid, in round numbers that a recipe can repeat, gives the file's own
/// coordinates to 0.0003 degrees, 30 m of 9 km.
#[test]
fn its_grid_is_the_file_s() {
    let Some((wrf, file)) = open() else { return };
    let grid = wrf.grid();
    let ideal = Grid::new(&grid.plan).expect("a grid");
    let (north, east) = (file.read("XLAT").expect("XLAT"), file.read("XLONG").expect("XLONG"));
    for row in 0..48 {
        for column in 0..48 {
            let at = [row, column];
            assert_eq!(grid.latitude[at], north[[0, 47 - row, column]]);
            let longitude = east[[0, 47 - row, column]] + 360.0;
            assert!((grid.longitude[at] - longitude).abs() < 2e-5);
            assert!((ideal.latitude[at] - grid.latitude[at]).abs() < 3e-4);
            assert!((ideal.longitude[at] - grid.longitude[at]).abs() < 3e-4);
        }
    }
    assert!(grid.latitude[[0, 0]] > grid.latitude[[47, 0]]);
    println!("{:?}", grid.plan);
}

/// Every value of every field on levels, computed again from the file's variables: destaggering, potential
/// temperature, mixing ratio and interpolation written out for one column at a time. Tolerance: the f32 field
/// and result round by half a unit in the last place each, 1.2e-7 of the value, or of the larger neighbour
/// for winds that change sign.
#[test]
fn levels_against_sums_done_here() {
    let Some((wrf, file)) = open() else { return };
    let read = |name: &str| file.read(name).expect(name);
    let (t, p, pb, qv, u, v) = (read("T"), read("P"), read("PB"), read("QVAPOR"), read("U"), read("V"));
    let (ph, phb) = (read("PH"), read("PHB"));
    let exact = |name: &str, n: usize, k: usize, j: usize, i: usize| match name {
        "TMP" => (t[[n, k, j, i]] + 300.0) * ((p[[n, k, j, i]] + pb[[n, k, j, i]]) / 1e5).powf(2.0 / 7.0),
        "SPFH" => qv[[n, k, j, i]] / (1.0 + qv[[n, k, j, i]]),
        "UGRD" => 0.5 * (u[[n, k, j, i]] + u[[n, k, j, i + 1]]),
        "VGRD" => 0.5 * (v[[n, k, j, i]] + v[[n, k, j + 1, i]]),
        _ => {
            let face = |k: usize| ph[[n, k, j, i]] + phb[[n, k, j, i]];
            0.5 * (face(k) + face(k + 1)) / 9.80665
        }
    };
    let mut checked = 0;
    for n in 0..4 {
        let seconds = wrf.times().from.as_second() + 3 * 3600 * n as i64;
        let time = jiff::Timestamp::from_second(seconds).expect("a time");
        for name in ["TMP", "SPFH", "UGRD", "VGRD", "HGT"] {
            let ours = wrf.read(name, time).expect(name);
            for ((level, row, i), &value) in ours.indexed_iter() {
                let (target, j) = (wrf.levels()[level], 47 - row);
                let ln = |k: usize| (p[[n, k, j, i]] + pb[[n, k, j, i]]).ln();
                let k = (0..13).find(|&k| ln(k) >= target.ln() && ln(k + 1) <= target.ln()).expect("inside");
                let (low, high) = (exact(name, n, k, j, i), exact(name, n, k + 1, j, i));
                let share = (ln(k) - target.ln()) / (ln(k) - ln(k + 1));
                let theirs = low * (1.0 - share) + high * share;
                let size = low.abs().max(high.abs());
                assert!(
                    (f64::from(value) - theirs).abs() <= 1.3e-7 * size,
                    "{name} at {target} Pa, {row}, {i}: {value}, here {theirs}"
                );
                checked += 1;
            }
        }
    }
    println!("{checked} values");
}

#[test]
fn surface_fields_are_the_file_s_north_up() {
    let Some((wrf, file)) = open() else { return };
    for (name, variable) in
        [("TMP:2 m above ground", "T2"), ("UGRD:10 m above ground", "U10"), ("PRES:surface", "PSFC")]
    {
        let (ours, theirs) =
            (wrf.read(name, wrf.times().from).expect(name), file.read(variable).expect(variable));
        for ((_, row, column), &value) in ours.indexed_iter() {
            assert_eq!(value, theirs[[0, 47 - row, column]] as f32, "{name}");
        }
    }
    let q2 = file.read("Q2").expect("Q2")[[0, 47, 0]];
    let ours = wrf.read("SPFH:2 m above ground", wrf.times().from).expect("humidity")[[0, 0, 0]];
    assert_eq!(ours, (q2 / (1.0 + q2)) as f32);
}

/// The road for files without geopotential, tried on one that has it: WRF is not hydrostatic and its mean over
/// a layer is another, but over the file the two differ by less than 30 m anywhere and 5 m on average.
#[test]
fn hydrostatic_heights_agree_with_the_model_s() {
    let Some((_, file)) = open() else { return };
    let volume =
        |name: &str| file.read_at(name, 3).expect(name).into_dimensionality::<ndarray::Ix3>().expect(name);
    let area =
        |name: &str| file.read_at(name, 3).expect(name).into_dimensionality::<ndarray::Ix2>().expect(name);
    let pressure = volume("P") + volume("PB");
    let temperature = (volume("T") + 300.0) * pressure.mapv(|p| (p / 1e5).powf(2.0 / 7.0));
    let humidity = volume("QVAPOR").mapv(|r| r / (1.0 + r));
    let ours = hydrostatic(&pressure, &temperature, &humidity, &(area("HGT") * 9.81), &area("PSFC"));
    let faces = volume("PH") + volume("PHB");
    let (mut worst, mut sum) = (0.0f64, 0.0);
    for ((k, j, i), value) in ours.indexed_iter() {
        let metres = (value - 0.5 * (faces[[k, j, i]] + faces[[k + 1, j, i]])).abs() / 9.81;
        worst = worst.max(metres);
        sum += metres;
    }
    let mean = sum / ours.len() as f64;
    println!("heights differ by {mean:.2} m on average, {worst:.2} m at most");
    assert!(worst < 30.0 && mean < 5.0, "{mean} {worst}");
}
