//! The book under `docs/`: its generated chapters are what the compiler's own tables say, and every `aurora` block
//! in it is compiled. To write the generated chapters again: `AURORAC_WRITE=1 cargo test --test book`.
//!
//! What stands behind `aurora` on a block's first line says how it is read:
//! - nothing: a whole recipe, without error or warning;
//! - `fragment`: what a recipe adds to `recipes/1-extend.aurora`, without error;
//! - `fails=CODE`: such an addition, that has an error of this code.

use std::fmt::Write as _;
use std::path::{Path, PathBuf};

use aurora_compiler::site::{ArchiveIndex, Site};
use aurora_compiler::{Compilation, compile, vocabulary};
use aurora_grammar::{Severity, render};

fn repository(path: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("..").join(path)
}

/// The recipes of the repository, and the built-in world.
struct Shelf;

impl Site for Shelf {
    fn recipe(&self, _: &str, path: &str) -> Result<(String, String), String> {
        let text =
            std::fs::read_to_string(repository("recipes").join(path)).map_err(|error| error.to_string())?;
        Ok((path.into(), text))
    }

    fn archive(&self, name: &str) -> Option<ArchiveIndex> {
        let (from, to) = ("2020-01-01T00:00:00Z".parse().ok()?, "2029-12-31T23:00:00Z".parse().ok()?);
        (name == "synthetic").then_some(ArchiveIndex { fields: Vec::new(), from, to })
    }

    fn archives(&self) -> Vec<String> {
        vec!["synthetic".into()]
    }
}

/// A fenced block of a chapter.
struct Fenced {
    chapter: String,
    line: usize,
    kind: String,
    text: String,
}

fn blocks() -> Vec<Fenced> {
    let mut chapters: Vec<PathBuf> = std::fs::read_dir(repository("docs/src"))
        .expect("docs/src")
        .map(|entry| entry.expect("an entry").path())
        .filter(|path| path.extension().is_some_and(|e| e == "md"))
        .collect();
    chapters.sort();
    let mut found: Vec<Fenced> = Vec::new();
    for path in chapters {
        let chapter = path.file_name().map_or_else(String::new, |name| name.to_string_lossy().into_owned());
        if chapter == "errors.md" {
            continue; // its snippets are judged where the pages are written
        }
        let text = std::fs::read_to_string(&path).expect("a chapter");
        let mut open: Option<Fenced> = None;
        for (at, line) in text.lines().enumerate() {
            match (&mut open, line.strip_prefix("```")) {
                (None, Some(kind)) => {
                    let (chapter, kind) = (chapter.clone(), kind.to_string());
                    open = Some(Fenced { chapter, line: at + 1, kind, text: String::new() });
                }
                (Some(_), Some(_)) => found.extend(open.take()),
                (Some(block), None) => {
                    let _ = writeln!(block.text, "{line}");
                }
                (None, None) => {}
            }
        }
        assert!(open.is_none(), "{chapter}: a block is never closed");
    }
    found
}

fn drawn(compilation: &Compilation) -> String {
    let style = render::Style { color: false, width: 110, unicode: true };
    render::human(&compilation.diagnostics, &compilation.sources, style)
}

#[test]
fn every_recipe_in_the_book_is_right_or_wrong_as_it_says() {
    let (mut wrong, mut seen) = (String::new(), 0);
    for block in blocks() {
        let Some(kind) = block.kind.strip_prefix("aurora") else { continue };
        seen += 1;
        let alone = kind.is_empty();
        let text = match alone {
            true => block.text.clone(),
            false => format!("aurora 1.0\nrecipe fragment\n  extends \"1-extend.aurora\"\n\n{}", block.text),
        };
        let compilation = compile("fragment.aurora", &text, &Shelf);
        let errors = compilation.diagnostics.iter().filter(|d| d.severity == Severity::Error);
        let codes: Vec<&str> = errors.map(|d| d.code).collect();
        let right = match kind {
            "" => compilation.diagnostics.is_empty(),
            ",fragment" => codes.is_empty(),
            other => other.strip_prefix(",fails=").is_some_and(|code| codes == [code]),
        };
        if !right {
            let _ = writeln!(wrong, "{}:{} ({kind})\n{}", block.chapter, block.line, drawn(&compilation));
        }
    }
    assert!(seen > 15, "only {seen} blocks");
    assert!(wrong.is_empty(), "{wrong}");
}

#[test]
fn every_chapter_is_in_the_summary() {
    let summary = std::fs::read_to_string(repository("docs/src/SUMMARY.md")).expect("a summary");
    for entry in std::fs::read_dir(repository("docs/src")).expect("docs/src") {
        let name = entry.expect("an entry").file_name().to_string_lossy().into_owned();
        assert!(
            name == "SUMMARY.md" || summary.contains(&format!("({name})")),
            "{name} is not in the summary"
        );
    }
}

#[test]
fn the_generated_chapters_are_what_the_compiler_says() {
    generated("words.md", &words());
}

/// Compares a chapter with what it should say, or writes it.
fn generated(name: &str, text: &str) {
    let path = repository("docs/src").join(name);
    if std::env::var_os("AURORAC_WRITE").is_some() {
        std::fs::write(&path, text).expect("written");
    }
    let found = std::fs::read_to_string(&path).unwrap_or_default();
    assert_eq!(found, text, "docs/src/{name} has drifted; write it again with AURORAC_WRITE=1");
}

fn words() -> String {
    let mut text = String::from(
        "# Items, blocks and clauses\n\n\
         Written by a test from the table that the checks, the suggestions and the editors read.\n\n## Items\n\n",
    );
    table(&mut text, vocabulary::ITEMS);
    for block in vocabulary::BLOCKS {
        let _ = writeln!(text, "\n## `{}`\n\n{}.\n", block.word, sentence(block.says));
        if block.clauses.is_empty() {
            let _ = writeln!(text, "It holds `amend` and `drop` only.");
        } else {
            table(&mut text, block.clauses);
        }
    }
    let quoted = |words: &[&str]| words.iter().map(|w| format!("`{w}`")).collect::<Vec<_>>().join(", ");
    let _ = writeln!(text, "\n## Little words\n\n{} join values. ", quoted(vocabulary::JOINTS).trim_end());
    let _ = writeln!(text, "Of further meaning are {}.", quoted(vocabulary::OTHERS));
    text
}

fn table(text: &mut String, words: &[vocabulary::Word]) {
    let _ = writeln!(text, "| word | says | for instance |\n|---|---|---|");
    for word in words {
        let cell = |text: &str| text.replace('|', "\\|");
        let example = cell(&format!("{} {}", word.word, word.example));
        let _ = writeln!(text, "| `{}` | {} | `{example}` |", word.word, cell(word.says));
    }
}

/// With a capital.
fn sentence(text: &str) -> String {
    let mut letters = text.chars();
    letters.next().map_or_else(String::new, |first| first.to_uppercase().chain(letters).collect())
}
