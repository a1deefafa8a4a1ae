//! Conversations with a server that misbehaves, each in a way of its own.

use std::time::{Duration, Instant};

use crate::server::{Fault, Served};
use crate::{FILE, fetch, open, served};

/// How a conversation must end.
#[derive(Clone, Copy, Debug)]
enum End {
    Right,
    /// An error with these words, beside place and file.
    Wrong(&'static [&'static str]),
}
use End::{Right, Wrong};

const GRIB: &str = ".grib2";
const IDX: &str = ".idx";
/// More often than anybody tries, redirections followed.
const ALWAYS: usize = 300;
const LONG: Duration = Duration::from_millis(400);

fn once(fault: Fault) -> Vec<Fault> {
    // The first request asks for the length.
    vec![Fault::None, fault]
}

fn always(fault: Fault) -> Vec<Fault> {
    std::iter::once(Fault::None).chain(std::iter::repeat_n(fault, ALWAYS)).collect()
}

fn conversations() -> Vec<(&'static str, Vec<Fault>, End)> {
    const HUGE: &str = "bytes 18446744073709551615-18446744073709551615/18446744073709551615";
    let passing = [
        Fault::Refused,
        Fault::CutHeaders,
        Fault::Cut(0),
        Fault::Cut(100),
        Fault::Cut(4999),
        Fault::Silent(LONG),
        Fault::Drip(Duration::from_millis(40), 30),
        Fault::Status(500),
        Fault::Status(502),
        Fault::Status(503),
        Fault::Status(504),
        Fault::Status(408),
        Fault::Status(429),
        Fault::Later(429, "1"),
        Fault::Later(503, "Wed, 21 Oct 2015 07:28:00 GMT"),
        Fault::Later(503, "soon"),
        Fault::Fewer(1),
        Fault::Fewer(1 << 30),
        Fault::More(7),
        Fault::Miscounted(5),
        Fault::Misplaced("bytes 0-9/100"),
        Fault::Misplaced(""),
        Fault::Misplaced("rubbish"),
        Fault::Misplaced(HUGE),
        Fault::Whole,
        Fault::Garbage,
        Fault::Elsewhere,
        Fault::Babble,
        Fault::Squeezed,
        Fault::BadChunk,
        Fault::Uncounted,
        Fault::BadTags,
    ];
    let lasting: [(Fault, End); 17] = [
        (Fault::Refused, Wrong(&["bytes ", "3 attempts"])),
        (Fault::Cut(0), Wrong(&["bytes ", "3 attempts"])),
        (Fault::Silent(LONG), Wrong(&["bytes ", "3 attempts"])),
        (Fault::Drip(Duration::from_millis(100), 30), Wrong(&["bytes ", "came", "attempts"])),
        (Fault::Status(500), Wrong(&["bytes ", "answers 500", "3 attempts"])),
        (Fault::Status(400), Wrong(&["bytes ", "answers 400"])),
        (Fault::Status(403), Wrong(&["bytes ", "does not let us read"])),
        (Fault::Status(404), Wrong(&["there is no such file"])),
        (Fault::Status(416), Wrong(&["bytes ", "no such bytes"])),
        (Fault::More(7), Wrong(&["bytes ", "contradicts itself", "3 attempts"])),
        (Fault::Misplaced(""), Wrong(&["bytes ", "3 attempts"])),
        // Of a small file the whole is taken.
        (Fault::Whole, Right),
        (Fault::Garbage, Wrong(&["bytes ", "no GRIB2 message begins there"])),
        (Fault::Babble, Wrong(&["bytes ", "3 attempts"])),
        (Fault::Squeezed, Wrong(&["bytes ", "contradicts itself"])),
        (Fault::Round, Wrong(&["bytes ", "redirect"])),
        (Fault::BadTags, Wrong(&["bytes ", "3 attempts"])),
    ];
    let mut all = Vec::new();
    all.extend(passing.into_iter().map(|fault| (GRIB, once(fault), Right)));
    all.extend(lasting.into_iter().map(|(fault, end)| (GRIB, always(fault), end)));
    let every_other = |fault: Fault| [Fault::None, fault, Fault::None, Fault::Refused].to_vec();
    all.extend([
        // A bad line that brings a little each time.
        (GRIB, std::iter::repeat_n(Fault::Cut(4000), ALWAYS).collect(), Right),
        (GRIB, vec![Fault::Refused, Fault::Status(503), Fault::None, Fault::Fewer(10), Fault::Cut(1)], Right),
        (GRIB, vec![Fault::Status(500), Fault::None], Right),
        (GRIB, vec![Fault::Status(404)], Wrong(&["there is no such file"])),
        (GRIB, every_other(Fault::Misplaced("bytes 5-4/3")), Right),
        (GRIB, every_other(Fault::Miscounted(-5)), Right),
        // A length that is not that of the file: what is asked for then is held against what comes.
        (GRIB, vec![Fault::Miscounted(50)], Wrong(&["bytes, so none up to"])),
        (IDX, vec![Fault::Status(404)], Wrong(&["there is no such file"])),
        (IDX, vec![Fault::Status(500); ALWAYS], Wrong(&["answers 500", "3 attempts"])),
        (IDX, once(Fault::Cut(10)), Right),
        (IDX, once(Fault::Fewer(20)), Right),
        (IDX, once(Fault::Garbage), Wrong(&["line 1: "])),
        (IDX, once(Fault::Whole), Right),
        // Cut in the middle of its last line.
        (IDX, vec![Fault::Miscounted(-30)], Wrong(&["line 12: it ends before"])),
    ]);
    all
}

