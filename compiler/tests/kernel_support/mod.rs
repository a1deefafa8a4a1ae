//! Random typed kernels, inputs with every kind of number, and comparison in units in the last place.
#![allow(dead_code, reason = "each test target uses a part")]

pub mod executors;
pub mod gradients;
pub mod parcel;

use aurora_compiler::kernel::interpret::Extent;
use aurora_compiler::kernel::ir::*;
use aurora_compiler::kernel::jit::Compiled;
use ndarray::{Array2, ArrayView2};

/// A small generator of random numbers (splitmix64): the same everywhere for the same seed.
pub struct Random(pub u64);

impl Random {
    pub fn bits(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut z = self.0;
        z = (z ^ (z >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        z ^ (z >> 31)
    }

    pub fn below(&mut self, limit: usize) -> usize {
        (self.bits() % limit as u64) as usize
    }

    /// Between 0 and 1.
    pub fn unit(&mut self) -> f64 {
        (self.bits() >> 40) as f64 / (1u64 << 24) as f64
    }

    pub fn pick<T: Copy>(&mut self, from: &[T]) -> T {
        from[self.below(from.len())]
    }

    /// Two thirds ordinary numbers, the rest zeros, NaN, infinities, subnormals, extremes and any bits at all.
    pub fn number(&mut self) -> f32 {
        const SPECIAL: [f32; 16] = [
            0.0,
            -0.0,
            f32::NAN,
            f32::INFINITY,
            f32::NEG_INFINITY,
            1e-45,
            -1e-45,
            3e-39,
            f32::MIN_POSITIVE,
            f32::MAX,
            f32::MIN,
            1.0,
            -1.0,
            2.0,
            0.5,
            -3.0,
        ];
        match self.below(9) {
            0 | 1 => self.pick(&SPECIAL),
            2 => f32::from_bits(self.bits() as u32),
            _ => {
                let unit = (self.bits() >> 40) as f32 / (1u64 << 24) as f32;
                (unit - 0.5) * self.pick(&[2.0, 20.0, 200.0, 2000.0])
            }
        }
    }

    /// A constant; mostly, but not always, one that `f32` has exactly.
    pub fn constant(&mut self) -> f64 {
        let number = f64::from(self.number());
        if self.below(4) == 0 { number * 1.000_000_01 } else { number }
    }

    pub fn array(&mut self, levels: usize, cells: usize) -> Array2<f32> {
        Array2::from_shape_fn((levels, cells), |_| self.number())
    }
}

/// A random kernel that verifies, of about `size` instructions, and the domain of each value; of what machine code does.
pub fn random_kernel(random: &mut Random, size: usize, transcendental: bool) -> (Kernel, Vec<Domain>) {
    random_kernel_of(random, size, |random, domains| random_instruction(random, domains, transcendental))
}

/// The same with all instructions there are.
pub fn random_whole_kernel(random: &mut Random, size: usize) -> (Kernel, Vec<Domain>) {
    random_kernel_of(random, size, |random, domains| match random.below(2) {
        0 => random_instruction(random, domains, true),
        _ => random_wide_instruction(random, domains, true),
    })
}

/// The same without differences between grid points; walks are without what is transcendental.
pub fn random_point_kernel(random: &mut Random, size: usize) -> (Kernel, Vec<Domain>) {
    random_kernel_of(random, size, |random, domains| match random.below(2) {
        0 => random_instruction(random, domains, true),
        _ => random_wide_instruction(random, domains, false),
    })
}

fn random_kernel_of(
    random: &mut Random,
    size: usize,
    instruction: impl Fn(&mut Random, &[Domain]) -> (Instruction, Domain),
) -> (Kernel, Vec<Domain>) {
    let columns = [Domain::Column(1 + random.below(4)), Domain::Column(5 + random.below(3))];
    let mut builder = Builder::new("random");
    let mut domains = vec![Domain::Cell, columns[0], columns[1]];
    for (number, domain) in domains.iter().enumerate() {
        builder.input(&format!("i{number}"), *domain);
    }
    while domains.len() < size + 3 {
        let (instruction, domain) = instruction(random, &domains);
        builder.push(instruction);
        domains.push(domain);
    }
    for number in 0..1 + random.below(4) {
        // The last value is always wanted, so that programs are not mostly dead.
        let position = if number == 0 { domains.len() - 1 } else { random.below(domains.len()) };
        builder.output(&format!("o{number}"), Value::new(position));
    }
    (builder.finish(), domains)
}

pub fn random_instruction(
    random: &mut Random,
    domains: &[Domain],
    transcendental: bool,
) -> (Instruction, Domain) {
    const BINARY: [Binary; 7] =
        [Binary::Pow, Binary::Add, Binary::Sub, Binary::Mul, Binary::Div, Binary::Min, Binary::Max];
    const UNARY: [Unary; 5] = [Unary::Exp, Unary::Log, Unary::Neg, Unary::Abs, Unary::Sqrt];
    const COMPARE: [Compare; 5] = [Compare::Lt, Compare::Le, Compare::Gt, Compare::Ge, Compare::Eq];
    let kind = match random.below(16) {
        // In the body of a scan there are cells only.
        1 | 13.. if domains.iter().all(|domain| *domain == Domain::Cell) => 5,
        kind => kind,
    };
    match kind {
        0 => (Instruction::Constant(random.constant()), Domain::Cell),
        1 => {
            let levels = domains[1 + random.below(2)].levels();
            (Instruction::Levels((0..levels).map(|_| random.constant()).collect()), Domain::Column(levels))
        }
        2..=4 => {
            let ([value], domain) = operands(random, domains);
            let op = random.pick(if transcendental { &UNARY } else { &UNARY[2..] });
            (Instruction::Unary { op, value }, domain)
        }
        5..=8 => {
            let ([left, right], domain) = operands(random, domains);
            let op = random.pick(if transcendental { &BINARY } else { &BINARY[1..] });
            (Instruction::Binary { op, left, right }, domain)
        }
        9 | 10 => {
            let ([left, right], domain) = operands(random, domains);
            (Instruction::Compare { op: random.pick(&COMPARE), left, right }, domain)
        }
        11 | 12 => {
            let ([mask, then, otherwise], domain) = operands(random, domains);
            (Instruction::Select { mask, then, otherwise }, domain)
        }
        _ => (random_reduction(random, domains), Domain::Cell),
    }
}

/// An instruction that looks along a column or across the grid, a scan, or a function that machine code lacks.
fn random_wide_instruction(
    random: &mut Random,
    domains: &[Domain],
    differences: bool,
) -> (Instruction, Domain) {
    let all: Vec<usize> = (0..domains.len()).collect();
    let column = Value::new(random.pick(&of_domain(domains, |domain| domain != Domain::Cell)));
    let levels = domains[column.index()];
    let peers = of_domain(domains, |domain| domain == levels);
    let cells = of_domain(domains, |domain| domain == Domain::Cell);
    match random.below(if differences { 10 } else { 9 }) {
        0 => {
            let value = Value::new(random.pick(&all));
            (Instruction::Unary { op: random.pick(&[Unary::Sin, Unary::Cos]), value }, domains[value.index()])
        }
        1 => {
            let ([left, right], domain) = operands(random, domains);
            (Instruction::Binary { op: Binary::Atan2, left, right }, domain)
        }
        2 => (Instruction::Shift { value: column, by: random.below(9) as i32 - 4 }, levels),
        3 | 4 => {
            let (coordinate, at) = (Value::new(random.pick(&peers)), Value::new(random.pick(&all)));
            (Instruction::Interpolate { value: column, coordinate, at }, domains[at.index()])
        }
        5 | 6 => {
            let op = random.pick(&[LayerOp::Integral, LayerOp::Mean, LayerOp::Max, LayerOp::Min]);
            let coordinate = Value::new(random.pick(&peers));
            let [from, to] = [(); 2].map(|()| Value::new(random.pick(&cells)));
            (Instruction::Layer { op, value: column, coordinate, from, to }, Domain::Cell)
        }
        9 => {
            let value = Value::new(random.pick(&all));
            let axis = random.pick(&[Axis::X, Axis::Y]);
            (Instruction::Difference { value, axis }, domains[value.index()])
        }
        _ => (random_scan(random, column, &peers, &cells, differences), levels),
    }
}

fn of_domain(domains: &[Domain], wanted: impl Fn(Domain) -> bool) -> Vec<usize> {
    (0..domains.len()).filter(|k| wanted(domains[*k])).collect()
}

fn random_scan(
    random: &mut Random,
    column: Value,
    peers: &[usize],
    cells: &[usize],
    transcendental: bool,
) -> Instruction {
    let fitting: Vec<usize> = peers.iter().chain(cells).copied().collect();
    let starts: Vec<Value> = (0..1 + random.below(3)).map(|_| Value::new(random.pick(cells))).collect();
    let mut captures = vec![column];
    captures.extend((0..random.below(3)).map(|_| Value::new(random.pick(&fitting))));
    let active = (random.below(2) == 0).then(|| Value::new(random.pick(&fitting)));
    let mut body = BodyBuilder::new();
    // All values of a body are cells.
    let mut inside = Vec::new();
    for number in 0..2 + random.below(12) {
        let (state, capture) = (random.below(starts.len()), random.below(captures.len()));
        inside.push(Domain::Cell);
        match (number, random.below(5)) {
            (0, _) | (_, 0) => body.state(state),
            (1, _) | (_, 1) => body.here(capture),
            (_, 2) => body.before(capture),
            _ => {
                let (instruction, _) = random_instruction(random, &inside[..number], transcendental);
                body.push(instruction)
            }
        };
    }
    let result = random.below(starts.len());
    let next = starts.iter().map(|_| Value::new(random.below(inside.len()))).collect();
    let reverse = random.below(2) == 0;
    Instruction::Scan { reverse, starts, captures, active, body: body.finish(next).into(), result }
}

fn random_reduction(random: &mut Random, domains: &[Domain]) -> Instruction {
    let columns: Vec<usize> = (0..domains.len()).filter(|k| domains[*k] != Domain::Cell).collect();
    let position = random.pick(&columns);
    let count = domains[position].levels();
    let op = random.pick(&[Reduce::Sum, Reduce::Min, Reduce::Max]);
    let weighted = op == Reduce::Sum && random.below(2) == 0;
    let start = random.below(count);
    let range = start..start + 1 + random.below(count - start);
    Instruction::Reduce {
        op,
        value: Value::new(position),
        weights: weighted.then(|| (0..count).map(|_| random.constant()).collect()),
        levels: (random.below(2) == 0).then_some(range),
    }
}

/// Operands that agree: cells, or columns of one number of levels.
fn operands<const N: usize>(random: &mut Random, domains: &[Domain]) -> ([Value; N], Domain) {
    let mut joined = Domain::Cell;
    let values = std::array::from_fn(|_| {
        let fits = |k: &usize| domains[*k] == Domain::Cell || joined == Domain::Cell || domains[*k] == joined;
        let fitting: Vec<usize> = (0..domains.len()).filter(fits).collect();
        let position = random.pick(&fitting);
        joined = joined.max(domains[position]);
        Value::new(position)
    });
    (values, joined)
}

/// Runs the compiled kernel on arrays shaped (levels, cells).
pub fn run(compiled: &Compiled, inputs: &[Array2<f32>], outputs: &[usize], cells: usize) -> Vec<Array2<f32>> {
    let inputs: Vec<&[f32]> = inputs.iter().map(|array| array.as_slice().unwrap()).collect();
    // What is not written stays visible.
    let mut arrays: Vec<Array2<f32>> =
        outputs.iter().map(|levels| Array2::from_elem((*levels, cells), 12345.678)).collect();
    let mut slices: Vec<&mut [f32]> = arrays.iter_mut().map(|array| array.as_slice_mut().unwrap()).collect();
    compiled.run(&inputs, &mut slices, cells).unwrap();
    arrays
}

/// The same on a grid, for kernels whose points see their neighbours too.
pub fn run_on(
    compiled: &Compiled,
    inputs: &[Array2<f32>],
    outputs: &[usize],
    extent: Extent,
) -> Vec<Array2<f32>> {
    let inputs: Vec<&[f32]> = inputs.iter().map(|array| array.as_slice().unwrap()).collect();
    let cells = extent.rows * extent.columns;
    let mut arrays: Vec<Array2<f32>> =
        outputs.iter().map(|levels| Array2::from_elem((*levels, cells), 12345.678)).collect();
    let mut slices: Vec<&mut [f32]> = arrays.iter_mut().map(|array| array.as_slice_mut().unwrap()).collect();
    compiled.run_on(&inputs, &mut slices, extent).unwrap();
    arrays
}

/// Units in the last place between two numbers; all NaN are one, −0 and +0 are one apart.
pub fn ulps(x: f32, y: f32) -> u64 {
    let order = |x: f32| {
        let bits = i64::from(x.to_bits() as i32);
        if bits < 0 { i64::from(i32::MIN) - bits - 1 } else { bits }
    };
    if x.is_nan() && y.is_nan() {
        0
    } else if x.is_nan() || y.is_nan() {
        u64::MAX
    } else {
        order(x).abs_diff(order(y))
    }
}

/// The first place where two arrays are further apart than that.
pub fn difference(found: &Array2<f32>, expected: ArrayView2<f32>, limit: u64) -> Option<String> {
    assert_eq!(found.dim(), expected.dim());
    found.indexed_iter().zip(expected).find(|((_, x), y)| ulps(**x, **y) > limit).map(|((place, x), y)| {
        format!("level {}, cell {}: {x:?} instead of {y:?} ({} ulp)", place.0, place.1, ulps(*x, *y))
    })
}
