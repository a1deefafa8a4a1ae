//! `architecture aurora.small(patch = 2, …)`: a preset, changed by arguments.

use aurora_grammar::tree::{Expr, ExprKind, Input, Name};
use aurora_grammar::{Diagnostic, Span, nearest};

use super::Checker;
use super::arguments::whole_number;
use super::base::BaseChoice;
use super::clauses::Clauses;
use crate::plan::model::Preset;
use crate::resolve::RECIPE;
use crate::vocabulary::{ARCHITECTURE, Argument, ELSEWHERE, Takes};

/// An argument that was given.
#[derive(Clone, Debug, PartialEq)]
pub struct Given {
    /// As in `vocabulary::ARCHITECTURE`.
    pub name: &'static str,
    pub value: Value,
    /// Where its value stands.
    pub span: Span,
}

#[derive(Clone, Debug, PartialEq)]
pub enum Value {
    Whole(usize),
    Wholes(Vec<usize>),
    Number(f64),
    Truth(bool),
    /// Id of a set of levels.
    Levels(String),
    /// Names of fields, as the recipe has them, and where they stand.
    Fields(Vec<(String, Span)>),
    Word(&'static str),
}

impl Checker<'_> {
    /// The class and what changes it, with what to point at. A published base has its class already; the bare
    /// word `aurora` then means that class.
    pub(super) fn architecture(
        &mut self,
        clauses: &Clauses,
        base: Option<&BaseChoice>,
    ) -> Option<(Preset, Vec<Given>, Span)> {
        let published = base.and_then(|base| base.published);
        if let (Some(preset), Some(base), None) = (published, base, clauses.get("architecture")) {
            return Some((preset, Vec::new(), base.span));
        }
        let clause = clauses.require(self, "architecture", "aurora.small")?;
        let value = self.value_of(&clause, "aurora.small")?;
        let (name, inputs): (Name, Vec<Input>) = match &value.kind {
            ExprKind::Call { function, inputs } => (function.clone(), inputs.clone()),
            ExprKind::Path(text) => (Name { text: text.clone(), span: value.span }, Vec::new()),
            _ => {
                self.error_with_help(
                    "wrong-argument",
                    "an architecture has a name",
                    (value.span, "this is none"),
                    "for instance: architecture  aurora.small",
                );
                return None;
            }
        };
        let preset = match Preset::find(&name.text) {
            Some(_) if name.text == "aurora" && published.is_some() => published?,
            Some(preset) => preset,
            None => {
                self.no_architecture(&name);
                return None;
            }
        };
        let inputs = self.without_upstreams(inputs);
        let mut given = Vec::new();
        let mut arguments = self.arguments(&name, &inputs);
        for argument in ARCHITECTURE {
            let Some(value) = arguments.optional(argument.name) else { continue };
            let Some(read) = self.read_argument(argument, &value) else { continue };
            given.push(Given { name: argument.name, value: read, span: value.span });
        }
        arguments.finish(self);
        Some((preset, given, clause.span))
    }

    fn no_architecture(&mut self, name: &Name) {
        let known = Preset::WORDS.map(|(word, _)| word);
        let message = format!("there is no architecture `{}`", name.text);
        let diagnostic = Diagnostic::error("unknown-name", message).label(name.span, "not found");
        self.diagnostics.push(match nearest(&name.text, known) {
            Some(near) => diagnostic.help(format!("did you mean `{near}`?")).fix(name.span, near),
            None => diagnostic.help(format!("there are {}", known.join(", "))),
        });
    }

    /// Takes out, with a word about each, what has another name here or is said elsewhere in a recipe.
    fn without_upstreams(&mut self, inputs: Vec<Input>) -> Vec<Input> {
        let mut kept = Vec::new();
        for input in inputs {
            let Some(label) = &input.label else {
                kept.push(input);
                continue;
            };
            let ours = ARCHITECTURE.iter().any(|argument| argument.name == label.text);
            let renamed = ARCHITECTURE.iter().find(|argument| argument.upstream == label.text);
            let names = ELSEWHERE.iter().map(|(name, _)| *name);
            let exact = ELSEWHERE.iter().find(|(name, _)| *name == label.text);
            let near =
                || nearest(&label.text, names).and_then(|near| ELSEWHERE.iter().find(|(n, _)| *n == near));
            let closer = nearest(&label.text, ARCHITECTURE.iter().map(|argument| argument.name)).is_some();
            if ours {
                kept.push(input);
            } else if let Some(argument) = renamed {
                let message = format!("`{}` is called `{}` in a recipe", label.text, argument.name);
                self.diagnostics.push(
                    Diagnostic::error("unknown-argument", message)
                        .label(label.span, "the name in Microsoft's constructor")
                        .help(format!("{}: {}", argument.name, argument.says))
                        .fix(label.span, argument.name),
                );
            } else if let Some((name, place)) = exact.or_else(|| near().filter(|_| !closer)) {
                let message = format!("`{}` is no argument of an architecture", label.text);
                let meant =
                    if *name == label.text { String::new() } else { format!("if `{name}` is meant, ") };
                self.diagnostics.push(
                    Diagnostic::error("unknown-argument", message)
                        .label(label.span, "not understood")
                        .help(format!("{meant}{place}")),
                );
            } else {
                kept.push(input);
            }
        }
        kept
    }

