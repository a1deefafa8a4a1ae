//! What may be written at a place.

use std::ops::Range;

use super::Analysis;
use super::context::Context;
use super::offer::Offers;

/// Something that may stand at the cursor.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Completion {
    pub label: String,
    pub kind: Kind,
    /// A few words beside the label: a type, a sentence.
    pub detail: String,
    /// What is shown when it is chosen, as Markdown.
    pub documentation: String,
    /// What is written.
    pub insert: String,
    /// The bytes of the text that it takes the place of.
    pub replace: Range<usize>,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Kind {
    Item,
    Clause,
    /// A word with a meaning of its own: a score, a group of weights, a shape.
    Value,
    Field,
    Constant,
    Function,
    Loss,
    Constraint,
    Block,
    Levels,
    Quantity,
    Unit,
    Library,
    /// The name of an input.
    Input,
}

/// What may stand at an offset, what fits best first. What cannot stand there is not offered, so an empty list
/// means: a new name, a number or a text.
#[must_use]
pub fn complete(analysis: &Analysis, offset: usize) -> Vec<Completion> {
    let text = analysis.text();
    let context = Context::at(text, offset);
    if context.quiet {
        return Vec::new();
    }
    let mut offers = Offers::new(analysis, &context);
    at(&mut offers, &context);
    offers.finish()
}

fn at(offers: &mut Offers<'_>, context: &Context<'_>) {
    if offers.units() {
        return;
    }
    match (context.block(), context.line) {
        ("", "") => offers.items(),
        ("where", "") => {}
        (block, "") => offers.clauses(block),
        ("" | "ensemble" | "member", line) if line.starts_with("amend ") || line.starts_with("drop ") => {
            offers.inherited(line);
        }
        ("", _) => item(offers, context),
        ("where", _) => offers.expression(),
        (block, _) => clause(offers, context, block),
    }
}

/// Within the line of an item.
fn item(offers: &mut Offers<'_>, context: &Context<'_>) {
    let line = context.line;
    let has_value = line.contains('=') && context.first() != "constraint" || line.contains("..");
    match context.first() {
        "use" => offers.library(line),
        "grid" if !line.contains('=') => {}
        "grid" => offers.projection(),
        "quantity" if line.contains('=') => offers.all_units(),
        "levels" if line.trim_end().ends_with(':') => offers.quantities(),
        "variable" => offers.written_type(line),
        "derive" if !has_value => offers.written_type(line),
        "derive" => offers.expression(),
        "constraint" if line.contains(':') => {
            offers.expression();
            offers.words(&["within", "always"]);
        }
        "loss" if line.contains('=') => offers.loss(),
        "evaluate" if line.trim_end().ends_with(" on") => offers.words(&["test", "validate", "train"]),
        "evaluate" => offers.words(&["on"]),
        "recipe" => offers.words(&["extends"]),
        _ => {}
    }
}

/// Within a clause: what its word takes.
fn clause(offers: &mut Offers<'_>, context: &Context<'_>, block: &str) {
    let line = context.line;
    match (block, context.first()) {
        ("data", "archive") => offers.archives(),
        ("data", "grid") => offers.grids(),
        ("data", "region") => offers.words(&["lat", "lon"]),
        ("data", "fill") if line.trim_end().ends_with(" by") => offers.gap_methods(),
        ("data", "fill") => offers.words(&["gaps", "holes", "by"]),
        ("data", "reject") => offers.rejects(),
        ("data", "debias") => {
            offers.fields(None);
            offers.words(&["against", "by", "quantiles"]);
        }
        ("model", "architecture") => offers.architecture(),
        ("model", "prognostic" | "diagnostic" | "forcing") | ("head", "predicts") => {
            offers.fields(Some(false))
        }
        ("model", "static") => offers.fields(Some(true)),
        ("head", "reads") => {
            offers.words(&["latent"]);
            offers.fields(Some(false));
        }
        ("head", "layers") => offers.layers(),
        ("phase", "train") if line.trim_end().ends_with(" by") => offers.adapters(),
        ("phase", "train") | ("ensemble", "shares") => offers.groups(),
        ("phase", "precision") => {
            offers.words(&["bf16", "f32", "of"]);
            offers.groups();
        }
        ("phase", "optimise") => offers.optimiser(),
        ("phase", "minimise") => offers.minimisable(),
        ("phase", "stop") => {
            offers.words(&["when", "stalls", "for"]);
            offers.minimisable();
        }
        ("phase", "average") => offers.words(&["ema"]),
        ("phase", "favour") => {
            offers.words(&["truth", "in", "of", "samples"]);
            offers.fields(None);
        }
        ("ensemble", "blends") => offers.blends(),
        ("evaluate", "score") => offers.score(),
        ("evaluate", "against") => offers.baselines(),
        ("evaluate", "by") => offers.partitions(),
        ("variable" | "levels", "centre" | "spread" | "pressure" | "height") => offers.expression(),
        _ => {}
    }
}
