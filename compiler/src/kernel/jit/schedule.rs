//! The schedule: which instructions run once for a group of cells, and which inside a loop over levels.
//!
//! Column values are never kept in memory. Whatever column values a reduction needs are computed inside the level
//! loop that does the reduction, level by level, in registers. A reduction's result is a cell value; column values
//! that depend on it have to wait for the next loop over the levels. So the kernel falls into **stages**: first
//! cell values, then loops, then the cell values that those loops made possible, and so on.
//!
//! Example: the variance of a column is `sum((x − mean)²)`. Stage 0 loops to get `sum(x)`; stage 1 computes the mean,
//! then loops over the same levels again for the sum of squares.
//!
//! All reductions and column outputs of the same stage over the same number of levels share one loop. A column value
//! that two loops need is computed in both.

use std::collections::BTreeMap;
use std::ops::Range;

use super::super::ir::{Domain, Instruction, Kernel};

/// The order of work for one group of cells.
#[derive(Debug)]
pub(super) struct Schedule {
    pub stages: Vec<Stage>,
    /// The domain of each value.
    pub domains: Vec<Domain>,
}

/// Cell values, then loops that need no others.
#[derive(Debug, Default)]
pub(super) struct Stage {
    /// Positions of instructions, in order. Leaves (inputs and constants) are not listed: they are read where they are used.
    pub cells: Vec<usize>,
    /// Numbers of the cell outputs that are ready now.
    pub outputs: Vec<usize>,
    pub loops: Vec<LevelLoop>,
}

/// One loop over levels.
#[derive(Debug, Default)]
pub(super) struct LevelLoop {
    /// The levels it visits: all that any of its reductions needs, and all if it writes an output.
    pub range: Range<usize>,
    /// Positions of the column instructions to compute on each level, in order, leaves not listed.
    pub body: Vec<usize>,
    /// Positions of the reductions.
    pub reductions: Vec<usize>,
    /// Numbers of the column outputs to write.
    pub outputs: Vec<usize>,
}

/// Plans a verified kernel without dead code.
pub(super) fn schedule(kernel: &Kernel, domains: Vec<Domain>) -> Schedule {
    let stage_of = stages_of_values(kernel);
    let count = stage_of.iter().max().map_or(1, |last| last + 1);
    let mut stages: Vec<Stage> = (0..count).map(|_| Stage::default()).collect();
    let mut loops: BTreeMap<(usize, usize), LevelLoop> = BTreeMap::new();
    for (position, instruction) in kernel.instructions.iter().enumerate() {
        if let Instruction::Reduce { value, levels, .. } = instruction {
            let column = domains[value.index()].levels();
            let level_loop = loops.entry((stage_of[value.index()], column)).or_default();
            level_loop.range = hull(&level_loop.range, &levels.clone().unwrap_or(0..column));
            level_loop.reductions.push(position);
        } else if domains[position] == Domain::Cell && !is_leaf(instruction) {
            stages[stage_of[position]].cells.push(position);
        }
    }
    for (number, output) in kernel.outputs.iter().enumerate() {
        let stage = stage_of[output.value.index()];
        match domains[output.value.index()] {
            Domain::Cell => stages[stage].outputs.push(number),
            Domain::Column(levels) => {
                let level_loop = loops.entry((stage, levels)).or_default();
                level_loop.range = 0..levels;
                level_loop.outputs.push(number);
            }
        }
    }
    for ((stage, _), mut level_loop) in loops {
        level_loop.body = body(kernel, &domains, &level_loop);
        stages[stage].loops.push(level_loop);
    }
    Schedule { stages, domains }
}

/// Whether an instruction has no operands.
pub(super) fn is_leaf(instruction: &Instruction) -> bool {
    matches!(instruction, Instruction::Input(_) | Instruction::Constant(_) | Instruction::Levels(_))
}

