//! What was read last of the files of an archive, by their paths: so many, of which the one that was read first goes first.

use std::collections::VecDeque;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use crate::data::archive::DataError;

/// Kept for all threads that read.
#[derive(Debug)]
pub struct Recent<T> {
    most: usize,
    kept: Mutex<VecDeque<(String, Arc<T>)>>,
}

impl<T> Recent<T> {
    /// At most so many.
    pub fn new(most: usize) -> Self {
        Self { most, kept: Mutex::default() }
    }

    /// What is kept of a path, or else read. Threads that want the same at once may each read it.
    ///
    /// # Errors
    /// Those of `read`.
    pub fn get(&self, path: &str, read: impl FnOnce() -> Result<T, DataError>) -> Result<Arc<T>, DataError> {
        if let Some((_, known)) = self.lock().iter().find(|(name, _)| name == path) {
            return Ok(Arc::clone(known));
        }
        let found = Arc::new(read()?);
        let mut kept = self.lock();
        kept.retain(|(name, _)| name != path);
        if kept.len() >= self.most {
            kept.pop_front();
        }
        kept.push_back((path.to_string(), Arc::clone(&found)));
        Ok(found)
    }

    pub fn forget(&self, path: &str) {
        self.lock().retain(|(name, _)| name != path);
    }

    fn lock(&self) -> MutexGuard<'_, VecDeque<(String, Arc<T>)>> {
        self.kept.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_oldest_goes_first_whatever_its_name() {
        let recent = Recent::new(2);
        let read = |path: &str, number: usize| *recent.get(path, || Ok(number)).unwrap();
        assert_eq!([read("z", 1), read("a", 2), read("z", 9)], [1, 2, 1]);
        // `z` was read before `a`.
        assert_eq!([read("m", 3), read("a", 9), read("z", 4)], [3, 2, 4]);
        recent.forget("m");
        assert_eq!([read("m", 5), read("z", 9)], [5, 4]);
        assert!(recent.get("b", || Err(DataError::Interrupted)).is_err());
        assert_eq!(read("b", 6), 6);
    }
}
