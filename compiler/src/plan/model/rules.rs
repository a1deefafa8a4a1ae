//! The rules that a configuration must keep, each told in a sentence, and what is not built yet.

use super::{Family, ModelPlan};

/// Hours that the lead-time expansion covers: one minute to three weeks.
const LEAD_HOURS: (f64, f64) = (1.0 / 60.0, 504.0);
/// Pressures in hPa that the level expansion covers.
const LEVEL_RANGE: (f64, f64) = (0.01, 1e5);

impl ModelPlan {
    /// Checks every rule the architecture imposes; one sentence for each that is broken.
    pub fn validate(&self) -> Result<(), Vec<String>> {
        let faults = self.faults();
        if faults.is_empty() { Ok(()) } else { Err(faults.into_iter().map(|fault| fault.sentence).collect()) }
    }

    /// Every rule that is broken, and the number that breaks it.
    pub fn faults(&self) -> Vec<Fault> {
        let mut faults = Faults::default();
        self.check_variables(&mut faults);
        self.check_options(&mut faults);
        self.check_grid(&mut faults);
        self.check_widths(&mut faults);
        self.check_stages(&mut faults);
        faults.0
    }

    fn check_options(&self, faults: &mut Faults) {
        let options = &self.options;
        for (name, rate) in [("drop_rate", options.drop_rate), ("drop_path", options.drop_path)] {
            faults.add(name, !(0.0..1.0).contains(&rate), || {
                format!("{name} {rate} is no share from 0 up to, but not including, 1")
            });
        }
        faults.add("atmosphere_statics", options.atmosphere_statics && !options.dynamic_variables, || {
            "static channels on levels come with the time channels or not at all".into()
        });
        let has_both =
            self.statics.iter().any(|name| name == "z") && self.atmosphere.iter().any(|n| n == "z");
        faults.add("simulate_indexing_bug", options.simulate_indexing_bug && !has_both, || {
            "the indexing error mistakes a static `z` for the one on levels: it needs both".into()
        });
        let apart = has_both && !options.atmosphere_statics;
        faults.add("simulate_indexing_bug", options.simulate_indexing_bug && apart, || {
            "the indexing error mistakes a static `z` on levels: it needs static channels on levels \
             (atmosphere_statics)"
                .into()
        });
        if let Some(levels) = &options.level_condition {
            for level in self.levels.iter().filter(|level| !levels.contains(level)) {
                faults.add("condition", true, || {
                    format!("the level {level} hPa has no embedding of its own among the levels it is conditioned on")
                });
            }
        }
    }

    fn check_variables(&self, faults: &mut Faults) {
        let lists =
            [("surface", &self.surface), ("static", &self.statics), ("atmospheric", &self.atmosphere)];
        for (kind, names) in lists {
            faults.add("variables", names.is_empty(), || {
                format!("the model needs at least one {kind} variable")
            });
            for name in repeated(names) {
                faults.add("variables", true, || format!("the {kind} variable `{name}` is listed twice"));
            }
        }
        for name in self.surface.iter().filter(|name| self.statics.contains(name)) {
            faults.add("variables", true, || format!("`{name}` is both a surface and a static variable"));
        }
        let positive = [
            ("surface", &self.positive_surface, &self.surface),
            ("atmospheric", &self.positive_atmosphere, &self.atmosphere),
        ];
        // The air pollution model has weights for each name in these lists, whether it reads the variable or not.
        let every = self.options.family != Family::AirPollution;
        for (kind, names, known) in positive.into_iter().filter(|_| every) {
            for name in names.iter().filter(|name| !known.contains(name)) {
                faults.add("variables", true, || {
                    format!("`{name}` is to be kept positive but is no {kind} variable of the model")
                });
            }
        }
        faults.add("levels", self.levels.is_empty(), || "the model needs at least one pressure level".into());
        for level in &self.levels {
            faults.add("levels", !(LEVEL_RANGE.0..=LEVEL_RANGE.1).contains(level), || {
                format!("pressure level {level} hPa lies outside 0.01 to 100000 hPa")
            });
        }
        for (index, level) in self.levels.iter().enumerate() {
            let twice = self.levels[..index].contains(level);
            faults.add("levels", twice, || format!("pressure level {level} hPa is listed twice"));
        }
        let lead = (LEAD_HOURS.0..=LEAD_HOURS.1).contains(&self.timestep);
        faults.add("step", !lead, || {
            format!("the time step of {} h lies outside one minute to three weeks", self.timestep)
        });
        faults.add("history", self.history == 0, || "the history must hold at least one time".into());
    }

