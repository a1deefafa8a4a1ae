//! A server of this machine that serves files over HTTP/1.1 with ranges, lists them as S3 does, and misbehaves as it is
//! told: one fault for each request that asks for a file whose name ends as told, until none is left.

use std::collections::{BTreeMap, BTreeSet, VecDeque};
use std::io::{BufRead, BufReader, Read, Write};
use std::net::{TcpListener, TcpStream};
use std::ops::Range;
use std::sync::{Arc, Mutex, MutexGuard};
use std::time::Duration;

/// What goes wrong with one answer.
#[derive(Clone, Debug, PartialEq)]
pub enum Fault {
    /// Closed before a word.
    Refused,
    /// Closed within the headers.
    CutHeaders,
    /// The right headers, then so many bytes and the end.
    Cut(usize),
    /// Nothing for so long, then the end.
    Silent(Duration),
    /// A byte now and then, for so many bytes, then the end.
    Drip(Duration, usize),
    Status(u16),
    /// A status with `Retry-After`.
    Later(u16, &'static str),
    /// Fewer bytes than asked for, honestly counted in `Content-Length`, not in `Content-Range`.
    Fewer(usize),
    /// More bytes than asked for, honestly counted.
    More(usize),
    /// `Content-Length` says so much more (or less) than comes.
    Miscounted(i64),
    /// Another `Content-Range`; empty for none at all.
    Misplaced(&'static str),
    /// The bytes of another place of the file, under headers that claim the right one.
    Elsewhere,
    /// The whole file, with 200.
    Whole,
    /// As many bytes as asked for, all wrong.
    Garbage,
    /// What is no HTTP.
    Babble,
    /// `Content-Encoding: gzip`.
    Squeezed,
    /// `Transfer-Encoding: chunked` with a length that is no number.
    BadChunk,
    /// A redirection to the same address.
    Round,
    /// No `Content-Length`, all bytes, then the end.
    Uncounted,
    /// `ETag` and `Last-Modified` that are not text and no date.
    BadTags,
    /// As it should be; the next fault is for the next request.
    None,
}

/// A file that is served.
#[derive(Clone, Debug)]
pub struct Served {
    pub bytes: Vec<u8>,
    pub etag: Option<String>,
}

#[derive(Debug, Default)]
pub struct State {
    pub files: BTreeMap<String, Served>,
    /// For files whose names end so.
    pub faults: Vec<(&'static str, VecDeque<Fault>)>,
    /// What the file with this end becomes after so many more requests for it.
    pub changes: Vec<(&'static str, usize, Served)>,
    /// Method, path and range of each request.
    pub seen: Vec<(String, String, String)>,
    /// Requests under way, and the most there were at a time.
    pub now: usize,
    pub most: usize,
    /// How long each good answer takes.
    pub slow: Duration,
    /// What it answers to PROPFIND: 405 if nothing is said, and a list only to 207.
    pub propfind: Option<u16>,
    /// Whether it shows index pages of folders.
    pub pages: bool,
}

#[derive(Debug)]
pub struct Server {
    pub address: String,
    state: Arc<Mutex<State>>,
}

impl Server {
    pub fn open() -> Server {
        let listener = TcpListener::bind("127.0.0.1:0").expect("a port");
        let address = format!("http://{}", listener.local_addr().expect("an address"));
        let state: Arc<Mutex<State>> = Arc::default();
        let shared = Arc::clone(&state);
        std::thread::spawn(move || {
            for stream in listener.incoming().flatten() {
                let state = Arc::clone(&shared);
                std::thread::spawn(move || drop(converse(&stream, &state)));
            }
        });
        Server { address, state }
    }

    pub fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().expect("whole")
    }

    pub fn put(&self, path: &str, bytes: Vec<u8>) {
        let etag = Some(format!(
            "\"{:x}\"",
            bytes.iter().fold(17u64, |sum, byte| sum.wrapping_mul(31) ^ u64::from(*byte))
        ));
        self.state().files.insert(path.to_string(), Served { bytes, etag });
    }

    pub fn fault(&self, end: &'static str, faults: impl IntoIterator<Item = Fault>) {
        self.state().faults.push((end, faults.into_iter().collect()));
    }

    /// From now on all is well.
    pub fn well(&self) {
        let mut state = self.state();
        state.faults.clear();
        state.changes.clear();
    }

    /// Requests since this was last asked.
    pub fn seen(&self) -> Vec<(String, String, String)> {
        std::mem::take(&mut self.state().seen)
    }
}

struct Request {
    method: String,
    path: String,
    query: String,
    range: String,
}

/// The requests of one connection.
fn converse(stream: &TcpStream, state: &Mutex<State>) -> std::io::Result<()> {
    stream.set_read_timeout(Some(Duration::from_secs(20)))?;
    stream.set_nodelay(true)?;
    let mut reader = BufReader::new(stream.try_clone()?);
    while let Some(request) = read(&mut reader)? {
        let (fault, file, slow) = {
            let mut state = state.lock().expect("whole");
            state.seen.push((request.method.clone(), request.path.clone(), request.range.clone()));
            state.now += 1;
            state.most = state.most.max(state.now);
            let fault = next_fault(&mut state, &request.path);
            change(&mut state, &request.path);
            (fault, state.files.get(&request.path).cloned(), state.slow)
        };
        std::thread::sleep(slow);
        let mut out = stream;
        let stays = match (&file, request.query.contains("list-type=2")) {
            (_, true) => listing(&mut out, state, &request),
            _ if request.method == "PROPFIND" => propfind(&mut out, state, &request, &fault),
            (Some(file), _) => answer(&mut out, file, &request, &fault),
            (None, _) => match index_page(state, &request.path) {
                Some(page) => answer(&mut out, &page, &request, &fault),
                None => plain(&mut out, 404, ""),
            },
        };
        state.lock().expect("whole").now -= 1;
        if !stays? {
            break;
        }
    }
    // A close with unread bytes would be a reset.
    let _ = stream.shutdown(std::net::Shutdown::Write);
    let _ = reader.read(&mut [0; 1]);
    Ok(())
}

fn next_fault(state: &mut State, path: &str) -> Fault {
    let due = state.faults.iter_mut().find(|(end, faults)| path.ends_with(end) && !faults.is_empty());
    due.and_then(|(_, faults)| faults.pop_front()).unwrap_or(Fault::None)
}

fn change(state: &mut State, path: &str) {
    let mut due = Vec::new();
    state.changes.retain_mut(|(end, after, served)| {
        if !path.ends_with(*end) {
            return true;
        }
        if *after == 0 {
            due.push(served.clone());
            return false;
        }
        *after -= 1;
        true
    });
    for served in due {
        state.files.insert(path.to_string(), served);
    }
}

fn read(reader: &mut BufReader<TcpStream>) -> std::io::Result<Option<Request>> {
    let mut line = String::new();
    if reader.read_line(&mut line)? == 0 {
        return Ok(None);
    }
    let mut words = line.split(' ');
    let method = words.next().unwrap_or_default().to_string();
    let address = words.next().unwrap_or_default();
    let (path, query) = address.split_once('?').unwrap_or((address, ""));
    let mut request = Request {
        method,
        path: path.trim_start_matches('/').to_string(),
        query: query.to_string(),
        range: String::new(),
    };
    loop {
        let mut header = String::new();
        if reader.read_line(&mut header)? == 0 || header.trim().is_empty() {
            return Ok(Some(request));
        }
        if let Some((name, value)) = header.split_once(':')
            && name.eq_ignore_ascii_case("range")
        {
            request.range = value.trim().to_string();
        }
    }
}

fn plain(out: &mut &TcpStream, status: u16, headers: &str) -> std::io::Result<bool> {
    write!(out, "HTTP/1.1 {status} Said\r\n{headers}Content-Length: 0\r\n\r\n")?;
    Ok(true)
}

/// `bytes=10-19` of a file; nothing if it has no such bytes.
fn bytes_of(range: &str, length: usize) -> Option<Range<usize>> {
    let (start, last) = range.strip_prefix("bytes=")?.split_once('-')?;
    let start: usize = start.parse().ok()?;
    let end = last.parse().map_or(length, |last: usize| (last + 1).min(length));
    (start < end).then_some(start..end)
}

/// Answers a request for a file; says whether the connection stays.
fn answer(out: &mut &TcpStream, file: &Served, request: &Request, fault: &Fault) -> std::io::Result<bool> {
    match fault {
        Fault::Refused => return Ok(false),
        Fault::CutHeaders => {
            out.write_all(b"HTTP/1.1 206 Partial Content\r\nContent-Le")?;
            return Ok(false);
        }
        Fault::Silent(time) => {
            std::thread::sleep(*time);
            return Ok(false);
        }
        Fault::Status(status) => return plain(out, *status, ""),
        Fault::Later(status, when) => return plain(out, *status, &format!("Retry-After: {when}\r\n")),
        Fault::Babble => {
            out.write_all(b"220 mail.example.test ESMTP ready\r\n\r\n\0\x01\x02")?;
            return Ok(false);
        }
        Fault::Round => return plain(out, 302, &format!("Location: /{}\r\n", request.path)),
        _ => {}
    }
    let length = file.bytes.len();
    let whole = request.range.is_empty() || *fault == Fault::Whole;
    let range = if whole { Some(0..length) } else { bytes_of(&request.range, length) };
    let Some(range) = range else {
        return plain(out, 416, &format!("Content-Range: bytes */{length}\r\n"));
    };
    let mut body = file.bytes[range.clone()].to_vec();
    match fault {
        Fault::Fewer(bytes) => body.truncate(body.len().saturating_sub(*bytes)),
        Fault::More(bytes) => body.resize(body.len() + bytes, b'x'),
        Fault::Garbage => body.iter_mut().for_each(|byte| *byte = !*byte),
        Fault::Elsewhere => body.rotate_left(1),
        _ => {}
    }
    let place = match fault {
        Fault::Misplaced(place) => (*place).to_string(),
        _ => format!("bytes {}-{}/{length}", range.start, range.end - 1),
    };
    let mut headers = match whole {
        true => "HTTP/1.1 200 OK\r\n".to_string(),
        false if place.is_empty() => "HTTP/1.1 206 Partial Content\r\n".to_string(),
        false => format!("HTTP/1.1 206 Partial Content\r\nContent-Range: {place}\r\n"),
    };
    match (fault, &file.etag) {
        (Fault::BadTags, _) => headers.push_str("ETag: \"\u{7f}\u{ff}\"\r\nLast-Modified: yesterday\r\n"),
        (_, Some(etag)) => {
            headers.push_str(&format!("ETag: {etag}\r\nLast-Modified: Fri, 01 Aug 2025 01:00:00 GMT\r\n"));
        }
        _ => {}
    }
    match fault {
        Fault::Miscounted(by) => {
            headers.push_str(&format!("Content-Length: {}\r\n", (body.len() as i64 + by).max(0)));
        }
        Fault::BadChunk => headers.push_str("Transfer-Encoding: chunked\r\n"),
        Fault::Uncounted => headers.push_str("Connection: close\r\n"),
        _ => headers.push_str(&format!("Content-Length: {}\r\n", body.len())),
    }
    if *fault == Fault::Squeezed {
        headers.push_str("Content-Encoding: gzip\r\n");
    }
    write!(out, "{headers}\r\n")?;
    if request.method == "HEAD" {
        return Ok(!matches!(fault, Fault::Cut(_) | Fault::Miscounted(_)));
    }
    send(out, &body, fault)
}

fn send(out: &mut &TcpStream, body: &[u8], fault: &Fault) -> std::io::Result<bool> {
    match fault {
        Fault::Cut(bytes) => {
            out.write_all(&body[..(*bytes).min(body.len())])?;
            Ok(false)
        }
        Fault::Drip(pause, bytes) => {
            for byte in body.iter().take(*bytes) {
                out.write_all(&[*byte])?;
                std::thread::sleep(*pause);
            }
            Ok(false)
        }
        Fault::BadChunk => {
            out.write_all(b"4\r\nGRIB\r\nxyz\r\n")?;
            out.write_all(body)?;
            Ok(false)
        }
        Fault::Miscounted(by) => {
            out.write_all(body)?;
            Ok(*by < 0)
        }
        Fault::Uncounted => {
            out.write_all(body)?;
            Ok(false)
        }
        _ => {
            out.write_all(body)?;
            Ok(true)
        }
    }
}

/// Paths of files below a folder, without the folder.
fn below(state: &Mutex<State>, folder: &str) -> Vec<String> {
    let state = state.lock().expect("whole");
    let files = state.files.keys().filter_map(|path| path.strip_prefix(folder));
    files.filter(|rest| !rest.is_empty()).map(str::to_string).collect()
}

/// The page of a folder, as Apache writes it; nothing if there is none.
fn index_page(state: &Mutex<State>, path: &str) -> Option<Served> {
    let files = below(state, path);
    let shown = state.lock().expect("whole").pages && (path.is_empty() || path.ends_with('/'));
    if !shown || files.is_empty() {
        return None;
    }
    let name = |rest: &String| match rest.split_once('/') {
        Some((folder, _)) => format!("{folder}/"),
        None => rest.clone(),
    };
    let names: BTreeSet<String> = files.iter().map(name).collect();
    let above = path.trim_end_matches('/').rsplit_once('/').map_or("", |(above, _)| above);
    let mut page = format!(
        "<!DOCTYPE HTML PUBLIC \"-//W3C//DTD HTML 3.2 Final//EN\">\n<html>\n <head>\n  <title>Index of /{path}</title>\n \
         </head>\n <body>\n<pre><a href=\"?C=N;O=D\">Name</a> <a href=\"?C=M;O=A\">Last modified</a><hr>\
         <a href=\"/{above}\">Parent Directory</a>       -\n"
    );
    for name in names {
        let address = name.replace('%', "%25").replace('+', "%2B");
        page.push_str(&format!("<a href=\"{address}\">{name}</a>  2025-08-01 01:00  -\n"));
    }
    page.push_str("<hr></pre>\n</body></html>\n");
    Some(Served { bytes: page.into_bytes(), etag: None })
}

/// A list by WebDAV, of all below a folder; or how it is refused.
fn propfind(
    out: &mut &TcpStream,
    state: &Mutex<State>,
    request: &Request,
    fault: &Fault,
) -> std::io::Result<bool> {
    let status = match fault {
        Fault::Status(status) => *status,
        _ => state.lock().expect("whole").propfind.unwrap_or(405),
    };
    let folder = format!("{}/", request.path.trim_end_matches('/'));
    let files = below(state, &folder);
    match status {
        200 => return sent(out, "<html><body>Welcome! <a href=\"/login\">Sign in</a></body></html>"),
        207 if files.is_empty() => return plain(out, 404, ""),
        207 => {}
        other => return plain(out, other, ""),
    }
    let mut folders = BTreeSet::from([folder.clone()]);
    let mut xml = "<?xml version=\"1.0\"?><D:multistatus xmlns:D=\"DAV:\">".to_string();
    let response = |path: &str, what: &str| {
        format!(
            "<D:response><D:href>/{path}</D:href><D:propstat><D:prop>\
             <D:getlastmodified>Fri, 01 Aug 2025 01:00:00 GMT</D:getlastmodified>{what}</D:prop>\
             <D:status>HTTP/1.1 200 OK</D:status></D:propstat></D:response>"
        )
    };
    for file in files {
        let parts: Vec<&str> = file.split('/').collect();
        folders.extend((1..parts.len()).map(|depth| format!("{folder}{}/", parts[..depth].join("/"))));
        let length = state.lock().expect("whole").files[&format!("{folder}{file}")].bytes.len();
        let what =
            format!("<D:getcontentlength>{length}</D:getcontentlength><D:resourcetype></D:resourcetype>");
        xml.push_str(&response(&format!("{folder}{file}"), &what));
    }
    for folder in folders {
        xml.push_str(&response(&folder, "<D:resourcetype><D:collection/></D:resourcetype>"));
    }
    xml.push_str("</D:multistatus>");
    let body = xml.len();
    write!(
        out,
        "HTTP/1.1 207 Multi-Status\r\nContent-Type: application/xml\r\nContent-Length: {body}\r\n\r\n{xml}"
    )?;
    Ok(true)
}

/// A listing as S3 gives it, two files at a time.
fn listing(out: &mut &TcpStream, state: &Mutex<State>, request: &Request) -> std::io::Result<bool> {
    let of = |name: &str| {
        let found = request.query.split('&').find_map(|pair| pair.strip_prefix(&format!("{name}=")));
        found.map(|value| value.replace("%2F", "/")).unwrap_or_default()
    };
    let (prefix, token) = (of("prefix"), of("continuation-token"));
    let bucket = format!("{}/", request.path);
    let all: Vec<(String, usize)> = {
        let state = state.lock().expect("whole");
        let keys = state
            .files
            .iter()
            .filter_map(|(path, file)| Some((path.strip_prefix(&bucket)?.to_string(), file.bytes.len())));
        keys.filter(|(key, _)| key.starts_with(&prefix) && (token.is_empty() || *key > token)).collect()
    };
    let mut xml = "<?xml version=\"1.0\"?><ListBucketResult>".to_string();
    if !of("delimiter").is_empty() {
        // All at once: what is below a folder counts as one.
        let folder = |key: &str| Some(format!("{prefix}{}/", key.strip_prefix(&prefix)?.split_once('/')?.0));
        let folders: BTreeSet<String> = all.iter().filter_map(|(key, _)| folder(key)).collect();
        for folder in folders {
            xml.push_str(&format!("<CommonPrefixes><Prefix>{folder}</Prefix></CommonPrefixes>"));
        }
        xml.push_str("</ListBucketResult>");
        return sent(out, &xml);
    }
    for (key, length) in all.iter().take(2) {
        xml.push_str(&format!(
            "<Contents><Key>{key}</Key><LastModified>2025-08-01T01:00:00.000Z</LastModified><ETag>\"1\"</ETag>\
             <Size>{length}</Size></Contents>"
        ));
    }
    if all.len() > 2 {
        xml.push_str(&format!(
            "<IsTruncated>true</IsTruncated><NextContinuationToken>{}</NextContinuationToken>",
            all[1].0
        ));
    }
    xml.push_str("</ListBucketResult>");
    sent(out, &xml)
}

fn sent(out: &mut &TcpStream, xml: &str) -> std::io::Result<bool> {
    write!(
        out,
        "HTTP/1.1 200 OK\r\nContent-Type: application/xml\r\nContent-Length: {}\r\n\r\n{xml}",
        xml.len()
    )?;
    Ok(true)
}
