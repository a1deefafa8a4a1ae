//! The canonical form of a recipe, whose BLAKE3 is its identity.
//!
//! Comments are gone, `extends`, `amend` and `drop` are worked in, items stand in a fixed order (phases
//! keep theirs, for it matters), clauses by alphabet (those that may repeat, like `score`, keep their order:
//! it is that of the report), numbers are in SI, and `use` names just what is reached. What libraries define
//! is part of the identity too, so a changed constant there changes every recipe that reaches it.
//!
//! The recipe's own name and all titles are no part of the identity: they say what it is called, not what it
//! does. The name stands beside the hash wherever a folder is named, so two names never share a folder.

use std::collections::{BTreeMap, BTreeSet};

use aurora_grammar::Span;
use aurora_grammar::print;
use aurora_grammar::tree::{self, Block, Entry, Expr, ExprKind, File, Header, Item, ItemKind, Name, Part};

use crate::normal;
use crate::resolve::{Definition, RECIPE, Resolved, ScopeId};

/// The edition of the language, as in the first line of every file.
pub const LANGUAGE: &str = "1.0";

/// The recipe's canonical text.
pub fn text(resolved: &Resolved) -> String {
    print(&file(resolved))
}

/// BLAKE3, in hexadecimal, over the canonical text without name and titles, and every library item it reaches.
pub fn hash(resolved: &Resolved) -> String {
    let mut hasher = blake3::Hasher::new();
    let mut whole = file(resolved);
    whole.header = None;
    whole.items.iter_mut().for_each(normal::untitled);
    hasher.update(print(&whole).as_bytes());
    for (id, (_, mut item)) in reached(resolved) {
        normal::measures(&mut item);
        normal::untitled(&mut item);
        hasher.update(id.as_bytes());
        hasher.update(&[0]);
        let file = File { edition: None, header: None, items: vec![item], span: Span::default() };
        hasher.update(print(&file).as_bytes());
    }
    hasher.finalize().to_hex().to_string()
}

/// The libraries of which the recipe reaches something.
pub fn libraries(resolved: &Resolved) -> BTreeSet<String> {
    let of = |id: String| {
        let id = id.strip_prefix("quantity ").unwrap_or(&id);
        id.rsplit_once('.').map(|(library, _)| library.to_string())
    };
    reached(resolved).into_keys().filter_map(of).collect()
}

fn file(resolved: &Resolved) -> File {
    let header = resolved.header.as_ref().map(|h| Header { extends: None, ..h.clone() });
    let mut items = uses(resolved);
    let mut own: Vec<Item> =
        resolved.items.iter().filter(|i| !matches!(i.kind, ItemKind::Use { .. })).cloned().collect();
    for item in &mut own {
        sort_clauses(item);
        normal::measures(item);
    }
    own.sort_by_key(|item| rank(item).unwrap_or((9, String::new())));
    items.append(&mut own);
    let edition = Some(Name { text: LANGUAGE.to_string(), span: Span::default() });
    File { edition, header, items, span: Span::default() }
}

/// Kinds in a fixed order, names within a kind by alphabet; phases stay as they were written.
fn rank(item: &Item) -> Option<(usize, String)> {
    let named = |rank: usize, name: &Name| Some((rank, name.text.clone()));
    match &item.kind {
        // Of what a library defines; behind the recipe's own, in the same order.
        ItemKind::Amend(inner) => rank(inner).map(|(rank, name)| (9, format!("{rank:02} {name}"))),
        ItemKind::Quantity { name, .. } => named(1, name),
        ItemKind::Grid { name, .. } => named(2, name),
        ItemKind::Levels { name, .. } => named(3, name),
        ItemKind::Variable { name, .. } => named(4, name),
        ItemKind::Derive { name, .. } => named(5, name),
        ItemKind::Constraint { name, .. } => named(6, name),
        ItemKind::Loss { name, .. } => named(7, name),
        ItemKind::Block(block) => {
            let name = block.name.as_ref().map_or_else(String::new, |n| n.text.clone());
            Some(match block.kind.text.as_str() {
                "data" => (10, String::new()),
                "model" => (11, String::new()),
                "head" => (12, name),
                "phase" => (13, String::new()),
                "ensemble" => (14, name),
                _ => (15, name),
            })
        }
        _ => None,
    }
}

