//! Derived parameters of `std.severe` as machine code, beside numba, JAX and SHARPlib: each round every side does the case once,
//! and the median of the rounds counts. Processor time of all threads, as if two shared it evenly. The table it prints stands in
//! `docs/src/performance.md`.
//!
//! `cargo bench -p aurora-compiler --bench severe -- [--python PYTHON] [--rounds N] [--only WORD]`, where PYTHON has what
//! `compiler/benches/severe/requirements.txt` lists. Without `--python` only this side is measured; `--only compilation` measures what all
//! of it costs before it runs.

mod columns;
mod compilation;
mod peer;
mod recipe;

use std::collections::BTreeSet;
use std::hint::black_box;
use std::process::ExitCode;
use std::slice;

use aurora_compiler::kernel::adjoint::value_and_gradient;
use aurora_compiler::kernel::ir::{Kernel, Output};
use aurora_compiler::kernel::jit::{Compiled, Options};
use aurora_compiler::kernel::verify::domains;
use rayon::prelude::*;

use columns::{CELLS, COLUMNS, Columns};
use peer::{Measured, Peer, THREADS, here};

// As the command does.
#[global_allocator]
static ALLOCATOR: mimalloc::MiMalloc = mimalloc::MiMalloc;

const ROUNDS: usize = 9;
/// The one thing measured that is not a case.
const COMPILATION: &str = "compilation";
const PEERS: [&str; 3] = ["numba", "jax", "sharplib"];

fn main() -> ExitCode {
    match run() {
        Ok(()) => ExitCode::SUCCESS,
        Err(message) => {
            eprintln!("{message}");
            ExitCode::FAILURE
        }
    }
}

fn run() -> Result<(), String> {
    let arguments: Vec<String> = std::env::args().skip(1).filter(|word| word != "--bench").collect();
    let option = |name: &str| {
        let at = arguments.iter().position(|word| word == name)?;
        arguments.get(at + 1).cloned()
    };
    let rounds = option("--rounds").and_then(|text| text.parse().ok()).unwrap_or(ROUNDS);
    let only = option("--only").unwrap_or_default();
    if only == COMPILATION {
        return compilation::measure();
    }
    let pool = rayon::ThreadPoolBuilder::new().num_threads(THREADS).build_global();
    pool.map_err(|error| error.to_string())?;

    let columns = Columns::new();
    let folder = std::env::temp_dir().join(format!("aurorac-severe-{}", std::process::id()));
    std::fs::create_dir_all(&folder).map_err(|error| error.to_string())?;
    let outcome = columns.write(&folder).map_err(|error| error.to_string()).and_then(|()| {
        let mut peers = Vec::new();
        if let Some(python) = option("--python") {
            for name in PEERS {
                peers.push(Peer::start(&python, name, &folder)?);
            }
        }
        for case in cases(&columns)?.into_iter().filter(|case| case.name.contains(&only)) {
            compare(case, &mut peers, rounds)?;
        }
        Ok(())
    });
    // What is left of it is in the folder for temporary files.
    drop(std::fs::remove_dir_all(&folder));
    outcome?;
    compilation::measure()
}

/// Does a piece of work once.
type Way<'a> = Box<dyn FnMut() -> Measured + 'a>;

/// A piece of work and how it is done here, in one or more ways.
struct Case<'a> {
    name: &'static str,
    /// What the other sides call it.
    asked: &'static str,
    ways: Vec<(&'static str, Way<'a>)>,
    /// Bytes read and written, where that is what limits it.
    bytes: Option<usize>,
}

fn cases(columns: &Columns) -> Result<Vec<Case<'_>>, String> {
    let composites = recipe::composites()?;
    // Each field once.
    let read: BTreeSet<&str> =
        composites.iter().flat_map(|kernel| &kernel.inputs).map(|input| input.name.as_str()).collect();
    let written: usize = composites.iter().map(|kernel| kernel.outputs.len()).sum();
    let bytes = 4 * CELLS * (read.len() + written);
    let winds = recipe::fields(&["right_mover_u", "right_mover_v", "bulk_shear6", "srh1", "srh3"])?;
    let parcels = recipe::fields(&["sbcape", "sbcin", "mlcape", "mlcin", "mucape", "mucin"])?;
    let surface = recipe::fields(&["sbcape"])?;
    let both = value_and_gradient(&surface, &["sbcape"], &["p_profile", "t_profile", "r_profile"]);
    let both = both.map_err(|error| error.to_string())?;
    Ok(vec![
        Case {
            name: "SCP, STP, EHI, BRN (cells)",
            asked: "composites",
            ways: vec![("here", work(&composites, columns, CELLS, 16)?), ("copy", copy(bytes))],
            bytes: Some(bytes),
        },
        Case {
            name: "Bunkers, shear, SRH (columns)",
            asked: "winds",
            ways: vec![("here", work(slice::from_ref(&winds), columns, COLUMNS, 16)?)],
            bytes: None,
        },
        Case {
            name: "SB, ML, MU CAPE and CIN (columns)",
            asked: "parcels",
            ways: vec![
                ("here", work(slice::from_ref(&parcels), columns, COLUMNS, 16)?),
                ("here, 8 lanes", work(slice::from_ref(&parcels), columns, COLUMNS, 8)?),
                ("here, 4 lanes", work(slice::from_ref(&parcels), columns, COLUMNS, 4)?),
            ],
            bytes: None,
        },
        Case {
            name: "SB CAPE (columns)",
            asked: "surface",
            ways: vec![
                ("here", work(slice::from_ref(&surface), columns, COLUMNS, 16)?),
                ("here, 8 lanes", work(slice::from_ref(&surface), columns, COLUMNS, 8)?),
                ("here, 4 lanes", work(slice::from_ref(&surface), columns, COLUMNS, 4)?),
            ],
            bytes: None,
        },
        Case {
            name: "SB CAPE and gradient (columns)",
            asked: "gradient",
            ways: vec![
                ("here", work(slice::from_ref(&both), columns, COLUMNS, 16)?),
                ("here, 8 lanes", work(slice::from_ref(&both), columns, COLUMNS, 8)?),
                ("here, 4 lanes", work(slice::from_ref(&both), columns, COLUMNS, 4)?),
            ],
            bytes: None,
        },
    ])
}

