//! Messages on a stream: `Content-Length: N`, an empty line, N bytes of JSON. What is malformed becomes an answer,
//! never an end.

use std::io::{self, BufRead, Read, Write};

use lsp_server::{ErrorCode, Message};
use serde_json::{Value, json};

/// A message of more bytes is passed over.
const LARGEST: u64 = 64 << 20;
/// A header line of more bytes is none.
const LONGEST_HEADER: u64 = 4096;

/// What came.
#[derive(Debug)]
pub enum Incoming {
    Message(Message),
    /// Something that is no message, and the answer to it.
    Malformed(Value),
    /// The stream has ended.
    End,
}

/// Reads the next message.
pub fn read(from: &mut impl BufRead) -> Incoming {
    match body(from) {
        Ok(Some(Ok(bytes))) => parse(&bytes),
        Ok(Some(Err(reason))) => Incoming::Malformed(refusal(Value::Null, ErrorCode::ParseError, &reason)),
        Ok(None) | Err(_) => Incoming::End,
    }
}

fn parse(bytes: &[u8]) -> Incoming {
    let value: Value = match serde_json::from_slice(bytes) {
        Ok(value) => value,
        Err(error) => {
            let message = format!("this is no JSON: {error}");
            return Incoming::Malformed(refusal(Value::Null, ErrorCode::ParseError, &message));
        }
    };
    // A list could be taken for the fields of a message in turn.
    let is_object = value.is_object();
    // A method with an id is a request, whatever the id; were it taken for a notification, nobody would answer.
    let asks = value.get("method").is_some() && value.get("id").is_some();
    let id = value.get("id").filter(|id| id.is_string() || id.is_number()).cloned().unwrap_or(Value::Null);
    match serde_json::from_value(value) {
        Ok(message) if is_object && (!asks || matches!(message, Message::Request(_))) => {
            Incoming::Message(message)
        }
        _ => {
            let message = "this is neither a request nor a notification nor a response";
            Incoming::Malformed(refusal(id, ErrorCode::InvalidRequest, message))
        }
    }
}

/// An error response.
pub fn refusal(id: Value, code: ErrorCode, message: &str) -> Value {
    json!({ "jsonrpc": "2.0", "id": id, "error": { "code": code as i32, "message": message } })
}

/// The bytes of the next message, or why they are not read; nothing at the end of the stream.
fn body(from: &mut impl BufRead) -> io::Result<Option<Result<Vec<u8>, String>>> {
    let mut length: Option<u64> = None;
    loop {
        let mut line = Vec::new();
        if from.by_ref().take(LONGEST_HEADER).read_until(b'\n', &mut line)? == 0 {
            return Ok(None);
        }
        let line = String::from_utf8_lossy(&line);
        let line = line.trim();
        if line.is_empty() {
            if length.is_some() {
                break;
            }
            continue; // blank lines between messages
        }
        if let Some((name, value)) = line.split_once(':')
            && name.trim().eq_ignore_ascii_case("content-length")
        {
            length = value.trim().parse().ok();
            if length.is_none() {
                return Ok(Some(Err(format!("`{}` is no length", value.trim()))));
            }
        }
    }
    let length = length.unwrap_or(0);
    if length > LARGEST {
        io::copy(&mut from.take(length), &mut io::sink())?;
        return Ok(Some(Err(format!("a message has at most {LARGEST} bytes"))));
    }
    let mut bytes = Vec::new();
    if from.take(length).read_to_end(&mut bytes)? < length as usize {
        return Ok(None);
    }
    Ok(Some(Ok(bytes)))
}

/// Writes a message.
///
/// # Errors
/// When nobody reads any more.
pub fn write(to: &mut impl Write, message: &Value) -> io::Result<()> {
    let text = message.to_string();
    write!(to, "Content-Length: {}\r\n\r\n{text}", text.len())?;
    to.flush()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_malformed_is_answered_and_the_rest_is_read() {
        let good = r#"{"jsonrpc":"2.0","id":1,"method":"shutdown"}"#;
        let framed = |text: &str| format!("Content-Length: {}\r\n\r\n{text}", text.len());
        let deep = "[".repeat(100_000);
        let stream = [
            framed("{"),
            framed("[]"),
            framed("[1, 2]"),
            framed(r#"{"id":{},"method":"x"}"#),
            framed(r#"{"id":7}"#),
            framed(&deep),
            "Content-Length: many\r\n\r\n".to_string(),
            "Nonsense\r\n\r\n".to_string(),
            framed(good),
            "Content-Length: 5\r\n\r\n{".to_string(),
        ]
        .concat();
        let mut from = stream.as_bytes();
        let (mut codes, mut requests) = (Vec::new(), Vec::new());
        loop {
            match read(&mut from) {
                Incoming::Malformed(answer) => codes.push(answer["error"]["code"].as_i64()),
                // `{"id":7}` is a response without a result.
                Incoming::Message(Message::Response(response)) => assert_eq!(response.id, 7.into()),
                Incoming::Message(Message::Request(request)) => requests.push(request.method),
                Incoming::Message(other) => panic!("{other:?}"),
                Incoming::End => break,
            }
        }
        assert_eq!(requests, ["shutdown"]);
        assert!(codes.len() >= 6, "{codes:?}");
        assert!(codes.iter().all(|code| matches!(code, Some(-32700 | -32600))), "{codes:?}");
    }

    #[test]
    fn what_is_written_is_read() {
        let mut bytes = Vec::new();
        write(&mut bytes, &json!({ "jsonrpc": "2.0", "method": "x", "params": { "text": "°🌩" } })).unwrap();
        let Incoming::Message(Message::Notification(read)) = read(&mut bytes.as_slice()) else { panic!() };
        assert_eq!(read.params["text"], "°🌩");
    }
}
