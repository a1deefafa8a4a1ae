//! Analyses of NCEP's models with NCEP's own CAPE and helicity on the same grid (`.npz`): how well those of `std.severe`, and
//! their precipitable water, go with them.

use std::collections::BTreeMap;
use std::path::Path;

use aurora_tests::npz::{self, Array};

use crate::recipe::{Columns, Executor, fields};
use crate::report::Report;

/// Least correlations. Helicity and mixed-layer CAPE are the stage's; NCEP's layer is of 90 or 180 hPa, so that CAPE is asked of the
/// closest there is. Precipitable water of a column of 25 hPa and more between levels is no closer than this.
const LEAST: [(&str, f64); 3] = [("srh3", 0.99), ("cape", 0.98), ("pwat", 0.99)];

/// # Errors
/// A file that cannot be read, or has no level of what is wanted.
pub fn compare(path: &Path, executor: Executor, report: &mut Report) -> Result<(), String> {
    let name = path.file_stem().unwrap_or_default().to_string_lossy().into_owned();
    let arrays = npz::read(path)?;
    let columns = columns(&arrays)?;
    let surface =
        |start: &str| arrays.iter().find(|(key, _)| key.starts_with(start)).map(|(key, a)| (key, a));
    let mut pairs = Vec::new();
    for (what, field, starts) in [
        ("srh3", "srh3", &["sfc/hlcy|heightAboveGroundLayer|3000-0"][..]),
        (
            "cape",
            "mlcape",
            &["sfc/cape|pressureFromGroundLayer|9000-0", "sfc/cape|pressureFromGroundLayer|18000-0"],
        ),
        ("pwat", "pwat", &["sfc/pwat|"]),
    ] {
        if let Some((key, array)) = starts.iter().find_map(|start| surface(start)) {
            pairs.push((what, field, key.clone(), array));
        }
    }
    if pairs.is_empty() {
        return Err("holds neither helicity nor CAPE nor precipitable water".to_string());
    }
    let names: Vec<&str> = pairs.iter().map(|(_, field, _, _)| *field).collect();
    let found = fields(&columns, &[], &names, executor);
    for (what, field, key, array) in pairs {
        let least = LEAST.iter().find(|(name, _)| *name == what).map_or(0.98, |(_, least)| *least);
        let r = correlation(&found[field], &array.values);
        report.holds(
            &format!("{name} {field}"),
            r >= least,
            &format!("r = {r:.5} with {key}, at least {least}"),
        );
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

fn correlation(a: &[f64], b: &[f64]) -> f64 {
    let pairs: Vec<(f64, f64)> =
        a.iter().copied().zip(b.iter().copied()).filter(|(a, b)| a.is_finite() && b.is_finite()).collect();
    let count = pairs.len() as f64;
    let mean = |of: &dyn Fn(&(f64, f64)) -> f64| pairs.iter().map(of).sum::<f64>() / count;
    let (ma, mb) = (mean(&|pair| pair.0), mean(&|pair| pair.1));
    let product = mean(&|pair| (pair.0 - ma) * (pair.1 - mb));
    let (va, vb) = (mean(&|pair| (pair.0 - ma).powi(2)), mean(&|pair| (pair.1 - mb).powi(2)));
    product / (va * vb).sqrt()
}
