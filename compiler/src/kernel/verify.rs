//! The verifier: whether a module keeps the invariants that [`ir`](super::ir) states.
//!
//! It runs after lowering, after every pass in tests, and before any executor starts.

use std::collections::BTreeSet;
use std::fmt;
use std::ops::Range;

use super::ir::{Domain, Instruction, Kernel, Module, Reduce, Value, is_name};

/// Checks the whole module and reports everything that is wrong with it.
pub fn verify(module: &Module) -> Result<(), Vec<VerifyError>> {
    let mut errors = Vec::new();
    let mut names = BTreeSet::new();
    for kernel in &module.kernels {
        if !names.insert(&kernel.name) {
            errors.push(VerifyError { kernel: kernel.name.clone(), fault: Fault::RepeatedKernel });
        }
        if let Err(more) = domains(kernel) {
            errors.extend(more);
        }
    }
    if errors.is_empty() { Ok(()) } else { Err(errors) }
}

/// Checks one kernel and gives the domain of each of its values, in order.
pub fn domains(kernel: &Kernel) -> Result<Vec<Domain>, Vec<VerifyError>> {
    let mut judge = Judge { kernel, domains: Vec::new(), faults: Vec::new() };
    judge.interface();
    for (position, instruction) in kernel.instructions.iter().enumerate() {
        let domain = judge.instruction(position, instruction);
        judge.domains.push(domain);
    }
    judge.outputs();
    if judge.faults.is_empty() {
        // Without a fault every value has its domain.
        return Ok(judge.domains.into_iter().flatten().collect());
    }
    let name = kernel.name.clone();
    Err(judge.faults.into_iter().map(|fault| VerifyError { kernel: name.clone(), fault }).collect())
}

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
    /// An instruction that executors do not have yet.
    NotYet { at: usize },
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
            Self::NotYet { at } => write!(f, "%{at} cannot be executed yet"),
            Self::LevelRange { at, levels, range } => write!(
                f,
                "%{at} takes levels {}..{} of a column of {levels}; the range must lie within it and not be empty",
                range.start, range.end
            ),
        }
    }
}

struct Judge<'a> {
    kernel: &'a Kernel,
    /// `None` where a fault leaves the domain unknown; no fault is reported twice because of it.
    domains: Vec<Option<Domain>>,
    faults: Vec<Fault>,
}

impl Judge<'_> {
    fn interface(&mut self) {
        let kernel = self.kernel;
        self.name(&kernel.name);
        let mut seen = BTreeSet::new();
        for input in &kernel.inputs {
            self.name(&input.name);
            if !seen.insert(&input.name) {
                self.faults.push(Fault::RepeatedInput(input.name.clone()));
            }
            if input.domain == Domain::Column(0) {
                self.faults.push(Fault::EmptyInput(input.name.clone()));
            }
        }
    }

    fn outputs(&mut self) {
        let kernel = self.kernel;
        if kernel.outputs.is_empty() {
            self.faults.push(Fault::NoOutput);
        }
        let mut seen = BTreeSet::new();
        for output in &kernel.outputs {
            self.name(&output.name);
            if !seen.insert(&output.name) {
                self.faults.push(Fault::RepeatedOutput(output.name.clone()));
            }
            if output.value.index() >= kernel.instructions.len() {
                self.faults.push(Fault::MissingOutput { name: output.name.clone(), value: output.value });
            }
        }
    }

    fn name(&mut self, name: &str) {
        if !is_name(name) {
            self.faults.push(Fault::Name(name.to_owned()));
        }
    }

    fn instruction(&mut self, at: usize, instruction: &Instruction) -> Option<Domain> {
        match instruction {
            Instruction::Input(input) => match self.kernel.inputs.get(*input) {
                Some(input) => Some(input.domain),
                None => self.fault(Fault::MissingInput { at, input: *input }),
            },
            Instruction::Constant(_) => Some(Domain::Cell),
            Instruction::Levels(numbers) if numbers.is_empty() => self.fault(Fault::EmptyLevels { at }),
            Instruction::Levels(numbers) => Some(Domain::Column(numbers.len())),
            Instruction::Unary { .. }
            | Instruction::Binary { .. }
            | Instruction::Compare { .. }
            | Instruction::Select { .. } => self.joined(at, &instruction.operands()),
            Instruction::Reduce { op, value, weights, levels } => {
                let value = self.operand(at, *value);
                self.reduce(at, *op, value?, weights.as_deref(), levels.as_ref())
            }
            _ => self.fault(Fault::NotYet { at }),
        }
    }

    /// The common domain of the operands.
    fn joined(&mut self, at: usize, operands: &[Value]) -> Option<Domain> {
        let domains: Vec<_> = operands.iter().map(|operand| self.operand(at, *operand)).collect();
        let mut joined = Domain::Cell;
        for domain in domains {
            match (joined, domain?) {
                (_, Domain::Cell) => {}
                (Domain::Cell, column) => joined = column,
                (Domain::Column(first), Domain::Column(second)) if first != second => {
                    return self.fault(Fault::LevelCounts { at, first, second });
                }
                (Domain::Column(_), Domain::Column(_)) => {}
            }
        }
        Some(joined)
    }

    fn reduce(
        &mut self,
        at: usize,
        op: Reduce,
        domain: Domain,
        weights: Option<&[f64]>,
        range: Option<&Range<usize>>,
    ) -> Option<Domain> {
        let Domain::Column(levels) = domain else {
            return self.fault(Fault::ReducedCell { at });
        };
        if let Some(weights) = weights {
            if op != Reduce::Sum {
                self.faults.push(Fault::WeightedExtreme { at });
            }
            if weights.len() != levels {
                self.faults.push(Fault::WeightCount { at, levels, weights: weights.len() });
            }
        }
        if let Some(range) = range
            && (range.is_empty() || range.end > levels)
        {
            self.faults.push(Fault::LevelRange { at, levels, range: range.clone() });
        }
        Some(Domain::Cell)
    }

    fn operand(&mut self, at: usize, operand: Value) -> Option<Domain> {
        match self.domains.get(operand.index()) {
            Some(domain) => *domain,
            None => self.fault(Fault::NotYetDefined { at, operand }),
        }
    }

    fn fault(&mut self, fault: Fault) -> Option<Domain> {
        self.faults.push(fault);
        None
    }
}
