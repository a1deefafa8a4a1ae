//! Long bodies cut into short segments. A processor looks some hundred instructions ahead: in a body that is longer, and in which each
//! step waits for the one before (a slope from a temperature from a slope), it finds nothing to do meanwhile. So within a tile the
//! body is cut at its exponentials and logarithms, and wherever it gets long: each segment goes through all groups, and several of them are under way at
//! the same time. What a later segment wants lies in rows of scratch.

use std::collections::BTreeMap;

use cranelift_codegen::ir::Value;

use super::super::ir::{Domain, Instruction, Unary};
use super::emit::{Emitter, passing};
use super::frame::Held;
use super::lanes::Mask;
use super::schedule::{Item, Job, LevelLoop, Schedule, cost};
use super::walk::BodyValues;

/// Bodies of less than this cost are left whole: what is saved by a cut would be lost in scratch.
const LONG: usize = 150;

/// A segment ends as soon as it has this cost.
const SEGMENT: usize = 100;

/// Where a value lies that a later segment wants.
#[derive(Clone, Copy)]
pub(super) enum Saved {
    Number(usize),
    /// Two rows: where it holds, and where it is missing.
    Mask(usize),
    /// On this level of a kept column.
    Kept(usize),
}

/// The body of a loop that is cut.
pub(super) struct Cuts {
    /// The item that is being emitted.
    pub item: usize,
    /// The columns of this loop that have been kept on this level.
    pub keeps: Vec<usize>,
    /// For each column the last item that uses it.
    last_use: BTreeMap<usize, usize>,
    /// Columns of this level that lie in scratch until the level is done.
    saved: BTreeMap<usize, Saved>,
    /// Rows that nobody uses any more.
    free: Vec<usize>,
    /// Of the segment so far.
    cost: usize,
}

/// Whether and how a loop is cut.
pub(super) fn cuts(schedule: &Schedule, level_loop: &LevelLoop) -> Option<Cuts> {
    let instructions = &schedule.kernel.instructions;
    let mut last_use = BTreeMap::new();
    let mut total = 0;
    for (number, item) in level_loop.items.iter().enumerate() {
        let used = match item {
            Item::Compute(position) => {
                total += cost(&instructions[*position]);
                instructions[*position].operands()
            }
            Item::Job(Job::Walk(walk)) => {
                let scan = &instructions[schedule.walks[*walk].scans[0]];
                if let Instruction::Scan { body, .. } = scan {
                    total += body.instructions.iter().map(cost).sum::<usize>();
                }
                scan.operands()
            }
            Item::Job(Job::Reduce(position) | Job::Each(position)) => instructions[*position].operands(),
            Item::Job(Job::Search(search)) => {
                let search = &schedule.searches[*search];
                let values = search.positions.iter().flat_map(|position| instructions[*position].operands());
                values.chain([search.at]).collect()
            }
            Item::Job(Job::Slab(slab)) => {
                let positions = schedule.slabs[*slab].positions.iter();
                positions.flat_map(|position| instructions[*position].operands()).collect()
            }
            Item::Job(Job::Keep { value, .. }) => vec![*value],
            Item::Job(Job::Output(output)) => vec![schedule.kernel.outputs[*output].value],
        };
        for value in used.iter().filter(|value| schedule.domains[value.index()] != Domain::Cell) {
            last_use.insert(value.index(), number);
        }
    }
    let cuts =
        Cuts { item: 0, keeps: Vec::new(), last_use, saved: BTreeMap::new(), free: Vec::new(), cost: 0 };
    (total >= LONG).then_some(cuts)
}

