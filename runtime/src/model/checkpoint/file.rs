//! A file of weights: torch's or safetensors, by what it holds and not by its name. Values are read one tensor at
//! a time, and a pickle is parsed but never executed.

use std::collections::BTreeMap;
use std::fs::File;
use std::io::{Read, Seek, SeekFrom};
use std::path::{Path, PathBuf};

use aurora_compiler::site::CheckpointTensor;
use burn::store::{ModuleStore, PytorchStore, bridge};
use burn::tensor::{DType, TensorData};

use super::super::{HostTensor, ModelError};

/// Longest header of a file of safetensors that is read: the format's own limit.
const LONGEST_HEADER: u64 = 100_000_000;

/// A file of weights, of which only the header has been read.
#[derive(Debug)]
pub struct WeightsFile {
    path: PathBuf,
    kind: Kind,
}

enum Kind {
    Torch(Box<PytorchStore>),
    SafeTensors { file: File, entries: BTreeMap<String, Entry> },
}

/// A tensor in a file of safetensors.
#[derive(Clone, Debug)]
struct Entry {
    dtype: String,
    shape: Vec<usize>,
    /// Of its first byte in the file.
    start: u64,
    bytes: usize,
}

impl WeightsFile {
    /// Opens a file and reads what it says of its tensors.
    ///
    /// # Errors
    /// A file that is neither torch's nor safetensors, or is cut short.
    pub fn open(path: &Path) -> Result<WeightsFile, ModelError> {
        let fail = |message: String| super::unreadable(path, message);
        let mut file = File::open(path).map_err(|error| match error.kind() {
            std::io::ErrorKind::NotFound => fail("there is no such file".to_string()),
            _ => fail(error.to_string()),
        })?;
        let kind = if starts_as_safetensors(&mut file) {
            let entries = entries(&mut file).map_err(fail)?;
            Kind::SafeTensors { file, entries }
        } else {
            let mut store = PytorchStore::from_file(path).map_indices_contiguous(false);
            store.get_all_tensors().map_err(|error| fail(error.to_string()))?;
            Kind::Torch(Box::new(store))
        };
        Ok(WeightsFile { path: path.to_path_buf(), kind })
    }

    /// Whether it is torch's, which Microsoft's loader understands.
    pub fn is_torch(&self) -> bool {
        matches!(self.kind, Kind::Torch(_))
    }

    /// Names, shapes and kinds of its tensors, in the order of their names.
    ///
    /// # Errors
    /// A file that changed since it was opened.
    pub fn tensors(&mut self) -> Result<Vec<CheckpointTensor>, ModelError> {
        match &mut self.kind {
            Kind::Torch(store) => {
                let list = store
                    .get_all_tensors()
                    .map_err(|error| super::unreadable(&self.path, error.to_string()))?;
                let told = |(name, tensor): (&String, &burn::store::burn_pack::Tensor)| CheckpointTensor {
                    name: name.clone(),
                    shape: tensor.shape.as_slice().to_vec(),
                    kind: format!("{:?}", tensor.dtype).to_lowercase(),
                };
                Ok(list.iter().map(told).collect())
            }
            Kind::SafeTensors { entries, .. } => {
                let told = |(name, entry): (&String, &Entry)| CheckpointTensor {
                    name: name.clone(),
                    shape: entry.shape.clone(),
                    kind: entry.dtype.to_lowercase(),
                };
                Ok(entries.iter().map(told).collect())
            }
        }
    }

    /// The values of a tensor, as f32 whatever floating point they are written in.
    ///
    /// # Errors
    /// A tensor that is not there, is cut short, or holds no floating point.
    pub fn read(&mut self, name: &str) -> Result<HostTensor, ModelError> {
        let path = &self.path;
        let fail = |message: String| super::unreadable(path, format!("`{name}`: {message}"));
        let data = match &mut self.kind {
            Kind::Torch(store) => {
                let list = store.get_all_tensors().map_err(|error| fail(error.to_string()))?;
                let tensor = list.get(name).ok_or_else(|| fail("is not there".to_string()))?;
                bridge::to_data(tensor).map_err(|error| fail(error.to_string()))?
            }
            Kind::SafeTensors { file, entries } => {
                let entry = entries.get(name).ok_or_else(|| fail("is not there".to_string()))?;
                read_entry(file, entry).map_err(&fail)?
            }
        };
        if !matches!(data.dtype(), DType::F32 | DType::F16 | DType::BF16 | DType::F64) {
            return Err(fail(format!(
                "holds {:?}, which is no floating point of 16 to 64 bits",
                data.dtype()
            )));
        }
        let shape = data.shape().as_slice().to_vec();
        let values =
            data.convert::<f32>().try_into_vec::<f32>().map_err(|error| fail(format!("{error:?}")))?;
        Ok(HostTensor { shape, values })
    }
}

