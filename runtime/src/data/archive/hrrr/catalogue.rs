//! What an archive of HRRR offers, from the inventories of its newest and its first hour: fields by `PARAMETER:level`, and by
//! `PARAMETER` alone on pressure levels and on the model's own.

use std::collections::BTreeMap;

use ndarray::ArrayViewMut2;

use super::index::{Index, Record};
use super::layout::{Product, QUARTER};
use crate::data::archive::{ArchiveField, DataError, Request};
use crate::data::grib::names;
use crate::data::grib::product::{Cell, Code};
use crate::data::grib::words::{Level, When};
use crate::data::source::units::{ToSi, to_si};

const PRESSURE: u8 = 100;
const HYBRID: u8 = 105;
pub(super) const HOUR: i64 = 3600;

/// A field, and where its layers are.
#[derive(Clone, Debug, PartialEq)]
pub struct Entry {
    pub from: String,
    pub parameter: String,
    pub codes: Vec<Code>,
    pub units: &'static str,
    pub to: ToSi,
    /// What it is over, for fields that are not instantaneous, as the first record has it.
    pub cell: Option<Cell>,
    /// Hours before its time at which the run begins that holds it, if it is instantaneous.
    pub lead: u8,
    /// One, or those on levels: pressures descending, then the model's own ascending.
    pub layers: Vec<(Product, Level)>,
    pub on_levels: bool,
}

#[derive(Clone, Debug, Default, PartialEq)]
pub struct Catalogue {
    /// On the hour, instantaneous or over whole hours.
    entries: Vec<Entry>,
    /// In wrfsubh: instantaneous between the hours, or over a part of one. A field has one for each of its periods.
    pub(super) quarters: Vec<Entry>,
}

impl Catalogue {
    /// From inventories, each with the product it is of. Where two hold a field the first is asked for it.
    pub fn of(inventories: &[(Product, &Index)]) -> Catalogue {
        let (mut entries, mut quarters): (Vec<Entry>, Vec<Entry>) = Default::default();
        let mut columns: BTreeMap<String, Entry> = BTreeMap::new();
        for (product, index) in inventories {
            for record in &index.records {
                if let Some(entry) = quarter(record, *product) {
                    add_quarter(&mut quarters, entry);
                }
                let (Some(level), Some(entry)) = (record.level, entry(record, *product)) else { continue };
                let layer = level.high.is_none() && matches!(level.kind, PRESSURE | HYBRID);
                if layer && matches!(product, Product::Pressure | Product::Native) {
                    if entry.cell.is_none() {
                        add_layer(&mut columns, entry, level);
                    }
                    continue;
                }
                let known = |other: &&mut Entry| {
                    other.parameter == entry.parameter
                        && other.cell.is_some() == entry.cell.is_some()
                        && other.layers.iter().any(|(_, held)| held.same(&level))
                };
                match entries.iter_mut().find(known) {
                    Some(known) => known.answer_to(&entry.codes),
                    None => entries.push(entry),
                }
            }
        }
        for (_, mut entry) in columns {
            entry.layers.sort_by(|(_, one), (_, two)| {
                let by_value = match one.kind {
                    PRESSURE => two.low.partial_cmp(&one.low),
                    _ => one.low.partial_cmp(&two.low),
                };
                one.kind.cmp(&two.kind).then(by_value.unwrap_or(std::cmp::Ordering::Equal))
            });
            entries.push(entry);
        }
        Catalogue { entries, quarters }
    }

    pub fn is_empty(&self) -> bool {
        self.entries.is_empty()
    }

    /// Whether it has anything between the hours.
    pub fn has_quarters(&self) -> bool {
        !self.quarters.is_empty()
    }

    /// The field of a name on the hour, over a period or not; the bounds of a layer may be either way round.
    pub fn find(&self, from: &str, over: bool) -> Option<&Entry> {
        let name = Name::read(from)?;
        self.entries.iter().find(|entry| entry.cell.is_some() == over && entry.is(&name))
    }

    /// The period over which a field comes that nobody asked for over one: none, unless it is only there over one.
    pub fn period(&self, from: &str) -> Option<Cell> {
        if self.find(from, false).is_some() {
            return None;
        }
        self.periods(from).next()
    }

