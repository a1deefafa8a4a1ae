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
//!   output NAME = %6
//! }
//! ```
//!
//! One instruction a line; values are numbered from 0 in order. Printing and parsing again gives the same module,
//! bit for bit in every number (all NaN being one). The parser judges the form only; what it reads may
//! still fail [`verify`](super::verify::verify).

use std::fmt::{self, Display, Formatter};
use std::ops::Range;

use super::ir::{
    Binary, Compare, Domain, Input, Instruction, Kernel, Module, Output, Reduce, Unary, Value, is_name,
};

/// The word for each function; printer and parser read the same tables.
const UNARY: [(Unary, &str); 7] = [
    (Unary::Neg, "neg"),
    (Unary::Abs, "abs"),
    (Unary::Sqrt, "sqrt"),
    (Unary::Exp, "exp"),
    (Unary::Log, "log"),
    (Unary::Sin, "sin"),
    (Unary::Cos, "cos"),
];
const BINARY: [(Binary, &str); 8] = [
    (Binary::Add, "add"),
    (Binary::Sub, "sub"),
    (Binary::Mul, "mul"),
    (Binary::Div, "div"),
    (Binary::Min, "min"),
    (Binary::Max, "max"),
    (Binary::Pow, "pow"),
    (Binary::Atan2, "atan2"),
];
const COMPARE: [(Compare, &str); 5] =
    [(Compare::Lt, "lt"), (Compare::Le, "le"), (Compare::Gt, "gt"), (Compare::Ge, "ge"), (Compare::Eq, "eq")];
const REDUCE: [(Reduce, &str); 3] = [(Reduce::Sum, "sum"), (Reduce::Min, "lowest"), (Reduce::Max, "highest")];

/// Where and why a text is not a module.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct TextError {
    /// The line, counted from 1.
    pub line: usize,
    /// What is wrong there.
    pub message: String,
}

impl Display for TextError {
    fn fmt(&self, f: &mut Formatter<'_>) -> fmt::Result {
        write!(f, "line {}: {}", self.line, self.message)
    }
}

impl std::error::Error for TextError {}

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
        write!(f, "kernel {}(", self.name)?;
        for (number, input) in self.inputs.iter().enumerate() {
            let comma = if number > 0 { ", " } else { "" };
            write!(f, "{comma}{}: {}", input.name, input.domain)?;
        }
        writeln!(f, ") {{")?;
        for (position, instruction) in self.instructions.iter().enumerate() {
            write!(f, "  %{position} = ")?;
            write_instruction(f, self, instruction)?;
            writeln!(f)?;
        }
        for output in &self.outputs {
            writeln!(f, "  output {} = {}", output.name, output.value)?;
        }
        writeln!(f, "}}")
    }
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

