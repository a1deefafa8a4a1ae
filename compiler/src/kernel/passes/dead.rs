//! Dead code.

use std::collections::BTreeMap;
use std::sync::Arc;

use super::super::ir::{Body, Domain, Instruction, Kernel, Value};
use super::{Key, Keys, domains_of, with_outputs};

/// Leaves out what no output needs. Inputs stay declared, read or not. In scans, states and captures that no wanted
/// result depends on go as well, and from what is done for each level what it does not need.
///
/// Walks that differ in their result only stay one walk: a state that one of them needs, all of them keep.
#[must_use]
pub fn remove_dead_code(kernel: &Kernel) -> Kernel {
    let mut kernel = without_unneeded(kernel);
    loop {
        let next = without_unneeded(&trimmed(&kernel));
        // What is trimmed may make other walks dead, and others free to be trimmed.
        if weight(&next) >= weight(&kernel) {
            return next;
        }
        kernel = next;
    }
}

/// All that could be left out, counted.
fn weight(kernel: &Kernel) -> usize {
    let of = |instruction: &Instruction| match instruction {
        Instruction::Scan { body, .. } => body.instructions.len() + instruction.operands().len(),
        Instruction::Each { body, .. } => weight(body) + instruction.operands().len(),
        _ => 0,
    };
    kernel.instructions.len() + kernel.instructions.iter().map(of).sum::<usize>()
}

fn without_unneeded(kernel: &Kernel) -> Kernel {
    let mut needed = vec![false; kernel.instructions.len()];
    for output in &kernel.outputs {
        needed[output.value.index()] = true;
    }
    spread(&kernel.instructions, &mut needed);
    let mut moved = vec![Value::new(0); kernel.instructions.len()];
    let mut instructions = Vec::new();
    for (position, instruction) in kernel.instructions.iter().enumerate().filter(|(k, _)| needed[*k]) {
        moved[position] = Value::new(instructions.len());
        instructions.push(instruction.clone().map_operands(|value| moved[value.index()]));
    }
    with_outputs(kernel, instructions, |value| moved[value.index()])
}

/// What is needed needs its operands.
fn spread(instructions: &[Instruction], needed: &mut [bool]) {
    for (position, instruction) in instructions.iter().enumerate().rev() {
        if needed[position] {
            instruction.for_each_operand(|operand| needed[operand.index()] = true);
        }
    }
}

/// The kernel with its bodies without what they do not need.
fn trimmed(kernel: &Kernel) -> Kernel {
    let domains = domains_of(kernel);
    let mut keys = Keys::default();
    let mut walks: BTreeMap<Key, usize> = BTreeMap::new();
    let mut wanted: Vec<Vec<bool>> = Vec::new();
    let mut walk_of: Vec<usize> = vec![0; kernel.instructions.len()];
    for (position, instruction) in kernel.instructions.iter().enumerate() {
        if let Instruction::Scan { starts, result, .. } = instruction {
            let walk = *walks.entry(keys.of_walk(instruction)).or_insert_with(|| {
                wanted.push(vec![false; starts.len()]);
                wanted.len() - 1
            });
            wanted[walk][*result] = true;
            walk_of[position] = walk;
        }
    }
    let mut trimmed: Vec<Option<Trimmed>> = wanted.iter().map(|_| None).collect();
    let instructions = kernel.instructions.iter().zip(walk_of).map(|(instruction, walk)| match instruction {
        Instruction::Scan { captures, body, .. } => {
            let trim = || Trimmed::new(captures, body, std::mem::take(&mut wanted[walk]), &domains);
            trimmed[walk].get_or_insert_with(trim).of(instruction)
        }
        Instruction::Each { .. } => trim_each(instruction.clone()),
        other => other.clone(),
    });
    Kernel {
        name: kernel.name.clone(),
        inputs: kernel.inputs.clone(),
        instructions: instructions.collect(),
        outputs: kernel.outputs.clone(),
    }
}

/// A walk without the states that are not wanted, without what no state needs in the body, and without the captures that nothing
/// reads, except the first column: it says how many levels there are.
struct Trimmed {
    states: Vec<bool>,
    captures: Vec<bool>,
    body: Arc<Body>,
}

impl Trimmed {
    fn new(captures: &[Value], body: &Arc<Body>, results: Vec<bool>, domains: &[Domain]) -> Self {
        let states = wanted_states(body, results);
        let needed = needed_values(body, &states);
        let mut read: Vec<bool> = vec![false; captures.len()];
        for (instruction, _) in body.instructions.iter().zip(&needed).filter(|(_, needed)| **needed) {
            if let Instruction::Here(capture) | Instruction::Before(capture) = instruction {
                read[*capture] = true;
            }
        }
        let is_column = |capture: &usize| domains[captures[*capture].index()] != Domain::Cell;
        if !(0..read.len()).any(|capture| read[capture] && is_column(&capture))
            && let Some(first) = (0..read.len()).find(is_column)
        {
            read[first] = true;
        }
        let whole = [&states, &needed, &read].into_iter().all(|stay| !stay.contains(&false));
        let body = if whole { Arc::clone(body) } else { Arc::new(cut(body, &states, &needed, &read)) };
        Self { states, captures: read, body }
    }

    /// One of the walk's scans.
    fn of(&self, scan: &Instruction) -> Instruction {
        let Instruction::Scan { reverse, starts, captures, active, result, .. } = scan else {
            return scan.clone();
        };
        Instruction::Scan {
            reverse: *reverse,
            starts: kept(starts.clone(), &self.states),
            captures: kept(captures.clone(), &self.captures),
            active: *active,
            body: Arc::clone(&self.body),
            result: places(&self.states)[*result],
        }
    }
}

