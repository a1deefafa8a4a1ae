//! One fixture: its plan, weights, inputs and expected values, and the comparison with ours.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

use aurora_compiler::plan::model::{Family, ModelPlan, OutputOnly};
use aurora_runtime::model::aurora::Trace;
use aurora_runtime::model::checkpoint::read_safetensors;
use aurora_runtime::model::family::v1p5;
use aurora_runtime::model::{Aurora, Batch, Coordinates, HostTensor, Normalisation, Prediction, Rollout};
use burn::tensor::{Device, Tensor};
use serde_json::Value;

use super::arguments::{self, names, numbers};
use super::compare::{activation_tolerance, close, compare, compare_angles, fields, host, l2, swap, tensor};
use super::scale;

pub struct Case {
    folder: PathBuf,
    name: String,
    info: Value,
    pub plan: ModelPlan,
    data: BTreeMap<String, HostTensor>,
}

/// One call of the model in a forecast.
struct Call {
    trace: Trace,
    normalised: Prediction,
    physical: Batch,
}

impl Case {
    pub fn open(folder: &Path, name: &str) -> Case {
        let text = std::fs::read_to_string(folder.join(format!("{name}.json")));
        let text = text.unwrap_or_else(|error| panic!("{name}: {error}"));
        let info: Value = serde_json::from_str(&text).unwrap();
        let data = read_safetensors(&folder.join(format!("{name}.io.safetensors"))).unwrap();
        let plan = arguments::plan(&info);
        Case { folder: folder.into(), name: name.into(), info, plan, data }
    }

    pub fn path(&self, kind: &str) -> PathBuf {
        self.folder.join(format!("{}.{kind}", self.name))
    }

    /// The model with the case's weights; what was missing and unused in its checkpoint is what upstream reported.
    pub fn model(&self, device: &Device) -> Aurora {
        let mut model = Aurora::new(&self.plan, 1, device).unwrap_or_else(|error| panic!("{error}"));
        let expected = &self.info["load_report"];
        let strict = expected["strict"].as_bool().unwrap();
        let report = model.load_pytorch(&self.path("ckpt"), strict);
        let report = report.unwrap_or_else(|error| panic!("{error}"));
        assert_eq!(sorted(report.missing), sorted(names(&expected["missing"])), "missing");
        assert_eq!(sorted(report.unused), sorted(names(&expected["unexpected"])), "unexpected");
        let fresh = self.path("new_params.safetensors");
        if fresh.is_file() {
            let report = model.load_safetensors(&fresh, false).unwrap();
            assert!(report.unused.is_empty());
        }
        model
    }

    pub fn normalisation(&self) -> Normalisation {
        arguments::normalisation(&self.info, &self.plan)
    }

    pub fn batch(&self, device: &Device) -> Batch {
        let meta = &self.info["metadata"];
        let coordinates = |name: &str| {
            let HostTensor { shape, values } = self.data[name].clone();
            Coordinates { shape, values }
        };
        Batch {
            surface: self.inputs("in.surf.", device),
            statics: self.inputs("in.static.", device),
            atmosphere: self.inputs("in.atmos.", device),
            latitude: coordinates("in.lat"),
            longitude: coordinates("in.lon"),
            time: numbers(&meta["times_unix"]).iter().map(|time| *time as i64).collect(),
            levels: numbers(&meta["atmos_levels"]),
            rollout_step: 0,
        }
    }

    fn inputs<const D: usize>(&self, prefix: &str, device: &Device) -> BTreeMap<String, Tensor<D>> {
        self.expected(prefix).into_iter().map(|(name, value)| (name, tensor(&value, device))).collect()
    }

    /// Compares everything the fixture has; a line of figures.
    pub fn run(&self, device: &Device) -> String {
        let device = device.clone().autodiff();
        let model = self.model(&device);
        self.check_parameters(&model);
        let sizes = self.data.get("act.0.encoder.scale_embed");
        let cropped = model.prepare(&self.batch(&device)).unwrap_or_else(|error| panic!("{error}"));
        let pinned = sizes.map_or(0, |sizes| scale::pin(&model, &cropped, sizes));
        let normalisation = self.normalisation();
        let calls = self.forecast(&model, &normalisation);
        self.check_predictions(&calls);
        let (mut activations, mut worst) = (0, 0f32);
        for (step, call) in calls.iter().enumerate() {
            let (count, most) = self.check_activations(step, &call.trace, call.physical.time.len());
            activations += count;
            worst = worst.max(most).max(self.check_outputs(step, call, &normalisation));
        }
        let loss_step = self.info["loss_step"].as_u64().unwrap() as usize;
        let loss = self.loss(&calls[loss_step].normalised, &device);
        let value: f32 = loss.clone().into_scalar();
        let expected = self.info["loss"].as_f64().unwrap();
        let off = (f64::from(value) - expected).abs() / expected;
        assert!(off <= 1e-5, "loss {value} instead of {expected}");
        let gradients = model.gradients(&loss.backward());
        let (count, steepest) = self.check_gradients(&gradients);
        format!(
            "{} calls, {activations} activations, worst of them and of outputs {worst:.1e} of the tolerance, loss off by \
             {off:.1e}, {count} gradients, worst {steepest:.1e} of the tolerance, {pinned} patch sizes of the reference",
            calls.len()
        )
    }

