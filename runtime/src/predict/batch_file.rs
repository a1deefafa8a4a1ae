//! Batch files: safetensors with `surf.<name>` (B,T,H,W), `atmos.<name>` (B,T,C,H,W), `static.<name>`
//! (H,W), `lat` and `lon` (1-D or 2-D), and metadata `time` (RFC 3339, comma-separated, the newest step of
//! each sample), `levels` (hPa, comma-separated), `rollout_step`, and where the model takes them `lead_times` (hours,
//! one for each sample). An input may hold `noise.<k>` (B,N,D), draws of a stochastic model in their order, and
//! `patch_size` (√area of each patch in km). A forecast of several steps carries a leading `step<k>.`.

use std::collections::BTreeMap;
use std::fs;
use std::io;
use std::path::Path;

use burn::tensor::{Device, Tensor, TensorData};
use jiff::Timestamp;
use safetensors::SafeTensors;
use safetensors::tensor::{Dtype, TensorView};

use crate::durable;
use crate::model::{Batch, Coordinates, HostTensor};

/// Why a batch file cannot be used.
#[derive(Debug, thiserror::Error)]
pub enum BatchFileError {
    #[error("the batch file {path} cannot be read: {reason}")]
    Unreadable { path: String, reason: String },
    #[error("cannot write {path}: {source}")]
    Unwritable { path: String, source: io::Error },
    #[error(transparent)]
    Unwritten(io::Error),
}

/// The input of a forecast.
#[derive(Clone, Debug)]
pub struct Input {
    pub batch: Batch,
    /// Hours, one for each sample, of a model that takes a lead time for each.
    pub lead_times: Option<Vec<f32>>,
    /// Draws of a stochastic model, used before it makes its own.
    pub noise: Vec<HostTensor>,
    /// Sizes of the patches (√area in km, row by row) in place of those worked out here, whose last bit may decide
    /// the phase of their shortest wave.
    pub patch_sizes: Option<Vec<f32>>,
}

/// Reads the batch in a file onto a device.
///
/// # Errors
/// It cannot be read, or holds what no batch holds.
pub fn read(path: &Path, device: &Device) -> Result<Batch, BatchFileError> {
    open(path, device).map(|input| input.batch)
}

/// Reads a batch file onto a device, with all that it says of the forecast.
///
/// # Errors
/// As of [`read`].
pub fn open(path: &Path, device: &Device) -> Result<Input, BatchFileError> {
    let fail = |reason: String| BatchFileError::Unreadable { path: path.display().to_string(), reason };
    let bytes = fs::read(path).map_err(|error| fail(error.to_string()))?;
    let file = SafeTensors::deserialize(&bytes).map_err(|error| fail(error.to_string()))?;
    let (_, header) = SafeTensors::read_metadata(&bytes).map_err(|error| fail(error.to_string()))?;
    let metadata = header.metadata().clone().unwrap_or_default();
    let mut batch = Batch {
        surface: BTreeMap::new(),
        statics: BTreeMap::new(),
        atmosphere: BTreeMap::new(),
        latitude: coordinates(&file, "lat").map_err(&fail)?,
        longitude: coordinates(&file, "lon").map_err(&fail)?,
        time: times(metadata.get("time")).map_err(&fail)?,
        levels: levels(metadata.get("levels")).map_err(&fail)?,
        rollout_step: rollout_step(metadata.get("rollout_step")).map_err(&fail)?,
    };
    let mut draws = BTreeMap::new();
    let mut patch_sizes = None;
    for (name, view) in file.iter() {
        if name == "patch_size" {
            patch_sizes = Some(floats(name, &view).map_err(&fail)?);
        }
        let Some((kind, variable)) = name.split_once('.') else { continue };
        let variable = variable.to_string();
        match kind {
            "surf" => {
                batch.surface.insert(variable, tensor::<4>(name, &view, device).map_err(&fail)?);
            }
            "static" => {
                batch.statics.insert(variable, tensor::<2>(name, &view, device).map_err(&fail)?);
            }
            "atmos" => {
                batch.atmosphere.insert(variable, tensor::<5>(name, &view, device).map_err(&fail)?);
            }
            "noise" => {
                let number: usize =
                    variable.parse().map_err(|_| fail(format!("`{name}`: draws are numbered")))?;
                let draw =
                    HostTensor { shape: view.shape().to_vec(), values: floats(name, &view).map_err(&fail)? };
                draws.insert(number, draw);
            }
            _ => {
                let known = "surf.*, atmos.*, static.*, noise.*, lat, lon, patch_size";
                return Err(fail(format!("`{name}` is none of {known}")));
            }
        }
    }
    let lead_times = metadata.get("lead_times").map(|text| lead_times(text, batch.time.len()));
    let lead_times = lead_times.transpose().map_err(&fail)?;
    Ok(Input { batch, lead_times, noise: draws.into_values().collect(), patch_sizes })
}

