//! Zarr stores on a server: what is read is what the same store in a folder holds, or an error.

use std::collections::BTreeMap;
use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use aurora_runtime::data::archive::cf::Cf;
use aurora_runtime::data::archive::{Archive, Request};
use aurora_runtime::data::files::{self, Files, Settings};
use ndarray::Array3;

use crate::server::{Fault, Server};
use crate::settings;
use crate::stores::{COLUMNS, ROWS, Store, TIMES};

fn over_http(server: &Server, cache: &Path) -> Arc<dyn Files> {
    files::open(&format!("{}/years/era.zarr", server.address), Path::new(""), cache, &settings())
        .expect("an address")
}

fn in_bucket(server: &Server, cache: &Path) -> Arc<dyn Files> {
    let settings =
        Settings { endpoint: Some(server.address.clone()), region: Some("nowhere-1".into()), ..settings() };
    files::open("s3://years/era.zarr", Path::new(""), cache, &settings).expect("an address")
}

/// The bits of every field at every time.
fn everything(archive: &dyn Archive) -> Result<Vec<u32>, String> {
    let mut bits = Vec::new();
    for hour in 0..TIMES as i64 {
        for field in archive.fields() {
            bits.extend(some(archive, &field.from, hour)?);
        }
    }
    Ok(bits)
}

fn some(archive: &dyn Archive, field: &str, hour: i64) -> Result<Vec<u32>, String> {
    let time = archive.times().from + jiff::SignedDuration::from_hours(hour);
    let values: Array3<f32> = archive.read(field, time).map_err(|error| error.to_string())?;
    Ok(values.iter().map(|value| value.to_bits()).collect())
}

/// A store in a folder and on a server, with what is in it.
fn served(version: u8, consolidated: bool) -> (tempfile::TempDir, Server, Vec<u32>) {
    let folder = tempfile::tempdir().expect("a folder");
    let store = Store { folder: folder.path(), version };
    store.write();
    if consolidated {
        store.consolidate();
    }
    let server = Server::open();
    store.serve(&server, "years/era.zarr");
    let near = Cf::open("era", folder.path()).expect("opened");
    let (fields, times) = (near.fields(), near.times());
    assert_eq!((fields.len(), times.every), (6, 3600), "{fields:?}");
    let expected = everything(&near).expect("read");
    // North up, and the chunk that was never written is missing values.
    let chunk = near.read("2t", times.from + jiff::SignedDuration::from_hours(3)).expect("read");
    let missing = chunk.indexed_iter().filter(|(_, value)| value.is_nan());
    let missing: Vec<(usize, usize)> =
        missing.map(|((_, row, column), _)| (ROWS - 1 - row, column)).collect();
    assert_eq!(missing.len(), 8 * (COLUMNS - 32));
    assert!(missing.iter().all(|(row, column)| (8..16).contains(row) && *column >= 32));
    (folder, server, expected)
}

#[test]
fn a_store_on_a_server_is_the_store_in_a_folder() {
    for version in [2, 3] {
        let (_folder, server, expected) = served(version, true);
        let cache = tempfile::tempdir().expect("a folder");
        let archive = Cf::served("era", over_http(&server, cache.path())).expect("opened");
        assert!(archive.files().is_some());
        assert_eq!(everything(&archive).expect("read"), expected, "version {version}");
        // Nothing comes twice, coordinates and chunks of several times no more than others.
        let mut requests: BTreeMap<(String, String), usize> = BTreeMap::new();
        for (method, path, _) in server.seen() {
            *requests.entry((method, path)).or_default() += 1;
        }
        let often: Vec<_> = requests.iter().filter(|(_, count)| **count > 1).collect();
        assert!(often.is_empty(), "version {version}: {often:?}");
        assert_eq!(everything(&archive).expect("read"), expected);
        // And with the server gone.
        assert_eq!(server.seen(), []);
        let again = Cf::served("era", over_http(&server, cache.path())).expect("opened");
        assert_eq!(again.identity(), archive.identity());
    }
}

#[test]
fn what_a_time_needs_is_told_and_brought() {
    let (_folder, server, _) = served(3, true);
    let cache = tempfile::tempdir().expect("a folder");
    let files = over_http(&server, cache.path());
    let archive = Cf::served("era", Arc::clone(&files)).expect("opened");
    let time = archive.times().from + jiff::SignedDuration::from_hours(3);
    let wanted =
        [Request { from: "2t", cell: None, levels: None }, Request { from: "t", cell: None, levels: None }];
    let records = archive.records(&wanted, time).expect("told");
    // Nine chunks of the map but the one that is not there; of levels two by two by three shards.
    assert_eq!(records.len(), 8 + 12);
    let outcome =
        aurora_runtime::data::fetch::bring(&*files, &records, &mut |_| std::ops::ControlFlow::Continue(()));
    assert_eq!((outcome.failed.len(), outcome.left.len()), (0, 0));
    server.seen();
    archive.read("2t", time).expect("read");
    archive.read("t", time).expect("read");
    assert_eq!(server.seen(), []);
}

