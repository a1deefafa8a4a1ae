//! GRIB2: real files of every packing, and small ones against ecCodes.

use std::collections::BTreeMap;
use std::path::Path;

use aurora_runtime::data::grib::{Field, Grib};
use aurora_tests::small;

use crate::{ALWAYS, Chance, Damage, TIMES, alone, cases, measured};

/// Files with their packing and what is special about them.
const FILES: [&str; 12] = [
    // Complex with second differences, 1799 x 1059 points.
    "hrrr/hrrr.t06z.wrfsfcf01-TMP.grib2",
    // A constant field in 188 bytes, 1.9 million points.
    "hrrr/hrrr.t06z.wrfsfcf01-CFRZR.grib2",
    // With a bitmap.
    "hrrr/hrrr.t00z.wrfprsf00-space.grib2",
    // Two messages.
    "hrrr/hrrr.wrfsubhf.sample.grib2",
    "hrrr/subset_20201214_hrrr.t00z.wrfsfcf12.grib2",
    // 181 fields, some two in a message.
    "rap_nam_gfs/nam.t00z.awp21100.tm00.grib2",
    "rap_nam_gfs/eta.grb",
    "rap_nam_gfs/gfs.complex.grib2",
    "rap_nam_gfs/gfs.jpeg.grib2",
    "rap_nam_gfs/gfs.png.grib2",
    "rap_nam_gfs/gfs.t18z.pgrb2.0p25.f186-RH.grib2",
    // CCSDS.
    "era5_ecmwf/aifs-single-t500.grib2",
];
/// Decoded values of one file at a time, in points; of larger files a few fields are read.
const POINTS: u64 = 4_000_000;

/// A real file as it should be.
struct Whole {
    bytes: Vec<u8>,
    fields: Vec<Field>,
    /// Digests of values by the place of the field, made when they are first wanted.
    digests: BTreeMap<usize, Option<u64>>,
    grib: Grib,
}

/// A number for the bits of all values.
fn digest(values: &[f32]) -> u64 {
    values.iter().fold(0xcbf2_9ce4_8422_2325, |sum, value| {
        (sum ^ u64::from(value.to_bits())).wrapping_mul(0x0100_0000_01b3)
    })
}

fn read(grib: &Grib, field: &Field) -> Result<Vec<f32>, String> {
    grib.values::<f32>(field).map_err(|error| error.to_string())
}

impl Whole {
    fn open(path: &Path) -> Whole {
        let bytes = std::fs::read(path).unwrap_or_else(|error| panic!("{}: {error}", path.display()));
        let grib = Grib::open(path).expect("sound");
        Whole { bytes, fields: grib.fields().to_vec(), digests: BTreeMap::new(), grib }
    }

    fn digest(&mut self, place: usize) -> Option<u64> {
        let (grib, field) = (&self.grib, &self.fields[place]);
        *self.digests.entry(place).or_insert_with(|| read(grib, field).ok().map(|values| digest(&values)))
    }

    /// The message in which a byte lies: its first field.
    fn message_at(&self, place: usize) -> Option<&Field> {
        self.fields.iter().find(|field| field.bytes().contains(&(place as u64)))
    }

    /// The first bytes of each message, and its last.
    fn heads(&self) -> Vec<std::ops::Range<usize>> {
        let of = |field: &Field| {
            let (start, end) = (field.bytes().start as usize, field.bytes().end as usize);
            [start..end.min(start + 300), end - 4..end]
        };
        self.fields.iter().flat_map(of).collect()
    }
}

#[test]
fn real_files_cut_and_changed() {
    let Some(data) = std::env::var_os("AURORAC_TEST_DATA") else {
        eprintln!("skipped: AURORAC_TEST_DATA does not say where the test data are");
        return;
    };
    let _alone = alone();
    let count = cases(240).div_ceil(FILES.len());
    let folder = tempfile::tempdir().expect("a folder");
    let (mut errors, mut same, mut other) = (0, 0, 0);
    for (number, name) in FILES.iter().enumerate() {
        let mut whole = Whole::open(&Path::new(&data).join("data").join(name));
        let path = folder.path().join(format!("{number}.grib2"));
        let mut chance = Chance(number as u64 + 1);
        for damage in Damage::cases(count, whole.bytes.len(), &whole.heads(), &mut chance) {
            let bytes = damage.of(&whole.bytes);
            std::fs::write(&path, &bytes).expect("written");
            match judge(&mut whole, &path, &bytes, damage) {
                Judged::Error => errors += 1,
                Judged::Same => same += 1,
                Judged::Other => other += 1,
            }
        }
    }
    eprintln!(
        "{errors} errors, {same} read as before, {other} read with other values in the message that was changed"
    );
    assert!(errors > count && same > 0);
}

enum Judged {
    Error,
    Same,
    Other,
}

