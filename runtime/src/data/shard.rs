//! The file of a field over a stretch of times: a shard of Zarr v3 (`sharding_indexed`, version 1.0 of its specification).
//!
//! Inner chunks follow one another in the order of time, then of rows and columns of tiles; each is a frame of blosc
//! (`blosc.rs`) and its crc32c. Then comes the index, offset and length of each (two numbers of 64 bits, little endian; all
//! bits set where there is none), then the crc32c of the index. Written here so that tiles are compressed on all cores and
//! equal fields still are equal files.

use ndarray::{Array3, ArrayViewMut3};
use rayon::prelude::*;

use super::blosc::Frame;

/// Compresses and decompresses tiles, checksum and all.
#[derive(Clone, Copy, Debug)]
pub struct TileCodec {
    /// Rows and columns of the grid and of a tile.
    grid: (usize, usize),
    tile: (usize, usize),
    depth: usize,
    frame: Frame,
}

impl TileCodec {
    /// For the tiles of a field of so many levels on a grid of (rows, columns).
    #[must_use]
    pub fn new(depth: usize, grid: (usize, usize), tile: (usize, usize)) -> Self {
        Self { grid, tile, depth, frame: Frame::new(depth * tile.0, tile.1) }
    }

    /// Bytes in a block of a tile's frame.
    #[must_use]
    pub fn block(&self) -> usize {
        self.frame.block()
    }

    /// Reads a part of a tile, whose first row and column is `corner`, into `out`: (C, rows, columns).
    ///
    /// # Errors
    /// What is wrong with the bytes.
    pub fn decode(
        &self,
        bytes: &[u8],
        corner: (usize, usize),
        mut out: ArrayViewMut3<'_, f32>,
    ) -> Result<(), String> {
        let (depth, rows, columns) = out.dim();
        if depth != self.depth || corner.0 + rows > self.tile.0 || corner.1 + columns > self.tile.1 {
            return Err(format!("it has no part of {:?} at {corner:?}", out.dim()));
        }
        let (frame, sum) = bytes.split_last_chunk::<4>().ok_or("it is too short")?;
        if crc32c::crc32c(frame) != u32::from_le_bytes(*sum) {
            return Err("its checksum is another one".into());
        }
        for (level, plane) in out.outer_iter_mut().enumerate() {
            self.frame.decode(frame, level * self.tile.0 + corner.0, corner.1, plane)?;
        }
        Ok(())
    }

    fn encoded(&self, hour: &Array3<f32>, row: usize, column: usize) -> Result<Vec<u8>, String> {
        let (height, width) = self.tile;
        let (rows, columns) = self.grid;
        let values = hour.as_slice().unwrap_or_default();
        let left = (column * width).min(columns);
        let right = (left + width).min(columns);
        let mut bytes = self.frame.encoded(|line| {
            let (level, row) = (line / height, row * height + line % height);
            let line = (level * rows + row) * columns;
            // Beyond the southern edge there is nothing.
            if row < rows { &values[line + left..line + right] } else { &[] }
        })?;
        let sum = crc32c::crc32c(&bytes);
        bytes.extend_from_slice(&sum.to_le_bytes());
        Ok(bytes)
    }

