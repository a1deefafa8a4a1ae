//! The backbone by itself, call by call, from the reference's own encodings.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

use aurora_compiler::plan::model::{LoraMode, LoraPlan, ModelPlan};
use aurora_runtime::model::HostTensor;
use aurora_runtime::model::backbone::{Backbone, Conditions};
use aurora_runtime::model::checkpoint::read_safetensors;
use aurora_runtime::model::parameters::Builder;
use burn::store::{ModuleStore, PytorchStore, bridge};
use burn::tensor::{Device, Tensor, TensorData};
use serde_json::Value;

use crate::{difference, values};

/// A fixture, its calls of the backbone in order: roll-out step and lead time.
struct Case {
    name: &'static str,
    plan: ModelPlan,
    resolution: [usize; 3],
    calls: Vec<(usize, Vec<f32>)>,
    accumulated: usize,
    data: BTreeMap<String, HostTensor>,
    weights: BTreeMap<String, HostTensor>,
}

fn cases() -> Vec<Case> {
    let Some(folder) = std::env::var_os("AURORAC_TEST_DATA") else {
        println!("skipped: $AURORAC_TEST_DATA is not set");
        return Vec::new();
    };
    let folder = PathBuf::from(folder).join("fixtures/aurora");
    let steps = |count| (0..count).map(|step| (step, vec![6.0])).collect::<Vec<_>>();
    let fine = (0..2).flat_map(|step| [2.0, 4.0, 6.0].map(|lead| (step, vec![lead]))).collect();
    vec![
        Case::open(&folder, "lora_single", steps(3), 0),
        Case::open(&folder, "lora_from_second", steps(3), 0),
        Case::open(&folder, "lora_all", steps(3), 0),
        Case::open(&folder, "stochastic_base", vec![(0, vec![0.5, 48.0])], 0),
        Case::open(&folder, "v1p5_ensemble", fine, 3),
    ]
}

#[test]
fn fixtures_agree_at_every_call() {
    for case in cases() {
        let worst = case.outputs().iter().enumerate().fold(0f32, |worst, (call, have)| {
            let want = &case.data[&format!("act.{call}.backbone")].values;
            let (off, greatest) = difference(have, want);
            let limit = 1e-4 * (greatest / 10.0).max(1.0);
            assert!(off <= limit, "{} call {call}: off by {off:e}, allowed {limit:e}", case.name);
            worst.max(off / limit)
        });
        println!("{}: {} calls, worst {worst:.2} of what is allowed", case.name, case.calls.len());
    }
}

/// Each of these would be a silent error; each must be seen.
#[test]
fn mutations_show() {
    type Mutation = (&'static str, &'static str, usize, fn(&mut Case));
    let mutations: [Mutation; 9] = [
        ("no low-rank update", "lora_single", 0, |case| case.plan.options.lora = None),
        ("an update after the last step", "lora_single", 2, |case| lora(case).steps = 3),
        ("an update at the first step", "lora_from_second", 0, |case| lora(case).mode = LoraMode::Single),
        ("the update of another step", "lora_all", 1, |case| case.calls[1].0 = 2),
        ("alpha not divided by the rank", "lora_all", 0, |case| lora(case).alpha = 64.0),
        ("one lead time for all samples", "stochastic_base", 0, |case| case.calls[0].1 = vec![0.5, 0.5]),
        ("no accumulation", "v1p5_ensemble", 1, |case| case.accumulated = 0),
        ("the older lead-time expansion", "v1p5_ensemble", 0, |case| {
            case.plan.options.updated_lead_time_embedding = false;
        }),
        ("another draw", "stochastic_base", 0, |case| {
            case.data.get_mut("noise.0").unwrap().values.reverse();
        }),
    ];
    for (what, name, call, mutation) in mutations {
        let Some(mut case) = cases().into_iter().find(|case| case.name == name) else { return };
        mutation(&mut case);
        let have = &case.outputs()[call];
        let (off, _) = difference(have, &case.data[&format!("act.{call}.backbone")].values);
        assert!(off > 1e-3, "{what}: off by {off:e} only");
    }
}

fn lora(case: &mut Case) -> &mut LoraPlan {
    case.plan.options.lora.as_mut().unwrap()
}

