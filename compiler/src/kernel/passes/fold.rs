//! Constant folding.

use std::sync::Arc;

use ndarray::aview1;

use super::super::column::{displaced, interpolate, layer};
use super::super::interpret::{Number, binary, compare, reduce, select, unary};
use super::super::ir::{Body, Instruction, Kernel, Value};
use super::Walks;

/// Replaces what does not depend on any input by a constant: each operation on constants, and each operation of
/// constants and per-level constants by per-level constants. What looks along a column too, but for loops, in whose bodies
/// the same is done, captured constants known. Differences stay: in a grid of one point even a constant has none.
///
/// Folding rounds as `T` does, so the result is for executors that work in `T`: results in `T` keep every bit.
#[must_use]
pub fn fold_constants<T: Number>(kernel: &Kernel) -> Kernel {
    let mut folded: Vec<Instruction> = Vec::with_capacity(kernel.instructions.len());
    let mut walks = Walks::new();
    for instruction in &kernel.instructions {
        let known = fold::<T>(instruction, &folded);
        folded.push(known.unwrap_or_else(|| in_body::<T>(instruction, &folded, &mut walks)));
    }
    Kernel {
        name: kernel.name.clone(),
        inputs: kernel.inputs.clone(),
        instructions: folded,
        outputs: kernel.outputs.clone(),
    }
}

/// `before` is what the kernel makes before the instruction.
fn in_body<T: Number>(
    instruction: &Instruction,
    before: &[Instruction],
    walks: &mut Walks<Arc<Body>>,
) -> Instruction {
    match instruction {
        Instruction::Scan { reverse, starts, captures, active, body, result } => Instruction::Scan {
            reverse: *reverse,
            starts: starts.clone(),
            captures: captures.clone(),
            active: *active,
            body: walks.of(instruction, || fold_scan::<T>(body, captures, before).into()),
            result: *result,
        },
        Instruction::Each { captures, here, active, body } => {
            let (captures, mut body) = (captures.clone(), body.clone());
            for inner in &mut body.instructions {
                if let Instruction::Input(input) = inner
                    && let Some(capture) = captures.get(*input)
                    && let known @ (Instruction::Constant(_) | Instruction::Levels(_)) =
                        &before[capture.index()]
                {
                    *inner = known.clone();
                }
            }
            let body = Box::new(fold_constants::<T>(&body));
            Instruction::Each { captures, here: here.clone(), active: *active, body }
        }
        other => other.clone(),
    }
}

fn fold_scan<T: Number>(body: &Body, captures: &[Value], before: &[Instruction]) -> Body {
    let mut folded: Vec<Instruction> = Vec::with_capacity(body.instructions.len());
    for instruction in &body.instructions {
        let known = match instruction {
            Instruction::Here(capture) | Instruction::Before(capture) => {
                match &before[captures[*capture].index()] {
                    // Executors round it in the kernel and would round it in the body.
                    constant @ Instruction::Constant(_) => Some(constant.clone()),
                    _ => None,
                }
            }
            other => fold::<T>(other, &folded),
        };
        folded.push(known.unwrap_or_else(|| instruction.clone()));
    }
    Body { instructions: folded, next: body.next.clone() }
}

/// The constant that the instruction amounts to, if all its operands are constants.
fn fold<T: Number>(instruction: &Instruction, before: &[Instruction]) -> Option<Instruction> {
    let known = |value: Value| match &before[value.index()] {
        Instruction::Constant(number) => Some(Known::Cell(T::from_f64(*number))),
        Instruction::Levels(numbers) => {
            Some(Known::Column(numbers.iter().map(|n| T::from_f64(*n)).collect()))
        }
        _ => None,
    };
    let column = |value: Value| match known(value)? {
        Known::Cell(_) => None,
        Known::Column(numbers) => Some(numbers),
    };
    let result = match instruction {
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
            let column = column(*value)?;
            let cell = reduce(*op, |level| column[level], weights.as_deref(), levels.clone(), column.len());
            Known::Cell(cell)
        }
        Instruction::Shift { value, by } => {
            let column = column(*value)?;
            let levels = 0..column.len();
            Known::Column(levels.map(|level| column[displaced(level, *by, column.len())]).collect())
        }
        Instruction::Slice { value, levels } => Known::Column(column(*value)?.get(levels.clone())?.to_vec()),
        Instruction::Concat { parts } => {
            let mut numbers = Vec::new();
            for part in parts {
                match known(*part)? {
                    Known::Cell(number) => numbers.push(number),
                    Known::Column(more) => numbers.extend(more),
                }
            }
            Known::Column(numbers)
        }
        Instruction::Interpolate { value, coordinate, at } => {
            let (value, coordinate) = (column(*value)?, column(*coordinate)?);
            map([known(*at)?], |[at]| interpolate(aview1(&value), aview1(&coordinate), at))
        }
        Instruction::Layer { op, value, coordinate, from, to } => {
            let (value, coordinate) = (column(*value)?, column(*coordinate)?);
            map([known(*from)?, known(*to)?], |bounds| {
                layer(*op, aview1(&value), aview1(&coordinate), bounds)
            })
        }
        Instruction::Input(_)
        | Instruction::Constant(_)
        | Instruction::Levels(_)
        | Instruction::Difference { .. }
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
    use super::super::super::optimise::tests::after;
    use super::*;

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
        let body = "%0 = levels [1 2]\n%1 = constant 3\n%2 = concat [%1 %0]\n%3 = slice %2 levels 0..2\noutput x = %3";
        let text = after(fold_constants::<f32>, body);
        assert!(text.contains("%2 = levels [3.0 1.0 2.0]; %3 = levels [3.0 1.0]"), "{text}");
    }

    #[test]
    fn a_body_knows_the_constants_it_captures() {
        let body = "%0 = input b\n%1 = constant 2\n%2 = levels [1 2]
            %3 = each captures [%1 %2] here [%0] kernel body(two: cell, w: column 2, own: cell) {
            %0 = input two\n%1 = input w\n%2 = sum %1\n%3 = mul %0 %2\noutput x = %3\n}\noutput x = %3";
        let text = after(fold_constants::<f32>, body);
        assert!(text.contains("%3 = constant 6.0; output x = %3"), "{text}");
    }
}
