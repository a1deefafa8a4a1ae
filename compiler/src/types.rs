//! The type of a field: ⟨quantity, scale, support, cell, range⟩.

use std::fmt;

use crate::dimension::Dimension;
use crate::range::{self, Range};
use crate::units::{self, Scale};

/// What an expression is, apart from its value.
#[derive(Clone, Debug, PartialEq)]
pub struct FieldType {
    /// A declared kind such as `helicity`; nothing after `*`, `/`, `^`, which agrees with any kind of
    /// the same dimension.
    pub quantity: Option<String>,
    pub dimension: Dimension,
    pub scale: Scale,
    pub support: Support,
    /// `2 m` of `surface(2 m)`, `0 .. 3 km` of `column(0 .. 3 km)`: which part of the column it speaks of. It is
    /// shown, and takes no part in what may be combined with what.
    pub layer: Option<Layer>,
    /// `max over 1 h`; nothing for instantaneous values.
    pub cell: Option<Cell>,
    /// In SI units (dBZ for logarithmic scales); an open end is nothing.
    pub range: Range,
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

/// A height or a layer as written in a support, in SI units.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Layer {
    pub dimension: Dimension,
    pub from: f64,
    /// The other end, if it is not a single place.
    pub to: Option<f64>,
}

/// What a value stands for in time: how the instants of an interval that ends at its time became one number.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Cell {
    pub method: Method,
    /// How long the interval is.
    pub seconds: u32,
}

/// CF's cell methods, as far as forecasts use them.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Method {
    Max,
    Min,
    Mean,
    Sum,
}

impl FieldType {
    /// A constant without units.
    pub fn number() -> FieldType {
        FieldType {
            quantity: None,
            dimension: Dimension::NONE,
            scale: Scale::Ratio,
            support: Support::Constant,
            layer: None,
            cell: None,
            range: range::UNKNOWN,
        }
    }

    pub fn is_plain_number(&self) -> bool {
        self.dimension.is_none() && self.scale == Scale::Ratio
    }

    /// The same type with another range.
    #[must_use]
    pub fn within(self, range: Range) -> FieldType {
        FieldType { range, ..self }
    }

    /// The words by which a message speaks of this type: its kind, or its dimension.
    pub fn spoken(&self) -> String {
        match (&self.quantity, self.scale) {
            (Some(quantity), Scale::Decibel) => format!("a difference of {quantity}"),
            (Some(quantity), _) => quantity.clone(),
            (None, Scale::Decibel) => "a difference in dB".to_string(),
            (None, _) if self.dimension.is_none() => "a plain number".to_string(),
            (None, _) => format!("a value in {}", units::pretty(&self.dimension.to_string())),
        }
    }
}

impl Support {
    /// The support of an expression over both, or nothing if they live on different level sets:
    /// `static ⊑ surface ≅ column ⊑ L`.
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

    /// The set of levels, if it is on one.
    pub fn levels(&self) -> Option<&String> {
        match self {
            Support::Levels(id) => Some(id),
            _ => None,
        }
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

/// `2 m`, `0 .. 3 km`, `500 .. 1000 hPa`.
impl fmt::Display for Layer {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let largest = self.from.abs().max(self.to.unwrap_or(0.0).abs());
        let (factor, unit) = match self.dimension {
            Dimension::LENGTH if largest >= 1000.0 => (1000.0, " km"),
            Dimension::LENGTH => (1.0, " m"),
            Dimension::NONE => (1.0, ""),
            dimension if dimension == pressure() => (100.0, " hPa"),
            Dimension::TEMPERATURE => (1.0, " K"),
            _ => (1.0, " SI"),
        };
        write!(f, "{}", self.from / factor)?;
        if let Some(to) = self.to {
            write!(f, " .. {}", to / factor)?;
        }
        write!(f, "{unit}")
    }
}

/// kg m⁻¹ s⁻².
fn pressure() -> Dimension {
    Dimension::MASS.over(Dimension::LENGTH).over(Dimension::TIME).over(Dimension::TIME)
}

/// `max over 1 h`; equal cells are written alike, whatever unit they were given in.
impl fmt::Display for Cell {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} over {}", self.method, spoken_time(self.seconds))
    }
}

impl fmt::Display for Method {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Method::Max => "max",
            Method::Min => "min",
            Method::Mean => "mean",
            Method::Sum => "sum",
        })
    }
}

impl Method {
    /// All of them, by the words that a recipe uses.
    pub const WORDS: [(&'static str, Method); 4] =
        [("max", Method::Max), ("min", Method::Min), ("mean", Method::Mean), ("sum", Method::Sum)];
}

/// In the largest unit that makes it a whole number.
fn spoken_time(seconds: u32) -> String {
    for (unit, length) in [("d", 86_400), ("h", 3_600), ("min", 60)] {
        // 24 h is more usual than 1 d.
        if seconds.is_multiple_of(length) && (unit != "d" || seconds > length) {
            return format!("{} {unit}", seconds / length);
        }
    }
    format!("{seconds} s")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn cells_are_written_alike_whatever_unit_they_were_given_in() {
        let spoken = |method, seconds| Cell { method, seconds }.to_string();
        assert_eq!(spoken(Method::Max, 3600), "max over 1 h");
        assert_eq!(spoken(Method::Sum, 900), "sum over 15 min");
        assert_eq!(spoken(Method::Mean, 86_400), "mean over 24 h");
        assert_eq!(spoken(Method::Min, 172_800), "min over 2 d");
        assert_eq!(spoken(Method::Min, 1), "min over 1 s");
    }

    #[test]
    fn layers_are_written_as_one_writes_them() {
        let layer = |dimension, from, to| Layer { dimension, from, to }.to_string();
        assert_eq!(layer(Dimension::LENGTH, 2.0, None), "2 m");
        assert_eq!(layer(Dimension::LENGTH, 0.0, Some(3000.0)), "0 .. 3 km");
        assert_eq!(layer(pressure(), 5e4, Some(1e5)), "500 .. 1000 hPa");
    }

    #[test]
    fn supports_broadcast_upwards_and_two_level_sets_never() {
        use Support::*;
        let on = |name: &str| Levels(name.into());
        assert_eq!(Static.broadcast(&Surface), Some(Surface));
        assert_eq!(Surface.broadcast(&Column), Some(Column));
        assert_eq!(Column.broadcast(&on("pl")), Some(on("pl")));
        assert_eq!(on("pl").broadcast(&on("pl")), Some(on("pl")));
        assert_eq!(on("pl").broadcast(&on("agl")), None);
        assert_eq!(Constant.broadcast(&Constant), Some(Constant));
    }
}