    fn check_grid(&self, faults: &mut Faults) {
        let ModelPlan { patch, height, width, .. } = *self;
        faults.add("patch", patch < 2, || format!("the patch size must be 2 or more, not {patch}"));
        if patch < 2 {
            return;
        }
        let columns = width == 0 || width % patch != 0;
        let rows = height < patch || height % patch > 1;
        faults.add("grid", rows && columns, || {
            format!(
                "neither the grid's {height} rows nor its {width} columns are a multiple of the patch size {patch}"
            )
        });
        faults.add("grid", columns && !rows, || {
            format!("the grid's {width} columns must be a multiple of the patch size {patch}")
        });
        faults.add("grid", rows && !columns, || {
            format!("the grid's {height} rows must be a multiple of the patch size {patch}, or one more")
        });
        let resolutions = self.resolutions();
        for (stage, [_, rows, columns]) in resolutions.iter().enumerate().take(self.stages().max(1) - 1) {
            faults.add("depths", *rows < 2 || *columns < 2, || {
                format!(
                    "stage {stage} has {rows}×{columns} patches, too few to merge: use fewer stages or smaller \
                     patches"
                )
            });
        }
    }

    fn check_widths(&self, faults: &mut Faults) {
        let ModelPlan { embed_dim, num_heads, latent_levels, window, .. } = *self;
        faults.add("embed", embed_dim == 0 || embed_dim % 4 != 0, || {
            format!("embed_dim must be a positive multiple of 4, not {embed_dim}")
        });
        faults.add("perceiver_heads", num_heads == 0 || embed_dim % num_heads.max(1) != 0, || {
            format!("embed_dim {embed_dim} must be a multiple of num_heads {num_heads}")
        });
        faults.add("window", window.contains(&0), || "the window must be at least 1 on each axis".into());
        faults.add("latent_levels", latent_levels < 2, || {
            format!("latent_levels must be 2 or more, not {latent_levels}")
        });
        faults.add("latent_levels", window[0] > 0 && !latent_levels.is_multiple_of(window[0]), || {
            format!("latent_levels {latent_levels} must be a multiple of the window's {} levels", window[0])
        });
        let ratios = [
            ("mlp_ratio", "mlp_ratio", self.mlp_ratio),
            ("decoder_mlp_ratio", "dec_mlp_ratio", self.dec_mlp_ratio),
        ];
        for (argument, name, ratio) in ratios {
            let sound = ratio.is_finite() && ModelPlan::hidden(embed_dim, ratio) > 0;
            faults.add(argument, !sound, || format!("{name} {ratio} leaves no hidden unit"));
        }
        let eps = self.perceiver_ln_eps;
        faults.add("perceiver_ln_eps", !(eps.is_finite() && eps > 0.0), || {
            format!("perceiver_ln_eps must be positive, not {eps}")
        });
        for (argument, name, depth) in [
            ("encoder_perceiver_depth", "enc_depth", self.enc_depth),
            ("decoder_perceiver_depth", "dec_depth", self.dec_depth),
        ] {
            faults.add(argument, depth == 0, || format!("{name} must be at least 1"));
        }
    }

    fn check_stages(&self, faults: &mut Faults) {
        let stages = self.stages();
        faults.add("depths", stages < 2, || format!("the backbone needs two or more stages, not {stages}"));
        let lists = [
            ("heads", "encoder_heads", self.encoder_heads.len()),
            ("decoder_depths", "decoder_depths", self.decoder_depths.len()),
            ("decoder_heads", "decoder_heads", self.decoder_heads.len()),
        ];
        for (argument, name, length) in lists {
            faults.add(argument, length != stages, || {
                format!("{name} has {length} entries, but encoder_depths has {stages}")
            });
        }
        let sums = (self.encoder_depths.iter().sum::<usize>(), self.decoder_depths.iter().sum::<usize>());
        faults.add("decoder_depths", sums.0 != sums.1, || {
            format!(
                "encoder_depths add up to {} blocks and decoder_depths to {}: they must agree",
                sums.0, sums.1
            )
        });
        for depth in self.encoder_depths.iter().chain(&self.decoder_depths) {
            faults.add("depths", *depth == 0, || "every stage needs at least one block".into());
        }
        for (stage, &heads) in self.encoder_heads.iter().enumerate().take(stages) {
            self.check_heads(faults, ("heads", "encoder"), stage, heads, self.stage_width(stage));
        }
        for (stage, &heads) in self.decoder_heads.iter().enumerate().take(stages) {
            self.check_heads(
                faults,
                ("decoder_heads", "decoder"),
                stage,
                heads,
                self.stage_width(stages - 1 - stage),
            );
        }
    }

    fn check_heads(
        &self,
        faults: &mut Faults,
        (argument, part): (&'static str, &str),
        stage: usize,
        heads: usize,
        width: usize,
    ) {
        faults.add(argument, heads == 0 || !width.is_multiple_of(heads), || {
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

/// A rule that a configuration breaks.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Fault {
    /// The argument of `architecture` whose number breaks it, or `grid`, `levels`, `variables`, `step`, `history`.
    pub about: &'static str,
    pub sentence: String,
}

#[derive(Default)]
struct Faults(Vec<Fault>);

impl Faults {
    fn add(&mut self, about: &'static str, wrong: bool, sentence: impl FnOnce() -> String) {
        if wrong {
            self.0.push(Fault { about, sentence: sentence() });
        }
    }
}
