use std::collections::BTreeMap;
use std::ops::Range;
use std::sync::Mutex;

use jiff::Timestamp;
use ndarray::{Array2, Axis};

use super::*;
use crate::data::archive::{Archive, ArchiveField, Request};
use crate::data::files::Folder;
use crate::data::synthesize::{Extent, Order};

mod domains;
mod looks;
mod quarters;

/// An archive of some hours from 2020-05-20T00Z on the tile.
fn made(hours: u32) -> tempfile::TempDir {
    made_with(hours, false)
}

fn made_with(hours: u32, quarters: bool) -> tempfile::TempDir {
    let folder = tempfile::tempdir().unwrap();
    let from = time("2020-05-20T00:00:00Z");
    let order = Order { folder: folder.path().into(), extent: Extent::Tile, from, hours, quarters };
    order.write(&mut |_| true).unwrap();
    folder
}

fn time(text: &str) -> Timestamp {
    text.parse().unwrap()
}

fn opened(folder: &tempfile::TempDir) -> Hrrr {
    Hrrr::open("hrrr", Arc::new(Folder::new(folder.path())), Domain::Conus).unwrap()
}

/// A folder some of whose files are others; those named `until` only until they are forgotten.
#[derive(Debug)]
struct Meddled {
    folder: Folder,
    instead: Mutex<BTreeMap<String, Vec<u8>>>,
    heals: bool,
    forgotten: Mutex<Vec<String>>,
}

impl Meddled {
    fn open(
        folder: &tempfile::TempDir,
        path: &str,
        heals: bool,
        change: impl Fn(&mut Vec<u8>),
    ) -> (Arc<Self>, Hrrr) {
        let mut bytes = std::fs::read(folder.path().join(path)).unwrap();
        change(&mut bytes);
        let instead = Mutex::new(BTreeMap::from([(path.to_string(), bytes)]));
        let files = Arc::new(Meddled {
            folder: Folder::new(folder.path()),
            instead,
            heals,
            forgotten: Mutex::default(),
        });
        let archive = Hrrr::open("hrrr", Arc::clone(&files) as Arc<dyn Files>, Domain::Conus).unwrap();
        (files, archive)
    }
}

impl Files for Meddled {
    fn place(&self) -> String {
        "there".into()
    }

    fn length(&self, path: &str) -> Result<Option<u64>, FileError> {
        match self.instead.lock().unwrap().get(path) {
            Some(bytes) => Ok(Some(bytes.len() as u64)),
            None => self.folder.length(path),
        }
    }

    fn read(&self, path: &str, range: Range<u64>) -> Result<Vec<u8>, FileError> {
        match self.instead.lock().unwrap().get(path) {
            Some(bytes) => match bytes.get(range.start as usize..range.end as usize) {
                Some(part) => Ok(part.to_vec()),
                None => Err(FileError {
                    place: self.place(),
                    path: path.into(),
                    reason: "it is too short".into(),
                }),
            },
            None => self.folder.read(path, range),
        }
    }

    fn list(&self, folder: &str) -> Result<Vec<(String, Option<u64>)>, FileError> {
        self.folder.list(folder)
    }

    fn forget(&self, path: &str) {
        self.forgotten.lock().unwrap().push(path.into());
        if self.heals {
            self.instead.lock().unwrap().remove(path);
        }
    }
}

const SURFACE: &str = "hrrr.20200520/conus/hrrr.t01z.wrfsfcf00.grib2";
const T2M: &str = "TMP:2 m above ground";

fn instant(from: &str) -> Request<'_> {
    Request { from, cell: None, levels: None }
}

/// A field of a file as the reader of files has it.
fn directly(folder: &tempfile::TempDir, path: &str, fits: impl Fn(&grib::Field) -> bool) -> Array2<f32> {
    let file = Grib::open(&folder.path().join(path)).unwrap();
    let field = file.fields().iter().find(|field| fits(field)).unwrap();
    file.image(field).unwrap()
}

