//! What lies in which register when: operations in order, and when registers are short the number that is wanted last of all is
//! put aside.

use cranelift_codegen::ir::condcodes::FloatCC;
use iced_x86::MemoryOperand;

use super::Vectors;
use super::assembler::{Assembler, Source};
use super::program::{Number, Operation, Place, Program};

/// The function that does the programs, one after the other, to each vector of so many bytes of cells, and how many numbers it puts
/// aside at most.
pub(super) fn write(
    programs: &[Program],
    arguments: usize,
    vectors: Vectors,
    bytes: usize,
) -> Result<(Vec<u8>, usize), String> {
    let mut assembler = Assembler::new(vectors, arguments);
    let mut slots = 0;
    for program in programs {
        let count = program.operations.len();
        assembler.begin();
        let mut writer = Writer {
            program,
            assembler: &mut assembler,
            uses: program.uses(),
            position: 0,
            register: vec![None; count],
            aside: vec![None; count],
            slots: 0,
            free_slots: Vec::new(),
            bytes,
            holds: vec![None; usize::from(Assembler::registers(vectors))],
            pinned: Vec::new(),
        };
        writer.all();
        slots = slots.max(writer.slots);
    }
    Ok((assembler.finish(bytes)?, slots))
}

struct Writer<'a> {
    program: &'a Program,
    assembler: &'a mut Assembler,
    /// For each number where it is used from now on, the last first.
    uses: Vec<Vec<usize>>,
    position: usize,
    register: Vec<Option<u8>>,
    /// Where it lies as well.
    aside: Vec<Option<usize>>,
    slots: usize,
    /// Of the cells of a tile.
    bytes: usize,
    free_slots: Vec<usize>,
    holds: Vec<Option<Number>>,
    /// What the current operation needs where it is.
    pinned: Vec<u8>,
}

