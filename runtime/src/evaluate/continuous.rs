//! Scores of continuous fields: bias, MAE, RMSE, correlation, ratio of standard deviations.

use ndarray::{ArrayView2, Axis, Zip};
use rayon::prelude::*;

use super::sum::{ExactSum, determinant};
use super::{EvaluateError, ratio, same_shape};

/// A variance below this share of the mean square is rounding of the weights, not variance.
const NO_VARIANCE: f64 = 1e-28;

/// Sufficient statistics of pairs of continuous fields, in the units of the field.
///
/// With forecast f, observation o, weight w, d = f − o and N = Σw over the cells where both are finite:
/// bias = Σwd/N, MAE = Σw|d|/N, RMSE = √(Σwd²/N) (pooled over samples), Pearson's r and σf/σo with weighted means.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct Continuous {
    samples: u64,
    total: u64,
    valid: u64,
    weight: ExactSum,
    forecast: ExactSum,
    observation: ExactSum,
    forecast_square: ExactSum,
    observation_square: ExactSum,
    product: ExactSum,
    absolute: ExactSum,
    square: ExactSum,
}

impl Continuous {
    /// No samples yet: every score is NaN.
    pub fn new() -> Self {
        Self::default()
    }

    /// Adds one sample, every cell with weight 1. Both fields are (rows, columns).
    ///
    /// # Errors
    /// [`EvaluateError::Shape`] if the grids differ.
    pub fn add(
        &mut self,
        forecast: ArrayView2<'_, f32>,
        observation: ArrayView2<'_, f32>,
    ) -> Result<(), EvaluateError> {
        same_shape(&forecast, &observation, "observation")?;
        let rows = (forecast.axis_iter(Axis(0)).into_par_iter())
            .zip(observation.axis_iter(Axis(0)))
            .fold(Self::new, |mut sums, (forecast, observation)| {
                Zip::from(forecast).and(observation).for_each(|f, o| sums.cell(*f, *o));
                sums
            })
            .reduce(Self::new, joined);
        self.merge(&rows);
        self.finish(forecast.len());
        Ok(())
    }

    /// Adds one sample with a weight per cell (its relative area, say); cells of weight 0 do not count.
    ///
    /// # Errors
    /// [`EvaluateError::Shape`] if the grids differ, [`EvaluateError::Weight`] for a negative or non-finite weight.
    pub fn add_weighted(
        &mut self,
        forecast: ArrayView2<'_, f32>,
        observation: ArrayView2<'_, f32>,
        weights: ArrayView2<'_, f64>,
    ) -> Result<(), EvaluateError> {
        same_shape(&forecast, &observation, "observation")?;
        same_shape(&forecast, &weights, "field of weights")?;
        if let Some(((row, column), weight)) =
            weights.indexed_iter().find(|(_, w)| !(w.is_finite() && **w >= 0.0))
        {
            return Err(EvaluateError::Weight { weight: *weight, row, column });
        }
        let mut sums = Self::new();
        Zip::from(forecast).and(observation).and(weights).for_each(|f, o, w| sums.weighted_cell(*f, *o, *w));
        self.merge(&sums);
        self.finish(forecast.len());
        Ok(())
    }

    /// Adds the statistics of another set of samples.
    pub fn merge(&mut self, other: &Self) {
        self.samples += other.samples;
        self.total += other.total;
        self.valid += other.valid;
        self.weight.merge(&other.weight);
        self.forecast.merge(&other.forecast);
        self.observation.merge(&other.observation);
        self.forecast_square.merge(&other.forecast_square);
        self.observation_square.merge(&other.observation_square);
        self.product.merge(&other.product);
        self.absolute.merge(&other.absolute);
        self.square.merge(&other.square);
    }

    /// Samples (pairs of fields) with at least one cell, valid or not.
    pub fn samples(&self) -> u64 {
        self.samples
    }

