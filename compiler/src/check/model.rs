//! `model { }`: the base, the architecture, the step, and the role of each variable.

use aurora_grammar::tree::{Clause, Entry, Expr, ExprKind};
use aurora_grammar::{Diagnostic, Span};

use super::Checker;
use super::architecture::Given;
use super::base::BaseChoice;
use super::clauses::Clauses;
use super::evaluation::spoken_time;
use super::numbers::{only_value, single, with_unit};
use super::role::Cast;
use crate::dimension::Dimension;
use crate::plan::Part;
use crate::plan::head::HeadPlan;
use crate::plan::model::Preset;
use crate::site::Site;

/// What `model` says, before grid and levels are filled in.
#[derive(Clone, Debug)]
pub struct ModelChoice {
    pub preset: Preset,
    /// Arguments of `architecture`, by the names of `vocabulary::ARCHITECTURE`.
    pub arguments: Vec<Given>,
    pub base: Option<BaseChoice>,
    /// Seconds; the longest, if lead times vary.
    pub step: i64,
    /// Shortest and longest lead time in seconds, where it varies.
    pub lead_times: Option<(i64, i64)>,
    pub history: usize,
    /// Ids of variables and derived fields.
    pub prognostic: Vec<String>,
    pub diagnostic: Vec<String>,
    pub forcing: Vec<String>,
    pub statics: Vec<String>,
    /// The same, with the places where `model` names them.
    pub cast: Vec<Cast>,
    /// Decoders beside Aurora's own, and where they are named.
    pub heads: Vec<(HeadPlan, Span)>,
    /// What names the architecture, for messages: its clause, or that of the base.
    pub span: Span,
    pub history_span: Span,
    pub step_span: Span,
    /// The clause `grid` of `data`.
    pub grid_span: Option<Span>,
    /// Every phase cuts tiles out of the grid, so that the grid itself need not fit the patches.
    pub tiled: bool,
}

impl ModelChoice {
    /// Ids of all fields in a role, in the order prognostic, diagnostic, forcing, static.
    pub fn fields(&self) -> impl Iterator<Item = (&String, Part)> {
        let prognostic = self.prognostic.iter().map(|id| (id, Part::Prognostic));
        let diagnostic = self.diagnostic.iter().map(|id| (id, Part::Diagnostic));
        let forcing = self.forcing.iter().map(|id| (id, Part::Forcing));
        let statics = self.statics.iter().map(|id| (id, Part::Static));
        prognostic.chain(diagnostic).chain(forcing).chain(statics)
    }

    /// An argument of `architecture`, if it was given.
    pub fn argument(&self, name: &str) -> Option<&Given> {
        self.arguments.iter().find(|given| given.name == name)
    }
}

