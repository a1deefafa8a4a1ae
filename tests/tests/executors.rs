//! One kernel, three executors: the interpreter judges machine code and the burn graph, and its differences
//! judge the graph's gradient.
//!
//! The graph is for losses, where nothing is missing: comparisons with NaN, which give NaN elsewhere, are false in
//! it. So inputs are finite here, and values that are not finite are left out.

use std::collections::BTreeMap;

use aurora_compiler::kernel::interpret::{Extent, interpret_on};
use aurora_compiler::kernel::ir::*;
use aurora_compiler::kernel::jit::{Compiled, JitError};
use aurora_compiler::kernel::text::parse;
use aurora_compiler::kernel::verify::domains;
use aurora_runtime::site::Site;
use aurora_runtime::train::graph::{self, Field};
use aurora_tests::Random;
use burn::tensor::{Device, Tensor, TensorData};
use ndarray::{Array2, Axis as Axis0, Zip};

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

/// What looks along a column with heights `h`, rising, or walks along it.
const ALONG: &str = "\
kernel at(q: column 4, h: column 4, x: cell) {
  %0 = input q
  %1 = input h
  %2 = input x
  %3 = interpolate %0 on %1 at %2
  %4 = neg %1
  %5 = neg %2
  %6 = interpolate %0 on %4 at %5
  %7 = mul %6 %2
  %8 = levels [0.55 1.0 1.75]
  %9 = interpolate %0 on %1 at %8
  output here = %3
  output falling = %7
  output heights = %9
}
kernel layers(q: column 4, h: column 4, x: cell, y: cell) {
  %0 = input q
  %1 = input h
  %2 = input x
  %3 = input y
  %4 = layer integral %0 on %1 from %2 to %3
  %5 = layer mean %0 on %1 from %2 to %3
  %6 = layer highest %0 on %1 from %2 to %3
  %7 = layer lowest %0 on %1 from %3 to %2
  %8 = constant -5.0
  %9 = layer integral %0 on %1 from %8 to %2
  output integral = %4
  output mean = %5
  output highest = %6
  output lowest = %7
  output clipped = %9
}
kernel slope(q: column 4, h: column 4) {
  %0 = input q
  %1 = input h
  %2 = shift %0 by 1
  %3 = shift %0 by -1
  %4 = sub %2 %3
  %5 = shift %1 by 1
  %6 = shift %1 by -1
  %7 = sub %5 %6
  %8 = div %4 %7
  output slope = %8
}
kernel ascent(h: column 4, x: cell, y: cell) {
  %0 = input h
  %1 = input x
  %2 = input y
  %3 = gt %0 %1
  %4 = scan starts [%2 %1] captures [%0 %2] active %3 result 0 {
    %0 = state 0
    %1 = here 0
    %2 = before 0
    %3 = sub %1 %2
    %4 = neg %0
    %5 = exp %4
    %6 = mul %5 %3
    %7 = sub %0 %6
    %8 = state 1
    %9 = here 1
    %10 = mul %8 %9
    next [%7 %10]
  }
  %5 = scan reverse starts [%2] captures [%0] result 0 {
    %0 = state 0
    %1 = here 0
    %2 = max %0 %1
    %3 = mul %0 %1
    %4 = sqrt %3
    %5 = lt %1 %0
    %6 = select %5 %4 %2
    next [%6]
  }
  output parcel = %4
  output down = %5
}
kernel angles(x: cell, y: cell) {
  %0 = input x
  %1 = input y
  %2 = atan2 %0 %1
  %3 = sin %0
  %4 = cos %1
  %5 = mul %3 %4
  output direction = %2
  output waves = %5
}
";

/// What looks at neighbouring points, times another field, so that its sum over the grid is more than its edges.
const ACROSS: &str = "\
kernel vorticity(a: cell, b: cell, w: cell) {
  %0 = input a
  %1 = input b
  %2 = input w
  %3 = difference %1 x
  %4 = difference %0 y
  %5 = sub %3 %4
  %6 = mul %5 %2
  %7 = constant 3.0
  %8 = difference %7 x
  %9 = add %6 %8
  output vorticity = %9
}
kernel laplacian(b: column 3, w: cell) {
  %0 = input b
  %1 = input w
  %2 = difference %0 x
  %3 = difference %2 x
  %4 = difference %0 y
  %5 = difference %4 y
  %6 = add %3 %5
  %7 = mul %6 %1
  output laplacian = %7
}
";

fn written() -> Vec<Kernel> {
    parse(WRITTEN).expect("kernels").kernels
}

fn along() -> Vec<Kernel> {
    parse(ALONG).expect("kernels").kernels
}

