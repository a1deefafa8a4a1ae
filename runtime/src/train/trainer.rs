//! The training loop: phases in order, each a run of steps whose batches depend on seed, epoch and step
//! alone. So a run that was interrupted and resumed ends with the weights of one that was not.

use std::collections::BTreeMap;
use std::fs::{self, File};
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::{Duration, Instant};

use aurora_compiler::kernel::ir::Module as Kernels;
use aurora_compiler::plan::Plan;
use aurora_compiler::plan::base::BasePlan;
use aurora_compiler::plan::model::ModelPlan;
use aurora_compiler::plan::training::{Length, PhasePlan};
use burn::module::Module;
use burn::tensor::Device;

use super::checkpoint::{self, Position};
use super::events::{self, Event, Events};
use super::gradient::Gradient;
use super::interrupt::Interrupt;
use super::objective::Objective;
use super::optimiser::Optimiser;
use super::progress::Progress;
use super::scaling::Scalings;
use super::{TrainError, batch, learning, samples};
use crate::data::prefetch::{Ahead, Prefetch};
use crate::data::sample::{Batch as Samples, Cut, Mix, Split, load_batch};
use crate::data::store::Store;
use crate::durable;
use crate::model::checkpoint::Loading;
use crate::model::{Aurora, Normalisation};
use crate::talk::say;

/// Batches loaded ahead of the one being learnt from, by a thread that itself decodes on all cores.
const AHEAD: Ahead = Ahead { workers: 1, batches: 2 };

/// Everything a run needs.
#[derive(Debug)]
pub struct Trainer<'a> {
    pub plan: &'a Plan,
    pub kernels: &'a Kernels,
    pub store: Arc<Store>,
    /// The file of the base, if the recipe has one.
    pub base: Option<PathBuf>,
    /// Without gradients; training turns them on.
    pub device: Device,
    pub seed: u64,
    /// The run's folder.
    pub run: PathBuf,
    /// How often a checkpoint is written besides those at the ends of phases.
    pub checkpoint_every: Duration,
    /// Activations are computed again in the backward pass instead of being kept.
    pub recompute: bool,
    /// Samples held at a time; a whole batch if absent.
    pub micro_batch: Option<usize>,
    pub interrupt: Interrupt,
}

/// How training ended.
#[derive(Debug)]
pub enum Outcome {
    /// All phases are done.
    Finished(Box<Aurora>, Scalings),
    /// A signal asked to stop; the state is on disk and the exit code is this.
    Interrupted(u8),
}

/// What changes from step to step.
struct State {
    model: Aurora,
    optimiser: Optimiser,
    position: Position,
    events: Events,
    saved: Instant,
}

/// What stays the same through a phase.
pub(super) struct Phase<'a> {
    pub(super) plan: &'a PhasePlan,
    pub(super) objective: Objective,
    train: Arc<Mix>,
    validate: Option<Mix>,
    steps: usize,
    steps_per_epoch: usize,
    pub(super) normalisation: Normalisation,
    pub(super) scalings: Scalings,
}

