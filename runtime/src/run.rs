//! A recipe on its way through this machine: compiled, its data prepared, its folders found.

use std::collections::BTreeSet;
use std::fs;
use std::io::{IsTerminal, Write};
use std::path::{Path, PathBuf};
use std::sync::Arc;

use aurora_compiler::kernel::ir::Module as Kernels;
use aurora_compiler::lock::Lock;
use aurora_compiler::{Compilation, Plan, artefact, compile};
use aurora_grammar::{SourceMap, Span, render};
use indicatif::{ProgressBar, ProgressStyle};
use jiff::Timestamp;
use ndarray::Array3;

use crate::data::archive::{Archive, ArchiveField, Available, DataError, Request};
use crate::data::brought::Brought;
use crate::data::files::{Files, Wanted};
use crate::data::grid::Grid;
use crate::data::kernels::Kernels as Derived;
use crate::data::prepare::{Inventory, Progress, Share, digest, prepare, prepare_share};
use crate::data::store::Store;
use crate::durable;
use crate::hub;
use crate::memory::keep_freed;
use crate::site::Site;
use crate::talk::{reason, say, tell};
use crate::train::interrupt::Interrupt;

/// How diagnostics are shown.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, clap::ValueEnum)]
pub enum Format {
    /// Drawn, with the lines they speak of.
    #[default]
    Human,
    /// One JSON object a line.
    Json,
    /// One line each.
    Short,
}

/// Why a command ends without its result. The exit code follows from it.
#[derive(Debug)]
pub enum Failure {
    /// The recipe or the data is wrong: 1. The message, if any, has not been shown yet.
    Wrong(Option<String>),
    /// A signal: 130 or 143.
    Signal(u8),
    /// Nothing is wrong, or it has been said; the exit code is the answer.
    Code(u8),
}

impl<E: std::error::Error> From<E> for Failure {
    fn from(error: E) -> Failure {
        Failure::Wrong(Some(error.to_string()))
    }
}

impl Failure {
    pub fn because(message: impl Into<String>) -> Failure {
        Failure::Wrong(Some(message.into()))
    }
}

/// A recipe that compiled, on this machine.
#[derive(Debug)]
pub struct Recipe {
    pub path: PathBuf,
    pub text: String,
    pub canonical: String,
    /// The libraries of which it reaches something.
    pub libraries: BTreeSet<String>,
    pub plan: Plan,
    pub kernels: Kernels,
    pub site: Site,
}

impl Recipe {
    /// Reads and compiles a recipe; an artefact's folder stands for the recipe in it. Diagnostics go to
    /// stderr, as JSON to stdout.
    pub fn open(path: &Path, format: Format) -> Result<Recipe, Failure> {
        let (compilation, site) = compiled(path, format)?;
        Recipe::of(path, compilation, site)
    }

    /// The same for a command that needs the base's weights: they are fetched from the hub if they are not at hand,
    /// and must be those of `aurora.lock`.
    pub fn open_with_base(path: &Path, format: Format) -> Result<Recipe, Failure> {
        if let Some(name) = absent_base(path)? {
            hub::fetch(&name)?;
        }
        let recipe = Recipe::open(path, format)?;
        recipe.base_is_locked()?;
        Ok(recipe)
    }

    /// As [`Recipe::open_with_base`], for a command that can do without: that the weights cannot be fetched is said,
    /// and those of their published class are taken for them.
    pub fn open_with_base_if_any(path: &Path, format: Format) -> Result<Recipe, Failure> {
        if let Some(name) = absent_base(path)?
            && let Err(error) = hub::fetch(&name)
        {
            say(&format!("{error}; going on with what is known of its class"));
        }
        Recipe::open(path, format)
    }

