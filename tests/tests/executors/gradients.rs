//! The graph's gradients, judged by differences of the interpreter.

use std::collections::BTreeMap;

use aurora_compiler::kernel::ir::*;
use aurora_runtime::train::graph::{self, Field};
use aurora_tests::Random;
use burn::tensor::Device;
use ndarray::Array2;

use crate::kernels::{across, along, inputs, shipped, written};
use crate::programs::{Step, along_step, plain_step, program};
use crate::run::{CELLS, HEIGHT, WIDTH, array, fields, judged};

/// Relative errors of the graph's gradient, by the size of the gradient of the cell's output, away from kinks.
#[derive(Debug, Default)]
struct Gradients {
    errors: Vec<f64>,
    kinks: usize,
}

impl Gradients {
    /// Compares the gradient of the sum of all outputs by each input with central differences in f64.
    fn compare(&mut self, kernel: &Kernel, inputs: &[Array2<f32>]) {
        let device = Device::flex().autodiff();
        let leaves: BTreeMap<String, Field> =
            fields(kernel, inputs, &device).into_iter().map(|(name, f)| (name, f.require_grad())).collect();
        let outputs = graph::run(kernel, &leaves).expect("run");
        let wide = |o: Field| {
            let levels = o.dims()[2];
            o.expand([1, 1, levels, HEIGHT, WIDTH]).sum()
        };
        let Some(sum) = outputs.into_iter().map(wide).reduce(|a, b| a + b) else { return };
        if !sum.is_require_grad() && !tracked(kernel) {
            return;
        }
        // Some programs come to a constant: what is added here can always be followed back.
        let anchor = Field::zeros([1; 5], &device).require_grad();
        let gradients = (sum + anchor.sum()).backward();
        let exact: Vec<Array2<f64>> = inputs.iter().map(|array| array.mapv(f64::from)).collect();
        let total = |inputs: &[Array2<f64>]| -> Vec<f64> {
            let outputs = judged(kernel, inputs);
            (0..CELLS).map(|cell| outputs.iter().map(|o| o.column(cell).sum()).sum()).collect()
        };
        let here = total(&exact);
        for (number, input) in kernel.inputs.iter().enumerate() {
            let Some(gradient) = leaves[&input.name].grad(&gradients) else { continue };
            let gradient = array(gradient);
            for level in 0..input.domain.levels() {
                let step = |cell: usize| exact[number][[level, cell]].abs().max(1e-3) * 1e-6;
                let moved = |sign: f64| {
                    let mut moved = exact.clone();
                    for cell in 0..CELLS {
                        moved[number][[level, cell]] += sign * step(cell);
                    }
                    total(&moved)
                };
                let (up, down) = (moved(1.0), moved(-1.0));
                for cell in 0..CELLS {
                    let right = (up[cell] - here[cell]) / step(cell);
                    let left = (here[cell] - down[cell]) / step(cell);
                    self.add(
                        f64::from(gradient[[level, cell]]),
                        left,
                        right,
                        here[cell].abs() / exact[number][[level, cell]].abs(),
                    );
                }
            }
        }
    }

    /// `scale`: the slope at which the output would double with the input.
    fn add(&mut self, found: f64, left: f64, right: f64, scale: f64) {
        if !(left.is_finite() && right.is_finite() && scale < 1e6) {
            return;
        }
        // What rounding of f64 does to a difference, and then a kink or a jump.
        if (left - right).abs() > 1e-3 * (left.abs() + right.abs()) + 1e-7 * scale {
            self.kinks += 1;
            return;
        }
        let expected = (left + right) / 2.0;
        let error = (found - expected).abs() / expected.abs().max(1e-3 * scale).max(1e-6);
        self.errors.push(if error.is_nan() { f64::INFINITY } else { error });
    }

    fn quantile(&mut self, share: f64) -> f64 {
        self.errors.sort_by(f64::total_cmp);
        self.errors[((self.errors.len() - 1) as f64 * share) as usize]
    }
}

