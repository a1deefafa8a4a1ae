//! What the parser and the verifier refuse, and what they say.

use aurora_compiler::kernel::ir::*;
use aurora_compiler::kernel::jit::{Compiled, JitError};
use aurora_compiler::kernel::text::parse;
use aurora_compiler::kernel::verify::verify;

/// What the verifier says of a kernel with a cell input `a` and column inputs `b` of 2 and `c` of 3 levels.
fn verdict(body: &str) -> Vec<String> {
    let text = format!("kernel k(a: cell, b: column 2, c: column 3) {{\n{body}\n}}");
    let module = parse(&text).unwrap();
    let errors = verify(&module).err().unwrap_or_default();
    if !errors.is_empty() {
        assert!(matches!(Compiled::new(&module.kernels[0]), Err(JitError::Invalid(_))), "{text}");
    }
    errors.iter().map(ToString::to_string).collect()
}

#[test]
fn kernel_verifier_accepts_what_is_right() {
    assert!(verdict("%0 = input b\n%1 = sum %0 weights [1 2] levels 1..2\noutput x = %1").is_empty());
}

#[test]
fn kernel_verifier_refuses_what_is_broken() {
    let cases = [
        ("%0 = input a", "it has no output"),
        ("%0 = input a\noutput x = %1", "output `x` is %1, which no instruction makes"),
        ("%0 = input a\noutput x = %0\noutput x = %0", "two outputs are called `x`"),
        ("%0 = neg %0\noutput x = %0", "%0 uses %0, which is not defined before it"),
        (
            "%0 = input a\n%1 = add %0 %2\n%2 = input b\noutput x = %0",
            "%1 uses %2, which is not defined before it",
        ),
        (
            "%0 = input b\n%1 = input c\n%2 = lt %0 %1\noutput x = %2",
            "%2 joins a column of 2 levels with one of 3",
        ),
        ("%0 = input a\n%1 = sum %0\noutput x = %1", "%1 reduces a cell value; only a column can be reduced"),
        (
            "%0 = input b\n%1 = lowest %0 weights [1 2]\noutput x = %1",
            "%1 has weights, which only a sum can have",
        ),
        ("%0 = input b\n%1 = sum %0 weights [1]\noutput x = %1", "%1 has 1 weights for a column of 2 levels"),
        ("%0 = levels []\noutput x = %0", "%0 is a column of no levels"),
        (
            "%0 = input a\n%1 = shift %0 by 1\noutput x = %1",
            "%1 needs a column as its value, but %0 is a cell",
        ),
        (
            "%0 = input a\n%1 = input b\n%2 = interpolate %1 on %0 at %0\noutput x = %2",
            "%2 needs a column as its coordinate, but %0 is a cell",
        ),
        (
            "%0 = input b\n%1 = input c\n%2 = interpolate %0 on %1 at %0\noutput x = %2",
            "%2 joins a column of 2 levels with one of 3",
        ),
        (
            "%0 = input b\n%1 = input a\n%2 = layer mean %0 on %0 from %0 to %1\noutput x = %2",
            "%2 needs a cell as its from, but %0 is a column",
        ),
        (
            "%0 = input a\n%1 = state 0\noutput x = %0",
            "%1 is `state`, which only the body of a scan can have",
        ),
    ];
    for (body, expected) in cases {
        assert_eq!(verdict(body), [format!("kernel `k`: {expected}")], "{body}");
    }
    for (scan, body, expected) in [
        ("starts [] captures [%1] result 0", "next []", "%3 carries no state from level to level"),
        (
            "starts [%0] captures [%0] result 0",
            "%0 = state 0\nnext [%0]",
            "%3 captures no column, so there are no levels to walk along",
        ),
        (
            "starts [%1] captures [%1] result 0",
            "%0 = state 0\nnext [%0]",
            "%3 needs a cell as its start, but %1 is a column",
        ),
        (
            "starts [%0] captures [%1 %2] result 0",
            "%0 = state 0\nnext [%0]",
            "%3 joins a column of 2 levels with one of 3",
        ),
        (
            "starts [%0] captures [%1] active %2 result 0",
            "%0 = state 0\nnext [%0]",
            "%3 joins a column of 2 levels with one of 3",
        ),
        (
            "starts [%0] captures [%1] result 1",
            "%0 = state 0\nnext [%0]",
            "%3 gives state 1, but has 1, counted from 0",
        ),
        (
            "starts [%0] captures [%1] result 0",
            "%0 = state 0\nnext [%0 %0]",
            "%3 starts with 1 states, but its body says what becomes of 2",
        ),
        (
            "starts [%0] captures [%1] result 0",
            "%0 = state 1\nnext [%0]",
            "in the body of %3: %0 reads state 1, but there are 1, counted from 0",
        ),
        (
            "starts [%0] captures [%1] result 0",
            "%0 = here 2\nnext [%0]",
            "in the body of %3: %0 reads capture 2, but there are 1, counted from 0",
        ),
        (
            "starts [%0] captures [%1] result 0",
            "%0 = neg %0\nnext [%0]",
            "in the body of %3: %0 uses %0, which is not defined before it",
        ),
        (
            "starts [%0] captures [%1] result 0",
            "%0 = input a\nnext [%0]",
            "in the body of %3: %0 is `input`, which the body of a scan cannot have",
        ),
        (
            "starts [%0] captures [%1] result 0",
            "%0 = state 0\n%1 = sum %0\nnext [%0]",
            "in the body of %3: %1 is `sum`, which the body of a scan cannot have",
        ),
        (
            "starts [%0] captures [%1] result 0",
            "%0 = state 0\nnext [%5]",
            "in the body of %3: state 0 becomes %5, which the body does not make",
        ),
    ] {
        let text = format!(
            "%0 = input a\n%1 = input b\n%2 = input c\n%3 = scan {scan} {{\n{body}\n}}\noutput x = %0"
        );
        assert_eq!(verdict(&text), [format!("kernel `k`: {expected}")], "{text}");
    }
    for range in ["1..1", "1..3", "2..1", "5..6"] {
        let said = verdict(&format!("%0 = input b\n%1 = sum %0 levels {range}\noutput x = %1"));
        assert_eq!(said.len(), 1, "{range}: {said:?}");
        assert!(said[0].contains(&format!("takes levels {range} of a column of 2")), "{said:?}");
    }
}

