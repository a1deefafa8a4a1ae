//! A parity fixture as people would work with it: a recipe, a batch file, and the arguments of `aurorac predict`.

use std::collections::BTreeMap;
use std::fmt::Write;
use std::path::{Path, PathBuf};

use aurora_compiler::plan::model::{Family, ModelPlan, OutputOnly, Preset};
use aurora_runtime::model::checkpoint::{WeightsFile, read_safetensors};
use aurora_runtime::model::normalisation::{level_key, published};
use aurora_runtime::model::{Coordinates, HostTensor, fourier, position};
use safetensors::tensor::{Dtype, TensorView};
use serde_json::Value;

/// What was written, and how it is used.
#[derive(Clone, Debug)]
pub struct Made {
    /// `NAME.aurora`.
    pub recipe: PathBuf,
    /// `NAME.batch.safetensors`.
    pub batch: PathBuf,
    /// Files that hold the weights together.
    pub checkpoints: Vec<PathBuf>,
    pub steps: usize,
    /// Hours predicted within each step, where there are several.
    pub lead_times: Vec<f64>,
}

impl Made {
    /// Arguments of `aurorac` that write the forecast to `output`.
    pub fn arguments(&self, output: &str) -> Vec<String> {
        let mut list = vec!["predict".to_string(), text(&self.recipe)];
        for checkpoint in &self.checkpoints {
            list.extend(["--checkpoint".to_string(), text(checkpoint)]);
        }
        list.extend(["--input".into(), text(&self.batch), "--output".into(), output.into()]);
        list.extend(["--steps".into(), self.steps.to_string()]);
        if !self.lead_times.is_empty() {
            list.extend(["--lead-times".into(), joined(&self.lead_times)]);
        }
        list
    }
}

/// Writes recipe and batch file of the fixture `NAME` in `folder` into the folder `into`.
///
/// # Errors
/// A fixture that cannot be read, or says what no recipe can.
pub fn write(folder: &Path, name: &str, into: &Path) -> Result<Made, String> {
    let at = |kind: &str| folder.join(format!("{name}.{kind}"));
    let json = std::fs::read_to_string(at("json")).map_err(|error| format!("{name}.json: {error}"))?;
    let info: Value = serde_json::from_str(&json).map_err(|error| format!("{name}.json: {error}"))?;
    let data = read_safetensors(&at("io.safetensors")).map_err(|error| error.to_string())?;
    let fixture = Fixture::new(name, &info)?;
    let made = Made {
        recipe: into.join(format!("{name}.aurora")),
        batch: into.join(format!("{name}.batch.safetensors")),
        checkpoints: [at("ckpt"), at("new_params.safetensors")]
            .into_iter()
            .filter(|path| path.is_file())
            .collect(),
        steps: info["config"]["rollout"]["steps"].as_u64().unwrap_or(1) as usize,
        lead_times: fixture.hours("fine_lead_times"),
    };
    std::fs::write(&made.recipe, fixture.recipe()?).map_err(|error| error.to_string())?;
    let sizes = fixture.patch_sizes(&data, &at("ckpt"))?;
    fixture.batch(&data, sizes, &made.batch)?;
    Ok(made)
}

/// A fixture's JSON, read.
struct Fixture<'a> {
    name: &'a str,
    info: &'a Value,
    arguments: &'a serde_json::Map<String, Value>,
    preset: Preset,
    plan: ModelPlan,
    levels: Vec<f64>,
}

