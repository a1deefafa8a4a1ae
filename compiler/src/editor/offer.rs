//! The things that may stand at a place, by kind.

use std::collections::BTreeSet;

use aurora_grammar::tree::{ItemKind, Name};
use aurora_grammar::{Diagnostics, SourceMap, parse};

use super::Analysis;
use super::complete::{Completion, Kind};
use super::context::{Context, words};
use super::describe::describe_word;
use crate::library;
use crate::resolve::{Definition, RECIPE, defined_name};
use crate::vocabulary::{self, Word, values};

/// What has been found to offer so far.
pub struct Offers<'a> {
    pub(super) analysis: &'a Analysis,
    pub(super) context: &'a Context<'a>,
    pub(super) found: Vec<Completion>,
}

impl<'a> Offers<'a> {
    pub fn new(analysis: &'a Analysis, context: &'a Context<'a>) -> Self {
        Offers { analysis, context, found: Vec::new() }
    }

    /// All that was offered, each label once.
    pub fn finish(self) -> Vec<Completion> {
        let mut seen = BTreeSet::new();
        self.found.into_iter().filter(|offer| seen.insert(offer.label.clone())).collect()
    }

    pub(super) fn push(&mut self, label: &str, kind: Kind, detail: &str, documentation: String) {
        let prefix = self.context.prefix;
        self.found.push(Completion {
            label: label.to_string(),
            kind,
            detail: detail.to_string(),
            documentation,
            insert: label.to_string(),
            replace: prefix.start as usize..prefix.end as usize,
        });
    }

    fn table(&mut self, table: &'static [Word], kind: Kind) {
        for word in table {
            self.push(word.word, kind, word.says, describe_word(None, word));
        }
    }

    /// Little words and words of one clause.
    pub fn words(&mut self, words: &[&str]) {
        for word in words {
            self.push(word, Kind::Value, "", String::new());
        }
    }

    // ---- lines -------------------------------------------------------------

    pub fn items(&mut self) {
        let titled = self.analysis.tree.header.is_some();
        let titles = ["recipe", "library"];
        for item in vocabulary::ITEMS.iter().filter(|item| !(titled && titles.contains(&item.word))) {
            self.push(item.word, Kind::Item, item.says, describe_word(None, item));
        }
        let doubled = ["variable", "levels", "member"];
        for block in vocabulary::BLOCKS.iter().filter(|block| !doubled.contains(&block.word)) {
            self.push(block.word, Kind::Item, block.says, block.says.to_string());
        }
    }

    /// The clauses of a block that are not written yet, and those that may be repeated.
    pub fn clauses(&mut self, kind: &str) {
        let written = self.written();
        let Some(block) = vocabulary::block(kind) else { return };
        let fresh = |w: &&Word| crate::check::REPEATED.contains(&w.word) || !written.contains(w.word);
        for clause in block.clauses.iter().filter(fresh) {
            self.push(clause.word, Kind::Clause, clause.says, describe_word(Some(kind), clause));
        }
        match kind {
            "ensemble" => self.words(&["member"]),
            "member" => self.words(&["amend", "drop"]),
            _ => {}
        }
    }

