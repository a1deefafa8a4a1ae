//! `region` and `months`: the part of the grid and of the year that samples are taken from.

use aurora_grammar::tree::{Chain, Clause, Expr, ExprKind, Part};
use aurora_grammar::{Diagnostic, Span};
use jiff::civil::Date;
use jiff::tz::TimeZone;
use jiff::{SignedDuration, Timestamp};

use super::Checker;
use super::clauses::Clauses;
use super::numbers::{only_value, with_unit};
use super::split::Written;
use crate::plan::data::{GridPlan, Projection, RegionPlan, TimeRange};

const REGION: &str = "lat 30 .. 45 deg, lon -105 .. -92 deg";
/// Points along a side of a region at which it is looked for on the grid.
const LOOKS: usize = 16;

impl Checker<'_> {
    /// `months 4 .. 7`, `months 11 .. 2` or `months [4, 5, 9]`, ascending; every split has some of them.
    pub(super) fn months(&mut self, clause: &Clause, splits: &[&Written]) -> Vec<u8> {
        let months = match &clause.values[..] {
            [chain] => only_value(chain).and_then(months_of),
            _ => None,
        };
        let Some(mut months) = months else {
            self.error_with_help(
                "wrong-argument",
                "`months` takes months as numbers from 1 to 12",
                (clause.values.first().map_or(clause.span, |c| c.span), "these are not"),
                "for instance: months  4 .. 7, or over new year: months  11 .. 2",
            );
            return Vec::new();
        };
        months.sort_unstable();
        if let Some(twice) = months.windows(2).find(|pair| pair[0] == pair[1]) {
            let message = format!("the month {} stands here twice", twice[0]);
            self.error_with_help("repeated-name", message, (clause.span, "twice"), "keep one of them");
            months.dedup();
        }
        for split in splits.iter().filter(|split| stretches(split.range, &months).is_empty()) {
            self.diagnostics.push(
                Diagnostic::error(
                    "empty-range",
                    format!("no day of `{}` lies in the months that are used", split.name),
                )
                .label(clause.span, "these months only")
                .label(split.start.to(split.end), "none of them lies in here")
                .help(format!("choose other dates for `{}`, or more months", split.name)),
            );
        }
        if months.len() == 12 { Vec::new() } else { months }
    }

    /// Every `region`, each a box that has points of the grid in it.
    pub(super) fn regions(&mut self, clauses: &Clauses, grid: Option<&str>) -> Vec<RegionPlan> {
        let written: Vec<Clause> = clauses.all("region").cloned().collect();
        let grid = grid.and_then(|id| self.checked.grids.get(id)).cloned();
        let mut regions = Vec::new();
        for clause in &written {
            let Some(region) = self.region(clause) else { continue };
            if let Some(grid) = grid.as_ref().filter(|grid| !touches(&region, grid)) {
                let message = format!("no point of the grid `{}` lies in this region", grid.name);
                let help = match grid.projection {
                    Projection::Lambert { latitude, longitude }
                    | Projection::Mercator { latitude, longitude } => {
                        format!("the grid lies around {latitude}° north, {longitude}° east")
                    }
                    Projection::Stereographic { longitude, .. } => {
                        format!("the grid lies around the meridian of {longitude}° east")
                    }
                    Projection::LatLon { north, west, .. } => {
                        format!("the grid begins at {north}° north, {west}° east")
                    }
                };
                self.error_with_help("outside-grid", message, (clause.span, "somewhere else"), help);
            }
            regions.push(region);
        }
        regions
    }

    fn region(&mut self, clause: &Clause) -> Option<RegionPlan> {
        let (mut latitudes, mut longitudes) = (None, None);
        for chain in &clause.values {
            let (axis, range) = self.axis(chain)?;
            let (slot, limit) = if axis == "lat" { (&mut latitudes, 90.0) } else { (&mut longitudes, 360.0) };
            let fits = range.0.abs() <= limit && range.1.abs() <= limit;
            let ordered = range.0 < range.1 || axis == "lon" && range.0 != range.1;
            if slot.is_some() || !fits || !ordered {
                let reason = match (slot.is_some(), fits) {
                    (true, _) => format!("`{axis}` stands here twice"),
                    (_, false) => format!("`{axis}` has no such degrees"),
                    _ => "this range is empty".to_string(),
                };
                let code = if fits && slot.is_none() { "empty-range" } else { "wrong-argument" };
                self.error_with_help(
                    code,
                    reason,
                    (chain.span, "here"),
                    format!("for instance: region  {REGION}"),
                );
                return None;
            }
            *slot = Some(range);
        }
        let ((south, north), (west, east)) = match (latitudes, longitudes) {
            (Some(latitudes), Some(longitudes)) => (latitudes, longitudes),
            (Some(latitudes), None) => (latitudes, (-180.0, 180.0)),
            (None, Some(longitudes)) => ((-90.0, 90.0), longitudes),
            (None, None) => return self.no_region(clause.span),
        };
        Some(RegionPlan { south, north, west, east })
    }

    /// `lat 30 .. 45 deg`, in degrees.
    fn axis(&mut self, chain: &Chain) -> Option<(&'static str, (f64, f64))> {
        let [Part::Value(Expr { kind: ExprKind::Path(axis), .. }), Part::Value(range)] = &chain.parts[..]
        else {
            return self.no_region(chain.span);
        };
        let axis = match axis.as_str() {
            "lat" => "lat",
            "lon" => "lon",
            _ => return self.no_region(chain.span),
        };
        let ExprKind::Range { start, end, towards: false } = &range.kind else {
            return self.no_region(chain.span);
        };
        let unit = match &end.kind {
            ExprKind::Measure { unit, .. } => unit.clone(),
            ExprKind::Negate(inner) => match &inner.kind {
                ExprKind::Measure { unit, .. } => unit.clone(),
                _ => None,
            },
            _ => None,
        };
        let degrees = |checker: &mut Self, expr: &Expr| -> Option<f64> {
            match checker.numbers(expr)?[..] {
                // `deg` is a plain number of radians.
                [(value, unit, _)] if unit.dimension.is_none() && unit.factor != 1.0 => {
                    Some((value.to_degrees() * 1e9).round() / 1e9)
                }
                _ => {
                    let help = format!("for instance: region  {REGION}");
                    checker.error_with_help(
                        "unit-mismatch",
                        "a region is given in degrees",
                        (expr.span, "not in degrees"),
                        help,
                    );
                    None
                }
            }
        };
        let start = degrees(self, &with_unit(start, unit.as_ref()))?;
        Some((axis, (start, degrees(self, end)?)))
    }

    fn no_region<T>(&mut self, span: Span) -> Option<T> {
        self.error_with_help(
            "wrong-argument",
            "`region` takes latitudes and longitudes",
            (span, "here"),
            format!("for instance: region  {REGION}"),
        );
        None
    }
}

