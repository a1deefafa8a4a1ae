//! Frames of blosc 1 (its README_CHUNK_FORMAT.rst): values of 32 bits, their bytes shuffled, blocks compressed by zstd.
//!
//! Any reader of blosc reads what is written here. Beside the library this goes from the lines of an array straight to the
//! frame and back, and decodes the blocks alone that a window touches: no tile is laid out on the way.
//!
//! A frame is a head of 16 bytes, the offsets of its blocks (32 bits each, little endian), and the blocks. A whole block is split
//! into a stream for each byte of its values, whose bytes are alike, so that zstd makes a tenth less of them than of all at
//! once; a shorter last one is a single stream. A stream is its length and its bytes, which are those of the shuffled
//! block itself where zstd would not make them fewer.

use std::cell::RefCell;
use std::ops::Range;

use multiversion::multiversion;
use ndarray::ArrayViewMut2;
use zstd::bulk::{Compressor, Decompressor};
use zstd::zstd_safe::CParameter;

/// Level of zstd: the fastest that halves the fields of HRRR.
pub(super) const LEVEL: u8 = 1;
/// Bytes that repeat before zstd makes a match of them, the most it takes: among single bytes of computed values shorter matches
/// cost a tenth of the time and save a hundredth of the bytes.
const SHORTEST_MATCH: u32 = 7;
/// Bytes that a block is to have.
const BLOCK: usize = 128 << 10;
/// Format 2, zstd's 1; bytes shuffled, zstd; four bytes a value.
const HEAD: [u8; 4] = [2, 1, 0x01 | 4 << 5, 4];
/// In the third byte of the head: blocks are not split.
const WHOLE: u8 = 0x10;
/// Bytes of a stream that are looked at to tell whether it is noise.
const SAMPLE: usize = 2048;
/// How much more unevenly than at random the bytes of noise, and the differences of neighbours, may be spread.
const UNEVEN: f64 = 1.25;
const REPEATING: f64 = 12.0;
/// Bytes of the checksum that follows a frame.
const SUM: usize = 4;
/// A stream of fewer bytes is not worth its length.
const SHORTEST: usize = 128;

/// How lines of equally many values lie in a frame.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Frame {
    lines: usize,
    width: usize,
    /// Lines in a block; the last block may have fewer.
    step: usize,
}

/// What a thread works with, kept from frame to frame.
struct Scratch {
    compressor: Compressor<'static>,
    decompressor: Decompressor<'static>,
    block: Vec<u8>,
    frame: Vec<u8>,
}

thread_local! {
    static SCRATCH: RefCell<Option<Scratch>> = const { RefCell::new(None) };
}

fn with_scratch<T>(work: impl FnOnce(&mut Scratch) -> Result<T, String>) -> Result<T, String> {
    SCRATCH.with_borrow_mut(|scratch| {
        let made = match scratch.take() {
            Some(made) => Ok(made),
            None => Scratch::new().map_err(|error| error.to_string()),
        };
        work(scratch.insert(made?))
    })
}

impl Scratch {
    fn new() -> std::io::Result<Self> {
        let (mut compressor, decompressor) = (Compressor::new(i32::from(LEVEL))?, Decompressor::new()?);
        compressor.set_parameter(CParameter::MinMatch(SHORTEST_MATCH))?;
        Ok(Self { compressor, decompressor, block: Vec::new(), frame: Vec::new() })
    }
}

impl Frame {
    pub(super) fn new(lines: usize, width: usize) -> Self {
        Self { lines, width, step: (BLOCK / (4 * width).max(1)).clamp(1, lines.max(1)) }
    }

    /// Bytes in a block.
    pub(super) fn block(&self) -> usize {
        self.step * self.width * 4
    }

    fn bytes(&self) -> usize {
        self.lines * self.width * 4
    }

    /// Whether whole blocks are split into streams.
    fn splits(&self) -> bool {
        self.step * self.width >= SHORTEST
    }

    fn head(&self) -> [u8; 4] {
        let [format, codec, flags, size] = HEAD;
        [format, codec, if self.splits() { flags } else { flags | WHOLE }, size]
    }

    /// Bytes of a stream of a block of so many lines, before they are compressed.
    fn stream(&self, lines: usize) -> usize {
        let values = lines * self.width;
        if self.splits() && lines == self.step { values } else { 4 * values }
    }

    /// The lines of a block.
    fn span(&self, block: usize) -> Range<usize> {
        block * self.step..((block + 1) * self.step).min(self.lines)
    }

