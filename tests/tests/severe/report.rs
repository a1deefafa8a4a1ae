//! What was compared: a line each, and at the end all that differed.

use std::collections::BTreeMap;

/// Lines as they come, differences kept, and statistics by what was compared.
#[derive(Debug, Default)]
pub struct Report {
    pub values: usize,
    problems: Vec<String>,
    statistics: BTreeMap<String, Vec<f64>>,
}

impl Report {
    /// Ours within a tolerance of theirs.
    pub fn compared(&mut self, name: &str, ours: f64, theirs: f64, tolerance: f64) {
        let close = (ours - theirs).abs() <= tolerance;
        let line = format!("{name}: {ours:.5} beside {theirs:.5} ± {tolerance:.5}");
        println!("{} {line}", if close { "agrees " } else { "DIFFERS" });
        self.values += 1;
        let kind = name.split_once(' ').map_or(name, |(_, kind)| kind);
        self.statistics.entry(kind.to_string()).or_default().push(ours - theirs);
        if !close {
            self.problems.push(line);
        }
    }

    /// Ours and theirs, which need not agree, and why not.
    pub fn told(&mut self, name: &str, ours: f64, theirs: f64, why: &str) {
        println!("told    {name}: {ours:.5} beside {theirs:.5}: {why}");
    }

    /// Something that holds or not.
    pub fn holds(&mut self, name: &str, holds: bool, what: &str) {
        println!("{} {name}: {what}", if holds { "agrees " } else { "DIFFERS" });
        self.values += 1;
        if !holds {
            self.problems.push(format!("{name}: {what}"));
        }
    }

    /// Worst and root mean square of what was compared, a line each; then fails if anything differed.
    pub fn end(self, of: &str) {
        for (kind, differences) in &self.statistics {
            let count = differences.len() as f64;
            let square = differences.iter().map(|d| d * d).sum::<f64>() / count;
            let mean = differences.iter().sum::<f64>() / count;
            let worst =
                differences.iter().copied().fold(0.0f64, |a, b| if b.abs() > a.abs() { b } else { a });
            println!("{kind}: n {count} mean {mean:.4} rms {:.4} worst {worst:.4}", square.sqrt());
        }
        println!("{of}: {} values compared, {} differ", self.values, self.problems.len());
        assert!(self.problems.is_empty(), "{of}:\n{}", self.problems.join("\n"));
    }
}
