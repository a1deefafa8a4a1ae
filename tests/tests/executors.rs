//! One kernel, three executors: the interpreter judges machine code and the burn graph, and its differences
//! judge the graph's gradient.
//!
//! The graph is for losses, where nothing is missing: comparisons with NaN, which give NaN elsewhere, are false in
//! it. So inputs are finite here, and values that are not finite are left out.

use std::collections::BTreeMap;

use aurora_compiler::kernel::interpret::interpret;
use aurora_compiler::kernel::ir::*;
use aurora_compiler::kernel::jit::Compiled;
use aurora_compiler::kernel::text::parse;
use aurora_compiler::kernel::verify::domains;
use aurora_runtime::site::Site;
use aurora_runtime::train::graph::{self, Field};
use aurora_tests::Random;
use burn::tensor::{Device, Tensor, TensorData};
use ndarray::{Array2, Zip};

/// The graph's own arithmetic: `exp`, `log`, `pow` and the order of sums differ from the interpreter's. Relative
/// to the size of what is summed.
const GRAPH: f64 = 1e-5;
/// Machine code: 2 ulp for `exp`, `log` and `pow`, and what becomes of them in a few more steps.
const MACHINE: f64 = 2e-6;
const HEIGHT: usize = 6;
const WIDTH: usize = 8;
const CELLS: usize = HEIGHT * WIDTH;

/// What recipes write: powers, guarded roots, thresholds, parts of columns, ties kept apart.
const WRITTEN: &str = "\
kernel potential(t: column 4, p: column 4) {
  %0 = input t
  %1 = input p
  %2 = constant 2.0
  %3 = div %2 %1
  %4 = constant 0.2857
  %5 = pow %3 %4
  %6 = mul %0 %5
  output theta = %6
}
kernel guarded(x: cell, y: cell) {
  %0 = input x
  %1 = input y
  %2 = sub %0 %1
  %3 = constant 0.0
  %4 = gt %2 %3
  %5 = sqrt %2
  %6 = log %2
  %7 = mul %5 %6
  %8 = select %4 %7 %3
  %9 = constant 0.5
  %10 = pow %2 %9
  %11 = select %4 %10 %2
  output root = %8
  output power = %11
}
kernel divided(x: cell, y: cell) {
  %0 = input x
  %1 = input y
  %2 = constant 0.0
  %3 = constant 1.0
  %4 = gt %0 %3
  %5 = select %4 %0 %2
  %6 = div %1 %5
  %7 = select %4 %6 %1
  output ratio = %7
}
kernel column(q: column 4, s: cell) {
  %0 = input q
  %1 = input s
  %2 = sum %0 weights [1.0 2.0 3.0 4.0]
  %3 = sum %0 levels 1..3
  %4 = highest %0
  %5 = lowest %0 levels 0..2
  %6 = mul %0 %1
  %7 = exp %6
  %8 = highest %7
  %9 = abs %2
  %10 = neg %3
  %11 = add %9 %10
  %12 = div %4 %5
  %13 = min %11 %12
  %14 = max %13 %8
  %15 = le %4 %2
  %16 = mul %14 %15
  output mixed = %16
  output levels = %7
}
";

fn written() -> Vec<Kernel> {
    parse(WRITTEN).expect("kernels").kernels
}

/// The kernels of every recipe that the command ships.
fn shipped() -> Vec<Kernel> {
    let text = include_str!("../../recipes/quickstart.aurora");
    let site = Site::find(None).expect("no site.toml here");
    let (_, module) =
        aurora_compiler::compile("quickstart", text, &site).result.expect("the quickstart compiles");
    assert!(!module.kernels.is_empty());
    module.kernels
}

/// Inputs a kernel of that name would see.
fn inputs(kernel: &Kernel, random: &mut Random) -> Vec<Array2<f32>> {
    let range = |name: &str| match name {
        "t" | "t2m" => (220.0, 305.0),
        "q" | "q2m" => (1e-5, 0.02),
        "z" | "hgt" => (1e3, 1e5),
        "u" | "v" | "u10" | "v10" => (-40.0, 40.0),
        "refc" => (-10.0, 60.0),
        _ => (0.5, 2.0),
    };
    let array = |input: &Input| {
        let (low, high) = range(&input.name);
        Array2::from_shape_simple_fn((input.domain.levels(), CELLS), || {
            (low + (high - low) * random.unit()) as f32
        })
    };
    kernel.inputs.iter().map(array).collect()
}

fn judged<T: aurora_compiler::kernel::interpret::Number>(
    kernel: &Kernel,
    inputs: &[Array2<T>],
) -> Vec<Array2<T>> {
    let views: Vec<_> = inputs.iter().map(|array| array.view()).collect();
    interpret(kernel, &views, CELLS).expect("interpreted")
}

