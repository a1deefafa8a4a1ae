//! How training shows itself: a bar on a terminal, plain lines in a pipe. Talk goes to stderr.

use std::io::IsTerminal;
use std::time::{Duration, Instant};

use indicatif::{ProgressBar, ProgressStyle};

use crate::talk::say;

/// Seconds between two plain lines.
const EVERY: Duration = Duration::from_secs(10);

/// A phase's progress.
#[derive(Debug)]
pub struct Progress {
    phase: String,
    steps: usize,
    bar: Option<ProgressBar>,
    last: Option<Instant>,
}

impl Progress {
    /// Begins to show a phase of `steps`, of which `done` are done.
    pub fn new(phase: &str, steps: usize, done: usize) -> Progress {
        let bar = std::io::stderr().is_terminal().then(|| {
            let template = "{prefix}  {bar:32} {pos}/{len} steps  {msg}  {elapsed} elapsed, {eta} left";
            let style =
                ProgressStyle::with_template(template).unwrap_or_else(|_| ProgressStyle::default_bar());
            let bar = ProgressBar::new(steps as u64).with_style(style).with_prefix(phase.to_string());
            bar.set_position(done as u64);
            bar.reset_eta();
            bar
        });
        Progress { phase: phase.to_string(), steps, bar, last: None }
    }

    /// Shows where training is; a pipe gets a line now and then.
    pub fn step(&mut self, done: usize, loss: f64) {
        if let Some(bar) = &self.bar {
            bar.set_position(done as u64);
            bar.set_message(format!("loss {loss:.4}"));
            return;
        }
        if self.last.is_none_or(|last| last.elapsed() >= EVERY) || done == self.steps {
            self.last = Some(Instant::now());
            say(&format!("{}  step {done} of {}  loss {loss:.4}", self.phase, self.steps));
        }
    }

    /// A line of its own, above the bar if there is one.
    pub fn say(&self, line: &str) {
        match &self.bar {
            Some(bar) => bar.suspend(|| say(line)),
            None => say(line),
        }
    }

    pub fn finish(&self) {
        if let Some(bar) = &self.bar {
            bar.finish();
        }
    }
}
