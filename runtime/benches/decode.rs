//! How many values a core decodes in a second, beside gribberish and grib, in one run: every field of GRIB2 files,
//! from its bytes to values. The table stands in the documentation of `data::grib`.
//!
//! `cargo bench -p aurora-runtime --bench decode -- FILE…`

use std::hint::black_box;
use std::io::Cursor;
use std::process::ExitCode;
use std::time::Instant;

use aurora_runtime::data::grib::Grib;

// As the command does.
#[global_allocator]
static ALLOCATOR: mimalloc::MiMalloc = mimalloc::MiMalloc;

/// Each reader decodes for at least this long, the readers in turn; the fastest pass counts.
const SECONDS: f64 = 1.0;

fn main() -> ExitCode {
    // As a preparation has it: the first touch of memory is no part of a decoder.
    aurora_runtime::memory::keep_freed();
    let files: Vec<String> = std::env::args().skip(1).filter(|word| word != "--bench").collect();
    println!(
        "{:<44} {:<12} {:>10} {:>8} {:>11} {:>8}",
        "millions of values a second", "packing", "values", "aurorac", "gribberish", "grib"
    );
    for file in &files {
        if let Err(problem) = measure(file) {
            eprintln!("{file}: {problem}");
            return ExitCode::FAILURE;
        }
    }
    ExitCode::SUCCESS
}

fn measure(file: &str) -> Result<(), String> {
    let bytes = std::fs::read(file).map_err(|error| error.to_string())?;
    let grib = Grib::of_bytes(file.as_ref(), bytes.clone(), 0).map_err(|error| error.to_string())?;
    let field = grib.fields().first().ok_or("no field")?;
    let values = grib.values::<f32>(field).map_err(|error| error.to_string())?.len();
    let name = std::path::Path::new(file).file_name().unwrap_or_default().to_string_lossy().into_owned();
    let packing = field.packing.name();
    let ours = || grib.values::<f32>(field).map(|values| values.len()).ok();
    let theirs = || {
        let message = gribberish::message::read_message(&bytes, field.offset as usize)?;
        message.data().ok().map(|values| values.len())
    };
    let others = || {
        let file = grib::from_reader(Cursor::new(&bytes)).ok()?;
        let (_, part) = file.iter().next()?;
        let decoder = grib::Grib2SubmessageDecoder::from(part).ok()?;
        Some(decoder.dispatch().ok()?.collect::<Vec<f32>>().len())
    };
    let speeds = [fastest(values, ours), fastest(values, theirs), fastest(values, others)];
    let [ours, theirs, others] = speeds.map(|speed| speed.map_or("-".into(), |speed| format!("{speed:.0}")));
    println!(
        "{name:<44} {:<12} {values:>10} {ours:>8} {theirs:>11} {others:>8}",
        &packing[..packing.len().min(12)]
    );
    Ok(())
}

/// Millions of values in a second; nothing if it does not read them all.
fn fastest(values: usize, decode: impl Fn() -> Option<usize>) -> Option<f64> {
    let begun = Instant::now();
    let mut best = f64::INFINITY;
    while begun.elapsed().as_secs_f64() < SECONDS {
        let start = Instant::now();
        if black_box(std::panic::catch_unwind(std::panic::AssertUnwindSafe(&decode)).ok()??) != values {
            return None;
        }
        best = best.min(start.elapsed().as_secs_f64());
    }
    Some(values as f64 / best / 1e6)
}