    /// The first words of the other lines of the innermost block.
    fn written(&self) -> BTreeSet<&'a str> {
        let text = self.analysis.text();
        let Some(block) = self.context.blocks.last() else { return BTreeSet::new() };
        let body = text.get(block.start..).unwrap_or_default();
        let cursor = (self.context.prefix.start as usize).saturating_sub(block.start);
        let mut depth = 1_usize;
        let mut found = BTreeSet::new();
        let mut at = 0;
        for line in body.split_inclusive('\n') {
            let here = at + (line.len() - line.trim_start().len());
            let code = line.split('#').next().unwrap_or_default();
            if depth == 1 && here != cursor {
                found.extend(words(code).next());
            }
            depth = depth.saturating_add(code.matches('{').count()).saturating_sub(code.matches('}').count());
            if depth == 0 {
                break;
            }
            at += line.len();
        }
        found
    }

    /// After `amend` or `drop`: what there is to change.
    pub fn inherited(&mut self, line: &str) {
        let kind = words(line).nth(1);
        let items = self.analysis.resolved.items.iter().filter_map(|item| match &item.kind {
            ItemKind::Block(block) => Some((block.kind.text.as_str(), block.name.as_ref())),
            ItemKind::Variable { name, .. } => Some(("variable", Some(name))),
            ItemKind::Derive { name, .. } => Some(("derive", Some(name))),
            ItemKind::Constraint { name, .. } => Some(("constraint", Some(name))),
            ItemKind::Loss { name, .. } => Some(("loss", Some(name))),
            ItemKind::Levels { name, .. } => Some(("levels", Some(name))),
            ItemKind::Grid { name, .. } => Some(("grid", Some(name))),
            _ => None,
        });
        for (word, name) in items {
            let name = name.map_or("", |name| name.text.as_str());
            match kind {
                Some(kind) if kind == word && !name.is_empty() => {
                    self.push(name, Kind::Block, word, String::new())
                }
                Some(_) => {}
                None => {
                    self.push(format!("{word} {name}").trim_end(), Kind::Block, "inherited", String::new())
                }
            }
        }
    }

    /// After `use`: libraries; between its brackets: their names.
    pub fn library(&mut self, line: &str) {
        let Some((path, listed)) = line.split_once('(') else {
            for (name, text) in library::LIBRARIES {
                let title = text.lines().find(|line| line.starts_with("library")).unwrap_or_default();
                self.push(name, Kind::Library, title.split('"').nth(1).unwrap_or_default(), String::new());
            }
            return;
        };
        let listed: BTreeSet<&str> = words(listed).collect();
        let Some(text) = words(path).nth(1).and_then(library::text) else { return };
        let mut sources = SourceMap::new();
        let file = sources.add("library", text);
        for item in parse(file, &sources, &mut Diagnostics::new()).items {
            let quantity = matches!(item.kind, ItemKind::Quantity { .. });
            let Some(name) = defined_name(&item).filter(|name| !quantity && !listed.contains(&name.text[..]))
            else {
                continue;
            };
            let line = sources.slice(item.span).trim();
            self.push(&name.text, kind_of(&item.kind), &one_line(line), format!("```aurora\n{line}\n```"));
        }
    }

    // ---- types -------------------------------------------------------------

    pub fn quantities(&mut self) {
        for definition in self.analysis.resolved.quantities.values() {
            let ItemKind::Quantity { unit, title, .. } = &definition.item.kind else { continue };
            let title = title.as_ref().map_or(String::new(), |title| format!(" — {}", title.text));
            self.push(&definition.name.text, Kind::Quantity, &format!("{}{title}", unit.text), String::new());
        }
    }

    /// `NAME : QUANTITY BOUND on SUPPORT, CELL from "…"`, as far as it is written.
    pub fn written_type(&mut self, line: &str) {
        let Some((_, ty)) = line.rsplit_once(':') else { return };
        let mut written = words(ty);
        match written.next_back() {
            None if ty.trim().is_empty() => self.quantities(),
            Some("on") => {
                self.table(values::SUPPORTS, Kind::Value);
                self.level_sets();
            }
            Some("over" | "from" | "in") | None => {}
            Some(_) if ty.contains(" on ") && ty.trim_end().ends_with(',') => {
                self.words(&["max", "min", "mean", "sum"]);
            }
            Some(_) if ty.contains(" on ") => self.words(&["from", "over"]),
            Some(_) => self.words(&["on", "in"]),
        }
    }

    // ---- names -------------------------------------------------------------

    fn visible(&self) -> Vec<&'a Definition> {
        let resolved = &self.analysis.resolved;
        let names: BTreeSet<&str> = resolved.visible(RECIPE).collect();
        names.into_iter().filter_map(|name| resolved.lookup(RECIPE, name)).collect()
    }

    fn definition(&mut self, definition: &Definition) {
        let line = self.analysis.sources.slice(definition.item.span).trim();
        let documentation = format!("```aurora\n{line}\n```");
        let kind = kind_of(&definition.item.kind);
        self.push(&definition.name.text, kind, &one_line(written_type(definition, line)), documentation);
    }

    fn those(&mut self, is: impl Fn(&Definition) -> bool) {
        // A name that stands on this line already is not wanted twice in a list.
        let list = !self.context.blocks.is_empty() && self.context.calls.is_empty();
        let written: BTreeSet<&str> = words(self.context.line).collect();
        for definition in self.visible() {
            if is(definition) && !(list && written.contains(definition.name.text.as_str())) {
                self.definition(definition);
            }
        }
    }

    /// Variables and derived fields; only those that are static, or only those that are not.
    pub fn fields(&mut self, is_static: Option<bool>) {
        self.those(|definition| {
            let (ty, is_variable) = match &definition.item.kind {
                ItemKind::Variable { ty, .. } => (ty, true),
                ItemKind::Derive { ty, parameters, .. } if parameters.is_empty() => (ty, false),
                _ => return false,
            };
            let support = ty.as_ref().and_then(|ty| ty.support.as_ref()).map(|s| s.name.text.as_str());
            match is_static {
                None => true,
                Some(_) if support.is_none() => is_variable,
                Some(is_static) => is_static == (support == Some("static")),
            }
        });
    }

    pub fn level_sets(&mut self) {
        self.those(|d| matches!(d.item.kind, ItemKind::Levels { .. }));
    }

    pub fn grids(&mut self) {
        self.those(|d| matches!(d.item.kind, ItemKind::Grid { .. }));
    }

    pub fn minimisable(&mut self) {
        self.those(|d| matches!(d.item.kind, ItemKind::Loss { .. } | ItemKind::Constraint { .. }));
    }

    /// Whatever may stand in an expression.
    pub fn expression(&mut self) {
        if self.inputs(false) {
            return;
        }
        for name in self.locals() {
            self.push(&name, Kind::Field, "a name of this definition", String::new());
        }
        self.those(|d| {
            let loss = matches!(d.item.kind, ItemKind::Loss { .. } | ItemKind::Constraint { .. });
            !loss && !matches!(d.item.kind, ItemKind::Block(_) | ItemKind::Grid { .. })
        });
        self.table(values::FUNCTIONS, Kind::Function);
    }

    pub fn loss(&mut self) {
        if self.inputs(false) {
            return;
        }
        if self.context.call().is_none() {
            self.table(values::MEASURES, Kind::Function);
            return;
        }
        self.table(values::ROLES, Kind::Value);
        self.expression();
    }

    /// Parameters and names of `where` of the definition at the cursor.
    fn locals(&self) -> Vec<String> {
        let base = self.analysis.sources.base(self.analysis.file);
        let at = base + self.context.prefix.end as usize;
        let around = self
            .analysis
            .tree
            .items
            .iter()
            .find(|item| (item.span.start as usize) <= at && at <= item.span.end as usize);
        let name = |name: &Name| name.text.clone();
        let mut found: Vec<String> = match around.map(|item| &item.kind) {
            Some(ItemKind::Derive { parameters, bindings, .. }) => parameters
                .iter()
                .map(|p| name(&p.name))
                .chain(bindings.iter().map(|b| name(&b.name)))
                .collect(),
            Some(ItemKind::Constraint { bindings, .. } | ItemKind::Loss { bindings, .. }) => {
                bindings.iter().map(|b| name(&b.name)).collect()
            }
            _ => Vec::new(),
        };
        // A line that does not parse: the names between its first brackets.
        let head = self.context.blocks.last().map_or(self.context.line, |block| block.head);
        let parameters = head.strip_prefix("derive").and_then(|rest| rest.split_once('('));
        if let Some((name, rest)) = parameters.filter(|(name, _)| !name.contains([':', '='])) {
            let _ = name;
            let inside = rest.split(')').next().unwrap_or_default();
            found.extend(inside.split(',').filter_map(|p| words(p).next().map(str::to_string)));
        }
        found
    }

    // ---- words of clauses --------------------------------------------------

    /// Inputs of the call around the cursor, or the values one of them takes; false where that is no such place.
    fn inputs(&mut self, only: bool) -> bool {
        let Some(call) = self.context.call() else { return false };
        let table = values::inputs_of(call.function);
        if table.is_empty() {
            return false;
        }
        let end = self.context.prefix.start as usize;
        let written = self.analysis.text().get(call.start..end).unwrap_or_default();
        let current = written.rsplit(',').next().unwrap_or_default();
        if let Some((label, _)) = current.split_once('=') {
            return self.value_of(label.trim()) || only;
        }
        let given: BTreeSet<&str> = written.split('=').filter_map(|part| words(part).next_back()).collect();
        let first = written.trim().is_empty();
        if current.trim().is_empty() && (only || !first) {
            for word in table.iter().filter(|word| !given.contains(word.word)) {
                self.push(word.word, Kind::Input, word.says, describe_word(Some(call.function), word));
                if let Some(last) = self.found.last_mut() {
                    last.insert = format!("{} = ", word.word);
                }
            }
            return true;
        }
        only
    }

    /// The words an input may be; false where it may be any expression.
    fn value_of(&mut self, label: &str) -> bool {
        match label {
            "shape" => self.table(values::SHAPES, Kind::Value),
            _ if is_truth(label) => self.words(&["true", "false"]),
            "condition" => self.level_sets(),
            "steps" => self.words(&["all", "first", "each"]),
            _ => return false,
        }
        true
    }

    pub fn architecture(&mut self) {
        if !self.inputs(true) {
            self.table(values::ARCHITECTURES, Kind::Value);
        }
    }

    pub fn layers(&mut self) {
        if !self.inputs(true) {
            self.table(values::LAYERS, Kind::Function);
        }
    }

    pub fn optimiser(&mut self) {
        if !self.inputs(true) {
            self.table(values::OPTIMISERS, Kind::Function);
            self.groups();
        }
    }

    pub fn adapters(&mut self) {
        if !self.inputs(true) {
            self.table(values::ADAPTERS, Kind::Function);
        }
    }

    pub fn projection(&mut self) {
        if !self.inputs(true) {
            self.table(values::PROJECTIONS, Kind::Function);
        }
    }

    pub fn groups(&mut self) {
        if !self.inputs(true) {
            self.table(vocabulary::GROUPS, Kind::Value);
            self.those(|d| matches!(d.item.kind, ItemKind::Block(_)));
        }
    }

    pub fn blends(&mut self) {
        match self.context.call().map(|call| call.function) {
            Some("skill") => self.words(&["validate"]),
            Some(_) => {
                self.fields(None);
                self.words(&["lat", "lon", "month", "hour"]);
            }
            None => self.table(values::BLENDS, Kind::Value),
        }
    }

    pub fn baselines(&mut self) {
        self.table(values::BASELINES, Kind::Value);
        let archives = self.analysis.archives.clone();
        for archive in archives.iter().filter(|archive| *archive != "synthetic") {
            self.push(
                &format!("{archive}.forecast"),
                Kind::Value,
                "the archive's own forecast",
                String::new(),
            );
        }
    }

    pub fn partitions(&mut self) {
        self.table(vocabulary::STRATA, Kind::Value);
    }

    pub fn gap_methods(&mut self) {
        self.table(vocabulary::GAP_METHODS, Kind::Value);
    }

    pub fn rejects(&mut self) {
        self.words(&["outside"]);
        self.table(vocabulary::REJECTS, Kind::Value);
    }

    pub fn archives(&mut self) {
        for archive in self.analysis.archives.clone() {
            self.push(&archive, Kind::Value, "an archive of this machine", String::new());
        }
    }

    /// Score words up to `of`, fields behind it.
    pub fn score(&mut self) {
        let written: Vec<&str> = words(self.context.line).skip(1).collect();
        match written.iter().rposition(|word| *word == "of") {
            None => {
                self.table(values::SCORES, Kind::Value);
                if !self.context.line.trim_end().ends_with(',') && !written.is_empty() {
                    self.words(&["of"]);
                }
            }
            Some(of) if written.get(of.wrapping_sub(1)) == Some(&"violation") => {
                self.those(|d| matches!(d.item.kind, ItemKind::Constraint { .. }));
            }
            Some(of) => {
                if self.context.call().is_none() && written.len() > of + 1 {
                    self.words(&["at", "within", "in"]);
                }
                self.fields(None);
                self.words(&["chance"]);
            }
        }
    }
}

