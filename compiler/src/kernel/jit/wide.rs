//! Micro-kernels: exponentials and logarithms of a row of numbers with the processor's widest vectors, which Cranelift lacks.
//!
//! They do the same operations in the same order as [`math`](super::math) does on four lanes, so that results are the same in every bit.
//! Which vectors there are is asked when a kernel is compiled.
#![allow(unsafe_code)]

/// Replaces so many numbers, a multiple of 16, from an address on, by the function of them.
pub(super) type Function = unsafe extern "C" fn(*mut f32, usize);

/// The micro-kernels of a machine.
#[derive(Clone, Copy, Debug)]
pub(super) struct Functions {
    pub exp: Function,
    pub log: Function,
}

/// Those that this machine can run; none on one without vectors of more than four lanes.
pub(super) fn functions() -> Option<Functions> {
    #[cfg(target_arch = "x86_64")]
    {
        if std::arch::is_x86_feature_detected!("avx512f") {
            return Some(Functions { exp: avx512::exp, log: avx512::log });
        }
        if std::arch::is_x86_feature_detected!("avx2") && std::arch::is_x86_feature_detected!("fma") {
            return Some(Functions { exp: avx2::exp, log: avx2::log });
        }
    }
    None
}

/// Operations by the names that the functions use.
#[cfg(target_arch = "x86_64")]
macro_rules! operations {
    ($features:literal; $($name:ident($($x:ident: $of:ty),+) -> $to:ty = $operation:ident;)+) => {
        $(
            #[inline]
            #[target_feature(enable = $features)]
            fn $name($($x: $of),+) -> $to {
                $operation($($x),+)
            }
        )+
    };
}

/// The functions for one kind of vectors, which has the operations.
#[cfg(target_arch = "x86_64")]
macro_rules! micro_kernels {
    ($features:literal, $lanes:literal) => {
        /// See [`Function`].
        pub unsafe extern "C" fn exp(numbers: *mut f32, count: usize) {
            // SAFETY: chosen on machines with these features only.
            unsafe { all_exp(numbers, count) }
        }

        /// See [`Function`].
        pub unsafe extern "C" fn log(numbers: *mut f32, count: usize) {
            // SAFETY: chosen on machines with these features only.
            unsafe { all_log(numbers, count) }
        }

        #[target_feature(enable = $features)]
        unsafe fn all_exp(numbers: *mut f32, count: usize) {
            for start in (0..count).step_by($lanes) {
                // SAFETY: the caller gives so many numbers, a multiple of the lanes.
                unsafe { store(numbers.add(start), exp_of(load(numbers.add(start)))) }
            }
        }

        #[target_feature(enable = $features)]
        unsafe fn all_log(numbers: *mut f32, count: usize) {
            for start in (0..count).step_by($lanes) {
                // SAFETY: as above.
                unsafe { store(numbers.add(start), log_of(load(numbers.add(start)))) }
            }
        }

        /// Horner's rule, the highest power first.
        #[inline]
        #[target_feature(enable = $features)]
        fn polynomial(x: Floats, coefficients: &[f32]) -> Floats {
            let mut sum = all(coefficients[0]);
            for coefficient in &coefficients[1..] {
                sum = fma(sum, x, all(*coefficient));
            }
            sum
        }

        #[inline]
        #[target_feature(enable = $features)]
        fn exp_of(x: Floats) -> Floats {
            // The second where either is NaN, as `x > low ? x : low`.
            let clamped = greater(x, all(EXP_LOW));
            let clamped = lesser(clamped, all(EXP_HIGH));
            let shifted = fma(clamped, all(std::f32::consts::LOG2_E), all(ROUND));
            let n = sub(shifted, all(ROUND));
            let r = fma(n, all(-LN2_HIGH), clamped);
            let r = fma(n, all(-LN2_LOW), r);
            let tail = polynomial(r, &EXP_SERIES);
            let tail = fma(tail, mul(r, r), r);
            let power = add(tail, all(1.0));
            let n = sub_integers(integers(shifted), all_integers(ROUND.to_bits() as i32));
            let half = shift_right::<1>(n);
            let rest = sub_integers(n, half);
            let result = mul(mul(power, power_of_two(half)), power_of_two(rest));
            missing_where_missing(x, result)
        }

        #[inline]
        #[target_feature(enable = $features)]
        fn power_of_two(n: Integers) -> Floats {
            floats(shift_left::<23>(add_integers(n, all_integers(127))))
        }

        #[inline]
        #[target_feature(enable = $features)]
        fn log_of(x: Floats) -> Floats {
            let (mantissa, exponent) = split(x);
            let f = sub(mantissa, all(1.0));
            let s = div(f, add(f, all(2.0)));
            let z = mul(s, s);
            let r = mul(polynomial(z, &LOG_SERIES), z);
            let half_square = mul(mul(f, all(0.5)), f);
            let sum = add(half_square, r);
            let small = mul(exponent, all(LN2_LOW));
            let small = sub(fma(s, sum, small), half_square);
            let result = fma(exponent, all(LN2_HIGH), add(f, small));
            log_of_special(x, result)
        }

        #[inline]
        #[target_feature(enable = $features)]
        fn split(x: Floats) -> (Floats, Floats) {
            let (x, correction) = normal(x);
            let bits = integers(x);
            let e = shift_right::<23>(sub_integers(bits, all_integers(SQRT_HALF)));
            let m = floats(sub_integers(bits, shift_left::<23>(e)));
            (m, sub(to_floats(e), correction))
        }
    };
}

