//! Analyses of NCEP's models with NCEP's own CAPE and helicity on the same grid (`.npz`): how well those of `std.severe`, and
//! their precipitable water, go with them.

use std::collections::BTreeMap;
use std::path::Path;

use aurora_tests::npz::{self, Array};

use crate::recipe::{Columns, Executor, fields};
use crate::report::Report;

/// What is compared: a field of `std.severe`, with the libraries `options`, and NCEP's own; at least how well they correlate where nothing
/// closer is known. NCEP's CAPE of 90 hPa above the ground is that of a mixed layer. That of 180 hPa is of the best of six layers of
/// 30 hPa, which no parcel here is: beside it stands MetPy's correlation, by MetPy's conventions.
struct Pair {
    field: &'static str,
    options: &'static [&'static str],
    theirs: &'static str,
    least: Option<f64>,
}

const fn pair(
    field: &'static str,
    options: &'static [&'static str],
    theirs: &'static str,
    least: Option<f64>,
) -> Pair {
    Pair { field, options, theirs, least }
}

const LIKE_METPY: &[&str] = &["std.constants.metpy", "std.severe.romps", "std.severe.bottom"];

const PAIRS: [Pair; 5] = [
    pair("srh3", &[], "sfc/hlcy|heightAboveGroundLayer|3000-0", Some(0.98)),
    pair("mlcape", &[], "sfc/cape|pressureFromGroundLayer|9000-0", Some(0.98)),
    pair("mlcape", LIKE_METPY, "sfc/cape|pressureFromGroundLayer|18000-0", None),
    pair("mucape", &[], "sfc/cape|pressureFromGroundLayer|18000-0", None),
    pair("pwat", &[], "sfc/pwat|", Some(0.99)),
];

/// Correlations of MetPy 1.7.1 (`tests/reference/ncep.py`) on the same columns, every seventh from the fourth on: ours may not be lower, but
/// for what single precision and an RK4 step in place of an adaptive one can do. The grids of GFS are of 2.5 degrees.
const METPY: [(&str, &str, &str, f64); 10] = [
    ("gfs2p5_20110110T12_f120", "srh3", "3000-0", 0.98778),
    ("gfs2p5_20110110T12_f120", "mlcape", "18000-0", 0.95340),
    ("gfs2p5_20110110T12_f120", "mucape", "18000-0", 0.93579),
    ("gfs2p5_20111008_f072", "srh3", "3000-0", 0.98543),
    ("gfs2p5_20111008_f072", "mlcape", "18000-0", 0.96029),
    ("gfs2p5_20111008_f072", "mucape", "18000-0", 0.93387),
    ("nam211_20180917T00_f000", "srh3", "3000-0", 0.99108),
    ("nam211_20180917T00_f000", "mlcape", "9000-0", 0.99265),
    ("nam211_20180917T00_f000", "mlcape", "18000-0", 0.94771),
    ("nam211_20180917T00_f000", "mucape", "18000-0", 0.97102),
];
const ROUNDING: f64 = 5e-4;

/// # Errors
/// A file that cannot be read, or has no level of what is wanted.
pub fn compare(path: &Path, executor: Executor, report: &mut Report) -> Result<(), String> {
    let name = path.file_stem().unwrap_or_default().to_string_lossy().into_owned();
    let arrays = npz::read(path)?;
    let columns = columns(&arrays)?;
    let mut compared = 0;
    for pair in &PAIRS {
        let Some((key, array)) = arrays.iter().find(|(key, _)| key.starts_with(pair.theirs)) else {
            continue;
        };
        let found = fields(&columns, pair.options, &[pair.field], executor);
        let every = correlation(found[pair.field].iter().zip(&array.values));
        let some = correlation(found[pair.field].iter().zip(&array.values).skip(3).step_by(7));
        let metpy = METPY.iter().find(|(case, field, theirs, _)| {
            *case == name && *field == pair.field && pair.theirs.ends_with(theirs)
        });
        let least = metpy.map(|(.., r)| r - ROUNDING).or(pair.least);
        let label = format!("{name} {}", pair.field);
        let what = format!("r = {some:.5} ({every:.5} of all columns) with {key}");
        compared += 1;
        match least {
            Some(least) => report.holds(&label, some >= least, &format!("{what}, at least {least:.4}")),
            None => println!("told    {label}: {what}"),
        }
    }
    if compared == 0 {
        return Err("holds neither helicity nor CAPE nor precipitable water".to_string());
    }
    Ok(())
}

