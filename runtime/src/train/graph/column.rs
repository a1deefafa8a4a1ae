//! What looks along a column or across the grid, as tensor operations.
//!
//! Formulas are those of the kernel's instructions. Wherever a formula is not the one chosen, its operands are replaced by
//! harmless numbers first, so that no infinite slope times a gradient of 0 arises.

use aurora_compiler::kernel::ir::{Axis, LayerOp};
use burn::tensor::{Bool, Tensor};

use super::Field;
use super::elementwise::common_shape;

/// The dimension of levels.
const LEVELS: usize = 2;

/// The column displaced along itself by some levels, its first or last level repeated.
pub(super) fn shift(value: Field, by: i32) -> Field {
    let levels = value.dims()[LEVELS];
    let distance = usize::try_from(by.unsigned_abs()).unwrap_or(usize::MAX).min(levels);
    if distance == 0 {
        return value;
    }
    let (edge, rest) = if by > 0 { (levels - 1, distance) } else { (0, 0) };
    let edge = value.clone().narrow(LEVELS, edge, 1).repeat_dim(LEVELS, distance);
    if distance == levels {
        return edge;
    }
    let rest = value.narrow(LEVELS, rest, levels - distance);
    Tensor::cat(if by > 0 { vec![rest, edge] } else { vec![edge, rest] }, LEVELS)
}

/// The value where the coordinate is `at`, NaN outside the column. All numbers of `at` side by side, one pair of levels
/// after the other, the first last: it decides.
pub(super) fn interpolate(value: Field, coordinate: Field, at: Field) -> Field {
    let [batch, one, _, height, width] = common_shape([&value, &coordinate, &at]);
    let shape = [batch, one, at.dims()[LEVELS], height, width];
    let levels = value.dims()[LEVELS];
    let at = at.expand(shape);
    let level = |field: &Field, level: usize| field.clone().narrow(LEVELS, level, 1).expand(shape);
    let mut result = Field::full(shape, f32::NAN, &at.device());
    for k in (0..levels).rev() {
        let (here, worth) = (level(&coordinate, k), level(&value, k));
        if k + 1 < levels {
            let (next, then) = (level(&coordinate, k + 1), level(&value, k + 1));
            let rising = here.clone().lower(at.clone()).bool_and(at.clone().lower(next.clone()));
            let falling = here.clone().greater(at.clone()).bool_and(at.clone().greater(next.clone()));
            let chosen = rising.bool_or(falling);
            let ends = [(here.clone(), worth.clone()), (next, then)];
            result = result.mask_where(chosen.clone(), between(ends, at.clone(), chosen));
        }
        result = result.mask_where(here.equal(at.clone()), worth);
    }
    result
}

/// The line through two points, each a coordinate and a value, where it is wanted; 0 elsewhere.
fn between([start, end]: [(Field, Field); 2], at: Field, wanted: Tensor<5, Bool>) -> Field {
    let idle = wanted.bool_not();
    let quiet = |field: Field, number: f32| field.mask_fill(idle.clone(), number);
    let share = quiet(at - start.0.clone(), 0.0) / quiet(end.0 - start.0, 1.0);
    let (first, last) = (quiet(start.1, 0.0), quiet(end.1, 0.0));
    first.clone() + share * (last - first)
}

