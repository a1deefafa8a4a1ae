//! `f at 500 hPa`, `f at lcl_pressure`, `f at pl`: a field brought to one place of its column, or to another set of
//! levels. Profiles are linear in the logarithm of pressure between levels, or linear in height or index.

use std::collections::BTreeMap;

use aurora_grammar::tree::{Expr, ItemKind, Name};
use aurora_grammar::{Diagnostic, Span};

use super::column::{interpolation, listed};
use super::expression::{Locals, node};
use super::intrinsic::unary;
use super::{Checker, numbers};
use crate::dimension::Dimension;
use crate::plan::data::LevelsPlan;
use crate::resolve::ScopeId;
use crate::typed::{Binary, Typed, TypedKind, Unary};
use crate::types::{FieldType, Layer, Support};

/// A coordinate of a set of levels as a field on it.
#[derive(Clone, Debug)]
pub struct Coordinate {
    /// `pressure`, `height`, `index`, or whatever the set is counted in.
    pub name: String,
    pub field: Typed,
}

impl Coordinate {
    /// What profiles are linear in: ln p for pressure, the coordinate itself otherwise.
    pub fn stretched(&self, value: &Typed) -> Typed {
        if self.name == "pressure" { logarithm(value) } else { value.clone() }
    }
}

/// The logarithm of a value in its SI unit.
pub fn logarithm(value: &Typed) -> Typed {
    let ty = FieldType { support: value.ty.support.clone(), ..FieldType::number() };
    unary(Unary::Logarithm, value, ty, value.span)
}

