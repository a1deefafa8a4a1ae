//! Aurora against fixtures made with microsoft-aurora 2.0.1 (float32, random weights): parameters after loading,
//! activations, outputs, roll-outs, loss and gradients.
//!
//! Four small cases are kept in `tests/fixtures/aurora`. `$AURORAC_TEST_DATA/fixtures/aurora` and
//! `$AURORAC_EXTRA_FIXTURES/aurora` hold further ones; once such a variable is set, a missing folder or file is a
//! failure. Every case is a checkpoint, tensors, and a description (`NAME.json`) whose constructor arguments are all
//! read: one that is not known fails its case.
//!
//! Tolerances: the reference's own gap between float32 and float64 is 4e-6 to 2e-5 on values up to 12, so that
//! activations and outputs may differ by 1e-4·max(1, max|ref|/10), losses by 1e-5 relative, gradients by
//! 2e-3·max|ref| + 1e-6. Angles are compared modulo 360.

mod arguments;
mod behaviour;
mod case;
mod compare;
mod scale;

use std::panic::{AssertUnwindSafe, catch_unwind};
use std::path::{Path, PathBuf};

use burn::tensor::Device;
use case::Case;

#[test]
fn cases_kept_here_agree() {
    assert_eq!(names(&here()).len(), 4);
    agree(&here());
}

#[test]
fn further_cases_agree() {
    for (variable, below) in [("AURORAC_TEST_DATA", "fixtures/aurora"), ("AURORAC_EXTRA_FIXTURES", "aurora")]
    {
        match std::env::var_os(variable) {
            Some(folder) => agree(&PathBuf::from(folder).join(below)),
            None => println!("skipped: ${variable} is not set"),
        }
    }
}

/// The two smallest cases kept here, on the first device that wgpu finds.
#[cfg(feature = "gpu-test")]
#[test]
fn the_smallest_cases_agree_on_a_gpu() {
    let device = aurora_runtime::device::open("wgpu").unwrap_or_else(|error| panic!("{error}"));
    let size = |name: &String| std::fs::metadata(here().join(format!("{name}.ckpt"))).unwrap().len();
    let mut names = names(&here());
    names.sort_by_key(size);
    for name in &names[..2] {
        println!("{name} on {device:?}: {}", Case::open(&here(), name).run(&device));
    }
}

fn here() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("fixtures/aurora")
}

/// Runs every case of a folder, prints a line for each, and fails if any does.
fn agree(folder: &Path) {
    let names = names(folder);
    assert!(!names.is_empty(), "no case in {}", folder.display());
    let mut failed = Vec::new();
    for name in &names {
        match catch_unwind(AssertUnwindSafe(|| Case::open(folder, name).run(&Device::flex()))) {
            Ok(report) => println!("{name}: {report}"),
            Err(reason) => {
                let reason = reason.downcast_ref::<String>().map(String::as_str);
                println!("{name}: FAILED: {}", reason.unwrap_or("see above"));
                failed.push(name.as_str());
            }
        }
    }
    println!("{} of {} cases agree in {}", names.len() - failed.len(), names.len(), folder.display());
    assert!(failed.is_empty(), "these cases do not agree: {}", failed.join(", "));
}

fn names(folder: &Path) -> Vec<String> {
    let entries = std::fs::read_dir(folder).unwrap_or_else(|error| panic!("{}: {error}", folder.display()));
    let name =
        |entry: std::fs::DirEntry| Some(entry.file_name().to_str()?.strip_suffix(".ckpt")?.to_string());
    let mut names: Vec<String> = entries.filter_map(|entry| name(entry.unwrap())).collect();
    names.sort();
    names
}
