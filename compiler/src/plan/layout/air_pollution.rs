//! The air pollution model's file: two sets of embeddings side by side, the older of which stands for all levels.

use super::{Placed, Source, Stacks, embedding, head, names_of};

const LEVELS: [u32; 13] = [50, 100, 150, 200, 250, 300, 400, 500, 600, 700, 850, 925, 1000];
const WEATHER: [&str; 4] = ["2t", "10u", "10v", "msl"];
const WEATHER_ON_LEVELS: [&str; 5] = ["z", "u", "v", "t", "q"];
const POLLUTANTS: [&str; 8] = ["pm1", "pm2p5", "pm10", "tcco", "tc_no", "tcno2", "gtco3", "tcso2"];
const POLLUTANTS_ON_LEVELS: [&str; 5] = ["co", "no", "no2", "go3", "so2"];
const STATICS: [&str; 3] = ["lsm", "z", "slt"];
const EMISSIONS: [&str; 8] = [
    "static_ammonia",
    "static_ammonia_log",
    "static_co",
    "static_co_log",
    "static_nox",
    "static_nox_log",
    "static_so2",
    "static_so2_log",
];
const TIME: [&str; 6] = ["tod_cos", "tod_sin", "dow_cos", "dow_sin", "doy_cos", "doy_sin"];

const OLD: &str = "encoder.atmos_token_embeds";
const NEW: &str = "encoder.atmos_token_embeds_new";

/// Brings the file to a set of embeddings and heads for each level.
pub(super) fn adapt(stacks: &mut Stacks, z_becomes_static: bool) -> Result<(), String> {
    let surface: Vec<&str> = POLLUTANTS.iter().chain(&EMISSIONS).chain(&TIME).copied().collect();
    stacks.channels("encoder.surf_token_embeds.weight_new", &names_of(&surface, embedding("surf")))?;
    spread_weather(stacks);
    statics_on_levels(stacks)?;
    stacks.named.remove(&format!("{OLD}.weight_new"));
    for level in LEVELS {
        embeddings_of_level(stacks, level, z_becomes_static)?;
    }
    for name in WEATHER {
        drop_combiner(stacks, "surf", name);
    }
    for name in WEATHER_ON_LEVELS {
        drop_combiner(stacks, "atmos", name);
    }
    second_perceiver(stacks);
    heads(stacks)
}

fn layer(level: u32) -> String {
    format!("{OLD}.layers.{level}")
}

/// The embeddings of the weather, one for all levels in the file, are those of every level.
fn spread_weather(stacks: &mut Stacks) {
    let both = stacks.named.contains_key(&format!("{OLD}.weights.z"))
        && stacks.named.contains_key(&format!("{NEW}.layers.50.weight"));
    if !both {
        return;
    }
    let parts = WEATHER_ON_LEVELS.iter().map(|name| format!("weights.{name}")).chain(["bias".to_string()]);
    for part in parts {
        let Some(placed) = stacks.named.remove(&format!("{OLD}.{part}")) else { continue };
        for level in LEVELS {
            stacks.named.insert(format!("{}.{part}", layer(level)), placed.clone());
        }
    }
}

/// Statics, emissions and time channels, one for all levels in the file. On levels emissions carry another
/// `static_` before their own.
fn statics_on_levels(stacks: &mut Stacks) -> Result<(), String> {
    let stack = format!("{OLD}.weight_new2");
    let Some(placed) = stacks.named.get(&stack).cloned() else { return Ok(()) };
    let names: Vec<&str> = STATICS.iter().chain(&EMISSIONS).chain(&TIME).copied().collect();
    for level in LEVELS {
        stacks.named.insert(stack.clone(), placed.clone());
        let name = |name: &str| format!("{}.weights.static_{name}", layer(level));
        stacks.channels(&stack, &names_of(&names, name))?;
    }
    Ok(())
}

fn embeddings_of_level(stacks: &mut Stacks, level: u32, z_becomes_static: bool) -> Result<(), String> {
    let (old, new) = (layer(level), format!("{NEW}.layers.{level}"));
    for unused in ["weight", "weight_new2"] {
        stacks.named.remove(&format!("{new}.{unused}"));
    }
    let name = |name: &str| format!("{old}.weights.{name}");
    stacks.channels(&format!("{new}.weight_new"), &names_of(&POLLUTANTS_ON_LEVELS, name))?;
    if z_becomes_static && let Some(placed) = stacks.named.get(&name("static_z")).cloned() {
        stacks.named.insert(name("z"), placed);
    }
    add_biases(stacks, &format!("{old}.bias"), &format!("{new}.bias"))
}

/// Two embeddings were added up; so their biases are.
fn add_biases(stacks: &mut Stacks, old: &str, new: &str) -> Result<(), String> {
    let Some(added) = stacks.named.remove(new) else { return Ok(()) };
    let (Some(Placed { shape, source: Source::Whole(one) }), Source::Whole(two)) =
        (stacks.named.get(old), added.source)
    else {
        return Err(format!("it has `{new}`, but nothing that it is to be added to"));
    };
    if *shape != added.shape {
        return Err(format!("`{new}` has shape {:?}, what it is added to {shape:?}", added.shape));
    }
    let placed = Placed { shape: added.shape, source: Source::Sum(one.clone(), two) };
    stacks.named.insert(old.to_string(), placed);
    Ok(())
}

/// Only pollutants are combined with their logarithms.
fn drop_combiner(stacks: &mut Stacks, part: &str, name: &str) {
    if stacks.named.remove(&format!("{part}_feature_combiner.{name}.weight")).is_some() {
        stacks.named.remove(&format!("{part}_feature_combiner.{name}.bias"));
    }
}

fn second_perceiver(stacks: &mut Stacks) {
    const PREFIX: &str = "decoder.level_decoder_new";
    let all = std::mem::take(&mut stacks.named);
    let renamed = all.into_iter().map(|(name, placed)| match name.strip_prefix(PREFIX) {
        Some(rest) => (format!("decoder.level_decoder_alternate{rest}"), placed),
        None => (name, placed),
    });
    stacks.named = renamed.collect();
}

fn heads(stacks: &mut Stacks) -> Result<(), String> {
    stacks.heads("decoder.surf_head_new", &names_of(&POLLUTANTS, head("surf")))?;
    let modulation = |name: &str| format!("decoder.surf_heads.{name}_mod");
    let mut surface: Vec<Option<String>> = vec![None; WEATHER.len()];
    surface.extend(names_of(&POLLUTANTS, modulation));
    stacks.heads("decoder.surf_head_mod", &surface)?;
    for level in LEVELS {
        let plain = |name: &str| format!("decoder.atmos_heads.{name}.layers.{level}");
        let modulation = |name: &str| format!("decoder.atmos_heads.{name}_mod.layers.{level}");
        let stack = |kind: &str| format!("decoder.atmos_head{kind}.layers.{level}");
        stacks.heads(&stack(""), &names_of(&WEATHER_ON_LEVELS, plain))?;
        stacks.heads(&stack("_new"), &names_of(&POLLUTANTS_ON_LEVELS, plain))?;
        stacks.heads(&stack("_mod_new"), &names_of(&POLLUTANTS_ON_LEVELS, modulation))?;
        for kind in ["weight", "bias"] {
            stacks.named.remove(&format!("{}.{kind}", stack("_mod")));
        }
    }
    Ok(())
}
