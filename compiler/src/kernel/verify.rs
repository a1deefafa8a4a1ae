//! The verifier: whether a module keeps the invariants that [`ir`](super::ir) states.
//!
//! It runs after lowering, after every pass in tests, and before any executor starts.

use std::collections::BTreeSet;
use std::ops::Range;

pub use super::fault::{Fault, VerifyError};
use super::ir::{Body, Domain, Instruction, Kernel, Module, Reduce, Value, is_name};
use super::text::name_of;

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
            Instruction::Shift { value, .. } => self.column(at, *value, "value").map(Domain::Column),
            Instruction::Interpolate { value, coordinate, at: place } => {
                let pair = self.pair(at, *value, *coordinate);
                let place = self.operand(at, *place);
                pair.and(place)
            }
            Instruction::Layer { value, coordinate, from, to, .. } => {
                let pair = self.pair(at, *value, *coordinate);
                let (from, to) = (self.cell(at, *from, "from"), self.cell(at, *to, "to"));
                pair.and(from).and(to)
            }
            Instruction::Difference { value, .. } => self.operand(at, *value),
            Instruction::Concat { parts } => {
                let parts: Vec<_> = parts.iter().map(|part| self.operand(at, *part)).collect();
                if parts.is_empty() {
                    return self.fault(Fault::NoPart { at });
                }
                let levels = parts.into_iter().try_fold(0_usize, |sum, part| sum.checked_add(part?.levels()));
                levels.map(Domain::Column)
            }
            Instruction::Slice { value, levels: range } => {
                let levels = self.column(at, *value, "value")?;
                if range.is_empty() || range.end > levels {
                    return self.fault(Fault::LevelRange { at, levels, range: range.clone() });
                }
                Some(Domain::Column(range.len()))
            }
            Instruction::Each { captures, here, active, body } => {
                self.each(at, (captures, here), *active, body)
            }
            Instruction::Scan { starts, captures, active, body, result, .. } => {
                self.body(at, body, starts.len(), captures.len());
                if starts.is_empty() {
                    self.faults.push(Fault::NoState { at });
                } else if *result >= starts.len() {
                    self.faults.push(Fault::MissingResult { at, result: *result, states: starts.len() });
                }
                for start in starts {
                    self.cell(at, *start, "start");
                }
                let captured = self.joined(at, captures)?;
                if captured == Domain::Cell {
                    return self.fault(Fault::NoColumn { at });
                }
                let walked: Vec<Value> = captures.iter().chain(active).copied().collect();
                self.joined(at, &walked)
            }
            Instruction::State(_) | Instruction::Here(_) | Instruction::Before(_) => {
                self.fault(Fault::OnlyInBody { at, name: name_of(instruction) })
            }
        }
    }

    /// A kernel for each level: its inputs are what it captures, whole and on the level.
    fn each(
        &mut self,
        at: usize,
        (captures, here): (&[Value], &[Value]),
        active: Option<Value>,
        body: &Kernel,
    ) -> Option<Domain> {
        for value in here {
            self.column(at, *value, "column")?;
        }
        let own = self.joined(at, here)?;
        if own == Domain::Cell {
            return self.fault(Fault::NothingHere { at });
        }
        let mut given: Vec<Domain> = Vec::with_capacity(captures.len() + here.len());
        for capture in captures {
            given.push(self.operand(at, *capture)?);
        }
        given.extend(here.iter().map(|_| Domain::Cell));
        let declared: Vec<Domain> = body.inputs.iter().map(|input| input.domain).collect();
        if let Some(input) = (0..given.len().max(declared.len())).find(|k| given.get(*k) != declared.get(*k))
        {
            return self.fault(Fault::CapturedAs { at, input, expected: given.get(input).copied() });
        }
        let forbidden = body
            .instructions
            .iter()
            .find(|inner| matches!(inner, Instruction::Difference { .. } | Instruction::Each { .. }));
        if let Some(inner) = forbidden {
            return self.fault(Fault::NotInBody { at, name: name_of(inner) });
        }
        match domains(body) {
            Ok(domains) => match &body.outputs[..] {
                [output] if domains[output.value.index()] == Domain::Cell => {}
                _ => return self.fault(Fault::NotOneCell { at }),
            },
            Err(errors) => {
                let errors = errors.into_iter().map(|error| Fault::InEach { at, error: Box::new(error) });
                self.faults.extend(errors);
                return None;
            }
        }
        let all: Vec<Value> = here.iter().copied().chain(active).collect();
        self.joined(at, &all)
    }

    /// The body of the scan at that position: a small program of its own.
    fn body(&mut self, at: usize, body: &Body, states: usize, captures: usize) {
        let mut faults = Vec::new();
        for (position, instruction) in body.instructions.iter().enumerate() {
            faults.extend(body_fault(position, instruction, states, captures));
            let later = instruction.operands().into_iter().filter(|operand| operand.index() >= position);
            // What a body cannot have has operands that mean nothing.
            if may_stand_in_a_body(instruction) {
                faults.extend(later.map(|operand| Fault::NotYetDefined { at: position, operand }));
            }
        }
        for (state, value) in body.next.iter().enumerate() {
            if value.index() >= body.instructions.len() {
                faults.push(Fault::MissingNext { state, value: *value });
            }
        }
        self.faults.extend(faults.into_iter().map(|fault| Fault::InBody { at, fault: Box::new(fault) }));
        if body.next.len() != states {
            self.faults.push(Fault::StateCount { at, starts: states, next: body.next.len() });
        }
    }

    /// A value and its coordinate: columns of as many levels. What comes of them is a cell at least.
    fn pair(&mut self, at: usize, value: Value, coordinate: Value) -> Option<Domain> {
        let first = self.column(at, value, "value");
        let second = self.column(at, coordinate, "coordinate");
        match (first?, second?) {
            (first, second) if first != second => self.fault(Fault::LevelCounts { at, first, second }),
            _ => Some(Domain::Cell),
        }
    }

    fn column(&mut self, at: usize, operand: Value, role: &'static str) -> Option<usize> {
        match self.operand(at, operand)? {
            Domain::Column(levels) => Some(levels),
            Domain::Cell => {
                self.faults.push(Fault::NeedsColumn { at, operand, role });
                None
            }
        }
    }

    fn cell(&mut self, at: usize, operand: Value, role: &'static str) -> Option<Domain> {
        match self.operand(at, operand)? {
            Domain::Cell => Some(Domain::Cell),
            Domain::Column(_) => self.fault(Fault::NeedsCell { at, operand, role }),
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

fn may_stand_in_a_body(instruction: &Instruction) -> bool {
    matches!(
        instruction,
        Instruction::State(_)
            | Instruction::Here(_)
            | Instruction::Before(_)
            | Instruction::Constant(_)
            | Instruction::Unary { .. }
            | Instruction::Binary { .. }
            | Instruction::Compare { .. }
            | Instruction::Select { .. }
    )
}

fn body_fault(at: usize, instruction: &Instruction, states: usize, captures: usize) -> Option<Fault> {
    match instruction {
        Instruction::State(state) if *state >= states => {
            Some(Fault::MissingState { at, state: *state, states })
        }
        Instruction::Here(capture) | Instruction::Before(capture) if *capture >= captures => {
            Some(Fault::MissingCapture { at, capture: *capture, captures })
        }
        other if !may_stand_in_a_body(other) => Some(Fault::NotInBody { at, name: name_of(other) }),
        _ => None,
    }
}
