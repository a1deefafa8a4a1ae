//! `aurorac doc LIBRARY`: what a library holds.

use std::collections::BTreeMap;
use std::sync::OnceLock;

use aurora_grammar::tree::{Bound, Item, ItemKind, Name, Type};
use aurora_grammar::{Diagnostics, SourceMap, parse, tree};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::page::{Line, Page, Section, Tone};
use crate::library::LIBRARIES;

/// The version of the JSON form.
pub const SCHEMA: &str = "aurora-library/1";

/// Everything in a library, each list in the order written.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct Library {
    /// `aurora-library/1`
    pub schema: String,
    pub name: String,
    pub title: Option<String>,
    /// Libraries it uses itself.
    pub uses: Vec<String>,
    pub quantities: Vec<Entry>,
    pub grids: Vec<Entry>,
    pub levels: Vec<Entry>,
    pub variables: Vec<Entry>,
    /// Numbers and fields that are derived from others.
    pub derived: Vec<Entry>,
    pub functions: Vec<Entry>,
    pub others: Vec<Entry>,
}

/// One named thing of a library.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct Entry {
    pub name: String,
    pub title: Option<String>,
    /// The quantity it measures.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub quantity: Option<String>,
    /// The unit it is kept in.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub unit: Option<String>,
    /// `>= 0`, `in 180 .. 340 K`
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub range: Option<String>,
    /// `surface(2 m)`, `pl`
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub support: Option<String>,
    /// `max over 1 h`; absent if instantaneous
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub cell: Option<String>,
    /// What the archive calls it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub from: Option<String>,
    /// The right side of `=`, or a function's parameters.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub value: Option<String>,
}

/// Names and titles of all libraries.
pub fn all() -> Vec<(String, String)> {
    let title = |library: Library| (library.name, library.title.unwrap_or_default());
    LIBRARIES.iter().filter_map(|(name, _)| library(name).map(title)).collect()
}

/// The library of that name.
pub fn library(name: &str) -> Option<Library> {
    let file = parsed(name)?;
    let mut library = Library {
        schema: SCHEMA.to_string(),
        name: name.to_string(),
        title: file.header.as_ref().and_then(|header| text(&header.title)),
        ..Library::default()
    };
    let units = units();
    for item in &file.items {
        sort_in(&mut library, &item.kind, units);
    }
    Some(library)
}

/// The tree of a library, read once however often it is asked for.
fn parsed(name: &str) -> Option<&'static tree::File> {
    static FILES: [OnceLock<tree::File>; LIBRARIES.len()] = [const { OnceLock::new() }; LIBRARIES.len()];
    let place = LIBRARIES.iter().position(|(known, _)| *known == name)?;
    Some(FILES[place].get_or_init(|| {
        let mut sources = SourceMap::new();
        let (name, text) = LIBRARIES[place];
        let id = sources.add(name, text);
        parse(id, &sources, &mut Diagnostics::new())
    }))
}

/// What stands in a library.
pub(super) fn items(name: &str) -> &'static [Item] {
    parsed(name).map(|file| &file.items[..]).unwrap_or_default()
}

/// The unit of every quantity of every library. Worked out once: it takes the reading of them all.
pub(super) fn units() -> &'static BTreeMap<String, String> {
    static UNITS: OnceLock<BTreeMap<String, String>> = OnceLock::new();
    UNITS.get_or_init(|| {
        let all = LIBRARIES.iter().flat_map(|(name, _)| items(name));
        all.filter_map(|item| match &item.kind {
            ItemKind::Quantity { name, unit, .. } => Some((name.text.clone(), unit.text.clone())),
            _ => None,
        })
        .collect()
    })
}

