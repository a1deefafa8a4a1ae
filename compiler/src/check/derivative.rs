//! Derivatives: `slope(f, pl)` along the column, `ddx(f)` and `ddy(f)` across the grid, `ddt(f)` in time.

use aurora_grammar::Span;
use aurora_grammar::tree::{Comparison, Entry, Input, ItemKind};

use super::expression::{Locals, node};
use super::intrinsic::{anonymous, times};
use super::place::logarithm;
use super::{Checker, bare_name, numbers};
use crate::dimension::Dimension;
use crate::plan::data::Projection;
use crate::resolve::{RECIPE, ScopeId};
use crate::typed::{Axis, Binary, Typed, TypedKind};
use crate::types::{FieldType, Support};
use crate::units::Scale;

impl Checker<'_> {
    /// `slope(f, c)` or `slope(f, log(c))`: df/dc on every level, from the parabola through the level and its neighbours
    /// (at the ends of the column: through the outermost three), however unevenly they lie. It is exact for what is
    /// quadratic in c. With two levels it is the slope of the line through them.
    pub(super) fn slope(
        &mut self,
        scope: ScopeId,
        locals: &Locals,
        inputs: &[Input],
        span: Span,
    ) -> Option<Typed> {
        let [Input { label: None, value }, Input { label: None, value: coordinate }] = inputs else {
            let help = "write: slope(f, pl), or slope(f, log(pl))";
            self.error_with_help(
                "wrong-argument",
                "`slope` takes a field and a coordinate",
                (span, "called here"),
                help,
            );
            return None;
        };
        let value = self.expression_with(scope, locals, value)?;
        let (field, logarithmic) = self.coordinate_argument(scope, locals, coordinate)?;
        self.is_whole(&value)?;
        self.is_whole(&field)?;
        let set = self.set_of(&value)?;
        self.set_of(&field)?;
        self.broadcast(&value, &field)?;
        let scale = if value.ty.scale == Scale::Logarithmic { Scale::Decibel } else { value.ty.scale };
        let count = self.checked.levels.get(&set)?.values.len();
        if count < 2 {
            self.error_with_help(
                "level-mismatch",
                "one level has no slope",
                (value.span, "on a single level"),
                "take a set of two levels or more",
            );
            return None;
        }
        let along = if logarithmic { logarithm(&field) } else { field.clone() };
        let dimension = if logarithmic { Dimension::NONE } else { field.ty.dimension };
        let dimension = value.ty.dimension.over(dimension);
        let ty = FieldType { dimension, scale, ..anonymous(&value) };
        Some(Slope { set, count, span, ty }.of(&value, &along))
    }

    /// `ddx`, `ddy`: per metre, along the rows and columns of the grid. `ddt` needs two states and is refused.
    pub(super) fn difference(&mut self, name: &str, x: &Typed, span: Span) -> Option<Typed> {
        self.is_whole(x)?;
        self.refuse_point(x, "differentiated")?;
        if x.ty.support == Support::Constant || name == "ddt" && x.ty.support == Support::Static {
            let message = if name == "ddt" { "this never changes" } else { "this is the same everywhere" };
            let label = format!("it is {}", x.ty.support);
            let help = format!("`{name}` takes a field, for instance: {name}(u)");
            self.error_with_help("not-a-field", message, (x.span, &label), help);
            return None;
        }
        let axis = match name {
            "ddx" => Axis::X,
            "ddy" => Axis::Y,
            _ => {
                self.error_with_help(
                    "two-states",
                    "a change in time needs two states, and an expression is worked out from one",
                    (span, "no kernel sees the time before"),
                    "what changes over a step can be judged in a score, or derived from fields that are rates already",
                );
                return None;
            }
        };
        let spacing = self.spacing(span)?;
        let per_step = node(TypedKind::Difference { value: x.clone(), axis }, anonymous(x), span);
        let dimension = x.ty.dimension.over(Dimension::LENGTH);
        Some(times(&per_step, 1.0 / spacing, FieldType { dimension, ..anonymous(x) }, span))
    }

    /// The distance between the points of the recipe's grid, in metres: on the projection's plane. On the ground it is
    /// that divided by the map factor, which over the projections' usual extent is within a few percent of 1.
    fn spacing(&mut self, span: Span) -> Option<f64> {
        if self.fields_alone && self.recipe_grid().is_none() {
            self.error_with_help(
                "missing-block",
                "how far the points of the grid are apart is not said",
                (span, "per which distance?"),
                "`ddx` and `ddy` work on the grid that `data` names: data { archive …  grid … }",
            );
            return None;
        }
        let id = self.recipe_grid()?;
        let grid = self.checked.grids.get(&id)?;
        if matches!(grid.projection, Projection::LatLon { .. }) {
            self.error_with_help(
                "uneven-grid",
                "the points of this grid lie closer together towards the poles",
                (span, "per which distance?"),
                "`ddx` and `ddy` work on projected grids: lambert(…), mercator(…)",
            );
            return None;
        }
        Some(grid.spacing)
    }

    /// The id of the grid that `data` names; what is wrong with that clause is told elsewhere.
    fn recipe_grid(&self) -> Option<String> {
        let data = self.resolved.blocks_of("data").next()?;
        let clause = data.block.entries.iter().find_map(|entry| match entry {
            Entry::Clause(clause) if clause.word.text == "grid" => Some(clause),
            _ => None,
        })?;
        let name = bare_name(numbers::single(clause)?)?;
        let definition = self.resolved.lookup(RECIPE, &name.text)?;
        matches!(definition.item.kind, ItemKind::Grid { .. }).then(|| definition.id.clone())
    }
}