/// The most values that are wanted later at any point of the schedule, leaves aside: a measure of how many
/// registers the code wants.
pub(super) fn live_values(kernel: &Kernel, schedule: &Schedule) -> usize {
    let mut last_use: Vec<usize> = (0..kernel.instructions.len()).collect();
    for (position, instruction) in kernel.instructions.iter().enumerate() {
        for operand in instruction.operands() {
            last_use[operand.index()] = position;
        }
    }
    let live_at = |now: usize| {
        let live = |position: &usize| !is_leaf(&kernel.instructions[*position]) && last_use[*position] > now;
        (0..=now).filter(live).count()
    };
    let straight = (0..kernel.instructions.len()).map(live_at).max().unwrap_or(0);
    let carried = schedule.stages.iter().flat_map(|stage| &stage.loops).map(|l| l.reductions.len()).max();
    straight + carried.unwrap_or(0)
}

/// For each value, the first stage in which it can be computed.
fn stages_of_values(kernel: &Kernel) -> Vec<usize> {
    let mut stages: Vec<usize> = Vec::with_capacity(kernel.instructions.len());
    for instruction in &kernel.instructions {
        let operands = instruction.operands();
        let ready = operands.iter().map(|operand| stages[operand.index()]).max().unwrap_or(0);
        let reduces = matches!(instruction, Instruction::Reduce { .. });
        stages.push(if reduces { ready + 1 } else { ready });
    }
    stages
}

/// The column values that the loop's reductions and outputs depend on.
fn body(kernel: &Kernel, domains: &[Domain], level_loop: &LevelLoop) -> Vec<usize> {
    let mut needed = vec![false; kernel.instructions.len()];
    for reduction in &level_loop.reductions {
        for operand in kernel.instructions[*reduction].operands() {
            needed[operand.index()] = true;
        }
    }
    for output in &level_loop.outputs {
        needed[kernel.outputs[*output].value.index()] = true;
    }
    for position in (0..needed.len()).rev() {
        if needed[position] && domains[position] != Domain::Cell {
            for operand in kernel.instructions[position].operands() {
                needed[operand.index()] = true;
            }
        }
    }
    let wanted = |position: &usize| {
        needed[*position] && domains[*position] != Domain::Cell && !is_leaf(&kernel.instructions[*position])
    };
    (0..needed.len()).filter(wanted).collect()
}

fn hull(left: &Range<usize>, right: &Range<usize>) -> Range<usize> {
    if left.is_empty() { right.clone() } else { left.start.min(right.start)..left.end.max(right.end) }
}

#[cfg(test)]
mod tests {
    use super::super::super::text::parse;
    use super::super::super::verify::domains;
    use super::*;

    #[test]
    fn variance_takes_two_loops_over_the_same_column() {
        let text = "kernel variance(x: column 4) {
            %0 = input x
            %1 = sum %0 weights [0.25 0.25 0.25 0.25]
            %2 = sub %0 %1
            %3 = mul %2 %2
            %4 = sum %3
            %5 = lowest %0 levels 1..3
            %6 = sub %4 %5
            output v = %6
            output anomaly = %2
        }";
        let kernel = parse(text).unwrap().kernels.remove(0);
        let schedule = schedule(&kernel, domains(&kernel).unwrap());
        assert_eq!(schedule.stages.len(), 3);
        let [first, second, third] = &schedule.stages[..] else { unreachable!() };
        assert_eq!(
            (first.loops.len(), &first.loops[0].reductions, &first.loops[0].body),
            (1, &vec![1, 5], &vec![])
        );
        assert_eq!((&second.loops[0].reductions, &second.loops[0].body), (&vec![4], &vec![2, 3]));
        assert_eq!((&second.loops[0].outputs, &second.loops[0].range), (&vec![1], &(0..4)));
        assert_eq!((&third.cells, &third.outputs, third.loops.len()), (&vec![6], &vec![0], 0));
    }
}
