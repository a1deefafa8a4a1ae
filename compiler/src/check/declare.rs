//! Declarations: quantities, grids, level sets, the types written after `:`.

use aurora_grammar::tree::{self, Block, Bound, Chain, Expr, ExprKind, ItemKind, Name, Part};
use aurora_grammar::{Diagnostic, Span, nearest};

use super::{Checker, Constraint, Derived, Variable};
use crate::dimension::Dimension;
use crate::plan::data::{GridPlan, LevelsPlan, Projection};
use crate::resolve::{Definition, ScopeId};
use crate::typed::{Binary, Typed, Unary};
use crate::types::{FieldType, Support};
use crate::units::{self, Scale, Unit};

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

    /// A unit by its spelling, or a diagnostic and nothing.
    pub(super) fn unit(&mut self, name: &Name) -> Option<Unit> {
        units::parse(&name.text).map_err(|part| self.unknown_unit(name, &part)).ok()
    }

    fn unknown_unit(&mut self, name: &Name, part: &str) {
        let mut diagnostic = Diagnostic::error("unknown-unit", format!("`{part}` is not a unit known here"))
            .label(name.span, "read as a unit, for it follows a number");
        if let Some(near) = nearest(part, units::KNOWN) {
            diagnostic = diagnostic.help(format!("did you mean `{near}`?")).fix(name.span, near);
        }
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
        Some((self.unit(&unit)?, unit.text))
    }

    /// What was written after `:`.
    pub(super) fn field_type(&mut self, scope: ScopeId, ty: &tree::Type) -> Option<FieldType> {
        let (unit, _) = self.quantity(&ty.quantity)?;
        let support = match &ty.support {
            None => Support::Constant,
            Some(support) => self.support(scope, support)?,
        };
        let cell = ty.cell.as_ref().map(|cell| {
            let over = match &cell.over.kind {
                ExprKind::Measure { value, unit } => {
                    format!("{value} {}", unit.as_ref().map_or("", |u| u.text.as_str()))
                }
                _ => String::new(),
            };
            format!("{} over {over}", cell.method.text)
        });
        let mut result = FieldType {
            quantity: Some(ty.quantity.text.clone()),
            dimension: unit.dimension,
            scale: if unit.scale == Scale::Affine { Scale::Ratio } else { unit.scale },
            support,
            cell,
            range: (None, None),
        };
        result.range = self.bound(scope, ty.bound.as_ref(), &result);
        Some(result)
    }

    fn support(&mut self, scope: ScopeId, support: &tree::Support) -> Option<Support> {
        match support.name.text.as_str() {
            "static" => return Some(Support::Static),
            "surface" => return Some(Support::Surface),
            "column" => return Some(Support::Column),
            _ => {}
        }
        let found = self.resolved.lookup(scope, &support.name.text).filter(|d| {
            matches!(d.item.kind, ItemKind::Levels { .. })
        });
        match found {
            Some(definition) => Some(Support::Levels(definition.id.clone())),
            None => {
                let message = format!("`{}` is no place where fields live", support.name.text);
                let levels: Vec<String> =
                    self.checked.levels.keys().map(|id| id.rsplit('.').next().unwrap_or(id).to_string()).collect();
                let places = ["static", "surface", "column"].into_iter().chain(levels.iter().map(String::as_str));
                let mut diagnostic = Diagnostic::error("unknown-name", message)
                    .label(support.name.span, "neither static, surface, column nor a set of levels");
                if let Some(near) = nearest(&support.name.text, places) {
                    diagnostic = diagnostic
                        .help(format!("did you mean `{near}`?"))
                        .fix(support.name.span, near);
                }
                self.diagnostics.push(diagnostic);
                None
            }
        }
    }

    fn bound(
        &mut self,
        scope: ScopeId,
        bound: Option<&Bound>,
        ty: &FieldType,
    ) -> (Option<f64>, Option<f64>) {
        use aurora_grammar::tree::Comparison::*;
        match bound {
            None => (None, None),
            Some(Bound::Compare { comparison, value }) => {
                let value = self.limit(scope, value, ty);
                match comparison {
                    GreaterEqual | Greater => (value, None),
                    LessEqual | Less => (None, value),
                    Equal => (value, value),
                }
            }
            Some(Bound::In(range)) => match &range.kind {
                ExprKind::Range { start, end, .. } => {
                    let end_unit = match &end.kind {
                        ExprKind::Measure { unit, .. } => unit.clone(),
                        _ => None,
                    };
                    let start = with_unit(start, end_unit.as_ref());
                    let (low, high) = (self.limit(scope, &start, ty), self.limit(scope, end, ty));
                    if let (Some(l), Some(h)) = (low, high)
                        && l > h
                    {
                        self.error("empty-range", "this range is empty", range.span, "begins above its end");
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
            self.error("not-constant", "a range needs numbers", expr.span, "not known before the data are");
        }
        if value != Some(0.0) && !self.agree_to(ty, &typed) {
            return None;
        }
        value
    }

    fn levels(&mut self, coordinate: &Name, value: &Expr) -> Option<LevelsPlan> {
        let (unit, _) = self.quantity(coordinate)?;
        let values = self.numbers(value)?;
        let mut levels = Vec::with_capacity(values.len());
        for (number, given, span) in values {
            if given.dimension != unit.dimension {
                let message = format!("{} is measured in {}", coordinate.text, unit.dimension);
                self.error("unit-mismatch", message, span, "these are other units");
                return None;
            }
            levels.push(number);
        }
        let mut sorted = levels.clone();
        sorted.sort_by(f64::total_cmp);
        sorted.dedup();
        if sorted.len() != levels.len() {
            self.error("repeated-level", "a level stands here twice", value.span, "each level may stand once");
            return None;
        }
        Some(LevelsPlan { coordinate: coordinate.text.clone(), values: levels })
    }

    /// Numbers of a list, a range of whole numbers or a single one, in SI, each with its unit.
    pub(super) fn numbers(&mut self, expr: &Expr) -> Option<Vec<(f64, Unit, Span)>> {
        match &expr.kind {
            ExprKind::List { items, unit } => {
                let shared = match unit {
                    Some(name) => Some((self.unit(name)?, name.clone())),
                    None => None,
                };
                let mut numbers = Vec::new();
                for item in items {
                    let item = with_unit(item, shared.as_ref().map(|(_, name)| name));
                    numbers.extend(self.numbers(&item)?);
                }
                Some(numbers)
            }
            ExprKind::Range { start, end, .. } => {
                let end = self.numbers(end)?;
                let start = self.numbers(start)?;
                let (first, last, unit) = (start.first()?.0, end.first()?.0, end.first()?.1);
                if !unit.dimension.is_none() || first.fract() != 0.0 || last.fract() != 0.0 || last - first > 1e4 {
                    self.error("not-a-list", "`..` counts whole numbers here", expr.span, "write a list instead");
                    return None;
                }
                let (first, last) = (first as i64, last as i64);
                Some((first..=last).map(|n| (n as f64, unit, expr.span)).collect())
            }
            ExprKind::Measure { value, unit } => {
                let unit = match unit {
                    Some(name) => self.unit(name)?,
                    None => units::parse("1").ok()?,
                };
                Some(vec![(unit.to_si(*value), unit, expr.span)])
            }
            ExprKind::Negate(inner) => {
                let inner = self.numbers(inner)?;
                Some(inner.into_iter().map(|(v, unit, span)| (-v, unit, span)).collect())
            }
            _ => {
                self.error("not-a-number", "numbers are wanted here", expr.span, "this is something else");
                None
            }
        }
    }

    fn grid(&mut self, definition: &Definition, value: &Expr) -> Option<GridPlan> {
        let ExprKind::Call { function, inputs } = &value.kind else {
            self.error("not-a-grid", "a grid is a projection", value.span, "for instance lambert(…)");
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
                let mut diagnostic = Diagnostic::error("unknown-name", format!("no projection is called `{other}`"))
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
            self.error("wrong-argument", "`size` is [points west–east, points south–north]", value.span, "here");
            return None;
        };
        if width == 0 || height == 0 || spacing <= 0.0 || latitude.abs() > 89.0 {
            self.error("wrong-argument", "this grid has no extent", value.span, "size and spacing must be positive");
            return None;
        }
        let name = definition.name.text.clone();
        Some(GridPlan { name, projection, width, height, spacing })
    }

    /// A field of the archive, typed once.
    pub(super) fn variable(&mut self, definition: &Definition) -> Option<Variable> {
        if let Some(variable) = self.checked.variables.get(&definition.id) {
            return Some(variable.clone());
        }
        let ItemKind::Variable { ty, from, block, .. } = &definition.item.kind else { return None };
        let Some(ty) = ty else {
            self.error("missing-type", "a variable needs a type", definition.name.span, "write `: QUANTITY on PLACE`");
            return None;
        };
        let (_, units) = self.quantity(&ty.quantity)?;
        let typed = self.field_type(definition.scope, ty)?;
        if typed.support == Support::Constant {
            self.error_with_help(
                "missing-support",
                "a variable lives somewhere",
                (ty.span, "on which levels?"),
                "add `on static`, `on surface(2 m)`, `on column` or `on LEVELS`",
            );
            return None;
        }
        let mut variable = Variable {
            id: definition.id.clone(),
            ty: typed,
            from: from.as_ref().map_or_else(|| definition.name.text.clone(), |f| f.text.clone()),
            units,
            named: None,
            centre: None,
            spread: None,
            span: definition.name.span,
        };
        if let Some(block) = block {
            self.variable_block(definition.scope, block, &mut variable);
        }
        self.checked.variables.insert(definition.id.clone(), variable.clone());
        Some(variable)
    }

    fn variable_block(&mut self, scope: ScopeId, block: &Block, variable: &mut Variable) {
        let clauses = self.clauses("variable", block, &["centre", "spread", "named"]);
        for entry in &clauses.entries {
            let Some(Part::Value(value)) = entry.values.first().and_then(|c| c.parts.first()) else { continue };
            match (entry.word.text.as_str(), &value.kind) {
                ("named", ExprKind::Text(text)) => variable.named = Some(text.clone()),
                ("named", _) => {
                    self.error("wrong-argument", "`named` takes a text", value.span, "for instance named \"2t\"");
                }
                (word, _) => {
                    let Some(typed) = self.expression(scope, value) else { continue };
                    let mut wanted = variable.ty.clone();
                    if word == "spread" && wanted.scale == Scale::Logarithmic {
                        wanted.scale = Scale::Decibel;
                    }
                    if typed.constant() != Some(0.0) && !self.agree_to(&wanted, &typed) {
                        continue;
                    }
                    if word == "centre" {
                        variable.centre = typed.constant();
                    } else {
                        variable.spread = typed.constant();
                    }
                }
            }
        }
    }

    /// A derived field without parameters, typed once. Recursion is refused.
    pub(super) fn derived(&mut self, definition: &Definition) -> Option<Derived> {
        if let Some(derived) = self.checked.derived.get(&definition.id) {
            return Some(derived.clone());
        }
        let ItemKind::Derive { ty, value, bindings, .. } = &definition.item.kind else { return None };
        if !self.enter(definition) {
            return None;
        }
        let typed = self.with_bindings(definition.scope, Vec::new(), bindings, value);
        self.open.pop();
        let typed = typed?;
        let (ty, units) = match ty {
            None => (typed.ty.clone(), typed.ty.dimension.to_string()),
            Some(written) => {
                let mut declared = self.field_type(definition.scope, written)?;
                let (_, units) = self.quantity(&written.quantity)?;
                self.fits(&declared, written.span, &typed)?;
                if declared.support == Support::Constant {
                    declared.support = typed.ty.support.clone();
                }
                (declared, units)
            }
        };
        let derived =
            Derived { id: definition.id.clone(), ty, units, value: typed, span: definition.name.span };
        self.checked.derived.insert(definition.id.clone(), derived.clone());
        Some(derived)
    }

    /// Marks a definition as being worked out; says so if it already is.
    pub(super) fn enter(&mut self, definition: &Definition) -> bool {
        if self.open.contains(&definition.id) {
            let message = format!("`{}` is defined by itself", definition.name.text);
            self.error_with_help(
                "recursion",
                message,
                (definition.name.span, "needs its own value"),
                "a derive may use others, never itself",
            );
            return false;
        }
        self.open.push(definition.id.clone());
        true
    }

    /// What was declared and what the expression is: the same quantity, on the same or a wider support.
    fn fits(&mut self, declared: &FieldType, written: Span, typed: &Typed) -> Option<()> {
        let actual = &typed.ty;
        if declared.dimension != actual.dimension {
            let quantity = declared.quantity.clone().unwrap_or_default();
            let message = format!(
                "{quantity} is measured in {}, but this is {}",
                declared.dimension,
                actual.spoken()
            );
            let mut diagnostic = Diagnostic::error("unit-mismatch", message)
                .label(written, "declared here")
                .label(typed.span, actual.spoken());
            if quantity == "geopotential" && actual.quantity.as_deref() == Some("height") {
                diagnostic = diagnostic.help(
                    "the archive stores geopotential height, Aurora was trained on geopotential: multiply by `g0`",
                );
            }
            self.diagnostics.push(diagnostic);
            return None;
        }
        if let (Some(a), Some(b)) = (&declared.quantity, &actual.quantity)
            && a != b
        {
            self.diagnostics.push(
                Diagnostic::error("quantity-mismatch", format!("{b} is not {a}"))
                    .label(typed.span, "the units agree, the quantities do not")
                    .label(written, format!("declared as {a}")),
            );
            return None;
        }
        let wide = declared.support == Support::Constant
            || declared.support.broadcast(&actual.support).as_ref() == Some(&declared.support);
        if !wide {
            self.diagnostics.push(
                Diagnostic::error(
                    "level-mismatch",
                    format!("declared on {}, but its value is on {}", declared.support, actual.support),
                )
                .label(written, format!("on {}", declared.support))
                .label(typed.span, format!("on {}", actual.support)),
            );
            return None;
        }
        Some(())
    }

    /// `A <= B within C`, as the amount by which it is broken.
    pub(super) fn constraint(&mut self, definition: &Definition) -> Option<Constraint> {
        if let Some(constraint) = self.checked.constraints.get(&definition.id) {
            return Some(constraint.clone());
        }
        let ItemKind::Constraint { relation, mode, bindings, .. } = &definition.item.kind else { return None };
        let ExprKind::Relation { left, comparison, right } = &relation.kind else {
            self.error("not-a-relation", "a constraint compares two things", relation.span, "write `A <= B`");
            return None;
        };
        let scope = definition.scope;
        let mut locals = Vec::new();
        self.bind(scope, &mut locals, bindings)?;
        let left = self.expression_with(scope, &locals, left)?;
        let right = self.expression_with(scope, &locals, right)?;
        let difference = {
            use aurora_grammar::tree::Comparison::*;
            let (a, b) = match comparison {
                GreaterEqual | Greater => (&right, &left),
                _ => (&left, &right),
            };
            let difference = self.sum(Binary::Subtract, a, b, relation.span)?;
            let ty = difference.ty.clone();
            match comparison {
                Equal => self.node_unary(Unary::Absolute, &difference, ty),
                _ => self.positive_part(&difference),
            }
        };
        let tolerance = match mode {
            tree::ConstraintMode::Watched => None,
            tree::ConstraintMode::Always(span) => {
                self.not_yet("a constraint that holds `always` (projection)", *span);
                return None;
            }
            tree::ConstraintMode::Within(expr) => {
                let tolerance = self.expression_with(scope, &locals, expr)?;
                let mut wanted = difference.ty.clone();
                wanted.quantity = None;
                if !self.agree_to(&wanted, &tolerance) {
                    return None;
                }
                let value = tolerance.constant().filter(|v| *v > 0.0);
                if value.is_none() {
                    self.error("wrong-argument", "a tolerance is a positive number", expr.span, "here");
                    return None;
                }
                value
            }
        };
        let constraint = Constraint {
            id: definition.id.clone(),
            violation: difference,
            tolerance,
            span: definition.name.span,
        };
        self.checked.constraints.insert(definition.id.clone(), constraint.clone());
        Some(constraint)
    }
}

/// A bare number takes the unit that stands after the bracket or at the right end.
pub(super) fn with_unit(expr: &Expr, shared: Option<&Name>) -> Expr {
    let mut expr = expr.clone();
    match &mut expr.kind {
        ExprKind::Measure { unit, .. } if unit.is_none() => *unit = shared.cloned(),
        ExprKind::Negate(inner) => **inner = with_unit(inner, shared),
        _ => {}
    }
    expr
}

/// The only value of a chain that has no little words.
pub(super) fn only_value(chain: &Chain) -> Option<&Expr> {
    match &chain.parts[..] {
        [Part::Value(value)] => Some(value),
        _ => None,
    }
}
