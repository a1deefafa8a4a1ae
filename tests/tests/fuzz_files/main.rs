//! Any bytes may come as data: readers end soon, without a panic, and what they say names the file.
//!
//! Under plain `cargo test` a few thousand of each kind; `AURORAC_FUZZ=500000 cargo test --release --test fuzz_files` tries
//! so many. `BOLERO_RANDOM_SEED` begins elsewhere, or repeats a failure. What was found is kept in `tests/fuzz/files/`,
//! each file beginning with its kind (`grib-`, `idx-`, `netcdf-`), and tried every time.

mod mutate;

use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use aurora_runtime::data::archive::hrrr::index::Index;
use aurora_runtime::data::grib::Grib;
use aurora_runtime::data::idx::Inventory;
use aurora_runtime::data::netcdf::NetCdf;
use aurora_runtime::data::store::Store;
use aurora_tests::{Place, small};

use mutate::{Mutation, mutated};

/// Fields of more points are described and not decoded: there is nothing new in their many values.
const POINTS: u64 = 1 << 16;

fn executions(few: usize) -> usize {
    std::env::var("AURORAC_FUZZ").map_or(few, |many| many.parse().expect("AURORAC_FUZZ is a number"))
}

/// Tries what becomes of the bases; a judge says whether it could read what it was given.
fn check(few: usize, bases: &[Vec<u8>], judge: impl Fn(usize, &[u8]) -> bool + std::panic::RefUnwindSafe) {
    let (read, refused) = (AtomicUsize::new(0), AtomicUsize::new(0));
    bolero::check!()
        .with_iterations(executions(few))
        .with_test_time(Duration::from_secs(1 << 20))
        .with_max_len(1024)
        .with_type::<(u16, Vec<Mutation>)>()
        .for_each(|(base, mutations)| {
            let base = *base as usize % bases.len();
            let count = if judge(base, &mutated(bases, base, mutations)) { &read } else { &refused };
            count.fetch_add(1, Ordering::Relaxed);
        });
    let (read, refused) = (read.into_inner(), refused.into_inner());
    eprintln!("{read} read, {refused} refused");
    // Changes that leave nothing to read, or nothing to refuse, try nothing.
    assert!(
        read + refused == executions(few) && read.min(refused) * 20 > executions(few),
        "{read}, {refused}"
    );
}

/// Files that once were read wrongly.
fn kept(kind: &str) -> Vec<Vec<u8>> {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("fuzz/files");
    let entries = std::fs::read_dir(folder).into_iter().flatten().flatten();
    let mut paths: Vec<PathBuf> = entries.map(|entry| entry.path()).collect();
    paths.retain(|path| path.file_name().is_some_and(|name| name.to_string_lossy().starts_with(kind)));
    paths.sort();
    paths.iter().map(|path| std::fs::read(path).expect("a file")).collect()
}

/// Walks, describes, decodes.
fn grib(bytes: &[u8]) -> bool {
    match Grib::of_bytes(Path::new("fuzz.grib2"), bytes.to_vec(), 1000) {
        Err(error) => {
            assert!(error.to_string().starts_with("fuzz.grib2: "), "{error}");
            false
        }
        Ok(grib) => {
            let mut read = true;
            assert!(grib.messages() <= grib.fields().len());
            for field in grib.fields() {
                let about = (
                    field.number(),
                    field.name(),
                    field.units(),
                    field.product.level_name(),
                    field.grid.name(),
                );
                assert!(!about.0.is_empty() && !about.1.is_empty());
                if field.grid.points > POINTS {
                    continue;
                }
                match grib.values::<f32>(field) {
                    Ok(values) => assert_eq!(values.len() as u64, field.grid.points),
                    Err(error) => {
                        assert!(error.to_string().starts_with("fuzz.grib2: message "), "{error}");
                        read = false;
                    }
                }
                drop(grib.image(field));
            }
            read
        }
    }
}

#[test]
fn any_bytes_as_grib() {
    let mut bases: Vec<Vec<u8>> = small::files(".grib2").into_iter().map(|small| small.bytes).collect();
    bases.push(bases.concat());
    let found = kept("grib-");
    for bytes in found.iter().chain(&bases) {
        grib(bytes);
    }
    check(4000, &bases, |_, bytes| grib(bytes));
}

fn idx(bytes: &[u8]) -> bool {
    // What the archive makes of the same text.
    if let Err(error) = Index::parse("fuzz.idx", bytes, 1 << 30) {
        assert!(error.line >= 1);
    }
    match Inventory::read("fuzz.idx", bytes) {
        Err(error) => {
            assert!(error.to_string().starts_with("fuzz.idx: line "), "{error}");
            let lines = bytes.split(|byte| *byte == b'\n').count();
            assert!((1..=lines).contains(&error.line), "{error} of {lines}");
            false
        }
        Ok(inventory) => {
            let entries = inventory.entries();
            let length = entries.last().map_or(0, |last| last.offset.saturating_add(10));
            for entry in entries {
                let range = inventory.range(entry.offset, length);
                assert!(range.is_none_or(|range| range.start == entry.offset && range.end <= length));
            }
            // Read again from its own lines, it is the same.
            let text: Vec<&str> = entries.iter().map(|entry| entry.line.as_str()).collect();
            assert_eq!(Inventory::read("again", text.join("\n").as_bytes()), Ok(inventory.clone()));
            true
        }
    }
}

