//! Archives on a server: what comes over a bad line is right or an error that says what and where, and the cache is
//! whole afterwards.

mod conversations;
mod get;
mod hrrr_zarr;
mod pages;
mod places;
mod server;
mod stores;
mod zarr;

use std::ops::ControlFlow;
use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use aurora_runtime::data::fetch::bring;
use aurora_runtime::data::files::{self, Files, Patience, Settings, Wanted};
use aurora_runtime::data::idx::Inventory;

use server::Server;

/// The path of the file that most tests fetch from.
pub const FILE: &str = "hrrr.20250801/conus/hrrr.t00z.wrfsfcf00.grib2";
/// Messages of it that are wanted: two neighbours, one alone, and the last, whose end no inventory tells.
const CHOSEN: [usize; 4] = [2, 3, 6, 11];

/// Settings that lose patience within a second.
pub fn settings() -> Settings {
    let patience = Patience {
        attempts: 3,
        pause: Duration::from_millis(4),
        request: Duration::from_millis(600),
        silence: Duration::from_millis(250),
    };
    Settings { connections: 4, patience, ..Settings::default() }
}

/// A file of twelve messages with an inventory: framed as GRIB2, filled with numbers.
pub fn archive() -> (Vec<u8>, String) {
    let (mut bytes, mut inventory) = (Vec::new(), String::new());
    let mut state = 1982u32;
    for number in 1..=12u64 {
        let length = [300, 21, 5000, 40_000, 17, 9000][number as usize % 6] + number;
        let names = ["REFC", "TMP", "UGRD", "VGRD"];
        inventory.push_str(&format!(
            "{number}:{}:d=2025080100:{}:{number} mb:anl:\n",
            bytes.len(),
            names[number as usize % 4]
        ));
        bytes.extend(b"GRIB\0\0\0\x02");
        bytes.extend((length + 20).to_be_bytes());
        for _ in 0..length {
            state = state.wrapping_mul(1_664_525).wrapping_add(1_013_904_223);
            bytes.push((state >> 24) as u8);
        }
        bytes.extend(b"7777");
    }
    (bytes, inventory)
}

/// A server with that file below `data/`.
pub fn served() -> (Server, Vec<u8>, String) {
    let server = Server::open();
    let (bytes, inventory) = archive();
    server.put(&format!("data/{FILE}"), bytes.clone());
    server.put(&format!("data/{FILE}.idx"), inventory.clone().into_bytes());
    (server, bytes, inventory)
}

pub fn open(server: &Server, cache: &Path) -> Arc<dyn Files> {
    let place = format!("{}/data", server.address);
    files::open(&place, Path::new(""), cache, &settings()).expect("an address")
}

pub fn wanted(path: &str, range: std::ops::Range<u64>) -> Wanted {
    Wanted { path: path.into(), start: range.start, end: range.end }
}

/// Reads the inventory, fetches the chosen messages and reads them: what a reader of an archive does.
pub fn fetch(files: &dyn Files) -> Result<Vec<(Wanted, Vec<u8>)>, String> {
    let told = |error: files::FileError| error.to_string();
    let absent = |path: &str| format!("{}/{path}: there is no such file", files.place());
    let name = format!("{FILE}.idx");
    let length = files.length(&name).map_err(told)?.ok_or_else(|| absent(&name))?;
    let text = files.read(&name, 0..length).map_err(told)?;
    let inventory = Inventory::read(&format!("{}/{name}", files.place()), &text).map_err(|error| {
        files.forget(&name);
        error.to_string()
    })?;
    let length = files.length(FILE).map_err(told)?.ok_or_else(|| absent(FILE))?;
    let mut records = Vec::new();
    for index in CHOSEN {
        let offset = inventory.entries()[index].offset;
        let range = inventory.range(offset, length);
        records.push(wanted(
            FILE,
            range.ok_or_else(|| format!("{}/{name}: no message at {offset}", files.place()))?,
        ));
    }
    let outcome = bring(files, &records, &mut |_| ControlFlow::Continue(()));
    if let Some((_, error)) = outcome.failed.first() {
        return Err(error.to_string());
    }
    assert_eq!(outcome.fetched.len(), records.len());
    records
        .into_iter()
        .map(|record| Ok((record.clone(), files.read(FILE, record.range()).map_err(told)?)))
        .collect()
}
