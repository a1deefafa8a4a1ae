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

use cranelift_codegen::ir::condcodes::IntCC;
use cranelift_codegen::ir::types::I64;
use cranelift_codegen::ir::{InstBuilder, MemFlagsData, Value};
use cranelift_frontend::FunctionBuilder;
use cranelift_jit::JITModule;

use super::super::ir::{self, Binary, Compare, Instruction};
use super::JitError;
use super::frame::{Frame, Held, Source};
use super::lanes::{Lanes, Mask};
use super::missing::{Carried, carried};
use super::schedule::{Schedule, Step, is_leaf};
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
    // A function goes through rows in whole vectors.
    let vectors = shape.vectors.filter(|vectors| (shape.cells() * LANE).is_multiple_of(vectors.bytes()));
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
        wide: vectors.map(|vectors| Wide::new(vectors, module)),
    };
    if shape.groups > 1 {
        emitter.frame.crossing = super::tile::crossing(schedule);
        emitter.segment = Some(super::tile::Segment::of(parameters[3], offset));
    }
    emitter.open_segment();
    emitter.steps();
    emitter.close_segment();
    emitter.call_wide(true);
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

    /// Computes an instruction that depends on one level, or on none.
    pub fn instruction(&mut self, position: usize) {
        let instruction = self.frame.instruction(position);
        let held = match instruction {
            Instruction::Shift { value, by } => {
                let levels = self.frame.schedule.domains[position].levels();
                let (Some(level), Some(before)) = (self.frame.level, self.frame.before) else { return };
                // A column that this loop is making is there as far as the level before.
                let known = self.frame.filled.contains(&value.index());
                let level = match !known && self.frame.filling.contains(&value.index()) {
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
                // Where it is missing it must not seem to hold.
                let sure = |mask: &Mask| {
                    let holds = self.lanes.builder.ins().band_not(mask.holds, mask.missing);
                    Mask { holds, missing: mask.missing }
                };
                Held::Mask(x.iter().map(sure).collect())
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

    pub fn store(&mut self, output: usize, offset: Value) {
        let numbers = self.number(self.frame.schedule.kernel.outputs[output].value);
        let address = self.lanes.builder.ins().iadd(self.outputs[output], offset);
        for (u, number) in numbers.into_iter().enumerate() {
            self.lanes.builder.ins().store(write(), number, address, (u * VECTOR) as i32);
        }
    }
}

/// These flags are also how [`wide`](super::wide) tells arrays (read only, or not aligned), rows of scratch (aligned) and rows that are
/// read on this level only (aligned, and free to move) from each other.
///
/// Loads of inputs and tables cannot trap, and outputs never overlap inputs; arrays are aligned to 4 bytes, not to 16.
pub(super) fn read() -> MemFlagsData {
    MemFlagsData::new().with_notrap().with_readonly().with_can_move()
}

/// Rows of scratch, which are aligned to vectors.
pub(super) fn scratch() -> MemFlagsData {
    MemFlagsData::new().with_notrap().with_aligned()
}

/// The same of rows that nobody reads on another level.
pub(super) fn passing() -> MemFlagsData {
    scratch().with_can_move()
}

/// Outputs.
pub(super) fn write() -> MemFlagsData {
    MemFlagsData::new().with_notrap()
}
