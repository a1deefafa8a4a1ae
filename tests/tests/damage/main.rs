//! Files that are cut short or changed: what is read of them is right or an error that says where, without a panic, and
//! in memory that the size of the file justifies.
//!
//! Under plain `cargo test` some hundred cases; `AURORAC_DAMAGE=1000` does so many of each kind.

mod grib;
mod netcdf;
mod store;

use std::sync::{Mutex, MutexGuard, PoisonError};

use peak_alloc::PeakAlloc;

#[global_allocator]
static MEMORY: PeakAlloc = PeakAlloc;

/// A file may make a reader ask for so many times its own size, and for [`ALWAYS`] more.
const TIMES: usize = 16;
/// What a reader takes whatever it reads: buffers, tables, the text of an error.
const ALWAYS: usize = 256 << 10;

/// Held by whoever measures: memory is counted over all threads.
fn alone() -> MutexGuard<'static, ()> {
    static ALONE: Mutex<()> = Mutex::new(());
    ALONE.lock().unwrap_or_else(PoisonError::into_inner)
}

/// The result of some work, and the most memory that it held at a time beyond what was held before.
fn measured<T>(work: impl FnOnce() -> T) -> (T, usize) {
    let before = MEMORY.current_usage();
    MEMORY.reset_peak_usage();
    let result = work();
    (result, MEMORY.peak_usage().saturating_sub(before))
}

fn cases(few: usize) -> usize {
    match std::env::var("AURORAC_DAMAGE") {
        Ok(many) => many.parse().expect("AURORAC_DAMAGE is a number"),
        Err(_) => few,
    }
}

/// Numbers that look like chance, the same every time.
struct Chance(u64);

impl Chance {
    fn below(&mut self, end: usize) -> usize {
        self.0 = self.0.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        ((u128::from(self.0 ^ (self.0 >> 29)) * end as u128) >> 64) as usize
    }
}

/// One case: a file cut to a length, or with one byte changed.
#[derive(Clone, Copy, Debug, PartialEq)]
enum Damage {
    Cut(usize),
    Flip(usize, u8),
}

impl Damage {
    fn of(self, whole: &[u8]) -> Vec<u8> {
        match self {
            Damage::Cut(length) => whole[..length].to_vec(),
            Damage::Flip(place, bits) => {
                let mut bytes = whole.to_vec();
                bytes[place] ^= bits;
                bytes
            }
        }
    }

    /// So many cuts and so many flips of a file of some length. Half of the flips are within `heads`, the places of
    /// which a file's description is made.
    fn cases(
        count: usize,
        length: usize,
        heads: &[std::ops::Range<usize>],
        chance: &mut Chance,
    ) -> Vec<Damage> {
        let mut all = Vec::new();
        for number in 0..count {
            all.push(Damage::Cut(chance.below(length)));
            let head = &heads[chance.below(heads.len())];
            let place = match number % 2 {
                0 => head.start + chance.below(head.end - head.start),
                _ => chance.below(length),
            };
            all.push(Damage::Flip(place, 1 << chance.below(8)));
        }
        all
    }
}
