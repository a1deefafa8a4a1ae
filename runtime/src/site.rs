//! This machine: where recipes and archives lie, on what to compute. What `site.toml` says, and no more
//! than that, may differ between two machines that run one recipe.

use std::collections::BTreeMap;
use std::fs;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use aurora_compiler::site::{ArchiveField, ArchiveIndex, CheckpointHeader, MachineProfile};
use serde::Deserialize;

use crate::data::archive::place::Placed;
use crate::data::archive::{Archive, DataError};
use crate::data::of_grid;
use crate::data::synthetic::{SEED, Synthetic};
use crate::digest;
use crate::hub;
use crate::model::checkpoint;

/// `site.toml`, every line of which may be left out.
#[derive(Clone, Debug, Default, PartialEq, Deserialize)]
#[serde(deny_unknown_fields, default)]
struct Settings {
    /// `cpu`, `cuda` or `cuda:1`.
    device: Option<String>,
    /// Threads of the CPU; all cores if absent.
    threads: Option<usize>,
    /// Where training stores are kept; `build/data` if absent.
    stores: Option<PathBuf>,
    /// Where runs are kept; `runs` if absent.
    runs: Option<PathBuf>,
    /// Seconds between two checkpoints, besides those at the ends of phases; 60 if absent.
    checkpoint_seconds: Option<f64>,
    /// Memory of the device, for instance `80 GB`; a recipe that needs more is refused.
    memory: Option<String>,
    /// Compute activations again in the backward pass instead of keeping them; false if absent.
    recompute: bool,
    /// Samples held at a time; a batch is made of several. All of it if absent.
    micro_batch: Option<usize>,
    /// Where checkpoints are looked for by their file names; beside `site.toml` if absent.
    checkpoints: Option<PathBuf>,
    /// Where files that were fetched are kept; `build/cache` if absent.
    cache: Option<PathBuf>,
    /// Requests to a server at a time; 8 if absent.
    connections: Option<usize>,
    /// Archives that are not built in, by the names recipes give them.
    archives: BTreeMap<String, Placed>,
}

/// This machine.
#[derive(Clone, Debug, Default)]
pub struct Site {
    settings: Settings,
    /// The folder against which relative paths of `site.toml` are read.
    base: PathBuf,
    /// Why an archive that the compiler asked for could not be opened.
    unopened: Arc<Mutex<Option<String>>>,
    /// What archives hold, as far as the compiler has asked: looking into one takes a while.
    indexed: Arc<Mutex<BTreeMap<String, Option<ArchiveIndex>>>>,
}

impl Site {
    /// Reads `site.toml` beside the recipe, else in the current folder; without one, the defaults hold.
    ///
    /// # Errors
    /// A sentence that says which line of which file is wrong.
    pub fn find(recipe: Option<&Path>) -> Result<Site, String> {
        let beside = recipe.and_then(Path::parent).map(|folder| folder.join("site.toml"));
        let candidates = beside.into_iter().chain([PathBuf::from("site.toml")]);
        for path in candidates {
            match fs::read_to_string(&path) {
                Ok(text) => {
                    let settings: Settings =
                        toml::from_str(&text).map_err(|error| located(&path, &text, &error))?;
                    settings.sound().map_err(|reason| format!("{}: {reason}", path.display()))?;
                    let base = path.parent().map(Path::to_path_buf).unwrap_or_default();
                    return Ok(Site { settings, base, ..Site::default() });
                }
                Err(error) if error.kind() == std::io::ErrorKind::NotFound => {}
                Err(error) => return Err(format!("{} cannot be read: {error}", path.display())),
            }
        }
        Ok(Site::default())
    }

    pub fn device(&self) -> &str {
        self.settings.device.as_deref().unwrap_or("cpu")
    }

    /// Why an archive that is named here, and that a recipe asked for, could not be opened.
    pub fn unopened(&self) -> Option<String> {
        self.unopened.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }

    pub fn threads(&self) -> Option<usize> {
        self.settings.threads
    }

    pub fn checkpoint_every(&self) -> Duration {
        let seconds = self.settings.checkpoint_seconds.unwrap_or(60.0);
        Duration::try_from_secs_f64(seconds).unwrap_or(Duration::from_secs(60))
    }

