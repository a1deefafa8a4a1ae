//! The published classes of Aurora 2.0.1 with the values of their constructors, and their checkpoints.

use super::{Clip, Family, LoraMode, LoraPlan, ModelOptions, ModelPlan, OutputOnly};

/// A published class, as a recipe names it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Preset {
    Pretrained,
    FineTuned,
    Small,
    TwelveHour,
    HighRes,
    AirPollution,
    Wave,
    V1p5,
    V1p5Ensemble,
}

/// A published file of weights and the class that it belongs to.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Published {
    pub repository: &'static str,
    pub file: &'static str,
    pub preset: Preset,
}

/// The files of `microsoft/aurora`.
const PUBLISHED: [(&str, Preset); 9] = [
    ("aurora-0.25-pretrained.ckpt", Preset::Pretrained),
    ("aurora-0.25-finetuned.ckpt", Preset::FineTuned),
    ("aurora-0.25-small-pretrained.ckpt", Preset::Small),
    ("aurora-0.25-12h-pretrained.ckpt", Preset::TwelveHour),
    ("aurora-0.1-finetuned.ckpt", Preset::HighRes),
    ("aurora-0.4-air-pollution.ckpt", Preset::AirPollution),
    ("aurora-0.25-wave.ckpt", Preset::Wave),
    ("aurora-0.25-v1.5.ckpt", Preset::V1p5),
    ("aurora-0.25-v1.5-ensemble.ckpt", Preset::V1p5Ensemble),
];

impl Published {
    /// Where they are published.
    pub const REPOSITORY: &'static str = "microsoft/aurora";

    /// What is known of `microsoft/aurora:NAME.ckpt`; nothing of another name.
    #[must_use]
    pub fn find(name: &str) -> Option<Published> {
        let (repository, file) = name.split_once(':')?;
        if repository != Published::REPOSITORY {
            return None;
        }
        let (file, preset) = *PUBLISHED.iter().find(|(known, _)| *known == file)?;
        Some(Published { repository: Published::REPOSITORY, file, preset })
    }

    /// The names by which `base` knows them, in the order of the manual.
    pub fn names() -> impl Iterator<Item = String> {
        PUBLISHED.iter().map(|(file, _)| format!("{}:{file}", Published::REPOSITORY))
    }
}

impl Preset {
    pub const ALL: [Preset; 9] = [
        Preset::Pretrained,
        Preset::FineTuned,
        Preset::Small,
        Preset::TwelveHour,
        Preset::HighRes,
        Preset::AirPollution,
        Preset::Wave,
        Preset::V1p5,
        Preset::V1p5Ensemble,
    ];

    /// The words of a recipe; `aurora` alone is the pretrained class.
    pub const WORDS: [(&'static str, Preset); 10] = [
        ("aurora", Preset::Pretrained),
        ("aurora.pretrained", Preset::Pretrained),
        ("aurora.fine_tuned", Preset::FineTuned),
        ("aurora.small", Preset::Small),
        ("aurora.twelve_hour", Preset::TwelveHour),
        ("aurora.high_res", Preset::HighRes),
        ("aurora.air_pollution", Preset::AirPollution),
        ("aurora.wave", Preset::Wave),
        ("aurora.v1p5", Preset::V1p5),
        ("aurora.v1p5_ensemble", Preset::V1p5Ensemble),
    ];

    #[must_use]
    pub fn find(word: &str) -> Option<Preset> {
        Preset::WORDS.iter().find(|(known, _)| *known == word).map(|(_, preset)| *preset)
    }

    /// The longest word for it: `aurora.pretrained`.
    #[must_use]
    pub fn word(self) -> &'static str {
        Preset::WORDS.iter().rev().find(|(_, preset)| *preset == self).map_or("aurora", |(word, _)| word)
    }

