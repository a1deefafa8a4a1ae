//! The life of the server: what comes is put in order, texts are kept and looked at, requests are answered.

use std::collections::{BTreeMap, VecDeque};
use std::io::Write;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::path::{Path, PathBuf};
use std::rc::Rc;
use std::sync::mpsc::{Receiver, TryRecvError};

use aurora_compiler::editor::{self, Analysis};
use lsp_server::{ErrorCode, Message, Notification, Request, RequestId};
use lsp_types::{
    DidChangeTextDocumentParams, DidCloseTextDocumentParams, DidOpenTextDocumentParams, InitializeParams,
    PositionEncodingKind,
};
use serde::de::DeserializeOwned;
use serde_json::{Value, json};

use super::documents::{Archives, Desk, Document, Documents, LARGEST};
use super::frame::{self, Incoming, refusal};
use super::position::{Encoding, change};
use super::publish::Board;
use super::{address, answer};
use crate::site::Site;

/// How far the conversation has come.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Stage {
    /// `initialize` has not come.
    Before,
    Running,
    /// `shutdown` has come.
    After,
}

/// A server and all it knows.
pub struct Server {
    to: Box<dyn Write>,
    stage: Stage,
    /// What has come and has not been worked on.
    queue: VecDeque<Incoming>,
    pub documents: Documents,
    pub encoding: Encoding,
    board: Board,
    /// `site.toml` by folder, or what is wrong with it.
    sites: BTreeMap<PathBuf, Rc<(Site, Option<String>)>>,
    archives: Archives,
    /// The client tells of files that change on disk, if it is asked to.
    watches: bool,
    asked: i32,
}

/// Why a request has no result.
#[derive(Debug)]
pub struct Refused {
    pub code: ErrorCode,
    pub message: String,
}

impl Refused {
    pub fn because(message: impl Into<String>) -> Refused {
        Refused { code: ErrorCode::RequestFailed, message: message.into() }
    }
}

impl Server {
    pub fn new(to: Box<dyn Write>) -> Server {
        Server {
            to,
            stage: Stage::Before,
            queue: VecDeque::new(),
            documents: Documents::default(),
            encoding: Encoding::default(),
            board: Board::default(),
            sites: BTreeMap::new(),
            archives: Archives::default(),
            watches: false,
            asked: 0,
        }
    }

    /// Serves to the end; says whether that came in order.
    pub fn serve(mut self, from: &Receiver<Incoming>) -> bool {
        loop {
            let incoming = match from.try_recv() {
                Ok(incoming) => {
                    self.arrive(incoming);
                    continue;
                }
                Err(empty) => match self.queue.pop_front() {
                    Some(incoming) => incoming,
                    // Only when there is nothing else to do are texts looked at.
                    None if self.look() => continue,
                    None if empty == TryRecvError::Disconnected => break,
                    None => match from.recv() {
                        Ok(incoming) => {
                            self.arrive(incoming);
                            continue;
                        }
                        Err(_) => break,
                    },
                },
            };
            match incoming {
                Incoming::End => break,
                Incoming::Malformed(answer) => self.send(&answer),
                Incoming::Message(Message::Request(request)) => self.request(request),
                Incoming::Message(Message::Response(_)) => {}
                Incoming::Message(Message::Notification(notification)) if notification.method == "exit" => {
                    break;
                }
                Incoming::Message(Message::Notification(notification)) => self.notification(notification),
            }
        }
        self.stage == Stage::After
    }

    /// Puts what came behind the rest; a request that it cancels is answered and forgotten.
    fn arrive(&mut self, incoming: Incoming) {
        if let Incoming::Message(Message::Notification(Notification { method, params })) = &incoming
            && method == "$/cancelRequest"
        {
            let id = params.get("id").and_then(|id| serde_json::from_value::<RequestId>(id.clone()).ok());
            let is = |other: &Incoming| match other {
                Incoming::Message(Message::Request(request)) => Some(&request.id) == id.as_ref(),
                _ => false,
            };
            if let Some(at) = self.queue.iter().position(is)
                && let Some(Incoming::Message(Message::Request(request))) = self.queue.remove(at)
            {
                self.refuse(&request.id, ErrorCode::RequestCanceled, "cancelled");
            }
            return;
        }
        self.queue.push_back(incoming);
    }

    // ---- out ---------------------------------------------------------------

    /// A client that has gone away is found out by the end of its stream.
    fn send(&mut self, message: &Value) {
        let _ = frame::write(&mut self.to, message);
    }