    /// Whether activations are to be computed again in the backward pass.
    pub fn recompute(&self) -> bool {
        self.settings.recompute
    }

    /// Samples to hold at a time, if not a whole batch.
    pub fn micro_batch(&self) -> Option<usize> {
        self.settings.micro_batch
    }

    /// Where the measured profile of this machine lies: beside `site.toml`.
    pub fn profile(&self) -> PathBuf {
        self.base.join("machine.toml")
    }

    /// The file that `base` names: a path, or the file behind the colon of `microsoft/aurora:NAME.ckpt` among
    /// this site's checkpoints or in the hub's cache. Nothing if it is not there.
    pub fn checkpoint_file(&self, name: &str) -> Option<PathBuf> {
        let folder = self.folder(self.settings.checkpoints.as_deref(), "checkpoints");
        let file = name.rsplit_once(':').map_or(name, |(_, file)| file);
        let here = [self.base.join(name), folder.join(file)].into_iter().find(|path| path.is_file());
        here.or_else(|| hub::cached(name))
    }

    /// The folder of training stores.
    pub fn stores(&self) -> PathBuf {
        self.folder(self.settings.stores.as_deref(), "build/data")
    }

    /// The folder of runs.
    pub fn runs(&self) -> PathBuf {
        self.folder(self.settings.runs.as_deref(), "runs")
    }

    /// The folder of fetched files.
    pub fn cache(&self) -> PathBuf {
        self.folder(self.settings.cache.as_deref(), "build/cache")
    }

    fn folder(&self, set: Option<&Path>, default: &str) -> PathBuf {
        set.map_or_else(|| PathBuf::from(default), |path| self.base.join(path))
    }

    /// Opens an archive by the name a recipe gives it.
    ///
    /// # Errors
    /// An archive this site does not have, or whose files cannot be read.
    pub fn open_archive(&self, name: &str) -> Result<Box<dyn Archive>, DataError> {
        if name == "synthetic" {
            return Ok(Box::new(Synthetic::new(SEED)));
        }
        let Some(placed) = self.settings.archives.get(name) else {
            let known = aurora_compiler::Site::archives(self).join(", ");
            return Err(DataError::Archive(format!("this site has no archive `{name}`; it has {known}")));
        };
        placed.open(name, &self.base, &self.cache(), self.settings.connections)
    }

    /// What an archive holds, for the compiler.
    fn look_into(&self, name: &str) -> Option<ArchiveIndex> {
        let archive = match self.open_archive(name) {
            Ok(archive) => archive,
            Err(error) => {
                if self.settings.archives.contains_key(name) {
                    let reason = format!("the archive `{name}` of site.toml cannot be opened: {error}");
                    *self.unopened.lock().unwrap_or_else(PoisonError::into_inner) = Some(reason);
                }
                return None;
            }
        };
        let field = |field: crate::data::archive::ArchiveField| ArchiveField {
            from: field.from,
            units: field.units,
            levels: field.levels,
            since: None,
        };
        let of_grid = of_grid::FIELDS.iter().map(|(from, units)| ArchiveField {
            from: (*from).to_string(),
            units: (*units).to_string(),
            levels: None,
            since: None,
        });
        let mut fields: Vec<ArchiveField> = archive.fields().into_iter().map(field).collect();
        // An archive that lists nothing is asked for everything.
        if !fields.is_empty() {
            fields.extend(of_grid);
        }
        let times = archive.times();
        let left_out = archive.left_out();
        Some(ArchiveIndex { fields, from: times.from, to: times.to, left_out })
    }
}

impl Settings {
    /// Says what a line that TOML understands cannot mean.
    fn sound(&self) -> Result<(), String> {
        if self.micro_batch == Some(0) {
            return Err("`micro_batch` is at least 1".to_string());
        }
        if self.connections.is_some_and(|connections| !(1..=256).contains(&connections)) {
            return Err("`connections` is between 1 and 256".to_string());
        }
        match &self.memory {
            Some(text) => bytes(text).map(|_| ()).ok_or_else(|| {
                format!("`memory` is a size such as \"80 GB\", \"512 MB\" or \"24 GiB\", not \"{text}\"")
            }),
            None => Ok(()),
        }
    }
}

