//! From a schedule to a Cranelift function.
//!
//! The function is `(inputs, outputs, tables, stride, start, end)`: an array of pointers to the inputs, another to the
//! outputs, a pointer to the per-level constants, and three byte counts: from one level of a column to the
//! next, and the cells to work on. `end − start` is a multiple of a group (`4 × unroll` cells). It reads and writes the
//! cells from `start` to `end` on the levels of each array and nothing else.
//!
//! A value of the IR is held as `unroll` vectors of four cells.

use cranelift_codegen::ir::condcodes::IntCC;
use cranelift_codegen::ir::types::{F32, F32X4, I64};
use cranelift_codegen::ir::{BlockArg, InstBuilder, MemFlagsData, Value};
use cranelift_frontend::FunctionBuilder;

use super::super::ir::{self, Binary, Domain, Instruction, Kernel, Reduce};
use super::lanes::{Lanes, Mask};
use super::schedule::{LevelLoop, Schedule, Stage, is_leaf};

/// Bytes in a lane, and in a vector.
const LANE: usize = 4;
const VECTOR: usize = 16;

/// Per-level constants in one array: where each begins, in bytes.
#[derive(Debug, Default)]
pub(super) struct Tables {
    pub numbers: Vec<f32>,
    offsets: Vec<i32>,
}

impl Tables {
    /// Gathers the per-level constants and weights of a kernel. `None` if they are too many to address.
    pub fn of(kernel: &Kernel) -> Option<Self> {
        let mut tables = Self::default();
        for instruction in &kernel.instructions {
            tables.offsets.push(i32::try_from(tables.numbers.len() * LANE).ok()?);
            let numbers = match instruction {
                Instruction::Levels(numbers) | Instruction::Reduce { weights: Some(numbers), .. } => numbers,
                _ => continue,
            };
            tables.numbers.extend(numbers.iter().map(|number| *number as f32));
        }
        Some(tables)
    }
}

/// Emits the whole body of a function whose entry block has the six parameters and is the current block.
pub(super) fn emit(
    builder: &mut FunctionBuilder,
    parameters: &[Value],
    kernel: &Kernel,
    schedule: &Schedule,
    tables: &Tables,
    unroll: usize,
) {
    let pointers = |builder: &mut FunctionBuilder, array: Value, count: usize| -> Vec<Value> {
        (0..count).map(|k| builder.ins().load(I64, read(), array, (k * 8) as i32)).collect()
    };
    let inputs = pointers(builder, parameters[0], kernel.inputs.len());
    let outputs = pointers(builder, parameters[1], kernel.outputs.len());
    let (stride, start, end) = (parameters[3], parameters[4], parameters[5]);

    let head = builder.create_block();
    let body = builder.create_block();
    let exit = builder.create_block();
    let offset = builder.append_block_param(head, I64);
    builder.ins().jump(head, &[start.into()]);
    builder.switch_to_block(head);
    let more = builder.ins().icmp(IntCC::UnsignedLessThan, offset, end);
    builder.ins().brif(more, body, &[], exit, &[]);
    builder.switch_to_block(body);
    let mut group = Group {
        lanes: Lanes { builder },
        kernel,
        domains: &schedule.domains,
        tables,
        unroll,
        inputs: &inputs,
        outputs: &outputs,
        table: parameters[2],
        stride,
        cell: offset,
        level: None,
        values: vec![None; kernel.instructions.len()],
    };
    schedule.stages.iter().for_each(|stage| group.stage(stage));
    let next = builder.ins().iadd_imm_s(offset, (unroll * VECTOR) as i64);
    builder.ins().jump(head, &[next.into()]);
    builder.switch_to_block(exit);
    builder.ins().return_(&[]);
}

/// A value as vectors of four cells, `unroll` of them.
#[derive(Clone)]
enum Held {
    Number(Vec<Value>),
    /// A comparison that nobody has asked for as a number.
    Mask(Vec<Mask>),
}

/// Where a level loop stands.
#[derive(Clone, Copy)]
struct Level {
    /// Bytes from an array's start to these cells on this level.
    offset: Value,
    /// Bytes from a table's start to this level.
    table: Value,
}

/// The work on one group of cells.
struct Group<'a, 'b, 'c> {
    lanes: Lanes<'b, 'c>,
    kernel: &'a Kernel,
    domains: &'a [Domain],
    tables: &'a Tables,
    unroll: usize,
    inputs: &'a [Value],
    outputs: &'a [Value],
    table: Value,
    stride: Value,
    /// Bytes from an array's start to these cells on level 0.
    cell: Value,
    level: Option<Level>,
    /// What has been computed and may be used in the current block.
    values: Vec<Option<Held>>,
}

