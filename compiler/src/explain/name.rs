//! `aurorac explain NAME [RECIPE]`: what a name is, wherever it stands: a thing defined in the recipe or a
//! library, a word of the language, a quantity, a unit, a score, a function.

use std::collections::BTreeSet;

use aurora_grammar::Style;
use aurora_grammar::nearest;
use aurora_grammar::tree::{Item, ItemKind};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::library::{items, units};
use super::page::{Line, Page, Section, Tone};
use crate::canonical::names_of;
use crate::check::Checked;
use crate::kernel::ir::Module;
use crate::library::LIBRARIES;
use crate::plan::evaluation::Score;
use crate::resolve::{Definition, RECIPE, Resolved, defined_name};
use crate::types::FieldType;
use crate::{manual, units as spelling, vocabulary};

/// One meaning of a name.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct Meaning {
    pub name: String,
    /// `derive of std.physics`, `clause of phase`, `unit`
    pub kind: String,
    /// What it says, in a sentence.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub title: Option<String>,
    /// Its text, or an example.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub definition: Option<String>,
    /// Quantity, support, cell.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub r#type: Option<String>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub unit: Option<String>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub range: Option<String>,
    /// A constant's value in SI.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub value: Option<f64>,
    /// The text of its kernel.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub kernel: Option<String>,
    /// Items that speak of it.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub used_by: Vec<String>,
}

/// A recipe in which names are looked up.
#[derive(Clone, Copy, Debug)]
pub struct Place<'a> {
    pub resolved: &'a Resolved,
    pub checked: &'a Checked,
    pub kernels: Option<&'a Module>,
}

/// All meanings of a name: first those in the recipe, then in libraries, then in the language itself.
pub fn meanings(name: &str, place: Option<Place<'_>>) -> Vec<Meaning> {
    let mut found = Vec::new();
    let mut seen = BTreeSet::new();
    if let Some(place) = place {
        for definition in defined(name, place.resolved) {
            seen.insert(definition.library.clone().unwrap_or_default());
            found.push(of_definition(definition, place));
        }
        found.extend(block_of(name, place.resolved));
    }
    for (library, _) in LIBRARIES.iter().filter(|(library, _)| !seen.contains(*library)) {
        found.extend(of_library(name, library));
    }
    found.extend(words(name));
    found.extend(scores(name));
    found.extend(functions(name));
    found.extend(unit(name));
    found
}

/// What may have been meant by a name that means nothing.
pub fn suggestion(name: &str, place: Option<Place<'_>>) -> Option<String> {
    let mut known: BTreeSet<String> = manual::codes().into_iter().map(str::to_string).collect();
    for word in vocabulary::ITEMS {
        known.insert(word.word.to_string());
    }
    for block in vocabulary::BLOCKS {
        known.insert(block.word.to_string());
        known.extend(block.clauses.iter().map(|clause| clause.word.to_string()));
    }
    known.extend(Score::WORDS.iter().map(|(word, _)| (*word).to_string()));
    known.extend(crate::check::INTRINSICS.iter().map(|word| (*word).to_string()));
    for (library, _) in LIBRARIES {
        known.insert(library.to_string());
        known.extend(items(library).iter().filter_map(defined_name).map(|name| name.text.clone()));
    }
    if let Some(place) = place {
        known.extend(place.resolved.visible(RECIPE).map(str::to_string));
        known
            .extend(place.resolved.blocks.iter().filter_map(|block| Some(block.name.as_ref()?.text.clone())));
    }
    nearest(name, known.iter().map(String::as_str)).map(str::to_string)
}

fn defined<'a>(name: &str, resolved: &'a Resolved) -> Vec<&'a Definition> {
    let value = resolved.lookup(RECIPE, name).or_else(|| resolved.definitions.get(name));
    value.into_iter().chain(resolved.quantities.get(name)).collect()
}

fn of_definition(definition: &Definition, place: Place<'_>) -> Meaning {
    let mut meaning = of_item(&definition.item, definition.library.as_deref());
    let checked = place.checked;
    let ty = checked.variables.get(&definition.id).map(|variable| (&variable.ty, &variable.units));
    let derived = checked.derived.get(&definition.id);
    if let Some((ty, units)) = ty.or_else(|| derived.map(|derived| (&derived.ty, &derived.units))) {
        meaning.r#type = Some(type_of(ty));
        meaning.unit = Some(units.clone());
        meaning.range = range_of(ty, units).or(meaning.range);
    }
    meaning.value = derived.and_then(|derived| derived.value.constant()).filter(|value| value.is_finite());
    let name = &definition.name.text;
    meaning.kernel = place.kernels.and_then(|kernels| {
        let kernel = kernels.kernel(name).or_else(|| kernels.kernel(&format!("constraint.{name}")))?;
        Some(Module { kernels: vec![kernel.clone()] }.to_string().trim_end().to_string())
    });
    meaning.used_by = place
        .resolved
        .items
        .iter()
        .filter(|item| speaks_of(item, name))
        .map(heading)
        .chain(place.resolved.definitions.values().filter(|d| d.library.is_some()).filter_map(|d| {
            let same = place.resolved.lookup(d.scope, name).is_some_and(|found| found.id == definition.id);
            (same && speaks_of(&d.item, name)).then(|| d.id.clone())
        }))
        .collect();
    meaning
}