fn compiled(kernel: &Kernel, inputs: &[Array2<f32>]) -> Vec<Array2<f32>> {
    let domains = domains(kernel).expect("verified");
    let levels = kernel.outputs.iter().map(|output| domains[output.value.index()].levels());
    let mut arrays: Vec<Array2<f32>> =
        levels.map(|levels| Array2::from_elem((levels, CELLS), 12345.678)).collect();
    let slices: Vec<&[f32]> = inputs.iter().map(|array| array.as_slice().expect("in order")).collect();
    let mut outputs: Vec<&mut [f32]> =
        arrays.iter_mut().map(|a| a.as_slice_mut().expect("in order")).collect();
    Compiled::new(kernel).expect("compiled").run(&slices, &mut outputs, CELLS).expect("run");
    arrays
}

fn field(array: &Array2<f32>, device: &Device) -> Field {
    let shape = [1, 1, array.nrows(), HEIGHT, WIDTH];
    Tensor::from_data(TensorData::new(array.iter().copied().collect::<Vec<f32>>(), shape), device)
}

fn fields(kernel: &Kernel, inputs: &[Array2<f32>], device: &Device) -> BTreeMap<String, Field> {
    kernel
        .inputs
        .iter()
        .zip(inputs)
        .map(|(input, array)| (input.name.clone(), field(array, device)))
        .collect()
}

/// Cells of a value that is the same everywhere are not written out by the graph.
fn array(field: Field) -> Array2<f32> {
    let levels = field.dims()[2];
    let values = field.expand([1, 1, levels, HEIGHT, WIDTH]).into_data().try_into_vec::<f32>().expect("f32");
    Array2::from_shape_vec((levels, CELLS), values).expect("levels by cells")
}

fn graphed(kernel: &Kernel, inputs: &[Array2<f32>]) -> Vec<Array2<f32>> {
    let outputs = graph::run(kernel, &fields(kernel, inputs, &Device::flex())).expect("run");
    outputs.into_iter().map(array).collect()
}

