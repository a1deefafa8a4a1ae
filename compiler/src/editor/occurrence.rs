//! Every word of a file that means something, with what it means.

use aurora_grammar::tree::{
    Binding, Block, BlockItem, Bound, Chain, Clause, ConstraintMode, Entry, Expr, ExprKind, File, Input,
    Item, ItemKind, Name, Part, Type,
};
use aurora_grammar::{SourceMap, Span};

use super::lookup::{block_word, clause_word, value_word};
use crate::resolve::{Resolved, ScopeId};
use crate::vocabulary::{self, Word, values};

/// A word and what it stands for.
#[derive(Clone, Debug)]
pub struct Occurrence {
    pub span: Span,
    pub target: Target,
    /// It is here that the target gets its name.
    pub defines: bool,
}

/// What a word stands for.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Target {
    /// A definition, by its id: a variable, a derive, levels, a grid, a loss, a constraint, a head.
    Definition(String),
    Quantity(String),
    /// `phase adapt`: the block's word and its name.
    Block(String, String),
    /// A parameter, or a name of `where`: where it is defined, which no two share.
    Local(String, u32),
    Library(String),
    /// The recipe that is extended, as written.
    Parent(String),
    Unit(String),
    /// A word of the language, and the block or call it belongs to.
    Word(Option<String>, Keyword),
}

/// A [`Word`] that can be compared.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Keyword(pub Word);

impl PartialOrd for Keyword {
    fn partial_cmp(&self, other: &Self) -> Option<std::cmp::Ordering> {
        Some(self.cmp(other))
    }
}

impl Ord for Keyword {
    fn cmp(&self, other: &Self) -> std::cmp::Ordering {
        (self.0.word, self.0.says).cmp(&(other.0.word, other.0.says))
    }
}

/// The occurrences of a file, in the order of their places.
pub fn of(file: &File, sources: &SourceMap, resolved: &Resolved, scope: ScopeId) -> Vec<Occurrence> {
    let mut walker = Walker { sources, resolved, scope, locals: Vec::new(), found: Vec::new() };
    walker.file(file);
    walker.found.sort_by_key(|o| (o.span.start, o.span.end));
    walker.found
}

struct Walker<'a> {
    sources: &'a SourceMap,
    resolved: &'a Resolved,
    scope: ScopeId,
    /// Names of parameters and of `where`, the innermost last, with the place where each is defined.
    locals: Vec<(String, u32)>,
    found: Vec<Occurrence>,
}

/// What the bare names of a clause may be.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Names {
    /// Whatever is in scope.
    Any,
    /// Heads, beside the language's own groups of weights.
    Heads,
    /// Words of the language only.
    Words,
}

