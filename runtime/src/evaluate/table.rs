//! Scores as a table for the terminal: leads as columns, the forecasts of a score on neighbouring lines.

use std::collections::{BTreeMap, BTreeSet};
use std::fmt::Write;

use super::scores::ScoreRow;

const BOLD: &str = "\u{1b}[1m";
const DIM: &str = "\u{1b}[2m";
const GREEN: &str = "\u{1b}[32m";
const RESET: &str = "\u{1b}[0m";
/// Widest cell: `-12345.67 *`.
const CELL: usize = 11;

/// The rows as aligned text. The better forecast is marked `*`, an undefined score is `–` (no events), and scores
/// with fewer than 30 observed events are not ranked. With `color`, ANSI colours repeat what the marks say.
pub fn table(rows: &[ScoreRow], color: bool) -> String {
    if rows.is_empty() {
        return "No scores.\n".to_owned();
    }
    let paint = |code: &'static str| if color { code } else { "" };
    let mut text = String::new();
    for (title, lines) in groups(rows) {
        let leads: BTreeSet<Lead> = lines.iter().flat_map(|line| line.by_lead.keys().copied()).collect();
        let name = lines.iter().map(|line| line.name.chars().count()).max().unwrap_or(0).max(5);
        let who =
            lines.iter().flat_map(Line::forecasts).map(|name| name.chars().count()).max().unwrap_or(0).max(6);
        let _ = write!(text, "{}{title}{}\n{:name$}  {:who$}", paint(BOLD), paint(RESET), "", "lead");
        for lead in &leads {
            let _ = write!(text, "{:>width$}  ", format!("+{} h", number(lead.0)), width = CELL - 2);
        }
        end_line(&mut text);
        for line in &lines {
            line.print(&mut text, &leads, name, who, &paint);
        }
        text.push('\n');
    }
    let _ = writeln!(
        text,
        "{}* better forecast   – undefined (no events)   leads with fewer than 30 observed events are not ranked{}",
        paint(DIM),
        paint(RESET)
    );
    text
}

/// What the rows of a table have in common, such as `composite reflectivity, ≥ 35 dBZ`.
pub fn group_title(row: &ScoreRow) -> String {
    let mut title = row.variable.replace('_', " ");
    if let Some(level) = row.level {
        let _ = write!(title, ", {} hPa", number(level));
    }
    if let Some(threshold) = row.threshold {
        let _ = write!(title, ", ≥ {}", number(threshold));
        if let Some(units) = &row.threshold_units {
            let _ = write!(title, " {units}");
        }
    }
    title
}

/// Name of a row in its table: the score, its scale and its units.
pub fn row_name(row: &ScoreRow) -> String {
    let mut name = score_name(&row.score);
    if let Some(scale) = row.scale_km {
        let _ = write!(name, " {} km", number(scale));
    }
    if row.units != "1" && !row.units.is_empty() {
        let _ = write!(name, " [{}]", row.units);
    }
    name
}

/// A score as people write it: `CSI`, `frequency bias`.
pub fn score_name(score: &str) -> String {
    match score {
        "csi" | "pod" | "far" | "pofd" | "ets" | "hss" | "pss" | "fss" | "rmse" | "mae" | "mse" => {
            score.to_uppercase()
        }
        _ => score.replace('_', " "),
    }
}

/// A score in four significant digits or so; `–` if undefined.
pub fn score_text(value: Option<f64>) -> String {
    match value {
        None => "–".to_owned(),
        Some(value) if !value.is_finite() => "–".to_owned(),
        Some(0.0) => "0".to_owned(),
        Some(value) if value.abs() < 1e-3 || value.abs() >= 1e6 => format!("{value:.2e}"),
        Some(value) if value.abs() < 10.0 => format!("{value:.3}"),
        Some(value) if value.abs() < 100.0 => format!("{value:.2}"),
        Some(value) => format!("{value:.1}"),
    }
}

/// A number as written by a person: no trailing zeros.
pub fn number(value: f64) -> String {
    let text = format!("{value:.3}");
    text.trim_end_matches('0').trim_end_matches('.').to_owned()
}

/// Lead hours, ordered.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Lead(pub f64);

impl Ord for Lead {
    fn cmp(&self, other: &Self) -> std::cmp::Ordering {
        self.0.total_cmp(&other.0)
    }
}

impl PartialOrd for Lead {
    fn partial_cmp(&self, other: &Self) -> Option<std::cmp::Ordering> {
        Some(self.cmp(other))
    }
}

