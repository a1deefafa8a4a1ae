//! An editor, as far as the protocol sees it.

use std::collections::BTreeMap;
use std::io::{BufRead, BufReader, Read, Write};
use std::process::{Child, ChildStdin, ExitStatus, Stdio};
use std::sync::mpsc::{Receiver, channel};
use std::time::{Duration, Instant};

use aurora_tests::Place;
use serde_json::{Value, json};

/// No answer takes longer, unless it never comes.
const LIMIT: Duration = Duration::from_secs(60);

/// A recipe with everything an editor is asked about.
pub const QUICKSTART: &str = include_str!("../../../recipes/quickstart.aurora");

/// A client with a server of its own.
pub struct Client {
    child: Child,
    stdin: Option<ChildStdin>,
    incoming: Receiver<Value>,
    pub place: Place,
    next: i64,
    /// The newest diagnostics of each address, and how often they were published.
    pub published: BTreeMap<String, (Vec<Value>, usize)>,
    versions: BTreeMap<String, i64>,
}

impl Client {
    /// A server that has not been greeted.
    pub fn start() -> Client {
        let place = Place::empty();
        let mut command = place.command(&["lsp"]);
        command.env("XDG_CACHE_HOME", place.path("cache")).env("HOME", place.path("home"));
        command.stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::piped());
        let mut child = command.spawn().expect("the server starts");
        let stdin = child.stdin.take();
        let stdout = child.stdout.take().expect("a pipe");
        let (sender, incoming) = channel();
        std::thread::spawn(move || {
            let mut from = BufReader::new(stdout);
            while let Some(message) = read(&mut from) {
                if sender.send(message).is_err() {
                    break;
                }
            }
        });
        Client {
            child,
            stdin,
            incoming,
            place,
            next: 0,
            published: BTreeMap::new(),
            versions: BTreeMap::new(),
        }
    }

    /// A server that has been greeted.
    pub fn ready() -> Client {
        Client::greeted(json!({}))
    }

    pub fn greeted(capabilities: Value) -> Client {
        let mut client = Client::start();
        let params = json!({ "processId": null, "rootUri": null, "capabilities": capabilities });
        let result = client.ask("initialize", params);
        assert!(result["result"]["capabilities"]["hoverProvider"].as_bool() == Some(true), "{result}");
        client.notify("initialized", json!({}));
        client
    }

    // ---- messages ------------------------------------------------------------

    pub fn write(&mut self, bytes: &[u8]) {
        let stdin = self.stdin.as_mut().expect("open");
        stdin.write_all(bytes).and_then(|()| stdin.flush()).expect("the server reads");
    }

    pub fn send(&mut self, message: &Value) {
        let text = message.to_string();
        self.write(format!("Content-Length: {}\r\n\r\n{text}", text.len()).as_bytes());
    }

    pub fn notify(&mut self, method: &str, params: Value) {
        self.send(&json!({ "jsonrpc": "2.0", "method": method, "params": params }));
    }

    /// Sends a request and gives its id.
    pub fn request(&mut self, method: &str, params: Value) -> i64 {
        self.next += 1;
        let id = self.next;
        self.send(&json!({ "jsonrpc": "2.0", "id": id, "method": method, "params": params }));
        id
    }

    /// The next message; diagnostics are kept as well as given.
    pub fn receive(&mut self) -> Value {
        let message = self.incoming.recv_timeout(LIMIT).expect("an answer in time");
        if message["method"] == "textDocument/publishDiagnostics" {
            let uri = message["params"]["uri"].as_str().expect("an address").to_string();
            let list = message["params"]["diagnostics"].as_array().expect("a list").clone();
            let entry = self.published.entry(uri).or_default();
            *entry = (list, entry.1 + 1);
        }
        message
    }

    /// The whole response to a request.
    pub fn response(&mut self, id: i64) -> Value {
        loop {
            let message = self.receive();
            if message["id"] == json!(id) && message.get("method").is_none() {
                return message;
            }
        }
    }

    pub fn ask(&mut self, method: &str, params: Value) -> Value {
        let id = self.request(method, params);
        self.response(id)
    }

    /// The result of a request that must succeed.
    pub fn result(&mut self, method: &str, params: Value) -> Value {
        let response = self.ask(method, params);
        assert!(response.get("error").is_none(), "{method}: {response}");
        response["result"].clone()
    }

    /// The error of a request that must fail.
    pub fn error(&mut self, method: &str, params: Value) -> Value {
        let response = self.ask(method, params);
        assert!(response.get("error").is_some(), "{method}: {response}");
        response["error"].clone()
    }

    // ---- texts ---------------------------------------------------------------

    pub fn uri(&self, name: &str) -> String {
        format!("file://{}", self.place.path(name).display())
    }

    /// Opens a text that need not be on disk.
    pub fn open(&mut self, name: &str, text: &str) -> String {
        let uri = self.uri(name);
        self.versions.insert(uri.clone(), 1);
        let item = json!({ "uri": uri, "languageId": "aurora", "version": 1, "text": text });
        self.notify("textDocument/didOpen", json!({ "textDocument": item }));
        uri
    }

    /// Changes an open text; a change without `range` is the whole.
    pub fn change(&mut self, uri: &str, changes: Value) {
        let version = self.versions.entry(uri.to_string()).or_default();
        *version += 1;
        let document = json!({ "uri": uri, "version": *version });
        self.notify("textDocument/didChange", json!({ "textDocument": document, "contentChanges": changes }));
    }

    /// The diagnostics of the newest version of a text.
    pub fn diagnostics(&mut self, uri: &str) -> Vec<Value> {
        let version = self.versions.get(uri).copied();
        let began = Instant::now();
        loop {
            assert!(began.elapsed() < LIMIT, "no diagnostics of {uri}");
            let message = self.receive();
            let params = &message["params"];
            if message["method"] == "textDocument/publishDiagnostics"
                && params["uri"] == uri
                && params["version"].as_i64() == version
            {
                return params["diagnostics"].as_array().expect("a list").clone();
            }
        }
    }

    /// `TextDocumentPositionParams` of a place in a text: where `needle` begins, and `ahead` characters on.
    pub fn at(&self, uri: &str, text: &str, needle: &str, ahead: usize) -> Value {
        json!({ "textDocument": { "uri": uri }, "position": position(text, find(text, needle) + ahead) })
    }

    // ---- end -----------------------------------------------------------------

    pub fn close_stdin(&mut self) {
        self.stdin = None;
    }

    /// Waits for the end; nothing may have been said on stderr.
    pub fn end(mut self) -> ExitStatus {
        let began = Instant::now();
        let status = loop {
            if let Some(status) = self.child.try_wait().expect("its state") {
                break status;
            }
            assert!(began.elapsed() < LIMIT, "the server does not end");
            std::thread::sleep(Duration::from_millis(2));
        };
        let mut said = String::new();
        self.child.stderr.take().expect("a pipe").read_to_string(&mut said).expect("text");
        assert_eq!(said, "");
        status
    }
}

