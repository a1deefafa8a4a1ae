//! The walk through a file: message by message, section by section.

use std::io::{Read, Seek, SeekFrom};
use std::ops::Range;
use std::path::Path;
use std::sync::Arc;

use super::octets::unsigned;
use super::{Bitmap, Field, GribError, Grid, Packing, Problem, Product};

/// Sections 1 to 5 are descriptions of at most some kilobytes; one of more is damage, not data. (Lists of row
/// lengths and of vertical coordinates are the longest, some ten thousand numbers.)
const LONGEST_DESCRIPTION: u64 = 1 << 20;

/// Walks `length` bytes; `base` is where they begin in the file that people know.
pub(super) fn walk(
    reader: &mut (impl Read + Seek),
    name: &Path,
    length: u64,
    base: u64,
) -> Result<Walked, GribError> {
    let fail = |place, problem| GribError { path: name.to_owned(), place, problem };
    let io = |error: std::io::Error| fail(None, Problem::Read(error.to_string()));
    if length == 0 {
        return Err(fail(None, Problem::Empty));
    }
    let mut walked = Walked { fields: Vec::new(), messages: 0, skipped: 0 };
    let mut offset = 0;
    while let Some(start) = next_message(reader, offset, length).map_err(io)? {
        let message = walked.messages + 1;
        let place = Some((message, base + start));
        let end = read_message(reader, start..length, base, message, &mut walked.fields)
            .map_err(|problem| fail(place, problem))?;
        walked.skipped += start - offset;
        walked.messages = message;
        offset = end;
    }
    walked.skipped += length - offset;
    match walked.messages {
        0 => Err(fail(None, Problem::NotGrib(length))),
        _ => Ok(walked),
    }
}

/// What a walk finds.
pub(super) struct Walked {
    pub fields: Vec<Field>,
    pub messages: usize,
    pub skipped: u64,
}

/// Bytes looked through at a time for the next message.
const STRIDE: u64 = 4096;

/// The place of the next `GRIB` at or after `offset`.
fn next_message(reader: &mut (impl Read + Seek), offset: u64, length: u64) -> std::io::Result<Option<u64>> {
    let mut at = offset;
    while at + 4 <= length {
        let end = length.min(at + STRIDE);
        let bytes = part(reader, at..end)?;
        if let Some(found) = bytes.windows(4).position(|window| window == b"GRIB") {
            return Ok(Some(at + found as u64));
        }
        // The last three bytes may begin the word.
        at = if end == length { length } else { end - 3 };
    }
    Ok(None)
}

/// Reads one message, appends its fields, returns where it ends.
fn read_message(
    reader: &mut (impl Read + Seek),
    rest: Range<u64>,
    base: u64,
    message: usize,
    fields: &mut Vec<Field>,
) -> Result<u64, Problem> {
    let (start, left) = (rest.start, rest.end - rest.start);
    if left < 16 {
        return Err(Problem::CutShort { needed: 16, left });
    }
    let indicator = read(reader, start..start + 16)?;
    let edition = indicator[7];
    if edition != 2 {
        return Err(Problem::Edition(edition));
    }
    let length = unsigned(&indicator, 8, 8).unwrap_or(0);
    if length > left {
        return Err(Problem::CutShort { needed: length, left });
    }
    if length < 16 + 21 + 4 {
        return Err(Problem::Damaged(format!("a message of {length} bytes is too short to hold anything")));
    }
    let end = start + length;
    if read(reader, end - 4..end)? != b"7777" {
        return Err(Problem::NoEnd);
    }
    let mut state = State {
        discipline: indicator[6],
        message,
        offset: base + start,
        whole: base + start..base + end,
        ..State::default()
    };
    let mut at = start + 16;
    while at < end - 4 {
        at = read_section(reader, at, end - 4, &mut state, fields)?;
    }
    if state.part == 0 {
        return Err(Problem::Damaged("the message holds no field".into()));
    }
    if state.pending {
        return Err(Problem::Damaged("the message ends before the data of its last field".into()));
    }
    Ok(end)
}

/// What the sections read so far have said. Sections 2 to 7 may repeat within a message, and what is not
/// repeated stays in force.
#[derive(Default)]
struct State {
    discipline: u8,
    message: usize,
    offset: u64,
    whole: Range<u64>,
    part: usize,
    centre: u16,
    identification: Option<Vec<u8>>,
    grid: Option<Arc<Grid>>,
    product: Option<Product>,
    packing: Option<Packing>,
    bitmap: Option<Bitmap>,
    /// The message's last bitmap with bits, which code 254 names again.
    earlier_bitmap: Option<Range<u64>>,
    /// A section of a field has come whose data has not.
    pending: bool,
}

