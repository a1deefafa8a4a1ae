//! Scores of several forecasts against the same observations, by variable, level and lead.

use std::cmp::Ordering;
use std::collections::BTreeMap;

use ndarray::{Array2, ArrayView2, Zip, s};

use super::contingency::{Contingency, Counts, finite};
use super::fss::{EventTables, Fss, Padding};
use super::scores::ScoreRow;
use super::{Continuous, EvaluateError, same_shape};

/// What a pair of fields is a sample of.
#[derive(Debug, Clone)]
pub struct FieldKey {
    /// Name of the variable.
    pub variable: String,
    /// Pressure level in hPa; none at the surface.
    pub level: Option<f64>,
    /// Lead time in hours.
    pub lead_hours: f64,
    /// Units of the field.
    pub units: String,
}

/// Events of one variable and the neighbourhoods to score them in.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct Thresholds {
    /// Thresholds in the units of the field.
    pub values: Vec<f64>,
    /// Units of the thresholds, to be printed.
    pub units: String,
    /// Widths of the neighbourhoods in km; each is brought to an odd number of cells.
    pub scales_km: Vec<f64>,
}

/// Accumulated scores. Every forecast of a sample is scored on the same cells: those where the observation and *all*
/// forecasts are finite, so that their scores can be compared.
#[derive(Debug, Clone)]
pub struct Evaluation {
    spacing_km: f64,
    padding: Padding,
    thresholds: BTreeMap<String, Thresholds>,
    weights: Option<Array2<f64>>,
    within: Option<Array2<bool>>,
    fields: BTreeMap<FieldKey, Field>,
}

/// Statistics of one key.
#[derive(Debug, Clone, Default)]
struct Field {
    samples: u64,
    valid: u64,
    cells: u64,
    forecasts: BTreeMap<String, Statistics>,
}

/// Statistics of one forecast.
#[derive(Debug, Clone)]
struct Statistics {
    continuous: Continuous,
    events: Vec<(Contingency, Vec<Fss>)>,
}

impl Evaluation {
    /// `thresholds` by variable name; `spacing_km` is the distance between neighbouring cells.
    ///
    /// # Errors
    /// [`EvaluateError::Threshold`] or [`EvaluateError::Spacing`] for numbers that make no sense.
    pub fn new(
        thresholds: BTreeMap<String, Thresholds>,
        spacing_km: f64,
        padding: Padding,
    ) -> Result<Self, EvaluateError> {
        if !(spacing_km.is_finite() && spacing_km > 0.0) {
            return Err(EvaluateError::Spacing { spacing_km });
        }
        thresholds.values().flat_map(|set| &set.values).try_for_each(|threshold| finite(*threshold))?;
        Ok(Self { spacing_km, padding, thresholds, weights: None, within: None, fields: BTreeMap::new() })
    }

    /// Weights of the cells (relative area) for the continuous scores; event scores stay unweighted counts.
    #[must_use]
    pub fn with_weights(mut self, weights: Array2<f64>) -> Self {
        self.weights = Some(weights);
        self
    }

    /// Only these cells of the grid (rows, columns) are scored; in neighbourhoods nothing happens at the others.
    #[must_use]
    pub fn within(mut self, cells: Array2<bool>) -> Self {
        self.within = Some(cells);
        self
    }

    /// Adds one sample: the observed field and the forecasts of it by name ("model", "persistence", ...), all
    /// (rows, columns). Nothing is added if there is no forecast.
    ///
    /// # Errors
    /// [`EvaluateError::Shape`] or [`EvaluateError::Weight`]; the evaluation is then unchanged.
    pub fn add(
        &mut self,
        key: &FieldKey,
        observation: ArrayView2<'_, f32>,
        forecasts: &BTreeMap<String, ArrayView2<'_, f32>>,
    ) -> Result<(), EvaluateError> {
        if forecasts.is_empty() {
            return Ok(());
        }
        let mut masked = common_mask(observation, forecasts)?;
        let cells = self.only_within(&mut masked)?;
        let set = self.thresholds.get(&key.variable).cloned().unwrap_or_default();
        let mut field = self.fields.get(key).cloned().unwrap_or_default();
        for (name, forecast) in forecasts {
            let statistics = match field.forecasts.entry(name.clone()) {
                std::collections::btree_map::Entry::Occupied(entry) => entry.into_mut(),
                std::collections::btree_map::Entry::Vacant(entry) => {
                    entry.insert(Statistics::new(&set, self.spacing_km, self.padding)?)
                }
            };
            statistics.add(forecast.view(), masked.view(), self.weights.as_ref())?;
        }
        field.samples += 1;
        field.cells += cells;
        field.valid += masked.iter().filter(|value| value.is_finite()).count() as u64;
        self.fields.insert(key.clone(), field);
        Ok(())
    }

