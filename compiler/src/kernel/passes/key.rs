//! Keys of instructions: equal keys mean equal results.

use std::collections::BTreeMap;
use std::sync::Arc;

use super::super::ir::{Axis, Binary, Body, Compare, Domain, Instruction, Kernel, Value};

/// An instruction as numbers. Zeros of either sign are kept apart. The order of operands does not matter where it
/// does not matter for the result: of a sum, of a product, of an equality; and `a > b` is `b < a`.
#[derive(Clone, Debug, Default, PartialEq, Eq, PartialOrd, Ord)]
pub(in crate::kernel) struct Key {
    /// All there is of most instructions, so that they need no memory of their own. What comes first says what follows.
    first: [u64; 4],
    more: Vec<u64>,
}

/// Makes keys, all of which can be compared with each other, and with those of its clones as long as neither made more since.
#[derive(Clone, Debug, Default)]
pub(in crate::kernel) struct Keys {
    /// The bodies of walks, each with its number; equal bodies have the same.
    numbers: BTreeMap<Key, u64>,
    /// Those seen before, by their address, which is theirs as long as they are held here.
    seen: BTreeMap<*const Body, (Arc<Body>, u64)>,
}

impl Keys {
    pub fn of(&mut self, instruction: &Instruction) -> Key {
        let mut writer = Writer::new(self);
        writer.instruction(instruction, true);
        writer.key
    }

    /// The same for a scan, whichever of its states is the result: equal keys mean the same walk.
    pub fn of_walk(&mut self, scan: &Instruction) -> Key {
        let mut writer = Writer::new(self);
        writer.instruction(scan, false);
        writer.key
    }

    fn number(&mut self, body: &Arc<Body>) -> u64 {
        if let Some((_, number)) = self.seen.get(&Arc::as_ptr(body)) {
            return *number;
        }
        let mut writer = Writer::new(self);
        writer.key.more.reserve(4 * body.instructions.len());
        writer.number(body.instructions.len());
        for instruction in &body.instructions {
            writer.instruction(instruction, true);
        }
        writer.values(&body.next);
        let key = writer.key;
        let next = self.numbers.len() as u64;
        let number = *self.numbers.entry(key).or_insert(next);
        self.seen.insert(Arc::as_ptr(body), (Arc::clone(body), number));
        number
    }
}

/// Whether two scans differ in their result at most: in every bit, for 0 and -0 are equal, but not the same.
pub(in crate::kernel) fn is_same_walk(one: &Instruction, other: &Instruction) -> bool {
    let mut keys = Keys::default();
    keys.of_walk(one) == keys.of_walk(other)
}

struct Writer<'a> {
    key: Key,
    written: usize,
    keys: &'a mut Keys,
}

impl<'a> Writer<'a> {
    fn new(keys: &'a mut Keys) -> Self {
        Self { key: Key::default(), written: 0, keys }
    }

    fn push(&mut self, number: u64) {
        match self.key.first.get_mut(self.written) {
            Some(place) => *place = number,
            None => self.key.more.push(number),
        }
        self.written += 1;
    }

    fn extend(&mut self, numbers: impl IntoIterator<Item = u64>) {
        numbers.into_iter().for_each(|number| self.push(number));
    }

    /// So many values that what stands before says how many.
    fn plain(&mut self, values: &[Value]) {
        self.extend(values.iter().map(|value| value.index() as u64));
    }

    fn number(&mut self, number: usize) {
        self.push(number as u64);
    }

    fn values(&mut self, values: &[Value]) {
        self.number(values.len());
        self.plain(values);
    }

    fn numbers(&mut self, numbers: &[f64]) {
        self.number(numbers.len());
        self.extend(numbers.iter().map(|number| number.to_bits()));
    }

    fn either(&mut self, [left, right]: [Value; 2]) {
        self.plain(&if left <= right { [left, right] } else { [right, left] });
    }