impl Checker<'_> {
    pub(super) fn at(
        &mut self,
        scope: ScopeId,
        locals: &Locals,
        value: &Typed,
        place: &Expr,
        span: Span,
    ) -> Option<Typed> {
        self.is_whole(value)?;
        if let Some(definition) = self.named(scope, place)
            && matches!(definition.item.kind, ItemKind::Levels { .. })
            && !locals.iter().any(|(name, _)| *name == definition.name.text)
        {
            return self.at_levels(value, &definition.id, span);
        }
        let set = self.set_of(value)?;
        let typed = self.expression_with(scope, locals, place)?;
        let levels = self.checked.levels.get(&set)?.clone();
        let own = self.dimension_of(&levels.coordinate, typed.span)?;
        if let Some(constant) = typed.constant().filter(|_| own == typed.ty.dimension) {
            let Some(weights) = interpolation(&levels, constant) else {
                self.outside(&levels, typed.span);
                return None;
            };
            let layer = Layer { dimension: own, from: constant, to: None };
            let ty = FieldType { support: Support::Column, layer: Some(layer), ..value.ty.clone() };
            return Some(node(TypedKind::Weighted { value: value.clone(), weights }, ty, span));
        }
        let coordinate = self.coordinate(&set, typed.ty.dimension, &typed)?;
        let support = match &typed.ty.support {
            Support::Levels(id) => Support::Levels(id.clone()),
            _ => Support::Column,
        };
        let layer = typed.constant().map(|from| Layer { dimension: typed.ty.dimension, from, to: None });
        let ty = FieldType { support, layer, ..value.ty.clone() };
        Some(interpolated(value, &coordinate, &typed, ty, span))
    }

    /// `f at pl`: on every level of another set. Where the field's levels lie differently from point to point, a level may lie below the
    /// lowest of them, in the ground: there the field has the value of its lowest level. Above the highest one it is missing.
    fn at_levels(&mut self, value: &Typed, target: &str, span: Span) -> Option<Typed> {
        if value.ty.support.levels().is_some_and(|set| set == target) {
            return Some(value.clone());
        }
        let set = self.set_of(value)?;
        let (here, there) =
            (self.checked.levels.get(&set)?.clone(), self.checked.levels.get(target)?.clone());
        let ty = FieldType { support: Support::Levels(target.to_string()), layer: None, ..value.ty.clone() };
        if here.coordinate == there.coordinate {
            let (low, high) = ends(&here);
            if there.values.iter().any(|level| *level < low || *level > high) {
                self.outside(&here, span);
                return None;
            }
        }
        // The coordinate they have in common: what the target is counted in, if it is known on the field's levels,
        // or else what the field's levels are counted in, if it is known on the target.
        let (mut from, mut to) = (self.coordinates(&set), self.coordinates(target));
        for name in [&there.coordinate, &here.coordinate] {
            if let (Some(coordinate), Some(at)) = (from.remove(name), to.remove(name)) {
                return Some(grounded(value, &coordinate, &at.field, here.values.len(), ty, span));
            }
        }
        let (own, other) = (short(&set), short(target));
        self.diagnostics.push(
            Diagnostic::error("level-mismatch", format!("nothing says where `{own}` lies on `{other}`"))
                .label(
                    span,
                    format!("`{own}` is counted in {}, `{other}` in {}", here.coordinate, there.coordinate),
                )
                .help(format!(
                    "say it of the levels: levels {own} : {} = … {{ {}  FIELD }}",
                    here.coordinate, there.coordinate
                )),
        );
        None
    }

    /// The coordinate of a set that is measured in these units.
    pub(super) fn coordinate(
        &mut self,
        set: &str,
        dimension: Dimension,
        place: &Typed,
    ) -> Option<Coordinate> {
        let own = self.checked.levels.get(set)?.coordinate.clone();
        let mut known = self.coordinates(set);
        let mut names: Vec<String> = known.keys().cloned().collect();
        // Its own coordinate first, if two have the same units.
        names.sort_by_key(|name| *name != own);
        let found =
            names.iter().find(|name| known.get(*name).is_some_and(|c| c.field.ty.dimension == dimension));
        if let Some(name) = found {
            return known.remove(name);
        }
        let what = match dimension {
            Dimension::LENGTH => "height",
            Dimension::NONE => "index",
            _ => "pressure",
        };
        let levels = self.checked.levels.get(set)?;
        let listed = listed(levels);
        let message = format!("`{}` is counted in {own}", short(set));
        self.diagnostics.push(
            Diagnostic::error("unit-mismatch", message)
                .label(place.span, format!("in {}", crate::units::pretty(&dimension.to_string())))
                .help(format!(
                    "choose among {listed}, or say where the levels lie: levels {} : {own} = … {{ {what}  FIELD }}",
                    short(set)
                )),
        );
        None
    }

    /// Every coordinate of a set by name: its own, and those of its block, which are worked out when first asked for.
    pub(super) fn coordinates(&mut self, set: &str) -> BTreeMap<String, Coordinate> {
        if let Some(known) = self.coordinates.get(set) {
            return known.clone();
        }
        let mut found = BTreeMap::new();
        let Some(definition) = self.resolved.definitions.get(set).cloned() else { return found };
        let ItemKind::Levels { name, coordinate, block, .. } = &definition.item.kind else { return found };
        if let Some(field) = self.coordinate_field(set, coordinate, name.span) {
            found.insert(coordinate.text.clone(), Coordinate { name: coordinate.text.clone(), field });
        }
        if let Some(block) = block
            && self.enter(&definition)
        {
            let clauses = self.clauses("levels", block);
            for clause in &clauses.entries {
                let word = &clause.word;
                if found.contains_key(&word.text) {
                    let help = "leave this clause out";
                    let message = format!("these levels are counted in {} already", word.text);
                    self.error_with_help("repeated-clause", message, (clause.span, "again"), help);
                    continue;
                }
                let Some(expr) = numbers::single(clause) else { continue };
                if let Some(field) = self.given_coordinate(set, definition.scope, word, expr) {
                    found.insert(word.text.clone(), Coordinate { name: word.text.clone(), field });
                }
            }
            self.open.pop();
        }
        self.coordinates.insert(set.to_string(), found.clone());
        found
    }

    fn coordinate_field(&mut self, set: &str, coordinate: &Name, span: Span) -> Option<Typed> {
        let (unit, _) = self.quantity(coordinate)?;
        let (low, high) = ends(self.checked.levels.get(set)?);
        let ty = FieldType {
            quantity: Some(coordinate.text.clone()),
            dimension: unit.dimension,
            support: Support::Levels(set.to_string()),
            range: (Some(low), Some(high)),
            ..FieldType::number()
        };
        Some(node(TypedKind::Coordinate(set.to_string()), ty, span))
    }

    /// A coordinate that the block of a set gives: of the right units, on that very set.
    fn given_coordinate(&mut self, set: &str, scope: ScopeId, word: &Name, expr: &Expr) -> Option<Typed> {
        let field = self.expression(scope, expr)?;
        let dimension = self.dimension_of(&word.text, word.span)?;
        if field.ty.dimension != dimension {
            let message = format!("`{}` of a set of levels is measured in {dimension}", word.text);
            let label = format!("this is {}", field.ty.spoken());
            let help = format!("for instance: {}  {}", word.text, "p_hybrid");
            self.error_with_help("unit-mismatch", message, (expr.span, &label), help);
            return None;
        }
        if field.ty.support != Support::Levels(set.to_string()) {
            let message = format!("`{}` of these levels has a value on each of them", word.text);
            let label = format!("this is on {}", field.ty.support);
            let help = format!("give a field on `{}`", short(set));
            self.error_with_help("level-mismatch", message, (expr.span, &label), help);
            return None;
        }
        Some(field)
    }

    /// In what a coordinate is measured.
    pub(super) fn dimension_of(&mut self, coordinate: &str, span: Span) -> Option<Dimension> {
        let (unit, _) = self.quantity(&Name { text: coordinate.to_string(), span })?;
        Some(unit.dimension)
    }

    /// The set of levels that a field is on; one that has none is refused.
    pub(super) fn set_of(&mut self, value: &Typed) -> Option<String> {
        if let Support::Levels(set) = &value.ty.support {
            return self.checked.levels.contains_key(set).then(|| set.clone());
        }
        let message = format!("this is on {}: it has no levels to choose from", value.ty.support);
        self.error_with_help(
            "level-mismatch",
            message,
            (value.span, "one value per column only"),
            "`at` and `over` take a field on a set of levels",
        );
        None
    }

    pub(super) fn outside(&mut self, levels: &LevelsPlan, span: Span) {
        let (low, high) = ends(levels);
        let (low, high, unit) = match levels.coordinate.as_str() {
            "pressure" => (low / 100.0, high / 100.0, " hPa"),
            "height" => (low, high, " m"),
            _ => (low, high, ""),
        };
        self.error_with_help(
            "outside-levels",
            "this reaches beyond the levels",
            (span, "not covered"),
            format!("the levels span {low} .. {high}{unit}"),
        );
    }
}

