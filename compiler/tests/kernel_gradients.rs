//! Gradients of random programs whose inputs keep away from what is not finite: the derivative that the compiler makes,
//! against differences of the interpreter in `f64`.

mod kernel_support;
#[path = "../../tests/tests/executors/programs.rs"]
mod programs;

use aurora_compiler::kernel::ir::*;
use kernel_support::Random;
use kernel_support::gradients::{Errors, gradients, judged};
use ndarray::Array2;
use programs::{along_step, plain_step, program};

const CELLS: usize = 24;

/// Numbers between 0.5 and 2 that f32 has.
fn inputs(kernel: &Kernel, random: &mut Random) -> Vec<Array2<f64>> {
    let mut number = || f64::from((0.5 + 1.5 * random.unit()) as f32);
    let array = |input: &Input| Array2::from_shape_simple_fn((input.domain.levels(), CELLS), &mut number);
    kernel.inputs.iter().map(array).collect()
}

fn judge(programs: usize, seed: u64) -> [Errors; 2] {
    let mut random = Random(seed);
    let mut all = [Errors::default(), Errors::default()];
    for number in 0..programs {
        let kernel = match number % 2 {
            0 => program(&mut random, 10, plain_step),
            _ => program(&mut random, 9, along_step),
        };
        let inputs = inputs(&kernel, &mut random);
        all[0].extend(judged(&kernel, &inputs, CELLS, &gradients::<f64>(&kernel, &inputs, CELLS)));
        all[1].extend(judged(&kernel, &inputs, CELLS, &gradients::<f32>(&kernel, &inputs, CELLS)));
    }
    all
}

#[test]
fn gradients_of_random_programs_equal_differences() {
    let [mut exact, mut rounded] = judge(2000, 31);
    let [median, wide, most] = exact.told("f64");
    assert!(exact.errors.len() > 100_000 && exact.kinks < exact.errors.len() / 10);
    assert!(median <= 1e-7 && wide <= 1e-4, "{most:.1e}");
    let [median, wide, _] = rounded.told("f32");
    assert!(median <= 1e-5 && wide <= 1e-3);
    // Where the interpreter has a slope, training must not be given NaN.
    for errors in [exact, rounded] {
        assert_eq!(errors.errors.iter().filter(|error| error.is_infinite()).count(), 0);
    }
}
