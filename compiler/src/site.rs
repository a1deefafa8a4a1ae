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
}

/// What an archive holds, without its data.
#[derive(Clone, Debug, PartialEq)]
pub struct ArchiveIndex {
    pub fields: Vec<ArchiveField>,
    pub from: Timestamp,
    pub to: Timestamp,
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
