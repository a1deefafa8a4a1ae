//! What an archive of HRRR offers, from the inventories of its newest and its first hour: fields by `PARAMETER:level`, and by
//! `PARAMETER` alone on pressure levels and on the model's own.

use std::collections::BTreeMap;

use jiff::Timestamp;
use ndarray::ArrayViewMut2;

use super::index::{Index, Record};
use super::layout::{Days, FileOf, Product, before};
use crate::data::archive::{ArchiveField, DataError, Request};
use crate::data::grib::names;
use crate::data::grib::product::{Cell, Code};
use crate::data::grib::words::{Level, When};
use crate::data::source::units::{ToSi, to_si};

const PRESSURE: u8 = 100;
const HYBRID: u8 = 105;
/// The longest period in hours: beyond it not every run goes.
const LONGEST: i64 = 18;

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
    entries: Vec<Entry>,
}

impl Catalogue {
    /// From inventories, each with the product it is of. Where two hold a field the first is asked for it.
    pub fn of(inventories: &[(Product, &Index)]) -> Catalogue {
        let mut entries: Vec<Entry> = Vec::new();
        let mut columns: BTreeMap<String, Entry> = BTreeMap::new();
        for (product, index) in inventories {
            for record in &index.records {
                let (Some(level), Some(entry)) = (record.level, entry(record, *product)) else { continue };
                let layer = level.high.is_none() && matches!(level.kind, PRESSURE | HYBRID);
                if layer && *product != Product::Surface {
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
        Catalogue { entries }
    }

    pub fn is_empty(&self) -> bool {
        self.entries.is_empty()
    }

    /// The field of a name, over a period or not; the bounds of a layer may be either way round.
    pub fn find(&self, from: &str, over: bool) -> Option<&Entry> {
        let mut fitting = self.entries.iter().filter(|entry| entry.cell.is_some() == over);
        let Some((parameter, level)) = from.split_once(':') else {
            return fitting.find(|entry| entry.on_levels && entry.parameter == from);
        };
        let level = Level::read(level)?;
        fitting.find(|entry| {
            !entry.on_levels
                && entry.parameter == parameter
                && entry.layers.iter().any(|(_, held)| held.same(&level))
        })
    }

    /// The field that a request is for, the period, and how many hours before its time the run began; `archive` is the
    /// name in errors.
    ///
    /// # Errors
    /// A period that no run has, a field that the archive lacks.
    pub fn asked(
        &self,
        archive: &str,
        from: &str,
        cell: Option<&str>,
    ) -> Result<(&Entry, Option<Cell>, u8), DataError> {
        let cell = match cell {
            None => None,
            Some(text) => {
                let cell = Cell::read(text).filter(|cell| cell.seconds > 0 && cell.seconds % 3600 == 0);
                let cell = cell.filter(|cell| cell.seconds <= LONGEST * 3600);
                Some(cell.ok_or_else(|| {
                    DataError::Archive(format!(
                        "`{from}`, {text}: of HRRR whole hours up to {LONGEST} are read; shorter periods lie in its wrfsubh files, which are not"
                    ))
                })?)
            }
        };
        let entry = self.find(from, cell.is_some()).ok_or_else(|| {
            let offered: Vec<String> =
                self.fields().iter().map(|field| format!("`{}`", field.from)).collect();
            DataError::UnknownField {
                archive: archive.to_string(),
                field: from.to_string(),
                offered: offered.join(", "),
            }
        })?;
        Ok((entry, cell, cell.map_or(entry.lead, |cell| (cell.seconds / 3600) as u8)))
    }

    /// The period over which a field comes that nobody asked for over one: none, unless it is only there over one.
    pub fn period(&self, from: &str) -> Option<Cell> {
        match self.find(from, false) {
            Some(_) => None,
            None => self.find(from, true).and_then(|entry| entry.cell),
        }
    }

    /// The first file that is not there of those that hold what is wanted at a time.
    pub fn absent(&self, days: &Days, wanted: &[Request<'_>], time: Timestamp) -> Option<FileOf> {
        wanted.iter().find_map(|request| {
            let (entry, _, lead) = self.asked("", request.from, request.cell).ok()?;
            let run = before(time, lead)?;
            let layers = entry.layers.iter().enumerate();
            let mut products: Vec<Product> = layers
                .filter(|(place, _)| request.levels.is_none_or(|levels| levels.contains(place)))
                .map(|(_, (product, _))| *product)
                .collect();
            products.sort_unstable();
            products.dedup();
            let file = |product: Product| FileOf { run, product, lead };
            products.into_iter().map(file).find(|file| matches!(days.has(file), Ok(false)))
        })
    }

    /// Every name once; layers under both orders of their bounds.
    pub fn fields(&self) -> Vec<ArchiveField> {
        let mut fields: Vec<ArchiveField> = Vec::new();
        for entry in &self.entries {
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

impl Entry {
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
    if cell.is_some_and(|cell| cell.seconds <= 0 || cell.seconds % 3600 != 0) {
        return None;
    }
    let blank = blank_at_start(&record.parameter, &record.level_words);
    let lead = u8::from(blank);
    if cell.is_none() && when.ahead != i64::from(lead) * 3600 {
        return None;
    }
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