/// Kernels on all columns, compiled once.
fn work<'a>(kernels: &[Kernel], columns: &'a Columns, count: usize, lanes: usize) -> Result<Way<'a>, String> {
    let runs: Result<Vec<_>, String> =
        kernels.iter().map(|kernel| run_of(kernel, columns, count, lanes)).collect();
    let mut runs = runs?;
    Ok(Box::new(move || here(count, || runs.iter_mut().for_each(|run| run()))))
}

fn run_of<'a>(
    kernel: &Kernel,
    columns: &'a Columns,
    count: usize,
    lanes: usize,
) -> Result<impl FnMut() + use<'a>, String> {
    let compiled = Compiled::with(kernel, Options { lanes }).map_err(|error| error.to_string())?;
    let domains = domains(kernel).map_err(|errors| format!("{errors:?}"))?;
    let room = |output: &Output| vec![0.0; domains[output.value.index()].levels() * count];
    let mut outputs: Vec<Vec<f32>> = kernel.outputs.iter().map(room).collect();
    let ones = vec![1.0; count];
    let inputs: Vec<String> =
        kernel.inputs.iter().map(|input| recipe::array_of(&input.name).to_string()).collect();
    Ok(move || {
        let inputs: Vec<&[f32]> =
            inputs.iter().map(|name| if name.is_empty() { &ones[..] } else { columns.get(name) }).collect();
        let mut slices: Vec<&mut [f32]> = outputs.iter_mut().map(Vec::as_mut_slice).collect();
        compiled.run(black_box(&inputs), &mut slices, count).expect("the arrays fit");
    })
}

/// As many bytes as a kernel reads and writes, half of them read and half written.
fn copy(bytes: usize) -> Way<'static> {
    let half = bytes / 8;
    let (from, mut to) = (vec![1.0_f32; half], vec![0.0_f32; half]);
    Box::new(move || {
        here(CELLS, || {
            let parts = to.par_chunks_mut(1 << 16).zip(black_box(&from).par_chunks(1 << 16));
            parts.for_each(|(to, from)| to.copy_from_slice(from));
        })
    })
}

fn compare(mut case: Case<'_>, peers: &mut [Peer], rounds: usize) -> Result<(), String> {
    let mut sides: Vec<(String, Vec<Measured>)> = Vec::new();
    let mut add = |name: &str, measured: Measured| match sides.iter_mut().find(|(known, _)| known == name) {
        Some((_, all)) => all.push(measured),
        None => sides.push((name.to_string(), vec![measured])),
    };
    for (_, way) in &mut case.ways {
        way();
    }
    for _ in 0..rounds {
        for (name, way) in &mut case.ways {
            add(name, way());
        }
        for peer in peers.iter_mut() {
            if let Some(measured) = peer.measure(case.asked)? {
                add(peer.name, measured);
            }
        }
    }
    println!(
        "\n| {} | wall ms | processor ms | million a second{} |",
        case.name,
        if case.bytes.is_some() { " | GB/s" } else { "" }
    );
    println!("|---|---|---|---|{}", if case.bytes.is_some() { "---|" } else { "" });
    for (name, mut all) in sides {
        all.sort_by(|a, b| a.rate().total_cmp(&b.rate()));
        let median = all[all.len() / 2];
        let (wall, processor) = (1e3 * median.wall, 1e3 * median.processor / THREADS as f64);
        print!("| {name} | {wall:.2} | {processor:.2} | {:.3} |", median.rate() / 1e6);
        match case.bytes {
            Some(bytes) => println!(" {:.1} |", bytes as f64 * THREADS as f64 / median.processor / 1e9),
            None => println!(),
        }
    }
    Ok(())
}
