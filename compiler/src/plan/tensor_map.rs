//! What becomes of each weight of a model when a file is loaded, and of each weight of the file.

use std::collections::BTreeSet;

use super::layout::{Named, Placed, Source};
use super::model::ModelPlan;

/// Where a weight of the model gets its values.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Origin {
    /// From the file, as they are.
    Kept(Source),
    /// From a patch embedding of fewer past times, continued with zeros at the newest ones.
    Grown { source: Source, from: usize, to: usize },
    /// From the file's weight for all levels, grown if `from` differs from `to` (past times).
    Broadcast { source: Source, from: usize, to: usize },
    /// Nowhere: it stays as it was drawn.
    Fresh,
}

/// A weight of the model.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Mapped {
    pub name: String,
    pub shape: Vec<usize>,
    pub origin: Origin,
}

/// A weight of one name and two shapes.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Mismatch {
    pub name: String,
    pub model: Vec<usize>,
    pub checkpoint: Vec<usize>,
}

impl Mismatch {
    /// Why Microsoft's loader, too, does not continue this embedding with zeros; nothing if that is not the matter.
    #[must_use]
    pub fn about_times(&self) -> Option<String> {
        let ([a, b, ours, c, d], [e, f, theirs, g, h]) = (&self.model[..], &self.checkpoint[..]) else {
            return None;
        };
        if [a, b, c, d] != [e, f, g, h] {
            return None;
        }
        Some(match ours > theirs {
            true => format!(
                "embeddings of single levels are not continued from {theirs} past times to {ours}, by Microsoft's loader \
                 either"
            ),
            false => {
                format!("the file reads {theirs} past times, the model {ours}: weights are never cut off")
            }
        })
    }
}

/// What becomes of every weight.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct TensorMap {
    /// The model's weights that can be had, in the model's order.
    pub weights: Vec<Mapped>,
    pub mismatched: Vec<Mismatch>,
    /// The file's weights that the model has no place for, sorted.
    pub unused: Vec<String>,
}

impl TensorMap {
    /// Compares by name and shape. With `broadcast`, weights for all levels serve a model that has one for each.
    #[must_use]
    pub fn new(model: &ModelPlan, have: &Named, broadcast: bool) -> TensorMap {
        let mut map = TensorMap { weights: Vec::new(), mismatched: Vec::new(), unused: Vec::new() };
        let mut used: BTreeSet<&str> = BTreeSet::new();
        for (name, shape) in model.tensors() {
            let found = have.get_key_value(&name).map(|found| (found, false));
            let all_levels = || {
                let plain = plain_of(&name)?;
                have.get_key_value(&plain).filter(|_| broadcast).map(|found| (found, true))
            };
            let Some(((key, placed), broadcast)) = found.or_else(all_levels) else {
                map.weights.push(Mapped { name, shape, origin: Origin::Fresh });
                continue;
            };
            used.insert(key);
            match origin(placed, &shape, broadcast, grows(key)) {
                Some(origin) => map.weights.push(Mapped { name, shape, origin }),
                None => {
                    map.mismatched.push(Mismatch { name, model: shape, checkpoint: placed.shape.clone() })
                }
            }
        }
        map.unused = have.keys().filter(|name| !used.contains(name.as_str())).cloned().collect();
        map
    }

    /// Names of the weights with such an origin, sorted.
    #[must_use]
    pub fn names(&self, of: impl Fn(&Origin) -> bool) -> Vec<String> {
        let list = self.weights.iter().filter(|weight| of(&weight.origin));
        let mut names: Vec<String> = list.map(|weight| weight.name.clone()).collect();
        names.sort();
        names
    }
}

fn origin(have: &Placed, want: &[usize], broadcast: bool, grows: bool) -> Option<Origin> {
    let source = have.source.clone();
    let (from, to) = match (&have.shape[..], want) {
        (one, two) if one == two => (0, 0),
        ([a, b, from, c, d], [e, f, to, g, h]) if grows && [a, b, c, d] == [e, f, g, h] && from < to => {
            (*from, *to)
        }
        _ => return None,
    };
    Some(match (broadcast, from == to) {
        (true, _) => Origin::Broadcast { source, from, to },
        (false, true) => Origin::Kept(source),
        (false, false) => Origin::Grown { source, from, to },
    })
}

/// Whether a weight of the file may be continued. Those of single levels are not, as upstream.
fn grows(name: &str) -> bool {
    ["encoder.surf_token_embeds.weights.", "encoder.atmos_token_embeds.weights."]
        .iter()
        .any(|prefix| name.starts_with(prefix))
}

/// The name for all levels of a weight for one: `decoder.atmos_heads.t.layers.500.bias` is
/// `decoder.atmos_heads.t.bias` in a model without levels of its own.
fn plain_of(name: &str) -> Option<String> {
    let parts: Vec<&str> = name.split('.').collect();
    match parts[..] {
        ["encoder", "atmos_token_embeds", "layers", _, ref rest @ ..] => {
            Some(format!("encoder.atmos_token_embeds.{}", rest.join(".")))
        }
        ["decoder", "atmos_heads", variable, "layers", _, ref rest @ ..] => {
            Some(format!("decoder.atmos_heads.{variable}.{}", rest.join(".")))
        }
        _ => None,
    }
}
