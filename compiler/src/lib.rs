//! From a recipe to a plan: `parse → resolve → check → lower → plan → artefact`.
//!
//! Nothing here does I/O, and nothing here knows burn: the world is seen through one trait, [`Site`].

pub mod artefact;
pub mod canonical;
pub mod check;
mod compile;
pub mod diff;
pub mod dimension;
pub mod editor;
pub mod editor_words;
mod exact;
pub mod explain;
pub mod kernel;
pub mod library;
pub mod lock;
pub mod lower;
pub mod manual;
mod normal;
pub mod plan;
pub mod range;
pub mod resolve;
pub mod site;
pub mod soften;
pub mod typed;
pub mod types;
pub mod units;
pub mod vocabulary;

pub use compile::{Compilation, compile};
pub use plan::Plan;
pub use site::Site;
