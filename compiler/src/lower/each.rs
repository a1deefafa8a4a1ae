//! The kernel that runs for each level: what does not depend on the level is computed once, outside, and the kernel
//! sees it whole; what does is the kernel.

use std::collections::BTreeSet;

use super::Lowering;
use crate::kernel::ir::{Domain, Kernel, Output, Value};
use crate::kernel::verify::domains;
use crate::typed::{Typed, TypedExpr, TypedKind};

impl Lowering<'_> {
    pub(super) fn each(&mut self, value: &Typed, active: Option<&Typed>) -> Value {
        let mut seen = Seen::default();
        seen.visit(value);
        let whole: Vec<(Typed, Value)> = seen.whole.iter().map(|t| (t.clone(), self.value(t))).collect();
        let here: Vec<(Typed, Value)> = seen.here.iter().map(|t| (t.clone(), self.column_of(t))).collect();
        let active = active.map(|active| self.value(active));

        let mut inner = Lowering::new(self.checked, "each");
        let domains = self.domains();
        let mut captures: Vec<(Value, Value)> = Vec::new();
        for (typed, value) in &whole {
            let input = captures.iter().find(|(outside, _)| outside == value).map(|(_, input)| *input);
            let input = input.unwrap_or_else(|| {
                let name = format!("whole{}", captures.len());
                let input =
                    inner.builder.input(&name, domains.get(value.index()).copied().unwrap_or(Domain::Cell));
                captures.push((*value, input));
                input
            });
            inner.done.insert(std::rc::Rc::as_ptr(typed), input);
        }
        for (number, (typed, _)) in here.iter().enumerate() {
            let input = inner.builder.input(&format!("here{number}"), Domain::Cell);
            inner.done.insert(std::rc::Rc::as_ptr(typed), input);
        }
        let result = inner.value(value);
        inner.builder.output("value", result);
        let captures = captures.into_iter().map(|(outside, _)| outside).collect();
        let here = here.into_iter().map(|(_, outside)| outside).collect();
        self.builder.each(captures, here, active, inner.builder.finish())
    }

    /// The column behind a `here`.
    fn column_of(&mut self, here: &Typed) -> Value {
        match &here.kind {
            TypedKind::Here { column, .. } => self.value(column),
            _ => self.value(here),
        }
    }

    /// The domains of all that has been lowered so far.
    fn domains(&self) -> Vec<Domain> {
        let mut kernel: Kernel = self.builder.clone().finish();
        kernel.outputs = vec![Output { name: "value".to_string(), value: Value::new(0) }];
        // What the checker has passed is well formed; were it not, the verifier would say so of the whole.
        domains(&kernel).unwrap_or_default()
    }
}

/// What a body takes from outside: values that are the same for every level, as large as possible, and what is `here`.
#[derive(Default)]
struct Seen {
    whole: Vec<Typed>,
    here: Vec<Typed>,
    visited: BTreeSet<*const TypedExpr>,
}

impl Seen {
    fn visit(&mut self, typed: &Typed) {
        if !self.visited.insert(std::rc::Rc::as_ptr(typed)) || typed.constant().is_some() {
            return;
        }
        match &typed.kind {
            TypedKind::Here { .. } => self.here.push(typed.clone()),
            // A state belongs to its walk, and what stands in a step beside one may be whole.
            TypedKind::State { .. } => {}
            _ if typed.local || typed.stateful => typed.kind.each(|part| self.visit(part)),
            // Numbers of the levels are written in the kernel itself.
            TypedKind::PerLevel(_) | TypedKind::Coordinate(_) | TypedKind::Constant(_) => {}
            _ => self.whole.push(typed.clone()),
        }
    }
}
