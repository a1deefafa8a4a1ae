//! Gradients judged by central differences of the f64 interpreter.

use aurora_compiler::kernel::adjoint::{PREFIX, value_and_gradient};
use aurora_compiler::kernel::interpret::{Number, interpret};
use aurora_compiler::kernel::ir::*;
use aurora_compiler::kernel::verify::domains;
use ndarray::Array2;

/// Relative errors of gradients, away from kinks.
#[derive(Debug, Default)]
pub struct Errors {
    pub errors: Vec<f64>,
    /// The same, relative to the largest gradient that the cell's column has by this input.
    pub of_largest: Vec<f64>,
    /// Where the differences to either side disagree.
    pub kinks: usize,
}

impl Errors {
    pub fn quantile(&mut self, share: f64) -> f64 {
        quantile(&mut self.errors, share)
    }

    /// Prints the distribution under a name and gives median, 99 % and the most.
    pub fn told(&mut self, name: &str) -> [f64; 3] {
        let quantiles = [0.5, 0.9, 0.99, 1.0].map(|share| self.quantile(share));
        let [median, most_of, wide, most] = quantiles;
        println!(
            "{name}: {} gradients, {} at kinks; relative error: median {median:.1e}, 90 % {most_of:.1e}, 99 % {wide:.1e}, \
             most {most:.1e}",
            self.errors.len(),
            self.kinks
        );
        [median, wide, most]
    }

    pub fn extend(&mut self, other: Errors) {
        self.errors.extend(other.errors);
        self.of_largest.extend(other.of_largest);
        self.kinks += other.kinks;
    }
}

/// Of numbers that are put in order.
pub fn quantile(numbers: &mut [f64], share: f64) -> f64 {
    numbers.sort_by(f64::total_cmp);
    match numbers.len() {
        0 => f64::NAN,
        count => numbers[((count - 1) as f64 * share) as usize],
    }
}

pub fn interpreted<T: Number>(kernel: &Kernel, inputs: &[Array2<f64>], cells: usize) -> Vec<Array2<f64>> {
    let rounded: Vec<_> = inputs.iter().map(|array| array.mapv(T::from_f64)).collect();
    let views: Vec<_> = rounded.iter().map(|array| array.view()).collect();
    interpret(kernel, &views, cells).unwrap().into_iter().map(|array| array.mapv(T::to_f64)).collect()
}

/// The kernel that gives the gradients of the sum of all outputs by all inputs, besides the outputs.
pub fn derivative(kernel: &Kernel) -> Kernel {
    let outputs: Vec<&str> = kernel.outputs.iter().map(|output| output.name.as_str()).collect();
    let inputs: Vec<&str> = kernel.inputs.iter().map(|input| input.name.as_str()).collect();
    let derivative =
        value_and_gradient(kernel, &outputs, &inputs).unwrap_or_else(|e| panic!("{e}\n{kernel}"));
    assert!(domains(&derivative).is_ok());
    derivative
}

/// The gradients that the kernel made of `kernel` gives, input by input, and whether its outputs are unchanged in every bit.
pub fn gradients<T: Number>(kernel: &Kernel, inputs: &[Array2<f64>], cells: usize) -> Vec<Array2<f64>> {
    let derivative = derivative(kernel);
    let mut found = interpreted::<T>(&derivative, inputs, cells);
    for (before, after) in interpreted::<T>(kernel, inputs, cells).iter().zip(&found) {
        let same = |(x, y): (&f64, &f64)| x.to_bits() == y.to_bits() || x.is_nan() && y.is_nan();
        assert!(before.iter().zip(after).all(same), "{kernel}{derivative}");
    }
    assert!(derivative.outputs[kernel.outputs.len()..].iter().all(|output| output.name.starts_with(PREFIX)));
    found.split_off(kernel.outputs.len())
}

/// Compares `found`, the gradients of the sum of all outputs by each input, with central differences.
pub fn judged(kernel: &Kernel, inputs: &[Array2<f64>], cells: usize, found: &[Array2<f64>]) -> Errors {
    let mut all = Errors::default();
    judged_by_input(kernel, inputs, cells, found).into_iter().for_each(|errors| all.extend(errors));
    all
}

/// The same, for each input.
pub fn judged_by_input(
    kernel: &Kernel,
    inputs: &[Array2<f64>],
    cells: usize,
    found: &[Array2<f64>],
) -> Vec<Errors> {
    let mut all = Vec::new();
    let total = |inputs: &[Array2<f64>]| -> Vec<f64> {
        let outputs = interpreted::<f64>(kernel, inputs, cells);
        (0..cells).map(|cell| outputs.iter().map(|output| output.column(cell).sum()).sum()).collect()
    };
    let here = total(inputs);
    for (number, input) in kernel.inputs.iter().enumerate() {
        let mut errors = Errors::default();
        let mut by_cell = vec![Vec::new(); cells];
        for level in 0..input.domain.levels() {
            let step = |cell: usize| inputs[number][[level, cell]].abs().max(1e-3) * 1e-6;
            let moved = |sign: f64| {
                let mut moved = inputs.to_vec();
                for cell in 0..cells {
                    moved[number][[level, cell]] += sign * step(cell);
                }
                total(&moved)
            };
            let (up, down) = (moved(1.0), moved(-1.0));
            for cell in 0..cells {
                let (right, left) =
                    ((up[cell] - here[cell]) / step(cell), (here[cell] - down[cell]) / step(cell));
                // The slope at which the outputs would double with the input.
                let scale = here[cell].abs() / inputs[number][[level, cell]].abs().max(1e-3);
                if !(left.is_finite() && right.is_finite() && scale < 1e6) {
                    continue;
                }
                // What rounding of f64 does to a difference, and then a kink or a jump.
                if (left - right).abs() > 1e-3 * (left.abs() + right.abs()) + 1e-7 * scale {
                    errors.kinks += 1;
                    continue;
                }
                let expected = (left + right) / 2.0;
                let error = (found[number][[level, cell]] - expected).abs();
                by_cell[cell].push((error, expected.abs()));
                let error = error / expected.abs().max(1e-3 * scale).max(1e-6);
                errors.errors.push(if error.is_nan() { f64::INFINITY } else { error });
            }
        }
        for column in by_cell {
            let largest = column.iter().fold(1e-30_f64, |most, (_, expected)| most.max(*expected));
            let relative =
                |(error, _): &(f64, f64)| if error.is_nan() { f64::INFINITY } else { error / largest };
            errors.of_largest.extend(column.iter().map(relative));
        }
        all.push(errors);
    }
    all
}

/// As [`judged`], with the gradient kernel interpreted in `T`.
pub fn compared<T: Number>(kernel: &Kernel, inputs: &[Array2<f64>], cells: usize) -> Errors {
    judged(kernel, inputs, cells, &gradients::<T>(kernel, inputs, cells))
}
