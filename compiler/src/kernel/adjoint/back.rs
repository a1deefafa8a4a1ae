//! The walk back in the kernel: what it starts from, what it sees, and where what it finds goes.

use std::collections::BTreeMap;

use super::super::ir::{Compare, Domain, Instruction, Reduce, Unary, Value};
use super::scan::{Group, Kind, Seen};
use super::sweep::Sweep;

impl Sweep {
    /// The walk back, and what each of its results is the gradient of.
    pub(super) fn scan(&mut self, group: &Group) {
        let Group { members, walk, written, back } = group;
        let Some((outer, chain)) = self.walked(members) else { return };
        let levels = self.tape.domains[members[0].at].levels();
        // The level that the original walk visits first is where the way back ends.
        let end = if walk.reverse { levels - 1..levels } else { 0..1 };
        let zero = self.tape.constant(0.0);
        let (mut columns, mut lasts) = (BTreeMap::new(), BTreeMap::new());
        for member in members {
            let own = self.under[member.at].unwrap_or(outer);
            let (column, last) = (self.adjoint(member.at), self.adjoints[member.at].last);
            for (all, part) in [(&mut columns, column), (&mut lasts, last)] {
                let Some(part) = part else { continue };
                let part = self.guards.leave(&mut self.tape, part, own, outer);
                let sum = all.get(&member.state).map_or(part, |sum| self.tape.add(*sum, part));
                all.insert(member.state, sum);
            }
        }
        if columns.is_empty() && lasts.is_empty() {
            return;
        }
        if chain != outer {
            let all: Vec<Value> = columns.values().chain(lasts.values()).copied().collect();
            let mask = self.all_zero(&all);
            self.guards.zero.insert(members[0].at, mask);
        }
        let starts: Vec<Value> = back
            .states
            .iter()
            .map(|kind| match kind {
                Kind::State(state) => lasts.get(state).copied().unwrap_or(zero),
                _ => zero,
            })
            .collect();
        let mut captures = Vec::with_capacity(back.seen.len());
        for seen in &back.seen {
            captures.push(match seen {
                Seen::Captured(capture) => walk.captures[*capture],
                Seen::Before(capture) => {
                    self.tape.shift(walk.captures[*capture], if walk.reverse { 1 } else { -1 })
                }
                Seen::State(_) | Seen::Kept(_) => written.get(seen).copied().unwrap_or(zero),
                Seen::Active => walk.active.unwrap_or(zero),
                Seen::Gradient(state) => columns.get(state).copied().unwrap_or(zero),
                Seen::First => self.tape.mask(levels, end.clone()),
            });
        }
        // Something has to say how many levels there are.
        captures.push(self.tape.mask(levels, end.clone()));
        for (result, kind) in back.states.iter().enumerate() {
            let target = match kind {
                Kind::State(state) => walk.starts[*state],
                Kind::Sum(capture) | Kind::Level(capture) => walk.captures[*capture],
                Kind::Carried(_) => continue,
            };
            if !self.active[target.index()] {
                continue;
            }
            let column = self.tape.push(Instruction::Scan {
                reverse: !walk.reverse,
                starts: starts.clone(),
                captures: captures.clone(),
                active: None,
                body: back.body.clone(),
                result,
            });
            let part = match kind {
                Kind::Level(_) => column,
                _ => self.tape.sum(column, Some(end.clone())),
            };
            self.give_as_it_is(target, part, chain);
        }
    }

    /// Whether cells, and columns on every level, are 0.
    fn all_zero(&mut self, values: &[Value]) -> Value {
        let tape = &mut self.tape;
        let (mut all, zero) = (tape.constant(1.0), tape.constant(0.0));
        for value in values {
            let mut size = tape.unary(Unary::Abs, *value);
            if tape.domain(size) != Domain::Cell {
                size = tape.push(Instruction::Reduce {
                    op: Reduce::Max,
                    value: size,
                    weights: None,
                    levels: None,
                });
            }
            let none = tape.compare(Compare::Eq, size, zero);
            all = tape.mul(all, none);
        }
        all
    }
}
