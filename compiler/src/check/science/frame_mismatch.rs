//! # frame-mismatch
//!
//! A wind along the grid stands where one towards the east or north is meant.
//!
//! HRRR and other models on a Lambert grid store the wind along the rows and columns of their grid (`x_wind`,
//! `y_wind`). Away from the central meridian these are turned against east and north: by up to 20 degrees
//! at the edges of HRRR. A network that was trained on `eastward_wind` takes the one for the other without a word,
//! and so does every formula for helicity that mixes both with a storm motion from elsewhere.
//!
//! Wrong:
//!
//! ```aurora
//! variable u10 : eastward_wind on surface(10 m) from "UGRD:10 m above ground"
//! ```
//!
//! Right: declare what is stored, then turn it.
//!
//! ```aurora
//! variable ux10 : x_wind on surface(10 m) from "UGRD:10 m above ground"
//! variable vy10 : y_wind on surface(10 m) from "VGRD:10 m above ground"
//! derive u10 : eastward_wind on surface(10 m) = eastward(ux10, vy10)
//! ```

use aurora_grammar::tree::{Entry, Item, ItemKind, Type};
use aurora_grammar::{Diagnostic, Diagnostics, SourceMap, Span};

use crate::check::{Checker, Variable, bare_name, numbers};
use crate::library;
use crate::resolve::Definition;
use crate::typed::Typed;
use crate::types::Cell;
use crate::units;

/// Along the grid, and what it is taken for: quantity, quantity, and the direction in words.
const FRAMES: [(&str, &str, &str, &str); 2] = [
    ("x_wind", "eastward_wind", "along the rows of the grid", "towards the east"),
    ("y_wind", "northward_wind", "along the columns of the grid", "towards the north"),
];

/// The frames of two quantities, if one is along the grid and the other along the globe.
fn turned(a: &str, b: &str) -> Option<&'static (&'static str, &'static str, &'static str, &'static str)> {
    let of = |quantity: &str, grid: bool| {
        FRAMES.iter().find(|frame| if grid { frame.0 == quantity } else { frame.1 == quantity })
    };
    match (of(a, true), of(b, false), of(b, true), of(a, false)) {
        (Some(grid), Some(_), _, _) | (_, _, Some(grid), Some(_)) => Some(grid),
        _ => None,
    }
}

