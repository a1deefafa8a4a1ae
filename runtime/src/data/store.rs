//! A prepared training store, opened for reading.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, PoisonError};

use aurora_compiler::plan::data::{DataPlan, SupportPlan};
use jiff::Timestamp;
use ndarray::{Array2, Array3};
use zarrs::array::{
    Array, ArrayShardedExt, ArrayShardedReadableExt, ArrayShardedReadableExtCache, ArraySubset,
};
use zarrs::filesystem::FilesystemStore;
use zarrs::group::Group;

use super::archive::DataError;
use super::layout::{FORMAT, StoredField, depth, stored_fields};
use super::prepare::Inventory;
use super::statistics::FieldStatistics;

/// Decoded arrays kept in memory by default, in bytes.
pub const CACHE: usize = 2 << 30;

/// A whole store. Reading is thread-safe; decoded arrays are kept up to a bound, the longest unused goes first.
#[derive(Debug)]
pub struct Store {
    path: PathBuf,
    plan: DataPlan,
    inventory: Inventory,
    times: Vec<Timestamp>,
    latitude: Array2<f32>,
    longitude: Array2<f32>,
    fields: BTreeMap<String, Opened>,
    cache: Mutex<Cache>,
}

#[derive(Debug)]
struct Opened {
    field: StoredField,
    depth: usize,
    array: Array<FilesystemStore>,
    storage: Arc<FilesystemStore>,
}

/// A field at a time.
type Key = (String, usize);

/// Arrays by field and time, each with the moment of its last use.
#[derive(Debug)]
struct Cache {
    bound: usize,
    bytes: usize,
    moment: u64,
    kept: BTreeMap<Key, Kept>,
    order: BTreeMap<u64, Key>,
}

#[derive(Debug)]
struct Kept {
    used: u64,
    array: Arc<Array3<f32>>,
}

impl Store {
    /// Opens a whole store.
    ///
    /// # Errors
    /// A directory that is no store, a store that was not finished or is of another format, metadata or coordinates
    /// that cannot be read.
    pub fn open(directory: &Path) -> Result<Self, DataError> {
        Self::open_with(directory, CACHE)
    }

    /// Opens a store that keeps at most `cache` bytes of decoded arrays.
    ///
    /// # Errors
    /// As [`Store::open`].
    pub fn open_with(directory: &Path, cache: usize) -> Result<Self, DataError> {
        let broken = |reason: String| DataError::Store { path: directory.to_path_buf(), reason };
        let (plan, inventory) = description(directory)?;
        let storage = Arc::new(FilesystemStore::new(directory).map_err(|error| broken(error.to_string()))?);
        let coordinate = |name: &str| {
            Array::open(Arc::clone(&storage), &format!("/{name}"))
                .map_err(|error| broken(format!("its `{name}` cannot be opened: {error}")))
        };
        let time = coordinate("time")?;
        let seconds: Vec<i64> = time
            .retrieve_array_subset(&time.subset_all())
            .map_err(|error| broken(format!("its `time` cannot be read: {error}")))?;
        let times = seconds
            .into_iter()
            .map(|second| Timestamp::from_second(second).map_err(|error| broken(error.to_string())))
            .collect::<Result<Vec<_>, _>>()?;
        if times.len() != inventory.times {
            return Err(broken(format!("it has {} times instead of {}", times.len(), inventory.times)));
        }
        let plane = |name: &str| -> Result<Array2<f32>, DataError> {
            let array = coordinate(name)?;
            let values: Vec<f32> = array
                .retrieve_array_subset(&array.subset_all())
                .map_err(|error| broken(format!("its `{name}` cannot be read: {error}")))?;
            Array2::from_shape_vec((plan.grid.height, plan.grid.width), values)
                .map_err(|error| broken(format!("its `{name}` has the wrong shape: {error}")))
        };
        let (latitude, longitude) = (plane("latitude")?, plane("longitude")?);
        let mut fields = BTreeMap::new();
        for field in stored_fields(&plan) {
            let array = coordinate(&field.name)?;
            let opened = Opened { depth: depth(&plan, &field)?, array, storage: Arc::clone(&storage), field };
            opened.check_shape(&plan, times.len()).map_err(broken)?;
            fields.insert(opened.field.name.clone(), opened);
        }
        Ok(Self {
            path: directory.to_path_buf(),
            plan,
            inventory,
            times,
            latitude,
            longitude,
            fields,
            cache: Mutex::new(Cache::new(cache)),
        })
    }

