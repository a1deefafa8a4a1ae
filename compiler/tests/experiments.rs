//! What people really got wrong when they fine-tuned Aurora on HRRR, one mistake at a time in the first of the six
//! recipes: each gives one error, at the place where it was made, with the way out.

mod desk;

use desk::{beside_the_recipes, drawn, repository};

struct Mistake {
    /// What was done, in a sentence.
    done: &'static str,
    /// Replacements in the recipe, each of the first that is found.
    changes: &'static [(&'static str, &'static str)],
    code: &'static str,
    /// The text to which the first label points.
    place: &'static str,
    /// Something the message or its help says.
    says: &'static str,
}

const MISTAKES: [Mistake; 15] = [
    Mistake {
        done: "thirteen latent levels, as if they were pressure levels, with windows of two",
        changes: &[("stabilise = true", "stabilise = true, latent_levels = 13")],
        code: "impossible-architecture",
        place: "13",
        says: "12 or 14 would do; latent levels are not pressure levels",
    },
    Mistake {
        done: "a model twice as wide as the checkpoint it starts from",
        changes: &[("stabilise = true", "stabilise = true, embed = 1024")],
        code: "base-mismatch",
        place: "1024",
        says: "write embed = 512",
    },
    Mistake {
        done: "a surface variable in a perceiver head for levels",
        changes: &[(
            "amend variable sbcape {",
            "head echoes {\n    reads       latent\n    predicts    refc\n    layers      perceiver\n}\n\namend variable sbcape {",
        )],
        code: "surface-in-perceiver",
        place: "refc",
        says: "unet(",
    },
    Mistake {
        done: "an option that Aurora has not",
        changes: &[("stabilise = true", "stabilise = true, modulation_head = true")],
        code: "unknown-argument",
        place: "modulation_head",
        says: "perceiver(modulate = true)",
    },
    Mistake {
        done: "HRRR's 1059 rows in patches of four",
        changes: &[("    tile        384 by 768\n", ""), ("    tile        384 by 768\n", "")],
        code: "impossible-architecture",
        place: "architecture aurora.pretrained(stabilise = true)",
        says: "tile 512 by 512",
    },
    Mistake {
        done: "helicity added to CAPE",
        changes: &[("loss storms", "derive severe = sbcape + srh3\n\nloss storms")],
        code: "quantity-mismatch",
        place: "sbcape + srh3",
        says: "sbcape / 1000 J/kg + srh3 / 150 m^2/s^2",
    },
    Mistake {
        done: "geopotential height where geopotential is meant",
        changes: &[
            ("q, z, t2m, u10, v10, msl, lsm", "q, hgt, t2m, u10, v10, msl, lsm"),
            ("data {", "derive z : geopotential on pl = hgt\n\ndata {"),
        ],
        code: "unit-mismatch",
        place: "geopotential",
        says: "g0 * hgt",
    },
    Mistake {
        done: "a wind along the grid taken for one towards the east",
        changes: &[
            ("pl, t, u, v,", "pl, t, ux, v,"),
            ("data {", "derive u : eastward_wind on pl = ux\n\ndata {"),
        ],
        code: "frame-mismatch",
        place: "eastward_wind",
        says: "eastward(ux, vy",
    },
    Mistake {
        done: "the archive's wind declared as what it is not",
        changes: &[
            ("pl, t, u, v,", "pl, t, v,"),
            ("data {", "variable u : eastward_wind on pl from \"UGRD\"\n\ndata {"),
        ],
        code: "frame-mismatch",
        place: "eastward_wind",
        says: "the archive's UGRD is x_wind",
    },
    Mistake {
        done: "rain of one hour and of six added up",
        changes: &[
            ("srh3, uh)", "srh3, uh, apcp)"),
            (
                "data {",
                "variable apcp6 : precipitation >= 0 on surface, sum over 6 h from \"APCP:surface 6 h\"\n\
                 derive rain = apcp + apcp6\n\ndata {",
            ),
        ],
        code: "cell-mismatch",
        place: "apcp",
        says: "sum over 1 h and sum over 6 h",
    },
    Mistake {
        done: "normalisation that saw the test split",
        changes: &[("spread  1500 J/kg", "spread  deviation(sbcape, on = test)")],
        code: "stats-leak",
        place: "test",
        says: "write `train`",
    },
    Mistake {
        done: "a variable that HRRR did not carry in 2019",
        changes: &[("srh3, uh)", "srh3, uh, efhl)"), ("srh3, uh\n    static", "srh3, uh, efhl\n    static")],
        code: "field-appears-late",
        place: "2019-01-01",
        says: "2020-12-02",
    },
    Mistake {
        done: "the hourly maximum of an analysis",
        changes: &[("archive     hrrr", "archive     hrrr.f00")],
        code: "period-at-start",
        place: "hrrr.f00",
        says: "placeholder",
    },
    Mistake {
        done: "a misspelt name in the weights of a loss",
        changes: &[("0.5 * storms", "0.5 * stroms")],
        code: "unknown-name",
        place: "stroms",
        says: "did you mean `storms`?",
    },
    Mistake {
        done: "level conditions on a base that has none",
        changes: &[("stabilise = true", "stabilise = true, condition = pl")],
        code: "fresh-levels",
        place: "pl",
        says: "every level embedding would be fresh",
    },
];

#[test]
fn each_mistake_is_one_error_where_it_was_made() {
    let right = std::fs::read_to_string(repository("recipes/1-extend.aurora")).expect("the first recipe");
    for mistake in &MISTAKES {
        let mut text = right.clone();
        for (before, after) in mistake.changes {
            assert!(text.contains(before), "{}: {before}", mistake.done);
            text = text.replacen(before, after, 1);
        }
        let compilation = beside_the_recipes(&text);
        let shown = drawn(&compilation);
        let said: Vec<_> = compilation.diagnostics.iter().collect();
        let [diagnostic] = said[..] else { panic!("{}: {} diagnostics\n{shown}", mistake.done, said.len()) };
        assert_eq!(diagnostic.code, mistake.code, "{}\n{shown}", mistake.done);
        let first = diagnostic.labels.first().unwrap_or_else(|| panic!("{}: no place", mistake.done));
        let place = compilation.sources.slice(first.span);
        assert!(place.starts_with(mistake.place), "{}: it points at `{place}`\n{shown}", mistake.done);
        let plain = shown.split_whitespace().collect::<Vec<_>>().join(" ");
        assert!(plain.contains(mistake.says), "{}\n{shown}", mistake.done);
    }
}
