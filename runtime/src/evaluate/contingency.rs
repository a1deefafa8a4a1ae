//! Scores of yes/no forecasts from the 2 x 2 table of hits, false alarms, misses and correct negatives.

use ndarray::{ArrayView2, Axis, Zip};
use rayon::prelude::*;
use serde::{Deserialize, Serialize};

use super::{EvaluateError, ratio, same_shape};

/// The 2 x 2 contingency table. Definitions of the scores: Wilks, *Statistical Methods in the Atmospheric Sciences*,
/// ch. 9; EDI and SEDI: Ferro and Stephenson (2011). A zero denominator gives NaN.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Counts {
    /// Event forecast and observed (a).
    pub hits: u64,
    /// Event forecast, not observed (b).
    pub false_alarms: u64,
    /// Event observed, not forecast (c).
    pub misses: u64,
    /// Event neither forecast nor observed (d).
    pub correct_negatives: u64,
}

impl Counts {
    /// All cells, n = a + b + c + d.
    pub fn total(&self) -> u64 {
        self.hits + self.false_alarms + self.misses + self.correct_negatives
    }

    /// Observed events, a + c.
    pub fn events(&self) -> u64 {
        self.hits + self.misses
    }

    /// Adds another table.
    pub fn merge(&mut self, other: &Self) {
        self.hits += other.hits;
        self.false_alarms += other.false_alarms;
        self.misses += other.misses;
        self.correct_negatives += other.correct_negatives;
    }

    /// Counts one cell.
    #[inline]
    pub fn cell(&mut self, forecast: bool, observed: bool) {
        match (forecast, observed) {
            (true, true) => self.hits += 1,
            (true, false) => self.false_alarms += 1,
            (false, true) => self.misses += 1,
            (false, false) => self.correct_negatives += 1,
        }
    }

    /// Probability of detection a/(a+c).
    pub fn pod(&self) -> f64 {
        share(self.hits, self.events())
    }

    /// False-alarm *ratio* b/(a+b); not to be confused with [`Self::pofd`].
    pub fn far(&self) -> f64 {
        share(self.false_alarms, self.hits + self.false_alarms)
    }

    /// Success ratio a/(a+b) = 1 − FAR.
    pub fn success_ratio(&self) -> f64 {
        share(self.hits, self.hits + self.false_alarms)
    }

    /// Probability of false detection b/(b+d), also called the false-alarm *rate*.
    pub fn pofd(&self) -> f64 {
        share(self.false_alarms, self.false_alarms + self.correct_negatives)
    }

    /// Critical success index a/(a+b+c).
    pub fn csi(&self) -> f64 {
        share(self.hits, self.hits + self.false_alarms + self.misses)
    }

    /// Frequency bias (a+b)/(a+c): 1 when events are forecast as often as they occur.
    pub fn frequency_bias(&self) -> f64 {
        share(self.hits + self.false_alarms, self.events())
    }

    /// Base rate (a+c)/n.
    pub fn base_rate(&self) -> f64 {
        share(self.events(), self.total())
    }

    /// Share of correct cells (a+d)/n.
    pub fn accuracy(&self) -> f64 {
        share(self.hits + self.correct_negatives, self.total())
    }

    /// F1 = 2a/(2a+b+c).
    pub fn f1(&self) -> f64 {
        share(2 * self.hits, 2 * self.hits + self.false_alarms + self.misses)
    }

    /// Equitable threat score (a−aᵣ)/(a+b+c−aᵣ), aᵣ = (a+b)(a+c)/n; numerator and denominator times n are integers.
    pub fn ets(&self) -> f64 {
        let [a, b, c, _] = self.wide();
        let n = i128::from(self.total());
        let chance = (a + b) * (a + c);
        integer_ratio(n * a - chance, n * (a + b + c) - chance)
    }

    /// Heidke skill score 2(ad−bc)/[(a+c)(c+d)+(a+b)(b+d)].
    pub fn hss(&self) -> f64 {
        let [a, b, c, d] = self.wide();
        integer_ratio(2 * (a * d - b * c), (a + c) * (c + d) + (a + b) * (b + d))
    }

    /// Peirce skill score POD − POFD = (ad−bc)/[(a+c)(b+d)].
    pub fn pss(&self) -> f64 {
        let [a, b, c, d] = self.wide();
        integer_ratio(a * d - b * c, (a + c) * (b + d))
    }

    /// Extremal dependence index (ln F − ln H)/(ln F + ln H), H = POD, F = POFD.
    pub fn edi(&self) -> f64 {
        let (h, f) = (self.pod().ln(), self.pofd().ln());
        if h.is_infinite() || f.is_infinite() { f64::NAN } else { ratio(f - h, f + h) }
    }

    /// Symmetric extremal dependence index.
    pub fn sedi(&self) -> f64 {
        let (h, f) = (self.pod(), self.pofd());
        let logs = [f.ln(), h.ln(), (1.0 - f).ln(), (1.0 - h).ln()];
        if logs.iter().any(|x| !x.is_finite()) {
            return f64::NAN;
        }
        let [f, h, not_f, not_h] = logs;
        ratio(f - h - not_f + not_h, f + h + not_f + not_h)
    }

    fn wide(&self) -> [i128; 4] {
        [self.hits, self.false_alarms, self.misses, self.correct_negatives].map(i128::from)
    }
}

fn share(part: u64, whole: u64) -> f64 {
    ratio(part as f64, whole as f64)
}

fn integer_ratio(numerator: i128, denominator: i128) -> f64 {
    ratio(numerator as f64, denominator as f64)
}

