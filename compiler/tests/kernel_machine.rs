//! Machine code of every instruction, against the interpreter in `f32`, bit for bit: random kernels in which loops meet in
//! every way, and kernels for what they would seldom meet.

mod kernel_support;

use aurora_compiler::kernel::interpret::interpret;
use aurora_compiler::kernel::ir::*;
use aurora_compiler::kernel::jit::Compiled;
use aurora_compiler::kernel::text::parse;
use aurora_compiler::kernel::verify::{domains, verify};
use kernel_support::{Random, difference, run};
use ndarray::Array2;
use proptest::prelude::*;

/// Exact operations only: what is transcendental may differ by some ulp, which later operations may make any number.
const UNARY: [Unary; 3] = [Unary::Neg, Unary::Abs, Unary::Sqrt];
const BINARY: [Binary; 6] = [Binary::Add, Binary::Sub, Binary::Mul, Binary::Div, Binary::Min, Binary::Max];
const COMPARE: [Compare; 5] = [Compare::Lt, Compare::Le, Compare::Gt, Compare::Ge, Compare::Eq];

/// A kernel of which all values so far have domains.
struct Program<'a> {
    random: &'a mut Random,
    builder: Builder,
    domains: Vec<Domain>,
}

impl Program<'_> {
    fn push(&mut self, instruction: Instruction, domain: Domain) {
        self.builder.push(instruction);
        self.domains.push(domain);
    }

    fn of(&mut self, wanted: impl Fn(Domain) -> bool) -> Option<Value> {
        let all: Vec<usize> = (0..self.domains.len()).filter(|k| wanted(self.domains[*k])).collect();
        // Late ones more often, so that long chains come about.
        let first = if self.random.below(2) == 0 { 0 } else { all.len() * 2 / 3 };
        (!all.is_empty()).then(|| Value::new(all[first + self.random.below(all.len() - first)]))
    }

    fn cell(&mut self) -> Value {
        self.of(|domain| domain == Domain::Cell).unwrap()
    }

    fn column(&mut self) -> Option<Value> {
        self.of(|domain| domain != Domain::Cell)
    }

    fn peer(&mut self, column: Value) -> Value {
        let domain = self.domains[column.index()];
        self.of(|other| other == domain).unwrap()
    }

    /// A cell or a column of as many levels.
    fn fitting(&mut self, column: Value) -> Value {
        let domain = self.domains[column.index()];
        self.of(|other| other == domain || other == Domain::Cell).unwrap()
    }

    fn elementwise(&mut self) {
        let first = self.of(|_| true).unwrap();
        let [second, third] = match self.domains[first.index()] {
            Domain::Cell => [self.cell(), self.cell()],
            Domain::Column(_) => [self.fitting(first), self.fitting(first)],
        };
        let domain = self.domains[first.index()];
        let [second, third] = if self.random.below(2) == 0 { [second, third] } else { [third, second] };
        let instruction = match self.random.below(8) {
            0 => Instruction::Unary { op: self.random.pick(&UNARY), value: first },
            1 | 2 => Instruction::Compare { op: self.random.pick(&COMPARE), left: second, right: first },
            3 | 4 => Instruction::Select { mask: second, then: first, otherwise: third },
            _ => Instruction::Binary { op: self.random.pick(&BINARY), left: first, right: second },
        };
        self.push(instruction, domain);
    }

    fn step(&mut self, deep: bool) {
        let Some(column) = self.column() else { return self.elementwise() };
        let domain = self.domains[column.index()];
        let levels = domain.levels();
        let range = |random: &mut Random| {
            let start = random.below(levels);
            start..start + 1 + random.below(levels - start)
        };
        match self.random.below(24) {
            0 => {
                let number = self.random.constant();
                self.push(Instruction::Constant(number), Domain::Cell);
            }
            1 => {
                let numbers = (0..levels).map(|_| self.random.constant()).collect();
                self.push(Instruction::Levels(numbers), domain);
            }
            2..=4 => {
                let op = self.random.pick(&[Reduce::Sum, Reduce::Min, Reduce::Max]);
                let weighted = op == Reduce::Sum && self.random.below(2) == 0;
                let weights = weighted.then(|| (0..levels).map(|_| self.random.constant()).collect());
                let range = (self.random.below(2) == 0).then(|| range(self.random));
                self.push(Instruction::Reduce { op, value: column, weights, levels: range }, Domain::Cell);
            }
            5 => {
                let by = self.random.below(7) as i32 - 3;
                self.push(Instruction::Shift { value: column, by }, domain);
            }
            6 => {
                let range = range(self.random);
                let domain = Domain::Column(range.len());
                self.push(Instruction::Slice { value: column, levels: range }, domain);
            }
            7 => {
                let mut parts = vec![self.of(|_| true).unwrap()];
                parts.extend((0..self.random.below(3)).map(|_| self.cell()));
                parts.extend(self.of(|domain| domain.levels() < 6));
                let count = parts.iter().map(|part| self.domains[part.index()].levels()).sum();
                if count < 14 {
                    self.push(Instruction::Concat { parts }, Domain::Column(count));
                }
            }
            8 | 9 => {
                let (coordinate, at) = (self.peer(column), self.of(|_| true).unwrap());
                let domain = self.domains[at.index()];
                self.push(Instruction::Interpolate { value: column, coordinate, at }, domain);
            }
            10 | 11 => {
                let op = self.random.pick(&[LayerOp::Integral, LayerOp::Mean, LayerOp::Max, LayerOp::Min]);
                let [coordinate, from, to] = [self.peer(column), self.cell(), self.cell()];
                self.push(Instruction::Layer { op, value: column, coordinate, from, to }, Domain::Cell);
            }
            12..=14 => self.scan(column),
            15 if deep => self.each(column),
            _ => self.elementwise(),
        }
    }

    fn scan(&mut self, column: Value) {
        let starts: Vec<Value> = (0..1 + self.random.below(3)).map(|_| self.cell()).collect();
        let mut captures = vec![column];
        captures.extend((0..self.random.below(3)).map(|_| self.fitting(column)));
        let active = (self.random.below(2) == 0).then(|| self.fitting(column));
        let mut body = BodyBuilder::new();
        for number in 0..3 + self.random.below(10) {
            let (state, capture) = (self.random.below(starts.len()), self.random.below(captures.len()));
            let mut pick = || Value::new(self.random.below(number.max(1)));
            let [a, b, c] = [pick(), pick(), pick()];
            match (number, self.random.below(8)) {
                (0, _) | (_, 0) => body.state(state),
                (1, _) | (_, 1) => body.here(capture),
                (_, 2) => body.before(capture),
                (_, 3) => body.compare(self.random.pick(&COMPARE), a, b),
                (_, 4) => body.select(a, b, c),
                _ => body.binary(self.random.pick(&BINARY), a, b),
            };
        }
        let length = body.clone().finish(Vec::new()).instructions.len();
        let next: Vec<Value> = starts.iter().map(|_| Value::new(self.random.below(length))).collect();
        let (reverse, body) = (self.random.below(2) == 0, body.finish(next));
        let domain = self.domains[column.index()];
        // Sometimes more than one state of the same walk.
        for result in 0..starts.len() {
            if result == 0 || self.random.below(2) == 0 {
                let (starts, captures, body) = (starts.clone(), captures.clone(), body.clone());
                self.push(Instruction::Scan { reverse, starts, captures, active, body, result }, domain);
            }
        }
    }

    fn each(&mut self, column: Value) {
        let here: Vec<Value> = (0..1 + self.random.below(2)).map(|_| self.peer(column)).collect();
        let captures: Vec<Value> =
            (0..1 + self.random.below(3)).map(|_| self.of(|_| true).unwrap()).collect();
        let active = (self.random.below(2) == 0).then(|| self.fitting(column));
        let mut inputs: Vec<Domain> = captures.iter().map(|value| self.domains[value.index()]).collect();
        inputs.extend(here.iter().map(|_| Domain::Cell));
        let mut body = program(self.random, &inputs, 8, false);
        body.name = "inner".to_owned();
        body.outputs.truncate(1);
        let domain = self.domains[column.index()];
        self.push(Instruction::Each { captures, here, active, body: Box::new(body) }, domain);
    }
}

