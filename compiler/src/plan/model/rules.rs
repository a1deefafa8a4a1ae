//! The rules that a configuration must keep, each told in a sentence, and what is not built yet.

use super::ModelPlan;

/// Hours that the lead-time expansion covers: one minute to three weeks.
const LEAD_HOURS: (f64, f64) = (1.0 / 60.0, 504.0);
/// Pressures in hPa that the level expansion covers.
const LEVEL_RANGE: (f64, f64) = (0.01, 1e5);

impl ModelPlan {
    /// Options of this plan that no backend builds yet, each in words.
    pub fn not_built(&self) -> Vec<String> {
        let options = &self.options;
        let mut list = Vec::new();
        let mut add = |present: bool, what: &str| {
            if present {
                list.push(what.to_string());
            }
        };
        add(options.drop_path != 0.0, "stochastic depth (drop_path)");
        add(options.drop_rate != 0.0, "dropout (drop_rate)");
        add(options.lora.is_some(), "low-rank adaptation (lora)");
        add(options.level_condition.is_some(), "embeddings by level (level_condition)");
        add(options.dynamic_variables, "time channels (dynamic_variables)");
        add(options.atmosphere_statics, "static channels on levels (atmosphere_statics)");
        add(!options.separate_perceiver.is_empty(), "a second decoder Perceiver (separate_perceiver)");
        add(!options.modulation_heads.is_empty(), "modulation heads (modulation_heads)");
        add(options.simulate_indexing_bug, "the indexing error of the air pollution model");
        add(options.stochastic, "noise in the backbone (stochastic)");
        add(options.updated_lead_time_embedding, "the lead-time embedding of Aurora 1.5");
        add(options.variable_lead_time, "a lead time for each sample (variable_lead_time)");
        list
    }

    /// Checks every rule the architecture imposes; one sentence for each that is broken.
    pub fn validate(&self) -> Result<(), Vec<String>> {
        let mut faults = Faults::default();
        self.check_variables(&mut faults);
        self.check_grid(&mut faults);
        self.check_widths(&mut faults);
        self.check_stages(&mut faults);
        if faults.0.is_empty() { Ok(()) } else { Err(faults.0) }
    }

    fn check_variables(&self, faults: &mut Faults) {
        let lists =
            [("surface", &self.surface), ("static", &self.statics), ("atmospheric", &self.atmosphere)];
        for (kind, names) in lists {
            faults.add(names.is_empty(), || format!("the model needs at least one {kind} variable"));
            for name in repeated(names) {
                faults.add(true, || format!("the {kind} variable `{name}` is listed twice"));
            }
        }
        for name in self.surface.iter().filter(|name| self.statics.contains(name)) {
            faults.add(true, || format!("`{name}` is both a surface and a static variable"));
        }
        let positive = [
            ("surface", &self.positive_surface, &self.surface),
            ("atmospheric", &self.positive_atmosphere, &self.atmosphere),
        ];
        for (kind, names, known) in positive {
            for name in names.iter().filter(|name| !known.contains(name)) {
                faults.add(true, || {
                    format!("`{name}` is to be kept positive but is no {kind} variable of the model")
                });
            }
        }
        faults.add(self.levels.is_empty(), || "the model needs at least one pressure level".into());
        for level in &self.levels {
            faults.add(!(LEVEL_RANGE.0..=LEVEL_RANGE.1).contains(level), || {
                format!("pressure level {level} hPa lies outside 0.01 to 100000 hPa")
            });
        }
        for (index, level) in self.levels.iter().enumerate() {
            let twice = self.levels[..index].contains(level);
            faults.add(twice, || format!("pressure level {level} hPa is listed twice"));
        }
        let lead = (LEAD_HOURS.0..=LEAD_HOURS.1).contains(&self.timestep);
        faults.add(!lead, || {
            format!("the time step of {} h lies outside one minute to three weeks", self.timestep)
        });
        faults.add(self.history == 0, || "the history must hold at least one time".into());
    }