    fn read_argument(&mut self, argument: &Argument, value: &Expr) -> Option<Value> {
        let read = match argument.takes {
            Takes::Whole => whole_number(value).map(Value::Whole),
            Takes::Wholes => match &value.kind {
                ExprKind::List { items, unit: None } => {
                    items.iter().map(whole_number).collect::<Option<Vec<usize>>>().map(Value::Wholes)
                }
                _ => whole_number(value).map(|one| Value::Wholes(vec![one])),
            },
            Takes::Number => match &value.kind {
                ExprKind::Measure { value, unit: None } => Some(Value::Number(*value)),
                _ => None,
            },
            Takes::Truth => match &value.kind {
                ExprKind::Path(text) if text == "true" || text == "false" => {
                    Some(Value::Truth(text == "true"))
                }
                _ => None,
            },
            Takes::Levels => return self.level_set(argument, value).map(Value::Levels),
            Takes::Fields => fields(value).map(Value::Fields),
            Takes::Word(words) => match &value.kind {
                ExprKind::Path(text) => words.iter().find(|word| *word == text).map(|word| Value::Word(word)),
                _ => None,
            },
        };
        if read.is_none() {
            let what = match argument.takes {
                Takes::Whole => "a whole number up to 100000",
                Takes::Wholes => "a list of whole numbers up to 100000",
                Takes::Number => "a plain number",
                Takes::Truth => "`true` or `false`",
                Takes::Levels => "a set of levels",
                Takes::Fields => "a list of the recipe's fields",
                Takes::Word(_) => "one of a few words",
            };
            let example = match (argument.takes, argument.default) {
                (Takes::Word(words), _) => words.join(" | "),
                (Takes::Fields, _) => "[refc, t2m]".to_string(),
                (Takes::Truth, _) => "true".to_string(),
                (_, other) => other.to_string(),
            };
            self.error_with_help(
                "wrong-argument",
                format!("`{}` is {what}", argument.name),
                (value.span, "this is none"),
                format!("for instance: {} = {example}", argument.name),
            );
        }
        read
    }

    fn level_set(&mut self, argument: &Argument, value: &Expr) -> Option<String> {
        let ExprKind::Path(text) = &value.kind else {
            self.error_with_help(
                "wrong-argument",
                format!("`{}` takes the name of a set of levels", argument.name),
                (value.span, "this is none"),
                format!("for instance: {} = pl", argument.name),
            );
            return None;
        };
        let Some(definition) = self.resolved.lookup(RECIPE, text).cloned() else {
            self.unknown(RECIPE, text, value.span, "");
            return None;
        };
        let pressure =
            self.checked.levels.get(&definition.id).is_some_and(|set| set.coordinate == "pressure");
        if !pressure {
            self.diagnostics.push(
                Diagnostic::error("wrong-argument", format!("`{text}` is no set of pressure levels"))
                    .label(value.span, "Aurora's levels are pressures")
                    .label(definition.name.span, "defined here")
                    .help(format!(
                        "for instance: levels pl : pressure = [1000, 850, 500] hPa, then {} = pl",
                        argument.name
                    )),
            );
            return None;
        }
        Some(definition.id)
    }
}

/// `[t, q]`, or one name.
fn fields(value: &Expr) -> Option<Vec<(String, Span)>> {
    let one = |expr: &Expr| match &expr.kind {
        ExprKind::Path(text) => Some((text.clone(), expr.span)),
        _ => None,
    };
    match &value.kind {
        ExprKind::List { items, unit: None } => items.iter().map(one).collect(),
        _ => one(value).map(|one| vec![one]),
    }
}
