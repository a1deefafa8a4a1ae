//! What is known of a value, whatever the inputs are: between which numbers it lies, whether it may be missing, and whether
//! it is a mask.
//!
//! Nothing is assumed of inputs: that a recipe's type gives a range does not make archives and networks keep to it.
//! Bounds are computed in the number type of the executor; its rounding is monotone, so they hold for what it computes. Of
//! `exp`, of which executors may differ by 2 ulp, only the sign is used.

use super::super::interpret::{Number, binary, missing, unary};
use super::super::ir::{Binary, Instruction, Reduce, Unary, Value};

/// What is known of a value.
#[derive(Clone, Copy, Debug)]
pub(in crate::kernel) struct Facts<T> {
    /// Every number that it may be, NaN aside, is at least this.
    pub low: T,
    /// And at most this.
    pub high: T,
    /// Whether it may be NaN.
    pub missing: bool,
    /// Whether it may be −0.
    pub negative_zero: bool,
    /// Whether it is +0, 1 or NaN, and nothing else.
    pub mask: bool,
}

impl<T: Number> Facts<T> {
    /// Nothing is known.
    pub fn unknown() -> Self {
        Self {
            low: T::from_f64(f64::NEG_INFINITY),
            high: T::from_f64(f64::INFINITY),
            missing: true,
            negative_zero: true,
            mask: false,
        }
    }

    /// What all these numbers have in common.
    fn of_numbers(numbers: &[f64]) -> Self {
        let of = |number: &f64| {
            let number = T::from_f64(*number);
            if missing(number) {
                return Self { low: T::ONE, high: T::ZERO, missing: true, negative_zero: false, mask: true };
            }
            let zero = number == T::ZERO;
            let negative_zero = zero && number.to_f64().is_sign_negative();
            let mask = number == T::ONE || zero && !negative_zero;
            Self { low: number, high: number, missing: false, negative_zero, mask }
        };
        numbers.iter().map(of).reduce(Self::or).unwrap_or_else(Self::unknown)
    }

    /// What is known of a value that is one or the other. Where `low` is above `high`, it can only be NaN.
    pub fn or(self, other: Self) -> Self {
        let never = |facts: &Self| facts.low > facts.high;
        let (low, high) = match (never(&self), never(&other)) {
            (true, _) => (other.low, other.high),
            (_, true) => (self.low, self.high),
            _ => (
                if self.low < other.low { self.low } else { other.low },
                if self.high > other.high { self.high } else { other.high },
            ),
        };
        Self {
            low,
            high,
            missing: self.missing || other.missing,
            negative_zero: self.negative_zero || other.negative_zero,
            mask: self.mask && other.mask,
        }
    }

    /// Whether it may be ±∞.
    fn infinite(&self) -> bool {
        let infinity = T::from_f64(f64::INFINITY);
        self.low == -infinity || self.high == infinity
    }

    fn may_be_zero(&self) -> bool {
        self.low <= T::ZERO && self.high >= T::ZERO
    }

    /// Between zero and this, and never −0.
    fn positive(high: T, missing: bool) -> Self {
        Self { low: T::ZERO, high, missing, negative_zero: false, mask: false }
    }
}

/// What is known of the instruction's result; `of` knows its operands.
pub(super) fn facts_of<T: Number>(instruction: &Instruction, of: impl Fn(Value) -> Facts<T>) -> Facts<T> {
    match instruction {
        Instruction::Constant(number) => Facts::of_numbers(&[*number]),
        Instruction::Levels(numbers) => Facts::of_numbers(numbers),
        Instruction::Unary { op, value } => of_unary(*op, of(*value)),
        Instruction::Binary { op: Binary::Mul, left, right } if left == right => {
            let square = of(*left);
            Facts { mask: square.mask, ..Facts::positive(T::from_f64(f64::INFINITY), square.missing) }
        }
        Instruction::Binary { op, left, right } => of_binary(*op, of(*left), of(*right)),
        Instruction::Compare { left, right, .. } => Facts {
            low: T::ZERO,
            high: T::ONE,
            missing: of(*left).missing || of(*right).missing,
            negative_zero: false,
            mask: true,
        },
        Instruction::Select { mask, then, otherwise } => {
            let chosen = of(*then).or(of(*otherwise));
            Facts { missing: chosen.missing || of(*mask).missing, ..chosen }
        }
        Instruction::Reduce { op: Reduce::Min | Reduce::Max, value, .. }
        | Instruction::Shift { value, .. }
        | Instruction::Slice { value, .. } => of(*value),
        Instruction::Concat { parts } => {
            parts.iter().map(|part| of(*part)).reduce(Facts::or).unwrap_or_else(Facts::unknown)
        }
        _ => Facts::unknown(),
    }
}

