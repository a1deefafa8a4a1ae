//! Data: archives of fields, the training store made of them, and the samples a model learns from.
//!
//! ```text
//! Archive ─prepare─▶ Store (Zarr v3, statistics) ─Sampler─▶ SampleIndex ─load─▶ Sample ─Prefetch─▶ Batch
//! ```
//!
//! Times are UTC instants; arrays are `f32`, row 0 is north, column 0 is west.

pub mod archive;
pub mod grib;
pub mod grid;
pub mod inspect;
pub mod netcdf;
pub mod synthetic;
pub mod vertical;
pub mod wrf;
