//! data

pub mod grib;
pub mod vertical;
