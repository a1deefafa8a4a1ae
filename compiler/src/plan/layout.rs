//! Older layouts of published checkpoints, brought to the names of Aurora 2.0.1: shapes only. `model/checkpoint.rs`
//! of the runtime does the same with values.

use std::collections::BTreeMap;

use super::model::ModelPlan;

type Shapes = BTreeMap<String, Vec<usize>>;

/// Variables of the stacked tensors in the first checkpoints.
const SURFACE: [&str; 4] = ["2t", "10u", "10v", "msl"];
const STATIC: [&str; 3] = ["lsm", "z", "slt"];
const ATMOSPHERE: [&str; 5] = ["z", "u", "v", "t", "q"];

/// One tensor for each variable, whatever the layout. A stack whose variables are not known is left as it is,
/// and so turns up as unused.
pub fn named(list: impl Iterator<Item = (String, Vec<usize>)>, class: Option<&ModelPlan>) -> Shapes {
    let plain = |name: &str| name.strip_prefix("net.").unwrap_or(name).to_string();
    let renamed = |name: String| name.replace(".k_ln.", ".ln_k.").replace(".q_ln.", ".ln_q.");
    let mut shapes: Shapes = list.map(|(name, shape)| (renamed(plain(&name)), shape)).collect();
    let own = |names: &[&str]| names.iter().map(|name| (*name).to_string()).collect::<Vec<_>>();
    let mut candidates = vec![(own(&SURFACE), own(&STATIC), own(&ATMOSPHERE))];
    candidates.extend(class.map(|c| (c.surface.clone(), c.statics.clone(), c.atmosphere.clone())));
    for (surface, statics, atmosphere) in candidates {
        let read: Vec<String> = surface.iter().chain(&statics).cloned().collect();
        split_channels(&mut shapes, "encoder.surf_token_embeds", &read);
        split_channels(&mut shapes, "encoder.atmos_token_embeds", &atmosphere);
        split_rows(&mut shapes, "decoder.surf_head", "decoder.surf_heads", &surface);
        split_rows(&mut shapes, "decoder.atmos_head", "decoder.atmos_heads", &atmosphere);
    }
    shapes
}

/// (D, V, T, P, P) → V tensors of (D, 1, T, P, P).
fn split_channels(shapes: &mut Shapes, prefix: &str, names: &[String]) {
    let stacked = format!("{prefix}.weight");
    let Some([outputs, channels, times, rows, columns]) = shapes.get(&stacked).map(Vec::as_slice) else {
        return;
    };
    if *channels != names.len() {
        return;
    }
    let shape = vec![*outputs, 1, *times, *rows, *columns];
    shapes.remove(&stacked);
    shapes.extend(names.iter().map(|name| (format!("{prefix}.weights.{name}"), shape.clone())));
}

/// (P²·V, …) → V tensors of (P², …).
fn split_rows(shapes: &mut Shapes, old: &str, new: &str, names: &[String]) {
    // The patch's area tells how many variables are stacked.
    let Some(area) = shapes.iter().find_map(|(name, shape)| match shape[..] {
        [_, 1, _, rows, columns] if name.starts_with("encoder.surf_token_embeds.weights.") => {
            rows.checked_mul(columns)
        }
        _ => None,
    }) else {
        return;
    };
    for kind in ["weight", "bias"] {
        let stacked = format!("{old}.{kind}");
        let Some(shape) = shapes.get(&stacked) else { continue };
        if shape.first().copied() != area.checked_mul(names.len()) {
            continue;
        }
        let mut shape = shape.clone();
        shape[0] = area;
        shapes.remove(&stacked);
        shapes.extend(names.iter().map(|name| (format!("{new}.{name}.{kind}"), shape.clone())));
    }
}
