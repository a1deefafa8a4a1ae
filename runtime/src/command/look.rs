//! How data are printed: colour and width for terminals, neither for pipes.

use std::io::IsTerminal;

use aurora_grammar::Style;

/// Columns of a page that goes into a file or a pipe.
const WIDTH: usize = 100;

/// For stdout. `NO_COLOR`, if set and not empty, is honoured.
pub fn stdout() -> Style {
    let terminal = std::io::stdout().is_terminal();
    let plain = std::env::var_os("NO_COLOR").is_some_and(|value| !value.is_empty());
    let width = match terminal_size::terminal_size() {
        Some((width, _)) if terminal => usize::from(width.0),
        _ => WIDTH,
    };
    Style { color: terminal && !plain, width, unicode: true }
}
