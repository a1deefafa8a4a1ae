//! Instructions of x86-64 processors on vectors of eight and of sixteen lanes.

use std::collections::HashMap;

use iced_x86::{Code, IcedError, Instruction, MemoryOperand, Register};

use super::Vectors;
use super::program::{Binary, Shift};

/// Where constants seem to lie until it is known where they do.
pub(super) const CONSTANTS: i64 = 1 << 24;
/// The room.
const ROOM: Register = Register::RDI;
/// The bytes from the first cells to those of the round.
pub(super) const CELLS: Register = Register::RCX;
/// Holds an argument that has no register of its own.
const SPARE: Register = Register::R11;
/// Those that hold arguments; the later ones are saved, for they are the caller's.
pub(super) const HOLDERS: [Register; 6] =
    [Register::RAX, Register::RDX, Register::RSI, Register::R8, Register::R9, Register::R10];
pub(super) const SAVED: [Register; 6] =
    [Register::RBX, Register::RBP, Register::R12, Register::R13, Register::R14, Register::R15];

pub(super) struct Assembler {
    pub vectors: Vectors,
    pub arguments: usize,
    pub instructions: Vec<Instruction>,
    /// Where loops begin.
    pub loops: Vec<usize>,
    pub constants: Vec<u32>,
    known: HashMap<u32, usize>,
    /// Why it cannot be written.
    pub error: Option<String>,
}

/// The last operand of an instruction.
#[derive(Clone, Copy, Debug)]
pub(super) enum Source {
    Register(u8),
    Memory(MemoryOperand),
}

impl Assembler {
    pub fn new(vectors: Vectors, arguments: usize) -> Self {
        Self {
            vectors,
            arguments,
            instructions: Vec::new(),
            loops: Vec::new(),
            constants: Vec::new(),
            known: HashMap::new(),
            error: None,
        }
    }

    /// Begins the next loop.
    pub fn begin(&mut self) {
        self.loops.push(self.instructions.len());
    }

    /// There is no way to write it.
    pub fn refuse(&mut self, why: &str) {
        self.error = Some(why.into());
    }

    /// How many registers there are for numbers; with AVX2 one more is this file's.
    pub fn registers(vectors: Vectors) -> u8 {
        match vectors {
            Vectors::Avx2 => 15,
            Vectors::Avx512 => 32,
        }
    }

    fn vector(&self, number: u8) -> Register {
        let first = match self.vectors {
            Vectors::Avx2 => Register::YMM0,
            Vectors::Avx512 => Register::ZMM0,
        };
        first + u32::from(number)
    }

    fn code(&self, avx2: Code, avx512: Code) -> Code {
        match self.vectors {
            Vectors::Avx2 => avx2,
            Vectors::Avx512 => avx512,
        }
    }

    fn push(&mut self, instruction: Result<Instruction, IcedError>) {
        match instruction {
            Ok(instruction) => self.instructions.push(instruction),
            Err(error) => self.error = Some(error.to_string()),
        }
    }

    fn two(&mut self, code: Code, to: Register, from: Source) {
        let instruction = match from {
            Source::Register(from) => Instruction::with2(code, to, self.vector(from)),
            Source::Memory(memory) => Instruction::with2(code, to, memory),
        };
        self.push(instruction);
    }

    fn three(&mut self, code: Code, to: Register, first: Register, second: Source) {
        let instruction = match second {
            Source::Register(second) => Instruction::with3(code, to, first, self.vector(second)),
            Source::Memory(memory) => Instruction::with3(code, to, first, memory),
        };
        self.push(instruction);
    }

    // ---- where numbers lie ----

    /// A constant in all lanes.
    pub fn constant(&mut self, bits: u32) -> MemoryOperand {
        let next = self.constants.len();
        let number = *self.known.entry(bits).or_insert(next);
        if number == next {
            self.constants.push(bits);
        }
        let at = CONSTANTS + (number * self.vectors.bytes()) as i64;
        MemoryOperand::with_base_displ(Register::RIP, at)
    }

