//! Inventories of GRIB2 files as wgrib2 writes them and the centres put them beside their files: `FILE.grib2.idx`.
//!
//! ```text
//! 4.1:1287560:d=2025080100:UGRD:10 m above ground:8 hour fcst:
//! ```
//!
//! A line is a field: number of its message (and of the field in it, where there are several), byte at which the
//! message begins, reference time, parameter, level, forecast, and what else there is to say. Where a message ends is
//! not said: it ends where the next one begins, the last with its file. Nothing of this is taken on trust by a reader
//! of values: an inventory may be of another version of the file.
//!
//! Source: the manual of wgrib2, option `-s`.

use std::ops::Range;

use jiff::Timestamp;
use jiff::civil::DateTime;
use jiff::tz::Offset;

/// The longest inventory that is read; the longest known one, of a global ensemble, has some 200 kB.
pub const LONGEST: u64 = 64 << 20;

/// An inventory: its fields in the order of the file.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Inventory {
    entries: Vec<Entry>,
}

/// One line of an inventory.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Entry {
    /// Number of the message, from 1; in a part of a file, of the whole one.
    pub message: u64,
    /// Number of the field in its message, from 1.
    pub part: u64,
    /// The byte of the file at which the message begins.
    pub offset: u64,
    /// The time the forecast began, or of the analysis.
    pub reference: Timestamp,
    /// `TMP`; a parameter that wgrib2 did not know is `var discipline=0 center=7 local_table=1 parmcat=16 parm=201`.
    pub parameter: String,
    /// `2 m above ground`.
    pub level: String,
    /// `anl`, `8 hour fcst`, `7-8 hour max fcst`.
    pub forecast: String,
    /// What follows, for instance `ENS=+1`; mostly nothing.
    pub extra: String,
    /// The line as it stands, without its end.
    pub line: String,
}

/// What is wrong with an inventory, and where.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{file}: line {line}: {reason}")]
pub struct IdxError {
    pub file: String,
    /// From 1.
    pub line: usize,
    pub reason: String,
}

impl Inventory {
    /// Reads the text of an inventory; `file` is its name in errors.
    ///
    /// # Errors
    /// The first line that is none of an inventory, or that contradicts those before it; an inventory without lines.
    pub fn read(file: &str, text: &[u8]) -> Result<Inventory, IdxError> {
        let fail = |line, reason| IdxError { file: file.to_string(), line, reason };
        if text.len() as u64 > LONGEST {
            return Err(fail(1, format!("{} bytes are too many for an inventory", text.len())));
        }
        let mut entries: Vec<Entry> = Vec::new();
        for (index, line) in text.split(|byte| *byte == b'\n').enumerate() {
            let line = line.strip_suffix(b"\r").unwrap_or(line);
            if line.is_empty() {
                continue;
            }
            let entry = entry(line).map_err(|reason| fail(index + 1, reason))?;
            if let Some(before) = entries.last() {
                follows(before, &entry).map_err(|reason| fail(index + 1, reason))?;
            }
            entries.push(entry);
        }
        match entries.is_empty() {
            true => Err(fail(1, "the inventory is empty".to_string())),
            false => Ok(Inventory { entries }),
        }
    }

    pub fn entries(&self) -> &[Entry] {
        &self.entries
    }

    /// The bytes of the message that begins at `offset`: up to the next greater offset, in the last one to the end
    /// of a file of `length` bytes. Nothing if that is not after the beginning.
    #[must_use]
    pub fn range(&self, offset: u64, length: u64) -> Option<Range<u64>> {
        let end = self.next(offset).unwrap_or(length);
        (offset < end && end <= length).then_some(offset..end)
    }

    /// The next greater offset; nothing for the last message.
    #[must_use]
    pub fn next(&self, offset: u64) -> Option<u64> {
        let after = self.entries.partition_point(|entry| entry.offset <= offset);
        self.entries.get(after).map(|entry| entry.offset)
    }