fn across() -> Vec<Kernel> {
    parse(ACROSS).expect("kernels").kernels
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
    let array = |input: &Input, random: &mut Random| {
        let (low, high) = range(&input.name);
        Array2::from_shape_simple_fn((input.domain.levels(), CELLS), || {
            (low + (high - low) * random.unit()) as f32
        })
    };
    // Heights rise and span all places between 0.5 and 2.
    let heights = |input: &Input, random: &mut Random| {
        let mut heights = Array2::from_shape_simple_fn((input.domain.levels(), CELLS), || {
            (0.7 + 0.5 * random.unit()) as f32
        });
        heights.row_mut(0).mapv_inplace(|height| height - 0.65);
        heights.accumulate_axis_inplace(Axis0(0), |below, height| *height += below);
        heights
    };
    if let Some(position) = kernel.inputs.iter().position(|input| input.name == "h") {
        let risen = heights(&kernel.inputs[position], random);
        let mut all: Vec<_> = kernel.inputs.iter().map(|input| array(input, random)).collect();
        all[position] = risen;
        return all;
    }
    kernel.inputs.iter().map(|input| array(input, random)).collect()
}

fn judged<T: aurora_compiler::kernel::interpret::Number>(
    kernel: &Kernel,
    inputs: &[Array2<T>],
) -> Vec<Array2<T>> {
    let views: Vec<_> = inputs.iter().map(|array| array.view()).collect();
    interpret_on(kernel, &views, Extent { rows: HEIGHT, columns: WIDTH }).expect("interpreted")
}