    /// What has been put aside.
    pub fn aside(&self, slot: usize) -> MemoryOperand {
        let at = self.arguments * 8 + slot * self.vectors.bytes();
        MemoryOperand::with_base_displ(ROOM, at as i64)
    }

    pub fn argument(&self, argument: usize) -> MemoryOperand {
        MemoryOperand::with_base_displ(ROOM, (argument * 8) as i64)
    }

    /// From the address in an argument on: at the cells, or at a fixed place.
    pub fn at(&mut self, argument: usize, offset: i32, cells: bool) -> MemoryOperand {
        let own = HOLDERS.iter().chain(&SAVED).nth(argument).copied();
        let base = own.unwrap_or_else(|| {
            let place = self.argument(argument);
            self.push(Instruction::with2(Code::Mov_r64_rm64, SPARE, place));
            SPARE
        });
        let index = if cells { CELLS } else { Register::None };
        MemoryOperand::with_base_index_scale_displ_size(base, index, 1, i64::from(offset), 1)
    }

    // ---- what is done to them ----

    pub fn load(&mut self, to: u8, from: MemoryOperand) {
        let code = self.code(Code::VEX_Vmovups_ymm_ymmm256, Code::EVEX_Vmovups_zmm_k1z_zmmm512);
        self.two(code, self.vector(to), Source::Memory(from));
    }

    /// Asks for what lies so many bytes behind: the cells of the next tile, of which the processor would not think by itself, since
    /// those of the next level come between. Beyond the end of memory nothing happens.
    pub fn fetch_ahead(&mut self, from: MemoryOperand, bytes: usize, to_write: bool) {
        let behind = MemoryOperand { displacement: from.displacement + bytes as i64, ..from };
        let code = if to_write { Code::Prefetchw_m8 } else { Code::Prefetcht1_m8 };
        self.push(Instruction::with1(code, behind));
    }

    pub fn store(&mut self, to: MemoryOperand, from: u8) {
        let code = self.code(Code::VEX_Vmovups_ymmm256_ymm, Code::EVEX_Vmovups_zmmm512_k1z_zmm);
        self.push(Instruction::with2(code, to, self.vector(from)));
    }

    pub fn splat(&mut self, to: u8, from: MemoryOperand) {
        let code = self.code(Code::VEX_Vbroadcastss_ymm_m32, Code::EVEX_Vbroadcastss_zmm_k1z_xmmm32);
        self.two(code, self.vector(to), Source::Memory(from));
    }

    pub fn copy(&mut self, to: u8, from: u8) {
        let code = self.code(Code::VEX_Vmovaps_ymm_ymmm256, Code::EVEX_Vmovaps_zmm_k1z_zmmm512);
        self.two(code, self.vector(to), Source::Register(from));
    }

    pub fn sqrt(&mut self, to: u8, from: Source) {
        let code = self.code(Code::VEX_Vsqrtps_ymm_ymmm256, Code::EVEX_Vsqrtps_zmm_k1z_zmmm512b32_er);
        self.two(code, self.vector(to), from);
    }

    pub fn float(&mut self, to: u8, from: Source) {
        let code = self.code(Code::VEX_Vcvtdq2ps_ymm_ymmm256, Code::EVEX_Vcvtdq2ps_zmm_k1z_zmmm512b32_er);
        self.two(code, self.vector(to), from);
    }

    pub fn shift(&mut self, shift: Shift, to: u8, from: u8, by: u8) {
        let code = match shift {
            Shift::Left => {
                self.code(Code::VEX_Vpslld_ymm_ymm_imm8, Code::EVEX_Vpslld_zmm_k1z_zmmm512b32_imm8)
            }
            Shift::Right => {
                self.code(Code::VEX_Vpsrad_ymm_ymm_imm8, Code::EVEX_Vpsrad_zmm_k1z_zmmm512b32_imm8)
            }
            Shift::RightUnsigned => {
                self.code(Code::VEX_Vpsrld_ymm_ymm_imm8, Code::EVEX_Vpsrld_zmm_k1z_zmmm512b32_imm8)
            }
        };
        self.push(Instruction::with3(code, self.vector(to), self.vector(from), u32::from(by)));
    }

