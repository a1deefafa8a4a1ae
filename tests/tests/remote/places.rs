//! Places: listings, many at a time, caches that are shared, damaged, and used without a network.

use std::ops::ControlFlow;
use std::path::{Path, PathBuf};
use std::time::Duration;

use aurora_runtime::data::fetch::{Amount, bring};
use aurora_runtime::data::files::{self, Settings, Wanted};
use aurora_runtime::data::idx::Inventory;

use crate::server::{Fault, Server};
use crate::{FILE, archive, fetch, open, served, settings, wanted};

fn on(_: files::Progress) -> ControlFlow<()> {
    ControlFlow::Continue(())
}

/// Every file below a folder.
fn below(folder: &Path, found: &mut Vec<PathBuf>) {
    for entry in std::fs::read_dir(folder).into_iter().flatten().flatten() {
        match entry.path().is_dir() {
            true => below(&entry.path(), found),
            false => found.push(entry.path()),
        }
    }
}

#[test]
fn a_bucket_is_listed_and_read_at_its_endpoint() {
    let server = Server::open();
    let (bytes, inventory) = archive();
    for hour in 0..5 {
        server.put(&format!("bucket/hrrr/day/hour{hour}.grib2"), bytes.clone());
    }
    server.put("bucket/hrrr/day/hour0.grib2.idx", inventory.into_bytes());
    server.put("bucket/other/hour.grib2", bytes.clone());
    let cache = tempfile::tempdir().expect("a folder");
    let settings =
        Settings { endpoint: Some(server.address.clone()), region: Some("nowhere-1".into()), ..settings() };
    let files = files::open("s3://bucket/hrrr", Path::new(""), cache.path(), &settings).expect("an address");
    assert_eq!(files.place(), "s3://bucket/hrrr");
    let listed = files.list("day").expect("a listing");
    let names: Vec<&str> = listed.iter().map(|(name, _)| name.as_str()).collect();
    assert_eq!(
        names,
        [
            "day/hour0.grib2",
            "day/hour0.grib2.idx",
            "day/hour1.grib2",
            "day/hour2.grib2",
            "day/hour3.grib2",
            "day/hour4.grib2"
        ]
    );
    assert_eq!(listed[0].1, Some(bytes.len() as u64));
    assert_eq!(files.list("").expect("a listing"), listed);
    assert_eq!(files.list("night").expect("a listing"), []);
    assert_eq!(files.length("day/hour1.grib2").expect("asked"), Some(bytes.len() as u64));
    assert_eq!(files.length("day/hour9.grib2").expect("asked"), None);
    server.fault("hour1.grib2", [Fault::Status(503), Fault::Cut(100), Fault::Whole]);
    assert_eq!(files.read("day/hour1.grib2", 17..9000).expect("read"), bytes[17..9000]);
    let error = files.read("day/hour9.grib2", 0..10).expect_err("absent").to_string();
    assert_eq!(error, "s3://bucket/hrrr/day/hour9.grib2: there is no such file");
    let error = files.read("day/hour1.grib2", 0..1 << 40).expect_err("short").to_string();
    assert!(
        error.ends_with(&format!("it has {} bytes, so none up to 1099511627776", bytes.len())),
        "{error}"
    );
}

/// However many pages a listing has, each is given its time; folders are told without what is in them.
#[test]
fn a_long_listing_is_not_one_request() {
    let server = Server::open();
    for hour in 0..12 {
        server.put(&format!("bucket/hrrr/day{}/hour{hour}.grib2", hour % 3), vec![1]);
    }
    let cache = tempfile::tempdir().expect("a folder");
    let settings =
        Settings { endpoint: Some(server.address.clone()), region: Some("nowhere-1".into()), ..settings() };
    let files = files::open("s3://bucket/hrrr", Path::new(""), cache.path(), &settings).expect("an address");
    // Six pages, three of which would take longer than a request may.
    server.state().slow = Duration::from_millis(220);
    assert_eq!(files.list("").expect("a listing").len(), 12);
    server.seen();
    assert_eq!(files.folders("").expect("folders"), ["day0", "day1", "day2"]);
    assert_eq!(server.seen().len(), 1);
    assert_eq!(files.folders("day1").expect("folders"), Vec::<String>::new());
    // Asked again within the hour they are known.
    assert_eq!(files.folders("").expect("folders").len(), 3);
    assert_eq!(server.seen().len(), 1);
}

