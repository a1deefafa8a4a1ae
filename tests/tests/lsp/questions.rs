//! What is asked about a text that stands still.

use serde_json::{Value, json};

use super::client::{Client, QUICKSTART, edited, find, position, range};

#[test]
fn a_mistake_is_shown_where_it_is_made() {
    let mut client = Client::ready();
    let text = QUICKSTART.replacen("mae(refc)", "mae(rafc)", 1);
    let uri = client.open("r.aurora", &text);
    let list = client.diagnostics(&uri);
    assert_eq!(list.len(), 1, "{list:?}");
    assert_eq!(list[0]["code"], "unknown-name");
    assert_eq!(list[0]["severity"], 1);
    assert_eq!(list[0]["range"], range(&text, "rafc"));
    assert!(list[0]["message"].as_str().unwrap().contains("did you mean `refc`?"));
    // Where the name that was meant is defined: in a library, which can be opened.
    let related = &list[0]["relatedInformation"][0]["location"];
    let file = related["uri"].as_str().unwrap().strip_prefix("file://").unwrap();
    let library = std::fs::read_to_string(file).expect("a file");
    let line = related["range"]["start"]["line"].as_u64().unwrap() as usize;
    assert!(library.lines().nth(line).unwrap().starts_with("variable refc"));
    assert!(std::fs::metadata(file).unwrap().permissions().readonly());
    // What the code means can be read, too.
    let page = list[0]["codeDescription"]["href"].as_str().unwrap().strip_prefix("file://").unwrap();
    assert!(page.ends_with("unknown-name.md"), "{page}");
    assert!(std::fs::read_to_string(page).expect("a page").len() > 200);

    client.change(&uri, json!([{ "text": QUICKSTART }]));
    assert_eq!(client.diagnostics(&uri), Vec::<Value>::new());
}

#[test]
fn a_warning_is_a_warning() {
    let mut client = Client::ready();
    let text = QUICKSTART.replacen("loss storms", "loss spare = mae(t)\nloss storms", 1);
    let uri = client.open("r.aurora", &text);
    let list = client.diagnostics(&uri);
    assert_eq!((list.len(), &list[0]["severity"], &list[0]["code"]), (1, &json!(2), &json!("unused-loss")));
    assert_eq!(list[0]["range"], range(&text, "spare"));
}

fn shown(client: &mut Client, uri: &str, text: &str, needle: &str) -> String {
    let params = client.at(uri, text, needle, 1);
    let result = client.result("textDocument/hover", params);
    result["contents"]["value"].as_str().unwrap_or_default().to_string()
}

#[test]
fn names_and_words_are_explained() {
    let mut client = Client::ready();
    let uri = client.open("r.aurora", QUICKSTART);
    let field = shown(&mut client, &uri, QUICKSTART, "refc) + 0.3");
    assert!(field.contains("⟨reflectivity · dBZ") && field.contains("-10 .. 75 dBZ⟩"), "{field}");
    let constant = shown(&mut client, &uri, QUICKSTART, "g0\n");
    assert!(constant.contains("= 9.80665 ") && constant.contains("standard gravity"), "{constant}");
    let clause = shown(&mut client, &uri, QUICKSTART, "batch");
    assert!(clause.contains("samples to a step"), "{clause}");
    let unit = shown(&mut client, &uri, QUICKSTART, "hPa");
    assert!(unit.contains("1 hPa = 100"), "{unit}");
    assert_eq!(shown(&mut client, &uri, QUICKSTART, "2020-04-20"), "");
    // Texts that are not open have nothing to say.
    let elsewhere = client.at("file:///nowhere.aurora", QUICKSTART, "batch", 1);
    assert_eq!(client.result("textDocument/hover", elsewhere), Value::Null);
}

/// The labels offered at the end of `new`, which takes the place of `old`.
fn offered(old: &str, new: &str) -> Vec<String> {
    let mut client = Client::ready();
    let text = QUICKSTART.replacen(old, new, 1);
    let uri = client.open("r.aurora", &text);
    let cursor = position(&text, find(QUICKSTART, old) + new.len());
    let params = json!({ "textDocument": { "uri": uri }, "position": cursor });
    let result = client.result("textDocument/completion", params);
    result.as_array().unwrap().iter().map(|item| item["label"].as_str().unwrap().to_string()).collect()
}