impl Trainer<'_> {
    /// Trains from where the run's newest checkpoint stands, or from the beginning.
    pub fn train(&self) -> Result<Outcome, TrainError> {
        fs::create_dir_all(&self.run)?;
        let lock = File::create(self.run.join("training.lock"))?;
        if lock.try_lock().is_err() {
            return Err(TrainError::Busy(self.run.clone()));
        }
        durable::clean(&self.run)?;
        durable::clean(&self.checkpoints())?;
        self.check_scales()?;
        let mut state = self.begin()?;
        while state.position.phase < self.plan.training.phases.len() {
            let code;
            (state, code) = self.phase(state)?;
            if let Some(code) = code {
                return Ok(Outcome::Interrupted(code));
            }
            let phase = &self.plan.training.phases[state.position.phase];
            let device = self.device.clone().autodiff();
            state.model = learning::folded(state.model, self.plan, phase, &device)?;
            state.position.phase += 1;
            state.position.step = 0;
            state.optimiser = Optimiser::default();
            state.position.finished = state.position.phase == self.plan.training.phases.len();
            self.save(&mut state)?;
        }
        Ok(Outcome::Finished(Box::new(state.model.valid()), state.position.scalings))
    }

    fn checkpoints(&self) -> PathBuf {
        self.run.join("checkpoints")
    }

    fn begin(&self) -> Result<State, TrainError> {
        let device = self.device.clone().autodiff();
        let newest = checkpoint::newest(&self.checkpoints())?;
        // Within a phase a checkpoint has the phase's low-rank updates too.
        let within = newest.as_ref().filter(|(_, position)| position.step > 0);
        let within = within.and_then(|(_, position)| self.plan.training.phases.get(position.phase));
        let plan =
            within.map_or_else(|| self.plan.model.clone(), |phase| learning::model_plan(self.plan, phase));
        let mut model = Aurora::new(&plan, self.seed, &device)?;
        let mut started = None;
        let (optimiser, mut position) = match newest {
            Some((path, position)) => {
                self.same_run(&path, &position)?;
                checkpoint::load(&path, &mut model, &self.device)?
            }
            None => {
                started = self.start(&mut model)?;
                (Optimiser::default(), self.origin())
            }
        };
        if position.total_steps > 0 && !position.finished {
            say(&format!("resuming after step {}", position.total_steps));
            let content = &self.store.inventory().content;
            let known = std::mem::replace(&mut position.content, content.clone());
            if !known.is_empty() && known != *content {
                say(
                    "the training store holds other times than when this run was stopped: from here on samples come in another \
                     order, and an epoch may be longer or shorter",
                );
            }
        }
        let mut events = Events::open(&events::path(&self.run), position.total_steps)?;
        if let Some(event) = started {
            events.push(&event)?;
        }
        Ok(State { model, optimiser, position, events, saved: Instant::now() })
    }

    /// Puts the base's weights in place of fresh ones, as the plan says, and tells what became of each.
    fn start(&self, model: &mut Aurora) -> Result<Option<Event>, TrainError> {
        let Some(base) = &self.plan.base else { return Ok(None) };
        let refused =
            |path: PathBuf, reason: &str| TrainError::Checkpoint { path, reason: reason.to_string() };
        let Some(path) = &self.base else {
            return Err(refused(PathBuf::from(&base.name), "the recipe's base is not at hand"));
        };
        let loading = Loading { strict: false, broadcast: !base.broadcast.is_empty(), class: base.preset() };
        let report = model.load_checkpoint(path, loading)?;
        if report.missing != base.fresh || report.unused != base.unused {
            return Err(refused(path.clone(), "it holds other weights than the plan was made with"));
        }
        Ok(Some(Event::Base {
            name: base.name.clone(),
            digest: base.digest.clone(),
            kept: report.kept.len(),
            grown: report.grown.len(),
            broadcast: report.broadcast.len(),
            fresh: report.missing,
            unused: report.unused,
        }))
    }

    fn origin(&self) -> Position {
        Position {
            recipe: self.plan.hash.clone(),
            data: self.store.inventory().digest.clone(),
            content: self.store.inventory().content.clone(),
            seed: self.seed,
            phase: 0,
            step: 0,
            total_steps: 0,
            optimiser_steps: 0,
            finished: false,
            scalings: scalings(self.plan, &self.store),
        }
    }

    fn same_run(&self, path: &Path, position: &Position) -> Result<(), TrainError> {
        let reason = if position.recipe != self.plan.hash {
            format!("recipe {}", &position.recipe[..8.min(position.recipe.len())])
        } else if position.seed != self.seed {
            format!("seed {}", position.seed)
        } else if position.data != self.store.inventory().digest {
            "other data: the archive or its derived fields have changed since".to_string()
        } else {
            return Ok(());
        };
        Err(TrainError::OtherRun { path: path.to_path_buf(), reason })
    }

    /// Runs a phase to its end, or until a signal comes.
    fn phase(&self, mut state: State) -> Result<(State, Option<u8>), TrainError> {
        let phase = self.prepare(&state)?;
        if state.position.step == 0 {
            let seed = self.seed.wrapping_add(state.position.phase as u64);
            let device = self.device.clone().autodiff();
            state.model = learning::adapted(state.model, self.plan, phase.plan, seed, &device)?;
        }
        state.model = learning::only(state.model, &learning::learning(self.plan, phase.plan));
        let mut progress = Progress::new(&phase.plan.name, phase.steps, state.position.step);
        let numbers = state.position.step as u64..phase.steps as u64;
        let selection = batch::selection(self.plan, &phase.objective.true_fields());
        let batches = Prefetch::new(
            Arc::clone(&self.store),
            Arc::clone(&phase.train),
            selection,
            phase.plan.batch,
            numbers,
            AHEAD,
        )?;
        for samples in batches {
            let loss;
            (state, loss) = self.step(&phase, state, &samples?)?;
            progress.step(state.position.step, loss);
            if state.position.step.is_multiple_of(phase.steps_per_epoch) {
                self.validate(&phase, &mut state, &progress)?;
            }
            if let Some(code) = self.interrupt.code() {
                self.save(&mut state)?;
                progress.say(&format!(
                    "stopped after step {}; the same command goes on from here",
                    state.position.total_steps
                ));
                return Ok((state, Some(code)));
            }
            if state.saved.elapsed() >= self.checkpoint_every {
                self.save(&mut state)?;
            }
        }
        progress.finish();
        Ok((state, None))
    }

    fn prepare(&self, state: &State) -> Result<Phase<'_>, TrainError> {
        let plan = &self.plan.training.phases[state.position.phase];
        let cut = Cut {
            split: Split::Train,
            history: self.plan.history,
            step: self.plan.step,
            targets: plan.rollout,
            // Each phase shuffles in its own way.
            seed: self.seed.wrapping_mul(1_000_003).wrapping_add(state.position.phase as u64),
            shuffled: true,
            tile: plan.tile,
            factor: 1,
        };
        let samples = |cut| samples::samples(self.plan, self.kernels, &self.store, plan, cut);
        let train = samples(cut)?;
        let steps_per_epoch = train.batches(plan.batch);
        if steps_per_epoch == 0 {
            let phase = plan.name.clone();
            return Err(TrainError::TooFewSamples { phase, samples: train.len(), batch: plan.batch });
        }
        let steps = match plan.length {
            Length::Epochs(epochs) => epochs * steps_per_epoch,
            Length::Steps(steps) => steps,
        };
        let validate = match self.plan.data.validate {
            Some(_) => {
                let cut = Cut { split: Split::Validate, shuffled: false, ..cut };
                Some(samples(cut)?)
            }
            None => None,
        };
        let scalings = state.position.scalings.clone();
        Ok(Phase {
            plan,
            objective: Objective::new(
                self.plan,
                plan,
                self.kernels,
                &scalings,
                &spreads(self.plan, &self.store),
            )?,
            train: Arc::new(train),
            validate,
            steps,
            steps_per_epoch,
            normalisation: scalings.normalisation(self.plan),
            scalings,
        })
    }

    /// Refuses phases, before the first of them is run, whose losses are not what they seem at a coarser scale, or whose grid
    /// no patches divide there.
    fn check_scales(&self) -> Result<(), TrainError> {
        let grid = &self.plan.data.grid;
        let scalings = scalings(self.plan, &self.store);
        for phase in &self.plan.training.phases {
            for scale in phase.scales.iter().filter(|_| phase.tile.is_none()) {
                let factor = (scale.spacing / grid.spacing).round().max(1.0) as usize;
                let (rows, columns) = (grid.height / factor, grid.width / factor);
                let patch = self.plan.model.patch.max(1);
                if columns % patch != 0 || rows % patch > 1 || rows < patch {
                    let (phase, kilometres) = (phase.name.clone(), scale.spacing / 1000.0);
                    return Err(TrainError::Patches { phase, kilometres, rows, columns, patch });
                }
            }
            let coarse = phase.scales.iter().find(|scale| scale.spacing > 1.5 * grid.spacing);
            let Some(coarse) = coarse else { continue };
            let spreads = spreads(self.plan, &self.store);
            if Objective::new(self.plan, phase, self.kernels, &scalings, &spreads)?.has_stencils() {
                let (phase, kilometres) = (phase.name.clone(), coarse.spacing / 1000.0);
                return Err(TrainError::Differences { phase, kilometres });
            }
        }
        Ok(())
    }

    /// One step of the optimiser; gives back the loss. Takes the state, so that weights are moved where they lie.
    fn step(
        &self,
        phase: &Phase<'_>,
        mut state: State,
        samples: &Samples,
    ) -> Result<(State, f64), TrainError> {
        let began = Instant::now();
        let Gradient { loss, parts, mut gradients } =
            self.gradient(phase, &state.model, samples, state.position.total_steps as u64)?;
        let step = state.position.step + 1;
        let not_finite = |what| TrainError::NotFinite {
            what,
            step,
            phase: phase.plan.name.clone(),
            part: largest(&parts),
        };
        if !loss.is_finite() {
            return Err(not_finite("loss"));
        }
        let rate = phase.plan.optimiser.rate.at(state.position.step, phase.steps);
        let settings = &phase.plan.optimiser;
        let everything = ["new".to_string()];
        let groups = match &self.plan.base {
            None => &phase.plan.train[..],
            Some(base) => {
                gradients.retain(|name| learns(base, &self.plan.model, name, &phase.plan.train));
                &everything[..]
            }
        };
        let (model, norm) = state.optimiser.step(state.model, gradients, settings, rate, groups);
        if !norm.is_finite() {
            return Err(not_finite("gradient"));
        }
        state.model = model;
        state.position.step = step;
        state.position.total_steps += 1;
        state.events.push(&Event::Step {
            phase: phase.plan.name.clone(),
            step: state.position.total_steps,
            epoch: (step - 1) / phase.steps_per_epoch + 1,
            loss,
            parts,
            rate,
            gradient_norm: norm,
            seconds: began.elapsed().as_secs_f64(),
        })?;
        Ok((state, loss))
    }

    /// The objective over the validate split, without gradients.
    fn validate(&self, phase: &Phase<'_>, state: &mut State, progress: &Progress) -> Result<(), TrainError> {
        let Some(sampler) = &phase.validate else { return Ok(()) };
        let selection = batch::selection(self.plan, &phase.objective.true_fields());
        let model = state.model.valid();
        model.noise().seed(self.seed);
        let size = phase.plan.batch.min(sampler.len());
        let batches = sampler.batches(size);
        let mut loss = 0.0;
        let mut parts: BTreeMap<String, f64> = BTreeMap::new();
        for number in 0..batches {
            let samples = load_batch(&self.store, &sampler.batch(size, number as u64), &selection)?;
            let (value, values) = self.valued(phase, &model, &samples)?;
            loss += value / batches as f64;
            for (name, part) in values {
                *parts.entry(name).or_default() += part / batches as f64;
            }
        }
        let step = state.position.total_steps;
        let epoch = state.position.step / phase.steps_per_epoch;
        progress.say(&format!("{}  epoch {epoch}  validate {loss:.4}", phase.plan.name));
        Ok(state.events.push(&Event::Validate { phase: phase.plan.name.clone(), step, loss, parts })?)
    }

    fn save(&self, state: &mut State) -> Result<(), TrainError> {
        state.position.optimiser_steps = state.optimiser.steps;
        checkpoint::save(&self.checkpoints(), &state.model, &state.optimiser, &state.position)?;
        state.events.push(&Event::Checkpoint { step: state.position.total_steps })?;
        state.saved = Instant::now();
        Ok(())
    }
}

