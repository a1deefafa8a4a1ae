//! Grids and sets of levels.

use aurora_grammar::tree::{Expr, ExprKind, Input, ItemKind, Name};
use aurora_grammar::{Diagnostic, Span, nearest};

use super::Checker;
use crate::dimension::Dimension;
use crate::plan::data::{GridPlan, LevelsPlan, Projection};
use crate::resolve::Definition;

/// Points of a grid in one direction: more than any model has, and still safe to multiply.
const MOST_POINTS: usize = 100_000;
/// The radius of GRIB's spherical Earth (code table 3.2, shape 6), in metres.
const EARTH_RADIUS: f64 = 6_371_229.0;

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
        if function.text == "latlon" {
            return self.latlon(definition, value, function, inputs);
        }
        self.projected(definition, value, function, inputs)
    }

    /// `latlon(lat = 90 .. -90 deg, lon = 0 .. 359.75 deg, spacing = 0.25 deg)`, north to south, west to east.
    fn latlon(
        &mut self,
        definition: &Definition,
        value: &Expr,
        function: &Name,
        inputs: &[Input],
    ) -> Option<GridPlan> {
        const EXAMPLE: &str =
            "for instance: latlon(lat = 90 .. -90 deg, lon = 0 .. 359.75 deg, spacing = 0.25 deg)";
        let mut arguments = self.arguments(function, inputs);
        let (lat, lon) = (arguments.optional("lat"), arguments.optional("lon"));
        let step = arguments.measure(self, "spacing", Dimension::NONE).map(f64::to_degrees);
        arguments.finish(self);
        let (Some(lat), Some(lon)) = (lat, lon) else {
            let message = "`latlon` needs `lat` and `lon`, each from one edge to the other";
            self.error_with_help("missing-argument", message, (function.span, "not given"), EXAMPLE);
            return None;
        };
        let step = tidy(step?);
        let (north, south) = self.edges(&lat, EXAMPLE)?;
        let (west, east) = self.edges(&lon, EXAMPLE)?;
        let points = |length: f64| {
            let steps = length / step;
            let whole =
                (steps - steps.round()).abs() < 1e-6 && (0.0..MOST_POINTS as f64).contains(&steps.round());
            whole.then(|| steps.round() as usize + 1)
        };
        let reason = if step <= 0.0 {
            "the points of a grid lie some way apart"
        } else if north < south {
            "a grid begins in the north"
        } else if north > 90.0 || south < -90.0 {
            "latitudes lie between 90 and -90 degrees"
        } else if east < west || east - west >= 360.0 || west < -360.0 || east > 720.0 {
            "longitudes run from west to east, less than once around the globe"
        } else if points(north - south).is_none() || points(east - west).is_none() {
            "the edges of a grid lie a whole number of steps apart"
        } else {
            ""
        };
        let (Some(height), Some(width)) = (points(north - south), points(east - west)) else {
            self.error_with_help("wrong-argument", reason, (value.span, "this grid"), EXAMPLE);
            return None;
        };
        if !reason.is_empty() {
            self.error_with_help("wrong-argument", reason, (value.span, "this grid"), EXAMPLE);
            return None;
        }
        let projection = Projection::LatLon { north, west, step };
        let spacing = (step.to_radians() * EARTH_RADIUS).round();
        Some(GridPlan { name: definition.name.text.clone(), projection, width, height, spacing })
    }

    /// The two ends of a range of angles, in degrees.
    fn edges(&mut self, expr: &Expr, example: &str) -> Option<(f64, f64)> {
        let ends = match &expr.kind {
            ExprKind::Range { start, end, towards: false } => {
                let start = super::numbers::with_unit_of(start, end);
                Some((self.numbers(&start)?, self.numbers(end)?))
            }
            _ => None,
        };
        if let Some((start, end)) = ends
            && let ([(a, first, _)], [(b, second, _)]) = (&start[..], &end[..])
            && first.dimension.is_none()
            && second.dimension.is_none()
        {
            return Some((tidy(a.to_degrees()), tidy(b.to_degrees())));
        }
        let label = (expr.span, "not from one angle to another");
        self.error_with_help("wrong-argument", "an edge of a grid is an angle", label, example);
        None
    }

    fn projected(
        &mut self,
        definition: &Definition,
        value: &Expr,
        function: &Name,
        inputs: &[Input],
    ) -> Option<GridPlan> {
        let mut arguments = self.arguments(function, inputs);
        let degrees = |radians: f64| radians.to_degrees();
        let latitude = arguments.measure(self, "lat", Dimension::NONE).map(degrees);
        let longitude = arguments.measure(self, "lon", Dimension::NONE).map(degrees);
        let spacing = arguments.measure(self, "spacing", Dimension::LENGTH);
        let size = arguments.whole_numbers(self, "size");
        arguments.finish(self);
        let (latitude, longitude, spacing, size) = (latitude?, longitude?, spacing?, size?);
        let (latitude, longitude) = (tidy(latitude), tidy(longitude));
        let projection = match function.text.as_str() {
            "lambert" => Projection::Lambert { latitude, longitude },
            "mercator" => Projection::Mercator { latitude, longitude },
            other => {
                let mut diagnostic =
                    Diagnostic::error("unknown-name", format!("no projection is called `{other}`"))
                        .label(function.span, "not found");
                if let Some(near) = nearest(other, ["lambert", "mercator", "latlon"]) {
                    diagnostic = diagnostic.help(format!("did you mean `{near}`?")).fix(function.span, near);
                } else {
                    diagnostic = diagnostic.help("there are `lambert`, `mercator` and `latlon`");
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

/// Degrees without the rounding of their way through radians.
fn tidy(degrees: f64) -> f64 {
    (degrees * 1e9).round() / 1e9
}

fn example_of(coordinate: &str) -> &'static str {
    match coordinate {
        "pressure" => "[1000, 850, 500] hPa",
        "height" => "[80, 250, 500] m",
        _ => "1 .. 50",
    }
}
