//! `events.jsonl`: one line for each thing that happened, in order, as data for whoever reads along.

use std::collections::BTreeMap;
use std::fs::{self, File, OpenOptions};
use std::io::{self, BufRead, BufReader, Write};
use std::path::{Path, PathBuf};

use serde::{Deserialize, Serialize};

use crate::durable;

/// One line of `events.jsonl`.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(tag = "event", rename_all = "snake_case")]
pub enum Event {
    /// Weights came from a checkpoint before the first step.
    Base {
        name: String,
        /// BLAKE3 of the file.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        digest: Option<String>,
        /// Weights that took the file's values; of these, continued with zeros, and broadcast to levels.
        kept: usize,
        grown: usize,
        broadcast: usize,
        /// Names of the weights that the file lacks.
        fresh: Vec<String>,
        /// Names in the file for which the model has no place.
        unused: Vec<String>,
    },
    /// A step of the optimiser. `step` counts over all phases, from one.
    Step {
        phase: String,
        step: usize,
        epoch: usize,
        loss: f64,
        /// Errors in units of spread, violations in tolerances squared.
        parts: BTreeMap<String, f64>,
        rate: f64,
        gradient_norm: f64,
        seconds: f64,
    },
    /// The same objective on the validate split.
    Validate { phase: String, step: usize, loss: f64, parts: BTreeMap<String, f64> },
    /// A checkpoint is on disk.
    Checkpoint { step: usize },
}

impl Event {
    fn step(&self) -> usize {
        match self {
            Event::Base { .. } => 0,
            Event::Step { step, .. } | Event::Validate { step, .. } | Event::Checkpoint { step } => *step,
        }
    }
}

/// The open end of an event file.
#[derive(Debug)]
pub struct Events {
    file: File,
}

impl Events {
    /// Opens the file to continue after `step`: what was written about later steps, which will be done
    /// again, is taken out.
    pub fn open(path: &Path, step: usize) -> io::Result<Events> {
        if path.exists() {
            let kept: Vec<Event> = read(path)?.into_iter().filter(|event| event.step() <= step).collect();
            let mut text = String::new();
            for event in &kept {
                text.push_str(&serde_json::to_string(event)?);
                text.push('\n');
            }
            durable::write(path, text.as_bytes())?;
        } else if let Some(folder) = path.parent() {
            fs::create_dir_all(folder)?;
        }
        Ok(Events { file: OpenOptions::new().create(true).append(true).open(path)? })
    }

    pub fn push(&mut self, event: &Event) -> io::Result<()> {
        let mut line = serde_json::to_string(event)?;
        line.push('\n');
        self.file.write_all(line.as_bytes())
    }
}

/// Every whole line of an event file; a last line cut short by a crash is left out.
pub fn read(path: &Path) -> io::Result<Vec<Event>> {
    let lines = BufReader::new(File::open(path)?).lines();
    let mut events = Vec::new();
    for line in lines {
        if let Ok(event) = serde_json::from_str(&line?) {
            events.push(event);
        }
    }
    Ok(events)
}

/// Where a run keeps its events.
pub fn path(run: &Path) -> PathBuf {
    run.join("events.jsonl")
}
