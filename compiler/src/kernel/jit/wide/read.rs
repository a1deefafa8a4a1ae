//! A segment of Cranelift's vectors of four lanes as a [`Program`].

use std::collections::{HashMap, HashSet};

use cranelift_codegen::ir::types::{F32, F32X4, I32X4};
use cranelift_codegen::ir::{Block, Function, Inst, InstructionData, Opcode, Type, Value, ValueDef};

use super::program::{Binary, Number, Operation, Place, Program, Shift};

/// What the block does to a vector of cells, and its instructions that this covers: those on vectors. The others, which say where
/// things lie, remain. `cells` is the bytes from the first cells to those of the round.
///
/// Nothing if something in it has no counterpart, depends on the place of the cells in another way than arrays do, or is
/// made outside.
pub(super) fn read(
    function: &Function,
    block: Block,
    cells: Value,
    arguments: &mut Arguments,
) -> Option<(Program, Vec<Inst>)> {
    let mut reader = Reader {
        function,
        program: Program::default(),
        numbers: HashMap::new(),
        cells,
        moving: HashSet::from([cells]),
        singles: HashMap::new(),
        arguments,
        known: HashMap::new(),
    };
    let mut covered = Vec::new();
    for instruction in function.layout.block_insts(block) {
        if reader.instruction(instruction)? {
            covered.push(instruction);
        }
    }
    Some((reader.program, covered))
}

/// What is handed over to the function of several segments: each address once, though every segment works it out anew.
#[derive(Default)]
pub(super) struct Arguments {
    pub values: Vec<Value>,
    numbers: HashMap<Value, usize>,
    /// The first that is the same.
    same: HashMap<Value, Value>,
    known: HashMap<(InstructionData, Type), Value>,
}

impl Arguments {
    /// What an instruction makes, at the first cells.
    fn note(&mut self, data: InstructionData, result: Value, of: Type, cells: Value) {
        let first = match data {
            InstructionData::Binary { opcode: Opcode::Iadd, args: [x, y] } if y == cells => self.first(x),
            InstructionData::Binary { opcode: Opcode::Iadd, args: [x, y] } if x == cells => self.first(y),
            mut data => {
                match &mut data {
                    InstructionData::Unary { arg, .. } => *arg = self.first(*arg),
                    InstructionData::Binary { args, .. } | InstructionData::IntCompare { args, .. } => {
                        *args = args.map(|arg| self.first(arg));
                    }
                    InstructionData::Ternary { args, .. } => *args = args.map(|arg| self.first(arg)),
                    _ => {}
                }
                *self.known.entry((data, of)).or_insert(result)
            }
        };
        self.same.insert(result, first);
    }

    /// Those from that number on: of a segment that was not taken over.
    pub fn forget(&mut self, from: usize) {
        self.values.truncate(from);
        self.numbers.retain(|_, number| *number < from);
        self.same.clear();
        self.known.clear();
    }

    fn first(&self, value: Value) -> Value {
        self.same.get(&value).copied().unwrap_or(value)
    }

    fn number(&mut self, value: Value) -> usize {
        let value = self.first(value);
        let next = self.values.len();
        let number = *self.numbers.entry(value).or_insert(next);
        if number == next {
            self.values.push(value);
        }
        number
    }
}

struct Reader<'a> {
    function: &'a Function,
    program: Program,
    numbers: HashMap<Value, Number>,
    cells: Value,
    /// Addresses that go with the cells.
    moving: HashSet<Value>,
    /// Floats on their own.
    singles: HashMap<Value, Place>,
    arguments: &'a mut Arguments,
    known: HashMap<Operation, Number>,
}