/// The columns of a file: the ground, then every level that all fields have.
fn columns(arrays: &BTreeMap<String, Array>) -> Result<Columns, String> {
    let of = |key: &str| arrays.get(key).ok_or_else(|| format!("no {key}"));
    let surface = |start: &str| {
        let found = arrays.iter().find(|(key, _)| key.starts_with(start));
        found.map(|(_, array)| &array.values[..]).ok_or_else(|| format!("no {start}"))
    };
    let levels = |name: &str| of(&format!("{name}_levels_hPa")).map(|array| array.values.clone());
    let sets: Vec<Vec<f64>> = ["t", "gh", "u", "v", "r"].into_iter().map(levels).collect::<Result<_, _>>()?;
    let shared: Vec<f64> =
        sets[0].iter().copied().filter(|p| sets.iter().all(|set| set.contains(p))).collect();
    let (sp, orog) = (surface("sfc/sp|")?, surface("sfc/orog|")?);
    let (t2m, u10, v10) = (surface("sfc/2t|")?, surface("sfc/10u|")?, surface("sfc/10v|")?);
    let q2m = match surface("sfc/2sh|") {
        Ok(q) => q.to_vec(),
        Err(_) => {
            let rh = surface("sfc/2r|")?;
            (0..rh.len()).map(|cell| humidity(rh[cell], t2m[cell], sp[cell])).collect()
        }
    };
    let count = sp.len();
    let mut columns = Columns {
        levels: shared.len() + 1,
        count,
        p: sp.to_vec(),
        z: vec![0.0; count],
        t: t2m.to_vec(),
        td: q2m.clone(),
        u: u10.to_vec(),
        v: v10.to_vec(),
        humid: true,
    };
    for p in shared {
        let level = |which: usize, name: &str| -> Result<&[f64], String> {
            let at = sets[which].iter().position(|one| *one == p).unwrap_or(0);
            of(name)?.values.get(at * count..(at + 1) * count).ok_or_else(|| format!("{name} is too short"))
        };
        let (t, gh, u, v, r) =
            (level(0, "t")?, level(1, "gh")?, level(2, "u")?, level(3, "v")?, level(4, "r")?);
        let p = p * 100.0;
        for cell in 0..count {
            // Below the ground, or within it by its height: on the ground.
            let above = p < sp[cell] && gh[cell] > orog[cell];
            let choose = |level: f64, ground: f64| if above { level } else { ground };
            columns.p.push(choose(p, sp[cell]));
            columns.z.push(choose(gh[cell] - orog[cell], 0.0));
            columns.t.push(choose(t[cell], t2m[cell]));
            columns.td.push(choose(humidity(r[cell], t[cell], p), q2m[cell]));
            columns.u.push(choose(u[cell], u10[cell]));
            columns.v.push(choose(v[cell], v10[cell]));
        }
    }
    Ok(columns)
}

/// Specific humidity of a relative humidity in per cent.
fn humidity(rh: f64, t: f64, p: f64) -> f64 {
    let saturation = 611.2 * (17.67 * (t - 273.15) / (t - 29.65)).exp();
    let e = (rh / 100.0 * saturation).min(0.5 * p);
    let r = 0.621_98 * e / (p - e);
    r / (1.0 + r)
}

fn correlation<'a>(pairs: impl Iterator<Item = (&'a f64, &'a f64)>) -> f64 {
    let pairs: Vec<(f64, f64)> =
        pairs.map(|(a, b)| (*a, *b)).filter(|(a, b)| a.is_finite() && b.is_finite()).collect();
    let count = pairs.len() as f64;
    let mean = |of: &dyn Fn(&(f64, f64)) -> f64| pairs.iter().map(of).sum::<f64>() / count;
    let (ma, mb) = (mean(&|pair| pair.0), mean(&|pair| pair.1));
    let product = mean(&|pair| (pair.0 - ma) * (pair.1 - mb));
    let (va, vb) = (mean(&|pair| (pair.0 - ma).powi(2)), mean(&|pair| (pair.1 - mb).powi(2)));
    product / (va * vb).sqrt()
}
