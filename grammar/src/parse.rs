//! From text to tree, without ever failing: a line that makes no sense becomes one diagnostic.

use std::ops::Range;
use std::sync::Once;

use pest::Parser;
use pest::iterators::{Pair, Pairs};
use pest_derive::Parser;

use crate::complaint;
use crate::diagnostic::{Diagnostic, Diagnostics};
use crate::expression::{Builder, Walk};
use crate::forms;
use crate::layout::{self, Body, Line};
use crate::source::{FileId, SourceMap, Span};
use crate::tree::*;

#[derive(Parser)]
#[grammar = "aurora.pest"]
pub(crate) struct Grammar;

/// Reads one file. Whatever cannot be read is reported and left out; the rest is kept.
pub fn parse(file: FileId, sources: &SourceMap, diagnostics: &mut Diagnostics) -> File {
    limit_work();
    let text = sources.text(file);
    let mut found = Vec::new();
    let lines = layout::lines(text, sources.base(file), &mut found);
    let mut reader = Reader { text, base: sources.base(file), diagnostics: found };
    let tree = reader.file(lines);
    let mut sorted = Diagnostics::new();
    sorted.extend(reader.diagnostics);
    sorted.sort();
    diagnostics.extend(sorted);
    tree
}

/// The grammar takes time linear in a line's length, about a hundred steps a byte at worst. Should
/// that ever be wrong, a line is given up after this many steps instead of hanging.
fn limit_work() {
    static ONCE: Once = Once::new();
    ONCE.call_once(|| pest::set_call_limit(std::num::NonZeroUsize::new(50_000_000)));
}

struct Reader<'a> {
    text: &'a str,
    base: usize,
    diagnostics: Vec<Diagnostic>,
}

/// What a line's words were made into: nothing if they could not be read.
type Read<T> = Option<T>;

impl<'a> Reader<'a> {
    fn file(&mut self, lines: Vec<Line>) -> File {
        let mut file =
            File { edition: None, header: None, items: Vec::new(), span: self.span(0..self.text.len()) };
        let mut edition_seen = false;
        for (index, line) in lines.into_iter().enumerate() {
            match self.first_word(&line.text) {
                "aurora" => {
                    let edition = self.edition(&line, index);
                    file.edition = file.edition.or(edition);
                    edition_seen = true;
                }
                "recipe" | "library" => {
                    let header = self.header(&line);
                    self.refuse_block(&line);
                    self.second_header(&file, &line);
                    file.header = file.header.or(header);
                }
                _ => file.items.extend(self.item(line)),
            }
        }
        if !edition_seen {
            let start = self.text.len() - self.text.trim_start_matches('\u{FEFF}').len();
            self.diagnostics.push(
                Diagnostic::error(
                    "missing-edition",
                    "the file does not say which version of the language it is in",
                )
                .label(self.span(start..start), "this line should come first")
                .help("aurora 1.0")
                .fix(self.span(start..start), "aurora 1.0\n"),
            );
        }
        file
    }

    fn edition(&mut self, line: &Line, index: usize) -> Read<Name> {
        self.refuse_block(line);
        let pairs = self.shape(Rule::edition_line, line, line.text.clone())?;
        if index > 0 {
            self.complain(&line.text, "the `aurora` line comes first in its file", "this line is too late");
        }
        self.named(pairs, line.text.start).next()
    }

    fn second_header(&mut self, file: &File, line: &Line) {
        if file.header.is_some() {
            self.complain(
                &line.text,
                "a file has one title",
                "this is the second `recipe` or `library` line",
            );
        }
    }

    fn header(&mut self, line: &Line) -> Read<Header> {
        let pairs = self.shape(Rule::header_line, line, line.text.clone())?;
        let build = self.builder(line.text.start);
        let kind =
            if self.first_word(&line.text) == "recipe" { HeaderKind::Recipe } else { HeaderKind::Library };
        let mut header = Header {
            kind,
            name: Name { text: String::new(), span: Span::default() },
            title: None,
            extends: None,
            span: self.span(line.text.clone()),
        };
        for pair in pairs {
            match pair.as_rule() {
                Rule::path => header.name = build.name(&pair),
                Rule::title => header.title = Some(build.text(&pair)),
                Rule::string => header.extends = Some(build.text(&pair)),
                _ => {}
            }
        }
        Some(header)
    }