    /// Takes away the cells that are not scored; how many are. A field may have fewer rows than the grid, the southern ones.
    fn only_within(&self, masked: &mut Array2<f32>) -> Result<u64, EvaluateError> {
        let Some(within) = &self.within else { return Ok(masked.len() as u64) };
        let within = within.slice(s![..within.nrows().min(masked.nrows()), ..]);
        same_shape(&within, &masked.view(), "the cells to be scored")?;
        Zip::from(masked).and(within).for_each(|value, scored| {
            if !scored {
                *value = f32::NAN;
            }
        });
        Ok(within.iter().filter(|scored| **scored).count() as u64)
    }

    /// All scores, ordered by variable, level, lead, then score.
    pub fn rows(&self) -> Vec<ScoreRow> {
        let mut rows = Vec::new();
        for (key, field) in &self.fields {
            let units = self.thresholds.get(&key.variable).map_or("", |set| set.units.as_str());
            field.continuous_rows(key, &mut rows);
            let events = field.forecasts.values().next().map_or(0, |statistics| statistics.events.len());
            for index in 0..events {
                field.event_rows(key, index, units, self.spacing_km, &mut rows);
            }
        }
        rows
    }
}

impl Statistics {
    fn new(set: &Thresholds, spacing_km: f64, padding: Padding) -> Result<Self, EvaluateError> {
        let mut widths: Vec<usize> =
            set.scales_km.iter().map(|scale| odd_width(*scale, spacing_km)).collect();
        widths.sort_unstable();
        widths.dedup();
        let events = (set.values.iter())
            .map(|threshold| {
                let scales = widths.iter().map(|width| Fss::new(*threshold, *width, padding));
                Ok((Contingency::new(*threshold)?, scales.collect::<Result<_, _>>()?))
            })
            .collect::<Result<_, EvaluateError>>()?;
        Ok(Self { continuous: Continuous::new(), events })
    }

    fn add(
        &mut self,
        forecast: ArrayView2<'_, f32>,
        observation: ArrayView2<'_, f32>,
        weights: Option<&Array2<f64>>,
    ) -> Result<(), EvaluateError> {
        match weights {
            Some(weights) => self.continuous.add_weighted(forecast, observation, weights.view())?,
            None => self.continuous.add(forecast, observation)?,
        }
        for (contingency, scales) in &mut self.events {
            contingency.add(forecast, observation)?;
            if !scales.is_empty() {
                let tables = EventTables::new(forecast, observation, contingency.threshold())?;
                scales.iter_mut().try_for_each(|fss| fss.add_tables(&tables))?;
            }
        }
        Ok(())
    }
}

impl Field {
    /// A row with everything but the values.
    fn row(&self, key: &FieldKey, score: &str) -> ScoreRow {
        ScoreRow {
            score: score.to_owned(),
            variable: key.variable.clone(),
            level: key.level,
            threshold: None,
            threshold_units: None,
            scale_km: None,
            lead_hours: key.lead_hours,
            units: "1".to_owned(),
            forecasts: BTreeMap::new(),
            samples: self.samples,
            valid: self.valid,
            coverage: self.valid as f64 / self.cells.max(1) as f64,
            events: None,
            counts: BTreeMap::new(),
        }
    }

    fn values(&self, value: impl Fn(&Statistics) -> f64) -> BTreeMap<String, Option<f64>> {
        let defined = |value: f64| value.is_finite().then_some(value);
        self.forecasts.iter().map(|(name, statistics)| (name.clone(), defined(value(statistics)))).collect()
    }

    fn continuous_rows(&self, key: &FieldKey, rows: &mut Vec<ScoreRow>) {
        type Score = fn(&Continuous) -> f64;
        let scores: [(&str, bool, Score); 5] = [
            ("bias", true, Continuous::bias),
            ("mae", true, Continuous::mae),
            ("rmse", true, Continuous::rmse),
            ("correlation", false, Continuous::correlation),
            ("std_ratio", false, Continuous::std_ratio),
        ];
        for (name, in_field_units, score) in scores {
            let mut row = self.row(key, name);
            if in_field_units {
                row.units.clone_from(&key.units);
            }
            row.forecasts = self.values(|statistics| score(&statistics.continuous));
            rows.push(row);
        }
    }

