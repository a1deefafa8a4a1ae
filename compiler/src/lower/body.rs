//! The steps of a walk along the levels. What does not depend on a state is computed once, outside, as whole
//! columns, and the step sees it on its level; what does is the body.

use std::collections::BTreeMap;
use std::rc::Rc;
use std::sync::Arc;

use super::{Lowering, binary, compare, unary};
use crate::kernel::ir::{self, BodyBuilder, Value};
use crate::typed::{Binary, Typed, TypedExpr, TypedKind};

/// What a walk along the levels is: its number, what it walks along, and its steps, by address.
pub(super) type Walked = (usize, *const TypedExpr, Vec<*const TypedExpr>);

impl Lowering<'_> {
    /// A walk, given by its number, whether it goes from the last level to the first, and which state is wanted.
    pub(super) fn scan(
        &mut self,
        (walk, reverse, result): (usize, bool, usize),
        active: Option<&Typed>,
        along: &Typed,
        starts: &[Typed],
        steps: &[Typed],
    ) -> Value {
        let starts: Vec<Value> = starts.iter().map(|start| self.value(start)).collect();
        let active = active.map(|active| self.value(active));
        // One column at least must be captured: it says how many levels there are.
        let first = self.value(along);
        let key = (walk, Rc::as_ptr(along), steps.iter().map(Rc::as_ptr).collect());
        let (captures, body) = match self.walks.get(&key) {
            Some(known) => known.clone(),
            None => {
                let made = self.walk_body(walk, first, steps);
                self.walks.insert(key, made.clone());
                made
            }
        };
        self.builder.scan(reverse, starts, captures, active, body, result)
    }

    /// What the steps capture, `first` before all else, and the steps.
    fn walk_body(&mut self, walk: usize, first: Value, steps: &[Typed]) -> (Vec<Value>, Arc<ir::Body>) {
        let mut body = Body {
            outside: self,
            builder: BodyBuilder::new(),
            walk,
            captures: vec![first],
            done: BTreeMap::new(),
        };
        let next: Vec<Value> = steps.iter().map(|step| body.value(step)).collect();
        let Body { builder, captures, .. } = body;
        (captures, Arc::new(builder.finish(next)))
    }
}

struct Body<'a, 'b> {
    outside: &'a mut Lowering<'b>,
    builder: BodyBuilder,
    walk: usize,
    captures: Vec<Value>,
    done: BTreeMap<*const TypedExpr, Value>,
}

impl Body<'_, '_> {
    fn value(&mut self, typed: &Typed) -> Value {
        let key = Rc::as_ptr(typed);
        if let Some(value) = self.done.get(&key) {
            return *value;
        }
        let value = if typed.stateful { self.node(typed) } else { self.captured(typed) };
        self.done.insert(key, value);
        value
    }

    /// Known outside: a number, or the captured value on this level.
    fn captured(&mut self, typed: &Typed) -> Value {
        if let Some(number) = typed.constant() {
            return self.builder.constant(number);
        }
        let value = self.outside.value(typed);
        let number = self.captures.iter().position(|captured| *captured == value).unwrap_or_else(|| {
            self.captures.push(value);
            self.captures.len() - 1
        });
        self.builder.here(number)
    }

    fn node(&mut self, typed: &Typed) -> Value {
        match &typed.kind {
            TypedKind::State { walk, number } if *walk == self.walk => self.builder.state(*number),
            TypedKind::Same(inner) => self.value(inner),
            TypedKind::Unary(op, inner) => {
                let inner = self.value(inner);
                self.builder.unary(unary(*op), inner)
            }
            TypedKind::Binary(Binary::Power, base, exponent) if exponent.constant() == Some(2.0) => {
                let base = self.value(base);
                self.builder.binary(ir::Binary::Mul, base, base)
            }
            TypedKind::Binary(op, left, right) => {
                let (left, right) = (self.value(left), self.value(right));
                self.builder.binary(binary(*op), left, right)
            }
            TypedKind::Compare(comparison, left, right) => {
                let (left, right) = (self.value(left), self.value(right));
                self.builder.compare(compare(*comparison), left, right)
            }
            TypedKind::Step(left, right) => {
                let (left, right) = (self.value(left), self.value(right));
                self.builder.compare(ir::Compare::Ge, left, right)
            }
            TypedKind::Select { mask, then, otherwise } => {
                let (mask, then, otherwise) = (self.value(mask), self.value(then), self.value(otherwise));
                self.builder.select(mask, then, otherwise)
            }
            // The checker refuses to look along a column that is still being walked.
            _ => self.builder.constant(f64::NAN),
        }
    }
}
