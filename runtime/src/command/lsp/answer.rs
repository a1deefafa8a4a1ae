//! The answer to each request.

use std::collections::BTreeSet;
use std::path::{Path, PathBuf};

use aurora_compiler::editor::{self, Analysis, Kind, Place, Reference, Symbol, SymbolKind};
use lsp_server::ErrorCode;
use lsp_types::{
    CodeActionParams, CompletionItemKind, CompletionParams, DocumentFormattingParams, DocumentSymbolParams,
    Position, Range, ReferenceParams, RenameParams, SymbolKind as Shown, TextDocumentPositionParams,
};
use serde_json::{Value, json};

use super::documents::{Documents, LARGEST, text_of};
use super::place::{self, Edits, Ranges};
use super::position::{Encoding, Lines};
use super::publish::described;
use super::server::{Refused, Server, is_file, params_of};

/// Files of a folder that are looked through for uses of a name.
const MOST_SIBLINGS: usize = 200;

/// What the server can do.
pub fn capabilities(encoding: Encoding) -> Value {
    json!({
        "positionEncoding": if encoding == Encoding::Utf8 { "utf-8" } else { "utf-16" },
        "textDocumentSync": { "openClose": true, "change": 2, "save": true },
        "hoverProvider": true,
        "completionProvider": { "triggerCharacters": [" ", "(", ".", ":", ","] },
        "definitionProvider": true,
        "referencesProvider": true,
        "documentHighlightProvider": true,
        "documentSymbolProvider": true,
        "renameProvider": { "prepareProvider": true },
        "documentFormattingProvider": true,
        "codeActionProvider": { "codeActionKinds": ["quickfix"] },
    })
}

/// Answers a request.
///
/// # Errors
/// Unknown methods, parameters that make no sense, and what a request is refused for.
pub fn answer(server: &mut Server, method: &str, params: Value) -> Result<Value, Refused> {
    match method {
        "textDocument/hover" => hover(server, &params_of(params)?),
        "textDocument/completion" => completion(server, &params_of(params)?),
        "textDocument/definition" => definition(server, &params_of(params)?),
        "textDocument/references" => references(server, &params_of(params)?),
        "textDocument/documentHighlight" => highlights(server, &params_of(params)?),
        "textDocument/documentSymbol" => outline(server, &params_of(params)?),
        "textDocument/prepareRename" => prepare_rename(server, &params_of(params)?),
        "textDocument/rename" => rename(server, &params_of(params)?),
        "textDocument/formatting" => formatting(server, &params_of(params)?),
        "textDocument/codeAction" => actions(server, &params_of(params)?),
        _ => {
            Err(Refused { code: ErrorCode::MethodNotFound, message: format!("`{method}` is not known here") })
        }
    }
}

/// An open text, what is known of it, and a byte of it.
struct At<'a> {
    documents: &'a Documents,
    analysis: &'a Analysis,
    ranges: Ranges<'a>,
    offset: usize,
}

impl At<'_> {
    fn range(&self, place: &Place) -> Range {
        self.ranges.of(place)
    }

    fn location(&self, place: &Place) -> Option<Value> {
        self.ranges.location(self.documents, place)
    }
}

/// Nothing for texts that are not open.
fn at<'a>(server: &'a mut Server, name: &str, position: Position) -> Option<At<'a>> {
    server.analysis(name)?;
    let encoding = server.encoding;
    let analysis = server.documents.get(name)?.analysis.as_ref()?;
    let ranges = Ranges::new(analysis, encoding);
    let offset = ranges.lines(analysis.sources.name(analysis.file)).offset(position);
    Some(At { documents: &server.documents, analysis, ranges, offset })
}

fn named(params: &TextDocumentPositionParams) -> (String, Position) {
    (Documents::name(params.text_document.uri.as_str()), params.position)
}

fn hover(server: &mut Server, params: &TextDocumentPositionParams) -> Result<Value, Refused> {
    let (name, position) = named(params);
    let Some(at) = at(server, &name, position) else { return Ok(Value::Null) };
    let Some(hover) = editor::hover(at.analysis, at.offset) else { return Ok(Value::Null) };
    let contents = json!({ "kind": "markdown", "value": hover.markdown });
    Ok(json!({ "contents": contents, "range": at.range(&hover.place) }))
}

