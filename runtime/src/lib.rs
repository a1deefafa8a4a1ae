//! Data, Aurora in burn, training, prediction, evaluation and report.

pub mod command;
pub mod data;
pub mod derive;
pub mod device;
mod digest;
pub mod durable;
pub mod evaluate;
pub mod hub;
pub mod memory;
pub mod model;
pub mod predict;
pub mod report;
pub mod run;
pub mod site;
pub mod talk;
pub mod train;
mod unbuilt;
