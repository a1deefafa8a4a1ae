//! The parser of the text form; [`text`](super::text) shows what it reads.

use std::fmt::{self, Display, Formatter};
use std::ops::Range;
use std::sync::Arc;

use super::ir::{Body, Domain, Input, Instruction, Kernel, Module, Output, Value, is_name};
use super::text::{AXIS, BINARY, COMPARE, LAYER, REDUCE, UNARY};

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

/// Reads a module from its text form.
pub fn parse(text: &str) -> Result<Module, TextError> {
    let mut module = Module::default();
    // A kernel, and the one that it runs for each level, if that has begun.
    let mut open: Vec<Open> = Vec::new();
    let mut last = 1;
    for (number, line) in text.lines().enumerate() {
        last = number + 1;
        let line = line.split('#').next().unwrap_or("");
        let tokens = tokens(line);
        let mut line = Line { tokens: &tokens };
        if line.tokens.is_empty() {
            continue;
        }
        let done = match open.last_mut() {
            None => line.header().map(|kernel| Step::Open(Box::new(Open { kernel, scan: None, each: None }))),
            Some(open) => line.body(open),
        };
        match done.map_err(|message| TextError { line: last, message })? {
            Step::Next => {}
            Step::Open(_) if open.len() > 1 => {
                let message = "`each` cannot stand in the kernel of another".to_owned();
                return Err(TextError { line: last, message });
            }
            Step::Open(inner) => open.push(*inner),
            Step::Close => close(&mut open, &mut module),
        }
    }
    match open.pop() {
        None => Ok(module),
        Some(Open { kernel, scan, .. }) => {
            let what = if scan.is_some() { "a scan of kernel" } else { "kernel" };
            Err(TextError { line: last, message: format!("{what} `{}` is not closed by `}}`", kernel.name) })
        }
    }
}

/// The innermost kernel is whole.
fn close(open: &mut Vec<Open>, module: &mut Module) {
    let Some(Open { kernel: inner, each, .. }) = open.pop() else { return };
    match (open.last_mut(), each) {
        (Some(outer), Some(Each { captures, here, active })) => {
            let body = Box::new(inner);
            outer.kernel.instructions.push(Instruction::Each { captures, here, active, body });
        }
        _ => module.kernels.push(inner),
    }
}

/// What a line does.
enum Step {
    Next,
    Open(Box<Open>),
    Close,
}

/// An `each` whose kernel is being read.
struct Each {
    captures: Vec<Value>,
    here: Vec<Value>,
    active: Option<Value>,
}

/// A kernel whose end has not come yet.
struct Open {
    kernel: Kernel,
    /// What runs it for each level, if it is not one of the module's.
    each: Option<Each>,
    /// A scan whose end has not come yet, and whether its states have.
    scan: Option<(Instruction, bool)>,
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

    /// One line of a kernel.
    fn body(&mut self, open: &mut Open) -> Parsed<Step> {
        let Open { kernel, scan, .. } = open;
        if let Some((Instruction::Scan { body, .. }, complete)) = scan {
            if self.take("}") {
                if !*complete {
                    return Err("the body ends without `next`".to_owned());
                }
                kernel.instructions.extend(scan.take().map(|(instruction, _)| instruction));
            } else {
                self.scan_line(kernel, Arc::make_mut(body), complete)?;
            }
            return self.end().map(|()| Step::Next);
        }
        if self.take("}") {
            return self.end().map(|()| Step::Close);
        }
        if self.take("output") {
            let name = self.name()?;
            self.expect("=")?;
            let value = self.value()?;
            kernel.outputs.push(Output { name, value });
        } else {
            self.definition(kernel.instructions.len())?;
            if self.take("each") {
                let each = self.each()?;
                let kernel = self.header()?;
                return Ok(Step::Open(Box::new(Open { kernel, scan: None, each: Some(each) })));
            }
            match self.instruction(kernel)? {
                instruction @ Instruction::Scan { .. } => *scan = Some((instruction, false)),
                instruction => kernel.instructions.push(instruction),
            }
        }
        self.end()?;
        Ok(Step::Next)
    }

