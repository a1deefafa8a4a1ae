//! `data { }`: the archive, its grid and cadence, and splits that share no hour.

use aurora_grammar::tree::{Clause, Expr, ExprKind, ItemKind};
use aurora_grammar::{Diagnostic, Span, nearest};
use jiff::civil::{Date, DateTime};
use jiff::tz::TimeZone;
use jiff::{SignedDuration, Timestamp};

use super::clauses::Clauses;
use super::numbers::only_value;
use super::{Checker, bare_name};
use crate::dimension::Dimension;
use crate::plan::data::TimeRange;
use crate::resolve::RECIPE;
use crate::site::Site;

/// What `data` says.
#[derive(Clone, Debug)]
pub struct DataChoice {
    pub archive: String,
    /// Id of the grid.
    pub grid: String,
    /// Seconds.
    pub every: i64,
    pub train: TimeRange,
    pub validate: Option<TimeRange>,
    pub test: Option<TimeRange>,
}

const LATER: [&str; 5] = ["region", "months", "fill", "reject", "debias"];
/// How far apart splits had better be, for weather is correlated from day to day.
const GAP: SignedDuration = SignedDuration::from_hours(7 * 24);
/// No step and no cadence is longer than a year, in seconds.
const LONGEST: f64 = 366.0 * 86_400.0;

/// A split and where its two ends stand.
struct Written {
    name: &'static str,
    range: TimeRange,
    start: Span,
    end: Span,
}