impl Writer<'_> {
    fn all(&mut self) {
        for (position, operation) in self.program.operations.iter().enumerate() {
            self.position = position;
            if (operation.is_store() || !self.uses[position].is_empty())
                && self.operation(*operation).is_none()
            {
                self.assembler.refuse("an operation has no counterpart on wide vectors");
                return;
            }
        }
    }

    fn operation(&mut self, operation: Operation) -> Option<()> {
        match operation {
            // Read where they are used.
            Operation::Constant(_) => {}
            Operation::Load(place) => {
                let from = self.place(place);
                let to = self.make()?;
                self.assembler.load(to, from);
            }
            Operation::Read(place) => {
                let from = self.place(place);
                let to = self.make()?;
                self.assembler.load(to, from);
                self.assembler.fetch_ahead(from, self.bytes, false);
            }
            Operation::Splat(place) => {
                let from = self.place(place);
                let to = self.make()?;
                self.assembler.splat(to, from);
            }
            Operation::Store(place, number)
            | Operation::Pass(place, number)
            | Operation::Write(place, number) => {
                let from = self.read(number)?;
                let to = self.place(place);
                self.assembler.store(to, from);
                if let Operation::Write(..) = operation {
                    self.assembler.fetch_ahead(to, self.bytes, true);
                }
                self.pass();
            }
            Operation::Sqrt(x) => self.unary(x, Assembler::sqrt)?,
            Operation::Float(x) => self.unary(x, Assembler::float)?,
            Operation::Shift(shift, x, by) => {
                let from = self.read(x)?;
                let to = self.make()?;
                self.assembler.shift(shift, to, from, by);
            }
            Operation::Binary(binary, [x, y]) => {
                let (x, y) = if binary.commutes() && self.is_constant(x) { (y, x) } else { (x, y) };
                let first = self.read(x)?;
                let second = self.source(y)?;
                let to = self.make()?;
                self.assembler.binary(binary, to, first, second);
            }
            Operation::MultiplyAdd(numbers) => self.multiply_add(numbers)?,
            Operation::Compare(condition, [x, y]) => {
                let first = self.read(x)?;
                let second = self.source(y)?;
                let to = self.make()?;
                self.assembler.compare(predicate(condition)?, to, first, second);
            }
            Operation::Select([mask, x, y]) => {
                let x = self.read(x)?;
                let y = self.source(y)?;
                let to = self.claim(mask)?;
                self.assembler.select(to, x, y);
            }
            Operation::SelectIf(condition, [a, b], [x, y]) => {
                let pair = [self.read(a)?, self.read(b)?];
                let x = self.source(x)?;
                let y = self.read(y)?;
                let to = self.make()?;
                self.assembler.select_if(predicate(condition)?, pair, to, x, y);
            }
            Operation::SetIf(condition, [a, b], x) => {
                let a = self.read(a)?;
                let b = self.source(b)?;
                let to = self.claim(x)?;
                self.assembler.set_if(predicate(condition)?, a, b, to);
            }
        }
        Some(())
    }

    fn unary(&mut self, x: Number, write: fn(&mut Assembler, u8, Source)) -> Option<()> {
        let from = self.source(x)?;
        let to = self.make()?;
        write(self.assembler, to, from);
        Some(())
    }

    /// Whichever of the three is not wanted any more becomes the result.
    fn multiply_add(&mut self, [x, y, z]: [Number; 3]) -> Option<()> {
        let (x, y) =
            if self.is_constant(x) || (self.is_last(y) && !self.is_constant(y)) { (y, x) } else { (x, y) };
        if !self.is_constant(z) && (self.is_last(z) || !self.is_last(x)) && z != x && z != y {
            let first = self.read(x)?;
            let second = self.source(y)?;
            let to = self.claim(z)?;
            self.assembler.multiply_add_231(to, first, second);
        } else if self.is_constant(y) {
            let third = self.read(z)?;
            let second = self.source(y)?;
            let to = self.claim(x)?;
            self.assembler.multiply_add_132(to, third, second);
        } else {
            let second = self.read(y)?;
            let third = self.source(z)?;
            let to = self.claim(x)?;
            self.assembler.multiply_add_213(to, second, third);
        }
        Some(())
    }

    fn is_constant(&self, number: Number) -> bool {
        matches!(self.program.operations[number], Operation::Constant(_))
    }

    /// Whether nothing later uses it.
    fn is_last(&self, number: Number) -> bool {
        self.uses[number].first() == Some(&self.position)
    }

    fn place(&mut self, place: Place) -> MemoryOperand {
        match place {
            Place::Cells { argument, offset } => self.assembler.at(argument, offset, true),
            Place::Fixed { argument, offset } => self.assembler.at(argument, offset, false),
            Place::Argument(argument) => self.assembler.argument(argument),
        }
    }

    /// The register of an operand.
    fn read(&mut self, number: Number) -> Option<u8> {
        let register = match self.register[number] {
            Some(register) => register,
            None => {
                let register = self.free()?;
                let from = self.elsewhere(number)?;
                self.assembler.load(register, from);
                self.put(number, register);
                register
            }
        };
        self.pinned.push(register);
        Some(register)
    }

    /// An operand that may as well lie in memory.
    fn source(&mut self, number: Number) -> Option<Source> {
        if self.register[number].is_none() && (self.is_constant(number) || self.is_last(number)) {
            return Some(Source::Memory(self.elsewhere(number)?));
        }
        Some(Source::Register(self.read(number)?))
    }

    /// Where it lies if not in a register.
    fn elsewhere(&mut self, number: Number) -> Option<MemoryOperand> {
        if let Operation::Constant(bits) = self.program.operations[number] {
            return Some(self.assembler.constant(bits));
        }
        self.aside[number].map(|slot| self.assembler.aside(slot))
    }

    /// The register of the result, which may be that of an operand that nothing later uses.
    fn make(&mut self) -> Option<u8> {
        // An operand may lie aside and be read from there: what makes room must not go to its place.
        let free_before = std::mem::take(&mut self.free_slots);
        self.end_operands();
        let ended = std::mem::replace(&mut self.free_slots, free_before);
        self.pinned.retain(|register| self.holds[usize::from(*register)].is_some());
        let register = self.free()?;
        self.free_slots.extend(ended);
        self.put(self.position, register);
        self.pinned.clear();
        Some(register)
    }

    /// The same where the result takes the place of this operand. The others have been read.
    fn claim(&mut self, number: Number) -> Option<u8> {
        let from = self.read(number)?;
        if self.is_last(number) {
            self.end_operands();
            self.put(self.position, from);
            self.pinned.clear();
            return Some(from);
        }
        // The others must not be overwritten before they are read.
        let to = self.free()?;
        self.assembler.copy(to, from);
        self.end_operands();
        self.put(self.position, to);
        self.pinned.clear();
        Some(to)
    }

    /// No result.
    fn pass(&mut self) {
        self.end_operands();
        self.pinned.clear();
    }

    /// Takes this use off the operands; those that have no other give their registers.
    fn end_operands(&mut self) {
        for operand in self.program.operations[self.position].operands() {
            if self.uses[operand].last() == Some(&self.position) {
                self.uses[operand].pop();
            }
            if !self.uses[operand].is_empty() {
                continue;
            }
            if let Some(register) = self.register[operand].take() {
                self.holds[usize::from(register)] = None;
            }
            self.free_slots.extend(self.aside[operand].take());
        }
    }

    fn put(&mut self, number: Number, register: u8) {
        self.register[number] = Some(register);
        self.holds[usize::from(register)] = Some(number);
    }

    /// A register that holds nothing, if need be after what it held has been put aside.
    fn free(&mut self) -> Option<u8> {
        let pinned = &self.pinned;
        let is_free = |register: &u8| !pinned.contains(register);
        let all = 0..u8::try_from(self.holds.len()).ok()?;
        if let Some(register) =
            all.clone().find(|register| self.holds[usize::from(*register)].is_none() && is_free(register))
        {
            return Some(register);
        }
        let next_use = |register: &u8| {
            let number = self.holds[usize::from(*register)]?;
            self.uses[number].last().copied()
        };
        let register = all.filter(is_free).max_by_key(next_use)?;
        let number = self.holds[usize::from(register)].take()?;
        self.register[number] = None;
        if !self.is_constant(number) && self.aside[number].is_none() {
            let slot = self.free_slots.pop().unwrap_or_else(|| {
                self.slots += 1;
                self.slots - 1
            });
            let place = self.assembler.aside(slot);
            self.assembler.store(place, register);
            self.aside[number] = Some(slot);
        }
        Some(register)
    }
}

/// The comparison as the processor's instruction has it; no signal for NaN.
fn predicate(condition: FloatCC) -> Option<u8> {
    Some(match condition {
        FloatCC::Equal => 0,
        FloatCC::Unordered => 3,
        FloatCC::NotEqual => 4,
        FloatCC::Ordered => 7,
        FloatCC::UnorderedOrEqual => 8,
        FloatCC::OrderedNotEqual => 12,
        FloatCC::LessThan => 17,
        FloatCC::LessThanOrEqual => 18,
        FloatCC::UnorderedOrGreaterThanOrEqual => 21,
        FloatCC::UnorderedOrGreaterThan => 22,
        FloatCC::UnorderedOrLessThan => 25,
        FloatCC::UnorderedOrLessThanOrEqual => 26,
        FloatCC::GreaterThanOrEqual => 29,
        FloatCC::GreaterThan => 30,
    })
}
