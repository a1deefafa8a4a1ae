//! Kernels: one intermediate representation, several executors.
//!
//! | file | what it holds |
//! |---|---|
//! | [`ir`] | kernels and what holds for all of them; leads to the next two |
//! | [`instruction`] | the instructions and what each means |
//! | [`builder`] | puts kernels together |
//! | [`text`] | the text form (`.kir`): printer and parser |
//! | [`verify`] | the judge of form: every other file may trust what it has passed |
//! | [`interpret`] | the judge of meaning: slow, obvious, in `f32` or `f64` |
//! | [`optimise`] | passes that never change a bit of the result |
//! | [`jit`] | machine code through Cranelift |

pub mod builder;
pub mod instruction;
pub mod interpret;
pub mod ir;
pub mod jit;
pub mod optimise;
pub mod text;
pub mod verify;