#[test]
fn what_may_stand_somewhere_is_offered() {
    for (old, new, some, none) in [
        ("weather + storms", "weather + ", "storms", "refc"),
        ("v10, refc\n", "v10, ", "refc", "orog"),
        ("train       new\n", "train       ", "backbone", "refc"),
        ("(g0, saturation)", "(g0, ", "Rd", "g0"),
        ("use std.physics", "use ", "std.physics", "refc"),
        ("[36, 84] km", "[36, 84] ", "km", "dBZ"),
        ("pwat : precipitable_water", "pwat : ", "helicity", "refc"),
        ("score       csi of", "score       ", "csi", "refc"),
        ("aurora(patch = 4,", "aurora(patch = 4, ", "embed", "patch"),
        ("    batch       2\n", "    batch       2\n    ", "tile", "batch"),
    ] {
        let all = offered(old, new);
        assert!(all.contains(&some.to_string()), "{new:?} without {some}: {all:?}");
        assert!(!all.contains(&none.to_string()), "{new:?} with {none}: {all:?}");
    }
}

/// What is offered takes the place of what has been written of it.
#[test]
fn a_completion_replaces_the_word_begun() {
    let mut client = Client::ready();
    let text = QUICKSTART.replacen("weather + storms", "weather + sto", 1);
    let uri = client.open("r.aurora", &text);
    let params = client.at(&uri, &text, "weather + sto", 13);
    let result = client.result("textDocument/completion", params);
    let item = result.as_array().unwrap().iter().find(|item| item["label"] == "storms").unwrap();
    let changed = super::client::applied(&text, &[item["textEdit"].clone()]);
    assert!(changed.contains("minimise    weather + storms + 0.01"), "{changed}");
}

#[test]
fn definitions_are_found_in_parents_and_libraries() {
    let mut client = Client::ready();
    client.place.write("base.aurora", QUICKSTART);
    let text = "aurora 1.0\nrecipe child \"°🌩\" extends \"base.aurora\"\n\nloss more = mae(refc) + 2 * mae(pwat)\n\
                amend phase learn {\n    minimise  weather + more\n}\n";
    let uri = client.open("child.aurora", text);

    let params = client.at(&uri, text, "weather", 2);
    let found = client.result("textDocument/definition", params);
    assert_eq!(found["uri"], client.uri("base.aurora"));
    let weather = find(QUICKSTART, "loss weather") + 5;
    assert_eq!(found["range"]["start"], position(QUICKSTART, weather));

    let params = client.at(&uri, text, "refc", 2);
    let found = client.result("textDocument/definition", params);
    let file = found["uri"].as_str().unwrap().strip_prefix("file://").unwrap().to_string();
    assert!(file.ends_with("std/synthetic.aurora"), "{file}");
    let line = found["range"]["start"]["line"].as_u64().unwrap() as usize;
    assert!(std::fs::read_to_string(&file).unwrap().lines().nth(line).unwrap().starts_with("variable refc"));
    // The library opened as a file has nothing wrong with it, and can be asked, too.
    let library = std::fs::read_to_string(&file).unwrap();
    let item = json!({ "uri": found["uri"], "languageId": "aurora", "version": 1, "text": library });
    client.notify("textDocument/didOpen", json!({ "textDocument": item }));
    let params = client.at(found["uri"].as_str().unwrap(), &library, "g0 * hgt", 5);
    let inner = client.result("textDocument/definition", params);
    assert_eq!(inner["uri"], found["uri"]);
    let said: Vec<_> =
        client.published[found["uri"].as_str().unwrap()].0.iter().map(|d| &d["code"]).collect();
    assert!(!said.contains(&&json!("library-as-recipe")), "{said:?}");

    let params = client.at(&uri, text, "\"base.aurora\"", 2);
    let found = client.result("textDocument/definition", params);
    assert_eq!(found["uri"], client.uri("base.aurora"));
}

#[test]
fn the_outline_and_the_uses_of_a_name() {
    let mut client = Client::ready();
    let uri = client.open("r.aurora", QUICKSTART);
    let result = client.result("textDocument/documentSymbol", json!({ "textDocument": { "uri": uri } }));
    let names: Vec<&str> = result.as_array().unwrap().iter().map(|s| s["name"].as_str().unwrap()).collect();
    assert!(names.contains(&"pwat") && names.contains(&"learn"), "{names:?}");
    let mut params = client.at(&uri, QUICKSTART, "storms  =", 0);
    params["context"] = json!({ "includeDeclaration": true });
    let uses = client.result("textDocument/references", params.clone());
    assert_eq!(uses.as_array().unwrap().len(), 2, "{uses}");
    params["context"] = json!({ "includeDeclaration": false });
    assert_eq!(client.result("textDocument/references", params).as_array().unwrap().len(), 1);
}

