//! Lines and blocks: where one bad line ends and the next one begins.
//!
//! A logical line ends at a line end, except inside brackets and beside an operator; `{` after it
//! opens its block. What a line says is the grammar's business (`aurora.pest`); layout only makes
//! sure that a mistake in one line costs that line, and a missing `}` costs its own block.

use std::ops::Range;

use crate::diagnostic::Diagnostic;
use crate::forms;
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
    /// Where a string without a closing quote begins.
    pub open_string: Option<usize>,
    /// A bracket nested too deep; the line cannot be read.
    pub too_deep: Option<usize>,
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
    let brackets = Brackets::of(text, &tokens);
    let layout = Layout {
        text,
        base,
        diagnostics,
        balanced: is_balanced(&tokens),
        tokens: &tokens,
        next: next_content(&tokens),
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
                Kind::OpenBrace => self.open(token),
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
        if self.brackets.depth[index] > 0 || token.kind == Kind::OpenBrace {
            return true;
        }
        let beside = |token: Token| matches!(token.kind, Kind::Mark(mark) if "+-*/^=<>.,:".contains(mark));
        let word = &self.text[token.start..token.end];
        beside(self.tokens[line.end - 1]) || beside(token) || forms::CONTINUING_WORDS.contains(&word)
    }

    fn end_line(&mut self) {
        let Some(line) = self.take_line() else { return };
        if self.lacks_brace(&line) {
            return self.open_without_brace(line);
        }
        if let Some(frame) = self.frames.last_mut() {
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
        self.frames.push(Frame { head: Some(head), open: end, lines: Vec::new() });
    }

    fn take_line(&mut self) -> Option<Line> {
        let line = self.line.take()?;
        let within = &self.tokens[line.clone()];
        let first = |wanted: fn(&Token) -> bool| within.iter().find(|token| wanted(token)).map(|t| t.start);
        let mut depth = 0usize;
        let deep = within.iter().find(|token| {
            match token.kind {
                Kind::Open => depth += 1,
                Kind::Close => depth = depth.saturating_sub(1),
                _ => {}
            }
            depth > DEEPEST_BRACKETS
        });
        Some(Line {
            text: self.tokens[line.start].start..self.tokens[line.end - 1].end,
            block: None,
            open_string: first(|token| token.kind == Kind::Text { closed: false }),
            too_deep: deep.map(|token| token.start),
        })
    }

    fn open(&mut self, brace: Token) {
        let none = Line { text: brace.start..brace.start, block: None, open_string: None, too_deep: None };
        let head = self.take_line().unwrap_or(none);
        if self.frames.len() > DEEPEST_BLOCKS {
            self.skipped = 1;
            self.diagnostics.push(
                Diagnostic::error("too-deep", "blocks lie too deep inside one another")
                    .label(self.span(brace.start..brace.end), "this block is not read")
                    .help(format!("at most {DEEPEST_BLOCKS} blocks may lie inside one another")),
            );
        }
        self.frames.push(Frame { head: Some(head), open: brace.start, lines: Vec::new() });
    }

    fn skip(&mut self, token: Token) {
        match token.kind {
            Kind::OpenBrace => self.skipped += 1,
            Kind::CloseBrace => self.skipped -= 1,
            _ => return,
        }
        if self.skipped == 0 {
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
            self.pop(end);
        }
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
        let Some(Frame { head: Some(mut head), open, lines }) = self.frames.pop() else { return };
        head.block = Some(Body { span: open..end, lines });
        if let Some(outer) = self.frames.last_mut() {
            outer.lines.push(head);
        }
    }

    fn span(&self, range: Range<usize>) -> Span {
        Span::new(self.base + range.start, self.base + range.end)
    }
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
/// the next item counts for nothing, so it cannot swallow the lines that follow it.
struct Brackets {
    depth: Vec<usize>,
}

impl Brackets {
    fn of(text: &str, tokens: &[Token]) -> Self {
        let mut change = vec![0isize; tokens.len() + 1];
        let mut open: Vec<usize> = Vec::new();
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
                Kind::OpenBrace | Kind::CloseBrace => open.clear(),
                Kind::Word if is_item_start(text, *token) => open.clear(),
                _ => {}
            }
        }
        let mut depth = 0isize;
        let depths = change.iter().map(|step| {
            depth += step;
            depth.max(0) as usize
        });
        Brackets { depth: depths.collect() }
    }
}
