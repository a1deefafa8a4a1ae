//! Bytes with a few things changed: bits, numbers at the edges of what can be said, pieces moved, ends cut.

use bolero::TypeGenerator;

/// One change: what is done, where, and with what. Places are taken modulo what there is.
#[derive(Clone, Copy, Debug, TypeGenerator)]
pub struct Mutation {
    pub place: u16,
    pub kind: u8,
    pub with: u32,
}

/// Nothing grows beyond this many times its length.
const GROWTH: usize = 4;
/// Numbers that counts and lengths go wrong at.
const EDGES: [u64; 12] =
    [0, 1, 0x7f, 0xff, 0x7fff, 0x8000, 0xffff, 1 << 24, 0x7fff_ffff, 0xffff_ffff, 1 << 40, u64::MAX];
/// Pieces of the texts that are read: JSON and inventories.
const WORDS: [&str; 24] = [
    "0",
    "-1",
    "1e308",
    "18446744073709551616",
    "null",
    "true",
    "\"\"",
    "[]",
    "{}",
    "[",
    "]",
    "{",
    "}",
    ":",
    ",",
    "\"",
    "\n",
    "d=2025080100",
    "4.2",
    "9223372036854775807",
    "\"bytes\"",
    "\"blosc\"",
    "\"sharding_indexed\"",
    "anl:",
];

/// A base after some mutations.
pub fn mutated(bases: &[Vec<u8>], base: usize, mutations: &[Mutation]) -> Vec<u8> {
    let whole = &bases[base];
    let mut bytes = whole.clone();
    // Few changes, or nothing is left that reaches what comes after the first check.
    let few = mutations.first().map_or(0, |first| 1 + first.with as usize % 3);
    for mutation in mutations.iter().take(few) {
        if bytes.is_empty() {
            break;
        }
        // Most of what is interesting stands near the beginning.
        let spread = if mutation.kind & 0x80 == 0 { bytes.len().min(512) } else { bytes.len() };
        let at = mutation.place as usize % spread;
        let with = mutation.with as usize;
        match mutation.kind % 10 {
            0 | 1 => bytes[at] ^= 1 << (with % 8),
            2 => bytes[at] = with as u8,
            3 => {
                let width = [1, 2, 4, 8][with % 4];
                let number = EDGES[with / 4 % EDGES.len()];
                let big = number.to_be_bytes();
                write(&mut bytes, at, &big[8 - width..]);
            }
            4 => {
                let width = [1, 2, 4, 8][with % 4];
                write(&mut bytes, at, &EDGES[with / 4 % EDGES.len()].to_le_bytes()[..width]);
            }
            5 => bytes.truncate(at),
            6 => {
                let end = (at + 1 + with % 16).min(bytes.len());
                bytes.drain(at..end);
            }
            7 => {
                let from = with % bytes.len();
                let piece = bytes[from..(from + 1 + with / 7 % 64).min(bytes.len())].to_vec();
                bytes.splice(at..at, piece);
            }
            8 => {
                let donor = &bases[with % bases.len()];
                let from = mutation.place as usize % donor.len().max(1);
                let piece = donor.get(from..(from + 64).min(donor.len())).unwrap_or_default();
                write(&mut bytes, at, piece);
            }
            _ => {
                let word = WORDS[with % WORDS.len()].bytes();
                bytes.splice(at..at, word);
            }
        }
        bytes.truncate(GROWTH * whole.len() + 64);
    }
    bytes
}

/// Writes over what is there, as far as it reaches.
fn write(bytes: &mut [u8], at: usize, piece: &[u8]) {
    for (place, byte) in bytes.iter_mut().skip(at).zip(piece) {
        *place = *byte;
    }
}