/// A block with that name: a phase, a head, an evaluation.
fn block_of(name: &str, resolved: &Resolved) -> Vec<Meaning> {
    let named = |item: &&Item| match &item.kind {
        ItemKind::Block(block) => {
            block.kind.text != "head" && block.name.as_ref().is_some_and(|n| n.text == name)
        }
        _ => false,
    };
    resolved.items.iter().filter(named).map(|item| of_item(item, None)).collect()
}

pub(super) fn of_library(name: &str, library: &str) -> Vec<Meaning> {
    let plain = name.strip_prefix(library).and_then(|rest| rest.strip_prefix('.')).unwrap_or(name);
    let items = items(library);
    let defines = |item: &&Item| defined_name(item).is_some_and(|own| own.text == plain);
    let users = |item: &&Item| speaks_of(item, plain) && !defines(item);
    let used_by: Vec<String> = items.iter().filter(users).map(heading).collect();
    items
        .iter()
        .filter(defines)
        .map(|item| Meaning { used_by: used_by.clone(), ..of_item(item, Some(library)) })
        .collect()
}

/// What the text of an item says by itself.
fn of_item(item: &Item, library: Option<&str>) -> Meaning {
    let (word, title, ty) = match &item.kind {
        ItemKind::Grid { title, .. } => ("grid", title, None),
        ItemKind::Levels { title, .. } => ("levels", title, None),
        ItemKind::Quantity { title, .. } => ("quantity", title, None),
        ItemKind::Variable { title, ty, .. } => ("variable", title, ty.as_ref()),
        ItemKind::Derive { title, ty, parameters, .. } if parameters.is_empty() => {
            ("derive", title, ty.as_ref())
        }
        ItemKind::Derive { title, ty, .. } => ("function", title, ty.as_ref()),
        ItemKind::Constraint { title, .. } => ("constraint", title, None),
        ItemKind::Loss { title, .. } => ("loss", title, None),
        ItemKind::Block(block) => (block.kind.text.as_str(), &block.title, None),
        ItemKind::Use { .. } | ItemKind::Amend(_) | ItemKind::Drop { .. } => ("item", &None, None),
    };
    let name = match &item.kind {
        ItemKind::Block(block) => block.name.as_ref(),
        _ => defined_name(item),
    };
    let unit = match &item.kind {
        ItemKind::Quantity { unit, .. } => Some(unit.text.clone()),
        _ => ty.and_then(|ty| units().get(&ty.quantity.text).cloned()),
    };
    Meaning {
        name: name.map_or_else(String::new, |name| name.text.clone()),
        kind: library
            .map_or_else(|| format!("{word} of the recipe"), |library| format!("{word} of {library}")),
        title: title.as_ref().map(|title| title.text.clone()),
        definition: Some(item.to_string()),
        r#type: ty.map(ToString::to_string),
        unit,
        ..Meaning::default()
    }
}

fn speaks_of(item: &Item, name: &str) -> bool {
    let mut names = BTreeSet::new();
    names_of(item, &mut names);
    names.contains(name) && defined_name(item).is_none_or(|own| own.text != name)
}

/// `phase adapt`, `loss storms`.
fn heading(item: &Item) -> String {
    match &item.kind {
        ItemKind::Block(block) => match &block.name {
            Some(name) => format!("{} {}", block.kind.text, name.text),
            None => block.kind.text.clone(),
        },
        _ => {
            let text = item.to_string();
            text.split_whitespace()
                .take(2)
                .collect::<Vec<_>>()
                .join(" ")
                .trim_end_matches([':', '='])
                .to_string()
        }
    }
}

fn type_of(ty: &FieldType) -> String {
    let cell = ty.cell.as_ref().map_or(String::new(), |cell| format!(", {cell}"));
    format!("{} on {}{cell}", ty.spoken(), ty.support)
}

fn range_of(ty: &FieldType, units: &str) -> Option<String> {
    match ty.range {
        (Some(low), Some(high)) => Some(format!("{low} .. {high} {units}")),
        (Some(low), None) => Some(format!(">= {low} {units}")),
        (None, Some(high)) => Some(format!("<= {high} {units}")),
        (None, None) => None,
    }
}