    /// Whether the base is the file that `aurora.lock` holds, if it holds one.
    fn base_is_locked(&self) -> Result<(), Failure> {
        let Some(base) = &self.plan.base else { return Ok(()) };
        let path = crate::command::build::beside(&self.path);
        let locked =
            crate::command::build::read(&path)?.and_then(|file| file.recipes.get(&self.plan.name).cloned());
        let Some(locked) = locked.and_then(|lock| lock.checkpoint) else { return Ok(()) };
        match (&locked.digest, &base.digest) {
            (Some(before), Some(now)) if locked.name == base.name && before != now => {
                Err(Failure::because(format!(
                    "the base `{}` is not the file that {} holds: its digest was {}…, now it is {}…; if that is meant, \
                     run `aurorac build {}`",
                    base.name,
                    path.display(),
                    &before[..12.min(before.len())],
                    &now[..12.min(now.len())],
                    self.path.display()
                )))
            }
            _ => Ok(()),
        }
    }

    /// The same for a command that prints data to stdout: diagnostics go to stderr in every format.
    pub fn open_for_data(path: &Path, format: Format) -> Result<Recipe, Failure> {
        let (compilation, site) = read_and_compiled(path)?;
        match format {
            Format::Json => tell(&render::json(&compilation.diagnostics, &compilation.sources)),
            _ => show(&compilation.diagnostics, &compilation.sources, format),
        }
        Recipe::of(path, compilation, site)
    }

    fn of(path: &Path, compilation: Compilation, site: Site) -> Result<Recipe, Failure> {
        let Some((plan, kernels)) = compilation.result else { return Err(Failure::Wrong(None)) };
        let path = recipe_file(path);
        // The recipe is the first file of its compilation.
        let file = compilation.sources.file(Span::new(0, 0));
        let text = file.map_or("", |file| compilation.sources.text(file)).to_string();
        let (canonical, libraries) = (compilation.canonical, compilation.libraries);
        Ok(Recipe { path, text, canonical, libraries, plan, kernels, site })
    }

    /// Writes the artefact, `build/NAME-HASH`, whole or not at all.
    pub fn build(&self) -> Result<PathBuf, Failure> {
        let path = Path::new("build").join(self.plan.folder());
        self.write_artefact(&path)?;
        Ok(path)
    }

    /// What the recipe was compiled with.
    pub fn lock(&self) -> Lock {
        let archive = aurora_compiler::Site::archive(&self.site, &self.plan.data.archive);
        Lock::new(&self.plan, &self.kernels, &self.libraries, archive.as_ref())
    }

    /// Writes the artefact's files into a folder of its own.
    pub fn write_artefact(&self, path: &Path) -> Result<(), Failure> {
        durable::folder::<std::io::Error>(path, |inside| {
            for file in artefact::files(&self.plan, &self.kernels, &self.canonical, &self.lock()) {
                fs::write(inside.join(file.name), file.text)
                    .map_err(|error| durable::named(&path.join(file.name), error))?;
            }
            Ok(())
        })?;
        Ok(())
    }

    /// The file of the checkpoint that the recipe starts from; nothing if it starts from scratch.
    ///
    /// # Errors
    /// It is not at hand.
    pub fn base_file(&self) -> Result<Option<PathBuf>, Failure> {
        let Some(base) = &self.plan.base else { return Ok(None) };
        match self.site.checkpoint_file(&base.name) {
            Some(path) => Ok(Some(path)),
            None => Err(Failure::because(format!(
                "the base `{}` is not at hand: put the file beside the recipe, or name its folder in site.toml \
                 (checkpoints = \"…\")",
                base.name
            ))),
        }
    }

    /// Files and folders of weights as a command names them: paths, or files of the hub (`OWNER/REPOSITORY:FILE`), which
    /// are fetched if they are not at hand.
    ///
    /// # Errors
    /// A file that cannot be fetched.
    pub fn checkpoints(&self, named: &[PathBuf]) -> Result<Vec<PathBuf>, Failure> {
        let path = |named: &PathBuf| match named.to_str().filter(|text| hub::Name::read(text).is_some()) {
            Some(text) if !named.exists() => match self.site.checkpoint_file(text) {
                Some(path) => Ok(path),
                None => Ok(hub::fetch(text)?),
            },
            _ => Ok(named.clone()),
        };
        named.iter().map(path).collect()
    }

    /// Prepares the training store, or finds it prepared. After a signal the same command goes on where it was.
    pub fn prepare(&self, interrupt: &Interrupt) -> Result<(Arc<Store>, Inventory), Failure> {
        let (path, inventory) = self.with_archive(interrupt, |archive, derived, path| {
            let progress = Bar::new();
            prepare(&self.plan.data, archive, derived, path, &mut |at| progress.show(at))
        })?;
        Ok((Arc::new(Store::open(&path)?), inventory))
    }

