//! Samples that are drawn more often than they occur, and by how much.
//!
//! For each time the store is asked once where a condition holds; kept is which blocks of [`LATTICE`] by [`LATTICE`] points
//! have such a point. A condition favours a sample if the sample's window touches such a block at its first target (at its
//! newest input, if it has no targets).
//!
//! Of the samples drawn, each condition's share comes from those that it favours, evenly, and the rest from those that none
//! favours, evenly. Where conditions overlap a sample is drawn for each that favours it: of n samples, of which condition k
//! favours n_k, it is drawn with probability Σ s_k / n_k over these. The correction of a sample is how often it would have been
//! drawn evenly from all, 1 / n, over how often it is.

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

/// The samples that one condition favours, and the share of all drawn that is to come from them.
#[derive(Debug)]
pub struct Held {
    /// The condition, for people.
    written: String,
    share: f64,
    /// For each time of the samples, the favoured places, ascending.
    places: Vec<Vec<u32>>,
    /// Favoured samples up to and with each time.
    upto: Vec<u64>,
    /// Of all samples, the part that is favoured.
    occurrence: f64,
}

impl Held {
    /// Of the samples of a split, those that touch a block of their first target. `blocks` gives those of a time of the
    /// store, `windows` are the places of tiles in points of the samples, of which `factor` fit into one; `share` is above 0.
    ///
    /// # Errors
    /// Those of `blocks`.
    pub fn new(
        (written, share): (&str, f64),
        samples: &[Steps],
        windows: &[Window],
        factor: usize,
        mut blocks: impl FnMut(usize) -> Result<Blocks, DataError>,
    ) -> Result<Self, DataError> {
        let mut places = Vec::with_capacity(samples.len());
        for sample in samples {
            let time = sample.targets.first().or(sample.inputs.last()).copied().unwrap_or_default();
            let blocks = blocks(time)?;
            let held = |place: &u32| blocks.touched(windows[*place as usize].finer(factor));
            places.push((0..windows.len() as u32).filter(held).collect::<Vec<u32>>());
        }
        let upto = summed(places.iter().map(Vec::len));
        let occurrence = total(&upto) as f64 / (samples.len() * windows.len()).max(1) as f64;
        Ok(Self { written: written.to_string(), share, places, upto, occurrence })
    }

    /// The part of all samples that is favoured.
    #[must_use]
    pub fn occurrence(&self) -> f64 {
        self.occurrence
    }

    fn has(&self, time: usize, place: u32) -> bool {
        self.places[time].binary_search(&place).is_ok()
    }

    fn check(&self) -> Result<(), DataError> {
        let what = match total(&self.upto) {
            0 => "no sample",
            _ if self.occurrence == 1.0 && self.share < 1.0 => "every sample",
            _ => return Ok(()),
        };
        Err(DataError::Plan(format!(
            "`favour {}`: the condition holds in {what} of the split, so they cannot be {} % of those drawn",
            self.written,
            (1e6 * self.share).round() / 1e4
        )))
    }
}

/// Which samples are favoured, by one condition or several.
#[derive(Debug)]
pub(super) struct Favoured {
    held: Vec<Held>,
    /// Shares, added up; 1 at the end if they leave nothing but rounding.
    shares: Vec<f64>,
    /// Samples that none favours up to and with each time.
    others: Vec<u64>,
    /// Places of each time.
    places: usize,
}

impl Favoured {
    /// Of times with so many places each; of at least one condition.
    ///
    /// # Errors
    /// A condition that favours no sample, or every one; conditions that leave none for the rest of those drawn.
    pub(super) fn new(held: Vec<Held>, times: usize, places: usize) -> Result<Self, DataError> {
        held.iter().try_for_each(Held::check)?;
        let mut shares: Vec<f64> = held
            .iter()
            .scan(0.0, |sum, held| {
                *sum += held.share;
                Some(*sum)
            })
            .collect();
        if let Some(last) = shares.last_mut().filter(|last| **last > 1.0 - 1e-9) {
            *last = 1.0;
        }
        let mut this = Self { held, shares, others: Vec::new(), places };
        this.others = summed((0..times).map(|time| places - this.favoured(time).len()));
        if total(&this.others) == 0 && this.rest() > 0.0 {
            return Err(DataError::Plan(format!(
                "`favour`: one condition or another holds in every sample of the split, so none is left for the other {:.0} % of \
                 those drawn; let the shares add up to 100 %",
                100.0 * this.rest()
            )));
        }
        Ok(this)
    }

