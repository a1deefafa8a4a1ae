//! A prepared training store, opened for reading: whole fields or windows of them.

mod cache;

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, PoisonError};

use aurora_compiler::plan::data::{DataPlan, SupportPlan};
use jiff::Timestamp;
use ndarray::{Array2, Array3, s};
use rayon::prelude::*;
use zarrs::array::{Array, ArrayShardedReadableExt, ArrayShardedReadableExtCache};
use zarrs::filesystem::FilesystemStore;

use super::archive::DataError;
use super::journal::TimeRecord;
use super::layout::{self, Description, StoredField, TileCodec, depth, stored_fields};
use super::prepare::{Inventory, read_inventory};
use super::sample::window::Window;
use super::statistics::FieldStatistics;
use cache::Cache;

/// Decoded arrays kept in memory by default, in bytes.
pub const CACHE: usize = 2 << 30;

/// A whole store. Reading is thread-safe; decoded arrays are kept up to a bound, the longest unused goes first.
#[derive(Debug)]
pub struct Store {
    path: PathBuf,
    plan: DataPlan,
    inventory: Inventory,
    /// Those of which samples can be made, and their places in the arrays.
    times: Vec<Timestamp>,
    places: Vec<usize>,
    latitude: Array2<f32>,
    longitude: Array2<f32>,
    fields: BTreeMap<String, Opened>,
    cache: Mutex<Cache>,
}

#[derive(Debug)]
struct Opened {
    number: usize,
    field: StoredField,
    depth: usize,
    /// Times in a file.
    shard: usize,
    /// Rows and columns of an inner chunk.
    tile: (usize, usize),
    codec: TileCodec,
    array: Array<FilesystemStore>,
    index: Index,
    storage: Arc<FilesystemStore>,
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
        let Description { plan, times: all, shard, .. } = layout::describe(directory)?;
        let inventory = read_inventory(directory)?.ok_or_else(|| {
            broken("its preparation was not finished; `aurorac data prepare` goes on with it".into())
        })?;
        let storage = Arc::new(FilesystemStore::new(directory).map_err(|error| broken(error.to_string()))?);
        let coordinate = |name: &str| {
            Array::open(Arc::clone(&storage), &format!("/{name}"))
                .map_err(|error| broken(format!("its `{name}` cannot be opened: {error}")))
        };
        if inventory.times.iter().map(|record| record.time).ne(all.iter().copied()) {
            return Err(broken("its inventory is of other times".into()));
        }
        let usable = |(_, record): &(usize, &TimeRecord)| record.status.usable();
        let (places, times) = inventory
            .times
            .iter()
            .enumerate()
            .filter(usable)
            .map(|(place, record)| (place, record.time))
            .unzip();
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
        for (number, field) in stored_fields(&plan).into_iter().enumerate() {
            let array = coordinate(&field.name)?;
            let tile = layout::tile(plan.grid.height, plan.grid.width);
            let depth = depth(&plan, &field)?;
            let opened = Opened {
                number,
                depth,
                shard,
                tile,
                codec: TileCodec::new(&field, depth, tile)?,
                index: Index(ArrayShardedReadableExtCache::new(&array)),
                array,
                storage: Arc::clone(&storage),
                field,
            };
            opened.check_shape(&plan, all.len()).map_err(broken)?;
            fields.insert(opened.field.name.clone(), opened);
        }
        Ok(Self {
            path: directory.to_path_buf(),
            plan,
            inventory,
            places,
            times,
            latitude,
            longitude,
            fields,
            cache: Mutex::new(Cache::new(cache)),
        })
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
        self.window(name, time, Window::whole(self.latitude.dim()))
    }

    /// The part of a field that lies in a window.
    ///
    /// # Errors
    /// As [`Store::read`]; a window that reaches out of the grid.
    pub fn window(&self, name: &str, time: usize, window: Window) -> Result<Arc<Array3<f32>>, DataError> {
        let Some(opened) = self.fields.get(name) else {
            return Err(DataError::NotStored { path: self.path.clone(), field: name.into() });
        };
        let reason = match self.places.get(time) {
            _ if !window.fits(self.latitude.dim()) => format!("its grid does not hold {window:?}"),
            None => format!("it has {} times, so no number {time}", self.times.len()),
            Some(time) => {
                let time = if opened.field.support == SupportPlan::Static { 0 } else { *time };
                return self.assembled(opened, time, window);
            }
        };
        Err(DataError::Store { path: self.path.clone(), reason })
    }

    /// Puts the tiles that a window touches together.
    fn assembled(&self, opened: &Opened, time: usize, window: Window) -> Result<Arc<Array3<f32>>, DataError> {
        let (height, width) = opened.tile;
        let rows = window.row / height..(window.row + window.height).div_ceil(height);
        let columns = window.column / width..(window.column + window.width).div_ceil(width);
        let touched: Vec<(usize, usize)> =
            rows.flat_map(|row| columns.clone().map(move |column| (row, column))).collect();
        let whole = (window.height, window.width) == (height, width);
        if let ([(row, column)], true) = (&touched[..], whole) {
            return self.tile(opened, time, *row, *column);
        }
        let tiles: Vec<Arc<Array3<f32>>> = touched
            .par_iter()
            .map(|(row, column)| self.tile(opened, time, *row, *column))
            .collect::<Result<_, _>>()?;
        let mut array = Array3::zeros((opened.depth, window.height, window.width));
        for ((row, column), tile) in touched.into_iter().zip(tiles) {
            let (top, left) = (row * height, column * width);
            let (first, last) = (top.max(window.row), (top + height).min(window.row + window.height));
            let (west, east) = (left.max(window.column), (left + width).min(window.column + window.width));
            let from = tile.slice(s![.., first - top..last - top, west - left..east - left]);
            let rows = first - window.row..last - window.row;
            array.slice_mut(s![.., rows, west - window.column..east - window.column]).assign(&from);
        }
        Ok(Arc::new(array))
    }

    fn tile(
        &self,
        opened: &Opened,
        time: usize,
        row: usize,
        column: usize,
    ) -> Result<Arc<Array3<f32>>, DataError> {
        let key = (opened.number, time, row, column);
        if let Some(array) = self.lock().get(&key) {
            return Ok(array);
        }
        let array = Arc::new(opened.read(time, row, column)?);
        self.lock().insert(key, &array);
        Ok(array)
    }

    fn lock(&self) -> std::sync::MutexGuard<'_, Cache> {
        self.cache.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// Where the tiles lie in the files that have been read.
