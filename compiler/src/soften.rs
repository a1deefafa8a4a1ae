//! Steps in losses.
//!
//! A step has no gradient, so a loss of a field with a step in it would not move the network towards the threshold. In
//! losses, of the prediction and the truth alike, `step(x, from = a)` is therefore the ramp that rises from 0 at `0.9 a` to 1
//! at `1.1 a`, linear between. What a field is worth in a store, a score or on a map does not depend on that.
//!
//! What decides something (the condition of `choose`, where a walk is active) stays as it is.

use std::collections::BTreeMap;
use std::rc::Rc;

use crate::dimension::Dimension;
use crate::typed::{Binary, Typed, TypedExpr, TypedKind};
use crate::types::FieldType;

/// Half of the ramp's width, as a part of the threshold.
const HALF: f64 = 0.1;

/// What the kernel of a field or a constraint is called that stands in losses, where it is another one.
#[must_use]
pub fn kernel_in_losses(name: &str) -> String {
    format!("loss.{name}")
}

/// Whether a step is a ramp in losses: not at 0, which says nothing of a width, nor of a temperature, of which a
/// fifth is not small, nor where the threshold is a field.
#[must_use]
pub fn is_softened(x: &Typed, from: &Typed) -> bool {
    x.ty.dimension != Dimension::TEMPERATURE
        && from.constant().is_some_and(|from| from != 0.0 && (from * HALF).is_normal())
}

/// The expression as it stands in losses; nothing if that is the same.
#[must_use]
pub fn softened(value: &Typed) -> Option<Typed> {
    let mut done = BTreeMap::new();
    let soft = change(value, &mut done);
    (!Rc::ptr_eq(&soft, value)).then_some(soft)
}

/// What is shared stays shared.
fn change(value: &Typed, done: &mut BTreeMap<*const TypedExpr, Typed>) -> Typed {
    let key = Rc::as_ptr(value);
    if let Some(known) = done.get(&key) {
        return known.clone();
    }
    let soft = changed(value, done);
    done.insert(key, soft.clone());
    soft
}

fn changed(value: &Typed, done: &mut BTreeMap<*const TypedExpr, Typed>) -> Typed {
    let mut same = true;
    let mut replace = |part: &Typed, done: &mut BTreeMap<*const TypedExpr, Typed>| {
        let soft = change(part, done);
        same &= Rc::ptr_eq(&soft, part);
        soft
    };
    let kind = match &value.kind {
        TypedKind::Step(x, from) if is_softened(x, from) => {
            let x = change(x, done);
            return ramp(&x, from, value);
        }
        TypedKind::Compare(..) | TypedKind::Step(..) => return value.clone(),
        TypedKind::Select { mask, then, otherwise } => {
            let (then, otherwise) = (replace(then, done), replace(otherwise, done));
            TypedKind::Select { mask: mask.clone(), then, otherwise }
        }
        TypedKind::Scan { walk, reverse, active, along, starts, steps, names, result } => TypedKind::Scan {
            walk: *walk,
            reverse: *reverse,
            active: active.clone(),
            along: along.clone(),
            starts: starts.iter().map(|start| replace(start, done)).collect(),
            steps: steps.iter().map(|step| replace(step, done)).collect(),
            names: names.clone(),
            result: *result,
        },
        TypedKind::Each { each, value, active } => {
            TypedKind::Each { each: *each, value: replace(value, done), active: active.clone() }
        }
        kind => kind.map(|part| replace(part, done)),
    };
    match same {
        true => value.clone(),
        false => Rc::new(TypedExpr::new(kind, value.ty.clone(), value.span, value.unit.clone())),
    }
}

/// `min(max((x − a) / (0.2 |a|) + 0.5, 0), 1)`, in place of a step from `a` on.
fn ramp(x: &Typed, from: &Typed, step: &Typed) -> Typed {
    let node = |kind, ty: &FieldType| Rc::new(TypedExpr::new(kind, ty.clone(), step.span, None));
    let number = |number| node(TypedKind::Constant(number), &FieldType::number());
    let ty = &step.ty;
    let width = from.constant().map_or(1.0, |from| 2.0 * HALF * from.abs());
    let beyond = node(TypedKind::Binary(Binary::Subtract, x.clone(), from.clone()), &x.ty);
    let share = node(TypedKind::Binary(Binary::Divide, beyond, number(width)), ty);
    let share = node(TypedKind::Binary(Binary::Add, share, number(0.5)), ty);
    let share = node(TypedKind::Binary(Binary::Maximum, share, number(0.0)), ty);
    node(TypedKind::Binary(Binary::Minimum, share, number(1.0)), ty)
}
