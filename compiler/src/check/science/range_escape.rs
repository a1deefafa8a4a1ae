//! # range-escape
//!
//! A value can leave the range in which it has a meaning.
//!
//! Ranges are carried through every expression: from `variable q : specific_humidity >= 0` it follows that `q`
//! may be 0, and then `log(q)` is minus infinity and its gradient infinite. One such point in one sample
//! makes a loss NaN, hours into a training. The same goes for a quotient whose divisor may be 0, for the root
//! of what may be negative, and for a `derive` that can leave the range it is declared with.
//!
//! Nothing is said of what is not known: a variable without a range has none, and a half-open range that merely
//! runs over 0 (`1 - q`, where q has no upper end) tells nothing, and neither does a square. Nor is anything said where the same
//! field stands on both sides of a difference (`hgt at 500 hPa - hgt at 700 hPa`), for then the two ends are never met
//! together.
//!
//! Wrong:
//!
//! ```aurora
//! derive dryness : index on pl = -log(q)
//! derive per_energy : index on column = 1000 J/kg / sbcape
//! ```
//!
//! Right:
//!
//! ```aurora
//! derive dryness : index on pl = -log(max(q, 1e-8))
//! derive per_energy : index on column = 1000 J/kg / max(sbcape, 1 J/kg)
//! ```

use std::collections::BTreeMap;

use aurora_grammar::{Diagnostic, Span};

use crate::check::Checker;
use crate::range::{self, Range};
use crate::typed::{Binary, Typed, TypedExpr, TypedKind};
use crate::types::FieldType;
use crate::units::Scale;

impl Checker<'_> {
    /// What something is divided by is not known to become 0.
    pub(in crate::check) fn divisor_is_not_zero(&mut self, divisor: &Typed) -> Option<()> {
        let (low, high) = range::ends(divisor.ty.range);
        let inside = low < 0.0 && high > 0.0 && low.is_finite() && high.is_finite();
        let reached = (low == 0.0 || high == 0.0) && reaches_zero(divisor);
        let escapes = reached || inside && is_met(divisor);
        if !escapes {
            return Some(());
        }
        let message = match self.name_of(divisor) {
            Some(name) => format!("`{name}` may be 0, and something is divided by it"),
            None => "this may be 0, and something is divided by it".to_string(),
        };
        let help = if divisor.constant().is_some() {
            "divide by a number other than 0".to_string()
        } else if high == 0.0 {
            format!("keep it away from 0: min(…, {})", self.a_little(&divisor.ty, -1.0))
        } else {
            format!("keep it away from 0: max(…, {})", self.a_little(&divisor.ty, 1.0))
        };
        self.escapes(message, divisor, help)
    }

    /// What stands under a logarithm is not known to become 0 or less.
    pub(in crate::check) fn is_positive(&mut self, value: &Typed) -> Option<()> {
        let (low, high) = range::ends(value.ty.range);
        let reaches = low == 0.0 && reaches_zero(value) || low < 0.0 && low.is_finite() && is_met(value);
        if high > 0.0 && !reaches {
            return Some(());
        }
        let message = match self.name_of(value) {
            Some(name) => format!("`{name}` may be 0 or less, where it has no logarithm"),
            None => "this may be 0 or less, where it has no logarithm".to_string(),
        };
        let help = format!("keep it above 0: log(max(…, {}))", self.a_little(&value.ty, 1.0));
        self.escapes(message, value, help)
    }

    /// What is rooted is not known to become negative.
    pub(in crate::check) fn is_not_negative(&mut self, value: &Typed, verb: &str) -> Option<()> {
        let (low, high) = range::ends(value.ty.range);
        let reaches = low < 0.0 && (high <= 0.0 || low.is_finite() && is_met(value));
        if !reaches {
            return Some(());
        }
        let message = match self.name_of(value) {
            Some(name) => format!("`{name}` may be negative, and is {verb}"),
            None => format!("this may be negative, and is {verb}"),
        };
        let unit = self.spelt(&value.ty);
        self.escapes(message, value, format!("keep it from below 0: max(…, 0{unit})"))
    }

    /// What is declared with a range is not known to leave it.
    pub(in crate::check) fn stays_within(
        &mut self,
        declared: &FieldType,
        written: Span,
        value: &Typed,
    ) -> Option<()> {
        let ((a, b), (low, high)) = (range::ends(declared.range), range::ends(value.ty.range));
        // Rounding of a computed end is no escape.
        let slack = |end: f64| 1e-9 * end.abs();
        let below = low < a - slack(a) && low.is_finite();
        let above = high > b + slack(b) && high.is_finite();
        let outside = high < a || low > b;
        if !outside && !((below || above) && is_met(value)) {
            return Some(());
        }
        let unit = self.spelt(declared);
        let (shown, within) = (spoken(value.ty.range), spoken(declared.range));
        let mut diagnostic = Diagnostic::error(
            "range-escape",
            if outside {
                "this never lies in the range that it is declared with".to_string()
            } else {
                "this can leave the range that it is declared with".to_string()
            },
        )
        .label(value.span, format!("{shown}{unit}"))
        .label(written, format!("declared {within}{unit}"));
        diagnostic = diagnostic.help(match (a.is_finite(), b.is_finite()) {
            (true, true) => format!("clamp it: clamp(…, {a} .. {b}{unit}), or declare a wider range"),
            (true, false) => format!("clamp it: max(…, {a}{unit}), or declare a wider range"),
            _ => format!("clamp it: min(…, {b}{unit}), or declare a wider range"),
        });
        self.diagnostics.push(diagnostic);
        None
    }

    fn escapes(&mut self, message: String, value: &Typed, help: String) -> Option<()> {
        let unit = self.spelt(&value.ty);
        let label = format!("{}{unit}", spoken(value.ty.range));
        let mut diagnostic = Diagnostic::error("range-escape", message).label(value.span, label);
        if let Some((text, span)) = self.declared_as(value) {
            diagnostic = diagnostic.label(span, text);
        }
        self.diagnostics.push(diagnostic.help(help));
        None
    }

    /// A small amount in the units of a value, as it is written.
    fn a_little(&self, ty: &FieldType, sign: f64) -> String {
        let size = if ty.dimension.is_none() { 1e-6 } else { 1.0 };
        format!("{}{}", sign * size, self.spelt(ty))
    }

    /// A space and the unit in which a value of that type is written, if any.
    pub(in crate::check) fn spelt(&self, ty: &FieldType) -> String {
        match ty.scale {
            Scale::Logarithmic => return " dBZ".to_string(),
            Scale::Decibel => return " dB".to_string(),
            Scale::Ratio | Scale::Affine if ty.dimension.is_none() => return String::new(),
            Scale::Ratio | Scale::Affine => {}
        }
        let unit = ty.quantity.as_ref().and_then(|quantity| self.unit_of(quantity));
        format!(" {}", unit.unwrap_or_else(|| ty.dimension.to_string().replace(' ', "*")))
    }
}