    /// Draws the time, the place and the correction of a sample.
    pub(super) fn drawn(&self, draw: &mut Draw) -> (usize, usize, f64) {
        let chance = draw.unit();
        if let Some(held) = self.held.get(self.shares.partition_point(|upto| *upto <= chance)) {
            let (time, rank) = ranked(&held.upto, draw);
            let place = held.places[time][rank as usize];
            return (time, place as usize, self.correction(time, place));
        }
        let (time, rank) = ranked(&self.others, draw);
        let mut place = rank as u32;
        for favoured in self.favoured(time) {
            if favoured <= place {
                place += 1;
            }
        }
        let place = place.min(self.places as u32 - 1);
        (time, place as usize, self.correction(time, place))
    }

    /// How often a sample would be drawn evenly from all over how often it is. Of a condition alone that is its occurrence
    /// over its share; where several favour a sample their probabilities add up, so that these add up as reciprocals.
    fn correction(&self, time: usize, place: u32) -> f64 {
        let favouring = self.held.iter().filter(|held| held.has(time, place));
        let alone = favouring.map(|held| held.occurrence / held.share);
        alone.reduce(|one, other| one * other / (one + other)).unwrap_or_else(|| {
            let all = (self.others.len() * self.places).max(1) as f64;
            let favoured = self.others.len() * self.places - total(&self.others) as usize;
            (1.0 - favoured as f64 / all) / self.rest()
        })
    }

    /// What is left of all drawn for those that no condition favours.
    fn rest(&self) -> f64 {
        1.0 - self.shares.last().copied().unwrap_or(0.0)
    }

    /// The places of a time that one condition or another favours, ascending.
    fn favoured(&self, time: usize) -> Vec<u32> {
        let mut places: Vec<u32> = self.held.iter().flat_map(|held| &held.places[time]).copied().collect();
        places.sort();
        places.dedup();
        places
    }
}

/// Counts, each added to all before it.
fn summed(counts: impl Iterator<Item = usize>) -> Vec<u64> {
    let add = |sum: &mut u64, count| {
        *sum += count as u64;
        Some(*sum)
    };
    counts.scan(0, add).collect()
}

fn total(sums: &[u64]) -> u64 {
    sums.last().copied().unwrap_or(0)
}