/// Whether the outputs depend on an input at all, in a way that has a slope.
pub fn tracked(kernel: &Kernel) -> bool {
    let mut depends = vec![false; kernel.instructions.len()];
    for (position, instruction) in kernel.instructions.iter().enumerate() {
        depends[position] = match instruction {
            Instruction::Input(_) => true,
            // What the programs do for each level is flat.
            Instruction::Compare { .. } | Instruction::Each { .. } => false,
            Instruction::Select { then, otherwise, .. } => {
                depends[then.index()] || depends[otherwise.index()]
            }
            other => other.operands().iter().any(|operand| depends[operand.index()]),
        };
    }
    kernel.outputs.iter().any(|output| depends[output.value.index()])
}

#[test]
fn gradients_equal_differences_of_the_interpreter() {
    let mut random = Random(3);
    // A condition on the truth is a mask: flat wherever it is not a jump.
    let sloping = |kernel: &Kernel| !kernel.name.starts_with("when.");
    for kernel in shipped().into_iter().filter(sloping).chain(written()).chain(along()) {
        let mut gradients = Gradients::default();
        gradients.compare(&kernel, &inputs(&kernel, &mut random));
        let (median, most) = (gradients.quantile(0.5), gradients.quantile(1.0));
        println!(
            "{}: {} values, {} kinks, median {median:.1e}, most {most:.1e}",
            kernel.name,
            gradients.errors.len(),
            gradients.kinks
        );
        assert!(gradients.errors.len() >= CELLS / 2, "{kernel}");
        assert!(median <= 1e-4 && most <= 1e-2, "{kernel}");
    }
}

/// Random programs of so many of these steps.
fn random_programs(seed: u64, programs: usize, steps: usize, step: Step) {
    let mut random = Random(seed);
    let mut gradients = Gradients::default();
    for _ in 0..programs {
        let kernel = program(&mut random, steps, step);
        gradients.compare(&kernel, &inputs(&kernel, &mut random));
    }
    let (median, wide) = (gradients.quantile(0.5), gradients.quantile(0.99));
    let infinite = gradients.errors.iter().filter(|error| error.is_infinite()).count();
    println!(
        "{} values, {} kinks, median {median:.1e}, 99 % {wide:.1e}, {infinite} not finite",
        gradients.errors.len(),
        gradients.kinks
    );
    assert!(gradients.errors.len() > 5_000 && gradients.kinks < gradients.errors.len() / 10);
    assert!(median <= 1e-4 && wide <= 1e-2);
    // The interpreter has a slope there, so training must not be given NaN.
    assert_eq!(infinite, 0);
}

#[test]
fn gradients_of_random_programs_equal_differences_of_the_interpreter() {
    random_programs(4, 150, 10, plain_step);
}

#[test]
fn gradients_of_random_programs_along_columns_equal_differences_of_the_interpreter() {
    random_programs(5, 300, 8, along_step);
}

/// Each point's gradient by moving that point alone, for its neighbours see it. These kernels are linear in each input,
/// so a large step has no error but f64's.
#[test]
fn gradients_across_the_grid_equal_differences_of_the_interpreter() {
    let mut random = Random(6);
    for kernel in across() {
        let inputs = inputs(&kernel, &mut random);
        let device = Device::flex().autodiff();
        let leaves: BTreeMap<String, Field> =
            fields(&kernel, &inputs, &device).into_iter().map(|(name, f)| (name, f.require_grad())).collect();
        let gradients = graph::run(&kernel, &leaves).expect("run").remove(0).sum().backward();
        let exact: Vec<Array2<f64>> = inputs.iter().map(|array| array.mapv(f64::from)).collect();
        let total = |inputs: &[Array2<f64>]| judged(&kernel, inputs)[0].sum();
        let here = total(&exact);
        let mut most: f64 = 0.0;
        for (number, input) in kernel.inputs.iter().enumerate() {
            let gradient = array(leaves[&input.name].grad(&gradients).expect("a gradient"));
            for (place, found) in gradient.indexed_iter() {
                let mut moved = exact.clone();
                moved[number][place] += 1.0;
                most = most.max((f64::from(*found) - (total(&moved) - here)).abs());
            }
        }
        println!("{}: most {most:.1e}", kernel.name);
        // Values and weights are about 1, and a gradient is a sum of a dozen of them in f32.
        assert!(most <= 1e-5, "{kernel}");
    }
}
