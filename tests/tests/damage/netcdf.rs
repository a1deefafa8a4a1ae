//! NetCDF, classic and in HDF5.

use std::path::Path;

use aurora_runtime::data::netcdf::NetCdf;
use aurora_tests::small;

use crate::{ALWAYS, Chance, Damage, TIMES, alone, cases, measured};

/// The library reads a compressed chunk, its bytes and its values beside one another, each as f64 and as they were.
const VALUES: usize = 64;

#[test]
fn small_files_are_read_as_netcdf4_reads_them() {
    for small in small::files(".nc") {
        let file = NetCdf::open(&small.path).expect("sound");
        let values: Vec<f64> = file.read("t2m").expect("readable").iter().copied().collect();
        assert_eq!(values, small.values, "{}", small.name);
    }
}

#[test]
fn cut_and_changed() {
    let _alone = alone();
    let folder = tempfile::tempdir().expect("a folder");
    for (number, small) in small::files(".nc").into_iter().enumerate() {
        let path = folder.path().join(&small.name);
        let mut chance = Chance(number as u64 + 100);
        let heads = std::iter::once(0..small.bytes.len().min(800)).collect::<Vec<_>>();
        let all = Damage::cases(cases(200).div_ceil(2), small.bytes.len(), &heads, &mut chance);
        let (mut refused, mut right, mut other) = (0, 0, 0);
        for damage in all {
            let bytes = damage.of(&small.bytes);
            std::fs::write(&path, &bytes).expect("written");
            match read(&path, bytes.len(), &format!("{}, {damage:?}", small.name)) {
                Err(_) => refused += 1,
                Ok(values) if values == small.values => right += 1,
                // A number that was changed, or an attribute: nothing in these files tells.
                Ok(_) => {
                    assert!(
                        matches!(damage, Damage::Flip(..)),
                        "{}, {damage:?}: cut and read as if it were whole",
                        small.name
                    );
                    other += 1;
                }
            }
        }
        eprintln!("{}: {refused} refused, {right} right, {other} with other values", small.name);
        assert!(refused > 0 && right > 0, "{}", small.name);
    }
}

/// All that can be read of a file; the values of `t2m`.
fn read(path: &Path, length: usize, what: &str) -> Result<Vec<f64>, String> {
    let named = |said: String| {
        assert!(said.contains(path.to_str().expect("text")), "{what}: {said}");
        said
    };
    let (opened, most) = measured(|| NetCdf::open(path));
    assert!(most <= TIMES * length + ALWAYS, "{what}: {most} bytes of memory to open {length}");
    let file = opened.map_err(|error| named(error.to_string()))?;
    for variable in &file.variables {
        // What a compressed file may hold is more than its length justifies.
        let values = variable.shape.iter().product::<u64>() as usize;
        let (_, most) = measured(|| {
            drop(file.times(&variable.name).map_err(|error| named(error.to_string())));
            drop(file.read(&variable.name).map_err(|error| named(error.to_string())));
        });
        if values <= 4 * length {
            assert!(
                most <= VALUES * length + ALWAYS,
                "{what}: {most} bytes for `{}` of {length}",
                variable.name
            );
        }
    }
    let values = file.read("t2m").map_err(|error| named(error.to_string()))?;
    Ok(values.iter().copied().collect())
}