    /// The periods over which a field comes, those of hours as the first inventory has them.
    pub fn periods(&self, from: &str) -> impl Iterator<Item = Cell> {
        let name = Name::read(from);
        let all = self.entries.iter().chain(&self.quarters);
        all.filter(move |entry| name.as_ref().is_some_and(|name| entry.is(name)))
            .filter_map(|entry| entry.cell)
    }

    /// Every name once; layers under both orders of their bounds.
    pub fn fields(&self) -> Vec<ArchiveField> {
        let mut fields: Vec<ArchiveField> = Vec::new();
        for entry in self.entries.iter().chain(&self.quarters) {
            let mut names = vec![entry.from.clone()];
            if let [(_, level @ Level { high: Some(_), .. })] = entry.layers.as_slice() {
                let both = [false, true].into_iter().filter_map(|turned| level.words(turned));
                names.extend(both.map(|words| format!("{}:{words}", entry.parameter)));
            }
            for from in names {
                if fields.iter().any(|field| field.from == from) {
                    continue;
                }
                let values = || entry.layers.iter().filter_map(|(_, level)| level.low).collect();
                fields.push(ArchiveField {
                    description: format!("{} of HRRR", entry.parameter),
                    units: entry.units.to_string(),
                    levels: entry.on_levels.then(values),
                    from,
                });
            }
        }
        fields
    }
}

/// `PARAMETER:level`, or `PARAMETER` alone for what is on levels.
pub(super) struct Name<'a> {
    parameter: &'a str,
    level: Option<Level>,
}

impl Name<'_> {
    pub(super) fn read(from: &str) -> Option<Name<'_>> {
        Some(match from.split_once(':') {
            None => Name { parameter: from, level: None },
            Some((parameter, level)) => Name { parameter, level: Some(Level::read(level)?) },
        })
    }
}

impl Entry {
    /// Whether a name is its.
    pub(super) fn is(&self, name: &Name<'_>) -> bool {
        let placed = match &name.level {
            None => self.on_levels,
            Some(level) => !self.on_levels && self.layers.iter().any(|(_, held)| held.same(level)),
        };
        placed && self.parameter == name.parameter
    }

    /// The layers that a request is for.
    ///
    /// # Errors
    /// A level that the field does not have.
    pub fn layers(&self, wanted: &Request<'_>) -> Result<Vec<(Product, Level)>, DataError> {
        let Some(places) = wanted.levels else { return Ok(self.layers.clone()) };
        let layers = places.iter().map(|place| self.layers.get(*place).copied()).collect::<Option<_>>();
        layers.ok_or_else(|| {
            DataError::Archive(format!("`{}` has {} levels only", wanted.from, self.layers.len()))
        })
    }

    /// What a record of it is called in errors.
    pub fn record(&self, level: &Level, when: When) -> String {
        let name = match level.words(false) {
            Some(level) if self.on_levels => format!("{}:{level}", self.from),
            None if self.on_levels => format!("{}:?", self.from),
            _ => self.from.clone(),
        };
        format!("the record {name}:{}", when.words())
    }

    /// Brings the values of a record to SI; what stands for nothing becomes missing.
    pub fn finish(&self, mut plane: ArrayViewMut2<'_, f32>) {
        if let Some(nothing) = nothing(&self.parameter) {
            // Packing may move it by a step of the field, which is less than a metre.
            plane.mapv_inplace(|value| if (value - nothing).abs() < 1.0 { f32::NAN } else { value });
        }
        let to = self.to;
        if to.factor != 1.0 || to.offset != 0.0 {
            plane.mapv_inplace(|value| to.apply(f64::from(value)) as f32);
        }
    }

    /// Codes by which other years call it.
    fn answer_to(&mut self, codes: &[Code]) {
        for code in codes {
            if !self.codes.contains(code) {
                self.codes.push(*code);
            }
        }
    }
}

