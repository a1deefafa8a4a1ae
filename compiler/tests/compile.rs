//! Equal recipes are equal artefacts, unequal ones are not, and no text makes the compiler panic.

#[path = "../../tests/tests/world/mod.rs"]
mod world;

use std::fmt::Write;

use aurora_compiler::artefact::{self, ArtefactFile};
use aurora_compiler::{Compilation, compile};
use proptest::prelude::*;
use world::{QUICKSTART, WRF_SAMPLE, World, compiled, drawn};

/// The hash and every file of the artefact.
fn built(text: &str) -> (String, Vec<ArtefactFile>) {
    let compilation = compiled("recipe.aurora", text);
    let files = files_of(&compilation);
    (compilation.result.expect("compiled").0.hash, files)
}

fn files_of(compilation: &Compilation) -> Vec<ArtefactFile> {
    let (plan, module) = compilation.result.as_ref().expect("compiled");
    let lock = compilation.lock(&World::new()).expect("compiled");
    artefact::files(plan, module, &compilation.canonical, &lock)
}

fn same(one: &str, other: &str) {
    let (one, other) = (built(one), built(other));
    for (a, b) in one.1.iter().zip(&other.1) {
        assert_eq!(a.text, b.text, "{}", a.name);
    }
    assert_eq!(one, other);
}

/// A recipe as its items: each with the comment lines before it, in the order written.
fn items(text: &str) -> (String, Vec<String>) {
    let mut items: Vec<String> = Vec::new();
    let mut depth = 0i32;
    let mut head = String::new();
    for line in text.lines() {
        let code = line.split('#').next().unwrap_or("");
        if items.is_empty() && (code.starts_with("aurora") || code.starts_with("recipe")) {
            let _ = writeln!(head, "{line}");
            continue;
        }
        if depth == 0 && !code.trim().is_empty() && !line.starts_with([' ', '}']) {
            items.push(String::new());
        }
        depth += code.matches('{').count() as i32 - code.matches('}').count() as i32;
        if let Some(item) = items.last_mut() {
            let _ = writeln!(item, "{line}");
        }
    }
    (head, items)
}

#[test]
fn both_recipes_compile_without_a_word() {
    for text in [QUICKSTART, WRF_SAMPLE] {
        let compilation = compiled("recipe.aurora", text);
        assert!(compilation.diagnostics.is_empty(), "{}", drawn(&compilation));
    }
}

#[test]
fn two_runs_give_the_same_bytes() {
    same(QUICKSTART, QUICKSTART);
    same(WRF_SAMPLE, WRF_SAMPLE);
}

#[test]
fn the_canonical_recipe_compiles_to_itself() {
    for text in [QUICKSTART, WRF_SAMPLE] {
        let canonical = compiled("recipe.aurora", text).canonical;
        same(text, &canonical);
        assert_eq!(compiled("recipe.aurora", &canonical).canonical, canonical);
    }
}

#[test]
fn imports_that_are_not_used_and_their_order_do_not_matter() {
    let (head, parts) = items(QUICKSTART);
    let rest: String = parts.iter().filter(|item| !item.starts_with("use")).map(String::as_str).collect();
    for uses in [
        "use std.physics (saturation, g0)\nuse std.synthetic (refc, orog, plains, pl, t, u, v, q, z, t2m, u10, v10)",
        "use std.synthetic (plains, pl, t, u, v, q, z, t2m, u10, v10, refc, orog, uh, mucape)\nuse std.physics (g0, saturation, Rd, cp)",
        "use std.synthetic\nuse std.physics",
        "use std.physics\nuse std.synthetic",
        "use std.physics (g0)\nuse std.physics (saturation)\nuse std.synthetic",
    ] {
        same(QUICKSTART, &format!("{head}\n{uses}\n{rest}"));
    }
    // A library of which nothing is used, not even a quantity it alone declares.
    same(
        QUICKSTART,
        &QUICKSTART
            .replace("use std.physics ", "use std.wrf (msl_of_wrf)\nuse std.physics ")
            .replace("use std.wrf (msl_of_wrf)\n", "use std.wrf (sp)\n"),
    );
}

