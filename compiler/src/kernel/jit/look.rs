//! Looking along a column: interpolation and layers. Both go through the pairs of neighbouring levels in stored order; what a
//! pair is not concerned with is jumped over.

use cranelift_codegen::ir::condcodes::{FloatCC, IntCC};
use cranelift_codegen::ir::types::I64;
use cranelift_codegen::ir::{InstBuilder, Value};

use super::super::ir::{Binary, Domain, Instruction, LayerOp};
use super::emit::Emitter;
use super::frame::Held;
use super::level::Level;
use super::schedule::{Search, Slab};

/// What a slab needs on every level.
#[derive(Clone)]
pub(super) struct Extent {
    /// Rows: the lower and the upper end, where a coordinate is missing, the depth so far, and then one for each result.
    row: usize,
}

impl Emitter<'_, '_, '_> {
    /// A row that is all ones where nothing has been found yet, and the results: missing until found.
    fn clear_search(&mut self, search: &Search) -> usize {
        let first = self.rows(1 + search.positions.len());
        let missing = self.constant(f32::NAN);
        let open = self.constant(f32::from_bits(u32::MAX));
        self.store_row(self.scratch, first, &open);
        for number in 1..=search.positions.len() {
            self.store_row(self.scratch, first + number, &missing);
        }
        first
    }

    pub fn begin_search(&mut self, number: usize) {
        let search = &self.frame.schedule.searches[number];
        if self.frame.is_column(search.at) {
            return;
        }
        let first = self.clear_search(search);
        for (result, position) in search.positions.iter().enumerate() {
            self.frame.slots.insert(*position, first + 1 + result);
        }
    }

    /// One level of a search for a cell, or the whole search for this level of a column.
    pub fn search(&mut self, number: usize) {
        let search = &self.frame.schedule.searches[number];
        if self.frame.is_column(search.at) {
            return self.search_column(search);
        }
        let (Some(here), Some(before)) = (self.frame.level, self.frame.before) else { return };
        let Some(first) = search.positions.first().and_then(|position| self.frame.slots.get(position)) else {
            return;
        };
        self.find(search, *first - 1, true, [before, here]);
    }

    fn search_column(&mut self, search: &Search) {
        let Domain::Column(levels) = self.frame.schedule.domains[search.coordinate.index()] else { return };
        // The place is the same for all levels of the inner loop.
        self.held(search.at);
        let first = self.clear_search(search);
        let zero = self.lanes.builder.ins().iconst(I64, 0);
        let body = self.lanes.builder.create_block();
        let exit = self.lanes.builder.create_block();
        let again = self.lanes.builder.create_block();
        self.lanes.builder.ins().jump(body, &[zero.into(), zero.into()]);
        self.lanes.builder.switch_to_block(body);
        let [index, previous] = [I64, I64].map(|of| self.lanes.builder.append_block_param(body, of));
        let pair = [self.level(previous), self.level(index)];
        self.find(search, first, false, pair);
        let open = self.load_row(self.scratch, first);
        let any = self.lanes.any(&open);
        self.lanes.builder.ins().brif(any, again, &[], exit, &[]);
        self.lanes.builder.switch_to_block(again);
        let next = self.lanes.builder.ins().iadd_imm_s(index, 1);
        let more = self.lanes.builder.ins().icmp_imm_s(IntCC::SignedLessThan, next, levels as i64);
        self.lanes.builder.ins().brif(more, body, &[next.into(), index.into()], exit, &[]);
        self.lanes.builder.switch_to_block(exit);
        for (result, position) in search.positions.iter().enumerate() {
            let numbers = self.load_row(self.scratch, first + 1 + result);
            self.set(*position, Held::Number(numbers));
        }
    }

    /// Looks at one pair of levels, and at the second of them; on the first level both are the same.
    /// `own` says that the second is the loop's level.
    fn find(&mut self, search: &Search, first: usize, own: bool, [before, here]: [Level; 2]) {
        let at = self.number(search.at);
        let start = self.at_level(search.coordinate, before);
        let end = if own { self.number(search.coordinate) } else { self.at_level(search.coordinate, here) };
        let open = self.load_row(self.scratch, first);
        let (mut between, mut hits) = (Vec::new(), Vec::new());
        for (((at, start), end), open) in at.iter().zip(&start).zip(&end).zip(&open) {
            let lanes = &mut self.lanes;
            let (above, below) =
                (lanes.test(FloatCC::LessThan, *start, *at), lanes.test(FloatCC::LessThan, *at, *end));
            let rising = lanes.builder.ins().band(above, below);
            let (above, below) =
                (lanes.test(FloatCC::LessThan, *end, *at), lanes.test(FloatCC::LessThan, *at, *start));
            let falling = lanes.builder.ins().band(above, below);
            let inside = lanes.builder.ins().bor(rising, falling);
            let equal = lanes.test(FloatCC::Equal, *end, *at);
            let hit = lanes.builder.ins().bor(inside, equal);
            hits.push(lanes.builder.ins().band(hit, *open));
            between.push(inside);
        }
        let any = self.lanes.any(&hits);
        self.when(any, |emitter| {
            let mut weights = Vec::new();
            for ((at, start), end) in at.iter().zip(&start).zip(&end) {
                let from = emitter.lanes.builder.ins().fsub(*at, *start);
                let depth = emitter.lanes.builder.ins().fsub(*end, *start);
                weights.push(emitter.lanes.builder.ins().fdiv(from, depth));
            }
            for (result, position) in search.positions.iter().enumerate() {
                let Instruction::Interpolate { value, .. } = emitter.frame.instruction(*position) else {
                    continue;
                };
                let old = emitter.at_level(*value, before);
                let new = if own { emitter.number(*value) } else { emitter.at_level(*value, here) };
                let mut numbers = emitter.load_row(emitter.scratch, first + 1 + result);
                for (u, number) in numbers.iter_mut().enumerate() {
                    let line = emitter.line(old[u], new[u], weights[u]);
                    let found = emitter.lanes.choose(between[u], line, new[u]);
                    *number = emitter.lanes.choose(hits[u], found, *number);
                }
                emitter.store_row(emitter.scratch, first + 1 + result, &numbers);
            }
            let left: Vec<Value> = open
                .iter()
                .zip(&hits)
                .map(|(open, hit)| emitter.lanes.builder.ins().band_not(*open, *hit))
                .collect();
            emitter.store_row(emitter.scratch, first, &left);
        });
    }

    /// `start + weight × (end − start)`.
    fn line(&mut self, start: Value, end: Value, weight: Value) -> Value {
        let rise = self.lanes.builder.ins().fsub(end, start);
        let part = self.lanes.builder.ins().fmul(weight, rise);
        self.lanes.builder.ins().fadd(start, part)
    }

    pub fn begin_slab(&mut self, number: usize) {
        let slab = &self.frame.schedule.slabs[number];
        let row = self.rows(4 + slab.positions.len());
        let (from, to) = (self.number(slab.from), self.number(slab.to));
        let (mut low, mut high) = (Vec::new(), Vec::new());
        for (from, to) in from.iter().zip(&to) {
            let rising = self.lanes.test(FloatCC::LessThanOrEqual, *from, *to);
            low.push(self.lanes.choose(rising, *from, *to));
            high.push(self.lanes.choose(rising, *to, *from));
        }
        let zero = self.constant(0.0);
        self.store_row(self.scratch, row, &low);
        self.store_row(self.scratch, row + 1, &high);
        self.store_row(self.scratch, row + 2, &zero);
        self.store_row(self.scratch, row + 3, &zero);
        for (result, position) in slab.positions.iter().enumerate() {
            let start = match self.layer_op(*position) {
                LayerOp::Integral | LayerOp::Mean => 0.0,
                LayerOp::Max => f32::NEG_INFINITY,
                LayerOp::Min => f32::INFINITY,
            };
            let start = self.constant(start);
            self.store_row(self.scratch, row + 4 + result, &start);
        }
        self.frame.slabs.insert(number, Extent { row });
    }

    fn layer_op(&self, position: usize) -> LayerOp {
        match self.frame.instruction(position) {
            Instruction::Layer { op, .. } => *op,
            _ => LayerOp::Integral,
        }
    }

    /// Takes in the pair of this level and the one before; on the first both are the same, and have no thickness.
    pub fn slab(&mut self, number: usize) {
        let slab = &self.frame.schedule.slabs[number];
        let (Some(extent), Some(before)) = (self.frame.slabs.get(&number).cloned(), self.frame.before) else {
            return;
        };
        let old = self.at_level(slab.coordinate, before);
        let new = self.number(slab.coordinate);
        let (low, high) =
            (self.load_row(self.scratch, extent.row), self.load_row(self.scratch, extent.row + 1));
        let mut missing = self.load_row(self.scratch, extent.row + 2);
        let mut pairs = Vec::new();
        for (u, missing) in missing.iter_mut().enumerate() {
            let lanes = &mut self.lanes;
            let unknown = lanes.test(FloatCC::Unordered, new[u], new[u]);
            *missing = lanes.builder.ins().bor(*missing, unknown);
            let rising = lanes.test(FloatCC::LessThanOrEqual, old[u], new[u]);
            let (a, b) = (lanes.choose(rising, old[u], new[u]), lanes.choose(rising, new[u], old[u]));
            let inside = lanes.test(FloatCC::GreaterThan, a, low[u]);
            let start = lanes.choose(inside, a, low[u]);
            let inside = lanes.test(FloatCC::LessThan, b, high[u]);
            let end = lanes.choose(inside, b, high[u]);
            let taken = lanes.test(FloatCC::LessThan, start, end);
            pairs.push(Pair { rising, a, b, start, end, taken });
        }
        self.store_row(self.scratch, extent.row + 2, &missing);
        let taken: Vec<Value> = pairs.iter().map(|pair| pair.taken).collect();
        let any = self.lanes.any(&taken);
        self.when(any, |emitter| emitter.take_in(slab, &extent, before, &pairs));
    }

    fn take_in(&mut self, slab: &Slab, extent: &Extent, before: Level, pairs: &[Pair]) {
        let mut shares = Vec::new();
        let mut depths = self.load_row(self.scratch, extent.row + 3);
        for (pair, depth) in pairs.iter().zip(&mut depths) {
            let lanes = &mut self.lanes;
            let thickness = lanes.builder.ins().fsub(pair.b, pair.a);
            let [first, last] = [pair.start, pair.end].map(|place| {
                let from = lanes.builder.ins().fsub(place, pair.a);
                lanes.builder.ins().fdiv(from, thickness)
            });
            let part = lanes.builder.ins().fsub(pair.end, pair.start);
            let sum = lanes.builder.ins().fadd(*depth, part);
            *depth = lanes.choose(pair.taken, sum, *depth);
            let at_a = lanes.test(FloatCC::Equal, pair.start, pair.a);
            let at_b = lanes.test(FloatCC::Equal, pair.end, pair.b);
            shares.push(Share { first, last, at_a, at_b, part });
        }
        self.store_row(self.scratch, extent.row + 3, &depths);
        for (result, position) in slab.positions.iter().enumerate() {
            let Instruction::Layer { op, value, .. } = self.frame.instruction(*position) else { continue };
            let (old, new) = (self.at_level(*value, before), self.number(*value));
            let row = extent.row + 4 + result;
            let mut numbers = self.load_row(self.scratch, row);
            for (u, number) in numbers.iter_mut().enumerate() {
                *number = self.join(*op, *number, (old[u], new[u]), &pairs[u], &shares[u]);
            }
            self.store_row(self.scratch, row, &numbers);
        }
    }

    /// A layer's result with one pair taken in.
    fn join(
        &mut self,
        op: LayerOp,
        before: Value,
        (old, new): (Value, Value),
        pair: &Pair,
        share: &Share,
    ) -> Value {
        let (f_a, f_b) = (self.lanes.choose(pair.rising, old, new), self.lanes.choose(pair.rising, new, old));
        let first = self.line(f_a, f_b, share.first);
        let first = self.lanes.choose(share.at_a, f_a, first);
        let last = self.line(f_a, f_b, share.last);
        let last = self.lanes.choose(share.at_b, f_b, last);
        let next = match op {
            LayerOp::Integral | LayerOp::Mean => {
                let half = self.lanes.constant(0.5);
                let sum = self.lanes.builder.ins().fadd(first, last);
                let mean = self.lanes.builder.ins().fmul(sum, half);
                let area = self.lanes.builder.ins().fmul(mean, share.part);
                self.lanes.builder.ins().fadd(before, area)
            }
            LayerOp::Max | LayerOp::Min => {
                let op = if op == LayerOp::Max { Binary::Max } else { Binary::Min };
                let next = self.lanes.binary(op, before, first);
                self.lanes.binary(op, next, last)
            }
        };
        self.lanes.choose(pair.taken, next, before)
    }

    /// The results, once all pairs have been taken in.
    pub fn end_slab(&mut self, number: usize) {
        let slab = &self.frame.schedule.slabs[number];
        let Some(extent) = self.frame.slabs.remove(&number) else { return };
        let (from, to) = (self.number(slab.from), self.number(slab.to));
        let missing = self.load_row(self.scratch, extent.row + 2);
        let depths = self.load_row(self.scratch, extent.row + 3);
        for (result, position) in slab.positions.iter().enumerate() {
            let op = self.layer_op(*position);
            let mut numbers = self.load_row(self.scratch, extent.row + 4 + result);
            for (u, number) in numbers.iter_mut().enumerate() {
                let lanes = &mut self.lanes;
                let zero = lanes.constant(0.0);
                // Every part is thicker than zero.
                let empty = lanes.test(FloatCC::Equal, depths[u], zero);
                *number = match op {
                    LayerOp::Integral => {
                        let rising = lanes.test(FloatCC::LessThanOrEqual, from[u], to[u]);
                        let negated = lanes.builder.ins().fneg(*number);
                        lanes.choose(rising, *number, negated)
                    }
                    LayerOp::Mean => {
                        let mean = lanes.builder.ins().fdiv(*number, depths[u]);
                        lanes.builder.ins().bor(mean, empty)
                    }
                    LayerOp::Max | LayerOp::Min => lanes.builder.ins().bor(*number, empty),
                };
                let bounds = lanes.test(FloatCC::Unordered, from[u], to[u]);
                *number = lanes.builder.ins().bor(*number, bounds);
                *number = lanes.builder.ins().bor(*number, missing[u]);
            }
            self.set(*position, Held::Number(numbers));
        }
    }
}

/// Two neighbouring levels: their coordinates in order, and what of them lies in the layer.
struct Pair {
    /// Whether the first level's coordinate is the lesser.
    rising: Value,
    a: Value,
    b: Value,
    start: Value,
    end: Value,
    /// Whether anything does.
    taken: Value,
}

/// Where the layer's ends are between two levels.
struct Share {
    first: Value,
    last: Value,
    at_a: Value,
    at_b: Value,
    part: Value,
}
