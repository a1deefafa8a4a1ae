//! The instructions of kernels and what each means; [`ir`](super::ir) says what holds for all of them.

use std::ops::Range;
use std::sync::Arc;

use super::ir::{Kernel, Value};

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
    /// A column displaced along itself: level `k` of the result is level `k + by` of the operand, or its first or
    /// last level where that one is not there. The column keeps its number of levels. With it a difference between
    /// neighbouring levels is written.
    Shift {
        /// A column value.
        value: Value,
        /// How many levels further on, in stored order, a level looks.
        by: i32,
    },
    /// The column's value where its coordinate has a given value: piecewise linear in the coordinate between
    /// neighbouring levels, never extrapolated. The result has the domain of `at`, every number of which is
    /// looked up by itself.
    ///
    /// With value `v` and coordinate `c`, and for the number `a` of `at`: the first `k`, in stored order, decides for which
    /// either `cₖ = a`, and then the result is `vₖ`; or `a` lies strictly between `cₖ` and `cₖ₊₁` (in either
    /// direction), and then it is `vₖ + ((a − cₖ) ÷ (cₖ₊₁ − cₖ)) × (vₖ₊₁ − vₖ)`, computed in this order. Without such a
    /// `k` the result is NaN: outside the column, and for a missing `a`.
    ///
    /// So the coordinate is meant to be strictly monotone; where it is not, the first crossing counts. A NaN on a level that
    /// is not used does not matter, in the value or in the coordinate; next to a level without a coordinate
    /// there is nothing to interpolate between, and the result there is NaN.
    Interpolate {
        /// A column value.
        value: Value,
        /// A column of as many levels.
        coordinate: Value,
        /// Where, in the coordinate: a cell, or a column of any number of levels.
        at: Value,
    },
    /// What a layer of the column amounts to; the column's value is taken as piecewise linear in its coordinate between
    /// neighbouring levels. The result is a cell.
    ///
    /// With value `v`, coordinate `c`, `low` and `high` the lesser and the greater of `from` and `to`: for each pair of
    /// neighbouring levels, in stored order, let `a` and `b` be the lesser and the greater of their two
    /// coordinates (equal ones count for nothing), `s` the greater of `a` and `low`, `e` the lesser of `b` and `high`. The
    /// pair takes part if `s < e`. Its ends are worth `fₛ` and `fₑ`: at a level the level's value, elsewhere
    /// `fₐ + ((x − a) ÷ (b − a)) × (f_b − fₐ)`. [`LayerOp`] says what becomes of them.
    ///
    /// A layer that reaches out of the column is clipped to it. A layer without any part in the column, or without
    /// thickness, is empty. A missing `from` or `to`, or a coordinate missing on any level, makes the result NaN;
    /// so does a missing value on a level of a pair that takes part, and no other.
    Layer {
        /// What is wanted of the layer.
        op: LayerOp,
        /// A column value.
        value: Value,
        /// A column of as many levels, strictly monotone in either direction.
        coordinate: Value,
        /// Where the layer begins, in the coordinate: a cell.
        from: Value,
        /// Where it ends: a cell.
        to: Value,
    },
    /// The difference to the next grid point, centred, level by level: `(f₊ − f₋) × 0.5` with the neighbours on both sides;
    /// at the edge of the grid, where one is not there, the point itself stands for it and the factor is 1. NaN
    /// in a grid of one point along the axis. The point's own value matters at the edge only. It is per grid step:
    /// to divide by the distance, if that is wanted, is for the kernel.
    Difference {
        /// A value; the result has its domain.
        value: Value,
        /// In which direction.
        axis: Axis,
    },
    /// Cells and columns one behind the other, in order, as one column; a cell is one level of it.
    Concat {
        /// At least one.
        parts: Vec<Value>,
    },
    /// Those levels of a column, in order, as a column of their own.
    Slice {
        /// A column value.
        value: Value,
        /// Half open, not empty.
        levels: Range<usize>,
    },
    /// A kernel for each level of a column: the result, a column, is on each level what the body's one output is there. So a
    /// parcel can be lifted from every level through the whole column.
    Each {
        /// What the body sees whole: cells and columns, its first inputs in this order.
        captures: Vec<Value>,
        /// Columns of which the body sees the number on the level it runs for: its further inputs, cells. At least one, all
        /// of as many levels as the result.
        here: Vec<Value>,
        /// A mask, a cell or a column of as many levels: where it is false the result is NaN whatever the body would give, and
        /// where it is NaN too. Everywhere, when `None`.
        active: Option<Value>,
        /// Has one output, a cell, and neither [`Difference`](Self::Difference) nor another `Each`.
        body: Box<Kernel>,
    },
    /// A walk along the levels of a column with a few numbers carried from level to level, one after the other in stored
    /// order, or from last to first. The result is a column: what one of the states is after each level.
    ///
    /// On each level the body computes what the states become. `active`, if given, decides level by level as the mask of
    /// [`Select`](Self::Select) does: where it is true the states change, where it is false they are kept, where it is NaN
    /// they become NaN (and mostly stay so).
    Scan {
        /// From the last level to the first.
        reverse: bool,
        /// What the states are before the first level: cells, at least one.
        starts: Vec<Value>,
        /// What the body sees of the kernel: cells and columns, at least one column, and all columns of as many levels.
        captures: Vec<Value>,
        /// Where the states change: a cell, or a column of as many levels. Everywhere, when `None`.
        active: Option<Value>,
        /// The work on one level, one and the same for all results of a walk.
        body: Arc<Body>,
        /// Which state is the result.
        result: usize,
    },
    /// In the body of a scan only: the state of that number, before this level's step.
    State(usize),
    /// In the body of a scan only: the captured value of that number, on this level if it is a column.
    Here(usize),
    /// In the body of a scan only: the captured value of that number, on the level visited before this one if it is a
    /// column (active there or not); on the first level visited the same as [`Here`](Self::Here).
    Before(usize),
}