/// The body with these states, values and captures only.
fn cut(body: &Body, states: &[bool], values: &[bool], captures: &[bool]) -> Body {
    let (state_places, capture_places) = (places(states), places(captures));
    let mut moved = vec![Value::new(0); body.instructions.len()];
    let mut instructions = Vec::new();
    for (position, instruction) in body.instructions.iter().enumerate().filter(|(k, _)| values[*k]) {
        moved[position] = Value::new(instructions.len());
        instructions.push(match instruction {
            Instruction::State(state) => Instruction::State(state_places[*state]),
            Instruction::Here(capture) => Instruction::Here(capture_places[*capture]),
            Instruction::Before(capture) => Instruction::Before(capture_places[*capture]),
            other => other.clone().map_operands(|value| moved[value.index()]),
        });
    }
    let next = kept(body.next.clone(), states).into_iter().map(|value| moved[value.index()]).collect();
    Body { instructions, next }
}

/// Leaves out what the body does not need, then what it captures and does not read, except the first level: it says
/// how many there are.
fn trim_each(instruction: Instruction) -> Instruction {
    let Instruction::Each { captures, here, active, body } = instruction else { return instruction };
    let mut body = remove_dead_code(&body);
    let mut read = vec![false; body.inputs.len()];
    for instruction in &body.instructions {
        if let Instruction::Input(input) = instruction {
            read[*input] = true;
        }
    }
    if !read[captures.len()..].contains(&true) {
        read[captures.len()] = true;
    }
    let moved = places(&read);
    for instruction in &mut body.instructions {
        if let Instruction::Input(input) = instruction {
            *input = moved[*input];
        }
    }
    let (whole, own) = read.split_at(captures.len());
    let (captures, here) = (kept(captures, whole), kept(here, own));
    body.inputs = kept(body.inputs, &read);
    Instruction::Each { captures, here, active, body: Box::new(body) }
}

/// These states, and the states that a wanted state needs in order to become what it becomes.
fn wanted_states(body: &Body, mut wanted: Vec<bool>) -> Vec<bool> {
    loop {
        let needed = needed_values(body, &wanted);
        let before = wanted.clone();
        for (position, instruction) in body.instructions.iter().enumerate() {
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
fn needed_values(body: &Body, wanted: &[bool]) -> Vec<bool> {
    let mut needed = vec![false; body.instructions.len()];
    for (value, _) in body.next.iter().zip(wanted).filter(|(_, wanted)| **wanted) {
        needed[value.index()] = true;
    }
    spread(&body.instructions, &mut needed);
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
    use super::super::super::optimise::tests::after;
    use super::super::super::text::parse;
    use super::super::super::verify::domains;
    use super::*;

    /// NaN is not equal to itself, which must not keep the pass from ending.
    #[test]
    fn a_missing_constant_is_no_trouble() {
        let body = "%0 = constant nan\n%1 = exp %0\noutput x = %0";
        assert_eq!(after(remove_dead_code, body), "%0 = constant NaN; output x = %0");
    }

    #[test]
    fn what_no_output_needs_goes() {
        let body = "%0 = input b\n%1 = log %0\n%2 = lowest %0\noutput x = %2";
        assert_eq!(after(remove_dead_code, body), "%0 = input b; %1 = lowest %0; output x = %1");
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
        let kernel = remove_dead_code(&parse(text).unwrap().kernels[0]);
        assert!(kernel.to_string().contains("captures [%1] result 0"), "{kernel}");
        assert!(domains(&kernel).is_ok());
    }

    /// Two results of one walk of four states, one of them needed by nobody, one by the other result only.
    #[test]
    fn walks_that_differ_in_their_result_stay_one() {
        let body = "{
            %0 = state 0\n%1 = state 1\n%2 = state 2\n%3 = state 3\n%4 = here 0\n%5 = add %0 %4\n%6 = add %1 %3\n%7 = exp %2
            %8 = mul %3 %4\nnext [%5 %6 %7 %8]\n}";
        let text = format!(
            "%0 = input a\n%1 = input b\n%2 = scan starts [%0 %0 %0 %0] captures [%1] result 0 {body}
            %3 = scan starts [%0 %0 %0 %0] captures [%1] result 1 {body}
            %4 = scan starts [%0 %0 %0 %0] captures [%1] result 2 {body}\noutput x = %2\noutput y = %3"
        );
        let text = after(remove_dead_code, &text);
        assert_eq!(text.matches("starts [%0 %0 %0]").count(), 2, "{text}");
        assert!(!text.contains("exp"), "{text}");
    }

    #[test]
    fn what_a_level_does_not_need_is_not_captured() {
        let text = "kernel k(a: cell, b: column 2) {
            %0 = input a
            %1 = input b
            %2 = exp %1
            %3 = log %1
            %4 = each captures [%0 %2] here [%3 %1] kernel body(a: cell, w: column 2, l: cell, b: cell) {
                %0 = input a
                %1 = input l
                %2 = input w
                %3 = highest %2
                output x = %0
            }
            output x = %4
        }";
        let kernel = remove_dead_code(&parse(text).unwrap().kernels[0]);
        assert!(domains(&kernel).is_ok(), "{kernel}");
        let text = kernel.to_string();
        assert!(text.contains("each captures [%0] here [%2] kernel body(a: cell, l: cell)"), "{text}");
        assert!(!text.contains("exp") && !text.contains("highest"), "{text}");
    }
}
