//! Decoders beside Aurora's own: `head NAME { }` of a recipe, with the weights that `HeadPlan` lists.
//!
//! A head reads the backbone's output, and of the newest input the fields it names, all normalised. What it predicts
//! Aurora's own decoder does not; the two are joined before anything else sees the prediction. One time is
//! predicted; the axis of time is there all over, of length 1. Several times at once are not built.

mod filter;
mod mlp;
mod perceiver;
mod points;
pub mod quantiles;
mod scene;
mod unet;

use std::collections::BTreeMap;

use aurora_compiler::plan::head::{HeadField, HeadPlan, Layers};
use aurora_compiler::plan::model::ModelPlan;
use burn::module::Module;
use burn::tensor::Tensor;

use super::family::Fields;
use super::parameters::Builder;
use super::{ModelError, Prediction};
use mlp::MlpHead;
use perceiver::PerceiverHead;
use points::ConvHead;
pub use scene::Scene;
use unet::UnetHead;

/// All heads of a model, in the plan's order.
#[derive(Module, Debug)]
pub struct Heads {
    bodies: Vec<Body>,
    #[module(skip)]
    outlines: Vec<Outline>,
}

/// What a head is built of.
#[derive(Module, Debug)]
enum Body {
    Perceiver(PerceiverHead),
    Conv(ConvHead),
    Unet(UnetHead),
    Mlp(MlpHead),
}

/// What a head is told of its plan.
#[derive(Clone, Debug)]
pub struct Outline {
    pub name: String,
    /// `heads.NAME`, the beginning of its weights' names.
    pub prefix: String,
    pub reads: Vec<HeadField>,
    /// In the order of their names.
    pub predicts: Vec<Field>,
    /// Channels of the newest input that it reads.
    pub inputs: usize,
    /// Numbers of a patch's latent state: all latent levels, C·2D.
    pub latent: usize,
    /// Numbers for each value predicted: its quantiles, or one.
    pub numbers: usize,
}

/// A field that a head predicts.
#[derive(Clone, Debug)]
pub struct Field {
    pub named: String,
    pub levels: bool,
    /// Its levels, 1 without.
    pub height: usize,
}

/// The distributions that heads predict beside their medians, normalised, by the checkpoint's names; in rising order
/// on the first axis.
#[derive(Clone, Debug, Default)]
pub struct Quantiles {
    /// (N, B, 1, H, W).
    pub surface: BTreeMap<String, Tensor<5>>,
    /// (N, B, 1, A, H, W).
    pub atmosphere: BTreeMap<String, Tensor<6>>,
}

impl Heads {
    /// With fresh weights: linear maps and output layers as in Aurora, filters as torch's convolutions.
    pub fn new(builder: &mut Builder, plan: &ModelPlan) -> Heads {
        let outlines: Vec<_> = plan.options.heads.iter().map(|head| Outline::new(plan, head)).collect();
        let body = |(head, outline): (&HeadPlan, &Outline)| match head.layers {
            Layers::Perceiver { depth, mlp_ratio, modulate } => {
                Body::Perceiver(PerceiverHead::new(builder, plan, outline, (depth, mlp_ratio, modulate)))
            }
            Layers::Conv { width, depth } => Body::Conv(ConvHead::new(builder, plan, outline, width, depth)),
            Layers::Unet { width, depth } => Body::Unet(UnetHead::new(builder, plan, outline, width, depth)),
            Layers::Mlp { width, depth } => Body::Mlp(MlpHead::new(builder, plan, outline, width, depth)),
        };
        let bodies = plan.options.heads.iter().zip(&outlines).map(body).collect();
        Heads { bodies, outlines }
    }

    pub fn is_empty(&self) -> bool {
        self.bodies.is_empty()
    }

