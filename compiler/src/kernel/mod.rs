//! Kernels: one intermediate representation, several executors.
