//! Grids and sets of levels.

use aurora_grammar::tree::{Expr, ExprKind, ItemKind, Name};
use aurora_grammar::{Diagnostic, Span, nearest};

use super::Checker;
use crate::dimension::Dimension;
use crate::plan::data::{GridPlan, LevelsPlan, Projection};
use crate::resolve::Definition;

/// Points of a grid in one direction: more than any model has, and still safe to multiply.
const MOST_POINTS: usize = 100_000;

impl Checker<'_> {
    /// Grids and level sets of every file, so that types can name them.
    pub(super) fn declarations(&mut self) {
        let all: Vec<Definition> = self.resolved.definitions.values().cloned().collect();
        for definition in &all {
            match &definition.item.kind {
                ItemKind::Levels { coordinate, value, .. } => {
                    if let Some(levels) = self.levels(coordinate, value) {
                        self.checked.levels.insert(definition.id.clone(), levels);
                    }
                }
                ItemKind::Grid { value, .. } => {
                    if let Some(grid) = self.grid(definition, value) {
                        self.checked.grids.insert(definition.id.clone(), grid);
                    }
                }
                _ => {}
            }
        }
    }

    fn levels(&mut self, coordinate: &Name, value: &Expr) -> Option<LevelsPlan> {
        let (unit, unit_name) = self.quantity(coordinate)?;
        let values = self.numbers(value)?;
        let spans: Vec<Span> = values.iter().map(|(_, _, span)| *span).collect();
        let mut levels = Vec::with_capacity(values.len());
        for (number, given, span) in values {
            if given.dimension != unit.dimension {
                let message = format!("{} is measured in {unit_name}", coordinate.text);
                self.error_with_help(
                    "unit-mismatch",
                    message,
                    (span, &format!("in {}", given.dimension)),
                    format!("for instance: {}", example_of(&coordinate.text)),
                );
                return None;
            }
            levels.push(number);
        }
        if levels.is_empty() || coordinate.text == "pressure" && levels.iter().any(|p| *p <= 0.0) {
            self.error_with_help(
                "wrong-argument",
                if levels.is_empty() { "a set of levels has at least one" } else { "a pressure is positive" },
                (value.span, "here"),
                format!("for instance: {}", example_of(&coordinate.text)),
            );
            return None;
        }
        let mut sorted = levels.clone();
        sorted.sort_by(f64::total_cmp);
        sorted.dedup();
        if sorted.len() != levels.len() {
            let again = (0..levels.len()).find(|i| levels[..*i].contains(&levels[*i])).unwrap_or(0);
            let span = spans.get(again).copied().unwrap_or(value.span);
            self.error_with_help(
                "repeated-level",
                "a level stands here twice",
                (span, "again"),
                "keep one of them",
            );
            return None;
        }
        Some(LevelsPlan { coordinate: coordinate.text.clone(), values: levels })
    }

    fn grid(&mut self, definition: &Definition, value: &Expr) -> Option<GridPlan> {
        let ExprKind::Call { function, inputs } = &value.kind else {
            self.error_with_help(
                "not-a-grid",
                "a grid is a projection",
                (value.span, "this is none"),
                "for instance: lambert(lat = 38.5 deg, lon = -97.5 deg, size = [64, 64], spacing = 6 km)",
            );
            return None;
        };
        let mut arguments = self.arguments(function, inputs);
        let degrees = |radians: f64| radians.to_degrees();
        let latitude = arguments.measure(self, "lat", Dimension::NONE).map(degrees);
        let longitude = arguments.measure(self, "lon", Dimension::NONE).map(degrees);
        let spacing = arguments.measure(self, "spacing", Dimension::LENGTH);
        let size = arguments.whole_numbers(self, "size");
        arguments.finish(self);
        let (latitude, longitude, spacing, size) = (latitude?, longitude?, spacing?, size?);
        let round = |value: f64| (value * 1e9).round() / 1e9;
        let (latitude, longitude) = (round(latitude), round(longitude));
        let projection = match function.text.as_str() {
            "lambert" => Projection::Lambert { latitude, longitude },
            "mercator" => Projection::Mercator { latitude, longitude },
            other => {
                let mut diagnostic =
                    Diagnostic::error("unknown-name", format!("no projection is called `{other}`"))
                        .label(function.span, "not found");
                if let Some(near) = nearest(other, ["lambert", "mercator"]) {
                    diagnostic = diagnostic.help(format!("did you mean `{near}`?")).fix(function.span, near);
                } else {
                    diagnostic = diagnostic.help("there are `lambert` and `mercator`");
                }
                self.diagnostics.push(diagnostic);
                return None;
            }
        };
        let [width, height] = size[..] else {
            self.error_with_help(
                "wrong-argument",
                "`size` is [points west–east, points south–north]",
                (value.span, "not two numbers"),
                "for instance: size = [64, 64]",
            );
            return None;
        };
        let reason = if !(1..=MOST_POINTS).contains(&width) || !(1..=MOST_POINTS).contains(&height) {
            format!("a grid has between 1 and {MOST_POINTS} points each way, not {width} × {height}")
        } else if spacing <= 0.0 {
            "the points of a grid lie some way apart".to_string()
        } else if latitude.abs() > 89.0 || longitude.abs() > 360.0 {
            format!(
                "{latitude}° north, {longitude}° east is no centre for this projection; is `deg` missing?"
            )
        } else {
            String::new()
        };
        if !reason.is_empty() {
            self.error_with_help(
                "wrong-argument",
                reason,
                (value.span, "this grid"),
                "for instance: lambert(lat = 38.5 deg, lon = -97.5 deg, size = [64, 64], spacing = 6 km)",
            );
            return None;
        }
        let name = definition.name.text.clone();
        Some(GridPlan { name, projection, width, height, spacing })
    }
}

fn example_of(coordinate: &str) -> &'static str {
    match coordinate {
        "pressure" => "[1000, 850, 500] hPa",
        "height" => "[80, 250, 500] m",
        _ => "1 .. 50",
    }
}
