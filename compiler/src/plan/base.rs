//! The checkpoint that a model starts from, and what becomes of each of its weights.
//!
//! A weight is *kept* if name and shape agree, *grown* if the model reads more past times than the checkpoint
//! did (the new times start from zero, as upstream), *fresh* if the checkpoint lacks it, and *unused* if the
//! model does. Anything else would fit by accident only, and is an error.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

use super::model::{ModelPlan, Preset, Published, Tensor, parameters_of};
use crate::site::CheckpointHeader;

/// `base "…"`, compared with the model.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, schemars::JsonSchema)]
pub struct BasePlan {
    /// As written.
    pub name: String,
    /// The published class, if it is a published file: `aurora.pretrained`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub class: Option<String>,
    /// BLAKE3 of the file; absent if it is not at hand, and its weights are those of its class.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub digest: Option<String>,
    /// Weights of the model that take the checkpoint's values as they are: all that are neither grown nor fresh.
    pub kept: usize,
    pub grown: Vec<Grown>,
    /// Weights of the model that the checkpoint lacks, sorted.
    pub fresh: Vec<String>,
    /// Weights of the checkpoint that the model has no place for, sorted.
    pub unused: Vec<String>,
}

/// A patch embedding that is continued with zeros.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, schemars::JsonSchema)]
pub struct Grown {
    pub name: String,
    /// Past times in the checkpoint, and in the model.
    pub from: usize,
    pub to: usize,
}

/// A weight of one name and two shapes.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Mismatch {
    pub name: String,
    pub model: Vec<usize>,
    pub checkpoint: Vec<usize>,
}

impl BasePlan {
    /// Compares the model with a checkpoint: its header if the file is at hand, else the weights of its class.
    /// Nothing if neither is known.
    ///
    /// # Errors
    /// Every weight whose shape does not fit, in the model's order.
    pub fn compare(
        name: &str,
        model: &ModelPlan,
        header: Option<&CheckpointHeader>,
    ) -> Option<Result<BasePlan, Vec<Mismatch>>> {
        let published = Published::find(name);
        let have = checkpoint_tensors(published.map(|one| one.preset), header)?;
        let (mut grown, mut fresh, mut mismatched, mut kept) = (Vec::new(), Vec::new(), Vec::new(), 0);
        let wanted = model.tensors();
        for (name, shape) in &wanted {
            match have.get(name) {
                None => fresh.push(name.clone()),
                Some(other) if other == shape => kept += 1,
                Some(other) => match growth(name, other, shape) {
                    Some(one) => grown.push(one),
                    None => mismatched.push(Mismatch {
                        name: name.clone(),
                        model: shape.clone(),
                        checkpoint: other.clone(),
                    }),
                },
            }
        }
        if !mismatched.is_empty() {
            return Some(Err(mismatched));
        }
        let known: std::collections::BTreeSet<&String> = wanted.iter().map(|(name, _)| name).collect();
        let unused = have.keys().filter(|name| !known.contains(name)).cloned().collect();
        fresh.sort();
        Some(Ok(BasePlan {
            name: name.to_string(),
            class: published.map(|one| one.preset.word().to_string()),
            digest: header.map(|header| header.digest.clone()),
            kept,
            grown,
            fresh,
            unused,
        }))
    }

    /// The fresh weights, or the unused ones, told in groups: `patch embeddings of refc, sbcape`.
    #[must_use]
    pub fn told(names: &[String]) -> Vec<Told> {
        let mut groups: BTreeMap<(usize, &'static str), (Vec<String>, usize)> = BTreeMap::new();
        for name in names {
            let (rank, what, of) = kind(name);
            let group = groups.entry((rank, what)).or_default();
            group.1 += 1;
            if let Some(of) = of.filter(|of| !group.0.contains(of)) {
                group.0.push(of);
            }
        }
        let told = |((_, what), (of, tensors)): ((usize, &'static str), (Vec<String>, usize))| Told {
            what,
            of,
            tensors,
        };
        groups.into_iter().map(told).collect()
    }
}

/// Weights of one kind.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Told {
    /// `patch embeddings`, `output layers`, `head`, …
    pub what: &'static str,
    /// Variables, levels or heads, in order of name; empty where the kind says all.
    pub of: Vec<String>,
    pub tensors: usize,
}

impl std::fmt::Display for Told {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(self.what)?;
        if !self.of.is_empty() {
            let shown = self.of.iter().take(8).map(String::as_str).collect::<Vec<_>>().join(", ");
            let more = if self.of.len() > 8 { " …" } else { "" };
            write!(f, " of {shown}{more}")?;
        }
        Ok(())
    }
}

