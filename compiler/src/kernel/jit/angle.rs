//! `sin`, `cos` and `atan2` on four lanes, in double precision, two lanes at a time: then neither the reduction of the angle
//! nor a quotient that under- or overflows in single precision costs accuracy, and one rounding is left.

use std::f64::consts::{FRAC_2_PI, FRAC_PI_2, FRAC_PI_4, PI};

use cranelift_codegen::ir::condcodes::FloatCC;
use cranelift_codegen::ir::types::{F32, F32X4, F64X2, I64, I64X2};
use cranelift_codegen::ir::{AbiParam, InstBuilder, Signature, Value};

use super::lanes::Lanes;

/// What π/2 is more than its `f64`.
const FRAC_PI_2_LOW: f64 = 6.123_233_995_736_766e-17;
/// Angles below it lose nothing in reduction: their quarter turns fit the low bits of an `f64` and its exact products.
const LARGE_ANGLE: f32 = 1_073_741_824.0;
/// 1.5·2⁵²: added to a small `f64` it rounds it to an integer, which its low bits then hold.
const ROUND_DOUBLE: f64 = 6_755_399_441_055_744.0;
/// tan(π/8): below it the series of the arc tangent is short.
const TAN_PI_8: f64 = 0.414_213_562_373_095_05;

impl Lanes<'_, '_> {
    /// sin x by quarter turns: x = q·π/2 + r, |r| ≤ π/4, and series of sin r and cos r. NaN at infinities.
    pub fn sin(&mut self, x: Value) -> Value {
        self.circular(x, 0, large_sin)
    }

    /// cos x = sin(x + π/2): one quarter turn more.
    pub fn cos(&mut self, x: Value) -> Value {
        self.circular(x, 1, large_cos)
    }

    fn circular(&mut self, x: Value, quarters: i64, large: extern "C" fn(f32) -> f32) -> Value {
        let halves = [false, true].map(|upper| {
            let x = self.promote(x, upper);
            let turned = self.turned(x, quarters);
            self.builder.ins().fvdemote(turned)
        });
        let result = self.join(halves);
        let (size, limit) = (self.builder.ins().fabs(x), self.constant(LARGE_ANGLE));
        let beyond = self.test(FloatCC::GreaterThanOrEqual, size, limit);
        self.where_any(beyond, x, result, large)
    }

    fn turned(&mut self, x: Value, quarters: i64) -> Value {
        let (scale, round) = (self.double(FRAC_2_PI), self.double(ROUND_DOUBLE));
        let shifted = self.fma(x, scale, round);
        let n = self.builder.ins().fsub(shifted, round);
        let (high, low) = (self.double(-FRAC_PI_2), self.double(-FRAC_PI_2_LOW));
        let r = self.fma(n, high, x);
        let r = self.fma(n, low, r);
        let z = self.builder.ins().fmul(r, r);
        // r − r³/6 + …, so written that −0 stays −0.
        let sine = [-1.0 / 39_916_800.0, 1.0 / 362_880.0, -1.0 / 5040.0, 1.0 / 120.0, -1.0 / 6.0, 1.0];
        let sine = self.polynomial_double(z, &sine);
        let sine = self.builder.ins().fmul(r, sine);
        let cosine =
            [1.0 / 479_001_600.0, -1.0 / 3_628_800.0, 1.0 / 40_320.0, -1.0 / 720.0, 1.0 / 24.0, -0.5, 1.0];
        let cosine = self.polynomial_double(z, &cosine);
        // Odd quarters exchange the two, the second and third change the sign.
        let quarter = self.cast(I64X2, shifted);
        let more = self.vector(I64X2, &quarters.to_le_bytes());
        let quarter = self.builder.ins().iadd(quarter, more);
        let odd = self.builder.ins().ishl_imm_s(quarter, 63);
        let odd = self.cast(F64X2, odd);
        let sign = self.builder.ins().ushr_imm_s(quarter, 1);
        let sign = self.builder.ins().ishl_imm_s(sign, 63);
        let sign = self.cast(F64X2, sign);
        let one = self.double(1.0);
        let odd = self.builder.ins().bor(odd, one);
        let zero = self.double(0.0);
        let odd = self.builder.ins().fcmp(FloatCC::LessThan, odd, zero);
        let odd = self.cast(F64X2, odd);
        let chosen = self.choose(odd, cosine, sine);
        self.builder.ins().bxor(chosen, sign)
    }

