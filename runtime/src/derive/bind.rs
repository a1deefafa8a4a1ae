//! Which field of which file a recipe's variable is, and how it is brought into the recipe's form: levels picked and
//! ordered, winds turned towards east and north or along the grid.

use aurora_compiler::plan::data::{FieldPlan, LevelsPlan, SupportPlan};
use jiff::Timestamp;
use ndarray::{Array3, Axis, Zip};

use super::DeriveError;
use crate::data::source::what::{Hint, by_from, by_name, plain_level};
use crate::data::source::{Found, Offer, Sources, What, Where};

/// A variable of a recipe, found in the files.
#[derive(Clone, Debug, PartialEq)]
pub struct Bound {
    pub from: Origin,
    /// Which levels of the file, in the recipe's order; all as they are if absent.
    pub levels: Option<Vec<usize>>,
    /// How a wind is turned.
    pub turn: Option<Turn>,
}

/// Where a variable's values come from.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Origin {
    Field(Found),
    /// Cosine (or sine) of the angle by which the grid is turned.
    Cosine,
    Sine,
}

/// The other component, which of the two this is, and which way it is turned.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Turn {
    pub partner: Found,
    /// This is the first component.
    pub first: bool,
    /// From the grid's axes to east and north; else back.
    pub to_earth: bool,
}

impl Bound {
    pub fn plain(found: Found) -> Bound {
        Bound { from: Origin::Field(found), levels: None, turn: None }
    }

    /// A wind's component as blowing east or north (`earth`), or along the grid.
    ///
    /// # Errors
    /// The other component is absent, or the grid does not say how it is turned.
    pub fn wind(sources: &Sources, found: Found, earth: bool) -> Result<Bound, DeriveError> {
        let offer = sources.offer(found);
        if offer.along_grid != earth {
            return Ok(Bound::plain(found)); // it is as it is wanted
        }
        let first = offer.what == Some(What::Eastward);
        let other = if first { What::Northward } else { What::Eastward };
        let like = |held: &Offer| {
            held.what == Some(other)
                && held.place == offer.place
                && held.cell == offer.cell
                && held.along_grid == offer.along_grid
        };
        let partner = sources.find(like).ok_or_else(|| {
            DeriveError(format!(
                "`{}` blows along the grid; to turn it, the other component is wanted too",
                offer.name
            ))
        })?;
        match sources.place().rotation() {
            None => Err(DeriveError(format!(
                "`{}` blows along the grid, but how the grid is turned is not known",
                offer.name
            ))),
            Some((_, sine)) if sine.iter().all(|sine| sine.abs() < 1e-7) => Ok(Bound::plain(found)),
            Some(_) => {
                Ok(Bound { turn: Some(Turn { partner, first, to_earth: earth }), ..Bound::plain(found) })
            }
        }
    }

    /// Whether it is there at a time.
    pub fn there(&self, sources: &Sources, time: Option<Timestamp>) -> bool {
        match self.from {
            Origin::Field(found) => sources.has(found, time),
            _ => true,
        }
    }

    /// Its values, (levels, H, W) in SI.
    ///
    /// # Errors
    /// What cannot be read.
    pub fn fetch(&self, sources: &Sources, time: Option<Timestamp>) -> Result<Array3<f32>, DeriveError> {
        let rotation = || {
            sources
                .place()
                .rotation()
                .ok_or_else(|| DeriveError("how the grid is turned is not known".to_string()))
        };
        let found = match self.from {
            Origin::Cosine => return Ok(rotation()?.0),
            Origin::Sine => return Ok(rotation()?.1),
            Origin::Field(found) => found,
        };
        let mut values = self.picked(sources.read(found, time)?);
        if let Some(turn) = self.turn {
            let partner = self.picked(sources.read(turn.partner, time)?);
            let (cosine, sine) = rotation()?;
            // East = x cos + y sin, north = y cos - x sin; back with the other sign.
            let sign = if turn.first == turn.to_earth { 1.0 } else { -1.0 };
            for (mut one, two) in values.outer_iter_mut().zip(partner.outer_iter()) {
                Zip::from(&mut one)
                    .and(&two)
                    .and(&cosine.index_axis(Axis(0), 0))
                    .and(&sine.index_axis(Axis(0), 0))
                    .for_each(|one, two, cosine, sine| *one = *one * cosine + sign * two * sine);
            }
        }
        Ok(values)
    }

    fn picked(&self, values: Array3<f32>) -> Array3<f32> {
        match &self.levels {
            Some(levels) if !levels.iter().copied().eq(0..values.len_of(Axis(0))) => {
                values.select(Axis(0), levels)
            }
            _ => values,
        }
    }
}

/// Finds a variable that a recipe reads.
///
/// # Errors
/// It is not in the files, not on the levels that the recipe wants, or a wind that cannot be turned.
pub fn bind(
    sources: &Sources,
    field: &FieldPlan,
    levels: Option<&LevelsPlan>,
    named: Option<&str>,
) -> Result<Bound, DeriveError> {
    match field.from.as_str() {
        "grid:rotation_cosine" => {
            return Ok(Bound { from: Origin::Cosine, levels: None, turn: None });
        }
        "grid:rotation_sine" => return Ok(Bound { from: Origin::Sine, levels: None, turn: None }),
        _ => {}
    }
    let found = find(sources, field, levels, named).ok_or_else(|| {
        DeriveError(format!(
            "`{}` (from \"{}\") is not in the input; it has {}",
            field.name,
            field.from,
            held(sources)
        ))
    })?;
    let mut bound = match field.quantity.as_str() {
        "eastward_wind" | "northward_wind" => Bound::wind(sources, found, true)?,
        "x_wind" | "y_wind" => Bound::wind(sources, found, false)?,
        _ => Bound::plain(found),
    };
    if let (SupportPlan::Levels(_), Some(wanted)) = (&field.support, levels) {
        bound.levels = Some(pick(&sources.offer(found).place, wanted).ok_or_else(|| {
            DeriveError(format!(
                "the recipe has `{}` on {}, the input on {}",
                field.name,
                listed(wanted),
                words(&sources.offer(found).place)
            ))
        })?);
    }
    Ok(bound)
}