impl std::fmt::Debug for Kind {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(match self {
            Kind::Torch(_) => "Torch",
            Kind::SafeTensors { .. } => "SafeTensors",
        })
    }
}

/// Eight bytes of length, then a header in JSON.
fn starts_as_safetensors(file: &mut File) -> bool {
    let mut start = [0; 9];
    let whole = file.read_exact(&mut start).is_ok();
    file.rewind().is_ok() && whole && start[8] == b'{'
}

fn entries(file: &mut File) -> Result<BTreeMap<String, Entry>, String> {
    let told = |error: std::io::Error| error.to_string();
    let whole = file.metadata().map_err(told)?.len();
    let mut length = [0; 8];
    file.read_exact(&mut length).map_err(told)?;
    let length = u64::from_le_bytes(length);
    if length > LONGEST_HEADER {
        return Err(format!("its header claims {length} bytes"));
    }
    let mut bytes = Vec::new();
    file.take(length).read_to_end(&mut bytes).map_err(told)?;
    if bytes.len() as u64 != length {
        return Err("it is cut short within its header".to_string());
    }
    let listed: BTreeMap<String, serde_json::Value> =
        serde_json::from_slice(&bytes).map_err(|error| format!("its header is no JSON: {error}"))?;
    let mut entries = BTreeMap::new();
    for (name, value) in listed.into_iter().filter(|(name, _)| name != "__metadata__") {
        let entry = entry(&value, 8 + length, whole).map_err(|reason| format!("`{name}`: {reason}"))?;
        entries.insert(name, entry);
    }
    Ok(entries)
}

/// What the header says of one tensor, held to the size of the file.
fn entry(value: &serde_json::Value, data: u64, whole: u64) -> Result<Entry, String> {
    let shape = value.get("shape").and_then(|shape| serde_json::from_value::<Vec<usize>>(shape.clone()).ok());
    let dtype = value.get("dtype").and_then(serde_json::Value::as_str);
    let offsets =
        value.get("data_offsets").and_then(|list| serde_json::from_value::<[u64; 2]>(list.clone()).ok());
    let (Some(shape), Some(dtype), Some([from, to])) = (shape, dtype, offsets) else {
        return Err("the header does not say its kind, shape and place".to_string());
    };
    let bytes = to.checked_sub(from).and_then(|bytes| usize::try_from(bytes).ok());
    let (Some(start), Some(end), Some(bytes)) = (data.checked_add(from), data.checked_add(to), bytes) else {
        return Err("the header names an impossible place".to_string());
    };
    if end > whole {
        return Err(format!("the file is cut short: {whole} bytes of at least {end}"));
    }
    if let Some(size) = size_of(dtype) {
        let needed = shape.iter().try_fold(size, |product, side| product.checked_mul(*side));
        if needed != Some(bytes) {
            return Err(format!("{bytes} bytes do not make {shape:?} of {dtype}"));
        }
    }
    Ok(Entry { dtype: dtype.to_string(), shape, start, bytes })
}

/// Bytes of a number; nothing of a kind that is not read.
fn size_of(dtype: &str) -> Option<usize> {
    match dtype {
        "F16" | "BF16" => Some(2),
        "F32" => Some(4),
        "F64" => Some(8),
        _ => None,
    }
}

fn read_entry(file: &mut File, entry: &Entry) -> Result<TensorData, String> {
    let dtype = match entry.dtype.as_str() {
        "F16" => DType::F16,
        "BF16" => DType::BF16,
        "F32" => DType::F32,
        "F64" => DType::F64,
        other => return Err(format!("holds {other}, which is no floating point of 16 to 64 bits")),
    };
    file.seek(SeekFrom::Start(entry.start)).map_err(|error| error.to_string())?;
    let mut bytes = vec![0; entry.bytes];
    file.read_exact(&mut bytes).map_err(|error| error.to_string())?;
    let bytes = burn::tensor::Bytes::from_bytes_vec(bytes);
    TensorData::try_from_bytes(bytes, entry.shape.clone(), dtype).map_err(|error| format!("{error:?}"))
}
