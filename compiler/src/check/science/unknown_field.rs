//! # unknown-field
//!
//! The archive has no field of the name that stands in `from "…"`, or has it otherwise than declared.
//!
//! Names in archives are long and near each other: `CAPE:surface`, `CAPE:255-0 mb above ground`,
//! `HLCY:3000-0 m above ground`. A wrong one would be missed only when the data are prepared, hours later.
//! Where the archive lists its fields, they are compared before.
//!
//! Wrong:
//!
//! ```aurora
//! variable srh3 : helicity on column(0 .. 3 km) from "HLCY:0-3000 m above ground"
//! ```
//!
//! Right:
//!
//! ```aurora
//! variable srh3 : helicity on column(0 .. 3 km) from "HLCY:3000-0 m above ground"
//! ```

use aurora_grammar::tree::ItemKind;
use aurora_grammar::{Diagnostic, Span, nearest};

use crate::check::{Checker, Variable};
use crate::lower::input_name;
use crate::site::{ArchiveField, Site};
use crate::types::Support;
use crate::units;

/// Of what an archive leaves out, so much is told.
const MOST_NOTES: usize = 4;

impl Checker<'_> {
    /// The archive lists the field, in units and on levels that fit; archives that list nothing are trusted.
    pub(in crate::check) fn field_exists(
        &mut self,
        variable: &Variable,
        archive: &str,
        asked: Span,
        site: &dyn Site,
    ) -> Option<()> {
        let Some(index) = site.archive(archive).filter(|index| !index.fields.is_empty()) else {
            return Some(());
        };
        let definition = self.resolved.definitions.get(&variable.id);
        let (span, quoted) = match definition.map(|definition| &definition.item.kind) {
            Some(ItemKind::Variable { from: Some(from), .. }) => (from.span, true),
            _ => (asked, false),
        };
        let Some(field) = index.fields.iter().find(|field| field.from == variable.from) else {
            let message = format!("the archive `{archive}` has no field \"{}\"", variable.from);
            let mut diagnostic = Diagnostic::error("unknown-field", message).label(span, "not found");
            if asked != variable.span {
                diagnostic = diagnostic.label(asked, "asked for here");
            }
            let names: Vec<&str> = index.fields.iter().map(|field| field.from.as_str()).collect();
            let near = nearest_field(&variable.from, &names);
            let mut help = match near {
                Some(near) => format!("did you mean \"{near}\"?"),
                None => format!("it has {}", some(&names)),
            };
            for note in index.left_out.iter().take(MOST_NOTES) {
                help.push_str(&format!("\n{note}"));
            }
            diagnostic = diagnostic.help(help);
            if let Some(near) = near.filter(|_| quoted) {
                diagnostic = diagnostic.fix(span, format!("\"{near}\""));
            }
            self.diagnostics.push(diagnostic);
            return None;
        };
        self.same_units(variable, field, archive, span)?;
        self.has_levels(variable, field, archive, span)
    }

    fn same_units(
        &mut self,
        variable: &Variable,
        field: &ArchiveField,
        archive: &str,
        span: Span,
    ) -> Option<()> {
        let Ok(unit) = units::parse(&field.units) else { return Some(()) };
        if unit.dimension == variable.ty.dimension {
            return Some(());
        }
        let message = format!(
            "the archive `{archive}` keeps \"{}\" in {}, which is no unit of {}",
            field.from,
            field.units,
            variable.ty.spoken()
        );
        let help = format!("declare the quantity that it is, one measured in {}", field.units);
        self.diagnostics.push(
            Diagnostic::error("unit-mismatch", message)
                .label(span, format!("in {}", field.units))
                .label(variable.span, format!("declared as {}", variable.ty.spoken()))
                .help(help),
        );
        None
    }

    fn has_levels(
        &mut self,
        variable: &Variable,
        field: &ArchiveField,
        archive: &str,
        span: Span,
    ) -> Option<()> {
        let name = input_name(&variable.id).to_string();
        let wanted = match &variable.ty.support {
            Support::Levels(set) => self.checked.levels.get(set).cloned(),
            _ => None,
        };
        match (&wanted, &field.levels) {
            (Some(_), None) => {
                let message = format!("`{name}` is declared on levels, but \"{}\" has none", field.from);
                let help = "declare it `on surface`, `on column` or `on static`";
                self.error_with_help(
                    "level-mismatch",
                    message,
                    (span, &format!("one value in `{archive}`")),
                    help,
                );
                None
            }
            (None, Some(_)) => {
                let message = format!("`{name}` has one value per column, but \"{}\" has levels", field.from);
                let help = "declare it on a set of levels, and choose one of them with `at`";
                self.error_with_help(
                    "level-mismatch",
                    message,
                    (span, &format!("on levels in `{archive}`")),
                    help,
                );
                None
            }
            (Some(levels), Some(have)) if levels.coordinate == "pressure" => {
                let (low, high) =
                    have.iter().fold((f64::INFINITY, 0.0f64), |(a, b), p| (a.min(*p), b.max(*p)));
                let beyond = |p: &&f64| **p < low - 1e-6 || **p > high + 1e-6;
                let Some(outside) = levels.values.iter().find(beyond) else { return Some(()) };
                let message = format!(
                    "`{archive}` has \"{}\" between {} and {} hPa",
                    field.from,
                    low / 100.0,
                    high / 100.0
                );
                // A set that is too wide is one mistake, however many fields stand on it.
                if let Support::Levels(set) = &variable.ty.support
                    && !self.failed.insert(format!("levels of {set}"))
                {
                    return None;
                }
                let help = "take this level out of the set, or read the field from another archive";
                let label = format!("{} hPa is asked for", outside / 100.0);
                self.error_with_help("outside-levels", message, (span, &label), help);
                None
            }
            _ => Some(()),
        }
    }
}

/// The name that shares most with a wrong one: by letters, else by the word before the colon.
fn nearest_field<'a>(wrong: &str, names: &[&'a str]) -> Option<&'a str> {
    let head = |name: &str| name.split(':').next().unwrap_or(name).to_string();
    let same: Vec<&'a str> = names.iter().copied().filter(|name| head(name) == head(wrong)).collect();
    nearest(wrong, names.iter().copied()).or(match same[..] {
        [one] => Some(one),
        _ => None,
    })
}

fn some(names: &[&str]) -> String {
    const SHOWN: usize = 12;
    let more = if names.len() > SHOWN { ", …" } else { "" };
    format!("{}{more}", names[..names.len().min(SHOWN)].join(", "))
}
