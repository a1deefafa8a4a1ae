//! What the instructions that look along a column or across the grid mean: one column, one field, one walk at a time.
//! Formulas and their special cases are those of [`Instruction`].

use ndarray::{Array1, Array2, ArrayView1, ArrayView2, Axis as Dimension, Zip};

use super::interpret::{Extent, Number, binary, compare, missing, select, unary};
use super::ir::{Axis, Binary, Body, Instruction, LayerOp, Value};

/// Where level `level` of a column of that many levels looks when displaced.
pub(super) fn displaced(level: usize, by: i32, levels: usize) -> usize {
    let last = levels.saturating_sub(1);
    let distance = usize::try_from(by.unsigned_abs()).unwrap_or(usize::MAX);
    if by < 0 { level.saturating_sub(distance) } else { level.saturating_add(distance).min(last) }
}

/// What [`Instruction::Interpolate`] means, for one column and one place.
pub(super) fn interpolate<T: Number>(value: ArrayView1<T>, coordinate: ArrayView1<T>, at: T) -> T {
    for (level, (&here, &worth)) in coordinate.iter().zip(value).enumerate() {
        if here == at {
            return worth;
        }
        let (Some(&next), Some(&then)) = (coordinate.get(level + 1), value.get(level + 1)) else { break };
        if (here < at && at < next) || (here > at && at > next) {
            return between((here, worth), (next, then), at);
        }
    }
    T::MISSING
}

/// The line through two points, each a coordinate and a value.
fn between<T: Number>(start: (T, T), end: (T, T), at: T) -> T {
    start.1 + ((at - start.0) / (end.0 - start.0)) * (end.1 - start.1)
}

/// What [`Instruction::Layer`] means, for one column.
pub(super) fn layer<T: Number>(
    op: LayerOp,
    value: ArrayView1<T>,
    coordinate: ArrayView1<T>,
    [from, to]: [T; 2],
) -> T {
    if missing(from) || missing(to) || coordinate.iter().any(|c| missing(*c)) {
        return T::MISSING;
    }
    let (low, high) = if from <= to { (from, to) } else { (to, from) };
    let (mut area, mut depth, mut extreme) = (T::ZERO, T::ZERO, None);
    let points = || coordinate.iter().copied().zip(value.iter().copied());
    for (one, other) in points().zip(points().skip(1)) {
        let (a, b) = if one.0 <= other.0 { (one, other) } else { (other, one) };
        let start = if a.0 > low { a.0 } else { low };
        let end = if b.0 < high { b.0 } else { high };
        if start < end {
            let first = if start == a.0 { a.1 } else { between(a, b, start) };
            let last = if end == b.0 { b.1 } else { between(a, b, end) };
            area = area + (first + last) * T::from_f64(0.5) * (end - start);
            depth = depth + (end - start);
            let join = |x, y| binary(if op == LayerOp::Max { Binary::Max } else { Binary::Min }, x, y);
            extreme = Some(join(extreme.map_or(first, |so_far| join(so_far, first)), last));
        }
    }
    match (op, extreme) {
        (LayerOp::Integral, _) => {
            if from <= to {
                area
            } else {
                -area
            }
        }
        (LayerOp::Mean, Some(_)) => area / depth,
        (LayerOp::Max | LayerOp::Min, Some(extreme)) => extreme,
        (_, None) => T::MISSING,
    }
}

/// What [`Instruction::Difference`] means, for (levels, cells) on a grid.
pub(super) fn difference<T: Number>(value: ArrayView2<T>, axis: Axis, extent: Extent) -> Array2<T> {
    let Extent { rows, columns } = extent;
    Array2::from_shape_fn(value.dim(), |(level, cell)| {
        let (row, column) = (cell / columns, cell % columns);
        let at = |row: usize, column: usize| value[[level, row * columns + column]];
        let (before, after, both) = match axis {
            Axis::X => {
                let (west, east) = (column.saturating_sub(1), (column + 1).min(columns - 1));
                (at(row, west), at(row, east), east - west)
            }
            Axis::Y => {
                let (north, south) = (row.saturating_sub(1), (row + 1).min(rows - 1));
                (at(south, column), at(north, column), south - north)
            }
        };
        match both {
            0 => T::MISSING,
            1 => after - before,
            _ => (after - before) * T::from_f64(0.5),
        }
    })
}