#[test]
fn a_rename_reaches_parents_and_children() {
    let mut client = Client::ready();
    let child = "aurora 1.0\nrecipe child \"x\" extends \"base.aurora\"\n\
                 amend phase learn {\n    minimise  weather + 2 * storms\n}\n";
    client.place.write("base.aurora", QUICKSTART);
    client.place.write("closed.aurora", child);
    client.place.write("unrelated.aurora", "aurora 1.0\nrecipe u \"x\"\nloss storms = mae(t)\n");
    let uri = client.open("open.aurora", child);
    let mut params = client.at(&uri, child, "storms", 1);
    let prepared = client.result("textDocument/prepareRename", params.clone());
    assert_eq!((&prepared["placeholder"], &prepared["range"]), (&json!("storms"), &range(child, "storms")));
    params["newName"] = json!("cells");
    let edit = client.result("textDocument/rename", params);
    let files: Vec<&String> = edit["changes"].as_object().unwrap().keys().collect();
    assert_eq!(files.len(), 3, "{files:?}");
    for name in ["open.aurora", "closed.aurora"] {
        assert_eq!(edited(child, &edit, &client.uri(name)), child.replace("storms", "cells"));
    }
    let base = edited(QUICKSTART, &edit, &client.uri("base.aurora"));
    assert_eq!(
        base,
        QUICKSTART.replace("storms  =", "cells  =").replace("weather + storms", "weather + cells")
    );
}

#[test]
fn a_rename_that_would_do_harm_is_refused() {
    let mut client = Client::ready();
    let uri = client.open("r.aurora", QUICKSTART);
    for (needle, new, reason) in [
        ("refc) + 0.3", "echo", "belongs to `std.synthetic`"),
        ("storms  =", "weather", "something else"),
        ("storms  =", "with space", "no name"),
        ("batch", "size", "word of the language"),
    ] {
        let mut params = client.at(&uri, QUICKSTART, needle, 1);
        params["newName"] = json!(new);
        let error = client.error("textDocument/rename", params);
        assert!(error["message"].as_str().unwrap().contains(reason), "{error}");
    }
}

/// Each fix, applied as the client would, leaves a recipe without that diagnostic.
#[test]
fn a_quick_fix_cures() {
    for (old, new) in [
        ("mae(refc)", "mae(rafc)"),
        ("    batch ", "    bach  "),
        ("[20, 35] dBZ", "[20, 35] dBz"),
        ("std.physics", "std.physic"),
        ("clip = 1", "clipp = 1"),
    ] {
        let mut client = Client::ready();
        let text = QUICKSTART.replacen(old, new, 1);
        let uri = client.open("r.aurora", &text);
        let list = client.diagnostics(&uri);
        let context = json!({ "diagnostics": list });
        let params = json!({ "textDocument": { "uri": uri }, "range": list[0]["range"], "context": context });
        let actions = client.result("textDocument/codeAction", params);
        assert_eq!(actions[0]["kind"], "quickfix", "{actions} {list:?}");
        assert_eq!(actions[0]["diagnostics"][0], list[0]);
        let cured = edited(&text, &actions[0]["edit"], &uri);
        client.change(&uri, json!([{ "text": cured }]));
        let left = client.diagnostics(&uri);
        assert!(left.iter().all(|d| d["code"] != list[0]["code"]), "{old} → {new}: {left:?}");
        // Elsewhere there is nothing to be fixed.
        let top = json!({ "start": { "line": 0, "character": 0 }, "end": { "line": 0, "character": 0 } });
        let params =
            json!({ "textDocument": { "uri": uri }, "range": top, "context": { "diagnostics": [] } });
        assert_eq!(client.result("textDocument/codeAction", params), json!([]));
    }
}

/// Laid out as `aurorac fmt` does it, in as few lines as need be.
#[test]
fn a_recipe_is_laid_out() {
    let mut client = Client::ready();
    let text = QUICKSTART.replacen("    batch       2\n", "  batch 2 # °🌩\n", 1);
    let uri = client.open("r.aurora", &text);
    let options = json!({ "tabSize": 4, "insertSpaces": true });
    let params = json!({ "textDocument": { "uri": uri }, "options": options });
    let edits = client.result("textDocument/formatting", params.clone());
    let laid_out = aurora_grammar::format(&text).expect("it can be read");
    assert_ne!(laid_out, text);
    let edits = edits.as_array().unwrap();
    assert_eq!(super::client::applied(&text, edits), laid_out);
    let lines = |position: &str| edits[0]["range"][position]["line"].as_u64().unwrap();
    assert!(lines("end") - lines("start") < 10, "{edits:?}");
    client.change(&uri, json!([{ "text": laid_out }]));
    assert_eq!(client.result("textDocument/formatting", params.clone()), json!([]));
    // What cannot be read is not touched.
    client.change(&uri, json!([{ "text": text.replacen("loss storms  =", "loss storms  = =", 1) }]));
    let error = client.error("textDocument/formatting", params);
    assert!(error["message"].as_str().unwrap().contains("cannot be laid out"), "{error}");
}
