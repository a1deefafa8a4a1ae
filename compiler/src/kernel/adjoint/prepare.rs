//! What has to be known, and put in place, before the way back.

use std::collections::BTreeMap;

use super::super::ir::{Domain, Instruction, Kernel, Reduce, Value};
use super::super::passes::is_same_walk;
use super::AdjointError;
use super::layer;
use super::scan::{Group, Member, Seen, Walk, Wish, is_last};
use super::sweep::Sweep;
use super::tape::Tape;

/// Which values of a verified kernel the gradient flows through, from those outputs to those inputs.
pub(super) fn active(
    kernel: &Kernel,
    of: &[Value],
    with_respect_to: &[usize],
) -> Result<Vec<bool>, AdjointError> {
    let mut varies: Vec<bool> = Vec::with_capacity(kernel.instructions.len());
    for instruction in &kernel.instructions {
        varies.push(match instruction {
            Instruction::Input(input) => with_respect_to.contains(input),
            other => slopes(other).iter().any(|operand| varies[operand.index()]),
        });
    }
    let mut needed = vec![false; varies.len()];
    of.iter().for_each(|value| needed[value.index()] = true);
    for (at, instruction) in kernel.instructions.iter().enumerate().rev() {
        needed[at] &= varies[at];
        if needed[at] {
            if matches!(instruction, Instruction::Difference { .. }) {
                return Err(AdjointError::Stencil { kernel: kernel.name.clone() });
            }
            slopes(instruction).iter().for_each(|operand| needed[operand.index()] = true);
        }
    }
    Ok(needed)
}

/// The operands by which an instruction may have a slope.
pub(super) fn slopes(instruction: &Instruction) -> Vec<Value> {
    match instruction {
        Instruction::Compare { .. } | Instruction::Each { .. } => Vec::new(),
        Instruction::Select { then, otherwise, .. } => vec![*then, *otherwise],
        Instruction::Scan { starts, captures, .. } => starts.iter().chain(captures).copied().collect(),
        other => other.operands(),
    }
}

/// The kernel with all that the way back needs of the way there, ready for it; and where each of its values is now.
pub(super) fn prepared(
    kernel: &Kernel,
    domains: &[Domain],
    active: &[bool],
    of: &[Value],
) -> (Sweep, Vec<Value>) {
    let mut rewriting = Rewriting {
        kernel,
        domains,
        active,
        whole: whole(kernel, domains, active, of),
        tape: Tape::default(),
        now_active: Vec::new(),
        moved: Vec::with_capacity(kernel.instructions.len()),
        instead: BTreeMap::new(),
        walks: Vec::new(),
    };
    for at in 0..kernel.instructions.len() {
        let value = rewriting.instruction(at);
        rewriting.moved.push(value);
    }
    let Rewriting { tape, now_active, moved, instead, walks, .. } = rewriting;
    let original = tape.instructions.clone();
    let mut sweep = Sweep::new(tape, original, now_active);
    sweep.instead = instead;
    sweep.groups = walks.into_iter().map(|(_, group)| (group.members[0].at, group)).collect();
    (sweep, moved)
}

/// For each scan, whether more of it is used by what has a gradient than the level visited last.
fn whole(kernel: &Kernel, domains: &[Domain], active: &[bool], of: &[Value]) -> Vec<bool> {
    let mut whole = vec![false; kernel.instructions.len()];
    of.iter().for_each(|value| whole[value.index()] = true);
    for (_, instruction) in kernel.instructions.iter().enumerate().filter(|(at, _)| active[*at]) {
        if let Instruction::Reduce { op: Reduce::Sum, value, weights: None, levels: Some(levels) } =
            instruction
            && is_last(&kernel.instructions[value.index()], domains[value.index()].levels(), levels)
        {
            continue;
        }
        instruction.operands().iter().for_each(|operand| whole[operand.index()] = true);
    }
    whole
}

struct Rewriting<'a> {
    kernel: &'a Kernel,
    domains: &'a [Domain],
    active: &'a [bool],
    whole: Vec<bool>,
    tape: Tape,
    now_active: Vec<bool>,
    /// Where the kernel's values are now.
    moved: Vec<Value>,
    instead: BTreeMap<usize, Value>,
    /// Walks as the kernel has them, with what becomes of them.
    walks: Vec<(Walk, Group)>,
}

