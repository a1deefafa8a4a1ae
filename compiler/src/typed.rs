//! Expressions whose names and types are known. Values are in SI units from here on.

use std::rc::Rc;

use aurora_grammar::Span;
use aurora_grammar::tree::Comparison;

use crate::types::FieldType;

/// Shared, because an argument of a function may be used many times in its body; lowering each shared
/// node once keeps the kernel as small as the text.
pub type Typed = Rc<TypedExpr>;

#[derive(Debug)]
pub struct TypedExpr {
    pub ty: FieldType,
    pub span: Span,
    pub kind: TypedKind,
    /// The unit as spelt, if this is a measured number.
    pub unit: Option<String>,
}

#[derive(Debug)]
pub enum TypedKind {
    Constant(f64),
    /// A variable of the archive, by id.
    Variable(String),
    /// The coordinate of a level set as a field on it, by id of the set.
    Coordinate(String),
    /// The same value under another type: what a `derive` is declared as.
    Same(Typed),
    Unary(Unary, Typed),
    Binary(Binary, Typed, Typed),
    /// 1 where it holds, else 0.
    Compare(Comparison, Typed, Typed),
    /// A column reduced by one weight per level: interpolation, mean, integral.
    Weighted { value: Typed, weights: Vec<f64> },
    /// The extreme over levels `from..to` (indices).
    Extreme { value: Typed, maximum: bool, from: usize, to: usize },
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Unary {
    Negate,
    Absolute,
    SquareRoot,
    Exponential,
    Logarithm,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Binary {
    Add,
    Subtract,
    Multiply,
    Divide,
    Minimum,
    Maximum,
    Power,
}

impl TypedExpr {
    /// The ids of all variables below, each once, in order of first use.
    pub fn variables(&self) -> Vec<String> {
        let mut found = Vec::new();
        self.collect(&mut found);
        found
    }

    fn collect(&self, found: &mut Vec<String>) {
        match &self.kind {
            TypedKind::Variable(id) if !found.contains(id) => found.push(id.clone()),
            TypedKind::Constant(_) | TypedKind::Variable(_) | TypedKind::Coordinate(_) => {}
            TypedKind::Same(a) | TypedKind::Unary(_, a) => a.collect(found),
            TypedKind::Binary(_, a, b) | TypedKind::Compare(_, a, b) => {
                a.collect(found);
                b.collect(found);
            }
            TypedKind::Weighted { value, .. } | TypedKind::Extreme { value, .. } => value.collect(found),
        }
    }

    /// The value, if it is one number known now.
    pub fn constant(&self) -> Option<f64> {
        match &self.kind {
            TypedKind::Constant(value) => Some(*value),
            TypedKind::Same(a) => a.constant(),
            TypedKind::Unary(op, a) => {
                let a = a.constant()?;
                Some(match op {
                    Unary::Negate => -a,
                    Unary::Absolute => a.abs(),
                    Unary::SquareRoot => a.sqrt(),
                    Unary::Exponential => a.exp(),
                    Unary::Logarithm => a.ln(),
                })
            }
            TypedKind::Binary(op, a, b) => {
                let (a, b) = (a.constant()?, b.constant()?);
                Some(match op {
                    Binary::Add => a + b,
                    Binary::Subtract => a - b,
                    Binary::Multiply => a * b,
                    Binary::Divide => a / b,
                    Binary::Minimum => a.min(b),
                    Binary::Maximum => a.max(b),
                    Binary::Power => a.powf(b),
                })
            }
            _ => None,
        }
    }
}
