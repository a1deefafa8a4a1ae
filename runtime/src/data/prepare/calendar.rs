//! The times of a plan and which of them follow one another: all that the splits decide of a stretch of times.

use std::collections::BTreeSet;

use aurora_compiler::plan::data::{DataPlan, TimeRange};
use jiff::Timestamp;

use super::within;

/// The times of a plan's splits.
#[derive(Clone, Copy, Debug)]
pub(super) struct Calendar<'a> {
    pub plan: &'a DataPlan,
    /// [`selected_times`].
    pub times: &'a [Timestamp],
}

/// What the splits decide of a stretch: two plans that agree in it, and in all but their times, make the same of it.
#[derive(Debug, PartialEq)]
pub(super) struct Decided {
    /// Whether each of its times is of `train`.
    train: Vec<bool>,
    /// Which times follow one another in one split, among those that are looked at for the stretch.
    neighbours: Vec<(Timestamp, Timestamp)>,
}

impl Calendar<'_> {
    /// The time some steps away, if it lies in the same split.
    pub fn neighbour(&self, time: Timestamp, steps: i64) -> Option<Timestamp> {
        let there = self.step(time, steps)?;
        let splits = [Some(self.plan.train), self.plan.validate, self.plan.test];
        let same = |range: &TimeRange| within(range, time) && within(range, there);
        (splits.iter().flatten().any(same) && self.times.binary_search(&there).is_ok()).then_some(there)
    }

    /// Times on each side of one, itself included, between which its gap may be bridged.
    pub fn reach(&self) -> i64 {
        self.plan.repair.gaps.as_ref().map_or(0, |gaps| gaps.longest / self.plan.every)
    }

    pub fn decided(&self, stretch: &[Timestamp]) -> Decided {
        let reach = self.reach();
        // The first time is compared with the one before it, which may have been made from times still earlier, which were judged
        // beside those before them.
        let (before, after) = ((reach + 1).max(2), (reach - 1).max(0));
        let around = |time: &Timestamp| {
            let times = (-before..=after).filter_map(|steps| self.step(*time, steps));
            times.filter(|time| self.times.binary_search(time).is_ok()).collect::<Vec<_>>()
        };
        let seen: BTreeSet<Timestamp> = stretch.iter().flat_map(around).collect();
        let span = after.max(1);
        let beside = |time: &Timestamp| {
            let near =
                (-span..=span).filter(|steps| *steps != 0).filter_map(|steps| self.neighbour(*time, steps));
            near.filter(|near| seen.contains(near)).map(|near| (*time, near)).collect::<Vec<_>>()
        };
        Decided {
            train: stretch.iter().map(|time| within(&self.plan.train, *time)).collect(),
            neighbours: seen.iter().flat_map(beside).collect(),
        }
    }

    fn step(&self, time: Timestamp, steps: i64) -> Option<Timestamp> {
        Timestamp::from_second(time.as_second() + steps * self.plan.every).ok()
    }
}

/// The times of all splits, each once, in order.
#[must_use]
pub fn selected_times(plan: &DataPlan) -> Vec<Timestamp> {
    let mut times = BTreeSet::new();
    for range in [Some(plan.train), plan.validate, plan.test].into_iter().flatten() {
        let mut second = range.from.as_second();
        while plan.every > 0 && second <= range.to.as_second() {
            times.extend(Timestamp::from_second(second));
            second += plan.every;
        }
    }
    let months = &plan.sampling.months;
    let wanted = |time: &Timestamp| {
        let month = time.to_zoned(jiff::tz::TimeZone::UTC).month() as u8;
        months.is_empty() || months.contains(&month)
    };
    times.into_iter().filter(wanted).collect()
}

/// The time at which what does not change is read: the first that is there, of those on the hour if one of them is, for
/// between the hours an archive may have less.
pub(in crate::data) fn first_of(times: &[Timestamp], there: impl Fn(Timestamp) -> bool) -> Option<Timestamp> {
    let hours = times.iter().copied().filter(|time| time.as_second() % 3600 == 0);
    hours.chain(times.iter().copied()).find(|time| there(*time))
}
