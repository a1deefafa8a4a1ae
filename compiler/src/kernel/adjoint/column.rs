//! What looks along a column: reductions, displacements, columns put together and taken apart, interpolation.

use std::ops::Range;

use super::super::ir::{Binary, Builder, Compare, Domain, Instruction, Reduce, Value};
use super::guards::{Chain, Side};
use super::scan::is_last;
use super::sweep::Sweep;
use super::tape::Tape;

impl Sweep {
    #[allow(clippy::too_many_arguments, reason = "the parts of one instruction")]
    pub(super) fn reduce(
        &mut self,
        at: usize,
        mut chain: Chain,
        adjoint: Value,
        op: Reduce,
        value: Value,
        weights: Option<Vec<f64>>,
        levels: Option<Range<usize>>,
    ) {
        let count = self.tape.domain(value).levels();
        let range = levels.clone().unwrap_or(0..count);
        let part = match (op, weights) {
            (Reduce::Sum, None) if range == (0..count) => adjoint,
            (Reduce::Sum, None) if is_last(&self.original[value.index()], count, &range) => {
                let outer = self.under[value.index()].unwrap_or(chain);
                let part = self.guards.leave(&mut self.tape, adjoint, chain, outer);
                let before = self.adjoints[value.index()].last;
                let sum = before.map_or(part, |before| self.tape.add(before, part));
                self.adjoints[value.index()].last = Some(sum);
                return;
            }
            (Reduce::Sum, weights) => {
                let weight = |level: usize| weights.as_ref().map_or(1.0, |weights| weights[level]);
                let taken = |level: usize| if range.contains(&level) { weight(level) } else { 0.0 };
                let factors = self.tape.levels((0..count).map(taken));
                self.tape.mul(factors, adjoint)
            }
            (Reduce::Min | Reduce::Max, _) => {
                let mask = self.attains(op, value, levels, Value::new(at));
                chain = self.guards.under(chain, Side::of(mask, true), &self.tape);
                adjoint
            }
        };
        self.give(value, part, chain, at);
    }

    /// The level that a least or greatest value is taken from, the first if there are several, as a mask.
    pub(super) fn attains(
        &mut self,
        op: Reduce,
        value: Value,
        levels: Option<Range<usize>>,
        result: Value,
    ) -> Value {
        let tape = &mut self.tape;
        let count = tape.domain(value).levels();
        let (places, nowhere) = (tape.levels((0..count).map(|k| k as f64)), tape.constant(f64::INFINITY));
        let equal = tape.compare(Compare::Eq, value, result);
        let candidates = tape.select(equal, places, nowhere);
        // Of a maximum the first, too: the word of the reduction does not matter.
        let _ = op;
        let first =
            tape.push(Instruction::Reduce { op: Reduce::Min, value: candidates, weights: None, levels });
        tape.compare(Compare::Eq, places, first)
    }

    /// Level `j` gets what the levels got that look at it.
    pub(super) fn shift(&mut self, at: usize, chain: Chain, adjoint: Value, value: Value, by: i32) {
        let count = self.tape.domain(value).levels();
        let reach = usize::try_from(by.unsigned_abs()).unwrap_or(usize::MAX).min(count - 1);
        if reach == 0 {
            return self.give(value, adjoint, chain, at);
        }
        let tape = &mut self.tape;
        let adjoint = tape.widen(adjoint, count);
        // Which levels are looked at from within the column, and which one in place of those that are not there.
        let (inner, edge, outside) = if by > 0 {
            (reach..count, count - 1, count - reach..count)
        } else {
            (0..count - reach, 0, 0..reach)
        };
        let back = i32::try_from(reach).unwrap_or(i32::MAX);
        let moved = tape.shift(adjoint, if by > 0 { -back } else { back });
        let inner = tape.mask(count, inner);
        let moved = tape.mul(inner, moved);
        let rest = if reach == 1 { adjoint } else { tape.sum(adjoint, Some(outside)) };
        let edge = tape.mask(count, edge..edge + 1);
        let rest = tape.mul(edge, rest);
        let part = tape.add(moved, rest);
        self.give(value, part, chain, at);
    }

    pub(super) fn concat(&mut self, at: usize, chain: Chain, adjoint: Value, parts: &[Value]) {
        let mut start = 0;
        for part in parts {
            let domain = self.tape.domain(*part);
            let levels = start..start + domain.levels();
            start = levels.end;
            let piece = match (self.tape.domain(adjoint), domain) {
                (Domain::Cell, _) => adjoint,
                (_, Domain::Cell) => self.tape.sum(adjoint, Some(levels)),
                _ => self.tape.push(Instruction::Slice { value: adjoint, levels }),
            };
            // A cell is one level of the result, not all of them.
            self.give_as_it_is(*part, piece, chain);
        }
        debug_assert_eq!(start, self.tape.domains[at].levels());
    }

    pub(super) fn slice(
        &mut self,
        at: usize,
        chain: Chain,
        adjoint: Value,
        value: Value,
        levels: Range<usize>,
    ) {
        let count = self.tape.domain(value).levels();
        let tape = &mut self.tape;
        let part = if tape.domain(adjoint) == Domain::Cell {
            let mask = tape.mask(count, levels);
            tape.mul(mask, adjoint)
        } else {
            let (below, above) = (levels.start, count - levels.end);
            let mut parts = Vec::new();
            for (position, zeros) in [below, above].into_iter().enumerate() {
                if position == 1 {
                    parts.push(adjoint);
                }
                if zeros > 0 {
                    parts.push(tape.levels(vec![0.0; zeros]));
                }
            }
            tape.push(Instruction::Concat { parts })
        };
        self.give(value, part, chain, at);
    }

