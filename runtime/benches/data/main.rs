//! From GRIB2 to samples: how fast, and in how much memory.
//!
//! ```text
//! aurorac data synthesize --out hrrr --hours 24 --grid conus
//! cargo bench -p aurora-runtime --bench data -- RECIPE [samples]
//! ```
//!
//! In one run, on the recipe's archive, three times over: every record read and decoded and nothing else, by aurorac and by the
//! crates gribberish and grib; the whole of `data prepare`, from the same records, into a new store. Then samples of 512 by 512 points
//! read from the store; before all that, without a recipe, the checks of `data/quality` on fields that are made up. Compared are the
//! medians, so that neither the first touch of memory nor another's work on the machine counts. Peak memory is the kernel's own
//! count of the process.

use std::path::Path;
use std::sync::Arc;
use std::time::Instant;

use aurora_runtime::data::archive::{Archive, Request};
use aurora_runtime::data::files::Wanted;
use aurora_runtime::data::layout::size_on_disk;
use aurora_runtime::data::of_grid;
use aurora_runtime::data::prefetch::{Ahead, Prefetch};
use aurora_runtime::data::prepare::selected_times;
use aurora_runtime::data::sample::{Cut, Mix, Sampler, Split};
use aurora_runtime::run::{Format, Recipe};
use aurora_runtime::train::batch::selection;
use aurora_runtime::train::interrupt::Interrupt;
use jiff::Timestamp;
use rayon::prelude::*;

mod judge;

/// How often all is done.
const ROUNDS: usize = 3;
/// Who decodes.
const NAMES: [&str; 3] = ["aurorac", "gribberish", "grib"];

/// That of the command.
#[global_allocator]
static ALLOCATOR: mimalloc::MiMalloc = mimalloc::MiMalloc;

fn main() {
    // As a preparation has it.
    aurora_runtime::memory::keep_freed();
    judge::judge();
    let arguments: Vec<String> = std::env::args().skip(1).filter(|text| text != "--bench").collect();
    let Some(recipe) = arguments.first() else {
        println!(
            "name a recipe whose archive is here: cargo bench -p aurora-runtime --bench data -- RECIPE [samples]"
        );
        return;
    };
    let Ok(recipe) = Recipe::open(Path::new(recipe), Format::Human) else { return };
    let samples = arguments.get(1).and_then(|text| text.parse().ok()).unwrap_or(40);
    // It would be removed.
    if let Some(there) = recipe.store_path().ok().filter(|store| store.exists()) {
        println!("{} is there already: remove it to have its preparation measured", there.display());
        return load(&recipe, samples);
    }
    let rounds: Vec<[f64; 4]> = (0..ROUNDS).map(|_| round(&recipe)).collect();
    let median = |which: usize| {
        let mut seconds: Vec<f64> = rounds.iter().map(|round| round[which]).collect();
        seconds.sort_by(f64::total_cmp);
        seconds[ROUNDS / 2]
    };
    let prepared = median(3);
    println!("prepare  {prepared:.1} s in the median");
    for (which, name) in NAMES.into_iter().enumerate() {
        let decoded = median(which);
        println!(
            "{name:10} {decoded:.1} s in the median: prepare goes at {:.0} % of that speed",
            100.0 * decoded / prepared
        );
    }
    load(&recipe, samples);
}

/// Seconds of the decoders by their names, then of the preparation.
fn round(recipe: &Recipe) -> [f64; 4] {
    let [ours, first, second] = NAMES;
    [decode(recipe, ours), peer(recipe, first, gribberish), peer(recipe, second, grib), prepare(recipe)]
}

