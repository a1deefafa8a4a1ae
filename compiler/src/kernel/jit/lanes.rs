//! The elementwise functions on four lanes (`F32X4`): what each instruction of the IR is in Cranelift.
//!
//! A comparison leaves a lane mask (all bits set or none). All bits set is also a NaN, so "NaN where an operand is
//! missing" is a bitwise or with the mask of unordered lanes.

use cranelift_codegen::ir::condcodes::FloatCC;
use cranelift_codegen::ir::types::{F32X4, I32, I32X4};
use cranelift_codegen::ir::{
    Endianness, InstBuilder, InstructionData, MemFlagsData, Opcode, Type, Value, ValueDef,
};
use cranelift_frontend::FunctionBuilder;

use super::super::ir::{Binary, Compare, Unary};

/// Emits lane operations into a function.
pub(super) struct Lanes<'a, 'b> {
    pub builder: &'a mut FunctionBuilder<'b>,
}

/// A mask before it is made a number: which lanes hold, and which are missing. `holds` is of no account
/// in lanes that are missing. Both are `F32X4`.
#[derive(Clone, Copy, Debug)]
pub(super) struct Mask {
    pub holds: Value,
    pub missing: Value,
}

impl Lanes<'_, '_> {
    pub fn constant(&mut self, number: f32) -> Value {
        self.vector(F32X4, &number.to_bits().to_le_bytes())
    }

    pub fn integer(&mut self, number: i32) -> Value {
        self.vector(I32X4, &number.to_le_bytes())
    }

    /// The same bytes in each lane.
    pub fn vector(&mut self, of: Type, lane: &[u8]) -> Value {
        let bytes: Vec<u8> = lane.iter().copied().cycle().take(16).collect();
        let handle = self.builder.func.dfg.constants.insert(bytes.into());
        self.builder.ins().vconst(of, handle)
    }

    pub fn unary(&mut self, op: Unary, x: Value) -> Value {
        match op {
            Unary::Neg => self.builder.ins().fneg(x),
            Unary::Abs => self.builder.ins().fabs(x),
            Unary::Sqrt => self.builder.ins().sqrt(x),
            Unary::Exp => self.exp(x),
            Unary::Log => self.log(x),
            Unary::Sin => self.sin(x),
            Unary::Cos => self.cos(x),
        }
    }

    pub fn binary(&mut self, op: Binary, x: Value, y: Value) -> Value {
        match op {
            Binary::Add => self.builder.ins().fadd(x, y),
            Binary::Sub => self.builder.ins().fsub(x, y),
            Binary::Mul => self.builder.ins().fmul(x, y),
            Binary::Div => self.builder.ins().fdiv(x, y),
            Binary::Min => self.extreme(FloatCC::LessThan, x, y),
            Binary::Max => self.extreme(FloatCC::GreaterThan, x, y),
            Binary::Pow => self.pow(x, y),
            Binary::Atan2 => self.atan2(x, y),
        }
    }

    pub fn compare(&mut self, op: Compare, x: Value, y: Value) -> Mask {
        let condition = match op {
            Compare::Lt => FloatCC::LessThan,
            Compare::Le => FloatCC::LessThanOrEqual,
            Compare::Gt => FloatCC::GreaterThan,
            Compare::Ge => FloatCC::GreaterThanOrEqual,
            Compare::Eq => FloatCC::Equal,
        };
        Mask { holds: self.test(condition, x, y), missing: self.test(FloatCC::Unordered, x, y) }
    }

    /// The mask as 1, 0 or NaN.
    pub fn number(&mut self, mask: Mask) -> Value {
        let one = self.constant(1.0);
        let number = self.builder.ins().band(mask.holds, one);
        self.builder.ins().bor(number, mask.missing)
    }

    /// The number as a mask.
    pub fn mask(&mut self, number: Value) -> Mask {
        let zero = self.constant(0.0);
        self.compare_unequal(number, zero)
    }

    pub fn select(&mut self, mask: Mask, then: Value, otherwise: Value) -> Value {
        let chosen = self.choose(mask.holds, then, otherwise);
        self.builder.ins().bor(chosen, mask.missing)
    }

