//! Expressions whose names and types are known. Values are in SI units from here on.

use std::cell::OnceCell;
use std::collections::{BTreeMap, BTreeSet};
use std::rc::Rc;

use aurora_grammar::Span;
use aurora_grammar::tree::Comparison;

use crate::range::{self, Range};
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
    /// Whether a state of a walk that is still being written stands in it: such a value exists on one level
    /// at a time and is no column yet.
    pub stateful: bool,
    /// Whether something that is `here`, in an `each` that is still being written, stands in it.
    pub local: bool,
    constant: Option<f64>,
    variables: OnceCell<Vec<String>>,
}

#[derive(Clone, Debug)]
pub enum TypedKind {
    Constant(f64),
    /// One number per level of the set that its type names.
    PerLevel(Vec<f64>),
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
    /// 1 from the second value on, else 0; a ramp where it stands in a loss ([`softened`](crate::soften::softened)).
    Step(Typed, Typed),
    /// `then` where the mask is not 0.
    Select {
        mask: Typed,
        then: Typed,
        otherwise: Typed,
    },
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
    /// A column whose level `k` is the operand's level `k + by`, or its outermost.
    Shift {
        value: Typed,
        by: i32,
    },
    /// A column's value where its coordinate is `at`.
    Interpolate {
        value: Typed,
        coordinate: Typed,
        at: Typed,
    },
    /// What a layer whose ends are fields amounts to.
    Layer {
        of: LayerOf,
        value: Typed,
        coordinate: Typed,
        from: Typed,
        to: Typed,
    },
    /// To the next grid point, centred, per grid step.
    Difference {
        value: Typed,
        axis: Axis,
    },
    /// A walk along the levels; the value is what one of the states is on each.
    Scan {
        /// Which walk it is: its states bear the same number.
        walk: usize,
        /// From the last level stored to the first.
        reverse: bool,
        /// Where the states change; everywhere if not given.
        active: Option<Typed>,
        /// A column on the set that is walked along.
        along: Typed,
        starts: Vec<Typed>,
        steps: Vec<Typed>,
        /// What the states are called, so that each can be asked for.
        names: Rc<[String]>,
        /// Which state is the value.
        result: usize,
    },
    /// The ground and a column as one column.
    Join {
        ground: Typed,
        above: Typed,
        /// Whether the ground is stored before the column, not behind it.
        first: bool,
    },
    /// A value for each level of a column.
    Each {
        /// Which it is: what it says of its level bears the same number.
        each: usize,
        value: Typed,
        /// Where it is wanted; everywhere if not given.
        active: Option<Typed>,
    },
    /// Within an `each`: the column on the level at hand.
    Here {
        each: usize,
        column: Typed,
    },
    /// A state within the steps of its walk.
    State {
        walk: usize,
        number: usize,
    },
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Unary {
    Negate,
    Absolute,
    SquareRoot,
    Exponential,
    Logarithm,
    Sine,
    Cosine,
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
    ArcTangent,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum LayerOf {
    Integral,
    Mean,
    Max,
    Min,
}

/// Along the rows of the grid, or along its columns towards the top of the map.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Axis {
    X,
    Y,
}

impl TypedKind {
    /// Visits the expressions directly below, in order.
    pub fn each<'a>(&'a self, mut visit: impl FnMut(&'a Typed)) {
        use TypedKind::*;
        match self {
            Constant(_) | PerLevel(_) | Variable(_) | Coordinate(_) | State { .. } => {}
            Same(a) | Unary(_, a) => visit(a),
            Binary(_, a, b) | Compare(_, a, b) | Step(a, b) => [a, b].into_iter().for_each(visit),
            Select { mask, then, otherwise } => [mask, then, otherwise].into_iter().for_each(visit),
            Weighted { value, .. }
            | Extreme { value, .. }
            | Shift { value, .. }
            | Here { column: value, .. }
            | Difference { value, .. } => visit(value),
            Join { ground, above, .. } => [ground, above].into_iter().for_each(visit),
            Each { value, active, .. } => [value].into_iter().chain(active).for_each(visit),
            Interpolate { value, coordinate, at } => [value, coordinate, at].into_iter().for_each(visit),
            Layer { value, coordinate, from, to, .. } => {
                [value, coordinate, from, to].into_iter().for_each(visit);
            }
            Scan { active, along, starts, steps, .. } => {
                starts.iter().chain(steps).chain(active).chain([along]).for_each(visit);
            }
        }
    }