fn completion(server: &mut Server, params: &CompletionParams) -> Result<Value, Refused> {
    let (name, position) = named(&params.text_document_position);
    let Some(at) = at(server, &name, position) else { return Ok(json!([])) };
    let lines = at.ranges.lines(at.analysis.sources.name(at.analysis.file));
    let item = |(index, offer): (usize, editor::Completion)| {
        json!({
            "label": offer.label,
            "kind": shown_kind(offer.kind),
            "detail": offer.detail,
            "documentation": { "kind": "markdown", "value": offer.documentation },
            "sortText": format!("{index:05}"),
            "filterText": offer.label,
            "textEdit": { "range": lines.range(offer.replace), "newText": offer.insert },
        })
    };
    Ok(editor::complete(at.analysis, at.offset).into_iter().enumerate().map(item).collect())
}

fn shown_kind(kind: Kind) -> CompletionItemKind {
    match kind {
        Kind::Item | Kind::Clause => CompletionItemKind::KEYWORD,
        Kind::Value => CompletionItemKind::ENUM_MEMBER,
        Kind::Field => CompletionItemKind::VARIABLE,
        Kind::Constant => CompletionItemKind::CONSTANT,
        Kind::Function => CompletionItemKind::FUNCTION,
        Kind::Loss | Kind::Constraint => CompletionItemKind::VALUE,
        Kind::Block => CompletionItemKind::STRUCT,
        Kind::Levels => CompletionItemKind::ENUM,
        Kind::Quantity => CompletionItemKind::CLASS,
        Kind::Unit => CompletionItemKind::UNIT,
        Kind::Library => CompletionItemKind::MODULE,
        Kind::Input => CompletionItemKind::PROPERTY,
    }
}

fn definition(server: &mut Server, params: &TextDocumentPositionParams) -> Result<Value, Refused> {
    let (name, position) = named(params);
    let Some(at) = at(server, &name, position) else { return Ok(Value::Null) };
    let place = editor::definition(at.analysis, at.offset);
    Ok(place.and_then(|place| at.location(&place)).unwrap_or(Value::Null))
}

fn references(server: &mut Server, params: &ReferenceParams) -> Result<Value, Refused> {
    let (name, position) = named(&params.text_document_position);
    let declared = params.context.include_declaration;
    let Some(first) = at(server, &name, position) else { return Ok(json!([])) };
    let uses = editor::references(first.analysis, first.offset);
    let mut found: BTreeSet<Reference> = BTreeSet::new();
    let mut locations: Vec<Value> = Vec::new();
    let mut take = |at: &At<'_>, uses: Vec<Reference>| {
        for reference in uses.into_iter().filter(|r| declared || !r.defines) {
            if found.insert(reference.clone()) {
                locations.extend(at.location(&reference.place));
            }
        }
    };
    let defined = uses.iter().find(|r| r.defines).map(|r| r.place.clone());
    take(&first, uses);
    // Open recipes that extend this one use its names, too.
    for other in server.documents.names() {
        let Some(place) = &defined else { break };
        let Some(at) = at(server, &other, Position::default()) else { continue };
        let uses = editor::uses_of(at.analysis, place);
        take(&at, uses);
    }
    Ok(json!(locations))
}

fn highlights(server: &mut Server, params: &TextDocumentPositionParams) -> Result<Value, Refused> {
    let (name, position) = named(params);
    let Some(at) = at(server, &name, position) else { return Ok(json!([])) };
    let own = at.analysis.sources.name(at.analysis.file).to_string();
    let uses = editor::references(at.analysis, at.offset);
    let shown = |r: &Reference| json!({ "range": at.range(&r.place), "kind": if r.defines { 3 } else { 2 } });
    Ok(uses.iter().filter(|r| r.place.file == own).map(shown).collect())
}

fn outline(server: &mut Server, params: &DocumentSymbolParams) -> Result<Value, Refused> {
    let name = Documents::name(params.text_document.uri.as_str());
    let Some(at) = at(server, &name, Position::default()) else { return Ok(json!([])) };
    let symbols = editor::symbols(at.analysis);
    Ok(symbols.iter().map(|symbol| shown_symbol(&at, symbol)).collect())
}

