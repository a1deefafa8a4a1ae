//! Data, Aurora in burn, training, prediction, evaluation and report.

pub mod command;
pub mod data;
pub mod evaluate;
pub mod model;
pub mod report;
pub mod train;
