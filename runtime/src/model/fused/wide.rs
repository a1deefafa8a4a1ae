//! Loops for wide registers: the same arithmetic in the same order on every machine, compiled for AVX2 and
//! AVX-512 beside the base line and chosen when running.

/// Lanes of a partial sum; the order of additions is a part of the result.
pub const LANES: usize = 16;

/// Defines a function compiled for several instruction sets. None of them contracts a·b+c to one rounding, so
/// that the results are equal to the bit.
macro_rules! wide {
    ($(#[$meta:meta])* pub fn $name:ident($($arg:ident: $type:ty),* $(,)?) $body:block) => {
        $(#[$meta])*
        #[allow(clippy::too_many_arguments, unsafe_code)]
        pub fn $name($($arg: $type),*) {
            #[inline(always)]
            fn body($($arg: $type),*) $body
            #[cfg(target_arch = "x86_64")]
            {
                #[target_feature(enable = "avx512f,avx512vl,avx512dq,avx512bw")]
                fn with_avx512($($arg: $type),*) {
                    body($($arg),*)
                }
                #[target_feature(enable = "avx2")]
                fn with_avx2($($arg: $type),*) {
                    body($($arg),*)
                }
                if std::arch::is_x86_feature_detected!("avx512f")
                    && std::arch::is_x86_feature_detected!("avx512vl")
                    && std::arch::is_x86_feature_detected!("avx512dq")
                    && std::arch::is_x86_feature_detected!("avx512bw")
                {
                    // SAFETY: the processor has just been asked for these features.
                    return unsafe { with_avx512($($arg),*) };
                }
                if std::arch::is_x86_feature_detected!("avx2") {
                    // SAFETY: as above.
                    return unsafe { with_avx2($($arg),*) };
                }
            }
            body($($arg),*)
        }
    };
}
pub(super) use wide;

/// eˣ to about 1e-7 relative for −87 ≤ x ≤ 88, beyond which it stays at the ends: e^(n·ln 2 + r) with |r| ≤ ln 2/2
/// and the Taylor series of eʳ.
#[inline(always)]
pub fn exp(x: f32) -> f32 {
    const ROUND: f32 = 12_582_912.0; // 1.5·2²³: adding it leaves an integer in the low bits.
    let x = x.clamp(-87.0, 88.0);
    let shifted = x * std::f32::consts::LOG2_E + ROUND;
    let n = shifted - ROUND;
    // ln 2 in two parts, the first exact in products with small integers.
    let r = (x - n * 0.693_359_4) - n * -2.121_944_4e-4;
    let series = 1.0 / 720.0 + r * (1.0 / 5040.0);
    let series = 1.0 / 24.0 + r * (1.0 / 120.0 + r * series);
    let series = 1.0 + r * (1.0 + r * (0.5 + r * (1.0 / 6.0 + r * series)));
    let power = (shifted.to_bits().wrapping_sub(ROUND.to_bits()).wrapping_add(127)) << 23;
    series * f32::from_bits(power)
}

/// Σ f(index), in `LANES` partial sums.
#[inline(always)]
pub fn sum(count: usize, f: impl Fn(usize) -> f32) -> f32 {
    let mut lanes = [0f32; LANES];
    let whole = count / LANES * LANES;
    let mut start = 0;
    while start < whole {
        for (lane, sum) in lanes.iter_mut().enumerate() {
            *sum += f(start + lane);
        }
        start += LANES;
    }
    for (index, sum) in (whole..count).zip(&mut lanes) {
        *sum += f(index);
    }
    let mut width = LANES / 2;
    while width > 0 {
        for lane in 0..width {
            lanes[lane] += lanes[lane + width];
        }
        width /= 2;
    }
    lanes[0]
}

/// The greatest of some numbers; −∞ of none.
#[inline(always)]
pub fn greatest(values: &[f32]) -> f32 {
    let mut lanes = [f32::NEG_INFINITY; LANES];
    let (whole, rest) = values.as_chunks::<LANES>();
    for chunk in whole {
        for (most, value) in lanes.iter_mut().zip(chunk) {
            *most = if *value > *most { *value } else { *most };
        }
    }
    for (most, value) in lanes.iter_mut().zip(rest) {
        *most = if *value > *most { *value } else { *most };
    }
    lanes.iter().fold(f32::NEG_INFINITY, |most, value| if *value > most { *value } else { most })
}

#[cfg(test)]
mod tests {
    #[test]
    fn exponential_is_accurate() {
        for step in -8700..8800 {
            let x = step as f32 / 100.0;
            let (have, want) = (f64::from(super::exp(x)), f64::from(x).exp());
            assert!((have / want - 1.0).abs() < 3e-7, "{x}: {have} {want}");
        }
        assert!(super::exp(-1000.0) < 1e-37 && super::exp(f32::NEG_INFINITY) < 1e-37);
    }

    #[test]
    fn the_greatest_is_found_anywhere() {
        for count in 1..40 {
            for place in 0..count {
                let values: Vec<f32> = (0..count).map(|at| if at == place { -1.0 } else { -2.0 }).collect();
                assert_eq!(super::greatest(&values), -1.0);
            }
        }
    }

    #[test]
    fn sums_are_complete() {
        for count in 0..70 {
            let sum = super::sum(count, |index| index as f32);
            assert_eq!(sum, (count * count.saturating_sub(1) / 2) as f32);
        }
    }
}