/// `80 GB`, `24 GiB`, `512 MB`.
fn bytes(text: &str) -> Option<u64> {
    const UNITS: [(&str, f64); 8] = [
        ("KiB", 1024.0),
        ("MiB", 1_048_576.0),
        ("GiB", 1_073_741_824.0),
        ("TiB", 1_099_511_627_776.0),
        ("kB", 1e3),
        ("MB", 1e6),
        ("GB", 1e9),
        ("TB", 1e12),
    ];
    let text = text.trim();
    let (number, factor) =
        UNITS.iter().find_map(|(unit, factor)| Some((text.strip_suffix(unit)?, *factor)))?;
    let number: f64 = number.trim().parse().ok()?;
    let bytes = number * factor;
    (bytes.is_finite() && (1.0..1e18).contains(&bytes)).then_some(bytes as u64)
}

/// `site.toml:2:1: unknown field …`.
fn located(path: &Path, text: &str, error: &toml::de::Error) -> String {
    let before = error.span().and_then(|span| text.get(..span.start)).unwrap_or_default();
    let line = before.matches('\n').count() + 1;
    let column = before.chars().rev().take_while(|c| *c != '\n').count() + 1;
    let message = error.message().lines().collect::<Vec<_>>().join(" ");
    format!("{}:{line}:{column}: {message}", path.display())
}

impl aurora_compiler::Site for Site {
    fn recipe(&self, from: &str, path: &str) -> Result<(String, String), String> {
        let folder = Path::new(from).parent().unwrap_or(Path::new(""));
        let file = folder.join(path);
        let text = fs::read_to_string(&file).map_err(|error| format!("{}: {error}", file.display()))?;
        Ok((file.display().to_string(), text))
    }

    fn archive(&self, name: &str) -> Option<ArchiveIndex> {
        let known = || self.indexed.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(index) = known().get(name) {
            return index.clone();
        }
        let index = self.look_into(name);
        known().insert(name.to_string(), index.clone());
        index
    }

    fn checkpoint(&self, name: &str) -> Option<Result<CheckpointHeader, String>> {
        let path = self.checkpoint_file(name)?;
        let mut tensors = match checkpoint::header(&path) {
            Ok(tensors) => tensors,
            Err(error) => return Some(Err(error.to_string())),
        };
        tensors.sort_by(|a, b| a.name.cmp(&b.name));
        let digest = match digest::of(&path, &self.stores()) {
            Ok(digest) => digest,
            Err(error) => return Some(Err(error.to_string())),
        };
        Some(Ok(CheckpointHeader { digest, tensors }))
    }

    /// What was measured on this machine, with what `site.toml` says of it. A profile of another device, or one
    /// that cannot be read, is as none.
    fn machine(&self) -> Option<MachineProfile> {
        let text = fs::read_to_string(self.profile()).ok();
        let measured: Option<MachineProfile> = text.and_then(|text| toml::from_str(&text).ok());
        let measured = measured.filter(|profile| profile.device == self.device());
        let named = self.settings.memory.as_deref().and_then(bytes);
        let said = named.is_some() || self.settings.recompute || self.settings.micro_batch.is_some();
        if measured.is_none() && !said {
            return None;
        }
        let measured = measured.unwrap_or_default();
        Some(MachineProfile {
            device: self.device().to_string(),
            memory_bytes: named.or(measured.memory_bytes),
            recompute: self.settings.recompute,
            micro_batch: self.settings.micro_batch,
            ..measured
        })
    }

    fn archives(&self) -> Vec<String> {
        let own = self.settings.archives.keys().cloned();
        let mut all: Vec<String> = own.chain(["synthetic".to_string()]).collect();
        all.sort();
        all
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn sizes_of_memory_are_read() {
        assert_eq!(bytes("80 GB"), Some(80_000_000_000));
        assert_eq!(bytes("24GiB"), Some(25_769_803_776));
        assert_eq!(bytes("0.5 MB"), Some(500_000));
        for wrong in ["80", "GB", "-1 GB", "nan GB", "1e300 GB", "80 gigs"] {
            assert_eq!(bytes(wrong), None, "{wrong}");
        }
    }
}
