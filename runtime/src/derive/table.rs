//! The parameters of a sounding as lines for a terminal: a table of the parcels, winds by direction and speed, and all
//! else by what it measures. Every line begins with the name by which a recipe or `--only` knows it.

use std::collections::BTreeSet;
use std::fmt::Write;

use aurora_grammar::Style;

use super::ascent::{Ascent, Parameter, is_single};
use super::forecaster::{Shown, direction, label, shown};
use crate::data::sounding::{KNOT, Sounding};

/// Parcels by the beginnings of names, and what forecasters call them.
const PARCELS: [(&str, &str); 4] =
    [("sb", "surface"), ("ml", "mixed layer"), ("mu", "most unstable"), ("eff", "effective")];

/// Units in the order of the sections, and their headings; what is of no other unit comes last.
const SECTIONS: [(&str, &str); 9] = [
    ("1", "Composite parameters"),
    ("m/s", "Winds"),
    ("m^2/s^2", "Helicity"),
    ("J/kg", "Energies"),
    ("m", "Heights"),
    ("Pa", "Pressures"),
    ("K/m", "Lapse rates"),
    ("K", "Temperatures"),
    ("", "Others"),
];

/// What there is to tell of a sounding, in the order in which it is told.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Summary {
    pub parcels: Option<Matrix>,
    /// Headings and their lines; none is empty.
    pub sections: Vec<(&'static str, Vec<Line>)>,
}

/// What several parcels have in common.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Matrix {
    /// What the parcels are called, and how their names begin.
    pub columns: Vec<&'static str>,
    pub prefixes: Vec<&'static str>,
    pub rows: Vec<Row>,
}

#[derive(Clone, Debug, PartialEq)]
pub struct Row {
    /// `cape`, `lcl`…
    pub kind: String,
    pub unit: &'static str,
    /// One for each column; empty where that parcel has none.
    pub values: Vec<String>,
}

/// One parameter in forecasters' units.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Line {
    pub name: String,
    /// What forecasters call it, else its name.
    pub label: String,
    pub value: String,
    pub unit: String,
    /// The same in a second unit.
    pub other: String,
    pub title: String,
    section: String,
}

impl Summary {
    #[must_use]
    pub fn new(ascent: &Ascent) -> Summary {
        let single: Vec<&Parameter> = ascent.parameters.iter().filter(|one| is_single(one)).collect();
        let mut told: BTreeSet<&str> = BTreeSet::new();
        let parcels = parcels(&single, &mut told);
        let mut rest = lines(&single, &told);
        let mut sections = Vec::new();
        for (section, title) in SECTIONS {
            let (of, others): (Vec<Line>, Vec<Line>) =
                rest.into_iter().partition(|line| section.is_empty() || line.section == section);
            rest = others;
            if !of.is_empty() {
                sections.push((title, of));
            }
        }
        Summary { parcels, sections }
    }
}

/// The table, ending its lines.
#[must_use]
pub fn draw(sounding: &Sounding, ascent: &Ascent, style: Style) -> String {
    let paint = Paint { color: style.color };
    let summary = Summary::new(ascent);
    let mut out = String::new();
    heading(&mut out, sounding, &paint);
    if let Some(matrix) = &summary.parcels {
        draw_parcels(&mut out, matrix, &paint);
    }
    let all = || summary.sections.iter().flat_map(|(_, lines)| lines);
    let widest = |of: fn(&Line) -> &str| all().map(|line| of(line).chars().count()).max().unwrap_or(0);
    let (name, value) = (widest(|line| &line.name), widest(|line| &line.value));
    let (unit, other) = (widest(|line| &line.unit), widest(|line| &line.other));
    for (title, lines) in &summary.sections {
        let _ = writeln!(out, "\n{}", paint.bold(title));
        for line in lines {
            let number = paint.bold(&format!("{:>value$}", line.value));
            let left =
                format!("  {:<name$}  {number}  {:<unit$}  {:<other$}", line.name, line.unit, line.other);
            let title = clipped(&line.title, style.width.saturating_sub(10 + name + value + unit + other));
            let text = if title.is_empty() { left } else { format!("{left}  {}", paint.dim(&title)) };
            let _ = writeln!(out, "{}", text.trim_end());
        }
    }
    for (name, title) in columns(ascent) {
        let _ = writeln!(out, "  {}", paint.dim(&format!("{name}: {title}")));
    }
    for (name, why) in &ascent.left_out {
        let _ = writeln!(out, "  {}", paint.dim(&format!("left out: {name}: {why}")));
    }
    out
}

fn heading(out: &mut String, sounding: &Sounding, paint: &Paint) {
    let mut rest = sounding.whereabouts("%Y-%m-%d %H:%M UTC", 1);
    rest.push(format!("{} levels", sounding.levels.len()));
    let _ = writeln!(out, "{}  {}", paint.bold(&sounding.title), paint.dim(&rest.join("  ")));
    for note in &sounding.notes {
        let _ = writeln!(out, "  {}", paint.dim(note));
    }
}

