//! Kernels whose grid points see their neighbours, taken apart: between two differences everything is of one point, so
//! a kernel falls into passes over the whole grid. Each pass writes what the next differences are of; a difference
//! is a plain loop from one array to another, and an input to the passes after it.

use rayon::prelude::*;

use super::super::interpret::Extent;
use super::super::ir::{Axis, Domain, Input, Instruction, Kernel, Output};
use super::super::optimise::remove_dead_code;

/// A kernel in passes. One without differences is one pass.
#[derive(Debug)]
pub(super) struct Passes {
    /// None of them has differences. The inputs of a pass are the kernel's, then one for each difference before it; its
    /// outputs are temporary arrays, sometimes none.
    pub before: Vec<Kernel>,
    /// The last pass, which has the kernel's outputs.
    pub last: Kernel,
    /// After each pass but the last, the differences that it has made possible.
    pub differences: Vec<Vec<Difference>>,
}

#[derive(Debug)]
pub(super) struct Difference {
    pub of: Operand,
    pub axis: Axis,
    /// Of the array, and of the result.
    pub levels: usize,
}

/// What a difference is of.
#[derive(Clone, Copy, Debug)]
pub(super) enum Operand {
    /// An input of the pass before it.
    Input(usize),
    /// A temporary array that the pass before it has written.
    Written(usize),
}

/// Takes a verified kernel apart.
pub(super) fn passes(kernel: &Kernel, domains: &[Domain]) -> Passes {
    let depths = depths(kernel);
    let deepest = kernel.outputs.iter().map(|output| depths[output.value.index()]).max().unwrap_or(0);
    let (mut before, mut after) = (Vec::new(), Vec::new());
    let mut rest = kernel.clone();
    for depth in 1..=deepest {
        let mut outputs: Vec<Output> = Vec::new();
        let mut differences = Vec::new();
        let mut inputs = rest.inputs.clone();
        let mut instructions = rest.instructions.clone();
        for (position, instruction) in rest.instructions.iter().enumerate() {
            let Instruction::Difference { value, axis } = instruction else { continue };
            if depths[position] != depth {
                continue;
            }
            let of = match &rest.instructions[value.index()] {
                Instruction::Input(input) => Operand::Input(*input),
                _ => {
                    let place = outputs.iter().position(|output| output.value == *value);
                    Operand::Written(place.unwrap_or_else(|| {
                        outputs.push(Output { name: format!("temporary{}", outputs.len()), value: *value });
                        outputs.len() - 1
                    }))
                }
            };
            differences.push(Difference { of, axis: *axis, levels: domains[position].levels() });
            instructions[position] = Instruction::Input(inputs.len());
            inputs.push(Input { name: format!("difference{position}"), domain: domains[position] });
        }
        before.push(without_differences(&rest, outputs));
        after.push(differences);
        (rest.inputs, rest.instructions) = (inputs, instructions);
    }
    let last = without_differences(&rest, rest.outputs.clone());
    Passes { before, last, differences: after }
}

/// For each value, how many differences one of another it depends on.
fn depths(kernel: &Kernel) -> Vec<usize> {
    let mut depths: Vec<usize> = Vec::with_capacity(kernel.instructions.len());
    for instruction in &kernel.instructions {
        let deepest = instruction.operands().iter().map(|operand| depths[operand.index()]).max();
        let more = usize::from(matches!(instruction, Instruction::Difference { .. }));
        depths.push(deepest.unwrap_or(0) + more);
    }
    depths
}

/// What these outputs need of a kernel; it is no difference.
fn without_differences(kernel: &Kernel, outputs: Vec<Output>) -> Kernel {
    remove_dead_code(&Kernel { outputs, ..kernel.clone() })
}

/// What [`Instruction::Difference`] means, for levels × cells numbers; the result has the same length.
pub(super) fn difference(value: &[f32], axis: Axis, extent: Extent) -> Vec<f32> {
    let Extent { rows, columns } = extent;
    let mut result = vec![f32::NAN; value.len()];
    let cells = rows * columns;
    if cells == 0 {
        return result;
    }
    result.par_chunks_mut(columns).enumerate().for_each(|(line, to)| {
        let (level, row) = (line / rows, line % rows);
        let of_row = |row: usize| &value[level * cells + row * columns..][..columns];
        match axis {
            Axis::X => along(of_row(row), to),
            Axis::Y => {
                let (north, south) = (row.saturating_sub(1), (row + 1).min(rows - 1));
                let pairs = of_row(north).iter().zip(of_row(south));
                match south - north {
                    0 => {}
                    1 => to.iter_mut().zip(pairs).for_each(|(to, (after, before))| *to = after - before),
                    _ => to
                        .iter_mut()
                        .zip(pairs)
                        .for_each(|(to, (after, before))| *to = (after - before) * 0.5),
                }
            }
        }
    });
    result
}

fn along(row: &[f32], to: &mut [f32]) {
    let last = row.len() - 1;
    if last == 0 {
        return;
    }
    for (to, window) in to[1..].iter_mut().zip(row.windows(3)) {
        *to = (window[2] - window[0]) * 0.5;
    }
    to[0] = row[1] - row[0];
    to[last] = row[last] - row[last - 1];
}
