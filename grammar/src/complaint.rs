//! What to say of a line that could not be read: where it stops making sense, what was expected
//! there, and a line of the right shape.

use std::ops::Range;

use pest::error::{Error, ErrorVariant, InputLocation};

use crate::diagnostic::Diagnostic;
use crate::forms;
use crate::layout::{Body, Line};
use crate::parse::{Rule, word_of};
use crate::source::Span;
use crate::suggest::nearest;
use crate::tree::Name;

/// A line that does not fit its rule; `text` is what the rule was given.
pub(crate) fn syntax(
    file: &str,
    base: usize,
    rule: Rule,
    text: &Range<usize>,
    error: &Error<Rule>,
) -> Diagnostic {
    let offset = match error.location {
        InputLocation::Pos(at) | InputLocation::Span((at, _)) => at,
    };
    let at = (text.start + offset).min(text.end);
    let found = token_at(&file[at..text.end]);
    let expected = match &error.variant {
        ErrorVariant::ParsingError { positives, .. } => expectation(positives),
        ErrorVariant::CustomError { .. } => String::from("something shorter"),
    };
    let word = word_of(&file[text.clone()]);
    let line = match rule {
        Rule::binding_line => "this line of `where { … }`".to_string(),
        Rule::state_line => "this line of `scan` or `iterate`".to_string(),
        _ => format!("this `{word}` line"),
    };
    let blank = found.is_empty();
    let at = if blank { end_of_content(file, text) } else { at };
    let message = match reason(found, &expected) {
        _ if matches!(error.variant, ErrorVariant::CustomError { .. }) => {
            format!("{line} is too long to be read")
        }
        Some(reason) => reason,
        None if blank => format!("{line} stops too early"),
        None => format!("{line} makes no sense from `{}` on", forms::shorten(found)),
    };
    Diagnostic::error("syntax", message)
        .label(Span::new(base + at, base + at + found.len()), format!("expected {expected}"))
        .help(help(rule, file, text, word, at))
}

/// The commonest slips have a message of their own.
fn reason(found: &str, expected: &str) -> Option<String> {
    let first = found.chars().next()?;
    if forms::RESERVED.contains(&found) && expected.contains("a name") {
        return Some(format!("`{found}` is a word of the language and cannot be a name"));
    }
    match first {
        '“' | '”' | '„' | '«' | '»' | '‘' | '’' | '\'' => {
            Some(format!("text stands in straight double quotes, not {first}"))
        }
        '–' | '—' | '−' => Some(format!("`{first}` is not a minus sign: write `-`")),
        '\u{A0}' | '\u{2009}' | '\u{202F}' => Some("this is a special blank, not a plain space".to_string()),
        '≤' => Some("write `<=` for ≤".to_string()),
        '≥' => Some("write `>=` for ≥".to_string()),
        '×' | '·' => Some(format!("write `*` for {first}")),
        _ => None,
    }
}

fn help(rule: Rule, file: &str, text: &Range<usize>, word: &str, at: usize) -> String {
    if file[at..text.end].starts_with('-') && file[..at].ends_with([' ', '\t']) {
        return "a difference has blanks on both sides of its `-`, or on neither: `a - 5`".to_string();
    }
    let form = match rule {
        Rule::binding_line => {
            return "each line of `where { … }` gives a name to an expression:\n  shear = speed06 / 20 m/s"
                .to_string();
        }
        Rule::state_line => {
            return "each line gives a name a value; what is carried begins with `start`, how it changes with `step`:\n  start  tp = t0"
                .to_string();
        }
        Rule::clause_line => match forms::clause(word) {
            Some(form) => form,
            None => return unknown_clause(word),
        },
        _ => match forms::item(word) {
            Some(form) => form,
            None => return unknown_clause(word),
        },
    };
    format!("{} looks like this:\n  {}", form.what, form.model)
}

fn unknown_clause(word: &str) -> String {
    match nearest(word, forms::CLAUSES.iter().map(|form| form.word)).and_then(forms::clause) {
        Some(form) => format!("did you mean `{}`?\n  {}", form.word, form.model),
        None => "a line in a block is a word and what it says, for instance:\n  batch 16".to_string(),
    }
}

