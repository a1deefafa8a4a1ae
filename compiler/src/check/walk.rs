//! The only loops there are: `scan pl upward from p0 { start … step … }` along the levels of a column, and
//! `iterate 5 { start … step … }`, the same step a fixed number of times.

use aurora_grammar::tree::{Binding, Expr, ItemKind, Name};
use aurora_grammar::{Diagnostic, Span, nearest};

use super::Checker;
use super::derivative::reached;
use super::expression::{Locals, node};
use super::fields::MOST_OPERATIONS;
use super::place::Coordinate;
use crate::plan::data::LevelsPlan;
use crate::range;
use crate::resolve::ScopeId;
use crate::typed::{Binary, Typed, TypedKind, with_states};
use crate::types::{FieldType, Support};
use crate::units::Scale;

/// More steps than any Newton iteration needs.
const MOST_STEPS: f64 = 64.0;
/// More operations than a kernel may have in all loops written out.
const MOST_WRITTEN: usize = 100_000;

/// Under this name, which nobody can write, the lines of a walk know the level before each.
const PREVIOUS: &str = "previous(x)";

/// A `scan` as written.
pub struct ScanForm<'a> {
    pub levels: &'a Name,
    pub direction: &'a Name,
    pub from: Option<&'a Expr>,
    pub lines: Lines<'a>,
}

/// The lines of a block: what is carried, what several steps need, how it changes.
#[derive(Clone, Copy)]
pub struct Lines<'a> {
    pub states: &'a [Binding],
    pub bindings: &'a [Binding],
    pub steps: &'a [Binding],
}

/// A walk whose states are known by type: its number, their starts, and what the steps may speak of.
struct Walk {
    number: usize,
    starts: Vec<Typed>,
    locals: Locals,
}

/// Where a scan goes.
struct Way {
    coordinate: Coordinate,
    /// From the last level stored to the first.
    reverse: bool,
    /// The coordinate gets less on the way.
    falling: bool,
}

