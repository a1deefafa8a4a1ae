//! The passes, each a function from a verified kernel to a verified kernel with the same inputs and outputs, of which
//! not one bit may change. [`optimise`](super::optimise::optimise) runs them in order.
//!
//! | file | pass |
//! |---|---|
//! | [`fold`] | what depends on no input becomes a constant |
//! | [`rewrite`] | one instruction for several, as the table of [`rules`] says |
//! | [`range`] | what can only have one outcome, for every number that may come; [`facts`] says what may come |
//! | [`hoist`] | what is the same on every level of a loop is computed before it |
//! | [`share`] | what is computed twice is computed once |
//! | [`dead`] | what no output needs is left out |
//!
//! What an executor may not do (fuse, reorder, cancel), a pass may not do either: `x + 0` stays, because of −0; `x × 0`
//! stays, because of NaN. Bodies are treated as the kernel is: those of scans and of [`Each`](super::ir::Instruction::Each).

pub mod dead;
pub(super) mod facts;
pub mod fold;
mod forward;
pub mod hoist;
pub(super) mod key;
pub mod range;
pub mod rewrite;
pub mod rules;
pub mod share;
mod term;

pub(super) use key::{Key, Keys, is_same_walk};

use std::collections::BTreeMap;

use super::ir::{Domain, Input, Instruction, Kernel, Value};

/// What a pass makes of each walk. A walk with several results stands in a kernel once for each of them, and is worked on once.
struct Walks<T> {
    keys: Keys,
    made: BTreeMap<Key, T>,
}

impl<T: Clone> Walks<T> {
    fn new() -> Self {
        Self { keys: Keys::default(), made: BTreeMap::new() }
    }

    /// What was made of the walk that this scan is, or is made of it now.
    fn of(&mut self, scan: &Instruction, make: impl FnOnce() -> T) -> T {
        self.made.entry(self.keys.of_walk(scan)).or_insert_with(make).clone()
    }
}

/// The kernel with other instructions, and its outputs moved with them.
fn with_outputs(kernel: &Kernel, instructions: Vec<Instruction>, replace: impl Fn(Value) -> Value) -> Kernel {
    let mut outputs = kernel.outputs.clone();
    for output in &mut outputs {
        output.value = replace(output.value);
    }
    Kernel { name: kernel.name.clone(), inputs: kernel.inputs.clone(), instructions, outputs }
}

/// The domain of each value of a verified kernel.
pub(super) fn domains_of(kernel: &Kernel) -> Vec<Domain> {
    let mut domains = Vec::with_capacity(kernel.instructions.len());
    for instruction in &kernel.instructions {
        let domain = domain_of(instruction, &kernel.inputs, &domains);
        domains.push(domain);
    }
    domains
}

/// The domain of an instruction of a verified kernel, or of the body of a scan, where all are cells; `domains` are those
/// of the instructions before it.
pub(super) fn domain_of(instruction: &Instruction, inputs: &[Input], domains: &[Domain]) -> Domain {
    let of = |value: &Value| domains.get(value.index()).copied().unwrap_or(Domain::Cell);
    let joined = |values: &[Value]| {
        values.iter().map(of).find(|domain| *domain != Domain::Cell).unwrap_or(Domain::Cell)
    };
    match instruction {
        Instruction::Input(input) => inputs.get(*input).map_or(Domain::Cell, |input| input.domain),
        Instruction::Levels(numbers) => Domain::Column(numbers.len()),
        Instruction::Constant(_)
        | Instruction::Reduce { .. }
        | Instruction::Layer { .. }
        | Instruction::State(_)
        | Instruction::Here(_)
        | Instruction::Before(_) => Domain::Cell,
        Instruction::Interpolate { at, .. } => of(at),
        Instruction::Concat { parts } => Domain::Column(parts.iter().map(|part| of(part).levels()).sum()),
        Instruction::Slice { levels, .. } => Domain::Column(levels.len()),
        Instruction::Each { here, .. } => joined(here),
        Instruction::Scan { captures, .. } => joined(captures),
        Instruction::Unary { .. }
        | Instruction::Binary { .. }
        | Instruction::Compare { .. }
        | Instruction::Select { .. }
        | Instruction::Shift { .. }
        | Instruction::Difference { .. } => joined(&instruction.operands()),
    }
}

/// Whether an instruction only names what is there already.
fn is_leaf(instruction: &Instruction) -> bool {
    matches!(
        instruction,
        Instruction::Input(_)
            | Instruction::Constant(_)
            | Instruction::Levels(_)
            | Instruction::State(_)
            | Instruction::Here(_)
            | Instruction::Before(_)
    )
}
