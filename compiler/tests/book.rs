//! The book under `docs/`: its generated chapters are what the compiler's own tables say, and every `aurora` block
//! in it is compiled. To write the generated chapters again: `AURORAC_WRITE=1 cargo test --test book`.
//!
//! What stands behind `aurora` on a block's first line says how it is read:
//! - nothing: a whole recipe, without error or warning;
//! - `fragment`: what a recipe adds to `recipes/1-extend.aurora`, without error;
//! - `fails=CODE`: such an addition, that has an error of this code.

mod desk;

use std::fmt::Write as _;
use std::path::PathBuf;

use aurora_compiler::{manual, vocabulary};
use aurora_grammar::Severity;
use desk::{beside_the_recipes, drawn, repository};

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
        let compilation = beside_the_recipes(&text);
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
    generated("errors.md", &errors());
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

/// The pages that `aurorac explain CODE` prints, one behind the other.
fn errors() -> String {
    let mut text = String::from(
        "# Every error\n\nWritten by a test from the pages that `aurorac explain CODE` prints. `aurorac check --fix` \
         applies the cures that are obvious.\n",
    );
    for code in manual::codes() {
        let page = manual::page(code).unwrap_or_default();
        // One heading deeper than in the terminal, and none within a snippet.
        let mut fenced = false;
        text.push('\n');
        for line in page.trim_end().lines() {
            fenced ^= line.starts_with("```");
            let deeper = !fenced && line.starts_with('#');
            let _ = writeln!(text, "{}{line}", if deeper { "#" } else { "" });
        }
    }
    text
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
    let _ = writeln!(text, "\n## Options of `architecture`\n");
    let _ = writeln!(text, "| option | says | unless said | Aurora calls it |\n|---|---|---|---|");
    for option in vocabulary::ARCHITECTURE {
        let (name, says, default, upstream) = (option.name, option.says, option.default, option.upstream);
        let upstream = if upstream.is_empty() { "–".to_string() } else { format!("`{upstream}`") };
        let _ = writeln!(text, "| `{name}` | {says} | {default} | {upstream} |");
    }
    let _ = writeln!(text, "\n## Little words\n\n{} join values.", quoted(vocabulary::JOINTS));
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
