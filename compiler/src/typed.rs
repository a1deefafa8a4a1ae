//! Expressions whose names and types are known. Values are in SI units from here on.

use std::collections::{BTreeMap, BTreeSet};
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
    /// Operations on the longest way down, so that what is too deep for a recursion is known in time.
    pub depth: usize,
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
    Weighted {
        value: Typed,
        weights: Vec<f64>,
    },
    /// The extreme over levels `from..to` (indices).
    Extreme {
        value: Typed,
        maximum: bool,
        from: usize,
        to: usize,
    },
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

impl TypedKind {
    /// The expressions directly below.
    fn parts(&self) -> [Option<&Typed>; 2] {
        match self {
            TypedKind::Constant(_) | TypedKind::Variable(_) | TypedKind::Coordinate(_) => [None, None],
            TypedKind::Same(a) | TypedKind::Unary(_, a) => [Some(a), None],
            TypedKind::Binary(_, a, b) | TypedKind::Compare(_, a, b) => [Some(a), Some(b)],
            TypedKind::Weighted { value, .. } | TypedKind::Extreme { value, .. } => [Some(value), None],
        }
    }
}

impl TypedExpr {
    pub fn new(kind: TypedKind, ty: FieldType, span: Span, unit: Option<String>) -> TypedExpr {
        let depth = 1 + kind.parts().into_iter().flatten().map(|part| part.depth).max().unwrap_or(0);
        TypedExpr { ty, span, kind, unit, depth }
    }

    /// The ids of all variables below, each once, in order of first use.
    pub fn variables(&self) -> Vec<String> {
        let mut found = Vec::new();
        self.collect(&mut found, &mut BTreeSet::new());
        found
    }

    /// `seen` holds the nodes already visited: a shared one is looked into once, or the work would double
    /// with every derive that uses another twice.
    fn collect(&self, found: &mut Vec<String>, seen: &mut BTreeSet<*const TypedExpr>) {
        if !seen.insert(std::ptr::from_ref(self)) {
            return;
        }
        if let TypedKind::Variable(id) = &self.kind
            && !found.contains(id)
        {
            found.push(id.clone());
        }
        for part in self.kind.parts().into_iter().flatten() {
            part.collect(found, seen);
        }
    }

    /// The value, if it is one number known now.
    pub fn constant(&self) -> Option<f64> {
        self.folded(&mut BTreeMap::new())
    }

    fn folded(&self, done: &mut BTreeMap<*const TypedExpr, Option<f64>>) -> Option<f64> {
        let key = std::ptr::from_ref(self);
        if let Some(value) = done.get(&key) {
            return *value;
        }
        let value = self.fold(done);
        done.insert(key, value);
        value
    }

    fn fold(&self, done: &mut BTreeMap<*const TypedExpr, Option<f64>>) -> Option<f64> {
        match &self.kind {
            TypedKind::Constant(value) => Some(*value),
            TypedKind::Same(a) => a.folded(done),
            TypedKind::Unary(op, a) => {
                let a = a.folded(done)?;
                Some(match op {
                    Unary::Negate => -a,
                    Unary::Absolute => a.abs(),
                    Unary::SquareRoot => a.sqrt(),
                    Unary::Exponential => a.exp(),
                    Unary::Logarithm => a.ln(),
                })
            }
            TypedKind::Binary(op, a, b) => {
                let (a, b) = (a.folded(done)?, b.folded(done)?);
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
