//! From typed expressions to kernels. Units are gone; names of inputs are the recipe's.

mod body;
mod each;

use std::collections::BTreeMap;
use std::sync::Arc;

use aurora_grammar::tree::Comparison;

use crate::check::Checked;
use crate::kernel::ir::{self, Builder, Domain, Kernel, LayerOp, Reduce, Value};
use crate::typed::{Axis, Binary, LayerOf, Typed, TypedExpr, TypedKind, Unary};
use crate::types::Support;

/// A kernel with one output, `name`, that computes an expression from the variables in it.
pub fn kernel(checked: &Checked, name: &str, value: &Typed) -> Kernel {
    let mut lowering = Lowering::new(checked, name);
    // Inputs come first, in order of first use, so that the kernel's signature reads like the text.
    for id in value.variables() {
        lowering.variable(&id);
    }
    let result = lowering.value(value);
    lowering.builder.output(name, result);
    lowering.builder.finish()
}

/// Stands before the id of a field whose true value is meant where prediction and truth meet, in a loss.
pub const TRUTH: &str = "truth/";

/// The id of a field, whether its true or its predicted value is meant.
pub fn bare_id(id: &str) -> &str {
    id.strip_prefix(TRUTH).unwrap_or(id)
}

/// The name under which a kernel of prediction and truth reads a field: `refc`, `truth.refc`.
pub fn sided_name(id: &str) -> String {
    match id.strip_prefix(TRUTH) {
        Some(id) => format!("truth.{}", input_name(id)),
        None => input_name(id).to_string(),
    }
}

/// The name under which a kernel reads a field: the recipe's, without its library.
pub fn input_name(id: &str) -> &str {
    id.rsplit('.').next().unwrap_or(id)
}

struct Lowering<'a> {
    checked: &'a Checked,
    builder: Builder,
    inputs: BTreeMap<String, Value>,
    /// Shared nodes, each lowered once; keyed by address, which is stable while the tree is borrowed.
    done: BTreeMap<*const TypedExpr, Value>,
    /// Numbers by their bits.
    constants: BTreeMap<u64, Value>,
    /// Coordinates by the id of their levels.
    coordinates: BTreeMap<String, Value>,
    /// Walks, each lowered once, however many of its states are asked for.
    walks: BTreeMap<body::Walked, (Vec<Value>, Arc<ir::Body>)>,
}

impl<'a> Lowering<'a> {
    fn new(checked: &'a Checked, name: &str) -> Self {
        Self {
            checked,
            builder: Builder::new(name),
            inputs: BTreeMap::new(),
            done: BTreeMap::new(),
            constants: BTreeMap::new(),
            coordinates: BTreeMap::new(),
            walks: BTreeMap::new(),
        }
    }

    fn value(&mut self, typed: &Typed) -> Value {
        let key = std::rc::Rc::as_ptr(typed);
        if let Some(value) = self.done.get(&key) {
            return *value;
        }
        let value = self.node(typed);
        self.done.insert(key, value);
        value
    }

    fn node(&mut self, typed: &Typed) -> Value {
        if let Some(number) = typed.constant() {
            return self.constant(number);
        }
        match &typed.kind {
            TypedKind::Constant(number) => self.constant(*number),
            TypedKind::PerLevel(numbers) => self.builder.levels(numbers.clone()),
            TypedKind::Variable(id) => self.variable(id),
            TypedKind::Coordinate(id) => {
                if let Some(value) = self.coordinates.get(id) {
                    return *value;
                }
                let levels = self.checked.levels.get(id).map(|l| l.values.clone()).unwrap_or_default();
                let value = self.builder.levels(levels);
                self.coordinates.insert(id.clone(), value);
                value
            }
            TypedKind::Same(inner) => self.value(inner),
            TypedKind::Unary(op, inner) => {
                let inner = self.value(inner);
                self.builder.unary(unary(*op), inner)
            }
            TypedKind::Binary(op, left, right) => self.binary(*op, left, right),
            TypedKind::Compare(comparison, left, right) => {
                let (left, right) = (self.value(left), self.value(right));
                self.builder.compare(compare(*comparison), left, right)
            }
            TypedKind::Step(left, right) => {
                let (left, right) = (self.value(left), self.value(right));
                self.builder.compare(ir::Compare::Ge, left, right)
            }
            TypedKind::Select { mask, then, otherwise } => {
                let (mask, then, otherwise) = (self.value(mask), self.value(then), self.value(otherwise));
                self.builder.select(mask, then, otherwise)
            }
            TypedKind::Weighted { value, weights } => self.weighted(value, weights),
            TypedKind::Extreme { value, maximum, from, to } => {
                let column = self.value(value);
                let op = if *maximum { Reduce::Max } else { Reduce::Min };
                self.builder.reduce(op, column, None, Some(*from..*to))
            }
            TypedKind::Shift { value, by } => {
                let value = self.value(value);
                self.builder.shift(value, *by)
            }
            TypedKind::Interpolate { value, coordinate, at } => {
                let (value, coordinate, at) = (self.value(value), self.value(coordinate), self.value(at));
                self.builder.interpolate(value, coordinate, at)
            }
            TypedKind::Layer { of, value, coordinate, from, to } => {
                let (value, coordinate) = (self.value(value), self.value(coordinate));
                let (from, to) = (self.value(from), self.value(to));
                self.builder.layer(layer(*of), value, coordinate, from, to)
            }
            TypedKind::Difference { value, axis } => {
                let value = self.value(value);
                let axis = match axis {
                    Axis::X => ir::Axis::X,
                    Axis::Y => ir::Axis::Y,
                };
                self.builder.difference(value, axis)
            }
            TypedKind::Scan { walk, reverse, active, along, starts, steps, result, .. } => {
                self.scan((*walk, *reverse, *result), active.as_ref(), along, starts, steps)
            }
            TypedKind::Join { ground, above, first } => {
                let (ground, above) = (self.value(ground), self.value(above));
                self.builder.concat(if *first { vec![ground, above] } else { vec![above, ground] })
            }
            TypedKind::Each { value, active, .. } => self.each(value, active.as_ref()),
            // The checker lets it stand in an `each` only, which gives it to its body.
            TypedKind::Here { .. } => self.constant(f64::NAN),
            // The checker lets a state stand in the steps of its walk only, which `body` lowers.
            TypedKind::State { .. } => self.constant(f64::NAN),
        }
    }

