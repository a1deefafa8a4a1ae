//! HRRR's archive against what others make of the same files: real inventories, and ecCodes on the files that
//! `data synthesize` writes (`tests/reference/hrrr_archive.py`).

use std::path::PathBuf;

use aurora_runtime::data::archive::hrrr::index::Index;
use aurora_runtime::data::grib::Grib;
use aurora_runtime::data::synthesize::{Extent, Order};
use serde_json::Value;

/// Parameters of HRRR's inventories whose codes are not in the table: they are listed by no archive.
const UNNAMED: [&str; 4] = ["0.16.201", "CFNSF", "VEGMAX", "VEGMIN"];

#[test]
fn real_inventories_are_understood_line_by_line() {
    let Some(folder) = std::env::var_os("AURORAC_TEST_DATA") else {
        println!("skipped: AURORAC_TEST_DATA is not set");
        return;
    };
    let folder = PathBuf::from(folder).join("data/idx");
    for (hours, count) in [("00", 170), ("08", 173), ("24", 173)] {
        let name = format!("hrrr.t00z.wrfsfcf{hours}.grib2.idx");
        let text = std::fs::read(folder.join(&name)).expect("an inventory");
        let index = Index::parse(&name, &text, 200_000_000).unwrap_or_else(|error| panic!("{error}"));
        assert_eq!(index.records.len(), count, "{name}");
        for record in &index.records {
            let place = format!("{name}: {}", record.name());
            assert_eq!(record.reference.to_string(), "2025-08-01T00:00:00Z", "{place}");
            let when = record.when.unwrap_or_else(|| panic!("{place}: when?"));
            assert_eq!(when.ahead, hours.parse::<i64>().expect("a number") * 3600, "{place}");
            let level = record.level.unwrap_or_else(|| panic!("{place}: where?"));
            // In words again it is what the file says, with the bounds one way or the other.
            let again = [false, true].map(|turned| level.words(turned));
            assert!(again.contains(&Some(record.level_words.clone())), "{place}: {again:?}");
            assert_eq!(
                record.codes.is_empty() || record.parameter.contains('.'),
                UNNAMED.contains(&&*record.parameter),
                "{place}"
            );
            assert!(record.bytes.start < record.bytes.end, "{place}");
        }
    }
}

/// Whatever std.hrrr names of wrfsfc is in NOAA's own inventories, by name and level.
#[test]
fn the_library_names_nothing_that_hrrr_has_not() {
    let Some(folder) = std::env::var_os("AURORAC_TEST_DATA") else {
        println!("skipped: AURORAC_TEST_DATA is not set");
        return;
    };
    let mut there = std::collections::BTreeSet::new();
    for hours in ["00", "08", "24"] {
        let path = PathBuf::from(&folder).join(format!("data/idx/hrrr.t00z.wrfsfcf{hours}.grib2.idx"));
        let text = std::fs::read_to_string(path).expect("an inventory");
        let name = |line: &str| line.split(':').skip(3).take(2).collect::<Vec<_>>().join(":");
        there.extend(text.lines().map(name));
    }
    let library = include_str!("../../recipes/std/hrrr.aurora");
    let names = library.lines().filter_map(|line| line.split("from \"").nth(1)?.split('"').next());
    let names: Vec<&str> = names.filter(|name| name.contains(':')).collect();
    assert!(names.len() > 60, "{}", names.len());
    for name in names {
        assert!(there.contains(name), "{name}");
    }
}

/// Of every message of the synthetic archive: what it is, and its values. Both decode the same whole numbers: what may
/// differ is the last place of double precision, 1e-12 of the largest value.
#[test]
fn eccodes_reads_what_is_synthesized() {
    let text = include_str!("../fixtures/hrrr/synthetic.json");
    let reference: Value = serde_json::from_str(text).expect("JSON");
    let folder = tempfile::tempdir().expect("a folder");
    let from = "2020-05-20T00:00:00Z".parse().expect("a time");
    let order = Order { folder: folder.path().into(), extent: Extent::Tile, from, hours: 1, quarters: false };
    order.write(&mut |_| true).expect("written");
    let mut seen = 0;
    for (name, messages) in reference["files"].as_object().expect("files") {
        let grib = Grib::open(&folder.path().join(name)).unwrap_or_else(|error| panic!("{error}"));
        let step = if name.contains("wrfprs") { 20 } else { 1 };
        let messages = messages.as_array().expect("a list");
        let fields: Vec<_> = grib.fields().iter().step_by(step).collect();
        assert_eq!(fields.len(), messages.len(), "{name}");
        for (field, message) in fields.into_iter().zip(messages) {
            let place = format!("{name} {} {}", field.number(), field.name());
            let number = |key: &str| message[key].as_f64().unwrap_or_else(|| panic!("{place}: {key}"));
            let code = field.product.code;
            let codes = [code.discipline, code.category, code.number].map(f64::from);
            assert_eq!(codes, ["discipline", "parameterCategory", "parameterNumber"].map(number), "{place}");
            assert_eq!(field.bytes().end - field.bytes().start, number("totalLength") as u64, "{place}");
            assert_eq!(
                f64::from(field.packing.template),
                number("dataRepresentationTemplateNumber"),
                "{place}"
            );
            assert_eq!(
                f64::from(field.product.template),
                number("productDefinitionTemplateNumber"),
                "{place}"
            );
            assert_eq!(number("uvRelativeToGrid"), 1.0, "{place}");
            let values = grib.values::<f64>(field).unwrap_or_else(|error| panic!("{error}"));
            let size = number("minimum").abs().max(number("maximum").abs());
            let same = |ours: f64, theirs: f64, what: &str| {
                assert!((ours - theirs).abs() <= 1e-12 * size, "{place}: {what} {ours}, ecCodes {theirs}");
            };
            same(values.iter().copied().fold(f64::INFINITY, f64::min), number("minimum"), "minimum");
            same(values.iter().copied().fold(f64::NEG_INFINITY, f64::max), number("maximum"), "maximum");
            let count = values.len();
            for (which, at) in [0, count / 3, count / 2, count - 1].into_iter().enumerate() {
                same(values[at], message["points"][which].as_f64().expect("a value"), "point");
            }
            seen += 1;
        }
    }
    assert!(seen >= 70, "{seen}");
}
