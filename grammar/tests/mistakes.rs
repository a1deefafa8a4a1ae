//! Bad recipes: each mistake is told once, where it is, and the rest of the file is kept.

mod common;

use aurora_grammar::render;
use aurora_grammar::tree::{BlockItem, ItemKind};
use aurora_grammar::{Diagnostic, Style, print};
use common::{Read, read, sound};

/// The text, what is said of it, and what is kept of it.
fn shown(text: &str) -> String {
    let read = read(text);
    format!("{}\n────────\n{}────────\n{}", text.trim_end(), read.human(), read.tree)
}

/// The text with every fix of its diagnostics put in, last place first.
fn fixed(text: &str, read: &Read) -> String {
    let mut fixes: Vec<_> =
        read.diagnostics.iter().filter_map(|diagnostic| diagnostic.fix.as_ref()).collect();
    fixes.sort_by_key(|fix| std::cmp::Reverse(fix.span.start));
    let mut text = text.to_string();
    for fix in fixes {
        text.replace_range(fix.span.start as usize..fix.span.end as usize, &fix.replacement);
    }
    text
}

const FOUR: &str = "aurora 1.0
recipe bad \"four bad lines\"

loss weather  = mae(prognostic
loss storms     mae(sbcape)
loss echoes   = mae(refc)

phase adapt {
    for         6 epochs
    batch       = 16
    train       new,, backbone
    minimise    weather + storms
}
";

#[test]
fn four_bad_lines_are_four_errors() {
    assert_eq!(read(FOUR).codes(), ["syntax"; 4]);
    insta::assert_snapshot!(shown(FOUR));
}

#[test]
fn an_unclosed_block_costs_only_itself() {
    let text = "aurora 1.0
recipe bad

data {
    archive     hrrr
    every       1 h

# what is minimised
loss weather = mae(t)

model {
    step        1 h
}
";
    let read = read(text);
    assert_eq!(read.codes(), ["unclosed-brace"]);
    assert_eq!(read.tree.items.len(), 3);
    assert_eq!(sound(&fixed(text, &read)), read.tree);
    insta::assert_snapshot!(shown(text));
}

#[test]
fn an_unclosed_block_within_a_block_is_found_by_indentation() {
    let text = "aurora 1.0
recipe bad
ensemble regimes {
    member plains {
        amend data {
            months  4 .. 7
        }
    member southeast { }
    blends  mean
}
loss a = mae(t)
phase last {
    for     2 epochs";
    let read = read(text);
    assert_eq!(read.codes(), ["unclosed-brace"; 2]);
    assert_eq!(sound(&fixed(text, &read)), read.tree);
    insta::assert_snapshot!(shown(text));
}

#[test]
fn a_missing_edition_is_told_and_cured() {
    let text = "recipe bad\nloss a = mae(t)\n";
    let read = read(text);
    assert_eq!(read.codes(), ["missing-edition"]);
    assert_eq!(sound(&fixed(text, &read)).items, read.tree.items);
    insta::assert_snapshot!(shown(text));
}

#[test]
fn common_slips_have_messages_of_their_own() {
    let text = "aurora 1.0
recipe slips \"by hand\"
phasse embed {
    for 2 epochs
}
batch 16
derive on = 3
grid conus = “x”
derive scp = mucape / 1000 J/kg
  * / 3
derive stp = a * shear {
    shear = 3
}
derive stp = a * shear where {
    shear = 3
    lift 4
}
loss hail = f(a -5)
loss huge = 1e999
evaluate x on test
amend phas adapt { }
variable t : temperature on pl frm \"TMP\"
phase a, b { }
phase adapt \"no quote {
    for
    bach = 3
    batch 16 { }
    lead 1 ..
}
}
";
    insta::assert_snapshot!(shown(text));
}

#[test]
fn misplaced_title_lines_are_told() {
    insta::assert_snapshot!(shown("recipe a\naurora 1.0\nrecipe b\naurora one\n"));
}

#[test]
fn a_bracket_that_is_never_closed_costs_its_line() {
    let read = read(
        "aurora 1.0\nphase x {\n    optimise adamw(rate = 1e-3\n    batch 16\n    for 2 epochs\n}\nloss a = b\n",
    );
    assert_eq!(read.codes(), ["syntax"]);
    let ItemKind::Block(BlockItem { block, .. }) = &read.tree.items[0].kind else { panic!("a phase") };
    assert_eq!(block.entries.len(), 2);
    assert_eq!(read.tree.items.len(), 2);
}

#[test]
fn depth_is_limited_and_told() {
    for (text, code) in [
        (format!("loss x = {}1{}", "(".repeat(100_000), ")".repeat(100_000)), "too-deep"),
        (format!("loss x = {}", "f([".repeat(100_000)), "too-deep"),
        (format!("loss x = 1{}", " + 1".repeat(100_000)), "too-deep"),
        (format!("loss x = a{}", " at b".repeat(100_000)), "too-deep"),
        (format!("{}{}", "member a { ".repeat(100_000), "}".repeat(100_000)), "too-deep"),
        (format!("loss x = {}1", "-".repeat(100_000)), "syntax"),
        (format!("{}loss x = 1", "amend ".repeat(100_000)), "syntax"),
    ] {
        assert_eq!(read(&format!("aurora 1.0\n{text}\nloss y = 1")).codes(), [code], "{}", &text[..40]);
    }
}

/// A grammar that tried things twice at each of 40 levels would run into its limit of work here.
#[test]
fn depth_costs_no_time() {
    let openers = [
        "(",
        "[",
        "f(",
        "-(",
        "a over (",
        "a at (",
        "(1 .. (",
        "f(a = ",
        "f(in ",
        "(a <= (",
        "2 * (a ^ 2 - (",
        "[(",
    ];
    for opener in openers {
        let brackets: String = opener
            .chars()
            .filter_map(|c| matches!(c, '(' | '[').then_some(if c == '(' { ')' } else { ']' }))
            .collect();
        let closer: String = brackets.chars().rev().collect();
        let times = 40 / closer.len();
        let (open, close) = (opener.repeat(times), closer.repeat(times));
        sound(&format!("aurora 1.0\nloss x = {open}a{close}\n"));
        assert_eq!(read(&format!("aurora 1.0\nloss x = {open}a {close}) b")).codes(), ["syntax"], "{opener}");
        assert_eq!(read(&format!("aurora 1.0\nloss x = {open}")).codes(), ["syntax"], "{opener}");
    }
}

#[test]
fn a_mistake_far_along_its_line_is_told_without_a_picture() {
    let read = read(&format!("aurora 1.0\nloss x = {}*", "a + ".repeat(50_000)));
    assert_eq!(read.codes(), ["syntax"]);
    assert!(read.human().starts_with("test.aurora:2:200010: error[syntax]"), "{}", read.human());
}

#[test]
fn long_lines_are_read() {
    let list = (0..50_000).map(|number| format!("{number}.5")).collect::<Vec<_>>().join(", ");
    let read = sound(&format!("aurora 1.0\nlevels a : height = [{list}] m\n"));
    assert!(print(&read).contains("49999.5"));
}

#[test]
fn a_deep_tree_needs_little_stack() {
    let sum = (0..200).map(|_| "a").collect::<Vec<_>>().join(" + ");
    let text = format!("aurora 1.0\nloss x = {}{sum}{}\n", "f(".repeat(40), ")".repeat(40));
    let thread = std::thread::Builder::new().stack_size(1 << 20);
    let read = thread.spawn(move || print(&sound(&text)).len()).unwrap().join();
    assert!(read.is_ok());
}

#[test]
fn short_and_json_say_where() {
    let read = read(FOUR);
    insta::assert_snapshot!("short", render::short(&read.diagnostics, &read.sources));
    insta::assert_snapshot!("json", render::json(&read.diagnostics, &read.sources));
}

#[test]
fn drawing_without_unicode_or_with_color() {
    let read = read(FOUR);
    let ascii = render::human(&read.diagnostics, &read.sources, Style { unicode: false, ..Style::default() });
    assert!(ascii.is_ascii() && ascii.contains("[test.aurora:5:17]"), "{ascii}");
    let color = render::human(&read.diagnostics, &read.sources, Style { color: true, ..Style::default() });
    assert!(color.contains("\u{1b}["), "{color}");
}

#[test]
fn one_diagnostic_points_into_two_files() {
    let mut sources = aurora_grammar::SourceMap::new();
    let child = sources.add("child.aurora", "aurora 1.0\nphase adapt { }\n");
    let parent = sources.add("parent.aurora", "aurora 1.0\n\n\nphase adapt { }\n");
    let at = |file, start: usize| {
        aurora_grammar::Span::new(sources.base(file) + start, sources.base(file) + start + 11)
    };
    let mut found = aurora_grammar::Diagnostics::new();
    found.push(
        Diagnostic::error("already-defined", "`phase adapt` exists in the recipe this one extends")
            .label(at(child, 11), "defined again")
            .label(at(parent, 13), "first defined here")
            .help("to change a few of its clauses, write `amend phase adapt { … }`"),
    );
    insta::assert_snapshot!(render::human(&found, &sources, Style::default()));
}

#[test]
fn bad_lines_of_a_walk_are_an_error_each() {
    let text = "aurora 1.0
derive x : index on pl
  = f(scan pl upward from p0 {
        strat  tp = t0
        start  = 3
        step   tp tp
        strat tp = 3
        step   \"open = 3
        step   tp = here
    }, 3)
loss a = b
";
    let read = read(text);
    assert_eq!(read.codes(), ["syntax"; 4]);
    insta::assert_snapshot!(shown(text));
}

#[test]
fn an_unclosed_walk_costs_only_itself() {
    for (text, items) in [
        ("aurora 1.0\nderive x = scan pl upward {\n    start a = 1\n    step a = a\nloss y = x\n", 2),
        ("aurora 1.0\nderive x = y\n  where {\n    y = iterate 3 {\n      start a = 1\n  }\nloss y = x\n", 2),
        ("aurora 1.0\nphase a {\n    minimise iterate 3 {\n        start a = 1\n}\nloss y = x\n", 2),
    ] {
        let read = read(text);
        assert_eq!(read.codes(), ["unclosed-brace"], "{text}");
        assert_eq!(read.tree.items.len(), items, "{text}");
        assert_eq!(sound(&fixed(text, &read)), read.tree, "{text}");
    }
    let read = read("aurora 1.0\nderive x = f(scan pl upward {\n    start a = 1\n\nloss y = x\n");
    assert_eq!(read.codes(), ["unclosed-brace"]);
    assert_eq!(read.tree.items.len(), 1);
}

#[test]
fn a_walk_where_none_may_be_is_told_whatever_is_in_it() {
    for head in ["aurora 1.0 = ", "recipe x ", "use std.x ", "drop phase ", "phase x "] {
        let text = format!("{head} iterate 3 {{\n    start a = \"open\n}}\nloss y = 1\n");
        assert!(read(&text).codes().contains(&"syntax"), "{text}");
    }
}

#[test]
fn walks_within_walks_are_limited() {
    let deep = format!(
        "aurora 1.0\nloss x = {}1{}\nloss y = 1",
        "iterate 2 { start a = ".repeat(50_000),
        "}".repeat(50_000)
    );
    assert_eq!(read(&deep).codes(), ["too-deep"]);
    let many = format!("aurora 1.0\nloss x = {}1\n", "scan a b from ".repeat(50_000));
    assert_eq!(read(&many).codes(), ["syntax"]);
    let long = format!("aurora 1.0\nloss x = [{}]\n", "iterate 2 { step a = [1] }, ".repeat(20_000));
    sound(&long);
}
