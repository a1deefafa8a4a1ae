//! The text form of kernels (`.kir`): what artefacts keep, snapshots show and test cases are written in.
//!
//! ```text
//! kernel NAME(INPUT: cell, INPUT: column 13) {   # a comment
//!   %0 = input NAME
//!   %1 = constant 0.5
//!   %2 = levels [1000.0 925.0 850.0]
//!   %3 = exp %0                                  # neg abs sqrt exp log
//!   %4 = mul %0 %1                               # add sub mul div min max pow, lt le gt ge eq
//!   %5 = select %3 %0 %1
//!   %6 = sum %2 weights [0.2 0.3 0.5] levels 0..2   # sum lowest highest; both clauses may be absent
//!   %7 = shift %2 by -1
//!   %8 = interpolate %2 on %5 at %1
//!   %9 = layer mean %2 on %5 from %0 to %1       # layer integral, mean, highest, lowest
//!   %10 = difference %2 x                        # x, y
//!   %11 = scan reverse starts [%0 %1] captures [%2 %5 %0] active %4 result 0 {   # reverse, active may be absent
//!     %0 = state 0
//!     %1 = here 2
//!     %2 = before 2
//!     %3 = add %0 %1
//!     next [%3 %2]
//!   }
//!   %12 = concat [%0 %2]
//!   %13 = slice %12 levels 1..3
//!   %14 = each captures [%2] here [%5 %2] active %4 kernel BODY(whole: column 3, a: cell, b: cell) {   # active may be absent
//!     %0 = input a
//!     output value = %0
//!   }
//!   output NAME = %6
//! }
//! ```
//!
//! One instruction a line; values are numbered from 0 in order, in every body anew. Printing and parsing again gives the same module,
//! bit for bit in every number (all NaN being one). The parser judges the form only; what it reads may
//! still fail [`verify`](super::verify::verify).

use std::fmt::{self, Display, Formatter};

use super::ir::{
    Axis, Binary, Body, Compare, Domain, Instruction, Kernel, LayerOp, Module, Reduce, Unary, Value,
};
pub use super::parse::{TextError, parse};

/// The word for each function; printer and parser read the same tables.
pub(super) const UNARY: [(Unary, &str); 7] = [
    (Unary::Neg, "neg"),
    (Unary::Abs, "abs"),
    (Unary::Sqrt, "sqrt"),
    (Unary::Exp, "exp"),
    (Unary::Log, "log"),
    (Unary::Sin, "sin"),
    (Unary::Cos, "cos"),
];
pub(super) const BINARY: [(Binary, &str); 8] = [
    (Binary::Add, "add"),
    (Binary::Sub, "sub"),
    (Binary::Mul, "mul"),
    (Binary::Div, "div"),
    (Binary::Min, "min"),
    (Binary::Max, "max"),
    (Binary::Pow, "pow"),
    (Binary::Atan2, "atan2"),
];
pub(super) const COMPARE: [(Compare, &str); 5] =
    [(Compare::Lt, "lt"), (Compare::Le, "le"), (Compare::Gt, "gt"), (Compare::Ge, "ge"), (Compare::Eq, "eq")];
pub(super) const REDUCE: [(Reduce, &str); 3] =
    [(Reduce::Sum, "sum"), (Reduce::Min, "lowest"), (Reduce::Max, "highest")];
pub(super) const LAYER: [(LayerOp, &str); 4] = [
    (LayerOp::Integral, "integral"),
    (LayerOp::Mean, "mean"),
    (LayerOp::Max, "highest"),
    (LayerOp::Min, "lowest"),
];
pub(super) const AXIS: [(Axis, &str); 2] = [(Axis::X, "x"), (Axis::Y, "y")];

/// The instruction's word.
pub(super) fn name_of(instruction: &Instruction) -> &'static str {
    match instruction {
        Instruction::Input(_) => "input",
        Instruction::Constant(_) => "constant",
        Instruction::Levels(_) => "levels",
        Instruction::Unary { op, .. } => word(&UNARY, *op),
        Instruction::Binary { op, .. } => word(&BINARY, *op),
        Instruction::Compare { op, .. } => word(&COMPARE, *op),
        Instruction::Select { .. } => "select",
        Instruction::Reduce { op, .. } => word(&REDUCE, *op),
        Instruction::Shift { .. } => "shift",
        Instruction::Interpolate { .. } => "interpolate",
        Instruction::Layer { .. } => "layer",
        Instruction::Difference { .. } => "difference",
        Instruction::Concat { .. } => "concat",
        Instruction::Slice { .. } => "slice",
        Instruction::Each { .. } => "each",
        Instruction::Scan { .. } => "scan",
        Instruction::State(_) => "state",
        Instruction::Here(_) => "here",
        Instruction::Before(_) => "before",
    }
}

impl Display for Module {
    fn fmt(&self, f: &mut Formatter<'_>) -> fmt::Result {
        for (number, kernel) in self.kernels.iter().enumerate() {
            if number > 0 {
                writeln!(f)?;
            }
            write!(f, "{kernel}")?;
        }
        Ok(())
    }
}

impl Display for Kernel {
    fn fmt(&self, f: &mut Formatter<'_>) -> fmt::Result {
        write_kernel(f, self, 0)?;
        writeln!(f)
    }
}

