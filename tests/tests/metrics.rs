//! Verification scores against reference values of an independent implementation.
//!
//! Cases are folders of `.npy` fields and a `case.json` whose `oracle` values were computed with numpy. Some are in
//! `tests/fixtures/metrics`; `AURORAC_TEST_DATA` and `AURORAC_EXTRA_FIXTURES` name folders with more.
//!
//! Tolerances: counts are equal. Ratios of counts differ by at most 1e-12 relative (the reference adds and divides
//! in another order); continuous scores by 1e-10, since the reference rounds in every addition and we do not.

use std::error::Error;
use std::fs;
use std::path::{Path, PathBuf};

use aurora_runtime::evaluate::{Contingency, Continuous, Counts, Fss, NeighbourhoodMaximum, Padding};
use ndarray::{Array2, ArrayView2, Axis};
use serde_json::Value;

type Result<T> = std::result::Result<T, Box<dyn Error>>;

const COUNTED: f64 = 1e-12;
const CONTINUOUS: f64 = 1e-10;
/// Absolute tolerance for differences of numbers near 1, where a relative one would ask for more than f64 has.
const ABSOLUTE: f64 = 1e-15;

#[test]
fn cases_in_the_repository() -> Result<()> {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("fixtures/metrics");
    let tally = run(&folders(&folder)?)?;
    assert!(tally.cases >= 7, "only {} cases found in {}", tally.cases, folder.display());
    Ok(())
}

#[test]
fn cases_of_the_test_data() -> Result<()> {
    let Some(root) = std::env::var_os("AURORAC_TEST_DATA").map(PathBuf::from) else {
        println!("skipped: AURORAC_TEST_DATA is not set");
        return Ok(());
    };
    let index: Value = serde_json::from_slice(&fs::read(root.join("fixtures/metrics/INDEX.json"))?)?;
    let names = index["visible"].as_array().ok_or("INDEX.json has no list \"visible\"")?;
    let mut cases = Vec::new();
    for name in names.iter().filter_map(Value::as_str) {
        let places = [root.join("fixtures/metrics").join(name), root.join("data/metrics").join(name)];
        let place = places.into_iter().find(|place| place.is_dir());
        cases.push(place.ok_or_else(|| format!("case {name} of INDEX.json is missing"))?);
    }
    run(&cases).map(drop)
}

#[test]
fn extra_cases() -> Result<()> {
    let Some(root) = std::env::var_os("AURORAC_EXTRA_FIXTURES").map(PathBuf::from) else {
        println!("skipped: AURORAC_EXTRA_FIXTURES is not set");
        return Ok(());
    };
    let folder = root.join("metrics");
    if !folder.is_dir() {
        println!("skipped: no metrics cases in AURORAC_EXTRA_FIXTURES");
        return Ok(());
    }
    run(&folders(&folder)?).map(drop)
}

#[derive(Debug, Default)]
struct Tally {
    cases: usize,
    values: usize,
    problems: Vec<String>,
}

/// Runs every case, then fails with all differences at once.
fn run(cases: &[PathBuf]) -> Result<Tally> {
    let mut tally = Tally::default();
    let mut other = Vec::new();
    for folder in cases {
        let name = folder.file_name().unwrap_or_default().to_string_lossy().into_owned();
        let case: Value = serde_json::from_slice(&fs::read(folder.join("case.json"))?)?;
        match case["kind"].as_str() {
            Some("det2d") => fields(&mut tally, &name, folder, &case)?,
            Some("aggregate") => aggregate(&mut tally, &name, folder, &case)?,
            _ => {
                other.push(name);
                continue;
            }
        }
        tally.cases += 1;
    }
    println!("{} cases, {} values compared; of other kinds: {}", tally.cases, tally.values, other.join(" "));
    assert!(tally.problems.is_empty(), "{} differ:\n{}", tally.problems.len(), tally.problems.join("\n"));
    Ok(tally)
}

/// A case of one forecast and one observation.
fn fields(tally: &mut Tally, name: &str, folder: &Path, case: &Value) -> Result<()> {
    let (forecast, observation) = (plane(folder, "fcst.npy")?, plane(folder, "obs.npy")?);
    let expected = &case["expected"];
    let mut sums = Continuous::new();
    if folder.join("weights.npy").is_file() {
        let weights = Npy::read(&folder.join("weights.npy"))?.plane()?;
        sums.add_weighted(forecast.view(), observation.view(), weights.view())?;
    } else {
        sums.add(forecast.view(), observation.view())?;
    }
    continuous(tally, name, &expected["continuous"]["oracle"], &sums);
    let tables = expected["contingency"].as_object().ok_or("no contingency tables")?;
    for (text, table) in tables {
        let threshold: f64 = text.parse()?;
        let label = format!("{name} >= {text}");
        let mut contingency = Contingency::new(threshold)?;
        contingency.add(forecast.view(), observation.view())?;
        counted(tally, &label, &table["ge"]["oracle"]["counts"], &contingency.counts());
        ratios(tally, &label, &table["ge"]["oracle"]["scores"], &contingency.counts());
        for (width, values) in table["fss"].as_object().ok_or("no FSS")? {
            let label = format!("{label} width {width}");
            neighbourhood(
                tally,
                &label,
                values,
                forecast.view(),
                observation.view(),
                threshold,
                width.parse()?,
            )?;
        }
    }
    Ok(())
}

