//! The arguments of `architecture aurora(…)`: one table for checks, suggestions, editors and the manual.

/// What an argument takes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Takes {
    /// A whole number.
    Whole,
    /// A list of whole numbers.
    Wholes,
    /// A plain number.
    Number,
    /// `true` or `false`.
    Truth,
    /// The name of a set of levels.
    Levels,
    /// A list of the recipe's fields.
    Fields,
    /// One of these words.
    Word(&'static [&'static str]),
}

/// Which low-rank updates a checkpoint has, by the steps of a roll-out that they serve.
pub const LORA: &[&str] = &["none", "single", "from_second", "all"];

/// An argument of `architecture`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Argument {
    pub name: &'static str,
    pub takes: Takes,
    pub says: &'static str,
    /// What `aurora.pretrained` has; other presets may have another.
    pub default: &'static str,
    /// Its name in microsoft-aurora's constructor; empty if it has none there.
    pub upstream: &'static str,
}

const fn argument(
    name: &'static str,
    takes: Takes,
    says: &'static str,
    default: &'static str,
    upstream: &'static str,
) -> Argument {
    Argument { name, takes, says, default, upstream }
}

/// Every argument, in the order of the manual.
pub const ARCHITECTURE: &[Argument] = &[
    argument("patch", Takes::Whole, "side of a patch in grid points, 2 or more", "4", "patch_size"),
    argument("embed", Takes::Whole, "width of a token, a multiple of 4", "512", "embed_dim"),
    argument(
        "window",
        Takes::Wholes,
        "attention window in patches: latent levels, rows, columns",
        "[2, 6, 12]",
        "window_size",
    ),
    argument("depths", Takes::Wholes, "blocks of each stage, downwards", "[6, 10, 8]", "encoder_depths"),
    argument(
        "decoder_depths",
        Takes::Wholes,
        "blocks of each stage, upwards; `depths` reversed unless said",
        "[8, 10, 6]",
        "decoder_depths",
    ),
    argument(
        "heads",
        Takes::Wholes,
        "heads of attention of each stage, downwards",
        "[8, 16, 32]",
        "encoder_num_heads",
    ),
    argument(
        "decoder_heads",
        Takes::Wholes,
        "heads of attention of each stage, upwards; `heads` reversed unless said",
        "[32, 16, 8]",
        "decoder_num_heads",
    ),
    argument(
        "latent_levels",
        Takes::Whole,
        "levels inside the model, of which one is the surface; not pressure levels; a multiple of the window's",
        "4",
        "latent_levels",
    ),
    argument("perceiver_heads", Takes::Whole, "heads of the Perceivers", "16", "num_heads"),
    argument(
        "mlp_ratio",
        Takes::Number,
        "hidden width over width, in the backbone and the encoder",
        "4",
        "mlp_ratio",
    ),
    argument(
        "decoder_mlp_ratio",
        Takes::Number,
        "hidden width over width, in the decoder's Perceiver",
        "2",
        "dec_mlp_ratio",
    ),
    argument(
        "encoder_perceiver_depth",
        Takes::Whole,
        "layers of the Perceiver that gathers levels",
        "1",
        "enc_depth",
    ),
    argument(
        "decoder_perceiver_depth",
        Takes::Whole,
        "layers of the Perceiver that spreads levels",
        "1",
        "dec_depth",
    ),
    argument(
        "perceiver_ln_eps",
        Takes::Number,
        "what keeps the Perceivers' norms from dividing by zero",
        "1e-5",
        "perceiver_ln_eps",
    ),
    argument("drop_rate", Takes::Number, "share of activations dropped in training", "0", "drop_rate"),
    argument(
        "drop_path",
        Takes::Number,
        "share of blocks skipped in training, growing to this with depth",
        "0",
        "drop_path",
    ),
    argument(
        "stabilise",
        Takes::Truth,
        "norms on keys and queries where levels are gathered; for fine-tuning on new variables",
        "false",
        "stabilise_level_agg",
    ),
    argument(
        "condition",
        Takes::Levels,
        "levels that each have patch embeddings and output layers of their own",
        "none",
        "level_condition",
    ),
    argument(
        "broadcast",
        Takes::Truth,
        "each level of `condition` starts from what the base has for all levels",
        "false",
        "",
    ),
    argument("dynamic", Takes::Truth, "six channels of hour, weekday and day", "false", "dynamic_vars"),
    argument(
        "atmosphere_statics",
        Takes::Truth,
        "static and time channels on every level too; needs `dynamic`",
        "false",
        "atmos_static_vars",
    ),
    argument("stochastic", Takes::Truth, "noise in the backbone, for ensembles", "false", "stochastic"),
    argument(
        "simulate_indexing_bug",
        Takes::Truth,
        "the static `z` on levels is replaced by `z`, as in the published air pollution model",
        "false",
        "simulate_indexing_bug",
    ),
    argument(
        "updated_lead_time",
        Takes::Truth,
        "the lead-time expansion of Aurora 1.5",
        "false",
        "use_updated_lead_time_embedding",
    ),
    argument(
        "fp16_safe_attention",
        Takes::Truth,
        "logits of attention kept inside the range of 16 bits",
        "false",
        "use_fp16_safe_attention",
    ),
    argument(
        "lora",
        Takes::Word(LORA),
        "low-rank updates that the checkpoint has: one set for all steps, from the second on, or one for each",
        "none",
        "",
    ),
    argument("lora_steps", Takes::Whole, "steps of a roll-out that `lora` serves", "40", ""),
    argument(
        "separate",
        Takes::Fields,
        "fields on levels that Aurora's own decoder spreads by a second Perceiver",
        "[]",
        "",
    ),
    argument(
        "modulated",
        Takes::Fields,
        "fields with an output that modulates an earlier state, as pollutants have",
        "[]",
        "",
    ),
    argument(
        "positive",
        Takes::Fields,
        "fields kept positive inside the network besides those whose ranges and centres say so",
        "[]",
        "",
    ),
    argument("clamp_first", Takes::Truth, "positive fields are so from the first step on", "false", ""),
    argument(
        "surface_order",
        Takes::Fields,
        "the order of surface fields in a checkpoint of Aurora 1.5 that stacks them",
        "as in the roles",
        "",
    ),
    argument(
        "wrap",
        Takes::Truth,
        "attention across the left and right edge, as upstream has it on every grid",
        "on a global grid",
        "",
    ),
];

