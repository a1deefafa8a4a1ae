//! What a training store holds, told once all its parts are there: the journals of its stretches put together.
//!
//! Stretches are merged in the order of time, so the result is the same whoever prepared which of them.

use std::collections::{BTreeMap, BTreeSet};
use std::path::Path;

use aurora_compiler::plan::data::SupportPlan;
use jiff::Timestamp;
use serde::{Deserialize, Serialize};

use crate::data::archive::DataError;
use crate::data::journal::{self, FOLDER, FieldRecord, STATIC, Status, TimeRecord, TimesRecord, Written};
use crate::data::layout::{self, Description};
use crate::data::quality::Check;
use crate::data::statistics::{FieldStatistics, Growing};
use crate::durable;

/// What a preparation found.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Inventory {
    /// Hex BLAKE3 of format, plan, archive and kernels.
    pub digest: String,
    /// Hex BLAKE3 of all files of fields.
    pub content: String,
    /// The name and the identity of the archive.
    pub archive: String,
    /// Every time of the splits and what became of it.
    pub times: Vec<TimeRecord>,
    pub fields: BTreeMap<String, FieldInventory>,
    /// Over the training split.
    pub statistics: BTreeMap<String, FieldStatistics>,
    /// Whether a store that was already whole has been kept.
    #[serde(skip)]
    pub reused: bool,
}

/// Counts of one field's values, over all times.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct FieldInventory {
    pub values: u64,
    /// Finite but outside the field's range.
    pub outside: u64,
    /// Not finite.
    pub missing: u64,
    /// Missing in the archive, filled from around them.
    pub mended: u64,
    /// Times by month, `2020-05`; none for what does not change.
    #[serde(default)]
    pub months: BTreeMap<String, Month>,
    #[serde(default)]
    pub findings: BTreeMap<Check, Tally>,
}

/// How many times of a month became what.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Month {
    pub present: u64,
    pub absent: u64,
    pub rejected: u64,
    pub filled: u64,
}

/// How often a check found something in a field.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
pub struct Tally {
    /// Times at which it did.
    pub times: u64,
    /// Points, over all of them.
    pub points: u64,
    /// The value farthest from what was expected.
    pub worst: f64,
    /// The first of the times.
    pub first: Timestamp,
}

impl Inventory {
    /// The times of which samples can be made.
    #[must_use]
    pub fn usable(&self) -> usize {
        self.times.iter().filter(|time| time.status.usable()).count()
    }

    /// Times that the archive does not have and that were not filled.
    pub fn absent(&self) -> impl Iterator<Item = &TimeRecord> {
        self.times.iter().filter(|time| matches!(time.status, Status::Absent { .. }))
    }

    /// Times left out for what the checks found in them.
    pub fn rejected(&self) -> impl Iterator<Item = &TimeRecord> {
        self.times.iter().filter(|time| time.status == Status::Rejected)
    }
}

/// The inventory of a store, if it is whole.
///
/// # Errors
/// A file that cannot be read.
pub fn read(directory: &Path) -> Result<Option<Inventory>, DataError> {
    let path = directory.join(FOLDER).join("inventory.json");
    match std::fs::read(&path) {
        Ok(bytes) => serde_json::from_slice(&bytes).map(Some).map_err(|error| DataError::Store {
            path: directory.to_path_buf(),
            reason: format!(
                "its inventory cannot be read ({error}): `aurorac data merge-stats` writes it again"
            ),
        }),
        Err(error) if error.kind() == std::io::ErrorKind::NotFound => Ok(None),
        Err(source) => Err(DataError::File { what: "cannot read", path, source }),
    }
}

