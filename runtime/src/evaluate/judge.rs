//! Judging a model on a split: forecasts from every start, compared with the truth beside persistence.

use std::collections::BTreeMap;

use aurora_compiler::kernel::ir::Module as Kernels;
use aurora_compiler::plan::Plan;
use aurora_compiler::plan::data::SupportPlan;
use aurora_compiler::plan::evaluation::{EvaluationPlan, Score, ScorePlan};
use burn::tensor::Device;
use jiff::Timestamp;
use ndarray::{Array2, Array4, ArrayView2, Zip};

use super::evaluation::{Evaluation, FieldKey, Thresholds, odd_width};
use super::forecasts::{Forecasts, tiling};
use super::fss::Padding;
use super::scores::ScoreRow;
use crate::data::sample::window::inside;
use crate::data::sample::{Batch as Samples, Cut, Sampler, Selection, Split, load_batch};
use crate::data::store::Store;
use crate::predict::Forecaster;
use crate::report::{MapField, MapRow, Panel};
use crate::run::Failure;
use crate::train::batch;

/// Samples forecast at once.
const TOGETHER: usize = 4;
/// Lead times shown as maps.
const MAPPED_LEADS: usize = 3;

/// Scores and pictures of one evaluation.
#[derive(Debug, Default)]
pub struct Judgement {
    pub rows: Vec<ScoreRow>,
    pub maps: Vec<MapRow>,
}

/// Judges a model; `progress` is told how many of how many starts are done, and may end it.
pub fn judge(
    plan: &Plan,
    kernels: &Kernels,
    evaluation: &EvaluationPlan,
    store: &Store,
    forecaster: &Forecaster,
    device: &Device,
    progress: &mut dyn FnMut(usize, usize) -> Result<(), Failure>,
) -> Result<Judgement, Failure> {
    let split = match evaluation.split.as_str() {
        "train" => Split::Train,
        "validate" => Split::Validate,
        _ => Split::Test,
    };
    let last_lead = evaluation.leads.last().copied().unwrap_or(1);
    let (history, step) = (plan.history, plan.step);
    let cut = Cut::plain(split, history, step, last_lead);
    let sampler = Sampler::new(store, cut)?;
    let fields = scored(plan, evaluation);
    let selection = selection(plan, &fields);
    let mut scores = accumulator(plan, evaluation)?;
    if let Some(cells) = cells_within(store) {
        scores = scores.within(cells);
    }
    let mut maps = Maps::new(plan, &fields);
    let tiling = tiling(plan, store)?;
    let forecasts = Forecasts { plan, kernels, store, forecaster, device, fields: &fields, tiling };
    let total = sampler.len();
    let mut done = 0;
    while done < total {
        let count = TOGETHER.min(total - done);
        let indices: Vec<_> = (done..done + count).map(|i| sampler.sample(0, i)).collect();
        let samples = load_batch(store, &indices, &selection)?;
        let leads = &evaluation.leads;
        let predicted = forecasts.predicted(&indices, leads)?;
        for (lead, predicted) in leads.iter().zip(&predicted) {
            let pair = Pair { plan, evaluation, samples: &samples, predicted, lead: *lead };
            pair.score(&fields, &mut scores)?;
            maps.consider(&pair);
        }
        done += count;
        progress(done, total)?;
    }
    Ok(Judgement { rows: wanted(scores.rows(), plan, evaluation), maps: maps.rows })
}

/// A field that is scored, with the levels asked for.
pub(super) struct ScoredField {
    pub(super) name: String,
    units: String,
    /// Level indices, with pressure in hPa; one nothing for a field without levels.
    levels: Vec<(usize, Option<f64>)>,
}

fn scored(plan: &Plan, evaluation: &EvaluationPlan) -> Vec<ScoredField> {
    let mut fields: BTreeMap<String, ScoredField> = BTreeMap::new();
    for score in &evaluation.scores {
        let pressures = level_pressures(plan, &score.field);
        let levels: Vec<(usize, Option<f64>)> = match (&pressures, score.levels.is_empty()) {
            (None, _) => vec![(0, None)],
            (Some(all), true) => all.iter().enumerate().map(|(i, p)| (i, Some(*p))).collect(),
            (Some(all), false) => score.levels.iter().map(|i| (*i, all.get(*i).copied())).collect(),
        };
        let name = score.field.clone();
        let units = score.units.clone();
        let field = fields.entry(name.clone()).or_insert(ScoredField { name, units, levels: Vec::new() });
        for level in levels {
            if !field.levels.contains(&level) {
                field.levels.push(level);
            }
        }
    }
    fields.into_values().collect()
}

