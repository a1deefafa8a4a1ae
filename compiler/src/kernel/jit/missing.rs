//! Where a choice need not ask whether its mask is missing: what it takes is missing there anyhow.
//!
//! A choice is missing where its mask is. Most of those in derivatives ask whether the derivative so far is zero and choose between
//! zero and a product with it, which is missing where it is.

use super::super::ir::{Instruction, Value};
use super::schedule::is_elementwise;

/// How many values are looked at before the question is left open.
const FAR: usize = 48;

/// Which operand of a choice is missing wherever its mask is.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) struct Carried {
    /// `then`, where the mask is a number that is missing.
    pub number: bool,
    /// `otherwise`, where the mask is a comparison of what is missing.
    pub comparison: bool,
}

/// For the instruction at that position, if it is a choice.
pub(super) fn carried(instructions: &[Instruction], position: usize) -> Carried {
    let Instruction::Select { mask, then, otherwise } = &instructions[position] else {
        return Carried::default();
    };
    match &instructions[mask.index()] {
        Instruction::Compare { left, right, .. } => {
            let carries = |value| carries(instructions, value, *otherwise);
            Carried { number: false, comparison: carries(*left) && carries(*right) }
        }
        _ => Carried { number: carries(instructions, *mask, *then), comparison: false },
    }
}

/// Whether `to` is missing wherever `from` is: all elementwise instructions pass on what is missing, a choice from its mask or from
/// both others.
fn carries(instructions: &[Instruction], from: Value, to: Value) -> bool {
    if matches!(instructions[from.index()], Instruction::Constant(number) if !number.is_nan()) {
        return true;
    }
    let mut left = FAR;
    reaches(instructions, from, to, &mut left)
}

fn reaches(instructions: &[Instruction], from: Value, to: Value, left: &mut usize) -> bool {
    if from == to {
        return true;
    }
    // Operands come before what uses them.
    if to < from || *left == 0 {
        return false;
    }
    *left -= 1;
    let instruction = &instructions[to.index()];
    match instruction {
        Instruction::Select { mask, then, otherwise } => {
            reaches(instructions, from, *mask, left)
                || reaches(instructions, from, *then, left) && reaches(instructions, from, *otherwise, left)
        }
        other => {
            is_elementwise(other)
                && other.operands().into_iter().any(|operand| reaches(instructions, from, operand, left))
        }
    }
}

#[cfg(test)]
mod tests {
    use super::super::super::text::parse;
    use super::*;

    #[test]
    fn products_carry_what_a_choice_does_not() {
        let text = "kernel k(a: cell, b: cell) {
            %0 = input a\n%1 = input b\n%2 = constant 0.0\n%3 = mul %0 %1\n%4 = neg %3\n%5 = select %0 %4 %2
            %6 = select %1 %2 %4\n%7 = gt %0 %2\n%8 = select %7 %2 %3\n%9 = select %7 %3 %2\n%10 = select %9 %5 %8
            %11 = select %0 %10 %2\noutput o = %11\n}";
        let kernel = &parse(text).unwrap().kernels[0];
        let of = |position| carried(&kernel.instructions, position);
        assert!(of(5).number, "a product of the mask");
        assert!(!of(6).number, "zero carries nothing");
        assert!(of(8).comparison, "the constant is never missing, and the product is where a is");
        assert!(!of(9).comparison);
        assert!(of(11).number, "by the mask of the mask");
        assert_eq!(of(3), Carried::default());
    }
}
