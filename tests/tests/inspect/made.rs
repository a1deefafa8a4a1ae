//! Files made here, so that these cases run everywhere.

use super::*;

fn write(folder: &tempfile::TempDir, name: &str, bytes: &[u8]) -> PathBuf {
    let path = folder.path().join(name);
    fs::write(&path, bytes).expect("written");
    path
}

/// A GRIB2 message of 3 x 2 points in simple packing of 8 bits, values 10, 11, ... 15, rows from the south.
fn message() -> Vec<u8> {
    let mut sections = Vec::new();
    let mut section = |number: u8, body: &[u8]| {
        sections.extend((body.len() as u32 + 5).to_be_bytes());
        sections.push(number);
        sections.extend(body);
    };
    section(1, &[0, 7, 0, 0, 2, 1, 1, 0x07, 0xe7, 7, 22, 6, 0, 0, 0, 1]);
    let mut grid = vec![0, 0, 0, 0, 6, 0, 0, 0, 0, 6];
    grid.resize(25, 0);
    for word in [3u32, 2, 0, 0xffff_ffff, 40_000_000, 260_000_000] {
        grid.extend(word.to_be_bytes());
    }
    grid.push(48);
    for word in [41_000_000u32, 262_000_000, 1_000_000, 1_000_000] {
        grid.extend(word.to_be_bytes());
    }
    grid.push(0x40);
    section(3, &grid);
    let level = [103, 0, 0, 0, 0, 2, 255, 255, 255, 255, 255, 255];
    let product = [&[0, 0, 0, 0, 0, 0, 2, 0, 0, 0, 0, 0, 1, 0, 0, 0, 1][..], &level].concat();
    section(4, &product);
    let packing = [&[0, 0, 0, 6, 0, 0][..], &10f32.to_be_bytes(), &[0, 0, 0, 0, 8, 0]].concat();
    section(5, &packing);
    section(6, &[255]);
    section(7, &[0, 1, 2, 3, 4, 5]);
    let mut bytes = b"GRIB\0\0\0\x02".to_vec();
    bytes.extend((sections.len() as u64 + 20).to_be_bytes());
    bytes.extend(&sections);
    bytes.extend(b"7777");
    bytes
}

/// A NetCDF classic file: `t(y, x)` of int16 with a scale, an offset and a missing value, and `y`.
fn classic() -> Vec<u8> {
    let word = |value: u32| value.to_be_bytes().to_vec();
    let name = |text: &str| {
        let mut bytes = word(text.len() as u32);
        bytes.extend(text.bytes());
        bytes.resize(bytes.len().next_multiple_of(4), 0);
        bytes
    };
    let short = |text: &str, value: i16| {
        [name(text), word(3), word(1), value.to_be_bytes().to_vec(), vec![0; 2]].concat()
    };
    let double =
        |text: &str, value: f64| [name(text), word(6), word(1), value.to_be_bytes().to_vec()].concat();
    let attributes = [
        word(12),
        word(3),
        double("scale_factor", 0.5),
        double("add_offset", 100.0),
        short("_FillValue", -9),
    ]
    .concat();
    let dimensions = [word(10), word(2), name("y"), word(2), name("x"), word(3)].concat();
    let t = |begin: u32| {
        [name("t"), word(2), word(0), word(1), attributes.clone(), word(3), word(12), word(begin)].concat()
    };
    let y =
        |begin: u32| [name("y"), word(1), word(0), word(0), word(0), word(5), word(8), word(begin)].concat();
    let head = |at: u32| {
        [
            b"CDF\x01".to_vec(),
            word(0),
            dimensions.clone(),
            word(0),
            word(0),
            word(11),
            word(2),
            t(at),
            y(at + 12),
        ]
        .concat()
    };
    let mut bytes = head(head(0).len() as u32);
    for value in [0i16, 1, 2, 3, -9, 5] {
        bytes.extend(value.to_be_bytes());
    }
    for value in [40f32, 41.0] {
        bytes.extend(value.to_be_bytes());
    }
    bytes
}

#[test]
fn grib_by_hand() {
    let folder = tempfile::tempdir().expect("a folder");
    let header = b"\r\r\n001 \r\r\nHTXX \r\r\n";
    let path = write(&folder, "two.grib2", &[&header[..], &message(), &message()].concat());
    let grib = Grib::open(&path).expect("readable");
    assert_eq!((grib.messages(), grib.skipped()), (2, header.len() as u64));
    let field = &grib.fields()[1];
    assert_eq!((field.name().as_str(), field.product.level_name().as_str()), ("TMP", "2 m above ground"));
    assert_eq!(grib.values::<f64>(field).expect("values"), [10.0, 11.0, 12.0, 13.0, 14.0, 15.0]);
    let image = grib.image(field).expect("an image");
    assert_eq!(image.into_raw_vec_and_offset().0, [13.0, 14.0, 15.0, 10.0, 11.0, 12.0]);
    let text = inspect(&path).expect("readable").to_string();
    assert!(
        text.contains("run      2023-07-22 06:00Z") && text.contains("valid    2023-07-22 07:00Z"),
        "{text}"
    );
}

#[test]
fn netcdf_classic_by_hand() {
    let folder = tempfile::tempdir().expect("a folder");
    let path = write(&folder, "t.nc", &classic());
    let file = NetCdf::open(&path).expect("readable");
    let values: Vec<f64> = file.read("t").expect("t").iter().copied().collect();
    assert_eq!(format!("{values:?}"), "[100.0, 100.5, 101.0, 101.5, NaN, 102.5]");
    assert_eq!(file.read_at("t", 1).expect("t").shape(), [3]);
    let found = inspect(&path).expect("readable");
    assert_eq!(found.fields[0].missing, Some(1));
    assert!(file.read("nothing").expect_err("no such variable").to_string().contains("the file has t, y"));
}

#[test]
fn other_files_are_refused_with_a_reason() {
    let folder = tempfile::tempdir().expect("a folder");
    let mut edition_1 = message();
    edition_1[7] = 1;
    let mut no_end = message();
    let end = no_end.len() - 1;
    no_end[end] = b'8';
    let cases: [(&[u8], &str); 5] = [
        (b"", "the file is empty"),
        (b"\x89PNG\r\n\x1a\n and so on", "it begins with `\\x89PNG\\r\\n\\x1a\\n`"),
        (&edition_1, "GRIB edition 1 is not read"),
        (&no_end, "does not end in `7777`"),
        (&message()[..100], "the file has 100 left: it was cut short"),
    ];
    for (bytes, words) in cases {
        let error = inspect(&write(&folder, "file", bytes)).expect_err(words).to_string();
        assert!(error.contains(words), "{error}");
    }
    let error = inspect(folder.path()).expect_err("a folder").to_string();
    assert!(error.contains("not a Zarr store"), "{error}");
}

/// Cut at every length and with every byte changed: an error or a changed reading, never a panic.
#[test]
fn damage_never_panics() {
    let folder = tempfile::tempdir().expect("a folder");
    for (name, whole) in [("file.grib2", message()), ("file.nc", classic())] {
        for length in 0..whole.len() {
            let path = write(&folder, name, &whole[..length]);
            let fine = inspect(&path).is_ok_and(|found| found.problems().next().is_none());
            assert!(!fine, "{name} cut to {length} of {} bytes was read without complaint", whole.len());
        }
        for index in 0..whole.len() {
            for flip in [0x01, 0x80, 0xff] {
                let mut bytes = whole.clone();
                bytes[index] ^= flip;
                let _ = inspect(&write(&folder, name, &bytes)).map(|found| found.to_string());
            }
        }
    }
}
