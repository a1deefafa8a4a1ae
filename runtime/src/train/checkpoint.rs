//! A checkpoint is one folder: weights, optimiser, place in the schedule, scalings. It is renamed into
//! place when it is whole, and carries digests, so that what opens is what was written.

use std::collections::BTreeMap;
use std::fs;
use std::io;
use std::path::{Path, PathBuf};

use burn::tensor::Device;
use safetensors::tensor::{Dtype, TensorView};
use serde::{Deserialize, Serialize};

use super::TrainError;
use super::optimiser::Optimiser;
use super::scaling::Scalings;
use crate::durable;
use crate::model::checkpoint::read_safetensors;
use crate::model::{Aurora, HostTensor};
use crate::talk::say;

/// Where training stands: everything but the tensors.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Position {
    /// The recipe's hash; another recipe does not resume from here.
    pub recipe: String,
    /// The training store's digest: plan, archive and kernels. Other data do not continue this training.
    pub data: String,
    /// What its files held.
    #[serde(default)]
    pub content: String,
    pub seed: u64,
    /// Index of the phase.
    pub phase: usize,
    /// Steps done in this phase.
    pub step: usize,
    /// Steps done in all phases.
    pub total_steps: usize,
    /// Steps the optimiser has counted.
    pub optimiser_steps: usize,
    /// Whether all phases are done.
    pub finished: bool,
    pub scalings: Scalings,
}

#[derive(Serialize, Deserialize)]
struct State {
    position: Position,
    /// BLAKE3 of each file of the folder.
    digests: BTreeMap<String, String>,
}

const WEIGHTS: &str = "weights.safetensors";
const OPTIMISER: &str = "optimiser.safetensors";
const STATE: &str = "state.json";
/// How many checkpoints are kept: the newest, and one in case the disk spoils it.
const KEPT: usize = 2;

/// Writes `folder/step-00000120`, whole or not at all, and removes all but the newest two.
pub fn save(
    folder: &Path,
    model: &Aurora,
    optimiser: &Optimiser,
    position: &Position,
) -> Result<PathBuf, TrainError> {
    let path = folder.join(format!("step-{:08}", position.total_steps));
    let named = |name: &'static str| {
        let file = path.join(name);
        move |error| durable::named(&file, error)
    };
    durable::folder::<io::Error>(&path, |inside| {
        write_tensors(&inside.join(WEIGHTS), &model.parameters()).map_err(named(WEIGHTS))?;
        write_tensors(&inside.join(OPTIMISER), &optimiser.save()).map_err(named(OPTIMISER))?;
        let mut digests = BTreeMap::new();
        for name in [WEIGHTS, OPTIMISER] {
            digests.insert(name.to_string(), digest(&inside.join(name))?);
        }
        digests.insert(STATE.to_string(), String::new());
        let mut state = State { position: position.clone(), digests };
        // The state's own digest is that of its text without the digest.
        let bare = blake3::hash(text(&state)?.as_bytes()).to_hex().to_string();
        state.digests.insert(STATE.to_string(), bare);
        fs::write(inside.join(STATE), text(&state)?).map_err(named(STATE))
    })?;
    // Those of later steps were passed over when training went on from an earlier one.
    let (later, earlier): (Vec<PathBuf>, Vec<PathBuf>) =
        list(folder)?.into_iter().filter(|old| *old != path).partition(|old| *old > path);
    for old in later.into_iter().chain(earlier.into_iter().skip(KEPT - 1)) {
        durable::remove(&old)?;
    }
    Ok(path)
}

/// The newest whole checkpoint in a folder, nothing if it has none. A damaged one is passed over.
///
/// # Errors
/// Checkpoints of which none is whole.
pub fn newest(folder: &Path) -> Result<Option<(PathBuf, Position)>, TrainError> {
    let mut last = None;
    for path in list(folder)? {
        if let Some(error) = last.take() {
            say(&format!("{error}; looking for the one before it"));
        }
        match verify(&path) {
            Ok(position) => return Ok(Some((path, position))),
            Err(error) => last = Some(error),
        }
    }
    match last {
        Some(TrainError::Checkpoint { path, reason }) => Err(TrainError::Checkpoint {
            path,
            reason: format!("{reason}, and no other is whole; to begin anew, remove {}", folder.display()),
        }),
        Some(error) => Err(error),
        None => Ok(None),
    }
}

/// The position of a checkpoint whose files are what was written.
pub fn verify(path: &Path) -> Result<Position, TrainError> {
    let damaged = |reason: String| TrainError::Checkpoint { path: path.to_path_buf(), reason };
    let text = fs::read_to_string(path.join(STATE)).map_err(|error| damaged(error.to_string()))?;
    let state: State = serde_json::from_str(&text).map_err(|error| damaged(error.to_string()))?;
    for (name, expected) in &state.digests {
        if name == STATE {
            let bare = text.replacen(expected.as_str(), "", 1);
            if blake3::hash(bare.as_bytes()).to_hex().as_str() != expected {
                return Err(damaged(format!("{STATE} is not what was written")));
            }
            continue;
        }
        let found = digest(&path.join(name)).map_err(|error| damaged(error.to_string()))?;
        if found != *expected {
            return Err(damaged(format!("{name} is not what was written")));
        }
    }
    Ok(state.position)
}