    fn refuse(&mut self, id: &RequestId, code: ErrorCode, message: &str) {
        self.send(&refusal(json!(id), code, message));
    }

    fn notify(&mut self, method: &str, params: &Value) {
        self.send(&json!({ "jsonrpc": "2.0", "method": method, "params": params }));
    }

    /// Asks the client for something; nobody waits for its answer.
    pub fn ask(&mut self, method: &str, params: &Value) {
        self.asked += 1;
        let id = format!("aurorac-{}", self.asked);
        self.send(&json!({ "jsonrpc": "2.0", "id": id, "method": method, "params": params }));
    }

    // ---- requests ----------------------------------------------------------

    fn request(&mut self, request: Request) {
        let Request { id, method, params } = request;
        match (self.stage, method.as_str()) {
            (Stage::Before, "initialize") => match params_of::<InitializeParams>(params) {
                Ok(params) => {
                    let result = self.initialize(&params);
                    self.stage = Stage::Running;
                    self.send(&json!({ "jsonrpc": "2.0", "id": id, "result": result }));
                }
                Err(refused) => self.refuse(&id, refused.code, &refused.message),
            },
            (Stage::Before, _) => {
                self.refuse(&id, ErrorCode::ServerNotInitialized, "`initialize` comes first");
            }
            (Stage::After, _) => self.refuse(&id, ErrorCode::InvalidRequest, "the server was shut down"),
            (Stage::Running, "initialize") => {
                self.refuse(&id, ErrorCode::InvalidRequest, "`initialize` comes once");
            }
            (Stage::Running, "shutdown") => {
                self.stage = Stage::After;
                self.send(&json!({ "jsonrpc": "2.0", "id": id, "result": null }));
            }
            (Stage::Running, _) if self.is_outdated(&params) => {
                self.refuse(&id, ErrorCode::ContentModified, "the text has changed since");
            }
            (Stage::Running, method) => {
                let result = catch_unwind(AssertUnwindSafe(|| answer::answer(self, method, params)));
                match result {
                    Ok(Ok(result)) => self.send(&json!({ "jsonrpc": "2.0", "id": id, "result": result })),
                    Ok(Err(refused)) => self.refuse(&id, refused.code, &refused.message),
                    Err(_) => self.refuse(&id, ErrorCode::InternalError, "the server made a mistake"),
                }
            }
        }
    }

    /// Whether the text that a request speaks of is about to change.
    fn is_outdated(&self, params: &Value) -> bool {
        let uri = |params: &Value| params.pointer("/textDocument/uri").cloned();
        let Some(mine) = uri(params) else { return false };
        self.queue.iter().any(|incoming| match incoming {
            Incoming::Message(Message::Notification(n)) => {
                n.method == "textDocument/didChange" && uri(&n.params).as_ref() == Some(&mine)
            }
            _ => false,
        })
    }

    fn initialize(&mut self, params: &InitializeParams) -> Value {
        let general = params.capabilities.general.as_ref();
        let offered = general.and_then(|general| general.position_encodings.as_ref());
        if offered.is_some_and(|kinds| kinds.contains(&PositionEncodingKind::UTF8)) {
            self.encoding = Encoding::Utf8;
        }
        let workspace = params.capabilities.workspace.as_ref();
        let watched = workspace.and_then(|workspace| workspace.did_change_watched_files.as_ref());
        self.watches = watched.and_then(|watched| watched.dynamic_registration) == Some(true);
        json!({
            "capabilities": answer::capabilities(self.encoding),
            "serverInfo": { "name": "aurorac", "version": env!("CARGO_PKG_VERSION") },
        })
    }

    // ---- notifications -----------------------------------------------------

    /// What cannot be read of a notification is passed over: there is nobody to tell.
    fn notification(&mut self, notification: Notification) {
        if self.stage != Stage::Running {
            return;
        }
        let Notification { method, params } = notification;
        match method.as_str() {
            "initialized" if self.watches => {
                let watchers =
                    ["**/*.aurora", "**/site.toml"].map(|pattern| json!({ "globPattern": pattern }));
                let register = json!({ "registrations": [{
                    "id": "files",
                    "method": "workspace/didChangeWatchedFiles",
                    "registerOptions": { "watchers": watchers },
                }] });
                self.ask("client/registerCapability", &register);
            }
            "textDocument/didOpen" => {
                if let Ok(params) = params_of::<DidOpenTextDocumentParams>(params) {
                    let item = params.text_document;
                    let document = Document {
                        uri: item.uri.as_str().to_string(),
                        version: item.version,
                        text: item.text,
                        analysis: None,
                    };
                    self.documents.open(document);
                    self.world_changed();
                }
            }
            "textDocument/didChange" => {
                if let Ok(params) = params_of::<DidChangeTextDocumentParams>(params) {
                    self.changed(params);
                }
            }
            "textDocument/didClose" => {
                if let Ok(params) = params_of::<DidCloseTextDocumentParams>(params) {
                    let name = Documents::name(params.text_document.uri.as_str());
                    self.documents.close(&name);
                    self.publish(&name);
                    self.world_changed();
                }
            }
            "textDocument/didSave" | "workspace/didChangeWatchedFiles" => self.world_changed(),
            _ => {}
        }
    }

