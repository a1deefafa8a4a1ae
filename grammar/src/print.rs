//! The canonical text of a tree: reading it again gives the same tree.
//!
//! That holds for trees that [`parse`](crate::parse()) made. A tree put together by hand must keep to what
//! the grammar can say: `Negate` is never right around a `Measure` (the number itself is negative),
//! a chain's value is never an `At`, `Over` or `As` (those are joints there), texts hold no quotes.

use std::fmt::{self, Display, Formatter};

use crate::tree::*;

/// The canonical text of a file.
pub fn print(file: &File) -> String {
    file.to_string()
}

/// The column, after the indent, that a clause's values begin in.
const VALUES: usize = 12;

impl Display for File {
    fn fmt(&self, out: &mut Formatter<'_>) -> fmt::Result {
        if let Some(edition) = &self.edition {
            writeln!(out, "aurora {}", edition.text)?;
        }
        if let Some(header) = &self.header {
            writeln!(out, "{header}")?;
        }
        let mut before: Option<&Item> = None;
        for item in &self.items {
            if before
                .is_none_or(|before| stands_apart(before) || stands_apart(item) || word(before) != word(item))
            {
                writeln!(out)?;
            }
            writeln!(out, "{item}")?;
            before = Some(item);
        }
        Ok(())
    }
}

fn stands_apart(item: &Item) -> bool {
    match &item.kind {
        ItemKind::Amend(_) | ItemKind::Block(_) => true,
        ItemKind::Levels { block, .. } | ItemKind::Variable { block, .. } => block.is_some(),
        ItemKind::Derive { bindings, block, .. } => !bindings.is_empty() || block.is_some(),
        ItemKind::Constraint { bindings, .. } | ItemKind::Loss { bindings, .. } => !bindings.is_empty(),
        _ => false,
    }
}

fn word(item: &Item) -> &str {
    match &item.kind {
        ItemKind::Use { .. } => "use",
        ItemKind::Amend(_) => "amend",
        ItemKind::Drop { .. } => "drop",
        ItemKind::Grid { .. } => "grid",
        ItemKind::Levels { .. } => "levels",
        ItemKind::Quantity { .. } => "quantity",
        ItemKind::Variable { .. } => "variable",
        ItemKind::Derive { .. } => "derive",
        ItemKind::Constraint { .. } => "constraint",
        ItemKind::Loss { .. } => "loss",
        ItemKind::Block(block) => &block.kind.text,
    }
}

impl Display for Header {
    fn fmt(&self, out: &mut Formatter<'_>) -> fmt::Result {
        let kind = match self.kind {
            HeaderKind::Recipe => "recipe",
            HeaderKind::Library => "library",
        };
        write!(out, "{kind} {}", self.name.text)?;
        title(out, &self.title)?;
        match &self.extends {
            Some(parent) => write!(out, "\n  extends \"{}\"", parent.text),
            None => Ok(()),
        }
    }
}

fn title(out: &mut Formatter<'_>, title: &Option<Name>) -> fmt::Result {
    title.as_ref().map_or(Ok(()), |title| write!(out, " \"{}\"", title.text))
}

// ---- items -----------------------------------------------------------------

impl Display for Item {
    fn fmt(&self, out: &mut Formatter<'_>) -> fmt::Result {
        item(out, self, 0)
    }
}

