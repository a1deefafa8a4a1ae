//! Kernels: one intermediate representation, several executors.
//!
//! | file | what it holds |
//! |---|---|
//! | [`ir`] | kernels and what holds for all of them; leads to the next two |
//! | [`instruction`] | the instructions and what each means |
//! | [`builder`] | puts kernels together |
//! | [`text`] | the text form (`.kir`): printer, and the parser of `parse` |
//! | [`verify`] | the judge of form: every other file may trust what it has passed; `fault` says what is wrong |
//! | [`interpret`] | the judge of meaning: slow, obvious, in `f32` or `f64` |
//! | `column` | its part for what looks along a column or across the grid |
//! | [`optimise`] | what runs the [`passes`], none of which changes a bit of the result |
//! | [`fuse`] | few kernels of all that is derived; [`measure`] says how large a kernel is |
//! | [`adjoint`] | the derivative, from kernel to kernel |
//! | [`jit`] | machine code through Cranelift |

pub mod adjoint;
pub mod builder;
mod column;
mod fault;
pub mod fuse;
pub mod instruction;
pub mod interpret;
pub mod ir;
pub mod jit;
pub mod measure;
pub mod optimise;
mod parse;
pub mod passes;
pub mod text;
pub mod verify;
