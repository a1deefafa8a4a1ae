//! Common subexpressions.

use std::collections::BTreeMap;
use std::sync::Arc;

use super::super::ir::{Body, Instruction, Kernel, Value};
use super::Keys;
use super::{Walks, with_outputs};

/// Makes later occurrences of an instruction refer to the first one, walks and what is done for each level among them.
#[must_use]
pub fn share_common_subexpressions(kernel: &Kernel) -> Kernel {
    let mut instructions = Vec::with_capacity(kernel.instructions.len());
    let mut replaced: Vec<Value> = Vec::with_capacity(kernel.instructions.len());
    let mut keys = Keys::default();
    let mut first = BTreeMap::new();
    let mut walks = Walks::new();
    for (position, instruction) in kernel.instructions.iter().enumerate() {
        let mut instruction = instruction.clone().map_operands(|value| replaced[value.index()]);
        match &mut instruction {
            Instruction::Scan { .. } => share_in_scan(&mut instruction, &mut walks),
            Instruction::Each { body, .. } => **body = share_common_subexpressions(body),
            _ => {}
        }
        replaced.push(*first.entry(keys.of(&instruction)).or_insert(Value::new(position)));
        instructions.push(instruction);
    }
    with_outputs(kernel, instructions, |value| replaced[value.index()])
}

fn share_in_scan(scan: &mut Instruction, walks: &mut Walks<Arc<Body>>) {
    let Instruction::Scan { captures, body, .. } = &*scan else { return };
    let shared = walks.of(scan, || {
        let mut shared = share_in_body(body);
        capture_once(captures, &mut shared);
        // Where nothing was shared it stays the very same.
        if shared == **body { Arc::clone(body) } else { Arc::new(shared) }
    });
    if let Instruction::Scan { body, .. } = scan {
        *body = shared;
    }
}

fn share_in_body(body: &Body) -> Body {
    let mut keys = Keys::default();
    let mut first = BTreeMap::new();
    let mut replaced: Vec<Value> = Vec::with_capacity(body.instructions.len());
    let mut instructions = body.instructions.clone();
    for (position, instruction) in instructions.iter_mut().enumerate() {
        instruction.replace_operands(|value| replaced[value.index()]);
        replaced.push(*first.entry(keys.of(instruction)).or_insert(Value::new(position)));
    }
    Body { instructions, next: body.next.iter().map(|value| replaced[value.index()]).collect() }
}

/// What a scan captures twice, it sees as captured the first time; that it is shared in the body is for the next round.
fn capture_once(captures: &[Value], body: &mut Body) {
    for inner in &mut body.instructions {
        if let Instruction::Here(capture) | Instruction::Before(capture) = inner {
            let first = captures.iter().position(|other| *other == captures[*capture]);
            *capture = first.unwrap_or(*capture);
        }
    }
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