#[cfg(target_arch = "x86_64")]
mod avx512 {
    use std::arch::x86_64::*;

    use super::super::math::{
        ALL_INTEGERS, EXP_HIGH, EXP_LOW, EXP_SERIES, LN2_HIGH, LN2_LOW, LOG_SERIES, ROUND, SQRT_HALF,
    };

    type Floats = __m512;
    type Integers = __m512i;

    micro_kernels!("avx512f", 16);

    #[inline]
    #[target_feature(enable = "avx512f")]
    unsafe fn load(from: *const f32) -> Floats {
        // SAFETY: the caller's.
        unsafe { _mm512_loadu_ps(from) }
    }

    #[inline]
    #[target_feature(enable = "avx512f")]
    unsafe fn store(to: *mut f32, x: Floats) {
        // SAFETY: the caller's.
        unsafe { _mm512_storeu_ps(to, x) }
    }

    #[inline]
    #[target_feature(enable = "avx512f")]
    fn missing_where_missing(x: Floats, result: Floats) -> Floats {
        _mm512_mask_mov_ps(result, _mm512_cmp_ps_mask::<_CMP_UNORD_Q>(x, x), all(f32::NAN))
    }

    /// Subnormal numbers scaled, and what that has added to the exponent.
    #[inline]
    #[target_feature(enable = "avx512f")]
    fn normal(x: Floats) -> (Floats, Floats) {
        let small = _mm512_cmp_ps_mask::<_CMP_LT_OQ>(x, all(f32::MIN_POSITIVE));
        let scaled = mul(x, all(ALL_INTEGERS));
        (_mm512_mask_mov_ps(x, small, scaled), _mm512_maskz_mov_ps(small, all(23.0)))
    }

    #[inline]
    #[target_feature(enable = "avx512f")]
    fn log_of_special(x: Floats, result: Floats) -> Floats {
        let infinite = _mm512_cmp_ps_mask::<_CMP_EQ_OQ>(x, all(f32::INFINITY));
        let result = _mm512_mask_mov_ps(result, infinite, x);
        let empty = _mm512_cmp_ps_mask::<_CMP_EQ_OQ>(x, all(0.0));
        let result = _mm512_mask_mov_ps(result, empty, all(f32::NEG_INFINITY));
        // Below zero, or NaN.
        let missing = _mm512_cmp_ps_mask::<_CMP_NGE_UQ>(x, all(0.0));
        _mm512_mask_mov_ps(result, missing, all(f32::NAN))
    }

    operations! {
        "avx512f";
        all(x: f32) -> Floats = _mm512_set1_ps;
        all_integers(x: i32) -> Integers = _mm512_set1_epi32;
        add(x: Floats, y: Floats) -> Floats = _mm512_add_ps;
        sub(x: Floats, y: Floats) -> Floats = _mm512_sub_ps;
        mul(x: Floats, y: Floats) -> Floats = _mm512_mul_ps;
        div(x: Floats, y: Floats) -> Floats = _mm512_div_ps;
        fma(x: Floats, y: Floats, z: Floats) -> Floats = _mm512_fmadd_ps;
        greater(x: Floats, y: Floats) -> Floats = _mm512_max_ps;
        lesser(x: Floats, y: Floats) -> Floats = _mm512_min_ps;
        integers(x: Floats) -> Integers = _mm512_castps_si512;
        floats(x: Integers) -> Floats = _mm512_castsi512_ps;
        to_floats(x: Integers) -> Floats = _mm512_cvtepi32_ps;
        add_integers(x: Integers, y: Integers) -> Integers = _mm512_add_epi32;
        sub_integers(x: Integers, y: Integers) -> Integers = _mm512_sub_epi32;
    }

