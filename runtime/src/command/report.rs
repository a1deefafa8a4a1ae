//! `aurorac report RECIPE`: one HTML file about a run, from what the run has left.

use std::fs;
use std::path::Path;

use super::evaluate::{MAPS, SCORES};
use super::train::Arguments;
use crate::data::grid::Grid;
use crate::evaluate::{ScoreRow, read_rows};
use crate::report::{self, LossPoint, MapRow, ReportInput};
use crate::run::{Failure, Recipe};
use crate::train::events::{self, Event};

pub fn run(arguments: &Arguments) -> Result<(), Failure> {
    let recipe = Recipe::open(&arguments.recipe.recipe, arguments.recipe.format)?;
    report(&recipe, arguments.seed)
}

/// Writes `report.html` into the run and prints its path.
pub fn report(recipe: &Recipe, seed: u64) -> Result<(), Failure> {
    let run = recipe.run(seed);
    if !run.is_dir() {
        let message = format!(
            "there is no run {}; train first: aurorac train {}",
            run.display(),
            recipe.path.display()
        );
        return Err(Failure::because(message));
    }
    let mut problems = Vec::new();
    let scores = scores(&run, &mut problems)?;
    let maps = maps(&run, &mut problems);
    let plan = &recipe.plan;
    let grid = Grid::new(&plan.data.grid)?;
    let input = ReportInput {
        title: plan.title.clone().unwrap_or_else(|| plan.name.clone()),
        name: plan.name.clone(),
        hash: plan.hash.clone(),
        recipe_text: recipe.text.clone(),
        facts: facts(recipe, seed),
        losses: losses(&run, &mut problems),
        scores,
        maps,
        latitude: Some(grid.latitude),
        longitude: Some(grid.longitude),
        problems,
        reproduce: vec![format!("aurorac train {} --seed {seed}", recipe.path.display())],
    };
    let path = run.join("report.html");
    report::write(&path, &input)?;
    super::print(&format!("{}\n", path.display()))
}

fn scores(run: &Path, problems: &mut Vec<String>) -> Result<Vec<ScoreRow>, Failure> {
    match fs::File::open(run.join(SCORES)) {
        Ok(file) => Ok(read_rows(std::io::BufReader::new(file))?),
        Err(_) => {
            problems.push("This run has not been evaluated yet.".to_string());
            Ok(Vec::new())
        }
    }
}

fn maps(run: &Path, problems: &mut Vec<String>) -> Vec<MapRow> {
    let text = fs::read_to_string(run.join(MAPS)).unwrap_or_default();
    serde_json::from_str(&text).unwrap_or_else(|_| {
        problems.push("There are no maps of this run.".to_string());
        Vec::new()
    })
}

fn losses(run: &Path, problems: &mut Vec<String>) -> Vec<LossPoint> {
    let Ok(events) = events::read(&events::path(run)) else {
        problems.push("The record of the training (events.jsonl) cannot be read.".to_string());
        return Vec::new();
    };
    let point = |phase: &str, step: usize, split: &str, value: f64| LossPoint {
        phase: phase.to_string(),
        step: step as u64,
        split: split.to_string(),
        name: "objective".to_string(),
        value,
    };
    let points = events.iter().filter_map(|event| match event {
        Event::Step { phase, step, loss, .. } => Some(point(phase, *step, "train", *loss)),
        Event::Validate { phase, step, loss, .. } => Some(point(phase, *step, "validate", *loss)),
        Event::Base { .. } | Event::Checkpoint { .. } => None,
    });
    points.collect()
}

fn facts(recipe: &Recipe, seed: u64) -> Vec<(String, String)> {
    let plan = &recipe.plan;
    let fact = |name: &str, value: String| (name.to_string(), value);
    let split = |range: &aurora_compiler::plan::data::TimeRange| format!("{} to {}", range.from, range.to);
    let mut facts = vec![
        fact("archive", plan.data.archive.clone()),
        fact(
            "grid",
            format!(
                "{}, {} × {} points, {} km",
                plan.data.grid.name,
                plan.data.grid.height,
                plan.data.grid.width,
                plan.data.grid.spacing / 1000.0
            ),
        ),
        fact("train", split(&plan.data.train)),
    ];
    for (name, range) in [("validate", &plan.data.validate), ("test", &plan.data.test)] {
        if let Some(range) = range {
            facts.push(fact(name, split(range)));
        }
    }
    facts.push(fact("weights", plan.model.parameters().total.to_string()));
    facts.push(fact("seed", seed.to_string()));
    facts
}
