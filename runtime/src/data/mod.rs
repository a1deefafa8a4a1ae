//! Data: archives of fields, the training store made of them, and the samples a model learns from.
//!
//! ```text
//! Archive ─prepare─▶ Store (Zarr v3, statistics) ─Sampler─▶ SampleIndex ─load─▶ Sample ─Prefetch─▶ Batch
//! ```
//!
//! Times are UTC instants; arrays are `f32`, row 0 is north, column 0 is west.

pub mod archive;
mod blosc;
pub mod brought;
pub mod fetch;
pub mod files;
pub mod grib;
pub mod grid;
pub mod grid_points;
pub mod idx;
pub mod inspect;
pub mod journal;
pub mod kernels;
pub mod layout;
pub mod netcdf;
pub mod of_grid;
pub mod prefetch;
pub mod prepare;
pub mod quality;
pub mod regrid;
pub mod sample;
pub mod shard;
#[cfg(test)]
mod shared;
pub mod sounding;
pub mod source;
pub mod statistics;
pub mod store;
pub mod synthesize;
pub mod synthetic;
#[cfg(test)]
mod tests;
pub mod units;
pub mod vertical;
pub mod wrf;