    /// Prepares a share of the training store; gives its place and whether anything was left to do.
    pub fn prepare_share(&self, share: Share, interrupt: &Interrupt) -> Result<(PathBuf, bool), Failure> {
        self.with_archive(interrupt, |archive, derived, path| {
            let progress = Bar::new();
            prepare_share(&self.plan.data, archive, derived, path, share, &mut |at| progress.show(at))
        })
    }

    /// Where the training store of this recipe lies, or would lie.
    pub fn store_path(&self) -> Result<PathBuf, Failure> {
        Ok(self.with_archive(&Interrupt::default(), |_, _, _| Ok(()))?.0)
    }

    fn with_archive<T>(
        &self,
        interrupt: &Interrupt,
        run: impl FnOnce(&dyn Archive, &Derived, &Path) -> Result<T, DataError>,
    ) -> Result<(PathBuf, T), Failure> {
        keep_freed();
        let data = &self.plan.data;
        let stores = self.site.stores();
        let archive = self.site.open_archive(&data.archive)?;
        let archive = Interruptible { archive: &*archive, interrupt };
        let archive = Brought::to_grid(&archive, data, &data.fields, &stores)?;
        let archive = archive.debiased(data, &|name| self.site.open_archive(name), &stores)?;
        let derived = Derived::new(&self.kernels, &data.derived)?;
        let digest = digest(data, &archive, &derived);
        let path = stores.join(format!("{}-{}.zarr", data.archive, &digest[..8]));
        match (run(&archive, &derived, &path), interrupt.code()) {
            (Err(error), Some(code)) => {
                match error {
                    DataError::Interrupted => {
                        say("stopped; what is written is kept, and the same command goes on from there");
                    }
                    other => say(&other.to_string()),
                }
                Err(Failure::Signal(code))
            }
            (result, _) => Ok((path, result?)),
        }
    }

    /// The folder of this recipe's run with a seed.
    pub fn run(&self, seed: u64) -> PathBuf {
        self.site.runs().join(self.plan.folder()).join(seed.to_string())
    }

    /// Fixes the number of threads for what follows, so that sums are taken in the same order.
    pub fn set_threads(&self) -> Result<(), Failure> {
        if let Some(threads) = self.site.threads() {
            rayon::ThreadPoolBuilder::new().num_threads(threads).build_global()?;
        }
        Ok(())
    }
}

/// The name of the recipe's base, if the recipe compiles and the base is of the hub and not at hand.
fn absent_base(path: &Path) -> Result<Option<String>, Failure> {
    let (compilation, _) = read_and_compiled(path)?;
    let base = compilation.result.and_then(|(plan, _)| plan.base);
    let absent = base.filter(|base| base.digest.is_none() && hub::Name::read(&base.name).is_some());
    Ok(absent.map(|base| base.name))
}

/// Reads and compiles a recipe and shows its diagnostics, right or wrong.
pub fn compiled(path: &Path, format: Format) -> Result<(Compilation, Site), Failure> {
    let (compilation, site) = read_and_compiled(path)?;
    show(&compilation.diagnostics, &compilation.sources, format);
    Ok((compilation, site))
}

fn read_and_compiled(path: &Path) -> Result<(Compilation, Site), Failure> {
    let path = recipe_file(path);
    let text = recipe_text(&path)?;
    let site = Site::find(Some(&path)).map_err(Failure::because)?;
    let compilation = compile(&path.display().to_string(), &text, &site);
    match site.unopened() {
        Some(reason) => Err(Failure::because(reason)),
        None => Ok((compilation, site)),
    }
}

/// The recipe in an artefact's folder, or the file itself.
pub fn recipe_file(path: &Path) -> PathBuf {
    if path.is_dir() { path.join("recipe.aurora") } else { path.to_path_buf() }
}

