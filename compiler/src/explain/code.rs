//! `aurorac explain CODE`: the page of the manual about a diagnostic.

use aurora_grammar::Style;

use super::page::{Tone, paint};
use crate::manual;

/// The page of a code, for a terminal; nothing if there is no such code.
pub fn page(code: &str, style: Style) -> Option<String> {
    Some(drawn(manual::page(code)?, style))
}

/// Markdown as people read it on a terminal: headings and code stand out, the fences are gone.
fn drawn(markdown: &str, style: Style) -> String {
    let mut out = String::new();
    let mut code = false;
    for line in markdown.lines() {
        if line.starts_with("```") {
            code = !code;
            continue;
        }
        if code {
            out.push_str("    ");
            paint(Tone::Changed, line, style, &mut out);
        } else if let Some(heading) = line.strip_prefix('#') {
            paint(Tone::Strong, heading.trim_start_matches('#').trim(), style, &mut out);
        } else {
            out.push_str(&line.replace("**", ""));
        }
        out.push('\n');
    }
    out
}