    /// Adds what the heads predict to the prediction of Aurora's own decoder, in the plan's order.
    ///
    /// # Errors
    /// An input without a field that a head reads; other levels than those that a head was built for.
    pub fn join(
        &self,
        plan: &ModelPlan,
        scene: &Scene<'_>,
        own: Prediction,
    ) -> Result<Prediction, ModelError> {
        if self.is_empty() {
            return Ok(own);
        }
        let mut fields: Fields = own.fields();
        let mut quantiles = Quantiles::default();
        for (body, outline) in self.bodies.iter().zip(&self.outlines) {
            outline.check(matches!(body, Body::Perceiver(_)), plan, scene)?;
            let predicted = body.forward(scene, outline)?;
            for (field, numbers) in outline.predicts.iter().zip(predicted) {
                let values = quantiles::arrange(numbers);
                let median: Tensor<4> = quantiles::median(values.clone()).squeeze_dim(0);
                let name = field.named.clone();
                // The axis of time: before the levels of a field on levels, in the place of the one level else.
                if field.levels {
                    fields.atmosphere.insert(name.clone(), median.unsqueeze_dim(1));
                } else {
                    fields.surface.insert(name.clone(), median);
                }
                if outline.numbers > 1 && field.levels {
                    quantiles.atmosphere.insert(name, values.unsqueeze_dim(2));
                } else if outline.numbers > 1 {
                    quantiles.surface.insert(name, values);
                }
            }
        }
        let joined = own.with_fields(fields, &plan.surface, &plan.atmosphere);
        Ok(Prediction { quantiles, ..joined })
    }
}

impl Quantiles {
    /// With variables that must not be negative, in normalised space, clamped.
    pub(super) fn clamped(self, surface: &[String], atmosphere: &[String]) -> Quantiles {
        Quantiles {
            surface: positive(self.surface, surface),
            atmosphere: positive(self.atmosphere, atmosphere),
        }
    }
}

fn positive<const D: usize>(
    fields: BTreeMap<String, Tensor<D>>,
    names: &[String],
) -> BTreeMap<String, Tensor<D>> {
    let clamp = |(name, field): (String, Tensor<D>)| {
        let field = if names.contains(&name) { field.clamp_min(0.0) } else { field };
        (name, field)
    };
    fields.into_iter().map(clamp).collect()
}

impl Body {
    fn forward(&self, scene: &Scene<'_>, outline: &Outline) -> Result<Vec<Tensor<5>>, ModelError> {
        match self {
            Body::Perceiver(head) => head.forward(scene, outline),
            Body::Conv(head) => head.forward(scene, outline),
            Body::Unet(head) => head.forward(scene, outline),
            Body::Mlp(head) => head.forward(scene, outline),
        }
    }
}

impl Outline {
    fn new(plan: &ModelPlan, head: &HeadPlan) -> Outline {
        let height = |field: &HeadField| if field.levels { plan.levels.len() } else { 1 };
        let mut predicts: Vec<Field> = head
            .predicts
            .iter()
            .map(|field| Field { named: field.named.clone(), levels: field.levels, height: height(field) })
            .collect();
        predicts.sort_by(|a, b| a.named.cmp(&b.named));
        Outline {
            name: head.name.clone(),
            prefix: format!("heads.{}", head.name),
            reads: head.reads.clone(),
            predicts,
            inputs: head.reads.iter().map(height).sum(),
            latent: 2 * plan.embed_dim * plan.latent_levels,
            numbers: head.quantiles.unwrap_or(1),
        }
    }

    /// All heads but the Perceiver have one channel for each level of the plan.
    fn check(&self, any_levels: bool, plan: &ModelPlan, scene: &Scene<'_>) -> Result<(), ModelError> {
        let fixed =
            self.reads.iter().any(|field| field.levels) || self.predicts.iter().any(|field| field.levels);
        if any_levels || !fixed || scene.batch.levels == plan.levels {
            return Ok(());
        }
        Err(ModelError::Batch(format!(
            "the head `{}` works on {:?} hPa, the input is on {:?} hPa",
            self.name, plan.levels, scene.batch.levels
        )))
    }
}

#[cfg(test)]
mod tests;
