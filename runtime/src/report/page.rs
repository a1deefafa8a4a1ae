//! The page itself: its sections, in the order in which a forecaster asks.

use maud::{DOCTYPE, Markup, PreEscaped, html};

use super::{ReportError, ReportInput, curves, diagram, headline, map, score_table};

pub(super) const STYLE: &str = include_str!("style.css");
/// Nothing may be loaded or run: style and images are in the page.
pub(super) const POLICY: &str = "default-src 'none'; style-src 'unsafe-inline'; img-src data:";

/// The whole report.
pub fn page(input: &ReportInput) -> Result<Markup, ReportError> {
    let title = if input.title.is_empty() { "Report" } else { input.title.as_str() };
    let sections = [
        section("Maps", input.maps.is_empty(), "No maps were given.", || map::maps(input))?,
        section("Scores against lead", input.scores.is_empty(), "No scores were computed.", || {
            Ok(html! { (curves::scores(&input.scores)?) (diagram::performance(&input.scores)?) })
        })?,
        section("All scores", input.scores.is_empty(), "No scores were computed.", || {
            Ok(score_table::tables(&input.scores))
        })?,
        section("Training", input.losses.is_empty(), "No training curve was recorded.", || {
            Ok(html! {
                (curves::losses(&input.losses)?)
                p.note { "Dots: recorded values. Line: straight lines fitted to about a tenth of the steps around each." }
            })
        })?,
    ];
    Ok(html! {
        (DOCTYPE)
        html lang="en" {
            head {
                meta charset="utf-8";
                meta name="viewport" content="width=device-width, initial-scale=1";
                meta name="color-scheme" content="light dark";
                meta http-equiv="Content-Security-Policy" content=(POLICY);
                title { (title) }
                style { (PreEscaped(STYLE)) }
            }
            body {
                main {
                    header { h1 { (title) } (identity(input)) }
                    (answer(input))
                    (problems(&input.problems))
                    (facts(&input.facts))
                    @for section in sections { (section) }
                    (recipe(input))
                    (reproduce(&input.reproduce))
                    (conventions())
                }
            }
        }
    })
}

fn section(
    title: &str,
    empty: bool,
    nothing: &str,
    body: impl FnOnce() -> Result<Markup, ReportError>,
) -> Result<Markup, ReportError> {
    let body = if empty {
        html! { p.empty { (nothing) } }
    } else {
        body()?
    };
    Ok(html! { section { h2 { (title) } (body) } })
}

fn identity(input: &ReportInput) -> Markup {
    let short: String = input.hash.chars().take(8).collect();
    html! {
        p.identity {
            @if !input.name.is_empty() { "Recipe " code { (input.name) } }
            @if !short.is_empty() { " · plan " code title=(input.hash) { (short) } }
        }
    }
}

fn answer(input: &ReportInput) -> Markup {
    let told = headline(&input.scores);
    html! {
        section class={ "answer " (told.verdict) } aria-label="Result" {
            p.headline { (told.sentence) }
            @for detail in &told.details { p { (detail) } }
        }
    }
}

fn problems(problems: &[String]) -> Markup {
    html! {
        @if !problems.is_empty() {
            section.problems {
                h2 { "To keep in mind" }
                ul { @for problem in problems { li { (problem) } } }
            }
        }
    }
}

fn facts(facts: &[(String, String)]) -> Markup {
    html! {
        @if !facts.is_empty() {
            section {
                h2 { "In brief" }
                dl.facts { @for (name, value) in facts { div { dt { (name) } dd { (value) } } } }
            }
        }
    }
}

fn recipe(input: &ReportInput) -> Markup {
    html! {
        section {
            h2 { "Recipe" }
            @if input.recipe_text.is_empty() {
                p.empty { "The text of the recipe was not recorded." }
            } @else {
                details { summary { "Show the recipe" } pre { code { (input.recipe_text) } } }
            }
            @if !input.hash.is_empty() { p.note { "Hash of the plan: " code.hash { (input.hash) } } }
        }
    }
}

fn reproduce(commands: &[String]) -> Markup {
    html! {
        section {
            h2 { "How to produce this again" }
            @if commands.is_empty() {
                p.empty { "No command was recorded." }
            } @else {
                pre { code { (commands.join("\n")) } }
            }
        }
    }
}

fn conventions() -> Markup {
    html! {
        section.conventions {
            h2 { "How the scores are computed" }
            ul {
                li { "A cell counts only where the observation and every forecast are present." }
                li { "An event is a value at or above the threshold." }
                li { "Counts and sums are pooled over all pairs of fields; the ratio or root is taken once, at the end." }
                li { "CSI = hits / (hits + false alarms + misses). FAR is the false-alarm ratio, POFD the false-alarm rate." }
                li { "FSS compares the shares of events in square neighbourhoods (Roberts and Lean 2008)." }
                li { "Bias is forecast minus observation. Persistence repeats the newest input state at every lead." }
            }
        }
    }
}