/// What is looked for in an archive of years: the folders, and the days at both ends.
#[test]
fn an_archive_of_years_is_not_listed_whole() {
    use aurora_runtime::data::archive::hrrr::layout::{Days, Domain};

    let server = Server::open();
    let days = ["20150101", "20180701", "20180713", "20190101", "20200101", "20210101", "20220101"];
    for day in days {
        for hour in 0..24 {
            server.put(&format!("bucket/hrrr.{day}/conus/hrrr.t{hour:02}z.wrfsfcf00.grib2"), vec![1]);
            if day > "20180701" {
                let path = format!("bucket/hrrr.{day}/alaska/hrrr.t{hour:02}z.wrfsfcf00.ak.grib2");
                server.put(&path, vec![1]);
            }
        }
    }
    for (domain, first, most) in [(Domain::Conus, "2015-01-01", 30), (Domain::Alaska, "2018-07-13", 40)] {
        let cache = tempfile::tempdir().expect("a folder");
        let settings = Settings {
            endpoint: Some(server.address.clone()),
            region: Some("nowhere-1".into()),
            ..settings()
        };
        let files = files::open("s3://bucket", Path::new(""), cache.path(), &settings).expect("an address");
        server.seen();
        let (from, to) = Days::new(files, domain).reach().expect("asked").expect("days");
        assert_eq!(from.to_string(), format!("{first}T00:00:00Z"));
        assert_eq!(to.to_string(), "2022-01-01T23:00:00Z");
        // The server tells two files at a time.
        assert!(server.seen().len() < most, "{domain:?}");
    }
}

#[test]
fn a_web_server_without_listings_says_so() {
    let (server, ..) = served();
    let cache = tempfile::tempdir().expect("a folder");
    let error = open(&server, cache.path()).list("hrrr.20250801").expect_err("no listing").to_string();
    assert!(error.contains("answers 405") && error.contains("hrrr.20250801"), "{error}");
}

#[test]
fn nobody_at_home_is_an_error_soon() {
    let cache = tempfile::tempdir().expect("a folder");
    let closed =
        std::net::TcpListener::bind("127.0.0.1:0").expect("a port").local_addr().expect("an address");
    let files = files::open(&format!("http://{closed}/x"), Path::new(""), cache.path(), &settings())
        .expect("an address");
    let began = std::time::Instant::now();
    let error = files.length("a.grib2").expect_err("nobody").to_string();
    assert!(
        error.starts_with(&format!("http://{closed}/x/a.grib2: ")) && error.contains("3 attempts"),
        "{error}"
    );
    assert!(began.elapsed() < Duration::from_secs(5));
}

#[test]
fn neighbours_come_in_one_request_and_long_files_in_pieces() {
    let (server, bytes, inventory) = served();
    let cache = tempfile::tempdir().expect("a folder");
    fetch(&*open(&server, cache.path())).expect("well");
    let inventory = Inventory::read("idx", inventory.as_bytes()).expect("sound");
    let at = |index: usize| inventory.entries()[index].offset;
    let asked: Vec<String> = server
        .seen()
        .into_iter()
        .filter(|one| one.1.ends_with(".grib2") && !one.2.is_empty())
        .map(|one| one.2)
        .collect();
    // What lies between the third and the seventh is a fifth of it all.
    let mut sorted = asked;
    sorted.sort();
    let last = format!("bytes={}-{}", at(11), bytes.len() - 1);
    assert_eq!(sorted, [last, format!("bytes={}-{}", at(2), at(7) - 1)]);

    let long: Vec<u8> =
        (0..20_000_000u32).map(|number| (number.wrapping_mul(2_654_435_761) >> 24) as u8).collect();
    server.put("data/long.bin", long.clone());
    server.fault("long.bin", [Fault::None, Fault::Cut(3_000_000), Fault::Status(503)]);
    let files = open(&server, cache.path());
    assert_eq!(files.read("long.bin", 0..long.len() as u64).expect("read"), long);
    // The length, three pieces, and those that failed again.
    assert_eq!(server.seen().len(), 1 + 3 + 2);
}

#[test]
fn no_more_requests_at_a_time_than_are_allowed() {
    let server = Server::open();
    let (bytes, _) = archive();
    let mut records = Vec::new();
    for number in 0..24 {
        server.put(&format!("data/{number}.grib2"), bytes.clone());
        records.push(wanted(&format!("{number}.grib2"), 0..321));
        // Too far apart to come together.
        records.push(wanted(&format!("{number}.grib2"), 40_000..40_100));
    }
    server.state().slow = Duration::from_millis(20);
    let cache = tempfile::tempdir().expect("a folder");
    let files = open(&server, cache.path());
    let results = files.fetch(&records, &mut on);
    assert!(results.iter().all(|result| *result == Some(Ok(()))), "{results:?}");
    let most = server.state().most;
    assert!((2..=4).contains(&most), "{most} at a time");
    assert_eq!(server.seen().len(), 48);
    assert!(records.iter().all(|record| files.near(&record.path, &record.range())));
}

