//! Which arrays a Zarr store has, version 2 or 3, and what their metadata say.
//!
//! A folder is asked itself, array by array. Of a server one file tells all, where it is there: `.zmetadata` of version
//! 2, `consolidated_metadata` in the `zarr.json` of version 3. Else the server is listed, which not every web server can be.

use std::collections::BTreeMap;
use std::sync::Arc;

use serde_json::{Map, Value};

use super::storage::whole;
use crate::data::files::Files;

/// The longest a file of metadata may be: of thousands of arrays it is some megabytes.
const LONGEST: u64 = 1 << 28;

/// The arrays right below the root of a store.
#[derive(Debug)]
pub(in crate::data) struct Hierarchy {
    pub three: bool,
    pub arrays: BTreeMap<String, Described>,
}

/// What the store says of an array.
#[derive(Debug)]
pub(in crate::data) struct Described {
    /// `zarr.json`, or `.zarray`.
    pub metadata: Value,
    pub attributes: Map<String, Value>,
}

impl Hierarchy {
    /// Looks at a store.
    ///
    /// # Errors
    /// What is no Zarr store, metadata that cannot be read, a server that says nowhere what it has.
    pub(in crate::data) fn of(files: &Arc<dyn Files>) -> Result<Hierarchy, String> {
        let root = json(files, "zarr.json")?;
        let three = root.is_some();
        let served = files.place().contains("://");
        let consolidated = match (&root, served) {
            (_, false) => None,
            (Some(root), true) => root.pointer("/consolidated_metadata/metadata").cloned(),
            (None, true) => json(files, ".zmetadata")?.and_then(|whole| whole.get("metadata").cloned()),
        };
        if let Some(Value::Object(whole)) = consolidated {
            return Ok(Hierarchy { three, arrays: told(whole, three) });
        }
        match root.as_ref().map(|root| root.get("node_type").and_then(Value::as_str)) {
            Some(Some("array")) => return Err("a single array, not a store with coordinates".into()),
            Some(_) => {}
            None => {
                let mut marks = [".zgroup", ".zmetadata"].into_iter();
                if !marks.try_fold(false, |found, mark| Ok::<_, String>(found || there(files, mark)?))? {
                    return Err(no_store(served));
                }
            }
        }
        let names = files.folders("").map_err(|error| match files.place().starts_with("http") {
            true => format!(
                "its arrays are told by nobody: it has no consolidated metadata, and {}; consolidate it \
                 (zarr.consolidate_metadata), or fetch it and name the folder",
                error.reason
            ),
            false => error.to_string(),
        })?;
        let mut arrays = BTreeMap::new();
        for name in names {
            arrays.extend(single(files, &name)?.map(|described| (name, described)));
        }
        Ok(Hierarchy { three, arrays })
    }
}

fn no_store(served: bool) -> String {
    match served {
        false => "a folder, but not a Zarr store: it has neither `zarr.json` nor `.zgroup`".into(),
        true => "not a Zarr store: it has neither `zarr.json` nor `.zmetadata` nor `.zgroup`. Other files than Zarr are \
                 read from disks only: fetch them, and name their folder"
            .into(),
    }
}

/// The arrays of consolidated metadata.
fn told(mut whole: Map<String, Value>, three: bool) -> BTreeMap<String, Described> {
    let plain = |name: &str| !name.is_empty() && !name.contains(['/', '\\']) && !name.starts_with('.');
    let keys: Vec<String> = whole.keys().cloned().collect();
    let mut arrays = BTreeMap::new();
    for key in keys {
        let name = if three { Some(key.as_str()) } else { key.strip_suffix("/.zarray") };
        let Some(name) = name.filter(|name| plain(name)) else { continue };
        let Some(metadata) = whole.remove(&key) else { continue };
        if three && metadata.get("node_type").and_then(Value::as_str) != Some("array") {
            continue;
        }
        let beside = whole.remove(&format!("{name}/.zattrs"));
        arrays.insert(name.to_string(), Described::new(metadata, beside));
    }
    arrays
}

/// An array by its own metadata; nothing if the folder is none.
pub(in crate::data) fn single(files: &Arc<dyn Files>, name: &str) -> Result<Option<Described>, String> {
    if let Some(metadata) = json(files, &format!("{name}/zarr.json"))? {
        let array = metadata.get("node_type").and_then(Value::as_str) == Some("array");
        return Ok(array.then(|| Described::new(metadata, None)));
    }
    let Some(metadata) = json(files, &format!("{name}/.zarray"))? else { return Ok(None) };
    let beside = json(files, &format!("{name}/.zattrs"))?;
    Ok(Some(Described::new(metadata, beside)))
}

impl Described {
    pub(in crate::data) fn new(metadata: Value, beside: Option<Value>) -> Described {
        let attributes = beside.or_else(|| metadata.get("attributes").cloned());
        let attributes = match attributes {
            Some(Value::Object(attributes)) => attributes,
            _ => Map::new(),
        };
        Described { metadata, attributes }
    }
}

fn there(files: &Arc<dyn Files>, path: &str) -> Result<bool, String> {
    files.length(path).map(|length| length.is_some()).map_err(|error| error.to_string())
}

/// A file of JSON; nothing if it is not there. What came damaged is fetched once more.
pub(in crate::data) fn json(files: &Arc<dyn Files>, path: &str) -> Result<Option<Value>, String> {
    let read = || -> Result<Option<Result<Value, String>>, String> {
        let Some(length) = files.length(path).map_err(|error| error.to_string())? else { return Ok(None) };
        if length > LONGEST {
            return Ok(Some(Err(format!("{length} bytes are too many for metadata"))));
        }
        let Some(bytes) = whole(files, path).map_err(|error| error.to_string())? else { return Ok(None) };
        Ok(Some(serde_json::from_slice(&bytes).map_err(|error| format!("no JSON: {error}"))))
    };
    let mut read_once = read()?;
    if let Some(Err(_)) = read_once {
        files.forget(path);
        read_once = read()?;
    }
    read_once.transpose().map_err(|reason| format!("{}/{path}: {reason}", files.place()))
}
