//! From resolved items to a typed recipe: every name known, every quantity and unit in its place.

mod agreement;
mod architecture;
mod arguments;
mod base;
mod clauses;
mod column;
mod comparison;
mod condition;
mod constraint;
mod data;
mod derivative;
mod each;
mod ensemble;
mod evaluation;
mod expression;
mod fields;
mod function;
mod grids;
mod ground;
mod groups;
mod head;
mod intrinsic;
mod kinds;
mod loss;
mod minimise;
mod model;
mod numbers;
mod phase;
mod place;
mod repair;
mod role;
mod sampling;
mod schedule;
mod science;
mod score;
mod split;
mod states;
mod trained;
mod walk;
mod watching;

use std::collections::{BTreeMap, BTreeSet};

use aurora_grammar::tree::{Expr, ItemKind, Name};
use aurora_grammar::{Diagnostic, Diagnostics, Span, nearest};

use crate::plan::data::{GridPlan, LevelsPlan};
use crate::plan::evaluation::EvaluationPlan;
use crate::plan::training::{LossPlan, PhasePlan};
use crate::range::Range;
use crate::resolve::{Definition, RECIPE, Resolved, ScopeId};
use crate::site::Site;
use crate::typed::Typed;
use crate::types::FieldType;

pub use architecture::{Given, Value};
pub use base::BaseChoice;
pub(crate) use clauses::REPEATED;
pub use data::DataChoice;
pub use ensemble::EnsembleChoice;
pub use function::INTRINSICS;
pub use model::ModelChoice;
pub use role::Cast;
pub(crate) use science::tile_not_multiple::check as tile_not_multiple;

/// A recipe of which everything is known that can be known without its data.
#[derive(Debug, Default)]
pub struct Checked {
    pub name: String,
    pub title: Option<String>,
    pub grids: BTreeMap<String, GridPlan>,
    pub levels: BTreeMap<String, LevelsPlan>,
    pub variables: BTreeMap<String, Variable>,
    pub derived: BTreeMap<String, Derived>,
    pub constraints: BTreeMap<String, Constraint>,
    pub losses: BTreeMap<String, LossPlan>,
    /// Relations in `when`, by the name of their kernel.
    pub conditions: BTreeMap<String, Typed>,
    pub data: Option<DataChoice>,
    pub model: Option<ModelChoice>,
    /// What the device that trains can do, if the site says so.
    pub machine: Option<crate::site::MachineProfile>,
    pub phases: Vec<PhasePlan>,
    pub evaluations: Vec<EvaluationPlan>,
    pub ensemble: Option<EnsembleChoice>,
    /// The members of the ensemble, as recipes of their own, in alphabetical order.
    pub members: Vec<(String, Checked)>,
}

#[derive(Clone, Debug)]
pub struct Variable {
    pub id: String,
    pub ty: FieldType,
    pub from: String,
    /// The canonical unit of its quantity, in which it is stored.
    pub units: String,
    /// The name the checkpoint knows it by, if it differs.
    pub named: Option<String>,
    pub centre: Option<f64>,
    pub spread: Option<f64>,
    /// The same where each level has its own, in the order of the levels.
    pub centres: Vec<f64>,
    pub spreads: Vec<f64>,
    /// The first day from which the archive carries it, at midnight UTC.
    pub since: Option<jiff::Timestamp>,
    pub span: Span,
}

#[derive(Clone, Debug)]
pub struct Derived {
    pub id: String,
    /// Its range is both what was declared and what was computed.
    pub ty: FieldType,
    /// The range as declared.
    pub declared: Range,
    pub units: String,
    pub value: Typed,
    /// As of a variable: what the checkpoint calls it, and how it is scaled.
    pub named: Option<String>,
    pub centre: Option<f64>,
    pub spread: Option<f64>,
    /// The same where each level has its own, in the order of the levels.
    pub centres: Vec<f64>,
    pub spreads: Vec<f64>,
    pub span: Span,
}

#[derive(Clone, Debug)]
pub struct Constraint {
    pub id: String,
    /// By how much it is broken: 0 where it holds, in units of its quantity.
    pub violation: Typed,
    /// In SI units; nothing if it was not given.
    pub tolerance: Option<f64>,
    /// How it is made to hold, if it is to hold always.
    pub projection: Option<Projection>,
    pub span: Span,
}

/// A prediction is cut to a bound: `field = min(field, bound)` if the bound is the upper one, else `max`.
#[derive(Clone, Debug)]
pub struct Projection {
    /// The id of the predicted field.
    pub field: String,
    pub bound: Typed,
    pub upper: bool,
}