    /// Cells where forecast and observation were finite (and the weight above 0).
    pub fn valid(&self) -> u64 {
        self.valid
    }

    /// Valid cells as a share of all cells.
    pub fn coverage(&self) -> f64 {
        ratio(self.valid as f64, self.total as f64)
    }

    /// Mean error, forecast minus observation.
    pub fn bias(&self) -> f64 {
        ratio(self.forecast.difference(&self.observation), self.weight.value())
    }

    /// Mean absolute error.
    pub fn mae(&self) -> f64 {
        ratio(self.absolute.value(), self.weight.value())
    }

    /// Mean squared error.
    pub fn mse(&self) -> f64 {
        ratio(self.square.value(), self.weight.value())
    }

    /// Root of the mean squared error over all cells of all samples together.
    pub fn rmse(&self) -> f64 {
        self.mse().sqrt()
    }

    /// Pearson's correlation; NaN if either field is constant.
    pub fn correlation(&self) -> f64 {
        let covariance = determinant(&self.weight, &self.product, &self.forecast, &self.observation);
        let (forecast, observation) = self.variances();
        ratio(covariance, forecast.sqrt() * observation.sqrt())
    }

    /// σ(forecast)/σ(observation): below 1 the forecast is too smooth. NaN if the observation is constant.
    pub fn std_ratio(&self) -> f64 {
        let (forecast, observation) = self.variances();
        ratio(forecast.sqrt(), observation.sqrt())
    }

    /// Both variances times N².
    fn variances(&self) -> (f64, f64) {
        let variance = |square: &ExactSum, sum: &ExactSum| {
            let scaled = determinant(&self.weight, square, sum, sum);
            if scaled <= NO_VARIANCE * self.weight.value() * square.value() { 0.0 } else { scaled }
        };
        (
            variance(&self.forecast_square, &self.forecast),
            variance(&self.observation_square, &self.observation),
        )
    }

    fn finish(&mut self, cells: usize) {
        self.samples += 1;
        self.total += cells as u64;
    }

    #[inline]
    fn cell(&mut self, forecast: f32, observation: f32) {
        if !(forecast.is_finite() && observation.is_finite()) {
            return;
        }
        // Products of two f32 are exact in f64.
        let (f, o) = (f64::from(forecast), f64::from(observation));
        let d = f - o;
        self.valid += 1;
        self.weight.add(1.0);
        self.forecast.add(f);
        self.observation.add(o);
        self.forecast_square.add(f * f);
        self.observation_square.add(o * o);
        self.product.add(f * o);
        self.absolute.add(d.abs());
        self.square.add(d * d);
    }

    fn weighted_cell(&mut self, forecast: f32, observation: f32, weight: f64) {
        if !(forecast.is_finite() && observation.is_finite() && weight > 0.0) {
            return;
        }
        let (f, o) = (f64::from(forecast), f64::from(observation));
        let d = f - o;
        self.valid += 1;
        self.weight.add(weight);
        self.forecast.add_product(weight, f);
        self.observation.add_product(weight, o);
        self.forecast_square.add_product(weight, f * f);
        self.observation_square.add_product(weight, o * o);
        self.product.add_product(weight, f * o);
        self.absolute.add_product(weight, d.abs());
        self.square.add_product(weight, d * d);
    }
}

fn joined(mut left: Continuous, right: Continuous) -> Continuous {
    left.merge(&right);
    left
}

#[cfg(test)]
mod tests {
    use super::*;
    use ndarray::{Array2, array};

    /// Reproducible fields with a few missing cells; values like brightness temperatures.
    fn field(seed: u32, rows: usize, columns: usize) -> Array2<f32> {
        let mut state = seed.wrapping_mul(2_654_435_761).wrapping_add(1);
        Array2::from_shape_fn((rows, columns), |_| {
            state = state.wrapping_mul(1_664_525).wrapping_add(1_013_904_223);
            if state >> 28 == 3 { f32::NAN } else { 220.0 + (state >> 8) as f32 * 1e-5 }
        })
    }

