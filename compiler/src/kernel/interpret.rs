//! The interpreter: one instruction at a time over whole arrays. Slow, obvious, and the judge of all others.
//!
//! It works in any [`Number`]. In `f32` its transcendental functions are those of `f64`, rounded: as good as correctly
//! rounded, so that the distance of another executor from it is that executor's own error.

use std::fmt::{self, Debug, Display, Formatter};
use std::ops::{Add, Div, Mul, Neg, Range, Sub};

use ndarray::{Array2, ArrayView2, Axis as Dimension, Zip, concatenate, s};

use super::column::{Walk, difference, displaced, interpolate, layer};
use super::ir::{Binary, Compare, Domain, Instruction, Kernel, Reduce, Unary, Value};
use super::verify::{VerifyError, domains};

/// A number type to work in.
pub trait Number:
    Copy
    + Debug
    + PartialOrd
    + Add<Output = Self>
    + Sub<Output = Self>
    + Mul<Output = Self>
    + Div<Output = Self>
    + Neg<Output = Self>
{
    /// NaN, which means "missing".
    const MISSING: Self;
    /// True as a mask.
    const ONE: Self;
    /// False as a mask.
    const ZERO: Self;
    /// Rounded to this type.
    fn from_f64(number: f64) -> Self;
    /// Without loss.
    fn to_f64(self) -> f64;
    /// The sign dropped.
    fn abs(self) -> Self;
    /// The square root, correctly rounded.
    fn sqrt(self) -> Self;
}

macro_rules! number {
    ($type:ty, $from:expr) => {
        impl Number for $type {
            const MISSING: Self = Self::NAN;
            const ONE: Self = 1.0;
            const ZERO: Self = 0.0;

            fn from_f64(number: f64) -> Self {
                $from(number)
            }

            fn to_f64(self) -> f64 {
                f64::from(self)
            }

            fn abs(self) -> Self {
                self.abs()
            }

            fn sqrt(self) -> Self {
                self.sqrt()
            }
        }
    };
}

number!(f32, |number| number as f32);
number!(f64, |number| number);

/// The shape of a grid, or of a part of it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Extent {
    /// From north to south.
    pub rows: usize,
    /// From west to east.
    pub columns: usize,
}

/// Runs a kernel whose grid points do not see each other.
///
/// `inputs` follow [`Kernel::inputs`], each shaped (levels, cells) with one level for a cell input; the result follows
/// [`Kernel::outputs`] in the same shapes. `cells` is the number of grid points, which inputs must agree with (a kernel
/// without inputs could not say it).
pub fn interpret<T: Number>(
    kernel: &Kernel,
    inputs: &[ArrayView2<T>],
    cells: usize,
) -> Result<Vec<Array2<T>>, InterpretError> {
    if kernel.is_stencil() {
        return Err(InterpretError::Stencil);
    }
    interpret_on(kernel, inputs, Extent { rows: 1, columns: cells })
}

/// Runs a kernel on a grid; the cells of arrays are its points row by row. Otherwise as [`interpret`].
pub fn interpret_on<T: Number>(
    kernel: &Kernel,
    inputs: &[ArrayView2<T>],
    extent: Extent,
) -> Result<Vec<Array2<T>>, InterpretError> {
    let domains = domains(kernel).map_err(InterpretError::Invalid)?;
    if inputs.len() != kernel.inputs.len() {
        return Err(InterpretError::InputCount { expected: kernel.inputs.len(), found: inputs.len() });
    }
    let cells = extent.rows.checked_mul(extent.columns).ok_or(InterpretError::TooLarge(extent))?;
    for (input, array) in kernel.inputs.iter().zip(inputs) {
        let expected = (input.domain.levels(), cells);
        if array.dim() != expected {
            return Err(InterpretError::Shape { input: input.name.clone(), expected, found: array.dim() });
        }
    }
    let mut done_with = last_uses(kernel);
    let mut values: Vec<Array2<T>> = Vec::with_capacity(kernel.instructions.len());
    for (position, (instruction, domain)) in kernel.instructions.iter().zip(&domains).enumerate() {
        let value = evaluate(instruction, *domain, inputs, &values, extent);
        values.push(value);
        for operand in std::mem::take(&mut done_with[position]) {
            values[operand] = Array2::from_elem((0, 0), T::ZERO);
        }
    }
    Ok(kernel.outputs.iter().map(|output| values[output.value.index()].clone()).collect())
}

