//! What an archive is told by: inventories of different years, grids that moved, places that do not answer.

use super::*;
use crate::data::grib::encode::{About, Lambert, Packing, message};
use crate::data::grib::product::Code;
use crate::data::grib::words::When;

/// Where latitudes of the first point begin in a message of HRRR: after section 0 and 1, octet 39 of section 3.
const LA1: usize = 16 + 21 + 38;

fn renamed(from: &'static str, to: &'static str) -> impl Fn(&mut Vec<u8>) {
    move |bytes: &mut Vec<u8>| {
        let text = String::from_utf8(bytes.clone()).unwrap();
        assert!(text.contains(from));
        *bytes = text.replace(from, to).into_bytes();
    }
}

#[test]
fn fields_that_came_or_went_are_offered() {
    let folder = made(2);
    let [first, newest] =
        ["00", "01"].map(|hour| format!("hrrr.20200520/conus/hrrr.t{hour}z.wrfsfcf00.grib2.idx"));
    let water = "PWAT:entire atmosphere (considered as a single layer)";
    for (changed, there, not) in [(&first, "01", "00"), (&newest, "00", "01")] {
        let (_, archive) = Meddled::open(&folder, changed, false, renamed(":PWAT:", ":PWTA:"));
        assert!(archive.fields().iter().any(|field| field.from == water), "{changed}");
        let read = |hour: &str| archive.read(water, time(&format!("2020-05-20T{hour}:00:00Z")));
        assert!(read(there).is_ok(), "{changed}");
        assert!(matches!(read(not), Err(DataError::Record { .. })), "{changed}");
    }
}

#[test]
fn of_the_newest_run_not_every_file_need_be_there() {
    let folder = made(2);
    std::fs::remove_file(folder.path().join("hrrr.20200520/conus/hrrr.t01z.wrfprsf00.grib2")).unwrap();
    let archive = opened(&folder);
    assert!(archive.fields().iter().any(|field| field.from == "TMP"));
    assert!(archive.read("TMP", time("2020-05-20T00:00:00Z")).is_ok());
}

/// The first messages of 2014 lie 123 millionths of a degree south of those of today.
#[test]
fn a_grid_that_moved_by_a_fiftieth_of_a_point_is_the_same() {
    let folder = made(3);
    let hour = time("2020-05-20T01:00:00Z");
    let moved = |by: u32| {
        let records = Index::read(
            &(Arc::new(Folder::new(folder.path())) as Arc<dyn Files>),
            SURFACE,
            std::fs::metadata(folder.path().join(SURFACE)).unwrap().len(),
        );
        let starts: Vec<u64> = records.unwrap().records.iter().map(|record| record.bytes.start).collect();
        let change = move |bytes: &mut Vec<u8>| {
            for start in &starts {
                let place = &mut bytes[*start as usize + LA1..][..4];
                let latitude = u32::from_be_bytes([place[0], place[1], place[2], place[3]]);
                assert_eq!(latitude, 35_864_054);
                place.copy_from_slice(&(latitude - by).to_be_bytes());
            }
        };
        Meddled::open(&folder, SURFACE, false, change).1.read(T2M, hour)
    };
    assert_eq!(moved(123).unwrap(), opened(&folder).read(T2M, hour).unwrap());
    let error = moved(5000).unwrap_err().to_string();
    assert!(error.contains("another grid"), "{error}");
}

/// A recipe names a grid by its newest messages, whatever the first were.
#[test]
fn the_grid_is_that_of_the_newest_hour() {
    let folder = made(2);
    let first = "hrrr.20200520/conus/hrrr.t00z.wrfsfcf00.grib2";
    let (_, archive) = Meddled::open(&folder, first, false, |bytes| {
        bytes[LA1..LA1 + 4].copy_from_slice(&35_863_931_u32.to_be_bytes());
    });
    assert_eq!(archive.grid().plan.southwest, Extent::Tile.plan().southwest);
}

/// Rain and lightning of an analysis are zeros; those of the hour before are read.
#[test]
fn what_begins_with_the_run_comes_from_the_run_before() {
    let folder = made(2);
    let archive = opened(&folder);
    let hour = time("2020-05-20T01:00:00Z");
    let rate = archive.fetch(&instant("PRATE:surface"), hour).unwrap();
    let is = |field: &grib::Field| field.name() == "PRATE";
    let before = directly(&folder, "hrrr.20200520/conus/hrrr.t00z.wrfsfcf01.grib2", is);
    assert_eq!(rate.index_axis(Axis(0), 0), before);
    assert!(rate.iter().any(|value| *value > 0.0));
    assert!(directly(&folder, SURFACE, is).iter().all(|value| *value == 0.0));
    let missing = archive.absence(&[instant("PRATE:surface")], time("2020-05-20T02:00:00Z"));
    assert_eq!(missing.unwrap(), "hrrr.20200520/conus/hrrr.t01z.wrfsfcf01.grib2 is not there");
    // Without forecasts it is not there at all.
    for path in ["hrrr.20200519/conus/hrrr.t23z", "hrrr.20200520/conus/hrrr.t00z"] {
        std::fs::remove_file(folder.path().join(format!("{path}.wrfsfcf01.grib2"))).unwrap();
    }
    assert!(opened(&folder).fields().iter().all(|field| field.from != "PRATE:surface"));
}