    /// The calls that the fixture's script made, with gradients through all of them.
    fn forecast(&self, model: &Aurora, normalisation: &Normalisation) -> Vec<Call> {
        let batch = self.batch(&model.device());
        let rollout = &self.info["config"]["rollout"];
        let known = ["steps", "lead_times", "fine_lead_times", "loss_step", "use_rollout_fn"];
        for key in rollout.as_object().into_iter().flat_map(|object| object.keys()) {
            assert!(known.contains(&key.as_str()), "what does `{key}` of the roll-out mean?");
        }
        model.noise().queue(self.noise());
        let mut calls = Vec::new();
        let mut predict = |input: &Batch, lead: &[f32]| {
            let mut trace = Trace::default();
            let input = model.normalised(input, normalisation)?;
            let normalised = model.forward_traced(&input, lead, &mut trace)?;
            let physical = model.physical(normalised.clone(), normalisation)?;
            calls.push(Call { trace, normalised, physical: physical.clone() });
            Ok(physical)
        };
        let leads = |key: &str| -> Vec<f32> {
            let list = rollout.get(key).filter(|list| !list.is_null());
            list.map_or(Vec::new(), |list| numbers(list).iter().map(|lead| *lead as f32).collect())
        };
        let steps = rollout["steps"].as_u64().unwrap_or(1) as usize;
        let (single, rolls) = (leads("lead_times"), rollout["use_rollout_fn"].as_bool().unwrap_or(true));
        let variable = self.plan.options.variable_lead_time;
        let result = if !single.is_empty() && variable {
            predict(&batch, &single).map(|_| ())
        } else if single.is_empty() && rolls && (steps > 1 || variable) {
            let how = Rollout { lead_times: leads("fine_lead_times"), ..Rollout::of(steps) };
            model.roll(&batch, &how, predict)
        } else {
            // Upstream ignores lead times that the model is not built for.
            predict(&batch, &vec![self.plan.timestep as f32; batch.time.len()]).map(|_| ())
        };
        result.unwrap_or_else(|error| panic!("{error}"));
        calls
    }

    /// The draws of noise in their order.
    fn noise(&self) -> Vec<HostTensor> {
        let draws = self.expected("noise.");
        (0..draws.len()).map(|index| draws[&index.to_string()].clone()).collect()
    }

    fn check_parameters(&self, model: &Aurora) {
        let parameters = model.parameters();
        let expected = self.info["params"].as_object().unwrap();
        let have: Vec<&String> = parameters.keys().collect();
        let mut want: Vec<&String> = expected.keys().collect();
        want.sort();
        assert_eq!(have, want, "parameters");
        for (name, expected) in expected {
            let shape: Vec<usize> = serde_json::from_value(expected["shape"].clone()).unwrap();
            assert_eq!(parameters[name].shape, shape, "{name}");
            let have = l2(&parameters[name]);
            let want = expected["l2"].as_f64().unwrap();
            assert!((have - want).abs() <= 1e-6 * want.max(1e-6), "{name}: norm {have} instead of {want}");
        }
    }

    /// Names, valid times, step and size of every prediction.
    fn check_predictions(&self, calls: &[Call]) {
        let expected = self.info["predictions"].as_array().unwrap();
        assert_eq!(calls.len(), expected.len(), "predictions");
        for (call, expected) in calls.iter().zip(expected) {
            let batch = self.without_extras(call.physical.clone());
            assert_eq!(Some(batch.rollout_step as u64), expected["rollout_step"].as_u64());
            for (have, want) in batch.time.iter().zip(numbers(&expected["times_unix"])) {
                // Ours are whole seconds.
                assert!((*have as f64 - want).abs() <= 0.5, "valid at {have} instead of {want}");
            }
            let surface: Vec<String> = batch.surface.keys().cloned().collect();
            assert_eq!(surface, sorted(names(&expected["surf_vars"])));
            let atmosphere: Vec<String> = batch.atmosphere.keys().cloned().collect();
            assert_eq!(atmosphere, sorted(names(&expected["atmos_vars"])));
            let field = batch.surface.values().next().unwrap().dims();
            assert_eq!(
                field[2..].iter().map(|side| *side as f64).collect::<Vec<_>>(),
                numbers(&expected["shape_hw"])
            );
        }
    }

