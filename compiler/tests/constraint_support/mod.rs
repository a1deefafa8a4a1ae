//! The recipe that minimises relations of std.constraints, over the fields that they speak of.

#[path = "../../../tests/tests/world/mod.rs"]
pub mod world;

use aurora_compiler::kernel::ir::Module;

pub const GRAVITY: f64 = 9.80665;
pub const GAS_DRY: f64 = 287.04749;

/// Everything that any of them speaks of, on a small plain.
const RECIPE: &str = include_str!("../desk/constrained.aurora");

/// The kernels of these relations on a grid and on levels of pressure (Pa).
pub fn module<S: AsRef<str>>(grid: &str, levels: &[f64], relations: &[S]) -> Module {
    let levels: Vec<String> = levels.iter().map(|p| format!("{}", p / 100.0)).collect();
    let weighted: Vec<String> = relations.iter().map(|name| format!("0.01 * {}", name.as_ref())).collect();
    let line = |line: &str| match line.split_whitespace().next() {
        Some("grid") if line.starts_with("grid") => format!("grid plain = {grid}\n"),
        Some("levels") => format!("levels pl : pressure = [{}] hPa\n", levels.join(", ")),
        _ => format!("{}\n", line.replace("WEIGHTED", &weighted.join(" + "))),
    };
    let text: String = RECIPE.lines().map(line).collect();
    let made = world::compiled("constrained.aurora", &text);
    made.result.unwrap_or_else(|| panic!("{:?}", made.diagnostics)).1
}
