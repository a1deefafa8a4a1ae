//! The artefact: what a build leaves behind, as text that `git diff` reads.

use serde_json::{Value, json};

use crate::kernel::ir::Module;
use crate::lock::Lock;
use crate::plan::Plan;

/// One file of an artefact.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ArtefactFile {
    pub name: &'static str,
    pub text: String,
}

/// Every file of the artefact. Equal recipes of one name and title give equal bytes.
pub fn files(plan: &Plan, module: &Module, canonical: &str, lock: &Lock) -> Vec<ArtefactFile> {
    let file = |name, text: String| ArtefactFile { name, text };
    vec![
        file("recipe.aurora", canonical.to_string()),
        file("plan.json", pretty(&serde_json::to_value(plan).unwrap_or_default())),
        file("kernels.kir", module.to_string()),
        file("graph.json", pretty(&graph(plan))),
        file("lock", lock.text()),
    ]
}

/// The model's weights with their shapes and numbers, part by part.
fn graph(plan: &Plan) -> Value {
    let tensors: Vec<Value> = plan
        .model
        .tensors()
        .into_iter()
        .map(|(name, shape)| {
            let parameters: usize = shape.iter().product();
            json!({ "name": name, "shape": shape, "parameters": parameters, "bytes": parameters * 4 })
        })
        .collect();
    json!({
        "schema": "aurora-graph/1",
        "parameters": plan.model.parameters(),
        "forward_flops": plan.model.forward_flops(),
        "tensors": tensors,
    })
}

fn pretty(value: &Value) -> String {
    let mut text = serde_json::to_string_pretty(value).unwrap_or_default();
    text.push('\n');
    text
}