    /// The frame of lines that `line` gives by their numbers; one that is too short is filled up with missing values. Behind it is
    /// room for a checksum.
    ///
    /// # Errors
    /// What zstd refuses; more bytes than a frame may have.
    pub(super) fn encoded<'a>(&self, line: impl Fn(usize) -> &'a [f32]) -> Result<Vec<u8>, String> {
        let blocks = self.lines.div_ceil(self.step);
        let bytes = u32::try_from(self.bytes()).ok().filter(|bytes| *bytes < 1 << 31);
        let bytes = bytes.ok_or_else(|| format!("{} bytes are too many for a chunk", self.bytes()))?;
        with_scratch(|scratch| {
            let Scratch { compressor, block, frame, .. } = scratch;
            let mut end = 16 + 4 * blocks;
            // Room for all of it, were nothing made smaller.
            let room = end + self.bytes() + 16 * blocks;
            frame.resize(frame.len().max(room), 0);
            for number in 0..blocks {
                let span = self.span(number);
                shuffle(span.clone().map(&line), span.len(), self.width, block);
                frame[16 + 4 * number..20 + 4 * number].copy_from_slice(&(end as u32).to_le_bytes());
                for stream in block.chunks_exact(self.stream(span.len()).max(1)) {
                    end += put(stream, compressor, &mut frame[end..]);
                }
            }
            frame[..4].copy_from_slice(&self.head());
            let sizes = [bytes, self.block() as u32, end as u32];
            for (place, size) in frame[4..16].as_chunks_mut::<4>().0.iter_mut().zip(sizes) {
                *place = size.to_le_bytes();
            }
            let mut bytes = Vec::with_capacity(end + SUM);
            bytes.extend_from_slice(&frame[..end]);
            Ok(bytes)
        })
    }

    /// Reads some columns of the lines from `first` on into `out`, (lines, columns).
    ///
    /// # Errors
    /// What is wrong with the frame.
    pub(super) fn decode(
        &self,
        frame: &[u8],
        first: usize,
        column: usize,
        mut out: ArrayViewMut2<'_, f32>,
    ) -> Result<(), String> {
        self.check(frame)?;
        with_scratch(|scratch| {
            let Scratch { decompressor, block, .. } = scratch;
            let mut open = None;
            for (line, mut row) in (first..).zip(out.outer_iter_mut()) {
                let number = line / self.step;
                let span = self.span(number);
                if open != Some(number) {
                    self.unpack(frame, number, decompressor, block)?;
                    open = Some(number);
                }
                let from = (line - span.start) * self.width + column;
                match row.as_slice_mut() {
                    Some(row) => unshuffle(block, from, row),
                    None => {
                        let mut line = vec![0.0; row.len()];
                        unshuffle(block, from, &mut line);
                        row.iter_mut().zip(line).for_each(|(place, value)| *place = value);
                    }
                }
            }
            Ok(())
        })
    }

    /// Whether the head is that of such a frame.
    fn check(&self, frame: &[u8]) -> Result<(), String> {
        let number = |at: usize| word(frame, at);
        let blocks = self.lines.div_ceil(self.step);
        let agrees = frame.len() >= 16 + 4 * blocks
            && frame[..4] == self.head()
            && number(4) == Some(self.bytes())
            && number(8) == Some(self.block())
            && number(12) == Some(frame.len());
        if agrees { Ok(()) } else { Err("it is not compressed as this store's chunks are".into()) }
    }

    fn unpack(
        &self,
        frame: &[u8],
        number: usize,
        decompressor: &mut Decompressor<'static>,
        block: &mut Vec<u8>,
    ) -> Result<(), String> {
        let short = || format!("block {number} reaches out of its chunk");
        let mut place = word(frame, 16 + 4 * number).ok_or_else(short)?;
        let lines = self.span(number).len();
        block.resize(lines * self.width * 4, 0);
        for stream in block.chunks_exact_mut(self.stream(lines).max(1)) {
            let length = word(frame, place).ok_or_else(short)?;
            let packed = frame[place + 4..].get(..length).ok_or_else(short)?;
            place += 4 + length;
            if length == stream.len() {
                stream.copy_from_slice(packed);
                continue;
            }
            match decompressor.decompress_to_buffer(packed, &mut *stream) {
                Ok(found) if found == stream.len() => {}
                Ok(found) => {
                    return Err(format!("block {number} has {found} bytes instead of {}", stream.len()));
                }
                Err(error) => return Err(format!("block {number} cannot be decompressed: {error}")),
            }
        }
        Ok(())
    }
}

