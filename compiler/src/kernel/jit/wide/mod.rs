//! Segments on the processor's widest vectors, which Cranelift lacks: eight lanes with AVX2, sixteen with AVX-512.
//!
//! A segment's loop over the groups of a tile is written for vectors of four. If all of it has a counterpart on wider ones, the
//! loop becomes a call of a function that does the same operations in the same order, so that results are the same in every
//! bit, on more cells at once. What the processor has is asked when a kernel is compiled.
//!
//! | file | what it holds |
//! |---|---|
//! | `program`, `read` | what a segment does, and how it is read off Cranelift's instructions |
//! | `registers` | what lies in which register when |
//! | `assembler` | instructions of the processor, and the function around them |

mod assembler;
mod program;
mod read;
mod registers;

use cranelift_codegen::ir::types::I64;
use cranelift_codegen::ir::{AbiParam, Block, InstBuilder, Signature, Value};
use cranelift_frontend::FunctionBuilder;
use cranelift_jit::JITModule;
use cranelift_module::Module as _;

use super::JitError;
use super::emit::{LANE, write};

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

    fn bytes(self) -> usize {
        match self {
            Self::Avx2 => 32,
            Self::Avx512 => 64,
        }
    }
}

/// Makes the functions that segments call.
pub(super) struct Wide<'a> {
    vectors: Vectors,
    module: &'a mut JITModule,
    /// Bytes of machine code so far.
    size: usize,
    error: Option<JitError>,
}

/// A function for a segment.
pub(super) struct Function {
    code: Vec<u8>,
    arguments: Vec<Value>,
    /// Bytes that it works in.
    pub room: usize,
}

impl<'a> Wide<'a> {
    pub fn new(vectors: Vectors, module: &'a mut JITModule) -> Self {
        Self { vectors, module, size: 0, error: None }
    }

    /// The bytes of machine code, if all went well.
    pub fn finish(self) -> Result<usize, JitError> {
        self.error.map_or(Ok(self.size), Err)
    }

    /// A function that does what the block does to so many bytes of cells; what it covers of the block is gone from there. `cells` is
    /// the bytes from the first cells to those of the round. Nothing, and the block as it was, if it cannot be done.
    pub fn function(
        &self,
        builder: &mut FunctionBuilder,
        block: Block,
        cells: Value,
        bytes: usize,
    ) -> Option<Function> {
        let (mut program, covered) = read::read(builder.func, block, cells)?;
        program.simplify();
        let (code, spilt) = registers::write(&program, self.vectors, bytes)?;
        for instruction in covered {
            builder.func.layout.remove_inst(instruction);
        }
        let room = program.arguments.len() * 8 + spilt * self.vectors.bytes();
        Some(Function { code, arguments: program.arguments, room })
    }

    /// Calls it; `room` is the address of what it works in.
    pub fn call(&mut self, builder: &mut FunctionBuilder, function: &Function, room: Value) {
        for (number, argument) in function.arguments.iter().enumerate() {
            // A condition becomes all bits set or none.
            let argument = match builder.func.dfg.value_type(*argument) {
                I64 => *argument,
                _ => builder.ins().bmask(I64, *argument),
            };
            builder.ins().store(write(), argument, room, (number * 8) as i32);
        }
        match self.define(&function.code, builder) {
            Ok(function) => {
                builder.ins().call(function, &[room]);
            }
            Err(error) => self.error = Some(error),
        }
    }

    fn define(
        &mut self,
        code: &[u8],
        builder: &mut FunctionBuilder,
    ) -> Result<cranelift_codegen::ir::FuncRef, JitError> {
        let mut signature = Signature::new(self.module.isa().default_call_conv());
        signature.params = vec![AbiParam::new(I64)];
        let id = self.module.declare_anonymous_function(&signature).map_err(JitError::machine)?;
        self.module.define_function_bytes(id, 64, code, &[]).map_err(JitError::machine)?;
        self.size += code.len();
        Ok(self.module.declare_func_in_func(id, builder.func))
    }
}
