//! What is asked of an archive once in a preparation: what does not change, and whether times that it lacked have come.

use std::collections::BTreeMap;
use std::path::Path;

use jiff::Timestamp;

use super::hour::{Read, Values};
use super::work::Work;
use crate::data::archive::DataError;
use crate::data::journal::{self, STATIC, TimesRecord};

/// What is known so far.
#[derive(Debug, Default)]
pub(super) struct Known {
    fixed: Option<Fixed>,
    /// The time that a store begun before has what does not change from.
    read_at: Option<Timestamp>,
    came: BTreeMap<Timestamp, bool>,
}

/// What does not change.
#[derive(Debug)]
pub(super) struct Fixed {
    pub time: Timestamp,
    /// By the place of the field in the plan; nothing for what changes.
    pub values: Values,
    pub digest: String,
}

impl Fixed {
    fn of(time: Timestamp, values: Values) -> Self {
        let mut hash = blake3::Hasher::new();
        for (index, value) in values.iter().enumerate() {
            let Some(value) = value else { continue };
            hash.update(&(index as u64).to_le_bytes());
            for row in value.rows() {
                let bytes: Vec<u8> = row.iter().flat_map(|value| value.to_le_bytes()).collect();
                hash.update(&bytes);
            }
        }
        Self { time, values, digest: hash.finalize().to_hex()[..16].to_string() }
    }
}

impl Known {
    /// Of a store that may be there.
    pub(super) fn of(store: &Path) -> Result<Self, DataError> {
        let written = journal::read(store, STATIC)?;
        let read_at = written.and_then(|written| Some(written.times?.times.first()?.time));
        Ok(Self { read_at, ..Self::default() })
    }
}

impl Work<'_> {
    /// What does not change, read when it is needed first: from the time that the store has it from, whatever earlier ones
    /// have come since, so that all of a store stands on the same ground.
    pub(super) fn fixed<'b>(&self, known: &'b mut Known) -> Result<&'b Fixed, DataError> {
        let there = |time: &Timestamp| self.archive.absence(&self.requests(), *time).is_none();
        Ok(match &mut known.fixed {
            Some(fixed) => fixed,
            empty => {
                let time = known.read_at.filter(there).map_or_else(|| self.first(), Ok)?;
                empty.insert(Fixed::of(time, self.statics(time)?))
            }
        })
    }

    /// Whether nothing has come since that a stretch lacks, or lacked around it.
    pub(super) fn is_done(&self, times: &TimesRecord, known: &mut Known) -> Result<bool, DataError> {
        let own =
            times.times.iter().filter(|record| record.status.lacking().is_some()).map(|record| record.time);
        let beyond = times.beyond.iter().flat_map(|beyond| beyond.missed.iter().copied());
        for time in own.chain(beyond) {
            if self.has_come(time, known)? {
                return Ok(false);
            }
        }
        Ok(true)
    }

    /// Whether the archive now has a time that it did not have.
    fn has_come(&self, time: Timestamp, known: &mut Known) -> Result<bool, DataError> {
        if let Some(came) = known.came.get(&time) {
            return Ok(*came);
        }
        let came = self.archive.absence(&self.requests(), time).is_none() && {
            // Its files are there; whatever keeps them from being read, the store stays what it is.
            match self.fixed(known).and_then(|fixed| self.hour(time, &fixed.values)) {
                Err(DataError::Interrupted) => return Err(DataError::Interrupted),
                read => matches!(read, Ok(Read::Whole(_))),
            }
        };
        known.came.insert(time, came);
        Ok(came)
    }
}
