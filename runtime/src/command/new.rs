//! `aurorac new NAME`.

use std::path::Path;

use crate::durable;
use crate::run::Failure;
use crate::talk::say;

/// The recipe a newcomer begins with: the quickstart, under another name.
const TEMPLATE: &str = include_str!("../../../recipes/quickstart.aurora");

pub fn run(name: &str) -> Result<(), Failure> {
    let word = name.strip_suffix(".aurora").unwrap_or(name);
    let fits = word.starts_with(|c: char| c.is_ascii_alphabetic())
        && word.chars().all(|c| c.is_ascii_alphanumeric() || c == '_');
    if !fits {
        let message =
            format!("`{word}` is no name for a recipe; use letters, digits and `_`, a letter first");
        return Err(Failure::because(message));
    }
    let path = format!("{word}.aurora");
    if Path::new(&path).exists() {
        return Err(Failure::because(format!("{path} is already there; choose another name")));
    }
    let text = TEMPLATE.replacen("recipe quickstart", &format!("recipe {word}"), 1);
    durable::write(Path::new(&path), text.as_bytes())?;
    super::print(&format!("{path}\n"))?;
    say(&format!("next: aurorac check {path}"));
    Ok(())
}
