//! From files to one recipe: `use` brings names in, `extends` inherits, `amend` and `drop` vary.
//!
//! Afterwards every definition has an id: its bare name if the recipe defines it, `std.physics.g0`
//! if a library does. A library sees its own names, those of the libraries it uses, and last the
//! recipe's: so `tv` in a library speaks of whatever `t` the recipe has.

mod load;
mod members;
mod vary;

use std::collections::{BTreeMap, BTreeSet};

use aurora_grammar::tree::{BlockItem, File, Header, Item, ItemKind, Name};
use aurora_grammar::{Diagnostic, Diagnostics, FileId, SourceMap, Span, nearest};

pub use load::Loaded;
pub use members::Member;

use crate::site::Site;

/// One item that has a name, and the scope in which its text is read.
#[derive(Clone, Debug)]
pub struct Definition {
    pub id: String,
    pub name: Name,
    pub library: Option<String>,
    pub item: Item,
    pub scope: ScopeId,
}

pub type ScopeId = usize;

/// The scope of the recipe itself; libraries follow.
pub const RECIPE: ScopeId = 0;

/// Names visible in one file, with the ids they stand for.
#[derive(Clone, Debug, Default)]
pub struct Scope {
    pub names: BTreeMap<String, String>,
    /// What `use … by default` brings: it counts where neither this file nor the recipe has such a name.
    pub defaults: BTreeMap<String, String>,
    /// Names that a `use` asked for in vain: they were complained of once, and are not again.
    pub lost: BTreeSet<String>,
}

/// A recipe whose names are known, whose parent and libraries have been read.
#[derive(Clone, Debug)]
pub struct Resolved {
    pub header: Option<Header>,
    pub definitions: BTreeMap<String, Definition>,
    /// Quantities by name; they are seen from everywhere.
    pub quantities: BTreeMap<String, Definition>,
    pub scopes: Vec<Scope>,
    /// `data`, `model`, `head`, `phase`, `ensemble`, `evaluate`, in the order written.
    pub blocks: Vec<BlockItem>,
    /// The recipe's own items after `extends`, `amend` and `drop`, in the order written.
    pub items: Vec<Item>,
    /// The members of the recipe's ensemble, each a recipe of its own, in alphabetical order.
    pub members: Vec<Member>,
}

/// Reads the recipe's parent and libraries and ties names to definitions.
pub fn resolve(
    file: FileId,
    site: &dyn Site,
    sources: &mut SourceMap,
    diagnostics: &mut Diagnostics,
) -> Resolved {
    let loaded = load::load(file, site, sources, diagnostics);
    let mut resolved = tie(loaded.header, loaded.items, &loaded.libraries, diagnostics);
    resolved.members = members::members(&resolved, &loaded.libraries, diagnostics);
    resolved
}

/// Ties the names of a recipe's items, and of its libraries', to definitions.
fn tie(
    header: Option<Header>,
    items: Vec<Item>,
    libraries: &BTreeMap<String, File>,
    diagnostics: &mut Diagnostics,
) -> Resolved {
    let mut resolved = Resolved {
        header,
        definitions: BTreeMap::new(),
        quantities: BTreeMap::new(),
        scopes: vec![Scope::default()],
        blocks: Vec::new(),
        items,
        members: Vec::new(),
    };
    let mut scope_of = BTreeMap::new();
    for (name, library) in libraries {
        let scope = resolved.scopes.len();
        scope_of.insert(name.clone(), scope);
        resolved.scopes.push(Scope::default());
        define(&mut resolved, &library.items, Some(name), scope, diagnostics);
    }
    let items = resolved.items.clone();
    define(&mut resolved, &items, None, RECIPE, diagnostics);
    for (name, library) in libraries {
        bring_in(&mut resolved, &library.items, scope_of[name], &scope_of, diagnostics);
    }
    bring_in(&mut resolved, &items, RECIPE, &scope_of, diagnostics);
    vary::amend_library(&mut resolved, &items, diagnostics);
    resolved.blocks = items
        .into_iter()
        .filter_map(|item| match item.kind {
            ItemKind::Block(block) => Some(block),
            _ => None,
        })
        .collect();
    resolved
}

