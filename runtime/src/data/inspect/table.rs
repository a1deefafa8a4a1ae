//! An inspection as lines for a terminal: what all fields share on top, the rest in columns.

use std::fmt;

use jiff::Timestamp;

use super::{Corners, FieldSummary, GridSummary, Inspection, Times};

/// What one column says of a field.
type Text = fn(&FieldSummary) -> Option<String>;

pub(super) fn write(inspection: &Inspection, out: &mut fmt::Formatter<'_>) -> fmt::Result {
    writeln!(out, "file     {}", inspection.file.display())?;
    writeln!(out, "format   {}, {}", inspection.format, inspection.contents)?;
    writeln!(out, "size     {} bytes", grouped(inspection.bytes))?;
    for (index, grid) in inspection.grids.iter().enumerate() {
        let label = if inspection.grids.len() == 1 { "grid".into() } else { format!("grid {}", index + 1) };
        write_grid(&label, grid, out)?;
    }
    let fields = &inspection.fields;
    let shared = |text: Text| {
        let mut all = fields.iter().filter_map(text);
        let first = all.next()?;
        all.all(|other| other == first).then_some(first)
    };
    let shown: [(&str, Text); 3] = [("run", run), ("valid", valid), ("packing", packing)];
    for (label, text) in shown {
        if let Some(text) = shared(text) {
            writeln!(out, "{label:8} {text}")?;
        }
    }
    for note in &inspection.notes {
        writeln!(out, "note     {}", clean(note))?;
    }
    writeln!(out)?;
    write_table(inspection, shown.map(|(_, text)| shared(text).is_none()), out)?;
    if inspection.problems().next().is_some() {
        writeln!(out)?;
    }
    for field in inspection.problems() {
        let number = field.number.as_ref().map(|number| format!("{number} ")).unwrap_or_default();
        let problem = field.problem.as_deref().unwrap_or_default();
        writeln!(out, "not read: {number}{}: {}", clean(&field.name), clean(problem))?;
    }
    Ok(())
}

fn write_grid(label: &str, grid: &GridSummary, out: &mut fmt::Formatter<'_>) -> fmt::Result {
    let size = match (grid.columns, grid.rows) {
        (Some(columns), Some(rows)) => format!("{columns} x {rows} points"),
        _ => format!("{} points", grouped(grid.points)),
    };
    let spacing = match (grid.spacing, grid.spacing_unit) {
        (Some((x, y)), Some(unit)) if x == y => format!(", {x} {unit} apart"),
        (Some((x, y)), Some(unit)) => format!(", {x} by {y} {unit} apart"),
        _ => String::new(),
    };
    writeln!(out, "{label:8} {}, {size}{spacing}", grid.name)?;
    if let Some(projection) = &grid.projection {
        writeln!(out, "         {}", clean(projection))?;
    }
    let rows = grid.row_order.map(|order| format!("rows from {order}"));
    let winds = grid.winds.map(|frame| match frame {
        "grid" => "winds along the grid",
        _ => "winds east and north",
    });
    let words: Vec<_> = rows.iter().map(String::as_str).chain(winds).collect();
    if !words.is_empty() {
        writeln!(out, "         {}", words.join(", "))?;
    }
    if let Some(Corners { south_west, south_east, north_west, north_east }) = grid.corners {
        let place = |(latitude, longitude): (f64, f64)| format!("{latitude:8.4} {longitude:9.4}");
        writeln!(out, "         NW {}   NE {}", place(north_west), place(north_east))?;
        writeln!(out, "         SW {}   SE {}", place(south_west), place(south_east))?;
    }
    Ok(())
}

/// A column: its head, whether numbers stand to the right, and a cell per field.
struct Column {
    head: &'static str,
    right: bool,
    cells: Vec<String>,
}