/// A kernel whose lines are indented by so many steps, without the end of its last line.
fn write_kernel(f: &mut Formatter<'_>, kernel: &Kernel, depth: usize) -> fmt::Result {
    let indent = "  ".repeat(depth);
    write!(f, "kernel {}(", kernel.name)?;
    for (number, input) in kernel.inputs.iter().enumerate() {
        let comma = if number > 0 { ", " } else { "" };
        write!(f, "{comma}{}: {}", input.name, input.domain)?;
    }
    writeln!(f, ") {{")?;
    for (position, instruction) in kernel.instructions.iter().enumerate() {
        write!(f, "{indent}  %{position} = ")?;
        match instruction {
            // Only a module that fails to verify gets here; it would not be read back anyway.
            Instruction::Each { .. } if depth > 0 => write!(f, "each")?,
            other => write_instruction(f, kernel, other, depth)?,
        }
        writeln!(f)?;
    }
    for output in &kernel.outputs {
        writeln!(f, "{indent}  output {} = {}", output.name, output.value)?;
    }
    write!(f, "{indent}}}")
}

impl Display for Domain {
    fn fmt(&self, f: &mut Formatter<'_>) -> fmt::Result {
        match self {
            Self::Cell => write!(f, "cell"),
            Self::Column(levels) => write!(f, "column {levels}"),
        }
    }
}

impl Display for Value {
    fn fmt(&self, f: &mut Formatter<'_>) -> fmt::Result {
        write!(f, "%{}", self.index())
    }
}

fn write_instruction(
    f: &mut Formatter<'_>,
    kernel: &Kernel,
    instruction: &Instruction,
    depth: usize,
) -> fmt::Result {
    let name = name_of(instruction);
    match instruction {
        Instruction::Input(input) => match kernel.inputs.get(*input) {
            Some(input) => write!(f, "{name} {}", input.name),
            // Only a module that fails to verify gets here, and its text must not hide that.
            None => write!(f, "{name} #{input}"),
        },
        Instruction::Constant(number) => write!(f, "{name} {number:?}"),
        Instruction::Levels(numbers) => write!(f, "{name} {}", List(numbers)),
        Instruction::Unary { value, .. } => write!(f, "{name} {value}"),
        Instruction::Binary { left, right, .. } | Instruction::Compare { left, right, .. } => {
            write!(f, "{name} {left} {right}")
        }
        Instruction::Select { mask, then, otherwise } => write!(f, "{name} {mask} {then} {otherwise}"),
        Instruction::Reduce { value, weights, levels, .. } => {
            write!(f, "{name} {value}")?;
            if let Some(weights) = weights {
                write!(f, " weights {}", List(weights))?;
            }
            if let Some(levels) = levels {
                write!(f, " levels {}..{}", levels.start, levels.end)?;
            }
            Ok(())
        }
        Instruction::Shift { value, by } => write!(f, "{name} {value} by {by}"),
        Instruction::Interpolate { value, coordinate, at } => {
            write!(f, "{name} {value} on {coordinate} at {at}")
        }
        Instruction::Layer { op, value, coordinate, from, to } => {
            write!(f, "{name} {} {value} on {coordinate} from {from} to {to}", word(&LAYER, *op))
        }
        Instruction::Difference { value, axis } => write!(f, "{name} {value} {}", word(&AXIS, *axis)),
        Instruction::Concat { parts } => write!(f, "{name} {}", Values(parts)),
        Instruction::Slice { value, levels } => {
            write!(f, "{name} {value} levels {}..{}", levels.start, levels.end)
        }
        Instruction::Each { captures, here, active, body } => {
            write!(f, "{name} captures {} here {}", Values(captures), Values(here))?;
            if let Some(active) = active {
                write!(f, " active {active}")?;
            }
            write!(f, " ")?;
            write_kernel(f, body, depth + 1)
        }
        Instruction::Scan { reverse, starts, captures, active, body, result } => {
            let reverse = if *reverse { " reverse" } else { "" };
            write!(f, "{name}{reverse} starts {} captures {}", Values(starts), Values(captures))?;
            if let Some(active) = active {
                write!(f, " active {active}")?;
            }
            writeln!(f, " result {result} {{")?;
            write_body(f, kernel, body, depth)
        }
        Instruction::State(number) | Instruction::Here(number) | Instruction::Before(number) => {
            write!(f, "{name} {number}")
        }
    }
}

fn write_body(f: &mut Formatter<'_>, kernel: &Kernel, body: &Body, depth: usize) -> fmt::Result {
    let indent = "  ".repeat(depth + 1);
    for (position, instruction) in body.instructions.iter().enumerate() {
        write!(f, "{indent}  %{position} = ")?;
        match instruction {
            // Only a module that fails to verify gets here; a loop in a scan would not be read back anyway.
            Instruction::Scan { .. } | Instruction::Each { .. } => write!(f, "{}", name_of(instruction))?,
            other => write_instruction(f, kernel, other, depth)?,
        }
        writeln!(f)?;
    }
    writeln!(f, "{indent}  next {}", Values(&body.next))?;
    write!(f, "{indent}}}")
}

struct Values<'a>(&'a [Value]);

impl Display for Values<'_> {
    fn fmt(&self, f: &mut Formatter<'_>) -> fmt::Result {
        write!(f, "[")?;
        for (number, value) in self.0.iter().enumerate() {
            let space = if number > 0 { " " } else { "" };
            write!(f, "{space}{value}")?;
        }
        write!(f, "]")
    }
}

struct List<'a>(&'a [f64]);

impl Display for List<'_> {
    fn fmt(&self, f: &mut Formatter<'_>) -> fmt::Result {
        write!(f, "[")?;
        for (number, value) in self.0.iter().enumerate() {
            let space = if number > 0 { " " } else { "" };
            write!(f, "{space}{value:?}")?;
        }
        write!(f, "]")
    }
}

fn word<T: PartialEq>(table: &[(T, &'static str)], op: T) -> &'static str {
    table.iter().find(|(entry, _)| *entry == op).map_or("?", |(_, word)| word)
}
