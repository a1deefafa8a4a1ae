//! What is said of a word when the pointer rests on it, as Markdown.

use std::fmt::Write;

use aurora_grammar::Span;
use aurora_grammar::tree::{ConstraintMode, ItemKind};

use super::occurrence::{Occurrence, Target};
use super::{Analysis, Place};
use crate::check::Checked;
use crate::resolve::Definition;
use crate::types::{FieldType, Support};
use crate::units::{self, Scale, Unit};
use crate::vocabulary::{self, Word};

/// What is to be shown, and the word it speaks of.
#[derive(Clone, Debug)]
pub struct Hover {
    pub markdown: String,
    pub place: Place,
}

/// Lines of a definition that are shown.
const MOST_LINES: usize = 24;

/// What the word at an offset is; nothing where there is no word, or one that means nothing.
#[must_use]
pub fn hover(analysis: &Analysis, offset: usize) -> Option<Hover> {
    let (target, span) = match analysis.at(offset) {
        Some(Occurrence { span, target, .. }) => (target.clone(), *span),
        None => unparsed(analysis, offset)?,
    };
    Some(Hover { markdown: analysis.describe(&target)?, place: analysis.place(span)? })
}

/// The word at an offset of a line that could not be parsed, looked up by itself.
fn unparsed(analysis: &Analysis, offset: usize) -> Option<(Target, Span)> {
    let text = analysis.text();
    let is_word = |c: char| c.is_ascii_alphanumeric() || c == '_';
    let before = text.get(..offset)?;
    let start = offset - before.chars().rev().take_while(|c| is_word(*c)).count();
    let length = text[start..].find(|c| !is_word(c)).unwrap_or(text.len() - start);
    let line = before.rfind('\n').map_or(0, |newline| newline + 1);
    let in_comment = text.get(line..start)?.contains('#');
    let in_text = text.get(line..start)?.matches('"').count() % 2 == 1;
    let definition = analysis.resolved.lookup(crate::resolve::RECIPE, text.get(start..start + length)?)?;
    let base = analysis.sources.base(analysis.file);
    let span = Span::new(base + start, base + start + length);
    (!in_comment && !in_text).then(|| (Target::Definition(definition.id.clone()), span))
}

impl Analysis {
    /// What a target is, as Markdown.
    pub(super) fn describe(&self, target: &Target) -> Option<String> {
        match target {
            Target::Definition(id) => self.describe_definition(self.resolved.definitions.get(id)?),
            Target::Quantity(name) => self.describe_quantity(name),
            Target::Block(word, name) => Some(self.describe_block(word, name)),
            Target::Local(name, at) => Some(self.describe_local(name, *at)),
            Target::Library(name) => self.describe_library(name),
            Target::Parent(path) => Some(format!("the recipe that this one varies: `{path}`")),
            Target::Unit(text) => describe_unit(text),
            Target::Word(around, word) => Some(describe_word(around.as_deref(), &word.0)),
        }
    }

    fn describe_definition(&self, definition: &Definition) -> Option<String> {
        let mut out = code(&shortened(self.sources.slice(definition.item.span)));
        let lines = [self.type_line(definition), self.value_line(definition), Some(self.origin(definition))];
        for line in lines.into_iter().flatten() {
            let _ = write!(out, "\n\n{line}");
        }
        Some(out)
    }

    /// `⟨buoyant_energy · J/kg · column · ≥ 0⟩`.
    fn type_line(&self, definition: &Definition) -> Option<String> {
        let of = |checked: &Checked| {
            let variable = checked.variables.get(&definition.id).map(|v| (v.ty.clone(), v.units.clone()));
            variable.or_else(|| checked.derived.get(&definition.id).map(|d| (d.ty.clone(), d.units.clone())))
        };
        if let Some((ty, units)) = of(&self.checked).or_else(|| of(self.typed())) {
            return Some(self.spelt_type(&ty, &units));
        }
        match &definition.item.kind {
            ItemKind::Levels { .. } => self.levels_line(&definition.id),
            ItemKind::Constraint { mode, .. } => Some(
                match mode {
                    ConstraintMode::Within(_) => {
                        "may be named in `minimise`: it is penalised by its tolerance"
                    }
                    ConstraintMode::Always(_) => "made to hold exactly",
                    ConstraintMode::Watched => "watched, not enforced",
                }
                .to_string(),
            ),
            ItemKind::Loss { .. } => Some("a plain number, named in `minimise`".to_string()),
            _ => None,
        }
    }