fn judge(whole: &mut Whole, path: &Path, bytes: &[u8], damage: Damage) -> Judged {
    let what = format!("{}, {damage:?}", whole.grib.path().display());
    let (opened, most) = measured(|| Grib::open(path));
    assert!(
        most <= TIMES * bytes.len() + ALWAYS,
        "{what}: {most} bytes of memory to walk {} bytes",
        bytes.len()
    );
    let place = match damage {
        Damage::Cut(length) => length,
        Damage::Flip(place, _) => place,
    };
    let grib = match opened {
        Ok(grib) => grib,
        Err(error) => {
            let said = error.to_string();
            assert!(said.starts_with(&path.display().to_string()), "{what}: {said}");
            // Nothing before the damage can be at fault. A first message without its first letters is no message.
            if let Some((_, offset)) = error.place {
                let expected = whole.message_at(place).map_or(0, |field| field.offset);
                assert!(offset == expected, "{what}: {said}, but byte {expected} begins what was damaged");
                assert!(said.contains(&format!("(at byte {offset})")), "{what}: {said}");
            } else {
                assert!(whole.fields[0].bytes().contains(&(place as u64)), "{what}: {said}");
            }
            return Judged::Error;
        }
    };
    if let Damage::Cut(length) = damage {
        let ends = whole.fields.iter().any(|field| field.bytes().end == length as u64);
        let begins = whole.fields.iter().any(|field| field.offset == length as u64);
        let torn = grib.skipped() > whole.grib.skipped();
        assert!(ends || begins || torn, "{what}: cut within a message and read without complaint");
    }
    values(whole, &grib, bytes.len(), place, &what)
}

/// Reads what can be read: fields of untouched messages must be as they were.
fn values(whole: &mut Whole, grib: &Grib, length: usize, place: usize, what: &str) -> Judged {
    let touched = whole.message_at(place).map(|field| field.offset);
    let lost = grib.messages() < whole.grib.messages();
    let mut left = POINTS;
    let mut judged = Judged::Same;
    for field in grib.fields() {
        let points = field.grid.points.max(1);
        let near = touched.is_some_and(|touched| field.offset == touched);
        if !near && points > left {
            continue;
        }
        left = left.saturating_sub(points);
        let justified = points.saturating_mul(4) <= (TIMES / 4 * length) as u64;
        let (values, most) = measured(|| read(grib, field));
        if justified {
            assert!(
                most <= TIMES * length + ALWAYS,
                "{what}: {most} bytes for field {} of {length}",
                field.number()
            );
        }
        let before = whole.fields.iter().position(|one| one.offset == field.offset && one.part == field.part);
        match (values, before) {
            (Err(said), _) => {
                assert!(near, "{what}: {said}, in a message that is as it was");
                assert!(
                    said.contains(&format!("message {} (at byte {})", field.message, field.offset)),
                    "{what}: {said}"
                );
                judged = Judged::Error;
            }
            (Ok(values), Some(before)) if !near => {
                assert_eq!(
                    Some(digest(&values)),
                    whole.digest(before),
                    "{what}: field {} was not touched",
                    field.number()
                );
            }
            // A message within the bytes of one that has lost its beginning.
            (Ok(_), None) => assert!(lost || near, "{what}: a field that was not there"),
            (Ok(values), Some(before)) => {
                if Some(digest(&values)) != whole.digest(before) {
                    judged = Judged::Other;
                }
            }
        }
    }
    judged
}

/// Single precision rounds to 2^-24 of a value; ecCodes' own arithmetic differs in the last bits of f64.
const ROUNDING: f64 = 1e-12;

#[test]
fn small_files_are_read_as_eccodes_reads_them() {
    for small in small::files(".grib2") {
        let grib = Grib::open(&small.path).expect("sound");
        let values: Vec<f64> = grib.values(&grib.fields()[0]).expect("readable");
        assert_eq!(values.len(), small.values.len(), "{}", small.name);
        for (one, other) in values.iter().zip(&small.values) {
            let same = one.is_nan() && other.is_nan() || (one - other).abs() <= ROUNDING * other.abs();
            assert!(same, "{}: {one} and {other}", small.name);
        }
    }
}

/// Every length, and every bit of every byte, of each packing.
#[test]
fn small_files_cut_and_changed_everywhere() {
    let _alone = alone();
    let name = Path::new("small.grib2");
    for small in small::files(".grib2") {
        let cuts = (0..small.bytes.len()).map(Damage::Cut);
        let places = 0..small.bytes.len();
        let flips = places.flat_map(|place| (0..8).map(move |bit| Damage::Flip(place, 1 << bit)));
        for damage in cuts.chain(flips) {
            let bytes = damage.of(&small.bytes);
            let what = format!("{}, {damage:?}", small.name);
            let (opened, most) = measured(|| Grib::of_bytes(name, bytes.clone(), 0));
            assert!(most <= TIMES * bytes.len() + ALWAYS, "{what}: {most} bytes to walk");
            assert!(opened.is_err() || !matches!(damage, Damage::Cut(_)), "{what}: read without complaint");
            match opened {
                Err(error) => assert!(error.to_string().starts_with("small.grib2: "), "{what}: {error}"),
                Ok(grib) => {
                    for field in grib.fields() {
                        if field.grid.points < 1 << 16
                            && let Err(error) = grib.values::<f64>(field)
                        {
                            let said = error.to_string();
                            assert!(
                                said.starts_with("small.grib2: message 1 (at byte 0): "),
                                "{what}: {said}"
                            );
                        }
                    }
                }
            }
        }
    }
}