    /// Variables that we predict and upstream forgets: in Aurora 1.5 those that are predicted only, as soon as any other
    /// is to be kept positive.
    fn extras(&self) -> Vec<&OutputOnly> {
        let options = &self.plan.options;
        let given = |key: &str| {
            let list = self.info["config"]["model"]["kwargs"][key].as_array();
            list.is_some_and(|list| !list.is_empty())
        };
        let forgotten = |one: &&OutputOnly| match one {
            OutputOnly::Surface(_) => given("positive_surf_vars"),
            OutputOnly::Atmosphere(_) => given("positive_atmos_vars"),
        };
        let all = options.output_only.iter().filter(|_| options.family == Family::V1p5);
        all.filter(forgotten).collect()
    }

    fn without_extras(&self, mut batch: Batch) -> Batch {
        for one in self.extras() {
            match one {
                OutputOnly::Surface(name) => drop(batch.surface.remove(name)),
                OutputOnly::Atmosphere(name) => drop(batch.atmosphere.remove(name)),
            }
        }
        batch
    }

    fn check_activations(&self, step: usize, trace: &Trace, samples: usize) -> (usize, f32) {
        let mut have: BTreeMap<String, HostTensor> = BTreeMap::new();
        for (name, output) in &trace.encoder.outputs {
            have.insert(name.to_string(), host(output.clone()));
        }
        // The reference has the levels outside, we have the patches outside.
        let ours = have["encoder.atmos_token_embeds"].clone();
        have.insert("encoder.atmos_token_embeds".into(), swap(&ours, samples));
        for (name, output) in &trace.backbone.outputs {
            have.insert(name.clone(), host(output.clone()));
        }
        have.extend(trace.backbone.time.clone().map(|time| ("backbone.time_mlp".to_string(), host(time))));
        have.extend(
            trace.backbone.noise.clone().map(|noise| ("backbone.noise_mlp".to_string(), host(noise))),
        );
        for (name, output) in &trace.parts {
            have.insert(name.to_string(), host(output.clone()));
        }
        let (mut count, mut worst) = (0, 0f32);
        for (name, expected) in &self.expected(&format!("act.{step}.")) {
            let have = have.get(name).unwrap_or_else(|| panic!("call {step}: no activation for {name}"));
            let most = compare(&format!("act.{step}.{name}"), have, expected, activation_tolerance);
            (count, worst) = (count + 1, worst.max(most));
        }
        assert!(count >= 2, "call {step}: encoder and backbone at least");
        (count, worst)
    }

    /// Outputs of a call, of which a fixture may hold none: normalised, and physical to within the tolerance times
    /// the variable's scale.
    fn check_outputs(&self, step: usize, call: &Call, normalisation: &Normalisation) -> f32 {
        let expected = self.expected(&format!("norm_out.{step}."));
        if expected.is_empty() {
            return 0.0;
        }
        let what = format!("norm_out.{step}");
        let mut have = fields(&self.without_extras(call.normalised.clone().into_batch()));
        let mut want = expected.clone();
        let mut worst = 0f32;
        for name in self.plan.options.angles.iter().map(|angle| format!("surf.{angle}")) {
            if let (Some(have), Some(want)) = (have.remove(&name), want.remove(&name)) {
                worst =
                    worst.max(compare_angles(&format!("{what}.{name}"), &have, &want, activation_tolerance));
            }
        }
        worst = worst.max(close(&what, &have, &want, activation_tolerance));
        let (have, want) =
            (fields(&self.without_extras(call.physical.clone())), self.expected(&format!("out.{step}.")));
        assert_eq!(have.keys().collect::<Vec<_>>(), want.keys().collect::<Vec<_>>());
        for (name, want) in &want {
            let scale = self.scale_of(name, normalisation);
            // Beside the model's tolerance, the rounding of a value such as 100 000 Pa.
            let tolerance = |greatest: f32| {
                if self.is_logarithmic(name) {
                    // d(10⁻³·eʸ) = (x + 10⁻³)·dy, and y is normalised.
                    let normalised =
                        expected[name].values.iter().fold(0f32, |most, value| most.max(value.abs()));
                    return scale * activation_tolerance(normalised) * (greatest + 1e-3) + greatest * 2e-7;
                }
                scale * activation_tolerance(greatest / scale) + greatest * 2e-7
            };
            let what = format!("out.{step}.{name}");
            let angle = name
                .strip_prefix("surf.")
                .is_some_and(|name| self.plan.options.angles.iter().any(|a| a == name));
            worst = worst.max(match angle {
                true => compare_angles(&what, &have[name], want, tolerance),
                false => compare(&what, &have[name], want, tolerance),
            });
        }
        worst
    }

