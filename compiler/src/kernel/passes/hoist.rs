//! Loop invariants: what is the same on every level of a loop is computed once, before it.
//!
//! Out of the body of a scan comes what depends on no state: if it depends on no level either, as a cell; if it depends
//! on this level only, or on the one before only, as a column, provided that it is dear (a quotient, a root, a transcendental
//! function): then two scans can share it, and what is wanted of this level and of the one before is computed once
//! for each level. Cheap work on columns stays, for a captured column takes a register as well. Out of what is done for each
//! level comes everything that does not depend on that level.

use std::collections::BTreeMap;
use std::sync::Arc;

use super::super::ir::{Binary, Body, Domain, Input, Instruction, Kernel, Unary, Value};
use super::{Walks, domain_of, domains_of, is_leaf, with_outputs};

/// Moves loop invariants out of all bodies.
#[must_use]
pub fn hoist_invariants(kernel: &Kernel) -> Kernel {
    let mut outside = Outside { instructions: Vec::new(), domains: Vec::new(), inputs: &kernel.inputs };
    let mut moved: Vec<Value> = Vec::with_capacity(kernel.instructions.len());
    let mut walks = Walks::new();
    for instruction in &kernel.instructions {
        let mut instruction = instruction.clone().map_operands(|value| moved[value.index()]);
        if let Instruction::Scan { captures, body, .. } = &instruction {
            let done = walks.of(&instruction, || outside.of_scan(captures.clone(), body));
            if let Instruction::Scan { captures, body, .. } = &mut instruction {
                (*captures, *body) = done;
            }
        } else if let Instruction::Each { captures, body, .. } = &mut instruction {
            let done = outside.of_each(captures.clone(), &hoist_invariants(body));
            (*captures, **body) = done;
        }
        moved.push(outside.push(instruction));
    }
    with_outputs(kernel, outside.instructions, |value| moved[value.index()])
}

/// On what a value of a scan's body depends.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Depends {
    /// On no level and no state.
    Nothing,
    /// On this level only.
    Here,
    /// On the level before only.
    Before,
    /// On a state, or on two levels.
    More,
}

impl Depends {
    fn and(self, other: Self) -> Self {
        match (self, other) {
            (Self::Nothing, other) | (other, Self::Nothing) => other,
            (one, other) if one == other => one,
            _ => Self::More,
        }
    }
}

/// The kernel around the bodies, as far as it is done.
struct Outside<'a> {
    instructions: Vec<Instruction>,
    domains: Vec<Domain>,
    inputs: &'a [Input],
}

impl Outside<'_> {
    fn push(&mut self, instruction: Instruction) -> Value {
        self.domains.push(domain_of(&instruction, self.inputs, &self.domains));
        self.instructions.push(instruction);
        Value::new(self.instructions.len() - 1)
    }

    /// What a scan captures now, and its body without invariants.
    fn of_scan(&mut self, mut captures: Vec<Value>, body: &Arc<Body>) -> (Vec<Value>, Arc<Body>) {
        let mut depends: Vec<Depends> = Vec::with_capacity(body.instructions.len());
        let mut dear: Vec<bool> = Vec::with_capacity(body.instructions.len());
        for instruction in &body.instructions {
            let operands = instruction.operands();
            depends.push(match instruction {
                Instruction::State(_) => Depends::More,
                Instruction::Here(capture) | Instruction::Before(capture) => {
                    match (self.domains[captures[*capture].index()], instruction) {
                        (Domain::Cell, _) => Depends::Nothing,
                        (_, Instruction::Here(_)) => Depends::Here,
                        _ => Depends::Before,
                    }
                }
                _ => operands.iter().map(|o| depends[o.index()]).fold(Depends::Nothing, Depends::and),
            });
            dear.push(is_dear(instruction) || operands.iter().any(|operand| dear[operand.index()]));
        }
        let worth = |value: usize| match depends[value] {
            Depends::Nothing => !is_leaf(&body.instructions[value]),
            Depends::Here | Depends::Before => dear[value],
            Depends::More => false,
        };
        let boundary = boundary(&body.instructions, &body.next, &worth);
        if boundary.is_empty() {
            return (captures, Arc::clone(body));
        }
        let mut out: BTreeMap<usize, Value> = BTreeMap::new();
        let mut instructions = body.instructions.clone();
        for value in boundary {
            let hoisted =
                self.copied(&body.instructions, value, &mut out, &|instruction| match instruction {
                    Instruction::Here(capture) | Instruction::Before(capture) => {
                        captures.get(*capture).copied()
                    }
                    _ => None,
                });
            let number = captures.iter().position(|captured| *captured == hoisted).unwrap_or_else(|| {
                captures.push(hoisted);
                captures.len() - 1
            });
            instructions[value] = match depends[value] {
                Depends::Before => Instruction::Before(number),
                _ => Instruction::Here(number),
            };
        }
        (captures, Arc::new(Body { instructions, next: body.next.clone() }))
    }

    /// What is captured now for each level, and the body without invariants.
    fn of_each(&mut self, mut captures: Vec<Value>, body: &Kernel) -> (Vec<Value>, Kernel) {
        let whole = captures.len();
        let mut invariant: Vec<bool> = Vec::with_capacity(body.instructions.len());
        for instruction in &body.instructions {
            invariant.push(match instruction {
                Instruction::Input(input) => *input < whole,
                _ => instruction.operands().iter().all(|operand| invariant[operand.index()]),
            });
        }
        let worth = |value: usize| invariant[value] && !is_leaf(&body.instructions[value]);
        let roots: Vec<Value> = body.outputs.iter().map(|output| output.value).collect();
        let domains = domains_of(body);
        let mut body = body.clone();
        let mut out: BTreeMap<usize, Value> = BTreeMap::new();
        let mut added = Vec::new();
        for value in boundary(&body.instructions, &roots, &worth) {
            let hoisted =
                self.copied(&body.instructions, value, &mut out, &|instruction| match instruction {
                    Instruction::Input(input) => captures.get(*input).copied(),
                    _ => None,
                });
            let name = (0..).map(|n| format!("before.{n}"));
            let taken =
                |name: &String| body.inputs.iter().chain(&added).any(|input: &Input| input.name == *name);
            let name = name.skip_while(taken).take(1).collect();
            added.push(Input { name, domain: domains[value] });
            captures.push(hoisted);
            // One of those that come after what was captured whole before.
            body.instructions[value] = Instruction::Input(captures.len() - 1);
        }
        let more = added.len();
        for (value, instruction) in body.instructions.iter_mut().enumerate() {
            if let Instruction::Input(input) = instruction
                && *input >= whole
                && !invariant[value]
            {
                *input += more;
            }
        }
        body.inputs.splice(whole..whole, added);
        (captures, body)
    }

    /// The value made outside, with all it needs; `known` gives what is there already.
    fn copied(
        &mut self,
        from: &[Instruction],
        value: usize,
        done: &mut BTreeMap<usize, Value>,
        known: &dyn Fn(&Instruction) -> Option<Value>,
    ) -> Value {
        let mut needed = vec![false; value + 1];
        needed[value] = true;
        for position in (0..=value).rev().filter(|position| !done.contains_key(position)) {
            if needed[position] {
                for operand in from[position].operands() {
                    needed[operand.index()] = true;
                }
            }
        }
        for position in (0..=value).filter(|position| needed[*position]) {
            if done.contains_key(&position) {
                continue;
            }
            let instruction = &from[position];
            let made = known(instruction).unwrap_or_else(|| {
                self.push(instruction.clone().map_operands(|o| done.get(&o.index()).copied().unwrap_or(o)))
            });
            done.insert(position, made);
        }
        done.get(&value).copied().unwrap_or(Value::new(value))
    }
}