    pub fn binary(&mut self, binary: Binary, to: u8, first: u8, second: Source) {
        use Code as C;
        let (avx2, avx512) = match binary {
            Binary::Add => (C::VEX_Vaddps_ymm_ymm_ymmm256, C::EVEX_Vaddps_zmm_k1z_zmm_zmmm512b32_er),
            Binary::Sub => (C::VEX_Vsubps_ymm_ymm_ymmm256, C::EVEX_Vsubps_zmm_k1z_zmm_zmmm512b32_er),
            Binary::Mul => (C::VEX_Vmulps_ymm_ymm_ymmm256, C::EVEX_Vmulps_zmm_k1z_zmm_zmmm512b32_er),
            Binary::Div => (C::VEX_Vdivps_ymm_ymm_ymmm256, C::EVEX_Vdivps_zmm_k1z_zmm_zmmm512b32_er),
            Binary::Min => (C::VEX_Vminps_ymm_ymm_ymmm256, C::EVEX_Vminps_zmm_k1z_zmm_zmmm512b32_sae),
            Binary::Max => (C::VEX_Vmaxps_ymm_ymm_ymmm256, C::EVEX_Vmaxps_zmm_k1z_zmm_zmmm512b32_sae),
            Binary::And => (C::VEX_Vpand_ymm_ymm_ymmm256, C::EVEX_Vpandd_zmm_k1z_zmm_zmmm512b32),
            Binary::AndNot => (C::VEX_Vpandn_ymm_ymm_ymmm256, C::EVEX_Vpandnd_zmm_k1z_zmm_zmmm512b32),
            Binary::Or => (C::VEX_Vpor_ymm_ymm_ymmm256, C::EVEX_Vpord_zmm_k1z_zmm_zmmm512b32),
            Binary::Xor => (C::VEX_Vpxor_ymm_ymm_ymmm256, C::EVEX_Vpxord_zmm_k1z_zmm_zmmm512b32),
            Binary::AddIntegers => (C::VEX_Vpaddd_ymm_ymm_ymmm256, C::EVEX_Vpaddd_zmm_k1z_zmm_zmmm512b32),
            Binary::SubIntegers => (C::VEX_Vpsubd_ymm_ymm_ymmm256, C::EVEX_Vpsubd_zmm_k1z_zmm_zmmm512b32),
        };
        self.three(self.code(avx2, avx512), self.vector(to), self.vector(first), second);
    }

    /// `to` times `second` and `third`.
    pub fn multiply_add_132(&mut self, to: u8, third: u8, second: Source) {
        let code = self
            .code(Code::VEX_Vfmadd132ps_ymm_ymm_ymmm256, Code::EVEX_Vfmadd132ps_zmm_k1z_zmm_zmmm512b32_er);
        self.three(code, self.vector(to), self.vector(third), second);
    }

    /// `to` times `second` and `third`.
    pub fn multiply_add_213(&mut self, to: u8, second: u8, third: Source) {
        let code = self
            .code(Code::VEX_Vfmadd213ps_ymm_ymm_ymmm256, Code::EVEX_Vfmadd213ps_zmm_k1z_zmm_zmmm512b32_er);
        self.three(code, self.vector(to), self.vector(second), third);
    }

    /// `first` times `second` and `to`.
    pub fn multiply_add_231(&mut self, to: u8, first: u8, second: Source) {
        let code = self
            .code(Code::VEX_Vfmadd231ps_ymm_ymm_ymmm256, Code::EVEX_Vfmadd231ps_zmm_k1z_zmm_zmmm512b32_er);
        self.three(code, self.vector(to), self.vector(first), second);
    }

    fn compare_into(&mut self, code: Code, to: Register, predicate: u8, first: u8, second: Source) {
        let (first, predicate) = (self.vector(first), u32::from(predicate));
        let instruction = match second {
            Source::Register(second) => Instruction::with4(code, to, first, self.vector(second), predicate),
            Source::Memory(memory) => Instruction::with4(code, to, first, memory, predicate),
        };
        self.push(instruction);
    }

