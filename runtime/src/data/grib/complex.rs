//! Complex packing (templates 5.2 and 5.3): values in groups, each with its own reference, width and length;
//! 5.3 packs the first or second differences of the field instead of the field.
//!
//! The data hold, each list padded to a whole byte: (5.3 only) the first one or two values and the least
//! difference; the groups' references; their widths; their lengths; the values.

use super::Problem;
use super::octets::{all_bits, bits, signed, unsigned};
use super::packing::{Number, Scale, enough};

/// Values that are unpacked in one go.
const PART: usize = 512;

/// What section 5 says about the groups.
#[derive(Clone, Debug)]
pub struct Groups {
    values: u64,
    count: u64,
    reference_bits: u32,
    /// 0 no missing values, 1 one mark, 2 two marks.
    missing: u8,
    width_reference: u32,
    width_bits: u32,
    length_reference: u64,
    length_increment: u64,
    last_length: u64,
    length_bits: u32,
    /// Order of differences (0 for template 5.2) and the bytes of each number before the groups.
    order: u8,
    extra: usize,
}

impl Groups {
    pub(super) fn read(section: &[u8], values: u64) -> Result<Self, Problem> {
        let short = || Problem::Damaged("section 5 is too short for complex packing".into());
        let byte = |offset: usize| section.get(offset).copied().ok_or_else(short);
        let word = |offset: usize| unsigned(section, offset, 4).ok_or_else(short);
        let differences = unsigned(section, 9, 2) == Some(3);
        let groups = Groups {
            values,
            count: word(31)?,
            reference_bits: u32::from(byte(19)?),
            missing: byte(22)?,
            width_reference: u32::from(byte(35)?),
            width_bits: u32::from(byte(36)?),
            length_reference: word(37)?,
            length_increment: u64::from(byte(41)?),
            last_length: word(42)?,
            length_bits: u32::from(byte(46)?),
            order: if differences { byte(47)? } else { 0 },
            extra: if differences { usize::from(byte(48)?) } else { 0 },
        };
        groups.check().map(|()| groups)
    }

    fn check(&self) -> Result<(), Problem> {
        if self.count > self.values {
            return Err(Problem::Damaged(format!("{} groups for {} values", self.count, self.values)));
        }
        if self.reference_bits > 32 || self.width_bits > 8 || self.length_bits > 32 {
            return Err(Problem::Damaged("groups described with more than 32 bits".into()));
        }
        if self.missing > 2 || self.order > 2 || self.extra > 8 || (self.order > 0 && self.extra == 0) {
            return Err(Problem::Unsupported(format!(
                "complex packing with missing-value rule {}, differences of order {} in {} bytes",
                self.missing, self.order, self.extra
            )));
        }
        Ok(())
    }

    /// Without groups the field is constant.
    pub(super) fn none(&self) -> bool {
        self.count == 0
    }

    /// Whether `value` in a field of `width` bits is a mark for a missing value: all ones, or, with two marks,
    /// all ones less one.
    fn is_missing(&self, value: u32, width: u32) -> bool {
        let ones = if width == 0 { 0 } else { u32::MAX >> (32 - width) };
        (self.missing > 0 && value == ones) || (self.missing > 1 && width > 0 && value == ones - 1)
    }
}

/// One group: its reference, the bits of each value and how many values.
struct Group {
    reference: u32,
    width: u32,
    length: u64,
}

/// Gives the values in turn, missing ones as NaN; there is at least one group. None are given of data that contradict the
/// groups' description.
pub(super) fn unpack<N: Number>(
    groups: &Groups,
    scale: Scale,
    data: &[u8],
    give: &mut dyn FnMut(&[N]),
) -> Result<(), Problem> {
    let mut differences = Differences::read(groups, data)?;
    let after_extra = data.get((usize::from(groups.order) + usize::from(groups.order > 0)) * groups.extra..);
    let lists = Lists::check(groups, after_extra.unwrap_or(&[]))?;
    let mut ready = Ready { scale, whole: [0; PART], values: [N::MISSING; PART], count: 0 };
    let (mut stored, mut position) = ([0; PART], 0);
    for index in 0..groups.count {
        let group = lists.group(index);
        let length = group.length as usize;
        let from = position;
        position += group.width as usize * length;
        // The first values stand for themselves, so the groups they are in take the long way.
        if groups.missing > 0 || differences.seen < differences.order {
            ready.give(give);
            let stored = Stored { values: lists.values, position: from, group: &group };
            for start in (0..length).step_by(PART) {
                let values = &mut ready.values[..PART.min(length - start)];
                for (n, place) in (start..).zip(&mut *values) {
                    let value = stored.get(n);
                    *place = match stored.is_missing(groups, value) {
                        true => N::MISSING,
                        false => scale.of(differences.undo(i64::from(group.reference) + value) as f64),
                    };
                }
                give(values);
            }
        } else {
            for start in (0..length).step_by(PART) {
                let part = PART.min(length - start);
                // Up to seven numbers of the next group come along, for eight at a time are the fastest.
                let eights = &mut stored[..part.next_multiple_of(8)];
                all_bits(lists.values, from + start * group.width as usize, group.width, eights);
                if ready.count + part > PART {
                    ready.give(give);
                }
                let places = &mut ready.whole[ready.count..ready.count + part];
                differences.undo_all(group.reference, &stored[..part], places);
                ready.count += part;
            }
        }
    }
    ready.give(give);
    Ok(())
}

