//! Numbers of a recipe in one spelling: SI, whatever unit they were written in, and nothing but the
//! science, whatever it is called.
//!
//! `1 km` and `1000 m`, `60 min` and `1 h`, `[850, 500] mb` and `[85_000, 50_000] Pa` become the same. What is no
//! unit (`3 epochs`, `512 cells`) stays; so do the logarithmic units, and degrees of angle, which have no
//! exact SI value.

use aurora_grammar::tree::{
    Binding, Block, Bound, Chain, ConstraintMode, Entry, Expr, ExprKind, Item, ItemKind, Name, Part, Type,
};

use crate::dimension::Dimension;
use crate::units::{self, Scale};

/// Every measure of an item in SI units.
pub fn measures(item: &mut Item) {
    each_expression(item, &mut normalise);
    if let ItemKind::Quantity { unit, .. } = &mut item.kind
        && let Some((1.0, Some(plain))) = in_si(1.0, unit)
    {
        *unit = plain;
    }
}

/// An item without its titles: what is said about it, but is no part of it.
pub fn untitled(item: &mut Item) {
    match &mut item.kind {
        ItemKind::Grid { title, .. }
        | ItemKind::Levels { title, .. }
        | ItemKind::Quantity { title, .. }
        | ItemKind::Variable { title, .. }
        | ItemKind::Derive { title, .. }
        | ItemKind::Constraint { title, .. }
        | ItemKind::Loss { title, .. } => *title = None,
        ItemKind::Block(block) => {
            block.title = None;
            for entry in &mut block.block.entries {
                if let Entry::Item(inner) = entry {
                    untitled(inner);
                }
            }
        }
        ItemKind::Amend(inner) => untitled(inner),
        ItemKind::Use { .. } | ItemKind::Drop { .. } => {}
    }
}

/// A number in SI and its canonical unit (none for a plain number); nothing if the word is no unit, or one
/// that stays as it is.
fn in_si(value: f64, unit: &Name) -> Option<(f64, Option<Name>)> {
    let read = units::parse(&unit.text).ok()?;
    let text = match (read.scale, unit.text.as_str()) {
        (Scale::Logarithmic | Scale::Decibel, _) => return None,
        (_, "deg" | "°") => return Some((value, Some(Name { text: "deg".into(), span: unit.span }))),
        _ => spelling(read.dimension)?,
    };
    let unit = (!text.is_empty()).then_some(Name { text, span: unit.span });
    Some((read.to_si(value), unit))
}

/// The SI unit of a dimension, in the spelling that people would choose; empty for plain numbers.
fn spelling(dimension: Dimension) -> Option<String> {
    const USUAL: [&str; 8] = ["Pa", "m/s", "m^2/s^2", "K/m", "m/s^2", "kg/m^2", "J", "W"];
    if dimension.is_none() {
        return Some(String::new());
    }
    let is = |text: &&&str| units::parse(text).is_ok_and(|unit| unit.dimension == dimension);
    let text = match USUAL.iter().find(is) {
        Some(usual) => (*usual).to_string(),
        None => dimension.to_string().replace(' ', "*"),
    };
    let same = units::parse(&text)
        .is_ok_and(|unit| unit.dimension == dimension && unit.factor == 1.0 && unit.offset == 0.0);
    same.then_some(text)
}

fn normalise(expr: &mut Expr) {
    match &mut expr.kind {
        ExprKind::Measure { value, unit } => {
            if let Some((si, plain)) = unit.as_ref().and_then(|unit| in_si(*value, unit)) {
                (*value, *unit) = (si, plain);
            }
        }
        ExprKind::Range { start, end, .. } => range(start, end),
        ExprKind::List { items, unit } => list(items, unit),
        _ => {}
    }
}

/// `0 .. 3 km` and `0 m .. 3 km`: a bare left end has the unit of the right one.
fn range(start: &mut Expr, end: &mut Expr) {
    if let Some(shared) = unit_of(end).cloned() {
        give(start, &shared);
    }
    normalise(start);
    normalise(end);
    if unit_of(start).is_some() && unit_of(start) == unit_of(end) {
        take(start);
    }
}

/// `[850, 500] hPa` and `[850 hPa, 50_000 Pa]`: bare numbers have the unit behind the bracket.
fn list(items: &mut [Expr], unit: &mut Option<Name>) {
    if let Some(shared) = unit.take() {
        for item in items.iter_mut() {
            give(item, &shared);
        }
    }
    for item in items.iter_mut() {
        normalise(item);
    }
    let Some(first) = items.first().and_then(unit_of).cloned() else { return };
    if items.iter().all(|item| unit_of(item) == Some(&first)) {
        items.iter_mut().for_each(take);
        *unit = Some(first);
    }
}

/// The unit of a measure, or of the measures of a range.
fn unit_of(expr: &Expr) -> Option<&Name> {
    match &expr.kind {
        ExprKind::Measure { unit, .. } => unit.as_ref(),
        ExprKind::Negate(inner) => unit_of(inner),
        ExprKind::Range { end, .. } => unit_of(end),
        _ => None,
    }
}

