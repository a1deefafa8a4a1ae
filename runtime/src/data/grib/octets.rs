//! Numbers in a section's bytes. Offsets count from 0; a read past the end is `None`, never a panic.

use multiversion::multiversion;

/// Unsigned, `count` bytes (1 to 8), most significant first.
pub fn unsigned(bytes: &[u8], offset: usize, count: usize) -> Option<u64> {
    let part = bytes.get(offset..offset.checked_add(count)?)?;
    Some(part.iter().fold(0, |sum, &byte| sum << 8 | u64::from(byte)))
}

/// Signed as GRIB writes it: the first bit is the sign, the rest the magnitude.
pub fn signed(bytes: &[u8], offset: usize, count: usize) -> Option<i64> {
    let raw = unsigned(bytes, offset, count)?;
    let sign = 1u64 << (8 * count - 1);
    let magnitude = (raw & (sign - 1)) as i64;
    Some(if raw & sign == 0 { magnitude } else { -magnitude })
}

/// IEEE single precision.
pub fn float(bytes: &[u8], offset: usize) -> Option<f32> {
    Some(f32::from_bits(unsigned(bytes, offset, 4)? as u32))
}

/// Signed value with a decimal scale before it: one byte scale, four bytes value. All ones is missing.
pub fn scaled(bytes: &[u8], offset: usize) -> Option<f64> {
    if unsigned(bytes, offset, 1)? == 0xff || unsigned(bytes, offset + 1, 4)? == 0xffff_ffff {
        return None;
    }
    let scale = signed(bytes, offset, 1)? as i32;
    let value = signed(bytes, offset + 1, 4)? as f64;
    // Dividing by an exact power of ten gives the nearest double; multiplying by 0.1 would not.
    Some(if scale >= 0 { value / 10f64.powi(scale) } else { value * 10f64.powi(-scale) })
}

/// `count` (0 to 32) bits at bit `position`, most significant first; the caller has checked that they exist,
/// and bits past the end read as zero.
#[inline]
pub fn bits(bytes: &[u8], position: usize, count: u32) -> u32 {
    let first = position / 8;
    let word = match bytes.get(first..).and_then(|rest| rest.first_chunk::<8>()) {
        Some(eight) => u64::from_be_bytes(*eight),
        None => (first..first + 8)
            .fold(0u64, |sum, index| sum << 8 | u64::from(bytes.get(index).copied().unwrap_or(0))),
    };
    if count == 0 { 0 } else { (word << (position % 8) >> (64 - count)) as u32 }
}

/// Bits of a number of which four, and the rest of a byte before them, come with eight bytes.
const NARROW: usize = 14;

/// [`bits`] one after another.
#[multiversion(targets("x86_64+avx512f+avx512bw+avx512dq+avx512vl+bmi2", "x86_64+avx2+bmi2"))]
pub fn all_bits(bytes: &[u8], position: usize, count: u32, out: &mut [u32]) {
    let width = count as usize;
    let rest = bytes.get(position / 8..).unwrap_or(&[]);
    let at = position % 8;
    let done = if (1..=NARROW).contains(&width) { narrow(rest, at, width, out) } else { 0 };
    for (number, place) in out.iter_mut().enumerate().skip(done) {
        *place = bits(rest, at + number * width, count);
    }
}

/// The first of so many numbers, eight by eight (they fill whole bytes) as long as there are bytes to spare; how many.
#[inline(always)]
fn narrow(bytes: &[u8], at: usize, width: usize, out: &mut [u32]) -> usize {
    let halves = [at, at + 4 * width].map(|bit| ((bit / 8) & 7, bit as u64 % 8));
    // By how many bits a number lies behind the first of its half, and beyond which bits there is none of it.
    let behind: [u64; 8] = std::array::from_fn(|number| (number % 4 * width) as u64 & 63);
    let beyond = (64 - width) as u64 & 63;
    let mut done = 0;
    for eight in out.as_chunks_mut::<8>().0 {
        let Some(near) = bytes.get(done / 8 * width..).and_then(|rest| rest.first_chunk::<16>()) else {
            break;
        };
        let [first, second] = halves.map(|(byte, bit)| {
            let word: [u8; 8] = std::array::from_fn(|place| near[byte + place]);
            u64::from_be_bytes(word) << bit
        });
        let words = [first, first, first, first, second, second, second, second];
        *eight = std::array::from_fn(|number| (words[number] << behind[number] >> beyond) as u32);
        done += 8;
    }
    done
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers() {
        assert_eq!(unsigned(&[1, 2, 3], 1, 2), Some(0x203));
        assert_eq!(unsigned(&[1, 2, 3], 2, 2), None);
        assert_eq!(signed(&[0x80, 4], 0, 2), Some(-4));
        assert_eq!(scaled(&[1, 0, 0, 0, 25], 0), Some(2.5));
        assert_eq!(scaled(&[0x81, 0, 0, 0, 25], 0), Some(250.0));
        assert_eq!(scaled(&[0xff, 0, 0, 0, 25], 0), None);
        assert_eq!(float(&[0x3f, 0x80, 0, 0], 0), Some(1.0));
    }

    #[test]
    fn bit_fields_at_any_place() {
        let bytes: Vec<u8> = (0..61).map(|index: u8| index.wrapping_mul(151).wrapping_add(7)).collect();
        let slow = |position: usize, count: u32| {
            (position..position + count as usize)
                .fold(0u64, |sum, bit| sum << 1 | u64::from(bytes[bit / 8] >> (7 - bit % 8) & 1))
        };
        for position in 0..bytes.len() * 8 {
            for count in 0..=32u32.min((bytes.len() * 8 - position) as u32) {
                assert_eq!(
                    u64::from(bits(&bytes, position, count)),
                    slow(position, count),
                    "{position} {count}"
                );
            }
            for count in 0..=32 {
                let there = (bytes.len() * 8 - position) / (count as usize).max(1);
                let mut all = vec![1; there.min(35)];
                all_bits(&bytes, position, count, &mut all);
                let one = |index: usize| slow(position + index * count as usize, count);
                assert!(all.iter().enumerate().all(|(index, value)| u64::from(*value) == one(index)));
            }
        }
    }
}
