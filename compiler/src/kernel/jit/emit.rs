//! From a schedule to a Cranelift function.
//!
//! The function is `(inputs, outputs, tables, scratch, stride, start, end)`: an array of pointers to the inputs, another to
//! the outputs, a pointer to the per-level constants, one to scratch memory, and three byte counts: from one level of a
//! column to the next, and the cells to work on. `end − start` is a multiple of [`Shape::cells`]. It reads and
//! writes the cells from `start` to `end` on the levels of each array, the tables, and the **rows** of scratch, each of
//! so many cells, that [`Emitted`] counts; nothing else.
//!
//! A value of the IR is held as `unroll` vectors of four cells. Where there are loops over levels the function works on
//! tiles of several groups, as `tile` says.

use std::collections::{BTreeMap, BTreeSet};

use cranelift_codegen::ir::condcodes::IntCC;
use cranelift_codegen::ir::types::{F32X4, I64};
use cranelift_codegen::ir::{BlockArg, InstBuilder, MemFlagsData, Value};
use cranelift_frontend::FunctionBuilder;
use cranelift_jit::JITModule;

use super::super::ir::{self, Binary, Compare, Domain, Instruction};
use super::JitError;
use super::lanes::{Lanes, Mask};
use super::level::Level;
use super::missing::{Carried, carried};
use super::schedule::{Item, Job, LevelLoop, Schedule, Step, is_leaf};
use super::wide::{Vectors, Wide};

/// Bytes in a lane, and in a vector.
pub(super) const LANE: usize = 4;
pub(super) const VECTOR: usize = 16;

/// How many cells the function works on at once.
#[derive(Clone, Copy, Debug)]
pub(super) struct Shape {
    /// Vectors of four cells in a group.
    pub unroll: usize,
    /// Groups in a tile.
    pub groups: usize,
    /// What segments are widened to.
    pub vectors: Option<Vectors>,
}

impl Shape {
    pub fn cells(self) -> usize {
        4 * self.unroll * self.groups
    }
}

/// What the function needs besides the arrays.
#[derive(Debug, Default)]
pub(super) struct Emitted {
    /// Per-level constants, one array behind the other.
    pub tables: Vec<f32>,
    /// Rows of scratch memory.
    pub rows: usize,
    /// Bytes of the machine code of widened segments.
    pub wide_bytes: usize,
}

/// Emits the whole body of a function whose entry block has the seven parameters and is the current block.
pub(super) fn emit<'b>(
    builder: &'b mut FunctionBuilder<'_>,
    parameters: &[Value],
    schedule: &Schedule,
    shape: Shape,
    module: &'b mut JITModule,
) -> Result<Emitted, JitError> {
    let unroll = shape.unroll;
    let pointers = |builder: &mut FunctionBuilder, array: Value, count: usize| -> Vec<Value> {
        (0..count).map(|k| builder.ins().load(I64, read(), array, (k * 8) as i32)).collect()
    };
    let inputs = pointers(builder, parameters[0], schedule.kernel.inputs.len());
    let outputs = pointers(builder, parameters[1], schedule.kernel.outputs.len());
    let (stride, start, end) = (parameters[4], parameters[5], parameters[6]);

    let head = builder.create_block();
    let body = builder.create_block();
    let exit = builder.create_block();
    let offset = builder.append_block_param(head, I64);
    builder.ins().jump(head, &[start.into()]);
    builder.switch_to_block(head);
    let more = builder.ins().icmp(IntCC::UnsignedLessThan, offset, end);
    builder.ins().brif(more, body, &[], exit, &[]);
    builder.switch_to_block(body);
    let mut emitter = Emitter {
        lanes: Lanes { builder },
        unroll,
        row_bytes: shape.cells() * LANE,
        outputs,
        table: parameters[2],
        scratch: parameters[3],
        stride,
        cell: offset,
        emitted: Emitted::default(),
        frame: Frame::new(schedule, inputs.into_iter().map(Source::Array).collect()),
        segment: None,
        room: None,
        error: None,
        wide: shape.vectors.map(|vectors| Wide::new(vectors, module)),
    };
    if shape.groups > 1 {
        emitter.frame.crossing = super::tile::crossing(schedule);
        emitter.segment = Some(super::tile::Segment::of(parameters[3], offset));
    }
    emitter.open_segment();
    emitter.steps();
    emitter.close_segment();
    emitter.call_wide();
    if let Some(error) = emitter.error {
        return Err(error);
    }
    let wide_bytes = emitter.wide.as_ref().map_or(0, Wide::size);
    let emitted = Emitted { wide_bytes, ..emitter.emitted };
    let next = builder.ins().iadd_imm_s(offset, (shape.cells() * LANE) as i64);
    builder.ins().jump(head, &[next.into()]);
    builder.switch_to_block(exit);
    builder.ins().return_(&[]);
    Ok(emitted)
}

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