    fn scored(seeds: &[u32]) -> Continuous {
        let mut sums = Continuous::new();
        for seed in seeds {
            sums.add(field(*seed, 37, 53).view(), field(seed + 100, 37, 53).view()).unwrap();
        }
        sums
    }

    #[test]
    fn by_hand() {
        let mut sums = Continuous::new();
        sums.add(array![[1.0, 4.0, f32::NAN, 2.0]].view(), array![[2.0, 2.0, 5.0, f32::INFINITY]].view())
            .unwrap();
        assert_eq!((sums.valid(), sums.coverage(), sums.samples()), (2, 0.5, 1));
        assert_eq!((sums.bias(), sums.mae(), sums.mse()), (0.5, 1.5, 2.5));
        assert!(sums.correlation().is_nan() && sums.std_ratio().is_nan(), "the observation is constant");
    }

    #[test]
    fn nothing_is_nan_and_shapes_must_agree() {
        let mut sums = Continuous::new();
        assert!([sums.bias(), sums.rmse(), sums.correlation(), sums.coverage()].iter().all(|x| x.is_nan()));
        let error = sums.add(field(1, 2, 3).view(), field(1, 3, 2).view()).unwrap_err();
        assert!(error.to_string().contains("3 x 2"), "{error}");
        assert_eq!(sums, Continuous::new());
    }

    #[test]
    fn merge_is_associative_and_commutative_bit_for_bit() {
        let (a, b, c) = (scored(&[1]), scored(&[2, 3]), scored(&[4]));
        let (mut left, mut right) = (a.clone(), c.clone());
        left.merge(&b);
        left.merge(&c);
        right.merge(&b);
        right.merge(&a);
        assert_eq!(left, right);
        assert_eq!(left, scored(&[4, 3, 2, 1]));
        assert_eq!(left.rmse().to_bits(), right.rmse().to_bits());
        assert_eq!(left.correlation().to_bits(), right.correlation().to_bits());
    }

    #[test]
    fn threads_do_not_matter() {
        let with = |threads| {
            let pool = rayon::ThreadPoolBuilder::new().num_threads(threads).build().unwrap();
            pool.install(|| scored(&[7, 8, 9]))
        };
        let (one, many) = (with(1), with(5));
        assert_eq!(one, many);
        assert_eq!(one.std_ratio().to_bits(), many.std_ratio().to_bits());
    }

    #[test]
    fn weights_of_one_change_nothing_and_zero_excludes() {
        let (f, o) = (field(1, 8, 9), field(2, 8, 9));
        let (mut plain, mut ones) = (Continuous::new(), Continuous::new());
        plain.add(f.view(), o.view()).unwrap();
        ones.add_weighted(f.view(), o.view(), Array2::ones((8, 9)).view()).unwrap();
        assert_eq!(plain, ones);
        let mut none = Continuous::new();
        none.add_weighted(f.view(), o.view(), Array2::zeros((8, 9)).view()).unwrap();
        assert_eq!(none.valid(), 0);
        let negative = Array2::from_elem((8, 9), -1.0);
        assert!(matches!(
            none.add_weighted(f.view(), o.view(), negative.view()),
            Err(EvaluateError::Weight { row: 0, column: 0, .. })
        ));
    }

    #[test]
    fn a_constant_field_with_uneven_weights_has_no_variance() {
        let constant = Array2::from_elem((8, 9), 287.3_f32);
        let weights = Array2::from_shape_fn((8, 9), |(i, j)| 0.1 + 0.37 * i as f64 + 0.011 * j as f64);
        let mut sums = Continuous::new();
        sums.add_weighted(constant.view(), constant.view(), weights.view()).unwrap();
        assert!(sums.correlation().is_nan() && sums.std_ratio().is_nan());
    }
}
