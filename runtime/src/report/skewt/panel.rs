//! The parameters beside the diagram: a table of the parcels, and the rest in one column.

use super::svg::{Anchor, Svg};
use crate::derive::forecaster::label;
use crate::derive::table::{Matrix, Summary};

/// The height of a row, where there is room.
const ROW: f64 = 16.5;

/// A row for each kind of parameter, a column for each parcel.
pub fn parcels(svg: &mut Svg, (x, y): (f64, f64), width: f64, matrix: &Matrix) {
    let first = 140.0;
    let step = (width - first) / matrix.columns.len().max(1) as f64;
    let column = |index: usize| x + first + step * (index + 1) as f64;
    svg.words("head", (x, y), Anchor::Start, "PARCELS");
    for (index, name) in matrix.columns.iter().enumerate() {
        svg.words("head", (column(index), y), Anchor::End, &name.to_uppercase());
    }
    svg.line("rule", (x, y + 5.0), (x + width, y + 5.0));
    for (index, row) in matrix.rows.iter().enumerate() {
        let y = y + 5.0 + ROW * (index + 1) as f64;
        svg.words("name", (x, y), Anchor::Start, label(&row.kind).unwrap_or(&row.kind));
        svg.words("unit", (x + 92.0, y), Anchor::Start, row.unit);
        for (place, value) in row.values.iter().enumerate() {
            svg.words("value", (column(place), y), Anchor::End, value);
        }
    }
}

/// Section after section; rows come closer where there are many, and what still has no room is left to the table.
pub fn sections(svg: &mut Svg, (x, y): (f64, f64), width: f64, summary: &Summary, end: f64) {
    const BETWEEN: f64 = 0.7;
    let rows: f64 = summary.sections.iter().map(|(_, lines)| lines.len() as f64 + 1.0 + BETWEEN).sum();
    let row = ((end - y) / rows.max(1.0)).clamp(12.5, ROW);
    let mut y = y;
    for (title, lines) in &summary.sections {
        if y + 2.0 * row > end {
            return;
        }
        svg.words("head", (x, y), Anchor::Start, &title.to_uppercase());
        svg.line("rule", (x, y + 4.5), (x + width, y + 4.5));
        y += row;
        for line in lines {
            if y > end {
                return;
            }
            svg.words("name", (x, y + 1.0), Anchor::Start, &line.label);
            svg.words("value", (x + width - 31.0, y + 1.0), Anchor::End, &line.value);
            svg.words("unit", (x + width - 28.0, y + 1.0), Anchor::Start, &line.unit);
            y += row;
        }
        y += BETWEEN * row;
    }
}
