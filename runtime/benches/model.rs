//! Milliseconds of Aurora's forward and backward pass in a small training configuration.
//!
//! `cargo run --release --example aurora_speed [threads]`

use std::collections::BTreeMap;
use std::time::Instant;

use aurora_compiler::plan::model::ModelPlan;
use aurora_runtime::model::{Aurora, Batch, Coordinates};
use burn::module::Module;
use burn::tensor::{Device, Tensor, TensorData};

#[global_allocator]
static ALLOCATOR: mimalloc::MiMalloc = mimalloc::MiMalloc;

const SIDE: usize = 64;
const SAMPLES: usize = 4;
const ROUNDS: usize = 8;

fn main() {
    let threads = std::env::args().nth(1).and_then(|text| text.parse().ok()).unwrap_or(2);
    if let Err(error) = rayon::ThreadPoolBuilder::new().num_threads(threads).build_global() {
        println!("threads: {error}");
    }
    let plan = plan();
    println!(
        "{} parameters, {:.2} GFLOP forward for a batch of {SAMPLES}, {threads} threads",
        plan.parameters().total,
        plan.forward_flops() * SAMPLES as f64 / 1e9
    );
    let device = Device::flex().autodiff();
    let model = match Aurora::new(&plan, 1, &device) {
        Ok(model) => model,
        Err(error) => return println!("{error}"),
    };
    let inference = model.valid();
    let batch = batch(&plan, &Device::flex());
    measure("forward, no gradient", || {
        if let Ok(prediction) = inference.forward_normalised(&batch) {
            let _: f32 = prediction.surface.mean().into_scalar();
        }
    });
    measure("forward and backward", || {
        if let Ok(prediction) = model.forward_normalised(&batch) {
            let loss = prediction.surface.abs().mean() + prediction.atmosphere.abs().mean();
            std::hint::black_box(loss.backward());
        }
    });
}

/// Best and median of some rounds.
fn measure(what: &str, mut action: impl FnMut()) {
    action();
    let mut times: Vec<f64> = (0..ROUNDS)
        .map(|_| {
            let start = Instant::now();
            action();
            start.elapsed().as_secs_f64() * 1e3
        })
        .collect();
    times.sort_by(f64::total_cmp);
    println!("{what}: best {:.1} ms, median {:.1} ms", times[0], times[ROUNDS / 2]);
}

fn plan() -> ModelPlan {
    let names = |list: &[&str]| list.iter().map(|name| name.to_string()).collect();
    ModelPlan {
        surface: names(&["2t", "10u", "10v", "msl", "refc"]),
        statics: names(&["z"]),
        height: SIDE,
        width: SIDE,
        window: [2, 4, 4],
        encoder_depths: vec![2, 2],
        encoder_heads: vec![4, 8],
        decoder_depths: vec![2, 2],
        decoder_heads: vec![8, 4],
        embed_dim: 64,
        num_heads: 4,
        timestep: 1.0,
        wrap: false,
        ..ModelPlan::pretrained()
    }
}

fn batch(plan: &ModelPlan, device: &Device) -> Batch {
    let field = |count: usize, seed: usize| -> Vec<f32> {
        (0..count).map(|index| ((index * 37 + seed * 101) % 1009) as f32 / 504.5 - 1.0).collect()
    };
    let tensor = |shape: &[usize], seed| TensorData::new(field(shape.iter().product(), seed), shape.to_vec());
    let surface = plan.surface.iter().enumerate().map(|(seed, name)| {
        (name.clone(), Tensor::from_data(tensor(&[SAMPLES, 2, SIDE, SIDE], seed), device))
    });
    let atmosphere = plan.atmosphere.iter().enumerate().map(|(seed, name)| {
        let shape = [SAMPLES, 2, plan.levels.len(), SIDE, SIDE];
        (name.clone(), Tensor::from_data(tensor(&shape, seed), device))
    });
    let line = |start: f32, step: f32| (0..SIDE).map(|index| start + step * index as f32).collect();
    Batch {
        surface: surface.collect(),
        statics: BTreeMap::from([("z".into(), Tensor::from_data(tensor(&[SIDE, SIDE], 9), device))]),
        atmosphere: atmosphere.collect(),
        latitude: Coordinates::vector(line(45.0, -0.05)),
        longitude: Coordinates::vector(line(260.0, 0.05)),
        time: vec![1_590_000_000; SAMPLES],
        levels: plan.levels.clone(),
        rollout_step: 0,
    }
}