    fn spelt_type(&self, ty: &FieldType, units: &str) -> String {
        let mut parts = vec![ty.quantity.clone().unwrap_or_else(|| ty.spoken())];
        if ty.scale == Scale::Logarithmic {
            parts.push(format!("{units} (logarithmic)"));
        } else {
            parts.push(units.to_string());
        }
        parts.push(match &ty.support {
            Support::Levels(id) => self.levels_line(id).unwrap_or_else(|| format!("on {}", ty.support)),
            other => match &ty.layer {
                Some(layer) => format!("on {other}({layer})"),
                None => format!("on {other}"),
            },
        });
        parts.extend(ty.cell.as_ref().map(|cell| cell.to_string()));
        let number = |value: f64| shown(value);
        parts.extend(match ty.range {
            (Some(low), Some(high)) => Some(format!("{} .. {} {units}", number(low), number(high))),
            (Some(low), None) => Some(format!(">= {} {units}", number(low))),
            (None, Some(high)) => Some(format!("<= {} {units}", number(high))),
            (None, None) => None,
        });
        format!("⟨{}⟩", parts.join(" · "))
    }

    /// `on pl: 13 levels of pressure, 5000 … 100000 Pa`.
    fn levels_line(&self, id: &str) -> Option<String> {
        let levels = self.checked.levels.get(id)?;
        let name = id.rsplit('.').next().unwrap_or(id);
        let unit = match self.resolved.quantities.get(&levels.coordinate).map(|d| &d.item.kind) {
            Some(ItemKind::Quantity { unit, .. }) => unit.text.as_str(),
            _ => "",
        };
        // Meteorologists speak of hectopascals.
        let (unit, scale) = if unit == "Pa" { ("hPa", 100.0) } else { (unit, 1.0) };
        let ends = match (levels.values.first(), levels.values.last()) {
            (Some(a), Some(b)) => format!(", {} … {} {unit}", shown(a / scale), shown(b / scale)),
            _ => String::new(),
        };
        Some(format!("on {name}: {} levels of {}{ends}", levels.values.len(), levels.coordinate))
    }

    /// The value of a constant, in its unit.
    fn value_line(&self, definition: &Definition) -> Option<String> {
        let of = |checked: &Checked| {
            let derived = checked.derived.get(&definition.id)?;
            (derived.ty.support == Support::Constant)
                .then(|| Some((derived.value.constant()?, derived.units.clone())))?
        };
        let (value, units) = of(&self.checked).or_else(|| of(self.typed()))?;
        let units = if units == "1" { String::new() } else { format!(" {units}") };
        Some(format!("= {}{units}", shown(value)))
    }

    fn origin(&self, definition: &Definition) -> String {
        match &definition.library {
            Some(library) => format!("from `{library}`"),
            None => match self.place(definition.name.span) {
                Some(place) if place.file != self.sources.name(self.file) => {
                    format!(
                        "inherited from `{}`",
                        place.file.rsplit(['/', '\\']).next().unwrap_or(&place.file)
                    )
                }
                _ => "defined in this recipe".to_string(),
            },
        }
    }

    fn describe_quantity(&self, name: &str) -> Option<String> {
        let definition = self.resolved.quantities.get(name)?;
        let ItemKind::Quantity { unit, .. } = &definition.item.kind else { return None };
        let dimension = units::parse(&unit.text).map(|unit| unit.dimension.to_string()).unwrap_or_default();
        let text = shortened(self.sources.slice(definition.item.span));
        Some(format!(
            "{}\n\na quantity, measured in {} (dimension {dimension})\n\n{}",
            code(&text),
            unit.text,
            self.origin(definition)
        ))
    }

    fn describe_block(&self, word: &str, name: &str) -> String {
        let says = vocabulary::block(word).map_or("", |block| block.says);
        let block = self.resolved.blocks_of(word).find(|b| b.name.as_ref().is_some_and(|n| n.text == name));
        let title = block
            .and_then(|block| block.title.as_ref())
            .map_or(String::new(), |title| format!("\n\n{}", title.text));
        format!("{}{title}\n\n{says}", code(&format!("{word} {name}")))
    }