/// The work on one group of cells.
pub(super) struct Emitter<'a, 'b, 'c> {
    pub lanes: Lanes<'b, 'c>,
    pub unroll: usize,
    /// Bytes of a row of scratch.
    pub row_bytes: usize,
    outputs: Vec<Value>,
    pub table: Value,
    pub scratch: Value,
    pub stride: Value,
    /// Bytes from an array's start to these cells on level 0.
    pub cell: Value,
    pub emitted: Emitted,
    pub frame: Frame<'a>,
    /// In tiles: the loop over the groups of one.
    pub segment: Option<super::tile::Segment>,
    /// The rows that widened segments work in, and how many they are.
    pub room: Option<(usize, usize)>,
    /// What wider vectors did not accept.
    pub error: Option<JitError>,
    /// What widens segments.
    pub wide: Option<Wide<'b>>,
}

impl Emitter<'_, '_, '_> {
    pub fn steps(&mut self) {
        let schedule = self.frame.schedule;
        for (position, levels) in &schedule.kept {
            // An odd number, so that the same level of many columns does not fall on the same few lines of the cache.
            let row = self.rows(*levels | 1);
            self.frame.kept.insert(*position, row);
        }
        for step in &schedule.steps {
            match step {
                Step::Cell(position) => self.instruction(*position),
                Step::Part { value, into, at } => {
                    let numbers = self.number(*value);
                    self.store_row(self.scratch, self.frame.kept[into] + at, &numbers);
                }
                // What an `Each` makes of its body's output is its own affair.
                Step::Output(_) if self.frame.inner => {}
                Step::Output(output) => self.store(*output, self.cell),
                Step::Loop(level_loop) => self.level_loop(level_loop),
            }
        }
    }

    /// A loop with its test at the end: its range is never empty. It carries its place and, but for tiles, the reductions
    /// so far.
    fn level_loop(&mut self, level_loop: &LevelLoop) {
        let tiled = self.in_tile() && level_loop.range.len() > 1;
        if !tiled {
            self.load_cells_before(level_loop);
        }
        self.frame.range = level_loop.range.clone();
        self.frame.filling.clone_from(&level_loop.fills);
        let mut reductions = Vec::new();
        for item in &level_loop.items {
            match item {
                Item::Job(Job::Reduce(position)) => reductions.push(*position),
                Item::Job(Job::Walk(walk)) => self.begin_walk(*walk),
                Item::Job(Job::Search(search)) => self.begin_search(*search),
                Item::Job(Job::Slab(slab)) => self.begin_slab(*slab),
                Item::Job(Job::Each(_) | Job::Keep { .. } | Job::Output(_)) | Item::Compute(_) => {}
            }
        }
        let mark = self.mark_values();
        let (first, last) = match level_loop.reverse {
            false => (level_loop.range.start, level_loop.range.end - 1),
            true => (level_loop.range.end - 1, level_loop.range.start),
        };
        let step = if level_loop.reverse { -1 } else { 1 };
        if tiled {
            for position in &reductions {
                let identity = super::reduce::identity(self.frame.instruction(*position));
                let identity = self.constant(identity);
                let row = self.rows(1);
                self.store_row(self.scratch, row, &identity);
                self.frame.slots.insert(*position, row);
            }
            self.close_segment();
        }
        let index = self.lanes.builder.ins().iconst(I64, first as i64);
        let mut carried = vec![index, index];
        for reduction in reductions.iter().filter(|_| !tiled) {
            let identity = super::reduce::identity(self.frame.instruction(*reduction));
            let identity = self.lanes.constant(identity);
            carried.extend(vec![identity; self.unroll]);
        }
        if level_loop.range.len() == 1 {
            self.level_body(level_loop, &reductions, &carried);
        } else {
            let body = self.lanes.builder.create_block();
            let arguments: Vec<BlockArg> = carried.iter().map(|value| BlockArg::from(*value)).collect();
            if tiled {
                self.call_wide();
            }
            self.lanes.builder.ins().jump(body, &arguments);
            self.lanes.builder.switch_to_block(body);
            let types = [I64, I64].into_iter().chain(carried[2..].iter().map(|_| F32X4));
            let parameters: Vec<Value> =
                types.map(|of| self.lanes.builder.append_block_param(body, of)).collect();
            let index = parameters[0];
            if tiled {
                self.open_segment();
                self.frame.cuts = super::cut::cuts(self.frame.schedule, level_loop);
            }
            self.level_body(level_loop, &reductions, &parameters);
            if tiled {
                self.end_cuts();
                self.close_segment();
                self.call_wide();
            }
            let next = self.lanes.builder.ins().iadd_imm_s(index, step);
            let more = self.lanes.builder.ins().icmp_imm_s(IntCC::NotEqual, index, last as i64);
            let sums =
                reductions.iter().filter_map(|position| self.frame.sums.get(position).cloned()).flatten();
            let again: Vec<BlockArg> = [next, index].into_iter().chain(sums).map(BlockArg::from).collect();
            let exit = self.lanes.builder.create_block();
            self.lanes.builder.ins().brif(more, body, &again, exit, &[]);
            self.lanes.builder.switch_to_block(exit);
            if tiled {
                self.open_segment();
            }
        }
        self.leave_loop(level_loop, mark);
    }

    /// Cell values that the loop reads are loaded once, outside. (Cell instructions have been computed already.)
    fn load_cells_before(&mut self, level_loop: &LevelLoop) {
        let schedule = self.frame.schedule;
        for item in &level_loop.items {
            let operands = match item {
                Item::Compute(position) | Item::Job(Job::Reduce(position) | Job::Each(position)) => {
                    self.frame.instruction(*position).operands()
                }
                Item::Job(Job::Walk(walk)) => {
                    self.frame.instruction(schedule.walks[*walk].scans[0]).operands()
                }
                Item::Job(Job::Search(search)) => vec![schedule.searches[*search].at],
                Item::Job(Job::Slab(_)) => Vec::new(),
                Item::Job(Job::Keep { value, .. }) => vec![*value],
                Item::Job(Job::Output(output)) => vec![schedule.kernel.outputs[*output].value],
            };
            for operand in operands {
                if !self.frame.is_column(operand) {
                    self.held(operand);
                }
            }
        }
    }

    /// What happens on one level; leaves the reductions with this level taken in.
    fn level_body(&mut self, level_loop: &LevelLoop, reductions: &[usize], carried: &[Value]) {
        self.place_levels(carried[0], level_loop.before.then_some(carried[1]));
        for (position, sums) in reductions.iter().zip(carried[2..].chunks(self.unroll)) {
            self.frame.sums.insert(*position, sums.to_vec());
        }
        for (number, item) in level_loop.items.iter().enumerate() {
            let Some(level) = self.frame.level else { return };
            if let Some(cuts) = &mut self.frame.cuts {
                cuts.item = number;
            }
            match item {
                Item::Compute(position) => {
                    if self.is_cut(self.frame.instruction(*position)) {
                        self.cut();
                    }
                    self.instruction(*position);
                }
                Item::Job(Job::Reduce(position)) => self.reduce(*position, level_loop.reverse),
                Item::Job(Job::Walk(walk)) => self.walk(*walk),
                Item::Job(Job::Search(search)) => self.search(*search),
                Item::Job(Job::Slab(slab)) => self.slab(*slab),
                Item::Job(Job::Each(position)) => self.each(*position),
                Item::Job(Job::Keep { value, into, .. })
                    if value.index() == *into && self.frame.kept_by_walks.contains(into) => {}
                Item::Job(Job::Keep { value, into, at }) => {
                    let numbers = self.number(*value);
                    self.store_row(level.row, self.frame.kept[into] + at, &numbers);
                }
                Item::Job(Job::Output(output)) => self.store(*output, level.array),
            }
        }
    }

    /// Where the numbers of a level, and of the one visited before, are for these cells.
    pub fn place_levels(&mut self, index: Value, before: Option<Value>) {
        let level = self.level(index);
        self.frame.level = Some(level);
        self.frame.displaced.clear();
        self.frame.before = Some(before.map_or(level, |before| self.level(before)));
    }

    /// Column values end with the loop; what its jobs have made become cell values.
    fn leave_loop(&mut self, level_loop: &LevelLoop, mark: usize) {
        self.forget_values(mark.min(self.mark_values()));
        (self.frame.level, self.frame.before) = (None, None);
        self.frame.filled.extend(self.frame.filling.drain(..));
        let schedule = self.frame.schedule;
        for item in &level_loop.items {
            match item {
                Item::Job(Job::Reduce(position)) => {
                    if let Some(sums) = self.frame.sums.remove(position) {
                        self.set(*position, Held::Number(sums));
                    }
                }
                Item::Job(Job::Walk(walk)) => {
                    for scan in &schedule.walks[*walk].scans {
                        self.frame.slots.remove(scan);
                    }
                }
                Item::Job(Job::Slab(slab)) => self.end_slab(*slab),
                _ => {}
            }
        }
    }

    /// Computes an instruction that depends on one level, or on none.
    fn instruction(&mut self, position: usize) {
        let instruction = self.frame.instruction(position);
        let held = match instruction {
            Instruction::Shift { value, by } => {
                let levels = self.frame.schedule.domains[position].levels();
                let (Some(level), Some(before)) = (self.frame.level, self.frame.before) else { return };
                // A column that this loop is making is there as far as the level before.
                let level = match self.frame.filling.contains(&value.index()) {
                    true => before,
                    false => self.displaced(level, *by, levels),
                };
                Held::Number(self.at_level(*value, level))
            }
            Instruction::Slice { value, levels } => {
                let Some(level) = self.frame.level else { return };
                let index = self.lanes.builder.ins().iadd_imm_s(level.index, levels.start as i64);
                let level = self.level(index);
                Held::Number(self.at_level(*value, level))
            }
            Instruction::Reduce { .. } => self.one_level(position),
            _ => {
                let operands: Vec<Held> =
                    instruction.operands().into_iter().map(|value| self.held(value)).collect();
                let carried = carried(&self.frame.schedule.kernel.instructions, position);
                self.elementwise(instruction, &operands, carried)
            }
        };
        self.set(position, held);
    }

    /// A function of numbers, whether in the kernel or in the body of a scan.
    pub fn elementwise(&mut self, instruction: &Instruction, operands: &[Held], carried: Carried) -> Held {
        match (instruction, operands) {
            (Instruction::Unary { op, .. }, [x]) => {
                let x = self.numbers(x);
                Held::Number(x.into_iter().map(|x| self.lanes.unary(*op, x)).collect())
            }
            (
                Instruction::Binary { op: op @ (Binary::Mul | Binary::Min | Binary::Max), .. },
                [Held::Mask(x), Held::Mask(y)],
            ) => {
                let pairs = x.iter().zip(y);
                Held::Mask(pairs.filter_map(|(x, y)| self.lanes.join_masks(*op, *x, *y)).collect())
            }
            (Instruction::Binary { op: Binary::Sub, .. }, [x, Held::Mask(y)]) if self.is_constant(x, 1.0) => {
                Held::Mask(y.iter().map(|mask| self.lanes.not_mask(*mask)).collect())
            }
            (Instruction::Compare { op: Compare::Gt, .. }, [Held::Mask(x), y])
                if self.is_constant(y, 0.0) =>
            {
                Held::Mask(x.clone())
            }
            (Instruction::Binary { op, .. }, [x, y]) => {
                let pairs = self.numbers(x).into_iter().zip(self.numbers(y));
                Held::Number(pairs.map(|(x, y)| self.lanes.binary(*op, x, y)).collect())
            }
            (Instruction::Compare { op, .. }, [x, y]) => {
                let pairs = self.numbers(x).into_iter().zip(self.numbers(y));
                Held::Mask(pairs.map(|(x, y)| self.lanes.compare(*op, x, y)).collect())
            }
            (Instruction::Select { .. }, [mask, then, otherwise]) => {
                let sure = match mask {
                    Held::Number(_) => carried.number,
                    Held::Mask(_) => carried.comparison,
                };
                let masks = self.masks(mask);
                let pairs = self.numbers(then).into_iter().zip(self.numbers(otherwise));
                let lanes = masks.into_iter().zip(pairs);
                let choose = |(mask, (x, y)): (Mask, _)| match sure {
                    true => self.lanes.choose(mask.holds, x, y),
                    false => self.lanes.select(mask, x, y),
                };
                Held::Number(lanes.map(choose).collect())
            }
            (Instruction::Constant(number), _) => Held::Number(self.constant(*number as f32)),
            // The schedule and the verifier let nothing else come here.
            _ => Held::Number(self.constant(f32::NAN)),
        }
    }

    /// Whether it is that number everywhere; zeros of either sign are one.
    fn is_constant(&self, held: &Held, number: f32) -> bool {
        match held {
            Held::Number(numbers) => numbers.iter().all(|lanes| self.lanes.known(*lanes) == Some(number)),
            Held::Mask(_) => false,
        }
    }

    pub fn constant(&mut self, number: f32) -> Vec<Value> {
        vec![self.lanes.constant(number); self.unroll]
    }

    /// The value as numbers.
    pub fn number(&mut self, value: ir::Value) -> Vec<Value> {
        let held = self.held(value);
        self.numbers(&held)
    }

    pub fn numbers(&mut self, held: &Held) -> Vec<Value> {
        match held {
            Held::Number(numbers) => numbers.clone(),
            Held::Mask(masks) => masks.iter().map(|mask| self.lanes.number(*mask)).collect(),
        }
    }

    pub fn masks(&mut self, held: &Held) -> Vec<Mask> {
        match held {
            Held::Mask(masks) => masks.clone(),
            Held::Number(numbers) => numbers.iter().map(|number| self.lanes.mask(*number)).collect(),
        }
    }

    /// The value, computed before or read now. What is read is kept for the next use; constants are not, since to read
    /// them again costs less than a register.
    pub fn held(&mut self, value: ir::Value) -> Held {
        let position = value.index();
        if let Some(held) = &self.frame.values[position] {
            return held.clone();
        }
        if let Some(held) = self.kept_before(position) {
            self.set(position, held.clone());
            return held;
        }
        let instruction = self.frame.instruction(position);
        let held = match (self.frame.slots.get(&position), self.frame.level, instruction) {
            (_, _, Instruction::Constant(number)) => return Held::Number(self.constant(*number as f32)),
            (Some(row), _, _) => Held::Number(self.load_row(self.scratch, *row)),
            (None, Some(level), _) if self.frame.is_column(value) => {
                Held::Number(self.at_level(value, level))
            }
            (None, _, Instruction::Input(input)) => match self.frame.inputs[*input].clone() {
                Source::Array(array) => Held::Number(self.load(array, self.cell)),
                Source::Cell(held) => held,
                // Columns, which are read in loops.
                Source::Kept(_) | Source::Table(_) => Held::Number(self.constant(f32::NAN)),
            },
            _ => {
                debug_assert!(is_leaf(instruction), "%{position} is used before it is computed");
                Held::Number(self.constant(f32::NAN))
            }
        };
        self.set(position, held.clone());
        held
    }

    pub fn set(&mut self, position: usize, held: Held) {
        if self.frame.crossing.contains(&position) && !self.frame.slots.contains_key(&position) {
            let numbers = self.numbers(&held);
            let row = self.rows(1);
            self.store_row(self.scratch, row, &numbers);
            self.frame.slots.insert(position, row);
        }
        self.frame.values[position] = Some(held);
        self.frame.log.push(position);
    }

    pub fn mark_values(&self) -> usize {
        self.frame.log.len()
    }

    /// Forgets what has been computed since the mark.
    pub fn forget_values(&mut self, mark: usize) {
        for position in self.frame.log.drain(mark..) {
            self.frame.values[position] = None;
        }
    }

    /// Emits a block that runs only where the condition is not zero.
    pub fn when(&mut self, condition: Value, work: impl FnOnce(&mut Self)) {
        let (then, after) = (self.lanes.builder.create_block(), self.lanes.builder.create_block());
        self.lanes.builder.ins().brif(condition, then, &[], after, &[]);
        self.lanes.builder.switch_to_block(then);
        let mark = self.mark_values();
        work(self);
        self.forget_values(mark);
        self.lanes.builder.ins().jump(after, &[]);
        self.lanes.builder.switch_to_block(after);
    }

    fn store(&mut self, output: usize, offset: Value) {
        let numbers = self.number(self.frame.schedule.kernel.outputs[output].value);
        let address = self.lanes.builder.ins().iadd(self.outputs[output], offset);
        for (u, number) in numbers.into_iter().enumerate() {
            self.lanes.builder.ins().store(write(), number, address, (u * VECTOR) as i32);
        }
    }
}

/// Loads of inputs and tables cannot trap, and outputs never overlap inputs; arrays are aligned to 4 bytes, not to 16.
pub(super) fn read() -> MemFlagsData {
    MemFlagsData::new().with_notrap().with_readonly().with_can_move()
}

/// Rows of scratch, which are aligned to vectors.
pub(super) fn scratch() -> MemFlagsData {
    MemFlagsData::new().with_notrap().with_aligned()
}

/// Outputs.
pub(super) fn write() -> MemFlagsData {
    MemFlagsData::new().with_notrap()
}