#[test]
fn extending_is_the_same_as_copying() {
    let title = "recipe quickstart \"A small Aurora learns to move storms over a synthetic plain\"";
    let child = format!("aurora 1.0\n{title} extends \"quickstart.aurora\"\n");
    same(QUICKSTART, &child);
    let amended = format!("{child}\namend phase learn {{\n    batch 8\n}}\n");
    same(&QUICKSTART.replace("batch       2", "batch       8"), &amended);
    let wider = format!("{child}amend evaluate convection {{\n    score mae of t2m\n}}\n");
    same(&QUICKSTART.replace("    against", "    score mae of t2m\n    against"), &wider);
    let other = "loss weather = mse(prognostic)";
    let redone = format!("{child}{other}\ndrop loss weather\n");
    same(&QUICKSTART.replace("loss weather = mae(prognostic) + 0.2 * mae(pwat)", other), &redone);
    let changed = format!("{child}amend loss weather = mse(prognostic)\n");
    same(&QUICKSTART.replace("loss weather = mae(prognostic) + 0.2 * mae(pwat)", other), &changed);
    let fixed = format!("{child}amend model {{\n    history 1 steps\n}}\n");
    assert_ne!(built(QUICKSTART).0, built(&fixed).0);
}

#[test]
fn a_chain_of_parents_is_followed() {
    let world = World::new()
        .with(
            "b.aurora",
            "aurora 1.0\nrecipe b extends \"quickstart.aurora\"\namend phase learn {\n batch 8\n}\n",
        )
        .with(
            "c.aurora",
            "aurora 1.0\nrecipe c extends \"b.aurora\"\namend phase learn {\n rollout 2 steps\n}\n",
        );
    let text = "aurora 1.0\nrecipe d extends \"c.aurora\"\ndrop loss storms\nloss storms = mae(refc)\n";
    let compilation = compile("d.aurora", text, &world);
    let (plan, _) = compilation.result.as_ref().unwrap_or_else(|| panic!("{}", drawn(&compilation)));
    let phase = &plan.training.phases[0];
    assert_eq!((plan.name.as_str(), phase.batch, phase.rollout), ("d", 8, 2));
    assert_eq!(plan.training.losses["storms"].terms.len(), 1);
}

#[test]
fn the_order_of_phases_matters() {
    let (head, parts) = items(QUICKSTART);
    let phase = parts.iter().find(|item| item.starts_with("phase")).unwrap();
    let second = phase.replace("phase learn", "phase again");
    let rest: String = parts.iter().filter(|item| !item.starts_with("phase")).map(String::as_str).collect();
    let (one, other) = (format!("{head}{rest}{phase}{second}"), format!("{head}{rest}{second}{phase}"));
    assert_ne!(built(&one).0, built(&other).0);
}

/// Every number of the recipe, made another: the hash must not be that of the original.
#[test]
fn every_number_counts() {
    let (original, _) = built(QUICKSTART);
    let mut compiled_all_the_same = 0;
    for (start, end) in numbers(QUICKSTART) {
        let number = &QUICKSTART[start..end];
        for other in [bumped(number), format!("{number}1"), format!("0{number}1")] {
            let text = format!("{}{other}{}", &QUICKSTART[..start], &QUICKSTART[end..]);
            let compilation = compile("recipe.aurora", &text, &World::new());
            if let Some((plan, _)) = &compilation.result {
                assert_ne!(plan.hash, original, "{number} → {other} in:\n{text}");
                compiled_all_the_same += 1;
            } else {
                assert!(compilation.diagnostics.has_errors());
            }
        }
    }
    assert!(compiled_all_the_same > 20, "only {compiled_all_the_same}");
}

/// Numbers outside names, titles and the line that names the language.
fn numbers(text: &str) -> Vec<(usize, usize)> {
    let bytes = text.as_bytes();
    let mut found = Vec::new();
    let mut at = text.find("data {").unwrap_or(0);
    while at < bytes.len() {
        let word = bytes[at - 1].is_ascii_alphanumeric();
        if bytes[at].is_ascii_digit() && !word {
            let end = (at..bytes.len()).find(|i| {
                !(bytes[*i].is_ascii_digit() || bytes[*i] == b'.' && bytes[i + 1].is_ascii_digit())
            });
            let end = end.unwrap_or(bytes.len());
            found.push((at, end));
            at = end;
        }
        at += 1;
    }
    found
}

