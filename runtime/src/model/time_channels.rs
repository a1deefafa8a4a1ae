//! Six channels of the date, the same at every point: what Aurora calls its dynamic variables.

use aurora_compiler::plan::model::TIME_CHANNELS;
use jiff::Timestamp;
use jiff::tz::TimeZone;

use super::ModelError;

/// Number of channels.
const COUNT: usize = TIME_CHANNELS.len();

/// The channels of one time, in the order of `TIME_CHANNELS`: cosine and sine of the hour of the day, of the day
/// of the week, and of what upstream calls the day of the year.
///
/// Upstream's ways are kept: minutes do not count, and the day of the "year" is the day of the *month* over
/// 365.25. Times are UTC.
///
/// # Errors
/// A time that no calendar reaches.
pub fn of(time: i64) -> Result<[f32; COUNT], ModelError> {
    let unreachable = |_| ModelError::Batch(format!("the time {time} s since 1970 lies in no calendar"));
    let date = Timestamp::from_second(time).map_err(unreachable)?.to_zoned(TimeZone::UTC);
    let weekday = date.weekday().to_monday_zero_offset();
    let turns = [f64::from(date.hour()) / 24.0, f64::from(weekday) / 7.0, f64::from(date.day()) / 365.25];
    let mut channels = [0.0; COUNT];
    for (pair, turn) in channels.chunks_mut(2).zip(turns) {
        let (sine, cosine) = (2.0 * std::f64::consts::PI * turn).sin_cos();
        pair.copy_from_slice(&[cosine as f32, sine as f32]);
    }
    Ok(channels)
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Sunday 14 November 2021, 09:59 UTC.
    #[test]
    fn the_day_counts_from_the_month() {
        let channels = of(1_636_883_940).unwrap();
        let turn = |part: f64| (2.0 * std::f64::consts::PI * part).sin_cos();
        for (index, part) in [9.0 / 24.0, 6.0 / 7.0, 14.0 / 365.25].into_iter().enumerate() {
            let (sine, cosine) = turn(part);
            assert_eq!(channels[2 * index..2 * index + 2], [cosine as f32, sine as f32]);
        }
        assert!(of(i64::MAX).is_err());
    }
}
