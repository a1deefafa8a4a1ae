//! Forecasts of whole grids: at once, or put together from tiles.

use std::collections::BTreeMap;

use aurora_compiler::kernel::ir::Module as Kernels;
use aurora_compiler::plan::{Plan, Role};
use burn::tensor::{Device, Tensor};
use ndarray::{Array4, Axis};

use super::judge::ScoredField;
use crate::data::sample::{SampleIndex, Tiling, load_batch};
use crate::data::store::Store;
use crate::model::{Batch, Rollout};
use crate::predict::Forecaster;
use crate::run::Failure;
use crate::train::{batch, graph};

/// How a grid that was learnt in tiles is forecast: in tiles of the last phase that overlap by a quarter.
pub(super) fn tiling(plan: &Plan, store: &Store) -> Result<Option<Tiling>, Failure> {
    let Some(tile) = plan.training.phases.last().and_then(|phase| phase.tile) else { return Ok(None) };
    let shape = store.latitude().dim();
    let tiling = Tiling::new(shape, tile, tile[0].min(tile[1]) / 4);
    let refused = || {
        format!(
            "the grid of {} by {} points cannot be covered with tiles of {} by {}",
            shape.0, shape.1, tile[0], tile[1]
        )
    };
    tiling.map(Some).ok_or_else(|| Failure::because(refused()))
}

/// Forecasts of whole grids, put together from tiles where need be.
pub(super) struct Forecasts<'a> {
    pub(super) plan: &'a Plan,
    pub(super) kernels: &'a Kernels,
    pub(super) store: &'a Store,
    pub(super) forecaster: &'a Forecaster,
    pub(super) device: &'a Device,
    pub(super) fields: &'a [ScoredField],
    pub(super) tiling: Option<Tiling>,
}

impl Forecasts<'_> {
    /// The scored fields at each lead time, (B, C, H, W) by the recipe's names.
    pub(super) fn predicted(
        &self,
        indices: &[SampleIndex],
        leads: &[usize],
    ) -> Result<Vec<BTreeMap<String, Array4<f32>>>, Failure> {
        let Some(tiling) = &self.tiling else { return self.of_part(indices, leads) };
        let tiles: Vec<Vec<BTreeMap<String, Array4<f32>>>> = tiling
            .windows()
            .iter()
            .map(|window| {
                let part: Vec<SampleIndex> =
                    indices.iter().map(|index| SampleIndex { window: *window, ..index.clone() }).collect();
                self.of_part(&part, leads)
            })
            .collect::<Result<_, _>>()?;
        let names = |lead: usize| tiles.first().map(|tile| tile[lead].keys()).into_iter().flatten();
        (0..leads.len())
            .map(|lead| {
                let whole = |name: &String| {
                    let parts: Vec<&Array4<f32>> =
                        tiles.iter().filter_map(|tile| tile[lead].get(name)).collect();
                    let of = |sample: usize| {
                        let views: Vec<_> =
                            parts.iter().map(|part| part.index_axis(Axis(0), sample)).collect();
                        tiling.blended(&views)
                    };
                    let samples: Option<Vec<_>> = (0..indices.len()).map(of).collect();
                    let samples = samples
                        .ok_or_else(|| Failure::because(format!("tiles of `{name}` do not fit together")))?;
                    let views: Vec<_> = samples.iter().map(|sample| sample.view()).collect();
                    Ok((name.clone(), ndarray::stack(Axis(0), &views)?))
                };
                names(lead).map(whole).collect()
            })
            .collect()
    }

    /// The same for samples of one part of the grid.
    fn of_part(
        &self,
        indices: &[SampleIndex],
        leads: &[usize],
    ) -> Result<Vec<BTreeMap<String, Array4<f32>>>, Failure> {
        let samples = load_batch(self.store, indices, &batch::selection(self.plan, &[]))?;
        let grid = batch::coordinates(self.store, &samples);
        let input = batch::physical(self.plan, &samples, &grid, self.device);
        let last = leads.last().copied().unwrap_or(1);
        let forcing =
            (0..last.saturating_sub(1)).map(|step| batch::forcing(self.plan, &samples, step, self.device));
        let how = Rollout { forcing: forcing.collect(), ..Rollout::of(last) };
        let forecast = self.forecaster.model.rollout_as(&input, &self.forecaster.normalisation, &how)?;
        leads.iter().map(|lead| values(self.plan, self.kernels, self.fields, &forecast[lead - 1])).collect()
    }
}

/// The forecast's scored fields by the recipe's names, (B, C, H, W): the model's own as they are, others
/// by their kernel.
fn values(
    plan: &Plan,
    kernels: &Kernels,
    fields: &[ScoredField],
    forecast: &Batch,
) -> Result<BTreeMap<String, Array4<f32>>, Failure> {
    let own: BTreeMap<String, Tensor<5>> = plan
        .roles
        .iter()
        .filter_map(|role| {
            let field = match role.role {
                Role::Surface => forecast.surface.get(&role.named)?.clone().unsqueeze_dim::<5>(2),
                Role::Atmosphere => forecast.atmosphere.get(&role.named)?.clone(),
                Role::Static => forecast.statics.get(&role.named)?.clone().unsqueeze::<5>(),
            };
            Some((role.field.clone(), field))
        })
        .collect();
    let mut result = BTreeMap::new();
    for field in fields {
        let tensor = match (own.get(&field.name), kernels.kernel(&field.name)) {
            (Some(tensor), _) => tensor.clone(),
            (None, Some(kernel)) => graph::run(kernel, &own)?.swap_remove(0),
            (None, None) => continue,
        };
        let [b, _, c, h, w] = tensor.dims();
        let list = tensor.into_data().convert::<f32>().try_into_vec::<f32>().unwrap_or_default();
        if let Ok(array) = Array4::from_shape_vec((b, c, h, w), list) {
            result.insert(field.name.clone(), array);
        }
    }
    Ok(result)
}
