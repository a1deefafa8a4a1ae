//! Bodies of scans in the order in which their instructions are asked for.
//!
//! A derivative's body begins with all that it computes again of the way forward and goes on with the way back, which asks for the
//! last of it first. Computed when it is asked for, little of it has to be held at a time.

use std::sync::Arc;

use super::super::ir::{Body, Instruction, Kernel, Value};

/// The same kernel with its bodies in that order.
pub(super) fn on_demand(mut kernel: Kernel) -> Kernel {
    // Scans of one walk have one body, and follow each other.
    let mut last: Option<[Arc<Body>; 2]> = None;
    for instruction in &mut kernel.instructions {
        let Instruction::Scan { body, .. } = instruction else { continue };
        let ordered = match &last {
            Some([known, ordered]) if Arc::ptr_eq(known, body) => Arc::clone(ordered),
            _ => Arc::new(body_on_demand(body)),
        };
        last = Some([std::mem::replace(body, Arc::clone(&ordered)), ordered]);
    }
    kernel
}

fn body_on_demand(body: &Body) -> Body {
    let mut moved: Vec<Option<Value>> = vec![None; body.instructions.len()];
    let mut instructions: Vec<Instruction> = Vec::with_capacity(body.instructions.len());
    let mut open: Vec<Value> = body.next.iter().rev().copied().collect();
    while let Some(value) = open.last().copied() {
        if moved[value.index()].is_some() {
            open.pop();
            continue;
        }
        let instruction = &body.instructions[value.index()];
        let missing: Vec<Value> = instruction
            .operands()
            .into_iter()
            .rev()
            .filter(|operand| moved[operand.index()].is_none())
            .collect();
        if missing.is_empty() {
            open.pop();
            moved[value.index()] = Some(Value::new(instructions.len()));
            let known = |operand: Value| moved[operand.index()].unwrap_or(operand);
            instructions.push(instruction.clone().map_operands(known));
        } else {
            open.extend(missing);
        }
    }
    let next = body.next.iter().map(|value| moved[value.index()].unwrap_or(*value)).collect();
    Body { instructions, next }
}
