//! Types, expressions and chains: from the grammar's pairs to the tree.

use pest::iterators::Pair;

use crate::diagnostic::Diagnostic;
use crate::parse::Rule;
use crate::source::Span;
use crate::tree::*;

/// Operations within operations that an expression may hold. Passes over the tree recurse, and no
/// input may exhaust their stack.
const DEEPEST: usize = 250;

/// The raised digits, each at its own place.
const SUPERSCRIPTS: [char; 10] = ['⁰', '¹', '²', '³', '⁴', '⁵', '⁶', '⁷', '⁸', '⁹'];

/// Builds the parts of one line, whose text begins at a global offset.
///
/// Its methods are handed pairs of the rule they are named for and take the grammar's word for what
/// is inside; what the grammar cannot judge (numbers too large, towers too high) becomes the fault.
pub(crate) struct Builder {
    start: usize,
    fault: Option<Diagnostic>,
    /// The blocks within the line, read before it, in order.
    walks: Vec<Walk>,
    /// How high the expression built last is; kept up by [`Builder::node`].
    height: usize,
}

/// The block of a `scan` or `iterate`: where its `{` is, and what it says.
#[derive(Default)]
pub(crate) struct Walk {
    pub open: usize,
    pub states: Vec<Binding>,
    pub bindings: Vec<Binding>,
    pub steps: Vec<Binding>,
    /// The height of the highest expression in it.
    pub height: usize,
}

impl Builder {
    pub fn new(start: usize, walks: Vec<Walk>) -> Self {
        Builder { start, fault: None, walks, height: 0 }
    }

    /// How high the expression built last is.
    pub fn height(&self) -> usize {
        self.height
    }

    /// The first thing that was wrong, if any.
    pub fn into_fault(self) -> Option<Diagnostic> {
        self.fault
    }

    pub fn span(&self, pair: &Pair<'_, Rule>) -> Span {
        let span = pair.as_span();
        Span::new(self.start + span.start(), self.start + span.end())
    }

    pub fn name(&self, pair: &Pair<'_, Rule>) -> Name {
        Name { text: pair.as_str().to_string(), span: self.span(pair) }
    }

    /// A unit in one spelling, whichever was used: `m²·s⁻²` is `m^2*s^-2`, and µ the micro sign.
    pub fn unit(&self, pair: &Pair<'_, Rule>) -> Name {
        let mut text = String::new();
        let mut raised = false;
        for character in pair.as_str().chars() {
            let (plain, is_raised) = match character {
                '⁻' => ('-', true),
                '·' | '⋅' => ('*', false),
                'μ' => ('µ', false),
                other => SUPERSCRIPTS.iter().position(|s| *s == other).map_or((other, false), |digit| {
                    (char::from_digit(digit as u32, 10).unwrap_or(other), true)
                }),
            };
            if is_raised && !raised {
                text.push('^');
            }
            raised = is_raised;
            text.push(plain);
        }
        Name { text, span: self.span(pair) }
    }

    /// A string without its quotes; the span keeps them.
    pub fn text(&self, pair: &Pair<'_, Rule>) -> Name {
        Name { text: pair.as_str().trim_matches('"').to_string(), span: self.span(pair) }
    }

    pub fn comparison(&self, pair: &Pair<'_, Rule>) -> Comparison {
        match pair.as_str() {
            "<=" => Comparison::LessEqual,
            ">=" => Comparison::GreaterEqual,
            "<" => Comparison::Less,
            ">" => Comparison::Greater,
            _ => Comparison::Equal,
        }
    }

    // ---- types -------------------------------------------------------------

    pub fn ty(&mut self, pair: Pair<'_, Rule>) -> Type {
        let span = self.span(&pair);
        let mut ty = Type { quantity: nameless(span), bound: None, support: None, cell: None, span };
        for inner in pair.into_inner() {
            match inner.as_rule() {
                Rule::name => ty.quantity = self.name(&inner),
                Rule::bound => ty.bound = Some(self.bound(inner)),
                Rule::support => ty.support = Some(self.support(inner)),
                Rule::cell => ty.cell = Some(self.cell(inner)),
                _ => {}
            }
        }
        ty
    }

    pub fn parameters(&mut self, pair: Pair<'_, Rule>) -> Vec<Parameter> {
        let mut parameters = Vec::new();
        for inner in pair.into_inner().filter(|inner| inner.as_rule() == Rule::parameter) {
            let mut name = nameless(self.span(&inner));
            for part in inner.into_inner() {
                match part.as_rule() {
                    Rule::name => name = self.name(&part),
                    Rule::r#type => parameters.push(Parameter { name: name.clone(), ty: self.ty(part) }),
                    _ => {}
                }
            }
        }
        parameters
    }

