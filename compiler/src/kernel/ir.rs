//! The kernel IR: straight-line code in single assignment over two domains.
//!
//! A kernel describes the work on *one grid point*; every executor repeats it over all of them, and no
//! grid point sees another. A value is either one number at the point ([`Domain::Cell`]) or one number on
//! each level above it ([`Domain::Column`]). Units are gone by the time a kernel exists.
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

use std::ops::Range;

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

/// One step. Unless said otherwise, the result is a column if any operand is one, and a cell if none is.
#[derive(Clone, Debug, PartialEq)]
pub enum Instruction {
    /// The kernel's input of that number, with its domain.
    Input(usize),
    /// The same number everywhere; a cell value.
    Constant(f64),
    /// One number per level, the same at every grid point (a coordinate, a mask): a column value of as many levels.
    Levels(Vec<f64>),
    /// A function of one operand.
    Unary {
        /// Which function.
        op: Unary,
        /// Its operand.
        value: Value,
    },
    /// A function of two operands.
    Binary {
        /// Which function.
        op: Binary,
        /// The first operand.
        left: Value,
        /// The second operand.
        right: Value,
    },
    /// The mask of a comparison: 1 where it holds, 0 where not, NaN where either operand is NaN.
    /// −0 equals +0.
    Compare {
        /// Which comparison.
        op: Compare,
        /// The first operand.
        left: Value,
        /// The second operand.
        right: Value,
    },
    /// `then` where the mask is a number other than zero, `otherwise` where it is zero (of either sign), NaN where the mask is
    /// NaN. What is not chosen does not matter, NaN or not: this is how missing values are replaced
    /// (never: `x = x` is NaN for a missing `x`) and how a square root is kept from negative numbers.
    Select {
        /// Decides.
        mask: Value,
        /// Taken where the mask is true.
        then: Value,
        /// Taken where the mask is false.
        otherwise: Value,
    },
    /// From a column to a cell. Levels are taken one after the other in stored order. A NaN on a level that takes
    /// part makes this column's result NaN and no other's; levels that do not take part do not matter.
    Reduce {
        /// How levels are combined.
        op: Reduce,
        /// A column value.
        value: Value,
        /// For [`Reduce::Sum`] only: one factor for each level *of the column* (also of those that do not take
        /// part); every term is the product, rounded, of the value and its factor. A factor of zero does not hide a NaN.
        weights: Option<Vec<f64>>,
        /// The levels that take part, half open, not empty; all when `None`.
        levels: Option<Range<usize>>,
    },
}

/// Functions of one operand.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Unary {
    /// The sign changed, of zeros too.
    Neg,
    /// The sign dropped, of zeros too.
    Abs,
    /// The square root, correctly rounded; NaN below zero; −0 gives −0.
    Sqrt,
    /// e to the power; executors may differ by 2 ulp.
    Exp,
    /// The natural logarithm: −∞ at zeros, NaN below; executors may differ by 2 ulp.
    Log,
}

/// Functions of two operands.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Binary {
    /// `left + right`.
    Add,
    /// `left − right`.
    Sub,
    /// `left × right`.
    Mul,
    /// `left ÷ right`.
    Div,
    /// NaN if either is NaN; otherwise `left` if `left < right`, else `right`: of two equal operands
    /// (−0 and +0 are equal) the right one.
    Min,
    /// NaN if either is NaN; otherwise `left` if `left > right`, else `right`: of two equal operands the right one.
    Max,
    /// `left` to the power `right`, with the special cases of IEEE 754 `pow`, except that any NaN operand gives
    /// NaN (even NaN⁰ and 1ᴺᵃᴺ); executors may differ by 2 ulp.
    Pow,
}

/// Comparisons.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Compare {
    /// `left < right`.
    Lt,
    /// `left ≤ right`.
    Le,
    /// `left > right`.
    Gt,
    /// `left ≥ right`.
    Ge,
    /// `left = right`.
    Eq,
}

/// Ways from a column to a cell.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Reduce {
    /// `((x₀ + x₁) + x₂) + …`, from the first level that takes part.
    Sum,
    /// [`Binary::Min`] of what came before and the next level.
    Min,
    /// [`Binary::Max`] of what came before and the next level.
    Max,
}

impl Instruction {
    /// The values it reads, in order.
    #[must_use]
    pub fn operands(&self) -> Vec<Value> {
        match self {
            Self::Input(_) | Self::Constant(_) | Self::Levels(_) => Vec::new(),
            Self::Unary { value, .. } | Self::Reduce { value, .. } => vec![*value],
            Self::Binary { left, right, .. } | Self::Compare { left, right, .. } => vec![*left, *right],
            Self::Select { mask, then, otherwise } => vec![*mask, *then, *otherwise],
        }
    }

    /// The same instruction with each operand replaced, visited in order.
    #[must_use]
    pub fn map_operands(mut self, mut replace: impl FnMut(Value) -> Value) -> Self {
        match &mut self {
            Self::Input(_) | Self::Constant(_) | Self::Levels(_) => {}
            Self::Unary { value, .. } | Self::Reduce { value, .. } => *value = replace(*value),
            Self::Binary { left, right, .. } | Self::Compare { left, right, .. } => {
                *left = replace(*left);
                *right = replace(*right);
            }
            Self::Select { mask, then, otherwise } => {
                *mask = replace(*mask);
                *then = replace(*then);
                *otherwise = replace(*otherwise);
            }
        }
        self
    }
}

/// Whether a name can stand in the text form: letters, digits, `_`, `.`, `@` and `-`, at least one.
#[must_use]
pub fn is_name(name: &str) -> bool {
    !name.is_empty() && name.chars().all(|c| c.is_ascii_alphanumeric() || "_.@-".contains(c))
}

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
