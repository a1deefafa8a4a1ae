//! Weights on disk: Microsoft's checkpoints in, our own safetensors in and out, all by Aurora's names.

use std::collections::BTreeMap;
use std::fmt;
use std::io::{Read, Write};
use std::path::Path;

use aurora_compiler::site::CheckpointTensor;
use burn::store::{ModuleStore, PytorchStore, bridge};
use safetensors::tensor::{Dtype, SafeTensors, TensorView};

use super::{Aurora, HostTensor, ModelError};

/// Variables of the stacked tensors in Microsoft's first checkpoints, in their order.
const STACKED: [(&str, &[&str]); 2] = [
    ("encoder.surf_token_embeds", &["2t", "10u", "10v", "msl", "lsm", "z", "slt"]),
    ("encoder.atmos_token_embeds", &["z", "u", "v", "t", "q"]),
];
const STACKED_HEADS: [(&str, &str, &[&str]); 2] = [
    ("decoder.surf_head", "decoder.surf_heads", &["2t", "10u", "10v", "msl"]),
    ("decoder.atmos_head", "decoder.atmos_heads", &["z", "u", "v", "t", "q"]),
];

/// What became of the weights of a file and of the model.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct LoadReport {
    /// Parameters that took the file's values.
    pub kept: Vec<String>,
    /// Parameters that the file lacks; they keep the values they had.
    pub missing: Vec<String>,
    /// Tensors of the file that the model has no place for.
    pub unused: Vec<String>,
    /// Name, the model's shape, the file's shape.
    pub mismatched: Vec<(String, Vec<usize>, Vec<usize>)>,
    /// Patch embeddings of fewer times than the model's, continued with zeros.
    pub grown: Vec<String>,
}

impl LoadReport {
    /// Nothing missing, unused or of another shape.
    pub fn is_complete(&self) -> bool {
        self.missing.is_empty() && self.unused.is_empty() && self.mismatched.is_empty()
    }
}

impl fmt::Display for LoadReport {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "  {} parameters fit", self.kept.len())?;
        for (what, names) in [("missing in the file", &self.missing), ("not in the model", &self.unused)] {
            if !names.is_empty() {
                let shown = names.iter().take(12).map(String::as_str).collect::<Vec<_>>().join(", ");
                let rest = names.len().saturating_sub(12);
                let more = if rest > 0 { format!(" and {rest} more") } else { String::new() };
                write!(f, "\n  {what}: {shown}{more}")?;
            }
        }
        for (name, want, have) in self.mismatched.iter().take(12) {
            write!(f, "\n  {name}: the model has {want:?}, the file {have:?}")?;
        }
        Ok(())
    }
}

impl Aurora {
    /// Loads a checkpoint of Microsoft's (`torch.save` of a flat state dict); the pickle in it is never executed.
    ///
    /// Both layouts of the published files are understood: stacked variables, and one tensor for each variable.
    /// `strict` refuses anything missing or unused; a tensor of another shape is always refused. On an error
    /// the model is as it was.
    pub fn load_pytorch(&mut self, path: &Path, strict: bool) -> Result<LoadReport, ModelError> {
        let mut tensors = adapt(read_pytorch(path)?).map_err(|message| unreadable(path, message))?;
        let grown = self.grow_history(path, &mut tensors)?;
        let mut report = self.load(path, tensors, strict)?;
        report.grown = grown;
        Ok(report)
    }

    /// Writes all parameters under Aurora's names in torch's layout: to a temporary file first, then in place.
    pub fn save_safetensors(&self, path: &Path) -> Result<(), ModelError> {
        let fail = |error: &dyn fmt::Display| ModelError::Unwritable {
            path: path.to_path_buf(),
            message: error.to_string(),
        };
        let tensors = self.parameters();
        let bytes: Vec<_> = tensors
            .iter()
            .map(|(name, tensor)| {
                let bytes: Vec<u8> = tensor.values.iter().flat_map(|value| value.to_le_bytes()).collect();
                (name.as_str(), tensor.shape.clone(), bytes)
            })
            .collect();
        let views = bytes
            .iter()
            .map(|(name, shape, bytes)| Ok((*name, TensorView::new(Dtype::F32, shape.clone(), bytes)?)))
            .collect::<Result<Vec<_>, safetensors::SafeTensorError>>()
            .map_err(|error| fail(&error))?;
        let file = safetensors::serialize(views, None).map_err(|error| fail(&error))?;
        let folder = path.parent().filter(|folder| !folder.as_os_str().is_empty()).unwrap_or(Path::new("."));
        let mut temporary = tempfile::NamedTempFile::new_in(folder).map_err(|error| fail(&error))?;
        temporary.write_all(&file).map_err(|error| fail(&error))?;
        temporary.as_file().sync_all().map_err(|error| fail(&error))?;
        temporary.persist(path).map_err(|error| fail(&error))?;
        // The new name is only safe once the folder is on disk as well.
        std::fs::File::open(folder).and_then(|folder| folder.sync_all()).map_err(|error| fail(&error))
    }