// ---- the language itself ---------------------------------------------------------------------------

fn words(name: &str) -> Vec<Meaning> {
    let of = |word: &vocabulary::Word, kind: String| Meaning {
        name: word.word.to_string(),
        kind,
        title: Some(word.says.to_string()),
        definition: Some(format!("{} {}", word.word, word.example)),
        ..Meaning::default()
    };
    let items =
        vocabulary::ITEMS.iter().filter(|word| word.word == name).map(|word| of(word, "item".to_string()));
    let blocks = vocabulary::BLOCKS.iter().filter(|block| block.word == name).map(|block| Meaning {
        name: name.to_string(),
        kind: "block".to_string(),
        title: Some(block.says.to_string()),
        definition: Some(clauses(block)),
        ..Meaning::default()
    });
    let clauses = vocabulary::BLOCKS.iter().flat_map(|block| {
        let own = block.clauses.iter().filter(|clause| clause.word == name);
        own.map(|clause| of(clause, format!("clause of {}", block.word))).collect::<Vec<_>>()
    });
    items.chain(blocks).chain(clauses).collect()
}

fn clauses(block: &vocabulary::BlockKind) -> String {
    let lines: Vec<String> = block
        .clauses
        .iter()
        .map(|clause| format!("    {:<12}{:<52}  # {}", clause.word, clause.example, clause.says))
        .collect();
    format!("{} {{\n{}\n}}", block.word, lines.join("\n"))
}

fn scores(name: &str) -> Option<Meaning> {
    let (word, score) = Score::WORDS.iter().find(|(word, _)| *word == name)?;
    let example = if score.needs_threshold() { "of refc at [20, 35] dBZ" } else { "of t at 500 hPa" };
    Some(Meaning {
        name: name.to_string(),
        kind: "score".to_string(),
        title: Some(
            if score.needs_threshold() {
                "counts events above a threshold"
            } else {
                "compares the values themselves"
            }
            .to_string(),
        ),
        definition: Some(format!("score {word} {example}")),
        ..Meaning::default()
    })
}

fn functions(name: &str) -> Option<Meaning> {
    crate::check::INTRINSICS.contains(&name).then(|| Meaning {
        name: name.to_string(),
        kind: "function of the language".to_string(),
        title: Some("known to the compiler itself".to_string()),
        ..Meaning::default()
    })
}

fn unit(name: &str) -> Option<Meaning> {
    let unit = spelling::parse(name).ok()?;
    let zero = match unit.to_si(0.0) {
        0.0 => String::new(),
        zero => format!(", zero at {zero}"),
    };
    let title = match unit.scale {
        spelling::Scale::Logarithmic => "a logarithmic unit: ten times the decimal logarithm".to_string(),
        spelling::Scale::Decibel => "a difference of two logarithmic values".to_string(),
        _ => format!("1 {name} is {} in SI ({}){zero}", unit.factor, unit.dimension),
    };
    let kinds = units();
    let used_by = kinds
        .iter()
        .filter(|(_, own)| spelling::parse(own).is_ok_and(|own| own.dimension == unit.dimension))
        .map(|(quantity, _)| quantity.clone())
        .collect();
    Some(Meaning {
        name: name.to_string(),
        kind: "unit".to_string(),
        title: Some(title),
        used_by,
        ..Meaning::default()
    })
}

// ---- for people ------------------------------------------------------------------------------------

/// A meaning as a page.
pub fn page(meaning: &Meaning) -> Page {
    let lines = |text: &Option<String>| -> Vec<Line> {
        text.iter().flat_map(|text| text.lines()).map(|line| Line::new(line).hanging(4)).collect()
    };
    let title = meaning.title.as_ref().map_or(String::new(), |title| format!("  {title}"));
    let used =
        if meaning.used_by.is_empty() { Vec::new() } else { vec![Line::new(meaning.used_by.join(", "))] };
    let word = if meaning.kind == "unit" { "quantities" } else { "used by" };
    Page {
        head: Line::default().with(Tone::Strong, meaning.name.clone()).plain(title),
        mark: meaning.kind.clone(),
        sections: vec![
            Section::new("written", lines(&meaning.definition)),
            Section::new("type", lines(&meaning.r#type)),
            Section::new("unit", lines(&meaning.unit)),
            Section::new("range", lines(&meaning.range)),
            Section::new("value", lines(&meaning.value.map(|value| format!("{value} in SI")))),
            Section::new("kernel", lines(&meaning.kernel)),
            Section::new(word, used),
        ],
    }
}

/// All pages, one after another.
pub fn pages(meanings: &[Meaning], style: Style) -> String {
    meanings.iter().map(|meaning| page(meaning).draw(style)).collect::<Vec<_>>().join("\n")
}
