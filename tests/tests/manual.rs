//! The manual of diagnostics: every code has its page, every page its code, and what it shows can be read.

use std::collections::BTreeSet;
use std::fs;
use std::path::{Path, PathBuf};

use aurora_compiler::manual;
use aurora_grammar::{Diagnostics, SourceMap, parse};

/// Codes that no recipe can provoke, and so have no case.
const UNREACHABLE: [&str; 1] = ["internal"];

#[test]
fn every_code_has_a_page_and_every_page_a_code() {
    let mut used = BTreeSet::new();
    for folder in ["../compiler/src", "../grammar/src", "../runtime/src"] {
        codes_below(&root().join(folder), &mut used);
    }
    assert!(used.len() > 50, "the codes were not found: {used:?}");
    let pages: BTreeSet<String> = manual::codes().into_iter().map(str::to_string).collect();
    let without: Vec<_> = used.difference(&pages).collect();
    // Some codes reach their diagnostic by way of a variable.
    let said = sources(&root().join("../compiler/src")) + &sources(&root().join("../grammar/src"));
    let unused: Vec<_> = pages.iter().filter(|code| !said.contains(&format!("\"{code}\""))).collect();
    assert!(without.is_empty(), "no page for {without:?}");
    assert!(unused.is_empty(), "nothing says {unused:?}");
    for code in pages.iter().filter(|code| !UNREACHABLE.contains(&code.as_str())) {
        assert!(root().join("ui").join(code).is_dir(), "no case for {code}");
    }
}

/// Files that the table does not name would never be printed.
#[test]
fn no_page_is_left_out() {
    let known: BTreeSet<&str> = manual::codes().into_iter().collect();
    for path in sorted(&root().join("../compiler/src/manual")) {
        let stem = path.file_stem().and_then(|stem| stem.to_str()).unwrap_or_default().to_string();
        assert!(known.contains(stem.as_str()), "{stem}.md is in no table");
    }
}

#[test]
fn pages_teach_with_recipes_that_can_be_read() {
    for code in manual::codes() {
        let page = manual::page(code).expect("a page");
        assert!(page.starts_with("# "), "{code} has no heading");
        assert!(page.trim().lines().count() >= 8, "{code} says too little");
        let snippets = snippets(page);
        assert!(!snippets.is_empty(), "{code} shows nothing");
        for snippet in snippets {
            let said = complaints(&snippet);
            assert!(said.is_empty(), "{code}: {said:?} in\n{snippet}");
        }
    }
}

/// What the grammar says of a whole file, of items, or of clauses.
fn complaints(snippet: &str) -> Vec<String> {
    let forms = if snippet.starts_with("aurora ") {
        vec![snippet.to_string()]
    } else {
        vec![format!("aurora 1.0\n{snippet}"), format!("aurora 1.0\nphase example {{\n{snippet}}}\n")]
    };
    let said = forms.into_iter().map(|text| {
        let mut sources = SourceMap::new();
        let mut diagnostics = Diagnostics::new();
        let file = sources.add("page", text);
        parse(file, &sources, &mut diagnostics);
        diagnostics.iter().map(|d| d.message.clone()).collect::<Vec<String>>()
    });
    let said: Vec<Vec<String>> = said.collect();
    if said.iter().any(Vec::is_empty) { Vec::new() } else { said.concat() }
}

/// The blocks of a page that are marked as recipes.
fn snippets(page: &str) -> Vec<String> {
    let mut found = Vec::new();
    let mut open: Option<String> = None;
    for line in page.lines() {
        match (&mut open, line.trim_end()) {
            (None, "```aurora" | "```aurora-fragment") => open = Some(String::new()),
            (Some(_), "```") => found.extend(open.take()),
            (Some(text), line) => {
                text.push_str(line);
                text.push('\n');
            }
            _ => {}
        }
    }
    found
}

fn root() -> PathBuf {
    PathBuf::from(env!("CARGO_MANIFEST_DIR"))
}

fn sorted(folder: &Path) -> Vec<PathBuf> {
    let entries = fs::read_dir(folder).unwrap_or_else(|error| panic!("{}: {error}", folder.display()));
    let mut paths: Vec<PathBuf> = entries.map(|entry| entry.expect("an entry").path()).collect();
    paths.sort();
    paths
}

/// All sources below a folder but the manual's own table.
fn sources(path: &Path) -> String {
    if path.is_dir() {
        return sorted(path).iter().map(|inner| sources(inner)).collect();
    }
    let code = path.extension().is_some_and(|extension| extension == "rs") && !path.ends_with("manual.rs");
    if code { fs::read_to_string(path).expect("a source") } else { String::new() }
}

/// The first argument, if it is a text, of every call that makes a diagnostic.
fn codes_below(path: &Path, codes: &mut BTreeSet<String>) {
    if path.is_dir() {
        sorted(path).iter().for_each(|inner| codes_below(inner, codes));
        return;
    }
    if path.extension().is_none_or(|extension| extension != "rs") {
        return;
    }
    let text = fs::read_to_string(path).expect("a source");
    let text = text.split("#[cfg(test)]").next().unwrap_or_default();
    let calls = [
        "Diagnostic::error(",
        "Diagnostic::warning(",
        "Diagnostic::advice(",
        "self.error(",
        "checker.error(",
        "error_with_help(",
    ];
    for call in calls {
        for (at, _) in text.match_indices(call) {
            let inputs = text[at + call.len()..].trim_start();
            let code = inputs.strip_prefix('"').and_then(|rest| rest.split('"').next());
            codes.extend(code.map(str::to_string));
        }
    }
}
