//! `aurorac profile`: measures this machine in about ten seconds and writes `machine.toml`, from which `plan`
//! estimates times and memory.

use std::time::{Duration, Instant};

use aurora_compiler::plan::model::ModelPlan;
use aurora_compiler::site::MachineProfile;
use burn::tensor::{Device, Tensor, TensorData};

use crate::model::{Aurora, Batch, Coordinates};
use crate::run::Failure;
use crate::site::Site;
use crate::{device, durable};

/// How long each measurement lasts at least.
const LONG_ENOUGH: Duration = Duration::from_millis(1500);
/// Rows and columns of the matrices that are multiplied.
const SIDE: usize = 1024;
/// Bytes copied at a time: beyond any cache.
const COPIED: usize = 256 << 20;
/// Side of the grid of the small Aurora, and its samples.
const GRID: usize = 64;
const SAMPLES: usize = 2;

pub fn run() -> Result<(), Failure> {
    let site = Site::find(None).map_err(Failure::because)?;
    if let Some(threads) = site.threads() {
        // A pool that is there already is as good.
        let _ = rayon::ThreadPoolBuilder::new().num_threads(threads).build_global();
    }
    let device = device::open(site.device()).map_err(Failure::because)?;
    let products = products(&device);
    let copies = copies();
    let model = small_aurora(&device)?;
    let profile = MachineProfile {
        device: site.device().to_string(),
        memory_bytes: (site.device() == "cpu").then(memory).flatten(),
        flops_per_second: Some(products),
        model_flops_per_second: Some(model),
        bytes_per_second: (site.device() == "cpu").then_some(copies),
        ..MachineProfile::default()
    };
    let path = site.profile();
    durable::write(&path, written(&profile).as_bytes())?;
    let giga = 1e9;
    super::print(&format!(
        "matrix products       {:8.1} GFLOP/s\nAurora, both ways     {:8.1} GFLOP/s\nmemory, read + write  {:8.1} \
         GB/s\nwritten to {}\n",
        products / giga,
        model / giga,
        copies / giga,
        path.display()
    ))
}

/// The profile as TOML, with a word about each number.
fn written(profile: &MachineProfile) -> String {
    let line = |name: &str, value: Option<f64>| match value {
        Some(value) => format!("{name} = {value:.0}.0\n"),
        None => String::new(),
    };
    let memory = profile.memory_bytes.map_or(String::new(), |bytes| format!("memory_bytes = {bytes}\n"));
    format!(
        "# Measured by `aurorac profile`; `aurorac plan` reads it.\ndevice = \"{}\"\n{memory}{}{}{}",
        profile.device,
        line("flops_per_second", profile.flops_per_second),
        line("model_flops_per_second", profile.model_flops_per_second),
        line("bytes_per_second", profile.bytes_per_second),
    )
}

/// Repeats an action until it has lasted long enough, after one round to warm up; seconds a round.
fn seconds(mut action: impl FnMut()) -> f64 {
    action();
    let (start, mut rounds) = (Instant::now(), 0);
    while rounds == 0 || start.elapsed() < LONG_ENOUGH {
        action();
        rounds += 1;
    }
    start.elapsed().as_secs_f64() / f64::from(rounds)
}

/// Operations a second in products of square matrices of 32-bit numbers.
fn products(device: &Device) -> f64 {
    let numbers = |seed: usize| -> Vec<f32> {
        (0..SIDE * SIDE).map(|index| ((index * 37 + seed) % 1009) as f32 / 1009.0).collect()
    };
    let matrix =
        |seed| -> Tensor<2> { Tensor::from_data(TensorData::new(numbers(seed), [SIDE, SIDE]), device) };
    let (one, other) = (matrix(1), matrix(2));
    let each = seconds(|| {
        // Reading one number waits for the whole product.
        let product = one.clone().matmul(other.clone());
        let _: f32 = std::hint::black_box(product.narrow(0, 0, 1).narrow(1, 0, 1).sum().into_scalar());
    });
    2.0 * (SIDE as f64).powi(3) / each
}

