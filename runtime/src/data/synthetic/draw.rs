//! Random numbers by address: the stream of (seed, domain, index) is the same whoever asks for it, and when.

use rand_chacha::ChaCha8Rng;
use rand_chacha::rand_core::{Rng, SeedableRng};

/// A stream of uniform draws. The key holds a domain word (what the draws are for), the seed and an index (an hour,
/// an epoch); `stream` selects one of 2⁶⁴ independent streams below it (a cell).
#[derive(Debug)]
pub struct Draw(ChaCha8Rng);

impl Draw {
    #[must_use]
    pub fn new(domain: &[u8; 8], seed: u64, index: i64, stream: u64) -> Self {
        let mut key = [0_u8; 32];
        key[..8].copy_from_slice(domain);
        key[8..16].copy_from_slice(&seed.to_le_bytes());
        key[16..24].copy_from_slice(&index.to_le_bytes());
        let mut generator = ChaCha8Rng::from_seed(key);
        generator.set_stream(stream);
        Self(generator)
    }

    /// Uniform in [0, 1), a multiple of 2⁻⁵³.
    pub fn unit(&mut self) -> f64 {
        (self.0.next_u64() >> 11) as f64 * (1.0 / 9_007_199_254_740_992.0)
    }

    /// Uniform in [low, high).
    pub fn between(&mut self, low: f64, high: f64) -> f64 {
        low + (high - low) * self.unit()
    }

    /// Uniform among 0..count, without bias worth naming (2⁻⁶⁴ · count); `count` above 0.
    pub fn below(&mut self, count: usize) -> usize {
        ((u128::from(self.0.next_u64()) * count as u128) >> 64) as usize
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn streams_repeat_and_differ() {
        let draws = |seed, hour, stream| {
            let mut draw = Draw::new(b"test    ", seed, hour, stream);
            (0..4).map(|_| draw.unit()).collect::<Vec<_>>()
        };
        assert_eq!(draws(1, 2, 3), draws(1, 2, 3));
        assert_ne!(draws(1, 2, 3), draws(2, 2, 3));
        assert_ne!(draws(1, 2, 3), draws(1, 3, 3));
        assert_ne!(draws(1, 2, 3), draws(1, 2, 4));
        let mut draw = Draw::new(b"test    ", 0, 0, 0);
        assert!((0..1000).map(|_| draw.below(7)).all(|index| index < 7));
    }
}
