//! A GRIB2 file as fields on levels and at places, at the times for which they are valid.

use std::collections::{BTreeMap, BTreeSet};
use std::path::Path;
use std::sync::Arc;

use jiff::Timestamp;
use ndarray::{Array3, ArrayView2, Axis, stack};
use rayon::prelude::*;

use super::units::{ToSi, to_si};
use super::what::{What, Where, by_code, plain_level};
use super::{Offer, Place, Source};
use crate::data::grib::{Field, Grib, Grid};

/// By time, then the number of the field in the file for each level.
type Layers = BTreeMap<Option<Timestamp>, Vec<Option<usize>>>;

#[derive(Debug)]
pub(super) struct GribSource {
    grib: Grib,
    place: Place,
    offers: Vec<Offer>,
    /// For each offer.
    layers: Vec<(Layers, ToSi)>,
    reference: Option<Timestamp>,
    notes: Vec<String>,
}

/// What makes fields one: the code, the statistic, the member, and the kind of level or the level itself.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
struct Key {
    code: crate::data::grib::product::Code,
    cell: Option<String>,
    kind: Option<String>,
    level: String,
}

pub(super) fn open(path: &Path) -> Result<GribSource, String> {
    let grib = Grib::open(path).map_err(|error| error.to_string())?;
    let (grid, others) = main_grid(&grib);
    let grid =
        grid.ok_or_else(|| format!("{}: no field is on a grid of rows and columns", path.display()))?;
    // Where its points lie takes more than its values: those of a few damaged bytes are not reckoned.
    let sound = grib.fields().iter().filter(|field| *field.grid == grid).map(Field::fits::<f64>);
    if let Some(Err(problem)) = sound.reduce(|one, other| if one.is_ok() { one } else { other }) {
        return Err(format!("{}: {problem}", path.display()));
    }
    let place = Place::of_grib(&grid)
        .ok_or_else(|| format!("{}: the grid {} has no rows and columns", path.display(), grid.name()))?;
    let mut notes = Vec::new();
    if others > 0 {
        notes.push(format!("{others} fields on other grids are left out"));
    }
    if place.coordinates.is_none() {
        notes.push(format!("where the points of the grid {} lie is not known here", grid.name()));
    }
    let mut groups: BTreeMap<Key, Vec<(usize, &Field)>> = BTreeMap::new();
    for (index, field) in grib.fields().iter().enumerate() {
        if *field.grid == grid {
            groups.entry(key(field)).or_default().push((index, field));
        }
    }
    // Members of an ensemble are not told apart by what they are.
    let kinds: BTreeSet<&Option<String>> = groups.keys().map(|key| &key.kind).collect();
    let single = kinds.len() == 1;
    let (mut offers, mut layers) = (Vec::new(), Vec::new());
    for (key, fields) in &groups {
        let Some((_, first)) = fields.first() else { continue };
        let (place, held) = layered(fields);
        let name = match &place {
            Where::Pressure(_) | Where::Model(_) => first.name(),
            _ => format!("{}:{}", first.name(), first.product.level_name()),
        };
        let known = by_code(key.code).filter(|_| single || key.kind.is_none());
        let wind = matches!(known, Some(What::Eastward | What::Northward));
        offers.push(Offer {
            name,
            what: known,
            place,
            cell: key.cell.clone(),
            along_grid: wind && grid.winds_along_grid == Some(true),
            times: Arc::new(held.keys().flatten().copied().collect()),
        });
        let to = first.units().and_then(to_si).unwrap_or(ToSi { factor: 1.0, offset: 0.0 });
        layers.push((held, to));
    }
    let references: BTreeSet<Timestamp> = grib.fields().iter().map(|field| field.product.reference).collect();
    let reference = if references.len() == 1 { references.first().copied() } else { None };
    Ok(GribSource { grib, place, offers, layers, reference, notes })
}

/// The grid with the most fields that has rows and columns, and how many fields are on others.
fn main_grid(grib: &Grib) -> (Option<Grid>, usize) {
    let mut counts: Vec<(&Grid, usize)> = Vec::new();
    for field in grib.fields().iter().filter(|field| field.grid.shape.is_some()) {
        match counts.iter_mut().find(|(grid, _)| **grid == *field.grid) {
            Some((_, count)) => *count += 1,
            None => counts.push((&field.grid, 1)),
        }
    }
    let most = counts.iter().map(|(_, count)| *count).max().unwrap_or(0);
    let main = counts.iter().find(|(_, count)| *count == most).map(|(grid, _)| (*grid).clone());
    (main, grib.fields().len() - most)
}

fn key(field: &Field) -> Key {
    let product = &field.product;
    let level = match product.level {
        Some((first, None)) if matches!(first.kind, 100 | 105) && first.value.is_some() => {
            format!("levels {}", first.kind)
        }
        _ => product.level_name(),
    };
    Key { code: product.code, cell: product.cell_name(), kind: product.kind.clone(), level }
}

