//! A prepared training store, opened for reading: whole fields or windows of them.
//!
//! Decoded tiles are kept where they are likely to be asked for again: where all of them fit the memory set aside, and where
//! a tile is a whole plane. Of larger stores only what a window touches is decoded, straight to where it is wanted.

mod cache;
pub mod verify;

use std::collections::BTreeMap;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, PoisonError};

use aurora_compiler::plan::data::{DataPlan, SupportPlan};
use jiff::Timestamp;
use ndarray::{Array2, Array3, ArrayViewMut3, Axis, s};
use rayon::prelude::*;
use zarrs::array::{Array, ArrayShardedReadableExt, ArrayShardedReadableExtCache};
use zarrs::filesystem::FilesystemStore;

use super::archive::DataError;
use super::journal::{Status, TimeRecord};
use super::layout::{self, Description, StoredField, depth, stored_fields};
use super::prepare::{Inventory, read_inventory};
use super::sample::window::Window;
use super::shard::TileCodec;
use super::statistics::FieldStatistics;
use cache::Cache;

/// Decoded arrays kept in memory by default, in bytes.
pub const CACHE: usize = 2 << 30;

/// A whole store. Reading is thread-safe.
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
    /// Nothing if decoded tiles are not kept.
    cache: Option<Mutex<Cache>>,
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
        guarded(|| Self::open_sound(directory, cache))
            .unwrap_or_else(|reason| Err(DataError::Store { path: directory.to_path_buf(), reason }))
    }

    fn open_sound(directory: &Path, cache: usize) -> Result<Self, DataError> {
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
        let (places, times): (Vec<usize>, Vec<Timestamp>) = inventory
            .times
            .iter()
            .enumerate()
            .filter(usable)
            .map(|(place, record)| (place, record.time))
            .unzip();
        let plane = |name: &str| -> Result<Array2<f32>, DataError> {
            let array = coordinate(name)?;
            // What a shape claims is compared before memory is asked for.
            if array.shape() != [plan.grid.height as u64, plan.grid.width as u64] {
                return Err(broken(format!("its `{name}` has the wrong shape: {:?}", array.shape())));
            }
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
            check_shape(&array, &field, &plan, all.len()).map_err(broken)?;
            let tile = layout::tile(plan.grid.height, plan.grid.width);
            let depth = depth(&plan, &field)?;
            let opened = Opened {
                number,
                depth,
                shard,
                tile,
                codec: TileCodec::new(depth, (plan.grid.height, plan.grid.width), tile),
                index: Index(ArrayShardedReadableExtCache::new(&array)),
                array,
                storage: Arc::clone(&storage),
                field,
            };
            fields.insert(opened.field.name.clone(), opened);
        }
        let (height, width) = latitude.dim();
        let all: usize = fields.values().map(|field| field.depth * height * width * 4).sum();
        let kept = layout::tile(height, width) == (height, width) || all.saturating_mul(times.len()) <= cache;
        Ok(Self {
            path: directory.to_path_buf(),
            plan,
            inventory,
            places,
            times,
            latitude,
            longitude,
            fields,
            cache: kept.then(|| Mutex::new(Cache::new(cache))),
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

    /// The later of the two times from which one of [`Store::times`] was made; nothing of one that the archive has.
    #[must_use]
    pub fn made_from(&self, time: usize) -> Option<Timestamp> {
        match self.inventory.times.get(*self.places.get(time)?)?.status {
            Status::Filled { after, .. } => Some(after),
            _ => None,
        }
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

    /// Levels of a field, 1 without any.
    ///
    /// # Errors
    /// A name it does not have.
    pub fn depth(&self, name: &str) -> Result<usize, DataError> {
        self.opened(name).map(|opened| opened.depth)
    }

    /// One field at one of [`Store::times`]: (C, H, W), C = 1 without levels. A static field is the same at all.
    ///
    /// # Errors
    /// A name or a time it does not have; a chunk that is missing or damaged, named with its file.
    pub fn read(&self, name: &str, time: usize) -> Result<Array3<f32>, DataError> {
        self.window(name, time, Window::whole(self.latitude.dim()))
    }

    /// The part of a field that lies in a window.
    ///
    /// # Errors
    /// As [`Store::read`]; a window that reaches out of the grid.
    pub fn window(&self, name: &str, time: usize, window: Window) -> Result<Array3<f32>, DataError> {
        if !window.fits(self.latitude.dim()) {
            return Err(self.outside(window));
        }
        let mut array = Array3::zeros((self.depth(name)?, window.height, window.width));
        self.fill(name, time, window, array.view_mut())?;
        Ok(array)
    }

    /// As [`Store::window`], into `out`: (C, rows, columns) of the window.
    ///
    /// # Errors
    /// As [`Store::window`]; an array of another shape.
    pub fn fill(
        &self,
        name: &str,
        time: usize,
        window: Window,
        out: ArrayViewMut3<'_, f32>,
    ) -> Result<(), DataError> {
        let opened = self.opened(name)?;
        let broken = |reason| DataError::Store { path: self.path.clone(), reason };
        if !window.fits(self.latitude.dim()) {
            return Err(self.outside(window));
        }
        if out.dim() != (opened.depth, window.height, window.width) {
            return Err(broken(format!("`{name}` does not fit an array of {:?}", out.dim())));
        }
        let place = self.places.get(time);
        let place =
            place.ok_or_else(|| broken(format!("it has {} times, so no number {time}", self.times.len())))?;
        let time = if opened.field.support == SupportPlan::Static { 0 } else { *place };
        let pieces = pieces(opened.tile, window, out);
        pieces.into_par_iter().try_for_each(|(tile, corner, out)| self.piece(opened, time, tile, corner, out))
    }

    fn opened(&self, name: &str) -> Result<&Opened, DataError> {
        let lacks = || DataError::NotStored { path: self.path.clone(), field: name.into() };
        self.fields.get(name).ok_or_else(lacks)
    }

    fn outside(&self, window: Window) -> DataError {
        let reason = format!("its grid does not hold {window:?}");
        DataError::Store { path: self.path.clone(), reason }
    }

    /// The part of a tile that begins at `corner`.
    fn piece(
        &self,
        opened: &Opened,
        time: usize,
        tile: (usize, usize),
        corner: (usize, usize),
        mut out: ArrayViewMut3<'_, f32>,
    ) -> Result<(), DataError> {
        let read = |corner, out: ArrayViewMut3<'_, f32>| {
            let contradicts = |reason| DataError::Chunk {
                field: opened.field.name.clone(),
                path: self.path.clone(),
                reason,
            };
            guarded(|| opened.read(time, tile, corner, out)).map_err(contradicts)?
        };
        let Some(cache) = &self.cache else { return read(corner, out) };
        let lock = || cache.lock().unwrap_or_else(PoisonError::into_inner);
        let key = (opened.number, time, tile.0, tile.1);
        let kept = lock().get(&key);
        let whole = match kept {
            Some(whole) => whole,
            None => {
                let mut whole = Array3::zeros((opened.depth, opened.tile.0, opened.tile.1));
                read((0, 0), whole.view_mut())?;
                let whole = Arc::new(whole);
                lock().insert(key, &whole);
                whole
            }
        };
        let (_, rows, columns) = out.dim();
        out.assign(&whole.slice(s![.., corner.0..corner.0 + rows, corner.1..corner.1 + columns]));
        Ok(())
    }
}

/// A tile's row and column, the first of its points that is wanted, and where its points go.
type Piece<'a> = ((usize, usize), (usize, usize), ArrayViewMut3<'a, f32>);

/// What each tile that a window touches has to fill.
fn pieces(tile: (usize, usize), window: Window, out: ArrayViewMut3<'_, f32>) -> Vec<Piece<'_>> {
    let mut pieces = Vec::new();
    for (row, top, band) in cut(out, Axis(1), window.row, tile.0) {
        for (column, left, out) in cut(band, Axis(2), window.column, tile.1) {
            pieces.push(((row, column), (top, left), out));
        }
    }
    pieces
}

/// Cuts an array, which begins at `first` along an axis, where tiles of `size` end: the number of each tile, the first place
/// in it, and its part.
fn cut(
    mut rest: ArrayViewMut3<'_, f32>,
    axis: Axis,
    first: usize,
    size: usize,
) -> Vec<(usize, usize, ArrayViewMut3<'_, f32>)> {
    let (mut parts, mut place) = (Vec::new(), first);
    while rest.len_of(axis) > 0 {
        let count = (size - place % size).min(rest.len_of(axis));
        let (part, after) = rest.split_at(axis, count);
        parts.push((place / size, place % size, part));
        (rest, place) = (after, place + count);
    }
    parts
}

/// Where the tiles lie in the files that have been read.
struct Index(ArrayShardedReadableExtCache);

impl std::fmt::Debug for Index {
    fn fmt(&self, out: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        out.write_str("Index")
    }
}

/// The library takes it for granted that descriptions agree with each other; where they do not it may panic, which is a
/// statement about the store.
fn guarded<T>(work: impl FnOnce() -> T) -> Result<T, String> {
    catch_unwind(AssertUnwindSafe(work)).map_err(|_| "its descriptions contradict each other".to_string())
}

/// Whether an array is as large as the plan makes it.
fn check_shape(
    array: &Array<FilesystemStore>,
    field: &StoredField,
    plan: &DataPlan,
    times: usize,
) -> Result<(), String> {
    let mut expected = Vec::new();
    if field.support != SupportPlan::Static {
        expected.push(times as u64);
    }
    if matches!(field.support, SupportPlan::Levels(_)) {
        expected.push(depth(plan, field).map_err(|error| error.to_string())? as u64);
    }
    expected.extend([plan.grid.height as u64, plan.grid.width as u64]);
    match array.shape() == expected {
        true => Ok(()),
        false => Err(format!("`{}` has the shape {:?} instead of {expected:?}", field.name, array.shape())),
    }
}

impl Opened {
    /// A part of a tile at one time into (C, rows, columns); missing beyond the grid's edges.
    fn read(
        &self,
        time: usize,
        tile: (usize, usize),
        corner: (usize, usize),
        out: ArrayViewMut3<'_, f32>,
    ) -> Result<(), DataError> {
        let mut shard = vec![0; self.array.dimensionality()];
        let mut place = shard.clone();
        if self.field.support != SupportPlan::Static {
            shard[0] = (time / self.shard) as u64;
            place[0] = time as u64;
        }
        let plane = place.len() - 2;
        (place[plane], place[plane + 1]) = (tile.0 as u64, tile.1 as u64);
        // A chunk that is not there would read as fill values.
        if !self.file(&shard).is_file() {
            return Err(self.broken(&shard, "the file is missing".into()));
        }
        let encoded = self.array.retrieve_encoded_subchunk(&self.index.0, &place);
        let encoded = encoded.map_err(|error| self.broken(&shard, error.to_string()))?;
        let encoded = encoded.ok_or_else(|| self.broken(&shard, "a tile is missing".into()))?;
        self.codec.decode(&encoded, corner, out).map_err(|reason| self.broken(&shard, reason))
    }

    fn file(&self, chunk: &[u64]) -> PathBuf {
        self.storage.key_to_fspath(&self.array.chunk_key(chunk))
    }

    fn broken(&self, chunk: &[u64], reason: String) -> DataError {
        DataError::Chunk { field: self.field.name.clone(), path: self.file(chunk), reason }
    }
}
