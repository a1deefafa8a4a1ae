//! What can only have one outcome, whatever the inputs are: `max(x, 0)` of a square, a comparison of a mask with 2.

use super::super::interpret::{Number, compare};
use super::super::ir::{Binary, Compare, Domain, Instruction, Kernel, Unary, Value};
use super::facts::Facts;
use super::forward::{Code, Tree, forward};

/// Replaces the lesser or greater of two values, absolute values, comparisons and choices where
/// [`facts`](super::facts) leave no doubt about them, not in a bit: of NaN and of zeros of either sign neither.
#[must_use]
pub fn simplify_by_range<T: Number>(kernel: &Kernel) -> Kernel {
    forward::<T>(kernel, &|instruction, code| only_outcome(instruction, code))
}

fn only_outcome<T: Number>(instruction: &Instruction, code: &Code<'_, T>) -> Option<Tree> {
    let of = |value: &Value| code.facts[value.index()];
    match instruction {
        Instruction::Binary { op: op @ (Binary::Min | Binary::Max), left, right } => {
            let (x, y) = (of(left), of(right));
            let (left_wins, right_wins) = match op {
                Binary::Min => (is_below(&x, &y), is_below(&y, &x)),
                _ => (is_below(&y, &x), is_below(&x, &y)),
            };
            if right_wins.is_some() && !x.missing {
                // Of equal operands the right one is the result.
                return Some(Tree::Old(*right));
            }
            let sure = left_wins? == Below::Strictly || same_where_equal(&x, &y);
            (sure && !y.missing).then_some(Tree::Old(*left))
        }
        Instruction::Unary { op: Unary::Abs, value } => {
            let x = of(value);
            (x.low >= T::ZERO && !x.negative_zero).then_some(Tree::Old(*value))
        }
        Instruction::Compare { op, left, right } => {
            let (x, y) = (of(left), of(right));
            if x.missing || y.missing {
                return None;
            }
            let holds = decided(*op, &x, &y)?;
            let domains = [code.domains[left.index()], code.domains[right.index()]];
            let number = if holds { 1.0 } else { 0.0 };
            let column = domains.into_iter().find(|domain| *domain != Domain::Cell);
            Some(match column {
                None => Tree::Number(number),
                Some(column) => Tree::New(Instruction::Levels(vec![number; column.levels()]), Vec::new()),
            })
        }
        Instruction::Select { mask, then, otherwise } => {
            let mask = of(mask);
            if mask.missing {
                None
            } else if mask.low > T::ZERO || mask.high < T::ZERO {
                Some(Tree::Old(*then))
            } else {
                (mask.low == T::ZERO && mask.high == T::ZERO).then_some(Tree::Old(*otherwise))
            }
        }
        _ => None,
    }
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Below {
    Strictly,
    OrEqual,
}

/// Whether every number of `x` is below every number of `y`, or equal to it; NaN aside.
fn is_below<T: Number>(x: &Facts<T>, y: &Facts<T>) -> Option<Below> {
    if x.high < y.low { Some(Below::Strictly) } else { (x.high <= y.low).then_some(Below::OrEqual) }
}

/// Whether two that touch in one number are the same to the last bit where they are equal: all numbers but zeros are.
fn same_where_equal<T: Number>(x: &Facts<T>, y: &Facts<T>) -> bool {
    let touch = if x.high <= y.low { x.high } else { x.low };
    touch != T::ZERO || !x.negative_zero && !y.negative_zero
}

/// What the comparison must come to, if both are there.
fn decided<T: Number>(op: Compare, x: &Facts<T>, y: &Facts<T>) -> Option<bool> {
    if x.low > x.high || y.low > y.high {
        return None;
    }
    // A comparison is monotone in both operands, so the corners decide, but for equality.
    match op {
        Compare::Eq => {
            if x.high < y.low || y.high < x.low {
                Some(false)
            } else {
                (x.low == x.high && y.low == y.high && x.low == y.low).then_some(true)
            }
        }
        _ => {
            let corners = [(x.low, y.high), (x.high, y.low)].map(|(a, b)| compare(op, a, b) == T::ONE);
            (corners[0] == corners[1]).then_some(corners[0])
        }
    }
}

#[cfg(test)]
mod tests {
    use super::super::super::optimise::tests::after;
    use super::super::dead::remove_dead_code;
    use super::*;

    fn simplified(body: &str) -> String {
        after(|kernel| remove_dead_code(&simplify_by_range::<f32>(kernel)), &format!("%0 = input a\n{body}"))
    }

    #[test]
    fn what_is_never_below_zero_is_not_cut_there() {
        let square = "%1 = mul %0 %0\n%2 = constant 0\n";
        for cut in ["max %1 %2", "max %2 %1"] {
            let text = simplified(&format!("{square}%3 = {cut}\noutput x = %3"));
            assert_eq!(text, "%0 = input a; %1 = mul %0 %0; output x = %1");
        }
        assert!(
            simplified("%1 = exp %0\n%2 = abs %1\noutput x = %2").ends_with("%1 = exp %0; output x = %1")
        );
        assert!(
            simplified("%1 = exp %0\n%2 = constant -1\n%3 = max %1 %2\noutput x = %3")
                .ends_with("output x = %1")
        );
    }

    /// The square root of −0 is −0, which `max(−0, +0)` is not.
    #[test]
    fn zeros_of_either_sign_are_told_apart() {
        let root = "%1 = sqrt %0\n%2 = constant 0\n";
        assert!(simplified(&format!("{root}%3 = max %1 %2\noutput x = %3")).contains("max"));
        // Of equal operands the right one, so −0 stays −0 here.
        assert!(!simplified(&format!("{root}%3 = max %2 %1\noutput x = %3")).contains("max"));
        assert!(simplified(&format!("{root}%3 = abs %1\noutput x = %3")).contains("abs"));
    }

    #[test]
    fn clamps_within_clamps_go() {
        let body = "%1 = constant 0.1\n%2 = constant 5\n%3 = max %0 %1\n%4 = min %3 %2\n%5 = constant -1
            %6 = max %4 %5\n%7 = constant 5\n%8 = min %6 %7\noutput x = %8";
        assert_eq!(
            simplified(body),
            "%0 = input a; %1 = constant 0.1; %2 = constant 5.0; %3 = max %0 %1; %4 = min %3 %2; output x = %4"
        );
    }

    #[test]
    fn what_may_be_missing_is_not_decided() {
        let body = "%1 = mul %0 %0\n%2 = constant -1\n%3 = gt %1 %2\noutput x = %3";
        assert!(simplified(body).contains("gt"));
        let body =
            "%1 = mul %0 %0\n%2 = constant -1\n%3 = max %2 %1\n%4 = min %1 %2\noutput x = %3\noutput y = %4";
        let text = simplified(body);
        // A missing square makes the lesser of both missing; the constant does not.
        assert!(!text.contains("max") && text.contains("min"), "{text}");
    }

    #[test]
    fn what_is_decided_keeps_its_domain() {
        let body = "%1 = levels [1 2]\n%2 = constant 0\n%3 = gt %1 %2\n%4 = select %3 %0 %1\noutput x = %3\noutput y = %4";
        let text = simplified(body);
        assert!(text.contains("= levels [1.0 1.0]") && text.contains("select"), "{text}");
    }
}
