//! The way back through a walk: another walk, in the other direction.
//!
//! Its states are the gradients of the states, and sums for what the steps see as cells. Its step is the original step's
//! derivative. What that needs of the step itself (the states before it, and roots, quotients and transcendental
//! functions, which cost more to compute than to keep) the original walk writes down on each level, in states of
//! its own; all else is computed again. A captured column's gradient is a state that does not depend on what it was: its
//! column is what each level adds. What a step sees of the level before it, it owes to that level, which the
//! way back visits next: a state carries it there.
//!
//! Walks that differ in their result only are one walk, and have one way back.

use std::collections::BTreeMap;
use std::ops::Range;
use std::sync::Arc;

use super::super::ir::{Binary, Body, Domain, Instruction, Unary, Value};
use super::super::passes::is_same_walk;
use super::guards::{ROOT, Side};
use super::prepare::slopes;
use super::sweep::Sweep;
use super::tape::Tape;

/// Walks that differ in their result only.
#[derive(Clone, Debug)]
pub(super) struct Group {
    pub members: Vec<Member>,
    pub walk: Walk,
    /// What the original walk writes down, as columns.
    pub written: BTreeMap<Seen, Value>,
    pub back: Back,
}

/// One of them.
#[derive(Clone, Debug)]
pub(super) struct Member {
    /// Its position among the instructions.
    pub at: usize,
    /// Its result.
    pub state: usize,
}

/// What they have in common.
#[derive(Clone, Debug, PartialEq)]
pub(super) struct Walk {
    pub reverse: bool,
    pub starts: Vec<Value>,
    pub captures: Vec<Value>,
    pub active: Option<Value>,
    pub body: Arc<Body>,
}

/// What is wanted of a way back, and what can be had.
#[derive(Clone, Debug)]
pub(super) struct Wish {
    /// The states that are results, and whether the whole column of it is used.
    pub results: BTreeMap<usize, bool>,
    /// For each start, whether its gradient is wanted.
    pub starts: Vec<bool>,
    /// For each capture.
    pub captures: Vec<bool>,
    /// For each capture, whether it is a column.
    pub columns: Vec<bool>,
}

/// What the step of a way back sees.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum Seen {
    /// What the original step sees on its level.
    Captured(usize),
    /// What it sees of the level before.
    Before(usize),
    /// A state before the step.
    State(usize),
    /// A value of the original body.
    Kept(usize),
    /// Where the states change.
    Active,
    /// The gradient of a state's column.
    Gradient(usize),
    /// 1 on the level that the original walk visits first, 0 elsewhere.
    First,
}

/// A state of the way back.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Kind {
    /// The gradient of a state.
    State(usize),
    /// The sum for a captured cell.
    Sum(usize),
    /// What the level adds to a captured column.
    Level(usize),
    /// What it adds to the level before.
    Carried(usize),
}

/// The step of a way back.
#[derive(Clone, Debug)]
pub(super) struct Back {
    pub states: Vec<Kind>,
    pub seen: Vec<Seen>,
    pub body: Arc<Body>,
}

impl Group {
    pub fn operands(&self) -> Vec<Value> {
        self.walk.starts.iter().chain(&self.walk.captures).copied().collect()
    }
}

impl Walk {
    /// Whether it is the same in every bit.
    pub fn is(&self, other: &Walk) -> bool {
        let scan = |walk: &Walk| {
            let Walk { reverse, starts, captures, active, body } = walk.clone();
            Instruction::Scan { reverse, starts, captures, active, body, result: 0 }
        };
        is_same_walk(&scan(self), &scan(other))
    }

    /// For each value of the body, whether it depends on a start or a capture whose gradient is wanted.
    fn varying(&self, wish: &Wish) -> Vec<bool> {
        let mut states = wish.starts.clone();
        loop {
            let mut varies: Vec<bool> = Vec::with_capacity(self.body.instructions.len());
            for instruction in &self.body.instructions {
                varies.push(match instruction {
                    Instruction::State(state) => states[*state],
                    Instruction::Here(capture) | Instruction::Before(capture) => wish.captures[*capture],
                    other => slopes(other).iter().any(|operand| varies[operand.index()]),
                });
            }
            let next: Vec<bool> =
                states.iter().zip(&self.body.next).map(|(s, next)| *s || varies[next.index()]).collect();
            // It only grows, so this ends after as many rounds as there are states at most.
            if next == states {
                return varies;
            }
            states = next;
        }
    }