#[test]
fn kernel_verifier_refuses_what_the_text_form_cannot_say() {
    let mut builder = Builder::new("two words");
    builder.input("a", Domain::Column(0));
    builder.input("a", Domain::Cell);
    let value = builder.push(Instruction::Input(7));
    builder.output("", value);
    let kernel = builder.finish();
    let errors = verify(&Module { kernels: vec![kernel.clone(), kernel] }).unwrap_err();
    let said: Vec<_> = errors.iter().map(|error| error.fault.to_string()).collect();
    let name = "is not a name; use letters, digits, `_`, `.`, `@` and `-`";
    assert_eq!(
        said[..5],
        [
            format!("`two words` {name}"),
            "input `a` is a column of no levels".to_owned(),
            "two inputs are called `a`".to_owned(),
            "%2 reads input 7, which is not there".to_owned(),
            format!("`` {name}"),
        ]
    );
    assert_eq!(said[5], "another kernel of this module has the same name");
}

#[test]
fn kernel_parser_says_where_and_why() {
    let cases = [
        ("kernel", "line 1: the line ends where a name should stand"),
        ("\n\nfunction f", "line 3: expected `kernel`, found `function`"),
        ("kernel k(a cell) {", "line 1: expected `:`, found `cell`"),
        ("kernel k(a: row) {", "line 1: expected `cell` or `column`, found `row`"),
        ("kernel k(a: column x) {", "line 1: `x` is not a number of levels"),
        ("kernel k() {\n%1 = constant 1", "line 2: the next value is %0, not %1"),
        ("kernel k() {\n%0 = constant one", "line 2: `one` is not a number"),
        ("kernel k() {\n%0 = input q", "line 2: kernel `k` has no input `q`"),
        ("kernel k() {\n%0 = sinh %0", "line 2: there is no instruction `sinh`"),
        ("kernel k() {\n%0 = neg %0 %0", "line 2: `%0` should not stand here"),
        ("kernel k() {\n%0 = neg %-1", "line 2: `%-1` is not a value such as `%0`"),
        ("kernel k() {\n%0 = sum %0 levels 3", "line 2: `3` is not a range of levels such as `0..3`"),
        ("kernel k() {\n%0 = levels [1 2", "line 2: the line ends where a number should stand"),
        ("kernel k() {\n%0 = shift %0 by half", "line 2: `half` is not a number of levels"),
        (
            "kernel k() {\n%0 = layer total %0",
            "line 2: `total` is not one of integral, mean, highest, lowest",
        ),
        ("kernel k() {\n%0 = layer mean %0 at", "line 2: expected `on`, found `at`"),
        ("kernel k() {\n%0 = difference %0 z", "line 2: `z` is not one of x, y"),
        (
            "kernel k() {\n%0 = scan starts [] captures [] result 0 {\n}",
            "line 3: the body ends without `next`",
        ),
        (
            "kernel k() {\n%0 = scan starts [] captures [] result 0 {\nnext []\n%0 = state 0",
            "line 4: nothing may follow `next` but `}`",
        ),
        (
            "kernel k() {\n%0 = scan starts [] captures [] result 0 {\n%0 = scan starts [] captures [] result 0 {",
            "line 3: a scan cannot stand in the body of another",
        ),
        (
            "kernel k() {\n%0 = scan starts [] captures [] result 0 {",
            "line 2: a scan of kernel `k` is not closed by `}`",
        ),
        ("kernel k() {\n# never closed", "line 2: kernel `k` is not closed by `}`"),
    ];
    for (text, expected) in cases {
        assert_eq!(parse(text).unwrap_err().to_string(), expected, "{text}");
    }
}

#[test]
fn kernel_parser_survives_any_cut_of_a_good_text() {
    let text = "kernel k(a: cell, b: column 2) { # é\n %0 = levels [1 2]\n %1 = sum %0 weights [1 2] levels 0..1\n \
        %2 = scan reverse starts [%1] captures [%0] active %0 result 0 {\n %0 = state 0\n %1 = before 0\n next [%1]\n }\n \
        %3 = layer mean %0 on %2 from %1 to %1\n %4 = interpolate %0 on %2 at %1\n %5 = shift %4 by -1\n}\n";
    for (end, _) in text.char_indices() {
        if let Ok(module) = parse(&text[..end]) {
            assert_eq!(parse(&module.to_string()).as_ref(), Ok(&module));
        }
    }
}
