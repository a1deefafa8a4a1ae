//! Declarations: quantities, grids, level sets, the types written after `:`.

use aurora_grammar::tree::{self, Block, Bound, Chain, Expr, ExprKind, ItemKind, Name, Part};
use aurora_grammar::{Diagnostic, Span, nearest};
use std::collections::BTreeSet;

use super::{Checker, Constraint, Derived, Variable};
use crate::dimension::Dimension;
use crate::plan::data::{GridPlan, LevelsPlan, Projection};
use crate::resolve::{Definition, ScopeId};
use crate::typed::{Binary, Typed, Unary};
use crate::types::{FieldType, Support};
use crate::units::{self, Scale, Unit};

/// Definitions that need others that need others: so deep and no deeper, for the compiler follows them
/// by recursion and no input may exhaust its stack.
const DEEPEST: usize = 64;
/// For the same reason, operations that need one another's results.
const MOST_OPERATIONS: usize = 1_000;

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
        let long =
            units::LONG.iter().find(|(long, _)| long.eq_ignore_ascii_case(part)).map(|(_, unit)| *unit);
        diagnostic = match long.or_else(|| nearest(part, units::KNOWN)) {
            Some(near) => {
                let whole = name.text.replacen(part, near, 1);
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
        let found = self
            .resolved
            .lookup(scope, &support.name.text)
            .filter(|d| matches!(d.item.kind, ItemKind::Levels { .. }));
        match found {
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

    fn bound(&mut self, scope: ScopeId, bound: Option<&Bound>, ty: &FieldType) -> (Option<f64>, Option<f64>) {
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
                        self.error_with_help(
                            "empty-range",
                            "this range is empty",
                            (range.span, "begins above its end"),
                            "turn its two ends round",
                        );
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
                if !unit.dimension.is_none()
                    || first.fract() != 0.0
                    || last.fract() != 0.0
                    || last - first > 1e4
                {
                    self.error_with_help(
                        "not-a-list",
                        "`..` counts whole numbers here",
                        (expr.span, "these are not"),
                        "write a list instead, for instance [0, 12, 24] km",
                    );
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
                self.error_with_help(
                    "not-a-number",
                    "numbers are wanted here",
                    (expr.span, "this is something else"),
                    "for instance 35 dBZ, or [20, 35] dBZ",
                );
                None
            }
        }
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

    /// A field of the archive, typed once.
    pub(super) fn variable(&mut self, definition: &Definition) -> Option<Variable> {
        if let Some(variable) = self.checked.variables.get(&definition.id) {
            return Some(variable.clone());
        }
        if !self.failed.insert(definition.id.clone()) {
            return None; // it was tried before, and complained of
        }
        let ItemKind::Variable { ty, from, block, .. } = &definition.item.kind else { return None };
        let Some(ty) = ty else {
            self.error_with_help(
                "missing-type",
                format!("the variable `{}` needs a type", definition.name.text),
                (definition.name.span, "measures what, and where?"),
                format!(
                    "for instance: variable {} : temperature on surface(2 m) from \"FIELD\"",
                    definition.name.text
                ),
            );
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
            let Some(Part::Value(value)) = entry.values.first().and_then(|c| c.parts.first()) else {
                continue;
            };
            match (entry.word.text.as_str(), &value.kind) {
                ("named", ExprKind::Text(text)) => variable.named = Some(text.clone()),
                ("named", _) => {
                    self.error(
                        "wrong-argument",
                        "`named` takes a text",
                        value.span,
                        "for instance named \"2t\"",
                    );
                }
                (word, _) => {
                    let Some(typed) = self.expression(scope, value) else { continue };
                    let constant = typed.constant();
                    if constant.is_none() || word == "spread" && constant.is_some_and(|c| c <= 0.0) {
                        let reason = if word == "spread" {
                            "a spread is a positive number"
                        } else {
                            "a centre is a number"
                        };
                        let help = format!(
                            "in the unit of the variable, for instance: {word} 10 {}",
                            variable.units
                        );
                        self.error_with_help("wrong-argument", reason, (value.span, "this is none"), help);
                        continue;
                    }
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
        if self.failed.contains(&definition.id) {
            return None;
        }
        let derived = self.derive_once(definition);
        match &derived {
            Some(derived) => {
                self.checked.derived.insert(definition.id.clone(), derived.clone());
            }
            None => {
                self.failed.insert(definition.id.clone());
            }
        }
        derived
    }

    fn derive_once(&mut self, definition: &Definition) -> Option<Derived> {
        let ItemKind::Derive { ty, value, bindings, .. } = &definition.item.kind else { return None };
        if !self.enter(definition) {
            return None;
        }
        let typed = self.with_bindings(definition.scope, Vec::new(), bindings, value);
        self.open.pop();
        let typed = typed?;
        if typed.depth > MOST_OPERATIONS {
            let message = format!("`{}` is too long a chain of operations", definition.name.text);
            let help = format!("at most {MOST_OPERATIONS} operations may need one another's results");
            self.error_with_help(
                "too-deep",
                message,
                (definition.name.span, "together with all that it is derived from"),
                help,
            );
            return None;
        }
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
        Some(Derived { id: definition.id.clone(), ty, units, value: typed, span: definition.name.span })
    }

    /// Marks a definition as being worked out; says so if it already is.
    pub(super) fn enter(&mut self, definition: &Definition) -> bool {
        if self.open.contains(&definition.id) {
            self.recursion(definition);
            return false;
        }
        if self.open.len() >= DEEPEST {
            self.error_with_help(
                "too-deep",
                format!("`{}` needs too many others that need others", definition.name.text),
                (definition.name.span, "not followed from here on"),
                format!("a chain of definitions may have {DEEPEST} links"),
            );
            return false;
        }
        self.open.push(definition.id.clone());
        true
    }

    /// Says once of a whole circle of definitions that it is one.
    fn recursion(&mut self, definition: &Definition) {
        let from = self.open.iter().position(|id| *id == definition.id).unwrap_or(0);
        let circle: Vec<String> = self.open[from..].to_vec();
        if circle.iter().any(|id| self.failed.contains(id)) {
            return;
        }
        let message = format!("`{}` is defined by itself", definition.name.text);
        let mut diagnostic = Diagnostic::error("recursion", message);
        for (at, id) in circle.iter().enumerate() {
            let Some(one) = self.resolved.definitions.get(id) else { continue };
            let next =
                circle.get(at + 1).and_then(|id| self.resolved.definitions.get(id)).unwrap_or(definition);
            let text = match circle.len() {
                1 => "needs its own value".to_string(),
                _ => format!("needs `{}`", next.name.text),
            };
            diagnostic = diagnostic.label(one.name.span, text);
        }
        self.failed.extend(circle);
        self.diagnostics
            .push(diagnostic.help("a definition may use others, never itself, not even by way of others"));
    }

    /// What was declared and what the expression is: the same quantity, on the same or a wider support.
    fn fits(&mut self, declared: &FieldType, written: Span, typed: &Typed) -> Option<()> {
        let actual = &typed.ty;
        if declared.dimension != actual.dimension {
            let quantity = declared.quantity.clone().unwrap_or_default();
            let message = format!(
                "{quantity} is measured in {}, but this is {}",
                self.units_spoken(declared),
                actual.spoken()
            );
            let mut diagnostic = Diagnostic::error("unit-mismatch", message)
                .label(written, "declared here")
                .label(typed.span, format!("in {}", self.units_spoken(actual)))
                .help("declare the quantity that it is, or bring the expression to these units");
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
                    .label(typed.span, format!("{b}: the units agree, the quantities do not"))
                    .label(written, format!("declared as {a}"))
                    .help(format!("declare it as {b}, or derive it from fields that are {a}")),
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
                .label(typed.span, format!("on {}", actual.support))
                .help(match (&declared.support, &actual.support) {
                    (_, Support::Levels(_)) => {
                        "choose a level (`t at 500 hPa`) or reduce a layer (`mean(t over 500 .. 1000 hPa)`)"
                            .to_string()
                    }
                    (_, actual) => format!("declare it `on {actual}`"),
                }),
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
        if !self.failed.insert(definition.id.clone()) {
            return None; // it was tried before, and complained of
        }
        let ItemKind::Constraint { relation, mode, bindings, .. } = &definition.item.kind else {
            return None;
        };
        // The grammar admits nothing but a relation here.
        let ExprKind::Relation { left, comparison, right } = &relation.kind else { return None };
        let scope = definition.scope;
        let mut locals = Vec::new();
        self.bind(scope, &mut locals, bindings)?;
        let left = self.expression_with(scope, &locals, left)?;
        let right = self.expression_with(scope, &locals, right)?;
        self.agree(&left, &right, "compared with")?;
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
                self.agree(&difference, &tolerance, "held within")?;
                let value = tolerance.constant().filter(|v| *v > 0.0 && v.is_finite());
                if value.is_none() {
                    self.error_with_help(
                        "wrong-argument",
                        "a tolerance is a positive number",
                        (expr.span, "this is none"),
                        "by how much the relation may fail before it counts, for instance: within 0.5 g/kg",
                    );
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

/// Points of a grid in one direction: more than any model has, and still safe to multiply.
const MOST_POINTS: usize = 100_000;

fn example_of(coordinate: &str) -> &'static str {
    match coordinate {
        "pressure" => "[1000, 850, 500] hPa",
        "height" => "[80, 250, 500] m",
        _ => "1 .. 50",
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

/// The only value of a clause that has just one.
pub(super) fn single(clause: &tree::Clause) -> Option<&Expr> {
    match &clause.values[..] {
        [chain] => only_value(chain),
        _ => None,
    }
}

/// The only value of a chain that has no little words.
pub(super) fn only_value(chain: &Chain) -> Option<&Expr> {
    match &chain.parts[..] {
        [Part::Value(value)] => Some(value),
        _ => None,
    }
}
