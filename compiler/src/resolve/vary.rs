//! `amend` and `drop`: the only two ways to vary what is inherited.

use aurora_grammar::tree::{Block, Entry, Item, ItemKind, Name};
use aurora_grammar::{Diagnostic, Diagnostics, Span, nearest};

use super::{RECIPE, Resolved};

/// Clauses that may occur many times; amending adds to them instead of replacing them.
const ADDED: [&str; 2] = ["score", "favour"];

/// Lays a recipe's items over those it inherits: first what is dropped, then what is amended, then what
/// is new, whatever the order in which they were written. Only phases have an order: a new one comes before the
/// inherited one that is amended next behind it, and else last.
pub fn apply(inherited: Vec<Item>, own: Vec<Item>, diagnostics: &mut Diagnostics) -> Vec<Item> {
    let places = phases_before(&own);
    let mut items = inherited;
    let (mut changes, mut new) = (Vec::new(), Vec::new());
    for item in own {
        match item.kind {
            ItemKind::Drop { kind, name } => remove(&mut items, &kind, &name, diagnostics),
            ItemKind::Amend(change) => changes.push((item.span, *change)),
            _ => new.push(item),
        }
    }
    for (span, change) in changes {
        amend(&mut items, &new, span, change, diagnostics);
    }
    let inherited_keys: Vec<Key> = items.iter().filter_map(Key::of).collect();
    for item in new {
        let key = Key::of(&item);
        let first = items.iter().position(|i| key.is_some() && Key::of(i) == key);
        match (first, key) {
            (Some(at), Some(key)) => {
                let inherited = inherited_keys.contains(&key);
                diagnostics.push(already(&key, head(&item), head(&items[at]), inherited));
            }
            (_, key) => {
                let next = places.iter().find(|(new, _)| Some(new) == key.as_ref()).map(|(_, next)| next);
                match next.and_then(|next| items.iter().position(|i| Key::of(i).as_ref() == Some(next))) {
                    Some(at) => items.insert(at, item),
                    None => items.push(item),
                }
            }
        }
    }
    items
}

/// Each new phase that an `amend` of a phase follows, with the phase that is amended.
fn phases_before(own: &[Item]) -> Vec<(Key, Key)> {
    let (mut places, mut waiting) = (Vec::new(), Vec::new());
    for item in own {
        let (amended, key) = match &item.kind {
            ItemKind::Amend(change) => (true, Key::of(change)),
            _ => (false, Key::of(item)),
        };
        let Some(key) = key.filter(|key| key.kind == "phase") else { continue };
        if amended {
            places.extend(waiting.drain(..).map(|new| (new, key.clone())));
        } else {
            waiting.push(key);
        }
    }
    places
}

/// The word and name of an item, which is what a message points at.
fn head(item: &Item) -> Span {
    let name = match &item.kind {
        ItemKind::Block(block) => block.name.as_ref().or(Some(&block.kind)),
        _ => super::defined_name(item),
    };
    let start = item.span.start as usize;
    name.map_or(item.span, |name| Span::new(start, name.span.end as usize))
}

/// What makes two items the same one: `phase adapt`, `variable t`, `data`.
#[derive(Clone, Debug, PartialEq, Eq)]
struct Key {
    kind: String,
    name: String,
}

impl Key {
    fn of(item: &Item) -> Option<Key> {
        let (kind, name) = match &item.kind {
            ItemKind::Use { .. } | ItemKind::Amend(_) | ItemKind::Drop { .. } => return None,
            ItemKind::Grid { name, .. } => ("grid", Some(name)),
            ItemKind::Levels { name, .. } => ("levels", Some(name)),
            ItemKind::Quantity { name, .. } => ("quantity", Some(name)),
            ItemKind::Variable { name, .. } => ("variable", Some(name)),
            ItemKind::Derive { name, .. } => ("derive", Some(name)),
            ItemKind::Constraint { name, .. } => ("constraint", Some(name)),
            ItemKind::Loss { name, .. } => ("loss", Some(name)),
            ItemKind::Block(block) => (block.kind.text.as_str(), block.name.as_ref()),
        };
        Some(Key { kind: kind.to_string(), name: name.map_or_else(String::new, |n| n.text.clone()) })
    }