/// Contingency table of one threshold over many samples. An event is `value >= threshold`.
#[derive(Debug, Clone, PartialEq)]
pub struct Contingency {
    threshold: f64,
    counts: Counts,
    samples: u64,
    cells: u64,
}

impl Contingency {
    /// An empty table for `threshold`, in the units of the fields.
    ///
    /// # Errors
    /// [`EvaluateError::Threshold`] if the threshold is not finite.
    pub fn new(threshold: f64) -> Result<Self, EvaluateError> {
        finite(threshold)?;
        Ok(Self { threshold, counts: Counts::default(), samples: 0, cells: 0 })
    }

    /// Adds one sample; both fields are (rows, columns).
    ///
    /// # Errors
    /// [`EvaluateError::Shape`] if the grids differ.
    pub fn add(
        &mut self,
        forecast: ArrayView2<'_, f32>,
        observation: ArrayView2<'_, f32>,
    ) -> Result<(), EvaluateError> {
        same_shape(&forecast, &observation, "observation")?;
        let threshold = self.threshold as f32;
        let counts = (forecast.axis_iter(Axis(0)).into_par_iter())
            .zip(observation.axis_iter(Axis(0)))
            .map(|(forecast, observation)| {
                let mut row = Counts::default();
                Zip::from(forecast).and(observation).for_each(|f, o| {
                    if f.is_finite() && o.is_finite() {
                        row.cell(*f >= threshold, *o >= threshold);
                    }
                });
                row
            })
            .reduce(Counts::default, |mut left, right| {
                left.merge(&right);
                left
            });
        self.counts.merge(&counts);
        self.samples += 1;
        self.cells += forecast.len() as u64;
        Ok(())
    }

    /// Adds the table of other samples at the same threshold.
    ///
    /// # Errors
    /// [`EvaluateError::Merge`] if the thresholds differ.
    pub fn merge(&mut self, other: &Self) -> Result<(), EvaluateError> {
        if self.threshold != other.threshold {
            let name = |threshold| format!("threshold {threshold}");
            return Err(EvaluateError::Merge { left: name(self.threshold), right: name(other.threshold) });
        }
        self.counts.merge(&other.counts);
        self.samples += other.samples;
        self.cells += other.cells;
        Ok(())
    }

    /// The threshold, in the units of the fields.
    pub fn threshold(&self) -> f64 {
        self.threshold
    }

    /// The pooled table; its methods are the scores.
    pub fn counts(&self) -> Counts {
        self.counts
    }

    /// Samples added.
    pub fn samples(&self) -> u64 {
        self.samples
    }

    /// Valid cells as a share of all cells.
    pub fn coverage(&self) -> f64 {
        share(self.counts.total(), self.cells)
    }
}

/// Fails unless the threshold is finite.
pub(crate) fn finite(threshold: f64) -> Result<(), EvaluateError> {
    if threshold.is_finite() { Ok(()) } else { Err(EvaluateError::Threshold { threshold }) }
}

#[cfg(test)]
mod tests {
    use super::*;
    use ndarray::array;

    #[test]
    fn events_are_at_or_above_the_threshold_and_missing_cells_do_not_count() {
        let mut table = Contingency::new(0.1).unwrap();
        let forecast = array![[0.1_f32, 0.2, 0.0, 0.0, f32::NAN, 1.0]];
        let observed = array![[0.1_f32, 0.0, 0.3, 0.0, 1.0, f32::NEG_INFINITY]];
        table.add(forecast.view(), observed.view()).unwrap();
        let expected = Counts { hits: 1, false_alarms: 1, misses: 1, correct_negatives: 1 };
        assert_eq!(table.counts(), expected, "0.1f32 is an event at the threshold 0.1");
        assert_eq!(table.coverage(), 4.0 / 6.0);
        assert_eq!((table.counts().csi(), table.counts().hss(), table.counts().ets()), (1.0 / 3.0, 0.0, 0.0));
    }

    #[test]
    fn zero_denominators_are_nan() {
        let none = Counts { correct_negatives: 9, ..Counts::default() };
        for score in
            [none.pod(), none.far(), none.csi(), none.frequency_bias(), none.ets(), none.hss(), none.pss()]
        {
            assert!(score.is_nan());
        }
        assert_eq!((none.pofd(), none.base_rate()), (0.0, 0.0));
        assert!(Counts::default().base_rate().is_nan());
    }

    #[test]
    fn large_counts_do_not_overflow() {
        let counts =
            Counts { hits: 1 << 60, false_alarms: 1 << 60, misses: 1 << 60, correct_negatives: 1 << 60 };
        assert_eq!((counts.ets(), counts.hss(), counts.pss()), (0.0, 0.0, 0.0));
    }

    #[test]
    fn merge_adds_and_refuses_other_thresholds() {
        let mut left = Contingency::new(20.0).unwrap();
        let mut right = left.clone();
        left.add(array![[30.0_f32, 10.0]].view(), array![[30.0_f32, 30.0]].view()).unwrap();
        right.add(array![[30.0_f32]].view(), array![[0.0_f32]].view()).unwrap();
        let (mut forward, mut backward) = (left.clone(), right.clone());
        forward.merge(&right).unwrap();
        backward.merge(&left).unwrap();
        assert_eq!(forward, backward);
        assert_eq!(forward.counts(), Counts { hits: 1, false_alarms: 1, misses: 1, correct_negatives: 0 });
        assert!(left.merge(&Contingency::new(35.0).unwrap()).is_err());
        assert!(Contingency::new(f64::NAN).is_err());
    }
}
