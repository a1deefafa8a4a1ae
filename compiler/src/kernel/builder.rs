//! The builder of kernels.

use std::ops::Range;
use std::sync::Arc;

use super::ir::{
    Axis, Binary, Body, Compare, Domain, Input, Instruction, Kernel, LayerOp, Output, Reduce, Unary, Value,
};

/// Puts a kernel together, one instruction after the other.
///
/// It never fails: whether the parts agree is for [`verify`](super::verify::verify) to say.
#[derive(Clone, Debug)]
pub struct Builder {
    kernel: Kernel,
}

impl Builder {
    /// An empty kernel of that name.
    #[must_use]
    pub fn new(name: &str) -> Self {
        Self { kernel: Kernel { name: name.to_owned(), ..Kernel::default() } }
    }

    /// Declares an input and reads it.
    pub fn input(&mut self, name: &str, domain: Domain) -> Value {
        self.kernel.inputs.push(Input { name: name.to_owned(), domain });
        self.push(Instruction::Input(self.kernel.inputs.len() - 1))
    }

    /// The same number everywhere.
    pub fn constant(&mut self, number: f64) -> Value {
        self.push(Instruction::Constant(number))
    }

    /// One number per level, the same at every grid point.
    pub fn levels(&mut self, numbers: Vec<f64>) -> Value {
        self.push(Instruction::Levels(numbers))
    }

    /// A function of one operand.
    pub fn unary(&mut self, op: Unary, value: Value) -> Value {
        self.push(Instruction::Unary { op, value })
    }

    /// A function of two operands.
    pub fn binary(&mut self, op: Binary, left: Value, right: Value) -> Value {
        self.push(Instruction::Binary { op, left, right })
    }

    /// The mask of a comparison.
    pub fn compare(&mut self, op: Compare, left: Value, right: Value) -> Value {
        self.push(Instruction::Compare { op, left, right })
    }

    /// One of two values, as the mask says.
    pub fn select(&mut self, mask: Value, then: Value, otherwise: Value) -> Value {
        self.push(Instruction::Select { mask, then, otherwise })
    }

    /// From a column to a cell; see [`Instruction::Reduce`] for `weights` and `levels`.
    pub fn reduce(
        &mut self,
        op: Reduce,
        value: Value,
        weights: Option<Vec<f64>>,
        levels: Option<Range<usize>>,
    ) -> Value {
        self.push(Instruction::Reduce { op, value, weights, levels })
    }

    /// A column displaced by some levels; see [`Instruction::Shift`].
    pub fn shift(&mut self, value: Value, by: i32) -> Value {
        self.push(Instruction::Shift { value, by })
    }

    /// A column's value where its coordinate is `at`; see [`Instruction::Interpolate`].
    pub fn interpolate(&mut self, value: Value, coordinate: Value, at: Value) -> Value {
        self.push(Instruction::Interpolate { value, coordinate, at })
    }

    /// What a layer of a column amounts to; see [`Instruction::Layer`].
    pub fn layer(&mut self, op: LayerOp, value: Value, coordinate: Value, from: Value, to: Value) -> Value {
        self.push(Instruction::Layer { op, value, coordinate, from, to })
    }

    /// The difference between neighbouring grid points; see [`Instruction::Difference`].
    pub fn difference(&mut self, value: Value, axis: Axis) -> Value {
        self.push(Instruction::Difference { value, axis })
    }

    /// Cells and columns one behind the other; see [`Instruction::Concat`].
    pub fn concat(&mut self, parts: Vec<Value>) -> Value {
        self.push(Instruction::Concat { parts })
    }

    /// Some levels of a column; see [`Instruction::Slice`].
    pub fn slice(&mut self, value: Value, levels: Range<usize>) -> Value {
        self.push(Instruction::Slice { value, levels })
    }

    /// A kernel for each level; see [`Instruction::Each`].
    pub fn each(
        &mut self,
        captures: Vec<Value>,
        here: Vec<Value>,
        active: Option<Value>,
        body: Kernel,
    ) -> Value {
        self.push(Instruction::Each { captures, here, active, body: Box::new(body) })
    }

    /// A walk along a column; see [`Instruction::Scan`], and [`BodyBuilder`] for its body.
    pub fn scan(
        &mut self,
        reverse: bool,
        starts: Vec<Value>,
        captures: Vec<Value>,
        active: Option<Value>,
        body: impl Into<Arc<Body>>,
        result: usize,
    ) -> Value {
        let body = body.into();
        self.push(Instruction::Scan { reverse, starts, captures, active, body, result })
    }

    /// Any instruction.
    pub fn push(&mut self, instruction: Instruction) -> Value {
        self.kernel.instructions.push(instruction);
        Value::new(self.kernel.instructions.len() - 1)
    }

    /// Writes a value out under that name.
    pub fn output(&mut self, name: &str, value: Value) {
        self.kernel.outputs.push(Output { name: name.to_owned(), value });
    }

    /// The kernel.
    #[must_use]
    pub fn finish(self) -> Kernel {
        self.kernel
    }
}

/// Puts the body of a scan together, one instruction after the other. Like [`Builder`] it never fails. Its values are
/// the body's own and mean nothing in the kernel.
#[derive(Clone, Debug, Default)]
pub struct BodyBuilder {
    instructions: Vec<Instruction>,
}

impl BodyBuilder {
    /// An empty body.
    #[must_use]
    pub fn new() -> Self {
        Self::default()
    }

    /// The state of that number before this level's step.
    pub fn state(&mut self, number: usize) -> Value {
        self.push(Instruction::State(number))
    }

    /// The captured value of that number on this level.
    pub fn here(&mut self, number: usize) -> Value {
        self.push(Instruction::Here(number))
    }

    /// The captured value of that number on the level visited before.
    pub fn before(&mut self, number: usize) -> Value {
        self.push(Instruction::Before(number))
    }

    /// The same number everywhere.
    pub fn constant(&mut self, number: f64) -> Value {
        self.push(Instruction::Constant(number))
    }

    /// A function of one operand.
    pub fn unary(&mut self, op: Unary, value: Value) -> Value {
        self.push(Instruction::Unary { op, value })
    }

    /// A function of two operands.
    pub fn binary(&mut self, op: Binary, left: Value, right: Value) -> Value {
        self.push(Instruction::Binary { op, left, right })
    }

    /// The mask of a comparison.
    pub fn compare(&mut self, op: Compare, left: Value, right: Value) -> Value {
        self.push(Instruction::Compare { op, left, right })
    }

    /// One of two values, as the mask says.
    pub fn select(&mut self, mask: Value, then: Value, otherwise: Value) -> Value {
        self.push(Instruction::Select { mask, then, otherwise })
    }

    /// Any instruction that a body may have.
    pub fn push(&mut self, instruction: Instruction) -> Value {
        self.instructions.push(instruction);
        Value::new(self.instructions.len() - 1)
    }

    /// The body: what each state becomes, in order.
    #[must_use]
    pub fn finish(self, next: Vec<Value>) -> Body {
        Body { instructions: self.instructions, next }
    }
}