/// Pressures in hPa of a field on levels.
fn level_pressures(plan: &Plan, name: &str) -> Option<Vec<f64>> {
    let fields = plan.data.fields.iter().map(|f| (&f.name, &f.support));
    let derived = plan.data.derived.iter().map(|d| (&d.name, &d.support));
    match fields.chain(derived).find(|(n, _)| *n == name)?.1 {
        SupportPlan::Levels(set) => {
            Some(plan.data.levels.get(set)?.values.iter().map(|p| p / 100.0).collect())
        }
        _ => None,
    }
}

/// The model's own fields, and the truth of everything scored. Persistence is the newest input of the
/// same field, so derived fields are inputs too.
fn selection(plan: &Plan, fields: &[ScoredField]) -> Selection {
    let mut selection = batch::selection(plan, &[]);
    for field in fields {
        for list in [&mut selection.inputs, &mut selection.targets] {
            if !list.contains(&field.name) {
                list.push(field.name.clone());
            }
        }
    }
    selection
}

/// The cells of the grid that lie in a region of the data, if there are regions: training saw only these.
fn cells_within(store: &Store) -> Option<Array2<bool>> {
    let regions = &store.plan().sampling.regions;
    let cell =
        |latitude: &f32, longitude: &f32| regions.iter().any(|region| inside(region, *latitude, *longitude));
    (!regions.is_empty()).then(|| Zip::from(store.latitude()).and(store.longitude()).map_collect(cell))
}

fn accumulator(plan: &Plan, evaluation: &EvaluationPlan) -> Result<Evaluation, Failure> {
    let mut thresholds: BTreeMap<String, Thresholds> = BTreeMap::new();
    for score in evaluation.scores.iter().filter(|s| s.score.needs_threshold()) {
        let set = thresholds.entry(score.field.clone()).or_default();
        set.units = score.units.clone();
        let add = |list: &mut Vec<f64>, values: &mut dyn Iterator<Item = f64>| {
            for value in values {
                if !list.contains(&value) {
                    list.push(value);
                }
            }
            list.sort_by(f64::total_cmp);
        };
        add(&mut set.values, &mut score.thresholds.iter().copied());
        if score.score == Score::Fss {
            add(&mut set.scales_km, &mut score.scales.iter().map(|m| m / 1000.0));
        }
    }
    Ok(Evaluation::new(thresholds, plan.data.grid.spacing / 1000.0, Padding::Zero)?)
}

/// One lead time of a batch of forecasts.
struct Pair<'a> {
    plan: &'a Plan,
    evaluation: &'a EvaluationPlan,
    samples: &'a Samples,
    /// (B, C, H, W) by the recipe's name.
    predicted: &'a BTreeMap<String, Array4<f32>>,
    lead: usize,
}

impl Pair<'_> {
    fn lead_hours(&self) -> f64 {
        (self.plan.step * self.lead as i64) as f64 / 3600.0
    }

    /// Truth, forecast and persistence of one field on one level of one sample.
    fn fields(&self, name: &str, sample: usize, level: usize) -> Option<[ArrayView2<'_, f32>; 3]> {
        let newest = self.plan.history - 1;
        let at = |array: &'_ ndarray::Array5<f32>, time: usize| -> Option<usize> {
            (sample < array.dim().0 && time < array.dim().1 && level < array.dim().2).then_some(time)
        };
        let (targets, inputs) = (self.samples.targets.get(name)?, self.samples.inputs.get(name)?);
        let (then, now) = (at(targets, self.lead - 1)?, at(inputs, newest)?);
        let predicted = self.predicted.get(name)?.slice(ndarray::s![sample, level, .., ..]);
        // A row more than whole patches is not predicted.
        let rows = predicted.nrows().min(targets.dim().3);
        Some([
            targets.slice(ndarray::s![sample, then, level, ..rows, ..]),
            predicted,
            inputs.slice(ndarray::s![sample, now, level, ..rows, ..]),
        ])
    }

    fn score(&self, fields: &[ScoredField], scores: &mut Evaluation) -> Result<(), Failure> {
        for field in fields {
            for (level, pressure) in &field.levels {
                let key = FieldKey {
                    variable: field.name.clone(),
                    level: *pressure,
                    lead_hours: self.lead_hours(),
                    units: field.units.clone(),
                };
                for sample in 0..self.samples.times.len() {
                    let Some([truth, forecast, persistence]) = self.fields(&field.name, sample, *level)
                    else {
                        continue;
                    };
                    let mut forecasts = BTreeMap::from([("model".to_string(), forecast)]);
                    if self.evaluation.against.iter().any(|name| name == "persistence") {
                        forecasts.insert("persistence".to_string(), persistence);
                    }
                    scores.add(&key, truth, &forecasts)?;
                }
            }
        }
        Ok(())
    }
}

