//! Archives that `site.toml` names: HRRR from its files to a store, and files that no archive can be.

use aurora_runtime::data::sample::{Cut, Sampler, Split};
use aurora_runtime::data::store::Store;
use aurora_tests::Place;
use serde_json::Value;

const RECIPE: &str = r#"aurora 1.0
recipe tile "Some of the fields of HRRR on a tile."

use std.hrrr (pl, t, u, v, z, t2m, u10, v10, lsm, zs, sbcape, refc, srh3, uh)

grid tile = lambert(lat = 38.5 deg, lon = -97.5 deg, size = [192, 192], spacing = 3 km,
                    southwest = [35.864054, -100.665651] deg)

data {
    archive     hrrr
    grid        tile
    every       1 h
    train       2020-05-20T00:00Z .. 2020-05-20T03:00Z
}

model {
    architecture aurora.pretrained(stabilise = true)
    step        1 h
    prognostic  t, u, v, z, t2m, u10, v10, sbcape, refc, srh3, uh
    static      lsm, zs
}

loss all = mae(prognostic)

phase only {
    for         1 epochs
    batch       1
    train       new
    optimise    adamw(rate = 3e-4)
    minimise    all
}
"#;

fn synthesized() -> Place {
    let place = Place::empty();
    let said = place.done(&["data", "synthesize", "--out", "hrrr", "--hours", "4", "--format", "json"]);
    let told: Value = serde_json::from_str(&said.stdout).expect("JSON");
    assert_eq!((told["files"].as_u64(), told["messages"].as_u64()), (Some(24), Some(4 * 294)));
    assert!(
        said.stderr.contains("4 hours from 2020-05-20T00:00:00Z on 192 by 192 points"),
        "{}",
        said.stderr
    );
    place.write("site.toml", "[archives]\nhrrr = \"hrrr\"\n");
    place.write("tile.aurora", RECIPE);
    place
}

#[test]
fn a_recipe_goes_from_files_of_hrrr_to_a_store() {
    let place = synthesized();
    let said = place.done(&["data", "prepare", "tile.aurora"]);
    assert!(said.stderr.contains("prepared: 4 times"), "{}", said.stderr);
    // The same files again are the same archive.
    let again = place.done(&["data", "prepare", "tile.aurora"]);
    assert!(again.stderr.contains("already whole"), "{}", again.stderr);
    // A field that HRRR has and this archive lacks is told by `check`, times that it lacks when they are read.
    place.write("other.aurora", RECIPE.replace("sbcape", "smoke"));
    let told = |recipe: &str, word: &str| {
        let said = place.run(&["check", recipe]);
        assert!(said.status.code() == Some(1) && said.stderr.contains(word), "{said:#?}");
    };
    told("other.aurora", "COLMD");
    place.write("later.aurora", RECIPE.replace("2020-05-20T03:00Z", "2020-05-21T03:00Z"));
    let said = place.done(&["data", "prepare", "later.aurora"]);
    assert!(said.stderr.contains("24 times are absent from the archive"), "{}", said.stderr);
}

