//! Segments on the processor's widest vectors, which Cranelift lacks: eight lanes with AVX2, sixteen with AVX-512.
//!
//! A segment's loop over the groups of a tile is written for vectors of four. If all of it has a counterpart on wider ones, the
//! loop becomes a loop of a function that does the same operations in the same order, so that results are the same in every
//! bit, on more cells at once. What the processor has is asked when a kernel is compiled.
//!
//! | file | what it holds |
//! |---|---|
//! | `program`, `read` | what a segment does, and how it is read off Cranelift's instructions |
//! | `registers` | what lies in which register when |
//! | `assembler`, `function` | instructions of the processor, and the function around them |

mod assembler;
mod function;
mod program;
mod read;
mod registers;

use cranelift_codegen::cursor::{Cursor, FuncCursor};
use cranelift_codegen::ir::types::I64;
use cranelift_codegen::ir::{AbiParam, Block, Inst, InstBuilder, Signature, Value};
use cranelift_frontend::FunctionBuilder;
use cranelift_jit::JITModule;
use cranelift_module::Module as _;

use self::program::{Program, drop_unloaded};
use self::read::Arguments;
use super::JitError;
use super::emit::{LANE, scratch as scratch_flags};

/// Vectors wider than four lanes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Vectors {
    /// Eight lanes, sixteen registers.
    Avx2,
    /// Sixteen lanes, 32 registers.
    Avx512,
}

impl Vectors {
    /// The widest of this machine with so many lanes at most.
    pub fn of_this_machine(lanes: usize) -> Option<Self> {
        // Elsewhere functions are called in another way than the assembler expects.
        #[cfg(all(target_arch = "x86_64", unix))]
        {
            use std::arch::is_x86_feature_detected as has;
            if lanes >= 16 && has!("avx512f") && has!("avx512dq") {
                return Some(Self::Avx512);
            }
            if lanes >= 8 && has!("avx2") && has!("fma") {
                return Some(Self::Avx2);
            }
        }
        let _ = lanes;
        None
    }

    pub fn lanes(self) -> usize {
        self.bytes() / LANE
    }

    pub fn bytes(self) -> usize {
        match self {
            Self::Avx2 => 32,
            Self::Avx512 => 64,
        }
    }
}

/// Makes the functions that segments become. Segments that come one after the other, with nothing between them, are one function of
/// several loops.
pub(super) struct Wide<'a> {
    vectors: Vectors,
    module: &'a mut JITModule,
    /// Segments that have no function yet.
    segments: Vec<Program>,
    arguments: Arguments,
    /// Where they are to be called: before this instruction.
    place: Option<Inst>,
    /// Bytes of machine code so far.
    size: usize,
}

/// A function for segments.
pub(super) struct Function {
    code: Vec<u8>,
    arguments: Vec<Value>,
    place: Inst,
    /// Bytes that it works in.
    pub room: usize,
}

impl<'a> Wide<'a> {
    pub fn new(vectors: Vectors, module: &'a mut JITModule) -> Self {
        Self { vectors, module, segments: Vec::new(), arguments: Arguments::default(), place: None, size: 0 }
    }

    /// The bytes of machine code.
    pub fn size(&self) -> usize {
        self.size
    }

    /// Takes over what the block does to vectors, if all of it has a counterpart: what is left there are addresses. `cells` is the bytes
    /// from the first cells to those of the round.
    pub fn take(&mut self, builder: &mut FunctionBuilder, block: Block, cells: Value) -> bool {
        let known = self.arguments.values.len();
        let Some((mut program, covered)) = read::read(builder.func, block, cells, &mut self.arguments) else {
            self.arguments.forget(known);
            return false;
        };
        program.simplify();
        for instruction in covered {
            builder.func.layout.remove_inst(instruction);
        }
        self.segments.push(program);
        true
    }

    /// What has been taken over is to be done before this instruction.
    pub fn call_before(&mut self, place: Inst) {
        self.place = Some(place);
    }

    /// A function that does what has been taken over to so many bytes of cells, which may be the last of a level.
    pub fn function(&mut self, bytes: usize, is_last: bool) -> Result<Option<Function>, JitError> {
        let mut segments = std::mem::take(&mut self.segments);
        if is_last {
            drop_unloaded(&mut segments);
        }
        let arguments = std::mem::take(&mut self.arguments);
        let Some(place) = self.place.take().filter(|_| !segments.is_empty()) else { return Ok(None) };
        let (code, aside) = registers::write(&segments, arguments.values.len(), self.vectors, bytes)
            .map_err(JitError::machine)?;
        let room = arguments.values.len() * 8 + aside * self.vectors.bytes();
        Ok(Some(Function { code, arguments: arguments.values, place, room }))
    }

    /// Calls it at its place. It works in scratch, from that byte on.
    pub fn call(
        &mut self,
        builder: &mut FunctionBuilder,
        function: &Function,
        scratch: Value,
        from: usize,
    ) -> Result<(), JitError> {
        let mut signature = Signature::new(self.module.isa().default_call_conv());
        signature.params = vec![AbiParam::new(I64)];
        let id = self.module.declare_anonymous_function(&signature).map_err(JitError::machine)?;
        self.module.define_function_bytes(id, 64, &function.code, &[]).map_err(JitError::machine)?;
        self.size += function.code.len();
        let callee = self.module.declare_func_in_func(id, builder.func);
        // Each function has pages of its own, which may be further away than a near call reaches.
        builder.func.dfg.ext_funcs[callee].colocated = false;

        let mut cursor = FuncCursor::new(builder.func).at_inst(function.place);
        let flags = scratch_flags();
        let room = cursor.ins().iadd_imm_s(scratch, from as i64);
        for (number, argument) in function.arguments.iter().enumerate() {
            // A condition becomes all bits set or none.
            let argument = match cursor.func.dfg.value_type(*argument) {
                I64 => *argument,
                _ => cursor.ins().bmask(I64, *argument),
            };
            cursor.ins().store(flags, argument, room, (number * 8) as i32);
        }
        cursor.ins().call(callee, &[room]);
        Ok(())
    }
}
