//! The list that a derivative is written to: instructions with their domains, each written once.
//!
//! It starts as a copy of what is differentiated, one instruction for each of it, so that a value of the original
//! has the same number here; what the derivative needs is added behind it. What is added is not bound to the bits of
//! anything, so additions of 0 and multiplications by 1 are left out, whatever the sign of a zero.

use std::collections::BTreeMap;
use std::ops::Range;

use super::super::ir::{Binary, Compare, Domain, Instruction, Reduce, Unary, Value};
use super::super::passes::{Key, Keys};

/// Instructions of a kernel, or of the body of a scan, where all values are cells.
#[derive(Clone, Debug, Default)]
pub(super) struct Tape {
    pub instructions: Vec<Instruction>,
    pub domains: Vec<Domain>,
    keys: Keys,
    first: BTreeMap<Key, Value>,
}

impl Tape {
    /// One more instruction, written even if it is there already.
    pub fn keep(&mut self, instruction: Instruction, domain: Domain) -> Value {
        let value = Value::new(self.instructions.len());
        self.first.entry(self.keys.of(&instruction)).or_insert(value);
        self.instructions.push(instruction);
        self.domains.push(domain);
        value
    }

    /// The value of an instruction, which is written if it is not there. Inputs have to be kept with their domain.
    pub fn push(&mut self, instruction: Instruction) -> Value {
        if let Some(value) = self.first.get(&self.keys.of(&instruction)) {
            return *value;
        }
        let domain = self.domain_of(&instruction);
        self.keep(instruction, domain)
    }

    pub fn domain(&self, value: Value) -> Domain {
        self.domains.get(value.index()).copied().unwrap_or(Domain::Cell)
    }

    fn domain_of(&self, instruction: &Instruction) -> Domain {
        let joined = |values: &[Value]| values.iter().map(|v| self.domain(*v)).max().unwrap_or(Domain::Cell);
        match instruction {
            Instruction::Levels(numbers) => Domain::Column(numbers.len()),
            Instruction::Reduce { .. } | Instruction::Layer { .. } => Domain::Cell,
            Instruction::Interpolate { at, .. } => self.domain(*at),
            Instruction::Concat { parts } => {
                Domain::Column(parts.iter().map(|part| self.domain(*part).levels()).sum())
            }
            Instruction::Slice { levels, .. } => Domain::Column(levels.len()),
            Instruction::Each { here, .. } => joined(here),
            Instruction::Scan { captures, .. } => joined(captures),
            other => joined(&other.operands()),
        }
    }

    fn number(&self, value: Value) -> Option<f64> {
        match self.instructions.get(value.index()) {
            Some(Instruction::Constant(number)) => Some(*number),
            _ => None,
        }
    }

    pub fn constant(&mut self, number: f64) -> Value {
        self.push(Instruction::Constant(number))
    }

    pub fn levels(&mut self, numbers: impl IntoIterator<Item = f64>) -> Value {
        self.push(Instruction::Levels(numbers.into_iter().collect()))
    }

    /// 1 on those levels of a column of so many, 0 on the others.
    pub fn mask(&mut self, levels: usize, those: Range<usize>) -> Value {
        self.levels((0..levels).map(|level| f64::from(u8::from(those.contains(&level)))))
    }

    pub fn unary(&mut self, op: Unary, value: Value) -> Value {
        self.push(Instruction::Unary { op, value })
    }

    pub fn binary(&mut self, op: Binary, left: Value, right: Value) -> Value {
        self.push(Instruction::Binary { op, left, right })
    }

    pub fn compare(&mut self, op: Compare, left: Value, right: Value) -> Value {
        self.push(Instruction::Compare { op, left, right })
    }

    pub fn neg(&mut self, value: Value) -> Value {
        match (self.number(value), self.instructions.get(value.index())) {
            (Some(number), _) => self.constant(-number),
            (_, Some(Instruction::Unary { op: Unary::Neg, value })) => *value,
            _ => self.unary(Unary::Neg, value),
        }
    }

    pub fn add(&mut self, left: Value, right: Value) -> Value {
        match (self.number(left), self.number(right)) {
            (Some(0.0), _) => right,
            (_, Some(0.0)) => left,
            _ => self.binary(Binary::Add, left, right),
        }
    }

    pub fn sub(&mut self, left: Value, right: Value) -> Value {
        match (self.number(left), self.number(right)) {
            (Some(0.0), _) => self.neg(right),
            (_, Some(0.0)) => left,
            _ => self.binary(Binary::Sub, left, right),
        }
    }

    pub fn mul(&mut self, left: Value, right: Value) -> Value {
        match (self.number(left), self.number(right)) {
            (Some(1.0), _) => right,
            (_, Some(1.0)) => left,
            (Some(-1.0), _) => self.neg(right),
            (_, Some(-1.0)) => self.neg(left),
            (Some(0.0), _) | (_, Some(0.0)) => self.constant(0.0),
            _ => self.binary(Binary::Mul, left, right),
        }
    }

    pub fn div(&mut self, left: Value, right: Value) -> Value {
        match (self.number(left), self.number(right)) {
            (_, Some(1.0)) => left,
            (Some(0.0), _) => self.constant(0.0),
            _ => self.binary(Binary::Div, left, right),
        }
    }

    pub fn select(&mut self, mask: Value, then: Value, otherwise: Value) -> Value {
        match self.number(mask) {
            _ if then == otherwise => then,
            Some(0.0) => otherwise,
            Some(number) if !number.is_nan() => then,
            _ => self.push(Instruction::Select { mask, then, otherwise }),
        }
    }

    /// The value where the mask is true, or where it is not, and 0 elsewhere.
    pub fn only(&mut self, mask: Value, when: bool, value: Value) -> Value {
        let zero = self.constant(0.0);
        if when { self.select(mask, value, zero) } else { self.select(mask, zero, value) }
    }

    /// The sum over those levels of a column, all without them.
    pub fn sum(&mut self, value: Value, levels: Option<Range<usize>>) -> Value {
        self.push(Instruction::Reduce { op: Reduce::Sum, value, weights: None, levels })
    }

    pub fn shift(&mut self, value: Value, by: i32) -> Value {
        match self.domain(value) {
            // A cell is the same on every level.
            Domain::Cell => value,
            Domain::Column(_) => self.push(Instruction::Shift { value, by }),
        }
    }

    /// As a column of so many levels, for what has to be one.
    pub fn widen(&mut self, value: Value, levels: usize) -> Value {
        match self.domain(value) {
            Domain::Column(_) => value,
            Domain::Cell => match self.number(value) {
                Some(number) => self.levels(vec![number; levels]),
                None => {
                    let zeros = self.levels(vec![0.0; levels]);
                    self.binary(Binary::Add, value, zeros)
                }
            },
        }
    }
}
