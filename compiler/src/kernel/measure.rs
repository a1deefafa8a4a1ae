//! How large a kernel is: its instructions, its loops, and what is wanted at once.

use std::collections::BTreeSet;

use super::ir::{Domain, Instruction, Kernel, Value};
use super::passes::{Keys, domains_of};

/// How many instructions a kernel has, those of its bodies included; a walk with several results is one walk.
#[must_use]
pub fn instructions(kernel: &Kernel) -> usize {
    let (mut keys, mut walks) = (Keys::default(), BTreeSet::new());
    let mut count = 0;
    for instruction in &kernel.instructions {
        let again =
            matches!(instruction, Instruction::Scan { .. }) && !walks.insert(keys.of_walk(instruction));
        count += if again { 1 } else { size_of(instruction) };
    }
    count
}

/// The same of one instruction.
pub(super) fn size_of(instruction: &Instruction) -> usize {
    match instruction {
        Instruction::Scan { body, .. } => 1 + body.instructions.len(),
        Instruction::Each { body, .. } => 1 + instructions(body),
        _ => 1,
    }
}

/// How many loops over levels a kernel has: one for each walk, however many results it has, and one for each level that
/// something is done for, with the loops in it. Reductions, which share loops, are not counted.
#[must_use]
pub fn loops(kernel: &Kernel) -> usize {
    let (mut keys, mut walks) = (Keys::default(), BTreeSet::new());
    let mut count = 0;
    for instruction in &kernel.instructions {
        match instruction {
            Instruction::Scan { .. } => count += usize::from(walks.insert(keys.of_walk(instruction))),
            Instruction::Each { body, .. } => count += 1 + loops(body),
            _ => {}
        }
    }
    count
}

/// The most values that are wanted later at any point of a kernel, or of one of its bodies: cells that were computed, columns
/// that a loop needs after the one that makes them, states. What is only read counts nothing.
#[must_use]
pub fn live(kernel: &Kernel) -> usize {
    let domains = domains_of(kernel);
    let kept = kept_columns(kernel);
    let own =
        live_of(&kernel.instructions, &[], |value| domains[value] == Domain::Cell || kept.contains(&value));
    let bodies = kernel.instructions.iter().map(|instruction| match instruction {
        Instruction::Scan { body, starts, .. } => {
            starts.len() + live_of(&body.instructions, &body.next, |_| true)
        }
        Instruction::Each { body, .. } => live(body),
        _ => 0,
    });
    own.max(bodies.max().unwrap_or(0))
}

/// The columns that a loop looks along, or that more than one loop needs: those lie in memory.
fn kept_columns(kernel: &Kernel) -> BTreeSet<usize> {
    let mut kept = BTreeSet::new();
    for instruction in &kernel.instructions {
        match instruction {
            Instruction::Shift { value, .. } => kept.extend([value.index()]),
            Instruction::Interpolate { value, coordinate, .. }
            | Instruction::Layer { value, coordinate, .. } => {
                kept.extend([value.index(), coordinate.index()])
            }
            Instruction::Scan { captures, .. } | Instruction::Each { captures, .. } => {
                kept.extend(captures.iter().map(|capture| capture.index()));
            }
            _ => {}
        }
    }
    kept
}

fn live_of(instructions: &[Instruction], roots: &[Value], counts: impl Fn(usize) -> bool) -> usize {
    let mut last_use: Vec<usize> = (0..instructions.len()).collect();
    for (position, instruction) in instructions.iter().enumerate() {
        instruction.for_each_operand(|operand| last_use[operand.index()] = position);
    }
    for root in roots {
        last_use[root.index()] = instructions.len();
    }
    let leaf = |instruction: &Instruction| {
        matches!(
            instruction,
            Instruction::Input(_) | Instruction::Constant(_) | Instruction::Levels(_) | Instruction::Here(_)
        )
    };
    // Where each value begins and ends to count.
    let mut change = vec![0_i64; instructions.len() + 2];
    for (position, instruction) in instructions.iter().enumerate() {
        if !leaf(instruction) && counts(position) && last_use[position] > position {
            change[position] += 1;
            change[last_use[position]] -= 1;
        }
    }
    let mut now = 0;
    let mut most = 0;
    for step in change {
        now += step;
        most = most.max(now);
    }
    usize::try_from(most).unwrap_or(0)
}

#[cfg(test)]
mod tests {
    use super::super::text::parse;
    use super::*;

    #[test]
    fn live_values_are_counted_where_they_are_alive() {
        let text = "kernel k(a: cell) {
            %0 = input a\n%1 = exp %0\n%2 = log %0\n%3 = sqrt %0\n%4 = add %1 %2\n%5 = add %4 %3\noutput x = %5\n}";
        assert_eq!(live(&parse(text).unwrap().kernels[0]), 3);
    }
}
