//! Which bytes one request asks for: neighbours together where that pays, long stretches in pieces.

use std::ops::Range;

/// The longest gap between two wanted stretches that is fetched along with them: a request costs about as long as
/// a megabyte takes.
const GAP: u64 = 1 << 20;
/// And no more than one in so many bytes of a request may be of gaps.
const SHARE: u64 = 4;
/// The longest stretch of one request, and of one file of the cache: what is fetched again if its last byte is
/// wrong, and what has to be read again to check one of its bytes.
pub const PIECE: u64 = 8 << 20;

/// Stretches in order, none empty, none touching another.
#[must_use]
pub fn union(ranges: &[Range<u64>]) -> Vec<Range<u64>> {
    let mut sorted: Vec<Range<u64>> =
        ranges.iter().filter(|range| range.start < range.end).cloned().collect();
    sorted.sort_by_key(|range| (range.start, range.end));
    let mut all: Vec<Range<u64>> = Vec::new();
    for range in sorted {
        match all.last_mut() {
            Some(last) if range.start <= last.end => last.end = last.end.max(range.end),
            _ => all.push(range),
        }
    }
    all
}

/// What of `wanted` is not in `present`.
#[must_use]
pub fn without(wanted: &[Range<u64>], present: &[Range<u64>]) -> Vec<Range<u64>> {
    let present = union(present);
    let mut rest = Vec::new();
    for range in union(wanted) {
        let mut start = range.start;
        for known in present.iter().filter(|known| known.start < range.end && known.end > range.start) {
            if known.start > start {
                rest.push(start..known.start);
            }
            start = start.max(known.end);
        }
        if start < range.end {
            rest.push(start..range.end);
        }
    }
    rest
}

/// The requests that bring all of `missing`. Bytes of `present` are not asked for again.
#[must_use]
pub fn requests(missing: &[Range<u64>], present: &[Range<u64>]) -> Vec<Range<u64>> {
    let mut merged: Vec<(Range<u64>, u64)> = Vec::new();
    for range in union(missing) {
        let length = range.end - range.start;
        if let Some((last, gaps)) = merged.last_mut() {
            let gap = range.start - last.end;
            let all = *gaps + gap;
            let known = present.iter().any(|known| known.start < range.start && known.end > last.end);
            if gap <= GAP && all.saturating_mul(SHARE) <= range.end - last.start && !known {
                last.end = range.end;
                *gaps = all;
                continue;
            }
        }
        merged.push((range.start..range.start + length, 0));
    }
    merged.iter().flat_map(|(range, _)| pieces(range)).collect()
}

/// A stretch in pieces of much the same length, none longer than [`PIECE`].
fn pieces(range: &Range<u64>) -> Vec<Range<u64>> {
    let length = range.end - range.start;
    let count = length.div_ceil(PIECE).max(1);
    let each = length.div_ceil(count);
    let start = |index: u64| range.start + (index * each).min(length);
    (0..count).map(|index| start(index)..start(index + 1)).collect()
}

#[cfg(test)]
#[allow(clippy::single_range_in_vec_init)]
mod tests {
    use super::*;

    #[test]
    fn neighbours_come_together_where_it_pays() {
        const M: u64 = 1 << 20;
        // A gap of a twentieth.
        assert_eq!(requests(&[0..100, 110..200], &[]), [0..200]);
        // A gap as long as what is wanted.
        assert_eq!(requests(&[0..100, 200..300], &[]), [0..100, 200..300]);
        // A small share, but longer than a request is worth.
        assert_eq!(requests(&[0..6 * M, 8 * M..14 * M], &[]), [0..6 * M, 8 * M..14 * M]);
        // Over what is there already nothing is asked again.
        assert_eq!(requests(&[0..100, 110..200], &[100..110]), [0..100, 110..200]);
        // In any order, and overlapping.
        assert_eq!(requests(&[150..200, 0..160, 7..7], &[]), [0..200]);
    }

    #[test]
    fn long_stretches_come_in_pieces() {
        let long = 17 * PIECE / 4;
        let pieces = requests(&[5..5 + long], &[]);
        assert_eq!(pieces.len(), 5);
        assert_eq!((pieces[0].start, pieces[4].end), (5, 5 + long));
        assert!(pieces.windows(2).all(|two| two[0].end == two[1].start));
        assert!(pieces.iter().all(|piece| piece.start < piece.end && piece.end - piece.start <= PIECE));
    }

    #[test]
    fn what_is_there_is_not_missing() {
        assert_eq!(without(&[0..100], &[20..30, 25..40, 90..200]), [0..20, 40..90]);
        assert_eq!(without(&[0..100], &[0..50, 50..100]), [] as [Range<u64>; 0]);
        assert_eq!(without(&[5..10, 8..20], &[]), [5..20]);
    }
}