    /// With `k` the level and `s` the share of the way to the next one that the instruction has found: its levels get `1 − s`
    /// and `s` of the gradient, the place the slope between them, and their coordinates the slope with the other sign,
    /// in the same shares. On the last level itself there is no slope.
    pub(super) fn interpolate(&mut self, at: usize, chain: Chain, adjoint: Value, operands: [Value; 3]) {
        let [value, coordinate, place] = operands;
        let count = self.tape.domain(value).levels();
        let tape = &mut self.tape;
        let within = Within::new(tape, coordinate, place, count);
        let zero = tape.constant(0.0);
        let adjoint = tape.only(within.inside, true, adjoint);
        let upper = tape.mul(adjoint, within.share);
        let lower = tape.sub(adjoint, upper);

        let (low, high) = (within.scatter(tape, lower, 0), within.scatter(tape, upper, 1));
        let to_value = tape.add(low, high);
        let rises = [value, coordinate].map(|column| {
            let next = tape.shift(column, 1);
            tape.sub(next, column)
        });
        let (level, slope) = (tape.compare(Compare::Eq, rises[1], zero), tape.div(rises[0], rises[1]));
        let slope = tape.only(level, false, slope);
        let slope = within.gather(tape, slope);
        let to_place = tape.mul(adjoint, slope);
        let to_coordinate = [lower, upper].map(|part| {
            let part = tape.mul(part, slope);
            tape.neg(part)
        });
        let (low, high) =
            (within.scatter(tape, to_coordinate[0], 0), within.scatter(tape, to_coordinate[1], 1));
        let to_coordinate = tape.add(low, high);

        self.give_as_it_is(value, to_value, chain);
        self.give_as_it_is(coordinate, to_coordinate, chain);
        self.give(place, to_place, chain, at);
    }
}

/// Where in a column an interpolation looks.
struct Within {
    count: usize,
    /// Whether the place is in the column at all; the rest is that of its nearer end where it is not.
    inside: Value,
    /// The level below, as a number: a cell, or a column if the place is one.
    level: Value,
    /// The share of the way to the next.
    share: Value,
}

impl Within {
    fn new(tape: &mut Tape, coordinate: Value, place: Value, count: usize) -> Self {
        let ends = [Reduce::Min, Reduce::Max]
            .map(|op| tape.push(Instruction::Reduce { op, value: coordinate, weights: None, levels: None }));
        let (above, below) =
            (tape.compare(Compare::Ge, place, ends[0]), tape.compare(Compare::Le, place, ends[1]));
        let inside = tape.mul(above, below);
        let clipped = tape.binary(Binary::Max, place, ends[0]);
        let clipped = tape.binary(Binary::Min, clipped, ends[1]);
        let places = tape.levels((0..count).map(|k| k as f64));
        // The instruction itself finds the pair of levels, so it is the same.
        let position = tape.push(Instruction::Interpolate { value: places, coordinate, at: clipped });
        let level = match tape.domain(place) {
            Domain::Cell => {
                let reached = tape.compare(Compare::Le, places, position);
                let one = tape.constant(1.0);
                let reached = tape.sum(reached, None);
                tape.sub(reached, one)
            }
            Domain::Column(_) => {
                let body = {
                    let mut body = Builder::new("level");
                    let places = body.input("places", Domain::Column(count));
                    let position = body.input("position", Domain::Cell);
                    let reached = body.compare(Compare::Le, places, position);
                    let reached = body.reduce(Reduce::Sum, reached, None, None);
                    let one = body.constant(1.0);
                    let level = body.binary(Binary::Sub, reached, one);
                    body.output("level", level);
                    body.finish()
                };
                let (captures, here) = (vec![places], vec![position]);
                tape.push(Instruction::Each { captures, here, active: None, body: Box::new(body) })
            }
        };
        let share = tape.sub(position, level);
        Self { count, inside, level, share }
    }

    /// What a column is on the level below.
    fn gather(&self, tape: &mut Tape, column: Value) -> Value {
        let places = tape.levels((0..self.count).map(|k| k as f64));
        if tape.domain(self.level) == Domain::Cell {
            let chosen = tape.compare(Compare::Eq, places, self.level);
            let chosen = tape.only(chosen, true, column);
            return tape.sum(chosen, None);
        }
        let column = tape.widen(column, self.count);
        let body = picked("gather", Domain::Column(self.count));
        let (captures, here) = (vec![places, column], vec![self.level]);
        tape.push(Instruction::Each { captures, here, active: None, body: Box::new(body) })
    }

    /// A column in which each place has put its part on the level that many above the one below it.
    fn scatter(&self, tape: &mut Tape, part: Value, above: usize) -> Value {
        let places = tape.levels((0..self.count).map(|k| k as f64 - above as f64));
        if tape.domain(self.level) == Domain::Cell {
            let chosen = tape.compare(Compare::Eq, places, self.level);
            return tape.only(chosen, true, part);
        }
        let domain = tape.domain(self.level);
        let part = tape.widen(part, domain.levels());
        let body = picked("scatter", domain);
        let (captures, here) = (vec![self.level, part], vec![places]);
        tape.push(Instruction::Each { captures, here, active: None, body: Box::new(body) })
    }
}

/// The sum of a column where another column equals a number.
fn picked(name: &str, domain: Domain) -> super::super::ir::Kernel {
    let mut body = Builder::new(name);
    let (places, column) = (body.input("places", domain), body.input("column", domain));
    let place = body.input("place", Domain::Cell);
    let (chosen, zero) = (body.compare(Compare::Eq, places, place), body.constant(0.0));
    let chosen = body.select(chosen, column, zero);
    let sum = body.reduce(Reduce::Sum, chosen, None, None);
    body.output("sum", sum);
    body.finish()
}
