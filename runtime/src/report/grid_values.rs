//! Maps as JSON: rows of numbers, null where missing, for JSON has no NaN.

use ndarray::Array2;
use serde::de::Error;
use serde::{Deserialize, Deserializer, Serialize, Serializer};

/// Rows from north to south.
pub fn serialize<S: Serializer>(values: &Array2<f32>, serializer: S) -> Result<S::Ok, S::Error> {
    let rows: Vec<Vec<Option<f32>>> = values
        .outer_iter()
        .map(|row| row.iter().map(|value| value.is_finite().then_some(*value)).collect())
        .collect();
    rows.serialize(serializer)
}

/// Rows of equal length.
pub fn deserialize<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Array2<f32>, D::Error> {
    let rows: Vec<Vec<Option<f32>>> = Vec::deserialize(deserializer)?;
    let width = rows.first().map_or(0, Vec::len);
    let height = rows.len();
    let values = rows.into_iter().flatten().map(|value| value.unwrap_or(f32::NAN)).collect();
    Array2::from_shape_vec((height, width), values).map_err(D::Error::custom)
}
