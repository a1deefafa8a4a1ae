//! The type of a field: ⟨quantity, scale, support, cell, range⟩.

use std::fmt;

use crate::dimension::Dimension;
use crate::units::Scale;

/// What an expression is, apart from its value.
#[derive(Clone, Debug, PartialEq)]
pub struct FieldType {
    /// A declared kind such as `helicity`; nothing after `*`, `/`, `^`, which agrees with any kind of
    /// the same dimension.
    pub quantity: Option<String>,
    pub dimension: Dimension,
    pub scale: Scale,
    pub support: Support,
    /// `max over 1 h`; nothing for instantaneous values.
    pub cell: Option<String>,
    /// In SI units (dBZ for logarithmic scales); an open end is nothing.
    pub range: (Option<f64>, Option<f64>),
}

/// Where a field has values.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Support {
    /// One number.
    Constant,
    /// (y, x), the same at all times.
    Static,
    /// (y, x) at or near the ground.
    Surface,
    /// (y, x), one value for a layer of the column.
    Column,
    /// (level, y, x) on the level set with this id.
    Levels(String),
}

impl FieldType {
    /// A constant without units.
    pub fn number() -> FieldType {
        FieldType {
            quantity: None,
            dimension: Dimension::NONE,
            scale: Scale::Ratio,
            support: Support::Constant,
            cell: None,
            range: (None, None),
        }
    }

    pub fn is_plain_number(&self) -> bool {
        self.dimension.is_none() && self.scale == Scale::Ratio
    }

    /// The words by which a message speaks of this type: its kind, or its dimension.
    pub fn spoken(&self) -> String {
        match (&self.quantity, self.scale) {
            (Some(quantity), Scale::Decibel) => format!("a difference of {quantity}"),
            (Some(quantity), _) => quantity.clone(),
            (None, Scale::Decibel) => "a difference in dB".to_string(),
            (None, _) if self.dimension.is_none() => "a plain number".to_string(),
            (None, _) => format!("a value in {}", self.dimension),
        }
    }
}

impl Support {
    /// The support of an expression over both, or nothing if they live on different level sets.
    pub fn broadcast(&self, other: &Support) -> Option<Support> {
        use Support::*;
        Some(match (self, other) {
            (Levels(a), Levels(b)) if a != b => return None,
            (Levels(a), _) | (_, Levels(a)) => Levels(a.clone()),
            (Column, _) | (_, Column) => Column,
            (Surface, _) | (_, Surface) => Surface,
            (Static, _) | (_, Static) => Static,
            (Constant, Constant) => Constant,
        })
    }
}

impl fmt::Display for Support {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Support::Constant => write!(f, "constant"),
            Support::Static => write!(f, "static"),
            Support::Surface => write!(f, "surface"),
            Support::Column => write!(f, "column"),
            Support::Levels(id) => write!(f, "{}", id.rsplit('.').next().unwrap_or(id)),
        }
    }
}
