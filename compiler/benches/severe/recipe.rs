//! What is measured, as recipes: `std.severe` over a column of 40 levels whose fields are read.

#[path = "../../tests/desk/mod.rs"]
mod desk;

use aurora_compiler::kernel::fuse::fuse;
use aurora_compiler::kernel::ir::{Kernel, Module};
use aurora_compiler::plan::derivation::derivable;

use crate::columns::LEVELS;

const COLUMN: &str = "aurora 1.0
recipe severe
use std.physics (temperature)
use std.severe

levels profile : index = 0 .. LAST {
    pressure  p_profile
    height    z_profile
}

variable p_profile : pressure in 10 .. 1100 hPa  on profile  from \"p\"
variable t_profile : temperature in 150 .. 340 K on profile  from \"t\"
variable r_profile : mixing_ratio >= 0 kg/kg     on profile  from \"r\"
variable u_profile : eastward_wind               on profile  from \"u\"
variable v_profile : northward_wind              on profile  from \"v\"
variable z_profile : height                      on profile  from \"z\"
";

const CELLS: &str = "aurora 1.0
recipe composites
use std.physics (temperature)
use std.severe.composite

variable mucape : buoyant_energy >= 0 J/kg on column from \"mucape\"
variable mucin  : buoyant_energy <= 0 J/kg on column from \"mucin\"
variable esrh   : helicity                 on column from \"esrh\"
variable ebwd   : wind_speed >= 0 m/s      on column from \"ebwd\"
variable sbcape : buoyant_energy >= 0 J/kg on column from \"sbcape\"
variable lcl    : height                   on column from \"lcl\"
variable srh1   : helicity                 on column from \"srh1\"
variable shear6 : wind_speed >= 0 m/s      on column from \"shear6\"

derive scp : index on column = supercell(mucape, esrh, ebwd) * inhibition(mucin)
derive stp : index on column = tornado(sbcape, lcl, srh1, shear6)
derive ehi : index on column = energy_helicity(sbcape, srh1)
derive brn : index on column = bulk_richardson(mucape, (0.5 * shear6 * shear6) as helicity)
";

/// The array of `columns` that a kernel reads under a name; none for the sensitivity of an output.
pub fn array_of(input: &str) -> &str {
    input.strip_suffix("_profile").unwrap_or(if input.starts_with("d.") { "" } else { input })
}

/// The composites, in few kernels: not all of them have a field in common.
pub fn composites() -> Result<Vec<Kernel>, String> {
    let names = ["scp", "stp", "ehi", "brn"];
    Ok(fused(&module(CELLS, &names)?, &names))
}

/// One kernel for fields of `std.severe`.
pub fn fields(names: &[&str]) -> Result<Kernel, String> {
    one(&module(&column(), names)?, names)
}

/// All fields of `std.severe` that a column has: their kernels and names.
pub fn derivations() -> Result<(Module, Vec<String>), String> {
    let path = desk::repository("recipes/std/severe.aurora");
    let text = std::fs::read_to_string(&path).map_err(|error| format!("{}: {error}", path.display()))?;
    let names = text.lines().filter_map(|line| line.strip_prefix("derive ")?.split([' ', ':']).next());
    // Functions are written out where they are used; vertical wind is not among the fields of the column.
    let names: Vec<&str> =
        names.filter(|name| !name.contains('(') && *name != "updraught_helicity").collect();
    Ok((module(&column(), &names)?, names.into_iter().map(String::from).collect()))
}

/// Those fields in as few kernels as they are fused to.
pub fn fused<S: AsRef<str>>(module: &Module, names: &[S]) -> Vec<Kernel> {
    fuse(&module.kernels, &names.iter().map(S::as_ref).collect())
}

fn column() -> String {
    COLUMN.replace("LAST", &(LEVELS - 1).to_string())
}

fn module(text: &str, names: &[&str]) -> Result<Module, String> {
    let wanted: Vec<String> = names.iter().map(|name| (*name).to_string()).collect();
    let made = derivable("severe.aurora", text, &desk::Desk(desk::repository("recipes")), &wanted);
    let said: Vec<String> = made.diagnostics.iter().map(|diagnostic| format!("{diagnostic:?}")).collect();
    made.result.map(|(_, module)| module).ok_or_else(|| said.join("\n"))
}

fn one(module: &Module, names: &[&str]) -> Result<Kernel, String> {
    match <[Kernel; 1]>::try_from(fused(module, names)) {
        Ok([kernel]) => Ok(kernel),
        Err(kernels) => Err(format!("{} are {} kernels", names.join(", "), kernels.len())),
    }
}
