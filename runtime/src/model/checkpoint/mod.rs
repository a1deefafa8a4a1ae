//! Weights on disk: Microsoft's checkpoints in, our own safetensors in and out, all by Aurora's names.

mod export;
pub mod file;
pub mod report;
mod torch;
mod values;

use std::collections::BTreeMap;
use std::fmt;
use std::io::Write;
use std::path::Path;

use aurora_compiler::plan::layout::{Layout, Named, Placed, Source};
use aurora_compiler::plan::model::{ModelPlan, Preset};
use aurora_compiler::plan::tensor_map::TensorMap;
use aurora_compiler::site::CheckpointTensor;
use safetensors::tensor::{Dtype, TensorView};

use super::{Aurora, HostTensor, ModelError};
pub use file::WeightsFile;
pub use report::LoadReport;
use values::Values;

/// How a file is loaded.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Loading {
    /// Refuse anything missing or unused.
    pub strict: bool,
    /// Weights for all levels serve a model that has one for each. Microsoft's loader leaves such a model's own
    /// at random.
    pub broadcast: bool,
    /// The class of a published file; the model's own if absent.
    pub class: Option<Preset>,
}

impl Aurora {
    /// Loads a checkpoint of Microsoft's, of torch or of safetensors, in any of its four layouts. A tensor of
    /// another shape is always refused; on an error the model is as it was.
    ///
    /// # Errors
    /// A file that cannot be read or does not fit.
    pub fn load_checkpoint(&mut self, path: &Path, loading: Loading) -> Result<LoadReport, ModelError> {
        let (mut file, map) = mapped(self.plan(), path, loading)?;
        self.load(path, &mut file, &map, loading.strict)
    }

    /// Loads a checkpoint as Microsoft's `load_checkpoint_local` does; the pickle in it is never executed.
    ///
    /// # Errors
    /// As of [`Aurora::load_checkpoint`].
    pub fn load_pytorch(&mut self, path: &Path, strict: bool) -> Result<LoadReport, ModelError> {
        self.load_checkpoint(path, Loading { strict, ..Loading::default() })
    }

    /// Loads what `save_safetensors` wrote, exact to the bit: by its names as they are.
    ///
    /// # Errors
    /// As of [`Aurora::load_checkpoint`].
    pub fn load_safetensors(&mut self, path: &Path, strict: bool) -> Result<LoadReport, ModelError> {
        let mut file = WeightsFile::open(path)?;
        let placed = |tensor: CheckpointTensor| {
            (tensor.name.clone(), Placed { shape: tensor.shape, source: Source::Whole(tensor.name) })
        };
        let named: Named = file.tensors()?.into_iter().map(placed).collect();
        let map = TensorMap::new(self.plan(), &named, false);
        self.load(path, &mut file, &map, strict)
    }

    fn load(
        &mut self,
        path: &Path,
        file: &mut WeightsFile,
        map: &TensorMap,
        strict: bool,
    ) -> Result<LoadReport, ModelError> {
        let report = accepted(path, map, strict)?;
        // One at a time: a large model is not held three times over.
        let mut values = Values::new(file);
        let weights: BTreeMap<&str, _> = map.weights.iter().map(|one| (one.name.as_str(), one)).collect();
        self.replace(&mut |name| weights.get(name).map_or(Ok(None), |weight| values.of(weight)))?;
        Ok(report)
    }

    /// Writes all parameters under Aurora's names in torch's layout: to a temporary file first, then in place.
    ///
    /// # Errors
    /// A file that cannot be written.
    pub fn save_safetensors(&self, path: &Path) -> Result<(), ModelError> {
        write_safetensors(path, &self.parameters())
    }
}

/// Writes tensors as safetensors: to a temporary file first, then in place.
fn write_safetensors(path: &Path, tensors: &BTreeMap<String, HostTensor>) -> Result<(), ModelError> {
    let fail = |error: &dyn fmt::Display| ModelError::Unwritable {
        path: path.to_path_buf(),
        message: error.to_string(),
    };
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

/// The values that a model of this plan would take from a checkpoint, without a model.
///
/// # Errors
/// As of [`Aurora::load_checkpoint`].
pub fn values_for(
    plan: &ModelPlan,
    path: &Path,
    loading: Loading,
) -> Result<(BTreeMap<String, HostTensor>, LoadReport), ModelError> {
    let (mut file, map) = mapped(plan, path, loading)?;
    let report = accepted(path, &map, loading.strict)?;
    let mut values = Values::new(&mut file);
    let mut list = BTreeMap::new();
    for weight in &map.weights {
        if let Some(value) = values.of(weight)? {
            list.insert(weight.name.clone(), value);
        }
    }
    Ok((list, report))
}

/// The file, and where in it each weight of the model is.
fn mapped(plan: &ModelPlan, path: &Path, loading: Loading) -> Result<(WeightsFile, TensorMap), ModelError> {
    let mut file = WeightsFile::open(path)?;
    let class = loading.class.map(Preset::plan);
    let layout = Layout::of(plan, class.as_ref());
    // Microsoft's own loader changes a weight of the air pollution model whenever it reads a file of torch.
    let layout = if file.is_torch() { layout } else { layout.exact() };
    let list = file.tensors()?.into_iter().map(|tensor| (tensor.name, tensor.shape));
    let named = layout.read(list).map_err(|message| unreadable(path, message))?;
    let map = TensorMap::new(plan, &named, loading.broadcast);
    Ok((file, map))
}

/// The report of a map that may be loaded.
fn accepted(path: &Path, map: &TensorMap, strict: bool) -> Result<LoadReport, ModelError> {
    let report = LoadReport::of(map);
    if !report.mismatched.is_empty() || (strict && !report.is_complete()) {
        return Err(ModelError::Mismatch { path: path.to_path_buf(), report: Box::new(report) });
    }
    Ok(report)
}

/// Every tensor of a safetensors file, as f32.
///
/// # Errors
/// A file that cannot be read, or holds other than floating point.
pub fn read_safetensors(path: &Path) -> Result<BTreeMap<String, HostTensor>, ModelError> {
    let mut file = WeightsFile::open(path)?;
    let names = file.tensors()?.into_iter().map(|tensor| tensor.name);
    names.map(|name| Ok((name.clone(), file.read(&name)?))).collect()
}

/// Names, shapes and kinds of the weights in a file of safetensors or of torch; their values stay unread, and the
/// pickle of a torch file is never executed.
///
/// # Errors
/// A file that is neither, or is cut short.
pub fn header(path: &Path) -> Result<Vec<CheckpointTensor>, ModelError> {
    WeightsFile::open(path)?.tensors()
}

fn unreadable(path: &Path, message: impl Into<String>) -> ModelError {
    ModelError::Unreadable { path: path.to_path_buf(), message: message.into() }
}
