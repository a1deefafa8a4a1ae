//! What follows from a plan alone: the names and shapes of the weights in Aurora 2.0.1, and their number.
//! Weights of heads that Aurora does not have stand under `heads.NAME`.

use super::{Family, LoraMode, ModelPlan, OutputOnly, ParameterCount};
use crate::plan::list::Tensors;

/// The six channels of the time of day, of the week and (so upstream calls it) of the year.
pub const TIME_CHANNELS: [&str; 6] = ["tod_cos", "tod_sin", "dow_cos", "dow_sin", "doy_cos", "doy_sin"];

impl ModelPlan {
    /// Every weight: its name in Aurora 2.0.1 and its shape in torch's layout.
    pub fn tensors(&self) -> Vec<(String, Vec<usize>)> {
        let mut list = Tensors::default();
        self.encoder_tensors(&mut list);
        self.backbone_tensors(&mut list);
        self.decoder_tensors(&mut list);
        self.combiner_tensors(&mut list);
        for head in &self.options.heads {
            head.tensors(self, &mut list);
        }
        list.0
    }

    /// The number of parameters, in all and by part.
    pub fn parameters(&self) -> ParameterCount {
        let mut count = ParameterCount::default();
        for (name, shape) in self.tensors() {
            let size = shape.iter().product::<usize>() as u64;
            count.total += size;
            match name.split('.').next() {
                Some("encoder") => count.encoder += size,
                Some("backbone") => count.backbone += size,
                Some("decoder") => count.decoder += size,
                Some("heads") => count.heads += size,
                _ => count.other += size,
            }
        }
        count
    }

    /// The surface channels that have a patch embedding, statics and time included, in the encoder's order.
    pub fn surface_inputs(&self) -> Vec<String> {
        let read = self.surface.iter().filter(|name| !self.only_predicted(name, false));
        let mut list: Vec<String> = read.flat_map(|name| self.channels(name)).collect();
        list.extend(self.options.forcing_surface.iter().cloned());
        list.extend(self.fixed_inputs());
        list
    }

    /// The channels on levels that have a patch embedding, in the encoder's order.
    pub fn atmosphere_inputs(&self) -> Vec<String> {
        let read = self.atmosphere.iter().filter(|name| !self.only_predicted(name, true));
        let mut list: Vec<String> = read.cloned().collect();
        list.extend(self.options.forcing_atmosphere.iter().cloned());
        if self.options.atmosphere_statics {
            list.extend(self.fixed_inputs().iter().map(|name| format!("static_{name}")));
        }
        list
    }

    /// The surface channels that Aurora's own decoder predicts.
    pub fn surface_outputs(&self) -> Vec<String> {
        self.surface.iter().flat_map(|name| self.surface_outputs_of(name)).collect()
    }

    /// The channels on levels that Aurora's own decoder predicts.
    pub fn atmosphere_outputs(&self) -> Vec<String> {
        self.atmosphere.iter().flat_map(|name| self.atmosphere_outputs_of(name)).collect()
    }

    /// The channels of one surface variable that Aurora's own decoder predicts; none if a head claims it.
    pub fn surface_outputs_of(&self, name: &str) -> Vec<String> {
        if self.claimed(name, false) {
            return Vec::new();
        }
        self.channels(name).into_iter().flat_map(|name| self.modulated(name)).collect()
    }

    /// The channels of one variable on levels that Aurora's own decoder predicts; none if a head claims it.
    pub fn atmosphere_outputs_of(&self, name: &str) -> Vec<String> {
        if self.claimed(name, true) { Vec::new() } else { self.modulated(name.to_string()) }
    }

    /// Whether the surface variable is predicted and never read.
    pub fn surface_output_only(&self, name: &str) -> bool {
        self.output_only(name, false)
    }

    /// Whether the variable on levels is predicted and never read.
    pub fn atmosphere_output_only(&self, name: &str) -> bool {
        self.output_only(name, true)
    }