/// `2` for `1`, `0.3` for `0.2`: the last digit one more.
fn bumped(number: &str) -> String {
    let (rest, last) = number.split_at(number.len() - 1);
    let digit: u32 = last.parse().unwrap_or(0);
    format!("{rest}{}", if digit == 9 { 8 } else { digit + 1 })
}

/// What a library defines is part of the identity: a constant of `std.physics` that is reached by no word of the
/// recipe itself, only by way of `z`, shows in the hash as soon as the recipe leaves `z` alone.
#[test]
fn libraries_that_are_reached_count() {
    let plain = QUICKSTART.replace(", z, t2m, u10, v10, refc\n", ", t2m, u10, v10, refc\n");
    assert_ne!(built(QUICKSTART).0, built(&plain).0);
    let own = QUICKSTART
        .replace("(g0, saturation)", "(saturation)")
        .replace("derive pwat", "derive g0 = 9.80665 m/s^2\nderive pwat");
    assert_ne!(built(QUICKSTART).0, built(&own).0);
}

proptest! {

    /// Items in any order, blank lines and comments anywhere between lines.
    #[test]
    fn order_comments_and_blanks_do_not_matter(keys in prop::collection::vec(any::<u32>(), 64), seed in any::<u64>()) {
        let (head, mut parts) = items(QUICKSTART);
        let mut order: Vec<usize> = (0..parts.len()).collect();
        order.sort_by_key(|i| keys[*i]);
        parts = order.into_iter().map(|i| clauses_shuffled(&parts[i], &keys)).collect();
        let text: String = std::iter::once(head).chain(parts).collect();
        let mut noisy = String::new();
        for (n, line) in text.lines().enumerate() {
            match (seed >> (n % 60)) & 3 {
                0 if n > 0 => noisy.push_str("# a remark, { of no ( weight\n\n"),
                1 => { let _ = writeln!(noisy, "{line}   # and one more"); continue }
                _ => {}
            }
            let _ = writeln!(noisy, "{line}");
        }
        same(QUICKSTART, &noisy);
    }

    /// Letters, lines and marks struck out, doubled, moved or replaced at random.
    #[test]
    fn no_text_panics_and_every_failure_is_told(edits in prop::collection::vec((any::<u32>(), 0usize..9, any::<u32>()), 1..6)) {
        let mut text = QUICKSTART.to_string();
        for (at, kind, more) in edits {
            mutate(&mut text, at as usize, kind, more as usize);
        }
        let compilation = compile("recipe.aurora", &text, &World::new());
        match &compilation.result {
            Some(_) => {
                prop_assert!(!compilation.diagnostics.has_errors());
                files_of(&compilation);
                same(&text, &compilation.canonical);
            }
            None => {
                let told = drawn(&compilation);
                prop_assert!(compilation.diagnostics.has_errors(), "{text}");
                for diagnostic in &compilation.diagnostics {
                    prop_assert!(diagnostic.code != "internal", "{}\n{}", text, told);
                    let label = diagnostic.labels.first();
                    let place = label.and_then(|label| compilation.sources.locate(label.span));
                    prop_assert!(place.is_some(), "no place for {}: {}\n{}", diagnostic.code, diagnostic.message, text);
                }
            }
        }
    }
}

/// Whole clauses of a block in another order; those that may repeat keep theirs.
fn clauses_shuffled(item: &str, keys: &[u32]) -> String {
    let lines: Vec<&str> = item.lines().collect();
    let Some(close) = lines.iter().rposition(|line| *line == "}") else { return item.to_string() };
    let mut inner: Vec<(u32, &str)> =
        lines[1..close].iter().enumerate().map(|(i, line)| (keys[i], *line)).collect();
    let is_score = |line: &str| line.trim_start().starts_with("score");
    let scores: Vec<&str> = inner.iter().filter(|(_, line)| is_score(line)).map(|(_, line)| *line).collect();
    inner.sort_by_key(|(key, _)| *key);
    let mut scores = scores.into_iter();
    let inner =
        inner.into_iter().map(|(_, line)| if is_score(line) { scores.next().unwrap_or(line) } else { line });
    let all: Vec<&str> =
        std::iter::once(lines[0]).chain(inner).chain(lines[close..].iter().copied()).collect();
    all.join("\n") + "\n"
}