    fn describe_local(&self, name: &str, at: u32) -> String {
        let line = self.line_of(at);
        format!("{}\n\na name of this definition only", code(if line.is_empty() { name } else { &line }))
    }

    /// The line that holds a global offset, without its blanks.
    fn line_of(&self, at: u32) -> String {
        let span = Span { start: at, end: at };
        let Some(file) = self.sources.file(span) else { return String::new() };
        let text = self.sources.text(file);
        let at = (at as usize - self.sources.base(file)).min(text.len());
        let start = text.get(..at).and_then(|before| before.rfind('\n')).map_or(0, |newline| newline + 1);
        let rest = text.get(start..).unwrap_or_default();
        rest.lines().next().unwrap_or_default().trim().to_string()
    }

    fn describe_library(&self, name: &str) -> Option<String> {
        let file =
            self.sources.files().find(|f| Analysis::library_of(self.sources.name(*f)) == Some(name))?;
        let header = self.sources.text(file).lines().find(|line| line.starts_with("library"))?;
        let names: Vec<&str> = self
            .resolved
            .definitions
            .values()
            .filter(|d| d.library.as_deref() == Some(name))
            .map(|d| d.name.text.as_str())
            .collect();
        Some(format!("{}\n\n{}", code(header), names.join(", ")))
    }
}

fn code(text: &str) -> String {
    format!("```aurora\n{text}\n```")
}

/// A definition without trailing blanks, cut where it is long.
fn shortened(text: &str) -> String {
    let text = text.trim();
    if text.lines().count() <= MOST_LINES {
        return text.to_string();
    }
    text.lines().take(MOST_LINES).chain(["…"]).collect::<Vec<_>>().join("\n")
}

/// What a word of the language says, and how it is written.
pub(super) fn describe_word(around: Option<&str>, word: &Word) -> String {
    let place = around.map_or(String::new(), |around| format!(" — in `{around}`"));
    let example = match word.example {
        "" => String::new(),
        example if example.starts_with(word.word) => format!("\n\n{}", code(example)),
        example => format!("\n\n{}", code(&format!("{}  {example}", word.word))),
    };
    format!("**{}**{place}\n\n{}{example}", word.word, word.says)
}

/// A unit's dimension and factor; counts such as `steps` are no units.
pub(super) fn describe_unit(text: &str) -> Option<String> {
    let unit = match units::parse(text) {
        Ok(unit) => unit,
        Err(_) if matches!(text, "step" | "steps" | "epoch" | "epochs" | "bins" | "cells") => {
            return Some(format!("**{text}**\n\na count, without a unit"));
        }
        Err(_) => return None,
    };
    Some(format!("**{text}**\n\n{}", spelt_unit(text, &unit)))
}

fn spelt_unit(text: &str, unit: &Unit) -> String {
    let si = if unit.dimension.is_none() { "a plain number".to_string() } else { unit.dimension.to_string() };
    match unit.scale {
        Scale::Logarithmic => {
            "logarithmic: ten times the decimal logarithm of a ratio; sums of two are refused".to_string()
        }
        Scale::Decibel => "a difference of two logarithmic values".to_string(),
        Scale::Affine => {
            format!("dimension {si}; x {text} = x × {} + {} in SI", shown(unit.factor), shown(unit.offset))
        }
        Scale::Ratio if unit.dimension.is_none() => format!("{si}; 1 {text} = {}", shown(unit.factor)),
        Scale::Ratio => format!("dimension {si}; 1 {text} = {} in SI", shown(unit.factor)),
    }
}

/// A number as people write it: twelve digits, so that no error of the last bit shows.
pub(super) fn shown(value: f64) -> String {
    if value == 0.0 || !value.is_finite() {
        return format!("{value}");
    }
    let rounded: f64 = format!("{value:.11e}").parse().unwrap_or(value);
    if (1e-4..1e9).contains(&rounded.abs()) { format!("{rounded}") } else { format!("{rounded:e}") }
}
