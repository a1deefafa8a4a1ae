//! Chance: numbers that look random and are a function of a seed, a step and a place, never of time or of what
//! was drawn before. So a run that is taken up again repeats itself, and so do micro-batches.

use std::f64::consts::PI;

use burn::tensor::{Tensor, TensorData};
use rand_chacha::ChaCha8Rng;
use rand_chacha::rand_core::{Rng, SeedableRng};

/// What a training step's masks and noise depend on beside their place.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Chance {
    pub seed: u64,
    /// Step of the optimiser.
    pub step: u64,
    /// Number, within the step's batch, of the first sample at hand: more than 0 in a later micro-batch.
    pub first: usize,
}

impl Chance {
    /// A stream of its own for each place and sample.
    fn stream(&self, place: &str, sample: usize) -> ChaCha8Rng {
        let mut hash = blake3::Hasher::new();
        hash.update(&self.seed.to_le_bytes());
        hash.update(&self.step.to_le_bytes());
        hash.update(&((self.first + sample) as u64).to_le_bytes());
        hash.update(place.as_bytes());
        ChaCha8Rng::from_seed(*hash.finalize().as_bytes())
    }

    /// For each of `samples`, `size` numbers from the standard normal distribution.
    pub(super) fn normal(&self, place: &str, samples: usize, size: usize) -> Vec<f32> {
        let mut values = Vec::with_capacity(samples * size);
        for sample in 0..samples {
            values.extend(normal(&mut self.stream(place, sample), size));
        }
        values
    }

    /// For each of `samples`, `size` numbers that are 0 with probability `rate`, else 1/(1 − rate).
    fn mask(&self, place: &str, samples: usize, size: usize, rate: f64) -> Vec<f32> {
        let kept = (1.0 / (1.0 - rate)) as f32;
        let limit = (rate * 2f64.powi(32)) as u64;
        let mut values = Vec::with_capacity(samples * size);
        for sample in 0..samples {
            let mut stream = self.stream(place, sample);
            values.extend((0..size).map(|_| if u64::from(stream.next_u32()) < limit { 0.0 } else { kept }));
        }
        values
    }
}

/// Dropout and stochastic depth at one place of the model, in training only.
#[derive(Clone, Debug)]
pub struct Dropout {
    chance: Chance,
    rate: f64,
    place: String,
    samples: usize,
}

impl Dropout {
    /// None in prediction and at rate 0.
    pub(super) fn new(chance: Option<Chance>, rate: f64, place: String, samples: usize) -> Option<Dropout> {
        chance.filter(|_| rate > 0.0).map(|chance| Dropout { chance, rate, place, samples })
    }

    /// The same below this place.
    pub(super) fn at(&self, place: &str) -> Dropout {
        Dropout { place: format!("{}.{place}", self.place), ..self.clone() }
    }

    /// Zeroes numbers of `x` with probability `rate` and divides the others by 1 − `rate` (Srivastava et al.
    /// 2014). The first axis is the samples, or starts with them.
    pub(super) fn numbers<const D: usize>(&self, x: Tensor<D>) -> Tensor<D> {
        let shape = x.dims();
        let size = shape.iter().product::<usize>() / self.samples.max(1);
        let mask = self.chance.mask(&self.place, self.samples, size, self.rate);
        let mask = Tensor::<D>::from_data(TensorData::new(mask, shape), &x.device());
        let dtype = x.dtype();
        x * mask.cast(dtype)
    }

    /// Zeroes whole samples with probability `rate` and divides the others by 1 − `rate`: stochastic depth
    /// (Huang et al. 2016) of a branch.
    pub(super) fn samples(&self, branch: Tensor<3>) -> Tensor<3> {
        let mask = self.chance.mask(&self.place, self.samples, 1, self.rate);
        let mask = Tensor::<3>::from_data(TensorData::new(mask, [self.samples, 1, 1]), &branch.device());
        let dtype = branch.dtype();
        branch * mask.cast(dtype)
    }
}

