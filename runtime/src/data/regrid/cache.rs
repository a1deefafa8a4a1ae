//! Weights on disk, beside the stores that are made with them, under the digest of both grids and the method.
//!
//! A file holds the eight letters `AURORAWT`, the version, the numbers of starts and of weights (64 bits each, little endian), starts, columns
//! and weights, and the BLAKE3 of all that. A file that is not whole, or of another version, is computed again.

use std::path::{Path, PathBuf};

use serde_json::json;

use super::weights::Weights;
use super::{Method, Regridder};
use crate::data::archive::DataError;
use crate::data::grid::Grid;

const MAGIC: &[u8; 8] = b"AURORAWT";
/// Of the file and of what the weights mean.
const VERSION: u64 = 2;
const DIGEST: usize = 32;

impl Regridder {
    /// The weights kept in a folder, or computed and kept there.
    ///
    /// # Errors
    /// As [`Regridder::new`], and a folder that cannot be written.
    pub fn kept(from: &Grid, to: &Grid, method: Method, folder: &Path) -> Result<Regridder, DataError> {
        let path = path(from, to, method, folder);
        let shape = |grid: &Grid| (grid.plan.height, grid.plan.width);
        let read = std::fs::read(&path).ok().and_then(|bytes| parse(&bytes));
        let fits = |weights: &Weights| {
            weights.starts.len() == to.latitude.len() + 1
                && weights.columns.iter().all(|column| (*column as usize) < from.latitude.len())
        };
        if let Some(weights) = read.filter(fits) {
            return Ok(Regridder { method, from: shape(from), to: shape(to), weights });
        }
        let made = Regridder::new(from, to, method)?;
        crate::durable::write(&path, &bytes(&made.weights)).map_err(DataError::Unwritten)?;
        Ok(made)
    }
}

fn path(from: &Grid, to: &Grid, method: Method, folder: &Path) -> PathBuf {
    // A grid of a file has its own coordinates, whatever its plan says.
    let corners = |grid: &Grid| {
        let (height, width) = grid.latitude.dim();
        [(0, 0), (0, width - 1), (height - 1, 0), (height - 1, width - 1)]
            .map(|at| [grid.latitude[at].to_bits(), grid.longitude[at].to_bits()])
    };
    // What a grid is called does not matter.
    let plan = |grid: &Grid| {
        json!([grid.plan.projection, grid.plan.width, grid.plan.height, grid.plan.spacing, corners(grid)])
    };
    let text = json!([VERSION, method, plan(from), plan(to)]).to_string();
    let digest = blake3::hash(text.as_bytes()).to_hex();
    folder.join(format!("weights-{}.bin", &digest[..24]))
}

fn bytes(weights: &Weights) -> Vec<u8> {
    let mut bytes = Vec::with_capacity(32 + 8 * (weights.starts.len() + weights.columns.len()) + DIGEST);
    bytes.extend_from_slice(MAGIC);
    for number in [VERSION, weights.starts.len() as u64, weights.columns.len() as u64] {
        bytes.extend_from_slice(&number.to_le_bytes());
    }
    weights.starts.iter().for_each(|start| bytes.extend_from_slice(&start.to_le_bytes()));
    weights.columns.iter().for_each(|column| bytes.extend_from_slice(&column.to_le_bytes()));
    weights.weights.iter().for_each(|weight| bytes.extend_from_slice(&weight.to_le_bytes()));
    let digest = blake3::hash(&bytes);
    bytes.extend_from_slice(digest.as_bytes());
    bytes
}

/// The weights of a file, if it is whole.
fn parse(bytes: &[u8]) -> Option<Weights> {
    let (body, digest) = bytes.split_at_checked(bytes.len().checked_sub(DIGEST)?)?;
    if blake3::hash(body).as_bytes() != digest {
        return None;
    }
    let rest = body.strip_prefix(MAGIC)?;
    let (numbers, rest) = rest.split_at_checked(24)?;
    let mut numbers = numbers.as_chunks::<8>().0.iter().map(|eight| u64::from_le_bytes(*eight));
    let (version, starts, count) = (numbers.next()?, numbers.next()?, numbers.next()?);
    if version != VERSION {
        return None;
    }
    let (starts, rest) = rest.split_at_checked(usize::try_from(starts).ok()?.checked_mul(8)?)?;
    let (columns, weights) = rest.split_at_checked(usize::try_from(count).ok()?.checked_mul(4)?)?;
    let weights = Weights {
        starts: starts.as_chunks::<8>().0.iter().map(|eight| u64::from_le_bytes(*eight)).collect(),
        columns: columns.as_chunks::<4>().0.iter().map(|four| u32::from_le_bytes(*four)).collect(),
        weights: weights.as_chunks::<4>().0.iter().map(|four| f32::from_le_bytes(*four)).collect(),
    };
    (weights.columns.len() == weights.weights.len()).then_some(weights)
}
