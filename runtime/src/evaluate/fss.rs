//! Fractions skill score (Roberts and Lean 2008, *Mon. Wea. Rev.* 136, eqs. 2 to 7).
//!
//! P is the share of event cells in the n x n box around a cell. FSS = 1 − Σ(Pf−Po)² / (ΣPf² + ΣPo²), pooled over
//! samples by adding the three sums first. Box counts come from summed-area tables, so that the cost does not depend
//! on n, and the sums are exact integers wherever the divisor n² is common to all boxes.

use ndarray::ArrayView2;
use rayon::prelude::*;

use super::contingency::finite;
use super::sum::ExactSum;
use super::{EvaluateError, ratio, same_shape};

/// Rows summed by one task. The sums are exact, so the value does not change any result.
const ROWS: usize = 32;

/// What lies outside the domain and under missing cells.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, PartialOrd, Ord)]
pub enum Padding {
    /// Boxes around every cell; outside the domain and missing cells hold no event; the divisor is always n².
    #[default]
    Zero,
    /// Only boxes that lie wholly in the domain; missing cells hold no event.
    Interior,
    /// Boxes around every valid cell, shares of the *valid* cells in the box: the right choice for radar coverage.
    Masked,
}

/// Event counts of one sample at one threshold, ready for boxes of any width.
#[derive(Debug)]
pub struct EventTables {
    threshold: f64,
    pub(crate) rows: usize,
    pub(crate) columns: usize,
    forecast: Vec<u32>,
    observation: Vec<u32>,
    valid: Vec<u32>,
}

impl EventTables {
    /// Tables of the cells `>= threshold` under the common mask; both fields are (rows, columns).
    ///
    /// # Errors
    /// [`EvaluateError::Shape`], [`EvaluateError::Threshold`] or [`EvaluateError::TooLarge`].
    pub fn new(
        forecast: ArrayView2<'_, f32>,
        observation: ArrayView2<'_, f32>,
        threshold: f64,
    ) -> Result<Self, EvaluateError> {
        same_shape(&forecast, &observation, "observation")?;
        finite(threshold)?;
        if u32::try_from(forecast.len()).is_err() {
            return Err(EvaluateError::TooLarge { cells: forecast.len() });
        }
        let (rows, columns) = forecast.dim();
        let level = threshold as f32;
        let stride = columns + 1;
        let mut tables = Self {
            threshold,
            rows,
            columns,
            forecast: vec![0; (rows + 1) * stride],
            observation: vec![0; (rows + 1) * stride],
            valid: vec![0; (rows + 1) * stride],
        };
        for row in 0..rows {
            let mut sums = [0_u32; 3];
            for column in 0..columns {
                let (f, o) = (forecast[(row, column)], observation[(row, column)]);
                let valid = f.is_finite() && o.is_finite();
                sums[0] += u32::from(valid && f >= level);
                sums[1] += u32::from(valid && o >= level);
                sums[2] += u32::from(valid);
                let (above, here) = (row * stride + column + 1, (row + 1) * stride + column + 1);
                tables.forecast[here] = tables.forecast[above] + sums[0];
                tables.observation[here] = tables.observation[above] + sums[1];
                tables.valid[here] = tables.valid[above] + sums[2];
            }
        }
        Ok(tables)
    }

    /// The threshold, in the units of the fields.
    pub fn threshold(&self) -> f64 {
        self.threshold
    }

    /// (forecast events, observed events, valid cells) of the box of half-width `reach` around a cell, cut to the domain.
    #[inline]
    pub(crate) fn around(&self, row: usize, column: usize, reach: usize) -> (u32, u32, u32) {
        let stride = self.columns + 1;
        let (top, bottom) = (row.saturating_sub(reach), (row + reach + 1).min(self.rows));
        let (left, right) = (column.saturating_sub(reach), (column + reach + 1).min(self.columns));
        let [nw, ne, sw, se] =
            [top * stride + left, top * stride + right, bottom * stride + left, bottom * stride + right];
        // Each intermediate stays a count of cells, hence non-negative.
        let count = |table: &[u32]| (table[se] - table[sw]) - (table[ne] - table[nw]);
        (count(&self.forecast), count(&self.observation), count(&self.valid))
    }

    /// Whether forecast and observation are both present in a cell.
    #[inline]
    pub(crate) fn is_valid(&self, row: usize, column: usize) -> bool {
        self.around(row, column, 0).2 == 1
    }
}

