//! Which columns are kept between loops, and what each loop has to compute.
//!
//! A column is **kept**, in scratch memory, by the loop that first computes it, if
//!
//! - levels other than the loop's own are wanted of it (displaced, taken apart, put together, looked up),
//! - it is what a walk has left behind, and a later loop wants it,
//! - it is expensive and two loops want it,
//! - computing it where it is made keeps fewer columns than keeping what it is made of.
//!
//! What is cheap is computed again instead.

use std::collections::{BTreeMap, BTreeSet};
use std::ops::Range;

use super::super::ir::{Domain, Instruction, Kernel, Value};
use super::schedule::{Item, Job, LevelLoop, Search, Slab, Walk, cost, is_elementwise, is_leaf};

/// A loop while the schedule is being made.
#[derive(Debug)]
pub(super) struct Draft {
    pub stage: usize,
    /// Of the columns it works on.
    pub levels: usize,
    pub range: Range<usize>,
    pub reverse: bool,
    pub before: bool,
    pub jobs: Vec<Job>,
}

/// A schedule while it is being made: loops in the order in which they run.
pub(super) struct Drafts<'a> {
    pub kernel: &'a Kernel,
    pub domains: &'a [Domain],
    pub loops: Vec<Draft>,
    pub walks: &'a [Walk],
    pub searches: &'a [Search],
    pub slabs: &'a [Slab],
    /// For each value that a loop makes as a whole (a scan, a column of lookups): which.
    pub made_by: BTreeMap<usize, usize>,
    /// For each value the loop whose work it needs to have on its level.
    pub homes: Vec<Option<usize>>,
    /// For each kept column the loops that write it.
    pub keepers: BTreeMap<usize, Vec<usize>>,
}

/// What a column must cost to be kept rather than computed twice: more than to write and read it.
const WORTH_KEEPING: usize = 8;

