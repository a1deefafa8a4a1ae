//! Where the records of a file lie: from the `.idx` beside it (`data/idx.rs`), or by walking it.
//!
//! What contradicts the file's length is an error; a parameter or level without a name here is only passed over.

use std::ops::Range;
use std::sync::Arc;

use jiff::Timestamp;

use crate::data::archive::DataError;
use crate::data::files::Files;
use crate::data::grib::product::Code;
use crate::data::grib::words::{Level, When};
use crate::data::grib::{Grib, Problem, names};
use crate::data::idx::{Entry, IdxError, Inventory, LONGEST};

/// NCEP's number, whose own codes the names are.
const NCEP: u16 = 7;

/// The records of a file, in its order.
#[derive(Clone, Debug, PartialEq)]
pub struct Index {
    pub records: Vec<Record>,
    /// Whether an `.idx` said so, not the file itself.
    pub told: bool,
}

/// One field of a file.
#[derive(Clone, Debug, PartialEq)]
pub struct Record {
    /// `71`, or `71.2` in a message of several.
    pub number: String,
    /// The bytes of its message.
    pub bytes: Range<u64>,
    /// What it may be: wgrib2 gives several codes one name.
    pub codes: Vec<Code>,
    /// wgrib2's name, or the code in numbers.
    pub parameter: String,
    pub level: Option<Level>,
    /// As the inventory has it.
    pub level_words: String,
    pub reference: Timestamp,
    pub when: Option<When>,
}

impl Record {
    /// `record 71 (TMP:2 m above ground:anl)`.
    pub fn name(&self) -> String {
        let when = self.when.map_or_else(|| "?".into(), |when| when.words());
        format!("record {} ({}:{}:{when})", self.number, self.parameter, self.level_words)
    }
}

impl Index {
    /// Of a file of `length` bytes.
    ///
    /// # Errors
    /// An `.idx` that is none or contradicts the file; without one, a file that cannot be walked.
    pub fn read(files: &Arc<dyn Files>, path: &str, length: u64) -> Result<Index, DataError> {
        let beside = format!("{path}.idx");
        let place = |error: crate::data::files::FileError| DataError::Archive(error.to_string());
        match files.length(&beside).map_err(place)? {
            None => Index::walk(files, path),
            Some(size) if size > LONGEST => Err(DataError::Record {
                file: format!("{}/{beside}", files.place()),
                record: "the whole".into(),
                reason: format!("{size} bytes are no inventory"),
            }),
            Some(size) => {
                let bytes = files.read(&beside, 0..size).map_err(place)?;
                Index::parse(&format!("{}/{beside}", files.place()), &bytes, length).map_err(|wrong| {
                    DataError::Record {
                        file: wrong.file,
                        record: format!("line {}", wrong.line),
                        reason: wrong.reason,
                    }
                })
            }
        }
    }

    /// The records of a file of `length` bytes as its inventory has them; `file` is the inventory's name in errors.
    ///
    /// # Errors
    /// An inventory that is none, or that is of another file.
    pub fn parse(file: &str, text: &[u8], length: u64) -> Result<Index, IdxError> {
        let inventory = Inventory::read(file, text)?;
        let fail = |line: usize, reason: String| IdxError { file: file.to_string(), line, reason };
        let entries = inventory.entries();
        if let Some(first) = entries.first().filter(|first| first.offset != 0) {
            return Err(fail(1, format!("the first record begins at byte {}", first.offset)));
        }
        if let Some(place) = entries.iter().position(|entry| entry.offset >= length) {
            let at = entries[place].offset;
            let reason =
                format!("it begins at byte {at}, but the file has {length}: one of the two is not whole");
            return Err(fail(place + 1, reason));
        }
        let end = |entry: &Entry| inventory.next(entry.offset).unwrap_or(length);
        let records = entries.iter().map(|entry| record_of(entry, entry.offset..end(entry))).collect();
        Ok(Index { records, told: true })
    }

