//! Grids and sets of levels.

use aurora_grammar::tree::{Expr, ExprKind, ItemKind, Name};
use aurora_grammar::{Diagnostic, Span, nearest};

use super::Checker;
use crate::dimension::Dimension;
use crate::plan::data::{GridPlan, LevelsPlan, Projection};
use crate::resolve::Definition;

/// Points of a grid in one direction: more than any model has, and still safe to multiply.
const MOST_POINTS: usize = 100_000;
/// Radius of the sphere, in metres, on which degrees become metres: HRRR's.
const EARTH_RADIUS: f64 = 6_371_229.0;
const PROJECTIONS: [&str; 4] = ["lambert", "latlon", "mercator", "stereographic"];

impl Checker<'_> {
    /// Grids and level sets of every file, so that types can name them.
    pub(super) fn declarations(&mut self) {
        let all: Vec<Definition> = self.resolved.definitions.values().cloned().collect();
        // Those that are made of others come last.
        let mut made = Vec::new();
        for definition in &all {
            match &definition.item.kind {
                ItemKind::Levels { value, .. } if Self::grounded(value).is_some() => made.push(definition),
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
        made.retain(|definition| !self.gives_way(definition));
        for definition in made {
            if let ItemKind::Levels { coordinate, value, .. } = &definition.item.kind
                && let Some(below) = Self::grounded(value)
                && let Some(levels) = self.levels_above_ground(definition, coordinate, (value, below))
            {
                self.checked.levels.insert(definition.id.clone(), levels);
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
        let round = |radians: f64| (radians.to_degrees() * 1e9).round() / 1e9;
        let mut angle =
            |checker: &mut Self, word| arguments.measure(checker, word, Dimension::NONE).map(round);
        let (projection, spacing) = match function.text.as_str() {
            "latlon" => {
                let (north, west, step) = (angle(self, "north"), angle(self, "west"), angle(self, "spacing"));
                let metres = step.map(|step| step.to_radians() * EARTH_RADIUS);
                let projection = north.zip(west).zip(step);
                (projection.map(|((north, west), step)| Projection::LatLon { north, west, step }), metres)
            }
            name @ ("lambert" | "mercator" | "stereographic") => {
                let centre = angle(self, "lat").zip(angle(self, "lon"));
                let projection = centre.map(|(latitude, longitude)| match name {
                    "lambert" => Projection::Lambert { latitude, longitude },
                    "mercator" => Projection::Mercator { latitude, longitude },
                    _ => Projection::Stereographic { latitude, longitude },
                });
                (projection, arguments.measure(self, "spacing", Dimension::LENGTH))
            }
            other => {
                let mut diagnostic =
                    Diagnostic::error("unknown-name", format!("no projection is called `{other}`"))
                        .label(function.span, "not found");
                if let Some(near) = nearest(other, PROJECTIONS) {
                    diagnostic = diagnostic.help(format!("did you mean `{near}`?")).fix(function.span, near);
                } else {
                    diagnostic = diagnostic.help(format!("there are {}", PROJECTIONS.join(", ")));
                }
                self.diagnostics.push(diagnostic);
                return None;
            }
        };
        let size = arguments.whole_numbers(self, "size");
        let southwest = match arguments.optional("southwest") {
            Some(corner) => Some(self.corner(&corner)?.map(round)),
            None => None,
        };
        arguments.finish(self);
        let (projection, spacing, size) = (projection?, spacing?, size?);
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
        } else {
            impossible_place(&projection, height)
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
        Some(GridPlan { name, projection, width, height, spacing, southwest })
    }

    /// `southwest = [21.1, -122.7] deg`, in radians.
    fn corner(&mut self, value: &Expr) -> Option<[f64; 2]> {
        let numbers = self.numbers(value)?;
        match numbers[..] {
            [(latitude, unit, _), (longitude, ..)]
                if unit.dimension.is_none()
                    && latitude.abs() <= std::f64::consts::FRAC_PI_2
                    && longitude.abs() <= std::f64::consts::TAU =>
            {
                Some([latitude, longitude])
            }
            _ => {
                self.error_with_help(
                    "wrong-argument",
                    "`southwest` is a latitude and a longitude",
                    (value.span, "this is no place on Earth"),
                    "for instance: southwest = [21.138123, -122.719528] deg",
                );
                None
            }
        }
    }
}

/// Why a projection cannot have this centre; nothing if it can.
fn impossible_place(projection: &Projection, height: usize) -> String {
    match *projection {
        Projection::LatLon { north, west, step } => {
            let south = north - step * (height.saturating_sub(1)) as f64;
            if north > 90.0 || south < -90.0 - 1e-9 || west.abs() > 360.0 {
                return format!("a grid from {north}° to {south}° north is not on Earth; is `deg` missing?");
            }
        }
        Projection::Lambert { latitude, longitude }
        | Projection::Mercator { latitude, longitude }
        | Projection::Stereographic { latitude, longitude } => {
            if latitude.abs() > 89.0 || longitude.abs() > 360.0 {
                return format!(
                    "{latitude}° north, {longitude}° east is no centre for this projection; is `deg` missing?"
                );
            }
        }
    }
    String::new()
}

fn example_of(coordinate: &str) -> &'static str {
    match coordinate {
        "pressure" => "[1000, 850, 500] hPa",
        "height" => "[80, 250, 500] m",
        _ => "1 .. 50",
    }
}