/// Bytes a second that are read and written when a long run of numbers is copied.
fn copies() -> f64 {
    let from = vec![1u8; COPIED];
    let mut to = vec![0u8; COPIED];
    let each = seconds(|| {
        to.copy_from_slice(&from);
        std::hint::black_box(&to);
    });
    2.0 * COPIED as f64 / each
}

/// Operations a second of a small Aurora, forward and backward together; the backward pass is twice the forward.
fn small_aurora(device: &Device) -> Result<f64, Failure> {
    let plan = plan();
    let device = device.clone().autodiff();
    let model = Aurora::new(&plan, 1, &device)?;
    let batch = batch(&plan, &device);
    let mut failed = None;
    let each = seconds(|| match model.forward_normalised(&batch) {
        Ok(prediction) => {
            let loss = prediction.surface.abs().mean() + prediction.atmosphere.abs().mean();
            let _: f32 = std::hint::black_box(loss.clone().into_scalar());
            std::hint::black_box(loss.backward());
        }
        Err(error) => failed = Some(error),
    });
    match failed {
        Some(error) => Err(error.into()),
        None => Ok(3.0 * plan.forward_flops() * SAMPLES as f64 / each),
    }
}

fn plan() -> ModelPlan {
    ModelPlan {
        height: GRID,
        width: GRID,
        window: [2, 4, 4],
        encoder_depths: vec![2, 2],
        encoder_heads: vec![4, 8],
        decoder_depths: vec![2, 2],
        decoder_heads: vec![8, 4],
        embed_dim: 128,
        num_heads: 4,
        timestep: 1.0,
        wrap: false,
        ..ModelPlan::pretrained()
    }
}

fn batch(plan: &ModelPlan, device: &Device) -> Batch {
    let field = |shape: &[usize], seed: usize| {
        let count = shape.iter().product::<usize>();
        let values: Vec<f32> =
            (0..count).map(|index| ((index * 37 + seed * 101) % 1009) as f32 / 504.5 - 1.0).collect();
        TensorData::new(values, shape.to_vec())
    };
    let (surface, levels) =
        ([SAMPLES, plan.history, GRID, GRID], [SAMPLES, plan.history, plan.levels.len(), GRID, GRID]);
    let line = |start: f32, step: f32| (0..GRID).map(|index| start + step * index as f32).collect();
    let named = |names: &[String]| names.iter().cloned().enumerate().collect::<Vec<_>>();
    Batch {
        surface: named(&plan.surface)
            .into_iter()
            .map(|(seed, name)| (name, Tensor::from_data(field(&surface, seed), device)))
            .collect(),
        statics: named(&plan.statics)
            .into_iter()
            .map(|(seed, name)| (name, Tensor::from_data(field(&[GRID, GRID], seed), device)))
            .collect(),
        atmosphere: named(&plan.atmosphere)
            .into_iter()
            .map(|(seed, name)| (name, Tensor::from_data(field(&levels, seed), device)))
            .collect(),
        latitude: Coordinates::vector(line(45.0, -0.05)),
        longitude: Coordinates::vector(line(260.0, 0.05)),
        time: vec![1_590_000_000; SAMPLES],
        levels: plan.levels.clone(),
        rollout_step: 0,
    }
}

/// Bytes of this machine's memory, where the system tells.
fn memory() -> Option<u64> {
    let text = std::fs::read_to_string("/proc/meminfo").ok()?;
    let line = text.lines().find_map(|line| line.strip_prefix("MemTotal:"))?;
    let kilobytes: u64 = line.trim().strip_suffix("kB")?.trim().parse().ok()?;
    kilobytes.checked_mul(1024)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_profile_is_read_as_it_was_written() {
        let profile = MachineProfile {
            device: "cpu".into(),
            memory_bytes: Some(16_000_000_000),
            flops_per_second: Some(2e11),
            model_flops_per_second: Some(5e10),
            bytes_per_second: Some(3e10),
            ..MachineProfile::default()
        };
        assert_eq!(toml::from_str::<MachineProfile>(&written(&profile)).unwrap(), profile);
    }
}