    /// The result, with the function called lane by lane for all lanes if any is beyond what the series is good for.
    fn where_any(
        &mut self,
        beyond: Value,
        x: Value,
        result: Value,
        function: extern "C" fn(f32) -> f32,
    ) -> Value {
        let any = self.any(&[beyond]);
        let (rare, after) = (self.builder.create_block(), self.builder.create_block());
        self.builder.set_cold_block(rare);
        let merged = self.builder.append_block_param(after, F32X4);
        self.builder.ins().brif(any, rare, &[], after, &[result.into()]);
        self.builder.switch_to_block(rare);
        let mut signature = Signature::new(self.builder.func.signature.call_conv);
        signature.params.push(AbiParam::new(F32));
        signature.returns.push(AbiParam::new(F32));
        let signature = self.builder.import_signature(signature);
        let address = self.builder.ins().iconst(I64, function as usize as i64);
        let mut lanes = result;
        for lane in 0..4 {
            let number = self.builder.ins().extractlane(x, lane);
            let call = self.builder.ins().call_indirect(signature, address, &[number]);
            let number = self.builder.inst_results(call)[0];
            lanes = self.builder.ins().insertlane(lanes, number, lane);
        }
        let chosen = self.choose(beyond, lanes, result);
        self.builder.ins().jump(after, &[chosen.into()]);
        self.builder.switch_to_block(after);
        merged
    }

    /// The angle of the point (x, y): the arc tangent of the lesser by the greater of |x| and |y|, then put in its octant.
    pub fn atan2(&mut self, y: Value, x: Value) -> Value {
        let halves = [false, true].map(|upper| {
            let (y, x) = (self.promote(y, upper), self.promote(x, upper));
            let angle = self.angle(y, x);
            self.builder.ins().fvdemote(angle)
        });
        let result = self.join(halves);
        let missing = self.test(FloatCC::Unordered, x, y);
        self.builder.ins().bor(result, missing)
    }

    fn angle(&mut self, y: Value, x: Value) -> Value {
        let (height, width) = (self.builder.ins().fabs(y), self.builder.ins().fabs(x));
        let steep = self.test_double(FloatCC::GreaterThan, height, width);
        let (greater, lesser) = (self.choose(steep, height, width), self.choose(steep, width, height));
        let quotient = self.builder.ins().fdiv(lesser, greater);
        // 0 ÷ 0 stands for 0, and ∞ ÷ ∞ for 1.
        let (zero, one, infinity) = (self.double(0.0), self.double(1.0), self.double(f64::INFINITY));
        let origin = self.test_double(FloatCC::Equal, greater, zero);
        let quotient = self.choose(origin, zero, quotient);
        let corner = self.test_double(FloatCC::Equal, lesser, infinity);
        let quotient = self.choose(corner, one, quotient);

        // Beyond π/8: π/4 + atan((q − 1)/(q + 1)).
        let limit = self.double(TAN_PI_8);
        let far = self.test_double(FloatCC::GreaterThan, quotient, limit);
        let (less, more) = (self.builder.ins().fsub(quotient, one), self.builder.ins().fadd(quotient, one));
        let turned = self.builder.ins().fdiv(less, more);
        let q = self.choose(far, turned, quotient);
        let z = self.builder.ins().fmul(q, q);
        let series: Vec<f64> =
            (0..10).rev().map(|k| f64::from(1 - 2 * (k % 2)) / f64::from(2 * k + 1)).collect();
        let sum = self.polynomial_double(z, &series);
        let angle = self.builder.ins().fmul(q, sum);
        let eighth = self.double(FRAC_PI_4);
        let eighth = self.builder.ins().band(far, eighth);
        let angle = self.builder.ins().fadd(angle, eighth);

        let (quarter, half) = (self.double(FRAC_PI_2), self.double(PI));
        let rest = self.builder.ins().fsub(quarter, angle);
        let angle = self.choose(steep, rest, angle);
        // The sign of x, of a zero too: that of 1 with it.
        let sign = self.double(-0.0);
        let left = self.builder.ins().band(x, sign);
        let left = self.builder.ins().bor(left, one);
        let left = self.test_double(FloatCC::LessThan, left, zero);
        let rest = self.builder.ins().fsub(half, angle);
        let angle = self.choose(left, rest, angle);
        let below = self.builder.ins().band(y, sign);
        self.builder.ins().bor(angle, below)
    }

    fn test_double(&mut self, condition: FloatCC, x: Value, y: Value) -> Value {
        let lanes = self.builder.ins().fcmp(condition, x, y);
        self.cast(F64X2, lanes)
    }
}

extern "C" fn large_sin(x: f32) -> f32 {
    f64::from(x).sin() as f32
}

extern "C" fn large_cos(x: f32) -> f32 {
    f64::from(x).cos() as f32
}