fn of_unary<T: Number>(op: Unary, of: Facts<T>) -> Facts<T> {
    let infinity = T::from_f64(f64::INFINITY);
    match op {
        Unary::Neg => Facts {
            low: -of.high,
            high: -of.low,
            missing: of.missing,
            negative_zero: of.may_be_zero(),
            mask: false,
        },
        Unary::Abs => {
            let (low, high) = (of.low.abs(), of.high.abs());
            let (lesser, greater) = if low < high { (low, high) } else { (high, low) };
            let low = if of.may_be_zero() { T::ZERO } else { lesser };
            Facts { low, mask: of.mask, ..Facts::positive(greater, of.missing) }
        }
        Unary::Exp => Facts::positive(infinity, of.missing),
        Unary::Sqrt => {
            let root = |x: T| if x > T::ZERO { unary(Unary::Sqrt, x) } else { T::ZERO };
            let missing = of.missing || of.low < T::ZERO;
            Facts {
                low: root(of.low),
                negative_zero: of.negative_zero,
                ..Facts::positive(root(of.high), missing)
            }
        }
        Unary::Log | Unary::Sin | Unary::Cos => Facts::unknown(),
    }
}

fn of_binary<T: Number>(op: Binary, x: Facts<T>, y: Facts<T>) -> Facts<T> {
    let known = x.low <= x.high && y.low <= y.high;
    let missing_operand = x.missing || y.missing;
    match op {
        _ if !known => Facts::unknown(),
        Binary::Min | Binary::Max => Facts {
            low: binary(op, x.low, y.low),
            high: binary(op, x.high, y.high),
            missing: missing_operand,
            // The left one is the result only where it differs from the right one, which −0 and +0 do not.
            negative_zero: y.negative_zero
                || x.negative_zero && (if op == Binary::Min { y.high > T::ZERO } else { y.low < T::ZERO }),
            mask: x.mask && y.mask,
        },
        Binary::Add | Binary::Sub => {
            let (low, high) = match op {
                Binary::Add => (x.low + y.low, x.high + y.high),
                _ => (x.low - y.high, x.high - y.low),
            };
            let missing = missing_operand || x.infinite() && y.infinite();
            if low > high || super::super::interpret::missing(low) || super::super::interpret::missing(high) {
                return Facts { missing, ..Facts::unknown() };
            }
            let negative_zero = match op {
                Binary::Add => x.negative_zero && y.negative_zero,
                _ => x.negative_zero && y.may_be_zero(),
            };
            // 1 − mask is a mask.
            let one = x.low == T::ONE && x.high == T::ONE;
            Facts { low, high, missing, negative_zero, mask: op == Binary::Sub && one && y.mask }
        }
        Binary::Mul if x.low >= T::ZERO && y.low >= T::ZERO => {
            let missing =
                missing_operand || x.infinite() && y.may_be_zero() || y.infinite() && x.may_be_zero();
            let high =
                if x.infinite() || y.infinite() { T::from_f64(f64::INFINITY) } else { x.high * y.high };
            Facts {
                negative_zero: x.negative_zero || y.negative_zero,
                mask: x.mask && y.mask,
                ..Facts::positive(high, missing)
            }
        }
        _ => Facts::unknown(),
    }
}

#[cfg(test)]
mod tests {
    use super::super::super::text::parse;
    use super::*;

    fn facts(body: &str) -> Facts<f32> {
        let module = parse(&format!("kernel k(a: cell) {{\n%0 = input a\n{body}\n}}")).unwrap();
        let mut all: Vec<Facts<f32>> = Vec::new();
        for instruction in &module.kernels[0].instructions {
            let facts = facts_of(instruction, |value| all[value.index()]);
            all.push(facts);
        }
        all.pop().unwrap()
    }

    #[test]
    fn signs_are_known_where_they_are_sure() {
        let square = facts("%1 = mul %0 %0");
        assert!(square.low == 0.0 && square.missing && !square.negative_zero);
        let root = facts("%1 = abs %0\n%2 = sqrt %1");
        assert!(root.low == 0.0 && !root.negative_zero);
        assert!(facts("%1 = sqrt %0").negative_zero);
        let sum = facts("%1 = exp %0\n%2 = constant 1\n%3 = add %1 %2");
        assert!(sum.low == 1.0 && sum.high == f32::INFINITY);
        assert_eq!(facts("%1 = neg %0").low, f32::NEG_INFINITY);
    }

    #[test]
    fn masks_are_masks_as_long_as_they_are() {
        assert!(facts("%1 = lt %0 %0\n%2 = constant 1\n%3 = sub %2 %1\n%4 = mul %3 %1\n%5 = max %4 %3").mask);
        assert!(!facts("%1 = lt %0 %0\n%2 = neg %1").mask);
        assert!(!facts("%1 = constant -0.0").mask);
        assert!(facts("%1 = levels [0 1 nan]").mask);
    }

    #[test]
    fn a_difference_of_infinities_may_be_missing() {
        let of = facts("%1 = constant inf\n%2 = constant inf\n%3 = sub %1 %2");
        assert!(of.missing);
        assert!(facts("%1 = exp %0\n%2 = constant 0\n%3 = mul %1 %2").missing);
    }
}
