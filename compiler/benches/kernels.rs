//! Compiled kernels against the interpreter and against the same work written as a Rust loop, on the grid of
//! HRRR (1059 × 1799). Throughput counts each input read and each output written once.
//!
//! `cargo bench -p aurora-compiler --bench kernels`

use aurora_compiler::kernel::interpret::interpret;
use aurora_compiler::kernel::ir::*;
use aurora_compiler::kernel::jit::Compiled;
use criterion::{Criterion, Throughput, criterion_group, criterion_main};
use ndarray::ArrayView2;
use rayon::prelude::*;
use std::hint::black_box;

const CELLS: usize = 1059 * 1799;
const LEVELS: usize = 13;

/// A supercell composite: CAPE / 1000 · SRH / 50 · shear term · inhibition term (Thompson et al. 2003, 2007).
fn composite() -> Kernel {
    let mut b = Builder::new("scp");
    let [cape, cin, srh, shear] = ["cape", "cin", "srh", "shear"].map(|name| b.input(name, Domain::Cell));
    let [zero, one, ten, twenty, limit] = [0.0, 1.0, 10.0, 20.0, -40.0].map(|number| b.constant(number));
    let [thousand, fifty] = [1000.0, 50.0].map(|number| b.constant(number));
    let energy = b.binary(Binary::Div, cape, thousand);
    let helicity = b.binary(Binary::Div, srh, fifty);
    let ratio = b.binary(Binary::Div, shear, twenty);
    let bounded = b.binary(Binary::Min, ratio, one);
    let weak = b.compare(Compare::Lt, shear, ten);
    let sheared = b.select(weak, zero, bounded);
    let capped = b.compare(Compare::Lt, cin, limit);
    let damped = b.binary(Binary::Div, limit, cin);
    let inhibition = b.select(capped, damped, one);
    let product = b.binary(Binary::Mul, energy, helicity);
    let product = b.binary(Binary::Mul, product, sheared);
    let product = b.binary(Binary::Mul, product, inhibition);
    b.output("scp", product);
    b.finish()
}

fn composite_of_cell(cape: f32, cin: f32, srh: f32, shear: f32) -> f32 {
    let ratio = shear / 20.0;
    let bounded = if ratio < 1.0 { ratio } else { 1.0 };
    let sheared = if shear < 10.0 { 0.0 } else { bounded };
    let inhibition = if cin < -40.0 { -40.0 / cin } else { 1.0 };
    cape / 1000.0 * (srh / 50.0) * sheared * inhibition
}

/// Vertically integrated moisture transport: the size of the column sum of q·u and q·v, weighted.
fn transport(weights: &[f64]) -> Kernel {
    let mut b = Builder::new("ivt");
    let [q, u, v] = ["q", "u", "v"].map(|name| b.input(name, Domain::Column(LEVELS)));
    let squares = [u, v].map(|wind| {
        let flux = b.binary(Binary::Mul, q, wind);
        let sum = b.reduce(Reduce::Sum, flux, Some(weights.to_vec()), None);
        b.binary(Binary::Mul, sum, sum)
    });
    let sum = b.binary(Binary::Add, squares[0], squares[1]);
    let size = b.unary(Unary::Sqrt, sum);
    b.output("ivt", size);
    b.finish()
}

fn transport_of_cell(inputs: &[&[f32]], weights: &[f32], cell: usize) -> f32 {
    let (mut east, mut north) = (0.0, 0.0);
    for (level, weight) in weights.iter().enumerate() {
        let at = level * CELLS + cell;
        east += inputs[0][at] * inputs[1][at] * weight;
        north += inputs[0][at] * inputs[2][at] * weight;
    }
    (east * east + north * north).sqrt()
}

/// Saturation vapour pressure (Bolton 1980) and potential temperature: one `exp`, one `pow`.
fn transcendental() -> Kernel {
    let mut b = Builder::new("theta");
    let [p, t] = ["p", "t"].map(|name| b.input(name, Domain::Cell));
    let [c1, c2, c3, c4, p0, kappa] =
        [6.112, 17.67, 273.15, 29.65, 1000.0, 0.285_7].map(|number| b.constant(number));
    let above = b.binary(Binary::Sub, t, c3);
    let below = b.binary(Binary::Sub, t, c4);
    let ratio = b.binary(Binary::Div, above, below);
    let ratio = b.binary(Binary::Mul, ratio, c2);
    let power = b.unary(Unary::Exp, ratio);
    let pressure = b.binary(Binary::Mul, power, c1);
    let ratio = b.binary(Binary::Div, p0, p);
    let exner = b.binary(Binary::Pow, ratio, kappa);
    let theta = b.binary(Binary::Mul, t, exner);
    b.output("es", pressure);
    b.output("theta", theta);
    b.finish()
}