    /// Both masks, as their product; or one of them, as the greater; NaN where either is missing.
    pub fn join_masks(&mut self, op: Binary, x: Mask, y: Mask) -> Option<Mask> {
        let holds = match op {
            Binary::Mul | Binary::Min => self.builder.ins().band(x.holds, y.holds),
            Binary::Max => self.builder.ins().bor(x.holds, y.holds),
            _ => return None,
        };
        Some(Mask { holds, missing: self.builder.ins().bor(x.missing, y.missing) })
    }

    /// Where the mask does not hold: what is left of 1.
    pub fn not_mask(&mut self, mask: Mask) -> Mask {
        Mask { holds: self.builder.ins().bnot(mask.holds), missing: mask.missing }
    }

    /// Not zero (as an integer) if a lane is set anywhere in these masks.
    pub fn any(&mut self, masks: &[Value]) -> Value {
        let Some((first, others)) = masks.split_first() else { return self.builder.ins().iconst(I32, 0) };
        let all = others.iter().fold(*first, |all, mask| self.builder.ins().bor(all, *mask));
        let lanes = self.cast(I32X4, all);
        self.builder.ins().vhigh_bits(I32, lanes)
    }

    /// Lane by lane: `x` where the condition's bits are set, else `y`. All `F32X4`.
    pub fn choose(&mut self, condition: Value, x: Value, y: Value) -> Value {
        self.builder.ins().bitselect(condition, x, y)
    }

    /// The lanes in which a comparison holds, as `F32X4`.
    pub fn test(&mut self, condition: FloatCC, x: Value, y: Value) -> Value {
        // The other way round, so that a choice between the two becomes one `minps` or `maxps`.
        let (condition, x, y) = match condition {
            FloatCC::GreaterThan => (FloatCC::LessThan, y, x),
            FloatCC::GreaterThanOrEqual => (FloatCC::LessThanOrEqual, y, x),
            _ => (condition, x, y),
        };
        let lanes = self.builder.ins().fcmp(condition, x, y);
        self.cast(F32X4, lanes)
    }

    /// The number that a value is in all lanes, if it is a constant.
    pub fn known(&self, value: Value) -> Option<f32> {
        let function = &self.builder.func;
        let ValueDef::Result(instruction, _) = function.dfg.value_def(value) else { return None };
        let InstructionData::UnaryConst { opcode: Opcode::Vconst, constant_handle } =
            function.dfg.insts[instruction]
        else {
            return None;
        };
        let bytes = function.dfg.constants.get(constant_handle).as_slice();
        let first = bytes.first_chunk::<4>()?;
        bytes.chunks(4).all(|lane| lane == first).then(|| f32::from_le_bytes(*first))
    }

    /// The same 128 bits as another type.
    pub fn cast(&mut self, to: Type, value: Value) -> Value {
        // Lanes are numbered as they lie in memory on a little-endian machine; every supported target is one.
        let flags = MemFlagsData::new().with_endianness(Endianness::Little);
        self.builder.ins().bitcast(to, flags, value)
    }

    fn compare_unequal(&mut self, x: Value, y: Value) -> Mask {
        Mask { holds: self.test(FloatCC::NotEqual, x, y), missing: self.test(FloatCC::Unordered, x, y) }
    }

    /// One machine instruction (`minps`, `maxps`), which gives the second operand where either is NaN, then NaN put in. Beside a
    /// constant the other operand comes second, and NaN is there already; only where both are zeros that order is wrong.
    fn extreme(&mut self, condition: FloatCC, x: Value, y: Value) -> Value {
        if self.known(x).is_some_and(|constant| !constant.is_nan()) {
            return self.first_if(condition, x, y);
        }
        match self.known(y) {
            Some(constant) if !constant.is_nan() && constant != 0.0 => self.first_if(condition, y, x),
            // −0 that should have become +0 becomes it here.
            Some(constant) if constant.to_bits() == 0 => {
                let result = self.first_if(condition, y, x);
                self.builder.ins().fadd(result, y)
            }
            _ => {
                let chosen = self.first_if(condition, x, y);
                let missing = self.test(FloatCC::Unordered, x, y);
                self.builder.ins().bor(chosen, missing)
            }
        }
    }

    fn first_if(&mut self, condition: FloatCC, x: Value, y: Value) -> Value {
        let first = self.test(condition, x, y);
        self.choose(first, x, y)
    }
}