impl<'a> Fixture<'a> {
    fn new(name: &'a str, info: &'a Value) -> Result<Fixture<'a>, String> {
        let model = &info["config"]["model"];
        let class = match model["class"].as_str() {
            Some("AuroraSmall") => "AuroraSmallPretrained",
            Some(class) => class,
            None => return Err("its `config` names no class".to_string()),
        };
        let preset = Preset::ALL.into_iter().find(|preset| preset.class() == class);
        let preset = preset.ok_or_else(|| format!("no such class: {class}"))?;
        let arguments = model["kwargs"].as_object().ok_or("its `config` has no `kwargs`")?;
        let levels = numbers(&info["metadata"]["atmos_levels"]);
        Ok(Fixture { name, info, arguments, preset, plan: preset.plan(), levels })
    }

    fn names(&self, argument: &str, usual: &[String]) -> Vec<String> {
        self.arguments.get(argument).map_or_else(|| usual.to_vec(), strings)
    }

    fn surface(&self) -> Vec<String> {
        self.names("surf_vars", &self.plan.surface)
    }

    /// Hours that the roll-out names.
    fn hours(&self, key: &str) -> Vec<f64> {
        numbers(&self.info["config"]["rollout"][key])
    }

    fn recipe(&self) -> Result<String, String> {
        let mut text = String::new();
        let size = |key: &str| self.info["config"]["grid"][key].as_u64().unwrap_or_default();
        let architecture = self.architecture()?;
        let statics = self.names("static_vars", &self.plan.statics);
        let atmosphere = self.names("atmos_vars", &self.plan.atmosphere);
        let (prognostic, diagnostic): (Vec<String>, Vec<String>) =
            self.surface().into_iter().partition(|name| !self.only_predicted(name));
        let listed = |prefix: &str, names: &[String]| -> Vec<String> {
            names.iter().map(|name| format!("{prefix}_{name}")).collect()
        };
        let fed = [listed("s", &prognostic), listed("a", &atmosphere)].concat();
        let _ = writeln!(
            text,
            "aurora 1.0\nrecipe {} \"A parity fixture, whose grid is told by its batch\"\n\n\
             use std.physics\n\nquantity number = 1\n\nlevels pl : pressure = {} hPa",
            self.name,
            list(&self.levels)
        );
        if let Some(levels) = self.arguments.get("level_condition").filter(|levels| !levels.is_null()) {
            let _ = writeln!(text, "levels each : pressure = {} hPa", list(&numbers(levels)));
        }
        let _ = writeln!(
            text,
            "grid plane = lambert(lat = 38.5 deg, lon = -97.5 deg, size = [{}, {}], spacing = 12 km)\n",
            size("w"),
            size("h")
        );
        for (prefix, place, names) in
            [("s", "surface", &self.surface()), ("f", "static", &statics), ("a", "pl", &atmosphere)]
        {
            for name in names {
                text.push_str(&self.variable(prefix, place, name));
            }
        }
        let step = self.step();
        let _ = writeln!(
            text,
            "\ndata {{\n    archive era5\n    grid plane\n    every {}\n    train 2019-01-01 .. 2019-12-31\n}}\n\nmodel {{\n    \
             architecture {architecture}\n    step {step}\n    history {} steps\n    prognostic {}",
            if step.contains('.') && step.replace(" .. ", "").contains('.') { "30 min" } else { "1 h" },
            self.arguments.get("max_history_size").and_then(Value::as_u64).unwrap_or(2),
            fed.join(", ")
        );
        if !diagnostic.is_empty() {
            let _ = writeln!(text, "    diagnostic {}", listed("s", &diagnostic).join(", "));
        }
        let more: Vec<String> =
            listed("s", &diagnostic).iter().map(|name| format!(" + mae({name})")).collect();
        let _ = writeln!(
            text,
            "    static {}\n}}\n\nloss all = mae(prognostic){}\n\nphase learn {{\n    for 1 epochs\n    batch 1\n    train \
             new\n    optimise adamw(rate = 1e-3)\n    minimise all\n}}",
            listed("f", &statics).join(", "),
            more.concat()
        );
        Ok(text)
    }

    /// Only Aurora 1.5 acts on `output_only_surf_vars`.
    fn only_predicted(&self, name: &str) -> bool {
        let usual = self.plan.options.output_only.iter().filter_map(|one| match one {
            OutputOnly::Surface(name) => Some(name.clone()),
            OutputOnly::Atmosphere(_) => None,
        });
        let usual: Vec<String> = usual.collect();
        self.plan.options.family == Family::V1p5
            && self.names("output_only_surf_vars", &usual).iter().any(|one| one == name)
    }

    fn step(&self) -> String {
        let step = self.arguments.get("timestep_hours").and_then(Value::as_f64).unwrap_or(self.plan.timestep);
        let usual = self.plan.options.variable_lead_time;
        let variable = self.arguments.get("variable_lead_time").map_or(Some(usual), Value::as_bool);
        if variable != Some(true) {
            return format!("{step} h");
        }
        let named = [self.hours("lead_times"), self.hours("fine_lead_times")].concat();
        let shortest = named.into_iter().fold(1f64.min(step / 2.0), f64::min);
        format!("{shortest} .. {step} h")
    }

    fn variable(&self, prefix: &str, place: &str, name: &str) -> String {
        let (quantity, unit) = quantity(prefix, name);
        let range = match &self.arguments.get("rollout_input_clipping").map_or(&Value::Null, |all| &all[name])
        {
            Value::Object(bounds) if prefix != "f" => {
                let of = |key: &str| bounds.get(key).and_then(Value::as_f64);
                match (of("min"), of("max")) {
                    (Some(least), Some(greatest)) => format!(" in {least} .. {greatest}{unit}"),
                    (Some(least), None) => format!(" >= {least}{unit}"),
                    (None, Some(greatest)) => format!(" <= {greatest}{unit}"),
                    (None, None) => String::new(),
                }
            }
            _ => String::new(),
        };
        let mut text = format!(
            "variable {prefix}_{name} : {quantity}{range} on {place} from \"fixture {name}\" {{\n    named \"{name}\"\n"
        );
        if let Some((centres, spreads)) = self.statistics(prefix, name) {
            let one = |list: &[f64]| match list {
                [one] => one.to_string(),
                several => self::list(several),
            };
            let _ = writeln!(text, "    centre {}{unit}\n    spread {}{unit}", one(&centres), one(&spreads));
        }
        text.push_str("}\n");
        text
    }

    /// Statistics that the fixture gives itself: of each level where one is its own.
    fn statistics(&self, prefix: &str, name: &str) -> Option<(Vec<f64>, Vec<f64>)> {
        let pair = |value: &Value| Some((value.get(0)?.as_f64()?, value.get(1)?.as_f64()?));
        let extra = |key: &str| pair(&self.info["config"]["extra_normalisation"][key]);
        let own = |key: &str| self.arguments.get("surf_stats").and_then(|all| pair(&all[key]));
        if prefix != "a" {
            let (centre, spread) = own(name).or_else(|| extra(name))?;
            return Some((vec![centre], vec![spread]));
        }
        let key = |level: f64| format!("{name}_{}", level_key(level));
        if !self.levels.iter().any(|level| extra(&key(*level)).is_some()) {
            return None;
        }
        let of = |level: &f64| {
            let known = || published(name, Some(*level)).map(|known| (known.location, known.scale));
            extra(&key(*level)).or_else(known)
        };
        let pairs: Option<Vec<(f64, f64)>> = self.levels.iter().map(of).collect();
        Some(pairs?.into_iter().unzip())
    }

    /// The class, and what its constructor was given.
    fn architecture(&self) -> Result<String, String> {
        let mut given: Vec<String> = vec!["wrap = true".to_string()];
        let fields = |prefix: &str, names: &[String]| -> Vec<String> {
            names.iter().map(|name| format!("{prefix}_{name}")).collect()
        };
        let atmosphere = self.names("atmos_vars", &self.plan.atmosphere);
        let surface = self.surface();
        let mut positive: Option<Vec<String>> = None;
        for (key, value) in self.arguments {
            let plain = |name: &str| format!("{name} = {value}");
            match key.as_str() {
                "window_size" => given.push(format!("window = {}", list(&numbers(value)))),
                "encoder_depths" => given.push(format!("depths = {}", list(&numbers(value)))),
                "encoder_num_heads" => given.push(format!("heads = {}", list(&numbers(value)))),
                "decoder_depths" => given.push(format!("decoder_depths = {}", list(&numbers(value)))),
                "decoder_num_heads" => given.push(format!("decoder_heads = {}", list(&numbers(value)))),
                "patch_size" => given.push(plain("patch")),
                "embed_dim" => given.push(plain("embed")),
                "num_heads" => given.push(plain("perceiver_heads")),
                "latent_levels" => given.push(plain("latent_levels")),
                "mlp_ratio" => given.push(plain("mlp_ratio")),
                "dec_mlp_ratio" => given.push(plain("decoder_mlp_ratio")),
                "enc_depth" => given.push(plain("encoder_perceiver_depth")),
                "dec_depth" => given.push(plain("decoder_perceiver_depth")),
                "perceiver_ln_eps" => given.push(plain("perceiver_ln_eps")),
                "drop_path" | "drop_rate" => given.push(plain(key)),
                "stabilise_level_agg" => given.push(plain("stabilise")),
                "dynamic_vars" => given.push(plain("dynamic")),
                "atmos_static_vars" => given.push(plain("atmosphere_statics")),
                "stochastic" | "simulate_indexing_bug" => given.push(plain(key)),
                "use_updated_lead_time_embedding" => given.push(plain("updated_lead_time")),
                "use_fp16_safe_attention" => given.push(plain("fp16_safe_attention")),
                "clamp_at_first_step" => given.push(plain("clamp_first")),
                "level_condition" if !value.is_null() => given.push("condition = each".to_string()),
                "separate_perceiver" => {
                    given.push(format!("separate = [{}]", fields("a", &strings(value)).join(", ")));
                }
                "modulation_heads" => {
                    let all = strings(value).into_iter().flat_map(|name| {
                        let on = |prefix: &str, known: &[String]| {
                            known.contains(&name).then(|| format!("{prefix}_{name}"))
                        };
                        [on("s", &surface), on("a", &atmosphere)]
                    });
                    let all: Vec<String> = all.flatten().collect();
                    given.push(format!("modulated = [{}]", all.join(", ")));
                }
                "positive_surf_vars" | "positive_atmos_vars" => {
                    let (prefix, known) =
                        if key.contains("surf") { ("s", &surface) } else { ("a", &atmosphere) };
                    let mut names = strings(value);
                    names.retain(|name| known.contains(name));
                    positive.get_or_insert_default().extend(fields(prefix, &names));
                }
                "level_condition"
                | "lora_mode"
                | "use_lora"
                | "lora_steps"
                | "surf_vars"
                | "static_vars"
                | "atmos_vars"
                | "surf_stats"
                | "timestep_hours"
                | "variable_lead_time"
                | "max_history_size"
                | "rollout_input_clipping"
                | "output_only_surf_vars"
                | "output_only_atmos_vars"
                | "autocast"
                | "autocast_dtype"
                | "bf16_mode" => {}
                "density_channel_surf_vars" | "angle_surf_vars" => {
                    return Err(format!("no recipe says other `{key}` than those of the wave model"));
                }
                other => return Err(format!("what does the argument `{other}` mean?")),
            }
        }
        given.extend(
            positive.filter(|list| !list.is_empty()).map(|list| format!("positive = [{}]", list.join(", "))),
        );
        given.extend(self.adapters());
        if self.plan.options.family == Family::V1p5 {
            given.push(format!("surface_order = [{}]", fields("s", &surface).join(", ")));
        }
        Ok(format!("{}({})", self.preset.word(), given.join(", ")))
    }

    fn adapters(&self) -> Vec<String> {
        let usual = self.plan.options.lora.is_some();
        let used = self.arguments.get("use_lora").and_then(Value::as_bool).unwrap_or(usual);
        if !used {
            return if usual { vec!["lora = none".to_string()] } else { Vec::new() };
        }
        let wave = self.plan.options.family == Family::Wave;
        let mode = self.arguments.get("lora_mode").and_then(Value::as_str);
        let mode = mode.unwrap_or(if wave { "from_second" } else { "single" });
        let steps = self.arguments.get("lora_steps").and_then(Value::as_u64).unwrap_or(40);
        vec![format!("lora = {mode}"), format!("lora_steps = {steps}")]
    }

    /// Sizes of the patches as the reference had them, found by their embedding; nothing if it was not recorded.
    ///
    /// Sine and square root of the library behind the reference err in the last bit, which decides the phase of the
    /// shortest wave, 1e-4 km: each size is ours or one near it.
    fn patch_sizes(
        &self,
        data: &BTreeMap<String, HostTensor>,
        checkpoint: &Path,
    ) -> Result<Option<Vec<f32>>, String> {
        const NEAR: u32 = 16;
        let (Some(expected), Some(latitude), Some(longitude)) =
            (data.get("act.0.encoder.scale_embed"), data.get("in.lat"), data.get("in.lon"))
        else {
            return Ok(None);
        };
        let mut file = WeightsFile::open(checkpoint).map_err(|error| error.to_string())?;
        let mut weight = |kind: &str| {
            let name = format!("encoder.scale_embed.{kind}");
            file.read(&format!("net.{name}")).or_else(|_| file.read(&name)).map_err(|error| error.to_string())
        };
        let (weight, bias) = (weight("weight")?.values, weight("bias")?.values);
        let width = bias.len();
        let patch =
            self.arguments.get("patch_size").and_then(Value::as_u64).map_or(self.plan.patch, |p| p as usize);
        let mut latitude = Coordinates { shape: latitude.shape.clone(), values: latitude.values.clone() };
        let rows = latitude.shape[0] - latitude.shape[0] % patch;
        let across: usize = latitude.shape[1..].iter().product();
        latitude.values.truncate(rows * across);
        latitude.shape[0] = rows;
        let longitude = Coordinates { shape: longitude.shape.clone(), values: longitude.values.clone() };
        let mut sizes = position::root_areas(&latitude, &longitude, patch);
        for (size, expected) in sizes.iter_mut().zip(expected.values.chunks(width)) {
            let reproduces = |size: &f32| {
                let Ok(features) = fourier::SCALE.expand(&[*size], width) else { return false };
                weight.chunks(width).zip(&bias).zip(expected).all(|((row, bias), expected)| {
                    let dot: f32 = row.iter().zip(&features).map(|(one, two)| one * two).sum();
                    (dot + bias - expected).abs() < 1e-4
                })
            };
            let near = (0..=NEAR)
                .flat_map(|step| [size.to_bits() + step, size.to_bits() - step].map(f32::from_bits));
            *size = near.into_iter().find(reproduces).ok_or_else(|| format!("no size near {size} fits"))?;
        }
        Ok(Some(sizes))
    }

    fn batch(
        &self,
        data: &BTreeMap<String, HostTensor>,
        sizes: Option<Vec<f32>>,
        path: &Path,
    ) -> Result<(), String> {
        let mut tensors: BTreeMap<String, HostTensor> = BTreeMap::new();
        for (name, value) in data {
            let name = match name.split_once('.') {
                Some(("in", rest)) => rest.to_string(),
                Some(("noise", _)) => name.clone(),
                _ => continue,
            };
            tensors.insert(name, value.clone());
        }
        if let Some(sizes) = sizes {
            tensors.insert("patch_size".into(), HostTensor { shape: vec![sizes.len()], values: sizes });
        }
        let time = |seconds: &f64| jiff::Timestamp::from_second(*seconds as i64).map(|time| time.to_string());
        let times: Result<Vec<String>, _> =
            numbers(&self.info["metadata"]["times_unix"]).iter().map(time).collect();
        let times = times.map_err(|error| error.to_string())?;
        let mut metadata = std::collections::HashMap::from([
            ("time".to_string(), times.join(",")),
            ("levels".to_string(), joined(&self.levels)),
            ("rollout_step".to_string(), "0".to_string()),
        ]);
        let leads = self.hours("lead_times");
        // Upstream ignores lead times that a model does not take.
        if !leads.is_empty() && self.step().contains("..") {
            metadata.insert("lead_times".to_string(), joined(&leads));
        }
        let bytes: Vec<(&String, &HostTensor, Vec<u8>)> = tensors
            .iter()
            .map(|(name, tensor)| {
                (name, tensor, tensor.values.iter().flat_map(|v| v.to_le_bytes()).collect())
            })
            .collect();
        let views: Result<Vec<_>, _> = bytes
            .iter()
            .map(|(name, tensor, bytes)| {
                TensorView::new(Dtype::F32, tensor.shape.clone(), bytes).map(|view| ((*name).clone(), view))
            })
            .collect();
        let views = views.map_err(|error| error.to_string())?;
        let file = safetensors::serialize(views, Some(metadata)).map_err(|error| error.to_string())?;
        std::fs::write(path, file).map_err(|error| error.to_string())
    }
}

