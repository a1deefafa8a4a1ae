//! `ensemble NAME { }`: members that are recipes of their own, what they share, and how they are blended.

use aurora_grammar::tree::{Block, BlockItem, Clause, Entry, ExprKind, Input, Item, ItemKind, Name};
use aurora_grammar::{Diagnostic, Diagnostics, Severity, Span, nearest};

use super::loss::names_in_role;
use super::numbers::{only_value, single};
use super::{Checked, Checker, bare_name};
use crate::plan::ensemble::Blend;
use crate::resolve::{RECIPE, Resolved};
use crate::site::Site;

/// What `ensemble` says, besides its members.
#[derive(Clone, Debug)]
pub struct EnsembleChoice {
    pub name: String,
    pub shares: Vec<String>,
    pub blend: Blend,
    /// Ids of the fields that a gate reads.
    pub gate: Vec<String>,
}

const BLENDS: [&str; 4] = ["owner", "mean", "skill", "gate"];
/// What a gate knows of a cell and a time without a field.
const COORDINATES: [&str; 4] = ["lat", "lon", "month", "hour"];
/// Clauses of `model` that decide the shape of every group of weights.
const SHAPE: [&str; 4] = ["base", "architecture", "history", "step"];
/// Clauses of `model` that decide which variables the encoder and the decoder have weights for.
const VARIABLES: [&str; 4] = ["prognostic", "diagnostic", "forcing", "static"];
/// The whole recipe is not trained itself, so what is never trained is told of its members.
const OF_MEMBERS: [&str; 3] = ["unused-loss", "never-trained", "never-minimised"];

/// Checks every member as a recipe of its own; what was said of each is given back.
pub(super) fn members(resolved: &Resolved, site: &dyn Site) -> (Vec<(String, Checked)>, Vec<Diagnostics>) {
    resolved
        .members
        .iter()
        .map(|member| {
            let mut said = Diagnostics::new();
            let checked = super::check_one(&member.resolved, Vec::new(), site, &mut said);
            ((member.name.text.clone(), checked), said)
        })
        .unzip()
}

/// What is said of the whole and of its members, each thing once.
pub(super) fn gather(own: Diagnostics, members: Vec<Diagnostics>, diagnostics: &mut Diagnostics) {
    let place = |d: &Diagnostic| (d.code, d.labels.first().map(|label| label.span));
    let mut told: Vec<_> = own.iter().map(place).collect();
    let wrong = own.has_errors();
    diagnostics.extend(own.into_iter().filter(|d| members.is_empty() || !OF_MEMBERS.contains(&d.code)));
    for (at, said) in members.iter().enumerate() {
        for diagnostic in said {
            // A loss that one member leaves out may be another's.
            let all = diagnostic.code != "unused-loss"
                || members.iter().all(|other| other.iter().any(|d| place(d) == place(diagnostic)));
            let whole = OF_MEMBERS.contains(&diagnostic.code)
                && !members[..at].iter().any(|other| other.iter().any(|d| place(d) == place(diagnostic)));
            let new = whole || !told.contains(&place(diagnostic));
            let worth = !wrong || diagnostic.severity == Severity::Error;
            if all && new && worth {
                told.push(place(diagnostic));
                diagnostics.push(diagnostic.clone());
            }
        }
    }
}

