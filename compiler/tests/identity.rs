//! What changes a recipe's hash, and what does not.
//!
//! Renaming, titles, comments, order, inlining an `extends`, the spelling of units and the list of a `use`
//! change nothing; every number does.

#[path = "../../tests/tests/world/mod.rs"]
mod world;

use std::path::Path;

use aurora_compiler::compile;
use proptest::prelude::*;
use world::{World, drawn};

/// Every recipe of the repository that compiles on the sites of the tests, by name.
fn recipes() -> Vec<(String, String)> {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("../recipes");
    let mut found = Vec::new();
    for entry in std::fs::read_dir(folder).expect("the recipes") {
        let path = entry.expect("an entry").path();
        if path.extension().is_some_and(|extension| extension == "aurora") {
            let name = path.file_name().and_then(|name| name.to_str()).expect("a name").to_string();
            found.push((name, std::fs::read_to_string(&path).expect("a recipe")));
        }
    }
    found.sort();
    found
}

/// Those that compile here, with their hashes; the two of the tests' own archives do in any case.
fn hashed() -> Vec<(String, String, String)> {
    let all = recipes().into_iter();
    let found: Vec<_> =
        all.filter_map(|(name, text)| hash_of(&name, &text).map(|hash| (name, text, hash))).collect();
    assert!(found.len() >= 2, "no recipe compiles");
    found
}

fn world() -> World {
    recipes().iter().fold(World::new(), |world, (name, text)| world.with(name, text))
}

/// The hash of a recipe; nothing if it does not compile.
fn hash_of(name: &str, text: &str) -> Option<String> {
    compile(name, text, &world()).result.map(|(plan, _)| plan.hash)
}

fn hash(text: &str) -> String {
    let compilation = compile("recipe.aurora", text, &world());
    match &compilation.result {
        Some((plan, _)) => plan.hash.clone(),
        None => panic!("{text}\n{}", drawn(&compilation)),
    }
}

/// A recipe in which a reader can see what every part is; `{…}` are replaced.
const SPELT: &str = r#"aurora 1.0
recipe spelt "How numbers are spelt"

use std.synthetic (t, q, t2m, u10, refc)
use std.physics (g0, saturation)

grid plains = lambert(lat = 38.5 deg, lon = -97.5 deg, size = [64, 64], spacing = {spacing})
levels pl : pressure = {levels}

data {
    archive     synthetic
    grid        plains
    every       {every}
    train       2020-04-20 .. 2020-05-20
    test        2020-06-06 .. 2020-06-08
}

model {
    architecture aurora(patch = 4, embed = 64, depths = [2, 2], heads = [2, 4], window = [2, 4, 4])
    step        {every}
    history     2 steps
    prognostic  tk, t2m, u10, refc
    static      high
}

variable tk   : temperature in {bound} on pl from "TMP"
variable high : height in {height} on static from "HGT:surface"
derive warm : index on surface = ramp(t2m, {ramp})
derive fast : index on surface = u10 / {speed}

loss weather = mae(tk) + mae(warm) + mae(fast) + huber(refc, delta = 1)

phase learn {
    for         3 epochs
    batch       2
    train       new
    optimise    adamw(rate = 1e-3)
    minimise    weather
}

evaluate convection on test {
    lead        {lead}
    score       fss of refc at 35 dBZ within {scales}
    score       rmse of tk at {chosen}
    against     persistence
}
"#;

