//! `exp`, `log` and `pow` of machine code against the functions of `f64`, rounded once.

mod kernel_support;

use aurora_compiler::kernel::ir::*;
use aurora_compiler::kernel::jit::Compiled;
use kernel_support::{Random, run, ulps};
use ndarray::Array2;

/// Numbers with every exponent and sign, the special ones, and many near 1.
fn numbers() -> Vec<f32> {
    let mut numbers: Vec<f32> = (0..=u32::MAX).step_by(6007).map(f32::from_bits).collect();
    numbers.extend((-50_000..50_000).map(|k| 1.0 + k as f32 * f32::EPSILON * 3.0));
    numbers.extend((-220_000..=200_000).map(|k| k as f32 * 5e-4));
    let mut random = Random(1);
    numbers.extend((0..50_000).map(|_| random.number()));
    numbers.extend([
        0.0,
        -0.0,
        f32::INFINITY,
        f32::NEG_INFINITY,
        f32::NAN,
        88.722_84,
        88.722_83,
        -103.972_08,
        -87.4,
    ]);
    numbers
}

/// The largest distance in ulp and where it is; all beyond the limit are printed first.
fn worst(found: &Array2<f32>, expected: impl Fn(usize) -> f32, place: impl Fn(usize) -> String, limit: u64) {
    let mut worst = 0;
    for (cell, found) in found.iter().enumerate() {
        let distance = ulps(*found, expected(cell));
        assert!(
            distance <= limit,
            "{}: {found:?} instead of {:?} ({distance} ulp)",
            place(cell),
            expected(cell)
        );
        worst = worst.max(distance);
    }
    println!("{} numbers, at most {worst} ulp", found.len());
}

fn check_unary(op: Unary, function: fn(f64) -> f64, limit: u64) {
    let mut builder = Builder::new("unary");
    let x = builder.input("x", Domain::Cell);
    let y = builder.unary(op, x);
    builder.output("y", y);
    let compiled = Compiled::new(&builder.finish()).unwrap();
    let numbers = numbers();
    let cells = numbers.len();
    let input = Array2::from_shape_vec((1, cells), numbers.clone()).unwrap();
    let found = run(&compiled, &[input], &[1], cells).remove(0);
    let expected = |cell: usize| function(f64::from(numbers[cell])) as f32;
    worst(&found, expected, |cell| format!("{op:?} {:?}", numbers[cell]), limit);
}

#[test]
fn kernel_exp_is_within_one_ulp() {
    check_unary(Unary::Exp, f64::exp, 1);
}

#[test]
fn kernel_log_is_within_one_ulp() {
    check_unary(Unary::Log, f64::ln, 1);
}

#[test]
fn kernel_pow_is_within_one_ulp() {
    let mut builder = Builder::new("pow");
    let x = builder.input("x", Domain::Cell);
    let y = builder.input("y", Domain::Cell);
    let z = builder.binary(Binary::Pow, x, y);
    builder.output("z", z);
    let compiled = Compiled::new(&builder.finish()).unwrap();

    let special = [
        0.0,
        -0.0,
        1.0,
        -1.0,
        2.0,
        -2.0,
        0.5,
        -0.5,
        3.0,
        -3.0,
        1.5,
        8_388_607.0,
        8_388_608.0,
        16_777_215.0,
        16_777_216.0,
        -16_777_215.0,
        1e30,
        -1e30,
        1e-45,
        -1e-45,
        f32::MAX,
        f32::MIN,
        f32::INFINITY,
        f32::NEG_INFINITY,
        f32::NAN,
        0.286,
        -0.999_999_94,
        1.000_000_1,
    ];
    let mut pairs: Vec<(f32, f32)> = special.iter().flat_map(|x| special.map(|y| (*x, y))).collect();
    let mut random = Random(2);
    for _ in 0..400_000 {
        pairs.push((random.number(), random.number()));
        pairs.push((random.number().abs(), random.number() / 100.0));
        pairs.push((random.number(), random.below(40) as f32 - 20.0));
    }
    let column = |part: fn(&(f32, f32)) -> f32| {
        Array2::from_shape_vec((1, pairs.len()), pairs.iter().map(part).collect()).unwrap()
    };
    let found = run(&compiled, &[column(|pair| pair.0), column(|pair| pair.1)], &[1], pairs.len()).remove(0);
    let expected = |cell: usize| {
        let (x, y) = pairs[cell];
        // The one difference from IEEE 754: any NaN gives NaN.
        if x.is_nan() || y.is_nan() { f32::NAN } else { f64::from(x).powf(f64::from(y)) as f32 }
    };
    worst(&found, expected, |cell| format!("pow {:?}", pairs[cell]), 1);
}