/// The text of a recipe.
///
/// # Errors
/// A sentence that says why it cannot be read.
pub fn recipe_text(path: &Path) -> Result<String, Failure> {
    let refused =
        |why: &str| Failure::because(format!("the recipe {} cannot be read: {why}", path.display()));
    let bytes = fs::read(path).map_err(|error| refused(&reason(&error)))?;
    String::from_utf8(bytes).map_err(|error| {
        refused(&format!("it is no text in UTF-8 from byte {} on", error.utf8_error().valid_up_to()))
    })
}

/// How far a preparation is, on a terminal.
struct Bar(Option<ProgressBar>);

impl Bar {
    fn new() -> Bar {
        let template = "preparing {bar:32} {pos}/{len} times  {eta} left";
        let style = ProgressStyle::with_template(template).unwrap_or_else(|_| ProgressStyle::default_bar());
        Bar(std::io::stderr().is_terminal().then(|| ProgressBar::new(0).with_style(style)))
    }

    fn show(&self, progress: Progress) {
        if let Progress::Begun { here, elsewhere, total } = progress
            && here + elsewhere > 0
        {
            let others =
                if elsewhere > 0 { format!(", {elsewhere} of them in other stores") } else { String::new() };
            say(&format!("{} of {total} times are there already{others}", here + elsewhere));
        }
        let (done, total) = match progress {
            Progress::Begun { here, total, .. } => (here, total),
            Progress::Going { done, total } => (done, total),
        };
        if let Some(bar) = &self.0 {
            bar.set_length(total as u64);
            bar.set_position(done as u64);
        }
    }
}

impl Drop for Bar {
    fn drop(&mut self) {
        if let Some(bar) = &self.0 {
            bar.finish_and_clear();
        }
    }
}

/// An archive that reads no more once a signal has come.
struct Interruptible<'a> {
    archive: &'a dyn Archive,
    interrupt: &'a Interrupt,
}

impl Archive for Interruptible<'_> {
    fn name(&self) -> &str {
        self.archive.name()
    }

    fn identity(&self) -> String {
        self.archive.identity()
    }

    fn fields(&self) -> Vec<ArchiveField> {
        self.archive.fields()
    }

    fn left_out(&self) -> Vec<String> {
        self.archive.left_out()
    }

    fn grid(&self) -> Grid {
        self.archive.grid()
    }

    fn times(&self) -> Available {
        self.archive.times()
    }

    fn has(&self, time: Timestamp) -> bool {
        self.archive.has(time)
    }

    fn read(&self, from: &str, time: Timestamp) -> Result<Array3<f32>, DataError> {
        match self.interrupt.code() {
            Some(_) => Err(DataError::Interrupted),
            None => self.archive.read(from, time),
        }
    }

    fn absence(&self, wanted: &[Request<'_>], time: Timestamp) -> Option<String> {
        self.archive.absence(wanted, time)
    }

    fn suits(&self, wanted: &Request<'_>, every: i64) -> Result<(), DataError> {
        self.archive.suits(wanted, every)
    }

    fn files(&self) -> Option<Arc<dyn Files>> {
        self.archive.files()
    }

    fn records(&self, wanted: &[Request<'_>], time: Timestamp) -> Result<Vec<Wanted>, DataError> {
        self.archive.records(wanted, time)
    }

    fn fetch(&self, wanted: &Request<'_>, time: Timestamp) -> Result<Array3<f32>, DataError> {
        match self.interrupt.code() {
            Some(_) => Err(DataError::Interrupted),
            None => self.archive.fetch(wanted, time),
        }
    }
}

/// Shows diagnostics on stderr, as JSON on stdout.
pub(crate) fn show(diagnostics: &aurora_grammar::Diagnostics, sources: &SourceMap, format: Format) {
    if diagnostics.is_empty() {
        return;
    }
    match format {
        // A reader of stdout that has gone away is no reason to fail in another way.
        Format::Json => drop(std::io::stdout().write_all(render::json(diagnostics, sources).as_bytes())),
        Format::Short => tell(&render::short(diagnostics, sources)),
        Format::Human => {
            let terminal = std::io::stderr().is_terminal();
            let color = terminal && std::env::var_os("NO_COLOR").is_none_or(|value| value.is_empty());
            let style = render::Style { color, width: 100, unicode: true };
            tell(&render::human(diagnostics, sources, style));
        }
    }
}