/// A scan with its operands, each shaped (levels, cells) with one level for a cell.
pub(super) struct Walk<'a, T> {
    pub reverse: bool,
    pub starts: Vec<ArrayView2<'a, T>>,
    pub captures: Vec<ArrayView2<'a, T>>,
    pub active: Option<ArrayView2<'a, T>>,
    pub body: &'a Body,
    pub result: usize,
    /// How many levels the captured columns have.
    pub levels: usize,
}

impl<T: Number> Walk<'_, T> {
    /// What [`Instruction::Scan`] means, all cells side by side.
    pub fn run(&self, cells: usize) -> Array2<T> {
        let mut result = Array2::from_elem((self.levels, cells), T::MISSING);
        let mut states: Vec<Array1<T>> = self.starts.iter().map(|start| row(start, 0).to_owned()).collect();
        let mut previous = None;
        for step in 0..self.levels {
            let level = if self.reverse { self.levels - 1 - step } else { step };
            let values = self.body(level, previous.unwrap_or(level), &states, cells);
            let next = self.body.next.iter().map(|value| &values[value.index()]);
            states = match &self.active {
                None => next.cloned().collect(),
                Some(active) => next.zip(&states).map(|(n, s)| choose(row(active, level), n, s)).collect(),
            };
            result.index_axis_mut(Dimension(0), level).assign(&states[self.result]);
            previous = Some(level);
        }
        result
    }

    fn body(&self, level: usize, previous: usize, states: &[Array1<T>], cells: usize) -> Vec<Array1<T>> {
        let mut values: Vec<Array1<T>> = Vec::with_capacity(self.body.instructions.len());
        for instruction in &self.body.instructions {
            let of = |value: &Value| &values[value.index()];
            let value = match instruction {
                Instruction::State(state) => states[*state].clone(),
                Instruction::Here(capture) => row(&self.captures[*capture], level).to_owned(),
                Instruction::Before(capture) => row(&self.captures[*capture], previous).to_owned(),
                Instruction::Unary { op, value } => of(value).mapv(|x| unary(*op, x)),
                Instruction::Binary { op, left, right } => {
                    Zip::from(of(left)).and(of(right)).map_collect(|&x, &y| binary(*op, x, y))
                }
                Instruction::Compare { op, left, right } => {
                    Zip::from(of(left)).and(of(right)).map_collect(|&x, &y| compare(*op, x, y))
                }
                Instruction::Select { mask, then, otherwise } => {
                    choose(of(mask).view(), of(then), of(otherwise))
                }
                Instruction::Constant(number) => Array1::from_elem(cells, T::from_f64(*number)),
                // The verifier lets nothing else into a body.
                _ => Array1::from_elem(cells, T::MISSING),
            };
            values.push(value);
        }
        values
    }
}

/// That level of a column, or the one level of a cell.
fn row<'a, T>(array: &'a ArrayView2<T>, level: usize) -> ArrayView1<'a, T> {
    array.index_axis(Dimension(0), level.min(array.nrows().saturating_sub(1)))
}

fn choose<T: Number>(mask: ArrayView1<T>, then: &Array1<T>, otherwise: &Array1<T>) -> Array1<T> {
    Zip::from(mask)
        .and(then)
        .and(otherwise)
        .map_collect(|&mask, &then, &otherwise| select(mask, then, otherwise))
}

#[cfg(test)]
mod tests {
    use ndarray::array;

    use super::*;

    const NAN: f64 = f64::NAN;

