//! The file of a field over a stretch of times: a shard of Zarr v3 (`sharding_indexed`, version 1.0 of its specification).
//!
//! Inner chunks follow one another in the order of time, then of rows and columns of tiles; then the index, offset and length of each
//! (two numbers of 64 bits, little endian; all bits set where there is none), then the crc32c of the index. Written here so
//! that tiles are compressed on all cores and equal fields still are equal files.

use std::sync::Arc;

use ndarray::{Array3, s};
use rayon::prelude::*;
use zarrs::array::codec::Crc32cCodec;
use zarrs::array::{
    Array, ArrayBuilder, ArrayToBytesCodecTraits, CodecOptions, Element, ElementOwned, data_type,
};
use zarrs::storage::store::MemoryStore;

use super::archive::DataError;
use super::layout::{StoredField, compression};

/// Compresses and decompresses tiles, checksum and all.
#[derive(Debug)]
pub struct TileCodec {
    /// Rows and columns of the grid and of a tile.
    grid: (usize, usize),
    tile: (usize, usize),
    depth: usize,
    array: Array<MemoryStore>,
}

impl TileCodec {
    /// For the tiles of a field of so many levels on a grid of (rows, columns).
    ///
    /// # Errors
    /// A codec that cannot be made.
    pub fn new(
        field: &StoredField,
        depth: usize,
        grid: (usize, usize),
        tile: (usize, usize),
    ) -> Result<Self, DataError> {
        let shape = vec![depth as u64, tile.0 as u64, tile.1 as u64];
        let array = ArrayBuilder::new(shape.clone(), shape, data_type::float32(), f32::NAN)
            .bytes_to_bytes_codecs(vec![compression(field)?, Arc::new(Crc32cCodec::new())])
            .build(Arc::new(MemoryStore::new()), "/tile")
            .map_err(|error| DataError::Archive(format!("`{}`: {error}", field.name)))?;
        Ok(Self { grid, tile, depth, array })
    }

    /// The values of a tile, (C, rows, columns).
    ///
    /// # Errors
    /// What is wrong with the bytes.
    pub fn decoded(&self, bytes: Vec<u8>) -> Result<Array3<f32>, String> {
        let shape = self.array.chunk_shape(&[0, 0, 0]).map_err(|error| error.to_string())?;
        let (kind, fill, options) = (self.array.data_type(), self.array.fill_value(), Self::options());
        let decoded = self.array.codecs().decode(bytes.into(), &shape, kind, fill, &options);
        let values = f32::from_array_bytes(kind, decoded.map_err(|error| error.to_string())?);
        let values = values.map_err(|error| error.to_string())?;
        Array3::from_shape_vec((self.depth, self.tile.0, self.tile.1), values)
            .map_err(|error| error.to_string())
    }

    fn encoded(&self, values: &[f32]) -> Result<Vec<u8>, String> {
        let shape = self.array.chunk_shape(&[0, 0, 0]).map_err(|error| error.to_string())?;
        let (kind, fill, options) = (self.array.data_type(), self.array.fill_value(), Self::options());
        let bytes = f32::to_array_bytes(kind, values).map_err(|error| error.to_string())?;
        let encoded = self.array.codecs().encode(bytes, &shape, kind, fill, &options);
        encoded.map(std::borrow::Cow::into_owned).map_err(|error| error.to_string())
    }

    fn options() -> CodecOptions {
        CodecOptions::default().with_concurrent_target(1)
    }

    /// The bytes of a shard of so many times; nothing where a time is missing. A tile at the grid's edge is filled up with missing values.
    ///
    /// # Errors
    /// What cannot be encoded.
    pub fn shard(&self, times: usize, hours: &[Option<&Array3<f32>>]) -> Result<Vec<u8>, String> {
        let (rows, columns) = (self.grid.0.div_ceil(self.tile.0), self.grid.1.div_ceil(self.tile.1));
        let places: Vec<(usize, usize, usize)> = (0..times)
            .flat_map(|time| {
                (0..rows).flat_map(move |row| (0..columns).map(move |column| (time, row, column)))
            })
            .collect();
        let tiles: Vec<Option<Vec<u8>>> = places
            .par_iter()
            .map(|(time, row, column)| {
                let hour = hours.get(*time).copied().flatten();
                hour.map(|hour| self.encoded(&self.cut(hour, *row, *column))).transpose()
            })
            .collect::<Result<_, String>>()?;
        let total: usize = tiles.iter().flatten().map(Vec::len).sum();
        let mut bytes = Vec::with_capacity(total + 16 * tiles.len() + 4);
        let mut index = Vec::with_capacity(16 * tiles.len());
        for tile in &tiles {
            let place = match tile {
                Some(tile) => [bytes.len() as u64, tile.len() as u64],
                None => [u64::MAX; 2],
            };
            index.extend(place.iter().flat_map(|number| number.to_le_bytes()));
            bytes.extend_from_slice(tile.as_deref().unwrap_or_default());
        }
        bytes.extend_from_slice(&index);
        bytes.extend_from_slice(&crc32c::crc32c(&index).to_le_bytes());
        Ok(bytes)
    }

