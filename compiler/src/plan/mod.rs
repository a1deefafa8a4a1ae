//! What will happen, as plain data: the recipe's data, model, training and evaluation.

pub mod data;
pub mod model;