    /// Loads what `save_safetensors` wrote, exact to the bit, under the same rules as `load_pytorch`.
    pub fn load_safetensors(&mut self, path: &Path, strict: bool) -> Result<LoadReport, ModelError> {
        let tensors = read_safetensors(path)?;
        self.load(path, tensors, strict)
    }

    fn load(
        &mut self,
        path: &Path,
        tensors: BTreeMap<String, HostTensor>,
        strict: bool,
    ) -> Result<LoadReport, ModelError> {
        let mut report = LoadReport::default();
        let wanted: BTreeMap<String, Vec<usize>> = self.plan().tensors().into_iter().collect();
        for (name, shape) in &wanted {
            match tensors.get(name) {
                None => report.missing.push(name.clone()),
                Some(tensor) if tensor.shape == *shape => report.kept.push(name.clone()),
                Some(tensor) => report.mismatched.push((name.clone(), shape.clone(), tensor.shape.clone())),
            }
        }
        report.unused = tensors.keys().filter(|name| !wanted.contains_key(*name)).cloned().collect();
        if !report.mismatched.is_empty() || (strict && !report.is_complete()) {
            return Err(ModelError::Mismatch { path: path.to_path_buf(), report: Box::new(report) });
        }
        self.assign(tensors);
        Ok(report)
    }

    /// Continues patch embeddings of fewer times than the model's with zeros at the newest times.
    fn grow_history(
        &self,
        path: &Path,
        tensors: &mut BTreeMap<String, HostTensor>,
    ) -> Result<Vec<String>, ModelError> {
        let history = self.plan().history;
        let mut grown = Vec::new();
        for (name, tensor) in tensors.iter_mut() {
            let embedding = STACKED.iter().any(|(prefix, _)| name.starts_with(&format!("{prefix}.weights.")));
            let [outputs, 1, times, rows, columns] = tensor.shape[..] else { continue };
            if !embedding || times == history {
                continue;
            }
            if times > history {
                let message = format!("it holds weights for {times} times, the model has {history}");
                return Err(unreadable(path, message));
            }
            let area = rows * columns;
            let mut values = Vec::with_capacity(outputs * history * area);
            for output in tensor.values.chunks(times * area) {
                values.extend_from_slice(output);
                values.resize(values.len() + (history - times) * area, 0.0);
            }
            *tensor = HostTensor { shape: vec![outputs, 1, history, rows, columns], values };
            grown.push(name.clone());
        }
        Ok(grown)
    }
}

/// Every tensor of a safetensors file, as f32.
pub fn read_safetensors(path: &Path) -> Result<BTreeMap<String, HostTensor>, ModelError> {
    let bytes = std::fs::read(path).map_err(|error| unreadable(path, error.to_string()))?;
    let file = SafeTensors::deserialize(&bytes).map_err(|error| unreadable(path, error.to_string()))?;
    let mut tensors = BTreeMap::new();
    for (name, view) in file.tensors() {
        if view.dtype() != Dtype::F32 {
            return Err(unreadable(path, format!("{name} is {:?}, not 32-bit floating point", view.dtype())));
        }
        let values = view.data().as_chunks::<4>().0.iter().map(|value| f32::from_le_bytes(*value)).collect();
        tensors.insert(name, HostTensor { shape: view.shape().to_vec(), values });
    }
    Ok(tensors)
}

/// Names, shapes and kinds of the weights in a file of safetensors or of torch; their values stay unread, and the
/// pickle of a torch file is never executed.
///
/// # Errors
/// A file that is neither, or is cut short.
pub fn header(path: &Path) -> Result<Vec<CheckpointTensor>, ModelError> {
    if path.extension().is_some_and(|extension| extension == "safetensors") {
        return header_of_safetensors(path);
    }
    let mut store = PytorchStore::from_file(path).map_indices_contiguous(false);
    let list = store.get_all_tensors().map_err(|error| unreadable(path, error.to_string()))?;
    let tensors = list.iter().map(|(name, tensor)| CheckpointTensor {
        name: name.clone(),
        shape: tensor.shape.as_slice().to_vec(),
        kind: format!("{:?}", tensor.dtype).to_lowercase(),
    });
    Ok(tensors.collect())
}

/// Longest header of a file of safetensors that is read: the format's own limit.
const LONGEST_HEADER: u64 = 100_000_000;

fn header_of_safetensors(path: &Path) -> Result<Vec<CheckpointTensor>, ModelError> {
    let fail = |error: String| unreadable(path, error);
    let mut file = std::fs::File::open(path).map_err(|error| fail(error.to_string()))?;
    let mut length = [0; 8];
    file.read_exact(&mut length).map_err(|error| fail(error.to_string()))?;
    let length = u64::from_le_bytes(length);
    if length > LONGEST_HEADER {
        return Err(fail(format!("its header claims {length} bytes")));
    }
    let mut bytes = Vec::new();
    file.take(length).read_to_end(&mut bytes).map_err(|error| fail(error.to_string()))?;
    let listed: BTreeMap<String, serde_json::Value> =
        serde_json::from_slice(&bytes).map_err(|error| fail(error.to_string()))?;
    let mut tensors = Vec::new();
    for (name, value) in listed.into_iter().filter(|(name, _)| name != "__metadata__") {
        let shape = value.get("shape").and_then(|shape| serde_json::from_value(shape.clone()).ok());
        let kind = value.get("dtype").and_then(serde_json::Value::as_str);
        let (Some(shape), Some(kind)) = (shape, kind) else {
            return Err(fail(format!("its header does not say what `{name}` is")));
        };
        tensors.push(CheckpointTensor { name, shape, kind: kind.to_lowercase() });
    }
    Ok(tensors)
}

