//! What everything in `std.severe` costs before it runs, on one thread: the first round, as a command has it, and the least of several, in which
//! what else the machine does counts as little as it can.

use std::any::Any;
use std::cell::RefCell;
use std::collections::BTreeMap;
use std::time::Instant;

use aurora_compiler::kernel::jit::Compiled;
use aurora_compiler::kernel::optimise::optimise;
use cranelift_codegen::timing::{Pass, Profiler, set_thread_profiler};

use crate::recipe;

const ROUNDS: usize = 10;

/// Prints a line for each step and one for their sum.
pub fn measure() -> Result<(), String> {
    let mut times: BTreeMap<&str, Vec<f64>> = BTreeMap::new();
    let (mut size, mut count) = (0, 0);
    set_thread_profiler(Box::new(Passes));
    for _ in 0..ROUNDS {
        let mut round: BTreeMap<&str, f64> = BTreeMap::new();
        let clock = Instant::now();
        let (module, names) = recipe::derivations()?;
        round.insert(PARSE, milliseconds(clock));
        let clock = Instant::now();
        let kernels = recipe::fused(&module, &names);
        round.insert(FUSE, milliseconds(clock));
        let clock = Instant::now();
        let optimised: Vec<_> = kernels.iter().map(optimise::<f32>).collect();
        let optimisation = milliseconds(clock);
        round.insert(OPTIMISE, optimisation);
        drop(optimised);
        PASSES.take();
        let clock = Instant::now();
        let compiled: Result<Vec<_>, _> = kernels.iter().map(Compiled::new).collect();
        let machine_code = milliseconds(clock);
        let compiled = compiled.map_err(|error| error.to_string())?;
        let passes = PASSES.take();
        let cranelift: f64 = passes.values().sum();
        round.extend(passes);
        round.insert(WRITE, machine_code - cranelift);
        round.insert(SUM, round[PARSE] + round[FUSE] + machine_code);
        for (step, time) in round {
            times.entry(step).or_default().push(time);
        }
        (count, size) = (kernels.len(), compiled.iter().map(Compiled::code_size).sum());
    }
    println!("\neverything in std.severe, {count} kernels, {size} bytes of machine code:\n");
    println!("| step | first, ms | least, ms |\n|---|---|---|");
    for (step, times) in times {
        let name = step.trim_start_matches(|c: char| c.is_ascii_digit() || c == ' ');
        let least = times.iter().copied().fold(f64::INFINITY, f64::min);
        println!("| {name} | {:.1} | {least:.1} |", times[0]);
    }
    Ok(())
}

fn milliseconds(clock: Instant) -> f64 {
    1e3 * clock.elapsed().as_secs_f64()
}

// Numbered, so that they are printed in this order.
const PARSE: &str = "1 text to kernels";
const FUSE: &str = "2 fusing";
const OPTIMISE: &str = "3 optimising alone";
const WRITE: &str = "4 optimising, walks apart, schedule, writing for Cranelift";
const SUM: &str = "6 all";

/// Cranelift's passes but those within: milliseconds of each.
struct Passes;

/// A pass that runs: since when, and its name.
struct Running(Instant, &'static str);

thread_local! {
    static PASSES: RefCell<BTreeMap<&'static str, f64>> = const { RefCell::new(BTreeMap::new()) };
    static RUNNING: RefCell<Vec<&'static str>> = const { RefCell::new(Vec::new()) };
}

impl Profiler for Passes {
    fn start_pass(&self, pass: Pass) -> Box<dyn Any> {
        let name = match pass {
            Pass::verifier => "5 Cranelift: verifying",
            Pass::regalloc => "5 Cranelift: registers",
            Pass::vcode_lower => "5 Cranelift: choosing instructions",
            Pass::vcode_emit | Pass::vcode_emit_finish => "5 Cranelift: bytes",
            _ => "5 Cranelift: the rest",
        };
        RUNNING.with_borrow_mut(|running| running.push(name));
        Box::new(Running(Instant::now(), name))
    }
}

impl Drop for Running {
    fn drop(&mut self) {
        let time = milliseconds(self.0);
        let outer = RUNNING.with_borrow_mut(|running| {
            running.pop();
            running.last().copied()
        });
        PASSES.with_borrow_mut(|passes| {
            *passes.entry(self.1).or_default() += time;
            // What is within does not count twice.
            if let Some(outer) = outer {
                *passes.entry(outer).or_default() -= time;
            }
        });
    }
}
