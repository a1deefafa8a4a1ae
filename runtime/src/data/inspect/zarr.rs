//! A Zarr folder's arrays.

use std::path::Path;
use std::sync::Arc;

use serde_json::Value;
use zarrs::array::{Array, ElementOwned};
use zarrs::filesystem::FilesystemStore;
use zarrs::group::Group;

use super::{FieldSummary, InspectError, Inspection};

/// Values beyond this many are not read: a whole archive may lie in the folder.
const MOST_VALUES: u64 = 1 << 28;

pub(super) fn inspect(path: &Path) -> Result<Inspection, InspectError> {
    let fail = |reason: String| InspectError::File { path: path.to_owned(), reason };
    if !["zarr.json", ".zgroup", ".zarray"].iter().any(|name| path.join(name).is_file()) {
        return Err(fail("a folder, but not a Zarr store: it has neither `zarr.json` nor `.zgroup`".into()));
    }
    let store = Arc::new(FilesystemStore::new(path).map_err(|error| fail(error.to_string()))?);
    let group =
        Group::open(store.clone(), "/").map_err(|error| fail(format!("not a Zarr group: {error}")))?;
    let mut paths = group.child_array_paths().map_err(|error| fail(format!("cannot be listed: {error}")))?;
    paths.sort();
    // The group may list arrays that were never copied here.
    let here = |array: &str| {
        ["zarr.json", ".zarray"]
            .iter()
            .any(|name| path.join(array.trim_start_matches('/')).join(name).is_file())
    };
    let (present, absent): (Vec<_>, Vec<_>) = paths.iter().partition(|array| here(array.as_str()));
    let absent: Vec<_> = absent.iter().map(|array| array.as_str().trim_start_matches('/')).collect();
    let mut notes = Vec::new();
    if !absent.is_empty() {
        notes.push(format!(
            "the group lists {} arrays that are not in the folder: {}",
            absent.len(),
            absent.join(", ")
        ));
    }
    let fields: Vec<_> = present.iter().map(|array| summary(path, &store, array.as_str())).collect();
    let bytes = size(path).map_err(|error| fail(error.to_string()))?;
    let format = if path.join("zarr.json").is_file() { "Zarr v3" } else { "Zarr v2" };
    Ok(Inspection {
        file: path.to_owned(),
        format: format.into(),
        bytes,
        contents: format!("{} arrays", fields.len()),
        grids: Vec::new(),
        fields,
        notes,
    })
}

fn summary(root: &Path, store: &Arc<FilesystemStore>, path: &str) -> FieldSummary {
    let name = path.trim_start_matches('/');
    let described = describe(&root.join(name));
    let mut summary = FieldSummary { name: name.to_owned(), ..described };
    match Array::open(store.clone(), path) {
        Ok(array) => {
            summary.shape = array.shape().to_vec();
            if let Err(problem) = measure(&array, &mut summary) {
                summary.problem = Some(problem);
            }
        }
        Err(error) => summary.problem = Some(error.to_string()),
    }
    summary
}

/// What the array's own metadata say, whether or not its values can be read.
fn describe(folder: &Path) -> FieldSummary {
    let read = |name: &str| -> Option<Value> {
        serde_json::from_slice(&std::fs::read(folder.join(name)).ok()?).ok()
    };
    let metadata = read("zarr.json").or_else(|| read(".zarray")).unwrap_or_default();
    let attributes = metadata.get("attributes").cloned().or_else(|| read(".zattrs")).unwrap_or_default();
    let text = |value: Option<&Value>| value.and_then(Value::as_str).map(str::to_owned);
    let names = metadata.get("dimension_names").and_then(Value::as_array);
    FieldSummary {
        level: names.map(|names| names.iter().filter_map(Value::as_str).collect::<Vec<_>>().join(", ")),
        units: text(attributes.get("units")),
        cell: text(attributes.get("cell_methods")),
        packing: text(metadata.get("data_type").or_else(|| metadata.get("dtype"))),
        shape: metadata
            .get("shape")
            .and_then(Value::as_array)
            .map(|sizes| sizes.iter().filter_map(Value::as_u64).collect())
            .unwrap_or_default(),
        ..FieldSummary::default()
    }
}

fn measure(array: &Array<FilesystemStore>, summary: &mut FieldSummary) -> Result<(), String> {
    let values = array.shape().iter().copied().fold(1u64, u64::saturating_mul);
    if values > MOST_VALUES {
        return Err(format!("{values} values, too many to read for a look"));
    }
    let kind = summary.packing.clone().unwrap_or_default();
    let values = match kind.trim_start_matches(['<', '>', '|']) {
        "float32" | "f4" => read::<f32>(array, f64::from),
        "float64" | "f8" => read::<f64>(array, |value| value),
        "int8" | "i1" => read::<i8>(array, f64::from),
        "int16" | "i2" => read::<i16>(array, f64::from),
        "int32" | "i4" => read::<i32>(array, f64::from),
        "int64" | "i8" => read::<i64>(array, |value| value as f64),
        "uint8" | "u1" => read::<u8>(array, f64::from),
        other => Err(format!("values of type {other}")),
    }?;
    summary.measure(values.into_iter());
    Ok(())
}

fn read<T: ElementOwned>(
    array: &Array<FilesystemStore>,
    convert: impl Fn(T) -> f64,
) -> Result<Vec<f64>, String> {
    let values: Vec<T> =
        array.retrieve_array_subset(&array.subset_all()).map_err(|error| error.to_string())?;
    Ok(values.into_iter().map(convert).collect())
}

fn size(folder: &Path) -> std::io::Result<u64> {
    let mut bytes = 0;
    for entry in std::fs::read_dir(folder)? {
        let entry = entry?;
        // A link is counted as itself and not followed, so that a circle cannot be walked.
        let kind = entry.file_type()?;
        bytes += if kind.is_dir() { size(&entry.path())? } else { entry.metadata()?.len() };
    }
    Ok(bytes)
}
