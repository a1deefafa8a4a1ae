//! One score of one field at one lead: a line of `scores.jsonl`.

use std::collections::BTreeMap;
use std::io::{self, BufRead, Write};

use serde::{Deserialize, Serialize};

use super::contingency::Counts;

/// Below this many observed events two forecasts are not ranked.
pub const FEW_EVENTS: u64 = 30;

/// A score of every forecast (model, persistence, ...) against the same observations on the same cells.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct ScoreRow {
    /// Name of the score, such as `rmse`, `csi` or `fss`.
    pub score: String,
    /// Name of the variable.
    pub variable: String,
    /// Pressure level in hPa.
    pub level: Option<f64>,
    /// Event threshold, for scores of events.
    pub threshold: Option<f64>,
    /// Units of the threshold.
    pub threshold_units: Option<String>,
    /// Width of the neighbourhood in km, for neighbourhood scores.
    pub scale_km: Option<f64>,
    /// Lead time in hours.
    pub lead_hours: f64,
    /// Units of the score; `1` for ratios.
    pub units: String,
    /// The score of each forecast by name; `None` (JSON null) where it is undefined.
    pub forecasts: BTreeMap<String, Option<f64>>,
    /// Pairs of fields.
    pub samples: u64,
    /// Cells where the observation and every forecast are finite.
    pub valid: u64,
    /// `valid` as a share of all cells.
    pub coverage: f64,
    /// Observed events, for scores of events.
    pub events: Option<u64>,
    /// Raw contingency counts by forecast, for scores of events.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub counts: BTreeMap<String, Counts>,
}

/// Where the best value of a score lies.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Best {
    /// The larger the better.
    Highest,
    /// The smaller the better.
    Lowest,
    /// The nearer to 0 the better.
    Zero,
    /// The nearer to 1 the better, as a ratio: 0.5 is as far as 2.
    One,
}

impl Best {
    /// Where the best value of the score `name` lies; `None` for names not known here.
    pub fn of(name: &str) -> Option<Self> {
        Some(match name {
            "csi" | "pod" | "success_ratio" | "ets" | "hss" | "pss" | "fss" | "correlation" => Self::Highest,
            "mae" | "mse" | "rmse" | "far" | "pofd" => Self::Lowest,
            "bias" => Self::Zero,
            "frequency_bias" | "std_ratio" => Self::One,
            _ => return None,
        })
    }

    /// Distance from the best value, comparable between forecasts: less is better.
    pub fn distance(self, value: f64) -> f64 {
        match self {
            Self::Highest => -value,
            Self::Lowest => value,
            Self::Zero => value.abs(),
            Self::One => value.ln().abs(),
        }
    }
}

impl ScoreRow {
    /// The score of one forecast; `None` if it is absent or undefined.
    pub fn value(&self, forecast: &str) -> Option<f64> {
        self.forecasts.get(forecast).copied().flatten().filter(|value| value.is_finite())
    }

    /// Whether fewer than [`FEW_EVENTS`] events were observed, too few to rank forecasts.
    pub fn few_events(&self) -> bool {
        self.events.is_some_and(|events| events < FEW_EVENTS)
    }

    /// Name of the single best forecast. `None` if fewer than two are defined, if they tie, if there are too few
    /// events to rank, or if the score has no best value.
    pub fn better(&self) -> Option<&str> {
        if self.few_events() {
            return None;
        }
        let best = Best::of(&self.score)?;
        let mut distances: Vec<(f64, &str)> = (self.forecasts.keys())
            .filter_map(|name| Some((best.distance(self.value(name)?), name.as_str())))
            .filter(|(distance, _)| !distance.is_nan())
            .collect();
        distances.sort_by(|left, right| left.0.total_cmp(&right.0));
        match distances.as_slice() {
            [first, second, ..] if first.0 < second.0 => Some(first.1),
            _ => None,
        }
    }
}

/// Writes one JSON object per line. NaN is written as `null`.
///
/// # Errors
/// Whatever the writer reports.
pub fn write_rows(mut writer: impl Write, rows: &[ScoreRow]) -> io::Result<()> {
    for row in rows {
        serde_json::to_writer(&mut writer, row)?;
        writer.write_all(b"\n")?;
    }
    Ok(())
}

/// Reads what [`write_rows`] wrote; empty lines are skipped.
///
/// # Errors
/// `InvalidData` with the line number if a line is not a score.
pub fn read_rows(reader: impl BufRead) -> io::Result<Vec<ScoreRow>> {
    let mut rows = Vec::new();
    for (number, line) in reader.lines().enumerate() {
        let line = line?;
        if !line.trim().is_empty() {
            rows.push(serde_json::from_str(&line).map_err(|error| {
                io::Error::new(io::ErrorKind::InvalidData, format!("line {}: {error}", number + 1))
            })?);
        }
    }
    Ok(rows)
}

/// A made-up row for the tests of this crate.
#[cfg(test)]
pub(crate) fn example(
    score: &str,
    lead_hours: f64,
    model: Option<f64>,
    persistence: Option<f64>,
) -> ScoreRow {
    let categorical = Best::of(score) == Some(Best::Highest);
    ScoreRow {
        score: score.into(),
        variable: "composite_reflectivity".into(),
        level: None,
        threshold: categorical.then_some(35.0),
        threshold_units: categorical.then(|| "dBZ".into()),
        scale_km: (score == "fss").then_some(27.0),
        lead_hours,
        units: if categorical { "1".into() } else { "dBZ".into() },
        forecasts: BTreeMap::from([("model".into(), model), ("persistence".into(), persistence)]),
        samples: 12,
        valid: 9_000,
        coverage: 0.75,
        events: categorical.then_some(640),
        counts: BTreeMap::new(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_line_each_and_back() {
        let mut undefined = example("csi", 3.0, Some(f64::NAN), None);
        let rows = [example("rmse", 1.0, Some(4.0), Some(5.5)), undefined.clone()];
        let mut text = Vec::new();
        write_rows(&mut text, &rows).unwrap();
        let written = String::from_utf8(text).unwrap();
        assert_eq!(written.lines().count(), 2);
        assert!(written.contains(r#""model":null"#));
        undefined.forecasts.insert("model".into(), None);
        assert_eq!(read_rows(written.as_bytes()).unwrap(), [rows[0].clone(), undefined]);
        let error = read_rows("\n{}".as_bytes()).unwrap_err().to_string();
        assert!(error.starts_with("line 2"), "{error}");
    }

    #[test]
    fn better_knows_the_direction_and_when_not_to_rank() {
        let better = |score, model, persistence| {
            example(score, 1.0, Some(model), Some(persistence)).better().map(str::to_owned)
        };
        assert_eq!(better("rmse", 4.0, 5.0).as_deref(), Some("model"));
        assert_eq!(better("csi", 0.4, 0.5).as_deref(), Some("persistence"));
        assert_eq!(better("bias", -1.0, 2.0).as_deref(), Some("model"));
        assert_eq!(better("frequency_bias", 0.4, 2.0).as_deref(), Some("persistence"));
        assert_eq!(better("csi", 0.4, 0.4), None);
        assert_eq!(better("invented", 0.4, 0.5), None);
        assert_eq!(better("csi", f64::NAN, 0.5), None);
        let few = ScoreRow { events: Some(29), ..example("csi", 1.0, Some(0.4), Some(0.1)) };
        assert_eq!(few.better(), None);
    }
}