impl PartialEq for Lead {
    fn eq(&self, other: &Self) -> bool {
        self.cmp(other).is_eq()
    }
}

impl Eq for Lead {}

/// All leads of one score.
#[derive(Debug)]
pub(crate) struct Line<'a> {
    pub name: String,
    pub by_lead: BTreeMap<Lead, &'a ScoreRow>,
}

impl Line<'_> {
    /// Names of the forecasts, ordered.
    pub fn forecasts(&self) -> BTreeSet<&str> {
        self.by_lead.values().flat_map(|row| row.forecasts.keys().map(String::as_str)).collect()
    }

    fn print(
        &self,
        text: &mut String,
        leads: &BTreeSet<Lead>,
        name: usize,
        who: usize,
        paint: &dyn Fn(&'static str) -> &'static str,
    ) {
        for (index, forecast) in self.forecasts().into_iter().enumerate() {
            let label = if index == 0 { self.name.as_str() } else { "" };
            let _ = write!(text, "{label:name$}  {forecast:who$}");
            for lead in leads {
                let row = self.by_lead.get(lead);
                let value = row.map_or_else(String::new, |row| score_text(row.value(forecast)));
                let better = row.is_some_and(|row| row.better() == Some(forecast));
                let (on, mark, off) = if better { (paint(GREEN), "*", paint(RESET)) } else { ("", " ", "") };
                let _ = write!(text, "{on}{value:>width$} {mark}{off}", width = CELL - 2);
            }
            end_line(text);
        }
        if self.by_lead.values().any(|row| row.events.is_some()) {
            let _ = write!(text, "{}{:name$}  {:who$}", paint(DIM), "", "events");
            for lead in leads {
                let events = self.by_lead.get(lead).and_then(|row| row.events);
                let _ = write!(
                    text,
                    "{:>width$}  ",
                    events.map_or_else(String::new, |n| n.to_string()),
                    width = CELL - 2
                );
            }
            end_line(text);
            text.truncate(text.len() - 1);
            let _ = writeln!(text, "{}", paint(RESET));
        }
    }
}

/// Rows by table and line, in the order in which they first appear.
pub(crate) fn groups(rows: &[ScoreRow]) -> Vec<(String, Vec<Line<'_>>)> {
    let mut groups: Vec<(String, Vec<Line<'_>>)> = Vec::new();
    for row in rows {
        let (title, name) = (group_title(row), row_name(row));
        let group = position_or_push(&mut groups, |group| group.0 == title, || (title.clone(), Vec::new()));
        let line = position_or_push(
            &mut groups[group].1,
            |line| line.name == name,
            || Line { name: name.clone(), by_lead: BTreeMap::new() },
        );
        groups[group].1[line].by_lead.insert(Lead(row.lead_hours), row);
    }
    groups
}

fn position_or_push<T>(items: &mut Vec<T>, found: impl Fn(&T) -> bool, new: impl FnOnce() -> T) -> usize {
    items.iter().position(found).unwrap_or_else(|| {
        items.push(new());
        items.len() - 1
    })
}

fn end_line(text: &mut String) {
    text.truncate(text.trim_end_matches(' ').len());
    text.push('\n');
}

#[cfg(test)]
mod tests {
    use super::super::scores::example;
    use super::*;

    fn rows() -> Vec<ScoreRow> {
        vec![
            example("rmse", 1.0, Some(4.123), Some(5.5)),
            example("csi", 1.0, Some(0.421), Some(0.518)),
            example("fss", 1.0, Some(0.71), Some(0.71)),
            example("rmse", 6.0, Some(104.5), Some(0.000_12)),
            ScoreRow { events: Some(12), ..example("csi", 6.0, Some(0.3), Some(0.1)) },
            ScoreRow { events: Some(0), ..example("fss", 6.0, None, Some(f64::NAN)) },
        ]
    }

    #[test]
    fn snapshot() {
        insta::assert_snapshot!(table(&rows(), false));
    }

    #[test]
    fn colour_only_adds_escapes() {
        let colored = table(&rows(), true);
        let mut plain = colored.clone();
        for code in [BOLD, DIM, GREEN, RESET] {
            plain = plain.replace(code, "");
        }
        assert_eq!(plain, table(&rows(), false));
        assert!(colored.contains(GREEN));
    }

    #[test]
    fn nothing_is_said_in_words() {
        assert_eq!(table(&[], false), "No scores.\n");
    }
}