/// The work of a scan on one level: instructions of its own, numbered from 0, that see the kernel only through
/// [`State`](Instruction::State), [`Here`](Instruction::Here) and [`Before`](Instruction::Before). All its values are cells.
/// Besides those three, it is made of [`Constant`](Instruction::Constant), [`Unary`](Instruction::Unary),
/// [`Binary`](Instruction::Binary), [`Compare`](Instruction::Compare) and [`Select`](Instruction::Select).
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Body {
    /// The instructions; [`Value`] `k` *of the body* is the result of instruction `k`.
    pub instructions: Vec<Instruction>,
    /// What each state becomes: values of the body, one for each of the scan's starts.
    pub next: Vec<Value>,
}

/// What is wanted of a layer; the names are those of [`Instruction::Layer`].
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum LayerOp {
    /// The integral over the coordinate: the sum of `((fₛ + fₑ) × 0.5) × (e − s)`, from +0 on, with its sign changed if
    /// `from > to`. 0 in an empty layer.
    Integral,
    /// That sum, divided by the sum of the `(e − s)`: the mean over what of the layer lies in the column. NaN in an empty layer.
    Mean,
    /// [`Binary::Max`] of all `fₛ` and `fₑ`. NaN in an empty layer.
    Max,
    /// [`Binary::Min`] of all `fₛ` and `fₑ`. NaN in an empty layer.
    Min,
}

/// A direction on the grid. Rows of a grid are stored from north to south, columns from west to east.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Axis {
    /// Along a row, towards greater column numbers: "east" in the grid's own frame.
    X,
    /// Along a column of the grid, towards lesser row numbers: "north" in the grid's own frame.
    Y,
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
    /// The sine of an angle in radians, NaN at infinities; executors may differ by 2 ulp, or by 10⁻⁷ near its zeros.
    Sin,
    /// The cosine, likewise.
    Cos,
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
    /// The angle from the axis to the point (`right`, `left`), in radians from −π to π, as `atan2(left, right)` of IEEE 754
    /// with its special cases; executors may differ by 4 ulp.
    Atan2,
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
    /// The values it reads, in order. Those of a body are the body's own and not among them.
    #[must_use]
    pub fn operands(&self) -> Vec<Value> {
        let mut operands = Vec::new();
        self.for_each_operand(|value| operands.push(value));
        operands
    }

    /// Visits those values in order.
    pub fn for_each_operand(&self, mut visit: impl FnMut(Value)) {
        match self {
            Self::Input(_)
            | Self::Constant(_)
            | Self::Levels(_)
            | Self::State(_)
            | Self::Here(_)
            | Self::Before(_) => {}
            Self::Unary { value, .. }
            | Self::Reduce { value, .. }
            | Self::Shift { value, .. }
            | Self::Slice { value, .. }
            | Self::Difference { value, .. } => visit(*value),
            Self::Binary { left, right, .. } | Self::Compare { left, right, .. } => {
                [*left, *right].into_iter().for_each(visit);
            }
            Self::Select { mask, then, otherwise } => {
                [*mask, *then, *otherwise].into_iter().for_each(visit);
            }
            Self::Interpolate { value, coordinate, at } => {
                [*value, *coordinate, *at].into_iter().for_each(visit);
            }
            Self::Layer { value, coordinate, from, to, .. } => {
                [*value, *coordinate, *from, *to].into_iter().for_each(visit);
            }
            Self::Concat { parts } => parts.iter().copied().for_each(visit),
            Self::Each { captures, here, active, .. } => {
                captures.iter().chain(here).chain(active).copied().for_each(visit);
            }
            Self::Scan { starts, captures, active, .. } => {
                starts.iter().chain(captures).chain(active).copied().for_each(visit);
            }
        }
    }

    /// Whether all those values are such.
    pub fn all_operands(&self, such: impl Fn(Value) -> bool) -> bool {
        let mut all = true;
        self.for_each_operand(|value| all &= such(value));
        all
    }

    /// The same instruction with each operand replaced, visited in order.
    #[must_use]
    pub fn map_operands(mut self, replace: impl FnMut(Value) -> Value) -> Self {
        self.replace_operands(replace);
        self
    }

    /// Replaces each operand, visited in order.
    pub fn replace_operands(&mut self, mut replace: impl FnMut(Value) -> Value) {
        let mut change = |value: &mut Value| *value = replace(*value);
        match self {
            Self::Input(_)
            | Self::Constant(_)
            | Self::Levels(_)
            | Self::State(_)
            | Self::Here(_)
            | Self::Before(_) => {}
            Self::Unary { value, .. }
            | Self::Reduce { value, .. }
            | Self::Shift { value, .. }
            | Self::Difference { value, .. } => change(value),
            Self::Binary { left, right, .. } | Self::Compare { left, right, .. } => {
                [left, right].into_iter().for_each(change);
            }
            Self::Select { mask, then, otherwise } => [mask, then, otherwise].into_iter().for_each(change),
            Self::Interpolate { value, coordinate, at } => {
                [value, coordinate, at].into_iter().for_each(change);
            }
            Self::Layer { value, coordinate, from, to, .. } => {
                [value, coordinate, from, to].into_iter().for_each(change);
            }
            Self::Concat { parts } => parts.iter_mut().for_each(change),
            Self::Slice { value, .. } => change(value),
            Self::Each { captures, here, active, .. } => {
                captures.iter_mut().chain(here).chain(active).for_each(change);
            }
            Self::Scan { starts, captures, active, .. } => {
                starts.iter_mut().chain(captures).chain(active).for_each(change);
            }
        }
    }
}