/// Numbers between the limits, the same each time.
fn field(levels: usize, low: f32, high: f32, seed: u32) -> Vec<f32> {
    let number = |k: usize| (k as u32).wrapping_mul(2_654_435_761).wrapping_add(seed) >> 8;
    (0..levels * CELLS).map(|k| low + (high - low) * number(k) as f32 / (1 << 24) as f32).collect()
}

/// Measures the interpreter and machine code.
fn executors(criterion: &mut Criterion, kernel: &Kernel, inputs: &[&[f32]]) {
    let compiled = Compiled::new(kernel).expect("the kernel compiles");
    println!(
        "{}: {} bytes of code, {} live values",
        kernel.name,
        compiled.code_size(),
        compiled.live_values()
    );
    let bytes = 4 * (inputs.iter().map(|array| array.len()).sum::<usize>() + kernel.outputs.len() * CELLS);
    let mut group = criterion.benchmark_group(&kernel.name);
    group.throughput(Throughput::Bytes(bytes as u64)).sample_size(10);
    group.bench_function("compile", |bencher| bencher.iter(|| Compiled::new(black_box(kernel))));
    let mut outputs = vec![vec![0.0; CELLS]; kernel.outputs.len()];
    group.bench_function("machine code", |bencher| {
        bencher.iter(|| {
            let mut slices: Vec<&mut [f32]> = outputs.iter_mut().map(Vec::as_mut_slice).collect();
            compiled.run(black_box(inputs), &mut slices, CELLS).expect("the arrays fit");
        });
    });
    let views: Vec<_> = inputs
        .iter()
        .map(|array| ArrayView2::from_shape((array.len() / CELLS, CELLS), array).expect("whole levels"))
        .collect();
    group.bench_function("interpreter", |bencher| {
        bencher.iter(|| interpret(kernel, black_box(&views), CELLS))
    });
    group.finish();
}

/// Measures a Rust loop on one thread and on all.
fn loops(
    criterion: &mut Criterion,
    name: &str,
    inputs: &[&[f32]],
    cell: impl Fn(&[&[f32]], usize) -> f32 + Sync,
) {
    let bytes = 4 * (inputs.iter().map(|array| array.len()).sum::<usize>() + CELLS);
    let mut group = criterion.benchmark_group(name);
    group.throughput(Throughput::Bytes(bytes as u64)).sample_size(10);
    let mut output = vec![0.0; CELLS];
    group.bench_function("loop", |bencher| {
        bencher.iter(|| {
            output.iter_mut().enumerate().for_each(|(k, to)| *to = cell(black_box(inputs), k));
        });
    });
    group.bench_function("parallel loop", |bencher| {
        bencher.iter(|| {
            let tiles = output.par_chunks_mut(4096).enumerate();
            tiles.for_each(|(tile, to)| {
                to.iter_mut().enumerate().for_each(|(k, to)| *to = cell(inputs, tile * 4096 + k));
            });
        });
    });
    group.finish();
}

fn kernels(criterion: &mut Criterion) {
    let fields = [(0.0, 5000.0), (-200.0, 0.0), (-100.0, 500.0), (0.0, 40.0)];
    let fields: Vec<_> =
        fields.iter().zip(1..).map(|((low, high), seed)| field(1, *low, *high, seed)).collect();
    let inputs: Vec<&[f32]> = fields.iter().map(Vec::as_slice).collect();
    executors(criterion, &composite(), &inputs);
    let [cape, cin, srh, shear] = inputs[..] else { return };
    loops(criterion, "scp", &inputs, |_, k| composite_of_cell(cape[k], cin[k], srh[k], shear[k]));

    let weights: Vec<f64> = (0..LEVELS).map(|level| 500.0 + 100.0 * level as f64).collect();
    let rounded: Vec<f32> = weights.iter().map(|weight| *weight as f32).collect();
    let fields = [(0.0, 0.02), (-50.0, 50.0), (-50.0, 50.0)];
    let fields: Vec<_> =
        fields.iter().zip(1..).map(|((low, high), seed)| field(LEVELS, *low, *high, seed)).collect();
    let inputs: Vec<&[f32]> = fields.iter().map(Vec::as_slice).collect();
    executors(criterion, &transport(&weights), &inputs);
    loops(criterion, "ivt", &inputs, |inputs, k| transport_of_cell(inputs, &rounded, k));

    let (p, t) = (field(1, 100.0, 1050.0, 1), field(1, 200.0, 320.0, 2));
    executors(criterion, &transcendental(), &[&p, &t]);
    loops(criterion, "theta", &[&p, &t], |_, k| t[k] * (1000.0 / p[k]).powf(0.2857));
}

criterion_group!(benches, kernels);
criterion_main!(benches);