    fn shown(&self) -> String {
        if self.name.is_empty() { self.kind.clone() } else { format!("{} {}", self.kind, self.name) }
    }
}

fn amend(items: &mut Vec<Item>, own: &[Item], span: Span, change: Item, diagnostics: &mut Diagnostics) {
    let Some(key) = Key::of(&change) else {
        diagnostics.push(
            Diagnostic::error("nothing-to-amend", "only an inherited item can be amended")
                .label(span, "this is not one")
                .help("amend a block, a variable or another item that has a name"),
        );
        return;
    };
    let Some(at) = items.iter().position(|item| Key::of(item).as_ref() == Some(&key)) else {
        if imported(&key, items, own) {
            items.push(Item { kind: ItemKind::Amend(Box::new(change)), span });
            return;
        }
        let word = Span::new(span.start as usize, head(&change).end as usize);
        let here = own.iter().find(|item| Key::of(item).as_ref() == Some(&key));
        diagnostics.push(match here {
            Some(here) => defined_here(&key, word, head(here)),
            None => absent("amend", &key, word, items),
        });
        return;
    };
    overlay(&mut items[at], change, diagnostics);
}

/// Whether a `use` brings, or may bring, what is to be amended.
fn imported(key: &Key, inherited: &[Item], own: &[Item]) -> bool {
    let kind = matches!(key.kind.as_str(), "variable" | "derive" | "levels" | "grid");
    kind && !own.iter().any(|item| Key::of(item).as_ref() == Some(key))
        && inherited.iter().chain(own).any(|item| match &item.kind {
            ItemKind::Use { names, .. } => names.is_empty() || names.iter().any(|n| n.text == key.name),
            _ => false,
        })
}

/// Amendments of what libraries define, which the recipe sees under its own name: done once the libraries
/// are known. The library's own uses see the amended item too, for it is the same one.
pub fn amend_library(resolved: &mut Resolved, items: &[Item], diagnostics: &mut Diagnostics) {
    for item in items {
        let ItemKind::Amend(change) = &item.kind else { continue };
        let Some(key) = Key::of(change) else { continue };
        let id = resolved.scopes[RECIPE].names.get(&key.name).cloned();
        let definition = id.and_then(|id| resolved.definitions.get_mut(&id));
        match definition {
            Some(definition) if Key::of(&definition.item).as_ref() == Some(&key) => {
                overlay(&mut definition.item, (**change).clone(), diagnostics);
            }
            _ if resolved.scopes[RECIPE].lost.contains(&key.name) => {}
            _ => {
                let word = Span::new(item.span.start as usize, head(change).end as usize);
                let known: Vec<Item> = resolved.definitions.values().map(|d| d.item.clone()).collect();
                diagnostics.push(absent("amend", &key, word, &known));
            }
        }
    }
}

/// Replaces what the change says and keeps the rest.
fn overlay(item: &mut Item, change: Item, diagnostics: &mut Diagnostics) {
    match (&mut item.kind, change.kind) {
        (ItemKind::Block(block), ItemKind::Block(new)) => {
            merge(&mut block.block, new.block, &block.kind.text, diagnostics);
            if new.title.is_some() {
                block.title = new.title;
            }
            if new.on.is_some() {
                block.on = new.on;
            }
        }
        (
            ItemKind::Variable { ty, from, title, block, .. },
            ItemKind::Variable { ty: new_ty, from: new_from, title: new_title, block: new_block, .. },
        ) => {
            *ty = new_ty.or(ty.take());
            *from = new_from.or(from.take());
            *title = new_title.or(title.take());
            match (block.as_mut(), new_block) {
                (Some(old), Some(new)) => merge(old, new, "variable", diagnostics),
                (None, new) => *block = new,
                (Some(_), None) => {}
            }
        }
        (old, new) => *old = new,
    }
}