/// `0 or more`, `between 180 and 340`.
fn spoken(range: Range) -> String {
    match range::shown(range) {
        (Some(low), Some(high)) if low == high => format!("always {}", short(low)),
        (Some(low), Some(high)) => format!("between {} and {}", short(low), short(high)),
        (Some(low), None) if range.0 != Some(low) => format!("more than {}", short(low)),
        (Some(low), None) => format!("{} or more", short(low)),
        (None, Some(high)) if range.1 != Some(high) => format!("less than {}", short(high)),
        (None, Some(high)) => format!("{} or less", short(high)),
        (None, None) => "any number".to_string(),
    }
}

/// Six digits are enough for people.
fn short(value: f64) -> f64 {
    format!("{value:.5e}").parse().unwrap_or(value)
}

/// Whether an end at 0 comes from what is declared or written, and not only from the shape of an operation: the square
/// of what may be any number is 0 or more, and that tells nothing.
fn reaches_zero(value: &Typed) -> bool {
    fn known(value: &TypedExpr, done: &mut BTreeMap<*const TypedExpr, bool>) -> bool {
        let key = std::ptr::from_ref(value);
        if let Some(known) = done.get(&key) {
            return *known;
        }
        let mut parts: Vec<&Typed> = Vec::new();
        value.kind.each(|part| parts.push(part));
        let bounded = |range: Range| range.0.is_some() || range.1.is_some();
        let found = range::has_zero(value.ty.range)
            && bounded(value.ty.range)
            && match &value.kind {
                TypedKind::Binary(Binary::Add | Binary::Subtract, ..) => {
                    parts.iter().all(|part| bounded(part.ty.range))
                }
                // A range that is declared says so itself.
                TypedKind::Same(inner) if inner.ty.range != value.ty.range => true,
                _ => parts.is_empty() || parts.iter().any(|part| known(part, done)),
            };
        done.insert(key, found);
        found
    }
    known(value, &mut BTreeMap::new())
}

/// Whether both ends of the range can be met: where no field stands on both sides of an operation, interval arithmetic
/// is exact; where one does, its two occurrences move together.
fn is_met(value: &Typed) -> bool {
    fn met(value: &TypedExpr, done: &mut BTreeMap<*const TypedExpr, bool>) -> bool {
        let key = std::ptr::from_ref(value);
        if let Some(known) = done.get(&key) {
            return *known;
        }
        let mut parts: Vec<&Typed> = Vec::new();
        value.kind.each(|part| {
            if part.constant().is_none() {
                parts.push(part);
            }
        });
        let mut all = !matches!(value.kind, TypedKind::Select { .. } | TypedKind::Scan { .. });
        let apart = |(number, part): (usize, &&Typed)| {
            let variables = part.variables();
            parts[..number].iter().all(|other| other.variables().iter().all(|id| !variables.contains(id)))
        };
        // Looking for the fields below takes longest, so it comes last.
        all = all && parts.iter().all(|part| met(part, done)) && parts.iter().enumerate().skip(1).all(apart);
        done.insert(key, all);
        all
    }
    met(value, &mut BTreeMap::new())
}
