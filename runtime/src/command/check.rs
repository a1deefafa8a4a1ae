//! `aurorac check RECIPE`: says what is wrong, or nothing; with `--fix` it first repairs what it can.

use std::fs;
use std::path::Path;

use aurora_compiler::{Compilation, compile};
use aurora_grammar::{Diagnostic, Fix};
use serde_json::json;

use super::RecipeArgument;
use crate::durable;
use crate::run::{Failure, Format, Recipe, recipe_file, recipe_text};
use crate::site::Site;

/// A cure may bring another mistake to light, whose cure another; this often and no more.
const MOST_ROUNDS: usize = 10;

#[derive(Clone, Debug, clap::Args)]
pub struct Arguments {
    #[command(flatten)]
    pub recipe: RecipeArgument,
    /// Apply the suggestions that a machine can apply, and say which
    #[arg(long)]
    pub fix: bool,
}

pub fn run(arguments: &Arguments) -> Result<(), Failure> {
    if arguments.fix {
        fix(&arguments.recipe.recipe, arguments.recipe.format)?;
    }
    Recipe::open(&arguments.recipe.recipe, arguments.recipe.format).map(|_| ())
}

/// One replacement that was made.
#[derive(Clone, Debug, PartialEq, Eq)]
struct Repair {
    code: &'static str,
    place: String,
    line: usize,
    column: usize,
    before: String,
    after: String,
}

/// Repairs the file, whole or not at all, and prints what was done. Only the recipe itself is touched: never a
/// parent, never a library.
fn fix(path: &Path, format: Format) -> Result<(), Failure> {
    if path.is_dir() {
        return Err(Failure::because("an artefact is not repaired; repair its recipe and build it again"));
    }
    let path = recipe_file(path);
    let text = recipe_text(&path)?;
    let site = Site::find(Some(&path)).map_err(Failure::because)?;
    let name = path.display().to_string();
    let (repaired, repairs) = repaired(&name, &text, |text| compile(&name, text, &site));
    if repairs.is_empty() {
        return Ok(());
    }
    if recipe_text(&path)? != text {
        return Err(Failure::because(format!(
            "{name} was changed by somebody else meanwhile; nothing was repaired"
        )));
    }
    // Through a link, the file behind it; with the rights it had.
    let file = fs::canonicalize(&path)?;
    let rights = fs::metadata(&file)?.permissions();
    durable::write(&file, repaired.as_bytes())?;
    fs::set_permissions(&file, rights)?;
    super::print(&repairs.iter().map(|repair| shown(repair, format)).collect::<String>())
}

/// The text with every cure applied that does not make things worse, and the cures in the order made.
fn repaired(name: &str, text: &str, compile: impl Fn(&str) -> Compilation) -> (String, Vec<Repair>) {
    let mut text = text.to_string();
    let mut repairs = Vec::new();
    let mut compilation = compile(&text);
    for _ in 0..MOST_ROUNDS {
        let (next, round) = one_round(name, &text, &compilation);
        if round.is_empty() || next == text {
            break;
        }
        let after = compile(&next);
        if after.diagnostics.len() > compilation.diagnostics.len() + round.len() {
            break; // it brings more to light than it cures: a person should look
        }
        text = next;
        repairs.extend(round);
        compilation = after;
    }
    (text, repairs)
}

/// Every fix of one compilation that lies in the recipe and touches no other.
fn one_round(name: &str, text: &str, compilation: &Compilation) -> (String, Vec<Repair>) {
    let sources = &compilation.sources;
    let mut fixes: Vec<(&Diagnostic, &Fix)> =
        compilation.diagnostics.iter().filter_map(|d| Some((d, d.fix.as_ref()?))).collect();
    fixes.sort_by_key(|(_, fix)| (fix.span.start, fix.span.end));
    let mut made = Vec::new();
    let mut out = String::new();
    let mut from = 0;
    for (diagnostic, fix) in fixes {
        // The recipe is the first file, so that its offsets are those of the source map.
        let (start, end) = (fix.span.start as usize, fix.span.end as usize);
        let Some(before) = text.get(start..end) else { continue };
        let Some(place) = sources.locate(fix.span).filter(|place| place.file == name) else { continue };
        if start < from || !made.is_empty() && start == from && start == end {
            continue;
        }
        out.push_str(&text[from..start]);
        out.push_str(&fix.replacement);
        from = end;
        made.push(Repair {
            code: diagnostic.code,
            place: place.file.to_string(),
            line: place.line,
            column: place.column,
            before: before.to_string(),
            after: fix.replacement.clone(),
        });
    }
    out.push_str(&text[from..]);
    (out, made)
}

fn shown(repair: &Repair, format: Format) -> String {
    let Repair { code, place, line, column, before, after } = repair;
    if format == Format::Json {
        let line = json!({
            "fixed": code, "file": place, "line": line, "column": column, "before": before, "after": after,
        });
        return format!("{line}\n");
    }
    let one_line = |text: &str| {
        if text.is_empty() {
            "nothing".to_string()
        } else {
            format!("`{}`", text.trim().replace('\n', " ⏎ "))
        }
    };
    format!("{place}:{line}:{column}: {} → {}  ({code})\n", one_line(before), one_line(after))
}