/// The group `name` of a model that starts from `base`: `new` is what the base lacks (all of it without a base),
/// the others are those of [`ModelPlan::group`].
#[must_use]
pub fn group(model: &ModelPlan, base: Option<&BasePlan>, name: &str) -> Vec<Tensor> {
    if name != "new" {
        return model.group(name);
    }
    match base {
        None => model.tensors(),
        Some(base) => {
            let fresh = |(name, _): &Tensor| base.fresh.binary_search(name).is_ok();
            model.tensors().into_iter().filter(fresh).collect()
        }
    }
}

/// How many numbers the groups hold together, each weight counted once.
#[must_use]
pub fn parameters_moved(model: &ModelPlan, base: Option<&BasePlan>, groups: &[&str]) -> u64 {
    let moved: BTreeMap<String, Vec<usize>> =
        groups.iter().flat_map(|name| group(model, base, name)).collect();
    parameters_of(&moved.into_iter().collect::<Vec<_>>())
}

/// Names and shapes by Aurora's names of 2.0.1.
fn checkpoint_tensors(
    preset: Option<Preset>,
    header: Option<&CheckpointHeader>,
) -> Option<BTreeMap<String, Vec<usize>>> {
    match header {
        Some(header) => {
            let list = header.tensors.iter().map(|one| (one.name.clone(), one.shape.clone()));
            Some(super::layout::named(list, preset.map(Preset::plan).as_ref()))
        }
        None => Some(preset?.plan().tensors().into_iter().collect()),
    }
}

/// A patch embedding of fewer past times than the model reads. Those of single levels do not grow upstream.
fn growth(name: &str, have: &[usize], want: &[usize]) -> Option<Grown> {
    let embedding = ["encoder.surf_token_embeds.weights.", "encoder.atmos_token_embeds.weights."]
        .iter()
        .any(|prefix| name.starts_with(prefix));
    match (have, want) {
        ([a, b, from, c, d], [e, f, to, g, h]) if embedding && [a, b, c, d] == [e, f, g, h] && from < to => {
            Some(Grown { name: name.to_string(), from: *from, to: *to })
        }
        _ => None,
    }
}

/// Rank, kind, and what of the kind: a variable, a level, a head.
fn kind(name: &str) -> (usize, &'static str, Option<String>) {
    let parts: Vec<&str> = name.split('.').collect();
    let at = |index: usize| parts.get(index).map(|part| (*part).to_string());
    if name.contains(".lora_") {
        return (5, "low-rank adapters", None);
    }
    match parts[..] {
        ["encoder", "surf_token_embeds" | "atmos_token_embeds", "weights", ..] => {
            (0, "patch embeddings", at(3))
        }
        ["encoder", "atmos_token_embeds", "layers", _, "weights", ..] => {
            (1, "patch embeddings by level", at(5))
        }
        ["encoder", "surf_token_embeds" | "atmos_token_embeds", ..] => {
            (2, "biases of patch embeddings", None)
        }
        ["decoder", "surf_heads" | "atmos_heads", _, "layers", ..] => (4, "output layers by level", at(2)),
        ["decoder", "surf_heads" | "atmos_heads", ..] => (3, "output layers", at(2)),
        ["heads", ..] => (6, "head", at(1)),
        ["decoder", "level_decoder_alternate", ..] => (7, "the second level decoder", None),
        ["surf_feature_combiner" | "atmos_feature_combiner", ..] => (8, "combiners", at(1)),
        ["encoder", ..] => (9, "the encoder's own", None),
        ["backbone", ..] => (10, "the backbone", None),
        ["decoder", ..] => (11, "the decoder's own", None),
        _ => (12, "others", None),
    }
}