    fn event_rows(
        &self,
        key: &FieldKey,
        index: usize,
        units: &str,
        spacing_km: f64,
        rows: &mut Vec<ScoreRow>,
    ) {
        type Score = fn(&Counts) -> f64;
        let scores: [(&str, Score); 9] = [
            ("csi", Counts::csi),
            ("pod", Counts::pod),
            ("far", Counts::far),
            ("success_ratio", Counts::success_ratio),
            ("pofd", Counts::pofd),
            ("frequency_bias", Counts::frequency_bias),
            ("ets", Counts::ets),
            ("hss", Counts::hss),
            ("pss", Counts::pss),
        ];
        let Some(first) = self.forecasts.values().next() else { return };
        let (contingency, scales) = &first.events[index];
        let counts: BTreeMap<String, Counts> =
            self.forecasts.iter().map(|(name, all)| (name.clone(), all.events[index].0.counts())).collect();
        let event_row = |score: &str| ScoreRow {
            threshold: Some(contingency.threshold()),
            threshold_units: (!units.is_empty()).then(|| units.to_owned()),
            // The mask is common to all forecasts, hence also the observed events.
            events: Some(contingency.counts().events()),
            ..self.row(key, score)
        };
        for (name, score) in scores {
            let forecasts = self.values(|statistics| score(&statistics.events[index].0.counts()));
            rows.push(ScoreRow { forecasts, counts: counts.clone(), ..event_row(name) });
        }
        for (scale, fss) in scales.iter().enumerate() {
            let forecasts = self.values(|statistics| statistics.events[index].1[scale].fss());
            let scale_km = Some(fss.width() as f64 * spacing_km);
            rows.push(ScoreRow { forecasts, scale_km, ..event_row("fss") });
        }
    }
}

/// The observation with NaN wherever it or any forecast is missing.
fn common_mask(
    observation: ArrayView2<'_, f32>,
    forecasts: &BTreeMap<String, ArrayView2<'_, f32>>,
) -> Result<Array2<f32>, EvaluateError> {
    let mut masked = observation.to_owned();
    for forecast in forecasts.values() {
        same_shape(forecast, &observation, "observation")?;
        Zip::from(&mut masked).and(forecast).for_each(|o, f| {
            if !f.is_finite() {
                *o = f32::NAN;
            }
        });
    }
    Ok(masked)
}

/// The odd number of cells nearest to a width in km, at least 1.
pub fn odd_width(scale_km: f64, spacing_km: f64) -> usize {
    // Float to integer conversion saturates; NaN becomes 0.
    2 * (((scale_km / spacing_km - 1.0) / 2.0).round().max(0.0) as usize).min(1 << 20) + 1
}

impl Ord for FieldKey {
    fn cmp(&self, other: &Self) -> Ordering {
        let level = |key: &Self| key.level.unwrap_or(f64::NEG_INFINITY);
        (self.variable.cmp(&other.variable))
            .then(level(self).total_cmp(&level(other)))
            .then(self.lead_hours.total_cmp(&other.lead_hours))
            .then(self.units.cmp(&other.units))
    }
}

impl PartialOrd for FieldKey {
    fn partial_cmp(&self, other: &Self) -> Option<Ordering> {
        Some(self.cmp(other))
    }
}

impl PartialEq for FieldKey {
    fn eq(&self, other: &Self) -> bool {
        self.cmp(other) == Ordering::Equal
    }
}

impl Eq for FieldKey {}

#[cfg(test)]
mod tests {
    use super::*;
    use ndarray::array;

    fn key(lead_hours: f64) -> FieldKey {
        FieldKey { variable: "refc".into(), level: None, lead_hours, units: "dBZ".into() }
    }

    fn evaluation() -> Evaluation {
        let set =
            Thresholds { values: vec![20.0, 60.0], units: "dBZ".into(), scales_km: vec![3.0, 8.0, 9.5] };
        Evaluation::new(BTreeMap::from([("refc".into(), set)]), 3.0, Padding::Zero).unwrap()
    }