    #[inline]
    #[target_feature(enable = "avx512f")]
    fn shift_right<const N: u32>(x: Integers) -> Integers {
        _mm512_srai_epi32::<N>(x)
    }

    #[inline]
    #[target_feature(enable = "avx512f")]
    fn shift_left<const N: u32>(x: Integers) -> Integers {
        _mm512_slli_epi32::<N>(x)
    }
}

#[cfg(target_arch = "x86_64")]
mod avx2 {
    use std::arch::x86_64::*;

    use super::super::math::{
        ALL_INTEGERS, EXP_HIGH, EXP_LOW, EXP_SERIES, LN2_HIGH, LN2_LOW, LOG_SERIES, ROUND, SQRT_HALF,
    };

    type Floats = __m256;
    type Integers = __m256i;

    micro_kernels!("avx2,fma", 8);

    #[inline]
    #[target_feature(enable = "avx2,fma")]
    unsafe fn load(from: *const f32) -> Floats {
        // SAFETY: the caller's.
        unsafe { _mm256_loadu_ps(from) }
    }

    #[inline]
    #[target_feature(enable = "avx2,fma")]
    unsafe fn store(to: *mut f32, x: Floats) {
        // SAFETY: the caller's.
        unsafe { _mm256_storeu_ps(to, x) }
    }

    #[inline]
    #[target_feature(enable = "avx2,fma")]
    fn missing_where_missing(x: Floats, result: Floats) -> Floats {
        _mm256_or_ps(result, _mm256_cmp_ps::<_CMP_UNORD_Q>(x, x))
    }

    /// Subnormal numbers scaled, and what that has added to the exponent.
    #[inline]
    #[target_feature(enable = "avx2,fma")]
    fn normal(x: Floats) -> (Floats, Floats) {
        let small = _mm256_cmp_ps::<_CMP_LT_OQ>(x, all(f32::MIN_POSITIVE));
        let scaled = mul(x, all(ALL_INTEGERS));
        (_mm256_blendv_ps(x, scaled, small), _mm256_and_ps(small, all(23.0)))
    }

    #[inline]
    #[target_feature(enable = "avx2,fma")]
    fn log_of_special(x: Floats, result: Floats) -> Floats {
        let infinite = _mm256_cmp_ps::<_CMP_EQ_OQ>(x, all(f32::INFINITY));
        let result = _mm256_blendv_ps(result, x, infinite);
        let empty = _mm256_cmp_ps::<_CMP_EQ_OQ>(x, all(0.0));
        let result = _mm256_blendv_ps(result, all(f32::NEG_INFINITY), empty);
        // Below zero, or NaN.
        _mm256_or_ps(result, _mm256_cmp_ps::<_CMP_NGE_UQ>(x, all(0.0)))
    }

    operations! {
        "avx2,fma";
        all(x: f32) -> Floats = _mm256_set1_ps;
        all_integers(x: i32) -> Integers = _mm256_set1_epi32;
        add(x: Floats, y: Floats) -> Floats = _mm256_add_ps;
        sub(x: Floats, y: Floats) -> Floats = _mm256_sub_ps;
        mul(x: Floats, y: Floats) -> Floats = _mm256_mul_ps;
        div(x: Floats, y: Floats) -> Floats = _mm256_div_ps;
        fma(x: Floats, y: Floats, z: Floats) -> Floats = _mm256_fmadd_ps;
        greater(x: Floats, y: Floats) -> Floats = _mm256_max_ps;
        lesser(x: Floats, y: Floats) -> Floats = _mm256_min_ps;
        integers(x: Floats) -> Integers = _mm256_castps_si256;
        floats(x: Integers) -> Floats = _mm256_castsi256_ps;
        to_floats(x: Integers) -> Floats = _mm256_cvtepi32_ps;
        add_integers(x: Integers, y: Integers) -> Integers = _mm256_add_epi32;
        sub_integers(x: Integers, y: Integers) -> Integers = _mm256_sub_epi32;
    }

    #[inline]
    #[target_feature(enable = "avx2,fma")]
    fn shift_right<const N: i32>(x: Integers) -> Integers {
        _mm256_srai_epi32::<N>(x)
    }

    #[inline]
    #[target_feature(enable = "avx2,fma")]
    fn shift_left<const N: i32>(x: Integers) -> Integers {
        _mm256_slli_epi32::<N>(x)
    }
}
