//! What can be wrong with a kernel, and how it is said.

use std::fmt;
use std::ops::Range;

use super::ir::{Domain, Value};

/// What is wrong, and in which kernel.
#[derive(Clone, Debug, PartialEq)]
pub struct VerifyError {
    /// The kernel's name.
    pub kernel: String,
    /// What is wrong there.
    pub fault: Fault,
}

/// What can be wrong with a kernel. `at` is the instruction's position.
#[derive(Clone, Debug, PartialEq)]
pub enum Fault {
    /// Another kernel of the module has the same name.
    RepeatedKernel,
    /// A name that the text form could not carry.
    Name(String),
    /// Two inputs of the same name.
    RepeatedInput(String),
    /// Two outputs of the same name.
    RepeatedOutput(String),
    /// A kernel that writes nothing.
    NoOutput,
    /// An output of a value that no instruction makes.
    MissingOutput { name: String, value: Value },
    /// A column of no levels, in an input.
    EmptyInput(String),
    /// A column of no levels, in an instruction.
    EmptyLevels { at: usize },
    /// An input number past the last input.
    MissingInput { at: usize, input: usize },
    /// An operand made by this instruction or a later one, or by none.
    NotYetDefined { at: usize, operand: Value },
    /// Two columns of different numbers of levels in one instruction.
    LevelCounts { at: usize, first: usize, second: usize },
    /// A reduction of a cell value.
    ReducedCell { at: usize },
    /// Weights on a reduction other than a sum.
    WeightedExtreme { at: usize },
    /// Not one weight for each level of the column.
    WeightCount { at: usize, levels: usize, weights: usize },
    /// A cell where a column is needed: which operand, and what it is for.
    NeedsColumn { at: usize, operand: Value, role: &'static str },
    /// A column where a cell is needed.
    NeedsCell { at: usize, operand: Value, role: &'static str },
    /// A scan that carries nothing.
    NoState { at: usize },
    /// A scan that sees no column.
    NoColumn { at: usize },
    /// Not one next value for each start.
    StateCount { at: usize, starts: usize, next: usize },
    /// A result past the last state.
    MissingResult { at: usize, result: usize, states: usize },
    /// What is wrong in the body of a scan; positions are the body's.
    InBody { at: usize, fault: Box<Fault> },
    /// An instruction that a body cannot have.
    NotInBody { at: usize, name: &'static str },
    /// An instruction that only a body can have.
    OnlyInBody { at: usize, name: &'static str },
    /// A state number past the last state.
    MissingState { at: usize, state: usize, states: usize },
    /// A capture number past the last capture.
    MissingCapture { at: usize, capture: usize, captures: usize },
    /// A next value that the body does not make.
    MissingNext { state: usize, value: Value },
    /// Nothing to put together.
    NoPart { at: usize },
    /// Nothing that says for which levels a kernel is to run.
    NothingHere { at: usize },
    /// A kernel for each level whose inputs are not what is captured: which input, and what it should be.
    CapturedAs { at: usize, input: usize, expected: Option<Domain> },
    /// A kernel for each level that does not give one cell.
    NotOneCell { at: usize },
    /// What is wrong in the kernel for each level.
    InEach { at: usize, error: Box<VerifyError> },
    /// A range of levels that is empty or leaves the column.
    LevelRange { at: usize, levels: usize, range: Range<usize> },
}

impl fmt::Display for VerifyError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "kernel `{}`: {}", self.kernel, self.fault)
    }
}

impl std::error::Error for VerifyError {}

impl fmt::Display for Fault {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::RepeatedKernel => write!(f, "another kernel of this module has the same name"),
            Self::Name(name) => {
                write!(f, "`{name}` is not a name; use letters, digits, `_`, `.`, `@` and `-`")
            }
            Self::RepeatedInput(name) => write!(f, "two inputs are called `{name}`"),
            Self::RepeatedOutput(name) => write!(f, "two outputs are called `{name}`"),
            Self::NoOutput => write!(f, "it has no output"),
            Self::MissingOutput { name, value } => {
                write!(f, "output `{name}` is %{}, which no instruction makes", value.index())
            }
            Self::EmptyInput(name) => write!(f, "input `{name}` is a column of no levels"),
            Self::EmptyLevels { at } => write!(f, "%{at} is a column of no levels"),
            Self::MissingInput { at, input } => write!(f, "%{at} reads input {input}, which is not there"),
            Self::NotYetDefined { at, operand } => {
                write!(f, "%{at} uses %{}, which is not defined before it", operand.index())
            }
            Self::LevelCounts { at, first, second } => {
                write!(f, "%{at} joins a column of {first} levels with one of {second}")
            }
            Self::ReducedCell { at } => write!(f, "%{at} reduces a cell value; only a column can be reduced"),
            Self::WeightedExtreme { at } => write!(f, "%{at} has weights, which only a sum can have"),
            Self::WeightCount { at, levels, weights } => {
                write!(f, "%{at} has {weights} weights for a column of {levels} levels")
            }
            Self::NeedsColumn { at, operand, role } => {
                write!(f, "%{at} needs a column as its {role}, but %{} is a cell", operand.index())
            }
            Self::NeedsCell { at, operand, role } => {
                write!(f, "%{at} needs a cell as its {role}, but %{} is a column", operand.index())
            }
            Self::NoState { at } => write!(f, "%{at} carries no state from level to level"),
            Self::NoColumn { at } => {
                write!(f, "%{at} captures no column, so there are no levels to walk along")
            }
            Self::StateCount { at, starts, next } => {
                write!(f, "%{at} starts with {starts} states, but its body says what becomes of {next}")
            }
            Self::MissingResult { at, result, states } => {
                write!(f, "%{at} gives state {result}, but has {states}, counted from 0")
            }
            Self::InBody { at, fault } => write!(f, "in the body of %{at}: {fault}"),
            Self::NotInBody { at, name } => {
                write!(f, "%{at} is `{name}`, which the body of a scan cannot have")
            }
            Self::OnlyInBody { at, name } => {
                write!(f, "%{at} is `{name}`, which only the body of a scan can have")
            }
            Self::MissingState { at, state, states } => {
                write!(f, "%{at} reads state {state}, but there are {states}, counted from 0")
            }
            Self::MissingCapture { at, capture, captures } => {
                write!(f, "%{at} reads capture {capture}, but there are {captures}, counted from 0")
            }
            Self::MissingNext { state, value } => {
                write!(f, "state {state} becomes %{}, which the body does not make", value.index())
            }
            Self::NoPart { at } => write!(f, "%{at} puts nothing together"),
            Self::NothingHere { at } => {
                write!(f, "%{at} has nothing `here`, so there are no levels to run for")
            }
            Self::CapturedAs { at, input, expected: Some(expected) } => {
                write!(f, "%{at} gives its kernel a {expected} as input {input}, counted from 0")
            }
            Self::CapturedAs { at, input, expected: None } => {
                write!(f, "%{at} gives its kernel nothing as input {input}, counted from 0, or has too many")
            }
            Self::NotOneCell { at } => write!(f, "the kernel of %{at} has to give one cell"),
            Self::InEach { at, error } => write!(f, "in the kernel of %{at}: {}", error.fault),
            Self::LevelRange { at, levels, range } => write!(
                f,
                "%{at} takes levels {}..{} of a column of {levels}; the range must lie within it and not be empty",
                range.start, range.end
            ),
        }
    }
}
