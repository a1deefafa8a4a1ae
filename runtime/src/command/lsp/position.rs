//! Lines and columns of the protocol, and bytes of a text.

use lsp_types::{Position, Range};

/// How columns are counted; client and server agree on it when they meet.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Encoding {
    /// Bytes.
    Utf8,
    /// What every client understands: characters beyond the basic plane count two.
    #[default]
    Utf16,
}

impl Encoding {
    fn width(self, character: char) -> usize {
        match self {
            Encoding::Utf8 => character.len_utf8(),
            Encoding::Utf16 => character.len_utf16(),
        }
    }
}

/// Where each line of a text begins. `\n`, `\r\n` and `\r` end lines, as the protocol has it.
#[derive(Debug)]
pub struct Lines<'a> {
    text: &'a str,
    starts: Vec<usize>,
    encoding: Encoding,
}

impl<'a> Lines<'a> {
    pub fn new(text: &'a str, encoding: Encoding) -> Self {
        let bytes = text.as_bytes();
        let ends = bytes.iter().enumerate().filter(|(at, byte)| match **byte {
            b'\n' => true,
            b'\r' => bytes.get(at + 1) != Some(&b'\n'),
            _ => false,
        });
        let starts = std::iter::once(0).chain(ends.map(|(at, _)| at + 1)).collect();
        Lines { text, starts, encoding }
    }

    /// The byte at a position. Columns behind the end of a line are its end, lines behind the last the end of the
    /// text, and within a character is before it.
    pub fn offset(&self, position: Position) -> usize {
        let line = position.line as usize;
        let Some(start) = self.starts.get(line).copied() else { return self.text.len() };
        let end = self.starts.get(line + 1).copied().unwrap_or(self.text.len());
        let content = self.text[start..end].trim_end_matches(['\n', '\r']);
        let mut column = 0;
        for (at, character) in content.char_indices() {
            column += self.encoding.width(character);
            if column > position.character as usize {
                return start + at;
            }
        }
        start + content.len()
    }

    /// The position of a byte, which is brought to the character it is in.
    pub fn position(&self, offset: usize) -> Position {
        let mut offset = offset.min(self.text.len());
        while !self.text.is_char_boundary(offset) {
            offset -= 1;
        }
        let line = self.starts.partition_point(|start| *start <= offset).saturating_sub(1);
        let before = &self.text[self.starts.get(line).copied().unwrap_or(0)..offset];
        let column: usize = before.chars().map(|character| self.encoding.width(character)).sum();
        Position { line: line as u32, character: column as u32 }
    }

    pub fn range(&self, bytes: std::ops::Range<usize>) -> Range {
        Range { start: self.position(bytes.start), end: self.position(bytes.end.max(bytes.start)) }
    }
}

/// Puts a text in place of a range, or of the whole.
pub fn change(text: &mut String, range: Option<Range>, new: &str, encoding: Encoding) {
    match range {
        None => *text = new.to_string(),
        Some(range) => {
            let lines = Lines::new(text, encoding);
            let (a, b) = (lines.offset(range.start), lines.offset(range.end));
            text.replace_range(a.min(b)..a.max(b), new);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn at(line: u32, character: u32) -> Position {
        Position { line, character }
    }

    #[test]
    fn columns_count_units_of_the_encoding() {
        let text = "a °C\r\n🌩b\rc\n";
        let lines = Lines::new(text, Encoding::Utf16);
        assert_eq!(lines.offset(at(0, 3)), 4);
        assert_eq!(lines.offset(at(1, 2)), text.find('b').unwrap());
        assert_eq!(lines.offset(at(1, 1)), text.find('🌩').unwrap(), "half a character");
        assert_eq!(lines.offset(at(2, 0)), text.find('c').unwrap());
        assert_eq!(lines.offset(at(0, 99)), 5);
        assert_eq!(lines.offset(at(9, 0)), text.len());
        let bytes = Lines::new(text, Encoding::Utf8);
        assert_eq!(bytes.offset(at(1, 4)), text.find('b').unwrap());
    }

    #[test]
    fn positions_and_offsets_are_inverse() {
        let text = "zwölf 🌩🌩\r\n\r\n°µ²\nx";
        for encoding in [Encoding::Utf8, Encoding::Utf16] {
            let lines = Lines::new(text, encoding);
            for offset in (0..=text.len()).filter(|at| text.is_char_boundary(*at)) {
                // Between `\r` and `\n` is no position of its own.
                if text.as_bytes().get(offset) != Some(&b'\n') || !text[..offset].ends_with('\r') {
                    assert_eq!(lines.offset(lines.position(offset)), offset, "{encoding:?} {offset}");
                }
            }
        }
    }

    #[test]
    fn changes_are_applied_where_they_are_meant() {
        let mut text = "loss x = 🌩 + y\n".to_string();
        change(&mut text, Some(Range { start: at(0, 14), end: at(0, 15) }), "zz", Encoding::Utf16);
        assert_eq!(text, "loss x = 🌩 + zz\n");
        change(&mut text, Some(Range { start: at(7, 0), end: at(9, 9) }), "end", Encoding::Utf16);
        assert_eq!(text, "loss x = 🌩 + zz\nend");
        change(&mut text, Some(Range { start: at(0, 9), end: at(0, 0) }), "", Encoding::Utf16);
        assert_eq!(text, "🌩 + zz\nend");
        change(&mut text, None, "new", Encoding::Utf16);
        assert_eq!(text, "new");
    }
}