/// A kernel that verifies, its first output a cell if not `deep`.
fn program(random: &mut Random, inputs: &[Domain], size: usize, deep: bool) -> Kernel {
    let mut program = Program { random, builder: Builder::new("random"), domains: Vec::new() };
    for (number, domain) in inputs.iter().enumerate() {
        program.builder.input(&format!("i{number}"), *domain);
        program.domains.push(*domain);
    }
    while program.domains.len() < inputs.len() + size {
        program.step(deep);
    }
    if !deep {
        let cell = program.cell();
        program.builder.output("o", cell);
        return program.builder.finish();
    }
    for number in 0..1 + program.random.below(4) {
        let value =
            if number == 0 { Value::new(program.domains.len() - 1) } else { program.of(|_| true).unwrap() };
        program.builder.output(&format!("o{number}"), value);
    }
    program.builder.finish()
}

/// Mostly numbers of one size, among them equal ones and columns that rise or fall, so that places are found in them.
fn column(random: &mut Random, levels: usize, cells: usize) -> Array2<f32> {
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

fn agree(kernel: &Kernel, inputs: &[Array2<f32>], cells: usize) -> Result<(), String> {
    let module = Module { kernels: vec![kernel.clone()] };
    verify(&module).map_err(|errors| format!("{errors:?}"))?;
    let views: Vec<_> = inputs.iter().map(|array| array.view()).collect();
    let expected = interpret(kernel, &views, cells).map_err(|error| error.to_string())?;
    let compiled = Compiled::new(kernel).map_err(|error| error.to_string())?;
    let domains = domains(kernel).map_err(|errors| format!("{errors:?}"))?;
    let levels: Vec<usize> = kernel.outputs.iter().map(|o| domains[o.value.index()].levels()).collect();
    for ((found, expected), output) in
        run(&compiled, inputs, &levels, cells).iter().zip(&expected).zip(&kernel.outputs)
    {
        if let Some(difference) = difference(found, expected.view(), 0) {
            return Err(format!("{kernel}{}: {difference}", output.name));
        }
    }
    Ok(())
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 3000, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn kernel_machine_code_of_every_instruction(seed: u64, size in 1_usize..30, cells in 1_usize..50) {
        let mut random = Random(seed);
        let first = 1 + random.below(7);
        let domains = [Domain::Cell, Domain::Column(first), Domain::Column(1 + random.below(5)), Domain::Column(first), Domain::Cell];
        let kernel = program(&mut random, &domains, size, true);
        let inputs: Vec<_> = domains.iter().map(|domain| column(&mut random, domain.levels(), cells)).collect();
        let agreement = agree(&kernel, &inputs, cells);
        prop_assert!(agreement.is_ok(), "{}", agreement.unwrap_err());
    }
}

#[allow(dead_code)]
fn kernel(text: &str) -> Kernel {
    parse(text).unwrap_or_else(|error| panic!("{error:?}")).kernels.remove(0)
}