/// Clauses by alphabet; those that may repeat keep their order among themselves, as do the items inside.
fn sort_clauses(item: &mut Item) {
    match &mut item.kind {
        ItemKind::Block(block) => sort_block(&mut block.block),
        ItemKind::Variable { block: Some(block), .. }
        | ItemKind::Levels { block: Some(block), .. }
        | ItemKind::Derive { block: Some(block), .. } => sort_block(block),
        ItemKind::Amend(inner) => sort_clauses(inner),
        _ => {}
    }
}

fn sort_block(block: &mut Block) {
    block.entries.sort_by_key(|entry| match entry {
        Entry::Clause(clause) => clause.word.text.clone(),
        Entry::Item(_) => "~".to_string(),
    });
    for entry in &mut block.entries {
        if let Entry::Item(item) = entry {
            sort_clauses(item);
        }
    }
}

/// One `use` for each library the recipe reaches, naming what the recipe itself says and what a library
/// takes from the recipe. A library of which only quantities are used is named whole.
fn uses(resolved: &Resolved) -> Vec<Item> {
    let mut by_library: BTreeMap<String, BTreeSet<String>> = BTreeMap::new();
    let mut note = |names: &BTreeSet<String>, own: &dyn Fn(&str) -> bool| {
        for name in names.iter().filter(|name| !own(name)) {
            if let Some(definition) = resolved.lookup(RECIPE, name)
                && let Some(library) = &definition.library
            {
                by_library.entry(library.clone()).or_default().insert(definition.name.text.clone());
            }
            if let Some(Definition { library: Some(library), .. }) = resolved.quantities.get(name) {
                by_library.entry(library.clone()).or_default();
            }
        }
    };
    let mut said = BTreeSet::new();
    for item in &resolved.items {
        names_of(item, &mut said);
    }
    note(&said, &|_| false);
    for (scope, item) in reached(resolved).values() {
        let mut inner = BTreeSet::new();
        names_of(item, &mut inner);
        note(&inner, &|name| resolved.scopes[*scope].names.contains_key(name));
    }
    let name = |text: &String| Name { text: text.clone(), span: Span::default() };
    by_library
        .iter()
        .map(|(library, names)| Item {
            kind: ItemKind::Use {
                path: name(library),
                names: names.iter().map(name).collect(),
                by_default: false,
            },
            span: Span::default(),
        })
        .collect()
}

/// Every library item the recipe reaches, directly or through others, by id, with its scope.
fn reached(resolved: &Resolved) -> BTreeMap<String, (ScopeId, Item)> {
    let mut found = BTreeMap::new();
    let mut said = BTreeSet::new();
    for item in &resolved.items {
        if !matches!(item.kind, ItemKind::Use { .. }) {
            names_of(item, &mut said);
        }
    }
    reach(resolved, RECIPE, &said, &mut found);
    found
}

fn reach(
    resolved: &Resolved,
    scope: ScopeId,
    names: &BTreeSet<String>,
    found: &mut BTreeMap<String, (ScopeId, Item)>,
) {
    for name in names {
        let value = resolved.lookup(scope, name);
        let quantity = resolved.quantities.get(name);
        for definition in [value, quantity].into_iter().flatten().filter(|d| d.library.is_some()) {
            let quantity = matches!(definition.item.kind, ItemKind::Quantity { .. });
            let key = if quantity { format!("quantity {}", definition.id) } else { definition.id.clone() };
            if found.contains_key(&key) {
                continue;
            }
            found.insert(key, (definition.scope, definition.item.clone()));
            let mut inner = BTreeSet::new();
            names_of(&definition.item, &mut inner);
            reach(resolved, definition.scope, &inner, found);
        }
    }
}

