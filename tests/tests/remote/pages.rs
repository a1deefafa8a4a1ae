//! Web servers that list nothing but show index pages of their folders, and those that do neither.

use std::time::Duration;

use aurora_runtime::data::archive::hrrr::Hrrr;
use aurora_runtime::data::archive::hrrr::layout::Domain;
use aurora_runtime::data::archive::{Archive, Request};
use aurora_runtime::data::files::{Files, Folder};
use aurora_runtime::data::synthesize::{Extent, Order};

use crate::server::{Fault, Server};
use crate::{open, settings};

/// Three hours with their quarters in a folder, and the same on a server.
fn served() -> (tempfile::TempDir, Server) {
    let folder = tempfile::tempdir().expect("a folder");
    let from = "2020-05-20T00:00:00Z".parse().expect("a time");
    let order = Order { folder: folder.path().into(), extent: Extent::Tile, from, hours: 2, quarters: true };
    order.write(&mut |_| true).expect("written");
    let server = Server::open();
    for (path, _) in Folder::new(folder.path()).list("").expect("listed") {
        let bytes = std::fs::read(folder.path().join(&path)).expect("read");
        server.put(&format!("data/{path}"), bytes);
    }
    server.state().pages = true;
    (folder, server)
}

fn opened(files: std::sync::Arc<dyn Files>) -> Result<Hrrr, String> {
    Hrrr::open("hrrr", files, Domain::Conus).map_err(|error| error.to_string())
}

/// Some fields of all times, in bits.
fn everything(archive: &Hrrr) -> Vec<u32> {
    let mut bits = Vec::new();
    let (mut time, times) = (archive.times().from, archive.times());
    while time <= times.to {
        for (from, cell) in [("TMP:2 m above ground", None), ("APCP:surface", Some("sum over 15 min"))] {
            let read = archive.fetch(&Request { from, cell, levels: None }, time).expect("read");
            bits.extend(read.iter().map(|value| value.to_bits()));
        }
        time = time.checked_add(jiff::SignedDuration::from_secs(times.every)).expect("a time");
    }
    bits
}

/// However PROPFIND is refused.
#[test]
fn an_archive_is_read_off_index_pages() {
    let (folder, server) = served();
    let near = opened(std::sync::Arc::new(Folder::new(folder.path()))).expect("opened");
    let expected = everything(&near);
    for status in [405, 501, 403, 404, 400, 401, 200] {
        server.state().propfind = Some(status);
        let cache = tempfile::tempdir().expect("a folder");
        server.seen();
        let archive = opened(open(&server, cache.path())).unwrap_or_else(|error| panic!("{status}: {error}"));
        assert_eq!((archive.times(), archive.identity()), (near.times(), near.identity()), "{status}");
        // It is asked to list once only, and a folder's page once.
        let seen = server.seen();
        assert_eq!(seen.iter().filter(|(method, ..)| method == "PROPFIND").count(), 1, "{status}: {seen:?}");
        let pages = seen.iter().filter(|(_, path, _)| path.ends_with('/'));
        let pages: Vec<&str> = pages.map(|(_, path, _)| path.as_str()).collect();
        assert!(pages.contains(&"data/") && pages.contains(&"data/hrrr.20200520/conus/"), "{pages:?}");
        assert_eq!(pages.len(), std::collections::BTreeSet::from_iter(&pages).len(), "{pages:?}");
        if status == 405 {
            assert_eq!(everything(&archive), expected);
            // Pages tell no lengths: nobody may believe a wrong one.
            let files = open(&server, cache.path());
            let listed = files.list("hrrr.20200520/conus").expect("listed");
            assert!(listed.len() > 10 && listed.iter().all(|(_, length)| length.is_none()), "{listed:?}");
            let path = &listed[0].0;
            let length = std::fs::metadata(folder.path().join(path)).expect("there").len();
            assert_eq!(files.length(path).expect("asked"), Some(length));
        }
    }
}

#[test]
fn folders_are_walked() {
    let server = Server::open();
    for path in ["a/one.grib2", "a/b/two+%20.grib2", "a/b/c/three.grib2", "d/four.grib2", "five.grib2"] {
        server.put(&format!("data/{path}"), vec![1]);
    }
    server.state().pages = true;
    let cache = tempfile::tempdir().expect("a folder");
    let files = open(&server, cache.path());
    let names = |folder: &str| -> Vec<String> {
        files.list(folder).expect("listed").into_iter().map(|(path, _)| path).collect()
    };
    assert_eq!(names("a"), ["a/b/c/three.grib2", "a/b/two+%20.grib2", "a/one.grib2"]);
    assert_eq!(names("").len(), 5);
    assert_eq!(files.folders("").expect("folders"), ["a", "d"]);
    assert_eq!(files.folders("a").expect("folders"), ["b"]);
    assert_eq!(files.folders("d").expect("folders"), Vec::<String>::new());
    // A folder that is not there, where others are shown, is not there.
    assert!(names("none").is_empty());
    assert_eq!(files.folders("none").expect("folders"), Vec::<String>::new());
}

