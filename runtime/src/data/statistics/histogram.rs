//! Counts of values by their size, from which quantiles follow.
//!
//! A bin holds the values that agree in sign, exponent and the first eight bits of the fraction: it is no wider than
//! 1/256 of its values, wherever they lie. Counts are whole numbers, so that histograms of parts add up to that of the
//! whole, in whatever order.

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD_NO_PAD;
use multiversion::multiversion;

/// Bits of an f32 that are not looked at.
const DROPPED: u32 = 15;
const BINS: usize = 1 << (32 - DROPPED);

/// How often values lie in each bin, ascending by value; empty bins are left out.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Histogram {
    bins: Vec<(u32, u64)>,
}

/// Bins of finite values; before and after them are those of what is none.
const FINITE: std::ops::Range<usize> = 0x100..0x1_ff00;
/// Values whose bins are found in one go.
const PART: usize = 1024;

/// Counts of every bin, while values are counted. Values that follow one another are often alike: with two counts in turn none
/// waits for the one before.
#[derive(Debug)]
pub(super) struct Counts(Vec<[u32; 2]>);

impl Counts {
    pub(super) fn new() -> Self {
        Self(vec![[0; 2]; BINS])
    }

    /// Counts values; those that are not finite are not asked for.
    pub(super) fn add(&mut self, values: &[f32]) {
        let Some(counts) = self.0.first_chunk_mut::<BINS>() else { return };
        let mut places = [0; PART];
        for part in values.chunks(PART) {
            let places = &mut places[..part.len()];
            bins(part, places);
            let (pairs, last) = places.as_chunks::<2>();
            for [one, other] in pairs {
                counts[*one as usize % BINS][0] += 1;
                counts[*other as usize % BINS][1] += 1;
            }
            for one in last {
                counts[*one as usize % BINS][0] += 1;
            }
        }
    }

    pub(super) fn histogram(&self) -> Histogram {
        let counts = FINITE.map(|bin| (bin as u32, u64::from(self.0[bin][0]) + u64::from(self.0[bin][1])));
        Histogram { bins: counts.filter(|(_, count)| *count > 0).collect() }
    }
}

#[multiversion(targets("x86_64+avx2"))]
fn bins(values: &[f32], places: &mut [u32]) {
    places.iter_mut().zip(values).for_each(|(place, value)| *place = bin(*value));
}

impl Histogram {
    /// Of the finite values of a plane.
    #[cfg(test)]
    fn of(plane: ndarray::ArrayView2<'_, f32>) -> Self {
        let mut counts = Counts::new();
        plane.iter().for_each(|value| counts.add(&[*value]));
        counts.histogram()
    }

    /// Adds the counts of further values.
    pub fn merge(&mut self, other: &Self) {
        let mut merged = Vec::with_capacity(self.bins.len().max(other.bins.len()));
        let (mut mine, mut theirs) = (self.bins.iter().peekable(), other.bins.iter().peekable());
        loop {
            let next = match (mine.peek(), theirs.peek()) {
                (Some(a), Some(b)) if a.0 == b.0 => {
                    let both = (a.0, a.1 + b.1);
                    mine.next();
                    theirs.next();
                    both
                }
                (Some(a), Some(b)) if a.0 > b.0 => {
                    let b = **b;
                    theirs.next();
                    b
                }
                (Some(a), _) => {
                    let a = **a;
                    mine.next();
                    a
                }
                (None, Some(b)) => {
                    let b = **b;
                    theirs.next();
                    b
                }
                (None, None) => break,
            };
            merged.push(next);
        }
        self.bins = merged;
    }

    /// Values below which these shares of all values lie, linear within a bin; nothing of nothing.
    #[must_use]
    pub fn quantiles(&self, shares: &[f64]) -> Vec<f64> {
        let total: u64 = self.bins.iter().map(|(_, count)| count).sum();
        if total == 0 {
            return Vec::new();
        }
        shares.iter().map(|share| self.quantile(share.clamp(0.0, 1.0) * total as f64)).collect()
    }

    fn quantile(&self, rank: f64) -> f64 {
        let mut below = 0.0;
        for (bin, count) in &self.bins {
            let count = *count as f64;
            if below + count >= rank {
                let (low, high) = edges(*bin);
                // The bin of zero reaches up to numbers that no field means.
                if low == 0.0 || high == 0.0 {
                    return 0.0;
                }
                return low + (high - low) * ((rank - below) / count).clamp(0.0, 1.0);
            }
            below += count;
        }
        self.bins.last().map_or(f64::NAN, |(bin, _)| edges(*bin).1)
    }

    /// As text of few letters: bins by their distances and counts, seven bits a byte, in base 64.
    #[must_use]
    pub fn written(&self) -> String {
        let (mut bytes, mut last) = (Vec::new(), 0);
        for (bin, count) in &self.bins {
            push(&mut bytes, u64::from(bin - last));
            push(&mut bytes, *count);
            last = *bin;
        }
        STANDARD_NO_PAD.encode(bytes)
    }

