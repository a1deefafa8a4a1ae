//! Whether a training store still is what was written.

use std::collections::BTreeSet;
use std::path::Path;

use rayon::prelude::*;
use serde::Serialize;

use crate::data::archive::DataError;
use crate::data::journal::{self, FOLDER, FieldRecord, STATIC, Written};
use crate::data::layout;

/// What a look at every file of a store has found.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize)]
pub struct Verification {
    /// Files of fields and their bytes.
    pub files: usize,
    pub bytes: u64,
    pub damaged: Vec<Damage>,
    /// Stretches of time that are not prepared yet.
    pub unfinished: usize,
}

/// A file that is not what was written.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Damage {
    pub stretch: String,
    pub field: String,
    pub file: String,
    pub reason: String,
}

/// Compares every file with the digest that its journal has of it.
///
/// # Errors
/// A folder that is no store, a journal that cannot be read.
pub fn verify(directory: &Path) -> Result<Verification, DataError> {
    let description = layout::describe(directory)?;
    let mut found = Verification::default();
    let mut records: Vec<(String, FieldRecord)> = Vec::new();
    let names = (0..description.stretches()).map(journal::name);
    for name in names.chain([STATIC.to_string()]) {
        let Written { fields, times } = journal::read(directory, &name)?.unwrap_or_default();
        found.unfinished += usize::from(times.is_none() && name != STATIC);
        records.extend(fields.into_values().map(|record| (name.clone(), record)));
    }
    found.files = records.len();
    found.bytes = records.iter().map(|(_, record)| record.bytes).sum();
    let damaged = records.par_iter().filter_map(|(stretch, record)| {
        let reason = wrong(directory, record)?;
        let (field, file) = (record.field.clone(), record.file.clone());
        Some(Damage { stretch: stretch.clone(), field, file, reason })
    });
    found.damaged = damaged.collect();
    Ok(found)
}

fn wrong(directory: &Path, record: &FieldRecord) -> Option<String> {
    match std::fs::read(directory.join(&record.file)) {
        Err(error) => Some(crate::talk::reason(&error)),
        Ok(bytes) if bytes.len() as u64 != record.bytes => {
            Some(format!("{} bytes where {} were written", bytes.len(), record.bytes))
        }
        Ok(bytes) if blake3::hash(&bytes).to_hex().as_str() != record.blake3 => {
            Some("other bytes than were written".into())
        }
        Ok(_) => None,
    }
}

/// Strikes damaged files out of the journals, so that the next preparation writes them again.
///
/// # Errors
/// A journal that cannot be written.
pub fn strike(directory: &Path, damaged: &[Damage]) -> Result<(), DataError> {
    let fail = |path: &Path| {
        let path = path.to_path_buf();
        move |source| DataError::File { what: "cannot write", path, source }
    };
    let inventory = directory.join(FOLDER).join("inventory.json");
    if inventory.exists() {
        std::fs::remove_file(&inventory).map_err(fail(&inventory))?;
    }
    let stretches: BTreeSet<&str> = damaged.iter().map(|damage| damage.stretch.as_str()).collect();
    for stretch in stretches {
        let Written { mut fields, times } = journal::read(directory, stretch)?.unwrap_or_default();
        fields.retain(|_, record| {
            !damaged.iter().any(|damage| damage.stretch == stretch && damage.field == record.field)
        });
        // A stretch is unfinished then; what does not change only says when it was read.
        let times = times.filter(|_| stretch == STATIC);
        journal::replace(directory, stretch, &Written { fields, times })?;
    }
    Ok(())
}
