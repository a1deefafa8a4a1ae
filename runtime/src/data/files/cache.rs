//! What has been fetched, kept on disk.
//!
//! ```text
//! CACHE/s3-noaa-hrrr-bdp-pds-1f0a7c3e/            a place
//!     place.json                                  which one
//!     hrrr.20250801/conus/                        folders as there, odd letters as %XX
//!         ~listing.json                           what was in it, and when that was asked
//!         hrrr.t00z.wrfsfcf00.grib2~/             a file
//!             about.json                          its length, ETag and date there
//!             417265-800681.5b2f0c11.9d4e…        bytes 417265 to 800681, of that version, with their digest
//! ```
//!
//! A stretch is written beside, flushed and renamed, so it is there whole or not at all, whoever is killed; its name
//! holds its BLAKE3 (16 bytes), so a byte that the disk has changed is noticed when it is read. Several processes may
//! share a cache: what two of them write under one name is the same. Stretches of another version of the file than
//! `about.json` tells are not looked at. Any folder in here may be removed at any time.

use std::fs;
use std::io::{self, ErrorKind};
use std::ops::Range;
use std::path::{Path, PathBuf};

use serde::{Deserialize, Serialize};

use super::listing::Listing;
use super::ranges::{PIECE, union};
use super::server::About;
use crate::durable;

const PLACE: &str = "place.json";
const ABOUT: &str = "about.json";
/// No folder is spelt so.
const LISTING: &str = "~listing.json";
/// A folder of which the newest file was so old, in seconds, when it was listed does not change any more.
const SETTLED: i64 = 7 * 86_400;
/// Any other listing is believed for so long.
const FRESH: i64 = 3600;
/// Longer names than this are no names on some systems.
const LONGEST_NAME: usize = 180;

/// What is kept of one place.
#[derive(Clone, Debug)]
pub struct Cache {
    folder: PathBuf,
    identity: String,
}

/// A listing as it was at a time, in seconds since 1970.
#[derive(Serialize, Deserialize)]
struct Listed {
    folder: String,
    made: i64,
    #[serde(flatten)]
    listing: Listing,
}

/// What is kept of one file.
#[derive(Clone, Debug)]
pub struct Kept {
    folder: PathBuf,
    path: String,
    place: Cache,
}

#[derive(Serialize, Deserialize)]
struct Described {
    path: String,
    #[serde(flatten)]
    about: About,
}

/// A stretch on disk.
struct Stretch {
    range: Range<u64>,
    digest: String,
    path: PathBuf,
}

impl Cache {
    /// The cache of a place below `cache`; nothing is read or made.
    #[must_use]
    pub fn new(cache: &Path, place: &str, identity: &str) -> Cache {
        let mut name: String =
            place.chars().map(|c| if c.is_ascii_alphanumeric() { c } else { '-' }).collect();
        while name.contains("--") {
            name = name.replace("--", "-");
        }
        name.truncate(80);
        let name = format!("{}-{}", name.trim_matches('-'), hex(identity.as_bytes(), 8));
        Cache { folder: cache.join(name), identity: identity.to_string() }
    }

    /// What was in a folder when it was listed, and whether it will still be so at `now`.
    #[must_use]
    pub fn listing(&self, folder: &str, now: i64) -> Option<(Listing, bool)> {
        let text = fs::read(self.below(folder).join(LISTING)).ok()?;
        let listed: Listed = serde_json::from_slice(&text).ok()?;
        let settled = !listed.listing.files.is_empty() && listed.made - listed.listing.newest >= SETTLED;
        let fresh = (0..FRESH).contains(&(now - listed.made));
        (listed.folder == folder).then_some((listed.listing, settled || fresh))
    }

    /// Keeps what is in a folder.
    ///
    /// # Errors
    /// The disk cannot be written.
    pub fn list(&self, folder: &str, listing: Listing, now: i64) -> io::Result<()> {
        let listed = Listed { folder: folder.to_string(), made: now, listing };
        let text = serde_json::to_string(&listed).map_err(io::Error::other)?;
        durable::write(&self.below(folder).join(LISTING), text.as_bytes())
    }

    /// The folder for what lies in a folder there.
    fn below(&self, folder: &str) -> PathBuf {
        let mut path = self.folder.clone();
        path.extend(folder.split('/').filter(|part| !part.is_empty()).map(spelt));
        path
    }

    #[must_use]
    pub fn file(&self, path: &str) -> Kept {
        let (above, name) = path.rsplit_once('/').unwrap_or(("", path));
        let mut folder = self.below(above);
        folder.push(format!("{}~", spelt(name)));
        Kept { folder, path: path.to_string(), place: self.clone() }
    }
}

impl Kept {
    /// What the server said of the file when it was last asked; nothing if nothing is kept.
    pub fn about(&self) -> Option<About> {
        let text = fs::read(self.folder.join(ABOUT)).ok()?;
        let described: Described = serde_json::from_slice(&text).ok()?;
        (described.path == self.path).then_some(described.about)
    }

