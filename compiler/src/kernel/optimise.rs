//! Passes that make a kernel smaller and never change a bit of its results.
//!
//! Each is a function from a verified kernel to a verified kernel with the same inputs and outputs. What an executor
//! may not do (fuse, reorder, cancel), a pass may not do either: `x + 0` stays, because of −0; `x × 0` stays,
//! because of NaN.

use ndarray::aview1;

use super::column::{displaced, interpolate, layer};
use super::interpret::{Number, binary, compare, reduce, select, unary};
use super::ir::{Instruction, Kernel, Value};
use super::scan_passes::{column_values, fold_body, in_bodies, share_in_body, trim};

/// All passes, in the order in which they help each other.
///
/// Folding rounds as `T` does, so the result is for executors that work in `T`: results in `T` keep every bit.
#[must_use]
pub fn optimise<T: Number>(kernel: &Kernel) -> Kernel {
    remove_dead_code(&share_common_subexpressions(&fold_constants::<T>(kernel)))
}

/// Replaces what does not depend on any input by a constant: each operation on constants, and each operation of
/// constants and per-level constants by per-level constants. What looks along a column too, but for scans, in whose
/// bodies the same is done. Differences stay: in a grid of one point even a constant has none.
#[must_use]
pub fn fold_constants<T: Number>(kernel: &Kernel) -> Kernel {
    let mut folded: Vec<Instruction> = Vec::with_capacity(kernel.instructions.len());
    for instruction in &kernel.instructions {
        let known = fold::<T>(instruction, &folded);
        folded.push(known.unwrap_or_else(|| in_bodies(instruction, |scan| fold_body::<T>(scan, &folded))));
    }
    Kernel { instructions: folded, ..kernel.clone() }
}

/// Makes later occurrences of an instruction refer to the first one.
#[must_use]
pub fn share_common_subexpressions(kernel: &Kernel) -> Kernel {
    let mut first = std::collections::BTreeMap::new();
    let mut replaced: Vec<Value> = Vec::with_capacity(kernel.instructions.len());
    let mut instructions = Vec::with_capacity(kernel.instructions.len());
    for (position, instruction) in kernel.instructions.iter().enumerate() {
        let instruction = in_bodies(instruction, share_in_body);
        let instruction = instruction.map_operands(|value| replaced[value.index()]);
        let value = *first.entry(key(&instruction)).or_insert(Value::new(position));
        replaced.push(value);
        instructions.push(instruction);
    }
    with_outputs(kernel, instructions, |value| replaced[value.index()])
}

/// Leaves out what no output needs. Inputs stay declared, read or not. In scans, states and captures that the
/// result does not depend on go as well.
#[must_use]
pub fn remove_dead_code(kernel: &Kernel) -> Kernel {
    let columns = column_values(kernel);
    let instructions =
        kernel.instructions.iter().map(|instruction| in_bodies(instruction, |scan| trim(scan, &columns)));
    let kernel = &Kernel { instructions: instructions.collect(), ..kernel.clone() };
    let mut needed = vec![false; kernel.instructions.len()];
    for output in &kernel.outputs {
        needed[output.value.index()] = true;
    }
    for (position, instruction) in kernel.instructions.iter().enumerate().rev() {
        if needed[position] {
            for operand in instruction.operands() {
                needed[operand.index()] = true;
            }
        }
    }
    let mut moved = vec![Value::new(0); kernel.instructions.len()];
    let mut instructions = Vec::new();
    for (position, instruction) in kernel.instructions.iter().enumerate() {
        if needed[position] {
            moved[position] = Value::new(instructions.len());
            instructions.push(instruction.clone().map_operands(|value| moved[value.index()]));
        }
    }
    with_outputs(kernel, instructions, |value| moved[value.index()])
}

fn with_outputs(kernel: &Kernel, instructions: Vec<Instruction>, replace: impl Fn(Value) -> Value) -> Kernel {
    let mut outputs = kernel.outputs.clone();
    for output in &mut outputs {
        output.value = replace(output.value);
    }
    Kernel { name: kernel.name.clone(), inputs: kernel.inputs.clone(), instructions, outputs }
}

/// The instruction as text with its numbers as bits: equal keys mean equal results, −0 and +0 kept apart.
pub(super) fn key(instruction: &Instruction) -> String {
    let bits =
        |numbers: &[f64]| numbers.iter().map(|number| format!("{:x} ", number.to_bits())).collect::<String>();
    match instruction {
        Instruction::Constant(number) => format!("constant {}", bits(&[*number])),
        Instruction::Levels(numbers) => format!("levels {}", bits(numbers)),
        Instruction::Reduce { op, value, weights, levels } => {
            format!("{op:?} {value:?} {levels:?} {:?}", weights.as_deref().map(bits))
        }
        // Numbers print so that different ones differ, zeros of either sign too.
        _ => format!("{instruction:?}"),
    }
}

