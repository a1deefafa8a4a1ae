//! Where the records of a file lie: from the `.idx` beside it (wgrib2's inventory, a line a record), or by walking it.
//!
//! An `.idx` line is `NUMBER:OFFSET:d=YYYYMMDDHH:PARAMETER:LEVEL:WHEN:`. A record reaches to the next larger offset, the
//! last one to the end of the file; lines of one offset are the parts of one message. What cannot be read as that, and
//! what the file's length contradicts, is an error; a parameter or level without a name here is only passed over.

use std::ops::Range;
use std::sync::Arc;

use jiff::Timestamp;
use jiff::civil::DateTime;
use jiff::tz::TimeZone;

use crate::data::archive::DataError;
use crate::data::files::Files;
use crate::data::grib::product::Code;
use crate::data::grib::words::{Level, When};
use crate::data::grib::{Grib, names};

/// NCEP's number, whose own codes the names are.
const NCEP: u16 = 7;
/// The longest `.idx` that is believed: a thousand records take 70 kB.
const LONGEST: u64 = 1 << 24;

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
                let text = String::from_utf8_lossy(&bytes);
                Index::parse(&text, length).map_err(|(line, reason)| DataError::Record {
                    file: format!("{}/{beside}", files.place()),
                    record: format!("line {line}"),
                    reason,
                })
            }
        }
    }

    /// # Errors
    /// The number of the line, from 1, and what is wrong with it.
    pub fn parse(text: &str, length: u64) -> Result<Index, (usize, String)> {
        let mut records: Vec<Record> = Vec::new();
        for (place, line) in text.lines().enumerate() {
            if line.is_empty() {
                continue;
            }
            let record = line_of(line).map_err(|reason| (place + 1, reason))?;
            if record.bytes.start >= length {
                let at = record.bytes.start;
                let reason =
                    format!("it begins at byte {at}, but the file has {length}: one of the two is not whole");
                return Err((place + 1, reason));
            }
            match records.last() {
                None if record.bytes.start != 0 => {
                    return Err((
                        place + 1,
                        format!("the first record begins at byte {}", record.bytes.start),
                    ));
                }
                Some(last) if last.bytes.start > record.bytes.start => {
                    return Err((place + 1, format!("it begins before {}", last.name())));
                }
                _ => {}
            }
            records.push(record);
        }
        if records.is_empty() {
            return Err((1, "it lists no record".into()));
        }
        let mut end = length;
        for index in (0..records.len()).rev() {
            if let Some(next) = records.get(index + 1)
                && next.bytes.start > records[index].bytes.start
            {
                end = next.bytes.start;
            }
            records[index].bytes.end = end;
        }
        Ok(Index { records, told: true })
    }

    /// By reading the descriptions of the file itself.
    fn walk(files: &Arc<dyn Files>, path: &str) -> Result<Index, DataError> {
        let grib = Grib::of_files(files, path).map_err(|error| DataError::Archive(error.to_string()))?;
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

fn line_of(line: &str) -> Result<Record, String> {
    let parts: Vec<&str> = line.split(':').collect();
    let [number, offset, date, parameter, level, when, ..] = parts.as_slice() else {
        return Err(format!(
            "`{line}` is no line of an inventory (NUMBER:OFFSET:d=DATE:PARAMETER:LEVEL:WHEN:)"
        ));
    };
    let counts =
        number.split('.').all(|part| !part.is_empty() && part.bytes().all(|byte| byte.is_ascii_digit()));
    if !counts {
        return Err(format!("`{number}` is no number of a record"));
    }
    let start: u64 = offset.parse().map_err(|_| format!("`{offset}` is no offset"))?;
    let reference =
        date.strip_prefix("d=").and_then(date_of).ok_or_else(|| format!("`{date}` is no date"))?;
    if parameter.is_empty() || level.is_empty() {
        return Err("it names no parameter or no level".into());
    }
    let (codes, parameter) = codes(parameter);
    Ok(Record {
        number: (*number).to_string(),
        bytes: start..start,
        codes,
        parameter,
        level: Level::read(level),
        level_words: (*level).to_string(),
        reference,
        when: When::read(when),
    })
}

/// `2025080100`, with minutes and seconds where the run has them.
fn date_of(text: &str) -> Option<Timestamp> {
    if !text.bytes().all(|byte| byte.is_ascii_digit()) || !matches!(text.len(), 10 | 12 | 14) {
        return None;
    }
    let part = |from: usize, to: usize| text.get(from..to).map_or(Some(0), |part| part.parse::<i8>().ok());
    let year = text.get(0..4)?.parse().ok()?;
    let (month, day, hour) = (part(4, 6)?, part(6, 8)?, part(8, 10)?);
    let time = DateTime::new(year, month, day, hour, part(10, 12)?, part(12, 14)?, 0).ok()?;
    time.to_zoned(TimeZone::UTC).ok().map(|zoned| zoned.timestamp())
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
        let index = Index::parse(LINES, 700).unwrap();
        let ranges: Vec<_> = index.records.iter().map(|record| record.bytes.clone()).collect();
        assert_eq!(ranges, [0..100, 100..300, 300..500, 300..500, 500..700]);
        assert_eq!(index.records[1].parameter, "MXUPHL");
        assert_eq!(index.records[0].codes.len(), 2);
        assert_eq!(index.records[4].reference.to_string(), "2025-08-01T00:00:00Z");
    }

    #[test]
    fn what_is_wrong_names_its_line() {
        let wrong =
            |from: &str, to: &str, length: u64| Index::parse(&LINES.replace(from, to), length).unwrap_err();
        assert_eq!(wrong("", "", 500).0, 5);
        assert_eq!(wrong("2:100:", "2:400:", 700).0, 3);
        assert_eq!(wrong("1:0:", "1:10:", 700).0, 1);
        assert_eq!(wrong("2:100:", "2:1e2:", 700).0, 2);
        assert_eq!(wrong("4:500:d=20250801", "4:500:d=20251301", 700).0, 5);
        assert_eq!(wrong("3.1:300:d=2025080100:UGRD:10 m above ground:8 hour fcst:", "3.1:300", 700).0, 3);
        assert!(Index::parse("", 10).is_err());
    }
}