/// Hours, one for each sample.
fn lead_times(text: &str, samples: usize) -> Result<Vec<f32>, String> {
    let hours =
        |part: &str| part.trim().parse::<f32>().ok().filter(|hours| hours.is_finite() && *hours >= 0.0);
    let list: Option<Vec<f32>> = text.split(',').map(hours).collect();
    let list = list.ok_or_else(|| format!("its `lead_times`, `{text}`, are no hours"))?;
    match list.len() == samples {
        true => Ok(list),
        false => Err(format!("it names {} lead times for {samples} samples", list.len())),
    }
}

fn floats(name: &str, view: &TensorView<'_>) -> Result<Vec<f32>, String> {
    let bytes = view.data();
    match view.dtype() {
        Dtype::F32 => {
            Ok(bytes.chunks_exact(4).map(|b| f32::from_le_bytes([b[0], b[1], b[2], b[3]])).collect())
        }
        Dtype::F64 => Ok(bytes
            .chunks_exact(8)
            .map(|b| f64::from_le_bytes([b[0], b[1], b[2], b[3], b[4], b[5], b[6], b[7]]) as f32)
            .collect()),
        other => Err(format!("`{name}` is {other:?}; write it as float32")),
    }
}

fn tensor<const D: usize>(name: &str, view: &TensorView<'_>, device: &Device) -> Result<Tensor<D>, String> {
    if view.shape().len() != D {
        return Err(format!("`{name}` has {} axes, but {D} are wanted", view.shape().len()));
    }
    let data = TensorData::new(floats(name, view)?, view.shape().to_vec());
    Ok(Tensor::from_data(data, device))
}

fn coordinates(file: &SafeTensors<'_>, name: &str) -> Result<Coordinates, String> {
    let view = file.tensor(name).map_err(|_| format!("it has no `{name}`"))?;
    let shape = view.shape().to_vec();
    if shape.is_empty() || shape.len() > 2 {
        return Err(format!("`{name}` has {} axes, but one or two are wanted", shape.len()));
    }
    Ok(Coordinates { shape, values: floats(name, &view)? })
}

fn times(text: Option<&String>) -> Result<Vec<i64>, String> {
    let text = text.ok_or("its metadata has no `time`")?;
    let time = |part: &str| {
        let part = part.trim();
        part.parse::<Timestamp>()
            .map(|t| t.as_second())
            .map_err(|_| format!("`{part}` is not an RFC 3339 time"))
    };
    text.split(',').map(time).collect()
}

fn levels(text: Option<&String>) -> Result<Vec<f64>, String> {
    let text = text.ok_or("its metadata has no `levels`")?;
    let level = |part: &str| {
        let part = part.trim();
        part.parse::<f64>()
            .ok()
            .filter(|p| *p > 0.0)
            .ok_or_else(|| format!("`{part}` is not a pressure in hPa"))
    };
    text.split(',').map(level).collect()
}

/// Steps forecast since real data; 0 if the file does not say.
fn rollout_step(text: Option<&String>) -> Result<usize, String> {
    let Some(text) = text else { return Ok(0) };
    text.trim().parse().map_err(|_| format!("its `rollout_step`, `{text}`, is not a number of steps"))
}