fn months_of(expr: &Expr) -> Option<Vec<u8>> {
    let month = |expr: &Expr| match &expr.kind {
        ExprKind::Measure { value, unit: None } if value.fract() == 0.0 && (1.0..=12.0).contains(value) => {
            Some(*value as u8)
        }
        _ => None,
    };
    match &expr.kind {
        ExprKind::Range { start, end, towards: false } => {
            let (first, last) = (month(start)?, month(end)?);
            Some(if first <= last {
                (first..=last).collect()
            } else {
                (first..=12).chain(1..=last).collect()
            })
        }
        ExprKind::List { items, unit: None } if !items.is_empty() => items.iter().map(month).collect(),
        _ => month(expr).map(|month| vec![month]),
    }
}

/// The stretches of a split that lie in these months, without a break inside any of them; the whole split
/// if there are no months.
pub(super) fn stretches(range: TimeRange, months: &[u8]) -> Vec<TimeRange> {
    if months.is_empty() {
        return vec![range];
    }
    let mut found: Vec<TimeRange> = Vec::new();
    let mut from = range.from;
    while from <= range.to {
        let date = from.to_zoned(TimeZone::UTC).date();
        let next = date.first_of_month().checked_add(jiff::Span::new().months(1)).ok().and_then(midnight);
        let last = next.and_then(|next| next.checked_sub(SignedDuration::from_secs(1)).ok());
        let to = last.unwrap_or(range.to).min(range.to);
        if u8::try_from(date.month()).is_ok_and(|month| months.contains(&month)) {
            match found.last_mut().filter(|open| from.duration_since(open.to).as_secs() <= 1) {
                Some(open) => open.to = to,
                None => found.push(TimeRange { from, to }),
            }
        }
        let Some(next) = next.filter(|next| *next > from) else { break };
        from = next;
    }
    found
}

fn midnight(date: Date) -> Option<Timestamp> {
    date.to_zoned(TimeZone::UTC).ok().map(|zoned| zoned.timestamp())
}

