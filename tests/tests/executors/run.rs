//! One kernel on the same inputs: the interpreter, machine code, the burn graph; and how far two results are apart.

use std::collections::BTreeMap;

use aurora_compiler::kernel::interpret::{Extent, Number, interpret_on};
use aurora_compiler::kernel::ir::Kernel;
use aurora_compiler::kernel::jit::Compiled;
use aurora_compiler::kernel::verify::domains;
use aurora_runtime::train::graph::{self, Field};
use burn::tensor::{Device, Tensor, TensorData};
use ndarray::{Array2, Zip};

pub const HEIGHT: usize = 6;
pub const WIDTH: usize = 8;
pub const CELLS: usize = HEIGHT * WIDTH;

pub fn judged<T: Number>(kernel: &Kernel, inputs: &[Array2<T>]) -> Vec<Array2<T>> {
    let views: Vec<_> = inputs.iter().map(|array| array.view()).collect();
    interpret_on(kernel, &views, Extent { rows: HEIGHT, columns: WIDTH }).expect("interpreted")
}

pub fn compiled(kernel: &Kernel, inputs: &[Array2<f32>]) -> Vec<Array2<f32>> {
    let code = Compiled::new(kernel).expect("compiled");
    let domains = domains(kernel).expect("verified");
    let levels = kernel.outputs.iter().map(|output| domains[output.value.index()].levels());
    let mut arrays: Vec<Array2<f32>> =
        levels.map(|levels| Array2::from_elem((levels, CELLS), 12345.678)).collect();
    let slices: Vec<&[f32]> = inputs.iter().map(|array| array.as_slice().expect("in order")).collect();
    let mut outputs: Vec<&mut [f32]> =
        arrays.iter_mut().map(|a| a.as_slice_mut().expect("in order")).collect();
    code.run_on(&slices, &mut outputs, Extent { rows: HEIGHT, columns: WIDTH }).expect("run");
    arrays
}

fn field(array: &Array2<f32>, device: &Device) -> Field {
    let shape = [1, 1, array.nrows(), HEIGHT, WIDTH];
    Tensor::from_data(TensorData::new(array.iter().copied().collect::<Vec<f32>>(), shape), device)
}

pub fn fields(kernel: &Kernel, inputs: &[Array2<f32>], device: &Device) -> BTreeMap<String, Field> {
    kernel
        .inputs
        .iter()
        .zip(inputs)
        .map(|(input, array)| (input.name.clone(), field(array, device)))
        .collect()
}

/// Cells of a value that is the same everywhere are not written out by the graph.
pub fn array(field: Field) -> Array2<f32> {
    let levels = field.dims()[2];
    let values = field.expand([1, 1, levels, HEIGHT, WIDTH]).into_data().try_into_vec::<f32>().expect("f32");
    Array2::from_shape_vec((levels, CELLS), values).expect("levels by cells")
}

pub fn graphed(kernel: &Kernel, inputs: &[Array2<f32>]) -> Vec<Array2<f32>> {
    let outputs = graph::run(kernel, &fields(kernel, inputs, &Device::flex())).expect("run");
    outputs.into_iter().map(array).collect()
}

/// The greatest distance between finite values, relative to the greater of the value and `floor`.
pub fn distance(found: &Array2<f32>, expected: &Array2<f32>, floor: &Array2<f64>) -> f64 {
    let mut most: f64 = 0.0;
    Zip::from(found).and(expected).and(floor).for_each(|found, expected, floor| {
        if !expected.is_finite() {
            return;
        }
        let (found, expected) = (f64::from(*found), f64::from(*expected));
        let error = (found - expected).abs() / expected.abs().max(*floor).max(1e-30);
        most = most.max(if error.is_nan() { f64::INFINITY } else { error });
    });
    most
}

pub fn no_floor(array: &Array2<f32>) -> Array2<f64> {
    Array2::zeros(array.dim())
}
