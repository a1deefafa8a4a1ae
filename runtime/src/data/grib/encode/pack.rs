//! Values to packed bits: X = (Y - R) / 2^E to the nearest whole number, plain or as second differences in groups.

use super::signed;

/// How values are packed; `binary` is E, and 2^E the step of what is kept.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Packing {
    /// Template 5.0.
    Simple { binary: i16 },
    /// Template 5.3, second differences.
    Differences { binary: i16 },
}

/// Sections 5 and 7 without their heads.
#[derive(Clone, Debug)]
pub struct Packed {
    pub description: Vec<u8>,
    pub data: Vec<u8>,
}

/// Values beyond which differences of differences would not fit their 32 bits.
const MOST: f64 = (1u32 << 28) as f64;
/// Values that always share a group.
const BLOCK: usize = 8;
/// What a group costs beside its values: its reference, width and length, in bits.
const OVERHEAD: u64 = 24;
const LONGEST_GROUP: usize = 1 << 10;

pub(super) fn pack(packing: Packing, values: &[f32]) -> Result<Packed, String> {
    let (Packing::Simple { binary } | Packing::Differences { binary }) = packing;
    let (mut least, mut greatest) = (f32::INFINITY, f32::NEG_INFINITY);
    for &value in values {
        if !value.is_finite() {
            return Err("a value is missing, and no bitmap is written".into());
        }
        (least, greatest) = (least.min(value), greatest.max(value));
    }
    let count = u32::try_from(values.len()).map_err(|_| "too many values".to_string())?;
    let step = 2f64.powi(i32::from(binary));
    if least >= greatest || ((f64::from(greatest) - f64::from(least)) / step).round() < 1.0 {
        let mut description = head(count, 0, least, 0, 0);
        description.push(0);
        return Ok(Packed { description, data: Vec::new() });
    }
    if (f64::from(greatest) - f64::from(least)) / step > MOST {
        return Err(format!("values from {least} to {greatest} in steps of {step}"));
    }
    // Kept values are whole steps where f32 has them, so that zero stays zero.
    let steps = (f64::from(least) / step).floor();
    if steps.abs() < f64::from(1u32 << 24) {
        least = (steps * step) as f32;
    }
    // Multiplying by the inverse of a power of two is exact.
    let whole: Vec<u32> =
        values.iter().map(|&value| ((f64::from(value) - f64::from(least)) / step + 0.5) as u32).collect();
    Ok(match packing {
        Packing::Simple { .. } => simple(count, least, binary, &whole),
        Packing::Differences { .. } if whole.len() < 3 => simple(count, least, binary, &whole),
        Packing::Differences { .. } => differences(count, least, binary, whole),
    })
}

/// The beginning that templates 5.0 and 5.3 share.
fn head(count: u32, template: u16, reference: f32, binary: i16, bits: u32) -> Vec<u8> {
    let mut body = count.to_be_bytes().to_vec();
    body.extend(template.to_be_bytes());
    body.extend(reference.to_be_bytes());
    body.extend(signed(i64::from(binary), 2));
    body.extend([0, 0, bits as u8]);
    body
}

fn simple(count: u32, reference: f32, binary: i16, whole: &[u32]) -> Packed {
    let width = width_of(whole.iter().copied().max().unwrap_or(0));
    let mut description = head(count, 0, reference, binary, width);
    description.push(0);
    let mut bits = Bits::of(whole.len() as u64 * u64::from(width));
    whole.iter().for_each(|&value| bits.push(value, width));
    Packed { description, data: bits.finish() }
}

/// A group of neighbouring values.
#[derive(Clone, Copy)]
struct Group {
    least: u32,
    greatest: u32,
    length: usize,
}

impl Group {
    fn with(self, other: Group) -> Group {
        Group {
            least: self.least.min(other.least),
            greatest: self.greatest.max(other.greatest),
            length: self.length + other.length,
        }
    }

    fn width(&self) -> u32 {
        width_of(self.greatest - self.least)
    }

    fn bits(&self) -> u64 {
        self.length as u64 * u64::from(self.width())
    }
}

