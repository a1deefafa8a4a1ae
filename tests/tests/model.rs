//! What recipes say of the model, as the plan has it: every row of the manual's table of Aurora's options, the
//! base and its weights, heads, groups, and what they cost.

mod world;

use aurora_compiler::Plan;
use aurora_compiler::plan::base::{self, BasePlan};
use aurora_compiler::plan::head::Layers;
use aurora_compiler::plan::model::{OutputOnly, Preset, parameters_of};
use aurora_compiler::plan::resources::resources;
use aurora_compiler::plan::{Part, Role};
use aurora_compiler::site::MachineProfile;
use world::compiled;

fn plan(body: &str) -> Plan {
    let text = format!("aurora 1.0\nrecipe probe extends \"quickstart.aurora\"\n{body}\n");
    compiled("probe.aurora", &text).result.expect("compiled").0
}

#[test]
fn every_argument_has_its_place() {
    let model = plan(
        "drop evaluate convection\namend model {\n step 1 .. 6 h\n history 3 steps\n architecture aurora(patch = 2, window = [2, 8, 16], depths = \
         [2, 3], decoder_depths = [1, 4], heads = [2, 4], decoder_heads = [8, 4], latent_levels = 6, embed = 32, \
         perceiver_heads = 8, mlp_ratio = 3, encoder_perceiver_depth = 2, decoder_perceiver_depth = 3, \
         decoder_mlp_ratio = 1.5, perceiver_ln_eps = 1e-6, drop_rate = 0.1, drop_path = 0.2, stabilise = true, dynamic \
         = true, atmosphere_statics = true, stochastic = true, updated_lead_time = true, fp16_safe_attention = true, \
         condition = pl)\n}",
    )
    .model;
    assert_eq!((model.patch, model.window, model.embed_dim), (2, [2, 8, 16], 32));
    assert_eq!((model.encoder_depths, model.decoder_depths), (vec![2, 3], vec![1, 4]));
    assert_eq!((model.encoder_heads, model.decoder_heads), (vec![2, 4], vec![8, 4]));
    assert_eq!((model.latent_levels, model.num_heads, model.mlp_ratio), (6, 8, 3.0));
    assert_eq!((model.enc_depth, model.dec_depth, model.dec_mlp_ratio), (2, 3, 1.5));
    assert_eq!((model.perceiver_ln_eps, model.history, model.timestep), (1e-6, 3, 6.0));
    let options = model.options;
    assert_eq!((options.drop_rate, options.drop_path), (0.1, 0.2));
    assert_eq!((options.variable_lead_time, options.lead_times), (true, Some((1.0, 6.0))));
    assert!(model.stabilise_level_aggregation && options.dynamic_variables && options.atmosphere_statics);
    assert!(options.stochastic && options.updated_lead_time_embedding && options.fp16_safe_attention);
    assert_eq!(options.level_condition, Some(model.levels));
}

#[test]
fn every_preset_is_a_published_class() {
    for (word, preset) in Preset::WORDS {
        let recipe = format!(
            "amend model {{\n architecture {word}(patch = 4, simulate_indexing_bug = false, \
                              atmosphere_statics = false)\n}}"
        );
        let (model, class) = (plan(&recipe).model, preset.plan());
        assert_eq!(
            (model.embed_dim, model.encoder_depths, model.options.lora, model.options.stochastic),
            (class.embed_dim, class.encoder_depths, class.options.lora, class.options.stochastic),
            "{word}"
        );
    }
}

#[test]
fn roles_and_ranges_have_their_place() {
    let plan = plan(
        "use std.synthetic (uh, updraft, msl)\nvariable rain : reflectivity >= 0 dBZ on column from \
         \"REFC:entire atmosphere\" {\n centre 0 dBZ\n spread 10 dB\n}\namend model {\n prognostic t, u, v, q, z, t2m, \
         u10, v10, rain\n diagnostic uh, updraft\n forcing msl\n}\nloss weather2 = mae(prognostic)\namend phase learn \
         {\n minimise weather2\n}\ndrop loss storms\ndrop loss weather\ndrop evaluate convection\n",
    );
    let part = |field: &str| plan.roles.iter().find(|r| r.field == field).map(|r| (r.part, r.role));
    assert_eq!(part("uh"), Some((Part::Diagnostic, Role::Surface)));
    assert_eq!(part("msl"), Some((Part::Forcing, Role::Surface)));
    assert_eq!(part("orog"), Some((Part::Static, Role::Static)));
    let model = &plan.model;
    assert!(model.surface.contains(&"uh".to_string()) && !model.surface.contains(&"msl".to_string()));
    assert!(model.options.output_only.contains(&OutputOnly::Surface("uh".into())));
    assert_eq!(model.options.forcing_surface, ["msl"]);
    let has = |name: &str| model.tensors().iter().any(|(tensor, _)| tensor == name);
    assert!(has("decoder.surf_heads.uh.weight") && !has("encoder.surf_token_embeds.weights.uh"));
    assert!(has("encoder.surf_token_embeds.weights.msl") && !has("decoder.surf_heads.msl.weight"));
    // `>= 0` with centre 0 is upstream's positive variable; `>= 0` elsewhere is a bound on what is fed back.
    assert_eq!((&model.positive_surface[..], model.clamp_at_first_step), (&["rain".to_string()][..], true));
    assert!(model.positive_atmosphere.is_empty());
    let clip =
        |name: &str| model.options.clips.iter().find(|c| c.variable == name).map(|c| (c.least, c.greatest));
    assert_eq!(clip("q"), Some((Some(0.0), None)));
    assert_eq!(clip("uh"), None, "never fed back");
}

