//! Requests to a server, tried again until they bring what was asked for or patience ends.
//!
//! A body that is cut short is gone on with where it broke. Whatever comes is held against what was asked for: its
//! place in the file, its length, the version of the file. Attempts are counted afresh when one has brought something
//! worth while, so a bad line is slow but not an error, and a line that brings nothing ends soon.

use std::collections::hash_map::RandomState;
use std::hash::BuildHasher;
use std::ops::Range;
use std::sync::Arc;
use std::time::Duration;

use futures_util::StreamExt;
use object_store::path::Path;
use object_store::{Error, GetOptions, GetRange, GetResult, ObjectMeta, ObjectStore, ObjectStoreExt};
use serde::{Deserialize, Serialize};
use tokio::sync::Semaphore;

use super::address::Address;
use super::connector::{Pause, Refusal, passes};
use super::pages::Pages;
use super::{Patience, Settings};

/// The longest pause between two attempts.
const LONGEST_PAUSE: Duration = Duration::from_secs(30);
/// An attempt that brings this part of a request is worth while.
const WORTH_WHILE: u64 = 16;
/// The largest file of which the whole is taken from a server that sends whole files only.
const LARGEST_WHOLE: u64 = 64 << 20;
/// What a server says of a file.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct About {
    pub length: u64,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub etag: Option<String>,
    /// Seconds since 1970.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub modified: Option<i64>,
}

impl About {
    fn of(meta: &ObjectMeta) -> About {
        // A server that does not tell the time is given that of the epoch.
        let modified = meta.last_modified.timestamp();
        About { length: meta.size, etag: meta.e_tag.clone(), modified: (modified > 0).then_some(modified) }
    }

    /// Whether both are of the same bytes, as far as can be told.
    pub fn same(&self, other: &About) -> bool {
        let tags = match (&self.etag, &other.etag) {
            (Some(one), Some(two)) => one == two,
            _ => self.modified == other.modified,
        };
        self.length == other.length && tags
    }
}

/// Why there are no bytes.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Trouble {
    /// The file is not there.
    Absent,
    /// It is not the file that was expected, but this one.
    Changed(About),
    /// The server lists nothing in this way; how it says so.
    NoLists(String),
    /// A sentence for people.
    Failed(String),
}

/// Trouble of one attempt, and whether another may help.
#[derive(Debug)]
pub struct Attempt {
    pub trouble: Trouble,
    pub again: bool,
}

/// One place on a server.
#[derive(Debug)]
pub struct Server {
    pub(super) store: Arc<dyn ObjectStore>,
    pub(super) prefix: Path,
    /// Of a web server.
    pub(super) pages: Option<Pages>,
    pub(super) patience: Patience,
    bound: Semaphore,
    pause: Pause,
}

impl Server {
    pub fn new(address: Address, settings: &Settings) -> Server {
        Server {
            store: address.store,
            prefix: address.prefix,
            pages: address.pages,
            bound: Semaphore::new(settings.connections.clamp(1, 256)),
            patience: settings.patience,
            pause: address.pause,
        }
    }

    /// What the server says of a file; nothing if it is not there.
    pub async fn about(&self, path: &str) -> Result<Option<About>, Trouble> {
        let path = self.path(path)?;
        let mut tries = Tries::default();
        loop {
            let head = async { self.store.head(&path).await.map_err(|error| judged(&error)) };
            match self.limited(head).await {
                Ok(meta) => return Ok(Some(About::of(&meta))),
                Err(Attempt { trouble: Trouble::Absent, .. }) => return Ok(None),
                Err(attempt) => self.rest(&mut tries, attempt).await?,
            }
        }
    }