struct Index(ArrayShardedReadableExtCache);

impl std::fmt::Debug for Index {
    fn fmt(&self, out: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        out.write_str("Index")
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

    /// One tile at one time: (C, rows, columns), as long as a tile is even at the grid's edges, missing beyond them.
    fn read(&self, time: usize, row: usize, column: usize) -> Result<Array3<f32>, DataError> {
        let mut shard = vec![0; self.array.dimensionality()];
        let mut place = shard.clone();
        if self.field.support != SupportPlan::Static {
            shard[0] = (time / self.shard) as u64;
            place[0] = time as u64;
        }
        let plane = place.len() - 2;
        (place[plane], place[plane + 1]) = (row as u64, column as u64);
        // A chunk that is not there would read as fill values.
        if !self.file(&shard).is_file() {
            return Err(self.broken(&shard, "the file is missing".into()));
        }
        let encoded = self.array.retrieve_encoded_subchunk(&self.index.0, &place);
        let encoded = encoded.map_err(|error| self.broken(&shard, error.to_string()))?;
        let encoded = encoded.ok_or_else(|| self.broken(&shard, "a tile is missing".into()))?;
        // The checksum is looked at here: a way of its own on which a tile is decoded whole.
        let values = self.codec.values(encoded).map_err(|reason| self.broken(&shard, reason))?;
        Array3::from_shape_vec((self.depth, self.tile.0, self.tile.1), values)
            .map_err(|error| self.broken(&shard, error.to_string()))
    }

    fn file(&self, chunk: &[u64]) -> PathBuf {
        self.storage.key_to_fspath(&self.array.chunk_key(chunk))
    }

    fn broken(&self, chunk: &[u64], reason: String) -> DataError {
        DataError::Chunk { field: self.field.name.clone(), path: self.file(chunk), reason }
    }
}