impl Resolved {
    /// What a name means in a scope: its own names first, then the recipe's, then what it brings in by default.
    pub fn lookup(&self, scope: ScopeId, name: &str) -> Option<&Definition> {
        let own = self.scopes[scope].names.get(name);
        let id = own
            .or_else(|| self.scopes[RECIPE].names.get(name))
            .or_else(|| self.scopes[scope].defaults.get(name))?;
        self.definitions.get(id)
    }

    /// Every name seen from a scope, for `did you mean`.
    pub fn visible(&self, scope: ScopeId) -> impl Iterator<Item = &str> {
        let own = self.scopes[scope].names.keys();
        let all = own.chain(self.scopes[RECIPE].names.keys()).chain(self.scopes[scope].defaults.keys());
        all.map(String::as_str)
    }

    /// The blocks of one kind, in order.
    pub fn blocks_of<'a>(&'a self, kind: &'a str) -> impl Iterator<Item = &'a BlockItem> {
        self.blocks.iter().filter(move |b| b.kind.text == kind)
    }
}

/// Gives every named item of a file an id and its scope a name for it.
fn define(
    resolved: &mut Resolved,
    items: &[Item],
    library: Option<&str>,
    scope: ScopeId,
    diagnostics: &mut Diagnostics,
) {
    for item in items {
        let Some(name) = defined_name(item) else { continue };
        let id = library.map_or_else(|| name.text.clone(), |l| format!("{l}.{}", name.text));
        let definition = Definition {
            id: id.clone(),
            name: name.clone(),
            library: library.map(str::to_string),
            item: item.clone(),
            scope,
        };
        let quantity = matches!(item.kind, ItemKind::Quantity { .. });
        let table = if quantity { &mut resolved.quantities } else { &mut resolved.definitions };
        let key = if quantity { name.text.clone() } else { id.clone() };
        if let Some(first) = table.get(&key) {
            diagnostics.push(twice(&name.text, name.span, first.name.span));
            continue;
        }
        table.insert(key, definition);
        if !quantity {
            resolved.scopes[scope].names.insert(name.text.clone(), id);
        }
    }
}

/// Follows every `use` of a file.
fn bring_in(
    resolved: &mut Resolved,
    items: &[Item],
    scope: ScopeId,
    scope_of: &BTreeMap<String, ScopeId>,
    diagnostics: &mut Diagnostics,
) {
    let uses = || {
        items.iter().filter_map(|item| match &item.kind {
            ItemKind::Use { path, names, by_default: false } => {
                Some((path, names, *scope_of.get(&path.text)?))
            }
            _ => None,
        })
    };
    for item in items {
        if let ItemKind::Use { path, names, by_default: true } = &item.kind
            && let Some(from) = scope_of.get(&path.text)
        {
            bring_by_default(resolved, (path, names), scope, *from, diagnostics);
        }
    }
    for (path, names, from) in uses() {
        for name in names {
            bring_one(resolved, path, name, scope, from, diagnostics);
        }
    }
    // A library brought in whole gives way to what is defined or named one by one; two such libraries
    // may not disagree, for then the order of the lines would decide.
    let mut whole: BTreeMap<String, (String, Span)> = BTreeMap::new();
    let mut shared: BTreeMap<(u32, u32), (Span, Span, Vec<String>)> = BTreeMap::new();
    for (path, _, from) in uses().filter(|(_, names, _)| names.is_empty()) {
        for (name, id) in resolved.scopes[from].names.clone() {
            if resolved.scopes[scope].names.contains_key(&name) {
                continue;
            }
            match whole.get(&name) {
                Some((other, first)) if *other != id => {
                    let key = (path.span.start, first.start);
                    shared.entry(key).or_insert((path.span, *first, Vec::new())).2.push(name);
                }
                _ => {
                    whole.insert(name, (id, path.span));
                }
            }
        }
    }
    for (again, first, names) in shared.into_values() {
        let message = format!("two libraries bring in {}", some_of(names.iter().map(String::as_str)));
        diagnostics.push(
            Diagnostic::error("already-defined", message)
                .label(again, "brought in whole")
                .label(first, "brought in whole too")
                .help("say which names are meant: use LIBRARY (NAME, …)"),
        );
    }
    for (name, (id, _)) in whole {
        resolved.scopes[scope].names.insert(name, id);
    }
}

