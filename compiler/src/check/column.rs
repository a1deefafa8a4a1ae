//! Columns: `f at 500 hPa`, `f at levels`, `mean(f over A .. B)`. Levels are known when compiling, so
//! interpolation and integration become one weight per level.

use aurora_grammar::tree::{Expr, ExprKind, ItemKind, Name};
use aurora_grammar::{Diagnostic, Span};

use super::Checker;
use super::expression::{Locals, node};
use crate::plan::data::LevelsPlan;
use crate::resolve::ScopeId;
use crate::typed::{Typed, TypedKind};
use crate::types::{FieldType, Support};

impl Checker<'_> {
    /// `f at 500 hPa`: linear in ln p between the neighbouring levels; linear in height or index.
    pub(super) fn at(
        &mut self,
        scope: ScopeId,
        locals: &Locals,
        value: &Typed,
        place: &Expr,
        span: Span,
    ) -> Option<Typed> {
        if let Some(definition) = self.named(scope, place)
            && matches!(definition.item.kind, ItemKind::Levels { .. })
        {
            if value.ty.support == Support::Levels(definition.id) {
                return Some(value.clone());
            }
            self.not_yet("bringing a field to another set of levels", span);
            return None;
        }
        let levels = self.levels_of(value)?;
        let typed = self.expression_with(scope, locals, place)?;
        let at = self.coordinate(&levels, &typed)?;
        let Some(weights) = interpolation(&levels, at) else {
            self.outside(&levels, typed.span);
            return None;
        };
        let ty = FieldType { support: Support::Column, ..value.ty.clone() };
        Some(node(TypedKind::Weighted { value: value.clone(), weights }, ty, span))
    }

    /// `mean`, `integral`, `max`, `min` of a field over a layer.
    pub(super) fn over(
        &mut self,
        scope: ScopeId,
        locals: &Locals,
        function: &Name,
        value: &Typed,
        extent: &Expr,
        span: Span,
    ) -> Option<Typed> {
        let levels = self.levels_of(value)?;
        let ExprKind::Range { start, end, .. } = &extent.kind else {
            self.error_with_help(
                "wrong-argument",
                "a layer has two ends",
                (extent.span, "this is one place"),
                "for instance 500 .. 1000 hPa",
            );
            return None;
        };
        let shared = match &end.kind {
            ExprKind::Measure { unit, .. } => unit.clone(),
            _ => None,
        };
        let start = super::numbers::with_unit(start, shared.as_ref());
        let start = self.expression_with(scope, locals, &start)?;
        let end = self.expression_with(scope, locals, end)?;
        let (a, b) = (self.coordinate(&levels, &start)?, self.coordinate(&levels, &end)?);
        let (low, high) = (a.min(b), a.max(b));
        let ty = FieldType { support: Support::Column, range: (None, None), ..value.ty.clone() };
        match function.text.as_str() {
            "mean" | "integral" => {
                let Some(mut weights) = integration(&levels, low, high) else {
                    self.outside(&levels, extent.span);
                    return None;
                };
                if function.text == "mean" {
                    self.nonempty(low, high, extent.span)?;
                    weights.iter_mut().for_each(|w| *w /= high - low);
                    return Some(node(TypedKind::Weighted { value: value.clone(), weights }, ty, span));
                }
                self.refuse_logarithmic(value, "integrated")?;
                let dimension = ty.dimension.times(start.ty.dimension);
                let ty = FieldType { quantity: None, dimension, ..ty };
                Some(node(TypedKind::Weighted { value: value.clone(), weights }, ty, span))
            }
            "max" | "min" => {
                let inside = |level: &f64| (low..=high).contains(level);
                let from = levels.values.iter().position(inside);
                let to = levels.values.iter().rposition(inside);
                let (Some(from), Some(to)) = (from, to) else {
                    self.error_with_help(
                        "outside-levels",
                        "no level lies within this layer",
                        (extent.span, "none inside"),
                        format!("make it wider; the levels are {}", listed(&levels)),
                    );
                    return None;
                };
                // Levels inside the layer must stand side by side, which they do unless the set is unordered.
                let apart = levels.values[from..=to].iter().any(|level| !inside(level));
                if apart {
                    self.error_with_help(
                        "outside-levels",
                        "the levels within this layer do not stand side by side",
                        (extent.span, "this layer"),
                        "write the set of levels in ascending or descending order",
                    );
                    return None;
                }
                let maximum = function.text == "max";
                Some(node(TypedKind::Extreme { value: value.clone(), maximum, from, to: to + 1 }, ty, span))
            }
            other => {
                let message = format!("`{other}` cannot be taken over a layer");
                self.error_with_help(
                    "unknown-name",
                    message,
                    (function.span, "here"),
                    "mean, integral, max and min can",
                );
                None
            }
        }
    }

    fn levels_of(&mut self, value: &Typed) -> Option<LevelsPlan> {
        match &value.ty.support {
            Support::Levels(id) => self.checked.levels.get(id).cloned(),
            other => {
                let message = format!("this is on {other}: it has no levels to choose from");
                self.error_with_help(
                    "level-mismatch",
                    message,
                    (value.span, "one value per column only"),
                    "`at` and `over` take a field on a set of levels",
                );
                None
            }
        }
    }

    /// A place along the levels' own coordinate, in SI.
    fn coordinate(&mut self, levels: &LevelsPlan, place: &Typed) -> Option<f64> {
        let quantity = Name { text: levels.coordinate.clone(), span: place.span };
        let (unit, spelt) = self.quantity(&quantity)?;
        if unit.dimension != place.ty.dimension {
            let message = format!("these levels are counted in {}", levels.coordinate);
            self.diagnostics.push(
                Diagnostic::error("unit-mismatch", message)
                    .label(place.span, format!("in {}", place.ty.dimension))
                    .help(format!(
                        "give it in {spelt}; heights on pressure levels need the hydrostatic relation"
                    )),
            );
            return None;
        }
        let value = place.constant();
        if value.is_none() {
            self.error_with_help(
                "not-constant",
                "a level is a number",
                (place.span, "not known before the data are"),
                format!("one within the levels: {}", listed(levels)),
            );
        }
        value
    }

    fn nonempty(&mut self, low: f64, high: f64, span: Span) -> Option<()> {
        if high > low {
            return Some(());
        }
        self.error_with_help(
            "empty-range",
            "this layer is empty",
            (span, "begins where it ends"),
            "give it two ends",
        );
        None
    }

    fn outside(&mut self, levels: &LevelsPlan, span: Span) {
        let low = levels.values.iter().copied().fold(f64::INFINITY, f64::min);
        let high = levels.values.iter().copied().fold(f64::NEG_INFINITY, f64::max);
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

/// The levels as one would write them.
pub(super) fn listed(levels: &LevelsPlan) -> String {
    let (factor, unit) = match levels.coordinate.as_str() {
        "pressure" => (100.0, " hPa"),
        "height" => (1.0, " m"),
        _ => (1.0, ""),
    };
    let values: Vec<String> = levels.values.iter().map(|v| (v / factor).to_string()).collect();
    format!("[{}]{unit}", values.join(", "))
}

/// The coordinate in which profiles are taken as linear: ln p for pressure, itself otherwise.
fn stretched(levels: &LevelsPlan, value: f64) -> f64 {
    if levels.coordinate == "pressure" { value.ln() } else { value }
}

/// One weight per level that interpolates to `at`; nothing outside the levels.
fn interpolation(levels: &LevelsPlan, at: f64) -> Option<Vec<f64>> {
    let mut weights = vec![0.0; levels.values.len()];
    if let Some(exact) = levels.values.iter().position(|v| *v == at) {
        weights[exact] = 1.0;
        return Some(weights);
    }
    let order = ascending(&levels.values);
    let pair = order.windows(2).find(|w| levels.values[w[0]] < at && at < levels.values[w[1]])?;
    let (low, high) = (stretched(levels, levels.values[pair[0]]), stretched(levels, levels.values[pair[1]]));
    let share = (stretched(levels, at) - low) / (high - low);
    weights[pair[0]] = 1.0 - share;
    weights[pair[1]] = share;
    Some(weights)
}

/// One weight per level whose sum with the values is the integral over `low..high` of the profile that
/// is linear in the coordinate between levels (trapezoids, clipped at both ends).
fn integration(levels: &LevelsPlan, low: f64, high: f64) -> Option<Vec<f64>> {
    let order = ascending(&levels.values);
    let (first, last) = (levels.values[*order.first()?], levels.values[*order.last()?]);
    if low < first || high > last {
        return None;
    }
    let mut weights = vec![0.0; levels.values.len()];
    for pair in order.windows(2) {
        let (x0, x1) = (levels.values[pair[0]], levels.values[pair[1]]);
        let (a, b) = (low.max(x0), high.min(x1));
        if b <= a {
            continue;
        }
        // The mean of the linear profile over a..b is its value at the middle.
        let share = ((a + b) / 2.0 - x0) / (x1 - x0);
        weights[pair[0]] += (b - a) * (1.0 - share);
        weights[pair[1]] += (b - a) * share;
    }
    Some(weights)
}

fn ascending(values: &[f64]) -> Vec<usize> {
    let mut order: Vec<usize> = (0..values.len()).collect();
    order.sort_by(|a, b| values[*a].total_cmp(&values[*b]));
    order
}

#[cfg(test)]
mod tests {
    use super::*;

    fn pressure() -> LevelsPlan {
        LevelsPlan { coordinate: "pressure".into(), values: vec![1000e2, 850e2, 700e2, 500e2] }
    }

    fn apply(weights: &[f64], f: impl Fn(f64) -> f64) -> f64 {
        weights.iter().zip(pressure().values).map(|(w, p)| w * f(p)).sum()
    }

    #[test]
    fn interpolation_is_exact_for_what_is_linear_in_log_pressure() {
        let weights = interpolation(&pressure(), 600e2).unwrap();
        assert!((apply(&weights, |p| 3.0 + 2.0 * p.ln()) - (3.0 + 2.0 * 600e2f64.ln())).abs() < 1e-12);
        assert_eq!(interpolation(&pressure(), 850e2).unwrap(), [0.0, 1.0, 0.0, 0.0]);
        assert_eq!(interpolation(&pressure(), 400e2), None);
    }

    #[test]
    fn integration_is_exact_for_what_is_linear_in_pressure() {
        let weights = integration(&pressure(), 600e2, 900e2).unwrap();
        let exact = 2.0 * (900e2 - 600e2) + 3e-5 * (900e2f64.powi(2) - 600e2f64.powi(2)) / 2.0;
        assert!((apply(&weights, |p| 2.0 + 3e-5 * p) - exact).abs() < 1e-8 * exact);
        assert_eq!(integration(&pressure(), 400e2, 900e2), None);
        assert_eq!(integration(&pressure(), 700e2, 700e2).unwrap(), [0.0; 4]);
    }
}
