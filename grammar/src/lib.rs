//! The `.aurora` recipe language: its grammar, syntax tree, sources and diagnostics.
//!
//! Nothing here does I/O or knows what a name means. [`parse`] turns text into a [`tree::File`] and
//! cannot fail: lines that make no sense become [`Diagnostic`]s and the rest is kept.

pub mod source;
pub mod tree;
