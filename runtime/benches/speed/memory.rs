//! What a plan says of memory against the peak of a process that does the work.

use aurora_compiler::plan::model::ModelPlan;
use aurora_compiler::plan::resources::{Demand, Moved};

use super::child::{STEP, STEP_RECOMPUTED};
use super::table::{FORWARD, Measured};

/// Work, height, width, levels, samples.
pub const CASES: [(&str, usize, usize, usize, usize); 12] = [
    (FORWARD, 64, 128, 4, 1),
    (FORWARD, 128, 256, 13, 1),
    (FORWARD, 128, 256, 4, 4),
    (STEP, 64, 128, 4, 1),
    (STEP, 64, 128, 13, 1),
    (STEP, 128, 256, 4, 1),
    (STEP, 128, 256, 13, 1),
    (STEP, 64, 128, 4, 4),
    (STEP_RECOMPUTED, 64, 128, 4, 1),
    (STEP_RECOMPUTED, 128, 256, 4, 1),
    (STEP_RECOMPUTED, 128, 256, 13, 1),
    (STEP_RECOMPUTED, 64, 128, 13, 4),
];

/// The table; `peak` measures a case.
pub fn compare(mut peak: impl FnMut(&[String]) -> Result<Measured, String>) -> Result<String, String> {
    let mut text = String::from(
        "| work | grid | samples | foretold, MB | measured, MB | foretold / measured |\n|---|---|---|---|---|---|\n",
    );
    for (work, height, width, levels, samples) in CASES {
        let words = [height, width, levels, 1, samples].map(|number| number.to_string());
        let arguments: Vec<String> = std::iter::once(work.to_string()).chain(words).collect();
        let measured = peak(&arguments)?.peak;
        let foretold = foretold(work, [height, width, levels, samples]);
        let spoken = match work {
            FORWARD => "forecast",
            STEP => "training",
            _ => "training, blocks computed again",
        };
        let row = format!(
            "| {spoken} | {height}×{width}, {levels} levels | {samples} | {:.0} | {:.0} | {:.2} |\n",
            foretold / 1e6,
            measured / 1e6,
            foretold / measured
        );
        eprint!("{row}");
        text.push_str(&row);
    }
    Ok(text)
}

fn foretold(work: &str, [height, width, levels, samples]: [usize; 4]) -> f64 {
    let mut model = ModelPlan { height, width, ..ModelPlan::small() };
    model.levels.truncate(levels);
    let count = model.parameters();
    let moved = match work {
        FORWARD => Moved::default(),
        _ => Moved { encoder: count.encoder, backbone: count.backbone, decoder: count.decoder, heads: 0 },
    };
    let demand = Demand {
        height,
        width,
        batch: samples,
        micro_batch: samples,
        rollout: 1,
        recompute: work == STEP_RECOMPUTED,
        half: false,
        average: false,
        moved,
    };
    demand.memory(&model).total() as f64
}