impl Checker<'_> {
    /// One value per level: what the first state is there. Levels that are not yet reached hold its start. In the steps
    /// `here` is the coordinate of the level, `previous` that of the level before, or `from` on the first that is
    /// reached; states are what they were on the level before, and a field on the set is its value on the level.
    pub(super) fn scan(
        &mut self,
        scope: ScopeId,
        locals: &Locals,
        form: &ScanForm<'_>,
        span: Span,
    ) -> Option<Typed> {
        let set = self.set_named(scope, form.levels)?;
        let from = match form.from {
            Some(expr) => {
                let from = self.expression_with(scope, locals, expr)?;
                self.is_whole(&from)?;
                self.is_one_per_column(&from, "where a walk begins")?;
                Some(from)
            }
            None => None,
        };
        let way = self.way(&set, form, from.as_ref())?;
        let mut walk = self.begin(scope, locals, form.lines.states, Some(&set), span)?;
        for start in walk.starts.clone() {
            self.is_whole(&start)?;
            self.is_one_per_column(&start, "what a walk begins with")?;
        }
        let here = way.coordinate.field.clone();
        let count = self.checked.levels.get(&set)?.values.len();
        let previous = before(&here, &way, from.as_ref(), count, span);
        walk.locals.insert(locals.len(), ("here".to_string(), here.clone()));
        walk.locals.insert(locals.len(), ("previous".to_string(), previous));
        if form.from.is_none() {
            walk.locals.insert(locals.len(), (PREVIOUS.to_string(), shifted(&here, &way, span)));
        }
        let active = from.map(|from| {
            let ty = FieldType { support: here.ty.support.clone(), ..FieldType::number() };
            node(TypedKind::Compare(reached(way.falling), here.clone(), from), ty, span)
        });
        let steps = self.steps(scope, &mut walk, form.lines)?;
        let mut ty = self.state_type(walk.starts.first()?, Some(&set));
        ty.quantity = ty.quantity.or_else(|| steps.first()?.ty.quantity.clone());
        for step in &steps {
            // A step may use fields of its own set, or of none.
            let on_set = node(TypedKind::Constant(0.0), self.state_type(step, Some(&set)), form.levels.span);
            self.broadcast(step, &on_set)?;
        }
        let kind = TypedKind::Scan {
            walk: walk.number,
            reverse: way.reverse,
            active,
            along: here,
            starts: walk.starts,
            steps,
            names: form.lines.states.iter().map(|state| state.name.text.clone()).collect(),
            result: 0,
        };
        Some(node(kind, ty, span))
    }

    /// `previous(x)`: a field on the level that a walk visited before; on its first level, as it is there.
    pub(super) fn previous(&mut self, locals: &Locals, value: &Typed, span: Span) -> Option<Typed> {
        self.is_whole(value)?;
        let way = locals.iter().rev().find(|(name, _)| name == PREVIOUS).map(|(_, way)| way);
        let Some((&TypedKind::Shift { by, .. }, set)) = way.map(|way| (&way.kind, &way.ty.support)) else {
            self.error_with_help(
                "wrong-argument",
                "only within a walk along the levels is there a level before",
                (span, "not in a `scan`, or in one that begins between levels"),
                "for instance: scan pl upward { start s = 0 K   step s = s + (t - previous(t)) }",
            );
            return None;
        };
        if value.ty.support.levels().is_none() {
            return Some(value.clone());
        }
        let on_set = FieldType { support: set.clone(), ..FieldType::number() };
        self.broadcast(value, &node(TypedKind::Constant(0.0), on_set, span))?;
        Some(node(TypedKind::Shift { value: value.clone(), by }, value.ty.clone(), span))
    }

    /// The first state after `count` steps: the steps are written out one after the other.
    pub(super) fn iterate(
        &mut self,
        scope: ScopeId,
        locals: &Locals,
        count: &Expr,
        lines: Lines<'_>,
        span: Span,
    ) -> Option<Typed> {
        let times = self.expression_with(scope, locals, count)?;
        let number = times.constant().filter(|n| n.fract() == 0.0 && (1.0..=MOST_STEPS).contains(n));
        let Some(number) = number.filter(|_| times.ty.is_plain_number()) else {
            self.error_with_help(
                "wrong-argument",
                format!("`iterate` takes a whole number from 1 to {MOST_STEPS}"),
                (count.span, "this is none"),
                "so many steps are written out; for instance: iterate 5 { … }",
            );
            return None;
        };
        let mut walk = self.begin(scope, locals, lines.states, None, span)?;
        let steps = self.steps(scope, &mut walk, lines)?;
        for (start, step) in walk.starts.iter().zip(&steps) {
            self.broadcast(start, step)?;
        }
        let size: usize = steps.iter().map(|step| step.size(MOST_WRITTEN)).sum();
        self.written = self.written.saturating_add(size.saturating_mul(number as usize));
        self.not_too_large(&walk.starts, span)?;
        let mut values = walk.starts.clone();
        for _ in 0..number as usize {
            values = steps.iter().map(|step| with_states(step, walk.number, &values)).collect();
            self.not_too_large(&values, span)?;
        }
        let result = values.first()?;
        let mut ty =
            FieldType { support: result.ty.support.clone(), ..self.state_type(walk.starts.first()?, None) };
        ty.quantity = ty.quantity.or_else(|| result.ty.quantity.clone());
        Some(node(TypedKind::Same(result.clone()), ty, span))
    }

    fn set_named(&mut self, scope: ScopeId, name: &Name) -> Option<String> {
        let Some(definition) = self.resolved.lookup(scope, &name.text).cloned() else {
            self.unknown(scope, &name.text, name.span, "");
            return None;
        };
        if matches!(definition.item.kind, ItemKind::Levels { .. }) {
            return self.checked.levels.contains_key(&definition.id).then_some(definition.id);
        }
        self.diagnostics.push(
            Diagnostic::error("wrong-argument", format!("`{}` is no set of levels", name.text))
                .label(name.span, "walked along")
                .label(definition.name.span, "defined here")
                .help("for instance: scan pl upward { … }"),
        );
        None
    }

    /// `upward` is towards lower pressure or greater height, whatever order the levels are stored in; on a set that is
    /// only counted, towards greater numbers.
    fn way(&mut self, set: &str, form: &ScanForm<'_>, from: Option<&Typed>) -> Option<Way> {
        let word = &form.direction;
        let upward = match word.text.as_str() {
            "upward" => true,
            "downward" => false,
            other => {
                let message = format!("a walk goes `upward` or `downward`, not `{other}`");
                let mut diagnostic = Diagnostic::error("wrong-argument", message)
                    .label(word.span, "which way?")
                    .help("for instance: scan pl upward from p0 { … }");
                if let Some(near) = nearest(other, ["upward", "downward"]) {
                    diagnostic = diagnostic.help(format!("did you mean `{near}`?")).fix(word.span, near);
                }
                self.diagnostics.push(diagnostic);
                return None;
            }
        };
        let levels = self.checked.levels.get(set)?.clone();
        let Some(stored_upward) = stored_upward(&levels) else {
            self.error_with_help(
                "wrong-argument",
                "these levels are in no order",
                (form.levels.span, "there is no way up"),
                "write the set of levels in ascending or descending order",
            );
            return None;
        };
        let coordinate = match from {
            Some(from) => self.coordinate(set, from.ty.dimension, from)?,
            None => self.coordinates(set).remove(&levels.coordinate)?,
        };
        let falling = upward == (coordinate.name == "pressure");
        Some(Way { coordinate, reverse: upward != stored_upward, falling })
    }

    /// The starts, and the states as the steps see them.
    fn begin(
        &mut self,
        scope: ScopeId,
        locals: &Locals,
        states: &[Binding],
        set: Option<&str>,
        span: Span,
    ) -> Option<Walk> {
        if states.is_empty() {
            self.error_with_help(
                "wrong-argument",
                "a walk carries at least one number along",
                (span, "it has no `start`"),
                "for instance: start tp = t0, and on the next line: step tp = tp + …",
            );
            return None;
        }
        self.walks += 1;
        let mut walk = Walk { number: self.walks, starts: Vec::new(), locals: locals.clone() };
        for (number, state) in states.iter().enumerate() {
            if let Some(first) = states[..number].iter().find(|other| other.name.text == state.name.text) {
                self.diagnostics.push(
                    Diagnostic::error("repeated-name", format!("`{}` starts twice", state.name.text))
                        .label(state.name.span, "again")
                        .label(first.name.span, "first")
                        .help("keep one of them"),
                );
                return None;
            }
            let start = self.expression_with(scope, locals, &state.value)?;
            let ty = self.state_type(&start, set);
            let kind = TypedKind::State { walk: walk.number, number };
            walk.locals.push((state.name.text.clone(), node(kind, ty, state.name.span)));
            walk.starts.push(start);
        }
        Some(walk)
    }

    /// States keep the type of their start; how far they get is not known.
    pub(super) fn state_type(&self, start: &Typed, set: Option<&str>) -> FieldType {
        let support = set.map_or_else(|| start.ty.support.clone(), |set| Support::Levels(set.to_string()));
        let scale = if start.ty.scale == Scale::Affine { Scale::Ratio } else { start.ty.scale };
        FieldType { support, scale, layer: None, range: range::UNKNOWN, ..start.ty.clone() }
    }

    /// What each state becomes, in the order of the starts.
    fn steps(
        &mut self,
        scope: ScopeId,
        walk: &mut Walk,
        Lines { states, bindings, steps }: Lines<'_>,
    ) -> Option<Vec<Typed>> {
        for (number, binding) in bindings.iter().enumerate() {
            let name = &binding.name.text;
            let others = states.iter().chain(&bindings[..number]);
            if let Some(first) = others.into_iter().find(|other| other.name.text == *name) {
                self.diagnostics.push(
                    Diagnostic::error("repeated-name", format!("`{name}` stands for two things"))
                        .label(binding.name.span, "again")
                        .label(first.name.span, "first")
                        .help("give one of them another name"),
                );
                return None;
            }
        }
        self.bind(scope, &mut walk.locals, bindings)?;
        for (number, step) in steps.iter().enumerate() {
            let name = &step.name.text;
            if let Some(first) = steps[..number].iter().find(|other| other.name.text == *name) {
                self.diagnostics.push(
                    Diagnostic::error("repeated-name", format!("`{name}` takes two steps"))
                        .label(step.name.span, "again")
                        .label(first.name.span, "first")
                        .help("keep one of them"),
                );
                return None;
            }
            if !states.iter().any(|state| state.name.text == *name) {
                let message = format!("`{name}` has a step, but no start");
                let help = format!("write before it: start {name} = …");
                self.error_with_help(
                    "wrong-argument",
                    message,
                    (step.name.span, "what is it at first?"),
                    help,
                );
                return None;
            }
        }
        let mut found = Vec::with_capacity(states.len());
        for (state, start) in states.iter().zip(&walk.starts) {
            let name = &state.name.text;
            let Some(step) = steps.iter().find(|step| step.name.text == *name) else {
                let message = format!("`{name}` has a start, but no step");
                let help = format!("write: step {name} = …, or use the value itself, for it never changes");
                self.error_with_help("wrong-argument", message, (state.name.span, "stays as it is"), help);
                return None;
            };
            let value = self.expression_with(scope, &walk.locals, &step.value)?;
            self.agree(start, &value, "carried on as")?;
            let points = [start.ty.scale, value.ty.scale].map(|scale| match scale {
                Scale::Affine => Scale::Ratio,
                other => other,
            });
            if points[0] != points[1] {
                let message = format!("`{name}` starts in dBZ and goes on in dB, or the other way round");
                let help = "add a difference in dB to a value in dBZ";
                self.error_with_help(
                    "logarithmic-arithmetic",
                    message,
                    (step.value.span, "another scale"),
                    help,
                );
                return None;
            }
            found.push(value);
        }
        Some(found)
    }

    /// Refuses what would be too long or too large when written out.
    fn not_too_large(&mut self, values: &[Typed], span: Span) -> Option<()> {
        let longest = values.iter().map(|value| value.depth).max().unwrap_or(0);
        if longest <= MOST_OPERATIONS && self.written <= MOST_WRITTEN {
            return Some(());
        }
        self.error_with_help(
            "too-deep",
            "written out, these steps are too long a chain of operations",
            (span, "each step needs the one before"),
            format!(
                "at most {MOST_OPERATIONS} operations may need one another's results, and {MOST_WRITTEN} be written \
                 out in all: take fewer steps, or shorter ones"
            ),
        );
        None
    }

    /// A column that is still being walked along has a value on one level at a time: nothing can look along it.
    pub(super) fn is_whole(&mut self, value: &Typed) -> Option<()> {
        if !value.stateful {
            return Some(());
        }
        self.error_with_help(
            "unfinished-walk",
            "this looks along a column that is still being walked",
            (value.span, "known on one level at a time"),
            "give the walk a name of its own, derive x = scan …, and look along x afterwards",
        );
        None
    }
}

