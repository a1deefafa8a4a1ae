//! Groups of weights, by the names that `train` gives them.

use super::ModelPlan;
use crate::plan::list::Tensors;

/// A weight: its name and its shape in torch's layout.
pub type Tensor = (String, Vec<usize>);

/// How many numbers these weights hold.
#[must_use]
pub fn parameters_of(tensors: &[Tensor]) -> u64 {
    tensors.iter().map(|(_, shape)| shape.iter().map(|side| *side as u64).product::<u64>()).sum()
}

impl ModelPlan {
    /// The groups that `train` may name besides `new`: Aurora's three parts, then the heads.
    pub fn groups(&self) -> Vec<String> {
        let parts = ["encoder", "backbone", "decoder"].map(str::to_string);
        parts.into_iter().chain(self.options.heads.iter().map(|head| head.name.clone())).collect()
    }

    /// The group that a weight belongs to. The combiners of the air pollution model feed the encoder.
    pub fn group_of(&self, tensor: &str) -> String {
        let mut parts = tensor.split('.');
        match (parts.next(), parts.next()) {
            (Some("heads"), Some(head)) => head.to_string(),
            (Some(part @ ("backbone" | "decoder")), _) => part.to_string(),
            _ => "encoder".to_string(),
        }
    }

    /// The weights of a group; none if there is no such group.
    pub fn group(&self, name: &str) -> Vec<Tensor> {
        self.tensors().into_iter().filter(|(tensor, _)| self.group_of(tensor) == name).collect()
    }

    /// The low-rank matrices that `NAME by lora(rank)` adds and trains: beside the two matrices of attention in
    /// every block of the backbone, a pair for each of `steps` steps of a roll-out (one pair serves all steps).
    /// Nothing for a group without such blocks: only the backbone can be adapted (Hu et al. 2021; Aurora's own
    /// fine-tuning does the same).
    pub fn lora(&self, group: &str, rank: usize, steps: usize) -> Option<Vec<Tensor>> {
        if group != "backbone" {
            return None;
        }
        let mut list = Tensors::default();
        let stages = self.stages();
        for (stage, &depth) in self.encoder_depths.iter().enumerate() {
            for block in 0..depth {
                let prefix = format!("backbone.encoder_layers.{stage}.blocks.{block}");
                list.adapters(&prefix, self.stage_width(stage), rank, steps);
            }
        }
        for (stage, &depth) in self.decoder_depths.iter().enumerate().take(stages) {
            for block in 0..depth {
                let prefix = format!("backbone.decoder_layers.{stage}.blocks.{block}");
                list.adapters(&prefix, self.stage_width(stages - 1 - stage), rank, steps);
            }
        }
        Some(list.0)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::plan::model::Preset;

    #[test]
    fn groups_share_the_weights_out() {
        for preset in Preset::ALL {
            let plan = preset.plan();
            let shared: u64 = plan.groups().iter().map(|group| parameters_of(&plan.group(group))).sum();
            assert_eq!(shared, plan.parameters().total, "{}", preset.word());
        }
    }

    /// What upstream's fine-tuned class adds to the pretrained one.
    #[test]
    fn adapters_of_rank_8_are_those_of_the_fine_tuned_class() {
        let plan = ModelPlan::pretrained();
        let adapters = plan.lora("backbone", 8, 1).unwrap();
        assert_eq!(parameters_of(&adapters), 2_850_816);
        let published: Vec<_> = Preset::FineTuned.plan().tensors();
        assert!(adapters.iter().all(|tensor| published.contains(tensor)));
        assert_eq!(plan.lora("encoder", 8, 1), None);
    }
}