/// Instantaneous fields that f00 has as one value everywhere, without a word of it: they are made in the course of a run.
/// Of lightning only the slot at 1 m; that at 2 m is analysed.
const BLANK: [(&str, &str); 9] = [
    ("PRATE", "surface"),
    ("CPOFP", "surface"),
    ("CRAIN", "surface"),
    ("CSNOW", "surface"),
    ("CFRZR", "surface"),
    ("CICEP", "surface"),
    ("LTNG", "entire atmosphere"),
    ("LTNGSD", "1 m above ground"),
    ("AOTK", "entire atmosphere (considered as a single layer)"),
];

/// Whether a field is a placeholder in f00 although it is instantaneous, so that it is read from f01.
#[must_use]
pub fn blank_at_start(parameter: &str, level: &str) -> bool {
    BLANK.contains(&(parameter, level))
}

/// What stands in a field's values for none, where its messages have no bitmap: HRRR's radar sees no top where it sees no
/// echo.
fn nothing(parameter: &str) -> Option<f32> {
    (parameter == "RETOP").then_some(-999.0)
}

fn entry(record: &Record, product: Product) -> Option<Entry> {
    let when = record.when?;
    // What is over no time at all is a placeholder of the first hour.
    let cell = when.cell;
    if cell.is_some_and(|cell| cell.seconds <= 0 || cell.seconds % HOUR != 0) {
        return None;
    }
    let blank = blank_at_start(&record.parameter, &record.level_words);
    // What only wrfsubh has is on the hour the end of its hour before.
    let lead = u8::from(blank || product == Product::Quarters);
    if cell.is_none() && when.ahead != i64::from(lead) * HOUR {
        return None;
    }
    made(record, product, cell, lead)
}

/// A record of wrfsubh: at a quarter of its hour, or over a part of it that ends there.
fn quarter(record: &Record, product: Product) -> Option<Entry> {
    let when = record.when.filter(|_| product == Product::Quarters)?;
    let within = when.ahead % QUARTER == 0 && (QUARTER..=HOUR).contains(&when.ahead);
    let part = when.cell.is_none_or(|cell| (1..HOUR).contains(&cell.seconds));
    if within && part { made(record, product, when.cell, 1) } else { None }
}

fn made(record: &Record, product: Product, cell: Option<Cell>, lead: u8) -> Option<Entry> {
    let units = record.codes.iter().find_map(|code| names::look_up(*code, super::NCEP))?.units;
    let (units, to) = in_si(units);
    Some(Entry {
        from: format!("{}:{}", record.parameter, record.level_words),
        parameter: record.parameter.clone(),
        codes: record.codes.clone(),
        units,
        to,
        cell,
        lead,
        layers: vec![(product, record.level?)],
        on_levels: false,
    })
}

fn add_quarter(quarters: &mut Vec<Entry>, entry: Entry) {
    let same = |known: &&mut Entry| {
        let level = |known: &Entry| known.layers.first().map(|(_, level)| *level);
        let one_level = match (level(known), level(&entry)) {
            (Some(one), Some(other)) => one.same(&other),
            _ => false,
        };
        one_level && known.parameter == entry.parameter && known.cell == entry.cell
    };
    match quarters.iter_mut().find(same) {
        Some(known) => known.answer_to(&entry.codes),
        None => quarters.push(entry),
    }
}

fn add_layer(columns: &mut BTreeMap<String, Entry>, entry: Entry, level: Level) {
    match columns.get_mut(&entry.parameter) {
        Some(known) if known.layers.iter().any(|(_, held)| held.same(&level)) => {}
        Some(known) => known.layers.extend(entry.layers),
        None => {
            let from = entry.parameter.clone();
            columns.insert(entry.parameter.clone(), Entry { from, on_levels: true, ..entry });
        }
    }
}

/// The unit in which values are given: that of SI where the table knows the way, else their own.
pub(in crate::data) fn in_si(units: &'static str) -> (&'static str, ToSi) {
    let one = ToSi { factor: 1.0, offset: 0.0 };
    match (units, to_si(units)) {
        ("%", Some(to)) => ("1", to),
        ("degree", Some(to)) => ("rad", to),
        ("code", _) => ("1", one),
        (_, Some(to)) if to == one => (units, one),
        _ => (units, one),
    }
}
