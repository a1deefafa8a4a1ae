//! What the allocator does with memory that is freed.

use std::ffi::{c_int, c_long};

// The functions below come with it, whether or not it serves this process's own allocations.
use mimalloc as _;

/// `mi_option_purge_delay`.
const PURGE_DELAY: c_int = 15;

/// Keeps freed memory for what is allocated next, instead of giving it back to the system after a second: a step of
/// training, or an hour of a preparation, frees and takes the same large blocks again, and each page that comes fresh from
/// the system costs a fault and is cleared (a fifth of a step's time). The peak of memory grows by what then lies in blocks that no
/// longer fit, about a tenth.
#[allow(unsafe_code)]
pub fn keep_freed() {
    unsafe extern "C" {
        fn mi_option_set(option: c_int, value: c_long);
    }
    static ONCE: std::sync::Once = std::sync::Once::new();
    // SAFETY: setting an option has no other conditions than not to be done by two threads at once.
    ONCE.call_once(|| unsafe { mi_option_set(PURGE_DELAY, -1) });
}