    fn bound(&mut self, pair: Pair<'_, Rule>) -> Bound {
        let span = self.span(&pair);
        let mut comparison = None;
        let mut ends = Vec::new();
        for inner in pair.into_inner() {
            match inner.as_rule() {
                Rule::limit => comparison = Some(self.comparison(&inner)),
                Rule::expr => ends.push(self.expr(inner)),
                _ => {}
            }
        }
        let second = ends.pop().unwrap_or_else(|| nothing(span));
        match (comparison, ends.pop()) {
            (Some(comparison), _) => Bound::Compare { comparison, value: second },
            (None, start) => {
                let start = start.unwrap_or_else(|| nothing(span));
                let range = start.span.to(second.span);
                let (start, end) = (Box::new(start), Box::new(second));
                Bound::In(Expr { kind: ExprKind::Range { start, end, towards: false }, span: range })
            }
        }
    }

    fn support(&mut self, pair: Pair<'_, Rule>) -> Support {
        let mut support = Support { name: nameless(self.span(&pair)), argument: None };
        for inner in pair.into_inner() {
            match inner.as_rule() {
                Rule::name => support.name = self.name(&inner),
                Rule::arg => support.argument = Some(self.arg(inner)),
                _ => {}
            }
        }
        support
    }

    fn cell(&mut self, pair: Pair<'_, Rule>) -> Cell {
        let span = self.span(&pair);
        let mut cell = Cell { method: nameless(span), over: nothing(span) };
        for inner in pair.into_inner() {
            match inner.as_rule() {
                Rule::name => cell.method = self.name(&inner),
                Rule::extent => cell.over = self.extent(inner),
                _ => {}
            }
        }
        cell
    }

    // ---- clauses -----------------------------------------------------------

    /// In a clause `at` and `over` are joints like any other: `refc at 35 dBZ` is three parts, while
    /// `t at 500 hPa - t at 850 hPa` and whatever stands in a call are expressions.
    pub fn chain(&mut self, pair: Pair<'_, Rule>) -> Chain {
        let span = self.span(&pair);
        let mut parts = Vec::new();
        for inner in pair.into_inner() {
            match inner.as_rule() {
                Rule::joint => parts.push(Part::Joint(self.name(&inner))),
                Rule::arg => {
                    let value = self.arg(inner);
                    self.unfold(value, &mut parts);
                }
                _ => {}
            }
        }
        Chain { parts, span }
    }

    fn unfold(&self, value: Expr, parts: &mut Vec<Part>) {
        let (value, word, place) = match value.kind {
            ExprKind::At { value, place } => (value, "at", place),
            ExprKind::Over { value, extent } => (value, "over", extent),
            ExprKind::As { value, quantity } => (value, "as", quantity),
            _ => return parts.push(Part::Value(value)),
        };
        let between = Span { start: value.span.end, end: place.span.start };
        self.unfold(*value, parts);
        parts.push(Part::Joint(Name { text: word.to_string(), span: between }));
        self.unfold(*place, parts);
    }

    // ---- expressions -------------------------------------------------------

    pub fn arg(&mut self, pair: Pair<'_, Rule>) -> Expr {
        let mut pairs = pair.into_inner();
        let Some(left) = pairs.next() else { return nothing(Span::default()) };
        let left = self.expr(left);
        let (Some(middle), Some(right)) = (pairs.next(), pairs.next()) else { return left };
        let height = self.height;
        let right = self.expr(right);
        self.height = self.height.max(height);
        match middle.as_rule() {
            Rule::comparison => self.relation(left, self.comparison(&middle), right),
            other => self.range(left, other == Rule::towards, right),
        }
    }

    pub fn relation(&mut self, left: Expr, comparison: Comparison, right: Expr) -> Expr {
        let span = left.span.to(right.span);
        self.node(ExprKind::Relation { left: Box::new(left), comparison, right: Box::new(right) }, span)
    }

    fn range(&mut self, start: Expr, towards: bool, end: Expr) -> Expr {
        let span = start.span.to(end.span);
        self.node(ExprKind::Range { start: Box::new(start), end: Box::new(end), towards }, span)
    }

    pub fn expr(&mut self, pair: Pair<'_, Rule>) -> Expr {
        self.fold(pair, Builder::term)
    }

    fn term(&mut self, pair: Pair<'_, Rule>) -> Expr {
        self.fold(pair, Builder::factor)
    }

