//! Machine code: made, called, freed. The only file with `unsafe`.
//!
//! The invariant that makes it sound: the function that `emit` writes, with those that `wide` makes of its segments in whole vectors,
//! touches, of each input and output
//! `k`, exactly the bytes `[level·stride + start, level·stride + end)` of its levels, and of the tables those of each
//! level, of scratch the rows it says it wants; and [`Code::run`], the only way to call it, has checked that the arrays are that long before it hands
//! their addresses over. Inputs are shared slices and outputs exclusive ones, so none overlaps another; tiles that run at
//! the same time have disjoint cells. The memory is writable until the code is finished and executable
//! after, never both, and is freed when the last user of `Code` is gone.
#![allow(unsafe_code)]

use std::fmt::{self, Debug, Formatter};
use std::sync::Mutex;

use cranelift_codegen::ir::types::I64;
use cranelift_codegen::ir::{AbiParam, Signature};
use cranelift_codegen::settings::{self, Configurable};
use cranelift_frontend::{FunctionBuilder, FunctionBuilderContext};
use cranelift_jit::{JITBuilder, JITModule};
use cranelift_module::{Module as _, default_libcall_names};
use rayon::prelude::*;

use super::emit::{Emitted, LANE, Shape, emit};
use super::schedule::Schedule;
use super::{JitError, RunError};

/// The native function: see `emit` for its parameters.
type Function =
    unsafe extern "C" fn(*const *const f32, *const *mut f32, *const f32, *mut Line, usize, usize, usize);

