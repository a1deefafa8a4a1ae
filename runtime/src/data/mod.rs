//! data

pub mod grib;
pub mod inspect;
pub mod netcdf;
pub mod vertical;
