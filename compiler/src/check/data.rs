//! `data { }`: the archive, its grid and cadence, and splits that share no hour.

use aurora_grammar::tree::{Clause, ItemKind, Name};
use aurora_grammar::{Diagnostic, Span, nearest};

use super::clauses::Clauses;
use super::numbers::only_value;
use super::split::Written;
use super::{Checker, bare_name};
use crate::dimension::Dimension;
use crate::plan::data::{RepairPlan, SamplingPlan, TimeRange};
use crate::resolve::RECIPE;
use crate::site::Site;

/// What `data` says.
#[derive(Clone, Debug)]
pub struct DataChoice {
    pub archive: String,
    /// Where the archive is named.
    pub archive_span: Span,
    /// Id of the grid.
    pub grid: String,
    /// Seconds.
    pub every: i64,
    pub train: TimeRange,
    /// Where `train` begins.
    pub train_span: Span,
    pub validate: Option<TimeRange>,
    pub test: Option<TimeRange>,
    pub sampling: SamplingPlan,
    pub repair: RepairPlan,
}

/// No step and no cadence is longer than a year, in seconds.
const LONGEST: f64 = 366.0 * 86_400.0;

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
        let archive = self.archive(&clauses, site);
        let grid = self.grid_choice(&clauses);
        let every = clauses.require(self, "every", "1 h").and_then(|c| self.duration(&c));
        let train = clauses.require(self, "train", "2019-01-01 .. 2022-12-24");
        let train = train.and_then(|c| self.split("train", &c));
        let validate = clauses.get("validate").and_then(|c| self.split("validate", c));
        let test = clauses.get("test").and_then(|c| self.split("test", c));
        let splits: Vec<&Written> = [&train, &validate, &test].into_iter().flatten().collect();
        self.overlaps(&splits);
        if let Some((archive, _)) = &archive {
            self.within_archive(&archive.text, site, &splits);
        }
        let months = clauses.get("months").map(|c| self.months(c, &splits)).unwrap_or_default();
        let regions = self.regions(&clauses, grid.as_deref());
        let repair = self.repair(&clauses, every, site);
        let (Some((archive, analyses_only)), Some(grid), Some(every), Some(train)) =
            (archive, grid, every, train)
        else {
            return;
        };
        self.checked.data = Some(DataChoice {
            archive: archive.text,
            archive_span: archive.span,
            grid,
            every,
            train: train.range,
            train_span: train.start,
            validate: validate.map(|w| w.range),
            test: test.map(|w| w.range),
            sampling: SamplingPlan { analyses_only, regions, months },
            repair,
        });
    }

    pub(super) fn recipe_span(&self) -> Span {
        self.resolved.header.as_ref().map_or_else(Span::default, |h| h.name.span)
    }

    /// The archive's name, and whether `.f00` behind it says that only analyses are read.
    fn archive(&mut self, clauses: &Clauses, site: &dyn Site) -> Option<(Name, bool)> {
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
        let (archive, part) = match name.text.split_once('.') {
            Some((archive, part)) => (archive.to_string(), Some(part.to_string())),
            None => (name.text.clone(), None),
        };
        if let Some(part) = part.as_deref().filter(|part| *part != "f00") {
            let message = format!("an archive has no part `{part}`");
            let mut diagnostic = Diagnostic::error("unknown-name", message)
                .label(name.span, "not found")
                .help(format!("`{archive}` reads analyses, and forecasts of one step for fields over a period; `{archive}.f00` analyses only"));
            diagnostic = diagnostic.fix(name.span, archive);
            self.diagnostics.push(diagnostic);
            return None;
        }
        self.known_archive(&archive, name.span, site);
        Some((Name { text: archive, span: name.span }, part.is_some()))
    }

    /// Whether this site has an archive, or a library describes it, so that a recipe can be planned where its data
    /// are not at hand; a diagnostic if not.
    pub(super) fn known_archive(&mut self, archive: &str, span: Span, site: &dyn Site) -> bool {
        if site.archive(archive).is_some() || crate::library::describes_archive(archive) {
            return true;
        }
        let known = site.archives();
        let message = format!("this site has no archive `{archive}`");
        let mut diagnostic = Diagnostic::error("unknown-archive", message).label(span, "not found");
        diagnostic = match nearest(archive, known.iter().map(String::as_str)) {
            Some(near) => diagnostic.help(format!("did you mean `{near}`?")).fix(span, near),
            None => diagnostic.help(format!(
                "it has {}; say where others lie in site.toml: [archives] {archive} = \"FILE.nc\"",
                known.join(", ")
            )),
        };
        self.diagnostics.push(diagnostic);
        false
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
}
