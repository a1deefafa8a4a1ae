//! The words that look at a recipe: plan, diff, explain, doc, check --fix, build --locked, completions.

use std::fs;

use aurora_tests::{Place, TINY};
use serde_json::Value;

const QUICKSTART: &str = include_str!("../../../recipes/quickstart.aurora");

fn json(text: &str) -> Value {
    serde_json::from_str(text).unwrap_or_else(|error| panic!("{error}: {text}"))
}

#[test]
fn plan_is_a_page_or_one_json_document() {
    let place = Place::tiny();
    let page = place.done(&["plan", "tiny.aurora"]);
    for section in ["variables", "weights", "data", "phases", "resources", "judged by"] {
        assert!(
            page.stdout.lines().any(|line| line.trim_start().starts_with(section)),
            "{section}: {}",
            page.stdout
        );
    }
    assert!(
        page.stdout.lines().all(|line| line.chars().count() <= 100 && line.trim_end() == line),
        "{}",
        page.stdout
    );
    assert!(!page.stdout.contains('\u{1b}'));
    let plan = json(&place.done(&["plan", "tiny.aurora", "--format", "json"]).stdout);
    assert_eq!((&plan["schema"], &plan["name"]), (&"aurora-plan/1".into(), &"tiny".into()));
    // A warning does not stand in the data.
    place.write("warned.aurora", TINY.replace("    against     persistence\n", ""));
    let said = place.done(&["plan", "warned.aurora", "--format", "json"]);
    assert_eq!(json(&said.stdout)["name"], "tiny");
    assert!(said.stderr.contains("no-baseline"), "{said:#?}");
}

#[test]
fn diff_compares_plans() {
    let place = Place::tiny();
    place.write("noted.aurora", format!("{TINY}\n# a remark\n"));
    place.write("other.aurora", "aurora 1.0\nrecipe other extends \"tiny.aurora\"\namend data {\n    train 2020-05-01 .. 2020-05-01T12:00Z\n}\n");
    place.write("wrong.aurora", "aurora 1.0\nrecipe wrong\n");
    let code = |arguments: &[&str]| place.run(arguments).status.code();
    assert_eq!(code(&["diff", "tiny.aurora", "noted.aurora", "--exit-code"]), Some(0));
    assert_eq!(code(&["diff", "tiny.aurora", "other.aurora"]), Some(0));
    assert_eq!(code(&["diff", "tiny.aurora", "other.aurora", "--exit-code"]), Some(1));
    assert_eq!(code(&["diff", "tiny.aurora", "wrong.aurora", "--exit-code"]), Some(2));
    assert_eq!(code(&["diff", "tiny.aurora", "wrong.aurora"]), Some(1));
    assert_eq!(code(&["diff", "tiny.aurora"]), Some(2));
    let said = place.done(&["diff", "tiny.aurora", "other.aurora"]).stdout;
    assert!(said.lines().any(|line| line.starts_with("~ data.train.")), "{said}");
    let found = json(&place.done(&["diff", "tiny.aurora", "other.aurora", "--format", "json"]).stdout);
    assert_eq!(found["schema"], "aurora-diff/1");
    assert!(found["changes"].as_array().is_some_and(|changes| changes.iter().all(|c| c["path"].is_string())));
    // An artefact stands for its recipe.
    let artefact = place.done(&["build", "tiny.aurora"]).stdout;
    assert_eq!(code(&["diff", "tiny.aurora", artefact.trim_end(), "--exit-code"]), Some(0));
}

#[test]
fn explain_teaches_codes_and_names() {
    let place = Place::tiny();
    let codes = place.done(&["explain"]).stdout;
    for code in codes.lines() {
        let page = place.done(&["explain", code]).stdout;
        assert!(page.lines().next().is_some_and(|heading| !heading.starts_with('#')), "{page}");
        assert!(!page.contains("```"), "{page}");
    }
    assert!(codes.lines().count() > 50, "{codes}");
    for (name, words) in [
        ("saturation", ["std.physics", "0.622"]),
        ("std.physics.g0", ["standard gravity", "9.80665"]),
        ("helicity", ["quantity of std.physics", "m^2/s^2"]),
        ("hPa", ["unit", "pressure"]),
        ("minimise", ["clause of phase", "weighted sum"]),
        ("phase", ["block", "optimise"]),
        ("csi", ["score", "threshold"]),
        ("hypot", ["function of the language", "hypot"]),
    ] {
        let said = place.done(&["explain", name]).stdout;
        assert!(words.iter().all(|word| said.contains(word)), "{name}: {said}");
    }
    place.write("r.aurora", QUICKSTART);
    let pwat = place.done(&["explain", "pwat", "r.aurora"]).stdout;
    for part in
        ["integral(q over", "precipitable_water on column", "kg/m^2", "kernel pwat(q: column", "loss weather"]
    {
        assert!(pwat.contains(part), "{part}: {pwat}");
    }
    let meanings = json(&place.done(&["explain", "refc", "r.aurora", "--format", "json"]).stdout);
    assert_eq!(meanings[0]["range"], "-10 .. 75 dBZ");
    let refused = place.refused(&["explain", "saturatoin"]);
    assert!(refused.contains("did you mean `saturation`?"), "{refused}");
}

