//! What is written after `:`: quantities and units, supports, cells, ranges.

use std::collections::BTreeSet;

use aurora_grammar::tree::{self, Bound, Expr, ExprKind, ItemKind, Name};
use aurora_grammar::{Diagnostic, nearest};

use super::Checker;
use super::numbers::with_unit_of;
use crate::dimension::Dimension;
use crate::range::{self, Range};
use crate::resolve::ScopeId;
use crate::types::{Cell, FieldType, Layer, Method, Support};
use crate::units::{self, Scale, Unit};

/// Seconds of a year.
const LONGEST_CELL: f64 = 366.0 * 86_400.0;

impl Checker<'_> {
    /// A unit by its spelling, or a diagnostic and nothing.
    pub(super) fn unit(&mut self, name: &Name) -> Option<Unit> {
        units::parse(&name.text).map_err(|part| self.unknown_unit(name, &part)).ok()
    }

    fn unknown_unit(&mut self, name: &Name, part: &str) {
        let mut diagnostic = Diagnostic::error("unknown-unit", format!("`{part}` is not a unit known here"))
            .label(name.span, "read as a unit, for it follows a number");
        diagnostic = match units::suggest(part) {
            Some(near) => {
                let whole = name.text.replacen(part, &near, 1);
                diagnostic.help(format!("did you mean `{near}`?")).fix(name.span, whole)
            }
            None => diagnostic.help(format!("among others there are {}", units::KNOWN.join(", "))),
        };
        self.diagnostics.push(diagnostic);
    }

    /// The unit of a declared quantity and its spelling.
    pub(super) fn quantity(&mut self, name: &Name) -> Option<(Unit, String)> {
        let Some(definition) = self.resolved.quantities.get(&name.text) else {
            let message = format!("there is no quantity `{}`", name.text);
            let mut diagnostic =
                Diagnostic::error("unknown-quantity", message).label(name.span, "not a declared quantity");
            let known = self.resolved.quantities.keys().map(String::as_str);
            if let Some(near) = nearest(&name.text, known) {
                diagnostic = diagnostic.help(format!("did you mean `{near}`?")).fix(name.span, near);
            } else {
                diagnostic = diagnostic.help(format!("declare it: quantity {} = UNIT", name.text));
            }
            self.diagnostics.push(diagnostic);
            return None;
        };
        let ItemKind::Quantity { unit, .. } = definition.item.kind.clone() else { return None };
        let parsed = self.unit(&unit)?;
        if parsed.factor != 1.0 || parsed.offset != 0.0 {
            // Values are kept and computed in SI, so this unit is also their label.
            self.error_with_help(
                "wrong-argument",
                "a quantity is declared in SI units",
                (unit.span, "numbers may be written in it, values are not kept in it"),
                format!(
                    "for instance: quantity {} = {}",
                    name.text,
                    parsed.dimension.to_string().replace(' ', "*")
                ),
            );
            return None;
        }
        Some((parsed, unit.text))
    }

    /// What was written after `:`.
    pub(super) fn field_type(&mut self, scope: ScopeId, ty: &tree::Type) -> Option<FieldType> {
        let (unit, _) = self.quantity(&ty.quantity)?;
        let support = match &ty.support {
            None => Support::Constant,
            Some(support) => self.support(scope, support)?,
        };
        let cell = match &ty.cell {
            None => None,
            Some(cell) => Some(self.cell(cell)?),
        };
        let layer = match ty.support.as_ref().and_then(|support| support.argument.as_ref()) {
            None => None,
            Some(argument) => Some(self.layer(scope, &support, argument)?),
        };
        let mut result = FieldType {
            quantity: Some(ty.quantity.text.clone()),
            dimension: unit.dimension,
            scale: if unit.scale == Scale::Affine { Scale::Ratio } else { unit.scale },
            support,
            layer,
            cell,
            range: range::UNKNOWN,
        };
        result.range = self.bound(scope, ty.bound.as_ref(), &result);
        Some(result)
    }

    /// `max over 1 h`.
    fn cell(&mut self, cell: &tree::Cell) -> Option<Cell> {
        let word = &cell.method.text;
        let Some((_, method)) = Method::WORDS.iter().find(|(known, _)| known == word) else {
            let known = Method::WORDS.map(|(word, _)| word);
            let mut diagnostic =
                Diagnostic::error("unknown-name", format!("`{word}` is no way to sum up a stretch of time"))
                    .label(cell.method.span, "not found");
            diagnostic = match nearest(word, known) {
                Some(near) => diagnostic.help(format!("did you mean `{near}`?")).fix(cell.method.span, near),
                None => diagnostic.help(format!("there are {}", known.join(", "))),
            };
            self.diagnostics.push(diagnostic);
            return None;
        };
        let numbers = self.numbers(&cell.over)?;
        let seconds = match numbers[..] {
            [(seconds, unit, _)] if unit.dimension == Dimension::TIME => Some(seconds),
            _ => None,
        };
        let whole = seconds.filter(|s| s.fract() == 0.0 && (1.0..=LONGEST_CELL).contains(s));
        let Some(seconds) = whole else {
            self.error_with_help(
                "wrong-argument",
                "a cell is a stretch of time, of whole seconds up to a year",
                (cell.over.span, "this is none"),
                format!("for instance: {word} over 1 h"),
            );
            return None;
        };
        Some(Cell { method: *method, seconds: seconds as u32 })
    }

    /// The cell that another file writes, where nothing is to be said of it.
    pub(super) fn quiet_cell(&mut self, cell: &tree::Cell) -> Option<Cell> {
        let (_, method) = Method::WORDS.iter().find(|(known, _)| *known == cell.method.text)?;
        let ExprKind::Measure { value, unit: Some(unit) } = &cell.over.kind else { return None };
        let seconds = units::parse(&unit.text).ok()?.to_si(*value);
        (1.0..=LONGEST_CELL).contains(&seconds).then_some(Cell { method: *method, seconds: seconds as u32 })
    }

    /// `2 m` of `surface(2 m)`, `0 .. 3 km` of `column(0 .. 3 km)`.
    fn layer(&mut self, scope: ScopeId, support: &Support, argument: &Expr) -> Option<Layer> {
        let (start, end) = match (&argument.kind, support) {
            (ExprKind::Range { start, end, towards: false }, Support::Column) => {
                (with_unit_of(start, end), Some(&**end))
            }
            (ExprKind::Range { .. }, _) | (_, Support::Static | Support::Levels(_) | Support::Constant) => {
                self.error_with_help(
                    "wrong-argument",
                    "only `surface` has a height, and only `column` a layer",
                    (argument.span, "neither"),
                    "for instance: on surface(2 m), on column(0 .. 3 km)",
                );
                return None;
            }
            _ => (argument.clone(), None),
        };
        let from = self.expression(scope, &start)?;
        let to = match end {
            Some(end) => Some(self.expression(scope, end)?),
            None => None,
        };
        let known = to.as_ref().map_or(Some(None), |to| to.constant().map(Some));
        let (Some(low), Some(high)) = (from.constant(), known) else {
            self.error_with_help(
                "not-constant",
                "a layer is between numbers",
                (argument.span, "not known before the data are"),
                "for instance: on column(0 .. 3 km)",
            );
            return None;
        };
        let dimension = from.ty.dimension;
        if to.as_ref().is_some_and(|to| to.ty.dimension != dimension) || dimension == Dimension::TIME {
            self.error_with_help(
                "unit-mismatch",
                "a layer is measured in one coordinate",
                (argument.span, "not two heights, not two pressures"),
                "for instance: on column(0 .. 3 km), on column(500 .. 1000 hPa)",
            );
            return None;
        }
        Some(Layer { dimension, from: low, to: high })
    }

    fn support(&mut self, scope: ScopeId, support: &tree::Support) -> Option<Support> {
        match support.name.text.as_str() {
            "static" => return Some(Support::Static),
            "surface" => return Some(Support::Surface),
            "column" => return Some(Support::Column),
            _ => {}
        }
        let found = self
            .resolved
            .lookup(scope, &support.name.text)
            .filter(|d| matches!(d.item.kind, ItemKind::Levels { .. }));
        match found {
            Some(definition) if self.gives_way(definition) => {
                let (name, library) = (&support.name.text, definition.library.clone().unwrap_or_default());
                let message = format!("`{name}` of {library} is not the recipe's own `{name}`");
                self.diagnostics.push(
                    Diagnostic::error("level-mismatch", message)
                        .label(support.name.span, "on the levels of the library")
                        .help(format!(
                            "a recipe with levels of its own called `{name}` defines the fields on them too: write \
                             this item on `{name}` in the recipe"
                        )),
                );
                None
            }
            Some(definition) => Some(Support::Levels(definition.id.clone())),
            None => {
                let message = format!("`{}` is no place where fields live", support.name.text);
                // What is not brought in cannot be meant.
                let visible: BTreeSet<&str> = self.resolved.visible(scope).collect();
                let levels: Vec<String> = self
                    .checked
                    .levels
                    .keys()
                    .filter(|id| visible.contains(id.rsplit('.').next().unwrap_or(id)))
                    .map(|id| id.rsplit('.').next().unwrap_or(id).to_string())
                    .collect();
                let places =
                    ["static", "surface", "column"].into_iter().chain(levels.iter().map(String::as_str));
                let mut diagnostic = Diagnostic::error("unknown-name", message)
                    .label(support.name.span, "neither static, surface, column nor a set of levels")
                    .help(
                        "define it: levels NAME : pressure = [1000, 850, 500] hPa, or bring it in with `use`",
                    );
                if let Some(near) = nearest(&support.name.text, places) {
                    diagnostic =
                        diagnostic.help(format!("did you mean `{near}`?")).fix(support.name.span, near);
                }
                self.diagnostics.push(diagnostic);
                None
            }
        }
    }

    fn bound(&mut self, scope: ScopeId, bound: Option<&Bound>, ty: &FieldType) -> Range {
        use aurora_grammar::tree::Comparison::*;
        match bound {
            None => (None, None),
            Some(Bound::Compare { comparison, value }) => {
                let value = self.limit(scope, value, ty);
                // An end that is not reached is kept as the neighbouring number.
                let above = |x: f64| if x == 0.0 { f64::MIN_POSITIVE } else { x.next_up() };
                let below = |x: f64| if x == 0.0 { -f64::MIN_POSITIVE } else { x.next_down() };
                match comparison {
                    GreaterEqual => (value, None),
                    Greater => (value.map(above), None),
                    LessEqual => (None, value),
                    Less => (None, value.map(below)),
                    Equal => (value, value),
                }
            }
            Some(Bound::In(range)) => match &range.kind {
                ExprKind::Range { start, end, .. } => {
                    let start = with_unit_of(start, end);
                    let (low, high) = (self.limit(scope, &start, ty), self.limit(scope, end, ty));
                    if let (Some(l), Some(h)) = (low, high)
                        && l > h
                    {
                        self.diagnostics.push(
                            Diagnostic::error("empty-range", "this range is empty")
                                .label(range.span, "begins above its end")
                                .help("turn its two ends round")
                                .fix(range.span, format!("{end} .. {start}")),
                        );
                        return range::UNKNOWN;
                    }
                    (low, high)
                }
                _ => (None, None),
            },
        }
    }

    /// One end of a range. A bare zero needs no unit.
    fn limit(&mut self, scope: ScopeId, expr: &Expr, ty: &FieldType) -> Option<f64> {
        let typed = self.expression(scope, expr)?;
        let value = typed.constant();
        if value.is_none() {
            self.error_with_help(
                "not-constant",
                "a range is between numbers",
                (expr.span, "not known before the data are"),
                "for instance: in 180 .. 340 K",
            );
        }
        if value != Some(0.0) && !self.agree_to(ty, &typed) {
            return None;
        }
        value
    }
}