fn sort_in(library: &mut Library, item: &ItemKind, units: &BTreeMap<String, String>) {
    let entry = |name: &Name, title: &Option<Name>| Entry {
        name: name.text.clone(),
        title: text(title),
        ..Entry::default()
    };
    match item {
        ItemKind::Use { path, .. } => library.uses.push(path.text.clone()),
        ItemKind::Quantity { name, unit, title } => {
            library.quantities.push(Entry { unit: Some(unit.text.clone()), ..entry(name, title) });
        }
        ItemKind::Grid { name, value, title } => {
            library.grids.push(Entry { value: Some(value.to_string()), ..entry(name, title) });
        }
        ItemKind::Levels { name, coordinate, value, title, .. } => library.levels.push(Entry {
            quantity: Some(coordinate.text.clone()),
            value: Some(value.to_string()),
            ..entry(name, title)
        }),
        ItemKind::Variable { name, ty, from, title, .. } => {
            let plain = Entry { from: text(from), ..entry(name, title) };
            library.variables.push(typed(plain, ty.as_ref(), units));
        }
        ItemKind::Derive { name, parameters, ty, value, title, .. } if parameters.is_empty() => {
            let plain = Entry { value: Some(value.to_string()), ..entry(name, title) };
            library.derived.push(typed(plain, ty.as_ref(), units));
        }
        ItemKind::Derive { name, parameters, ty, title, .. } => {
            let inputs: Vec<String> =
                parameters.iter().map(|input| format!("{} : {}", input.name.text, input.ty)).collect();
            let plain = Entry { value: Some(inputs.join(", ")), ..entry(name, title) };
            library.functions.push(typed(plain, ty.as_ref(), units));
        }
        ItemKind::Constraint { name, relation, title, .. } => {
            library.others.push(Entry { value: Some(relation.to_string()), ..entry(name, title) });
        }
        ItemKind::Loss { name, value, title, .. } => {
            library.others.push(Entry { value: Some(value.to_string()), ..entry(name, title) });
        }
        ItemKind::Block(_) | ItemKind::Amend(_) | ItemKind::Drop { .. } => {}
    }
}

fn typed(entry: Entry, ty: Option<&Type>, units: &BTreeMap<String, String>) -> Entry {
    let Some(ty) = ty else { return entry };
    let range = ty.bound.as_ref().map(|bound| match bound {
        Bound::Compare { comparison, value } => format!("{comparison} {value}"),
        Bound::In(range) => format!("in {range}"),
    });
    let support = ty.support.as_ref().map(|support| match &support.argument {
        Some(argument) => format!("{}({argument})", support.name.text),
        None => support.name.text.clone(),
    });
    Entry {
        quantity: Some(ty.quantity.text.clone()),
        unit: units.get(&ty.quantity.text).cloned(),
        range,
        support,
        cell: ty.cell.as_ref().map(|cell| format!("{} over {}", cell.method.text, cell.over)),
        ..entry
    }
}

fn text(name: &Option<Name>) -> Option<String> {
    name.as_ref().map(|name| name.text.clone())
}

// ---- for people ------------------------------------------------------------------------------------

/// The library as a page.
pub fn page(library: &Library) -> Page {
    let said = |title: &Option<String>| title.clone().unwrap_or_default();
    let uses = match &library.uses[..] {
        [] => Vec::new(),
        uses => vec![Line::new(uses.join(", "))],
    };
    Page {
        head: Line::default()
            .with(Tone::Strong, library.name.clone())
            .plain(format!("  {}", said(&library.title))),
        mark: String::new(),
        sections: vec![
            Section::new("uses", uses),
            Section::new("quantities", table(&library.quantities, |e| vec![or(&e.unit), said(&e.title)])),
            Section::new("grids", table(&library.grids, |e| vec![or(&e.value), said(&e.title)])),
            Section::new(
                "levels",
                table(&library.levels, |e| vec![or(&e.quantity), or(&e.value), said(&e.title)]),
            ),
            Section::new(
                "variables",
                table(&library.variables, |e| {
                    vec![kind(e), place(e), format!("from {:?}", or(&e.from)), said(&e.title)]
                }),
            ),
            Section::new(
                "derived",
                table(&library.derived, |e| {
                    vec![kind(e), place(e), format!("= {}", or(&e.value)), said(&e.title)]
                }),
            ),
            Section::new("functions", table(&library.functions, |e| vec![signature(e), said(&e.title)])),
            Section::new("others", table(&library.others, |e| vec![or(&e.value), said(&e.title)])),
        ],
    }
}

