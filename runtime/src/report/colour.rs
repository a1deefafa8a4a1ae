//! Colours of maps.

/// Radar reflectivity as the National Weather Service paints it: from each value in dBZ upwards, in steps of 5.
pub const REFLECTIVITY: [(f32, [u8; 3]); 15] = [
    (5.0, [0x04, 0xe9, 0xe7]),
    (10.0, [0x01, 0x9f, 0xf4]),
    (15.0, [0x03, 0x00, 0xf4]),
    (20.0, [0x02, 0xfd, 0x02]),
    (25.0, [0x01, 0xc5, 0x01]),
    (30.0, [0x00, 0x8e, 0x00]),
    (35.0, [0xfd, 0xf8, 0x02]),
    (40.0, [0xe5, 0xbc, 0x00]),
    (45.0, [0xfd, 0x95, 0x00]),
    (50.0, [0xfd, 0x00, 0x00]),
    (55.0, [0xd4, 0x00, 0x00]),
    (60.0, [0xbc, 0x00, 0x00]),
    (65.0, [0xf8, 0x00, 0xfd]),
    (70.0, [0x98, 0x54, 0xc6]),
    (75.0, [0xfd, 0xfd, 0xfd]),
];

/// Anchors of a perceptually uniform map from dark violet over green to yellow, after viridis (van der Walt and
/// Smith 2015); lightness grows evenly, so that it also reads in grey and with colour blindness.
const UNIFORM: [[u8; 3]; 9] = [
    [0x44, 0x01, 0x54],
    [0x47, 0x2d, 0x7b],
    [0x3b, 0x52, 0x8b],
    [0x2c, 0x72, 0x8e],
    [0x21, 0x91, 0x8c],
    [0x28, 0xae, 0x80],
    [0x5e, 0xc9, 0x62],
    [0xad, 0xdc, 0x30],
    [0xfd, 0xe7, 0x25],
];

/// Colour of missing cells.
pub const MISSING: [u8; 3] = [0x9a, 0xa0, 0xa6];

/// Index of the reflectivity class of a value in dBZ; `None` below 5 dBZ and for NaN.
pub fn reflectivity_class(value: f32) -> Option<usize> {
    REFLECTIVITY.iter().rposition(|(from, _)| value >= *from)
}

/// The uniform map at `share` in 0 ..= 1, linear between the anchors.
pub fn uniform(share: f64) -> [u8; 3] {
    let position = share.clamp(0.0, 1.0) * (UNIFORM.len() - 1) as f64;
    let below = (position as usize).min(UNIFORM.len() - 2);
    let part = position - below as f64;
    [0, 1, 2].map(|channel: usize| {
        let (from, to) = (f64::from(UNIFORM[below][channel]), f64::from(UNIFORM[below + 1][channel]));
        (from + part * (to - from)).round() as u8
    })
}

/// `#rrggbb`.
pub fn hex([red, green, blue]: [u8; 3]) -> String {
    format!("#{red:02x}{green:02x}{blue:02x}")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn classes_begin_at_their_threshold() {
        let color = |value| reflectivity_class(value).map(|class| hex(REFLECTIVITY[class].1));
        assert_eq!(color(4.999), None);
        assert_eq!(color(f32::NAN), None);
        assert_eq!(color(5.0).as_deref(), Some("#04e9e7"));
        assert_eq!(color(19.999).as_deref(), Some("#0300f4"));
        assert_eq!(color(20.0).as_deref(), Some("#02fd02"));
        assert_eq!(color(34.999).as_deref(), Some("#008e00"));
        assert_eq!(color(35.0).as_deref(), Some("#fdf802"));
        assert_eq!(color(50.0).as_deref(), Some("#fd0000"));
        assert_eq!(color(65.0).as_deref(), Some("#f800fd"));
        assert_eq!(color(75.0).as_deref(), Some("#fdfdfd"));
        assert_eq!(color(f32::INFINITY).as_deref(), Some("#fdfdfd"));
    }

    #[test]
    fn the_uniform_map_grows_lighter() {
        let light = |share: f64| {
            let [red, green, blue] = uniform(share).map(f64::from);
            0.2126 * red + 0.7152 * green + 0.0722 * blue
        };
        for step in 0..100 {
            assert!(light(f64::from(step + 1) / 100.0) >= light(f64::from(step) / 100.0) - 0.5);
        }
        assert_eq!(hex(uniform(-1.0)), "#440154");
        assert_eq!(hex(uniform(2.0)), "#fde725");
    }
}
