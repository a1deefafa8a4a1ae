//! What can be asked of a walk: each of its states by name, `walk.state`, and what it has come to, `last(walk)`.

use aurora_grammar::{Diagnostic, Span, nearest};

use super::Checker;
use super::expression::node;
use crate::typed::{Typed, TypedKind};
use crate::types::{FieldType, Support};

impl Checker<'_> {
    /// `walk.state`: what a state of a walk that has a name is on each level. Nothing is said of what is no walk.
    pub(super) fn state_of(&mut self, walk: &Typed, state: &str, span: Span) -> Option<Typed> {
        let mut inner = walk;
        while let TypedKind::Same(value) = &inner.kind {
            inner = value;
        }
        let TypedKind::Scan { walk, reverse, active, along, starts, steps, names, .. } = &inner.kind else {
            let message = format!("there is no `{state}` in it: only a walk has states");
            self.error_with_help("unknown-name", message, (span, "no walk"), "a walk is a `scan`");
            return None;
        };
        let Some(result) = names.iter().position(|name| name == state) else {
            let known: Vec<&str> = names.iter().map(String::as_str).collect();
            let mut diagnostic = Diagnostic::error("unknown-name", format!("no state is called `{state}`"))
                .label(span, "not found")
                .help(format!("the walk carries {}", known.join(", ")));
            if let Some(near) = nearest(state, known.iter().copied()) {
                diagnostic = diagnostic.help(format!("did you mean `{near}`?"));
            }
            self.diagnostics.push(diagnostic);
            return None;
        };
        let mut ty = self.state_type(&starts[result], inner.ty.support.levels().map(String::as_str));
        ty.quantity = ty.quantity.or_else(|| steps[result].ty.quantity.clone());
        let kind = TypedKind::Scan {
            walk: *walk,
            reverse: *reverse,
            active: active.clone(),
            along: along.clone(),
            starts: starts.clone(),
            steps: steps.clone(),
            names: names.clone(),
            result,
        };
        Some(node(kind, ty, span))
    }

    /// `last(walk)`: what a walk has come to on the level that it visits last, one value per column.
    pub(super) fn last(&mut self, walk: &Typed, span: Span) -> Option<Typed> {
        let mut inner = walk;
        while let TypedKind::Same(value) = &inner.kind {
            inner = value;
        }
        let (TypedKind::Scan { reverse, .. }, Some(set)) = (&inner.kind, walk.ty.support.levels()) else {
            let help = "for instance: last(scan pl upward { … }); for one level write `x at 500 hPa`";
            self.error_with_help("wrong-argument", "`last` takes a walk", (span, "no `scan`"), help);
            return None;
        };
        let count = self.checked.levels.get(set)?.values.len();
        let level = if *reverse { 0 } else { count.saturating_sub(1) };
        let weights = (0..count).map(|k| if k == level { 1.0 } else { 0.0 }).collect();
        let ty = FieldType { support: Support::Column, layer: None, ..walk.ty.clone() };
        Some(node(TypedKind::Weighted { value: walk.clone(), weights }, ty, span))
    }
}