fn item(out: &mut Formatter<'_>, shown: &Item, indent: usize) -> fmt::Result {
    match &shown.kind {
        ItemKind::Use { path, names, by_default } => {
            write!(out, "use {}", path.text)?;
            if !names.is_empty() {
                write!(out, " ({})", joined(names))?;
            }
            if *by_default { write!(out, " by default") } else { Ok(()) }
        }
        ItemKind::Amend(inner) => {
            write!(out, "amend ")?;
            item(out, inner, indent)
        }
        ItemKind::Drop { kind, name } => write!(out, "drop {} {}", kind.text, name.text),
        ItemKind::Grid { name, value, title: t } => {
            write!(out, "grid {} = {value}", name.text)?;
            title(out, t)
        }
        ItemKind::Levels { name, coordinate, value, title: t, block: body } => {
            write!(out, "levels {} : {} = {value}", name.text, coordinate.text)?;
            title(out, t)?;
            optional_block(out, body, indent)
        }
        ItemKind::Quantity { name, unit, title: t } => {
            write!(out, "quantity {} = {}", name.text, unit.text)?;
            title(out, t)
        }
        ItemKind::Variable { name, ty, from, title: t, block: body } => {
            write!(out, "variable {}", name.text)?;
            typed(out, ty)?;
            if let Some(from) = from {
                write!(out, " from \"{}\"", from.text)?;
            }
            title(out, t)?;
            optional_block(out, body, indent)
        }
        _ => formula(out, shown, indent),
    }
}

fn formula(out: &mut Formatter<'_>, shown: &Item, indent: usize) -> fmt::Result {
    match &shown.kind {
        ItemKind::Derive { name, parameters, ty, value, title: t, bindings, block: body } => {
            write!(out, "derive {}", name.text)?;
            if !parameters.is_empty() {
                let all: Vec<_> = parameters.iter().map(|p| format!("{} : {}", p.name.text, p.ty)).collect();
                write!(out, "({})", all.join(", "))?;
            }
            typed(out, ty)?;
            write!(out, " = {value}")?;
            title(out, t)?;
            explained(out, bindings, indent)?;
            optional_block(out, body, indent)
        }
        ItemKind::Constraint { name, relation, mode, title: t, bindings } => {
            write!(out, "constraint {} : {relation}", name.text)?;
            match mode {
                ConstraintMode::Watched => {}
                ConstraintMode::Within(tolerance) => write!(out, " within {}", At(tolerance, Level::Sum))?,
                ConstraintMode::Always(_) => write!(out, " always")?,
            }
            title(out, t)?;
            explained(out, bindings, indent)
        }
        ItemKind::Loss { name, value, title: t, bindings } => {
            write!(out, "loss {} = {value}", name.text)?;
            title(out, t)?;
            explained(out, bindings, indent)
        }
        ItemKind::Block(shown) => {
            write!(out, "{}", shown.kind.text)?;
            if let Some(name) = &shown.name {
                write!(out, " {}", name.text)?;
            }
            if let Some(on) = &shown.on {
                write!(out, " on {}", on.text)?;
            }
            title(out, &shown.title)?;
            block(out, &shown.block, indent)
        }
        _ => Ok(()),
    }
}

fn joined(names: &[Name]) -> String {
    names.iter().map(|name| name.text.as_str()).collect::<Vec<_>>().join(", ")
}

fn typed(out: &mut Formatter<'_>, ty: &Option<Type>) -> fmt::Result {
    ty.as_ref().map_or(Ok(()), |ty| write!(out, " : {ty}"))
}

fn explained(out: &mut Formatter<'_>, bindings: &[Binding], indent: usize) -> fmt::Result {
    if bindings.is_empty() {
        return Ok(());
    }
    write!(out, "\n{:1$}  where {{", "", indent)?;
    for binding in bindings {
        write!(out, "\n{:2$}    {} = {3}", "", binding.name.text, indent, binding.value)?;
    }
    write!(out, "\n{:1$}  }}", "", indent)
}

fn optional_block(out: &mut Formatter<'_>, body: &Option<Block>, indent: usize) -> fmt::Result {
    body.as_ref().map_or(Ok(()), |body| block(out, body, indent))
}

fn block(out: &mut Formatter<'_>, body: &Block, indent: usize) -> fmt::Result {
    if body.entries.is_empty() {
        return write!(out, " {{ }}");
    }
    write!(out, " {{")?;
    for entry in &body.entries {
        write!(out, "\n{:1$}    ", "", indent)?;
        match entry {
            Entry::Clause(clause) => write!(out, "{clause}")?,
            Entry::Item(inner) => item(out, inner, indent + 4)?,
        }
    }
    write!(out, "\n{:1$}}}", "", indent)
}