/// A column as it is on the level visited before; on the first level, as it is there.
fn shifted(value: &Typed, way: &Way, span: Span) -> Typed {
    let by = if way.reverse { 1 } else { -1 };
    node(TypedKind::Shift { value: value.clone(), by }, value.ty.clone(), span)
}

/// The coordinate of the level visited before, as a column: on the first level reached it is where the walk began.
fn before(here: &Typed, way: &Way, from: Option<&Typed>, count: usize, span: Span) -> Typed {
    let ty = FieldType { range: here.ty.range, ..here.ty.clone() };
    let shifted = shifted(here, way, span);
    let Some(from) = from else { return shifted };
    // Levels below the start have not been walked: the walk came from its start.
    let op = if way.falling { Binary::Minimum } else { Binary::Maximum };
    let walked = node(TypedKind::Binary(op, shifted, from.clone()), ty.clone(), span);
    let first = if way.reverse { count.saturating_sub(1) } else { 0 };
    let mask = (0..count).map(|level| if level == first { 1.0 } else { 0.0 }).collect();
    let mask = node(
        TypedKind::PerLevel(mask),
        FieldType { support: ty.support.clone(), ..FieldType::number() },
        span,
    );
    node(TypedKind::Select { mask, then: from.clone(), otherwise: walked }, ty, span)
}

/// Whether the lowest level of a set is stored first; nothing if they are in no order.
pub(super) fn stored_upward(levels: &LevelsPlan) -> Option<bool> {
    Some(rising(levels)? == (levels.coordinate != "pressure"))
}

/// Whether the numbers of a set rise in stored order; nothing if they are in no order.
fn rising(levels: &LevelsPlan) -> Option<bool> {
    let mut pairs = levels.values.windows(2);
    let first = levels.values.first()? <= levels.values.last()?;
    pairs.all(|pair| (pair[0] < pair[1]) == first).then_some(first)
}
