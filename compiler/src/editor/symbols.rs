//! The items of a text, for an outline.

use aurora_grammar::Span;
use aurora_grammar::tree::{Entry, Item, ItemKind, Name};

use super::{Analysis, Place};

/// An item of the outline and what lies within it.
#[derive(Clone, Debug)]
pub struct Symbol {
    pub name: String,
    pub kind: SymbolKind,
    /// The item's title, or what is written after its name.
    pub detail: String,
    pub whole: Place,
    /// The name itself; it lies within `whole`.
    pub name_place: Place,
    pub children: Vec<Symbol>,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum SymbolKind {
    Use,
    Quantity,
    Grid,
    Levels,
    Variable,
    Constant,
    Derive,
    Function,
    Constraint,
    Loss,
    Block,
    /// `amend` and `drop`.
    Change,
}

/// The outline of a text, in its order.
#[must_use]
pub fn symbols(analysis: &Analysis) -> Vec<Symbol> {
    analysis.tree.items.iter().filter_map(|item| symbol(analysis, item, item.span)).collect()
}

/// `whole` is the span of the outermost `amend` around the item.
fn symbol(analysis: &Analysis, item: &Item, whole: Span) -> Option<Symbol> {
    let detail =
        |title: &Option<Name>, word: &str| title.as_ref().map_or(word.to_string(), |t| t.text.clone());
    let (name, kind, detail) = match &item.kind {
        ItemKind::Use { path, .. } => (path.clone(), SymbolKind::Use, "use".to_string()),
        ItemKind::Amend(inner) => {
            let mut symbol = symbol(analysis, inner, whole)?;
            symbol.detail = format!("amend {}", symbol.detail);
            symbol.kind = SymbolKind::Change;
            return Some(symbol);
        }
        ItemKind::Drop { kind, name } => (name.clone(), SymbolKind::Change, format!("drop {}", kind.text)),
        ItemKind::Grid { name, title, .. } => (name.clone(), SymbolKind::Grid, detail(title, "grid")),
        ItemKind::Levels { name, title, .. } => (name.clone(), SymbolKind::Levels, detail(title, "levels")),
        ItemKind::Quantity { name, title, .. } => {
            (name.clone(), SymbolKind::Quantity, detail(title, "quantity"))
        }
        ItemKind::Variable { name, title, ty, .. } => {
            let shown = ty.as_ref().map_or("variable", |ty| analysis.sources.slice(ty.span));
            (name.clone(), SymbolKind::Variable, detail(title, shown))
        }
        ItemKind::Derive { name, parameters, title, ty, .. } => {
            let kind = match (parameters.is_empty(), ty) {
                (false, _) => SymbolKind::Function,
                (true, None) => SymbolKind::Constant,
                (true, Some(_)) => SymbolKind::Derive,
            };
            let shown = ty.as_ref().map_or("derive", |ty| analysis.sources.slice(ty.span));
            (name.clone(), kind, detail(title, shown))
        }
        ItemKind::Constraint { name, title, .. } => {
            (name.clone(), SymbolKind::Constraint, detail(title, "constraint"))
        }
        ItemKind::Loss { name, title, .. } => (name.clone(), SymbolKind::Loss, detail(title, "loss")),
        ItemKind::Block(block) => {
            let name = block.name.clone().unwrap_or_else(|| block.kind.clone());
            (name, SymbolKind::Block, detail(&block.title, &block.kind.text))
        }
    };
    let children = match &item.kind {
        ItemKind::Block(block) => inner(analysis, &block.block.entries),
        _ => Vec::new(),
    };
    let whole = whole.to(name.span);
    Some(Symbol {
        name: name.text,
        kind,
        detail,
        whole: analysis.place(whole)?,
        name_place: analysis.place(name.span)?,
        children,
    })
}

fn inner(analysis: &Analysis, entries: &[Entry]) -> Vec<Symbol> {
    let items = entries.iter().filter_map(|entry| match entry {
        Entry::Item(item) => Some(item),
        Entry::Clause(_) => None,
    });
    items.filter_map(|item| symbol(analysis, item, item.span)).collect()
}
