//! Batches read ahead by several threads, delivered in order.

use std::ops::Range;
use std::sync::Arc;
use std::sync::mpsc::{Receiver, sync_channel};
use std::thread::JoinHandle;

use super::archive::DataError;
use super::sample::{Batch, Mix, Selection, load_batch};
use super::store::Store;

/// How batches are read ahead. It changes when they are there, never what they are.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Ahead {
    /// Threads, each with a batch of its own in hand.
    pub workers: usize,
    /// Batches that wait to be asked for, at most, besides those in hand; at least one for each thread.
    pub batches: usize,
}

/// An iterator over batches that threads load ahead: the first of them loads the first batch, the second the second, and
/// so on around, so that their order is that of the numbers. It stops after the range's end or after the first error;
/// dropping it stops the threads and waits for them.
#[derive(Debug)]
pub struct Prefetch {
    batches: Vec<Receiver<Result<Batch, DataError>>>,
    next: usize,
    /// Batches that are still to come.
    left: u64,
    threads: Vec<JoinHandle<()>>,
}

impl Prefetch {
    /// Starts loading the batches `numbers` of `size` samples. Numbers count over all epochs, so a run goes on where it was
    /// by starting at its next number.
    ///
    /// # Errors
    /// An epoch with fewer samples than one batch; a thread the system does not grant.
    pub fn new(
        store: Arc<Store>,
        sampler: Arc<Mix>,
        selection: Selection,
        size: usize,
        numbers: Range<u64>,
        ahead: Ahead,
    ) -> Result<Self, DataError> {
        if sampler.batches(size) == 0 || size == 0 {
            return Err(DataError::Plan(format!(
                "a batch of {size} samples cannot be made of the {} samples there are; make `batch` smaller",
                sampler.len()
            )));
        }
        Self::of(numbers, ahead, move |number| load_batch(&store, &sampler.batch(size, number), &selection))
    }

    /// Starts the threads, which make batches of numbers.
    fn of(
        numbers: Range<u64>,
        ahead: Ahead,
        make: impl Fn(u64) -> Result<Batch, DataError> + Send + Sync + 'static,
    ) -> Result<Self, DataError> {
        let (make, workers) = (Arc::new(make), ahead.workers.max(1));
        let left = numbers.end.saturating_sub(numbers.start);
        let mut this = Self { batches: Vec::new(), next: 0, left, threads: Vec::new() };
        for worker in 0..workers {
            let (sender, batches) = sync_channel((ahead.batches / workers).max(1));
            let (make, numbers) = (Arc::clone(&make), numbers.clone());
            let thread = std::thread::Builder::new().name(format!("batches {worker}")).spawn(move || {
                for number in numbers.skip(worker).step_by(workers) {
                    let batch = make(number);
                    let failed = batch.is_err();
                    if sender.send(batch).is_err() || failed {
                        return;
                    }
                }
            });
            let thread = thread
                .map_err(|error| DataError::Archive(format!("no thread for reading batches: {error}")))?;
            this.batches.push(batches);
            this.threads.push(thread);
        }
        Ok(this)
    }
}

impl Iterator for Prefetch {
    type Item = Result<Batch, DataError>;

    fn next(&mut self) -> Option<Self::Item> {
        let thread = self.batches.get(self.next).filter(|_| self.left > 0)?;
        let ended = || Err(DataError::Archive("the thread that reads batches has failed".into()));
        let batch = thread.recv().unwrap_or_else(|_| ended());
        self.next = (self.next + 1) % self.batches.len();
        self.left -= 1;
        if batch.is_err() {
            self.batches.clear();
        }
        Some(batch)
    }
}

impl Drop for Prefetch {
    fn drop(&mut self) {
        // Without a receiver a thread's next delivery fails and it returns.
        self.batches.clear();
        for thread in self.threads.drain(..) {
            let _ = thread.join();
        }
    }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;

    use jiff::Timestamp;

    use super::*;

    fn batch(number: u64) -> Batch {
        Batch {
            times: vec![Timestamp::from_second(number as i64).unwrap()],
            windows: Vec::new(),
            factor: 1,
            corrections: Vec::new(),
            inputs: BTreeMap::new(),
            targets: BTreeMap::new(),
            statics: BTreeMap::new(),
        }
    }

    /// A thread that fails or dies is an error in its batch's place, after what came before it, and the end: nobody waits for it,
    /// nor for the others, which may be far ahead.
    #[test]
    fn a_thread_that_dies_is_an_error() {
        for (workers, dies) in [(1, 0), (1, 5), (3, 4)] {
            for (panics, said) in [(true, "has failed"), (false, "the disk has gone")] {
                let make = move |number| match number == dies {
                    true if panics => panic!("as asked"),
                    true => Err(DataError::Archive("the disk has gone".into())),
                    false => Ok(batch(number)),
                };
                let mut batches = Prefetch::of(0..1000, Ahead { workers, batches: 6 }, make).unwrap();
                for number in 0..dies {
                    assert_eq!(batches.next().unwrap().unwrap(), batch(number));
                }
                let error = batches.next().unwrap().unwrap_err().to_string();
                assert!(error.contains(said), "{error}");
                assert!(batches.next().is_none());
            }
        }
    }
}
