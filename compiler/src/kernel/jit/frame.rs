//! How far a kernel, or the body of an `Each`, has been emitted: what is known of each value, and where it lies.

use std::collections::{BTreeMap, BTreeSet};

use cranelift_codegen::ir::Value;

use super::super::ir::{self, Domain, Instruction};
use super::lanes::Mask;
use super::level::Level;
use super::schedule::Schedule;

/// A value as vectors of four cells, `unroll` of them.
#[derive(Clone)]
pub(super) enum Held {
    Number(Vec<Value>),
    /// A comparison that nobody has asked for as a number.
    Mask(Vec<Mask>),
}

/// Where an input of the kernel, or of the body of an `Each`, is.
#[derive(Clone)]
pub(super) enum Source {
    /// An array of that address.
    Array(Value),
    /// A kept column, from that row on.
    Kept(usize),
    /// Per-level constants, from that byte of the tables on.
    Table(i32),
    /// A cell value in registers.
    Cell(Held),
}

/// The kernel, or the body of an `Each`, as far as it has been emitted.
pub(super) struct Frame<'a> {
    pub schedule: &'a Schedule<'a>,
    pub inputs: Vec<Source>,
    /// Whether it is the body of an `Each`.
    pub inner: bool,
    /// What has been computed and may be used in the current block.
    pub values: Vec<Option<Held>>,
    /// The order in which that came about: where a block ends that does not lead everywhere, its values end.
    pub log: Vec<usize>,
    /// Results that lie in a row of scratch: cells that loops have made, scans on the current level.
    pub slots: BTreeMap<usize, usize>,
    /// First rows of the kept columns.
    pub kept: BTreeMap<usize, usize>,
    /// The kept columns that are complete.
    pub filled: BTreeSet<usize>,
    /// Those that the current loop makes.
    pub filling: Vec<usize>,
    /// The scans whose results their walks write to kept columns.
    pub kept_by_walks: BTreeSet<usize>,
    /// First rows of the states of each walk.
    pub states: BTreeMap<usize, usize>,
    /// Where in the tables the numbers of an instruction begin.
    pub tables: BTreeMap<usize, i32>,
    pub level: Option<Level>,
    /// The level visited before, or the same on the first.
    pub before: Option<Level>,
    /// Levels displaced from this one, by how far and in a column of how many levels.
    pub displaced: BTreeMap<(i32, usize), Level>,
    /// Reductions so far.
    pub sums: BTreeMap<usize, Vec<Value>>,
    /// What the slabs need on every level.
    pub slabs: BTreeMap<usize, super::look::Extent>,
    /// In the body of a loop over levels that goes through a tile: where it is cut into segments.
    pub cuts: Option<super::cut::Cuts>,
    /// In tiles: the cell values that are wanted in another segment than the one that computes them.
    pub crossing: BTreeSet<usize>,
    /// The levels that the current loop visits.
    pub range: std::ops::Range<usize>,
}

impl<'a> Frame<'a> {
    pub fn new(schedule: &'a Schedule<'a>, inputs: Vec<Source>) -> Self {
        Self {
            schedule,
            inputs,
            inner: false,
            values: vec![None; schedule.kernel.instructions.len()],
            log: Vec::new(),
            slots: BTreeMap::new(),
            kept: BTreeMap::new(),
            filled: BTreeSet::new(),
            filling: Vec::new(),
            kept_by_walks: BTreeSet::new(),
            states: BTreeMap::new(),
            tables: BTreeMap::new(),
            level: None,
            before: None,
            displaced: BTreeMap::new(),
            sums: BTreeMap::new(),
            slabs: BTreeMap::new(),
            cuts: None,
            crossing: BTreeSet::new(),
            range: 0..0,
        }
    }

    pub fn instruction(&self, position: usize) -> &'a Instruction {
        &self.schedule.kernel.instructions[position]
    }

    pub fn is_column(&self, value: ir::Value) -> bool {
        self.schedule.domains[value.index()] != Domain::Cell
    }
}
