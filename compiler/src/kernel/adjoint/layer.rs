//! A layer written out in smaller instructions, for which its gradient is taken.

use super::super::ir::{Binary, Compare, Instruction, LayerOp, Reduce, Unary, Value};
use super::tape::Tape;

/// The same number as [`Instruction::Layer`] gives, but for rounding, and 0 where that is missing.
///
/// Each level's coordinate is clipped to the layer; where a pair's two clipped ones differ, it takes part with what lies
/// between them. So nothing depends on which end of the column is which.
pub(super) fn written_out(tape: &mut Tape, op: LayerOp, [value, coordinate, from, to]: [Value; 4]) -> Value {
    let (low, high) = (tape.binary(Binary::Min, from, to), tape.binary(Binary::Max, from, to));
    let clipped = tape.binary(Binary::Max, coordinate, low);
    let clipped = tape.binary(Binary::Min, clipped, high);
    let [next_value, next_coordinate, next_clipped] =
        [value, coordinate, clipped].map(|column| tape.shift(column, 1));
    let across = tape.binary(Binary::Sub, next_clipped, clipped);
    let zero = tape.constant(0.0);
    // The last level is its own neighbour, so it begins no pair.
    let idle = tape.compare(Compare::Eq, across, zero);
    let rise = tape.binary(Binary::Sub, next_value, value);
    let width = tape.binary(Binary::Sub, next_coordinate, coordinate);
    let slope = tape.binary(Binary::Div, rise, width);
    let ends = [(clipped, coordinate, value), (next_clipped, next_coordinate, next_value)].map(
        |(clipped, coordinate, value)| {
            let beyond = tape.binary(Binary::Sub, clipped, coordinate);
            let beyond = tape.binary(Binary::Mul, beyond, slope);
            tape.binary(Binary::Add, value, beyond)
        },
    );
    match op {
        LayerOp::Integral | LayerOp::Mean => {
            let half = tape.constant(0.5);
            let sum = tape.binary(Binary::Add, ends[0], ends[1]);
            let mean = tape.binary(Binary::Mul, sum, half);
            let thickness = tape.unary(Unary::Abs, across);
            let thickness = tape.push(Instruction::Select { mask: idle, then: zero, otherwise: thickness });
            // A mean of shares, not an area over a depth, and nothing of pairs that take no part: in a thin layer between two levels the
            // share is 1 exactly, and moving its ends takes as much off as it brings. Of areas, what rounding leaves of the
            // two would be divided by the thickness.
            let weight = if op == LayerOp::Mean {
                let depth = tape.sum(thickness, None);
                tape.binary(Binary::Div, thickness, depth)
            } else {
                thickness
            };
            let area = tape.binary(Binary::Mul, mean, weight);
            let area = tape.push(Instruction::Select { mask: idle, then: zero, otherwise: area });
            let area = tape.sum(area, None);
            if op == LayerOp::Mean {
                return area;
            }
            let (forward, turned) = (tape.compare(Compare::Le, from, to), tape.unary(Unary::Neg, area));
            tape.push(Instruction::Select { mask: forward, then: area, otherwise: turned })
        }
        LayerOp::Max | LayerOp::Min => {
            let (pair, all, outside) = match op {
                LayerOp::Max => (Binary::Max, Reduce::Max, f64::NEG_INFINITY),
                _ => (Binary::Min, Reduce::Min, f64::INFINITY),
            };
            let outside = tape.constant(outside);
            let extreme = tape.binary(pair, ends[0], ends[1]);
            let extreme = tape.push(Instruction::Select { mask: idle, then: outside, otherwise: extreme });
            tape.push(Instruction::Reduce { op: all, value: extreme, weights: None, levels: None })
        }
    }
}
