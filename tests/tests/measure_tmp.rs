use aurora_compiler::plan::model::ModelPlan;
use aurora_runtime::model::*;
use burn::tensor::{DType, Device, Tensor, TensorData};
use std::collections::BTreeMap;
#[global_allocator]
static A: mimalloc::MiMalloc = mimalloc::MiMalloc;
fn stat(what: &str) -> f64 {
    let text = std::fs::read_to_string("/proc/self/status").unwrap();
    text.lines()
        .find(|l| l.starts_with(what))
        .unwrap()
        .split_whitespace()
        .nth(1)
        .unwrap()
        .parse::<f64>()
        .unwrap()
        / 1e6
}
fn cpu() -> f64 {
    let t = std::fs::read_to_string("/proc/self/stat").unwrap();
    let f: Vec<&str> = t.rsplit(')').next().unwrap().split_whitespace().collect();
    (f[11].parse::<f64>().unwrap() + f[12].parse::<f64>().unwrap()) / 100.0
}
#[test]
#[ignore]
fn measure() {
    let recompute = std::env::var("REC").is_ok();
    let steps: usize = std::env::var("STEPS").map(|s| s.parse().unwrap()).unwrap_or(1);
    let levels: usize = std::env::var("LEVELS").map(|s| s.parse().unwrap()).unwrap_or(4);
    let mut plan = ModelPlan::small();
    (plan.height, plan.width) = (64, 128);
    plan.levels =
        [100., 250., 500., 850., 50., 150., 200., 300., 400., 600., 700., 925., 1000.][..levels].to_vec();
    let (h, w, a) = (64, 128, levels);
    let device = Device::flex().autodiff();
    let model = Aurora::new(&plan, 5, &device).unwrap();
    let f = |n: usize, s: usize| {
        (0..n).map(|i| ((i * 7919 + s * 104729) % 2003) as f32 / 1000.0 - 1.0).collect::<Vec<_>>()
    };
    let mut surface = BTreeMap::new();
    for (i, n) in plan.surface.iter().enumerate() {
        surface.insert(n.clone(), Tensor::from_data(TensorData::new(f(2 * h * w, i), [1, 2, h, w]), &device));
    }
    let mut atmosphere = BTreeMap::new();
    for (i, n) in plan.atmosphere.iter().enumerate() {
        atmosphere.insert(
            n.clone(),
            Tensor::from_data(TensorData::new(f(2 * h * w * a, i), [1, 2, a, h, w]), &device),
        );
    }
    let mut statics = BTreeMap::new();
    for (i, n) in plan.statics.iter().enumerate() {
        statics.insert(n.clone(), Tensor::from_data(TensorData::new(f(h * w, i), [h, w]), &device));
    }
    let line = |x: f32, y: f32, n: usize| {
        (0..n).map(|i| x + (y - x) * i as f32 / (n - 1) as f32).collect::<Vec<_>>()
    };
    let batch = Batch {
        surface,
        statics,
        atmosphere,
        latitude: Coordinates::vector(line(80., -80., h)),
        longitude: Coordinates::vector(line(0., 355., w)),
        time: vec![1_590_000_000],
        levels: plan.levels.clone(),
        rollout_step: 0,
    };
    let half = std::env::var("HALF").is_ok();
    let mode = Mode {
        recomputation: recompute.then(|| Recomputation::new(model.names())),
        precision: if half { DType::BF16 } else { DType::F32 },
        ..Mode::default()
    };
    let before = stat("VmRSS");
    let mut times = Vec::new();
    for _ in 0..3 {
        let (c, t) = (cpu(), std::time::Instant::now());
        let mut input = batch.clone();
        let mut loss = Tensor::<1>::zeros([1], &device);
        for _ in 0..steps {
            let p = model.forward_in(&input, &[6.0], &mode).unwrap();
            loss =
                loss + p.surface.clone().powi_scalar(2).mean() + p.atmosphere.clone().powi_scalar(2).mean();
            let new = p.into_batch();
            for (n, x) in &mut input.surface {
                *x = Tensor::cat(vec![x.clone().narrow(1, 1, 1), new.surface[n].clone()], 1);
            }
            for (n, x) in &mut input.atmosphere {
                *x = Tensor::cat(vec![x.clone().narrow(1, 1, 1), new.atmosphere[n].clone()], 1);
            }
            input.rollout_step = new.rollout_step;
        }
        let forward = stat("VmRSS");
        let mut g = ParameterGradients::from_burn(&model, loss.backward());
        if let Some(r) = &mode.recomputation {
            g.add(r.take());
        }
        times.push((cpu() - c, t.elapsed().as_secs_f64(), forward, g.norm()));
    }
    println!(
        "recompute {recompute} steps {steps} levels {levels}: before {before:.2} GB, peak {:.2} GB, (cpu, wall, rss after forward, norm) {times:.2?}",
        stat("VmHWM")
    );
}
