//! Batches read ahead by a thread, delivered in order.

use std::ops::Range;
use std::sync::Arc;
use std::sync::mpsc::{Receiver, sync_channel};
use std::thread::JoinHandle;

use super::archive::DataError;
use super::sample::{Batch, Sampler, Selection, load_batch};
use super::store::Store;

/// An iterator over batches that a thread loads ahead. It stops after the range's end or after the first error;
/// dropping it stops the thread and waits for it.
#[derive(Debug)]
pub struct Prefetch {
    batches: Option<Receiver<Result<Batch, DataError>>>,
    thread: Option<JoinHandle<()>>,
}

impl Prefetch {
    /// Starts loading the batches `numbers` of `size` samples, at most `ahead` of them before they are asked for.
    /// Numbers count over all epochs, so a run goes on where it was by starting at its next number.
    ///
    /// # Errors
    /// An epoch with fewer samples than one batch; a thread the system does not grant.
    pub fn new(
        store: Arc<Store>,
        sampler: Arc<Sampler>,
        selection: Selection,
        size: usize,
        numbers: Range<u64>,
        ahead: usize,
    ) -> Result<Self, DataError> {
        if sampler.batches(size) == 0 || size == 0 {
            return Err(DataError::Plan(format!(
                "a batch of {size} samples cannot be made of the {} samples there are; make `batch` smaller",
                sampler.len()
            )));
        }
        let (sender, batches) = sync_channel(ahead);
        let thread = std::thread::Builder::new()
            .name("batches".into())
            .spawn(move || {
                for number in numbers {
                    let batch = load_batch(&store, &sampler.batch(size, number), &selection);
                    let failed = batch.is_err();
                    if sender.send(batch).is_err() || failed {
                        return;
                    }
                }
            })
            .map_err(|error| DataError::Archive(format!("no thread for reading batches: {error}")))?;
        Ok(Self { batches: Some(batches), thread: Some(thread) })
    }
}

impl Iterator for Prefetch {
    type Item = Result<Batch, DataError>;

    fn next(&mut self) -> Option<Self::Item> {
        self.batches.as_ref()?.recv().ok()
    }
}

impl Drop for Prefetch {
    fn drop(&mut self) {
        // Without a receiver the thread's next delivery fails and it returns.
        drop(self.batches.take());
        if let Some(thread) = self.thread.take() {
            let _ = thread.join();
        }
    }
}
