//! Recipes with a few things changed that keep the shape of the language: words for words, lines for lines.

use std::path::{Path, PathBuf};

use bolero::TypeGenerator;

/// One change: what is done, where, and with what. Places are taken modulo what there is.
#[derive(Clone, Copy, Debug, TypeGenerator)]
pub struct Mutation {
    pub place: u16,
    pub kind: u8,
    pub from: u16,
}

/// What a mutation may put in: words of the language, and numbers at the edges of what can be said.
const WORDS: [&str; 64] = [
    "0",
    "1",
    "-1",
    "1e308",
    "1e-320",
    "4294967296",
    "18446744073709551616",
    "0.1",
    "1_000",
    "[",
    "]",
    "(",
    ")",
    "{",
    "}",
    "{ }",
    ",",
    "..",
    "->",
    "=",
    "<=",
    ">=",
    "+",
    "-",
    "*",
    "/",
    "^ 2",
    "^ -0.5",
    "^ 1e9",
    "km",
    "K",
    "dBZ",
    "m²/s²",
    "%",
    "°C",
    "hPa",
    "1 h",
    "[]",
    "[1, 2, 3] km",
    "at pl",
    "at 500 hPa",
    "over 1 .. 2 km",
    "within 24 km",
    "when",
    "by",
    "of",
    "as",
    "scan pl upward {",
    "iterate 3 { start x = 1; step x = x }",
    "start a = t",
    "step a = a + here",
    "amend",
    "drop",
    "member",
    "where {",
    "truth(refc)",
    "chance(refc >= 40 dBZ)",
    "\"text\"",
    "\"",
    "# remark",
    ";",
    "2019-01-01",
    "9999-12-31",
    "microsoft/aurora",
];

/// Recipes of the repository to begin with, in one order everywhere.
pub fn bases() -> Vec<String> {
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("..");
    let mut folders: Vec<PathBuf> =
        ["recipes", "grammar/tests/recipes", "tests/fuzz/corpus", "tests/ui", "tests/plan", "tests/cli"]
            .iter()
            .map(|folder| root.join(folder))
            .collect();
    let mut paths = Vec::new();
    while let Some(folder) = folders.pop() {
        for entry in std::fs::read_dir(folder).into_iter().flatten().flatten() {
            let path = entry.path();
            if path.is_dir() {
                folders.push(path);
            } else if path.extension().is_some_and(|extension| extension == "aurora") {
                paths.push(path);
            }
        }
    }
    paths.sort();
    assert!(paths.len() > 100, "the recipes were not found");
    paths
        .iter()
        .map(|path| String::from_utf8_lossy(&std::fs::read(path).expect("is there")).into_owned())
        .collect()
}

/// A recipe after some mutations; it never grows beyond a few times its length.
pub fn mutated(bases: &[String], base: u16, mutations: &[Mutation]) -> String {
    let mut words = pieces(&bases[base as usize % bases.len()]);
    for (number, mutation) in mutations.iter().take(64).enumerate() {
        if words.is_empty() {
            break;
        }
        let at = (mutation.place as usize).wrapping_mul(31).wrapping_add(number) % words.len();
        let other = mutation.from as usize % words.len();
        match mutation.kind % 12 {
            0 => drop(words.remove(at)),
            1 => words.insert(at, words[other].clone()),
            2 => words.swap(at, other),
            3 => words[at] = words[other].clone(),
            4 | 5 => words[at] = WORDS[mutation.from as usize % WORDS.len()].to_string(),
            6 => words.insert(at, format!(" {} ", WORDS[mutation.from as usize % WORDS.len()])),
            7 => {
                let donor = pieces(&bases[mutation.from as usize % bases.len()]);
                words[at] =
                    donor.get(mutation.place as usize % donor.len().max(1)).cloned().unwrap_or_default();
            }
            8 => line_from(&mut words, at, bases, mutation),
            9 => {
                let end = line_end(&words, at);
                words.drain(at..end);
            }
            10 => {
                let end = line_end(&words, at);
                let line: Vec<String> = words[at..end].to_vec();
                words.splice(other..other, line);
            }
            _ => words[at] = nested(mutation.from),
        }
    }
    words.concat()
}

/// A line of another recipe, put in before a line.
fn line_from(words: &mut Vec<String>, at: usize, bases: &[String], mutation: &Mutation) {
    let donor = &bases[mutation.from as usize % bases.len()];
    let lines: Vec<&str> = donor.lines().collect();
    let Some(line) = lines.get(mutation.place as usize % lines.len().max(1)) else { return };
    let end = line_end(words, at);
    words.insert(end, format!("\n{line}\n"));
}

fn line_end(words: &[String], at: usize) -> usize {
    words[at..].iter().position(|word| word.contains('\n')).map_or(words.len(), |length| at + length + 1)
}

/// Brackets and blocks within one another.
fn nested(from: u16) -> String {
    let depth = from as usize % 60;
    let (open, close) = [("(", ")"), ("[", "]"), ("f(", ")"), ("iterate 2 { start a = ", " }"), ("-(", ")")]
        [from as usize % 5];
    format!("{}1{}", open.repeat(depth), close.repeat(depth))
}

/// A text cut into words, numbers, marks, and blanks between them; joined they are the text.
fn pieces(text: &str) -> Vec<String> {
    let kind = |c: char| match c {
        _ if c.is_alphanumeric() || c == '_' || c == '.' => 0,
        '\n' => 1,
        _ if c.is_whitespace() => 2,
        _ => 3,
    };
    let mut found: Vec<String> = Vec::new();
    let mut last = None;
    for character in text.chars() {
        let this = kind(character);
        match found.last_mut() {
            Some(piece) if last == Some(this) && this != 3 => piece.push(character),
            _ => found.push(character.to_string()),
        }
        last = Some(this);
    }
    found
}