// ---- types -----------------------------------------------------------------

impl Display for Type {
    fn fmt(&self, out: &mut Formatter<'_>) -> fmt::Result {
        write!(out, "{}", self.quantity.text)?;
        match &self.bound {
            Some(Bound::Compare { comparison, value }) => {
                write!(out, " {comparison} {}", At(value, Level::Sum))?
            }
            Some(Bound::In(range)) => write!(out, " in {range}")?,
            None => {}
        }
        if let Some(support) = &self.support {
            write!(out, " on {}", support.name.text)?;
            if let Some(argument) = &support.argument {
                write!(out, "({argument})")?;
            }
        }
        match &self.cell {
            Some(cell) => write!(out, ", {} over {}", cell.method.text, At(&cell.over, Level::Extent)),
            None => Ok(()),
        }
    }
}

impl Display for Comparison {
    fn fmt(&self, out: &mut Formatter<'_>) -> fmt::Result {
        out.write_str(match self {
            Comparison::LessEqual => "<=",
            Comparison::GreaterEqual => ">=",
            Comparison::Equal => "=",
            Comparison::Less => "<",
            Comparison::Greater => ">",
        })
    }
}

impl Display for Operator {
    fn fmt(&self, out: &mut Formatter<'_>) -> fmt::Result {
        out.write_str(match self {
            Operator::Add => "+",
            Operator::Subtract => "-",
            Operator::Multiply => "*",
            Operator::Divide => "/",
        })
    }
}

// ---- clauses ---------------------------------------------------------------

impl Display for Clause {
    fn fmt(&self, out: &mut Formatter<'_>) -> fmt::Result {
        let values: Vec<_> = self.values.iter().map(Chain::to_string).collect();
        write!(out, "{:<1$}{2}", format!("{} ", self.word.text), VALUES, values.join(", "))
    }
}

impl Display for Chain {
    fn fmt(&self, out: &mut Formatter<'_>) -> fmt::Result {
        let mut texts: Vec<String> = (0..self.parts.len()).map(|index| part(&self.parts, index)).collect();
        for index in (1..texts.len()).rev() {
            let [Part::Value(left), Part::Value(_)] = &self.parts[index - 1..=index] else { continue };
            // `a -b` would be a difference, `a (b)` a call, and `5 km` one number.
            let mut characters = texts[index].chars();
            let first = characters.next();
            if first == Some('-') && !characters.next().is_some_and(|next| next.is_ascii_digit()) {
                texts[index] = format!("({})", texts[index]);
            }
            let letter = first.is_some_and(|first| first.is_ascii_alphabetic() || "%°µμ".contains(first));
            let swallows = letter && ends_bare(left);
            if texts[index].starts_with('(') || swallows {
                texts[index - 1] = format!("({})", texts[index - 1]);
            }
        }
        out.write_str(&texts.join(" "))
    }
}

fn part(parts: &[Part], index: usize) -> String {
    let is_place = |index: Option<&Part>| matches!(index, Some(Part::Joint(word)) if word.text == "at" || word.text == "over");
    match &parts[index] {
        Part::Joint(word) => word.text.clone(),
        Part::Value(value) if is_place(parts.get(index + 1)) => At(value, Level::Primary).to_string(),
        Part::Value(value) if index > 0 && is_place(parts.get(index - 1)) => {
            At(value, Level::Extent).to_string()
        }
        Part::Value(value) => value.to_string(),
    }
}

/// Whether the text of an expression may end in a number or list that would take the next word for
/// its unit.
fn ends_bare(value: &Expr) -> bool {
    match &value.kind {
        ExprKind::Measure { unit, .. } | ExprKind::List { unit, .. } => unit.is_none(),
        ExprKind::Range { end, .. } => ends_bare(end),
        ExprKind::Relation { right, .. } | ExprKind::Binary { right, .. } => ends_bare(right),
        ExprKind::Negate(inner) => ends_bare(inner),
        ExprKind::At { place, .. } => ends_bare(place),
        ExprKind::Over { extent, .. } => ends_bare(extent),
        ExprKind::As { quantity, .. } => ends_bare(quantity),
        _ => false,
    }
}