/// What could have stood at the place, in words.
fn expectation(rules: &[Rule]) -> String {
    let mut words: Vec<&str> = Vec::new();
    let behind_value = rules.contains(&Rule::EOI) || rules.contains(&Rule::times);
    for rule in rules {
        let word = expected_word(*rule, behind_value);
        if !word.is_empty() && !words.contains(&word) {
            words.push(word);
        }
    }
    if words.contains(&"a value") {
        words.retain(|word| !matches!(*word, "a name" | "`-`"));
    }
    match words.as_slice() {
        [] => "the end of the line".to_string(),
        [only] => (*only).to_string(),
        [most @ .., last] => format!("{} or {last}", most.join(", ")),
    }
}

/// The word for a rule. Behind a value so much may follow that only the likely is named.
fn expected_word(rule: Rule, behind_value: bool) -> &'static str {
    match rule {
        Rule::primary | Rule::list | Rule::date | Rule::measure | Rule::call | Rule::group | Rule::number => {
            "a value"
        }
        Rule::arg | Rule::expr | Rule::term | Rule::factor | Rule::postfix | Rule::signed | Rule::extent => {
            "a value"
        }
        Rule::chain | Rule::items => "a value",
        Rule::path | Rule::name | Rule::word | Rule::clause_word | Rule::label => "a name",
        Rule::string => "text in quotes",
        Rule::title if behind_value => "",
        Rule::title => "a title in quotes",
        Rule::unit | Rule::one => "a unit",
        Rule::version => "a version such as `1.0`",
        Rule::exponent => "a number",
        Rule::r#type => "a quantity",
        Rule::open | Rule::inputs | Rule::parameters => {
            if behind_value {
                ""
            } else {
                "`(`"
            }
        }
        Rule::close => "`)`",
        Rule::close_list => "`]`",
        Rule::comma => "`,`",
        Rule::colon => "`:`",
        Rule::equals => {
            if behind_value {
                ""
            } else {
                "`=`"
            }
        }
        Rule::plus | Rule::minus | Rule::times | Rule::divide | Rule::caret => "an operator",
        Rule::at_word | Rule::over_word | Rule::as_word | Rule::joint => "",
        Rule::dots | Rule::towards => {
            if behind_value {
                ""
            } else {
                "`..`"
            }
        }
        Rule::limit | Rule::comparison => "a comparison such as `<=`",
        Rule::EOI => "the end of the line",
        Rule::in_word => "",
        Rule::on_word => "`on`",
        Rule::from_word => "`from`",
        Rule::braces => "`{`",
        Rule::scan_word | Rule::iterate_word => "",
        Rule::extends_word => "`extends`",
        Rule::where_word => {
            if behind_value {
                ""
            } else {
                "`where`"
            }
        }
        Rule::within_word | Rule::within => "`within`",
        Rule::always => "`always`",
        _ => "",
    }
}

/// The word, string, or character that a text begins with; nothing if it is blank or a comment.
fn token_at(text: &str) -> &str {
    let text = text.trim_start_matches([' ', '\t']);
    let word = word_of(text);
    match text.chars().next() {
        _ if !word.is_empty() => word,
        None | Some('\n' | '\r' | '#') => "",
        Some('"') => text[1..].find('"').map_or(text, |quote| &text[..quote + 2]),
        Some(other) => &text[..other.len_utf8()],
    }
}

fn end_of_content(file: &str, text: &Range<usize>) -> usize {
    text.start + file[text.clone()].trim_end().len()
}

// ---- items -----------------------------------------------------------------

/// A line, outside every block, that begins with no item's word.
pub(crate) fn unknown_item(file: &str, base: usize, line: &Line, word: &str) -> Diagnostic {
    let text = &file[line.text.clone()];
    let found = token_at(text);
    let span = Span::new(base + line.text.start, base + line.text.start + found.len());
    let help = if let Some(form) =
        nearest(word, forms::ITEMS.iter().map(|form| form.word)).and_then(forms::item)
    {
        format!("did you mean `{}`?\n  {}", form.word, form.model)
    } else if line.block.is_none() && forms::clause(word).is_some() {
        format!(
            "`{word}` stands in a block, for instance:\n  phase NAME {{\n      {}\n  }}",
            forms::shorten(text)
        )
    } else {
        "each line begins with the word for what it is, for instance:\n  loss NAME = mae(refc)".to_string()
    };
    let message = match found {
        "" => "this `{` belongs to nothing".to_string(),
        _ => format!("nothing in a recipe begins with `{}`", forms::shorten(found)),
    };
    Diagnostic::error("syntax", message).label(span, "expected an item such as `loss` or `phase`").help(help)
}