    /// All bits set where it holds.
    pub fn compare(&mut self, predicate: u8, to: u8, first: u8, second: Source) {
        match self.vectors {
            Vectors::Avx2 => {
                let to = self.vector(to);
                self.compare_into(Code::VEX_Vcmpps_ymm_ymm_ymmm256_imm8, to, predicate, first, second);
            }
            Vectors::Avx512 => {
                self.compare_mask(predicate, first, second);
                self.push(Instruction::with2(Code::EVEX_Vpmovm2d_zmm_kr, self.vector(to), Register::K1));
            }
        }
    }

    fn compare_mask(&mut self, predicate: u8, first: u8, second: Source) {
        let code = Code::EVEX_Vcmpps_kr_k1_zmm_zmmm512b32_imm8_sae;
        self.compare_into(code, Register::K1, predicate, first, second);
    }

    /// The register that is this file's: with AVX2 the last.
    fn spare_vector(&self) -> u8 {
        Self::registers(Vectors::Avx2)
    }

    /// Bit by bit `x` where `to` has one set, else `y`.
    pub fn select(&mut self, to: u8, x: u8, y: Source) {
        match self.vectors {
            Vectors::Avx2 => {
                // x and mask, or y and not mask.
                let spare = self.spare_vector();
                self.binary(Binary::And, spare, x, Source::Register(to));
                self.binary(Binary::AndNot, to, to, y);
                self.binary(Binary::Or, to, to, Source::Register(spare));
            }
            Vectors::Avx512 => {
                let code = Code::EVEX_Vpternlogd_zmm_k1z_zmm_zmmm512b32_imm8;
                let (to, x, table) = (self.vector(to), self.vector(x), 0xca_u32);
                let instruction = match y {
                    Source::Register(y) => Instruction::with4(code, to, x, self.vector(y), table),
                    Source::Memory(y) => Instruction::with4(code, to, x, y, table),
                };
                self.push(instruction);
            }
        }
    }

    /// `x` where the comparison holds, else `y`.
    pub fn select_if(&mut self, predicate: u8, [a, b]: [u8; 2], to: u8, x: Source, y: u8) {
        match self.vectors {
            Vectors::Avx2 => {
                let spare = self.spare_vector();
                self.compare(predicate, spare, a, Source::Register(b));
                let code = Code::VEX_Vblendvps_ymm_ymm_ymmm256_ymm;
                let (to, y, spare) = (self.vector(to), self.vector(y), self.vector(spare));
                let instruction = match x {
                    Source::Register(x) => Instruction::with4(code, to, y, self.vector(x), spare),
                    Source::Memory(x) => Instruction::with4(code, to, y, x, spare),
                };
                self.push(instruction);
            }
            Vectors::Avx512 => {
                self.compare_mask(predicate, a, Source::Register(b));
                let code = Code::EVEX_Vblendmps_zmm_k1z_zmm_zmmm512b32;
                self.three(code, self.vector(to), self.vector(y), x);
                self.mask_last();
            }
        }
    }

    /// All bits of `to` set where the comparison holds.
    pub fn set_if(&mut self, predicate: u8, a: u8, b: Source, to: u8) {
        match self.vectors {
            Vectors::Avx2 => {
                let spare = self.spare_vector();
                self.compare(predicate, spare, a, b);
                self.binary(Binary::Or, to, to, Source::Register(spare));
            }
            Vectors::Avx512 => {
                self.compare_mask(predicate, a, b);
                let (code, to) = (Code::EVEX_Vpternlogd_zmm_k1z_zmm_zmmm512b32_imm8, self.vector(to));
                self.push(Instruction::with4(code, to, to, to, 0xff_u32));
                self.mask_last();
            }
        }
    }

    fn mask_last(&mut self) {
        if let Some(last) = self.instructions.last_mut() {
            last.set_op_mask(Register::K1);
        }
    }
}
