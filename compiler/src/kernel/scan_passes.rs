//! The passes of [`optimise`](super::optimise) in the bodies of scans.

use std::collections::BTreeMap;

use super::interpret::Number;
use super::ir::{Body, Domain, Instruction, Kernel, Value};
use super::optimise::{fold, key};

/// A scan without what the passes leave alone.
pub(super) struct Scan {
    starts: Vec<Value>,
    captures: Vec<Value>,
    body: Body,
    result: usize,
}

/// The instruction, changed by a pass if it is a scan.
pub(super) fn in_bodies(instruction: &Instruction, pass: impl FnOnce(Scan) -> Scan) -> Instruction {
    match instruction.clone() {
        Instruction::Scan { reverse, starts, captures, active, body, result } => {
            let Scan { starts, captures, body, result } = pass(Scan { starts, captures, body, result });
            Instruction::Scan { reverse, starts, captures, active, body, result }
        }
        other => other,
    }
}

/// Folds constants, among them captured ones; `before` is what the kernel makes before the scan.
pub(super) fn fold_body<T: Number>(mut scan: Scan, before: &[Instruction]) -> Scan {
    let mut folded: Vec<Instruction> = Vec::with_capacity(scan.body.instructions.len());
    for instruction in &scan.body.instructions {
        let known = match instruction {
            Instruction::Here(capture) | Instruction::Before(capture) => {
                match &before[scan.captures[*capture].index()] {
                    // Executors round it in the kernel and would round it in the body.
                    constant @ Instruction::Constant(_) => Some(constant.clone()),
                    _ => None,
                }
            }
            other => fold::<T>(other, &folded),
        };
        folded.push(known.unwrap_or_else(|| instruction.clone()));
    }
    scan.body.instructions = folded;
    scan
}

/// Makes later occurrences of an instruction refer to the first one.
pub(super) fn share_in_body(mut scan: Scan) -> Scan {
    let mut first = BTreeMap::new();
    let mut replaced: Vec<Value> = Vec::with_capacity(scan.body.instructions.len());
    for (position, instruction) in scan.body.instructions.iter_mut().enumerate() {
        *instruction = instruction.clone().map_operands(|value| replaced[value.index()]);
        replaced.push(*first.entry(key(instruction)).or_insert(Value::new(position)));
    }
    for value in &mut scan.body.next {
        *value = replaced[value.index()];
    }
    scan
}

/// For each value of a verified kernel, whether it is a column.
pub(super) fn column_values(kernel: &Kernel) -> Vec<bool> {
    let mut columns: Vec<bool> = Vec::with_capacity(kernel.instructions.len());
    for instruction in &kernel.instructions {
        columns.push(match instruction {
            Instruction::Input(input) => kernel.inputs[*input].domain != Domain::Cell,
            Instruction::Levels(_)
            | Instruction::Scan { .. }
            | Instruction::Concat { .. }
            | Instruction::Slice { .. }
            | Instruction::Each { .. } => true,
            Instruction::Reduce { .. } | Instruction::Layer { .. } => false,
            Instruction::Interpolate { at, .. } => columns[at.index()],
            other => other.operands().iter().any(|operand| columns[operand.index()]),
        });
    }
    columns
}

/// Leaves out the states that the result does not depend on, then what no state needs in the body, then the captures that
/// nothing reads, except the first column: it says how many levels there are.
pub(super) fn trim(scan: Scan, columns: &[bool]) -> Scan {
    let wanted = wanted_states(&scan);
    let needed = needed_values(&scan, &wanted);
    let mut read: Vec<bool> = vec![false; scan.captures.len()];
    for (_, instruction) in scan.body.instructions.iter().enumerate().filter(|(k, _)| needed[*k]) {
        if let Instruction::Here(capture) | Instruction::Before(capture) = instruction {
            read[*capture] = true;
        }
    }
    let is_column = |capture: &usize| columns[scan.captures[*capture].index()];
    if !(0..read.len()).any(|capture| read[capture] && is_column(&capture))
        && let Some(first) = (0..read.len()).find(is_column)
    {
        read[first] = true;
    }
    let (states, captures) = (places(&wanted), places(&read));
    let mut moved = vec![Value::new(0); scan.body.instructions.len()];
    let mut instructions = Vec::new();
    for (position, instruction) in scan.body.instructions.into_iter().enumerate().filter(|(k, _)| needed[*k])
    {
        moved[position] = Value::new(instructions.len());
        instructions.push(match instruction {
            Instruction::State(state) => Instruction::State(states[state]),
            Instruction::Here(capture) => Instruction::Here(captures[capture]),
            Instruction::Before(capture) => Instruction::Before(captures[capture]),
            other => other.map_operands(|value| moved[value.index()]),
        });
    }
    let next = kept(scan.body.next, &wanted).into_iter().map(|value| moved[value.index()]).collect();
    Scan {
        starts: kept(scan.starts, &wanted),
        captures: kept(scan.captures, &read),
        body: Body { instructions, next },
        result: states[scan.result],
    }
}

