//! Columns with their ground, walks of which every state can be asked, and a value for every level: from their text to
//! numbers, as in `expressions`. What each has to give is known by hand.

#[path = "../../tests/tests/world/mod.rs"]
mod world;

use aurora_compiler::compile;
use aurora_compiler::kernel::interpret::interpret;
use ndarray::Array2;
use world::{QUICKSTART, World, compiled, drawn};

const PROFILE: &str = "
levels air     : pressure = [1000, 850, 500] hPa
levels falling : pressure = [500, 850, 1000] hPa
variable ta : temperature in 150 .. 350 K on air      from \"TMP\"
variable tf : temperature in 150 .. 350 K on falling  from \"TMP\"
levels profile  : index = above_ground(air) {
    pressure  join(sp, min(pressure(air), sp))
}
levels mirrored : index = above_ground(falling) {
    pressure  join(sp, min(pressure(falling), sp))
}
";

const SP: f64 = 925e2;
const GROUND: f64 = 300.0;

/// What the field `x` is, with 290, 280 and 260 K at 1000, 850 and 500 hPa, and the ground at 925 hPa.
fn x(items: &str) -> Vec<f64> {
    let text = QUICKSTART.replace("pl, t, u, v, q, z,", "pl, few, t, u, v, q, z, hgt, sp, q2m,");
    let compilation = compiled("recipe.aurora", &format!("{text}\n{PROFILE}\n{items}\n"));
    let drawn = drawn(&compilation);
    let module = compilation.result.unwrap_or_else(|| panic!("{drawn}")).1;
    let kernel = module.kernel("x").unwrap_or_else(|| panic!("no kernel x in\n{module}"));
    let of = |name: &str| match name {
        "ta" => vec![290.0, 280.0, 260.0],
        "tf" => vec![260.0, 280.0, 290.0],
        "sp" => vec![SP],
        "t2m" => vec![GROUND],
        other => panic!("{other} is not given"),
    };
    let arrays: Vec<Array2<f64>> = kernel
        .inputs
        .iter()
        .map(|input| of(&input.name))
        .map(|values| Array2::from_shape_vec((values.len(), 1), values).unwrap())
        .collect();
    let views: Vec<_> = arrays.iter().map(|array| array.view()).collect();
    interpret(kernel, &views, 1).unwrap_or_else(|error| panic!("{error}\n{module}"))[0]
        .iter()
        .copied()
        .collect()
}

/// What the compiler says of the first mistake.
fn complaint(items: &str) -> String {
    let text = QUICKSTART.replace("pl, t, u, v, q, z,", "pl, few, t, u, v, q, z, hgt, sp, q2m,");
    let compilation = compile("recipe.aurora", &format!("{text}\n{PROFILE}\n{items}\n"), &World::new());
    assert!(compilation.result.is_none(), "compiles:\n{items}");
    drawn(&compilation)
}

#[test]
fn the_ground_is_stored_beside_the_lowest_level() {
    assert_eq!(x("derive x : pressure on profile = pressure(profile)"), [SP, SP, 850e2, 500e2]);
    assert_eq!(x("derive x : pressure on mirrored = pressure(mirrored)"), [500e2, 850e2, SP, SP]);
    assert_eq!(x("derive x : temperature on profile = join(t2m, ta)"), [300.0, 290.0, 280.0, 260.0]);
    assert_eq!(x("derive x : temperature on mirrored = join(t2m, tf)"), [260.0, 280.0, 290.0, 300.0]);
}

/// A level below the ground lies on it, and counts for nothing: a mean over the lowest layer begins with the ground.
#[test]
fn layers_begin_at_the_ground() {
    let items = |set: &str, t: &str, air: &str| {
        format!(
            "derive t_whole : temperature on {set} = join(t2m, choose(pressure({air}) < sp, {t}, t2m))
             derive x : temperature on column = mean(t_whole over 850 .. 1000 hPa)"
        )
    };
    for found in [x(&items("profile", "ta", "air")), x(&items("mirrored", "tf", "falling"))] {
        assert!((found[0] - 290.0).abs() < 1e-9, "{found:?}");
    }
}

/// 1 K less on each level, and how many there were: from the text of one walk both states.
#[test]
fn every_state_of_a_walk_can_be_asked() {
    let walk = "scan profile upward {
            start  tp = 300 K
            start  count = 0
            step   tp = tp - 1 K
            step   count = count + 1
        }";
    let named = |value: &str| {
        format!("derive x : index on column = {value} + 0 * t2m / 1 K where {{\n    walk = {walk}\n}}")
    };
    assert_eq!(x(&named("last(walk.count)")), [4.0]);
    assert_eq!(x(&named("last(walk) / 1 K")), [296.0]);
    let field = format!("derive walk = {walk}\nderive x : index on profile = walk.count + 0 * t2m / 1 K");
    assert_eq!(x(&field), [1.0, 2.0, 3.0, 4.0]);
    let mirrored = field.replace("profile", "mirrored");
    assert_eq!(x(&mirrored), [4.0, 3.0, 2.0, 1.0]);
    let function = format!(
        "derive lifted(a : temperature on profile) : temperature on profile = {}
         derive x : index on column = last(rise.count) + last(rise.tp) / 1 K where {{
             rise = lifted(join(t2m, ta))
         }}",
        walk.replace("- 1 K\n", "- 0 * a - 1 K\n")
    );
    assert_eq!(x(&function), [300.0]);
    assert!(complaint(&named("last(walk.cuont)")).contains("did you mean `count`?"));
    assert!(complaint(&named("last(t2m)")).contains("`last` takes a walk"));
    assert!(complaint(&named("t2m.count")).contains("t2m.count"));
}

/// For each level the warmest at or above it, less its own: a column within a column.
#[test]
fn a_value_for_every_level() {
    let items = "derive whole : temperature on profile = join(t2m, ta)
        derive x : temperature on profile
          = each(max(choose(index(profile) > here(index(profile)), whole, 0 K) over 0 .. 3), when = index(profile) < 2.5)";
    let found = x(items);
    assert_eq!(found[..3], [290.0, 280.0, 260.0]);
    assert!(found[3].is_nan());
    let scan = "derive whole : temperature on profile = join(t2m, ta)
        derive warm(a : temperature on profile, low : temperature) : temperature on profile = scan profile upward {
            start  best = low
            step   best = max(best, a)
        }
        derive x : temperature on profile = each(last(warm(whole, here(whole) + 5 K)))";
    assert_eq!(x(scan), [305.0, 300.0, 300.0, 300.0]);
    assert!(
        complaint("derive x : temperature on profile = each(t2m)")
            .contains("nothing in it depends on the level")
    );
    assert!(
        complaint("derive x : temperature = here(join(t2m, ta))").contains("`here` stands inside `each`")
    );
    assert!(complaint("derive x = each(each(here(ta)))").contains("cannot stand in another"));
    assert!(complaint("derive x = join(t2m, t)").contains("levels profile : index = above_ground(pl)"));
    assert!(
        complaint("levels wrong : index = above_ground(t2m)").contains("takes the name of a set of levels")
    );
    assert!(complaint("derive x = height(air)").contains("nothing says what the height of `air` is"));
}