/// Symbols lie in symbols as blocks lie in blocks, and the parser bounds those.
fn shown_symbol(at: &At<'_>, symbol: &Symbol) -> Value {
    let kind = match symbol.kind {
        SymbolKind::Use => Shown::MODULE,
        SymbolKind::Quantity => Shown::CLASS,
        SymbolKind::Grid | SymbolKind::Levels => Shown::ENUM,
        SymbolKind::Variable => Shown::VARIABLE,
        SymbolKind::Constant => Shown::CONSTANT,
        SymbolKind::Derive => Shown::FIELD,
        SymbolKind::Function => Shown::FUNCTION,
        SymbolKind::Constraint => Shown::BOOLEAN,
        SymbolKind::Loss => Shown::NUMBER,
        SymbolKind::Block => Shown::STRUCT,
        SymbolKind::Change => Shown::EVENT,
    };
    let children: Vec<Value> = symbol.children.iter().map(|child| shown_symbol(at, child)).collect();
    json!({
        "name": symbol.name,
        "detail": symbol.detail,
        "kind": kind,
        "range": at.range(&symbol.whole),
        "selectionRange": at.range(&symbol.name_place),
        "children": children,
    })
}

// ---- changes ----------------------------------------------------------------

fn prepare_rename(server: &mut Server, params: &TextDocumentPositionParams) -> Result<Value, Refused> {
    let (name, position) = named(params);
    let Some(at) = at(server, &name, position) else { return Ok(Value::Null) };
    let place = editor::renamable(at.analysis, at.offset).map_err(|refusal| Refused::because(refusal.0))?;
    let old = at.analysis.text().get(place.range()).unwrap_or_default();
    Ok(json!({ "range": at.range(&place), "placeholder": old }))
}

/// In the recipe, in its parents, and in every recipe that extends the one where the name is given: those that are
/// open, and those beside them on disk.
fn rename(server: &mut Server, params: &RenameParams) -> Result<Value, Refused> {
    let (name, position) = named(&params.text_document_position);
    let new = params.new_name.as_str();
    let Some(first) = at(server, &name, position) else { return Ok(Value::Null) };
    let uses =
        editor::rename(first.analysis, first.offset, new).map_err(|refusal| Refused::because(refusal.0))?;
    let mut edits = Edits::default();
    collect(&first, &uses, new, &mut edits);
    let Some(defined) = uses.into_iter().find(|r| r.defines).map(|r| r.place) else {
        return Err(Refused::because("this name is given in two places"));
    };
    for other in server.documents.names() {
        let Some(at) = at(server, &other, Position::default()) else { continue };
        check_other(at.analysis, &defined, new, &other)?;
        let uses = editor::uses_of(at.analysis, &defined);
        collect(&at, &uses, new, &mut edits);
    }
    for sibling in siblings(&[&name, &defined.file]) {
        let path = sibling.to_string_lossy().into_owned();
        if server.documents.get(&path).is_some() {
            continue;
        }
        let Ok(text) = text_of(&sibling) else { continue };
        if !text.contains("extends") {
            continue;
        }
        let analysis = server.examine(&path, &text);
        check_other(&analysis, &defined, new, &path)?;
        let uses = editor::uses_of(&analysis, &defined);
        let ranges = Ranges::new(&analysis, server.encoding);
        let at = At { documents: &server.documents, analysis: &analysis, ranges, offset: 0 };
        collect(&at, &uses, new, &mut edits);
    }
    Ok(edits.finish())
}

fn collect(at: &At<'_>, uses: &[Reference], new: &str, edits: &mut Edits) {
    for reference in uses {
        if let Some(uri) = place::uri(at.documents, &reference.place.file) {
            edits.add(uri, at.range(&reference.place), new);
        }
    }
}

/// A recipe that inherits the name must be free to have the new one.
fn check_other(analysis: &Analysis, defined: &Place, new: &str, name: &str) -> Result<(), Refused> {
    let inherits = analysis.files().iter().skip(1).any(|file| *file == defined.file);
    if inherits && !editor::uses_of(analysis, defined).is_empty() && analysis.is_taken(new) {
        let file = name.rsplit(['/', '\\']).next().unwrap_or(name);
        return Err(Refused::because(format!("in `{file}`, `{new}` stands for something else already")));
    }
    Ok(())
}

