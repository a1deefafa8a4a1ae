//! Heads on the points of the grid, `conv` and what it shares with `unet`: the way in and the way out.

use aurora_compiler::plan::model::ModelPlan;
use burn::module::Module;
use burn::nn::Linear;
use burn::tensor::Tensor;

use super::filter::{Filter, Pointwise, Spread};
use super::{Outline, Scene};
use crate::model::ModelError;
use crate::model::layer::linear;
use crate::model::parameters::Builder;

/// From a patch's latent state to features of its points, joined by the fields that are read.
#[derive(Module, Debug)]
pub struct Entry {
    latent: Linear,
    spread: Spread,
    enter: Filter,
}

impl Entry {
    pub fn new(builder: &mut Builder, plan: &ModelPlan, outline: &Outline, width: usize) -> Entry {
        let prefix = &outline.prefix;
        let input = width + outline.inputs;
        Entry {
            latent: builder.linear(&format!("{prefix}.latent"), outline.latent, width, true),
            spread: Spread::new(builder, &format!("{prefix}.spread"), [width, width], plan.patch),
            enter: Filter::new(builder, &format!("{prefix}.enter"), input, width, plan.wrap),
        }
    }

    /// (B, H, W, width).
    pub fn forward(&self, scene: &Scene<'_>, outline: &Outline) -> Result<Tensor<4>, ModelError> {
        let latent = linear(&self.latent, scene.patches());
        let [samples, _, width] = latent.dims();
        let [rows, columns] = scene.patch_grid();
        let points = self.spread.forward(latent.reshape([samples, rows, columns, width]));
        let mut features = vec![points];
        features.extend(scene.fields(outline)?);
        Ok(self.enter.forward(Tensor::cat(features, 3)))
    }
}

/// From features of the points to the numbers of each predicted field.
#[derive(Module, Debug)]
pub struct Exit {
    outputs: Vec<Pointwise>,
}

impl Exit {
    pub fn new(builder: &mut Builder, outline: &Outline, width: usize) -> Exit {
        let output = |field: &super::Field| {
            let name = format!("{}.outputs.{}", outline.prefix, field.named);
            Pointwise::new(builder, &name, width, field.height * outline.numbers)
        };
        Exit { outputs: outline.predicts.iter().map(output).collect() }
    }

    /// (B, H, W, width) → (N, B, A, H, W) of each field; the features of a point are (level, number).
    pub fn forward(&self, points: Tensor<4>, outline: &Outline) -> Vec<Tensor<5>> {
        let [samples, height, width, _] = points.dims();
        let fields = self.outputs.iter().zip(&outline.predicts).map(|(output, field)| {
            output
                .forward(points.clone())
                .reshape([samples, height, width, field.height, outline.numbers])
                .permute([4, 0, 3, 1, 2])
        });
        fields.collect()
    }
}

/// `conv(width, depth)`: filters of 3×3, each added to what it is given, for there may be many.
#[derive(Module, Debug)]
pub struct ConvHead {
    entry: Entry,
    layers: Vec<Filter>,
    exit: Exit,
}

impl ConvHead {
    pub fn new(
        builder: &mut Builder,
        plan: &ModelPlan,
        outline: &Outline,
        width: usize,
        depth: usize,
    ) -> ConvHead {
        let layer = |builder: &mut Builder, layer: usize| {
            Filter::new(builder, &format!("{}.layers.{layer}", outline.prefix), width, width, plan.wrap)
        };
        ConvHead {
            entry: Entry::new(builder, plan, outline, width),
            layers: (0..depth).map(|at| layer(builder, at)).collect(),
            exit: Exit::new(builder, outline, width),
        }
    }

    /// (N, B, A, H, W) of each predicted field.
    pub fn forward(&self, scene: &Scene<'_>, outline: &Outline) -> Result<Vec<Tensor<5>>, ModelError> {
        let points = self.entry.forward(scene, outline)?;
        let points = self.layers.iter().fold(points, |x, layer| x.clone() + layer.forward(x));
        Ok(self.exit.forward(points, outline))
    }
}
