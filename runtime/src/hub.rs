//! Files of the Hugging Face hub: found in its usual cache, or fetched into it.
//!
//! The environment says what it says to Hugging Face's own tools: `HF_HUB_CACHE` or `HF_HOME` where the cache is,
//! `HF_ENDPOINT` whom to ask, `HF_TOKEN` who asks, `HF_HUB_OFFLINE` that nobody is asked.

use std::env;
use std::fs;
use std::io::IsTerminal;
use std::path::{Path, PathBuf};

use hf_hub::api::Progress;
use hf_hub::api::sync::{ApiBuilder, ApiError};
use hf_hub::{Cache, Repo};
use indicatif::{ProgressBar, ProgressStyle};

use crate::talk::say;

const ENDPOINT: &str = "https://huggingface.co";
/// How often a connection that breaks is taken up again where it broke.
const RETRIES: usize = 4;

/// Why a file of the hub is not at hand.
#[derive(Debug, thiserror::Error)]
pub enum HubError {
    #[error("`{0}` is no file of the hub; a name is OWNER/REPOSITORY:FILE")]
    Name(String),
    #[error("{0} is not in the cache, and HF_HUB_OFFLINE forbids to fetch it")]
    Offline(String),
    #[error("HF_ENDPOINT is `{0}`, which is no address (https://…)")]
    Endpoint(String),
    #[error("{endpoint} has no {name}: check the name; a repository that is not public needs HF_TOKEN")]
    Missing { endpoint: String, name: String },
    #[error(
        "{name} cannot be fetched from {endpoint}: {reason}; what has come stays in the cache, and the same command goes on from there"
    )]
    Broken { endpoint: String, name: String, reason: String },
    #[error("the cache {path}: {reason}")]
    Cache { path: String, reason: String },
}

/// A file of the hub: `microsoft/aurora:aurora-0.25-pretrained.ckpt`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Name<'a> {
    pub repository: &'a str,
    pub file: &'a str,
}

