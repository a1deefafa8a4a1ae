//! The protocol itself: how it begins and ends, and what becomes of messages that make no sense.

use serde_json::{Value, json};

use super::client::{Client, QUICKSTART};

#[test]
fn shutdown_and_exit_end_well() {
    let mut client = Client::ready();
    assert_eq!(client.result("shutdown", Value::Null), Value::Null);
    let error = client.error("textDocument/hover", json!({}));
    assert_eq!(error["code"], -32600);
    client.notify("exit", Value::Null);
    assert_eq!(client.end().code(), Some(0));
}

#[test]
fn exit_without_shutdown_ends_badly() {
    let mut client = Client::ready();
    client.notify("exit", Value::Null);
    assert_eq!(client.end().code(), Some(1));
    let mut early = Client::start();
    early.notify("exit", Value::Null);
    assert_eq!(early.end().code(), Some(1));
}

#[test]
fn a_client_that_goes_away_is_not_waited_for() {
    let mut client = Client::ready();
    client.open("r.aurora", QUICKSTART);
    client.close_stdin();
    assert_eq!(client.end().code(), Some(1));
    let mut orderly = Client::ready();
    orderly.result("shutdown", Value::Null);
    orderly.close_stdin();
    assert_eq!(orderly.end().code(), Some(0));
    let mut half = Client::ready();
    half.write(b"Content-Length: 100\r\n\r\n{\"jsonrpc\"");
    half.close_stdin();
    assert_eq!(half.end().code(), Some(1));
}

#[test]
fn nothing_is_answered_before_initialize() {
    let mut client = Client::start();
    let error = client.error("textDocument/hover", json!({}));
    assert_eq!(error["code"], -32002);
    client.notify("textDocument/didOpen", json!({ "nonsense": 1 }));
    client.result("initialize", json!({ "capabilities": {} }));
    assert_eq!(client.error("initialize", json!({ "capabilities": {} }))["code"], -32600);
}

#[test]
fn what_makes_no_sense_is_refused_and_the_server_goes_on() {
    let mut client = Client::ready();
    assert_eq!(client.error("textDocument/knitting", json!({}))["code"], -32601);
    assert_eq!(client.error("textDocument/hover", json!({ "textDocument": 3 }))["code"], -32602);
    assert_eq!(client.error("textDocument/completion", Value::Null)["code"], -32602);
    for body in ["{", "[1, 2]", "\u{1}", "{\"jsonrpc\":\"2.0\",\"id\":{},\"method\":\"x\"}"] {
        client.write(format!("Content-Length: {}\r\n\r\n{body}", body.len()).as_bytes());
        let answer = client.receive();
        let code = answer["error"]["code"].as_i64();
        assert!(matches!(code, Some(-32700 | -32600)), "{body}: {answer}");
        assert_eq!(answer["id"], Value::Null);
    }
    let deep = "[".repeat(200_000);
    client.write(format!("Content-Length: {}\r\n\r\n{deep}", deep.len()).as_bytes());
    assert_eq!(client.receive()["error"]["code"], -32700);
    client.write(b"Content-Length: 2\r\n\r\n\xff\xfe");
    assert_eq!(client.receive()["error"]["code"], -32700);
    // Notifications that make no sense, or come from nowhere, are passed over.
    client.notify(
        "textDocument/didChange",
        json!({ "textDocument": { "uri": "file:///no", "version": 2 }, "contentChanges": [] }),
    );
    client.notify("textDocument/didChange", json!(7));
    client.notify("$/anything", json!({}));
    client.send(&json!({ "jsonrpc": "2.0", "id": 12345, "result": null }));
    let uri = client.open("r.aurora", QUICKSTART);
    assert_eq!(client.diagnostics(&uri), Vec::<Value>::new());
    // Places outside the text are brought inside.
    let far = json!({ "line": 4_000_000_000_u64, "character": 4_000_000_000_u64 });
    for method in ["textDocument/hover", "textDocument/completion", "textDocument/definition"] {
        client.result(method, json!({ "textDocument": { "uri": uri }, "position": far }));
    }
}

/// A text without a file, as editors have it before it is saved.
#[test]
fn a_text_without_a_file_is_looked_at() {
    let mut client = Client::ready();
    let item = json!({ "uri": "untitled:Untitled-1", "languageId": "aurora", "version": 1,
        "text": QUICKSTART.replacen("mae(refc)", "mae(rafc)", 1) });
    client.notify("textDocument/didOpen", json!({ "textDocument": item }));
    while !client.published.contains_key("untitled:Untitled-1") {
        client.receive();
    }
    assert_eq!(client.published["untitled:Untitled-1"].0[0]["code"], "unknown-name");
}

/// What is wrong with `site.toml` is said in the recipe beside it.
#[test]
fn a_broken_site_is_told_of() {
    let mut client = Client::ready();
    client.place.write("site.toml", "nonsense = 1\n");
    let uri = client.open("r.aurora", QUICKSTART);
    let list = client.diagnostics(&uri);
    assert_eq!(list.len(), 1, "{list:?}");
    assert!(list[0]["message"].as_str().unwrap().contains("nonsense"), "{list:?}");
    client.place.write("site.toml", "threads = 2\n");
    client.notify("textDocument/didSave", json!({ "textDocument": { "uri": uri } }));
    assert_eq!(client.diagnostics(&uri), Vec::<Value>::new());
}