/// By `from` as the file names it, else by the recipe's own name, else by what `from` is known to mean. A field on the
/// levels that are wanted comes before one that is on others.
fn find(
    sources: &Sources,
    field: &FieldPlan,
    levels: Option<&LevelsPlan>,
    named: Option<&str>,
) -> Option<Found> {
    let on_levels = matches!(field.support, SupportPlan::Levels(_));
    let support = |offer: &Offer| offer.place.on_levels() == on_levels && offer.cell == field.cell;
    let fits = |offer: &Offer| levels.is_none_or(|levels| !on_levels || pick(&offer.place, levels).is_some());
    let plain = |name: &str| match name.split_once(':') {
        Some((name, level)) => format!("{name}:{}", plain_level(level)).to_lowercase(),
        None => name.to_lowercase(),
    };
    let by_file = |offer: &Offer| plain(&offer.name) == plain(&field.from);
    let by_recipe = |offer: &Offer| offer.name == field.name || Some(offer.name.as_str()) == named;
    let meant = by_from(&field.from).or_else(|| by_name(&field.name)).map(|(what, hint)| match what {
        What::Vertical | What::Omega if field.quantity == "pressure_velocity" => (What::Omega, hint),
        other => (other, hint),
    });
    let by_meaning = |offer: &Offer| match meant {
        Some((what, hint)) => offer.what == Some(what) && (on_levels || at(&offer.place, hint)),
        None => false,
    };
    let ways: [&dyn Fn(&Offer) -> bool; 3] = [&by_file, &by_recipe, &by_meaning];
    let strict =
        |way: &&dyn Fn(&Offer) -> bool| sources.find(|offer| support(offer) && fits(offer) && way(offer));
    let loose = |way: &&dyn Fn(&Offer) -> bool| sources.find(|offer| support(offer) && way(offer));
    ways.iter().find_map(strict).or_else(|| ways.iter().find_map(loose))
}

/// Whether a place is the one that a name speaks of.
fn at(place: &Where, hint: Hint) -> bool {
    match (place, hint) {
        (Where::Above(metres), Hint::Above(wanted)) => (metres - wanted).abs() < 0.01,
        (Where::Surface, Hint::Surface) => true,
        _ => false,
    }
}

/// Where the wanted levels are among those of a file.
fn pick(place: &Where, wanted: &LevelsPlan) -> Option<Vec<usize>> {
    let (held, tolerance) = match (place, wanted.coordinate.as_str()) {
        (Where::Pressure(levels), "pressure") => (levels, 0.5),
        (Where::Model(levels), "index") => (levels, 1e-6),
        _ => return None,
    };
    let position = |value: &f64| held.iter().position(|level| (level - value).abs() <= tolerance);
    wanted.values.iter().map(position).collect()
}

fn listed(levels: &LevelsPlan) -> String {
    let scale = if levels.coordinate == "pressure" { 0.01 } else { 1.0 };
    let values: Vec<f64> = levels.values.iter().map(|value| value * scale).collect();
    if levels.coordinate == "pressure" { format!("{values:?} hPa") } else { format!("{values:?}") }
}

/// A place in words: `26 levels, 1000 .. 10 hPa`.
pub fn words(place: &Where) -> String {
    let ends = |levels: &[f64], scale: f64| match (levels.first(), levels.last()) {
        (Some(first), Some(last)) if levels.len() > 1 => {
            format!("{} levels, {} .. {}", levels.len(), first * scale, last * scale)
        }
        (Some(first), _) => format!("{}", first * scale),
        _ => "no levels".to_string(),
    };
    match place {
        Where::Pressure(levels) => format!("{} hPa", ends(levels, 0.01)),
        Where::Model(levels) => format!("{} of the model", ends(levels, 1.0)),
        Where::Surface => "the surface".into(),
        Where::Above(metres) => format!("{metres} m above ground"),
        Where::Other(text) => text.clone(),
    }
}

/// What the files hold, for a message: what is known here first, then the number of the rest.
pub fn held(sources: &Sources) -> String {
    const MOST: usize = 24;
    let mut known: Vec<String> = Vec::new();
    let mut others = 0;
    for (_, offer) in sources.all() {
        let name = offer.name.split(':').next().unwrap_or_default();
        let text = format!("{name} ({})", words(&offer.place));
        if offer.what.is_none() || known.len() >= MOST {
            others += 1;
        } else if !known.contains(&text) {
            known.push(text);
        }
    }
    let rest = match (known.is_empty(), others) {
        (_, 0) => String::new(),
        (true, others) => format!("{others} fields that are not known here"),
        (false, others) => format!(", and {others} other fields"),
    };
    format!("{}{rest}", known.join(", "))
}
