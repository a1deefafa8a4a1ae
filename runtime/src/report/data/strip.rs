//! A calendar of the store: a row for a month, a cell for a day, coloured by what became of its times.

use std::collections::BTreeMap;

use jiff::civil::Date;
use maud::{Markup, html};

use crate::data::prepare::Month;

/// Side of a cell and its distance from the next.
const CELL: usize = 16;
const STEP: usize = 19;
/// Room for the names of months.
const LEFT: usize = 78;
const TOP: usize = 20;

/// What most of a day's times became, for the colour; a worse fate of a few is shown as an edge.
fn class(day: &Month) -> &'static str {
    let all = day.present + day.absent + day.rejected + day.filled;
    let gone = day.absent + day.rejected;
    if gone == all {
        "gone"
    } else if gone > 0 {
        "part"
    } else if day.filled > 0 {
        "filled"
    } else {
        "whole"
    }
}

/// In words, for a pointer that rests on the cell and for those who cannot see it.
fn told(month: &Month) -> String {
    let all = month.present + month.absent + month.rejected + month.filled;
    let mut text = format!("{} of {all} times present", month.present);
    for (count, what) in [(month.filled, "filled"), (month.rejected, "rejected"), (month.absent, "absent")] {
        if count > 0 {
            text += &format!(", {count} {what}");
        }
    }
    text
}

pub(super) fn calendar(days: &BTreeMap<Date, Month>) -> Markup {
    let mut months: BTreeMap<(i16, i8), Vec<(i8, Month)>> = BTreeMap::new();
    for (date, month) in days {
        months.entry((date.year(), date.month())).or_default().push((date.day(), *month));
    }
    let (width, height) = (LEFT + 31 * STEP, TOP + months.len() * STEP);
    let mut whole = Month::default();
    for month in days.values() {
        whole.present += month.present;
        whole.absent += month.absent;
        whole.rejected += month.rejected;
        whole.filled += month.filled;
    }
    html! {
        figure.calendar {
            div.scroll tabindex="0" role="region" aria-label="Calendar" {
                svg viewBox={ "0 0 " (width) " " (height) } width=(width) height=(height) role="img"
                    aria-label={ "Calendar of the times: " (told(&whole)) } {
                    @for day in [1usize, 5, 10, 15, 20, 25, 30] {
                        text.tick x=(LEFT + (day - 1) * STEP + CELL / 2) y="13" text-anchor="middle" { (day) }
                    }
                    @for (row, ((year, number), days)) in months.iter().enumerate() {
                        text.tick x="0" y=(TOP + row * STEP + 12) { (year) "-" (format!("{number:02}")) }
                        @for (day, month) in days {
                            rect class={ "day " (class(month)) } x=(LEFT + (*day as usize - 1) * STEP) y=(TOP + row * STEP)
                                width=(CELL) height=(CELL) rx="2" {
                                title { (year) "-" (format!("{number:02}-{day:02}")) ": " (told(month)) }
                            }
                        }
                    }
                }
            }
            (keys())
        }
    }
}

fn keys() -> Markup {
    let names = [
        ("whole", "all times present"),
        ("filled", "some filled from their neighbours"),
        ("part", "some absent or rejected"),
        ("gone", "none usable"),
    ];
    html! {
        p.keys {
            @for (class, name) in names {
                span.key {
                    svg.sample viewBox="0 0 16 16" width="14" height="14" aria-hidden="true" {
                        rect class={ "day " (class) } x="1" y="1" width="14" height="14" rx="2" {}
                    }
                    (name)
                }
            }
        }
    }
}

/// Fields by month: what part of the times is usable.
pub(super) fn months(fields: &[(&str, &BTreeMap<String, Month>)]) -> Markup {
    let all: std::collections::BTreeSet<&String> =
        fields.iter().flat_map(|(_, months)| months.keys()).collect();
    html! {
        div.scroll tabindex="0" role="region" aria-label="Times of each variable by month" {
            table.months {
                thead { tr { th scope="col" { "variable" } @for month in &all { th.number scope="col" { (month) } } } }
                tbody {
                    @for (name, months) in fields {
                        tr {
                            th scope="row" { code { (name) } }
                            @for month in &all { (cell(months.get(*month))) }
                        }
                    }
                }
            }
        }
    }
}

fn cell(month: Option<&Month>) -> Markup {
    html! {
        @match month {
            None => td.number { "–" }
            Some(month) => td.number title=(told(month)) {
                @let all = month.present + month.absent + month.rejected + month.filled;
                @if month.present == all { (all) } @else { (month.present + month.filled) " of " (all) }
            }
        }
    }
}
