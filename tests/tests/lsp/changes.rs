//! Texts that change: piece by piece, in many files, faster than they can be looked at.

use std::time::{Duration, Instant};

use aurora_tests::Random;
use serde_json::{Value, json};

use super::client::{Client, QUICKSTART, find, position, range};

#[test]
fn columns_behind_wide_characters_are_right() {
    let text = QUICKSTART.replacen(
        "loss storms  = mae(refc)",
        "derive warm : temperature = 3 °C    \"🌩🌩 °\"\nloss storms  = mae(refc) # 🌩\nloss x = mae(t) \"°🌩\"; loss y = mae(rafc)",
        1,
    );
    let mut client = Client::ready();
    let uri = client.open("r.aurora", &text);
    let list = client.diagnostics(&uri);
    let wrong = list.iter().find(|d| d["code"] == "unknown-name").unwrap_or_else(|| panic!("{list:?}"));
    assert_eq!(wrong["range"], range(&text, "rafc"));
    // Corrected by an edit in UTF-16 columns.
    client.change(&uri, json!([{ "range": range(&text, "rafc"), "text": "refc" }]));
    let left = client.diagnostics(&uri);
    assert!(left.iter().all(|d| d["code"] != "unknown-name"), "{left:?}");
}

#[test]
fn a_client_may_count_in_bytes() {
    let mut client = Client::greeted(json!({ "general": { "positionEncodings": ["utf-8", "utf-16"] } }));
    let text = "aurora 1.0\nrecipe r \"°🌩\" extends \"nothing.aurora\"\n";
    let uri = client.open("r.aurora", text);
    let list = client.diagnostics(&uri);
    let line = text.lines().nth(1).unwrap();
    assert_eq!(list[0]["code"], "missing-recipe");
    assert_eq!(list[0]["range"]["start"]["character"], json!(find(line, "\"nothing")));
}

/// Random edits in both directions: what the server has is what the client has.
#[test]
fn random_edits_leave_the_same_text() {
    let mut random = Random(7);
    let mut client = Client::ready();
    let mut text = QUICKSTART.to_string();
    let uri = client.open("r.aurora", &text);
    let pieces = ["", "x", "°", "🌩", "\n", "{", "}", " mae(refc) ", "\"", "# a\n", "loss z = mae(t)\n"];
    for _ in 0..60 {
        let mut changes: Vec<Value> = Vec::new();
        for _ in 0..=random.below(3) {
            let mut at = || {
                let mut at = random.below(text.len() + 1);
                while !text.is_char_boundary(at) {
                    at -= 1;
                }
                at
            };
            let (a, b) = (at(), at());
            let (a, b) = (a.min(b), a.max(b).min(a.min(b) + 20));
            let b = (a..=b).rev().find(|b| text.is_char_boundary(*b)).unwrap();
            let new = pieces[random.below(pieces.len())];
            let place = json!({ "start": position(&text, a), "end": position(&text, b) });
            changes.push(json!({ "range": place, "text": new }));
            text.replace_range(a..b, new);
        }
        client.change(&uri, json!(changes));
    }
    let edited = client.diagnostics(&uri);
    let twin = client.open("twin.aurora", &text);
    let fresh = client.diagnostics(&twin);
    let plain =
        |list: &[Value]| list.iter().map(|d| (d["range"].clone(), d["code"].clone())).collect::<Vec<_>>();
    assert_eq!(plain(&edited), plain(&fresh));
}

#[test]
fn the_unsaved_text_of_a_parent_counts() {
    let mut client = Client::ready();
    client.place.write("base.aurora", QUICKSTART);
    let child = "aurora 1.0\nrecipe child \"x\" extends \"./base.aurora\"\n\
                 amend phase learn {\n    minimise  weather + extra\n}\n";
    let uri = client.open("child.aurora", child);
    let list = client.diagnostics(&uri);
    assert_eq!(list[0]["code"], "unknown-name", "{list:?}");
    assert_eq!(list[0]["range"], range(child, "extra"));

    // The parent gets what is missing, and is not saved.
    let more = QUICKSTART.replacen("loss storms", "loss extra   = mae(u)\nloss storms", 1);
    let parent = client.open("base.aurora", QUICKSTART);
    client.change(&parent, json!([{ "text": more }]));
    let began = Instant::now();
    while client.published.get(&uri).is_some_and(|(list, _)| list.iter().any(|d| d["code"] == "unknown-name"))
    {
        assert!(began.elapsed() < Duration::from_secs(60));
        client.receive();
    }
    // Closed without saving, the file on disk counts again.
    client.notify("textDocument/didClose", json!({ "textDocument": { "uri": parent } }));
    while !client.published[&uri].0.iter().any(|d| d["code"] == "unknown-name") {
        assert!(began.elapsed() < Duration::from_secs(60));
        client.receive();
    }
}