#[test]
fn what_was_interrupted_goes_on_where_it_ended() {
    let server = Server::open();
    let (bytes, _) = archive();
    let records: Vec<Wanted> = (0..12).map(|number| wanted(&format!("{number}.bin"), 0..1000)).collect();
    for record in &records {
        server.put(&format!("data/{}", record.path), bytes.clone());
    }
    server.put("data/7.bin", Vec::new());
    server.state().slow = Duration::from_millis(10);
    let cache = tempfile::tempdir().expect("a folder");
    let files = open(&server, cache.path());
    let first = bring(&*files, &records, &mut |progress| match progress.files {
        0..5 => ControlFlow::Continue(()),
        _ => ControlFlow::Break(()),
    });
    assert!(first.left.len() >= 3 && first.fetched.len() >= 3, "{first:?}");
    server.seen();
    let second = bring(&*files, &records, &mut on);
    assert_eq!((second.left.len(), second.fetched.len(), second.failed.len()), (0, 11, 1));
    // One that failed says nothing of the others; and what had come is not fetched again.
    assert_eq!(second.failed[0].0.path, "7.bin");
    assert!(second.failed[0].1.reason.contains("bytes"), "{}", second.failed[0].1);
    let again: Vec<String> = server.seen().into_iter().map(|one| one.1).collect();
    assert!(!again.contains(&format!("data/{}", first.fetched[0].path)), "{again:?}");
    assert_eq!(Amount::of(&second.fetched), Amount { files: 11, records: 11, bytes: 11_000 });
}

/// Each byte of each file of a cache is changed in turn: what is read is right all the same.
#[test]
fn a_damaged_cache_is_noticed_and_mended() {
    let (server, bytes, _) = served();
    let cache = tempfile::tempdir().expect("a folder");
    fetch(&*open(&server, cache.path())).expect("well");
    let mut kept = Vec::new();
    below(cache.path(), &mut kept);
    assert!(kept.len() >= 6, "{kept:?}");
    for path in kept {
        let good = std::fs::read(&path).expect("kept");
        for place in [0, good.len() / 2, good.len() - 1] {
            let mut bad = good.clone();
            bad[place] ^= 0x10;
            std::fs::write(&path, bad).expect("written");
            for (record, read) in fetch(&*open(&server, cache.path())).expect("mended") {
                assert_eq!(read, bytes[record.start as usize..record.end as usize], "{}", path.display());
            }
            std::fs::create_dir_all(path.parent().expect("a folder")).expect("made");
            std::fs::write(&path, &good[..place]).expect("written");
            fetch(&*open(&server, cache.path())).expect("mended");
        }
    }
}

#[test]
fn several_share_a_cache() {
    let (server, bytes, _) = served();
    let cache = tempfile::tempdir().expect("a folder");
    std::thread::scope(|scope| {
        for number in 0..6 {
            let (server, bytes, cache) = (&server, &bytes, cache.path());
            scope.spawn(move || {
                let files = open(server, cache);
                for round in 0..20 {
                    if number == 0 && round % 5 == 4 {
                        files.forget(FILE);
                    }
                    let start = (number * 7919 + round * 3571) % 70_000;
                    match files.read(FILE, start..start + 9000) {
                        Ok(read) => assert_eq!(read, bytes[start as usize..start as usize + 9000]),
                        // Dropped by another just after it came, twice.
                        Err(error) => assert!(
                            error.reason.contains("cache") || error.reason.contains("kept"),
                            "{error}"
                        ),
                    }
                }
            });
        }
    });
    let files = open(&server, cache.path());
    assert_eq!(files.read(FILE, 0..bytes.len() as u64).expect("well"), bytes);
}

/// Real inventories: every message's bytes, out of a file that has its own number in each byte.
#[test]
fn real_inventories_name_what_there_is() {
    let Some(data) = std::env::var_os("AURORAC_TEST_DATA") else {
        eprintln!("skipped: AURORAC_TEST_DATA does not say where the test data are");
        return;
    };
    let folder = Path::new(&data).join("data/idx");
    let cases = [
        ("hrrr.t00z.wrfsfcf00.grib2.idx", 170, "MXUPHL", "5000-2000 m above ground"),
        ("hrrr.t00z.wrfsfcf08.grib2.idx", 173, "UGRD", "10 m above ground"),
        ("hrrr.t00z.wrfsfcf24.grib2.idx", 173, "HLCY", "3000-0 m above ground"),
        ("gfs.t00z.pgrb2.0p25.f007.idx", 743, "TMP", "2 m above ground"),
    ];
    for (name, count, parameter, level) in cases {
        let text = std::fs::read(folder.join(name)).expect(name);
        let inventory = Inventory::read(name, &text).expect(name);
        assert_eq!(inventory.entries().len(), count, "{name}");
        assert_eq!(inventory.of(parameter, level).count(), 1, "{name}");
        let last = inventory.entries().last().expect("some").offset;
        let ranges: Vec<_> =
            inventory.entries().iter().map(|entry| inventory.range(entry.offset, last + 1000)).collect();
        assert!(ranges.iter().all(Option::is_some), "{name}");
        assert!(
            inventory.entries().iter().all(|entry| entry.reference.to_string() == "2025-08-01T00:00:00Z")
        );
        // Cut anywhere, it is an inventory of fewer messages or an error with its line.
        for cut in (0..text.len()).step_by(97) {
            match Inventory::read(name, &text[..cut]) {
                Ok(part) => assert!(
                    part.entries().len() < count && text[..cut].ends_with(b":")
                        || text[..cut].ends_with(b"\n")
                ),
                Err(error) => assert!(error.to_string().starts_with(&format!("{name}: line ")), "{error}"),
            }
        }
    }
}