    /// The same operation on other expressions.
    pub fn map(&self, mut change: impl FnMut(&Typed) -> Typed) -> TypedKind {
        let mut kind = self.clone();
        let mut replace = |part: &mut Typed| *part = change(part);
        use TypedKind::*;
        match &mut kind {
            Constant(_) | PerLevel(_) | Variable(_) | Coordinate(_) | State { .. } => {}
            Same(a) | Unary(_, a) => replace(a),
            Binary(_, a, b) | Compare(_, a, b) | Step(a, b) => [a, b].into_iter().for_each(replace),
            Select { mask, then, otherwise } => [mask, then, otherwise].into_iter().for_each(replace),
            Weighted { value, .. }
            | Extreme { value, .. }
            | Shift { value, .. }
            | Here { column: value, .. }
            | Difference { value, .. } => replace(value),
            Join { ground, above, .. } => [ground, above].into_iter().for_each(replace),
            Each { value, active, .. } => [value].into_iter().chain(active).for_each(replace),
            Interpolate { value, coordinate, at } => [value, coordinate, at].into_iter().for_each(replace),
            Layer { value, coordinate, from, to, .. } => {
                [value, coordinate, from, to].into_iter().for_each(replace);
            }
            Scan { active, along, starts, steps, .. } => {
                starts.iter_mut().chain(steps).chain(active).chain([along]).for_each(replace);
            }
        }
        kind
    }

    /// The value, if it is one number known now.
    fn constant(&self) -> Option<f64> {
        match self {
            TypedKind::Constant(value) => Some(*value),
            TypedKind::Same(a) => a.constant,
            TypedKind::Unary(op, a) => Some(op.of(a.constant?)),
            TypedKind::Binary(op, a, b) => Some(op.of(a.constant?, b.constant?)),
            _ => None,
        }
    }

    /// Between which values the result lies. What no operand decides lies where its type says.
    fn range(&self, declared: Range) -> Range {
        use TypedKind::*;
        match self {
            Constant(value) => range::exactly(*value),
            PerLevel(values) => {
                values.iter().map(|v| range::exactly(*v)).reduce(range::hull).unwrap_or(declared)
            }
            Variable(_) | Coordinate(_) | Same(_) | State { .. } => declared,
            Unary(op, a) => op.range(a.ty.range),
            Binary(self::Binary::Power, a, b) => match b.constant {
                Some(exponent) => range::power(a.ty.range, exponent),
                None => range::UNKNOWN,
            },
            // The same field twice is a square, whatever its sign.
            Binary(self::Binary::Multiply, a, b) if Rc::ptr_eq(a, b) => range::power(a.ty.range, 2.0),
            Binary(op, a, b) => op.range(a.ty.range, b.ty.range),
            Compare(..) | Step(..) => range::SHARE,
            Select { then, otherwise, .. } => range::hull(then.ty.range, otherwise.ty.range),
            Weighted { value, weights } => range::weighted(value.ty.range, weights),
            Extreme { value, .. } | Shift { value, .. } | Interpolate { value, .. } => value.ty.range,
            Layer { of: LayerOf::Integral, value, .. } => {
                range::multiply(value.ty.range, range::NOT_NEGATIVE)
            }
            Layer { value, .. } => value.ty.range,
            Join { ground, above, .. } => range::hull(ground.ty.range, above.ty.range),
            Each { value, .. } => value.ty.range,
            Here { column, .. } => column.ty.range,
            Difference { .. } | Scan { .. } => range::UNKNOWN,
        }
    }
}

impl Unary {
    pub fn of(self, x: f64) -> f64 {
        match self {
            Unary::Negate => -x,
            Unary::Absolute => x.abs(),
            Unary::SquareRoot => x.sqrt(),
            Unary::Exponential => x.exp(),
            Unary::Logarithm => x.ln(),
            Unary::Sine => x.sin(),
            Unary::Cosine => x.cos(),
        }
    }

    fn range(self, x: Range) -> Range {
        match self {
            Unary::Negate => range::negate(x),
            Unary::Absolute => range::absolute(x),
            Unary::SquareRoot => range::square_root(x),
            Unary::Exponential => range::exponential(x),
            Unary::Logarithm => range::logarithm(x),
            Unary::Sine | Unary::Cosine => (Some(-1.0), Some(1.0)),
        }
    }
}

impl Binary {
    pub fn of(self, x: f64, y: f64) -> f64 {
        match self {
            Binary::Add => x + y,
            Binary::Subtract => x - y,
            Binary::Multiply => x * y,
            Binary::Divide => x / y,
            Binary::Minimum => x.min(y),
            Binary::Maximum => x.max(y),
            Binary::Power => x.powf(y),
            Binary::ArcTangent => x.atan2(y),
        }
    }