/// Files whose bytes do not come; lists of contents and lengths do.
#[derive(Debug)]
struct Silent {
    folder: Folder,
    until: Mutex<bool>,
    forgotten: Mutex<Vec<String>>,
}

impl Files for Silent {
    fn place(&self) -> String {
        "there".into()
    }

    fn length(&self, path: &str) -> Result<Option<u64>, FileError> {
        self.folder.length(path)
    }

    fn read(&self, path: &str, range: Range<u64>) -> Result<Vec<u8>, FileError> {
        match *self.until.lock().unwrap() {
            true => self.folder.read(path, range),
            false => Err(FileError { place: self.place(), path: path.into(), reason: "it is asleep".into() }),
        }
    }

    fn list(&self, folder: &str) -> Result<Vec<(String, Option<u64>)>, FileError> {
        self.folder.list(folder)
    }

    fn forget(&self, path: &str) {
        self.forgotten.lock().unwrap().push(path.into());
    }
}

/// No hour is taken for missing, and nothing that is kept is thrown away, because a server is down.
#[test]
fn a_place_that_does_not_answer_lacks_no_record() {
    let folder = made(2);
    let hour = time("2020-05-20T01:00:00Z");
    let list = folder.path().join(format!("{SURFACE}.idx"));
    std::fs::write(&list, std::fs::read_to_string(&list).unwrap().replace(":GUST:", ":GTSU:")).unwrap();
    for known in [true, false] {
        let files = Arc::new(Silent {
            folder: Folder::new(folder.path()),
            until: Mutex::new(true),
            forgotten: Mutex::default(),
        });
        let archive = Hrrr::open("hrrr", Arc::clone(&files) as Arc<dyn Files>, Domain::Conus).unwrap();
        if known {
            archive.read(T2M, hour).unwrap();
        }
        *files.until.lock().unwrap() = false;
        let error = archive.read(T2M, hour).unwrap_err();
        assert!(
            matches!(error, DataError::Archive(_)) && error.to_string().contains("it is asleep"),
            "{error:?}"
        );
        assert!(files.forgotten.lock().unwrap().is_empty());
        // Nor is a list said to be cut short.
        let error = archive.records(&[instant("GUST:surface")], hour).unwrap_err();
        assert!(!matches!(error, DataError::Record { .. }), "{error:?}");
    }
}

#[test]
fn no_echo_has_no_top() {
    let folder = made(1);
    let plan = Extent::Tile.plan();
    let [latitude, longitude] = plan.southwest.unwrap();
    let grid = Lambert {
        width: 192,
        height: 192,
        latitude,
        longitude,
        true_latitude: 38.5,
        central_longitude: -97.5,
        spacing: 3000.0,
    };
    let mut values = vec![-999.0_f32; 192 * 192];
    values[7] = 8000.0;
    let run = time("2020-05-20T00:00:00Z");
    let path = "hrrr.20200520/conus/hrrr.t00z.wrfsfcf00.grib2";
    for (number, code) in [3, 197].into_iter().enumerate() {
        let about = About {
            code: Code { discipline: 0, category: 16, number: code },
            level: Level::read("cloud top").unwrap(),
            reversed: false,
            run,
            when: When { ahead: 0, cell: None },
        };
        let made = message(&about, &grid, Packing::Differences { binary: -4 }, &values).unwrap();
        let (file, list) = (folder.path().join(path), folder.path().join(format!("{path}.idx")));
        let mut bytes = std::fs::read(&file).unwrap();
        let mut lines = std::fs::read_to_string(&list).unwrap();
        lines =
            lines.lines().filter(|line| !line.contains("RETOP")).map(|line| format!("{line}\n")).collect();
        let count = lines.lines().count() + 1;
        if number > 0 {
            bytes.truncate(bytes.len() - made.len());
        }
        lines.push_str(&format!("{count}:{}:d=2020052000:RETOP:cloud top:anl:\n", bytes.len()));
        bytes.extend_from_slice(&made);
        std::fs::write(file, bytes).unwrap();
        std::fs::write(list, lines).unwrap();
        let top = opened(&folder).read("RETOP:cloud top", run).unwrap();
        assert_eq!(top.iter().filter(|value| value.is_nan()).count(), 192 * 192 - 1, "{code}");
        assert!(top.iter().any(|value| *value == 8000.0), "{code}");
    }
}
