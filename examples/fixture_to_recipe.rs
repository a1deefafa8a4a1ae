//! A parity fixture (`NAME.json`, `NAME.io.safetensors`, `NAME.ckpt`) as a recipe and a batch file, and the command
//! that reproduces its outputs.
//!
//! `cargo run --release -p aurora-tests --example fixture_to_recipe -- FIXTURES NAME INTO`

use std::path::Path;

fn main() {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    let [folder, name, into] = &arguments[..] else {
        eprintln!("usage: fixture_to_recipe FIXTURES NAME INTO");
        std::process::exit(2);
    };
    match aurora_tests::fixture::write(Path::new(folder), name, Path::new(into)) {
        Ok(made) => {
            println!("aurorac {}", made.arguments(&format!("{into}/{name}.forecast.safetensors")).join(" "))
        }
        Err(reason) => {
            eprintln!("{name}: {reason}");
            std::process::exit(1);
        }
    }
}