/// Loads weights and optimiser into a model of the same shape.
pub fn load(path: &Path, model: &mut Aurora, device: &Device) -> Result<(Optimiser, Position), TrainError> {
    let position = verify(path)?;
    model.load_safetensors(&path.join(WEIGHTS), true)?;
    let tensors = read_safetensors(&path.join(OPTIMISER))?;
    Ok((Optimiser::load(position.optimiser_steps, tensors, device), position))
}

/// The file with the weights in a checkpoint's folder.
pub fn weights(path: &Path) -> PathBuf {
    path.join(WEIGHTS)
}

/// Checkpoints in a folder, newest first.
fn list(folder: &Path) -> Result<Vec<PathBuf>, TrainError> {
    if !folder.is_dir() {
        return Ok(Vec::new());
    }
    let mut found = Vec::new();
    for entry in fs::read_dir(folder)? {
        let entry = entry?;
        if entry.file_name().to_string_lossy().starts_with("step-") {
            found.push(entry.path());
        }
    }
    found.sort();
    found.reverse();
    Ok(found)
}

fn text(state: &State) -> io::Result<String> {
    Ok(serde_json::to_string_pretty(state)?)
}

fn digest(path: &Path) -> io::Result<String> {
    let mut hasher = blake3::Hasher::new();
    let mut file = fs::File::open(path)?;
    io::copy(&mut file, &mut hasher)?;
    Ok(hasher.finalize().to_hex().to_string())
}

fn write_tensors(path: &Path, tensors: &BTreeMap<String, HostTensor>) -> io::Result<()> {
    let bytes: BTreeMap<&String, Vec<u8>> = tensors
        .iter()
        .map(|(name, t)| (name, t.values.iter().flat_map(|v| v.to_le_bytes()).collect()))
        .collect();
    let mut views = Vec::new();
    for (name, tensor) in tensors {
        let view =
            TensorView::new(Dtype::F32, tensor.shape.clone(), &bytes[name]).map_err(io::Error::other)?;
        views.push((name.clone(), view));
    }
    let file = safetensors::serialize(views, None).map_err(io::Error::other)?;
    fs::write(path, file)
}

#[cfg(test)]
mod tests {
    use aurora_compiler::plan::model::ModelPlan;

    use super::*;

    fn model() -> Aurora {
        let mut plan = ModelPlan::small();
        (plan.height, plan.width, plan.patch, plan.window) = (18, 12, 3, [2, 2, 2]);
        (plan.encoder_depths, plan.decoder_depths) = (vec![1, 1], vec![1, 1]);
        (plan.encoder_heads, plan.decoder_heads) = (vec![1, 2], vec![2, 1]);
        (plan.embed_dim, plan.num_heads, plan.wrap) = (8, 2, false);
        Aurora::new(&plan, 3, &Device::flex()).unwrap()
    }

    fn position(total_steps: usize) -> Position {
        Position {
            recipe: "recipe".into(),
            data: "data".into(),
            content: "content".into(),
            seed: 1,
            phase: 0,
            step: total_steps,
            total_steps,
            optimiser_steps: 0,
            finished: false,
            scalings: Scalings::default(),
        }
    }

    fn spoil(file: &Path) {
        let mut bytes = fs::read(file).unwrap();
        let middle = bytes.len() / 2;
        bytes[middle] ^= 1;
        fs::write(file, bytes).unwrap();
    }

    /// Training goes on from the newest that is whole; what is damaged goes with the next that is written, so that it is neither
    /// taken for the newest again nor counted among those that are kept.
    #[test]
    fn what_is_damaged_is_passed_over_and_goes() {
        let folder = tempfile::tempdir().unwrap();
        let folder = folder.path();
        assert!(newest(folder).unwrap().is_none());
        let model = model();
        let save = |steps| save(folder, &model, &Optimiser::default(), &position(steps)).unwrap();
        let (first, second) = (save(20), save(40));
        assert_eq!(newest(folder).unwrap(), Some((second.clone(), position(40))));
        spoil(&second.join(WEIGHTS));
        assert_eq!(newest(folder).unwrap(), Some((first.clone(), position(20))));
        let third = save(30);
        assert_eq!(list(folder).unwrap(), [third.clone(), first.clone()]);
        assert_eq!(newest(folder).unwrap(), Some((third.clone(), position(30))));
        for (path, file) in [(&third, OPTIMISER), (&first, STATE)] {
            spoil(&path.join(file));
        }
        let error = newest(folder).unwrap_err().to_string();
        assert!(error.contains("step-00000020") && error.contains("no other is whole"), "{error}");
        assert!(error.contains(&format!("remove {}", folder.display())), "{error}");
    }
}
