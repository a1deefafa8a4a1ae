//! The named checks, and what each of them says about the values of one time.

use serde::{Deserialize, Serialize};

/// What is watched at every time. `reject` names those that a time must not fail.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Check {
    OutsideRange,
    Missing,
    Supersaturation,
    Superadiabatic,
    WindSpeed,
    Frozen,
    Constant,
    DuplicatedTime,
    /// Maxima and minima over a period, of an analysis.
    Placeholder,
    Sentinel,
    Jump,
}

impl Check {
    /// The word that `reject` knows it by ([`aurora_compiler::vocabulary::REJECTS`]).
    #[must_use]
    pub fn word(self) -> &'static str {
        match self {
            Self::OutsideRange => "range",
            Self::Missing => "missing",
            Self::Supersaturation => "supersaturation",
            Self::Superadiabatic => "superadiabatic",
            Self::WindSpeed => "wind",
            Self::Frozen => "frozen",
            Self::Constant => "constant",
            Self::DuplicatedTime => "duplicate",
            Self::Placeholder => "placeholder",
            Self::Sentinel => "sentinel",
            Self::Jump => "jump",
        }
    }

    /// The check of a word of `reject`.
    #[must_use]
    pub fn of_word(word: &str) -> Option<Check> {
        Self::all().iter().copied().find(|check| check.word() == word)
    }

    #[must_use]
    pub fn all() -> &'static [Check] {
        &[
            Self::OutsideRange,
            Self::Missing,
            Self::Supersaturation,
            Self::Superadiabatic,
            Self::WindSpeed,
            Self::Frozen,
            Self::Constant,
            Self::DuplicatedTime,
            Self::Placeholder,
            Self::Sentinel,
            Self::Jump,
        ]
    }

    /// One sentence, with its threshold and where that comes from.
    #[must_use]
    pub fn says(self) -> &'static str {
        match self {
            Self::OutsideRange => "A finite value lies outside the range of its variable's type.",
            Self::Missing => "A value is not a finite number.",
            Self::Supersaturation => {
                "Air above the ground holds more than twice the vapour of saturation over water (Bolton 1980, equation 10), and more \
                 than 1e-5 kg/kg beyond that, which packing may round: clouds of models stay below 1.1."
            }
            Self::Superadiabatic => {
                "Potential temperature falls by more than 10 K from one level of pressure above the ground to the next higher one: \
                 GFS and NAM stay below 1 K, breaking waves over storms of 3 km grids below half of it."
            }
            Self::WindSpeed => {
                "Wind is faster than 150 m/s, or than 75 m/s at the ground: jets and the polar night reach 125 m/s, hurricanes that \
                 come ashore 70 m/s."
            }
            Self::Frozen => {
                "Every value is the same, bit for bit, as at the time before, though the field differs from place to place; not asked of \
                 classes, fractions, lengths and snow that lies, which may stay for a day."
            }
            Self::Constant => {
                "A field that differs from place to place in any air (temperature, pressure, height, wind, humidity below 200 hPa …) has \
                 one value everywhere; not asked of rain, clouds, buoyant energy, helicity or echoes, which may be nowhere."
            }
            Self::DuplicatedTime => {
                "All fields are the same, bit for bit, as at the time before: the file of another hour."
            }
            Self::Placeholder => {
                "A maximum, minimum or mean over a period has one value everywhere, as HRRR writes it into an analysis, and it is of wind \
                 or temperature, or stands beside one of those."
            }
            Self::Sentinel => {
                "A number that stands for `missing`, such as -9999 or 9.999e20, is the smallest or largest value, at more than one point, \
                 and farther from the other values than these are from one another."
            }
            Self::Jump => {
                "Over one step the median of a field that any air has moves by more than 5 robust spreads (a quartile range / 1.349, the \
                 larger of both times), or the spread changes by more than a factor of 20: hourly temperatures of ERA5 stay below 1 \
                 and 2."
            }
        }
    }
}

/// One check that one field failed at one time.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Finding {
    pub check: Check,
    /// By the recipe's name; of two fields that were judged together, the first. Empty for a whole time.
    pub field: String,
    /// The level's value, in SI; absent for a field without levels.
    pub level: Option<f64>,
    /// How many points failed.
    pub points: u64,
    /// The worst: the value farthest outside, the relative humidity, the fall of potential temperature (K), the speed (m/s), the one
    /// value, the median's move in spreads; of missing points their share.
    pub worst: f64,
    /// Whether the recipe rejects the time for it.
    pub rejects: bool,
}

#[cfg(test)]
mod tests {
    use aurora_compiler::vocabulary::REJECTS;

    use super::*;

    #[test]
    fn every_word_of_reject_is_a_check_and_the_other_way_round() {
        for word in REJECTS {
            assert!(Check::of_word(word.word).is_some(), "{}", word.word);
        }
        for check in Check::all() {
            assert!(REJECTS.iter().any(|word| word.word == check.word()), "{check:?}");
            assert!(check.says().ends_with('.') && !check.says().contains("  "));
        }
    }
}
