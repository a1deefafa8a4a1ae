//! The page: what a person asks first stands first.

use maud::{DOCTYPE, Markup, PreEscaped, html};

use super::gather::spoken_level;
use super::{DataReport, FieldReport, LevelReport, against, spark, strip};
use crate::data::journal::{Status, TimeRecord};
use crate::data::prepare::{Month, Tally};
use crate::data::quality::Check;
use crate::report::ReportError;
use crate::report::map::map_row;
use crate::report::page::{POLICY, STYLE};

const OWN: &str = include_str!("data.css");
/// Exceptions that the page shows; JSON has more.
const SHOWN: usize = 60;

pub(super) fn page(report: &DataReport) -> Result<Markup, ReportError> {
    let maps = report.fields.iter().filter_map(|field| field.map.as_ref());
    let maps = maps.map(|row| map_row(row, false)).collect::<Result<Vec<_>, _>>()?;
    Ok(html! {
        (DOCTYPE)
        html lang="en" {
            head {
                meta charset="utf-8";
                meta name="viewport" content="width=device-width, initial-scale=1";
                meta name="color-scheme" content="light dark";
                meta http-equiv="Content-Security-Policy" content=(POLICY);
                title { (report.title) " · data" }
                style { (PreEscaped(STYLE)) (PreEscaped(OWN)) }
            }
            body {
                main {
                    header {
                        h1 { (report.title) }
                        p.identity { "Data of the archive " code { (report.archive) } " · " (report.grid) }
                    }
                    (answer(report))
                    (warnings(&report.warnings))
                    section { h2 { "Times" } (strip::calendar(&report.days)) (by_month(report)) (exceptions(&report.exceptions)) }
                    section { h2 { "What the checks found" } (findings(report)) }
                    section { h2 { "Statistics over the training split" } (statistics(&report.fields)) }
                    section { h2 { "One time of each variable" } div.gallery { @for map in maps { (map) } } }
                    section.conventions { h2 { "In brief" } (facts(report)) }
                }
            }
        }
    })
}

fn answer(report: &DataReport) -> Markup {
    let Month { present, absent, rejected, filled } = report.times;
    let all = present + absent + rejected + filled;
    let usable = present + filled;
    let span = report.span.map(|(from, to)| {
        format!("from {} to {} UTC", from.strftime("%Y-%m-%d %H:%M"), to.strftime("%Y-%m-%d %H:%M"))
    });
    html! {
        section.answer.better[usable == all] aria-label="Result" {
            p.headline { (usable) " of " (all) " times can be used, of " (report.fields.len()) " variables." }
            p { (span.unwrap_or_default()) }
            @if usable < all || filled > 0 {
                p { (absent) " absent, " (rejected) " rejected, " (filled) " filled from their neighbours." }
            }
        }
    }
}

fn warnings(warnings: &[String]) -> Markup {
    html! {
        @if !warnings.is_empty() {
            section.problems {
                h2 { "To look at" }
                ul { @for warning in warnings.iter().take(SHOWN) { li { (prose(warning)) } } }
                @if warnings.len() > SHOWN { p.note { (warnings.len() - SHOWN) " more are in the JSON." } }
            }
        }
    }
}

/// Text with names between backticks.
fn prose(text: &str) -> Markup {
    html! {
        @for (number, part) in text.split('`').enumerate() {
            @if number % 2 == 1 { code { (part) } } @else { (part) }
        }
    }
}

fn by_month(report: &DataReport) -> Markup {
    let fields: Vec<_> = report
        .fields
        .iter()
        .filter(|field| !field.months.is_empty())
        .map(|field| (field.name.as_str(), &field.months))
        .collect();
    html! {
        details { summary { "Usable times of each variable, by month" } (strip::months(&fields)) }
    }
}

fn exceptions(list: &[TimeRecord]) -> Markup {
    html! {
        @if !list.is_empty() {
            details {
                summary { "Times that are not as they should be" }
                div.scroll tabindex="0" role="region" aria-label="Exceptions" {
                    table {
                        thead { tr { th scope="col" { "time" } th scope="col" { "what" } th scope="col" { "why" } } }
                        tbody {
                            @for record in list.iter().take(SHOWN) {
                                tr {
                                    td { (record.time.strftime("%Y-%m-%d %H:%M")) }
                                    td { (what(&record.status)) }
                                    td { (why(record)) }
                                }
                            }
                        }
                    }
                }
                @if list.len() > SHOWN { p.note { (list.len() - SHOWN) " more are in the JSON." } }
            }
        }
    }
}

fn what(status: &Status) -> &'static str {
    match status {
        Status::Present => "present",
        Status::Absent { .. } => "absent",
        Status::Rejected => "rejected",
        Status::Filled { .. } => "filled",
    }
}

fn why(record: &TimeRecord) -> String {
    match &record.status {
        Status::Absent { reason } => reason.clone(),
        Status::Filled { before, after, absent } => {
            let why = absent.as_deref().unwrap_or("rejected");
            format!("between {before} and {after}: {why}")
        }
        _ => {
            let told = record.findings.iter().filter(|finding| finding.rejects).map(|finding| {
                let level =
                    finding.level.map(|value| format!(" at {}", spoken_level(value))).unwrap_or_default();
                format!("{} of {}{level} ({} points)", finding.check.word(), finding.field, finding.points)
            });
            told.collect::<Vec<_>>().join("; ")
        }
    }
}

