//! The values of Zarr's arrays, whatever kind of number they are kept as.

use std::sync::Arc;

use half::f16;
use serde_json::Value;

use zarrs::array::{Array, ArrayError, ArrayMetadata, ArraySubset, CodecError, ElementOwned};
use zarrs::storage::StoreKey;

use super::storage::Storage;

/// An array by metadata that have been read; `name` is its folder in the store.
pub(in crate::data) fn opened(
    storage: &Arc<Storage>,
    name: &str,
    metadata: Value,
) -> Result<Array<Storage>, String> {
    let metadata: ArrayMetadata = serde_json::from_value(metadata)
        .map_err(|error| format!("its metadata are not understood: {error}"))?;
    Array::new_with_metadata(Arc::clone(storage), &format!("/{name}"), metadata)
        .map_err(|error| error.to_string())
}

/// The values of a part as they are kept. What proves damaged is fetched once more.
pub(in crate::data) fn values(
    storage: &Storage,
    array: &Array<Storage>,
    subset: &ArraySubset,
    kind: &str,
) -> Result<Vec<f64>, Trouble> {
    storage.bring(&chunks(array, subset).map_err(Trouble::Unread)?);
    match attempt(array, subset, kind) {
        Err(Trouble::Damaged { files, .. }) => {
            files.iter().for_each(|key| storage.forget(key));
            storage.bring(&files);
            attempt(array, subset, kind)
        }
        done => done,
    }
}

/// The files in which a part lies.
pub(in crate::data) fn chunks(array: &Array<Storage>, subset: &ArraySubset) -> Result<Vec<StoreKey>, String> {
    let chunks = array.chunks_in_array_subset(subset).map_err(|error| error.to_string())?;
    let chunks = chunks.ok_or("a part that reaches out of its array")?;
    Ok(chunks.indices().into_iter().map(|indices| array.chunk_key(&indices)).collect())
}

/// Why values cannot be had.
#[derive(Debug)]
pub(in crate::data) enum Trouble {
    /// The bytes of these files are not what they should be.
    Damaged { files: Vec<StoreKey>, reason: String },
    /// They did not come, or are of no kind that is read.
    Unread(String),
}

impl Trouble {
    /// A sentence, which names the first file that is damaged.
    pub(in crate::data) fn told(self) -> String {
        match self {
            Trouble::Unread(reason) => reason,
            Trouble::Damaged { files, reason } => match files.first() {
                Some(file) => format!("{}: {reason}", file.as_str()),
                None => reason,
            },
        }
    }
}

fn attempt(array: &Array<Storage>, subset: &ArraySubset, kind: &str) -> Result<Vec<f64>, Trouble> {
    match kind {
        "float16" => read::<f16>(array, subset, f64::from),
        "float32" => read::<f32>(array, subset, f64::from),
        "float64" => read::<f64>(array, subset, |value| value),
        "int8" => read::<i8>(array, subset, f64::from),
        "int16" => read::<i16>(array, subset, f64::from),
        "int32" => read::<i32>(array, subset, f64::from),
        "int64" => read::<i64>(array, subset, |value| value as f64),
        "uint8" => read::<u8>(array, subset, f64::from),
        "uint16" => read::<u16>(array, subset, f64::from),
        "uint32" => read::<u32>(array, subset, f64::from),
        "uint64" => read::<u64>(array, subset, |value| value as f64),
        other => Err(Trouble::Unread(format!("values of type {other} are not read"))),
    }
}

fn read<T: ElementOwned>(
    array: &Array<Storage>,
    subset: &ArraySubset,
    convert: impl Fn(T) -> f64,
) -> Result<Vec<f64>, Trouble> {
    let values: Vec<T> = array.retrieve_array_subset(subset).map_err(|error| match error {
        ArrayError::StorageError(_) | ArrayError::CodecError(CodecError::StorageError(_)) => {
            Trouble::Unread(error.to_string())
        }
        error => Trouble::Damaged { files: damaged::<T>(array, subset), reason: error.to_string() },
    })?;
    Ok(values.into_iter().map(convert).collect())
}

/// The files of a part that cannot be unpacked.
fn damaged<T: ElementOwned>(array: &Array<Storage>, subset: &ArraySubset) -> Vec<StoreKey> {
    let Ok(Some(chunks)) = array.chunks_in_array_subset(subset) else { return Vec::new() };
    let wrong = |indices: &[u64]| array.retrieve_chunk::<Vec<T>>(indices).is_err();
    let chunks = chunks.indices();
    chunks.into_iter().filter(|indices| wrong(indices)).map(|indices| array.chunk_key(&indices)).collect()
}
