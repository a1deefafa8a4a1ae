//! Kernels as machine code, through Cranelift.
//!
//! A lane is a cell: four neighbouring cells in a vector. Loops over levels run at run time; `plan` says which, and what
//! columns are kept between them. Tiles of cells run in parallel; cells that do not fill a tile go through a padded one of their
//! own, so every cell is computed by the same code.
//!
//! | file | what it holds |
//! |---|---|
//! | `order` | bodies in the order in which their instructions are asked for |
//! | `plan`, `schedule`, `keep` | what runs once for a group of cells and what in which loop over levels |
//! | `split` | walks taken apart, so that what they share is found |
//! | `stencil` | kernels with differences, as passes over the grid |
//! | `emit`, `frame` | from a schedule to a Cranelift function, and how far it is |
//! | `loops`, `level`, `reduce`, `walk`, `look`, `each` | its parts: loops over levels, where numbers are, and what looks along a column |
//! | `tile`, `cut` | many groups at once, and long bodies in segments, so that nothing waits |
//! | `lanes`, `math`, `angle` | functions on four lanes |
//! | `missing` | where a choice need not ask whether its mask is missing |
//! | `wide` | segments on wider vectors, where the machine has them |
//! | `code` | machine code: made, called, freed |
//!
//! Results equal those of the interpreter in `f32` bit for bit (all NaN being one), except `exp`, `log`, `pow`, `sin` and `cos`,
//! which are within 2 ulp of the true value, and `atan2`, within 4. They do not depend on the number of threads, the place of a
//! cell in its tile, the unrolling, or the width of the machine's vectors.

mod angle;
mod code;
mod cut;
mod each;
mod emit;
mod error;
mod frame;
mod keep;
mod lanes;
mod level;
mod look;
mod loops;
mod math;
mod missing;
mod order;
mod plan;
mod reduce;
mod schedule;
mod split;
mod stencil;
mod tile;
mod walk;
mod wide;

pub use self::error::{JitError, RunError};

use self::emit::Shape;
use self::schedule::Schedule;
use self::wide::Vectors;
use super::interpret::Extent;
use super::ir::{Domain, Instruction, Kernel};
use super::optimise::{optimise, remove_dead_code, share_common_subexpressions};
use super::verify::{self, domains};

/// A kernel ready to run. It can be shared between threads; its memory is freed when it is dropped.
#[derive(Debug)]
pub struct Compiled {
    /// One for each pass over the grid but the last; none where differences are of inputs only.
    before: Vec<Option<code::Code>>,
    /// The last pass, which is all there is but for stencils.
    last: code::Code,
    /// After each pass but the last.
    differences: Vec<Vec<stencil::Difference>>,
    stencil: bool,
    inputs: Vec<String>,
    outputs: Vec<String>,
    live_values: usize,
    loops: usize,
    lanes: usize,
}

/// How a kernel is compiled. Results do not depend on it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Options {
    /// Lanes of a vector at most: 4 is what every machine has, 8 is AVX2, 16 is AVX-512.
    pub lanes: usize,
}

impl Default for Options {
    fn default() -> Self {
        Self { lanes: 16 }
    }
}

impl Compiled {
    /// Verifies, optimises and compiles a kernel for this machine.
    pub fn new(kernel: &Kernel) -> Result<Self, JitError> {
        Self::with(kernel, Options::default())
    }

    /// The same as asked for.
    pub fn with(kernel: &Kernel, options: Options) -> Result<Self, JitError> {
        let vectors = Vectors::of_this_machine(options.lanes);
        Self::with_shape(kernel, |live_values, schedule| shape(live_values, schedule, vectors))
    }

