//! The cases, what is measured of each, and the table of medians.

use std::collections::BTreeMap;
use std::fmt;

/// What is done on a grid.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Case {
    /// Its place in the table.
    order: usize,
    pub work: &'static str,
    pub height: usize,
    pub width: usize,
    pub levels: usize,
}

pub const FORWARD: &str = "forward";
pub const TRAINING: &str = "training";
pub const RECOMPUTED: &str = "recomputed";
pub const ADAMW: &str = "adamw";
/// AdamW after clipping by the norm of the whole gradient.
pub const CLIPPED: &str = "clipped";

impl Case {
    pub fn all() -> Vec<Case> {
        let mut cases = Vec::new();
        for work in [FORWARD, TRAINING, RECOMPUTED] {
            for (height, width) in [(64, 128), (128, 256)] {
                for levels in [4, 13] {
                    cases.push(Case { order: cases.len(), work, height, width, levels });
                }
            }
        }
        for work in [ADAMW, CLIPPED] {
            cases.push(Case { order: cases.len(), work, height: 64, width: 128, levels: 4 });
        }
        cases
    }

    pub fn name(&self) -> String {
        format!("{} {}x{}x{}", self.work, self.height, self.width, self.levels)
    }

    pub fn arguments(&self) -> [String; 4] {
        [self.work.to_string(), self.height.to_string(), self.width.to_string(), self.levels.to_string()]
    }

    fn spoken(&self) -> &'static str {
        match self.work {
            FORWARD => "forward, no gradient",
            TRAINING => "forward and backward",
            RECOMPUTED => "forward and backward, blocks computed again",
            CLIPPED => "clipping by the norm and AdamW, one step",
            _ => "AdamW, one step",
        }
    }

    fn grid(&self) -> String {
        match self.work {
            ADAMW | CLIPPED => "112.8 M numbers".to_string(),
            _ => format!("{}×{}, {} levels", self.height, self.width, self.levels),
        }
    }
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Side {
    Here,
    There,
}

/// Of one process: seconds of a pass by the clock and of all processors, bytes at the peak.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Measured {
    pub wall: f64,
    pub processor: f64,
    pub peak: f64,
}

impl Measured {
    /// From the line `measured WALL PROCESSOR PEAK` that a process ends with.
    pub fn read(line: &str) -> Option<Measured> {
        let numbers: Vec<f64> = line.split(' ').skip(1).filter_map(|word| word.parse().ok()).collect();
        let &[wall, processor, peak] = numbers.as_slice() else { return None };
        Some(Measured { wall, processor, peak })
    }
}

impl fmt::Display for Measured {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Measured { wall, processor, peak } = self;
        write!(f, "{wall:.3} s, {processor:.3} s of processors, {:.0} MB", peak / 1e6)
    }
}

#[derive(Debug, Default)]
pub struct Table(BTreeMap<(Case, Side), Vec<Measured>>);

impl Table {
    pub fn add(&mut self, case: &Case, side: Side, measured: Measured) {
        self.0.entry((case.clone(), side)).or_default().push(measured);
    }

    fn medians(&self, case: &Case, side: Side) -> Option<Measured> {
        let list = self.0.get(&(case.clone(), side))?;
        Some(Measured {
            wall: median(list.iter().map(|one| one.wall)),
            processor: median(list.iter().map(|one| one.processor)),
            peak: median(list.iter().map(|one| one.peak)),
        })
    }

    /// A row a case: here / PyTorch (ratio), of medians over processes.
    pub fn markdown(&self) -> String {
        let mut text =
            String::from("| what | grid | wall, s | processors, s | peak, MB |\n|---|---|---|---|---|\n");
        for case in Case::all() {
            let Some(here) = self.medians(&case, Side::Here) else { continue };
            let there = self.medians(&case, Side::There);
            let cell = |of: fn(&Measured) -> f64, unit: f64, digits: usize| {
                let own = of(&here) / unit;
                match there.as_ref().map(of) {
                    Some(other) => {
                        format!("{own:.digits$} / {:.digits$} ({:.2})", other / unit, own * unit / other)
                    }
                    None => format!("{own:.digits$}"),
                }
            };
            text.push_str(&format!(
                "| {} | {} | {} | {} | {} |\n",
                case.spoken(),
                case.grid(),
                cell(|m| m.wall, 1.0, 3),
                cell(|m| m.processor, 1.0, 3),
                cell(|m| m.peak, 1e6, 0),
            ));
        }
        text
    }
}

/// The middle of a list that is not empty; of two, their mean.
pub fn median(list: impl Iterator<Item = f64>) -> f64 {
    let mut list: Vec<f64> = list.collect();
    list.sort_by(f64::total_cmp);
    let middle = list.len() / 2;
    if list.len() % 2 == 1 { list[middle] } else { (list[middle - 1] + list[middle]) / 2.0 }
}