    /// The name of the class in microsoft-aurora 2.0.1.
    #[must_use]
    pub fn class(self) -> &'static str {
        match self {
            Preset::Pretrained => "AuroraPretrained",
            Preset::FineTuned => "Aurora",
            Preset::Small => "AuroraSmallPretrained",
            Preset::TwelveHour => "Aurora12hPretrained",
            Preset::HighRes => "AuroraHighRes",
            Preset::AirPollution => "AuroraAirPollution",
            Preset::Wave => "AuroraWave",
            Preset::V1p5 => "AuroraV1p5",
            Preset::V1p5Ensemble => "AuroraV1p5Ensemble",
        }
    }

    /// The class as its constructor makes it, on the grid it was trained on.
    #[must_use]
    pub fn plan(self) -> ModelPlan {
        match self {
            Preset::Pretrained => pretrained(),
            Preset::FineTuned => with_lora(pretrained(), LoraMode::Single),
            Preset::Small => small(),
            Preset::TwelveHour => ModelPlan { timestep: 12.0, ..pretrained() },
            Preset::HighRes => high_res(),
            Preset::AirPollution => air_pollution(),
            Preset::Wave => wave(),
            Preset::V1p5 => v1p5(),
            Preset::V1p5Ensemble => {
                let plan = v1p5();
                ModelPlan { options: ModelOptions { stochastic: true, ..plan.options }, ..plan }
            }
        }
    }
}

impl ModelPlan {
    /// `AuroraPretrained`, 1.3 billion parameters, on the 0.25° grid.
    pub fn pretrained() -> ModelPlan {
        pretrained()
    }

    /// `AuroraSmallPretrained`, 113 million parameters, on the 0.25° grid.
    pub fn small() -> ModelPlan {
        small()
    }
}

/// Pressure levels of ERA5 as Aurora was trained on them, in hPa.
const LEVELS: [f64; 13] =
    [50.0, 100.0, 150.0, 200.0, 250.0, 300.0, 400.0, 500.0, 600.0, 700.0, 850.0, 925.0, 1000.0];

const POLLUTANTS: &str = "pm1 pm2p5 pm10 tcco tc_no tcno2 gtco3 tcso2";
const POLLUTANTS_ON_LEVELS: &str = "co no no2 go3 so2";
const WAVES: &str = "swh mwd mwp pp1d shww mdww mpww shts mdts mpts swh1 mwd1 mwp1 swh2 mwd2 mwp2 wind \
                     10u_wave 10v_wave";
/// Of Aurora 1.5: hourly sums, extremes and the boundary layer, which are predicted only.
const OUTPUT_ONLY: &str = "i10fg blh uvb_1h ssrd_1h ttr_1h scaled_tp_1h scaled_sf_1h";

/// The names in a text, in its order.
fn names(text: &str) -> Vec<String> {
    text.split_whitespace().map(str::to_string).collect()
}

fn pretrained() -> ModelPlan {
    ModelPlan {
        surface: names("2t 10u 10v msl"),
        statics: names("lsm z slt"),
        atmosphere: names("z u v t q"),
        levels: LEVELS.to_vec(),
        height: 721,
        width: 1440,
        patch: 4,
        window: [2, 6, 12],
        encoder_depths: vec![6, 10, 8],
        encoder_heads: vec![8, 16, 32],
        decoder_depths: vec![8, 10, 6],
        decoder_heads: vec![32, 16, 8],
        latent_levels: 4,
        embed_dim: 512,
        num_heads: 16,
        mlp_ratio: 4.0,
        enc_depth: 1,
        dec_depth: 1,
        dec_mlp_ratio: 2.0,
        perceiver_ln_eps: 1e-5,
        history: 2,
        timestep: 6.0,
        stabilise_level_aggregation: false,
        wrap: true,
        positive_surface: Vec::new(),
        positive_atmosphere: Vec::new(),
        clamp_at_first_step: false,
        options: ModelOptions::default(),
    }
}

fn small() -> ModelPlan {
    ModelPlan {
        encoder_depths: vec![2, 6, 2],
        encoder_heads: vec![4, 8, 16],
        decoder_depths: vec![2, 6, 2],
        decoder_heads: vec![16, 8, 4],
        embed_dim: 256,
        num_heads: 8,
        ..pretrained()
    }
}

