//! Questions about small texts; `|` marks the cursor.

use super::*;
use crate::compile;
use crate::site::ArchiveIndex;

const QUICKSTART: &str = include_str!("../../../recipes/quickstart.aurora");

struct World(Vec<(&'static str, String)>);

impl Site for World {
    fn recipe(&self, _from: &str, path: &str) -> Result<(String, String), String> {
        let found = self.0.iter().find(|(name, _)| *name == path);
        found
            .map(|(name, text)| ((*name).to_string(), text.clone()))
            .ok_or_else(|| "no such file".to_string())
    }

    /// Its data are not at hand: what its library says of it counts.
    fn archive(&self, _name: &str) -> Option<ArchiveIndex> {
        None
    }

    fn archives(&self) -> Vec<String> {
        vec!["synthetic".to_string()]
    }
}

fn world() -> World {
    World(vec![("quickstart.aurora", QUICKSTART.to_string())])
}

/// A text without its `|`, and where that stood.
fn marked(text: &str) -> (String, usize) {
    let at = text.find('|').expect("a cursor");
    (text.replacen('|', "", 1), at)
}

/// The quickstart with one piece changed for another, in which `|` marks the cursor.
fn changed(old: &str, new: &str) -> (Analysis, usize) {
    assert!(QUICKSTART.contains(old), "{old}");
    let (text, at) = marked(&QUICKSTART.replacen(old, new, 1));
    (analyse("r.aurora", &text, &world()), at)
}

fn said(old: &str, new: &str) -> String {
    let (analysis, at) = changed(old, new);
    hover(&analysis, at).map(|hover| hover.markdown).unwrap_or_default()
}

fn offered(old: &str, new: &str) -> Vec<String> {
    let (analysis, at) = changed(old, new);
    complete(&analysis, at).into_iter().map(|c| c.label).collect()
}

#[track_caller]
fn offers(old: &str, new: &str, some: &[&str], none: &[&str]) {
    let all = offered(old, new);
    for word in some {
        assert!(all.iter().any(|label| label == word), "{word} is not offered: {all:?}");
    }
    for word in none {
        assert!(!all.iter().any(|label| label == word), "{word} is offered: {all:?}");
    }
}

#[test]
fn an_analysis_says_what_the_compiler_says() {
    for text in
        [QUICKSTART.to_string(), QUICKSTART.replace("mae(refc)", "mae(rafc)"), "phase x {".to_string()]
    {
        let all = |diagnostics: &Diagnostics| -> Vec<String> {
            diagnostics.iter().map(|d| format!("{} {:?} {}", d.code, d.labels, d.message)).collect()
        };
        let compiled = compile("r.aurora", &text, &world());
        assert_eq!(all(&analyse("r.aurora", &text, &world()).diagnostics), all(&compiled.diagnostics));
    }
}

#[test]
fn a_library_that_is_looked_at_is_no_mistake() {
    for (name, text) in library::LIBRARIES {
        let analysis = analyse(name, text, &world());
        let codes: Vec<_> = analysis.diagnostics.iter().map(|d| d.code).collect();
        assert!(
            !codes.contains(&"library-as-recipe") && !codes.contains(&"missing-block"),
            "{name}: {codes:?}"
        );
    }
}

#[test]
fn a_field_is_shown_with_its_type_and_where_it_is_from() {
    let text = said("mae(refc) + 0.3", "mae(re|fc) + 0.3");
    for part in
        ["variable refc", "⟨reflectivity · dBZ (logarithmic) · on column · -10 .. 75 dBZ⟩", "std.synthetic"]
    {
        assert!(text.contains(part), "{part}: {text}");
    }
    let text = said("prognostic  t, u", "prognostic  |t, u");
    assert!(
        text.contains("temperature · K · on pl: 13 levels of pressure, 50 … 1000 hPa · 170 .. 330 K"),
        "{text}"
    );
}

/// Whether or not anything uses it, and in its own unit.
#[test]
fn a_constant_is_shown_with_its_value() {
    let text = said("/ g0", "/ g|0");
    assert!(text.contains("= 9.80665 m^2 s^-2") || text.contains("= 9.80665 m s^-2"), "{text}");
    let text = said("(g0, saturation)", "(g0, saturation, R|d)");
    assert!(text.contains("= 287.05"), "{text}");
    let text = said(
        "loss weather",
        "derive twice = 2 * Rd\nderive Rd = 287.05 J/kg/K\nderive more = t|wice / 2\nloss weather",
    );
    assert!(text.contains("= 574.1 "), "{text}");
}

#[test]
fn words_units_and_quantities_are_shown() {
    assert!(said("    batch ", "    ba|tch ").contains("samples to a step of the optimiser"));
    assert!(said("phase learn", "pha|se learn").contains("one stretch of training"));
    assert!(said("csi of", "c|si of").contains("critical success index"));
    assert!(said("= integral(", "= inte|gral(").contains("integral over a layer"));
    assert!(said("1000 hPa", "1000 h|Pa").contains("1 hPa = 100 in SI"));
    assert!(said("[20, 35] dBZ", "[20, 35] dB|Z").contains("logarithmic"));
    assert!(said("precipitable_water on", "precip|itable_water on").contains("kg/m^2"));
    assert!(said("patch = 4", "pat|ch = 4").contains("of a patch"));
    assert!(said("std.synthetic (", "std.synth|etic (").contains("plains"));
}

/// The line of the cursor does not parse, and its words are known all the same.
#[test]
fn words_of_a_broken_line_are_shown() {
    let text = said("loss storms  = mae(refc)", "loss storms  = mae(re|fc");
    assert!(text.contains("reflectivity"), "{text}");
    assert_eq!(said("loss storms  = mae(refc)", "# a comment on re|fc ((\nloss storms  = mae(refc)"), "");
}

#[test]
fn clauses_that_are_not_written_are_offered() {
    offers(
        "    batch       2\n",
        "    batch       2\n    |\n",
        &["tile", "precision", "optimise"],
        &["batch", "for", "lead"],
    );
    offers("    batch       2\n", "    ba|\n", &["batch"], &["for"]);
    offers("    against     persistence\n", "    |", &["score", "against"], &["lead", "batch"]);
    offers("loss weather", "|\nloss weather", &["loss", "phase", "derive", "evaluate"], &["recipe", "batch"]);
    // The block is not closed, and what follows it begins in the first column.
    offers("    static      orog\n}\n", "    |\n", &["static", "base"], &["step", "batch"]);
}

#[test]
fn names_are_offered_where_they_fit() {
    offers(
        "weather + storms + 0.01 * unsaturated",
        "weather + |",
        &["storms", "unsaturated"],
        &["t", "pl", "batch"],
    );
    offers("v10, refc\n", "v10, |\n", &["refc"], &["orog", "t", "weather", "pl"]);
    offers("static      orog\n", "static      |\n", &["orog"], &["refc", "t"]);
    offers("train       new\n", "train       |\n", &["new", "backbone"], &["refc"]);
    offers("grid        plains", "grid        |", &["plains"], &["t"]);
    offers("archive     synthetic", "archive     |", &["synthetic"], &["t"]);
    offers("score       csi of", "score       |", &["csi", "fss", "rmse"], &["refc"]);
    offers("csi of refc at", "csi of |", &["refc", "t2m"], &["csi", "weather"]);
    offers("= mae(refc) +", "= mae(|", &["refc", "prognostic", "truth"], &["weather"]);
    offers("mae(refc, when", "mae(refc, |", &["when", "scale"], &["refc"]);
    offers("pl) within", "|) within", &["pl", "t"], &["weather"]);
}

#[test]
fn libraries_and_their_names_are_offered() {
    offers("use std.physics   (g0", "use |", &["std.physics", "std.synthetic"], &["t"]);
    offers("(g0, saturation)", "(g0, |)", &["Rd", "saturation", "cp"], &["g0", "temperature", "refc"]);
}

#[test]
fn inputs_of_calls_are_offered() {
    offers(
        "aurora(patch = 4,",
        "aurora(patch = 4, |",
        &["embed", "window", "latent_levels"],
        &["patch", "refc"],
    );
    offers("adamw(rate = 1e-3 -> 1e-5,", "adamw(rate = 1e-3 -> 1e-5, |", &["shape", "clip"], &["rate", "t"]);
    offers("shape = cosine", "shape = |", &["cosine", "constant"], &["rate", "t"]);
    offers("architecture aurora(patch", "architecture |", &["aurora.small", "aurora"], &["patch"]);
}

#[test]
fn types_and_units_are_offered() {
    offers("pwat : precipitable_water", "pwat : |", &["temperature", "helicity"], &["t", "column"]);
    offers("precipitable_water on column", "precipitable_water on |", &["column", "surface", "pl"], &["t"]);
    offers("[20, 35] dBZ", "[20, 35] |", &["dBZ"], &["hPa", "km", "J/kg"]);
    offers("[36, 84] km", "[36, 84] k|", &["km", "m"], &["hPa", "dBZ"]);
    offers("every       1 h", "every       1 |", &["h", "min", "d"], &["km"]);
    offers("3 epochs", "3 |", &["epochs", "steps"], &["km"]);
    offers("batch       2", "batch       2 |", &[], &["km", "epochs"]);
    offers(">= 30 dBZ", ">= 30 |", &["dBZ"], &["hPa"]);
    offers("2020-05-20", "2020-05-20 |", &[], &["km", "h"]);
    offers("within 0.5 g/kg", "within 0.5 |", &["g/kg"], &[]);
}

#[test]
fn nothing_is_offered_in_comments_and_quotes() {
    offers("loss weather", "# los|\nloss weather", &[], &["loss"]);
    assert!(offered("\"From nothing", "\"From| nothing").is_empty());
}

#[test]
fn a_definition_is_found_in_the_file_it_stands_in() {
    let (analysis, at) = changed("mae(refc) + 0.3", "mae(|refc) + 0.3");
    let place = definition(&analysis, at).unwrap();
    assert_eq!(place.file, "std/synthetic.aurora");
    let library = library::text("std.synthetic").unwrap();
    assert_eq!(&library[place.range()], "refc");
    let (analysis, at) = changed("weather + storms", "wea|ther + storms");
    let place = definition(&analysis, at).unwrap();
    assert!(QUICKSTART[..place.start].ends_with("loss ") && &QUICKSTART[place.range()] == "weather");

    let (text, at) = marked("aurora 1.0\nrecipe c \"x\" extends \"quick|start.aurora\"\n");
    let place = definition(&analyse("c.aurora", &text, &world()), at).unwrap();
    assert_eq!(place, Place { file: "quickstart.aurora".into(), start: 0, end: 0 });
    let (text, at) = marked(
        "aurora 1.0\nrecipe c \"x\" extends \"quickstart.aurora\"\namend phase le|arn {\n batch 1\n}\n",
    );
    let place = definition(&analyse("c.aurora", &text, &world()), at).unwrap();
    assert_eq!((place.file.as_str(), &QUICKSTART[place.range()]), ("quickstart.aurora", "learn"));
}

/// Renamed everywhere it is meant, and nowhere else; the recipe is as right as before.
#[test]
fn a_rename_leaves_a_recipe_right() {
    for (old, new, times) in [
        ("loss storms", "loss st|orms", 2),
        ("derive pwat", "derive pw|at", 2),
        ("phase learn", "phase le|arn", 1),
    ] {
        let (analysis, at) = changed(old, new);
        let uses = rename(&analysis, at, "renamed").unwrap();
        assert_eq!(uses.len(), times, "{uses:?}");
        let mut text = QUICKSTART.to_string();
        for reference in uses.iter().rev() {
            text.replace_range(reference.place.range(), "renamed");
        }
        let compilation = compile("r.aurora", &text, &world());
        let said: Vec<_> =
            compilation.diagnostics.iter().map(|d| format!("{} {}", d.code, d.message)).collect();
        assert!(compilation.result.is_some(), "{said:?}\n{text}");
    }
}

#[test]
fn names_of_a_definition_only_are_renamed_there() {
    let text = "aurora 1.0\nlibrary mine \"x\"\nderive f(t : temperature) : temperature = t|t + t where {\n    tt = 2 * t\n}\nderive t2 : temperature = 3 K\n";
    let (text, at) = marked(text);
    let uses = rename(&analyse("m.aurora", &text, &world()), at, "other").unwrap();
    let starts: Vec<usize> = uses.iter().map(|u| u.place.start).collect();
    let expected: Vec<usize> = text.match_indices("tt").map(|(at, _)| at).collect();
    assert_eq!(starts, expected);
}

#[test]
fn what_cannot_be_renamed_is_refused_with_a_reason() {
    let refused = |old: &str, new: &str, name: &str| {
        let (analysis, at) = changed(old, new);
        rename(&analysis, at, name).unwrap_err().0
    };
    assert!(refused("mae(refc) + 0.3", "mae(re|fc) + 0.3", "echo").contains("belongs to `std.synthetic`"));
    assert!(refused("loss storms", "loss st|orms", "weather").contains("something else"));
    assert!(refused("loss storms", "loss st|orms", "2x").contains("no name"));
    assert!(refused("loss storms", "loss st|orms", "within").contains("word of the language"));
    assert!(refused("loss storms", "lo|ss storms", "x").contains("word of the language"));
    // `std.wrf` speaks of the recipe's `pl`.
    let wrf = include_str!("../../../recipes/wrf-sample.aurora").replacen("levels pl", "levels p|l", 1);
    let (text, at) = marked(&wrf);
    assert!(
        rename(&analyse("w.aurora", &text, &world()), at, "mine")
            .unwrap_err()
            .0
            .contains("knows it by this name")
    );
}

#[test]
fn the_outline_names_every_item() {
    let (analysis, _) = changed("phase learn", "phase learn|");
    let names: Vec<String> = symbols(&analysis).into_iter().map(|s| s.name).collect();
    for name in ["data", "model", "pwat", "unsaturated", "weather", "storms", "learn", "convection"] {
        assert!(names.contains(&name.to_string()), "{name}: {names:?}");
    }
}

/// At every character of the recipe, whole or cut off there.
#[test]
fn no_question_anywhere_is_too_much() {
    let text = format!("{QUICKSTART}\n# °µ 🌩 \nloss é = \"🌩\n");
    let whole = analyse("r.aurora", &text, &world());
    for at in 0..=text.len() + 2 {
        let (_, _, _) = (hover(&whole, at), complete(&whole, at), definition(&whole, at));
        if at % 16 == 0 {
            let _ = (references(&whole, at), renamable(&whole, at));
        }
    }
    for at in (0..text.len()).filter(|at| text.is_char_boundary(*at)).step_by(13) {
        let cut = analyse("r.aurora", &text[..at], &world());
        let _ = (hover(&cut, at), complete(&cut, at), definition(&cut, at), symbols(&cut));
    }
}

/// What the checks accept is in the tables: their help lists what they know.
#[test]
fn the_tables_know_what_the_checks_accept() {
    use crate::vocabulary::values;
    for (old, new, table) in [
        ("aurora(patch = 4,", "aurora(zzzzzzzz = 4,", values::inputs_of("aurora")),
        ("adamw(rate", "adamw(zzzzzzzz = 1, rate", values::inputs_of("adamw")),
    ] {
        let compilation = compile("r.aurora", &QUICKSTART.replacen(old, new, 1), &world());
        let said = compilation.diagnostics.iter().find(|d| d.code == "unknown-argument").expect("refused");
        let help = said.help.as_deref().and_then(|help| help.strip_prefix("it takes ")).expect("a list");
        for word in help.split(", ") {
            assert!(values::find(table, word).is_some(), "`{word}` is not in vocabulary/values.rs");
        }
    }
    for word in crate::check::function_words() {
        let tables = [values::FUNCTIONS, values::MEASURES];
        assert!(
            tables.iter().any(|t| values::find(t, word).is_some()),
            "`{word}` is not in vocabulary/values.rs"
        );
    }
    for (word, _) in crate::plan::evaluation::Score::WORDS {
        assert!(values::find(values::SCORES, word).is_some(), "`{word}` is not in vocabulary/values.rs");
    }
}
