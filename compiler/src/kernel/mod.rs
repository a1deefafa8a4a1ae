//! Kernels: one intermediate representation, several executors.
//!
//! | file | what it holds |
//! |---|---|
//! | [`ir`] | the instructions, what each means, and the builder |
//! | [`text`] | the text form (`.kir`): printer and parser |
//! | [`verify`] | the judge of form: every other file may trust what it has passed |
//! | [`interpret`] | the judge of meaning: slow, obvious, in `f32` or `f64` |
//! | [`optimise`] | passes that never change a bit of the result |
//! | [`jit`] | machine code through Cranelift |

pub mod interpret;
pub mod ir;
pub mod jit;
pub mod optimise;
pub mod text;
pub mod verify;
