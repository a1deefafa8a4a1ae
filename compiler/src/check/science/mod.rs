//! The checks that know the science: what is well typed and still would waste the GPU-hours. Each stands in a
//! file of its own, whose leading comment is its page in the manual.

mod cell_mismatch;
mod frame_mismatch;
mod no_projection;
mod range_escape;
mod zero_gradient;
