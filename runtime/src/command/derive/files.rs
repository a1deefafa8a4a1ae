//! From files of fields to a file of derived fields.

use std::collections::{BTreeMap, BTreeSet};
use std::path::Path;

use aurora_compiler::kernel::ir::Module;
use aurora_compiler::plan::data::SupportPlan;
use aurora_compiler::plan::derivation::{Derivation, derivable};
use burn::tensor::{Device, Tensor, TensorData};
use ndarray::Array3;

use super::{Arguments, Form};
use crate::data::source::{Coordinates, Sources};
use crate::derive::DeriveError;
use crate::derive::bind::{Bound, bind, held};
use crate::derive::compute::{Computed, compute, needed};
use crate::derive::output::{About, Dataset};
use crate::derive::{library, over};
use crate::model::{self, Batch};
use crate::predict::batch_file;
use crate::run::{Failure, recipe_file, recipe_text, show};
use crate::site::Site;
use crate::talk::say;
use crate::train::interrupt::Interrupt;

/// What a library derives from the input.
pub fn library(name: &str, form: Form, output: &Path, arguments: &Arguments) -> Result<(), Failure> {
    let library = library::named(name)?;
    library::wanted(&library, &arguments.only)?;
    let sources = open(arguments)?;
    let written = over::write(&sources)?;
    for note in &written.notes {
        say(note);
    }
    let made = library::make(&library, &arguments.only, &written, &held(&sources))?;
    tell_left_out(&made.left_out);
    let title = format!("{name} of {}", files(arguments));
    let job = Job { plan: &made.plan, module: &made.module, outputs: &made.outputs, bound: &written.bound };
    job.run(&sources, form, output, &title)
}

/// What a recipe derives from the input, found by the names in its `from`.
pub fn recipe(path: &Path, form: Form, output: &Path, arguments: &Arguments) -> Result<(), Failure> {
    let file = recipe_file(path);
    let text = recipe_text(&file)?;
    let site = Site::find(Some(&file)).map_err(Failure::because)?;
    let derived = derivable(&file.display().to_string(), &text, &site, &arguments.only);
    show(&derived.diagnostics, &derived.sources, arguments.recipe.format);
    let Some((plan, module)) = derived.result else { return Err(Failure::Wrong(None)) };
    let names: Vec<&str> = plan.derived.iter().map(|field| field.name.as_str()).collect();
    if let Some(unknown) = arguments.only.iter().find(|name| !names.contains(&name.as_str())) {
        let all = derivable(&file.display().to_string(), &text, &site, &[]).result;
        let all: Vec<String> =
            all.iter().flat_map(|(plan, _)| &plan.derived).map(|f| f.name.clone()).collect();
        let hint = match aurora_grammar::nearest(unknown, all.iter().map(String::as_str)) {
            Some(near) => format!("did you mean `{near}`?"),
            None => format!("it derives {}", all.join(", ")),
        };
        return Err(Failure::because(format!("the recipe derives nothing called `{unknown}`; {hint}")));
    }
    if names.is_empty() {
        return Err(Failure::because("the recipe derives nothing"));
    }
    let sources = open(arguments)?;
    let (bound, failed) = bind_all(&plan, &sources);
    let asked: Vec<&str> = match arguments.only.is_empty() {
        true => names,
        false => arguments.only.iter().map(String::as_str).collect(),
    };
    let mut outputs = BTreeSet::new();
    let mut left_out = Vec::new();
    for name in asked {
        let fields = needed(&plan, &BTreeSet::from([name.to_string()]));
        let mut lacking = fields.iter().flat_map(|field| &field.inputs).filter_map(|input| failed.get(input));
        match lacking.next() {
            None => drop(outputs.insert(name.to_string())),
            Some(why) if arguments.only.is_empty() => left_out.push((name.to_string(), why.clone())),
            Some(why) => return Err(Failure::because(format!("`{name}` cannot be derived: {why}"))),
        }
    }
    if outputs.is_empty() {
        let (name, why) = left_out.first().cloned().unwrap_or_default();
        return Err(Failure::because(format!("nothing can be derived; `{name}`: {why}")));
    }
    tell_left_out(&left_out);
    let title = format!("{} of {}", file.display(), files(arguments));
    Job { plan: &plan, module: &module, outputs: &outputs, bound: &bound }.run(&sources, form, output, &title)
}

fn open(arguments: &Arguments) -> Result<Sources, Failure> {
    let sources = Sources::open(&arguments.input)?;
    for note in sources.notes() {
        say(&note);
    }
    Ok(sources)
}

/// Every variable that the recipe needs, or why it is not there.
fn bind_all(plan: &Derivation, sources: &Sources) -> (BTreeMap<String, Bound>, BTreeMap<String, String>) {
    let (mut bound, mut failed) = (BTreeMap::new(), BTreeMap::new());
    for field in &plan.fields {
        let levels = match &field.support {
            SupportPlan::Levels(set) => plan.levels.get(set),
            _ => None,
        };
        match bind(sources, field, levels, None) {
            Ok(found) => drop(bound.insert(field.name.clone(), found)),
            Err(error) => drop(failed.insert(field.name.clone(), error.to_string())),
        }
    }
    (bound, failed)
}

