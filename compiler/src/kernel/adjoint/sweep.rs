//! The way back: from the last instruction to the first, each hands the gradient of its value on to its operands.

use std::collections::BTreeMap;

use super::super::ir::{Binary, Compare, Domain, Instruction, Reduce, Value};
use super::guards::{Chain, Guards, Mask, ROOT, Side};
use super::scan::{Group, Member};
use super::tape::Tape;

/// The gradient of one value, in parts.
#[derive(Clone, Debug, Default)]
pub(super) struct Adjoint {
    /// Of a column: the same on every level.
    cell: Option<Value>,
    /// Of a cell: to be summed; by the number of levels.
    columns: BTreeMap<usize, Value>,
    /// Of a scan: that of its value on the level visited last, besides the others.
    pub last: Option<Value>,
}

/// A kernel or a body on its way back.
#[derive(Debug)]
pub(super) struct Sweep {
    pub tape: Tape,
    /// What is differentiated; its values have the same numbers on the tape.
    pub original: Vec<Instruction>,
    /// Which values of the original have a gradient that is wanted.
    pub active: Vec<bool>,
    /// Instructions that another value, before them, is differentiated for: it is equal to them.
    pub instead: BTreeMap<usize, Value>,
    /// Scans that are one walk, by the position of the first.
    pub groups: BTreeMap<usize, Group>,
    pub guards: Guards,
    /// Which choices each value is under; nothing where it has no use.
    pub under: Vec<Option<Chain>>,
    /// Which values have a choice of their own: whether their gradient is 0.
    pub alone: Vec<bool>,
    pub adjoints: Vec<Adjoint>,
}

impl Sweep {
    /// Before the first gradient is known. The tape starts with the original.
    pub fn new(tape: Tape, original: Vec<Instruction>, active: Vec<bool>) -> Self {
        let count = original.len();
        Self {
            tape,
            original,
            active,
            instead: BTreeMap::new(),
            groups: BTreeMap::new(),
            guards: Guards::new(),
            under: vec![None; count],
            alone: vec![false; count],
            adjoints: vec![Adjoint::default(); count],
        }
    }

    /// Says that a value matters under that chain of choices.
    pub fn used(&mut self, value: Value, chain: Chain) {
        if !self.active[value.index()] {
            return;
        }
        let known = &mut self.under[value.index()];
        *known = Some(known.map_or(chain, |known| self.guards.common(known, chain)));
    }

    /// Finds for each value under which choices it matters; what is used from outside has been said.
    pub fn find_uses(&mut self) {
        for at in (0..self.original.len()).rev() {
            if let Some(group) = self.groups.get(&at) {
                let (operands, members) = (group.operands(), group.members.clone());
                let Some((_, chain)) = self.walked(&members) else { continue };
                for operand in operands {
                    // What a step did not take, too.
                    self.alone[operand.index()] = true;
                    self.used(operand, chain);
                }
                continue;
            }
            let Some(own) = self.under[at].filter(|_| self.active[at]) else { continue };
            let mixes = mixes(&self.original[at]);
            let chain = self.onwards(at, if mixes { self.guards.by_cell(own) } else { own });
            if let Some(equal) = self.instead.get(&at) {
                self.used(*equal, chain);
                continue;
            }
            for (operand, side) in self.edges(at) {
                let joins = !mixes && self.tape.domains[at] != self.tape.domain(operand);
                let mut chain = chain;
                if let Some(side) = side {
                    chain = self.guards.under(chain, side, &self.tape);
                }
                let outer = if joins { self.guards.by_cell(chain) } else { chain };
                let cut = outer != chain || mixes && self.guards.by_cell(own) != own;
                self.alone[operand.index()] |= cut || drops_levels(&self.original[at]);
                self.used(operand, outer);
            }
        }
    }

    /// The chains that the gradients of a walk's results, and then what it hands on, are under; nothing if it has no use.
    pub fn walked(&mut self, members: &[Member]) -> Option<(Chain, Chain)> {
        let chains: Vec<Chain> = members.iter().filter_map(|member| self.under[member.at]).collect();
        let by_cell = chains.iter().map(|chain| self.guards.by_cell(*chain));
        let outer = by_cell.reduce(|one, two| self.guards.common(one, two))?;
        let cut = chains.iter().any(|chain| *chain != outer);
        if !cut && !members.iter().any(|member| self.alone[member.at]) {
            return Some((outer, outer));
        }
        let side = Side { mask: Mask::ZeroEverywhere(members[0].at), when: false };
        Some((outer, self.guards.under(outer, side, &self.tape)))
    }

    /// The chain for what an instruction hands on, of the chain that its own gradient is under.
    fn onwards(&mut self, at: usize, chain: Chain) -> Chain {
        let by_level = self.tape.domains[at] != Domain::Cell && mixes(&self.original[at]);
        if self.alone[at] && !by_level {
            self.guards.under(chain, Side::not_zero(at), &self.tape)
        } else {
            chain
        }
    }

    /// The operands that may get a gradient from an instruction, and on which side of its choice.
    fn edges(&mut self, at: usize) -> Vec<(Value, Option<Side>)> {
        match self.original[at].clone() {
            Instruction::Compare { .. } | Instruction::Each { .. } | Instruction::Scan { .. } => Vec::new(),
            Instruction::Select { mask, then, otherwise } => {
                let side = |when| Some(Side::of(mask, when));
                vec![(then, side(true)), (otherwise, side(false))]
            }
            Instruction::Binary { op: op @ (Binary::Min | Binary::Max), left, right } => {
                let mask = self.takes_left(op, left, right);
                let side = |when| Some(Side::of(mask, when));
                vec![(left, side(true)), (right, side(false))]
            }
            Instruction::Reduce { op: op @ (Reduce::Min | Reduce::Max), value, levels, .. } => {
                let mask = self.attains(op, value, levels, Value::new(at));
                vec![(value, Some(Side::of(mask, true)))]
            }
            other => other.operands().into_iter().map(|operand| (operand, None)).collect(),
        }
    }