    fn range(self, x: Range, y: Range) -> Range {
        use std::f64::consts::PI;
        match self {
            Binary::Add => range::add(x, y),
            Binary::Subtract => range::subtract(x, y),
            Binary::Multiply => range::multiply(x, y),
            Binary::Divide => range::divide(x, y),
            Binary::Minimum => range::minimum(x, y),
            Binary::Maximum => range::maximum(x, y),
            Binary::Power => range::UNKNOWN,
            Binary::ArcTangent => (Some(-PI), Some(PI)),
        }
    }
}

impl TypedExpr {
    /// A node over others. Its range is what interval arithmetic makes of theirs.
    pub fn new(kind: TypedKind, mut ty: FieldType, span: Span, unit: Option<String>) -> TypedExpr {
        let (mut depth, mut stateful) = (0, matches!(kind, TypedKind::State { .. }));
        let mut local = matches!(kind, TypedKind::Here { .. });
        kind.each(|part| {
            depth = depth.max(part.depth);
            stateful |= part.stateful;
            local |= part.local;
        });
        if matches!(kind, TypedKind::Each { .. }) {
            local = false;
        }
        if matches!(kind, TypedKind::Scan { .. }) {
            stateful = false;
        }
        ty.range = kind.range(ty.range);
        let constant = kind.constant();
        if let Some(value) = constant {
            ty.range = range::exactly(value);
        }
        TypedExpr {
            ty,
            span,
            kind,
            unit,
            depth: depth.saturating_add(1),
            stateful,
            local,
            constant,
            variables: OnceCell::new(),
        }
    }

    /// The value, if it is one number known now.
    pub fn constant(&self) -> Option<f64> {
        self.constant
    }

    /// The ids of all variables below, each once, in order of first use.
    pub fn variables(&self) -> Vec<String> {
        self.variables
            .get_or_init(|| {
                let mut found = Vec::new();
                self.collect(&mut found, &mut BTreeSet::new());
                found
            })
            .clone()
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
        self.kind.each(|part| part.collect(found, seen));
    }

    /// How many nodes there are below, each shared one counted once; no further than `most`.
    pub fn size(&self, most: usize) -> usize {
        fn count(node: &TypedExpr, seen: &mut BTreeSet<*const TypedExpr>, most: usize) {
            if seen.len() < most && seen.insert(std::ptr::from_ref(node)) {
                node.kind.each(|part| count(part, seen, most));
            }
        }
        let mut seen = BTreeSet::new();
        count(self, &mut seen, most);
        seen.len()
    }
}

/// The expression with the states of a walk replaced by values; what has none of them stays shared.
pub fn with_states(expr: &Typed, walk: usize, values: &[Typed]) -> Typed {
    replace(expr, walk, values, &mut BTreeMap::new())
}

fn replace(
    expr: &Typed,
    walk: usize,
    values: &[Typed],
    done: &mut BTreeMap<*const TypedExpr, Typed>,
) -> Typed {
    if !expr.stateful {
        return expr.clone();
    }
    let key = Rc::as_ptr(expr);
    if let Some(known) = done.get(&key) {
        return known.clone();
    }
    let new = match &expr.kind {
        TypedKind::State { walk: of, number } if *of == walk => {
            values.get(*number).cloned().unwrap_or_else(|| expr.clone())
        }
        kind => {
            let kind = kind.map(|part| replace(part, walk, values, done));
            Rc::new(TypedExpr::new(kind, expr.ty.clone(), expr.span, expr.unit.clone()))
        }
    };
    done.insert(key, new.clone());
    new
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::types::Support;

    fn node(kind: TypedKind) -> Typed {
        let ty = FieldType { support: Support::Surface, ..FieldType::number() };
        Rc::new(TypedExpr::new(kind, ty, Span::default(), None))
    }

    #[test]
    fn what_is_shared_is_visited_once() {
        let mut x = node(TypedKind::Variable("x".into()));
        for _ in 0..500 {
            x = node(TypedKind::Binary(Binary::Add, x.clone(), x));
        }
        assert_eq!(x.variables(), ["x"]);
        assert_eq!(x.size(10_000), 501);
        assert_eq!(x.size(100), 100);
    }

    #[test]
    fn states_are_replaced_and_nothing_else() {
        let state = node(TypedKind::State { walk: 1, number: 0 });
        let other = node(TypedKind::Variable("x".into()));
        let sum = node(TypedKind::Binary(Binary::Add, state.clone(), other.clone()));
        let square = node(TypedKind::Binary(Binary::Multiply, sum.clone(), sum));
        assert!(square.stateful);
        let two = node(TypedKind::Constant(2.0));
        let replaced = with_states(&square, 1, &[two]);
        assert!(!replaced.stateful);
        assert_eq!(replaced.variables(), ["x"]);
        assert_eq!(replaced.ty.range, (Some(0.0), None), "a square is not negative");
        assert!(with_states(&square, 2, &[other]).stateful);
    }
}