fn differences(count: u32, reference: f32, binary: i16, whole: Vec<u32>) -> Packed {
    let first = [whole[0], whole[1]];
    let second = |three: &[u32]| i64::from(three[2]) - 2 * i64::from(three[1]) + i64::from(three[0]);
    let least = whole.windows(3).map(second).min().unwrap_or(0);
    let mut stored = vec![0u32; whole.len()];
    for (place, three) in stored[2..].iter_mut().zip(whole.windows(3)) {
        *place = (second(three) - least) as u32;
    }
    let groups = grouped(&stored);
    let most = |of: fn(&Group) -> u32| groups.iter().map(of).max().unwrap_or(0);
    let reference_bits = width_of(most(|group| group.least));
    let narrowest = groups.iter().map(Group::width).min().unwrap_or(0);
    let width_bits = width_of(most(Group::width) - narrowest);
    let shortest = groups.iter().map(|group| group.length).min().unwrap_or(0);
    let length_bits = width_of(most(|group| group.length as u32) - shortest as u32);
    // A bit more than the magnitude, for the sign.
    let magnitude = u64::from(first[0].max(first[1])).max(least.unsigned_abs());
    let octets = (u64::BITS - magnitude.leading_zeros() + 1).div_ceil(8).max(1) as usize;

    let mut description = head(count, 3, reference, binary, reference_bits);
    description.extend([0, 1, 0]);
    description.extend([0; 8]);
    description.extend((groups.len() as u32).to_be_bytes());
    description.extend([narrowest as u8, width_bits as u8]);
    description.extend((shortest as u32).to_be_bytes());
    description.push(1);
    description.extend((groups.last().map_or(0, |group| group.length) as u32).to_be_bytes());
    description.extend([length_bits as u8, 2, octets as u8]);

    let mut data = Vec::new();
    for value in [i64::from(first[0]), i64::from(first[1]), least] {
        data.extend(signed(value, octets));
    }
    let list = |data: &mut Vec<u8>, width: u32, of: &dyn Fn(&Group) -> u32| {
        let mut bits = Bits::of(groups.len() as u64 * u64::from(width));
        groups.iter().for_each(|group| bits.push(of(group), width));
        data.extend(bits.finish());
    };
    list(&mut data, reference_bits, &|group| group.least);
    list(&mut data, width_bits, &|group| group.width() - narrowest);
    list(&mut data, length_bits, &|group| (group.length - shortest) as u32);
    let mut bits = Bits::of(groups.iter().map(Group::bits).sum());
    let mut rest = stored.as_slice();
    for group in &groups {
        let (these, others) = rest.split_at(group.length);
        let width = group.width();
        these.iter().for_each(|&value| bits.push(value - group.least, width));
        rest = others;
    }
    data.extend(bits.finish());
    Packed { description, data }
}

/// Blocks joined to the group before them where that costs less than beginning a new one.
fn grouped(stored: &[u32]) -> Vec<Group> {
    let mut groups: Vec<Group> = Vec::new();
    for block in stored.chunks(BLOCK) {
        let (mut least, mut greatest) = (u32::MAX, 0);
        for &value in block {
            (least, greatest) = (least.min(value), greatest.max(value));
        }
        let block = Group { least, greatest, length: block.len() };
        match groups.last_mut() {
            Some(last)
                if last.length + block.length <= LONGEST_GROUP
                    && last.with(block).bits() <= last.bits() + block.bits() + OVERHEAD =>
            {
                *last = last.with(block);
            }
            _ => groups.push(block),
        }
    }
    groups
}

fn width_of(value: u32) -> u32 {
    u32::BITS - value.leading_zeros()
}

/// Bits one after the other, most significant first.
struct Bits {
    bytes: Vec<u8>,
    /// The `held` lowest bits of it are not written yet.
    word: u64,
    held: u32,
}

impl Bits {
    fn of(bits: u64) -> Self {
        Bits { bytes: Vec::with_capacity(bits.div_ceil(8) as usize + 8), word: 0, held: 0 }
    }

    #[inline]
    fn push(&mut self, value: u32, width: u32) {
        self.word = self.word << width | u64::from(value);
        self.held += width;
        if self.held >= 32 {
            self.held -= 32;
            self.bytes.extend(((self.word >> self.held) as u32).to_be_bytes());
        }
    }

    /// Padded to a whole byte.
    fn finish(mut self) -> Vec<u8> {
        while self.held > 0 {
            let shift = self.held.saturating_sub(8);
            let short = 8 - (self.held - shift);
            self.bytes.push((self.word >> shift << short) as u8);
            self.held = shift;
        }
        self.bytes
    }
}