    /// Whether a directory was written by this module, whole or not, of whatever format.
    pub(super) fn looks_like_one(directory: &Path) -> bool {
        attributes(directory).is_ok_and(|attributes| attributes.get("aurorac").is_some())
    }

    /// Where it lies.
    #[must_use]
    pub fn path(&self) -> &Path {
        &self.path
    }

    /// The plan it was made by.
    #[must_use]
    pub fn plan(&self) -> &DataPlan {
        &self.plan
    }

    /// What its preparation found.
    #[must_use]
    pub fn inventory(&self) -> &Inventory {
        &self.inventory
    }

    /// Its times, ascending.
    #[must_use]
    pub fn times(&self) -> &[Timestamp] {
        &self.times
    }

    /// Moments over the training split, by field, level by level.
    #[must_use]
    pub fn statistics(&self) -> &BTreeMap<String, FieldStatistics> {
        &self.inventory.statistics
    }

    /// Degrees north, (H, W), row 0 north.
    #[must_use]
    pub fn latitude(&self) -> &Array2<f32> {
        &self.latitude
    }

    /// Degrees east, 0 to 360, (H, W).
    #[must_use]
    pub fn longitude(&self) -> &Array2<f32> {
        &self.longitude
    }

    /// Its fields in alphabetical order.
    pub fn fields(&self) -> impl Iterator<Item = &StoredField> {
        self.fields.values().map(|opened| &opened.field)
    }

    /// One field at one of [`Store::times`]: (C, H, W), C = 1 without levels. A static field is the same at all.
    ///
    /// # Errors
    /// A name or a time it does not have; a chunk that is missing or damaged, named with its file.
    pub fn read(&self, name: &str, time: usize) -> Result<Arc<Array3<f32>>, DataError> {
        let Some(opened) = self.fields.get(name) else {
            return Err(DataError::NotStored { path: self.path.clone(), field: name.into() });
        };
        if time >= self.times.len() {
            let reason = format!("it has {} times, so no number {time}", self.times.len());
            return Err(DataError::Store { path: self.path.clone(), reason });
        }
        let time = if opened.field.support == SupportPlan::Static { 0 } else { time };
        let key = (name.to_owned(), time);
        if let Some(array) = self.lock().get(&key) {
            return Ok(array);
        }
        let array = Arc::new(opened.read(time, self.latitude.dim())?);
        self.lock().insert(key, &array);
        Ok(array)
    }

