//! Samples that are drawn more often than they occur, and by how much.
//!
//! For each time the store is asked once where a condition holds; kept is which blocks of [`LATTICE`] by [`LATTICE`] points
//! have such a point. A sample is favoured if its window touches such a block at its first target (at its newest input, if
//! it has no targets). Of the samples drawn, the share that is asked for comes from the favoured ones, evenly, the rest from
//! the others; the correction of a sample is how often it would have been drawn evenly from all, over how often it is.

use std::sync::Arc;

use aurora_compiler::kernel::ir::Module;
use aurora_compiler::plan::data::{DerivedPlan, SupportPlan};
use aurora_compiler::plan::training::Condition;
use bitvec::vec::BitVec;
use ndarray::{Array2, Array3};

use super::{LATTICE, Steps, Window};
use crate::data::archive::DataError;
use crate::data::kernels::Kernels;
use crate::data::prepare::Deriver;
use crate::data::store::Store;
use crate::data::synthetic::draw::Draw;

/// Where on the grid a condition holds at one time, by blocks.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Blocks {
    columns: usize,
    held: BitVec,
}

impl Blocks {
    /// Of a plane of which the points that are not 0 count.
    #[must_use]
    pub fn of(plane: &Array2<f32>) -> Self {
        let (rows, width) = plane.dim();
        let columns = width.div_ceil(LATTICE);
        let mut held = BitVec::repeat(false, rows.div_ceil(LATTICE) * columns);
        for ((row, column), value) in plane.indexed_iter() {
            if *value != 0.0 && !value.is_nan() {
                held.set(row / LATTICE * columns + column / LATTICE, true);
            }
        }
        Self { columns, held }
    }

    /// Whether a window, in points of the plane, touches a block where it holds.
    #[must_use]
    pub fn touched(&self, window: Window) -> bool {
        let rows = window.row / LATTICE..(window.row + window.height).div_ceil(LATTICE);
        let columns = window.column / LATTICE..(window.column + window.width).div_ceil(LATTICE);
        rows.into_iter().any(|row| {
            let line = row * self.columns;
            self.held.get(line + columns.start..line + columns.end).is_some_and(|held| held.any())
        })
    }
}

/// A condition on the true values of a time, as a kernel.
#[derive(Debug)]
pub struct Truth {
    kernels: Kernels,
    plan: DerivedPlan,
}

impl Truth {
    /// The condition that a recipe writes, from its kernel.
    ///
    /// # Errors
    /// A kernel that is missing or that this machine cannot run.
    pub fn new(module: &Module, condition: &Condition) -> Result<Self, DataError> {
        let plan = DerivedPlan {
            name: condition.kernel.clone(),
            kernel: condition.kernel.clone(),
            inputs: condition.inputs.clone(),
            quantity: String::new(),
            units: "1".into(),
            support: SupportPlan::Surface,
            range: (None, None),
            kept: false,
        };
        Ok(Self { kernels: Kernels::new(module, std::slice::from_ref(&plan))?, plan })
    }

    /// Where it holds at a time of the store, on any level.
    ///
    /// # Errors
    /// A field that the store lacks or that cannot be read.
    pub fn blocks(&self, store: &Store, time: usize) -> Result<Blocks, DataError> {
        let read = |name: &String| Ok((name.clone(), store.read(name, time)?));
        let arrays: Vec<(String, Array3<f32>)> =
            self.plan.inputs.iter().map(read).collect::<Result<_, DataError>>()?;
        let fields = arrays.iter().map(|(name, array)| (name.clone(), array.view())).collect();
        let held = self.kernels.derive(&[&self.plan], &fields)?;
        let held = held.get(&self.plan.name).map(|held| {
            held.fold_axis(ndarray::Axis(0), 0.0, |any: &f32, here| if *here == 1.0 { 1.0 } else { *any })
        });
        held.as_ref().map(Blocks::of).ok_or_else(|| DataError::Derive {
            field: self.plan.name.clone(),
            reason: "it was not computed".into(),
        })
    }
}

/// Which samples are favoured, and how many of all drawn are to be.
#[derive(Clone, Debug)]
pub struct Favoured {
    share: f64,
    /// For each time of the samples, the favoured places, ascending.
    places: Arc<Vec<Vec<u32>>>,
    /// Favoured samples up to and with each time, and the others.
    upto: Arc<Vec<u64>>,
    others: Arc<Vec<u64>>,
}

impl Favoured {
    /// Of the samples of a split, those favoured that touch a block of their first target. `blocks` gives those of a time of
    /// the store, `windows` are the places of tiles in points of the samples, of which `factor` fit into one.
    ///
    /// # Errors
    /// Those of `blocks`.
    pub fn new(
        samples: &[Steps],
        windows: &[Window],
        factor: usize,
        share: f64,
        mut blocks: impl FnMut(usize) -> Result<Blocks, DataError>,
    ) -> Result<Self, DataError> {
        let mut places = Vec::with_capacity(samples.len());
        for sample in samples {
            let time = sample.targets.first().or(sample.inputs.last()).copied().unwrap_or_default();
            let blocks = blocks(time)?;
            let held = |place: &u32| blocks.touched(windows[*place as usize].finer(factor));
            places.push((0..windows.len() as u32).filter(held).collect::<Vec<u32>>());
        }
        let sums = |of: &dyn Fn(usize) -> usize| {
            let counts = places.iter().scan(0, |sum, places| {
                *sum += of(places.len()) as u64;
                Some(*sum)
            });
            Arc::new(counts.collect::<Vec<u64>>())
        };
        let (upto, others) = (sums(&|count| count), sums(&|count| windows.len() - count));
        Ok(Self { share, places: Arc::new(places), upto, others })
    }

