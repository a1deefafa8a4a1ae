//! The world, as far as the compiler sees it. Implemented by the runtime, faked in tests.

use jiff::Timestamp;

use crate::plan::data::TimeRange;

/// What only the machine at hand can tell. No method may depend on anything but its arguments and files.
pub trait Site {
    /// The recipe `path` as named in `extends` by the recipe `from`: the name to show, and its text.
    ///
    /// # Errors
    /// A sentence that says why it cannot be read.
    fn recipe(&self, from: &str, path: &str) -> Result<(String, String), String>;

    /// What an archive holds; nothing if this site has no such archive.
    fn archive(&self, name: &str) -> Option<ArchiveIndex>;

    /// The archives this site has, for `did you mean`.
    fn archives(&self) -> Vec<String>;

    /// How many values of a field reach a threshold in a range of times, if the archive has counted them. In the
    /// field's canonical unit.
    fn count_above(&self, _archive: &str, _from: &str, _threshold: f64, _range: TimeRange) -> Option<u64> {
        None
    }

    /// The header of the checkpoint `name` as written in `base`; nothing if the file is not at hand.
    ///
    /// # Errors
    /// A sentence that says why a file that is there cannot be read.
    fn checkpoint(&self, name: &str) -> Option<Result<CheckpointHeader, String>> {
        let _ = name;
        None
    }

    /// What the device that trains can do; nothing if it has not been measured or named.
    fn machine(&self) -> Option<MachineProfile> {
        None
    }
}

/// A site without anything: for what needs nothing but its own text and the libraries.
#[derive(Clone, Copy, Debug, Default)]
pub struct Nowhere;

impl Site for Nowhere {
    fn recipe(&self, _: &str, path: &str) -> Result<(String, String), String> {
        Err(format!("{path}: no such file"))
    }

    fn archive(&self, _: &str) -> Option<ArchiveIndex> {
        None
    }

    fn archives(&self) -> Vec<String> {
        Vec::new()
    }
}

/// Names, shapes and kinds of the weights in a file, without their values.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct CheckpointHeader {
    /// BLAKE3 of the whole file, in hexadecimal.
    pub digest: String,
    /// In the order of their names.
    pub tensors: Vec<CheckpointTensor>,
}

#[derive(Clone, Debug, PartialEq, Eq)]
pub struct CheckpointTensor {
    pub name: String,
    pub shape: Vec<usize>,
    /// `f32`, `bf16` …
    pub kind: String,
}

/// What `site.toml` and a measurement say of the device that trains. It changes how a recipe is run, never
/// what it says: micro-batches and recomputation give the same gradient.
#[derive(Clone, Debug, Default, PartialEq, serde::Serialize, serde::Deserialize)]
#[serde(default)]
pub struct MachineProfile {
    /// `cpu`, `cuda`, `cuda:1`.
    pub device: String,
    /// Memory for weights, gradients and activations; unknown if absent.
    pub memory_bytes: Option<u64>,
    /// Sustained in matrix products of 32-bit numbers.
    pub flops_per_second: Option<f64>,
    /// Sustained in forward and backward of a small Aurora, all told.
    pub model_flops_per_second: Option<f64>,
    /// Sustained between memory and processor.
    pub bytes_per_second: Option<f64>,
    /// Activations are computed again in the backward pass instead of kept.
    pub recompute: bool,
    /// Samples held at a time; a batch is made of several. All of the batch if absent.
    pub micro_batch: Option<usize>,
}

/// What an archive holds, without its data.
#[derive(Clone, Debug, PartialEq)]
pub struct ArchiveIndex {
    pub fields: Vec<ArchiveField>,
    pub from: Timestamp,
    pub to: Timestamp,
    /// What lies there and is not offered, and why: a sentence each.
    pub left_out: Vec<String>,
}

#[derive(Clone, Debug, PartialEq)]
pub struct ArchiveField {
    /// The name in `from "…"`.
    pub from: String,
    pub units: String,
    /// Pressure levels in Pa, for fields on levels.
    pub levels: Option<Vec<f64>>,
    /// Its first time, if it is later than the archive's.
    pub since: Option<Timestamp>,
}
