//! Words for the person who waits: they go to stderr, and nothing depends on whether anybody reads them.
//! A reader that has gone away (`2>&1 | head`) must not end a training of many hours.

use std::io::Write;

/// Says a line.
pub fn say(line: &str) {
    tell(&format!("{line}\n"));
}

/// What went wrong with a file, in words: the number that the system has for it helps nobody.
pub fn reason(error: &std::io::Error) -> String {
    let said = error.to_string();
    said.split(" (os error").next().map_or_else(|| said.clone(), str::to_string)
}

/// Says a text that ends its own lines.
pub fn tell(text: &str) {
    let _ = std::io::stderr().write_all(text.as_bytes());
}