    /// `a - b - c` is `(a - b) - c`.
    fn fold(&mut self, pair: Pair<'_, Rule>, operand: fn(&mut Self, Pair<'_, Rule>) -> Expr) -> Expr {
        let mut left: Option<Expr> = None;
        let mut operator = Operator::Add;
        let mut height = 0;
        for inner in pair.into_inner() {
            match inner.as_rule() {
                Rule::plus => operator = Operator::Add,
                Rule::minus => operator = Operator::Subtract,
                Rule::times => operator = Operator::Multiply,
                Rule::divide => operator = Operator::Divide,
                _ => {
                    let right = operand(self, inner);
                    self.height = self.height.max(height);
                    left = Some(match left {
                        None => right,
                        Some(left) => {
                            let span = left.span.to(right.span);
                            let (left, right) = (Box::new(left), Box::new(right));
                            self.node(ExprKind::Binary { operator, left, right }, span)
                        }
                    });
                    height = self.height;
                    if self.fault.is_some() {
                        break;
                    }
                }
            }
        }
        left.unwrap_or_else(|| nothing(Span::default()))
    }

    fn factor(&mut self, pair: Pair<'_, Rule>) -> Expr {
        let span = self.span(&pair);
        let mut negative = false;
        let mut value = nothing(span);
        for inner in pair.into_inner() {
            match inner.as_rule() {
                Rule::minus => negative = true,
                Rule::postfix => value = self.postfix(inner),
                Rule::exponent => {
                    let exponent = self.number(&inner);
                    let whole = value.span.to(self.span(&inner));
                    value = self.node(ExprKind::Power { base: Box::new(value), exponent }, whole);
                }
                _ => {}
            }
        }
        if negative { self.negate(value, span) } else { value }
    }

    /// `-5 K` is a number; anything else that is negated is an operation.
    fn negate(&mut self, value: Expr, span: Span) -> Expr {
        match value.kind {
            ExprKind::Measure { value, unit } => {
                Expr { kind: ExprKind::Measure { value: -value, unit }, span }
            }
            _ => self.node(ExprKind::Negate(Box::new(value)), span),
        }
    }

    fn postfix(&mut self, pair: Pair<'_, Rule>) -> Expr {
        let mut value: Option<Expr> = None;
        let mut word = Rule::at_word;
        let mut height = 0;
        for inner in pair.into_inner() {
            match inner.as_rule() {
                rule @ (Rule::at_word | Rule::over_word | Rule::as_word) => word = rule,
                Rule::extent => {
                    let place = Box::new(self.extent(inner));
                    self.height = self.height.max(height);
                    if let Some(inner) = value.take() {
                        let (span, inner) = (inner.span.to(place.span), Box::new(inner));
                        let kind = match word {
                            Rule::over_word => ExprKind::Over { value: inner, extent: place },
                            Rule::as_word => ExprKind::As { value: inner, quantity: place },
                            _ => ExprKind::At { value: inner, place },
                        };
                        value = Some(self.node(kind, span));
                    }
                    height = self.height;
                    if self.fault.is_some() {
                        break;
                    }
                }
                _ => {
                    value = Some(self.primary(inner));
                    height = self.height;
                }
            }
        }
        value.unwrap_or_else(|| nothing(Span::default()))
    }

    fn extent(&mut self, pair: Pair<'_, Rule>) -> Expr {
        let mut start: Option<Expr> = None;
        let mut towards = false;
        let mut height = 0;
        for inner in pair.into_inner() {
            match inner.as_rule() {
                Rule::towards => towards = true,
                Rule::signed => {
                    let value = self.signed(inner);
                    self.height = self.height.max(height);
                    start = Some(match start {
                        None => value,
                        Some(start) => self.range(start, towards, value),
                    });
                    height = self.height;
                }
                _ => {}
            }
        }
        start.unwrap_or_else(|| nothing(Span::default()))
    }

    fn signed(&mut self, pair: Pair<'_, Rule>) -> Expr {
        let span = self.span(&pair);
        let mut negative = false;
        let mut value = nothing(span);
        for inner in pair.into_inner() {
            match inner.as_rule() {
                Rule::minus => negative = true,
                _ => value = self.primary(inner),
            }
        }
        if negative { self.negate(value, span) } else { value }
    }

    fn primary(&mut self, pair: Pair<'_, Rule>) -> Expr {
        let span = self.span(&pair);
        self.height = 0;
        let kind = match pair.as_rule() {
            Rule::date => ExprKind::Date(pair.as_str().to_string()),
            Rule::path => ExprKind::Path(pair.as_str().to_string()),
            Rule::string => ExprKind::Text(self.text(&pair).text),
            Rule::measure => self.measure(pair),
            Rule::call => self.call(pair),
            Rule::scan => self.scan(pair),
            Rule::iterate => self.iterate(pair),
            Rule::list => self.list(pair),
            // A group is its content: brackets say nothing that the tree's shape does not.
            _ => {
                let inner = pair.into_inner().find(|inner| inner.as_rule() == Rule::arg);
                return inner.map_or_else(|| nothing(span), |inner| Expr { span, ..self.arg(inner) });
            }
        };
        self.node(kind, span)
    }

    fn measure(&mut self, pair: Pair<'_, Rule>) -> ExprKind {
        let (mut value, mut unit) = (0.0, None);
        for inner in pair.into_inner() {
            match inner.as_rule() {
                Rule::number => value = self.number(&inner),
                _ => unit = Some(self.unit(&inner)),
            }
        }
        ExprKind::Measure { value, unit }
    }

    fn number(&mut self, pair: &Pair<'_, Rule>) -> f64 {
        let value = pair.as_str().replace('_', "").parse().unwrap_or(f64::INFINITY);
        if !value.is_finite() {
            let span = self.span(pair);
            self.fault.get_or_insert_with(|| {
                Diagnostic::error("syntax", "this number is too large")
                    .label(span, format!("more than {:e}", f64::MAX))
                    .help("look for a digit too many in its exponent")
            });
        }
        value
    }

    fn scan(&mut self, pair: Pair<'_, Rule>) -> ExprKind {
        let span = self.span(&pair);
        let (mut names, mut from, mut walk) = (Vec::new(), None, Walk::default());
        let mut height = 0;
        for inner in pair.into_inner() {
            match inner.as_rule() {
                Rule::name => names.push(self.name(&inner)),
                Rule::expr => {
                    from = Some(Box::new(self.expr(inner)));
                    height = self.height;
                }
                Rule::braces => walk = self.walk(&inner),
                _ => {}
            }
        }
        self.height = height.max(walk.height);
        let mut names = names.into_iter();
        let mut name = || names.next().unwrap_or_else(|| nameless(span));
        let (levels, direction) = (name(), name());
        let Walk { states, bindings, steps, .. } = walk;
        ExprKind::Scan { levels, direction, from, states, bindings, steps }
    }

    fn iterate(&mut self, pair: Pair<'_, Rule>) -> ExprKind {
        let span = self.span(&pair);
        let (mut count, mut walk) = (nothing(span), Walk::default());
        for inner in pair.into_inner() {
            match inner.as_rule() {
                Rule::expr => count = self.expr(inner),
                Rule::braces => walk = self.walk(&inner),
                _ => {}
            }
        }
        self.height = self.height.max(walk.height);
        let Walk { states, bindings, steps, .. } = walk;
        ExprKind::Iterate { count: Box::new(count), states, bindings, steps }
    }

    /// What was read of the block at a place. Text that the grammar reads twice is built once.
    fn walk(&mut self, braces: &Pair<'_, Rule>) -> Walk {
        let open = self.span(braces).start as usize;
        let found = self.walks.binary_search_by_key(&open, |walk| walk.open).ok();
        found.and_then(|index| self.walks.get_mut(index)).map_or_else(Walk::default, |walk| {
            let taken = std::mem::take(walk);
            walk.open = open;
            taken
        })
    }

    fn list(&mut self, pair: Pair<'_, Rule>) -> ExprKind {
        let (mut items, mut unit, mut height) = (Vec::new(), None, 0);
        for inner in pair.into_inner() {
            match inner.as_rule() {
                Rule::unit => unit = Some(self.unit(&inner)),
                _ => {
                    for item in inner.into_inner().filter(|item| item.as_rule() == Rule::arg) {
                        items.push(self.arg(item));
                        height = self.height.max(height);
                    }
                }
            }
        }
        self.height = height;
        ExprKind::List { items, unit }
    }

    fn call(&mut self, pair: Pair<'_, Rule>) -> ExprKind {
        let mut function = nameless(self.span(&pair));
        let (mut inputs, mut height) = (Vec::new(), 0);
        for inner in pair.into_inner() {
            if inner.as_rule() == Rule::path {
                function = self.name(&inner);
                continue;
            }
            for input in inner.into_inner().filter(|input| input.as_rule() == Rule::input) {
                inputs.push(self.input(input));
                height = self.height.max(height);
            }
        }
        self.height = height;
        ExprKind::Call { function, inputs }
    }

    fn input(&mut self, pair: Pair<'_, Rule>) -> Input {
        let mut input = Input { label: None, value: nothing(self.span(&pair)) };
        for inner in pair.into_inner() {
            match inner.as_rule() {
                Rule::label => input.label = Some(self.name(&inner)),
                Rule::arg => input.value = self.arg(inner),
                _ => {}
            }
        }
        input
    }

    /// A node on top of what was built since the height was last set.
    fn node(&mut self, kind: ExprKind, span: Span) -> Expr {
        self.height += 1;
        if self.height > DEEPEST {
            self.fault.get_or_insert_with(|| {
                Diagnostic::error("too-deep", "this expression is too long or too deeply nested")
                    .label(span, format!("more than {DEEPEST} operations within one another"))
                    .help("give parts of it names of their own, each with a `derive` or a `loss`")
            });
        }
        Expr { kind, span }
    }
}

fn nameless(span: Span) -> Name {
    Name { text: String::new(), span }
}

fn nothing(span: Span) -> Expr {
    Expr { kind: ExprKind::Text(String::new()), span }
}
