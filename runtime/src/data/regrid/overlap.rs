//! Weights by area: how much of the target's cell lies in which cells of the source.
//!
//! The corners of the target's cell are brought to rows and columns of the source, where the source's cells are unit squares, and joined by
//! straight lines; that polygon is cut to each square it touches. A square's share times its area on the sphere is its weight.
//! Neighbouring cells of the target share their corners, so every square is given away whole: sums over the region stay.

use super::weights::{Row, Weights};
use crate::data::grid::Grid;

/// A corner in columns and rows of the source.
type Corner = (f64, f64);

/// Shares of a cell below this are rounding.
const SLIVER: f64 = 1e-7;

pub(super) fn conservative(from: &Grid, to: &Grid) -> Weights {
    let (height, width) = (from.plan.height as f64, from.plan.width as f64);
    let areas = from.areas();
    let wraps = from.plan.wraps();
    Weights::of(to, |line, column| {
        let at = |row: f64, column: f64| {
            let (latitude, longitude) = to.geographic(row, column);
            let (row, column) = from.locate(latitude.clamp(-90.0, 90.0), longitude);
            (column, row)
        };
        let (y, x) = (line as f64, column as f64);
        let middle = at(y, x).0;
        let polygon: Vec<Corner> =
            [(y - 0.5, x - 0.5), (y - 0.5, x + 0.5), (y + 0.5, x + 0.5), (y + 0.5, x - 0.5)]
                .into_iter()
                .map(|(row, column)| at(row, column))
                // Of a grid around the globe, on the side of the middle.
                .map(|(column, row)| {
                    if wraps {
                        (column + ((middle - column) / width).round() * width, row)
                    } else {
                        (column, row)
                    }
                })
                .collect();
        // What lies on the far side of the Earth, where the map is cut, is nowhere near.
        let near = |&(column, row): &Corner| {
            (-width..2.0 * width).contains(&column) && (-height..2.0 * height).contains(&row)
        };
        if !polygon.iter().all(near) {
            return Row::new();
        }
        row(&polygon, &areas, wraps)
    })
}

/// The weights of a polygon; they sum to the part of it that lies on the source.
fn row(polygon: &[Corner], areas: &ndarray::Array2<f64>, wraps: bool) -> Row {
    let whole = area(polygon);
    let (height, width) = areas.dim();
    let span = |part: fn(&Corner) -> f64| {
        let ends = polygon
            .iter()
            .map(part)
            .fold((f64::INFINITY, f64::NEG_INFINITY), |(low, high), place| (low.min(place), high.max(place)));
        ((ends.0 + 0.5).floor() as i64, (ends.1 + 0.5).floor() as i64)
    };
    let (columns, rows) = (span(|corner| corner.0), span(|corner| corner.1));
    let mut parts: Vec<(u32, f64)> = Vec::new();
    let (mut covered, mut sum) = (0.0, 0.0);
    for row in rows.0.max(0)..=rows.1.min(height as i64 - 1) {
        let strip = clipped(polygon, |corner| corner.1, row as f64);
        if strip.len() < 3 {
            continue;
        }
        for column in columns.0..=columns.1 {
            let place = if wraps { column.rem_euclid(width as i64) } else { column };
            if !(0..width as i64).contains(&place) {
                continue;
            }
            let share = area(&clipped(&strip, |corner| corner.0, column as f64));
            if share <= SLIVER * whole {
                continue;
            }
            let (row, column) = (row as usize, place as usize);
            let weight = share * areas[(row, column)];
            covered += share;
            sum += weight;
            parts.push(((row * width + column) as u32, weight));
        }
    }
    if sum <= 0.0 || whole <= 0.0 {
        return Row::new();
    }
    let scale = (covered / whole).min(1.0) / sum;
    parts.into_iter().map(|(index, weight)| (index, (weight * scale) as f32)).collect()
}

/// The part of a polygon within half a cell of a row or column (Sutherland and Hodgman 1974).
fn clipped(polygon: &[Corner], along: fn(&Corner) -> f64, middle: f64) -> Vec<Corner> {
    let lower = cut(polygon, |corner| along(corner) - (middle - 0.5));
    cut(&lower, |corner| middle + 0.5 - along(corner))
}

/// The part of a polygon where a linear function is not negative.
fn cut(polygon: &[Corner], inside: impl Fn(&Corner) -> f64) -> Vec<Corner> {
    let mut kept = Vec::with_capacity(polygon.len() + 2);
    for (index, here) in polygon.iter().enumerate() {
        let next = &polygon[(index + 1) % polygon.len()];
        let (a, b) = (inside(here), inside(next));
        if a >= 0.0 {
            kept.push(*here);
        }
        if (a < 0.0) != (b < 0.0) {
            let part = a / (a - b);
            kept.push((here.0 + (next.0 - here.0) * part, here.1 + (next.1 - here.1) * part));
        }
    }
    kept
}

/// The area of a polygon, whichever way round (Gauss's shoelace), taken from its first corner so that large coordinates cancel.
fn area(polygon: &[Corner]) -> f64 {
    let Some(first) = polygon.first() else { return 0.0 };
    let from = |corner: &Corner| (corner.0 - first.0, corner.1 - first.1);
    let twice: f64 = polygon
        .windows(2)
        .map(|two| {
            let (a, b) = (from(&two[0]), from(&two[1]));
            a.0 * b.1 - b.0 * a.1
        })
        .sum();
    twice.abs() / 2.0
}
