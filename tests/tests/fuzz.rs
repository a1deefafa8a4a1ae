//! Any text may come: reading, laying out and compiling it ends soon, without a panic.
//!
//! Under plain `cargo test` a few thousand texts; `AURORAC_FUZZ=1000000 cargo test --release --test fuzz` tries
//! so many of each kind, and then also fails on a text that takes more than [`LONGEST`]. `BOLERO_RANDOM_SEED`
//! begins elsewhere, or repeats a failure. What was found is kept in `tests/fuzz/corpus/`: each file there is
//! tried every time, and is a beginning to mutate.

mod world;

#[path = "fuzz/mutate.rs"]
mod mutate;

use std::time::{Duration, Instant};

use aurora_compiler::compile;
use aurora_grammar::{Diagnostics, SourceMap, format, parse, print, render};
use mutate::{Mutation, bases, mutated};
use world::World;

/// The longest that a text of the size of a recipe may take, on a machine that has time for it.
const LONGEST: Duration = Duration::from_millis(100);

/// How many texts to try, and whether to judge the time: `AURORAC_FUZZ`, or so many.
fn executions(few: usize) -> (usize, bool) {
    match std::env::var("AURORAC_FUZZ") {
        Ok(many) => (many.parse().expect("AURORAC_FUZZ is a number"), true),
        Err(_) => (few, false),
    }
}

/// Time that this thread has computed; where the system does not say so, time that has passed.
fn spent(began: Instant) -> Duration {
    let said = std::fs::read_to_string("/proc/thread-self/schedstat").unwrap_or_default();
    let computed = said.split(' ').next().and_then(|first| first.parse().ok()).filter(|ns: &u64| *ns > 0);
    computed.map_or_else(|| began.elapsed(), Duration::from_nanos)
}

/// Runs a judge on a text; in the long mode it must be quick. A slow text is tried again before it is blamed.
fn quick(text: &str, timed: bool, judge: impl Fn(&str)) {
    let mut best = Duration::MAX;
    for _ in 0..20 {
        let began = Instant::now();
        let before = spent(began);
        judge(text);
        best = best.min(spent(began).saturating_sub(before));
        if !timed || best <= LONGEST {
            return;
        }
    }
    panic!("{best:?} for these {} bytes:\n{text}", text.len());
}

/// Reads, draws, prints and lays out; what was kept must come back as it was.
fn reads(text: &str) {
    let mut sources = SourceMap::new();
    let file = sources.add("fuzz.aurora", text);
    let mut found = Diagnostics::new();
    let tree = parse(file, &sources, &mut found);
    let drawn = render::short(&found, &sources);
    assert_eq!(drawn.is_empty(), found.is_empty());
    match format(text) {
        Ok(shown) => {
            let again = reread(&shown);
            assert_eq!(again, tree, "{text}\n────\n{shown}");
            assert_eq!(reread(&print(&tree)), tree, "{text}");
            assert_eq!(format(&shown).ok().as_deref(), Some(shown.as_str()), "{text}");
        }
        Err(refused) => assert!(refused.has_errors() && found.has_errors()),
    }
}

fn reread(text: &str) -> aurora_grammar::tree::File {
    let mut sources = SourceMap::new();
    let file = sources.add("again.aurora", text);
    let mut found = Diagnostics::new();
    let tree = parse(file, &sources, &mut found);
    assert!(found.is_empty(), "{text}\n{}", render::short(&found, &sources));
    tree
}

/// The whole of `check` and `plan`: either a result or an error, and every place in some file.
fn compiles(text: &str) {
    let compilation = compile("fuzz.aurora", text, &World::new());
    let errors = compilation.diagnostics.has_errors();
    assert_eq!(errors, compilation.result.is_none(), "{text}");
    for diagnostic in compilation.diagnostics.iter() {
        assert_ne!(diagnostic.code, "internal", "{}\n{text}", diagnostic.message);
        for label in &diagnostic.labels {
            assert!(compilation.sources.locate(label.span).is_some(), "{diagnostic:?}\n{text}");
        }
    }
}

#[test]
fn the_corpus_is_survived() {
    for text in bases() {
        quick(&text, false, reads);
        quick(&text, false, compiles);
    }
}

#[test]
fn any_bytes_are_read() {
    let (executions, timed) = executions(4000);
    bolero::check!()
        .with_iterations(executions)
        .with_test_time(Duration::from_secs(1 << 20))
        .with_max_len(1024)
        .for_each(|bytes: &[u8]| quick(&String::from_utf8_lossy(bytes), timed, reads));
}

#[test]
fn mutated_recipes_are_read() {
    let (executions, timed) = executions(3000);
    let bases = bases();
    bolero::check!()
        .with_iterations(executions)
        .with_test_time(Duration::from_secs(1 << 20))
        .with_max_len(2048)
        .with_type::<(u16, Vec<Mutation>)>()
        .for_each(|(base, mutations)| quick(&mutated(&bases, *base, mutations), timed, reads));
}

#[test]
fn mutated_recipes_are_checked() {
    let (executions, timed) = executions(300);
    let bases = bases();
    bolero::check!()
        .with_iterations(executions)
        .with_test_time(Duration::from_secs(1 << 20))
        .with_max_len(512)
        .with_type::<(u16, Vec<Mutation>)>()
        .for_each(|(base, mutations)| {
            // Few changes, or nothing is left that reaches the later checks.
            let few = &mutations[..mutations.len().min(4)];
            quick(&mutated(&bases, *base, few), timed, compiles);
        });
}

/// The mutations are worth their name: most keep a text readable enough to be judged by the later checks.
#[test]
fn mutations_leave_something_to_check() {
    let bases = bases();
    let readable = (0..bases.len() as u16).filter(|base| {
        let mutation = Mutation { place: base.wrapping_mul(7919), kind: 3, from: base.wrapping_mul(104) };
        format(&mutated(&bases, *base, &[mutation])).is_ok()
    });
    assert!(3 * readable.count() > bases.len(), "of {}", bases.len());
}