fn merge(block: &mut Block, change: Block, kind: &str, diagnostics: &mut Diagnostics) {
    let replaced: Vec<String> = change
        .entries
        .iter()
        .filter_map(|entry| match entry {
            Entry::Clause(clause) if !ADDED.contains(&clause.word.text.as_str()) => {
                Some(clause.word.text.clone())
            }
            _ => None,
        })
        .collect();
    block.entries.retain(|entry| match entry {
        Entry::Clause(clause) => !replaced.contains(&clause.word.text),
        Entry::Item(_) => true,
    });
    if kind == "ensemble" {
        members(block, change, diagnostics);
    } else {
        block.entries.extend(change.entries);
    }
}

/// The members of an ensemble are varied as the items of a recipe are.
fn members(block: &mut Block, change: Block, diagnostics: &mut Diagnostics) {
    let (mut clauses, mut inherited, mut own) = (Vec::new(), Vec::new(), Vec::new());
    let mut sort = |entries: Vec<Entry>, items: &mut Vec<Item>| {
        for entry in entries {
            match entry {
                Entry::Item(item) => items.push(item),
                Entry::Clause(_) => clauses.push(entry),
            }
        }
    };
    sort(std::mem::take(&mut block.entries), &mut inherited);
    sort(change.entries, &mut own);
    block.entries = clauses;
    block.entries.extend(apply(inherited, own, diagnostics).into_iter().map(Entry::Item));
}

fn remove(items: &mut Vec<Item>, kind: &Name, name: &Name, diagnostics: &mut Diagnostics) {
    let key = Key { kind: kind.text.clone(), name: name.text.clone() };
    match items.iter().position(|item| Key::of(item).as_ref() == Some(&key)) {
        Some(at) => {
            items.remove(at);
        }
        None => diagnostics.push(absent("drop", &key, kind.span.to(name.span), items)),
    }
}

fn defined_here(key: &Key, span: Span, here: Span) -> Diagnostic {
    Diagnostic::error(
        "nothing-to-amend",
        format!("`{}` is not inherited, but defined in this recipe", key.shown()),
    )
    .label(span, "amended here")
    .label(here, "defined here")
    .help("write the change where it is defined")
}

fn absent(verb: &str, key: &Key, span: Span, items: &[Item]) -> Diagnostic {
    let message = format!("there is no inherited `{}` to {verb}", key.shown());
    let known: Vec<String> =
        items.iter().filter_map(Key::of).filter(|k| k.kind == key.kind).map(|k| k.name).collect();
    let diagnostic = Diagnostic::error("nothing-to-amend", message).label(span, "not inherited");
    // Of `drop` only what follows it is marked; of `amend` the word itself too.
    let said = |shown: String| if verb == "drop" { shown } else { format!("{verb} {shown}") };
    match nearest(&key.name, known.iter().map(String::as_str)) {
        Some(near) => diagnostic
            .help(format!("did you mean `{verb} {} {near}`?", key.kind))
            .fix(span, said(format!("{} {near}", key.kind))),
        None if verb == "drop" => diagnostic.help("take this line out"),
        None => diagnostic.help("to define it here, leave `amend` out"),
    }
}

fn already(key: &Key, again: Span, first: Span, inherited: bool) -> Diagnostic {
    let shown = key.shown();
    if inherited {
        return Diagnostic::error(
            "already-defined",
            format!("`{shown}` exists in the recipe this one extends"),
        )
        .label(again, "defined again")
        .label(first, "first defined here")
        .help(
            if matches!(key.kind.as_str(), "variable") || crate::vocabulary::block(&key.kind).is_some() {
                format!(
                    "to change a few of its clauses, write `amend {shown} {{ … }}`\n\
                 to start afresh, `drop {shown}` first"
                )
            } else {
                format!("to change it, write `amend {shown} …`\nto start afresh, `drop {shown}` first")
            },
        );
    }
    Diagnostic::error("already-defined", format!("`{shown}` is defined twice"))
        .label(again, "defined again")
        .label(first, "first defined here")
        .help("give one of them another name, or take it out")
}
