//! The syntax tree: what was written, where, and nothing about what it means.
//!
//! Every node carries the [`Span`] of its text, in the global offsets of a `SourceMap`, so a
//! diagnostic can point at it whichever file it came from. Spans never take part in comparisons:
//! two trees are equal when they say the same.

use crate::source::Span;

/// A piece of text and where it stands. Names keep dots (`std.hrrr`), strings lose their quotes.
#[derive(Clone, Debug)]
pub struct Name {
    pub text: String,
    pub span: Span,
}

impl PartialEq for Name {
    fn eq(&self, other: &Self) -> bool {
        self.text == other.text
    }
}

/// One `.aurora` file.
#[derive(Clone, Debug, PartialEq)]
pub struct File {
    /// The version after `aurora`, for instance `1.0`; absent if the line was missing or bad.
    pub edition: Option<Name>,
    pub header: Option<Header>,
    pub items: Vec<Item>,
    pub span: Span,
}

/// `recipe NAME "title" extends "file"` or `library NAME "title"`.
#[derive(Clone, Debug, PartialEq)]
pub struct Header {
    pub kind: HeaderKind,
    pub name: Name,
    pub title: Option<Name>,
    pub extends: Option<Name>,
    pub span: Span,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum HeaderKind {
    Recipe,
    Library,
}

#[derive(Clone, Debug, PartialEq)]
pub struct Item {
    pub kind: ItemKind,
    pub span: Span,
}

#[derive(Clone, Debug, PartialEq)]
pub enum ItemKind {
    /// `use std.hrrr (t, q)`; no names means the whole library. `by default`: what neither this file nor the recipe has
    /// itself.
    Use { path: Name, names: Vec<Name>, by_default: bool },
    /// `amend phase adapt { … }`.
    Amend(Box<Item>),
    /// `drop phase adapt`.
    Drop { kind: Name, name: Name },
    /// `grid conus = lambert(…)`.
    Grid { name: Name, value: Expr, title: Option<Name> },
    /// `levels pl : pressure = [1000, 925] hPa { … }`.
    Levels { name: Name, coordinate: Name, value: Expr, title: Option<Name>, block: Option<Block> },
    /// `quantity temperature = K`.
    Quantity { name: Name, unit: Name, title: Option<Name> },
    /// `variable t : temperature on pl from "TMP" { … }`. An `amend variable` may leave the type out.
    Variable { name: Name, ty: Option<Type>, from: Option<Name>, title: Option<Name>, block: Option<Block> },
    /// `derive x : TYPE = EXPR where { … }`, with parameters a function. Instead of `where` it may have a
    /// block of clauses, like a variable: `derive u10 : eastward_wind = … { named "10u" }`.
    Derive {
        name: Name,
        parameters: Vec<Parameter>,
        ty: Option<Type>,
        value: Expr,
        title: Option<Name>,
        bindings: Vec<Binding>,
        block: Option<Block>,
    },
    /// `constraint x : A <= B within C`.
    Constraint {
        name: Name,
        relation: Expr,
        mode: ConstraintMode,
        title: Option<Name>,
        bindings: Vec<Binding>,
    },
    /// `loss x = EXPR`.
    Loss { name: Name, value: Expr, title: Option<Name>, bindings: Vec<Binding> },
    /// `data { }`, `model { }`, `head x { }`, `phase x { }`, `evaluate x on test { }`, `ensemble`, `member`.
    Block(BlockItem),
}

#[derive(Clone, Debug, PartialEq)]
pub struct BlockItem {
    /// `data`, `model`, `head`, `phase`, `evaluate`, `ensemble`, `member`.
    pub kind: Name,
    pub name: Option<Name>,
    /// `test` in `evaluate convection on test`.
    pub on: Option<Name>,
    pub title: Option<Name>,
    pub block: Block,
}

/// How a constraint is held: `within TOLERANCE` (may be penalised), `always` (projected), or watched.
#[derive(Clone, Debug, Default, PartialEq)]
pub enum ConstraintMode {
    #[default]
    Watched,
    Within(Expr),
    Always(Span),
}

#[derive(Clone, Debug, PartialEq)]
pub struct Parameter {
    pub name: Name,
    pub ty: Type,
}

/// `shear = …` inside `where { }`, or what follows `start` and `step`.
#[derive(Clone, Debug, PartialEq)]
pub struct Binding {
    pub name: Name,
    pub value: Expr,
}

#[derive(Clone, Debug, PartialEq)]
pub struct Block {
    pub entries: Vec<Entry>,
    pub span: Span,
}

/// What may stand in a block: a clause, or an `amend`, a `drop` or an inner block.
#[derive(Clone, Debug, PartialEq)]
#[allow(clippy::large_enum_variant)] // a recipe has some hundred entries; boxes would only be in the way
pub enum Entry {
    Clause(Clause),
    Item(Item),
}

/// `score rmse of t at 500 hPa, bias of t`: a word and its comma-separated chains.
#[derive(Clone, Debug, PartialEq)]
pub struct Clause {
    pub word: Name,
    pub values: Vec<Chain>,
    pub span: Span,
}

/// `csi of refc at [20, 30] dBZ`: values joined by little words.
#[derive(Clone, Debug, PartialEq)]
pub struct Chain {
    pub parts: Vec<Part>,
    pub span: Span,
}

#[derive(Clone, Debug, PartialEq)]
pub enum Part {
    /// `of`, `in`, `to`, `by`, `on`, `with`, `against`, `within`, `from`, `over`, `for`, `at`, `when`, `as`.
    ///
    /// A chain's value is never itself an [`ExprKind::At`], [`ExprKind::Over`] or [`ExprKind::As`]: `refc at 35 dBZ` in a
    /// clause is a value, a joint and a value. Inside calls, sums and relations they are expressions.
    Joint(Name),
    Value(Expr),
}

/// `temperature in 180 .. 340 K on surface(2 m), max over 1 h`.
#[derive(Clone, Debug, PartialEq)]
pub struct Type {
    pub quantity: Name,
    pub bound: Option<Bound>,
    pub support: Option<Support>,
    pub cell: Option<Cell>,
    pub span: Span,
}

#[derive(Clone, Debug, PartialEq)]
pub enum Bound {
    /// `>= 0 J/kg`
    Compare { comparison: Comparison, value: Expr },
    /// `in 180 .. 340 K`; the expression is a [`ExprKind::Range`].
    In(Expr),
}

#[derive(Clone, Debug, PartialEq)]
pub struct Support {
    pub name: Name,
    pub argument: Option<Expr>,
}

/// `max over 1 h`.
#[derive(Clone, Debug, PartialEq)]
pub struct Cell {
    pub method: Name,
    pub over: Expr,
}

#[derive(Clone, Debug, PartialEq)]
pub struct Expr {
    pub kind: ExprKind,
    pub span: Span,
}

#[derive(Clone, Debug, PartialEq)]
pub enum ExprKind {
    /// `1000 J/kg`, or a plain number.
    Measure {
        value: f64,
        unit: Option<Name>,
    },
    /// `2019-01-01` or `2019-01-01T06:00Z`, as written.
    Date(String),
    Text(String),
    /// A name, dots kept: `t`, `hrrr.forecast`.
    Path(String),
    Call {
        function: Name,
        inputs: Vec<Input>,
    },
    /// `[1000, 925] hPa`.
    List {
        items: Vec<Expr>,
        unit: Option<Name>,
    },
    /// `a .. b`, or `a -> b` when `towards`.
    Range {
        start: Box<Expr>,
        end: Box<Expr>,
        towards: bool,
    },
    /// `a <= b`.
    Relation {
        left: Box<Expr>,
        comparison: Comparison,
        right: Box<Expr>,
    },
    Negate(Box<Expr>),
    Binary {
        operator: Operator,
        left: Box<Expr>,
        right: Box<Expr>,
    },
    /// `x ^ 2`.
    Power {
        base: Box<Expr>,
        exponent: f64,
    },
    /// `t at 500 hPa`, `t at pl`.
    At {
        value: Box<Expr>,
        place: Box<Expr>,
    },
    /// `w over 2 km .. 5 km`.
    Over {
        value: Box<Expr>,
        extent: Box<Expr>,
    },
    /// `srh3 as buoyant_energy`.
    As {
        value: Box<Expr>,
        quantity: Box<Expr>,
    },
    /// `scan pl upward from p0 { start … step … }`: a walk along the levels. The first of its `states` is
    /// what it gives; `steps` say what becomes of them from one level to the next. `bindings` name what several steps
    /// need on a level.
    Scan {
        levels: Name,
        /// `upward` or `downward`.
        direction: Name,
        from: Option<Box<Expr>>,
        states: Vec<Binding>,
        bindings: Vec<Binding>,
        steps: Vec<Binding>,
    },
    /// `iterate 5 { start … step … }`: the same step, so many times.
    Iterate {
        count: Box<Expr>,
        states: Vec<Binding>,
        bindings: Vec<Binding>,
        steps: Vec<Binding>,
    },
}

/// One input of a call; `rate = 1e-3` has a label.
#[derive(Clone, Debug, PartialEq)]
pub struct Input {
    pub label: Option<Name>,
    pub value: Expr,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Operator {
    Add,
    Subtract,
    Multiply,
    Divide,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Comparison {
    LessEqual,
    GreaterEqual,
    Equal,
    Less,
    Greater,
}