// ---- expressions -----------------------------------------------------------

/// What may stand at a place without brackets, loosest first.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
enum Level {
    /// Ranges and relations.
    Any,
    Sum,
    Product,
    /// Also powers and negative numbers.
    Factor,
    /// `a`, `-a`, `a .. b`, as they stand behind `at` and `over`.
    Extent,
    Signed,
    /// `a at b`.
    Postfix,
    Primary,
}

impl Display for Expr {
    fn fmt(&self, out: &mut Formatter<'_>) -> fmt::Result {
        At(self, Level::Any).fmt(out)
    }
}

/// An expression where only a certain level may stand bare.
struct At<'a>(&'a Expr, Level);

impl Display for At<'_> {
    fn fmt(&self, out: &mut Formatter<'_>) -> fmt::Result {
        let At(shown, level) = self;
        if stands_bare(shown, *level) {
            return bare(out, shown, *level);
        }
        write!(out, "(")?;
        bare(out, shown, Level::Any)?;
        write!(out, ")")
    }
}

fn stands_bare(shown: &Expr, level: Level) -> bool {
    let is = |levels: &[Level]| levels.contains(&level);
    match &shown.kind {
        ExprKind::Range { .. } => is(&[Level::Any, Level::Extent]),
        ExprKind::Relation { .. } => level == Level::Any,
        ExprKind::Binary { operator: Operator::Add | Operator::Subtract, .. } => level <= Level::Sum,
        ExprKind::Binary { .. } => level <= Level::Product,
        ExprKind::Power { .. } => level <= Level::Factor,
        ExprKind::Negate(inner) if is(&[Level::Extent, Level::Signed]) => stands_bare(inner, Level::Primary),
        ExprKind::Negate(_) => level <= Level::Factor,
        ExprKind::Measure { value, .. } if value.is_sign_negative() => level <= Level::Signed,
        ExprKind::At { .. } | ExprKind::Over { .. } | ExprKind::As { .. } => {
            level <= Level::Factor || level == Level::Postfix
        }
        _ => true,
    }
}

fn bare(out: &mut Formatter<'_>, shown: &Expr, level: Level) -> fmt::Result {
    match &shown.kind {
        ExprKind::Measure { value, unit } => {
            number(out, *value)?;
            with_unit(out, unit)
        }
        ExprKind::Date(text) | ExprKind::Path(text) => out.write_str(text),
        ExprKind::Text(text) => write!(out, "\"{text}\""),
        ExprKind::Call { function, inputs } => call(out, function, inputs),
        ExprKind::List { items, unit } => {
            let items: Vec<_> = items.iter().map(Expr::to_string).collect();
            write!(out, "[{}]", items.join(", "))?;
            with_unit(out, unit)
        }
        ExprKind::Range { start, end, towards } => {
            let dots = if *towards { "->" } else { ".." };
            let ends = if level == Level::Extent { Level::Signed } else { Level::Sum };
            // Bare, `x at a .. b` would be x at the range.
            let first = if ends_in_place(start) { Level::Primary } else { ends };
            write!(out, "{} {dots} {}", At(start, first), At(end, ends))
        }
        ExprKind::Relation { left, comparison, right } => {
            write!(out, "{} {comparison} {}", At(left, Level::Sum), At(right, Level::Sum))
        }
        ExprKind::Negate(inner) => {
            let tower = matches!(inner.kind, ExprKind::Power { .. });
            write!(out, "-{}", At(inner, if tower { Level::Factor } else { Level::Postfix }))
        }
        ExprKind::Binary { operator, left, right } => {
            let (first, second) = match operator {
                Operator::Add | Operator::Subtract => (Level::Sum, Level::Product),
                Operator::Multiply | Operator::Divide => (Level::Product, Level::Factor),
            };
            write!(out, "{} {operator} {}", At(left, first), At(right, second))
        }
        ExprKind::Power { base, exponent } => power(out, base, *exponent),
        ExprKind::At { value, place } => {
            write!(out, "{} at {}", At(value, Level::Postfix), At(place, Level::Extent))
        }
        ExprKind::Over { value, extent } => {
            write!(out, "{} over {}", At(value, Level::Postfix), At(extent, Level::Extent))
        }
        ExprKind::As { value, quantity } => {
            write!(out, "{} as {}", At(value, Level::Postfix), At(quantity, Level::Extent))
        }
        ExprKind::Scan { levels, direction, from, states, bindings, steps } => {
            write!(out, "scan {} {}", levels.text, direction.text)?;
            if let Some(from) = from {
                write!(out, " from {}", At(from, Level::Sum))?;
            }
            walk(out, states, bindings, steps)
        }
        ExprKind::Iterate { count, states, bindings, steps } => {
            write!(out, "iterate {}", At(count, Level::Sum))?;
            walk(out, states, bindings, steps)
        }
    }
}

