//! The members of an ensemble: each is the enclosing recipe with the member's amendments, resolved anew.

use std::collections::BTreeMap;

use aurora_grammar::tree::{BlockItem, Entry, File, Item, ItemKind, Name};
use aurora_grammar::{Diagnostic, Diagnostics};

use super::{Resolved, tie, vary};

/// One member of the ensemble.
#[derive(Clone, Debug)]
pub struct Member {
    pub name: Name,
    /// What it amends and drops, as written.
    pub changes: Vec<Item>,
    /// The enclosing recipe with these changes, without its ensemble and its evaluations.
    pub resolved: Resolved,
}

/// More members than any ensemble of this kind has; each is compiled as a recipe.
const MOST_MEMBERS: usize = 64;

/// Resolves every member of the recipe's ensemble.
pub fn members(
    resolved: &Resolved,
    libraries: &BTreeMap<String, File>,
    diagnostics: &mut Diagnostics,
) -> Vec<Member> {
    let mut members: Vec<Member> = Vec::new();
    let Some(ensemble) = resolved.blocks_of("ensemble").next() else { return members };
    for entry in &ensemble.block.entries {
        let Entry::Item(Item { kind: ItemKind::Block(block), .. }) = entry else { continue };
        if block.kind.text != "member" {
            continue;
        }
        let Some(name) = &block.name else {
            diagnostics.push(
                Diagnostic::error("missing-name", "a member has a name")
                    .label(block.kind.span, "which member?")
                    .help("for instance: member plains { amend data { months  4 .. 7 } }"),
            );
            continue;
        };
        if let Some(first) = members.iter().find(|m| m.name == *name) {
            diagnostics.push(
                Diagnostic::error("repeated-name", format!("there are two members called `{}`", name.text))
                    .label(name.span, "again")
                    .label(first.name.span, "first")
                    .help("give one of them another name"),
            );
            continue;
        }
        if members.len() == MOST_MEMBERS {
            diagnostics.push(
                Diagnostic::error("too-deep", format!("an ensemble has at most {MOST_MEMBERS} members"))
                    .label(name.span, "one more")
                    .help("train them as several recipes"),
            );
            break;
        }
        let changes = changes(block, diagnostics);
        let resolved = member(resolved, name, &changes, libraries, diagnostics);
        members.push(Member { name: name.clone(), changes, resolved });
    }
    members.sort_by(|a, b| a.name.text.cmp(&b.name.text));
    members
}

/// The amendments of a member; anything else in it is complained of.
fn changes(block: &BlockItem, diagnostics: &mut Diagnostics) -> Vec<Item> {
    let mut changes = Vec::new();
    for entry in &block.block.entries {
        let (span, what) = match entry {
            Entry::Item(item) => match judged(item) {
                None => {
                    changes.push(item.clone());
                    continue;
                }
                Some(what) => (item.span, what),
            },
            Entry::Clause(clause) => (clause.span, "a clause belongs to a block of the recipe"),
        };
        diagnostics.push(
            Diagnostic::error("misplaced-item", "a member holds amendments to the recipe around it")
                .label(span, what)
                .help("for instance: amend data { months  4 .. 7 }"),
        );
    }
    changes
}

/// Why an item has no place in a member.
fn judged(item: &Item) -> Option<&'static str> {
    let kind = match &item.kind {
        ItemKind::Amend(inner) => match &inner.kind {
            ItemKind::Block(block) => block.kind.text.as_str(),
            _ => "",
        },
        ItemKind::Drop { kind, .. } => kind.text.as_str(),
        _ => return Some("defines something new"),
    };
    match kind {
        "evaluate" => Some("all members are judged together"),
        "ensemble" | "member" => Some("a member has no members"),
        _ => None,
    }
}

fn member(
    whole: &Resolved,
    name: &Name,
    changes: &[Item],
    libraries: &BTreeMap<String, File>,
    diagnostics: &mut Diagnostics,
) -> Resolved {
    let kept = whole.items.iter().filter(|item| match &item.kind {
        ItemKind::Block(block) => !matches!(block.kind.text.as_str(), "ensemble" | "evaluate"),
        _ => true,
    });
    let items = vary::apply(kept.cloned().collect(), changes.to_vec(), diagnostics);
    let header = whole.header.clone().map(|mut header| {
        header.name.text = format!("{}_{}", header.name.text, name.text);
        header.extends = None;
        header
    });
    tie(header, items, libraries, diagnostics)
}