/// Every tensor of a torch file, as f32.
fn read_pytorch(path: &Path) -> Result<BTreeMap<String, HostTensor>, ModelError> {
    if !path.is_file() {
        return Err(unreadable(path, "there is no such file"));
    }
    let mut store = PytorchStore::from_file(path).map_indices_contiguous(false);
    let list = store.get_all_tensors().map_err(|error| unreadable(path, error.to_string()))?;
    let mut tensors = BTreeMap::new();
    for (name, tensor) in list {
        let data = bridge::to_data(tensor).map_err(|error| unreadable(path, error.to_string()))?;
        let shape = data.shape().as_slice().to_vec();
        let values = data
            .convert::<f32>()
            .try_into_vec::<f32>()
            .map_err(|error| unreadable(path, format!("{name}: {error:?}")))?;
        tensors.insert(name.clone(), HostTensor { shape, values });
    }
    Ok(tensors)
}

/// Brings published layouts to one tensor for each variable.
fn adapt(tensors: BTreeMap<String, HostTensor>) -> Result<BTreeMap<String, HostTensor>, String> {
    let mut tensors: BTreeMap<String, HostTensor> = tensors
        .into_iter()
        .map(|(name, tensor)| (name.strip_prefix("net.").map(str::to_string).unwrap_or(name), tensor))
        .collect();
    for (prefix, names) in STACKED {
        if let Some(stacked) = tensors.remove(&format!("{prefix}.weight")) {
            for (name, tensor) in names.iter().zip(split_channels(stacked, names.len())?) {
                tensors.insert(format!("{prefix}.weights.{name}"), tensor);
            }
        }
    }
    for (old, new, names) in STACKED_HEADS {
        for kind in ["weight", "bias"] {
            if let Some(stacked) = tensors.remove(&format!("{old}.{kind}")) {
                for (name, tensor) in names.iter().zip(split_rows(stacked, names.len())?) {
                    tensors.insert(format!("{new}.{name}.{kind}"), tensor);
                }
            }
        }
    }
    Ok(tensors)
}

/// (D, V, T, P, P) → V tensors of (D, 1, T, P, P).
fn split_channels(tensor: HostTensor, count: usize) -> Result<Vec<HostTensor>, String> {
    let [outputs, channels, times, rows, columns] = tensor.shape[..] else {
        return Err(format!("a patch embedding has shape {:?}", tensor.shape));
    };
    if channels != count {
        return Err(format!("a patch embedding stacks {channels} variables instead of {count}"));
    }
    let size = times * rows * columns;
    let part = |channel: usize| {
        let values = tensor.values.chunks(channels * size);
        let values =
            values.flat_map(|row| row[channel * size..(channel + 1) * size].iter().copied()).collect();
        HostTensor { shape: vec![outputs, 1, times, rows, columns], values }
    };
    Ok((0..count).map(part).collect())
}

/// (P²·V, …) with row = pixel·V + variable → V tensors of (P², …).
fn split_rows(tensor: HostTensor, count: usize) -> Result<Vec<HostTensor>, String> {
    let rows = tensor.shape.first().copied().unwrap_or_default();
    if rows == 0 || rows % count != 0 {
        return Err(format!("an output head of shape {:?} does not hold {count} variables", tensor.shape));
    }
    let size = tensor.values.len() / rows;
    let part = |variable: usize| {
        let mut shape = tensor.shape.clone();
        shape[0] = rows / count;
        let rows = tensor.values.chunks(size).skip(variable).step_by(count);
        HostTensor { shape, values: rows.flatten().copied().collect() }
    };
    Ok((0..count).map(part).collect())
}

fn unreadable(path: &Path, message: impl Into<String>) -> ModelError {
    ModelError::Unreadable { path: path.to_path_buf(), message: message.into() }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn stacked_tensors_fall_into_their_variables() {
        let values = (0..12).map(|value| value as f32).collect();
        let parts = split_channels(HostTensor { shape: vec![2, 3, 2, 1, 1], values }, 3).unwrap();
        assert_eq!(parts[1], HostTensor { shape: vec![2, 1, 2, 1, 1], values: vec![2.0, 3.0, 8.0, 9.0] });
        let values = (0..8).map(|value| value as f32).collect();
        let parts = split_rows(HostTensor { shape: vec![4, 2], values }, 2).unwrap();
        assert_eq!(parts[1], HostTensor { shape: vec![2, 2], values: vec![2.0, 3.0, 6.0, 7.0] });
        assert!(split_rows(HostTensor { shape: vec![3], values: vec![0.0; 3] }, 2).is_err());
    }
}
