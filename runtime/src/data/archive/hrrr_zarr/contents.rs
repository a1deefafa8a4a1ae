//! Which arrays a hierarchy of HRRR-Zarr has, as an inventory lists the records of a file.

use std::sync::Arc;

use serde_json::Value;

use super::layout::{Utah, level, parameter};
use crate::data::archive::DataError;
use crate::data::archive::hrrr::index::{Index, Record};
use crate::data::archive::hrrr::layout::FileOf;
use crate::data::files::Files;
use crate::data::grib::names;
use crate::data::grib::words::When;
use crate::data::source::hierarchy::{Described, json, single};

/// Coordinates that lie beside an array, in the folder `LEVEL/PARAMETER`.
pub const COORDINATES: [&str; 3] =
    ["projection_x_coordinate", "projection_y_coordinate", "forecast_reference_time"];

/// The arrays of a hierarchy.
#[derive(Debug)]
pub struct Contents {
    /// The hierarchy below the place of the archive.
    pub path: String,
    /// Of each array what it would be as a record of GRIB2.
    pub index: Index,
    /// Where it lies in the hierarchy, in the same order.
    pub arrays: Vec<String>,
    /// `.zmetadata`, if it is there.
    consolidated: Option<Value>,
}

impl Contents {
    /// # Errors
    /// A hierarchy that is not there, metadata that cannot be read.
    pub fn of(files: &Arc<dyn Files>, file: &FileOf) -> Result<Contents, DataError> {
        let path = Utah::path(file);
        let whole = json(files, &format!("{path}/.zmetadata")).map_err(DataError::Archive)?;
        let consolidated = whole.and_then(|mut whole| whole.get_mut("metadata").map(Value::take));
        let names = match consolidated.as_ref().and_then(Value::as_object) {
            Some(known) => {
                known.keys().filter_map(|key| key.strip_suffix("/.zarray")).filter_map(outer).collect()
            }
            None => listed(files, &path)?,
        };
        let mut contents = Contents {
            path,
            index: Index { records: Vec::new(), told: true },
            arrays: Vec::new(),
            consolidated,
        };
        for (place, name) in names {
            let number = (contents.arrays.len() + 1).to_string();
            if let Some(record) = record(&place, &name, number, file) {
                contents.index.records.push(record);
                contents.arrays.push(format!("{place}/{name}/{place}/{name}"));
            }
        }
        match contents.arrays.is_empty() {
            true => Err(DataError::Archive(format!("{}/{} is not there", files.place(), contents.path))),
            false => Ok(contents),
        }
    }

    /// What is said of an array, or of a coordinate; nothing if it is not there.
    pub fn described(&self, files: &Arc<dyn Files>, array: &str) -> Result<Option<Described>, String> {
        match &self.consolidated {
            Some(known) => Ok(known.get(format!("{array}/.zarray")).map(|metadata| {
                Described::new(metadata.clone(), known.get(format!("{array}/.zattrs")).cloned())
            })),
            None => single(files, &format!("{}/{array}", self.path)),
        }
    }
}

/// Level and parameter of an array of fields; nothing for coordinates.
fn outer(array: &str) -> Option<(String, String)> {
    let parts: Vec<&str> = array.split('/').collect();
    match parts[..] {
        [place, name, again, inner] if place == again && name == inner => Some((place.into(), name.into())),
        _ => None,
    }
}

/// By the folders of levels and of parameters, where no file tells them.
fn listed(files: &Arc<dyn Files>, path: &str) -> Result<Vec<(String, String)>, DataError> {
    let below = |folder: &str| {
        files.folders(folder).map_err(|error| {
            DataError::Archive(format!(
                "{error}: what {path} holds is told neither by its `.zmetadata` nor by a listing"
            ))
        })
    };
    let mut names = Vec::new();
    for place in below(path)? {
        let parameters = below(&format!("{path}/{place}"))?;
        names.extend(parameters.into_iter().map(|name| (place.clone(), name)));
    }
    Ok(names)
}

fn record(place: &str, name: &str, number: String, file: &FileOf) -> Option<Record> {
    let (parameter, cell) = parameter(name)?;
    // Before a run has begun nothing is over a period: an analysis has placeholders of it.
    if cell.is_some() && file.lead == 0 {
        return None;
    }
    let (level, level_words) = level(place)?;
    Some(Record {
        number,
        bytes: 0..0,
        codes: names::codes(parameter),
        parameter: parameter.to_string(),
        level: Some(level),
        level_words,
        reference: file.run,
        when: Some(When { ahead: i64::from(file.lead) * 3600, cell }),
    })
}
