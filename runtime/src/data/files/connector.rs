//! What is watched on each answer before `object_store` reads it: statuses, `Retry-After`, servers that ignore `Range`.

use std::fmt;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant};

use async_trait::async_trait;
use jiff::Timestamp;
use jiff::fmt::rfc2822::DateTimeParser;
use object_store::client::{
    HttpClient, HttpConnector, HttpError, HttpErrorKind, HttpRequest, HttpResponse, HttpService,
    ReqwestConnector,
};
use object_store::{ClientOptions, HeaderMap};

/// The longest that a server's wish to be left alone is followed before it is tried again.
const LONGEST_PAUSE: Duration = Duration::from_secs(60);

/// An answer that brings nothing.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Refusal {
    /// A status other than those of success, "not there" and "beyond the end".
    Status(u16),
    /// Such an answer, or any other but a list, where a list of a folder was asked for by WebDAV.
    NoList(u16),
    /// The whole file came where some bytes were asked for.
    WholeFile,
    /// The bytes that came are not the bytes of the file: they are compressed, or numbered beyond reason.
    Unusable,
}

impl fmt::Display for Refusal {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Refusal::Status(status) => {
                write!(out, "the server answers {status}{}", meaning(*status))
            }
            Refusal::NoList(status) => write!(out, "the server answers {status} to PROPFIND (WebDAV)"),
            Refusal::WholeFile => out.write_str("the server sends whole files only (it ignores `Range`)"),
            Refusal::Unusable => out.write_str("the server's answer contradicts itself"),
        }
    }
}

impl std::error::Error for Refusal {}

/// Whether trouble of this kind passes.
pub fn passes(status: u16) -> bool {
    matches!(status, 408 | 425 | 429 | 500..=599) && !matches!(status, 501 | 505)
}

fn meaning(status: u16) -> &'static str {
    match status {
        301 | 302 | 307 | 308 => ": the files have moved, or the region is not that of the bucket",
        401 | 403 => {
            ": it does not let us read this (credentials come from the usual variables, such as AWS_ACCESS_KEY_ID)"
        }
        405 | 501 => ": it does not do that",
        408 => ": it waited too long for the request",
        416 => ": the file has no such bytes",
        429 => ": too many requests (fewer `connections` may help)",
        500..=599 => ": it has trouble of its own",
        _ => "",
    }
}

/// When a server wants to be asked again.
#[derive(Clone, Debug, Default)]
pub struct Pause(Arc<Mutex<Option<Instant>>>);

impl Pause {
    /// How long to wait from now on.
    pub fn left(&self) -> Duration {
        let until = *self.0.lock().unwrap_or_else(PoisonError::into_inner);
        until.map_or(Duration::ZERO, |until| until.saturating_duration_since(Instant::now()))
    }

    fn note(&self, headers: &HeaderMap) {
        let Some(said) = headers.get("retry-after").and_then(|value| value.to_str().ok()) else { return };
        let wait = wait(said, Timestamp::now()).min(LONGEST_PAUSE);
        *self.0.lock().unwrap_or_else(PoisonError::into_inner) = Some(Instant::now() + wait);
    }
}

/// `Retry-After`: seconds, or a date.
fn wait(said: &str, now: Timestamp) -> Duration {
    if let Ok(seconds) = said.trim().parse::<u64>() {
        return Duration::from_secs(seconds);
    }
    let date = DateTimeParser::new().parse_timestamp(said.trim()).ok();
    let seconds = date.map_or(0, |date| date.as_second() - now.as_second());
    Duration::from_secs(u64::try_from(seconds).unwrap_or(0))
}

/// Makes the clients of one place.
#[derive(Debug)]
pub struct Connector {
    pub pause: Pause,
}

impl HttpConnector for Connector {
    fn connect(&self, options: &ClientOptions) -> object_store::Result<HttpClient> {
        let client = ReqwestConnector::default().connect(options)?;
        Ok(HttpClient::new(Watched { client, pause: self.pause.clone() }))
    }
}

#[derive(Debug)]
struct Watched {
    client: HttpClient,
    pause: Pause,
}

#[async_trait]
impl HttpService for Watched {
    async fn call(&self, request: HttpRequest) -> Result<HttpResponse, HttpError> {
        let ranged = request.headers().contains_key("range");
        let lists = request.method().as_str() == "PROPFIND";
        let answer = self.client.execute(request).await?;
        let refused = |refusal| Err(HttpError::new(HttpErrorKind::Decode, refusal));
        let status = answer.status().as_u16();
        match status {
            // What is no list says that there are none, whatever else it says: of the folder it says nothing.
            other if lists && !matches!(other, 207 | 404) && !passes(other) => {
                refused(Refusal::NoList(other))
            }
            200 if ranged => refused(Refusal::WholeFile),
            200..=299 if !usable(answer.headers()) => refused(Refusal::Unusable),
            200..=299 | 304 | 404 => Ok(answer),
            other => {
                self.pause.note(answer.headers());
                refused(Refusal::Status(other))
            }
        }
    }
}

/// Whether bytes come as they are in the file, as many as their place says, with numbers that can be reckoned with.
fn usable(headers: &HeaderMap) -> bool {
    let text = |name: &str| headers.get(name).map(|value| value.to_str().unwrap_or("?"));
    let (place, length) = (text("content-range"), text("content-length"));
    let plain = text("content-encoding").is_none_or(|encoding| matches!(encoding, "" | "identity"));
    // A number of 18 digits can be added to.
    let small = |text: &str| text.split(|c: char| !c.is_ascii_digit()).all(|number| number.len() < 19);
    let agree = match (place.and_then(span), length.and_then(|text| text.parse::<u64>().ok())) {
        (Some(span), Some(length)) => span == length,
        _ => true,
    };
    plain && agree && place.is_none_or(small) && length.is_none_or(small)
}

/// How many bytes `bytes 10-19/100` are.
fn span(place: &str) -> Option<u64> {
    let (range, _) = place.strip_prefix("bytes ")?.split_once('/')?;
    let (first, last) = range.split_once('-')?;
    last.parse::<u64>().ok()?.checked_sub(first.parse().ok()?)?.checked_add(1)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_answer_must_not_contradict_itself() {
        let headers = |list: &[(&'static str, &'static str)]| {
            let mut headers = HeaderMap::new();
            for (name, value) in list {
                headers.insert(*name, value.parse().unwrap());
            }
            usable(&headers)
        };
        assert!(headers(&[("content-range", "bytes 10-19/100"), ("content-length", "10")]));
        assert!(headers(&[("content-encoding", "identity")]));
        assert!(!headers(&[("content-range", "bytes 10-19/100"), ("content-length", "11")]));
        assert!(!headers(&[("content-range", "bytes 0-18446744073709551615/18446744073709551615")]));
        assert!(!headers(&[("content-encoding", "gzip")]));
    }

    #[test]
    fn a_server_says_in_two_ways_when_to_come_again() {
        let now: Timestamp = "2015-10-21T07:27:30Z".parse().unwrap();
        assert_eq!(wait("120", now), Duration::from_secs(120));
        assert_eq!(wait("Wed, 21 Oct 2015 07:28:00 GMT", now), Duration::from_secs(30));
        assert_eq!(wait("Wed, 21 Oct 2015 07:27:00 GMT", now), Duration::ZERO);
        assert_eq!(wait("soon", now), Duration::ZERO);
    }
}