impl<'a> Name<'a> {
    /// Reads `OWNER/REPOSITORY:FILE`; nothing of another form.
    #[must_use]
    pub fn read(text: &'a str) -> Option<Name<'a>> {
        let (repository, file) = text.split_once(':')?;
        let plain = |part: &str| {
            let known = |c: char| c.is_ascii_alphanumeric() || "-_.".contains(c);
            !part.is_empty() && !part.starts_with('.') && part.chars().all(known)
        };
        let (owner, name) = repository.split_once('/')?;
        let sound = plain(owner) && plain(name) && file.split('/').all(plain);
        sound.then_some(Name { repository, file })
    }
}

/// The file in the cache, if it is there; nobody is asked.
#[must_use]
pub fn cached(text: &str) -> Option<PathBuf> {
    let name = Name::read(text)?;
    let path = cache()?.repo(Repo::model(name.repository.to_string())).get(name.file)?;
    path.is_file().then_some(path)
}

/// The file, out of the cache or fetched into it, with progress on stderr. A connection that breaks is taken up
/// again; what is in the cache under the file's name is whole.
///
/// # Errors
/// No network, no such file, a broken connection, an unwritable cache.
pub fn fetch(text: &str) -> Result<PathBuf, HubError> {
    if let Some(path) = cached(text) {
        return Ok(path);
    }
    let name = Name::read(text).ok_or_else(|| HubError::Name(text.to_string()))?;
    if env::var("HF_HUB_OFFLINE").is_ok_and(|value| !["", "0", "false"].contains(&value.as_str())) {
        return Err(HubError::Offline(text.to_string()));
    }
    let endpoint = env::var("HF_ENDPOINT").ok().filter(|one| !one.is_empty());
    let endpoint = endpoint.map_or(ENDPOINT.to_string(), |one| one.trim_end_matches('/').to_string());
    let address = ["https://", "http://"].iter().find_map(|scheme| endpoint.strip_prefix(scheme));
    if !address.is_some_and(|host| host.chars().next().is_some_and(char::is_alphanumeric)) {
        return Err(HubError::Endpoint(endpoint));
    }
    let cache = cache().ok_or_else(|| HubError::Cache {
        path: "of the hub".to_string(),
        reason: "neither HF_HOME nor HOME says where it is".to_string(),
    })?;
    download(&name, &endpoint, cache)
}

fn download(name: &Name<'_>, endpoint: &str, cache: Cache) -> Result<PathBuf, HubError> {
    let told = |error: ApiError| explained(name, endpoint, cache.path(), &error);
    let broken = |reason: &str| HubError::Broken {
        endpoint: endpoint.to_string(),
        name: name.file.to_string(),
        reason: reason.to_string(),
    };
    let mut builder = ApiBuilder::from_cache(cache.clone())
        .with_endpoint(endpoint.to_string())
        .with_retries(RETRIES)
        .with_user_agent("aurorac", env!("CARGO_PKG_VERSION"));
    if let Some(token) = env::var("HF_TOKEN").ok().filter(|token| !token.is_empty()) {
        builder = builder.with_token(Some(token));
    }
    let api = builder.build().map_err(told)?;
    let repository = Repo::model(name.repository.to_string());
    let files = api.repo(repository.clone());
    let metadata = api.metadata(&files.url(name.file)).map_err(told)?;
    // Both become names in the cache.
    let plain = |text: &str| !text.is_empty() && text.chars().all(|c| c.is_ascii_alphanumeric() || c == '-');
    if !plain(metadata.etag()) || !plain(metadata.commit_hash()) {
        return Err(broken("its answer names no version of the file"));
    }
    let blob = cache.repo(repository).blob_path(metadata.etag());
    let part = blob.with_extension("part");
    // A part as long as the whole cannot be gone on with.
    if fs::metadata(&part).is_ok_and(|part| part.len() >= metadata.size() as u64) {
        fs::remove_file(&part).map_err(|error| told(error.into()))?;
    }
    let path = files.download_with_progress(name.file, Shown::new(name.file)).map_err(told)?;
    let size = fs::metadata(&path).map_err(|error| told(error.into()))?.len();
    if size != metadata.size() as u64 {
        for wrong in [&blob, &path] {
            drop(fs::remove_file(wrong));
        }
        return Err(broken(&format!("{size} bytes came of {}", metadata.size())));
    }
    Ok(path)
}

fn explained(name: &Name<'_>, endpoint: &str, cache: &Path, error: &ApiError) -> HubError {
    let text = error.to_string();
    match error {
        ApiError::IoError(_) | ApiError::LockAcquisition(_) if !text.contains("closed") => {
            HubError::Cache { path: cache.display().to_string(), reason: text }
        }
        // ureq tells an answer that is an error by its number.
        _ if ["404", "401", "403"].iter().any(|status| text.contains(&format!("status: {status}"))) => {
            HubError::Missing {
                endpoint: endpoint.to_string(),
                name: format!("{}:{}", name.repository, name.file),
            }
        }
        _ => HubError::Broken { endpoint: endpoint.to_string(), name: name.file.to_string(), reason: text },
    }
}

/// The cache that Hugging Face's own tools use.
fn cache() -> Option<Cache> {
    let set = |name: &str| env::var_os(name).filter(|value| !value.is_empty()).map(PathBuf::from);
    let folder =
        set("HF_HUB_CACHE").or_else(|| set("HF_HOME").map(|home| home.join("hub"))).or_else(|| {
            let caches = set("XDG_CACHE_HOME").or_else(|| set("HOME").map(|home| home.join(".cache")))?;
            Some(caches.join("huggingface").join("hub"))
        })?;
    // hf-hub wants whole paths.
    let whole = if folder.is_absolute() { folder } else { env::current_dir().ok()?.join(folder) };
    Some(Cache::new(whole))
}

/// Progress on stderr: a bar on a terminal, else a line at every tenth.
struct Shown {
    bar: Option<ProgressBar>,
    file: String,
    size: usize,
    done: usize,
    said: usize,
}

impl Shown {
    fn new(file: &str) -> Shown {
        let bar = std::io::stderr().is_terminal().then(|| {
            let template = "fetching {msg} {bar:32} {bytes}/{total_bytes}  {eta} left";
            let style =
                ProgressStyle::with_template(template).unwrap_or_else(|_| ProgressStyle::default_bar());
            ProgressBar::new(0).with_style(style).with_message(file.to_string())
        });
        Shown { bar, file: file.to_string(), size: 0, done: 0, said: 0 }
    }
}

impl Progress for Shown {
    fn init(&mut self, size: usize, _: &str) {
        (self.size, self.done) = (size, 0);
        if let Some(bar) = &self.bar {
            bar.set_length(size as u64);
            bar.set_position(0);
        }
    }

    fn update(&mut self, size: usize) {
        self.done += size;
        match &self.bar {
            Some(bar) => bar.set_position(self.done as u64),
            None => {
                let tenth = (self.done * 10).checked_div(self.size).unwrap_or(10);
                if tenth > self.said {
                    self.said = tenth;
                    let megabytes = |bytes: usize| bytes as f64 / 1e6;
                    say(&format!(
                        "fetching {}: {:.1} of {:.1} MB",
                        self.file,
                        megabytes(self.done),
                        megabytes(self.size)
                    ));
                }
            }
        }
    }

    fn finish(&mut self) {
        if let Some(bar) = &self.bar {
            bar.finish_and_clear();
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_of_the_hub_are_owner_repository_and_file() {
        let name = Name::read("microsoft/aurora:aurora-0.25-pretrained.ckpt").unwrap();
        assert_eq!((name.repository, name.file), ("microsoft/aurora", "aurora-0.25-pretrained.ckpt"));
        assert_eq!(Name::read("a/b:c/d.ckpt").map(|name| name.file), Some("c/d.ckpt"));
        for wrong in ["file.ckpt", "a:b", "a/b:", "a/b:../x", "a/b/c:d", "a/..:d", "C:\\x", "a/b:c?d", "/b:c"]
        {
            assert_eq!(Name::read(wrong), None, "{wrong}");
        }
    }
}
