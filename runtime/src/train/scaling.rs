//! How each field is scaled for the model: centre and spread, for each level.

use std::collections::BTreeMap;

use aurora_compiler::plan::{Plan, Role};
use burn::tensor::{Tensor, TensorData};
use serde::{Deserialize, Serialize};

use super::graph::Field;
use crate::model::Normalisation;
use crate::model::normalisation::{Scaling, published as known};

/// Centre and spread of every field of the model, one pair for each level, in SI units. A checkpoint
/// carries them, for weights mean nothing without.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct Scalings(pub BTreeMap<String, Vec<(f64, f64)>>);

/// A spread below this share of the centre's size is a constant field, which is scaled by one.
const CONSTANT: f64 = 1e-9;

impl Scalings {
    /// What the recipe fixes; else, of a variable that the base knows, Aurora's own statistics, for its weights mean
    /// nothing with others; else means and standard deviations over the train split (`(mean, deviation)` for each
    /// level).
    pub fn new(plan: &Plan, statistics: &dyn Fn(&str) -> Vec<(f64, f64)>) -> Scalings {
        let scaling = |role: &aurora_compiler::plan::RolePlan| {
            let known =
                plan.base.as_ref().is_some_and(|base| base.knows(&plan.model, &role.named, role.role));
            let levels = statistics(&role.field).into_iter().enumerate().map(|(level, (mean, deviation))| {
                let own = if known { published(plan, role, level) } else { None };
                let (mean, deviation) = own.map_or((mean, deviation), |own| (own.location, own.scale));
                let (centre, spread) = role.fixed(level);
                let (centre, spread) = (centre.unwrap_or(mean), spread.unwrap_or(deviation));
                let constant = !spread.is_finite() || spread <= CONSTANT * centre.abs().max(1e-12);
                (centre, if constant { 1.0 } else { spread })
            });
            (role.field.clone(), levels.collect())
        };
        Scalings(plan.roles.iter().map(scaling).collect())
    }

    /// What the recipe fixes, else Aurora's own statistics: of a model whose weights come from a file.
    ///
    /// # Errors
    /// A sentence that names the fields for which there are neither.
    pub fn published(plan: &Plan) -> Result<Scalings, String> {
        let mut missing = Vec::new();
        let mut scaling = |role: &aurora_compiler::plan::RolePlan| {
            let levels = if role.role == Role::Atmosphere { plan.model.levels.len() } else { 1 };
            let pairs = (0..levels).map(|level| {
                let own = published(plan, role, level);
                let (centre, spread) = role.fixed(level);
                let centre = centre.or(own.map(|own| own.location));
                centre.zip(spread.or(own.map(|own| own.scale)))
            });
            let pairs: Option<Vec<_>> = pairs.collect();
            if pairs.is_none() {
                missing.push(role.field.clone());
            }
            Some((role.field.clone(), pairs?))
        };
        let all = plan.roles.iter().filter_map(&mut scaling).collect();
        if missing.is_empty() {
            return Ok(Scalings(all));
        }
        Err(format!(
            "Aurora has no statistics of {}; the recipe fixes them: amend variable {} {{ centre 0  spread 1 }}, with \
             those that the weights were trained with",
            missing.join(", "),
            missing.first().map_or("", String::as_str)
        ))
    }

    /// The same under the checkpoint's names, for the model.
    pub fn normalisation(&self, plan: &Plan) -> Normalisation {
        let mut normalisation = Normalisation::default();
        for role in &plan.roles {
            let Some(levels) = self.0.get(&role.field) else { continue };
            for (level, (centre, spread)) in levels.iter().enumerate() {
                let scaling = Scaling { location: *centre, scale: *spread };
                match role.role {
                    Role::Surface => normalisation.set_surface(&role.named, scaling),
                    Role::Static => normalisation.set_static(&role.named, scaling),
                    Role::Atmosphere => {
                        if let Some(pressure) = plan.model.levels.get(level) {
                            normalisation.set_atmosphere(&role.named, *pressure, scaling);
                        }
                    }
                }
            }
        }
        normalisation
    }

    /// Physical to normalised, (B, T, C, H, W).
    pub fn normalise(&self, field: &str, values: Field) -> Field {
        match self.tensors(field, &values) {
            Some((centre, spread)) => (values - centre) / spread,
            None => values,
        }
    }

    /// Normalised to physical, (B, T, C, H, W).
    pub fn restore(&self, field: &str, values: Field) -> Field {
        match self.tensors(field, &values) {
            Some((centre, spread)) => values * spread + centre,
            None => values,
        }
    }

    /// Centre and spread as (1, 1, C, 1, 1).
    fn tensors(&self, field: &str, like: &Field) -> Option<(Field, Field)> {
        let levels = self.0.get(field)?;
        let tensor = |pick: fn(&(f64, f64)) -> f64| -> Field {
            let list: Vec<f32> = levels.iter().map(|pair| pick(pair) as f32).collect();
            let shape = [1, 1, list.len(), 1, 1];
            Tensor::from_data(TensorData::new(list, shape), &like.device())
        };
        Some((tensor(|pair| pair.0), tensor(|pair| pair.1)))
    }
}

/// What Aurora's own table has for a level of a variable.
fn published(plan: &Plan, role: &aurora_compiler::plan::RolePlan, level: usize) -> Option<Scaling> {
    match role.role {
        Role::Surface | Role::Static => known(&role.named, None),
        Role::Atmosphere => known(&role.named, Some(*plan.model.levels.get(level)?)),
    }
}