/// The three pooled sums: of squared differences, forecast squares and observed squares.
#[derive(Debug, Clone, PartialEq)]
enum Sums {
    /// Of box *counts* (n² P), exact integers.
    Counts([u128; 3]),
    /// Of shares.
    Shares(Box<[ExactSum; 3]>),
}

/// Fractions skill score at one threshold and box width over many samples.
#[derive(Debug, Clone, PartialEq)]
pub struct Fss {
    threshold: f64,
    width: usize,
    padding: Padding,
    sums: Sums,
    boxes: u64,
    samples: u64,
    valid: u64,
    events: u64,
}

impl Fss {
    /// Nothing added yet: the score is NaN. `width` is in cells and odd; `threshold` in the units of the fields.
    ///
    /// # Errors
    /// [`EvaluateError::EvenWidth`] or [`EvaluateError::Threshold`].
    pub fn new(threshold: f64, width: usize, padding: Padding) -> Result<Self, EvaluateError> {
        odd(width)?;
        finite(threshold)?;
        let sums = match padding {
            Padding::Zero | Padding::Interior => Sums::Counts([0; 3]),
            Padding::Masked => Sums::Shares(Box::default()),
        };
        Ok(Self { threshold, width, padding, sums, boxes: 0, samples: 0, valid: 0, events: 0 })
    }

    /// Adds one sample; both fields are (rows, columns). For several widths build [`EventTables`] once instead.
    ///
    /// # Errors
    /// As [`EventTables::new`].
    pub fn add(
        &mut self,
        forecast: ArrayView2<'_, f32>,
        observation: ArrayView2<'_, f32>,
    ) -> Result<(), EvaluateError> {
        self.add_tables(&EventTables::new(forecast, observation, self.threshold)?)
    }

    /// Adds one sample from its event tables.
    ///
    /// # Errors
    /// [`EvaluateError::Merge`] if the tables are of another threshold.
    pub fn add_tables(&mut self, tables: &EventTables) -> Result<(), EvaluateError> {
        self.same(tables.threshold, self.width, self.padding)?;
        let reach = self.width / 2;
        let (rows, columns) = match self.padding {
            Padding::Zero | Padding::Masked => (0..tables.rows, 0..tables.columns),
            Padding::Interior => {
                (reach..tables.rows.saturating_sub(reach), reach..tables.columns.saturating_sub(reach))
            }
        };
        let bands: Vec<_> =
            rows.clone().step_by(ROWS).map(|start| start..(start + ROWS).min(rows.end)).collect();
        let cells = |band: std::ops::Range<usize>| {
            let columns = columns.clone();
            band.flat_map(move |row| columns.clone().map(move |column| (row, column)))
        };
        match &mut self.sums {
            Sums::Counts(sums) => {
                let added = bands
                    .into_par_iter()
                    .map(|band| {
                        cells(band).fold([0_u128; 3], |mut sums, (row, column)| {
                            let (f, o, _) = tables.around(row, column, reach);
                            let (f, o) = (u64::from(f), u64::from(o));
                            let d = f.abs_diff(o);
                            sums.iter_mut().zip([d, f, o]).for_each(|(sum, x)| *sum += u128::from(x * x));
                            sums
                        })
                    })
                    .reduce(|| [0; 3], |left, right| [0, 1, 2].map(|index| left[index] + right[index]));
                sums.iter_mut().zip(added).for_each(|(sum, term)| *sum += term);
                self.boxes += (rows.len() * columns.len()) as u64;
            }
            Sums::Shares(sums) => {
                let (added, boxes) = bands
                    .into_par_iter()
                    .map(|band| masked_sums(tables, cells(band), reach))
                    .reduce(Default::default, |(mut left, count), (right, other)| {
                        left.iter_mut().zip(right.iter()).for_each(|(sum, term)| sum.merge(term));
                        (left, count + other)
                    });
                sums.iter_mut().zip(added.iter()).for_each(|(sum, term)| sum.merge(term));
                self.boxes += boxes;
            }
        }
        let whole = tables.rows.max(tables.columns);
        let (_, events, valid) =
            if tables.rows * tables.columns == 0 { (0, 0, 0) } else { tables.around(0, 0, whole) };
        self.valid += u64::from(valid);
        self.events += u64::from(events);
        self.samples += 1;
        Ok(())
    }