/// For each place, spellings of one and the same.
const SPELLINGS: [(&str, &[&str]); 11] = [
    ("spacing", &["12 km", "12000 m", "12_000 m", "1200000 cm"]),
    (
        "levels",
        &["[850, 700, 500] hPa", "[850, 700, 500] mb", "[85000, 7e4, 50000] Pa", "[850 hPa, 700 mb, 50 kPa]"],
    ),
    ("every", &["1 h", "60 min", "3600 s"]),
    ("bound", &["180 .. 340 K", "180 K .. 340 K", "-93.15 .. 66.85 degC", "-93.15 degC .. 340 K"]),
    ("height", &["0 .. 5.1 km", "0 m .. 5100 m", "0 km .. 5100 m"]),
    ("ramp", &["300 K -> 280.15 K", "26.85 degC -> 7 degC", "26.85 -> 7 degC", "300 -> 280.15 K"]),
    ("speed", &["10.8 km/h", "3 m/s", "0.003 km/s", "(10.8 km/h)"]),
    ("lead", &["1 .. 2 h", "1 h .. 2 h", "60 .. 120 min", "1 h .. 120 min"]),
    ("scales", &["[36, 84] km", "[36000, 84000] m", "[36 km, 84000 m]"]),
    ("chosen", &["[850, 500] hPa", "[85000, 50000] Pa", "[850 mb, 500 hPa]"]),
    ("levels", &["[850, 700, 500] hPa"]),
];

fn spelt(choose: impl Fn(usize) -> usize) -> String {
    let mut text = SPELT.to_string();
    for (index, (place, spellings)) in SPELLINGS.iter().enumerate() {
        text = text.replace(&format!("{{{place}}}"), spellings[choose(index) % spellings.len()]);
    }
    text
}

#[test]
fn each_spelling_of_a_unit_is_the_same_number() {
    let plain = hash(&spelt(|_| 0));
    for (place, spellings) in SPELLINGS {
        for (chosen, spelling) in spellings.iter().enumerate() {
            let text = spelt(|index| if SPELLINGS[index].0 == place { chosen } else { 0 });
            assert_eq!(hash(&text), plain, "{place}: {spelling}");
        }
    }
}

/// The plan too is the same to the last bit, whatever the spelling.
#[test]
fn equal_hashes_are_equal_plans() {
    let plan = |text: &str| {
        let compilation = compile("recipe.aurora", text, &world());
        serde_json::to_string(&compilation.result.expect("compiled").0).expect("a plan")
    };
    assert_eq!(plan(&spelt(|_| 0)), plan(&spelt(|index| index + 1)));
}

#[test]
fn names_and_titles_are_no_science() {
    for (name, text, plain) in hashed() {
        assert_eq!(hash_of("elsewhere/other-name.aurora", &text).as_ref(), Some(&plain), "{name}");
        let line = text.lines().find(|line| line.starts_with("recipe ")).expect("a recipe");
        let extends = line.find(" extends").map_or("", |at| &line[at..]);
        let renamed = text.replacen(line, &format!("recipe another \"Another title\"{extends}"), 1);
        assert_eq!(hash_of(&name, &renamed), Some(plain), "{name}");
    }
}

#[test]
fn what_is_inherited_may_be_written_out() {
    for (name, text, plain) in hashed() {
        let compilation = compile(&name, &text, &world());
        // The canonical recipe has no parent: everything inherited is written out, amended and dropped.
        assert!(!compilation.canonical.contains("extends"));
        assert_eq!(hash(&compilation.canonical), plain, "{name}");
        let child = format!("aurora 1.0\nrecipe child extends \"{name}\"\n");
        assert_eq!(hash(&child), plain, "{name}");
    }
}

/// Numbers of a recipe: not in words, texts, comments or the line that names the language.
fn numbers(text: &str) -> Vec<(usize, usize)> {
    let mut found = Vec::new();
    let mut offset = 0;
    for line in text.split_inclusive('\n') {
        let bytes = line.as_bytes();
        let first = line.split_whitespace().next().unwrap_or("");
        let skipped = matches!(first, "aurora" | "recipe" | "library" | "use" | "extends");
        let (mut at, mut quoted) = (0, false);
        while !skipped && at < bytes.len() && (quoted || bytes[at] != b'#') {
            quoted ^= bytes[at] == b'"';
            let inside_word =
                at > 0 && (bytes[at - 1].is_ascii_alphanumeric() || b"_.^".contains(&bytes[at - 1]));
            if bytes[at].is_ascii_digit() && !inside_word && !quoted {
                let end = (at..bytes.len())
                    .find(|i| {
                        let point = bytes[*i] == b'.' && bytes.get(i + 1).is_some_and(u8::is_ascii_digit);
                        !(bytes[*i].is_ascii_digit() || point)
                    })
                    .unwrap_or(bytes.len());
                found.push((offset + at, offset + end));
                at = end;
            } else {
                at += 1;
            }
        }
        offset += line.len();
    }
    found
}