impl Rewriting<'_> {
    fn instruction(&mut self, at: usize) -> Value {
        let instruction =
            self.kernel.instructions[at].clone().map_operands(|value| self.moved[value.index()]);
        match (&instruction, self.active[at]) {
            (Instruction::Layer { op, value, coordinate, from, to }, true) => {
                let (op, operands) = (*op, [*value, *coordinate, *from, *to]);
                let equal = self.written_out(|tape| layer::written_out(tape, op, operands));
                let value = self.keep(instruction, self.domains[at], true);
                self.instead.insert(value.index(), equal);
                value
            }
            (Instruction::Scan { .. }, true) => self.scan(at, instruction),
            (_, active) => self.keep(instruction, self.domains[at], active),
        }
    }

    fn keep(&mut self, instruction: Instruction, domain: Domain, active: bool) -> Value {
        self.now_active.push(active);
        self.tape.keep(instruction, domain)
    }

    /// More instructions, with a gradient where an operand has one.
    fn written_out(&mut self, write: impl FnOnce(&mut Tape) -> Value) -> Value {
        let value = write(&mut self.tape);
        for instruction in &self.tape.instructions[self.now_active.len()..] {
            let active = slopes(instruction).iter().any(|operand| self.now_active[operand.index()]);
            self.now_active.push(active);
        }
        value
    }

    fn scan(&mut self, at: usize, instruction: Instruction) -> Value {
        let Instruction::Scan { reverse, starts, captures, active, body, result } = instruction.clone()
        else {
            return self.keep(instruction, self.domains[at], true);
        };
        let walk = Walk { reverse, starts, captures, active, body };
        let place = self.walks.iter().position(|(known, _)| known.is(&walk)).unwrap_or_else(|| {
            let group = self.group(at, &walk);
            self.walks.push((walk, group));
            self.walks.len() - 1
        });
        let Walk { reverse, starts, captures, active, body } = self.walks[place].1.walk.clone();
        let scan = Instruction::Scan { reverse, starts, captures, active, body, result };
        let value = self.keep(scan, self.domains[at], true);
        self.walks[place].1.members.push(Member { at: value.index(), state: result });
        value
    }

    /// The walk that starts at this position, writing down what its way back needs, and what it writes.
    fn group(&mut self, at: usize, walk: &Walk) -> Group {
        let wish = self.wish(at, walk);
        let back = walk.back(&wish);
        let (body, written) = walk.writing(&back);
        let mut extended = Walk { body, ..walk.clone() };
        for _ in &written {
            // Not read before it is written.
            let none = self.written_out(|tape| tape.constant(0.0));
            extended.starts.push(none);
        }
        let mut columns: BTreeMap<Seen, Value> = BTreeMap::new();
        for (number, seen) in written.into_iter().enumerate() {
            let Walk { reverse, starts, captures, active, body } = extended.clone();
            let result = walk.starts.len() + number;
            let scan = Instruction::Scan { reverse, starts, captures, active, body, result };
            columns.insert(seen, self.keep(scan, self.domains[at], false));
        }
        Group { members: Vec::new(), walk: extended, written: columns, back }
    }

    /// What is wanted of the way back through a walk: from all its results, also those further on.
    fn wish(&self, first: usize, walk: &Walk) -> Wish {
        let mut results: BTreeMap<usize, bool> = BTreeMap::new();
        let ours = &self.kernel.instructions[first];
        for (at, other) in self.kernel.instructions.iter().enumerate().skip(first) {
            if let (true, Some(result)) = (self.active[at], same_walk(ours, other)) {
                *results.entry(result).or_default() |= self.whole[at];
            }
        }
        let of = |values: &[Value]| values.iter().map(|value| self.now_active[value.index()]).collect();
        Wish {
            results,
            starts: of(&walk.starts),
            captures: of(&walk.captures),
            columns: walk.captures.iter().map(|value| self.tape.domain(*value) != Domain::Cell).collect(),
        }
    }
}

/// The second's result if both scans are the same but for it.
fn same_walk(one: &Instruction, other: &Instruction) -> Option<usize> {
    let Instruction::Scan { result, .. } = other else { return None };
    is_same_walk(one, other).then_some(*result)
}