    /// The values of a tile in the order of the file.
    fn cut(&self, hour: &Array3<f32>, row: usize, column: usize) -> Vec<f32> {
        let (height, width) = self.tile;
        let (_, all_rows, all_columns) = hour.dim();
        let rows = row * height..((row + 1) * height).min(all_rows);
        let columns = column * width..((column + 1) * width).min(all_columns);
        let part = hour.slice(s![.., rows, columns]);
        if part.dim() == (self.depth, height, width) {
            let mut tile = Vec::with_capacity(part.len());
            for line in part.rows() {
                match line.as_slice() {
                    Some(line) => tile.extend_from_slice(line),
                    None => tile.extend(line.iter().copied()),
                }
            }
            return tile;
        }
        let mut tile = Array3::from_elem((self.depth, height, width), f32::NAN);
        let (_, found, across) = part.dim();
        tile.slice_mut(s![..part.dim().0.min(self.depth), ..found, ..across]).assign(&part);
        tile.into_raw_vec_and_offset().0
    }
}

#[cfg(test)]
mod tests {
    use aurora_compiler::plan::data::SupportPlan;
    use zarrs::array::{ArrayShardedReadableExt, ArrayShardedReadableExtCache, ArraySubset};
    use zarrs::storage::WritableStorageTraits;

    use super::*;

    /// What is written here is a shard to zarrs: every tile, every value, what is missing.
    #[test]
    fn zarrs_reads_the_shard() {
        let field = StoredField {
            name: "t".into(),
            quantity: "temperature".into(),
            units: "K".into(),
            support: SupportPlan::Levels("pl".into()),
            cell: None,
            range: (None, None),
        };
        let codec = TileCodec::new(&field, 2, (7, 8), (4, 3)).unwrap();
        let hour = |seed: usize| {
            Array3::from_shape_fn((2, 7, 8), |(c, y, x)| (seed * 1000 + c * 100 + y * 10 + x) as f32)
        };
        let (first, third) = (hour(1), hour(3));
        let bytes = codec.shard(3, &[Some(&first), None, Some(&third)]).unwrap();
        assert_eq!(bytes, codec.shard(3, &[Some(&first), None, Some(&third)]).unwrap());
        let store = Arc::new(MemoryStore::new());
        let mut builder =
            ArrayBuilder::new(vec![3, 2, 7, 8], vec![3, 2, 8, 9], data_type::float32(), f32::NAN);
        builder
            .subchunk_shape(vec![1, 2, 4, 3])
            .bytes_to_bytes_codecs(vec![compression(&field).unwrap(), Arc::new(Crc32cCodec::new())]);
        let array = builder.build(Arc::clone(&store), "/t").unwrap();
        store.set(&array.chunk_key(&[0, 0, 0, 0]), bytes.into()).unwrap();
        let values: Vec<f32> =
            array.retrieve_array_subset(&ArraySubset::new_with_shape(vec![3, 2, 7, 8])).unwrap();
        let expected = [Some(&first), None, Some(&third)];
        for (found, hour) in values.chunks(2 * 7 * 8).zip(expected) {
            match hour {
                Some(hour) => assert_eq!(found, hour.as_slice().unwrap()),
                None => assert!(found.iter().all(|value| value.is_nan())),
            }
        }
        let cache = ArrayShardedReadableExtCache::new(&array);
        let tile = array.retrieve_encoded_subchunk(&cache, &[2, 0, 1, 2]).unwrap().unwrap();
        let decoded = codec.decoded(tile.clone()).unwrap();
        assert_eq!(decoded[(1, 2, 1)], third[(1, 6, 7)]);
        assert!(decoded[(1, 3, 1)].is_nan() && decoded[(1, 2, 2)].is_nan());
        let mut damaged = tile;
        damaged[20] ^= 1;
        assert!(codec.decoded(damaged).is_err());
    }
}
