//! `aurorac fmt [--check] FILES…`: lays recipes out.

use std::fs;
use std::io::Read;
use std::path::{Path, PathBuf};

use aurora_grammar::{Diagnostics, SourceMap, format, parse};

use crate::durable;
use crate::run::{Failure, Format, show};
use crate::talk::say;

/// The largest recipe that is read, in bytes: spans count in 32 bits, and no recipe comes near.
const LARGEST: u64 = 64 << 20;

#[derive(Clone, Debug, clap::Args)]
pub struct Arguments {
    /// Recipes to lay out in place; `-` or none reads stdin and writes stdout
    files: Vec<PathBuf>,
    /// Change nothing; name the files that would change, and fail if there are any
    #[arg(long)]
    check: bool,
}

/// Lays out each file; one that cannot be read is told and left alone, and the others are still done.
///
/// # Errors
/// If a file cannot be read or written, or with `--check` if one would change.
pub fn run(arguments: &Arguments) -> Result<(), Failure> {
    let standard = [PathBuf::from("-")];
    let files = if arguments.files.is_empty() { &standard[..] } else { &arguments.files };
    let mut fine = true;
    for file in files {
        let done = if file.as_os_str() == "-" { stdin(arguments.check) } else { one(file, arguments.check) };
        match done {
            Ok(kept) => fine &= kept,
            Err(Failure::Wrong(message)) => {
                if let Some(message) = message {
                    say(&format!("error: {message}"));
                }
                fine = false;
            }
            Err(signal) => return Err(signal),
        }
    }
    if fine { Ok(()) } else { Err(Failure::Wrong(None)) }
}

fn stdin(check: bool) -> Result<bool, Failure> {
    let mut bytes = Vec::new();
    std::io::stdin().lock().take(LARGEST + 1).read_to_end(&mut bytes)?;
    let text = decoded("stdin", bytes)?;
    let shown = laid_out("stdin", &text)?;
    if check {
        return Ok(same("stdin", &text, &shown));
    }
    super::print(&shown)?;
    Ok(true)
}

fn one(path: &Path, check: bool) -> Result<bool, Failure> {
    let name = path.display().to_string();
    let refused = |why: &str| Failure::because(format!("{name} cannot be read: {why}"));
    let size = fs::metadata(path).map_err(|error| refused(&error.to_string()))?.len();
    if size > LARGEST {
        return Err(refused("it is no recipe, for it has more than 64 MiB"));
    }
    let text = decoded(&name, fs::read(path).map_err(|error| refused(&error.to_string()))?)?;
    let shown = laid_out(&name, &text)?;
    if check {
        return Ok(same(&name, &text, &shown));
    }
    if shown != text {
        // Through a link: the file behind it is replaced, not the link.
        durable::write(&fs::canonicalize(path)?, shown.as_bytes())?;
    }
    Ok(true)
}

fn decoded(name: &str, bytes: Vec<u8>) -> Result<String, Failure> {
    if bytes.len() as u64 > LARGEST {
        return Err(Failure::because(format!("{name} is no recipe, for it has more than 64 MiB")));
    }
    String::from_utf8(bytes).map_err(|error| {
        let at = error.utf8_error().valid_up_to();
        Failure::because(format!("{name} is no text in UTF-8 from byte {at} on"))
    })
}

/// The text laid out; what keeps it from being read is drawn.
fn laid_out(name: &str, text: &str) -> Result<String, Failure> {
    format(text).map_err(|_| {
        let mut sources = SourceMap::new();
        let file = sources.add(name, text);
        let mut found = Diagnostics::new();
        parse(file, &sources, &mut found);
        show(&found, &sources, Format::Human);
        Failure::Wrong(None)
    })
}

/// Whether a text is laid out already; if not, says in which line it differs first.
fn same(name: &str, text: &str, shown: &str) -> bool {
    if text == shown {
        return true;
    }
    // Line ends count: `lines` would not see them.
    let pairs = text.split('\n').zip(shown.split('\n'));
    let line = 1 + pairs.take_while(|(old, new)| old == new).count();
    say(&format!("{name}:{line}: would be laid out anew"));
    let quoted = |sign: &str, text: &str| {
        if let Some(shown) = text.split('\n').nth(line - 1) {
            say(&format!("  {sign} {}", shown.trim_end_matches('\r')));
        }
    };
    quoted("-", text);
    quoted("+", shown);
    false
}
