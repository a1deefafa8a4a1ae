//! `aurorac fmt`: in place, through a pipe, and only looking.

use std::io::Write;
use std::process::{Command, Stdio};

use aurora_tests::{Place, aurorac, run};

const CROOKED: &str =
    "aurora 1.0\nrecipe x \"t\"   # why\nloss a=mae(t)+ 1e-3 # so small\nloss longer =1_000*mae(q)\n";
const STRAIGHT: &str = "aurora 1.0\nrecipe x \"t\"  # why\nloss a      = mae(t) + 1e-3  # so small\nloss longer = 1_000 * mae(q)\n";

#[test]
fn files_are_laid_out_in_place_and_those_that_cannot_be_read_are_left() {
    let place = Place::empty();
    let broken = "aurora 1.0\nloss a=\nloss b=1\n";
    place.write("bad.aurora", broken);
    place.write("crooked.aurora", CROOKED);
    place.write("bytes.aurora", [0xff, 0xfe]);
    let said = place.run(&["fmt", "bad.aurora", "bytes.aurora", "missing.aurora", "crooked.aurora"]);
    assert_eq!((said.status.code(), said.stdout.as_str()), (Some(1), ""), "{said:#?}");
    for word in ["bad.aurora:2", "bytes.aurora is no text in UTF-8", "missing.aurora cannot be read"] {
        assert!(said.stderr.contains(word), "{word}: {said:#?}");
    }
    assert_eq!(place.text("bad.aurora"), broken);
    assert_eq!(place.text("crooked.aurora"), STRAIGHT);
    let again = place.done(&["fmt", "crooked.aurora"]);
    assert_eq!((again.stdout.as_str(), again.stderr.as_str()), ("", ""));
}

#[test]
fn check_changes_nothing_and_names_the_line() {
    let place = Place::empty();
    place.write("crooked.aurora", CROOKED);
    place.write("straight.aurora", STRAIGHT);
    let said = place.run(&["fmt", "--check", "straight.aurora", "crooked.aurora"]);
    assert_eq!((said.status.code(), said.stdout.as_str()), (Some(1), ""), "{said:#?}");
    assert!(said.stderr.starts_with("crooked.aurora:2: would be laid out anew\n"), "{said:#?}");
    assert!(said.stderr.contains("  - recipe x \"t\"   # why\n  + recipe x \"t\"  # why\n"), "{said:#?}");
    assert_eq!(place.text("crooked.aurora"), CROOKED);
    place.done(&["fmt", "--check", "straight.aurora"]);
    place.write("crlf.aurora", STRAIGHT.replace('\n', "\r\n"));
    assert_eq!(place.run(&["fmt", "--check", "crlf.aurora"]).status.code(), Some(1));
}

#[test]
fn stdin_goes_to_stdout() {
    for arguments in [&["fmt"][..], &["fmt", "-"]] {
        let mut command = Command::new(aurorac());
        command.args(arguments).stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::piped());
        let mut child = command.spawn().expect("starts");
        child.stdin.take().expect("a pipe").write_all(CROOKED.as_bytes()).expect("read");
        let said = child.wait_with_output().expect("ends");
        assert!(said.status.success());
        assert_eq!(String::from_utf8_lossy(&said.stdout), STRAIGHT);
    }
    let mut command = Command::new(aurorac());
    command.args(["fmt", "--check"]).stdin(Stdio::null());
    assert_eq!(run(command).status.code(), Some(1), "an empty text lacks its first line");
}

#[test]
fn the_repository_is_laid_out() {
    let root = std::path::Path::new(env!("CARGO_MANIFEST_DIR")).join("../recipes");
    let mut files: Vec<_> = ["", "std"]
        .iter()
        .flat_map(|folder| std::fs::read_dir(root.join(folder)).expect("is there"))
        .map(|entry| entry.expect("is there").path())
        .filter(|path| path.extension().is_some_and(|extension| extension == "aurora"))
        .map(|path| path.display().to_string())
        .collect();
    files.sort();
    assert!(files.len() > 3);
    let arguments: Vec<String> =
        ["fmt".to_string(), "--check".to_string()].into_iter().chain(files).collect();
    Place::empty().done(&arguments);
}
