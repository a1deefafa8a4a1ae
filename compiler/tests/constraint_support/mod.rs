//! A recipe that minimises relations of std.constraints, over the fields that they speak of.

#[path = "../../../tests/tests/world/mod.rs"]
pub mod world;

use aurora_compiler::kernel::ir::Module;

pub const GRAVITY: f64 = 9.80665;

/// What analyses have as well.
const FIELDS: &str = "
variable t    : temperature       on pl from \"TMP\"
variable q    : specific_humidity on pl from \"SPFH\"
variable u    : eastward_wind     on pl from \"UGRD\"
variable v    : northward_wind    on pl from \"VGRD\"
variable omega : pressure_velocity on pl from \"VVEL\"
variable z    : geopotential      on pl from \"GP\"
variable t2m  : temperature       on surface(2 m)  from \"TMP:2 m above ground\"
variable q2m  : specific_humidity on surface(2 m)  from \"SPFH:2 m above ground\"
variable u10  : eastward_wind     on surface(10 m) from \"UGRD:10 m above ground\"
variable v10  : northward_wind    on surface(10 m) from \"VGRD:10 m above ground\"
variable sp   : pressure in 400 .. 1100 hPa on surface from \"PRES:surface\"
variable orog : height            on static  from \"HGT:surface\"
variable sbcape : buoyant_energy  on column  from \"CAPE:surface\"
variable sbcin  : buoyant_energy  on column  from \"CIN:surface\"
variable srh3   : helicity        on column(0 .. 3 km) from \"HLCY:3000-0 m above ground\"
variable ustm   : eastward_wind   on column(0 .. 6 km) from \"USTM\"
variable vstm   : northward_wind  on column(0 .. 6 km) from \"VSTM\"
";

const TRAINING: &str = "
data {
    archive     synthetic
    grid        plain
    every       1 h
    train       2020-04-20 .. 2020-05-20
    validate    2020-05-28 .. 2020-05-29
    test        2020-06-06 .. 2020-06-08
}
model {
    architecture aurora(patch = 4, embed = 64, depths = [2, 2], heads = [2, 4], window = [2, 4, 4])
    step        1 h
    prognostic  PROGNOSTIC
    static      orog, latitude, rotation_cosine, rotation_sine
}
phase learn {
    for         1 epochs
    batch       2
    train       new
    optimise    adamw(rate = 1e-3)
    minimise    WEIGHTED
}
";

/// The kernels of these relations on a grid and on levels of pressure (Pa), with these variables beside the usual ones.
pub fn module<S: AsRef<str>>(grid: &str, levels: &[f64], more: &str, relations: &[S]) -> Module {
    let levels: Vec<String> = levels.iter().map(|p| format!("{}", p / 100.0)).collect();
    let fields = format!("{FIELDS}{more}");
    let changing = fields.lines().filter(|line| !line.contains("on static"));
    let prognostic: Vec<&str> =
        changing.filter_map(|line| line.strip_prefix("variable ")?.split_whitespace().next()).collect();
    let weighted: Vec<String> = relations.iter().map(|name| format!("0.01 * {}", name.as_ref())).collect();
    let training =
        TRAINING.replace("PROGNOSTIC", &prognostic.join(", ")).replace("WEIGHTED", &weighted.join(" + "));
    let text = format!(
        "aurora 1.0\nrecipe constrained \"Relations of the atmosphere\"\n\n\
         use std.physics (rotation_cosine, rotation_sine, temperature)\nuse std.constraints\n\n\
         grid plain = {grid}\nlevels pl : pressure = [{}] hPa\n{fields}{training}",
        levels.join(", ")
    );
    let made = world::compiled("constrained.aurora", &text);
    made.result.unwrap_or_else(|| panic!("{:?}", made.diagnostics)).1
}
