//! The `.aurora` recipe language: its grammar, syntax tree, sources and diagnostics.
//!
//! Nothing here does I/O or knows what a name means. [`parse`] turns text into a [`tree::File`] and
//! cannot fail: lines that make no sense become [`Diagnostic`]s and the rest is kept.
//!
//! The way of a text: `token` and `layout` cut it into lines and blocks, so that mistakes stay where
//! they are made; `aurora.pest` says what a line may look like; `parse` and `expression` build the
//! tree; `complaint` and `forms` find words for what could not be read. [`print()`] goes back.

mod complaint;
pub mod diagnostic;
mod expression;
mod format;
mod forms;
mod inner;
mod layout;
mod parse;
mod print;
pub mod render;
pub mod source;
pub mod suggest;
mod token;
pub mod tree;

pub use diagnostic::{Diagnostic, Diagnostics, Fix, Label, Severity};
pub use format::format;
pub use parse::parse;
pub use print::print;

pub use render::Style;
pub use source::{FileId, Location, SourceMap, Span};
pub use suggest::nearest;
