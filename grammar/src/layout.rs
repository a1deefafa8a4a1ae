//! Lines and blocks: where one bad line ends and the next one begins.
//!
//! A logical line ends at a line end, except inside brackets and beside an operator; `{` after it
//! opens its block. What a line says is the grammar's business (`aurora.pest`); layout only makes
//! sure that a mistake in one line costs that line, and a missing `}` costs its own block.

use std::collections::BTreeMap;
use std::ops::Range;

use crate::diagnostic::Diagnostic;
use crate::forms;
use crate::inner::inner_blocks;
use crate::source::Span;
use crate::token::{Kind, Token, tokens};

/// Brackets within brackets, and blocks within blocks, that are still read. Deeper ones are an error:
/// parsing recurses once a level, and no input may exhaust the stack.
const DEEPEST_BRACKETS: usize = 40;
const DEEPEST_BLOCKS: usize = 12;

/// A logical line: the bytes of its head and, if `{` follows, its block.
#[derive(Debug)]
pub(crate) struct Line {
    pub text: Range<usize>,
    pub block: Option<Body>,
    /// The blocks within its expressions, `scan … { }` and `iterate … { }`, in order.
    pub inner: Vec<Body>,
    /// Where a string without a closing quote begins.
    pub open_string: Option<usize>,
    /// A bracket nested too deep; the line cannot be read.
    pub too_deep: Option<usize>,
    /// What was told of an inner block keeps the line from being read.
    pub lost: bool,
}

impl Line {
    fn plain(text: Range<usize>) -> Self {
        Line { text, block: None, inner: Vec::new(), open_string: None, too_deep: None, lost: false }
    }
}

#[derive(Debug)]
pub(crate) struct Body {
    /// From `{` to behind `}`, or to where the block was given up.
    pub span: Range<usize>,
    pub lines: Vec<Line>,
}

/// Cuts a text into lines. `base` is the global offset of its first byte.
pub(crate) fn lines(text: &str, base: usize, diagnostics: &mut Vec<Diagnostic>) -> Vec<Line> {
    let tokens = tokens(text);
    let next = next_content(&tokens);
    let inner = inner_blocks(text, &tokens, &next);
    let brackets = Brackets::of(text, &tokens, &inner);
    let layout = Layout {
        text,
        base,
        diagnostics,
        balanced: is_balanced(&tokens),
        tokens: &tokens,
        next,
        inner,
        brackets,
        frames: vec![Frame::default()],
        line: None,
        skipped: 0,
    };
    layout.run()
}

struct Layout<'a> {
    text: &'a str,
    base: usize,
    diagnostics: &'a mut Vec<Diagnostic>,
    /// Every `{` has its `}`: then braces alone decide, and indentation says nothing.
    balanced: bool,
    tokens: &'a [Token],
    /// For each token, the first from there on that is no line end and no comment.
    next: Vec<usize>,
    /// For each `{` of a `scan` or `iterate`, that word.
    inner: BTreeMap<usize, usize>,
    brackets: Brackets,
    frames: Vec<Frame>,
    /// The tokens of the line being read.
    line: Option<Range<usize>>,
    /// Braces open inside a block that is too deep to be read.
    skipped: usize,
}

/// A block being read; the first frame is the file.
#[derive(Default)]
struct Frame {
    head: Option<Line>,
    open: usize,
    lines: Vec<Line>,
    /// For a block within an expression, the tokens of the line around it, up to its `{`.
    around: Option<Range<usize>>,
    /// Blocks within the line being read, and whether it can still be read.
    inner: Vec<Body>,
    lost: bool,
    /// A line of this block could not be cut well: the expression around it cannot be read.
    spoilt: bool,
}

