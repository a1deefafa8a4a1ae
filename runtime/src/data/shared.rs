//! What tests share: made once for those that run at a time, dropped after the last of them, so that nothing is left on disk.

use std::sync::{Arc, Mutex, PoisonError, Weak};

pub struct Shared<T>(Mutex<Weak<T>>);

impl<T> Shared<T> {
    pub const fn new() -> Self {
        Self(Mutex::new(Weak::new()))
    }

    /// What another test holds, or else what is made now; others wait for it meanwhile.
    pub fn get(&self, make: impl FnOnce() -> T) -> Arc<T> {
        let mut known = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        known.upgrade().unwrap_or_else(|| {
            let made = Arc::new(make());
            *known = Arc::downgrade(&made);
            made
        })
    }
}
