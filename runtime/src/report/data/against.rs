//! How far the statistics of a field are from those Aurora was trained with. A region and a season have others than the globe over
//! forty years; what is farther than [`SPREADS`], [`LARGER`] or [`SMALLER`] is in another unit, of another sign or another field.

use serde::Serialize;

use crate::model::normalisation::published;

/// Aurora's spreads by which a mean may be off.
pub const SPREADS: f64 = 2.5;
/// Times Aurora's that a spread may be, at most.
pub const LARGER: f64 = 5.0;
/// And at least: a week over a small region has little of what the globe has in forty years.
pub const SMALLER: f64 = 0.02;

/// Aurora's own statistics of a variable on a level, and how far ours are from them.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct Published {
    /// What Aurora calls it.
    pub named: String,
    pub mean: f64,
    pub spread: f64,
    /// Our mean less Aurora's, in Aurora's spreads.
    pub off: f64,
    /// Our spread by Aurora's.
    pub ratio: f64,
    /// Beyond [`SPREADS`], [`LARGER`] or [`SMALLER`].
    pub far: bool,
}

/// Compares, if Aurora knows the variable; `level` is in Pa. What Aurora does not scale (centre 0, spread 1) has no statistics.
#[must_use]
pub fn against(named: &str, level: Option<f64>, mean: f64, spread: f64) -> Option<Published> {
    let theirs = published(named, level.map(|pascal| pascal / 100.0))?;
    if (theirs.location, theirs.scale) == (0.0, 1.0) || theirs.scale <= 0.0 {
        return None;
    }
    let off = (mean - theirs.location) / theirs.scale;
    let ratio = spread / theirs.scale;
    let far = off.abs() > SPREADS || !(SMALLER..=LARGER).contains(&ratio);
    Some(Published { named: named.into(), mean: theirs.location, spread: theirs.scale, off, ratio, far })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn units_are_told_apart_from_climates() {
        // Plains in May against the globe: warmer and less spread.
        let plains = against("2t", None, 293.0, 8.0).unwrap();
        assert!(!plains.far && plains.off > 0.5 && plains.off < 1.0, "{plains:?}");
        assert!(against("2t", None, 20.0, 8.0).unwrap().far, "degrees Celsius");
        assert!(against("z", Some(50_000.0), 5700.0, 150.0).unwrap().far, "metres for m²/s²");
        assert!(!against("z", Some(50_000.0), 56_500.0, 1500.0).unwrap().far);
        assert!(against("2t", None, 293.0, 0.3).unwrap().far, "hardly anything");
        assert_eq!(against("refc", None, 1.0, 1.0), None);
        assert_eq!(against("lsm", None, 0.5, 0.5), None, "Aurora does not scale it");
    }
}