    /// Bytes of a file, of the version that is expected if one is.
    pub async fn bytes(
        &self,
        path: &str,
        range: Range<u64>,
        expected: Option<&About>,
    ) -> Result<(Vec<u8>, About), Trouble> {
        let path = self.path(path)?;
        let mut tries = Tries::default();
        let mut part = Part { bytes: Vec::new(), range, about: expected.cloned() };
        let worth = ((part.range.end - part.range.start) / WORTH_WHILE).max(1);
        let mut counted = 0;
        loop {
            let attempt = match self.limited(self.go_on(&path, &mut part)).await {
                Ok(()) => match part.about {
                    Some(about) => return Ok((part.bytes, about)),
                    None => Attempt { trouble: Trouble::Failed("nothing came".into()), again: false },
                },
                Err(attempt) => attempt,
            };
            let come = part.bytes.len() as u64;
            let told = part.told(attempt);
            if come == part.range.end - part.range.start {
                // All came, and then something was wrong with it: none of it is believed.
                part.bytes.clear();
                counted = 0;
            } else if come - counted >= worth {
                counted = come;
                tries = Tries::default();
            }
            self.rest(&mut tries, told).await?;
        }
    }

    pub(super) fn path(&self, path: &str) -> Result<Path, Trouble> {
        let below = Path::parse(path).map_err(|error| Trouble::Failed(error.to_string()))?;
        Ok(self.prefix.parts().chain(below.parts()).collect())
    }

    /// One attempt, when there is room for one more request and the server wants one.
    pub(super) async fn limited<T>(
        &self,
        attempt: impl Future<Output = Result<T, Attempt>>,
    ) -> Result<T, Attempt> {
        let _room = self.room().await?;
        tokio::time::timeout(self.patience.request, attempt).await.unwrap_or_else(|_| Err(self.too_slow()))
    }

    pub(super) async fn room(&self) -> Result<tokio::sync::SemaphorePermit<'_>, Attempt> {
        let room = self.bound.acquire().await;
        let closed = |_| Attempt { trouble: Trouble::Failed("the place is closed".into()), again: false };
        let room = room.map_err(closed)?;
        tokio::time::sleep(self.pause.left()).await;
        Ok(room)
    }

    pub(super) fn too_slow(&self) -> Attempt {
        let reason = format!("it took longer than {:?}", self.patience.request);
        Attempt { trouble: Trouble::Failed(reason), again: true }
    }

    /// Asks for what of a part has not come yet, and appends what comes.
    async fn go_on(&self, path: &Path, part: &mut Part) -> Result<(), Attempt> {
        let start = part.range.start + part.bytes.len() as u64;
        let wanted = start..part.range.end;
        let options = GetOptions { range: Some(GetRange::Bounded(wanted.clone())), ..GetOptions::default() };
        match self.store.get_opts(path, options).await {
            Ok(answer) => {
                part.is_of(&About::of(&answer.meta))?;
                part.append(answer, None).await
            }
            Err(error) if refusal(&error) == Some(Refusal::WholeFile) => {
                let answer =
                    self.store.get_opts(path, GetOptions::default()).await.map_err(|error| judged(&error))?;
                part.is_of(&About::of(&answer.meta))?;
                if answer.meta.size > LARGEST_WHOLE {
                    let reason =
                        format!("{}, and this one has {} bytes", Refusal::WholeFile, answer.meta.size);
                    return Err(Attempt { trouble: Trouble::Failed(reason), again: false });
                }
                part.append(answer, Some(start)).await
            }
            Err(error) => Err(judged(&error)),
        }
    }

    /// Waits for the next attempt, or says that there is none.
    pub(super) async fn rest(&self, tries: &mut Tries, attempt: Attempt) -> Result<(), Trouble> {
        tries.made += 1;
        if !attempt.again {
            return Err(attempt.trouble);
        }
        if tries.made >= self.patience.attempts {
            return Err(match attempt.trouble {
                Trouble::Failed(reason) if tries.made > 1 => {
                    Trouble::Failed(format!("{reason} ({} attempts)", tries.made))
                }
                other => other,
            });
        }
        let doubled = self.patience.pause.saturating_mul(1 << (tries.made - 1).min(16)).min(LONGEST_PAUSE);
        // Between half and all of it, so that those who failed together do not come again together.
        let chance = RandomState::new().hash_one(tries.made) as f64 / u64::MAX as f64;
        tokio::time::sleep(doubled.mul_f64(0.5 + chance / 2.0)).await;
        Ok(())
    }
}

/// Attempts in a row that brought next to nothing.
#[derive(Default)]
pub(super) struct Tries {
    made: u32,
}

/// What has come of a request.
struct Part {
    bytes: Vec<u8>,
    range: Range<u64>,
    about: Option<About>,
}