    /// What [`Histogram::written`] has written; nothing if it is something else.
    #[must_use]
    pub fn read(text: &str) -> Option<Self> {
        let bytes = STANDARD_NO_PAD.decode(text).ok()?;
        let (mut rest, mut last, mut bins) = (bytes.as_slice(), 0_u64, Vec::new());
        while !rest.is_empty() {
            last = last.checked_add(pull(&mut rest)?)?;
            let bin = u32::try_from(last).ok().filter(|bin| (*bin as usize) < BINS)?;
            bins.push((bin, pull(&mut rest)?));
        }
        Some(Self { bins })
    }
}

/// Bins ascend with the values: the bits of negative numbers are turned around.
#[inline(always)]
fn bin(value: f32) -> u32 {
    let bits = value.to_bits();
    let ordered = if bits >> 31 == 1 { !bits } else { bits | 0x8000_0000 };
    ordered >> DROPPED
}

/// The least and the greatest number of a bin.
fn edges(bin: u32) -> (f64, f64) {
    let value = |ordered: u32| {
        let bits = if ordered >> 31 == 1 { ordered & 0x7fff_ffff } else { !ordered };
        f64::from(f32::from_bits(bits))
    };
    let first = bin << DROPPED;
    (value(first), value(first | ((1 << DROPPED) - 1)))
}

fn push(bytes: &mut Vec<u8>, mut number: u64) {
    while number >= 0x80 {
        bytes.push(number as u8 | 0x80);
        number >>= 7;
    }
    bytes.push(number as u8);
}

fn pull(bytes: &mut &[u8]) -> Option<u64> {
    let mut number = 0_u64;
    for shift in (0..64).step_by(7) {
        let (first, rest) = bytes.split_first()?;
        *bytes = rest;
        number |= u64::from(first & 0x7f) << shift;
        if first & 0x80 == 0 {
            return Some(number);
        }
    }
    None
}

#[cfg(test)]
mod tests {
    use ndarray::Array2;

    use super::*;

    fn some(count: usize, of: impl Fn(usize) -> f32) -> Array2<f32> {
        Array2::from_shape_fn((1, count), |(_, k)| of(k))
    }

    /// Against the sorted values themselves; half a bin, 1/512 of a value.
    #[test]
    fn quantiles_are_those_of_the_sorted_values() {
        let wave = |k: usize| (k as f32 * 0.618_034).fract();
        for (name, of) in [
            ("temperature", (|k| 220.0 + 90.0 * ((k as f32 * 0.618_034).fract())) as fn(usize) -> f32),
            ("CIN", |k| -300.0 * (k as f32 * 0.618_034).fract().powi(3)),
            ("humidity", |k| 1e-6 * 10f32.powf(4.0 * (k as f32 * 0.618_034).fract())),
            ("wind", |k| 40.0 * ((k as f32 * 0.618_034).fract() - 0.5)),
        ] {
            let plane = some(20_011, of);
            let mut sorted: Vec<f32> = plane.iter().copied().collect();
            sorted.sort_by(f32::total_cmp);
            let shares = [0.001, 0.01, 0.25, 0.5, 0.9, 0.999];
            for (share, found) in shares.iter().zip(Histogram::of(plane.view()).quantiles(&shares)) {
                let exact = f64::from(sorted[(share * sorted.len() as f64) as usize]);
                let apart = (found - exact).abs();
                assert!(
                    apart <= exact.abs() / 256.0 + 0.01 * exact.abs().min(1.0),
                    "{name} {share}: {found} {exact}"
                );
            }
        }
        assert!(wave(3) < 1.0);
    }

    #[test]
    fn the_median_of_nothing_but_zeros_is_zero() {
        let plane = some(1000, |k| if k < 900 { 0.0 } else { 1.0 });
        assert_eq!(Histogram::of(plane.view()).quantiles(&[0.01, 0.5]), [0.0, 0.0]);
        let plane = some(1000, |k| if k < 900 { -0.0 } else { 1.0 });
        assert_eq!(Histogram::of(plane.view()).quantiles(&[0.5]), [0.0]);
    }

    #[test]
    fn parts_add_up_to_the_whole_in_any_order() {
        let plane = some(999, |k| (k as f32 - 500.0).powi(3) / 1e4);
        let whole = Histogram::of(plane.view());
        let part = |from: usize, to: usize| Histogram::of(plane.slice(ndarray::s![.., from..to]));
        for order in [[0, 1, 2], [2, 0, 1]] {
            let mut sum = Histogram::default();
            for index in order {
                sum.merge(&part(index * 333, index * 333 + 333));
            }
            assert_eq!(sum, whole);
        }
    }

    #[test]
    fn what_is_written_is_read_again() {
        let plane = some(500, |k| if k % 7 == 0 { f32::NAN } else { -3.5 + k as f32 });
        let histogram = Histogram::of(plane.view());
        assert_eq!(Histogram::read(&histogram.written()), Some(histogram));
        assert_eq!(Histogram::read(""), Some(Histogram::default()));
        assert_eq!(Histogram::read("////"), None);
        assert!(Histogram::default().quantiles(&[0.5]).is_empty());
    }
}
