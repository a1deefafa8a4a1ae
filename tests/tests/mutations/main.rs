//! Does parity see what matters? Each mutation of `table.rs` spoils one ingredient of the model, and at least one case
//! of the target `parity` must fail with it.
//!
//! A copy of the workspace is made in which every mutated expression `e` reads `if mutated("name") { spoilt } else
//! { e }`, so that one build serves all mutations; the variable `AURORAC_MUTATION` chooses one. The repository itself
//! is not touched. By hand, with the fixtures that parity reads:
//!
//! ```text
//! AURORAC_TEST_DATA=… cargo test --release --workspace --test mutations -- --ignored --nocapture
//! ```

mod table;

use std::collections::{BTreeMap, BTreeSet};
use std::path::{Path, PathBuf};
use std::process::Command;

use table::{MUTATIONS, Mutation, parts};

/// What the copy asks at each place.
const SWITCH: &str = r#"
/// Whether the mutation is the one that was asked for.
pub(crate) fn mutated(name: &str) -> bool {
    static ASKED: std::sync::OnceLock<String> = std::sync::OnceLock::new();
    ASKED.get_or_init(|| std::env::var("AURORAC_MUTATION").unwrap_or_default()) == name
}
"#;

/// The copy is built to be built soon; its models are tiny.
const QUICK: &str = "
[profile.release.package]
aurora-grammar = { opt-level = 0 }
aurora-compiler = { opt-level = 0 }
aurora-runtime = { opt-level = 1 }
aurora-tests = { opt-level = 0 }
";

/// The table speaks of the sources as they are.
#[test]
fn every_mutation_finds_its_place() {
    let names: BTreeSet<&str> = MUTATIONS.iter().map(|mutation| mutation.name).collect();
    assert_eq!(names.len(), MUTATIONS.len(), "a name twice");
    for Mutation { name, edits, .. } in MUTATIONS {
        for (file, place, _) in *edits {
            let text = std::fs::read_to_string(root().join("runtime/src/model").join(file)).expect(file);
            assert_eq!(text.matches(&parts(place).concat()).count(), 1, "{name}: `{place}` in {file}");
        }
    }
}

#[test]
#[ignore = "builds a copy of the workspace, five minutes: .ci/run asks for it"]
fn every_mutation_fails_a_case() {
    let program = build(&copy());
    let (passed, failed) = parity(&program, "");
    assert!(failed.is_empty(), "without a mutation these fail: {failed:?}");
    let mut survived = Vec::new();
    for Mutation { name, case, .. } in MUTATIONS {
        if !passed.contains(*case) {
            println!("{name}: skipped, for the case `{case}` is not at hand");
            continue;
        }
        let (_, failed) = parity(&program, name);
        let list: Vec<&str> = failed.iter().map(String::as_str).collect();
        println!("{name}: {} fail: {}", failed.len(), list.join(", "));
        if !failed.contains(*case) {
            survived.push(*name);
        }
    }
    assert!(survived.is_empty(), "these mutations pass unseen: {}", survived.join(", "));
}

fn root() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).parent().unwrap().to_path_buf()
}

fn target() -> PathBuf {
    std::env::var_os("CARGO_TARGET_DIR").map_or_else(|| root().join("target"), PathBuf::from)
}