    fn changed(&mut self, params: DidChangeTextDocumentParams) {
        let name = Documents::name(params.text_document.uri.as_str());
        let encoding = self.encoding;
        let Some(document) = self.documents.get_mut(&name) else { return };
        document.version = params.text_document.version;
        for one in params.content_changes {
            change(&mut document.text, one.range, &one.text, encoding);
        }
        self.documents.touch(&name);
    }

    /// Something on disk, or the set of open texts, is another: all is looked at anew.
    fn world_changed(&mut self) {
        self.sites.clear();
        self.archives.borrow_mut().clear();
        self.documents.touch_all();
    }

    // ---- texts -------------------------------------------------------------

    /// Looks at one text that has changed and publishes what is found; false if there is none.
    fn look(&mut self) -> bool {
        let Some(name) = self.documents.stale() else { return false };
        self.analysis(&name);
        true
    }

    /// What is known of an open text, looked at now if it has changed.
    pub fn analysis(&mut self, name: &str) -> Option<&Analysis> {
        if self.documents.get(name)?.analysis.is_none() {
            let text = self.documents.get(name)?.text.clone();
            let analysis = self.examine(name, &text);
            if let Some(document) = self.documents.get_mut(name) {
                document.analysis = Some(analysis);
            }
            self.publish(name);
        }
        self.documents.get(name)?.analysis.as_ref()
    }

    /// Looks at a text, open or not.
    pub fn examine(&mut self, name: &str, text: &str) -> Analysis {
        let path = Path::new(name);
        let folder = path.parent().map(Path::to_path_buf).unwrap_or_default();
        let site = self.site(path, &folder);
        let desk = Desk { machine: &site.0, folder, documents: &self.documents, archives: &self.archives };
        let text = if text.len() > LARGEST { "" } else { text };
        let look = |text: &str| editor::analyse(name, text, &desk);
        // The compiler does not panic; if it ever should, an editor must not lose its server.
        catch_unwind(AssertUnwindSafe(|| look(text))).unwrap_or_else(|_| look(""))
    }

    fn site(&mut self, path: &Path, folder: &Path) -> Rc<(Site, Option<String>)> {
        let found = self.sites.entry(folder.to_path_buf()).or_insert_with(|| {
            let recipe = path.is_absolute().then_some(path);
            Rc::new(match Site::find(recipe) {
                Ok(site) => (site, None),
                Err(reason) => (Site::default(), Some(reason)),
            })
        });
        Rc::clone(found)
    }

    /// Tells the client what is wrong with a text, or that it was closed.
    fn publish(&mut self, name: &str) {
        let path = Path::new(name);
        let folder = path.parent().map(Path::to_path_buf).unwrap_or_default();
        let site = self.site(path, &folder);
        let trouble = site.1.clone();
        let unopened = site.0.unopened();
        let changed = self.board.update(&self.documents, name, self.encoding, trouble, unopened);
        for uri in changed {
            let open = self.documents.get(&Documents::name(&uri));
            let mut params = json!({ "uri": uri, "diagnostics": self.board.all(&uri) });
            if let (Some(open), Some(fields)) = (open, params.as_object_mut()) {
                fields.insert("version".to_string(), json!(open.version));
            }
            self.notify("textDocument/publishDiagnostics", &params);
        }
    }
}

/// The parameters of a request.
pub fn params_of<T: DeserializeOwned>(params: Value) -> Result<T, Refused> {
    serde_json::from_value(params).map_err(|error| Refused {
        code: ErrorCode::InvalidParams,
        message: format!("wrong parameters: {error}"),
    })
}

/// Names of open texts are paths or addresses; only paths have files.
pub fn is_file(name: &str) -> bool {
    address::path_of(&address::uri_of(Path::new(name)))
        .is_some_and(|path| path == Path::new(name) && path.is_absolute())
}
