//! The function around loops.
//!
//! It has one parameter, the address of its room: first the arguments of its [`Program`](super::program::Program)s, 8 bytes each, then what
//! does not fit the registers. Its constants lie behind it, each in all lanes.

use iced_x86::{Code, Encoder, IcedError, Instruction, Register};

use super::assembler::{Assembler, CELLS, CONSTANTS, HOLDERS, SAVED};

impl Assembler {
    /// The function that does what has been written, for each vector of so many bytes of cells.
    pub fn finish(self, bytes: usize) -> Result<Vec<u8>, String> {
        if let Some(error) = self.error {
            return Err(error);
        }
        self.encoded(bytes).map_err(|error| error.to_string())
    }

    fn encoded(&self, bytes: usize) -> Result<Vec<u8>, IcedError> {
        let (all, at) = self.around(bytes)?;
        // Where constants lie depends on the length, and that on nothing.
        let (_, length) = encode(&all, &at, 0)?;
        let constants = length.next_multiple_of(64);
        let (mut code, _) = encode(&all, &at, constants as i64)?;
        code.resize(constants, 0);
        for constant in &self.constants {
            code.extend(constant.to_le_bytes().repeat(self.vectors.bytes() / 4));
        }
        Ok(code)
    }

    /// The loops with what begins and ends them and the function, and where in that the branches are with what they go back to.
    fn around(&self, bytes: usize) -> Result<(Vec<Instruction>, Vec<Branch>), IcedError> {
        let callers = &SAVED[..self.arguments.saturating_sub(HOLDERS.len()).min(SAVED.len())];
        let mut all = Vec::with_capacity(self.instructions.len() + 4 * self.loops.len() + 30);
        for register in callers {
            all.push(Instruction::with1(Code::Push_r64, *register)?);
        }
        for (number, register) in HOLDERS.iter().chain(callers).take(self.arguments).enumerate() {
            all.push(Instruction::with2(Code::Mov_r64_rm64, *register, self.argument(number))?);
        }
        let step = i32::try_from(self.vectors.bytes()).unwrap_or(0);
        let end = i32::try_from(bytes).unwrap_or(0);
        let mut branches = Vec::new();
        let ends = self.loops.iter().skip(1).copied().chain([self.instructions.len()]);
        for (from, to) in self.loops.iter().zip(ends) {
            all.push(Instruction::with2(Code::Xor_r32_rm32, Register::ECX, Register::ECX)?);
            let start = all.len();
            all.extend(&self.instructions[*from..to]);
            all.push(Instruction::with2(Code::Add_rm64_imm32, CELLS, step)?);
            all.push(Instruction::with2(Code::Cmp_rm64_imm32, CELLS, end)?);
            branches.push(Branch { at: all.len(), to: start });
            all.push(Instruction::with_branch(Code::Jb_rel32_64, 0)?);
        }
        all.push(Instruction::with(Code::VEX_Vzeroupper));
        for register in callers.iter().rev() {
            all.push(Instruction::with1(Code::Pop_r64, *register)?);
        }
        all.push(Instruction::with(Code::Retnq));
        Ok((all, branches))
    }
}

/// A branch back, by the numbers of instructions.
struct Branch {
    at: usize,
    to: usize,
}

/// The bytes of all instructions and how many they are, with the constants there.
fn encode(all: &[Instruction], branches: &[Branch], constants: i64) -> Result<(Vec<u8>, usize), IcedError> {
    let mut encoder = Encoder::new(64);
    let mut places = Vec::with_capacity(all.len());
    let mut branches = branches.iter().peekable();
    let mut at = 0_u64;
    for (number, instruction) in all.iter().enumerate() {
        places.push(at);
        let mut instruction = *instruction;
        if instruction.memory_base() == Register::RIP {
            let place = instruction.memory_displacement64() as i64 - CONSTANTS + constants;
            instruction.set_memory_displacement64(place as u64);
        }
        if let Some(branch) = branches.next_if(|branch| branch.at == number) {
            instruction.set_near_branch64(places[branch.to]);
        }
        at += encoder.encode(&instruction, at)? as u64;
    }
    Ok((encoder.take_buffer(), at as usize))
}