    fn constant(&mut self, number: f64) -> Value {
        let builder = &mut self.builder;
        *self.constants.entry(number.to_bits()).or_insert_with(|| builder.constant(number))
    }

    fn weighted(&mut self, value: &Typed, weights: &[f64]) -> Value {
        let column = self.value(value);
        // Levels without weight take no part, so that what is missing there does not matter.
        let from = weights.iter().position(|w| *w != 0.0).unwrap_or(0);
        let to = weights.iter().rposition(|w| *w != 0.0).map_or(weights.len(), |last| last + 1);
        let part = (from > 0 || to < weights.len()).then_some(from..to);
        self.builder.reduce(Reduce::Sum, column, Some(weights.to_vec()), part)
    }

    fn binary(&mut self, op: Binary, left: &Typed, right: &Typed) -> Value {
        match (op, right.constant()) {
            // A square is a product, which is exact to the last bit and fast.
            (Binary::Power, Some(2.0)) => {
                let a = self.value(left);
                self.builder.binary(ir::Binary::Mul, a, a)
            }
            (Binary::Power, Some(0.5)) => {
                let a = self.value(left);
                self.builder.unary(ir::Unary::Sqrt, a)
            }
            _ => {
                let (a, b) = (self.value(left), self.value(right));
                self.builder.binary(binary(op), a, b)
            }
        }
    }

    fn variable(&mut self, id: &str) -> Value {
        if let Some(value) = self.inputs.get(id) {
            return *value;
        }
        let bare = bare_id(id);
        let support = match (self.checked.variables.get(bare), self.checked.derived.get(bare)) {
            (Some(variable), _) => Some(variable.ty.support.clone()),
            (_, Some(derived)) => Some(derived.ty.support.clone()),
            _ => None,
        };
        let domain = match support {
            Some(Support::Levels(set)) => {
                Domain::Column(self.checked.levels.get(&set).map_or(1, |l| l.values.len()))
            }
            _ => Domain::Cell,
        };
        let value = self.builder.input(&sided_name(id), domain);
        self.inputs.insert(id.to_string(), value);
        value
    }
}

fn unary(op: Unary) -> ir::Unary {
    match op {
        Unary::Negate => ir::Unary::Neg,
        Unary::Absolute => ir::Unary::Abs,
        Unary::SquareRoot => ir::Unary::Sqrt,
        Unary::Exponential => ir::Unary::Exp,
        Unary::Logarithm => ir::Unary::Log,
        Unary::Sine => ir::Unary::Sin,
        Unary::Cosine => ir::Unary::Cos,
    }
}

fn binary(op: Binary) -> ir::Binary {
    match op {
        Binary::Add => ir::Binary::Add,
        Binary::Subtract => ir::Binary::Sub,
        Binary::Multiply => ir::Binary::Mul,
        Binary::Divide => ir::Binary::Div,
        Binary::Minimum => ir::Binary::Min,
        Binary::Maximum => ir::Binary::Max,
        Binary::Power => ir::Binary::Pow,
        Binary::ArcTangent => ir::Binary::Atan2,
    }
}

fn layer(of: LayerOf) -> LayerOp {
    match of {
        LayerOf::Integral => LayerOp::Integral,
        LayerOf::Mean => LayerOp::Mean,
        LayerOf::Max => LayerOp::Max,
        LayerOf::Min => LayerOp::Min,
    }
}

fn compare(comparison: Comparison) -> ir::Compare {
    match comparison {
        Comparison::LessEqual => ir::Compare::Le,
        Comparison::GreaterEqual => ir::Compare::Ge,
        Comparison::Equal => ir::Compare::Eq,
        Comparison::Less => ir::Compare::Lt,
        Comparison::Greater => ir::Compare::Gt,
    }
}