/// Draws one of all that are summed up, and gives the sum that reaches it and its place after the sum before.
fn ranked(sums: &[u64], draw: &mut Draw) -> (usize, u64) {
    let rank = draw.below(total(sums) as usize) as u64;
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

    /// A condition's name, its share, and at which times and places it holds.
    type Asked<'a> = (&'a str, f64, &'a dyn Fn(usize, usize) -> bool);

    /// Of 40 times with ten places each.
    fn of(conditions: &[Asked<'_>]) -> Favoured {
        let samples = steps(40);
        let windows: Vec<Window> =
            (0..10).map(|k| Window { row: 0, column: 16 * k, height: 16, width: 16 }).collect();
        let held = conditions.iter().map(|(written, share, holds)| {
            let blocks = |time: usize| {
                let plane = Array2::from_shape_fn((16, 160), |(row, column)| {
                    f32::from(u8::from((row, column % 16) == (5, 3) && holds(time, column / 16)))
                });
                Ok(Blocks::of(&plane))
            };
            Held::new((written, *share), &samples, &windows, 1, blocks).unwrap()
        });
        Favoured::new(held.collect(), 40, 10).unwrap()
    }

    /// One sample in eighty.
    fn rare(time: usize, place: usize) -> bool {
        time.is_multiple_of(8) && place == time / 8
    }

    /// Those and as many again.
    fn rather_rare(time: usize, place: usize) -> bool {
        time.is_multiple_of(4) && place == time / 8
    }

    fn early(time: usize, _: usize) -> bool {
        time < 10
    }

    /// The share that was asked for comes out, every favoured sample as often as another, and the corrections undo it.
    #[test]
    fn shares_and_corrections_add_up() {
        let favoured = of(&[("rare", 0.7, &rare)]);
        assert_eq!(favoured.held[0].occurrence(), 5.0 / 400.0);
        let (mut hits, mut corrected, mut counts, mut others) = (0, 0.0, [0; 5], vec![0; 400]);
        let total = 40_000;
        for index in 0..total {
            let (time, place, correction) = favoured.drawn(&mut Draw::new(b"tile    ", 3, 0, index));
            if rare(time, place) {
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
            let apart = (f64::from(*count) - mean).abs() < 5.0 * mean.sqrt();
            assert!(rare(index / 10, index % 10) || apart, "{index}: {count}, {mean}");
        }
        assert!((corrected / total as f64 - 5.0 / 400.0).abs() < 2e-4);
    }

    /// How often each sample is drawn, by the definition: Σ s_k / n_k over the conditions that hold, else the rest evenly.
    fn probabilities(conditions: &[Asked<'_>]) -> Vec<f64> {
        let all = || (0..40).flat_map(|time| (0..10).map(move |place| (time, place)));
        let count =
            |holds: &dyn Fn(usize, usize) -> bool| all().filter(|at| holds(at.0, at.1)).count() as f64;
        let none = |time, place| !conditions.iter().any(|(_, _, holds)| holds(time, place));
        let rest = 1.0 - conditions.iter().map(|(_, share, _)| share).sum::<f64>();
        all()
            .map(|(time, place)| {
                let held = conditions.iter().filter(|(_, _, holds)| holds(time, place));
                let sum: f64 = held.map(|(_, share, holds)| share / count(*holds)).sum();
                if none(time, place) { rest / count(&none) } else { sum }
            })
            .collect()
    }

    /// Conditions that lie within one another and across: every sample comes as often as the definition says.
    #[test]
    fn several_conditions_have_their_shares() {
        let conditions: [Asked<'_>; 3] =
            [("rather", 0.4, &rather_rare), ("rare", 0.1, &rare), ("early", 0.2, &early)];
        let favoured = of(&conditions);
        let expected = probabilities(&conditions);
        assert!((expected.iter().sum::<f64>() - 1.0).abs() < 1e-12);
        let (total, mut counts) = (40_000, vec![0; 400]);
        for index in 0..total {
            let (time, place, _) = favoured.drawn(&mut Draw::new(b"tile    ", 4, 1, index));
            counts[10 * time + place] += 1;
        }
        let near = |count: usize, chance: f64, deviations: f64| {
            let (mean, variance) = (chance * total as f64, chance * (1.0 - chance) * total as f64);
            (count as f64 - mean).abs() < deviations * variance.sqrt()
        };
        // Five standard deviations of each of 400 binomial counts, four of those of a condition.
        for (index, (count, chance)) in counts.iter().zip(&expected).enumerate() {
            assert!(near(*count, *chance, 5.0), "{index}: {count} of {}", chance * total as f64);
        }
        for (name, share, holds) in &conditions {
            let (mut count, mut chance) = (0, 0.0);
            for index in (0..400).filter(|index| holds(index / 10, index % 10)) {
                count += counts[index];
                chance += expected[index];
            }
            assert!(near(count, chance, 4.0) && chance >= *share, "{name}: {count}, {chance}");
        }
    }

    /// Weighted by its correction, whatever is averaged over samples has the mean over all of them: the sum over all samples of
    /// probability × correction × value, to rounding.
    #[test]
    fn corrections_undo_the_choice() {
        let across: [Asked<'_>; 3] =
            [("rather", 0.4, &rather_rare), ("rare", 0.1, &rare), ("early", 0.2, &early)];
        // Nothing left but rounding: 0.7 + 0.2 + 0.1 < 1 in binary.
        let late = |time: usize, _: usize| time >= 5;
        let full: [Asked<'_>; 3] = [("late", 0.7, &late), ("early", 0.2, &early), ("rare", 0.1, &rare)];
        for conditions in [&across[..], &across[..2], &across[2..], &full[..]] {
            let favoured = of(conditions);
            let value = |time: usize, place: usize| (time as f64).sqrt() - 0.3 * place as f64;
            let (mut mean, mut weighted, mut weights) = (0.0, 0.0, 0.0);
            for (index, chance) in probabilities(conditions).into_iter().enumerate() {
                let (time, place) = (index / 10, index % 10);
                let correction = favoured.correction(time, place as u32);
                mean += value(time, place) / 400.0;
                weights += chance * correction;
                weighted += chance * correction * value(time, place);
            }
            assert!((weights - 1.0).abs() < 1e-12 && (weighted - mean).abs() < 1e-12, "{weights} {weighted}");
            for index in 0..2000 {
                let (time, place, correction) = favoured.drawn(&mut Draw::new(b"tile    ", 8, 0, index));
                assert_eq!(correction, favoured.correction(time, place as u32));
            }
        }
    }

    /// One condition draws as it is written down for one: a chance against the share, then a rank among the favoured or the
    /// others; the same numbers to the last bit.
    #[test]
    fn one_condition_is_drawn_as_ever() {
        for (share, holds) in [(0.7, rare as fn(usize, usize) -> bool), (0.33, early), (1.0, rather_rare)] {
            let favoured = of(&[("", share, &holds)]);
            let all = || (0..40).flat_map(|time| (0..10).map(move |place| (time, place)));
            let (held, others): (Vec<_>, Vec<_>) = all().partition(|(time, place)| holds(*time, *place));
            let occurrence = held.len() as f64 / 400.0;
            for index in 0..2000 {
                let mut draw = Draw::new(b"tile    ", 6, 2, index);
                let expected = if draw.unit() < share {
                    (held[draw.below(held.len())], occurrence / share)
                } else {
                    (others[draw.below(others.len())], (1.0 - occurrence) / (1.0 - share))
                };
                let (time, place, correction) = favoured.drawn(&mut Draw::new(b"tile    ", 6, 2, index));
                assert_eq!(((time, place), correction), expected);
            }
        }
    }

    #[test]
    fn nothing_to_favour_is_said() {
        let samples = steps(4);
        let windows = [Window::whole((16, 16))];
        let held = |share: f64, holds: &dyn Fn(usize) -> bool| {
            let blocks =
                |time| Ok(Blocks::of(&Array2::from_elem((16, 16), f32::from(u8::from(holds(time))))));
            Held::new(("truth(refc) >= 35 dBZ", share), &samples, &windows, 1, blocks).unwrap()
        };
        let refused = |held| Favoured::new(held, 4, 1).unwrap_err().to_string();
        let even = |time: usize| time.is_multiple_of(2);
        for (value, what) in [(false, "no sample"), (true, "every sample")] {
            let said = refused(vec![held(0.5, &|_| value)]);
            assert!(said.contains(what) && said.contains("`favour truth(refc) >= 35 dBZ`"), "{said}");
            // Beside another, too.
            assert_eq!(refused(vec![held(0.2, &even), held(0.5, &|_| value)]), said);
        }
        let said = refused(vec![held(0.5, &even), held(0.3, &|time| !even(time))]);
        assert!(said.contains("the other 20 %"), "{said}");
        assert!(Favoured::new(vec![held(0.5, &even), held(0.5, &|time| !even(time))], 4, 1).is_ok());
    }
}