#[test]
fn fields_come_from_the_files_that_hold_them() {
    let folder = made(2);
    let archive = opened(&folder);
    let hour = time("2020-05-20T01:00:00Z");
    assert_eq!((archive.times().from, archive.times().to), (time("2020-05-20T00:00:00Z"), hour));
    assert_eq!(archive.grid().plan.projection, Extent::Tile.plan().projection);
    assert_eq!(archive.grid().plan.southwest, Extent::Tile.plan().southwest);
    let screen = archive.fetch(&instant(T2M), hour).unwrap();
    let expected = directly(&folder, SURFACE, |field| {
        field.name() == "TMP" && field.product.level_name() == "2 m above ground"
    });
    assert_eq!(screen.index_axis(Axis(0), 0), expected);
    // What is over an hour is that of the run before; in f00 it is zero everywhere.
    let from = "MXUPHL:5000-2000 m above ground";
    let uh = archive.fetch(&Request { cell: Some("max over 1 h"), ..instant(from) }, hour).unwrap();
    let before = "hrrr.20200520/conus/hrrr.t00z.wrfsfcf01.grib2";
    let expected = directly(&folder, before, |field| {
        field.name() == "MXUPHL" && field.product.level_name() == "2000-5000 m above ground"
    });
    assert_eq!(uh.index_axis(Axis(0), 0), expected);
    assert!(uh.iter().any(|value| *value > 10.0));
    assert_eq!(archive.read(from, hour).unwrap(), uh);
    // Bounds either way round.
    let helicity = |from: &str| archive.fetch(&instant(from), hour).unwrap();
    assert_eq!(helicity("HLCY:3000-0 m above ground"), helicity("HLCY:0-3000 m above ground"));
}

#[test]
fn levels_come_in_the_order_asked_for() {
    let folder = made(1);
    let archive = opened(&folder);
    let hour = time("2020-05-20T00:00:00Z");
    let fields = archive.fields();
    let offered = fields.iter().find(|field| field.from == "TMP").unwrap().levels.clone().unwrap();
    assert_eq!((offered.len(), offered[0], offered[38]), (39, 100_000.0, 5_000.0));
    let place = |level: f64| offered.iter().position(|held| *held == level).unwrap();
    let levels = [place(50_000.0), place(85_000.0)];
    let some = archive.fetch(&Request { levels: Some(&levels), ..instant("TMP") }, hour).unwrap();
    for (level, value) in [50_000.0, 85_000.0].into_iter().enumerate() {
        let path = "hrrr.20200520/conus/hrrr.t00z.wrfprsf00.grib2";
        let is = |field: &grib::Field| {
            field.name() == "TMP" && Level::of(&field.product).unwrap().low == Some(value)
        };
        assert_eq!(some.index_axis(Axis(0), level), directly(&folder, path, is));
    }
    assert!(archive.fetch(&Request { levels: Some(&[39]), ..instant("TMP") }, hour).is_err());
    // Units are SI, and a share is no percentage.
    let humid = fields.iter().find(|field| field.from == "RH:2 m above ground").unwrap();
    assert_eq!(humid.units, "1");
    let humid = archive.read("RH:2 m above ground", hour).unwrap();
    assert!(humid.iter().all(|value| (0.0..=1.5).contains(value)));
}

#[test]
fn without_an_inventory_the_files_are_walked() {
    let folder = made(2);
    let archive = opened(&folder);
    let hour = time("2020-05-20T01:00:00Z");
    let (screen, wind) = (archive.read(T2M, hour).unwrap(), archive.read("UGRD", hour).unwrap());
    let (fields, identity) = (archive.fields(), archive.identity());
    for day in ["hrrr.20200519", "hrrr.20200520"] {
        for entry in std::fs::read_dir(folder.path().join(day).join("conus")).unwrap() {
            let path = entry.unwrap().path();
            if path.extension().is_some_and(|ending| ending == "idx") {
                std::fs::remove_file(path).unwrap();
            }
        }
    }
    let archive = opened(&folder);
    assert_eq!((archive.read(T2M, hour).unwrap(), archive.read("UGRD", hour).unwrap()), (screen, wind));
    assert_eq!(archive.identity(), identity);
    let names = |fields: &[ArchiveField]| {
        let mut names: Vec<String> = fields.iter().map(|field| field.from.clone()).collect();
        names.sort();
        names
    };
    assert_eq!(names(&archive.fields()), names(&fields));
}

