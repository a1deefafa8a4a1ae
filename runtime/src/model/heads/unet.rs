//! `unet(width, depth)`: a U-Net (Ronneberger et al. 2015) on the points of the grid.

use aurora_compiler::plan::model::ModelPlan;
use burn::module::Module;
use burn::tensor::Tensor;

use super::filter::{Filter, Merge, Spread};
use super::points::{Entry, Exit};
use super::{Outline, Scene};
use crate::model::ModelError;
use crate::model::parameters::Builder;

/// Stage i works on points 2^i apart, `width`·2^i wide. A stage whose rows or columns are odd repeats its last.
#[derive(Module, Debug)]
pub struct UnetHead {
    entry: Entry,
    down: Vec<Down>,
    /// From the coarsest stage but one to the finest.
    up: Vec<Up>,
    exit: Exit,
}

#[derive(Module, Debug)]
struct Down {
    first: Filter,
    second: Filter,
    /// To the next stage; the last has none.
    merge: Option<Merge>,
}

#[derive(Module, Debug)]
struct Up {
    split: Spread,
    first: Filter,
    second: Filter,
}

impl UnetHead {
    pub fn new(
        builder: &mut Builder,
        plan: &ModelPlan,
        outline: &Outline,
        width: usize,
        depth: usize,
    ) -> UnetHead {
        let wide = |stage: usize| width << stage;
        let prefix = &outline.prefix;
        let down = |builder: &mut Builder, stage: usize| {
            let (name, here) = (format!("{prefix}.down.{stage}"), wide(stage));
            Down {
                first: Filter::new(builder, &format!("{name}.first"), here, here, plan.wrap),
                second: Filter::new(builder, &format!("{name}.second"), here, here, plan.wrap),
                merge: (stage < depth)
                    .then(|| Merge::new(builder, &format!("{name}.merge"), here, wide(stage + 1))),
            }
        };
        let up = |builder: &mut Builder, stage: usize| {
            let (name, here) = (format!("{prefix}.up.{stage}"), wide(stage));
            Up {
                split: Spread::new(builder, &format!("{name}.split"), [wide(stage + 1), here], 2),
                first: Filter::new(builder, &format!("{name}.first"), 2 * here, here, plan.wrap),
                second: Filter::new(builder, &format!("{name}.second"), here, here, plan.wrap),
            }
        };
        UnetHead {
            entry: Entry::new(builder, plan, outline, width),
            down: (0..=depth).map(|stage| down(builder, stage)).collect(),
            up: (0..depth).rev().map(|stage| up(builder, stage)).collect(),
            exit: Exit::new(builder, outline, width),
        }
    }

    /// (N, B, A, H, W) of each predicted field.
    pub fn forward(&self, scene: &Scene<'_>, outline: &Outline) -> Result<Vec<Tensor<5>>, ModelError> {
        let mut x = self.entry.forward(scene, outline)?;
        let mut kept = Vec::new();
        for stage in &self.down {
            x = stage.second.forward(stage.first.forward(x));
            if let Some(merge) = &stage.merge {
                kept.push(x.clone());
                x = merge.forward(even(x));
            }
        }
        for stage in &self.up {
            let Some(beside) = kept.pop() else { break };
            let [_, height, width, _] = beside.dims();
            let finer = stage.split.forward(x).narrow(1, 0, height).narrow(2, 0, width);
            x = stage.second.forward(stage.first.forward(Tensor::cat(vec![finer, beside], 3)));
        }
        Ok(self.exit.forward(x, outline))
    }
}

/// The last row and column repeated where their number is odd.
fn even(x: Tensor<4>) -> Tensor<4> {
    [1, 2].into_iter().fold(x, |x, axis| {
        let count = x.dims()[axis];
        if count.is_multiple_of(2) {
            return x;
        }
        let last = x.clone().narrow(axis, count - 1, 1);
        Tensor::cat(vec![x, last], axis)
    })
}