/// Whether some point of the region lies on the grid, or some point of the grid in the region, both looked at
/// in a lattice.
fn touches(region: &RegionPlan, grid: &GridPlan) -> bool {
    let width = match region.east - region.west {
        width if width > 0.0 => width,
        width => width + 360.0,
    };
    let (half_x, half_y) = (grid.width as f64 * grid.spacing / 2.0, grid.height as f64 * grid.spacing / 2.0);
    let plane = match grid.projection {
        Projection::LatLon { north, west, step } => {
            return touches_degrees(region, width, grid, (north, west, step));
        }
        Projection::Lambert { latitude, longitude } => Plane::new(latitude, longitude, true),
        Projection::Mercator { latitude, longitude } => Plane::new(latitude, longitude, false),
        Projection::Stereographic { latitude, longitude } => {
            // A cone as flat as can be (Snyder 1987, section 15): with a sine of 1, Lambert's is the stereographic map.
            Plane { true_at: latitude, centre: longitude, sine: Some(1.0) }
        }
    };
    // The middle of the grid on the map.
    let (middle_x, middle_y) = grid.southwest.map_or((0.0, 0.0), |[north, east]| {
        let (x, y) = plane.forward(north, east);
        (x + half_x, y + half_y)
    });
    let lattice = (0..=LOOKS).flat_map(|i| (0..=LOOKS).map(move |j| (i, j)));
    lattice.map(|(i, j)| (i as f64 / LOOKS as f64, j as f64 / LOOKS as f64)).any(|(i, j)| {
        let (x, y) = plane.forward(region.south + (region.north - region.south) * i, region.west + width * j);
        let (latitude, longitude) =
            plane.inverse(middle_x + half_x * (2.0 * j - 1.0), middle_y + half_y * (2.0 * i - 1.0));
        (x - middle_x).abs() <= half_x && (y - middle_y).abs() <= half_y
            || (region.south..=region.north).contains(&latitude)
                && (longitude - region.west).rem_euclid(360.0) <= width
    })
}

/// The same on a grid of degrees: both are boxes.
fn touches_degrees(region: &RegionPlan, width: f64, grid: &GridPlan, origin: (f64, f64, f64)) -> bool {
    let (north, west, step) = origin;
    let span = |points: usize| step * points.saturating_sub(1) as f64;
    let rows = region.south <= north && region.north >= north - span(grid.height);
    // One of the two begins within the other.
    let columns = (region.west - west).rem_euclid(360.0) <= span(grid.width)
        || (west - region.west).rem_euclid(360.0) <= width;
    rows && columns
}

/// The map of a grid, on a sphere of GRIB's radius (Snyder 1987, equations 7-1 to 7-5 and 15-1 to 15-5): metres
/// east and north of the grid's centre.
struct Plane {
    true_at: f64,
    centre: f64,
    /// Sine of the standard parallel of a Lambert cone; nothing for a cylinder.
    sine: Option<f64>,
}

const EARTH: f64 = 6_371_229.0;

impl Plane {
    fn new(true_at: f64, centre: f64, cone: bool) -> Plane {
        let sine = true_at.to_radians().sin();
        Plane { true_at, centre, sine: (cone && sine.abs() > 1e-6).then_some(sine) }
    }

    /// tan(π/4 + φ/2): how far up a conformal map a latitude lies, before the logarithm.
    fn height(degrees: f64) -> f64 {
        (std::f64::consts::FRAC_PI_4 + degrees.clamp(-89.9, 89.9).to_radians() / 2.0).tan()
    }

    /// The distance from the apex of the cone.
    fn radius(&self, sine: f64, degrees: f64) -> f64 {
        let factor = self.true_at.to_radians().cos() * Self::height(self.true_at).powf(sine) / sine;
        EARTH * factor / Self::height(degrees).powf(sine)
    }

    fn forward(&self, latitude: f64, longitude: f64) -> (f64, f64) {
        let east = ((longitude - self.centre + 540.0).rem_euclid(360.0) - 180.0).to_radians();
        match self.sine {
            None => {
                let scale = EARTH * self.true_at.to_radians().cos();
                (scale * east, scale * (Self::height(latitude).ln() - Self::height(self.true_at).ln()))
            }
            Some(sine) => {
                let (rho, angle) = (self.radius(sine, latitude), sine * east);
                (rho * angle.sin(), self.radius(sine, self.true_at) - rho * angle.cos())
            }
        }
    }