/// The greatest distance between finite values, relative to the greater of the value and `floor`.
fn distance(found: &Array2<f32>, expected: &Array2<f32>, floor: &Array2<f64>) -> f64 {
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

fn no_floor(array: &Array2<f32>) -> Array2<f64> {
    Array2::zeros(array.dim())
}

#[test]
fn recipes_kernels_give_the_same_in_all_executors() {
    let mut random = Random(1);
    let kernels: Vec<Kernel> = shipped().into_iter().chain(written()).collect();
    for kernel in &kernels {
        let inputs = inputs(kernel, &mut random);
        let expected = judged(kernel, &inputs);
        let (machine, graph) = (compiled(kernel, &inputs), graphed(kernel, &inputs));
        let mut errors: [f64; 2] = [0.0; 2];
        for ((expected, machine), graph) in expected.iter().zip(&machine).zip(&graph) {
            assert!(
                expected.iter().all(|value| value.is_finite()),
                "{}: its inputs are no good",
                kernel.name
            );
            errors[0] = errors[0].max(distance(machine, expected, &no_floor(expected)));
            errors[1] = errors[1].max(distance(graph, expected, &no_floor(expected)));
        }
        println!("{}: machine code {:.1e}, graph {:.1e}", kernel.name, errors[0], errors[1]);
        assert!(errors[0] <= MACHINE && errors[1] <= GRAPH, "{kernel}");
    }
    println!("{} kernels", kernels.len());
}

/// Every instruction by itself, given what the executor made of its operands, for errors may grow without limit
/// on their way through a random program.
#[test]
fn random_programs_give_the_same_in_all_executors() {
    let mut random = Random(2);
    let mut compared = 0;
    for _ in 0..300 {
        let kernel = program(&mut random, 20);
        let domains = domains(&kernel).expect("verified");
        let outputs = (0..kernel.instructions.len())
            .map(|position| Output { name: format!("v{position}"), value: Value::new(position) })
            .collect();
        let every = Kernel { outputs, ..kernel };
        let inputs = inputs(&every, &mut random);
        for (executor, values, limit) in
            [("machine code", compiled(&every, &inputs), MACHINE), ("graph", graphed(&every, &inputs), GRAPH)]
        {
            for (position, instruction) in every.instructions.iter().enumerate().skip(every.inputs.len()) {
                let (alone, operands) = alone(instruction, &domains);
                let operands: Vec<_> =
                    operands.iter().map(|operand| values[operand.index()].clone()).collect();
                if operands.iter().flatten().any(|value| !value.is_finite()) {
                    continue;
                }
                let expected = judged(&alone, &operands).remove(0);
                let error = distance(&values[position], &expected, &terms(instruction, &operands, &expected));
                assert!(error <= limit, "{executor}, %{position}: {error:.1e}\n{every}");
                compared += expected.len();
            }
        }
    }
    println!("{compared} values compared");
    assert!(compared > 200_000);
}

/// For a sum, the size of what is summed.
fn terms(instruction: &Instruction, operands: &[Array2<f32>], result: &Array2<f32>) -> Array2<f64> {
    let Instruction::Reduce { op: Reduce::Sum, weights, .. } = instruction else { return no_floor(result) };
    let weight = |level: usize| weights.as_ref().map_or(1.0, |weights| weights[level].abs());
    Array2::from_shape_fn(result.dim(), |(_, cell)| {
        operands[0].column(cell).iter().enumerate().map(|(k, x)| f64::from(x.abs()) * weight(k)).sum()
    })
}

fn alone(instruction: &Instruction, domains: &[Domain]) -> (Kernel, Vec<Value>) {
    let mut builder = Builder::new("alone");
    let operands = instruction.operands();
    for (number, operand) in operands.iter().enumerate() {
        builder.input(&format!("i{number}"), domains[operand.index()]);
    }
    let mut number = 0;
    let result = builder.push(instruction.clone().map_operands(|_| {
        number += 1;
        Value::new(number - 1)
    }));
    builder.output("o", result);
    (builder.finish(), operands)
}

/// A random program over a cell and a column of 3, of `size` instructions; its last value is its output.
fn program(random: &mut Random, size: usize) -> Kernel {
    const COLUMN: Domain = Domain::Column(3);
    let mut builder = Builder::new("random");
    let mut domains = vec![Domain::Cell, COLUMN];
    builder.input("a", Domain::Cell);
    builder.input("b", COLUMN);
    for _ in 0..size {
        let any = |random: &mut Random| Value::new(random.below(domains.len()));
        let (left, right, mask) = (any(random), any(random), any(random));
        let of = |values: &[Value]| values.iter().map(|v| domains[v.index()]).max().unwrap_or(Domain::Cell);
        let domain = match random.below(14) {
            0 => {
                builder.constant(0.25 + 2.0 * random.unit());
                Domain::Cell
            }
            1 => {
                builder.levels((0..3).map(|_| random.unit() - 0.5).collect());
                COLUMN
            }
            kind @ 2..=3 => {
                let all = [Unary::Neg, Unary::Abs, Unary::Sqrt, Unary::Exp, Unary::Log];
                builder.unary(all[(random.below(3) + kind - 2) % 5], left);
                of(&[left])
            }
            4..=8 => {
                let all = [
                    Binary::Add,
                    Binary::Sub,
                    Binary::Mul,
                    Binary::Div,
                    Binary::Min,
                    Binary::Max,
                    Binary::Pow,
                ];
                builder.binary(all[random.below(7)], left, right);
                of(&[left, right])
            }
            9 => {
                let all = [Compare::Lt, Compare::Le, Compare::Gt, Compare::Ge, Compare::Eq];
                builder.compare(all[random.below(5)], left, right);
                of(&[left, right])
            }
            10..=11 => {
                builder.select(mask, left, right);
                of(&[mask, left, right])
            }
            _ => {
                let columns: Vec<usize> = (0..domains.len()).filter(|k| domains[*k] == COLUMN).collect();
                let value = Value::new(columns[random.below(columns.len())]);
                let op = [Reduce::Sum, Reduce::Min, Reduce::Max][random.below(3)];
                let weights = (op == Reduce::Sum && random.below(2) == 0).then(|| vec![0.5, -1.5, 2.0]);
                let part = (random.below(2) == 0).then_some(1..3);
                builder.reduce(op, value, weights, part);
                Domain::Cell
            }
        };
        domains.push(domain);
    }
    builder.output("o", Value::new(domains.len() - 1));
    builder.finish()
}

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
        let gradients = sum.backward();
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

/// Whether the outputs depend on an input at all.
fn tracked(kernel: &Kernel) -> bool {
    let mut depends = vec![false; kernel.instructions.len()];
    for (position, instruction) in kernel.instructions.iter().enumerate() {
        depends[position] = match instruction {
            Instruction::Input(_) => true,
            Instruction::Compare { .. } => false,
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
    for kernel in shipped().into_iter().filter(sloping).chain(written()) {
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

#[test]
fn gradients_of_random_programs_equal_differences_of_the_interpreter() {
    let mut random = Random(4);
    let mut gradients = Gradients::default();
    for _ in 0..150 {
        let kernel = program(&mut random, 10);
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
