//! The walk of [`rewrite`](super::rewrite) and [`range`](super::range) through a kernel and its bodies: instruction after
//! instruction, each with what is known of those before it, and each perhaps replaced.

use std::sync::Arc;

use super::super::interpret::Number;
use super::super::ir::{Body, Domain, Input, Instruction, Kernel, Value};
use super::facts::{Facts, facts_of};
use super::{Walks, domain_of, with_outputs};

/// What has been kept so far, and what is known of it.
pub(super) struct Code<'a, T> {
    pub instructions: Vec<Instruction>,
    pub domains: Vec<Domain>,
    pub facts: Vec<Facts<T>>,
    inputs: &'a [Input],
}

/// What takes an instruction's place.
#[derive(Clone, Debug, PartialEq)]
pub(super) enum Tree {
    /// A value that is there.
    Old(Value),
    /// A number.
    Number(f64),
    /// A new instruction; its operands are those of the template, in order.
    New(Instruction, Vec<Tree>),
}

/// A replacement with equal results, if there is one.
pub(super) type Simplify<T> = dyn Fn(&Instruction, &Code<'_, T>) -> Option<Tree>;

/// More rounds of replacing one instruction than any sensible chain of rules needs.
const ROUNDS: usize = 16;

/// The kernel with every instruction replaced for which there is a replacement.
pub(super) fn forward<T: Number>(kernel: &Kernel, simplify: &Simplify<T>) -> Kernel {
    let unknown = vec![Facts::unknown(); kernel.inputs.len()];
    kernel_with(kernel, &unknown, simplify)
}

fn kernel_with<T: Number>(kernel: &Kernel, known: &[Facts<T>], simplify: &Simplify<T>) -> Kernel {
    let mut code =
        Code { instructions: Vec::new(), domains: Vec::new(), facts: Vec::new(), inputs: &kernel.inputs };
    let mut moved: Vec<Value> = Vec::with_capacity(kernel.instructions.len());
    let mut walks = Walks::new();
    for instruction in &kernel.instructions {
        let instruction = instruction.clone().map_operands(|value| moved[value.index()]);
        let instruction = code.in_body(instruction, &mut walks, simplify);
        let leaf = match &instruction {
            Instruction::Input(input) => known.get(*input).copied(),
            _ => None,
        };
        moved.push(code.simplified(instruction, leaf, simplify));
    }
    with_outputs(kernel, code.instructions, |value| moved[value.index()])
}

impl<T: Number> Code<'_, T> {
    /// Whether a value is a number, and which: rounded as executors round it.
    pub(super) fn number(&self, value: Value) -> Option<T> {
        match &self.instructions[value.index()] {
            Instruction::Constant(number) => Some(T::from_f64(*number)),
            _ => None,
        }
    }

    fn push(&mut self, instruction: Instruction, facts: Option<Facts<T>>) -> Value {
        let facts = facts.unwrap_or_else(|| facts_of(&instruction, |value| self.facts[value.index()]));
        self.domains.push(domain_of(&instruction, self.inputs, &self.domains));
        self.facts.push(facts);
        self.instructions.push(instruction);
        Value::new(self.instructions.len() - 1)
    }

    fn simplified(
        &mut self,
        mut instruction: Instruction,
        facts: Option<Facts<T>>,
        simplify: &Simplify<T>,
    ) -> Value {
        for _ in 0..ROUNDS {
            let domain = domain_of(&instruction, self.inputs, &self.domains);
            let found = simplify(&instruction, self).filter(|tree| self.domain(tree) == domain);
            match found {
                None => break,
                Some(Tree::Old(value)) => return value,
                Some(Tree::Number(number)) => instruction = Instruction::Constant(number),
                Some(Tree::New(template, operands)) => instruction = self.filled(template, operands),
            }
        }
        self.push(instruction, facts)
    }

    /// The template with its operands made.
    fn filled(&mut self, template: Instruction, operands: Vec<Tree>) -> Instruction {
        let values: Vec<Value> = operands.into_iter().map(|operand| self.built(operand)).collect();
        let mut values = values.into_iter();
        template.map_operands(|old| values.next().unwrap_or(old))
    }

    fn built(&mut self, tree: Tree) -> Value {
        let instruction = match tree {
            Tree::Old(value) => return value,
            Tree::Number(number) => Instruction::Constant(number),
            Tree::New(template, operands) => self.filled(template, operands),
        };
        self.push(instruction, None)
    }

    /// The domain of what the tree would become; its templates are such that work level by level.
    fn domain(&self, tree: &Tree) -> Domain {
        match tree {
            Tree::Old(value) => self.domains[value.index()],
            Tree::Number(_) => Domain::Cell,
            Tree::New(Instruction::Levels(numbers), _) => Domain::Column(numbers.len()),
            Tree::New(_, operands) => {
                let mut domains = operands.iter().map(|operand| self.domain(operand));
                domains.find(|domain| *domain != Domain::Cell).unwrap_or(Domain::Cell)
            }
        }
    }

    /// The instruction with its body done, if it has one.
    fn in_body(
        &self,
        mut instruction: Instruction,
        walks: &mut Walks<Arc<Body>>,
        simplify: &Simplify<T>,
    ) -> Instruction {
        let of = |value: &Value| self.facts[value.index()];
        if let Instruction::Scan { captures, body, .. } = &instruction {
            let known = || captures.iter().map(of).collect::<Vec<Facts<T>>>();
            let simplified = walks.of(&instruction, || Arc::new(body_with(body, &known(), simplify)));
            if let Instruction::Scan { body, .. } = &mut instruction {
                *body = simplified;
            }
            return instruction;
        }
        match instruction {
            Instruction::Each { captures, here, active, body } => {
                let known: Vec<Facts<T>> = captures.iter().chain(&here).map(of).collect();
                let body = Box::new(kernel_with(&body, &known, simplify));
                Instruction::Each { captures, here, active, body }
            }
            other => other,
        }
    }
}

fn body_with<T: Number>(body: &Body, captures: &[Facts<T>], simplify: &Simplify<T>) -> Body {
    let mut code = Code { instructions: Vec::new(), domains: Vec::new(), facts: Vec::new(), inputs: &[] };
    let mut moved: Vec<Value> = Vec::with_capacity(body.instructions.len());
    for instruction in &body.instructions {
        let instruction = instruction.clone().map_operands(|value| moved[value.index()]);
        let leaf = match &instruction {
            Instruction::Here(capture) | Instruction::Before(capture) => captures.get(*capture).copied(),
            _ => None,
        };
        moved.push(code.simplified(instruction, leaf, simplify));
    }
    let next = body.next.iter().map(|value| moved[value.index()]).collect();
    Body { instructions: code.instructions, next }
}
