//! Where in a text the cursor stands: in which blocks, on which line, in which call. Read from the letters before
//! it alone, for what is being written does not parse.

use aurora_grammar::Span;

use crate::vocabulary;

/// The surroundings of a place in a text.
#[derive(Debug)]
pub struct Context<'a> {
    /// The blocks around it, the innermost last.
    pub blocks: Vec<Opened<'a>>,
    /// The logical line from its first letter to the word at the cursor, which is left out.
    pub line: &'a str,
    /// The brackets open on this line, the innermost last.
    pub calls: Vec<Call<'a>>,
    /// The part of a word that has been written, dots included.
    pub prefix: Span,
    /// In a comment or in quotes: nothing of the language stands here.
    pub quiet: bool,
}

/// A block that is open.
#[derive(Clone, Copy, Debug)]
pub struct Opened<'a> {
    /// The line before its `{`.
    pub head: &'a str,
    /// Behind the `{`.
    pub start: usize,
}

/// An open bracket.
#[derive(Clone, Copy, Debug)]
pub struct Call<'a> {
    /// What is called; empty for brackets of other kinds.
    pub function: &'a str,
    /// Behind the bracket.
    pub start: usize,
}

impl Opened<'_> {
    /// `phase`, `variable`, `where` …
    pub fn kind(&self) -> &str {
        if self.head.trim_end().ends_with("where") {
            return "where";
        }
        let mut words = words(self.head);
        match words.next() {
            Some("amend") => words.next().unwrap_or_default(),
            word => word.unwrap_or_default(),
        }
    }
}

impl<'a> Context<'a> {
    /// The surroundings of an offset, which is brought to the nearest character before it.
    pub fn at(text: &'a str, offset: usize) -> Context<'a> {
        let mut offset = offset.min(text.len());
        while !text.is_char_boundary(offset) {
            offset -= 1;
        }
        let mut scan = Scan { text, end: offset, line: 0, blocks: Vec::new(), calls: Vec::new(), last: '\n' };
        let quiet = scan.run();
        let written = &text[scan.line.min(offset)..offset];
        let prefix = offset - trailing(written, |c| is_word(c) || c == '.').len();
        Context {
            line: text[scan.line.min(prefix)..prefix].trim_start(),
            blocks: scan.blocks,
            calls: scan.calls,
            prefix: Span::new(prefix, offset),
            quiet,
        }
    }

    /// The kind of the innermost block; empty outside all.
    pub fn block(&self) -> &str {
        self.blocks.last().map_or("", |block| block.kind())
    }

    /// The word that begins the line.
    pub fn first(&self) -> &'a str {
        words(self.line).next().unwrap_or_default()
    }

    /// The innermost call that has a name.
    pub fn call(&self) -> Option<Call<'a>> {
        self.calls.iter().rev().find(|call| !call.function.is_empty()).copied()
    }
}

pub fn is_word(c: char) -> bool {
    c.is_ascii_alphanumeric() || c == '_'
}

/// The words of a text, without what stands between them.
pub fn words(text: &str) -> impl DoubleEndedIterator<Item = &str> {
    text.split(|c: char| !is_word(c) && c != '.')
        .filter(|word| word.starts_with(|c: char| c.is_ascii_alphabetic()))
}

/// The longest end of a text that is made of such characters.
pub fn trailing(text: &str, is: impl Fn(char) -> bool) -> &str {
    let start =
        text.rfind(|c| !is(c)).map_or(0, |at| at + text[at..].chars().next().map_or(0, char::len_utf8));
    &text[start..]
}

struct Scan<'a> {
    text: &'a str,
    end: usize,
    /// Where the logical line begins.
    line: usize,
    blocks: Vec<Opened<'a>>,
    calls: Vec<Call<'a>>,
    /// The last character that was neither blank nor comment.
    last: char,
}

impl<'a> Scan<'a> {
    /// Reads up to the end; says whether that lies in a comment or in quotes.
    fn run(&mut self) -> bool {
        let text = self.text;
        let mut at = 0;
        while let Some(c) = text.get(at..self.end).and_then(|rest| rest.chars().next()) {
            let next = at + c.len_utf8();
            match c {
                '#' | '"' => {
                    let line_end = text[next..].find('\n').map_or(text.len(), |end| next + end);
                    let quote = text[next..line_end].find('"').filter(|_| c == '"').map(|q| next + q + 1);
                    let end = quote.unwrap_or(line_end);
                    if self.end < end || self.end == end && quote.is_none() {
                        return true;
                    }
                    if c == '"' {
                        self.last = c;
                    }
                    at = end;
                    continue;
                }
                '\n' => self.newline(next),
                '(' | '[' => {
                    let before = text[self.line.min(at)..at].trim_end();
                    let function = if c == '(' { trailing(before, |c| is_word(c) || c == '.') } else { "" };
                    self.calls.push(Call { function, start: next });
                }
                ')' | ']' => drop(self.calls.pop()),
                '{' => {
                    self.blocks.push(Opened { head: text[self.line.min(at)..at].trim(), start: next });
                    self.begin(next);
                }
                '}' => {
                    self.blocks.pop();
                    self.begin(next);
                }
                _ => {}
            }
            if !c.is_whitespace() {
                self.last = c;
            }
            at = next;
        }
        false
    }

    fn begin(&mut self, at: usize) {
        self.line = at;
        self.calls.clear();
        self.last = '\n';
    }

    /// A line end: the end of the logical line, unless brackets or an operator carry it on.
    fn newline(&mut self, next: usize) {
        let rest = &self.text[next..self.end];
        let first = rest.trim_start_matches([' ', '\t']);
        let word = &first[..first.find(|c| !is_word(c)).unwrap_or(first.len())];
        let indented = first.len() < rest.len();
        if !indented && begins_item(word) {
            self.blocks.clear();
            return self.begin(next);
        }
        let begins_clause = vocabulary::clauses(self.blocks.last().map_or("", |b| b.kind())).contains(&word);
        if begins_clause {
            return self.begin(next);
        }
        let carried = matches!(self.last, '+' | '-' | '*' | '/' | ',' | '=' | '<' | '>' | ':')
            || matches!(word, "where" | "extends" | "within" | "always" | "from" | "on")
            || first.starts_with(['+', '*', '/', '=', ',', ')', ']']) && self.last != '\n';
        if self.calls.is_empty() && !carried {
            self.begin(next);
        }
    }
}

/// Whether a word in the first column begins an item, whatever came before.
fn begins_item(word: &str) -> bool {
    vocabulary::ITEMS.iter().any(|item| item.word == word)
        || vocabulary::BLOCKS.iter().any(|block| block.word == word && word != "member")
}