impl Layout<'_> {
    fn run(mut self) -> Vec<Line> {
        for index in 0..self.tokens.len() {
            let token = self.tokens[index];
            if self.skipped > 0 {
                self.skip(token);
                continue;
            }
            if let Some(kept) = self.starts_item(index) {
                self.end_line();
                self.give_up(kept, Some(token));
            }
            match token.kind {
                Kind::Comment => {}
                Kind::Newline if self.continues(index) => {}
                Kind::Newline => self.end_line(),
                Kind::Mark(';') if self.brackets.depth[index] == 0 => self.end_line(),
                Kind::OpenBrace => self.open(index),
                Kind::CloseBrace => self.close(index),
                _ => self.line = Some(self.line.take().map_or(index, |line| line.start)..index + 1),
            }
        }
        self.end_line();
        self.give_up(1, None);
        self.frames.pop().map(|file| file.lines).unwrap_or_default()
    }

    /// Whether an item begins here whatever came before, and how many frames it lies in.
    ///
    /// In a file whose braces are all closed that is so only in the first column outside every block.
    /// Otherwise an item's word, first on its line and indented no deeper than the head of the block
    /// it stands in, lies outside that block: there a `}` is missing.
    fn starts_item(&self, index: usize) -> Option<usize> {
        let token = self.tokens[index];
        if self.frames.len() == 1 || self.balanced {
            return (self.frames.len() == 1 && is_item_start(self.text, token)).then_some(1);
        }
        let first = index == 0 || self.tokens[index - 1].kind == Kind::Newline;
        if !first || token.kind != Kind::Word || !forms::is_item_word(&self.text[token.start..token.end]) {
            return None;
        }
        let column = token.start - line_start(self.text, token.start);
        let around = self.frames.iter().skip(1).take_while(|frame| self.indent(frame.open) < column);
        Some(1 + around.count()).filter(|kept| *kept < self.frames.len())
    }

    /// Whether the line goes on behind this line end.
    fn continues(&self, index: usize) -> bool {
        let Some(line) = &self.line else { return false };
        let next = self.next[index];
        let Some(token) = self.tokens.get(next).copied() else { return false };
        if self.starts_item(next).is_some() {
            return false;
        }
        if self.brackets.depth[index] > 0 {
            return true;
        }
        joined(self.text, self.tokens[line.end - 1], token)
    }

    fn end_line(&mut self) {
        let Some(line) = self.take_line() else { return };
        if self.lacks_brace(&line) {
            return self.open_without_brace(line);
        }
        if let Some(frame) = self.frames.last_mut() {
            frame.spoilt |= line.lost || line.open_string.is_some();
            frame.lines.push(line);
        }
    }

    /// Whether this line heads a block whose `{` was forgotten: the next one is indented deeper, and
    /// somewhere a `}` has no partner.
    fn lacks_brace(&self, line: &Line) -> bool {
        let word = &self.text[line.text.clone()];
        let word = word.split(|c: char| !c.is_ascii_alphanumeric()).next().unwrap_or("");
        let next = self.tokens.partition_point(|token| token.start < line.text.end);
        let Some(token) = self.next.get(next).and_then(|next| self.tokens.get(*next)) else { return false };
        let deeper = |at: usize| at - line_start(self.text, at);
        !self.balanced
            && self.frames.len() == 1
            && forms::BLOCKS.contains(&word)
            && token.kind == Kind::Word
            && deeper(token.start) > deeper(line.text.start)
    }

    fn open_without_brace(&mut self, head: Line) {
        let end = head.text.end;
        let named = forms::shorten(&self.text[head.text.clone()]);
        self.diagnostics.push(
            Diagnostic::error("unclosed-brace", format!("the block of `{named}` is never opened"))
                .label(self.span(end..end), "expected `{` here")
                .help(format!("write: {named} {{"))
                .fix(self.span(end..end), " {"),
        );
        self.frames.push(Frame { head: Some(head), open: end, ..Frame::default() });
    }

    fn take_line(&mut self) -> Option<Line> {
        let line = self.line.take()?;
        let (inner, lost) = self.frames.last_mut().map_or_else(Default::default, |frame| {
            (std::mem::take(&mut frame.inner), std::mem::take(&mut frame.lost))
        });
        let mut made = Line::plain(self.tokens[line.start].start..self.tokens[line.end - 1].end);
        let mut depth = 0usize;
        let mut blocks = inner.iter().map(|body| &body.span).peekable();
        for token in &self.tokens[line] {
            while blocks.next_if(|block| block.end <= token.start).is_some() {}
            if blocks.peek().is_some_and(|block| block.start <= token.start) {
                continue;
            }
            match token.kind {
                Kind::Open => depth += 1,
                Kind::Close => depth = depth.saturating_sub(1),
                Kind::Text { closed: false } => made.open_string = made.open_string.or(Some(token.start)),
                _ => {}
            }
            if depth > DEEPEST_BRACKETS {
                made.too_deep = made.too_deep.or(Some(token.start));
            }
        }
        Some(Line { inner, lost, ..made })
    }

    fn open(&mut self, index: usize) {
        let brace = self.tokens[index];
        let word = self.inner.get(&index).copied();
        let around = word.and_then(|_| self.line.take());
        let head = match (word, &around) {
            (Some(word), Some(around)) => {
                let first = word.max(around.start);
                Line::plain(self.tokens[first].start..self.tokens[around.end - 1].end)
            }
            _ => self.take_line().unwrap_or(Line::plain(brace.start..brace.start)),
        };
        if self.frames.len() > DEEPEST_BLOCKS {
            self.skipped = 1;
            self.diagnostics.push(
                Diagnostic::error("too-deep", "blocks lie too deep inside one another")
                    .label(self.span(brace.start..brace.end), "this block is not read")
                    .help(format!("at most {DEEPEST_BLOCKS} blocks may lie inside one another")),
            );
        }
        self.frames.push(Frame { head: Some(head), open: brace.start, around, ..Frame::default() });
    }

    fn skip(&mut self, token: Token) {
        match token.kind {
            Kind::OpenBrace => self.skipped += 1,
            Kind::CloseBrace => self.skipped -= 1,
            _ => return,
        }
        if self.skipped == 0 {
            if let Some(frame) = self.frames.last_mut() {
                frame.spoilt = true;
            }
            self.pop(token.end);
        }
    }

    fn close(&mut self, index: usize) {
        self.end_line();
        let brace = self.tokens[index];
        if !self.balanced {
            self.close_by_indent(brace);
        }
        if self.frames.len() > 1 {
            return self.pop(brace.end);
        }
        self.diagnostics.push(
            Diagnostic::error("syntax", "this `}` closes nothing")
                .label(self.span(brace.start..brace.end), "no block is open here")
                .help("remove it, or look above for a block that was closed too early")
                .fix(self.span(brace.start..brace.end), ""),
        );
    }

    /// A `}` that begins its line stands under the head of its own block: blocks that are indented
    /// deeper, while one further out is indented just so, were never closed.
    fn close_by_indent(&mut self, brace: Token) {
        let line_start = line_start(self.text, brace.start);
        if !self.text[line_start..brace.start].trim().is_empty() {
            return;
        }
        let wanted = brace.start - line_start;
        let owner = self.frames.iter().skip(1).rposition(|frame| self.indent(frame.open) == wanted);
        if let Some(owner) = owner {
            self.give_up(owner + 2, Some(brace));
        }
    }

    /// The indentation, in bytes, of the line that opens a block.
    fn indent(&self, open: usize) -> usize {
        let line = &self.text[line_start(self.text, open)..];
        line.len() - line.trim_start_matches([' ', '\t']).len()
    }

    /// Ends the innermost blocks, all but `kept` frames, though no `}` closes them.
    fn give_up(&mut self, kept: usize, next: Option<Token>) {
        self.skipped = 0;
        while self.frames.len() > kept.max(1) {
            let (open, head) = match self.frames.last() {
                Some(Frame { head: Some(head), open, .. }) => (*open, head.text.clone()),
                _ => return,
            };
            let reached = next.map_or(self.text.len(), |token| token.start);
            let end = self.last_content(reached).max(open + 1);
            self.report_unclosed(open, head, end, next);
            self.spoil_brackets();
            self.pop(end);
            self.end_line();
        }
    }

    /// A bracket around a block that is never closed is not closed either.
    fn spoil_brackets(&mut self) {
        let Some(frame) = self.frames.last_mut() else { return };
        let Some(around) = frame.around.clone() else { return };
        let count = |kind| self.tokens[around.clone()].iter().filter(|token| token.kind == kind).count();
        frame.spoilt |= count(Kind::Open) > count(Kind::Close);
    }

    /// The end of the last token, other than a line end or a comment, before `limit`.
    fn last_content(&self, limit: usize) -> usize {
        let before = self.tokens.partition_point(|token| token.start < limit);
        self.tokens[..before]
            .iter()
            .rfind(|token| token.kind != Kind::Newline)
            .map_or(limit, |token| token.end)
    }

    fn report_unclosed(&mut self, open: usize, head: Range<usize>, end: usize, next: Option<Token>) {
        let named = forms::shorten(&self.text[head.clone()]);
        let named = if named.is_empty() { "a block".to_string() } else { format!("`{named}`") };
        let mut diagnostic =
            Diagnostic::error("unclosed-brace", format!("the block of {named} is never closed"))
                .label(self.span(open..open + 1), "opened here");
        if let Some(next) = next {
            let word = &self.text[next.start..next.end];
            let text = format!("but this `{word}` lies outside it");
            diagnostic = diagnostic.label(self.span(next.start..next.end), text);
        }
        let indent = " ".repeat(self.indent(open));
        self.diagnostics.push(
            diagnostic
                .help("write `}` on a line of its own behind the block's last line")
                .fix(self.span(end..end), format!("\n{indent}}}")),
        );
    }

    fn pop(&mut self, end: usize) {
        if self.frames.len() < 2 {
            return;
        }
        let Some(Frame { head: Some(mut head), open, lines, around, spoilt, .. }) = self.frames.pop() else {
            return;
        };
        let Some(outer) = self.frames.last_mut() else { return };
        let body = Body { span: open..end, lines };
        match around {
            Some(around) => {
                outer.inner.push(body);
                outer.lost |= spoilt;
                let behind = self.tokens.partition_point(|token| token.start < end);
                self.line = Some(around.start..behind.max(around.end));
            }
            None => {
                head.block = Some(body);
                outer.lines.push(head);
            }
        }
    }

    fn span(&self, range: Range<usize>) -> Span {
        Span::new(self.base + range.start, self.base + range.end)
    }
}