fn findings(report: &DataReport) -> Markup {
    let of_fields = report.fields.iter().flat_map(|field| {
        field
            .findings
            .iter()
            .map(move |(check, tally)| (field.name.as_str(), field.units.as_str(), *check, tally))
    });
    let whole = report.findings.iter().map(|(check, tally)| ("all", "", *check, tally));
    let mut rows: Vec<(&str, &str, Check, &Tally)> = whole.chain(of_fields).collect();
    rows.sort_by_key(|row| row.2);
    let asked: std::collections::BTreeSet<Check> = rows.iter().map(|row| row.2).collect();
    html! {
        @if rows.is_empty() {
            p { "Nothing: no check found anything in any field at any time." }
        } @else {
            div.scroll tabindex="0" role="region" aria-label="Findings" {
                table {
                    thead {
                        tr {
                            th scope="col" { "check" } th scope="col" { "variable" } th.number scope="col" { "times" }
                            th.number scope="col" { "points" } th.number scope="col" { "worst" } th scope="col" { "first" }
                        }
                    }
                    tbody {
                        @for (name, units, check, tally) in rows {
                            tr {
                                td { (check.word()) }
                                td { code { (name) } }
                                td.number { (tally.times) }
                                td.number { (tally.points) }
                                td.number { (shown(tally.worst)) " " (unit_of(check, units)) }
                                td { (tally.first.strftime("%Y-%m-%d %H:%M")) }
                            }
                        }
                    }
                }
            }
        }
        details {
            summary { "What the checks ask" }
            dl.checks {
                @for (check, says) in &report.checks {
                    dt { (check.word()) @if asked.contains(check) { " ✱" } }
                    dd { (says) }
                }
            }
        }
    }
}

/// The unit of a check's worst number.
fn unit_of(check: Check, units: &str) -> &str {
    match check {
        Check::OutsideRange | Check::Constant | Check::Placeholder | Check::Sentinel => units,
        Check::Superadiabatic => "K",
        Check::WindSpeed => "m/s",
        Check::Jump => "spreads",
        _ => "",
    }
}

fn statistics(fields: &[FieldReport]) -> Markup {
    html! {
        div.scroll tabindex="0" role="region" aria-label="Statistics" {
            table.statistics {
                thead {
                    tr {
                        th scope="col" { "variable" } th scope="col" { "level" } th scope="col" { "distribution" }
                        @for name in ["mean", "spread", "1 %", "50 %", "99 %", "change"] { th.number scope="col" { (name) } }
                        th.number scope="col" { "Aurora's mean" } th.number scope="col" { "spread" } th scope="col" { "" }
                    }
                }
                @for field in fields {
                    tbody {
                        @for (index, level) in field.levels.iter().enumerate() {
                            tr {
                                @if index == 0 {
                                    th scope="rowgroup" rowspan=(field.levels.len()) {
                                        code { (field.name) } br; span.unit { (field.units) }
                                    }
                                }
                                (row(level))
                            }
                        }
                    }
                }
            }
        }
        p.note {
            "Change: the spread of the difference from one time to the next. Distribution: between the first and the last hundredth. "
            "Marked are means more than " (against::SPREADS) " of Aurora's spreads away from its own, and spreads that are more than "
            (against::LARGER) " times as large or less than 1/" (1.0 / against::SMALLER) " of it."
        }
    }
}

fn row(level: &LevelReport) -> Markup {
    let quantile = |index: usize| level.quantiles.map_or_else(|| "–".to_string(), |all| shown(all[index]));
    let far = level.aurora.as_ref().is_some_and(|aurora| aurora.far);
    html! {
        td { (level.level.map(spoken_level).unwrap_or_default()) }
        td { (spark::spark(&level.curve)) }
        td.number { (shown(level.mean)) }
        td.number { (shown(level.spread)) }
        td.number { (quantile(0)) }
        td.number { (quantile(1)) }
        td.number { (quantile(2)) }
        td.number { (level.change.map_or_else(|| "–".to_string(), |change| shown(change.spread))) }
        @match &level.aurora {
            Some(aurora) => {
                td.number.far[far] { (shown(aurora.mean)) }
                td.number.far[far] { (shown(aurora.spread)) }
                td.far[far] { @if far { "far" } }
            }
            None => { td.number { "–" } td.number { "–" } td {} }
        }
    }
}

fn facts(report: &DataReport) -> Markup {
    html! {
        dl.facts {
            div { dt { "archive" } dd { (report.archive) } }
            div { dt { "grid" } dd { (report.grid) } }
            div { dt { "store" } dd { code.hash { (report.digest) } } }
            div { dt { "content" } dd { code.hash { (report.content) } } }
        }
    }
}

/// Four digits that count.
fn shown(value: f64) -> String {
    if !value.is_finite() {
        return "–".into();
    }
    // What quantiles make of exact zeros.
    if value.abs() < 1e-30 {
        return "0".into();
    }
    let size = value.abs().log10().floor() as i32;
    if (-3..6).contains(&size) {
        format!("{value:.*}", (3 - size).clamp(0, 6) as usize)
    } else {
        format!("{value:.3e}")
    }
}