/// Options of upstream's constructor that a recipe says elsewhere, and where.
pub const ELSEWHERE: &[(&str, &str)] = &[
    ("surf_vars", "the roles say it: prognostic  t2m, u10, v10"),
    ("atmos_vars", "the roles say it: prognostic  t, u, v, q, z"),
    ("static_vars", "the role says it: static  orog"),
    ("max_history_size", "a clause of `model` says it: history  2 steps"),
    ("timestep", "a clause of `model` says it: step  1 h"),
    ("variable_lead_time", "a clause of `model` says it: step  1 .. 6 h"),
    ("positive_surf_vars", "the variable's range says it: variable refc : reflectivity >= 0 dBZ …"),
    ("positive_atmos_vars", "the variable's range says it: variable q : specific_humidity >= 0 …"),
    ("clamp_at_first_step", "the variable's range says it: variable q : specific_humidity >= 0 …"),
    (
        "rollout_input_clipping",
        "the variable's range says it: variable refc : reflectivity in -10 .. 75 dBZ …",
    ),
    ("surf_stats", "the variable says it: amend variable sbcape { centre 1000 J/kg  spread 1500 J/kg }"),
    ("separate_perceiver", "a head says it: head NAME { reads latent  predicts …  layers perceiver }"),
    (
        "modulation_heads",
        "a head says it: head NAME { reads latent  predicts …  layers perceiver(modulate = true) }",
    ),
    ("output_only_surf_vars", "the role says it: diagnostic  refc, sbcape"),
    ("output_only_atmos_vars", "the role says it: diagnostic  w"),
    ("use_lora", "a phase says it: train  backbone by lora(rank = 8)"),
    ("lora_mode", "a phase says it: train  backbone by lora(rank = 8, steps = all)"),
    ("lora_steps", "a phase says it: train  backbone by lora(rank = 8, steps = all)"),
    ("autocast", "a phase says it: precision  bf16 of backbone"),
    ("autocast_dtype", "a phase says it: precision  bf16 of backbone"),
    ("bf16_mode", "a phase says it: precision  bf16 of backbone"),
];

/// The argument of that name.
#[must_use]
pub fn argument_of(name: &str) -> Option<&'static Argument> {
    ARCHITECTURE.iter().find(|one| one.name == name)
}