/// For each instruction, the values that nothing after it needs: memory is kept for what is still wanted only.
fn last_uses(kernel: &Kernel) -> Vec<Vec<usize>> {
    let mut wanted = vec![false; kernel.instructions.len()];
    for output in &kernel.outputs {
        wanted[output.value.index()] = true;
    }
    let mut uses = vec![Vec::new(); kernel.instructions.len()];
    for (position, instruction) in kernel.instructions.iter().enumerate().rev() {
        for operand in instruction.operands() {
            if !std::mem::replace(&mut wanted[operand.index()], true) {
                uses[position].push(operand.index());
            }
        }
    }
    uses
}

/// Why a kernel could not be interpreted.
#[derive(Clone, Debug, PartialEq)]
pub enum InterpretError {
    /// The kernel does not verify.
    Invalid(Vec<VerifyError>),
    /// Grid points that see each other, without a grid.
    Stencil,
    /// A grid of more points than can be counted.
    TooLarge(Extent),
    /// Not one array for each input.
    InputCount {
        /// The kernel's inputs.
        expected: usize,
        /// The arrays given.
        found: usize,
    },
    /// An array of another shape than (levels, cells).
    Shape {
        /// The input's name.
        input: String,
        /// Its levels and the cells.
        expected: (usize, usize),
        /// The array's shape.
        found: (usize, usize),
    },
}

impl Display for InterpretError {
    fn fmt(&self, f: &mut Formatter<'_>) -> fmt::Result {
        match self {
            Self::Invalid(errors) => {
                write!(f, "the kernel is not valid")?;
                errors.iter().try_for_each(|error| write!(f, "; {error}"))
            }
            Self::Stencil => {
                write!(f, "the kernel compares neighbouring grid points and needs the grid's shape")
            }
            Self::TooLarge(Extent { rows, columns }) => {
                write!(f, "{rows} rows × {columns} columns are too many")
            }
            Self::InputCount { expected, found } => {
                write!(f, "the kernel has {expected} inputs, but {found} arrays were given")
            }
            Self::Shape { input, expected, found } => write!(
                f,
                "input `{input}` should be {} levels × {} cells, but is {} × {}",
                expected.0, expected.1, found.0, found.1
            ),
        }
    }
}

impl std::error::Error for InterpretError {}