fn or(text: &Option<String>) -> String {
    text.clone().unwrap_or_default()
}

/// `temperature [K] in 180 .. 340 K`
fn kind(entry: &Entry) -> String {
    let unit = entry.unit.as_ref().filter(|unit| *unit != "1").map(|unit| format!("[{unit}]"));
    let parts = [entry.quantity.clone(), unit, entry.range.clone()];
    parts.into_iter().flatten().collect::<Vec<_>>().join(" ")
}

/// `on column(2 .. 5 km), max over 1 h`
fn place(entry: &Entry) -> String {
    let support = entry.support.as_ref().map_or(String::new(), |support| format!("on {support}"));
    match &entry.cell {
        Some(cell) => format!("{support}, {cell}"),
        None => support,
    }
}

fn signature(entry: &Entry) -> String {
    let gives = [kind(entry), place(entry)].join(" ");
    let gives = gives.trim();
    let gives = if gives.is_empty() { String::new() } else { format!(" : {gives}") };
    format!("({}){gives}", or(&entry.value))
}

/// Names, then columns as wide as most of their cells need; the last one runs on.
fn table(entries: &[Entry], cells: impl Fn(&Entry) -> Vec<String>) -> Vec<Line> {
    const WIDEST: usize = 44;
    let rows: Vec<(String, Vec<String>)> = entries.iter().map(|e| (e.name.clone(), cells(e))).collect();
    let names = rows.iter().map(|(name, _)| name.chars().count()).max().unwrap_or(0).min(24);
    let columns = rows.iter().map(|(_, cells)| cells.len()).max().unwrap_or(0);
    let width = |column: usize| {
        let lengths = rows.iter().filter_map(|(_, cells)| cells.get(column)).map(|cell| cell.chars().count());
        lengths.filter(|length| *length <= WIDEST).max().unwrap_or(0)
    };
    let widths: Vec<usize> = (0..columns).map(width).collect();
    rows.into_iter()
        .map(|(name, cells)| {
            let mut line = Line::default().with(Tone::Strong, format!("{name:<names$}  ")).hanging(names + 2);
            for (index, cell) in cells.into_iter().enumerate() {
                let width = widths[index];
                let padded = if width == 0 { cell } else { format!("{cell:<width$}  ") };
                line = line.with(if index + 1 == columns { Tone::Faint } else { Tone::Plain }, padded);
            }
            line
        })
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_library_is_listed_whole() {
        for (name, text) in LIBRARIES {
            let library = library(name).expect(name);
            let items = text.lines().filter(|line| {
                line.split(' ').next().is_some_and(|word| {
                    ["quantity", "grid", "levels", "variable", "derive", "constraint", "loss"].contains(&word)
                })
            });
            let listed = [
                &library.quantities,
                &library.grids,
                &library.levels,
                &library.variables,
                &library.derived,
                &library.functions,
                &library.others,
            ];
            assert_eq!(listed.iter().map(|list| list.len()).sum::<usize>(), items.count(), "{name}");
            assert!(library.title.is_some(), "{name} has no title");
        }
    }

    #[test]
    fn a_variable_says_all() {
        let library = library("std.synthetic").expect("there");
        let uh = library.variables.iter().find(|entry| entry.name == "uh").expect("uh");
        assert_eq!(kind(uh), "helicity [m^2/s^2] >= 0 m^2/s^2");
        assert_eq!(place(uh), "on column(2 .. 5 km), max over 1 h");
        assert_eq!(or(&uh.from), "MXUPHL:5000-2000 m above ground");
    }
}
