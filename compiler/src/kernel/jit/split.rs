//! Walks taken apart: states that do not see each other are walks of their own. So what two walks have in common (a sum that
//! both keep) is found to be the same walk; those of one loop come together again in the schedule.

use std::sync::Arc;

use super::super::ir::{Body, Instruction, Kernel, Value};

/// The kernel with every scan cut down to the states that hang together with its result, here and in the bodies of `Each`.
pub(super) fn split_walks(kernel: &Kernel) -> Kernel {
    let mut kernel = kernel.clone();
    for instruction in &mut kernel.instructions {
        match instruction {
            Instruction::Scan { starts, body, result, .. } if starts.len() > 1 => {
                let group = hanging_together(body, *result);
                if group.iter().any(|inside| !inside) {
                    let places = places(&group);
                    let old = std::mem::take(starts);
                    *starts = kept(&old, &group);
                    *body = Arc::new(cut(body, &group, &places));
                    *result = places[*result];
                }
            }
            Instruction::Each { body, .. } => **body = split_walks(body),
            _ => {}
        }
    }
    kernel
}

/// The states that the given one sees, or that see it, directly or through others.
fn hanging_together(body: &Body, result: usize) -> Vec<bool> {
    let states = body.next.len();
    // For each instruction one state that it depends on; states that meet in an instruction are joined.
    let mut leader: Vec<usize> = (0..states).collect();
    fn find(leader: &[usize], mut state: usize) -> usize {
        while leader[state] != state {
            state = leader[state];
        }
        state
    }
    let mut of: Vec<Option<usize>> = Vec::with_capacity(body.instructions.len());
    let mut wanted = vec![false; body.instructions.len()];
    for value in &body.next {
        wanted[value.index()] = true;
    }
    for (position, instruction) in body.instructions.iter().enumerate().rev() {
        if wanted[position] {
            instruction.operands().iter().for_each(|operand| wanted[operand.index()] = true);
        }
    }
    let join = |leader: &mut Vec<usize>, one: Option<usize>, other: Option<usize>| match (one, other) {
        (Some(one), Some(other)) => {
            let (one, other) = (find(leader, one), find(leader, other));
            leader[one.max(other)] = one.min(other);
            Some(one)
        }
        (one, other) => one.or(other),
    };
    for (position, instruction) in body.instructions.iter().enumerate() {
        of.push(match instruction {
            _ if !wanted[position] => None,
            Instruction::State(state) => Some(*state),
            _ => instruction
                .operands()
                .iter()
                .fold(None, |so_far, operand| join(&mut leader, so_far, of[operand.index()])),
        });
    }
    for (state, value) in body.next.iter().enumerate() {
        join(&mut leader, Some(state), of[value.index()]);
    }
    let home = find(&leader, result);
    (0..states).map(|state| find(&leader, state) == home).collect()
}

/// The body with these states only, and without what they do not need.
fn cut(body: &Body, group: &[bool], places: &[usize]) -> Body {
    let mut wanted = vec![false; body.instructions.len()];
    for (value, _) in body.next.iter().zip(group).filter(|(_, inside)| **inside) {
        wanted[value.index()] = true;
    }
    for (position, instruction) in body.instructions.iter().enumerate().rev() {
        if wanted[position] {
            instruction.operands().iter().for_each(|operand| wanted[operand.index()] = true);
        }
    }
    let mut moved = vec![Value::new(0); body.instructions.len()];
    let mut instructions = Vec::new();
    for (position, instruction) in
        body.instructions.iter().enumerate().filter(|(position, _)| wanted[*position])
    {
        moved[position] = Value::new(instructions.len());
        instructions.push(match instruction {
            Instruction::State(state) => Instruction::State(places[*state]),
            other => other.clone().map_operands(|value| moved[value.index()]),
        });
    }
    let next = kept(&body.next, group).into_iter().map(|value| moved[value.index()]).collect();
    Body { instructions, next }
}

fn places(group: &[bool]) -> Vec<usize> {
    let mut next = 0;
    let place = |inside: &bool| {
        let place = next;
        next += usize::from(*inside);
        place
    };
    group.iter().map(place).collect()
}

fn kept<T: Copy>(all: &[T], group: &[bool]) -> Vec<T> {
    all.iter().zip(group).filter(|(_, inside)| **inside).map(|(one, _)| *one).collect()
}

#[cfg(test)]
mod tests {
    use super::super::super::optimise::{remove_dead_code, share_common_subexpressions};
    use super::super::super::text::parse;
    use super::super::super::verify::domains;
    use super::*;

    #[test]
    fn what_two_walks_share_is_one_walk() {
        let text = "kernel k(a: cell, b: column 2, c: column 2) {
            %0 = input a
            %1 = input b
            %2 = input c
            %3 = scan starts [%0 %0] captures [%1 %2] result 1 {
                %0 = state 0
                %1 = here 1
                %2 = add %0 %1
                %3 = state 1
                %4 = here 0
                %5 = add %3 %4
                next [%2 %5]
            }
            %4 = scan starts [%0] captures [%1] result 0 {
                %0 = state 0
                %1 = here 0
                %2 = add %0 %1
                next [%2]
            }
            output x = %3
            output y = %4
        }";
        let kernel = split_walks(&parse(text).unwrap().kernels[0]);
        let kernel = share_common_subexpressions(&remove_dead_code(&kernel));
        assert!(domains(&kernel).is_ok());
        assert_eq!(kernel.outputs[0].value, kernel.outputs[1].value, "{kernel}");
    }
}