    /// The share of all samples that are favoured.
    #[must_use]
    pub fn occurrence(&self, places: usize) -> f64 {
        self.count() as f64 / (self.places.len() * places).max(1) as f64
    }

    fn count(&self) -> u64 {
        self.upto.last().copied().unwrap_or(0)
    }

    pub(super) fn check(&self, samples: &[Steps], places: usize) -> Result<(), DataError> {
        let all = (samples.len() * places) as u64;
        let what = match self.count() {
            0 if self.share > 0.0 => "no sample",
            count if count == all && self.share < 1.0 => "every sample",
            _ => return Ok(()),
        };
        Err(DataError::Plan(format!(
            "`favour`: its condition holds in {what} of the split, so they cannot be {} % of those drawn",
            100.0 * self.share
        )))
    }

    /// Draws the time, the place and the correction of a sample: of the favoured ones each as often as another, and so of the
    /// others.
    pub(super) fn drawn(&self, places: usize, draw: &mut Draw) -> (usize, usize, f64) {
        let occurrence = self.occurrence(places);
        if draw.unit() < self.share {
            let (time, rank) = ranked(&self.upto, draw);
            let place = self.places[time][rank as usize];
            return (time, place as usize, occurrence / self.share);
        }
        let (time, rank) = ranked(&self.others, draw);
        let mut place = rank as u32;
        for favoured in &self.places[time] {
            if *favoured <= place {
                place += 1;
            }
        }
        (time, (place as usize).min(places - 1), (1.0 - occurrence) / (1.0 - self.share))
    }
}

/// Draws one of all that are summed up, and gives the sum that reaches it and its place after the sum before.
fn ranked(sums: &[u64], draw: &mut Draw) -> (usize, u64) {
    let all = sums.last().copied().unwrap_or(0);
    let rank = draw.below(all as usize) as u64;
    let number = sums.partition_point(|sum| *sum <= rank);
    (number, rank - number.checked_sub(1).map_or(0, |before| sums[before]))
}

#[cfg(test)]
mod tests {
    use jiff::Timestamp;

    use super::*;

    fn steps(count: usize) -> Vec<Steps> {
        (0..count).map(|k| Steps { time: Timestamp::UNIX_EPOCH, inputs: vec![k], targets: vec![k] }).collect()
    }

    #[test]
    fn blocks_are_touched_where_the_condition_holds() {
        let mut plane = Array2::zeros((40, 50));
        plane[(20, 33)] = 1.0;
        plane[(3, 3)] = f32::NAN;
        let blocks = Blocks::of(&plane);
        let window = |row, column| Window { row, column, height: 16, width: 16 };
        assert!(blocks.touched(window(16, 32)));
        assert!(!blocks.touched(window(0, 0)) && !blocks.touched(window(16, 16)));
        assert!(blocks.touched(Window::whole((40, 50))));
    }

    /// The share that was asked for comes out, every favoured sample as often as another, and the corrections undo it.
    #[test]
    fn shares_and_corrections_add_up() {
        let samples = steps(40);
        let windows: Vec<Window> =
            (0..10).map(|k| Window { row: 0, column: 16 * k, height: 16, width: 16 }).collect();
        let blocks = |time: usize| {
            let mut plane = Array2::zeros((16, 160));
            if time.is_multiple_of(8) {
                plane[(5, 16 * (time / 8) + 3)] = 1.0;
            }
            Ok(Blocks::of(&plane))
        };
        let favoured = Favoured::new(&samples, &windows, 1, 0.7, blocks).unwrap();
        favoured.check(&samples, 10).unwrap();
        assert_eq!(favoured.occurrence(10), 5.0 / 400.0);
        let (mut hits, mut corrected, mut counts, mut others) = (0, 0.0, [0; 5], vec![0; 400]);
        let total = 40_000;
        for index in 0..total {
            let mut draw = Draw::new(b"tile    ", 3, 0, index);
            let (time, place, correction) = favoured.drawn(10, &mut draw);
            let hit = time.is_multiple_of(8) && place == time / 8;
            if hit {
                hits += 1;
                counts[time / 8] += 1;
                corrected += correction;
            } else {
                others[time * 10 + place] += 1;
            }
        }
        // Four standard deviations of a binomial count.
        assert!((f64::from(hits) / total as f64 - 0.7).abs() < 4.0 * (0.21 / total as f64).sqrt());
        assert!(
            counts.iter().all(|count| (f64::from(*count) / f64::from(hits) - 0.2).abs() < 0.01),
            "{counts:?}"
        );
        // Of the others, too, each as often as another: 30 times, five standard deviations.
        let mean = f64::from(total as u32 - hits) / 395.0;
        for (index, count) in others.iter().enumerate() {
            let favoured = index / 10 % 8 == 0 && index % 10 == index / 80;
            assert!(
                favoured || (f64::from(*count) - mean).abs() < 5.0 * mean.sqrt(),
                "{index}: {count}, {mean}"
            );
        }
        assert!((corrected / total as f64 - 5.0 / 400.0).abs() < 2e-4);
    }

    #[test]
    fn nothing_to_favour_is_said() {
        let samples = steps(3);
        let windows = [Window::whole((16, 16))];
        for (value, what) in [(0.0, "no sample"), (1.0, "every sample")] {
            let blocks = |_: usize| Ok(Blocks::of(&Array2::from_elem((16, 16), value)));
            let favoured = Favoured::new(&samples, &windows, 1, 0.5, blocks).unwrap();
            assert!(favoured.check(&samples, 1).unwrap_err().to_string().contains(what));
        }
    }
}
