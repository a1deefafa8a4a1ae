//! What people are told. Each file of `ui/CODE/` is a recipe with one mistake, for which the compiler says
//! `CODE` and nothing else; its snapshot shows the recipe beside the message, so that a review needs
//! nothing more.

mod world;

use std::collections::BTreeSet;
use std::fs;
use std::path::{Path, PathBuf};

use aurora_compiler::{Compilation, compile};
use aurora_grammar::Severity;
use world::{World, drawn};

const ROOT: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/../tests/ui");
const SNAPSHOTS: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/../tests/tests/snapshots/ui");

/// Codes that no recipe can provoke.
const UNREACHABLE: [&str; 1] = ["internal"];
/// Warnings: the recipe compiles all the same.
const WARNINGS: [&str; 7] = [
    "never-minimised",
    "never-trained",
    "no-baseline",
    "rare-event",
    "split-gap",
    "unused-loss",
    "zero-gradient",
];

#[test]
fn every_mistake_is_told_once_where_it_is_made() {
    let cases = cases();
    assert!(cases.len() > 100, "the cases were not found");
    let mut wrong = Vec::new();
    for (code, path) in &cases {
        let name = path.file_stem().and_then(|stem| stem.to_str()).unwrap_or_default();
        let text = fs::read_to_string(path).unwrap();
        let compilation = compiled(name, &text);
        if let Some(reason) = fault(code, &text, &compilation) {
            wrong.push(format!("{code}/{name}: {reason}\n{}", drawn(&compilation)));
        }
        let shown = format!("{}\n----\n{}", text.trim_end(), drawn(&compilation));
        insta::with_settings!({
            snapshot_path => SNAPSHOTS,
            prepend_module_to_snapshot => false,
            omit_expression => true,
        }, {
            insta::assert_snapshot!(format!("{code}__{name}"), shown);
        });
    }
    assert!(wrong.is_empty(), "{} cases:\n{}", wrong.len(), wrong.join("\n"));
}

/// What is wrong with what was said, if anything: another code, more than one diagnostic, no place in the
/// recipe, no suggestion, or a result in spite of an error.
fn fault(code: &str, text: &str, compilation: &Compilation) -> Option<String> {
    let said: Vec<&str> = compilation.diagnostics.iter().map(|d| d.code).collect();
    if said != [code] {
        return Some(format!("said {said:?}"));
    }
    let diagnostic = compilation.diagnostics.iter().next()?;
    let Some(label) = diagnostic.labels.first() else { return Some("points nowhere".into()) };
    let Some(place) = compilation.sources.locate(label.span) else { return Some("points outside".into()) };
    if place.line > text.lines().count().max(1) && place.file.starts_with(code) {
        return Some(format!("points at line {}", place.line));
    }
    if diagnostic.help.is_none() {
        return Some("suggests nothing".into());
    }
    let error = diagnostic.severity == Severity::Error;
    if error == WARNINGS.contains(&code) {
        return Some(format!("is {:?}", diagnostic.severity));
    }
    (error == compilation.result.is_some()).then(|| "an error and a result, or neither".into())
}

#[test]
fn every_code_has_a_case_and_every_case_a_code() {
    let mut known = BTreeSet::new();
    for folder in ["../compiler/src", "../grammar/src"] {
        codes_below(&Path::new(env!("CARGO_MANIFEST_DIR")).join(folder), &mut known);
    }
    for code in UNREACHABLE {
        assert!(known.remove(code), "`{code}` is gone");
    }
    let covered: BTreeSet<String> = cases().into_iter().map(|(code, _)| code).collect();
    let without: Vec<_> = known.difference(&covered).collect();
    let unknown: Vec<_> = covered.difference(&known).collect();
    assert!(without.is_empty(), "no case for {without:?}");
    assert!(unknown.is_empty(), "nothing says {unknown:?}");
}

/// A suggested replacement must cure what it was suggested for.
#[test]
fn a_fix_cures_its_diagnostic() {
    let mut tried = 0;
    for (code, path) in cases() {
        let name = path.file_stem().and_then(|stem| stem.to_str()).unwrap_or_default().to_string();
        let mut text = fs::read_to_string(&path).unwrap();
        let compilation = compiled(&name, &text);
        let Some(fix) = compilation.diagnostics.iter().find_map(|d| d.fix.clone()) else { continue };
        // The recipe is the first file, so that its offsets are those of the source map.
        let (start, end) = (fix.span.start as usize, fix.span.end as usize);
        text.replace_range(start..end, &fix.replacement);
        let after = compiled(&name, &text);
        let left: Vec<&str> = after.diagnostics.iter().map(|d| d.code).collect();
        assert!(left.is_empty(), "{code}/{name} after its fix:\n{text}\n{}", drawn(&after));
        tried += 1;
    }
    assert!(tried > 15, "only {tried} fixes");
}

fn compiled(name: &str, text: &str) -> Compilation {
    let file = format!("{name}.aurora");
    let child = format!("aurora 1.0\nrecipe child \"Its child\" extends \"{file}\"\n");
    let world = World::new().with(&file, text).with(&format!("child-of-{file}"), &child);
    compile(&file, text, &world)
}

/// Code and path of every case, in order.
fn cases() -> Vec<(String, PathBuf)> {
    let mut cases = Vec::new();
    for folder in sorted(Path::new(ROOT)) {
        let code = folder.file_name().and_then(|name| name.to_str()).unwrap_or_default().to_string();
        let files =
            sorted(&folder).into_iter().filter(|path| path.extension().is_some_and(|e| e == "aurora"));
        cases.extend(files.map(|path| (code.clone(), path)));
    }
    cases
}

fn sorted(folder: &Path) -> Vec<PathBuf> {
    let entries = fs::read_dir(folder).unwrap_or_else(|error| panic!("{}: {error}", folder.display()));
    let mut paths: Vec<PathBuf> = entries.map(|entry| entry.unwrap().path()).collect();
    paths.sort();
    paths
}

/// The first argument, if it is a text, of every call that makes a diagnostic.
fn codes_below(path: &Path, codes: &mut BTreeSet<String>) {
    if path.is_dir() {
        sorted(path).iter().for_each(|inner| codes_below(inner, codes));
        return;
    }
    let text = fs::read_to_string(path).unwrap();
    let text = text.split("#[cfg(test)]").next().unwrap_or_default();
    for call in ["::error(", "::warning(", "::advice(", ".error(", "error_with_help("] {
        for (at, _) in text.match_indices(call) {
            let inputs = text[at + call.len()..].trim_start();
            let Some(code) = inputs.strip_prefix('"').and_then(|rest| rest.split('"').next()) else {
                continue;
            };
            codes.insert(code.to_string());
        }
    }
}
