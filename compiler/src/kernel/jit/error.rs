//! Why a kernel was not compiled or not run.

use std::fmt::{self, Display, Formatter};

use super::super::interpret::Extent;
use super::super::verify::VerifyError;

/// Why a kernel could not be compiled.
#[derive(Clone, Debug, PartialEq)]
pub enum JitError {
    /// The kernel does not verify.
    Invalid(Vec<VerifyError>),
    /// More per-level constants than an address can reach (2 GiB).
    TooManyConstants,
    /// What the machine or Cranelift said.
    Machine(String),
}

impl JitError {
    pub(super) fn machine(error: impl ToString) -> Self {
        Self::Machine(error.to_string())
    }
}

impl Display for JitError {
    fn fmt(&self, f: &mut Formatter<'_>) -> fmt::Result {
        match self {
            Self::Invalid(errors) => {
                write!(f, "the kernel is not valid")?;
                errors.iter().try_for_each(|error| write!(f, "; {error}"))
            }
            Self::TooManyConstants => write!(f, "the kernel has more than 2 GiB of per-level constants"),
            Self::Machine(message) => write!(f, "the kernel cannot be compiled on this machine: {message}"),
        }
    }
}

impl std::error::Error for JitError {}

/// Why a kernel was not run.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum RunError {
    /// Arrays that do not fit it.
    Array {
        /// `input` or `output`.
        side: &'static str,
        /// Which array, or none if their number is wrong.
        array: Option<(usize, String)>,
        /// Numbers, or arrays, that the kernel has.
        expected: usize,
        /// Those given.
        found: usize,
    },
    /// Grid points that see each other, without a grid.
    Stencil,
    /// A grid of more points than can be counted.
    TooLarge(Extent),
}

impl RunError {
    pub(super) fn inputs(array: Option<usize>, expected: usize, found: usize) -> Self {
        let array = array.map(|position| (position, String::new()));
        Self::Array { side: "input", array, expected, found }
    }

    pub(super) fn outputs(array: Option<usize>, expected: usize, found: usize) -> Self {
        let array = array.map(|position| (position, String::new()));
        Self::Array { side: "output", array, expected, found }
    }

    pub(super) fn named(mut self, inputs: &[String], outputs: &[String]) -> Self {
        if let Self::Array { side, array: Some((position, name)), .. } = &mut self {
            let names = if *side == "input" { inputs } else { outputs };
            *name = names.get(*position).cloned().unwrap_or_default();
        }
        self
    }
}

impl Display for RunError {
    fn fmt(&self, f: &mut Formatter<'_>) -> fmt::Result {
        match self {
            Self::Array { side, array: None, expected, found } => {
                write!(f, "the kernel has {expected} {side}s, but {found} arrays were given")
            }
            Self::Array { side, array: Some((_, name)), expected, found } => {
                write!(f, "{side} `{name}` should have {expected} numbers, but has {found}")
            }
            Self::Stencil => {
                write!(f, "the kernel compares neighbouring grid points and needs the grid's shape")
            }
            Self::TooLarge(Extent { rows, columns }) => {
                write!(f, "{rows} rows × {columns} columns are too many")
            }
        }
    }
}

impl std::error::Error for RunError {}