fn continuous(tally: &mut Tally, name: &str, expected: &Value, sums: &Continuous) {
    let values = [
        ("n", sums.valid() as f64),
        ("bias", sums.bias()),
        ("mae", sums.mae()),
        ("mse", sums.mse()),
        ("rmse", sums.rmse()),
        ("corr", sums.correlation()),
        ("std_ratio", sums.std_ratio()),
    ];
    for (key, value) in values {
        tally.compare(&format!("{name} {key}"), &expected[key], value, CONTINUOUS);
    }
}

fn counted(tally: &mut Tally, name: &str, expected: &Value, counts: &Counts) {
    let values = [
        ("hits", counts.hits),
        ("false_alarms", counts.false_alarms),
        ("misses", counts.misses),
        ("correct_negatives", counts.correct_negatives),
    ];
    for (key, value) in values {
        tally.values += 1;
        if expected[key].as_u64() != Some(value) {
            tally.problems.push(format!("{name} {key}: expected {}, found {value}", expected[key]));
        }
    }
}

fn ratios(tally: &mut Tally, name: &str, expected: &Value, counts: &Counts) {
    let values = [
        ("pod", counts.pod()),
        ("far", counts.far()),
        ("sr", counts.success_ratio()),
        ("pofd", counts.pofd()),
        ("csi", counts.csi()),
        ("fbias", counts.frequency_bias()),
        ("base_rate", counts.base_rate()),
        ("ets", counts.ets()),
        ("hss", counts.hss()),
        ("pss", counts.pss()),
        ("acc", counts.accuracy()),
        ("f1", counts.f1()),
        ("edi", counts.edi()),
        ("sedi", counts.sedi()),
    ];
    for (key, value) in values {
        tally.compare(&format!("{name} {key}"), &expected[key], value, COUNTED);
    }
}

fn neighbourhood(
    tally: &mut Tally,
    name: &str,
    expected: &Value,
    forecast: ArrayView2<'_, f32>,
    observation: ArrayView2<'_, f32>,
    threshold: f64,
    width: usize,
) -> Result<()> {
    let kinds = [
        (Padding::Zero, "oracle_zero"),
        (Padding::Interior, "oracle_interior"),
        (Padding::Masked, "oracle_masked"),
    ];
    for (padding, key) in kinds {
        let mut fss = Fss::new(threshold, width, padding)?;
        fss.add(forecast, observation)?;
        tally.compare(&format!("{name} {key}"), &expected[key], fss.fss(), COUNTED);
        if padding == Padding::Zero {
            let parts = &expected["oracle_zero_parts"];
            let [difference, forecast_square, observation_square] = fss.sums();
            tally.compare(&format!("{name} sum_diff2"), &parts["sum_diff2"], difference, COUNTED);
            tally.compare(&format!("{name} sum_f2"), &parts["sum_f2"], forecast_square, COUNTED);
            tally.compare(&format!("{name} sum_o2"), &parts["sum_o2"], observation_square, COUNTED);
            tally.compare(&format!("{name} boxes"), &parts["n"], fss.boxes() as f64, 0.0);
        }
    }
    if let Some(table) = expected.get("nbhd_max") {
        let mut maximum = NeighbourhoodMaximum::new(threshold, width)?;
        maximum.add(forecast, observation)?;
        counted(tally, &format!("{name} maximum"), &table["counts"], &maximum.counts());
    }
    Ok(())
}

