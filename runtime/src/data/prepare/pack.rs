//! A store that is being written: fields over stretches of times made into files, with what the journals say of them.

use std::path::Path;
use std::sync::Arc;

use aurora_compiler::plan::data::SupportPlan;
use ndarray::Array3;
use zarrs::array::Array;
use zarrs::filesystem::FilesystemStore;

use super::write::Packed;
use crate::data::archive::DataError;
use crate::data::journal::FieldRecord;
use crate::data::layout::{self, Description, StoredField, all_fields};
use crate::data::quality::{Check, Finding, outside_and_missing};
use crate::data::shard::TileCodec;
use crate::data::statistics::Growing;

/// A store that is being written.
pub(super) struct Store<'a> {
    pub(super) directory: &'a Path,
    pub(super) description: &'a Description,
    /// By the place of the field in the plan; nothing for what is not kept.
    fields: Vec<Option<Kept>>,
}

struct Kept {
    array: Array<FilesystemStore>,
    codec: TileCodec,
    /// It does not change with time.
    fixed: bool,
}

/// A field over a stretch of times, on its way to disk; nothing where a time is missing.
pub(super) struct Record<'a> {
    pub index: usize,
    pub number: usize,
    pub hours: Vec<Option<&'a Array3<f32>>>,
    /// Values out of range, and those that are missing.
    pub counts: (u64, u64),
    pub mended: u64,
    /// What became of the times.
    pub times: String,
}

impl<'a> Store<'a> {
    pub(super) fn open(directory: &'a Path, description: &'a Description) -> Result<Self, DataError> {
        let broken = |reason: String| DataError::Store { path: directory.to_path_buf(), reason };
        let storage = FilesystemStore::new(directory).map_err(|error| broken(error.to_string()))?;
        let storage = Arc::new(storage);
        let kept: Vec<StoredField> = layout::stored_fields(&description.plan);
        let open = |field: &StoredField| {
            if !kept.iter().any(|kept| kept.name == field.name) {
                return Ok(None);
            }
            let array = Array::open(Arc::clone(&storage), &format!("/{}", field.name))
                .map_err(|error| broken(format!("its `{}` cannot be opened: {error}", field.name)))?;
            let grid = &description.plan.grid;
            let depth = layout::depth(&description.plan, field)?;
            let shape = (grid.height, grid.width);
            let codec = TileCodec::new(depth, shape, layout::tile(shape.0, shape.1));
            Ok(Some(Kept { array, codec, fixed: field.support == SupportPlan::Static }))
        };
        let fields = all_fields(&description.plan).iter().map(open).collect::<Result<_, DataError>>()?;
        Ok(Self { directory, description, fields })
    }

    /// Whether it keeps a field of the plan.
    pub(super) fn keeps(&self, index: usize) -> bool {
        self.fields[index].is_some()
    }

    /// The file of a field of the plan over a stretch, within the store; nothing of a field that is not kept.
    pub(super) fn file(&self, index: usize, number: usize) -> Option<String> {
        let kept = self.fields[index].as_ref()?;
        let mut shard = vec![0; kept.array.dimensionality()];
        if !kept.fixed {
            shard[0] = number as u64;
        }
        Some(kept.array.chunk_key(&shard).to_string())
    }

    /// The bytes of a field's file and what is to be said of them; nothing of a field that is not kept.
    pub(super) fn packed(
        &self,
        record: &Record<'_>,
        field: &StoredField,
        statistics: Growing,
    ) -> Result<Option<Packed>, DataError> {
        let (Some(kept), Some(file)) = (&self.fields[record.index], self.file(record.index, record.number))
        else {
            return Ok(None);
        };
        let times = if kept.fixed { 1 } else { self.description.shard };
        let parts = kept.codec.shard(times, &record.hours).map_err(|reason| {
            DataError::Archive(format!("the field `{}` cannot be written: {reason}", field.name))
        })?;
        let mut hash = blake3::Hasher::new();
        for part in &parts {
            hash.update(part);
        }
        let said = FieldRecord {
            field: field.name.clone(),
            file,
            bytes: parts.iter().map(|part| part.len() as u64).sum(),
            blake3: hash.finalize().to_hex().to_string(),
            values: record.hours.iter().flatten().map(|hour| hour.len() as u64).sum(),
            outside: record.counts.0,
            missing: record.counts.1,
            mended: record.mended,
            times: record.times.clone(),
            statistics,
        };
        Ok(Some(Packed { parts, record: said }))
    }
}

/// How many values of a field are out of range and how many are missing: of a time that was judged the findings say so.
pub(super) fn counted(field: &StoredField, values: &Array3<f32>, judged: Option<&[Finding]>) -> (u64, u64) {
    match judged {
        Some(findings) => {
            let points = |check: Check| {
                let of = findings.iter().filter(|one| one.check == check && one.field == field.name);
                of.map(|finding| finding.points).sum()
            };
            (points(Check::OutsideRange), points(Check::Missing))
        }
        None => outside_and_missing(values, field.range),
    }
}