fn tell_left_out(left_out: &[(String, String)]) {
    // Those with one reason on one line.
    let mut by_reason: BTreeMap<&str, Vec<&str>> = BTreeMap::new();
    for (name, why) in left_out {
        by_reason.entry(why).or_default().push(name);
    }
    for (why, names) in by_reason {
        say(&format!("left out: {}: {why}", names.join(", ")));
    }
}

/// The inputs by their own names.
fn files(arguments: &Arguments) -> String {
    let name = |path: &std::path::PathBuf| {
        path.file_name()
            .map_or_else(|| path.display().to_string(), |name| name.to_string_lossy().into_owned())
    };
    arguments.input.iter().map(name).collect::<Vec<_>>().join(", ")
}

struct Job<'a> {
    plan: &'a Derivation,
    module: &'a Module,
    outputs: &'a BTreeSet<String>,
    bound: &'a BTreeMap<String, Bound>,
}

impl Job<'_> {
    fn run(&self, sources: &Sources, form: Form, output: &Path, title: &str) -> Result<(), Failure> {
        let interrupt = Interrupt::watch()?;
        let stop = || interrupt.code().is_some();
        let computed = compute(self.plan, self.module, self.outputs, self.bound, sources, &stop);
        if let Some(code) = interrupt.code() {
            return Err(Failure::Signal(code));
        }
        let computed = computed?;
        let source = format!("aurorac {} from {}", env!("CARGO_PKG_VERSION"), sources.formats());
        let about = About {
            place: sources.place(),
            derived: &self.plan.derived,
            levels: &self.plan.levels,
            titles: &self.plan.titles,
            reference: sources.reference(),
            title,
            source: &source,
        };
        match form {
            Form::Netcdf => Dataset::new(&computed, about).write_netcdf(output)?,
            Form::Zarr => Dataset::new(&computed, about).write_zarr(output)?,
            Form::Batch => self.write_batch(&computed, sources, output)?,
        }
        Ok(())
    }

    /// One sample for each time.
    fn write_batch(&self, computed: &Computed, sources: &Sources, output: &Path) -> Result<(), Failure> {
        let device = Device::flex();
        let coordinates = |values: &Coordinates| -> (model::Coordinates, model::Coordinates) {
            let single = |values: &mut dyn Iterator<Item = f64>| values.map(|value| value as f32).collect();
            let place = sources.place();
            match values {
                Coordinates::Regular { latitude, longitude } => (
                    model::Coordinates {
                        shape: vec![place.height],
                        values: single(&mut latitude.iter().copied()),
                    },
                    model::Coordinates {
                        shape: vec![place.width],
                        values: single(&mut longitude.iter().copied()),
                    },
                ),
                Coordinates::Curved { latitude, longitude } => {
                    let shape = vec![place.height, place.width];
                    (
                        model::Coordinates {
                            shape: shape.clone(),
                            values: single(&mut latitude.iter().copied()),
                        },
                        model::Coordinates { shape, values: single(&mut longitude.iter().copied()) },
                    )
                }
            }
        };
        let known = sources.place().coordinates.as_ref().ok_or_else(|| {
            DeriveError(
                "a batch file needs the coordinates of its points, which the input does not give".into(),
            )
        })?;
        let (latitude, longitude) = coordinates(known);
        let pressure = self.plan.levels.values().find(|levels| levels.coordinate == "pressure");
        let levels =
            pressure.map_or_else(|| vec![1000.0], |set| set.values.iter().map(|p| p / 100.0).collect());
        let time = match computed.times.is_empty() {
            true => vec![0],
            false => computed.times.iter().map(|time| time.as_second()).collect(),
        };
        let mut batch = Batch {
            surface: BTreeMap::new(),
            statics: BTreeMap::new(),
            atmosphere: BTreeMap::new(),
            latitude,
            longitude,
            time,
            levels,
            rollout_step: 0,
        };
        for field in &self.plan.derived {
            let Some(values) = computed.fields.get(&field.name) else { continue };
            let Some((depth, height, width)) = values.first().map(Array3::dim) else { continue };
            let flat: Vec<f32> = values.iter().flat_map(|array| array.iter().copied()).collect();
            let tensor: Tensor<5> =
                Tensor::from_data(TensorData::new(flat, [values.len(), 1, depth, height, width]), &device);
            match &field.support {
                SupportPlan::Levels(set) if self.plan.levels.get(set) != pressure => {
                    return Err(Failure::because(format!(
                        "`{}` is not on levels of pressure, the only ones of a batch file: write .nc or .zarr",
                        field.name
                    )));
                }
                SupportPlan::Levels(_) => drop(batch.atmosphere.insert(field.name.clone(), tensor)),
                SupportPlan::Static => {
                    let first = tensor.slice([0..1, 0..1, 0..1, 0..height, 0..width]);
                    batch.statics.insert(field.name.clone(), first.reshape([height, width]));
                }
                _ => drop(batch.surface.insert(field.name.clone(), tensor.squeeze_dim::<4>(2))),
            }
        }
        Ok(batch_file::write(output, &[batch])?)
    }
}