impl Checker<'_> {
    /// Says so if one side is a wind along the grid and the other along the globe.
    pub(in crate::check) fn frames_differ(
        &mut self,
        left: &Typed,
        right: &Typed,
        whole: Option<Span>,
    ) -> bool {
        let (Some(a), Some(b)) = (left.ty.quantity.as_deref(), right.ty.quantity.as_deref()) else {
            return false;
        };
        if turned(a, b).is_none() {
            return false;
        }
        let along = |quantity: &str| {
            FRAMES.iter().find_map(|(x, east, grid, globe)| {
                (*x == quantity).then_some(*grid).or_else(|| (*east == quantity).then_some(*globe))
            })
        };
        let mut diagnostic =
            Diagnostic::error("frame-mismatch", format!("{a} and {b} are winds in two frames"));
        if let Some(whole) = whole {
            diagnostic = diagnostic.label(whole, "a wind along the grid meets one along the globe");
        }
        for (side, quantity) in [(left, a), (right, b)] {
            let text = format!("{quantity}, {}", along(quantity).unwrap_or_default());
            match self.declared_as(side) {
                Some((declared, span)) if whole.is_some() => {
                    diagnostic = diagnostic
                        .label(span, format!("{declared}, {}", along(quantity).unwrap_or_default()));
                }
                _ => diagnostic = diagnostic.label(side.span, text),
            }
        }
        let grid = [left, right].into_iter().find(|side| {
            side.ty.quantity.as_deref().is_some_and(|q| FRAMES.iter().any(|frame| frame.0 == q))
        });
        let name = grid.and_then(|side| self.name_of(side)).unwrap_or_else(|| "ux".to_string());
        let help = if name.starts_with('v') {
            format!("turn it to the globe first: northward(ux…, {name})")
        } else {
            format!("turn it to the globe first: eastward({name}, vy…)")
        };
        self.diagnostics.push(diagnostic.help(help));
        true
    }

    /// What a recipe declares of a field of the archive, held against the archive's own library.
    pub(in crate::check) fn as_archived(
        &mut self,
        definition: &Definition,
        variable: &Variable,
    ) -> Option<()> {
        let archive = match self.archive_name() {
            // Fields alone belong to no archive.
            None if self.fields_alone => return Some(()),
            archive => archive?,
        };
        let name = format!("std.{archive}");
        if definition.library.as_deref() == Some(name.as_str()) {
            return Some(());
        }
        let known = self.stored(&name, &variable.from);
        // A field may be stored over several periods.
        let periods: Vec<_> = known.iter().map(|stored| self.stored_cell(stored)).collect();
        let fits = periods.iter().position(|cell| *cell == variable.ty.cell).unwrap_or(0);
        let Some(stored) = known.into_iter().nth(fits) else { return Some(()) };
        let ItemKind::Variable { ty: Some(written), from, .. } = &definition.item.kind else {
            return Some(());
        };
        let field = variable.from.split(':').next().unwrap_or(&variable.from).to_string();
        let from = from.as_ref().map_or(definition.name.span, |from| from.span);
        let (own, theirs) = (&written.quantity.text, &stored.ty.quantity.text);
        if own == theirs {
            return self.cell_as_archived(&name, variable, (&stored, &periods), from);
        }
        if let Some((_, _, grid, globe)) = turned(own, theirs) {
            let stored_grid = FRAMES.iter().any(|frame| frame.0 == theirs);
            let (is, declared) = if stored_grid { (grid, globe) } else { (globe, grid) };
            let message = format!("the archive's {field} is {theirs}, not {own}");
            let mut diagnostic = Diagnostic::error("frame-mismatch", message)
                .label(written.quantity.span, format!("declared as blowing {declared}"))
                .label(from, format!("stored as blowing {is}"));
            if let Some(span) = stored.span {
                diagnostic = diagnostic.label(span, format!("{name} has it"));
            }
            self.diagnostics.push(diagnostic.help(turning(&definition.name.text, &stored, &variable.from)));
            return None;
        }
        let (a, b) = (self.unit_of(own).unwrap_or_default(), self.unit_of(theirs).unwrap_or_default());
        let differ = units::parse(&a).ok().map(|unit| unit.dimension)
            != units::parse(&b).ok().map(|unit| unit.dimension);
        let code = if differ { "unit-mismatch" } else { "quantity-mismatch" };
        let mut diagnostic = Diagnostic::error(code, format!("the archive's {field} is {theirs}, not {own}"))
            .label(written.quantity.span, format!("declared as {own}"))
            .label(from, format!("stored as {theirs}"));
        if let Some(span) = stored.span {
            diagnostic = diagnostic.label(span, format!("{name} has it"));
        }
        let help = if (own.as_str(), theirs.as_str()) == ("geopotential", "height") {
            format!(
                "declare what is stored, then derive: derive {} : geopotential = g0 * hgt",
                definition.name.text
            )
        } else {
            format!("declare it as {theirs}, and derive from it what you want")
        };
        self.diagnostics.push(diagnostic.help(help));
        None
    }

    fn cell_as_archived(
        &mut self,
        library: &str,
        variable: &Variable,
        (stored, periods): (&Stored, &[Option<Cell>]),
        from: Span,
    ) -> Option<()> {
        if periods.contains(&variable.ty.cell) {
            return Some(());
        }
        let cell = periods.first().copied().flatten();
        let spoken =
            |cell: Option<Cell>| cell.map_or_else(|| "of the instant".to_string(), |cell| cell.to_string());
        let message = format!(
            "the archive's {} is {}, not {}",
            variable.from.split(':').next().unwrap_or_default(),
            spoken(cell),
            spoken(variable.ty.cell)
        );
        let mut diagnostic = Diagnostic::error("cell-mismatch", message)
            .label(variable.span, format!("declared as {}", spoken(variable.ty.cell)))
            .label(from, format!("stored as {}", spoken(cell)));
        if let Some(span) = stored.span {
            diagnostic = diagnostic.label(span, format!("{library} has it"));
        }
        let mut ways: Vec<String> = periods
            .iter()
            .map(|cell| cell.map_or_else(|| "without a cell".to_string(), |cell| format!("with `, {cell}`")))
            .collect();
        // What is on several sets of levels is there once for each.
        ways.dedup();
        self.diagnostics.push(diagnostic.help(format!("declare it {}", ways.join(" or "))));
        None
    }

    fn stored_cell(&mut self, stored: &Stored) -> Option<Cell> {
        stored.ty.cell.as_ref().and_then(|cell| self.quiet_cell(cell))
    }

    /// The archive that `data` names.
    fn archive_name(&self) -> Option<String> {
        let data = self.resolved.blocks_of("data").next()?;
        data.block.entries.iter().find_map(|entry| match entry {
            Entry::Clause(clause) if clause.word.text == "archive" => {
                Some(bare_name(numbers::single(clause)?)?.text)
            }
            _ => None,
        })
    }

    /// How the archive's library declares the field that is stored under `from`: once, or for each of its periods.
    fn stored(&mut self, library: &str, from: &str) -> Vec<Stored> {
        let definitions = self.resolved.definitions.values();
        let mut own = definitions.filter(|d| d.library.as_deref() == Some(library)).peekable();
        if own.peek().is_some() {
            return own.filter_map(|definition| stored_as(&definition.item, from, true)).collect();
        }
        // The recipe does not use it; what it says holds all the same.
        if self.catalogue.as_ref().is_none_or(|(name, _)| name != library) {
            let mut sources = SourceMap::new();
            let items = library::text(library).map_or_else(Vec::new, |text| {
                let file = sources.add(library, text);
                aurora_grammar::parse(file, &sources, &mut Diagnostics::new()).items
            });
            self.catalogue = Some((library.to_string(), items));
        }
        let items = self.catalogue.iter().flat_map(|(_, items)| items);
        items.filter_map(|item| stored_as(item, from, false)).collect()
    }
}

