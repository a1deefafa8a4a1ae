//! What would make a phase fit into the memory at hand, worked out with the same counts.

use super::bytes_spoken;
use super::demand::Demand;
use crate::plan::Plan;

/// Sides of tiles that are tried, in points.
const TILES: [usize; 6] = [512, 384, 256, 192, 128, 64];

/// The ways to fit into `memory` bytes, the mildest first: those that change how the recipe is run, not what it
/// says, before those that change the recipe. Each has been counted; empty if nothing helps.
#[must_use]
pub fn remedies(plan: &Plan, demand: &Demand, memory: u64) -> Vec<String> {
    let needs = |demand: &Demand| demand.memory(&plan.model).total();
    let fits = |demand: &Demand| needs(demand) <= memory;
    let said = |what: &str, demand: &Demand| format!("{what} needs {}", bytes_spoken(needs(demand)));
    let mut ways = Vec::new();
    let again = Demand { recompute: true, ..demand.clone() };
    if !demand.recompute && fits(&again) {
        ways.push(said("`recompute = true` in site.toml", &again));
    }
    let fewer = |from: &Demand| {
        let sizes = (1..from.micro_batch).rev();
        sizes.map(|micro_batch| Demand { micro_batch, ..from.clone() }).find(fits)
    };
    if let Some(one) = fewer(demand) {
        ways.push(said(&format!("`micro_batch = {}` in site.toml", one.micro_batch), &one));
    } else if let Some(one) = fewer(&again).filter(|_| !demand.recompute && ways.is_empty()) {
        ways.push(said(
            &format!("`recompute = true` and `micro_batch = {}` in site.toml", one.micro_batch),
            &one,
        ));
    }
    let half = Demand { half: true, ..demand.clone() };
    if !demand.half && fits(&half) {
        ways.push(said("`precision  bf16 of backbone` in the phase", &half));
    }
    // Tiles come last: they change what a sample is.
    let gentle = [demand.clone(), Demand { recompute: true, micro_batch: 1, ..demand.clone() }];
    for (from, with) in gentle.iter().zip(["", " with `recompute = true` and `micro_batch = 1` in site.toml"])
    {
        let smaller = |side: &&usize| {
            **side < demand.height.max(demand.width) && side.is_multiple_of(plan.model.patch.max(1))
        };
        let tile = TILES.iter().filter(smaller).map(|side| Demand {
            height: (*side).min(demand.height),
            width: (*side).min(demand.width),
            ..from.clone()
        });
        if let Some(one) = tile.into_iter().find(|one| fits(one)) {
            ways.push(said(&format!("`tile  {} by {}` in the phase{with}", one.height, one.width), &one));
            break;
        }
    }
    ways
}