impl Drafts<'_> {
    /// Marks what must and what should be kept, then gives each loop its work.
    pub fn finish(mut self) -> (Vec<LevelLoop>, BTreeMap<usize, usize>) {
        (0..self.loops.len()).for_each(|number| self.keep_where_made(number));
        for number in 0..self.loops.len() {
            for made in self.wanted(number).made_elsewhere {
                self.keep(made, self.made_by[&made]);
            }
        }
        self.keep_expensive();
        let wanted: Vec<Wanted> = (0..self.loops.len()).map(|number| self.wanted(number)).collect();
        let kept = self.keepers.keys().map(|k| (*k, self.domains[*k].levels())).collect();
        let loops = wanted.into_iter().enumerate().map(|(number, wanted)| self.level_loop(number, wanted));
        (loops.collect(), kept)
    }

    /// What a loop wants of another that has run before is computed there as far as possible, if then fewer columns are kept.
    fn keep_where_made(&mut self, number: usize) {
        let elsewhere = |position: usize| self.homes[position].is_some_and(|home| home < number);
        let jobs = self.loops[number].jobs.iter().flat_map(|job| self.columns_of(job));
        let wanted: Vec<usize> = jobs.map(|value| value.index()).collect();
        let ends = self.ends(number, wanted, elsewhere);
        for home in 0..number {
            let ends: Vec<usize> =
                ends.iter().copied().filter(|end| self.homes[*end] == Some(home)).collect();
            let made = |position: usize| self.made_by.get(&position) == Some(&home);
            if ends.len() <= self.ends(number, ends.clone(), made).len() {
                ends.into_iter().for_each(|end| self.keep(end, home));
            }
        }
    }

    /// The columns that a loop needs for these, as far down as to those for which it holds; what no loop makes, and what has been kept,
    /// is not among them.
    fn ends(&self, number: usize, mut open: Vec<usize>, is_end: impl Fn(usize) -> bool) -> BTreeSet<usize> {
        let (mut ends, mut seen) = (BTreeSet::new(), BTreeSet::new());
        while let Some(position) = open.pop() {
            let instruction = &self.kernel.instructions[position];
            let here = self.domains[position] != Domain::Cell && !is_leaf(instruction);
            if !here || self.complete_before(position, number) || !seen.insert(position) {
                continue;
            }
            if is_end(position) {
                ends.insert(position);
            } else if is_elementwise(instruction) {
                open.extend(instruction.operands().iter().map(|value| value.index()));
            }
        }
        ends
    }

    fn keep(&mut self, position: usize, by: usize) {
        let keepers = self.keepers.entry(position).or_default();
        if !keepers.contains(&by) {
            keepers.push(by);
            let value = Value::new(position);
            self.loops[by].jobs.push(Job::Keep { value, into: position, at: 0 });
        }
    }

    /// Keeps what two loops compute and what is not cheap, as far on in the computation as possible.
    fn keep_expensive(&mut self) {
        let count = self.kernel.instructions.len();
        let mut loops_of: Vec<Vec<usize>> = vec![Vec::new(); count];
        let mut wanted_by_job = vec![false; count];
        for number in 0..self.loops.len() {
            let wanted = self.wanted(number);
            wanted.computed.iter().for_each(|position| loops_of[*position].push(number));
            wanted.of_jobs.iter().for_each(|position| wanted_by_job[*position] = true);
        }
        // How often a value is used by something that fewer loops compute.
        let mut last_shared = wanted_by_job;
        for (position, instruction) in self.kernel.instructions.iter().enumerate() {
            for operand in instruction.operands() {
                if !loops_of[position].is_empty()
                    && loops_of[operand.index()].len() > loops_of[position].len()
                {
                    last_shared[operand.index()] = true;
                }
            }
        }
        let mut costs = vec![0_usize; count];
        for (position, instruction) in self.kernel.instructions.iter().enumerate() {
            if loops_of[position].is_empty() || self.keepers.contains_key(&position) {
                continue;
            }
            let operands = instruction.operands();
            costs[position] =
                cost(instruction) + operands.iter().map(|o| costs[o.index()]).sum::<usize>().min(1000);
            let [first, _, ..] = loops_of[position][..] else { continue };
            let range = self.loops[first].range.clone();
            let inside = |other: &usize| {
                let other = &self.loops[*other].range;
                range.start <= other.start && other.end <= range.end
            };
            if last_shared[position]
                && costs[position] >= WORTH_KEEPING
                && loops_of[position].iter().all(inside)
            {
                self.keep(position, first);
                costs[position] = 0;
            }
        }
    }

    /// What a loop has to compute for its jobs.
    fn wanted(&self, number: usize) -> Wanted {
        let mut wanted = Wanted::default();
        let mut open: Vec<usize> = Vec::new();
        for job in &self.loops[number].jobs {
            let operands = self.columns_of(job);
            open.extend(operands.iter().map(|value| value.index()));
        }
        wanted.of_jobs.extend(&open);
        let mut seen: BTreeSet<usize> = BTreeSet::new();
        while let Some(position) = open.pop() {
            let instruction = &self.kernel.instructions[position];
            let here = self.domains[position] != Domain::Cell && !is_leaf(instruction);
            if !here || self.complete_before(position, number) || !seen.insert(position) {
                continue;
            }
            if let Some(made) = self.made_by.get(&position) {
                if *made != number {
                    wanted.made_elsewhere.push(position);
                }
                continue;
            }
            wanted.computed.insert(position);
            // Those of the others are kept, and read at other levels.
            if is_elementwise(instruction) {
                open.extend(instruction.operands().iter().map(|value| value.index()));
            }
        }
        wanted
    }

    /// Whether a loop that has run before has kept the column.
    fn complete_before(&self, position: usize, number: usize) -> bool {
        // Planned so that what wants a joined column comes after the loops that keep its parts.
        let joined = matches!(self.kernel.instructions[position], Instruction::Concat { .. });
        joined
            || self
                .keepers
                .get(&position)
                .is_some_and(|keepers| keepers.iter().any(|keeper| *keeper < number))
    }

    /// The values that a job wants on the level of its loop.
    fn columns_of(&self, job: &Job) -> Vec<Value> {
        let instructions = &self.kernel.instructions;
        match job {
            Job::Reduce(position) => instructions[*position].operands(),
            Job::Walk(walk) => match &instructions[self.walks[*walk].scans[0]] {
                Instruction::Scan { captures, active, .. } => {
                    captures.iter().chain(active).copied().collect()
                }
                _ => Vec::new(),
            },
            Job::Search(search) => {
                let Search { coordinate, at, positions } = &self.searches[*search];
                if self.domains[at.index()] != Domain::Cell {
                    return vec![*at];
                }
                let values = positions.iter().filter_map(|p| instructions[*p].operands().first().copied());
                values.chain([*coordinate]).collect()
            }
            Job::Slab(slab) => {
                let Slab { coordinate, positions, .. } = &self.slabs[*slab];
                let values = positions.iter().filter_map(|p| instructions[*p].operands().first().copied());
                values.chain([*coordinate]).collect()
            }
            Job::Each(position) => match &instructions[*position] {
                Instruction::Each { here, active, .. } => here.iter().chain(active).copied().collect(),
                _ => Vec::new(),
            },
            Job::Keep { value, .. } => vec![*value],
            Job::Output(number) => vec![self.kernel.outputs[*number].value],
        }
    }

    fn level_loop(&self, number: usize, wanted: Wanted) -> LevelLoop {
        let Draft { range, reverse, before, jobs, .. } = &self.loops[number];
        let mut items: Vec<((usize, usize), Item)> =
            wanted.computed.iter().map(|position| ((*position, 0), Item::Compute(*position))).collect();
        items.extend(jobs.iter().map(|job| (self.place_of(job), Item::Job(job.clone()))));
        items.sort_by_key(|(place, _)| *place);
        let kept_here = jobs.iter().filter_map(|job| match job {
            Job::Keep { into, .. } => Some(*into),
            _ => None,
        });
        LevelLoop {
            range: range.clone(),
            reverse: *reverse,
            before: *before,
            items: items.into_iter().map(|(_, item)| item).collect(),
            fills: kept_here.collect(),
        }
    }

    /// Jobs come as soon as all they need is there.
    fn place_of(&self, job: &Job) -> (usize, usize) {
        let last = |positions: &[usize]| positions.iter().copied().max().unwrap_or(0);
        match job {
            Job::Reduce(position) | Job::Each(position) => (*position, 0),
            Job::Walk(walk) => (self.walks[*walk].scans[0], 0),
            Job::Search(search) => {
                let Search { at, positions, .. } = &self.searches[*search];
                match self.domains[at.index()] {
                    Domain::Cell => (last(positions), 0),
                    // Whose results this loop may use.
                    Domain::Column(_) => (positions[0], 0),
                }
            }
            Job::Slab(slab) => (last(&self.slabs[*slab].positions), 0),
            // A scan that is not the first of its walk is there before its own position.
            Job::Keep { value, .. } => (value.index(), 1),
            Job::Output(number) => (self.kernel.outputs[*number].value.index(), 2),
        }
    }
}

/// What a loop computes.
#[derive(Default)]
struct Wanted {
    /// Positions of column instructions, in order; leaves and what a loop before has kept are not among them.
    computed: BTreeSet<usize>,
    /// What the jobs themselves want.
    of_jobs: BTreeSet<usize>,
    /// What other loops have made and must keep.
    made_elsewhere: Vec<usize>,
}
