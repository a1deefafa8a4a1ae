//! Quantiles that never cross, and their score.
//!
//! A head with `quantiles(N)` predicts the N quantiles at the probabilities (i + ½)/N, i from 0: each stands for
//! an equal share 1/N of the distribution, so that the values may be read as N equally likely members. They are
//! made of N free numbers r: the middle one is the quantile itself, and each step away from it adds or takes away
//! a positive distance,
//!
//! ```text
//! q[m] = r[m],  q[i+1] = q[i] + softplus(r[i+1] + s[i+1])  above,  q[i−1] = q[i] − softplus(r[i−1] + s[i−1])  below
//! ```
//!
//! with m = (N − 1)/2 rounded down and constants s such that r = 0 gives a logistic distribution of deviation 1.
//! So q rises strictly with i, in normalised and in physical units (spreads are positive), nothing needs to be
//! sorted, and the gradient of each quantile is its own. The prediction's value elsewhere (other losses, the
//! roll-out, scores, files) is the median: q[m] for odd N, the mean of the two in the middle for even N.

use burn::tensor::activation::softplus;
use burn::tensor::{Tensor, TensorData};

/// The probability of quantile `index` of `count`.
pub fn probability(index: usize, count: usize) -> f64 {
    (index as f64 + 0.5) / count.max(1) as f64
}

/// Free numbers (N, …) to quantiles (N, …), in rising order on the first axis.
pub fn arrange<const D: usize>(numbers: Tensor<D>) -> Tensor<D> {
    let count = numbers.dims()[0];
    if count < 2 {
        return numbers;
    }
    let middle = (count - 1) / 2;
    let mut shape = [1; D];
    shape[0] = count;
    let starts: Vec<f32> = (0..count).map(|index| start(index, count)).collect();
    let starts = Tensor::from_data(TensorData::new(starts, shape), &numbers.device());
    let steps = softplus(numbers.clone() + starts, 1.0);
    let centre = numbers.narrow(0, middle, 1);
    let mut list = vec![centre.clone()];
    let mut value = centre.clone();
    for index in middle + 1..count {
        value = value + steps.clone().narrow(0, index, 1);
        list.push(value.clone());
    }
    value = centre;
    for index in (0..middle).rev() {
        value = value - steps.clone().narrow(0, index, 1);
        list.insert(0, value.clone());
    }
    Tensor::cat(list, 0)
}

/// The median of quantiles (N, …), (1, …).
pub fn median<const D: usize>(quantiles: Tensor<D>) -> Tensor<D> {
    let count = quantiles.dims()[0];
    let middle = count.saturating_sub(1) / 2;
    if count % 2 == 1 {
        return quantiles.narrow(0, middle, 1);
    }
    quantiles.narrow(0, middle, 2).mean_dim(0)
}

/// The continuous ranked probability score of quantiles (N, …) at truths (1, …), point by point, (1, …).
///
/// It is twice the mean of the pinball losses (p − [y < q])·(y − q) over the probabilities p, which for these
/// probabilities is exactly the score of N equally likely members (Gneiting and Raftery 2007, equations 20 and 21;
/// Laio and Tamea 2007), in the field's units; of a single value it is the absolute error.
pub fn crps<const D: usize>(quantiles: Tensor<D>, truth: Tensor<D>) -> Tensor<D> {
    let count = quantiles.dims()[0];
    let mut shape = [1; D];
    shape[0] = count;
    let probabilities: Vec<f32> = (0..count).map(|index| probability(index, count) as f32).collect();
    let probabilities = Tensor::from_data(TensorData::new(probabilities, shape), &quantiles.device());
    // (p − [y < q])·(y − q) = p·(y − q) + max(q − y, 0), which holds for both signs.
    let above = truth - quantiles;
    let pinball = probabilities * above.clone() + above.neg().clamp_min(0.0);
    pinball.mean_dim(0).mul_scalar(2.0)
}