    fn check_grid(&self, faults: &mut Faults) {
        let ModelPlan { patch, height, width, .. } = *self;
        faults.add(patch < 2, || format!("the patch size must be 2 or more, not {patch}"));
        if patch < 2 {
            return;
        }
        faults.add(width == 0 || width % patch != 0, || {
            format!("the grid's {width} columns must be a multiple of the patch size {patch}")
        });
        faults.add(height < patch || height % patch > 1, || {
            format!("the grid's {height} rows must be a multiple of the patch size {patch}, or one more")
        });
        let resolutions = self.resolutions();
        for (stage, [_, rows, columns]) in resolutions.iter().enumerate().take(self.stages().max(1) - 1) {
            faults.add(*rows < 2 || *columns < 2, || {
                format!(
                    "stage {stage} has {rows}×{columns} patches, too few to merge: use fewer stages or smaller \
                     patches"
                )
            });
        }
    }

    fn check_widths(&self, faults: &mut Faults) {
        let ModelPlan { embed_dim, num_heads, latent_levels, window, .. } = *self;
        faults.add(embed_dim == 0 || embed_dim % 4 != 0, || {
            format!("embed_dim must be a positive multiple of 4, not {embed_dim}")
        });
        faults.add(num_heads == 0 || embed_dim % num_heads.max(1) != 0, || {
            format!("embed_dim {embed_dim} must be a multiple of num_heads {num_heads}")
        });
        faults.add(window.contains(&0), || "the window must be at least 1 on each axis".into());
        faults.add(latent_levels < 2, || format!("latent_levels must be 2 or more, not {latent_levels}"));
        faults.add(window[0] > 0 && !latent_levels.is_multiple_of(window[0]), || {
            format!("latent_levels {latent_levels} must be a multiple of the window's {} levels", window[0])
        });
        let ratios = [("mlp_ratio", self.mlp_ratio), ("dec_mlp_ratio", self.dec_mlp_ratio)];
        for (name, ratio) in ratios {
            let sound = ratio.is_finite() && ModelPlan::hidden(embed_dim, ratio) > 0;
            faults.add(!sound, || format!("{name} {ratio} leaves no hidden unit"));
        }
        let eps = self.perceiver_ln_eps;
        faults
            .add(!(eps.is_finite() && eps > 0.0), || format!("perceiver_ln_eps must be positive, not {eps}"));
        for (name, depth) in [("enc_depth", self.enc_depth), ("dec_depth", self.dec_depth)] {
            faults.add(depth == 0, || format!("{name} must be at least 1"));
        }
    }

    fn check_stages(&self, faults: &mut Faults) {
        let stages = self.stages();
        faults.add(stages < 2, || format!("the backbone needs two or more stages, not {stages}"));
        let lists = [
            ("encoder_heads", self.encoder_heads.len()),
            ("decoder_depths", self.decoder_depths.len()),
            ("decoder_heads", self.decoder_heads.len()),
        ];
        for (name, length) in lists {
            faults.add(length != stages, || {
                format!("{name} has {length} entries, but encoder_depths has {stages}")
            });
        }
        let sums = (self.encoder_depths.iter().sum::<usize>(), self.decoder_depths.iter().sum::<usize>());
        faults.add(sums.0 != sums.1, || {
            format!(
                "encoder_depths add up to {} blocks and decoder_depths to {}: they must agree",
                sums.0, sums.1
            )
        });
        for depth in self.encoder_depths.iter().chain(&self.decoder_depths) {
            faults.add(*depth == 0, || "every stage needs at least one block".into());
        }
        for (stage, &heads) in self.encoder_heads.iter().enumerate().take(stages) {
            self.check_heads(faults, "encoder", stage, heads, self.stage_width(stage));
        }
        for (stage, &heads) in self.decoder_heads.iter().enumerate().take(stages) {
            self.check_heads(faults, "decoder", stage, heads, self.stage_width(stages - 1 - stage));
        }
    }

    fn check_heads(&self, faults: &mut Faults, part: &str, stage: usize, heads: usize, width: usize) {
        faults.add(heads == 0 || !width.is_multiple_of(heads), || {
            format!("{part} stage {stage} is {width} wide, which is no multiple of its {heads} heads")
        });
    }
}

fn repeated(names: &[String]) -> Vec<&String> {
    names
        .iter()
        .enumerate()
        .filter(|(index, name)| names[..*index].contains(name))
        .map(|(_, name)| name)
        .collect()
}

/// Sentences about what is wrong.
#[derive(Default)]
struct Faults(Vec<String>);

impl Faults {
    fn add(&mut self, wrong: bool, sentence: impl FnOnce() -> String) {
        if wrong {
            self.0.push(sentence());
        }
    }
}
