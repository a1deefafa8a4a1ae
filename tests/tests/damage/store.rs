//! A training store: what is not as it was written is noticed when it is opened or read.

use std::path::{Path, PathBuf};

use aurora_runtime::data::store::Store;
use aurora_tests::Place;

use crate::{Chance, Damage, alone, cases};

/// The files of a folder with their bytes.
fn files(folder: &Path, found: &mut Vec<(PathBuf, Vec<u8>)>) {
    for entry in std::fs::read_dir(folder).expect("a folder").flatten() {
        match entry.path().is_dir() {
            true => files(&entry.path(), found),
            false => found.push((entry.path(), std::fs::read(entry.path()).expect("a file"))),
        }
    }
}

/// The bits of all that a store holds.
fn all(path: &Path) -> Result<Vec<u32>, String> {
    let store = Store::open_with(path, 0).map_err(|error| error.to_string())?;
    let places = store.latitude().iter().chain(store.longitude());
    let mut bits: Vec<u32> = places.map(|value| value.to_bits()).collect();
    let names: Vec<String> = store.fields().map(|field| field.name.clone()).collect();
    for name in names {
        for time in 0..store.times().len().min(3) {
            let values = store.read(&name, time).map_err(|error| error.to_string())?;
            bits.extend(values.iter().map(|value| value.to_bits()));
        }
    }
    Ok(bits)
}

#[test]
fn cut_and_changed() {
    let _alone = alone();
    let place = Place::tiny();
    let path = place.path(place.done(&["data", "prepare", "tiny.aurora"]).stdout.trim());
    let whole = all(&path).expect("sound");
    let mut found = Vec::new();
    files(&path, &mut found);
    found.sort();
    let mut chance = Chance(7);
    let (mut refused, mut right) = (0, 0);
    for number in 0..cases(150) {
        let (file, bytes) = &found[chance.below(found.len())];
        let damage = match number % 2 {
            0 => Damage::Cut(chance.below(bytes.len())),
            _ => Damage::Flip(chance.below(bytes.len()), 1 << chance.below(8)),
        };
        std::fs::write(file, damage.of(bytes)).expect("written");
        let what = format!("{}, {damage:?}", file.display());
        match all(&path) {
            Err(said) => {
                assert!(said.contains(path.to_str().expect("text")), "{what}: {said}");
                refused += 1;
            }
            // Metadata are text without checksums: another title is no other store. Chunks have theirs.
            Ok(values) => {
                let metadata = file.ends_with("zarr.json");
                assert!(metadata || values == whole, "{what}: other values than were written");
                right += 1;
            }
        }
        std::fs::write(file, bytes).expect("written");
    }
    eprintln!("{refused} refused, {right} read as they were written");
    // Of the many hours a few are read.
    assert!(refused > 0 && right > 0, "{refused} refused, {right} right");
    assert_eq!(all(&path).expect("sound"), whole);
}
