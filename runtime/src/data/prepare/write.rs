//! Files are written by threads of their own, which wait for the disk while others make what comes next.
//!
//! A file comes under its own name only when it is whole and on disk, then the journal of its stretch says so; the stretch's
//! times are said when all its fields are.

use std::path::Path;
use std::sync::mpsc::{Receiver, SyncSender, sync_channel};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::thread::{Scope, ScopedJoinHandle};

use crate::data::archive::DataError;
use crate::data::journal::{self, FieldRecord, Journal, Line, TimesRecord};
use crate::durable;

/// Threads: a disk that is asked to be sure of one file at a time is idle between two.
const THREADS: usize = 4;
/// Files that wait for one of them, at most, and what they may take in memory if they could not be compressed.
const WAITING: usize = 16;
const MEMORY: usize = 1 << 30;

/// A field over a stretch of times, ready to be written.
#[derive(Debug)]
pub(super) struct Packed {
    pub parts: Vec<Vec<u8>>,
    pub record: FieldRecord,
}

/// A stretch of times whose fields are being written.
#[derive(Debug)]
pub(super) struct Writing(Mutex<Lacking>);

#[derive(Debug)]
struct Lacking {
    journal: Journal,
    fields: usize,
    /// Said when no field is lacking.
    times: Option<TimesRecord>,
}

type Handed = (Arc<Writing>, Packed);

/// The threads that write.
#[derive(Debug)]
pub(super) struct Writer<'scope> {
    sender: SyncSender<Handed>,
    threads: Vec<ScopedJoinHandle<'scope, Result<(), DataError>>>,
}

impl Writing {
    /// Of which so many fields will be handed over.
    pub(super) fn new(journal: Journal, fields: usize, times: TimesRecord) -> Result<Arc<Self>, DataError> {
        let mut lacking = Lacking { journal, fields, times: Some(times) };
        lacking.say()?;
        Ok(Arc::new(Self(Mutex::new(lacking))))
    }

    fn landed(&self, record: FieldRecord) -> Result<(), DataError> {
        let mut lacking = lock(&self.0);
        lacking.journal.push(Line::Field(record))?;
        lacking.fields = lacking.fields.saturating_sub(1);
        lacking.say()
    }
}

impl Lacking {
    fn say(&mut self) -> Result<(), DataError> {
        match self.times.take_if(|_| self.fields == 0) {
            Some(times) => self.journal.push(Line::Times(times)),
            None => Ok(()),
        }
    }
}

impl<'scope> Writer<'scope> {
    /// For files of `largest` bytes and less.
    pub(super) fn start<'env>(
        scope: &'scope Scope<'scope, 'env>,
        directory: &'env Path,
        largest: usize,
    ) -> Self {
        let (sender, receiver) = sync_channel((MEMORY / largest.max(1)).min(WAITING));
        let receiver = Arc::new(Mutex::new(receiver));
        let thread = |_| {
            let receiver = Arc::clone(&receiver);
            scope.spawn(move || write_all(directory, &receiver))
        };
        Self { sender, threads: (0..THREADS).map(thread).collect() }
    }

    pub(super) fn hand(&self, stretch: &Arc<Writing>, packed: Packed) -> Result<(), DataError> {
        // The threads end early only by an error, which `finish` gives.
        let failed = || DataError::Archive("the store is no longer written".into());
        if self.threads.iter().any(ScopedJoinHandle::is_finished) {
            return Err(failed());
        }
        self.sender.send((Arc::clone(stretch), packed)).map_err(|_| failed())
    }

    /// Waits until all is written. An error of the work itself counts if writing has none.
    pub(super) fn finish<T>(self, work: Result<T, DataError>) -> Result<T, DataError> {
        drop(self.sender);
        let mut written = Ok(());
        for thread in self.threads {
            match thread.join() {
                Ok(ended) => written = written.and(ended),
                Err(panic) => std::panic::resume_unwind(panic),
            }
        }
        written.and(work)
    }
}

fn write_all(directory: &Path, handed: &Mutex<Receiver<Handed>>) -> Result<(), DataError> {
    loop {
        let next = lock(handed).recv();
        let Ok((stretch, packed)) = next else { return Ok(()) };
        stretch.landed(land(directory, packed)?)?;
    }
}

/// Writes a file; gives what is to be said of it.
pub(super) fn land(directory: &Path, packed: Packed) -> Result<FieldRecord, DataError> {
    let path = directory.join(&packed.record.file);
    durable::write_by(&journal::ways(directory), &path, &packed.parts).map_err(|source| DataError::File {
        what: "cannot write",
        path,
        source,
    })?;
    Ok(packed.record)
}

fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}
