//! Zarr stores of both versions, written with zarrs, in a folder and on the server.

use std::fs;
use std::path::Path;
use std::sync::Arc;

use serde_json::{Map, Value, json};
use zarrs::array::{Array, ArrayMetadata, ArraySubset, Element};
use zarrs::filesystem::FilesystemStore;

use crate::server::Server;

pub const TIMES: usize = 6;
pub const ROWS: usize = 21;
pub const COLUMNS: usize = 40;
const LEVELS: [f64; 3] = [850.0, 500.0, 250.0];

/// A store of analyses on a grid of half degrees: a field on the map of which one chunk is missing, one on levels that is
/// packed and chunked over time too (in version 3 sharded), and one that does not change.
pub struct Store<'a> {
    pub folder: &'a Path,
    pub version: u8,
}

impl Store<'_> {
    pub fn write(&self) {
        let group = match self.version {
            2 => (".zgroup", json!({"zarr_format": 2})),
            _ => ("zarr.json", json!({"zarr_format": 3, "node_type": "group", "attributes": {}})),
        };
        fs::write(self.folder.join(group.0), group.1.to_string()).expect("written");
        let line = |count: usize, start: f64, step: f64| -> Vec<f64> {
            (0..count).map(|index| start + step * index as f64).collect()
        };
        self.whole("latitude", &["latitude"], line(ROWS, 30.0, 0.5), json!({"units": "degrees_north"}));
        self.whole("longitude", &["longitude"], line(COLUMNS, -100.0, 0.5), json!({"units": "degrees_east"}));
        self.whole("time", &["time"], line(TIMES, 0.0, 1.0), json!({"units": "hours since 2021-05-01"}));
        self.whole("level", &["level"], LEVELS.to_vec(), json!({"units": "hPa"}));
        let map = ["time", "latitude", "longitude"];
        let shape = [TIMES, ROWS, COLUMNS];
        let about = json!({"units": "K", "standard_name": "air_temperature"});
        let array = self.array("t2m", &map, &shape, (&[1, 8, 16], None), "float32", about);
        let value = |index: usize| 280.0 + ((index * 7919) % 4001) as f32 * 0.01;
        store(&array, (0..shape.iter().product()).map(value).collect::<Vec<f32>>());
        // As if it had never been written.
        fs::remove_file(self.folder.join("t2m").join(self.key(&[3, 1, 2]))).expect("removed");
        let shape = [TIMES, LEVELS.len(), ROWS, COLUMNS];
        let about = json!({"units": "K", "standard_name": "air_temperature", "scale_factor": 0.01, "add_offset": 250.0,
            "_FillValue": -32767});
        let names = ["time", "level", "latitude", "longitude"];
        let array = self.array("t", &names, &shape, (&[4, 2, 16, 16], Some(&[2, 1, 8, 8])), "int16", about);
        let value = |index: usize| {
            if index.is_multiple_of(97) { -32767 } else { ((index * 31) % 9001) as i16 - 4500 }
        };
        store(&array, (0..shape.iter().product()).map(value).collect::<Vec<i16>>());
        let about = json!({"units": "1", "standard_name": "land_binary_mask"});
        let array = self.array("lsm", &map[1..], &[ROWS, COLUMNS], (&[8, 16], None), "float32", about);
        store(&array, (0..ROWS * COLUMNS).map(|index| (index % 2) as f32).collect::<Vec<f32>>());
    }

    /// The file of a chunk below its array.
    pub fn key(&self, chunk: &[usize]) -> String {
        let places: Vec<String> = chunk.iter().map(usize::to_string).collect();
        if self.version == 2 { places.join(".") } else { format!("c/{}", places.join("/")) }
    }

    fn whole(&self, name: &str, dimensions: &[&str], values: Vec<f64>, attributes: Value) {
        let shape = [values.len()];
        store(&self.array(name, dimensions, &shape, (&shape, None), "float64", attributes), values);
    }

    /// Compressed, so that damage shows.
    fn array(
        &self,
        name: &str,
        dimensions: &[&str],
        shape: &[usize],
        (chunk, within): (&[usize], Option<&[usize]>),
        kind: &str,
        mut attributes: Value,
    ) -> Array<FilesystemStore> {
        let whole = kind.starts_with("int");
        let fill = if whole { json!(-32767) } else { json!("NaN") };
        let metadata = if self.version == 2 {
            let short = format!(
                "<{}{}",
                &kind[..1],
                if whole {
                    "2"
                } else if kind == "float32" {
                    "4"
                } else {
                    "8"
                }
            );
            // Those that zarr-python has written by default over the years, and gzip.
            let compressor = match name {
                "t2m" => json!({"id": "zlib", "level": 1}),
                "lsm" => json!({"id": "zstd", "level": 1}),
                "level" => json!({"id": "gzip", "level": 1}),
                _ => json!({"id": "blosc", "cname": "lz4", "clevel": 5, "shuffle": 1, "blocksize": 0}),
            };
            json!({"zarr_format": 2, "shape": shape, "chunks": chunk, "dtype": short, "fill_value": fill, "order": "C",
                "compressor": compressor, "filters": null})
        } else {
            let bytes = json!({"name": "bytes", "configuration": {"endian": "little"}});
            let (plain, sum) = (json!([bytes, {"name": "crc32c"}]), json!({"name": "crc32c"}));
            let codecs = match within {
                None => {
                    json!([bytes, {"name": "zstd", "configuration": {"level": 1, "checksum": false}}, sum])
                }
                Some(within) => json!([{"name": "sharding_indexed", "configuration": {"chunk_shape": within,
                    "codecs": [bytes, {"name": "gzip", "configuration": {"level": 1}}, sum],
                    "index_codecs": plain, "index_location": "end"}}]),
            };
            json!({"zarr_format": 3, "node_type": "array", "shape": shape, "data_type": kind, "fill_value": fill,
                "chunk_grid": {"name": "regular", "configuration": {"chunk_shape": chunk}},
                "chunk_key_encoding": {"name": "default", "configuration": {"separator": "/"}},
                "codecs": codecs, "dimension_names": dimensions, "attributes": attributes})
        };
        let about: ArrayMetadata = serde_json::from_value(metadata.clone()).expect("metadata");
        let storage = Arc::new(FilesystemStore::new(self.folder).expect("a folder"));
        let array = Array::new_with_metadata(storage, &format!("/{name}"), about).expect("an array");
        let folder = self.folder.join(name);
        fs::create_dir_all(&folder).expect("made");
        if self.version == 2 {
            attributes["_ARRAY_DIMENSIONS"] = json!(dimensions);
            fs::write(folder.join(".zarray"), metadata.to_string()).expect("written");
            fs::write(folder.join(".zattrs"), attributes.to_string()).expect("written");
        } else {
            fs::write(folder.join("zarr.json"), metadata.to_string()).expect("written");
        }
        array
    }

    /// Writes into one file what all arrays are.
    pub fn consolidate(&self) {
        let mut all = Map::new();
        let read = |path: &str| -> Value {
            serde_json::from_slice(&fs::read(self.folder.join(path)).expect("written")).expect("JSON")
        };
        for name in ["latitude", "longitude", "time", "level", "t2m", "t", "lsm"] {
            if self.version == 3 {
                all.insert(name.into(), read(&format!("{name}/zarr.json")));
                continue;
            }
            for part in [".zarray", ".zattrs"] {
                let path = format!("{name}/{part}");
                all.insert(path.clone(), read(&path));
            }
        }
        let (file, whole) = match self.version {
            2 => (".zmetadata", json!({"zarr_consolidated_format": 1, "metadata": all})),
            _ => {
                let mut root = read("zarr.json");
                root["consolidated_metadata"] =
                    json!({"kind": "inline", "must_understand": false, "metadata": all});
                ("zarr.json", root)
            }
        };
        fs::write(self.folder.join(file), whole.to_string()).expect("written");
    }

    /// Puts every file of it on the server.
    pub fn serve(&self, server: &Server, place: &str) {
        put(server, self.folder, place);
    }
}

fn store<T: Element>(array: &Array<FilesystemStore>, values: Vec<T>) {
    let all = ArraySubset::new_with_shape(array.shape().to_vec());
    array.store_array_subset(&all, &values).expect("stored");
}

fn put(server: &Server, folder: &Path, place: &str) {
    for entry in fs::read_dir(folder).expect("listed") {
        let path = entry.expect("an entry").path();
        let name = format!("{place}/{}", path.file_name().expect("a name").to_string_lossy());
        match path.is_dir() {
            true => put(server, &path, &name),
            false => server.put(&name, fs::read(&path).expect("read")),
        }
    }
}