    /// One line of a scan's body, not the one that closes it.
    fn scan_line(&mut self, kernel: &Kernel, body: &mut Body, complete: &mut bool) -> Parsed<()> {
        if *complete {
            return Err("nothing may follow `next` but `}`".to_owned());
        }
        if self.take("next") {
            body.next = self.values()?;
            *complete = true;
            return Ok(());
        }
        self.definition(body.instructions.len())?;
        match self.instruction(kernel)? {
            Instruction::Scan { .. } => Err("a scan cannot stand in the body of another".to_owned()),
            instruction => {
                body.instructions.push(instruction);
                Ok(())
            }
        }
    }

    /// `%next =`
    fn definition(&mut self, next: usize) -> Parsed<()> {
        let value = self.value()?;
        if value.index() != next {
            return Err(format!("the next value is %{next}, not {value}"));
        }
        self.expect("=")
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
            "shift" => Instruction::Shift {
                value: self.value()?,
                by: {
                    self.expect("by")?;
                    self.whole("a number of levels")?
                },
            },
            "interpolate" => Instruction::Interpolate {
                value: self.value()?,
                coordinate: self.after("on")?,
                at: self.after("at")?,
            },
            "layer" => Instruction::Layer {
                op: self.one_of(&LAYER)?,
                value: self.value()?,
                coordinate: self.after("on")?,
                from: self.after("from")?,
                to: self.after("to")?,
            },
            "difference" => Instruction::Difference { value: self.value()?, axis: self.one_of(&AXIS)? },
            "concat" => Instruction::Concat { parts: self.values()? },
            "slice" => Instruction::Slice {
                value: self.value()?,
                levels: {
                    self.expect("levels")?;
                    self.range()?
                },
            },
            "each" => return Err("`each` cannot stand in a body".to_owned()),
            "scan" => self.scan()?,
            "state" => Instruction::State(self.whole("the number of a state")?),
            "here" => Instruction::Here(self.whole("the number of a capture")?),
            "before" => Instruction::Before(self.whole("the number of a capture")?),
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

    /// The first line of an `each`, after its word and up to its kernel.
    fn each(&mut self) -> Parsed<Each> {
        self.expect("captures")?;
        let captures = self.values()?;
        self.expect("here")?;
        let here = self.values()?;
        let active = if self.take("active") { Some(self.value()?) } else { None };
        Ok(Each { captures, here, active })
    }

    /// The first line of a scan, after its word.
    fn scan(&mut self) -> Parsed<Instruction> {
        let reverse = self.take("reverse");
        self.expect("starts")?;
        let starts = self.values()?;
        self.expect("captures")?;
        let captures = self.values()?;
        let active = if self.take("active") { Some(self.value()?) } else { None };
        self.expect("result")?;
        let result = self.whole("the number of a state")?;
        self.expect("{")?;
        Ok(Instruction::Scan { reverse, starts, captures, active, body: Arc::default(), result })
    }

    fn after(&mut self, mark: &str) -> Parsed<Value> {
        self.expect(mark)?;
        self.value()
    }

    fn one_of<T: Copy>(&mut self, table: &[(T, &'static str)]) -> Parsed<T> {
        let words: Vec<&str> = table.iter().map(|(_, word)| *word).collect();
        let what = format!("one of {}", words.join(", "));
        let word = self.next(&what)?;
        find(table, word).ok_or_else(|| format!("`{word}` is not {what}"))
    }

    fn whole<T: std::str::FromStr>(&mut self, what: &str) -> Parsed<T> {
        let word = self.next(what)?;
        word.parse().map_err(|_| format!("`{word}` is not {what}"))
    }

    fn values(&mut self) -> Parsed<Vec<Value>> {
        self.expect("[")?;
        let mut values = Vec::new();
        while !self.take("]") {
            values.push(self.value()?);
        }
        Ok(values)
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

fn find<T: Copy>(table: &[(T, &'static str)], word: &str) -> Option<T> {
    table.iter().find(|(_, entry)| *entry == word).map(|(op, _)| *op)
}