/// Whether a line goes on from one token to the next, though a line end lies between them.
pub(crate) fn joined(text: &str, before: Token, after: Token) -> bool {
    let beside = |token: Token| matches!(token.kind, Kind::Mark(mark) if "+-*/^=<>.,:".contains(mark));
    let word = &text[after.start..after.end];
    after.kind == Kind::OpenBrace
        || beside(before)
        || beside(after)
        || forms::CONTINUING_WORDS.contains(&word)
}

fn line_start(text: &str, at: usize) -> usize {
    text[..at].rfind(['\n', '\r']).map_or(0, |newline| newline + 1)
}

fn is_item_start(text: &str, token: Token) -> bool {
    let first_column = token.start == 0 || text[..token.start].ends_with(['\n', '\r']);
    token.kind == Kind::Word && first_column && forms::is_item_word(&text[token.start..token.end])
}

fn next_content(tokens: &[Token]) -> Vec<usize> {
    let mut next = vec![tokens.len(); tokens.len()];
    for index in (0..tokens.len()).rev() {
        next[index] = match tokens[index].kind {
            Kind::Newline | Kind::Comment => next.get(index + 1).copied().unwrap_or(tokens.len()),
            _ => index,
        };
    }
    next
}

fn is_balanced(tokens: &[Token]) -> bool {
    let mut depth = 0usize;
    for token in tokens {
        match token.kind {
            Kind::OpenBrace => depth += 1,
            Kind::CloseBrace if depth == 0 => return false,
            Kind::CloseBrace => depth -= 1,
            _ => {}
        }
    }
    depth == 0
}

