//! Archives that `site.toml` names: HRRR from its files to a store, and files that no archive can be.

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