impl Checker<'_> {
    pub(super) fn ensemble(&mut self) {
        if let Some(stray) = self.resolved.blocks_of("member").next() {
            let span = stray.kind.span;
            self.error_with_help(
                "misplaced-item",
                "a member stands inside an ensemble",
                (span, "of which ensemble?"),
                "write: ensemble NAME { member a { … }  blends mean }",
            );
        }
        let blocks: Vec<BlockItem> = self.resolved.blocks_of("ensemble").cloned().collect();
        let Some(block) = blocks.first() else { return };
        if let Some(second) = blocks.get(1) {
            self.diagnostics.push(
                Diagnostic::error("already-defined", "a recipe has one ensemble")
                    .label(second.kind.span, "another")
                    .label(block.kind.span, "the first")
                    .help("put all members into one, or write two recipes"),
            );
        }
        let Some(name) = &block.name else {
            self.error_with_help(
                "missing-name",
                "an ensemble has a name",
                (block.kind.span, "which ensemble?"),
                "for instance: ensemble regimes { … }",
            );
            return;
        };
        let clauses = self.block_clauses(&without_members(block));
        if self.resolved.members.len() < 2 {
            self.error_with_help(
                "missing-clause",
                "an ensemble has two members at least",
                (clauses.opened, "not so many"),
                "for instance: member a, b, c",
            );
        }
        let shares = clauses.get("shares").cloned().map(|c| self.shares(&c)).unwrap_or_default();
        for share in &shares {
            self.amended_shares(share);
        }
        let Some(clause) = clauses.require(self, "blends", "mean") else { return };
        let Some((blend, gate)) = self.blend(&clause) else { return };
        let mut shares: Vec<String> = shares.into_iter().map(|share| share.text).collect();
        shares.sort();
        self.checked.ensemble = Some(EnsembleChoice { name: name.text.clone(), shares, blend, gate });
    }

    fn shares(&mut self, clause: &Clause) -> Vec<Name> {
        let mut shares: Vec<Name> = Vec::new();
        for chain in &clause.values {
            let Some(name) = only_value(chain).and_then(bare_name) else {
                self.error_with_help(
                    "wrong-argument",
                    "`shares` names groups of weights",
                    (chain.span, "this is none"),
                    "for instance: shares  backbone",
                );
                continue;
            };
            if shares.contains(&name) {
                let message = format!("`{}` stands here twice", name.text);
                self.error_with_help("repeated-name", message, (name.span, "again"), "keep one of them");
            } else if self.group(&name) {
                shares.push(name);
            }
        }
        shares
    }

    /// A group that is trained once is the same for all, so no member may give it another shape.
    fn amended_shares(&mut self, share: &Name) {
        let members = self.resolved.members.clone();
        for member in &members {
            let Some((span, why)) = member.changes.iter().find_map(|change| reshapes(change, &share.text))
            else {
                continue;
            };
            let message = format!(
                "the members share `{}`, but `{}` gives it another shape",
                share.text, member.name.text
            );
            self.diagnostics.push(
                Diagnostic::error("shared-group", message)
                    .label(span, why)
                    .label(share.span, "trained once, for all members")
                    .help(format!(
                        "leave `{}` out of `shares`, or move this amendment out of the member",
                        share.text
                    )),
            );
        }
    }

    fn blend(&mut self, clause: &Clause) -> Option<(Blend, Vec<String>)> {
        let value = single(clause);
        let (word, inputs, span) = match value.map(|value| (&value.kind, value.span)) {
            Some((ExprKind::Path(word), span)) => (word.as_str(), &[][..], span),
            Some((ExprKind::Call { function, inputs }, span)) => (function.text.as_str(), &inputs[..], span),
            _ => ("", &[][..], clause.span),
        };
        match (word, inputs) {
            ("owner", []) => self.owners(span).map(|()| (Blend::Owner, Vec::new())),
            ("mean", []) => Some((Blend::Mean, Vec::new())),
            ("skill", [Input { label: None, value }]) => {
                self.only_validate(value)?;
                let split = Name { text: "validate".into(), span: value.span };
                let given = self.known_split(&split, "weights from what?");
                given.then(|| (Blend::Skill { split: "validate".into() }, Vec::new()))
            }
            ("gate", [_, ..]) => self.gate(inputs),
            _ => {
                self.no_blend(word, span);
                None
            }
        }
    }

    fn no_blend(&mut self, word: &str, span: Span) {
        const HELP: &str = "there are owner, mean, skill(validate) and gate(FIELDS …)";
        let near = nearest(word, BLENDS).filter(|near| *near != word);
        if BLENDS.contains(&word) || word.is_empty() {
            let message = "`blends` says how the members become one forecast";
            self.error_with_help("wrong-argument", message, (span, "not understood"), HELP);
            return;
        }
        let message = format!("there is no blend `{word}`");
        let mut diagnostic = Diagnostic::error("unknown-name", message).label(span, "not found");
        diagnostic = match near {
            Some(near) => diagnostic.help(format!("did you mean `{near}`? {HELP}")),
            None => diagnostic.help(HELP),
        };
        self.diagnostics.push(diagnostic);
    }

    /// With `owner`, some variable is one member's alone.
    fn owners(&mut self, span: Span) -> Option<()> {
        let sets: Vec<Vec<String>> =
            self.resolved.members.iter().map(|m| predicted_names(&m.resolved)).collect();
        let owned =
            sets.iter().flatten().any(|name| sets.iter().filter(|set| set.contains(name)).count() == 1);
        if owned || sets.len() < 2 {
            return Some(());
        }
        self.error_with_help(
            "wrong-argument",
            "no member predicts anything that the others do not, so none owns it",
            (span, "whose forecast is taken?"),
            "blend them otherwise: blends  mean",
        );
        None
    }

    fn gate(&mut self, inputs: &[Input]) -> Option<(Blend, Vec<String>)> {
        let (mut fields, mut ids) = (Vec::new(), Vec::new());
        for input in inputs {
            let name = input.label.is_none().then(|| bare_name(&input.value)).flatten();
            let Some(name) = name else {
                self.error_with_help(
                    "wrong-argument",
                    "a gate reads fields by their names",
                    (input.value.span, "this is none"),
                    "for instance: gate(mucape, lat, month)",
                );
                return None;
            };
            if fields.contains(&name.text) {
                let message = format!("`{}` stands here twice", name.text);
                self.error_with_help("repeated-name", message, (name.span, "again"), "keep one of them");
                continue;
            }
            match self.resolved.lookup(RECIPE, &name.text).cloned() {
                None if COORDINATES.contains(&name.text.as_str()) => {}
                None => {
                    self.unknown(RECIPE, &name.text, name.span, "");
                    return None;
                }
                Some(definition) => {
                    let typed = self.expression(RECIPE, &input.value)?;
                    let field =
                        matches!(definition.item.kind, ItemKind::Variable { .. } | ItemKind::Derive { .. });
                    if !field || typed.constant().is_some() {
                        let message = format!("`{}` is no field", name.text);
                        let help = "a gate reads fields, and lat, lon, month and hour";
                        self.error_with_help("not-a-field", message, (name.span, "nothing to read"), help);
                        return None;
                    }
                    ids.push(definition.id);
                }
            }
            fields.push(name.text);
        }
        Some((Blend::Gate { fields }, ids))
    }

    /// Whether a member of the ensemble predicts a field with this id.
    pub(super) fn by_a_member(&self, id: &str) -> bool {
        self.resolved.members.iter().any(|member| {
            let names = predicted_names(&member.resolved);
            names.iter().any(|name| member.resolved.lookup(RECIPE, name).is_some_and(|d| d.id == id))
        })
    }
}

