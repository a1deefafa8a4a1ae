//! The little that `layout` must know of a text: strings, comments, brackets, words and line ends.

/// A token and the bytes it covers. Blanks are not tokens.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(crate) struct Token {
    pub kind: Kind,
    pub start: usize,
    pub end: usize,
}

#[derive(Clone, Copy, Debug, PartialEq)]
pub(crate) enum Kind {
    Newline,
    /// To the end of its line.
    Comment,
    /// With its quotes, where `closed`.
    Text {
        closed: bool,
    },
    /// A run of letters, digits and underscores.
    Word,
    /// `(` or `[`.
    Open,
    /// `)` or `]`.
    Close,
    OpenBrace,
    CloseBrace,
    /// Any other character.
    Mark(char),
}

/// Cuts a text into tokens; never fails.
pub(crate) fn tokens(text: &str) -> Vec<Token> {
    let mut found = Vec::new();
    let mut at = 0;
    while let Some(first) = text[at..].chars().next() {
        let rest = &text[at..];
        let (kind, length) = match first {
            ' ' | '\t' | '\u{FEFF}' => {
                at += first.len_utf8();
                continue;
            }
            '\n' | '\r' => (Kind::Newline, if rest.starts_with("\r\n") { 2 } else { 1 }),
            '#' => (Kind::Comment, line_length(rest)),
            '"' => string(rest),
            '(' | '[' => (Kind::Open, 1),
            ')' | ']' => (Kind::Close, 1),
            '{' => (Kind::OpenBrace, 1),
            '}' => (Kind::CloseBrace, 1),
            _ if is_word(first) => (Kind::Word, rest.find(|c| !is_word(c)).unwrap_or(rest.len())),
            _ => (Kind::Mark(first), first.len_utf8()),
        };
        found.push(Token { kind, start: at, end: at + length });
        at += length;
    }
    found
}

fn is_word(character: char) -> bool {
    character.is_ascii_alphanumeric() || character == '_'
}

fn line_length(text: &str) -> usize {
    text.find(['\n', '\r']).unwrap_or(text.len())
}

/// A string ends at its quote. Without one it ends with its line, but before a `{` that ends the
/// line, so that a forgotten quote in a block's title does not cost the block.
fn string(text: &str) -> (Kind, usize) {
    let line = &text[..line_length(text)];
    if let Some(quote) = line[1..].find('"') {
        return (Kind::Text { closed: true }, quote + 2);
    }
    let content = line.trim_end();
    (Kind::Text { closed: false }, content.strip_suffix('{').unwrap_or(content).trim_end().len())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn written(text: &str) -> Vec<&str> {
        tokens(text).iter().map(|token| &text[token.start..token.end]).collect()
    }

    #[test]
    fn strings_hide_braces_and_comments() {
        assert_eq!(
            written("phase x \"a { # b\" { # c }\n}"),
            ["phase", "x", "\"a { # b\"", "{", "# c }", "\n", "}"]
        );
    }

    #[test]
    fn an_open_string_leaves_the_brace_that_ends_its_line() {
        assert_eq!(written("phase x \"title {\n"), ["phase", "x", "\"title", "{", "\n"]);
        assert_eq!(written("base \"x\ny"), ["base", "\"x", "\n", "y"]);
        assert_eq!(written("\""), ["\""]);
    }
}
