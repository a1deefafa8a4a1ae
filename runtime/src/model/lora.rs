//! Low-rank adaptation (Hu et al. 2022): beside a linear map stands the product of two thin ones, of its own or
//! shared among the steps of a roll-out.

use aurora_compiler::plan::model::{LoraMode, LoraPlan};
use burn::module::{Module, Param};
use burn::tensor::Tensor;

use super::layer::cast_like;
use super::parameters::Builder;

/// The updates of one linear map (in → out): by step, or one for all steps.
#[derive(Module, Debug)]
pub struct Lora {
    pairs: Vec<Pair>,
    #[module(skip)]
    steps: usize,
    #[module(skip)]
    mode: Choice,
    #[module(skip)]
    scale: f32,
}

/// Which pair serves a step.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Choice {
    First,
    FirstFromSecond,
    ByStep,
}

/// x ↦ (x A) B: (in, rank) and (rank, out), which torch keeps as (rank, in) and (out, rank).
#[derive(Module, Debug)]
struct Pair {
    down: Param<Tensor<2>>,
    up: Param<Tensor<2>>,
}

impl Lora {
    /// `name` is that of upstream's module, for instance `….attn.lora_qkv`. A is drawn as torch draws a linear
    /// map, B is 0: a fresh update changes nothing.
    pub fn new(builder: &mut Builder, name: &str, plan: &LoraPlan, input: usize, output: usize) -> Lora {
        let count = if plan.mode == LoraMode::All { plan.steps } else { 1 };
        let pairs = (0..count)
            .map(|step| Pair {
                down: builder.uniform_map(&format!("{name}.loras.{step}.lora_A"), input, plan.rank),
                up: builder.zero_map(&format!("{name}.loras.{step}.lora_B"), plan.rank, output),
            })
            .collect();
        let mode = match plan.mode {
            LoraMode::Single => Choice::First,
            LoraMode::FromSecond => Choice::FirstFromSecond,
            LoraMode::All => Choice::ByStep,
        };
        Lora { pairs, steps: plan.steps, mode, scale: (plan.alpha / plan.rank as f64) as f32 }
    }

    /// The update of `x` (B, N, in) at a roll-out step, counted from 0: (B, N, out), or none.
    pub fn update(&self, x: &Tensor<3>, step: usize) -> Option<Tensor<3>> {
        let pair = self.pairs.get(self.pair(step)?)?;
        let [samples, count, width] = x.dims();
        let (down, up) = (cast_like(pair.down.val(), x), cast_like(pair.up.val(), x));
        let output = up.dims()[1];
        let y = x.clone().reshape([samples * count, width]).matmul(down).matmul(up);
        Some(y.mul_scalar(self.scale).reshape([samples, count, output]))
    }

    fn pair(&self, step: usize) -> Option<usize> {
        match self.mode {
            _ if step >= self.steps => None,
            Choice::First => Some(0),
            Choice::FirstFromSecond => (step > 0).then_some(0),
            Choice::ByStep => Some(step),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use burn::tensor::Device;

    fn lora(mode: LoraMode) -> Lora {
        let plan = LoraPlan { mode, steps: 3, rank: 2, alpha: 4.0 };
        Lora::new(&mut Builder::new(0, &Device::flex()), "qkv", &plan, 5, 4)
    }

    #[test]
    fn the_mode_chooses_the_pair() {
        let chosen = |mode| (0..4).map(|step| lora(mode).pair(step)).collect::<Vec<_>>();
        assert_eq!(chosen(LoraMode::Single), [Some(0), Some(0), Some(0), None]);
        assert_eq!(chosen(LoraMode::FromSecond), [None, Some(0), Some(0), None]);
        assert_eq!(chosen(LoraMode::All), [Some(0), Some(1), Some(2), None]);
    }

    /// A lies within ±1/√in, B is nil, alpha/rank scales their product.
    #[test]
    fn a_fresh_update_is_nil() {
        let device = Device::flex();
        let mut lora = lora(LoraMode::Single);
        let x = Tensor::<3>::ones([1, 3, 5], &device);
        let values = |x: Tensor<3>| x.into_data().try_into_vec::<f32>().unwrap();
        assert!(values(lora.update(&x, 0).unwrap()).iter().all(|value| *value == 0.0));
        let down = lora.pairs[0].down.val().into_data().try_into_vec::<f32>().unwrap();
        assert!(down.iter().all(|value| value.abs() <= 0.2f32.sqrt()) && down.iter().any(|v| v.abs() > 0.1));
        lora.pairs[0].up = Param::from_tensor(Tensor::ones([2, 4], &device));
        let sum = 2.0 * down.iter().sum::<f32>();
        for value in values(lora.update(&x, 0).unwrap()) {
            assert!((value - sum).abs() < 1e-5, "{value} {sum}");
        }
    }
}