/// What a library says of a field.
struct Stored {
    name: String,
    ty: Type,
    /// Where it says so, if the recipe uses the library.
    span: Option<Span>,
}

fn stored_as(item: &Item, wanted: &str, visible: bool) -> Option<Stored> {
    let ItemKind::Variable { name, ty: Some(ty), from: Some(from), .. } = &item.kind else { return None };
    (from.text == wanted).then(|| Stored {
        name: name.text.clone(),
        ty: ty.clone(),
        span: visible.then_some(ty.quantity.span),
    })
}

/// The two lines that declare what is stored and turn it.
fn turning(name: &str, stored: &Stored, from: &str) -> String {
    let support = stored
        .ty
        .support
        .as_ref()
        .map_or_else(String::new, |support| format!(" on {}", support_text(support)));
    let own = &stored.name;
    let (first, second, function) = match stored.ty.quantity.text.as_str() {
        "x_wind" => (own.clone(), partner(own, 'v', 'y'), "eastward"),
        "y_wind" => (partner(own, 'u', 'x'), own.clone(), "northward"),
        _ => {
            return format!(
                "declare what is stored:\n  variable {name} : {}{support} from \"{from}\"",
                stored.ty.quantity.text
            );
        }
    };
    format!(
        "declare what is stored, then turn it:\n  variable {own} : {}{support}  from \"{from}\"\n  derive   {name} = {function}({first}, {second})",
        stored.ty.quantity.text
    )
}

/// `vy10` of `ux10`: the other component, as libraries name them.
fn partner(name: &str, wind: char, axis: char) -> String {
    let mut letters = name.chars();
    match (letters.next(), letters.next()) {
        (Some('u' | 'v'), Some('x' | 'y')) => format!("{wind}{axis}{}", letters.as_str()),
        (Some('u' | 'v'), Some(second)) => format!("{wind}{second}{}", letters.as_str()),
        _ => format!("{wind}{axis}"),
    }
}

fn support_text(support: &aurora_grammar::tree::Support) -> String {
    match &support.argument {
        Some(argument) => format!("{}({})", support.name.text, argument),
        None => support.name.text.clone(),
    }
}
