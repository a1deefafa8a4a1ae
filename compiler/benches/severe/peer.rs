//! The others: each a process that is asked for a case and says how long it took.

use std::fs;
use std::io::{BufRead, BufReader, Write};
use std::path::Path;
use std::process::{Child, ChildStdin, ChildStdout, Command, Stdio};
use std::time::Instant;

/// Threads on every side.
pub const THREADS: usize = 2;

/// One round of a case.
#[derive(Clone, Copy, Debug)]
pub struct Measured {
    pub wall: f64,
    /// Seconds of processor, of all threads.
    pub processor: f64,
    /// How many columns, or cells, were done.
    pub count: f64,
}

impl Measured {
    /// Columns a second that two threads would do if they shared the work evenly and nothing else ran.
    pub fn rate(&self) -> f64 {
        self.count * THREADS as f64 / self.processor
    }
}

pub struct Peer {
    pub name: &'static str,
    child: Child,
    ask: ChildStdin,
    answer: BufReader<ChildStdout>,
}

impl Peer {
    pub fn start(python: &str, name: &'static str, folder: &Path) -> Result<Peer, String> {
        let script = concat!(env!("CARGO_MANIFEST_DIR"), "/benches/severe/peer.py");
        let mut child = Command::new(python)
            .args([script, name])
            .arg(folder)
            .env("OMP_NUM_THREADS", THREADS.to_string())
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .spawn()
            .map_err(|error| format!("{python}: {error}"))?;
        let (Some(ask), Some(answer)) = (child.stdin.take(), child.stdout.take()) else {
            return Err(format!("{name} cannot be asked"));
        };
        Ok(Peer { name, child, ask, answer: BufReader::new(answer) })
    }

    /// Nothing if it has no such case.
    pub fn measure(&mut self, case: &str) -> Result<Option<Measured>, String> {
        writeln!(self.ask, "{case}").map_err(|error| format!("{}: {error}", self.name))?;
        let mut line = String::new();
        self.answer.read_line(&mut line).map_err(|error| format!("{}: {error}", self.name))?;
        let numbers: Vec<f64> =
            line.split_whitespace().skip(1).filter_map(|word| word.parse().ok()).collect();
        match (line.split_whitespace().next(), &numbers[..]) {
            (Some("absent"), _) => Ok(None),
            (Some("measured"), [wall, processor, count]) => {
                Ok(Some(Measured { wall: *wall, processor: *processor, count: *count }))
            }
            _ => Err(format!("{} gave no figures for {case}: {line}", self.name)),
        }
    }
}

impl Drop for Peer {
    fn drop(&mut self) {
        // It ends with its input; one that does not is ended.
        drop(self.child.kill());
        drop(self.child.wait());
    }
}

/// One round here.
pub fn here(count: usize, work: impl FnOnce()) -> Measured {
    let (clock, before) = (Instant::now(), processor_seconds());
    work();
    Measured {
        wall: clock.elapsed().as_secs_f64(),
        processor: processor_seconds() - before,
        count: count as f64,
    }
}

/// What all living threads have used, to the nanosecond.
fn processor_seconds() -> f64 {
    let tasks = fs::read_dir("/proc/self/task").into_iter().flatten().flatten();
    let used = |task: fs::DirEntry| -> Option<f64> {
        let text = fs::read_to_string(task.path().join("schedstat")).ok()?;
        text.split_whitespace().next()?.parse().ok()
    };
    tasks.filter_map(used).sum::<f64>() / 1e9
}
