//! `aurorac derive LIBRARY --sounding FILE`: the table, JSON, the diagram, and mistakes with their lines.

use std::path::PathBuf;

use aurora_runtime::data::sounding::Sounding;
use aurora_tests::Place;
use serde_json::Value;

const DODGE: &str = include_str!("../../fixtures/soundings/20160524_2300_dodge_city.snd");

fn place() -> Place {
    let place = Place::empty();
    place.write("dodge.snd", DODGE);
    place
}

const ONLY: [&str; 2] = ["--only", "speed06,right_mover_u,right_mover_v"];

#[test]
fn a_table_in_the_units_of_forecasters() {
    let place = place();
    let said = place.done(&[&["derive", "std.severe", "--sounding", "dodge.snd"][..], &ONLY].concat());
    assert!(said.stdout.contains("2016-05-24 23:00 UTC"), "{}", said.stdout);
    assert!(said.stdout.contains("37.57° N, 100.13° W"), "{}", said.stdout);
    assert!(!said.stdout.contains('\u{1b}'), "a pipe is given no colours");
    let shear = said.stdout.lines().find(|line| line.trim_start().starts_with("speed06")).expect("the shear");
    assert!(shear.contains("kt") && shear.contains("m/s"), "{shear}");
    let mover = said.stdout.lines().find(|line| line.contains("right_mover_u, _v")).expect("the motion");
    assert!(mover.contains('°') && mover.contains("kt"), "{mover}");
    let json = place.done(
        &[&["derive", "std.severe", "--sounding", "dodge.snd", "--format", "json"][..], &ONLY].concat(),
    );
    let json: Value = serde_json::from_str(&json.stdout).expect("JSON");
    let parameter = &json["parameters"]["speed06"];
    let (si, knots) = (parameter["value"].as_f64().expect("a value"), parameter["shown"]["value"].as_f64());
    assert!((si / 0.514_444 - knots.expect("knots")).abs() < 0.01, "{parameter}");
    assert_eq!(parameter["units"], "m/s");
    assert!(shear.contains(&format!("{si:.1} m/s")), "{shear} {si}");
    // From the winds of the file: at the ground, and linear in height to 6 km above it.
    let sounding = Sounding::read(&place.path("dodge.snd")).expect("a sounding");
    let ground = sounding.levels[0];
    let pair = sounding
        .levels
        .windows(2)
        .find(|pair| sounding.above_ground(&pair[0]) <= 6000.0 && sounding.above_ground(&pair[1]) > 6000.0)
        .expect("6 km");
    let part = (6000.0 - sounding.above_ground(&pair[0])) / (pair[1].height - pair[0].height);
    let (u, v) = (pair[0].u + part * (pair[1].u - pair[0].u), pair[0].v + part * (pair[1].v - pair[0].v));
    let by_hand = (u - ground.u).hypot(v - ground.v);
    // The kernels reckon in 32 bits.
    assert!((by_hand - si).abs() < 1e-3, "{by_hand} {si}");
}

#[test]
fn the_diagram_is_a_picture_of_its_own() {
    let place = place();
    let arguments = ["derive", "std.severe", "--sounding", "dodge.snd", "--output", "dodge.svg"];
    let said = place.done(&[&arguments[..], &ONLY].concat());
    assert!(said.stderr.contains("dodge.svg"), "{}", said.stderr);
    let svg = place.text("dodge.svg");
    for part in [
        "class=\"temperature\"",
        "class=\"dewpoint\"",
        "class=\"parcel\"",
        "class=\"cape\"",
        "LCL",
        "EL",
        "class=\"barb\"",
        "RM",
    ] {
        assert!(svg.contains(part), "no {part}");
    }
    // Nothing is loaded from elsewhere, nothing is left open, no number is missing.
    assert!(!svg.contains("href") && !svg.contains("NaN") && !svg.contains("inf\""));
    assert_eq!(svg.matches("<g ").count(), svg.matches("</g>").count());
    assert_eq!(svg.matches("<text ").count(), svg.matches("</text>").count());
    place.done(&[&arguments[..], &ONLY].concat());
    assert_eq!(svg, place.text("dodge.svg"), "the same sounding, the same picture");
    let wrong = ["derive", "std.physics", "--sounding", "dodge.snd", "--output", "dodge.png"];
    assert!(place.refused(&wrong).contains("--output dodge.svg"));
}

#[test]
fn mistakes_are_told_with_their_line() {
    let place = place();
    let line = DODGE.lines().position(|line| line.trim_start().starts_with("900.00")).expect("900 hPa") + 1;
    let cases = [
        (DODGE.replace("25.41", "hot"), format!(":{line}: `hot` is no number")),
        (DODGE.replace("25.41", "254.1"), format!(":{line}: 254.1 °C is no temperature")),
        (DODGE.replace("%END%", ""), "cut short".to_string()),
        (String::new(), "empty".to_string()),
        ("a, b\n1, 2\n".to_string(), "not a sounding".to_string()),
    ];
    for (text, words) in cases {
        place.write("wrong.snd", text);
        let sentence = place.refused(&["derive", "std.physics", "--sounding", "wrong.snd"]);
        assert!(sentence.contains(&words) && sentence.contains("wrong.snd"), "{words}: {sentence}");
    }
    let sentence = place.refused(&["derive", "std.physics", "--sounding", "nowhere.snd"]);
    assert!(sentence.contains("nowhere.snd"), "{sentence}");
    let sentence = place.refused(&["derive", "std.physics", "--sounding", "dodge.snd", "--only", "speed60"]);
    assert!(sentence.contains("did you mean `speed06`?"), "{sentence}");
    // A sounding is no field, and the other way round.
    let sentence = place.refused(&["derive", "std.physics", "--input", "dodge.snd", "--output", "no.nc"]);
    assert!(sentence.contains("--sounding"), "{sentence}");
}

