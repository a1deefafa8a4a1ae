//! Batch files made here from a store, without the code that reads them.

use std::collections::{BTreeMap, HashMap};
use std::path::Path;

use aurora_runtime::data::store::Store;
use aurora_tests::Place;
use safetensors::SafeTensors;
use safetensors::tensor::{Dtype, TensorView};

/// Tensors by name with their shapes, and metadata.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct File {
    pub tensors: BTreeMap<String, (Vec<usize>, Vec<f32>)>,
    pub metadata: BTreeMap<String, String>,
}

impl File {
    pub fn read(path: &Path) -> File {
        let bytes = std::fs::read(path).unwrap_or_else(|error| panic!("{}: {error}", path.display()));
        let file = SafeTensors::deserialize(&bytes).expect("safetensors");
        let (_, header) = SafeTensors::read_metadata(&bytes).expect("a header");
        let metadata = header.metadata().clone().unwrap_or_default().into_iter().collect();
        let tensors = file.iter().map(|(name, view)| {
            assert_eq!(view.dtype(), Dtype::F32, "{name}");
            let (numbers, rest) = view.data().as_chunks::<4>();
            assert!(rest.is_empty());
            let values = numbers.iter().map(|number| f32::from_le_bytes(*number)).collect();
            (name.to_string(), (view.shape().to_vec(), values))
        });
        File { tensors: tensors.collect(), metadata }
    }

    pub fn write(&self, path: &Path) {
        let bytes: BTreeMap<&String, Vec<u8>> = self
            .tensors
            .iter()
            .map(|(name, (_, values))| (name, values.iter().flat_map(|value| value.to_le_bytes()).collect()))
            .collect();
        let views: Vec<(String, TensorView<'_>)> = self
            .tensors
            .iter()
            .map(|(name, (shape, _))| {
                (
                    name.clone(),
                    TensorView::new(Dtype::F32, shape.clone(), &bytes[name]).expect("a shape that fits"),
                )
            })
            .collect();
        let metadata: HashMap<String, String> = self.metadata.clone().into_iter().collect();
        std::fs::write(path, safetensors::serialize(views, Some(metadata)).expect("safetensors"))
            .expect("written");
    }

    /// The fields of a store as the input of a forecast from each of the store's times `newest`, with two times
    /// each. `surface` and `atmosphere`: the store's name and the model's.
    pub fn from_store(
        store: &Store,
        newest: &[usize],
        surface: &[(&str, &str)],
        atmosphere: &[(&str, &str)],
    ) -> File {
        let mut file = File::default();
        let (rows, columns) = store.latitude().dim();
        let grid = |values: &ndarray::Array2<f32>| {
            (vec![rows, columns], values.iter().copied().collect::<Vec<f32>>())
        };
        file.tensors.insert("lat".into(), grid(store.latitude()));
        file.tensors.insert("lon".into(), grid(&store.longitude().mapv(|lon| lon.rem_euclid(360.0))));
        let orography = store.read("orog", 0).expect("orography");
        file.tensors.insert("static.orog".into(), (vec![rows, columns], orography.iter().copied().collect()));
        let mut levels = 0;
        for (kind, names) in [("surf", surface), ("atmos", atmosphere)] {
            for (field, named) in names {
                let mut values = Vec::new();
                let mut depth = 0;
                for time in newest.iter().flat_map(|newest| [newest - 1, *newest]) {
                    let array = store.read(field, time).expect("a field");
                    depth = array.dim().0;
                    values.extend(array.iter().copied());
                }
                let mut shape = vec![newest.len(), 2, depth, rows, columns];
                if kind == "surf" {
                    assert_eq!(shape.remove(2), 1);
                } else {
                    levels = depth;
                }
                file.tensors.insert(format!("{kind}.{named}"), (shape, values));
            }
        }
        let times: Vec<String> = newest.iter().map(|newest| store.times()[*newest].to_string()).collect();
        file.metadata.insert("time".into(), times.join(","));
        let plan = store.plan();
        let set = plan.levels.values().find(|set| set.values.len() == levels).expect("the levels");
        let levels: Vec<String> = set.values.iter().map(|pressure| (pressure / 100.0).to_string()).collect();
        file.metadata.insert("levels".into(), levels.join(","));
        file
    }
}

/// The tiny recipe, trained, and its store.
pub fn trained() -> (Place, Store, String) {
    let place = Place::tiny();
    let store = place.done(&["data", "prepare", "tiny.aurora"]).stdout;
    let store = Store::open(&place.path(store.trim_end())).expect("a store");
    place.done(&["train", "tiny.aurora"]);
    let files = place.files("runs");
    let run = files.iter().find(|path| path.ends_with("/0")).expect("a run");
    let run = format!("runs/{run}");
    (place, store, run)
}

pub const SURFACE: [(&str, &str); 2] = [("t2m", "2t"), ("refc", "refc")];
pub const ATMOSPHERE: [(&str, &str); 2] = [("t", "t"), ("q", "q")];
