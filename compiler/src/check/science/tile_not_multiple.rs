//! # tile-not-multiple
//!
//! A tile cannot be cut into whole patches and merged as often as the backbone does.
//!
//! A tile of 500 points and a patch of 4 make 125 patches; a backbone of three stages merges them twice by
//! two and two, and 125 cannot be halved. The last row would be padding, and a seam would run through every
//! forecast that is put together from tiles. A side is a multiple of patch × 2^(stages − 1); one that is also a
//! multiple of the window wastes no attention on padding.
//!
//! Wrong, for patches of 4 and three stages:
//!
//! ```aurora
//! phase fine { tile  500 by 500 }
//! ```
//!
//! Right:
//!
//! ```aurora
//! phase fine { tile  512 by 512 }
//! ```

use aurora_grammar::tree::Entry;
use aurora_grammar::{Diagnostic, Diagnostics, Span};

use crate::check::Checker;
use crate::plan::Plan;
use crate::plan::training::ScaleShare;
use crate::resolve::Resolved;

impl Checker<'_> {
    /// A tile is no larger than the grid at the coarsest scale of its phase.
    pub(in crate::check) fn tile_fits(
        &mut self,
        rows: usize,
        columns: usize,
        scales: &[ScaleShare],
        span: Span,
    ) {
        let grid = self.checked.data.as_ref().and_then(|data| self.checked.grids.get(&data.grid));
        let Some(grid) = grid.cloned() else { return };
        let coarsest = scales.iter().map(|scale| scale.spacing).fold(grid.spacing, f64::max);
        let points = |all: usize| (all as f64 * grid.spacing / coarsest) as usize;
        let (height, width) = (points(grid.height), points(grid.width));
        if rows <= height && columns <= width {
            return;
        }
        let message = format!(
            "a tile of {rows} by {columns} is larger than the grid, which has {height} by {width} points at {} km",
            coarsest / 1000.0
        );
        let help = "choose a smaller tile, or leave `tile` out to train on the whole grid";
        self.error_with_help("wrong-argument", message, (span, "too large"), help);
    }
}

/// Judges the tiles of all phases, once the model is known.
pub(crate) fn check(plan: &Plan, resolved: &Resolved, diagnostics: &mut Diagnostics) {
    let model = &plan.model;
    let merges = u32::try_from(model.stages().saturating_sub(1)).unwrap_or(0);
    let Some(unit) = 2usize.checked_pow(merges).and_then(|merged| merged.checked_mul(model.patch)) else {
        return;
    };
    for phase in &plan.training.phases {
        let Some(tile) = phase.tile else { continue };
        if unit == 0 || tile.iter().all(|side| side % unit == 0) {
            continue;
        }
        let near = |side: usize, window: usize| {
            let whole = unit.saturating_mul(window);
            let rounded = |unit: usize| ((side + unit / 2) / unit).max(1) * unit;
            // Whole windows, unless the nearest such tile is far off.
            let windows = rounded(whole);
            if windows.abs_diff(side) * 8 <= side { windows } else { rounded(unit) }
        };
        let [rows, columns] = [near(tile[0], model.window[1]), near(tile[1], model.window[2])];
        let span = tile_span(resolved, &phase.name);
        let message = format!(
            "a tile of {} by {} points cannot be cut into patches of {} and merged {} by two",
            tile[0],
            tile[1],
            model.patch,
            match merges {
                1 => "once".to_string(),
                2 => "twice".to_string(),
                n => format!("{n} times"),
            }
        );
        diagnostics.push(
            Diagnostic::error("tile-not-multiple", message)
                .label(span, format!("each side is a multiple of {unit}"))
                .help(format!("the nearest that fits: tile  {rows} by {columns}"))
                .fix(span, format!("{rows} by {columns}")),
        );
    }
}

/// Where a phase says its tile.
fn tile_span(resolved: &Resolved, phase: &str) -> Span {
    let block = resolved.blocks_of("phase").find(|b| b.name.as_ref().is_some_and(|name| name.text == phase));
    let mut clauses =
        block.into_iter().flat_map(|block| &block.block.entries).filter_map(|entry| match entry {
            Entry::Clause(clause) if clause.word.text == "tile" => Some(clause),
            _ => None,
        });
    let clause = clauses.next();
    clause.map(|clause| clause.values.first().map_or(clause.span, |chain| chain.span)).unwrap_or_default()
}