/// Whether a weight of a model that started from `base` learns in a phase that trains `groups`: `new` is what the base
/// did not have.
fn learns(base: &BasePlan, model: &ModelPlan, name: &str, groups: &[String]) -> bool {
    let own = model.group_of(name);
    let fresh = || base.fresh.binary_search_by(|one| one.as_str().cmp(name)).is_ok();
    groups.iter().any(|group| if group == "new" { fresh() } else { *group == own })
}

/// Scalings of the model's fields from the store's statistics over the train split.
pub fn scalings(plan: &Plan, store: &Store) -> Scalings {
    Scalings::new(plan, &|field| {
        let levels = store.statistics().get(field).map(|s| &s.levels[..]).unwrap_or_default();
        levels.iter().map(|m| (m.mean, m.deviation())).collect()
    })
}

/// The spread of each derived field over the train split.
fn spreads(plan: &Plan, store: &Store) -> BTreeMap<String, f64> {
    let spread = |name: &str| {
        let levels = store.statistics().get(name).map(|s| &s.levels[..]).unwrap_or_default();
        let squares: f64 = levels.iter().map(|m| m.deviation().powi(2)).sum();
        let spread = (squares / levels.len().max(1) as f64).sqrt();
        if spread > 0.0 { spread } else { 1.0 }
    };
    plan.data.derived.iter().map(|d| (d.name.clone(), spread(&d.name))).collect()
}

fn largest(parts: &BTreeMap<String, f64>) -> String {
    let bad = parts.iter().find(|(_, value)| !value.is_finite());
    let most = parts.iter().max_by(|a, b| a.1.total_cmp(b.1));
    bad.or(most).map_or_else(|| "unknown".to_string(), |(name, value)| format!("{name} = {value}"))
}