pub(crate) fn not_amendable(
    file: &str,
    base: usize,
    line: &Range<usize>,
    at: usize,
    word: &str,
) -> Diagnostic {
    let found = token_at(&file[at.min(line.end)..line.end]);
    let at = if found.is_empty() { line.end } else { at };
    let message = match found {
        "" => "this `amend` line stops too early".to_string(),
        _ => format!("`{found}` cannot be amended"),
    };
    let help = match nearest(word, forms::ITEMS.iter().map(|form| form.word)) {
        Some(meant) => format!("did you mean `amend {meant}`?"),
        None => {
            "`amend` changes an item of the recipe this one extends:\n  amend phase NAME { … }".to_string()
        }
    };
    Diagnostic::error("syntax", message)
        .label(Span::new(base + at, base + at + found.len()), "expected an item such as `phase` or `model`")
        .help(help)
}

/// A line of a `scan` or `iterate` that begins with neither of their words.
pub(crate) fn unknown_state(word: &Name) -> Diagnostic {
    let diagnostic =
        Diagnostic::error("syntax", format!("no line of `scan` or `iterate` begins with `{}`", word.text))
            .label(word.span, "expected `start`, `step` or a name alone");
    match nearest(&word.text, forms::STATES.iter().copied()) {
        Some(meant) => diagnostic.help(format!("did you mean `{meant}`?")).fix(word.span, meant),
        None => diagnostic.help("what is carried begins with `start`, how it changes with `step`:\n  start  tp = t0\n  step   tp = tp + moist_step(tp, previous, here)"),
    }
}

/// `where` without a block, or a block without `where`.
pub(crate) fn lone_where(base: usize, line: &Line, says_where: bool) -> Diagnostic {
    let end = base + line.text.end;
    if says_where {
        return Diagnostic::error("syntax", "nothing follows this `where`")
            .label(Span::new(end - "where".len(), end), "expected `{` and the names it explains")
            .help("where {\n    shear = speed06 / 20 m/s\n}");
    }
    let open = line.block.as_ref().map_or(end, |block| base + block.span.start);
    Diagnostic::error("syntax", "a block of names begins with `where`")
        .label(Span::new(open, open + 1), "expected `where` before this")
        .help("where {\n    shear = speed06 / 20 m/s\n}")
        .fix(Span::new(open, open), "where ")
}

pub(crate) fn no_block(base: usize, head: &Range<usize>, word: &str) -> Diagnostic {
    let mut diagnostic = Diagnostic::error("syntax", format!("this `{word}` has no block"))
        .label(Span::new(base + head.start, base + head.end), "expected `{` behind this");
    if let Some(form) = forms::item(word) {
        diagnostic = diagnostic.help(format!("{} looks like this:\n  {}", form.what, form.model));
    }
    diagnostic
}

/// A line whose kind takes no block has one.
pub(crate) fn needless_block(file: &str, base: usize, head: &Range<usize>, block: &Body) -> Diagnostic {
    let word = word_of(&file[head.clone()]);
    let message = match word {
        "" => "this `{` belongs to nothing".to_string(),
        _ => format!("a `{word}` line takes no block"),
    };
    let open = base + block.span.start;
    Diagnostic::error("syntax", message).label(Span::new(open, open + 1), "this block is left out")
}

/// A clause that opens a block.
pub(crate) fn clause_with_block(file: &str, base: usize, head: &Range<usize>, block: &Body) -> Diagnostic {
    let word = word_of(&file[head.clone()]);
    let diagnostic = needless_block(file, base, head, block);
    match nearest(word, forms::BLOCKS.iter().copied()) {
        Some(meant) => diagnostic.help(format!("did you mean `{meant}`?")),
        None => diagnostic.help("within a block, only `amend`, `member` and the like open another"),
    }
}

// ---- strings and depth ------------------------------------------------------

pub(crate) fn open_string(base: usize, start: usize, end: usize) -> Diagnostic {
    Diagnostic::error("syntax", "this text has no closing quote")
        .label(Span::new(base + start, base + start + 1), "begins here")
        .help("close it with `\"` on the same line")
        .fix(Span::new(base + end, base + end), "\"")
}

pub(crate) fn too_deep(base: usize, at: usize) -> Diagnostic {
    Diagnostic::error("too-deep", "brackets lie too deep inside one another")
        .label(Span::new(base + at, base + at + 1), "not read from here on")
        .help("give the inner part a name of its own, with a `derive` or a `loss`")
}