/// Upstream fixes rank and alpha, and adapts forty steps of a roll-out.
fn with_lora(plan: ModelPlan, mode: LoraMode) -> ModelPlan {
    let lora = Some(LoraPlan { mode, steps: 40, rank: 8, alpha: 8.0 });
    ModelPlan { options: ModelOptions { lora, ..plan.options }, ..plan }
}

/// On the 0.1° grid of the IFS analysis.
fn high_res() -> ModelPlan {
    let plan = ModelPlan {
        patch: 10,
        encoder_depths: vec![6, 8, 8],
        decoder_depths: vec![8, 8, 6],
        height: 1801,
        width: 3600,
        ..pretrained()
    };
    with_lora(plan, LoraMode::Single)
}

/// On the 0.4° grid of CAMS.
fn air_pollution() -> ModelPlan {
    let both = format!("{POLLUTANTS} {POLLUTANTS_ON_LEVELS}");
    let base = with_lora(pretrained(), LoraMode::Single);
    ModelPlan {
        surface: names(&format!("2t 10u 10v msl {POLLUTANTS}")),
        statics: names(
            "lsm z slt static_ammonia static_ammonia_log static_co static_co_log static_nox static_nox_log \
             static_so2 static_so2_log",
        ),
        atmosphere: names(&format!("z u v t q {POLLUTANTS_ON_LEVELS}")),
        height: 451,
        width: 900,
        patch: 3,
        timestep: 12.0,
        positive_surface: names(POLLUTANTS),
        positive_atmosphere: names(POLLUTANTS_ON_LEVELS),
        options: ModelOptions {
            level_condition: Some(LEVELS.to_vec()),
            dynamic_variables: true,
            atmosphere_statics: true,
            separate_perceiver: names(POLLUTANTS_ON_LEVELS),
            modulation_heads: names(&both),
            simulate_indexing_bug: true,
            family: Family::AirPollution,
            ..base.options.clone()
        },
        ..base
    }
}

fn wave() -> ModelPlan {
    let base = with_lora(pretrained(), LoraMode::FromSecond);
    ModelPlan {
        surface: names(&format!("2t 10u 10v msl {WAVES}")),
        statics: names("lsm z slt wmb lat_mask"),
        stabilise_level_aggregation: true,
        options: ModelOptions {
            family: Family::Wave,
            density_channels: names(WAVES),
            angles: names("mwd mdww mdts mwd1 mwd2"),
            ..base.options.clone()
        },
        ..base
    }
}

fn v1p5() -> ModelPlan {
    let clip = |variable: &str, greatest: Option<f64>| Clip {
        variable: variable.to_string(),
        levels: false,
        least: Some(0.0),
        greatest,
    };
    let one = Some(1.0);
    ModelPlan {
        surface: names(
            "2t 10u 10v msl 2d tcwv tcc 100u 100v sp lcc mcc hcc skt stl1 swvl1 ci scaled_sd i10fg blh uvb_1h \
             ssrd_1h ttr_1h scaled_tp_1h scaled_sf_1h insolation",
        ),
        statics: names(
            "lsm z anor isor cvh cl dl cvl slor slt_0 slt_1 slt_2 slt_3 slt_4 slt_5 slt_6 slt_7 sdfor sdor tvh_0 \
             tvh_18 tvh_19 tvh_3 tvh_4 tvh_5 tvh_6 tvl_0 tvl_1 tvl_10 tvl_11 tvl_13 tvl_16 tvl_17 tvl_2 tvl_7 \
             tvl_9",
        ),
        options: ModelOptions {
            family: Family::V1p5,
            output_only: names(OUTPUT_ONLY).into_iter().map(OutputOnly::Surface).collect(),
            clips: vec![
                clip("tcwv", None),
                clip("tcc", one),
                clip("lcc", one),
                clip("mcc", one),
                clip("hcc", one),
                clip("swvl1", Some(70.0)),
                clip("ci", one),
                clip("scaled_sd", Some(10.0)),
            ],
            variable_lead_time: true,
            updated_lead_time_embedding: true,
            fp16_safe_attention: true,
            ..ModelOptions::default()
        },
        ..pretrained()
    }
}