    fn inverse(&self, x: f64, y: f64) -> (f64, f64) {
        let latitude = |height: f64| (2.0 * height.atan()).to_degrees() - 90.0;
        match self.sine {
            None => {
                let scale = EARTH * self.true_at.to_radians().cos();
                let height = (y / scale + Self::height(self.true_at).ln()).exp();
                (latitude(height), self.centre + (x / scale).to_degrees())
            }
            Some(sine) => {
                let down = self.radius(sine, self.true_at) - y;
                let rho = x.hypot(down) * sine.signum();
                let angle = (x * sine.signum()).atan2(down * sine.signum());
                let height =
                    (self.radius(sine, self.true_at) / rho).powf(1.0 / sine) * Self::height(self.true_at);
                (latitude(height), self.centre + (angle / sine).to_degrees())
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn range(from: &str, to: &str) -> TimeRange {
        TimeRange { from: from.parse().unwrap(), to: to.parse().unwrap() }
    }

    #[test]
    fn months_cut_a_split_into_stretches() {
        let whole = range("2019-01-15T00:00:00Z", "2020-12-31T23:59:59Z");
        assert_eq!(stretches(whole, &[]), [whole]);
        let winter = stretches(whole, &[1, 2, 11, 12]);
        let expected = [
            range("2019-01-15T00:00:00Z", "2019-02-28T23:59:59Z"),
            range("2019-11-01T00:00:00Z", "2020-02-29T23:59:59Z"),
            range("2020-11-01T00:00:00Z", "2020-12-31T23:59:59Z"),
        ];
        assert_eq!(winter, expected);
        assert!(stretches(range("2020-06-01T00:00:00Z", "2020-06-30T00:00:00Z"), &[1]).is_empty());
    }

    /// The corners of HRRR's grid, as read from its GRIB messages, lie 2 697 520 m and 1 587 306 m from the
    /// centre; the spacing is 3 km, so a metre is far within a cell.
    #[test]
    fn the_lambert_plane_is_that_of_hrrr() {
        let plane = Plane::new(38.5, -97.5, true);
        let (x, y) = plane.forward(21.138_123, -122.719_528);
        assert!((x + 2_697_520.143).abs() < 1.0 && (y + 1_587_306.153).abs() < 1.0, "{x} {y}");
        let (x, y) = plane.forward(47.842_195, -60.917_193);
        assert!((x - 2_696_479.857).abs() < 1.0 && (y - 1_586_693.847).abs() < 1.0, "{x} {y}");
    }

    /// There and back, to a millionth of a degree, on both maps and both halves of the globe.
    #[test]
    fn the_inverse_leads_back() {
        for latitude in [38.5, -30.0] {
            let longitude = -97.5;
            for cone in [true, false] {
                let plane = Plane::new(latitude, longitude, cone);
                for (north, east) in [(latitude + 9.0, -120.0), (latitude - 5.0, -80.0)] {
                    let (x, y) = plane.forward(north, east);
                    let (n, e) = plane.inverse(x, y);
                    assert!((n - north).abs() < 1e-6 && (e - east).abs() < 1e-6, "{n} {e}");
                }
            }
        }
    }

    #[test]
    fn a_region_touches_a_grid_of_degrees() {
        let projection = Projection::LatLon { north: 60.0, west: 350.0, step: 0.25 };
        let grid = GridPlan {
            name: "europe".into(),
            projection,
            width: 161,
            height: 101,
            spacing: 27_800.0,
            southwest: None,
        };
        let region = |south, north, west, east| RegionPlan { south, north, west, east };
        assert!(touches(&region(45.0, 50.0, 5.0, 15.0), &grid));
        assert!(touches(&region(30.0, 36.0, -20.0, -9.0), &grid));
        assert!(!touches(&region(30.0, 34.0, 5.0, 15.0), &grid));
        assert!(!touches(&region(45.0, 50.0, 40.0, 60.0), &grid));
    }

    #[test]
    fn a_region_touches_the_grid_or_not() {
        let grid = GridPlan {
            name: "plains".into(),
            projection: Projection::Lambert { latitude: 38.5, longitude: -97.5 },
            width: 64,
            height: 64,
            spacing: 12_000.0,
            southwest: None,
        };
        let region = |south, north, west, east| RegionPlan { south, north, west, east };
        assert!(touches(&region(30.0, 45.0, -105.0, -92.0), &grid));
        assert!(touches(&region(38.4, 38.6, -97.6, -97.4), &grid));
        assert!(touches(&region(28.0, 38.0, -180.0, 180.0), &grid));
        assert!(touches(&region(30.0, 45.0, 255.0, 268.0), &grid));
        assert!(!touches(&region(28.0, 34.0, -95.0, -80.0), &grid));
        assert!(!touches(&region(30.0, 45.0, 5.0, 15.0), &grid));
    }
}