    /// By reading the descriptions of the file itself.
    fn walk(files: &Arc<dyn Files>, path: &str) -> Result<Index, DataError> {
        let grib = Grib::of_files(files, path).map_err(|error| match (&error.problem, error.place) {
            // What the place does not give says nothing of the file.
            (Problem::Read(_), _) => DataError::Archive(error.to_string()),
            (problem, place) => DataError::Record {
                file: format!("{}/{path}", files.place()),
                record: place
                    .map_or("the whole".into(), |(message, at)| format!("record {message}, at byte {at}")),
                reason: problem.to_string(),
            },
        })?;
        let records = grib.fields().iter().map(|field| Record {
            number: field.number(),
            bytes: field.bytes(),
            codes: vec![field.product.code],
            parameter: field.name(),
            level: Level::of(&field.product),
            level_words: Level::of(&field.product)
                .and_then(|level| level.words(false))
                .unwrap_or_else(|| field.product.level_name()),
            reference: field.product.reference,
            when: When::of(&field.product),
        });
        Ok(Index { records: records.collect(), told: false })
    }
}

fn record_of(entry: &Entry, bytes: Range<u64>) -> Record {
    let (codes, parameter) = codes(&entry.parameter);
    let part = if entry.part == 1 { String::new() } else { format!(".{}", entry.part) };
    Record {
        number: format!("{}{part}", entry.message),
        bytes,
        codes,
        parameter,
        level: Level::read(&entry.level),
        level_words: entry.level.clone(),
        reference: entry.reference,
        when: When::read(&entry.forecast),
    }
}

/// The codes of a name, or of `var discipline=0 center=7 local_table=1 parmcat=16 parm=201`, and the name.
fn codes(parameter: &str) -> (Vec<Code>, String) {
    let Some(numbers) = parameter.strip_prefix("var ") else {
        return (names::codes(parameter), parameter.to_string());
    };
    let number = |key: &str| {
        numbers.split(' ').find_map(|part| part.strip_prefix(key)?.strip_prefix('=')?.parse::<u8>().ok())
    };
    match (number("discipline"), number("parmcat"), number("parm")) {
        (Some(discipline), Some(category), Some(number)) => {
            let code = Code { discipline, category, number };
            let name = names::look_up(code, NCEP).map_or_else(|| code.to_string(), |entry| entry.name.into());
            (vec![code], name)
        }
        _ => (Vec::new(), parameter.to_string()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const LINES: &str = "1:0:d=2025080100:REFC:entire atmosphere:8 hour fcst:\n\
        2:100:d=2025080100:var discipline=0 center=7 local_table=1 parmcat=7 parm=199:5000-2000 m above ground:7-8 hour max fcst:\n\
        3.1:300:d=2025080100:UGRD:10 m above ground:8 hour fcst:\n\
        3.2:300:d=2025080100:VGRD:10 m above ground:8 hour fcst:\n\
        4:500:d=2025080100:TMP:2 m above ground:8 hour fcst:\n";

    #[test]
    fn lines_by_hand() {
        let index = Index::parse("a.idx", LINES.as_bytes(), 700).unwrap();
        let ranges: Vec<_> = index.records.iter().map(|record| record.bytes.clone()).collect();
        assert_eq!(ranges, [0..100, 100..300, 300..500, 300..500, 500..700]);
        assert_eq!(index.records[1].parameter, "MXUPHL");
        assert_eq!(index.records[0].codes.len(), 2);
        assert_eq!(index.records[3].number, "3.2");
        assert_eq!(index.records[4].reference.to_string(), "2025-08-01T00:00:00Z");
    }

    #[test]
    fn what_is_wrong_names_its_line() {
        let wrong = |from: &str, to: &str, length: u64| {
            Index::parse("a.idx", LINES.replace(from, to).as_bytes(), length).unwrap_err().line
        };
        assert_eq!(wrong("", "", 500), 5);
        assert_eq!(wrong("2:100:", "2:400:", 700), 3);
        assert_eq!(wrong("1:0:", "1:10:", 700), 1);
        assert_eq!(wrong("2:100:", "2:1e2:", 700), 2);
        assert_eq!(wrong("4:500:d=20250801", "4:500:d=20251301", 700), 5);
        assert_eq!(wrong("3.1:300:d=2025080100:UGRD:10 m above ground:8 hour fcst:", "3.1:300", 700), 3);
        assert!(Index::parse("a.idx", b"", 10).is_err());
    }
}