    fn with_shape(kernel: &Kernel, shape: impl Fn(usize, &Schedule) -> Shape) -> Result<Self, JitError> {
        domains(kernel).map_err(JitError::Invalid)?;
        let stencil = kernel.is_stencil();
        let kernel = split::split_walks(&optimise::<f32>(kernel));
        let kernel = remove_dead_code(&share_common_subexpressions(&remove_dead_code(&kernel)));
        let kernel = order::on_demand(kernel);
        let domains_of_all = domains(&kernel).map_err(JitError::Invalid)?;
        if numbers_wanted(&kernel, &domains_of_all) > NUMBERS {
            return Err(JitError::TooManyConstants);
        }
        let passes = stencil::passes(&kernel, &domains_of_all);
        let (mut before, mut live_values, mut loops, mut lanes) = (Vec::new(), 0, 0, 4);
        let mut compile = |pass: &Kernel| {
            let schedule = plan::plan(pass, domains(pass).map_err(JitError::Invalid)?);
            let live = schedule::live_values(pass);
            live_values = live_values.max(live);
            loops += schedule.loops();
            let shape = shape(live, &schedule);
            let wide = code::Code::compile(&schedule, shape);
            let (code, vectors) = match (wide, shape.vectors) {
                // What wide vectors cannot do, narrow ones may.
                (Err(JitError::Machine(_)), Some(_)) => {
                    (code::Code::compile(&schedule, Shape { vectors: None, ..shape })?, None)
                }
                (code, vectors) => (code?, vectors),
            };
            lanes = lanes.max(vectors.map_or(4, Vectors::lanes));
            Ok::<_, JitError>(code)
        };
        for pass in &passes.before {
            before.push(if pass.outputs.is_empty() { None } else { Some(compile(pass)?) });
        }
        let last = compile(&passes.last)?;
        let inputs = kernel.inputs.into_iter().map(|input| input.name).collect();
        let outputs = kernel.outputs.into_iter().map(|output| output.name).collect();
        Ok(Self {
            before,
            last,
            differences: passes.differences,
            stencil,
            inputs,
            outputs,
            live_values,
            loops,
            lanes,
        })
    }

    /// Runs the kernel on all cells.
    ///
    /// Arrays follow the kernel's inputs and outputs. A cell array has `cells` numbers; a column array has
    /// levels × `cells`, the cells of the first level first. An array of any other length is an error, and
    /// nothing is run. So is a stencil, which needs [`run_on`](Self::run_on).
    pub fn run(&self, inputs: &[&[f32]], outputs: &mut [&mut [f32]], cells: usize) -> Result<(), RunError> {
        if self.stencil {
            return Err(RunError::Stencil);
        }
        self.run_on(inputs, outputs, Extent { rows: 1, columns: cells })
    }

    /// Runs the kernel on a grid; the cells of arrays are its points row by row. Otherwise as [`run`](Self::run).
    pub fn run_on(
        &self,
        inputs: &[&[f32]],
        outputs: &mut [&mut [f32]],
        extent: Extent,
    ) -> Result<(), RunError> {
        let cells = extent.rows.checked_mul(extent.columns).ok_or(RunError::TooLarge(extent))?;
        let named = |error: RunError| error.named(&self.inputs, &self.outputs);
        if self.before.is_empty() {
            return self.last.run(inputs, outputs, cells).map_err(named);
        }
        self.last.check_first_inputs(self.inputs.len(), inputs, cells).map_err(named)?;
        self.last.check_outputs(outputs, cells).map_err(named)?;
        let mut found: Vec<Vec<f32>> = Vec::new();
        for (code, differences) in self.before.iter().zip(&self.differences) {
            let all: Vec<&[f32]> = inputs.iter().copied().chain(found.iter().map(Vec::as_slice)).collect();
            let mut written: Vec<Vec<f32>> = Vec::new();
            if let Some(code) = code {
                written.extend(code.output_levels().map(|levels| vec![0.0; levels * cells]));
                let mut slices: Vec<&mut [f32]> = written.iter_mut().map(Vec::as_mut_slice).collect();
                code.run(&all, &mut slices, cells).map_err(named)?;
            }
            let next: Vec<Vec<f32>> = differences
                .iter()
                .map(|difference| {
                    let of = match difference.of {
                        stencil::Operand::Input(input) => all[input],
                        stencil::Operand::Written(output) => &written[output],
                    };
                    debug_assert_eq!(of.len(), difference.levels * cells);
                    stencil::difference(of, difference.axis, extent)
                })
                .collect();
            found.extend(next);
        }
        let all: Vec<&[f32]> = inputs.iter().copied().chain(found.iter().map(Vec::as_slice)).collect();
        self.last.run(&all, outputs, cells).map_err(named)
    }

