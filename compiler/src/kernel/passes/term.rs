//! The patterns and replacements of [`rules`](super::rules), read from their text.

use super::super::ir::{Binary, Compare, Instruction, Unary, Value};
use super::super::text::{BINARY, COMPARE, UNARY};

/// The function of an instruction.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum Head {
    Unary(Unary),
    Binary(Binary),
    Compare(Compare),
    Select,
}

impl Head {
    pub(super) fn of(instruction: &Instruction) -> Option<Self> {
        Some(match instruction {
            Instruction::Unary { op, .. } => Self::Unary(*op),
            Instruction::Binary { op, .. } => Self::Binary(*op),
            Instruction::Compare { op, .. } => Self::Compare(*op),
            Instruction::Select { .. } => Self::Select,
            _ => return None,
        })
    }

    fn read(word: &str) -> Option<Self> {
        let unary = UNARY.iter().find(|(_, own)| *own == word).map(|(op, _)| Self::Unary(*op));
        let binary = || BINARY.iter().find(|(_, own)| *own == word).map(|(op, _)| Self::Binary(*op));
        let compare = || COMPARE.iter().find(|(_, own)| *own == word).map(|(op, _)| Self::Compare(*op));
        unary.or_else(binary).or_else(compare).or_else(|| (word == "select").then_some(Self::Select))
    }

    /// With operands that stand for others.
    pub(super) fn template(self) -> Instruction {
        let any = Value::new(0);
        match self {
            Self::Unary(op) => Instruction::Unary { op, value: any },
            Self::Binary(op) => Instruction::Binary { op, left: any, right: any },
            Self::Compare(op) => Instruction::Compare { op, left: any, right: any },
            Self::Select => Instruction::Select { mask: any, then: any, otherwise: any },
        }
    }

    pub(super) fn commutes(self) -> bool {
        matches!(self, Self::Binary(Binary::Add | Binary::Mul) | Self::Compare(Compare::Eq))
    }
}

/// A pattern or a replacement.
#[derive(Clone, Debug, PartialEq)]
pub(super) enum Term {
    Any(char),
    Mask(char),
    /// `P`
    PowerOfTwo,
    /// `1/P`
    Reciprocal,
    /// `T`
    True,
    Number(f64),
    Call(Head, Vec<Term>),
}

/// A term as the table writes it; nothing if it is written wrongly.
pub(super) fn term(text: &str) -> Option<Term> {
    let spaced = text.replace('(', " ( ").replace(')', " ) ");
    let mut words = spaced.split_whitespace();
    let term = call(&mut words)?;
    words.next().is_none().then_some(term)
}

fn call<'a>(words: &mut impl Iterator<Item = &'a str>) -> Option<Term> {
    let word = words.next()?;
    let Some(head) = Head::read(word) else { return single(word) };
    let mut operands = Vec::new();
    for _ in 0..head.template().operands().len() {
        operands.push(match words.next()? {
            "(" => {
                let inner = call(words)?;
                (words.next()? == ")").then_some(inner)?
            }
            word => single(word)?,
        });
    }
    Some(Term::Call(head, operands))
}

fn single(word: &str) -> Option<Term> {
    Some(match word {
        "P" => Term::PowerOfTwo,
        "1/P" => Term::Reciprocal,
        "T" => Term::True,
        "w" | "x" | "y" | "z" => Term::Any(word.chars().next()?),
        "m" | "n" => Term::Mask(word.chars().next()?),
        number => Term::Number(number.parse().ok()?),
    })
}