/// Whether the bytes of a stream look as if drawn at random, as the last ones of computed values do, so that zstd would work for
/// nothing or a few per cent: in a sample of them all of 256 bytes are about equally frequent, and neighbours hardly repeat.
fn is_noise(stream: &[u8]) -> bool {
    let Some(sample) = stream.get(stream.len() / 2..).and_then(|rest| rest.first_chunk::<SAMPLE>()) else {
        return false;
    };
    let (mut counts, mut pairs) = ([0_u32; 256], [0_u32; 256]);
    for [one, other] in sample.as_chunks::<2>().0 {
        counts[usize::from(*one)] += 1;
        counts[usize::from(*other)] += 1;
        pairs[usize::from(one.wrapping_sub(*other))] += 1;
    }
    // Sums of squares, as multiples of what they are of random bytes, n + n²/256, to a few per cent.
    let uneven = |counts: &[u32; 256], drawn: usize| {
        let squares: u32 = counts.iter().map(|count| count * count).sum();
        f64::from(squares) / (drawn as f64 + (drawn * drawn) as f64 / 256.0)
    };
    uneven(&counts, SAMPLE) < UNEVEN && uneven(&pairs, SAMPLE / 2) < REPEATING
}

/// Puts a stream at the beginning of what is left of a frame: its length and its bytes, compressed if that makes them fewer. How
/// many bytes that are.
fn put(stream: &[u8], compressor: &mut Compressor<'static>, frame: &mut [u8]) -> usize {
    let (length, rest) = frame.split_at_mut(4);
    let room = &mut rest[..stream.len()];
    // What does not fit where the stream itself would is not smaller.
    let packed = if is_noise(stream) { None } else { compressor.compress_to_buffer(stream, room).ok() };
    let packed = packed.filter(|packed| *packed < stream.len()).unwrap_or_else(|| {
        room.copy_from_slice(stream);
        stream.len()
    });
    length.copy_from_slice(&(packed as u32).to_le_bytes());
    4 + packed
}

/// Four bytes as a number, if they are there.
fn word(bytes: &[u8], at: usize) -> Option<usize> {
    let word = bytes.get(at..at.checked_add(4)?)?;
    Some(u32::from_le_bytes(word.try_into().ok()?) as usize)
}

/// All first bytes of the values of some lines, then all second ones and so on.
fn shuffle<'a>(lines: impl Iterator<Item = &'a [f32]>, count: usize, width: usize, block: &mut Vec<u8>) {
    let all = count * width;
    block.resize(4 * all, 0);
    let (low, high) = block.split_at_mut(2 * all);
    let ((first, second), (third, fourth)) = (low.split_at_mut(all), high.split_at_mut(all));
    for (number, line) in lines.enumerate() {
        let place = number * width..(number + 1) * width;
        let planes = [
            &mut first[place.clone()],
            &mut second[place.clone()],
            &mut third[place.clone()],
            &mut fourth[place],
        ];
        if line.len() == width {
            split(line, planes);
        } else {
            let mut line = line.to_vec();
            line.resize(width, f32::NAN);
            split(&line, planes);
        }
    }
}

/// The bytes of values, each kind for itself.
#[multiversion(targets("x86_64+avx512f+avx512bw+avx512vl", "x86_64+avx2"))]
fn split(line: &[f32], [first, second, third, fourth]: [&mut [u8]; 4]) {
    let places = first.iter_mut().zip(second).zip(third).zip(fourth);
    for ((((first, second), third), fourth), value) in places.zip(line) {
        let bits = value.to_bits();
        *first = bits as u8;
        *second = (bits >> 8) as u8;
        *third = (bits >> 16) as u8;
        *fourth = (bits >> 24) as u8;
    }
}

/// The values of a shuffled block from number `from` on.
fn unshuffle(block: &[u8], from: usize, out: &mut [f32]) {
    let all = block.len() / 4;
    let plane = |number: usize| &block[number * all + from..][..out.len()];
    joined([plane(0), plane(1), plane(2), plane(3)], out);
}

/// The values of their bytes, each kind for itself.
#[multiversion(targets("x86_64+avx512f+avx512bw+avx512vl", "x86_64+avx2"))]
fn joined([first, second, third, fourth]: [&[u8]; 4], out: &mut [f32]) {
    let bytes = first.iter().zip(second).zip(third).zip(fourth);
    for (value, (((first, second), third), fourth)) in out.iter_mut().zip(bytes) {
        let low = u32::from(*first) | u32::from(*second) << 8;
        *value = f32::from_bits(low | u32::from(*third) << 16 | u32::from(*fourth) << 24);
    }
}