/// Puts the journals of a store together and writes its inventory, which makes it whole.
///
/// # Errors
/// A stretch that is not finished; files that cannot be read or written.
pub fn merge(directory: &Path) -> Result<Inventory, DataError> {
    let description = layout::describe(directory)?;
    let mut sum = Sum::new(&description);
    let fixed = journal::read(directory, STATIC)?.unwrap_or_default();
    let mut kept = layout::stored_fields(&description.plan).into_iter();
    let lacking = kept.find(|f| f.support == SupportPlan::Static && !fixed.fields.contains_key(&f.name));
    if let Some(field) = lacking {
        let reason = format!("its `{}` is not written yet; run `aurorac data prepare` again", field.name);
        return Err(DataError::Store { path: directory.to_path_buf(), reason });
    }
    for record in fixed.fields.values() {
        sum.field(record);
    }
    let mut unfinished = Vec::new();
    for number in 0..description.stretches() {
        match journal::read(directory, &journal::name(number))? {
            Some(Written { fields, times: Some(times) }) => sum.stretch(&fields, &times),
            _ => unfinished.push(number),
        }
    }
    if let Some(first) = unfinished.first() {
        let time = description.times.get(first * description.shard);
        return Err(DataError::Store {
            path: directory.to_path_buf(),
            reason: format!(
                "{} of its {} stretches of time are not prepared yet, the first from {}; run `aurorac data prepare` again, \
                 or the shares (--part I/N) that are missing",
                unfinished.len(),
                description.stretches(),
                time.map(ToString::to_string).unwrap_or_default()
            ),
        });
    }
    let inventory = sum.told();
    // What lies there now was left by processes that were killed.
    let _ = std::fs::remove_dir_all(journal::ways(directory));
    layout::write_status(directory, &inventory.times)?;
    let path = directory.join(FOLDER).join("inventory.json");
    let text = serde_json::to_vec(&inventory).map_err(|error| DataError::Archive(error.to_string()))?;
    durable::write(&path, &text).map_err(DataError::Unwritten)?;
    Ok(inventory)
}

/// An inventory that grows stretch by stretch.
struct Sum {
    inventory: Inventory,
    growing: BTreeMap<String, Growing>,
    content: blake3::Hasher,
}

impl Sum {
    fn new(description: &Description) -> Self {
        Self {
            inventory: Inventory {
                digest: description.digest.clone(),
                content: String::new(),
                archive: description.archive.clone(),
                times: Vec::new(),
                fields: BTreeMap::new(),
                statistics: BTreeMap::new(),
                reused: false,
            },
            growing: BTreeMap::new(),
            content: blake3::Hasher::new(),
        }
    }

    fn field(&mut self, record: &FieldRecord) {
        let counts = self.inventory.fields.entry(record.field.clone()).or_default();
        counts.values += record.values;
        counts.outside += record.outside;
        counts.missing += record.missing;
        counts.mended += record.mended;
        self.content.update(record.file.as_bytes()).update(record.blake3.as_bytes());
        self.growing.entry(record.field.clone()).or_default().merge(&record.statistics);
    }

    fn told(mut self) -> Inventory {
        self.inventory.content = self.content.finalize().to_hex().to_string();
        self.inventory.statistics =
            self.growing.iter().map(|(name, growing)| (name.clone(), growing.grown())).collect();
        self.inventory
    }

    fn stretch(&mut self, fields: &BTreeMap<String, FieldRecord>, times: &TimesRecord) {
        for record in fields.values() {
            self.field(record);
        }
        for time in &times.times {
            for name in fields.keys() {
                let Some(counts) = self.inventory.fields.get_mut(name) else { continue };
                let month = counts.months.entry(time.time.strftime("%Y-%m").to_string()).or_default();
                match time.status {
                    Status::Present => month.present += 1,
                    Status::Absent { .. } => month.absent += 1,
                    Status::Rejected => month.rejected += 1,
                    Status::Filled { .. } => month.filled += 1,
                }
            }
            self.findings(time);
            self.inventory.times.push(time.clone());
        }
    }

    fn findings(&mut self, time: &TimeRecord) {
        let mut seen = BTreeSet::new();
        for finding in &time.findings {
            let field = self.inventory.fields.entry(finding.field.clone()).or_default();
            let tally = field.findings.entry(finding.check).or_insert(Tally {
                times: 0,
                points: 0,
                worst: finding.worst,
                first: time.time,
            });
            tally.times += u64::from(seen.insert((finding.check, &finding.field)));
            tally.points += finding.points;
            if finding.worst.abs() > tally.worst.abs() {
                tally.worst = finding.worst;
            }
        }
    }
}
