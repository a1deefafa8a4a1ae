//! What is done to each number by itself.
//!
//! Where the slope of a function is not finite (a root at 0, a logarithm at 0, a quotient by 0, a power of
//! 0, an exponential that overflows) no gradient passes.

use super::super::ir::{Binary, Compare, Instruction, Unary, Value};
use super::guards::{Chain, Side};
use super::sweep::Sweep;

impl Sweep {
    pub(super) fn elementwise(&mut self, at: usize, chain: Chain, adjoint: Value, instruction: &Instruction) {
        match instruction {
            Instruction::Unary { op, value } => {
                let part = self.unary_slope(*op, *value, Value::new(at), adjoint);
                self.give(*value, part, chain, at);
            }
            Instruction::Binary { op: op @ (Binary::Min | Binary::Max), left, right } => {
                let mask = self.takes_left(*op, *left, *right);
                self.choice(at, chain, adjoint, mask, [*left, *right]);
            }
            Instruction::Binary { op, left, right } => {
                self.binary_slopes(*op, [*left, *right], Value::new(at), adjoint, chain);
            }
            Instruction::Select { mask, then, otherwise } => {
                self.choice(at, chain, adjoint, *mask, [*then, *otherwise]);
            }
            // Masks are constant, and so is what stands for a choice.
            _ => {}
        }
    }

    fn choice(&mut self, at: usize, chain: Chain, adjoint: Value, mask: Value, sides: [Value; 2]) {
        for (value, when) in sides.into_iter().zip([true, false]) {
            let chain = self.guards.under(chain, Side::of(mask, when), &self.tape);
            self.give(value, adjoint, chain, at);
        }
    }

    /// The gradient of the operand `x` of a function with the value `y`.
    fn unary_slope(&mut self, op: Unary, x: Value, y: Value, adjoint: Value) -> Value {
        let tape = &mut self.tape;
        match op {
            Unary::Neg => tape.neg(adjoint),
            Unary::Abs => {
                let zero = tape.constant(0.0);
                let (below, turned) = (tape.compare(Compare::Lt, x, zero), tape.neg(adjoint));
                tape.select(below, turned, adjoint)
            }
            Unary::Sqrt => {
                let zero = tape.constant(0.0);
                let (above, twice) = (tape.compare(Compare::Gt, x, zero), tape.add(y, y));
                let part = tape.div(adjoint, twice);
                tape.only(above, true, part)
            }
            Unary::Exp => {
                let most = tape.constant(f64::INFINITY);
                let (finite, part) = (tape.compare(Compare::Lt, y, most), tape.mul(adjoint, y));
                tape.only(finite, true, part)
            }
            Unary::Log => {
                let zero = tape.constant(0.0);
                let (above, part) = (tape.compare(Compare::Gt, x, zero), tape.div(adjoint, x));
                tape.only(above, true, part)
            }
            Unary::Sin => {
                let slope = tape.unary(Unary::Cos, x);
                tape.mul(adjoint, slope)
            }
            Unary::Cos => {
                let slope = tape.unary(Unary::Sin, x);
                let part = tape.mul(adjoint, slope);
                tape.neg(part)
            }
        }
    }

    fn binary_slopes(
        &mut self,
        op: Binary,
        [left, right]: [Value; 2],
        y: Value,
        adjoint: Value,
        chain: Chain,
    ) {
        let at = y.index();
        let wanted = [left, right].map(|operand| self.active[operand.index()]);
        let tape = &mut self.tape;
        let parts = match op {
            Binary::Add => [adjoint, adjoint],
            Binary::Sub => [adjoint, if wanted[1] { tape.neg(adjoint) } else { adjoint }],
            Binary::Mul => [(wanted[0], right), (wanted[1], left)]
                .map(|(wanted, other)| if wanted { tape.mul(adjoint, other) } else { adjoint }),
            Binary::Div => {
                let zero = tape.constant(0.0);
                let (none, share) = (tape.compare(Compare::Eq, right, zero), tape.div(adjoint, right));
                let other = if wanted[1] { tape.mul(share, y) } else { share };
                // The quotient by 0 is no number either.
                let other = tape.only(none, false, other);
                [tape.only(none, false, share), if wanted[1] { tape.neg(other) } else { other }]
            }
            Binary::Pow => self.power(left, right, y, adjoint, wanted),
            Binary::Atan2 => {
                let squares = [tape.mul(left, left), tape.mul(right, right)];
                let square = tape.add(squares[0], squares[1]);
                let zero = tape.constant(0.0);
                let (none, share) = (tape.compare(Compare::Eq, square, zero), tape.div(adjoint, square));
                let share = tape.only(none, false, share);
                let other = tape.mul(share, left);
                [tape.mul(share, right), tape.neg(other)]
            }
            Binary::Min | Binary::Max => return,
        };
        for (operand, part) in [left, right].into_iter().zip(parts) {
            self.give(operand, part, chain, at);
        }
    }

    /// `y = xᵉ`: by the base `e·y/x`, by the exponent `y·ln x`.
    fn power(&mut self, x: Value, e: Value, y: Value, adjoint: Value, wanted: [bool; 2]) -> [Value; 2] {
        let tape = &mut self.tape;
        let (zero, share) = (tape.constant(0.0), tape.mul(adjoint, y));
        let base = if wanted[0] {
            let (none, slope) = (tape.compare(Compare::Eq, x, zero), tape.div(e, x));
            let part = tape.mul(share, slope);
            tape.only(none, false, part)
        } else {
            share
        };
        let exponent = if wanted[1] {
            let (above, slope) = (tape.compare(Compare::Gt, x, zero), tape.unary(Unary::Log, x));
            let part = tape.mul(share, slope);
            tape.only(above, true, part)
        } else {
            share
        };
        [base, exponent]
    }
}