/// What comes damaged or not at all is asked for again, or is an error; it never says that there is nothing.
#[test]
fn a_bad_line_hides_no_file() {
    let (folder, server) = served();
    let near = opened(std::sync::Arc::new(Folder::new(folder.path()))).expect("opened");
    let faults = [
        Fault::Refused,
        Fault::CutHeaders,
        Fault::Cut(0),
        Fault::Cut(300),
        Fault::Fewer(200),
        Fault::Fewer(1 << 30),
        Fault::Miscounted(5),
        Fault::Status(503),
        Fault::Later(503, "0"),
        Fault::Status(429),
        Fault::Garbage,
        Fault::Babble,
        Fault::Squeezed,
        Fault::BadChunk,
        Fault::Silent(Duration::from_millis(400)),
        Fault::Status(403),
        Fault::Round,
    ];
    for page in ["data/", "conus/"] {
        for fault in &faults {
            let cache = tempfile::tempdir().expect("a folder");
            let what = format!("{fault:?} of {page}");
            server.fault(page, [fault.clone()]);
            match opened(open(&server, cache.path())) {
                Ok(archive) => assert_eq!(archive.times(), near.times(), "{what}"),
                Err(error) => {
                    assert!(matches!(fault, Fault::Status(403) | Fault::Round), "{what}: {error}");
                    assert!(error.contains("index page"), "{what}: {error}");
                }
            }
            server.well();
            server.fault(page, std::iter::repeat_n(fault.clone(), 300));
            let cache = tempfile::tempdir().expect("a folder");
            let error = opened(open(&server, cache.path())).expect_err(&what);
            assert!(
                error.starts_with(&server.address) && error.contains("cannot be listed"),
                "{what}: {error}"
            );
            assert!(error.contains("405") && error.contains("index page"), "{what}: {error}");
            server.well();
            // What was wrong stays nowhere.
            assert_eq!(opened(open(&server, cache.path())).expect(&what).times(), near.times(), "{what}");
        }
    }
}

/// What a folder showed is known for an hour, and without a network longer.
#[test]
fn pages_are_kept_as_lists_are() {
    let (_folder, server) = served();
    let cache = tempfile::tempdir().expect("a folder");
    let expected = opened(open(&server, cache.path())).expect("opened").times();
    server.seen();
    assert_eq!(opened(open(&server, cache.path())).expect("opened").times(), expected);
    assert_eq!(server.seen(), []);
}

#[test]
fn servers_without_lists_and_pages_say_so() {
    let (_folder, server) = served();
    let error = |server: &Server| {
        let cache = tempfile::tempdir().expect("a folder");
        opened(open(server, cache.path())).expect_err("not listed")
    };
    server.state().pages = false;
    let said = error(&server);
    let why = "its folders cannot be listed: the server answers 405 to PROPFIND (WebDAV), and it shows no index page";
    assert!(said.contains(why), "{said}");
    server.state().propfind = Some(404);
    let said = error(&server);
    assert!(said.contains("lists nothing by WebDAV") && said.contains("no index page"), "{said}");
    // A page for people, of whatever is asked for.
    let login = "<html><body><form action=\"/login\">Name <input name=\"name\"></form></body></html>";
    server.put("data/", login.into());
    let said = error(&server);
    assert!(said.contains("no index of a folder"), "{said}");
    server.put("data/", format!("<html>{}</html>", "<p>Much to say.</p>".repeat(4 << 20)).into_bytes());
    let said = error(&server);
    assert!(said.contains("it has more than 67108864 bytes") || said.contains("took longer"), "{said}");
    // An index of something else.
    server.put("data/", b"<html><title>Index of /data</title><a href=\"photos/\">photos</a></html>".to_vec());
    let said = error(&server);
    assert!(said.contains("holds no analysis of HRRR"), "{said}");
}

/// WebDAV tells lengths, and is asked for nothing else. Its paths begin at the server's root.
#[test]
fn webdav_is_listed_as_ever() {
    let (folder, server) = served();
    server.state().propfind = Some(207);
    let cache = tempfile::tempdir().expect("a folder");
    let files = open(&server, cache.path());
    let near = Folder::new(folder.path());
    assert_eq!(files.list("").expect("listed"), near.list("").expect("listed"));
    assert_eq!(
        files.list("hrrr.20200520/conus").expect("listed"),
        near.list("hrrr.20200520/conus").expect("listed")
    );
    assert_eq!(files.folders("").expect("folders"), ["hrrr.20200519", "hrrr.20200520"]);
    assert_eq!(files.folders("hrrr.20200520").expect("folders"), ["conus"]);
    assert!(server.seen().iter().all(|(method, ..)| method == "PROPFIND"));
    assert_eq!(files.list("none").expect("listed"), []);
    let other = opened(std::sync::Arc::new(near)).expect("opened");
    assert_eq!(opened(files).expect("opened").times(), other.times());
    // A list that is late is asked for again.
    server.fault("conus", [Fault::Status(503), Fault::Status(500)]);
    let cache = tempfile::tempdir().expect("a folder");
    let listed = open(&server, cache.path()).list("hrrr.20200520/conus").expect("listed");
    assert!(!listed.is_empty() && listed.iter().all(|(_, length)| length.is_some()));
    assert_eq!(settings().patience.attempts, 3);
}