    fn codes(&self) -> impl Iterator<Item = &code::Code> {
        self.before.iter().flatten().chain([&self.last])
    }

    /// Bytes of machine code.
    #[must_use]
    pub fn code_size(&self) -> usize {
        self.codes().map(|code| code.size).sum()
    }

    /// The most values wanted later at any point of the kernel: how many registers it wants.
    #[must_use]
    pub fn live_values(&self) -> usize {
        self.live_values
    }

    /// Loops over levels, those of the bodies of `each` among them.
    #[must_use]
    pub fn loops(&self) -> usize {
        self.loops
    }

    /// Lanes of the widest vectors that it may use.
    #[must_use]
    pub fn lanes(&self) -> usize {
        self.lanes
    }

    /// Bytes of scratch memory that each thread works in.
    #[must_use]
    pub fn scratch_bytes(&self) -> usize {
        self.codes().map(|code| code.scratch).max().unwrap_or(0)
    }
}

/// Per-level constants and rows of scratch that a displacement of 32 bits can reach, with room.
const NUMBERS: usize = 1 << 21;

/// An upper limit of the per-level constants and of the kept levels of a kernel.
fn numbers_wanted(kernel: &Kernel, domains: &[Domain]) -> usize {
    let of_one = |(instruction, domain): (&Instruction, &Domain)| match instruction {
        Instruction::Input(_) => 0,
        Instruction::Each { body, .. } => {
            let inner = verify::domains(body).map_or(0, |domains| numbers_wanted(body, &domains));
            inner.saturating_add(domain.levels())
        }
        Instruction::Reduce { weights: Some(weights), .. } => weights.len(),
        _ => domain.levels(),
    };
    kernel.instructions.iter().zip(domains).map(of_one).fold(0, usize::saturating_add)
}

/// How many cells to work on at once. With loops over levels, or wider vectors, tiles of groups of one vector: other groups fill the
/// time that one waits. Without, two vectors if they fit the 16 registers with room for temporaries; four were never better than
/// two in `benches/kernels.rs`, and much worse where `pow` makes the code long.
fn shape(live_values: usize, schedule: &Schedule, vectors: Option<Vectors>) -> Shape {
    let (loops, kept) = (schedule.loops(), schedule.kept.values().sum::<usize>());
    if loops == 0 && vectors.is_none() {
        return Shape { unroll: if live_values > 6 { 1 } else { 2 }, groups: 1, vectors };
    }
    let groups = if kept * 4 * GROUPS * emit::LANE > KEPT { GROUPS / 2 } else { GROUPS };
    Shape { unroll: 1, groups, vectors }
}

/// Groups in a tile: 128 cells, of which a level is half a kilobyte.
const GROUPS: usize = 32;

/// Bytes of kept columns from which on tiles are half as large, so that there is room for them in the second cache.
const KEPT: usize = 1 << 19;

#[cfg(test)]
mod tests {
    use super::super::text::parse;
    use super::*;

    #[test]
    fn arrays_that_do_not_fit_are_refused() {
        let text = "kernel k(q: column 2) {\n%0 = input q\n%1 = sum %0\noutput s = %1\n}";
        let compiled = Compiled::new(&parse(text).unwrap().kernels[0]).unwrap();
        let (q, mut s) = ([1.0; 10], [0.0; 5]);
        assert!(compiled.code_size() > 0);
        assert_eq!(compiled.run(&[&q], &mut [&mut s], 5), Ok(()));
        assert_eq!(s, [2.0; 5]);
        let message = |error: Result<(), RunError>| error.unwrap_err().to_string();
        assert_eq!(
            message(compiled.run(&[&q[1..]], &mut [&mut s], 5)),
            "input `q` should have 10 numbers, but has 9"
        );
        assert_eq!(
            message(compiled.run(&[&q], &mut [&mut s[..4]], 5)),
            "output `s` should have 5 numbers, but has 4"
        );
        assert_eq!(
            message(compiled.run(&[], &mut [&mut s], 5)),
            "the kernel has 1 inputs, but 0 arrays were given"
        );
        assert!(compiled.run(&[&q], &mut [&mut s], usize::MAX).is_err());
        assert_eq!(compiled.run(&[&[]], &mut [&mut []], 0), Ok(()));
    }

