//! One process: builds the model, does its work a few times, and prints what that took.

use std::collections::BTreeMap;
use std::time::Instant;

use aurora_compiler::plan::model::ModelPlan;
use aurora_compiler::plan::training::{AdamW, Schedule, Shape};
use aurora_runtime::model::{
    Aurora, Batch, Coordinates, Mode, ParameterGradients, Prediction, Recomputation,
};
use aurora_runtime::train::optimiser::Optimiser;
use burn::tensor::{Device, Tensor, TensorData};

use super::table::{ADAMW, CLIPPED, FORWARD, Measured, RECOMPUTED, TRAINING, median};

/// Timed passes of a process, after one that is not.
const PASSES: usize = 3;
/// AdamW is short: so many steps are one pass.
const STEPS: usize = 10;

/// Steps of training as a run makes them, and the same with recomputation: for the peak of memory.
pub const STEP: &str = "step";
pub const STEP_RECOMPUTED: &str = "step-recomputed";

/// `WORK HEIGHT WIDTH LEVELS [PASSES [SAMPLES]]`.
pub fn run(arguments: &[String]) -> Result<String, String> {
    let number = |at: usize| arguments.get(at).and_then(|text| text.parse::<usize>().ok());
    let (Some(work), Some(height), Some(width), Some(levels)) =
        (arguments.first(), number(1), number(2), number(3))
    else {
        return Err("child WORK HEIGHT WIDTH LEVELS [PASSES [SAMPLES]]".to_string());
    };
    let (passes, samples) = (number(4).unwrap_or(PASSES), number(5).unwrap_or(1));
    aurora_runtime::memory::keep_freed();
    let mut plan = ModelPlan { height, width, ..ModelPlan::small() };
    if levels < plan.levels.len() {
        plan.levels = vec![250.0, 500.0, 700.0, 850.0][..levels.min(4)].to_vec();
    }
    let measured = match work.as_str() {
        FORWARD => {
            let device = Device::flex();
            let batch = batch(&plan, samples, &device);
            let model = Aurora::new(&plan, 1, &device).map_err(|error| error.to_string())?;
            measure(passes, || model.forward_normalised(&batch).map(|y| loss(y).into_scalar::<f32>()))?
        }
        TRAINING | RECOMPUTED | STEP | STEP_RECOMPUTED => training(&plan, work, passes, samples)?,
        ADAMW | CLIPPED => optimiser(&plan, passes, work == CLIPPED)?,
        other => return Err(format!("there is no work `{other}`")),
    };
    let Measured { wall, processor, peak } = measured;
    Ok(format!("measured {wall} {processor} {peak}"))
}

fn training(plan: &ModelPlan, work: &str, passes: usize, samples: usize) -> Result<Measured, String> {
    let device = Device::flex();
    let batch = batch(plan, samples, &device);
    let model = Aurora::new(plan, 1, &device.autodiff()).map_err(|error| error.to_string())?;
    let again = matches!(work, RECOMPUTED | STEP_RECOMPUTED);
    let recomputation = again.then(|| Recomputation::new(model.names()));
    let lead = vec![plan.timestep as f32; samples];
    let mode = Mode { recomputation: recomputation.clone(), ..Mode::default() };
    let (mut optimiser, settings, mut slot) = (Optimiser::default(), settings(None), Some(model));
    measure(passes, || {
        let Some(model) = slot.take() else { return Ok(()) };
        let gradients = loss(model.forward_in(&batch, &lead, &mode)?).backward();
        let mut gradients = ParameterGradients::from_burn(&model, gradients);
        gradients.add(recomputation.as_ref().map(Recomputation::take).unwrap_or_default());
        slot = Some(match work {
            STEP | STEP_RECOMPUTED => optimiser.update(model, gradients, &settings, 3e-4, 1.0),
            _ => model,
        });
        Ok(())
    })
}

fn settings(clip: Option<f64>) -> AdamW {
    let rate = Schedule { from: 3e-4, to: 3e-4, shape: Shape::Constant, warmup: 0 };
    AdamW { rate, beta1: 0.9, beta2: 0.999, epsilon: 1e-8, weight_decay: 0.01, clip }
}

fn loss(prediction: Prediction) -> Tensor<1> {
    prediction.surface.abs().mean() + prediction.atmosphere.abs().mean()
}

