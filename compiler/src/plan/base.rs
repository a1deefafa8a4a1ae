//! The checkpoint that a model starts from, and what becomes of each of its weights.
//!
//! A weight is *kept* if name and shape agree, *grown* if the model reads more past times than the checkpoint
//! did (the new times start from zero, as upstream), *broadcast* if the checkpoint has one for all levels and the
//! model one for each, *fresh* if the checkpoint lacks it, and *unused* if the model does. Anything else would fit
//! by accident only, and is an error. [`TensorMap`] says it weight by weight.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

use super::Role;
use super::layout::{Layout, Named, Placed, Source};
use super::model::{ModelPlan, Preset, Published, Tensor, parameters_of};
use super::tensor_map::{Mismatch, Origin, TensorMap};
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
    /// Weights of the model that take the checkpoint's values as they are: all that are neither grown nor broadcast
    /// nor fresh.
    pub kept: usize,
    pub grown: Vec<Grown>,
    /// Weights of single levels that take the values of the checkpoint's weight for all levels, sorted.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub broadcast: Vec<String>,
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

/// Why a model cannot start from a checkpoint.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Misfit {
    /// The file is of no known layout: a sentence.
    Layout(String),
    /// Weights of one name and two shapes, in the model's order.
    Shapes(Vec<Mismatch>),
}

impl BasePlan {
    /// Compares the model with a checkpoint: its header if the file is at hand, else the weights of its class.
    /// Nothing if neither is known. With `broadcast`, its weights for all levels serve a model with levels of their
    /// own.
    ///
    /// # Errors
    /// A file of no known layout; every weight whose shape does not fit.
    pub fn compare(
        name: &str,
        model: &ModelPlan,
        header: Option<&CheckpointHeader>,
        broadcast: bool,
    ) -> Option<Result<BasePlan, Misfit>> {
        let published = Published::find(name);
        let have = match checkpoint_tensors(model, published.map(|one| one.preset), header)? {
            Ok(have) => have,
            Err(reason) => return Some(Err(Misfit::Layout(reason))),
        };
        let map = TensorMap::new(model, &have, broadcast);
        if !map.mismatched.is_empty() {
            return Some(Err(Misfit::Shapes(map.mismatched)));
        }
        let grown = map.weights.iter().filter_map(|weight| match weight.origin {
            Origin::Grown { from, to, .. } => Some(Grown { name: weight.name.clone(), from, to }),
            _ => None,
        });
        Some(Ok(BasePlan {
            name: name.to_string(),
            class: published.map(|one| one.preset.word().to_string()),
            digest: header.map(|header| header.digest.clone()),
            kept: map.names(|origin| matches!(origin, Origin::Kept(_))).len(),
            grown: grown.collect(),
            broadcast: map.names(|origin| matches!(origin, Origin::Broadcast { .. })),
            fresh: map.names(|origin| *origin == Origin::Fresh),
            unused: map.unused,
        }))
    }

    /// Whether the checkpoint has read or predicted the variable: a weight of its own is not fresh. Its statistics
    /// are then the checkpoint's.
    #[must_use]
    pub fn knows(&self, model: &ModelPlan, named: &str, role: Role) -> bool {
        let (part, levels) = match role {
            Role::Atmosphere => ("atmos", true),
            Role::Surface | Role::Static => ("surf", false),
        };
        // A wave is read and predicted as several channels.
        let channels = ["", "_sin", "_cos", "_density"].map(|end| format!("{named}{end}"));
        let own = |name: &str| {
            channels.iter().any(|channel| {
                let embedding = format!(".weights.{channel}");
                let head = format!("decoder.{part}_heads.{channel}.");
                name.starts_with(&format!("encoder.{part}_token_embeds.")) && name.ends_with(&embedding)
                    || name.starts_with(&head) && (levels || role == Role::Surface)
            })
        };
        let mut weights = model.tensors().into_iter().filter(|(name, _)| own(name));
        weights.any(|(name, _)| self.fresh.binary_search(&name).is_err())
    }

    /// The published class it belongs to, if any.
    #[must_use]
    pub fn preset(&self) -> Option<Preset> {
        self.class.as_deref().and_then(Preset::find)
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

/// The checkpoint's weights by Aurora's names of 2.0.1.
fn checkpoint_tensors(
    model: &ModelPlan,
    preset: Option<Preset>,
    header: Option<&CheckpointHeader>,
) -> Option<Result<Named, String>> {
    let class = preset.map(Preset::plan);
    match header {
        Some(header) => {
            let list = header.tensors.iter().map(|one| (one.name.clone(), one.shape.clone()));
            Some(Layout::of(model, class.as_ref()).read(list))
        }
        None => {
            let placed =
                |(name, shape): Tensor| (name.clone(), Placed { shape, source: Source::Whole(name) });
            Some(Ok(class?.tensors().into_iter().map(placed).collect()))
        }
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