/// What a recipe wants of each time, and of which times its archive has it.
fn wanted<T>(recipe: &Recipe, work: impl FnOnce(&dyn Archive, &[Request<'_>], &[Timestamp]) -> T) -> T {
    let data = &recipe.plan.data;
    let archive = recipe.site.open_archive(&data.archive).expect("the archive");
    let offered = archive.fields();
    let places: Vec<Option<Vec<usize>>> = data
        .fields
        .iter()
        .map(|field| {
            let levels = offered.iter().find(|one| one.from == field.from)?.levels.clone()?;
            let set = match &field.support {
                aurora_compiler::plan::data::SupportPlan::Levels(set) => data.levels.get(set)?,
                _ => return None,
            };
            let place = |wanted: &f64| levels.iter().position(|level| (level - wanted).abs() < 1.0);
            Some(set.values.iter().filter_map(place).collect())
        })
        .collect();
    let fields = data.fields.iter().zip(&places).filter(|(field, _)| of_grid::units(&field.from).is_none());
    let requests: Vec<Request<'_>> = fields
        .map(|(field, levels)| Request {
            from: &field.from,
            cell: field.cell.as_deref(),
            levels: levels.as_deref(),
        })
        .collect();
    let times = selected_times(data).into_iter().filter(|time| archive.absence(&requests, *time).is_none());
    work(&*archive, &requests, &times.collect::<Vec<_>>())
}

/// Seconds to read and decode every record that the recipe wants.
fn decode(recipe: &Recipe, name: &str) -> f64 {
    wanted(recipe, |archive, requests, times| {
        let one = |request: &Request<'_>, time| archive.fetch(request, time).expect("a record").len();
        let all = |time: &Timestamp| requests.par_iter().map(|request| one(request, *time)).sum::<usize>();
        timed(name, times.len(), || times.iter().map(all).sum())
    })
}

/// The same by a crate that decodes a message from its bytes.
fn peer(recipe: &Recipe, name: &str, decode: fn(&[u8]) -> Option<usize>) -> f64 {
    wanted(recipe, |archive, requests, times| {
        let files = archive.files().expect("an archive of files");
        let all = |time: &Timestamp| {
            let records = archive.records(requests, *time).expect("records");
            let one = |record: &Wanted| {
                let bytes = files.read(&record.path, record.range()).expect("bytes");
                decode(&bytes).expect("a message")
            };
            records.par_iter().map(one).sum::<usize>()
        };
        timed(name, times.len(), || times.iter().map(all).sum())
    })
}

fn gribberish(bytes: &[u8]) -> Option<usize> {
    Some(gribberish::message::read_message(bytes, 0)?.data().ok()?.len())
}

fn grib(bytes: &[u8]) -> Option<usize> {
    let file = grib::from_reader(std::io::Cursor::new(bytes)).ok()?;
    let (_, part) = file.iter().next()?;
    Some(grib::Grib2SubmessageDecoder::from(part).ok()?.dispatch().ok()?.collect::<Vec<f32>>().len())
}

fn timed(name: &str, times: usize, work: impl FnOnce() -> usize) -> f64 {
    let (began, busy) = (Instant::now(), busy());
    let values = work();
    let seconds = began.elapsed().as_secs_f64();
    let speed = values as f64 / seconds / 1e6;
    println!(
        "{name:10} {times} times, {values} values: {seconds:.1} s ({:.1} s of processors), {speed:.0} million values a second",
        self::busy() - busy
    );
    seconds
}

/// Seconds that processors have worked for this process, the system's work for it included.
fn busy() -> f64 {
    let stat = std::fs::read_to_string("/proc/self/stat").unwrap_or_default();
    // After the name, which may hold anything: the 12th and 13th are hundredths of seconds.
    let fields: Vec<f64> = stat
        .rsplit(')')
        .next()
        .unwrap_or_default()
        .split_whitespace()
        .map(|field| field.parse().unwrap_or(0.0))
        .collect();
    fields.iter().skip(11).take(2).sum::<f64>() / 100.0
}

fn prepare(recipe: &Recipe) -> f64 {
    let store = recipe.store_path().expect("the store's place");
    if store.exists() {
        std::fs::remove_dir_all(&store).expect("the store of the round before removed");
    }
    let (began, busy) = (Instant::now(), busy());
    let (store, inventory) = recipe.prepare(&Interrupt::default()).expect("prepared");
    let seconds = began.elapsed().as_secs_f64();
    let values: u64 = inventory.fields.values().map(|field| field.values).sum();
    let bytes = size_on_disk(store.path()).unwrap_or(0);
    println!(
        "prepare  {} times, {values} values kept: {seconds:.1} s ({:.1} s of processors), {:.2} GB on disk ({:.1} times smaller), peak memory {:.2} GiB",
        inventory.usable(),
        self::busy() - busy,
        bytes as f64 / 1e9,
        values as f64 * 4.0 / bytes as f64,
        peak()
    );
    seconds
}

fn load(recipe: &Recipe, samples: usize) {
    let (store, _) = recipe.prepare(&Interrupt::default()).expect("prepared");
    let cut = Cut {
        tile: Some([512, 512]),
        shuffled: true,
        ..Cut::plain(Split::Train, recipe.plan.history, recipe.plan.step, 1)
    };
    let sampler = match Sampler::new(&store, cut) {
        Ok(sampler) => Arc::new(Mix::from(sampler)),
        Err(error) => return println!("load     {error}"),
    };
    let selection = selection(&recipe.plan, &[]);
    let ahead = Ahead { workers: 4, batches: 4 };
    let numbers = 0..samples as u64;
    let batches = Prefetch::new(Arc::clone(&store), sampler, selection, 1, numbers, ahead).expect("batches");
    let began = Instant::now();
    let mut bytes = 0;
    for batch in batches {
        let batch = batch.expect("a batch");
        let arrays = batch.inputs.values().chain(batch.targets.values());
        bytes += arrays.map(|array| array.len() * 4).sum::<usize>();
    }
    let seconds = began.elapsed().as_secs_f64();
    println!(
        "load     {samples} samples of 512 by 512 points, {:.0} MB each: {:.1} a second, {:.2} GB/s",
        bytes as f64 / samples as f64 / 1e6,
        samples as f64 / seconds,
        bytes as f64 / seconds / 1e9
    );
}

/// The most memory the process has had, in GiB.
fn peak() -> f64 {
    let status = std::fs::read_to_string("/proc/self/status").unwrap_or_default();
    let line = status.lines().find_map(|line| line.strip_prefix("VmHWM:"));
    let kib = line.and_then(|line| line.split_whitespace().next()?.parse::<f64>().ok());
    kib.unwrap_or(f64::NAN) / 1024.0 / 1024.0
}