impl Reader<'_> {
    /// Whether it is on vectors.
    fn instruction(&mut self, instruction: Inst) -> Option<bool> {
        let dfg = &self.function.dfg;
        let data = dfg.insts[instruction];
        if let InstructionData::Store { args: [number, address], offset, flags, .. } = data {
            let number = self.number(number)?;
            let place = self.cells(address, offset.into())?;
            let flags = dfg.mem_flags[flags];
            self.program.operations.push(match (flags.aligned(), flags.can_move()) {
                (true, false) => Operation::Store(place, number),
                (true, true) => Operation::Pass(place, number),
                (false, _) => Operation::Write(place, number),
            });
            return Some(true);
        }
        let result = dfg.first_result(instruction);
        let of = dfg.value_type(result);
        if of == F32 {
            let InstructionData::Load { opcode: Opcode::Load, arg, offset, .. } = data else { return None };
            let place = Place::Fixed { argument: self.fixed(arg)?, offset: offset.into() };
            self.singles.insert(result, place);
            return Some(true);
        }
        if !of.is_vector() {
            self.address(&data, result)?;
            return Some(false);
        }
        if of != F32X4 && of != I32X4 {
            return None;
        }
        let number = match data {
            // The same bits under another name.
            InstructionData::LoadNoOffset { opcode: Opcode::Bitcast, arg, .. } => self.number(arg)?,
            data => {
                let operation = self.operation(&data)?;
                self.push(operation)
            }
        };
        self.numbers.insert(result, number);
        Some(true)
    }

    fn operation(&mut self, data: &InstructionData) -> Option<Operation> {
        Some(match *data {
            InstructionData::UnaryConst { opcode: Opcode::Vconst, .. } => self.constant(data)?,
            InstructionData::Load { opcode: Opcode::Load, arg, offset, flags } => {
                let place = self.cells(arg, offset.into())?;
                let of_array = self.function.dfg.mem_flags[flags].readonly();
                if of_array { Operation::Read(place) } else { Operation::Load(place) }
            }
            InstructionData::Unary { opcode: Opcode::Splat, arg } => {
                Operation::Splat(*self.singles.get(&arg)?)
            }
            InstructionData::Unary { opcode, arg } => {
                let x = self.number(arg)?;
                match opcode {
                    Opcode::Sqrt => Operation::Sqrt(x),
                    Opcode::FcvtFromSint => Operation::Float(x),
                    Opcode::Fneg => self.with_bits(Binary::Xor, x, 1 << 31),
                    Opcode::Fabs => self.with_bits(Binary::And, x, !(1 << 31)),
                    Opcode::Bnot => self.with_bits(Binary::Xor, x, !0),
                    _ => return None,
                }
            }
            InstructionData::Binary { opcode, args: [x, y] } => match opcode {
                Opcode::Ishl => self.shift(Shift::Left, x, y)?,
                Opcode::Sshr => self.shift(Shift::Right, x, y)?,
                Opcode::Ushr => self.shift(Shift::RightUnsigned, x, y)?,
                _ => Operation::Binary(binary(opcode)?, [self.number(x)?, self.number(y)?]),
            },
            InstructionData::FloatCompare { opcode: Opcode::Fcmp, args: [x, y], cond } => {
                Operation::Compare(cond, [self.number(x)?, self.number(y)?])
            }
            InstructionData::Ternary { opcode, args: [x, y, z] } => match opcode {
                Opcode::Fma => Operation::MultiplyAdd([self.number(x)?, self.number(y)?, self.number(z)?]),
                Opcode::Bitselect => Operation::Select([self.number(x)?, self.number(y)?, self.number(z)?]),
                Opcode::Select => {
                    let argument = self.fixed(x)?;
                    let mask = self.push(Operation::Splat(Place::Argument(argument)));
                    Operation::Select([mask, self.number(y)?, self.number(z)?])
                }
                _ => return None,
            },
            _ => return None,
        })
    }

    fn push(&mut self, operation: Operation) -> Number {
        let next = self.program.operations.len();
        // What is the same is computed once; what lies in memory may have changed.
        if !matches!(operation, Operation::Load(_) | Operation::Read(_) | Operation::Splat(_)) {
            let known = *self.known.entry(operation).or_insert(next);
            if known != next {
                return known;
            }
        }
        self.program.operations.push(operation);
        next
    }

    fn with_bits(&mut self, binary: Binary, x: Number, bits: u32) -> Operation {
        let bits = self.push(Operation::Constant(bits));
        Operation::Binary(binary, [x, bits])
    }

    fn shift(&mut self, shift: Shift, x: Value, by: Value) -> Option<Operation> {
        let ValueDef::Result(by, _) = self.function.dfg.value_def(by) else { return None };
        let InstructionData::UnaryImm { opcode: Opcode::Iconst, imm } = self.function.dfg.insts[by] else {
            return None;
        };
        let by = u8::try_from(imm.bits()).ok().filter(|by| *by < 32)?;
        Some(Operation::Shift(shift, self.number(x)?, by))
    }

    /// A vector of this block, or a constant.
    fn number(&mut self, value: Value) -> Option<Number> {
        let value = self.function.dfg.resolve_aliases(value);
        if let Some(number) = self.numbers.get(&value) {
            return Some(*number);
        }
        let ValueDef::Result(instruction, _) = self.function.dfg.value_def(value) else { return None };
        let constant = self.constant(&self.function.dfg.insts[instruction])?;
        Some(self.push(constant))
    }

    /// The same number in each lane.
    fn constant(&self, data: &InstructionData) -> Option<Operation> {
        let InstructionData::UnaryConst { opcode: Opcode::Vconst, constant_handle } = *data else {
            return None;
        };
        let bytes = self.function.dfg.constants.get(constant_handle).as_slice();
        let first = bytes.first_chunk::<4>()?;
        bytes.chunks(4).all(|lane| lane == first).then(|| Operation::Constant(u32::from_le_bytes(*first)))
    }

    /// An address, a count or a condition: it may go with the cells as a sum does.
    fn address(&mut self, data: &InstructionData, result: Value) -> Option<()> {
        let dfg = &self.function.dfg;
        let operands = match data {
            InstructionData::Unary { arg, .. } => vec![*arg],
            InstructionData::Binary { args, .. } | InstructionData::IntCompare { args, .. } => args.to_vec(),
            InstructionData::Ternary { args, .. } => args.to_vec(),
            InstructionData::UnaryImm { .. } => Vec::new(),
            _ => return None,
        };
        if operands.iter().any(|operand| dfg.value_type(*operand).is_vector()) {
            return None;
        }
        let moving = operands.iter().filter(|operand| self.moving.contains(*operand)).count();
        match (moving, data) {
            (0, _) => {}
            (1, InstructionData::Binary { opcode: Opcode::Iadd, .. }) => {
                self.moving.insert(result);
            }
            _ => return None,
        }
        self.arguments.note(*data, result, dfg.value_type(result), self.cells);
        Some(())
    }

    fn cells(&mut self, address: Value, offset: i32) -> Option<Place> {
        if !self.moving.contains(&address) {
            return None;
        }
        Some(Place::Cells { argument: self.arguments.number(address), offset })
    }

    fn fixed(&mut self, value: Value) -> Option<usize> {
        (!self.moving.contains(&value)).then(|| self.arguments.number(value))
    }
}

fn binary(opcode: Opcode) -> Option<Binary> {
    Some(match opcode {
        Opcode::Fadd => Binary::Add,
        Opcode::Fsub => Binary::Sub,
        Opcode::Fmul => Binary::Mul,
        Opcode::Fdiv => Binary::Div,
        Opcode::Band => Binary::And,
        Opcode::Bor => Binary::Or,
        Opcode::Bxor => Binary::Xor,
        Opcode::Iadd => Binary::AddIntegers,
        Opcode::Isub => Binary::SubIntegers,
        _ => return None,
    })
}