    /// The states that the wanted results depend on, in a way that has a slope, and that vary.
    fn wanted(&self, wish: &Wish, varies: &[bool]) -> Vec<usize> {
        let mut wanted: Vec<bool> =
            (0..self.starts.len()).map(|state| wish.results.contains_key(&state)).collect();
        loop {
            let mut needed = vec![false; self.body.instructions.len()];
            for (next, _) in self.body.next.iter().zip(&wanted).filter(|(_, wanted)| **wanted) {
                needed[next.index()] = true;
            }
            let before = wanted.clone();
            for (at, instruction) in
                self.body.instructions.iter().enumerate().rev().filter(|(k, _)| varies[*k])
            {
                if !needed[at] {
                    continue;
                }
                if let Instruction::State(state) = instruction {
                    wanted[*state] = true;
                }
                for operand in slopes(instruction) {
                    needed[operand.index()] = true;
                }
            }
            if wanted == before {
                break;
            }
        }
        let varying = |state: &usize| wish.starts[*state] || varies[self.body.next[*state].index()];
        (0..wanted.len()).filter(|state| wanted[*state] && varying(state)).collect()
    }

    /// The step of the way back.
    pub fn back(&self, wish: &Wish) -> Back {
        let varies = self.varying(wish);
        let wanted = self.wanted(wish, &varies);
        let mut slots = Slots::default();
        let mut sweep = self.copied(wish, &mut slots, varies);

        let mut states: Vec<Kind> = wanted.iter().map(|state| Kind::State(*state)).collect();
        let mask = self.active.map(|_| sweep.tape.push(slots.here(Seen::Active)));
        let base = match mask {
            Some(mask) => sweep.guards.under(ROOT, Side::of(mask, true), &sweep.tape),
            None => ROOT,
        };
        for state in &wanted {
            let next = self.body.next[*state];
            sweep.alone[self.of_itself(next).index()] = true;
            sweep.used(next, base);
        }
        sweep.find_uses();
        let mut after = Vec::with_capacity(wanted.len());
        for (place, state) in wanted.iter().enumerate() {
            let mut gradient = sweep.tape.push(Instruction::State(place));
            if wish.results.get(state) == Some(&true) {
                let own = sweep.tape.push(slots.here(Seen::Gradient(*state)));
                gradient = sweep.tape.add(gradient, own);
            }
            let next = self.body.next[*state];
            sweep.give(next, gradient, base, next.index());
            after.push(gradient);
        }
        sweep.run();

        let mut next = Vec::with_capacity(wanted.len());
        for (state, after) in wanted.iter().zip(after) {
            let part = sweep.leaves(&self.body, &Instruction::State(*state), base);
            let part = part.unwrap_or_else(|| sweep.tape.constant(0.0));
            next.push(mask.map_or(part, |mask| sweep.tape.select(mask, part, after)));
        }
        for capture in (0..self.captures.len()).filter(|capture| wish.captures[*capture]) {
            let here = sweep.leaves(&self.body, &Instruction::Here(capture), ROOT);
            let before = sweep.leaves(&self.body, &Instruction::Before(capture), ROOT);
            sweep.captured(
                capture,
                wish.columns[capture],
                [here, before],
                &mut slots,
                (&mut states, &mut next),
            );
        }
        let body = Body { instructions: sweep.tape.instructions, next };
        let (body, seen) = without_idle(body, &slots.seen);
        Back { states, seen, body: Arc::new(body) }
    }

    /// The value of the step that may be no number where nothing asks for what a state becomes: that, or what is added to the
    /// state.
    fn of_itself(&self, next: Value) -> Value {
        let state = |value: &Value| matches!(self.body.instructions[value.index()], Instruction::State(_));
        match &self.body.instructions[next.index()] {
            Instruction::Binary { op: Binary::Add | Binary::Sub, left, right } if state(left) => *right,
            Instruction::Binary { op: Binary::Add | Binary::Sub, left, right } if state(right) => *left,
            _ => next,
        }
    }

    /// The body's values as the way back has them.
    fn copied(&self, wish: &Wish, slots: &mut Slots, active: Vec<bool>) -> Sweep {
        let mut tape = Tape::default();
        for (at, instruction) in self.body.instructions.iter().enumerate() {
            let copy = match instruction {
                Instruction::State(state) => slots.here(Seen::State(*state)),
                Instruction::Before(capture) if wish.columns[*capture] => slots.here(Seen::Before(*capture)),
                Instruction::Here(capture) | Instruction::Before(capture) => {
                    slots.here(Seen::Captured(*capture))
                }
                costly if is_costly(costly) => slots.here(Seen::Kept(at)),
                other => other.clone(),
            };
            tape.keep(copy, Domain::Cell);
        }
        Sweep::new(tape, self.body.instructions.clone(), active)
    }