impl Part {
    /// Whether an answer is of the expected version, and of a file that is long enough.
    fn is_of(&mut self, about: &About) -> Result<(), Attempt> {
        if self.about.as_ref().is_some_and(|expected| !expected.same(about)) {
            return Err(Attempt { trouble: Trouble::Changed(about.clone()), again: false });
        }
        self.about = Some(about.clone());
        if self.range.end > about.length {
            let reason = format!("the file has {} bytes", about.length);
            return Err(Attempt { trouble: Trouble::Failed(reason), again: false });
        }
        Ok(())
    }

    /// Appends the body of an answer; of a whole file, what follows its byte `whole`. More than was asked for is a
    /// reason to believe none of it.
    async fn append(&mut self, answer: GetResult, whole: Option<u64>) -> Result<(), Attempt> {
        let needed = (self.range.end - self.range.start) as usize;
        let before = self.bytes.len();
        let mut skip = whole.unwrap_or(0);
        let mut stream = answer.into_stream();
        while let Some(next) = stream.next().await {
            let chunk = next.map_err(|error| judged(&error))?;
            let leave = skip.min(chunk.len() as u64);
            skip -= leave;
            let chunk = chunk.get(leave as usize..).unwrap_or_default();
            let room = needed - self.bytes.len();
            if chunk.len() > room && whole.is_none() {
                self.bytes.truncate(before);
                let reason = format!("more than the {} bytes that were asked for came", needed - before);
                return Err(Attempt { trouble: Trouble::Failed(reason), again: true });
            }
            self.bytes.extend_from_slice(chunk.get(..room).unwrap_or(chunk));
            if whole.is_some() && self.bytes.len() == needed {
                return Ok(());
            }
        }
        match self.bytes.len() == needed {
            true => Ok(()),
            false => Err(Attempt {
                trouble: Trouble::Failed("the answer ended too soon".to_string()),
                again: true,
            }),
        }
    }

    /// Trouble with the bytes that were asked for, and how far it came.
    fn told(&self, attempt: Attempt) -> Attempt {
        let Trouble::Failed(reason) = attempt.trouble else { return attempt };
        let (start, end) = (self.range.start, self.range.end);
        let come = match self.bytes.len() {
            0 => String::new(),
            come => format!(", of which {come} came"),
        };
        let trouble = Trouble::Failed(format!("bytes {start} to {end}{come}: {reason}"));
        Attempt { trouble, again: attempt.again }
    }
}

/// What an error of the client means.
pub(super) fn judged(error: &Error) -> Attempt {
    match error {
        Error::NotFound { .. } => Attempt { trouble: Trouble::Absent, again: false },
        other => judged_by_cause(other),
    }
}

/// The same of an error of any kind.
pub(super) fn judged_by_cause(error: &Cause) -> Attempt {
    let Some(refusal) = refusal(error) else {
        return Attempt { trouble: Trouble::Failed(innermost(error)), again: true };
    };
    let said = refusal.to_string();
    match refusal {
        Refusal::NoList(_) => Attempt { trouble: Trouble::NoLists(said), again: false },
        Refusal::Status(status) => Attempt { trouble: Trouble::Failed(said), again: passes(status) },
        Refusal::WholeFile => Attempt { trouble: Trouble::Failed(said), again: false },
        Refusal::Unusable => Attempt { trouble: Trouble::Failed(said), again: true },
    }
}

type Cause = dyn std::error::Error + 'static;

fn refusal(error: &Cause) -> Option<Refusal> {
    let mut cause: Option<&Cause> = Some(error);
    while let Some(this) = cause {
        if let Some(refusal) = this.downcast_ref::<Refusal>() {
            return Some(*refusal);
        }
        cause = this.source();
    }
    None
}

/// The last two causes: the outer ones name the library and the address, which is said elsewhere.
fn innermost(error: &Cause) -> String {
    let mut causes = vec![error.to_string()];
    let mut cause = error.source();
    while let Some(this) = cause {
        causes.push(this.to_string());
        cause = this.source();
    }
    causes.dedup();
    let last = causes.len().saturating_sub(2);
    let mut said = causes.split_off(last);
    if said.len() == 2 && said[0].contains(&said[1]) {
        said.truncate(1);
    }
    said.join(": ")
}