    /// Adds the sums of other samples with the same threshold, width and padding.
    ///
    /// # Errors
    /// [`EvaluateError::Merge`] if any of the three differs.
    pub fn merge(&mut self, other: &Self) -> Result<(), EvaluateError> {
        self.same(other.threshold, other.width, other.padding)?;
        match (&mut self.sums, &other.sums) {
            (Sums::Counts(sums), Sums::Counts(terms)) => {
                sums.iter_mut().zip(terms).for_each(|(sum, term)| *sum += term);
            }
            (Sums::Shares(sums), Sums::Shares(terms)) => {
                sums.iter_mut().zip(terms.iter()).for_each(|(sum, term)| sum.merge(term));
            }
            // `same` compared the padding, which decides the kind of sums.
            (Sums::Counts(_), Sums::Shares(_)) | (Sums::Shares(_), Sums::Counts(_)) => {}
        }
        self.boxes += other.boxes;
        self.samples += other.samples;
        self.valid += other.valid;
        self.events += other.events;
        Ok(())
    }

    /// The score, 0 to 1; NaN if no box of either field holds an event.
    pub fn fss(&self) -> f64 {
        let [d, f, o] = self.sums();
        1.0 - ratio(d, f + o)
    }

    /// Σ(Pf−Po)², ΣPf² and ΣPo².
    pub fn sums(&self) -> [f64; 3] {
        match &self.sums {
            Sums::Counts(sums) => {
                let divisor = (self.width as f64).powi(4);
                sums.map(|sum| sum as f64 / divisor)
            }
            Sums::Shares(sums) => [0, 1, 2].map(|index: usize| sums[index].value()),
        }
    }

    /// The line of useful skill, 0.5 + s/2 with the observed base rate s (Roberts and Lean 2008, section 2d).
    pub fn useful(&self) -> f64 {
        0.5 + ratio(self.events as f64, self.valid as f64) / 2.0
    }

    /// Box width in cells.
    pub fn width(&self) -> usize {
        self.width
    }

    /// Boxes compared.
    pub fn boxes(&self) -> u64 {
        self.boxes
    }

    /// Samples added.
    pub fn samples(&self) -> u64 {
        self.samples
    }

    fn same(&self, threshold: f64, width: usize, padding: Padding) -> Result<(), EvaluateError> {
        if (self.threshold, self.width, self.padding) == (threshold, width, padding) {
            return Ok(());
        }
        let name =
            |threshold, width, padding| format!("threshold {threshold}, width {width}, {padding:?} padding");
        Err(EvaluateError::Merge {
            left: name(self.threshold, self.width, self.padding),
            right: name(threshold, width, padding),
        })
    }
}

/// Sums of shares of valid cells over the boxes with a valid centre, and the number of those boxes.
fn masked_sums(
    tables: &EventTables,
    cells: impl Iterator<Item = (usize, usize)>,
    reach: usize,
) -> (Box<[ExactSum; 3]>, u64) {
    let (mut sums, mut boxes) = (Box::<[ExactSum; 3]>::default(), 0);
    for (row, column) in cells.filter(|(row, column)| tables.is_valid(*row, *column)) {
        let (f, o, valid) = tables.around(row, column, reach);
        let divisor = f64::from(valid) * f64::from(valid);
        let d = f.abs_diff(o);
        sums.iter_mut().zip([d, f, o]).for_each(|(sum, x)| sum.add(f64::from(x) * f64::from(x) / divisor));
        boxes += 1;
    }
    (sums, boxes)
}

/// Fails for an even width, and for 0.
pub(crate) fn odd(width: usize) -> Result<(), EvaluateError> {
    if width % 2 == 1 { Ok(()) } else { Err(EvaluateError::EvenWidth { width }) }
}

#[cfg(test)]
mod tests {
    use super::*;
    use ndarray::{Array2, s};

    fn field(seed: u32, rows: usize, columns: usize) -> Array2<f32> {
        let mut state = seed;
        Array2::from_shape_fn((rows, columns), |_| {
            state = state.wrapping_mul(1_664_525).wrapping_add(1_013_904_223);
            if state >> 28 == 3 { f32::NAN } else { (state >> 24) as f32 }
        })
    }

    fn scored(seeds: &[u32], width: usize, padding: Padding) -> Fss {
        let mut fss = Fss::new(180.0, width, padding).unwrap();
        for seed in seeds {
            fss.add(field(*seed, 41, 29).view(), field(seed + 50, 41, 29).view()).unwrap();
        }
        fss
    }