/// Whole numbers of one or several groups that are yet to be brought to scale.
struct Ready<N> {
    scale: Scale,
    whole: [i64; PART],
    values: [N; PART],
    count: usize,
}

impl<N: Number> Ready<N> {
    /// Gives what there is.
    fn give(&mut self, give: &mut dyn FnMut(&[N])) {
        let count = std::mem::take(&mut self.count);
        N::scaled(self.scale, &self.whole[..count], &mut self.values[..count]);
        give(&self.values[..count]);
    }
}

/// The packed values of one group.
struct Stored<'a> {
    values: &'a [u8],
    /// Of the first bit.
    position: usize,
    group: &'a Group,
}

impl Stored<'_> {
    #[inline(always)]
    fn get(&self, n: usize) -> i64 {
        i64::from(bits(self.values, self.position + n * self.group.width as usize, self.group.width))
    }

    /// A group without bits is missing as a whole if its reference says so.
    fn is_missing(&self, groups: &Groups, value: i64) -> bool {
        match self.group.width {
            0 => groups.is_missing(self.group.reference, groups.reference_bits),
            width => groups.is_missing(value as u32, width),
        }
    }
}

/// The three lists that describe the groups, and the bytes of the values behind them. They are read as they are
/// needed: groups without bits could be very many.
struct Lists<'a> {
    groups: &'a Groups,
    references: &'a [u8],
    widths: &'a [u8],
    lengths: &'a [u8],
    values: &'a [u8],
}

impl<'a> Lists<'a> {
    /// Makes sure that lengths add up to the number of values and that the bytes suffice.
    fn check(groups: &'a Groups, data: &'a [u8]) -> Result<Self, Problem> {
        let count = groups.count;
        let bytes = |width: u32| (count * u64::from(width)).div_ceil(8) as usize;
        let widths_at = bytes(groups.reference_bits);
        let lengths_at = widths_at + bytes(groups.width_bits);
        let values_at = lengths_at + bytes(groups.length_bits);
        enough(data, values_at as u64 * 8)?;
        let lists = Lists {
            groups,
            references: &data[..widths_at],
            widths: &data[widths_at..lengths_at],
            lengths: &data[lengths_at..values_at],
            values: &data[values_at..],
        };
        let (mut total, mut total_bits) = (0u64, 0u64);
        for index in 0..count {
            let group = lists.group(index);
            total += group.length;
            total_bits += group.length.saturating_mul(u64::from(group.width));
            if total > groups.values || group.width > 32 {
                return Err(Problem::Damaged(format!("group {} of {count} does not fit", index + 1)));
            }
        }
        if total != groups.values {
            return Err(Problem::Damaged(format!(
                "groups of {total} values where {} are announced",
                groups.values
            )));
        }
        enough(lists.values, total_bits)?;
        Ok(lists)
    }

    fn group(&self, index: u64) -> Group {
        let groups = self.groups;
        let nth = |list: &[u8], width: u32| bits(list, index as usize * width as usize, width);
        let length = match index == groups.count - 1 {
            true => groups.last_length,
            false => {
                groups.length_reference
                    + groups.length_increment * u64::from(nth(self.lengths, groups.length_bits))
            }
        };
        Group {
            reference: nth(self.references, groups.reference_bits),
            width: groups.width_reference + nth(self.widths, groups.width_bits),
            length,
        }
    }
}

/// Undoes the differences: x_n = d_n + least + x_(n-1), or + 2·x_(n-1) - x_(n-2) for second order. Only values
/// that exist take part; missing ones are skipped over, as the encoder did.
struct Differences {
    order: u8,
    first: [i64; 2],
    least: i64,
    seen: u8,
    last: i64,
    before: i64,
}

