//! The checks that know the science: what is well typed and still would waste the GPU-hours. Each stands in a
//! file of its own, whose leading comment is its page in the manual.

mod cell_mismatch;
mod field_appears_late;
mod frame_mismatch;
mod lead_beyond_data;
mod never_minimised;
mod never_trained;
mod no_baseline;
mod no_projection;
mod period_at_start;
mod range_escape;
mod rare_event;
mod scale_not_multiple;
mod split_gap;
mod split_overlap;
mod stats_leak;
pub(crate) mod tile_not_multiple;
mod unknown_field;
mod unused_loss;
mod zero_gradient;

use super::{Checker, Variable};
use crate::plan::used_fields;
use crate::site::Site;

impl Checker<'_> {
    /// What can be judged only once everything else is known.
    pub(super) fn science(&mut self, site: &dyn Site) {
        let used: Vec<Variable> = used_fields(self.resolved, &self.checked)
            .iter()
            .filter_map(|id| self.checked.variables.get(id).cloned())
            .collect();
        if let Some(data) = self.checked.data.clone() {
            for variable in &used {
                if self.field_exists(variable, &data.archive, variable.span, site).is_some() {
                    self.appears_in_time(variable, &data, site);
                    self.not_at_start(variable, &data);
                }
            }
        }
        if self.diagnostics.has_errors() || self.checked.phases.is_empty() {
            return;
        }
        self.never_trained();
        self.never_minimised();
        self.unused_losses();
    }
}
