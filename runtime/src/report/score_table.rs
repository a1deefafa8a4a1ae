//! Scores as tables: leads as columns, forecasts as neighbouring rows.

use std::collections::BTreeSet;

use maud::{Markup, html};

use crate::evaluate::ScoreRow;
use crate::evaluate::table::{Lead, Line, groups, number, score_text};

/// A table for each variable, level and threshold.
pub fn tables(rows: &[ScoreRow]) -> Markup {
    html! {
        @for (title, lines) in groups(rows) { (group(&title, &lines)) }
        p.note {
            "✓ marks the better forecast. A dash is undefined (no events). Leads with fewer than 30 observed events "
            "are not ranked. All forecasts of a lead are scored on the same cells."
        }
    }
}

fn group(title: &str, lines: &[Line<'_>]) -> Markup {
    let leads: BTreeSet<Lead> = lines.iter().flat_map(|line| line.by_lead.keys().copied()).collect();
    let rows: Vec<&ScoreRow> = lines.iter().flat_map(|line| line.by_lead.values().copied()).collect();
    html! {
        h3 { (title) }
        div.scroll tabindex="0" role="region" aria-label={ "Scores, " (title) } {
            table {
                thead {
                    tr {
                        th scope="col" { "score" }
                        th scope="col" { "forecast" }
                        @for lead in &leads { th.number scope="col" { "+" (number(lead.0)) " h" } }
                    }
                }
                @for line in lines { (line_body(line, &leads)) }
                tfoot {
                    (footer("observed events", &leads, &rows, |row| row.events.map(|events| events.to_string())))
                    (footer("pairs of fields", &leads, &rows, |row| Some(row.samples.to_string())))
                    (footer("valid cells", &leads, &rows, |row| Some(row.valid.to_string())))
                    (footer("coverage", &leads, &rows, |row| {
                        row.coverage.is_finite().then(|| format!("{:.1} %", 100.0 * row.coverage))
                    }))
                }
            }
        }
        (counts(&rows))
    }
}

fn line_body(line: &Line<'_>, leads: &BTreeSet<Lead>) -> Markup {
    let forecasts = line.forecasts();
    html! {
        tbody {
            @for (index, forecast) in forecasts.iter().enumerate() {
                tr {
                    @if index == 0 { th scope="rowgroup" rowspan=(forecasts.len()) { (line.name) } }
                    td { (forecast) }
                    @for lead in leads { (cell(line.by_lead.get(lead).copied(), forecast)) }
                }
            }
        }
    }
}

fn cell(row: Option<&ScoreRow>, forecast: &str) -> Markup {
    let Some(row) = row else { return html! { td.number {} } };
    let value = row.value(forecast);
    let text = score_text(value).replace('-', "\u{2212}");
    html! {
        @if row.better() == Some(forecast) {
            td.number.better { (text) " " span aria-label="better" { "✓" } }
        } @else if value.is_none() {
            td.number title="undefined (no events)" { (score_text(None)) }
        } @else {
            td.number { (text) }
        }
    }
}

/// A row about the cells that were scored; nothing if no lead has it.
fn footer(
    name: &str,
    leads: &BTreeSet<Lead>,
    rows: &[&ScoreRow],
    text: impl Fn(&ScoreRow) -> Option<String>,
) -> Markup {
    let texts: Vec<Option<String>> = leads
        .iter()
        .map(|lead| rows.iter().find(|row| Lead(row.lead_hours) == *lead).and_then(|row| text(row)))
        .collect();
    html! {
        @if texts.iter().any(Option::is_some) {
            tr {
                th scope="row" colspan="2" { (name) }
                @for text in texts { td.number { (text.unwrap_or_default()) } }
            }
        }
    }
}

/// Raw contingency counts, folded away.
fn counts(rows: &[&ScoreRow]) -> Markup {
    let counted: Vec<&ScoreRow> =
        rows.iter().copied().filter(|row| row.score == "csi" && !row.counts.is_empty()).collect();
    html! {
        @if !counted.is_empty() {
            details {
                summary { "Hits, false alarms, misses, correct negatives" }
                div.scroll tabindex="0" role="region" aria-label="Contingency counts" {
                    table {
                        thead {
                            tr {
                                @for name in ["lead", "forecast"] { th scope="col" { (name) } }
                                @for name in ["hits", "false alarms", "misses", "correct negatives"] {
                                    th.number scope="col" { (name) }
                                }
                            }
                        }
                        tbody {
                            @for row in counted {
                                @for (forecast, counts) in &row.counts {
                                    tr {
                                        td { "+" (number(row.lead_hours)) " h" }
                                        td { (forecast) }
                                        @for count in [counts.hits, counts.false_alarms, counts.misses, counts.correct_negatives] {
                                            td.number { (count) }
                                        }
                                    }
                                }
                            }
                        }
                    }
                }
            }
        }
    }
}