    #[test]
    fn the_unrolling_does_not_change_results() {
        // Everything that crosses from one segment to another: sums, walks long enough to be cut with masks and columns in
        // them, looks along the column, a kernel for each level, cells from one loop in the next.
        let text = "kernel k(q: column 3, a: cell) {
            %0 = input q
            %1 = input a
            %2 = sum %0 weights [1 2 3] levels 1..3
            %3 = lt %0 %1
            %4 = select %3 %2 %0
            %5 = pow %4 %1
            %6 = highest %4
            %7 = exp %0
            %8 = log %7
            %9 = scan starts [%1 %6] captures [%8 %3 %2] result 0 {
                %0 = state 0
                %1 = here 0
                %2 = before 0
                %3 = here 1
                %4 = gt %1 %2
                %5 = sub %1 %0
                %6 = exp %5
                %7 = here 2
                %8 = mul %6 %7
                %9 = abs %8
                %10 = log %9
                %11 = select %4 %10 %5
                %12 = mul %4 %3
                %13 = exp %11
                %14 = select %12 %13 %0
                %15 = log %13
                %16 = state 1
                %17 = add %16 %15
                %18 = exp %17
                %19 = min %18 %7
                %20 = exp %19
                %21 = sub %20 %11
                next [%14 %21]
            }
            %10 = scan reverse starts [%1] captures [%0] active %3 result 0 {
                %0 = state 0
                %1 = here 0
                %2 = add %0 %1
                %3 = exp %2
                next [%3]
            }
            %11 = sum %9
            %12 = interpolate %9 on %0 at %1
            %13 = layer mean %8 on %0 from %1 to %11
            %14 = mul %11 %7
            %15 = each captures [%0 %11] here [%14] active %3 kernel inner(q: column 3, s: cell, h: cell) {
                %0 = input q
                %1 = input s
                %2 = input h
                %3 = sub %0 %2
                %4 = highest %3
                %5 = add %4 %1
                output o = %5
            }
            %16 = sum %10
            %17 = shift %9 by 1
            %18 = mul %17 %16
            output c = %5
            output m = %6
            output walk = %9
            output back = %10
            output found = %12
            output layer = %13
            output each = %15
            output shifted = %18
        }";
        let kernel = parse(text).unwrap().kernels.remove(0);
        let cells = 45;
        let q: Vec<f32> = (0..3 * cells).map(|k| (k * 37 % 50) as f32 / 10.0).collect();
        let a: Vec<f32> = (0..cells).map(|k| (k % 7) as f32 - 1.5).collect();
        let (eight, sixteen) = (Vectors::of_this_machine(8), Vectors::of_this_machine(16));
        let shapes = [
            (1, 1, None),
            (2, 1, None),
            (4, 1, None),
            (1, 16, None),
            (2, 4, None),
            (1, 16, eight),
            (1, 16, sixteen),
        ];
        let results = shapes.map(|(unroll, groups, vectors)| {
            let mut outputs = [3, 1, 3, 3, 1, 1, 3, 3].map(|levels| vec![0.0; levels * cells]);
            let compiled = Compiled::with_shape(&kernel, |_, _| Shape { unroll, groups, vectors }).unwrap();
            let mut slices = outputs.each_mut().map(Vec::as_mut_slice);
            compiled.run(&[&q, &a], &mut slices, cells).unwrap();
            let bits = |number: &f32| if number.is_nan() { u32::MAX } else { number.to_bits() };
            outputs.iter().flatten().map(bits).collect::<Vec<_>>()
        });
        assert!(results.iter().all(|result| *result == results[0]));
    }

    #[test]
    fn compiled_kernels_are_shared_between_threads() {
        fn shared<T: Send + Sync>() {}
        shared::<Compiled>();
    }
}