/// Reads the section at `at`, which must end at or before `end`; returns where it ends.
fn read_section(
    reader: &mut (impl Read + Seek),
    at: u64,
    end: u64,
    state: &mut State,
    fields: &mut Vec<Field>,
) -> Result<u64, Problem> {
    if end - at < 5 {
        return Err(Problem::Damaged(format!("{} stray bytes before `7777`", end - at)));
    }
    let head = read(reader, at..at + 5)?;
    let (length, number) = (unsigned(&head, 0, 4).unwrap_or(0), head[4]);
    if length < 5 || length > end - at {
        return Err(Problem::Damaged(format!(
            "section {number} says {length} bytes where {} are left",
            end - at
        )));
    }
    let whole = at..at + length;
    match number {
        1 | 3 | 4 | 5 => {
            if length > LONGEST_DESCRIPTION {
                return Err(Problem::Damaged(format!("section {number} of {length} bytes")));
            }
            let section = read(reader, whole.clone())?;
            describe(number, section, state)?;
        }
        2 => {}
        6 => state.bitmap = Some(bitmap(reader, whole.clone(), state)?),
        7 => fields.push(finish(at + 5..whole.end, state)?),
        other => return Err(Problem::Damaged(format!("there is no section {other}"))),
    }
    state.pending = number != 7;
    Ok(whole.end)
}

fn describe(number: u8, section: Vec<u8>, state: &mut State) -> Result<(), Problem> {
    let damaged = |what: &str| Problem::Damaged(format!("section {number} is too short for {what}"));
    match number {
        1 => {
            state.centre = unsigned(&section, 5, 2).ok_or_else(|| damaged("the centre"))? as u16;
            state.identification = Some(section);
        }
        3 => state.grid = Some(Arc::new(Grid::read(&section)?)),
        4 => {
            let identification = state
                .identification
                .as_ref()
                .ok_or_else(|| Problem::Damaged("a product before section 1".into()))?;
            state.product = Some(Product::read(state.discipline, identification, &section)?);
        }
        _ => state.packing = Some(Packing::read(&section)?),
    }
    Ok(())
}

fn bitmap(reader: &mut (impl Read + Seek), whole: Range<u64>, state: &mut State) -> Result<Bitmap, Problem> {
    if whole.end - whole.start < 6 {
        return Err(Problem::Damaged("section 6 is too short".into()));
    }
    let code = read(reader, whole.start + 5..whole.start + 6)?[0];
    match code {
        0 => {
            let range = whole.start + 6..whole.end;
            state.earlier_bitmap = Some(range.clone());
            Ok(Bitmap::Here(range))
        }
        254 => {
            state.earlier_bitmap.clone().map(Bitmap::Here).ok_or_else(|| {
                Problem::Damaged("section 6 names an earlier bitmap, but there is none".into())
            })
        }
        255 => Ok(Bitmap::None),
        code => Ok(Bitmap::Elsewhere(code)),
    }
}

/// A field is complete when its data section comes.
fn finish(data: Range<u64>, state: &mut State) -> Result<Field, Problem> {
    let lacking = |what: &str| Problem::Damaged(format!("data without {what}"));
    let grid = state.grid.clone().ok_or_else(|| lacking("a grid (section 3)"))?;
    let product = state.product.clone().ok_or_else(|| lacking("a product (section 4)"))?;
    let packing = state.packing.clone().ok_or_else(|| lacking("a packing (section 5)"))?;
    let bitmap = state.bitmap.clone().ok_or_else(|| lacking("section 6"))?;
    let place = format!("{} values on a grid of {} points", packing.values, grid.points);
    match &bitmap {
        Bitmap::None if packing.values != grid.points => return Err(Problem::Damaged(place)),
        _ if packing.values > grid.points => return Err(Problem::Damaged(place)),
        Bitmap::Here(range) if range.end - range.start < grid.points.div_ceil(8) => {
            return Err(Problem::Damaged(format!("a bitmap too short for {} points", grid.points)));
        }
        _ => {}
    }
    state.part += 1;
    let (message, part, offset, centre) = (state.message, state.part, state.offset, state.centre);
    let whole = state.whole.clone();
    Ok(Field { message, part, offset, centre, product, grid, packing, whole, bitmap, data })
}

fn read(reader: &mut (impl Read + Seek), range: Range<u64>) -> Result<Vec<u8>, Problem> {
    part(reader, range).map_err(|error| Problem::Read(error.to_string()))
}

fn part(reader: &mut (impl Read + Seek), range: Range<u64>) -> std::io::Result<Vec<u8>> {
    let mut bytes = vec![0; (range.end - range.start) as usize];
    reader.seek(SeekFrom::Start(range.start))?;
    reader.read_exact(&mut bytes)?;
    Ok(bytes)
}
