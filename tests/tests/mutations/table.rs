//! What is spoilt, where, and the case that must fail.

pub struct Mutation {
    pub name: &'static str,
    pub case: &'static str,
    /// File under `runtime/src/model`, an expression that stands in it once, and what it becomes. Where it is not
    /// unique by itself, «» mark it within more text that is.
    pub edits: &'static [(&'static str, &'static str, &'static str)],
}

const fn mutation(
    name: &'static str,
    case: &'static str,
    edits: &'static [(&'static str, &'static str, &'static str)],
) -> Mutation {
    Mutation { name, case, edits }
}

/// The text to find, in three parts: before the expression, the expression, after it.
pub fn parts(place: &'static str) -> [&'static str; 3] {
    let Some((before, rest)) = place.split_once('«') else { return ["", place, ""] };
    let (expression, after) = rest.split_once('»').expect("a closing mark");
    [before, expression, after]
}

pub const MUTATIONS: &[Mutation] = &[
    // The backbone.
    mutation("no mask", "base", &[("window.rs", "masked.then_some(groups)", "None")]),
    mutation("one-sided padding", "base", &[("window.rs", "vec![None; padding / 2]", "Vec::new()")]),
    mutation("no wrap", "base", &[("backbone.rs", "(plan.window, plan.wrap)", "(plan.window, false)")]),
    mutation(
        "padding without bias",
        "base",
        &[(
            "block.rs",
            "self.qkv.bias.as_ref().map(|bias| bias.val())",
            "self.qkv.bias.as_ref().map(|bias| bias.val().zeros_like())",
        )],
    ),
    mutation(
        "tanh GELU",
        "base",
        &[(
            "fused/gelu.rs",
            "(if x < 0.0 { tail } else { 1.0 - tail }, bell)",
            "(0.5 + 0.5 * (0.797_884_6 * (x + 0.044_715 * x * x * x)).tanh(), bell)",
        )],
    ),
    mutation(
        "scale and shift swapped",
        "base",
        &[
            (
                "layer.rs",
                "fused::norm_added(beside, x, modulation.narrow(1, width, width), shift, 1e-5)",
                "fused::norm_added(beside, x, shift, modulation.narrow(1, width, width), 1e-5)",
            ),
            (
                "layer.rs",
                "fused::norm(x, one, zero, 1e-5) * scale + shift",
                "fused::norm(x, one, zero, 1e-5) * shift + scale",
            ),
        ],
    ),
    mutation(
        "skip to the deepest stage",
        "base",
        &[("backbone.rs", "index > 0 && index < last", "index < last")],
    ),
    mutation(
        "columns merged before rows",
        "base",
        &[("resample.rs", "2, wide, 2, width]).permute(«[0, 1, 2, 4, 3, 5, 6]»)", "[0, 1, 2, 4, 5, 3, 6]")],
    ),
    // Low-rank adaptation.
    mutation("no LoRA", "lora_single", &[("lora.rs", "self.pairs.get(self.pair(step)?)", "None")]),
    mutation("LoRA after its steps", "lora_single", &[("lora.rs", "step >= self.steps", "false")]),
    mutation(
        "LoRA from the first step",
        "lora_from_second",
        &[("lora.rs", "(step > 0).then_some(0)", "Some(0)")],
    ),
    mutation(
        "one LoRA for all steps",
        "lora_all",
        &[("lora.rs", "Choice::ByStep => «Some(step)»", "Some(0)")],
    ),
    // Encoder and decoder.
    mutation(
        "history aligned to the other end",
        "history_short",
        &[("patches.rs", "weight.narrow(2, 0, times)", "weight.narrow(2, history - times, times)")],
    ),
    mutation(
        "day of the year",
        "dynamic_only",
        &[("time_channels.rs", "f64::from(date.day())", "f64::from(date.day_of_year())")],
    ),
    mutation(
        "week from Sunday",
        "dynamic_only",
        &[(
            "time_channels.rs",
            "date.weekday().to_monday_zero_offset()",
            "date.weekday().to_sunday_zero_offset()",
        )],
    ),
    mutation(
        "no indexing error",
        "air_pollution",
        &[(
            "encoder.rs",
            "geopotential.filter(|_| name == STATIC_GEOPOTENTIAL)",
            "{ misplaced = true; None }",
        )],
    ),
    mutation(
        "one decoder Perceiver",
        "separate_perceiver",
        &[("decoder.rs", "names.first().is_some_and(apart)", "false")],
    ),
    mutation("pixels transposed", "base", &[("decoder.rs", "[3, 0, 1, 4, 2, 5]", "[3, 0, 1, 5, 2, 4]")]),
    mutation("older lead-time expansion", "v1p5_rollout", &[("fourier.rs", "!updated", "true")]),
    mutation(
        "patch areas without the factor π",
        "base",
        &[("position.rs", "RADIUS_SQUARED_PI * band * span", "6371.0 * 6371.0 * band * span")],
    ),
    // Clamps and roll-out.
    mutation(
        "unclamped positives",
        "separate_perceiver",
        &[("aurora.rs", "clamp_inputs(batch.clone(), plan)", "batch.clone()")],
    ),
    mutation(
        "no step clamped",
        "separate_perceiver",
        &[("aurora.rs", "prediction.rollout_step > 1 || plan.clamp_at_first_step", "false")],
    ),
    mutation(
        "first step clamped",
        "separate_perceiver",
        &[("aurora.rs", "prediction.rollout_step > 1", "true")],
    ),
    mutation(
        "step not counted",
        "lora_single",
        &[("aurora.rs", "batch.rollout_step + 1", "batch.rollout_step")],
    ),
    mutation(
        "newest time dropped",
        "lora_single",
        &[(
            "rollout.rs",
            "Tensor::cat(vec![old, new], 1).narrow(1, 1, times)",
            "Tensor::cat(vec![old, new], 1).narrow(1, 0, times)",
        )],
    ),
    mutation("nothing clipped", "v1p5_rollout", &[("rollout.rs", "how.unclipped", "true")]),
    mutation(
        "one lead time for all",
        "v1p5_rollout",
        &[("rollout.rs", "vec![*lead; batch.time.len()]", "vec![plan.timestep as f32; batch.time.len()]")],
    ),
    mutation(
        "fresh noise",
        "v1p5_ensemble",
        &[("rollout.rs", "if how.fresh_noise { 0 } else { how.lead_times.len() }", "0")],
    ),
    mutation(
        "noise added up, not averaged",
        "v1p5_ensemble",
        &[("noise.rs", "(self.accumulated as f64).sqrt()", "1f64")],
    ),
    // Families.
    mutation(
        "modulation without one",
        "air_pollution",
        &[("family/air_pollution.rs", "modulation.add_scalar(1.0)", "modulation")],
    ),
    mutation(
        "change of the newest time",
        "air_pollution",
        &[(
            "family/air_pollution.rs",
            "previous.clone().narrow(1, time, 1)",
            "previous.clone().narrow(1, times - 1, 1)",
        )],
    ),
    mutation(
        "no logarithm of pollutants",
        "air_pollution",
        &[("family/air_pollution.rs", "value * weight(0) + logarithm * weight(1)", "value * weight(0)")],
    ),
    mutation("absent waves as data", "wave", &[("family/wave.rs", "batch.rollout_step == 0", "false")]),
    mutation(
        "sine and cosine swapped",
        "wave",
        &[("family/wave.rs", "sine.atan2(cosine)", "cosine.atan2(sine)")],
    ),
    mutation(
        "waves on land",
        "wave",
        &[(
            "family/wave.rs",
            "(sigmoid(density) * sea.clone()).lower_elem(0.5)",
            "sigmoid(density).lower_elem(0.5)",
        )],
    ),
    mutation(
        "no logarithm of accumulations",
        "v1p5_rollout",
        &[(
            "family/v1p5.rs",
            "field.add_scalar(SMALLEST as f32).log().sub_scalar(SMALLEST.ln() as f32)",
            "field",
        )],
    ),
    mutation(
        "insolation predicted",
        "v1p5_rollout",
        &[("family/v1p5.rs", "batch.surface.get_mut(\"insolation\")", "None::<&mut Tensor<4>>")],
    ),
    mutation(
        "insolation of the day before",
        "v1p5_rollout",
        &[("family/v1p5.rs", "insolation(«*time», &batch.latitude", "*time - 86400")],
    ),
    mutation(
        "output-only variables read",
        "v1p5_rollout",
        &[(
            "family/v1p5.rs",
            "batch.surface.values().next().map(Tensor::zeros_like)",
            "batch.surface.values().next().map(Tensor::ones_like)",
        )],
    ),
];