/// What Aurora was trained on under a name, and its unit; other numbers have none.
fn quantity(prefix: &str, name: &str) -> (&'static str, &'static str) {
    match (prefix, name) {
        ("s", "2t") | ("a", "t") => ("temperature", " K"),
        ("s", "10u") | ("a", "u") => ("eastward_wind", " m/s"),
        ("s", "10v") | ("a", "v") => ("northward_wind", " m/s"),
        ("s", "msl") => ("pressure", " Pa"),
        ("a", "q") => ("specific_humidity", " kg/kg"),
        ("a" | "f", "z") => ("geopotential", " m^2/s^2"),
        _ => ("number", ""),
    }
}

fn text(path: &Path) -> String {
    path.display().to_string()
}

fn strings(value: &Value) -> Vec<String> {
    value.as_array().into_iter().flatten().filter_map(|one| one.as_str().map(str::to_string)).collect()
}

fn numbers(value: &Value) -> Vec<f64> {
    value.as_array().into_iter().flatten().filter_map(Value::as_f64).collect()
}

fn joined(numbers: &[f64]) -> String {
    numbers.iter().map(f64::to_string).collect::<Vec<_>>().join(",")
}

fn list(numbers: &[f64]) -> String {
    format!("[{}]", numbers.iter().map(f64::to_string).collect::<Vec<_>>().join(", "))
}
