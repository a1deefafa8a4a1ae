//! One mistake, one diagnostic, with its place and what to write instead; never a panic.

use std::process::Command;

use aurora_tests::{Place, TINY, aurorac, run};
use serde_json::Value;

const QUICKSTART: &str = include_str!("../../../recipes/quickstart.aurora");

/// What to change in the quickstart, and the one diagnostic that must come: code, line, column, a word of the
/// message, a word of the help.
struct Mistake {
    change: [&'static str; 2],
    code: &'static str,
    place: &'static str,
    message: &'static str,
    help: &'static str,
}

const MISTAKES: [Mistake; 5] = [
    Mistake {
        change: ["mae(refc)", "mae(rafc)"],
        code: "unknown-name",
        place: "mae(rafc)|4",
        message: "`rafc`",
        help: "did you mean `refc`?",
    },
    Mistake {
        change: ["2020-05-28 .. 2020-05-29", "2020-05-18 .. 2020-05-29"],
        code: "split-overlap",
        place: "2020-04-20 ..|14",
        message: "are in both `train` and `validate`",
        help: "leave a week between splits",
    },
    Mistake {
        change: ["    static      orog\n}", "    static      orog\n"],
        code: "unclosed-brace",
        place: "model {|6",
        message: "the block of `model` is never closed",
        help: "`}`",
    },
    Mistake {
        change: ["    step        1 h\n", "    step        1 h\n    stepp       1 h\n"],
        code: "unknown-clause",
        place: "stepp|0",
        message: "`stepp` is not a clause of `model`",
        help: "step",
    },
    Mistake {
        change: ["score       rmse, bias of t2m", "score       csi of refc at 2500 J/kg"],
        code: "unit-mismatch",
        place: "refc at 2500|0",
        message: "J/kg",
        help: "write the number in dBZ",
    },
];

#[test]
fn each_mistake_gives_one_diagnostic_with_its_place() {
    for mistake in &MISTAKES {
        let text = QUICKSTART.replacen(mistake.change[0], mistake.change[1], 1);
        assert_ne!(text, QUICKSTART);
        one_diagnostic(&text, mistake);
    }
}

/// An energy where an updraft helicity belongs.
#[test]
fn quantities_are_not_mixed() {
    let text = QUICKSTART
        .replacen("refc, orog)", "refc, uh, orog)", 1)
        .replacen("v10, refc\n", "v10, refc, uh\n", 1)
        .replacen("rmse, bias of t2m", "csi of uh at 2500 J/kg", 1);
    let mistake = Mistake {
        change: ["", ""],
        code: "quantity-mismatch",
        place: "uh at 2500|0",
        message: "helicity cannot be compared with a value in J/kg",
        help: "helicity is written in m^2/s^2",
    };
    one_diagnostic(&text, &mistake);
}

/// In all three formats, on the right stream, with exit code 1.
fn one_diagnostic(text: &str, mistake: &Mistake) {
    let place = Place::empty();
    place.write("r.aurora", text);
    let (line, column) = position(text, mistake.place);
    let at = format!("r.aurora:{line}:{column}");

    let short = place.run(&["check", "r.aurora", "--format", "short"]);
    assert_eq!((short.status.code(), short.stdout.as_str()), (Some(1), ""), "{short:#?}");
    assert_eq!(short.stderr.lines().count(), 1, "{short:#?}");
    assert!(short.stderr.starts_with(&format!("{at}: error[{}", mistake.code)), "{at}: {short:#?}");
    assert!(short.stderr.contains(mistake.message) && short.stderr.contains(mistake.help), "{short:#?}");

    let json = place.run(&["check", "r.aurora", "--format", "json"]);
    assert_eq!((json.status.code(), json.stderr.as_str()), (Some(1), ""), "{json:#?}");
    let lines: Vec<Value> =
        json.stdout.lines().map(|line| serde_json::from_str(line).expect("JSON")).collect();
    assert_eq!(lines.len(), 1, "{json:#?}");
    assert_eq!((&lines[0]["line"], &lines[0]["column"]), (&Value::from(line), &Value::from(column)));
    assert_eq!((&lines[0]["file"], &lines[0]["severity"]), (&Value::from("r.aurora"), &Value::from("error")));
    assert!(lines[0]["help"].as_str().is_some_and(|help| !help.is_empty()), "{json:#?}");

    let human = place.run(&["check", "r.aurora"]);
    assert_eq!((human.status.code(), human.stdout.as_str()), (Some(1), ""), "{human:#?}");
    assert!(human.stderr.contains(&at) && human.stderr.contains("help: "), "{human:#?}");
    assert!(!human.stderr.contains('\u{1b}'), "escape codes in a pipe: {human:#?}");
    for said in [short, json, human] {
        said.no_panic();
    }
}

/// Line and column, from 1, of `text|offset`.
fn position(text: &str, place: &str) -> (usize, usize) {
    let (words, offset) = place.rsplit_once('|').expect("text|offset");
    let at = text.find(words).expect("in the recipe") + offset.parse::<usize>().expect("a number");
    let line = text[..at].matches('\n').count() + 1;
    let column = text[..at].chars().rev().take_while(|c| *c != '\n').count() + 1;
    (line, column)
}

#[test]
fn files_that_are_no_recipes_give_one_sentence() {
    let place = Place::empty();
    std::fs::create_dir(place.path("folder")).expect("made");
    std::fs::create_dir(place.path("inner")).expect("made");
    std::fs::create_dir(place.path("inner/recipe.aurora")).expect("made");
    place.write("garbage.aurora", [0xff, 0xfe, 0, 1, 2, 0x80, b'\n', 0xc3]);
    let cases = [
        ("missing.aurora", "No such file"),
        ("folder", "folder/recipe.aurora cannot be read"),
        ("inner", "directory"),
        ("garbage.aurora", "it is no text in UTF-8 from byte 0 on"),
        ("missing.aurora/x", "No such file"),
        ("garbage.aurora/x", "Not a directory"),
    ];
    for (path, words) in cases {
        for word in ["check", "build", "plan", "train", "evaluate", "report"] {
            let sentence = place.refused(&[word, path]);
            assert!(sentence.contains(words) && sentence.contains(path), "{word} {path}: {sentence}");
        }
    }
    // Whatever bytes a recipe is made of: a diagnostic, no panic.
    let mut random = aurora_tests::Random(5);
    for _ in 0..40 {
        let mut bytes = TINY.as_bytes().to_vec();
        for _ in 0..3 {
            let at = random.below(bytes.len());
            match random.below(3) {
                0 => drop(bytes.remove(at)),
                1 => bytes.insert(at, (random.below(96) + 32) as u8),
                _ => bytes.truncate(at.max(1)),
            }
        }
        place.write("damaged.aurora", &bytes);
        let said = place.run(&["check", "damaged.aurora", "--format", "short"]);
        assert!(matches!(said.status.code(), Some(0 | 1)), "{said:#?}");
        said.no_panic();
    }
    // An empty file, and one that is only deep.
    for text in [
        "",
        "aurora 1.0\n",
        &"(".repeat(100_000),
        &format!("aurora 1.0\nrecipe r \"\"\nloss l = {}1", "(".repeat(5_000)),
    ] {
        place.write("odd.aurora", text);
        let said = place.run(&["check", "odd.aurora", "--format", "short"]);
        assert_eq!(said.status.code(), Some(1), "{said:#?}");
        said.no_panic();
    }
}

#[test]
fn wrong_usage_is_2_and_help_is_0() {
    let place = Place::tiny();
    let wrong: [&[&str]; 7] = [
        &[],
        &["frobnicate"],
        &["check"],
        &["check", "tiny.aurora", "--format", "xml"],
        &["train", "tiny.aurora", "--seed", "-1"],
        &["predict", "tiny.aurora"],
        &["predict", "tiny.aurora", "--checkpoint", "c", "--input", "i", "--output", "o", "--steps", "0"],
    ];
    for arguments in wrong {
        let said = place.run(arguments);
        assert_eq!((said.status.code(), said.stdout.as_str()), (Some(2), ""), "{said:#?}");
        assert!(!said.stderr.contains('\u{1b}'), "{said:#?}");
    }
    for arguments in [&["--help"][..], &["--version"], &["train", "--help"], &["data", "--help"]] {
        let said = place.done(arguments);
        assert!(said.stderr.is_empty() && !said.stdout.contains('\u{1b}'), "{said:#?}");
    }
}

#[test]
fn site_mistakes_say_where() {
    let place = Place::tiny();
    place.write("site.toml", "threads = 2\ndevise = \"cpu\"\n");
    let sentence = place.refused(&["check", "tiny.aurora"]);
    assert!(
        sentence.starts_with("site.toml:2:1: unknown field `devise`") && sentence.contains("`device`"),
        "{sentence}"
    );
    place.write("site.toml", "# a comment\nthreads = \"two\"\n");
    assert!(place.refused(&["check", "tiny.aurora"]).starts_with("site.toml:2:11: "));
    place.write("site.toml", "threads = \n");
    assert!(place.refused(&["check", "tiny.aurora"]).starts_with("site.toml:1:"));
    for device in ["cuda:93", "tpu"] {
        place.write("site.toml", format!("device = \"{device}\"\n"));
        for word in ["train", "evaluate"] {
            let sentence = place.refused(&[word, "tiny.aurora"]);
            assert!(
                sentence.contains(&format!("no device `{device}`")) && sentence.contains("there is cpu"),
                "{sentence}"
            );
        }
        assert!(!place.path("runs").exists() && !place.path("build").exists());
    }
    place.write("wrf.aurora", include_str!("../../../recipes/wrf-sample.aurora"));
    place.write("site.toml", "[archives]\nwrf = \"nowhere.nc\"\n");
    let sentence = place.refused(&["check", "wrf.aurora"]);
    assert!(sentence.contains("`wrf`") && sentence.contains("nowhere.nc"), "{sentence}");
    place.write("nowhere.nc", "no NetCDF");
    let sentence = place.refused(&["check", "wrf.aurora"]);
    assert!(sentence.contains("nowhere.nc"), "{sentence}");
    // An archive that a library describes can be planned for without its data, but not be read.
    place.write("site.toml", "");
    place.done(&["check", "wrf.aurora"]);
    let sentence = place.refused(&["train", "wrf.aurora"]);
    assert!(sentence.contains("this site has no archive `wrf`"), "{sentence}");
}

#[test]
fn what_is_not_there_yet_is_one_sentence() {
    let place = Place::tiny();
    for word in ["evaluate", "report"] {
        let sentence = place.refused(&[word, "tiny.aurora"]);
        assert!(sentence.contains("runs/tiny-") && sentence.contains("train first"), "{sentence}");
        assert!(!place.path("runs").exists());
    }
    let sentence = place.refused(&["data", "inspect", "nothing.nc"]);
    assert!(sentence.contains("nothing.nc"), "{sentence}");
    let arguments = ["predict", "tiny.aurora", "--checkpoint", "nowhere", "--input", "i", "--output", "o"];
    let sentence = place.refused(&arguments);
    assert!(sentence.contains("nowhere") && sentence.contains("not there"), "{sentence}");
    let sentence = place.refused(&["derive", "tiny.aurora", "--input", "i.safetensors", "--output", "o"]);
    assert!(sentence.contains("i.safetensors") && sentence.contains("No such file"), "{sentence}");
    let sentence =
        place.refused(&["derive", "tiny.aurora", "--input", "i", "--output", "o", "--only", "pwot"]);
    assert!(sentence.contains("i"), "{sentence}");
}

/// A terminal gets colour, unless NO_COLOR says otherwise.
#[test]
fn colour_is_for_terminals() {
    if Command::new("script").arg("--version").output().is_err() {
        println!("skipped: there is no `script` here to make a terminal");
        return;
    }
    let place = Place::empty();
    place.write("r.aurora", QUICKSTART.replacen("mae(refc)", "mae(rafc)", 1));
    let terminal = |no_color: Option<&str>| {
        let mut command = Command::new("script");
        command.args(["-qec", &format!("{} check r.aurora", aurorac().display()), "/dev/null"]);
        command.current_dir(place.path("")).env_remove("NO_COLOR").env("TERM", "xterm-256color");
        if let Some(value) = no_color {
            command.env("NO_COLOR", value);
        }
        run(command).stdout
    };
    assert!(terminal(None).contains('\u{1b}'));
    assert!(terminal(Some("")).contains('\u{1b}'));
    assert!(!terminal(Some("1")).contains('\u{1b}'));
}

/// A reader that has gone away is no crash.
#[test]
fn a_closed_pipe_is_no_panic() {
    let place = Place::tiny();
    place.write("wrong.aurora", QUICKSTART.replacen("mae(refc)", "mae(rafc)", 1));
    for (arguments, code) in [("plan tiny.aurora", 0), ("check wrong.aurora --format json", 1), ("--help", 0)]
    {
        let script = format!(
            "set -o pipefail; {} {arguments} 2>err.txt | true; exit ${{PIPESTATUS[0]}}",
            aurorac().display()
        );
        let mut command = Command::new("bash");
        command.args(["-c", &script]).current_dir(place.path(""));
        let said = run(command);
        assert_eq!(said.status.code(), Some(code), "{arguments}: {}", place.text("err.txt"));
        assert!(!place.text("err.txt").contains("panicked"), "{}", place.text("err.txt"));
    }
}