/// How many closed brackets lie around each token. A bracket that is not closed before a brace or
/// the next item counts for nothing, so it cannot swallow the lines that follow it. A block within an
/// expression counts its own brackets.
struct Brackets {
    depth: Vec<usize>,
}

impl Brackets {
    fn of(text: &str, tokens: &[Token], inner: &BTreeMap<usize, usize>) -> Self {
        let mut change = vec![0isize; tokens.len() + 1];
        let mut open: Vec<usize> = Vec::new();
        let mut around: Vec<Vec<usize>> = Vec::new();
        for (index, token) in tokens.iter().enumerate() {
            match token.kind {
                Kind::Open => open.push(index),
                Kind::Close => {
                    let pairs = |from: usize| {
                        matches!(&text[from..from + 1], "(") == (&text[token.start..token.end] == ")")
                    };
                    if let Some(from) = open.pop_if(|from| pairs(tokens[*from].start)) {
                        change[from] += 1;
                        change[index] -= 1;
                    }
                }
                Kind::OpenBrace => {
                    let outside = std::mem::take(&mut open);
                    around.push(if inner.contains_key(&index) { outside } else { Vec::new() });
                }
                Kind::CloseBrace => open = around.pop().unwrap_or_default(),
                Kind::Word if is_item_start(text, *token) => open.clear(),
                _ => {}
            }
        }
        let (mut depth, mut outside) = (0isize, Vec::new());
        let depths = change.iter().enumerate().map(|(index, step)| {
            match tokens.get(index).map(|token| token.kind) {
                Some(Kind::OpenBrace) => outside.push(std::mem::take(&mut depth)),
                Some(Kind::CloseBrace) => depth = outside.pop().unwrap_or(0),
                _ => depth += step,
            }
            depth.max(0) as usize
        });
        Brackets { depth: depths.collect() }
    }
}
