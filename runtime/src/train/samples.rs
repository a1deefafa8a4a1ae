//! The samples of a phase: at its scales, and of those to learn from some more often than they occur.

use std::collections::BTreeMap;
use std::collections::btree_map::Entry;

use aurora_compiler::kernel::ir::Module as Kernels;
use aurora_compiler::plan::Plan;
use aurora_compiler::plan::training::{Favour, PhasePlan};

use crate::data::archive::DataError;
use crate::data::sample::favour::{Blocks, Truth};
use crate::data::sample::{Cut, Held, Mix, Sampler, Split};
use crate::data::store::Store;

/// What a phase favours, and where it holds at the times that were asked for: once for all scales.
struct Condition<'a> {
    favour: &'a Favour,
    truth: Truth,
    known: BTreeMap<usize, Blocks>,
}

impl<'a> Condition<'a> {
    fn new(kernels: &Kernels, favour: &'a Favour) -> Result<Self, DataError> {
        let truth = Truth::new(kernels, &favour.condition)?;
        Ok(Self { favour, truth, known: BTreeMap::new() })
    }

    /// The samples of a scale in which it holds.
    fn held(&mut self, store: &Store, sampler: &Sampler, factor: usize) -> Result<Held, DataError> {
        let Self { favour, truth, known } = self;
        let blocks = |time| match known.entry(time) {
            Entry::Occupied(known) => Ok(known.get().clone()),
            Entry::Vacant(place) => truth.blocks(store, time).map(|found| place.insert(found).clone()),
        };
        let asked = (&favour.condition.written[..], favour.share);
        Held::new(asked, sampler.steps(), sampler.places(), factor, blocks)
    }
}

/// The samples of a split for a phase. `cut` says how at the grid's own spacing; a phase with scales has them at those.
///
/// # Errors
/// Those of [`Sampler::new`] and [`Sampler::favouring`]; a condition that cannot be computed or whose fields cannot be read.
pub fn samples(
    plan: &Plan,
    kernels: &Kernels,
    store: &Store,
    phase: &PhasePlan,
    cut: Cut,
) -> Result<Mix, DataError> {
    let favours = phase.favour.iter().filter(|_| cut.split == Split::Train);
    let mut conditions =
        favours.map(|favour| Condition::new(kernels, favour)).collect::<Result<Vec<_>, _>>()?;
    let mut sampler = |factor| -> Result<Sampler, DataError> {
        let sampler = Sampler::new(store, Cut { factor, ..cut })?;
        let mut held = Vec::with_capacity(conditions.len());
        for condition in &mut conditions {
            let found = condition.held(store, &sampler, factor)?;
            // A tile of a coarse scale shows so much that what is rare on others is common on it.
            if factor == 1 || found.occurrence() < condition.favour.share {
                held.push(found);
            }
        }
        sampler.favouring(held)
    };
    let factor = |spacing: f64| (spacing / plan.data.grid.spacing).round().max(1.0) as usize;
    let Some((first, others)) = phase.scales.split_first() else { return Ok(sampler(1)?.into()) };
    let (mut mix, mut sum) = (Mix::from(sampler(factor(first.spacing))?), first.share);
    for scale in others {
        sum += scale.share;
        mix = mix.and(scale.share / sum, sampler(factor(scale.spacing))?);
    }
    Ok(mix)
}