/// Whether an input is `true` or `false`.
fn is_truth(label: &str) -> bool {
    let takes = vocabulary::ARCHITECTURE.iter().find(|argument| argument.name == label).map(|a| a.takes);
    label == "modulate" || takes == Some(vocabulary::Takes::Truth)
}

fn kind_of(item: &ItemKind) -> Kind {
    match item {
        ItemKind::Levels { .. } => Kind::Levels,
        ItemKind::Loss { .. } => Kind::Loss,
        ItemKind::Constraint { .. } => Kind::Constraint,
        ItemKind::Quantity { .. } => Kind::Quantity,
        ItemKind::Derive { parameters, .. } if !parameters.is_empty() => Kind::Function,
        ItemKind::Derive { ty: None, .. } => Kind::Constant,
        ItemKind::Block(_) => Kind::Block,
        _ => Kind::Field,
    }
}

/// What stands behind a definition's name.
fn written_type<'t>(definition: &Definition, line: &'t str) -> &'t str {
    let name = definition.name.text.as_str();
    let rest = line.split_once(name).map_or(line, |(_, rest)| rest.trim_start());
    rest.strip_prefix(':').unwrap_or(rest).trim_start()
}

/// Blanks run together, and cut where it is long.
fn one_line(text: &str) -> String {
    const LONGEST: usize = 80;
    let flat = text.split_whitespace().collect::<Vec<_>>().join(" ");
    match flat.char_indices().nth(LONGEST) {
        Some((at, _)) => format!("{}…", &flat[..at]),
        None => flat,
    }
}