    // ---- items -------------------------------------------------------------

    /// The items of one line: `member a, b` is two.
    fn item(&mut self, line: Line) -> Vec<Item> {
        if self.first_word(&line.text) != "amend" {
            let from = line.text.start;
            return self.item_from(line, from);
        }
        let whole = line.text.clone();
        let behind = whole.start + "amend".len();
        let rest = &self.text[behind..whole.end];
        let inner = behind + (rest.len() - rest.trim_start().len());
        let word = word_of(&self.text[inner..whole.end]);
        if word == "amend"
            || word == "aurora"
            || word == "recipe"
            || word == "library"
            || !forms::is_item_word(word)
        {
            self.diagnostics.push(complaint::not_amendable(self.text, self.base, &whole, inner, word));
            return Vec::new();
        }
        let items = self.item_from(line, inner);
        items
            .into_iter()
            .map(|item| {
                let span = self.span(whole.clone()).to(item.span);
                Item { kind: ItemKind::Amend(Box::new(item)), span }
            })
            .collect()
    }

    /// Reads the item that begins at `from`, which lies in the line's head.
    fn item_from(&mut self, line: Line, from: usize) -> Vec<Item> {
        let head = from..line.text.end;
        let end = line.block.as_ref().map_or(head.end, |block| block.span.end);
        let span = self.span(head.start..end);
        let word = word_of(&self.text[head.clone()]).to_string();
        if forms::BLOCKS.contains(&word.as_str()) {
            return self.block_items(line, head, span);
        }
        let kind = match word.as_str() {
            "use" => self.use_item(line, head),
            "drop" => self.drop_item(line, head),
            "grid" => self.grid(line, head),
            "levels" => self.levels(line, head),
            "quantity" => self.quantity(line, head),
            "variable" => self.variable(line, head),
            "derive" | "constraint" | "loss" => self.formula(line, head, &word),
            _ => {
                self.unknown_item(line, &word);
                None
            }
        };
        kind.map(|kind| Item { kind, span }).into_iter().collect()
    }

    fn unknown_item(&mut self, line: Line, word: &str) {
        self.diagnostics.push(complaint::unknown_item(self.text, self.base, &line, word));
        if let Some(block) = line.block {
            self.block(block);
        }
    }

    fn use_item(&mut self, line: Line, head: Range<usize>) -> Read<ItemKind> {
        self.refuse_block(&line);
        let pairs = self.shape(Rule::use_line, &line, head.clone())?;
        let by_default = pairs.clone().any(|pair| pair.as_rule() == Rule::by_default);
        let mut names = self.named(pairs, head.start);
        Some(ItemKind::Use { path: names.next()?, names: names.collect(), by_default })
    }

    fn drop_item(&mut self, line: Line, head: Range<usize>) -> Read<ItemKind> {
        self.refuse_block(&line);
        let pairs = self.shape(Rule::drop_line, &line, head.clone())?;
        let mut names = self.named(pairs, head.start);
        Some(ItemKind::Drop { kind: names.next()?, name: names.next()? })
    }

    fn grid(&mut self, mut line: Line, head: Range<usize>) -> Read<ItemKind> {
        self.refuse_block(&line);
        let parts = self.parts(Rule::grid_line, &mut line, head)?;
        Some(ItemKind::Grid {
            name: parts.names.into_iter().next()?,
            value: parts.value?,
            title: parts.title,
        })
    }

    fn levels(&mut self, mut line: Line, head: Range<usize>) -> Read<ItemKind> {
        let parts = self.parts(Rule::levels_line, &mut line, head);
        let block = line.block.map(|block| self.block(block));
        let parts = parts?;
        let mut names = parts.names.into_iter();
        Some(ItemKind::Levels {
            name: names.next()?,
            coordinate: names.next()?,
            value: parts.value?,
            title: parts.title,
            block,
        })
    }