#[test]
fn a_head_has_a_place_and_weights_of_its_own() {
    let plan = plan(
        "head echoes {\n reads latent, t2m\n predicts refc as quantiles(9)\n layers unet(width = 16, depth = 2)\n}\nhead \
         moist {\n reads latent\n predicts q\n layers perceiver(modulate = true)\n}",
    );
    let [echoes, moist] = &plan.model.options.heads[..] else { panic!("two heads") };
    assert_eq!((echoes.quantiles, echoes.reads[0].named.as_str()), (Some(9), "2t"));
    assert!(matches!(moist.layers, Layers::Perceiver { modulate: true, .. }));
    assert_eq!(plan.model.groups(), ["encoder", "backbone", "decoder", "echoes", "moist"]);
    assert!(parameters_of(&plan.model.group("echoes")) > 0);
    let decoder = plan.model.group("decoder");
    assert!(
        decoder.iter().all(|(name, _)| !name.contains("surf_heads.refc") && !name.contains("atmos_heads.q."))
    );
}

/// Extending the published small model by one field: all else is kept.
#[test]
fn a_published_base_is_compared_by_name() {
    let plan = plan(
        "use std.synthetic (msl)\ndrop derive pwat\namend model {\n base \
         \"microsoft/aurora:aurora-0.25-small-pretrained.ckpt\"\n architecture aurora\n history 3 steps\n prognostic t, \
         u, v, q, z, t2m, u10, v10, msl, refc\n}\namend loss weather = mae(prognostic)\n",
    );
    let start = plan.base.as_ref().expect("a base");
    assert_eq!((start.class.as_deref(), start.digest.as_deref()), (Some("aurora.small"), None));
    let expected = [
        "decoder.surf_heads.refc.bias",
        "decoder.surf_heads.refc.weight",
        "encoder.surf_token_embeds.weights.orog",
        "encoder.surf_token_embeds.weights.refc",
    ];
    assert_eq!(start.fresh, expected);
    assert_eq!(start.unused.len(), 3, "lsm, z, slt: {:?}", start.unused);
    // Two past times become three: every patch embedding of the base that is kept.
    assert_eq!(start.grown.len(), 9);
    assert_eq!(start.kept + 9 + 4, plan.model.tensors().len());
    let new = base::group(&plan.model, Some(start), "new");
    assert_eq!(new.len(), 4);
    assert_eq!(parameters_of(&new), base::parameters_moved(&plan.model, Some(start), &["new", "new"]));
    let told: Vec<String> = BasePlan::told(&start.fresh).iter().map(ToString::to_string).collect();
    assert_eq!(told, ["patch embeddings of orog, refc", "output layers of refc"]);
}

#[test]
fn costs_follow_from_the_plan() {
    let plan = plan("");
    let plain = resources(&plan, None);
    assert_eq!(plain.parameters, plan.model.parameters().total);
    // 2020-04-20 to 2020-05-20 inclusive is 744 hours; two past times and one step of truth cost two of them.
    assert_eq!(plain.samples.train, 742);
    let phase = &plain.phases[0];
    assert_eq!((phase.moved, phase.steps), (plain.parameters, 3 * 371));
    assert_eq!(phase.memory.weights * 2, phase.memory.optimiser);
    assert_eq!(phase.step_seconds, None);
    // All weights move: forward, inputs' and weights' gradients, for two samples.
    assert!((phase.step_flops / (2.0 * 3.0 * plan.model.forward_flops()) - 1.0).abs() < 1e-12);
    let machine = MachineProfile {
        device: "cpu".into(),
        model_flops_per_second: Some(1e9),
        recompute: true,
        micro_batch: Some(1),
        ..MachineProfile::default()
    };
    let light = &resources(&plan, Some(&machine)).phases[0];
    assert!(light.memory.activations * 2 < phase.memory.activations);
    assert!(light.step_flops > phase.step_flops);
    assert_eq!(light.step_seconds, Some(light.step_flops / 1e9));
}

/// A tile, low-rank updates and 16 bits all cost less, and say how much.
#[test]
fn a_phase_costs_what_it_asks() {
    let whole = plan("amend phase learn {\n train backbone\n}");
    let light = plan(
        "amend phase learn {\n tile 32 by 32\n train backbone by lora(rank = 8)\n precision bf16 of backbone\n}",
    );
    let (all, some) = (&resources(&whole, None).phases[0], &resources(&light, None).phases[0]);
    assert_eq!(all.moved, whole.model.parameters().backbone);
    let adapters = light.model.lora("backbone", 8, 1).expect("of the backbone");
    assert_eq!(some.moved, parameters_of(&adapters));
    assert_eq!(some.memory.gradients, 4 * some.moved);
    assert!(some.memory.activations * 4 < all.memory.activations);
    assert!(some.step_flops * 3.0 < all.step_flops);
}
