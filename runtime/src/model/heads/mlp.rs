//! `mlp(width, depth)`: layers on each patch by itself.

use aurora_compiler::plan::model::ModelPlan;
use burn::module::Module;
use burn::nn::Linear;
use burn::tensor::Tensor;
use burn::tensor::activation::gelu;

use super::{Outline, Scene};
use crate::model::ModelError;
use crate::model::layer::linear;
use crate::model::parameters::Builder;

/// Linear maps with GELU between, each but the first added to what it is given.
#[derive(Module, Debug)]
pub struct MlpHead {
    layers: Vec<Linear>,
    outputs: Vec<Linear>,
}

impl MlpHead {
    pub fn new(
        builder: &mut Builder,
        plan: &ModelPlan,
        outline: &Outline,
        width: usize,
        depth: usize,
    ) -> MlpHead {
        let area = plan.patch * plan.patch;
        let layers = (0..depth).map(|layer| {
            let input = if layer == 0 { outline.latent + outline.inputs * area } else { width };
            builder.linear(&format!("{}.layers.{layer}", outline.prefix), input, width, true)
        });
        let layers = layers.collect();
        let outputs = outline.predicts.iter().map(|field| {
            let count = area * field.height * outline.numbers;
            builder.linear(&format!("{}.outputs.{}", outline.prefix, field.named), width, count, true)
        });
        MlpHead { layers, outputs: outputs.collect() }
    }

    /// (N, B, A, H, W) of each predicted field. A patch's input is its latent state, then (channel, row, column)
    /// of the fields that are read; its output is (level, number, row, column).
    pub fn forward(&self, scene: &Scene<'_>, outline: &Outline) -> Result<Vec<Tensor<5>>, ModelError> {
        let mut features = vec![scene.patches()];
        features.extend(scene.fields(outline)?.map(|fields| scene.by_patch(fields)));
        let mut x = Tensor::cat(features, 2);
        for (at, layer) in self.layers.iter().enumerate() {
            let next = gelu(linear(layer, x.clone()));
            x = if at == 0 { next } else { x + next };
        }
        let [samples, _, _] = x.dims();
        let [rows, columns] = scene.patch_grid();
        let patch = scene.patch;
        let fields = self.outputs.iter().zip(&outline.predicts).map(|(output, field)| {
            linear(output, x.clone())
                .reshape([samples, rows, columns, field.height, outline.numbers, patch, patch])
                .permute([4, 0, 3, 1, 5, 2, 6])
                .reshape([outline.numbers, samples, field.height, rows * patch, columns * patch])
        });
        Ok(fields.collect())
    }
}