/// The values worth hoisting that something which stays needs.
fn boundary(instructions: &[Instruction], roots: &[Value], worth: &dyn Fn(usize) -> bool) -> Vec<usize> {
    let mut wanted = vec![false; instructions.len()];
    for root in roots {
        wanted[root.index()] = true;
    }
    for (position, instruction) in instructions.iter().enumerate() {
        if !worth(position) {
            instruction.for_each_operand(|operand| wanted[operand.index()] = true);
        }
    }
    (0..instructions.len()).filter(|position| wanted[*position] && worth(*position)).collect()
}

fn is_dear(instruction: &Instruction) -> bool {
    matches!(
        instruction,
        Instruction::Unary { op: Unary::Exp | Unary::Log | Unary::Sqrt | Unary::Sin | Unary::Cos, .. }
            | Instruction::Binary { op: Binary::Div | Binary::Pow | Binary::Atan2, .. }
    )
}

#[cfg(test)]
mod tests {
    use super::super::super::optimise::tests::after;
    use super::super::dead::remove_dead_code;
    use super::super::share::share_common_subexpressions;
    use super::*;

    fn hoisted(body: &str) -> String {
        let pass =
            |kernel: &Kernel| remove_dead_code(&share_common_subexpressions(&hoist_invariants(kernel)));
        after(pass, body)
    }

    #[test]
    fn what_no_level_changes_leaves_the_walk() {
        let text = hoisted(
            "%0 = input a\n%1 = input b\n%2 = scan starts [%0] captures [%1 %0] result 0 {
            %0 = state 0\n%1 = here 1\n%2 = constant 2\n%3 = add %1 %2\n%4 = here 0\n%5 = mul %3 %4\n%6 = add %0 %5\nnext [%6]\n}
            output x = %2",
        );
        assert!(text.contains("%3 = add %0 %2; %4 = scan starts [%0] captures [%1 %3]"), "{text}");
        assert!(text.contains("= mul"), "{text}");
    }

    /// The logarithm of this level and of the one before: one a level.
    #[test]
    fn what_is_dear_becomes_a_column() {
        let text = hoisted(
            "%0 = input a\n%1 = input b\n%2 = scan starts [%0] captures [%1] result 0 {
            %0 = state 0\n%1 = here 0\n%2 = log %1\n%3 = before 0\n%4 = log %3\n%5 = sub %4 %2\n%6 = add %0 %5\nnext [%6]\n}
            output x = %2",
        );
        let expected = "%0 = input a; %1 = input b; %2 = log %1; %3 = scan starts [%0] captures [%2] result 0 {; \
                        %0 = state 0; %1 = here 0; %2 = before 0; %3 = sub %2 %1; %4 = add %0 %3; output x = %3";
        assert_eq!(text, expected);
    }

    #[test]
    fn what_is_the_same_for_each_level_is_done_once() {
        let text = hoisted(
            "%0 = input a\n%1 = input b\n%2 = each captures [%1 %0] here [%1] kernel lift(air: column 2, a: cell, own: cell) {
            %0 = input air\n%1 = input own\n%2 = input a\n%3 = exp %0\n%4 = mul %3 %2\n%5 = sub %4 %1\n%6 = sum %5\noutput x = %6\n}
            output x = %2",
        );
        assert!(text.contains("%2 = exp %1; %3 = mul %0 %2") || text.contains("%3 = mul %2 %0"), "{text}");
        assert!(text.contains("lift(before.0: column 2, own: cell)"), "{text}");
    }
}