impl Case {
    fn open(folder: &Path, name: &'static str, calls: Vec<(usize, Vec<f32>)>, accumulated: usize) -> Case {
        let text = std::fs::read_to_string(folder.join(format!("{name}.json"))).unwrap();
        let info: Value = serde_json::from_str(&text).unwrap();
        let plan = plan(&info);
        let (rows, columns) = plan.patch_grid();
        let data = read_safetensors(&folder.join(format!("{name}.io.safetensors"))).unwrap();
        let mut store =
            PytorchStore::from_file(folder.join(format!("{name}.ckpt"))).map_indices_contiguous(false);
        let mut weights = BTreeMap::new();
        for (name, tensor) in store.get_all_tensors().unwrap() {
            let data = bridge::to_data(tensor).unwrap();
            let shape = data.shape().as_slice().to_vec();
            let values = data.try_into_vec::<f32>().unwrap();
            weights.insert(name.trim_start_matches("net.").to_string(), HostTensor { shape, values });
        }
        let resolution = [plan.latent_levels, rows, columns];
        Case { name, plan, resolution, calls, accumulated, data, weights }
    }

    /// The backbone's output at each call, each from the reference's own encoding.
    fn outputs(&self) -> Vec<Vec<f32>> {
        let device = Device::flex();
        let mut builder = Builder::new(1, &device);
        let backbone = Backbone::new(&mut builder, &self.plan);
        let names = builder.names();
        let missing: Vec<String> =
            names.read(&backbone).into_keys().filter(|name| !self.weights.contains_key(name)).collect();
        assert!(missing.is_empty(), "{}: {missing:?}", self.name);
        let backbone = names.write_each(backbone, &mut |name| Ok(self.weights.get(name).cloned())).unwrap();
        let noise = (0..).map_while(|index| self.data.get(&format!("noise.{index}")).cloned());
        backbone.noise().accumulate(self.accumulated);
        backbone.noise().queue(noise);
        let calls = self.calls.iter().enumerate();
        let outputs = calls.map(|(call, (step, lead))| {
            let tokens = &self.data[&format!("act.{call}.encoder")];
            let tokens = TensorData::new(tokens.values.clone(), tokens.shape.clone());
            let conditions = Conditions { lead: lead.clone(), step: *step, ..Conditions::default() };
            let tokens = Tensor::<3>::from_data(tokens, &device);
            values(backbone.forward(tokens, self.resolution, &conditions, None).unwrap())
        });
        outputs.collect()
    }
}

/// What of upstream's constructor concerns the backbone.
fn plan(info: &Value) -> ModelPlan {
    let config = &info["config"];
    let kwargs = &config["model"]["kwargs"];
    let mut list = serde_json::to_value(ModelPlan::pretrained()).unwrap();
    for (theirs, ours) in [
        ("embed_dim", "embed_dim"),
        ("encoder_depths", "encoder_depths"),
        ("encoder_num_heads", "encoder_heads"),
        ("decoder_depths", "decoder_depths"),
        ("decoder_num_heads", "decoder_heads"),
        ("window_size", "window"),
        ("mlp_ratio", "mlp_ratio"),
    ] {
        list[ours] = kwargs[theirs].clone();
    }
    let mut plan: ModelPlan = serde_json::from_value(list).unwrap();
    (plan.height, plan.width) = (number(&config["grid"]["h"]), number(&config["grid"]["w"]));
    let later = config["model"]["class"].as_str().unwrap().starts_with("AuroraV1p5");
    let mode = match kwargs["lora_mode"].as_str() {
        Some("from_second") => LoraMode::FromSecond,
        Some("all") => LoraMode::All,
        _ => LoraMode::Single,
    };
    let steps = kwargs["lora_steps"].as_u64().unwrap_or(40) as usize;
    plan.options.lora = (!later).then_some(LoraPlan { mode, steps, rank: 8, alpha: 8.0 });
    plan.options.stochastic = later || kwargs["stochastic"].as_bool().unwrap_or(false);
    plan.options.updated_lead_time_embedding = later;
    plan.options.fp16_safe_attention = later;
    plan
}

fn number(value: &Value) -> usize {
    value.as_u64().unwrap() as usize
}