    #[test]
    fn interpolation_takes_either_direction_and_ignores_what_it_does_not_use() {
        let (value, height) = (array![10.0, 20.0, 40.0, NAN], array![0.0, 100.0, 200.0, 300.0]);
        let at = |x| interpolate(value.view(), height.view(), x);
        assert_eq!([at(0.0), at(25.0), at(150.0), at(200.0)], [10.0, 12.5, 30.0, 40.0]);
        assert!([at(-1.0), at(250.0), at(301.0), at(NAN)].iter().all(|x| x.is_nan()));
        let pressure = array![1000.0, 850.0, NAN, 500.0];
        let at = |x| interpolate(array![1.0, 2.0, 3.0, 4.0].view(), pressure.view(), x);
        assert_eq!([at(925.0), at(500.0)], [1.5, 4.0]);
        assert!(at(700.0).is_nan() && at(1000.1).is_nan());
        assert_eq!(interpolate(array![7.0].view(), array![5.0].view(), 5.0), 7.0);
    }

    #[test]
    fn layers_are_exact_clipped_and_signed() {
        // f(z) = 2z up to 2, then falling by 1 a step.
        let (value, z) = (array![0.0, 2.0, 4.0, 3.0], array![0.0, 1.0, 2.0, 3.0]);
        let of = |op, from, to| layer(op, value.view(), z.view(), [from, to]);
        assert_eq!(of(LayerOp::Integral, 0.5, 1.5), 2.0);
        assert_eq!(of(LayerOp::Integral, 1.5, 0.5), -2.0);
        assert_eq!(of(LayerOp::Integral, -9.0, f64::INFINITY), 7.5);
        assert_eq!(of(LayerOp::Mean, -9.0, 9.0), 2.5);
        assert_eq!([of(LayerOp::Max, 1.5, 3.0), of(LayerOp::Min, 1.5, 3.0)], [4.0, 3.0]);
        assert_eq!(of(LayerOp::Max, 0.25, 0.5), 1.0);
        assert_eq!([of(LayerOp::Integral, 5.0, 6.0), of(LayerOp::Integral, 1.0, 1.0)], [0.0, 0.0]);
        assert!(of(LayerOp::Mean, 5.0, 6.0).is_nan() && of(LayerOp::Min, 1.0, 1.0).is_nan());
        assert!(of(LayerOp::Integral, NAN, 1.0).is_nan());
        // The same function with its levels the other way round.
        let (value, z) = (array![3.0, 4.0, 2.0, 0.0], array![3.0, 2.0, 1.0, 0.0]);
        assert_eq!(layer(LayerOp::Integral, value.view(), z.view(), [0.5, 1.5]), 2.0);
    }

    #[test]
    fn what_is_missing_matters_in_a_layer_only_where_it_is_used() {
        let (value, z) = (array![NAN, 2.0, 4.0, 3.0], array![0.0, 1.0, 2.0, 3.0]);
        assert_eq!(layer(LayerOp::Mean, value.view(), z.view(), [1.0, 2.0]), 3.0);
        assert!(layer(LayerOp::Mean, value.view(), z.view(), [0.9, 2.0]).is_nan());
        let z = array![0.0, 1.0, 2.0, NAN];
        assert!(layer(LayerOp::Mean, value.view(), z.view(), [1.0, 2.0]).is_nan());
    }

    #[test]
    fn differences_point_east_and_north() {
        // Row 0 is the north: 10 per row southwards, 1 per column eastwards.
        let field: Array2<f64> = array![[0.0, 1.0, 3.0, 10.0, 11.0, 13.0, 20.0, 21.0, 23.0]];
        let grid = Extent { rows: 3, columns: 3 };
        let x = difference(field.view(), Axis::X, grid);
        assert_eq!(x.row(0).to_vec(), [1.0, 1.5, 2.0, 1.0, 1.5, 2.0, 1.0, 1.5, 2.0]);
        assert!(difference(field.view(), Axis::Y, grid).iter().all(|d| *d == -10.0));
        let row = Extent { rows: 1, columns: 9 };
        assert!(difference(field.view(), Axis::Y, row).iter().all(|d| d.is_nan()));
    }

    #[test]
    fn displaced_levels_stay_in_the_column() {
        assert_eq!((0..3).map(|k| displaced(k, 1, 3)).collect::<Vec<_>>(), [1, 2, 2]);
        assert_eq!((0..3).map(|k| displaced(k, -2, 3)).collect::<Vec<_>>(), [0, 0, 0]);
        assert_eq!([displaced(2, i32::MIN, 3), displaced(0, i32::MAX, 3)], [0, 2]);
    }
}
