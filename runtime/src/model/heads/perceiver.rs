//! `perceiver(…)`: Aurora's own decoder of levels over again, with weights of its own. Only the questions, one for
//! each pressure level, are those of Aurora's decoder.

use aurora_compiler::plan::model::ModelPlan;
use burn::module::Module;
use burn::nn::Linear;
use burn::tensor::Tensor;

use super::{Outline, Scene};
use crate::model::ModelError;
use crate::model::layer::linear;
use crate::model::normalisation::level_key;
use crate::model::parameters::Builder;
use crate::model::patches::places;
use crate::model::perceiver::{Perceiver, PerceiverSizes};

/// `atmos_heads.NAME` gives x and, with `modulate`, `atmos_heads.NAME_mod` gives m of each point: the prediction is
/// x + (1 + m)·newest input. Of several numbers (quantiles) each is x + m·newest input, and the middle one has the
/// newest input added.
#[derive(Module, Debug)]
pub struct PerceiverHead {
    perceiver: Perceiver,
    outputs: Vec<LevelOutput>,
    modulations: Vec<LevelOutput>,
    #[module(skip)]
    levels: Option<Vec<f64>>,
}

/// The last layer of a variable: one for all levels, or one for each.
#[derive(Module, Debug)]
struct LevelOutput {
    layers: Vec<Linear>,
}

impl PerceiverHead {
    pub fn new(
        builder: &mut Builder,
        plan: &ModelPlan,
        outline: &Outline,
        (depth, mlp_ratio, modulate): (usize, f64, bool),
    ) -> PerceiverHead {
        let width = 2 * plan.embed_dim;
        let sizes = PerceiverSizes {
            width,
            heads: plan.num_heads,
            hidden: ModelPlan::hidden(width, mlp_ratio),
            depth,
            epsilon: plan.perceiver_ln_eps,
            stabilise: false,
        };
        let prefix = &outline.prefix;
        let count = plan.patch * plan.patch * outline.numbers;
        let mut outputs = |suffix: &str| -> Vec<LevelOutput> {
            let output = |field: &super::Field| {
                let name = format!("{prefix}.atmos_heads.{}{suffix}", field.named);
                let names = match &plan.options.level_condition {
                    None => vec![name],
                    Some(levels) => {
                        levels.iter().map(|level| format!("{name}.layers.{}", level_key(*level))).collect()
                    }
                };
                let layers = names.iter().map(|name| builder.linear(name, width, count, true));
                LevelOutput { layers: layers.collect() }
            };
            outline.predicts.iter().map(output).collect()
        };
        let (own, modulations) = (outputs(""), if modulate { outputs("_mod") } else { Vec::new() });
        PerceiverHead {
            perceiver: Perceiver::new(builder, &format!("{prefix}.level_decoder"), sizes),
            outputs: own,
            modulations,
            levels: plan.options.level_condition.clone(),
        }
    }

    /// (N, B, A, H, W) of each predicted field.
    ///
    /// # Errors
    /// A level without a layer of its own where there are such; an input without the field that is modulated.
    pub fn forward(&self, scene: &Scene<'_>, outline: &Outline) -> Result<Vec<Tensor<5>>, ModelError> {
        let tokens = self.perceiver.forward(scene.queries.clone(), scene.context());
        let places = places(self.levels.as_deref(), &scene.batch.levels)?;
        let number = |output: &LevelOutput| {
            let numbers = output.forward(tokens.clone(), places.as_deref());
            scene.by_level(numbers, outline.numbers)
        };
        let mut fields = Vec::new();
        for (at, (output, field)) in self.outputs.iter().zip(&outline.predicts).enumerate() {
            let mut numbers = number(output);
            if let Some(modulation) = self.modulations.get(at) {
                let newest = scene.newest_levels(&outline.name, &field.named)?.unsqueeze_dim::<5>(0);
                numbers = numbers + number(modulation) * newest.clone();
                let middle = (outline.numbers - 1) / 2;
                let part =
                    |from: usize, count: usize| (count > 0).then(|| numbers.clone().narrow(0, from, count));
                let centre = numbers.clone().narrow(0, middle, 1) + newest;
                let parts = [part(0, middle), Some(centre), part(middle + 1, outline.numbers - middle - 1)];
                numbers = Tensor::cat(parts.into_iter().flatten().collect(), 0);
            }
            fields.push(numbers);
        }
        Ok(fields)
    }
}

impl LevelOutput {
    /// (B·L, A, 2D) → (B·L, A, N·P²).
    fn forward(&self, tokens: Tensor<3>, places: Option<&[usize]>) -> Tensor<3> {
        let Some(places) = places else { return linear(&self.layers[0], tokens) };
        let parts = places.iter().enumerate().map(|(at, place)| {
            let level: Tensor<2> = tokens.clone().narrow(1, at, 1).squeeze_dim(1);
            linear(&self.layers[*place], level)
        });
        Tensor::stack(parts.collect(), 1)
    }
}