#[test]
fn a_bucket_is_listed_where_nothing_is_consolidated() {
    for version in [2, 3] {
        let (_folder, server, expected) = served(version, false);
        let cache = tempfile::tempdir().expect("a folder");
        let archive = Cf::served("era", in_bucket(&server, cache.path())).expect("opened");
        assert_eq!(everything(&archive).expect("read"), expected, "version {version}");
        let error = Cf::served("era", over_http(&server, cache.path())).expect_err("not listed").to_string();
        assert!(error.contains("era.zarr: ") && error.contains("consolidate"), "{error}");
        // Unless it shows what is in its folders.
        server.state().pages = true;
        let cache = tempfile::tempdir().expect("a folder");
        let archive = Cf::served("era", over_http(&server, cache.path())).expect("opened");
        assert_eq!(everything(&archive).expect("read"), expected, "version {version}");
    }
    let (server, cache) = (Server::open(), tempfile::tempdir().expect("a folder"));
    let error = Cf::served("era", in_bucket(&server, cache.path())).expect_err("nothing there").to_string();
    assert!(error.contains("s3://years/era.zarr: not a Zarr store"), "{error}");
}

/// What may go wrong with an answer, first what can spoil what is read.
static FAULTS: [Fault; 14] = [
    Fault::Cut(40),
    Fault::Status(503),
    Fault::Fewer(3),
    Fault::More(3),
    Fault::Garbage,
    Fault::Elsewhere,
    Fault::Misplaced("bytes 1-9/1000"),
    Fault::Refused,
    Fault::CutHeaders,
    Fault::Later(503, "0"),
    Fault::Status(500),
    Fault::Status(403),
    Fault::Babble,
    Fault::Silent(Duration::from_millis(300)),
];

/// One length asked well, then a bad answer; or nothing but bad ones. Each kind of file has a server of its own, for much of the
/// time is waiting.
#[test]
fn faults_give_errors_or_right_values() {
    let ways = [(1, 1), (0, 6)];
    // The line is the same whatever the version.
    let few = ["era.zarr/.zmetadata", "t2m/2.1.1", "t/1.0.1.2"].map(|end| (2, end, &FAULTS[..7], &ways[..1]));
    let all =
        ["era.zarr/zarr.json", "t2m/c/2/1/1", "t/c/1/0/1/2"].map(|end| (3, end, &FAULTS[..], &ways[..]));
    let (mut right, mut refused) = (0, 0);
    std::thread::scope(|scope| {
        let kinds = few.into_iter().chain(all);
        let running: Vec<_> = kinds
            .map(|(version, end, faults, ways)| scope.spawn(move || faults_of(version, end, faults, ways)))
            .collect();
        for one in running {
            let (well, badly) = one.join().unwrap_or_else(|panic| std::panic::resume_unwind(panic));
            right += well;
            refused += badly;
        }
    });
    assert!(right > 45 && refused > 20, "{right} right, {refused} refused");
}

/// Reads with each fault in the way of files that end so, then without, and says how often the first was right and how
/// often an error.
fn faults_of(version: u8, end: &'static str, faults: &[Fault], ways: &[(usize, usize)]) -> (usize, usize) {
    let (folder, server, _) = served(version, true);
    let near = Cf::open("era", folder.path()).expect("opened");
    let both = |archive: &Cf| Ok([some(archive, "2t", 2)?, some(archive, "t", 4)?].concat());
    let expected: Result<Vec<u32>, String> = both(&near);
    let expected = expected.expect("read");
    let served: Vec<String> =
        server.state().files.keys().filter(|path| path.ends_with(end)).cloned().collect();
    assert_eq!(served.len(), 1, "{served:?}");
    let (mut right, mut refused) = (0, 0);
    for (fault, &(ahead, times)) in faults.iter().flat_map(|fault| ways.iter().map(move |way| (fault, way))) {
        let mut list = vec![Fault::None; ahead];
        list.extend(std::iter::repeat_n(fault.clone(), times));
        server.fault(end, list);
        let cache = tempfile::tempdir().expect("a folder");
        let read = || -> Result<Vec<u32>, String> {
            let opened = Cf::served("era", over_http(&server, cache.path()));
            both(&opened.map_err(|error| error.to_string())?)
        };
        match read() {
            Ok(bits) => {
                assert!(bits == expected, "version {version}, {end}: {fault:?} {times} times");
                right += 1;
            }
            Err(error) => {
                // What is no fault of the line is not asked for again.
                let plain = matches!(fault, Fault::Status(403) | Fault::More(_) | Fault::Misplaced(_));
                assert!(error.contains("era.zarr"), "{error}");
                assert!(times > 1 || plain, "{end}: {fault:?}: {error}");
                refused += 1;
            }
        }
        server.well();
        // What was wrong stays nowhere.
        assert!(read().expect("well") == expected, "version {version}, {end}: {fault:?}");
    }
    (right, refused)
}