impl Group<'_, '_, '_> {
    fn stage(&mut self, stage: &Stage) {
        for position in &stage.cells {
            self.instruction(*position);
        }
        for output in &stage.outputs {
            self.store(*output, self.cell);
        }
        for level_loop in &stage.loops {
            self.level_loop(level_loop);
        }
    }

    /// A loop with its test at the end: its range is never empty. It carries its place and the reductions so far.
    fn level_loop(&mut self, level_loop: &LevelLoop) {
        self.load_cells_before(level_loop);
        let first = self.lanes.builder.ins().imul_imm_s(self.stride, level_loop.range.start as i64);
        let first = self.lanes.builder.ins().iadd(self.cell, first);
        let table = self.lanes.builder.ins().iconst(I64, (level_loop.range.start * LANE) as i64);
        let mut carried = vec![first, table];
        for reduction in &level_loop.reductions {
            let identity = self.lanes.constant(identity(&self.kernel.instructions[*reduction]));
            carried.extend(vec![identity; self.unroll]);
        }

        let body = self.lanes.builder.create_block();
        let arguments: Vec<BlockArg> = carried.iter().map(|value| BlockArg::from(*value)).collect();
        self.lanes.builder.ins().jump(body, &arguments);
        self.lanes.builder.switch_to_block(body);
        let place: Vec<Value> = [I64, I64].map(|of| self.lanes.builder.append_block_param(body, of)).into();
        let sums: Vec<Value> =
            carried[2..].iter().map(|_| self.lanes.builder.append_block_param(body, F32X4)).collect();
        self.level = Some(Level { offset: place[0], table: place[1] });
        let sums = self.level_body(level_loop, &sums);

        let offset = self.lanes.builder.ins().iadd(place[0], self.stride);
        let table = self.lanes.builder.ins().iadd_imm_s(place[1], LANE as i64);
        let end = (level_loop.range.end * LANE) as i64;
        let more = self.lanes.builder.ins().icmp_imm_s(IntCC::UnsignedLessThan, table, end);
        let exit = self.lanes.builder.create_block();
        let again: Vec<BlockArg> =
            [offset, table].iter().chain(&sums).map(|value| BlockArg::from(*value)).collect();
        self.lanes.builder.ins().brif(more, body, &again, exit, &[]);
        self.lanes.builder.switch_to_block(exit);
        self.level = None;
        self.leave_loop(level_loop, &sums);
    }

    /// Cell inputs that the body reads are loaded once, outside. (Cell instructions have been computed already.)
    fn load_cells_before(&mut self, level_loop: &LevelLoop) {
        for position in &level_loop.body {
            for operand in self.kernel.instructions[*position].operands() {
                let input = matches!(self.kernel.instructions[operand.index()], Instruction::Input(_));
                if input && self.domains[operand.index()] == Domain::Cell {
                    self.number(operand);
                }
            }
        }
    }

    /// What happens on one level; gives the reductions with this level taken in.
    fn level_body(&mut self, level_loop: &LevelLoop, sums: &[Value]) -> Vec<Value> {
        for position in &level_loop.body {
            self.instruction(*position);
        }
        if let Some(level) = self.level {
            for output in &level_loop.outputs {
                self.store(*output, level.offset);
            }
        }
        let mut results = Vec::new();
        for (position, sums) in level_loop.reductions.iter().zip(sums.chunks(self.unroll)) {
            results.extend(self.reduce(level_loop, *position, sums));
        }
        results
    }

    fn reduce(&mut self, level_loop: &LevelLoop, position: usize, sums: &[Value]) -> Vec<Value> {
        let kernel = self.kernel;
        let Instruction::Reduce { op, value, weights, levels } = &kernel.instructions[position] else {
            return sums.to_vec();
        };
        let op = match op {
            Reduce::Sum => Binary::Add,
            Reduce::Min => Binary::Min,
            Reduce::Max => Binary::Max,
        };
        let weight = weights.is_some().then(|| self.table_entry(position));
        let taken = levels.as_ref().filter(|levels| **levels != level_loop.range);
        let taken = taken.zip(self.level).map(|(levels, level)| {
            let builder = &mut self.lanes.builder;
            let from = builder.ins().iadd_imm_s(level.table, -((levels.start * LANE) as i64));
            builder.ins().icmp_imm_s(IntCC::UnsignedLessThan, from, (levels.len() * LANE) as i64)
        });
        let column = self.number(*value);
        let mut results = Vec::new();
        for (sum, value) in sums.iter().zip(column) {
            let term = match weight {
                Some(weight) => self.lanes.binary(Binary::Mul, value, weight),
                None => value,
            };
            let next = self.lanes.binary(op, *sum, term);
            results.push(match taken {
                Some(taken) => self.lanes.builder.ins().select(taken, next, *sum),
                None => next,
            });
        }
        results
    }

    /// Column values end with the loop; the reductions become cell values.
    fn leave_loop(&mut self, level_loop: &LevelLoop, sums: &[Value]) {
        for (value, domain) in self.values.iter_mut().zip(self.domains) {
            if *domain != Domain::Cell {
                *value = None;
            }
        }
        for (position, sums) in level_loop.reductions.iter().zip(sums.chunks(self.unroll)) {
            self.values[*position] = Some(Held::Number(sums.to_vec()));
        }
    }

    fn instruction(&mut self, position: usize) {
        let kernel = self.kernel;
        let held = match &kernel.instructions[position] {
            Instruction::Unary { op, value } => {
                let value = self.number(*value);
                Held::Number(value.into_iter().map(|x| self.lanes.unary(*op, x)).collect())
            }
            Instruction::Binary { op, left, right } => {
                let pairs = self.number(*left).into_iter().zip(self.number(*right));
                Held::Number(pairs.map(|(x, y)| self.lanes.binary(*op, x, y)).collect())
            }
            Instruction::Compare { op, left, right } => {
                let pairs = self.number(*left).into_iter().zip(self.number(*right));
                Held::Mask(pairs.map(|(x, y)| self.lanes.compare(*op, x, y)).collect())
            }
            Instruction::Select { mask, then, otherwise } => {
                let mask = self.mask(*mask);
                let pairs = self.number(*then).into_iter().zip(self.number(*otherwise));
                let lanes = mask.into_iter().zip(pairs);
                Held::Number(lanes.map(|(mask, (x, y))| self.lanes.select(mask, x, y)).collect())
            }
            // Leaves are read where they are used, and loops make reductions.
            Instruction::Input(_) | Instruction::Constant(_) | Instruction::Levels(_) => return,
            Instruction::Reduce { .. } => return,
            // Refused before any code is made: see `unsupported`.
            _ => return,
        };
        self.values[position] = Some(held);
    }

    /// The value as numbers.
    fn number(&mut self, value: ir::Value) -> Vec<Value> {
        let position = value.index();
        match self.values[position].clone() {
            Some(Held::Number(numbers)) => numbers,
            Some(Held::Mask(masks)) => masks.into_iter().map(|mask| self.lanes.number(mask)).collect(),
            None => self.leaf(position),
        }
    }

    /// The value as a mask.
    fn mask(&mut self, value: ir::Value) -> Vec<Mask> {
        if let Some(Held::Mask(masks)) = &self.values[value.index()] {
            return masks.clone();
        }
        self.number(value).into_iter().map(|number| self.lanes.mask(number)).collect()
    }

    /// Reads an input or a constant. Inputs are kept for the next use; constants are not, since to read them again
    /// costs less than a register.
    fn leaf(&mut self, position: usize) -> Vec<Value> {
        debug_assert!(
            is_leaf(&self.kernel.instructions[position]),
            "%{position} is used before it is computed"
        );
        match &self.kernel.instructions[position] {
            Instruction::Input(input) => {
                let column = self.domains[position] != Domain::Cell;
                let offset = self.level.filter(|_| column).map_or(self.cell, |level| level.offset);
                let address = self.lanes.builder.ins().iadd(self.inputs[*input], offset);
                let load = |u| self.lanes.builder.ins().load(F32X4, read(), address, (u * VECTOR) as i32);
                let numbers: Vec<Value> = (0..self.unroll).map(load).collect();
                self.values[position] = Some(Held::Number(numbers.clone()));
                numbers
            }
            Instruction::Levels(_) => vec![self.table_entry(position); self.unroll],
            Instruction::Constant(number) => vec![self.lanes.constant(*number as f32); self.unroll],
            _ => vec![self.lanes.constant(f32::NAN); self.unroll],
        }
    }

    /// This level's number of an instruction's table, in all lanes.
    fn table_entry(&mut self, position: usize) -> Value {
        let level = self.level.map_or(self.cell, |level| level.table);
        let address = self.lanes.builder.ins().iadd(self.table, level);
        let number = self.lanes.builder.ins().load(F32, read(), address, self.tables.offsets[position]);
        self.lanes.builder.ins().splat(F32X4, number)
    }

    fn store(&mut self, output: usize, offset: Value) {
        let numbers = self.number(self.kernel.outputs[output].value);
        let address = self.lanes.builder.ins().iadd(self.outputs[output], offset);
        for (u, number) in numbers.into_iter().enumerate() {
            self.lanes.builder.ins().store(write(), number, address, (u * VECTOR) as i32);
        }
    }
}

/// What a reduction starts from: joined with the first level, it gives the first level (−0 for a sum, since +0 would
/// turn a −0 into +0).
fn identity(reduction: &Instruction) -> f32 {
    match reduction {
        Instruction::Reduce { op: Reduce::Min, .. } => f32::INFINITY,
        Instruction::Reduce { op: Reduce::Max, .. } => f32::NEG_INFINITY,
        _ => -0.0,
    }
}

/// Loads cannot trap, and outputs never overlap inputs; arrays are aligned to 4 bytes, not to 16.
fn read() -> MemFlagsData {
    MemFlagsData::new().with_notrap().with_readonly().with_can_move()
}

fn write() -> MemFlagsData {
    MemFlagsData::new().with_notrap()
}
