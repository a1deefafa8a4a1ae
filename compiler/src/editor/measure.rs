//! What a number at the cursor counts or measures, and so which units may stand behind it.

use aurora_grammar::tree::ItemKind;

use super::complete::Kind;
use super::context::{trailing, words};
use super::describe::describe_unit;
use super::offer::Offers;
use crate::resolve::RECIPE;
use crate::units::{self, Unit};
use crate::vocabulary::values;

/// What a number may be followed by.
enum Wanted {
    Nothing,
    /// Units of the dimensions of these.
    Like(Vec<String>),
    Counts(&'static [&'static str]),
    Any,
}

impl Offers<'_> {
    pub fn all_units(&mut self) {
        self.units_where(|_| true, false);
    }

    /// Behind a number: the units it may have. False where no unit can stand.
    pub fn units(&mut self) -> bool {
        let end = self.context.prefix.end as usize;
        let text = self.analysis.text().get(..end).unwrap_or_default();
        let unit = trailing(text, |c| c.is_ascii_alphabetic() || "%°µμ/^*".contains(c));
        let before = &text[..text.len() - unit.len()];
        let number = before.trim_end_matches([' ', '\t']);
        if number.len() == before.len() || unit.starts_with(['*', '/', '^']) {
            return false;
        }
        if !number.ends_with(']') {
            let digits = trailing(number, |c| c.is_ascii_alphanumeric() || c == '_' || c == '.');
            let digits = digits.trim_start_matches('.');
            let date = number[..number.len() - digits.len()].ends_with('-')
                && number[..number.len() - digits.len() - 1].ends_with(|c: char| c.is_ascii_digit());
            if !digits.starts_with(|c: char| c.is_ascii_digit()) || date {
                return false;
            }
        }
        let from = self.found.len();
        match self.wanted() {
            Wanted::Nothing => return false,
            Wanted::Counts(words) => self.words(words),
            Wanted::Any => self.units_where(|_| true, false),
            Wanted::Like(spellings) => {
                let like: Vec<Unit> = spellings.iter().filter_map(|s| units::parse(s).ok()).collect();
                self.units_where(
                    |unit| like.iter().any(|l| l.dimension == unit.dimension),
                    like.iter().any(|l| l.scale != units::Scale::Ratio),
                );
            }
        }
        for offer in &mut self.found[from..] {
            offer.replace = end - unit.len()..end;
        }
        // Little words may stand behind a number as well, but only a unit can be half written here.
        true
    }

    /// Units that fit; those of logarithmic scales only where such a one is measured.
    fn units_where(&mut self, fits: impl Fn(&Unit) -> bool, logarithmic: bool) {
        let declared: Vec<String> = self
            .analysis
            .resolved
            .quantities
            .values()
            .filter_map(|d| match &d.item.kind {
                ItemKind::Quantity { unit, .. } => Some(unit.text.clone()),
                _ => None,
            })
            .collect();
        let known = units::KNOWN.iter().map(|unit| (*unit).to_string());
        for unit in known.chain(declared).filter(|unit| unit != "1") {
            let Ok(parsed) = units::parse(&unit) else { continue };
            let log = matches!(parsed.scale, units::Scale::Logarithmic | units::Scale::Decibel);
            if fits(&parsed) && (!logarithmic || log) {
                let documentation = describe_unit(&unit).unwrap_or_default();
                self.push(&unit, Kind::Unit, &parsed.dimension.to_string(), documentation);
            }
        }
    }

    /// What the number at the cursor counts or measures, by what stands before it.
    fn wanted(&self) -> Wanted {
        const TIME: &[&str] = &["s"];
        const LENGTH: &[&str] = &["m"];
        let line = self.context.line;
        let like = |units: &[&str]| Wanted::Like(units.iter().map(|u| (*u).to_string()).collect());
        let label = self.context.call().and_then(|call| {
            let written = self.analysis.text().get(call.start..self.context.prefix.start as usize)?;
            let current = written.rsplit(',').next()?;
            current.split_once('=').filter(|(_, rest)| !rest.starts_with('=')).map(|(label, _)| label.trim())
        });
        match label {
            Some("spacing" | "within" | "scale" | "below") => return like(LENGTH),
            Some("lat" | "lon" | "north" | "west" | "southwest") => return like(&["deg"]),
            Some("above" | "from" | "when") | None => {}
            Some(_) => return Wanted::Nothing,
        }
        match (self.context.block(), self.context.first()) {
            ("data", "every") | ("model", "step") | ("evaluate", "lead") => return like(TIME),
            ("data", "region") => return like(&["deg"]),
            ("data", "fill") => return Wanted::Counts(&["h", "min", "cells"]),
            ("model", "history") | ("phase", "rollout") => return Wanted::Counts(&["steps"]),
            ("phase", "for") => return Wanted::Counts(&["epochs", "steps"]),
            ("phase", "stop") => return Wanted::Counts(&["epochs", "steps"]),
            ("phase", "batch" | "tile" | "average") | ("data", _) => return Wanted::Nothing,
            ("phase", "scale") => return like(LENGTH),
            ("phase", "minimise") => return Wanted::Nothing,
            ("variable", _) => {
                let head = self.context.blocks.last().map_or("", |block| block.head);
                return self.measured(head);
            }
            _ => {}
        }
        let little = words(line).rfind(|w| matches!(*w, "at" | "over" | "within" | "on" | "of" | "in"));
        let score = self.context.first() == "score";
        match (little, self.context.first()) {
            (Some("within"), "score") => like(LENGTH),
            // A tolerance is in the unit of what is on the left.
            (Some("within"), "constraint") => {
                let relation = line.split_once(':').map_or(line, |(_, relation)| relation);
                self.measured(relation.split(['<', '>', '=']).next().unwrap_or_default())
            }
            (Some("in"), "score" | "favour") => Wanted::Counts(&["bins", "%"]),
            (Some("over"), "variable") => like(TIME),
            (Some("on"), _) if !self.context.calls.is_empty() => like(LENGTH),
            (_, "levels") => self.measured(line),
            (Some("at"), _) if score => self.threshold(line),
            (Some("at" | "over"), _) => like(&["Pa", "m"]),
            _ => self.measured(line),
        }
    }

    /// A score's threshold is in the field's unit, its level in that of a coordinate.
    fn threshold(&self, line: &str) -> Wanted {
        match self.measured(line) {
            Wanted::Like(mut units) => {
                let of = words(line).skip_while(|w| *w != "of").nth(1);
                let on_levels = of.and_then(|n| self.analysis.resolved.lookup(RECIPE, n)).is_some_and(|d| {
                    let ty = match &d.item.kind {
                        ItemKind::Variable { ty, .. } | ItemKind::Derive { ty, .. } => ty.as_ref(),
                        _ => None,
                    };
                    let support = ty.and_then(|ty| ty.support.as_ref());
                    support.is_some_and(|s| values::find(values::SUPPORTS, &s.name.text).is_none())
                });
                if on_levels {
                    units.push("Pa".to_string());
                    units.push("m".to_string());
                }
                Wanted::Like(units)
            }
            other => other,
        }
    }

    /// The unit of the last quantity or field that is named in a line.
    fn measured(&self, line: &str) -> Wanted {
        let resolved = &self.analysis.resolved;
        // Behind a product anything may be measured.
        let last = line.trim_end_matches(|c: char| c.is_ascii_digit() || " .[]()-,".contains(c));
        if last.ends_with(['*', '/']) {
            return Wanted::Any;
        }
        let quantity = words(line).rev().find_map(|word| {
            if resolved.quantities.contains_key(word) {
                return Some(word.to_string());
            }
            match &resolved.lookup(RECIPE, word)?.item.kind {
                ItemKind::Variable { ty: Some(ty), .. } | ItemKind::Derive { ty: Some(ty), .. } => {
                    Some(ty.quantity.text.clone())
                }
                _ => None,
            }
        });
        let definition = quantity.and_then(|name| resolved.quantities.get(&name));
        match definition.map(|definition| &definition.item.kind) {
            Some(ItemKind::Quantity { unit, .. }) => Wanted::Like(vec![unit.text.clone()]),
            _ => Wanted::Any,
        }
    }
}