impl Checker<'_> {
    pub(super) fn data(&mut self, site: &dyn Site) {
        let Some(block) = self.resolved.blocks_of("data").next().cloned() else {
            self.diagnostics.push(
                Diagnostic::error("missing-block", "this recipe names no data")
                    .label(self.recipe_span(), "no `data { }` block")
                    .help("add: data { archive …  grid …  every 1 h  train DATE .. DATE }"),
            );
            return;
        };
        let clauses = self.block_clauses(&block);
        for word in LATER {
            if let Some(clause) = clauses.get(word) {
                self.not_yet(&format!("`{word}`"), clause.span);
            }
        }
        let archive = self.archive(&clauses, site);
        let grid = self.grid_choice(&clauses);
        let every = clauses.require(self, "every", "1 h").and_then(|c| self.duration(&c));
        let train = clauses.require(self, "train", "2019-01-01 .. 2022-12-24");
        let train = train.and_then(|c| self.split("train", &c));
        let validate = clauses.get("validate").and_then(|c| self.split("validate", c));
        let test = clauses.get("test").and_then(|c| self.split("test", c));
        let splits: Vec<&Written> = [&train, &validate, &test].into_iter().flatten().collect();
        self.overlaps(&splits);
        if let Some(archive) = &archive {
            self.within_archive(archive, site, &splits);
        }
        let (Some(archive), Some(grid), Some(every), Some(train)) = (archive, grid, every, train) else {
            return;
        };
        self.checked.data = Some(DataChoice {
            archive,
            grid,
            every,
            train: train.range,
            validate: validate.map(|w| w.range),
            test: test.map(|w| w.range),
        });
    }

    pub(super) fn recipe_span(&self) -> Span {
        self.resolved.header.as_ref().map_or_else(Span::default, |h| h.name.span)
    }

    fn archive(&mut self, clauses: &Clauses, site: &dyn Site) -> Option<String> {
        let clause = clauses.require(self, "archive", "hrrr")?;
        let Some(name) = clause.values.first().and_then(only_value).and_then(bare_name) else {
            self.error_with_help(
                "wrong-argument",
                "`archive` takes one name",
                (clause.span, "not one name"),
                format!("this site has {}", site.archives().join(", ")),
            );
            return None;
        };
        if site.archive(&name.text).is_none() {
            let known = site.archives();
            let message = format!("this site has no archive `{}`", name.text);
            let mut diagnostic = Diagnostic::error("unknown-archive", message).label(name.span, "not found");
            diagnostic = match nearest(&name.text, known.iter().map(String::as_str)) {
                Some(near) => diagnostic.help(format!("did you mean `{near}`?")).fix(name.span, near),
                None => diagnostic.help(format!(
                    "it has {}; say where others lie in site.toml: [archives] {} = \"FILE.nc\"",
                    known.join(", "),
                    name.text
                )),
            };
            self.diagnostics.push(diagnostic);
        }
        Some(name.text)
    }

    fn grid_choice(&mut self, clauses: &Clauses) -> Option<String> {
        let clause = clauses.require(self, "grid", "conus")?;
        let value = &self.value_of(&clause, "conus")?;
        let Some(name) = bare_name(value) else {
            self.error_with_help(
                "wrong-argument",
                "`grid` takes the name of a grid",
                (clause.span, "not a name"),
                "define one: grid NAME = lambert(…), or bring one in with `use`",
            );
            return None;
        };
        match self.resolved.lookup(RECIPE, &name.text) {
            Some(d) if matches!(d.item.kind, ItemKind::Grid { .. }) => Some(d.id.clone()),
            Some(_) => {
                self.error_with_help(
                    "not-a-grid",
                    format!("`{}` is not a grid", name.text),
                    (name.span, "used as one"),
                    "define one: grid NAME = lambert(…), or bring one in with `use`",
                );
                None
            }
            None => {
                self.unknown(RECIPE, &name.text, name.span, "");
                None
            }
        }
    }

    /// `every 1 h` in seconds.
    pub(super) fn duration(&mut self, clause: &Clause) -> Option<i64> {
        let value = self.value_of(clause, "1 h")?;
        let numbers = self.numbers(&value)?;
        match numbers[..] {
            [(seconds, unit, _)]
                if unit.dimension == Dimension::TIME
                    && (1.0..=LONGEST).contains(&seconds)
                    && seconds.fract() == 0.0 =>
            {
                Some(seconds as i64)
            }
            _ => {
                let message = format!("`{}` takes a time, between a second and a year", clause.word.text);
                self.error_with_help(
                    "wrong-argument",
                    message,
                    (value.span, "this is none"),
                    format!("for instance: {}  1 h", clause.word.text),
                );
                None
            }
        }
    }

    fn split(&mut self, name: &'static str, clause: &Clause) -> Option<Written> {
        let value = match &clause.values[..] {
            [chain] => only_value(chain),
            _ => None,
        };
        let Some(Expr { kind: ExprKind::Range { start, end, .. }, span }) = value else {
            self.error_with_help(
                "wrong-argument",
                format!("`{name}` takes two dates"),
                (clause.span, "here"),
                format!("for instance: {name}  2019-01-01 .. 2022-12-24"),
            );
            return None;
        };
        let from = self.instant(start, false)?;
        let to = self.instant(end, true)?;
        if to < from {
            self.error_with_help(
                "empty-range",
                format!("`{name}` ends before it begins"),
                (*span, "no day lies within"),
                "turn the two dates round",
            );
            return None;
        }
        Some(Written { name, range: TimeRange { from, to }, start: start.span, end: end.span })
    }

    /// A date is its first instant, or as an end its last second; with a time it is that time, in UTC.
    fn instant(&mut self, expr: &Expr, last: bool) -> Option<Timestamp> {
        let parsed = match &expr.kind {
            ExprKind::Date(text) => match text.strip_suffix('Z') {
                Some(time) => time.parse::<DateTime>().ok(),
                None => text
                    .parse::<Date>()
                    .ok()
                    .map(|d| if last { d.at(23, 59, 59, 0) } else { d.at(0, 0, 0, 0) }),
            },
            _ => None,
        };
        let instant = parsed.and_then(|t| t.to_zoned(TimeZone::UTC).ok()).map(|z| z.timestamp());
        if instant.is_none() {
            self.error_with_help(
                "not-a-date",
                "this is not a date",
                (expr.span, "no such day"),
                "write 2019-01-31, or 2019-01-31T06:00Z",
            );
        }
        instant
    }

    /// How many samples of the model's history and `targets` steps a split holds; none is a diagnostic.
    pub(super) fn samples_of(&mut self, split: &str, targets: usize, span: Span) -> Option<usize> {
        let (data, model) = (self.checked.data.as_ref()?, self.checked.model.as_ref()?);
        let range = match split {
            "validate" => data.validate?,
            "test" => data.test?,
            _ => data.train,
        };
        let length = range.to.duration_since(range.from).as_secs();
        let steps = i64::try_from(model.history - 1 + targets).unwrap_or(i64::MAX);
        let reach = steps.saturating_mul(model.step);
        if reach <= length {
            return usize::try_from((length - reach) / data.every + 1).ok();
        }
        let message = format!(
            "`{split}` is shorter than one sample: {} h of {} h",
            length / 3600 + 1,
            reach / 3600 + 1
        );
        let label = format!("history and {targets} step{} ahead", if targets == 1 { "" } else { "s" });
        self.error_with_help(
            "lead-beyond-data",
            message,
            (span, &label),
            format!("make `{split}` longer, or look less far ahead"),
        );
        None
    }

    fn overlaps(&mut self, splits: &[&Written]) {
        for (i, a) in splits.iter().enumerate() {
            for b in &splits[i + 1..] {
                let (first, second) = if a.range.from <= b.range.from { (a, b) } else { (b, a) };
                let shared_end = first.range.to.min(second.range.to);
                let gap = second.range.from.duration_since(first.range.to);
                if shared_end >= second.range.from {
                    self.overlap(first, second, shared_end);
                } else if gap < GAP - SignedDuration::from_secs(1) {
                    self.narrow_gap(first, second, gap);
                }
            }
        }
    }

    fn overlap(&mut self, first: &Written, second: &Written, shared_end: Timestamp) {
        let shared = shared_end.duration_since(second.range.from).as_hours();
        let shared = if shared >= 23 {
            let days = (shared + 1) / 24;
            format!("{days} day{} {}", if days == 1 { "" } else { "s" }, if days == 1 { "is" } else { "are" })
        } else {
            format!("{} hours are", shared + 1)
        };
        let message = format!("{shared} in both `{}` and `{}`", first.name, second.name);
        // The first midnight that is a week later.
        let after = first.range.to.checked_add(GAP + SignedDuration::from_hours(24)).ok();
        let start = after.filter(|start| *start < second.range.to).map(|s| s.to_zoned(TimeZone::UTC).date());
        let mut diagnostic = Diagnostic::error("split-overlap", message)
            .label(first.end, format!("`{}` ends here", first.name))
            .label(second.start, format!("`{}` starts here", second.name));
        diagnostic = if let Some(start) = start {
            diagnostic
                .help(format!(
                    "leave a week between splits, for weather is correlated from day to day: \
                     let `{}` start on {start}",
                    second.name
                ))
                .fix(second.start, start.to_string())
        } else {
            diagnostic.help("choose other dates for one of them; leave a week between splits")
        };
        self.diagnostics.push(diagnostic);
    }

    fn narrow_gap(&mut self, first: &Written, second: &Written, gap: SignedDuration) {
        let message = format!("only {} h lie between `{}` and `{}`", gap.as_hours(), first.name, second.name);
        self.diagnostics.push(
            Diagnostic::warning("split-gap", message)
                .label(first.end, format!("`{}` ends here", first.name))
                .label(second.start, format!("`{}` starts here", second.name))
                .help("leave a week between splits, for weather is correlated from day to day"),
        );
    }

    fn within_archive(&mut self, archive: &str, site: &dyn Site, splits: &[&Written]) {
        let Some(index) = site.archive(archive) else { return };
        for split in splits {
            let (bound, span, text) = if split.range.from < index.from {
                (index.from, split.start, "begins with")
            } else if split.range.to.duration_since(index.to) > SignedDuration::from_hours(24) {
                (index.to, split.end, "ends with")
            } else {
                continue;
            };
            let message = format!("`{}` reaches beyond the archive `{archive}`", split.name);
            self.error_with_help(
                "beyond-archive",
                message,
                (span, "no data here"),
                format!("the archive {text} {bound}"),
            );
        }
    }
}