/// Writes a forecast: one batch as it is, several with `step<k>.` before each name. Whole or not at all.
pub fn write(path: &Path, steps: &[Batch]) -> Result<(), BatchFileError> {
    let fail = |source: io::Error| BatchFileError::Unwritable { path: path.display().to_string(), source };
    let Some(last) = steps.last() else { return Err(fail(io::Error::other("a forecast of no steps"))) };
    let mut arrays: BTreeMap<String, (Vec<usize>, Vec<u8>)> = BTreeMap::new();
    for (k, batch) in steps.iter().enumerate() {
        let prefix = if steps.len() > 1 { format!("step{}.", k + 1) } else { String::new() };
        for (name, field) in &batch.surface {
            arrays.insert(format!("{prefix}surf.{name}"), bytes(field));
        }
        for (name, field) in &batch.atmosphere {
            arrays.insert(format!("{prefix}atmos.{name}"), bytes(field));
        }
    }
    for (name, field) in &last.statics {
        arrays.insert(format!("static.{name}"), bytes(field));
    }
    for (name, grid) in [("lat", &last.latitude), ("lon", &last.longitude)] {
        let values = grid.values.iter().flat_map(|v| v.to_le_bytes()).collect();
        arrays.insert(name.to_string(), (grid.shape.clone(), values));
    }
    let mut views = Vec::with_capacity(arrays.len());
    for (name, (shape, data)) in &arrays {
        let view = TensorView::new(Dtype::F32, shape.clone(), data)
            .map_err(|error| fail(io::Error::other(error)))?;
        views.push((name.clone(), view));
    }
    let file = safetensors::serialize(views, None).map_err(|error| fail(io::Error::other(error)))?;
    let file = describe(&file, &metadata(steps, last)).map_err(|error| fail(io::Error::other(error)))?;
    durable::write(path, &file).map_err(BatchFileError::Unwritten)
}

/// Puts metadata into a safetensors file that has none, in order: `safetensors` itself would write them in an
/// order that differs from run to run.
fn describe(file: &[u8], metadata: &BTreeMap<String, String>) -> Result<Vec<u8>, serde_json::Error> {
    let (length, rest) = file.split_at(8.min(file.len()));
    let length = length.iter().rev().fold(0, |sum, byte| sum << 8 | usize::from(*byte));
    let (header, data) = rest.split_at(length.min(rest.len()));
    let mut all = serde_json::Map::new();
    all.insert("__metadata__".to_string(), serde_json::to_value(metadata)?);
    all.extend(serde_json::from_slice::<serde_json::Map<String, serde_json::Value>>(header)?);
    let mut header = serde_json::to_vec(&all)?;
    header.resize(header.len().next_multiple_of(8), b' ');
    let mut whole = (header.len() as u64).to_le_bytes().to_vec();
    whole.extend(header);
    whole.extend(data);
    Ok(whole)
}

/// Times are those of the first step's forecast, so that with `step` the others follow.
fn metadata(steps: &[Batch], last: &Batch) -> BTreeMap<String, String> {
    let first = steps.first().unwrap_or(last);
    let time = |seconds: &i64| Timestamp::from_second(*seconds).map(|t| t.to_string()).unwrap_or_default();
    let list = |values: Vec<String>| values.join(",");
    BTreeMap::from([
        ("time".to_string(), list(first.time.iter().map(time).collect())),
        ("levels".to_string(), list(last.levels.iter().map(f64::to_string).collect())),
        ("rollout_step".to_string(), last.rollout_step.to_string()),
    ])
}

fn bytes<const D: usize>(field: &Tensor<D>) -> (Vec<usize>, Vec<u8>) {
    let values = field.to_data().convert::<f32>().try_into_vec::<f32>().unwrap_or_default();
    (field.dims().to_vec(), values.iter().flat_map(|v| v.to_le_bytes()).collect())
}