    /// Whether a head beside Aurora's own decoder predicts the variable.
    fn claimed(&self, name: &str, levels: bool) -> bool {
        self.options
            .heads
            .iter()
            .any(|head| head.predicts.iter().any(|one| one.named == name && one.levels == levels))
    }

    /// Predicted and not read; Aurora 1.5 as published embeds such variables all the same.
    fn only_predicted(&self, name: &str, levels: bool) -> bool {
        self.options.family != Family::V1p5 && self.output_only(name, levels)
    }

    fn output_only(&self, name: &str, levels: bool) -> bool {
        self.options.output_only.iter().any(|one| match one {
            OutputOnly::Surface(other) => !levels && other == name,
            OutputOnly::Atmosphere(other) => levels && other == name,
        })
    }

    /// A surface variable as the network sees it: waves have sine and cosine, and a channel of presence.
    fn channels(&self, name: &str) -> Vec<String> {
        let mut list = if self.options.angles.iter().any(|angle| angle == name) {
            vec![format!("{name}_sin"), format!("{name}_cos")]
        } else {
            vec![name.to_string()]
        };
        if self.options.density_channels.iter().any(|other| other == name) {
            list.push(format!("{name}_density"));
        }
        list
    }

    fn modulated(&self, name: String) -> Vec<String> {
        if self.options.modulation_heads.contains(&name) {
            let modulation = format!("{name}_mod");
            return vec![name, modulation];
        }
        vec![name]
    }

    fn fixed_inputs(&self) -> Vec<String> {
        let mut list = self.statics.clone();
        if self.options.dynamic_variables {
            list.extend(TIME_CHANNELS.map(str::to_string));
        }
        list
    }

    fn encoder_tensors(&self, list: &mut Tensors) {
        let width = self.embed_dim;
        list.add("encoder.atmos_latents", [self.latent_levels.saturating_sub(1), width]);
        list.add("encoder.surf_level_encoding", [width]);
        list.mlp("encoder.surf_mlp", width, ModelPlan::hidden(width, self.mlp_ratio));
        list.norm("encoder.surf_norm", width);
        for name in
            ["pos_embed", "scale_embed", "lead_time_embed", "absolute_time_embed", "atmos_levels_embed"]
        {
            list.linear(&format!("encoder.{name}"), width, width, true);
        }
        self.embedding(list, "encoder.surf_token_embeds", &self.surface_inputs());
        match &self.options.level_condition {
            None => self.embedding(list, "encoder.atmos_token_embeds", &self.atmosphere_inputs()),
            Some(levels) => {
                for level in levels {
                    let prefix = format!("encoder.atmos_token_embeds.layers.{}", level_name(*level));
                    self.embedding(list, &prefix, &self.atmosphere_inputs());
                }
            }
        }
        let stabilise = self.stabilise_level_aggregation;
        list.perceiver("encoder.level_agg", width, self.mlp_ratio, self.enc_depth, stabilise);
    }

    fn embedding(&self, list: &mut Tensors, prefix: &str, names: &[String]) {
        let shape = [self.embed_dim, 1, self.history, self.patch, self.patch];
        list.add(format!("{prefix}.bias"), [self.embed_dim]);
        for name in sorted(names) {
            list.add(format!("{prefix}.weights.{name}"), shape);
        }
    }