/// The constant that the instruction amounts to, if all its operands are constants.
pub(super) fn fold<T: Number>(instruction: &Instruction, before: &[Instruction]) -> Option<Instruction> {
    let known = |value: Value| match &before[value.index()] {
        Instruction::Constant(number) => Some(Known::Cell(T::from_f64(*number))),
        Instruction::Levels(numbers) => {
            Some(Known::Column(numbers.iter().map(|n| T::from_f64(*n)).collect()))
        }
        _ => None,
    };
    let result = match instruction {
        Instruction::Input(_) | Instruction::Constant(_) | Instruction::Levels(_) => return None,
        Instruction::Unary { op, value } => map([known(*value)?], |[x]| unary(*op, x)),
        Instruction::Binary { op, left, right } => {
            map([known(*left)?, known(*right)?], |[x, y]| binary(*op, x, y))
        }
        Instruction::Compare { op, left, right } => {
            map([known(*left)?, known(*right)?], |[x, y]| compare(*op, x, y))
        }
        Instruction::Select { mask, then, otherwise } => {
            map([known(*mask)?, known(*then)?, known(*otherwise)?], |[mask, then, otherwise]| {
                select(mask, then, otherwise)
            })
        }
        Instruction::Reduce { op, value, weights, levels } => {
            let Known::Column(column) = known(*value)? else { return None };
            let cell = reduce(*op, |level| column[level], weights.as_deref(), levels.clone(), column.len());
            Known::Cell(cell)
        }
        Instruction::Shift { value, by } => {
            let Known::Column(column) = known(*value)? else { return None };
            let levels = 0..column.len();
            Known::Column(levels.map(|level| column[displaced(level, *by, column.len())]).collect())
        }
        Instruction::Interpolate { value, coordinate, at } => {
            let (Known::Column(value), Known::Column(coordinate)) = (known(*value)?, known(*coordinate)?)
            else {
                return None;
            };
            map([known(*at)?], |[at]| interpolate(aview1(&value), aview1(&coordinate), at))
        }
        Instruction::Layer { op, value, coordinate, from, to } => {
            let (Known::Column(value), Known::Column(coordinate)) = (known(*value)?, known(*coordinate)?)
            else {
                return None;
            };
            map([known(*from)?, known(*to)?], |bounds| {
                layer(*op, aview1(&value), aview1(&coordinate), bounds)
            })
        }
        Instruction::Difference { .. }
        | Instruction::Concat { .. }
        | Instruction::Slice { .. }
        | Instruction::Each { .. }
        | Instruction::Scan { .. }
        | Instruction::State(_)
        | Instruction::Here(_)
        | Instruction::Before(_) => return None,
    };
    Some(match result {
        Known::Cell(number) => Instruction::Constant(number.to_f64()),
        Known::Column(numbers) => Instruction::Levels(numbers.into_iter().map(T::to_f64).collect()),
    })
}

enum Known<T> {
    Cell(T),
    Column(Vec<T>),
}

/// The function level by level, or once if no operand is a column.
fn map<T: Number, const N: usize>(operands: [Known<T>; N], function: impl Fn([T; N]) -> T) -> Known<T> {
    let at = |level: usize| {
        std::array::from_fn(|operand| match &operands[operand] {
            Known::Cell(number) => *number,
            Known::Column(numbers) => numbers[level],
        })
    };
    let column = operands.iter().find_map(|operand| match operand {
        Known::Cell(_) => None,
        Known::Column(numbers) => Some(numbers.len()),
    });
    match column {
        None => Known::Cell(function(at(0))),
        Some(levels) => Known::Column((0..levels).map(|level| function(at(level))).collect()),
    }
}

#[cfg(test)]
mod tests {
    use super::super::ir::Module;
    use super::super::text::parse;
    use super::super::verify::verify;
    use super::*;

    /// The kernel's text after a pass, which must verify.
    fn after(pass: impl Fn(&Kernel) -> Kernel, body: &str) -> String {
        let module = parse(&format!("kernel k(a: cell, b: column 2) {{\n{body}\n}}")).unwrap();
        verify(&module).unwrap();
        let module = Module { kernels: module.kernels.iter().map(pass).collect() };
        verify(&module).unwrap();
        let text = module.to_string();
        text.lines().map(str::trim).filter(|line| line.starts_with(['%', 'o'])).collect::<Vec<_>>().join("; ")
    }

    #[test]
    fn constants_fold_in_the_precision_asked_for() {
        let body = "%0 = constant 0.1\n%1 = constant 0.2\n%2 = add %0 %1\noutput x = %2";
        assert!(after(fold_constants::<f64>, body).contains("%2 = constant 0.30000000000000004"));
        assert!(after(fold_constants::<f32>, body).contains("%2 = constant 0.30000001192092896"));
    }

    #[test]
    fn columns_fold_with_cells_and_reduce() {
        let body =
            "%0 = levels [1 2]\n%1 = constant 3\n%2 = mul %0 %1\n%3 = sum %2 weights [1 10]\noutput x = %3";
        let text = after(fold_constants::<f32>, body);
        assert!(text.contains("%2 = levels [3.0 6.0]; %3 = constant 63.0"), "{text}");
    }

    #[test]
    fn what_depends_on_an_input_stays() {
        let body = "%0 = input a\n%1 = constant 0\n%2 = mul %0 %1\noutput x = %2";
        assert!(after(optimise::<f32>, body).contains("mul"));
    }

    #[test]
    fn equal_instructions_are_shared_but_zeros_of_either_sign_are_not() {
        let body = "%0 = input a\n%1 = exp %0\n%2 = input a\n%3 = exp %2\n%4 = add %1 %3\noutput x = %4";
        let text = after(|k| remove_dead_code(&share_common_subexpressions(k)), body);
        assert_eq!(text, "%0 = input a; %1 = exp %0; %2 = add %1 %1; output x = %2");
        let body = "%0 = constant 0.0\n%1 = constant -0.0\noutput x = %0\noutput y = %1";
        assert!(after(share_common_subexpressions, body).ends_with("output y = %1"));
    }

    #[test]
    fn what_no_output_needs_goes() {
        let body = "%0 = input b\n%1 = log %0\n%2 = lowest %0\noutput x = %2";
        assert_eq!(after(remove_dead_code, body), "%0 = input b; %1 = lowest %0; output x = %1");
    }
}