/// Several samples: sums are pooled and the ratio taken at the end.
fn aggregate(tally: &mut Tally, name: &str, folder: &Path, case: &Value) -> Result<()> {
    let forecasts = Npy::read(&folder.join("fcst.npy"))?.cube()?;
    let observations = Npy::read(&folder.join("obs.npy"))?.cube()?;
    let weights = Npy::read(&folder.join("weights.npy"))?.plane()?;
    let expected = &case["expected"];
    let per_sample = expected["per_sample_counts"].as_array().ok_or("no counts by sample")?;
    // The description of the case: events at or above 35, boxes of 9 cells.
    let threshold = 35.0;
    let mut pooled = Contingency::new(threshold)?;
    let mut fss = Fss::new(threshold, 9, Padding::Zero)?;
    let mut continuous = Continuous::new();
    let samples = forecasts.axis_iter(Axis(0)).zip(observations.axis_iter(Axis(0)));
    for (index, (forecast, observation)) in samples.enumerate() {
        let mut one = Contingency::new(threshold)?;
        one.add(forecast, observation)?;
        counted(tally, &format!("{name} sample {index}"), &per_sample[index], &one.counts());
        pooled.merge(&one)?;
        let mut sums = Continuous::new();
        sums.add_weighted(forecast, observation, weights.view())?;
        continuous.merge(&sums);
        fss.add(forecast, observation)?;
    }
    counted(tally, name, &expected["pooled_counts"], &pooled.counts());
    ratios(tally, name, &expected["pooled"], &pooled.counts());
    tally.compare(&format!("{name} fss9"), &expected["fss9_pooled"], fss.fss(), COUNTED);
    let rmse = continuous.rmse();
    tally.compare(&format!("{name} rmse"), &expected["rmse_pooled_weighted"], rmse, CONTINUOUS);
    Ok(())
}

impl Tally {
    fn compare(&mut self, name: &str, expected: &Value, found: f64, relative: f64) {
        self.values += 1;
        let agrees = match number(expected) {
            Some(expected) if expected.is_nan() => found.is_nan(),
            Some(expected) => (found - expected).abs() <= relative * expected.abs() + ABSOLUTE,
            None => false,
        };
        if !agrees {
            self.problems.push(format!("{name}: expected {expected}, found {found}"));
        }
    }
}

/// A number of `case.json`; non-finite ones are strings.
fn number(value: &Value) -> Option<f64> {
    match value.as_str() {
        Some("nan") => Some(f64::NAN),
        Some("inf") => Some(f64::INFINITY),
        Some("-inf") => Some(f64::NEG_INFINITY),
        _ => value.as_f64(),
    }
}

/// The folders with a case, ordered by name.
fn folders(root: &Path) -> Result<Vec<PathBuf>> {
    let mut folders: Vec<PathBuf> =
        fs::read_dir(root)?.map(|entry| Ok(entry?.path())).collect::<std::io::Result<_>>()?;
    folders.retain(|folder| folder.join("case.json").is_file());
    folders.sort();
    Ok(folders)
}

fn plane(folder: &Path, name: &str) -> Result<Array2<f32>> {
    Ok(Npy::read(&folder.join(name))?.plane()?.mapv(|value| value as f32))
}

/// A `.npy` file of version 1: C order, little-endian f4, f8 or i4.
struct Npy {
    shape: Vec<usize>,
    values: Vec<f64>,
}

impl Npy {
    fn read(path: &Path) -> Result<Self> {
        let bytes = fs::read(path).map_err(|error| format!("{}: {error}", path.display()))?;
        if bytes.get(..8) != Some(b"\x93NUMPY\x01\x00") {
            return Err(format!("{} is not an npy file of version 1", path.display()).into());
        }
        let start = 10 + usize::from(u16::from_le_bytes([bytes[8], bytes[9]]));
        let header = std::str::from_utf8(&bytes[10..start])?;
        let data = &bytes[start..];
        if !header.contains("'fortran_order': False") {
            return Err(format!("{} is not in C order", path.display()).into());
        }
        let shape =
            header.split_once("'shape': (").and_then(|(_, rest)| rest.split_once(')')).ok_or("no shape")?.0;
        let shape: Vec<usize> = (shape.split(',').map(str::trim).filter(|part| !part.is_empty()))
            .map(str::parse)
            .collect::<std::result::Result<_, _>>()?;
        let values: Vec<f64> = if header.contains("'<f4'") {
            data.as_chunks::<4>().0.iter().map(|bytes| f64::from(f32::from_le_bytes(*bytes))).collect()
        } else if header.contains("'<f8'") {
            data.as_chunks::<8>().0.iter().map(|bytes| f64::from_le_bytes(*bytes)).collect()
        } else if header.contains("'<i4'") {
            data.as_chunks::<4>().0.iter().map(|bytes| f64::from(i32::from_le_bytes(*bytes))).collect()
        } else {
            return Err(format!("{}: unknown type in {header}", path.display()).into());
        };
        if values.len() != shape.iter().product::<usize>() {
            return Err(format!("{} is cut short", path.display()).into());
        }
        Ok(Self { shape, values })
    }

    fn plane(self) -> Result<Array2<f64>> {
        let [rows, columns] = self.shape[..] else { return Err("not two-dimensional".into()) };
        Ok(Array2::from_shape_vec((rows, columns), self.values)?)
    }

    fn cube(self) -> Result<ndarray::Array3<f32>> {
        let [samples, rows, columns] = self.shape[..] else { return Err("not three-dimensional".into()) };
        let values = self.values.into_iter().map(|value| value as f32).collect();
        Ok(ndarray::Array3::from_shape_vec((samples, rows, columns), values)?)
    }
}
