//! Machine code of every width beside the interpreter.

use aurora_compiler::kernel::interpret::{Extent, interpret_on};
use aurora_compiler::kernel::ir::*;
use aurora_compiler::kernel::jit::{Compiled, Options};
use aurora_compiler::kernel::text::parse;
use aurora_compiler::kernel::verify::{domains, verify};
use ndarray::Array2;

use super::{Random, difference};

/// Mostly numbers of one size, among them equal ones and columns that rise or fall, so that places are found in them.
pub fn column(random: &mut Random, levels: usize, cells: usize) -> Array2<f32> {
    let mut array = Array2::zeros((levels, cells));
    for cell in 0..cells {
        let (kind, slope) = (random.below(4), random.below(5) as f32 - 2.0);
        for level in 0..levels {
            array[[level, cell]] = match (kind, random.below(12)) {
                (0, _) | (_, 0) => random.number(),
                (1, _) => random.below(5) as f32 - 2.0,
                (_, _) => slope * level as f32 + random.below(3) as f32 * 0.25,
            };
        }
    }
    array
}

/// Those of every machine, with AVX2, and with AVX-512; where a machine lacks them it has the next fewer.
pub const LANES: [usize; 3] = [4, 8, 16];

/// What machine code makes of the arrays, on the grid: the same in every bit however wide its vectors are.
pub fn machine(kernel: &Kernel, inputs: &[Array2<f32>], extent: Extent) -> Vec<Array2<f32>> {
    let [narrow, wide @ ..] = LANES.map(|lanes| machine_of(kernel, lanes, inputs, extent));
    for (lanes, wide) in LANES[1..].iter().zip(&wide) {
        for ((narrow, wide), output) in narrow.iter().zip(wide).zip(&kernel.outputs) {
            if let Some(difference) = difference(wide, narrow.view(), 0) {
                panic!("{kernel}{} on {lanes} lanes: {difference}", output.name);
            }
        }
    }
    narrow
}

pub fn machine_of(kernel: &Kernel, lanes: usize, inputs: &[Array2<f32>], extent: Extent) -> Vec<Array2<f32>> {
    let compiled =
        Compiled::with(kernel, Options { lanes }).unwrap_or_else(|error| panic!("{error}: {kernel}"));
    let domains = domains(kernel).unwrap();
    let cells = extent.rows * extent.columns;
    // What is not written stays visible.
    let array =
        |output: &Output| Array2::from_elem((domains[output.value.index()].levels(), cells), 12345.678);
    let mut arrays: Vec<Array2<f32>> = kernel.outputs.iter().map(array).collect();
    let inputs: Vec<&[f32]> = inputs.iter().map(|array| array.as_slice().unwrap()).collect();
    let mut slices: Vec<&mut [f32]> = arrays.iter_mut().map(|array| array.as_slice_mut().unwrap()).collect();
    compiled.run_on(&inputs, &mut slices, extent).unwrap();
    arrays
}

pub fn judge(kernel: &Kernel, inputs: &[Array2<f32>], extent: Extent) -> Vec<Array2<f32>> {
    let views: Vec<_> = inputs.iter().map(|array| array.view()).collect();
    interpret_on(kernel, &views, extent).unwrap_or_else(|error| panic!("{error}: {kernel}"))
}

pub fn agree(kernel: &Kernel, inputs: &[Array2<f32>], extent: Extent) {
    verify(&Module { kernels: vec![kernel.clone()] }).unwrap();
    let expected = judge(kernel, inputs, extent);
    for ((found, expected), output) in
        machine(kernel, inputs, extent).iter().zip(&expected).zip(&kernel.outputs)
    {
        if let Some(difference) = difference(found, expected.view(), 0) {
            panic!("{kernel}{}: {difference}", output.name);
        }
    }
}

pub fn kernel(text: &str) -> Kernel {
    parse(text).unwrap_or_else(|error| panic!("{error:?}")).kernels.remove(0)
}

pub fn row(cells: usize) -> Extent {
    Extent { rows: 1, columns: cells }
}