fn evaluate<T: Number>(
    instruction: &Instruction,
    domain: Domain,
    inputs: &[ArrayView2<T>],
    values: &[Array2<T>],
    extent: Extent,
) -> Array2<T> {
    let shape = (domain.levels(), extent.rows * extent.columns);
    // A cell operand of a column is the same on every level: ndarray's broadcasting along the first axis. The
    // verifier has seen that shapes agree; were it wrong, the operand itself is as good as any other.
    let operand = |value: Value| {
        let array = &values[value.index()];
        array.broadcast(shape).unwrap_or_else(|| array.view())
    };
    match instruction {
        Instruction::Input(input) => inputs[*input].to_owned(),
        Instruction::Constant(number) => Array2::from_elem(shape, T::from_f64(*number)),
        Instruction::Levels(numbers) => {
            Array2::from_shape_fn(shape, |(level, _)| T::from_f64(numbers[level]))
        }
        Instruction::Unary { op, value } => operand(*value).mapv(|x| unary(*op, x)),
        Instruction::Binary { op, left, right } => {
            Zip::from(operand(*left)).and(operand(*right)).map_collect(|&x, &y| binary(*op, x, y))
        }
        Instruction::Compare { op, left, right } => {
            Zip::from(operand(*left)).and(operand(*right)).map_collect(|&x, &y| compare(*op, x, y))
        }
        Instruction::Select { mask, then, otherwise } => Zip::from(operand(*mask))
            .and(operand(*then))
            .and(operand(*otherwise))
            .map_collect(|&mask, &then, &otherwise| select(mask, then, otherwise)),
        Instruction::Reduce { op, value, weights, levels } => {
            let column = &values[value.index()];
            Array2::from_shape_fn(shape, |(_, cell)| {
                reduce(*op, |level| column[[level, cell]], weights.as_deref(), levels.clone(), column.nrows())
            })
        }
        Instruction::Shift { value, by } => {
            let column = &values[value.index()];
            Array2::from_shape_fn(shape, |(level, cell)| column[[displaced(level, *by, shape.0), cell]])
        }
        Instruction::Interpolate { value, coordinate, at } => {
            let (value, coordinate) = (&values[value.index()], &values[coordinate.index()]);
            let at = &values[at.index()];
            Array2::from_shape_fn(shape, |(level, cell)| {
                interpolate(value.column(cell), coordinate.column(cell), at[[level, cell]])
            })
        }
        Instruction::Layer { op, value, coordinate, from, to } => {
            let (value, coordinate) = (&values[value.index()], &values[coordinate.index()]);
            let (from, to) = (&values[from.index()], &values[to.index()]);
            Array2::from_shape_fn(shape, |(_, cell)| {
                let bounds = [from[[0, cell]], to[[0, cell]]];
                layer(*op, value.column(cell), coordinate.column(cell), bounds)
            })
        }
        Instruction::Difference { value, axis } => difference(values[value.index()].view(), *axis, extent),
        Instruction::Scan { reverse, starts, captures, active, body, result } => {
            let view = |value: &Value| values[value.index()].view();
            let walk = Walk {
                reverse: *reverse,
                starts: starts.iter().map(view).collect(),
                captures: captures.iter().map(view).collect(),
                active: active.as_ref().map(view),
                body,
                result: *result,
                levels: shape.0,
            };
            walk.run(shape.1)
        }
        Instruction::Concat { parts } => {
            let parts: Vec<_> = parts.iter().map(|part| values[part.index()].view()).collect();
            // All have a column of ndarray for each cell, so they fit.
            concatenate(Dimension(0), &parts).unwrap_or_else(|_| Array2::from_elem(shape, T::MISSING))
        }
        Instruction::Slice { value, levels } => {
            values[value.index()].slice(s![levels.clone(), ..]).to_owned()
        }
        Instruction::Each { captures, here, active, body } => {
            let whole: Vec<_> = captures.iter().map(|value| values[value.index()].view()).collect();
            let active = active.as_ref().map(|active| operand(*active));
            let mut result = Array2::from_elem(shape, T::MISSING);
            for level in 0..shape.0 {
                let here = here.iter().map(|value| values[value.index()].slice(s![level..=level, ..]));
                let inputs: Vec<_> = whole.iter().cloned().chain(here).collect();
                // The verifier has judged the body with the kernel.
                let Ok(outputs) = interpret_on(body, &inputs, extent) else { continue };
                let mut row = result.row_mut(level);
                row.assign(&outputs[0].row(0));
                if let Some(active) = &active {
                    let mask = active.row(level);
                    row.zip_mut_with(&mask, |to, mask| *to = select(*mask, *to, T::MISSING));
                }
            }
            result
        }
        // The verifier lets these into the body of a scan only.
        Instruction::State(_) | Instruction::Here(_) | Instruction::Before(_) => {
            Array2::from_elem(shape, T::MISSING)
        }
    }
}

/// What [`Instruction::Unary`] means.
pub(super) fn unary<T: Number>(op: Unary, x: T) -> T {
    match op {
        Unary::Neg => -x,
        Unary::Abs => x.abs(),
        Unary::Sqrt => x.sqrt(),
        Unary::Exp => T::from_f64(x.to_f64().exp()),
        Unary::Log => T::from_f64(x.to_f64().ln()),
        Unary::Sin => T::from_f64(x.to_f64().sin()),
        Unary::Cos => T::from_f64(x.to_f64().cos()),
    }
}

