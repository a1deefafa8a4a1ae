//! A batch file (safetensors), as `aurorac predict` reads and writes them: names are a checkpoint's or a recipe's.

use std::collections::BTreeMap;
use std::path::Path;
use std::sync::Arc;

use jiff::Timestamp;
use ndarray::{Array2, Array3};
use safetensors::SafeTensors;
use safetensors::tensor::Dtype;

use super::what::{Hint, What, Where, by_name};
use super::{Coordinates, Offer, Place, Source};

/// The newest step of each sample; older steps stand in the file for models.
#[derive(Debug)]
pub(super) struct BatchSource {
    bytes: Vec<u8>,
    place: Place,
    offers: Vec<Offer>,
    /// The tensor, by its name in the file.
    ways: Vec<String>,
    times: Vec<Timestamp>,
    notes: Vec<String>,
}

pub(super) fn open(path: &Path) -> Result<BatchSource, String> {
    let bytes = std::fs::read(path).map_err(|error| error.to_string())?;
    let file = SafeTensors::deserialize(&bytes).map_err(|error| error.to_string())?;
    let (_, header) = SafeTensors::read_metadata(&bytes).map_err(|error| error.to_string())?;
    let metadata = header.metadata().clone().unwrap_or_default();
    let list = |name: &str| -> Result<Vec<String>, String> {
        let text = metadata.get(name).ok_or(format!("its metadata has no `{name}`"))?;
        Ok(text.split(',').map(|part| part.trim().to_string()).collect())
    };
    let times: Result<Vec<Timestamp>, String> = list("time")?
        .iter()
        .map(|text| text.parse().map_err(|_| format!("`{text}` is not an RFC 3339 time")))
        .collect();
    let times = times?;
    let levels: Result<Vec<f64>, String> = list("levels")?
        .iter()
        .map(|text| {
            text.parse().map(|p: f64| p * 100.0).map_err(|_| format!("`{text}` is not a pressure in hPa"))
        })
        .collect();
    let levels = levels?;
    let (mut offers, mut ways, mut size, mut older) = (Vec::new(), Vec::new(), None, false);
    let mut names: Vec<&str> = file.names();
    names.sort_unstable();
    for name in names {
        let Some((kind, variable)) = name.split_once('.') else { continue };
        let view = file.tensor(name).map_err(|error| error.to_string())?;
        let shape = view.shape().to_vec();
        let (known, hint) = by_name(variable).map_or((None, Hint::None), |(what, hint)| (Some(what), hint));
        let (place, axes) = match kind {
            "surf" => match hint {
                Hint::Above(metres) => (Where::Above(metres), 4),
                Hint::Surface => (Where::Surface, 4),
                Hint::None => (Where::Other(variable.to_string()), 4),
            },
            "atmos" => (Where::Pressure(levels.clone()), 5),
            "static" => (Where::Surface, 2),
            _ => continue,
        };
        if shape.len() != axes || shape.contains(&0) {
            return Err(format!("`{name}` has shape {shape:?}, but {axes} axes are wanted"));
        }
        if axes > 2 && shape[0] != times.len() {
            return Err(format!("`{name}` has {} samples, but there are {} times", shape[0], times.len()));
        }
        if axes == 5 && shape[2] != levels.len() {
            return Err(format!("`{name}` has {} levels, but `levels` names {}", shape[2], levels.len()));
        }
        older |= axes > 2 && shape[1] > 1;
        size = size.or(Some((shape[axes - 2], shape[axes - 1])));
        // The static `z` of Aurora is the ground's.
        let what = known.filter(|what| !matches!((kind, what), ("static", What::Pressure)));
        offers.push(Offer {
            name: variable.to_string(),
            what,
            place,
            cell: None,
            along_grid: false,
            times: Arc::new(if axes == 2 { Vec::new() } else { times.clone() }),
        });
        ways.push(name.to_string());
    }
    let (height, width) = size.ok_or("it holds no field")?;
    let coordinates = coordinates(&file, height, width)?;
    let mut notes = Vec::new();
    if older {
        notes.push("of several steps of a sample the newest is taken".into());
    }
    let place = Place { height, width, coordinates: Some(coordinates), mapping: None, angle: None };
    Ok(BatchSource { place, offers, ways, times, notes, bytes })
}

fn coordinates(file: &SafeTensors<'_>, height: usize, width: usize) -> Result<Coordinates, String> {
    let read = |name: &str| -> Result<(Vec<usize>, Vec<f64>), String> {
        let view = file.tensor(name).map_err(|_| format!("it has no `{name}`"))?;
        Ok((view.shape().to_vec(), floats(view.dtype(), view.data())?.into_iter().map(f64::from).collect()))
    };
    let ((rows, latitude), (columns, longitude)) = (read("lat")?, read("lon")?);
    match (&rows[..], &columns[..]) {
        ([h], [w]) if (*h, *w) == (height, width) => Ok(Coordinates::Regular { latitude, longitude }),
        ([h, w], [i, j]) if (*h, *w) == (height, width) && (i, j) == (h, w) => {
            let map = |values| Array2::from_shape_vec((height, width), values).map_err(|e| e.to_string());
            Ok(Coordinates::Curved { latitude: map(latitude)?, longitude: map(longitude)? })
        }
        _ => Err(format!(
            "`lat` and `lon` have shapes {rows:?} and {columns:?}, the fields {height} by {width}"
        )),
    }
}

fn floats(kind: Dtype, bytes: &[u8]) -> Result<Vec<f32>, String> {
    match kind {
        Dtype::F32 => Ok(bytes.as_chunks::<4>().0.iter().map(|b| f32::from_le_bytes(*b)).collect()),
        Dtype::F64 => Ok(bytes.as_chunks::<8>().0.iter().map(|b| f64::from_le_bytes(*b) as f32).collect()),
        other => Err(format!("its values are {other:?}; write them as float32")),
    }
}

impl Source for BatchSource {
    fn format(&self) -> String {
        "batch file".into()
    }

    fn place(&self) -> &Place {
        &self.place
    }

    fn offers(&self) -> &[Offer] {
        &self.offers
    }

    fn notes(&self) -> Vec<String> {
        self.notes.clone()
    }

    fn read(&self, offer: usize, time: Option<Timestamp>) -> Result<Array3<f32>, String> {
        let file = SafeTensors::deserialize(&self.bytes).map_err(|error| error.to_string())?;
        let view = file.tensor(&self.ways[offer]).map_err(|error| error.to_string())?;
        let shape: BTreeMap<usize, usize> = view.shape().iter().copied().enumerate().collect();
        let (height, width) = (self.place.height, self.place.width);
        let plane = height.checked_mul(width).ok_or("too large")?;
        let depth = self.offers[offer].place.depth();
        let size = match view.dtype() {
            Dtype::F64 => 8,
            _ => 4,
        };
        let (from, count) = match shape.len() {
            2 => (0, plane),
            _ => {
                let sample = match time {
                    Some(time) => self.times.iter().position(|known| *known == time),
                    None => Some(0),
                };
                let sample = sample.ok_or("it is not there at that time")?;
                let steps = shape.get(&1).copied().unwrap_or(1);
                ((sample * steps + steps - 1) * depth * plane, depth * plane)
            }
        };
        let bytes = view.data().get(from * size..(from + count) * size).ok_or("it is cut short")?;
        let values = floats(view.dtype(), bytes)?;
        Array3::from_shape_vec((depth, height, width), values).map_err(|error| error.to_string())
    }
}