/// Checks everything of a recipe, collecting diagnostics and going on.
pub fn check(resolved: &Resolved, site: &dyn Site, diagnostics: &mut Diagnostics) -> Checked {
    let (members, said) = ensemble::members(resolved, site);
    let mut own = std::mem::take(diagnostics);
    let checked = check_one(resolved, members, site, &mut own);
    ensemble::gather(own, said, diagnostics);
    checked
}

/// One recipe: the whole with what is known of its members, or a member by itself.
fn check_one(
    resolved: &Resolved,
    members: Vec<(String, Checked)>,
    site: &dyn Site,
    diagnostics: &mut Diagnostics,
) -> Checked {
    let mut checker = Checker::new(resolved, members, diagnostics);
    checker.declarations();
    checker.data(site);
    checker.own_items();
    checker.model(site);
    checker.quantities_of_roles();
    checker.checked.machine = site.machine();
    checker.phases();
    checker.ensemble();
    checker.evaluations(site);
    checker.science(site);
    checker.checked
}

/// Checks fields alone: the recipe's own variables, levels and derived fields, and what its libraries derive under the
/// names in `wanted`. Neither data nor a model nor training is asked for.
pub fn check_fields(resolved: &Resolved, wanted: &[String], diagnostics: &mut Diagnostics) -> Checked {
    let mut checker = Checker::new(resolved, Vec::new(), diagnostics);
    checker.fields_alone = true;
    checker.declarations();
    checker.own_fields();
    for name in wanted {
        if let Some(definition) = resolved.lookup(RECIPE, name).cloned()
            && matches!(&definition.item.kind, ItemKind::Derive { parameters, .. } if parameters.is_empty())
        {
            checker.derived(&definition);
        }
    }
    checker.checked
}

/// The state of a check: what is known so far, and what is being worked out (to refuse recursion).
struct Checker<'a> {
    resolved: &'a Resolved,
    diagnostics: &'a mut Diagnostics,
    checked: Checked,
    /// Neither data nor a model are looked at.
    fields_alone: bool,
    open: Vec<String>,
    /// What turned out wrong and has been complained of; who uses it is not told again.
    failed: BTreeSet<String>,
    /// Calls of functions inlined so far.
    inlined: usize,
    /// Walks along levels and iterations met so far, by which their states are told apart.
    walks: usize,
    /// The `each` that is being written, if one is.
    eaches: Vec<each::Open>,
    /// Sets of levels with the ground below them, and the sets that they are without it.
    grounds: BTreeMap<String, String>,
    /// Operations written out by iterations so far.
    written: usize,
    /// Coordinates of level sets, as far as they were asked for.
    coordinates: BTreeMap<String, BTreeMap<String, place::Coordinate>>,
    /// The items of the library of the recipe's archive, if it is not used but asked.
    catalogue: Option<(String, Vec<aurora_grammar::tree::Item>)>,
    /// Thresholds of the evaluation at hand, whose events are still to be counted.
    pending_events: Vec<PendingEvent>,
}

/// A threshold as written, in the field's units.
struct PendingEvent {
    id: String,
    name: String,
    span: Span,
    threshold: f64,
}

impl<'a> Checker<'a> {
    fn new(
        resolved: &'a Resolved,
        members: Vec<(String, Checked)>,
        diagnostics: &'a mut Diagnostics,
    ) -> Checker<'a> {
        let header = resolved.header.as_ref();
        let checked = Checked {
            name: header.map(|header| header.name.text.clone()).unwrap_or_default(),
            title: header.and_then(|header| header.title.as_ref()).map(|title| title.text.clone()),
            members,
            ..Checked::default()
        };
        Checker {
            resolved,
            diagnostics,
            checked,
            fields_alone: false,
            open: Vec::new(),
            failed: BTreeSet::new(),
            inlined: 0,
            walks: 0,
            eaches: Vec::new(),
            grounds: BTreeMap::new(),
            written: 0,
            coordinates: BTreeMap::new(),
            catalogue: None,
            pending_events: Vec::new(),
        }
    }
}