/// The workspace with all mutations in it, of the tests only parity.
fn copy() -> PathBuf {
    let (from, to) = (root(), target().join("mutations"));
    let mut files = Vec::new();
    for part in ["Cargo.toml", "Cargo.lock", "grammar", "compiler", "runtime", "recipes", "examples"] {
        collect(&from.join(part), &mut files);
    }
    for part in ["Cargo.toml", "src", "cli", "tests/parity", "fixtures/aurora"] {
        collect(&from.join("tests").join(part), &mut files);
    }
    let mut edits: BTreeMap<PathBuf, Vec<(String, String)>> = BTreeMap::new();
    for Mutation { name, edits: list, .. } in MUTATIONS {
        for (file, place, spoilt) in *list {
            let [before, expression, after] = parts(place);
            let switch = format!("(if crate::mutated(\"{name}\") {{ {spoilt} }} else {{ {expression} }})");
            let file = Path::new("runtime/src/model").join(file);
            edits.entry(file).or_default().push((parts(place).concat(), format!("{before}{switch}{after}")));
        }
    }
    // What an earlier copy has and the sources no longer do: a moved module would be there twice.
    let mut old = Vec::new();
    if to.is_dir() {
        collect(&to, &mut old);
    }
    for file in old.iter().filter(|file| !from.join(file.strip_prefix(&to).unwrap()).exists()) {
        std::fs::remove_file(file).unwrap();
    }
    for file in files {
        let place = file.strip_prefix(&from).unwrap();
        let mut bytes = std::fs::read(&file).unwrap();
        if let Some(edits) = edits.get(place) {
            let mut text = String::from_utf8(bytes).unwrap();
            for (place, switched) in edits {
                text = text.replacen(place, switched, 1);
            }
            bytes = text.into_bytes();
        }
        if place == Path::new("runtime/src/lib.rs") {
            bytes.extend(SWITCH.bytes());
        }
        if place == Path::new("Cargo.toml") {
            bytes.extend(QUICK.bytes());
        }
        if place == Path::new("tests/Cargo.toml") {
            // The copy must not put its binary where the tests of the repository look for theirs.
            let text = String::from_utf8(bytes).unwrap();
            bytes = text.replace("aurorac-under-test", "aurorac-mutated").into_bytes();
        }
        write_if_other(&to.join(place), &bytes);
    }
    to
}

fn collect(path: &Path, files: &mut Vec<PathBuf>) {
    if path.is_file() {
        files.push(path.to_path_buf());
        return;
    }
    let mut entries: Vec<PathBuf> = std::fs::read_dir(path)
        .unwrap_or_else(|error| panic!("{}: {error}", path.display()))
        .map(|entry| entry.unwrap().path())
        .collect();
    entries.sort();
    entries.iter().for_each(|entry| collect(entry, files));
}

/// An unchanged file keeps its date, so that it is not compiled again.
fn write_if_other(path: &Path, bytes: &[u8]) {
    if std::fs::read(path).is_ok_and(|old| old == bytes) {
        return;
    }
    std::fs::create_dir_all(path.parent().unwrap()).unwrap();
    std::fs::write(path, bytes).unwrap();
}

/// Builds the copy's parity and gives the program.
fn build(copy: &Path) -> PathBuf {
    let cargo = std::env::var_os("CARGO").unwrap_or_else(|| "cargo".into());
    let output = Command::new(cargo)
        .args(["test", "--release", "--workspace", "--test", "parity", "--no-run", "--message-format=json"])
        .current_dir(copy)
        .env("CARGO_TARGET_DIR", target())
        .output()
        .unwrap();
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    let lines = String::from_utf8(output.stdout).unwrap();
    let program = lines.lines().find_map(|line| {
        let message: serde_json::Value = serde_json::from_str(line).ok()?;
        let parity = message["target"]["name"] == "parity";
        message["executable"].as_str().filter(|_| parity).map(PathBuf::from)
    });
    program.expect("cargo names the program")
}

/// The names of the cases that pass and fail with a mutation.
fn parity(program: &Path, mutation: &str) -> (BTreeSet<String>, BTreeSet<String>) {
    let output = Command::new(program)
        .args(["agree", "--nocapture", "--test-threads=1"])
        .env("AURORAC_MUTATION", mutation)
        .current_dir(root().join("tests"))
        .output()
        .unwrap();
    let text = String::from_utf8_lossy(&output.stdout).to_string();
    let (mut passed, mut failed) = (BTreeSet::new(), BTreeSet::new());
    for line in text.lines() {
        // The harness writes the test's name before the first line.
        let line = line.rsplit(" ... ").next().unwrap_or(line);
        let Some((name, rest)) = line.split_once(": ") else { continue };
        if rest.starts_with("FAILED: ") {
            failed.insert(name.to_string());
        } else if rest.contains(" activations, ") {
            passed.insert(name.to_string());
        }
    }
    assert!(!passed.is_empty() || !failed.is_empty(), "parity ran no case:\n{text}");
    (passed, failed)
}