/// From analyses and the quarters between them to samples of a quarter of an hour.
#[test]
fn quarters_of_an_hour_go_to_samples() {
    let place = Place::empty();
    let synthesize = ["data", "synthesize", "--out", "hrrr", "--hours", "3", "--quarters"];
    let said = place.done(&[&synthesize[..], &["--format", "json"]].concat());
    let told: Value = serde_json::from_str(&said.stdout).expect("JSON");
    assert_eq!(told["messages"].as_u64(), Some(3 * 294 + 4 * 4 * 13));
    place.write("site.toml", "[archives]\nhrrr = \"hrrr\"\n");
    let recipe = RECIPE
        .replace(
            "(pl, t, u, v, z, t2m, u10, v10, lsm, zs, sbcape, refc, srh3, uh)",
            "(t2m, u10, v10, lsm, zs, refc)",
        )
        .replace("t, u, v, z, t2m, u10, v10, sbcape, refc, srh3, uh", "air, t2m, u10, v10, refc, rain")
        .replace(
            "grid tile =",
            "variable rain : precipitation >= 0 kg/m^2 on surface, sum over 15 min  from \"APCP:surface\"\n\
             levels two : pressure = [850, 1000] hPa\nderive air : temperature on two = t2m\n\ngrid tile =",
        )
        .replace(
            "aurora.pretrained(stabilise = true)",
            "aurora(patch = 8, embed = 16, depths = [1, 1], heads = [1, 2], window = [2, 4, 4])",
        )
        .replace("1 h\n", "15 min\n")
        .replace("T03:00Z", "T02:45Z");
    place.write("tile.aurora", &recipe);
    let said = place.done(&["data", "prepare", "tile.aurora"]);
    assert!(said.stderr.contains("prepared: 12 times"), "{}", said.stderr);
    let store = Store::open(&place.path(said.stdout.trim_end())).expect("a store");
    let apart: Vec<i64> =
        store.times().windows(2).map(|two| two[1].as_second() - two[0].as_second()).collect();
    assert_eq!(apart, [900; 11]);
    let sampler = Sampler::new(&store, Cut::plain(Split::Train, 2, 900, 1)).expect("samples");
    assert_eq!(sampler.len(), 10);
    let [one, two] = [4, 5].map(|time| store.read("rain", time).expect("read"));
    assert!(one != two && one.iter().any(|value| *value > 0.0));
    // A run without its quarters is a gap of three times, and of the rain of the next hour's beginning.
    let gone = place.path("hrrr/hrrr.20200520/conus/hrrr.t01z.wrfsubhf01.grib2");
    std::fs::remove_file(gone).expect("removed");
    std::fs::remove_dir_all(place.path("build")).expect("removed");
    let said = place.done(&["data", "prepare", "tile.aurora"]);
    assert!(said.stderr.contains("4 times are absent from the archive"), "{}", said.stderr);
    let store = Store::open(&place.path(said.stdout.trim_end())).expect("a store");
    let sampler = Sampler::new(&store, Cut::plain(Split::Train, 2, 900, 1)).expect("samples");
    assert_eq!(sampler.len(), 3 + 1);
    // What wrfsubh has not is refused before anything is read.
    place.write(
        "other.aurora",
        recipe.replace("zs, refc)", "zs, refc, sbcape)").replace("refc, rain", "refc, sbcape"),
    );
    let said = place.run(&["data", "prepare", "other.aurora"]);
    let words = ["`CAPE:surface`: between the hours", "`TMP:2 m above ground`", "`every 1 h`"];
    assert!(
        said.status.code() == Some(1) && words.iter().all(|word| said.stderr.contains(word)),
        "{said:#?}"
    );
    // A period that the archive has not is refused with those that it has.
    place.write("half.aurora", recipe.replace("sum over 15 min", "sum over 30 min"));
    let said = place.run(&["check", "half.aurora"]);
    let ways = "declare it with `, sum over 1 h` or with `, sum over 15 min`";
    assert!(said.status.code() == Some(1) && said.stderr.contains(ways), "{said:#?}");
}

#[test]
fn places_that_are_no_archive_are_refused_in_words() {
    let place = Place::empty();
    place.write("tile.aurora", RECIPE);
    for (line, word) in [
        ("hrrr = { place = \"none\", domain = \"mars\" }", "conus"),
        ("hrrr = { place = \"none\", layout = \"other\" }", "`hrrr`, `wrf`, `cf`"),
        ("hrrr = 3", "a place such as"),
        ("hrrr = { place = \".\", layout = \"hrrr\" }", "holds no analysis of HRRR"),
    ] {
        place.write("site.toml", format!("[archives]\n{line}\n"));
        let said = place.refused(&["data", "prepare", "tile.aurora"]);
        assert!(said.contains(word), "{line}: {said}");
    }
    let said = place.run(&["data", "synthesize", "--out", "x", "--hours", "1", "--from", "2019-12-31"]);
    assert!(said.stderr.contains("2020-01-01T01Z"), "{}", said.stderr);
}
