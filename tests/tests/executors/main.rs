//! One kernel, three executors: the interpreter judges machine code and the burn graph, and its differences
//! judge the graph's gradient.
//!
//! The graph is for losses, where nothing is missing: comparisons with NaN, which give NaN elsewhere, are false in
//! it. So inputs are finite here, and values that are not finite are left out.

mod compiled;
mod gradients;
mod kernels;
mod programs;
mod run;
mod values;

use aurora_tests::Random;
