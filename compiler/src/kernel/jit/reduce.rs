//! Reductions: one number of a column, taken in level by level.

use cranelift_codegen::ir::InstBuilder;
use cranelift_codegen::ir::condcodes::IntCC;
use cranelift_codegen::ir::types::I64;

use super::super::ir::{Binary, Instruction, Reduce};
use super::emit::Emitter;
use super::frame::Held;

/// What a reduction starts from: joined with the first level, it gives the first level (−0 for a sum, since +0 would
/// turn a −0 into +0).
pub(super) fn identity(reduction: &Instruction) -> f32 {
    match reduction {
        Instruction::Reduce { op: Reduce::Min, .. } => f32::INFINITY,
        Instruction::Reduce { op: Reduce::Max, .. } => f32::NEG_INFINITY,
        _ => -0.0,
    }
}

impl Emitter<'_, '_, '_> {
    /// Takes this level in.
    pub fn reduce(&mut self, position: usize, reverse: bool) {
        let Instruction::Reduce { op, value, weights, levels } = self.frame.instruction(position) else {
            return;
        };
        let op = match op {
            Reduce::Sum => Binary::Add,
            Reduce::Min => Binary::Min,
            Reduce::Max => Binary::Max,
        };
        let Some(level) = self.frame.level else { return };
        // In tiles they lie in scratch.
        let row = self.frame.slots.get(&position).copied();
        let sums = match row {
            Some(row) => self.load_row(self.scratch, row),
            None => self.frame.sums.remove(&position).unwrap_or_default(),
        };
        let weight = weights.as_ref().map(|weights| {
            let table = self.table_of(position, weights);
            self.table_entry(table, level)
        });
        let taken = levels.as_ref().filter(|levels| **levels != self.frame.range).map(|levels| {
            let builder = &mut self.lanes.builder;
            let from = builder.ins().iadd_imm_s(level.index, -(levels.start as i64));
            builder.ins().icmp_imm_s(IntCC::UnsignedLessThan, from, levels.len() as i64)
        });
        let column = self.number(*value);
        let mut results = Vec::new();
        for (sum, value) in sums.into_iter().zip(column) {
            let term = match weight {
                Some(weight) => self.lanes.binary(Binary::Mul, value, weight),
                None => value,
            };
            // Of equal extremes the one on the later level is taken.
            let next = match reverse && op != Binary::Add {
                true => self.lanes.binary(op, term, sum),
                false => self.lanes.binary(op, sum, term),
            };
            results.push(match taken {
                Some(taken) => self.lanes.builder.ins().select(taken, next, sum),
                None => next,
            });
        }
        match row {
            Some(row) => self.store_row(self.scratch, row, &results),
            None => {
                self.frame.sums.insert(position, results);
            }
        }
    }

    /// The reduction of one level, which is there without a loop: of an input, or where a walk has ended.
    pub fn one_level(&mut self, position: usize) -> Held {
        let Instruction::Reduce { value, weights, levels, .. } = self.frame.instruction(position) else {
            return Held::Number(self.constant(f32::NAN));
        };
        let index = levels.as_ref().map_or(0, |levels| levels.start);
        let numbers = match self.final_state(*value) {
            Some(row) => self.load_row(self.scratch, row),
            None => {
                let index = self.lanes.builder.ins().iconst(I64, index as i64);
                let level = self.level(index);
                self.at_level(*value, level)
            }
        };
        let Some(weight) = weights.as_ref().and_then(|weights| weights.get(index)) else {
            return Held::Number(numbers);
        };
        let weight = self.lanes.constant(*weight as f32);
        Held::Number(numbers.into_iter().map(|x| self.lanes.binary(Binary::Mul, x, weight)).collect())
    }
}
