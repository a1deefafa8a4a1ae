//! The derivative: reverse mode, as a transform from kernel to kernel.
//!
//! [`gradient`] makes of a kernel another one that also computes how its outputs change with its inputs: for given
//! sensitivities of some quantity to the outputs, the sensitivities of that quantity to the inputs. What comes out is made
//! of the same instructions and runs on every executor.
//!
//! | file | what it holds |
//! |---|---|
//! | `prepare` | which values have a gradient at all; the kernel with all that the way back needs of the way there |
//! | `sweep` | the way back: each instruction hands its gradient on to its operands |
//! | `guards` | keeps what a choice does not take from spoiling the gradient |
//! | `elementwise`, `column`, `layer` | the rule for each instruction |
//! | `scan`, `back` | that for walks: the step of the walk back, and the walk |
//! | `tape` | the list that all of it is written to |
//!
//! # Conventions
//!
//! - Choices are held fixed: the side of a select, the operand that a minimum takes, the level that attains an extreme (the
//!   first one), the pair of levels around a place, the levels in a layer. At a tie the gradient goes to one
//!   side, the one that the interpreter takes: of two equal operands of `min` and `max` the right one. The slope of
//!   `abs` at 0 is 1.
//! - A comparison has no gradient, and [`Instruction::Each`] has none: what it gives serves choices.
//! - Where an operation has no finite slope (a root at 0, a logarithm at or below 0, a quotient by 0, a power of
//!   0, an exponential that overflows) no gradient passes through it. What a choice does not take does not
//!   matter for the gradient, whatever it is.
//! - A place outside the column that is interpolated has no gradient. On the column's last level itself, the
//!   gradient of an interpolation goes to the value there, and neither to the place nor to the coordinate. A coordinate that
//!   is missing on any level makes the gradient NaN.
//! - What is missing in the result is missing in the gradient, mostly; NaN says so, 0 means that nothing depends on it.

mod back;
mod column;
mod elementwise;
mod guards;
mod layer;
mod prepare;
mod scan;
mod sweep;
mod tape;

use std::fmt::{self, Display, Formatter};

use super::ir::{Domain, Input, Instruction, Kernel, Output, Value};
use super::optimise::{remove_dead_code, share_common_subexpressions};
use super::verify::{VerifyError, domains};
use guards::ROOT;

/// Stands before the name of an output in the name of the input for its sensitivity, and before the name of an
/// input in the name of the output for its gradient.
pub const PREFIX: &str = "d.";

/// What the derivative's kernel reads and writes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Form {
    /// Reads sensitivities; writes outputs and gradients.
    Both,
    /// Reads sensitivities; writes gradients.
    Gradients,
    /// Writes outputs, and the gradients of their sum.
    OfSum,
}

/// A kernel with the outputs of `kernel`, and for each input named in `with_respect_to` an output `d.NAME` in the
/// input's domain: the gradient of the sum, over all numbers of all outputs named in `of`, of the number times its
/// sensitivity. Its inputs are those of `kernel` and then, for each name in `of`, the sensitivity `d.NAME` in the
/// output's domain.
///
/// # Errors
/// A kernel that does not verify or already uses such names, a name that it does not have, or a gradient through
/// [`Instruction::Difference`].
pub fn gradient(kernel: &Kernel, of: &[&str], with_respect_to: &[&str]) -> Result<Kernel, AdjointError> {
    derivative(kernel, of, with_respect_to, Form::Both)
}

/// As [`gradient`], but without the outputs of `kernel`: for who has them already.
///
/// # Errors
/// As [`gradient`].
pub fn backward(kernel: &Kernel, of: &[&str], with_respect_to: &[&str]) -> Result<Kernel, AdjointError> {
    derivative(kernel, of, with_respect_to, Form::Gradients)
}

/// As [`gradient`], with all sensitivities 1 and not read: the outputs, and the gradients of the sum of all numbers of
/// those named in `of`. Of one cell output these are the value and its gradient.
///
/// # Errors
/// As [`gradient`].
pub fn value_and_gradient(
    kernel: &Kernel,
    of: &[&str],
    with_respect_to: &[&str],
) -> Result<Kernel, AdjointError> {
    derivative(kernel, of, with_respect_to, Form::OfSum)
}