#[test]
fn later_hours_change_no_identity_and_other_archives_have_another() {
    let folder = made(1);
    let one = opened(&folder).identity();
    let order = |hours: u32, from: &str| Order {
        folder: folder.path().into(),
        extent: Extent::Tile,
        from: time(from),
        hours,
        quarters: false,
    };
    order(1, "2020-05-20T03:00:00Z").write(&mut |_| true).unwrap();
    let archive = opened(&folder);
    assert_eq!(archive.identity(), one);
    // A hole is absent, and says which file it wants.
    let (hole, there) = (time("2020-05-20T02:00:00Z"), time("2020-05-20T03:00:00Z"));
    assert!(!archive.has(hole) && archive.has(there) && archive.times().contains(hole));
    let why = archive.absence(&[instant(T2M)], hole).unwrap();
    assert_eq!(why, "hrrr.20200520/conus/hrrr.t02z.wrfsfcf00.grib2 is not there");
    assert_eq!(archive.absence(&[instant(T2M)], there), None);
    std::fs::remove_dir_all(folder.path().join("hrrr.20200520")).unwrap();
    std::fs::remove_dir_all(folder.path().join("hrrr.20200519")).unwrap();
    order(1, "2020-05-20T03:00:00Z").write(&mut |_| true).unwrap();
    assert_ne!(opened(&folder).identity(), one);
}

#[test]
fn what_a_file_lacks_is_named() {
    let folder = made(2);
    let hour = time("2020-05-20T01:00:00Z");
    let misspelt = |bytes: &mut Vec<u8>| {
        let text = String::from_utf8(bytes.clone()).unwrap();
        *bytes = text.replace(":TMP:2 m above", ":TPM:2 m above").into_bytes();
    };
    let (_, archive) = Meddled::open(&folder, &format!("{SURFACE}.idx"), false, misspelt);
    let error = archive.read(T2M, hour).unwrap_err().to_string();
    assert_eq!(
        error,
        format!(
            "there/{SURFACE}: the record TMP:2 m above ground:anl: the file is there but has no such record"
        )
    );
    let error = archive.fetch(&instant("NONE:surface"), hour).unwrap_err();
    assert!(matches!(error, DataError::UnknownField { .. }), "{error}");
    let quarter = Request { cell: Some("max over 15 min"), ..instant("MXUPHL:5000-2000 m above ground") };
    assert!(archive.fetch(&quarter, hour).unwrap_err().to_string().contains("wrfsubh"));
}

/// A list that calls one record by another's name is not believed, nor one that ends too soon or begins too late.
#[test]
fn lists_are_held_to_the_files() {
    let folder = made(2);
    let hour = time("2020-05-20T01:00:00Z");
    let list = format!("{SURFACE}.idx");
    let change = |from: &'static str, to: &'static str| {
        move |bytes: &mut Vec<u8>| {
            let text = String::from_utf8(bytes.clone()).unwrap();
            assert!(text.contains(from));
            *bytes = text.replace(from, to).into_bytes();
        }
    };
    let said = |change: &dyn Fn(&mut Vec<u8>)| {
        let (files, archive) = Meddled::open(&folder, &list, false, change);
        let error = archive.read(T2M, hour).unwrap_err().to_string();
        assert!(files.forgotten.lock().unwrap().contains(&list), "{error}");
        error
    };
    let error = said(&change("TMP:surface", "TMP:2 m above ground"));
    assert!(error.contains("the message at byte") && error.contains("is TMP (0.0.0) at surface"), "{error}");
    let error = said(&change("d=2020052001:TMP:2 m", "d=20200520xx:TMP:2 m"));
    assert!(error.starts_with(&format!("there/{list}: line 17: ")), "{error}");
    let error = said(&|bytes: &mut Vec<u8>| bytes.truncate(500));
    assert!(
        error.contains("one of the two is not whole")
            || error.contains("ends with")
            || error.contains("it ends before its")
            || error.contains("is no"),
        "{error}"
    );
    // Cut at the end of a line.
    let error = said(&|bytes: &mut Vec<u8>| {
        let text = String::from_utf8(bytes.clone()).unwrap();
        *bytes = text.lines().take(9).map(|line| format!("{line}\n")).collect::<String>().into_bytes();
    });
    assert!(error.contains("ends with record 9"), "{error}");
}