    /// The body that writes down, besides, what the way back sees of it; and what those are, state by state.
    pub fn writing(&self, back: &Back) -> (Arc<Body>, Vec<Seen>) {
        let mut body = Body::clone(&self.body);
        let mut written = Vec::new();
        for seen in &back.seen {
            let value = match seen {
                Seen::Kept(value) => Value::new(*value),
                Seen::State(state) => {
                    let wanted = Instruction::State(*state);
                    let known = body.instructions.iter().position(|instruction| *instruction == wanted);
                    Value::new(known.unwrap_or_else(|| {
                        body.instructions.push(wanted);
                        body.instructions.len() - 1
                    }))
                }
                _ => continue,
            };
            body.next.push(value);
            written.push(*seen);
        }
        (Arc::new(body), written)
    }
}

impl Sweep {
    /// The gradient that all copies of one leaf of a body got.
    fn leaves(&mut self, body: &Body, leaf: &Instruction, outer: usize) -> Option<Value> {
        let mut sum = None;
        for (at, instruction) in body.instructions.iter().enumerate() {
            let Some(chain) = self.under[at].filter(|_| instruction == leaf) else { continue };
            let Some(part) = self.adjoint(at) else { continue };
            let part = self.guards.leave(&mut self.tape, part, chain, outer);
            sum = Some(sum.map_or(part, |sum| self.tape.add(sum, part)));
        }
        sum
    }

    /// The states for a captured value, from what the step's own level and the level before get.
    fn captured(
        &mut self,
        capture: usize,
        column: bool,
        [here, before]: [Option<Value>; 2],
        slots: &mut Slots,
        (states, next): (&mut Vec<Kind>, &mut Vec<Value>),
    ) {
        let tape = &mut self.tape;
        let both = match (here, before) {
            (None, None) => return,
            (Some(one), Some(other)) if !column => tape.add(one, other),
            (Some(one), _) => one,
            (None, Some(other)) if !column => other,
            (None, Some(_)) => tape.constant(0.0),
        };
        if !column {
            let sum = tape.push(Instruction::State(states.len()));
            next.push(tape.add(sum, both));
            states.push(Kind::Sum(capture));
            return;
        }
        let Some(before) = before else {
            next.push(both);
            states.push(Kind::Level(capture));
            return;
        };
        // The level visited first by the original walk is its own predecessor.
        let carried = tape.push(Instruction::State(states.len()));
        let first = tape.push(slots.here(Seen::First));
        let own = tape.only(first, true, before);
        let sum = tape.add(both, carried);
        let sum = tape.add(sum, own);
        states.extend([Kind::Carried(capture), Kind::Level(capture)]);
        next.extend([before, sum]);
    }
}

/// Whether these levels, of so many of a scan, are the one visited last, and not all.
pub(super) fn is_last(scan: &Instruction, count: usize, levels: &Range<usize>) -> bool {
    match scan {
        Instruction::Scan { reverse: false, .. } => count > 1 && *levels == (count - 1..count),
        Instruction::Scan { reverse: true, .. } => count > 1 && *levels == (0..1),
        _ => false,
    }
}

/// Whether a value is better kept than computed again.
fn is_costly(instruction: &Instruction) -> bool {
    match instruction {
        Instruction::Unary { op, .. } => !matches!(op, Unary::Neg | Unary::Abs),
        Instruction::Binary { op, .. } => matches!(op, Binary::Div | Binary::Pow | Binary::Atan2),
        _ => false,
    }
}

/// What the step of a way back sees, in the order in which it was first asked for.
#[derive(Debug, Default)]
struct Slots {
    seen: Vec<Seen>,
}

impl Slots {
    fn here(&mut self, seen: Seen) -> Instruction {
        let known = self.seen.iter().position(|one| *one == seen);
        Instruction::Here(known.unwrap_or_else(|| {
            self.seen.push(seen);
            self.seen.len() - 1
        }))
    }
}

/// The body without what no state needs, and what it sees then.
fn without_idle(body: Body, seen: &[Seen]) -> (Body, Vec<Seen>) {
    let mut needed = vec![false; body.instructions.len()];
    body.next.iter().for_each(|value| needed[value.index()] = true);
    for at in (0..needed.len()).rev() {
        if needed[at] {
            body.instructions[at].operands().iter().for_each(|operand| needed[operand.index()] = true);
        }
    }
    let mut moved = vec![Value::new(0); needed.len()];
    let mut kept: Vec<Seen> = Vec::new();
    let mut instructions = Vec::new();
    for (at, instruction) in body.instructions.into_iter().enumerate().filter(|(at, _)| needed[*at]) {
        moved[at] = Value::new(instructions.len());
        instructions.push(match instruction {
            Instruction::Here(slot) => {
                let place = kept.iter().position(|one| *one == seen[slot]).unwrap_or_else(|| {
                    kept.push(seen[slot]);
                    kept.len() - 1
                });
                Instruction::Here(place)
            }
            other => other.map_operands(|value| moved[value.index()]),
        });
    }
    let next = body.next.into_iter().map(|value| moved[value.index()]).collect();
    (Body { instructions, next }, kept)
}
