//! Compiles the quickstart in memory and says what it would do.
//!
//! `cargo run --release --example plan_a_recipe`

use aurora_compiler::{compile, explain};
use aurora_grammar::render;
use aurora_runtime::site::Site;

fn main() -> Result<(), String> {
    let site = Site::find(None)?;
    let text = include_str!("../recipes/quickstart.aurora");
    let compilation = compile("quickstart.aurora", text, &site);
    let style = render::Style { color: false, width: 100, unicode: true };
    eprint!("{}", render::human(&compilation.diagnostics, &compilation.sources, style));
    let (plan, kernels) = compilation.result.ok_or("the recipe does not compile")?;
    println!("{}", explain::plan(&plan));
    println!("{kernels}");
    Ok(())
}