    fn find<'a>(rows: &'a [ScoreRow], score: &str, threshold: f64) -> &'a ScoreRow {
        rows.iter().find(|row| row.score == score && row.threshold == Some(threshold)).unwrap()
    }

    #[test]
    fn all_forecasts_are_scored_on_the_same_cells() {
        let observation = array![[30.0_f32, 30.0, 0.0, f32::NAN]];
        let model = array![[30.0_f32, 10.0, 0.0, 9.0]];
        let persistence = array![[30.0_f32, f32::NAN, 25.0, 9.0]];
        let forecasts = BTreeMap::from([
            ("model".to_owned(), model.view()),
            ("persistence".to_owned(), persistence.view()),
        ]);
        let mut evaluation = evaluation();
        evaluation.add(&key(3.0), observation.view(), &forecasts).unwrap();
        let rows = evaluation.rows();
        let csi = find(&rows, "csi", 20.0);
        assert_eq!((csi.valid, csi.coverage, csi.events, csi.samples), (2, 0.5, Some(1), 1));
        assert_eq!((csi.value("model"), csi.value("persistence")), (Some(1.0), Some(0.5)));
        assert_eq!(find(&rows, "csi", 60.0).forecasts["model"], None, "no event is undefined");
        let scales: Vec<_> =
            rows.iter().filter(|row| row.score == "fss").filter_map(|row| row.scale_km).collect();
        assert_eq!(scales, [3.0, 9.0, 3.0, 9.0], "8 and 9.5 km are both 3 cells of 3 km");
        assert_eq!(rows.iter().filter(|row| row.lead_hours == 3.0).count(), rows.len());
    }

    /// As if the grid ended where the region does. Neighbourhoods of more than a point reach beyond it, where nothing happens:
    /// theirs are the scores of fields that are missing there.
    #[test]
    fn what_lies_outside_the_region_does_not_count() {
        let field = |seed: usize| {
            Array2::from_shape_fn((9, 11), |(row, column)| ((row * 31 + column * 17 + seed * 7) % 83) as f32)
        };
        let (observation, model) = (field(1), field(4));
        let inside = s![2..7, 3..9];
        let mut cells = Array2::from_elem((10, 11), false);
        cells.slice_mut(inside).fill(true);
        let scored =
            |evaluation: Evaluation, observation: ArrayView2<'_, f32>, model: ArrayView2<'_, f32>| {
                let mut evaluation = evaluation;
                let forecasts = BTreeMap::from([("model".to_owned(), model)]);
                evaluation.add(&key(1.0), observation, &forecasts).unwrap();
                evaluation.rows()
            };
        let mut missing = observation.clone();
        Zip::from(&mut missing).and(cells.slice(s![..9, ..])).for_each(|value, scored| {
            *value = if *scored { *value } else { f32::NAN };
        });
        let near = |row: &ScoreRow| row.scale_km.is_some_and(|scale| scale > 3.0);
        let values = |row: &ScoreRow| (row.score.clone(), row.forecasts.clone(), row.counts.clone());
        let part = scored(evaluation().within(cells), observation.view(), model.view());
        let alone = scored(evaluation(), observation.slice(inside), model.slice(inside));
        let masked = scored(evaluation(), missing.view(), model.view());
        assert!(part.iter().zip(&alone).all(|(one, other)| near(one) || one == other));
        assert!(part.iter().zip(&masked).all(|(one, other)| values(one) == values(other)));
        assert!(part.iter().any(near) && part.iter().all(|row| row.valid == 30 && row.coverage == 1.0));
        let narrow = evaluation().within(Array2::from_elem((9, 3), true));
        let forecasts = BTreeMap::from([("model".to_owned(), model.view())]);
        assert!(narrow.clone().add(&key(1.0), observation.view(), &forecasts).is_err());
    }

    #[test]
    fn a_failed_sample_changes_nothing() {
        let (good, bad) = (array![[1.0_f32, 2.0]], array![[1.0_f32]]);
        let mut evaluation = evaluation();
        let forecasts = BTreeMap::from([("model".to_owned(), good.view()), ("other".to_owned(), bad.view())]);
        assert!(evaluation.add(&key(1.0), good.view(), &forecasts).is_err());
        assert!(evaluation.rows().is_empty());
        assert!(Evaluation::new(BTreeMap::new(), 0.0, Padding::Zero).is_err());
    }

    #[test]
    fn widths_are_odd() {
        let widths = [0.0, 3.0, 9.0, 27.0, 50.0, f64::NAN].map(|scale| odd_width(scale, 3.0));
        assert_eq!(widths, [1, 1, 3, 9, 17, 1]);
    }
}
