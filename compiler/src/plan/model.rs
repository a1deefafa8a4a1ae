//! The full description of Aurora as configured.
