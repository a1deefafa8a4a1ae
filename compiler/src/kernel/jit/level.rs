//! Where numbers are: levels of arrays, of tables, and of columns kept in scratch.

use cranelift_codegen::ir::condcodes::IntCC;
use cranelift_codegen::ir::types::{F32, F32X4, I64};
use cranelift_codegen::ir::{InstBuilder, MemFlagsData, Value};

use super::super::ir::{self, Instruction};
use super::emit::{Emitter, LANE, VECTOR, read, scratch};
use super::frame::Source;

/// A level, as the places where its numbers are.
#[derive(Clone, Copy)]
pub(super) struct Level {
    pub index: Value,
    /// Bytes from an array's start to these cells on this level.
    pub array: Value,
    /// Bytes from a table's start to this level.
    table: Value,
    /// The address of this level's row of a kept column whose first row is row 0.
    pub row: Value,
}

impl Emitter<'_, '_, '_> {
    /// So many new rows; gives the first.
    pub fn rows(&mut self, count: usize) -> usize {
        let first = self.emitted.rows;
        self.emitted.rows += count;
        first
    }

    pub fn level(&mut self, index: Value) -> Level {
        let bytes = self.row_bytes as i64;
        let builder = &mut self.lanes.builder;
        let array = builder.ins().imul(index, self.stride);
        let array = builder.ins().iadd(self.cell, array);
        let table = builder.ins().imul_imm_s(index, LANE as i64);
        let row = builder.ins().imul_imm_s(index, bytes);
        let row = builder.ins().iadd(self.scratch, row);
        Level { index, array, table, row }
    }

    /// The level that many further on, or the first or last of so many.
    pub fn displaced(&mut self, level: Level, by: i32, levels: usize) -> Level {
        if let Some(level) = self.frame.displaced.get(&(by, levels)) {
            return *level;
        }
        let last = levels.saturating_sub(1) as i64;
        let builder = &mut self.lanes.builder;
        let index = builder.ins().iadd_imm_s(level.index, i64::from(by));
        let index = if by < 0 {
            let zero = builder.ins().iconst(I64, 0);
            let inside = builder.ins().icmp(IntCC::SignedGreaterThan, index, zero);
            builder.ins().select(inside, index, zero)
        } else {
            let last = builder.ins().iconst(I64, last);
            let inside = builder.ins().icmp(IntCC::SignedLessThan, index, last);
            builder.ins().select(inside, index, last)
        };
        let level = self.level(index);
        self.frame.displaced.insert((by, levels), level);
        level
    }

    /// A value on any level: an input, per-level constants, or a column that has been kept there; cells are the same on all.
    pub fn at_level(&mut self, value: ir::Value, level: Level) -> Vec<Value> {
        if !self.frame.is_column(value) {
            return self.number(value);
        }
        match self.source(value) {
            Source::Array(array) => self.load(array, level.array),
            Source::Kept(row) => self.load_row(level.row, row),
            Source::Table(table) => vec![self.table_entry(table, level); self.unroll],
            Source::Cell(held) => self.numbers(&held),
        }
    }

    /// Where a column is that can be read on any level.
    pub fn source(&mut self, value: ir::Value) -> Source {
        let position = value.index();
        if let Some(row) = self.frame.kept.get(&position) {
            return Source::Kept(*row);
        }
        match self.frame.instruction(position) {
            Instruction::Input(input) => self.frame.inputs[*input].clone(),
            Instruction::Levels(numbers) => Source::Table(self.table_of(position, numbers)),
            _ => {
                debug_assert!(false, "%{position} is not kept");
                Source::Table(0)
            }
        }
    }

    /// Where in the tables an instruction's numbers begin.
    pub fn table_of(&mut self, position: usize, numbers: &[f64]) -> i32 {
        if let Some(offset) = self.frame.tables.get(&position) {
            return *offset;
        }
        // `Compiled` has counted them: they fit.
        let offset = i32::try_from(self.emitted.tables.len() * LANE).unwrap_or(0);
        self.emitted.tables.extend(numbers.iter().map(|number| *number as f32));
        self.frame.tables.insert(position, offset);
        offset
    }

    /// That level's number of a table, in all lanes.
    pub fn table_entry(&mut self, table: i32, level: Level) -> Value {
        let address = self.lanes.builder.ins().iadd(self.table, level.table);
        let number = self.lanes.builder.ins().load(F32, read(), address, table);
        self.lanes.builder.ins().splat(F32X4, number)
    }

    /// These cells of an array.
    pub fn load(&mut self, array: Value, offset: Value) -> Vec<Value> {
        let address = self.lanes.builder.ins().iadd(array, offset);
        let load = |u| self.lanes.builder.ins().load(F32X4, read(), address, (u * VECTOR) as i32);
        (0..self.unroll).map(load).collect()
    }

    /// A row of scratch, counted from an address.
    pub fn load_row(&mut self, from: Value, row: usize) -> Vec<Value> {
        let start = row * self.row_bytes;
        let load = |u| self.lanes.builder.ins().load(F32X4, scratch(), from, (start + u * VECTOR) as i32);
        (0..self.unroll).map(load).collect()
    }

    /// This level of a kept column.
    pub fn keep_row(&mut self, row: usize, numbers: &[Value]) {
        if let Some(level) = self.frame.level {
            self.store_row(level.row, row, numbers);
        }
    }

    pub fn store_row(&mut self, from: Value, row: usize, numbers: &[Value]) {
        self.store_row_as(scratch(), from, row, numbers);
    }

    pub fn store_row_as(&mut self, flags: MemFlagsData, from: Value, row: usize, numbers: &[Value]) {
        let start = row * self.row_bytes;
        for (u, number) in numbers.iter().enumerate() {
            self.lanes.builder.ins().store(flags, *number, from, (start + u * VECTOR) as i32);
        }
    }
}
