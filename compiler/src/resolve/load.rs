//! Reads a recipe, the chain of recipes it extends, and every library any of them uses.

use std::collections::BTreeMap;

use aurora_grammar::tree::{File, Header, HeaderKind, Item, ItemKind, Name};
use aurora_grammar::{Diagnostic, Diagnostics, FileId, SourceMap, nearest, parse};

use super::vary;
use crate::library;
use crate::site::Site;

/// Parents of parents that are still read; a file that goes by two names may hide a cycle.
const MOST_PARENTS: usize = 16;

/// The recipe with its parents merged in, and its libraries.
#[derive(Debug)]
pub struct Loaded {
    pub header: Option<Header>,
    pub items: Vec<Item>,
    /// In alphabetical order, so nothing depends on the order of `use`.
    pub libraries: BTreeMap<String, File>,
}

pub fn load(file: FileId, site: &dyn Site, sources: &mut SourceMap, diagnostics: &mut Diagnostics) -> Loaded {
    let mut trail = Vec::new();
    let recipe = read(file, site, sources, diagnostics, &mut trail);
    let mut libraries = BTreeMap::new();
    read_libraries(&recipe.items, sources, diagnostics, &mut libraries);
    if recipe.header.is_none() {
        let start = sources.base(file);
        diagnostics.push(
            Diagnostic::error("missing-header", "this recipe has no name")
                .label(aurora_grammar::Span::new(start, start), "a recipe begins with its title")
                .help("aurora 1.0\nrecipe NAME \"what it is about\""),
        );
    }
    if let Some(header) = recipe.header.as_ref().filter(|h| h.kind == HeaderKind::Library) {
        diagnostics.push(
            Diagnostic::error(
                "library-as-recipe",
                format!("`{}` is a library, not a recipe", header.name.text),
            )
            .label(header.span, "a library describes; it trains nothing")
            .help(format!("use it from a recipe: use {} (…)", header.name.text)),
        );
    }
    Loaded { header: recipe.header, items: recipe.items, libraries }
}

/// Parses one recipe and, if it extends another, lays it over that one.
fn read(
    file: FileId,
    site: &dyn Site,
    sources: &mut SourceMap,
    diagnostics: &mut Diagnostics,
    trail: &mut Vec<String>,
) -> File {
    trail.push(sources.name(file).to_string());
    let mut recipe = parse(file, sources, diagnostics);
    let parent = recipe.header.as_ref().and_then(|h| h.extends.clone());
    let inherited = match parent {
        None => Vec::new(),
        Some(path) => read_parent(&path, site, sources, diagnostics, trail),
    };
    recipe.items = vary::apply(inherited, recipe.items, diagnostics);
    recipe
}

fn read_parent(
    path: &Name,
    site: &dyn Site,
    sources: &mut SourceMap,
    diagnostics: &mut Diagnostics,
    trail: &mut Vec<String>,
) -> Vec<Item> {
    let from = trail.last().cloned().unwrap_or_default();
    match site.recipe(&from, &path.text) {
        Err(reason) => {
            let message = format!("the recipe `{}` cannot be read", path.text);
            diagnostics.push(Diagnostic::error("missing-recipe", message).label(path.span, reason).help(
                "the path is taken from the folder of the recipe that extends it, for instance: extends \"quickstart.aurora\"",
            ));
            Vec::new()
        }
        Ok((name, _)) if trail.contains(&name) => {
            let message = match trail.len() {
                1 => format!("`{name}` extends itself"),
                _ => format!("`{name}` extends itself: {} → {name}", trail.join(" → ")),
            };
            diagnostics.push(
                Diagnostic::error("extends-cycle", message)
                    .label(path.span, "this leads back to where it began")
                    .help("a recipe has one parent, and no parent is its own descendant"),
            );
            Vec::new()
        }
        Ok((name, _)) if trail.len() > MOST_PARENTS => {
            let message = format!("`{name}` is one parent too many");
            diagnostics.push(
                Diagnostic::error("extends-cycle", message)
                    .label(path.span, format!("behind {MOST_PARENTS} others"))
                    .help(
                        "copy what is needed from the farthest parents, or look for one that extends itself",
                    ),
            );
            Vec::new()
        }
        Ok((name, text)) => {
            let file = sources.add(name, text);
            read(file, site, sources, diagnostics, trail).items
        }
    }
}

fn read_libraries(
    items: &[Item],
    sources: &mut SourceMap,
    diagnostics: &mut Diagnostics,
    libraries: &mut BTreeMap<String, File>,
) {
    for item in items {
        let ItemKind::Use { path, .. } = &item.kind else { continue };
        if libraries.contains_key(&path.text) {
            continue;
        }
        let Some(text) = library::text(&path.text) else {
            let message = format!("there is no library `{}`", path.text);
            let mut diagnostic = Diagnostic::error("unknown-library", message).label(path.span, "not found");
            let names = library::LIBRARIES.iter().map(|(name, _)| *name);
            if let Some(near) = nearest(&path.text, names.clone()) {
                diagnostic = diagnostic.help(format!("did you mean `{near}`?")).fix(path.span, near);
            } else {
                diagnostic = diagnostic.help(format!("there are {}", names.collect::<Vec<_>>().join(", ")));
            }
            diagnostics.push(diagnostic);
            continue;
        };
        let name = format!("{}.aurora", path.text.replace('.', "/"));
        let file = sources.add(name, text);
        let parsed = parse(file, sources, diagnostics);
        let items = parsed.items.clone();
        libraries.insert(path.text.clone(), parsed);
        read_libraries(&items, sources, diagnostics, libraries);
    }
}