    /// The fields of a parameter and a level, both spelt as wgrib2 does.
    pub fn of<'a>(&'a self, parameter: &'a str, level: &'a str) -> impl Iterator<Item = &'a Entry> {
        self.entries.iter().filter(move |entry| entry.parameter == parameter && entry.level == level)
    }
}

fn entry(line: &[u8]) -> Result<Entry, String> {
    let line = std::str::from_utf8(line).map_err(|_| "no text in UTF-8".to_string())?;
    if line.chars().any(char::is_control) {
        return Err(format!("a letter in it is none: `{}`", shown(line)));
    }
    let mut columns = line.splitn(7, ':');
    let mut column =
        |what: &str| columns.next().ok_or_else(|| format!("it ends before its {what}: `{}`", shown(line)));
    let (number, offset, date) = (column("number")?, column("offset")?, column("date")?);
    let (parameter, level, forecast) = (column("parameter")?, column("level")?, column("forecast")?);
    // wgrib2 ends each line with a colon: one without it has been cut.
    let extra = column("last colon")?;
    let (message, part) = number.split_once('.').unwrap_or((number, "1"));
    let counted = |text: &str| whole(text).filter(|number| *number > 0);
    let (Some(message), Some(part)) = (counted(message), counted(part)) else {
        return Err(format!("`{}` is no number of a message", shown(number)));
    };
    let offset = whole(offset).ok_or_else(|| format!("`{}` is no byte of a file", shown(offset)))?;
    let reference = reference(date)
        .ok_or_else(|| format!("`{}` is no date, which is written d=YYYYMMDDHH", shown(date)))?;
    if parameter.is_empty() || level.is_empty() || forecast.is_empty() {
        return Err(format!("a column is empty: `{}`", shown(line)));
    }
    Ok(Entry {
        message,
        part,
        offset,
        reference,
        parameter: parameter.to_string(),
        level: level.to_string(),
        forecast: forecast.to_string(),
        extra: extra.to_string(),
        line: line.to_string(),
    })
}

/// Whether a line may stand after another: messages in order, a field of the same message at the same byte.
fn follows(before: &Entry, entry: &Entry) -> Result<(), String> {
    if entry.offset < before.offset {
        return Err(format!("byte {} comes after byte {}", entry.offset, before.offset));
    }
    if (entry.message, entry.part) <= (before.message, before.part) {
        return Err(format!(
            "message {}.{} comes after {}.{}",
            entry.message, entry.part, before.message, before.part
        ));
    }
    if entry.message == before.message && entry.offset != before.offset {
        return Err(format!(
            "message {} begins at byte {} and at byte {}",
            entry.message, before.offset, entry.offset
        ));
    }
    Ok(())
}

/// A number of digits only.
fn whole(text: &str) -> Option<u64> {
    text.bytes().all(|byte| byte.is_ascii_digit()).then(|| text.parse().ok()).flatten()
}

/// `d=2025080100`, with minutes and seconds behind it where they matter.
fn reference(text: &str) -> Option<Timestamp> {
    let digits = text.strip_prefix("d=")?;
    if !matches!(digits.len(), 10 | 12 | 14) || !digits.bytes().all(|byte| byte.is_ascii_digit()) {
        return None;
    }
    let at = |range: Range<usize>| digits.get(range).map_or(Some(0), |part| part.parse::<i8>().ok());
    let year = digits.get(0..4)?.parse::<i16>().ok()?;
    let date = DateTime::new(year, at(4..6)?, at(6..8)?, at(8..10)?, at(10..12)?, at(12..14)?, 0).ok()?;
    Offset::UTC.to_timestamp(date).ok()
}