#[test]
fn explain_shows_what_becomes_of_a_field() {
    let place = Place::tiny();
    place.write("r.aurora", QUICKSTART);
    let pwat = place.done(&["explain", "pwat", "r.aurora", "--kernel"]).stdout;
    for part in ["integral(q over", "before", "kernel pwat(q: column", "passes", "after", "machine code"] {
        assert!(pwat.contains(part), "{part}: {pwat}");
    }
    let pages = json(&place.done(&["explain", "pwat", "r.aurora", "--kernel", "--format", "json"]).stdout);
    assert_eq!(pages[0]["schema"], "aurora-kernel/1");
    assert!(pages[0]["machine"]["bytes"].as_u64().is_some_and(|bytes| bytes > 0));
    // Of a library, over the usual fields.
    let stp = json(&place.done(&["explain", "std.severe.stp", "--kernel", "--format", "json"]).stdout);
    assert_eq!(stp[0]["kind"], "derive of std.severe");
    assert!(stp[0]["fused"]["with"].as_array().is_some_and(|with| with.contains(&"sbcape".into())));
    let short = place.done(&["explain", "std.severe.stp", "--kernel", "--format", "short"]).stdout;
    assert!(short.starts_with("stp: derive of std.severe: "), "{short}");
    for (asked, said) in [
        (vec!["explain", "saturation", "r.aurora", "--kernel"], "function"),
        (vec!["explain", "t", "r.aurora", "--kernel"], "read, not computed"),
        (vec!["explain", "g0", "r.aurora", "--kernel"], "constant"),
        (
            vec!["explain", "std.severe.updraught_helicity", "--kernel"],
            "how far the points of the grid are apart",
        ),
        (vec!["explain", "saturatoin", "--kernel"], "did you mean `saturation`?"),
    ] {
        let refused = place.refused(&asked);
        assert!(refused.contains(said), "{asked:?}: {refused}");
    }
}

#[test]
fn doc_lists_libraries() {
    let place = Place::empty();
    let all = place.done(&["doc"]).stdout;
    for library in all.lines().filter_map(|line| line.split(' ').next()) {
        let page = place.done(&["doc", library]).stdout;
        assert!(page.starts_with(library), "{page}");
        assert_eq!(json(&place.done(&["doc", library, "--format", "json"]).stdout)["name"], library);
    }
    let physics = place.done(&["doc", "std.physics"]).stdout;
    for part in
        ["quantities", "saturation", "Bolton 1980", "(t : temperature, p : pressure) : specific_humidity"]
    {
        assert!(physics.contains(part), "{part}: {physics}");
    }
    assert!(place.refused(&["doc", "std.phisics"]).contains("did you mean `std.physics`?"));
}

#[test]
fn check_repairs_what_a_machine_can() {
    let place = Place::tiny();
    let wrong = TINY.replacen("minimise", "minimize", 1).replacen("1 h", "1 hours", 1);
    assert_ne!(wrong, TINY);
    place.write("tiny.aurora", &wrong);
    let said = place.done(&["check", "tiny.aurora", "--fix"]);
    assert_eq!(said.stdout.lines().count(), 2, "{said:#?}");
    assert!(
        said.stdout.contains("unknown-clause") && said.stdout.contains("`minimize` → `minimise`"),
        "{said:#?}"
    );
    assert_eq!(place.text("tiny.aurora"), TINY);
    // Again: nothing left to do, nothing said, nothing written.
    let said = place.done(&["check", "tiny.aurora", "--fix"]);
    assert_eq!((said.stdout.as_str(), said.stderr.as_str()), ("", ""));
    // What needs a person stays, and is told.
    let wrong = TINY.replacen("minimise", "minimize", 1).replacen("batch", "# batch", 1);
    place.write("tiny.aurora", &wrong);
    let said = place.run(&["check", "tiny.aurora", "--fix", "--format", "short"]);
    assert_eq!(said.status.code(), Some(1), "{said:#?}");
    assert!(said.stderr.contains("missing-clause") && !said.stderr.contains("unknown-clause"), "{said:#?}");
    assert!(place.text("tiny.aurora").contains("minimise"));
    // Without --fix nothing is touched; and never a parent.
    place.write("parent.aurora", &wrong);
    place.write("child.aurora", "aurora 1.0\nrecipe child extends \"parent.aurora\"\n");
    place.run(&["check", "child.aurora", "--fix"]);
    place.run(&["check", "parent.aurora"]);
    assert_eq!(place.text("parent.aurora"), wrong);
    assert_eq!(place.files(".").iter().filter(|name| name.contains("writing")).count(), 0);
}

