//! `predict` from Microsoft's files: the outputs of each fixture, from its recipe, its checkpoint and its batch.

use std::path::{Path, PathBuf};

use aurora_tests::{Place, fixture};
use serde_json::Value;

use super::files::File;

#[test]
fn fixtures_are_forecast_from_their_recipes() {
    let mut folders = vec![Path::new(env!("CARGO_MANIFEST_DIR")).join("fixtures/aurora")];
    for (variable, below) in [("AURORAC_TEST_DATA", "fixtures/aurora"), ("AURORAC_EXTRA_FIXTURES", "aurora")]
    {
        match std::env::var_os(variable) {
            Some(folder) => folders.push(PathBuf::from(folder).join(below)),
            None => println!("skipped: ${variable} is not set"),
        }
    }
    let mut wrong = Vec::new();
    for folder in folders {
        let files =
            std::fs::read_dir(&folder).unwrap_or_else(|error| panic!("{}: {error}", folder.display()));
        let mut names: Vec<String> = files
            .filter_map(|file| Some(file.ok()?.file_name().to_str()?.strip_suffix(".ckpt")?.to_string()))
            .collect();
        names.sort();
        assert!(!names.is_empty(), "no case in {}", folder.display());
        for name in names {
            match forecast(&folder, &name) {
                Ok(said) => println!("{name}: {said}"),
                Err(reason) => {
                    println!("{name}: FAILED: {reason}");
                    wrong.push(name);
                }
            }
        }
    }
    assert!(wrong.is_empty(), "{wrong:?}");
}

/// Forecasts a fixture and compares all its outputs.
fn forecast(folder: &Path, name: &str) -> Result<String, String> {
    let place = Place::empty();
    let made = fixture::write(folder, name, &place.path(""))?;
    let said = place.run(&made.arguments("forecast.safetensors"));
    if said.status.code() != Some(0) {
        return Err(said.stderr);
    }
    let info: Value = serde_json::from_str(&place_text(folder, name)).map_err(|error| error.to_string())?;
    let expected = File::read(&folder.join(format!("{name}.io.safetensors")));
    let forecast = File::read(&place.path("forecast.safetensors"));
    let calls = info["predictions"].as_array().map_or(1, Vec::len);
    let (mut count, mut worst) = (0, 0f32);
    for (key, (shape, want)) in &expected.tensors {
        let Some((step, variable)) = key.strip_prefix("out.").and_then(|rest| rest.split_once('.')) else {
            continue;
        };
        let step: usize = step.parse().map_err(|_| format!("`{key}`"))?;
        let prefix = if calls > 1 { format!("step{}.", step + 1) } else { String::new() };
        let found = forecast.tensors.get(&format!("{prefix}{variable}"));
        let (_, have) = found.ok_or_else(|| format!("no `{prefix}{variable}` in the forecast"))?;
        let (_, normalised) = &expected.tensors[&format!("norm_out.{step}.{variable}")];
        let off =
            compare(variable, shape, have, want, normalised).map_err(|reason| format!("{key}: {reason}"))?;
        (count, worst) = (count + 1, worst.max(off));
    }
    if count == 0 {
        return Err("no outputs to compare".to_string());
    }
    Ok(format!("{count} fields, worst {worst:.2} of the tolerance"))
}

fn place_text(folder: &Path, name: &str) -> String {
    std::fs::read_to_string(folder.join(format!("{name}.json"))).unwrap_or_default()
}

/// The greatest difference, as a share of what is allowed: 1e-4·max(1, max|normalised|/10) times the scale of the
/// variable, which is told by physical and normalised values side by side, beside the rounding of values such as
/// 100 000 Pa. Angles are compared modulo 360.
fn compare(
    variable: &str,
    shape: &[usize],
    have: &[f32],
    want: &[f32],
    normalised: &[f32],
) -> Result<f32, String> {
    if have.len() != want.len() {
        return Err(format!("{} values instead of {}", have.len(), want.len()));
    }
    let angle = ["mwd", "mdww", "mdts", "mwd1", "mwd2"].iter().any(|name| variable == format!("surf.{name}"));
    let greatest = |values: &[f32]| {
        values.iter().filter(|value| value.is_finite()).fold(0f32, |most, value| most.max(value.abs()))
    };
    let (size, norm) = (greatest(want), greatest(normalised));
    let scale = if angle { 1.0 } else { scale(shape, want, normalised) };
    // An angle of degrees from sine and cosine near 1: the normalised tolerance, in degrees.
    let tolerance = if angle { 1e-2 } else { scale * 1e-4 * (norm / 10.0).max(1.0) + size * 2e-7 };
    let mut worst = 0f32;
    for (at, (have, want)) in have.iter().zip(want).enumerate() {
        if have.is_finite() != want.is_finite() {
            return Err(format!("{have} instead of {want} at {at}"));
        }
        if !want.is_finite() {
            continue;
        }
        let off = (have - want).abs();
        worst = worst.max(if angle { off.min(360.0 - off) } else { off });
    }
    match worst <= tolerance {
        true => Ok(worst / tolerance),
        false => Err(format!("off by {worst:e}, allowed {tolerance:e} (values up to {size})")),
    }
}

/// How much a physical value changes with a normalised one, on the level where that is most: on each between the two
/// values that lie farthest apart. The accumulations of Aurora 1.5, which are logarithmic, change most where they are
/// greatest.
fn scale(shape: &[usize], physical: &[f32], normalised: &[f32]) -> f32 {
    let plane: usize = shape[shape.len().saturating_sub(2)..].iter().product();
    let planes = physical.chunks(plane.max(1)).zip(normalised.chunks(plane.max(1)));
    let of = |(physical, normalised): (&[f32], &[f32])| {
        let pairs =
            || physical.iter().zip(normalised).filter(|(one, two)| one.is_finite() && two.is_finite());
        let least = pairs().min_by(|one, two| one.1.total_cmp(two.1));
        let most = pairs().max_by(|one, two| one.1.total_cmp(two.1));
        match (least, most) {
            (Some(least), Some(most)) if most.1 > least.1 => (most.0 - least.0).abs() / (most.1 - least.1),
            _ => 0.0,
        }
    };
    planes.map(of).fold(0.0, f32::max)
}
