//! A sparse matrix of weights, and the two methods that look at points only.

use rayon::prelude::*;

use crate::data::grid::Grid;

/// Rows are points of the target, columns points of the source, both counted row by row from the north-western one.
#[derive(Clone, Debug, PartialEq)]
pub(super) struct Weights {
    /// Where each row begins in the lists below, and where the last one ends.
    pub starts: Vec<u64>,
    pub columns: Vec<u32>,
    pub weights: Vec<f32>,
}

/// One row: columns and weights.
pub(super) type Row = Vec<(u32, f32)>;

impl Weights {
    /// Of a function of the target's points.
    pub(super) fn of(to: &Grid, row: impl Fn(usize, usize) -> Row + Sync) -> Weights {
        let (height, width) = (to.plan.height, to.plan.width);
        let lines: Vec<Vec<Row>> = (0..height)
            .into_par_iter()
            .map(|line| (0..width).map(|column| row(line, column)).collect())
            .collect();
        let count = lines.iter().flatten().map(Vec::len).sum();
        let mut all = Weights {
            starts: Vec::with_capacity(height * width + 1),
            columns: Vec::with_capacity(count),
            weights: Vec::with_capacity(count),
        };
        all.starts.push(0);
        for row in lines.into_iter().flatten() {
            for (column, weight) in row {
                all.columns.push(column);
                all.weights.push(weight);
            }
            all.starts.push(all.columns.len() as u64);
        }
        all
    }

    pub(super) fn row(&self, index: usize) -> impl Iterator<Item = (usize, &f32)> {
        let at = |index: usize| self.starts.get(index).map_or(0, |start| *start as usize);
        let range = at(index)..at(index + 1);
        let columns = self.columns.get(range.clone()).unwrap_or(&[]);
        let weights = self.weights.get(range).unwrap_or(&[]);
        columns.iter().map(|column| *column as usize).zip(weights)
    }
}

/// How far off a point may be for rounding, in cells.
const ROUNDING: f64 = 1e-6;
/// How far beyond the outermost points one may lie, in cells: coordinates in single precision are no finer.
const BEYOND: f64 = 1e-3;

pub(super) fn bilinear(from: &Grid, to: &Grid) -> Weights {
    let (height, width) = (from.plan.height, from.plan.width);
    let wraps = from.plan.wraps();
    Weights::of(to, |line, column| {
        let (row, column) = from.locate(to.latitude[(line, column)], to.longitude[(line, column)]);
        let Some((above, down)) = between(row, height) else { return Row::new() };
        let Some((left, right)) = (if wraps { around(column, width) } else { between(column, width) }) else {
            return Row::new();
        };
        let next = if left + 1 < width { left + 1 } else { 0 };
        let at = |row: usize, column: usize| (row * width + column) as u32;
        [
            (at(above, left), (1.0 - down) * (1.0 - right)),
            (at(above, next), (1.0 - down) * right),
            (at((above + 1).min(height - 1), left), down * (1.0 - right)),
            (at((above + 1).min(height - 1), next), down * right),
        ]
        .into_iter()
        .filter(|(_, weight)| *weight > ROUNDING)
        .map(|(index, weight)| (index, weight as f32))
        .collect()
    })
}

/// The point before a place among `count`, and how far the place is beyond it; nothing if it lies off them.
fn between(place: f64, count: usize) -> Option<(usize, f64)> {
    let last = count as f64 - 1.0;
    if !(-BEYOND..=last + BEYOND).contains(&place) {
        return None;
    }
    let place = place.clamp(0.0, last);
    let before = (place as usize).min(count.saturating_sub(2));
    Some((before, place - before as f64))
}

/// The same where the first follows the last.
fn around(place: f64, count: usize) -> Option<(usize, f64)> {
    let place = place.rem_euclid(count as f64);
    let before = (place as usize).min(count - 1);
    place.is_finite().then_some((before, place - before as f64))
}

pub(super) fn nearest(from: &Grid, to: &Grid) -> Weights {
    let (height, width) = (from.plan.height, from.plan.width);
    let wraps = from.plan.wraps();
    Weights::of(to, |line, column| {
        let (row, column) = from.locate(to.latitude[(line, column)], to.longitude[(line, column)]);
        // Halfway between two, the northern and the western one.
        let whole = |place: f64| (place - 0.5 - ROUNDING).ceil();
        let (row, mut column) = (whole(row), whole(column));
        if wraps {
            column = column.rem_euclid(width as f64);
        }
        let on = (0.0..height as f64).contains(&row) && (0.0..width as f64).contains(&column);
        if on { vec![((row as usize * width + column as usize) as u32, 1.0)] } else { Row::new() }
    })
}