/// Each number of each recipe of the repository, made another, one at a time.
#[test]
fn every_number_of_every_recipe_counts() {
    for (name, text, plain) in hashed() {
        let numbers = numbers(&text);
        let mut counted = 0;
        for (start, end) in &numbers {
            let number = &text[*start..*end];
            let others = [format!("{number}1"), bumped(number, 1), bumped(number, 2), bumped(number, 4)];
            for other in others {
                let changed = format!("{}{other}{}", &text[..*start], &text[*end..]);
                if let Some(hash) = hash_of(&name, &changed) {
                    assert_ne!(hash, plain, "{name}: {number} → {other} at {start}");
                    counted += 1;
                    break;
                }
            }
        }
        // The others cannot be changed alone: one more row of a tile does not fit the windows.
        assert!(counted * 2 >= numbers.len(), "{name}: only {counted} of {} could be tried", numbers.len());
    }
}

/// The last digit `by` more.
fn bumped(number: &str, by: u32) -> String {
    let (rest, last) = number.split_at(number.len() - 1);
    let digit = last.parse::<u32>().unwrap_or(0);
    format!("{rest}{}", (digit + by) % 10)
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 64, ..ProptestConfig::default() })]

    /// All units spelt anew at once.
    #[test]
    fn spellings_mix(keys in prop::collection::vec(0usize..12, SPELLINGS.len())) {
        prop_assert_eq!(hash(&spelt(|index| keys[index])), hash(&spelt(|_| 0)));
    }

    /// A number may be anything, in any unit: what it is in SI is what counts.
    #[test]
    fn any_number_in_any_unit(
        digits in 1u32..999_999,
        places in 0usize..6,
        unit in 0usize..4,
        by in 1u32..9,
    ) {
        // Written as a decimal of metres and, by moving the point, of the other unit: exact by construction.
        let (unit, shift) = [("km", 3), ("cm", -2), ("mm", -3), ("m", 0)][unit];
        let metres = decimal(digits, places as i32);
        let other = decimal(digits, places as i32 + shift);
        let recipe = |spacing: &str| spelt(|_| 0).replace("spacing = 12 km", &format!("spacing = {spacing}"))
            .replace("[36, 84] km", "0 km");
        let one = hash_of("r", &recipe(&format!("{metres} m")));
        prop_assert_eq!(&one, &hash_of("r", &recipe(&format!("{other} {unit}"))), "{} m = {} {}", metres, other, unit);
        let next = decimal(digits + by, places as i32);
        if one.is_some() {
            prop_assert_ne!(one, hash_of("r", &recipe(&format!("{next} m"))));
        }
    }

    /// One number of a generated recipe made another.
    #[test]
    fn a_changed_number_is_another_recipe(keys in prop::collection::vec(0usize..12, SPELLINGS.len()), which in any::<prop::sample::Index>(), by in 1u32..9) {
        let text = spelt(|index| keys[index]);
        let numbers = numbers(&text);
        let (start, end) = numbers[which.index(numbers.len())];
        let other = bumped(&text[start..end], by);
        let changed = format!("{}{other}{}", &text[..start], &text[end..]);
        if let Some(found) = hash_of("r", &changed) {
            prop_assert_ne!(found, hash(&text), "{} → {}", &text[start..end], other);
        }
    }
}

/// `digits * 10^-places` without an exponent.
fn decimal(digits: u32, places: i32) -> String {
    let digits = digits.to_string();
    if places <= 0 {
        return digits + &"0".repeat(places.unsigned_abs() as usize);
    }
    let padded = format!("{digits:0>width$}", width = places as usize + 1);
    let (whole, rest) = padded.split_at(padded.len() - places as usize);
    format!("{whole}.{rest}")
}
