//! Tiles: where a kernel has loops over levels, the function goes through a level for many groups of cells before it goes on to the
//! next level. Then arrays are read in runs, whatever the distance between their levels, and the groups, which do not wait for each
//! other, fill the time that one of them would wait for itself.
//!
//! So the work falls into **segments**, each a loop over the groups of the tile: what comes before a loop over levels, its body,
//! what comes after it. Nothing stays in registers from one segment to the next; cell values, states and reductions lie in
//! scratch, one row each.

use std::collections::{BTreeMap, BTreeSet};

use cranelift_codegen::ir::condcodes::IntCC;
use cranelift_codegen::ir::types::I64;
use cranelift_codegen::ir::{Block, InstBuilder, Value};

use super::super::ir::{Domain, Instruction};
use super::emit::{Emitter, VECTOR};
use super::schedule::{Item, Job, Schedule, Step};

/// The loop over the groups of a tile.
#[derive(Clone, Copy)]
pub(super) struct Segment {
    /// Of the first group: the address of scratch, and the bytes from an array's start to its cells.
    scratch: Value,
    cell: Value,
    /// While the loop is open: its block, and the bytes from the first group to this one.
    open: Option<(Block, Value)>,
}

impl Segment {
    pub fn of(scratch: Value, cell: Value) -> Self {
        Self { scratch, cell, open: None }
    }
}

impl Emitter<'_, '_, '_> {
    /// Whether what is emitted now may leave its segment: not in the body of an `Each`, which is all in one.
    pub fn in_tile(&self) -> bool {
        self.segment.is_some() && !self.frame.inner
    }

    /// Begins a loop over the groups of the tile, if there are tiles.
    pub fn open_segment(&mut self) {
        let Some(segment) = &mut self.segment else { return };
        let builder = &mut self.lanes.builder;
        let block = builder.create_block();
        let inner = builder.append_block_param(block, I64);
        let zero = builder.ins().iconst(I64, 0);
        builder.ins().jump(block, &[zero.into()]);
        builder.switch_to_block(block);
        segment.open = Some((block, inner));
        self.cell = builder.ins().iadd(segment.cell, inner);
        self.scratch = builder.ins().iadd(segment.scratch, inner);
    }

    /// Ends it; what is in registers is forgotten.
    pub fn close_segment(&mut self) {
        let Some((block, inner)) = self.segment.as_mut().and_then(|segment| segment.open.take()) else {
            return;
        };
        self.forget_values(0);
        let exit = self.lanes.builder.create_block();
        if self.widen(block, inner) {
            let jump = self.lanes.builder.ins().jump(exit, &[]);
            if let Some(wide) = &mut self.wide {
                wide.call_before(jump);
            }
            self.lanes.builder.switch_to_block(exit);
            return;
        }
        self.call_wide(false);
        let builder = &mut self.lanes.builder;
        let next = builder.ins().iadd_imm_s(inner, (self.unroll * VECTOR) as i64);
        let more = builder.ins().icmp_imm_s(IntCC::UnsignedLessThan, next, self.row_bytes as i64);
        builder.ins().brif(more, block, &[next.into()], exit, &[]);
        builder.switch_to_block(exit);
    }
}

impl Emitter<'_, '_, '_> {
    /// Leaves the loop over groups, if it is one block, to wider vectors.
    fn widen(&mut self, block: Block, inner: Value) -> bool {
        let Some(wide) = &mut self.wide else { return false };
        let builder = &mut self.lanes.builder;
        self.unroll == 1 && builder.current_block() == Some(block) && wide.take(builder, block, inner)
    }

    /// Calls what has been left to wider vectors, before anything else happens; it may be the last of a level.
    pub fn call_wide(&mut self, is_last: bool) {
        let (Some(segment), Some(wide)) = (self.segment, &mut self.wide) else { return };
        let function = match wide.function(self.row_bytes, is_last) {
            Ok(Some(function)) => function,
            Ok(None) => return,
            Err(error) => return self.error = Some(error),
        };
        let rows = function.room.div_ceil(self.row_bytes);
        let row = match self.room {
            Some((row, known)) if known >= rows => row,
            _ => {
                let row = self.rows(rows);
                self.room = Some((row, rows));
                row
            }
        };
        let from = row * self.row_bytes;
        if let Some(wide) = &mut self.wide
            && let Err(error) = wide.call(self.lanes.builder, &function, segment.scratch, from)
        {
            self.error = Some(error);
        }
    }
}

/// The cell values that are used in another segment than the one that computes them.
pub(super) fn crossing(schedule: &Schedule) -> BTreeSet<usize> {
    let mut made_in: BTreeMap<usize, usize> = BTreeMap::new();
    let mut crossing = BTreeSet::new();
    let mut segment = 0;
    let instructions = &schedule.kernel.instructions;
    for step in &schedule.steps {
        let mut wants = |position: usize| {
            let cell = schedule.domains[position] == Domain::Cell;
            let made = made_in.get(&position).is_some_and(|made| *made != segment);
            if cell
                && made
                && !matches!(instructions[position], Instruction::Constant(_) | Instruction::Input(_))
            {
                crossing.insert(position);
            }
        };
        match step {
            Step::Cell(position) => {
                instructions[*position].operands().iter().for_each(|operand| wants(operand.index()));
                made_in.insert(*position, segment);
            }
            Step::Part { value, .. } => wants(value.index()),
            Step::Output(output) => wants(schedule.kernel.outputs[*output].value.index()),
            Step::Loop(level_loop) => {
                for position in level_loop.items.iter().flat_map(|item| item_values(schedule, item)) {
                    // What begins or ends the loop may use it as well as what is in it.
                    if made_in.contains_key(&position) && schedule.domains[position] == Domain::Cell {
                        crossing.insert(position);
                    }
                }
                segment += 1;
                for item in &level_loop.items {
                    if let Item::Job(Job::Reduce(position)) = item {
                        made_in.insert(*position, segment);
                    }
                    if let Item::Job(Job::Slab(slab)) = item {
                        let made = schedule.slabs[*slab].positions.iter();
                        made_in.extend(made.map(|position| (*position, segment)));
                    }
                }
            }
        }
    }
    crossing
}

/// All values that a piece of work on a level uses.
fn item_values(schedule: &Schedule, item: &Item) -> Vec<usize> {
    let instructions = &schedule.kernel.instructions;
    let values = match item {
        Item::Compute(position) | Item::Job(Job::Reduce(position) | Job::Each(position)) => {
            instructions[*position].operands()
        }
        Item::Job(Job::Walk(walk)) => instructions[schedule.walks[*walk].scans[0]].operands(),
        Item::Job(Job::Search(search)) => vec![schedule.searches[*search].at],
        Item::Job(Job::Slab(slab)) => vec![schedule.slabs[*slab].from, schedule.slabs[*slab].to],
        Item::Job(Job::Keep { value, .. }) => vec![*value],
        Item::Job(Job::Output(output)) => vec![schedule.kernel.outputs[*output].value],
    };
    values.into_iter().map(|value| value.index()).collect()
}