/// The result's state, and the states that a wanted state needs in order to become what it becomes.
fn wanted_states(scan: &Scan) -> Vec<bool> {
    let mut wanted = vec![false; scan.starts.len()];
    wanted[scan.result] = true;
    loop {
        let needed = needed_values(scan, &wanted);
        let before = wanted.clone();
        for (position, instruction) in scan.body.instructions.iter().enumerate() {
            if let Instruction::State(state) = instruction
                && needed[position]
            {
                wanted[*state] = true;
            }
        }
        // It only grows, so this ends after as many rounds as there are states at most.
        if wanted == before {
            return wanted;
        }
    }
}

/// What of the body the next values of these states need.
fn needed_values(scan: &Scan, wanted: &[bool]) -> Vec<bool> {
    let mut needed = vec![false; scan.body.instructions.len()];
    for (value, _) in scan.body.next.iter().zip(wanted).filter(|(_, wanted)| **wanted) {
        needed[value.index()] = true;
    }
    for (position, instruction) in scan.body.instructions.iter().enumerate().rev() {
        if needed[position] {
            for operand in instruction.operands() {
                needed[operand.index()] = true;
            }
        }
    }
    needed
}

/// Where each of those that stay comes to stand.
fn places(stay: &[bool]) -> Vec<usize> {
    stay.iter()
        .scan(0, |next, stays| {
            let place = *next;
            *next += usize::from(*stays);
            Some(place)
        })
        .collect()
}

fn kept<T>(all: Vec<T>, stay: &[bool]) -> Vec<T> {
    all.into_iter().zip(stay).filter(|(_, stays)| **stays).map(|(one, _)| one).collect()
}

#[cfg(test)]
mod tests {
    use super::super::optimise::optimise;
    use super::super::text::parse;
    use super::super::verify::domains;

    #[test]
    fn a_scan_keeps_what_its_result_needs() {
        let text = "kernel k(a: cell, b: column 2, c: column 2) {
            %0 = input a
            %1 = input b
            %2 = input c
            %3 = constant 2
            %4 = scan starts [%0 %0 %3] captures [%2 %3 %1] result 2 {
                %0 = here 1
                %1 = mul %0 %0
                %2 = state 2
                %3 = here 2
                %4 = here 2
                %5 = add %3 %4
                %6 = mul %5 %1
                %7 = add %2 %6
                %8 = state 0
                %9 = before 0
                next [%8 %9 %7]
            }
            output x = %4
        }";
        let kernel = optimise::<f32>(&parse(text).unwrap().kernels[0]);
        assert!(domains(&kernel).is_ok());
        let expected = "\
kernel k(a: cell, b: column 2, c: column 2) {
  %0 = input b
  %1 = constant 2.0
  %2 = scan starts [%1] captures [%0] result 0 {
    %0 = constant 4.0
    %1 = state 0
    %2 = here 0
    %3 = add %2 %2
    %4 = mul %3 %0
    %5 = add %1 %4
    next [%5]
  }
  output x = %2
}
";
        assert_eq!(kernel.to_string(), expected);
    }

    #[test]
    fn a_scan_keeps_its_number_of_levels() {
        let text = "kernel k(a: cell, b: column 2) {
            %0 = input a
            %1 = input b
            %2 = scan starts [%0] captures [%0 %1] result 0 {
                %0 = state 0
                %1 = add %0 %0
                next [%1]
            }
            output x = %2
        }";
        let kernel = optimise::<f32>(&parse(text).unwrap().kernels[0]);
        assert!(kernel.to_string().contains("captures [%1] result 0"), "{kernel}");
        assert!(domains(&kernel).is_ok());
    }
}