fn give(expr: &mut Expr, shared: &Name) {
    match &mut expr.kind {
        ExprKind::Measure { unit, .. } if unit.is_none() => *unit = Some(shared.clone()),
        ExprKind::Negate(inner) => give(inner, shared),
        ExprKind::Range { start, end, .. } => {
            give(start, shared);
            give(end, shared);
        }
        _ => {}
    }
}

fn take(expr: &mut Expr) {
    match &mut expr.kind {
        ExprKind::Measure { unit, .. } => *unit = None,
        ExprKind::Negate(inner) => take(inner),
        ExprKind::Range { start, end, .. } => {
            take(start);
            take(end);
        }
        _ => {}
    }
}

// ---- walking ---------------------------------------------------------------------------------------

/// Every expression of an item, the outer ones first.
fn each_expression(item: &mut Item, visit: &mut dyn FnMut(&mut Expr)) {
    match &mut item.kind {
        ItemKind::Amend(inner) => each_expression(inner, visit),
        ItemKind::Grid { value, .. } => below(value, visit),
        ItemKind::Levels { value, block, .. } => {
            below(value, visit);
            block.iter_mut().for_each(|inner| in_block(inner, visit));
        }
        ItemKind::Variable { ty, block, .. } => {
            ty.iter_mut().for_each(|ty| in_type(ty, visit));
            block.iter_mut().for_each(|inner| in_block(inner, visit));
        }
        ItemKind::Derive { parameters, ty, value, bindings, .. } => {
            parameters.iter_mut().for_each(|parameter| in_type(&mut parameter.ty, visit));
            ty.iter_mut().for_each(|ty| in_type(ty, visit));
            below(value, visit);
            in_bindings(bindings, visit);
        }
        ItemKind::Constraint { relation, mode, bindings, .. } => {
            below(relation, visit);
            if let ConstraintMode::Within(tolerance) = mode {
                below(tolerance, visit);
            }
            in_bindings(bindings, visit);
        }
        ItemKind::Loss { value, bindings, .. } => {
            below(value, visit);
            in_bindings(bindings, visit);
        }
        ItemKind::Block(block) => in_block(&mut block.block, visit),
        ItemKind::Use { .. } | ItemKind::Drop { .. } | ItemKind::Quantity { .. } => {}
    }
}

fn in_bindings(bindings: &mut [Binding], visit: &mut dyn FnMut(&mut Expr)) {
    bindings.iter_mut().for_each(|binding| below(&mut binding.value, visit));
}

fn in_block(block: &mut Block, visit: &mut dyn FnMut(&mut Expr)) {
    for entry in &mut block.entries {
        match entry {
            Entry::Item(item) => each_expression(item, visit),
            Entry::Clause(clause) => clause.values.iter_mut().for_each(|chain| in_chain(chain, visit)),
        }
    }
}

fn in_chain(chain: &mut Chain, visit: &mut dyn FnMut(&mut Expr)) {
    for part in &mut chain.parts {
        if let Part::Value(value) = part {
            below(value, visit);
        }
    }
}

fn in_type(ty: &mut Type, visit: &mut dyn FnMut(&mut Expr)) {
    match &mut ty.bound {
        Some(Bound::Compare { value, .. } | Bound::In(value)) => below(value, visit),
        None => {}
    }
    if let Some(argument) = ty.support.as_mut().and_then(|support| support.argument.as_mut()) {
        below(argument, visit);
    }
    if let Some(cell) = &mut ty.cell {
        below(&mut cell.over, visit);
    }
}

/// The expression and all below it. Ranges and lists are visited before their parts, because a unit that
/// is shared has to reach the bare numbers first.
fn below(expr: &mut Expr, visit: &mut dyn FnMut(&mut Expr)) {
    visit(expr);
    match &mut expr.kind {
        ExprKind::Call { inputs, .. } => inputs.iter_mut().for_each(|input| below(&mut input.value, visit)),
        ExprKind::Range { start, end, .. } => {
            // What is left without a unit here has the right end's, and has been visited with it.
            for inner in [start, end] {
                if !matches!(inner.kind, ExprKind::Measure { .. }) {
                    below(inner, visit);
                }
            }
        }
        ExprKind::List { items, .. } => {
            for inner in items {
                if !matches!(inner.kind, ExprKind::Measure { .. } | ExprKind::Range { .. }) {
                    below(inner, visit);
                }
            }
        }
        ExprKind::Relation { left: a, right: b, .. }
        | ExprKind::Binary { left: a, right: b, .. }
        | ExprKind::At { value: a, place: b }
        | ExprKind::Over { value: a, extent: b }
        | ExprKind::As { value: a, quantity: b } => {
            below(a, visit);
            below(b, visit);
        }
        ExprKind::Negate(inner) | ExprKind::Power { base: inner, .. } => below(inner, visit),
        ExprKind::Scan { from, states, bindings, steps, .. } => {
            from.iter_mut().for_each(|from| below(from, visit));
            in_bindings(states, visit);
            in_bindings(bindings, visit);
            in_bindings(steps, visit);
        }
        ExprKind::Iterate { count, states, bindings, steps } => {
            below(count, visit);
            in_bindings(states, visit);
            in_bindings(bindings, visit);
            in_bindings(steps, visit);
        }
        ExprKind::Measure { .. } | ExprKind::Date(_) | ExprKind::Text(_) | ExprKind::Path(_) => {}
    }
}