    fn is_logarithmic(&self, name: &str) -> bool {
        let surface = name.strip_prefix("surf.");
        self.plan.options.family == Family::V1p5 && surface.is_some_and(v1p5::is_logarithmic)
    }

    /// The scale of `surf.NAME`, or the greatest of `atmos.NAME`'s levels.
    fn scale_of(&self, name: &str, normalisation: &Normalisation) -> f32 {
        let (kind, variable) = name.split_once('.').unwrap();
        let scale = match kind {
            "surf" => normalisation.surface[variable].scale,
            _ => normalisation.atmosphere[variable].iter().map(|(_, s)| s.scale).fold(0.0, f64::max),
        };
        scale as f32
    }

    fn check_gradients(&self, gradients: &BTreeMap<String, HostTensor>) -> (usize, f32) {
        let (mut count, mut worst) = (0, 0f32);
        let share = self.gradient_share();
        for (name, want) in self.expected("grad.").iter().filter(|(name, _)| !vanishing(name)) {
            let have = gradients.get(name).unwrap_or_else(|| panic!("no gradient for {name}"));
            let most = compare(&format!("grad.{name}"), have, want, |greatest| share * greatest + 1e-6);
            (count, worst) = (count + 1, worst.max(most));
        }
        for (name, want) in self.info["grad_l2"].as_object().unwrap() {
            let want = want.as_f64().unwrap();
            let have = gradients.get(name).map(l2).unwrap_or_else(|| panic!("no gradient for {name}"));
            assert!((have - want).abs() <= 2e-3 * want + 1e-5, "{name}: gradient {have} instead of {want}");
        }
        for name in names(&self.info["zero_grad_params"]) {
            assert!(
                gradients[&name].values.iter().all(|value| *value == 0.0),
                "{name}: its gradient is zero"
            );
        }
        let extra = |name: &String| {
            self.extras().into_iter().any(|one| match one {
                OutputOnly::Surface(variable) => name.starts_with(&format!("decoder.surf_heads.{variable}.")),
                OutputOnly::Atmosphere(variable) => {
                    name.starts_with(&format!("decoder.atmos_heads.{variable}."))
                }
            })
        };
        for name in names(&self.info["no_grad_params"]).iter().filter(|name| !extra(name)) {
            assert!(!gradients.contains_key(name), "{name} takes no part, but has a gradient");
        }
        (count, worst)
    }

    /// The share of a tensor's maximum by which gradients may differ: 2e-3, or, in a case whose sums cancel so far that
    /// the reference itself differs by more between float32 and float64, that, up to 1e-2.
    fn gradient_share(&self) -> f32 {
        let gap = &self.info["rounding"]["grads"];
        let vanishes = gap["rel_at"].as_str().is_none_or(vanishing);
        let own = gap["max_diff_over_max_value"].as_f64().filter(|_| !vanishes).unwrap_or_default();
        own.clamp(2e-3, 1e-2) as f32
    }

    /// Mean over variables of the mean absolute error at finite values.
    fn loss(&self, prediction: &Prediction, device: &Device) -> Tensor<1> {
        let batch = self.without_extras(prediction.clone().into_batch());
        let mut terms = Vec::new();
        for (name, field) in batch.surface {
            let target: Tensor<4> = tensor(&self.data[&format!("target.surf.{name}")], device);
            terms.push(mean_finite(field - target));
        }
        for (name, field) in batch.atmosphere {
            let target: Tensor<5> = tensor(&self.data[&format!("target.atmos.{name}")], device);
            terms.push(mean_finite(field - target));
        }
        Tensor::cat(terms, 0).mean()
    }

    fn expected(&self, prefix: &str) -> BTreeMap<String, HostTensor> {
        let list = self.data.iter().filter_map(|(name, value)| Some((name.strip_prefix(prefix)?, value)));
        list.map(|(name, value)| (name.to_string(), value.clone())).collect()
    }
}

/// A gradient that is analytically zero: the softmax does not see a shift of all keys.
fn vanishing(name: &str) -> bool {
    name == "encoder.level_agg.layers.0.0.ln_k.bias"
}

fn mean_finite<const D: usize>(difference: Tensor<D>) -> Tensor<1> {
    let finite = difference.clone().is_finite();
    let count: f32 = finite.clone().float().sum().into_scalar();
    difference.abs().mask_fill(finite.bool_not(), 0.0).sum().div_scalar(count)
}

fn sorted(mut list: Vec<String>) -> Vec<String> {
    list.sort();
    list
}
