//! The road from the synthetic archive to batches, and everything that may go wrong on it.

use std::collections::{BTreeMap, BTreeSet};
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use aurora_compiler::plan::data::{
    DataPlan, DerivedPlan, FieldPlan, LevelsPlan, RepairPlan, SamplingPlan, SupportPlan, TimeRange,
};
use jiff::Timestamp;
use ndarray::{Array3, ArrayView3, Axis};

use super::archive::{Archive, ArchiveField, Available, DataError};
use super::grid::Grid;
use super::journal::{self, FOLDER};
use super::prefetch::{Ahead, Prefetch};
use super::prepare::{Deriver, NoDeriver, Share, hourly, merge, prepare, prepare_share, selected_times};
use super::sample::{Cut, Held, Mix, Sampler, Selection, Split, Window, favour, load, load_batch};
use super::shared::Shared;
use super::store::Store;
use super::synthetic::{Synthetic, plains};

mod growth;
mod mending;
mod prepare;
mod samples;

/// z = g0 hgt, the one derivation these tests need.
struct Geopotential;

impl Deriver for Geopotential {
    fn identity(&self) -> String {
        "z = g0 * hgt".into()
    }

    fn derive(
        &self,
        derived: &[&DerivedPlan],
        fields: &BTreeMap<String, ArrayView3<'_, f32>>,
    ) -> Result<BTreeMap<String, Array3<f32>>, DataError> {
        let of = |plan: &&DerivedPlan| {
            (plan.name.clone(), fields[&plan.inputs[0]].mapv(|height| 9.806_65 * height))
        };
        Ok(derived.iter().map(of).collect())
    }
}

/// What is done to the values of a field at a time.
type Change = Box<dyn Fn(&str, Timestamp, &mut Array3<f32>) + Send + Sync>;

/// The synthetic archive with a fault: reading fails after a number of reads, some hours are absent, or values are others.
struct Faulty {
    inner: Synthetic,
    reads: AtomicUsize,
    limit: usize,
    absent: Vec<Timestamp>,
    change: Change,
}

impl Archive for Faulty {
    fn name(&self) -> &str {
        "faulty"
    }
    fn identity(&self) -> String {
        "faulty".into()
    }
    fn fields(&self) -> Vec<ArchiveField> {
        self.inner.fields()
    }
    fn grid(&self) -> Grid {
        self.inner.grid()
    }
    fn times(&self) -> Available {
        self.inner.times()
    }
    fn has(&self, time: Timestamp) -> bool {
        self.inner.has(time) && !self.absent.contains(&time)
    }
    fn read(&self, from: &str, time: Timestamp) -> Result<Array3<f32>, DataError> {
        if self.reads.fetch_add(1, Ordering::Relaxed) >= self.limit {
            return Err(DataError::Archive("the disk has gone".into()));
        }
        let mut values = self.inner.read(from, time)?;
        (self.change)(from, time, &mut values);
        Ok(values)
    }
}

fn faulty(limit: usize, absent: Vec<Timestamp>) -> Faulty {
    let change = Box::new(|_: &str, _: Timestamp, _: &mut Array3<f32>| {});
    Faulty { inner: Synthetic::new(1), reads: AtomicUsize::new(0), limit, absent, change }
}

fn at(text: &str) -> Timestamp {
    text.parse().unwrap()
}

fn range(from: &str, to: &str) -> TimeRange {
    TimeRange { from: at(from), to: at(to) }
}

fn field(name: &str, from: &str, quantity: &str, units: &str, support: SupportPlan) -> FieldPlan {
    FieldPlan {
        name: name.into(),
        from: from.into(),
        quantity: quantity.into(),
        units: units.into(),
        support,
        cell: None,
        range: (None, None),
        kept: true,
    }
}

/// Two days of training, gaps, and half a day each of the others; three of thirteen levels, out of order.
fn plan() -> DataPlan {
    let levels = || SupportPlan::Levels("pl".into());
    let mut refc = field("refc", "REFC:entire atmosphere", "reflectivity", "dBZ", SupportPlan::Column);
    refc.range = (Some(-10.0), Some(40.0));
    DataPlan {
        archive: "synthetic".into(),
        grid: plains().plan,
        levels: BTreeMap::from([(
            "pl".into(),
            LevelsPlan { coordinate: "pressure".into(), values: vec![85_000.0, 50_000.0, 100_000.0] },
        )]),
        every: 3600,
        train: range("2020-05-01T00:00:00Z", "2020-05-02T23:00:00Z"),
        validate: Some(range("2020-05-04T00:00:00Z", "2020-05-04T11:00:00Z")),
        test: Some(range("2020-05-04T12:00:00Z", "2020-05-04T23:00:00Z")),
        fields: vec![
            field("t", "TMP", "temperature", "K", levels()),
            field("hgt", "HGT", "height", "m", levels()),
            refc,
            field("orog", "HGT:surface", "height", "m", SupportPlan::Static),
        ],
        derived: vec![DerivedPlan {
            name: "z".into(),
            kernel: "z".into(),
            inputs: vec!["hgt".into()],
            quantity: "geopotential".into(),
            units: "m^2/s^2".into(),
            support: levels(),
            range: (None, None),
            kept: true,
        }],
        sampling: SamplingPlan::default(),
        repair: RepairPlan::default(),
    }
}

fn prepared(directory: &Path) -> Store {
    prepare(&plan(), &Synthetic::new(1), &Geopotential, directory, &mut |_| {}).unwrap();
    Store::open(directory).unwrap()
}

/// The store of [`prepared`] for tests that only read it. It lies on disk for as long as the first of the two is held.
fn shared() -> (Arc<(tempfile::TempDir, Arc<Store>)>, Arc<Store>) {
    static PREPARED: Shared<(tempfile::TempDir, Arc<Store>)> = Shared::new();
    let both = PREPARED.get(|| {
        let (folder, directory) = folder();
        let store = Arc::new(prepared(&directory));
        (folder, store)
    });
    let store = Arc::clone(&both.1);
    (both, store)
}

fn folder() -> (tempfile::TempDir, PathBuf) {
    let folder = tempfile::tempdir().unwrap();
    let store = folder.path().join("store.zarr");
    (folder, store)
}

/// All files of a store with their bytes.
fn files(directory: &Path) -> BTreeMap<PathBuf, Vec<u8>> {
    let mut found = BTreeMap::new();
    let mut open = vec![directory.to_path_buf()];
    while let Some(folder) = open.pop() {
        for entry in std::fs::read_dir(folder).unwrap() {
            let path = entry.unwrap().path();
            if path.is_dir() {
                open.push(path);
            } else {
                found.insert(
                    path.strip_prefix(directory).unwrap().to_path_buf(),
                    std::fs::read(&path).unwrap(),
                );
            }
        }
    }
    found
}

/// The same without the journals, whose lines come in the order in which fields happen to be done.
fn content(directory: &Path) -> BTreeMap<PathBuf, Vec<u8>> {
    let own = |path: &PathBuf| !path.starts_with(Path::new(FOLDER).join("times"));
    files(directory).into_iter().filter(|(path, _)| own(path)).collect()
}
