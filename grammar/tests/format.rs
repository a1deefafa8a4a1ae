//! The formatter: what it makes of recipes, and what it never does.

mod common;

use aurora_grammar::format;
use common::{RECIPES, sound};
use proptest::prelude::*;

/// The comments of a text; none of the texts here has a `#` in a string.
fn comments(text: &str) -> Vec<String> {
    text.lines().filter_map(|line| Some(line[line.find('#')?..].trim_end().to_string())).collect()
}

/// Formats a text that can be read, and judges the result.
fn formatted(text: &str) -> String {
    let shown = format(text).expect("can be read");
    assert_eq!(sound(&shown), sound(text), "{text}\n────\n{shown}");
    assert_eq!(comments(&shown), comments(text), "{text}\n────\n{shown}");
    assert_eq!(format(&shown).expect("can be read"), shown, "{text}\n────\n{shown}");
    assert!(shown.lines().all(|line| line.trim_end() == line && !line.contains('\t')), "{shown}");
    assert!(!shown.contains("\n\n\n") && shown.ends_with('\n') && !shown.ends_with("\n\n"), "{shown}");
    shown
}

#[test]
fn recipes_are_laid_out_as_they_should_be() {
    for (name, text) in RECIPES {
        insta::assert_snapshot!(format!("format__{name}"), formatted(text));
    }
}

/// The repository's own recipes, wherever they are.
fn repository() -> Vec<(String, String)> {
    let root = std::path::Path::new(env!("CARGO_MANIFEST_DIR")).join("..");
    let mut folders: Vec<_> =
        ["recipes", "tests", "docs", "examples"].iter().map(|name| root.join(name)).collect();
    let mut found = Vec::new();
    while let Some(folder) = folders.pop() {
        for entry in std::fs::read_dir(&folder).into_iter().flatten().flatten() {
            let path = entry.path();
            if path.is_dir() {
                folders.push(path);
            } else if path.extension().is_some_and(|extension| extension == "aurora") {
                found.push((path.display().to_string(), std::fs::read_to_string(&path).expect("is text")));
            }
        }
    }
    found.sort();
    found
}

#[test]
fn every_recipe_of_the_repository_can_be_laid_out_or_is_refused() {
    let all = repository();
    assert!(all.len() > 100, "the recipes were not found");
    for (name, text) in all {
        match format(&text) {
            Ok(_) => drop(formatted(&text)),
            Err(found) => assert!(
                found.has_errors() && ["/ui/", "/fuzz/"].iter().any(|folder| name.contains(folder)),
                "{name}"
            ),
        }
    }
}

/// `AURORAC_WRITE=1 cargo test -p aurora-grammar --test format` lays them out.
#[test]
fn recipes_and_libraries_are_laid_out() {
    let wrong: Vec<String> = repository()
        .into_iter()
        .filter(|(name, _)| name.contains("/../recipes/"))
        .filter_map(|(name, text)| {
            let shown = format(&text).expect("can be read");
            if shown != text && std::env::var_os("AURORAC_WRITE").is_some() {
                std::fs::write(&name, &shown).expect("can be written");
                return None;
            }
            (shown != text).then_some(name)
        })
        .collect();
    assert!(wrong.is_empty(), "run `aurorac fmt` on {wrong:?}");
}

#[test]
fn comments_keep_their_places() {
    let text = "# before\naurora 1.0 # edition\n\n\n\n# own\n# two\nrecipe x \"t\"\t# header\n\
        loss a=f( # open\n# inside\n  b, # after b\n   c # last\n ) # closed\n\
        phase y # head\n  { # brace\n\n# first\n   batch 3 # three\n\n\n# before for\nfor 2 epochs\n\n# at the end\n} # behind\n\
        derive w = iterate 3 { # walk\n# in it\nstart z=1 # start\n# last\n} # out\n\
        derive q = a + # plus\n b\n # before where\n where { # names\n b = 3 # b\n # end of names\n }\n\n\n# at the very end\n\n";
    insta::assert_snapshot!(formatted(text));
}

#[test]
fn what_cannot_be_read_is_refused() {
    let found = format("aurora 1.0\nloss x = \nloss y = 1\n").expect_err("a bad line");
    assert_eq!(found.iter().map(|d| d.code).collect::<Vec<_>>(), ["syntax"]);
}

#[test]
fn long_lines_are_broken_where_they_may_be() {
    let names: Vec<String> = (0..40).map(|n| format!("name_{n}")).collect();
    let sum: Vec<String> = (0..12).map(|n| format!("0.{n} * loss_{n}")).collect();
    let text = format!(
        "aurora 1.0\nuse std.hrrr ({})\nloss x = {}\nphase y {{ minimise {} }}\n\
         derive z : temperature on pl = clamp({}, {})\n\
         derive f(a : temperature) : temperature on column(0 .. 3 km) = a * some_long_name / another_long_name + 3 K\n",
        names.join(", "),
        sum.join(" + "),
        sum.join(" + "),
        sum.join(" + "),
        names.join(", ")
    );
    let shown = formatted(&text);
    assert!(shown.lines().all(|line| line.chars().count() <= 110), "{shown}");
    insta::assert_snapshot!(shown);
}

#[test]
fn long_files_take_no_longer_than_they_should() {
    let long: String = (0..4000).map(|n| format!("derive x{n} : temperature on pl = t + {n} K\n")).collect();
    let list = vec!["1.5"; 20_000].join(",");
    formatted(&format!("aurora 1.0\n{long}\nlevels a : height = [{list}] m\n"));
}

/// A recipe with other blanks, line ends and comments in the places where they may be.
fn disturbed() -> impl Strategy<Value = String> {
    let dice = prop::collection::vec(0u8..24, 400);
    (prop::sample::select(RECIPES), dice).prop_map(|((_, text), dice)| disturb(text, &dice))
}

fn disturb(text: &str, dice: &[u8]) -> String {
    let mut dice = dice.iter().copied().cycle();
    let mut next = || dice.next().unwrap_or(0);
    let mut out = String::new();
    let (mut quoted, mut comment, mut number) = (false, false, 0);
    for character in text.chars() {
        match character {
            '"' if !comment => quoted = !quoted,
            '#' if !quoted => comment = true,
            _ => {}
        }
        if character == '\n' {
            let roll = next();
            number += 1;
            match roll {
                0 if !comment => out.push_str(&format!("  #behind {number}  ")),
                1 => out.push_str(&format!("\n\t# own {number}")),
                2 => out.push_str("\n\n\n"),
                3 => out.push_str(&format!("\n\n# apart {number}\n\n")),
                4 => out.push_str(" \t"),
                _ => {}
            }
            comment = false;
        }
        out.push(character);
        if quoted || comment {
            continue;
        }
        match (character, next()) {
            (' ', 0..4) => out.push_str("  "),
            ('\n', 0..4) => out.push_str("   "),
            ('(' | '[' | ',', 0) => out.push_str("\n      "),
            ('(' | '[' | ',', 1) => {
                number += 1;
                out.push_str(&format!(" # within {number}\n"));
            }
            ('{', 1) => {
                number += 1;
                out.push_str(&format!(" # brace {number}\n"));
            }
            _ => {}
        }
    }
    out
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 256, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn disturbed_recipes_are_laid_out(text in disturbed()) {
        // Not every place that was chosen may hold a line end; what can be read must come out right.
        if format(&text).is_ok() {
            formatted(&text);
        }
    }
}