/// Names that count where nobody else has them. Of two libraries with the same name the first one counts.
fn bring_by_default(
    resolved: &mut Resolved,
    (path, names): (&Name, &[Name]),
    scope: ScopeId,
    from: ScopeId,
    diagnostics: &mut Diagnostics,
) {
    let offered = resolved.scopes[from].names.clone();
    for name in names.iter().filter(|name| !offered.contains_key(&name.text)) {
        let message = format!("`{}` has nothing called `{}`", path.text, name.text);
        diagnostics.push(
            Diagnostic::error("unknown-name", message)
                .label(name.span, "not found")
                .help(format!("it has {}", some_of(offered.keys().map(String::as_str)))),
        );
    }
    for (name, id) in offered {
        if names.is_empty() || names.iter().any(|wanted| wanted.text == name) {
            resolved.scopes[scope].defaults.entry(name).or_insert(id);
        }
    }
}

fn bring_one(
    resolved: &mut Resolved,
    path: &Name,
    name: &Name,
    scope: ScopeId,
    from: ScopeId,
    diagnostics: &mut Diagnostics,
) {
    if resolved.quantities.contains_key(&name.text) && !resolved.scopes[from].names.contains_key(&name.text) {
        return; // quantities are seen from everywhere; naming one is harmless
    }
    let Some(id) = resolved.scopes[from].names.get(&name.text).cloned() else {
        let message = format!("`{}` has nothing called `{}`", path.text, name.text);
        let mut diagnostic = Diagnostic::error("unknown-name", message).label(name.span, "not found");
        resolved.scopes[scope].lost.insert(name.text.clone());
        let known = &resolved.scopes[from].names;
        if let Some(near) = nearest(&name.text, known.keys().map(String::as_str)).map(str::to_string) {
            diagnostic = diagnostic.help(format!("did you mean `{near}`?")).fix(name.span, near.clone());
            // Whoever uses the name that was meant is not told again.
            let id = known[&near].clone();
            resolved.scopes[scope].names.entry(near).or_insert(id);
        } else {
            diagnostic = diagnostic.help(format!("it has {}", some_of(known.keys().map(String::as_str))));
        }
        diagnostics.push(diagnostic);
        return;
    };
    let names = &mut resolved.scopes[scope].names;
    match names.get(&name.text) {
        Some(other) if *other != id => {
            let other = &resolved.definitions[other];
            let text = match &other.library {
                Some(library) => format!("`{library}` has another"),
                None => "defined here".to_string(),
            };
            let message = format!("`{}` would stand for two things", name.text);
            diagnostics.push(
                Diagnostic::error("already-defined", message)
                    .label(name.span, format!("brought in from `{}`", path.text))
                    .label(other.name.span, text)
                    .help(format!("take `{}` out of one `use`, or give yours another name", name.text)),
            );
        }
        _ => {
            names.insert(name.text.clone(), id);
        }
    }
}

/// The first names of many, for a message.
fn some_of<'a>(names: impl Iterator<Item = &'a str>) -> String {
    const SHOWN: usize = 16;
    let names: Vec<&str> = names.collect();
    let more = if names.len() > SHOWN { ", …" } else { "" };
    format!("{}{more}", names[..names.len().min(SHOWN)].join(", "))
}

fn twice(name: &str, again: Span, first: Span) -> Diagnostic {
    Diagnostic::error("already-defined", format!("`{name}` is defined twice"))
        .label(again, "defined again")
        .label(first, "first defined here")
        .help("give one of them another name")
}

/// The name under which an item is found, for items that are values, levels, grids or kinds.
pub fn defined_name(item: &Item) -> Option<&Name> {
    match &item.kind {
        ItemKind::Grid { name, .. }
        | ItemKind::Levels { name, .. }
        | ItemKind::Quantity { name, .. }
        | ItemKind::Variable { name, .. }
        | ItemKind::Derive { name, .. }
        | ItemKind::Constraint { name, .. }
        | ItemKind::Loss { name, .. } => Some(name),
        ItemKind::Block(block) if block.kind.text == "head" => block.name.as_ref(),
        _ => None,
    }
}