impl Emitter<'_, '_, '_> {
    /// Whether a segment ends before this instruction.
    pub fn is_cut(&mut self, instruction: &Instruction) -> bool {
        let in_tile = self.in_tile();
        let Some(cuts) = self.frame.cuts.as_mut().filter(|_| in_tile) else { return false };
        let slow = matches!(instruction, Instruction::Unary { op: Unary::Exp | Unary::Log, .. });
        let is_cut = slow || cuts.cost >= SEGMENT;
        cuts.cost = cost(instruction) + if is_cut { 0 } else { cuts.cost };
        is_cut
    }

    /// Ends the segment in the body of a scan, before the instruction at that position.
    pub fn cut_body(&mut self, values: &mut BodyValues, position: usize, last_use: &[usize]) {
        let done: Vec<usize> = values.saved.keys().copied().filter(|k| last_use[*k] < position).collect();
        for over in done {
            if let Some(saved) = values.saved.remove(&over) {
                self.give_saved(saved);
            }
        }
        for (earlier, last) in last_use.iter().enumerate().take(position) {
            if let Some(held) = values.held[earlier].take()
                && *last >= position
                && !values.is_read(earlier)
                && !values.saved.contains_key(&earlier)
            {
                let saved = match (&held, values.kept.get(&earlier)) {
                    (Held::Number(numbers), Some(row)) => {
                        self.keep_row(*row, numbers);
                        Saved::Kept(*row)
                    }
                    _ => self.save(&held),
                };
                values.saved.insert(earlier, saved);
            }
        }
        self.cut();
    }

    /// Ends the segment and begins another on the same level; columns that are wanted later are saved.
    pub fn cut(&mut self) {
        let mut positions = self.frame.log.clone();
        positions.sort_unstable();
        positions.dedup();
        for position in positions {
            let Some(cuts) = &self.frame.cuts else { return };
            let wanted = cuts.last_use.get(&position).is_some_and(|last| *last >= cuts.item);
            let elsewhere = cuts.saved.contains_key(&position) || self.is_read_again(position);
            if wanted
                && !elsewhere
                && let Some(held) = self.frame.values[position].clone()
            {
                let saved = self.save(&held);
                if let Some(cuts) = &mut self.frame.cuts {
                    cuts.saved.insert(position, saved);
                }
            }
        }
        let (level, before) = (self.frame.level, self.frame.before);
        self.close_segment();
        self.open_segment();
        if let (Some(level), Some(before)) = (level, before) {
            self.place_levels(level.index, Some(before.index));
        }
    }

    /// Whether a column lies where it can be read again on this level.
    fn is_read_again(&self, position: usize) -> bool {
        let leaf = matches!(self.frame.instruction(position), Instruction::Input(_) | Instruction::Levels(_));
        let kept = self.frame.cuts.as_ref().is_some_and(|cuts| cuts.keeps.contains(&position));
        let kept = kept || self.frame.kept_by_walks.contains(&position);
        leaf || kept || self.frame.filled.contains(&position) || self.frame.slots.contains_key(&position)
    }

    /// A column of this level from a segment before.
    pub fn kept_before(&mut self, position: usize) -> Option<Held> {
        let saved = *self.frame.cuts.as_ref()?.saved.get(&position)?;
        Some(self.load_saved(saved))
    }

    /// The level is done: nothing of it is wanted any more.
    pub fn end_cuts(&mut self) {
        self.frame.cuts = None;
    }

    fn save(&mut self, held: &Held) -> Saved {
        match held {
            Held::Number(numbers) => {
                let row = self.take_row();
                self.store_row_as(passing(), self.scratch, row, numbers);
                Saved::Number(row)
            }
            Held::Mask(masks) => {
                // Two rows, one behind the other.
                let row = self.rows(2);
                let [holds, missing]: [Vec<Value>; 2] = [
                    masks.iter().map(|mask| mask.holds).collect(),
                    masks.iter().map(|mask| mask.missing).collect(),
                ];
                self.store_row_as(passing(), self.scratch, row, &holds);
                self.store_row_as(passing(), self.scratch, row + 1, &missing);
                Saved::Mask(row)
            }
        }
    }

    pub fn load_saved(&mut self, saved: Saved) -> Held {
        match saved {
            Saved::Number(row) => Held::Number(self.load_row(self.scratch, row)),
            Saved::Kept(row) => match self.frame.level {
                Some(level) => Held::Number(self.load_row(level.row, row)),
                None => Held::Number(self.constant(f32::NAN)),
            },
            Saved::Mask(row) => {
                let (holds, missing) =
                    (self.load_row(self.scratch, row), self.load_row(self.scratch, row + 1));
                let masks = holds.into_iter().zip(missing).map(|(holds, missing)| Mask { holds, missing });
                Held::Mask(masks.collect())
            }
        }
    }

    fn take_row(&mut self) -> usize {
        let free = self.frame.cuts.as_mut().and_then(|cuts| cuts.free.pop());
        free.unwrap_or_else(|| self.rows(1))
    }

    fn give_row(&mut self, row: usize) {
        if let Some(cuts) = &mut self.frame.cuts {
            cuts.free.push(row);
        }
    }

    fn give_saved(&mut self, saved: Saved) {
        match saved {
            Saved::Number(row) => self.give_row(row),
            Saved::Kept(_) => {}
            Saved::Mask(row) => {
                self.give_row(row);
                self.give_row(row + 1);
            }
        }
    }
}
