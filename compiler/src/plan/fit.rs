//! What would make a model fit: the next number that keeps the rule, the tile or crop that suits the patches.

use super::data::GridPlan;
use super::model::{Fault, ModelPlan};

/// Sides of tiles that are offered, in points.
const TILES: [usize; 5] = [512, 384, 256, 128, 64];
/// Patches that are offered.
const PATCHES: std::ops::RangeInclusive<usize> = 2..=12;

/// What to write instead, worked out for this model; nothing if the sentence says it already.
pub fn remedy(fault: &Fault, model: &ModelPlan, grid: &GridPlan) -> Option<String> {
    match fault.about {
        "latent_levels" => {
            let step = model.window[0].max(1);
            let (below, above) = around(model.latent_levels, step, 2);
            let numbers = if below == above { format!("{below}") } else { format!("{below} or {above}") };
            Some(format!(
                "{numbers} would do; latent levels are not pressure levels: Aurora gathers all {} pressure levels into \
                 these, of which one is the surface",
                model.levels.len()
            ))
        }
        "grid" if model.patch >= 2 => Some(grid_remedy(model, grid)),
        "embed" => {
            let (below, above) = around(model.embed_dim, 4, 4);
            Some(format!("{below} or {above} would do"))
        }
        "perceiver_heads" if model.embed_dim > 0 => {
            let near = nearest_divisor(model.embed_dim, model.num_heads);
            Some(format!("a width of {} can be shared by {near} heads", model.embed_dim))
        }
        "atmosphere_statics" => Some("write `dynamic = true` beside it, or leave it out".to_string()),
        "condition" => {
            Some("let the set of levels of `condition` hold every level of the model's fields".to_string())
        }
        _ => None,
    }
}

/// The multiples of `step` below and above, neither below `least`.
fn around(number: usize, step: usize, least: usize) -> (usize, usize) {
    let least = least.next_multiple_of(step);
    let below = (number - number % step).max(least);
    let above = if number.is_multiple_of(step) { below } else { below.saturating_add(step) };
    if number < least { (least, least) } else { (below, above) }
}

fn nearest_divisor(number: usize, wanted: usize) -> usize {
    let divisors = (1..=number.min(1024)).filter(|d| number.is_multiple_of(*d));
    divisors.min_by_key(|d| (d.abs_diff(wanted), *d)).unwrap_or(1)
}

/// Tiles, other patches, the nearest crop: those that fit this grid.
fn grid_remedy(model: &ModelPlan, grid: &GridPlan) -> String {
    let patch = model.patch;
    let mut ways = Vec::new();
    let (least, most) = (smallest(model), grid.height.min(grid.width));
    if let Some(tile) = TILES.iter().find(|side| (least..=most).contains(*side) && side.is_multiple_of(patch))
    {
        ways.push(format!("train on tiles, with `tile  {tile} by {tile}` in each phase"));
    }
    let fits = |p: &usize| grid.width.is_multiple_of(*p) && grid.height % p <= 1;
    let others: Vec<String> = PATCHES.filter(|p| *p != patch && fits(p)).map(|p| p.to_string()).collect();
    if !others.is_empty() {
        ways.push(format!("take patches of {}", others.join(" or ")));
    }
    let (width, height) = (grid.width - grid.width % patch, grid.height - grid.height % patch);
    if width > 0 && height > 0 {
        ways.push(format!(
            "crop the grid to {width} by {height} points (size = [{width}, {height}]), which costs {} columns and {} \
             rows",
            grid.width - width,
            grid.height - height
        ));
    }
    match ways.is_empty() {
        true => format!("a grid of {patch} by {patch} points or more would do"),
        false => ways.join("; or "),
    }
}

/// The shortest side that the stages can halve.
fn smallest(model: &ModelPlan) -> usize {
    let halvings = model.stages().saturating_sub(1).min(16) as u32;
    model.patch.saturating_mul(2usize.saturating_pow(halvings))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::plan::data::Projection;

    /// HRRR has 1799 by 1059 points: no patch divides both.
    #[test]
    fn hrrr_is_tiled_or_cropped() {
        let grid = GridPlan {
            name: "conus".into(),
            projection: Projection::Lambert { latitude: 38.5, longitude: -97.5 },
            width: 1799,
            height: 1059,
            spacing: 3000.0,
            southwest: None,
        };
        let said = grid_remedy(&ModelPlan::pretrained(), &grid);
        assert_eq!(
            said,
            "train on tiles, with `tile  512 by 512` in each phase; or crop the grid to 1796 by 1056 points (size = \
             [1796, 1056]), which costs 3 columns and 3 rows"
        );
        let even = GridPlan { width: 1800, ..grid };
        let said = grid_remedy(&ModelPlan::pretrained(), &even);
        assert!(said.contains("take patches of 2 or 3"), "{said}");
    }

    #[test]
    fn numbers_that_would_do_are_near() {
        assert_eq!(around(13, 2, 2), (12, 14));
        assert_eq!(around(1, 2, 2), (2, 2));
        assert_eq!(around(5, 3, 2), (3, 6));
        assert_eq!(nearest_divisor(64, 7), 8);
    }
}