/// `None` if there is no machine code for it.
fn compiled(kernel: &Kernel, inputs: &[Array2<f32>]) -> Option<Vec<Array2<f32>>> {
    let code = match Compiled::new(kernel) {
        Err(JitError::Unsupported(_)) => return None,
        code => code.expect("compiled"),
    };
    let domains = domains(kernel).expect("verified");
    let levels = kernel.outputs.iter().map(|output| domains[output.value.index()].levels());
    let mut arrays: Vec<Array2<f32>> =
        levels.map(|levels| Array2::from_elem((levels, CELLS), 12345.678)).collect();
    let slices: Vec<&[f32]> = inputs.iter().map(|array| array.as_slice().expect("in order")).collect();
    let mut outputs: Vec<&mut [f32]> =
        arrays.iter_mut().map(|a| a.as_slice_mut().expect("in order")).collect();
    code.run(&slices, &mut outputs, CELLS).expect("run");
    Some(arrays)
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
    let kernels: Vec<Kernel> =
        shipped().into_iter().chain(written()).chain(along()).chain(across()).collect();
    for kernel in &kernels {
        let inputs = inputs(kernel, &mut random);
        let expected = judged(kernel, &inputs);
        let (machine, graph) = (compiled(kernel, &inputs), graphed(kernel, &inputs));
        let mut errors: [f64; 2] = [0.0; 2];
        for (number, (expected, graph)) in expected.iter().zip(&graph).enumerate() {
            assert!(
                expected.iter().all(|value| value.is_finite()),
                "{}: its inputs are no good",
                kernel.name
            );
            if let Some(machine) = &machine {
                errors[0] = errors[0].max(distance(&machine[number], expected, &no_floor(expected)));
            }
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
    for number in 0..600 {
        let kernel = program(&mut random, 20, if number < 300 { plain_step } else { any_step });
        let domains = domains(&kernel).expect("verified");
        let outputs = (0..kernel.instructions.len())
            .map(|position| Output { name: format!("v{position}"), value: Value::new(position) })
            .collect();
        let every = Kernel { outputs, ..kernel };
        let inputs = inputs(&every, &mut random);
        let machine = compiled(&every, &inputs).map(|values| ("machine code", values, MACHINE));
        for (executor, values, limit) in
            machine.into_iter().chain([("graph", graphed(&every, &inputs), GRAPH)])
        {
            for (position, instruction) in every.instructions.iter().enumerate().skip(every.inputs.len()) {
                let (alone, operands) = alone(instruction, &domains);
                let operands: Vec<_> =
                    operands.iter().map(|operand| values[operand.index()].clone()).collect();
                if operands.iter().flatten().any(|value| !value.is_finite()) {
                    continue;
                }
                let expected = judged(&alone, &operands).remove(0);
                if looks_along(instruction) {
                    let missing = |(x, y): (&f32, &f32)| x.is_nan() == y.is_nan();
                    assert!(values[position].iter().zip(&expected).all(missing), "%{position}\n{every}");
                }
                let error = distance(&values[position], &expected, &terms(instruction, &operands, &expected));
                assert!(error <= limit, "{executor}, %{position}: {error:.1e}\n{every}");
                compared += expected.len();
            }
        }
    }
    println!("{compared} values compared");
    assert!(compared > 400_000);
}

fn looks_along(instruction: &Instruction) -> bool {
    matches!(instruction, Instruction::Interpolate { .. } | Instruction::Layer { .. })
}

/// For what is a sum, the size of what is summed; for sines, whose zeros have an error of their own, 1.
fn terms(instruction: &Instruction, operands: &[Array2<f32>], result: &Array2<f32>) -> Array2<f64> {
    let size = |operand: usize, cell: usize| -> f64 {
        operands[operand].column(cell).iter().map(|x| f64::from(x.abs())).sum()
    };
    let of = |scale: &dyn Fn(usize) -> f64| Array2::from_shape_fn(result.dim(), |(_, cell)| scale(cell));
    match instruction {
        Instruction::Reduce { op: Reduce::Sum, weights, .. } => {
            let weight = |level: usize| weights.as_ref().map_or(1.0, |weights| weights[level].abs());
            of(&|cell| {
                let column = operands[0].column(cell);
                column.iter().enumerate().map(|(k, x)| f64::from(x.abs()) * weight(k)).sum()
            })
        }
        Instruction::Unary { op: Unary::Sin | Unary::Cos, .. } => of(&|_| 1.0),
        Instruction::Interpolate { .. } => of(&|cell| size(0, cell)),
        Instruction::Layer { op: LayerOp::Integral, .. } => of(&|cell| size(0, cell) * size(1, cell)),
        Instruction::Layer { .. } => of(&|cell| size(0, cell)),
        Instruction::Scan { .. } => of(&|cell| (0..operands.len()).map(|k| size(k, cell)).sum()),
        _ => no_floor(result),
    }
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

/// One more instruction; the domain of its value.
type Step = fn(&mut Random, &mut Builder, &[Domain]) -> Domain;

const COLUMN: Domain = Domain::Column(3);

/// A random program over a cell and a column of 3, of `size` instructions; its last value is its output.
fn program(random: &mut Random, size: usize, step: Step) -> Kernel {
    let mut builder = Builder::new("random");
    let mut domains = vec![Domain::Cell, COLUMN];
    builder.input("a", Domain::Cell);
    builder.input("b", COLUMN);
    for _ in 0..size {
        let domain = step(random, &mut builder, &domains);
        domains.push(domain);
    }
    builder.output("o", Value::new(domains.len() - 1));
    builder.finish()
}

/// What one level can do by itself, and reductions.
fn plain_step(random: &mut Random, builder: &mut Builder, domains: &[Domain]) -> Domain {
    let any = |random: &mut Random| Value::new(random.below(domains.len()));
    let (left, right, mask) = (any(random), any(random), any(random));
    let of = |values: &[Value]| values.iter().map(|v| domains[v.index()]).max().unwrap_or(Domain::Cell);
    match random.below(14) {
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
            let all =
                [Binary::Add, Binary::Sub, Binary::Mul, Binary::Div, Binary::Min, Binary::Max, Binary::Pow];
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
    }
}

/// Half of them what looks along a column, walks along it, or turns angles.
fn along_step(random: &mut Random, builder: &mut Builder, domains: &[Domain]) -> Domain {
    let of =
        |domain: Domain| (0..domains.len()).filter(move |k| domains[*k] == domain).collect::<Vec<usize>>();
    let (columns, cells) = (of(COLUMN), of(Domain::Cell));
    let column = |random: &mut Random| Value::new(columns[random.below(columns.len())]);
    let cell = |random: &mut Random| Value::new(cells[random.below(cells.len())]);
    let any = Value::new(random.below(domains.len()));
    match random.below(12) {
        0 => {
            builder.unary([Unary::Sin, Unary::Cos][random.below(2)], any);
            domains[any.index()]
        }
        1 => {
            let other = column(random);
            builder.binary(Binary::Atan2, any, other);
            COLUMN
        }
        2 => {
            let value = column(random);
            builder.shift(value, random.below(7) as i32 - 3);
            COLUMN
        }
        3 => {
            let (value, coordinate) = (column(random), column(random));
            builder.interpolate(value, coordinate, any);
            domains[any.index()]
        }
        4 => {
            let (value, coordinate) = (column(random), column(random));
            let (from, to) = (cell(random), cell(random));
            let all = [LayerOp::Integral, LayerOp::Mean, LayerOp::Max, LayerOp::Min];
            builder.layer(all[random.below(4)], value, coordinate, from, to);
            Domain::Cell
        }
        5 => {
            let body = body(random);
            let (starts, captures) = (vec![cell(random), cell(random)], vec![column(random), any]);
            let active = (random.below(2) == 0).then(|| column(random));
            builder.scan(random.below(2) == 0, starts, captures, active, body, random.below(2));
            COLUMN
        }
        _ => plain_step(random, builder, domains),
    }
}

/// That, and differences between grid points.
fn any_step(random: &mut Random, builder: &mut Builder, domains: &[Domain]) -> Domain {
    if random.below(10) > 0 {
        return along_step(random, builder, domains);
    }
    let value = Value::new(random.below(domains.len()));
    builder.difference(value, [Axis::X, Axis::Y][random.below(2)]);
    domains[value.index()]
}

/// A step over two captured values that no error grows in.
fn body(random: &mut Random) -> Body {
    let mut body = BodyBuilder::new();
    let states = [body.state(0), body.state(1)];
    let seen = [body.here(0), body.before(0), body.here(1), body.before(1)];
    let mut next = Vec::new();
    for state in states {
        let (one, other) = (seen[random.below(4)], seen[random.below(4)]);
        next.push(match random.below(4) {
            0 => {
                let half = body.constant(0.5);
                let part = body.binary(Binary::Mul, one, half);
                body.binary(Binary::Add, state, part)
            }
            1 => body.binary(Binary::Max, state, one),
            2 => {
                let mask = body.compare(Compare::Lt, one, other);
                body.select(mask, state, one)
            }
            _ => {
                let part = body.binary(Binary::Sub, one, other);
                body.binary(Binary::Add, states[random.below(2)], part)
            }
        });
    }
    body.finish(next)
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

#[test]
fn gradients_of_random_programs_equal_differences_of_the_interpreter() {
    let mut random = Random(4);
    let mut gradients = Gradients::default();
    for _ in 0..150 {
        let kernel = program(&mut random, 10, plain_step);
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
fn gradients_of_random_programs_along_columns_equal_differences_of_the_interpreter() {
    let mut random = Random(5);
    let mut gradients = Gradients::default();
    for _ in 0..300 {
        let kernel = program(&mut random, 8, along_step);
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
    assert_eq!(infinite, 0);
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

/// What is asked for outside the column is missing in all executors, comparisons with it too; what does not use it is
/// whole, and so is every gradient.
#[test]
fn what_is_not_in_the_column_is_missing_in_the_graph_too() {
    let text = "kernel outside(q: column 4, h: column 4, x: cell) {
        %0 = input q
        %1 = input h
        %2 = input x
        %3 = constant 2.0
        %4 = mul %2 %3
        %5 = interpolate %0 on %1 at %4
        %6 = constant 0.01
        %7 = gt %5 %6
        %8 = select %7 %2 %6
        %9 = levels [0.0 0.0 0.0 1.0]
        %10 = sum %1 weights [0.0 0.0 0.0 1.0]
        %11 = le %4 %10
        %12 = select %11 %5 %2
        %13 = layer mean %0 on %1 from %10 to %4
        %14 = select %11 %13 %2
        output value = %5
        output moist = %8
        output kept = %12
        output layer = %14
    }";
    let kernel = parse(text).expect("kernel").kernels.remove(0);
    let inputs = inputs(&kernel, &mut Random(7));
    let (expected, found) = (judged(&kernel, &inputs), graphed(&kernel, &inputs));
    let missing = |array: &Array2<f32>| array.mapv(f32::is_nan);
    let counts: Vec<usize> = expected.iter().map(|a| a.iter().filter(|x| x.is_nan()).count()).collect();
    println!("missing {counts:?} of {CELLS}");
    for (expected, found) in expected.iter().zip(&found) {
        assert_eq!(missing(expected), missing(found));
        assert!(distance(found, expected, &no_floor(expected)) <= GRAPH);
    }
    assert!(counts[0] > 3 && counts[0] < CELLS - 3 && counts[0] == counts[1] && counts[2] == 0);

    let device = Device::flex().autodiff();
    let leaves: BTreeMap<String, Field> =
        fields(&kernel, &inputs, &device).into_iter().map(|(name, f)| (name, f.require_grad())).collect();
    let kept = graph::run(&kernel, &leaves).expect("run").swap_remove(2);
    let gradients = kept.sum().backward();
    for leaf in leaves.values() {
        let gradient = array(leaf.grad(&gradients).expect("a gradient"));
        assert!(gradient.iter().all(|slope| slope.is_finite()));
    }
}
