//! From a recipe to a plan: `parse → resolve → check → lower → plan → artefact`.
//!
//! Nothing here does I/O, and nothing here knows burn: the world is seen through one trait, `Site`.

pub mod kernel;
pub mod plan;