    fn instruction(&mut self, instruction: &Instruction, with_result: bool) {
        match instruction {
            Instruction::Input(input) => self.extend([0, *input as u64]),
            Instruction::Constant(number) => self.extend([1, number.to_bits()]),
            Instruction::Levels(numbers) => {
                self.number(2);
                self.numbers(numbers);
            }
            Instruction::Unary { op, value } => self.extend([3, *op as u64, value.index() as u64]),
            Instruction::Binary { op, left, right } => {
                self.extend([4, *op as u64]);
                match op {
                    Binary::Add | Binary::Mul => self.either([*left, *right]),
                    _ => self.plain(&[*left, *right]),
                }
            }
            Instruction::Compare { op, left, right } => {
                let (op, operands) = match op {
                    Compare::Gt => (Compare::Lt, [*right, *left]),
                    Compare::Ge => (Compare::Le, [*right, *left]),
                    op => (*op, [*left, *right]),
                };
                self.extend([5, op as u64]);
                match op {
                    Compare::Eq => self.either(operands),
                    _ => self.plain(&operands),
                }
            }
            Instruction::Select { mask, then, otherwise } => {
                self.number(6);
                self.plain(&[*mask, *then, *otherwise]);
            }
            Instruction::Reduce { op, value, weights, levels } => {
                self.extend([7, *op as u64, value.index() as u64]);
                let levels = levels.clone().unwrap_or(0..usize::MAX);
                self.extend([levels.start as u64, levels.end as u64]);
                self.numbers(weights.as_deref().unwrap_or_default());
            }
            Instruction::Shift { value, by } => self.extend([8, value.index() as u64, *by as i64 as u64]),
            Instruction::Interpolate { value, coordinate, at } => {
                self.number(9);
                self.plain(&[*value, *coordinate, *at]);
            }
            Instruction::Layer { op, value, coordinate, from, to } => {
                self.extend([10, *op as u64]);
                self.plain(&[*value, *coordinate, *from, *to]);
            }
            Instruction::Difference { value, axis } => {
                self.extend([11, value.index() as u64, u64::from(*axis == Axis::X)]);
            }
            Instruction::Concat { parts } => {
                self.number(12);
                self.values(parts);
            }
            Instruction::Slice { value, levels } => {
                self.extend([13, value.index() as u64, levels.start as u64, levels.end as u64]);
            }
            Instruction::Each { captures, here, active, body } => {
                self.number(14);
                self.values(captures);
                self.values(here);
                self.values(active.as_slice());
                self.kernel(body);
            }
            Instruction::Scan { reverse, starts, captures, active, body, result } => {
                self.extend([15, u64::from(*reverse), if with_result { *result as u64 } else { 0 }]);
                self.values(starts);
                self.values(captures);
                self.values(active.as_slice());
                let number = self.keys.number(body);
                self.push(number);
            }
            Instruction::State(state) => self.extend([16, *state as u64]),
            Instruction::Here(capture) => self.extend([17, *capture as u64]),
            Instruction::Before(capture) => self.extend([18, *capture as u64]),
        }
    }

    /// The names in it do not matter.
    fn kernel(&mut self, kernel: &Kernel) {
        self.number(kernel.inputs.len());
        self.extend(kernel.inputs.iter().map(|input| match input.domain {
            Domain::Cell => 0,
            Domain::Column(levels) => levels as u64,
        }));
        self.number(kernel.instructions.len());
        for instruction in &kernel.instructions {
            self.instruction(instruction, true);
        }
        self.values(&kernel.outputs.iter().map(|output| output.value).collect::<Vec<_>>());
    }
}

#[cfg(test)]
mod tests {
    use super::super::super::text::parse;
    use super::*;

    fn keys(text: &str) -> Vec<Key> {
        let mut all = Keys::default();
        parse(&format!("kernel k(a: cell, b: column 2) {{\n{text}\n}}")).unwrap().kernels[0]
            .instructions
            .iter()
            .map(|instruction| all.of(instruction))
            .collect()
    }

    #[test]
    fn only_what_is_equal_has_equal_keys() {
        let all = keys(
            "%0 = constant 0.0\n%1 = constant -0.0\n%2 = levels [0]\n%3 = levels [-0.0]\n%4 = sub %0 %1\n%5 = sub %1 %0
            %6 = max %0 %1\n%7 = max %1 %0\n%8 = lt %0 %1\n%9 = lt %1 %0\n%10 = le %0 %1\n%11 = add %0 %1\n%12 = mul %0 %1
            %13 = sum %2\n%14 = highest %2\n%15 = sum %2 weights [1]\n%16 = sum %2 levels 0..1\n%17 = shift %2 by 1
            %18 = shift %2 by -1\n%19 = slice %2 levels 0..1\n%20 = concat [%2 %2]\n%21 = concat [%2]
            %22 = difference %2 x\n%23 = difference %2 y\n%24 = exp %0\n%25 = log %0\n%26 = input a\n%27 = input b
            %28 = layer mean %2 on %3 from %0 to %1\n%29 = layer lowest %2 on %3 from %0 to %1
            %30 = interpolate %2 on %3 at %0\n%31 = select %0 %1 %2\n%32 = eq %0 %1",
        );
        for (k, one) in all.iter().enumerate() {
            for (l, other) in all.iter().enumerate().filter(|(l, _)| *l != k) {
                assert_ne!(one, other, "%{k} and %{l}");
            }
        }
    }

    #[test]
    fn the_order_of_a_sum_does_not_matter() {
        let all = keys(
            "%0 = input a\n%1 = input b\n%2 = add %0 %1\n%3 = add %1 %0\n%4 = gt %0 %1\n%5 = lt %1 %0\n%6 = eq %0 %1
            %7 = eq %1 %0\n%8 = ge %1 %0\n%9 = le %0 %1",
        );
        for [k, l] in [[2, 3], [4, 5], [6, 7], [8, 9]] {
            assert_eq!(all[k], all[l]);
        }
    }

    #[test]
    fn walks_are_the_same_whichever_state_is_the_result() {
        let body = "{\n%0 = state 0\n%1 = state 1\nnext [%1 %0]\n}";
        let text = format!(
            "%0 = input a\n%1 = input b\n%2 = scan starts [%0 %0] captures [%1] result 0 {body}
            %3 = scan starts [%0 %0] captures [%1] result 1 {body}"
        );
        let module = parse(&format!("kernel k(a: cell, b: column 2) {{\n{text}\n}}")).unwrap();
        let scans = &module.kernels[0].instructions[2..];
        let mut keys = Keys::default();
        assert_ne!(keys.of(&scans[0]), keys.of(&scans[1]));
        assert_eq!(keys.of_walk(&scans[0]), keys.of_walk(&scans[1]));
    }
}