/// The block of a `scan` or `iterate`, on one line.
fn walk(out: &mut Formatter<'_>, states: &[Binding], bindings: &[Binding], steps: &[Binding]) -> fmt::Result {
    let line = |word: &'static str| move |b: &Binding| format!("{word}{} = {}", b.name.text, b.value);
    let starts = states.iter().map(line("start "));
    let lines: Vec<_> =
        starts.chain(bindings.iter().map(line(""))).chain(steps.iter().map(line("step "))).collect();
    write!(out, " {{ {} }}", lines.join("; "))
}

fn call(out: &mut Formatter<'_>, function: &Name, inputs: &[Input]) -> fmt::Result {
    write!(out, "{}(", function.text)?;
    for (index, input) in inputs.iter().enumerate() {
        if index > 0 {
            write!(out, ", ")?;
        }
        let level = match (&input.label, &input.value.kind) {
            // Bare, `a = b` would be b for the input a.
            (None, ExprKind::Relation { comparison: Comparison::Equal, .. }) => Level::Primary,
            _ => Level::Any,
        };
        match &input.label {
            Some(label) if label.text == "in" => write!(out, "in ")?,
            Some(label) => write!(out, "{} = ", label.text)?,
            None => {}
        }
        write!(out, "{}", At(&input.value, level))?;
    }
    write!(out, ")")
}

/// Powers of measures are bracketed: bare, `(5 m) ^ 2` would look like `5 m^2`.
fn power(out: &mut Formatter<'_>, base: &Expr, exponent: f64) -> fmt::Result {
    let measured =
        matches!(&base.kind, ExprKind::Measure { unit: Some(_), .. } | ExprKind::List { unit: Some(_), .. });
    if measured && stands_bare(base, Level::Primary) {
        write!(out, "({base})")?;
    } else {
        write!(out, "{}", At(base, Level::Primary))?;
    }
    write!(out, " ^ ")?;
    number(out, exponent)
}

/// Whether the text of an expression may end in a place, `… at p` or `… over e`.
fn ends_in_place(shown: &Expr) -> bool {
    match &shown.kind {
        ExprKind::At { .. } | ExprKind::Over { .. } | ExprKind::As { .. } => true,
        ExprKind::Binary { right, .. } => ends_in_place(right),
        ExprKind::Negate(inner) => ends_in_place(inner),
        _ => false,
    }
}

fn with_unit(out: &mut Formatter<'_>, unit: &Option<Name>) -> fmt::Result {
    unit.as_ref().map_or(Ok(()), |unit| write!(out, " {}", unit.text))
}

/// The shortest digits that give the same number back; powers of ten only where zeros would crowd.
fn number(out: &mut Formatter<'_>, value: f64) -> fmt::Result {
    let size = value.abs();
    if size == 0.0 || (1e-3..1e15).contains(&size) {
        write!(out, "{value}")
    } else {
        write!(out, "{value:e}")
    }
}