/// Every word in an item that could be a name of something defined elsewhere.
pub(crate) fn names_of(item: &Item, names: &mut BTreeSet<String>) {
    match &item.kind {
        ItemKind::Grid { value, .. } => expr(value, names),
        ItemKind::Levels { coordinate, value, block: inner, .. } => {
            names.insert(coordinate.text.clone());
            expr(value, names);
            inner.iter().for_each(|b| block(b, names));
        }
        ItemKind::Variable { ty, block: inner, .. } => {
            ty.iter().for_each(|t| type_names(t, names));
            inner.iter().for_each(|b| block(b, names));
        }
        ItemKind::Derive { parameters, ty, value, bindings, block: inner, .. } => {
            inner.iter().for_each(|b| block(b, names));
            parameters.iter().for_each(|p| type_names(&p.ty, names));
            ty.iter().for_each(|t| type_names(t, names));
            expr(value, names);
            bindings.iter().for_each(|b| expr(&b.value, names));
        }
        ItemKind::Constraint { relation, mode, bindings, .. } => {
            expr(relation, names);
            if let tree::ConstraintMode::Within(tolerance) = mode {
                expr(tolerance, names);
            }
            bindings.iter().for_each(|b| expr(&b.value, names));
        }
        ItemKind::Loss { value, bindings, .. } => {
            expr(value, names);
            bindings.iter().for_each(|b| expr(&b.value, names));
        }
        ItemKind::Block(item) => block(&item.block, names),
        // What is amended in a library, and what the amendment says.
        ItemKind::Amend(inner) => {
            names.extend(crate::resolve::defined_name(inner).map(|name| name.text.clone()));
            names_of(inner, names);
        }
        ItemKind::Use { .. } | ItemKind::Drop { .. } | ItemKind::Quantity { .. } => {}
    }
}

fn type_names(ty: &tree::Type, names: &mut BTreeSet<String>) {
    names.insert(ty.quantity.text.clone());
    match &ty.bound {
        Some(tree::Bound::Compare { value, .. } | tree::Bound::In(value)) => expr(value, names),
        None => {}
    }
    if let Some(support) = &ty.support {
        names.insert(support.name.text.clone());
        support.argument.iter().for_each(|argument| expr(argument, names));
    }
    if let Some(cell) = &ty.cell {
        expr(&cell.over, names);
    }
}

fn block(block_: &Block, names: &mut BTreeSet<String>) {
    for entry in &block_.entries {
        match entry {
            Entry::Item(item) => names_of(item, names),
            Entry::Clause(clause) => {
                for part in clause.values.iter().flat_map(|chain| &chain.parts) {
                    if let Part::Value(value) = part {
                        expr(value, names);
                    }
                }
            }
        }
    }
}

fn expr(e: &Expr, names: &mut BTreeSet<String>) {
    match &e.kind {
        ExprKind::Path(name) => {
            names.insert(name.clone());
            // `walk.state` speaks of `walk`.
            names.extend(name.split_once('.').map(|(walk, _)| walk.to_string()));
        }
        ExprKind::Call { function, inputs } => {
            names.insert(function.text.clone());
            inputs.iter().for_each(|i| expr(&i.value, names));
        }
        ExprKind::List { items, .. } => items.iter().for_each(|i| expr(i, names)),
        ExprKind::Range { start: a, end: b, .. }
        | ExprKind::Relation { left: a, right: b, .. }
        | ExprKind::Binary { left: a, right: b, .. }
        | ExprKind::At { value: a, place: b }
        | ExprKind::Over { value: a, extent: b }
        | ExprKind::As { value: a, quantity: b } => {
            expr(a, names);
            expr(b, names);
        }
        ExprKind::Negate(inner) | ExprKind::Power { base: inner, .. } => expr(inner, names),
        ExprKind::Scan { levels, from, states, bindings, steps, .. } => {
            names.insert(levels.text.clone());
            from.iter().for_each(|from| expr(from, names));
            states.iter().chain(bindings).chain(steps).for_each(|line| expr(&line.value, names));
        }
        ExprKind::Iterate { count, states, bindings, steps } => {
            expr(count, names);
            states.iter().chain(bindings).chain(steps).for_each(|line| expr(&line.value, names));
        }
        ExprKind::Measure { .. } | ExprKind::Date(_) | ExprKind::Text(_) => {}
    }
}
