//! Persistence, the baseline every forecast has to beat: the newest input state, repeated for every lead.

use ndarray::{Array2, ArrayView2};

/// The newest observed field as a forecast for all leads.
#[derive(Debug, Clone, PartialEq)]
pub struct Persistence {
    newest: Array2<f32>,
}

impl Persistence {
    /// `newest`: (rows, columns), the last state the model was given, in the units of the scored field.
    pub fn new(newest: Array2<f32>) -> Self {
        Self { newest }
    }

    /// The forecast for any lead: always the newest state.
    pub fn forecast(&self, _lead_hours: f64) -> ArrayView2<'_, f32> {
        self.newest.view()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_lead_is_the_newest_state() {
        let persistence = Persistence::new(ndarray::array![[1.0, 2.0]]);
        assert_eq!(persistence.forecast(1.0), persistence.forecast(48.0));
    }
}
