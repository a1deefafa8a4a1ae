//! The parameters beside the diagram: a table of the parcels, then the rest in columns.

use super::svg::{Anchor, Svg};
use crate::data::sounding::Sounding;
use crate::derive::ascent::Ascent;
use crate::derive::table::{Line, Matrix, Summary};

const ROW: f64 = 15.5;

/// From `(x, y)` on, not below `end`.
pub fn draw(svg: &mut Svg, (x, y): (f64, f64), width: f64, sounding: &Sounding, ascent: &Ascent, end: f64) {
    let summary = Summary::new(ascent);
    let mut y = y;
    if let Some(matrix) = &summary.parcels {
        y = parcels(svg, (x, y), width, matrix);
        y += 12.0;
    }
    let sections: Vec<(&str, &[Line])> =
        summary.sections.iter().map(|(title, lines)| (*title, lines.as_slice())).collect();
    columns(svg, (x, y), width, &sections, end - 14.0);
    let parcel = "dashed: parcel of the lowest 100 hPa, virtual temperature; shaded: its CAPE and CIN";
    svg.words("note", (62.0, end + 4.0), Anchor::Start, parcel);
    if let Some(note) = sounding.notes.first() {
        svg.words("note", (x, end + 4.0), Anchor::Start, note);
    }
}

fn parcels(svg: &mut Svg, (x, y): (f64, f64), width: f64, matrix: &Matrix) -> f64 {
    let first = 92.0;
    let step = (width - first) / matrix.columns.len().max(1) as f64;
    svg.words("head", (x, y), Anchor::Start, "PARCELS");
    for (index, column) in matrix.columns.iter().enumerate() {
        svg.words("head", (x + first + step * (index + 1) as f64, y), Anchor::End, &column.to_uppercase());
    }
    let mut y = y + 5.0;
    svg.line("rule", (x, y), (x + width, y));
    for row in &matrix.rows {
        y += ROW;
        svg.words("name", (x, y), Anchor::Start, &row.kind.to_uppercase());
        svg.words("unit", (x + 50.0, y), Anchor::Start, row.unit);
        for (index, value) in row.values.iter().enumerate() {
            svg.words("value", (x + first + step * (index + 1) as f64, y), Anchor::End, value);
        }
    }
    y + 6.0
}

/// Sections one below the other in two columns; what does not fit is left to the table.
fn columns(svg: &mut Svg, (x, y): (f64, f64), width: f64, sections: &[(&str, &[Line])], end: f64) {
    const GAP: f64 = 22.0;
    let wide = (width - GAP) / 2.0;
    let rows: usize = sections.iter().map(|(_, lines)| lines.len() + 2).sum();
    let room = ((end - y) / ROW).floor().max(1.0) as usize;
    let first = room.min(rows.div_ceil(2) + 1);
    let (mut column, mut used) = (0, 0);
    for (title, lines) in sections {
        // A heading does not stand alone at the end of a column.
        if used + 2 > if column == 0 { first } else { room } {
            column += 1;
            used = 0;
        }
        if column > 1 {
            return;
        }
        let left = x + column as f64 * (wide + GAP);
        let at = |used: usize| y + ROW * used as f64;
        svg.words("head", (left, at(used)), Anchor::Start, &title.to_uppercase());
        svg.line("rule", (left, at(used) + 5.0), (left + wide, at(used) + 5.0));
        used += 1;
        for line in *lines {
            if used >= if column == 0 { first } else { room } {
                column += 1;
                used = 0;
                if column > 1 {
                    return;
                }
            }
            let left = x + column as f64 * (wide + GAP);
            let at = y + ROW * used as f64;
            svg.words("name", (left, at), Anchor::Start, &line.name);
            svg.words("value", (left + wide - 34.0, at), Anchor::End, &line.value);
            svg.words("unit", (left + wide - 30.0, at), Anchor::Start, &line.unit);
            used += 1;
        }
        used += 1;
    }
}