/// The recipes in the folders of some files.
fn siblings(files: &[&str]) -> BTreeSet<PathBuf> {
    let folders: BTreeSet<&Path> =
        files.iter().filter(|file| is_file(file)).filter_map(|file| Path::new(*file).parent()).collect();
    let mut found = BTreeSet::new();
    for folder in folders {
        let entries = std::fs::read_dir(folder).into_iter().flatten().flatten();
        let recipes =
            entries.map(|entry| entry.path()).filter(|path| path.extension().is_some_and(|e| e == "aurora"));
        found.extend(recipes.take(MOST_SIBLINGS));
    }
    found
}

/// The lines that the formatter lays out otherwise, as one edit; none where the text cannot be read.
fn formatting(server: &mut Server, params: &DocumentFormattingParams) -> Result<Value, Refused> {
    let name = Documents::name(params.text_document.uri.as_str());
    let Some(document) = server.documents.get(&name) else { return Ok(Value::Null) };
    let old = document.text.as_str();
    if old.len() > LARGEST {
        return Err(Refused::because("this text is too long to be laid out"));
    }
    let Ok(new) = aurora_grammar::format(old) else {
        return Err(Refused::because("what cannot be read cannot be laid out: see the diagnostics"));
    };
    if new == *old {
        return Ok(json!([]));
    }
    // Whole lines, so that the cursor and marks outside them stay where they are.
    let same = |(a, b): &(&str, &str)| a == b;
    let head: usize =
        old.split_inclusive('\n').zip(new.split_inclusive('\n')).take_while(same).map(|(a, _)| a.len()).sum();
    let (rest, new_rest) = (&old[head..], &new[head..]);
    let tail: usize = rest
        .split_inclusive('\n')
        .rev()
        .zip(new_rest.split_inclusive('\n').rev())
        .take_while(same)
        .map(|(a, _)| a.len())
        .sum();
    let range = Lines::new(old, server.encoding).range(head..old.len() - tail);
    Ok(json!([{ "range": range, "newText": new_rest[..new_rest.len() - tail] }]))
}

/// The fixes of all diagnostics that touch a range.
fn actions(server: &mut Server, params: &CodeActionParams) -> Result<Value, Refused> {
    let name = Documents::name(params.text_document.uri.as_str());
    let only = params.context.only.as_ref();
    if only.is_some_and(|kinds| !kinds.iter().any(|kind| "quickfix".starts_with(kind.as_str()))) {
        return Ok(json!([]));
    }
    let Some(at) = at(server, &name, params.range.start) else { return Ok(json!([])) };
    let end = at.ranges.lines(at.analysis.sources.name(at.analysis.file)).offset(params.range.end);
    let wanted = at.offset.min(end)..end.max(at.offset);
    let own = at.analysis.sources.name(at.analysis.file);
    let mut found = Vec::new();
    for diagnostic in &at.analysis.diagnostics {
        let Some(fix) = &diagnostic.fix else { continue };
        let Some(place) = at.analysis.place(fix.span) else { continue };
        let spans = diagnostic.labels.iter().map(|label| label.span).chain([fix.span]);
        let touches =
            |place: Place| place.file == own && place.start <= wanted.end && wanted.start <= place.end;
        if Analysis::library_of(&place.file).is_some()
            || !spans.filter_map(|s| at.analysis.place(s)).any(touches)
        {
            continue;
        }
        let Some(uri) = place::uri(at.documents, &place.file) else { continue };
        let old = at.analysis.sources.slice(fix.span).trim();
        let new = fix.replacement.trim();
        let title = match (old.is_empty(), new.is_empty()) {
            (true, _) => format!("Insert `{}`", first_line(new)),
            (_, true) => format!("Take `{}` out", first_line(old)),
            _ => format!("Change `{}` to `{}`", first_line(old), first_line(new)),
        };
        let mut edits = Edits::default();
        edits.add(uri, at.range(&place), &fix.replacement);
        found.push(json!({
            "title": title,
            "kind": "quickfix",
            "isPreferred": true,
            "diagnostics": [described(at.documents, &at.ranges, diagnostic, None)],
            "edit": edits.finish(),
        }));
    }
    Ok(json!(found))
}

fn first_line(text: &str) -> String {
    let mut lines = text.lines();
    let first = lines.next().unwrap_or_default().to_string();
    if lines.next().is_some() { format!("{first} …") } else { first }
}