fn predicted_names(resolved: &Resolved) -> Vec<String> {
    ["prognostic", "diagnostic"].iter().flat_map(|role| names_in_role(resolved, role)).collect()
}

/// The block without its members, which are no clauses and no misplaced items either.
fn without_members(block: &BlockItem) -> BlockItem {
    let member = |entry: &&Entry| !matches!(entry, Entry::Item(Item { kind: ItemKind::Block(block), .. }) if block.kind.text == "member");
    let entries = block.block.entries.iter().filter(member).cloned().collect();
    BlockItem { block: Block { entries, span: block.block.span }, ..block.clone() }
}

/// Where and how a change gives a group of weights another shape.
fn reshapes(change: &Item, group: &str) -> Option<(Span, &'static str)> {
    match &change.kind {
        ItemKind::Drop { kind, name } if kind.text == "head" && name.text == group => {
            Some((kind.span.to(name.span), "taken out here"))
        }
        ItemKind::Amend(inner) => {
            let ItemKind::Block(block) = &inner.kind else { return None };
            let clauses = block.block.entries.iter().filter_map(|entry| match entry {
                Entry::Clause(clause) => Some(clause),
                Entry::Item(_) => None,
            });
            match block.kind.text.as_str() {
                "model" => clauses
                    .filter(|clause| {
                        let word = clause.word.text.as_str();
                        SHAPE.contains(&word) || VARIABLES.contains(&word) && group != "backbone"
                    })
                    .map(|clause| (clause.span, "amended here"))
                    .next(),
                "head" if block.name.as_ref().is_some_and(|name| name.text == group) => {
                    Some((block.kind.span.to(block.block.span), "amended here"))
                }
                _ => None,
            }
        }
        _ => None,
    }
}