#[test]
fn any_bytes_as_an_inventory() {
    let bases = [
        "1:0:d=2025080100:REFC:entire atmosphere:anl:\n2:417265:d=2025080100:RETOP:cloud top:anl:\n",
        "4.1:1287560:d=2025080100:UGRD:10 m above ground:8 hour fcst:\n4.2:1287560:d=2025080100:VGRD:10 m above ground:8 hour fcst:\n",
        "70:51234567:d=202508010015:MXUPHL:5000-2000 m above ground:7-8 hour max fcst:ENS=+1\r\n\n",
        "3:800681:d=2025080100:var discipline=0 center=7 local_table=1 parmcat=16 parm=201:entire atmosphere:anl:\n",
    ];
    let mut bases: Vec<Vec<u8>> = bases.iter().map(|text| text.as_bytes().to_vec()).collect();
    bases.push(bases.concat());
    for bytes in kept("idx-").iter().chain(&bases) {
        idx(bytes);
    }
    check(10_000, &bases, |_, bytes| idx(bytes));
}

/// Opens, and reads every variable in each way.
fn netcdf(path: &Path, bytes: &[u8]) -> bool {
    std::fs::write(path, bytes).expect("written");
    let named = |said: String| assert!(said.contains("fuzz.nc"), "{said}");
    match NetCdf::open(path) {
        Err(error) => {
            named(error.to_string());
            false
        }
        Ok(file) => {
            let mut read = true;
            for variable in &file.variables {
                if variable.shape.iter().fold(1, |all: u64, size| all.saturating_mul(*size)) > POINTS {
                    continue;
                }
                read &= file.read(&variable.name).map_err(|error| named(error.to_string())).is_ok();
                file.read_at(&variable.name, 1).map_or_else(|error| named(error.to_string()), drop);
                file.read_text(&variable.name).map_or_else(|error| named(error.to_string()), drop);
                file.times(&variable.name).map_or_else(|error| named(error.to_string()), drop);
            }
            read
        }
    }
}

#[test]
fn any_bytes_as_netcdf() {
    let bases: Vec<Vec<u8>> = small::files(".nc").into_iter().map(|small| small.bytes).collect();
    let folder = quick_folder();
    let path = folder.path().join("fuzz.nc");
    for bytes in kept("netcdf-").iter().chain(&bases) {
        netcdf(&path, bytes);
    }
    check(1500, &bases, |_, bytes| netcdf(&path, bytes));
}

/// In memory where the system offers that.
fn quick_folder() -> tempfile::TempDir {
    let memory = Path::new("/dev/shm");
    let within = if memory.is_dir() { memory.to_path_buf() } else { std::env::temp_dir() };
    tempfile::tempdir_in(within).expect("a folder")
}

/// A store in which one file at a time is something else.
fn store(path: &Path, file: &Path, bytes: &[u8], whole: &[u8]) -> bool {
    std::fs::write(file, bytes).expect("written");
    let named = |said: String| assert!(said.contains(path.to_str().expect("text")), "{said}");
    let mut sound = true;
    match Store::open_with(path, 0) {
        Err(error) => {
            named(error.to_string());
            sound = false;
        }
        Ok(store) => {
            let shape = store.latitude().dim();
            let names: Vec<String> = store.fields().map(|field| field.name.clone()).collect();
            for name in names
                .iter()
                .filter(|name| file.to_string_lossy().contains(name.as_str()))
                .chain(names.first())
            {
                match store.read(name, 0) {
                    Err(error) => {
                        named(error.to_string());
                        sound = false;
                    }
                    Ok(values) => assert_eq!((values.dim().1, values.dim().2), shape),
                }
            }
        }
    }
    std::fs::write(file, whole).expect("written");
    sound
}

#[test]
fn any_bytes_in_a_store() {
    let place = Place::tiny();
    let made = place.path(place.done(&["data", "prepare", "tiny.aurora"]).stdout.trim());
    let folder = quick_folder();
    let path = folder.path().join("store.zarr");
    let mut files = Vec::new();
    copy(&made, &path, &mut files);
    files.sort();
    // Descriptions more often than chunks, which have checksums.
    let described: Vec<&PathBuf> = files.iter().filter(|file| file.ends_with("zarr.json")).collect();
    let chunks: Vec<&PathBuf> = files.iter().filter(|file| !file.ends_with("zarr.json")).collect();
    let order: Vec<&PathBuf> =
        described.iter().chain(&described).chain(&described).chain(&chunks).copied().collect();
    let bases: Vec<Vec<u8>> = order.iter().map(|file| std::fs::read(file).expect("a file")).collect();
    check(400, &bases, |base, bytes| store(&path, order[base], bytes, &bases[base]));
}

fn copy(from: &Path, to: &Path, files: &mut Vec<PathBuf>) {
    std::fs::create_dir_all(to).expect("a folder");
    for entry in std::fs::read_dir(from).expect("a folder").flatten() {
        let target = to.join(entry.file_name());
        match entry.path().is_dir() {
            true => copy(&entry.path(), &target, files),
            false => {
                std::fs::copy(entry.path(), &target).expect("copied");
                files.push(target);
            }
        }
    }
}