/// The parts of a slope are all on one set of levels.
struct Slope {
    set: String,
    count: usize,
    span: Span,
    ty: FieldType,
}

impl Slope {
    /// Forward slopes F and backward slopes B between neighbours, weighted so that parabolas come out exact: within the
    /// column (h₊ B + h₋ F) / (h₋ + h₊); at an end its own slope s and the next one n, as s + (s − n) h / (h + h').
    fn of(&self, value: &Typed, along: &Typed) -> Typed {
        let (first, last) = (self.end(0), self.end(self.count - 1));
        let apart = self.binary(Binary::Subtract, &self.shift(along, 1), along);
        // The outermost level has no next one; any number but 0 will do, for it is not chosen.
        let apart = self.choose(&last, &self.number(1.0), &apart);
        let rise = self.binary(Binary::Subtract, &self.shift(value, 1), value);
        let forward = self.binary(Binary::Divide, &rise, &apart);
        let (backward, before) = (self.shift(&forward, -1), self.shift(&apart, -1));
        if self.count == 2 {
            return self.typed(&self.choose(&first, &forward, &backward));
        }
        let within = {
            let left = self.binary(Binary::Multiply, &apart, &backward);
            let right = self.binary(Binary::Multiply, &before, &forward);
            let sum = self.binary(Binary::Add, &left, &right);
            self.binary(Binary::Divide, &sum, &self.binary(Binary::Add, &apart, &before))
        };
        let lower = self.at_end(&forward, &apart, 1);
        let upper = self.at_end(&backward, &before, -1);
        let inner = self.choose(&last, &upper, &within);
        self.typed(&self.choose(&first, &lower, &inner))
    }

    fn at_end(&self, slope: &Typed, apart: &Typed, inwards: i32) -> Typed {
        let (next, beyond) = (self.shift(slope, inwards), self.shift(apart, inwards));
        let share = self.binary(Binary::Divide, apart, &self.binary(Binary::Add, apart, &beyond));
        let turn = self.binary(Binary::Subtract, slope, &next);
        let correction = self.binary(Binary::Multiply, &turn, &share);
        self.binary(Binary::Add, slope, &correction)
    }

    /// 1 on one level, 0 on the others.
    fn end(&self, level: usize) -> Typed {
        let mask = (0..self.count).map(|k| if k == level { 1.0 } else { 0.0 }).collect();
        self.node(TypedKind::PerLevel(mask))
    }

    fn number(&self, value: f64) -> Typed {
        node(TypedKind::Constant(value), FieldType::number(), self.span)
    }

    fn shift(&self, value: &Typed, by: i32) -> Typed {
        self.node(TypedKind::Shift { value: value.clone(), by })
    }

    fn binary(&self, op: Binary, a: &Typed, b: &Typed) -> Typed {
        self.node(TypedKind::Binary(op, a.clone(), b.clone()))
    }

    fn choose(&self, mask: &Typed, then: &Typed, otherwise: &Typed) -> Typed {
        let (mask, then, otherwise) = (mask.clone(), then.clone(), otherwise.clone());
        self.node(TypedKind::Select { mask, then, otherwise })
    }

    fn node(&self, kind: TypedKind) -> Typed {
        let support = Support::Levels(self.set.clone());
        node(kind, FieldType { support, ..FieldType::number() }, self.span)
    }

    /// What is known of a difference of neighbours says nothing about a slope's size.
    fn typed(&self, slope: &Typed) -> Typed {
        node(TypedKind::Same(slope.clone()), self.ty.clone(), self.span)
    }
}

/// `here <= from` for a coordinate that falls on the way, `here >= from` for one that rises.
pub(super) fn reached(falling: bool) -> Comparison {
    if falling { Comparison::LessEqual } else { Comparison::GreaterEqual }
}