impl Checker<'_> {
    pub(super) fn model(&mut self, site: &dyn Site) {
        let Some(block) = self.resolved.blocks_of("model").next().cloned() else {
            self.diagnostics.push(
                Diagnostic::error("missing-block", "this recipe names no model")
                    .label(self.recipe_span(), "no `model { }` block")
                    .help("add: model { architecture aurora.small  step 1 h  prognostic …  static … }"),
            );
            return;
        };
        let clauses = self.block_clauses(&block);
        let base = clauses.get("base").cloned().and_then(|clause| self.base(&clause, site));
        let step = clauses.require(self, "step", "1 h").and_then(|clause| self.lead_times(&clause));
        let history = self.history(&clauses);
        let mut cast: Vec<Cast> = Vec::new();
        for (word, part, example) in [
            ("prognostic", Part::Prognostic, Some("t, u, v, q, z, t2m")),
            ("diagnostic", Part::Diagnostic, None),
            ("forcing", Part::Forcing, None),
            ("static", Part::Static, Some("orog")),
        ] {
            let clause = match example {
                Some(example) => clauses.require(self, word, example),
                None => clauses.get(word).cloned(),
            };
            if let Some(clause) = clause {
                self.role(&clause.values, part, &mut cast);
            }
        }
        let heads = self.head_plans(&cast);
        let architecture = self.architecture(&clauses, base.as_ref());
        let Some((shortest, step)) = step else { return };
        let of = |part: Part| cast.iter().filter(|c| c.part == part).map(|c| c.id.clone()).collect();
        let span_of = |word: &str| clauses.get(word).map_or(clauses.opened, |clause| clause.span);
        self.step_fits_cadence(&clauses, shortest);
        self.step_fits_cadence(&clauses, step);
        let Some((preset, arguments, span)) = architecture else { return };
        self.checked.model = Some(ModelChoice {
            preset,
            arguments,
            base,
            step,
            lead_times: (shortest != step).then_some((shortest, step)),
            history,
            prognostic: of(Part::Prognostic),
            diagnostic: of(Part::Diagnostic),
            forcing: of(Part::Forcing),
            statics: of(Part::Static),
            cast: cast.clone(),
            heads,
            span,
            history_span: span_of("history"),
            step_span: span_of("step"),
            grid_span: self.clause_of("data", "grid"),
            tiled: self.every_phase_has_tiles(),
        });
    }

    /// Where the clause `word` of the block `kind` stands.
    fn clause_of(&self, kind: &str, word: &str) -> Option<Span> {
        let block = self.resolved.blocks_of(kind).next()?;
        block.block.entries.iter().find_map(|entry| match entry {
            Entry::Clause(clause) if clause.word.text == word => Some(clause.span),
            _ => None,
        })
    }

    fn every_phase_has_tiles(&self) -> bool {
        let mut phases = self.resolved.blocks_of("phase").peekable();
        let tiled = |block: &aurora_grammar::tree::BlockItem| {
            block.block.entries.iter().any(|entry| matches!(entry, Entry::Clause(c) if c.word.text == "tile"))
        };
        phases.peek().is_some() && phases.all(tiled)
    }

    /// Shortest and longest time from the newest input to the prediction, in seconds: `1 h` or `1 .. 6 h`.
    fn lead_times(&mut self, clause: &Clause) -> Option<(i64, i64)> {
        let Some(Expr { kind: ExprKind::Range { start, end, towards: false }, span }) = single(clause) else {
            return self.duration(clause).map(|step| (step, step));
        };
        let unit = match &end.kind {
            ExprKind::Measure { unit, .. } => unit.clone(),
            _ => None,
        };
        let ends = [with_unit(start, unit.as_ref()), (**end).clone()];
        let mut seconds = Vec::new();
        for one in &ends {
            match self.numbers(one)?[..] {
                [(value, unit, _)] if unit.dimension == Dimension::TIME && value.fract() == 0.0 => {
                    seconds.push(value as i64);
                }
                _ => {}
            }
        }
        match seconds[..] {
            [shortest, longest] if 1 <= shortest && shortest < longest && longest <= 366 * 86_400 => {
                Some((shortest, longest))
            }
            _ => {
                self.error_with_help(
                    "wrong-argument",
                    "lead times go from a shorter to a longer one",
                    (*span, "these do not"),
                    "for instance: step  1 .. 6 h",
                );
                None
            }
        }
    }

    fn history(&mut self, clauses: &Clauses) -> usize {
        let Some(clause) = clauses.get("history") else { return 2 };
        let value = match &clause.values[..] {
            [chain] => only_value(chain),
            _ => None,
        };
        match value.map(|v| &v.kind) {
            Some(ExprKind::Measure { value, unit: Some(unit) })
                if matches!(unit.text.as_str(), "step" | "steps") && [1.0, 2.0, 3.0].contains(value) =>
            {
                *value as usize
            }
            _ => {
                self.error_with_help(
                    "wrong-argument",
                    "`history` takes one to three steps",
                    (clause.span, "here"),
                    "for instance: history  2 steps",
                );
                2
            }
        }
    }

    /// The model's step is the archive's cadence (other multiples come with other samplings).
    fn step_fits_cadence(&mut self, clauses: &Clauses, step: i64) {
        let Some(every) = self.checked.data.as_ref().map(|d| d.every) else { return };
        if step % every != 0 {
            let span = clauses.get("step").map_or(clauses.opened, |c| c.span);
            let message = format!(
                "a step of {} is no multiple of the {} between two fields",
                spoken_time(step),
                spoken_time(every)
            );
            self.error_with_help(
                "step-not-multiple",
                message,
                (span, "no field at the end of this step"),
                format!("for instance: step  {}", spoken_time(every)),
            );
        }
    }
}
