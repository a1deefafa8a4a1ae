//! Common subexpressions.

use std::collections::BTreeMap;

use super::super::ir::{Body, Instruction, Kernel, Value};
use super::key::key;
use super::{Walks, with_outputs};

/// Makes later occurrences of an instruction refer to the first one, walks and what is done for each level among them.
#[must_use]
pub fn share_common_subexpressions(kernel: &Kernel) -> Kernel {
    let mut instructions = Vec::with_capacity(kernel.instructions.len());
    let mut replaced: Vec<Value> = Vec::with_capacity(kernel.instructions.len());
    let mut first = BTreeMap::new();
    let mut walks = Walks::new();
    for (position, instruction) in kernel.instructions.iter().enumerate() {
        let instruction = in_body(instruction, &mut walks).map_operands(|value| replaced[value.index()]);
        let instruction = capture_once(instruction);
        replaced.push(*first.entry(key(&instruction)).or_insert(Value::new(position)));
        instructions.push(instruction);
    }
    with_outputs(kernel, instructions, |value| replaced[value.index()])
}

fn in_body(instruction: &Instruction, walks: &mut Walks<Body>) -> Instruction {
    let mut shared = instruction.clone();
    match &mut shared {
        Instruction::Scan { body, .. } => *body = walks.of(instruction, || share_in_scan(body.clone())),
        Instruction::Each { body, .. } => **body = share_common_subexpressions(body),
        _ => {}
    }
    shared
}

fn share_in_scan(mut body: Body) -> Body {
    let mut first = BTreeMap::new();
    let mut replaced: Vec<Value> = Vec::with_capacity(body.instructions.len());
    for (position, instruction) in body.instructions.iter_mut().enumerate() {
        *instruction = instruction.clone().map_operands(|value| replaced[value.index()]);
        replaced.push(*first.entry(key(instruction)).or_insert(Value::new(position)));
    }
    for value in &mut body.next {
        *value = replaced[value.index()];
    }
    body
}

/// What a scan captures twice, it sees as captured the first time; that it is shared in the body is for the next round.
fn capture_once(mut instruction: Instruction) -> Instruction {
    if let Instruction::Scan { captures, body, .. } = &mut instruction {
        let first: Vec<usize> = captures
            .iter()
            .enumerate()
            .map(|(k, capture)| captures.iter().position(|other| other == capture).unwrap_or(k))
            .collect();
        for inner in &mut body.instructions {
            if let Instruction::Here(capture) | Instruction::Before(capture) = inner {
                *capture = first[*capture];
            }
        }
    }
    instruction
}

#[cfg(test)]
mod tests {
    use super::super::super::optimise::tests::after;
    use super::super::dead::remove_dead_code;
    use super::*;

    fn shared(body: &str) -> String {
        after(|kernel| remove_dead_code(&share_common_subexpressions(kernel)), body)
    }

    #[test]
    fn equal_instructions_are_shared_but_zeros_of_either_sign_are_not() {
        let body = "%0 = input a\n%1 = exp %0\n%2 = input a\n%3 = exp %2\n%4 = add %1 %3\noutput x = %4";
        assert_eq!(shared(body), "%0 = input a; %1 = exp %0; %2 = add %1 %1; output x = %2");
        let body = "%0 = constant 0.0\n%1 = constant -0.0\noutput x = %0\noutput y = %1";
        assert!(after(share_common_subexpressions, body).ends_with("output y = %1"));
    }

    #[test]
    fn the_same_walk_is_walked_once() {
        let scan = |captures: &str, capture: usize| {
            format!(
                "scan starts [%0] captures [{captures}] result 0 {{
                %0 = state 0\n%1 = here {capture}\n%2 = add %1 %0\nnext [%2]\n}}"
            )
        };
        let body = format!(
            "%0 = input a\n%1 = input b\n%2 = {}\n%3 = input b\n%4 = {}\n%5 = add %2 %4\noutput x = %5",
            scan("%1", 0),
            scan("%3 %1", 1)
        );
        let once = |kernel: &Kernel| remove_dead_code(&share_common_subexpressions(kernel));
        // The second captures the column twice until it is trimmed, so it takes two rounds.
        let text = after(|kernel| once(&once(kernel)), &body);
        assert_eq!(text.matches("scan").count(), 1, "{text}");
    }
}