fn derivative(
    kernel: &Kernel,
    of: &[&str],
    with_respect_to: &[&str],
    form: Form,
) -> Result<Kernel, AdjointError> {
    let unknown =
        |side, name: &str| AdjointError::Unknown { kernel: kernel.name.clone(), side, name: name.into() };
    domains(kernel).map_err(AdjointError::Invalid)?;
    let kernel = remove_dead_code(&share_common_subexpressions(kernel));
    let known = domains(&kernel).map_err(AdjointError::Invalid)?;
    let mut outputs = Vec::new();
    for name in of {
        let output = kernel.outputs.iter().find(|output| output.name == *name);
        outputs.push(output.ok_or_else(|| unknown("output", name))?.clone());
    }
    let mut inputs = Vec::new();
    for name in with_respect_to {
        let input = kernel.inputs.iter().position(|input| input.name == *name);
        inputs.push(input.ok_or_else(|| unknown("input", name))?);
    }
    let results: Vec<Value> = outputs.iter().map(|output| output.value).collect();
    let active = prepare::active(&kernel, &results, &inputs)?;
    let (mut sweep, moved) = prepare::prepared(&kernel, &known, &active, &results);

    for value in &results {
        sweep.used(moved[value.index()], ROOT);
    }
    sweep.find_uses();
    let mut declared = kernel.inputs.clone();
    for output in &outputs {
        let domain = known[output.value.index()];
        let sensitivity = if form == Form::OfSum {
            sweep.tape.constant(1.0)
        } else {
            declared.push(Input { name: format!("{PREFIX}{}", output.name), domain });
            sweep.tape.keep(Instruction::Input(declared.len() - 1), domain)
        };
        if active[output.value.index()] {
            sweep.add(moved[output.value.index()], sensitivity);
        }
    }
    sweep.run();

    let mut written: Vec<Output> = Vec::new();
    if form != Form::Gradients {
        let moved = |output: &Output| Output { value: moved[output.value.index()], ..output.clone() };
        written.extend(kernel.outputs.iter().map(moved));
    }
    for (name, number) in with_respect_to.iter().zip(&inputs) {
        let domain = kernel.inputs[*number].domain;
        let read = kernel.instructions.iter().position(|i| *i == Instruction::Input(*number));
        let gradient = read.and_then(|at| sweep.whole_adjoint(moved[at].index()));
        let gradient = gradient.unwrap_or_else(|| sweep.tape.constant(0.0));
        let value = match domain {
            Domain::Cell => gradient,
            Domain::Column(levels) => sweep.tape.widen(gradient, levels),
        };
        written.push(Output { name: format!("{PREFIX}{name}"), value });
    }
    let name = format!("{}.gradient", kernel.name);
    let whole = Kernel { name, inputs: declared, instructions: sweep.tape.instructions, outputs: written };
    let whole = remove_dead_code(&share_common_subexpressions(&whole));
    domains(&whole).map_err(AdjointError::Invalid)?;
    Ok(whole)
}

/// Why a kernel has no derivative.
#[derive(Clone, Debug, PartialEq)]
pub enum AdjointError {
    /// The kernel, or with the names it has its derivative, does not verify.
    Invalid(Vec<VerifyError>),
    /// There is no such input or output.
    Unknown {
        /// The kernel's name.
        kernel: String,
        /// `input` or `output`.
        side: &'static str,
        /// What was asked for.
        name: String,
    },
    /// The gradient would have to pass from grid point to grid point.
    Stencil {
        /// The kernel's name.
        kernel: String,
    },
}

impl Display for AdjointError {
    fn fmt(&self, f: &mut Formatter<'_>) -> fmt::Result {
        match self {
            Self::Invalid(errors) => {
                write!(f, "the kernel is not valid")?;
                errors.iter().try_for_each(|error| write!(f, "; {error}"))
            }
            Self::Unknown { kernel, side, name } => write!(f, "the kernel `{kernel}` has no {side} `{name}`"),
            Self::Stencil { kernel } => write!(
                f,
                "the kernel `{kernel}` compares neighbouring grid points; its gradient is not a kernel of one point"
            ),
        }
    }
}

impl std::error::Error for AdjointError {}