    /// The parts of the bytes of a shard of so many times, to be written one after another; nothing where a time is
    /// missing. A tile at the grid's edge is filled up with missing values.
    ///
    /// # Errors
    /// What cannot be encoded.
    pub fn shard(&self, times: usize, hours: &[Option<&Array3<f32>>]) -> Result<Vec<Vec<u8>>, String> {
        let shape = (self.depth, self.grid.0, self.grid.1);
        if let Some(other) =
            hours.iter().flatten().find(|hour| hour.dim() != shape || !hour.is_standard_layout())
        {
            return Err(format!(
                "an array of {:?} is not one of {shape:?} in the order of rows",
                other.dim()
            ));
        }
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
                hour.map(|hour| self.encoded(hour, *row, *column)).transpose()
            })
            .collect::<Result<_, String>>()?;
        let mut index = Vec::with_capacity(16 * tiles.len() + 4);
        let mut end = 0_u64;
        for tile in &tiles {
            let place = match tile {
                Some(tile) => [end, tile.len() as u64],
                None => [u64::MAX; 2],
            };
            index.extend(place.iter().flat_map(|number| number.to_le_bytes()));
            end += tile.as_ref().map_or(0, Vec::len) as u64;
        }
        let sum = crc32c::crc32c(&index);
        index.extend_from_slice(&sum.to_le_bytes());
        Ok(tiles.into_iter().flatten().chain([index]).collect())
    }
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use aurora_compiler::plan::data::SupportPlan;
    use ndarray::Axis;
    use zarrs::array::codec::Crc32cCodec;
    use zarrs::array::{
        ArrayBuilder, ArrayShardedReadableExt, ArrayShardedReadableExtCache, ArraySubset, data_type,
    };
    use zarrs::storage::WritableStorageTraits;
    use zarrs::storage::store::MemoryStore;

    use super::*;
    use crate::data::layout::{StoredField, compression};

    fn field() -> StoredField {
        StoredField {
            name: "t".into(),
            quantity: "temperature".into(),
            units: "K".into(),
            support: SupportPlan::Levels("pl".into()),
            cell: None,
            range: (None, None),
        }
    }

    /// What is written here is a shard to zarrs and to blosc's own library: every tile, every value, what is missing.
    #[test]
    fn zarrs_reads_the_shard() {
        let codec = TileCodec::new(2, (7, 8), (4, 3));
        let hour = |seed: usize| {
            Array3::from_shape_fn((2, 7, 8), |(c, y, x)| (seed * 1000 + c * 100 + y * 10 + x) as f32)
        };
        let (first, third) = (hour(1), hour(3));
        let bytes = codec.shard(3, &[Some(&first), None, Some(&third)]).unwrap().concat();
        assert_eq!(bytes, codec.shard(3, &[Some(&first), None, Some(&third)]).unwrap().concat());
        let store = Arc::new(MemoryStore::new());
        let mut builder =
            ArrayBuilder::new(vec![3, 2, 7, 8], vec![3, 2, 8, 9], data_type::float32(), f32::NAN);
        let blosc = compression(&field(), codec.block()).unwrap();
        builder
            .subchunk_shape(vec![1, 2, 4, 3])
            .bytes_to_bytes_codecs(vec![blosc, Arc::new(Crc32cCodec::new())]);
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
        let mut decoded = Array3::zeros((2, 4, 3));
        codec.decode(&tile, (0, 0), decoded.view_mut()).unwrap();
        assert_eq!(decoded[(1, 2, 1)], third[(1, 6, 7)]);
        assert!(decoded[(1, 3, 1)].is_nan() && decoded[(1, 2, 2)].is_nan());
        let mut damaged = tile;
        damaged[20] ^= 1;
        assert!(codec.decode(&damaged, (0, 0), decoded.view_mut()).is_err());
    }

    /// Fields of several blocks, some of which zstd makes smaller: parts of tiles are those of the field, and zarrs reads all.
    #[test]
    fn parts_of_tiles_are_those_of_the_field() {
        let (grid, tile) = ((300, 290), (200, 145));
        let codec = TileCodec::new(3, grid, tile);
        assert!(codec.block() < 4 * 3 * tile.0 * tile.1 / 2);
        let noise = |at: usize| ((at as u64 + 1).wrapping_mul(0x9e37_79b9_7f4a_7c15) >> 33) as u32;
        let hour = Array3::from_shape_fn((3, grid.0, grid.1), |(c, y, x)| match c {
            0 => 280.0 + (y / 7) as f32,
            1 => f32::from_bits(noise(y * grid.1 + x) & 0x3fff_ffff),
            _ => f32::NAN,
        });
        let parts = codec.shard(1, &[Some(&hour)]).unwrap();
        let same = |one: &f32, other: &f32| one.to_bits() == other.to_bits();
        for (number, bytes) in parts[..4].iter().enumerate() {
            let (top, left) = (number / 2 * tile.0, number % 2 * tile.1);
            for (corner, size) in [((0, 0), (100, 145)), ((3, 7), (97, 100)), ((64, 144), (1, 1))] {
                let mut out = Array3::zeros((3, size.0, size.1));
                codec.decode(bytes, corner, out.view_mut()).unwrap();
                for ((c, y, x), value) in out.indexed_iter() {
                    assert!(
                        same(value, &hour[(c, top + corner.0 + y, left + corner.1 + x)]),
                        "{number} {c} {y} {x}"
                    );
                }
                // Into a part of something larger, whose rows do not touch.
                let mut wide = Array3::zeros((3, size.0, size.1 + 2));
                codec.decode(bytes, corner, wide.slice_axis_mut(Axis(2), (1..=size.1).into())).unwrap();
                assert!(
                    wide.index_axis(Axis(2), 1)
                        .iter()
                        .zip(out.index_axis(Axis(2), 0))
                        .all(|(a, b)| same(a, b))
                );
            }
            assert!(codec.decode(bytes, (101, 0), Array3::zeros((3, 100, 145)).view_mut()).is_err());
        }
        let store = Arc::new(MemoryStore::new());
        let shape = vec![1, 3, 300, 290];
        let mut builder =
            ArrayBuilder::new(shape.clone(), vec![1, 3, 400, 290], data_type::float32(), f32::NAN);
        let blosc = compression(&field(), codec.block()).unwrap();
        let subchunk = vec![1, 3, 200, 145];
        builder.subchunk_shape(subchunk).bytes_to_bytes_codecs(vec![blosc, Arc::new(Crc32cCodec::new())]);
        let array = builder.build(Arc::clone(&store), "/t").unwrap();
        store.set(&array.chunk_key(&[0, 0, 0, 0]), parts.concat().into()).unwrap();
        let values: Vec<f32> = array.retrieve_array_subset(&ArraySubset::new_with_shape(shape)).unwrap();
        assert!(values.iter().zip(&hour).all(|(found, value)| same(found, value)));
    }

    /// Whatever byte of a frame is another one, reading it is an error or gives values; without the checksum, which would
    /// find each of them.
    #[test]
    fn no_damage_makes_it_panic() {
        let frame = Frame::new(40, 50);
        let line: Vec<f32> = (0..50).map(|place| (place / 9) as f32).collect();
        let whole = frame.encoded(|_| &line).unwrap();
        let mut out = ndarray::Array2::zeros((40, 50));
        for place in 0..whole.len() {
            for bit in [0x01, 0x80, 0xff] {
                let mut damaged = whole.clone();
                damaged[place] ^= bit;
                let _ = frame.decode(&damaged, 0, 0, out.view_mut());
            }
            assert!(frame.decode(&whole[..place], 0, 0, out.view_mut()).is_err());
        }
        frame.decode(&whole, 0, 0, out.view_mut()).unwrap();
        assert!(out.outer_iter().all(|row| row.as_slice() == Some(&line[..])));
    }
}