impl Checker<'_> {
    /// Types the recipe's own variables, levels and derived fields, and nothing that speaks of a model.
    fn own_fields(&mut self) {
        let own: Vec<Definition> =
            self.resolved.definitions.values().filter(|d| d.library.is_none()).cloned().collect();
        for definition in &own {
            match &definition.item.kind {
                ItemKind::Derive { parameters, .. } if !parameters.is_empty() => {
                    self.function_alone(definition);
                }
                ItemKind::Derive { .. } => {
                    self.derived(definition);
                }
                ItemKind::Variable { .. } => {
                    self.variable(definition);
                }
                ItemKind::Levels { .. } => {
                    self.coordinates(&definition.id);
                }
                _ => {}
            }
        }
    }

    /// Types every item the recipe itself writes, whether or not something uses it.
    fn own_items(&mut self) {
        let own: Vec<Definition> =
            self.resolved.definitions.values().filter(|d| d.library.is_none()).cloned().collect();
        // Functions first, so that a mistake in one is told of the function and not of who calls it.
        let is_function = |d: &&Definition| matches!(&d.item.kind, ItemKind::Derive { parameters, .. } if !parameters.is_empty());
        for definition in own.iter().filter(is_function) {
            self.function_alone(definition);
        }
        for definition in own.iter().filter(|d| !is_function(d)) {
            match &definition.item.kind {
                ItemKind::Derive { .. } => {
                    self.derived(definition);
                }
                ItemKind::Constraint { .. } => {
                    self.constraint(definition);
                }
                ItemKind::Variable { .. } => {
                    self.variable(definition);
                }
                ItemKind::Levels { .. } => {
                    self.coordinates(&definition.id);
                }
                ItemKind::Loss { .. } if !self.checked.losses.contains_key(&definition.name.text) => {
                    self.loss(definition);
                }
                _ => {}
            }
        }
    }

    /// Says that a name is not known, with the nearest that is, and where that one is defined.
    fn unknown(&mut self, scope: ScopeId, name: &str, span: Span, what: &str) {
        if self.resolved.scopes[scope].lost.contains(name) || self.resolved.scopes[RECIPE].lost.contains(name)
        {
            return; // its `use` has been complained of
        }
        let mut diagnostic =
            Diagnostic::error("unknown-name", format!("nothing called `{name}` is in scope"))
                .label(span, format!("not found{what}"));
        let visible: Vec<&str> = self.resolved.visible(scope).collect();
        if let Some(near) = nearest(name, visible.iter().copied()) {
            if let Some(definition) = self.resolved.lookup(scope, near) {
                diagnostic = diagnostic.label(definition.name.span, "this has nearly the same name");
            }
            diagnostic = diagnostic.help(format!("did you mean `{near}`?")).fix(span, near);
        } else if let Some((library, _)) = library_with(name) {
            diagnostic = diagnostic.help(format!("{library} has it: use {library} ({name})"));
        } else {
            diagnostic =
                diagnostic.help("bring it in with `use LIBRARY (NAME)`, or define it: derive NAME = …");
        }
        self.diagnostics.push(diagnostic);
    }

    fn error(
        &mut self,
        code: &'static str,
        message: impl Into<String>,
        span: Span,
        label: impl Into<String>,
    ) {
        self.diagnostics.push(Diagnostic::error(code, message.into()).label(span, label.into()));
    }

    fn error_with_help(
        &mut self,
        code: &'static str,
        message: impl Into<String>,
        (span, label): (Span, &str),
        help: impl Into<String>,
    ) {
        self.diagnostics
            .push(Diagnostic::error(code, message.into()).label(span, label.to_string()).help(help.into()));
    }
}

/// The one value of a clause, or a diagnostic: nothing that is written may be passed over.
impl Checker<'_> {
    fn value_of(&mut self, clause: &aurora_grammar::tree::Clause, example: &str) -> Option<Expr> {
        if let [chain] = &clause.values[..]
            && let Some(value) = numbers::only_value(chain)
        {
            return Some(value.clone());
        }
        let word = &clause.word.text;
        let span = clause.values.first().map_or(clause.span, |first| first.span.to(clause.span));
        self.error_with_help(
            "wrong-argument",
            format!("`{word}` takes one value"),
            (span, "this is more"),
            format!("for instance: {word}  {example}"),
        );
        None
    }
}

/// The library that defines a name, to say `use std.hrrr (t)`.
fn library_with(name: &str) -> Option<(&'static str, &'static str)> {
    let definition = |text: &str, word: &str| {
        text.lines().any(|line| {
            let mut words = line.split(|c: char| c.is_whitespace() || c == '(' || c == ':');
            words.next() == Some(word) && words.next() == Some(name)
        })
    };
    crate::library::LIBRARIES
        .iter()
        .find(|(_, text)| ["variable", "derive", "levels", "grid"].iter().any(|word| definition(text, word)))
        .copied()
}

/// A name in an expression, if the expression is nothing else.
fn bare_name(expr: &Expr) -> Option<Name> {
    match &expr.kind {
        aurora_grammar::tree::ExprKind::Path(text) => Some(Name { text: text.clone(), span: expr.span }),
        _ => None,
    }
}

/// The functions that the checks know themselves, for editors: those of fields, and those of losses.
pub(crate) fn function_words() -> impl Iterator<Item = &'static str> {
    function::INTRINSICS.into_iter().chain(function::LOSS_ONLY)
}
