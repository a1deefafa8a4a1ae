//! Layers of columns: `mean(f over A .. B)`, `integral(f over lfc .. el, in log(pl))`. Between levels that are known
//! when compiling, a layer whose ends are numbers becomes one weight per level; ends that are fields are found at
//! each grid point.

use std::rc::Rc;

use aurora_grammar::tree::{Expr, ExprKind, Input, Name};
use aurora_grammar::{Diagnostic, Span, nearest};

use super::Checker;
use super::expression::{Locals, node};
use super::numbers::with_unit_of;
use super::place::{Coordinate, interpolated, logarithm};
use crate::dimension::Dimension;
use crate::plan::data::LevelsPlan;
use crate::resolve::ScopeId;
use crate::typed::{Binary, LayerOf, Typed, TypedKind};
use crate::types::{FieldType, Layer, Support};
use crate::units::Scale;

/// `in log(pl)`: along what a layer is measured, and whether by its logarithm.
#[derive(Clone, Debug)]
pub struct Measure {
    field: Typed,
    logarithmic: bool,
    span: Span,
}

/// A layer with its ends in some coordinate.
struct Extent {
    from: Typed,
    to: Typed,
    span: Span,
}

impl Checker<'_> {
    /// What stands behind the layer in a call: nothing, or `in COORDINATE`.
    pub(super) fn measure_of_layer(
        &mut self,
        scope: ScopeId,
        locals: &Locals,
        function: &Name,
        rest: &[Input],
    ) -> Option<Option<Measure>> {
        match rest {
            [] => Some(None),
            [Input { label: Some(label), value }] if label.text == "in" => {
                let (field, logarithmic) = self.coordinate_argument(scope, locals, value)?;
                Some(Some(Measure { field, logarithmic, span: value.span }))
            }
            [other, ..] => {
                let message = format!("`{}` takes a layer, and along what it is measured", function.text);
                let help = format!("for instance: {}(f over lfc .. el, in log(pl))", function.text);
                self.error_with_help("wrong-argument", message, (other.value.span, "not understood"), help);
                None
            }
        }
    }

    /// `pl` or `log(pl)`: a coordinate and whether its logarithm is meant. Under the logarithm a coordinate may have
    /// units, for in differences of logarithms they cancel.
    pub(super) fn coordinate_argument(
        &mut self,
        scope: ScopeId,
        locals: &Locals,
        expr: &Expr,
    ) -> Option<(Typed, bool)> {
        if let ExprKind::Call { function, inputs } = &expr.kind
            && let ("log", [Input { label: None, value }]) = (function.text.as_str(), &inputs[..])
        {
            let field = self.expression_with(scope, locals, value)?;
            self.refuse_point(&field, "put under a logarithm")?;
            self.is_positive(&field)?;
            return Some((field, true));
        }
        Some((self.expression_with(scope, locals, expr)?, false))
    }

    /// `mean`, `integral`, `max`, `min` of a field over a layer.
    pub(super) fn over(
        &mut self,
        scope: ScopeId,
        locals: &Locals,
        (function, span): (&Name, Span),
        value: &Typed,
        (extent, measure): (&Expr, Option<Measure>),
    ) -> Option<Typed> {
        let of = self.layer_function(function)?;
        self.is_whole(value)?;
        let set = self.set_of(value)?;
        if of == LayerOf::Integral {
            self.refuse_point(value, "integrated")?;
        }
        if let Some(measure) = &measure {
            self.measures(measure, of, &set)?;
        }
        let ExprKind::Range { start, end, .. } = &extent.kind else {
            self.error_with_help(
                "wrong-argument",
                "a layer has two ends",
                (extent.span, "this is one place"),
                "for instance 500 .. 1000 hPa",
            );
            return None;
        };
        let from = self.expression_with(scope, locals, &with_unit_of(start, end))?;
        let to = self.expression_with(scope, locals, end)?;
        let extent = Extent { from, to, span: extent.span };
        self.ends_agree(&extent)?;
        let levels = self.checked.levels.get(&set)?.clone();
        let own = self.dimension_of(&levels.coordinate, extent.span)? == extent.to.ty.dimension;
        let layer = match (extent.from.constant(), extent.to.constant()) {
            (Some(from), Some(to)) => Some(Layer { dimension: extent.to.ty.dimension, from, to: Some(to) }),
            _ => None,
        };
        let along = match &measure {
            None => extent.to.ty.dimension,
            Some(measure) if measure.logarithmic => Dimension::NONE,
            Some(measure) => measure.field.ty.dimension,
        };
        let mut ty = FieldType { support: Support::Column, layer, ..value.ty.clone() };
        if of == LayerOf::Integral {
            ty = FieldType { quantity: None, dimension: ty.dimension.times(along), ..ty };
        }
        if ty.scale == Scale::Affine {
            ty.scale = Scale::Ratio;
        }
        // The set's own coordinate, or its logarithm: everything is known now.
        let itself =
            measure.as_ref().is_none_or(|m| matches!(&m.field.kind, TypedKind::Coordinate(id) if *id == set));
        if let (Some(layer), true, true) = (layer, own, itself) {
            let logarithmic = measure.is_some_and(|measure| measure.logarithmic);
            let known = KnownLayer { levels, layer, logarithmic, span: extent.span };
            return self.known_layer(of, value, &known, ty, span);
        }
        let coordinate = self.coordinate(&set, extent.to.ty.dimension, &extent.to)?;
        let (coordinate, from, to) = measured(&coordinate, &extent, measure);
        let (from, to) = ordered(from, to);
        let kind = TypedKind::Layer { of, value: value.clone(), coordinate, from, to };
        Some(node(kind, ty, span))
    }

    fn layer_function(&mut self, function: &Name) -> Option<LayerOf> {
        const FUNCTIONS: [(&str, LayerOf); 4] = [
            ("integral", LayerOf::Integral),
            ("max", LayerOf::Max),
            ("mean", LayerOf::Mean),
            ("min", LayerOf::Min),
        ];
        if let Some((_, of)) = FUNCTIONS.iter().find(|(name, _)| *name == function.text) {
            return Some(*of);
        }
        let message = format!("`{}` cannot be taken over a layer", function.text);
        let mut diagnostic = Diagnostic::error("unknown-name", message)
            .label(function.span, "not one of them")
            .help("mean, integral, max and min can");
        if let Some(near) = nearest(&function.text, FUNCTIONS.map(|(name, _)| name)) {
            diagnostic = diagnostic.help(format!("did you mean `{near}`?")).fix(function.span, near);
        }
        self.diagnostics.push(diagnostic);
        None
    }

    /// A measure lies on the levels of the field, and only what adds up along it takes one.
    fn measures(&mut self, measure: &Measure, of: LayerOf, set: &str) -> Option<()> {
        if matches!(of, LayerOf::Max | LayerOf::Min) {
            self.error_with_help(
                "wrong-argument",
                "an extreme is the same along whatever it is measured",
                (measure.span, "changes nothing"),
                "leave it out",
            );
            return None;
        }
        self.is_whole(&measure.field)?;
        if measure.field.ty.support == Support::Levels(set.to_string()) {
            return Some(());
        }
        let message = "a layer is measured along a coordinate of its own levels";
        let label = format!("this is on {}", measure.field.ty.support);
        let help = format!("for instance: in {}", super::place::short(set));
        self.error_with_help("level-mismatch", message, (measure.span, &label), help);
        None
    }

    /// Both ends are places, measured alike, one for each column.
    fn ends_agree(&mut self, extent: &Extent) -> Option<()> {
        for end in [&extent.from, &extent.to] {
            self.is_whole(end)?;
            self.is_one_per_column(end, "an end of a layer")?;
        }
        if extent.from.ty.dimension == extent.to.ty.dimension {
            return Some(());
        }
        self.agree(&extent.from, &extent.to, "the other end of")
    }

    pub(super) fn is_one_per_column(&mut self, value: &Typed, what: &str) -> Option<()> {
        if value.ty.support.levels().is_none() {
            return Some(());
        }
        let message = format!("{what} is one place in each column");
        let label = format!("this is on `{}`, one value per level", value.ty.support);
        let help =
            "choose a level, for instance `… at 500 hPa`, or reduce a layer: `max(… over 500 .. 1000 hPa)`";
        self.error_with_help("level-mismatch", message, (value.span, &label), help);
        None
    }

    /// A layer whose ends and coordinate are known when compiling.
    fn known_layer(
        &mut self,
        of: LayerOf,
        value: &Typed,
        known: &KnownLayer,
        ty: FieldType,
        span: Span,
    ) -> Option<Typed> {
        let KnownLayer { levels, layer, logarithmic, span: extent } = known;
        let (a, b) = (layer.from, layer.to.unwrap_or(layer.from));
        let (low, high) = (a.min(b), a.max(b));
        match of {
            LayerOf::Integral | LayerOf::Mean => {
                let stretch = |x: f64| if *logarithmic { x.ln() } else { x };
                let stretched = LevelsPlan {
                    values: levels.values.iter().map(|x| stretch(*x)).collect(),
                    ..levels.clone()
                };
                let Some(mut weights) = integration(&stretched, stretch(low), stretch(high)) else {
                    self.outside(levels, *extent);
                    return None;
                };
                if of == LayerOf::Mean {
                    self.nonempty(low, high, *extent)?;
                    let depth = stretch(high) - stretch(low);
                    weights.iter_mut().for_each(|w| *w /= depth);
                }
                Some(node(TypedKind::Weighted { value: value.clone(), weights }, ty, span))
            }
            LayerOf::Max | LayerOf::Min => {
                let (from, to) = self.levels_inside(levels, low, high, *extent)?;
                let maximum = of == LayerOf::Max;
                Some(node(TypedKind::Extreme { value: value.clone(), maximum, from, to }, ty, span))
            }
        }
    }

    fn levels_inside(
        &mut self,
        levels: &LevelsPlan,
        low: f64,
        high: f64,
        span: Span,
    ) -> Option<(usize, usize)> {
        let inside = |level: &f64| (low..=high).contains(level);
        let from = levels.values.iter().position(inside);
        let to = levels.values.iter().rposition(inside);
        let (Some(from), Some(to)) = (from, to) else {
            self.error_with_help(
                "outside-levels",
                "no level lies within this layer",
                (span, "none inside"),
                format!("make it wider; the levels are {}", listed(levels)),
            );
            return None;
        };
        // Levels inside the layer must stand side by side, which they do unless the set is unordered.
        if levels.values[from..=to].iter().any(|level| !inside(level)) {
            self.error_with_help(
                "outside-levels",
                "the levels within this layer do not stand side by side",
                (span, "this layer"),
                "write the set of levels in ascending or descending order",
            );
            return None;
        }
        Some((from, to + 1))
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
}