    /// Which bytes of a version are kept, by their names.
    pub fn present(&self, about: &About) -> Vec<Range<u64>> {
        let ranges: Vec<Range<u64>> = self.stretches(about).into_iter().map(|one| one.range).collect();
        union(&ranges)
    }

    /// Bytes of a version; nothing if some are not kept, or are not as they were. What is damaged is removed.
    ///
    /// # Errors
    /// The disk cannot be read.
    pub fn read(&self, about: &About, range: &Range<u64>) -> io::Result<Option<Vec<u8>>> {
        let stretches = self.stretches(about);
        let mut bytes = Vec::new();
        let mut at = range.start;
        while at < range.end {
            let reaching = stretches.iter().filter(|one| one.range.start <= at && one.range.end > at);
            let Some(stretch) = reaching.max_by_key(|one| one.range.end) else { return Ok(None) };
            let Some(kept) = stretch.read()? else { return Ok(None) };
            let end = stretch.range.end.min(range.end);
            let part = (at - stretch.range.start) as usize..(end - stretch.range.start) as usize;
            bytes.extend_from_slice(kept.get(part).unwrap_or_default());
            at = end;
        }
        Ok(Some(bytes))
    }

    /// Keeps bytes of a version. If another version was kept, it is dropped.
    ///
    /// # Errors
    /// The disk cannot be written.
    pub fn put(&self, about: &About, start: u64, bytes: &[u8]) -> io::Result<()> {
        self.describe(about)?;
        let name = format!("{start}-{}.{}.{}", start + bytes.len() as u64, version(about), hex(bytes, 32));
        durable::write(&self.folder.join(name), bytes)
    }

    /// Writes down what the server says of the file. If that is another version than is kept, what is kept is dropped.
    ///
    /// # Errors
    /// The disk cannot be written.
    pub fn describe(&self, about: &About) -> io::Result<()> {
        match self.about() {
            Some(known) if known == *about => return Ok(()),
            Some(_) => self.forget()?,
            None => {}
        }
        let place = self.place.folder.join(PLACE);
        if !place.is_file() {
            let text = serde_json::json!({ "place": self.place.identity });
            durable::write(&place, format!("{text}\n").as_bytes())?;
        }
        let described = Described { path: self.path.clone(), about: about.clone() };
        let text = serde_json::to_string(&described).map_err(io::Error::other)?;
        durable::write(&self.folder.join(ABOUT), format!("{text}\n").as_bytes())
    }

    /// Drops all that is kept of the file, at once.
    ///
    /// # Errors
    /// The disk cannot be written.
    pub fn forget(&self) -> io::Result<()> {
        match durable::remove(&self.folder) {
            Err(error) if error.kind() != ErrorKind::NotFound => Err(error),
            _ => Ok(()),
        }
    }

    fn stretches(&self, about: &About) -> Vec<Stretch> {
        let version = version(about);
        let entries = fs::read_dir(&self.folder).into_iter().flatten().flatten();
        let mut all: Vec<Stretch> = entries
            .filter_map(|entry| {
                let name = entry.file_name();
                let (range, digest) = named(name.to_str()?, &version)?;
                (range.end <= about.length).then(|| Stretch { range, digest, path: entry.path() })
            })
            .collect();
        all.sort_by_key(|one| (one.range.start, one.range.end));
        all
    }
}

impl Stretch {
    /// Its bytes, if they are those that were written.
    fn read(&self) -> io::Result<Option<Vec<u8>>> {
        let length = self.range.end - self.range.start;
        let read = || match fs::metadata(&self.path)?.len() == length {
            true => fs::read(&self.path),
            false => Ok(Vec::new()),
        };
        match read() {
            Ok(bytes) if bytes.len() as u64 == length && hex(&bytes, 32) == self.digest => Ok(Some(bytes)),
            Ok(_) => {
                drop(fs::remove_file(&self.path));
                Ok(None)
            }
            // Another process has removed it.
            Err(error) if error.kind() == ErrorKind::NotFound => Ok(None),
            Err(error) => Err(error),
        }
    }
}

/// `START-END.VERSION.DIGEST`, of this version.
fn named(name: &str, version: &str) -> Option<(Range<u64>, String)> {
    let (range, rest) = name.split_once('.')?;
    let digest = rest.strip_prefix(version)?.strip_prefix('.')?;
    let (start, end) = range.split_once('-')?;
    let (start, end) = (start.parse().ok()?, end.parse().ok()?);
    (digest.len() == 32 && start < end && end - start <= PIECE).then(|| (start..end, digest.to_string()))
}

fn version(about: &About) -> String {
    hex(format!("{about:?}").as_bytes(), 8)
}

/// The first letters of a digest.
fn hex(bytes: &[u8], letters: usize) -> String {
    blake3::hash(bytes).to_hex().chars().take(letters).collect()
}