    fn backbone_tensors(&self, list: &mut Tensors) {
        let (stages, width) = (self.stages(), self.embed_dim);
        for index in [0, 2] {
            list.linear(&format!("backbone.time_mlp.{index}"), width, width, true);
        }
        if self.options.stochastic {
            for index in [0, 2] {
                list.linear(&format!("backbone.noise_mlp.{index}"), width, width, true);
            }
            for stage in 0..stages.saturating_sub(1) {
                let name = format!("backbone.context_down_layers.{stage}.reduction");
                list.linear(&name, 4 * width, width, false);
            }
        }
        for (stage, &depth) in self.encoder_depths.iter().enumerate() {
            let (prefix, width) = (format!("backbone.encoder_layers.{stage}"), self.stage_width(stage));
            self.block_tensors(list, &prefix, depth, width);
            if stage + 1 < stages {
                list.linear(&format!("{prefix}.downsample.reduction"), 4 * width, 2 * width, false);
                list.norm(&format!("{prefix}.downsample.norm"), 4 * width);
            }
        }
        for (stage, &depth) in self.decoder_depths.iter().enumerate().take(stages) {
            let prefix = format!("backbone.decoder_layers.{stage}");
            let width = self.stage_width(stages - 1 - stage);
            self.block_tensors(list, &prefix, depth, width);
            if stage + 1 < stages {
                list.linear(&format!("{prefix}.upsample.lin1"), width, 2 * width, false);
                list.linear(&format!("{prefix}.upsample.lin2"), width / 2, width / 2, false);
                list.norm(&format!("{prefix}.upsample.norm"), width / 2);
            }
        }
    }

    fn block_tensors(&self, list: &mut Tensors, prefix: &str, depth: usize, width: usize) {
        let hidden = ModelPlan::hidden(width, self.mlp_ratio);
        for block in 0..depth {
            let prefix = format!("{prefix}.blocks.{block}");
            list.linear(&format!("{prefix}.norm1.ln_modulation.1"), self.embed_dim, 2 * width, true);
            list.linear(&format!("{prefix}.attn.qkv"), width, 3 * width, true);
            list.linear(&format!("{prefix}.attn.proj"), width, width, true);
            if let Some(lora) = &self.options.lora {
                let steps = if lora.mode == LoraMode::All { lora.steps } else { 1 };
                list.adapters(&prefix, width, lora.rank, steps);
            }
            list.linear(&format!("{prefix}.norm2.ln_modulation.1"), self.embed_dim, 2 * width, true);
            list.linear(&format!("{prefix}.mlp.fc1"), width, hidden, true);
            list.linear(&format!("{prefix}.mlp.fc2"), hidden, width, true);
        }
    }

    fn decoder_tensors(&self, list: &mut Tensors) {
        let (width, area) = (2 * self.embed_dim, self.patch * self.patch);
        list.perceiver("decoder.level_decoder", width, self.dec_mlp_ratio, self.dec_depth, false);
        if !self.options.separate_perceiver.is_empty() {
            let name = "decoder.level_decoder_alternate";
            list.perceiver(name, width, self.dec_mlp_ratio, self.dec_depth, false);
        }
        for name in sorted(&self.surface_outputs()) {
            list.linear(&format!("decoder.surf_heads.{name}"), width, area, true);
        }
        for name in sorted(&self.atmosphere_outputs()) {
            self.level_outputs(list, &format!("decoder.atmos_heads.{name}"), area);
        }
        list.linear("decoder.atmos_levels_embed", width, width, true);
    }

    /// The last layer of a variable on levels: one, or one for each level.
    pub(in crate::plan) fn level_outputs(&self, list: &mut Tensors, name: &str, outputs: usize) {
        let width = 2 * self.embed_dim;
        match &self.options.level_condition {
            None => list.linear(name, width, outputs, true),
            Some(levels) => {
                for level in levels {
                    list.linear(&format!("{name}.layers.{}", level_name(*level)), width, outputs, true);
                }
            }
        }
    }

    /// A pollutant and its logarithm become one channel.
    fn combiner_tensors(&self, list: &mut Tensors) {
        if self.options.family != Family::AirPollution {
            return;
        }
        for (part, names) in [("surf", &self.positive_surface), ("atmos", &self.positive_atmosphere)] {
            for name in sorted(names) {
                list.linear(&format!("{part}_feature_combiner.{name}"), 2, 1, true);
            }
        }
    }
}

/// A level in a name: three decimals at most, `2.5` as `2_5`.
fn level_name(level: f64) -> String {
    let rounded = (level * 1000.0).round() / 1000.0;
    rounded.to_string().replace('.', "_")
}

fn sorted(names: &[String]) -> Vec<&String> {
    let mut list: Vec<_> = names.iter().collect();
    list.sort();
    list
}