#[test]
fn a_mistake_in_the_parent_is_shown_in_the_parent() {
    let mut client = Client::ready();
    let broken = QUICKSTART.replacen("    batch ", "    bach  ", 1);
    client.place.write("base.aurora", &broken);
    let uri = client.open("child.aurora", "aurora 1.0\nrecipe child \"x\" extends \"base.aurora\"\n");
    assert_eq!(client.diagnostics(&uri), Vec::<Value>::new());
    let parent = client.uri("base.aurora");
    while !client.published.contains_key(&parent) {
        client.receive();
    }
    let (list, _) = &client.published[&parent];
    assert_eq!((list.len(), &list[0]["code"]), (1, &json!("unknown-clause")));
    assert_eq!(list[0]["range"], range(&broken, "bach"));
    // Nobody speaks of it any more once the child is closed.
    client.notify("textDocument/didClose", json!({ "textDocument": { "uri": uri } }));
    while !client.published[&parent].0.is_empty() {
        client.receive();
    }
}

/// Of a burst of changes only the last matters: it is not the sum of 200 checks.
#[test]
fn a_burst_ends_with_the_newest_text() {
    let mut client = Client::ready();
    let uri = client.open("r.aurora", QUICKSTART);
    client.diagnostics(&uri);
    let before = client.published[&uri].1;
    let began = Instant::now();
    let mut outdated = Vec::new();
    for round in 0..200 {
        let name = format!("rafc{round}");
        client
            .change(&uri, json!([{ "text": QUICKSTART.replacen("mae(refc)", &format!("mae({name})"), 1) }]));
        let params = client.at(&uri, QUICKSTART, "batch", 1);
        outdated.push(client.request("textDocument/hover", params));
    }
    client.change(&uri, json!([{ "text": QUICKSTART.replacen("    batch ", "    bach  ", 1) }]));
    let list = client.diagnostics(&uri);
    let taken = began.elapsed();
    assert_eq!((list.len(), &list[0]["code"]), (1, &json!("unknown-clause")));
    assert!(taken < Duration::from_secs(20), "{taken:?}");
    println!("201 changes and 200 hovers: {taken:?}, {} publications", client.published[&uri].1 - before);
}

/// A request that is cancelled or outdated gets an answer, and every request exactly one.
#[test]
fn every_request_is_answered_once() {
    let mut client = Client::ready();
    let uri = client.open("r.aurora", QUICKSTART);
    let mut open: Vec<i64> = Vec::new();
    for round in 0..50 {
        let params = client.at(&uri, QUICKSTART, "batch", 1);
        let id = client.request("textDocument/hover", params);
        open.push(id);
        if round % 3 == 0 {
            client.notify("$/cancelRequest", json!({ "id": id }));
        }
        if round % 5 == 0 {
            client.change(&uri, json!([{ "text": QUICKSTART }]));
        }
    }
    while !open.is_empty() {
        let message = client.receive();
        let Some(id) = message["id"].as_i64() else { continue };
        let at = open.iter().position(|other| *other == id).unwrap_or_else(|| panic!("twice: {message}"));
        open.remove(at);
        let code = message["error"]["code"].as_i64();
        assert!(matches!(code, None | Some(-32800 | -32801)), "{message}");
    }
}

/// A text that is too long, too deep or no recipe at all costs neither the server nor much time.
#[test]
fn monstrous_texts_are_borne() {
    let mut client = Client::ready();
    let uri = client.open("r.aurora", QUICKSTART);
    client.diagnostics(&uri);
    let deep = |open: &str| format!("{QUICKSTART}\nloss d = {}\n", open.repeat(50_000));
    for text in [
        "x".repeat(3 << 20),
        deep("("),
        deep("mae("),
        deep("{\n"),
        format!("{QUICKSTART}\n{}", "loss a = mae(t)\n".repeat(5_000)),
        format!("{QUICKSTART}\nloss a = {}t\n", "t + ".repeat(20_000)),
        "\u{0}\r\r\n\u{feff}\"🌩".to_string(),
    ] {
        let began = Instant::now();
        client.change(&uri, json!([{ "text": text }]));
        client.diagnostics(&uri);
        let params = json!({ "textDocument": { "uri": uri }, "position": { "line": 60, "character": 12 } });
        for method in ["textDocument/hover", "textDocument/completion", "textDocument/definition"] {
            client.result(method, params.clone());
        }
        println!("{} bytes: {:?}", text.len(), began.elapsed());
        assert!(began.elapsed() < Duration::from_secs(30), "{} bytes: {:?}", text.len(), began.elapsed());
    }
    client.change(&uri, json!([{ "text": QUICKSTART }]));
    assert_eq!(client.diagnostics(&uri), Vec::<Value>::new());
}

/// A keystroke, and the question that follows it.
#[test]
fn a_keystroke_is_answered_at_once() {
    let mut client = Client::ready();
    let uri = client.open("r.aurora", QUICKSTART);
    client.diagnostics(&uri);
    let mut fastest = Duration::MAX;
    for round in 0..20 {
        let text = format!("{QUICKSTART}# {round}\n");
        let began = Instant::now();
        client.change(&uri, json!([{ "text": text }]));
        let params = client.at(&uri, &text, "refc) + 0.3", 1);
        client.result("textDocument/hover", params);
        fastest = fastest.min(began.elapsed());
    }
    println!("a change of the quickstart and a hover: {fastest:?}");
    assert!(fastest < Duration::from_millis(200), "{fastest:?}");
}