fn mutate(text: &mut String, at: usize, kind: usize, more: usize) {
    const PIECES: [&str; 24] = [
        "{",
        "}",
        "(",
        ")",
        "[",
        "]",
        "\"",
        "#",
        "0",
        "-1",
        "1e308",
        "1e400",
        " .. ",
        " -> ",
        " at ",
        " over ",
        "^",
        "extends",
        "°",
        "NaN",
        ",",
        "=",
        "where {\n",
        "prognostic",
    ];
    let boundary = |at: usize, text: &str| {
        (at % (text.len() + 1)..=text.len()).find(|i| text.is_char_boundary(*i)).unwrap_or(0)
    };
    let here = boundary(at, text);
    match kind {
        0 => text.insert_str(here, PIECES[more % PIECES.len()]),
        1 => {
            let end = boundary(here + more % 12, text).max(here);
            text.replace_range(here..end, "");
        }
        2 | 3 => {
            let mut lines: Vec<&str> = text.lines().collect();
            let line = at % lines.len().max(1);
            if kind == 2 && !lines.is_empty() {
                lines.remove(line);
            } else {
                lines.insert(more % (lines.len() + 1), lines.get(line).copied().unwrap_or(""));
            }
            *text = lines.join("\n") + "\n";
        }
        4 => text.truncate(here),
        5..=7 => {
            // A word for another word, a number for another number.
            let words: Vec<(usize, &str)> = text
                .split(|c: char| !c.is_alphanumeric() && c != '_' && c != '.')
                .filter(|w| !w.is_empty())
                .map(|w| (w.as_ptr() as usize - text.as_ptr() as usize, w))
                .collect();
            if words.is_empty() {
                return;
            }
            let (start, old) = words[at % words.len()];
            let new = if kind == 5 {
                words[more % words.len()].1.to_string()
            } else {
                PIECES[more % PIECES.len()].to_string()
            };
            let end = start + old.len();
            text.replace_range(start..end, &new);
        }
        _ => {
            let tail = text.split_off(here);
            let cut = boundary(more, &tail);
            let (a, b) = tail.split_at(cut);
            *text = format!("{text}{b}{a}");
        }
    }
}

/// Recipes made to exhaust the compiler: each ends soon, with a plan or with a diagnostic.
#[test]
fn extreme_recipes_end() {
    let head = "aurora 1.0\nrecipe extreme extends \"quickstart.aurora\"\n";
    let many = |count: usize, line: &dyn Fn(usize) -> String| (0..count).map(line).collect::<String>();
    let first = "derive x00000 = t2m\n";
    let chain =
        |operator: &'static str| move |n: usize| format!("derive x{:05} = x{n:05} {operator}\n", n + 1);
    let cases = [
        format!("derive long = {}t2m\n", "t2m + ".repeat(20_000)),
        format!("derive deep = {}t2m{}\n", "abs(".repeat(5_000), ")".repeat(5_000)),
        format!("{first}{}", many(60, &|n| format!("derive x{:05} = x{n:05} + x{n:05}\n", n + 1))),
        format!("{first}{}", many(3_000, &chain("+ 1 K"))),
        "derive huge = t2m * 1e308 * 1e308\nderive none = t2m / 0\n".to_string(),
        "amend loss weather = 1e308 * (1e308 * mae(t))\n".to_string(),
        "amend phase learn {\n    minimise 1e308 * (1e308 * weather)\n}\n".to_string(),
        "amend data {\n    train 9999-12-01 .. 9999-12-29\n    validate 9999-12-20 .. 9999-12-29\n}\n"
            .to_string(),
        "derive odd = 3 m^-2147483648\n".to_string(),
        "levels many : index = 0 .. 99999999\n".to_string(),
        "amend phase learn {\n    optimise adamw(rate = 1e308 -> 1e-308, warmup = 100000)\n}\n".to_string(),
    ];
    for case in cases {
        let compilation = compile("extreme.aurora", &format!("{head}{case}"), &World::new());
        let shown = case.chars().take(100).collect::<String>();
        match &compilation.result {
            Some((plan, _)) => {
                let files = files_of(&compilation);
                let json = &files.iter().find(|file| file.name == "plan.json").expect("a plan").text;
                let read: aurora_compiler::Plan =
                    serde_json::from_str(json).unwrap_or_else(|e| panic!("{shown}: {e}"));
                assert_eq!(read, *plan, "{shown}");
            }
            None => assert!(compilation.diagnostics.iter().all(|d| d.code != "internal"), "{shown}"),
        }
    }
}
