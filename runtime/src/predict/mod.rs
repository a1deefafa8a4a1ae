//! Prediction: a checkpoint and a batch in, a forecast out.

pub mod batch_file;
pub mod fit;
pub mod forecast;

pub use batch_file::{read, write};
pub use forecast::{Forecaster, forecaster, opened, weights};