impl Walker<'_> {
    fn push(&mut self, span: Span, target: Target, defines: bool) {
        if span.end > span.start {
            self.found.push(Occurrence { span, target, defines });
        }
    }

    fn word(&mut self, span: Span, around: Option<&str>, word: Option<&'static Word>) {
        if let Some(word) = word {
            self.push(span, Target::Word(around.map(str::to_string), Keyword(*word)), false);
        }
    }

    fn file(&mut self, file: &File) {
        if let Some(header) = &file.header {
            self.first_word(header.span);
            if let Some(parent) = &header.extends {
                self.push(parent.span, Target::Parent(parent.text.clone()), false);
            }
        }
        for item in &file.items {
            self.item(item, true);
        }
    }

    /// The word that begins an item.
    fn first_word(&mut self, span: Span) {
        let text = self.sources.slice(span);
        let blank = text.len() - text.trim_start().len();
        let word: &str = text.trim_start();
        let word = &word[..word.find(|c: char| !c.is_ascii_alphanumeric() && c != '_').unwrap_or(word.len())];
        let start = span.start as usize + blank;
        let known = vocabulary::ITEMS.iter().find(|item| item.word == word);
        self.word(Span::new(start, start + word.len()), None, known);
    }

    /// A name that an item gives, or that an `amend` takes up.
    fn given(&mut self, name: &Name, defines: bool) {
        let known = self.resolved.lookup(self.scope, &name.text);
        let id = match (self.library(), known) {
            // What is amended may belong to a library.
            (_, Some(known)) if !defines => known.id.clone(),
            (None, _) => name.text.clone(),
            (Some(library), _) => format!("{library}.{}", name.text),
        };
        self.push(name.span, Target::Definition(id), defines);
    }

    fn library(&self) -> Option<String> {
        let mut all = self.resolved.definitions.values();
        all.find(|d| d.scope == self.scope).and_then(|d| d.library.clone())
    }

    fn item(&mut self, item: &Item, defines: bool) {
        self.first_word(item.span);
        match &item.kind {
            ItemKind::Use { path, names, .. } => {
                self.push(path.span, Target::Library(path.text.clone()), false);
                names.iter().for_each(|name| self.used(name));
            }
            ItemKind::Amend(inner) => self.item(inner, false),
            ItemKind::Drop { kind, name } => self.dropped(kind, name),
            ItemKind::Grid { name, value, .. } => {
                self.given(name, defines);
                self.expression(value, Names::Any);
            }
            ItemKind::Levels { name, coordinate, value, block, .. } => {
                self.given(name, defines);
                self.quantity(coordinate);
                self.expression(value, Names::Any);
                self.block("levels", block.as_ref());
            }
            ItemKind::Quantity { name, unit, .. } => {
                self.push(name.span, Target::Quantity(name.text.clone()), defines);
                self.push(unit.span, Target::Unit(unit.text.clone()), false);
            }
            ItemKind::Variable { name, ty, block, .. } => {
                self.given(name, defines);
                ty.iter().for_each(|ty| self.written_type(ty));
                self.block("variable", block.as_ref());
            }
            ItemKind::Derive { name, parameters, ty, value, bindings, block, .. } => {
                self.given(name, defines);
                self.block("variable", block.as_ref());
                ty.iter().for_each(|ty| self.written_type(ty));
                for parameter in parameters {
                    self.written_type(&parameter.ty);
                }
                let names: Vec<&Name> = parameters.iter().map(|parameter| &parameter.name).collect();
                self.formula(&names, bindings, &[value]);
            }
            ItemKind::Constraint { name, relation, mode, bindings, .. } => {
                self.given(name, defines);
                let mut values = vec![relation];
                if let ConstraintMode::Within(tolerance) = mode {
                    values.push(tolerance);
                }
                self.formula(&[], bindings, &values);
            }
            ItemKind::Loss { name, value, bindings, .. } => {
                self.given(name, defines);
                self.formula(&[], bindings, &[value]);
            }
            ItemKind::Block(block) => self.block_item(block, defines),
        }
    }

    fn used(&mut self, name: &Name) {
        let found = self.resolved.lookup(self.scope, &name.text).map(|d| d.id.clone());
        match found {
            Some(id) => self.push(name.span, Target::Definition(id), false),
            None => self.quantity(name),
        }
    }

    fn dropped(&mut self, kind: &Name, name: &Name) {
        self.word(kind.span, None, block_word(&kind.text));
        let known = vocabulary::ITEMS.iter().find(|item| item.word == kind.text);
        self.word(kind.span, None, known);
        if kind.text == "quantity" {
            self.quantity(name);
        } else if known.is_some() || kind.text == "head" {
            self.given(name, false);
        } else {
            self.push(name.span, Target::Block(kind.text.clone(), name.text.clone()), false);
        }
    }

    fn quantity(&mut self, name: &Name) {
        if self.resolved.quantities.contains_key(&name.text) {
            self.push(name.span, Target::Quantity(name.text.clone()), false);
        }
    }

    /// Expressions with the names of parameters and of `where`: each binding sees those before it.
    fn formula(&mut self, parameters: &[&Name], bindings: &[Binding], values: &[&Expr]) {
        let before = self.locals.len();
        for name in parameters {
            self.local(name);
        }
        for binding in bindings {
            self.expression(&binding.value, Names::Any);
            self.local(&binding.name);
        }
        for value in values {
            self.expression(value, Names::Any);
        }
        self.locals.truncate(before);
    }

    fn local(&mut self, name: &Name) {
        self.locals.push((name.text.clone(), name.span.start));
        self.push(name.span, Target::Local(name.text.clone(), name.span.start), true);
    }

    fn written_type(&mut self, ty: &Type) {
        self.quantity(&ty.quantity);
        match &ty.bound {
            Some(Bound::Compare { value, .. } | Bound::In(value)) => self.expression(value, Names::Any),
            None => {}
        }
        if let Some(support) = &ty.support {
            match values::find(values::SUPPORTS, &support.name.text) {
                Some(word) => self.word(support.name.span, Some("on"), Some(word)),
                None => self.name(&support.name.text, support.name.span, Names::Any),
            }
            support.argument.iter().for_each(|value| self.expression(value, Names::Any));
        }
        ty.cell.iter().for_each(|cell| self.expression(&cell.over, Names::Any));
    }

    // ---- blocks ------------------------------------------------------------

    fn block_item(&mut self, item: &BlockItem, defines: bool) {
        let kind = item.kind.text.as_str();
        self.word(item.kind.span, None, block_word(kind));
        if let Some(name) = &item.name {
            if kind == "head" {
                self.given(name, defines);
            } else {
                self.push(name.span, Target::Block(kind.to_string(), name.text.clone()), defines);
            }
        }
        if let Some(split) = &item.on {
            let known = vocabulary::block("data").and_then(|data| clause_word(data.word, &split.text));
            self.word(split.span, Some("data"), known);
        }
        self.block(kind, Some(&item.block));
    }

    fn block(&mut self, kind: &str, block: Option<&Block>) {
        for entry in block.iter().flat_map(|block| &block.entries) {
            match entry {
                Entry::Clause(clause) => self.clause(kind, clause),
                Entry::Item(item) => self.item(item, !matches!(item.kind, ItemKind::Amend(_))),
            }
        }
    }

    fn clause(&mut self, kind: &str, clause: &Clause) {
        let word = clause.word.text.as_str();
        self.word(clause.word.span, Some(kind), clause_word(kind, word));
        let names = match (kind, word) {
            ("data", "archive" | "every" | "months")
            | ("model", "base" | "architecture" | "step" | "history") => Names::Words,
            ("phase", "train" | "optimise" | "precision") | ("ensemble", "shares") => Names::Heads,
            ("phase", "average") | ("evaluate", "against" | "by") | ("head", "layers") => Names::Words,
            _ => Names::Any,
        };
        for chain in &clause.values {
            self.chain(kind, word, chain, names);
        }
    }

    fn chain(&mut self, kind: &str, word: &str, chain: &Chain, names: Names) {
        let is_of = |part: &Part| matches!(part, Part::Joint(joint) if joint.text == "of");
        // What is scored stands behind `of`; `csi, pod of refc` is two chains, the first without one.
        let scored = chain.parts.iter().position(is_of);
        for (index, part) in chain.parts.iter().enumerate() {
            let Part::Value(value) = part else { continue };
            let score = (kind, word) == ("evaluate", "score") && scored.is_none_or(|of| index < of);
            match &value.kind {
                ExprKind::Path(text) if score && values::find(values::SCORES, text).is_some() => {
                    self.word(value.span, Some("score"), values::find(values::SCORES, text));
                }
                _ => self.expression(value, names),
            }
        }
    }

    // ---- expressions -------------------------------------------------------

    /// A bare name: a local one, one in scope, or a word of the language.
    fn name(&mut self, text: &str, span: Span, names: Names) {
        if names == Names::Any
            && let Some((name, at)) = self.locals.iter().rev().find(|(name, _)| name == text).cloned()
        {
            return self.push(span, Target::Local(name, at), false);
        }
        let found = self.resolved.lookup(self.scope, text).filter(|definition| match names {
            Names::Any => true,
            Names::Heads => matches!(definition.item.kind, ItemKind::Block(_)),
            Names::Words => false,
        });
        match found.map(|definition| definition.id.clone()) {
            Some(id) => self.push(span, Target::Definition(id), false),
            None => self.word(span, None, value_word(text)),
        }
    }

    fn unit(&mut self, unit: Option<&Name>) {
        if let Some(unit) = unit {
            self.push(unit.span, Target::Unit(unit.text.clone()), false);
        }
    }

    /// The parser bounds how deep an expression is.
    fn expression(&mut self, expr: &Expr, names: Names) {
        match &expr.kind {
            ExprKind::Measure { unit, .. } => self.unit(unit.as_ref()),
            ExprKind::Date(_) | ExprKind::Text(_) => {}
            ExprKind::Path(text) => self.name(text, tight(self.sources, expr.span, text), names),
            ExprKind::Call { function, inputs } => {
                self.name(&function.text, function.span, names);
                for input in inputs {
                    self.input(&function.text, input);
                }
            }
            ExprKind::List { items, unit } => {
                items.iter().for_each(|item| self.expression(item, names));
                self.unit(unit.as_ref());
            }
            ExprKind::Range { start: a, end: b, .. }
            | ExprKind::Relation { left: a, right: b, .. }
            | ExprKind::Binary { left: a, right: b, .. }
            | ExprKind::At { value: a, place: b }
            | ExprKind::Over { value: a, extent: b } => {
                self.expression(a, names);
                self.expression(b, names);
            }
            ExprKind::As { value, quantity } => {
                self.expression(value, names);
                if let ExprKind::Path(text) = &quantity.kind {
                    self.quantity(&Name { text: text.clone(), span: quantity.span });
                }
            }
            ExprKind::Scan { levels, direction, from, states, bindings, steps } => {
                self.name(&levels.text, levels.span, names);
                self.word(direction.span, None, value_word(&direction.text));
                from.iter().for_each(|from| self.expression(from, names));
                self.walk(states, bindings, steps);
            }
            ExprKind::Iterate { count, states, bindings, steps } => {
                self.expression(count, names);
                self.walk(states, bindings, steps);
            }
            ExprKind::Negate(inner) | ExprKind::Power { base: inner, .. } => self.expression(inner, names),
        }
    }

    /// The states of a walk and how they go on: all are known to every step, and nothing of them outside.
    fn walk(&mut self, states: &[Binding], bindings: &[Binding], steps: &[Binding]) {
        let before = self.locals.len();
        for state in states {
            self.expression(&state.value, Names::Any);
        }
        for state in states {
            self.local(&state.name);
        }
        for binding in bindings {
            self.expression(&binding.value, Names::Any);
            self.local(&binding.name);
        }
        for step in steps {
            self.expression(&step.value, Names::Any);
            self.name(&step.name.text, step.name.span, Names::Any);
        }
        self.locals.truncate(before);
    }

    fn input(&mut self, function: &str, input: &Input) {
        if let Some(label) = &input.label {
            let known = values::find(values::inputs_of(function), &label.text);
            self.word(label.span, Some(function), known);
        }
        self.expression(&input.value, Names::Any);
    }
}

/// The span of a name itself, where its expression may have brackets around it.
fn tight(sources: &SourceMap, span: Span, text: &str) -> Span {
    match sources.slice(span).find(text) {
        Some(at) => {
            let start = span.start as usize + at;
            Span::new(start, start + text.len())
        }
        None => span,
    }
}
