//! The plan and the scalings that upstream's constructor arguments stand for.

use std::collections::BTreeMap;

use aurora_compiler::plan::model::{Clip, Family, LoraMode, LoraPlan, ModelPlan, OutputOnly, Preset};
use aurora_runtime::model::Normalisation;
use aurora_runtime::model::normalisation::{Scaling, level_key};
use serde_json::Value;

/// The plan of a case's `config`, on its grid and levels. An argument that is not known is a failure.
pub fn plan(info: &Value) -> ModelPlan {
    let config = &info["config"];
    let class = match config["model"]["class"].as_str().unwrap() {
        "AuroraSmall" => "AuroraSmallPretrained",
        class => class,
    };
    let preset = Preset::ALL.into_iter().find(|preset| preset.class() == class);
    let mut plan = preset.unwrap_or_else(|| panic!("no such class: {class}")).plan();
    plan.height = config["grid"]["h"].as_u64().unwrap() as usize;
    plan.width = config["grid"]["w"].as_u64().unwrap() as usize;
    plan.levels = numbers(&info["metadata"]["atmos_levels"]);
    let arguments = config["model"]["kwargs"].as_object().unwrap();
    lora(&mut plan, class, arguments);
    precision(&plan, class, arguments);
    for (key, value) in arguments {
        if !sizes(&mut plan, key, value) && !options(&mut plan, key, value) {
            panic!("what does the argument `{key}` mean?");
        }
    }
    settle(&mut plan);
    plan
}

type Arguments = serde_json::Map<String, Value>;

fn sizes(plan: &mut ModelPlan, key: &str, value: &Value) -> bool {
    let number = || value.as_u64().unwrap() as usize;
    let list = || numbers(value).into_iter().map(|number| number as usize).collect::<Vec<_>>();
    match key {
        "surf_vars" => plan.surface = names(value),
        "static_vars" => plan.statics = names(value),
        "atmos_vars" => plan.atmosphere = names(value),
        "window_size" => plan.window = list().try_into().unwrap(),
        "encoder_depths" => plan.encoder_depths = list(),
        "encoder_num_heads" => plan.encoder_heads = list(),
        "decoder_depths" => plan.decoder_depths = list(),
        "decoder_num_heads" => plan.decoder_heads = list(),
        "latent_levels" => plan.latent_levels = number(),
        "patch_size" => plan.patch = number(),
        "embed_dim" => plan.embed_dim = number(),
        "num_heads" => plan.num_heads = number(),
        "mlp_ratio" => plan.mlp_ratio = value.as_f64().unwrap(),
        "drop_path" => plan.options.drop_path = value.as_f64().unwrap(),
        "drop_rate" => plan.options.drop_rate = value.as_f64().unwrap(),
        "enc_depth" => plan.enc_depth = number(),
        "dec_depth" => plan.dec_depth = number(),
        "dec_mlp_ratio" => plan.dec_mlp_ratio = value.as_f64().unwrap(),
        "perceiver_ln_eps" => plan.perceiver_ln_eps = value.as_f64().unwrap(),
        "max_history_size" => plan.history = number(),
        "timestep_hours" => plan.timestep = value.as_f64().unwrap(),
        _ => return false,
    }
    true
}

fn options(plan: &mut ModelPlan, key: &str, value: &Value) -> bool {
    let truth = || value.as_bool().unwrap();
    let options = &mut plan.options;
    match key {
        "stabilise_level_agg" => plan.stabilise_level_aggregation = truth(),
        "use_fp16_safe_attention" => options.fp16_safe_attention = truth(),
        "level_condition" => {
            // An empty one conditions on nothing.
            let levels = if value.is_null() { Vec::new() } else { numbers(value) };
            options.level_condition = (!levels.is_empty()).then_some(levels);
        }
        "dynamic_vars" => options.dynamic_variables = truth(),
        "atmos_static_vars" => options.atmosphere_statics = truth(),
        "separate_perceiver" => options.separate_perceiver = names(value),
        "modulation_heads" => options.modulation_heads = names(value),
        "positive_surf_vars" => plan.positive_surface = names(value),
        "positive_atmos_vars" => plan.positive_atmosphere = names(value),
        "clamp_at_first_step" => plan.clamp_at_first_step = truth(),
        "simulate_indexing_bug" => options.simulate_indexing_bug = truth(),
        "stochastic" => options.stochastic = truth(),
        "use_updated_lead_time_embedding" => options.updated_lead_time_embedding = truth(),
        "variable_lead_time" => options.variable_lead_time = truth(),
        "rollout_input_clipping" => clips(options.clips.as_mut(), value),
        "output_only_surf_vars" => {
            options.output_only.retain(|one| matches!(one, OutputOnly::Atmosphere(_)));
            options.output_only.extend(names(value).into_iter().map(OutputOnly::Surface));
        }
        "output_only_atmos_vars" => {
            options.output_only.retain(|one| matches!(one, OutputOnly::Surface(_)));
            options.output_only.extend(names(value).into_iter().map(OutputOnly::Atmosphere));
        }
        "density_channel_surf_vars" if options.family == Family::Wave => {
            options.density_channels = names(value);
        }
        "angle_surf_vars" if options.family == Family::Wave => options.angles = names(value),
        // Read before the others, or apart.
        "use_lora" | "lora_steps" | "lora_mode" | "surf_stats" | "autocast" | "autocast_dtype"
        | "bf16_mode" => {}
        _ => return false,
    }
    true
}