/// A part of a path as a name that every system takes and that none of ours collides with.
fn spelt(part: &str) -> String {
    let mut name = String::new();
    for byte in part.bytes() {
        match byte {
            b'.' if name.is_empty() => name.push_str("%2E"),
            b'a'..=b'z' | b'A'..=b'Z' | b'0'..=b'9' | b'.' | b'_' | b'-' | b'=' => {
                name.push(char::from(byte))
            }
            other => name.push_str(&format!("%{other:02X}")),
        }
    }
    if name.len() > LONGEST_NAME {
        name.truncate(LONGEST_NAME - 17);
        name = format!("{name}%{}", hex(part.as_bytes(), 16));
    }
    if name.is_empty() { "%".to_string() } else { name }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn about(etag: &str) -> About {
        About { length: 100, etag: Some(etag.into()), modified: None }
    }

    fn kept(root: &Path) -> Kept {
        Cache::new(root, "s3://bucket/a", "s3://bucket/a").file("x/y.grib2")
    }

    #[test]
    fn stretches_are_put_together() {
        let root = tempfile::tempdir().unwrap();
        let (kept, one) = (kept(root.path()), about("1"));
        assert_eq!(kept.about(), None);
        let all: Vec<u8> = (0..100).collect();
        for range in [0..40, 30..50, 60..100] {
            kept.put(&one, range.start as u64, &all[range]).unwrap();
        }
        assert_eq!(kept.about(), Some(one.clone()));
        assert_eq!(kept.present(&one), [0..50, 60..100]);
        assert_eq!(kept.read(&one, &(10..50)).unwrap().unwrap(), &all[10..50]);
        assert_eq!(kept.read(&one, &(10..51)).unwrap(), None);
        assert!(root.path().join("s3-bucket-a-").parent().is_some());
    }

    #[test]
    fn another_version_drops_the_first() {
        let root = tempfile::tempdir().unwrap();
        let kept = kept(root.path());
        kept.put(&about("1"), 0, b"old").unwrap();
        kept.put(&about("2"), 5, b"new").unwrap();
        assert_eq!(kept.about(), Some(about("2")));
        assert_eq!(kept.present(&about("1")), []);
        assert_eq!(kept.present(&about("2")), std::slice::from_ref(&(5..8)));
        kept.forget().unwrap();
        kept.forget().unwrap();
        assert_eq!(kept.about(), None);
    }

    #[test]
    fn a_changed_byte_is_noticed() {
        let root = tempfile::tempdir().unwrap();
        let (kept, one) = (kept(root.path()), about("1"));
        kept.put(&one, 0, b"abcd").unwrap();
        let file = kept.stretches(&one).remove(0).path;
        for damage in [&b"abCd"[..], b"abc", b""] {
            kept.put(&one, 0, b"abcd").unwrap();
            fs::write(&file, damage).unwrap();
            assert_eq!(kept.read(&one, &(1..2)).unwrap(), None);
            assert!(!file.exists());
        }
        // What a killed process leaves is not looked at.
        fs::write(kept.folder.join(".writing-x"), b"abcd").unwrap();
        fs::write(kept.folder.join("0-4"), b"abcd").unwrap();
        assert_eq!(kept.present(&one), [] as [Range<u64>; 0]);
    }

    #[test]
    fn old_folders_are_listed_once() {
        let root = tempfile::tempdir().unwrap();
        let cache = Cache::new(root.path(), "s3://b", "s3://b");
        let (now, week) = (1_800_000_000, 7 * 86_400);
        let listing = |newest| Listing { files: vec![("a/b".into(), Some(3)), ("a/c".into(), None)], newest };
        assert!(cache.listing("a", now).is_none());
        for (newest, later, stays) in [
            (now - week, 100 * week, true),
            (now - week + 1, 100 * week, false),
            (now - 5, 3599, true),
            (now - 5, 3601, false),
            // A clock that was set back.
            (now - 5, -60, false),
        ] {
            cache.list("a/", listing(newest), now).unwrap();
            cache.list("a", listing(newest), now).unwrap();
            assert_eq!(cache.listing("a", now + later), Some((listing(newest), stays)), "{newest} {later}");
        }
        cache.list("empty", Listing::default(), now).unwrap();
        assert_eq!(cache.listing("empty", now + 4000), Some((Listing::default(), false)));
    }

    #[test]
    fn odd_names_stay_apart_and_within() {
        assert_eq!(spelt("a.grib2"), "a.grib2");
        assert_eq!(spelt(".."), "%2E.");
        assert_eq!(spelt("a~"), "a%7E");
        assert_eq!(spelt("a b\\c:ü"), "a%20b%5Cc%3A%C3%BC");
        let (one, other) = (spelt(&"x".repeat(400)), spelt(&"x".repeat(401)));
        assert!(one.len() <= LONGEST_NAME && other.len() <= LONGEST_NAME && one != other);
        let cache = Cache::new(Path::new("cache"), "s3://b", "s3://b");
        assert!(cache.file("../../x").folder.starts_with(&cache.folder));
        assert_eq!(cache.file("../../x").folder.components().count(), 5);
    }
}
