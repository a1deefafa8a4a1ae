//! The kernel IR: straight-line code in single assignment over two domains.
//!
//! A kernel describes the work on *one grid point*; every executor repeats it over all of them. A value is either
//! one number at the point ([`Domain::Cell`]) or one number on each level above it ([`Domain::Column`]). Units are gone by
//! the time a kernel exists.
//!
//! No grid point sees another, so that executors may take the points in any order and any number, with one exception:
//! [`Instruction::Difference`] looks at the four neighbours. A kernel with it is a *stencil*
//! ([`Kernel::is_stencil`]) and needs the whole grid, rows × columns; one difference of another widens what a point sees.
//!
//! Loops are bounded by a number of levels: [`Instruction::Scan`] is the only one that carries something along,
//! [`Instruction::Each`] the only one with loops in it.
//!
//! # Invariants
//!
//! A kernel that [`verify`](super::verify::verify) has passed has these properties, and every reader relies on them:
//!
//! - a value is the position of the instruction that makes it, and is used only by later instructions;
//! - column operands of one instruction have the same number of levels; cell operands are repeated on every level;
//! - instructions have no effects: one that no output needs can be left out.
//!
//! # Numbers
//!
//! An executor works in one number type throughout (`f32` in production, `f64` for judging). Constants are
//! kept in `f64` and rounded once to that type. Arithmetic is IEEE 754, round to nearest, subnormals kept,
//! and never fused or reordered. **NaN means "missing"** and there is one NaN: its sign and payload carry nothing.
//! Any NaN operand makes the result NaN, in [`Binary::Min`], [`Binary::Max`], [`Binary::Pow`] and the
//! comparisons too. The one exception is [`Instruction::Select`], which ignores the operand it does not choose.
//!
//! A mask is an ordinary number: 1 for true, 0 for false, NaN where the question cannot be answered. So the
//! product of masks is "and", their maximum is "or", and the sum of a mask over a column counts levels.
//!
//! # Example
//!
//! Precipitable water (kg m⁻²) over 3 levels, and whether it is above 30:
//!
//! ```
//! use aurora_compiler::kernel::ir::*;
//!
//! let mut builder = Builder::new("moisture");
//! let humidity = builder.input("q", Domain::Column(3));
//! let water = builder.reduce(Reduce::Sum, humidity, Some(vec![2549.0, 1530.0, 765.0]), None);
//! let limit = builder.constant(30.0);
//! let moist = builder.compare(Compare::Gt, water, limit);
//! builder.output("pwat", water);
//! builder.output("moist", moist);
//! let module = Module { kernels: vec![builder.finish()] };
//!
//! assert_eq!(module.to_string(), "\
//! kernel moisture(q: column 3) {
//!   %0 = input q
//!   %1 = sum %0 weights [2549.0 1530.0 765.0]
//!   %2 = constant 30.0
//!   %3 = gt %1 %2
//!   output pwat = %1
//!   output moist = %3
//! }
//! ");
//! ```

pub use super::builder::{BodyBuilder, Builder};
pub use super::instruction::{Axis, Binary, Body, Compare, Instruction, LayerOp, Reduce, Unary};

/// Kernels that belong together. Their names differ.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Module {
    /// In the order in which they were made.
    pub kernels: Vec<Kernel>,
}

impl Module {
    /// The kernel of that name.
    #[must_use]
    pub fn kernel(&self, name: &str) -> Option<&Kernel> {
        self.kernels.iter().find(|kernel| kernel.name == name)
    }
}

/// Named arrays in, named arrays out, and the instructions between.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Kernel {
    /// The kernel's name; see [`is_name`].
    pub name: String,
    /// The arrays it reads, in the order in which executors take them.
    pub inputs: Vec<Input>,
    /// The instructions; [`Value`] `k` is the result of instruction `k`.
    pub instructions: Vec<Instruction>,
    /// The arrays it writes, in the order in which executors take them.
    pub outputs: Vec<Output>,
}

impl Kernel {
    /// Whether grid points see their neighbours, so that it cannot be run on a part of the grid.
    #[must_use]
    pub fn is_stencil(&self) -> bool {
        self.instructions.iter().any(|instruction| matches!(instruction, Instruction::Difference { .. }))
    }

    /// How many grid points away, along rows and columns, the farthest point is that a point's result depends on: 0
    /// for all but stencils, and the number of differences one of another for those. A part of the grid with
    /// that many more rows on either side (fewer where the grid ends) gives the part's results. For verified kernels.
    #[must_use]
    pub fn reach(&self) -> usize {
        let mut reaches: Vec<usize> = Vec::with_capacity(self.instructions.len());
        for instruction in &self.instructions {
            let operands = instruction.operands();
            let farthest = operands.iter().filter_map(|operand| reaches.get(operand.index())).max();
            let more = usize::from(matches!(instruction, Instruction::Difference { .. }));
            reaches.push(farthest.unwrap_or(&0) + more);
        }
        reaches.into_iter().max().unwrap_or(0)
    }
}

/// An array the kernel reads.
#[derive(Clone, Debug, PartialEq)]
pub struct Input {
    /// Unique among the kernel's inputs.
    pub name: String,
    /// How many values it has at each grid point.
    pub domain: Domain,
}

/// An array the kernel writes; its domain is its value's.
#[derive(Clone, Debug, PartialEq)]
pub struct Output {
    /// Unique among the kernel's outputs.
    pub name: String,
    /// What is written.
    pub value: Value,
}

/// Where a value lives.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Domain {
    /// One value per grid point.
    Cell,
    /// One value per level of a level set with that many levels (at least one), in the order in which the
    /// set is stored. Which levels they are, the kernel does not know.
    Column(usize),
}

impl Domain {
    /// How many values an array of this domain has at each grid point.
    #[must_use]
    pub fn levels(self) -> usize {
        match self {
            Self::Cell => 1,
            Self::Column(levels) => levels,
        }
    }
}

/// The result of an instruction: its position in [`Kernel::instructions`].
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Value(u32);

impl Value {
    /// The result of the instruction at that position. Positions past `u32::MAX` stand for `u32::MAX`,
    /// which no kernel has.
    #[must_use]
    pub fn new(position: usize) -> Self {
        Self(u32::try_from(position).unwrap_or(u32::MAX))
    }

    /// The position of the instruction that makes it.
    #[must_use]
    pub fn index(self) -> usize {
        self.0 as usize
    }
}

/// Whether a name can stand in the text form: letters, digits, `_`, `.`, `@` and `-`, at least one.
#[must_use]
pub fn is_name(name: &str) -> bool {
    !name.is_empty() && name.chars().all(|c| c.is_ascii_alphanumeric() || "_.@-".contains(c))
}