    fn quantity(&mut self, mut line: Line, head: Range<usize>) -> Read<ItemKind> {
        self.refuse_block(&line);
        let parts = self.parts(Rule::quantity_line, &mut line, head)?;
        let name = parts.names.into_iter().next()?;
        Some(ItemKind::Quantity { name, unit: parts.unit?, title: parts.title })
    }

    fn variable(&mut self, mut line: Line, head: Range<usize>) -> Read<ItemKind> {
        let parts = self.parts(Rule::variable_line, &mut line, head);
        let block = line.block.map(|block| self.block(block));
        let parts = parts?;
        let name = parts.names.into_iter().next()?;
        Some(ItemKind::Variable { name, ty: parts.ty, from: parts.text, title: parts.title, block })
    }

    /// `derive`, `constraint` and `loss`: a name, an expression, and perhaps `where { … }`.
    fn formula(&mut self, mut line: Line, head: Range<usize>, word: &str) -> Read<ItemKind> {
        let rule = match word {
            "derive" => Rule::derive_line,
            "constraint" => Rule::constraint_line,
            _ => Rule::loss_line,
        };
        let parts = self.parts(rule, &mut line, head.clone());
        let last = self.text[head].rsplit(|c: char| !c.is_ascii_alphanumeric() && c != '_').next();
        let says_where = parts.as_ref().map_or(last == Some("where"), |parts| parts.says_where);
        // A `derive` may say how its field is normalised and named, as a `variable` does.
        let clauses =
            word == "derive" && !says_where && line.block.as_ref().is_some_and(|b| self.says_clauses(b));
        if parts.is_some() && says_where != line.block.is_some() && !clauses {
            self.diagnostics.push(complaint::lone_where(self.base, &line, says_where));
        }
        let (bindings, block) = match line.block {
            Some(block) if says_where => (self.bindings(block), None),
            Some(block) if clauses => (Vec::new(), Some(self.block(block))),
            _ => (Vec::new(), None),
        };
        let parts = parts?;
        let (name, title) = (parts.names.into_iter().next()?, parts.title);
        Some(match word {
            "derive" => ItemKind::Derive {
                name,
                parameters: parts.parameters,
                ty: parts.ty,
                value: parts.value?,
                title,
                bindings,
                block,
            },
            "constraint" => {
                ItemKind::Constraint { name, relation: parts.value?, mode: parts.mode, title, bindings }
            }
            _ => ItemKind::Loss { name, value: parts.value?, title, bindings },
        })
    }

    /// Whether a block holds clauses and not names: its first line has no `=` behind its first word.
    fn says_clauses(&self, block: &Body) -> bool {
        block.lines.first().is_none_or(|line| {
            let rest = self.text[line.text.clone()]
                .trim_start_matches(|c: char| c.is_ascii_alphanumeric() || c == '_');
            !rest.trim_start().starts_with('=')
        })
    }

    fn bindings(&mut self, block: Body) -> Vec<Binding> {
        let mut bindings = Vec::new();
        for mut line in block.lines {
            self.refuse_block(&line);
            let text = line.text.clone();
            let parts = self.parts(Rule::binding_line, &mut line, text);
            if let Some(Parts { names, value: Some(value), .. }) = parts {
                bindings.extend(names.into_iter().next().map(|name| Binding { name, value }));
            }
        }
        bindings
    }

    /// An item with a block of clauses; several if it is `member a, b`.
    fn block_items(&mut self, line: Line, head: Range<usize>, span: Span) -> Vec<Item> {
        let pairs = self.shape(Rule::block_line, &line, head.clone());
        let has_block = line.block.is_some();
        let build = self.builder(head.start);
        let body = line.block.map(|block| self.block(block));
        let Some(pairs) = pairs else { return Vec::new() };
        let (mut kind, mut names, mut on, mut title) = (None, Vec::new(), None, None);
        let mut behind_on = false;
        for pair in pairs {
            match pair.as_rule() {
                Rule::block_word => kind = Some(build.name(&pair)),
                Rule::on_word => behind_on = true,
                Rule::name if behind_on => on = Some(build.name(&pair)),
                Rule::name => names.push(build.name(&pair)),
                Rule::title => title = Some(build.text(&pair)),
                _ => {}
            }
        }
        let Some(kind) = kind else { return Vec::new() };
        let member = kind.text == "member" && !names.is_empty();
        if !has_block && !member {
            self.diagnostics.push(complaint::no_block(self.base, &head, &kind.text));
        }
        if names.len() > 1 && !member {
            self.complain(&head, &format!("a `{}` has one name", kind.text), "several names");
        }
        let block =
            body.unwrap_or_else(|| Block { entries: Vec::new(), span: self.span(head.end..head.end) });
        let item = |name| {
            let (kind, on, title, block) = (kind.clone(), on.clone(), title.clone(), block.clone());
            Item { kind: ItemKind::Block(BlockItem { kind, name, on, title, block }), span }
        };
        if names.is_empty() {
            vec![item(None)]
        } else {
            names.into_iter().map(|name| item(Some(name))).collect()
        }
    }