/// `x` with dropout, if there is any.
pub(super) fn dropped<const D: usize>(x: Tensor<D>, dropout: Option<&Dropout>, place: &str) -> Tensor<D> {
    match dropout {
        Some(dropout) => dropout.at(place).numbers(x),
        None => x,
    }
}

/// Numbers from the standard normal distribution, by the transform of Box and Muller.
fn normal(stream: &mut ChaCha8Rng, count: usize) -> Vec<f32> {
    let mut values = Vec::with_capacity(count + 1);
    while values.len() < count {
        let radius = (-2.0 * (1.0 - unit(stream)).ln()).sqrt();
        let (sine, cosine) = (2.0 * PI * unit(stream)).sin_cos();
        values.extend([(radius * cosine) as f32, (radius * sine) as f32]);
    }
    values.truncate(count);
    values
}

/// Uniform in [0, 1), 53 bits.
fn unit(stream: &mut ChaCha8Rng) -> f64 {
    (stream.next_u64() >> 11) as f64 / (1u64 << 53) as f64
}

#[cfg(test)]
mod tests {
    use super::*;
    use burn::tensor::Device;

    const CHANCE: Chance = Chance { seed: 3, step: 7, first: 0 };

    #[test]
    fn the_moments_are_those_of_the_normal_distribution() {
        let values = CHANCE.normal("noise", 2, 20_000);
        let moment =
            |power: i32| values.iter().map(|x| f64::from(*x).powi(power)).sum::<f64>() / values.len() as f64;
        // Five standard errors of 40 000 draws: 0.025, 0.035, 0.35 for the fourth.
        assert!(moment(1).abs() < 0.025 && (moment(2) - 1.0).abs() < 0.036 && (moment(4) - 3.0).abs() < 0.25);
    }

    /// A later micro-batch draws what the whole batch draws for its samples; another seed, step or place, other
    /// numbers.
    #[test]
    fn a_draw_depends_on_seed_step_place_and_sample() {
        let whole = CHANCE.normal("noise", 3, 5);
        let last = Chance { first: 2, ..CHANCE };
        assert_eq!(last.normal("noise", 1, 5), whole[10..]);
        for other in
            [Chance { seed: 4, ..CHANCE }, Chance { step: 8, ..CHANCE }, Chance { first: 1, ..CHANCE }]
        {
            assert_ne!(other.normal("noise", 3, 5), whole);
        }
        assert_ne!(CHANCE.normal("noises", 3, 5), whole);
        assert_ne!(whole[..5], whole[5..10]);
    }

    #[test]
    fn dropout_keeps_the_mean() {
        let dropout = Dropout::new(Some(CHANCE), 0.3, "block".into(), 2).unwrap();
        let ones = Tensor::<3>::ones([2, 500, 20], &Device::flex());
        let list = dropout.numbers(ones.clone()).into_data().try_into_vec::<f32>().unwrap();
        let zeros = list.iter().filter(|value| **value == 0.0).count() as f64 / list.len() as f64;
        // Five standard errors of 20 000 draws.
        assert!((zeros - 0.3).abs() < 0.017, "{zeros}");
        assert!(list.iter().all(|value| *value == 0.0 || (value - 1.0 / 0.7).abs() < 1e-6));
        let many = Dropout::new(Some(CHANCE), 0.3, "block".into(), 1000).unwrap();
        let list = many.samples(Tensor::ones([1000, 3, 2], &Device::flex()));
        let list = list.into_data().try_into_vec::<f32>().unwrap();
        assert!(list.chunks(6).all(|sample| sample.iter().all(|value| value == &sample[0])));
        let zeros = list.chunks(6).filter(|sample| sample[0] == 0.0).count() as f64 / 1000.0;
        assert!((zeros - 0.3).abs() < 0.075, "{zeros}");
        assert!(Dropout::new(Some(CHANCE), 0.0, String::new(), 2).is_none());
        assert!(Dropout::new(None, 0.3, String::new(), 2).is_none());
    }
}