/// A list that was kept while its file was still coming is fetched once more, by whoever asks for it.
#[test]
fn lists_are_fetched_again() {
    let folder = made(3);
    let short = |bytes: &mut Vec<u8>| bytes.truncate(500);
    let list = format!("{SURFACE}.idx");
    // Of an hour that is not looked at when the archive is opened.
    let (files, archive) = Meddled::open(&folder, &list, true, short);
    assert!(files.forgotten.lock().unwrap().is_empty());
    let hour = time("2020-05-20T01:00:00Z");
    let records = archive.records(&[instant(T2M)], hour).unwrap();
    assert_eq!(records, opened(&folder).records(&[instant(T2M)], hour).unwrap());
    assert_eq!(*files.forgotten.lock().unwrap(), [SURFACE.to_string(), list]);
    // Of the only hour that there is.
    let folder = made(1);
    let list = "hrrr.20200520/conus/hrrr.t00z.wrfsfcf00.grib2.idx";
    let (files, archive) = Meddled::open(&folder, list, true, short);
    assert!(files.forgotten.lock().unwrap().contains(&list.to_string()));
    assert!(archive.read(T2M, time("2020-05-20T00:00:00Z")).is_ok());
}

/// What is damaged is fetched once more, and is an error only then.
#[test]
fn damage_is_fetched_again() {
    let folder = made(2);
    let hour = time("2020-05-20T01:00:00Z");
    let whole = opened(&folder).read(T2M, hour).unwrap();
    let spoil = |bytes: &mut Vec<u8>| {
        let file = Grib::open(&folder.path().join(SURFACE)).unwrap();
        let is =
            |field: &&grib::Field| field.name() == "TMP" && field.product.level_name() == "2 m above ground";
        let end = file.fields().iter().find(is).unwrap().bytes().end as usize;
        bytes[end - 1] = b'8';
    };
    let (files, archive) = Meddled::open(&folder, SURFACE, true, spoil);
    assert_eq!(archive.read(T2M, hour).unwrap(), whole);
    assert_eq!(*files.forgotten.lock().unwrap(), [SURFACE.to_string(), format!("{SURFACE}.idx")]);
    let (_, archive) = Meddled::open(&folder, SURFACE, false, spoil);
    let error = archive.read(T2M, hour).unwrap_err().to_string();
    assert!(
        error.starts_with(&format!("there/{SURFACE}: record 17 (TMP:2 m above ground:anl): at byte ")),
        "{error}"
    );
    assert!(error.contains("7777"), "{error}");
    let (_, archive) = Meddled::open(&folder, SURFACE, false, |bytes| bytes.truncate(bytes.len() / 2));
    assert!(archive.read("LAND:surface", hour).is_err());
    // A run of another hour under this name.
    let other = std::fs::read(folder.path().join("hrrr.20200520/conus/hrrr.t00z.wrfsfcf00.grib2")).unwrap();
    let listed =
        std::fs::read(folder.path().join("hrrr.20200520/conus/hrrr.t00z.wrfsfcf00.grib2.idx")).unwrap();
    std::fs::write(folder.path().join(SURFACE), other).unwrap();
    std::fs::write(folder.path().join(format!("{SURFACE}.idx")), listed).unwrap();
    let error = opened(&folder).read(T2M, hour).unwrap_err().to_string();
    assert!(error.contains("it is of the run 2020-05-20T00:00:00Z"), "{error}");
}
