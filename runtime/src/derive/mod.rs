//! `aurorac derive` on files: what is read of them is bound to a recipe's fields ([`bind`]), or a recipe is written over
//! what they hold ([`over`]), for a [`library`] to work on; kernels run over it ([`compute`]), and the results are written with CF metadata
//! ([`output`]).
//!
//! ```text
//! files ─Sources─▶ Offer ─bind─▶ Bound ─fetch─▶ arrays ─kernels─▶ Results ─▶ NetCDF | Zarr | batch file
//! ```

pub mod ascent;
pub mod bind;
pub mod compute;
pub mod forecaster;
pub mod library;
pub mod metadata;
pub mod output;
pub mod over;
pub mod table;

/// Why a command of this kind ends without its result.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{0}")]
pub struct DeriveError(pub String);

impl From<crate::data::source::SourceError> for DeriveError {
    fn from(error: crate::data::source::SourceError) -> DeriveError {
        DeriveError(error.to_string())
    }
}

impl From<crate::data::archive::DataError> for DeriveError {
    fn from(error: crate::data::archive::DataError) -> DeriveError {
        DeriveError(error.to_string())
    }
}
