//! How values are distributed, in a drawing the size of a word: between neighbouring quantiles the density is even.

use maud::{Markup, html};

use crate::data::statistics::SHARES;

const WIDTH: f64 = 110.0;
const HEIGHT: f64 = 26.0;
/// Shares between which it is drawn.
const ENDS: (f64, f64) = (0.01, 0.99);

/// Of quantiles at [`SHARES`]; nothing if there are none or all are one value.
pub(super) fn spark(curve: &[f64]) -> Markup {
    let Some(bars) = bars(curve) else { return html! {} };
    html! {
        svg.spark viewBox={ "0 0 " (WIDTH) " " (HEIGHT) } width=(WIDTH) height=(HEIGHT) aria-hidden="true" {
            @for (x, width, height) in bars {
                rect x=(format!("{x:.1}")) y=(format!("{:.1}", HEIGHT - height))
                    width=(format!("{:.1}", width.max(0.6))) height=(format!("{height:.1}")) {}
            }
        }
    }
}

/// Left edge, width and height of each bar.
fn bars(curve: &[f64]) -> Option<Vec<(f64, f64, f64)>> {
    if curve.len() != SHARES.len() {
        return None;
    }
    let inside: Vec<(f64, f64)> = SHARES
        .iter()
        .copied()
        .zip(curve.iter().copied())
        .filter(|(share, _)| (ENDS.0..=ENDS.1).contains(share))
        .collect();
    let (low, high) = (inside.first()?.1, inside.last()?.1);
    if !(high > low && (high - low).is_finite()) {
        return None;
    }
    let scale = WIDTH / (high - low);
    let density = |two: &[(f64, f64)]| {
        // What lies at one value (no rain) is as high as what lies within a hundredth of the width.
        (two[1].0 - two[0].0) / ((two[1].1 - two[0].1) * scale).max(WIDTH / 100.0)
    };
    let most = inside.windows(2).map(density).fold(0.0, f64::max);
    let bar = |two: &[(f64, f64)]| {
        // The root, so that tails are seen beside peaks.
        let height = (density(two) / most).sqrt() * HEIGHT;
        ((two[0].1 - low) * scale, (two[1].1 - two[0].1) * scale, height)
    };
    Some(inside.windows(2).map(bar).collect())
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Of even values all bars are as high, and they fill the width.
    #[test]
    fn even_values_are_level() {
        let bars = bars(&SHARES).unwrap();
        assert!(bars.iter().all(|bar| (bar.2 - HEIGHT).abs() < 1e-9));
        let width: f64 = bars.iter().map(|bar| bar.1).sum();
        assert!((width - WIDTH).abs() < 1e-9);
    }

    #[test]
    fn one_value_has_no_distribution() {
        assert!(bars(&[3.0; SHARES.len()]).is_none());
        assert!(bars(&[]).is_none());
        let mut rain = [0.0; SHARES.len()];
        rain[SHARES.len() - 3..].copy_from_slice(&[1.0, 4.0, 20.0]);
        assert!(bars(&rain).unwrap().iter().all(|bar| bar.2.is_finite() && bar.1.is_finite()));
    }
}