fn write_instruction(f: &mut Formatter<'_>, kernel: &Kernel, instruction: &Instruction) -> fmt::Result {
    match instruction {
        Instruction::Input(input) => match kernel.inputs.get(*input) {
            Some(input) => write!(f, "input {}", input.name),
            // Only a module that fails to verify gets here, and its text must not hide that.
            None => write!(f, "input #{input}"),
        },
        Instruction::Constant(number) => write!(f, "constant {number:?}"),
        Instruction::Levels(numbers) => write!(f, "levels {}", List(numbers)),
        Instruction::Unary { op, value } => write!(f, "{} {value}", word(&UNARY, *op)),
        Instruction::Binary { op, left, right } => write!(f, "{} {left} {right}", word(&BINARY, *op)),
        Instruction::Compare { op, left, right } => write!(f, "{} {left} {right}", word(&COMPARE, *op)),
        Instruction::Select { mask, then, otherwise } => write!(f, "select {mask} {then} {otherwise}"),
        Instruction::Reduce { op, value, weights, levels } => {
            write!(f, "{} {value}", word(&REDUCE, *op))?;
            if let Some(weights) = weights {
                write!(f, " weights {}", List(weights))?;
            }
            if let Some(levels) = levels {
                write!(f, " levels {}..{}", levels.start, levels.end)?;
            }
            Ok(())
        }
        _ => write!(f, "{instruction:?}"),
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

fn find<T: Copy>(table: &[(T, &'static str)], word: &str) -> Option<T> {
    table.iter().find(|(_, entry)| *entry == word).map(|(op, _)| *op)
}

/// Reads a module from its text form.
pub fn parse(text: &str) -> Result<Module, TextError> {
    let mut module = Module::default();
    let mut open: Option<Kernel> = None;
    let mut last = 1;
    for (number, line) in text.lines().enumerate() {
        last = number + 1;
        let line = line.split('#').next().unwrap_or("");
        let tokens = tokens(line);
        let mut line = Line { tokens: &tokens };
        if line.tokens.is_empty() {
            continue;
        }
        let done = match open.as_mut() {
            None => line.header().map(|kernel| {
                open = Some(kernel);
                false
            }),
            Some(kernel) => line.body(kernel),
        };
        if done.map_err(|message| TextError { line: last, message })? {
            module.kernels.extend(open.take());
        }
    }
    match open {
        None => Ok(module),
        Some(kernel) => {
            Err(TextError { line: last, message: format!("kernel `{}` is not closed by `}}`", kernel.name) })
        }
    }
}

/// Words, and the marks `( ) { } [ ] : , =` on their own.
fn tokens(line: &str) -> Vec<&str> {
    let mut tokens = Vec::new();
    for word in line.split_whitespace() {
        let mut rest = word;
        while let Some(at) = rest.find(|c| "(){}[]:,=".contains(c)) {
            if at > 0 {
                tokens.push(&rest[..at]);
            }
            tokens.push(&rest[at..=at]);
            rest = &rest[at + 1..];
        }
        if !rest.is_empty() {
            tokens.push(rest);
        }
    }
    tokens
}

/// What is left of a line.
struct Line<'a> {
    tokens: &'a [&'a str],
}

type Parsed<T> = Result<T, String>;

impl<'a> Line<'a> {
    fn header(&mut self) -> Parsed<Kernel> {
        self.expect("kernel")?;
        let mut kernel = Kernel { name: self.name()?, ..Kernel::default() };
        self.expect("(")?;
        while !self.take(")") {
            if !kernel.inputs.is_empty() {
                self.expect(",")?;
            }
            let name = self.name()?;
            self.expect(":")?;
            kernel.inputs.push(Input { name, domain: self.domain()? });
        }
        self.expect("{")?;
        self.end()?;
        Ok(kernel)
    }

    /// One line of a kernel; true if it closes it.
    fn body(&mut self, kernel: &mut Kernel) -> Parsed<bool> {
        if self.take("}") {
            self.end()?;
            return Ok(true);
        }
        if self.take("output") {
            let name = self.name()?;
            self.expect("=")?;
            let value = self.value()?;
            kernel.outputs.push(Output { name, value });
        } else {
            let value = self.value()?;
            let next = kernel.instructions.len();
            if value.index() != next {
                return Err(format!("the next value is %{next}, not {value}"));
            }
            self.expect("=")?;
            let instruction = self.instruction(kernel)?;
            kernel.instructions.push(instruction);
        }
        self.end()?;
        Ok(false)
    }

    fn instruction(&mut self, kernel: &Kernel) -> Parsed<Instruction> {
        let word = self.next("an instruction")?;
        Ok(match word {
            "input" => {
                let name = self.name()?;
                let position = kernel.inputs.iter().position(|input| input.name == name);
                Instruction::Input(
                    position.ok_or_else(|| format!("kernel `{}` has no input `{name}`", kernel.name))?,
                )
            }
            "constant" => Instruction::Constant(self.number()?),
            "levels" => Instruction::Levels(self.numbers()?),
            "select" => {
                Instruction::Select { mask: self.value()?, then: self.value()?, otherwise: self.value()? }
            }
            _ => {
                if let Some(op) = find(&UNARY, word) {
                    Instruction::Unary { op, value: self.value()? }
                } else if let Some(op) = find(&BINARY, word) {
                    Instruction::Binary { op, left: self.value()?, right: self.value()? }
                } else if let Some(op) = find(&COMPARE, word) {
                    Instruction::Compare { op, left: self.value()?, right: self.value()? }
                } else if let Some(op) = find(&REDUCE, word) {
                    let value = self.value()?;
                    let weights = if self.take("weights") { Some(self.numbers()?) } else { None };
                    let levels = if self.take("levels") { Some(self.range()?) } else { None };
                    Instruction::Reduce { op, value, weights, levels }
                } else {
                    return Err(format!("there is no instruction `{word}`"));
                }
            }
        })
    }

    fn domain(&mut self) -> Parsed<Domain> {
        match self.next("`cell` or `column`")? {
            "cell" => Ok(Domain::Cell),
            "column" => {
                let word = self.next("the number of levels")?;
                word.parse().map(Domain::Column).map_err(|_| format!("`{word}` is not a number of levels"))
            }
            word => Err(format!("expected `cell` or `column`, found `{word}`")),
        }
    }

    fn range(&mut self) -> Parsed<Range<usize>> {
        let word = self.next("a range of levels")?;
        let parsed =
            word.split_once("..").and_then(|(start, end)| Some(start.parse().ok()?..end.parse().ok()?));
        parsed.ok_or_else(|| format!("`{word}` is not a range of levels such as `0..3`"))
    }

    fn numbers(&mut self) -> Parsed<Vec<f64>> {
        self.expect("[")?;
        let mut numbers = Vec::new();
        while !self.take("]") {
            numbers.push(self.number()?);
        }
        Ok(numbers)
    }

    fn number(&mut self) -> Parsed<f64> {
        let word = self.next("a number")?;
        word.parse().map_err(|_| format!("`{word}` is not a number"))
    }

    fn value(&mut self) -> Parsed<Value> {
        let word = self.next("a value such as `%0`")?;
        let position = word.strip_prefix('%').and_then(|digits| digits.parse().ok());
        position.map(Value::new).ok_or_else(|| format!("`{word}` is not a value such as `%0`"))
    }

    fn name(&mut self) -> Parsed<String> {
        let word = self.next("a name")?;
        if is_name(word) { Ok(word.to_owned()) } else { Err(format!("`{word}` is not a name")) }
    }

    fn expect(&mut self, mark: &str) -> Parsed<()> {
        let found = self.next(&format!("`{mark}`"))?;
        if found == mark { Ok(()) } else { Err(format!("expected `{mark}`, found `{found}`")) }
    }

    fn take(&mut self, mark: &str) -> bool {
        let found = self.tokens.first() == Some(&mark);
        if found {
            self.tokens = &self.tokens[1..];
        }
        found
    }

    fn next(&mut self, what: &str) -> Parsed<&'a str> {
        let (first, rest) =
            self.tokens.split_first().ok_or_else(|| format!("the line ends where {what} should stand"))?;
        self.tokens = rest;
        Ok(first)
    }

    fn end(&self) -> Parsed<()> {
        match self.tokens.first() {
            None => Ok(()),
            Some(token) => Err(format!("`{token}` should not stand here")),
        }
    }
}