/// Kinds of parameters that at least two parcels have.
fn parcels<'a>(all: &[&'a Parameter], told: &mut BTreeSet<&'a str>) -> Option<Matrix> {
    let named = |name: &str| all.iter().copied().find(|one| one.plan.name == name);
    // The surface parcel's heights have no beginning: `lcl_height` beside `mllcl_height`.
    let of = |parcel: &str, kind: &str| {
        let bare = || named(kind).filter(|_| parcel == "sb" && named(&format!("ml{kind}")).is_some());
        named(&format!("{parcel}{kind}")).or_else(bare)
    };
    let mut kinds: Vec<&str> = Vec::new();
    for one in all {
        for (parcel, _) in PARCELS {
            let Some(kind) = one.plan.name.strip_prefix(parcel).filter(|kind| !kind.is_empty()) else {
                continue;
            };
            let shared = PARCELS.iter().filter(|(parcel, _)| of(parcel, kind).is_some()).count();
            if shared >= 2 && !kinds.contains(&kind) {
                kinds.push(kind);
            }
        }
    }
    let held = |parcel: &str| kinds.iter().any(|kind| of(parcel, kind).is_some());
    let columns: Vec<(&str, &str)> = PARCELS.into_iter().filter(|(parcel, _)| held(parcel)).collect();
    let mut rows = Vec::new();
    for kind in &kinds {
        let mut values = Vec::new();
        let mut unit = "";
        for (parcel, _) in &columns {
            values.push(of(parcel, kind).map_or_else(String::new, |one| {
                told.insert(one.plan.name.as_str());
                let shown = shown(&one.plan, one.values.first().map_or(f64::NAN, |value| f64::from(*value)));
                unit = shown.unit;
                shown.number()
            }));
        }
        rows.push(Row { kind: (*kind).to_string(), unit, values });
    }
    (!rows.is_empty()).then(|| Matrix {
        columns: columns.iter().map(|(_, words)| *words).collect(),
        prefixes: columns.iter().map(|(prefix, _)| *prefix).collect(),
        rows,
    })
}

/// A row for each kind, a column for each parcel.
fn draw_parcels(out: &mut String, matrix: &Matrix, paint: &Paint) {
    let width = matrix.rows.iter().map(|row| row.kind.chars().count()).max().unwrap_or(0).max(4);
    let mut head = format!("{:<1$}", "Parcels", width + 9);
    for (words, prefix) in matrix.columns.iter().zip(&matrix.prefixes) {
        let _ = write!(head, "  {:>17}", format!("{words} {prefix}"));
    }
    let _ = writeln!(out, "\n{}", paint.bold(&head));
    for row in &matrix.rows {
        let unit = paint.dim(&format!("{:<5}", row.unit));
        let values: Vec<String> = row.values.iter().map(|value| format!("  {value:>17}")).collect();
        let numbers = paint.bold(&values.concat());
        let _ = writeln!(out, "{}", format!("  {:<width$}  {unit}{numbers}", row.kind).trim_end());
    }
}

/// All that no other table has told; two components of a wind on one line.
fn lines(all: &[&Parameter], told: &BTreeSet<&str>) -> Vec<Line> {
    let mut lines = Vec::new();
    for one in all.iter().filter(|one| !told.contains(one.plan.name.as_str())) {
        let name = one.plan.name.as_str();
        let other = |from: &str, to: &str| {
            let partner = format!("{}{to}", name.strip_suffix(from)?);
            all.iter().find(|held| held.plan.name == partner && held.plan.units == "m/s")
        };
        if one.plan.units == "m/s" && other("_v", "_u").is_some() {
            continue;
        }
        let value = one.values.first().map_or(f64::NAN, |value| f64::from(*value));
        let called = |name: &str| label(name).map_or_else(|| name.to_string(), str::to_string);
        let title =
            |name: &str| one.title.clone().or_else(|| label(name).map(str::to_string)).unwrap_or_default();
        if let Some(partner) = other("_u", "_v").filter(|_| one.plan.units == "m/s") {
            let (from, speed) =
                direction(value, partner.values.first().map_or(f64::NAN, |value| f64::from(*value)));
            let stem = name.trim_end_matches("_u");
            let (text, second) = match speed.is_finite() {
                true => (format!("{from:.0}°/{:.0}", speed / KNOT), format!("{speed:.1} m/s")),
                false => ("—".to_string(), String::new()),
            };
            lines.push(Line {
                section: "m/s".into(),
                name: format!("{stem}_u, _v"),
                label: called(stem),
                value: text,
                unit: "kt".into(),
                other: second,
                title: title(stem),
            });
            continue;
        }
        let shown: Shown = shown(&one.plan, value);
        lines.push(Line {
            section: one.plan.units.clone(),
            name: name.to_string(),
            label: called(name),
            value: shown.number(),
            unit: shown.unit.to_string(),
            other: shown.second().filter(|_| value.is_finite()).unwrap_or_default(),
            title: title(name),
        });
    }
    lines
}

/// Whole columns, which no table of numbers holds.
fn columns(ascent: &Ascent) -> Vec<(String, String)> {
    let column = |one: &&Parameter| !is_single(one);
    let words = |one: &Parameter| {
        let name = one.plan.name.clone();
        (name, format!("{} values, given with --format json", one.values.len()))
    };
    ascent.parameters.iter().filter(column).map(words).collect()
}

fn clipped(text: &str, width: usize) -> String {
    if text.chars().count() <= width {
        return text.to_string();
    }
    match width {
        0..=3 => String::new(),
        _ => format!("{}…", text.chars().take(width - 1).collect::<String>().trim_end()),
    }
}

struct Paint {
    color: bool,
}

impl Paint {
    fn bold(&self, text: &str) -> String {
        if self.color { format!("\u{1b}[1m{text}\u{1b}[0m") } else { text.to_string() }
    }

    fn dim(&self, text: &str) -> String {
        if self.color && !text.is_empty() { format!("\u{1b}[2m{text}\u{1b}[0m") } else { text.to_string() }
    }
}