fn write_table(
    inspection: &Inspection,
    [run_differs, valid_differs, packing_differs]: [bool; 3],
    out: &mut fmt::Formatter<'_>,
) -> fmt::Result {
    let fields = &inspection.fields;
    let column = |head, right, cell: &dyn Fn(&FieldSummary) -> Option<String>| Column {
        head,
        right,
        cells: fields.iter().map(|field| clean(&cell(field).unwrap_or_default())).collect(),
    };
    let grids = inspection.grids.len() > 1;
    let shapes = fields.iter().any(|field| field.number.is_none());
    let columns = [
        column("#", true, &|field| field.number.clone()),
        column("field", false, &|field| Some(field.name.clone())),
        column("code", false, &|field| field.code.clone()),
        column("level", false, &|field| field.level.clone()),
        column("run", false, &|field| run(field).filter(|_| run_differs)),
        column("valid", false, &|field| valid(field).filter(|_| valid_differs)),
        column("cell", false, &|field| field.cell.clone()),
        column("shape", false, &|field| Some(shape(field)).filter(|_| shapes)),
        column("units", false, &|field| field.units.clone()),
        column("min", true, &|field| field.minimum.map(number)),
        column("mean", true, &|field| field.mean.map(number)),
        column("max", true, &|field| field.maximum.map(number)),
        column("missing", true, &|field| field.missing.filter(|&missing| missing > 0).map(grouped)),
        column("stored as", false, &|field| packing(field).filter(|_| packing_differs)),
        column("grid", true, &|field| field.grid.filter(|_| grids).map(|grid| (grid + 1).to_string())),
    ];
    let columns: Vec<_> =
        columns.into_iter().filter(|column| column.cells.iter().any(|cell| !cell.is_empty())).collect();
    let width = |column: &Column| {
        column.cells.iter().map(|cell| cell.chars().count()).chain([column.head.len()]).max().unwrap_or(0)
    };
    let widths: Vec<_> = columns.iter().map(width).collect();
    for row in 0..=fields.len() {
        let mut line = String::new();
        for (column, &width) in columns.iter().zip(&widths) {
            let cell = if row == 0 { column.head } else { &column.cells[row - 1] };
            let padded = if column.right { format!("{cell:>width$}") } else { format!("{cell:<width$}") };
            line.push_str(&padded);
            line.push_str("  ");
        }
        writeln!(out, "{}", line.trim_end())?;
    }
    Ok(())
}

fn run(field: &FieldSummary) -> Option<String> {
    field.reference.map(instant)
}

fn valid(field: &FieldSummary) -> Option<String> {
    field.valid.map(|Times { first, last, count }| match count {
        1 => instant(first),
        count => format!("{} to {} ({count})", instant(first), instant(last)),
    })
}

fn packing(field: &FieldSummary) -> Option<String> {
    field.packing.clone()
}

fn shape(field: &FieldSummary) -> String {
    field.shape.iter().map(u64::to_string).collect::<Vec<_>>().join(" x ")
}

/// `2023-07-22 07:00Z`, with seconds only where there are any.
fn instant(time: Timestamp) -> String {
    let seconds = time.as_second().rem_euclid(60) != 0;
    time.strftime(if seconds { "%Y-%m-%d %H:%M:%SZ" } else { "%Y-%m-%d %H:%MZ" }).to_string()
}

/// Six significant digits, without trailing zeros.
fn number(value: f64) -> String {
    let size = value.abs();
    if value == 0.0 {
        return "0".into();
    }
    if !(1e-3..1e7).contains(&size) {
        return format!("{value:.3e}");
    }
    let decimals = (5 - size.log10().floor() as i32).max(0) as usize;
    let text = format!("{value:.decimals$}");
    if text.contains('.') { text.trim_end_matches('0').trim_end_matches('.').to_owned() } else { text }
}

/// `1 272 861`.
fn grouped(number: u64) -> String {
    let digits = number.to_string();
    let mut text = String::new();
    for (index, digit) in digits.chars().enumerate() {
        if index > 0 && (digits.len() - index).is_multiple_of(3) {
            text.push(' ');
        }
        text.push(digit);
    }
    text
}

/// Text from a file must not move the cursor or colour the terminal.
fn clean(text: &str) -> String {
    text.chars()
        .map(|character| if character.is_control() { ' ' } else { character })
        .collect::<String>()
        .trim_end()
        .to_owned()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_for_people() {
        assert_eq!(number(273.15), "273.15");
        assert_eq!(number(101_325.0), "101325");
        assert_eq!(number(-0.0625), "-0.0625");
        assert_eq!(number(1.2345e-7), "1.235e-7");
        assert_eq!(number(0.0), "0");
        assert_eq!(grouped(1_905_141), "1 905 141");
        assert_eq!(clean("a\u{1b}[31mb\n"), "a [31mb");
    }
}