/// Steps of AdamW from gradients that are there already.
fn optimiser(plan: &ModelPlan, passes: usize, clipped: bool) -> Result<Measured, String> {
    let device = Device::flex();
    let model = Aurora::new(plan, 1, &device.clone().autodiff()).map_err(|error| error.to_string())?;
    let mut model = Some(model);
    let gradients: ParameterGradients = plan
        .tensors()
        .into_iter()
        .map(|(name, shape)| {
            let count = shape.iter().product();
            let values: Vec<f32> = (0..count).map(|at: usize| (at % 1009) as f32 / 5e5 - 1e-3).collect();
            (name, Tensor::from_data(TensorData::new(values, [count]), &device))
        })
        .collect();
    let settings = settings(clipped.then_some(1.0));
    let mut optimiser = Optimiser::default();
    let groups = ["new".to_string()];
    let mut one = measure(passes, || {
        for _ in 0..STEPS {
            if let Some(moved) = model.take() {
                let gradients = gradients.clone();
                model = Some(match clipped {
                    true => optimiser.step(moved, gradients, &settings, 3e-4, &groups).0,
                    false => optimiser.update(moved, gradients, &settings, 3e-4, 1.0),
                });
            }
        }
        Ok(())
    })?;
    one.wall /= STEPS as f64;
    one.processor /= STEPS as f64;
    Ok(one)
}

/// Medians of some passes after one that is not counted.
fn measure<T>(
    passes: usize,
    mut pass: impl FnMut() -> Result<T, aurora_runtime::model::ModelError>,
) -> Result<Measured, String> {
    pass().map_err(|error| error.to_string())?;
    let (mut walls, mut processors) = (Vec::new(), Vec::new());
    for _ in 0..passes {
        let (clock, before) = (Instant::now(), processor_seconds());
        std::hint::black_box(pass().map_err(|error| error.to_string())?);
        walls.push(clock.elapsed().as_secs_f64());
        processors.push(processor_seconds() - before);
    }
    let peak = peak_bytes().ok_or("the peak of memory is not told here")?;
    if passes == 0 {
        return Ok(Measured { wall: 0.0, processor: 0.0, peak });
    }
    Ok(Measured { wall: median(walls.into_iter()), processor: median(processors.into_iter()), peak })
}

/// Seconds that all threads of this process have run, in user and kernel mode.
fn processor_seconds() -> f64 {
    let text = std::fs::read_to_string("/proc/self/stat").unwrap_or_default();
    // The name, which may hold anything, ends with the last parenthesis; user and system time are the 12th and 13th
    // after it, in hundredths of a second.
    let fields = text.rsplit(')').next().unwrap_or_default().split_whitespace().skip(11).take(2);
    fields.filter_map(|word| word.parse::<f64>().ok()).sum::<f64>() / 100.0
}

/// The most memory that this process has held.
fn peak_bytes() -> Option<f64> {
    let text = std::fs::read_to_string("/proc/self/status").ok()?;
    let line = text.lines().find_map(|line| line.strip_prefix("VmHWM:"))?;
    Some(line.trim().trim_end_matches(" kB").trim().parse::<f64>().ok()? * 1024.0)
}

fn batch(plan: &ModelPlan, samples: usize, device: &Device) -> Batch {
    let ModelPlan { height, width, history, .. } = *plan;
    let tensor = |shape: &[usize], seed: usize| {
        let count: usize = shape.iter().product();
        let values: Vec<f32> =
            (0..count).map(|at| ((at * 37 + seed * 101) % 1009) as f32 / 504.5 - 1.0).collect();
        TensorData::new(values, shape.to_vec())
    };
    let surface = plan.surface.iter().enumerate().map(|(seed, name)| {
        (name.clone(), Tensor::from_data(tensor(&[samples, history, height, width], seed), device))
    });
    let statics =
        plan.statics.iter().enumerate().map(|(seed, name)| {
            (name.clone(), Tensor::from_data(tensor(&[height, width], 20 + seed), device))
        });
    let atmosphere = plan.atmosphere.iter().enumerate().map(|(seed, name)| {
        let shape = [samples, history, plan.levels.len(), height, width];
        (name.clone(), Tensor::from_data(tensor(&shape, 40 + seed), device))
    });
    let line = |start: f32, end: f32, count: usize| {
        (0..count).map(|at| start + (end - start) * at as f32 / count as f32).collect()
    };
    Batch {
        surface: surface.collect::<BTreeMap<_, _>>(),
        statics: statics.collect(),
        atmosphere: atmosphere.collect(),
        latitude: Coordinates::vector(line(90.0, -90.0, height)),
        longitude: Coordinates::vector(line(0.0, 360.0, width)),
        time: vec![1_590_000_000; samples],
        levels: plan.levels.clone(),
        rollout_step: 0,
    }
}