/// Every file of the collection, with the number of levels that MetPy and SHARPlib were given of those that are in it.
#[test]
fn the_soundings_people_have() {
    let Some(folder) =
        std::env::var_os("AURORAC_TEST_DATA").map(|folder| PathBuf::from(folder).join("data/soundings"))
    else {
        println!("skipped: AURORAC_TEST_DATA is not set");
        return;
    };
    let place = place();
    let mut read = 0;
    for below in ["", "sharppy_examples", "sharplib"] {
        let mut paths: Vec<PathBuf> = std::fs::read_dir(folder.join(below))
            .expect("a folder")
            .map(|entry| entry.expect("an entry").path())
            .filter(|path| {
                let extension = path.extension().and_then(|e| e.to_str()).unwrap_or_default();
                ["txt", "snd"].contains(&extension) || below == "sharppy_examples"
            })
            .collect();
        paths.sort();
        for path in paths {
            let sounding = Sounding::read(&path).unwrap_or_else(|error| panic!("{error}"));
            let pairs = || sounding.levels.windows(2);
            assert!(
                pairs().all(|pair| pair[1].pressure < pair[0].pressure && pair[1].height > pair[0].height)
            );
            assert!(sounding.levels.len() > 20, "{}", path.display());
            let path = path.to_str().expect("UTF-8");
            place.done(&[&["derive", "std.severe", "--sounding", path][..], &ONLY].concat());
            read += 1;
        }
    }
    assert_eq!(read, 14);
}

/// The parameters of the soundings in files against those that SHARPlib 1.4.3 (ascent of CM1) and MetPy 1.7.1 gave of them: from the text
/// to the number. The tolerances are those that separate the peers from each other; `severe` holds the library itself.
#[test]
fn parameters_of_real_soundings() {
    let Some(folder) =
        std::env::var_os("AURORAC_TEST_DATA").map(|folder| PathBuf::from(folder).join("data/soundings"))
    else {
        println!("skipped: AURORAC_TEST_DATA is not set");
        return;
    };
    let place = place();
    let text = std::fs::read_to_string(folder.join("reference_soundings.json")).expect("the references");
    let all: Value = serde_json::from_str(&text).expect("JSON");
    for (name, path) in [
        ("14061619.OAX", "sharppy_examples/14061619.OAX"),
        (
            "20160524_2302_EF3_37.57_-100.13_108_613967.snd",
            "sharplib/20160524_2302_EF3_37.57_-100.13_108_613967.snd",
        ),
        ("metpy_may4_1999_OUN", "may4_sounding.txt"),
    ] {
        let reference = all["soundings"].as_array().expect("a list").iter().find(|one| one["name"] == name);
        let reference = &reference.expect(name)["values"]["SHARPlib 1.4.3 (cm1 lifter)"];
        let path = folder.join(path);
        let path = path.to_str().expect("UTF-8");
        let said = place.done(&["derive", "std.severe", "--sounding", path, "--format", "json"]);
        let made: Value = serde_json::from_str(&said.stdout).expect("JSON");
        let value = |name: &str| made["parameters"][name]["value"].as_f64();
        for (ours, theirs) in [("sbcape", "SBCAPE"), ("mlcape", "MLCAPE"), ("mucape", "MUCAPE")] {
            let (ours, theirs) = (value(ours).expect("CAPE"), reference[theirs].as_f64().expect("CAPE"));
            assert!((ours - theirs).abs() <= (0.03 * theirs).max(40.0), "{name}: {ours} {theirs}");
        }
        // Levels without wind are no knots of their hodograph, and between knots the wind is linear in height here.
        for (ours, theirs) in [("srh1", "SRH1000"), ("srh3", "SRH3000")] {
            let (ours, theirs) = (value(ours).expect("SRH"), reference[theirs].as_f64().expect("SRH"));
            assert!((ours - theirs).abs() <= 0.5, "{name}: {ours} {theirs}");
        }
        let mover = [value("right_mover_u").expect("u"), value("right_mover_v").expect("v")];
        for (ours, theirs) in mover.iter().zip(reference["bunkers_RM"].as_array().expect("a motion")) {
            assert!((ours - theirs.as_f64().expect("a number")).abs() <= 0.05, "{name}: {mover:?}");
        }
    }
}

#[test]
fn the_whole_of_severe_in_a_table_and_a_picture() {
    let place = place();
    let said = place.done(&["derive", "std.severe", "--sounding", "dodge.snd", "--output", "dodge.svg"]);
    let row = |name: &str| {
        said.stdout
            .lines()
            .find(|line| line.split_whitespace().next() == Some(name))
            .unwrap_or_else(|| panic!("{name}"))
    };
    let head = said.stdout.lines().find(|line| line.starts_with("Parcels")).expect("the parcels");
    assert!(
        head.contains("surface sb") && head.contains("mixed layer ml") && head.contains("most unstable mu")
    );
    assert_eq!(row("cape").split_whitespace().count(), 5, "{}", row("cape"));
    assert!(row("srh3").contains("m²/s²"));
    assert!(row("lcl_height").contains(" m "));
    assert!(row("left").contains("updraught_helicity"));
    let svg = place.text("dodge.svg");
    for words in ["RM", "LM", "effective inflow", "CAPE 0–3 km", "Tornado (STP fixed)", "class=\"sweep\""] {
        assert!(svg.contains(words), "no {words}");
    }
    assert!(!svg.contains("NaN"));
}