    /// Straight from the definition: loops over every box.
    fn slow(forecast: &Array2<f32>, observation: &Array2<f32>, width: isize, padding: Padding) -> f64 {
        let (rows, columns) = (forecast.nrows() as isize, forecast.ncols() as isize);
        let valid = |i: isize, j: isize| {
            let at = (i as usize, j as usize);
            forecast[at].is_finite() && observation[at].is_finite()
        };
        let (mut d, mut total) = (0.0, 0.0);
        for i in 0..rows {
            for j in 0..columns {
                let (mut f, mut o, mut n, mut inside) = (0.0, 0.0, 0.0, true);
                for y in i - width / 2..=i + width / 2 {
                    for x in j - width / 2..=j + width / 2 {
                        if y < 0 || x < 0 || y >= rows || x >= columns {
                            inside = false;
                        } else if valid(y, x) {
                            n += 1.0;
                            f += f64::from(forecast[(y as usize, x as usize)] >= 180.0);
                            o += f64::from(observation[(y as usize, x as usize)] >= 180.0);
                        }
                    }
                }
                let divisor = match padding {
                    Padding::Zero => (width * width) as f64,
                    Padding::Interior if inside => (width * width) as f64,
                    Padding::Masked if valid(i, j) => n,
                    Padding::Interior | Padding::Masked => continue,
                };
                let (f, o): (f64, f64) = (f / divisor, o / divisor);
                d += (f - o).powi(2);
                total += f * f + o * o;
            }
        }
        1.0 - d / total
    }

    #[test]
    fn agrees_with_the_definition() {
        let (f, o) = (field(3, 13, 17), field(4, 13, 17));
        for padding in [Padding::Zero, Padding::Interior, Padding::Masked] {
            for width in [1, 3, 7, 13] {
                let mut fss = Fss::new(180.0, width, padding).unwrap();
                fss.add(f.view(), o.view()).unwrap();
                let expected = slow(&f, &o, width as isize, padding);
                assert!((fss.fss() - expected).abs() < 1e-12, "{padding:?} {width}");
            }
        }
    }

    #[test]
    fn flips_and_transposes_change_nothing() {
        let (f, o) = (field(1, 20, 31), field(2, 20, 31));
        for padding in [Padding::Zero, Padding::Interior, Padding::Masked] {
            let score = |f: ArrayView2<'_, f32>, o: ArrayView2<'_, f32>| {
                let mut fss = Fss::new(180.0, 5, padding).unwrap();
                fss.add(f, o).unwrap();
                fss.fss().to_bits()
            };
            let expected = score(f.view(), o.view());
            assert_eq!(score(f.t(), o.t()), expected);
            assert_eq!(score(f.slice(s![..;-1, ..]), o.slice(s![..;-1, ..])), expected);
            assert_eq!(score(f.slice(s![.., ..;-1]), o.slice(s![.., ..;-1])), expected);
        }
    }

    #[test]
    fn merge_and_threads_do_not_matter() {
        for padding in [Padding::Zero, Padding::Interior, Padding::Masked] {
            let mut merged = scored(&[3], 9, padding);
            merged.merge(&scored(&[2, 1], 9, padding)).unwrap();
            assert_eq!(merged, scored(&[1, 2, 3], 9, padding));
            let pool = rayon::ThreadPoolBuilder::new().num_threads(5).build().unwrap();
            let many = pool.install(|| scored(&[1, 2, 3], 9, padding));
            assert_eq!(many.fss().to_bits(), merged.fss().to_bits());
        }
    }

    #[test]
    fn no_event_is_nan_and_bad_requests_are_refused() {
        let calm = Array2::<f32>::zeros((9, 9));
        let mut fss = Fss::new(20.0, 3, Padding::Zero).unwrap();
        fss.add(calm.view(), calm.view()).unwrap();
        assert!(fss.fss().is_nan());
        assert!(Fss::new(20.0, 4, Padding::Zero).unwrap_err().to_string().contains("5"));
        assert!(Fss::new(20.0, 0, Padding::Zero).is_err());
        assert!(Fss::new(f64::INFINITY, 3, Padding::Zero).is_err());
        assert!(fss.merge(&Fss::new(20.0, 5, Padding::Zero).unwrap()).is_err());
        let empty = Array2::<f32>::zeros((0, 0));
        fss.add(empty.view(), empty.view()).unwrap();
        let mut wide = Fss::new(20.0, 33, Padding::Interior).unwrap();
        wide.add(calm.view(), calm.view()).unwrap();
        assert_eq!(wide.boxes(), 0);
    }
}
