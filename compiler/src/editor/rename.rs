//! Another name for something, everywhere it is used; refused where that would change what a recipe means.

use std::fmt;

use aurora_grammar::tree::ItemKind;

use super::occurrence::Target;
use super::{Analysis, Place, Reference};
use crate::resolve::Definition;
use crate::vocabulary::{self, values};

/// Why something keeps its name.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Refusal(pub String);

impl fmt::Display for Refusal {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl std::error::Error for Refusal {}

/// The word at an offset, if it can be renamed.
///
/// # Errors
/// What is no name, and names that belong to a library or that something outside the recipe knows.
pub fn renamable(analysis: &Analysis, offset: usize) -> Result<Place, Refusal> {
    let found = analysis.at(offset).ok_or_else(|| refusal("there is no name here"))?;
    let uses = analysis.uses(&found.target);
    match &found.target {
        Target::Unit(_) | Target::Word(..) => return Err(refusal("this is a word of the language")),
        Target::Library(_) => return Err(refusal("a library's name is the compiler's")),
        Target::Parent(_) => return Err(refusal("this is the name of a file")),
        Target::Local(..) | Target::Block(..) => {}
        Target::Quantity(name) => in_this_recipe(name, analysis.resolved.quantities.get(name))?,
        Target::Definition(id) => {
            let definition = analysis.resolved.definitions.get(id);
            let name = definition.map_or(id.as_str(), |d| d.name.text.as_str());
            in_this_recipe(name, definition)?;
            if let Some(ItemKind::Variable { from: None, .. }) = definition.map(|d| &d.item.kind) {
                return Err(Refusal(format!(
                    "without `from \"…\"`, `{name}` is also the name of the field in the archive"
                )));
            }
        }
    }
    if let Some(library) = uses.iter().find_map(|u| Analysis::library_of(&u.place.file)) {
        return Err(Refusal(format!("`{library}` knows it by this name")));
    }
    if uses.iter().filter(|u| u.defines).count() != 1 {
        return Err(refusal("this name is given in two places"));
    }
    analysis.place(found.span).ok_or_else(|| refusal("there is no name here"))
}

fn refusal(text: &str) -> Refusal {
    Refusal(text.to_string())
}

fn in_this_recipe(name: &str, definition: Option<&Definition>) -> Result<(), Refusal> {
    match definition.and_then(|definition| definition.library.as_ref()) {
        Some(library) => {
            Err(Refusal(format!("`{name}` belongs to `{library}`, which this recipe only uses")))
        }
        None => Ok(()),
    }
}

/// Every place that has to change for the word at an offset to be called `new`, in the recipe and its parents.
///
/// # Errors
/// As [`renamable`]; besides, names that are taken, reserved, or no names.
pub fn rename(analysis: &Analysis, offset: usize, new: &str) -> Result<Vec<Reference>, Refusal> {
    renamable(analysis, offset)?;
    let target = &analysis.at(offset).ok_or_else(|| refusal("there is no name here"))?.target;
    let starts = new.starts_with(|c: char| c.is_ascii_alphabetic());
    if !starts || !new.chars().all(|c| c.is_ascii_alphanumeric() || c == '_') {
        return Err(Refusal(format!("`{new}` is no name: letters, digits and `_`, a letter first")));
    }
    let words = vocabulary::JOINTS.iter().chain(vocabulary::OTHERS).chain(&["amend", "drop"]);
    let mut values =
        [values::FUNCTIONS, values::MEASURES, values::ROLES, vocabulary::GROUPS].into_iter().flatten();
    if words.copied().any(|word| word == new) || values.any(|word| word.word == new) {
        return Err(Refusal(format!("`{new}` is a word of the language")));
    }
    let local = analysis.sources.files().any(|file| {
        analysis.occurrences_in(file).iter().any(|o| match &o.target {
            Target::Local(name, _) => name == new,
            Target::Block(word, name) => {
                name == new && matches!(target, Target::Block(mine, _) if mine == word)
            }
            _ => false,
        })
    });
    if local || !matches!(target, Target::Block(..)) && analysis.is_taken(new) {
        return Err(Refusal(format!("`{new}` stands for something else already")));
    }
    Ok(analysis.uses(target))
}