impl Drop for Client {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

fn read(from: &mut impl BufRead) -> Option<Value> {
    let mut length = 0;
    loop {
        let mut line = String::new();
        if from.read_line(&mut line).ok()? == 0 {
            return None;
        }
        match line.trim().strip_prefix("Content-Length: ") {
            Some(number) => length = number.parse().ok()?,
            None if line.trim().is_empty() => break,
            None => {}
        }
    }
    let mut bytes = vec![0; length];
    from.read_exact(&mut bytes).ok()?;
    serde_json::from_slice(&bytes).ok()
}

/// The byte where `needle` begins.
#[track_caller]
pub fn find(text: &str, needle: &str) -> usize {
    text.find(needle).unwrap_or_else(|| panic!("{needle} is not there"))
}

/// Line and UTF-16 column of a byte.
pub fn position(text: &str, byte: usize) -> Value {
    let before = &text[..byte];
    let line = before.matches('\n').count();
    let column: usize = before.rsplit('\n').next().unwrap_or("").chars().map(char::len_utf16).sum();
    json!({ "line": line, "character": column })
}

/// The range of the first `needle`.
#[track_caller]
pub fn range(text: &str, needle: &str) -> Value {
    let start = find(text, needle);
    json!({ "start": position(text, start), "end": position(text, start + needle.len()) })
}

/// The byte of a position.
pub fn byte(text: &str, position: &Value) -> usize {
    let (line, column) = (position["line"].as_u64().unwrap(), position["character"].as_u64().unwrap());
    let start: usize = text.split_inclusive('\n').take(line as usize).map(str::len).sum();
    let mut units = 0;
    for (at, c) in text[start..].char_indices() {
        if units >= column {
            return start + at;
        }
        units += c.len_utf16() as u64;
    }
    text.len()
}

/// A text after the edits that a `WorkspaceEdit` has for it.
pub fn edited(text: &str, edit: &Value, uri: &str) -> String {
    let list = edit["changes"][uri].as_array().unwrap_or_else(|| panic!("no edits of {uri}: {edit}"));
    applied(text, list)
}

/// A text after `TextEdit`s.
pub fn applied(text: &str, list: &[Value]) -> String {
    let mut edits: Vec<(usize, usize, &str)> = list
        .iter()
        .map(|e| {
            let new = e["newText"].as_str().unwrap();
            (byte(text, &e["range"]["start"]), byte(text, &e["range"]["end"]), new)
        })
        .collect();
    edits.sort();
    let mut text = text.to_string();
    for (start, end, new) in edits.into_iter().rev() {
        text.replace_range(start..end, new);
    }
    text
}