struct KnownLayer {
    levels: LevelsPlan,
    layer: Layer,
    logarithmic: bool,
    span: Span,
}

/// The column along which a layer is measured, and where on it the layer's ends are. An end that is given in
/// another coordinate is looked up.
fn measured(coordinate: &Coordinate, extent: &Extent, measure: Option<Measure>) -> (Typed, Typed, Typed) {
    let Some(measure) = measure else {
        return (coordinate.field.clone(), extent.from.clone(), extent.to.clone());
    };
    let stretch = |value: &Typed| if measure.logarithmic { logarithm(value) } else { value.clone() };
    if same(&measure.field, &coordinate.field) {
        return (stretch(&measure.field), stretch(&extent.from), stretch(&extent.to));
    }
    let column = stretch(&measure.field);
    let end = |place: &Typed| {
        let ty = FieldType { support: Support::Column, ..column.ty.clone() };
        interpolated(&column, coordinate, place, ty, place.span)
    };
    let (from, to) = (end(&extent.from), end(&extent.to));
    (column, from, to)
}

/// The lower end first, so that an integral does not depend on which end was written first.
fn ordered(from: Typed, to: Typed) -> (Typed, Typed) {
    if let (Some(a), Some(b)) = (from.constant(), to.constant()) {
        return if a <= b { (from, to) } else { (to, from) };
    }
    let both = |op| {
        let support = from.ty.support.broadcast(&to.ty.support).unwrap_or(Support::Column);
        let ty = FieldType { support, ..from.ty.clone() };
        node(TypedKind::Binary(op, from.clone(), to.clone()), ty, from.span)
    };
    (both(Binary::Minimum), both(Binary::Maximum))
}

fn same(a: &Typed, b: &Typed) -> bool {
    Rc::ptr_eq(a, b)
        || match (&a.kind, &b.kind) {
            (TypedKind::Coordinate(a), TypedKind::Coordinate(b)) => a == b,
            (TypedKind::Variable(a), TypedKind::Variable(b)) => a == b,
            _ => false,
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
pub(super) fn interpolation(levels: &LevelsPlan, at: f64) -> Option<Vec<f64>> {
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
