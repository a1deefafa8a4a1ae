//! Aurora here and in PyTorch, side by side: time, processor time and memory of AuroraSmallPretrained with random
//! weights. The table it prints stands in `docs/src/performance.md`.
//!
//! `cargo bench -p aurora-runtime --bench speed -- --python PYTHON [--runs N] [--only WORDS]`, where PYTHON has what
//! `runtime/benches/speed/requirements.txt` lists. Without `--python` only this side is measured. With `-- memory` it
//! prints the memory that a plan foretells beside what a process takes.

mod child;
mod memory;
mod table;

use std::process::{Command, ExitCode};

use table::{Case, Measured, Side, Table};

// As the command does.
#[global_allocator]
static ALLOCATOR: mimalloc::MiMalloc = mimalloc::MiMalloc;

/// Processes of each side for each row.
const RUNS: usize = 5;
const THREADS: usize = 2;

fn main() -> ExitCode {
    let arguments: Vec<String> = std::env::args().skip(1).filter(|word| word != "--bench").collect();
    let outcome = match arguments.first().map(String::as_str) {
        Some("child") => child::run(&arguments[1..]),
        Some("memory") => memories(),
        _ => compare(&arguments),
    };
    match outcome {
        Ok(text) => {
            println!("{text}");
            ExitCode::SUCCESS
        }
        Err(message) => {
            eprintln!("{message}");
            ExitCode::FAILURE
        }
    }
}

/// Runs every case on both sides in turn, so that what else the machine does meets both alike.
fn compare(arguments: &[String]) -> Result<String, String> {
    let option = |name: &str| {
        let at = arguments.iter().position(|word| word == name)?;
        arguments.get(at + 1).cloned()
    };
    let python = option("--python");
    let runs = option("--runs").and_then(|text| text.parse().ok()).unwrap_or(RUNS);
    let only = option("--only").unwrap_or_default();
    let own = std::env::current_exe().map_err(|error| error.to_string())?;
    let peer = concat!(env!("CARGO_MANIFEST_DIR"), "/benches/speed/peer.py");
    let mut table = Table::default();
    for case in Case::all().into_iter().filter(|case| case.name().contains(&only)) {
        for run in 1..=runs {
            let sides =
                [(Side::Here, Some(Command::new(&own))), (Side::There, python.as_ref().map(Command::new))];
            for (side, command) in sides {
                let Some(mut command) = command else { continue };
                if side == Side::There {
                    command.arg(peer);
                }
                let measured = measure(command, &case.arguments())?;
                eprintln!("{} {side:?} {run}/{runs}: {measured}", case.name());
                table.add(&case, side, measured);
            }
        }
    }
    Ok(table.markdown())
}

fn memories() -> Result<String, String> {
    let own = std::env::current_exe().map_err(|error| error.to_string())?;
    memory::compare(|arguments| measure(Command::new(&own), arguments))
}

fn measure(mut command: Command, arguments: &[String]) -> Result<Measured, String> {
    let threads = THREADS.to_string();
    let output = command
        .arg("child")
        .args(arguments)
        .env("OMP_NUM_THREADS", &threads)
        .env("RAYON_NUM_THREADS", &threads)
        .output()
        .map_err(|error| format!("{command:?}: {error}"))?;
    let text = String::from_utf8_lossy(&output.stdout);
    let line = text.lines().rfind(|line| line.starts_with("measured "));
    line.and_then(Measured::read).ok_or_else(|| {
        let cause = String::from_utf8_lossy(&output.stderr);
        format!("{} gave no figures: {}", arguments.join(" "), cause.lines().last().unwrap_or_default())
    })
}