/// `use_lora`, which the class decides where it is not said, with mode and steps.
fn lora(plan: &mut ModelPlan, class: &str, arguments: &Arguments) {
    let inert = [
        "AuroraPretrained",
        "AuroraSmallPretrained",
        "Aurora12hPretrained",
        "AuroraV1p5",
        "AuroraV1p5Ensemble",
    ];
    let used = arguments.get("use_lora").map_or(!inert.contains(&class), |value| value.as_bool().unwrap());
    let usual = if class == "AuroraWave" { LoraMode::FromSecond } else { LoraMode::Single };
    let mode = arguments.get("lora_mode").map(|value| serde_json::from_value(value.clone()).unwrap());
    let steps = arguments.get("lora_steps").map_or(40, |value| value.as_u64().unwrap() as usize);
    let lora = LoraPlan { mode: mode.unwrap_or(usual), steps, rank: 8, alpha: 8.0 };
    plan.options.lora = used.then_some(lora);
}

/// The comparison is in 32 bits; what upstream does in 16 differs from machine to machine.
fn precision(plan: &ModelPlan, class: &str, arguments: &Arguments) {
    let truth = |key: &str, usual: bool| arguments.get(key).map_or(usual, |value| value.as_bool().unwrap());
    let half = truth("autocast", plan.options.family == Family::V1p5) || truth("bf16_mode", false);
    assert!(!half, "{class} runs in 16 bits here; give autocast = false");
}

/// Bounds by variable; those of the class stay for the others.
fn clips(clips: &mut Vec<Clip>, value: &Value) {
    for (variable, bounds) in value.as_object().into_iter().flatten() {
        clips.retain(|clip| clip.variable != *variable);
        for key in bounds.as_object().unwrap().keys() {
            assert!(["min", "max"].contains(&key.as_str()), "a bound `{key}`");
        }
        let (least, greatest) = (bounds["min"].as_f64(), bounds["max"].as_f64());
        clips.extend([false, true].map(|levels| Clip {
            variable: variable.clone(),
            levels,
            least,
            greatest,
        }));
    }
}

/// What upstream is told and does nothing with: only Aurora 1.5 acts on `output_only_*`, and names of variables
/// that the model does not have are inert in the base class.
fn settle(plan: &mut ModelPlan) {
    if plan.options.family != Family::V1p5 {
        plan.options.output_only.clear();
    }
    if plan.options.family != Family::AirPollution {
        let ModelPlan { surface, atmosphere, .. } = plan.clone();
        plan.positive_surface.retain(|name| surface.contains(name));
        plan.positive_atmosphere.retain(|name| atmosphere.contains(name));
    }
}

/// Aurora's table, with the case's own statistics in it. `surf_stats` go before all and hold for static fields too.
pub fn normalisation(info: &Value, plan: &ModelPlan) -> Normalisation {
    let config = &info["config"];
    let pairs = |value: &Value| -> BTreeMap<String, Scaling> {
        let scaling =
            |pair: &Value| Scaling { location: pair[0].as_f64().unwrap(), scale: pair[1].as_f64().unwrap() };
        value.as_object().into_iter().flatten().map(|(name, pair)| (name.clone(), scaling(pair))).collect()
    };
    let (extra, own) =
        (pairs(&config["extra_normalisation"]), pairs(&config["model"]["kwargs"]["surf_stats"]));
    let modulated = |names: &[String]| -> Vec<String> {
        let modulations = names.iter().filter(|name| plan.options.modulation_heads.contains(name));
        names.iter().cloned().chain(modulations.map(|name| format!("{name}_mod"))).collect()
    };
    let (surface, atmosphere) = (modulated(&plan.surface), modulated(&plan.atmosphere));
    let mut result = Normalisation::aurora(&surface, &plan.statics, &atmosphere, &plan.levels);
    for (name, scaling) in extra.iter().chain(&own) {
        if surface.contains(name) {
            result.set_surface(name, *scaling);
        }
        if plan.statics.contains(name) {
            result.set_static(name, *scaling);
        }
    }
    for name in &atmosphere {
        for level in &plan.levels {
            if let Some(scaling) = extra.get(&format!("{name}_{}", level_key(*level))) {
                result.set_atmosphere(name, *level, *scaling);
            }
        }
    }
    result
}

pub fn names(value: &Value) -> Vec<String> {
    value.as_array().unwrap().iter().map(|name| name.as_str().unwrap().to_string()).collect()
}

pub fn numbers(value: &Value) -> Vec<f64> {
    value.as_array().unwrap().iter().map(|number| number.as_f64().unwrap()).collect()
}