    fn lock(&self) -> std::sync::MutexGuard<'_, Cache> {
        self.cache.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Opened {
    fn check_shape(&self, plan: &DataPlan, times: usize) -> Result<(), String> {
        let mut expected = Vec::new();
        if self.field.support != SupportPlan::Static {
            expected.push(times as u64);
        }
        if matches!(self.field.support, SupportPlan::Levels(_)) {
            expected.push(self.depth as u64);
        }
        expected.extend([plan.grid.height as u64, plan.grid.width as u64]);
        if self.array.shape() == expected {
            Ok(())
        } else {
            Err(format!(
                "`{}` has the shape {:?} instead of {expected:?}",
                self.field.name,
                self.array.shape()
            ))
        }
    }

    fn read(&self, time: usize, (height, width): (usize, usize)) -> Result<Array3<f32>, DataError> {
        let origin = vec![0; self.array.dimensionality()];
        let mut subset = self.array.subset_all().to_ranges();
        let mut chunk = origin;
        if self.field.support != SupportPlan::Static {
            let shard = self
                .array
                .chunk_shape_usize(&chunk)
                .map_err(|error| self.broken(&chunk, error.to_string()))?[0];
            chunk[0] = (time / shard) as u64;
            subset[0] = time as u64..time as u64 + 1;
        }
        // A chunk that is not there would read as fill values.
        if !self.file(&chunk).is_file() {
            return Err(self.broken(&chunk, "the file is missing".into()));
        }
        self.check_sums(&subset).map_err(|reason| self.broken(&chunk, reason))?;
        let values: Vec<f32> = self
            .array
            .retrieve_array_subset(&ArraySubset::new_with_ranges(&subset))
            .map_err(|error| self.broken(&chunk, error.to_string()))?;
        Array3::from_shape_vec((self.depth, height, width), values)
            .map_err(|error| self.broken(&chunk, error.to_string()))
    }

    /// Compares the checksums of the inner chunks that a subset touches. Reading part of a shard decodes just
    /// that part, by a way on which zarrs takes the checksum off without looking at it.
    fn check_sums(&self, subset: &[std::ops::Range<u64>]) -> Result<(), String> {
        let Some(shape) = self.array.effective_subchunk_shape() else { return Ok(()) };
        let cache = ArrayShardedReadableExtCache::new(&self.array);
        let touched = subset.iter().zip(&shape).map(|(range, size)| {
            let size = size.get();
            range.start / size..range.end.div_ceil(size)
        });
        let mut places: Vec<Vec<u64>> = vec![Vec::new()];
        for range in touched {
            let longer = |place: &Vec<u64>, index| place.iter().copied().chain([index]).collect();
            places = places
                .iter()
                .flat_map(|place| range.clone().map(move |index| longer(place, index)))
                .collect();
        }
        for place in places {
            let bytes =
                self.array.retrieve_encoded_subchunk(&cache, &place).map_err(|error| error.to_string())?;
            let bytes = bytes.unwrap_or_default();
            let sound = bytes
                .split_last_chunk::<4>()
                .is_some_and(|(data, sum)| crc32c::crc32c(data) == u32::from_le_bytes(*sum));
            if !sound {
                return Err("its checksum is not that of what was written".into());
            }
        }
        Ok(())
    }

    fn file(&self, chunk: &[u64]) -> PathBuf {
        self.storage.key_to_fspath(&self.array.chunk_key(chunk))
    }

    fn broken(&self, chunk: &[u64], reason: String) -> DataError {
        DataError::Chunk { field: self.field.name.clone(), path: self.file(chunk), reason }
    }
}

impl Cache {
    fn new(bound: usize) -> Self {
        Self { bound, bytes: 0, moment: 0, kept: BTreeMap::new(), order: BTreeMap::new() }
    }

    fn get(&mut self, key: &Key) -> Option<Arc<Array3<f32>>> {
        self.moment += 1;
        let kept = self.kept.get_mut(key)?;
        self.order.remove(&kept.used);
        kept.used = self.moment;
        self.order.insert(self.moment, key.clone());
        Some(Arc::clone(&kept.array))
    }

    fn insert(&mut self, key: Key, array: &Arc<Array3<f32>>) {
        let size = array.len() * 4;
        if size > self.bound || self.kept.contains_key(&key) {
            return;
        }
        while self.bytes + size > self.bound {
            let Some((_, oldest)) = self.order.pop_first() else { break };
            if let Some(kept) = self.kept.remove(&oldest) {
                self.bytes -= kept.array.len() * 4;
            }
        }
        self.moment += 1;
        self.bytes += size;
        self.order.insert(self.moment, key.clone());
        self.kept.insert(key, Kept { used: self.moment, array: Arc::clone(array) });
    }
}

/// The group's attributes.
fn attributes(directory: &Path) -> Result<serde_json::Map<String, serde_json::Value>, DataError> {
    let broken = |reason: String| DataError::Store { path: directory.to_path_buf(), reason };
    if !directory.join("zarr.json").is_file() {
        return Err(broken("it has no zarr.json".into()));
    }
    let storage = Arc::new(FilesystemStore::new(directory).map_err(|error| broken(error.to_string()))?);
    let group = Group::open(storage, "/").map_err(|error| broken(error.to_string()))?;
    Ok(group.attributes().clone())
}

/// Plan and inventory out of the group's attributes.
fn description(directory: &Path) -> Result<(DataPlan, Inventory), DataError> {
    let broken = |reason: String| DataError::Store { path: directory.to_path_buf(), reason };
    let attributes = attributes(directory)?;
    let Some(described) = attributes.get("aurorac") else {
        return Err(broken("it is a Zarr group, but not one that `aurorac data prepare` wrote".into()));
    };
    if described["format"] != FORMAT || described["whole"] != true {
        return Err(broken(format!(
            "it is {}, this version reads {FORMAT}; prepare it again",
            described["format"]
        )));
    }
    let plan =
        serde_json::from_value(described["plan"].clone()).map_err(|error| broken(error.to_string()))?;
    let inventory =
        serde_json::from_value(described["inventory"].clone()).map_err(|error| broken(error.to_string()))?;
    Ok((plan, inventory))
}