/// What a layer of the column amounts to; all pairs of levels side by side.
pub(super) fn layer(op: LayerOp, value: Field, coordinate: Field, from: Field, to: Field) -> Field {
    let levels = value.dims()[LEVELS];
    let [batch, one, _, height, width] = common_shape([&value, &coordinate, &from, &to]);
    let cell = [batch, one, 1, height, width];
    let (from, to) = (from.expand(cell), to.expand(cell));
    let unclear = from.clone().is_nan().bool_or(to.clone().is_nan());
    let unclear = unclear.bool_or(any(coordinate.clone().is_nan(), cell));
    let backward = from.clone().greater(to.clone());
    if levels < 2 {
        let empty = if op == LayerOp::Integral { 0.0 } else { f32::NAN };
        return Field::full(cell, empty, &value.device()).mask_fill(unclear, f32::NAN);
    }
    let shape = [batch, one, levels - 1, height, width];
    let low = from.clone().mask_where(backward.clone(), to.clone()).expand(shape);
    let high = to.mask_where(backward.clone(), from).expand(shape);
    let half = |field: &Field, start: usize| field.clone().narrow(LEVELS, start, levels - 1).expand(shape);
    let [a, b] = [0, 1].map(|k| half(&coordinate, k));
    let [fa, fb] = [0, 1].map(|k| half(&value, k));
    let falling = a.clone().greater(b.clone());
    let (a, b) = (a.clone().mask_where(falling.clone(), b.clone()), b.mask_where(falling.clone(), a));
    let (fa, fb) = (fa.clone().mask_where(falling.clone(), fb.clone()), fb.mask_where(falling, fa));

    let cut_below = a.clone().lower_equal(low.clone());
    let cut_above = b.clone().greater_equal(high.clone());
    let start = a.clone().mask_where(cut_below, low);
    let end = b.clone().mask_where(cut_above, high);
    let taken = start.clone().lower(end.clone());
    let ends = [(a.clone(), fa.clone()), (b.clone(), fb.clone())];
    let worth = |x: &Field, level: &Field, on_level: Field| {
        let inside = taken.clone().bool_and(x.clone().not_equal(level.clone()));
        let on_level = on_level.mask_fill(taken.clone().bool_not(), 0.0);
        on_level.mask_where(inside.clone(), between(ends.clone(), x.clone(), inside))
    };
    let (first, last) = (worth(&start, &a, fa), worth(&end, &b, fb));
    let thickness = (end - start).mask_fill(taken.clone().bool_not(), 0.0);
    let empty = any(taken.clone(), cell).bool_not();
    let result = match op {
        LayerOp::Integral | LayerOp::Mean => {
            let means = (first + last) * 0.5;
            if op == LayerOp::Integral {
                let area = (means * thickness).sum_dim(LEVELS);
                area.clone().mask_where(backward, area.neg())
            } else {
                // Beside one of them, which the gradient takes as it is: between two levels nothing is left, and how thin the layer is
                // does not matter.
                let depth = thickness.clone().sum_dim(LEVELS).mask_fill(empty.clone(), 1.0);
                let one = means.clone().mask_fill(taken.bool_not(), f32::NEG_INFINITY).max_dim(LEVELS);
                let one = one.mask_fill(empty.clone(), 0.0).detach();
                let beyond = ((means - one.clone().expand(shape)) * thickness).sum_dim(LEVELS);
                (one + beyond / depth).mask_fill(empty, f32::NAN)
            }
        }
        LayerOp::Max | LayerOp::Min => {
            let missing = any(first.clone().is_nan().bool_or(last.clone().is_nan()), cell);
            let outside = if op == LayerOp::Max { f32::NEG_INFINITY } else { f32::INFINITY };
            let both = Tensor::cat(vec![first, last], LEVELS);
            let idle = taken.bool_not();
            let idle = both.clone().is_nan().bool_or(Tensor::cat(vec![idle.clone(), idle], LEVELS));
            let both = both.mask_fill(idle, outside);
            let extreme = if op == LayerOp::Max { both.max_dim(LEVELS) } else { both.min_dim(LEVELS) };
            extreme.mask_fill(empty.bool_or(missing), f32::NAN)
        }
    };
    result.mask_fill(unclear, f32::NAN)
}

/// Whether it holds on any level.
fn any(holds: Tensor<5, Bool>, cell: [usize; 5]) -> Tensor<5, Bool> {
    holds.float().sum_dim(LEVELS).greater_elem(0.0).expand(cell)
}

/// The difference to the next grid point. A value that is written once for all points has none.
pub(super) fn difference(value: Field, axis: Axis, [height, width]: [usize; 2]) -> Field {
    let (dimension, points) = match axis {
        Axis::X => (4, width),
        Axis::Y => (3, height),
    };
    if points == 1 {
        return value.full_like(f32::NAN);
    }
    if value.dims()[dimension] == 1 {
        return value.clone() - value;
    }
    let part = |start: usize, length: usize| value.clone().narrow(dimension, start, length);
    let mut parts = vec![part(1, 1) - part(0, 1)];
    if points > 2 {
        parts.push((part(2, points - 2) - part(0, points - 2)) * 0.5);
    }
    parts.push(part(points - 1, 1) - part(points - 2, 1));
    let forward = Tensor::cat(parts, dimension);
    // Rows are stored from north to south.
    if axis == Axis::X { forward } else { forward.neg() }
}