#[test]
fn sixty_bad_conversations_end_in_right_bytes_or_a_sentence() {
    let all = conversations();
    assert!(all.len() >= 60, "{}", all.len());
    // Most of the time is waiting.
    let next = std::sync::atomic::AtomicUsize::new(0);
    std::thread::scope(|scope| {
        for _ in 0..8 {
            scope.spawn(|| {
                while let Some((end, faults, ends)) =
                    all.get(next.fetch_add(1, std::sync::atomic::Ordering::Relaxed))
                {
                    converse(end, faults, *ends);
                }
            });
        }
    });
}

fn converse(end: &'static str, faults: &[Fault], ends: End) {
    let (server, bytes, inventory) = served();
    let cache = tempfile::tempdir().expect("a folder");
    let what =
        format!("{:?} for {end}, {} times", faults.iter().find(|one| **one != Fault::None), faults.len());
    server.fault(end, faults.iter().cloned());
    let began = Instant::now();
    let ended = fetch(&*open(&server, cache.path()));
    assert!(began.elapsed() < Duration::from_secs(20), "{what}: {:?}", began.elapsed());
    match (&ended, ends) {
        (Ok(records), Right) => {
            for (record, read) in records {
                assert_eq!(*read, bytes[record.start as usize..record.end as usize], "{what}");
            }
        }
        (Err(error), Wrong(words)) => {
            for word in words.iter().chain(&[server.address.as_str(), FILE]) {
                assert!(error.contains(word), "{what}: {error}");
            }
        }
        (Ok(_), Wrong(words)) => panic!("{what}: right, instead of {words:?}"),
        (Err(error), Right) => panic!("{what}: {error}"),
    }
    // Whatever happened, nothing of it stays.
    server.well();
    let files = open(&server, cache.path());
    let again = fetch(&*files).unwrap_or_else(|error| panic!("{what}: {error}"));
    for (record, read) in again {
        assert_eq!(read, bytes[record.start as usize..record.end as usize], "{what}");
    }
    assert_eq!(files.read(FILE, 0..bytes.len() as u64).expect("well"), bytes, "{what}");
    let name = format!("{FILE}.idx");
    assert_eq!(files.read(&name, 0..inventory.len() as u64).expect("well"), inventory.as_bytes(), "{what}");
    // And then nobody is asked.
    server.seen();
    let files = open(&server, cache.path());
    fetch(&*files).unwrap_or_else(|error| panic!("{what}: {error}"));
    assert_eq!(files.read(FILE, 0..bytes.len() as u64).expect("kept"), bytes, "{what}");
    assert_eq!(server.seen(), [], "{what}");
}

/// A file is replaced while it is read, or between two readings.
#[test]
fn a_file_that_changes_is_read_in_one_version() {
    for (etag, after) in [(true, 0), (true, 1), (true, 2), (true, 3), (false, 1), (false, 2)] {
        let (server, _, _) = served();
        let cache = tempfile::tempdir().expect("a folder");
        let path = format!("data/{FILE}");
        let mut other = server.state().files[&path].bytes.clone();
        other.reverse();
        // Without tags, another length tells.
        let tag = etag.then(|| "\"other\"".to_string());
        if !etag {
            other.push(0);
            server.state().files.get_mut(&path).expect("there").etag = None;
        }
        let (start, end) = (100, 60_000);
        let files = open(&server, cache.path());
        let length = files.length(FILE).expect("there");
        assert!(length.is_some());
        let changed = Served { bytes: other.clone(), etag: tag };
        server.state().changes.push((GRIB, after, changed.clone()));
        let first = files.read(FILE, 0..100).expect("one version");
        let second = files.read(FILE, start..end).expect("one version");
        // The change that is due comes at last, and what was kept before it is not mixed with it.
        server.state().files.insert(path, changed);
        server.state().changes.clear();
        let third = files.read(FILE, 60_000..60_100).expect("one version");
        assert_eq!(third, other[60_000..60_100], "{etag} {after}");
        assert_eq!(files.read(FILE, 0..100).expect("one version"), other[..100], "{etag} {after}");
        assert_eq!(files.read(FILE, start..end).expect("one version"), other[100..60_000], "{etag} {after}");
        assert_eq!((first.len(), second.len()), (100, 59_900));
        assert_eq!(files.length(FILE).expect("kept"), Some(other.len() as u64));
    }
}

/// A file that never stays the same cannot be read, and that is said.
#[test]
fn a_file_that_always_changes_is_refused() {
    let (server, bytes, _) = served();
    let cache = tempfile::tempdir().expect("a folder");
    let files = open(&server, cache.path());
    files.length(FILE).expect("there");
    for number in 0..12 {
        let served = Served { bytes: bytes.clone(), etag: Some(format!("\"{number}\"")) };
        server.state().changes.push((GRIB, 2 * number, served));
    }
    server.fault(GRIB, std::iter::repeat_n(Fault::Cut(1000), ALWAYS));
    let error = files.read(FILE, 0..50_000).expect_err("it changes").to_string();
    assert!(error.contains("changed 3 times while it was read"), "{error}");
}