impl Differences {
    fn read(groups: &Groups, data: &[u8]) -> Result<Self, Problem> {
        let mut differences =
            Differences { order: groups.order, first: [0; 2], least: 0, seen: 0, last: 0, before: 0 };
        if groups.order == 0 {
            return Ok(differences);
        }
        let short = || Problem::Damaged("no room for the first values".into());
        for (index, first) in differences.first.iter_mut().enumerate().take(usize::from(groups.order)) {
            *first = unsigned(data, index * groups.extra, groups.extra).ok_or_else(short)? as i64;
        }
        let at = usize::from(groups.order) * groups.extra;
        differences.least = signed(data, at, groups.extra).ok_or_else(short)?;
        Ok(differences)
    }

    /// The same for many values of one group, whole numbers still.
    fn undo_all(&mut self, reference: u32, stored: &[u32], whole: &mut [i64]) {
        let base = i64::from(reference).wrapping_add(self.least);
        let (mut last, mut slope) = (self.last, self.last.wrapping_sub(self.before));
        let places = whole.iter_mut().zip(stored);
        match self.order {
            0 => places.for_each(|(whole, stored)| *whole = i64::from(reference) + i64::from(*stored)),
            1 => {
                for (whole, stored) in places {
                    last = last.wrapping_add(base.wrapping_add(i64::from(*stored)));
                    *whole = last;
                }
            }
            _ => {
                for (whole, stored) in places {
                    slope = slope.wrapping_add(base.wrapping_add(i64::from(*stored)));
                    last = last.wrapping_add(slope);
                    *whole = last;
                }
            }
        }
        (self.last, self.before) = (last, last.wrapping_sub(slope));
    }

    /// Sums wrap: in a sound file they never come near the ends, in a damaged one they may do as they like.
    fn undo(&mut self, stored: i64) -> i64 {
        let value = match self.order {
            0 => stored,
            order if self.seen < order => {
                self.seen += 1;
                self.first[usize::from(self.seen) - 1]
            }
            1 => stored.wrapping_add(self.least).wrapping_add(self.last),
            _ => stored
                .wrapping_add(self.least)
                .wrapping_add(self.last.wrapping_mul(2))
                .wrapping_sub(self.before),
        };
        self.before = self.last;
        self.last = value;
        value
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Two groups of 8-bit references 10 and 200, widths 4 and 0, lengths 3 and 2, in one list of bytes.
    fn groups(order: u8, missing: u8) -> Groups {
        Groups {
            values: 5,
            count: 2,
            reference_bits: 8,
            missing,
            width_reference: 0,
            width_bits: 4,
            length_reference: 0,
            length_increment: 1,
            last_length: 2,
            length_bits: 4,
            order,
            extra: if order > 0 { 1 } else { 0 },
        }
    }

    /// R = 0, E = 0, D = 0: values are the whole numbers themselves.
    fn unpack(groups: &Groups, data: &[u8]) -> Result<Vec<f64>, Problem> {
        let mut section = vec![0; 21];
        section[4] = 5;
        let plain = super::super::Packing::read(&section)?.scale();
        let mut values = Vec::new();
        super::unpack(groups, plain, data, &mut |part| values.extend_from_slice(part)).map(|()| values)
    }

    const LISTS: [u8; 4] = [10, 200, 0x40, 0x30];

    #[test]
    fn groups_by_hand() {
        let data = [&LISTS[..], &[0x1f, 0x30]].concat();
        assert_eq!(unpack(&groups(0, 0), &data).unwrap(), [11.0, 25.0, 13.0, 200.0, 200.0]);
        let marked = unpack(&groups(0, 1), &data).unwrap();
        assert_eq!(format!("{marked:?}"), "[11.0, NaN, 13.0, 200.0, 200.0]");
    }

    #[test]
    fn second_differences_by_hand() {
        // First values 7 and 9, least difference -100; stored 10, 10, 13, 200, 200, of which the first two give
        // way to 7 and 9: then 13-100+2·9-7 = -76, 200-100+2·(-76)-9 = -61, 200-100+2·(-61)+76 = 54.
        let data = [&[7, 9, 0x80 | 100][..], &LISTS, &[0x00, 0x30]].concat();
        let values = unpack(&groups(2, 0), &data).unwrap();
        assert_eq!(values, [7.0, 9.0, -76.0, -61.0, 54.0]);
    }

    #[test]
    fn lengths_that_do_not_add_up_are_refused() {
        let mut wrong = groups(0, 0);
        wrong.last_length = 3;
        assert!(unpack(&wrong, &[10, 200, 0x40, 0x30, 0x1f, 0x30]).is_err());
        assert!(unpack(&groups(0, 0), &[10, 200, 0x40, 0x30, 0x1f]).is_err());
    }
}
