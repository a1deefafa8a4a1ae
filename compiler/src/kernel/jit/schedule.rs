//! The schedule: which instructions run once for a group of cells, and which inside loops over levels.
//!
//! What needs all levels (a sum, a walk, an output) is a **job**, and each job has its place in a loop. Column values that
//! jobs need are computed inside the loop, level by level, in registers. A sum is a cell value once its loop is
//! done; what depends on it waits for a later loop. So the kernel falls into **stages**: first cell values, then loops, then
//! the cell values that those loops made possible, and so on. [`plan`](super::plan) gives jobs their places.
//!
//! [`keep`](super::keep) says which columns are kept between loops.

use std::collections::BTreeMap;
use std::ops::Range;

use super::super::ir::{Binary, Domain, Instruction, Kernel, Unary, Value};

/// The order of work for one group of cells.
#[derive(Debug)]
pub(super) struct Schedule<'a> {
    pub kernel: &'a Kernel,
    /// The domain of each value.
    pub domains: Vec<Domain>,
    pub steps: Vec<Step>,
    pub walks: Vec<Walk>,
    pub searches: Vec<Search>,
    pub slabs: Vec<Slab>,
    /// The columns that are kept, by position, and how many levels they have.
    pub kept: BTreeMap<usize, usize>,
    /// The schedules of what runs for each level, by position.
    pub bodies: BTreeMap<usize, Schedule<'a>>,
}

impl Schedule<'_> {
    /// How many loops over levels it has.
    pub fn loops(&self) -> usize {
        let own = self.steps.iter().filter(|step| matches!(step, Step::Loop(_))).count();
        own + self.bodies.values().map(Schedule::loops).sum::<usize>()
    }
}

#[derive(Debug)]
pub(super) enum Step {
    /// The cell instruction at that position.
    Cell(usize),
    /// A cell becomes the level `at` of a kept column.
    Part {
        value: Value,
        into: usize,
        at: usize,
    },
    /// The cell output of that number.
    Output(usize),
    Loop(LevelLoop),
}

/// One loop over levels.
#[derive(Debug)]
pub(super) struct LevelLoop {
    /// The levels it visits.
    pub range: Range<usize>,
    /// From the last to the first.
    pub reverse: bool,
    /// Whether the level visited before is wanted as well.
    pub before: bool,
    /// The work on each level, in order.
    pub items: Vec<Item>,
    /// The kept columns that are complete after it.
    pub fills: Vec<usize>,
}

/// A piece of work on one level.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Item {
    /// The column instruction at that position.
    Compute(usize),
    Job(Job),
}

/// What a loop over levels is for.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Job {
    /// The reduction at that position.
    Reduce(usize),
    /// The walk of that number.
    Walk(usize),
    /// The search of that number: along this loop for a cell, in a loop of its own on each level for a column.
    Search(usize),
    /// The slab of that number.
    Slab(usize),
    /// The kernel-for-each-level at that position.
    Each(usize),
    /// Writes a column to the kept column `into`, from level `at` of that.
    Keep { value: Value, into: usize, at: usize },
    /// Writes the column output of that number.
    Output(usize),
}

/// Scans that differ only in their result are one walk.
#[derive(Debug)]
pub(super) struct Walk {
    /// Positions of the scans; the first stands for all.
    pub scans: Vec<usize>,
}

/// Interpolations at the same place of the same coordinate.
#[derive(Debug)]
pub(super) struct Search {
    pub coordinate: Value,
    pub at: Value,
    pub positions: Vec<usize>,
}

/// Layers of the same extent in the same coordinate.
#[derive(Debug)]
pub(super) struct Slab {
    pub coordinate: Value,
    pub from: Value,
    pub to: Value,
    pub positions: Vec<usize>,
}

/// Whether an instruction has no operands.
pub(super) fn is_leaf(instruction: &Instruction) -> bool {
    matches!(instruction, Instruction::Input(_) | Instruction::Constant(_) | Instruction::Levels(_))
}

/// Whether its result on a level depends on that level of its operands only.
pub(super) fn is_elementwise(instruction: &Instruction) -> bool {
    matches!(
        instruction,
        Instruction::Unary { .. }
            | Instruction::Binary { .. }
            | Instruction::Compare { .. }
            | Instruction::Select { .. }
    )
}

/// How long an instruction takes, in additions: a rough guess.
pub(super) fn cost(instruction: &Instruction) -> usize {
    match instruction {
        Instruction::Unary { op: Unary::Exp | Unary::Log, .. } => 20,
        Instruction::Unary { op: Unary::Sin | Unary::Cos, .. } => 40,
        Instruction::Binary { op: Binary::Pow | Binary::Atan2, .. } => 80,
        Instruction::Unary { op: Unary::Sqrt, .. } | Instruction::Binary { op: Binary::Div, .. } => 4,
        _ => 1,
    }
}

/// The most values that are wanted later at any point of the kernel, leaves aside: a measure of how many
/// registers the code wants.
pub(super) fn live_values(kernel: &Kernel) -> usize {
    let instructions = &kernel.instructions;
    let mut last_use: Vec<usize> = (0..instructions.len()).collect();
    for (position, instruction) in instructions.iter().enumerate() {
        for operand in instruction.operands() {
            last_use[operand.index()] = position;
        }
    }
    let mut ending = vec![0_usize; instructions.len()];
    let (mut live, mut most) = (0_usize, 0);
    for (position, instruction) in instructions.iter().enumerate() {
        live -= ending[position];
        if !is_leaf(instruction) && last_use[position] > position {
            live += 1;
            ending[last_use[position]] += 1;
        }
        most = most.max(live + inner_live_values(instruction));
    }
    most
}

fn inner_live_values(instruction: &Instruction) -> usize {
    match instruction {
        Instruction::Scan { starts, body, .. } => {
            let outputs = Vec::new();
            let instructions = body.instructions.clone();
            starts.len() + live_values(&Kernel { instructions, outputs, ..Kernel::default() })
        }
        Instruction::Each { body, .. } => live_values(body),
        _ => 0,
    }
}