    // ---- blocks within expressions ------------------------------------------

    /// Reads the blocks within a line.
    fn walks(&mut self, line: &mut Line) -> Vec<Walk> {
        std::mem::take(&mut line.inner).into_iter().map(|body| self.walk(body)).collect()
    }

    fn walk(&mut self, body: Body) -> Walk {
        let mut walk = Walk { open: self.base + body.span.start, ..Walk::default() };
        for mut line in body.lines {
            self.refuse_block(&line);
            let text = line.text.clone();
            let Some(parts) = self.parts(Rule::state_line, &mut line, text) else { continue };
            let Parts { word, names, value: Some(value), height, .. } = parts else { continue };
            let Some(name) = names.into_iter().next() else { continue };
            let binding = Binding { name, value };
            match word.as_ref().map(|word| word.text.as_str()) {
                None => walk.bindings.push(binding),
                Some("start") => walk.states.push(binding),
                Some("step") => walk.steps.push(binding),
                Some(_) => self.diagnostics.extend(word.as_ref().map(complaint::unknown_state)),
            }
            walk.height = walk.height.max(height);
        }
        walk
    }

    // ---- blocks ------------------------------------------------------------

    fn block(&mut self, body: Body) -> Block {
        let span = self.span(body.span);
        let mut entries = Vec::new();
        for line in body.lines {
            let word = self.first_word(&line.text);
            let is_item = matches!(word, "amend" | "drop" | "member")
                || (line.block.is_some() || !line.inner.is_empty()) && forms::BLOCKS.contains(&word);
            if is_item {
                entries.extend(self.item(line).into_iter().map(Entry::Item));
            } else {
                entries.extend(self.clause(line).map(Entry::Clause));
            }
        }
        Block { entries, span }
    }

    fn clause(&mut self, mut line: Line) -> Read<Clause> {
        if let Some(block) = line.block {
            self.diagnostics.push(complaint::clause_with_block(self.text, self.base, &line.text, &block));
            return None;
        }
        let walks = self.walks(&mut line);
        let pairs = self.shape(Rule::clause_line, &line, line.text.clone())?;
        let mut build = Builder::new(self.base + line.text.start, walks);
        let mut word = None;
        let mut values = Vec::new();
        for pair in pairs {
            match pair.as_rule() {
                Rule::clause_word => word = Some(build.name(&pair)),
                Rule::chain => values.push(build.chain(pair)),
                _ => {}
            }
        }
        self.accept(build)?;
        Some(Clause { word: word?, values, span: self.span(line.text) })
    }

    // ---- shared ------------------------------------------------------------