/// Scratch memory is aligned to lines of the cache.
#[derive(Clone, Copy)]
#[repr(align(64))]
struct Line(#[allow(dead_code, reason = "written by machine code")] [f32; 16]);

/// Cells that one task works on: enough to make its start cheap, a multiple of every group.
const TILE: usize = 4096;
const BYTES: usize = size_of::<f32>();

/// A compiled kernel's machine code with all that is needed to call it safely.
pub(super) struct Code {
    function: Function,
    /// Owns the memory. `None` only while it is being dropped.
    module: Mutex<Option<JITModule>>,
    tables: Vec<f32>,
    /// Bytes of scratch memory for each call that runs at the same time.
    pub scratch: usize,
    /// Levels of each input and output.
    input_levels: Vec<usize>,
    output_levels: Vec<usize>,
    /// Cells in a group: the function works on multiples of it.
    group: usize,
    pub size: usize,
}

impl Debug for Code {
    fn fmt(&self, f: &mut Formatter<'_>) -> fmt::Result {
        f.debug_struct("Code").field("size", &self.size).finish_non_exhaustive()
    }
}

impl Drop for Code {
    fn drop(&mut self) {
        let module = match self.module.get_mut() {
            Ok(module) => module.take(),
            Err(poisoned) => poisoned.into_inner().take(),
        };
        if let Some(module) = module {
            // SAFETY: `function` is private and called only through `&self`, which nobody has any more.
            unsafe { module.free_memory() };
        }
    }
}

impl Code {
    /// Compiles a verified kernel as scheduled.
    pub fn compile(schedule: &Schedule, shape: Shape) -> Result<Self, JitError> {
        let kernel = schedule.kernel;
        let mut module = JITModule::new(machine()?);
        match define(&mut module, schedule, shape) {
            Ok((function, size, Emitted { tables, rows, .. })) => Ok(Self {
                function,
                module: Mutex::new(Some(module)),
                tables,
                scratch: rows * shape.cells() * LANE,
                input_levels: kernel.inputs.iter().map(|input| input.domain.levels()).collect(),
                output_levels: kernel
                    .outputs
                    .iter()
                    .map(|output| schedule.domains[output.value.index()].levels())
                    .collect(),
                group: shape.cells(),
                size,
            }),
            Err(error) => {
                // SAFETY: no function of it has been given out.
                unsafe { module.free_memory() };
                Err(error)
            }
        }
    }

    /// Runs on all cells: whole groups in parallel tiles, the rest in a padded group of its own.
    pub fn run(&self, inputs: &[&[f32]], outputs: &mut [&mut [f32]], cells: usize) -> Result<(), RunError> {
        self.check_inputs(inputs, cells)?;
        self.check_outputs(outputs, cells)?;
        let whole = cells - cells % self.group;
        let arrays = Arrays {
            inputs: inputs.iter().map(|array| array.as_ptr()).collect(),
            outputs: outputs.iter_mut().map(|array| array.as_mut_ptr()).collect(),
        };
        let tile = |scratch: &mut Vec<Line>, start: usize| {
            self.call(&arrays, scratch, cells, start, (start + TILE).min(whole));
        };
        if whole <= TILE {
            tile(&mut self.scratch(), 0);
        } else {
            let tiles = (0..whole.div_ceil(TILE)).into_par_iter();
            tiles.for_each_init(|| self.scratch(), |scratch, number| tile(scratch, number * TILE));
        }
        if whole < cells {
            self.run_rest(inputs, outputs, cells, whole);
        }
        Ok(())
    }

    pub fn output_levels(&self) -> impl Iterator<Item = usize> {
        self.output_levels.iter().copied()
    }

    /// Refuses inputs that do not fit.
    pub fn check_inputs(&self, inputs: &[&[f32]], cells: usize) -> Result<(), RunError> {
        check(&self.input_levels, inputs.iter().map(|array| array.len()), cells, RunError::inputs)
    }

    /// The same for so many inputs, where more will come.
    pub fn check_first_inputs(&self, count: usize, inputs: &[&[f32]], cells: usize) -> Result<(), RunError> {
        let levels = self.input_levels.get(..count).unwrap_or(&self.input_levels);
        check(levels, inputs.iter().map(|array| array.len()), cells, RunError::inputs)
    }

    pub fn check_outputs(&self, outputs: &[&mut [f32]], cells: usize) -> Result<(), RunError> {
        check(&self.output_levels, outputs.iter().map(|array| array.len()), cells, RunError::outputs)
    }

    fn scratch(&self) -> Vec<Line> {
        vec![Line([0.0; 16]); self.scratch.div_ceil(size_of::<Line>())]
    }

    /// The last cells, fewer than a group: copied into arrays of one group, with zeros behind them, and back.
    fn run_rest(&self, inputs: &[&[f32]], outputs: &mut [&mut [f32]], cells: usize, whole: usize) {
        let rest = cells - whole;
        let padded: Vec<Vec<f32>> = inputs
            .iter()
            .map(|array| {
                let mut padded = vec![0.0; array.len() / cells * self.group];
                for (to, from) in padded.chunks_mut(self.group).zip(array.chunks(cells)) {
                    to[..rest].copy_from_slice(&from[whole..]);
                }
                padded
            })
            .collect();
        let mut results: Vec<Vec<f32>> =
            self.output_levels.iter().map(|levels| vec![0.0; levels * self.group]).collect();
        let arrays = Arrays {
            inputs: padded.iter().map(|array| array.as_ptr()).collect(),
            outputs: results.iter_mut().map(|array| array.as_mut_ptr()).collect(),
        };
        self.call(&arrays, &mut self.scratch(), self.group, 0, self.group);
        for (output, result) in outputs.iter_mut().zip(&results) {
            for (to, from) in output.chunks_mut(cells).zip(result.chunks(self.group)) {
                to[whole..].copy_from_slice(&from[..rest]);
            }
        }
    }

    /// Cells `start..end` of arrays with `cells` cells on each level; the caller has checked that they are that long.
    fn call(&self, arrays: &Arrays, scratch: &mut [Line], cells: usize, start: usize, end: usize) {
        debug_assert!(start <= end && end <= cells && (end - start).is_multiple_of(self.group));
        // SAFETY: `arrays` holds one pointer for each input and output, each to at least levels × cells numbers (`run`
        // and `run_rest` see to it), exclusive for outputs and for these cells; `tables` is the one it was compiled with,
        // and `scratch`, exclusive, has as many bytes as it wants.
        unsafe {
            (self.function)(
                arrays.inputs.as_ptr(),
                arrays.outputs.as_ptr(),
                self.tables.as_ptr(),
                scratch.as_mut_ptr(),
                cells * BYTES,
                start * BYTES,
                end * BYTES,
            );
        }
    }
}

/// The arrays' addresses, one for each input and output.
struct Arrays {
    inputs: Vec<*const f32>,
    outputs: Vec<*mut f32>,
}

// SAFETY: tiles share these addresses, but write to disjoint cells through them.
unsafe impl Sync for Arrays {}

fn check(
    levels: &[usize],
    lengths: impl ExactSizeIterator<Item = usize>,
    cells: usize,
    error: fn(Option<usize>, usize, usize) -> RunError,
) -> Result<(), RunError> {
    if lengths.len() != levels.len() {
        return Err(error(None, levels.len(), lengths.len()));
    }
    for (position, (levels, found)) in levels.iter().zip(lengths).enumerate() {
        // A product too large for memory equals no length.
        if levels.checked_mul(cells) != Some(found) {
            return Err(error(Some(position), levels.saturating_mul(cells), found));
        }
    }
    Ok(())
}

/// This machine, with the settings that kernels want.
fn machine() -> Result<JITBuilder, JitError> {
    let mut flags = settings::builder();
    // Cranelift's own optimiser keeps constants in registers over the whole loop and spills them.
    let wanted = [("opt_level", "none"), ("is_pic", "false"), ("use_colocated_libcalls", "false")];
    for (flag, value) in wanted {
        flags.set(flag, value).map_err(JitError::machine)?;
    }
    let native = cranelift_native::builder().map_err(JitError::machine)?;
    let isa = native.finish(settings::Flags::new(flags)).map_err(JitError::machine)?;
    if isa.pointer_type() != I64 {
        return Err(JitError::machine("kernels need a 64-bit machine"));
    }
    let mut builder = JITBuilder::with_isa(isa, default_libcall_names());
    // Called, lane by lane, only on machines without a fused multiply-add.
    builder.symbol("fmaf", fused_single as *const u8);
    builder.symbol("fma", fused_double as *const u8);
    Ok(builder)
}

extern "C" fn fused_single(x: f32, y: f32, z: f32) -> f32 {
    x.mul_add(y, z)
}

extern "C" fn fused_double(x: f64, y: f64, z: f64) -> f64 {
    x.mul_add(y, z)
}

/// Emits and finishes the function; gives it with the bytes of its code.
fn define(
    module: &mut JITModule,
    schedule: &Schedule,
    shape: Shape,
) -> Result<(Function, usize, Emitted), JitError> {
    let mut context = module.make_context();
    let mut signature = Signature::new(module.isa().default_call_conv());
    signature.params = vec![AbiParam::new(I64); 7];
    context.func.signature = signature;
    let mut scratch = FunctionBuilderContext::new();
    let mut builder = FunctionBuilder::new(&mut context.func, &mut scratch);
    let entry = builder.create_block();
    builder.append_block_params_for_function_params(entry);
    builder.switch_to_block(entry);
    let parameters = builder.block_params(entry).to_vec();
    let emitted = emit(&mut builder, &parameters, schedule, shape, module)?;
    builder.seal_all_blocks();
    builder.finalize(module.target_config());

    let id = module.declare_anonymous_function(&context.func.signature).map_err(JitError::machine)?;
    module.define_function(id, &mut context).map_err(|error| JitError::machine(format!("{error:?}")))?;
    let size = emitted.wide_bytes + context.compiled_code().map_or(0, |code| code.code_buffer().len());
    module.clear_context(&mut context);
    module.finalize_definitions().map_err(JitError::machine)?;
    let address = module.get_finalized_function(id);
    // SAFETY: the function was compiled with this signature and the default calling convention, and it lives as
    // long as the module, which `Code` keeps.
    Ok((unsafe { std::mem::transmute::<*const u8, Function>(address) }, size, emitted))
}