/// What [`Instruction::Binary`] means.
pub(super) fn binary<T: Number>(op: Binary, x: T, y: T) -> T {
    match op {
        Binary::Add => x + y,
        Binary::Sub => x - y,
        Binary::Mul => x * y,
        Binary::Div => x / y,
        Binary::Min | Binary::Max | Binary::Pow | Binary::Atan2 if missing(x) || missing(y) => T::MISSING,
        Binary::Min => {
            if x < y {
                x
            } else {
                y
            }
        }
        Binary::Max => {
            if x > y {
                x
            } else {
                y
            }
        }
        Binary::Pow => T::from_f64(x.to_f64().powf(y.to_f64())),
        Binary::Atan2 => T::from_f64(x.to_f64().atan2(y.to_f64())),
    }
}

/// What [`Instruction::Compare`] means.
pub(super) fn compare<T: Number>(op: Compare, x: T, y: T) -> T {
    let holds = match op {
        _ if missing(x) || missing(y) => return T::MISSING,
        Compare::Lt => x < y,
        Compare::Le => x <= y,
        Compare::Gt => x > y,
        Compare::Ge => x >= y,
        Compare::Eq => x == y,
    };
    if holds { T::ONE } else { T::ZERO }
}

/// What [`Instruction::Select`] means.
pub(super) fn select<T: Number>(mask: T, then: T, otherwise: T) -> T {
    if missing(mask) {
        T::MISSING
    } else if mask == T::ZERO {
        otherwise
    } else {
        then
    }
}

/// What [`Instruction::Reduce`] means, for one column.
pub(super) fn reduce<T: Number>(
    op: Reduce,
    value: impl Fn(usize) -> T,
    weights: Option<&[f64]>,
    range: Option<Range<usize>>,
    levels: usize,
) -> T {
    let term = |level| match weights {
        Some(weights) => value(level) * T::from_f64(weights[level]),
        None => value(level),
    };
    let join = |before, next| match op {
        Reduce::Sum => before + next,
        Reduce::Min => binary(Binary::Min, before, next),
        Reduce::Max => binary(Binary::Max, before, next),
    };
    // The verifier has seen that there is at least one level.
    range.unwrap_or(0..levels).map(term).reduce(join).unwrap_or(T::MISSING)
}

#[allow(clippy::eq_op, reason = "only NaN differs from itself")]
pub(super) fn missing<T: Number>(x: T) -> bool {
    x != x
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn nan_is_missing_everywhere() {
        for op in [Binary::Min, Binary::Max, Binary::Pow] {
            assert!(binary(op, f32::NAN, 0.0).is_nan() && binary(op, 1.0, f32::NAN).is_nan());
        }
        assert!(compare(Compare::Eq, f64::NAN, f64::NAN).is_nan());
        assert!(select(f32::NAN, 1.0, 1.0).is_nan());
        assert_eq!(select(0.0, f32::NAN, 2.0), 2.0);
    }

    #[test]
    fn of_equal_operands_the_right_one() {
        assert!(binary(Binary::Min, -0.0_f32, 0.0).is_sign_positive());
        assert!(binary(Binary::Max, 0.0_f32, -0.0).is_sign_negative());
    }

    #[test]
    fn a_shape_that_does_not_fit_is_an_error() {
        let mut builder = super::super::ir::Builder::new("k");
        let q = builder.input("q", Domain::Column(2));
        builder.output("q", q);
        let kernel = builder.finish();
        let array = Array2::<f32>::zeros((3, 4));
        let error = interpret(&kernel, &[array.view()], 4).unwrap_err();
        assert_eq!(error.to_string(), "input `q` should be 2 levels × 4 cells, but is 3 × 4");
        assert!(matches!(interpret::<f32>(&kernel, &[], 4), Err(InterpretError::InputCount { .. })));
    }
}