/// The value where the coordinate is `at`, linear in between in what profiles are linear in.
pub(super) fn interpolated(
    value: &Typed,
    coordinate: &Coordinate,
    at: &Typed,
    ty: FieldType,
    span: Span,
) -> Typed {
    let kind = TypedKind::Interpolate {
        value: value.clone(),
        coordinate: coordinate.stretched(&coordinate.field),
        at: coordinate.stretched(at),
    };
    node(kind, ty, span)
}

/// The same, and below the lowest of the column's levels the value of that one. Where the coordinate is the same everywhere, levels are
/// held to it when the recipe is checked.
fn grounded(
    value: &Typed,
    coordinate: &Coordinate,
    at: &Typed,
    levels: usize,
    ty: FieldType,
    span: Span,
) -> Typed {
    // Pressure is greatest at the ground, height least.
    let greatest = match coordinate.name.as_str() {
        "pressure" => true,
        "height" => false,
        _ => return interpolated(value, coordinate, at, ty, span),
    };
    let (along, at) = (coordinate.stretched(&coordinate.field), coordinate.stretched(at));
    let at = match matches!(coordinate.field.kind, TypedKind::Coordinate(_)) {
        true => at,
        false => {
            let lowest = FieldType { support: Support::Column, ..along.ty.clone() };
            let extreme = TypedKind::Extreme { value: along.clone(), maximum: greatest, from: 0, to: levels };
            let lowest = node(extreme, lowest, span);
            let nearer = if greatest { Binary::Minimum } else { Binary::Maximum };
            let on = at.ty.clone();
            node(TypedKind::Binary(nearer, at, lowest), on, span)
        }
    };
    node(TypedKind::Interpolate { value: value.clone(), coordinate: along, at }, ty, span)
}

/// The lowest and the highest number of a set.
pub(super) fn ends(levels: &LevelsPlan) -> (f64, f64) {
    let low = levels.values.iter().copied().fold(f64::INFINITY, f64::min);
    let high = levels.values.iter().copied().fold(f64::NEG_INFINITY, f64::max);
    (low, high)
}

/// The name that a recipe knows a definition by.
pub(super) fn short(id: &str) -> &str {
    id.rsplit('.').next().unwrap_or(id)
}