#[test]
fn a_locked_build_refuses_drift_and_writes_nothing() {
    let place = Place::tiny();
    let sentence = place.refused(&["build", "tiny.aurora", "--locked"]);
    assert!(sentence.contains("aurora.lock holds nothing about `tiny`"), "{sentence}");
    assert!(!place.path("build").exists());
    place.done(&["build", "tiny.aurora"]);
    let locked = place.text("aurora.lock");
    for part in [
        "schema = \"aurora-lock/1\"",
        "[recipes.tiny]",
        "\"std.physics\" = ",
        "[recipes.tiny.archives.synthetic]",
    ] {
        assert!(locked.contains(part), "{part}: {locked}");
    }
    place.done(&["build", "tiny.aurora", "--locked"]);
    assert_eq!(place.text("aurora.lock"), locked);

    // A remark is no drift, a number is.
    place.write("tiny.aurora", format!("{TINY}# a remark\n"));
    place.done(&["build", "tiny.aurora", "--locked"]);
    place.write(
        "tiny.aurora",
        TINY.replacen("batch       2", "batch       3", 1).replacen("batch       4", "batch       3", 1),
    );
    fs::remove_dir_all(place.path("build")).expect("removed");
    let said = place.run(&["build", "tiny.aurora", "--locked"]);
    assert_eq!((said.status.code(), said.stdout.as_str()), (Some(1), ""), "{said:#?}");
    assert!(
        said.stderr.lines().any(|line| line.trim().starts_with("recipe: ") && line.contains(" → ")),
        "{said:#?}"
    );
    assert!(!place.path("build").exists());
    assert_eq!(place.text("aurora.lock"), locked);

    // Another compiler, another library: each is named.
    place.write("tiny.aurora", TINY);
    let version = format!("compiler = \"{}\"", env!("CARGO_PKG_VERSION"));
    place.write(
        "aurora.lock",
        locked
            .replace(&version, "compiler = \"0.0.9\"")
            .replace("\"std.physics\" = \"", "\"std.physics\" = \"0"),
    );
    let said = place.run(&["build", "tiny.aurora", "--locked"]).stderr;
    assert!(said.contains("compiler: 0.0.9 → ") && said.contains("libraries.std.physics: 0"), "{said}");

    // What was fitted stays, other recipes stay, and a newer version is not touched.
    let kept = format!(
        "{locked}\n[recipes.tiny.statistics.t]\ncentre = 280.5\n\n[recipes.zzz]\nrecipe = \"r\"\ncompiler = \"c\"\nlanguage = \"1.0\"\nplan = \"p\"\nkernels = \"k\"\n"
    );
    place.write("aurora.lock", &kept);
    place.done(&["build", "tiny.aurora"]);
    let after = place.text("aurora.lock");
    assert!(after.contains("centre = 280.5") && after.contains("[recipes.zzz]"), "{after}");
    place.write("aurora.lock", "schema = \"aurora-lock/9\"\nfuture = true\n");
    let sentence = place.refused(&["build", "tiny.aurora"]);
    assert!(sentence.contains("aurora-lock/9") && sentence.contains("newer"), "{sentence}");
    assert_eq!(place.text("aurora.lock"), "schema = \"aurora-lock/9\"\nfuture = true\n");
}

#[test]
fn shells_learn_the_words() {
    let place = Place::empty();
    for shell in ["bash", "zsh", "fish", "powershell", "elvish"] {
        let said = place.done(&["completions", shell]).stdout;
        for word in ["aurorac", "explain", "completions", "locked"] {
            assert!(said.contains(word), "{shell}: no {word}");
        }
    }
    assert_eq!(place.run(&["completions", "tcsh"]).status.code(), Some(2));
}
