//! Samples of several scales, batch by batch.

use super::{SampleIndex, Sampler};
use crate::data::synthetic::draw::Draw;

/// Samplers of the same times at several scales. A batch is of one scale, which is drawn by its share: a pure function of
/// (seed, number of the batch), whatever comes before it.
#[derive(Debug)]
pub struct Mix {
    first: Sampler,
    others: Vec<Sampler>,
    /// Shares of all but the last, added up.
    upto: Vec<f64>,
    seed: u64,
}

impl From<Sampler> for Mix {
    /// Of one scale.
    fn from(sampler: Sampler) -> Self {
        Self { seed: sampler.cut.seed, first: sampler, others: Vec::new(), upto: Vec::new() }
    }
}

impl Mix {
    /// Adds a scale. Of all batches it has `share`, the scales before it what is left in their proportions.
    #[must_use]
    pub fn and(mut self, share: f64, sampler: Sampler) -> Self {
        self.upto.iter_mut().for_each(|upto| *upto *= 1.0 - share);
        self.upto.push(1.0 - share);
        self.others.push(sampler);
        self
    }

    /// Samples in an epoch, which visits every time once.
    #[must_use]
    pub fn len(&self) -> usize {
        self.first.len()
    }

    /// Never, as [`Sampler::is_empty`].
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.first.is_empty()
    }

    /// As [`Sampler::batches`].
    #[must_use]
    pub fn batches(&self, size: usize) -> usize {
        self.first.batches(size)
    }

    /// The samples of batch `number`, counted over all epochs.
    #[must_use]
    pub fn batch(&self, size: usize, number: u64) -> Vec<SampleIndex> {
        self.sampler(number).batch(size, number)
    }

    fn sampler(&self, number: u64) -> &Sampler {
        let chance = Draw::new(b"scale   ", self.seed, 0, number).unit();
        let place = self.upto.partition_point(|upto| *upto <= chance);
        place.checked_sub(1).and_then(|other| self.others.get(other)).unwrap_or(&self.first)
    }
}