/// What a step's free number is added to: the softplus of it is the distance between neighbouring quantiles of a
/// logistic distribution with deviation 1.
fn start(index: usize, count: usize) -> f32 {
    let middle = (count - 1) / 2;
    if index == middle {
        return 0.0;
    }
    let quantile = |index: usize| {
        let p = probability(index, count);
        (p / (1.0 - p)).ln() * 3f64.sqrt() / std::f64::consts::PI
    };
    let distance = if index > middle {
        quantile(index) - quantile(index - 1)
    } else {
        quantile(index + 1) - quantile(index)
    };
    distance.exp_m1().ln() as f32
}

#[cfg(test)]
mod tests {
    use super::*;
    use burn::tensor::Device;

    fn column(values: &[f32]) -> Tensor<2> {
        Tensor::from_data(TensorData::new(values.to_vec(), [values.len(), 1]), &Device::flex())
    }

    fn list<const D: usize>(tensor: Tensor<D>) -> Vec<f32> {
        tensor.into_data().try_into_vec::<f32>().unwrap()
    }

    #[test]
    fn quantiles_never_cross() {
        for count in [2, 3, 4, 9, 50] {
            let wild: Vec<f32> = (0..count).map(|i| ((i * 7919 + 13) % 41) as f32 - 20.0).collect();
            let quantiles = list(arrange(column(&wild)));
            // softplus(−20) is 2e-9: beside values of size 20 a step may round to nothing, never below.
            assert!(quantiles.windows(2).all(|pair| pair[0] <= pair[1]), "{count}: {quantiles:?}");
            let mild: Vec<f32> = wild.iter().map(|value| value / 10.0).collect();
            let quantiles = list(arrange(column(&mild)));
            assert!(quantiles.windows(2).all(|pair| pair[0] < pair[1]), "{count}: {quantiles:?}");
            assert_eq!(quantiles[(count - 1) / 2], mild[(count - 1) / 2]);
        }
    }

    /// Quantiles at 1/6, 1/2, 5/6 of a logistic distribution of deviation 1: ±ln 5·√3/π = ±0.887 (by hand).
    #[test]
    fn a_fresh_head_predicts_the_climatology() {
        let quantiles = list(arrange(column(&[0.0; 3])));
        for (quantile, expected) in quantiles.iter().zip([-0.887_33, 0.0, 0.887_33]) {
            assert!((quantile - expected).abs() < 1e-4, "{quantiles:?}");
        }
    }

    #[test]
    fn the_median_is_the_middle() {
        assert_eq!(list(median(column(&[1.0, 2.0, 7.0]))), [2.0]);
        assert_eq!(list(median(column(&[1.0, 2.0, 4.0, 7.0]))), [3.0]);
        assert_eq!(list(median(column(&[5.0]))), [5.0]);
    }

    /// Three members 0, 1, 4 and the truth 2: mean |x − y| = 5/3, half the mean |x − x'| = ½·16/9 = 8/9, and the
    /// score is the difference, 7/9. As pinball losses: p = 1/6, 1/2, 5/6 times 2, 1, −2 plus 0, 0, 2 gives 1/3,
    /// 1/2, 1/3, whose doubled mean is 7/9 too.
    #[test]
    fn the_score_is_that_of_equally_likely_members() {
        let score = list(crps(column(&[0.0, 1.0, 4.0]), column(&[2.0])));
        assert!((score[0] - 7.0 / 9.0).abs() < 1e-6, "{score:?}");
        assert_eq!(list(crps(column(&[3.0]), column(&[5.5]))), [2.5]);
        assert_eq!(list(crps(column(&[3.0]), column(&[1.0]))), [2.0]);
    }

    /// The score is least where the quantiles are those of the truths.
    #[test]
    fn the_gradient_vanishes_at_the_truths_own_quantiles() {
        let device = Device::flex().autodiff();
        let truths =
            Tensor::<2>::from_data(TensorData::new(vec![1f32, 2.0, 3.0, 4.0, 5.0, 6.0], [1, 6]), &device);
        let quantiles = Tensor::<2>::from_data(TensorData::new(vec![1.5f32, 3.5, 5.5], [3, 1]), &device);
        let quantiles = quantiles.require_grad();
        let gradients = crps(quantiles.clone().expand([3, 6]), truths).sum().backward();
        let gradient = list(quantiles.grad(&gradients).unwrap());
        assert!(gradient.iter().all(|value| value.abs() < 1e-6), "{gradient:?}");
    }
}
