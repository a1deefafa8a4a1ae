//! `std.severe` beside MetPy, SHARPlib and NCEP: observed soundings, single values from other tools' tests, analyses of models, and columns
//! that are no ordinary soundings.
//!
//! Cases are read from three places: `tests/fixtures/severe`; `$AURORAC_TEST_DATA`, in `fixtures/severe`, `data/soundings` and
//! `data/cases3d`; and `$AURORAC_EXTRA_FIXTURES/severe`. Whatever lies there is read by its form: a `.json` with a list `soundings`, a
//! `.json` of single values, an `.npz` of a model's fields. Once `$AURORAC_TEST_DATA` is set, a missing folder or file is a failure.

mod archives;
mod case3d;
mod criteria;
mod edges;
mod recipe;
mod report;
mod sounding;
mod vectors;

use std::path::{Path, PathBuf};

use recipe::Executor;
use report::Report;
use serde_json::Value;
use sounding::Sounding;

/// Files that the test data must hold.
const EXPECTED: [&str; 5] = [
    "fixtures/severe/unit_vectors.json",
    "data/soundings/reference_soundings.json",
    "data/cases3d/nam211_20180917T00_f000.npz",
    "data/cases3d/gfs2p5_20110110T12_f120.npz",
    "data/cases3d/gfs2p5_20111008_f072.npz",
];

#[test]
fn cases_kept_here() {
    let here = Path::new(env!("CARGO_MANIFEST_DIR")).join("fixtures/severe");
    let values = run(&files(&[here]), Executor::Double);
    assert!(values >= 300, "only {values} values were compared");
}

#[test]
fn cases_of_the_test_data() {
    let Some(root) = std::env::var_os("AURORAC_TEST_DATA").map(PathBuf::from) else {
        println!("skipped: $AURORAC_TEST_DATA is not set");
        return;
    };
    for name in EXPECTED {
        assert!(root.join(name).is_file(), "{} is missing", root.join(name).display());
    }
    let folders = ["fixtures/severe", "data/soundings", "data/cases3d"].map(|below| root.join(below));
    for executor in [Executor::Double, Executor::MachineCode] {
        run(&files(&folders), executor);
    }
}

#[test]
fn extra_cases() {
    match std::env::var_os("AURORAC_EXTRA_FIXTURES").map(PathBuf::from) {
        Some(root) if root.join("severe").is_dir() => {
            run(&files(&[root.join("severe")]), Executor::Double);
        }
        Some(root) => println!("skipped: no {}", root.join("severe").display()),
        None => println!("skipped: $AURORAC_EXTRA_FIXTURES is not set"),
    }
}

#[test]
fn columns_that_are_no_ordinary_soundings() {
    let mut report = Report::default();
    for executor in [Executor::Double, Executor::Single, Executor::MachineCode] {
        edges::check(executor, &mut report);
    }
    report.end("edge cases");
}

/// Every `.json` and `.npz` of folders, in order.
fn files(folders: &[PathBuf]) -> Vec<PathBuf> {
    let mut found = Vec::new();
    for folder in folders {
        let entries =
            std::fs::read_dir(folder).unwrap_or_else(|error| panic!("{}: {error}", folder.display()));
        let mut inside: Vec<PathBuf> = entries.map(|entry| entry.expect("readable").path()).collect();
        inside.retain(|path| path.extension().is_some_and(|end| end == "json" || end == "npz"));
        inside.sort();
        found.extend(inside);
    }
    assert!(!found.is_empty(), "no case in {folders:?}");
    found
}

/// Compares every case of every file, soundings first, for others speak of them; says how many values those were.
fn run(files: &[PathBuf], executor: Executor) -> usize {
    let mut report = Report::default();
    let (mut soundings, mut vectors) = (Vec::<Sounding>::new(), Vec::new());
    for path in files {
        println!("---- {} ({executor:?})", path.display());
        let fault = |error: String| -> ! { panic!("{}: {error}", path.display()) };
        if path.extension().is_some_and(|end| end == "npz") {
            case3d::compare(path, executor, &mut report).unwrap_or_else(|error| fault(error));
            continue;
        }
        let text = std::fs::read_to_string(path).unwrap_or_else(|error| fault(error.to_string()));
        let file: Value = serde_json::from_str(&text).unwrap_or_else(|error| fault(error.to_string()));
        if file.get("soundings").is_some() {
            let found = sounding::all(&file).unwrap_or_else(|error| fault(error));
            sounding::compare(&found, executor, &mut report);
            soundings.extend(found);
        } else {
            vectors.push((path, file));
        }
    }
    for (path, file) in vectors {
        println!("---- {}", path.display());
        vectors::compare(path, &file, &soundings, &mut report)
            .unwrap_or_else(|error| panic!("{}: {error}", path.display()));
    }
    let values = report.values;
    report.end("cases");
    values
}