/// Rows the recipe asks for, in the order in which it asks.
fn wanted(rows: Vec<ScoreRow>, plan: &Plan, evaluation: &EvaluationPlan) -> Vec<ScoreRow> {
    let mut chosen = Vec::new();
    for score in &evaluation.scores {
        for row in &rows {
            if asked(score, row, plan) && !chosen.contains(row) {
                chosen.push(row.clone());
            }
        }
    }
    chosen
}

fn asked(score: &ScorePlan, row: &ScoreRow, plan: &Plan) -> bool {
    let threshold = match row.threshold {
        Some(threshold) => score.thresholds.contains(&threshold),
        None => true,
    };
    let level = match (row.level, level_pressures(plan, &score.field)) {
        (Some(level), Some(all)) if !score.levels.is_empty() => {
            score.levels.iter().any(|i| all.get(*i) == Some(&level))
        }
        _ => true,
    };
    let spacing = plan.data.grid.spacing / 1000.0;
    let width = |scale: &f64| odd_width(scale / 1000.0, spacing) as f64 * spacing;
    let scale =
        row.scale_km.is_none_or(|row| score.scales.iter().any(|s| (width(s) - row).abs() < 1e-9 * row));
    row.score == score.score.word() && row.variable == score.field && threshold && level && scale
}

/// The pictures: the start whose truth has the most echo, at its first lead times.
struct Maps {
    /// Name of the field, level index, pressure in hPa.
    field: Option<(String, usize, Option<f64>)>,
    most: f64,
    time: Option<Timestamp>,
    rows: Vec<MapRow>,
}

impl Maps {
    fn new(plan: &Plan, fields: &[ScoredField]) -> Maps {
        let reflectivity =
            |name: &str| plan.data.fields.iter().any(|f| f.name == name && f.quantity == "reflectivity");
        let field = fields.iter().find(|f| reflectivity(&f.name)).or(fields.first());
        let field = field.and_then(|f| {
            let (level, pressure) = f.levels.first()?;
            Some((f.name.clone(), *level, *pressure))
        });
        Maps { field, most: f64::NEG_INFINITY, time: None, rows: Vec::new() }
    }

    fn consider(&mut self, pair: &Pair<'_>) {
        let Some((name, level, pressure)) = self.field.clone() else { return };
        let first = pair.evaluation.leads.first() == Some(&pair.lead);
        let place = pair.evaluation.leads.iter().position(|lead| *lead == pair.lead).unwrap_or(usize::MAX);
        if place >= MAPPED_LEADS {
            return;
        }
        for (sample, time) in pair.samples.times.iter().enumerate() {
            let Some(fields) = pair.fields(&name, sample, level) else { continue };
            let amount: f64 = fields[0].iter().filter(|v| v.is_finite()).map(|v| f64::from(v.max(0.0))).sum();
            if first && amount > self.most {
                self.most = amount;
                self.time = Some(*time);
                self.rows.clear();
            }
            if self.time == Some(*time) {
                let shown = pressure.map_or_else(|| name.clone(), |p| format!("{name} at {p} hPa"));
                self.rows.push(row(pair, &name, &shown, *time, fields));
            }
        }
    }
}

fn row(
    pair: &Pair<'_>,
    name: &str,
    shown: &str,
    time: Timestamp,
    fields: [ArrayView2<'_, f32>; 3],
) -> MapRow {
    let valid = Timestamp::from_second(time.as_second() + pair.plan.step * pair.lead as i64).unwrap_or(time);
    let labels = ["truth", "forecast", "persistence"];
    let panels = labels
        .into_iter()
        .zip(fields)
        .map(|(label, values)| Panel { label: label.to_string(), values: values.to_owned() });
    let field = pair.plan.data.fields.iter().find(|f| f.name == name);
    let reflectivity = field.is_some_and(|f| f.quantity == "reflectivity");
    MapRow {
        caption: format!("{shown}, valid {valid}, lead {} h", pair.lead_hours()),
        panels: panels.collect(),
        field: if reflectivity {
            MapField::Reflectivity
        } else {
            let units = field.map_or_else(String::new, |f| f.units.clone());
            MapField::Continuous { units, label: name.to_string() }
        },
    }
}