    /// Reads text of a line by a rule of the grammar, or complains.
    fn shape(&mut self, rule: Rule, line: &Line, text: Range<usize>) -> Read<Pairs<'a, Rule>> {
        // Told when the line's inner blocks were read; a line that may have none still says so itself.
        if line.lost && line.inner.is_empty() {
            return None;
        }
        let complaint = if let Some(deep) = line.too_deep {
            complaint::too_deep(self.base, deep)
        } else if let Some(open) = line.open_string {
            complaint::open_string(self.base, open, line.text.end)
        } else {
            match Grammar::parse(rule, &self.text[text.clone()]) {
                Ok(mut pairs) => return pairs.next().map(Pair::into_inner),
                Err(error) => complaint::syntax(self.text, self.base, rule, &text, &error),
            }
        };
        self.diagnostics.push(complaint);
        None
    }

    /// Names, type, expression and the like of a line, by their rules.
    fn parts(&mut self, rule: Rule, line: &mut Line, text: Range<usize>) -> Read<Parts> {
        let walks = self.walks(line);
        let pairs = self.shape(rule, line, text.clone())?;
        let mut build = Builder::new(self.base + text.start, walks);
        let mut parts = Parts::default();
        for pair in pairs {
            match pair.as_rule() {
                Rule::name => parts.names.push(build.name(&pair)),
                Rule::unit | Rule::one => parts.unit = Some(build.unit(&pair)),
                Rule::word => parts.word = Some(build.name(&pair)),
                Rule::string => parts.text = Some(build.text(&pair)),
                Rule::title => parts.title = Some(build.text(&pair)),
                Rule::r#type => parts.ty = Some(build.ty(pair)),
                Rule::parameters => parts.parameters = build.parameters(pair),
                Rule::comparison => parts.comparison = Some(build.comparison(&pair)),
                Rule::arg => parts.value = Some(build.arg(pair)),
                Rule::expr => {
                    let next = build.expr(pair);
                    parts.value = Some(match (parts.value.take(), parts.comparison) {
                        (Some(left), Some(comparison)) => build.relation(left, comparison, next),
                        _ => next,
                    });
                }
                Rule::within => {
                    let value = pair.into_inner().find(|inner| inner.as_rule() == Rule::expr);
                    parts.mode =
                        value.map_or(ConstraintMode::Watched, |v| ConstraintMode::Within(build.expr(v)));
                }
                Rule::where_word => parts.says_where = true,
                Rule::always => parts.mode = ConstraintMode::Always(build.span(&pair)),
                _ => {}
            }
        }
        parts.height = build.height();
        self.accept(build)?;
        Some(parts)
    }

    /// Takes over what a builder complained of; its line is kept only if there was nothing.
    fn accept(&mut self, build: Builder) -> Read<()> {
        let fault = build.into_fault();
        let fine = fault.is_none();
        self.diagnostics.extend(fault);
        fine.then_some(())
    }

    /// The names, paths and words of a line, in order.
    fn named(&self, pairs: Pairs<'a, Rule>, start: usize) -> impl Iterator<Item = Name> + use<'a> {
        let build = self.builder(start);
        pairs
            .filter(|pair| matches!(pair.as_rule(), Rule::name | Rule::path | Rule::word | Rule::version))
            .map(move |pair| build.name(&pair))
    }

    /// A builder for text that the grammar was given from `start` on.
    fn builder(&self, start: usize) -> Builder {
        Builder::new(self.base + start, Vec::new())
    }

    fn refuse_block(&mut self, line: &Line) {
        if let Some(block) = &line.block {
            self.diagnostics.push(complaint::needless_block(self.text, self.base, &line.text, block));
        }
    }

    fn complain(&mut self, at: &Range<usize>, message: &str, label: &str) {
        let span = self.span(at.clone());
        self.diagnostics.push(Diagnostic::error("syntax", message).label(span, label));
    }

    fn first_word(&self, line: &Range<usize>) -> &'a str {
        word_of(&self.text[line.clone()])
    }

    fn span(&self, range: Range<usize>) -> Span {
        Span::new(self.base + range.start, self.base + range.end)
    }
}

/// What the lines of most items are made of.
#[derive(Default)]
struct Parts {
    word: Option<Name>,
    names: Vec<Name>,
    ty: Option<Type>,
    unit: Option<Name>,
    text: Option<Name>,
    title: Option<Name>,
    parameters: Vec<Parameter>,
    comparison: Option<Comparison>,
    value: Option<Expr>,
    mode: ConstraintMode,
    says_where: bool,
    /// The height of its last expression.
    height: usize,
}

/// The letters, digits and underscores that a text begins with.
pub(crate) fn word_of(text: &str) -> &str {
    let end = text.find(|c: char| !c.is_ascii_alphanumeric() && c != '_').unwrap_or(text.len());
    &text[..end]
}