/// The levels of a group, highest pressure or lowest number first, and the fields on them at each time. Of two fields
/// for the same the first counts.
fn layered(fields: &[(usize, &Field)]) -> (Where, Layers) {
    let value = |field: &Field| field.product.level.and_then(|(first, _)| first.value);
    let kind = fields
        .first()
        .and_then(|(_, field)| field.product.level)
        .map(|(first, second)| (first.kind, second.is_some(), first.value));
    let mut held = Layers::new();
    let place = match kind {
        Some((code @ (100 | 105), false, Some(_))) => {
            let mut levels: Vec<f64> = fields.iter().filter_map(|(_, field)| value(field)).collect();
            levels.sort_by(f64::total_cmp);
            levels.dedup();
            if code == 100 {
                levels.reverse();
                Where::Pressure(levels)
            } else {
                Where::Model(levels)
            }
        }
        Some((1, false, _)) => Where::Surface,
        Some((103, false, Some(metres))) => Where::Above(metres),
        _ => Where::Other(
            fields.first().map_or_else(String::new, |(_, f)| plain_level(&f.product.level_name())),
        ),
    };
    for (index, field) in fields {
        let level = match &place {
            Where::Pressure(levels) | Where::Model(levels) => {
                value(field).and_then(|value| levels.iter().position(|level| *level == value))
            }
            _ => Some(0),
        };
        let slots = held.entry(field.product.valid).or_insert_with(|| vec![None; place.depth()]);
        if let Some(slot) = level.and_then(|level| slots.get_mut(level)) {
            slot.get_or_insert(*index);
        }
    }
    (place, held)
}

impl Source for GribSource {
    fn format(&self) -> String {
        "GRIB2".into()
    }

    fn place(&self) -> &Place {
        &self.place
    }

    fn offers(&self) -> &[Offer] {
        &self.offers
    }

    fn reference(&self) -> Option<Timestamp> {
        self.reference
    }

    fn notes(&self) -> Vec<String> {
        self.notes.clone()
    }

    fn read(&self, offer: usize, time: Option<Timestamp>) -> Result<Array3<f32>, String> {
        let (layers, to) = &self.layers[offer];
        let slots = match time {
            Some(_) => layers.get(&time).or_else(|| layers.get(&None)),
            None => layers.values().next(),
        };
        let slots = slots.ok_or("it is not there at that time")?;
        let images: Result<Vec<_>, String> = slots
            .par_iter()
            .enumerate()
            .map(|(level, slot)| {
                let index = slot.ok_or_else(|| missing(&self.offers[offer].place, level))?;
                let field = self.grib.fields().get(index).ok_or("it is not there")?;
                let mut image = self.grib.image(field).map_err(|error| error.to_string())?;
                if to.factor != 1.0 || to.offset != 0.0 {
                    image.mapv_inplace(|value| to.apply(f64::from(value)) as f32);
                }
                Ok(image)
            })
            .collect();
        let images = images?;
        let views: Vec<ArrayView2<'_, f32>> = images.iter().map(|image| image.view()).collect();
        stack(Axis(0), &views).map_err(|error| error.to_string())
    }
}

fn missing(place: &Where, level: usize) -> String {
    match place {
        Where::Pressure(levels) => {
            format!("it lacks {} hPa at that time", levels.get(level).map_or(0.0, |level| level / 100.0))
        }
        _ => format!("it lacks level {} at that time", level + 1),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::data::grib::encode::{About, Lambert, Packing, message};
    use crate::data::grib::product::Code;
    use crate::data::grib::words::{Level, When};

    /// Some two hundred bytes that claim 268 million points are refused before their points are reckoned.
    #[test]
    fn points_are_not_reckoned_for_a_few_bytes() {
        let grid = Lambert {
            width: 16,
            height: 16,
            latitude: 21.0,
            longitude: -122.0,
            true_latitude: 38.5,
            central_longitude: -97.5,
            spacing: 3000.0,
        };
        let about = About {
            code: Code { discipline: 0, category: 0, number: 0 },
            level: Level::read("surface").unwrap(),
            reversed: false,
            run: "2020-05-20T00:00:00Z".parse().unwrap(),
            when: When { ahead: 0, cell: None },
        };
        let mut bytes = message(&about, &grid, Packing::Simple { binary: 0 }, &[280.0; 256]).unwrap();
        let side = 16384_u32;
        let mut at = 16;
        while at + 5 < bytes.len() {
            let places: &[(usize, u32)] = match bytes[at + 4] {
                3 => &[(6, side * side), (30, side), (34, side)],
                5 => &[(5, side * side)],
                _ => &[],
            };
            for (place, value) in places {
                bytes[at + place..][..4].copy_from_slice(&value.to_be_bytes());
            }
            at += u32::from_be_bytes([bytes[at], bytes[at + 1], bytes[at + 2], bytes[at + 3]]) as usize;
        }
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("thin.grib2");
        std::fs::write(&path, bytes).unwrap();
        let said = open(&path).expect_err("refused");
        assert!(said.contains("268435456 points in"), "{said}");
    }
}
