//! `amend` and `drop`: the only two ways to vary what is inherited.

use aurora_grammar::tree::{Block, Entry, Item, ItemKind, Name};
use aurora_grammar::{Diagnostic, Diagnostics, Span, nearest};

/// Clauses that may occur many times; amending adds to them instead of replacing them.
const ADDED: [&str; 2] = ["score", "favour"];

/// Lays a recipe's items over those it inherits: first what is dropped, then what is amended, then what
/// is new, whatever the order in which they were written.
pub fn apply(inherited: Vec<Item>, own: Vec<Item>, diagnostics: &mut Diagnostics) -> Vec<Item> {
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
    let inherited = items.len();
    for item in new {
        let key = Key::of(&item);
        let first = items.iter().position(|i| key.is_some() && Key::of(i) == key);
        match (first, key) {
            (Some(at), Some(key)) => {
                let inherited = at < inherited;
                diagnostics.push(already(&key, head(&item), head(&items[at]), inherited));
            }
            _ => items.push(item),
        }
    }
    items
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

fn amend(items: &mut [Item], own: &[Item], span: Span, change: Item, diagnostics: &mut Diagnostics) {
    let Some(key) = Key::of(&change) else {
        diagnostics.push(
            Diagnostic::error("nothing-to-amend", "only an inherited item can be amended")
                .label(span, "this is not one")
                .help("amend a block, a variable or another item that has a name"),
        );
        return;
    };
    let Some(at) = items.iter().position(|item| Key::of(item).as_ref() == Some(&key)) else {
        let word = Span::new(span.start as usize, head(&change).end as usize);
        let here = own.iter().find(|item| Key::of(item).as_ref() == Some(&key));
        diagnostics.push(match here {
            Some(here) => defined_here(&key, word, head(here)),
            None => absent("amend", &key, word, items),
        });
        return;
    };
    overlay(&mut items[at], change);
}

/// Replaces what the change says and keeps the rest.
fn overlay(item: &mut Item, change: Item) {
    match (&mut item.kind, change.kind) {
        (ItemKind::Block(block), ItemKind::Block(new)) => {
            merge(&mut block.block, new.block);
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
                (Some(old), Some(new)) => merge(old, new),
                (None, new) => *block = new,
                (Some(_), None) => {}
            }
        }
        (old, new) => *old = new,
    }
}

fn merge(block: &mut Block, change: Block) {
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
    block.entries.extend(change.entries);
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
    match nearest(&key.name, known.iter().map(String::as_str)) {
        Some(near) => diagnostic.help(format!("did you mean `{verb} {} {near}`?", key.kind)),
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
        .help(format!(
            "to change a few of its clauses, write `amend {shown} {{ … }}`; \
                 to start afresh, write `drop {shown}` first"
        ));
    }
    Diagnostic::error("already-defined", format!("`{shown}` is defined twice"))
        .label(again, "defined again")
        .label(first, "first defined here")
        .help("give one of them another name, or take it out")
}