/// The beginning of a text that may be anything.
fn shown(text: &str) -> String {
    text.chars().take(60).flat_map(char::escape_debug).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    const UV: &str = "1:0:d=2025080100:REFC:entire atmosphere:8 hour fcst:\n\
                      2.1:417265:d=2025080100:UGRD:10 m above ground:8 hour fcst:\n\
                      2.2:417265:d=2025080100:VGRD:10 m above ground:8 hour fcst:\n\
                      3:800681:d=202508010015:MXUPHL:3000-0 m above ground:7-8 hour max fcst:ENS=+1:x\n";

    #[test]
    fn messages_end_where_the_next_begins() {
        let inventory = Inventory::read("a.idx", UV.as_bytes()).unwrap();
        let ranges: Vec<_> =
            inventory.entries().iter().map(|entry| inventory.range(entry.offset, 900_000)).collect();
        assert_eq!(
            ranges,
            [Some(0..417_265), Some(417_265..800_681), Some(417_265..800_681), Some(800_681..900_000)]
        );
        assert_eq!(inventory.range(800_681, 800_681), None);
        assert_eq!(inventory.range(0, 100), None);
        assert_eq!(inventory.next(800_681), None);
        let last = &inventory.entries()[3];
        assert_eq!((last.message, last.part, last.extra.as_str()), (3, 1, "ENS=+1:x"));
        assert_eq!(last.reference.to_string(), "2025-08-01T00:15:00Z");
        assert_eq!(inventory.entries()[2].part, 2);
        assert_eq!(inventory.of("VGRD", "10 m above ground").count(), 1);
        assert_eq!(inventory.of("VGRD", "10 m").count(), 0);
    }

    #[test]
    fn ends_of_lines_are_those_of_any_system() {
        let inventory = Inventory::read("a.idx", UV.replace('\n', "\r\n").as_bytes()).unwrap();
        assert_eq!(inventory, Inventory::read("a.idx", UV.trim_end().as_bytes()).unwrap());
    }

    #[test]
    fn what_is_wrong_is_said_with_its_line() {
        let wrong = |text: &str| Inventory::read("a.idx", text.as_bytes()).unwrap_err().to_string();
        assert_eq!(wrong(""), "a.idx: line 1: the inventory is empty");
        assert_eq!(
            wrong(&UV[..UV.len() - 30]),
            "a.idx: line 4: it ends before its forecast: `3:800681:d=202508010015:MXUPHL:3000-0 m above grou`"
        );
        assert_eq!(
            wrong(&UV.replace("2.2:417265", "2.2:417266")),
            "a.idx: line 3: message 2 begins at byte 417265 and at byte 417266"
        );
        assert_eq!(wrong(&UV.replace("800681", "17")), "a.idx: line 4: byte 17 comes after byte 417265");
        assert_eq!(wrong(&UV.replace("3:8", "2.2:8")), "a.idx: line 4: message 2.2 comes after 2.2");
        for (from, to, reason) in [
            ("1:0:", "x:0:", "`x` is no number of a message"),
            ("1:0:", "+1:0:", "`+1` is no number of a message"),
            ("1:0:", "0:0:", "`0` is no number of a message"),
            ("1:0:", "1:-1:", "`-1` is no byte of a file"),
            ("1:0:", "1:99999999999999999999:", "`99999999999999999999` is no byte of a file"),
            (
                "d=2025080100:REFC",
                "d=2025130100:REFC",
                "`d=2025130100` is no date, which is written d=YYYYMMDDHH",
            ),
            (
                "REFC",
                "RE\rFC",
                "a letter in it is none: `1:0:d=2025080100:RE\\rFC:entire atmosphere:8 hour fcst:`",
            ),
            ("REFC", "", "a column is empty: `1:0:d=2025080100::entire atmosphere:8 hour fcst:`"),
        ] {
            assert_eq!(wrong(&UV.replacen(from, to, 1)), format!("a.idx: line 1: {reason}"));
        }
        let error = Inventory::read("a.idx", b"1:0:d=20250801\xff").unwrap_err();
        assert_eq!(error.to_string(), "a.idx: line 1: no text in UTF-8");
    }
}