    /// Where [`Binary::Min`] and [`Binary::Max`] take the left operand.
    pub fn takes_left(&mut self, op: Binary, left: Value, right: Value) -> Value {
        let op = if op == Binary::Min { Compare::Lt } else { Compare::Gt };
        self.tape.compare(op, left, right)
    }

    /// Goes back through all instructions.
    pub fn run(&mut self) {
        for at in (0..self.original.len()).rev() {
            if let Some(group) = self.groups.remove(&at) {
                self.scan(&group);
                continue;
            }
            if matches!(self.original[at], Instruction::Scan { .. }) {
                continue;
            }
            let Some(chain) = self.under[at].filter(|_| self.active[at]) else { continue };
            let Some(mut adjoint) = self.adjoint(at) else { continue };
            let mut outer = chain;
            if mixes(&self.original[at]) {
                outer = self.guards.by_cell(chain);
                adjoint = self.guards.leave(&mut self.tape, adjoint, chain, outer);
            }
            let chain = self.onwards(at, outer);
            if chain != outer {
                let zero = self.tape.constant(0.0);
                let mask = self.tape.compare(Compare::Eq, adjoint, zero);
                self.guards.zero.insert(at, mask);
            }
            if let Some(equal) = self.instead.get(&at).copied() {
                self.give(equal, adjoint, chain, at);
                continue;
            }
            match self.original[at].clone() {
                Instruction::Reduce { op, value, weights, levels } => {
                    self.reduce(at, chain, adjoint, op, value, weights, levels);
                }
                Instruction::Shift { value, by } => self.shift(at, chain, adjoint, value, by),
                Instruction::Concat { parts } => self.concat(at, chain, adjoint, &parts),
                Instruction::Slice { value, levels } => self.slice(at, chain, adjoint, value, levels),
                Instruction::Interpolate { value, coordinate, at: place } => {
                    self.interpolate(at, chain, adjoint, [value, coordinate, place]);
                }
                instruction => self.elementwise(at, chain, adjoint, &instruction),
            }
        }
    }

    /// The gradient of a value of the original, in its domain or the same on every level; nothing if it is 0.
    pub fn adjoint(&mut self, at: usize) -> Option<Value> {
        let Adjoint { cell, columns, .. } = self.adjoints[at].clone();
        let mut sum = cell;
        for column in columns.into_values() {
            let part = match self.tape.domains[at] {
                Domain::Cell => self.tape.sum(column, None),
                Domain::Column(_) => column,
            };
            sum = Some(sum.map_or(part, |sum| self.tape.add(sum, part)));
        }
        sum
    }

    /// The same, whole: made fit for all of the kernel.
    pub fn whole_adjoint(&mut self, at: usize) -> Option<Value> {
        let chain = self.under[at].unwrap_or(ROOT);
        let adjoint = self.adjoint(at)?;
        Some(self.guards.leave(&mut self.tape, adjoint, chain, ROOT))
    }

    /// Adds to the gradient of a value what comes, under those choices, from the instruction at a position.
    pub fn give(&mut self, to: Value, part: Value, chain: Chain, from: usize) {
        let Some(outer) = self.under[to.index()].filter(|_| self.active[to.index()]) else { return };
        let mut part = self.guards.leave(&mut self.tape, part, chain, outer);
        if let (Domain::Cell, Domain::Column(levels), Domain::Cell) =
            (self.tape.domain(to), self.tape.domains[from], self.tape.domain(part))
        {
            // The cell was used on every level.
            let count = self.tape.constant(levels as f64);
            part = self.tape.mul(part, count);
        }
        self.add(to, part);
    }

    /// The same of a part that is in the value's own domain, whatever that of the instruction.
    pub fn give_as_it_is(&mut self, to: Value, part: Value, chain: Chain) {
        if let Some(outer) = self.under[to.index()].filter(|_| self.active[to.index()]) {
            let part = self.guards.leave(&mut self.tape, part, chain, outer);
            self.add(to, part);
        }
    }

    /// Adds to the gradient of a value what is fit for wherever the value matters.
    pub fn add(&mut self, to: Value, part: Value) {
        let adjoint = &mut self.adjoints[to.index()];
        match self.tape.domain(part) {
            Domain::Cell => {
                let sum = adjoint.cell.map_or(part, |before| self.tape.add(before, part));
                adjoint.cell = Some(sum);
            }
            Domain::Column(levels) => {
                let before = adjoint.columns.get(&levels);
                let sum = before.map_or(part, |before| self.tape.add(*before, part));
                adjoint.columns.insert(levels, sum);
            }
        }
    }
}

/// Whether an instruction joins levels, or takes them apart.
fn mixes(instruction: &Instruction) -> bool {
    !matches!(
        instruction,
        Instruction::Unary { .. }
            | Instruction::Binary { .. }
            | Instruction::Select { .. }
            | Instruction::Layer { .. }
    )
}

/// Whether some levels of a column may not matter to an instruction.
fn drops_levels(instruction: &Instruction) -> bool {
    match instruction {
        Instruction::Reduce { op: Reduce::Sum, weights: None, levels: None, .. } => false,
        Instruction::Concat { .. } => false,
        other => mixes(other),
    }
}
