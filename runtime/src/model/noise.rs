//! The noise of a stochastic backbone: standard normal, accumulated over calls if asked.
//!
//! A draw is a function of the seed and of the number of the call, or, in training, of seed and step.

use std::collections::VecDeque;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use burn::tensor::{Device, Tensor, TensorData};

use super::chance::Chance;
use super::parameters::HostTensor;

/// A shared handle: clones of a model draw from the same noise.
#[derive(Clone, Debug, Default)]
pub struct Noise(Arc<Mutex<State>>);

#[derive(Debug, Default)]
struct State {
    seed: u64,
    /// Draws made since the seed was set.
    draws: u64,
    /// Draws that are added up; 0 for none.
    accumulated: usize,
    kept: VecDeque<HostTensor>,
    /// Draws given from outside, used before any is made.
    given: VecDeque<HostTensor>,
}

impl Noise {
    /// From now on the noise of a call is Σ/√n over the last n draws; with `count` 0 each call's draw stands
    /// alone. Forgets former draws.
    pub fn accumulate(&self, count: usize) {
        let mut state = self.state();
        state.kept.clear();
        state.accumulated = count;
    }

    /// Forgets former draws, as at the beginning of a forecast.
    pub fn reset(&self) {
        self.state().kept.clear();
    }

    /// Begins the sequence of draws of a seed.
    pub fn seed(&self, seed: u64) {
        let mut state = self.state();
        (state.seed, state.draws) = (seed, 0);
        state.kept.clear();
    }

    /// Uses these draws (B, N, D), in their order, before making any.
    pub fn queue(&self, draws: impl IntoIterator<Item = HostTensor>) {
        self.state().given.extend(draws);
    }

    /// The noise of one call, in the given shape (B, N, D). In training `chance` and the roll-out step decide,
    /// and nothing is kept from call to call.
    pub(super) fn draw(
        &self,
        shape: [usize; 3],
        chance: Option<Chance>,
        step: usize,
        device: &Device,
    ) -> Tensor<3> {
        let values = match chance {
            Some(chance) => chance.normal(&format!("noise@{step}"), shape[0], shape[1] * shape[2]),
            None => self.state().next(shape),
        };
        Tensor::from_data(TensorData::new(values, shape), device)
    }

    fn state(&self) -> MutexGuard<'_, State> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl State {
    fn next(&mut self, shape: [usize; 3]) -> Vec<f32> {
        let fresh = self.fresh(shape);
        if self.accumulated == 0 {
            return fresh.values;
        }
        if self.kept.front().is_some_and(|kept| kept.shape != shape) {
            self.kept.clear();
        }
        if self.kept.len() >= self.accumulated {
            self.kept.pop_front();
        }
        self.kept.push_back(fresh);
        while self.kept.len() < self.accumulated {
            let fresh = self.fresh(shape);
            self.kept.push_back(fresh);
        }
        let mut sum = vec![0f32; shape.iter().product()];
        for draw in &self.kept {
            sum.iter_mut().zip(&draw.values).for_each(|(sum, value)| *sum += value);
        }
        let root = (self.accumulated as f64).sqrt() as f32;
        sum.iter_mut().for_each(|sum| *sum /= root);
        sum
    }

    fn fresh(&mut self, shape: [usize; 3]) -> HostTensor {
        if let Some(draw) = self.given.pop_front()
            && draw.values.len() == shape.iter().product::<usize>()
        {
            return HostTensor { shape: shape.to_vec(), values: draw.values };
        }
        let chance = Chance { seed: self.seed, step: self.draws, first: 0 };
        self.draws += 1;
        let values = chance.normal("noise", shape[0], shape[1] * shape[2]);
        HostTensor { shape: shape.to_vec(), values }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const SHAPE: [usize; 3] = [1, 2, 1];

    fn draws(noise: &Noise, count: usize) -> Vec<Vec<f32>> {
        let draw = |_| noise.draw(SHAPE, None, 0, &Device::flex()).into_data().try_into_vec::<f32>().unwrap();
        (0..count).map(draw).collect()
    }

    fn given(values: &[f32]) -> Vec<HostTensor> {
        values.iter().map(|value| HostTensor { shape: SHAPE.to_vec(), values: vec![*value; 2] }).collect()
    }

    /// With three accumulated: the first call draws three, each later one replaces the oldest.
    #[test]
    fn draws_are_accumulated_first_in_first_out() {
        let noise = Noise::default();
        noise.accumulate(3);
        noise.queue(given(&[1.0, 2.0, 4.0, 8.0, 16.0]));
        let root = 3f32.sqrt();
        let values: Vec<f32> = draws(&noise, 3).iter().map(|draw| draw[0] * root).collect();
        for (have, want) in values.iter().zip([7.0, 14.0, 28.0]) {
            assert!((have - want).abs() < 1e-5, "{have} {want}");
        }
        noise.reset();
        noise.queue(given(&[1.0, 1.0, 1.0]));
        assert!((draws(&noise, 1)[0][0] - root).abs() < 1e-6);
        noise.accumulate(0);
        noise.queue(given(&[5.0]));
        assert_eq!(draws(&noise, 1)[0], [5.0, 5.0]);
    }

    #[test]
    fn a_seed_gives_a_sequence() {
        let noise = Noise::default();
        noise.seed(11);
        let one = draws(&noise, 3);
        noise.seed(11);
        assert_eq!(draws(&noise, 3), one);
        assert!(one[0] != one[1] && one[1] != one[2]);
        noise.seed(12);
        assert_ne!(draws(&noise, 1)[0], one[0]);
    }

    /// In training, noise is a function of the step: what was drawn before does not matter.
    #[test]
    fn training_draws_by_step() {
        let noise = Noise::default();
        let draw = |step, rollout| {
            let chance = Some(Chance { seed: 1, step, first: 0 });
            noise.draw(SHAPE, chance, rollout, &Device::flex()).into_data().try_into_vec::<f32>().unwrap()
        };
        let one = draw(4, 0);
        draws(&noise, 2);
        assert_eq!(draw(4, 0), one);
        assert_ne!(draw(5, 0), one);
        assert_ne!(draw(4, 1), one);
    }
}
